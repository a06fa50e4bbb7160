"""Two locks become one: by key, without losing an entry, whatever the order."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.builders import NOON, a_creation, a_job, a_lock, a_target, job_name
from tests.support.profiles import effort
from tuneops.core.lock import Creation, Lock, LockedJob
from tuneops.core.lock_changes import differences
from tuneops.core.merge import Conflict, join, merge
from tuneops.core.observed import JobState

SEED = a_job()
INTENT = a_creation(SEED, number=None)
PENDING = a_creation(SEED, state=JobState.PENDING)
RUNNING = a_creation(SEED, state=JobState.RUNNING)
DONE = a_creation(SEED)
FAILED = a_creation(SEED, state=JobState.FAILED)
OTHER = a_creation(SEED, number=2)
EMPTY = a_lock()


def lock_with(creation: Creation, **changes: Any) -> Lock:
    return a_lock(("bot", "k1", creation), **changes)


def only(lock: Lock) -> Creation:
    ((_, _, creation),) = lock.creations()
    return creation


def retired(lock: Lock, address: str) -> Lock:
    rest = {name: job for name, job in lock.jobs.items() if name != address}
    return replace(lock, jobs=rest, retired={**lock.retired, address: lock.jobs[address]})


# --- one entry


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (INTENT, PENDING),
        (PENDING, RUNNING),
        (RUNNING, replace(RUNNING, state=JobState.CANCELLING)),
        (RUNNING, DONE),
        (replace(RUNNING, state=JobState.UNKNOWN), PENDING),
        (RUNNING, FAILED),
        (INTENT, replace(INTENT, asked=NOON + timedelta(minutes=1))),
        (replace(DONE, checkpoints={}), DONE),
        (replace(DONE, billable_tokens=None), DONE),
    ],
)
def test_the_entry_that_knows_more_wins(less: Creation, more: Creation) -> None:
    for ours, theirs in ((less, more), (more, less)):
        merged = merge(None, lock_with(ours), lock_with(theirs))
        assert only(merged.lock) == more
        assert merged.conflicts == ()


def test_a_cancel_that_either_side_asked_for_is_remembered() -> None:
    asked = replace(RUNNING, state=JobState.CANCELLING, cancel_asked=True)
    ended = replace(RUNNING, state=JobState.CANCELLED, ended=NOON)
    assert only(merge(None, lock_with(asked), lock_with(ended)).lock) == replace(
        ended, cancel_asked=True
    )


def test_two_jobs_of_one_creation_are_a_conflict_that_names_both() -> None:
    merged = merge(lock_with(INTENT), lock_with(DONE), lock_with(OTHER))
    assert merged.conflicts == (
        Conflict(field="job", ours=job_name(1), theirs=job_name(2), address="bot", key="k1"),
    )


def test_a_job_that_only_one_side_replaced_is_no_conflict() -> None:
    merged = merge(lock_with(RUNNING), lock_with(OTHER), lock_with(RUNNING))
    assert only(merged.lock) == OTHER
    assert merged.conflicts == ()


# --- removals


def test_an_intent_that_one_side_forgot_is_forgotten() -> None:
    assert merge(lock_with(INTENT), EMPTY, lock_with(INTENT)).lock == EMPTY


def test_an_entry_that_one_side_forgot_and_the_other_learnt_about_is_kept() -> None:
    merged = merge(lock_with(INTENT), EMPTY, lock_with(RUNNING))
    assert merged.lock == lock_with(RUNNING)


def test_without_a_base_nothing_counts_as_removed() -> None:
    assert merge(None, EMPTY, lock_with(INTENT)).lock == lock_with(INTENT)


# --- addresses


def test_a_rename_on_one_side_takes_the_entry_along() -> None:
    renamed = a_lock(("new", "k1", DONE))
    assert merge(lock_with(DONE), renamed, lock_with(DONE)).lock == renamed


def test_an_entry_is_at_one_address_only() -> None:
    ours, theirs = a_lock(("a", "k1", DONE)), a_lock(("b", "k1", DONE))
    for merged in (merge(None, ours, theirs), merge(lock_with(DONE), theirs, ours)):
        assert [address for address, _, _ in merged.lock.creations()] == ["a"]


def test_what_one_side_retired_since_the_base_stays_retired() -> None:
    base = lock_with(DONE)
    assert merge(base, retired(base, "bot"), base).lock == retired(base, "bot")


def test_what_the_other_side_did_not_retire_is_present() -> None:
    here = lock_with(DONE)
    assert merge(None, retired(here, "bot"), here).lock == here
    assert merge(retired(here, "bot"), here, retired(here, "bot")).lock == here


# --- current


def two_results(current: str) -> Lock:
    late = replace(DONE, created=NOON, job=job_name(3))
    lock = a_lock(("bot", "k1", DONE), ("bot", "k2", late))
    return replace(lock, jobs={"bot": replace(lock.jobs["bot"], current=current)})


def test_the_side_that_moved_the_current_result_wins() -> None:
    base, moved = two_results("k2"), two_results("k1")
    assert merge(base, moved, base).lock == moved


def test_of_two_moves_the_newer_result_wins_and_it_is_said() -> None:
    ours, theirs = two_results("k1"), two_results("k2")
    merged = merge(None, ours, theirs)
    assert merged.lock.jobs["bot"].current == "k2"
    assert merged.notes == (
        "both sides moved the current result of `bot`: `k2` is kept, which is newer than `k1`",
    )
    assert merge(None, theirs, ours) == merged


def test_an_address_that_a_side_lacks_says_nothing_about_its_current_result() -> None:
    base = lock_with(DONE)
    changed = replace(base, jobs={"bot": replace(base.jobs["bot"], current="k2")})
    changed = changed.put("bot", "k2", OTHER)
    assert merge(base, EMPTY, changed).lock.jobs["bot"].current == "k2"


# --- the header


@pytest.mark.parametrize("name", ["workspace", "environment", "target", "project", "location"])
def test_locks_of_different_targets_conflict(name: str) -> None:
    merged = merge(None, EMPTY, replace(EMPTY, **{name: "else"}))
    assert [conflict.field for conflict in merged.conflicts] == [name]


def test_a_project_number_is_taken_from_the_side_that_knows_it() -> None:
    known = replace(EMPTY, project_number="123")
    assert merge(None, EMPTY, known).lock == merge(None, known, EMPTY).lock == known
    two = merge(None, known, replace(EMPTY, project_number="124"))
    assert [conflict.field for conflict in two.conflicts] == ["projectNumber"]


@pytest.mark.parametrize(("weak", "strong"), [("local", "git"), ("git", "gs"), (None, "local")])
def test_the_stronger_guard_is_recorded(weak: str | None, strong: str) -> None:
    one, two = replace(EMPTY, guard=weak), replace(EMPTY, guard=strong)
    assert merge(None, one, two).lock.guard == merge(None, two, one).lock.guard == strong


def test_every_field_of_a_lock_has_a_rule() -> None:
    header = {"version", "revision", "workspace", "environment", "target", "project", "location"}
    ruled = {*header, "project_number", "guard", "jobs", "retired", "pins", "pointers"}
    assert {field.name for field in fields(Lock)} == ruled, "say in `merge` what becomes of it"


# --- laws

KEYS = tuple(f"k{n}" for n in range(5))
LADDER = {
    key: tuple(
        replace(a_creation(SEED, number=number if state else None), **changes)
        for state, changes in (
            (None, {"asked": NOON}),
            (1, {"state": JobState.PENDING, "model": None, "checkpoints": {}}),
            (
                1,
                {
                    "state": JobState.RUNNING,
                    "model": None,
                    "checkpoints": {},
                    "data_read": True,
                },
            ),
            (
                1,
                {
                    "state": JobState.CANCELLING,
                    "cancel_asked": True,
                    "model": None,
                    "data_read": True,
                },
            ),
            (
                1,
                {
                    "state": JobState.SUCCEEDED,
                    "cancel_asked": True,
                    "created": NOON + timedelta(minutes=number),
                },
            ),
            (
                1,
                {
                    "state": JobState.SUCCEEDED,
                    "cancel_asked": True,
                    "delete_asked": True,
                    "created": NOON + timedelta(minutes=number),
                },
            ),
        )
    )
    for number, key in enumerate(KEYS, start=1)
}
"""For each key, what can be known of it, from little to all."""

RUNGS = st.dictionaries(st.sampled_from(KEYS), st.integers(0, 5))


def lock_at(rungs: dict[str, int], places: dict[str, str], gone: set[str]) -> Lock:
    """The lock that knows so much of each key; a success may be its address's current."""
    lock = a_lock(*((places[key], key, LADDER[key][rung]) for key, rung in sorted(rungs.items())))
    for address in gone & set(lock.jobs):
        lock = retired(lock, address)
    return lock


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    places = {key: draw(st.sampled_from(["a", "b"])) for key in KEYS}
    return lock_at(draw(RUNGS), places, draw(st.sets(st.sampled_from(["a", "b"]))))


