"""Lines of text with a manner: what they say is decided here, their colour on a terminal only."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `manner` names what kind of line it is (`create`, `hold`, `dim`, ``)."""

    text: str = ""
    manner: str = ""


def plain(lines: Iterable[Line]) -> str:
    """The text alone, as it is written off a terminal: never wrapped, no trailing blanks."""
    return "".join(f"{line.text.rstrip()}\n" for line in lines)


PAGE = 60_000
"""The most text of a Markdown page, in characters: a comment at GitHub holds 65,536."""

_PIECE = re.compile(r"(\s*)(`[^`]*`[^\s`]*|\S+)")
"""A word with the blanks before it; what stands in backquotes is to be copied, and stays whole."""


def breadth(text: str) -> int:
    """How many columns a terminal gives to a text."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(bool(unicodedata.combining(one)) for one in text)


def folded(text: str, room: int) -> list[str]:
    """The lines of a text on a terminal of so many columns: broken between words, then indented.

    Where the text has columns it is broken between them, unless that leaves most of a line empty.
    """
    if breadth(text) <= room:
        return [text]
    indent = " " * min(len(text) - len(text.lstrip()) + 4, room // 2)
    line, gap_at, lines = "", 0, []
    for gap, word in _PIECE.findall(text):
        if not line.strip() or breadth(line + gap + word) <= room:
            gap_at = len(line) if len(gap) > 1 and line.strip() else gap_at
            line += gap + word
            continue
        cut = gap_at if len(gap) == 1 and gap_at > room // 3 else len(line)
        lines.append(line[:cut])
        rest = line[cut:].strip()
        line, gap_at = f"{indent}{rest}{gap if rest else ''}{word}", 0
    return [*lines, line]


def columns(rows: Iterable[Sequence[str]], gap: int = 2) -> list[str]:
    """Align rows of cells; the last cell of a row is never padded."""
    table = [tuple(row) for row in rows]
    if not table:
        return []
    widths = [max(map(breadth, column)) for column in zip(*table, strict=True)]
    return [
        (" " * gap)
        .join(cell + " " * (most - breadth(cell)) for cell, most in zip(row, widths, strict=True))
        .rstrip()
        for row in table
    ]


def counted(number: int, thing: str, things: str | None = None) -> str:
    """`1 job`, `2 jobs`, `1,236 examples`."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def first_few(words: Sequence[str], most: int = 5) -> tuple[str, ...]:
    """All of a few words; of many, the first, and how many more there are."""
    more = len(words) - most
    return (*words[:most], f"and {more:,} more") if more > 0 else tuple(words)


def fenced(title: str, text: str, *, kind: str = "text") -> str:
    """A text as a Markdown page; no text can end its fence, or make it longer than a comment."""
    text = _first_part(text)
    marks = fence(text)
    return f"### tuneops {title}\n\n{marks}{kind}\n{text}{marks}\n"


def _first_part(text: str) -> str:
    """The lines of a text that a page holds, and how many more there are."""
    if len(text) <= PAGE:
        return text
    held = text[:PAGE].rpartition("\n")[0]
    return f"{held}\n… and {text.count(chr(10)) - held.count(chr(10)) - 1:,} more lines\n"


def fence(text: str) -> str:
    """The marks around a text in Markdown: longer than any run of them within it."""
    return "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 0)
