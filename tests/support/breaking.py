"""A real socket in front of the emulator, which breaks the answers to chosen calls byte by byte."""

import io
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import unquote_to_bytes

from tests.support.commands import Service

CALLS = {
    "create": re.compile(r"POST /v1/.*/tuningJobs"),
    "list": re.compile(r"GET /v1/.*/tuningJobs\?.*"),
    "get": re.compile(r"GET /v1/.*:listVersions\?.*"),
    "claim": re.compile(r"POST /upload/storage/v1/b/acme-claims/.*"),
    "claim-read": re.compile(r"GET /storage/v1/b/acme-claims/.*"),
    "upload": re.compile(r"POST /upload/storage/v1/b/acme-data/.*"),
    "describe": re.compile(r"GET /storage/v1/b/acme-data/.*"),
}
"""What a run asks for, by method and target."""

Seen = Literal["answered", "silence"]
"""What its caller may conclude: an answer that can be believed, or none."""

_RESET = struct.pack("ii", 1, 0)
_ELSEWHERE = "/elsewhere"
_DRIP = 0.02


class Wire:
    """One connection on which an answer is due."""

    def __init__(self, connection: socket.socket, answer: bytes) -> None:
        self.connection = connection
        self.answer = answer
        head, _, self.body = answer.partition(b"\r\n\r\n")
        self.head = head + b"\r\n\r\n"

    def send(self, data: bytes) -> None:
        """Send some bytes."""
        self.connection.sendall(data)

    def reset(self) -> None:
        """Break the connection instead of ending it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def claiming(self, length: int) -> bytes:
        """The head with another length of the body."""
        return re.sub(rb"(?i)content-length: \d+", b"Content-Length: %d" % length, self.head)


@dataclass(frozen=True, slots=True)
class Breakage:
    """A way to break an answer, and what a caller may make of it."""

    act: Callable[[Wire], None]
    seen: Seen = "silence"
    goes_on: bool = False
    """The connection can be used again."""


def _cut(place: Callable[[Wire], int], *, reset: bool) -> Breakage:
    def act(wire: Wire) -> None:
        wire.send(wire.answer[: place(wire)])
        if reset:
            wire.reset()

    return Breakage(act)


def _plain(status: int, body: bytes, *headers: str) -> Breakage:
    def act(wire: Wire) -> None:
        lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body)}", *headers]
        wire.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return Breakage(act)


def _raw(make: Callable[[Wire], bytes], seen: Seen = "silence") -> Breakage:
    return Breakage(lambda wire: wire.send(make(wire)), seen)


def _drip(wire: Wire) -> None:
    wire.send(wire.head)
    while True:
        threading.Event().wait(_DRIP)
        wire.send(b" ")


PLACES: Mapping[str, Callable[[Wire], int]] = {
    "before the status line": lambda _: 0,
    "in the status line": lambda _: 5,
    "in the headers": lambda wire: len(wire.head) - 20,
    "before the body": lambda wire: len(wire.head),
    "in the body": lambda wire: len(wire.head) + len(wire.body) // 2,
    "before the last byte": lambda wire: len(wire.answer) - 1,
}
"""Where an answer can be cut: each class of bytes."""

HTML = b"<html><h1>Welcome to the guest network</h1></html>"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

BREAKAGES: dict[str, Breakage] = {
    **{f"closed {place}": _cut(at, reset=False) for place, at in PLACES.items()},
    **{f"reset {place}": _cut(at, reset=True) for place, at in PLACES.items()},
    "dripping without an end": Breakage(_drip),
    "html instead": _plain(200, HTML, "Content-Type: text/html"),
    "nothing in it": _plain(200, b""),
    "an interim answer, then nothing": _raw(lambda _: INTERIM),
    "an interim answer, then the answer": _raw(lambda wire: INTERIM + wire.answer, "answered"),
    "hints, then the answer": _raw(lambda wire: HINTS + wire.answer, "answered"),
    "another protocol": _plain(101, b"", "Upgrade: websocket", "Connection: upgrade"),
    "longer than it says": _raw(lambda wire: wire.claiming(len(wire.body) - 7) + wire.body),
    "shorter than it says": _raw(lambda wire: wire.claiming(len(wire.body) + 7) + wire.body),
    "two answers": _raw(lambda wire: wire.answer + wire.answer, "answered"),
    "two answers, and it goes on": Breakage(
        lambda wire: wire.send(wire.answer + wire.answer), "answered", goes_on=True
    ),
    "no status line": _raw(lambda wire: wire.body),
    "chunks without an end": _raw(
        lambda wire: (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(wire.body)
            + wire.body
            + b"\r\n"
        )
    ),
    **{
        f"redirect {status}": _plain(status, b"", f"Location: {_ELSEWHERE}")
        for status in (301, 302, 303, 307, 308)
    },
}


class BreakingServer:
    """Listens on loopback, asks the emulator, and breaks what was asked to be broken.

    `break_next(call, …)` concerns the next answer to a call of `CALLS`; with `lost`, the request
    never reaches the emulator either.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.elsewhere = 0
        """How often somebody followed a redirect."""
        self.broken = 0
        self.before: dict[str, Callable[[], None]] = {}
        """What others do before a call is answered."""
        self._next: dict[str, tuple[Breakage, bool]] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in tuple(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(5)

    @property
    def waiting(self) -> list[str]:
        """The calls whose breakage nobody has met yet."""
        return list(self._next)

    def break_next(self, call: str, breakage: Breakage, *, lost: bool = False) -> None:
        """Break the next answer to a call."""
        self._next[call] = (breakage, lost)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                while self._one(connection, stream):
                    pass
            except OSError:
                pass
            finally:
                self._open.discard(connection)

    def _one(self, connection: socket.socket, stream: Any) -> bool:
        """Answer one request; False when the connection is to end."""
        line = stream.readline().decode("latin-1").strip()
        if not line:
            return False
        headers = {}
        while pair := stream.readline().decode("latin-1").strip():
            name, _, value = pair.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
        method, target, _ = line.split(" ")
        self.elsewhere += target == _ELSEWHERE
        breakage, lost = self._chosen(f"{method} {target}")
        if lost:
            self.service.note(method, target.partition("?")[0], body)
        answer = _ok() if lost else self._ask(method, target, headers, body)
        if breakage is not None:
            self.broken += 1
            breakage.act(Wire(connection, answer))
            return breakage.goes_on
        connection.sendall(answer)
        return headers.get("connection", "") != "close"

    def _chosen(self, line: str) -> tuple[Breakage | None, bool]:
        found: tuple[Breakage | None, bool] = (None, False)
        for call, form in CALLS.items():
            if form.fullmatch(line):
                self.before.get(call, lambda: None)()
                found = self._next.pop(call, found)
        return found

    def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "REQUEST_URI": target,
            "RAW_URI": target,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self._socket.getsockname()[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": headers.get("content-type", ""),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        environ |= {f"HTTP_{name.upper().replace('-', '_')}": it for name, it in headers.items()}
        begun: list[Any] = []
        content = b"".join(self.service(environ, lambda *given: begun.append(given)))
        status, pairs = begun[0][:2]
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in pairs)]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def _ok() -> bytes:
    """What is broken when there is no answer: one that says nothing."""
    body = b'{"kind": "lost before it arrived"}'
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
