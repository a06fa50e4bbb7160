"""What if a spec said something else: values laid over a project's documents, no file touched.

A supposition is written `ADDRESS.PATH=VALUE`: an address has no dots, the path is that of the spec
from the job or stage on, and the value is YAML, so that `null` takes a field away.
"""

import re
from collections.abc import Iterable, Sequence

from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.spec.near import meant
from tuneops.spec.nodes import Entry, Mapping, Node, Scalar, merged
from tuneops.spec.nodes import Sequence as Items
from tuneops.spec.parse import Document, parse
from tuneops.spec.text import SourceText

ORIGIN = "--what-if"
"""The name of the file, beside the spec, in which a supposed value would stand."""

_FORM = re.compile(r"([a-z0-9/-]+)\.([A-Za-z_][A-Za-z0-9_.]*)=(.*)")


def suppose(
    documents: Sequence[Document], suppositions: Iterable[str]
) -> tuple[list[Document], list[Diagnostic]]:
    """The documents as they would read; a finding for each supposition that fits none of them."""
    current = list(documents)
    findings: list[Diagnostic] = []
    for text in suppositions:
        where = SourceRef(path=ORIGIN, line=1, column=1, length=len(text), excerpt=text)
        form = _FORM.fullmatch(text)
        if form is None:
            findings.append(_formless(where))
            continue
        address, path, value = form.groups()
        target = next((one for one in current if address in _addresses([one])), None)
        if target is None:
            findings.append(_unknown(address, where, current))
            continue
        over, wrong = _overlay(target.source.path, path.split("."), value)
        findings += wrong
        if over is not None:
            current[current.index(target)] = _laid(target, address, over)
    return current, findings


def _overlay(
    beside: str, steps: Sequence[str], value: str
) -> tuple[Mapping | None, tuple[Diagnostic, ...]]:
    """The path with its value as a mapping, read by the rules of every spec."""
    lines = [f"{'  ' * depth}{step}:\n" for depth, step in enumerate(steps[:-1])]
    text = f"{''.join(lines)}{'  ' * (len(steps) - 1)}{steps[-1]}: {value}\n"
    folder, slash, _ = beside.rpartition("/")
    parsed = parse([SourceText(f"{folder}{slash}{ORIGIN}", text)])
    return parsed.documents[0].root if parsed.documents else None, parsed.findings


def _laid(document: Document, address: str, over: Mapping) -> Document:
    """The document with the mapping over its job, chain or stage of this address."""
    _, _, stage = address.partition("/")
    spec = document.root.get("spec")
    assert isinstance(spec, Mapping), "a document with addresses has a spec"
    if not stage:
        return _with(document, merged(spec, over))
    entries = tuple(
        Entry(entry.key, _over_stages(entry.value, stage, over))
        if entry.key.text == "stages"
        else entry
        for entry in spec.entries
    )
    return _with(document, Mapping(spec.span, entries))


def _over_stages(stages: Node, stage: str, over: Mapping) -> Node:
    assert isinstance(stages, Items), "a chain with stages lists them"
    return Items(stages.span, tuple(_over_stage(item, stage, over) for item in stages.items))


def _over_stage(item: Node, stage: str, over: Mapping) -> Node:
    if isinstance(item, Mapping) and _text(item.get("name")) == stage:
        return merged(item, over)
    return item


def _with(document: Document, spec: Mapping) -> Document:
    root = document.root
    entries = tuple(
        Entry(entry.key, spec) if entry.key.text == "spec" else entry for entry in root.entries
    )
    return Document(document.source, Mapping(root.span, entries))


def _name(document: Document) -> str | None:
    metadata = document.root.get("metadata")
    return _text(metadata.get("name")) if isinstance(metadata, Mapping) else None


def _kind(document: Document) -> str | None:
    return _text(document.root.get("kind"))


def _text(node: Node | None) -> str | None:
    return node.text if isinstance(node, Scalar) else None


def _addresses(documents: Iterable[Document]) -> list[str]:
    """Every job, chain and stage."""
    found: list[str] = []
    for document in documents:
        name, spec = _name(document), document.root.get("spec")
        if name is None or _kind(document) == "Workspace" or not isinstance(spec, Mapping):
            continue
        found.append(name)
        stages = spec.get("stages")
        for item in stages.items if isinstance(stages, Items) else ():
            if isinstance(item, Mapping) and (stage := _text(item.get("name"))) is not None:
                found.append(f"{name}/{stage}")
    return found


def _formless(where: SourceRef) -> Diagnostic:
    return Diagnostic(
        code="what-if",
        message="a supposition is written `ADDRESS.PATH=VALUE`",
        where=where,
        help="such as `bot/tone.preferenceOptimizationSpec.hyperParameters.epochCount=3`",
    )


def _unknown(address: str, where: SourceRef, documents: Sequence[Document]) -> Diagnostic:
    return Diagnostic(
        code="what-if",
        message=f"no spec declares `{address}`",
        where=where,
        help=meant(address, _addresses(documents), "there are"),
    )
