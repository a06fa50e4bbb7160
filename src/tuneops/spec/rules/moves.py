"""Renames and deletions that are said: the old address is gone, and each version named once."""

from collections.abc import Iterator

from tuneops.diagnostics import Diagnostic
from tuneops.spec.near import line_of
from tuneops.spec.nodes import key_place, value_place
from tuneops.spec.project import Draft, Project


def old_addresses_are_gone(project: Project) -> Iterator[Diagnostic]:
    """What is still declared was not moved; a job cannot have two addresses."""
    there = {draft.address: draft for draft in project.enabled()}
    for draft in project.enabled():
        still = there.get(draft.moved_from) if draft.moved_from else None
        if still is not None:
            yield Diagnostic(
                code="moved-from-present",
                message=f"`{draft.address}` was moved from `{still.address}`, which is still "
                "declared",
                where=draft.key("movedFrom"),
                notes=(f"`{still.address}` is at {line_of(still.where, draft.where)}",),
                help="remove `movedFrom:`; names that change places are recognised by their "
                "training",
            )


def old_addresses_have_one_heir(project: Project) -> Iterator[Diagnostic]:
    """What was asked for at the old address goes to one job."""
    heirs: dict[str, Draft] = {}
    for draft in project.enabled():
        if draft.moved_from is None:
            continue
        first = heirs.setdefault(str(draft.moved_from), draft)
        if first is not draft:
            yield Diagnostic(
                code="moved-from-twice",
                message=f"`{draft.address}` and `{first.address}` were both moved from "
                f"`{draft.moved_from}`",
                where=draft.key("movedFrom"),
                notes=(f"`{first.address}` is at {line_of(first.where, draft.where)}",),
                help="leave it on the one that goes on with what was made there",
            )


def old_names_are_gone(project: Project) -> Iterator[Diagnostic]:
    """An old name stands for one environment: it is not used any more, nor claimed twice."""
    if project.workspace is None or project.workspace_root is None:
        return
    heirs: dict[str, str] = {}
    for name, place in project.workspace.spec.environments.items():
        path = ("spec", "environments", name, "formerly")
        for old in place.formerly or ():
            where = key_place(project.workspace_root, path)
            first = heirs.setdefault(old, name)
            if old in project.environments:
                message = f"`{name}` was formerly `{old}`, which is still an environment"
                help = "remove it, or remove the environment that has the old name"
            elif first != name:
                message = f"`{name}` and `{first}` were both formerly `{old}`"
                help = "leave it on the one that goes on with its jobs"
            else:
                continue
            yield Diagnostic(code="formerly-taken", message=message, where=where, help=help)


def versions_are_removed_once(project: Project) -> Iterator[Diagnostic]:
    """One version was made by one job; who names it twice has mistaken one of them."""
    root = project.workspace_root
    if project.workspace is None or root is None:
        return
    for name, place in project.workspace.spec.environments.items():
        first: dict[str, int] = {}
        for number, one in enumerate(place.removed or ()):
            version = one.confirm.rpartition("models/")[2]
            path = ("spec", "environments", name, "removed")
            earlier = first.setdefault(version, number)
            if earlier != number:
                there = value_place(root, (*path, earlier, "confirm"))
                where = value_place(root, (*path, number, "confirm"))
                yield Diagnostic(
                    code="removed-twice",
                    message=f"`models/{version}` is to be removed twice",
                    where=where,
                    notes=(f"the other one is at {line_of(there, where)}",),
                    help="leave one of them out",
                )
