"""What YAML says, with the place of everything: scalars, mappings and sequences that never change.

Nobody sets a field of one. They are not frozen because a large project has hundreds of thousands,
and to make a frozen one takes half as long again.

Keys are found under the service's own spelling, whether they are written camelCase or snake_case.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from tuneops.core.recipe import camel
from tuneops.diagnostics import SourceRef
from tuneops.spec.text import Source

Step = str | int
"""One step of a path into a document: a key in its canonical spelling, or an index."""

Path = tuple[Step, ...]

_ONE_VALUE = frozenset(("checkpoint",))
"""Mappings that are one value: laid over another, they replace it."""

_FEW = 8
"""Up to so many keys are looked through: an index takes more memory than they do, and a large
project has a mapping of few keys for each of its jobs."""

_STAYS: dict[Step, Any] = {}
_NULL = frozenset(("", "~", "null", "Null", "NULL"))


@dataclass(slots=True, eq=False)
class Span:
    """Where a node stands in its file."""

    source: Source
    line: int
    column: int
    length: int

    @property
    def where(self) -> SourceRef:
        """The place, with the text of its line."""
        return self.source.place(self.line, self.column, self.length)


@dataclass(slots=True, eq=False)
class Scalar:
    """One value; `plain` when it is written without quotes."""

    span: Span
    text: str
    plain: bool

    @property
    def is_null(self) -> bool:
        """Say whether the value is left empty, or written as `null`."""
        return self.plain and self.text in _NULL


@dataclass(slots=True, eq=False)
class Entry:
    """One key of a mapping with its value."""

    key: Scalar
    value: "Node"


@dataclass(slots=True, eq=False)
class Mapping:
    """Keys and values in the order of the file; no key comes twice."""

    span: Span
    entries: tuple[Entry, ...]
    _index: dict[str, Entry] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if len(self.entries) > _FEW:
            index = {entry.key.text: entry for entry in self.entries}
            for entry in self.entries:
                if "_" in entry.key.text:
                    index.setdefault(camel(entry.key.text), entry)
            self._index = index

    def entry(self, name: str) -> Entry | None:
        """The entry of this key, in either spelling."""
        if self._index is not None:
            return self._index.get(name)
        for entry in self.entries:
            if entry.key.text == name:
                return entry
        for entry in self.entries:
            if "_" in entry.key.text and camel(entry.key.text) == name:
                return entry
        return None

    def get(self, name: str) -> "Node | None":
        """The value of this key; None if it is absent or null."""
        entry = self.entry(name)
        return entry.value if entry and not is_null(entry.value) else None

    def only(self, names: Container[str]) -> "Mapping":
        """The same mapping with these keys alone; itself, if it has no others."""
        kept = tuple(entry for entry in self.entries if camel(entry.key.text) in names)
        return self if len(kept) == len(self.entries) else Mapping(self.span, kept)


@dataclass(slots=True, eq=False)
class Sequence:
    """The items of a list."""

    span: Span
    items: tuple["Node", ...]


Node = Scalar | Mapping | Sequence


def is_null(node: Node) -> bool:
    """Say whether a value unsets what it stands for."""
    return isinstance(node, Scalar) and node.is_null


def child(node: Node, step: Step) -> Node | None:
    """The node one step down."""
    if isinstance(node, Mapping) and isinstance(step, str):
        entry = node.entry(step)
        return entry.value if entry else None
    if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    return None


def find(root: Node, path: Path) -> Node | None:
    """The node at the end of a path, or None."""
    node: Node | None = root
    for step in path:
        node = child(node, step) if node is not None else None
    return node


def value_place(root: Node, path: Path) -> SourceRef:
    """The place of a value; if it is not there, of the key that it ought to stand under."""
    node = find(root, path)
    return node.span.where if node is not None else key_place(root, path[:-1])


def key_place(root: Node, path: Path) -> SourceRef:
    """The place of the last key of a path; of the nearest one above it that there is."""
    for end in range(len(path), 0, -1):
        above, step = find(root, path[: end - 1]), path[end - 1]
        if isinstance(above, Mapping) and isinstance(step, str) and (got := above.entry(step)):
            return got.key.span.where
        if isinstance(above, Sequence) and (item := child(above, step)) is not None:
            return item.span.where
    return root.span.where


def without(root: Node, paths: Iterable[Path]) -> Node:
    """The same tree with the nodes at the ends of these paths left out."""
    forest: dict[Step, Any] = {}
    for path in sorted(paths, key=len):
        branch: dict[Step, Any] | None = forest
        for step in path[:-1]:
            branch = branch.setdefault(step, {}) if branch is not None else None
        if branch is not None:
            branch[path[-1]] = None
    return _pruned(root, forest)


def _pruned(node: Node, forest: dict[Step, Any]) -> Node:
    """Leave out what `forest` maps to None; descend where it maps to more."""
    if isinstance(node, Mapping):
        cut = {id(node.entry(str(step))): branch for step, branch in forest.items()}
        kept = ((entry, cut.get(id(entry), _STAYS)) for entry in node.entries)
        return Mapping(
            node.span,
            tuple(
                entry if branch is _STAYS else Entry(entry.key, _pruned(entry.value, branch))
                for entry, branch in kept
                if branch is not None
            ),
        )
    if isinstance(node, Sequence):
        left = ((item, forest.get(index, _STAYS)) for index, item in enumerate(node.items))
        return Sequence(
            node.span,
            tuple(
                item if branch is _STAYS else _pruned(item, branch)
                for item, branch in left
                if branch is not None
            ),
        )
    return node


def merged(base: Mapping, over: Mapping) -> Mapping:
    """Lay one mapping over another, level by level; a null above takes away what is below."""
    if not base.entries:
        return over
    entries: list[Entry] = []
    used: set[int] = set()
    for below in base.entries:
        key = below.key.text
        above = over.entry(key) or (over.entry(camel(key)) if "_" in key else None)
        if above is None:
            entries.append(below)
            continue
        used.add(id(above))
        entries.append(_laid(below, above))
    entries += (entry for entry in over.entries if id(entry) not in used)
    return Mapping(over.span, tuple(entries))


def _laid(below: Entry, above: Entry) -> Entry:
    if above.key.text in _ONE_VALUE:
        return above
    if isinstance(below.value, Mapping) and isinstance(above.value, Mapping):
        return Entry(above.key, merged(below.value, above.value))
    return above
