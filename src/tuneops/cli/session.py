"""The composition root: a project joined to the service that its environment names."""

import contextlib
import os
import secrets
from base64 import b32encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

from tuneops.cli import guard as guards
from tuneops.cli.clocks import RealClock, VirtualClock, settle_time
from tuneops.cli.console import Console
from tuneops.cli.costing import knowledge, limited
from tuneops.cli.guard import Guard
from tuneops.cli.locks import refuse_renamed
from tuneops.cli.project import Project
from tuneops.cli.travelling import Carried, carry, departure
from tuneops.core.desired import Declaration, DesiredGraph, Target
from tuneops.core.lock import Cause, Lock
from tuneops.core.plan import Approval
from tuneops.emulator.application import Emulator
from tuneops.engine.execute import Hands
from tuneops.engine.pins import pin
from tuneops.engine.reconcile import Terms, World
from tuneops.engine.telling import Event
from tuneops.errors import Busy, DiskError
from tuneops.gcs.claims import GcsClaims, Spelling
from tuneops.gcs.objects import GcsObjects, far
from tuneops.http.reading import open_client, open_exchange
from tuneops.http.waiting import Waiting
from tuneops.render.lines import counted
from tuneops.render.plan import Header
from tuneops.store import claim_record
from tuneops.store.git import Checkout
from tuneops.store.journal import Journal
from tuneops.store.lock_travel import LockTravel, Reading
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
    guard: Guard
    recorded_guard: str | None
    """The kind of guard that the lock named when the run began."""
    seen: Lock
    """The union of all places of the lock when the run began."""
    travel: LockTravel | None
    """The way of the lock to the remote, where there is one."""
    reading: Reading
    settle: timedelta
    emulator: Emulator | None
    now: Callable[[], datetime]
    carried: list[Carried] = field(default_factory=list)
    """What became of the lock when work on it was over; empty until then."""

    @contextlib.contextmanager
    def carrying(self, console: Console) -> Iterator[None]:
        """Write the lock back when the block ends, however it ends."""
        try:
            yield
        finally:
            carried = carry(self.graph.target, self.locks, self.travel, self.seen)
            self.carried.append(carried)
            console.say(carried.lines)
            console.complain_of(carried.findings)

    @property
    def unpushed(self) -> bool:
        """Say whether the lock is not where the environment wants it."""
        return any(one.failed for one in self.carried[-1:])

    @property
    def emulated(self) -> bool:
        """Say whether nothing here can cost money."""
        return self.graph.target.provider == "emulator"


@contextlib.contextmanager
def connect(
    project: Project, watch: Callable[[Event], None], *, max_cost: Decimal | None = None
) -> Iterator[Session]:
    """Join a project to its service for the length of a `with`; InputError before any request.

    `max_cost` is one more ceiling, besides those that the specs declare.
    """
    declaration = limited(project.declaration, max_cost)
    settle = settle_time()
    with contextlib.ExitStack() as stack:
        service = _service(project, declaration, stack)
        target = service.target
        journal = Journal(project.state, target.environment)
        locks = LockFile(project.root, target, journal)
        travel = departure(project, target)
        reading = travel.read() if travel else Reading()
        locks.elsewhere = reading.places
        lock = locks.load()
        known = locks.exists or bool(reading.places)
        if not known:
            refuse_renamed(project, target)
        guards.name_guard(service.guard, locks)
        provider, objects = service.provider, service.objects
        objects.progress = lambda *sent: watch(Event(address="", event=far(*sent)))
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
            claims=service.guard.claims,
            memory=_Memory(journal, locks),
            read_file=project.read_file,
            file=project.file,
            progress=lambda text: watch(Event(address="", event=text)),
            sleep=service.clock.sleep,
        )
        world = World(
            hands=hands,
            registry=provider,
            disposal=provider,
            locks=locks,
            clock=service.clock,
            watch=watch,
            new_mark=new_mark,
            known=partial(knowledge, project),
            shared=service.guard.kind != "local",
            archives=guards.archives(project, target, service.guard),
            elsewhere=service.elsewhere,
        )
        yield Session(
            project=project,
            graph=graph,
            world=world,
            header=_header(service, locks, lock, reading),
            locks=locks,
            guard=service.guard,
            recorded_guard=lock.guard if known else None,
            seen=lock,
            travel=travel,
            reading=reading,
            settle=settle,
            emulator=service.emulator,
            now=service.now,
        )


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
    except OSError as fault:
        raise DiskError(f"`{guard.lock_file}` cannot be locked: {fault.strerror}") from fault
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
    return _remote(project, target, stack)


def _embedded(project: Project, target: Target, stack: contextlib.ExitStack) -> _Service:
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

    return _Service(
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


def _remote(project: Project, target: Target, stack: contextlib.ExitStack) -> _Service:
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

    return _Service(
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


def _header(service: _Service, locks: LockFile, lock: Lock, reading: Reading) -> Header:
    known = locks.exists or bool(reading.places)
    state = [counted(len(lock.jobs), "job") if known else "not there yet"]
    state += [f"with {place.shown} at {place.commit[:7]}" for place in reading.places]
    if reading.trouble:
        state.append(f"without the remote's: {reading.trouble}")
    return Header(
        target=service.name,
        lock=locks.shown,
        lock_state=" · ".join(state),
        guard=service.guard.shown,
        emulated=service.target.provider == "emulator",
    )


def refuse_unguarded(session: Session, *, allow_weaker: bool) -> None:
    """Refuse to buy under a weaker guard than the lock records, or in CI without a shared one."""
    guards.refuse_unguarded(
        session.guard,
        session.recorded_guard,
        emulated=session.emulated,
        allow_weaker=allow_weaker,
    )
