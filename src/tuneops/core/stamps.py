"""Free re-stamps: specs that say in other words what a creation of ours was made with. Pure.

A spec may come to say a value that the finished job shows it used, or to name the checkpoint that
it started from by another rule; and a newer tuneops may hash the same recipe in a new way. Nothing
is bought for that: the job that is desired becomes the creation's, and its descendants follow, as
they do when a parent is accepted. The lock records it in the creation. Without a lock the same is
found out again from what the jobs carry and show.

A rule `default` is no re-stamp: what it means can be moved at any time, and no job would say what
it meant. To take a value out is none either: unset is the service's choice, whatever it chose.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from tuneops.core.address import Address
from tuneops.core.checkpoints import resolve_checkpoint
from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.entry import marked
from tuneops.core.fingerprint import FORMS, fingerprint, lineage, version_of
from tuneops.core.ledger import learn, survivor, updated
from tuneops.core.lock import Creation, Lock
from tuneops.core.match import shows
from tuneops.core.observed import DeclaredFields, JobState, Observed, ObservedJob
from tuneops.core.recall import UnreadableError, recall
from tuneops.core.recipe import HyperParameters, Recipe, Upstream

Jobs = Mapping[str, ObservedJob]
_Kin = tuple[object, object, object]

_NOBODY = Observed(at=datetime.min.replace(tzinfo=UTC), jobs={})
"""No rule that is asked for here needs more of the world than its parent's own entry."""


def learned(
    graph: DesiredGraph, lock: Lock, observed: Observed, settle: timedelta
) -> tuple[DesiredGraph, Lock]:
    """The graph with its re-stamps, and what the lock says of it once it has seen the world.

    Several looks may be needed: what a metric chose is known only of what is recorded.
    """
    graph = stamped(graph, lock, observed.jobs)
    while True:
        ledger = learn(graph, lock, observed, settle)
        found = stamped(graph, ledger, observed.jobs)
        if found is graph:
            return graph, ledger
        graph = found


def stamped(graph: DesiredGraph, lock: Lock, jobs: Jobs) -> DesiredGraph:
    """The graph where jobs that are a creation of ours already have its recipe and lineage.

    The very same graph where there is nothing to re-stamp. What has a job of its own, live or
    succeeded, is left alone, and so is what would then be the same as another address.
    """
    desk = _Desk(graph, lock, jobs)
    barred: set[str] = set()
    while True:
        found = desk.jobs(barred)
        if found == graph.jobs:
            return graph
        after = replace(graph, jobs=found)
        more = set(_colliding(after)) - barred
        if not more:
            return after
        barred |= more


def stands_for(creation: Creation, recipe: Recipe) -> bool:
    """Say whether a creation is what a recipe says, but for its parent's training."""
    if fingerprint(creation.recipe) == fingerprint(recipe):
        return True
    source, began = recipe.source, creation.recipe.source
    if isinstance(source, Upstream) and isinstance(began, Upstream):
        recipe = replace(recipe, source=replace(source, lineage=began.lineage))
    return lineage(recipe) in (creation.stamps or ())


def _colliding(graph: DesiredGraph) -> Iterator[str]:
    """The re-stamps by which two addresses would be one training."""
    count = Counter(job.lineage for job in graph.jobs)
    for job in graph.jobs:
        if count[job.lineage] > 1:
            line = (job, *graph.ancestors(job))
            yield from (one.lineage for one in line if one.restated is not None)


@dataclass(frozen=True, slots=True)
class _Made:
    """A creation, and its job as far as that is seen."""

    creation: Creation
    job: ObservedJob | None

    @property
    def age(self) -> tuple[datetime, str]:
        made = self.creation.created
        return made or _NOBODY.at, self.creation.lineage


