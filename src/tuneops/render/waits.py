"""What waits for room, as lines and as JSON. Pure."""

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from tuneops.core.plan import Change, Plan, Wait
from tuneops.render.inert import inert
from tuneops.render.lines import Line, counted


def wait_lines(change: Change, plan: Plan) -> Iterator[Line]:
    """Why a create that nothing else keeps back does not begin now."""
    wait = plan.waits.get(change.address) if change.action.buys else None
    if wait is not None:
        yield Line(inert(f"    {wait_words(wait)}"), "wait")


def wait_words(wait: Wait) -> str:
    """The same in one line."""
    if wait.why == "quota":
        until = f"{wait.until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if wait.until else "later"
        return f"waits for quota until {until}: refused {counted(wait.refusals, 'time')} so far"
    if wait.unknown:
        names = ", ".join(wait.unknown)
        return f"waits for a slot: the jobs of {names} could not be listed"
    order = f"after {counted(wait.before, 'other')}" if wait.before else "it is next"
    return f"waits for a slot: {wait.taken} of {wait.of} taken, {order}"


def wait_json(change: Change, plan: Plan) -> dict[str, Any]:
    """The key of a paid line that waits; nothing for others."""
    wait = plan.waits.get(change.address) if change.action.buys else None
    return {"waits": _json(wait)} if wait is not None else {}


def _json(wait: Wait) -> dict[str, Any]:
    if wait.why == "quota":
        until = wait.until.isoformat().replace("+00:00", "Z") if wait.until else None
        return {"for": "quota", "until": until, "refusals": wait.refusals}
    unknown = {"unknown": list(wait.unknown)} if wait.unknown else {}
    return {"for": "slot", "before": wait.before, "taken": wait.taken, "of": wait.of, **unknown}
