"""The creation protocol, effect by effect: the order is the whole point."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.builders import (
    NOON,
    SETTLE,
    a_creation,
    a_job,
    a_mark,
    an_observed_job,
    an_order,
)
from tuneops.core.claim import Claim, Reservation
from tuneops.core.creation import (
    Contended,
    Forget,
    Found,
    Held,
    Made,
    Order,
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
from tuneops.core.labels import Note, describe, known_by_line
from tuneops.core.observed import ObservedJob
from tuneops.core.protocol import create
from tuneops.core.purse import Purse
from tuneops.errors import ClaimDamaged, DiskError, TuneopsError, Unavailable

JOB = a_job()


def _drive(**answers: Any) -> tuple[list[str], Any]:
    """Run an order with these answers; tell the effects' names and the outcome.

    A list is of answers in turn, the last of them for good; a fault is thrown in.
    """
    usual: dict[str, Any] = {
        "CheckData": "ready",
        "SwapClaim": "1",
        "ListJobs": (NOON, ()),
        "PostJob": an_observed_job(JOB),
    }
    turns = {
        name: list(answer) if isinstance(answer, list) else [answer]
        for name, answer in {**usual, **answers}.items()
        if name != "order"
    }
    protocol = create(answers.get("order", an_order(JOB)))
    names: list[str] = []
    answer: Any = None
    _SWAPPED.clear()
    while True:
        try:
            thrown = isinstance(answer, TuneopsError)
            effect = protocol.throw(answer) if thrown else protocol.send(answer)
        except StopIteration as end:
            return names, end.value
        name = type(effect).__name__
        more = effect.claim.phase if isinstance(effect, SwapClaim) else ""
        more = f"{effect.seconds}" if isinstance(effect, Wait) else more
        names.append(f"{name} {more}".rstrip())
        queue = turns.get(name, [None])
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if name == "SwapClaim":
            _WRITTEN[:] = [effect.claim]
            _SWAPPED.append(effect)
        if name == "PostJob":
            _POSTED[:] = [effect]


_WRITTEN: list[Claim] = []
"""The claim that was written last."""

_SWAPPED: list[SwapClaim] = []
"""Every write of a claim, in turn."""

_POSTED: list[PostJob] = []
"""The create that was sent."""


BEFORE = ["CheckData", "ReadClaim", "SwapClaim intent", "ListJobs", "ProveMemory", "Remember"]


def test_data_claim_list_memory_intent_fence_and_only_then_the_post() -> None:
    names, outcome = _drive()
    after = ["SwapClaim issued", "PostJob", "Remember", "SwapClaim bound"]
    assert names == [*BEFORE, *after]
    assert isinstance(outcome, Made) and outcome.creation.job == an_observed_job(JOB).name
    assert outcome.creation.asked is None
    assert (outcome.lost, outcome.troubles, outcome.unlabelled) == (False, (), False)


def test_the_usual_outcome_is_a_job_with_our_labels_by_an_answer_that_came() -> None:
    made = a_creation(JOB)
    assert Made(made) == Made(made, lost=False, troubles=(), unlabelled=False)


def test_a_job_that_is_made_without_our_labels_says_so() -> None:
    _, outcome = _drive(PostJob=replace(an_observed_job(JOB), ownership=None))
    assert isinstance(outcome, Made) and outcome.unlabelled


@pytest.mark.parametrize(
    ("settle", "within"), [(10, 5), (119, 59.5), (120, 60), (121, 60), (900, 60)]
)
def test_a_create_must_leave_within_a_minute_and_half_of_a_short_settle_time(
    settle: float, within: float
) -> None:
    """Whoever waits for the settle time to end must not meet it on its way."""
    _drive(order=an_order(JOB, settle=timedelta(seconds=settle)))
    assert _POSTED[0].within == timedelta(seconds=within)
    assert PostJob(an_order(JOB).request).within == timedelta(seconds=60)


@pytest.mark.parametrize(("state", "why"), [("gone", "pin-lost"), ("moved", "pin-moved")])
def test_data_that_is_not_as_pinned_stops_before_anything(state: str, why: str) -> None:
    names, outcome = _drive(CheckData=state)
    assert names == ["CheckData"]
    assert isinstance(outcome, Held) and outcome.why == why and "gs://" in outcome.message


def test_a_claim_that_is_lost_stops_before_the_list() -> None:
    names, outcome = _drive(SwapClaim=None)
    assert names == BEFORE[:3] and isinstance(outcome, Contended)


def test_a_fence_that_is_lost_forgets_the_intent_and_sends_nothing() -> None:
    names, outcome = _drive(SwapClaim=["1", None])
    assert names == [*BEFORE, "SwapClaim issued", "Forget"]
    assert isinstance(outcome, Contended)


LOOKS = [name for pause in (2, 5, 10, 20, 30) for name in (f"Wait {pause}", "ListJobs")]
POSTED = [*BEFORE, "SwapClaim issued", "PostJob"]
BROKEN = Unavailable("the store did not answer")
FULL = DiskError("no space left")


def _mine(*, mark: str | None = None) -> ObservedJob:
    """The job that the order's own POST makes, or one with another mark."""
    made = an_observed_job(JOB)
    assert made.ownership is not None
    mark = mark or an_order(JOB).creation.mark
    return replace(made, ownership=replace(made.ownership, mark=mark))


