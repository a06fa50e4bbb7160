"""Resources as JSON at an instant: canonical names, int64 as text, defaults left out.

Nothing here decides anything; the lifecycle and the registry did.
"""

from collections.abc import Mapping
from typing import Any

from tuneops.emulator import clock
from tuneops.emulator.evaluation import evaluation_runs
from tuneops.emulator.jobs import Checkpoint, Job
from tuneops.emulator.lifecycle import (
    PARTIALLY_SUCCEEDED,
    RUNNING,
    SUCCEEDED,
    Standing,
    completed,
)
from tuneops.emulator.names import opaque_tag
from tuneops.emulator.registry import Endpoint, Model, Version, World

_SUCCESSES = (SUCCEEDED, PARTIALLY_SUCCEEDED)


def pruned(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource without the fields that hold their default value."""
    return {name: value for name, value in resource.items() if value not in (None, "", [], {})}


def job_json(job: Job, world: World, now: int, *, beta: bool) -> dict[str, Any]:
    """Return a tuning job as `get` and `list` answer it; `beta` adds the progress fields."""
    standing = job.standing(now)
    request = job.request
    resource: dict[str, Any] = {
        "name": job.scope.name("tuningJobs", job.id),
        "tunedModelDisplayName": job.display_name,
        "description": request.get("description"),
        "baseModel": request.get("baseModel"),
        "preTunedModel": request.get("preTunedModel"),
        job.settled["specKey"]: _specification(job, standing),
        "state": standing.state,
        "createTime": clock.rfc3339(job.life.created),
        "startTime": standing.started and clock.rfc3339(standing.started),
        "endTime": standing.ended and clock.rfc3339(standing.ended),
        "updateTime": clock.rfc3339(standing.updated),
        "error": _error(standing),
        "labels": request.get("labels"),
        "experiment": standing.started and experiment_name(job, standing.started),
        "tunedModel": _tuned_model(job, standing, world, now),
        "tuningDataStats": _stats(job, standing),
        "encryptionSpec": request.get("encryptionSpec"),
        "serviceAccount": request.get("serviceAccount"),
    }
    if standing.state in _SUCCESSES:
        resource["evaluateDatasetRuns"] = evaluation_runs(job, world.instance)
    if beta and standing.state == RUNNING:
        epochs, steps = completed(job.life, standing.progress)
        counts = {"completedEpochCount": epochs, "completedStepCount": steps}
        resource["tuningJobState"] = standing.detail
        resource["tuningJobMetadata"] = {name: str(n) for name, n in counts.items() if n}
    return pruned(resource)


def _specification(job: Job, standing: Standing) -> dict[str, Any]:
    """Return the specification; a job that has started shows the hyperparameters it uses."""
    spec = dict(job.request[job.settled["specKey"]])
    if standing.started is not None:
        spec["hyperParameters"] = job.settled["hyperParameters"]
    return spec


def _error(standing: Standing) -> dict[str, Any] | None:
    if standing.error is None:
        return None
    return {"code": standing.error.code, "message": standing.error.message}


def experiment_name(job: Job, started: int) -> str:
    """Return the name of the experiment that a job makes when it starts.

    The stamp is of the start, as on a real job; its last digits keep jobs of one instant apart.
    """
    stamp = clock.moment(started + job.sequence).strftime("%Y%m%d%H%M%S%f")
    return job.scope.name("metadataStores", f"default/contexts/tuning-experiment-{stamp}")


def _stats(job: Job, standing: Standing) -> dict[str, Any] | None:
    if not job.settled["stats"] or standing.progress < job.life.processed:
        return None
    (kind, stats), *_ = job.settled["stats"].items()
    return {kind: {**stats, "tuningStepCount": str(job.life.steps)}}


def _tuned_model(job: Job, standing: Standing, world: World, now: int) -> dict[str, Any] | None:
    """Return what the job has made: checkpoints as they come, the model at the end.

    Nothing is shown of a job that ended without a model: what stays of it is not documented.
    """
    if not standing.active and job.produced is None:
        return None
    result: dict[str, Any] = {}
    if job.produced is not None:
        model, number = job.produced
        result["model"] = job.scope.name("models", f"{model}@{number}")
        version = world.version_of(job)
        chosen = version.checkpoint(version.default_checkpoint) if version else None
        if chosen is not None and world.is_deployed(job, chosen, now):
            result["endpoint"] = job.serving.name("endpoints", chosen.endpoint)
    if not job.settled["lastOnly"]:
        result["checkpoints"] = [
            pruned(
                {
                    **checkpoint_json(checkpoint),
                    "endpoint": job.serving.name("endpoints", checkpoint.endpoint)
                    if _is_served(checkpoint, standing)
                    else None,
                }
            )
            for checkpoint in job.checkpoints
            if checkpoint.milestone.written <= standing.progress
        ]
    return pruned(result)


def _is_served(checkpoint: Checkpoint, standing: Standing) -> bool:
    return not checkpoint.lacks_endpoint and checkpoint.milestone.served <= standing.progress


def checkpoint_json(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint without its endpoint, as models list it."""
    milestone = checkpoint.milestone
    return {
        "checkpointId": milestone.id,
        "epoch": str(milestone.epoch),
        "step": str(milestone.step),
    }


def model_json(model: Model, version: Version, world: World, now: int) -> dict[str, Any]:
    """Return one version of a model; labels of the model and the version are merged."""
    job = version.job
    base = job.settled["baseModel"]
    return pruned(
        {
            "name": model.scope.name("models", f"{model.id}@{version.number}"),
            "displayName": model.display_name,
            "description": model.description,
            "versionDescription": version.description,
            "versionId": str(version.number),
            "versionAliases": sorted(
                alias for alias, number in model.aliases.items() if number == version.number
            ),
            "versionCreateTime": clock.rfc3339(version.created),
            "versionUpdateTime": clock.rfc3339(version.updated),
            "createTime": clock.rfc3339(model.created),
            "updateTime": clock.rfc3339(model.updated),
            "etag": etag(model, version, world),
            "labels": {**model.labels, **version.labels},
            "defaultCheckpointId": version.default_checkpoint,
            "checkpoints": [checkpoint_json(checkpoint) for checkpoint in job.checkpoints],
            "deployedModels": [
                {
                    "endpoint": job.serving.name("endpoints", checkpoint.endpoint),
                    "deployedModelId": checkpoint.deployment,
                    "checkpointId": checkpoint.milestone.id,
                }
                for checkpoint in job.checkpoints
                if world.is_deployed(job, checkpoint, now)
            ],
            "supportedDeploymentResourcesTypes": ["SHARED_RESOURCES"],
            "modelSourceInfo": {"sourceType": "GENIE"},
            "baseModelSource": {
                "genieSource": {"baseModelUri": f"publishers/google/models/{base}"}
            },
            "encryptionSpec": job.request.get("encryptionSpec"),
        }
    )


def etag(model: Model, version: Version, world: World) -> str:
    """Return the etag of a version: another after every change to it or to its model."""
    revisions = (str(model.revision), str(version.revision))
    return opaque_tag(world.instance, model.id, str(version.number), *revisions)


def is_visible(endpoint: Endpoint, world: World, now: int) -> bool:
    """Tell whether an endpoint has been made by `now`; a job without a model leaves none."""
    job = world.jobs[endpoint.job]
    standing = job.standing(now)
    kept = standing.active or job.produced is not None
    return kept and _is_served(_checkpoint(endpoint, job), standing)


def endpoint_json(endpoint: Endpoint, world: World, now: int) -> dict[str, Any]:
    """Return an endpoint; its model is there once the job has registered it."""
    job = world.jobs[endpoint.job]
    checkpoint = _checkpoint(endpoint, job)
    made = clock.rfc3339(checkpoint.milestone.served)
    deployed = world.is_deployed(job, checkpoint, now)
    updated = job.life.ended if deployed else checkpoint.milestone.served
    return pruned(
        {
            "name": endpoint.scope.name("endpoints", endpoint.id),
            "displayName": job.display_name,
            "deployedModels": [_deployment(job, checkpoint)] if deployed else [],
            "trafficSplit": {checkpoint.deployment: 100} if deployed else {},
            "labels": job.labels,
            "etag": opaque_tag(world.instance, endpoint.id, str(deployed)),
            "createTime": made,
            "updateTime": clock.rfc3339(updated),
        }
    )


def _deployment(job: Job, checkpoint: Checkpoint) -> dict[str, Any]:
    assert job.produced is not None
    model, number = job.produced
    return {
        "id": checkpoint.deployment,
        "model": job.scope.name("models", model),
        "modelVersionId": str(number),
        "checkpointId": checkpoint.milestone.id,
        "displayName": job.display_name,
        "createTime": clock.rfc3339(job.life.ended),
    }


def _checkpoint(endpoint: Endpoint, job: Job) -> Checkpoint:
    return next(c for c in job.checkpoints if c.endpoint == endpoint.id)
