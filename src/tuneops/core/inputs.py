"""Whether a job has read the bytes that its recipe names, by what the service and the store show.

The service does not say which generation of an object it read, nor when. A job reads its data at
some moment after it began and before it shows what it counted, or ends. So other bytes there while
it may still read, or there at its end and written before it, count against it: they may be what it
was trained on. Bytes that were written after its end do not, and neither does an object that is
gone: what is not there was not read. Where both cannot be told apart, the answer is the one that
never serves a model of unknown data, and never buys anything.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tuneops.core.lock import Creation
from tuneops.core.observed import JobState, ObservedJob, SeenObject

_WAITING = frozenset({JobState.QUEUED, JobState.PENDING})


def unproven(creation: Creation | None, job: ObservedJob) -> bool:
    """Say whether it is still open which bytes a job of ours has read, and time to look.

    What the lock has as ended was looked at when it ended.
    """
    if creation is not None:
        ended = creation.state is not None and creation.state.terminal
        if creation.adopted or creation.wrong_bytes or creation.data_read or ended:
            return False
    if job.state.terminal:
        return job.model is not None
    return job.data_read or job.started is not None or job.state not in _WAITING


def judged(
    before: Creation, after: Creation, job: ObservedJob, inputs: Mapping[str, SeenObject | None]
) -> Creation:
    """A creation with what is known now of the bytes that its job has read.

    `before` is the entry as it was, `after` the one that follows the job. A verdict stays, but for
    a job that ended and left nothing: there is nothing to be wrong.
    """
    if job.state.terminal and job.model is None:
        return replace(after, data_read=None, wrong_bytes=None, rewritten=None)
    if job.state.terminal and after.data_read is not None:
        after = replace(after, data_read=None)
    if job.name not in inputs or not unproven(before, job):
        return after
    there, pinned = inputs[job.name], after.recipe.training
    if there is None:
        return after
    known = after.evidence.training
    if there.dataset.same_bytes(pinned) and (known is None or there.evidence.agrees(known)):
        over = job.data_read and not job.state.terminal
        after = replace(after, data_read=True) if over else after
        return replace(after, rewritten=_again(there, job) or after.rewritten)
    late = there.created is not None and job.ended is not None and there.created >= job.ended
    return after if late else replace(after, wrong_bytes=True)


def _again(there: SeenObject, job: ObservedJob) -> datetime | None:
    """When an object was written while a job may have been reading it, if it was.

    Just before the create the pinned bytes were there, under an earlier generation. That they are
    there again says nothing of what the job found in between; nor does it say that it read that.
    """
    written = there.created
    if written is None or written <= job.created or (job.ended and written >= job.ended):
        return None
    return written
