"""The journal: on disk before the POST, and a torn line is what a crash leaves behind."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.builders import a_creation, a_job, a_key, a_lock, a_target
from tuneops.core.lock import Creation
from tuneops.core.observed import JobState
from tuneops.errors import DiskError, LockDamaged
from tuneops.store.journal import Journal, journal_of

JOB = a_job()
KEY = a_key(JOB)
INTENT = a_creation(JOB, number=None)
MADE = a_creation(JOB, state=JobState.PENDING)
PLACE = ("support-bot/seed", KEY)


def _names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def _journal(root: Path) -> Journal:
    return Journal(root, "local")


def _entry(journal: Journal) -> Creation | None:
    return journal.replay(a_lock()).at(PLACE[0]).creations.get(KEY)


def test_no_journal_adds_nothing(tmp_path: Path) -> None:
    assert _journal(tmp_path).replay(a_lock()) == a_lock()
    _journal(tmp_path).clear()


def test_an_intent_and_its_answer_read_back(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.prove()
    journal.remember(*PLACE, INTENT)
    assert _entry(journal) == INTENT
    journal.remember(*PLACE, MADE)
    assert _entry(_journal(tmp_path)) == MADE
    journal.clear()
    assert _entry(journal) is None and _names(tmp_path) == []


def test_an_intent_that_came_to_nothing_is_gone_and_may_come_back(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.remember(*PLACE, INTENT)
    journal.forget(*PLACE)
    assert _entry(journal) is None
    journal.remember(*PLACE, INTENT)
    assert _entry(journal) == INTENT


def test_what_is_told_under_two_names_is_one_entry(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.remember(*PLACE, MADE)
    journal.remember("another/name", KEY, INTENT)
    lock = journal.replay(a_lock())
    assert [(address, key) for address, key, _ in lock.creations()] == [PLACE]
    assert journal.replay(lock) == lock


def test_an_answer_is_never_forgotten(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.remember(*PLACE, MADE)
    journal.forget(*PLACE)
    journal.remember(*PLACE, INTENT)
    assert _entry(journal) == MADE


def test_what_the_lock_has_learnt_since_is_kept(tmp_path: Path) -> None:
    done = a_creation(JOB)
    journal = _journal(tmp_path)
    journal.remember(*PLACE, INTENT)
    journal.remember(*PLACE, MADE)
    journal.remember(*PLACE, replace(MADE, cancel_asked=True))
    entry = journal.replay(a_lock((*PLACE, done))).at(PLACE[0]).creations[KEY]
    assert entry == replace(done, cancel_asked=True)


def test_a_deletion_that_was_written_down_is_remembered_beside_the_cancel(tmp_path: Path) -> None:
    done = a_creation(JOB)
    journal = _journal(tmp_path)
    journal.remember(*PLACE, replace(done, cancel_asked=True))
    journal.remember(*PLACE, replace(done, delete_asked=True))
    entry = journal.replay(a_lock((*PLACE, done))).at(PLACE[0]).creations[KEY]
    assert entry == replace(done, cancel_asked=True, delete_asked=True)


def test_a_journal_cut_off_at_any_byte_still_tells_all_whole_lines(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.remember(*PLACE, INTENT)
    first = journal.path.stat().st_size
    journal.remember(*PLACE, MADE)
    content = journal.path.read_bytes()
    ends = {first - 1, first, len(content) - 1, len(content)}
    for length in sorted(ends | set(range(0, len(content), 37))):
        journal.path.write_bytes(content[:length])
        whole = 0 if length < first else 1 if length < len(content) else 2
        assert _entry(journal) == (None, INTENT, MADE)[whole]


def test_a_torn_line_that_got_its_end_later_is_no_line(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.remember(*PLACE, INTENT)
    with journal.path.open("ab") as file:
        file.write(b'{"address": "sup\n')
    assert _entry(journal) == INTENT


@pytest.mark.parametrize(
    "line", [b"garbage", b"{}", b'{"address": 1}', b"\xff", b"NaN", b'{"a":1,"a":2}', b"9" * 5000]
)
def test_garbage_before_a_whole_line_is_damage(tmp_path: Path, line: bytes) -> None:
    journal = _journal(tmp_path)
    journal.remember(*PLACE, INTENT)
    content = journal.path.read_bytes()
    journal.path.write_bytes(line + b"\n" + content)
    with pytest.raises(LockDamaged) as fault:
        _entry(journal)
    assert fault.value.findings[0].code == "journal-damaged"
    assert "line 1 " in fault.value.message


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_journal_that_is_no_file_stops_everything(tmp_path: Path, kind: str) -> None:
    journal = _journal(tmp_path)
    if kind == "folder":
        journal.path.mkdir()
    else:
        journal.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DiskError):
        journal.replay(a_lock())
    with pytest.raises(DiskError):
        journal.prove()
    with pytest.raises(DiskError):
        journal.remember(*PLACE, INTENT)


def test_a_journal_is_for_its_owner_only(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.prove()
    assert journal.path.stat().st_mode & 0o077 == 0


def test_environments_have_journals_of_their_own(tmp_path: Path) -> None:
    Journal(tmp_path, "prod").remember(*PLACE, INTENT)
    assert _entry(_journal(tmp_path)) is None


def test_a_rehearsal_has_a_journal_of_its_own(tmp_path: Path) -> None:
    """What an emulator was asked for is nothing that a real service could find."""
    real, rehearsed = a_target(provider="vertex"), a_target(provider="emulator")
    journal_of(tmp_path, rehearsed).remember(*PLACE, MADE)
    assert _entry(journal_of(tmp_path, real)) is None
    assert _entry(journal_of(tmp_path, rehearsed)) == MADE
    assert _entry(journal_of(tmp_path, replace(rehearsed, environment="new"), "local")) == MADE


def test_an_entry_that_was_moved_since_is_not_told_again_at_its_old_address(tmp_path: Path) -> None:
    """A run that was killed between lock and journal leaves both; its tick had renamed the job."""
    journal = _journal(tmp_path)
    journal.remember(*PLACE, INTENT)
    renamed = a_lock(("support-bot/first", KEY, INTENT))
    assert journal.replay(renamed) == renamed
    journal.remember(*PLACE, MADE)
    found = journal.replay(renamed)
    assert [*found.creations()] == [("support-bot/first", KEY, MADE)]
