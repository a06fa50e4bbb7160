"""The tests that there are, so that whoever names one can be held to it."""

import ast
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]


@cache
def known() -> frozenset[str]:
    """Every test as `file::name`, every state machine likewise, and every scenario by its file."""
    found = {path.name for path in (TESTS / "scenarios").glob("*.txt")}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            kind = isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            if kind or (isinstance(node, ast.ClassDef) and _is_machine(node)):
                found.add(f"{path.stem}::{node.name}")  # type: ignore[attr-defined]
    return frozenset(found)


def _is_machine(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id.endswith("Machine") for base in node.bases)
