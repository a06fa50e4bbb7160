"""Claims as refs: the remote picks one winner, and nothing of the user's repository moves."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tuneops.core.claim import Claim, Reservation
from tuneops.errors import ClaimDamaged, Denied, Unavailable
from tuneops.store.claim_refs import NAMESPACE, GitRefClaims
from tuneops.store.plumbing import shared_remote

CLAIM = Claim(
    key="k4f1c",
    phase="intent",
    epoch=1,
    marks=("mark1",),
    runner="runner1",
    at=datetime(2026, 11, 3, 9, 12, 44, tzinfo=UTC),
)
OTHER = replace(CLAIM, runner="runner2", marks=("mark2",))
REF = f"{NAMESPACE}/{CLAIM.key}"
GIT = shutil.which("git") or "git"


def git(folder: Path, *words: str, feed: str = "") -> str:
    done = subprocess.run(
        [GIT, "-c", "user.name=kim", "-c", "user.email=kim@example.org", *words],
        cwd=folder,
        input=feed,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.strip()


def clone(remote: Path, folder: Path, *words: str) -> Path:
    git(remote, "clone", "--quiet", *words, remote.as_uri(), str(folder))
    return folder


def claims(folder: Path, remote: str | None = "origin", seconds: float = 20) -> GitRefClaims:
    return GitRefClaims(folder, remote, sleep=lambda _: None, seconds=seconds)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with two commits on its branch."""
    folder = tmp_path_factory.mktemp("template")
    bare = folder / "remote.git"
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    first = clone(bare, folder / "first")
    for text in ("one", "two"):
        (first / "file").write_text(text)
        git(first, "add", "file")
        git(first, "commit", "--quiet", "-m", text)
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


Wrap = Callable[[str], Path]


@pytest.fixture
def wrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wrap:
    """Put a `git` before the real one: `push` is what the script makes of it."""

    def put(push: str) -> Path:
        folder = tmp_path / "wrapper"
        folder.mkdir()
        log = folder / "pushes"
        script = f"""#!/bin/sh
case " $* " in *" push "*) echo push >> {log}; {push};; esac
exec {GIT} "$@"
"""
        (folder / "git").write_text(script)
        (folder / "git").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
        return log

    return put


def test_which_claims_there_are_is_asked_at_once(mine: Path, theirs: Path) -> None:
    keys = ("k1", CLAIM.key, "k4f1cc")
    assert claims(theirs).there(keys) == ()
    assert claims(mine).swap(CLAIM, None)
    assert claims(theirs).there(keys) == (CLAIM.key,)
    assert claims(theirs).there(()) == ()
    with pytest.raises(Denied):
        claims(mine, None).there(keys)


def test_a_record_of_reservations_is_read_as_it_was_written(mine: Path, theirs: Path) -> None:
    share = Reservation(
        key="k1", owner="a--b", lineage="v1-x", mark="m", cost=Decimal("5.10"), at=CLAIM.at
    )
    record = replace(CLAIM, key="p4f1c", marks=(), reserved=(share,))
    commit = claims(mine).swap(record, None)
    assert claims(theirs).read("p4f1c") == (record, commit)


def test_a_claim_goes_through_its_phases_in_sight_of_all_clones(mine: Path, theirs: Path) -> None:
    here, there = claims(mine), claims(theirs)
    assert here.read(CLAIM.key) is None
    generation = here.swap(CLAIM, None)
    assert generation is not None
    assert there.read(CLAIM.key) == (CLAIM, generation)
    for phase in ("issued", "bound"):
        step = replace(CLAIM, phase=phase, job="jobs/1" if phase == "bound" else None)
        after = here.swap(step, generation)
        assert after is not None and after != generation
        assert there.swap(OTHER, generation) is None, "an old generation wins nothing"
        assert there.swap(OTHER, None) is None
        assert there.read(CLAIM.key) == (step, after) == here.read(CLAIM.key)
        assert git(mine, "rev-parse", f"{after}^") == generation
        generation = after


def test_a_claim_is_taken_over_by_whoever_has_read_it(mine: Path, theirs: Path) -> None:
    here, there = claims(mine), claims(theirs)
    first = here.swap(CLAIM, None)
    found = there.read(CLAIM.key)
    assert found is not None and found[1] == first
    second = there.swap(replace(OTHER, epoch=2), first)
    assert second is not None
    assert here.swap(replace(CLAIM, phase="issued"), first) is None, "the fence holds"


