"""Reading a value as what its field wants: the field decides, never the look of the value.

Only `true`, `false`, `null` and JSON-like numbers are anything but text, as in YAML 1.2's core
schema. What older YAML readers take for a number (`010`, `1_000`, `1:30`, `0x1F`) is text, and is
refused where a number is wanted.
"""

import re
from collections.abc import Container
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import Literal

from tuneops.core.recipe import AtEpoch, AtStep, Best, CheckpointRule, WithId, camel
from tuneops.spec.near import near
from tuneops.spec.nodes import Mapping, Node, Scalar, Sequence, is_null

API_VERSION = "tuneops.dev/v1"

NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,4})?")
"""JSON's numbers, and `.5`, `5.` and `+5` besides."""

_AMBIGUOUS = re.compile(
    r"[-+]?(0[0-9_]+(\.[0-9_]*)?|[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?|0x[0-9A-Fa-f_]+|0o[0-7]+|0b[01_]+"
    r"|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9]*)?)"
)
_ENDLESS = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_FLAGS = {word: value for value in (True, False) for word in (f"{value}", f"{value}".lower())}
_FLAGS |= {"TRUE": True, "FALSE": False}
_OLD_FLAGS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_LONGEST = 40
_SHOWN = 80
_UNKNOWN = 100
"""How many keys that are no fields are looked at: the file is refused for the first."""

ADAPTER_SIZES = {
    "ADAPTER_SIZE_ONE": 1,
    "ADAPTER_SIZE_TWO": 2,
    "ADAPTER_SIZE_FOUR": 4,
    "ADAPTER_SIZE_EIGHT": 8,
    "ADAPTER_SIZE_SIXTEEN": 16,
    "ADAPTER_SIZE_THIRTY_TWO": 32,
}


class Misfit(ValueError):
    """A value that its field cannot hold. `says` follows the field's name in the message.

    `node` is the place, where it is more exact than the field itself.
    """

    def __init__(
        self, code: str, says: str, *, help: str | None = None, node: Node | None = None
    ) -> None:
        super().__init__(says)
        self.code = code
        self.says = says
        self.help = help
        self.node = node


