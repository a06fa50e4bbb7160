"""What of a plan could begin and does not begin now: for want of a slot, or of quota. Pure."""

from collections.abc import Container, Iterable, Mapping

from tuneops.core.claim import Claim
from tuneops.core.plan import Change, Plan, Wait
from tuneops.core.slots import free_slots, live_jobs
from tuneops.core.steps import startable
from tuneops.core.view import View

LOOKED_AT = 20
"""So many creates are looked up at the creation guard at most: the most urgent ones. Where the
quota is full, it is full for all."""


def next_creates(plan: Plan, view: View, barred: Container[str] = ()) -> tuple[Change, ...]:
    """The creates whose claims say whether they wait for quota."""
    return startable(plan, view, barred=barred)[: free_slots(view)][:LOOKED_AT]


def waits(
    plan: Plan, view: View, claims: Iterable[Claim], barred: Container[str] = ()
) -> Mapping[str, Wait]:
    """Why paid lines that nothing else keeps back wait, by address, the most urgent first."""
    held = {claim.key: claim for claim in claims}
    found: dict[str, Wait] = {}
    free = free_slots(view)
    for number, change in enumerate(startable(plan, view, barred=barred)):
        claim = held.get(change.key or "")
        if free is not None and number >= free:
            taken, unknown = live_jobs(view)
            found[change.address] = Wait(
                why="slot",
                before=number,
                taken=taken,
                of=view.graph.target.concurrent_jobs,
                unknown=unknown,
            )
        elif claim and claim.not_before and view.observed.at < claim.not_before:
            until, times = claim.not_before, claim.refusals or 1
            found[change.address] = Wait(why="quota", until=until, refusals=times)
    return found
