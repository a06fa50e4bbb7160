"""The lock between clones: nobody's work tree moves, nothing unseen is written over."""

import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import a_creation, a_job, a_key, a_lock, a_target
from tuneops.core.desired import Target
from tuneops.core.lock import Lock
from tuneops.errors import InputError, LockDamaged
from tuneops.store.lock_refs import LockRefs
from tuneops.store.lock_travel import BRANCH, LockTravel, NotPushed
from tuneops.store.lockfile import dump, parse
from tuneops.store.plumbing import Push

GIT = shutil.which("git") or "git"
PATH = "specs/tuneops.local.lock.json"
ONE, TWO, THREE = (a_job(f"support-bot/{name}") for name in ("one", "two", "three"))


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [GIT, "-c", "user.name=kim", "-c", "user.email=kim@example.org", *words],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.strip()


def clone(remote: Path, folder: Path, *words: str) -> Path:
    git(remote, "clone", "--quiet", *words, remote.as_uri(), str(folder))
    return folder


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the settings of whoever runs the tests."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")


def target(lock: str = "branch", **changes: Any) -> Target:
    return a_target(provider="vertex", lock=lock, **changes)


def lock_of(*numbers: int, environment: str = "local") -> Lock:
    """A lock with the finished jobs of these numbers."""
    lock = replace(a_lock(target=target()), jobs={}, environment=environment)
    for number in numbers:
        job = a_job(f"support-bot/job-{number}", nonce=f"n{number}")
        lock = lock.put(str(job.address), a_key(job), a_creation(job, number=number))
    return lock


def travel(folder: Path, where: Target | None = None, **more: Any) -> LockTravel:
    refs = LockRefs(folder, "origin", seconds=20)
    return LockTravel(folder, where or target(), refs, sleep=lambda _: None, **more)


def jobs_at(remote: Path, branch: str, path: str = PATH) -> set[str]:
    return set(parse(git(remote, "show", f"{branch}:{path}").encode(), path).jobs)


def names(*numbers: int) -> set[str]:
    return {f"support-bot/job-{number}" for number in numbers}


def commit(folder: Path, *words: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", *words)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with three commits on `main`; in the last are other files, too."""
    folder = tmp_path_factory.mktemp("template")
    bare = folder / "remote.git"
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    first = clone(bare, folder / "first")
    (first / "specs/deep").mkdir(parents=True)
    for number in range(3):
        (first / "specs/bot.yaml").write_text(f"# {number}\n")
        (first / "specs/deep/Ümlaut \t.txt").write_text("odd\n")
        (first / "run.sh").write_text("#!/bin/sh\n")
        (first / "run.sh").chmod(0o755)
        commit(first, f"{number}")
    git(first, "push", "--quiet", "origin", "HEAD:main")
    return bare


@pytest.fixture
def remote(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "remote.git"))


@pytest.fixture
def mine(remote: Path, tmp_path: Path) -> Path:
    return clone(remote, tmp_path / "mine")


@pytest.fixture
def theirs(remote: Path, tmp_path: Path) -> Path:
    return clone(remote, tmp_path / "theirs")


def state(folder: Path, refs: str = "refs") -> tuple[str, ...]:
    """All that a person would notice of a repository."""
    index = (folder / ".git/index").read_bytes().hex()
    config = (folder / ".git/config").read_text()
    refs = git(folder, "for-each-ref", refs)
    return (
        index,
        config,
        refs,
        git(folder, "status", "--porcelain"),
        str(sorted(path.name for path in (folder / ".git").iterdir())),
        (folder / ".git/HEAD").read_text(),
    )


