import atexit
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Nursery, example, write_chain

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "specs"
FOREIGN = ("TUNEOPS_", "GOOGLE_", "STORAGE_", "CLOUDSDK_", "GITHUB_", "CLICOLOR", "FORCE_")
"""The variables of whoever runs the tests that must not change what they see."""


def bare(**more: str) -> dict[str, str]:
    """An environment without a login, without colours asked for, without CI."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN) and name not in ("CI", "NO_COLOR", "TERM", "COLUMNS")
    }
    nowhere = {"HOME": "/nonexistent", "GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent/key.json"}
    return {**kept, **nowhere, "NO_GCE_CHECK": "true", "PYTHONWARNINGS": "error", **more}


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What was printed, which must be one JSON document and nothing else."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def tuneops(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> Done:
    """Run the command line as a forked process, with nothing on stdin; see `e2e/nursery.py`."""
    done = _nursery().run(folder, words=list(words), env=dict(env or bare()))
    return Done(done["code"], done["stdout"], done["stderr"])


@cache
def _nursery() -> Nursery:
    nursery = Nursery()
    atexit.register(nursery.close)
    return nursery


def program(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> Done:
    """Run the command line as a person does, from the very start."""
    done = subprocess.run(
        [sys.executable, "-m", "tuneops", *words],
        cwd=folder,
        env=dict(env or bare()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def script(folder: Path, text: str, *words: str, env: Mapping[str, str] | None = None) -> Done:
    """Run a few lines of Python around the command line, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", text, *words],
        cwd=folder,
        env=dict(env or bare()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=kim", "-c", "user.email=kim@example.org", *words],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    return write_chain(tmp_path / "project")


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A copy of the sample project."""
    folder = tmp_path / "project"
    shutil.copytree(SAMPLES, folder / "specs", ignore=shutil.ignore_patterns("*.lock.json"))
    return folder


@pytest.fixture
def write_examples() -> Callable[[Path, int], None]:
    def write(path: Path, count: int) -> None:
        path.write_text("".join(example(f"what is {n}?", "a number") for n in range(count)))

    return write
