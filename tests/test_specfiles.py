"""Every folder below `specfiles` is a project; the marks in its files are all that is found there.

A mark is a comment below the line that it is about: `#     ^ slug` points at a column, `#@1 slug`
at the first, and `#@0 slug` stands for a finding without a place. `expected.txt` is the text that a
person sees; `TUNEOPS_REWRITE=1` writes it anew, and the change is reviewed as a diff.
`given.json` may name an environment, variables, and what stands in for the process environment.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tuneops.diagnostics import Diagnostic, has_errors
from tuneops.render.findings import findings_text
from tuneops.spec.load import load
from tuneops.spec.resolve import Resolution
from tuneops.spec.text import SourceText

ROOT = Path(__file__).parent / "specfiles"
CASES = sorted(path.name for path in ROOT.iterdir() if path.is_dir())
MARK = re.compile(r"#(?:@(?P<number>\d+)|(?P<space> *)\^) (?P<slug>[a-z0-9-]+)")

Found = tuple[str, int, int, str]


def marks(text: SourceText) -> list[Found]:
    found: list[Found] = []
    above = 0
    for number, line in enumerate(text.text.splitlines(), 1):
        mark = MARK.fullmatch(line)
        if not mark:
            above = number
        elif mark["number"] == "0":
            found.append(("", 0, 0, mark["slug"]))
        else:
            column = int(mark["number"]) if mark["number"] else len(mark["space"]) + 2
            found.append((text.path, above, column, mark["slug"]))
    return found


def place(finding: Diagnostic) -> Found:
    where = finding.where
    return (
        (where.path, where.line, where.column, finding.code) if where else ("", 0, 0, finding.code)
    )


def given(case: str) -> dict[str, Any]:
    path = ROOT / case / "given.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def texts(case: str) -> list[SourceText]:
    folder = ROOT / case
    paths = sorted(folder.rglob("*.yaml"))
    found = [SourceText(str(p.relative_to(folder)), p.read_text(encoding="utf-8")) for p in paths]
    own = any("kind: Workspace" in one.text for one in found)
    if own or not given(case).get("workspace", True):
        return found
    return [*found, SourceText("workspace.yaml", (ROOT / "workspace.yaml").read_text())]


def resolution(case: str) -> Resolution:
    settings = given(case)
    return load(
        texts(case),
        environment=settings.get("environment"),
        variables=settings.get("variables", {}),
        env=settings.get("env", {}),
    )


@pytest.mark.parametrize("case", CASES)
def test_findings_are_exactly_the_marks(case: str) -> None:
    found = resolution(case)
    expected = [mark for text in texts(case) for mark in marks(text)]
    assert sorted(map(place, found.findings)) == sorted(expected)
    assert (found.declaration is None) == has_errors(found.findings)


@pytest.mark.parametrize("case", CASES)
def test_text_is_the_expected_one(case: str) -> None:
    text = findings_text(resolution(case).findings, files=len(texts(case)))
    golden = ROOT / case / "expected.txt"
    if os.environ.get("TUNEOPS_REWRITE") == "1":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_valid_cases_are_valid() -> None:
    valid = [case for case in CASES if case.startswith("valid-")]
    assert valid
    assert all(not resolution(case).findings for case in valid)


def test_secrets_are_never_shown() -> None:
    for case in (case for case in CASES if case.startswith(("credential", "signed-url"))):
        shown = (ROOT / case / "expected.txt").read_text(encoding="utf-8")
        assert not re.search("ya29|AIza|PRIVATE|Signature|a0AfH6", shown), case