@pytest.mark.parametrize("lock", ["commit", "branch"])
def test_a_lock_is_pushed_and_read_and_nothing_else_moves(
    mine: Path, theirs: Path, remote: Path, lock: str
) -> None:
    (mine / "specs/bot.yaml").write_text("an edit that is not committed\n")
    git(mine, "add", "specs/bot.yaml")
    (mine / "specs/bot.yaml").write_text("and another\n")
    hook = mine / ".git/hooks/pre-push"
    hook.write_text("#!/bin/sh\ntouch HOOKED; exit 1\n")
    hook.chmod(0o755)
    before = state(mine, "refs/heads")
    sent = travel(mine, target(lock)).write_back(lock_of(1), None, lock)
    branch = {"commit": "main", "branch": BRANCH}[lock]
    assert sent.branch == branch and sent.commit == git(remote, "rev-parse", branch)
    assert sent.ahead is (lock == "branch")
    assert git(remote, "diff", "--name-only", f"{branch}~1", branch) == PATH
    assert git(remote, "log", "--format=%an %ae %s%n%b", "-1", branch) == (
        "tuneops tuneops@localhost Update the lock of local"
    )
    assert state(mine, "refs/heads") == before and not (mine / "HOOKED").exists()

    there = state(theirs)
    (place,) = travel(theirs, target(lock)).read().places
    assert place.shown == f"origin/{branch}" and set(place.lock.jobs) == names(1)
    assert state(theirs) == there, "reading moves nothing either"


def test_the_author_is_the_one_that_git_knows(mine: Path, remote: Path) -> None:
    git(mine, "config", "user.name", "Kim")
    git(mine, "config", "user.email", "kim@example.org")
    travel(mine).write_back(lock_of(1), None, "branch")
    assert git(remote, "log", "--format=%an <%ae>", "-1", BRANCH) == "Kim <kim@example.org>"


def test_what_is_there_is_not_pushed_again(mine: Path, remote: Path) -> None:
    first = travel(mine).write_back(lock_of(1), None, "branch")
    again = travel(mine).write_back(lock_of(1), None, "branch")
    assert first.commit and again.commit is None and again.ahead
    git(remote, "update-ref", "refs/heads/main", first.commit)
    merged = travel(mine).write_back(lock_of(1), None, "branch")
    assert merged.commit is None and not merged.ahead


def test_a_push_that_comes_too_late_is_made_again_from_what_was_first(
    mine: Path, theirs: Path, remote: Path
) -> None:
    slow = travel(mine)
    push = slow._refs.push
    late: list[str] = []

    def overtaken(commit: str, branch: str) -> Push:
        if not late:
            late.append(travel(theirs).write_back(lock_of(2), None, "branch").commit or "")
        return push(commit, branch)

    slow._refs.push = overtaken  # type: ignore[method-assign]
    sent = slow.write_back(lock_of(1), None, "branch")
    assert jobs_at(remote, BRANCH) == names(1, 2)
    assert git(remote, "merge-base", "--is-ancestor", late[0], sent.commit or "") == ""


def test_many_who_push_at_once_lose_nothing(remote: Path, tmp_path: Path) -> None:
    clones = [clone(remote, tmp_path / f"clone-{number}") for number in range(3)]
    depths = [clone(remote, tmp_path / "ci", "--depth=1")]

    def push(number: int, folder: Path) -> None:
        LockTravel(
            folder, target(), LockRefs(folder, "origin"), chance=lambda: number / 4
        ).write_back(lock_of(number), None, "branch")

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(push, n, folder) for n, folder in enumerate([*clones, *depths], 1)]
        for run in runs:
            run.result()
    assert jobs_at(remote, BRANCH) == names(1, 2, 3, 4)


def test_the_branch_keeps_up_with_the_default_branch_without_force(
    mine: Path, theirs: Path, remote: Path
) -> None:
    first = travel(mine).write_back(lock_of(1), None, "branch").commit
    (theirs / "specs/new.yaml").write_text("new\n")
    commit(theirs, "more specs")
    git(theirs, "push", "--quiet", "origin", "HEAD:main")
    second = travel(mine).write_back(lock_of(1, 2), None, "branch").commit
    main = git(remote, "rev-parse", "main")
    assert git(remote, "show", "-s", "--format=%P", BRANCH).split() == [main, first]
    assert git(remote, "diff", "--name-only", "main", BRANCH) == PATH, "the rest is as on main"
    assert second == git(remote, "rev-parse", BRANCH)


