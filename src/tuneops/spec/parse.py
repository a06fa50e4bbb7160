"""From text to nodes: YAML by parser events, so that nothing is built that nobody asked for.

Whatever the text, the outcome is documents and findings, never an exception.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from sys import intern

import yaml

from tuneops.core.recipe import camel
from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.spec.nodes import Entry, Mapping, Node, Scalar, Sequence, Span
from tuneops.spec.text import HIDDEN, SECRET, Source, SourceText, screen, secret

DEPTH_LIMIT = 32
SCALAR_LIMIT = 64 * 1024

_WORD = 64
"""Texts up to this length are kept once, however often they are written: keys, models, names."""

_LOADER = getattr(yaml, "CLoader", yaml.Loader)
_VALUES = (yaml.ScalarEvent, yaml.CollectionStartEvent)
_STRUCTS = ("additionalConfig", "metricSpecParameters", "otherMetadata", "parameters")
_FREE = frozenset(("labels", "variables", *_STRUCTS))
"""Mappings whose keys are the user's own, where `a_b` and `aB` differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One YAML document whose top level is a mapping."""

    source: Source
    root: Mapping
    refers: bool = True
    """Whether there may be anything to fill in."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """All documents that could be read, all findings; `whole` if nothing had to be left out."""

    documents: tuple[Document, ...]
    findings: tuple[Diagnostic, ...]
    whole: bool


def parse(texts: Iterable[SourceText]) -> Parsed:
    """Read every file; one that cannot be read hides no finding of another."""
    documents: list[Document] = []
    findings: list[Diagnostic] = []
    whole = True
    for given in texts:
        source = Source.of(given)
        refused = list(screen(source))
        if refused:
            findings += refused
            whole = False
            continue
        reader = _Reader(source)
        read = reader.documents()
        findings += reader.findings
        whole = whole and reader.whole
        documents += read
    return Parsed(tuple(documents), tuple(findings), whole)


class _Unreadable(Exception):
    """The rest of the file cannot be read; the finding is already noted."""


class _Reader:
    """Builds the nodes of one file from parser events, and notes what YAML alone shows."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.findings: list[Diagnostic] = []
        self.whole = True
        self._next: Callable[[], yaml.Event] = yaml.StreamEndEvent
        self._tainted = False
        self._refers = False

    def documents(self) -> list[Document]:
        """Every document of the file that is a mapping and free of what is refused."""
        found: list[Document] = []
        empty: list[Scalar] = []
        try:
            self._next = _LOADER(self.source.text).get_event
            while not isinstance(event := self._next(), yaml.StreamEndEvent):
                if not isinstance(event, yaml.DocumentStartEvent):
                    continue
                self._tainted = self._refers = False
                root = self._node(self._next(), 1)
                if isinstance(root, Mapping) and not self._tainted:
                    found.append(Document(self.source, root, self._refers))
                elif isinstance(root, Scalar) and root.is_null and not self._tainted:
                    empty.append(root)
                else:
                    self.whole = False
                    self._expect_mapping(root)
            if not found and self.whole:
                self._refuse("empty-file", "the file is empty", self.source.place(1, 1))
        except yaml.YAMLError as error:
            self._syntax(error)
        except (_Unreadable, ValueError, OverflowError):
            self.whole = False
        return found

    def _expect_mapping(self, root: Node) -> None:
        if not isinstance(root, Mapping):
            self._refuse(
                "wrong-type",
                "a spec is a mapping: `apiVersion: …`, `kind: …`, `metadata: …`, `spec: …`",
                root.span.where,
            )

    def _node(self, event: yaml.Event, depth: int, name: str = "") -> Node:
        """The node that begins with an event; `name` is its key, if it is the value of one.

        Called for every value of a large project: the usual is asked for first.
        """
        if depth > DEPTH_LIMIT:
            self._refuse("too-deep", f"nested deeper than {DEPTH_LIMIT}", self._place(event))
            raise _Unreadable
        if isinstance(event, yaml.AliasEvent):
            self._refuse_anchor(event)
            return Scalar(self._span(event), "", plain=True)
        assert isinstance(event, _VALUES), event
        if event.anchor is not None:
            self._refuse_anchor(event)
        if event.tag is not None:
            self._refuse_tag(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, depth, name)
        return self._sequence(event, depth)

    def _mapping(self, start: yaml.Event, depth: int, name: str) -> Mapping:
        entries: list[Entry] = []
        seen: dict[str, Scalar] = {}
        free = camel(name) in _FREE
        node, following, depth = self._node, self._next, depth + 1
        while not isinstance(event := following(), yaml.MappingEndEvent):
            key = node(event, depth)
            text = key.text if isinstance(key, Scalar) else ""
            value = node(following(), depth, text)
            if not isinstance(key, Scalar):
                message = "a key is plain text, not a mapping or a list"
                self._refuse("yaml-syntax", message, key.span.where)
            elif text == "<<" and key.plain:
                self._merge_key(key)
            else:
                first = seen.setdefault(text if free else camel(text), key)
                if first is key:
                    entries.append(Entry(key, value))
                else:
                    self._duplicate(key, first)
        return Mapping(self._span(start), tuple(entries))

    def _sequence(self, start: yaml.Event, depth: int) -> Sequence:
        items: list[Node] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return Sequence(self._span(start), tuple(items))

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        """One value. Only an escape can write what `screen` did not see in the file itself."""
        text: str = event.value
        style: str | None = event.style
        if len(text) <= _WORD:
            text = intern(text)
        if "${" in text:
            self._refers = True
        span = self._span(event)
        if len(text) > SCALAR_LIMIT:
            self._refuse("too-large", "a text longer than 64 KiB", span.where)
        elif style != '"':
            return Scalar(span, text, plain=not style)
        elif hidden := HIDDEN.search(text):
            message = f"control or invisible character U+{ord(hidden[0]):04X} written as an escape"
            self._refuse("hidden-character", message, span.where, help="remove it")
        elif SECRET.search(text):
            self.findings.append(secret(span.where))
            self._tainted, self.whole = True, False
        return Scalar(span, text, plain=not style)

    def _refuse_anchor(self, event: yaml.Event) -> None:
        self._refuse(
            "yaml-anchor",
            "anchors and aliases are not read in a spec",
            self._place(event),
            help="write the value out, or use `defaults:` in a chain",
        )

    def _refuse_tag(self, event: yaml.Event) -> None:
        self._refuse(
            "yaml-tag",
            "tags are not read in a spec",
            self._place(event),
            help="remove the word that begins with `!`; put a text that begins so in quotes",
        )

    def _merge_key(self, key: Scalar) -> None:
        self._refuse(
            "yaml-merge",
            "merge keys are not read in a spec",
            key.span.where,
            help="use `defaults:` in a chain",
        )

    def _duplicate(self, key: Scalar, first: Scalar) -> None:
        where = first.span.where
        also = "" if key.text == first.text else f" (as `{first.text}`)"
        note = f"first given{also} at {where.path}:{where.line}:{where.column}"
        self.findings.append(
            Diagnostic(
                code="duplicate-key",
                message=f"`{key.text}` is given twice",
                where=key.span.where,
                notes=(f"{note}; plain YAML would silently keep the last",),
            )
        )

    def _refuse(self, code: str, message: str, where: SourceRef, help: str | None = None) -> None:
        self._tainted = True
        self.whole = False
        self.findings.append(Diagnostic(code=code, message=message, where=where, help=help))

    def _place(self, event: yaml.Event) -> SourceRef:
        return self._span(event).where

    def _span(self, event: yaml.Event) -> Span:
        start, end = event.start_mark, event.end_mark
        assert start is not None and end is not None, event
        line, column = start.line, start.column
        length = end.column - column if end.line == line else 0
        if end.line != line and line < len(self.source.starts):
            length = len(self.source.line(line + 1).rstrip()) - column
        return Span(self.source, line + 1, column + 1, length if length > 0 else 1)

    def _syntax(self, error: yaml.YAMLError) -> None:
        problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
        marks = (getattr(error, name, None) for name in ("problem_mark", "context_mark"))
        mark = next((mark for mark in marks if mark is not None), None)
        line = min(mark.line, len(self.source.starts) - 1) if mark is not None else 0
        text = self.source.line(line + 1)
        column = min(mark.column, len(text)) if mark is not None else 0
        message, help = _explain(problem, text[:column], text[column:])
        where = self.source.place(line + 1, column + 1)
        self._refuse("yaml-syntax", message, where, help)


