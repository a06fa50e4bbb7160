"""A whole file of another format, as lines of the service's: every line of it, or none."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuneops.core.recipe import Method
from tuneops.datasets.chats import Unconvertible
from tuneops.datasets.examples import problems
from tuneops.datasets.formats import convert
from tuneops.datasets.lines import Unreadable, read_example, read_lines, read_text
from tuneops.datasets.places import column_of
from tuneops.datasets.problems import spell
from tuneops.datasets.sniff import other_format
from tuneops.diagnostics import Diagnostic, Severity, SourceRef
from tuneops.strict import Malformed, decode

ARRAY_LIMIT = 64 << 20
"""The largest JSON array that is read, whole, in bytes."""

SHOWN = 20
"""So many lines that cannot be converted are shown."""

_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True, kw_only=True)
class Conversion:
    """One run over a file; the counts and findings are whole when its lines are used up."""

    path: str
    method: Method | None
    dropped: Collection[str] = ()
    examples: int = 0
    refused: int = 0
    findings: list[Diagnostic] = field(default_factory=list)
    _array: bool = False
    """The file is one JSON array: its items are counted, not its lines."""
    _broken: str = ""

    def lines(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The converted lines; those that cannot be are counted, and told as findings."""
        number = 0
        for batch in read_lines(self._elements(blocks)):
            for raw in batch.lines:
                number += 1
                raw = raw.removeprefix(_BOM) if number == 1 else raw
                if not raw.strip():
                    continue
                if not self.examples and not self.refused and (found := other_format(raw)):
                    message = f"this is {found.name}, not one JSON object on each line"
                    help_ = self._broken or found.help
                    self._refuse(number, 1, message, help=help_, code="dataset-format")
                    return
                converted = self._line(number, raw, ended=batch.ended)
                if converted is not None:
                    self.examples += 1
                    yield converted

    def _line(self, number: int, raw: bytes, *, ended: bool) -> bytes | None:
        text = ""
        try:
            text = read_text(raw)
            line = read_example(text, ended=ended)
            kept = {key: value for key, value in line.items() if key not in self.dropped}
            example = convert(kept)
        except Unreadable as fault:
            problem = fault.problem
            column = column_of(text, problem.path) if problem.path else problem.column
            self._refuse(number, column, problem.message, help=problem.help)
            return None
        except Unconvertible as fault:
            column = column_of(text, fault.path)
            self._refuse(number, column, fault.message, path=spell(fault.path), help=fault.help)
            return None
        if not self._is_valid(number, example):
            return None
        try:
            return json.dumps(example, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        except ValueError:  # 1e999 is read as infinity
            self._refuse(number, 1, "a number is too large", help="write it as text")
            return None

    def _is_valid(self, number: int, example: Mapping[str, Any]) -> bool:
        found = Method.PREFERENCE if "completions" in example else Method.SUPERVISED
        self.method = self.method or found
        if found is not self.method:
            message = f"this is a {found} example, and the others are {self.method}"
            self._refuse(number, 1, message, help="a file holds one kind: write two of them")
            return False
        for problem in problems(example, self.method):
            if problem.severity is Severity.ERROR:
                place = f"converted, its {spell(problem.path) or 'form'} is wrong"
                help_ = problem.help.replace("FILE", self.path)
                self._refuse(number, 1, problem.message, path=place, help=help_)
                return False
        return True

    def _elements(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The blocks; of a JSON array its items, one a line."""
        rest = iter(blocks)
        first = next(rest, b"")
        if not first.removeprefix(_BOM).lstrip().startswith(b"["):
            yield first
            yield from rest
            return
        held = [first]
        size = len(first)
        for block in rest:
            held.append(block)
            size += len(block)
            if size > ARRAY_LIMIT:
                self._broken = f"one of more than {ARRAY_LIMIT >> 20} MiB is not read: split it"
                yield first  # which is then called what it is
                return
        try:
            items = decode(b"".join(held).removeprefix(_BOM))
        except Malformed as fault:
            self._broken = f"it is not whole: {fault}"
            yield first
            return
        self._array = True
        for item in items:
            yield json.dumps(item, ensure_ascii=False).encode() + b"\n"

    def _refuse(
        self,
        line: int,
        column: int,
        message: str,
        *,
        help: str,
        path: str = "",
        code: str = "dataset-convert",
    ) -> None:
        self.refused += 1
        if self.refused <= SHOWN:
            at = (1, 1) if self._array else (line, column)
            item = f"item {line:,} of the array" if self._array else ""
            note = "; ".join(filter(None, (item, path)))
            where = SourceRef(path=self.path, line=at[0], column=at[1])
            self.findings.append(
                Diagnostic(
                    code=code,
                    message=message,
                    where=where,
                    notes=(note,) if note else (),
                    help=help,
                )
            )
