"""Decide, for every address, the one action that moves it towards what is desired.

Pure. Reasons are for people; nothing here or later may branch on one.
"""

from collections.abc import Mapping
from dataclasses import replace

from tuneops.core.desired import Adoption, DesiredJob
from tuneops.core.diff import diff_recipes
from tuneops.core.drift import find_drift
from tuneops.core.entry import is_another, refusal
from tuneops.core.excess import excess
from tuneops.core.fingerprint import version_of
from tuneops.core.gates import judge
from tuneops.core.ledger import settled
from tuneops.core.lock import Creation
from tuneops.core.match import adoptable
from tuneops.core.observed import INFRASTRUCTURE_CODES, JobState, ObservedJob
from tuneops.core.plan import Action, Change, Plan, Reason
from tuneops.core.policy import lifted
from tuneops.core.promotion import pointer_drift, promotions
from tuneops.core.purchase import begin, why_new
from tuneops.core.recipe import Recipe
from tuneops.core.removal import removals
from tuneops.core.view import View


def make_plan(view: View) -> Plan:
    """One change for each desired address, then one for each job and address that is in excess."""
    decided: dict[str, Change] = {}
    for job in view.graph.jobs:
        decided[str(job.address)] = _decide(view, job, decided)
    lines = tuple(promotions(view, decided))
    held = {change.job for change in decided.values() if change.action is Action.HOLD}
    more = (change for change in excess(view) if change.job is None or change.job not in held)
    alike = _alike(view)
    return Plan(
        owner=view.graph.target.owner,
        environment=view.graph.target.environment,
        desired={str(job.address): job.stated for job in view.graph.jobs},
        bound={
            str(job.address): job.lineage for job in view.graph.jobs if job.lineage != job.stated
        },
        retries={
            str(job.address): _tries_left(view, job, decided[str(job.address)].attempt)
            for job in view.graph.jobs
        },
        changes=(
            *(_beside(change, alike) for change in decided.values()),
            *more,
            *lines,
            *removals(view),
        ),
        drift=(
            *find_drift(view.graph, view.before, view.ledger, view.observed),
            *pointer_drift(view, lines),
        ),
        pointers={f"{one.name}@{one.alias}": one.target for one in view.graph.promotions},
        ceiling=view.graph.target.rules.ceiling,
    )


def _alike(view: View) -> dict[str, ObservedJob]:
    """Useful or live jobs of other owners, by lineage: no reason to buy nothing, but to ask."""
    owners = view.graph.target.owners
    return {
        job.ownership.lineage: job
        for job in view.observed.jobs.values()
        if job.ownership is not None and job.ownership.owner not in owners
        if job.model is not None or not job.state.terminal
    }


def _beside(change: Change, alike: Mapping[str, ObservedJob]) -> Change:
    """A purchase of what another owner has, with a word of that."""
    there = alike.get(change.lineage or "") if change.action.buys else None
    if there is None or there.ownership is None:
        return change
    name, state = there.name.rpartition("/tuningJobs/")[2], there.state.value.lower()
    words = f"`{there.ownership.owner}` has the same training: tuningJobs/{name}, {state}"
    return replace(change, detail=(*change.detail, words))


def _decide(view: View, job: DesiredJob, decided: Mapping[str, Change]) -> Change:
    """The change of one address; `decided` has those of all its ancestors."""
    locked = view.ledger.at(str(job.address))
    mine = sorted(
        (creation.attempt, key, creation)
        for key, creation in locked.creations.items()
        if creation.lineage == job.lineage
    )
    if done := locked.done(job.lineage):
        return _finished(view, job, *done)
    for _, key, creation in mine:
        if creation.wrong_bytes:
            return _line(job, Action.HOLD, Reason.WRONG_BYTES, key, creation)
    for _, key, creation in mine:
        if creation.live:
            return _running(view, job, key, creation, decided)
    for _, key, creation in mine:
        if creation.unanswered:
            return _unanswered(view, job, key, creation, decided)
    if mine:
        return _ended(view, job, mine[-1][1], mine[-1][2], decided)
    if job.adopt is not None:
        return _not_adopted(view, job, job.adopt)
    return begin(view, job, 1, *why_new(view, job), decided)


