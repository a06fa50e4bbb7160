"""Checkpoints: that there is a parent to have them, and that it has the one that is named."""

from collections.abc import Iterator

from tuneops.core.recipe import AtEpoch, AtStep, Best, CheckpointRule
from tuneops.diagnostics import Diagnostic
from tuneops.spec.near import line_of
from tuneops.spec.project import Draft, Project
from tuneops.spec.rules.sources import method_key, training


def checkpoint_has_a_parent(project: Project) -> Iterator[Diagnostic]:
    """`checkpoint` is of the parent; a base model has none."""
    for draft in project.drafts:
        if draft.spec.checkpoint is None or project.parent_address(draft) is not None:
            continue
        if not draft.has_source and not draft.whole:
            continue
        pretuned = draft.spec.pre_tuned_model is not None
        yield Diagnostic(
            code="checkpoint-without-parent",
            message=f"`{draft.address}` names a checkpoint, and continues from no other job",
            where=draft.key("checkpoint"),
            help='write `checkpointId: "3"` inside `preTunedModel`'
            if pretuned
            else "remove it, or say `from:` which job",
        )


def _named(rule: CheckpointRule) -> str:
    match rule:
        case AtEpoch(epoch=epoch):
            return f"the checkpoint of epoch {epoch}"
        case AtStep(step=step):
            return f"the checkpoint of step {step}"
        case "last" | "default":
            return f"the {rule} checkpoint"
        case Best(best=metric):
            return f"the checkpoint with the best `{metric}`"
        case _:
            return f"checkpoint {rule.id}"


def _continued(project: Project) -> Iterator[tuple[Draft, Draft, CheckpointRule]]:
    for draft in project.drafts:
        parent = project.parent(draft)
        rule = draft.spec.checkpoint
        if parent is not None and rule is not None and rule not in ("last", "default"):
            yield draft, parent, rule


def _pair(draft: Draft, parent: Draft) -> tuple[str, str]:
    if draft.address.stage and draft.address.name == parent.address.name:
        return draft.address.stage, parent.address.stage
    return str(draft.address), str(parent.address)


def checkpoint_is_kept(project: Project) -> Iterator[Diagnostic]:
    """A parent that exports its last checkpoint only has no other."""
    for draft, parent, rule in _continued(project):
        spec = training(parent)
        if spec is None or not spec.export_last_checkpoint_only or isinstance(rule, Best):
            continue
        child, above = _pair(draft, parent)
        place = parent.at(method_key(parent), "exportLastCheckpointOnly")
        yield Diagnostic(
            code="checkpoint-not-kept",
            message=f"`{child}` starts from {_named(rule)} of `{above}`, which keeps only its last",
            where=draft.at("checkpoint"),
            notes=(
                f"`exportLastCheckpointOnly: true` at {line_of(place, draft.at('checkpoint'))}",
            ),
            help=f"set it to false (that buys `{above}` again), or use `checkpoint: last`",
        )


def checkpoint_is_reached(project: Project) -> Iterator[Diagnostic]:
    """A parent has no checkpoint of an epoch that it does not run.

    More than ten epochs keep about ten checkpoints; which ones is not documented, so those pass.
    """
    for draft, parent, rule in _continued(project):
        spec = training(parent)
        hyper = spec.hyper_parameters if spec else None
        epochs = hyper.epoch_count if hyper else None
        if not isinstance(rule, AtEpoch) or epochs is None or rule.epoch <= epochs:
            continue
        child, above = _pair(draft, parent)
        place = parent.at(method_key(parent), "hyperParameters", "epochCount")
        yield Diagnostic(
            code="unknown-checkpoint",
            message=f"`{child}` starts from {_named(rule)} of `{above}`, which runs {epochs}",
            where=draft.at("checkpoint"),
            notes=(f"`epochCount: {epochs}` at {line_of(place, draft.at('checkpoint'))}",),
            help=f"name an epoch from 1 to {epochs}, or use `checkpoint: last`",
        )
