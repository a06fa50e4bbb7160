"""Read JSON that must be exactly what we wrote: no key twice, no NaN, nothing too deep."""

import json
import re
from typing import Any, NoReturn

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class DamagedError(ValueError):
    """The text is not trustworthy JSON; the message says where and why."""


def loads(text: str) -> Any:
    """Decode JSON; DamagedError for what a lenient decoder would let pass."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
    except DamagedError:
        raise
    except json.JSONDecodeError as fault:
        raise DamagedError(f"line {fault.lineno}, column {fault.colno}: {fault.msg}") from fault
    except ValueError as fault:
        raise DamagedError("it has a number of thousands of digits") from fault
    except RecursionError as fault:
        raise DamagedError("it is nested too deeply") from fault
    if _SURROGATE.search(text):
        _refuse_half_letters(value)
    return value


def _refuse_half_letters(value: Any) -> None:
    """Refuse half of a surrogate pair, which could be read but never be written again."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as fault:
        raise DamagedError("it has half of a letter, which cannot be written") from fault


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise DamagedError(f"the key `{key}` is there twice")
        found[key] = value
    return found


def _constant(name: str) -> NoReturn:
    raise DamagedError(f"`{name}` is not a number")
