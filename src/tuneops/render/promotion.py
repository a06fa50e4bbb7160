"""Gates and promotions as they are shown: values with their limits, what moves from where. Pure."""

from collections.abc import Iterator
from typing import Any

from tuneops.core.plan import Action, Change, Move
from tuneops.core.pointers import short_version
from tuneops.core.policy import Gate
from tuneops.render.inert import inert
from tuneops.render.lines import Line, columns


def gate_text(gate: Gate) -> str:
    """A gate in one line."""
    limits = (("at least", gate.least), ("at most", gate.most))
    words = [f"{sign} {bound}" for sign, bound in limits if bound is not None]
    return f"{gate.metric} {' and '.join(words)}"


def promotion_lines(change: Change) -> Iterator[Line]:
    """What a gate saw, and what a promotion moves."""
    yield from (Line(f"    {inert(words)}") for words in change.detail)
    if change.move is not None and change.action is Action.POINT:
        yield from (Line(f"    {inert(row)}") for row in columns(list(_rows(change.move))))


def _rows(move: Move) -> Iterator[tuple[str, str]]:
    if move.holder != move.model:
        yield "alias", f"{_models(move.holder)} -> {_models(move.model)}"
    if move.default != move.checkpoint:
        yield "defaultCheckpointId", f"{move.default or 'unset'} -> {move.checkpoint}"
    for old in move.elsewhere:
        yield "alias", f"off {_models(old)}"


def _models(name: str | None) -> str:
    return f"models/{short_version(name)}" if name else "nothing"


def promotion_json(change: Change) -> dict[str, Any]:
    """What a line with a gate or of a promotion has besides."""
    found: dict[str, Any] = {"detail": list(change.detail)} if change.detail else {}
    if change.alias is None:
        return found
    move = change.move
    return {
        **found,
        "alias": change.alias,
        "checkpoint": move.checkpoint if move else None,
        "from": move.holder if move else None,
        "off": list(move.elsewhere) if move else [],
    }