class _Desk:
    """One graph beside what was made."""

    def __init__(self, graph: DesiredGraph, lock: Lock, jobs: Jobs) -> None:
        self.graph = graph
        self.lock = lock
        self.seen = jobs
        self.useful: set[str] = set()
        self.recorded: dict[str, Creation] = {}
        for _, _, creation in lock.creations():
            if creation.live or creation.state is JobState.SUCCEEDED or creation.succeeded:
                self.useful.add(creation.lineage)
            for stamp in creation.stamps or ():
                self.recorded[stamp] = creation

    def jobs(self, barred: Collection[str]) -> tuple[DesiredJob, ...]:
        done: dict[Address, DesiredJob] = {}
        for job in self.graph.jobs:
            done[job.address] = self.job(job, self.source(job, done), barred)
        return tuple(done.values())

    def source(self, job: DesiredJob, done: Mapping[Address, DesiredJob]) -> Recipe:
        """What the spec says, going on from what its parent has become."""
        recipe = job.restated or job.recipe
        if not isinstance(recipe.source, Upstream):
            return recipe
        parent = Address.parse(recipe.source.from_)
        before = self.graph.find(parent)
        if before is None or before.lineage != recipe.source.lineage:
            return recipe  # an accepted version, whatever becomes of the parent
        if done[parent].lineage == before.lineage:
            return recipe
        return replace(recipe, source=replace(recipe.source, lineage=done[parent].lineage))

    def job(self, job: DesiredJob, recipe: Recipe, barred: Collection[str]) -> DesiredJob:
        """The job as it is to be taken."""
        plain = job.restated is None and recipe is job.recipe
        if plain and job.lineage in self.useful:
            return job
        said = job.lineage if plain else lineage(recipe)
        same = self.same(job, recipe, said)
        if same is None or same.lineage in barred:
            return replace(job, recipe=recipe, lineage=said, restated=None)
        mine = same.recipe.source
        source = recipe.source
        if isinstance(source, Upstream) and isinstance(mine, Upstream):
            source = replace(source, checkpoint=mine.checkpoint)
        taken = replace(recipe, source=source, hyper_parameters=same.recipe.hyper_parameters)
        return replace(job, recipe=taken, lineage=same.lineage, restated=recipe)

    def same(self, job: DesiredJob, recipe: Recipe, said: str) -> Creation | None:
        """The creation of another lineage that is what a recipe asks for."""
        if said in self.useful or said in self.labels:
            return None
        if said in self.recorded and _meant(job, self.recorded[said]):
            return self.recorded[said]
        made = [one for one in self.made.get(_kin(recipe), ()) if one.creation.lineage != said]
        made = [one for one in made if _meant(job, one.creation)]
        found = [one for one in made if self.matches(recipe, said, one)]
        latest = max(found, key=lambda one: one.age, default=None)
        if latest is not None:
            return latest.creation
        return None if job.adopt else self.by_label(recipe, said)

    @cached_property
    def labels(self) -> set[str]:
        """The lineages of which a job of ours that is live or succeeded was seen."""
        return {label for label, jobs in self.owned.items() if any(map(_useful, jobs))}

    @cached_property
    def owned(self) -> dict[str, list[ObservedJob]]:
        """The jobs with our labels by their lineage; of one creation, the one that counts."""
        seen = Observed(at=_NOBODY.at, jobs=self.seen).owned(*self.graph.target.owners)
        found: dict[str, list[ObservedJob]] = {}
        for (label, _), jobs in seen.items():
            found.setdefault(label, []).append(survivor(self.genuine(jobs)))
        return found

    def genuine(self, jobs: tuple[ObservedJob, ...]) -> tuple[ObservedJob, ...]:
        return tuple(job for job in jobs if len(jobs) == 1 or self.recipe(job)) or jobs

    @cached_property
    def made(self) -> dict[_Kin, list[_Made]]:
        """All that was made, by what no re-stamp changes: in the lock, or only seen."""
        found: dict[_Kin, list[_Made]] = {}
        known = {creation.job for _, _, creation in self.lock.creations()}
        for _, _, creation in self.lock.creations():
            made = _Made(creation, self.seen.get(creation.job or ""))
            found.setdefault(_kin(creation.recipe), []).append(made)
        for job in (job for jobs in self.owned.values() for job in jobs):
            entry = None if job.name in known else self.recall(job)
            if entry is not None:
                found.setdefault(_kin(entry.recipe), []).append(_Made(entry, job))
        return found

    @cached_property
    def lineages(self) -> dict[str, list[_Made]]:
        """The same by lineage."""
        found: dict[str, list[_Made]] = {}
        for made in self.made.values():
            for one in made:
                found.setdefault(one.creation.lineage, []).append(one)
        return found

    def recipe(self, job: ObservedJob) -> tuple[Recipe, Any] | None:
        target = self.graph.target
        try:
            return recall(job, target.project, target.location)
        except UnreadableError:
            return None

    def recall(self, job: ObservedJob) -> Creation | None:
        found = self.recipe(job)
        return updated(marked(found[0], job, found[1]), job) if found else None

    def matches(self, recipe: Recipe, said: str, made: _Made) -> bool:
        """Say whether a creation of a recipe's kin is what it asks for, field by field.

        What was hashed by another version counts in every state: it is the same training. What a
        job only shows that it used counts once it has succeeded.
        """
        mine = made.creation.recipe
        same = recipe.hyper_parameters == mine.hyper_parameters and recipe.source == _at(
            recipe, mine
        )
        if same:
            return version_of(said) != version_of(made.creation.lineage)
        creation = updated(made.creation, made.job) if made.job else made.creation
        if creation.state is not JobState.SUCCEEDED or creation.model is None:
            return False
        used = _used(recipe.hyper_parameters, mine.hyper_parameters, made.job)
        return used and self.starts_there(recipe, creation)

    def starts_there(self, recipe: Recipe, creation: Creation) -> bool:
        """Say whether a recipe starts where a creation did, perhaps by another rule."""
        source, mine = recipe.source, creation.recipe.source
        if not isinstance(source, Upstream) or not isinstance(mine, Upstream):
            return source == mine
        if source.checkpoint == mine.checkpoint:
            return True
        if source.checkpoint == "default" or creation.source is None:
            return False
        for parent in self.lineages.get(source.lineage, ()):
            entry = updated(parent.creation, parent.job) if parent.job else parent.creation
            if _number(entry.model) == _number(creation.source.model):
                meant = resolve_checkpoint(source.checkpoint, entry, _NOBODY)
                return meant == creation.source.checkpoint
        return False

    def by_label(self, recipe: Recipe, said: str) -> Creation | None:
        """A job whose label says the recipe under another hash version, and nothing else does."""
        for version in FORMS.keys() - {version_of(said)}:
            label = lineage(recipe, version)
            for job in self.owned.get(label, ()):
                if self.recipe(job) is None and shows(recipe, job):
                    return Creation(attempt=1, lineage=label, mark="", recipe=recipe)
        return None


