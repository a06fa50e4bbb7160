"""The composition root: a project joined to the service that its environment names."""

import contextlib
import secrets
from base64 import b32encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from tuneops.cli import guard as guards
from tuneops.cli.clocks import settle_time
from tuneops.cli.console import Console
from tuneops.cli.costing import knowledge, limited
from tuneops.cli.guard import Guard
from tuneops.cli.locks import refuse_renamed, rehearsed
from tuneops.cli.project import Project
from tuneops.cli.services import Service, join_service
from tuneops.cli.travelling import Carried, carry, departure
from tuneops.core.desired import DesiredGraph
from tuneops.core.lock import Cause, Lock
from tuneops.core.plan import Approval
from tuneops.emulator.application import Emulator
from tuneops.engine.execute import Hands
from tuneops.engine.pins import pin
from tuneops.engine.ports import ModelList, ObjectStore
from tuneops.engine.reconcile import Terms, World
from tuneops.engine.telling import Event
from tuneops.errors import Busy, DiskError
from tuneops.gcs.objects import far
from tuneops.render.lines import Line, counted
from tuneops.render.plan import Header
from tuneops.store.git import Checkout
from tuneops.store.journal import Journal, journal_of
from tuneops.store.lock_travel import LockTravel, Reading
from tuneops.store.lockfile import LockFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run against one target."""

    project: Project
    graph: DesiredGraph
    world: World
    models: ModelList
    """The tuned models of the location, whoever made them."""
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
            try:
                carried = carry(self.graph.target, self.locks, self.travel, self.seen)
            except BaseException:  # a stop: what is not pushed is not lost
                words = "Stopped while the lock was being pushed"
                kept = f"it is in {self.locks.shown} and its journal"
                console.complain([Line(f"{words}; {kept}, and the next run pushes it.")])
                raise
            self.carried.append(carried)
            console.say(carried.lines)
            console.complain_of(carried.findings)

    @property
    def unpushed(self) -> bool:
        """Say whether the lock is not where the environment wants it."""
        return any(one.failed for one in self.carried[-1:])

    @property
    def objects(self) -> ObjectStore:
        """Where the datasets are that lie in buckets."""
        return self.world.hands.objects

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
    settle = settle_time(emulated=rehearsed(declaration.target).provider == "emulator")
    with contextlib.ExitStack() as stack:
        service = join_service(project, declaration, stack)
        target = service.target
        journal = journal_of(project.state, target)
        locks = LockFile(project.root, target, journal)
        travel = departure(project, target)
        reading = travel.read() if travel else Reading()
        locks.elsewhere = reading.places
        lock = locks.load()
        known = locks.exists or bool(reading.places)
        if not known:
            refuse_renamed(project, target)
        guards.name_guard(service.guard, locks, lambda text: watch(Event(address="", event=text)))
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
            read_file=project.read_again,
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
            models=provider,
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
def alone(project: Project, environment: str) -> Iterator[None]:
    """Keep other runs off this environment in this checkout; Busy when one is at work.

    The system gives the lock up when the process ends, however it ends.
    """
    from filelock import FileLock, Timeout  # brings asyncio: not for those that only look

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
    session: Session,
    checkout: Checkout,
    *,
    approval: Approval | None,
    may_cancel: bool,
    plan: str | None = None,
) -> Terms:
    """The limits and the name of a run; `plan` is the digest that was approved."""
    return Terms(
        approval=approval,
        cause=Cause(commit=checkout.commit, dirty=checkout.dirty, plan=plan),
        runner=secrets.token_hex(8),
        settle=session.settle,
        may_cancel=may_cancel,
    )


def new_mark() -> str:
    """128 random bits in 26 base32 characters: new for every POST."""
    return b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


class _Memory:
    """The journal, whose proof covers the lock file too."""

    def __init__(self, journal: Journal, locks: LockFile) -> None:
        self.remember = journal.remember
        self.forget = journal.forget
        self.prove = locks.prove


def _header(service: Service, locks: LockFile, lock: Lock, reading: Reading) -> Header:
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
