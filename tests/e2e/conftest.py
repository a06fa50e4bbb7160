import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import canary

NURSERY = Path(__file__).parent / "nursery.py"


class Nursery:
    """A process that forks runs of the command line; see `nursery.py`.

    Every run is given secrets, and none may be seen in what it leaves behind.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", str(NURSERY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self._alone = threading.Lock()

    def run(self, folder: Path, *words: str, **fuse: Any) -> dict[str, Any]:
        secrets = {"secrets": canary.ENVIRONMENT, "bearer": canary.BEARER}
        order = {"folder": str(folder), "words": words or ("apply", "--wait"), **secrets, **fuse}
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._alone:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        seen = canary.leaks(folder, said=answer["stdout"] + answer["stderr"])
        assert not seen, f"a secret is in {seen}"
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="session")
def nurseries() -> Iterator[list[Nursery]]:
    """Two of them: one for each core of a small machine."""
    found = [Nursery(), Nursery()]
    yield found
    for nursery in found:
        nursery.close()


@pytest.fixture(scope="session")
def nursery(nurseries: list[Nursery]) -> Nursery:
    return nurseries[0]


WORKSPACE = """\
apiVersion: tuneops.dev/v1
kind: Workspace
metadata: {name: acme}
spec:
  defaultEnvironment: local
  environments:
    local: {provider: emulator, project: demo-project, location: us-central1}
"""

CHAIN = """\
apiVersion: tuneops.dev/v1
kind: TuningChain
metadata: {name: bot}
spec:
  baseModel: gemini-2.5-flash
  stages:
    - name: one
      supervisedTuningSpec: {trainingDatasetUri: one.jsonl, hyperParameters: {epochCount: 1}}
    - name: two
      supervisedTuningSpec: {trainingDatasetUri: two.jsonl, hyperParameters: {epochCount: 1}}
"""


def example(question: str, answer: str) -> str:
    turns = [("user", question), ("model", answer)]
    contents = [{"role": role, "parts": [{"text": text}]} for role, text in turns]
    return json.dumps({"contents": contents}) + "\n"


def write_chain(folder: Path) -> Path:
    """A project with a chain of two stages and a dozen examples for each."""
    specs = folder / "specs"
    specs.mkdir(parents=True)
    (specs / "workspace.yaml").write_text(WORKSPACE)
    (specs / "bot.yaml").write_text(CHAIN)
    for name in ("one", "two"):
        lines = [example(f"{name}: what is {n}?", f"{n} is a number.") for n in range(12)]
        (specs / f"{name}.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    return write_chain(tmp_path / "project")
