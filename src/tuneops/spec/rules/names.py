"""Names: that they are there, unlike each other, and short enough for a label."""

from collections.abc import Iterator

from tuneops.core.address import LIMIT, NAME
from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.spec.near import meant
from tuneops.spec.nodes import Sequence, key_place
from tuneops.spec.project import Project

_FORM = "lower-case letters, digits and single `-`, beginning with a letter"


def has_a_workspace(project: Project) -> Iterator[Diagnostic]:
    """A project has one workspace, since it owns the jobs."""
    found = [name for name in project.names if name.kind == "Workspace"]
    if not found and project.complete:
        yield Diagnostic(
            code="no-workspace",
            message="no spec of kind `Workspace` says who owns these jobs and where they run",
            help="`tuneops init` writes one",
        )


def names_are_unique(project: Project) -> Iterator[Diagnostic]:
    """A name stands for one job or chain; a stage's name for one stage of its chain."""
    first: dict[str, SourceRef] = {}
    again: set[str] = set()
    for named in project.names:
        if named.kind != "Workspace":
            earlier = first.setdefault(named.name, named.where)
            if earlier is not named.where:
                again.add(named.name)
                yield _twice(named.name, "is declared twice", named.where, earlier)
    stages: dict[tuple[str, str], SourceRef] = {}
    for draft in project.drafts:
        address = draft.address
        if address.stage and address.name not in again:
            where = draft.where
            earlier = stages.setdefault((address.name, address.stage), where)
            if earlier is not where:
                yield _twice(address.stage, f"is twice in `{address.name}`", where, earlier)


def _twice(name: str, says: str, where: SourceRef, earlier: SourceRef) -> Diagnostic:
    return Diagnostic(
        code="duplicate-name",
        message=f"`{name}` {says}",
        where=where,
        notes=(f"first declared at {earlier.path}:{earlier.line}:{earlier.column}",),
    )


def _every_name(project: Project) -> Iterator[tuple[str, str, SourceRef]]:
    for named in project.names:
        yield named.kind, named.name, named.where
    for draft in project.drafts:
        if draft.address.stage:
            yield "stage", draft.address.stage, draft.where
    if project.workspace_root is not None:
        for name in project.environments:
            path = ("spec", "environments", name)
            yield "environment", name, key_place(project.workspace_root, path)


def names_are_well_formed(project: Project) -> Iterator[Diagnostic]:
    """Names become labels and file names."""
    for _, name, where in _every_name(project):
        if not NAME.fullmatch(name):
            yield Diagnostic(
                code="bad-name",
                message=f"a name is {_FORM}, not `{name[:80]}`",
                where=where,
                help=_tidied(name),
            )


def _tidied(name: str) -> str | None:
    if not name.isascii():
        return None
    words = "".join(one if one.isalnum() else " " for one in name.lower()).split()
    better = "-".join(words)
    return f"write `{better}`" if NAME.fullmatch(better) and len(better) <= LIMIT else None


def names_fit_a_label(project: Project) -> Iterator[Diagnostic]:
    """An address, and workspace with environment, are label values: at most 63 characters."""
    for named in project.names:
        if len(named.name) > LIMIT:
            yield _too_long(f"`{named.name[:80]}` is", len(named.name), named.where)
    for draft in project.drafts:
        label = draft.address.label
        if draft.address.stage and len(draft.address.name) <= LIMIT < len(label):
            yield _too_long(f"`{draft.address}`, as a label, is", len(label), draft.where)
    for named in project.names:
        for environment in project.environments if named.kind == "Workspace" else ():
            owner = f"{named.name}--{environment}"
            if len(named.name) <= LIMIT < len(owner):
                yield _too_long(f"the owner `{owner[:80]}` is", len(owner), named.where)


def _too_long(what: str, length: int, where: SourceRef) -> Diagnostic:
    return Diagnostic(
        code="name-too-long",
        message=f"{what} {length} characters long; a label holds {LIMIT}",
        where=where,
        help="shorten one of its parts",
    )


def environments_exist(project: Project) -> Iterator[Diagnostic]:
    """`enabledIn` names environments of the workspace."""
    if not project.environments:
        return
    for draft in project.drafts:
        node = draft.root.get("enabledIn")
        items = node.items if isinstance(node, Sequence) else ()
        for name, item in zip(draft.spec.enabled_in or (), items, strict=True):
            if name not in project.environments:
                yield Diagnostic(
                    code="unknown-environment",
                    message=f"there is no environment `{name[:80]}`",
                    where=item.span.where,
                    help=meant(name, project.environments, "environments of this workspace"),
                )
