"""The emulator: a WSGI application over one database file.

Every answer, errors too, says in its headers that it comes from an emulator and from which
instance; the bodies are those of the services and hold nothing else.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from werkzeug.http import http_date
from werkzeug.wrappers import Request, Response

from tuneops.emulator.errors import Refusal, StorageError, VertexError
from tuneops.emulator.ledger import Ledger
from tuneops.emulator.routing import dispatch, is_storage, json_response
from tuneops.emulator.settings import Settings
from tuneops.emulator.views import job_json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Emulator", "Settings"]

SERVER = "tuneops-emulator"
_LOG = logging.getLogger("tuneops.emulator")


class Emulator:
    """Vertex AI tuning and Cloud Storage, out of one database; safe for threads and processes.

    `wall` is the wall clock. `wall_dates` makes the `Date` header of answers wall time, as a
    served emulator needs it; otherwise it is virtual time.
    """

    def __init__(
        self,
        database: Path,
        *,
        wall: Callable[[], datetime],
        wall_dates: bool = False,
        settings: Settings = Settings(),  # noqa: B008  frozen, so it can be shared
    ) -> None:
        self._ledger = Ledger(database, wall)
        self._wall_dates = wall_dates
        self._settings = settings

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
        response = self._answer(request)
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
        """Empty the database: a fresh world with another instance id."""
        self._ledger.reset()

    def close(self) -> None:
        """Close the database."""
        self._ledger.close()

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
            return dispatch(request, self._ledger, self._settings)
        except Refusal as refusal:
            return _refused(refusal, request)
        except Exception:
            _LOG.exception("%s %s failed", request.method, request.path)
            message = "Internal error encountered."
            if is_storage(request.path):
                return _refused(StorageError(500, "internalError", message), request)
            return _refused(VertexError("INTERNAL", message), request)

    def _description(self) -> dict[str, Any]:
        return {
            "emulator": "tuneops",
            "instance": self.instance,
            "time": self.time().isoformat(),
            "speed": self._ledger.anchor.speed,
        }


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


def _refused(refusal: Refusal, request: Request) -> Response:
    if refusal.code == 304:
        return Response(status=304)
    if isinstance(refusal, StorageError) and request.args.get("alt") == "media":
        return Response(refusal.message, status=refusal.code, content_type="text/html")
    return json_response(refusal.body(), refusal.code)
