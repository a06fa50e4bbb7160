"""List filters by the grammar of AIP-160, over the fields that a method documents.

`OR` binds tighter than `AND`, two terms side by side are a conjunction, `field:*` is presence.
Anything else is refused with 400, never ignored.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuneops.emulator import clock
from tuneops.emulator.errors import VertexError, invalid
from tuneops.emulator.wire import snake

Lookup = Callable[[str], Any]
Predicate = Callable[[Lookup], bool]

TEXT = "text"
EQUAL_ONLY = "equal only"
TIME = "time"
LABELS = "labels"
_DEPTH = 50

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<comparator><=|>=|!=|=|<|>|:)
      | (?P<mark>[().-])
      | (?P<word>[^\s"'()<>=!:.-][^\s"'()<>=!:.]*)
    )""",
    re.VERBOSE,
)
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldKind:
    """How a field may be compared; `values` closes an enum, `reads` is the name looked up."""

    kind: str
    reads: str
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    text: str
    spaced: bool


def parse_filter(text: str, fields: Mapping[str, FieldKind]) -> Predicate | None:
    """Return the predicate of a filter, None for an empty one; fields go by snake_case names."""
    tokens = _tokens(text)
    if not tokens:
        return None
    parser = _Parser(text, tokens, fields)
    predicate = parser.expression(0)
    if parser.peek() is not None:
        raise parser.refusal()
    return predicate


def _tokens(text: str) -> list[_Token]:
    tokens = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise invalid(f"Invalid list filter: {text[:200]}")
        kind = match.lastgroup or ""
        content = match[kind]
        if kind == "string":
            content = re.sub(r"\\(.)", r"\1", content[1:-1])
        tokens.append(_Token(kind=kind, text=content, spaced=match.start(kind) > at))
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, text: str, tokens: list[_Token], fields: Mapping[str, FieldKind]) -> None:
        self._text = text
        self._tokens = tokens
        self._fields = fields
        self._at = 0

    def refusal(self, reason: str = "") -> VertexError:
        return invalid(f"Invalid list filter: {self._text[:200]}{reason and f' ({reason})'}")

    def peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> _Token:
        token = self.peek()
        if token is None:
            raise self.refusal("it ends too early")
        self._at += 1
        return token

    def _accept(self, kind: str, text: str) -> bool:
        token = self.peek()
        if token is None or token.kind != kind or token.text != text:
            return False
        self._at += 1
        return True

    def expression(self, depth: int) -> Predicate:
        if depth > _DEPTH:
            raise self.refusal("it is nested too deeply")
        parts = [self._alternatives(depth)]
        while (token := self.peek()) is not None and (token.kind, token.text) != ("mark", ")"):
            self._accept("word", "AND")
            parts.append(self._alternatives(depth))
        return lambda lookup: all(part(lookup) for part in parts)

    def _alternatives(self, depth: int) -> Predicate:
        parts = [self._term(depth)]
        while self._accept("word", "OR"):
            parts.append(self._term(depth))
        return lambda lookup: any(part(lookup) for part in parts)

    def _term(self, depth: int) -> Predicate:
        if self._accept("word", "NOT") or self._accept("mark", "-"):
            inner = self._simple(depth)
            return lambda lookup: not inner(lookup)
        return self._simple(depth)

    def _simple(self, depth: int) -> Predicate:
        if self._accept("mark", "("):
            inner = self.expression(depth + 1)
            if not self._accept("mark", ")"):
                raise self.refusal("a parenthesis is not closed")
            return inner
        return self._restriction()

    def _restriction(self) -> Predicate:
        path = self._path()
        comparator = self._take()
        if comparator.kind != "comparator":
            raise self.refusal("a comparison was expected")
        field = self._fields.get(snake(path[0]))
        if field is None or (len(path) > 1 and field.kind != LABELS):
            raise self.refusal(f"unknown field {'.'.join(path)}")
        if field.kind == LABELS:
            return self._labels(path[1:], comparator.text, field)
        return self._comparison(field, comparator.text)

    def _path(self) -> list[str]:
        path = [self._name()]
        while self._accept("mark", "."):
            path.append(self._name())
        return path

    def _name(self) -> str:
        token = self._take()
        if token.kind not in ("word", "string") or token.text in ("AND", "OR", "NOT"):
            raise self.refusal()
        return token.text

    def _value(self) -> str:
        """Take a value; unquoted, it may hold dots and begin with a minus."""
        token = self._take()
        if token.kind == "string":
            return token.text
        text = token.text
        if token.kind == "comparator" or text in "().":
            raise self.refusal("a value was expected")
        while (following := self.peek()) is not None and not following.spaced:
            if following.text != "." and text[-1] not in ".-":
                break
            text += self._take().text
        return text

    def _labels(self, key: list[str], comparator: str, field: FieldKind) -> Predicate:
        if not key:
            if comparator != ":":
                raise self.refusal("labels need a key")
            wanted = self._value()
            return lambda lookup: wanted in lookup(field.reads)
        name = ".".join(key)
        if comparator not in ("=", "!=", ":"):
            raise self.refusal(f"labels cannot be compared with {comparator}")
        wanted = self._value()
        if comparator == ":" and wanted == "*":
            return lambda lookup: name in lookup(field.reads)
        if comparator == "!=":
            return lambda lookup: lookup(field.reads).get(name) != wanted
        return lambda lookup: lookup(field.reads).get(name) == wanted

    def _comparison(self, field: FieldKind, comparator: str) -> Predicate:
        wanted = self._time_value() if field.kind == TIME else self._value()
        if comparator == ":" and wanted == "*":
            return lambda lookup: bool(lookup(field.reads))
        if comparator == ":":
            comparator = "="
        allowed = {TEXT: ("=", "!="), EQUAL_ONLY: ("=",), TIME: tuple(_ORDERS)}[field.kind]
        if comparator not in allowed:
            raise self.refusal(f"this field cannot be compared with {comparator}")
        if field.values and wanted not in field.values:
            raise self.refusal(f"unknown value {wanted}")
        compare = _ORDERS[comparator]
        if field.kind == TIME:
            return self._time_comparison(field, compare, wanted)
        return lambda lookup: compare(lookup(field.reads) or "", wanted)

    def _time_value(self) -> str:
        """Take a timestamp, whose colons need no quotes."""
        text = self._value()
        while (token := self.peek()) is not None and not token.spaced and token.text in ":.-":
            text += self._take().text
            text += self._value()
        return text

    def _time_comparison(
        self, field: FieldKind, compare: Callable[[Any, Any], bool], wanted: str
    ) -> Predicate:
        try:
            limit = clock.micros(datetime.fromisoformat(wanted))
        except ValueError:
            raise self.refusal(f"{wanted} is not a timestamp") from None
        return lambda lookup: (value := lookup(field.reads)) is not None and compare(value, limit)