def _finished(view: View, job: DesiredJob, key: str, creation: Creation) -> Change:
    assert creation.model is not None, "a success has a model"
    if not view.observed.has_version(creation.model):
        why = Reason.DELETED if creation.delete_asked else Reason.MISSING_ARTEFACT
        return _line(job, Action.HOLD, why, key, creation)
    if _is_another(view, creation):
        return _line(job, Action.HOLD, Reason.ANOTHER_JOB, key, creation)
    verdicts = judge(view, job, creation)
    words = tuple(verdict.words for verdict in verdicts)
    for verdict in verdicts:
        if verdict.hold is not None:
            held = _line(job, Action.HOLD, verdict.hold, key, creation)
            return replace(held, detail=words)
    kept = _kept(view, job, key, creation)
    return replace(kept, detail=(*kept.detail, *words)) if words else kept


def _is_another(view: View, creation: Creation) -> bool:
    there = view.observed.jobs.get(creation.job or "")
    return there is not None and is_another(creation, there)


def _kept(view: View, job: DesiredJob, key: str, creation: Creation) -> Change:
    before = view.recorded.get(key)
    if before is None or before[1].job is None:
        return _line(job, Action.ADOPT, _how_found(creation), key, creation)
    if job.restated is not None and creation.stamps != before[1].stamps:
        return _re_stamped(job, job.restated, key, creation)
    if before[0] != str(job.address):
        return _line(job, Action.KEEP, Reason.RENAMED, key, creation)
    if creation.state is not JobState.SUCCEEDED:
        return _line(job, Action.KEEP, Reason.PARTIAL_ACCEPTED, key, creation)
    if view.graph.deviation(job):
        return _line(job, Action.KEEP, Reason.PARENT_ACCEPTED, key, creation)
    reused = before[1].succeeded and view.before.at(before[0]).current != key
    return _line(job, Action.KEEP, Reason.REUSED if reused else Reason.IN_SYNC, key, creation)


def _re_stamped(job: DesiredJob, said: Recipe, key: str, creation: Creation) -> Change:
    line = _line(job, Action.KEEP, Reason.RE_STAMPED, key, creation)
    versions = version_of(creation.lineage), version_of(job.stated)
    words = (f"hashed by version {versions[0]}, now {versions[1]}",)
    detail = words if versions[0] != versions[1] else ()
    return replace(line, fields=diff_recipes(creation.recipe, said), detail=detail)


def _how_found(creation: Creation) -> Reason:
    return Reason.NAMED if creation.adopted else Reason.FOUND


def _running(
    view: View, job: DesiredJob, key: str, creation: Creation, decided: Mapping[str, Change]
) -> Change:
    if creation.job in view.observed.missing:
        return _line(job, Action.HOLD, Reason.JOB_GONE, key, creation)
    if _is_another(view, creation):
        return _line(job, Action.HOLD, Reason.ANOTHER_JOB, key, creation)
    before = view.recorded.get(key)
    if before is None or before[1].job is None:
        return _line(job, Action.ADOPT, _how_found(creation), key, creation)
    if creation.state is JobState.CANCELLING and creation.cancel_asked:
        again = begin(view, job, creation.attempt + 1, Reason.WANTED_AGAIN, None, decided)
        if again.action.buys:
            return replace(again, after=creation.job)
    reasons = {
        JobState.PAUSED: Reason.PAUSED,
        JobState.UNKNOWN: Reason.UNKNOWN_STATE,
        JobState.CANCELLING: Reason.CANCELLING,
    }
    reason = reasons.get(creation.state or JobState.UNKNOWN, Reason.RUNNING)
    there = view.observed.jobs.get(creation.job or "")
    if there is not None and view.overdue(there, creation):
        queued = reason is Reason.RUNNING
        why = Reason.QUEUED_TOO_LONG if queued else reason
        return replace(_line(job, Action.HOLD, why, key, creation), stuck=True)
    return _line(job, Action.WAIT, reason, key, creation)


