"""Findings as people and machines read them: text with the line and a caret, JSON, annotations.

Pure, and byte-stable: no colour, no width of a terminal. Texts of the user's are made inert.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tuneops.diagnostics import Diagnostic, Severity, SourceRef
from tuneops.render.inert import inert
from tuneops.render.lines import breadth

_WIDEST = 120
"""The longest excerpt, in characters; of a longer line the part around the place is shown."""

_ANNOTATIONS = 9
"""GitHub shows ten of a kind for a step; the tenth says how many more there are."""


def findings_text(findings: Sequence[Diagnostic], *, files: int | None) -> str:
    """All findings, then the line that counts them if it is known how many files were read."""
    blocks = ["\n".join(_block(finding)) for finding in findings]
    if files is not None:
        blocks.append(summary(findings, files=files))
    return "\n\n".join(blocks) + "\n"


def finding_text(finding: Diagnostic) -> str:
    """One finding, without a newline at its end."""
    return "\n".join(_block(finding))


def summary(findings: Iterable[Diagnostic], *, files: int) -> str:
    """The line that counts, such as `Found 3 errors and 1 warning in 2 of 12 files`."""
    every = list(findings)
    errors = sum(finding.severity is Severity.ERROR for finding in every)
    counts = [
        _count(number, word)
        for number, word in ((errors, "error"), (len(every) - errors, "warning"))
        if number
    ]
    if not counts:
        return f"Found no problems in {_count(files, 'file')}."
    touched = len({finding.where.path for finding in every if finding.where})
    inside = f" in {touched} of {_count(files, 'file')}" if touched else ""
    return f"Found {' and '.join(counts)}{inside}."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _block(finding: Diagnostic) -> Iterator[str]:
    yield f"{finding.severity}[{finding.code}]: {inert(finding.message)}"
    if finding.where is not None:
        where = finding.where
        gutter = " " * len(str(where.line))
        yield f"{gutter} --> {inert(where.path)}:{where.line}:{where.column}"
        if where.excerpt.strip():
            yield from _excerpt(where, gutter)
    for note in finding.notes:
        yield from _indented("note: ", note)
    if finding.help is not None:
        yield from _indented("help: ", finding.help)


def _excerpt(where: SourceRef, gutter: str) -> Iterator[str]:
    start = where.column - 1
    left = max(0, min(start - _WIDEST // 2, len(where.excerpt) - _WIDEST))
    right = left + _WIDEST
    before = ("…" if left else "") + inert(where.excerpt[left:start])
    marked = inert(where.excerpt[start : min(start + where.length, right)])
    after = inert(where.excerpt[start + where.length : right])
    more = "…" if len(where.excerpt) > right else ""
    yield f"{gutter} |"
    yield f"{where.line} | {before}{marked}{after}{more}"
    yield f"{gutter} | {' ' * breadth(before)}{'^' * max(breadth(marked), 1)}"


def _indented(label: str, text: str) -> Iterator[str]:
    first, *rest = inert(text, newlines=True).split("\n")
    yield label + first
    yield from (" " * len(label) + line for line in rest)


def findings_json(findings: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """Findings as values for JSON, every key always there. Lines and columns count from 1."""
    return [
        {
            "severity": finding.severity.value,
            "code": finding.code,
            "message": finding.message,
            "file": finding.where.path if finding.where else None,
            "range": _range(finding.where) if finding.where else None,
            "help": finding.help,
            "notes": list(finding.notes),
        }
        for finding in findings
    ]


def _range(where: SourceRef) -> dict[str, dict[str, int]]:
    return {
        "start": {"line": where.line, "column": where.column},
        "end": {"line": where.line, "column": where.column + where.length},
    }


def findings_github(findings: Iterable[Diagnostic]) -> str:
    """Workflow commands that annotate the files of a pull request, and no other command."""
    every = list(findings)
    lines: list[str] = []
    for severity in Severity:
        some = [finding for finding in every if finding.severity is severity]
        lines += (_annotation(finding) for finding in some[:_ANNOTATIONS])
        if len(some) > _ANNOTATIONS:
            lines.append(f"::{severity}::and {len(some) - _ANNOTATIONS} more; see the log")
    return "".join(f"{line}\n" for line in lines)


def _annotation(finding: Diagnostic) -> str:
    where = finding.where
    places = {} if where is None else _places(where)
    properties = {**places, "title": finding.code}
    words = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    text = [finding.message, *(f"note: {note}" for note in finding.notes)]
    if finding.help is not None:
        text.append(f"help: {finding.help}")
    data = _data(inert("\n".join(text), newlines=True))
    return f"::{finding.severity} {words}::{data}"


def _places(where: SourceRef) -> dict[str, str]:
    return {
        "file": where.path,
        "line": str(where.line),
        "col": str(where.column),
        "endLine": str(where.line),
        "endColumn": str(where.column + where.length),
    }


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(inert(text)).replace(":", "%3A").replace(",", "%2C")