def shown(node: object) -> str:
    """A value as a message shows it: texts in quotes, long ones cut."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar() if node.is_null:
            return "nothing"
        case Scalar(text=text):
            cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
            return cut if node.plain and _is_number(text) else f'"{cut}"'
        case _:
            return "that"


def scalar(node: object, wanted: str) -> Scalar:
    """The node itself, if it is one value."""
    if not isinstance(node, Scalar):
        raise Misfit("wrong-type", f"must be {wanted}, not {shown(node)}")
    return node


def text(node: object) -> str:
    """Read text; a bare number or yes/no value is refused, since other readers would change it."""
    value = scalar(node, "text")
    if value.plain and (_is_number(value.text) or value.text in _FLAGS):
        kind = "a yes/no value" if value.text in _FLAGS else "a number"
        raise Misfit(
            "wrong-type",
            f"must be text, and an unquoted {value.text[:_LONGEST]} is {kind}",
            help=f'quote it: "{value.text[:_LONGEST]}"',
        )
    return value.text


def flag(node: object) -> bool:
    """Read `true` or `false`."""
    value = scalar(node, "true or false")
    if value.text in _FLAGS:
        return _FLAGS[value.text]
    meant = _OLD_FLAGS.get(value.text.lower())
    raise Misfit(
        "wrong-type",
        f"must be true or false, and {shown(value)} is text here",
        help=f"write {meant}" if meant else None,
    )


def whole(node: object, low: int, high: int, help: str | None = None) -> int:
    """Read a whole number within limits; `"3"` and `3.0` are 3."""
    wanted = f"a whole number from {low} to {high}"
    number = _number(node, wanted, help)
    if number != number.to_integral_value() or not low <= number <= high:
        raise Misfit("bad-value", f"must be {wanted}, not {shown(node)}", help=help)
    return int(number)


def positive(node: object, help: str | None = None) -> Decimal:
    """Read a number above zero. The outer limits are ours: they only keep numbers writable."""
    wanted = "a number above 0"
    number = _number(node, wanted, help)
    if not Decimal("1e-9") <= number <= Decimal("1e9"):
        raise Misfit("bad-value", f"must be {wanted}, not {shown(node)}", help=help)
    return number


def number(node: object, low: float, high: float) -> float:
    """Read a number within limits, as JSON has it."""
    wanted = f"a number from {low:g} to {high:g}"
    value = _number(node, wanted, None)
    if not low <= value <= high:
        raise Misfit("bad-value", f"must be {wanted}, not {shown(node)}")
    return float(value)


def adapter_size(node: object) -> int:
    """Read `4`, `"4"` or `ADAPTER_SIZE_FOUR`."""
    value = scalar(node, "an adapter size")
    if value.text in ADAPTER_SIZES:
        return ADAPTER_SIZES[value.text]
    sizes = tuple(ADAPTER_SIZES.values())
    wanted = f"one of {', '.join(map(str, sizes))}"
    close = near(value.text, ADAPTER_SIZES) if value.text.startswith("ADAPTER") else None
    number = _number(value, wanted, f"did you mean `{close}`?" if close else None)
    if number not in sizes:
        raise Misfit("bad-value", f"must be {wanted}, not {shown(value)}")
    return int(number)


def word(node: object, words: tuple[str, ...]) -> str:
    """Read one of a few words."""
    value = scalar(node, f"one of {', '.join(f'`{word}`' for word in words)}")
    if value.text not in words:
        close = near(value.text, words)
        choices = " or ".join(f"`{word}`" for word in words)
        raise Misfit(
            "bad-value",
            f"must be {choices}, not {shown(value)}",
            help=f"did you mean `{close}`?" if close else None,
        )
    return value.text


def version(node: object) -> str:
    """Read the version of the format."""
    value = scalar(node, "a version")
    if value.text != API_VERSION:
        raise Misfit(
            "unknown-version",
            f"{shown(value)} is not known to this tuneops",
            help=f"it reads `{API_VERSION}`",
        )
    return value.text


def matching(node: object, pattern: re.Pattern[str], wanted: str, help: str | None = None) -> str:
    """Read text of one form."""
    value = text(node)
    if not pattern.fullmatch(value):
        raise Misfit("bad-value", f"must be {wanted}, not {shown(node)}", help=help)
    return value


def checkpoint(node: object) -> CheckpointRule:
    """Read which checkpoint of the parent to start from."""
    wanted = '`last`, `default`, `{epoch: 2}`, `{step: 400}`, `{id: "3"}` or `{best: metric}`'
    if isinstance(node, Scalar) and node.text in ("last", "default"):
        return "last" if node.text == "last" else "default"
    if not isinstance(node, Mapping):
        raise Misfit("bad-value", f"must be {wanted}, not {shown(node)}")
    if node.entry("best") is not None:
        return _best(node)
    if len(node.entries) != 1 or node.entries[0].key.text not in _RULES:
        raise Misfit("bad-value", f"must be {wanted}")
    entry = node.entries[0]
    return _RULES[entry.key.text](entry.value)


def _at_epoch(node: Node) -> CheckpointRule:
    return AtEpoch(epoch=_inside(node, "epoch"))


def _at_step(node: Node) -> CheckpointRule:
    return AtStep(step=_inside(node, "step"))


def _with_id(node: Node) -> CheckpointRule:
    try:
        return WithId(id=matching(node, re.compile(r"[0-9A-Za-z_-]{1,64}"), "a checkpoint id"))
    except Misfit as misfit:
        raise Misfit(misfit.code, f"by `id` {misfit.says}", help=misfit.help, node=node) from None


METRIC = re.compile(r"[A-Za-z][A-Za-z0-9_]*(/[A-Z0-9_]+)?")


def metric(node: object) -> str:
    """Read the name of a metric; the `/` in front, as Google's pages write it, is left out."""
    found = scalar(node, "the name of a metric")
    name = found.text.removeprefix("/")
    if not METRIC.fullmatch(name):
        raise Misfit("bad-value", f"must be the name of a metric, not {shown(found)}")
    return name


def bound(node: object) -> Decimal | Literal["promoted"]:
    """Read a limit: a number, or `promoted` for what the promoted version has."""
    if isinstance(node, Scalar) and node.text == "promoted":
        return "promoted"
    return _number(node, "a number or `promoted`", None)


def _best(node: Mapping) -> CheckpointRule:
    """The best by a metric: the lowest loss; of any other metric it must be said what is best."""
    for entry in node.entries:
        if entry.key.text not in ("best", "goal"):
            raise Misfit("bad-value", "by `best` has one more key: `goal`", node=entry.key)
    given = node.get("best")
    try:
        name = metric(given)
    except Misfit as misfit:
        raise Misfit(misfit.code, f"by `best` {misfit.says}", node=given) from None
    wish = node.get("goal")
    if wish is None and not name.endswith("loss"):
        raise Misfit(
            "missing-goal",
            f"by the best `{name}` does not say whether high or low is good",
            help=f"write `{{best: {name}, goal: highest}}`, or `goal: lowest`",
            node=given,
        )
    if wish is not None and (not isinstance(wish, Scalar) or wish.text not in _GOALS):
        raise Misfit(
            "bad-value", f"by `goal` must be highest or lowest, not {shown(wish)}", node=wish
        )
    highest = isinstance(wish, Scalar) and wish.text == "highest"
    return Best(best=name, goal="highest" if highest else None)


