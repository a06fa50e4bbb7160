"""The experiment of a job as Google's clients find it: contexts, an artifact, a TensorBoard run.

`TuningJob.experiment` names a context of schema `system.Experiment`. Its children are contexts of
schema `system.ExperimentRun`: one of the tuning, whose artifact `...-tb-run` names the run that
holds the time series, and one for every evaluated checkpoint, `tuning-evaluation-checkpoint-N`,
with the aggregated values as metrics (names from Google's evaluation notebook; ids are ours).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tuneops.emulator import clock
from tuneops.emulator.evaluation import evaluation_runs
from tuneops.emulator.jobs import Job
from tuneops.emulator.ledger import View
from tuneops.emulator.lifecycle import PARTIALLY_SUCCEEDED, SUCCEEDED, TERMINAL
from tuneops.emulator.names import Scope, numeric_id, opaque_tag
from tuneops.emulator.views import experiment_name

EXPERIMENT = "system.Experiment"
RUN = "system.ExperimentRun"
STORE = "default"
_TENSORBOARD_RUN = "google.VertexTensorboardRun"
_ENDED_WELL = (SUCCEEDED, PARTIALLY_SUCCEEDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A job that has started, and the names that belong to it."""

    job: Job
    name: str
    tensorboard: str
    started: int

    @property
    def id(self) -> str:
        """The last segment of its name."""
        return self.name.rpartition("/")[2]

    @property
    def run_id(self) -> str:
        """The id of its run in the TensorBoard; with the experiment's before it, of the context."""
        return self.id.replace("tuning-experiment", "tuning-experiment-run")

    @property
    def run_name(self) -> str:
        """The name of its run in the TensorBoard."""
        return f"{self.tensorboard}/experiments/{self.id}/runs/{self.run_id}"


def tensorboard_id(view: View, scope: Scope) -> str:
    """Return the id of the one TensorBoard of a project and location."""
    return numeric_id(view.world.instance, "tensorboard", scope.project, scope.location)


def experiments(view: View, scope: Scope) -> Iterator[Experiment]:
    """Yield the experiments of a project and location, newest first."""
    tensorboard = scope.name("tensorboards", tensorboard_id(view, scope))
    for job in view.world.jobs_in(scope):
        started = job.standing(view.instant).started
        if started is not None:
            yield Experiment(
                job=job,
                name=experiment_name(job, started),
                tensorboard=tensorboard,
                started=started,
            )


def contexts(view: View, experiment: Experiment) -> Iterator[dict[str, Any]]:
    """Yield the contexts of an experiment: itself, the run of the tuning, evaluations."""
    at, job = experiment.started, experiment.job
    metadata = {
        "experiment_deleted": False,
        "backing_tensorboard_resource": experiment.tensorboard,
    }
    yield _node(view, experiment.name, experiment.id, EXPERIMENT, metadata, at)
    prefix, parents = f"{experiment.name}-", {"parentContexts": [experiment.name]}
    state = job.standing(view.instant).state
    shown = "RUNNING" if state not in TERMINAL else "FAILED"
    run = {"_params": {}, "_metrics": {}, "_state": "COMPLETE" if state in _ENDED_WELL else shown}
    name = f"{prefix}{experiment.run_id}"
    yield {**_node(view, name, experiment.run_id, RUN, run, at), **parents}
    for result in evaluation_runs(job, view.world.instance) if state in _ENDED_WELL else ():
        id = f"tuning-evaluation-checkpoint-{result['checkpointId']}"
        metadata = {"_params": {}, "_metrics": _scores(result), "_state": "COMPLETE"}
        yield {**_node(view, f"{prefix}{id}", id, RUN, metadata, job.life.ended), **parents}


def run_artifact(view: View, experiment: Experiment) -> dict[str, Any]:
    """Return the artifact through which a run's context leads to its time series."""
    id = f"{experiment.id}-{experiment.run_id}-tb-run"
    name = experiment.job.scope.name("metadataStores", f"{STORE}/artifacts/{id}")
    metadata = {"resourceName": experiment.run_name, "vertex_experiment_tracking": True}
    node = _node(view, name, experiment.run_id, _TENSORBOARD_RUN, metadata, experiment.started)
    return {**node, "state": "LIVE"}


def _scores(result: dict[str, Any]) -> dict[str, float]:
    output = result["evaluateDatasetResponse"]["aggregationOutput"]
    scores = {}
    for item in output.get("aggregationResults", ()):
        (kind,) = (key for key in item if key != "aggregationMetric")
        metric = kind.removesuffix("Value").removesuffix("Result").removesuffix("Metric")
        scores[f"{metric}/{item['aggregationMetric']}"] = item[kind].get("score", 0)
    return scores


def _node(
    view: View, name: str, display: str, schema: str, metadata: dict[str, Any], at: int
) -> dict[str, Any]:
    return {
        "name": name,
        "displayName": display,
        "etag": opaque_tag(view.world.instance, name),
        "createTime": clock.rfc3339(at),
        "updateTime": clock.rfc3339(at),
        "schemaTitle": schema,
        "schemaVersion": "0.0.1",
        "metadata": metadata,
    }
