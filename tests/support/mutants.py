"""`make mutants`: break one line at a time, and see whether the tests near it notice.

    python -m tests.support.mutants --module core/protocol --most 50 --json FILE

Each mutant is written into a copy of the sources, in a folder of its own: nothing here is touched.
Its tests are run one file after the other, the nearest first: most mutants are noticed in seconds.
Not part of a push: it takes hours. Survivors are printed with their line; a reason for one that may
live is a line in `EQUIVALENT`.
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

from tests.support import figures

ROOT = Path(__file__).parents[2]
SLOWER, MORE = 8, 60.0
"""A file of tests that takes so many times as long, and so many seconds more, hangs."""

PLAIN = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""No test here needs a plugin, and to load them takes longer than most of the tests."""

PROTOCOL = "tests/unit/core/test_creation_protocol.py"
SIMULATED = ("tests/simulation/test_mutants.py", "tests/simulation/test_every_schedule.py")
CREATES = (
    "tests/unit/vertex/test_vertex_create.py",
    "tests/unit/vertex/test_create_on_the_wire.py",
    "tests/unit/vertex/test_vertex_reads.py",
)
MODULES = {
    "core/protocol": (PROTOCOL, *SIMULATED),
    "core/creation": (PROTOCOL, *SIMULATED),
    "store/claim_record": ("tests/unit/store/test_claim_files.py", "tests/unit/gcs"),
    "core/ledger": (
        "tests/unit/core/test_ledger.py",
        "tests/scenarios",
        "tests/red/test_copied_jobs.py",
        "tests/unit/core",
    ),
    "core/fingerprint": ("tests/properties/test_fingerprints.py", "tests/unit/core"),
    "core/merge": ("tests/unit/core/test_merge_cases.py", "tests/unit/core/test_merge.py"),
    "engine/stopping": ("tests/unit/engine/test_stopping.py",),
    "store/lockfile": (
        "tests/unit/store/test_lockfile.py",
        "tests/unit/store/test_conflicts.py",
        "tests/unit/store/test_lock_travel.py",
        "tests/properties/test_lock_laws.py",
    ),
    "http/answers": ("tests/unit/vertex/test_answers.py", *CREATES, "tests/unit/gcs"),
    "vertex/single_post": (*CREATES, "tests/wire"),
    "vertex/provider": (
        *CREATES,
        "tests/unit/vertex/test_vertex_deletions.py",
        "tests/unit/vertex/test_vertex_aliases.py",
        "tests/unit/vertex/test_vertex_endpoints.py",
    ),
}
"""What is broken, and the tests that must notice, the nearest first."""

EQUIVALENT: dict[str, str] = {
    "core/protocol: 10 changed: pause = min(FIRST_PAUSE * 2 ** min(refusals - 1, 10), "
    "LONGEST_PAUSE)": "an hour is the longest pause, and it is reached after six",
    "store/claim_record: False changed: "
    'raise damaged(shown, fault.errors(include_url=False)[0]["msg"]) from fault': "not its URL",
    "store/lockfile: False changed: first = fault.errors(include_url=False)[0]": "as above",
    "core/fingerprint: statement removed: assert_never(recipe.source)": "mypy checks it",
    "core/fingerprint: True changed: sort_keys=True,": "the mappings are written in order",
}
"""Mutants that may live, as `module: what: text of the line`, and why."""

SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
}


