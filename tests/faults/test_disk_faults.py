"""Rows 72 to 92 of the fault matrix that need no process of their own: clocks, disks, files."""

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest

from tests.support.commands import CLAIMS, Desk
from tests.support.story import HOURS, Story
from tuneops.engine import execute
from tuneops.store import files

MOST = 80
CODES = (errno.ENOSPC, errno.EROFS, errno.EIO)
TWO_JOBS = """\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {name: one}
spec: {baseModel: gemini-2.5-flash, supervisedTuningSpec: {trainingDatasetUri: one.jsonl}}
---
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {name: two}
spec: {baseModel: gemini-2.5-flash, supervisedTuningSpec: {trainingDatasetUri: two.jsonl}}
"""


# --- clocks


@pytest.mark.parametrize("offset", [-3600, 3600])
def test_72_a_wrong_clock_changes_nothing(
    offset: int, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + offset)
    assert "submitted" in story.apply().said
    story.ends_well()


def test_72_a_clock_that_jumps_before_the_create_sends_nothing(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a sleep of the machine: others may have taken over, so this run steps back."""
    right, jumped = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: right() + jumped[0])
    perform = execute.perform

    def jumping(effect: Any, hands: Any) -> object:
        if isinstance(effect, execute.Remember):
            jumped[0] = 3600
        return perform(effect, hands)

    monkeypatch.setattr(execute, "perform", jumping)
    done = story.apply()
    assert (done.code, story.posts) == (6, 0), done
    assert "held up just before the create" in done.said
    monkeypatch.setattr(execute, "perform", perform)
    story.ends_well()


# --- disks


class Disk:
    """Fails at the so-many-th operation, and at every one after it while it is full."""

    def __init__(self, number: int, code: int, story: Story) -> None:
        self.number, self.code, self.story = number, code, story
        self.count = 0
        self.posts_then = 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            if self.count == self.number:
                self.posts_then = self.story.posts
            if self.count >= self.number:
                raise OSError(self.code, os.strerror(self.code))
            return call(*arguments, **more)

        return counted


class _Os:
    """`os` as the module for files sees it, with the disk in between."""

    def __init__(self, disk: Disk) -> None:
        self.write = disk.around(os.write)
        self.fsync = disk.around(os.fsync)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def test_73_to_76_a_disk_that_fails_at_any_operation_buys_nothing_unseen(story: Story) -> None:
    """Money is spent only after the memory was proved, and after a failure nothing more is sent."""
    (story.project / "specs/bot.yaml").write_text(TWO_JOBS)
    pristine = story.project.with_name("pristine")
    shutil.copytree(story.project, pristine)
    for number in range(1, MOST):
        fresh = Story(_folder(story.project.parent / f"disk-{number}"))
        shutil.rmtree(fresh.project)
        shutil.copytree(pristine, fresh.project)
        disk = Disk(number, CODES[number % len(CODES)], fresh)
        with mock.patch.object(files, "os", _Os(disk)):
            done = fresh.apply()
        if disk.count < number:
            assert done.code == 0 and fresh.posts == 2
            break
        assert done.code == 1, (number, done)
        assert "error[cannot-write]" in done.err, done
        assert fresh.posts == disk.posts_then, "it went on buying without memory"
        fresh.later(timedelta(hours=1))
        assert fresh.apply().code == 0
        fresh.later(HOURS)
        done = fresh.apply()
        assert done.code == 0 and "2 done" in done.out, done
        assert len(fresh.service.jobs) == 2
        fresh.service.check()
        fresh.service.close()
    assert 8 < number < MOST - 1, "every operation had its turn"


CALLS = (
    "open",
    "mkdir",
    "write",
    "fchmod",
    "ftruncate",
    "fsync",
    "replace",
    "link",
    "unlink",
)
REFUSALS = (*CODES, errno.EACCES, errno.EDQUOT)


class Calls:
    """Fails the so-many-th call of the system that would change something below a folder."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = str(folder), number
        self.count = 0
        self.open: set[int] = set()

    def around(self, name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def counted(*arguments: Any, **more: Any) -> Any:
            place = arguments[0]
            below = place in self.open or str(place).startswith(self.folder)
            reads = name == "open" and not arguments[1] & (os.O_WRONLY | os.O_RDWR)
            if below and not reads:
                self.count += 1
                if self.count == self.number:
                    code = REFUSALS[self.number % len(REFUSALS)]
                    raise OSError(code, os.strerror(code), place)
            answer = call(*arguments, **more)
            if name == "open" and below:
                self.open.add(answer)
            return answer

        return counted


def test_73_a_disk_that_refuses_exactly_the_claim_is_told_whatever_the_call(
    tmp_path: Path,
) -> None:
    """Before the create, and after it: what was made then is said."""
    for number in range(1, MOST):
        fresh = Story(_folder(tmp_path / f"call-{number}"))
        workspace = fresh.project / "specs/workspace.yaml"
        workspace.write_text(workspace.read_text().replace(CLAIMS, "local"))
        calls = Calls(fresh.project / ".tuneops/claims", number)
        with mock.patch.multiple(os, **{name: calls.around(name) for name in CALLS}):
            done = fresh.apply()
        if calls.count < number:
            break
        assert done.code in (0, 1), (number, done)
        assert done.code == 0 or "cannot" in done.err, (number, done)
        assert fresh.posts == len(fresh.service.jobs) <= 1
        fresh.later()
        assert fresh.apply().code == 0, number
        assert len(fresh.service.jobs) == 1
        fresh.service.check()
        fresh.service.close()
    assert 20 < number < MOST - 1, "every call had its turn"


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_77_a_temporary_file_of_a_dead_run_is_in_nobodys_way(story: Story) -> None:
    (story.project / "specs/.tuneops.prod.lock.json.abc123").write_bytes(b'{"version"')
    assert "submitted" in story.apply().said
    story.ends_well()


# --- files that are no lock


def finished(story: Story) -> None:
    story.apply()
    story.later(HOURS)
    assert "1 done" in story.apply().out


def as_link(path: Path) -> None:
    other = path.with_name("other.json")
    path.rename(other)
    path.symlink_to(other)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def act(path: Path) -> None:
        document = json.loads(path.read_bytes())
        change(document)
        path.write_text(json.dumps(document))

    return act


MARKERS = b"<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n"
LOCKS: dict[str, tuple[int, Callable[[Path], object], str]] = {
    "a link": (78, as_link, "not a regular file"),
    "a folder": (78, as_folder, "not a regular file"),
    "a pipe": (78, as_pipe, "not a regular file"),
    "merge markers": (79, rewrite(lambda _: MARKERS), "tuneops lock resolve"),
    "nothing": (80, rewrite(lambda _: b""), "tuneops lock rebuild"),
    "blanks": (80, rewrite(lambda _: b" \n\n"), "tuneops lock rebuild"),
    "half of it": (80, rewrite(lambda it: it[: len(it) // 2]), "tuneops lock rebuild"),
    "no object": (80, rewrite(lambda _: b"[]"), "tuneops lock rebuild"),
    "noise": (80, rewrite(lambda _: os.urandom(99)), "tuneops lock rebuild"),
    "a key twice": (80, rewrite(lambda it: b'{"version": 1,' + it[1:]), "tuneops lock rebuild"),
    "another version": (83, edit(lambda it: it.update(version=2)), "version 1"),
    "a newer revision": (83, edit(lambda it: it.update(revision=99)), "the tuneops that wrote it"),
}


@pytest.mark.parametrize("case", LOCKS)
def test_a_lock_that_cannot_be_trusted_sends_no_request_at_all(case: str, story: Story) -> None:
    finished(story)
    _, spoil, words = LOCKS[case]
    good = story.lock.read_bytes()
    spoil(story.lock)
    before = story.service.asked
    done = story.apply()
    assert done.code == 65, done
    assert words in done.said
    assert story.service.asked == before, "a request was sent"
    if story.lock.is_dir():
        story.lock.rmdir()
    story.lock.unlink(missing_ok=True)
    story.lock.write_bytes(good)
    story.is_settled(0)


def test_81_a_lock_that_was_deleted_is_found_again_in_the_jobs(story: Story) -> None:
    finished(story)
    good = story.lock.read_bytes()
    story.lock.unlink()
    done = story.apply()
    assert done.code == 0 and story.posts == 1, done
    again = json.loads(story.lock.read_bytes())
    assert again["jobs"].keys() == json.loads(good)["jobs"].keys()
    story.is_settled(0)


def test_82_a_lock_of_an_old_branch_is_caught_up(story: Story) -> None:
    story.apply()
    old = story.lock.read_bytes()
    story.later(HOURS)
    assert "1 done" in story.apply().out
    new = story.lock.read_bytes()
    story.lock.write_bytes(old)
    assert story.apply().code == 0
    assert story.lock.read_bytes() == new and story.posts == 1


# --- guards, services, bugs


def test_87_without_the_guard_nothing_is_created(story: Story) -> None:
    def meddle(request: httpx.Request) -> None:
        if "acme-claims" in request.url.path:
            raise httpx.ConnectError("[Errno -2] Name or service not known")

    story.desk.meddler = meddle
    done = story.apply()
    assert (done.code, story.posts) == (1, 0)
    assert "the creation guard cannot be reached" in done.said
    story.desk.meddler = lambda _: None
    story.ends_well()


def test_88_a_claim_that_is_garbage_is_for_a_person(story: Story) -> None:
    story.faults("tuningJobs.create:reset-before")
    assert story.apply().code == 7
    (name,) = story.service.stored("acme-claims")
    story.service.store("acme-claims", name, b"what is this")
    story.later()
    done = story.apply()
    assert (done.code, story.posts) == (7, 1), done
    assert "remove it only when you know" in done.err


def test_89_a_service_that_forgot_everything_is_not_sold_to_again(story: Story) -> None:
    finished(story)
    story.service.emulator.reset()
    done = story.apply()
    assert (done.code, story.posts) == (3, 1), done
    assert story.apply("--allow-weaker-guard").code == 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_92_a_bug_at_the_create_is_said_to_be_one_and_the_job_is_found(
    when: str, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform = execute.perform

    def broken(effect: Any, hands: Any) -> object:
        mine = isinstance(effect, execute.PostJob)
        if mine and when == "before":
            raise RuntimeError("a bug")
        answer = perform(effect, hands)
        if mine:
            raise RuntimeError("a bug")
        return answer

    monkeypatch.setattr(execute, "perform", broken)
    done = story.desk.run(story.project, "apply", "--auto-approve")
    assert done.code == 1 and "this is a bug in tuneops" in done.err, done
    assert "Traceback" not in done.said
    assert story.posts == (when == "after")
    monkeypatch.setattr(execute, "perform", perform)
    story.ends_well()


# --- many runners


def test_70_of_sixteen_runners_one_creates(story: Story) -> None:
    """Each one looks before any of them has claimed; then each goes on with what it saw."""
    folders = [story.project]
    for number in range(15):
        folder = story.project.with_name(f"runner-{number}")
        shutil.copytree(story.project, folder)
        folders.append(folder)
    codes = []

    def next_one() -> None:
        if folders:
            desk = Desk(story.service)
            with mock.patch.object(execute, "perform", meeting):
                codes.append(desk.run(folders.pop(), "apply", "--auto-approve").code)

    perform = execute.perform

    def meeting(effect: Any, hands: Any) -> object:
        """Before its claim is written, every runner waits for all the others to come as far."""
        if isinstance(effect, execute.SwapClaim) and effect.claim.phase == "intent":
            next_one()
        return perform(effect, hands)

    next_one()
    assert len(codes) == 16
    assert sorted(codes) == [0] + [6] * 15, codes
    assert story.posts == 1
    story.ends_well()


def test_86_without_git_a_plan_is_made_and_an_apply_on_an_emulator_too(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert story.desk.run(story.project, "plan").code == 0
    assert "submitted" in story.apply().said
    story.ends_well()
