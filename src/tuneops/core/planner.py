"""Decide, for every address, the one action that moves it towards what is desired.

Pure. Reasons are for people; nothing here or later may branch on one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from tuneops.core.desired import Adoption, DesiredGraph, DesiredJob
from tuneops.core.diff import diff_recipes
from tuneops.core.drift import find_drift
from tuneops.core.fingerprint import creation_key, fingerprint
from tuneops.core.ledger import learn, refusal, resolve_checkpoint, settled, survivor
from tuneops.core.lock import Creation, Lock
from tuneops.core.match import adoptable, made_by
from tuneops.core.observed import INFRASTRUCTURE_CODES, JobState, Observed, ObservedJob
from tuneops.core.plan import Action, Change, Plan, Reason
from tuneops.core.recipe import BaseModel, Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything a decision may look at."""

    graph: DesiredGraph
    before: Lock
    """The lock as it was read."""
    ledger: Lock
    """The lock as it reads once it has seen the world."""
    observed: Observed
    recorded: Mapping[str, tuple[str, Creation]]
    """The creations of `before` with their addresses, by key."""
    settle: timedelta
    """How long an unanswered create may still land."""


def look(graph: DesiredGraph, lock: Lock, observed: Observed, settle: timedelta) -> View:
    """Bring the lock up to date with the world and put both beside what is desired."""
    ledger = learn(graph, lock, observed, settle)
    recorded = {key: (address, creation) for address, key, creation in lock.creations()}
    return View(
        graph=graph,
        before=lock,
        ledger=ledger,
        observed=observed,
        recorded=recorded,
        settle=settle,
    )


def make_plan(view: View) -> Plan:
    """One change for each desired address, then one for each job and address that is in excess."""
    decided: dict[str, Change] = {}
    for job in view.graph.jobs:
        decided[str(job.address)] = _decide(view, job, decided)
    excess = tuple(_excess(view, decided))
    return Plan(
        owner=view.graph.target.owner,
        environment=view.graph.target.environment,
        desired={str(job.address): job.lineage for job in view.graph.jobs},
        retries={str(job.address): job.policy.retry.limit for job in view.graph.jobs},
        changes=(*decided.values(), *excess, *_retired(view)),
        drift=find_drift(view.graph, view.ledger, view.observed),
    )


def _decide(view: View, job: DesiredJob, decided: Mapping[str, Change]) -> Change:
    """The change of one address; `decided` has those of all its ancestors."""
    locked = view.ledger.at(str(job.address))
    mine = sorted(
        (creation.attempt, key, creation)
        for key, creation in locked.creations.items()
        if creation.lineage == job.lineage
    )
    for _, key, creation in mine:
        if creation.succeeded:
            return _finished(view, job, key, creation)
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
    return _begin(view, job, 1, *_why_new(view, job), decided)


def _finished(view: View, job: DesiredJob, key: str, creation: Creation) -> Change:
    assert creation.model is not None, "a success has a model"
    if not view.observed.has_version(creation.model):
        return _line(job, Action.HOLD, Reason.MISSING_ARTEFACT, key, creation)
    before = view.recorded.get(key)
    if before is None or before[1].job is None:
        return _line(job, Action.ADOPT, _how_found(creation), key, creation)
    if before[0] != str(job.address):
        return _line(job, Action.KEEP, Reason.RENAMED, key, creation)
    reused = before[1].succeeded and view.before.at(before[0]).current != key
    return _line(job, Action.KEEP, Reason.REUSED if reused else Reason.IN_SYNC, key, creation)


def _how_found(creation: Creation) -> Reason:
    return Reason.NAMED if creation.adopted else Reason.FOUND


def _running(
    view: View, job: DesiredJob, key: str, creation: Creation, decided: Mapping[str, Change]
) -> Change:
    if creation.job in view.observed.missing:
        return _line(job, Action.HOLD, Reason.JOB_GONE, key, creation)
    before = view.recorded.get(key)
    if before is None or before[1].job is None:
        return _line(job, Action.ADOPT, _how_found(creation), key, creation)
    if creation.state is JobState.CANCELLING and creation.cancel_asked:
        again = _begin(view, job, creation.attempt + 1, Reason.WANTED_AGAIN, None, decided)
        if again.action.buys:
            return replace(again, after=creation.job)
    reasons = {
        JobState.PAUSED: Reason.PAUSED,
        JobState.UNKNOWN: Reason.UNKNOWN_STATE,
        JobState.CANCELLING: Reason.CANCELLING,
    }
    reason = reasons.get(creation.state or JobState.UNKNOWN, Reason.RUNNING)
    return _line(job, Action.WAIT, reason, key, creation)


