"""Ceilings: what a run, a month and a chain may cost, and how many jobs a run may make.

A job is reserved at the higher end of its estimate from before it is asked for until its bill is
known. Nothing of a plan is bought while the whole of it would go past a ceiling.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from tuneops.core.lock import Creation
from tuneops.core.plan import Change
from tuneops.core.rules import MAX_COST, PER_CHAIN, PER_MONTH, Ceiling
from tuneops.core.view import View
from tuneops.costs.amounts import NOTHING, Cost, dollars, spell
from tuneops.costs.estimates import Estimate, Estimator
from tuneops.costs.policy import Bar
from tuneops.diagnostics import Diagnostic

OVER = "over budget"


def over_budget(
    lines: Sequence[Change], view: View, estimator: Estimator, bought: Container[str]
) -> Iterator[Bar]:
    """What the ceilings say to some paid lines. `bought` are creation keys of this run."""
    rules = view.graph.target.rules
    every = tuple(change.address for change in lines)
    sent = _entries(view, lines, lambda key, _: key in bought)
    for limit in rules.creates:
        if lines and len(lines) + len(sent) > limit.most:
            yield every, "too many jobs", _too_many(len(lines) + len(sent), limit)
    if not rules.ceilings or not lines:
        return
    estimates = {change.address: estimator.line(change) for change in lines}
    known = {at: one.cost for at, one in estimates.items() if one.cost is not None}
    if not rules.unestimated:
        for address in every:
            if address not in known:
                yield (address,), "cost not known", _unknown(address, estimates[address], view)
    planned = Cost.sum(known.values())
    unknown: set[str] = set()
    for ceiling in rules.ceilings:
        if ceiling.name == PER_CHAIN:
            yield from _chains(ceiling, known, lines, view, estimator)
            continue
        month = ceiling.name == PER_MONTH
        what = "with this plan the month costs" if month else "this plan costs"
        entries = _of_month(view, lines) if month else sent
        before = _sum(entries, estimator)
        if not rules.unestimated:
            unknown.update(_unpriced(entries, estimator))
        total = before + planned
        if total.high > ceiling.most and planned.high > 0:
            yield every, OVER, _over(ceiling, what, total, before)
    for address in sorted(unknown):
        yield every, "cost not known", _unknown_before(address, view)


def _chains(
    ceiling: Ceiling,
    known: Mapping[str, Cost],
    lines: Sequence[Change],
    view: View,
    estimator: Estimator,
) -> Iterator[Bar]:
    """A chain as the specs have it now: what is planned of it, and what it has cost already."""
    chains: dict[str, list[str]] = {}
    for change in lines:
        chains.setdefault(change.address.partition("/")[0], []).append(change.address)
    for chain, addresses in chains.items():
        wanted = {job.lineage for job in view.graph.jobs if job.address.name == chain}
        entries = _entries(view, lines, partial(_made_for, wanted))
        if not view.graph.target.rules.unestimated:
            for address in sorted(set(_unpriced(entries, estimator))):
                yield tuple(addresses), "cost not known", _unknown_before(address, view)
        before = _sum(entries, estimator)
        total = before + Cost.sum(known.get(address, NOTHING) for address in addresses)
        if total.high > ceiling.most:
            yield tuple(addresses), OVER, _over(ceiling, f"`{chain}` costs", total, before)


def _made_for(lineages: Container[str], _: str, creation: Creation) -> bool:
    return creation.lineage in lineages


Entry = tuple[str, Creation]


def _entries(
    view: View, lines: Sequence[Change], wanted: Callable[[str, Creation], bool]
) -> list[Entry]:
    """Creations that were bought here, but for those that are in the plan once more."""
    again = {change.key for change in lines}
    return [
        (address, creation)
        for address, key, creation in view.ledger.creations()
        if not creation.adopted and key not in again and wanted(key, creation)
    ]


def _of_month(view: View, lines: Sequence[Change]) -> list[Entry]:
    """Creations of the calendar month of the service's clock, in UTC; unanswered ones as well."""
    now = view.observed.at.astimezone(UTC)

    def this_month(_: str, creation: Creation) -> bool:
        moment = creation.created or creation.asked or now
        return _month(moment) == _month(now)

    return _entries(view, lines, this_month)


def _month(moment: datetime) -> tuple[int, int]:
    there = moment.astimezone(UTC)
    return there.year, there.month


def _sum(entries: Sequence[Entry], estimator: Estimator) -> Cost:
    costs = (estimator.creation(creation, address) for address, creation in entries)
    return Cost.sum(cost for cost in costs if cost is not None)


def _unpriced(entries: Sequence[Entry], estimator: Estimator) -> Iterator[str]:
    """The addresses of jobs that were bought already, and nobody can say for how much."""
    return (at for at, creation in entries if estimator.creation(creation, at) is None)


def _over(ceiling: Ceiling, what: str, total: Cost, before: Cost) -> Diagnostic:
    spent = (f"{spell(before)} of it is spent or reserved already",) if before.high else ()
    higher = ("the higher end of an estimate counts",) if total.low != total.high else ()
    flag = ceiling.name == MAX_COST
    return Diagnostic(
        code="over-budget",
        message=f"{what} {spell(total)}, the limit is {dollars(ceiling.most)} ({_name(ceiling)})",
        where=ceiling.where,
        notes=(*spent, *higher, "nothing was bought"),
        help="give a higher `--max-cost`, or plan less"
        if flag
        else "raise it in a reviewed change, or suspend a part of it: `suspend: true`",
    )


def _name(ceiling: Ceiling) -> str:
    return ceiling.name if ceiling.name == MAX_COST else f"`budget.{ceiling.name}`"


def _too_many(count: int, limit: Ceiling) -> Diagnostic:
    return Diagnostic(
        code="too-many-jobs",
        message=f"this plan makes {count} jobs, the limit is {limit.most} (`limits.maxCreates`)",
        where=limit.where,
        notes=("nothing was bought",),
        help="raise it in a reviewed change, or suspend a part of it: `suspend: true`",
    )


def _unknown_before(address: str, view: View) -> Diagnostic:
    job = view.graph.find_text(address)
    return Diagnostic(
        code="cost-unknown",
        message=f"nothing more can be bought under a budget: what `{address}` costs is not known",
        where=job.where if job else None,
        notes=(f"a job of `{address}` was bought already", "nothing was bought"),
        help="wait for its bill, or give the price in `specs/models.yaml`; or let it pass with "
        "`budget: {unestimated: allow}`",
    )


def _unknown(address: str, estimate: Estimate, view: View) -> Diagnostic:
    job = view.graph.find_text(address)
    return Diagnostic(
        code="cost-unknown",
        message=f"`{address}` cannot be bought under a budget: {estimate.missing}",
        where=job.where if job else None,
        notes=(f"`{address}` was not bought",),
        help="name its data as a local file, give the price in `specs/models.yaml`, set "
        "`epochCount`; or let it pass with `budget: {unestimated: allow}`",
    )