@st.composite
def grown(draw: st.DrawFn, count: int) -> tuple[Lock, list[Lock]]:
    """A base, and locks that learnt something since, or forgot intents."""
    places = dict.fromkeys(KEYS, "a") | {"k3": "b", "k4": "b"}
    base = draw(RUNGS)
    sides = []
    for _ in range(count):
        more = {key: max(rung, base.get(key, 0)) for key, rung in draw(RUNGS).items()}
        forgotten = draw(st.sets(st.sampled_from(KEYS)))
        rungs = {
            key: rung for key, rung in {**base, **more}.items() if rung > 0 or key not in forgotten
        }
        sides.append(lock_at(rungs, places, draw(st.sets(st.sampled_from(["a", "b"])))))
    return lock_at(base, places, set()), sides


def entries(lock: Lock) -> dict[str, Creation]:
    return {key: creation for _, key, creation in lock.creations()}


@given(base=st.none() | locks(), ours=locks(), theirs=locks())
@effort(150)
def test_the_order_of_the_sides_does_not_matter(
    base: Lock | None, ours: Lock, theirs: Lock
) -> None:
    one, two = merge(base, ours, theirs), merge(base, theirs, ours)
    assert (one.lock, one.notes) == (two.lock, two.notes)


@given(base=locks(), side=locks())
@effort(150)
@example(base=lock_with(DONE), side=EMPTY)
def test_a_side_that_changed_nothing_adds_nothing(base: Lock, side: Lock) -> None:
    assert merge(base, side, base).lock == side
    assert merge(base, base, side).lock == side
    assert merge(base, side, side).lock == merge(None, side, side).lock == side


