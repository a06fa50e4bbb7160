"""What one job costs: tokens of one pass, times epochs, times price.

What is not known is said, never made up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property

from tuneops.catalog.models import Model, Table, table
from tuneops.core.lock import Creation, Lock
from tuneops.core.observed import Observed
from tuneops.core.plan import Change, Plan
from tuneops.core.recipe import BaseModel, Method, Pretuned, Recipe
from tuneops.core.view import View
from tuneops.costs.amounts import NOTHING, Cost, Tokens
from tuneops.costs.history import Bytes, History, bytes_of, epochs_run, spread

_FARTHEST = 1000
"""How many ancestors of a job are walked up at most: labels of a foreign world might go round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The cost of one job, with what it follows from; `missing` says why there is none."""

    cost: Cost | None = None
    tokens: Tokens | None = None
    """Of all epochs together."""
    price: Decimal | None = None
    as_of: date | None = None
    """The day of the price."""
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known of prices and data besides lock and world."""

    table: Table = field(default_factory=table)
    counted: Mapping[Bytes, Tokens] = field(default_factory=dict)
    """Tokens of one pass over datasets whose characters were counted."""
    beside: tuple[Lock, ...] = ()
    """The locks of the workspace's other environments, where a ceiling counts them too."""
    unread: tuple[str, ...] = ()
    """Why some of those could not be read."""


