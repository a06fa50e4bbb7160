"""A whole file: every kind of problem once, with its first places and its count.

One pass, a line at a time. What a file *is* comes first: nobody wants 4,000 findings because a
file is compressed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from tuneops.core.recipe import Method
from tuneops.datasets.examples import problems, texts
from tuneops.datasets.lines import Line, Unreadable, read_example, read_lines, read_text
from tuneops.datasets.places import column_of
from tuneops.datasets.problems import Problem, spell
from tuneops.diagnostics import Diagnostic, Severity, SourceRef, sort_key

PLACES_SHOWN = 3
CHARACTERS_PER_TOKEN = 4
"""A guess within some 30 percent: there is no tokenizer without asking the service."""

COMPARED_LIMIT = 500_000
"""How many lines are remembered to find duplicates: memory stays flat past it."""

_BOM = b"\xef\xbb\xbf"
_MAGIC = (
    (b"\x1f\x8b", "gzip data"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "bzip2 data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"%PDF", "a PDF file"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """What a dataset amounts to. Tokens are of one pass over it, by a guess from its characters.

    The prompt of a preference example counts twice, as it is billed (Google's page on preference
    tuning). `duplicates` counts lines that repeat one of the first `COMPARED_LIMIT`.
    """

    examples: int
    characters: int
    tokens_estimate: int
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The findings, in the order of the file, and the summary."""

    findings: tuple[Diagnostic, ...]
    summary: DatasetSummary


def check(stream: BinaryIO, *, path: str, method: Method) -> Checked:
    """Check a file's form for a method; `path` is what the findings call it."""
    return _Check(path=path, method=method).run(stream)


@dataclass(slots=True)
class _Tally:
    first: list[tuple[int, int, Problem]] = field(default_factory=list)
    count: int = 0


@dataclass(slots=True, kw_only=True)
class _Check:
    path: str
    method: Method
    lines: int = 0
    examples: int = 0
    characters: int = 0
    tokens: int = 0
    duplicates: int = 0
    duplicated_at: list[int] = field(default_factory=list)
    tallies: dict[str, _Tally] = field(default_factory=dict)
    seen: set[bytes] = field(default_factory=set)
    findings: list[Diagnostic] = field(default_factory=list)

    def run(self, stream: BinaryIO) -> Checked:
        for line in read_lines(stream):
            self.lines = line.number
            read = self._unmarked(line)
            if read.blank:
                continue
            other = _other_format(read) if not self.examples else None
            if other is not None:
                self._say("dataset-format", f"this is {other}, not one JSON object on each line")
                return self._checked()
            self.examples += 1
            self._look_for_duplicate(read)
            self._look_at(read)
        if not self.examples:
            self._say("dataset-empty", "there are no examples in it")
        return self._checked()

    def _unmarked(self, line: Line) -> Line:
        if line.number != 1 or line.content is None or not line.content.startswith(_BOM):
            return line
        self._say("dataset-bom", "the file begins with a byte order mark", Severity.WARNING)
        start, content = line.start.removeprefix(_BOM), line.content.removeprefix(_BOM)
        return replace(line, start=start, content=content)

    def _look_at(self, line: Line) -> None:
        text = ""
        try:
            text = read_text(line)
            example = read_example(text, ended=line.ended)
        except Unreadable as error:
            self._count(line, text, error.problem)
            return
        self._weigh(example)
        kinds = set()
        for problem in problems(example, self.method):
            if problem.kind not in kinds:
                kinds.add(problem.kind)
                self._count(line, text, problem)

    def _weigh(self, example: Mapping[str, Any]) -> None:
        turns, answers = texts(example)
        self.characters += turns + answers
        billed = turns * 2 + answers if self.method is Method.PREFERENCE else turns
        self.tokens += -(-billed // CHARACTERS_PER_TOKEN)

    def _look_for_duplicate(self, line: Line) -> None:
        if line.content is None:
            return
        mark = hashlib.blake2b(line.content, digest_size=12).digest()
        if mark in self.seen:
            self.duplicates += 1
            if len(self.duplicated_at) < PLACES_SHOWN:
                self.duplicated_at.append(line.number)
        elif len(self.seen) < COMPARED_LIMIT:
            self.seen.add(mark)

    def _count(self, line: Line, text: str, problem: Problem) -> None:
        tally = self.tallies.setdefault(problem.kind, _Tally())
        tally.count += 1
        if len(tally.first) < PLACES_SHOWN:
            column = column_of(text, problem.path) if problem.path else problem.column
            tally.first.append((line.number, column, problem))

    def _say(self, code: str, message: str, severity: Severity = Severity.ERROR) -> None:
        where = SourceRef(path=self.path, line=1, column=1)
        self.findings.append(Diagnostic(code=code, message=message, where=where, severity=severity))

    def _checked(self) -> Checked:
        for tally in self.tallies.values():
            self.findings.extend(self._found(tally))
        if self.duplicates:
            self.findings.append(self._duplicated())
        return Checked(
            findings=tuple(sorted(self.findings, key=sort_key)),
            summary=DatasetSummary(
                examples=self.examples,
                characters=self.characters,
                tokens_estimate=self.tokens,
                duplicates=self.duplicates,
            ),
        )

    def _found(self, tally: _Tally) -> list[Diagnostic]:
        found = []
        for index, (number, column, problem) in enumerate(tally.first):
            notes = [spell(problem.path)] if problem.path else []
            if index == 0 and tally.count > 1:
                notes.append(self._counted(tally.count, [place[0] for place in tally.first]))
            found.append(
                Diagnostic(
                    code=problem.code,
                    message=problem.message,
                    where=SourceRef(path=self.path, line=number, column=column),
                    notes=("; ".join(notes),) if notes else (),
                    help=problem.help,
                    severity=problem.severity,
                )
            )
        return found

    def _duplicated(self) -> Diagnostic:
        return Diagnostic(
            code="dataset-duplicates",
            message="the same example again",
            where=SourceRef(path=self.path, line=self.duplicated_at[0], column=1),
            notes=(self._counted(self.duplicates, self.duplicated_at),),
            severity=Severity.WARNING,
        )

    def _counted(self, count: int, first: list[int]) -> str:
        places = ", ".join(str(number) for number in first)
        more = ", …" if count > len(first) else ""
        verb = "has" if count == 1 else "have"
        return f"{count:,} of {self.lines:,} lines {verb} this problem ({places}{more})"


def _other_format(line: Line) -> str | None:
    """Say what a file is, from its first line that is not blank, when it is not JSON lines."""
    for magic, name in _MAGIC:
        if line.start.startswith(magic):
            return name
    text = line.start.strip() if line.content is None else line.content.strip()
    if text.startswith(b"["):
        return "a JSON array"
    if text == b"{":
        return "one JSON object spread over lines"
    separators = any(separator in text for separator in (b",", b";", b"\t"))
    if separators and b"{" not in text:
        return "a table (CSV)"
    return None
