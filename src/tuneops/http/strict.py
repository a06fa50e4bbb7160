"""JSON as it must be before we believe it.

The standard decoder keeps the last of two equal keys and lets NaN and lone surrogates pass; an
answer that has been damaged or tampered with must not look like an answer.
"""

import json
import re
from typing import NoReturn

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Malformed(ValueError):
    """The bytes are not one JSON value that all readers would understand alike."""


def decode(body: bytes) -> object:
    """Read one JSON value, or Malformed: no repeated keys, NaN, lone surrogates or abysses."""
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant
        )
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise Malformed("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON at character {error.pos}") from None
    except ValueError as error:
        raise Malformed(str(error)[:200]) from None
    if _SURROGATE.search(body):
        _refuse_surrogates(value)
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Malformed("a key is repeated in one object")
    return value


def _constant(word: str) -> NoReturn:
    raise Malformed(f"{word} is not a JSON number")


def _refuse_surrogates(value: object) -> None:
    left = [value]
    while left:
        match left.pop():
            case str() as text:
                if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
                    raise Malformed("half of a surrogate pair is not a character")
            case list() as items:
                left.extend(items)
            case dict() as fields:
                left.extend(fields.keys())
                left.extend(fields.values())
