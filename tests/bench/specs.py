"""Commands over many stages: `make bench`. Processor time, peak memory, and how time grows.

Runs are interleaved, each in a process of its own; medians. Stages lie in chains of four, a file
each, over one small dataset, on the embedded emulator; nothing has been tuned yet.
"""

import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cli.conftest import bare

WORKSPACE = """\
apiVersion: tuneops.dev/v1
kind: Workspace
metadata: {name: acme}
spec:
  environments:
    local: {provider: emulator, project: demo-project, location: us-central1}
"""
CHAIN = """\
apiVersion: tuneops.dev/v1
kind: TuningChain
metadata: {{name: chain-{0}}}
spec:
  baseModel: gemini-2.5-flash
  defaults:
    supervisedTuningSpec: {{hyperParameters: {{adapterSize: 4, epochCount: 3}}}}
  stages:
"""
STAGE = """\
    - name: stage-{1}
      nonce: c{0}-s{1}
      supervisedTuningSpec: {{trainingDatasetUri: a.jsonl}}
"""
EXAMPLE = (
    '{"contents": [{"role": "user", "parts": [{"text": "question %d"}]}, '
    '{"role": "model", "parts": [{"text": "answer %d"}]}]}\n'
)
SMALL, MANY = 2_500, 10_000
MOST = 100.0
"""Of resident memory, in MB: `validate` of 10,000 stages."""

TASKS = {
    "--help": (0, ("--help",)),
    "validate, 4": (4, ("validate",)),
    "plan, 4": (4, ("plan",)),
    "status, 4": (4, ("status",)),
    "validate, 2,500": (SMALL, ("validate",)),
    "validate, 10,000": (MANY, ("validate",)),
    "plan, 2,500": (SMALL, ("plan",)),
    "plan, 10,000": (MANY, ("plan",)),
}


def generate(root: Path, stages: int) -> Path:
    """Write a project of so many stages."""
    specs = root / "specs"
    specs.mkdir(parents=True)
    (specs / "workspace.yaml").write_text(WORKSPACE)
    (specs / "a.jsonl").write_text("".join(EXAMPLE % (n, n) for n in range(20)))
    for chain in range(stages // 4):
        text = "".join(STAGE.format(chain, number) for number in range(4))
        (specs / f"chain-{chain}.yaml").write_text(CHAIN.format(chain) + text)
    return root


def measure(folder: Path, words: tuple[str, ...]) -> tuple[float, float]:
    """Seconds of processor time, and megabytes at the most."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tuneops", *words], cwd=folder, env=bare(), stdout=out
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1_000_000


def main() -> None:
    runs = int(os.environ.get("RUNS", "5"))
    with tempfile.TemporaryDirectory() as folder:
        sizes = {stages for stages, _ in TASKS.values()}
        roots = {stages: generate(Path(folder) / str(stages), stages) for stages in sizes}
        found: dict[str, list[tuple[float, float]]] = {task: [] for task in TASKS}
        for _ in range(runs):
            for task, (stages, words) in TASKS.items():
                found[task].append(measure(roots[stages], words))
    middle = {
        task: tuple(map(statistics.median, zip(*measures, strict=True)))
        for task, measures in found.items()
    }
    print(f"stages in chains of 4, medians of {runs} interleaved runs\n")
    print(f"{'':30}  CPU s  peak MB")
    for task, (cpu, peak) in middle.items():
        print(f"{task:30} {cpu:6.2f}  {peak:7.0f}")
    print("\ntargets")
    peak = middle["validate, 10,000"][1]
    print(f"  {'validate of 10,000, MB':52} {peak:.0f}  (at most {MOST:.0f})")
    for command in ("validate", "plan"):
        least = middle[f"{command}, 4"][0]
        few, many = (middle[f"{command}, {n:,}"][0] - least for n in (SMALL, MANY))
        growth = math.log(many / few) / math.log(MANY / SMALL)
        name = f"{command}, growth from {SMALL:,} to {MANY:,}, exponent"
        print(f"  {name:52} {growth:.2f}  (at most 1.05)")


if __name__ == "__main__":
    main()