def _copied(job: ObservedJob) -> ObservedJob:
    """The same labels on other settings."""
    return replace(job, fields=replace(job.fields, base_model="gemini-2.5-pro"))


def test_silence_is_looked_into_and_leaves_intent_and_claim_as_they_are() -> None:
    names, outcome = _drive(PostJob=Silence("?"))
    assert names == [*POSTED, *LOOKS]
    assert isinstance(outcome, Unknown) and outcome.creation.asked == NOON


def test_no_look_goes_beyond_the_settle_time() -> None:
    names, outcome = _drive(PostJob=Silence("?"), order=an_order(JOB, settle=timedelta(seconds=17)))
    assert names == [*POSTED, *LOOKS[:6]] and isinstance(outcome, Unknown)


def test_a_job_whose_answer_was_lost_is_found_by_its_mark() -> None:
    lists = [(NOON, ()), (NOON, ()), BROKEN, (NOON, (an_observed_job(number=9), _mine()))]
    names, outcome = _drive(PostJob=Silence("?"), ListJobs=lists)
    assert names == [*POSTED, *LOOKS[:6], "Remember", "SwapClaim bound"]
    assert isinstance(outcome, Made) and outcome.lost and not outcome.troubles
    assert outcome.creation.job == _mine().name and outcome.creation.asked is None


def test_a_job_with_another_mark_or_other_settings_is_not_the_answer_that_was_lost() -> None:
    for job in (_mine(mark=a_mark(77)), _copied(_mine())):
        _, outcome = _drive(PostJob=Silence("?"), ListJobs=[(NOON, ()), (NOON, (job,))])
        assert isinstance(outcome, Unknown)


@pytest.mark.parametrize("answer", [BROKEN, FULL, None])
def test_a_claim_that_cannot_be_bound_hides_no_job(answer: Any) -> None:
    names, outcome = _drive(SwapClaim=["1", "2", answer])
    assert isinstance(outcome, Made) and len(outcome.troubles) == 1
    assert names[:9] == [*POSTED, "Remember"]


def test_a_claim_that_another_run_has_bound_to_our_job_will_do() -> None:
    bound = replace(_intent(), phase="bound", job=_mine().name, runner="another")
    _, outcome = _drive(SwapClaim=["1", "2", None], ReadClaim=[None, (bound, "9")])
    assert isinstance(outcome, Made) and not outcome.troubles


def test_an_answer_that_cannot_be_journalled_still_binds_the_claim() -> None:
    names, outcome = _drive(Remember=[None, FULL])
    assert names[-2:] == ["Remember", "SwapClaim bound"]
    assert isinstance(outcome, Made) and outcome.troubles == ("no space left",)


def test_a_refusal_that_cannot_be_written_down_is_still_one() -> None:
    names, outcome = _drive(PostJob=Refusal("no"), Forget=FULL, SwapClaim=["1", "2", BROKEN])
    assert names[len(POSTED) :][:2] == ["Forget", "SwapClaim void"]
    assert isinstance(outcome, Refusal) and len(outcome.troubles) == 2


# --- the claim store -----------------------------------------------------------------------------


def _intent() -> Claim:
    order = an_order(JOB)
    return Claim(
        key=order.key,
        phase="intent",
        epoch=1,
        marks=(order.creation.mark,),
        runner=order.runner,
        at=order.at,
    )


def test_who_finds_his_own_record_after_a_lost_answer_has_won() -> None:
    issued = replace(_intent(), phase="issued")
    names, outcome = _drive(
        SwapClaim=[BROKEN, BROKEN, "3"], ReadClaim=[None, (_intent(), "1"), (issued, "2")]
    )
    assert names.count("PostJob") == 1 and isinstance(outcome, Made) and not outcome.troubles


