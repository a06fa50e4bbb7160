"""Two clones, one service: with a shared guard every stage is bought once, without one it heals."""

import json
import os
import shutil
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Nursery, write_chain
from tests.support import canary
from tests.support.builders import NOON
from tuneops.cli.guard import (
    Guard,
    LateClaims,
    WeakerGuard,
    archives,
    git_guard,
    name_guard,
    refuse_unguarded,
    stores,
    when_chosen,
)
from tuneops.cli.options import Options
from tuneops.cli.project import open_project
from tuneops.core.claim import Claim
from tuneops.core.desired import Target
from tuneops.emulator.application import Emulator
from tuneops.emulator.server import EmulatorServer
from tuneops.errors import Denied, Unavailable
from tuneops.store.claim_files import FileClaims
from tuneops.store.journal import Journal
from tuneops.store.lockfile import LockFile

WORKSPACE = """\
apiVersion: tuneops.dev/v1
kind: Workspace
metadata: {name: acme}
spec:
  environments:
    prod:
      provider: vertex
      project: demo-project
      location: us-central1
      datasetBucket: gs://acme-data
      claims: CLAIMS
"""
LOCK = "specs/tuneops.prod.lock.json"


class Crossing(Emulator):
    """Holds every create until `wide` of them have come, or for a while: the worst of timing."""

    wide = 1
    patience = 0.7
    posts = 0

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.gate = threading.Condition()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith("/tuningJobs"):
            with self.gate:
                self.posts += 1
                self.gate.notify_all()
                self.gate.wait_for(lambda: self.posts >= self.wide, timeout=self.patience)
        return super().__call__(environ, start_response)


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=kim", "-c", "user.email=kim@example.org", *words],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.strip()


