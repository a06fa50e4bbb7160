"""The world at this instant, for one reader or one writer at a time.

The fold is kept in memory and brought forward by the events that other processes recorded and by
time; it is done again from the start when another world began, or when an event turns out to be
older than a completion already counted.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tuneops.emulator import clock
from tuneops.emulator.clock import Anchor
from tuneops.emulator.database import LAYOUT, Database, Event
from tuneops.emulator.names import Scope
from tuneops.emulator.objects import ObjectStore
from tuneops.emulator.registry import World
from tuneops.emulator.samples import SAMPLE_BUCKET, sample_objects

UPLOAD_BUCKET = "tuneops-local"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a request sees: the world, its objects, and the instant at which it is answered."""

    world: World
    objects: ObjectStore
    database: Database
    instant: int
    born: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing(View):
    """A view that may also record what its caller does; all of it is kept, or nothing."""

    def record(self, kind: str, scope: Scope, subject: str, body: dict[str, Any]) -> None:
        """Record an event now, and let the world show it."""
        event = Event(
            id=0,
            at=self.instant,
            kind=kind,
            project=scope.project,
            location=scope.location,
            subject=subject,
            body=body,
        )
        self.database.append(event)
        self.world.fold(self.database.events_after(self.world.last_event), self.instant)


class OtherVersionError(ValueError):
    """The file was written by another version of the emulator, which no other can read."""


class Ledger:
    """The database, the clock and the fold, behind one lock."""

    def __init__(self, path: Path, wall: Callable[[], datetime]) -> None:
        self._lock = threading.RLock()
        self._wall = wall
        self._database = Database(path)
        self._objects = ObjectStore(self._database)
        self._world = World(instance="")
        try:
            self._prepare(path)
        except BaseException:
            self._database.close()
            raise

    def _prepare(self, path: Path) -> None:
        if self._database.layout() == 0:
            with self._database.writing():
                if self._database.layout() == 0:
                    self._database.create_tables()
                    self._begin()
        if self._database.layout() != LAYOUT:
            raise OtherVersionError(f"{path} was written by another version of the emulator")

    def _begin(self) -> None:
        wall = clock.micros(self._wall())
        self._database.begin_world(wall)
        self._objects.ensure_bucket(UPLOAD_BUCKET, wall)
        for name, content in sample_objects().items():
            properties = {"contentType": "application/jsonl"}
            self._objects.put(SAMPLE_BUCKET, name, content, properties, wall)

    def close(self) -> None:
        """Close the database; nothing may be asked afterwards."""
        with self._lock:
            self._database.close()

    @property
    def instance(self) -> str:
        """The id of the world in the database, new after every reset."""
        with self._lock, self._database.reading():
            return self._database.meta().instance

    @property
    def anchor(self) -> Anchor:
        """Where virtual time stands and how fast it goes."""
        with self._lock, self._database.reading():
            return self._database.meta().anchor

    def time(self) -> datetime:
        """Return virtual time."""
        with self.reading() as view:
            return clock.moment(view.instant)

    def wall(self) -> datetime:
        """Return wall time, as handed in."""
        return self._wall()

    def advance(self, by: timedelta) -> None:
        """Move virtual time ahead."""
        ahead = by // timedelta(microseconds=1)
        with self._lock, self._database.writing():
            anchor = self._database.meta().anchor
            self._database.move_anchor(anchor.moved(clock.micros(self._wall()), ahead))

    def set_speed(self, speed: float) -> None:
        """Let virtual time go on from here at `speed` times wall time."""
        with self._lock, self._database.writing():
            anchor = self._database.meta().anchor
            self._database.move_anchor(anchor.paced(clock.micros(self._wall()), speed))

    def reset(self) -> None:
        """Empty the database and begin another world."""
        with self._lock, self._database.writing():
            self._begin()

    @contextmanager
    def reading(self) -> Iterator[View]:
        """Give the world at this instant; no byte of the database changes."""
        with self._lock, self._database.reading():
            now, born = self._catch_up()
            yield View(
                world=self._world,
                objects=self._objects,
                database=self._database,
                instant=now,
                born=born,
            )

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Give the world at this instant to its only writer."""
        with self._lock:
            before = None
            try:
                with self._database.writing():
                    now, born = self._catch_up()
                    before = self._world.last_event
                    yield Writing(
                        world=self._world,
                        objects=self._objects,
                        instant=now,
                        born=born,
                        database=self._database,
                    )
            except BaseException:
                if self._world.last_event != before:
                    # The fold has seen what was taken back.
                    self._world = World(instance="")
                raise

    def _catch_up(self) -> tuple[int, int]:
        """Bring the fold to this instant; return the instant, and when the world began."""
        meta = self._database.meta()
        if meta.instance != self._world.instance:
            self._world = World(instance=meta.instance)
        events = self._database.events_after(self._world.last_event)
        if any(event.at < self._world.last_completion for event in events):
            self._world = World(instance=meta.instance)
            events = self._database.events_after(0)
        last = events[-1].at if events else self._world.last_event_at
        now = max(meta.anchor.at(clock.micros(self._wall())), last, self._world.reached)
        self._world.fold(events, now)
        return now, meta.born
