"""The workflows, without GitHub: their commands run in order, in clones, on the emulator.

An action is stood in for; an `if:` or an expression that this file does not know fails the test.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import ROOT, SAMPLES, bare, git, tuneops

FOLDER = ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
ALWAYS = "${{ !cancelled() }}"
MAKE = """\
#!/bin/bash
set -e
[ "$*" = setup ]
mkdir -p .venv/bin
printf '#!/bin/bash\\nexec {python} -m tuneops "$@"\\n' > .venv/bin/tuneops
chmod +x .venv/bin/tuneops
"""
"""Set-up as a step sees it: a command appears. Any other target fails."""
RECURSIVE = "bash .ci/run"
"""The project's own test command, which would run this test again."""


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    return found


def steps(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in document["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_actions_are_pinned_and_nothing_is_permitted_that_is_not_asked_for(path: Path) -> None:
    text = path.read_text()
    uses = re.findall(r"^\s*(?:- )?uses: (.*)$", text, re.MULTILINE)
    assert uses
    for line in uses:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    document = yaml.safe_load(text)
    assert document["permissions"] == {}
    for job in document["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 30


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_command_holds_an_expression_that_a_stranger_could_fill(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    for step in steps(document):
        assert "${{" not in step.get("run", ""), step
        assert step.get("if", ALWAYS) == ALWAYS, "an `if:` that this test does not know"
    assert "pull_request_target" not in path.read_text()
    assert "workflow_run" not in path.read_text()


def test_every_workflow_is_run_here_but_the_one_that_runs_this() -> None:
    runs = {
        path.stem: [step["run"] for step in steps(workflow(path.stem)) if "run" in step]
        for path in FILES
    }
    assert runs.pop("ci") == [RECURSIVE]
    assert set(runs) == {"tuneops-plan", "tuneops-apply", "tuneops-reconcile"}


@dataclass
class Ran:
    """What came of a job: each command with its exit code, and what it left behind."""

    commands: list[tuple[str, int]] = field(default_factory=list)
    said: str = ""
    summary: str = ""
    outputs: str = ""
    artifacts: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(code == 0 for _, code in self.commands)


@dataclass
class Hub:
    """A repository with a main branch, a cache, and machines that are new for each job."""

    folder: Path
    jobs: int = 0

    def __post_init__(self) -> None:
        self.origin = self.folder / "origin.git"
        self.work = self.folder / "work"
        self.cache = self.folder / "cache"
        self.cache.mkdir()
        shutil.copytree(SAMPLES, self.work / "specs", ignore=shutil.ignore_patterns("*.lock.json"))
        shutil.copy(ROOT / ".gitignore", self.work)
        git(self.work, "init", "-q", "-b", "main")
        self.commit("Add the specs")
        git(self.folder, "clone", "-q", "--bare", "work", "origin.git")
        git(self.work, "remote", "add", "origin", str(self.origin))
        tools = self.folder / "tools"
        tools.mkdir()
        make = tools / "make"
        make.write_text(MAKE.format(python=sys.executable))
        make.chmod(0o755)

    def commit(self, message: str) -> None:
        git(self.work, "add", "-A")
        git(self.work, "commit", "-q", "-m", message)

    def push(self, branch: str) -> None:
        git(self.work, "push", "-q", "origin", f"HEAD:{branch}")

    def run(self, name: str, ref: str) -> Ran:
        """Run the only job of a workflow for a ref."""
        (job,) = workflow(name)["jobs"].values()
        self.jobs += 1
        machine = self.folder / f"machine-{self.jobs}"
        machine.mkdir()
        place = machine / "checkout"
        ran = Ran()
        saved: list[str] = []
        failed = False
        for step in job["steps"]:
            if failed and step.get("if") != ALWAYS:
                continue
            if "uses" in step:
                self._act(step, ref, place, ran, saved)
            else:
                code = self._command(step["run"], machine, place, ran)
                failed = failed or code != 0
        if not failed:
            for path in saved:
                self._copy(place / path, self.cache / path)
        ran.summary = read(machine / "summary")
        ran.outputs = read(machine / "outputs")
        return ran

    def _command(self, text: str, machine: Path, place: Path, ran: Ran) -> int:
        script = machine / "step.sh"
        script.write_text(text)
        environment = bare(
            CI="true",
            GITHUB_ACTIONS="true",
            GITHUB_STEP_SUMMARY=str(machine / "summary"),
            GITHUB_OUTPUT=str(machine / "outputs"),
        )
        environment["PATH"] = f"{self.folder / 'tools'}{os.pathsep}{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-e", str(script)],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )
        ran.commands.append((text, done.returncode))
        ran.said += done.stdout + done.stderr
        return done.returncode

    def _act(self, step: dict[str, Any], ref: str, place: Path, ran: Ran, saved: list[str]) -> None:
        action = step["uses"].partition("@")[0]
        paths = str(step.get("with", {}).get("path", "")).split()
        match action:
            case "actions/checkout":
                assert step["with"] == {"persist-credentials": False}
                git(place.parent, "clone", "-q", "-b", ref, str(self.origin), str(place))
            case "actions/cache" | "actions/cache/restore":
                for path in paths:
                    self._copy(self.cache / path, place / path)
                if action == "actions/cache":
                    saved += paths
            case "actions/upload-artifact":
                ran.artifacts += [path for path in paths if (place / path).exists()]
            case _:
                raise AssertionError(f"an action that this test does not know: {action}")

    def _copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def test_a_pull_request_is_planned_merged_applied_and_followed_to_the_end(hub: Hub) -> None:
    hub.push("proposal")
    plan = hub.run("tuneops-plan", "proposal")
    assert plan.ok, plan.said
    assert "### tuneops plan · local · 5 paid jobs" in plan.summary
    assert "+ support-bot/tone     continue  first run  after support-bot/refunds" in plan.summary
    assert "changes=true\npaid=5\nholds=0\n" in plan.outputs
    assert plan.artifacts == ["plan.json"]
    assert not (hub.cache / ".tuneops").exists(), "a plan leaves nothing behind"

    hub.push("main")
    apply = hub.run("tuneops-apply", "main")
    assert apply.ok, apply.said
    assert "### tuneops apply · local · 2 jobs submitted, exit 0" in apply.summary
    assert apply.artifacts == ["specs/tuneops.local.lock.json"]

    for _ in range(10):
        assert tuneops(hub.cache, "emulator", "advance", "30m").code == 0
        reconcile = hub.run("tuneops-reconcile", "main")
        assert reconcile.ok, reconcile.said
        if "5 done" in reconcile.said:
            break
    else:
        raise AssertionError("the chain never came to its end")
    assert "support-bot/tone     Healthy" in reconcile.summary

    lock = hub.cache / "specs/tuneops.local.lock.json"
    before = lock.read_bytes()
    again = hub.run("tuneops-reconcile", "main")
    assert again.ok and "No changes: 5 done.\n" in again.said
    assert lock.read_bytes() == before
    replanned = hub.run("tuneops-plan", "main")
    assert "No changes. 5 jobs in place" in replanned.said, "the plan reads the cache as well"


def test_a_bad_spec_fails_the_plan_job_with_annotations_and_nothing_is_planned(hub: Hub) -> None:
    spec = hub.work / "specs/support-bot.yaml"
    spec.write_text(spec.read_text().replace("epochCount: 3", "epochs: 3"))
    hub.commit("Break the spec")
    hub.push("proposal")
    plan = hub.run("tuneops-plan", "proposal")
    assert [code for _, code in plan.commands] == [0, 65]
    assert "::error file=specs/support-bot.yaml,line=24,col=11," in plan.said
    assert plan.summary == "" and plan.artifacts == []


def test_a_failed_job_fails_the_schedule_so_that_somebody_looks(hub: Hub) -> None:
    hub.push("main")
    assert hub.run("tuneops-apply", "main").ok
    assert tuneops(hub.cache, "emulator", "reset", "--yes").code == 0
    reconcile = hub.run("tuneops-reconcile", "main")
    assert not reconcile.ok
    assert reconcile.artifacts == ["specs/tuneops.local.lock.json"], "the lock is kept all the same"
