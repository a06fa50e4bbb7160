"""Parents: that they exist, are enabled where their children are, and come before them."""

from collections.abc import Iterator

from tuneops.core.address import Address
from tuneops.diagnostics import Diagnostic
from tuneops.spec.near import line_of, meant
from tuneops.spec.project import Draft, Project


def parents_exist(project: Project) -> Iterator[Diagnostic]:
    """What a job continues from is a job of this project."""
    chains = {draft.address.name for draft in project.drafts}
    for draft in project.drafts:
        parent = project.parent_address(draft)
        if draft.spec.from_ is None or parent is None or project.find(parent):
            continue
        if parent.name not in chains and not project.complete:
            continue
        what = "stage" if draft.address.stage else "job"
        name = draft.address.stage or draft.address.name
        yield Diagnostic(
            code="unknown-parent",
            message=f"{what} `{name}` continues from `{draft.spec.from_[:80]}`, "
            "which does not exist",
            where=draft.at("from"),
            help=_parents(project, draft, parent),
        )


def _parents(project: Project, draft: Draft, parent: Address) -> str | None:
    written = draft.spec.from_ or ""
    if parent.name == draft.address.name and "/" not in written and draft.address.stage:
        stages = [one.address.stage for one in project.stages(parent.name) if one is not draft]
        return meant(parent.stage, stages, "stages of this chain")
    if stages := [one.address.stage for one in project.stages(parent.name)]:
        return meant(parent.stage, stages, f"stages of `{parent.name}`")
    others = [str(one.address) for one in project.drafts if one is not draft]
    return meant(written, others, "jobs of this project")


def parents_are_enabled(project: Project) -> Iterator[Diagnostic]:
    """A job that an environment has needs its parent there."""
    if project.environment is None:
        return
    for draft in project.enabled():
        parent = project.parent(draft)
        if parent is None or project.is_enabled(parent):
            continue
        yield Diagnostic(
            code="disabled-parent",
            message=f"`{draft.address}` continues from `{parent.address}`, which is not enabled "
            f"in `{project.environment}`",
            where=draft.at("from"),
            help="give both the same `enabledIn:`, or another `from:`",
        )


def acceptance_has_a_parent(project: Project) -> Iterator[Diagnostic]:
    """Only a job that continues another of the project can accept a version of it."""
    for draft in project.drafts:
        if draft.spec.accept_parent is None or project.parent_address(draft) is not None:
            continue
        if draft.has_source:
            yield Diagnostic(
                code="acceptance-without-parent",
                message=f"`{draft.address}` accepts a version of its parent, and has no parent",
                where=draft.key("acceptParent"),
                help="remove it, or continue from another job with `from:`",
            )


def no_cycles(project: Project) -> Iterator[Diagnostic]:
    """A job descends from a model, in the end."""
    order = {draft.address: number for number, draft in enumerate(project.drafts)}
    done: set[Address] = set()
    for draft in project.drafts:
        trail: list[Draft] = []
        one: Draft | None = draft
        while one is not None and one.address not in done:
            done.add(one.address)
            trail.append(one)
            one = project.parent(one)
        if one is not None and one in trail:
            ring = trail[trail.index(one) :]
            yield _cycle(sorted(ring, key=lambda member: order[member.address]), project)


def _cycle(ring: list[Draft], project: Project) -> Diagnostic:
    """Name the jobs parent first, beginning with the one declared first; mark the last."""
    names = {one.address: _short(one, ring) for one in ring}
    children = {project.parent_address(one): one for one in ring}
    walk = [ring[0]]
    while (child := children[walk[-1].address]) is not ring[0]:
        walk.append(child)
    arrows = " -> ".join(names[one.address] for one in (*walk, ring[0]))
    notes = []
    for one in ring[:-1]:
        parent = project.parent(one)
        assert parent is not None
        place = line_of(one.at("from"), ring[-1].at("from"))
        notes.append(f"`{names[one.address]}` continues from `{names[parent.address]}` at {place}")
    itself = f"`{names[ring[0].address]}` continues from itself"
    what = "stages" if ring[0].address.stage else "jobs"
    return Diagnostic(
        code="cycle",
        message=f"{what} wait for each other: {arrows}" if notes else itself,
        where=ring[-1].at("from"),
        notes=tuple(notes),
        help="one of them must continue from an earlier stage, or from a `baseModel`",
    )


def _short(draft: Draft, ring: list[Draft]) -> str:
    alone = len({one.address.name for one in ring}) == 1
    return draft.address.stage if alone and draft.address.stage else str(draft.address)
