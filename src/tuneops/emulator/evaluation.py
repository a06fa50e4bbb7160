"""The evaluation runs of a job that asked for them, one for every checkpoint.

No answer is graded here. Scores are drawn from the instance and the names of what is scored, so
that they are the same at every read; their shapes are those of the discovery file.
"""

from collections.abc import Mapping
from typing import Any

from tuneops.emulator import clock
from tuneops.emulator.jobs import Checkpoint, Job
from tuneops.emulator.names import numeric_id
from tuneops.emulator.wire import double

_RESULTS = {
    "pointwiseMetricSpec": "pointwiseMetricResult",
    "exactMatchSpec": "exactMatchMetricValue",
    "bleuSpec": "bleuMetricValue",
    "rougeSpec": "rougeMetricValue",
}


def evaluation_runs(job: Job, instance: str) -> list[dict[str, Any]]:
    """Return `evaluateDatasetRuns` of a finished job; empty without an evaluation config."""
    spec = job.request[job.settled["specKey"]]
    config = spec.get("evaluationConfig")
    if config is None:
        return []
    return [_run(job, instance, checkpoint, spec, config) for checkpoint in job.checkpoints]


def _run(
    job: Job,
    instance: str,
    checkpoint: Checkpoint,
    spec: Mapping[str, Any],
    config: Mapping[str, Any],
) -> dict[str, Any]:
    id = checkpoint.milestone.id
    prefix = config["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
    day = clock.moment(checkpoint.milestone.written).strftime("%Y%m%d")
    run = numeric_id(instance, "evaluation", job.id, id)
    results = _results(config, (instance, job.id, id))
    return {
        "checkpointId": id,
        "evaluationRun": job.scope.name("evaluationRuns", run),
        "evaluateDatasetResponse": {
            "aggregationOutput": {
                "dataset": {"gcsSource": {"uris": [spec["validationDatasetUri"]]}},
                **({"aggregationResults": results} if results else {}),
            },
            "outputInfo": {"gcsOutputDirectory": f"{prefix}/evaluation_{day}_{id}"},
        },
    }


def _results(config: Mapping[str, Any], seed: tuple[str, ...]) -> list[dict[str, Any]]:
    results = []
    for at, metric in enumerate(config["metrics"]):
        kind = next((kind for kind in _RESULTS if kind in metric), None)
        if kind is None:
            continue
        for aggregation in metric.get("aggregationMetrics", ("AVERAGE",)):
            share = int(numeric_id(*seed, str(at), aggregation)) % 1000 / 1000
            score = round(1 + 4 * share, 3) if kind == "pointwiseMetricSpec" else share
            value = {"score": double(score)} if score else {}
            results.append({"aggregationMetric": aggregation, _RESULTS[kind]: value})
    return results
