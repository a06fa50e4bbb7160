"""Lines of text with a manner: what they say is decided here, their colour on a terminal only."""

import re
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


def columns(rows: Iterable[Sequence[str]], gap: int = 2) -> list[str]:
    """Align rows of cells; the last cell of a row is never padded."""
    table = [tuple(row) for row in rows]
    if not table:
        return []
    widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))]
    return [
        (" " * gap)
        .join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
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


def fenced(title: str, text: str) -> str:
    """A text as a piece of a Markdown page; no text can end its fence."""
    marks = fence(text)
    return f"### tuneops {title}\n\n{marks}text\n{text}{marks}\n\n"


def fence(text: str) -> str:
    """The marks around a text in Markdown: longer than any run of them within it."""
    return "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 0)
