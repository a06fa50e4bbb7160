"""What becomes of one field of a lock that both sides may have changed, case by case."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.builders import NOON, a_creation, a_dataset, a_job, a_lock, model_name
from tuneops.core.desired import Pinned
from tuneops.core.lock import Creation, Lock, Measured, Pointer
from tuneops.core.merge import Merged, join, merge, unite
from tuneops.core.observed import JobState
from tuneops.core.pins import Pin
from tuneops.core.recipe import Evidence, Pretuned

SEED = a_job()
INTENT = a_creation(SEED, number=None)
DONE = a_creation(SEED)
EMPTY = a_lock()


def both_ways(base: Lock | None, one: Lock, two: Lock) -> Merged:
    """The merge, which must not depend on who is who but for the words of conflicts."""
    merged, turned = merge(base, one, two), merge(base, two, one)
    assert (merged.lock, merged.notes) == (turned.lock, turned.notes)
    assert len(merged.conflicts) == len(turned.conflicts)
    return merged


# --- states

ORDER = (
    None,
    JobState.UNKNOWN,
    JobState.QUEUED,
    JobState.PENDING,
    JobState.RUNNING,
    JobState.PAUSED,
    JobState.UPDATING,
    JobState.CANCELLING,
    JobState.EXPIRED,
    JobState.CANCELLED,
    JobState.FAILED,
    JobState.PARTIALLY_SUCCEEDED,
    JobState.SUCCEEDED,
)


def test_the_later_state_wins_whatever_else_the_other_side_knows() -> None:
    assert {*ORDER} == {None, *JobState}
    for place, state in enumerate(ORDER):
        for earlier in ORDER[:place]:
            less = replace(DONE, state=earlier, error=None)
            more = replace(less, state=state, model=None, checkpoints={}, billable_tokens=None)
            assert join(less, more).state is join(more, less).state is state


def test_an_entry_with_a_job_wins_over_one_that_only_asked() -> None:
    asked = replace(INTENT, asked=NOON + timedelta(days=1))
    live = replace(INTENT, asked=None, job="j", state=None)
    assert join(asked, live).job == join(live, asked).job == "j"


def test_a_model_weighs_more_than_checkpoints() -> None:
    less = replace(DONE, model=None)
    more = replace(DONE, checkpoints={})
    assert join(less, more) == join(more, less) == more


@pytest.mark.parametrize("name", ["cancel_asked", "delete_asked", "wrong_bytes"])
def test_of_what_was_asked_or_found_the_stronger_word_stays(name: str) -> None:
    for less, more in ((None, False), (None, True), (False, True)):
        one, two = replace(DONE, **{name: less}), replace(DONE, **{name: more})
        assert getattr(join(one, two), name) is getattr(join(two, one), name) is more


def test_a_result_is_recalled_only_until_one_side_wants_it() -> None:
    again = replace(DONE, recalled=True)
    assert join(DONE, again).recalled is join(again, DONE).recalled is None
    assert join(again, again).recalled is True
    taken = replace(again, recalled=False)
    assert join(taken, again).recalled is join(again, taken).recalled is None


def test_what_a_claim_lacks_is_kept_until_both_sides_know_better() -> None:
    some, more = replace(DONE, unkept=("a", "c")), replace(DONE, unkept=("b",))
    assert join(some, more).unkept == join(more, some).unkept == ("a", "b", "c")
    bare = replace(DONE, unkept=())
    assert join(DONE, bare).unkept == join(bare, DONE).unkept == ()
    assert join(bare, more).unkept == ("b",) and join(DONE, DONE).unkept is None


def test_what_one_side_protects_stays_protected() -> None:
    safe = replace(DONE, policy=replace(DONE.policy, protect=True))
    assert join(DONE, safe).policy.protect is join(safe, DONE).policy.protect is True


def test_measured_values_of_one_kind_are_gathered_and_others_are_not_mixed() -> None:
    def with_loss(on: str, **values: str) -> Creation:
        return replace(DONE, measured={"loss": Measured(on=on, values=values)})

    one, two = with_loss("a", x="1", y="2"), with_loss("a", y="2", z="3")
    gathered = with_loss("a", x="1", y="2", z="3")
    assert join(one, two) == join(two, one) == gathered
    other = with_loss("b", w="0")
    assert join(one, other) == join(other, one) == other


# --- addresses, and the current result


def test_of_two_new_addresses_the_one_that_is_alive_is_taken() -> None:
    base, alive = a_lock(("a", "k1", DONE)), a_lock(("z", "k1", DONE))
    gone = a_lock(("b", "k1", DONE))
    gone = replace(gone, retired=gone.jobs, jobs={})
    assert both_ways(base, gone, alive).lock == alive


def test_an_intent_that_one_side_forgot_and_the_other_renamed_with_its_job_is_kept() -> None:
    base = a_lock(("a", "k1", INTENT))
    assert both_ways(base, EMPTY, a_lock(("b", "k1", DONE))).lock == a_lock(("b", "k1", DONE))


def test_two_answers_are_a_conflict_at_our_address_with_all_that_differs() -> None:
    other = replace(a_creation(SEED, number=2), lineage="v1-other", attempt=2)
    merged = merge(None, a_lock(("ours", "k1", DONE)), a_lock(("theirs", "k1", other)))
    said = [(one.field, one.address, one.key) for one in merged.conflicts]
    assert said == [(name, "ours", "k1") for name in ("job", "lineage", "attempt")]
    assert (merged.conflicts[2].ours, merged.conflicts[2].theirs) == ("1", "2")


def currents(current: str | None, **creations: Creation) -> Lock:
    lock = EMPTY
    for key, creation in creations.items():
        lock = lock.put("bot", key, creation)
    return replace(lock, jobs={"bot": replace(lock.jobs["bot"], current=current)})


def test_a_current_result_that_one_side_took_away_is_that_of_the_other() -> None:
    made = {"k1": DONE, "k2": replace(DONE, created=None), "k3": DONE}
    base, none = currents("k3", **made), currents(None, **made)
    merged = both_ways(base, none, currents("k2", **made))
    assert merged.lock.jobs["bot"].current == "k2"
    assert merged.notes == ()


def test_of_current_results_the_younger_wins_and_of_equals_the_greater_key() -> None:
    late = replace(DONE, created=NOON)
    unknown = replace(DONE, created=None)
    cases = (
        ({"k1": late, "k2": DONE}, "k1"),
        ({"k1": DONE, "k2": unknown}, "k1"),
        ({"k1": DONE, "k2": DONE}, "k2"),
    )
    for made, wins in cases:
        merged = both_ways(None, currents("k1", **made), currents("k2", **made))
        assert merged.lock.jobs["bot"].current == wins
        assert len(merged.notes) == 1


# --- the header


def test_a_project_number_that_only_one_side_knows_is_no_conflict() -> None:
    def known(number: str | None) -> Lock:
        return replace(EMPTY, project_number=number)

    assert both_ways(None, EMPTY, known("123")).conflicts == ()
    merged = both_ways(known("1"), EMPTY, known("2"))
    assert (merged.lock.project_number, merged.conflicts) == ("2", ())
    assert both_ways(known("1"), known("2"), known("3")).lock.project_number == "3"


def test_a_guard_that_one_side_dropped_is_the_one_that_the_other_changed_it_to() -> None:
    def guarded(kind: str | None) -> Lock:
        return replace(EMPTY, guard=kind)

    for base, one, two, kept in (("gs", None, "local", "local"), ("gs", "local", "git", "git")):
        assert both_ways(guarded(base), guarded(one), guarded(two)).lock.guard == kept


# --- pins


def pinned(generation: str | None, text: str = "new") -> Pinned:
    return Pinned(dataset=a_dataset("gs://d/a", text), evidence=Evidence(generation=generation))


def with_pin(pin: Pin | None) -> Lock:
    return replace(EMPTY, pins={"bot": {"gs://d/a": pin}} if pin else None)


def test_a_pin_that_one_side_moved_is_in_the_merged_lock() -> None:
    assert both_ways(None, EMPTY, with_pin(pinned("2"))).lock == with_pin(pinned("2"))
    removed = both_ways(with_pin(pinned("2")), EMPTY, with_pin(pinned("2")))
    assert removed.lock == EMPTY
    moved = both_ways(with_pin(pinned("1")), EMPTY, with_pin(pinned("2")))
    assert (moved.lock, moved.conflicts) == (with_pin(pinned("2")), ())


def test_of_two_generations_the_later_is_taken_without_asking() -> None:
    merged = both_ways(None, with_pin(pinned("9", "zz")), with_pin(pinned("10", "aa")))
    assert (merged.lock, merged.conflicts) == (with_pin(pinned("10", "aa")), ())


def test_of_two_models_or_of_a_model_and_data_a_person_decides() -> None:
    one = Pretuned(model=model_name(1), checkpoint="1")
    two = Pretuned(model=model_name(2), checkpoint="3")
    (conflict,) = merge(None, with_pin(one), with_pin(two)).conflicts
    assert (conflict.field, conflict.address) == ("pin of gs://d/a", "bot")
    assert conflict.ours == f"{model_name(1)} checkpoint 1"
    data = pinned("7")
    bytes_ = f"{data.dataset.size} bytes, crc32c {data.dataset.crc32c}"
    (mixed,) = merge(None, with_pin(one), with_pin(data)).conflicts
    assert mixed.theirs == f"{bytes_} generation 7"
    (mixed,) = merge(None, with_pin(pinned(None)), with_pin(one)).conflicts
    assert mixed.ours == bytes_


# --- pointers


def pointer(creation: str, model: int, *also: str) -> Pointer:
    return Pointer(creation=creation, model=model_name(model), checkpoint="1", also=also or None)


def pointing(place: Pointer | None, **creations: Creation) -> Lock:
    lock = EMPTY
    for key, creation in creations.items():
        lock = lock.put("bot", key, creation)
    return lock.point("bot", "prod", place)


def test_a_pointer_that_one_side_let_go_and_the_other_moved_is_kept() -> None:
    base, moved = pointing(pointer("k1", 1)), pointing(pointer("k2", 2))
    merged = both_ways(base, EMPTY, moved)
    assert (merged.lock, merged.notes) == (moved, ())
    assert both_ways(base, EMPTY, base).lock == EMPTY


@pytest.mark.parametrize("unknown", ["no time", "no entry"])
def test_of_two_moves_of_an_alias_the_younger_result_is_kept_and_it_is_said(unknown: str) -> None:
    made = {"k1": replace(DONE, created=NOON), "k2": replace(DONE, created=None)}
    if unknown == "no entry":
        del made["k2"]
    one = pointing(pointer("k1", 1, "m@1", "m@2"), **made)
    two = pointing(pointer("k2", 2, "m@3", model_name(1)), **made)
    merged = both_ways(None, one, two)
    kept = merged.lock.pointer("bot", "prod")
    places = pointer("k1", 1, *sorted(("m@1", "m@2", "m@3", model_name(2))))
    assert kept == replace(places, before=(model_name(2),))
    assert merged.notes == (
        f"both sides moved `prod` of `bot`: `{model_name(1)}` is kept; a run looks where it is",
    )


def test_of_two_moves_of_an_alias_both_pasts_are_kept_the_later_ones_last() -> None:
    made = {"k1": replace(DONE, created=NOON), "k2": replace(DONE, created=None)}
    one = pointing(replace(pointer("k1", 5), before=("m@1", "m@2")), **made)
    two = pointing(replace(pointer("k2", 4), before=("m@1", "m@3", model_name(5))), **made)
    kept = both_ways(None, one, two).lock.pointer("bot", "prod")
    assert kept is not None and kept.before == ("m@1", "m@3", model_name(4), "m@2")


def test_the_age_of_a_result_counts_wherever_it_is_recorded() -> None:
    early, late = DONE, replace(DONE, created=NOON)
    one = pointing(pointer("k1", 1), k1=late)
    two = pointing(pointer("k2", 2), k2=early)
    kept = both_ways(None, one, two).lock.pointer("bot", "prod")
    assert kept is not None and kept.creation == "k1"


# --- two places of one lock


def test_places_never_lose_a_job_and_forget_an_intent_that_was_seen() -> None:
    made, asked = a_lock(("bot", "k1", DONE)), a_lock(("bot", "k1", INTENT))
    for seen in (None, made):
        assert unite(seen, EMPTY, made, agreed=True).lock == made
    assert unite(None, EMPTY, asked, agreed=True).lock == asked
    assert unite(asked, EMPTY, asked, agreed=True).lock == EMPTY
    assert unite(EMPTY, EMPTY, asked, agreed=True).lock == asked


def test_a_pin_of_another_place_counts_where_people_agreed_on_it() -> None:
    mine, moved = with_pin(pinned("1")), with_pin(pinned("2"))
    assert unite(None, mine, moved, agreed=True).lock == moved
    assert unite(None, mine, moved, agreed=False).lock == mine
    assert unite(None, EMPTY, moved, agreed=False).lock == EMPTY
