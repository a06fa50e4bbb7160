"""Commands over many stages: `make bench`. Processor time, peak memory, and how time grows.

Runs are interleaved, each in a process of its own; medians. Stages lie in chains of four, a file
each, over one small dataset, on the embedded emulator; nothing has been tuned yet, but for the
frozen plans: there the lock says that everything is done.
"""

import math
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
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
MOST = {"validate, 10,000": 100.0, "plan --frozen, 10,000": 155.0}
"""Of resident memory, in MB."""

TASKS: dict[str, tuple[int, tuple[str, ...]]] = {
    "--version": (4, ("--version",)),
    "--help": (4, ("--help",)),
    "validate, 4": (4, ("validate",)),
    "plan, 4": (4, ("plan",)),
    "status, 4": (4, ("status",)),
    "validate, 2,500": (SMALL, ("validate",)),
    "validate, 10,000": (MANY, ("validate",)),
    "plan, 2,500": (SMALL, ("plan",)),
    "plan, 10,000": (MANY, ("plan",)),
    "plan --frozen, 4": (4, ("plan", "--frozen")),
    "plan --frozen, 2,500": (SMALL, ("plan", "--frozen")),
    "plan --frozen, 10,000": (MANY, ("plan", "--frozen")),
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


def finish(root: Path) -> Path:
    """Write the lock of a project in which every job has ended well."""
    from tests.support.builders import NOON, a_creation, a_key
    from tuneops.cli.options import take
    from tuneops.cli.project import open_project
    from tuneops.core.lock import LockedJob
    from tuneops.engine.pins import pin
    from tuneops.engine.recorded import RecordedWorld
    from tuneops.store.lockfile import dump, empty_lock, lock_path

    project = open_project(replace(take({}), directory=root))
    declaration = project.declaration
    lock = empty_lock(declaration.target)
    world = RecordedWorld(lock, declaration.target, (), NOON)
    graph = pin(
        declaration,
        lock,
        read_file=project.read_file,
        objects=world,
        service=world,
        registry=world,
    )
    jobs = {}
    for number, job in enumerate(graph.jobs, 1):
        key = a_key(job, target=declaration.target)
        made = a_creation(job, number=number)
        jobs[str(job.address)] = LockedJob(current=key, creations={key: made})
    path = lock_path(root, declaration.target.environment)
    path.write_bytes(dump(replace(lock, jobs=jobs)))
    return root


def measure(folder: Path, words: tuple[str, ...]) -> tuple[float, float]:
    """Seconds of processor time, and megabytes at the most."""
    env = bare()
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles tuneops for each command
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tuneops", *words], cwd=folder, env=env, stdout=out
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1_000_000


def main() -> None:
    runs = int(os.environ.get("RUNS", "5"))
    with tempfile.TemporaryDirectory() as folder:
        sizes = {stages for stages, _ in TASKS.values()}
        roots = {count: generate(Path(folder, str(count)), count) for count in sizes}
        done = {count: generate(Path(folder, "done", str(count)), count) for count in sizes}
        for root in done.values():  # elsewhere: what a process forks has its peak, too
            subprocess.run([sys.executable, "-m", "tests.bench.specs", str(root)], check=True)
        found: dict[str, list[tuple[float, float]]] = {task: [] for task in TASKS}
        for words in {words for _, words in TASKS.values()}:
            measure(done[4], words)
        for _ in range(runs):
            for task, (stages, words) in TASKS.items():
                where = done if "--frozen" in words else roots
                found[task].append(measure(where[stages], words))
    middle = {
        task: tuple(map(statistics.median, zip(*measures, strict=True)))
        for task, measures in found.items()
    }
    print(f"stages in chains of 4, medians of {runs} interleaved runs\n")
    print(f"{'':30}  CPU s  peak MB")
    for task, (cpu, peak) in middle.items():
        print(f"{task:30} {cpu:6.2f}  {peak:7.0f}")
    print("\ntargets")
    for task, most in MOST.items():
        print(f"  {f'{task}, MB':52} {middle[task][1]:.0f}  (at most {most:.0f})")
    for command in ("validate", "plan", "plan --frozen"):
        least = middle[f"{command}, 4"][0]
        few, many = (middle[f"{command}, {n:,}"][0] - least for n in (SMALL, MANY))
        growth = math.log(many / few) / math.log(MANY / SMALL)
        name = f"{command}, growth from {SMALL:,} to {MANY:,}, exponent"
        print(f"  {name:52} {growth:.2f}  (at most 1.05)")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        finish(Path(sys.argv[1]))
    else:
        main()
