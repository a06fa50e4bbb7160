"""Promotions: that there is a stage to promote, with the metrics and versions that they name."""

from collections.abc import Iterator

from tuneops.core.recipe import Best
from tuneops.diagnostics import Diagnostic
from tuneops.spec.near import meant
from tuneops.spec.nodes import key_place, value_place
from tuneops.spec.project import Project
from tuneops.spec.rules.metrics import measured


def stage_is_there(project: Project) -> Iterator[Diagnostic]:
    """A chain's promotion names one of its stages; that of a job on its own names none."""
    for promotion in project.promotions:
        given = promotion.spec.stage
        stages = [draft.address.stage for draft in project.stages(promotion.name)]
        if not stages and given is not None:
            yield Diagnostic(
                code="unknown-stage",
                message=f"`{promotion.name}` is a job on its own, and has no stages",
                where=key_place(promotion.root, ("stage",)),
                help="leave `stage:` out",
            )
        elif stages and given is None:
            yield Diagnostic(
                code="missing-field",
                message=f"`stage` is missing in `promotion` of `{promotion.name}`",
                where=promotion.where,
                help=f"say which result to promote, such as `stage: {stages[-1]}`",
            )
        elif stages and given not in stages and project.complete:
            yield Diagnostic(
                code="unknown-stage",
                message=f"`{promotion.name}` has no stage `{given}`",
                where=value_place(promotion.root, ("stage",)),
                help=meant(given or "", stages, "its stages"),
            )


def checkpoint_is_fixed(project: Project) -> Iterator[Diagnostic]:
    """A promotion sets the default checkpoint, and cannot follow it; the best one is measured."""
    for promotion in project.promotions:
        rule, where = promotion.spec.checkpoint, value_place(promotion.root, ("checkpoint",))
        stage = project.find(promotion.stage)
        if rule == "default":
            yield Diagnostic(
                code="bad-value",
                message="`checkpoint` of a promotion cannot be `default`: it decides which that is",
                where=where,
                help="write `last`, or another rule",
            )
        elif isinstance(rule, Best) and stage is not None:
            yield from measured(stage, rule.best, where)


def versions_are_of_environments(project: Project) -> Iterator[Diagnostic]:
    """`to` pins a version for an environment that there is."""
    for promotion in project.promotions:
        for name in promotion.spec.to or ():
            if project.environments and name not in project.environments:
                yield Diagnostic(
                    code="unknown-environment",
                    message=f"there is no environment `{name}`",
                    where=key_place(promotion.root, ("to", name)),
                    help=meant(name, project.environments, "environments"),
                )


def gate_has_a_rival(project: Project) -> Iterator[Diagnostic]:
    """Who compares with the promoted version has a promotion."""
    promoting = {promotion.name for promotion in project.promotions}
    for draft in project.drafts:
        gate, name = draft.spec.gate, draft.address.name
        if gate and "promoted" in (gate.min, gate.max) and draft.whole and name not in promoting:
            yield Diagnostic(
                code="gate-without-promotion",
                message=f"`{draft.address}` is compared with the promoted version of `{name}`, "
                "which promotes nothing",
                where=draft.key("gate"),
                help="add a `promotion:`, or compare with a number",
            )
