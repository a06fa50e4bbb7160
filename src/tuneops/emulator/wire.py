"""Proto JSON, in: text to a canonical message, or the list of what is wrong with it.

Both spellings of a field are accepted, int64 may be a number or a string, `null` is absence, and
fields with their default value are dropped, so that what is kept is what the service would echo:
lowerCamelCase, int64 as text, enums by name, doubles without a needless `.0`.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tuneops.emulator.errors import VertexError, malformed
from tuneops.emulator.schema import ENUMS, ONEOFS, fields

_INTEGER = re.compile(r"-?[0-9]+")
_PACKAGE = "type.googleapis.com/google.cloud.aiplatform"


class _Repeated(dict[str, Any]):
    """A JSON object that remembers which of its keys came more than once."""

    repeated: tuple[str, ...] = ()


def snake(name: str) -> str:
    """Return the proto spelling of a JSON field name."""
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = _Repeated(pairs)
    if len(result) < len(pairs):
        counted = Counter(key for key, _ in pairs)
        result.repeated = tuple(key for key in result if counted[key] > 1)
    return result


def _not_a_number(text: str) -> NoReturn:
    raise ValueError(f"Unexpected token: {text}")


def parse(body: bytes) -> Any:
    """Return the JSON value of a body, strictly; an empty body is an empty message."""
    if not body.strip():
        return {}
    try:
        return json.loads(
            body.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_not_a_number
        )
    except (ValueError, RecursionError) as error:
        raise malformed([("", f"Invalid JSON payload received. {error}")]) from None


def decode(body: bytes, *, message: str, root: str, version: str) -> dict[str, Any]:
    """Return the canonical form of a body, or refuse it with every fault that it has."""
    reader = _Reader(version=version)
    result = reader.message(parse(body), message, root)
    if reader.faults:
        raise malformed(reader.faults)
    if reader.elsewhere:
        listed = ", ".join(reader.elsewhere)
        raise VertexError("UNIMPLEMENTED", f"This emulator does not serve: {listed}.")
    return result


@dataclass(slots=True, kw_only=True)
class _Reader:
    version: str
    faults: list[tuple[str, str]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def message(self, value: Any, message: str, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._misfit(path, f"{_PACKAGE}.{self.version}.{message}", value)
            return {}
        known = fields(message, self.version)
        spellings = {snake(name): name for name in known} | {name: name for name in known}
        result: dict[str, Any] = {}
        twice = getattr(value, "repeated", ())
        given: set[str] = set()
        for key, content in value.items():
            name = spellings.get(key)
            if name is None:
                self._fault(path, f'Unknown name "{key}"{_at(path)}: Cannot find field.')
                continue
            if name in given or key in twice:
                self._fault(path, f'Field "{key}" occurs more than once{_at(path)}.')
            given.add(name)
            self._keep(result, name, content, known[name], path)
        self._check_oneofs(result, message, path)
        return {name: result[name] for name in known if name in result}

    def _keep(self, result: dict[str, Any], name: str, content: Any, kind: str, path: str) -> None:
        inner = f"{path}.{snake(name)}" if path else snake(name)
        if content is None or kind == "output":
            return
        if kind == "elsewhere":
            self.elsewhere.append(inner)
            return
        converted = self._value(content, kind, inner)
        if kind.startswith("message ") or not _is_default(converted, kind):
            result[name] = converted

    def _value(self, value: Any, kind: str, path: str) -> Any:
        word, _, rest = kind.partition(" ")
        match word:
            case "repeated":
                if not isinstance(value, list):
                    return self._misfit(path, "a list", value)
                return [self._value(item, rest, f"{path}[{at}]") for at, item in enumerate(value)]
            case "message":
                return self.message(value, rest, path)
            case "enum":
                return self._enum(value, rest, path)
        return self._scalar(value, word, path)

    def _scalar(self, value: Any, kind: str, path: str) -> Any:
        converted = _SCALARS[kind](value)
        if converted is None:
            self._misfit(path, f"TYPE_{kind.upper()}", value)
        return converted

    def _enum(self, value: Any, enum: str, path: str) -> str | None:
        unset, numbers = ENUMS[enum]
        if value == unset or (value == 0 and not isinstance(value, bool)):
            return None
        if isinstance(value, str) and value in numbers:
            return value
        for name, number in numbers.items():
            if not isinstance(value, bool) and value in (number, str(number)):
                return name
        self._misfit(path, f"{_PACKAGE}.{self.version}.{enum}", value)
        return None

    def _check_oneofs(self, result: Mapping[str, Any], message: str, path: str) -> None:
        for oneof, members in ONEOFS.get(message, {}).items():
            present = [member for member in members if member in result]
            if len(present) > 1:
                problem = (
                    f"Invalid value{_at(path)} (oneof), oneof field '{oneof}' is already set."
                    f" Cannot set '{present[1]}'"
                )
                self.faults.append((path, problem))

    def _fault(self, path: str, problem: str) -> None:
        self.faults.append((path, f"Invalid JSON payload received. {problem}"))

    def _misfit(self, path: str, kind: str, value: Any) -> None:
        shown = json.dumps(value)
        self.faults.append((path, f"Invalid value{_at(path)} ({kind}), {shown[:200]}"))


def _is_default(value: Any, kind: str) -> bool:
    return not value or (kind == "int64" and value == "0")


def _at(path: str) -> str:
    return f" at '{path}'" if path else ""


def _integer(value: Any, bits: int) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and len(value) <= 40 and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        return value
    return None


def _int64(value: Any) -> str | None:
    number = _integer(value, 64)
    return None if number is None else str(number)


def double(value: Any) -> float | int | None:
    """Return a finite number as proto JSON prints it, from a number or text; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _strings(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    if not all(isinstance(item, str) for item in value.values()):
        return None
    return dict(value)


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "string": lambda value: value if isinstance(value, str) else None,
    "bool": lambda value: value if isinstance(value, bool) else None,
    "int64": _int64,
    "int32": lambda value: _integer(value, 32),
    "double": double,
    "map": _strings,
    "object": lambda value: dict(value) if isinstance(value, dict) else None,
}
