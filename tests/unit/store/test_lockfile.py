"""The lock file: damage of every kind is refused by name, and never taken for "no lock"."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import (
    NOON,
    a_creation,
    a_dataset,
    a_job,
    a_key,
    a_lock,
    a_target,
)
from tests.support.vectors import a_full_lock
from tuneops.core.desired import Formerly, Pinned
from tuneops.core.lock import Lock
from tuneops.core.observed import JobState
from tuneops.core.recipe import Evidence
from tuneops.diagnostics import SourceRef
from tuneops.errors import Busy, DiskError, InputError, LockDamaged
from tuneops.store import files
from tuneops.store.journal import Journal, journal_of
from tuneops.store.lockfile import LockFile, Place, dump, empty_lock, lock_path, parse, union

GOOD = a_full_lock()
JOB = a_job()
KEY = a_key(JOB)


def _names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def _store(root: Path, **changes: Any) -> LockFile:
    target = a_target(**changes)
    return LockFile(root, target, Journal(root / ".tuneops", target.environment))


def _lay(root: Path, content: bytes) -> Path:
    path = lock_path(root, "local")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _edited(**changes: Any) -> bytes:
    return json.dumps({**json.loads(GOOD), **changes}).encode()


def _entry(**changes: Any) -> bytes:
    value = json.loads(GOOD)
    (entry,) = value["jobs"]["support-bot/seed"]["creations"].values()
    entry.update(changes)
    return json.dumps(value).encode()


DAMAGE = {
    "empty": (b"", "lock-damaged"),
    "blank": (b" \n\t\n", "lock-damaged"),
    "cut off": (GOOD[: len(GOOD) // 2], "lock-damaged"),
    "cut off before the end": (GOOD.rstrip()[:-1], "lock-damaged"),
    "twice": (GOOD + GOOD, "lock-damaged"),
    "ours": (b"<<<<<<< HEAD\n" + GOOD, "lock-conflict"),
    "theirs": (GOOD + b">>>>>>> main\n", "lock-conflict"),
    "between": (GOOD + b"=======\n" + GOOD, "lock-conflict"),
    "base": (GOOD + b"||||||| base\n", "lock-conflict"),
    "all four marks": (
        b"<<<<<<< HEAD\n" + GOOD + b"||||||| base\n=======\n" + GOOD + b">>>>>>> main\n",
        "lock-conflict",
    ),
    "a key twice": (b'{"version": 1, ' + GOOD.lstrip()[1:], "lock-damaged"),
    "a key twice inside": (GOOD.replace(b'"attempt": 1,', b'"attempt": 1, "attempt": 2,', 1),) * 1
    + ("lock-damaged",),
    "not a number": (_edited(revision=float("nan")), "lock-damaged"),
    "infinite": (_entry(attempt=float("inf")), "lock-damaged"),
    "a number of 5000 digits": (b'{"version": ' + b"1" * 5000 + b"}", "lock-damaged"),
    "version 2": (_edited(version=2), "lock-damaged"),
    "version yes": (_edited(version=True), "lock-damaged"),
    "version 1.0": (_edited(version=1.0), "lock-damaged"),
    "version in words": (_edited(version="1"), "lock-damaged"),
    "no version": (b"{}", "lock-damaged"),
    "a newer revision": (_edited(revision=2), "lock-newer"),
    "a newer revision with new words": (_edited(revision=2, future=1), "lock-newer"),
    "a revision in words": (_edited(revision="2"), "lock-damaged"),
    "a broken revision": (_edited(revision=1.5), "lock-damaged"),
    "a list": (b"[]", "lock-damaged"),
    "null": (b"null", "lock-damaged"),
    "a text": (b'"lock"', "lock-damaged"),
    "not json": (b"version: 1\n", "lock-damaged"),
    "not utf-8": (b'{"version": 1, "workspace": "\xff"}', "lock-damaged"),
    "utf-16": (GOOD.decode().encode("utf-16"), "lock-damaged"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, "lock-damaged"),
    "a null byte": (GOOD + b"\0", "lock-damaged"),
    "an abyss": (b"[" * 200_000, "lock-damaged"),
    "an abyss inside": (b'{"version":1,"jobs":' + b'{"a":' * 100_000, "lock-damaged"),
    "an unknown word": (_edited(futureField=1), "lock-damaged"),
    "no workspace": (_edited(workspace=None), "lock-damaged"),
    "jobs in a list": (_edited(jobs=[]), "lock-damaged"),
    "half a letter": (GOOD.replace(b'"acme"', b'"\\ud800"', 1), "lock-damaged"),
    "an unknown state": (_entry(state="THINKING"), "lock-damaged"),
    "an unknown word in an entry": (_entry(futureField=1), "lock-damaged"),
    "a time without a zone": (_entry(created="2026-11-20T12:00:00"), "lock-damaged"),
    "no recipe": (_entry(recipe=None), "lock-damaged"),
    "another workspace": (_edited(workspace="other"), "lock-of-another-target"),
    "another environment": (_edited(environment="prod"), "lock-of-another-target"),
    "another target": (_edited(target="vertex"), "lock-of-another-target"),
    "another project": (_edited(project="other"), "lock-of-another-target"),
    "another location": (_edited(location="europe-west4"), "lock-of-another-target"),
}


def test_the_lock_that_the_damages_start_from_is_good(tmp_path: Path) -> None:
    _lay(tmp_path, GOOD)
    assert len(_store(tmp_path).load().jobs) == 3


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_lock_is_refused_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    content, code = DAMAGE[damage]
    path = _lay(tmp_path, content)
    with pytest.raises(LockDamaged) as fault:
        _store(tmp_path).load()
    (finding,) = fault.value.findings
    assert finding.code == code
    assert finding.help
    lines = [number for number, line in enumerate(content.split(b"\n"), 1) if line[:7] in MARKS]
    place = SourceRef(path="specs/tuneops.local.lock.json", line=1, column=1)
    if code == "lock-conflict":
        marks = content.split(b"\n")[lines[0] - 1].decode()
        place = replace(place, line=lines[0], length=7, excerpt=marks)
    assert finding.where == place
    assert path.read_bytes() == content


MARKS = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")


def test_a_lock_may_be_as_large_as_a_file_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LIMIT", len(GOOD) + 1)
    assert len(parse(GOOD + b" ", "it").jobs) == 3
    with pytest.raises(LockDamaged, match="damaged"):
        parse(GOOD + b"  ", "it")


def test_a_lock_with_entries_of_another_name_says_where_and_what_to_list(tmp_path: Path) -> None:
    _lay(tmp_path, _edited(project="elsewhere"))
    with pytest.raises(LockDamaged) as fault:
        _store(tmp_path, project="elsewhere").load()
    (finding,) = fault.value.findings
    assert finding.code == "lock-under-another-name"
    assert finding.where == SourceRef(path="specs/tuneops.local.lock.json", line=1, column=1)


@pytest.mark.parametrize("kind", ["link", "broken link", "folder", "pipe"])
def test_a_lock_that_is_no_regular_file_is_damaged(tmp_path: Path, kind: str) -> None:
    path = lock_path(tmp_path, "local")
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        target = tmp_path / "elsewhere"
        if kind == "link":
            target.write_bytes(GOOD)
        path.symlink_to(target)
    store = _store(tmp_path)
    assert store.exists
    with pytest.raises(LockDamaged) as fault:
        store.load()
    assert fault.value.findings[0].code == "lock-damaged"


def test_no_file_is_no_lock(tmp_path: Path) -> None:
    store = _store(tmp_path)
    assert not store.exists
    assert store.load() == empty_lock(a_target())
    assert not store.save(store.load())
    assert not store.exists, "a run that learns nothing writes nothing"


def _with(number: int = 1) -> Lock:
    return a_lock(("support-bot/seed", KEY, a_creation(JOB, number=number)))


def test_what_is_saved_is_loaded_and_is_not_written_twice(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.load()
    assert store.save(_with())
    written = store.path.stat().st_mtime_ns
    assert not store.save(_with())
    again = _store(tmp_path)
    assert again.load() == _with()
    assert not again.save(_with())
    assert store.path.stat().st_mtime_ns == written


def test_a_lock_that_somebody_wrote_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    first, second = _store(tmp_path), _store(tmp_path)
    first.load()
    second.load()
    assert second.save(_with(2))
    with pytest.raises(Busy):
        first.save(_with(1))
    assert _store(tmp_path).load() == _with(2)


def test_a_lock_that_was_removed_meanwhile_is_not_written(tmp_path: Path) -> None:
    path = _lay(tmp_path, dump(_with()))
    store = _store(tmp_path)
    store.load()
    path.unlink()
    with pytest.raises(Busy):
        store.save(_with(2))


def test_the_journal_is_cleared_only_when_the_lock_says_it_all(tmp_path: Path) -> None:
    journal = Journal(tmp_path / ".tuneops", "local")
    store = LockFile(tmp_path, a_target(), journal)
    store.load()
    journal.remember("support-bot/seed", KEY, a_creation(JOB))
    (tmp_path / "specs").write_bytes(b"in the way")
    with pytest.raises(DiskError):
        store.save(_with())
    assert journal.path.exists()
    (tmp_path / "specs").unlink()
    store.load()
    assert store.save(store.load())
    assert not journal.path.exists()
    assert _store(tmp_path).load().at("support-bot/seed").creations.keys() == {KEY}


def test_the_proof_writes_where_money_will_be_remembered_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    store = _store(tmp_path)
    store.prove()
    assert _names(tmp_path / "specs") == []
    assert store.load() == empty_lock(a_target())
    (tmp_path / "specs").rmdir()
    (tmp_path / "specs").write_bytes(b"in the way")
    with pytest.raises(DiskError):
        store.prove()


def test_the_proof_is_of_the_journal_too(tmp_path: Path) -> None:
    (tmp_path / ".tuneops").write_bytes(b"in the way")
    with pytest.raises(DiskError):
        _store(tmp_path).prove()


def test_a_lock_of_elsewhere_counts_until_the_file_says_it_all(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.elsewhere = (Place(shown="origin/main", commit="c" * 40, lock=_with()),)
    assert store.load() == _with()
    assert store.save(store.load()) and store.elsewhere == ()
    assert _store(tmp_path).load() == _with()


def _lock_with_pin(generation: str) -> Lock:
    pin = Pinned(dataset=a_dataset("gs://d/a"), evidence=Evidence(generation=generation))
    return replace(_with(), pins={"support-bot/seed": {"gs://d/a": pin}})


def test_a_pin_that_only_a_branch_moved_moves_nothing_here(tmp_path: Path) -> None:
    """It is a cause of money: only what people agreed on in the file that is read counts."""
    here, moved = _lock_with_pin("1"), _lock_with_pin("2")
    _lay(tmp_path, dump(here))
    store = _store(tmp_path)
    store.elsewhere = (Place(shown="origin/main", commit="c" * 40, lock=moved),)
    assert store.load() == here


def test_a_renamed_environment_inherits_lock_and_journal_of_its_latest_old_name(
    tmp_path: Path,
) -> None:
    """The one that was never applied under a name left nothing there."""
    names = Formerly(environment=("local", "never"))
    assert _store(tmp_path, environment="prod", formerly=names).load().jobs == {}
    _lay(tmp_path, dump(_with()))
    week = a_job("bot/week", nonce="week")
    journal_of(tmp_path / ".tuneops", a_target()).remember(
        "bot/week", a_key(week), a_creation(week, number=7)
    )
    store = _store(tmp_path, environment="prod", formerly=names)
    found = store.load()
    assert found.environment == "prod" and not store.exists
    assert found.jobs.keys() == {"support-bot/seed", "bot/week"}


@pytest.mark.parametrize(
    "changes", [{"location": "europe-west4"}, {"project": "other"}, {"workspace": "renamed"}]
)
def test_a_journal_of_another_target_is_refused_and_says_which_job_no_lock_has(
    changes: dict[str, str], tmp_path: Path
) -> None:
    """Somebody stopped the first run, and put the place right: the first job runs all the same."""
    journal = journal_of(tmp_path / ".tuneops", a_target())
    journal.remember("support-bot/seed", KEY, a_creation(JOB, number=None))
    journal.remember("support-bot/seed", KEY, a_creation(JOB))
    store = LockFile(tmp_path, a_target(**changes), journal)
    with pytest.raises(LockDamaged) as fault:
        store.load()
    (finding,) = fault.value.findings
    assert finding.code == "journal-of-another-target"
    where = f"in demo-project, us-central1: `{a_creation(JOB).job}`"
    assert finding.notes[0] == f"`support-bot/seed` was asked for {where}"
    assert "`.tuneops/journal.local.emulator.jsonl`" in finding.message
    found = LockFile(tmp_path, a_target(), journal).load()
    assert found.at("support-bot/seed").creations == {KEY: a_creation(JOB)}


def test_two_locks_that_cannot_be_one_say_of_what_they_disagree() -> None:
    key = KEY
    with pytest.raises(InputError) as fault:
        union(None, _with(1), _with(2), "origin/main", agreed=False)
    (finding,) = fault.value.findings
    assert finding.message.startswith(
        f"`origin/main` and the lock here disagree on `support-bot/seed`, `{key}`: another "
    )
    with pytest.raises(InputError) as fault:
        union(None, _with(), replace(_with(), workspace="other"), "origin/main", agreed=False)
    assert "disagree on the lock itself: another workspace" in fault.value.findings[0].message


def test_the_guard_is_written_with_other_news_and_is_none_alone(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.load()
    store.guard = "git"
    assert not store.save(empty_lock(a_target()))
    assert store.save(_with())
    assert _store(tmp_path).load().guard == "git"
    again = _store(tmp_path)
    again.guard = "gs"
    assert not again.save(again.load())
    assert again.save(_with(2)) and _store(tmp_path).load().guard == "gs"


def test_the_number_of_a_project_alone_is_no_news_for_a_lock_that_is_not_there(
    tmp_path: Path,
) -> None:
    store = _store(tmp_path)
    known = replace(store.load(), project_number="123456789012")
    assert not store.save(known) and not store.exists


def test_a_time_of_ours_is_nowhere_in_the_lock() -> None:
    intent = a_creation(JOB, number=None, asked=NOON)
    content = dump(a_lock(("support-bot/seed", KEY, intent)))
    assert b"2026-11-20T12:00:00Z" in content, "the service's time, in the one spelling"


def test_states_and_empty_fields_are_written_as_semantics_says() -> None:
    entry = a_creation(JOB, state=JobState.RUNNING)
    value = json.loads(dump(a_lock(("support-bot/seed", KEY, replace(entry, asked=None)))))
    creation = value["jobs"]["support-bot/seed"]["creations"][KEY]
    assert creation["state"] == "RUNNING"
    assert {"model", "chosen", "asked", "error", "cancelAsked"} & creation.keys() == set()
    assert creation["recipe"]["source"] == {"baseModel": "gemini-2.5-flash"}
