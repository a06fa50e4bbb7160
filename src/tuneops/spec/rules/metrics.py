"""Metrics: that what a rule or a gate asks for will be measured, as far as specs can tell."""

from collections.abc import Iterator

from tuneops.core.metrics import TRAINING, VALIDATION, published
from tuneops.core.recipe import Best
from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.spec.evaluation import as_json
from tuneops.spec.near import meant
from tuneops.spec.project import Draft, Project
from tuneops.spec.rules.evaluations import evaluation
from tuneops.spec.rules.sources import method, training


def best_is_measured(project: Project) -> Iterator[Diagnostic]:
    """A checkpoint is the best by a metric that its job will have."""
    for draft in project.drafts:
        parent, rule = project.parent(draft), draft.spec.checkpoint
        if parent is not None and isinstance(rule, Best):
            yield from measured(parent, rule.best, draft.at("checkpoint"))


def gate_is_measured(project: Project) -> Iterator[Diagnostic]:
    """A gate asks for a metric that its job will have."""
    for draft in project.drafts:
        if draft.spec.gate is not None:
            yield from measured(draft, draft.spec.gate.metric, draft.at("gate", "metric"))


def gate_has_a_limit(project: Project) -> Iterator[Diagnostic]:
    """A gate says how low or how high."""
    for draft in project.drafts:
        gate = draft.spec.gate
        if gate is not None and gate.min is None and gate.max is None and draft.whole:
            yield Diagnostic(
                code="gate-without-limit",
                message=f"the gate of `{draft.address}` lets everything pass",
                where=draft.key("gate"),
                help="add `max:` or `min:`, a number or `promoted`",
            )


def measured(draft: Draft, metric: str, where: SourceRef) -> Iterator[Diagnostic]:
    """A finding if the job of a draft will not have this metric."""
    how, train = method(draft), training(draft)
    if how is None or train is None or not draft.whole:
        return
    config = evaluation(draft)
    validated = train.validation_dataset_uri is not None
    names = published(how, validated, as_json(config) if config else None)
    if metric in names:
        return
    if metric in VALIDATION[how]:
        help = (
            f"add `validationDatasetUri:` to `{draft.address}`; a job that has run stays as it is"
        )
    elif "/" in metric and config is None:
        help = f"add an `evaluationConfig:` to `{draft.address}`"
    else:
        choices = names if "/" in metric else (*TRAINING[how], *VALIDATION[how])
        help = meant(metric, choices, "its metrics") or ""
    yield Diagnostic(
        code="not-measured",
        message=f"`{draft.address}` has no metric `{metric}`",
        where=where,
        help=help or None,
    )
