"""What could be had for less, and what was accepted: as lines and as JSON. Pure."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.plan import Advice, Plan, Way
from tuneops.costs.amounts import spell
from tuneops.costs.verdicts import Bill
from tuneops.render.inert import inert
from tuneops.render.lines import Line, counted


def advice_lines(plan: Plan, bill: Bill | None = None) -> Iterator[Line]:
    """The cheaper ways, each with what it spares; nothing where there is none."""
    if not plan.advice:
        return
    yield Line()
    yield Line("Cheaper, if the specs may say it otherwise:", "strong")
    for item in plan.advice:
        yield Line(inert(f"  {item.address}: {_said(item)}"))
    spared = plan.advice[0]
    count = counted(len(spared.buys), "job")
    cost = bill.price(spared.spares) if bill is not None else None
    less = f" ({spell(cost)} less)" if cost is not None else ""
    names = ", ".join(spared.spares)
    yield Line(inert(f"  runs {count} instead of {len(plan.buys)}: not {names}{less}"))


def _said(item: Advice) -> str:
    match item.way:
        case Way.APPEND_STAGE:
            return f"append it after `{item.target}` instead"
        case Way.ACCEPT_PARENT:
            model = f"models/{item.target.rpartition('/')[2]}"
            return f"keep what it made with `acceptParent: {{model: {model}, reason: …}}`"


def acceptance(job: DesiredJob, graph: DesiredGraph) -> Iterator[Line]:
    """What a job accepts in place of its parent's own training, until when, and why."""
    accepted = graph.deviation(job)
    if accepted is None:
        return
    until = ""
    if accepted.until is not None:
        last = accepted.until - timedelta(microseconds=1)
        until = f" until {last:%Y-%m-%d}"
    yield Line(inert(f"    accepts {accepted.model}{until}: {accepted.reason}"))


def advice_json(plan: Plan) -> list[dict[str, Any]]:
    """The advice for machines."""
    return [
        {
            "address": item.address,
            "way": item.way.value,
            "target": item.target,
            "spares": list(item.spares),
            "buys": list(item.buys),
        }
        for item in plan.advice
    ]