def _useful(job: ObservedJob) -> bool:
    return not job.state.terminal or job.state is JobState.SUCCEEDED


def _meant(job: DesiredJob, creation: Creation) -> bool:
    """Say whether a creation may stand for a job: what adopts by name wants no other one."""
    if job.adopt is None:
        return True
    return _number(job.adopt.target) in (_number(creation.job), _number(creation.model))


def _kin(recipe: Recipe) -> _Kin:
    """All of a recipe but hyperparameters, a checkpoint's rule and names that mean nothing."""
    source, data = recipe.source, recipe.training
    return (
        (data.size, data.crc32c, recipe.method, recipe.project, recipe.location),
        (recipe.encryption_key, recipe.nonce),
        source.lineage if isinstance(source, Upstream) else source,
    )


def _number(model: str | None) -> str:
    return (model or "").rpartition("/")[2]


def _at(recipe: Recipe, mine: Recipe) -> object:
    """Where a creation started, by the name that its parent has now."""
    if isinstance(recipe.source, Upstream) and isinstance(mine.source, Upstream):
        return replace(mine.source, from_=recipe.source.from_)
    return mine.source


def _used(said: HyperParameters, mine: HyperParameters, job: ObservedJob | None) -> bool:
    """Say whether a job was made with these values, or shows that it used them."""
    shown = job.fields if job else DeclaredFields()
    names = ("epoch_count", "adapter_size", "learning_rate_multiplier", "beta")
    for name in names:
        want, have, used = (getattr(one, name) for one in (said, mine, shown))
        same = want is not None and used is not None and float(want) == float(used)
        if want != have and not same:
            return False
    return True
