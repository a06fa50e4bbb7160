"""The sides of a lock in which git left conflict markers, taken apart; git wrote the markers."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.builders import a_creation, a_job, a_lock
from tuneops.core.lock import Lock
from tuneops.core.merge import merge
from tuneops.core.observed import JobState
from tuneops.errors import InputError, TuneopsError
from tuneops.store.conflicts import Sides, committed, read_sides, split
from tuneops.store.lockfile import dump

SHOWN = "specs/tuneops.local.lock.json"
SEED = a_job()
RUNNING = a_creation(SEED, state=JobState.RUNNING)
DONE = a_creation(SEED)
BASE = a_lock(("bot/seed", "k1", RUNNING), ("bot/week", "k2", RUNNING))
OURS = a_lock(("bot/seed", "k1", DONE), ("bot/week", "k2", RUNNING), ("bot/x", "k3", DONE))
THEIRS = a_lock(("bot/seed", "k1", RUNNING), ("bot/week", "k2", DONE), ("bot/y", "k4", DONE))


def conflicted(folder: Path, style: str, base: Lock, ours: Lock, theirs: Lock) -> bytes:
    """What `git merge-file` makes of three locks."""
    for name, lock in (("base", base), ("ours", ours), ("theirs", theirs)):
        (folder / name).write_bytes(dump(lock))
    flag = [f"--{style}"] if style != "merge" else []
    done = subprocess.run(
        ["git", "merge-file", "-p", *flag, "ours", "base", "theirs"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert done.returncode > 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_the_sides_of_a_conflict_merge_into_one_lock(style: str, tmp_path: Path) -> None:
    content = conflicted(tmp_path, style, BASE, OURS, THEIRS)
    sides = split(content, SHOWN)
    assert sides is not None
    assert (sides.base is None) == (style == "merge")
    base, ours, theirs = read_sides(sides, SHOWN)
    merged = merge(base, ours, theirs)
    assert merged.conflicts == ()
    assert merged.lock == merge(BASE, OURS, THEIRS).lock


def test_diff3_gives_all_three_back(tmp_path: Path) -> None:
    other = replace(BASE, jobs={"bot/seed": THEIRS.jobs["bot/y"]})
    content = conflicted(tmp_path, "diff3", a_lock(), OURS, other)
    sides = split(content, SHOWN)
    assert sides is not None
    assert read_sides(sides, SHOWN) == (a_lock(), OURS, other)


def test_a_file_without_markers_has_no_sides() -> None:
    assert split(dump(OURS), SHOWN) is None
    assert split(b"", SHOWN) is None


def test_labels_after_the_signs_and_line_ends_of_windows_do_not_matter() -> None:
    text = b"a\r\n<<<<<<< HEAD\r\nb\r\n=======\r\nc\r\n>>>>>>> a branch\r\nd\r\n"
    assert split(text, SHOWN) == Sides(ours=b"a\r\nb\r\nd\r\n", theirs=b"a\r\nc\r\nd\r\n")


def test_a_base_that_only_some_conflicts_show_is_no_base() -> None:
    first = b"<<<<<<< a\nb\n||||||| o\n=======\nc\n>>>>>>> b\n"
    second = b"<<<<<<< a\nd\n=======\ne\n>>>>>>> b\n"
    sides = split(first + second, SHOWN)
    assert sides is not None and sides.base is None
    assert (sides.ours, sides.theirs) == (b"b\nd\n", b"c\ne\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"=======\n", 1),
        (b"{\n>>>>>>> b\n", 2),
        (b"<<<<<<< a\n<<<<<<< a\n", 2),
        (b"<<<<<<< a\n>>>>>>> b\n", 2),
        (b"<<<<<<< a\n||||||| o\n||||||| o\n", 3),
        (b"<<<<<<< a\n=======\n=======\n", 3),
        (b"<<<<<<< a\nb\n=======\nc\n", 4),
    ],
)
def test_markers_out_of_order_are_refused_at_their_line(text: bytes, line: int) -> None:
    with pytest.raises(InputError) as refused:
        split(text, SHOWN)
    (finding,) = refused.value.findings
    assert finding.code == "lock-conflict"
    assert finding.where is not None and finding.where.line == line
    assert finding.help is not None and "git checkout --merge" in finding.help


def test_a_side_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InputError, match=r"\(theirs\)` is damaged"):
        read_sides(Sides(ours=dump(OURS), theirs=b"{"), SHOWN)


def test_a_base_that_cannot_be_read_counts_as_none() -> None:
    sides = Sides(ours=dump(OURS), theirs=dump(THEIRS), base=b"{")
    assert read_sides(sides, SHOWN) == (None, OURS, THEIRS)


def test_a_file_of_an_earlier_commit_is_read_byte_by_byte(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=kim", "-c", "user.email=kim@example.org"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    root = tmp_path / "below"
    root.mkdir()
    (root / "a.json").write_bytes(b" 1 \r\n\n")
    git("init", "--quiet")
    with pytest.raises(TuneopsError, match="`HEAD` is no commit"):
        committed(root, "HEAD", "a.json")
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    (root / "a.json").write_bytes(b"2")
    assert committed(root, "HEAD", "a.json") == b" 1 \r\n\n"
    assert committed(root, "HEAD", "b.json") is None
    for wrong in ("HEAD~9", "nothing", "--all", "HEAD:a"):
        with pytest.raises(TuneopsError, match="is no commit"):
            committed(root, wrong, "a.json")