class Estimator:
    """Prices jobs by one view of the world; asks nobody and changes nothing."""

    def __init__(self, view: View, knowledge: Knowledge) -> None:
        self._view = view
        self.known = knowledge

    @property
    def _locks(self) -> tuple[Lock, ...]:
        return (self._view.ledger, *self.known.beside)

    @cached_property
    def _history(self) -> History:
        return History.of(*self._locks)

    @cached_property
    def _recipes(self) -> Mapping[str, Recipe]:
        """Every recipe that is known, by lineage."""
        known = {
            creation.lineage: creation.recipe
            for lock in self._locks
            for _, _, creation in lock.creations()
        }
        return known | {job.lineage: job.recipe for job in self._view.graph.jobs}

    @cached_property
    def _makers(self) -> Mapping[str, Creation]:
        """The creations of the locks by the versions that they made."""
        return {
            creation.model: creation
            for lock in self._locks
            for _, _, creation in lock.creations()
            if creation.model
        }

    def plan(self, plan: Plan) -> dict[str, Estimate]:
        """What each paid line costs, by address."""
        return {change.address: self.line(change) for change in plan.buys}

    def line(self, change: Change) -> Estimate:
        """What one paid line costs."""
        job = self._view.graph.find_text(change.address)
        assert job is not None, "what is bought is desired"
        return self.recipe(job.recipe, change.address)

    def addresses(self, addresses: Iterable[str]) -> Cost | None:
        """What it costs to make all these jobs; None when any of them cannot be estimated."""
        jobs = [self._view.graph.find_text(address) for address in addresses]
        found = [self.recipe(job.recipe, str(job.address)).cost for job in jobs if job is not None]
        costs = [cost for cost in found if cost is not None]
        return Cost.sum(costs) if len(costs) == len(found) else None

    def recipe(self, recipe: Recipe, address: str) -> Estimate:
        """What one run of a recipe costs."""
        model = self.model(recipe)
        if model is None:
            return Estimate(missing="its base model is not known")
        price = model.prices.get(recipe.method.value)
        if price is None:
            return Estimate(missing=f"no price of {recipe.method.value} tuning of {model.id}")
        one_pass = self._tokens(recipe, address)
        if one_pass is None:
            return Estimate(missing="the tokens of its data are not known")
        epochs = self._epochs(recipe, model)
        if epochs is None:
            return Estimate(missing="its epochs are left to the service")
        tokens = one_pass.times(*epochs)
        as_of = model.rows["prices"].as_of
        return Estimate(cost=tokens.priced(price), tokens=tokens, price=price, as_of=as_of)

    def creation(self, creation: Creation, address: str) -> Cost | None:
        """What a job of the lock cost, or is taken to cost until its bill is known.

        A job that ended without having counted its tokens may have cost nothing; what is billed of
        one that was cancelled or failed on its way is not documented. None: not known at all.
        """
        recipe = self._rooted(creation)
        ended = creation.state is not None and creation.state.terminal
        price = self._price(recipe)
        if not ended or creation.billable_tokens is None or price is None:
            whole = self.recipe(recipe, address).cost
            return Cost(NOTHING.low, whole.high) if ended and whole else whole
        low, high = self._epochs_of(creation)
        one_pass = Tokens(creation.billable_tokens, creation.billable_tokens)
        return one_pass.times(low, high).priced(price)

    def _price(self, recipe: Recipe) -> Decimal | None:
        model = self.model(recipe)
        return model.prices.get(recipe.method.value) if model else None

    def _rooted(self, creation: Creation) -> Recipe:
        """The recipe of a job; where nobody here knows its parent, by the version it names."""
        recipe = creation.recipe
        if creation.source is not None and self.base(recipe) is None:
            return replace(recipe, source=creation.source)
        return recipe

    def _epochs_of(self, creation: Creation) -> tuple[int, int]:
        """How many epochs an ended job may be billed for."""
        model = self.model(self._rooted(creation))
        assert model is not None, "what has a price has a model"
        run, said = epochs_run(creation), creation.recipe.hyper_parameters.epoch_count
        if creation.succeeded and (said or run):
            return (said or run), (said or run)
        usual = model.default_epochs
        most = said or (usual.high if usual else run)
        least = run if not creation.succeeded or not usual else usual.low
        return min(least, most), max(run, most)

    def model(self, recipe: Recipe) -> Model | None:
        """What is known of the base model that a recipe descends from."""
        base = self.base(recipe)
        return self.known.table.find(base) if base else None

    def base(self, recipe: Recipe) -> str | None:
        """The base model that a recipe descends from, as far as specs, lock and jobs tell."""
        source = recipe.source
        for _ in range(_FARTHEST):
            if isinstance(source, BaseModel):
                return source.base_model
            if isinstance(source, Pretuned):
                maker = self._makers.get(source.model)
                if maker is None:
                    return self._foreign(source.model)
                source = maker.recipe.source
                continue
            above = self._recipes.get(source.lineage)
            if above is None:
                return None
            source = above.source
        return None

    def _foreign(self, version: str) -> str | None:
        """The base model of a version that somebody else's job made, as far as jobs are listed."""
        makers = {job.model: job.fields for job in self._view.observed.jobs.values() if job.model}
        for _ in range(_FARTHEST):
            fields = makers.get(version)
            if fields is None or fields.base_model:
                return fields.base_model if fields else None
            version = fields.pretuned_model or ""
        return None

    def _tokens(self, recipe: Recipe, address: str) -> Tokens | None:
        """The tokens of one pass: as billed before, as the chain's data had them, or as counted.

        Bytes that are nowhere any more, those of a job whose data was edited since, have about as
        many as what is counted of the same chain now.
        """
        data, how, chain = recipe.training, recipe.method, address.partition("/")[0]
        before = self._history.tokens(data, how, chain)
        known = before or self.known.counted.get(bytes_of(data, how))
        beside = self._beside.get((chain, how), ())
        return known or (spread(data, *zip(*beside, strict=True)) if beside else None)

    @cached_property
    def _beside(self) -> Mapping[tuple[str, Method], list[tuple[Decimal, Decimal]]]:
        """The least and the most tokens for each byte of what is counted of each chain."""
        found: dict[tuple[str, Method], list[tuple[Decimal, Decimal]]] = {}
        for job in self._view.graph.jobs:
            data, how = job.recipe.training, job.recipe.method
            tokens = self.known.counted.get(bytes_of(data, how))
            if tokens is not None and data.size:
                ends = Decimal(tokens.low) / data.size, Decimal(tokens.high) / data.size
                found.setdefault((job.address.name, how), []).append(ends)
        return found

    def _epochs(self, recipe: Recipe, model: Model) -> tuple[int, int] | None:
        said = recipe.hyper_parameters.epoch_count
        before = self._history.epochs.get(bytes_of(recipe.training, recipe.method))
        if said or before:
            return (said or before or 0), (said or before or 0)
        usual = model.default_epochs
        return (usual.low, usual.high) if usual else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sunk:
    """What a job that is to be cancelled has taken so far, and what is saved by cancelling it."""

    seconds: int
    epochs: int
    """How many are done."""
    of: int | None
    spent: Cost | None
    saved: Cost | None


def sunk(change: Change, view: View, estimator: Estimator) -> Sunk | None:
    """What a cancel gives up; None when the job is not seen or not known."""
    job = view.observed.jobs.get(change.job or "")
    creation = next((one for _, _, one in view.ledger.creations() if one.job == change.job), None)
    if job is None or creation is None:
        return None
    whole = estimator.recipe(creation.recipe, change.address).cost
    done, total = epochs_run(creation), creation.recipe.hyper_parameters.epoch_count
    spent = saved = None
    if whole is not None:
        least = Decimal(min(done, total)) / total if total else Decimal(0)
        most = Decimal(min(done + 1, total)) / total if total else Decimal(1)
        spent = Cost(whole.low * least, whole.high * most)
        saved = Cost(whole.low * (1 - most), whole.high * (1 - least))
    return Sunk(
        seconds=_elapsed(job.created, view.observed),
        epochs=done,
        of=total,
        spent=spent,
        saved=saved,
    )


def _elapsed(since: datetime, observed: Observed) -> int:
    return max(0, int((observed.at - since).total_seconds()))