class Team:
    """A repository with two clones, and an emulator that serves both."""

    def __init__(
        self, folder: Path, emulator: Crossing, url: str, nurseries: list[Nursery]
    ) -> None:
        self.folder = folder
        self.nurseries = nurseries
        self.emulator = emulator
        self.url = url
        self.remote = folder / "remote.git"
        self.clones: tuple[Path, ...] = ()

    def share(self, claims: str) -> None:
        """Commit a chain whose creates are guarded like this, and clone it twice."""
        source = write_chain(self.folder / "source")
        (source / "specs/workspace.yaml").write_text(WORKSPACE.replace("CLAIMS", claims))
        git(self.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        git(source, "init", "--quiet", "--initial-branch=main")
        git(source, "add", ".")
        git(source, "commit", "--quiet", "-m", "specs")
        git(source, "push", "--quiet", str(self.remote), "main")
        self.clones = (self.folder / "one", self.folder / "two")
        for clone in self.clones:
            git(self.folder, "clone", "--quiet", self.remote.as_uri(), str(clone))

    def run(self, clone: Path, *words: str, nursery: int = 0, **more: Any) -> tuple[int, str]:
        foreign = ("TUNEOPS_", "GOOGLE_", "STORAGE_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        env |= {"CI": "false", "GOOGLE_VERTEX_BASE_URL": self.url}
        words = words or ("apply", "--auto-approve")
        done = self.nurseries[nursery].run(clone, *words, env=env, **more)
        return done["code"], done["stdout"] + done["stderr"]

    def both(self) -> list[tuple[int, str]]:
        """Run `apply` in both clones at the same time, each as a process of its own."""
        with ThreadPoolExecutor(2) as pool:
            runs = [
                pool.submit(self.run, clone, nursery=number)
                for number, clone in enumerate(self.clones)
            ]
        return [run.result() for run in runs]

    def jobs(self) -> dict[str, list[str]]:
        """The states of the jobs of each lineage."""
        found: dict[str, list[str]] = defaultdict(list)
        for job in self.emulator.jobs():
            found[job["labels"]["tuneops-lineage"]].append(job["state"])
        return found

    def refs(self) -> list[str]:
        return git(self.remote, "for-each-ref", "--format=%(refname)").split()


def serving(folder: Path, nurseries: list[Nursery]) -> Iterator[Team]:
    """A team whose remote and whose service have seen no secret at the end."""
    database = folder / "emulator.db"
    with (
        Crossing(database, wall=lambda: datetime.now(UTC), wall_dates=True) as emulator,
        EmulatorServer(emulator) as server,
    ):
        yield Team(folder, emulator, server.url, nurseries)
    assert not canary.leaks(folder / "remote.git", *folder.glob("emulator*"))


@pytest.fixture
def team(tmp_path: Path, nurseries: list[Nursery]) -> Iterator[Team]:
    yield from serving(tmp_path, nurseries)


def shown_guard(team: Team) -> str:
    code, said = team.run(team.clones[0], "plan")
    assert code == 0, said
    return next(line for line in said.splitlines() if line.startswith("Guard")).split(None, 1)[1]


@pytest.mark.parametrize(
    ("claims", "kind", "shown"),
    [
        ("git", "git", "git ref on origin"),
        ("gs://acme-claims/tuneops", "gs", "object in gs://acme-claims/tuneops"),
    ],
    ids=["git", "gs"],
)
def test_two_clones_that_apply_at_once_buy_every_stage_once(
    claims: str, kind: str, shown: str, team: Team
) -> None:
    team.share(claims)
    team.emulator.wide = 99
    assert shown_guard(team) == shown
    before = [git(clone, "for-each-ref") for clone in team.clones]
    codes = []
    for _ in range(6):
        done = team.both()
        codes.append(sorted(code for code, _ in done))
        assert set(codes[-1]) <= {0, 6, 7}, done
        team.emulator.advance(timedelta(hours=6))
        if all("2 done" in said for _, said in done):
            break
    else:
        raise AssertionError(codes)
    jobs = team.jobs()
    assert list(jobs.values()) == [["JOB_STATE_SUCCEEDED"], ["JOB_STATE_SUCCEEDED"]]
    assert team.emulator.posts == 2, "and no second create was ever sent"
    locks = [json.loads((clone / LOCK).read_text()) for clone in team.clones]
    assert [lock["guard"] for lock in locks] == [kind, kind]
    keys = [{key for job in lock["jobs"].values() for key in job["creations"]} for lock in locks]
    assert keys[0] == keys[1]
    assert [git(clone, "for-each-ref") for clone in team.clones] == before
    for clone in team.clones:
        changed = git(clone, "status", "--porcelain", "--untracked-files=all").splitlines()
        assert changed == [f"?? {LOCK}"]
    expected = {f"refs/tuneops/rehearsal/v1/{key}" for key in keys[0]} if kind == "git" else set()
    assert set(team.refs()) == {"refs/heads/main"} | expected


def test_without_a_shared_guard_one_job_of_a_key_survives_two_further_runs(team: Team) -> None:
    team.share("local")
    team.emulator.wide, team.emulator.patience = 2, 20
    assert shown_guard(team) == "local file (this checkout only)"
    assert [code for code, _ in team.both()] == [0, 0]
    assert [len(states) for states in team.jobs().values()] == [2], "this is what a guard is for"
    team.emulator.wide = 1
    oldest = min(team.emulator.jobs(), key=lambda job: (job["createTime"], job["name"]))
    for clone in team.clones:
        code, said = team.run(clone)
        assert code in (0, 3), said
    left = [job for job in team.emulator.jobs() if "CANCEL" not in job["state"]]
    assert [job["name"] for job in left] == [oldest["name"]]


def refuse_pushes(remote: Path, words: str) -> None:
    hook = remote / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    hook.chmod(0o755)


@pytest.mark.parametrize(("claims", "stopped"), [("git", True), ("local", False)])
def test_an_edit_in_the_other_clone_stops_a_job_only_if_its_claim_is_known_there(
    claims: str, stopped: bool, team: Team
) -> None:
    team.share(claims)
    one, two = team.clones
    assert team.run(one)[0] == 0
    git(one, "add", ".")
    git(one, "commit", "--quiet", "-m", "lock")
    git(one, "push", "--quiet", "origin", "main")
    git(two, "pull", "--quiet", "origin", "main")
    spec = two / "specs/bot.yaml"
    spec.write_text(spec.read_text().replace("epochCount: 1", "epochCount: 2", 1))
    _, said = team.run(two, "plan")
    assert ("cancel superseded" in " ".join(said.split())) is stopped, said
    code, _ = team.run(two)
    assert code == (0 if stopped else 3)
    team.emulator.advance(timedelta(minutes=1))
    states = [state for found in team.jobs().values() for state in found]
    assert len(states) == (1 if stopped else 2), "its replacement waits for its end"
    assert ("JOB_STATE_CANCELLED" in states) is stopped
    if not stopped:
        assert "stop it in the console or from the checkout that made it" in " ".join(said.split())
        (one / "specs/bot.yaml").write_text(spec.read_text())
        _, said = team.run(one, "plan")
        assert "cancel superseded" in " ".join(said.split()), "the checkout that made it can"


def test_a_remote_that_takes_no_claim_lets_nothing_be_bought(team: Team) -> None:
    team.share("git")
    refuse_pushes(team.remote, "ask Kim first")
    code, said = team.run(team.clones[0])
    assert code == 4, said
    assert "error[denied]: the git remote `origin` does not take the claim" in said
    assert "ask Kim first" in said
    assert team.emulator.posts == 0


def test_a_remote_that_is_gone_lets_nothing_be_bought(team: Team) -> None:
    team.share("git")
    team.remote.rename(team.folder / "moved.git")
    code, said = team.run(team.clones[0])
    assert code == 1, said
    assert "error[unavailable]: the creation guard" in said
    assert team.emulator.posts == 0


def test_a_claim_that_is_garbage_is_for_a_person(team: Team) -> None:
    team.share("git")
    assert team.run(team.clones[0])[0] == 0
    (ref,) = [name for name in team.refs() if "/tuneops/" in name]
    git(team.remote, "update-ref", ref, "main")
    team.emulator.reset()
    code, said = team.run(team.clones[1])
    assert code == 3, said
    assert "cannot be read" in said
    assert "remove it only when you know" in said
    assert team.emulator.posts == 1


def test_a_weaker_guard_than_the_lock_records_needs_a_flag(team: Team) -> None:
    team.share("git")
    clone = team.clones[0]
    assert team.run(clone)[0] == 0
    before = (clone / LOCK).read_bytes()
    assert json.loads(before)["guard"] == "git"
    (clone / "specs/workspace.yaml").write_text(WORKSPACE.replace("CLAIMS", "local"))
    team.emulator.advance(timedelta(hours=6))
    code, said = team.run(clone)
    assert code == 4, said
    assert "error[weaker-guard]" in said and "--allow-weaker-guard" in said
    assert (clone / LOCK).read_bytes() == before
    assert team.emulator.posts == 1
    code, said = team.run(clone, "apply", "--auto-approve", "--allow-weaker-guard")
    assert code == 0, said
    assert team.emulator.posts == 2
    assert json.loads((clone / LOCK).read_text())["guard"] == "local"


def test_auto_rehearses_without_the_remote(team: Team) -> None:
    team.share("auto")
    assert shown_guard(team) == "local file (this checkout only)"
    assert team.run(team.clones[0])[0] == 0
    assert team.refs() == ["refs/heads/main"]
    assert list((team.clones[0] / ".tuneops/claims").iterdir()) == [
        team.clones[0] / ".tuneops/claims/prod.served"
    ]


def target(claims: str = "auto") -> Target:
    return Target(
        workspace="acme",
        environment="prod",
        provider="vertex",
        project="demo-project",
        location="us-central1",
        dataset_bucket="gs://acme-data",
        claims=claims,
    )


def guard_of(clone: Path, claims: str = "auto") -> Guard:
    project = open_project(Options(directory=clone))
    return git_guard(project, target(claims), served=False)


def chosen(guard: Guard) -> Guard:
    """The guard that is there once its first claim was asked for."""
    found: list[Guard] = []
    when_chosen(guard, found.append)
    assert not found or not isinstance(guard.claims, LateClaims), "it is not known before"
    if not found:
        guard.claims.read("k4f1c")
    return found[0]


def test_auto_takes_git_where_a_push_is_possible(team: Team) -> None:
    team.share("auto")
    clone = team.clones[0]
    found = guard_of(clone)
    assert (found.kind, found.shown) == ("git", "git ref on origin, if it takes pushes")
    assert chosen(found).shown == "git ref on origin"
    assert team.refs() == ["refs/heads/main"], "it was only tried"
    git(clone, "remote", "rename", "origin", "hub")
    assert chosen(guard_of(clone)).shown == "git ref on hub"
    git(clone, "remote", "set-url", "--push", "hub", str(team.folder / "nowhere"))
    found = chosen(guard_of(clone))
    assert (found.kind, found.shown) == ("local", "local file (this checkout only)")
    assert "does not appear to be a git repository" in found.why_local
    git(clone, "remote", "remove", "hub")
    assert guard_of(clone).kind == "local"
    assert guard_of(clone, "git").kind == "git", "what is asked for is not replaced in silence"
    shutil.rmtree(clone / ".git")
    assert guard_of(clone).kind == "local"


def test_nothing_is_pushed_before_the_first_claim_and_a_refusal_then_stops_it(team: Team) -> None:
    team.share("auto")
    clone = team.clones[0]
    asked: list[str] = []

    def why() -> str:
        asked.append("a push was tried")
        return "no push"

    weak = guard("local", clone)
    late = LateClaims(candidates=(guard("git", clone), weak), why=why)
    one = Guard(kind="git", shown="git", claims=late)
    refuse_unguarded(one, "git", emulated=False, allow_weaker=False)
    assert not asked and stores(one) == late.candidates
    opened = open_project(Options(directory=clone, environments=("prod",)))
    for witness in archives(opened, opened.declaration.target, one):
        assert witness.read("k4f1c") is None
    assert not asked, "a plan that asks whose a job is must not push for it"
    for _ in range(2):
        with pytest.raises(WeakerGuard) as fault:
            late.read("k4f1c")
        assert fault.value.notes[0] == "git: no push"
    late.checks.clear()
    assert late.swap(CLAIM, None) == "1" and late.read(CLAIM.key) == (CLAIM, "1")
    assert len(asked) == 3, "once it is chosen, it is not tried again"


def test_auto_takes_no_second_choice_in_silence_nor_while_the_first_cannot_be_asked(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other runners may reach the remote, and guard their creates there."""
    monkeypatch.setenv("CI", "false")
    team.share("auto")
    clone = team.clones[0]
    lock = LockFile(clone, target(), Journal(clone / ".tuneops", "prod"))
    said: list[str] = []
    git(clone, "remote", "set-url", "--push", "origin", str(team.folder / "nowhere"))
    refused = guard_of(clone)
    name_guard(refused, lock, said.append)
    assert refused.claims.read("k4f1c") is None and lock.guard == "local"
    assert len(said) == 1 and said[0].startswith("creates are guarded by a local file (this")
    assert "does not appear to be a git repository" in said[0]
    git(clone, "remote", "set-url", "origin", str(team.folder / "nowhere"))
    unasked = guard_of(clone)
    refuse_unguarded(unasked, None, emulated=False, allow_weaker=False)
    with pytest.raises(Unavailable, match="cannot be reached") as fault:
        unasked.claims.read("k4f1c")
    assert "--allow-weaker-guard" in str(fault.value.help)
    refuse_unguarded(unasked, None, emulated=False, allow_weaker=True)
    name_guard(unasked, lock, said.append)
    assert unasked.claims.read("k4f1c") is None
    assert len(said) == 2 and "cannot be reached" in said[1]


CLAIM = Claim(key="k4f1c", phase="intent", epoch=1, marks=("m",), runner="r", at=NOON)


def guard(kind: str, tmp_path: Path) -> Guard:
    return Guard(kind=kind, shown=kind, claims=FileClaims(tmp_path, "prod"), why_local="no push")


def test_ci_buys_under_a_shared_guard_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(Denied, match="all runners share") as fault:
        refuse_unguarded(guard("local", tmp_path), None, emulated=False, allow_weaker=True)
    assert "git: no push" in fault.value.notes
    refuse_unguarded(guard("local", tmp_path), None, emulated=True, allow_weaker=False)
    for kind in ("git", "gs"):
        refuse_unguarded(guard(kind, tmp_path), None, emulated=False, allow_weaker=False)
    monkeypatch.setenv("CI", "false")
    refuse_unguarded(guard("local", tmp_path), "local", emulated=False, allow_weaker=False)


@pytest.mark.parametrize(
    ("recorded", "allowed"),
    [
        (None, {"local", "git", "gs"}),
        ("local", {"local", "git", "gs"}),
        ("git", {"git", "gs"}),
        ("gs", {"gs"}),
        ("vertex", set()),
    ],
)
def test_a_guard_must_be_as_strong_as_the_recorded_one(
    recorded: str | None, allowed: set[str], tmp_path: Path
) -> None:
    for kind in ("local", "git", "gs"):
        one = guard(kind, tmp_path)
        refuse_unguarded(one, recorded, emulated=True, allow_weaker=True)
        if kind in allowed:
            refuse_unguarded(one, recorded, emulated=True, allow_weaker=False)
        else:
            with pytest.raises(WeakerGuard, match="guarded by") as fault:
                refuse_unguarded(one, recorded, emulated=True, allow_weaker=False)
            assert "allow-weaker-guard" in str(fault.value.help)
