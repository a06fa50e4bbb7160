"""Where jobs and objects live: the service of an environment, joined and ready to be asked."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx

from tuneops.cli import guard as guards
from tuneops.cli.clocks import RealClock, VirtualClock
from tuneops.cli.guard import Guard
from tuneops.cli.project import STATE, Project
from tuneops.core.desired import Declaration, Target
from tuneops.emulator.application import Emulator, OtherVersionError
from tuneops.errors import TuneopsError
from tuneops.gcs.claims import GcsClaims, Spelling
from tuneops.gcs.objects import GcsObjects
from tuneops.http.reading import open_client, open_exchange
from tuneops.http.waiting import Waiting
from tuneops.store import claim_record
from tuneops.vertex.auth import Exchange, LoopbackAuth, application_default
from tuneops.vertex.endpoints import endpoints
from tuneops.vertex.provider import VertexProvider

EMULATOR_URL = "http://127.0.0.1"
"""Where the embedded emulator pretends to be; no socket is ever opened."""


DATABASE = "emulator.db"


class EmulatorOutdated(TuneopsError):
    """The embedded emulator's file is that of another version."""

    code = "emulator-outdated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that is ready to be asked."""

    target: Target
    provider: VertexProvider
    objects: GcsObjects
    guard: Guard
    clock: RealClock | VirtualClock
    emulator: Emulator | None
    now: Callable[[], datetime]
    name: str
    elsewhere: Mapping[str, VertexProvider]


class _InProcess(httpx.WSGITransport):
    """The way to the embedded emulator; an answer that it loses on purpose is lost as on a wire."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = super().handle_request(request)
            response.read()
            return response
        except OSError as lost:
            raise httpx.ReadError(str(lost), request=request) from lost


def open_emulator(state: Path, *, wall_dates: bool = False) -> Emulator:
    """The emulator whose state lies in a project's state folder; EmulatorOutdated, or it opens."""
    try:
        return Emulator(state / DATABASE, wall=_wall, wall_dates=wall_dates)
    except OtherVersionError as fault:
        raise EmulatorOutdated(
            f"`{STATE}/{DATABASE}` was written by another version of tuneops",
            notes=("it holds the embedded emulator's jobs; no real job is concerned",),
            help="`tuneops emulator reset` empties it; remove the lock as well to start anew",
        ) from fault


def remove_emulator(state: Path) -> None:
    """Remove the emulator's file, whatever wrote it."""
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
        (state / name).unlink(missing_ok=True)


def _wall() -> datetime:
    return datetime.now(UTC)


def join_service(
    project: Project, declaration: Declaration, stack: contextlib.ExitStack
) -> Service:
    """Join a project to what its environment names, for as long as the stack is open."""
    target = declaration.target
    if target.provider == "emulator":
        return _embedded(project, target, stack)
    return _remote(project, target, stack)


def _embedded(project: Project, target: Target, stack: contextlib.ExitStack) -> Service:
    emulator = stack.enter_context(open_emulator(project.state))

    def fresh() -> httpx.Client:
        transport = _InProcess(app=emulator)
        return httpx.Client(transport=transport, base_url=EMULATOR_URL, auth=LoopbackAuth())

    client = stack.enter_context(fresh())
    waiting = Waiting()

    def at(location: str) -> VertexProvider:
        return VertexProvider(
            client, project=target.project, location=location, fresh=fresh, waiting=waiting
        )

    return Service(
        target=target,
        provider=at(target.location),
        elsewhere={location: at(location) for location in target.elsewhere},
        objects=GcsObjects(client, waiting=waiting),
        guard=guards.local_guard(project, target, served=False),
        clock=VirtualClock(emulator),
        emulator=emulator,
        now=emulator.time,
        name=f"emulator, embedded · {target.project} · {target.location} · no cost",
    )


def _remote(project: Project, target: Target, stack: contextlib.ExitStack) -> Service:
    places = endpoints(target.location, os.environ)
    loopback = places.vertex.loopback
    auth = _login(target, stack, loopback=loopback)
    name = f"Vertex AI · project {target.project} · {target.location} · REAL COST"
    if loopback:
        target = replace(target, provider="emulator")
        name = f"{places.vertex.url} ({places.vertex.origin})"

    def client(url: str, *, reuse: bool = True) -> httpx.Client:
        return open_client(url, auth, reuse=reuse)

    waiting = Waiting()
    storage = stack.enter_context(client(places.storage.url))

    def at(location: str) -> VertexProvider:
        url = endpoints(location, os.environ).vertex.url
        return VertexProvider(
            stack.enter_context(client(url)),
            project=target.project,
            location=location,
            fresh=lambda: client(url),
            waiting=waiting,
        )

    return Service(
        target=target,
        provider=at(target.location),
        elsewhere={location: at(location) for location in target.elsewhere},
        objects=GcsObjects(storage, waiting=waiting),
        guard=_guard(
            project,
            target,
            lambda: stack.enter_context(client(places.storage.url, reuse=False)),
            served=loopback,
        ),
        clock=RealClock(),
        emulator=None,
        now=_wall,
        name=name,
    )


def _login(target: Target, stack: contextlib.ExitStack, *, loopback: bool) -> httpx.Auth:
    if loopback:
        return LoopbackAuth()
    exchange = Exchange(stack.enter_context(open_exchange()))
    return application_default(target.environment, exchange, _wall)


def _guard(
    project: Project, target: Target, storage: Callable[[], httpx.Client], *, served: bool
) -> Guard:
    """The guard that the environment names; `auto` rehearses on an emulator without the remote."""
    if target.claims.startswith("gs://"):
        spelling = Spelling(dump=claim_record.dump, load=claim_record.load)
        claims = GcsClaims(storage(), target.claims, spelling=spelling, waiting=Waiting())
        return Guard(kind="gs", shown=f"object in {target.claims}", claims=claims)
    if target.claims == "git" or (target.claims == "auto" and not served):
        return guards.git_guard(project, target, served=served)
    return guards.local_guard(project, target, served=served)


@contextlib.contextmanager
def join_store(project: Project) -> Iterator[GcsObjects]:
    """Join a project to its buckets, and to nothing else of its service."""
    target = project.declaration.target
    with contextlib.ExitStack() as stack:
        if target.provider == "emulator":
            yield _embedded(project, target, stack).objects
        else:
            place = endpoints(target.location, os.environ).storage
            auth = _login(target, stack, loopback=place.loopback)
            client = stack.enter_context(open_client(place.url, auth))
            yield GcsObjects(client, waiting=Waiting())
