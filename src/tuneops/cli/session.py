"""The composition root: a project joined to the service that its environment names."""

import contextlib
import os
import secrets
import time
from base64 import b32encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import httpx
from filelock import FileLock, Timeout

from tuneops.cli.duration import read_duration
from tuneops.cli.project import Project
from tuneops.core.desired import Declaration, DesiredGraph, Target
from tuneops.core.lock import Cause
from tuneops.core.plan import Approval
from tuneops.emulator.application import Emulator
from tuneops.engine.execute import Hands
from tuneops.engine.pins import pin
from tuneops.engine.reconcile import Event, Terms, World
from tuneops.errors import Busy, Denied
from tuneops.gcs.objects import GcsObjects
from tuneops.http.reading import open_client
from tuneops.http.waiting import Waiting
from tuneops.render.plan import Header
from tuneops.store.claims import FileClaims
from tuneops.store.git import Checkout
from tuneops.store.journal import Journal
from tuneops.store.lockfile import LockFile
from tuneops.vertex.auth import Exchange, LoopbackAuth, application_default
from tuneops.vertex.endpoints import endpoints
from tuneops.vertex.provider import VertexProvider

EMULATOR_URL = "http://127.0.0.1"
"""Where the embedded emulator pretends to be; no socket is ever opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run against one target."""

    project: Project
    graph: DesiredGraph
    world: World
    header: Header
    locks: LockFile
    settle: timedelta
    emulator: Emulator | None
    now: Callable[[], datetime]

    @property
    def emulated(self) -> bool:
        """Say whether nothing here can cost money."""
        return self.graph.target.provider == "emulator"


@contextlib.contextmanager
def connect(project: Project, watch: Callable[[Event], None]) -> Iterator[Session]:
    """Join a project to its service for the length of a `with`; InputError before any request."""
    declaration = project.declaration
    settle = _settle()
    with contextlib.ExitStack() as stack:
        service = _service(project, declaration, stack)
        target = service.target
        journal = Journal(project.state, target.environment)
        locks = LockFile(project.root, target, journal)
        lock = locks.load()
        provider, objects = service.provider, service.objects
        graph = pin(
            replace(declaration, target=target),
            lock,
            read_file=project.read_file,
            objects=objects,
            service=provider,
            registry=provider,
        )
        hands = Hands(
            service=provider,
            objects=objects,
            claims=FileClaims(project.state, target.environment),
            memory=_Memory(journal, locks),
            read_file=project.read_file,
            file=project.file,
            progress=lambda text: watch(Event(address="", event=text)),
        )
        world = World(
            hands=hands,
            registry=provider,
            locks=locks,
            clock=service.clock,
            watch=watch,
            new_mark=new_mark,
        )
        yield Session(
            project=project,
            graph=graph,
            world=world,
            header=_header(service, locks, len(lock.jobs)),
            locks=locks,
            settle=settle,
            emulator=service.emulator,
            now=service.now,
        )


@contextlib.contextmanager
def alone(project: Project, environment: str) -> Iterator[None]:
    """Keep other runs off this environment in this checkout; Busy when one is at work.

    The system gives the lock up when the process ends, however it ends.
    """
    guard = FileLock(project.state / f"run.{environment}.lock")
    try:
        guard.acquire(timeout=0)
    except Timeout as fault:
        raise Busy(
            f"another tuneops works on environment `{environment}` in this checkout",
            help="wait for it to end, then run the command again",
        ) from fault
    try:
        yield
    finally:
        guard.release()


def terms(
    session: Session, checkout: Checkout, *, approval: Approval | None, may_cancel: bool
) -> Terms:
    """The limits and the name of a run."""
    return Terms(
        approval=approval,
        cause=Cause(commit=checkout.commit, dirty=checkout.dirty),
        runner=secrets.token_hex(8),
        settle=session.settle,
        may_cancel=may_cancel,
    )


def new_mark() -> str:
    """128 random bits in 26 base32 characters: new for every POST."""
    return b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """A service that is ready to be asked."""

    target: Target
    provider: VertexProvider
    objects: GcsObjects
    clock: "_RealClock | _VirtualClock"
    emulator: Emulator | None
    now: Callable[[], datetime]
    name: str


