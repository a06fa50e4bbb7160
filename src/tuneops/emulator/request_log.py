"""What was asked, newest 1,000 requests, in a file of its own beside the database.

It is apart so that writing down a read changes no byte of the world and never waits for one who
writes to it. Tokens are not stored: of `Authorization` only that it was there, of query
parameters that carry keys only their names. A log that cannot be written is no reason to refuse
a request; that is told on the logger and nowhere else.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from werkzeug.wrappers import Request

KEPT = 1000
BODY_LIMIT = 64 * 1024
NO_ANSWER = 0
_SECRETS = ("access_token", "oauth_token", "key")
_HEADERS = (
    "Content-Type",
    "Content-Range",
    "Range",
    "X-Upload-Content-Type",
    "X-Goog-User-Project",
    "X-Tuneops-Fault",
)
_PLAIN = "/:@!$&'()*+,;=~-._"
_TABLE = """
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    headers TEXT NOT NULL,
    authorized INTEGER NOT NULL,
    body BLOB NOT NULL,
    size INTEGER NOT NULL,
    status INTEGER NOT NULL
)
"""
_LOG = logging.getLogger("tuneops.emulator")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A request as it came; `status` is 0 when its answer was lost.

    `path` has its query, `body` is at most 64 KiB of the `size` bytes that came, `at` is virtual
    time, and `authorized` says whether there was an `Authorization` header.
    """

    at: str
    method: str
    path: str
    headers: Mapping[str, str]
    authorized: bool
    body: bytes
    size: int
    status: int


class RequestLog:
    """The newest requests; safe for threads and processes."""

    def __init__(self, database: Path) -> None:
        self._lock = threading.Lock()
        path = database.with_name(f"{database.stem}-requests{database.suffix}")
        self._connection = sqlite3.connect(
            path, timeout=5, isolation_level=None, check_same_thread=False
        )
        with suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(_TABLE)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def record(self, request: Request, *, at: str, status: int) -> None:
        """Write down a request and what it was answered, and forget the oldest ones."""
        body = request.get_data()
        headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
        row = (
            at,
            request.method,
            _path(request),
            json.dumps(headers),
            "Authorization" in request.headers,
            body[:BODY_LIMIT],
            len(body),
            status,
        )
        with self._lock, _forgiven():
            cursor = self._connection.execute(
                "INSERT INTO requests (at, method, path, headers, authorized, body, size, status)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            oldest = (cursor.lastrowid or 0) - KEPT
            self._connection.execute("DELETE FROM requests WHERE id <= ?", (oldest,))

    def last(self, count: int) -> list[RecordedRequest]:
        """Return the newest `count` requests, oldest of them first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT at, method, path, headers, authorized, body, size, status FROM requests"
                " ORDER BY id DESC LIMIT ?",
                (max(0, count),),
            ).fetchall()
        return [
            RecordedRequest(
                at=at,
                method=method,
                path=path,
                headers=json.loads(headers),
                authorized=bool(authorized),
                body=bytes(body),
                size=size,
                status=status,
            )
            for at, method, path, headers, authorized, body, size, status in reversed(rows)
        ]

    def forget(self) -> None:
        """Forget every request."""
        with self._lock:
            self._connection.execute("DELETE FROM requests")


@contextmanager
def _forgiven() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        _LOG.warning("a request was not written down: %s", error)


def _path(request: Request) -> str:
    """Return the path as it was sent, percent-encoded again, with its query."""
    # Served, werkzeug has the raw path; in process an encoded slash cannot be told from another.
    raw = request.environ.get("RAW_URI", "")
    path = raw.partition("?")[0] if raw.startswith("/") else quote(request.path, safe=_PLAIN)
    pairs = [
        (name, "REDACTED" if name in _SECRETS else value)
        for name, value in request.args.items(multi=True)
    ]
    return f"{path}?{urlencode(pairs)}" if pairs else path
