"""The life of a tuning job, as a table and a few pure functions.

`Timeline` says when everything will happen if nobody interferes; `standing` says where a job is
at an instant. Nothing else decides a state. Durations are choices of this emulator within what
has been observed; checkpoints follow the documented rule (one an epoch, about ten at most).
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

PENDING = "JOB_STATE_PENDING"
RUNNING = "JOB_STATE_RUNNING"
SUCCEEDED = "JOB_STATE_SUCCEEDED"
FAILED = "JOB_STATE_FAILED"
CANCELLED = "JOB_STATE_CANCELLED"
CANCELLING_STATE = "JOB_STATE_CANCELLING"
TERMINAL = frozenset({SUCCEEDED, FAILED, CANCELLED})
STATES = (
    "JOB_STATE_QUEUED",
    PENDING,
    RUNNING,
    SUCCEEDED,
    FAILED,
    CANCELLING_STATE,
    CANCELLED,
    "JOB_STATE_PAUSED",
    "JOB_STATE_EXPIRED",
    "JOB_STATE_UPDATING",
    "JOB_STATE_PARTIALLY_SUCCEEDED",
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
class Timeline:
    """When everything happens to a job that nobody cancels, in instants of virtual time."""

    created: int
    started: int
    processed: int
    trained: int
    ended: int
    epochs: int
    steps: int
    milestones: tuple[Milestone, ...]
    failure: Failure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a job is at an instant; `progress` is the instant up to which it did its work."""

    state: str
    detail: str | None
    started: int | None
    ended: int | None
    updated: int
    progress: int
    error: Failure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phase:
    until: str
    state: str
    detail: str | None


# In order: a job is in the first phase whose end still lies ahead.
PHASES = (
    _Phase(until="started", state=PENDING, detail=None),
    _Phase(until="processed", state=RUNNING, detail="TUNING_JOB_STATE_PROCESSING_DATASET"),
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


def failed_timeline(created: int, pending: int, failure: Failure) -> Timeline:
    """Return the life of a job whose dataset turns out to be unusable."""
    processed = created + pending + _PROCESSING
    return Timeline(
        created=created,
        started=created + pending,
        processed=processed,
        trained=processed,
        ended=processed,
        epochs=0,
        steps=0,
        milestones=(),
        failure=failure,
    )


def timeline(
    *, created: int, pending: int, examples: int, epochs: int, last_only: bool
) -> Timeline:
    """Return the life of a job that trains on `examples` for `epochs`."""
    started = created + pending
    processed = started + _PROCESSING
    per_epoch = steps_per_epoch(examples)
    duration = training_time(per_epoch * epochs)
    trained = processed + duration
    return Timeline(
        created=created,
        started=started,
        processed=processed,
        trained=trained,
        ended=trained + _POST_PROCESSING,
        epochs=epochs,
        steps=per_epoch * epochs,
        milestones=_milestones(processed, duration, per_epoch, _checkpoints(epochs, last_only)),
        failure=None,
    )


def _checkpoints(epochs: int, last_only: bool) -> tuple[int, ...]:
    """Return after which epochs a checkpoint is written; the last one always is."""
    if last_only:
        return (epochs,)
    count = min(epochs, 10)
    return tuple(round(number * epochs / count) for number in range(1, count + 1))


def _milestones(
    processed: int, duration: int, per_epoch: int, epochs: tuple[int, ...]
) -> tuple[Milestone, ...]:
    milestones = []
    for number, epoch in enumerate(epochs, start=1):
        written = processed + duration * epoch // epochs[-1]
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


def standing(life: Timeline, cancelled: int | None, now: int) -> Standing:
    """Return where a job is at `now`, given when it was cancelled, if it was in time."""
    if cancelled is not None and cancelled < life.ended:
        return _cancelled_standing(life, cancelled, now)
    for phase in PHASES:
        if now < getattr(life, phase.until):
            return Standing(
                state=phase.state,
                detail=phase.detail,
                started=None if phase.state == PENDING else life.started,
                ended=None,
                updated=_last_change(life, now),
                progress=now,
                error=None,
            )
    return Standing(
        state=SUCCEEDED if life.failure is None else FAILED,
        detail=None,
        started=life.started,
        ended=life.ended,
        updated=life.ended,
        progress=life.ended,
        error=life.failure,
    )


def _cancelled_standing(life: Timeline, cancelled: int, now: int) -> Standing:
    ended = cancelled + CANCELLING
    over = now >= ended
    return Standing(
        state=CANCELLED if over else CANCELLING_STATE,
        detail=None,
        started=life.started if life.started <= cancelled else None,
        ended=ended if over else None,
        updated=ended if over else cancelled,
        progress=cancelled,
        error=Failure(code=1, message="The tuning job was cancelled.") if over else None,
    )


def _last_change(life: Timeline, now: int) -> int:
    moments = [life.created, life.started, life.processed, life.trained]
    for milestone in life.milestones:
        moments += (milestone.written, milestone.served)
    return max(moment for moment in moments if moment <= now)


def completed(life: Timeline, progress: int) -> tuple[int, int]:
    """Return the epochs and steps done by the instant `progress`."""
    if progress >= life.trained:
        return life.epochs, life.steps
    elapsed = max(0, progress - life.processed)
    steps = life.steps * elapsed // (life.trained - life.processed) if elapsed else 0
    return (steps * life.epochs // life.steps if life.steps else 0), steps
