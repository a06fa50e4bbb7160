"""Read JSON that must be exactly what we wrote: no key twice, no NaN, nothing too deep."""

import json
from typing import Any, NoReturn


class DamagedError(ValueError):
    """The text is not trustworthy JSON; the message says where and why."""


def loads(text: str) -> Any:
    """Decode JSON; DamagedError for what a lenient decoder would let pass."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
    except json.JSONDecodeError as fault:
        raise DamagedError(f"line {fault.lineno}, column {fault.colno}: {fault.msg}") from fault
    except RecursionError as fault:
        raise DamagedError("it is nested too deeply") from fault


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise DamagedError(f"the key `{key}` is there twice")
        found[key] = value
    return found


def _constant(name: str) -> NoReturn:
    raise DamagedError(f"`{name}` is not a number")
