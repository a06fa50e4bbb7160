"""Which pin is in force at an address: one that was moved on purpose, else the latest creation's.

The recipes of creations hold the pins. A pin that was moved (`lock pin`) lives in a section of the
lock of its own until a job was made with it; then the job says it, and the section forgets it. Of
all that a lock holds this alone is in no job's marks: lost, it is drift again and not a purchase,
since the pin that takes its place is that of a creation that was made. An object only ever gets
greater generations, so of two pins of one name the greater generation is the later decision.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tuneops.core.desired import Pinned
from tuneops.core.lock import Creation, Lock
from tuneops.core.recipe import Evidence, Pretuned

Pin = Pinned | Pretuned


def data_pin(lock: Lock, address: str, uri: str) -> Pinned | None:
    """What the lock says of the bytes behind a name at an address; None when it says nothing."""
    made = [creation for creation in _history(lock, address) if creation.recipe.training.uri == uri]
    moved = (lock.pins or {}).get(address, {}).get(uri)
    if isinstance(moved, Pinned) and not any(_outdates(creation, moved) for creation in made):
        return moved
    return _pinned(made[0]) if made else None


def model_pin(lock: Lock, address: str, text: str) -> Pretuned | None:
    """What the lock says of the tuned model that a spec names so; None when it says nothing."""
    moved = (lock.pins or {}).get(address, {}).get(text)
    if isinstance(moved, Pretuned):
        return moved
    return next((source for source, _ in _sources(lock, address, text)), None)


def with_pins(lock: Lock, moved: Mapping[tuple[str, str], Pin]) -> Lock:
    """The lock with some pins moved, by address and name."""
    pins = {address: dict(names) for address, names in (lock.pins or {}).items()}
    for (address, name), pin in moved.items():
        pins.setdefault(address, {})[name] = pin
    return pruned(replace(lock, pins=pins))


def with_pins_moved(lock: Lock, old: str, new: str) -> Lock:
    """The lock with the moved pins of an address under the one that its job has now."""
    pins = dict(lock.pins or {})
    if old not in pins:
        return lock
    pins[new] = {**pins.pop(old), **pins.get(new, {})}
    return replace(lock, pins=pins)


def pruned(lock: Lock) -> Lock:
    """The lock without the moved pins that a job's own recipe says by now, or a later one."""
    if not lock.pins:
        return replace(lock, pins=None) if lock.pins is not None else lock
    pins = {
        address: kept
        for address, names in lock.pins.items()
        if (kept := {name: pin for name, pin in names.items() if _needed(lock, address, name, pin)})
    }
    return lock if pins == lock.pins else replace(lock, pins=pins or None)


def later(one: Pin, two: Pin) -> Pin:
    """Of two pins of one name, the later decision; the order of the two does not matter."""
    return max(one, two, key=lambda pin: (_generation(pin), repr(pin)))


def _needed(lock: Lock, address: str, name: str, pin: Pin) -> bool:
    if isinstance(pin, Pretuned):
        said = next(_sources(lock, address, name), None)
        return said is None or not said[1] or said[0] != pin
    made = [item for item in _history(lock, address) if item.recipe.training.uri == name]
    if any(_outdates(creation, pin) for creation in made):
        return False
    said_by_a_job = made and made[0].job is not None
    return not (said_by_a_job and made[0].recipe.training.same_bytes(pin.dataset))


def _history(lock: Lock, address: str) -> tuple[Creation, ...]:
    return tuple(creation for _, creation in lock.at(address).history)


def _sources(lock: Lock, address: str, text: str) -> Iterator[tuple[Pretuned, bool]]:
    """What creations took a reference to mean, latest first, and whether their job was made."""
    for creation in _history(lock, address):
        source = creation.recipe.source
        if creation.evidence.source == text and isinstance(source, Pretuned):
            yield source, creation.job is not None


def _pinned(creation: Creation) -> Pinned:
    evidence = creation.evidence.training or Evidence()
    return Pinned(dataset=creation.recipe.training, evidence=evidence)


def _outdates(creation: Creation, pin: Pinned) -> bool:
    """Say whether a job was made with a later generation of the object than the pin's."""
    made = creation.job is not None
    return made and _generation(_pinned(creation)) > _generation(pin) >= 0


def _generation(pin: Pin) -> int:
    """The generation as a number; -1 where there is none, or none that can be compared."""
    text = pin.evidence.generation if isinstance(pin, Pinned) else None
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else -1
