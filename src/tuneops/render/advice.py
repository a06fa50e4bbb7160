"""What could be had for less, and what was accepted: as lines and as JSON. Pure."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.plan import Advice, Plan, Way
from tuneops.costs.amounts import spell
from tuneops.costs.verdicts import Bill
from tuneops.render.inert import inert
from tuneops.render.lines import Line, counted, first_few


def advice_lines(plan: Plan, bill: Bill | None = None) -> Iterator[Line]:
    """The cheaper ways, each with what it spares; nothing where there is none."""
    if not plan.advice:
        return
    yield Line()
    yield Line("Cheaper, if the specs may say it otherwise:", "strong")
    for item in plan.advice:
        yield Line(inert(f"  {item.address}: {_said(item)}"))
    spared = plan.advice[0]
    few = _jobs(spared.buys, bill)
    many = _jobs([change.address for change in plan.buys], bill, word="")
    yield Line(inert(f"  runs {few} instead of {many}: not {', '.join(first_few(spared.spares))}"))


def _jobs(addresses: Sequence[str], bill: Bill | None, word: str = "job") -> str:
    """How many jobs, and what they cost together, where that is known of every one of them."""
    cost = bill.price(addresses) if bill is not None else None
    count = counted(len(addresses), word) if word else str(len(addresses))
    return f"{count} ({spell(cost)})" if cost is not None and addresses else count


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
