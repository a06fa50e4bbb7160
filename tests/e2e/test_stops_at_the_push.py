"""Real signals around the write-back of the lock: nothing is lost, nothing is bought twice.

A run is stopped before git is asked, between its commit and its push, while the remote takes the
push, and after it has: by a person, by a runner that gives up, and for good.
"""

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.e2e.conftest import Nursery
from tests.e2e.test_guards import LOCK, Team, git, serving

CLAIMS = "gs://acme-claims/tuneops"
JOURNAL = ".tuneops/journal.prod.emulator.jsonl"
BRANCHES = {"commit": "main", "branch": "tuneops/lock"}


@dataclass(frozen=True)
class Point:
    """Where a run is stopped: at a git command, or while a hook of the remote runs."""

    command: str = ""
    when: Literal["before", "after"] = "before"
    hook: str = ""

    @property
    def arrived(self) -> bool:
        """Whether the push has been taken by then."""
        return self.hook == "post-receive" or (self.command, self.when) == ("push", "after")


POINTS = {
    "before it looks": Point("ls-remote"),
    "before the commit": Point("commit-tree"),
    "before the push": Point("push"),
    "while it is looked at": Point(hook="pre-receive"),
    "while it is taken": Point(hook="post-receive"),
    "after the push": Point("push", "after"),
}
KILL, INT, TERM = signal.SIGKILL, signal.SIGINT, signal.SIGTERM
CODES = {KILL: -9, INT: 130, TERM: 143}
MODES = ("commit", "branch", "commit")
CASES = [
    *[(MODES[number % 2], point, KILL) for number, point in enumerate(POINTS)],
    *[(MODES[number % 2 + 1], point, INT) for number, point in enumerate(POINTS)],
    *[("branch", point, TERM) for point in ("before the push", "while it is looked at")],
]


@pytest.fixture
def team(tmp_path: Path, nurseries: list[Nursery]) -> Iterator[Team]:
    yield from serving(tmp_path, nurseries)


@pytest.mark.parametrize(
    ("mode", "point", "number"), CASES, ids=[f"{m}, {p}, {n.name}" for m, p, n in CASES]
)
def test_a_stop_around_the_push_of_the_lock_loses_nothing(
    mode: str, point: str, number: signal.Signals, team: Team
) -> None:
    team.share(f"{CLAIMS}\n      lock: {mode}")
    one, two = team.clones
    fuse = armed(team, POINTS[point], number)
    code, said = team.run(one, "apply", "--auto-approve", **fuse)
    assert code == CODES[number], said
    assert "Traceback" not in said
    assert team.emulator.posts == 1
    whole(team, one)
    (made,) = lock(one)["jobs"]["bot/one"]["creations"].values()
    assert made["job"] == team.emulator.jobs()[0]["name"], "the lock in the work tree knows it"
    if number != KILL:
        assert "the lock was being pushed" in said and "the next run pushes it" in said, said
        assert (pushed(team, mode) is not None) is POINTS[point].arrived
    disarmed(team)
    settled(team, two, mode)
    settled(team, one, mode)
    assert lock(one)["jobs"] == lock(two)["jobs"] == pushed(team, mode)["jobs"]  # type: ignore[index]
    assert team.emulator.posts == 2 and len(team.jobs()) == 2, "one job a stage"


def armed(team: Team, point: Point, number: signal.Signals) -> dict[str, Any]:
    """Have a run in the first clone be stopped at a point."""
    if not point.hook:
        there = {"at": "push", "git": point.command, "when": point.when}
        return {**there, "n": 1, "signal": int(number)}
    pid = team.folder / "pid"
    hook = team.remote / "hooks" / point.hook
    hook.parent.mkdir(exist_ok=True)
    patience = "0.3" if number == KILL else "20"  # a run that is asked to stop ends its git
    hook.write_text(f"#!/bin/sh\ncat >/dev/null\nkill -{number:d} $(cat {pid})\nsleep {patience}\n")
    hook.chmod(0o755)
    return {"pid": str(pid)}


def disarmed(team: Team) -> None:
    """Nobody is stopped from now on; a push that goes on without its run comes to its end."""
    time.sleep(0.1)
    for hook in (team.remote / "hooks").glob("*-receive"):
        hook.unlink()


def whole(team: Team, clone: Path) -> None:
    """No file is half there, and nobody's index, work tree or branches were touched."""
    for path in (clone, team.remote):
        git(path, "fsck", "--no-dangling", "--connectivity-only")
    assert not list((clone / ".git").rglob("*.lock"))
    status = git(clone, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert status == [f"?? {LOCK}"]
    assert git(clone, "branch", "--format=%(refname)").split() == ["refs/heads/main"]
    json.loads((clone / LOCK).read_bytes())


def settled(team: Team, clone: Path, mode: str) -> None:
    """Runs of a clone until nothing is to be done; the lock of all of them is where it belongs."""
    for _ in range(4):
        posts = team.emulator.posts
        code, said = team.run(clone)
        assert code == 0, said
        assert pushed(team, mode) is not None, said
        if "2 done" in said:
            return
        assert team.emulator.posts - posts <= 1
        team.emulator.advance(timedelta(hours=6))
    raise AssertionError(said)


def lock(clone: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((clone / LOCK).read_bytes())
    return found


def pushed(team: Team, mode: str) -> dict[str, Any] | None:
    """The lock as the remote has it; None before the first push."""
    branch = f"refs/heads/{BRANCHES[mode]}"
    if branch not in team.refs():
        return None
    names = git(team.remote, "ls-tree", "--name-only", branch, "specs/").splitlines()
    return json.loads(git(team.remote, "show", f"{branch}:{LOCK}")) if LOCK in names else None
