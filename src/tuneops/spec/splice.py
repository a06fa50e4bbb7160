"""Write the pin of a promotion into the text of a spec, and nothing else: comments stay.

Only simple places are written to. What was written is read again; if it says anything but what was
meant, nothing is given back, and a person does it.
"""

from typing import Any

from tuneops.spec.nodes import Mapping, Node, Scalar, Sequence, find
from tuneops.spec.parse import Document, parse
from tuneops.spec.text import SourceText

_TO = ("spec", "promotion", "to")


def pinned(text: SourceText, name: str, environment: str, version: str | None) -> str | None:
    """The text with this promotion pinned to a version in an environment; None takes the pin out.

    None when the text has no such promotion, or cannot be written to safely.
    """
    document = _document(text, name)
    promotion = find(document.root, _TO[:-1]) if document else None
    if document is None or not isinstance(promotion, Mapping) or not promotion.entries:
        return None
    to = promotion.get("to")
    if version is None:
        new = _without(text.text, promotion, environment)
    elif isinstance(to, Mapping) and to.entries:
        new = _set(text.text, to, environment, version)
    elif to is None and promotion.entry("to") is None:
        new = _before(text.text, promotion, f"to: {{{environment}: {version}}}")
    else:
        new = None
    return new if new is not None and _says(text, new, name, environment, version) else None


def _document(text: SourceText, name: str) -> Document | None:
    for document in parse((text,)).documents:
        found = find(document.root, ("metadata", "name"))
        if isinstance(found, Scalar) and found.text == name:
            return document
    return None


def _set(text: str, to: Mapping, environment: str, version: str) -> str | None:
    entry = to.entry(environment)
    if entry is None:
        return _before(text, to, f"{environment}: {version}")
    span = entry.value.span
    return _replaced(text, span.line, span.column, span.length, version)


def _before(text: str, mapping: Mapping, words: str) -> str:
    """Put an entry in front of the first one of a mapping, in its own manner."""
    first = mapping.entries[0].key.span
    lines = text.splitlines(keepends=True)
    line = lines[first.line - 1]
    head, tail = line[: first.column - 1], line[first.column - 1 :]
    if head.strip():
        lines[first.line - 1] = f"{head}{words}, {tail}"
    else:
        ending = line[len(line.rstrip("\r\n")) :] or "\n"
        lines.insert(first.line - 1, f"{head}{words}{ending}")
    return "".join(lines)


def _without(text: str, promotion: Mapping, environment: str) -> str | None:
    """Take the pin of an environment out: with its `to`, where that has no other."""
    to = promotion.get("to")
    if not isinstance(to, Mapping) or to.entry(environment) is None:
        return None
    within, name = (promotion, "to") if len(to.entries) == 1 else (to, environment)
    names = [entry.key.text for entry in within.entries]
    at = names.index(name)
    start = within.entries[at].key.span
    lines = text.splitlines(keepends=True)
    line = lines[start.line - 1]
    head = line[: start.column - 1]
    if not head.strip() and len(names) > 1:
        last = within.entries[at].value
        if last.span.line != start.line:
            return None
        del lines[start.line - 1]
        return "".join(lines)
    if at + 1 < len(names) and within.entries[at + 1].key.span.line == start.line:
        lines[start.line - 1] = head + line[within.entries[at + 1].key.span.column - 1 :]
        return "".join(lines)
    return None


def _replaced(text: str, line: int, column: int, length: int, words: str) -> str:
    lines = text.splitlines(keepends=True)
    old = lines[line - 1]
    lines[line - 1] = old[: column - 1] + words + old[column - 1 + length :]
    return "".join(lines)


def _says(before: SourceText, after: str, name: str, environment: str, version: str | None) -> bool:
    """Say whether the new text differs from the old one in that pin alone."""
    old = parse((before,))
    new = parse((SourceText(before.path, after),))
    if not new.whole or len(old.documents) != len(new.documents):
        return False
    for one, two in zip(old.documents, new.documents, strict=True):
        was, now = _plain(one.root), _plain(two.root)
        if was.get("metadata", {}).get("name") == name:
            pins = dict(was["spec"]["promotion"].pop("to", {}))
            found = dict(now["spec"]["promotion"].pop("to", {}))
            pins.pop(environment, None)
            if found != (pins if version is None else {**pins, environment: version}):
                return False
        if was != now:
            return False
    return True


def _plain(node: Node) -> Any:
    match node:
        case Mapping():
            return {entry.key.text: _plain(entry.value) for entry in node.entries}
        case Sequence():
            return [_plain(item) for item in node.items]
        case Scalar():
            return node.text