def changes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Change the tree in one place at a time: the line, and what was done; then change it back."""
    kept = {inner for node in ast.walk(tree) for inner in _decorators(node)}
    for node in list(ast.walk(tree)):
        if node in kept:
            continue
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
            right, node.ops[0] = node.ops[0], SWAPS[type(node.ops[0])]()
            yield line, f"{type(right).__name__} turned"
            node.ops[0] = right
        elif isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in SWAPS:
            was, node.op = node.op, SWAPS[type(node.op)]()
            yield line, f"{type(was).__name__} turned"
            node.op = was
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int):
            value = node.value
            node.value = not value if isinstance(value, bool) else value + 1
            yield line, f"{value} changed"
            node.value = value
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            test, node.test = node.test, ast.Not()
            node.test = ast.UnaryOp(op=ast.Not(), operand=test)
            yield line, "condition turned"
            node.test = test
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Yield):
            statement, node.value = node.value, ast.Constant(value=None)
            yield line, "statement removed"
            node.value = statement


def _decorators(node: ast.AST) -> Iterator[ast.AST]:
    """The words of decorators: that values are frozen is held by `tests/architecture`."""
    for decorator in getattr(node, "decorator_list", ()):
        yield from ast.walk(decorator)


def mutants(module: str) -> Iterator[tuple[int, str, str]]:
    """Each mutant of a module: line, what was done, and the source."""
    tree = ast.parse((ROOT / f"src/tuneops/{module}.py").read_text())
    for line, what in changes(tree):
        yield line, what, ast.unparse(ast.fix_missing_locations(tree))


def run(source: Path, path: str, limit: float | None = None) -> bool:
    """Say whether the tests of a path pass with the sources of that folder, in time."""
    command = (sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", path)
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **PLAIN, "PYTHONPATH": os.pathsep.join((str(source), str(ROOT)))},
            capture_output=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def limits(module: str) -> dict[str, float]:
    """How long the tests of a module may take; they pass while nothing is broken."""
    found = {}
    for path in MODULES[module]:
        began = time.monotonic()
        if not run(ROOT / "src", path):
            raise SystemExit(f"{path} fails while nothing is broken")
        found[path] = (time.monotonic() - began) * SLOWER + MORE
    return found


def survives(task: tuple[str, int, str, str], limits: Mapping[str, float]) -> str | None:
    """Run the tests near a module on a mutant; its name if they all pass."""
    module, line, what, source = task
    text = (ROOT / f"src/tuneops/{module}.py").read_text().splitlines()[line - 1].strip()
    if f"{module}: {what}: {text}" in EQUIVALENT:
        return None
    with tempfile.TemporaryDirectory(prefix="tuneops-mutant-") as folder:
        copy = Path(folder) / "src"
        shutil.copytree(ROOT / "src", copy)
        (copy / f"tuneops/{module}.py").write_text(source)
        lives = all(run(copy, path, limit) for path, limit in limits.items())
    return f"{module}:{line}: {what}: {text}" if lives else None


def main(words: list[str]) -> int:
    """Print survivors and the score of each module; the figures of other modules stay."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--module", action="append", choices=MODULES)
    parser.add_argument("--most", type=int, default=0, help="so many mutants of each, by chance")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(words)
    scores: dict[str, Any] = {}
    for module in chosen.module or MODULES:
        tasks = [(module, *mutant) for mutant in mutants(module)]
        every = len(tasks)
        if chosen.most and chosen.most < len(tasks):
            tasks = random.Random(1).sample(tasks, chosen.most)
        judge = partial(survives, limits=limits(module))
        alive = []
        with ThreadPool(os.cpu_count()) as pool:
            for name in filter(None, pool.imap_unordered(judge, tasks)):
                print(f"survives  {name}", flush=True)
                alive.append(name)
        killed = len(tasks) - len(alive)
        scores[module] = {
            "of": every,
            "mutants": len(tasks),
            "killed": killed,
            "survivors": sorted(alive),
        }
        print(f"{killed} of {len(tasks)} killed  {module}", flush=True)
        earlier = {one.name: one.counts for one in figures.left()}.get("mutants", {})
        counts = dict(sorted({**earlier, **counted(scores)}.items()))
        figures.leave("mutants", "make mutants", counts)
    if chosen.json:
        chosen.json.write_text(json.dumps(scores, indent=2) + "\n")
    return 0


def counted(scores: dict[str, Any]) -> figures.Counts:
    """The scores for the document; a module of which only some mutants were tried says so."""
    return {
        f"`{module}`: lines broken, noticed or without effect": (
            f"{score['killed']} of {score['mutants']}"
        )
        + (f", by chance out of {score['of']}" if score["of"] != score["mutants"] else "")
        for module, score in sorted(scores.items())
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
