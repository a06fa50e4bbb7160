"""Faults on the wire: what a call meets instead of its answer, before it or after it.

A fault is counted when it takes effect, and only then: one that needs an accepted request, a
page token or something young to hide waits for a call that has it. A call may also bring its
own fault, `ACTION[=VALUE]` in the header `X-Tuneops-Fault`, which is counted nowhere.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from werkzeug.wrappers import Request, Response

from tuneops.emulator.answers import is_storage, refusal_response
from tuneops.emulator.durations import duration
from tuneops.emulator.errors import Refusal, StorageError, VertexError, invalid
from tuneops.emulator.fault_queue import QueuedFault, give_back, next_fault, take
from tuneops.emulator.faults import Fault, FaultError, parse_fault
from tuneops.emulator.ledger import Ledger, View
from tuneops.emulator.names import Scope

Sleep = Callable[[float], object]
Respond = Callable[[Request, int], Response]

_STATUSES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL",
    501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_REASONS: Mapping[int, str] = {
    400: "invalid", 401: "authError", 403: "forbidden", 404: "notFound", 409: "conflict",
    412: "conditionNotMet", 429: "rateLimitExceeded",
}  # fmt: skip
_PIECES = 10
_PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"


class ConnectionDropped(ConnectionResetError):
    """The answer is lost: served, the connection ends; in process this is raised instead.

    `httpx.WSGITransport` lets it through as it is, whatever `raise_app_exceptions` says, from
    `Client.send` or, when the answer breaks off half-way, from reading the body. It is an
    OSError and no `httpx.RequestError`, since the emulator does not know httpx.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A routed request, as far as faults look at it."""

    method: str
    scope: Scope | None
    request: Request


class Injector:
    """Lets requests meet the faults that are queued for their methods."""

    def __init__(self, ledger: Ledger, sleep: Sleep) -> None:
        self._ledger = ledger
        self._sleep = sleep

    def answer(self, asked: Asked, respond: Respond) -> Response:
        """Answer a request, or raise ConnectionDropped or a refusal.

        `respond` answers when there is no fault; its second argument is for how long what was
        created is not listed.
        """
        own = asked.request.headers.get("X-Tuneops-Fault")
        head = None
        if own is None:
            head = self._next(asked)
            if head is None:
                return respond(asked.request, 0)
        fault = head.fault if head is not None else _own_fault(asked.method, own or "")
        request = asked.request
        early = self._early(fault, request)
        if early is not None:
            return early
        if fault.action == "lag":
            return respond(request, duration(fault.value) or 0)
        if fault.action.startswith("lost-labels") and _labels(request):
            request = _without_labels(request)
        response = respond(request, 0)
        if response.status_code >= 400 and fault.action.startswith(("accept-", "lost-")):
            if head is not None:
                with self._ledger.writing() as writing:
                    give_back(writing.database, head.id)
            return response
        return self._late(fault, request, response)

    def _next(self, asked: Asked) -> QueuedFault | None:
        """Return the fault that this request meets, counted."""
        while True:
            with self._ledger.reading() as view:
                head = next_fault(view.database, asked.method)
                if head is None or not _concerns(head.fault, asked, view):
                    return None
            with self._ledger.writing() as writing:
                if take(writing.database, head.id):
                    return head

    def _early(self, fault: Fault, request: Request) -> Response | None:
        """Return the answer of a fault that keeps the request from being looked at."""
        action = fault.action
        if action == "reset-before":
            raise ConnectionDropped("the connection was reset before the request was looked at")
        if action == "html":
            status = int(fault.value or 200)
            return Response(_PAGE.format(f"Error {status}"), status, content_type="text/html")
        if action == "redirect":
            response = Response(status=int(fault.value or 302))
            response.headers["Location"] = f"https://elsewhere.invalid{request.path}"
            return response
        if action == "page-token-expired":
            return _refused("INVALID_ARGUMENT", 400, "The page token has expired.", request)
        if action.isdecimal():
            return _status(int(action), fault.value, request)
        return None

    def _late(self, fault: Fault, request: Request, response: Response) -> Response:
        """Return what comes of an answer."""
        action = fault.action
        if action in ("accept-then-drop", "lost-labels-then-drop"):
            raise ConnectionDropped("the connection was lost after the request was carried out")
        if action.startswith("accept-then-"):
            return _status(int(action.removeprefix("accept-then-")), "", request)
        if action == "drop-mid-answer":
            return _broken_off(response)
        if action == "truncated":
            response.set_data(response.get_data()[: _half(response)])
        if action == "token-loop":
            _loop(response, request)
        if action == "slow":
            self._sleep((duration(fault.value) or 0) / 1_000_000)
        if action == "trickle":
            pause = (duration(fault.value) or 0) / 1_000_000 / _PIECES
            return _streamed(response, self._trickle(response.get_data(), pause))
        return response

    def _trickle(self, content: bytes, pause: float) -> Iterator[bytes]:
        size = max(1, -(-len(content) // _PIECES))
        for start in range(0, len(content), size):
            self._sleep(pause)
            yield content[start : start + size]


def _concerns(fault: Fault, asked: Asked, view: View) -> bool:
    """Tell whether a fault can take effect on this request."""
    match fault.action:
        case "page-token-expired" | "token-loop":
            return bool(asked.request.args.get("pageToken"))
        case "lost-labels" | "lost-labels-then-drop":
            return bool(_labels(asked.request))
        case "lag":
            return asked.scope is not None and _has_young(fault, asked.method, asked.scope, view)
    return True


def _has_young(fault: Fault, method: str, scope: Scope, view: View) -> bool:
    since = view.instant - (duration(fault.value) or 0)
    if method == "models.list":
        return any(model.created > since for model in view.world.models_in(scope))
    return any(job.life.created > since for job in view.world.jobs_in(scope))


def _labels(request: Request) -> Any:
    try:
        body = json.loads(request.get_data())
    except ValueError:
        return None
    return body.get("labels") if isinstance(body, dict) else None


def _without_labels(request: Request) -> Request:
    body = json.loads(request.get_data())
    del body["labels"]
    content = json.dumps(body).encode()
    environ = {**request.environ, "wsgi.input": BytesIO(content)}
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return Request({**environ, "CONTENT_LENGTH": str(len(content))})


def _own_fault(method: str, text: str) -> Fault:
    try:
        return parse_fault(f"{method}:{text}")
    except FaultError as error:
        raise invalid(f"X-Tuneops-Fault: {error}") from None


def _loop(response: Response, request: Request) -> None:
    body = json.loads(response.get_data())
    body["nextPageToken"] = request.args.get("pageToken", "")
    response.set_data(json.dumps(body))


def _status(code: int, retry_after: str, request: Request) -> Response:
    status = _STATUSES.get(code, "UNKNOWN" if code >= 500 else "INVALID_ARGUMENT")
    response = _refused(status, code, f"A fault script asked for {code}.", request)
    if retry_after:
        response.headers["Retry-After"] = str(-(-(duration(retry_after) or 0) // 1_000_000))
    return response


def _refused(status: str, code: int, message: str, request: Request) -> Response:
    refusal: Refusal = VertexError(status, message, code=code)
    if is_storage(request.path):
        refusal = StorageError(code, _REASONS.get(code, "backendError"), message)
    return refusal_response(refusal, request)


def _half(response: Response) -> int:
    return len(response.get_data()) // 2


def _broken_off(response: Response) -> Response:
    return _streamed(response, _halved(response.get_data()))


def _halved(content: bytes) -> Iterator[bytes]:
    yield content[: max(1, len(content) // 2)]
    raise ConnectionDropped("the connection was lost in the middle of the answer")


def _streamed(response: Response, pieces: Iterator[bytes]) -> Response:
    """Return a response that promises all of its length and gives it piece by piece."""
    length = len(response.get_data())
    streamed = Response(pieces, status=response.status_code, headers=response.headers)
    streamed.headers["Content-Length"] = str(length)
    return streamed
