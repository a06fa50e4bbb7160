"""Write the lock again from what the jobs carry: labels, the machine line, and their own fields.

A recipe is taken only if it hashes to the lineage of its job's label: nothing is invented. What no
job carries is lost with a lock: intents that were never answered, jobs that were adopted by a spec
that is gone, a name that an address has had since, a policy that was edited before its spec was
removed, an alias that no spec promotes any more, who asked for a cancel or a deletion, and a pin
that was moved and not trained on yet. A cancelled job counts as somebody's veto then, and a deleted
version as one that somebody deleted: both hold and never spend; without the moved pin the bytes of
the last job count again, and what changed is drift. Which bytes a job read is looked at again, by
what its URI holds now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType

from tuneops.core.desired import DesiredGraph
from tuneops.core.entry import found, marked
from tuneops.core.fingerprint import creation_key
from tuneops.core.inputs import judged
from tuneops.core.ledger import survivor, updated
from tuneops.core.lock import Creation, Lock, LockedJob
from tuneops.core.match import shows
from tuneops.core.observed import Observed, ObservedJob
from tuneops.core.pointers import note_pointers
from tuneops.core.recall import UnreadableError, recall
from tuneops.core.stamps import learned, stamped


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
        self.graph = graph = stamped(graph, lock, observed.jobs)
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
        graph, lock = learned(self.graph, self.lock, self.observed, settle)
        lock = note_pointers(graph, lock, self.observed)
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
