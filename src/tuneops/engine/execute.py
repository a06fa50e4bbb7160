"""Perform the creation protocol's effects for real.

The protocol decides the order (`core.protocol`); this module only does what it is told.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, assert_never

from tuneops.core.creation import (
    CheckData,
    Contended,
    DataState,
    Effect,
    Forget,
    Found,
    Held,
    ListJobs,
    Made,
    Order,
    Outcome,
    PostJob,
    ProveMemory,
    ReadClaim,
    Refusal,
    Remember,
    Silence,
    SwapClaim,
    Unknown,
    Wait,
)
from tuneops.core.desired import Pinned
from tuneops.core.lock import Creation
from tuneops.core.protocol import create
from tuneops.engine.pins import ReadFile, same_content
from tuneops.engine.ports import ClaimStore, ObjectStore, TuningService
from tuneops.errors import Rejected, TuneopsError, Unanswered


class Memory(Protocol):
    """What survives a crash of this process on this machine: a journal beside the specs."""

    def prove(self) -> None:
        """Show that journal and lock can be written now; DiskError when they cannot."""
        ...

    def remember(self, address: str, key: str, creation: Creation) -> None:
        """Put an entry on disk; it is there when this returns."""
        ...

    def forget(self, address: str, key: str) -> None:
        """Put on disk that an intent came to nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """Everything that an effect may touch."""

    service: TuningService
    objects: ObjectStore
    claims: ClaimStore
    memory: Memory
    read_file: ReadFile
    """Read it now: what was known of a file before is not believed before a create."""
    file: Callable[[str], Path]
    """Where a dataset of the project lies on disk."""
    progress: Callable[[str], None]
    """Say what takes its time, such as an upload."""
    sleep: Callable[[float], None]
    """Let so many seconds pass (virtual ones on the embedded emulator)."""
    clocks: Callable[[], tuple[float, ...]] = lambda: (time.monotonic(), time.time())
    """Seconds by clocks of this machine: one stands still while it sleeps, one can be put back."""


def create_job(order: Order, hands: Hands) -> Outcome:
    """Run the creation protocol for one order.

    Faults of reads and of local writes before the POST pass through: the next tick looks at the
    world again. Afterwards none does: what could not be written down is said in the outcome.
    """
    protocol = create(order)
    answer: object = None
    fault: TuneopsError | None = None
    looked = hands.clocks()
    while True:
        try:
            effect = protocol.throw(fault) if fault else protocol.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        fault = None
        if isinstance(effect, ListJobs):
            looked = hands.clocks()
        if isinstance(effect, PostJob) and _elapsed(looked, hands) > effect.within.total_seconds():
            answer = Refusal("this run was held up just before the create", _HELD_UP, busy=True)
            continue
        try:
            answer = perform(effect, hands)
        except TuneopsError as trouble:
            fault = trouble


_HELD_UP = ("nothing was sent: another run may have taken over meanwhile; run again",)


def _elapsed(since: tuple[float, ...], hands: Hands) -> float:
    """Seconds since then by the clock that counted the most."""
    return max(now - then for then, now in zip(since, hands.clocks(), strict=True))


def perform(effect: Effect, hands: Hands) -> object:
    """Do one effect and give back its answer, as the effect's docstring says."""
    match effect:
        case CheckData(pinned):
            return _check_data(pinned, hands)
        case ReadClaim(key):
            return hands.claims.read(key)
        case SwapClaim(claim, expected):
            return hands.claims.swap(claim, expected)
        case ListJobs():
            listing = hands.service.list_jobs()
            return listing.at, listing.jobs
        case ProveMemory():
            hands.memory.prove()
        case Remember(address, key, creation):
            hands.memory.remember(address, key, creation)
        case Forget(address, key):
            hands.memory.forget(address, key)
        case PostJob(request):
            try:
                return hands.service.create_job(request)
            except Rejected as refusal:
                full = refusal.status == 429
                return Refusal(refusal.message, refusal.notes, busy=full, quota=full)
            except Unanswered as silence:
                return Silence(silence.message)
        case Wait(seconds):
            hands.sleep(seconds)
        case _:
            assert_never(effect)
    return None


def _check_data(pinned: Pinned, hands: Hands) -> DataState:
    there = hands.objects.describe(pinned.dataset.uri)
    if there is None and pinned.file is not None:
        local = hands.read_file(pinned.file)
        if local is None or not local.dataset.same_bytes(pinned.dataset):
            return "gone" if local is None else "moved"
        hands.progress(f"uploading {pinned.file}")
        there = hands.objects.upload(hands.file(pinned.file), pinned.dataset.uri)
    if there is None:
        return "gone"
    return "ready" if same_content(there, pinned) else "moved"


def exit_code(outcome: Outcome) -> int:
    """What one outcome means for the command's exit code (`tuneops help exit-codes`)."""
    if troubles(outcome):
        return 1
    match outcome:
        case Made() | Found():
            return 0
        case Unknown():
            return 7
        case Held(why="unanswered" | "not-listed"):
            return 7
        case Held(why="quota"):
            return 6
        case Held(why="over-budget"):
            return 4
        case Held():
            return 3
        case Contended():
            return 6
        case Refusal(busy=busy):
            return 6 if busy else 1
        case _:
            assert_never(outcome)


def troubles(outcome: Outcome | None) -> tuple[str, ...]:
    """What could not be written down of an outcome."""
    return outcome.troubles if isinstance(outcome, Made | Found | Refusal) else ()
