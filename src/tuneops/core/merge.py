"""One lock out of two that grew apart, by creation key: no entry is lost, none is made up.

A three-way merge where the common ancestor is known, a union where it is not. What both sides
changed is joined by what they know of the world; the order of the sides never matters.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeVar

from tuneops.core.desired import Pinned
from tuneops.core.lock import Creation, Lock, LockedJob, Measured, Pointer, owed
from tuneops.core.observed import JobState
from tuneops.core.pins import Pin, later, pruned
from tuneops.core.pointers import passed

Value = TypeVar("Value")

Both = Callable[[Value, Value], Value]

Book = Literal["absent", "retired", "jobs"]

_HEADER = ("version", "revision", "workspace", "environment", "target", "project", "location")
"""Fields that say whose lock it is: two locks that differ in one of them are not one lock."""

_STATES = (
    None,
    JobState.UNKNOWN,
    JobState.QUEUED,
    JobState.PENDING,
    JobState.RUNNING,
    JobState.PAUSED,
    JobState.UPDATING,
    JobState.CANCELLING,
    JobState.EXPIRED,
    JobState.CANCELLED,
    JobState.FAILED,
    JobState.PARTIALLY_SUCCEEDED,
    JobState.SUCCEEDED,
)
"""From the least that can be known to the most: an end is known after what led to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """What only a person can settle: what the two sides say of one thing that is fixed."""

    field: str
    ours: str
    theirs: str
    address: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The merged lock. With conflicts it is still whole, but must not be written unseen."""

    lock: Lock
    conflicts: tuple[Conflict, ...] = ()
    notes: tuple[str, ...] = ()
    """What was decided where both sides had changed one thing and neither was wrong."""


def merge(base: Lock | None, ours: Lock, theirs: Lock) -> Merged:
    """The lock that says what both sides say.

    Every entry of a side is in it, but for one that the other side removed and that nobody changed
    since `base`. Of two states of an entry it has the one that knows more; if tuneops asked for the
    cancel on either side, it says so.
    """
    return _Desk(base, ours, theirs).merge()


def unite(seen: Lock | None, ours: Lock, theirs: Lock, *, agreed: bool) -> Merged:
    """The lock that says what two places say, where either may be old or have been put back.

    No entry with a job is ever lost by it, whoever removed it. An intent is forgotten only if it
    was `seen` and one of the two has settled since that it came to nothing. A moved pin is a cause
    of money: that of `theirs` counts only where people have `agreed` on it.
    """
    if not agreed:
        theirs = replace(theirs, pins=ours.pins)
    return merge(_intents(seen) if seen is not None else None, ours, theirs)


def _intents(lock: Lock) -> Lock:
    """The lock without entries that have a job."""

    def thinned(books: Mapping[str, LockedJob]) -> dict[str, LockedJob]:
        return {
            address: replace(
                job,
                creations={key: one for key, one in job.creations.items() if one.unanswered},
            )
            for address, job in books.items()
        }

    return replace(lock, jobs=thinned(lock.jobs), retired=thinned(lock.retired))


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry and where one side has it."""

    address: str
    creation: Creation


