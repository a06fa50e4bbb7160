"""docs/compatibility.md says nothing that no test shows."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "compatibility.md"
NAMED = re.compile(r"`(?P<file>test_[a-z_]+)::(?P<name>test_[a-z0-9_]+)`")


def rows() -> list[str]:
    """The lines of its tables, without their heads."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    heads = {at for at, line in enumerate(lines[1:]) if line.startswith("|-")}
    return [
        line
        for at, line in enumerate(lines)
        if line.startswith("|") and not line.startswith("|-") and at not in heads
    ]


def known_tests() -> set[tuple[str, str]]:
    """The tests of the project, by file and name."""
    return {
        (path.stem, node.name)
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_line_names_a_test_that_exists() -> None:
    known = known_tests()
    assert len(rows()) > 40
    for row in rows():
        named = [(found["file"], found["name"]) for found in NAMED.finditer(row)]
        assert named, f"no test is named in: {row}"
        assert set(named) <= known, f"not there: {set(named) - known}"


def test_every_test_of_a_client_is_named() -> None:
    text = TABLE.read_text(encoding="utf-8")
    named = {(found["file"], found["name"]) for found in NAMED.finditer(text)}
    here = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    own = {"test_referees", Path(__file__).stem}
    assert {test for test in known_tests() if test[0] in here - own} - named == set()
