"""Findings as text, JSON and annotations; texts from outside are harmless in each."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneops.diagnostics import Diagnostic, Severity, SourceRef
from tuneops.render.findings import (
    finding_text,
    findings_github,
    findings_json,
    findings_text,
    summary,
)
from tuneops.render.inert import inert
from tuneops.spec.text import HIDDEN

FINDING = Diagnostic(
    code="unknown-field",
    message="unknown field `adaptorSize` in `spec.stages.seed.hyperParameters`",
    where=SourceRef(
        path="specs/support-bot.yaml",
        line=13,
        column=9,
        length=11,
        excerpt="        adaptorSize: 8",
    ),
    notes=("one\ntwo",),
    help="a field with a similar name exists: `adapterSize`",
)


def at(excerpt: str, column: int, length: int = 1) -> str:
    where = SourceRef(path="a.yaml", line=7, column=column, length=length, excerpt=excerpt)
    return finding_text(Diagnostic(code="x", message="m", where=where))


def test_anatomy() -> None:
    assert finding_text(FINDING) == (
        "error[unknown-field]: unknown field `adaptorSize` in `spec.stages.seed.hyperParameters`\n"
        "   --> specs/support-bot.yaml:13:9\n"
        "   |\n"
        "13 |         adaptorSize: 8\n"
        "   |         ^^^^^^^^^^^\n"
        "note: one\n"
        "      two\n"
        "help: a field with a similar name exists: `adapterSize`"
    )


def test_closing_line() -> None:
    warning = Diagnostic(code="x", message="m", where=FINDING.where, severity=Severity.WARNING)
    other = Diagnostic(code="x", message="m", where=SourceRef(path="b.yaml", line=1, column=1))
    assert summary([FINDING, FINDING, other, warning], files=12) == (
        "Found 3 errors and 1 warning in 2 of 12 files."
    )
    assert summary([FINDING], files=1) == "Found 1 error in 1 of 1 file."
    assert summary([Diagnostic(code="x", message="m")], files=2) == "Found 1 error."
    assert summary([], files=2) == "Found no problems in 2 files."
    assert findings_text([FINDING], files=None) == finding_text(FINDING) + "\n"


def test_the_caret_stands_under_wide_and_hidden_characters() -> None:
    assert at("日本: x", 5).splitlines()[-2:] == ["7 | 日本: x", "  |       ^"]
    assert at("a\u202e: x", 5).splitlines()[-2:] == ["7 | a\\u{202E}: x", "  |            ^"]


def test_long_lines_are_cut_around_the_place() -> None:
    rows = at("x" * 500 + "HERE" + "y" * 500, 501, 4).splitlines()
    line, caret = rows[-2], rows[-1]
    assert len(line) < 140
    start = caret.index("^")
    assert line[start : start + caret.count("^")] == "HERE"
    assert line.startswith("7 | …")
    assert line.endswith("…")


def test_json_keeps_every_key() -> None:
    (full,) = findings_json([FINDING])
    (bare,) = findings_json([Diagnostic(code="x", message="m")])
    assert full.keys() == bare.keys()
    assert full["range"] == {
        "start": {"line": 13, "column": 9},
        "end": {"line": 13, "column": 20},
    }
    assert bare["file"] is None


def test_annotations() -> None:
    assert findings_github([FINDING]) == (
        "::error file=specs/support-bot.yaml,line=13,col=9,endLine=13,endColumn=20,"
        "title=unknown-field::unknown field `adaptorSize` in `spec.stages.seed.hyperParameters`"
        "%0Anote: one%0Atwo%0Ahelp: a field with a similar name exists: `adapterSize`\n"
    )


def test_annotations_are_escaped() -> None:
    where = SourceRef(path="a:b,c%\n.yaml", line=1, column=1)
    text = findings_github([Diagnostic(code="x", message="50%\r\n::set-env::", where=where)])
    assert text == (
        "::error file=a%3Ab%2Cc%25\\u{000A}.yaml,line=1,col=1,endLine=1,endColumn=2,title=x::"
        "50%25\\u{000D}%0A::set-env::\n"
    )


def test_annotations_stop_at_nine_of_a_kind() -> None:
    warning = Diagnostic(code="w", message="m", severity=Severity.WARNING)
    rows = findings_github([FINDING] * 12 + [warning] * 9).splitlines()
    assert len(rows) == 9 + 1 + 9
    assert rows[9] == "::error::and 3 more; see the log"


@given(st.text())
def test_text_is_inert(text: str) -> None:
    shown = inert(text)
    assert not HIDDEN.search(shown)
    assert not any(unicodedata.category(one) == "Cc" for one in shown)
    assert inert(text, newlines=True).count("\n") == text.count("\n")


@given(st.text(), st.text(), st.text())
def test_no_text_makes_a_second_command(path: str, message: str, help: str) -> None:
    where = SourceRef(path=path, line=1, column=1)
    text = findings_github([Diagnostic(code="x", message=message, where=where, help=help)])
    assert text.count("\n") == 1
    assert text.startswith("::error file=")


@pytest.mark.parametrize("length", [1999, 2000, 2001])
def test_long_texts_are_cut(length: int) -> None:
    assert inert("x" * length) == "x" * min(length, 2000) + ("… (+1)" if length > 2000 else "")
