"""Forks and namesakes: who inherits a lock, or has the same names, stops and buys nothing of ours.

A fork has the lock file and another remote, so it knows none of the claims; a second repository of
the same workspace has neither. Both see the jobs in the list, for their labels are the same.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.conftest import CHAIN, Nursery, write_chain
from tests.e2e.test_guards import LOCK, WORKSPACE, Team, git, serving

HOURS = timedelta(hours=6)
UNKNOWN = "a job with our labels that this repository does not know"


@pytest.fixture
def team(tmp_path: Path, nurseries: list[Nursery]) -> Iterator[Team]:
    yield from serving(tmp_path, nurseries)


@pytest.fixture
def running(team: Team) -> Team:
    """A repository whose first stage runs, and whose lock is in its default branch."""
    team.share("git\n      lock: commit")
    code, said = team.run(team.clones[0])
    assert code == 0 and team.emulator.posts == 1, said
    return team


def forked(team: Team) -> Path:
    """A checkout of a fork: all branches and tags are copied, and no other ref."""
    fork, clone = team.folder / "fork.git", team.folder / "forked"
    git(team.folder, "clone", "--quiet", "--bare", str(team.remote), str(fork))
    git(team.folder, "clone", "--quiet", fork.as_uri(), str(clone))
    assert (clone / LOCK).exists(), "it inherits the lock"
    return clone


def namesake(team: Team, chain: str = CHAIN) -> Path:
    """A checkout of another repository, whose workspace and environment have the same names."""
    remote, folder = team.folder / "other.git", write_chain(team.folder / "other")
    (folder / "specs/workspace.yaml").write_text(
        WORKSPACE.replace("CLAIMS", "git\n      lock: commit")
    )
    (folder / "specs/bot.yaml").write_text(chain)
    git(team.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "specs")
    git(folder, "remote", "add", "origin", remote.as_uri())
    git(folder, "push", "--quiet", "origin", "main")
    return folder


def states(team: Team) -> list[str]:
    team.emulator.advance(timedelta(minutes=1))
    return sorted(state for found in team.jobs().values() for state in found)


def edited(clone: Path) -> None:
    spec = clone / "specs/bot.yaml"
    spec.write_text(spec.read_text().replace("epochCount: 1", "epochCount: 2", 1))


def test_a_fork_buys_nothing_again_and_goes_on_with_what_runs(running: Team) -> None:
    clone = forked(running)
    for _ in range(2):
        code, said = running.run(clone)
        assert code == 0 and running.emulator.posts == 1, said
    running.emulator.advance(HOURS)
    code, said = running.run(running.clones[0])
    assert code == 0 and running.emulator.posts == 2, said
    code, said = running.run(clone)
    assert code == 0 and running.emulator.posts == 2, said
    assert [len(found) for found in running.jobs().values()] == [1, 1]


@pytest.mark.parametrize("change", ["an edit", "no specs", "all retired"])
def test_a_fork_stops_nothing_whatever_it_changes(change: str, running: Team) -> None:
    """The jobs are its own by the lock, but whoever makes them keeps the claims elsewhere."""
    clone = forked(running)
    if change == "an edit":
        edited(clone)
    else:
        (clone / "specs/bot.yaml").unlink()
    git(clone, "commit", "--quiet", "-am", change)
    git(clone, "push", "--quiet", "origin", "main")
    words = ("--allow-empty",) if change == "all retired" else ()
    code, shown = running.run(clone, "plan", *words)
    assert UNKNOWN in shown and "cancel" not in shown, shown
    for run in (("apply", "--auto-approve", *words), ("reconcile", "--once")):
        code, said = running.run(clone, *run)
        assert code == (4 if change == "no specs" else 3), said
        assert set(states(running)) == {"JOB_STATE_RUNNING"}
    bought = 2 if change == "an edit" else 1
    assert running.emulator.posts == len(states(running)) == bought, "what is new is bought once"
    first = running.clones[0]
    code, said = running.run(first)
    assert code == (3 if bought == 2 else 0) and running.emulator.posts == bought, said


def test_a_namesake_with_the_same_specs_finds_the_jobs_and_stops_none(running: Team) -> None:
    clone = namesake(running)
    assert "found by its labels" in running.run(clone, "plan")[1]
    for _ in range(2):
        code, said = running.run(clone)
        assert code == 0 and running.emulator.posts == 1, said
    edited(clone)
    code, said = running.run(clone)
    assert code == 3 and running.emulator.posts == 2, said
    assert UNKNOWN in running.run(clone, "plan")[1]
    assert states(running) == ["JOB_STATE_RUNNING"] * 2, "the first one is not its to stop"


def test_a_namesake_with_other_specs_leaves_the_jobs_alone_and_says_it(running: Team) -> None:
    clone = namesake(running, CHAIN.replace("name: bot", "name: cat").replace(": 1}", ": 3}"))
    assert UNKNOWN in running.run(clone, "plan")[1]
    for run in (("apply", "--auto-approve"), ("reconcile", "--once")):
        code, said = running.run(clone, *run)
        assert code == 3 and "1 on hold" in said, said
        assert states(running) == ["JOB_STATE_RUNNING"] * 2 and running.emulator.posts == 2
    code, said = running.run(running.clones[0])
    assert code == 3 and running.emulator.posts == 2, said
    assert states(running) == ["JOB_STATE_RUNNING"] * 2, "nor does the first stop the other's"


@pytest.mark.parametrize("how", ["a stale branch", "a reverted lock"])
def test_a_checkout_without_the_newest_lock_buys_and_stops_nothing(how: str, running: Team) -> None:
    """The second clone has never pulled; or somebody took the lock out of the default branch."""
    one, two = running.clones
    running.emulator.advance(HOURS)
    assert running.run(one)[0] == 0 and running.emulator.posts == 2
    if how == "a reverted lock":
        (one / LOCK).unlink()
        git(one, "pull", "--quiet", "origin", "main")
        newest = git(one, "log", "-1", "--format=%H")
        git(one, "revert", "--no-edit", newest)
        git(one, "push", "--quiet", "origin", "main")
        git(two, "pull", "--quiet", "origin", "main")
        assert (two / LOCK).read_text().count("attempt") < 2, "it knows one job of two"
    for _ in range(2):
        code, said = running.run(two)
        assert code == 0 and "cancel" not in said and running.emulator.posts == 2, said
    running.emulator.advance(HOURS)
    code, said = running.run(two)
    assert code == 0 and "2 done" in said and running.emulator.posts == 2, said
    assert set(states(running)) == {"JOB_STATE_SUCCEEDED"}
