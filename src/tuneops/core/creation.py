"""The creation protocol: how one job is bought at most once, as a generator that yields effects.

The generator touches nothing. The engine performs its effects for real, a simulator on a model; a
crash can be tried before and after every one of them. The order is the whole point: data first,
then the claim, then a look at the complete list, then proof that the answer can be remembered, then
the intent on disk, then the fenced `issued` mark, and only then the one POST. Nothing is repeated:
whatever went wrong, a later tick begins again from what it sees.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from tuneops.core.claim import Claim
from tuneops.core.desired import Pinned
from tuneops.core.ledger import updated
from tuneops.core.lock import Creation
from tuneops.core.observed import ObservedJob
from tuneops.core.request import JobRequest

INTENT_AGE = timedelta(seconds=60)
"""How long another runner may take between claiming and sending before it counts as dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One create, decided and described: everything but the doing."""

    address: str
    key: str
    owner: str
    creation: Creation
    request: JobRequest
    datasets: tuple[Pinned, ...]
    runner: str
    at: datetime
    """The service's clock at the complete list that this order was decided on."""
    settle: timedelta


# --- effects -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckData:
    """Compare a dataset with its pin, uploading it first if it is ours to upload → DataState."""

    pinned: Pinned


DataState = Literal["ready", "moved", "gone"]


@dataclass(frozen=True, slots=True)
class ReadClaim:
    """Read a claim → (Claim, generation), or None."""

    key: str


@dataclass(frozen=True, slots=True)
class SwapClaim:
    """Write a claim if nobody wrote since → its new generation, or None when somebody did."""

    claim: Claim
    expected: str | None


@dataclass(frozen=True, slots=True)
class ListJobs:
    """Read the complete list → (the service's clock, jobs)."""


@dataclass(frozen=True, slots=True)
class ProveMemory:
    """Prove that journal and lock can be written, before money is spent."""

    address: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Write an entry to the journal, on disk before this returns."""

    address: str
    key: str
    creation: Creation


@dataclass(frozen=True, slots=True)
class Forget:
    """Write to the journal that an intent came to nothing."""

    address: str
    key: str


@dataclass(frozen=True, slots=True)
class PostJob:
    """Send the one POST → ObservedJob, Refusal or Silence.

    Nothing is sent when the latest `ListJobs` began more than `within` ago; that is a Refusal.
    """

    request: JobRequest
    within: timedelta = INTENT_AGE
    """The issued mark bears the time of that list: a run that was held up since, or whose machine
    slept, would send when others already take its mark for one that can land no more."""


Effect = CheckData | ReadClaim | SwapClaim | ListJobs | ProveMemory | Remember | Forget | PostJob


# --- answers and outcomes ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refusal:
    """The service said no: nothing was made. `busy` when it only has no room now."""

    message: str
    notes: tuple[str, ...] = ()
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Silence:
    """No trustworthy answer came back: the job may have been made."""

    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The create was sent and its outcome is not known; the entry says so until it is."""

    creation: Creation
    message: str


@dataclass(frozen=True, slots=True)
class Made:
    """The job was made by this very POST."""

    creation: Creation


