"""A byte stream as lines, and a line as an example, strictly.

The standard decoder keeps the last of two equal keys and accepts NaN and half characters: the
service might not, or might read another value than we do.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from tuneops.datasets.problems import Path, Problem, shown

LINE_LIMIT = 8 << 20
"""The longest line that is read, in bytes."""

_BLOCK = 1 << 16
_START = 64
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line without its end. Of a line past the limit only the `start` is kept."""

    number: int
    start: bytes
    content: bytes | None
    ended: bool

    @property
    def blank(self) -> bool:
        """Say whether nothing is on it."""
        return self.content is not None and not self.content.strip()


class Unreadable(ValueError):
    """A line is no example; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read_lines(stream: BinaryIO) -> Iterator[Line]:
    """The lines of a stream, in memory of one line at most."""
    number = 0
    while raw := stream.readline(LINE_LIMIT + 1):
        number += 1
        if len(raw) > LINE_LIMIT and not raw.endswith(b"\n"):
            start = raw[:_START]
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(_BLOCK)
            yield Line(number=number, start=start, content=None, ended=bool(raw))
            continue
        content, ended = raw.rstrip(b"\r\n"), raw.endswith(b"\n")
        yield Line(number=number, start=content[:_START], content=content, ended=ended)


def read_text(line: Line) -> str:
    """The text of a line, or Unreadable."""
    if line.content is None:
        raise _unreadable("too-long", f"the line is longer than {LINE_LIMIT >> 20} MiB")
    try:
        return line.content.decode("utf-8")
    except UnicodeDecodeError as error:
        column = len(line.content[: error.start].decode("utf-8")) + 1
        raise _unreadable("not-utf8", "the line is not UTF-8", column) from None


def read_example(text: str, *, ended: bool) -> Mapping[str, Any]:
    """The JSON object on a line, or Unreadable."""
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        if not ended and error.pos >= len(text.rstrip()):
            raise _unreadable("cut-off", "the last line is cut off", error.pos + 1) from None
        if not ended and error.msg.startswith("Unterminated string"):
            raise _unreadable("cut-off", "the last line is cut off", len(text) + 1) from None
        raise _unreadable("not-json", f"not JSON: {error.msg}", error.pos + 1) from None
    except _RepeatedKey as error:
        raise _unreadable(
            "repeated-key",
            f"the key {shown(error.key)} is given twice in one object",
            _second(text, error.key),
        ) from None
    except RecursionError:
        raise _unreadable("too-deep", "nested too deeply") from None
    except Unreadable as error:
        column = text.find(error.problem.message.split("`")[1]) + 1
        raise _unreadable(error.problem.kind, error.problem.message, column) from None
    except ValueError:  # an integer of thousands of digits
        raise _unreadable(
            "not-json", "not JSON that everyone can read: a number too long"
        ) from None
    if not isinstance(value, dict):
        raise _unreadable("not-object", f"each line must be a JSON object, not {shown(value)}")
    if _SURROGATE.search(text):
        _refuse_surrogates(value)
    return value


class _RepeatedKey(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, item in pairs:
        if key in value:
            raise _RepeatedKey(key)
        value[key] = item
    return value


def _constant(word: str) -> NoReturn:
    raise _unreadable("not-a-number", f"`{word}` is not a JSON number")


def _second(text: str, key: str) -> int:
    places = [found.start() for found in re.finditer(re.escape(json.dumps(key)) + r"\s*:", text)]
    return places[1] + 1 if len(places) > 1 else 1


def _refuse_surrogates(example: Mapping[str, Any]) -> None:
    left: list[tuple[Path, Any]] = [((), example)]
    while left:
        path, value = left.pop()
        match value:
            case str() if any("\ud800" <= letter <= "\udfff" for letter in value):
                raise Unreadable(
                    Problem(kind="half-character", message="not valid Unicode", path=path)
                )
            case list():
                left.extend(((*path, index), item) for index, item in enumerate(value))
            case dict():
                left.extend((path, key) for key in value)
                left.extend(((*path, key), item) for key, item in value.items())


def _unreadable(kind: str, message: str, column: int = 1) -> Unreadable:
    return Unreadable(Problem(kind=kind, message=message, column=column))
