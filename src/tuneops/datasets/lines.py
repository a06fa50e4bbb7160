"""Blocks of bytes as lines, and a line as an example, strictly.

The standard decoder keeps the last of two equal keys and accepts NaN and half characters: the
service might not, or might read another value than we do.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NoReturn

from tuneops.datasets.problems import Path, Problem, shown

LINE_LIMIT = 8 << 20
"""The longest line that is read, in bytes."""

DEPTH_LIMIT = 100
"""The deepest nesting of an example: Google's own reader of JSON stops there, too."""

VALUES_LIMIT = 100_000
"""The most values of an example: each takes far more memory read than written, and a token or more.
No base model takes as many tokens in one example."""

_ONE_A_LINE = "put each example on a line of its own, which ends in a line feed"
_UTF8 = "save the file as UTF-8"
_UNMARKED = "write the line without it: files that were joined have one in the middle"
_ANEW = "write or copy the file again: a part of it is lost"
_AS_WRITTEN = "write each line as one JSON object, as a JSON library does"

_START = 64
_MARKS = re.compile(r'"(?:[^"\\]++|\\.)*+"|[,\[{]', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class TooLong(bytes):
    """The start of a line past the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Lines without their line feeds; only the last of a file may be one that has none."""

    lines: list[bytes]
    ended: bool = True


class Unreadable(ValueError):
    """A line is no example; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read_lines(blocks: Iterable[bytes]) -> Iterator[Batch]:
    """The lines of a file, in memory of one line and one block at most."""
    held: list[bytes] = []
    length = 0
    for block in blocks:
        first, feed, rest = block.partition(b"\n")
        if length <= LINE_LIMIT:
            held.append(first)
        length += len(first)
        if not feed:
            continue
        lines = rest.split(b"\n")
        last = lines.pop()
        lines.insert(0, _whole(held, length))
        yield Batch(lines=[_cut(line) if len(line) > LINE_LIMIT else line for line in lines])
        held, length = [last], len(last)
    if length:
        yield Batch(lines=[_whole(held, length)], ended=False)


def _whole(held: list[bytes], length: int) -> bytes:
    return b"".join(held) if length <= LINE_LIMIT else _cut(b"".join(held)[:_START])


def _cut(line: bytes) -> bytes:
    return line if isinstance(line, TooLong) else TooLong(line[:_START])


def read_text(line: bytes) -> str:
    """The text of a line, or Unreadable."""
    if isinstance(line, TooLong):
        message = f"the line is longer than {LINE_LIMIT >> 20} MiB"
        raise _unreadable("too-long", message, _ONE_A_LINE)
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        column = len(line[: error.start].decode("utf-8")) + 1
        raise _unreadable("not-utf8", "the line is not UTF-8", _UTF8, column) from None


def read_example(text: str, *, ended: bool) -> Mapping[str, Any]:
    """The JSON object on a line, or Unreadable."""
    if _is_crowded(text):
        message = f"more than {VALUES_LIMIT:,} values in one example"
        raise _unreadable("too-many-values", message, "split it: no model takes as much at once")
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise _not_json(text, error, ended=ended) from None
    except _RepeatedKey as error:
        raise _unreadable(
            "repeated-key",
            f"the key {shown(error.key)} is given twice in one object",
            "give it once: one reader keeps the first of two, another one the last",
            _second(text, error.key),
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except Unreadable as error:
        column = text.find(error.problem.message.split("`")[1]) + 1
        raise Unreadable(replace(error.problem, column=column)) from None
    except ValueError:  # an integer of thousands of digits
        message = "not JSON that everyone can read: a number too long"
        raise _unreadable("not-json", message, "write so long a number as text") from None
    if not isinstance(value, dict):
        message = f"each line must be a JSON object, not {shown(value)}"
        raise _unreadable("not-object", message, """an example is `{"contents": […]}`""")
    if _SURROGATE.search(text):
        _refuse_surrogates(value)
    if text.count("[") + text.count("{") > DEPTH_LIMIT and _depth(value) > DEPTH_LIMIT:
        raise _too_deep()
    return value


def _is_crowded(text: str) -> bool:
    """Say whether commas and brackets outside of texts are more than an example may have."""
    if sum(map(text.count, ",[{")) <= VALUES_LIMIT:
        return False
    marks = (1 for mark in _MARKS.finditer(text) if not mark[0].startswith('"'))
    return sum(islice(marks, VALUES_LIMIT + 1)) > VALUES_LIMIT


def _not_json(text: str, error: json.JSONDecodeError, *, ended: bool) -> Unreadable:
    if not ended and error.pos >= len(text.rstrip()):
        return _unreadable("cut-off", "the last line is cut off", _ANEW, error.pos + 1)
    if not ended and error.msg.startswith("Unterminated string"):
        return _unreadable("cut-off", "the last line is cut off", _ANEW, len(text) + 1)
    if text.startswith("\x00", error.pos):
        return _unreadable("not-json", "not JSON: a NUL byte", _ANEW, error.pos + 1)
    if text.startswith("\ufeff", error.pos):
        return _unreadable("not-json", "not JSON: a byte order mark", _UNMARKED, error.pos + 1)
    if error.msg == "Extra data":
        ends = "\r" in text[: error.pos]
        message = "lines end in CR alone" if ends else "more behind the end of the example"
        return _unreadable("not-json", f"not JSON: {message}", _ONE_A_LINE, error.pos + 1)
    return _unreadable("not-json", f"not JSON: {error.msg}", _AS_WRITTEN, error.pos + 1)


class _RepeatedKey(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _RepeatedKey(next(key for key, count in counts.items() if count > 1))
    return value


def _constant(word: str) -> NoReturn:
    raise _unreadable("not-a-number", f"`{word}` is not a JSON number", "leave it out, or say null")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).decode


def _second(text: str, key: str) -> int:
    places = [found.start() for found in re.finditer(re.escape(json.dumps(key)) + r"\s*:", text)]
    return places[1] + 1 if len(places) > 1 else 1


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        depth += any(isinstance(item, dict | list) for item in level)
        level = inner
    return depth


def _refuse_surrogates(example: Mapping[str, Any]) -> None:
    left: list[tuple[Path, Any]] = [((), example)]
    while left:
        path, value = left.pop()
        match value:
            case str() if any("\ud800" <= letter <= "\udfff" for letter in value):
                raise Unreadable(
                    Problem(
                        kind="half-character",
                        message="not valid Unicode",
                        path=path,
                        help="half of a character is left, `\\ud800` to `\\udfff`: write it whole",
                    )
                )
            case list():
                left.extend(((*path, index), item) for index, item in enumerate(value))
            case dict():
                left.extend((path, key) for key in value)
                left.extend(((*path, key), item) for key, item in value.items())


def _too_deep() -> Unreadable:
    return _unreadable("too-deep", "nested too deeply", f"at most {DEPTH_LIMIT} levels are read")


def _unreadable(kind: str, message: str, help: str, column: int = 1) -> Unreadable:
    return Unreadable(Problem(kind=kind, message=message, help=help, column=column))
