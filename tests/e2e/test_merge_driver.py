"""git merges two branches that both applied, by `tuneops lock merge`: one lock, no second job.

Only git itself shows how it calls a driver, and what it does with its answer.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import write_chain
from tuneops.emulator.application import Emulator
from tuneops.emulator.server import EmulatorServer

LOCK = "specs/tuneops.prod.lock.json"
WORKSPACE = """\
apiVersion: tuneops.dev/v1
kind: Workspace
metadata: {name: acme}
spec:
  defaultEnvironment: prod
  environments:
    prod:
      provider: vertex
      project: demo-project
      location: us-central1
      datasetBucket: gs://acme-tuning
"""
JOB = """\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {name: NAME}
spec:
  baseModel: gemini-2.5-flash
  supervisedTuningSpec: {trainingDatasetUri: two.jsonl, hyperParameters: {epochCount: EPOCHS}}
"""


class Repository:
    """A checkout whose lock git merges by our driver, and a served emulator."""

    def __init__(self, folder: Path, emulator: Emulator, url: str) -> None:
        self.folder = write_chain(folder)
        self.emulator = emulator
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TUNEOPS_", "GOOGLE_", "STORAGE_", "GIT_")) and name != "CI"
        }
        self.env |= {"GOOGLE_VERTEX_BASE_URL": url, "STORAGE_EMULATOR_HOST": url}
        (folder / "specs/workspace.yaml").write_text(WORKSPACE)
        (folder / ".gitattributes").write_text("specs/tuneops.*.lock.json merge=tuneops\n")
        (folder / ".gitignore").write_text(".tuneops/\n")
        self.git("init", "--quiet", "--initial-branch=main")
        driver = f"{shlex.quote(sys.executable)} -m tuneops lock merge %O %A %B"
        self.git("config", "merge.tuneops.driver", driver)

    def git(self, *words: str, code: int = 0) -> str:
        who = ["-c", "user.name=kim", "-c", "user.email=kim@example.org"]
        return self._run(["git", *who, *words], code)

    def tuneops(self, *words: str, code: int = 0) -> str:
        return self._run([sys.executable, "-m", "tuneops", *words], code)

    def _run(self, words: list[str], code: int) -> str:
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done
        return done.stdout + done.stderr

    def apply(self) -> None:
        """Apply to the end, the emulator's hours passing at once."""
        while "No changes" not in self.tuneops("apply", "--auto-approve"):
            self.emulator.advance(timedelta(hours=3))
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", "applied")

    def lock(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / LOCK).read_text())
        return found

    def states(self) -> list[str]:
        """The states of all entries of the lock."""
        jobs = self.lock()["jobs"].values()
        return [one["state"] for job in jobs for one in job["creations"].values()]


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    database = tmp_path / "emulator.db"
    with (
        Emulator(database, wall=lambda: datetime.now(UTC), wall_dates=True) as emulator,
        EmulatorServer(emulator) as server,
    ):
        yield Repository(tmp_path / "project", emulator, server.url)


def branch(repository: Repository, name: str) -> None:
    """A branch that adds a stage and a job of its own, and applies both."""
    repository.git("switch", "--quiet", "-c", name, "main")
    specs = repository.folder / "specs"
    (specs / f"{name}.yaml").write_text(JOB.replace("NAME", name).replace("EPOCHS", str(len(name))))
    repository.apply()


def test_two_branches_that_both_applied_become_one_lock_and_one_plan(
    repository: Repository,
) -> None:
    repository.apply()
    branch(repository, "left")
    branch(repository, "other")
    theirs = repository.lock()
    repository.git("switch", "--quiet", "left")
    ours = repository.lock()
    assert set(ours["jobs"]) == {"bot/one", "bot/two", "left"}
    assert set(theirs["jobs"]) == {"bot/one", "bot/two", "other"}
    said = repository.git("merge", "--no-edit", "other")
    assert "CONFLICT" not in said
    merged = repository.lock()
    assert merged["jobs"] == {**ours["jobs"], **theirs["jobs"]}
    assert repository.states() == ["SUCCEEDED"] * 4
    assert "No changes." in repository.tuneops("plan")
    jobs = len(repository.emulator.jobs())
    repository.tuneops("apply", "--auto-approve")
    assert len(repository.emulator.jobs()) == jobs == 4
    (repository.folder / LOCK).unlink()
    repository.tuneops("lock", "rebuild")
    assert repository.git("status", "--porcelain") == "", "it is as runs write it and jobs tell it"


def test_two_jobs_of_one_creation_stop_the_merge(repository: Repository) -> None:
    repository.tuneops("apply", "--auto-approve")
    repository.git("add", ".")
    repository.git("commit", "--quiet", "-m", "submitted")
    repository.git("switch", "--quiet", "-c", "edited")
    path = repository.folder / LOCK
    text = path.read_text()
    job = next(iter(repository.lock()["jobs"]["bot/one"]["creations"].values()))["job"]
    path.write_text(text.replace(job, f"{job}1"))
    repository.git("commit", "--quiet", "-am", "another job")
    repository.git("switch", "--quiet", "main")
    path.write_text(text.replace(job, f"{job}2"))
    repository.git("commit", "--quiet", "-am", "a third job")
    said = repository.git("merge", "--no-edit", "edited", code=1)
    assert f"ours is `{job}2`" in said and f"theirs is `{job}1`" in said
    assert "CONFLICT" in said
    assert path.read_text() == text.replace(job, f"{job}2"), "ours is left as it was"
    assert repository.git("diff", "--name-only", "--diff-filter=U").split() == [LOCK]


@pytest.mark.parametrize("how", ["rebase", "cherry-pick"])
def test_a_rebase_and_a_cherry_pick_merge_the_lock_as_well(
    repository: Repository, how: str
) -> None:
    repository.apply()
    branch(repository, "left")
    branch(repository, "other")
    if how == "rebase":
        said = repository.git("rebase", "left")
    else:
        repository.git("switch", "--quiet", "left")
        said = repository.git("cherry-pick", "other")
    assert "CONFLICT" not in said
    assert set(repository.lock()["jobs"]) == {"bot/one", "bot/two", "left", "other"}
    assert "No changes." in repository.tuneops("plan")
    assert len(repository.emulator.jobs()) == 4