def test_a_write_that_was_lost_is_made_once_more() -> None:
    names, outcome = _drive(SwapClaim=[BROKEN, "1"])
    assert names[1:5] == ["ReadClaim", "SwapClaim intent", "ReadClaim", "SwapClaim intent"]
    assert isinstance(outcome, Made)


def test_a_write_that_landed_late_under_the_second_one_is_our_own() -> None:
    _, outcome = _drive(
        SwapClaim=[BROKEN, None, "2", "3"], ReadClaim=[None, None, (_intent(), "1")]
    )
    assert isinstance(outcome, Made)


def test_a_record_of_another_after_a_lost_answer_has_won() -> None:
    other = replace(_intent(), runner="another", marks=(a_mark(9),))
    names, outcome = _drive(SwapClaim=BROKEN, ReadClaim=[None, (other, "1")])
    assert isinstance(outcome, Contended) and "PostJob" not in names


def test_a_store_that_stays_silent_ends_the_attempt_with_nothing_sent() -> None:
    with pytest.raises(Unavailable):
        _drive(SwapClaim=BROKEN)


def test_a_fence_that_is_not_answered_forgets_the_intent() -> None:
    forgotten: list[str] = []
    protocol = create(an_order(JOB))
    answers = {"CheckData": "ready", "ListJobs": (NOON, ())}
    answer: Any = None
    with pytest.raises(Unavailable):
        while True:
            broken = answer is BROKEN
            effect = protocol.throw(BROKEN) if broken else protocol.send(answer)
            forgotten.append(type(effect).__name__)
            answer = answers.get(forgotten[-1])
            if isinstance(effect, SwapClaim):
                answer = "1" if effect.claim.phase == "intent" else BROKEN
            if isinstance(effect, ReadClaim) and len(forgotten) > 3:
                answer = (_intent(), "1")
    assert forgotten[-1] == "Forget" and "PostJob" not in forgotten


def test_a_claim_that_is_garbage_holds_its_own_create_and_says_what_to_do() -> None:
    damaged = ClaimDamaged("the claim `x` cannot be read", help="remove it only when")
    for reads in (damaged, [None, damaged]):
        names, outcome = _drive(ReadClaim=reads, SwapClaim=BROKEN)
        assert isinstance(outcome, Held) and outcome.why == "claim-damaged"
        assert "remove it only when" in outcome.message and "PostJob" not in names


def _old(**changes: Any) -> tuple[Claim, str]:
    """An earlier run's claim, an hour old."""
    old = replace(_intent(), runner="another", marks=(a_mark(9),), at=NOON - timedelta(hours=1))
    return replace(old, **changes), "7"


def test_an_unanswered_claim_is_taken_over_only_after_three_lists() -> None:
    names, outcome = _drive(ReadClaim=_old(phase="issued"))
    looks = ["ListJobs", "Wait 10", "ListJobs", "Wait 10", "ListJobs"]
    assert names[:8] == ["CheckData", "ReadClaim", *looks, "SwapClaim intent"]
    assert isinstance(outcome, Made)


def test_the_time_of_a_take_over_is_that_of_its_last_list() -> None:
    later = NOON + timedelta(seconds=20)
    lists = [(NOON, ()), (NOON, ()), (later, ()), BROKEN]
    with pytest.raises(Unavailable):
        _drive(ReadClaim=_old(phase="issued"), ListJobs=lists)
    assert _WRITTEN[0].at == later and _WRITTEN[0].marks == (a_mark(9), _intent().marks[0])


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_job_that_shows_before_a_take_over_is_bound(number: int) -> None:
    lists: list[Any] = [*[(NOON, ())] * number, (NOON, (_mine(mark=a_mark(9)),))]
    names, outcome = _drive(ReadClaim=_old(phase="issued"), ListJobs=lists)
    assert names[-1] == "SwapClaim bound" and names.count("ListJobs") == number + 1
    assert isinstance(outcome, Found) and not outcome.troubles
    assert _WRITTEN[0].marks == (a_mark(9),)


def test_a_list_that_fails_is_no_list_for_a_take_over() -> None:
    with pytest.raises(Unavailable):
        _drive(ReadClaim=_old(phase="issued"), ListJobs=[(NOON, ()), BROKEN])


SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("runner", "age", "taken"),
    [("another", MINUTE - SECOND, False), ("another", MINUTE, True), ("runner-1", SECOND, True)],
)
def test_an_intent_is_left_to_another_run_for_a_minute_and_to_our_own_never(
    runner: str, age: timedelta, taken: bool
) -> None:
    names, outcome = _drive(ReadClaim=_old(runner=runner, at=NOON - age, epoch=4))
    if taken:
        assert isinstance(outcome, Made) and _WRITTEN[0].epoch == 5
        assert _WRITTEN[0].marks == (a_mark(9), *_intent().marks)
    else:
        assert isinstance(outcome, Contended) and names[-1] == "ReadClaim"


def test_an_unanswered_create_is_waited_for_to_the_last_second() -> None:
    settle = an_order(JOB).settle
    names, outcome = _drive(ReadClaim=_old(phase="issued", at=NOON - settle + SECOND))
    assert isinstance(outcome, Held) and outcome.why == "unanswered" and names[-1] == "ReadClaim"
    assert outcome.message.endswith("it may still land within 1 s")
    _, outcome = _drive(ReadClaim=_old(phase="issued", at=NOON - settle))
    assert isinstance(outcome, Made)


def test_a_job_that_was_made_since_the_list_of_this_tick_is_found_and_not_called_unlisted() -> None:
    """Another run has bound its claim: that a list from before does not show it means nothing."""
    job = _mine(mark=a_mark(9))
    names, outcome = _drive(
        ReadClaim=_old(phase="bound", job=job.name, at=NOON), ListJobs=(NOON, (job,))
    )
    assert names == ["CheckData", "ReadClaim", "ListJobs"], "and the claim stays as it is"
    assert outcome == Found(job.name)
    _, outcome = _drive(
        ReadClaim=_old(phase="bound", job=job.name), ListJobs=(NOON, (_copied(job),))
    )
    assert isinstance(outcome, Held) and outcome.why == "not-known-here"


@pytest.mark.parametrize(
    ("age", "why"), [(SETTLE - SECOND, "not-listed"), (SETTLE, "job-gone")], ids=["soon", "never"]
)
def test_a_job_that_only_its_claim_still_shows_is_not_made_again(age: timedelta, why: str) -> None:
    """A list may be late; what it has not shown by then is for a person, and no later run."""
    lists = [(NOON + age, ())]
    names, outcome = _drive(
        ReadClaim=_old(phase="bound", job="tuningJobs/9", at=NOON), ListJobs=lists
    )
    assert isinstance(outcome, Held) and outcome.why == why
    assert names == ["CheckData", "ReadClaim", "ListJobs"]
    assert "`tuningJobs/9` was made for" in outcome.message
    assert ("tuneops retry" in outcome.message) is (why == "job-gone")


def test_a_job_that_was_made_under_an_old_name_is_found() -> None:
    old = an_observed_job(JOB, owner="older--prod")
    known = an_order(JOB, owners=frozenset({"older--prod"}))
    _, outcome = _drive(ListJobs=(NOON, (old,)), order=known)
    assert outcome == Found(old.name)


# --- copies --------------------------------------------------------------------------------------


def test_a_copy_with_other_settings_is_neither_bound_nor_bought_again() -> None:
    copy = _copied(an_observed_job(JOB))
    names, outcome = _drive(ListJobs=(NOON, (copy,)))
    assert isinstance(outcome, Held) and outcome.why == "not-known-here"
    assert copy.name in outcome.message and names[-1] == "ListJobs"


def test_the_genuine_one_of_several_is_found() -> None:
    copy, job = _copied(an_observed_job(JOB)), an_observed_job(JOB, number=2)
    _, outcome = _drive(ListJobs=(NOON, (copy, job)))
    assert outcome == Found(job.name)


# --- the quota -----------------------------------------------------------------------------------


def _full(earlier: Claim | None, at: datetime = NOON) -> Claim:
    _, outcome = _drive(
        ReadClaim=(earlier, "7") if earlier else None,
        ListJobs=(at, ()),
        PostJob=Refusal("full", busy=True, quota=True),
        order=an_order(JOB, at=at),
    )
    assert isinstance(outcome, Refusal)
    return _WRITTEN[0]


