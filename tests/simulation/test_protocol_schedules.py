"""The protocol alone: every order in which two runs can take their effects, with small faults."""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest

from tests.support.builders import NOON, SETTLE, a_job, a_mark, an_observed_job, an_order
from tuneops.core.claim import Claim
from tuneops.core.creation import (
    CheckData,
    Contended,
    Forget,
    Found,
    Held,
    ListJobs,
    Made,
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
from tuneops.core.observed import ObservedJob
from tuneops.core.protocol import create

JOB = a_job()


@dataclass
class Toy:
    """One key: its claim, its jobs, and a clock."""

    at: datetime = NOON
    claim: tuple[Claim, int] | None = None
    jobs: list[ObservedJob] = field(default_factory=list)
    lag: bool = False
    silent: bool = False
    lost: bool = False

    def perform(self, effect: object, mark: str) -> object:
        match effect:
            case CheckData():
                return "ready"
            case ReadClaim():
                return (self.claim[0], str(self.claim[1])) if self.claim else None
            case SwapClaim(claim=claim, expected=expected):
                now = self.claim[1] if self.claim else None
                if expected != (None if now is None else str(now)):
                    return None
                if self.claim is not None:
                    assert self.claim[0].phase != "bound", "bound is final"
                self.claim = (claim, (now or 0) + 1)
                return str(self.claim[1])
            case ListJobs():
                return self.at, () if self.lag else tuple(self.jobs)
            case PostJob():
                if not self.lost:
                    made = an_observed_job(JOB, number=len(self.jobs) + 1)
                    owned = replace(made.ownership, mark=mark)  # type: ignore[type-var]
                    self.jobs.append(replace(made, ownership=owned))
                return Silence("?") if self.silent or self.lost else self.jobs[-1]
            case Wait(seconds):
                self.at += timedelta(seconds=seconds)
                return None
            case ProveMemory() | Remember() | Forget():
                return None
        raise AssertionError(effect)


Run = Generator[Any, Any, Any]


def _start(number: int, at: datetime = NOON) -> tuple[Run, str]:
    mark = a_mark(number)
    order = an_order(JOB, runner=f"runner-{number}", at=at)
    order = replace(order, creation=replace(order.creation, mark=mark))
    return create(order), mark


def _step(toy: Toy, run: Run, mark: str, answer: object) -> tuple[object, bool]:
    try:
        effect = run.send(answer)
    except StopIteration as end:
        return end.value, True
    return toy.perform(effect, mark), False


def _play(toy: Toy, schedule: frozenset[int]) -> list[object]:
    """Run the first one, but for the turns of the second that `schedule` names; then the rest."""
    runs = [_start(1), _start(2)]
    answers: list[object] = [None, None]
    outcomes: list[object] = [None, None]
    done = [False, False]
    turn = 0
    while not all(done):
        index = 1 if turn in schedule else 0
        if done[index]:
            index = 1 - index
        answers[index], done[index] = _step(toy, *runs[index], answers[index])
        if done[index]:
            outcomes[index] = answers[index]
        turn += 1
    return outcomes


@pytest.mark.parametrize("lag", [False, True])
@pytest.mark.parametrize("trouble", ["none", "silent", "lost"])
def test_every_interleaving_of_two_runs_posts_once(lag: bool, trouble: str) -> None:
    schedules = 0
    for size in range(7):
        for turns in combinations(range(14), size):
            toy = Toy(lag=lag, silent=trouble == "silent", lost=trouble == "lost")
            outcomes = _play(toy, frozenset(turns))
            schedules += 1
            assert len(toy.jobs) == (0 if trouble == "lost" else 1)
            kinds = {type(outcome) for outcome in outcomes}
            silent = trouble == "lost" or (trouble == "silent" and lag)
            winners = {Unknown} if silent else {Made}
            assert kinds & (winners | {Found}), outcomes
            assert kinds <= winners | {Found, Contended, Held}
            assert toy.claim is not None
            assert toy.claim[0].phase == ("issued" if silent else "bound")
    assert schedules > 6_000


def _run(toy: Toy, number: int, stop_before: type | None = None) -> object:
    run, mark = _start(number, toy.at)
    answer: object = None
    while True:
        try:
            effect = run.send(answer)
        except StopIteration as end:
            return end.value
        if stop_before is not None and isinstance(effect, stop_before):
            return effect
        answer = toy.perform(effect, mark)


def test_an_issued_claim_is_not_taken_over_before_the_settle_time_and_is_after_it() -> None:
    toy = Toy()
    assert isinstance(_run(toy, 1, PostJob), PostJob)
    toy.at = NOON + SETTLE - timedelta(seconds=1)
    held = _run(toy, 2)
    assert isinstance(held, Held) and held.why == "unanswered" and not toy.jobs
    toy.at = NOON + SETTLE
    assert isinstance(_run(toy, 2), Made)
    assert toy.claim is not None and len(toy.claim[0].marks) == 2


def test_an_intent_of_another_run_is_left_alone_for_a_minute() -> None:
    toy = Toy()
    _run(toy, 1, ListJobs)
    toy.at = NOON + timedelta(seconds=59)
    assert isinstance(_run(toy, 2), Contended)
    assert isinstance(_run(toy, 1), Made), "the run itself goes on at once"


def test_a_run_that_slept_over_a_take_over_is_fenced_off() -> None:
    toy = Toy()
    run, mark = _start(1)
    answer: object = None
    effect = run.send(None)
    while not (isinstance(effect, SwapClaim) and effect.claim.phase == "issued"):
        answer = toy.perform(effect, mark)
        effect = run.send(answer)
    toy.at = NOON + timedelta(minutes=5)
    assert isinstance(_run(toy, 2), Made)
    answer = toy.perform(effect, mark)
    assert isinstance(run.send(answer), Forget)
    with pytest.raises(StopIteration) as end:
        run.send(None)
    assert isinstance(end.value.value, Contended)
    assert len(toy.jobs) == 1


def test_a_bound_claim_whose_job_is_not_listed_is_never_bought_again() -> None:
    toy = Toy()
    assert isinstance(_run(toy, 1), Made)
    toy.lag = True
    toy.at = NOON + timedelta(days=400)
    held = _run(toy, 2)
    assert isinstance(held, Held) and held.why == "job-gone"


def test_a_refused_create_leaves_a_void_claim_that_the_next_run_takes() -> None:
    toy = Toy()
    run, mark = _start(1)
    answer: object = None
    outcome: object = None
    while outcome is None:
        try:
            effect = run.send(answer)
        except StopIteration as end:
            outcome = end.value
        else:
            posted = isinstance(effect, PostJob)
            answer = Refusal("no") if posted else toy.perform(effect, mark)
    assert isinstance(outcome, Refusal) and toy.claim is not None
    assert toy.claim[0].phase == "void"
    assert isinstance(_run(toy, 2), Made)


def test_a_job_that_carries_one_of_the_claims_marks_is_found_whatever_its_labels_say() -> None:
    toy = Toy()
    _run(toy, 1, PostJob)
    stranger = an_observed_job(a_job(nonce="relabelled"), number=7)
    owned = replace(stranger.ownership, mark=a_mark(1))  # type: ignore[type-var]
    toy.jobs.append(replace(stranger, ownership=owned))
    toy.at = NOON + SETTLE
    assert _run(toy, 2) == Found(stranger.name)
