"""Ceilings: what a run, a month and a chain may cost, and how many jobs a run may make.

A job is reserved at the higher end of its estimate from before it is asked for until its bill is
known. Nothing of a plan is bought while the whole of it would go past a ceiling.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from tuneops.core.plan import Change
from tuneops.core.rules import MAX_COST, PER_CHAIN, PER_MONTH, Ceiling, Rules
from tuneops.core.view import View
from tuneops.costs.amounts import NOTHING, Cost, dollars, spell
from tuneops.costs.estimates import Estimate, Estimator
from tuneops.costs.policy import Bar
from tuneops.costs.spending import Entry, Wanted, bought_beside, bought_here, in_month, unlocked
from tuneops.diagnostics import Diagnostic, Severity

OVER = "over budget"


def over_budget(
    lines: Sequence[Change], view: View, estimator: Estimator, bought: Container[str]
) -> Iterator[Bar]:
    """What the ceilings say to some paid lines. `bought` are creation keys of this run."""
    rules = view.graph.target.rules
    every = tuple(change.address for change in lines)
    sent = entries(view, lines, lambda key, _: key in bought)
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
    before: dict[str, Entry] = {}
    for ceiling in rules.ceilings:
        if ceiling.name == PER_CHAIN:
            yield from _chains(ceiling, known, lines, view, estimator)
            continue
        month = ceiling.name == PER_MONTH
        what = "with this plan the month costs" if month else "this plan costs"
        counted = of_month(view, lines, estimator, ceiling) if month else sent
        if month and ceiling.wide:
            yield from _unread(every, estimator, rules)
        before.update({one.address: one for one in counted})
        spent = total(counted, estimator)
        if (spent + planned).high > ceiling.most and planned.high > 0:
            yield every, OVER, _over(ceiling, what, spent + planned, spent)
    yield from _unpriced(every, before.values(), view, estimator)


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
        chains.setdefault(chain_of(change.address), []).append(change.address)
    for chain, addresses in chains.items():
        counted = of_chain(view, lines, estimator, chain)
        yield from _unpriced(tuple(addresses), counted, view, estimator)
        spent = total(counted, estimator)
        whole = spent + Cost.sum(known.get(address, NOTHING) for address in addresses)
        if whole.high > ceiling.most:
            yield tuple(addresses), OVER, _over(ceiling, f"`{chain}` costs", whole, spent)


def chain_of(address: str) -> str:
    """The chain, or the job, that an address is of."""
    return address.partition("/")[0]


def entries(view: View, lines: Sequence[Change], wanted: Wanted) -> list[Entry]:
    """What was bought here, but for what is in the plan once more."""
    again = {change.key for change in lines}
    return bought_here(view, lambda key, creation: key not in again and wanted(key, creation))


def of_month(
    view: View, lines: Sequence[Change], estimator: Estimator, ceiling: Ceiling
) -> list[Entry]:
    """What a month's ceiling counts: of the service's clock, in UTC; unanswered creates as well."""
    now = view.observed.at
    here = entries(view, lines, lambda _, creation: in_month(creation, now))
    beside = bought_beside(view, estimator.known) if ceiling.wide else ()
    others = [*beside, *_elsewhere(view, lines, estimator)]
    counts = (one for one in others if one.own or ceiling.wide)
    return [*here, *(one for one in counts if in_month(one.creation, now))]


def of_chain(view: View, lines: Sequence[Change], estimator: Estimator, chain: str) -> list[Entry]:
    """What was bought of a chain as the specs have it now."""
    wanted = {job.lineage for job in view.graph.jobs if job.address.name == chain}
    here = entries(view, lines, lambda _, creation: creation.lineage in wanted)
    others = (one for one in _elsewhere(view, lines, estimator) if one.own)
    return [*here, *(one for one in others if one.creation.lineage in wanted)]


def _elsewhere(view: View, lines: Sequence[Change], estimator: Estimator) -> Iterator[Entry]:
    """Jobs that no lock knows, but for those that the plan would make itself."""
    again = {(change.lineage, change.attempt) for change in lines}
    for one in unlocked(view, estimator.known):
        if not (one.own and (one.creation.lineage, one.creation.attempt) in again):
            yield one


def total(counted: Iterable[Entry], estimator: Estimator) -> Cost:
    """What jobs cost together, as far as that is known."""
    costs = (estimator.creation(one.creation, one.address) for one in counted)
    return Cost.sum(cost for cost in costs if cost is not None)


def _unpriced(
    every: tuple[str, ...], counted: Iterable[Entry], view: View, estimator: Estimator
) -> Iterator[Bar]:
    """Jobs that were bought already, and nobody can say for how much."""
    allowed = view.graph.target.rules.unestimated
    missing = {x.address for x in counted if estimator.creation(x.creation, x.address) is None}
    for address in sorted(missing):
        yield () if allowed else every, "cost not known", _unknown_before(address, view, allowed)


def _unread(every: tuple[str, ...], estimator: Estimator, rules: Rules) -> Iterator[Bar]:
    """Locks of other environments that say nothing of what was spent, since they are damaged."""
    for why in estimator.known.unread:
        yield (
            () if rules.unestimated else every,
            "cost not known",
            Diagnostic(
                code="cost-unknown",
                message=f"what another environment has spent is not known: {why}",
                notes=() if rules.unestimated else ("nothing was bought",),
                help="mend that lock; or let it pass with `budget: {unestimated: allow}`",
                severity=Severity.WARNING if rules.unestimated else Severity.ERROR,
            ),
        )


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


def _unknown_before(address: str, view: View, allowed: bool) -> Diagnostic:
    job = view.graph.find_text(address)
    if allowed:
        return Diagnostic(
            code="cost-unknown",
            message=f"what `{address}` costs is not known; no ceiling counts it",
            where=job.where if job else None,
            notes=("the budget says `unestimated: allow`",),
            help="give the price in `specs/models.yaml`",
            severity=Severity.WARNING,
        )
    return Diagnostic(
        code="cost-unknown",
        message=f"nothing more can be bought under a budget: what `{address}` costs is not known",
        where=job.where if job else None,
        notes=(f"a job of `{address}` was bought already", "nothing was bought"),
        help="wait for its bill if it runs, or give the price in `specs/models.yaml`; or let it "
        "pass with `budget: {unestimated: allow}`",
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
