"""The one create over real sockets: what a server sees, whatever it does to the connection."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tuneops.errors import Rejected, Unanswered
from tuneops.http.reading import open_client
from tuneops.http.waiting import Waiting
from tuneops.vertex import single_post
from tuneops.vertex.auth import LoopbackAuth
from tuneops.vertex.provider import VertexProvider

Make = Callable[..., Any]
RESET = struct.pack("ii", 1, 0)


class Server:
    """Accepts connections, counts requests, and treats each as its script says."""

    def __init__(self, script: Callable[[socket.socket, bytes], None], read: int | None) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self._script = script
        self._read = read
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.connections += 1
                try:
                    request = self._receive(connection)
                    self.requests.append(request)
                    self._script(connection, request)
                except OSError:
                    pass

    def _receive(self, connection: socket.socket) -> bytes:
        data = b""
        while self._read is None or len(data) < self._read:
            head, found, body = data.partition(b"\r\n\r\n")
            if found:
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                if len(body) >= length:
                    break
            block = connection.recv(65536 if self._read is None else self._read - len(data))
            if not block:
                break
            data += block
        return data


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Server, VertexProvider]]]:
    closing: list[Any] = []

    def make(
        script: Callable[[socket.socket, bytes], None], read: int | None = None
    ) -> tuple[Server, VertexProvider]:
        server = Server(script, read)
        client = open_client(server.url, LoopbackAuth())
        closing.extend((client, server))
        provider = VertexProvider(
            client,
            project="acme",
            location="us-central1",
            fresh=lambda: open_client(server.url, LoopbackAuth()),
            waiting=Waiting(sleep=lambda _: None),
        )
        return server, provider

    yield make
    for item in closing:
        item.close()


def http(document: Any, **headers: str) -> bytes:
    body = json.dumps(document).encode()
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body)]
    lines += [f"{name}: {value}".encode() for name, value in headers.items()]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def test_created(serve: Make, job: Make, ask: Make) -> None:
    server, provider = serve(lambda connection, _: connection.sendall(http(job(7))))
    assert provider.create_job(ask()).name.endswith("/7")
    provider.create_job(ask())
    assert server.connections == len(server.requests) == 2  # never a kept connection
    head = server.requests[0].partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"post /v1/projects/acme/locations/us-central1/tuningjobs http/1.1\r\n")
    assert b"\r\nconnection: close" in head
    assert b"\r\nauthorization: bearer emulator" in head


@pytest.mark.parametrize("after", [0, 1, 5, 20, 60, 100, 200])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_answer_cut_off(after: int, how: str, serve: Make, job: Make, ask: Make) -> None:
    def script(connection: socket.socket, _: bytes) -> None:
        connection.sendall(http(job(7))[:after])
        if how == "reset":
            reset(connection)

    server, provider = serve(script)
    with pytest.raises(Unanswered):
        provider.create_job(ask())
    assert server.connections == len(server.requests) == 1


@pytest.mark.parametrize("read", [0, 1, 50, 300])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_request_cut_off(read: int, how: str, serve: Make, ask: Make) -> None:
    def script(connection: socket.socket, _: bytes) -> None:
        if how == "reset":
            reset(connection)

    server, provider = serve(script, read)
    # A connection that is reset before it was used carried nothing: both answers are true then.
    expected = (Unanswered, Rejected) if (how, read) == ("reset", 0) else Unanswered
    with pytest.raises(expected):
        provider.create_job(ask(description="x" * 5_000_000))
    assert server.connections == 1


def test_a_redirect_is_not_followed(serve: Make, ask: Make) -> None:
    def script(connection: socket.socket, _: bytes) -> None:
        there = f"Location: {server.url}/there".encode()
        connection.sendall(b"HTTP/1.1 307 X\r\nContent-Length: 0\r\n" + there + b"\r\n\r\n")

    server, provider = serve(script)
    with pytest.raises(Unanswered):
        provider.create_job(ask())
    assert len(server.requests) == 1


def test_refused(serve: Make, ask: Make) -> None:
    server, provider = serve(lambda *_: None)
    server.close()
    server.close = lambda: None
    with pytest.raises(Rejected) as caught:
        provider.create_job(ask())
    assert caught.value.reason == "NOT_SENT"
    assert server.requests == []


def test_no_tls_at_the_other_end(serve: Make, ask: Make) -> None:
    server, provider = serve(lambda *_: None, read=1)
    provider._fresh = lambda: httpx.Client(base_url=server.url.replace("http:", "https:"))
    with pytest.raises(Rejected) as caught:
        provider.create_job(ask())
    assert caught.value.reason == "NOT_SENT"


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: "])
def test_a_server_that_hangs_or_drips_headers(
    sent: bytes, serve: Make, ask: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_post, "CALL_LIMIT", 0.3)
    done = threading.Event()

    def script(connection: socket.socket, _: bytes) -> None:
        connection.sendall(sent)
        while sent and not done.wait(0.05):
            connection.sendall(b"x")
        done.wait(5)

    server, provider = serve(script)
    try:
        with pytest.raises(Unanswered, match="too long"):
            provider.create_job(ask())
    finally:
        done.set()
    assert len(server.requests) == 1


@pytest.mark.parametrize("broken", [False, True], ids=["as it is", "with the list's pool"])
def test_a_post_never_takes_a_kept_connection(broken: bool, job: Make, ask: Make) -> None:
    """A stale one is the commonest source of a create without an answer."""
    took: dict[str, int] = {}

    def serve(connection: socket.socket, number: int) -> None:
        with connection:
            while data := connection.recv(65536):
                if not data.startswith((b"GET ", b"POST ")):
                    continue  # the rest of a body
                took[data.partition(b" ")[0].decode()] = number
                body = {} if data.startswith(b"GET") else job(7)
                connection.sendall(http(body, Date="Fri, 20 Nov 2026 12:00:00 GMT"))

    def accept() -> None:
        for number in range(2):
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection, number), daemon=True).start()

    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, daemon=True).start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def fresh() -> httpx.Client:
        pool = client._transport if broken else None
        return httpx.Client(base_url=url, auth=LoopbackAuth(), transport=pool)

    with listening, open_client(url, LoopbackAuth()) as client:
        provider = VertexProvider(
            client,
            project="acme",
            location="us-central1",
            fresh=fresh if broken else lambda: open_client(url, LoopbackAuth()),
            waiting=Waiting(sleep=lambda _: None),
        )
        provider.list_jobs()
        provider.create_job(ask(description=""))
        listening.shutdown(socket.SHUT_RDWR)
    assert took == {"GET": 0, "POST": 0 if broken else 1}
