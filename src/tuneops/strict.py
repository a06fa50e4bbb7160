"""JSON as it must be before we believe it: our own files, and what a service answers.

The standard decoder keeps the last of two equal keys and lets NaN and lone surrogates pass; what
has been damaged or tampered with must not look whole.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Malformed(ValueError):
    """The bytes are not one JSON value that all readers would understand alike."""


def decode(body: bytes) -> Any:
    """Read one JSON value, or Malformed: no repeated keys, NaN, lone surrogates or abysses."""
    value = _decoded(body, _unique)
    if _SURROGATE.search(body):
        _refuse_half_letters(value)
    return value


def outline(body: bytes) -> Any:
    """Check all that `decode` does, and read nothing but the top: an object further down is None.

    For large files, which somebody else reads once they are known to be sound.
    """
    if _SURROGATE.search(body):
        decode(body)
    last: dict[str, Any] | None = None

    def forget(pairs: list[tuple[str, Any]]) -> None:
        nonlocal last
        last = _unique(pairs)  # the outermost object ends last

    value = _decoded(body, forget)
    return last if value is None else value


def _decoded(body: bytes, pairs: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    try:
        return json.loads(body.decode(), object_pairs_hook=pairs, parse_constant=_constant)
    except Malformed:
        raise
    except UnicodeDecodeError as fault:
        raise Malformed(f"it is not UTF-8 at byte {fault.start}") from None
    except json.JSONDecodeError as fault:
        raise Malformed(f"line {fault.lineno}, column {fault.colno}: {fault.msg}") from None
    except ValueError:
        raise Malformed("it has a number of thousands of digits") from None
    except RecursionError:
        raise Malformed("it is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise Malformed(f"the key `{twice[:80]}` is there twice")
    return found


def _constant(word: str) -> NoReturn:
    raise Malformed(f"`{word}` is not a JSON number")


def _refuse_half_letters(value: Any) -> None:
    """Refuse half of a surrogate pair, which could be read but never be written again."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Malformed("it has half of a letter, which cannot be written") from None