def _unanswered(
    view: View, job: DesiredJob, key: str, creation: Creation, decided: Mapping[str, Change]
) -> Change:
    if settled(creation.asked, view.observed.at, view.settle):
        return _begin(view, job, creation.attempt, Reason.NEVER_MADE, None, decided)
    return _line(job, Action.WAIT, Reason.UNANSWERED, key, creation)


def _ended(
    view: View, job: DesiredJob, key: str, creation: Creation, decided: Mapping[str, Change]
) -> Change:
    """The last attempt ended without a usable success."""
    again = creation.attempt + 1
    if creation.state is JobState.SUCCEEDED:
        return _line(job, Action.WAIT, Reason.NO_MODEL_YET, key, creation)
    if creation.model is not None:
        return _line(job, Action.HOLD, Reason.PARTIAL_RESULT, key, creation)
    if creation.state is JobState.CANCELLED:
        if creation.cancel_asked:
            return _begin(view, job, again, Reason.WANTED_AGAIN, None, decided)
        return _line(job, Action.HOLD, Reason.CANCELLED_ELSEWHERE, key, creation)
    curable = creation.error is not None and creation.error.code in INFRASTRUCTURE_CODES
    tries_left = creation.attempt <= job.policy.retry.limit
    if creation.state is JobState.FAILED and curable and tries_left:
        return _begin(view, job, again, Reason.RETRY, None, decided)
    return _line(job, Action.HOLD, Reason.FAILED, key, creation)


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
    differs = refusal(job, there) == "differs"
    return replace(change, reason=Reason.DIFFERS if differs else Reason.NOT_ADOPTABLE)


def _why_new(view: View, job: DesiredJob) -> tuple[Reason, Creation | None]:
    """Why an address has no creation of its lineage, and the one to compare with."""
    locked = view.ledger.at(str(job.address))
    earlier = locked.result or (locked.history[0][1] if locked.history else None)
    if earlier is None:
        return Reason.FIRST_RUN, None
    if fingerprint(earlier.recipe) == fingerprint(job.recipe):
        return Reason.PARENT_CHANGED, earlier
    return Reason.INPUTS_CHANGED, earlier


def _begin(
    view: View,
    job: DesiredJob,
    attempt: int,
    reason: Reason,
    earlier: Creation | None,
    decided: Mapping[str, Change],
) -> Change:
    """Buy the job, or say what forbids it."""
    target = view.graph.target
    change = Change(
        address=str(job.address),
        action=Action.CREATE if isinstance(job.recipe.source, BaseModel) else Action.CONTINUE,
        reason=reason,
        lineage=job.lineage,
        key=creation_key(
            owner=target.owner,
            project=target.project,
            location=target.location,
            lineage=job.lineage,
            attempt=attempt,
        ),
        attempt=attempt,
        fields=diff_recipes(earlier.recipe, job.recipe) if earlier else (),
    )
    hold = _forbidden(view, job, decided)
    if hold is not None:
        return replace(change, action=Action.HOLD, reason=hold)
    parent = str(job.parent) if job.parent else None
    waits = parent is not None and parent_result(view, job) is None
    return replace(change, after=parent if waits else None)


def _forbidden(view: View, job: DesiredJob, decided: Mapping[str, Change]) -> Reason | None:
    if job.suspended:
        return Reason.SUSPENDED
    uri = job.training.dataset.uri
    if uri in view.observed.objects:
        there = view.observed.objects[uri]
        if there is None:
            return Reason.PIN_LOST
        if not there.same_bytes(job.training.dataset):
            return Reason.PIN_MOVED
    source = job.recipe.source
    if not isinstance(source, Upstream):
        return None
    if decided[source.from_].action is Action.HOLD:
        return Reason.PARENT_BLOCKED
    result = parent_result(view, job)
    if result and resolve_checkpoint(source.checkpoint, result, view.observed) is None:
        return Reason.CHECKPOINT_MISSING
    return None


