"""What the lock knows of a job and neither the job nor a spec says: kept in the job's claim. Pure.

A job's marks are as they were when it was made. Its address, its policy and what is served of it
may change later; for as long as a spec has the job, the spec says them. What no spec will say any
more is kept where it is not lost with the lock, so that a rebuilt one has it again.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace

from tuneops.core.checkpoints import last_checkpoint
from tuneops.core.claim import Keepsake
from tuneops.core.labels import policy_words, read_note, read_policy
from tuneops.core.lock import Creation, Lock, LockedJob, owed
from tuneops.core.observed import Observed, ObservedJob

NOTHING = Keepsake()


@dataclass(frozen=True, slots=True)
class Kept:
    """What is to be kept of a job, and the aliases that are on it by a promotion."""

    job: ObservedJob
    keepsake: Keepsake
    pointed: frozenset[str]
    stays: bool
    """Whether it is at an address that it has had for a while, other than its first."""

    def over(self, said: Keepsake) -> Keepsake:
        """The keepsake in the place of an earlier one, of which only what passed is left."""
        released = {*(said.released or ()), *(self.keepsake.released or ())} - self.pointed
        return replace(
            self.keepsake,
            since=self.keepsake.since or said.since,
            taken=said.taken if self.stays else self.keepsake.taken,
            released=tuple(sorted(released)) or None,
        )


@dataclass(frozen=True, slots=True)
class _Place:
    address: str
    retired: bool
    current: bool
    unserved: bool
    pointed: frozenset[str]
    before: dict[str, tuple[str, ...]]
    creation: Creation


def keepsakes(before: Lock, after: Lock, observed: Observed) -> Mapping[str, Kept]:
    """What is to be kept of the entries that changed between two states of the lock, by key.

    So is what could not be kept before. One that says nothing takes the place of an earlier one.
    Jobs that were not seen, or that somebody else made, have none.
    """
    old, new = dict(_places(before)), dict(_places(after))
    moved = set(_moved(before, after))
    found: dict[str, Kept] = {}
    for key, place in new.items():
        job = observed.jobs.get(place.creation.job or "")
        if job is None or job.ownership is None or key not in old:
            continue
        was, first = old[key], job.ownership.address
        late = owed(was.creation, place.creation)
        if key in moved or late is not None or _facts(was) != _facts(place):
            serves = key in moved or (late is not None and place.current)
            leaves = was.address == first != place.address
            released = {*(late or ()), *(was.pointed - place.pointed)} - place.pointed
            keepsake = replace(
                _kept(place, job),
                since=observed.at if serves else None,
                taken=(was.current if leaves else late is not None and place.current) or None,
                released=tuple(sorted(released)) or None,
            )
            plain = keepsake == _kept(was, job) == NOTHING
            if not plain or late is not None or place.pointed - was.pointed:
                stays = late is None and was.address != first != place.address
                found[key] = Kept(job, keepsake, place.pointed, stays)
    return found


def noted(lock: Lock, found: Mapping[str, Kept], left: Container[str]) -> Lock:
    """The lock with a note in each entry of which something was `left` unkept, and in no other."""
    changed: list[tuple[str, str, Creation]] = []
    for address, key, creation in lock.creations():
        if key in found:
            unkept = (found[key].keepsake.released or ()) if key in left else None
            if unkept != creation.unkept:
                changed.append((address, key, replace(creation, unkept=unkept)))
    return lock.record(changed) if changed else lock


def recalled(creation: Creation, keepsake: Keepsake) -> Creation:
    """An entry that was written from the marks of its job, with what was kept of it."""
    policy = creation.policy if keepsake.policy is None else read_policy(keepsake.policy)
    return replace(
        creation,
        policy=policy,
        chosen=keepsake.chosen or creation.chosen,
        delete_asked=keepsake.delete_asked,
        wrong_bytes=keepsake.wrong_bytes or creation.wrong_bytes,
        rewritten=keepsake.rewritten or creation.rewritten,
        stamps=keepsake.stamps,
    )


def newest(locked: LockedJob) -> str | None:
    """The result that would be taken for the current one if nothing said which one is."""
    return next((key for key, creation in locked.history if creation.succeeded), None)


def _places(lock: Lock) -> Iterator[tuple[str, _Place]]:
    pointed: dict[str, set[str]] = {}
    before: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, aliases in (lock.pointers or {}).items():
        for alias, pointer in aliases.items():
            pointed.setdefault(pointer.creation, set()).add(alias)
            if pointer.before:
                before.setdefault(pointer.creation, {})[f"{name}@{alias}"] = pointer.before
    for retired, book in ((False, lock.jobs), (True, lock.retired)):
        for address, locked in book.items():
            for key, creation in locked.creations.items():
                on = frozenset(pointed.get(key, ()))
                current, idle = key == locked.current, locked.current is None
                unserved = idle and creation.succeeded
                were = before.get(key, {})
                yield key, _Place(address, retired, current, unserved, on, were, creation)


def _facts(place: _Place) -> tuple[object, ...]:
    """What of an entry may change, and no job says."""
    creation = place.creation
    said = creation.policy, creation.chosen, creation.delete_asked
    seen = creation.wrong_bytes, creation.rewritten, creation.stamps
    served = place.current, place.unserved, place.pointed, place.before
    return place.address, place.retired, *served, *said, *seen


def _moved(before: Lock, after: Lock) -> Iterator[str]:
    """The results that are served now, where that cannot be told from their ages."""
    for address in {*after.jobs, *after.retired}:
        was, now = before.at(address), after.at(address)
        told = now.current == newest(now) and was.current == newest(was)
        same = was.current == now.current and newest(was) == newest(now)
        if now.current is not None and not told and not same:
            yield now.current


def _kept(place: _Place, job: ObservedJob) -> Keepsake:
    creation, note, mark = place.creation, read_note(job.description), job.ownership
    assert mark is not None, "only jobs with our labels are kept"
    words = tuple(policy_words(creation.policy))
    outlives = place.retired or bool(creation.policy.protect)
    last = last_checkpoint(creation.checkpoints)
    served = outlives and place.current and creation.chosen != last
    return Keepsake(
        address=place.address if place.address != mark.address else None,
        policy=words if outlives and (note is None or note.policy != words) else None,
        unserved=place.unserved or None,
        chosen=creation.chosen if served else None,
        before=place.before or None,
        delete_asked=creation.delete_asked,
        wrong_bytes=creation.wrong_bytes,
        rewritten=creation.rewritten,
        stamps=creation.stamps,
    )
