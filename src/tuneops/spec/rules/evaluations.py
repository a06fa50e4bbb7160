"""Evaluations: that there is data to evaluate on, something to measure, and a place for results."""

from collections.abc import Iterator

from tuneops.diagnostics import Diagnostic
from tuneops.spec.evaluation import METRIC_SPECS, EvaluationConfig
from tuneops.spec.nodes import Mapping, Path, find, is_null, key_place, value_place
from tuneops.spec.project import METHODS, Draft, Project

_CONFIG: Path = (METHODS[0], "evaluationConfig")


def evaluation(draft: Draft) -> EvaluationConfig | None:
    """How a job is evaluated, if it is trained in the one way that can be."""
    spec = draft.spec.supervised_tuning_spec
    return spec.evaluation_config if spec else None


def evaluation_is_complete(project: Project) -> Iterator[Diagnostic]:
    """An evaluation measures something, and writes its results somewhere."""
    for draft in project.drafts:
        config = evaluation(draft)
        if config is None or not draft.whole:
            continue
        given = {"metrics": config.metrics is None, "outputConfig": config.output_config is None}
        for name in (name for name, missing in given.items() if missing):
            yield Diagnostic(
                code="missing-field",
                message=f"`{name}` is missing in `evaluationConfig` of `{draft.address}`",
                where=key_place(draft.root, _CONFIG),
            )
        if config.metrics == ():
            yield Diagnostic(
                code="no-metric",
                message=f"the evaluation of `{draft.address}` measures nothing",
                where=value_place(draft.root, (*_CONFIG, "metrics")),
                help="add a metric, such as `{aggregationMetrics: [AVERAGE], bleuSpec: {}}`",
            )


def evaluation_has_data(project: Project) -> Iterator[Diagnostic]:
    """The service evaluates on the validation data, and on no other."""
    for draft in project.drafts:
        spec = draft.spec.supervised_tuning_spec
        if spec is None or spec.evaluation_config is None or not draft.whole:
            continue
        if spec.validation_dataset_uri is None:
            yield Diagnostic(
                code="evaluation-without-data",
                message=f"`{draft.address}` is evaluated, and names no data to evaluate it on",
                where=key_place(draft.root, _CONFIG),
                help="add `validationDatasetUri:` beside it",
            )


def metrics_are_one_thing(project: Project) -> Iterator[Diagnostic]:
    """An item of `metrics` is one metric, of one kind."""
    for draft in project.drafts:
        for path, node in _metrics(draft):
            given = [entry for entry in map(node.entry, METRIC_SPECS) if entry]
            kept = [entry for entry in given if not is_null(entry.value)]
            if len(kept) > 1:
                yield Diagnostic(
                    code="two-metrics",
                    message=f"one metric has both `{kept[0].key.text}` and `{kept[1].key.text}`",
                    where=kept[1].key.span.where,
                    help="make two items of it",
                )
            elif not kept and draft.whole:
                empty = given[0].key.text if given else None
                yield Diagnostic(
                    code="no-metric",
                    message="this metric does not say what it measures",
                    where=given[0].key.span.where if given else value_place(draft.root, path),
                    help=f"write `{empty}: {{}}`" if empty else "add one, such as `bleuSpec: {}`",
                )


def pairwise_choices_are_counted(project: Project) -> Iterator[Diagnostic]:
    """A choice between two answers has no average: the service gives the commonest."""
    for draft in project.drafts:
        config = evaluation(draft)
        for at, metric in enumerate(config.metrics or () if config else ()):
            if metric.pairwise_metric_spec is None:
                continue
            for number, word in enumerate(metric.aggregation_metrics or ()):
                path = (*_CONFIG, "metrics", at, "aggregationMetrics", number)
                if word != "MODE":
                    yield Diagnostic(
                        code="bad-value",
                        message=f"a pairwise metric is summed up by `MODE` alone, not `{word}`",
                        where=value_place(draft.root, path),
                    )


def _metrics(draft: Draft) -> Iterator[tuple[Path, Mapping]]:
    config = evaluation(draft)
    for at, _ in enumerate(config.metrics or () if config else ()):
        path = (*_CONFIG, "metrics", at)
        node = find(draft.root, path)
        if isinstance(node, Mapping):
            yield path, node