def test_the_commit_is_ours_and_holds_one_file(mine: Path, remote: Path) -> None:
    commit = claims(mine).swap(CLAIM, None)
    assert commit is not None
    shown = git(remote, "show", "--no-patch", "--format=%an <%ae> %ad %s", "--date=unix", commit)
    assert shown == f"tuneops <tuneops@localhost> {int(CLAIM.at.timestamp())} Claim: intent"
    assert git(remote, "ls-tree", "-r", "--name-only", commit) == "claim.json"


def footprint(folder: Path) -> dict[str, object]:
    names = ("HEAD", "index", "config", "packed-refs", "FETCH_HEAD", "shallow", "ORIG_HEAD")
    files = {name: path.read_bytes() for name in names if (path := folder / ".git" / name).exists()}
    tree = {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }
    refs = git(folder, "for-each-ref")
    status = git(folder, "status", "--porcelain=v2", "--branch")
    reflogs = sorted(path.name for path in (folder / ".git/logs").rglob("*"))
    return {"files": files, "tree": tree, "refs": refs, "status": status, "reflogs": reflogs}


def test_nothing_of_the_users_repository_moves(mine: Path, theirs: Path, remote: Path) -> None:
    (mine / "file").write_text("edited")
    (mine / "staged").write_text("staged")
    git(mine, "add", "staged")
    (mine / "untracked").write_text("untracked")
    for folder in (mine, theirs):
        git(folder, "status")
    before = footprint(mine), footprint(theirs)
    branches = git(remote, "for-each-ref", "refs/heads", "refs/tags")
    here, there = claims(mine), claims(theirs)
    assert here.refusal() is None
    generation = here.swap(CLAIM, None)
    assert there.read(CLAIM.key) == (CLAIM, generation)
    assert there.swap(OTHER, None) is None
    assert (footprint(mine), footprint(theirs)) == before
    assert git(remote, "for-each-ref", "refs/heads", "refs/tags") == branches
    assert git(remote, "for-each-ref", "--format=%(refname)", "refs/tuneops") == REF


def test_settings_of_the_user_do_not_reach_the_push(mine: Path, remote: Path) -> None:
    git(mine, "tag", "-a", "v1", "-m", "a tag that nobody pushed")
    settings = {
        "push.followTags": "true",
        "push.gpgSign": "true",
        "commit.gpgSign": "true",
        "fetch.prune": "true",
        "push.default": "matching",
    }
    for name, value in settings.items():
        git(mine, "config", name, value)
    for hook in ("pre-push", "reference-transaction"):
        path = mine / ".git/hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    assert claims(mine).swap(CLAIM, None) is not None
    assert git(remote, "tag") == ""