def test_each_no_of_the_quota_doubles_the_wait_up_to_an_hour() -> None:
    claim, at, pauses = None, NOON, []
    for number in range(1, 10):
        claim = _full(claim, at)
        assert claim.not_before is not None and claim.refusals == number
        pauses.append(int((claim.not_before - at).total_seconds()) // 60)
        at = claim.not_before
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_create_waits_until_the_quota_may_have_room() -> None:
    claim = _full(None)
    assert claim.not_before is not None
    early = an_order(JOB, at=claim.not_before - timedelta(seconds=1))
    names, outcome = _drive(ReadClaim=(claim, "7"), order=early)
    assert isinstance(outcome, Held) and outcome.why == "quota" and names[-1] == "ReadClaim"
    assert "2026-11-20 12:01:00 UTC" in outcome.message
    _, outcome = _drive(ReadClaim=(claim, "7"), order=an_order(JOB, at=claim.not_before))
    assert isinstance(outcome, Made)


def test_another_no_than_the_quotas_is_not_waited_out() -> None:
    _drive(PostJob=Refusal("bad"), ReadClaim=(_full(None), "7"), order=an_order(JOB, at=LATER))
    assert (_WRITTEN[0].phase, _WRITTEN[0].refusals, _WRITTEN[0].not_before) == ("void", None, None)


LATER = NOON + timedelta(days=1)


def test_a_refusal_is_written_down_as_nothing_made() -> None:
    names, outcome = _drive(PostJob=Refusal("no"))
    assert names[-2:] == ["Forget", "SwapClaim void"]
    assert outcome == Refusal("no", busy=False, quota=False)
    assert _WRITTEN[0].refusals is None and _WRITTEN[0].not_before is None


def test_a_job_of_another_owner_or_without_labels_is_not_found() -> None:
    others = (an_observed_job(JOB, owner="other--prod"), an_observed_job(number=9))
    _, outcome = _drive(ListJobs=(NOON, others))
    assert isinstance(outcome, Made)


def _nameless(*jobs: ObservedJob) -> tuple[ObservedJob, ...]:
    """The jobs as a list shows them that has lost all labels."""
    notes = (Note(attempt=1, training=(1, "c"), ownership=job.ownership) for job in jobs)
    bare = (
        replace(job, ownership=None, description=describe("ours", note))
        for job, note in zip(jobs, notes, strict=True)
    )
    return known_by_line(bare)


def test_a_job_without_an_answer_and_without_labels_is_found_by_its_line() -> None:
    lists = [(NOON, ()), (NOON, _nameless(_mine()))]
    _, outcome = _drive(PostJob=Silence("no answer"), ListJobs=lists)
    assert isinstance(outcome, Made) and outcome.lost and outcome.unlabelled
    assert outcome.creation.job == _mine().name


def test_an_unanswered_claim_is_not_taken_over_from_a_job_without_labels() -> None:
    listed = (NOON, _nameless(_mine(mark=a_mark(9))))
    names, outcome = _drive(ReadClaim=_old(phase="issued"), ListJobs=listed)
    assert isinstance(outcome, Found) and "PostJob" not in names


def test_another_job_of_ours_is_not_found_for_this_one() -> None:
    mine = _mine(mark=a_mark(77))
    assert mine.ownership is not None
    for changes in ({"lineage": "v1-other"}, {"attempt": 2}):
        other = replace(mine, ownership=replace(mine.ownership, **changes))
        _, outcome = _drive(ListJobs=(NOON, (other,)))
        assert isinstance(outcome, Made)


# --- the purse -----------------------------------------------------------------------------------


Asked = tuple[datetime, tuple[ObservedJob, ...], tuple[Reservation, ...]]


def _shared(asked: list[Asked] | None = None, words: str | None = None) -> Order:
    """An order under a ceiling that others buy under; what its purse is asked is gathered."""

    def refusal(*question: Any) -> str | None:
        if asked is not None:
            asked.append(question)
        return words

    return an_order(JOB, purse=Purse(key="pmonth", cost=Decimal(5), refusal=refusal))


def _reserved(key: str, at: datetime = NOON, number: int = 9) -> Reservation:
    return Reservation(
        key=key, owner="o--prod", lineage="v1-x", mark=a_mark(number), cost=Decimal(1), at=at
    )


def _record(*held: Reservation) -> Claim:
    return replace(_intent(), key="pmonth", marks=(), runner="another", reserved=held)


def _own() -> Reservation:
    """What the order above reserves."""
    order = an_order(JOB)
    return Reservation(
        key=order.key,
        owner=order.owner,
        lineage=order.creation.lineage,
        mark=order.creation.mark,
        cost=Decimal(5),
        at=SOON,
    )


SOON = NOON + timedelta(seconds=5)
RESERVE = ["ReadClaim", "ListJobs", "SwapClaim intent"]


def test_a_price_is_reserved_between_the_list_and_the_proof_of_memory() -> None:
    asked: list[Asked] = []
    other = an_observed_job(number=9)
    names, outcome = _drive(order=_shared(asked), ListJobs=(SOON, (other,)))
    assert names[:8] == [*BEFORE[:3], *RESERVE, "ProveMemory", "Remember"]
    assert isinstance(outcome, Made) and asked == [(SOON, (other,), ())]
    reserve, issued = _SWAPPED[1:3]
    assert reserve == SwapClaim(
        replace(_record(_own()), runner=an_order(JOB).runner, at=SOON), None
    )
    assert issued.claim.at == SOON and outcome.creation.asked is None


def test_what_others_reserved_stays_until_it_can_land_no_more() -> None:
    lasts = an_order(JOB).settle + MINUTE
    lapsed, alive = _reserved("k1", SOON - lasts), _reserved("k2", SOON - lasts + SECOND, 8)
    before = replace(_own(), mark=a_mark(7), at=NOON)
    asked: list[Asked] = []
    record = _record(lapsed, alive, before)
    _drive(order=_shared(asked), ListJobs=(SOON, ()), ReadClaim=[None, (record, "7")])
    assert asked == [(SOON, (), (alive, before))]
    assert _SWAPPED[1].expected == "7" and _SWAPPED[1].claim.reserved == (alive, _own())


def test_a_ceiling_that_says_no_holds_the_create_and_reserves_nothing() -> None:
    names, outcome = _drive(order=_shared(words="no room"))
    assert names == [*BEFORE[:3], "ReadClaim", "ListJobs"]
    assert outcome == Held("over-budget", "no room")


def test_a_job_that_is_there_already_reserves_nothing() -> None:
    asked: list[Asked] = []
    names, outcome = _drive(order=_shared(asked), ListJobs=(NOON, (an_observed_job(JOB),)))
    assert names == [*BEFORE[:3], "ReadClaim", "ListJobs", "SwapClaim bound"]
    assert isinstance(outcome, Found) and not asked


@pytest.mark.parametrize("rivals", [1, 2, 3])
def test_who_was_overtaken_looks_again_and_after_three_times_comes_later(rivals: int) -> None:
    asked: list[Asked] = []
    swaps = ["1", *[None] * rivals, "2"]
    names, outcome = _drive(order=_shared(asked), SwapClaim=swaps, ListJobs=(SOON, ()))
    looks = min(rivals + 1, 3)
    assert names[3:][: 3 * looks] == RESERVE * looks and len(asked) == looks
    assert isinstance(outcome, Contended if rivals == 3 else Made)
    assert (names[-1] == "SwapClaim intent") == ("PostJob" not in names) == (rivals == 3)


NO = Refusal("no")


def test_a_create_that_was_refused_gives_back_its_reservation_alone() -> None:
    ours = replace(_own(), key="k0")
    record = _record(_reserved("k1"), ours)
    reads = [None, None, (record, "8")]
    names, outcome = _drive(order=_shared(), PostJob=NO, ReadClaim=reads)
    assert names[-4:] == ["Forget", "SwapClaim void", "ReadClaim", "SwapClaim intent"]
    assert _SWAPPED[-1] == SwapClaim(replace(record, reserved=(_reserved("k1"),)), "8")
    assert outcome == NO


@pytest.mark.parametrize("found", [None, BROKEN])
def test_a_reservation_that_is_not_there_or_not_read_lapses_by_itself(found: Any) -> None:
    reads = [None, None, found]
    names, outcome = _drive(order=_shared(), PostJob=NO, ReadClaim=reads)
    assert names[-2:] == ["SwapClaim void", "ReadClaim"] and outcome == NO


def test_a_record_without_reservations_has_nothing_to_give_back() -> None:
    record = replace(_record(), reserved=None)
    reads = [None, (record, "7"), (record, "8")]
    _, outcome = _drive(order=_shared(), PostJob=NO, ReadClaim=reads)
    assert _SWAPPED[-1].claim.reserved == () and outcome == NO


def test_without_a_ceiling_no_record_of_others_is_read() -> None:
    names, outcome = _drive(PostJob=NO)
    assert names.count("ReadClaim") == 1 and outcome == NO


def test_every_effect_is_a_value() -> None:
    assert Forget("a", "k") == Forget("a", "k")
    assert hash(ReadClaim("k")) == hash(ReadClaim("k"))
    assert isinstance(Remember, type) and isinstance(ProveMemory, type)
