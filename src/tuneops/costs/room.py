"""What ceilings leave for a create at the moment it is sent, when others buy under them as well.

A tick judges its plan by what it saw at its beginning. Just before each create, the list is read
again, and so is what other runs reserved (`core.purse`): whatever is new there comes off.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

from tuneops.core.claim import Reservation
from tuneops.core.fingerprint import purse_key
from tuneops.core.observed import ObservedJob
from tuneops.core.plan import Change, Plan
from tuneops.core.purse import Purse
from tuneops.core.rules import PER_CHAIN, PER_MONTH, Ceiling
from tuneops.core.view import View
from tuneops.costs.amounts import NOTHING, Cost, dollars, spell
from tuneops.costs.budget import chain_of, of_chain, of_month, total
from tuneops.costs.estimates import Estimator, Knowledge
from tuneops.costs.spending import Entry, entry_of, same_month


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """One ceiling that other runs buy under as well, and what this run's plan leaves of it."""

    ceiling: Ceiling
    left: Decimal
    lineages: frozenset[str] | None = None
    """Of a chain."""


@dataclass(frozen=True, slots=True)
class _News:
    """Something that was bought, or is about to be, since the plan was judged."""

    address: str
    owner: str
    lineage: str
    at: datetime
    cost: Cost | None


class Room:
    """What a tick's plan leaves of the ceilings that are not its own alone."""

    def __init__(self, lines: Sequence[Change], view: View, estimator: Estimator) -> None:
        self._view, self._estimator = view, estimator
        costs = {change.address: estimator.line(change).cost for change in lines}
        self._planned = {at: cost for at, cost in costs.items() if cost is not None}
        self._shares = tuple(self._all_shares(lines))
        self._keys = frozenset(change.key for change in lines)
        self._again = frozenset((change.lineage, change.attempt) for change in lines)
        self._marks = _marks(view, estimator.known)

    def purse(self, change: Change) -> Purse | None:
        """What one create of the plan takes out of the shared record; None without a ceiling."""
        chain = chain_of(change.address)
        shares = [x for x in self._shares if x.lineages is None or change.lineage in x.lineages]
        if not shares:
            return None
        target = self._view.graph.target
        return Purse(
            key=purse_key((*target.formerly.workspace, target.workspace)[0]),
            cost=self._planned.get(change.address, NOTHING).high,
            refusal=partial(self._refusal, chain, tuple(shares)),
        )

    def _all_shares(self, lines: Sequence[Change]) -> Iterator[_Share]:
        view, estimator = self._view, self._estimator
        for ceiling in view.graph.target.rules.ceilings:
            if ceiling.name == PER_MONTH:
                spent = total(of_month(view, lines, estimator, ceiling), estimator)
                planned = Cost.sum(self._planned.values())
                yield _Share(ceiling=ceiling, left=ceiling.most - (spent + planned).high)
            elif ceiling.name == PER_CHAIN:
                for chain in {chain_of(change.address) for change in lines}:
                    spent = total(of_chain(view, lines, estimator, chain), estimator)
                    costs = (x for at, x in self._planned.items() if chain_of(at) == chain)
                    yield _Share(
                        ceiling=ceiling,
                        left=ceiling.most - (spent + Cost.sum(costs)).high,
                        lineages=_lineages(view, chain),
                    )

    def _refusal(
        self,
        chain: str,
        shares: tuple[_Share, ...],
        at: datetime,
        jobs: tuple[ObservedJob, ...],
        held: tuple[Reservation, ...],
    ) -> str | None:
        news = list(self._news(jobs, held))
        for share in shares:
            mine = [one for one in news if self._counts(one, share, at)]
            for one in mine:
                if one.cost is None and not self._view.graph.target.rules.unestimated:
                    return f"another run has bought `{one.address}`, and its cost is not known"
            cost = Cost.sum(one.cost for one in mine if one.cost is not None)
            if mine and cost.high > share.left:
                names = ", ".join(f"`{one.address}`" for one in mine)
                what = "the month" if share.lineages is None else f"`{chain}`"
                return (
                    f"another run buys {names} ({spell(cost)}): with this plan {what} would cost "
                    f"more than {dollars(share.ceiling.most)} (`budget.{share.ceiling.name}`)"
                )
        return None

    def _counts(self, one: _News, share: _Share, at: datetime) -> bool:
        own = one.owner in self._view.graph.target.owners
        if share.lineages is not None:
            return own and one.lineage in share.lineages
        return (own or share.ceiling.wide) and same_month(one.at, at)

    def _news(
        self, jobs: tuple[ObservedJob, ...], held: tuple[Reservation, ...]
    ) -> Iterator[_News]:
        """Jobs and reservations of the workspace that neither locks nor the plan's list knew."""
        seen = set(self._marks)
        for job in jobs:
            if job.ownership is None or job.ownership.mark in seen:
                continue
            entry = entry_of(job, self._view)
            if entry is not None and not self._mine(entry):
                seen.add(job.ownership.mark)
                creation = entry.creation
                cost = self._estimator.creation(creation, entry.address)
                owner = job.ownership.owner
                yield _News(entry.address, owner, creation.lineage, job.created, cost)
        for one in held:
            if one.mark not in seen and one.key not in self._keys:
                cost = Cost(one.cost, one.cost)
                where = one.owner.partition("--")[2]
                yield _News(f"a job in {where}", one.owner, one.lineage, one.at, cost)

    def _mine(self, entry: Entry) -> bool:
        return entry.own and (entry.creation.lineage, entry.creation.attempt) in self._again


def room(plan: Plan, view: View, knowledge: Knowledge, barred: Mapping[str, str]) -> Room | None:
    """The room of a judged plan; None where no ceiling is shared with other runs."""
    lines = [change for change in plan.buys if change.address not in barred]
    names = {ceiling.name for ceiling in view.graph.target.rules.ceilings}
    if not lines or not names & {PER_MONTH, PER_CHAIN}:
        return None
    return Room(lines, view, Estimator(view, knowledge))


def _marks(view: View, knowledge: Knowledge) -> frozenset[str]:
    """The marks of all that was counted when the plan was judged."""
    locks = (view.ledger, *knowledge.beside)
    locked = {creation.mark for lock in locks for _, _, creation in lock.creations()}
    jobs = view.observed.jobs.values()
    return frozenset(locked | {job.ownership.mark for job in jobs if job.ownership is not None})


def _lineages(view: View, chain: str) -> frozenset[str]:
    return frozenset(job.lineage for job in view.graph.jobs if job.address.name == chain)
