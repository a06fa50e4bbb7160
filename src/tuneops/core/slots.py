"""Who goes first when not all jobs may run at once, and how many may. Pure."""

from tuneops.core.ledger import settled
from tuneops.core.plan import Change, Plan
from tuneops.core.view import View


def free_slots(view: View) -> int | None:
    """How many jobs may be begun now; None when no limit is declared.

    Every live job of the project counts, whoever made it and wherever it runs, and so does a create
    whose answer is out. A location that could not be asked is unknown, and never empty: while there
    is one, nothing is begun.
    """
    limit = view.graph.target.concurrent_jobs
    if limit is None:
        return None
    taken, unknown = live_jobs(view)
    return 0 if unknown else max(0, limit - taken)


def live_jobs(view: View) -> tuple[int, tuple[str, ...]]:
    """How many slots of the project are taken, and the locations that could not be asked."""
    asked = sum(
        1
        for _, _, creation in view.ledger.creations()
        if creation.unanswered and not settled(creation.asked, view.observed.at, view.settle)
    )
    elsewhere = view.observed.elsewhere
    unknown = tuple(sorted(place for place, live in elsewhere.items() if live is None))
    return view.busy() + asked + sum(live or 0 for live in elsewhere.values()), unknown


def most_urgent_first(plan: Plan, view: View) -> list[Change]:
    """What is bought: first of chains that have begun, then by the longest way to go.

    So one chain is finished before four are begun, and what ends last is not begun last.
    """
    left = _left(plan, view)

    def urgency(change: Change) -> tuple[bool, int]:
        job = view.graph.find_text(change.address)
        begun = job is not None and job.parent is not None
        return not begun, -left.get(change.address, 0)

    return sorted(plan.buys, key=urgency)


def _left(plan: Plan, view: View) -> dict[str, int]:
    """How many paid jobs, one after the other, each paid address still begins."""
    paid = {change.address for change in plan.buys}
    left: dict[str, int] = {}
    for job in reversed(view.graph.jobs):
        address = str(job.address)
        left[address] = left.get(address, 0) + (address in paid)
        if job.parent is not None:
            above = str(job.parent)
            left[above] = max(left.get(above, 0), left[address])
    return left
