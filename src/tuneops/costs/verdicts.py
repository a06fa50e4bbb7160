"""What the rules say to a plan: which of its paid lines may not be bought now, and why.

Free lines are never barred. A barred line stays in the plan, and in its digest: it is bought when
the rule, the month or the hour lets it.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tuneops.core.plan import Plan
from tuneops.core.view import View
from tuneops.costs.amounts import Cost
from tuneops.costs.budget import over_budget
from tuneops.costs.estimates import Estimate, Estimator, Knowledge, Sunk, sunk
from tuneops.costs.policy import forbidden, frozen, retiring
from tuneops.diagnostics import Diagnostic, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may not be bought now, in few words by address, and the findings that say it in full."""

    barred: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Diagnostic, ...] = ()
    until: datetime | None = None
    """When the freeze ends, if one holds."""

    @property
    def denied(self) -> bool:
        """Say whether a rule forbids something until it is changed, or another month comes."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def worth_saying(self, *, quiet: bool) -> tuple[Diagnostic, ...]:
        """The findings; without warnings for those who asked for quiet."""
        errors = (one for one in self.findings if one.severity is Severity.ERROR)
        return tuple(errors) if quiet else self.findings

    @property
    def frozen(self) -> bool:
        """Say whether a freeze keeps something from being bought."""
        return self.until is not None


def judge(
    plan: Plan, view: View, knowledge: Knowledge, bought: Container[str] = frozenset()
) -> Verdict:
    """Hold a plan against the rules. `bought` are the creation keys that this run has bought."""
    if not plan.buys:
        return Verdict()
    return _judge(plan, view, Estimator(view, knowledge), bought)


def _judge(plan: Plan, view: View, estimator: Estimator, bought: Container[str]) -> Verdict:
    rules, at = view.graph.target.rules, view.observed.at
    barred: dict[str, str] = {}
    findings: list[Diagnostic] = []
    for addresses, words, finding in (
        *forbidden(plan, view, estimator),
        *retiring(plan, view, estimator),
    ):
        for address in addresses:
            known = barred.get(address, "")
            barred[address] = f"{known}, {words}" if known else words
        findings.append(finding)
    left = [change for change in plan.buys if change.address not in barred]
    for addresses, words, finding in over_budget(left, view, estimator, bought):
        barred.update(dict.fromkeys(addresses, words))
        findings.append(finding)
    until = None
    if (freeze := frozen(rules, at)) is not None:
        until, words, finding = freeze
        findings.append(finding)
        barred = {**dict.fromkeys((change.address for change in plan.buys), words), **barred}
    return Verdict(barred=barred, findings=tuple(dict.fromkeys(findings)), until=until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A plan's prices and the verdict on it."""

    estimates: Mapping[str, Estimate]
    """What each paid line costs, by address."""
    sunk: Mapping[str, Sunk]
    """What each cancel gives up, by job."""
    verdict: Verdict

    def price(self, addresses: Iterable[str]) -> Cost | None:
        """What these paid lines cost together; None when any of them is not estimated."""
        costs = [self.estimates[at].cost if at in self.estimates else None for at in addresses]
        known = [cost for cost in costs if cost is not None]
        return Cost.sum(known) if len(known) == len(costs) else None


def appraise(plan: Plan, view: View, knowledge: Knowledge) -> Bill:
    """Price a plan, and hold it against the rules."""
    estimator = Estimator(view, knowledge)
    lost = {change.job: sunk(change, view, estimator) for change in plan.cancels if change.job}
    return Bill(
        estimates=estimator.plan(plan),
        sunk={job: one for job, one in lost.items() if one is not None},
        verdict=_judge(plan, view, estimator, frozenset()) if plan.buys else Verdict(),
    )
