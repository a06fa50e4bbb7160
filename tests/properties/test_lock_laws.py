"""The lock and the journal on disk: the same meaning is the same bytes, and nothing is lost."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import a_creation, a_job, a_key, a_lock, a_target
from tests.support.profiles import effort
from tests.support.strategies import creations, pointers, texts
from tests.support.vectors import a_full_lock
from tuneops.core.lock import Creation, Lock, LockedJob
from tuneops.core.observed import JobState
from tuneops.store.journal import Journal, Line
from tuneops.store.lockfile import dump, empty_lock, parse

VECTORS = Path(__file__).parent.parent / "golden" / "vectors.json"

entries = st.builds(
    LockedJob,
    current=st.none() | texts,
    creations=st.dictionaries(st.sampled_from(["k1", "k2", "k3"]), creations, max_size=2),
)


def _books(*addresses: str) -> st.SearchStrategy[dict[str, LockedJob]]:
    return st.dictionaries(st.sampled_from(addresses), entries, max_size=2)


locks = st.builds(
    lambda jobs, retired, found: replace(
        empty_lock(a_target()), jobs=jobs, retired=retired, pointers=found
    ),
    _books("a", "b/c", "d"),
    _books("old", "old/stage"),
    pointers,
)


class Notes(Journal):
    """A journal in memory."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines

    def _lines(self) -> list[Line]:
        return self.lines


@effort(60)
@given(lock=locks)
def test_a_lock_reads_back_as_it_was_and_is_written_as_it_was(lock: Lock) -> None:
    content = dump(lock)
    again = parse(content, "lock")
    assert again == lock
    assert dump(again) == content
    assert content.endswith(b"}\n")
    value = json.loads(content)
    spelled = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    assert content.decode() == spelled + "\n"


@effort(60)
@given(lock=locks)
def test_the_order_of_entries_does_not_show_in_the_bytes(lock: Lock) -> None:
    def turned(book: dict[str, LockedJob]) -> dict[str, LockedJob]:
        return {
            name: replace(job, creations=dict(reversed(job.creations.items())))
            for name, job in reversed(book.items())
        }

    other = replace(lock, jobs=turned(dict(lock.jobs)), retired=turned(dict(lock.retired)))
    assert dump(other) == dump(lock)


lines = st.lists(
    st.builds(
        Line,
        address=st.sampled_from(["a", "b/c"]),
        key=st.sampled_from(["k1", "k2"]),
        creation=st.none() | creations,
    ),
    max_size=5,
)


@effort(100)
@given(lock=locks, lines=lines)
def test_replaying_a_journal_twice_is_replaying_it_once(lock: Lock, lines: list[Line]) -> None:
    journal = Notes(lines)
    once = journal.replay(lock)
    assert journal.replay(once) == once


@effort(100)
@given(lock=locks, lines=lines)
def test_replaying_a_journal_never_undoes_an_answer(lock: Lock, lines: list[Line]) -> None:
    after = Notes(lines).replay(lock)
    for address, book in lock.jobs.items():
        for key, entry in book.creations.items():
            if entry.job is not None:
                found = after.at(address).creations[key]
                asked = (entry.cancel_asked, entry.delete_asked)
                assert replace(found, cancel_asked=asked[0], delete_asked=asked[1]) == entry
                assert found.cancel_asked or not entry.cancel_asked
                assert found.delete_asked or not entry.delete_asked


def test_an_old_note_of_a_cancel_does_not_take_a_result_away() -> None:
    job = a_job()
    done = a_creation(job)
    running = a_creation(job, state=JobState.RUNNING, cancel_asked=True)
    lock = a_lock(("support-bot/seed", a_key(job), done))
    note = Line(address="support-bot/seed", key=a_key(job), creation=running)
    after = Notes([note]).replay(lock).at("support-bot/seed").creations[a_key(job)]
    assert after == replace(done, cancel_asked=True)


@effort(60)
@given(lock=locks, entry=creations)
def test_putting_an_entry_leaves_all_others_alone(lock: Lock, entry: Creation) -> None:
    after = lock.put("b/c", "k9", entry)
    assert after.at("b/c").creations["k9"] == entry
    before = {(address, key): item for address, key, item in lock.creations()}
    now = {(address, key): item for address, key, item in after.creations()}
    assert {place: now[place] for place in before} == before
    assert len(now) == len(before) + 1


@effort(60)
@given(lock=locks)
def test_only_an_intent_can_be_dropped(lock: Lock) -> None:
    for address, key, entry in lock.creations():
        after = lock.drop_intent(address, key)
        if not entry.unanswered:
            assert key in after.at(address).creations
    assert lock.drop_intent("nowhere", "k1") == lock


def test_the_published_bytes_of_a_lock_never_change() -> None:
    (vector,) = [
        item
        for item in json.loads(VECTORS.read_text())["locks"]
        if item["name"] == "three creations"
    ]
    assert a_full_lock().decode() == vector["bytes"]
    assert dump(parse(vector["bytes"].encode(), "lock")).decode() == vector["bytes"]


@pytest.mark.parametrize("name", ["jobs", "retired"])
def test_an_entry_is_found_whether_retired_or_not(name: str) -> None:
    job = a_job()
    lock = a_lock(("support-bot/seed", a_key(job), a_creation(job)))
    if name == "retired":
        lock = replace(lock, jobs={}, retired=lock.jobs)
    assert lock.at("support-bot/seed").result == a_creation(job)
    changed = lock.put("support-bot/seed", a_key(job), a_creation(job, billable_tokens=2))
    assert a_key(job) in getattr(changed, name)["support-bot/seed"].creations