def _unanswered(
    view: View, job: DesiredJob, key: str, creation: Creation, decided: Mapping[str, Change]
) -> Change:
    if settled(creation.asked, view.observed.at, view.settle):
        return begin(view, job, creation.attempt, Reason.NEVER_MADE, None, decided)
    return _line(job, Action.WAIT, Reason.UNANSWERED, key, creation)


def _ended(
    view: View, job: DesiredJob, key: str, creation: Creation, decided: Mapping[str, Change]
) -> Change:
    """The last attempt ended without a usable success."""
    again = creation.attempt + 1
    if creation.state is JobState.SUCCEEDED:
        return _line(job, Action.WAIT, Reason.NO_MODEL_YET, key, creation)
    if creation.model is not None:
        return _failed(job, Reason.PARTIAL_RESULT, key, creation)
    if creation.state is JobState.CANCELLED:
        if creation.cancel_asked:
            return begin(view, job, again, Reason.WANTED_AGAIN, None, decided)
        if lifted(job.resume, creation.job):
            return begin(view, job, again, Reason.RESUMED, None, decided)
        return _line(job, Action.HOLD, Reason.CANCELLED_ELSEWHERE, key, creation)
    if _curable(creation) and _tries_left(view, job, creation.attempt):
        return begin(view, job, again, Reason.RETRY, None, decided)
    return _failed(job, Reason.FAILED, key, creation)


def _failed(job: DesiredJob, reason: Reason, key: str, creation: Creation) -> Change:
    """A hold in the service's own words."""
    held, error = _line(job, Action.HOLD, reason, key, creation), creation.error
    if error is None:
        return held
    tries = f"attempt {creation.attempt}, " if creation.attempt > 1 else ""
    return replace(held, detail=(f"{tries}code {error.code}: {error.message}",))


def _curable(creation: Creation) -> bool:
    """Say whether an attempt failed for a cause that another try may cure."""
    code = creation.error.code if creation.error is not None else None
    return creation.state is JobState.FAILED and code in INFRASTRUCTURE_CODES


def _tries_left(view: View, job: DesiredJob, attempt: int) -> int:
    """How often this attempt may fail and be followed by another, by policy.

    The failures before it count, and not the attempts that we cancelled ourselves or that `resume`
    let go. An attempt that nothing is known of counts as a failure: what is forgotten buys nothing.
    """
    known = (
        creation
        for creation in view.ledger.at(str(job.address)).creations.values()
        if creation.lineage == job.lineage and creation.attempt < attempt
    )
    excused = sum(1 for creation in known if not _curable(creation))
    return max(0, job.policy.retry.limit - (attempt - 1 - excused))


def _not_adopted(view: View, job: DesiredJob, adopt: Adoption) -> Change:
    """Say why what the spec names was not taken over; it is never bought instead."""
    there = adoptable(adopt.target, view.observed.jobs.values())
    change = Change(
        address=str(job.address),
        action=Action.HOLD,
        reason=Reason.NOT_FOUND,
        lineage=job.lineage,
        job=there.name if there else None,
    )
    if there is None:
        return change
    if refusal(job, there) == "differs":
        return replace(change, reason=Reason.DIFFERS)
    return replace(change, reason=Reason.NOT_ADOPTABLE, detail=(_whose(view, there),))


def _whose(view: View, job: ObservedJob) -> str:
    """Why a job cannot be adopted, in words: whose it is, or how it ended."""
    if job.ownership is None:
        return f"it is {job.state.value.lower()}, and there is no model of it"
    made = [address for address, _, one in view.ledger.creations() if one.job == job.name]
    if not made:
        return f"it is a job of `{job.ownership.owner}`, for `{job.ownership.address}`"
    said = "" if view.graph.find_text(made[0]) else f"; `movedFrom: {made[0]}` brings it here, free"
    return f"it was made here, for `{made[0]}`{said}"


def _line(job: DesiredJob, action: Action, reason: Reason, key: str, creation: Creation) -> Change:
    return Change(
        address=str(job.address),
        action=action,
        reason=reason,
        lineage=job.lineage,
        key=key,
        attempt=creation.attempt,
        job=creation.job,
        model=creation.model,
    )
