"""What went over the wire: a WSGI application that notes every request and answer of another."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

Environ = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and its answer; `path` is as it was sent, escapes and all."""

    verb: str
    path: str
    query: Mapping[str, list[str]]
    request_headers: Mapping[str, str]
    request: bytes
    status: int
    headers: Mapping[str, str]
    answer: bytes

    @property
    def sent(self) -> Any:
        """The JSON of the request."""
        return json.loads(self.request)

    def __str__(self) -> str:
        return f"{self.verb} {self.path} -> {self.status}"


class Recorder:
    """Stands before an emulator and is, for its server, that emulator."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self.exchanges: list[Exchange] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._application, name)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        heard = _Heard(environ["wsgi.input"])
        begun: list[Any] = []

        def note(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            begun[:] = [status, headers]
            return start_response(status, headers, *more)

        body = self._application({**environ, "wsgi.input": heard}, note)
        try:
            answer = b"".join(body)
        finally:
            getattr(body, "close", lambda: None)()
        target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
        names = [name for name in environ if name.startswith("HTTP_")]
        self.exchanges.append(
            Exchange(
                verb=environ["REQUEST_METHOD"],
                path=target.partition("?")[0],
                query=parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True),
                request_headers={
                    **{name[5:].replace("_", "-").lower(): environ[name] for name in names},
                    "content-type": environ.get("CONTENT_TYPE", ""),
                },
                request=bytes(heard.content),
                status=int(begun[0].split()[0]),
                headers={name.lower(): value for name, value in begun[1]},
                answer=answer,
            )
        )
        return [answer]

    def requests(self, verb: str, ending: str) -> list[Exchange]:
        """What was asked so far with a verb and a path with this ending."""
        return [
            exchange
            for exchange in self.exchanges
            if exchange.verb == verb and unquote(exchange.path).endswith(ending)
        ]


class _Heard:
    """A body being read, and what has been read of it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.content = bytearray()

    def read(self, *size: int) -> bytes:
        return self._kept(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._kept(self._stream.readline(*size))

    def readinto(self, buffer: Any) -> int:
        count = self._stream.readinto(buffer) or 0
        self.content += bytes(buffer[:count])
        return int(count)

    def _kept(self, data: bytes) -> bytes:
        self.content += data
        return data