class _Desk:
    """Both sides and their ancestor, opened by key."""

    def __init__(self, base: Lock | None, ours: Lock, theirs: Lock) -> None:
        self.base, self.ours, self.theirs = base, ours, theirs
        self.entries = [entries_by_key(lock) for lock in (base, ours, theirs)]
        self.conflicts: list[Conflict] = []
        self.notes: list[str] = []

    def merge(self) -> Merged:
        header = self.header()
        creations: dict[str, dict[str, Creation]] = {}
        keys = sorted({key for side in self.entries for key in side})
        for key in keys:
            entry = self.entry(key)
            if entry is not None:
                creations.setdefault(entry.address, {})[key] = entry.creation
        books: dict[Book, dict[str, LockedJob]] = {"jobs": {}, "retired": {}, "absent": {}}
        for address in sorted(creations):
            current = self.current(address, creations[address])
            job = LockedJob(current=current, creations=creations[address])
            books[self.book(address)][address] = job
        lock = replace(header, jobs=books["jobs"], retired=books["retired"], pins=self.pins())
        lock = pruned(lock)
        for name, alias in sorted({place for side in self.sides_of_pointers() for place in side}):
            lock = lock.point(name, alias, self.pointer(name, alias))
        return Merged(lock=lock, conflicts=tuple(self.conflicts), notes=tuple(self.notes))

    def sides_of_pointers(self) -> list[dict[tuple[str, str], Pointer]]:
        return [pointers_of(lock) for lock in (self.base, self.ours, self.theirs)]

    def pointer(self, name: str, alias: str) -> Pointer | None:
        """Where an alias is: as the side says that moved it; the next run looks for itself."""

        def both(one: Pointer | None, two: Pointer | None) -> Pointer | None:
            if one is None or two is None:
                return one or two
            last, first = sorted((one, two), key=self.age, reverse=True)
            self.notes.append(
                f"both sides moved `{alias}` of `{name}`: `{last.model}` is kept; a run looks where"
                " it is"
            )
            also = {*(one.also or ()), *(two.also or ()), first.model} - {last.model}
            before = passed(first, last, now=last.model)
            return replace(last, also=tuple(sorted(also)), before=before)

        base, ours, theirs = (side.get((name, alias)) for side in self.sides_of_pointers())
        return _three_way(base, ours, theirs, both)

    def age(self, pointer: Pointer) -> tuple[float, str]:
        """How late what a pointer points at was made."""
        for side in self.entries:
            entry = side.get(pointer.creation)
            if entry is not None and entry.creation.created is not None:
                return entry.creation.created.timestamp(), repr(pointer)
        return 0.0, repr(pointer)

    def header(self) -> Lock:
        """The fields of the lock itself; its books are still those of `ours`."""
        for name in _HEADER:
            self.agree(name, getattr(self.ours, name), getattr(self.theirs, name))
        numbers = self.sides("project_number")
        guards = self.sides("guard")
        if None not in numbers[1:]:
            self.agree("projectNumber", *numbers[1:])
        return replace(
            self.ours,
            pointers=None,
            project_number=_three_way(*numbers, lambda one, two: max(one or "", two or "") or None),
            guard=_three_way(*guards, lambda one, two: max(one, two, key=_strength)),
        )

    def sides(self, name: str) -> tuple[Any, Any, Any]:
        base = getattr(self.base, name) if self.base else None
        return base, getattr(self.ours, name), getattr(self.theirs, name)

    def agree(
        self, name: str, ours: object, theirs: object, address: str | None = None, key: str = ""
    ) -> None:
        if ours != theirs:
            conflict = Conflict(
                field=name, ours=str(ours), theirs=str(theirs), address=address, key=key or None
            )
            self.conflicts.append(conflict)

    def pins(self) -> Mapping[str, Mapping[str, Pin]]:
        """The moved pins; of one dataset the later one, of one model a person decides."""
        sides = [dict(moved_pins(lock)) for lock in (self.base, self.ours, self.theirs)]
        found: dict[str, dict[str, Pin]] = {}
        for place in sorted({place for side in sides for place in side}):
            base, ours, theirs = (side.get(place) for side in sides)
            pin = _three_way(base, ours, theirs, partial(self.pin, place))
            if pin is not None:
                found.setdefault(place[0], {})[place[1]] = pin
        return found

    def pin(self, place: tuple[str, str], one: Pin | None, two: Pin | None) -> Pin | None:
        """One pin that both sides moved."""
        if one is None or two is None:
            return one or two
        if not (isinstance(one, Pinned) and isinstance(two, Pinned)):
            self.agree(f"pin of {place[1]}", pin_text(one), pin_text(two), place[0])
        return later(one, two)

    def entry(self, key: str) -> Entry | None:
        """One entry and its address, or None where its removal stands."""

        def both(one: Creation | None, two: Creation | None) -> Creation | None:
            return self.join(key, one, two) if one and two else one or two

        found = [side.get(key) for side in self.entries]
        base, ours, theirs = (entry.creation if entry else None for entry in found)
        creation = _three_way(base, ours, theirs, both)
        if creation is None:
            return None
        was, mine, other = (entry.address if entry else None for entry in found)
        address = _three_way(was, mine, other, self.nearer) or mine or other
        assert address is not None, "what is merged is on one of the sides"
        return Entry(address, creation)

    def join(self, key: str, one: Creation, two: Creation) -> Creation:
        """What both sides know of one creation, which both of them changed."""
        address = self.entries[1][key].address
        if one.job is not None and two.job is not None:
            self.agree("job", one.job, two.job, address, key)
        self.agree("lineage", one.lineage, two.lineage, address, key)
        self.agree("attempt", one.attempt, two.attempt, address, key)
        return join(one, two)

    def nearer(self, one: str | None, two: str | None) -> str | None:
        """Of two addresses that one entry was moved to, one that is still alive."""
        there = (address for address in (one, two) if address is not None)
        return min(there, key=lambda address: (self.book(address) != "jobs", address))

    def book(self, address: str) -> Book:
        """Where an address belongs: it is retired where a side retired it since the base."""
        order: list[Book] = ["absent", "retired", "jobs"]
        base, ours, theirs = (
            book_of(lock, address) for lock in (self.base, self.ours, self.theirs)
        )
        if "absent" in (ours, theirs):
            return max(ours, theirs, key=order.index)
        return _three_way(base, ours, theirs, lambda one, two: max(one, two, key=order.index))

    def current(self, address: str, creations: Mapping[str, Creation]) -> str | None:
        """The result to serve: that of the side that changed it, else the newer one."""
        base = self.base.at(address).current if self.base else None
        ours, theirs = (
            base if book_of(lock, address) == "absent" else lock.at(address).current
            for lock in (self.ours, self.theirs)
        )

        def newer(one: str | None, two: str | None) -> str | None:
            older, newest = sorted((one, two), key=lambda key: _age(key, creations))
            if older is not None:
                self.notes.append(
                    f"both sides moved the current result of `{address}`: `{newest}` is kept, which"
                    f" is newer than `{older}`"
                )
            return newest

        known = {None, *creations}
        return _three_way(
            base if base in known else None,
            ours if ours in known else None,
            theirs if theirs in known else None,
            newer,
        )