def parent_result(view: View, job: DesiredJob) -> Creation | None:
    """The finished creation of the very lineage that a job continues; None until there is one."""
    source = job.recipe.source
    if not isinstance(source, Upstream):
        return None
    result = view.ledger.at(source.from_).result
    return result if result and result.lineage == source.lineage and result.succeeded else None


def _excess(view: View, decided: Mapping[str, Change]) -> Iterator[Change]:
    """Live jobs of ours that no desired address is bound to."""
    wanted = {job.lineage: str(job.address) for job in view.graph.jobs}
    recorded = {
        creation.job: (address, key, creation)
        for address, key, creation in view.ledger.creations()
        if creation.job is not None
    }
    bound = {
        creation.job
        for creation in (entry[2] for entry in recorded.values())
        if creation.lineage in wanted
    }
    owner = view.graph.target.owner
    for job in sorted(view.observed.jobs.values(), key=lambda job: job.seniority):
        ownership = job.ownership
        if ownership is None or ownership.owner != owner or job.state.terminal:
            continue
        if job.name in bound:
            continue
        if ownership.lineage in wanted:
            yield _duplicate(view, job, wanted[ownership.lineage])
        else:
            yield _stray(view, job, recorded.get(job.name))
    yield from _old_intents(view, wanted)


def _old_intents(view: View, wanted: Mapping[str, str]) -> Iterator[Change]:
    for address, key, creation in view.ledger.creations():
        if creation.unanswered and creation.lineage not in wanted:
            yield Change(
                address=address,
                action=Action.WAIT,
                reason=Reason.UNANSWERED,
                lineage=creation.lineage,
                key=key,
                attempt=creation.attempt,
            )


def _duplicate(view: View, job: ObservedJob, address: str) -> Change:
    desired = view.graph.find_text(address)
    assert desired is not None and job.ownership is not None
    twins = view.observed.owned(job.ownership.owner)[job.ownership.lineage, job.ownership.attempt]
    surplus = survivor(twins).name != job.name and made_by(desired.recipe, job)
    return _job_line(
        address,
        job,
        Action.CANCEL if surplus else Action.HOLD,
        Reason.DUPLICATE if surplus else Reason.NOT_KNOWN_HERE,
    )


def _stray(view: View, job: ObservedJob, entry: tuple[str, str, Creation] | None) -> Change:
    assert job.ownership is not None, "a stray carries our labels"
    if entry is None or not made_by(entry[2].recipe, job):
        return _job_line(job.ownership.address, job, Action.HOLD, Reason.NOT_KNOWN_HERE)
    address, _, creation = entry
    replaced = view.graph.find_text(address) is not None
    if job.state is JobState.CANCELLING:
        return _job_line(address, job, Action.WAIT, Reason.CANCELLING)
    if replaced and creation.policy.on_supersede == "finish":
        return _job_line(address, job, Action.WAIT, Reason.FINISHING)
    if not replaced and creation.policy.on_remove == "retain":
        return _job_line(address, job, Action.RETIRE, Reason.FINISHING)
    return _job_line(address, job, Action.CANCEL, Reason.SUPERSEDED if replaced else Reason.REMOVED)


def _retired(view: View) -> Iterator[Change]:
    """Addresses whose entries leave the lock's living part in this tick."""
    for address in sorted(view.before.jobs):
        if address not in view.ledger.jobs and address in view.ledger.retired:
            locked = view.ledger.retired[address]
            result = locked.result
            yield Change(
                address=address,
                action=Action.RETIRE,
                reason=Reason.REMOVED,
                key=locked.current,
                model=result.model if result else None,
            )


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


def _job_line(address: str, job: ObservedJob, action: Action, reason: Reason) -> Change:
    assert job.ownership is not None, "only jobs of ours get a line"
    return Change(
        address=address,
        action=action,
        reason=reason,
        lineage=job.ownership.lineage,
        attempt=job.ownership.attempt,
        job=job.name,
        model=job.model,
    )