def test_a_branch_that_moves_while_it_is_fetched_is_looked_at_again(
    remote: Path, theirs: Path, tmp_path: Path
) -> None:
    shallow = clone(remote, tmp_path / "shallow", "--depth=1")
    travel(theirs).write_back(lock_of(1), None, "branch")
    one = travel(shallow)
    bring, left = one._refs.bring, [2]

    def overtaken(commit: str, branch: str, *, alone: bool) -> None:
        if branch == BRANCH and left:
            travel(theirs).write_back(lock_of(left.pop()), None, "branch")
        bring(commit, branch, alone=alone)

    one._refs.bring = overtaken  # type: ignore[method-assign]
    assert set(one.read().places[0].lock.jobs) == names(1, 2)
    left.append(4)
    one.write_back(lock_of(5), None, "branch")
    assert jobs_at(remote, BRANCH) == names(1, 2, 4, 5)


@pytest.mark.parametrize("how", ["merged", "squashed", "fast-forward"])
def test_a_branch_that_was_merged_goes_on_from_the_default_branch(
    mine: Path, theirs: Path, remote: Path, how: str
) -> None:
    travel(mine).write_back(lock_of(1), None, "branch")
    flags = {"merged": ["--no-ff", "--no-edit"], "squashed": ["--squash"], "fast-forward": []}
    git(theirs, "fetch", "--quiet", "origin")
    git(theirs, "merge", "--quiet", *flags[how], f"origin/{BRANCH}")
    if how == "squashed":
        commit(theirs, "the lock")
    git(theirs, "push", "--quiet", "origin", "HEAD:main")
    old = git(remote, "rev-parse", BRANCH)
    assert travel(mine).write_back(lock_of(1), None, "branch").commit is None
    sent = travel(mine).write_back(lock_of(1, 2), None, "branch")
    assert sent.ahead and jobs_at(remote, BRANCH) == names(1, 2)
    parents = git(remote, "show", "-s", "--format=%P", BRANCH).split()
    main = git(remote, "rev-parse", "main")
    assert parents == ([main, old] if how == "squashed" else [main])


def test_locks_of_other_environments_stay_on_the_branch(mine: Path, remote: Path) -> None:
    other = target(environment="other")
    travel(mine, other).write_back(lock_of(7, environment="other"), None, "branch")
    travel(mine).write_back(lock_of(1), None, "branch")
    assert jobs_at(remote, BRANCH, "specs/tuneops.other.lock.json") == names(7)
    assert jobs_at(remote, BRANCH) == names(1)
    travel(mine, target("commit")).write_back(lock_of(1), None, "commit")
    assert git(remote, "diff", "--name-only", "main~1", "main") == PATH


def test_an_entry_with_a_job_comes_back_after_a_revert(
    mine: Path, theirs: Path, remote: Path
) -> None:
    """Whoever reverts the commit of a lock does not unmake the jobs."""
    where = target("commit")
    travel(mine, where).write_back(lock_of(1, 2), None, "commit")
    git(theirs, "pull", "--quiet", "origin", "main")
    git(theirs, "revert", "--no-edit", "HEAD")
    git(theirs, "push", "--quiet", "origin", "HEAD:main")
    seen = lock_of(1, 2)
    travel(mine, where).write_back(seen, seen, "commit")
    assert jobs_at(remote, "main") == names(1, 2)


def test_an_intent_is_forgotten_only_by_who_saw_it(mine: Path, remote: Path) -> None:
    job = a_job("support-bot/open")
    intent = replace(a_creation(job), job=None, state=None, model=None, checkpoints={})
    asked = lock_of(1).put(str(job.address), a_key(job), intent)
    travel(mine).write_back(asked, None, "branch")
    travel(mine).write_back(lock_of(1), lock_of(1), "branch")
    assert jobs_at(remote, BRANCH) == {*names(1), "support-bot/open"}, "not ours to forget"
    travel(mine).write_back(lock_of(1), asked, "branch")
    assert jobs_at(remote, BRANCH) == names(1)


def test_two_answers_to_one_creation_are_refused_by_name(mine: Path) -> None:
    travel(mine).write_back(lock_of(1), None, "branch")
    (address, key, creation), *_ = lock_of(1).creations()
    other = lock_of(1).put(address, key, replace(creation, job=f"{creation.job}1"))
    with pytest.raises(InputError, match="origin/tuneops/lock") as fault:
        travel(mine).write_back(other, None, "branch")
    assert fault.value.findings[0].code == "lock-merge"


