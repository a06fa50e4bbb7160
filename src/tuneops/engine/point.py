"""Move one pointer, safely: read, compare, merge, read back.

Aliases have no etag. What is not as the plan saw it is left alone, and the next round plans anew;
every write sets what is wanted, so that a run which stops half-way is continued by the next.
"""

from collections.abc import Callable

from tuneops.core.creation import Contended, Refusal
from tuneops.core.observed import ModelVersion
from tuneops.core.plan import Move
from tuneops.core.pointers import short_version
from tuneops.engine.ports import ModelRegistry
from tuneops.errors import Rejected

Say = Callable[[str, str], None]

_RACES = ("ABORTED", "FAILED_PRECONDITION")
"""With which the service says that somebody else wrote first."""


def move_pointer(move: Move, registry: ModelRegistry, say: Say) -> Refusal | Contended | None:
    """Set the default checkpoint, then the alias; take the alias off other models at last.

    None when all is in place, as a fresh look shows. `say` is told of each write before and after.
    """
    try:
        return (
            _set_default(move, registry, say)
            or _place(move, registry, say)
            or _take_off(move, registry, say)
        )
    except Rejected as refusal:
        if refusal.reason in _RACES:
            return Contended(f"somebody else moves `{move.alias}`: {refusal.message}")
        return Refusal(refusal.message, refusal.notes)


def _set_default(move: Move, registry: ModelRegistry, say: Say) -> Contended | None:
    there = _find(registry, move.model)
    if there is None:
        return Contended(f"`{_models(move.model)}` is not there any more")
    if there.default_checkpoint == move.checkpoint:
        return None
    if there.default_checkpoint != move.default:
        return Contended(f"the default checkpoint of `{_models(move.model)}` was just moved")
    step = f"{_models(move.model)}: default checkpoint {move.default} -> {move.checkpoint}"
    say("pointing", step)
    registry.set_default_checkpoint(there.name, move.checkpoint, there.etag)
    after = _find(registry, move.model)
    if after is None or after.default_checkpoint != move.checkpoint:
        return Contended(f"the default checkpoint of `{_models(move.model)}` did not stay")
    say("pointed", step)
    return None


def _place(move: Move, registry: ModelRegistry, say: Say) -> Contended | None:
    holder = _holder(registry, move)
    if holder == move.model:
        return None
    if holder != move.holder:
        now = _models(holder) if holder else "nothing"
        return Contended(f"`{move.alias}` is on {now} since a moment ago")
    step = f"{_models(holder) if holder else 'nothing'} -> {_models(move.model)}"
    say("pointing", step)
    registry.merge_aliases(move.model, (move.alias,))
    if _holder(registry, move) != move.model:
        return Contended(f"`{move.alias}` did not stay on {_models(move.model)}")
    say("pointed", f"{step}, checkpoint {move.checkpoint}")
    return None


def _take_off(move: Move, registry: ModelRegistry, say: Say) -> Contended | None:
    for old in move.elsewhere:
        there = _find(registry, old)
        if there is None or move.alias not in there.aliases:
            continue
        step = f"off {_models(old)}"
        say("pointing", step)
        registry.merge_aliases(there.name, (f"-{move.alias}",))
        after = _find(registry, old)
        if after is not None and move.alias in after.aliases:
            return Contended(f"`{move.alias}` did not come off {_models(old)}")
        say("pointed", step)
    return None


def _find(registry: ModelRegistry, model: str) -> ModelVersion | None:
    base, _, number = model.partition("@")
    return (registry.list_versions(base) or {}).get(number)


def _holder(registry: ModelRegistry, move: Move) -> str | None:
    versions = registry.list_versions(move.model.partition("@")[0]) or {}
    return next((one.name for one in versions.values() if move.alias in one.aliases), None)


def _models(name: str) -> str:
    return f"models/{short_version(name)}"