@given(grown(3))
@effort(150)
def test_the_grouping_of_the_sides_does_not_matter(world: tuple[Lock, list[Lock]]) -> None:
    base, (one, two, three) = world
    for ancestor in (base, None):
        left = merge(ancestor, merge(ancestor, one, two).lock, three)
        right = merge(ancestor, one, merge(ancestor, two, three).lock)
        assert entries(left.lock) == entries(right.lock)


@given(grown(2))
@effort(150)
def test_nothing_that_either_side_knows_is_lost(world: tuple[Lock, list[Lock]]) -> None:
    base, (ours, theirs) = world
    union, merged = (entries(merge(one, ours, theirs).lock) for one in (None, base))
    assert set(union) == {*entries(ours), *entries(theirs)}
    for side, other in ((ours, theirs), (theirs, ours)):
        for key, creation in entries(side).items():
            assert join(union[key], creation) == union[key], "the union knows at least as much"
            forgotten = key not in entries(other) and creation == entries(base).get(key)
            assert forgotten or join(merged[key], creation) == merged[key]
            assert not forgotten or creation.unanswered, "only intents are ever forgotten"


@given(base=st.none() | locks(), ours=locks(), theirs=locks())
@effort(100)
def test_every_key_has_one_address_and_every_current_result_is_there(
    base: Lock | None, ours: Lock, theirs: Lock
) -> None:
    lock = merge(base, ours, theirs).lock
    keys = [key for _, key, _ in lock.creations()]
    assert len(keys) == len(set(keys))
    assert not set(lock.jobs) & set(lock.retired)
    for job in (*lock.jobs.values(), *lock.retired.values()):
        assert job.current is None or job.current in job.creations


# --- what changed


def changes(before: Lock, after: Lock) -> list[tuple[str, str | None, str | None]]:
    return [(one.what, one.before, one.after) for one in differences(before, after)]


def test_differences_are_named_one_by_one() -> None:
    assert changes(EMPTY, EMPTY) == []
    assert changes(EMPTY, lock_with(INTENT)) == [("added", None, "asked for")]
    assert changes(lock_with(INTENT), EMPTY) == [("removed", "asked for", None)]
    assert changes(lock_with(RUNNING), lock_with(DONE)) == [
        ("state", "running", "succeeded"),
        ("current", None, "k1"),
    ]
    more = replace(DONE, billable_tokens=7, chosen="1")
    assert changes(lock_with(DONE), lock_with(more)) == [("entry", None, "chosen, billableTokens")]
    gone = retired(lock_with(DONE), "bot")
    assert changes(lock_with(DONE), gone) == [("retired", None, None)]
    assert changes(gone, lock_with(DONE)) == [("revived", None, None)]
    assert changes(lock_with(DONE), a_lock(("new", "k1", DONE)))[0] == ("moved", "bot", "new")


def test_a_lock_of_another_target_is_never_mixed_in_silently() -> None:
    theirs = a_lock(("bot", "k1", DONE), target=a_target(environment="prod"))
    merged = merge(None, EMPTY, theirs)
    assert merged.conflicts and merged.lock.environment == "local"
    assert merged.lock.jobs["bot"] == LockedJob(current="k1", creations={"k1": DONE})
