"""One POST, exactly, and whether it can have been received.

A create has no idempotency key (v1 discovery document): sent twice, it is paid for twice. So it
goes out once, on a connection of its own, because a kept one that the server has just closed is
the commonest way to lose an answer; nothing below repeats or redirects it.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from tuneops.errors import Rejected, TuneopsError, Unanswered, Unavailable
from tuneops.http.answers import Answer
from tuneops.http.reading import CALL_LIMIT, receive, spoken
from tuneops.http.waiting import Waiting

_BEFORE_SENDING = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""What httpx raises before the first byte of a request: DNS, refusal, TLS, a proxy's CONNECT."""

_TIMEOUT = httpx.Timeout(CALL_LIMIT, connect=20.0)
_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


def post_once(
    fresh: Callable[[], httpx.Client], path: str, body: Mapping[str, Any], waiting: Waiting
) -> Answer:
    """Send one POST and read its answer; `fresh` opens a client that is used for this alone.

    Rejected (NOT_SENT): no byte of the request left. Unanswered: some may have, and no whole
    answer came within the time that a call may take.
    """
    content = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    with _opened(fresh) as client, _Watch(CALL_LIMIT) as watch:
        request = client.build_request(
            "POST",
            path,
            content=content,
            headers=_HEADERS,
            timeout=_TIMEOUT,
            extensions={"trace": watch.trace},
        )
        until = waiting.monotonic() + CALL_LIMIT
        try:
            response = client.send(request, stream=True, follow_redirects=False)
            watch.sent = True
            with contextlib.closing(response):
                return receive(response, waiting, until)
        except Exception as error:
            raise _classified(error, watch) from error


def _opened(fresh: Callable[[], httpx.Client]) -> httpx.Client:
    try:
        return fresh()
    except TuneopsError as error:
        raise _not_sent(error.message) from error
    except Exception as error:
        raise _not_sent(spoken(error)) from error


def _classified(error: Exception, watch: "_Watch") -> Exception:
    if not watch.sent:
        match error:
            case Unavailable():  # our login, which is looked for before anything is sent
                return _not_sent(error.message)
            case TuneopsError():
                return error
            case _ if isinstance(error, _BEFORE_SENDING):
                return _not_sent(spoken(error))
    trouble = "the call took too long" if watch.expired else spoken(error)
    return Unanswered(f"no answer to the create: {trouble}", notes=("it was sent exactly once",))


def _not_sent(trouble: str) -> Rejected:
    return Rejected(
        f"nothing was sent: {trouble}",
        status=0,
        reason="NOT_SENT",
        notes=("no byte of the request left this machine",),
    )


class _Watch(contextlib.AbstractContextManager["_Watch"]):
    """Sees the first byte leave, and ends a call that takes too long, wherever it hangs.

    httpx's own timeouts are per read: a server that drips a byte a second never meets them.
    """

    def __init__(self, seconds: float) -> None:
        self.sent = False
        self.expired = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> "_Watch":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Follow a request through httpcore (httpx's `trace` extension)."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
        elif event.endswith(".send_request_headers.started") and info["request"].method == b"POST":
            if self.expired:
                raise httpx.ConnectTimeout("the time was up before anything was sent")
            self.sent = True

    def _expire(self) -> None:
        self.expired = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown, which forgets the TLS state under the reader's feet.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
