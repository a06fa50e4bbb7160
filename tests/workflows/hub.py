"""GitHub as far as the workflows need it: a repository, a cache, and machines new for each job."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cli.conftest import ROOT, SAMPLES, bare, git

FOLDER = ROOT / ".github/workflows"
ALWAYS = ("${{ !cancelled() }}", "${{ always() }}")
TOKEN = "ghs_of_the_job"
MAKE = """\
#!/bin/bash
set -e
[ "$*" = setup ]
mkdir -p .venv/bin
printf '#!/bin/bash\\nexec {python} -m tuneops "$@"\\n' > .venv/bin/tuneops
chmod +x .venv/bin/tuneops
"""
"""Set-up as a step sees it: a command appears. Any other target fails."""


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    return found


def steps(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in document["jobs"].values() for step in job["steps"]]


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
    environment: dict[str, str] = field(default_factory=dict)
    """What every step sees besides."""

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
            if failed and step.get("if") not in ALWAYS:
                continue
            if "uses" in step:
                self._act(step, ref, place, ran, saved)
            else:
                code = self._command(step, machine, place, ran)
                failed = failed or code != 0
        if not failed:
            for path in saved:
                self._copy(place / path, self.cache / path)
        ran.summary = read(machine / "summary")
        ran.outputs = read(machine / "outputs")
        return ran

    def _command(self, step: dict[str, Any], machine: Path, place: Path, ran: Ran) -> int:
        text = step["run"]
        given = step.get("env", {})
        assert given in ({}, {"GH_TOKEN": "${{ github.token }}"})
        script = machine / "step.sh"
        script.write_text(text)
        environment = bare(
            CI="true",
            GITHUB_ACTIONS="true",
            GITHUB_STEP_SUMMARY=str(machine / "summary"),
            GITHUB_OUTPUT=str(machine / "outputs"),
            **dict.fromkeys(given, TOKEN),
            **self.environment,
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
