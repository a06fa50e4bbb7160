"""The life of a tuning job, as a table and a few pure functions.

`Timeline` says when everything will happen if nobody interferes; `standing` says where a job is
at an instant. Nothing else decides a state. Durations are choices of this emulator within what
has been observed; checkpoints follow the documented rule (one an epoch, about ten at most).
A job that waits for a slot is RUNNING with a detail that says so, as the v1beta1 enum implies.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneops.emulator.clock import HOUR, MINUTE, SECOND

BATCH = 16
CANCELLING = 30 * SECOND

_PROCESSING = 2 * MINUTE
_TRAINING_FLOOR = 15 * MINUTE
_TRAINING_STEP = 5 * SECOND
_TRAINING_CEILING = 18 * HOUR
_POST_PROCESSING = 2 * MINUTE
_DEPLOYMENT = 1 * MINUTE

# Later than every instant that is asked about; sums of it and a duration still are.
FOREVER = 2**61

QUEUED = "JOB_STATE_QUEUED"
PENDING = "JOB_STATE_PENDING"
RUNNING = "JOB_STATE_RUNNING"
SUCCEEDED = "JOB_STATE_SUCCEEDED"
FAILED = "JOB_STATE_FAILED"
CANCELLED = "JOB_STATE_CANCELLED"
CANCELLING_STATE = "JOB_STATE_CANCELLING"
PAUSED = "JOB_STATE_PAUSED"
EXPIRED = "JOB_STATE_EXPIRED"
UPDATING = "JOB_STATE_UPDATING"
PARTIALLY_SUCCEEDED = "JOB_STATE_PARTIALLY_SUCCEEDED"
TERMINAL = frozenset({SUCCEEDED, FAILED, CANCELLED, EXPIRED, PARTIALLY_SUCCEEDED})
STATES = (
    QUEUED,
    PENDING,
    RUNNING,
    SUCCEEDED,
    FAILED,
    CANCELLING_STATE,
    CANCELLED,
    PAUSED,
    EXPIRED,
    UPDATING,
    PARTIALLY_SUCCEEDED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job ends without a model: a google.rpc code and a sentence."""

    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """A checkpoint: what it is, when it is written, and when its endpoint serves it."""

    id: str
    epoch: int
    step: int
    written: int
    served: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A state that is shown instead of the one a job is in, from one instant to another."""

    since: int
    until: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRule:
    """What a cancel comes to: how long it takes, and the state and the error it ends in."""

    lasts: int = CANCELLING
    outcome: str = CANCELLED
    failure: Failure | None = Failure(code=1, message="The tuning job was cancelled.")
    wins: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """When everything happens to a job that nobody cancels, in instants of virtual time.

    `granted` is when it has a slot, `equipped` when it has machines; after `frozen` nothing
    happens any more. `registers` says whether a model version comes out at the end.
    """

    created: int
    started: int
    granted: int
    processed: int
    equipped: int
    trained: int
    ended: int
    epochs: int
    steps: int
    milestones: tuple[Milestone, ...]
    outcome: str
    failure: Failure | None
    registers: bool
    frozen: int = FOREVER
    spans: tuple[Span, ...] = ()
    cancel: CancelRule = CancelRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """When and how a job is over, and whether it leaves a model version."""

    at: int
    state: str
    registers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a job is at an instant; `progress` is the instant up to which it did its work.

    `active` says that nothing has stopped it and nobody has tried to.
    """

    state: str
    detail: str | None
    started: int | None
    ended: int | None
    updated: int
    progress: int
    error: Failure | None
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phase:
    until: str
    state: str
    detail: str | None


# In order: a job is in the first phase whose end still lies ahead.
PHASES = (
    _Phase(until="started", state=PENDING, detail=None),
    _Phase(until="granted", state=RUNNING, detail="TUNING_JOB_STATE_WAITING_FOR_QUOTA"),
    _Phase(until="processed", state=RUNNING, detail="TUNING_JOB_STATE_PROCESSING_DATASET"),
    _Phase(until="equipped", state=RUNNING, detail="TUNING_JOB_STATE_WAITING_FOR_CAPACITY"),
    _Phase(until="trained", state=RUNNING, detail="TUNING_JOB_STATE_TUNING"),
    _Phase(until="ended", state=RUNNING, detail="TUNING_JOB_STATE_POST_PROCESSING"),
)


def pending_time(spec: Mapping[str, Any]) -> int:
    """Return how long a job with this tuning specification waits: 20 to 60 seconds."""
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    return (20 + digest % 41) * SECOND


def default_epochs(examples: int) -> int:
    """Return the epochs for a dataset when none are asked: ten for 500 examples, as observed."""
    return max(1, min(40, round(5000 / max(examples, 1))))