def lay(folder: Path, content: bytes | None, make: Callable[[Path], None] | None = None) -> None:
    """Push a lock branch with such a lock."""
    git(folder, "switch", "--quiet", "--create", BRANCH)
    path = folder / PATH
    if content is not None:
        path.write_bytes(content)
    if make is not None:
        make(path)
    commit(folder, "hostile")
    git(folder, "push", "--quiet", "origin", BRANCH)


GOOD = dump(lock_of(1))
HOSTILE: dict[str, tuple[bytes | None, Callable[[Path], None] | None, str]] = {
    "empty": (b"", None, "is damaged: it is empty"),
    "cut off": (GOOD[:200], None, "is damaged"),
    "in conflict": (b"<<<<<<< HEAD\n" + GOOD, None, "has merge conflicts"),
    "link": (None, lambda path: path.symlink_to("/etc/passwd"), "it is not a regular file"),
    "folder": (None, lambda path: (path.mkdir(), (path / "x").touch()), "not a regular file"),
    "of another": (GOOD.replace(b'"acme', b'"evil'), None, "belongs to another target"),
    "version": (GOOD.replace(b'"version": 1', b'"version": 9'), None, "its version is 9"),
    "a million brackets": (b"[" * 1_000_000, None, "is damaged"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_damaged_lock_branch_is_refused_by_name(mine: Path, theirs: Path, kind: str) -> None:
    content, make, words = HOSTILE[kind]
    lay(theirs, content, make)
    for act in (
        lambda: travel(mine).read(),
        lambda: travel(mine).write_back(lock_of(2), None, "branch"),
    ):
        with pytest.raises(LockDamaged, match=words) as fault:
            act()
        assert (
            f"`origin/{BRANCH}:{PATH}`" in fault.value.message
            if hasattr(fault.value, "message")
            else f"origin/{BRANCH}:{PATH}" in str(fault.value)
        )


def test_a_lock_larger_than_a_lock_may_be_is_never_read(
    mine: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuneops.store.files.LIMIT", 1000)
    lay(theirs, b"x" * 1001)
    with pytest.raises(LockDamaged, match="it is larger than 1000 bytes"):
        travel(mine).read()


@pytest.mark.parametrize("what", ["the lock", "its folder"])
def test_what_a_fetch_that_was_cut_off_did_not_bring_is_fetched_again(
    mine: Path, theirs: Path, what: str
) -> None:
    """The commit is there and its lock is not: that is no commit without a lock."""
    lay(theirs, GOOD)
    (place,) = travel(mine).read().places
    path = PATH if what == "the lock" else PATH.rpartition("/")[0]
    name = git(mine, "rev-parse", f"{place.commit}:{path}")
    (mine / ".git/objects" / name[:2] / name[2:]).unlink()
    assert travel(mine).read().places == (place,)


def test_a_branch_that_is_larger_than_a_disk_should_bear_is_not_fetched(
    mine: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random bytes, so that git cannot make them small on the way."""
    monkeypatch.setattr("tuneops.store.plumbing.FETCH_LIMIT", 2**20)
    lay(theirs, os.urandom(2**21))
    reading = travel(mine).read()
    assert reading.places == () and reading.trouble is not None
    assert "a fetch may bring 1 MiB at most" in reading.trouble
    left = [path.stat().st_size for path in (mine / ".git/objects").rglob("*")]
    assert max(left) <= 2**20
    monkeypatch.undo()
    with pytest.raises(LockDamaged):
        travel(mine).read()


@pytest.mark.parametrize("how", ["detached", "shallow", "subfolder", "sha256"])
def test_any_kind_of_clone_will_do(
    remote: Path, mine: Path, theirs: Path, tmp_path: Path, how: str
) -> None:
    folder = mine
    if how == "detached":
        git(mine, "checkout", "--quiet", "--detach", "HEAD~2")
    elif how == "shallow":
        folder = clone(remote, tmp_path / "shallow", "--depth=1")
    elif how == "subfolder":
        folder = mine / "a b/c"
        folder.mkdir(parents=True)
    elif how == "sha256":
        bare = tmp_path / "other.git"
        git(tmp_path, "init", "-q", "--bare", "--object-format=sha256", "-b", "main", str(bare))
        folder = tmp_path / "other"
        git(tmp_path, "init", "--quiet", "--object-format=sha256", str(folder))
        git(folder, "remote", "add", "origin", bare.as_uri())
        (folder / "file").touch()
        commit(folder, "first")
        git(folder, "push", "--quiet", "origin", "HEAD:main")
        remote = bare
    if how not in ("subfolder", "sha256"):
        travel(theirs).write_back(lock_of(1), None, "branch")
        assert set(travel(folder).read().places[0].lock.jobs) == names(1)
    sent = travel(folder).write_back(lock_of(2), None, "branch")
    assert sent.commit
    if how == "shallow":
        git(folder, "fsck", "--no-dangling")
        git(folder, "pull", "--quiet", "origin", "main")
    path = "a b/c/" + PATH if how == "subfolder" else PATH
    expected = names(2) if how in ("subfolder", "sha256") else names(1, 2)
    assert jobs_at(remote, BRANCH, path) == expected


def test_a_remote_that_takes_no_push_says_why(mine: Path, remote: Path) -> None:
    hook = remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'main is protected' >&2; exit 1\n")
    hook.chmod(0o755)
    with pytest.raises(NotPushed, match="pushed to `origin`") as fault:
        travel(mine, target("commit")).write_back(lock_of(1), None, "commit")
    assert "main is protected" in " ".join(fault.value.notes)
    assert "`lockBranch:`" in (fault.value.help or "")


def test_a_push_that_was_taken_though_its_answer_was_lost_counts(mine: Path, remote: Path) -> None:
    one = travel(mine)
    push = one._refs.push

    def cut(commit: str, branch: str) -> Push:
        push(commit, branch)
        return Push(result="late", words="git did not end within 20 s")

    one._refs.push = cut  # type: ignore[method-assign]
    assert one.write_back(lock_of(1), None, "branch").commit == git(remote, "rev-parse", BRANCH)


def test_a_remote_that_cannot_be_reached_is_said_and_not_raised(mine: Path, remote: Path) -> None:
    shutil.rmtree(remote)
    reading = travel(mine).read()
    assert reading.places == () and "`origin` cannot be read" in (reading.trouble or "")


def test_a_remote_without_commits_or_branch_is_no_trouble(tmp_path: Path, mine: Path) -> None:
    assert travel(mine).read().places == ()
    empty = tmp_path / "empty.git"
    git(tmp_path, "init", "--quiet", "--bare", str(empty))
    git(mine, "remote", "set-url", "origin", empty.as_uri())
    reading = travel(mine).read()
    assert reading.places == () and reading.trouble is None
    with pytest.raises(NotPushed, match="could not be pushed"):
        travel(mine).write_back(lock_of(1), None, "branch")


def test_the_default_branch_cannot_be_its_own_lock_branch(mine: Path) -> None:
    where = target(lock_branch="main")
    with pytest.raises(NotPushed) as fault:
        travel(mine, where).write_back(lock_of(1), None, "branch")
    assert "`main` is the default branch" in " ".join(fault.value.notes)


def test_a_default_branch_that_differs_in_locks_only_has_our_specs(
    mine: Path, theirs: Path, remote: Path
) -> None:
    where = target("commit")
    head = git(mine, "rev-parse", "HEAD")

    def agreed() -> bool:
        tips = travel(mine, where).read().tips
        assert tips is not None
        return travel(mine, where).default_has_specs_of(head, tips)

    assert agreed()
    travel(theirs, where).write_back(lock_of(1), None, "commit")
    assert agreed()
    git(theirs, "pull", "--quiet", "origin", "main")
    (theirs / "specs/bot.yaml").write_text("# another\n")
    commit(theirs, "an edit")
    git(theirs, "push", "--quiet", "origin", "HEAD:main")
    assert not agreed()
