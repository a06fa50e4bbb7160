"""Write the lock again from what the jobs carry: labels, the machine line, and their own fields.

A recipe is taken only if it hashes to the lineage of its job's label: nothing is invented. What no
job carries is lost with a lock: intents that were never answered, jobs that were adopted by a spec
that is gone, a name that an address has had since, who asked for a cancel or a deletion, and a pin
that was moved and not trained on yet. A cancelled job counts as somebody's veto then, and a deleted
version as one that somebody deleted: both hold and never spend; without the moved pin the bytes of
the last job count again, and what changed is drift. Which bytes a job read is looked at again, by
what its URI holds now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Literal

from tuneops.core.desired import DesiredGraph
from tuneops.core.entry import found, marked
from tuneops.core.fingerprint import creation_key, lineage
from tuneops.core.inputs import judged
from tuneops.core.labels import Note, read_note
from tuneops.core.ledger import learn, survivor, updated
from tuneops.core.lock import Creation, Lock, LockedJob
from tuneops.core.match import shows
from tuneops.core.observed import DeclaredFields, Observed, ObservedJob
from tuneops.core.pointers import note_pointers
from tuneops.core.recipe import (
    AtEpoch,
    AtStep,
    BaseModel,
    Best,
    CheckpointRule,
    Dataset,
    HyperParameters,
    Method,
    Pretuned,
    Recipe,
    Source,
    Upstream,
    WithId,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Something about a job of ours that its marks do not say, or do not say for sure."""

    address: str
    job: str | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """The lock as the world tells it."""

    lock: Lock
    jobs: int
    """How many jobs of ours there are."""
    doubts: tuple[Doubt, ...] = ()


class UnreadableError(Exception):
    """A job's marks do not give its recipe; the words say why."""


def rebuild(
    graph: DesiredGraph,
    lock: Lock,
    observed: Observed,
    settle: timedelta,
    asked: Mapping[str, str] = MappingProxyType({}),
) -> Rebuilt:
    """The lock with an entry for every job of ours, whether or not a spec wants it.

    Entries that `lock` has stay as they are, but for what `learn` brings up to date: it is the
    empty lock where the file is gone. Addresses come from the labels; those that no spec wants are
    retired. Where the desired creation is not finished, the newest result counts as current.
    `asked` has the jobs that we cancelled, by key, as their claims say.
    """
    desk = _Desk(graph, lock, observed, asked)
    return desk.rebuild(settle)


class _Desk:
    """The lock in the making, and what remains in doubt."""

    def __init__(
        self, graph: DesiredGraph, lock: Lock, observed: Observed, asked: Mapping[str, str]
    ) -> None:
        self.graph = graph
        self.asked = asked
        self.lock = lock
        self.observed = observed
        self.wanted = {job.lineage: job for job in graph.jobs}
        self.doubts: list[Doubt] = []

    def rebuild(self, settle: timedelta) -> Rebuilt:
        owned = self.observed.owned(*self.graph.target.owners)
        before = self.lock
        known = {key for _, key, _ in before.creations()}
        for (_, attempt), jobs in sorted(owned.items(), key=lambda item: item[1][0].seniority):
            genuine = tuple(job for job in jobs if self.reads(job)) or jobs
            self.add(attempt, survivor(genuine), known, twins=len(genuine) - 1)
        guesses = self.appoint(before)
        lock = learn(self.graph, self.lock, self.observed, settle)
        lock = note_pointers(self.graph, lock, self.observed)
        for address, key in guesses.items():
            self.question(lock.at(address), address, key)
        count = sum(len(jobs) for jobs in owned.values())
        return Rebuilt(lock=lock, jobs=count, doubts=tuple(self.doubts))

    def add(self, attempt: int, job: ObservedJob, known: set[str], *, twins: int) -> None:
        """Record a job whose key the lock does not have."""
        ownership, target = job.ownership, self.graph.target
        assert ownership is not None, "only jobs with our labels are recorded"
        key = creation_key(
            owner=target.origin,
            project=target.project,
            location=target.location,
            lineage=ownership.lineage,
            attempt=attempt,
        )
        if key in known:
            return
        try:
            creation = self.entry(job, ownership.lineage)
        except UnreadableError as why:
            words = f"{why}; it is left out, so tuneops neither uses nor cancels it"
            self.doubts.append(Doubt(address=ownership.address, job=job.name, words=words))
            return
        if twins:
            words = f"{twins + 1} jobs carry its lineage and attempt; this is the one that counts"
            self.doubts.append(Doubt(address=ownership.address, job=job.name, words=words))
        entry = judged(creation, updated(creation, job), job, self.observed.inputs)
        there = self.observed.inputs.get(job.name)
        if there and not entry.wrong_bytes and not there.dataset.same_bytes(entry.recipe.training):
            words = "its data was replaced after it ended; which bytes it read cannot be shown now"
            self.doubts.append(Doubt(address=ownership.address, job=job.name, words=words))
        if self.asked.get(key) == job.name:
            entry = replace(entry, cancel_asked=True)
        self.lock = self.lock.put(ownership.address, key, entry)

    def reads(self, job: ObservedJob) -> bool:
        """Say whether a job shows the settings that its marks or the spec say."""
        try:
            return job.ownership is not None and bool(self.entry(job, job.ownership.lineage))
        except UnreadableError:
            return False

    def entry(self, job: ObservedJob, label: str) -> Creation:
        """The entry of a job; by its marks, else by the spec that wants exactly this lineage."""
        target = self.graph.target
        try:
            recipe, note = recall(job, target.project, target.location)
        except UnreadableError:
            if label not in self.wanted or not shows(self.wanted[label].recipe, job):
                raise
            return found(self.wanted[label], job)
        return marked(recipe, job, note)

    def appoint(self, before: Lock) -> dict[str, str]:
        """Make the newest result of each address that `before` did not have its current one.

        Gives those of several results: which of them was current is a guess.
        """
        guesses: dict[str, str] = {}
        jobs: dict[str, LockedJob] = dict(self.lock.jobs)
        for address in self.lock.jobs:
            if before.at(address).creations:
                continue
            done = [(key, item) for key, item in jobs[address].history if item.succeeded]
            if done:
                jobs[address] = replace(jobs[address], current=done[0][0])
            if len(done) > 1:
                guesses[address] = done[0][0]
        self.lock = replace(self.lock, jobs=jobs)
        return guesses

    def question(self, locked: LockedJob, address: str, guess: str) -> None:
        """Say that a current result is a guess, unless it is the one that the spec asks for."""
        result = locked.result
        if result is not None and locked.current == guess and result.lineage not in self.wanted:
            words = "which of its results was current is not recorded; the newest is taken"
            self.doubts.append(Doubt(address=address, job=result.job, words=words))