def test_variables_of_a_hook_do_not_lead_elsewhere(
    mine: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(theirs / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(theirs / ".git/other"))
    monkeypatch.setenv("GIT_TRACE", "1")
    generation = claims(mine).swap(CLAIM, None)
    monkeypatch.undo()
    assert generation is not None
    assert git(mine, "cat-file", "-t", generation) == "commit"


@pytest.mark.parametrize("how", ["shallow", "detached", "worktree", "empty", "sparse"])
def test_any_kind_of_checkout_will_do(how: str, remote: Path, mine: Path, tmp_path: Path) -> None:
    first = claims(mine).swap(CLAIM, None)
    folder = tmp_path / "odd"
    if how == "shallow":
        clone(remote, folder, "--depth=1")
    elif how == "detached":
        git(clone(remote, folder), "checkout", "--quiet", "--detach", "HEAD~1")
    elif how == "worktree":
        git(mine, "worktree", "add", "--quiet", "--detach", str(folder))
    elif how == "empty":
        git(tmp_path, "init", "--quiet", str(folder))
        git(folder, "remote", "add", "origin", remote.as_uri())
    else:
        clone(remote, folder, "--no-checkout", "--filter=blob:none")
    odd = claims(folder)
    assert odd.refusal() is None
    found = odd.read(CLAIM.key)
    assert found == (CLAIM, first)
    assert odd.swap(replace(OTHER, epoch=2), found[1]) is not None
    shallow = git(folder, "rev-parse", "--is-shallow-repository")
    assert shallow == ("true" if how == "shallow" else "false")


def test_one_of_sixteen_wins_in_each_of_25_rounds(mine: Path, theirs: Path) -> None:
    """Contenders in threads, each with git processes of its own; half of them in another clone."""
    stores = [claims(mine if number % 2 else theirs) for number in range(16)]
    start = threading.Barrier(len(stores))

    def contend(number: int, round: int) -> str | None:
        start.wait()
        mark = f"mark{number}"
        claim = replace(CLAIM, key=f"round{round}", runner=f"runner{number}", marks=(mark,))
        return stores[number].swap(claim, None)

    with ThreadPoolExecutor(len(stores)) as pool:
        for round in range(25):
            results = list(pool.map(contend, range(16), [round] * 16))
            (winner,) = [number for number, won in enumerate(results) if won]
            found = stores[0].read(f"round{round}")
            assert found is not None
            assert (found[0].runner, found[1]) == (f"runner{winner}", results[winner])


def test_contenders_for_a_take_over_have_one_winner_too(mine: Path, theirs: Path) -> None:
    first = claims(mine).swap(CLAIM, None)
    stores = [claims(mine if number % 2 else theirs) for number in range(8)]
    for store in stores:
        assert store.read(CLAIM.key) == (CLAIM, first)
    takers = [replace(CLAIM, epoch=2, runner=f"runner{number}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda store, claim: store.swap(claim, first), stores, takers))
    assert len([one for one in won if one]) == 1


LOST = {
    "exit": f'{GIT} "$@" > /dev/null 2>&1; exit 128',
    "silence": f'{GIT} "$@" > /dev/null 2>&1; exit 0',
    "killed": f'{GIT} "$@" > /dev/null 2>&1; kill -9 $$',
    "hangs": f'{GIT} "$@" > /dev/null 2>&1; exec sleep 60',
    "nonsense": f'{GIT} "$@" > /dev/null 2>&1; echo "=	a:b	[up to date]"; exit 0',
}


@pytest.mark.parametrize("how", LOST)
def test_a_lost_answer_is_found_out_by_looking(how: str, mine: Path, wrap: Wrap) -> None:
    pushes = wrap(LOST[how])
    store = claims(mine, seconds=2)
    first = store.swap(CLAIM, None)
    assert first is not None
    issued = store.swap(replace(CLAIM, phase="issued"), first)
    assert issued is not None
    assert store.read(CLAIM.key) == (replace(CLAIM, phase="issued"), issued)
    assert len(pushes.read_text().split()) == 2, "what has landed is not pushed again"


def test_a_lost_answer_to_a_lost_race_is_no_win(mine: Path, theirs: Path, wrap: Wrap) -> None:
    claims(theirs).swap(OTHER, None)
    wrap(LOST["exit"])
    assert claims(mine).swap(CLAIM, None) is None


def test_a_push_that_did_not_arrive_is_made_again(mine: Path, tmp_path: Path, wrap: Wrap) -> None:
    pushes = wrap(f"test -e {tmp_path}/once || {{ touch {tmp_path}/once; exit 128; }}")
    assert claims(mine).swap(CLAIM, None) is not None
    assert len(pushes.read_text().split()) == 2


@pytest.mark.parametrize("push", ["exit 128", "exit 0", "echo Done; exit 0", "kill -9 $$"])
def test_a_push_that_never_arrives_is_never_a_win(push: str, mine: Path, wrap: Wrap) -> None:
    wrap(push)
    with pytest.raises(Unavailable, match="creation guard") as fault:
        claims(mine).swap(CLAIM, None)
    assert "nothing was created" in fault.value.notes


def test_the_last_claim_of_a_job_that_was_made_says_so(mine: Path, wrap: Wrap) -> None:
    wrap("exit 128")
    with pytest.raises(Unavailable) as fault:
        claims(mine).swap(replace(CLAIM, phase="bound", job="jobs/1"), None)
    assert "the job is made; the next run finds it" in fault.value.notes


def test_git_that_hangs_is_ended_with_all_its_children(mine: Path, wrap: Wrap) -> None:
    wrap("sleep 60 & sleep 60")
    start = time.monotonic()
    with pytest.raises(Unavailable) as fault:
        claims(mine, seconds=0.5).swap(CLAIM, None)
    assert time.monotonic() - start < 10
    assert "did not end within 0.5 s" in fault.value.notes[0]


def test_a_remote_that_is_gone_is_unavailable_and_never_empty(mine: Path, remote: Path) -> None:
    store = claims(mine)
    generation = store.swap(CLAIM, None)
    remote.rename(remote.with_name("moved.git"))
    for call in (lambda: store.read("k9"), lambda: store.swap(OTHER, generation), store.refusal):
        with pytest.raises(Unavailable, match="refs on the git remote `origin`") as fault:
            call()
        assert "does not appear to be a git repository" in fault.value.notes[0]


def test_a_remote_that_can_be_read_and_not_pushed_to_refuses(mine: Path, tmp_path: Path) -> None:
    git(mine, "remote", "set-url", "--push", "origin", str(tmp_path / "nowhere"))
    assert "does not appear to be a git repository" in str(claims(mine).refusal())


def test_what_git_says_is_shown_without_the_secret_in_a_url(mine: Path) -> None:
    git(mine, "remote", "set-url", "origin", "https://kim:hunter2@127.0.0.1:9/x.git")
    with pytest.raises(Unavailable) as fault:
        claims(mine).read(CLAIM.key)
    assert "127.0.0.1" in fault.value.notes[0]
    assert "hunter2" not in str(fault.value.notes)


def test_a_push_that_a_hook_refuses_is_denied_with_its_words(mine: Path, remote: Path) -> None:
    hook = remote / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'refs/tuneops is not for you' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Denied, match="does not take the claim") as fault:
        claims(mine).swap(CLAIM, None)
    assert "pre-receive hook declined" in fault.value.notes[0]
    assert "refs/tuneops is not for you" in fault.value.notes[0]
    assert "nothing was created" in fault.value.notes
    assert NAMESPACE in str(fault.value.help)
    assert claims(mine).read(CLAIM.key) is None


def test_a_hidden_namespace_is_denied(mine: Path, remote: Path) -> None:
    git(remote, "config", "transfer.hideRefs", "refs/tuneops")
    with pytest.raises(Denied, match="does not take the claim"):
        claims(mine).swap(CLAIM, None)


def garble(folder: Path, content: str | None) -> None:
    """Put something else where the claim belongs."""
    if content is None:
        name = git(folder, "hash-object", "-w", "--stdin", feed="a bare blob")
    else:
        blob = git(folder, "hash-object", "-w", "--stdin", feed=content)
        tree = git(folder, "mktree", feed=f"100644 blob {blob}\tclaim.json\n")
        name = git(folder, "commit-tree", tree, "-m", "garbage")
    git(folder, "push", "--quiet", "--force", "origin", f"{name}:{REF}")


GARBAGE = {
    "a blob": None,
    "empty": "",
    "not JSON": "<html>",
    "larger than a claim": " " * (2**20 + 1),
    "not an object": "[1]",
    "no claim": '{"version": 1}',
    "another version": '{"version": 2, "claim": {}}',
    "a key twice": '{"version": 1, "version": 1}',
    "another phase": '{"version": 1, "claim": {"key": "k4f1c", "phase": "done"}}',
    "another key": (
        '{"version": 1, "claim": {"key": "other", "phase": "void", "epoch": 1, "marks": [],'
        ' "runner": "r", "at": "2026-11-03T09:12:44Z"}}'
    ),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_never_no_claim(kind: str, mine: Path, theirs: Path) -> None:
    garble(theirs, GARBAGE[kind])
    store = claims(mine)
    with pytest.raises(ClaimDamaged, match=f"`{REF}` on `origin` cannot be read") as fault:
        store.read(CLAIM.key)
    assert "only when you know" in str(fault.value.help)
    assert store.swap(CLAIM, None) is None


def test_the_remote_is_origin_or_the_only_one(mine: Path, remote: Path, tmp_path: Path) -> None:
    assert shared_remote(mine) == "origin"
    git(mine, "remote", "add", "backup", remote.as_uri())
    assert shared_remote(mine) == "origin"
    git(mine, "remote", "rename", "origin", "upstream")
    assert shared_remote(mine) is None
    git(mine, "remote", "remove", "backup")
    assert shared_remote(mine) == "upstream"
    assert claims(mine, "upstream").swap(CLAIM, None) is not None
    assert shared_remote(tmp_path / "nowhere") is None


def test_without_a_remote_everything_is_denied(mine: Path) -> None:
    store = claims(mine, None)
    assert "no git remote" in str(store.refusal())
    for call in (lambda: store.read(CLAIM.key), lambda: store.swap(CLAIM, None)):
        with pytest.raises(Denied, match="there is none"):
            call()


def test_a_remote_that_is_written_elsewhere_than_it_is_read_guards_nothing(
    mine: Path, theirs: Path, remote: Path, tmp_path: Path
) -> None:
    """A push that goes to a fork is seen by nobody else."""
    fork = tmp_path / "fork.git"
    git(tmp_path, "clone", "--quiet", "--bare", remote.as_uri(), str(fork))
    git(mine, "config", "remote.origin.pushurl", fork.as_uri())
    with pytest.raises(Unavailable):
        claims(mine).swap(CLAIM, None)
    assert claims(theirs).swap(OTHER, None) is not None


def test_two_addresses_of_one_remote_are_one(mine: Path, remote: Path) -> None:
    git(mine, "config", "remote.origin.pushurl", str(remote))
    generation = claims(mine).swap(CLAIM, None)
    assert generation is not None
    assert claims(mine).read(CLAIM.key) == (CLAIM, generation)


def test_no_git_at_all_is_unavailable(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable) as fault:
        claims(mine).read(CLAIM.key)
    assert "git cannot be run" in fault.value.notes[0]
    assert shared_remote(mine) is None
