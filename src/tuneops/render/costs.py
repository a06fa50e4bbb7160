"""Prices in a plan: beside a line, under the whole, and as JSON. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from tuneops.catalog.models import CURRENCY
from tuneops.core.desired import DesiredGraph
from tuneops.core.plan import Action, Change, Plan
from tuneops.costs.amounts import Cost, Tokens, spell
from tuneops.costs.estimates import Estimate, Sunk
from tuneops.costs.verdicts import Bill
from tuneops.render.lines import Line, counted


def cost_cell(change: Change, bill: Bill | None) -> str:
    """The price of one line; nothing where the line is free."""
    if bill is None or not change.action.buys:
        return ""
    cost = bill.estimates[change.address].cost
    return spell(cost) if cost is not None else "not estimated"


def cost_lines(change: Change, bill: Bill) -> Iterator[Line]:
    """Why a line may not be bought now, why it has no price, or what a cancel gives up."""
    if change.action.buys:
        if words := bill.verdict.barred.get(change.address):
            yield Line(f"    not now: {words}", Action.HOLD.value)
        estimate = bill.estimates[change.address]
        if estimate.cost is None:
            yield Line(f"    not estimated: {estimate.missing}")
    lost = bill.sunk.get(change.job or "") if change.action is Action.CANCEL else None
    if lost is not None:
        yield Line(f"    {_sunk(lost)}")


def _sunk(lost: Sunk) -> str:
    hours, minutes = divmod(lost.seconds // 60, 60)
    length = f"{hours}h {minutes:02}m" if hours else f"{minutes}m"
    of = f" of {lost.of}" if lost.of else ""
    words = f"running for {length}, {counted(lost.epochs, 'epoch')}{of} done"
    if lost.spent is None or lost.saved is None:
        return f"{words}; what it cost is not estimated"
    return f"{words}: {spell(lost.spent)} spent, {spell(lost.saved)} saved"


def total(bill: Bill) -> Cost | None:
    """All paid lines whose cost is known; None when there is none."""
    costs = [one.cost for one in bill.estimates.values() if one.cost is not None]
    return Cost.sum(costs) if costs else None


def foot_lines(plan: Plan, graph: DesiredGraph, bill: Bill, *, emulated: bool) -> Iterator[Line]:
    """What the whole plan costs, what its price is from, and what is not in it."""
    if not plan.buys:
        return
    cost = total(bill)
    where = " on Vertex AI" if emulated else ""
    missing = sum(1 for one in bill.estimates.values() if one.cost is None)
    left = f"; {counted(missing, 'job')} not estimated" if missing else ""
    if cost is None:
        yield Line(f"Cost{where}: not estimated.")
        return
    tokens = _tokens(bill.estimates.values())
    days = sorted({one.as_of for one in bill.estimates.values() if one.as_of is not None})
    yield Line(f"Cost{where}: {spell(cost)} for {tokens} training tokens{left}.")
    evaluated = any(
        (job := graph.find_text(change.address)) and job.evaluation_config for change in plan.buys
    )
    more = " Evaluation runs are billed apart and not estimated." if evaluated else ""
    yield Line(f"An estimate, at prices of {days[0].isoformat()} (`tuneops models`).{more}", "dim")


def _tokens(estimates: Iterable[Estimate]) -> str:
    known = [one.tokens for one in estimates if one.tokens is not None]
    low, high = sum(one.low for one in known), sum(one.high for one in known)
    return short(low) if short(low) == short(high) else f"{short(low)}\N{EN DASH}{short(high)}"


def short(tokens: int) -> str:
    """So many tokens in few letters: `812`, `412k`, `1.85M`."""
    if tokens < 1000:
        return str(tokens)
    if tokens < 999_500:
        return f"{tokens / 1000:.3g}k"
    return f"{tokens / 1_000_000:.3g}M" if tokens < 999_500_000 else f"{tokens / 1e9:,.3g}B"


def cost_json(cost: Cost | None) -> dict[str, Any] | None:
    """A range of money for a machine."""
    if cost is None:
        return None
    return {"low": _number(cost.low), "high": _number(cost.high), "currency": CURRENCY}


def estimate_json(estimate: Estimate | None) -> dict[str, Any]:
    """The keys of one paid line; of a free one, both are null."""
    tokens: Tokens | None = estimate.tokens if estimate else None
    return {
        "cost": cost_json(estimate.cost) if estimate else None,
        "trainingTokens": {"low": tokens.low, "high": tokens.high} if tokens else None,
    }


def summary_json(bill: Bill) -> Mapping[str, Any]:
    """The keys of the whole plan."""
    days = [one.as_of for one in bill.estimates.values() if one.as_of is not None]
    return {
        "cost": cost_json(total(bill)),
        "notEstimated": sum(1 for one in bill.estimates.values() if one.cost is None),
        "pricesAsOf": min(days).isoformat() if days else None,
        "frozenUntil": bill.verdict.until.isoformat() if bill.verdict.until else None,
    }


def sunk_json(lost: Sunk | None) -> dict[str, Any] | None:
    """What a cancel gives up."""
    if lost is None:
        return None
    return {
        "seconds": lost.seconds,
        "epochs": lost.epochs,
        "spent": cost_json(lost.spent),
        "saved": cost_json(lost.saved),
    }


def _number(amount: Decimal) -> float:
    return float(round(amount, 6))
