"""Set a field of one job or stage in the text of a spec, and nothing else: comments stay.

As in `splice`, only simple places are written to. What was written is read again; if it says
anything but what was meant, nothing is given back, and a person does it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tuneops.core.address import Address
from tuneops.spec.nodes import Entry, Mapping, Node, Scalar, Sequence, find
from tuneops.spec.parse import Document, parse
from tuneops.spec.text import SourceText


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A field of a job or stage, and its value as YAML in one line; None takes the field out."""

    address: Address
    field: str
    value: str | None
    comment: str = ""
    """What is said beside the value, where there is room at the end of its line."""


def edited(text: SourceText, edit: Edit) -> str | None:
    """The text with one edit; None when it has no such job, or cannot be written to safely."""
    job = _job(text, edit.address)
    if job is None:
        return None
    entry = job.entry(edit.field)
    if edit.value is None:
        new = text.text if entry is None else _without(text.text, job, entry)
    elif entry is not None and isinstance(entry.value, Scalar):
        span = entry.value.span
        new = _spliced(text.text, span.line, (span.column, span.length), edit.value)
        new = _commented(new, span.line, edit.comment)
    elif entry is not None:
        new = _without(text.text, job, entry)
        bare = SourceText(text.path, new) if new is not None else None
        return edited(bare, edit) if bare and _job(bare, edit.address) else None
    else:
        new = _with(text.text, job, edit)
    return new if new is not None and _says(text, new, edit) else None


def has_field(text: SourceText, address: Address, field: str) -> bool:
    """Say whether a job or stage has this field itself; a chain by its name alone."""
    job = _job(text, address)
    return job is not None and job.entry(field) is not None


def _job(text: SourceText, address: Address) -> Mapping | None:
    return _found(parse((text,)).documents, address)


def _found(documents: Iterable[Document], address: Address) -> Mapping | None:
    """Where the fields of a job or stage are written."""
    for document in documents:
        if _named(document.root, ("metadata", "name"), address.name) and _is_job(document):
            found = _stage(document.root, address.stage)
            return found if isinstance(found, Mapping) and found.entries else None
    return None


def _is_job(document: Document) -> bool:
    kind = document.root.get("kind")
    return isinstance(kind, Scalar) and kind.text in ("TuningJob", "TuningChain")


def _stage(root: Mapping, stage: str) -> Node | None:
    if not stage:
        return find(root, ("spec",))
    stages = find(root, ("spec", "stages"))
    items = stages.items if isinstance(stages, Sequence) else ()
    return next((item for item in items if _named(item, ("name",), stage)), None)


def _named(node: Node, path: tuple[str, ...], name: str) -> bool:
    found = find(node, path)
    return isinstance(found, Scalar) and found.text == name


def _with(text: str, job: Mapping, edit: Edit) -> str | None:
    """Put a field behind the first one that is written in one line, in that one's manner."""
    words = f"{edit.field}: {edit.value}"
    lines = text.splitlines(keepends=True)
    for entry, after in zip(job.entries, (*job.entries[1:], None), strict=True):
        value, start = entry.value, entry.key.span
        if not isinstance(value, Scalar) or value.span.line != start.line:
            continue
        line = lines[start.line - 1]
        end = value.span.column - 1 + value.span.length
        if re.match(r"\s*[,}]", line[end:]):
            lines[start.line - 1] = f"{line[:end]}, {words}{line[end:]}"
            return _commented("".join(lines), start.line, edit.comment)
        if after is not None and after.key.span.line == start.line:
            return None
        ending = line[len(line.rstrip("\r\n")) :] or "\n"
        if not line.endswith(ending):
            lines[start.line - 1] = line + ending
        lines.insert(start.line, f"{' ' * (start.column - 1)}{words}{ending}")
        return _commented("".join(lines), start.line + 1, edit.comment)
    first = job.entries[0].key.span
    line = lines[first.line - 1]
    if line[: first.column - 1].strip():
        return None
    ending = line[len(line.rstrip("\r\n")) :] or "\n"
    lines.insert(first.line - 1, f"{line[: first.column - 1]}{words}{ending}")
    return _commented("".join(lines), first.line, edit.comment)


def _without(text: str, job: Mapping, entry: Entry) -> str | None:
    lines = text.splitlines(keepends=True)
    start, last = entry.key.span, _last_line(entry.value)
    line = lines[start.line - 1]
    head = line[: start.column - 1]
    if not head.strip() and len(job.entries) > 1:
        del lines[start.line - 1 : last]
        return "".join(lines)
    following = [one.key.span for one in job.entries if one.key.span.line == start.line]
    following = [span for span in following if span.column > start.column]
    if following:
        lines[start.line - 1] = head + line[following[0].column - 1 :]
        return "".join(lines)
    tail = re.match(r"[^:]*:\s*(\{[^{}]*\}|[^,{}]*)", line[len(head) :])
    if tail is None or last != start.line or not head.rstrip().endswith(","):
        return None
    lines[start.line - 1] = head.rstrip().removesuffix(",") + line[len(head) + tail.end() :]
    return "".join(lines)


def _last_line(node: Node) -> int:
    match node:
        case Mapping(entries=entries):
            return max((_last_line(one.value) for one in entries), default=node.span.line)
        case Sequence(items=items):
            return max((_last_line(one) for one in items), default=node.span.line)
        case _:
            return node.span.line


def _spliced(text: str, line: int, place: tuple[int, int], words: str) -> str:
    column, length = place
    lines = text.splitlines(keepends=True)
    old = lines[line - 1]
    lines[line - 1] = old[: column - 1] + words + old[column - 1 + length :]
    return "".join(lines)


def _commented(text: str, line: int, comment: str) -> str:
    """The text with a comment at the end of a line; it takes the place of one that is there."""
    if not comment:
        return text
    lines = text.splitlines(keepends=True)
    old = lines[line - 1]
    body = old.rstrip("\r\n")
    bare = re.sub(r"\s+#.*$", "", body)
    lines[line - 1] = f"{bare}  # {comment}{old[len(body) :]}"
    return "".join(lines)


def _says(before: SourceText, after: str, edit: Edit) -> bool:
    """Say whether the new text differs from the old one in that field alone."""
    old, new = parse((before,)), parse((SourceText(before.path, after),))
    was, now = (_found(parsed.documents, edit.address) for parsed in (old, new))
    if not new.whole or was is None or now is None:
        return False
    wanted = None
    if edit.value is not None:
        read = parse((SourceText(before.path, f"value: {edit.value}\n"),)).documents
        wanted = _plain(read[0].root)["value"] if read else None
    field = now.entry(edit.field)
    if (None if field is None else _plain(field.value)) != wanted:
        return False
    one = [_plain(document.root, was, edit.field) for document in old.documents]
    return one == [_plain(document.root, now, edit.field) for document in new.documents]


def _plain(node: Node, job: Mapping | None = None, field: str = "") -> Any:
    """What a node says, without a field of one job."""
    match node:
        case Mapping(entries=entries):
            left = [one for one in entries if node is not job or node.entry(field) is not one]
            return {one.key.text: _plain(one.value, job, field) for one in left}
        case Sequence(items=items):
            return [_plain(item, job, field) for item in items]
        case Scalar():
            return node.text
