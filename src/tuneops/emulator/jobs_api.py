"""The methods of `tuningJobs`: create, get, list, cancel."""

from dataclasses import asdict
from typing import Any

from tuneops.emulator.admission import admit
from tuneops.emulator.calls import Call
from tuneops.emulator.errors import not_found, precondition
from tuneops.emulator.fault_queue import take_job_fault
from tuneops.emulator.filters import LABELS, TEXT, TIME, FieldKind, Lookup, parse_filter
from tuneops.emulator.jobs import Job
from tuneops.emulator.ledger import View
from tuneops.emulator.lifecycle import CANCELLING_STATE, STATES, TERMINAL
from tuneops.emulator.paging import page
from tuneops.emulator.views import job_json, pruned

_FILTER = {
    "state": FieldKind(kind=TEXT, reads="state", values=frozenset(STATES)),
    "display_name": FieldKind(kind=TEXT, reads="displayName"),
    "tuned_model_display_name": FieldKind(kind=TEXT, reads="displayName"),
    "base_model": FieldKind(kind=TEXT, reads="baseModel"),
    "labels": FieldKind(kind=LABELS, reads="labels"),
    "create_time": FieldKind(kind=TIME, reads="createTime"),
    "start_time": FieldKind(kind=TIME, reads="startTime"),
    "end_time": FieldKind(kind=TIME, reads="endTime"),
    "update_time": FieldKind(kind=TIME, reads="updateTime"),
}


def create(call: Call) -> dict[str, Any]:
    """Create a job, which is queued at once; two equal requests make two jobs."""
    request = call.decoded("TuningJob", "tuning_job")
    with call.ledger.writing() as writing:
        id, body = admit(request, call.scope, writing, call.settings)
        if body["settled"]["fate"] is None:
            fault = take_job_fault(writing.database)
            body["settled"]["fate"] = None if fault is None else asdict(fault.fate())
        writing.record("job.created", call.scope, id, body)
        job = writing.world.jobs[call.scope, id]
        return job_json(job, writing.world, writing.instant, beta=call.beta)


def get(call: Call, *, job: str) -> dict[str, Any]:
    """Return a job as it stands now."""
    with call.ledger.reading() as view:
        return job_json(_job(call, view, job), view.world, view.instant, beta=call.beta)


def list_jobs(call: Call) -> dict[str, Any]:
    """Return a page of the jobs of a location, newest first (the order is our choice)."""
    request = call.page("tuningJobs")
    matches = parse_filter(call.arguments.get("filter", ""), _FILTER)
    with call.ledger.reading() as view:
        limit = view.instant - call.lag
        jobs = [job for job in view.world.jobs_in(call.scope) if job.life.created <= limit]
        shown = (job for job in jobs if matches is None or matches(_lookup(job, view.instant)))
        found, token = page(
            request,
            shown,
            position=lambda job: [job.sequence],
            descending=True,
            settings=call.settings,
        )
        listed = [job_json(job, view.world, view.instant, beta=call.beta) for job in found]
    return pruned({"tuningJobs": listed, "nextPageToken": token})


def cancel(call: Call, *, job: str) -> dict[str, Any]:
    """Ask a job to stop; one that has ended refuses, one that is stopping does not mind."""
    call.decoded("CancelTuningJobRequest", "")
    with call.ledger.writing() as writing:
        found = _job(call, writing, job)
        state = found.standing(writing.instant).state
        if state in TERMINAL and call.settings.lenient_cancel:
            return {}
        if state in TERMINAL:
            raise precondition(f"The tuning job is in state {state} and cannot be cancelled.")
        if state != CANCELLING_STATE:
            writing.record("job.cancelled", call.scope, job, {})
    return {}


def _job(call: Call, view: View, id: str) -> Job:
    job = view.world.job((call.scope, id))
    if job is None:
        raise not_found("tuning job", call.scope.name("tuningJobs", id))
    return job


def _lookup(job: Job, now: int) -> Lookup:
    standing = job.standing(now)
    values = {
        "state": standing.state,
        "displayName": job.display_name,
        "baseModel": job.request.get("baseModel"),
        "labels": job.request.get("labels", {}),
        "createTime": job.life.created,
        "startTime": standing.started,
        "endTime": standing.ended,
        "updateTime": standing.updated,
    }
    return values.__getitem__