def _explain(problem: str, before: str, after: str) -> tuple[str, str | None]:
    """Say in the reader's terms what the parser stumbled over."""
    key = before.split(":", 1)[0].strip(" -")
    if "mapping values are not allowed" in problem and ": " in before:
        value = (before.split(": ", 1)[1] + after).strip().replace('"', "'")
        return (
            "`: ` inside an unquoted value",
            f'put the value in quotes: `{key}: "{value}"`' if len(value) <= 60 else None,
        )
    for known, message, help in _PROBLEMS:
        if known in problem:
            return message.replace("{c}", after[:1]), help
    return f"this is not YAML: {problem}", None


_PROBLEMS = (
    (
        "mapping values are not allowed",
        "this key is indented more than the one above it",
        "keys of one mapping begin in one column",
    ),
    (
        "cannot start any token",
        "`{c}` cannot begin an unquoted value",
        "put the value in quotes",
    ),
    (
        "could not find expected ':'",
        "a key without `: ` after it",
        "write `key: value`, with a space after the colon",
    ),
    (
        "did not find expected key",
        "this line fits no mapping above it",
        "keys of one mapping begin in one column; a text with `:` or `#` needs quotes",
    ),
    (
        "did not find expected '-' indicator",
        "this line fits no list above it",
        "items of one list begin in one column, each with `- `",
    ),
    ("expected ',' or ']'", "a list that begins with `[` has no end", "close it with `]`"),
    ("expected ',' or '}'", "a mapping that begins with `{` has no end", "close it with `}`"),
    (
        "did not find expected node content",
        "a value is missing here, or `[` or `{` has no end",
        None,
    ),
    ("unexpected end of stream", "a text in quotes has no end", "close the quotes"),
    ("escape", "this escape is not known in double quotes", "write `\\\\` for a backslash"),
    ("undefined alias", "anchors and aliases are not read in a spec", "write the value out"),
)
