"""What is wrong with one example, before it is counted and shown."""

from dataclasses import dataclass

from tuneops.diagnostics import Severity

Path = tuple[str | int, ...]
"""The way to a value inside an example: `("contents", 1, "role")`."""

_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault of one line. Problems of one `kind` are counted together.

    The place is a path into the example where it could be read, else a column, counted from 1.
    `help` says what to do about it.
    """

    kind: str
    message: str
    help: str
    path: Path = ()
    column: int = 1
    code: str = "dataset-line"
    severity: Severity = Severity.ERROR


def spell(path: Path) -> str:
    """Write a path as people do: `contents[1].role`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def shown(value: object) -> str:
    """A value in a message: short text as it is, anything else by its JSON kind."""
    match value:
        case str():
            cut = value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
            return f"`{cut}`"
        case None:
            return "null"
        case bool() | int() | float():
            return f"`{str(value).lower()[:_SHOWN]}`"
        case list():
            return "a list"
        case _:
            return "an object"
