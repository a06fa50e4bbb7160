"""Write the lock again from what the jobs carry: labels, the machine line, and their own fields.

A recipe is taken only if it hashes to the lineage of its job's label: nothing is invented. What
became of a job since it was made is in its claim (`core.keepsakes`), and where an alias is, models
show. No job carries intents that were never answered, jobs that were adopted by a spec that is gone
and a pin that was moved and not trained on yet: without the moved pin the bytes of the last job
count again, and what changed is drift. Where claims are lost as well, a cancelled job counts as
somebody's veto, a deleted version as one that somebody deleted, and names and policies of jobs that
no spec has are those of their beginning: it is said. Which bytes a job read is looked at again, by
what its URI holds now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType

from tuneops.core.claim import Claim, Keepsake
from tuneops.core.desired import DesiredGraph
from tuneops.core.entry import found, marked
from tuneops.core.inputs import judged
from tuneops.core.keepsakes import NOTHING, recalled
from tuneops.core.ledger import survivor, updated
from tuneops.core.lock import Creation, Lock, LockedJob
from tuneops.core.match import shows
from tuneops.core.observed import JobState, Observed, ObservedJob
from tuneops.core.pointers import found_pointers, note_pointers, short_version
from tuneops.core.recall import UnreadableError, recall
from tuneops.core.recipe import Upstream
from tuneops.core.stamps import learned, stamped

_STOPPED = (JobState.CANCELLED, JobState.CANCELLING)


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
    claims: Mapping[str, Claim] = MappingProxyType({}),
) -> Rebuilt:
    """The lock with an entry for every job of ours, whether or not a spec wants it.

    Entries that `lock` has stay as they are, but for what `learn` brings up to date: it is the
    empty lock where the file is gone. Addresses come from the labels; those that no spec wants are
    retired. Where the desired creation is not finished, the newest result counts as current, unless
    a claim says another. `claims` are those that were found, by key.
    """
    desk = _Desk(graph, lock, observed, claims)
    return desk.rebuild(settle)


class _Desk:
    """The lock in the making, and what remains in doubt."""

    def __init__(
        self, graph: DesiredGraph, lock: Lock, observed: Observed, claims: Mapping[str, Claim]
    ) -> None:
        self.graph = graph = stamped(graph, lock, observed.jobs)
        self.claims = claims
        self.lock = _without_recalled(lock)
        self.observed = observed
        self.wanted = {job.lineage: job for job in graph.jobs}
        self.doubts: list[Doubt] = []
        self.left: dict[str, dict[str, Creation]] = {}
        """The results that were served at the first address of their jobs, and then went to another
        one; by that first address."""

    def rebuild(self, settle: timedelta) -> Rebuilt:
        owned = self.observed.owned(*self.graph.target.owners)
        before = self.lock
        known = {key for _, key, _ in before.creations()}
        for (_, attempt), jobs in sorted(owned.items(), key=lambda item: item[1][0].seniority):
            genuine = tuple(job for job in jobs if self.reads(job)) or jobs
            self.add(attempt, survivor(genuine), known, twins=len(genuine) - 1)
        guesses = self.appoint(before)
        self.graph, lock = learned(self.graph, self.lock, self.observed, settle)
        lock = note_pointers(self.graph, lock, self.observed)
        lock = self.promoted(before, lock)
        self.graph, lock = learned(self.graph, lock, self.observed, settle)
        lock = self.remembered(before, lock)
        self.look_for_parents(before, lock)
        for address, key in guesses.items():
            self.question(lock.at(address), address, key)
        count = sum(len(jobs) for jobs in owned.values())
        return Rebuilt(lock=lock, jobs=count, doubts=tuple(self.doubts))

    def add(self, attempt: int, job: ObservedJob, known: set[str], *, twins: int) -> None:
        """Record a job whose key the lock does not have."""
        ownership, target = job.ownership, self.graph.target
        assert ownership is not None, "only jobs with our labels are recorded"
        key = target.key(ownership.lineage, attempt)
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
        claim = self.claim(key, job.name)
        if claim is not None and claim.cancel_asked and entry.state in _STOPPED:
            entry = replace(entry, cancel_asked=True)
        kept = (claim.kept if claim else None) or NOTHING
        entry = recalled(entry, kept)
        self.look_at_data(ownership.address, entry, kept)
        if kept.address is not None and kept.taken:
            self.left.setdefault(ownership.address, {})[key] = entry
        self.lock = self.lock.put(kept.address or ownership.address, key, entry)

    def look_at_data(self, address: str, entry: Creation, kept: Keepsake) -> None:
        """Say where it cannot be shown any more which bytes a job has read."""
        there = self.observed.inputs.get(entry.job or "")
        if kept.wrong_bytes or kept.rewritten or there is None:
            return
        if entry.wrong_bytes:
            words = "its data was replaced before it ended; it counts as trained on other bytes"
        elif not there.dataset.same_bytes(entry.recipe.training):
            words = "its data was replaced after it ended; which bytes it read cannot be shown now"
        elif entry.rewritten is not None:
            words = "its data was written again before it ended, after it had read it or not"
        else:
            return
        self.doubts.append(Doubt(address=address, job=entry.job, words=words))

    def claim(self, key: str, job: str | None) -> Claim | None:
        """The claim of an entry, if it was found and is of this very job."""
        claim = self.claims.get(key)
        return claim if claim is not None and claim.job == job else None

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

        An address whose newest result went to another one has none.

        Gives those of several results: which of them was current is a guess.
        """
        guesses: dict[str, str] = {}
        jobs: dict[str, LockedJob] = dict(self.lock.jobs)
        for address in self.lock.jobs:
            if before.at(address).creations:
                continue
            here = {**self.left.get(address, {}), **jobs[address].creations}
            done = {key: item for key, item in here.items() if self.counts(key, item)}
            current = max(done, key=lambda key: self.served(key, done[key]), default=None)
            if current is None or current not in jobs[address].creations:
                continue
            jobs[address] = replace(jobs[address], current=current)
            known = all(self.claim(key, item.job) for key, item in done.items())
            if len(done) > 1 and not known:
                guesses[address] = current
        self.lock = replace(self.lock, jobs=jobs)
        return guesses

    def counts(self, key: str, creation: Creation) -> bool:
        """Say whether a creation may be the result of its address."""
        claim = self.claim(key, creation.job)
        idle = claim is not None and claim.kept is not None and claim.kept.unserved
        return creation.succeeded and not idle

    def served(self, key: str, creation: Creation) -> tuple[float, str]:
        """Since when a result is the current one, if it is."""
        claim = self.claim(key, creation.job)
        since = claim.kept.since if claim and claim.kept else None
        moments = [moment for moment in (creation.created, since) if moment is not None]
        return max(moments).timestamp() if moments else 0.0, key

    def promoted(self, before: Lock, lock: Lock) -> Lock:
        """The lock with the aliases on results of jobs that no spec has any more."""
        released = {
            (key, alias)
            for _, key, creation in lock.creations()
            if (claim := self.claim(key, creation.job)) and claim.kept
            for alias in claim.kept.released or ()
        }
        found = found_pointers(self.graph, lock, self.observed, released)
        for (name, alias), pointer in found.items():
            if before.pointer(name, alias) is None:
                lock = lock.point(name, alias, pointer)
                words = (
                    f"`{alias}` is on models/{short_version(pointer.model)}, and no spec has its "
                    "job: it counts as promoted until somebody takes it off"
                )
                self.doubts.append(Doubt(address=name, job=None, words=words))
        return lock

    def remembered(self, before: Lock, lock: Lock) -> Lock:
        """The lock with what its pointers were on before they were lost."""
        made = {key: (address, one) for address, key, one in lock.creations() if one.succeeded}
        for name, aliases in (lock.pointers or {}).items():
            others = {
                key for key, (address, _) in made.items() if address.partition("/")[0] == name
            }
            for alias, pointer in aliases.items():
                if before.pointer(name, alias) is not None or pointer.creation not in made:
                    continue
                address, creation = made[pointer.creation]
                claim = self.claim(pointer.creation, creation.job)
                were = claim and claim.kept and claim.kept.before
                if were and f"{name}@{alias}" in were:
                    lock = lock.point(name, alias, replace(pointer, before=were[f"{name}@{alias}"]))
                elif claim is None and others - {pointer.creation}:
                    words = (
                        f"what `{alias}` was on before is not recorded; `rollback` may need `--to`"
                    )
                    self.doubts.append(Doubt(address=address, job=creation.job, words=words))
        return lock

    def look_for_parents(self, before: Lock, lock: Lock) -> None:
        """Say which jobs were continued and are not there any more: nothing else tells of them."""
        known = {creation.lineage for _, _, creation in lock.creations()}
        old = {key for _, key, _ in before.creations()}
        for address, key, creation in lock.creations():
            source = creation.recipe.source
            if key in old or not isinstance(source, Upstream) or source.lineage in known:
                continue
            words = f"the job of `{source.from_}` that it continues is not there to be recorded"
            self.doubts.append(Doubt(address=address, job=creation.job, words=words))

    def question(self, locked: LockedJob, address: str, guess: str) -> None:
        """Say that a current result is a guess, unless it is the one that the spec asks for."""
        result = locked.result
        if result is not None and locked.current == guess and result.lineage not in self.wanted:
            words = "which of its results was current is not recorded; the newest is taken"
            self.doubts.append(Doubt(address=address, job=result.job, words=words))


def _without_recalled(lock: Lock) -> Lock:
    """The lock without what a run wrote by marks alone: it is written anew, in full."""

    def kept(books: Mapping[str, LockedJob]) -> dict[str, LockedJob]:
        found = {}
        for address, book in books.items():
            entries = {key: one for key, one in book.creations.items() if not one.recalled}
            if entries:
                current = book.current if book.current in entries else None
                found[address] = LockedJob(current=current, creations=entries)
        return found

    return replace(lock, jobs=kept(lock.jobs), retired=kept(lock.retired))
