"""What each desired job cost, costs, or would cost: one amount for each address."""

from collections.abc import Iterator
from dataclasses import dataclass

from tuneops.core.plan import Plan
from tuneops.core.view import View
from tuneops.costs.amounts import Cost
from tuneops.costs.estimates import Estimator, Knowledge


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """An amount; `billed` says that it follows from what the service counted of an ended job."""

    cost: Cost
    billed: bool


def charges(plan: Plan, view: View, knowledge: Knowledge) -> dict[str, Charge]:
    """The charge of the job that each line speaks of; none where it is not known, or not ours.

    An adopted job was paid for before tuneops knew of it.
    """
    return dict(_charges(plan, view, Estimator(view, knowledge)))


def _charges(plan: Plan, view: View, estimator: Estimator) -> Iterator[tuple[str, Charge]]:
    for address in plan.desired:
        change = plan.find(address)
        creation = view.ledger.at(address).creations.get(change.key or "") if change else None
        if change is not None and change.action.buys:
            cost, billed = estimator.line(change).cost, False
        elif creation is not None and not creation.adopted:
            cost = estimator.creation(creation, address)
            ended = creation.state is not None and creation.state.terminal
            billed = ended and creation.billable_tokens is not None
        else:
            continue
        if cost is not None:
            yield address, Charge(cost=cost, billed=billed)
