"""What changed between two locks, as values for people and for machines. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal

from tuneops.core.lock import Creation, Lock, Pointer
from tuneops.core.merge import Entry, book_of, entries_by_key, moved_pins, pin_text, pointers_of
from tuneops.core.recipe import camel

What = Literal[
    "added",
    "removed",
    "moved",
    "state",
    "entry",
    "current",
    "retired",
    "revived",
    "pin",
    "pointer",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that a later lock says otherwise; `before` or `after` is None where it is unset."""

    address: str
    what: What
    key: str | None = None
    before: str | None = None
    after: str | None = None


def bare(lock: Lock) -> Lock:
    """The lock of the same environment before anything was asked for."""
    return replace(lock, jobs={}, retired={}, pointers=None, pins=None)


def differences(before: Lock, after: Lock) -> tuple[Difference, ...]:
    """All that changed between two locks, address by address, entries in the order of their keys.

    `moved` names addresses, `state` and `added` states, `entry` the fields that changed besides,
    `current` keys; `pin` is about a pin that was moved, `before` or `after` as the section has it;
    `pointer`, of an address such as `support-bot@prod`, names versions.
    """
    found = [
        *_entry_differences(before, after),
        *_address_differences(before, after),
        *_pin_differences(before, after),
        *_pointer_differences(before, after),
    ]
    return tuple(sorted(found, key=lambda item: (item.address, item.key is None, item.key or "")))


def _entry_differences(before: Lock, after: Lock) -> Iterator[Difference]:
    old, new = entries_by_key(before), entries_by_key(after)
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        if was is None and now is not None:
            yield Difference(address=now.address, what="added", key=key, after=_state(now.creation))
        elif now is None and was is not None:
            yield Difference(
                address=was.address, what="removed", key=key, before=_state(was.creation)
            )
        elif was is not None and now is not None:
            yield from _changes(key, was, now)


def _changes(key: str, was: Entry, now: Entry) -> Iterator[Difference]:
    address = now.address
    if was.address != address:
        yield Difference(address=address, what="moved", key=key, before=was.address, after=address)
    if was.creation == now.creation:
        return
    states = _state(was.creation), _state(now.creation)
    if states[0] != states[1]:
        yield Difference(address=address, what="state", key=key, before=states[0], after=states[1])
        return
    names = [
        field.name
        for field in fields(Creation)
        if getattr(was.creation, field.name) != getattr(now.creation, field.name)
    ]
    yield Difference(address=address, what="entry", key=key, after=", ".join(map(camel, names)))


def _address_differences(before: Lock, after: Lock) -> Iterator[Difference]:
    for address in sorted({*before.jobs, *before.retired, *after.jobs, *after.retired}):
        was, now = book_of(before, address), book_of(after, address)
        if now == "retired" and was != "retired":
            yield Difference(address=address, what="retired")
        elif was == "retired" and now == "jobs":
            yield Difference(address=address, what="revived")
        old, new = before.at(address).current, after.at(address).current
        if old != new and now != "absent":
            yield Difference(address=address, what="current", before=old, after=new)


def _pin_differences(before: Lock, after: Lock) -> Iterator[Difference]:
    old, new = dict(moved_pins(before)), dict(moved_pins(after))
    for address, name in sorted({*old, *new}):
        was, now = old.get((address, name)), new.get((address, name))
        if was != now:
            texts = [f"{name} {pin_text(pin)}" if pin else None for pin in (was, now)]
            yield Difference(address=address, what="pin", before=texts[0], after=texts[1])


def _pointer_differences(before: Lock, after: Lock) -> Iterator[Difference]:
    old, new = pointers_of(before), pointers_of(after)
    for name, alias in sorted({*old, *new}):
        was, now = old.get((name, alias)), new.get((name, alias))
        if was != now:
            yield Difference(
                address=f"{name}@{alias}",
                what="pointer",
                before=_where(was) if was else None,
                after=_where(now) if now else None,
            )


def _where(pointer: Pointer) -> str:
    number = pointer.model.rpartition("/models/")[2]
    also = f" (and {len(pointer.also)} more)" if pointer.also else ""
    return f"models/{number}, checkpoint {pointer.checkpoint}{also}"


def _state(creation: Creation) -> str:
    """The state as people read it: of a create without an answer, that it was asked for."""
    return creation.state.value.lower() if creation.state else "asked for"
