"""What was bought, as ceilings count it: by this environment, by others, and by runs elsewhere.

The lock of another environment is read for what it says of money, and for nothing else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from tuneops.core.entry import marked
from tuneops.core.ledger import updated
from tuneops.core.lock import Creation
from tuneops.core.observed import ObservedJob
from tuneops.core.recall import UnreadableError, recall
from tuneops.core.view import View
from tuneops.costs.estimates import Knowledge


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A job that was bought; `own` says whether by this environment."""

    address: str
    creation: Creation
    own: bool = True


Wanted = Callable[[str, Creation], bool]
"""Whether a creation counts, by its key."""


def bought_here(view: View, wanted: Wanted) -> list[Entry]:
    """What the lock says that this environment has bought."""
    return [
        Entry(address=address, creation=creation)
        for address, key, creation in view.ledger.creations()
        if not creation.adopted and wanted(key, creation)
    ]


def bought_beside(view: View, knowledge: Knowledge) -> Iterator[Entry]:
    """What the locks of the workspace's other environments say that they have bought."""
    known = {creation.mark for _, _, creation in view.ledger.creations()}
    for lock in knowledge.beside:
        for address, _, creation in lock.creations():
            if not creation.adopted and creation.mark not in known:
                known.add(creation.mark)
                yield Entry(address=f"{address} ({lock.environment})", creation=creation, own=False)


def unlocked(view: View, knowledge: Knowledge) -> Iterator[Entry]:
    """Jobs of the workspace that the service lists and that no lock knows."""
    locks = (view.ledger, *knowledge.beside)
    known = {creation.mark for lock in locks for _, _, creation in lock.creations()}
    found = (entry_of(job, view) for job in view.observed.jobs.values())
    return (entry for entry in found if entry is not None and entry.creation.mark not in known)


def entry_of(job: ObservedJob, view: View) -> Entry | None:
    """A job of the workspace by its own marks; None for others, and for copies of its labels."""
    target = view.graph.target
    if job.ownership is None:
        return None
    workspace, _, environment = job.ownership.owner.partition("--")
    if workspace not in (target.workspace, *target.formerly.workspace):
        return None
    try:
        recipe, note = recall(job, target.project, target.location)
    except UnreadableError:
        return None
    own = job.ownership.owner in target.owners
    address = job.ownership.address
    return Entry(
        address=address if own else f"{address} ({environment})",
        creation=updated(marked(recipe, job, note), job),
        own=own,
    )


def in_month(creation: Creation, now: datetime) -> bool:
    """Say whether a job was bought in the calendar month of a moment, in UTC.

    One whose time is not known counts, as an unanswered create does.
    """
    return same_month(creation.created or creation.asked or now, now)


def same_month(moment: datetime, now: datetime) -> bool:
    """Say whether two moments are of one calendar month, in UTC."""
    one, other = moment.astimezone(UTC), now.astimezone(UTC)
    return (one.year, one.month) == (other.year, other.month)