@dataclass(frozen=True, slots=True)
class Found:
    """The job was there already; the next tick records it."""

    job: str


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing was sent, because it is not certain that nothing was sent before, or data moved."""

    why: Literal["unanswered", "pin-moved", "pin-lost", "not-listed"]
    message: str


@dataclass(frozen=True, slots=True)
class Contended:
    """Another runner is about to create this job, or has just claimed it."""

    message: str


Outcome = Made | Found | Refusal | Unknown | Held | Contended


def create(order: Order) -> Generator[Effect, Any, Outcome]:
    """Buy the job of an order, or say why not.

    Faults of reads and of local writes are thrown in by the driver and end the attempt: before the
    POST they cost nothing, after it the journal and the claim still say that it was sent.
    """
    for pinned in order.datasets:
        state: DataState = yield CheckData(pinned)
        if state != "ready":
            return _data_held(pinned, state)
    won = yield from _claim(order)
    if not isinstance(won, _Won):
        return won
    at, jobs = yield ListJobs()
    if job := _mine(order, won.claim.marks, jobs):
        yield SwapClaim(replace(won.claim, phase="bound", job=job.name), won.generation)
        return Found(job.name)
    yield ProveMemory(order.address)
    intent = replace(order.creation, asked=at)
    yield Remember(order.address, order.key, intent)
    issued = replace(won.claim, phase="issued", at=at)
    fence = yield SwapClaim(issued, won.generation)
    if fence is None:
        yield Forget(order.address, order.key)
        return Contended(f"another run took the claim of `{order.address}` at the last moment")
    answer: ObservedJob | Refusal | Silence = yield PostJob(order.request)
    return (yield from _settle(order, intent, issued, fence, answer))


@dataclass(frozen=True, slots=True)
class _Won:
    claim: Claim
    generation: str


def _claim(order: Order) -> Generator[Effect, Any, "_Won | Outcome"]:
    """Win the claim of the order's key, or say who has it."""
    found: tuple[Claim, str] | None = yield ReadClaim(order.key)
    claim = Claim(
        key=order.key,
        phase="intent",
        epoch=1,
        marks=(order.creation.mark,),
        runner=order.runner,
        at=order.at,
    )
    expected = None
    if found is not None:
        earlier, expected = found
        if held := _not_free(order, earlier):
            return held
        claim = replace(claim, epoch=earlier.epoch + 1, marks=(*earlier.marks, order.creation.mark))
    generation: str | None = yield SwapClaim(claim, expected)
    if generation is None:
        return Contended(f"another run claimed `{order.address}` first")
    return _Won(claim, generation)


def _not_free(order: Order, claim: Claim) -> Outcome | None:
    age = order.at - claim.at
    match claim.phase:
        case "bound":
            message = f"`{claim.job}` was made for `{order.address}`, but the list does not show it"
            return Held("not-listed", message)
        case "intent" if age < INTENT_AGE and claim.runner != order.runner:
            return Contended(f"another run is about to create `{order.address}`")
        case "issued" if age < order.settle:
            left = int((order.settle - age).total_seconds())
            message = f"a create of `{order.address}` was sent and not answered; it may still land"
            return Held("unanswered", f"{message} within {left} s")
        case _:
            return None


def _settle(
    order: Order,
    intent: Creation,
    issued: Claim,
    fence: str,
    answer: ObservedJob | Refusal | Silence,
) -> Generator[Effect, Any, Outcome]:
    """Write down what came of the POST."""
    match answer:
        case ObservedJob():
            made = updated(intent, answer)
            yield Remember(order.address, order.key, made)
            yield SwapClaim(replace(issued, phase="bound", job=answer.name), fence)
            return Made(made)
        case Refusal():
            yield Forget(order.address, order.key)
            yield SwapClaim(replace(issued, phase="void"), fence)
            return answer
        case Silence(message=message):
            return Unknown(intent, message)


def _mine(
    order: Order, marks: tuple[str, ...], jobs: tuple[ObservedJob, ...]
) -> ObservedJob | None:
    """The job of this order, whoever made it: by lineage and attempt, or by one of its marks."""
    for job in jobs:
        mark = job.ownership
        if mark is None or mark.owner != order.owner:
            continue
        same = (mark.lineage, mark.attempt) == (order.creation.lineage, order.creation.attempt)
        if same or mark.mark in marks:
            return job
    return None


def _data_held(pinned: Pinned, state: DataState) -> Outcome:
    uri = pinned.dataset.uri
    if state == "gone":
        return Held("pin-lost", f"`{uri}` is not there any more")
    return Held("pin-moved", f"`{uri}` does not hold the bytes that were planned")
