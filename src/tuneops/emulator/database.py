"""The one file: what callers did, the objects that they stored, the faults that tests asked for.

Nothing derived is in it, and the world is folded from events alone.

Reads happen in one read transaction and change no byte; writes in `BEGIN IMMEDIATE`, so that two
processes on one file queue up instead of failing.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneops.emulator.clock import Anchor

LAYOUT = 3

_TABLES = """
CREATE TABLE world (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    instance TEXT NOT NULL,
    born INTEGER NOT NULL,
    anchor_virtual INTEGER NOT NULL,
    anchor_wall INTEGER NOT NULL,
    speed REAL NOT NULL,
    generation INTEGER NOT NULL
);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    project TEXT NOT NULL,
    location TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE buckets (
    name TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    versioned INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE objects (
    bucket TEXT NOT NULL,
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    metageneration INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    size INTEGER NOT NULL,
    md5 TEXT NOT NULL,
    crc32c TEXT NOT NULL,
    properties TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (bucket, name)
);
CREATE TABLE generations (
    bucket TEXT NOT NULL,
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    metageneration INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    size INTEGER NOT NULL,
    md5 TEXT NOT NULL,
    crc32c TEXT NOT NULL,
    properties TEXT NOT NULL,
    content BLOB NOT NULL,
    deleted INTEGER NOT NULL,
    PRIMARY KEY (bucket, name, generation)
);
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    bucket TEXT NOT NULL,
    name TEXT NOT NULL,
    properties TEXT NOT NULL,
    conditions TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE TABLE faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    method TEXT NOT NULL,
    text TEXT NOT NULL,
    wanted INTEGER NOT NULL,
    met INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a caller did, at an instant of virtual time."""

    id: int
    at: int
    kind: str
    project: str
    location: str
    subject: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """Which world this is, when it began by the wall clock, and where its time stands."""

    instance: str
    born: int
    anchor: Anchor


class Database:
    """A connection to the file. Not for two threads at once: the ledger holds the lock."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(
            path, timeout=30, isolation_level=None, check_same_thread=False
        )
        # Another process may be switching the mode at this moment; either mode works.
        with suppress(sqlite3.OperationalError):
            self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one consistent view of the file."""
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            self.connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer; keep everything, or nothing when an exception leaves the block."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def layout(self) -> int:
        """Return the version of the tables in the file; 0 for a new file."""
        row = self.connection.execute("PRAGMA user_version").fetchone()
        return int(row[0])

    def create_tables(self) -> None:
        """Lay out a new file; within `writing`."""
        for statement in _TABLES.split(";"):
            if statement.strip():
                self.connection.execute(statement)
        self.connection.execute(f"PRAGMA user_version = {LAYOUT}")

    def begin_world(self, wall: int) -> None:
        """Empty every table and begin a new instance whose time starts at `wall`."""
        for table in ("world", "events", "buckets", "objects", "generations", "uploads", "faults"):
            self.connection.execute(f"DELETE FROM {table}")
        self.connection.execute(
            "INSERT INTO world VALUES (1, ?, ?, ?, ?, 1.0, ?)",
            (secrets.token_hex(8), wall, wall, wall, wall),
        )

    def meta(self) -> Meta:
        """Return which world the file holds."""
        instance, born, virtual, wall, speed = self.connection.execute(
            "SELECT instance, born, anchor_virtual, anchor_wall, speed FROM world"
        ).fetchone()
        return Meta(
            instance=instance,
            born=born,
            anchor=Anchor(virtual=virtual, wall=wall, speed=speed),
        )

    def move_anchor(self, anchor: Anchor) -> None:
        """Store where virtual time stands."""
        self.connection.execute(
            "UPDATE world SET anchor_virtual = ?, anchor_wall = ?, speed = ?",
            (anchor.virtual, anchor.wall, anchor.speed),
        )

    def events_after(self, id: int) -> list[Event]:
        """Return the events recorded after `id`, oldest first."""
        rows = self.connection.execute("SELECT * FROM events WHERE id > ? ORDER BY id", (id,))
        return [
            Event(
                id=number,
                at=at,
                kind=kind,
                project=project,
                location=location,
                subject=subject,
                body=json.loads(body),
            )
            for number, at, kind, project, location, subject, body in rows
        ]

    def append(self, event: Event) -> int:
        """Record an event, whose own id is not looked at, and return its id."""
        cursor = self.connection.execute(
            "INSERT INTO events (at, kind, project, location, subject, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                event.at,
                event.kind,
                event.project,
                event.location,
                event.subject,
                json.dumps(event.body, ensure_ascii=False, separators=(",", ":")),
            ),
        )
        return int(cursor.lastrowid or 0)

    def next_generation(self, at: int) -> int:
        """Return an object generation greater than every one before, near `at`; a write."""
        row = self.connection.execute(
            "UPDATE world SET generation = max(generation + 1, ?) RETURNING generation", (at,)
        ).fetchone()
        return int(row[0])
