"""Filling in `${var.name}` and `${env.NAME}`: texts only, once, and never in a name.

What cannot be filled in is reported and left out, so that no rule judges half a value.
"""

import re
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from operator import is_
from typing import Any

from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.spec.near import meant
from tuneops.spec.nodes import Entry, Mapping, Node, Scalar, Sequence
from tuneops.spec.text import HIDDEN, SECRET, SIGNED, secret

_REFERENCE = re.compile(r"\$\{([^${}]*)\}?")
_VARIABLE = re.compile(r"var\.([A-Za-z][A-Za-z0-9_-]*)")
_ENV = re.compile(r"env\.([A-Za-z_][A-Za-z0-9_]*)")
_FIXED = frozenset(("apiVersion", "api_version", "kind", "name", "from", "enabledIn", "enabled_in"))
"""Keys whose values are the same in every environment."""

FORM = "write `${var.name}`, or `${env.NAME}` with NAME listed under `allowEnv`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What there is to fill in. `environment` is None when it is not known: nothing is then."""

    environment: str | None
    variables: Table[str, str]
    env: Table[str, str]
    allowed: frozenset[str]


@dataclass(slots=True)
class Filled:
    """A document filled in; `whole` if nothing had to be left out."""

    root: Mapping
    findings: list[Diagnostic] = field(default_factory=list)
    whole: bool = True


def fill(root: Mapping, values: Values) -> Filled:
    """Fill in every text of a document but for names and keys."""
    filled = Filled(root)
    filled.root = _mapping(root, values, filled, quiet=values.environment is None)
    return filled


def refers(node: Node) -> bool:
    """Say whether anything below this node is to be filled in."""
    match node:
        case Scalar():
            return "${" in node.text
        case Mapping():
            return any(refers(entry.value) for entry in node.entries)
        case _:
            return any(refers(item) for item in node.items)


def _mapping(node: Mapping, values: Values, filled: Filled, *, quiet: bool) -> Mapping:
    quiet = quiet or _is_elsewhere(node, values.environment)
    entries: list[Entry] = []
    for entry in node.entries:
        fixed = entry.key.text in _FIXED and isinstance(entry.value, Scalar | Sequence)
        value = entry.value if fixed else _node(entry.value, values, filled, quiet=quiet)
        if value is not None:
            entries.append(entry if value is entry.value else Entry(entry.key, value))
    return node if _same(entries, node.entries) else Mapping(node.span, tuple(entries))


def _same(new: list[Any], old: tuple[Any, ...]) -> bool:
    """Say whether nothing was filled in: then the tree of a large project is not copied."""
    return len(new) == len(old) and all(map(is_, new, old))


def _is_elsewhere(node: Mapping, environment: str | None) -> bool:
    """Say whether a job or stage is declared for other environments only."""
    enabled = node.get("enabledIn")
    if not isinstance(enabled, Sequence):
        return False
    return environment not in [item.text for item in enabled.items if isinstance(item, Scalar)]


def _node(node: Node, values: Values, filled: Filled, *, quiet: bool) -> Node | None:
    match node:
        case Mapping():
            return _mapping(node, values, filled, quiet=quiet)
        case Sequence():
            items = [_node(item, values, filled, quiet=quiet) for item in node.items]
            if _same(items, node.items):
                return node
            return Sequence(node.span, tuple(item for item in items if item is not None))
        case _:
            return _scalar(node, values, filled, quiet=quiet) if "${" in node.text else node


def _scalar(node: Scalar, values: Values, filled: Filled, *, quiet: bool) -> Scalar | None:
    findings: list[Diagnostic] = []

    def value_of(found: re.Match[str]) -> str:
        value = _value(found, _place(node, found), values)
        if isinstance(value, Diagnostic):
            findings.append(value)
            return ""
        return value

    text = _REFERENCE.sub(value_of, node.text)
    if not findings:
        return Scalar(node.span, text, plain=False)
    filled.whole = False
    if not quiet:
        filled.findings += findings
    return None


def _place(node: Scalar, found: re.Match[str]) -> SourceRef:
    """The place of the reference itself, where the text stands on one line as it is."""
    where = node.span.where
    start = where.excerpt.find(found[0], where.column - 1)
    if start < 0:
        return where
    return node.span.source.place(where.line, start + 1, len(found[0]))


def _value(found: re.Match[str], where: SourceRef, values: Values) -> str | Diagnostic:
    inside, closed = found[1], found[0].endswith("}")
    if closed and (name := _VARIABLE.fullmatch(inside)):
        value = _variable(name[1], where, values)
    elif closed and (name := _ENV.fullmatch(inside)):
        value = _env(name[1], where, values)
    else:
        value = Diagnostic(
            code="bad-variable",
            message=f"`{found[0]}` is not a variable",
            where=where,
            help=FORM,
        )
    if isinstance(value, Diagnostic):
        return value
    if SECRET.search(value) or SIGNED.search(value):
        return secret(where)
    if HIDDEN.search(value) or "\n" in value or "\t" in value:
        return Diagnostic(
            code="hidden-character",
            message=f"the value of `{found[0]}` holds a control or invisible character",
            where=where,
        )
    return value


def _variable(name: str, where: SourceRef, values: Values) -> str | Diagnostic:
    if name in values.variables:
        return values.variables[name]
    return Diagnostic(
        code="unknown-variable",
        message=f"environment `{values.environment}` has no variable `{name}`",
        where=where,
        help=meant(name, values.variables, "its variables")
        or "declare it under `variables:` of the environment",
    )


def _env(name: str, where: SourceRef, values: Values) -> str | Diagnostic:
    if name not in values.allowed:
        return Diagnostic(
            code="env-not-allowed",
            message=f"environment variable `{name}` is not open to specs",
            where=where,
            help=f"list it in the workspace: `allowEnv: [{name}]`",
        )
    if name not in values.env:
        return Diagnostic(
            code="unset-env",
            message=f"environment variable `{name}` is not set",
            where=where,
            help=f"set it: `export {name}=…`",
        )
    return values.env[name]