def steps_per_epoch(examples: int) -> int:
    """Return the training steps of one pass."""
    return -(-examples // BATCH)


def training_time(steps: int) -> int:
    """Return how long training takes."""
    return min(_TRAINING_FLOOR + steps * _TRAINING_STEP, _TRAINING_CEILING)


def failed_timeline(
    created: int, pending: int, failure: Failure, granted: int | None = None
) -> Timeline:
    """Return the life of a job whose dataset turns out to be unusable."""
    started = created + pending
    granted = max(started, created if granted is None else granted)
    processed = granted + _PROCESSING
    return Timeline(
        created=created,
        started=started,
        granted=granted,
        processed=processed,
        equipped=processed,
        trained=processed,
        ended=processed,
        epochs=0,
        steps=0,
        milestones=(),
        outcome=FAILED,
        failure=failure,
        registers=False,
    )


def timeline(
    *,
    created: int,
    pending: int,
    examples: int,
    epochs: int,
    last_only: bool,
    granted: int | None = None,
) -> Timeline:
    """Return the life of a job that trains on `examples` for `epochs`.

    `granted` is when it gets a slot, at once if it is not given. Machines are always there.
    """
    started = created + pending
    granted = max(started, created if granted is None else granted)
    processed = granted + _PROCESSING
    per_epoch = steps_per_epoch(examples)
    duration = training_time(per_epoch * epochs)
    trained = processed + duration
    return Timeline(
        created=created,
        started=started,
        granted=granted,
        processed=processed,
        equipped=processed,
        trained=trained,
        ended=trained + _POST_PROCESSING,
        epochs=epochs,
        steps=per_epoch * epochs,
        milestones=_milestones(processed, duration, per_epoch, _checkpoints(epochs, last_only)),
        outcome=SUCCEEDED,
        failure=None,
        registers=True,
    )


def _checkpoints(epochs: int, last_only: bool) -> tuple[int, ...]:
    """Return after which epochs a checkpoint is written; the last one always is."""
    if last_only:
        return (epochs,)
    count = min(epochs, 10)
    return tuple(round(number * epochs / count) for number in range(1, count + 1))


def _milestones(
    begun: int, duration: int, per_epoch: int, epochs: tuple[int, ...]
) -> tuple[Milestone, ...]:
    milestones = []
    for number, epoch in enumerate(epochs, start=1):
        written = begun + duration * epoch // epochs[-1]
        milestones.append(
            Milestone(
                id=str(number),
                epoch=epoch,
                step=epoch * per_epoch,
                written=written,
                served=written + _DEPLOYMENT,
            )
        )
    return tuple(milestones)


def settlement(life: Timeline, cancelled: int | None) -> Settlement:
    """Return when and how a job is over; FOREVER when it never is."""
    natural = life.ended if life.ended <= life.frozen else FOREVER
    if cancelled is None or cancelled >= natural or not life.cancel.wins:
        return Settlement(at=natural, state=life.outcome, registers=life.registers)
    return Settlement(at=cancelled + life.cancel.lasts, state=life.cancel.outcome, registers=False)


def standing(life: Timeline, cancelled: int | None, now: int) -> Standing:
    """Return where a job is at `now`, given when it was cancelled, if it was in time."""
    end = settlement(life, cancelled)
    if cancelled is not None and cancelled < (end.at if life.cancel.wins else life.ended):
        return _cancelled_standing(life, cancelled, end, now)
    if now >= end.at:
        return _ended_standing(life, end, life.failure, progress=end.at)
    clipped = min(now, life.frozen)
    phase = next(phase for phase in PHASES if clipped < getattr(life, phase.until))
    span = next((span for span in life.spans if span.since <= now < span.until), None)
    return Standing(
        state=phase.state if span is None else span.state,
        detail=phase.detail if span is None else None,
        started=None if phase.state == PENDING else life.started,
        ended=None,
        updated=_last_change(life, now),
        progress=clipped,
        error=None,
        active=True,
    )


def _ended_standing(
    life: Timeline, end: Settlement, failure: Failure | None, progress: int
) -> Standing:
    """Return where a job is that is over; the documents give no end to a partial success."""
    return Standing(
        state=end.state,
        detail=None,
        started=life.started if life.started <= progress else None,
        ended=None if end.state == PARTIALLY_SUCCEEDED else end.at,
        updated=end.at,
        progress=progress,
        error=failure,
        active=False,
    )


def _cancelled_standing(life: Timeline, cancelled: int, end: Settlement, now: int) -> Standing:
    stopped = min(cancelled, life.frozen)
    if now >= end.at:
        if life.cancel.wins:
            return _ended_standing(life, end, life.cancel.failure, progress=stopped)
        return _ended_standing(life, end, life.failure, progress=end.at)
    return Standing(
        state=CANCELLING_STATE,
        detail=None,
        started=life.started if life.started <= stopped else None,
        ended=None,
        updated=cancelled,
        progress=stopped if life.cancel.wins else now,
        error=None,
        active=False,
    )


def _last_change(life: Timeline, now: int) -> int:
    moments = [life.created, life.started, life.granted, life.processed, life.equipped]
    moments.append(life.trained)
    for milestone in life.milestones:
        moments += (milestone.written, milestone.served)
    moments = [moment for moment in moments if moment <= life.frozen]
    for span in life.spans:
        moments += (span.since, span.until)
    return max(moment for moment in moments if moment <= now)


def completed(life: Timeline, progress: int) -> tuple[int, int]:
    """Return the epochs and steps done by the instant `progress`."""
    if progress >= life.trained:
        return life.epochs, life.steps
    elapsed = max(0, progress - life.equipped)
    steps = life.steps * elapsed // (life.trained - life.equipped) if elapsed else 0
    return (steps * life.epochs // life.steps if life.steps else 0), steps