_GOALS = ("highest", "lowest")


def _inside(node: Node, name: str) -> int:
    try:
        return whole(node, 1, 10**9)
    except Misfit as misfit:
        raise Misfit(
            misfit.code, f"by `{name}` {misfit.says}", help=misfit.help, node=node
        ) from None


_RULES = {"epoch": _at_epoch, "step": _at_step, "id": _with_id}


def items(node: object) -> tuple[Node, ...]:
    """The items of a list."""
    if not isinstance(node, Sequence):
        raise Misfit("wrong-type", f"must be a list, not {shown(node)}")
    return node.items


def table(node: object) -> dict[str, Node]:
    """The values of a mapping whose keys are the user's own; nulls are left out."""
    if not isinstance(node, Mapping):
        raise Misfit("wrong-type", f"must be a mapping, not {shown(node)}")
    return {entry.key.text: entry.value for entry in node.entries if not is_null(entry.value)}


def struct(node: object) -> dict[str, object]:
    """Read a mapping whose keys and values are not ours to judge, as JSON."""
    if not isinstance(node, Mapping):
        raise Misfit("wrong-type", f"must be a mapping, not {shown(node)}")
    return {entry.key.text: plain(entry.value) for entry in node.entries}


def plain(node: object) -> object:
    """Read a value as JSON: bare numbers, `true`, `false` and `null` are that, the rest is text."""
    match node:
        case Mapping():
            return struct(node)
        case Sequence():
            return tuple(plain(item) for item in node.items)
        case Scalar(plain=True) if node.is_null:
            return None
        case Scalar(plain=True, text=text) if text in _FLAGS:
            return _FLAGS[text]
        case Scalar(plain=True, text=text) if _is_number(text) or _AMBIGUOUS.fullmatch(text):
            return _json_number(node)
        case Scalar(text=text) if "${" in text:
            raise Misfit("bad-variable", "has a variable where none is filled in", node=node)
        case Scalar(text=text):
            return text
        case _:
            raise Misfit("wrong-type", f"must be a JSON value, not {shown(node)}")


def _json_number(node: Scalar) -> int | float:
    try:
        value = _number(node, "a number or a text in quotes", None)
    except Misfit as misfit:
        raise Misfit(misfit.code, misfit.says, help=misfit.help, node=node) from None
    if re.fullmatch(r"[-+]?[0-9]+", node.text):
        return int(value)
    if isinf(float(value)):
        raise Misfit("bad-value", f"must hold numbers that JSON can, not {node.text}", node=node)
    return float(value)


def fields(node: object, names: Container[str]) -> dict[str, Node]:
    """The values of a mapping whose keys are ours, in canonical spelling; nulls are left out."""
    if not isinstance(node, Mapping):
        raise Misfit("wrong-type", f"must be a mapping, not {shown(node)}")
    found: dict[str, Node] = {}
    unknown = 0
    for entry in node.entries:
        key = entry.key.text
        name = key if key in names or "_" not in key else camel(key)
        if name not in names:
            unknown += 1
            if unknown <= _UNKNOWN:
                found[key] = entry.value
        elif not is_null(entry.value):
            found[name] = entry.value
    return found


def _is_number(text: str) -> bool:
    return bool(NUMBER.fullmatch(text))


def _number(node: object, wanted: str, help: str | None) -> Decimal:
    value = scalar(node, wanted)
    text = value.text
    if _AMBIGUOUS.fullmatch(text):
        raise Misfit(
            "ambiguous-number",
            f"must be {wanted}, and {text[:_LONGEST]} is read differently by different tools",
            help=f"write {_unambiguous(text[:_LONGEST])}",
        )
    if _ENDLESS.fullmatch(text):
        raise Misfit("bad-value", f"must be {wanted}; {text} is not a finite number", help=help)
    if not _is_number(text):
        raise Misfit("bad-value", f"must be {wanted}, not {shown(value)}", help=help)
    if len(text) > _LONGEST:
        raise Misfit("bad-value", f"must be {wanted}; this number is too long", help=help)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Misfit("bad-value", f"must be {wanted}, not {shown(value)}", help=help) from None


def _unambiguous(text: str) -> str:
    bare = text.replace("_", "").lower()
    sign = "-" if bare.startswith("-") else ""
    digits = bare.lstrip("+-")
    for prefix, base in (("0x", 16), ("0o", 8), ("0b", 2)):
        if digits.startswith(prefix) and digits[2:]:
            return f"{sign}{int(digits[2:], base)}"
    if ":" in digits:
        return "one number, without `:`"
    bare = digits.lstrip("0")
    return f"{sign}{bare if bare[:1].isdigit() else '0' + bare}"
