"""Where a result comes from: its cause, its reason, and the line back to the base model.

All of it is read from the lock; what the lock cannot say is left out, never guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tuneops.core.diff import FieldChange, diff_recipes
from tuneops.core.fingerprint import fingerprint
from tuneops.core.lock import Creation, Lock, Pointer
from tuneops.core.observed import JobState
from tuneops.core.plan import Reason
from tuneops.core.recipe import Pretuned, Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One creation of the line, why it was made, and what had changed for it."""

    address: str
    key: str
    creation: Creation
    reason: Reason
    changes: tuple[FieldChange, ...] = ()


def find_creation(lock: Lock, text: str) -> tuple[str, str, Creation] | None:
    """The creation that a text names: an address, alias, job or version; None where none is known.

    An address means its result, or its latest creation while there is no result; an alias, as
    `support-bot@prod`, what it is on. Jobs and versions may be named in full, or as
    `tuningJobs/987` and `models/55@2`.
    """
    pointer = find_pointer(lock, text)
    text = pointer.model if pointer else text
    locked = lock.at(text)
    if locked.creations:
        key = locked.current or locked.history[0][0]
        return text, key, locked.creations[key]
    for address, key, creation in lock.creations():
        if _names(creation.job, text) or _names(creation.model, text):
            return address, key, creation
    return None


def find_pointer(lock: Lock, text: str) -> Pointer | None:
    """Where the alias is that a text such as `support-bot@prod` names."""
    name, _, alias = text.partition("@")
    return lock.pointer(name, alias)


def under_way(lock: Lock, address: str, key: str) -> tuple[Creation, ...]:
    """What else was asked for at an address and has not ended, the latest first."""
    return tuple(
        creation
        for other, creation in lock.at(address).history
        if other != key and not (creation.state is not None and creation.state.terminal)
    )


def _names(name: str | None, text: str) -> bool:
    return name is not None and bool(text) and (name == text or name.endswith(f"/{text}"))


def trace(lock: Lock, address: str, key: str) -> Iterator[Origin]:
    """The creation, and those that it descends from, nearest first."""
    places = {found: (where, creation) for where, found, creation in lock.creations()}
    seen: set[str] = set()
    step: str | None = key
    while step is not None and step not in seen:
        seen.add(step)
        address, creation = places[step]
        yield _origin(lock, address, step, creation)
        step = _parent(lock, creation)


def _parent(lock: Lock, creation: Creation) -> str | None:
    """The key of the creation whose version this one started from."""
    if creation.source is None:
        return None
    made = (key for _, key, other in lock.creations() if other.model == creation.source.model)
    return next(made, None)


def _origin(lock: Lock, address: str, key: str, creation: Creation) -> Origin:
    earlier = _earlier(lock, address, key)
    changes: tuple[FieldChange, ...] = ()
    if creation.adopted:
        reason = Reason.NAMED
    elif earlier is None:
        reason = Reason.FIRST_RUN
    elif earlier.lineage == creation.lineage:
        reason = Reason.RETRY
        if earlier.state is JobState.CANCELLED:
            reason = Reason.WANTED_AGAIN if earlier.cancel_asked else Reason.RESUMED
    else:
        changes = diff_recipes(earlier.recipe, creation.recipe)
        same = fingerprint(earlier.recipe) == fingerprint(creation.recipe)
        reason = Reason.PARENT_CHANGED if same else Reason.INPUTS_CHANGED
    return Origin(address=address, key=key, creation=creation, reason=reason, changes=changes)


def _earlier(lock: Lock, address: str, key: str) -> Creation | None:
    """What was made at the address before this creation: the latest of those."""
    history = [creation for name, creation in lock.at(address).history if name != key]
    mine = lock.at(address).creations[key]
    if mine.created is None:
        return history[0] if history else None
    before = (one for one in history if one.created is not None and one.created < mine.created)
    return next(before, None)


def start(origin: Origin) -> str:
    """What the first creation of a line started from, in words."""
    source = origin.creation.recipe.source
    if isinstance(source, Upstream):
        return f"{source.from_}, which the lock does not know any more"
    if isinstance(source, Pretuned):
        return f"{source.model}, checkpoint {source.checkpoint}"
    return source.base_model
