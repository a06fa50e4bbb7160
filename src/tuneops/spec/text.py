"""The text of a spec file: its lines, and what no file may hold whatever its YAML says.

A file with a finding of this module is not read any further, so that a secret or a hidden character
in it reaches no other message.
"""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from tuneops.diagnostics import Diagnostic, SourceRef

FILE_LIMIT = 1 << 20
"""The largest spec file, in bytes."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_SHOWN = 5
"""How many places of one kind are reported for one file."""

HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064"
    "\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
"""Characters that a reader cannot see or that change what a reader sees."""

SECRET = re.compile(r"\bya29\.|\bAIza[0-9A-Za-z_-]{10}|-----BEGIN\b")
"""What an access token, an API key and a private key begin with."""

SIGNED = re.compile(r"(?i)\bX-(Goog|Amz)-(Signature|Credential)=|\bGoogleAccessId=")
"""What only a signed URL holds."""

_TRACES = ("ya29.", "AIza", "-----BEGIN", "=")
"""One of these is in every text that holds a secret; to look for them takes next to no time."""


def sayable(value: str) -> bool:
    """Say whether a value of somebody else's can stand in a spec, quoted, and mean itself."""
    return not (HIDDEN.search(value) or SECRET.search(value) or SIGNED.search(value)) and (
        "${" not in value
    )


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file of the project: its path from the project's root, with `/`, and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """The lines of one file, for showing places in it."""

    path: str
    text: str
    starts: "array[int]" = field(repr=False)
    """Where lines begin. The lines themselves would take ten times the memory of the text."""

    @staticmethod
    def of(given: SourceText) -> "Source":
        """Find the lines of a text; a byte order mark at its start is no part of it."""
        text = given.text.removeprefix("\ufeff")
        ends = (end.end() for end in _LINE_END.finditer(text))
        return Source(given.path, text, array("I", (0, *ends)))

    def line(self, number: int) -> str:
        """A line by its number, counted from 1, without its end; nothing where there is none."""
        if not 0 < number <= len(self.starts):
            return ""
        end = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.text[self.starts[number - 1] : end].rstrip("\r\n")

    @property
    def lines(self) -> Iterator[str]:
        """All lines in order."""
        return (self.line(number) for number in range(1, len(self.starts) + 1))

    def place(self, line: int, column: int, length: int = 1) -> SourceRef:
        """Name a place; lines and columns count from 1."""
        excerpt = self.line(line)
        return SourceRef(
            path=self.path, line=line, column=column, length=max(length, 1), excerpt=excerpt
        )


def decode(path: str, content: bytes) -> SourceText | Diagnostic:
    """Read the bytes of a file as UTF-8, or say where they are something else."""
    if len(content) > FILE_LIMIT:
        return _too_large(path)
    try:
        return SourceText(path, content.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        lines = _LINE_END.split(before)
        where = SourceRef(path=path, line=len(lines), column=len(lines[-1]) + 1)
        return Diagnostic(
            code="not-utf8",
            message=f"not UTF-8 at byte {error.start}",
            where=where,
            help="save the file as UTF-8",
        )


def screen(source: Source) -> Iterator[Diagnostic]:
    """Find what no file may hold: hidden characters, tabs, secrets, more than 1 MiB."""
    if len(source.text.encode("utf-8", "surrogatepass")) > FILE_LIMIT:
        yield _too_large(source.path)
        return
    yield from _hidden(source)
    yield from _tabs(source)
    yield from secrets(source)


def secrets(source: Source) -> Iterator[Diagnostic]:
    """Find credentials and signed URLs; the finding never shows them, nor their line."""
    if not any(trace in source.text for trace in _TRACES):
        return
    for number, line in enumerate(source.lines, 1):
        if found := SECRET.search(line):
            yield secret(SourceRef(path=source.path, line=number, column=found.start() + 1))
        elif found := SIGNED.search(line):
            yield Diagnostic(
                code="signed-url",
                message="a signed URL is a secret",
                where=SourceRef(path=source.path, line=number, column=found.start() + 1),
                help="remove it from git, and name the object as `gs://bucket/object.jsonl`",
            )


def secret(where: SourceRef) -> Diagnostic:
    """Say that a credential is here, without showing it."""
    return Diagnostic(
        code="credential",
        message="this looks like a credential",
        where=SourceRef(path=where.path, line=where.line, column=where.column),
        help="remove it from git and revoke it; tuneops takes credentials from the environment",
    )


def _hidden(source: Source) -> Iterator[Diagnostic]:
    for place, character in _some(source, HIDDEN):
        yield Diagnostic(
            code="hidden-character",
            message=f"control or invisible character U+{ord(character):04X}",
            where=place,
            help="remove it",
        )


def _tabs(source: Source) -> Iterator[Diagnostic]:
    for place, _ in _some(source, re.compile("\t")):
        yield Diagnostic(
            code="tab",
            message="a tab character",
            where=place,
            help='use spaces; inside a text in double quotes write "\\t"',
        )


def _some(source: Source, pattern: re.Pattern[str]) -> Iterator[tuple[SourceRef, str]]:
    left = _SHOWN
    if not pattern.search(source.text):
        return
    for number, line in enumerate(source.lines, 1):
        if left and (found := pattern.search(line)):
            left -= 1
            yield source.place(number, found.start() + 1), found[0]


def _too_large(path: str) -> Diagnostic:
    return Diagnostic(
        code="too-large",
        message="the file is larger than 1 MiB",
        where=SourceRef(path=path, line=1, column=1),
        help="split it; a project may have any number of spec files",
    )
