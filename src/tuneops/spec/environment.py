"""Which workspace, which environment of it, and what that environment fills in."""

from collections.abc import Mapping as Table
from collections.abc import Sequence as Many
from dataclasses import dataclass

from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.spec.near import meant
from tuneops.spec.nodes import Mapping, Scalar, Sequence, is_null, without
from tuneops.spec.parse import Document
from tuneops.spec.variables import FORM, Values, fill, refers


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The chosen environment, or None with the findings that say why there is none."""

    workspace: Document | None
    environment: str | None
    environments: tuple[str, ...]
    default: str | None
    values: Values
    findings: tuple[Diagnostic, ...]


def choose(
    workspaces: Many[Document],
    environment: str | None,
    variables: Table[str, str],
    env: Table[str, str],
) -> Choice:
    """Choose the environment that was asked for, else the default one, else the only one.

    The workspace comes back filled in: the chosen environment wholly, and without those other
    environments that refer to variables.
    """
    document = workspaces[0] if workspaces else None
    spec = document.root.get("spec") if document else None
    listed = spec.get("environments") if isinstance(spec, Mapping) else None
    table = listed if isinstance(listed, Mapping) else None
    entries = table.entries if table else ()
    names = tuple(entry.key.text for entry in entries if not is_null(entry.value))
    default = spec.get("defaultEnvironment") if isinstance(spec, Mapping) else None
    chosen, findings = _pick(environment, default, names)
    if table is not None and not names:
        findings = (_none(table.span.where),)
    mine = table.get(chosen) if table and chosen else None
    values, more = _values(spec, mine, chosen, variables, env)
    if document is not None:
        document, unfilled = _filled(document, names, chosen, values)
        more = (*more, *unfilled)
    return Choice(
        workspace=document,
        environment=chosen,
        environments=names,
        default=default.text if isinstance(default, Scalar) else None,
        values=values,
        findings=(*findings, *more),
    )


def _pick(
    asked: str | None, default: object, names: tuple[str, ...]
) -> tuple[str | None, tuple[Diagnostic, ...]]:
    written = default if isinstance(default, Scalar) else None
    findings: list[Diagnostic] = []
    if written and names and written.text not in names:
        findings.append(_unknown(written.text, names, written.span.where))
    if asked is not None:
        if asked in names:
            return asked, tuple(findings)
        if names:
            findings.append(_unknown(asked, names, None))
        return None, tuple(findings)
    if written:
        return (written.text if written.text in names else None), tuple(findings)
    if len(names) == 1:
        return names[0], ()
    if names:
        findings.append(
            Diagnostic(
                code="no-environment",
                message="no environment is named, and the workspace has no default",
                help=f"add `-e` with one of: {', '.join(names)}; or set `defaultEnvironment:`",
            )
        )
    return None, tuple(findings)


def _none(where: SourceRef) -> Diagnostic:
    return Diagnostic(
        code="no-environment",
        message="the workspace has no environment",
        where=where,
        help="add one: `local: {provider: emulator, project: demo, location: us-central1}`",
    )


def _unknown(name: str, names: tuple[str, ...], where: SourceRef | None) -> Diagnostic:
    return Diagnostic(
        code="unknown-environment",
        message=f"there is no environment `{name}`",
        where=where,
        help=meant(name, names, "environments of this workspace"),
    )


def _values(
    spec: object,
    mine: object,
    chosen: str | None,
    overrides: Table[str, str],
    env: Table[str, str],
) -> tuple[Values, tuple[Diagnostic, ...]]:
    allow = spec.get("allowEnv") if isinstance(spec, Mapping) else None
    items = allow.items if isinstance(allow, Sequence) else ()
    allowed = frozenset(item.text for item in items if isinstance(item, Scalar))
    bare = Values(environment=chosen, variables={}, env=env, allowed=allowed)
    declared = mine.get("variables") if isinstance(mine, Mapping) else None
    table: dict[str, str] = {}
    findings: list[Diagnostic] = []
    if isinstance(declared, Mapping):
        filled = fill(declared, bare)
        findings += filled.findings
        for entry in filled.root.entries:
            if isinstance(entry.value, Scalar) and not entry.value.is_null:
                table[entry.key.text] = entry.value.text
    for name in sorted(overrides.keys() - table.keys()) if chosen else ():
        findings.append(
            Diagnostic(
                code="unknown-variable",
                message=f"environment `{chosen}` has no variable `{name}` to override",
                help=meant(name, table, "its variables") or FORM,
            )
        )
    values = Values(environment=chosen, variables={**table, **overrides}, env=env, allowed=allowed)
    return values, tuple(findings)


def _filled(
    document: Document, names: tuple[str, ...], chosen: str | None, values: Values
) -> tuple[Document, tuple[Diagnostic, ...]]:
    """Fill in the chosen environment; leave out others that wait for variables of their own."""
    path = ("spec", "environments")
    table = document.root.get("spec")
    listed = table.get("environments") if isinstance(table, Mapping) else None
    if not isinstance(listed, Mapping):
        return document, ()
    waiting = [
        (*path, entry.key.text)
        for entry in listed.entries
        if entry.key.text != chosen and refers(entry.value)
    ]
    root = without(document.root, waiting) if waiting else document.root
    assert isinstance(root, Mapping)
    filled = fill(root, values)
    return Document(document.source, filled.root), tuple(filled.findings)