class _RealClock:
    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class _VirtualClock:
    """Waiting for the embedded emulator moves its time on, and takes none of ours."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def sleep(self, seconds: float) -> None:
        self._emulator.advance(timedelta(seconds=seconds))


class _Memory:
    """The journal, whose proof covers the lock file too."""

    def __init__(self, journal: Journal, locks: LockFile) -> None:
        self.remember = journal.remember
        self.forget = journal.forget
        self.prove = locks.prove


def open_emulator(state: Path, *, wall_dates: bool = False) -> Emulator:
    """The emulator whose state lies in a project's state folder."""
    return Emulator(state / "emulator.db", wall=_wall, wall_dates=wall_dates)


def _wall() -> datetime:
    return datetime.now(UTC)


def _service(project: Project, declaration: Declaration, stack: contextlib.ExitStack) -> _Service:
    target = declaration.target
    if target.provider == "emulator":
        return _embedded(project, target, stack)
    return _remote(target, stack)


def _embedded(project: Project, target: Target, stack: contextlib.ExitStack) -> _Service:
    emulator = stack.enter_context(open_emulator(project.state))

    def fresh() -> httpx.Client:
        transport = httpx.WSGITransport(app=emulator)
        return httpx.Client(transport=transport, base_url=EMULATOR_URL, auth=LoopbackAuth())

    client = stack.enter_context(fresh())
    waiting = Waiting()
    return _Service(
        target=target,
        provider=VertexProvider(
            client,
            project=target.project,
            location=target.location,
            fresh=fresh,
            waiting=waiting,
        ),
        objects=GcsObjects(client, waiting=waiting),
        clock=_VirtualClock(emulator),
        emulator=emulator,
        now=emulator.time,
        name=f"emulator, embedded · {target.project} · {target.location} · no cost",
    )


def _remote(target: Target, stack: contextlib.ExitStack) -> _Service:
    places = endpoints(target.location, os.environ)
    loopback = places.vertex.loopback
    auth: httpx.Auth
    if loopback:
        target = replace(target, provider="emulator")
        auth = LoopbackAuth()
        name = f"{places.vertex.url} ({places.vertex.origin})"
    else:
        exchange = Exchange(stack.enter_context(httpx.Client()))
        auth = application_default(target.environment, exchange, _wall)
        name = f"Vertex AI · project {target.project} · {target.location} · REAL COST"

    def client(url: str) -> httpx.Client:
        return open_client(url, auth)

    waiting = Waiting()
    return _Service(
        target=target,
        provider=VertexProvider(
            stack.enter_context(client(places.vertex.url)),
            project=target.project,
            location=target.location,
            fresh=lambda: client(places.vertex.url),
            waiting=waiting,
        ),
        objects=GcsObjects(stack.enter_context(client(places.storage.url)), waiting=waiting),
        clock=_RealClock(),
        emulator=None,
        now=_wall,
        name=name,
    )


def _header(service: _Service, locks: LockFile, jobs: int) -> Header:
    state = f"{jobs} {'job' if jobs == 1 else 'jobs'}" if locks.exists else "not there yet"
    return Header(
        target=service.name,
        lock=locks.shown,
        lock_state=state,
        guard="local file (this checkout only)",
        emulated=service.target.provider == "emulator",
    )


def _settle() -> timedelta:
    """How long an unanswered create may still land."""
    text = os.environ.get("TUNEOPS_SETTLE", "15m")
    length = read_duration(text)
    if length is None:
        raise click.UsageError(f"`TUNEOPS_SETTLE={text}` is no length of time, such as 90s or 15m")
    return length


def refuse_unguarded(session: Session) -> None:
    """Refuse to buy in CI without a creation guard that all runners share."""
    if not session.emulated and os.environ.get("CI") == "true":
        raise Denied(
            "creating jobs in CI needs a creation guard that all runners share",
            notes=("this version guards creates within one checkout only; nothing was bought",),
            help="run `tuneops apply` from one checkout that is kept, such as your own machine",
        )
