"""The emulator over loopback.

It listens on 127.0.0.1 only, and answers neither web pages (an `Origin` header) nor names that
somebody pointed at this machine (a `Host` that is not loopback).
"""

import socket
import struct
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request

from tuneops.emulator.answers import json_response
from tuneops.emulator.application import SERVER, Emulator
from tuneops.emulator.errors import VertexError
from tuneops.emulator.injection import ConnectionDropped

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_HOST = "127.0.0.1"
_POLL = 0.02
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


class _Handler(WSGIRequestHandler):
    """Requests are not logged, and what never reaches the application is labelled too."""

    protocol_version = "HTTP/1.1"
    label: dict[str, str] = {}  # noqa: RUF012  set on the subclass of each server

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: the application logs its own failures."""

    def version_string(self) -> str:
        """Return the `Server` header of answers that the application did not make."""
        return SERVER

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is not HTTP, labelled."""
        self._refusing = True
        super().send_error(code, message, explain)

    def send_response(self, code: int, message: str | None = None) -> None:
        """Begin an answer; `Server` and `Date` come from the application if it was asked."""
        if getattr(self, "_refusing", False):
            super().send_response(code, message)
            for name, value in self.label.items():
                self.send_header(name, value)
        else:
            self.send_response_only(code, message)

    def connection_dropped(
        self, error: BaseException, environ: "WSGIEnvironment | None" = None
    ) -> None:
        """Reset the connection when a fault lost the answer: the other side sees no end of it."""
        if isinstance(error, ConnectionDropped):
            self.close_connection = True
            now = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
            self.connection.close()


class EmulatorServer:
    """Serves an emulator: in a thread as a context manager, or here with `serve_forever`."""

    def __init__(self, emulator: Emulator, port: int = 0) -> None:
        self._emulator = emulator
        instance = {"X-Tuneops-Emulator": emulator.instance}
        handler = type("_LabelledHandler", (_Handler,), {"label": instance})
        self._server = make_server(
            _HOST, port, self._guarded, threaded=True, request_handler=handler
        )
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address to send requests to, without a slash at the end."""
        return f"http://{_HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        if self._thread is not None:
            self._thread.join()
        self.close()

    def serve_forever(self) -> None:
        """Serve in this thread until interrupted; then the address is free again."""
        try:
            self._server.serve_forever()
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening."""
        self._server.server_close()

    def _guarded(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        request = Request(environ)
        host = request.host.rpartition(":")[0] or request.host
        if host in _LOOPBACK and "Origin" not in request.headers:
            return self._emulator(environ, start_response)
        refusal = VertexError("PERMISSION_DENIED", "The emulator serves this machine only.")
        response = json_response(refusal.body(), refusal.code)
        response.headers.update(self._emulator.label())
        return response(environ, start_response)
