"""Where aliases and default checkpoints are to be, as lines of the plan: always free. Pure.

A promotion points at the finished result of its stage whose gate holds, or at what a person pinned
in git. An alias that somebody else put on a model is never taken.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from tuneops.core.checkpoints import resolve_checkpoint
from tuneops.core.desired import Promotion
from tuneops.core.drift import Drift, DriftKind
from tuneops.core.lock import Creation, Lock, Pointer
from tuneops.core.plan import Action, Change, Move, Reason
from tuneops.core.pointers import (
    base_of,
    carries,
    made_versions,
    our_versions,
    passed,
    short_version,
)
from tuneops.core.recipe import Best
from tuneops.core.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class _Aim:
    """What a promotion points at: a creation that has succeeded, and one of its checkpoints."""

    promotion: Promotion
    key: str
    model: str
    checkpoint: str

    @property
    def base(self) -> str:
        return base_of(self.model)

    @property
    def number(self) -> str:
        return self.model.partition("@")[2]


def promotions(view: View, decided: Mapping[str, Change]) -> Iterator[Change]:
    """A line for each promotion, and one for each alias that was promoted and is so no more."""
    aims = [_aim(view, promotion, decided) for promotion in view.graph.promotions]
    for promotion, aim in zip(view.graph.promotions, aims, strict=True):
        if isinstance(aim, Change):
            yield aim
            yield from _stays(view, promotion)
        elif any(isinstance(other, _Aim) and _collide(aim, other) for other in aims):
            words = f"two promotions want `{promotion.alias}` on {_models(aim.base)}"
            yield _held(promotion, Reason.ALIAS_TAKEN, aim.model, words)
        else:
            yield _compared(view, aim)
    yield from _undeclared(view)


def _stays(view: View, promotion: Promotion) -> Iterator[Change]:
    """Put an alias back that was moved by hand, while what comes next is not there yet."""
    pointer = view.ledger.pointer(promotion.name, promotion.alias)
    known = {key for _, key, _ in view.ledger.creations()}
    if pointer is None or pointer.creation not in known:
        return
    aim = _Aim(
        promotion=promotion,
        key=pointer.creation,
        model=pointer.model,
        checkpoint=pointer.checkpoint,
    )
    line = _compared(view, aim)
    if line.action is Action.POINT and line.move is not None:
        yield replace(line, reason=Reason.POINTER_MOVED)


def _collide(one: _Aim, two: _Aim) -> bool:
    same = (one.promotion.alias, one.base) == (two.promotion.alias, two.base)
    return same and one.promotion.name != two.promotion.name


def _aim(view: View, promotion: Promotion, decided: Mapping[str, Change]) -> _Aim | Change:
    """What a promotion points at; the line that says why not, where it cannot yet."""
    pinned = ""
    if promotion.to is not None:
        version, _, pinned = promotion.to.removeprefix("models/").partition("#")
        address, key, creation = made_versions(view.ledger).get(version, ("", "", None))
        mine = address.partition("/")[0] == promotion.name or address in view.ledger.retired
        if creation is None or not mine:
            words = f"{promotion.to} is no result of `{promotion.name}` that the lock knows"
            return _held(promotion, Reason.NOT_FOUND, None, words)
    else:
        stage = str(promotion.stage)
        line, result = decided[stage], view.ledger.at(stage)
        if line.action is Action.HOLD:
            return replace(_held(promotion, Reason.PARENT_BLOCKED, None, ""), after=stage)
        key, creation = result.current or "", result.result
        done = line.action in (Action.KEEP, Action.ADOPT) and creation is not None
        if not done or creation is None or creation.lineage != line.lineage:
            return _waiting(view, promotion, stage)
    assert creation.model is not None, "a result has a model"
    if not view.observed.has_version(creation.model):
        return _held(promotion, Reason.MISSING_ARTEFACT, creation.model, "")
    checkpoint = _checkpoint(view, promotion, creation, pinned)
    if checkpoint is None:
        best = isinstance(promotion.checkpoint, Best) and not pinned
        reason = Reason.NOT_MEASURED if best else Reason.CHECKPOINT_MISSING
        return _held(promotion, reason, creation.model, "")
    return _Aim(promotion=promotion, key=key, model=creation.model, checkpoint=checkpoint)


def _checkpoint(view: View, promotion: Promotion, creation: Creation, pinned: str) -> str | None:
    if pinned:
        return pinned if pinned in creation.checkpoints else None
    return resolve_checkpoint(promotion.checkpoint, creation, view.observed)


def _compared(view: View, aim: _Aim) -> Change:
    """The line of a promotion that knows what it points at: in place, to be moved, or not ours."""
    promotion, versions = aim.promotion, view.observed.versions.get(aim.base) or {}
    version = versions.get(aim.number)
    if version is None:
        return _waiting(view, promotion, str(promotion.stage))
    pointer = view.ledger.pointer(promotion.name, promotion.alias)
    holder = next((v for v in versions.values() if promotion.alias in v.aliases), None)
    if holder is not None and holder != version and not _ours(view, promotion, holder.name):
        words = f"`{promotion.alias}` is on {_models(holder.name)}, which tuneops did not make"
        return _held(promotion, Reason.ALIAS_TAKEN, aim.model, words)
    move = Move(
        alias=promotion.alias,
        creation=aim.key,
        model=version.name,
        checkpoint=aim.checkpoint,
        holder=holder.name if holder else None,
        default=version.default_checkpoint,
        elsewhere=_elsewhere(view, promotion, aim.base),
    )
    line = _line(promotion, Action.KEEP, Reason.IN_SYNC, model=version.name, move=move)
    if move.done:
        return line
    recorded = pointer is not None and _same(pointer, aim) and not move.elsewhere
    reason = Reason.PINNED if promotion.to else Reason.PROMOTED
    return replace(line, action=Action.POINT, reason=Reason.POINTER_MOVED if recorded else reason)


def _same(pointer: Pointer, aim: _Aim) -> bool:
    same = short_version(pointer.model) == short_version(aim.model)
    return same and pointer.checkpoint == aim.checkpoint


def _ours(view: View, promotion: Promotion, holder: str) -> bool:
    """Say whether an alias may be taken from a version: we made it, or we promote on its model."""
    pointer = view.ledger.pointer(promotion.name, promotion.alias)
    on_model = pointer and short_version(pointer.model).partition("@")[0]
    number = short_version(holder)
    return (
        on_model == number.partition("@")[0]
        or number in made_versions(view.ledger)
        or number in our_versions(view.graph, view.ledger, view.observed)
    )


def _elsewhere(view: View, promotion: Promotion, base: str) -> tuple[str, ...]:
    """Versions of other models that have the alias from us. `default` cannot be taken off."""
    pointer = view.ledger.pointer(promotion.name, promotion.alias)
    if pointer is None or promotion.alias == "default":
        return ()
    return tuple(
        sorted(
            name
            for name in {pointer.model, *(pointer.also or ())}
            if base_of(name) != base and carries(view.observed, name, promotion.alias)
        )
    )


def _waiting(view: View, promotion: Promotion, stage: str) -> Change:
    pointer = view.ledger.pointer(promotion.name, promotion.alias)
    line = _line(promotion, Action.POINT, Reason.PROMOTED, model=pointer.model if pointer else None)
    return replace(line, after=stage)


def _held(promotion: Promotion, reason: Reason, model: str | None, words: str) -> Change:
    line = _line(promotion, Action.HOLD, reason, model=model)
    return replace(line, detail=(words,) if words else ())


def _line(
    promotion: Promotion,
    action: Action,
    reason: Reason,
    *,
    model: str | None,
    move: Move | None = None,
) -> Change:
    return Change(
        address=promotion.name,
        action=action,
        reason=reason,
        model=model,
        alias=promotion.alias,
        move=move,
    )


def _undeclared(view: View) -> Iterator[Change]:
    """Aliases that no spec declares any more: let go, or held where their job is gone as well."""
    declared = {(promotion.name, promotion.alias) for promotion in view.graph.promotions}
    for name, aliases in sorted((view.before.pointers or {}).items()):
        for alias, pointer in sorted(aliases.items()):
            if (name, alias) in declared or _renamed(view, alias, pointer):
                continue
            held = view.ledger.pointer(name, alias) is not None
            yield Change(
                address=name,
                action=Action.HOLD if held else Action.RETIRE,
                reason=Reason.STILL_PROMOTED if held else Reason.RELEASED,
                model=pointer.model,
                alias=alias,
            )


def _renamed(view: View, alias: str, pointer: Pointer) -> bool:
    """Say whether an alias is that of a chain which has another name now."""
    before = view.before
    return any(
        before.pointer(promotion.name, alias) is None and now.creation == pointer.creation
        for promotion in view.graph.promotions
        if promotion.alias == alias and (now := view.ledger.pointer(promotion.name, alias))
    )


def pointer_drift(view: View, lines: tuple[Change, ...]) -> Iterator[Drift]:
    """Aliases and default checkpoints that are not where the lock says, nor where they belong."""
    aims = {(line.address, line.alias): line.move for line in reversed(lines)}
    for promotion in view.graph.promotions:
        pointer = view.ledger.pointer(promotion.name, promotion.alias)
        base, _, number = pointer.model.partition("@") if pointer else ("", "", "")
        versions = view.observed.versions.get(base)
        aim = aims.get((promotion.name, promotion.alias))
        if pointer is None or versions is None or (aim is not None and aim.done):
            continue
        holder = next((v for v in versions.values() if promotion.alias in v.aliases), None)
        there = versions.get(number)
        begun = aim is not None and holder is not None and holder.name == aim.model
        found = ""
        if there is None or (holder != there and not begun):
            found = _models(holder.name) if holder else "nothing"
        elif holder == there and there.default_checkpoint != pointer.checkpoint:
            ahead = begun and aim is not None and aim.default == aim.checkpoint
            found = "" if ahead else f"{_models(there.name)} checkpoint {there.default_checkpoint}"
        if found:
            yield Drift(
                address=f"{promotion.name}@{promotion.alias}",
                kind=DriftKind.POINTER_MOVED,
                expected=f"{_models(pointer.model)} checkpoint {pointer.checkpoint}",
                found=found,
            )


def note_moves(lines: tuple[Change, ...], lock: Lock, moving: Collection[Move]) -> Lock:
    """The lock with pointers where the world shows them in place, and with what is begun now.

    A move to another model is written down before it is made: should it stop half-way, the alias
    is on two models, and the next run takes it off the right ones.
    """
    for line in lines:
        move = line.move
        if move is None:
            continue
        before = lock.pointer(line.address, move.alias)
        if line.action is Action.KEEP:
            lock = note_move(lock, line.address, move)
        elif move in moving and before and base_of(before.model) != base_of(move.model):
            also = tuple(sorted({*(before.also or ()), move.model}))
            lock = lock.point(line.address, move.alias, replace(before, also=also))
    return lock


def note_move(lock: Lock, name: str, move: Move) -> Lock:
    """The lock with a pointer that is in place."""
    known = lock.pointer(name, move.alias)
    pointer = Pointer(
        creation=move.creation,
        model=move.model,
        checkpoint=move.checkpoint,
        before=passed(known, now=move.model),
    )
    return lock if pointer == known else lock.point(name, move.alias, pointer)


def _models(name: str) -> str:
    return f"models/{short_version(name)}"
