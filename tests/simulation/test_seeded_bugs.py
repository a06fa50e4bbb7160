"""Thirty bugs that a tool like this has had or could have, and the test that notices each.

Most are put in and noticed here; those of one layer only (bytes on the wire, files, digests) are
noticed by the tests of that layer. And each is found by a search that knows nothing of it.
"""

from pathlib import Path

import pytest

from tests.support.bugs import BUGS, find

TESTS = Path(__file__).parent.parent
MUTANTS = "simulation/test_mutants.py"
SCHEDULES = "simulation/test_every_schedule.py"
POST = "unit/vertex/test_vertex_create.py"
WIRE = "unit/vertex/test_create_on_the_wire.py"
FILES = "unit/store/test_files.py"
DIGESTS = "properties/test_fingerprints.py"

SEEDED: dict[int, tuple[str, str, str]] = {
    1: ("the claim is deleted after success", SCHEDULES, "claims_are_deleted_after_success"),
    2: ("no fence before the POST", MUTANTS, "no_claim_fence"),
    3: ("the settle time is a minute", SCHEDULES, "issued_is_taken_over_after_a_minute"),
    4: ("the POST is repeated after silence", MUTANTS, "the_post_is_repeated"),
    5: ("a 503 counts as refused", MUTANTS, "unknown_is_refused"),
    6: ("a 403 in HTML counts as refused", POST, "test_whatever_else_is_no_answer"),
    7: ("the list stops at its first page", MUTANTS, "only_the_first_page"),
    8: ("a failed list is an empty one", MUTANTS, "a_failed_list_is_an_empty_one"),
    9: (
        "an empty page is the end",
        "unit/vertex/test_against_emulator.py",
        "test_lists_by_twos_with_empty_pages_between",
    ),
    10: ("who runs counts more than who is older", MUTANTS, "the_state_chooses_between_twins"),
    11: ("the lock chooses between twins", MUTANTS, "the_lock_chooses_between_twins"),
    12: ("the older twin is cancelled", MUTANTS, "the_younger_twin_counts"),
    13: (
        "ages by the local clock",
        "architecture/test_house.py",
        "test_pure_rooms_never_ask_what_time_it_is",
    ),
    14: ("no list after winning the claim", SCHEDULES, "no_list_after_the_claim"),
    15: (
        "the lock is written in place",
        FILES,
        "test_a_file_that_cannot_be_replaced_keeps_its_content",
    ),
    16: ("an entry overwrites the others", MUTANTS, "an_entry_overwrites_the_others"),
    17: (
        "a conflict with one's own claim counts as lost",
        "unit/store/test_claim_refs.py",
        "test_a_lost_answer_is_found_out_by_looking",
    ),
    18: ("one mark for several POSTs", MUTANTS, "one_mark_for_all"),
    19: ("the key leaves the attempt out", MUTANTS, "the_key_leaves_the_attempt_out"),
    20: ("failed jobs do not count", MUTANTS, "failed_jobs_do_not_count"),
    21: ("an unknown state is an end", MUTANTS, "an_unknown_state_is_an_end"),
    22: ("not found means create", MUTANTS, "not_found_means_create"),
    23: ("a failed sync is ignored", FILES, "test_a_disk_that_cannot_sync_is_an_error"),
    24: ("the memory is not proved before the POST", MUTANTS, "the_memory_is_not_proved"),
    25: ("the approved plan is not compared", MUTANTS, "the_plan_is_not_compared"),
    26: (
        "an alias is not pinned to a version",
        "unit/engine/test_pins.py",
        "test_an_alias_that_moves_later_is_no_cause_with_or_without_a_lock",
    ),
    27: ("digests over binary numbers", DIGESTS, "test_equal_numbers_hash_equally"),
    28: (
        "the order of a mapping shows in a digest",
        "simulation/test_seeds.py",
        "test_a_seed_is_the_same_story_in_every_process",
    ),
    29: ("a redirect is followed", WIRE, "test_a_redirect_is_not_followed"),
    30: ("the POST takes a pooled connection", WIRE, "test_a_post_never_takes_a_kept_connection"),
}
"""By the number of the list: what is broken, and who notices."""


def test_every_seeded_bug_is_noticed_somewhere() -> None:
    assert sorted(SEEDED) == sorted(BUGS) == list(range(1, 31))


@pytest.mark.parametrize("number", BUGS)
def test_every_seeded_bug_is_found_by_search(number: int) -> None:
    """`make bugs` searches from several starts."""
    assert find(number, start=0) is not None


@pytest.mark.parametrize("number", SEEDED)
def test_who_notices_is_there(number: int) -> None:
    _, file, name = SEEDED[number]
    text = (TESTS / file).read_text()
    assert f"def {name}(" in text
    if not name.startswith("test_"):
        assert text.count(name) > 1, "it is never put in"
