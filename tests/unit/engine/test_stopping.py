"""Asking a job to stop: what must be there first, and what is written down before and after."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.builders import a_creation, a_job, a_key, a_lock, a_mark, an_observed_job
from tuneops.core.claim import Claim
from tuneops.core.creation import Found, Held, Outcome, Refusal
from tuneops.core.lock import Creation, Lock
from tuneops.core.observed import JobState, ObservedJob
from tuneops.core.plan import Action, Change, Reason
from tuneops.core.steps import CancelJob
from tuneops.engine.stopping import cancel_job
from tuneops.errors import ClaimDamaged, DiskError, Rejected, Unavailable

JOB = a_job()
KEY = a_key(JOB)
OLDER, YOUNGER = an_observed_job(JOB, number=1), an_observed_job(JOB, number=2)
ENTRY = a_creation(JOB, number=1, state=JobState.RUNNING)
LOCK = a_lock(("support-bot/seed", KEY, ENTRY))


class Desk:
    """A service, a journal and a claim store that write down what is done to them, in turn."""

    def __init__(self, *jobs: ObservedJob, claim: Claim | None = None) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.claim = claim
        self.did: list[str] = []
        self.lines: list[Creation] = []
        self.swaps: list[Claim] = []
        self.lost = 0
        """How many swaps others win."""

    def get_job(self, name: str) -> ObservedJob | None:
        return self.jobs.get(name)

    def cancel_job(self, name: str) -> None:
        self.did.append(f"cancel {name.rpartition('/')[2]}")

    def remember(self, address: str, key: str, creation: Creation) -> None:
        assert (address, key) == ("support-bot/seed", KEY)
        self.did.append(f"journal {creation.cancel_asked}")
        self.lines.append(creation)

    def read(self, key: str) -> tuple[Claim, str] | None:
        assert key == KEY
        return (self.claim, f"{len(self.swaps)}") if self.claim else None

    def swap(self, claim: Claim, expected: str | None) -> str | None:
        assert expected == (f"{len(self.swaps)}" if self.claim else None)
        self.swaps.append(claim)
        if len(self.swaps) <= self.lost:
            return None
        self.did.append(f"claim {claim.cancel_asked}")
        self.claim = claim
        return "new"

    def stop(
        self, job: ObservedJob, *, keep: str | None = None, lock: Lock = LOCK
    ) -> Outcome | None:
        assert job.ownership is not None
        change = Change(
            address="support-bot/seed",
            action=Action.CANCEL,
            reason=Reason.DUPLICATE,
            lineage=job.ownership.lineage,
            job=job.name,
        )
        hands: Any = SimpleNamespace(service=self, memory=self, claims=self)
        return cancel_job(CancelJob(change=change, keep=keep), lock, hands, "runner")


def a_claim(of: ObservedJob, **changes: Any) -> Claim:
    assert of.ownership is not None
    mine = (of.ownership.mark,)
    plain = Claim(
        key=KEY, phase="bound", epoch=1, marks=mine, runner="runner", at=of.created, job=of.name
    )
    return replace(plain, **changes)


def failing(fault: Exception, when: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
    """A port that fails when it is to, and else does nothing."""

    def call(*arguments: Any) -> None:
        if when(*arguments):
            raise fault

    return call


ORDER = ["journal False", "claim False", "cancel 1", "journal True", "claim True"]


def test_it_is_written_down_everywhere_before_it_is_sent_and_again_when_it_was_heard() -> None:
    desk = Desk(OLDER, claim=a_claim(OLDER))
    assert desk.stop(OLDER) is None
    assert desk.did == ORDER
    assert desk.lines[0] == replace(ENTRY, cancel_asked=False)
    assert desk.claim == a_claim(OLDER, cancel_asked=True)


def test_a_claim_that_was_lost_is_made_anew() -> None:
    desk = Desk(OLDER)
    assert desk.stop(OLDER) is None
    assert desk.did == ORDER and desk.swaps[0] == a_claim(OLDER, cancel_asked=False)


@pytest.mark.parametrize("phase", ["issued", "intent", "void"])
def test_a_claim_that_does_not_know_its_job_yet_is_bound_to_it(phase: Any) -> None:
    desk = Desk(OLDER, claim=a_claim(OLDER, phase=phase, job=None))
    assert desk.stop(OLDER) is None
    assert desk.swaps[0] == a_claim(OLDER, cancel_asked=False)


def test_a_cancel_that_is_sent_again_is_not_forgotten_meanwhile() -> None:
    asked = a_lock(("support-bot/seed", KEY, replace(ENTRY, cancel_asked=True)))
    for claim in (a_claim(OLDER, cancel_asked=True), a_claim(OLDER)):
        desk = Desk(OLDER, claim=claim)
        assert desk.stop(OLDER, lock=asked) is None
        writes = [] if claim.cancel_asked else ["claim True"]
        assert desk.did == ["journal True", *writes, "cancel 1", "journal True"]
    desk = Desk(OLDER, claim=a_claim(OLDER, cancel_asked=True))
    assert desk.stop(OLDER) is None
    assert desk.did == ["journal False", "cancel 1", "journal True"]


def test_the_claim_of_a_surplus_twin_is_its_brothers_and_stays_as_it_is() -> None:
    desk = Desk(OLDER, YOUNGER, claim=a_claim(OLDER))
    assert desk.stop(YOUNGER, keep=OLDER.name) is None
    assert desk.did == ["journal False", "cancel 2", "journal True"]
    assert desk.lines[1] == replace(
        ENTRY, job=YOUNGER.name, mark=a_mark(2), state=JobState.RUNNING, cancel_asked=True
    )


def test_an_entry_of_another_attempt_is_not_a_twins() -> None:
    second = a_key(JOB, 2)
    lock = a_lock(("support-bot/seed", second, replace(ENTRY, attempt=2, job="another")))
    desk = Desk(OLDER)
    assert desk.stop(OLDER, lock=lock) is None
    assert desk.did == ["cancel 1"]


@pytest.mark.parametrize(("lost", "tries"), [(1, 2), (2, 3)])
def test_a_claim_that_others_change_meanwhile_is_read_again(lost: int, tries: int) -> None:
    desk = Desk(OLDER, claim=a_claim(OLDER))
    desk.lost = lost
    assert desk.stop(OLDER) is None
    assert len(desk.swaps) == tries + 1


def test_a_claim_that_always_changes_lets_nothing_be_sent() -> None:
    desk = Desk(OLDER, claim=a_claim(OLDER))
    desk.lost = 99
    with pytest.raises(Unavailable) as told:
        desk.stop(OLDER)
    assert len(desk.swaps) == 3 and desk.did == ["journal False"]
    assert told.value.notes == ("the job was not asked to stop",)


def test_what_cannot_be_written_after_it_was_sent_is_a_trouble_and_no_denial() -> None:
    desk = Desk(OLDER, claim=a_claim(OLDER))
    right = desk.swap
    desk.swap = lambda claim, old: None if claim.cancel_asked else right(claim, old)  # type: ignore[method-assign]
    outcome = desk.stop(OLDER)
    assert isinstance(outcome, Refusal) and outcome.troubles
    assert "was asked to stop" in outcome.message and "not" not in "".join(outcome.notes)
    assert desk.did == [*ORDER[:4]]


def test_a_journal_that_cannot_be_written_lets_nothing_be_sent() -> None:
    desk = Desk(OLDER, claim=a_claim(OLDER))
    desk.remember = failing(DiskError("full"))  # type: ignore[method-assign]
    with pytest.raises(DiskError):
        desk.stop(OLDER)
    assert not desk.did


def test_a_claim_that_is_garbage_is_for_a_person() -> None:
    desk = Desk(OLDER)
    desk.read = failing(ClaimDamaged("garbage", help="look at it"))  # type: ignore[method-assign]
    assert desk.stop(OLDER) == Held("claim-damaged", "garbage; look at it")
    assert desk.did == ["journal False"]


def test_a_cancel_that_the_service_refuses_is_told_and_is_not_ours() -> None:
    desk = Desk(OLDER, claim=a_claim(OLDER))
    no = Rejected("no", status=403, reason="PERMISSION_DENIED", notes=("ask somebody",))
    desk.cancel_job = failing(no)  # type: ignore[method-assign]
    assert desk.stop(OLDER) == Refusal("no", no.notes)
    assert desk.did == ORDER[:2]


def test_a_surplus_twin_is_stopped_only_while_the_other_is_there() -> None:
    done = replace(OLDER, state=JobState.SUCCEEDED)
    for other in (OLDER, done):
        desk = Desk(other, YOUNGER)
        assert desk.stop(YOUNGER, keep=OLDER.name, lock=a_lock()) is None
        assert desk.did == ["cancel 2"]
    for gone in ((), (replace(OLDER, state=JobState.FAILED),)):
        desk = Desk(YOUNGER, *gone)
        assert isinstance(desk.stop(YOUNGER, keep=OLDER.name), Refusal)
        assert not desk.did


@pytest.mark.parametrize(
    "there",
    [
        replace(OLDER, ownership=None),
        replace(OLDER, ownership=replace(OLDER.ownership, lineage="v1-other")),  # type: ignore[type-var]
    ],
    ids=["nobody's", "another's"],
)
def test_a_job_that_changed_hands_since_the_plan_is_left_alone(there: ObservedJob) -> None:
    desk = Desk(there)
    assert isinstance(desk.stop(OLDER), Refusal) and not desk.did


@pytest.mark.parametrize("there", [(), (replace(OLDER, state=JobState.SUCCEEDED),)])
def test_a_job_that_has_ended_or_is_gone_is_found(there: tuple[ObservedJob, ...]) -> None:
    desk = Desk(*there)
    assert desk.stop(OLDER) == Found(OLDER.name) and not desk.did
