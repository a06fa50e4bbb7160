"""Buying one job, as a line of the plan: why, and what forbids it. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from tuneops.core.checkpoints import resolve_checkpoint
from tuneops.core.desired import DesiredJob
from tuneops.core.diff import diff_recipes
from tuneops.core.lock import Creation
from tuneops.core.plan import Action, Change, Reason
from tuneops.core.recipe import BaseModel, Best, Upstream
from tuneops.core.stamps import stands_for
from tuneops.core.view import View, parent_result, stranger


def begin(
    view: View,
    job: DesiredJob,
    attempt: int,
    reason: Reason,
    earlier: Creation | None,
    decided: Mapping[str, Change],
) -> Change:
    """Buy the job, or say what forbids it."""
    change = Change(
        address=str(job.address),
        action=Action.CREATE if isinstance(job.recipe.source, BaseModel) else Action.CONTINUE,
        reason=reason,
        lineage=job.lineage,
        key=view.graph.target.key(job.lineage, attempt),
        attempt=attempt,
        fields=diff_recipes(earlier.recipe, job.recipe) if earlier else (),
    )
    hold = _forbidden(view, job, decided)
    if hold is not None:
        return replace(change, action=Action.HOLD, reason=hold)
    if copy := stranger(view, job):
        held = replace(change, action=Action.HOLD, reason=Reason.NOT_KNOWN_HERE)
        return replace(held, job=copy.name)
    parent = str(job.parent) if job.parent else None
    waits = parent is not None and parent_result(view, job) is None
    return replace(change, after=parent if waits else None)


def _forbidden(view: View, job: DesiredJob, decided: Mapping[str, Change]) -> Reason | None:
    over = job.suspended_until is not None and view.observed.at >= job.suspended_until
    if job.suspended and not over:
        return Reason.SUSPENDED
    for pinned in (job.training, job.validation):
        if pinned is None or pinned.dataset.uri not in view.observed.objects:
            continue
        if view.observed.objects[pinned.dataset.uri] is None:
            return Reason.PIN_LOST
        if view.observed.differs(pinned.dataset, pinned.evidence):
            return Reason.PIN_MOVED
    source = job.recipe.source
    if not isinstance(source, Upstream):
        return None
    if _expired(view, job):
        return Reason.ACCEPTANCE_OVER
    result = parent_result(view, job)
    if view.graph.deviation(job):
        blocked = result is None or not view.observed.has_version(result.model or "")
    else:
        blocked = decided[source.from_].action is Action.HOLD
    if blocked:
        return Reason.PARENT_BLOCKED
    if result and resolve_checkpoint(source.checkpoint, result, view.observed) is None:
        best = isinstance(source.checkpoint, Best)
        return Reason.NOT_MEASURED if best else Reason.CHECKPOINT_MISSING
    return None


def _expired(view: View, job: DesiredJob) -> bool:
    """Say whether the job, or the nearest above it that accepts a parent, does so no longer."""
    for one in (job, *view.graph.ancestors(job)):
        accepted = view.graph.deviation(one)
        if accepted is not None:
            return accepted.until is not None and view.observed.at >= accepted.until
    return False


def why_new(view: View, job: DesiredJob) -> tuple[Reason, Creation | None]:
    """Why an address has no creation of its lineage, and the one to compare with."""
    locked = view.ledger.at(str(job.address))
    earlier = locked.result or (locked.history[0][1] if locked.history else None)
    if earlier is None:
        return Reason.FIRST_RUN, None
    if stands_for(earlier, job.recipe):
        return Reason.PARENT_CHANGED, earlier
    return Reason.INPUTS_CHANGED, earlier