def join(one: Creation, two: Creation) -> Creation:
    """Of two states of one creation, the one that knows more.

    A cancel or deletion of ours is remembered; what one side protects stays protected.
    A join in the sense of lattices: order, grouping and repetition do not matter.
    """
    order = (None, False, True).index
    best = max(one, two, key=_knowledge)
    live = best.state is None or not best.state.terminal
    protect = one.policy.protect or two.policy.protect
    return replace(
        best,
        cancel_asked=max(one.cancel_asked, two.cancel_asked, key=order),
        delete_asked=max(one.delete_asked, two.delete_asked, key=order),
        wrong_bytes=max(one.wrong_bytes, two.wrong_bytes, key=order),
        rewritten=max(filter(None, (one.rewritten, two.rewritten)), default=None),
        recalled=(one.recalled and two.recalled) or None,
        data_read=max(one.data_read, two.data_read, key=order) if live else None,
        policy=replace(best.policy, protect=protect),
        measured=_measured(one.measured or {}, two.measured or {}) or None,
        stamps=tuple(sorted({*(one.stamps or ()), *(two.stamps or ())})) or None,
        unkept=owed(one, two),
    )


def _measured(one: Mapping[str, Measured], two: Mapping[str, Measured]) -> dict[str, Measured]:
    """All values of both; of what was measured on different things, one side's."""
    joined = {**one, **two}
    for metric in {*one} & {*two}:
        mine, other = one[metric], two[metric]
        if mine.on == other.on:
            names = sorted({*mine.values, *other.values})
            values = {n: max(mine.values.get(n, ""), other.values.get(n, "")) for n in names}
            joined[metric] = Measured(on=mine.on, values=values)
        else:
            joined[metric] = max(mine, other, key=lambda item: item.on)
    return dict(sorted(joined.items()))


def _knowledge(creation: Creation) -> tuple[Any, ...]:
    """How much an entry knows, without what is joined apart; its words only break ties."""
    checkpoints = dict(sorted(creation.checkpoints.items()))
    plain = replace(
        creation,
        cancel_asked=None,
        delete_asked=None,
        wrong_bytes=None,
        rewritten=None,
        data_read=None,
        recalled=None,
        measured=None,
        stamps=None,
        unkept=None,
        checkpoints=checkpoints,
        policy=replace(creation.policy, protect=None),
    )
    return (
        creation.job is not None,
        _STATES.index(creation.state),
        creation.model is not None,
        len(creation.checkpoints),
        creation.billable_tokens is not None,
        creation.asked.timestamp() if creation.asked else 0.0,
        -repr(creation.evidence).count("=None"),
        repr(plain),
    )


def _three_way(base: Value, ours: Value, theirs: Value, both: Both[Value]) -> Value:
    """The value of the side that changed it; `both` decides where both did, and differently."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    return both(ours, theirs)


def entries_by_key(lock: Lock | None) -> dict[str, Entry]:
    """All entries of a lock, with the addresses that have them."""
    if lock is None:
        return {}
    return {key: Entry(address, creation) for address, key, creation in lock.creations()}


def moved_pins(lock: Lock | None) -> Iterator[tuple[tuple[str, str], Pin]]:
    """The pins that people moved, by address and name."""
    for address, names in (lock.pins if lock and lock.pins else {}).items():
        for name, pin in names.items():
            yield (address, name), pin


def pointers_of(lock: Lock | None) -> dict[tuple[str, str], Pointer]:
    """Every pointer by its name and alias."""
    found = (lock.pointers or {}).items() if lock else ()
    return {(name, alias): item for name, aliases in found for alias, item in aliases.items()}


def book_of(lock: Lock | None, address: str) -> Book:
    """Where a lock has an address."""
    if lock is None or (address not in lock.jobs and address not in lock.retired):
        return "absent"
    return "jobs" if address in lock.jobs else "retired"


def _age(key: str | None, creations: Mapping[str, Creation]) -> tuple[bool, float, str]:
    created = creations[key].created if key is not None else None
    return key is not None, created.timestamp() if created else 0.0, key or ""


def _strength(guard: str | None) -> tuple[bool, bool, str]:
    """A guard that more runners share comes after one that fewer do; none comes first."""
    return guard is not None, guard != "local", guard or ""


def pin_text(pin: Pin) -> str:
    """A pin in a few words: what identifies the bytes, or the version and checkpoint."""
    if isinstance(pin, Pinned):
        generation = f" generation {pin.evidence.generation}" if pin.evidence.generation else ""
        return f"{pin.dataset.size} bytes, crc32c {pin.dataset.crc32c}{generation}"
    return f"{pin.model} checkpoint {pin.checkpoint}"
