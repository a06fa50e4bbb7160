"""The emulator: a WSGI application over one database file.

Every answer, errors too, says in its headers that it comes from an emulator and from which
instance; the bodies are those of the services and hold nothing else.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from werkzeug.http import http_date
from werkzeug.wrappers import Request, Response

from tuneops.emulator.admin_api import (
    PREFIX,
    add_faults,
    admin,
    forget_faults,
    forget_job,
    set_quota,
    unmet,
)
from tuneops.emulator.answers import is_storage, json_response, refusal_response
from tuneops.emulator.errors import Refusal, StorageError, VertexError
from tuneops.emulator.faults import FaultError, FaultScript
from tuneops.emulator.injection import Asked, ConnectionDropped, Injector
from tuneops.emulator.ledger import Ledger, OtherVersionError
from tuneops.emulator.quota import Quota
from tuneops.emulator.request_log import NO_ANSWER, RecordedRequest, RequestLog
from tuneops.emulator.routing import Route, dispatch, find_route
from tuneops.emulator.settings import Settings
from tuneops.emulator.views import job_json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = [
    "ConnectionDropped",
    "Emulator",
    "FaultError",
    "OtherVersionError",
    "Quota",
    "RecordedRequest",
    "Settings",
]

SERVER = "tuneops-emulator"
_LOG = logging.getLogger("tuneops.emulator")


def _sleep(seconds: float) -> None:
    threading.Event().wait(seconds)


class Emulator:
    """Vertex AI tuning and Cloud Storage, out of one database; safe for threads and processes.

    `wall` is the wall clock. `wall_dates` makes the `Date` header of answers wall time, as a
    served emulator needs it; otherwise it is virtual time. `sleep` takes the seconds that slow
    answers cost. An answer that a fault loses is raised as ConnectionDropped, and a server has
    to break the connection then.
    """

    def __init__(
        self,
        database: Path,
        *,
        wall: Callable[[], datetime],
        wall_dates: bool = False,
        settings: Settings = Settings(),  # noqa: B008  frozen, so it can be shared
        sleep: Callable[[float], object] = _sleep,
    ) -> None:
        script = FaultScript.parse(settings.faults)
        self._ledger = Ledger(database, wall)
        self._log = RequestLog(database)
        self._wall_dates = wall_dates
        self._settings = settings
        self._injector = Injector(self._ledger, sleep)
        if script.faults:
            add_faults(self._ledger, script)
        if settings.quota is not None:
            set_quota(self._ledger, settings.quota)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(_standard(environ))
        # All of the body comes before the database is touched: a slow caller blocks nobody.
        request.get_data(cache=True)
        status = NO_ANSWER
        try:
            response = self._answer(request)
            status = response.status_code
        finally:
            self._record(request, status)
        response.headers.update(self.label())
        return response(request.environ, start_response)

    def label(self) -> dict[str, str]:
        """Return the headers that mark an answer as this instance's."""
        date = self._ledger.wall() if self._wall_dates else self.time()
        return {
            "Server": SERVER,
            "X-Tuneops-Emulator": self.instance,
            "Date": http_date(date),
        }

    @property
    def instance(self) -> str:
        """The id of the world in the database, another one after a reset."""
        return self._ledger.instance

    def time(self) -> datetime:
        """Return virtual time."""
        return self._ledger.time()

    def advance(self, by: timedelta) -> None:
        """Move virtual time ahead."""
        self._ledger.advance(by)

    def set_speed(self, speed: float) -> None:
        """Let virtual time go on from here at `speed` times wall time."""
        self._ledger.set_speed(speed)

    def reset(self) -> None:
        """Empty the database: a fresh world with another instance id, no faults, no quota."""
        self._ledger.reset()
        self._log.forget()

    def faults(self, script: str) -> None:
        """Ask for faults, behind those already asked for; FaultError if it is mistyped."""
        add_faults(self._ledger, FaultScript.parse(script))

    def unmet(self) -> list[str]:
        """Return the faults that were asked for and have not been met; empty when all were."""
        return unmet(self._ledger)

    def forget_faults(self) -> None:
        """Drop the queued faults; jobs keep what they were given."""
        forget_faults(self._ledger)

    def set_quota(self, quota: Quota) -> None:
        """Let another quota hold from now on."""
        set_quota(self._ledger, quota)

    def forget_job(self, name: str) -> None:
        """Drop the record of a job that has ended, by its full name; what it made stays."""
        forget_job(self._ledger, name)

    def requests(self, last: int) -> list[RecordedRequest]:
        """Return the newest `last` requests, oldest of them first; at most 1,000 are kept."""
        return self._log.last(last)

    def close(self) -> None:
        """Close the database."""
        self._ledger.close()
        self._log.close()

    def jobs(self) -> list[dict[str, Any]]:
        """Return every job of every project and location as it stands now, oldest first."""
        with self._ledger.reading() as view:
            return [
                job_json(job, view.world, view.instant, beta=True)
                for job in view.world.jobs.values()
            ]

    def _answer(self, request: Request) -> Response:
        try:
            if request.path == "/" and request.method == "GET":
                return json_response(self._description())
            if request.path.startswith(PREFIX):
                return admin(request, self._ledger)
            route = find_route(request)
            asked = Asked(method=route.method.name, scope=route.scope, request=request)
            return self._injector.answer(asked, partial(self._respond, route))
        except ConnectionDropped:
            raise
        except Exception as error:
            return _failed(error, request)

    def _respond(self, route: Route, request: Request, lag: int) -> Response:
        try:
            return dispatch(route, request, self._ledger, self._settings, lag)
        except Exception as error:
            return _failed(error, request)

    def _record(self, request: Request, status: int) -> None:
        """Write a request down, unless only an emulator has its path."""
        if request.path == "/" or request.path.startswith(PREFIX):
            return
        try:
            self._log.record(request, at=self.time().isoformat(), status=status)
        except Exception:
            _LOG.exception("%s %s was not written down", request.method, request.path)

    def _description(self) -> dict[str, Any]:
        return {
            "emulator": "tuneops",
            "instance": self.instance,
            "time": self.time().isoformat(),
            "speed": self._ledger.anchor.speed,
        }


def _failed(error: Exception, request: Request) -> Response:
    """Return the answer to a request that was refused, or that the emulator failed at."""
    if isinstance(error, Refusal):
        return refusal_response(error, request)
    _LOG.error("%s %s failed", request.method, request.path, exc_info=error)
    message = "Internal error encountered."
    if is_storage(request.path):
        return refusal_response(StorageError(500, "internalError", message), request)
    return refusal_response(VertexError("INTERNAL", message), request)


def _standard(environ: "WSGIEnvironment") -> "WSGIEnvironment":
    """Return an environment as WSGI wants it: httpx's in-process transport strays twice.

    It gives the path as text instead of as bytes in Latin-1, and does not say that a body
    without a length ends where its stream does.
    """
    environ = dict(environ)
    path = environ.get("PATH_INFO", "")
    try:
        path.encode("latin-1").decode()
    except UnicodeError:
        environ["PATH_INFO"] = path.encode(errors="surrogateescape").decode("latin-1")
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", ""):
        environ["wsgi.input_terminated"] = True
    return environ
