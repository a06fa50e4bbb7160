"""What happened, as events for people who watch: of a step, and of jobs between two looks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from tuneops.core.creation import Contended, Found, Held, Made, Outcome, Refusal, Unknown
from tuneops.core.lock import Lock
from tuneops.core.plan import Change
from tuneops.engine.execute import troubles
from tuneops.errors import DiskError


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to one job, for people who watch."""

    address: str
    event: str
    detail: str = ""
    job: str | None = None
    attempt: int = 0


def told(change: Change, outcome: Outcome) -> Event:
    """What came of a step, as an event."""
    job = None
    match outcome:
        case Made(creation, lost, _, unlabelled):
            job = creation.job
            event, detail = "submitted", f"tuningJobs/{(job or '').rpartition('/tuningJobs/')[2]}"
            if lost:
                detail += "; answer lost, found the job by its mark"
            if unlabelled:
                detail += "; the service dropped our labels: the lock knows this job by its name"
        case Found(name):
            event, detail = "found", name
        case Refusal(message, notes):
            event, detail = "refused", "; ".join((message, *notes))
        case Unknown(_, message):
            event, detail = "unanswered", message
        case Held(_, message):
            event, detail = "held", message
        case Contended(message):
            event, detail = "busy", message
        case _:
            assert_never(outcome)
    if trouble := "; ".join(troubles(outcome)):
        detail += f"; not written down everywhere: {trouble}"
    return Event(address=change.place, event=event, detail=detail, job=job, attempt=change.attempt)


def transitions(before: Lock, after: Lock) -> Iterator[Event]:
    """What the jobs of the lock did between two looks."""
    known = {key: creation for _, key, creation in before.creations()}
    for address, key, creation in after.creations():
        earlier = known.get(key)
        state = creation.state
        same = earlier is not None and earlier.state is state
        grown = earlier is not None and len(creation.checkpoints) > len(earlier.checkpoints)
        if state is None or (same and not grown):
            continue
        detail = ""
        if creation.error is not None:
            detail = creation.error.message
        elif creation.succeeded and creation.model:
            detail = f"models/{creation.model.rpartition('/models/')[2]}"
            if creation.chosen:
                detail += f", checkpoint {creation.chosen}"
        elif creation.checkpoints:
            detail = f"checkpoint {len(creation.checkpoints)}"
        yield Event(
            address=address,
            event=state.value.lower(),
            detail=detail,
            job=creation.job,
            attempt=creation.attempt,
        )


def unwritten(fault: DiskError, outcomes: list[tuple[Change, Outcome | None]]) -> DiskError:
    """The fault of a lock that could not be written, with what it would have said."""
    made = [
        f"`{change.address}` was made: `{outcome.creation.job}`"
        for change, outcome in outcomes
        if isinstance(outcome, Made)
    ]
    if made:
        made.append("the next run finds it by its labels; nothing is bought twice")
    return DiskError(fault.message, notes=(*fault.notes, *made), help=fault.help)
