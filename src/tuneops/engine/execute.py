"""Perform one step, safely: the creation protocol's effects, and a cancel that is written down.

The protocol decides the order (`core.creation`); this module only does what it is told.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
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
    create,
)
from tuneops.core.desired import Pinned
from tuneops.core.lock import Creation, Lock
from tuneops.core.observed import JobState, ObservedJob
from tuneops.core.steps import CancelJob
from tuneops.engine.pins import ReadFile
from tuneops.engine.ports import ClaimStore, ObjectStore, TuningService
from tuneops.errors import Rejected, Unanswered


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
    file: Callable[[str], Path]
    """Where a dataset of the project lies on disk."""
    progress: Callable[[str], None]
    """Say what takes its time, such as an upload."""
    clocks: Callable[[], tuple[float, ...]] = lambda: (time.monotonic(), time.time())
    """Seconds by clocks of this machine: one stands still while it sleeps, one can be put back."""


def create_job(order: Order, hands: Hands) -> Outcome:
    """Run the creation protocol for one order.

    Faults of reads and of local writes pass through: the next tick looks at the world again.
    """
    protocol = create(order)
    answer: object = None
    looked = hands.clocks()
    while True:
        try:
            effect = protocol.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        if isinstance(effect, ListJobs):
            looked = hands.clocks()
        if isinstance(effect, PostJob) and _elapsed(looked, hands) > effect.within.total_seconds():
            answer = Refusal("this run was held up just before the create", _HELD_UP, busy=True)
        else:
            answer = perform(effect, hands)


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
                return Refusal(refusal.message, refusal.notes, busy=refusal.status == 429)
            except Unanswered as silence:
                return Silence(silence.message)
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
    same = there.dataset.same_bytes(pinned.dataset) and there.evidence.agrees(pinned.evidence)
    return "ready" if same else "moved"


def cancel_job(step: CancelJob, ledger: Lock, hands: Hands) -> Refusal | Found | None:
    """Ask for a job to stop, after a fresh look and after writing down that it was us who asked.

    A job that has ended meanwhile is left alone, and its end is not ours: that is Found. One that
    is not what the plan saw, or whose twin is not there to take its place, is not cancelled.
    """
    assert step.change.job is not None, "a cancel names its job"
    fresh = hands.service.get_job(step.change.job)
    if fresh is None or fresh.state.terminal:
        return Found(step.change.job)
    if fresh.ownership is None or fresh.ownership.lineage != step.change.lineage:
        return Refusal(f"`{fresh.name}` is not the job that the plan saw; it was left alone")
    if step.keep is not None and not _useful(hands.service.get_job(step.keep)):
        return Refusal(f"`{step.keep}` is not there to be kept; its twin was left alone")
    for address, key, creation in ledger.creations():
        if creation.job == step.change.job:
            hands.memory.remember(address, key, replace(creation, cancel_asked=True))
    try:
        hands.service.cancel_job(step.change.job)
    except Rejected as refusal:
        return Refusal(refusal.message, refusal.notes)
    return None


def _useful(job: ObservedJob | None) -> bool:
    return job is not None and (not job.state.terminal or job.state is JobState.SUCCEEDED)


def exit_code(outcome: Outcome) -> int:
    """What one outcome means for the command's exit code (`tuneops help exit-codes`)."""
    match outcome:
        case Made() | Found():
            return 0
        case Unknown():
            return 7
        case Held(why="unanswered" | "not-listed"):
            return 7
        case Held():
            return 3
        case Contended():
            return 6
        case Refusal(busy=busy):
            return 6 if busy else 1
        case _:
            assert_never(outcome)
