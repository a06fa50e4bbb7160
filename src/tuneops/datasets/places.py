"""Where a value stands in its line: found only for the few problems that are shown."""

import json
import re

from tuneops.datasets.problems import Path

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def column_of(text: str, path: Path) -> int:
    """The column, from 1, of the value at a path; of its nearest container if it is not there.

    The text has been read as JSON before.
    """
    at = _after_blank(text, 0)
    for part in path:
        inner = _item(text, at, part) if isinstance(part, int) else _member(text, at, part)
        if inner is None:
            break
        at = inner
    return at + 1


def _member(text: str, at: int, name: str) -> int | None:
    if not text.startswith("{", at):
        return None
    at = _after_blank(text, at + 1)
    while text.startswith('"', at):
        key, end = _DECODER.raw_decode(text, at)
        value = _after_blank(text, _after_blank(text, end) + 1)
        if key == name:
            return value
        at = _next(text, value)
    return None


def _item(text: str, at: int, index: int) -> int | None:
    if not text.startswith("[", at):
        return None
    at = _after_blank(text, at + 1)
    for _ in range(index):
        at = _next(text, at)
    return at


def _next(text: str, at: int) -> int:
    _, end = _DECODER.raw_decode(text, at)
    return _after_blank(text, _after_blank(text, end) + 1)


def _after_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
