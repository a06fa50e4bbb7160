"""What only the emulator has, outside Google's paths: faults and quota, for tests over HTTP.

`/tuneops/v1/faults`: POST a script (text, or JSON `{"faults": "..."}`), GET what was asked for
and what is unmet, DELETE forgets it. `/tuneops/v1/quota`: GET, and PUT `{"limit", "mode"}`, a
`limit` of null being none. The server lets loopback in only.
"""

import json
from dataclasses import asdict
from typing import Any

from werkzeug.wrappers import Request, Response

from tuneops.emulator.answers import json_response
from tuneops.emulator.errors import VertexError, invalid
from tuneops.emulator.fault_queue import ask, forget, queued
from tuneops.emulator.faults import JOB, FaultError, FaultScript
from tuneops.emulator.ledger import Ledger, View
from tuneops.emulator.names import Scope, scope
from tuneops.emulator.quota import Quota

PREFIX = "/tuneops/v1/"
_NOWHERE = Scope(project="", location="")


def add_faults(ledger: Ledger, script: FaultScript) -> None:
    """Put a script behind the faults that are queued."""
    with ledger.writing() as writing:
        ask(writing.database, script)


def forget_faults(ledger: Ledger) -> None:
    """Drop every queued fault; jobs keep what they were given."""
    with ledger.writing() as writing:
        forget(writing.database)


def set_quota(ledger: Ledger, quota: Quota) -> None:
    """Let another quota hold from now on; jobs that wait get the slots that it frees."""
    with ledger.writing() as writing:
        if writing.world.slots.quota != quota:
            writing.record("quota.set", _NOWHERE, "", asdict(quota))


def forget_job(ledger: Ledger, name: str) -> None:
    """Drop the record of a job that has ended, and nothing that it made; KeyError without one.

    How long the service keeps records of jobs is not documented, so that time alone drops none.
    """
    _, project, _, location, _, id = name.split("/")
    place = scope(project, location)
    with ledger.writing() as writing:
        if not writing.world.jobs[place, id].standing(writing.instant).active:
            writing.record("job.forgotten", place, id, {})


def unmet(ledger: Ledger) -> list[str]:
    """Return what was asked for and did not happen: the rest of the script, and of each job.

    A job fault counts once its job has come to it, not when the job was created.
    """
    with ledger.reading() as view:
        left = [item.text for item in queued(view.database) if item.left]
        return left + [_waiting(job.id, text) for job, text in _expecting(view)]


def admin(request: Request, ledger: Ledger) -> Response:
    """Answer a request below the prefix."""
    match (request.method, request.path.removeprefix(PREFIX)):
        case ("GET", "faults"):
            return json_response(_faults(ledger))
        case ("POST", "faults"):
            add_faults(ledger, _script(request))
            return json_response(_faults(ledger))
        case ("DELETE", "faults"):
            forget_faults(ledger)
            return json_response(_faults(ledger))
        case ("GET", "quota"):
            pass
        case ("PUT", "quota"):
            set_quota(ledger, _quota(request))
        case _:
            raise VertexError("NOT_FOUND", f"No such route: {request.method} {request.path}")
    with ledger.reading() as view:
        return json_response(asdict(view.world.slots.quota))


def _faults(ledger: Ledger) -> dict[str, Any]:
    with ledger.reading() as view:
        asked = [
            {"fault": item.fault.text, "wanted": item.wanted, "met": item.met}
            for item in queued(view.database)
        ]
    return {"faults": asked, "unmet": unmet(ledger)}


def _expecting(view: View) -> list[tuple[Any, str]]:
    return [
        (job, f"{JOB}:{job.fate.text}")
        for job in view.world.jobs.values()
        if job.fate is not None and not job.has_met_its_fate(view.instant)
    ]


def _waiting(id: str, text: str) -> str:
    return f"{text} (job {id} has not come to it)"


def _script(request: Request) -> FaultScript:
    text = request.get_data().decode(errors="replace")
    if request.mimetype == "application/json":
        given = _json(text).get("faults")
        if not isinstance(given, str):
            raise invalid('The body must be {"faults": "SCRIPT"}.')
        text = given
    try:
        return FaultScript.parse(text)
    except FaultError as error:
        raise invalid(str(error)) from None


def _quota(request: Request) -> Quota:
    try:
        return Quota(**_json(request.get_data().decode(errors="replace")))
    except (TypeError, ValueError) as error:
        raise invalid(f'The body must be {{"limit": N or null, "mode": MODE}}: {error}') from None


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise invalid("The body must be a JSON object.")
    return value