def recall(job: ObservedJob, project: str, location: str) -> tuple[Recipe, Note]:
    """The recipe of a job of ours, as its marks and fields give it, and its machine line.

    UnreadableError when they do not give one that hashes to the lineage of its label, or when the
    job shows other settings than its marks say.
    """
    note, shown = read_note(job.description), job.fields
    if note is None:
        raise UnreadableError("its description has no machine line that can be read")
    if shown.method not in set(Method) or shown.training_uri is None:
        raise UnreadableError("it shows no method and training data that tuneops knows")
    size, crc32c = note.training
    recipe = Recipe(
        method=Method(shown.method),
        source=_source(note, shown),
        training=Dataset(uri=shown.training_uri, size=size, crc32c=crc32c),
        hyper_parameters=_hyper_parameters(note.declared, shown),
        project=project,
        location=location,
        encryption_key=shown.encryption_key,
        nonce=note.nonce or None,
    )
    if job.ownership is None or lineage(recipe) != job.ownership.lineage:
        raise UnreadableError("its fields and marks give another lineage than its label")
    return recipe, note


def _source(note: Note, shown: DeclaredFields) -> Source:
    if shown.pretuned_model is None:
        if shown.base_model is None or note.parent_lineage:
            raise UnreadableError("it does not show what it continues")
        return BaseModel(base_model=shown.base_model)
    if note.parent_lineage:
        rule = _rule(note.checkpoint_rule)
        return Upstream(from_=note.parent, lineage=note.parent_lineage, checkpoint=rule)
    if shown.checkpoint is None:
        raise UnreadableError("it does not show the checkpoint that it continues")
    return Pretuned(model=shown.pretuned_model, checkpoint=shown.checkpoint)


def _rule(text: str) -> CheckpointRule:
    """The rule that `recipe.rule_text` wrote."""
    word, _, value = text.partition(" ")
    match word, value:
        case ("last" | "default") as plain, "":
            return plain
        case "epoch", number if number.isdecimal():
            return AtEpoch(epoch=int(number))
        case "step", number if number.isdecimal():
            return AtStep(step=int(number))
        case "id", name if name:
            return WithId(id=name)
        case "best", name if name.removesuffix(" highest"):
            goal: Literal["highest"] | None = "highest" if name.endswith(" highest") else None
            return Best(best=name.removesuffix(" highest"), goal=goal)
        case _:
            raise UnreadableError(f"its checkpoint rule `{text}` means nothing")


def _hyper_parameters(declared: Mapping[str, str], shown: DeclaredFields) -> HyperParameters:
    """What the spec set, in its own spelling; the job must show the same numbers."""
    there = {
        "epochCount": shown.epoch_count,
        "adapterSize": shown.adapter_size,
        "learningRateMultiplier": shown.learning_rate_multiplier,
        "beta": shown.beta,
    }
    numbers: dict[str, Decimal] = {}
    for name, text in declared.items():
        try:
            numbers[name] = Decimal(text)
            same = float(numbers[name]) == float(there[name] or 0)
        except (InvalidOperation, KeyError, OverflowError):
            same = False
        if not same:
            raise UnreadableError(f"it does not show the `{name}` that its marks say")
    whole = {name: int(number) for name, number in numbers.items() if name in _WHOLE}
    return HyperParameters(
        epoch_count=whole.get("epochCount"),
        adapter_size=whole.get("adapterSize"),
        learning_rate_multiplier=numbers.get("learningRateMultiplier"),
        beta=numbers.get("beta"),
    )


_WHOLE = ("epochCount", "adapterSize")
