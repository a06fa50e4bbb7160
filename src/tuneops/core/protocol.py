"""The creation protocol: how one job is bought at most once, as a generator that yields effects.

The generator touches nothing; a crash can be tried before and after every effect. The order is the
whole point: data first, then the claim, then a look at the complete list, then proof that the
answer can be remembered, then the intent on disk, then the fenced `issued` mark, and only then the
one POST. No POST is ever repeated: without an answer the job is looked for by its mark, in several
complete lists; where it does not show, a later run decides.

Faults are thrown in by the driver. Before the POST they end the attempt, and cost nothing. After it
they are troubles of an outcome that is true all the same. A claim store that does not answer is
asked what became of the write: who finds his own record there has won.

Differences from the protocol that was modelled first, on purpose:

- Claims hold no digest of the body: their key is that of a lineage, which is one of the recipe; the
  body differs in every POST, by its mark and its cause.
- The age of an `issued` mark counts from the list before it, which the service dated. A POST is
  given a minute from that list on; the driver measures it, and a run that slept sends nothing.
- Claims of old jobs are never pruned. A claim is the last witness where a list hides its job and
  the lock was lost or reverted, and only here is it known who asked for a cancel.
- Without a claim store that others share, twins are cancelled later (`core.excess`); there is no
  random pause before the create, which only makes them rarer.
"""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tuneops.core.claim import Claim, Reservation
from tuneops.core.creation import (
    INTENT_AGE,
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
from tuneops.core.ledger import updated
from tuneops.core.lock import Creation
from tuneops.core.match import shows
from tuneops.core.observed import ObservedJob
from tuneops.core.purse import Purse, standing
from tuneops.errors import ClaimDamaged, TuneopsError, Unavailable

LOOKS = (2, 5, 10, 20, 30)
"""Seconds before each look for a job whose answer was lost."""

TAKE_OVER_LISTS, APART = 3, 10
"""A claim of a create without an answer is taken over only after so many complete lists, so many
seconds apart, none of which shows its job."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
"""How long a create waits after the quota's first no, and at most; twice as long after each."""

RIVALS = 3
"""How often a create looks again because another run reserved money meanwhile."""

Steps = Generator[Effect, Any, Outcome]


def create(order: Order) -> Steps:
    """Buy the job of an order, or say why not."""
    for pinned in order.datasets:
        state: DataState = yield CheckData(pinned)
        if state != "ready":
            return _data_held(pinned, state)
    try:
        ready = yield from _prepare(order)
    except ClaimDamaged as fault:
        return Held("claim-damaged", f"{fault.message}; {fault.help}")
    if not isinstance(ready, _Issued):
        return ready
    answer: ObservedJob | Refusal | Silence = yield PostJob(
        order.request, within=min(INTENT_AGE, order.settle / 2)
    )
    match answer:
        case ObservedJob():
            return (yield from _made(order, ready, answer))
        case Refusal():
            return (yield from _refused(order, ready, answer))
        case Silence(message=message):
            return (yield from _look_for(order, ready, message))


@dataclass(frozen=True, slots=True)
class _Won:
    claim: Claim
    generation: str


@dataclass(frozen=True, slots=True)
class _Issued(_Won):
    """The claim that lets the POST go, and the entry that announces it."""

    intent: Creation


# --- before the POST -----------------------------------------------------------------------------


def _prepare(order: Order) -> Generator[Effect, Any, _Issued | Outcome]:
    """Win the claim, look once more, and announce the POST wherever it must be remembered."""
    won = yield from _claim(order)
    if not isinstance(won, _Won):
        return won
    at = yield from _look_once_more(order, won)
    if not isinstance(at, datetime):
        return at
    yield ProveMemory(order.address)
    intent = replace(order.creation, asked=at)
    yield Remember(order.address, order.key, intent)
    issued = replace(won.claim, phase="issued", at=at)
    try:
        fence = yield from _swap(issued, won.generation)
    except TuneopsError:
        yield Forget(order.address, order.key)
        raise
    if fence is None:
        yield Forget(order.address, order.key)
        return Contended(f"another run took the claim of `{order.address}` at the last moment")
    return _Issued(issued, fence, intent)


def _look_once_more(order: Order, won: _Won) -> Generator[Effect, Any, datetime | Outcome]:
    """Read the list just before the create, and reserve its price where ceilings are shared.

    What others reserved is read before the list and replaced after it: a run that reserved in
    between makes this one look again.
    """
    for _ in range(RIVALS):
        found = (yield ReadClaim(order.purse.key)) if order.purse else None
        at: datetime
        at, jobs = yield ListJobs()
        there = _there(order, won.claim.marks, jobs)
        if there is not None:
            return (yield from _found(won, there))
        if order.purse is None:
            return at
        held = standing(found[0] if found else None, at, order.settle + INTENT_AGE)
        if words := order.purse.refusal(at, jobs, held):
            return Held("over-budget", words)
        record = _with_share(order, order.purse, held, at)
        if (yield from _swap(record, found[1] if found else None)) is not None:
            return at
    return Contended(f"other runs buy under the ceiling of `{order.address}` just now")


def _with_share(order: Order, purse: Purse, held: tuple[Reservation, ...], at: datetime) -> Claim:
    mine = Reservation(
        key=order.key,
        owner=order.owner,
        lineage=order.creation.lineage,
        mark=order.creation.mark,
        cost=purse.cost,
        at=at,
    )
    others = tuple(one for one in held if one.key != order.key)
    return Claim(
        key=purse.key,
        phase="intent",
        epoch=1,
        marks=(),
        runner=order.runner,
        at=at,
        reserved=(*others, mine),
    )


def _claim(order: Order) -> Generator[Effect, Any, _Won | Outcome]:
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
        if earlier.phase == "bound":
            return (yield from _look_for_bound(order, earlier))
        if held := _not_free(order, earlier):
            return held
        if earlier.phase == "issued":
            at, there = yield from _look_thrice(order, earlier)
            if there is not None:
                return (yield from _found(_Won(earlier, expected), there))
            claim = replace(claim, at=at)
        claim = replace(
            claim,
            epoch=earlier.epoch + 1,
            marks=(*earlier.marks, order.creation.mark),
            refusals=earlier.refusals,
        )
    generation = yield from _swap(claim, expected)
    if generation is None:
        return Contended(f"another run claimed `{order.address}` first")
    return _Won(claim, generation)


def _not_free(order: Order, claim: Claim) -> Outcome | None:
    age = order.at - claim.at
    match claim.phase:
        case "intent" if age < INTENT_AGE and claim.runner != order.runner:
            return Contended(f"another run is about to create `{order.address}`")
        case "issued" if age < order.settle:
            left = int((order.settle - age).total_seconds())
            message = f"a create of `{order.address}` was sent and not answered; it may still land"
            return Held("unanswered", f"{message} within {left} s")
        case "void" if claim.not_before is not None and order.at < claim.not_before:
            until = f"{claim.not_before:%Y-%m-%d %H:%M:%S} UTC"
            return Held("quota", f"the quota was full; `{order.address}` waits until {until}")
        case _:
            return None


def _look_for_bound(order: Order, claim: Claim) -> Generator[Effect, Any, Outcome]:
    """Say where the job of a claim is: it may have been made since the list of this tick."""
    at, jobs = yield ListJobs()
    there = _there(order, claim.marks, jobs)
    if there is not None:
        return there if isinstance(there, Held) else Found(there.name)
    made = f"`{claim.job}` was made for `{order.address}`"
    if at - claim.at < order.settle:
        return Held("not-listed", f"{made}, but the list does not show it yet")
    again = f"`tuneops retry {order.address}` if it should be bought again"
    return Held("job-gone", f"{made} and is not there any more; {again}")


def _look_thrice(
    order: Order, claim: Claim
) -> Generator[Effect, Any, tuple[datetime, ObservedJob | Held | None]]:
    """Look for the job of an unanswered create before its claim is taken over."""
    at = order.at
    for number in range(TAKE_OVER_LISTS):
        if number:
            yield Wait(APART)
        at, jobs = yield ListJobs()
        if there := _there(order, claim.marks, jobs):
            return at, there
    return at, None


def _there(
    order: Order, marks: tuple[str, ...], jobs: tuple[ObservedJob, ...]
) -> ObservedJob | Held | None:
    """The job of this order, whoever made it; a hold where only a copy carries its labels."""
    carriers = [job for job in jobs if _labelled(order, marks, job)]
    for job in carriers:
        if shows(order.creation.recipe, job):
            return job
    if not carriers:
        return None
    message = f"`{carriers[0].name}` carries the labels of `{order.address}`, not its settings"
    return Held("not-known-here", f"{message}; it was left alone and nothing was sent")


def _labelled(order: Order, marks: tuple[str, ...], job: ObservedJob) -> bool:
    """Say whether a job's labels name this order: its lineage and attempt, or one of its marks."""
    mark = job.ownership
    if mark is None or mark.owner not in {order.owner, *order.owners}:
        return False
    wanted = (order.creation.lineage, order.creation.attempt)
    return (mark.lineage, mark.attempt) == wanted or mark.mark in marks


def _found(won: _Won, there: ObservedJob | Held) -> Steps:
    """End with a job that was there already: the claim is bound to it."""
    if isinstance(there, Held):
        return there
    return Found(there.name, (yield from _bind(won, there.name)))


# --- after the POST ------------------------------------------------------------------------------


def _made(order: Order, issued: _Issued, job: ObservedJob, *, lost: bool = False) -> Steps:
    """Write down the job that this POST made, wherever that is possible."""
    made = updated(issued.intent, job)
    disk = yield from _tried(Remember(order.address, order.key, made))
    troubles = disk + (yield from _bind(issued, job.name))
    unlabelled = job.ownership is None or job.ownership.by_line
    return Made(made, lost, troubles, unlabelled=unlabelled)


def _refused(order: Order, issued: _Issued, answer: Refusal) -> Steps:
    """Write down that nothing was made; after a no of the quota's, when to try again."""
    void = replace(issued.claim, phase="void", refusals=None)
    if answer.quota:
        refusals = (issued.claim.refusals or 0) + 1
        pause = min(FIRST_PAUSE * 2 ** min(refusals - 1, 10), LONGEST_PAUSE)
        void = replace(void, refusals=refusals, not_before=issued.claim.at + pause)
    disk = yield from _tried(Forget(order.address, order.key))
    written = yield from _recorded(void, issued.generation)
    yield from _give_back(order)
    return replace(answer, troubles=disk + written)


def _give_back(order: Order) -> Generator[Effect, Any, None]:
    """Take back the reservation of a create that came to nothing; else it lapses by itself."""
    if order.purse is None:
        return
    with contextlib.suppress(TuneopsError):
        found: tuple[Claim, str] | None = yield ReadClaim(order.purse.key)
        if found is not None:
            held = tuple(x for x in found[0].reserved or () if x.mark != order.creation.mark)
            yield SwapClaim(replace(found[0], reserved=held), found[1])


def _look_for(order: Order, issued: _Issued, message: str) -> Steps:
    """Look for the job by its mark; a look that fails is no look."""
    waited = timedelta()
    for seconds in LOOKS:
        waited += timedelta(seconds=seconds)
        if waited > order.settle:
            break
        yield Wait(seconds)
        try:
            _, jobs = yield ListJobs()
        except TuneopsError:
            continue
        for job in jobs:
            own = job.ownership is not None and job.ownership.mark == order.creation.mark
            if own and shows(order.creation.recipe, job):
                return (yield from _made(order, issued, job, lost=True))
    return Unknown(issued.intent, message)


def _bind(won: _Won, job: str) -> Generator[Effect, Any, tuple[str, ...]]:
    """Bind the claim to its job; gives what went wrong."""
    return (yield from _recorded(replace(won.claim, phase="bound", job=job), won.generation))


def _recorded(claim: Claim, expected: str) -> Generator[Effect, Any, tuple[str, ...]]:
    """Write the last word of a claim; gives what went wrong. Another's same word will do."""
    try:
        if (yield from _swap(claim, expected)) is not None:
            return ()
        found: tuple[Claim, str] | None = yield ReadClaim(claim.key)
    except TuneopsError as fault:
        return (fault.message,)
    if found is not None and (found[0].phase, found[0].job) == (claim.phase, claim.job):
        return ()
    return ("the claim was changed by another run, or is gone",)


def _tried(effect: Effect) -> Generator[Effect, Any, tuple[str, ...]]:
    """Do an effect that may fail; gives what went wrong."""
    try:
        yield effect
    except TuneopsError as fault:
        return (fault.message,)
    return ()


def _swap(claim: Claim, expected: str | None) -> Generator[Effect, Any, str | None]:
    """Swap a claim; without an answer, read what became of it, and try once more if nothing did."""
    for again in (False, True):
        try:
            won: str | None = yield SwapClaim(claim, expected)
        except Unavailable:
            if again:
                raise
        else:
            if won is not None or not again:
                return won
        found: tuple[Claim, str] | None = yield ReadClaim(claim.key)
        if found is not None and found[0] == claim:
            return found[1]
        if (found[1] if found is not None else None) != expected:
            return None
    return None


def _data_held(pinned: Pinned, state: DataState) -> Outcome:
    uri = pinned.dataset.uri
    if state == "gone":
        return Held("pin-lost", f"`{uri}` is not there any more")
    return Held("pin-moved", f"`{uri}` does not hold the bytes that were planned")
