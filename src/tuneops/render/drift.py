"""What may move or has moved outside the specs, as text and as JSON. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from tuneops.core.plan import Change, Plan
from tuneops.render.inert import inert
from tuneops.render.lines import Line, columns, counted


def drift_lines(plan: Plan) -> Iterator[Line]:
    """What is there otherwise than the lock says, each with what became of its examples."""
    if not plan.drift:
        return
    yield Line()
    yield Line("Drift, which no spec asked for:", "hold")
    rows = [
        (f"  {d.address}", d.kind.value, f"{_tail(d.expected)} -> {_tail(d.found)}")
        for d in plan.drift
    ]
    for row, one in zip(columns(rows), plan.drift, strict=True):
        yield Line(inert(row))
        if one.detail:
            yield Line(inert(f"    {one.detail}"))


def drift_json(plan: Plan) -> list[dict[str, Any]]:
    """The drift of a plan's document; `detail` only where somebody looked."""
    return [
        {
            "address": drift.address,
            "kind": drift.kind.value,
            "expected": drift.expected,
            "found": drift.found,
            **({"detail": drift.detail} if drift.detail else {}),
        }
        for drift in plan.drift
    ]


def unpinned_lines(change: Change, plan: Plan) -> Iterator[Line]:
    """That a purchase depends on bytes which no lock keeps still."""
    if change.action.buys and (linked := plan.unpinned.get(change.address)):
        yield Line(
            f"    not pinned: the files behind `fileUri` in {counted(linked, 'example')}; "
            "other bytes there are not noticed"
        )


def unpinned_json(change: Change, plan: Plan) -> dict[str, Any]:
    """The same for a machine; nothing where nothing is known of it."""
    linked = plan.unpinned.get(change.address) if change.action.buys else None
    return {} if linked is None else {"unpinned": {"linkedExamples": linked}}


def _tail(name: str) -> str:
    """A name without its project and location, which the header says."""
    return re.sub(r"^projects/[^/]+/locations/[^/]+/", "", name)
