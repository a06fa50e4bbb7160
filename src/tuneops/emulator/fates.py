"""What a job fault does to a job's life: a life in, another life out.

A fault is stored with the job that it was given to, so a state stays a pure function of time.
Where in a phase something happens is a choice of this emulator: a failure comes at the end of
its phase, but half-way through training; what stands still does so half-way through.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tuneops.emulator.durations import duration
from tuneops.emulator.lifecycle import (
    CANCELLING,
    EXPIRED,
    FAILED,
    FOREVER,
    PARTIALLY_SUCCEEDED,
    PAUSED,
    QUEUED,
    UPDATING,
    CancelRule,
    Failure,
    Span,
    Timeline,
)

_PHASES = {
    "pending": ("created", "started"),
    "processing": ("granted", "processed"),
    "running": ("equipped", "trained"),
    "tuning": ("equipped", "trained"),
    "post-processing": ("trained", "ended"),
}
_MESSAGES = {
    # The first is Google's own text, seen on a real job; the others are ours.
    13: "Failed to create endpoint. Tuned model is uploaded and can be accessed through Model"
    " Registry.",
    3: "Invalid dataset.",
    7: "The service agent of the project cannot read the dataset or use the encryption key.",
    8: "The quota of the project for concurrent tuning jobs is exhausted.",
}
_INTERNAL = "Internal error encountered."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """A job fault: its kind, the value after `=` and the phase after `@`."""

    kind: str
    value: str
    place: str

    @property
    def text(self) -> str:
        """The fault as it is written, with its place."""
        value = f"={self.value}" if self.value else ""
        return f"{self.kind}{value}@{self.place}"

    @property
    def breaks_endpoints(self) -> bool:
        """Whether no endpoint is made for any checkpoint."""
        return self.kind == "fail" and self.place == "post-processing"

    @property
    def last_endpoint_only(self) -> bool:
        """Whether only the last checkpoint of several gets its endpoint."""
        return self.kind == "partial"


def fated(life: Timeline, fate: Fate) -> Timeline:
    """Return a life as a fault shapes it; one that its dataset ends early is left alone."""
    if life.failure is not None and fate.place not in ("pending", "cancelling"):
        return life
    return _SHAPES[fate.kind](life, fate)


def comes_about(life: Timeline, fate: Fate, cancelled: int | None) -> int:
    """Return when a fault shows, in the life that it shaped; FOREVER when it never will."""
    if fate.place == "cancelling":
        if cancelled is None:
            return FOREVER
        return life.ended if fate.kind == "win-cancel-race" else cancelled + CANCELLING
    shows = life.spans[0].since if life.spans else min(life.frozen, life.ended)
    if fate.kind == "no-capacity":
        shows = life.processed
    return FOREVER if cancelled is not None and cancelled < shows else shows


def failure(code: int) -> Failure:
    """Return an error of a job, with the text that goes with its google.rpc code."""
    return Failure(code=code, message=_MESSAGES.get(code, _INTERNAL))


def _middle(life: Timeline, place: str) -> int:
    since, until = (getattr(life, name) for name in _PHASES[place])
    return int(since + (until - since) // 2)


def _cut(life: Timeline, at: int) -> Timeline:
    """Return a life that ends at an instant without leaving a model."""
    return replace(
        life,
        started=life.started if life.started < at else FOREVER,
        ended=at,
        milestones=tuple(item for item in life.milestones if item.written < at),
        registers=False,
    )


def _fail(life: Timeline, fate: Fate) -> Timeline:
    error = failure(int(fate.value))
    match fate.place:
        case "cancelling":
            return replace(life, cancel=CancelRule(outcome=FAILED, failure=error))
        case "post-processing":
            return replace(life, outcome=FAILED, failure=error)
        case "pending":
            at = life.started
        case "processing":
            at = life.processed
        case _:
            at = _middle(life, fate.place)
    return replace(_cut(life, at), outcome=FAILED, failure=error)


def _expired(life: Timeline, fate: Fate) -> Timeline:
    at = life.started if fate.place == "pending" else _middle(life, fate.place)
    return replace(_cut(life, at), outcome=EXPIRED, failure=None)


def _stuck(life: Timeline, fate: Fate) -> Timeline:
    if fate.place == "cancelling":
        return replace(life, cancel=CancelRule(lasts=FOREVER))
    return replace(life, frozen=_middle(life, fate.place))


def _win(life: Timeline, fate: Fate) -> Timeline:
    return replace(life, cancel=CancelRule(wins=False))


def _partial(life: Timeline, fate: Fate) -> Timeline:
    return replace(life, outcome=PARTIALLY_SUCCEEDED)


def _paused(life: Timeline, fate: Fate) -> Timeline:
    at = _middle(life, fate.place)
    return replace(life, frozen=at, spans=(Span(since=at, until=FOREVER, state=PAUSED),))


def _updating(life: Timeline, fate: Fate) -> Timeline:
    third = (life.trained - life.equipped) // 3
    span = Span(since=life.equipped + third, until=life.equipped + 2 * third, state=UPDATING)
    return replace(life, spans=(span,))


def _queued(life: Timeline, fate: Fate) -> Timeline:
    until = _middle(life, fate.place)
    return replace(life, spans=(Span(since=life.created, until=until, state=QUEUED),))


def _unknown(life: Timeline, fate: Fate) -> Timeline:
    since, until = (getattr(life, name) for name in _PHASES[fate.place])
    return replace(life, spans=(Span(since=since, until=until, state=fate.value),))


def _no_capacity(life: Timeline, fate: Fate) -> Timeline:
    wait = duration(fate.value) or 0
    later = tuple(
        replace(item, written=item.written + wait, served=item.served + wait)
        for item in life.milestones
    )
    return replace(
        life,
        equipped=life.equipped + wait,
        trained=life.trained + wait,
        ended=life.ended + wait,
        milestones=later,
    )


_SHAPES: Mapping[str, Callable[[Timeline, Fate], Timeline]] = {
    "fail": _fail,
    "expired": _expired,
    "stuck": _stuck,
    "win-cancel-race": _win,
    "partial": _partial,
    "paused": _paused,
    "updating": _updating,
    "queued": _queued,
    "unknown-state": _unknown,
    "no-capacity": _no_capacity,
}
