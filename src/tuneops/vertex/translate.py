"""Our values to the wire and back. Pure.

What is sent is exact: a field that we did not mean is never there, for an absent field tells the
service to decide. What is read keeps what is new to us instead of guessing.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, assert_never

from tuneops.core.labels import OWNER, read_labels
from tuneops.core.observed import (
    Checkpoint,
    DeclaredFields,
    Failure,
    JobState,
    ModelVersion,
    ObservedJob,
)
from tuneops.core.recipe import BaseModel, Concrete, HyperParameters, Method, Pretuned, camel
from tuneops.core.request import JobRequest
from tuneops.http.answers import cap
from tuneops.vertex.names import ModelName
from tuneops.vertex.wire import (
    EvaluateDatasetRun,
    TuningSpec,
    WireCheckpoint,
    WireModel,
    WireTuningJob,
)

_ADAPTER_NAMES = {
    1: "ADAPTER_SIZE_ONE",
    2: "ADAPTER_SIZE_TWO",
    4: "ADAPTER_SIZE_FOUR",
    8: "ADAPTER_SIZE_EIGHT",
    16: "ADAPTER_SIZE_SIXTEEN",
    32: "ADAPTER_SIZE_THIRTY_TWO",
}
_ADAPTER_SIZES = {name: size for size, name in _ADAPTER_NAMES.items()}

_SPEC_FIELDS = {
    Method.SUPERVISED: "supervisedTuningSpec",
    Method.PREFERENCE: "preferenceOptimizationSpec",
}

_STATE_PREFIX = "JOB_STATE_"

NO_TIME = datetime(9999, 1, 1, tzinfo=UTC)
"""The creation of a job that shows no time at all: the youngest, so that it displaces no other."""


def to_body(request: JobRequest) -> dict[str, Any]:
    """The body of `tuningJobs.create`. int64 go as text, the other numbers as numbers."""
    body: dict[str, Any] = {
        **_source(request.source),
        _SPEC_FIELDS[request.method]: _tuning_spec(request),
    }
    if request.display_name is not None:
        body["tunedModelDisplayName"] = request.display_name
    if request.description:
        body["description"] = request.description
    if request.labels:
        body["labels"] = dict(request.labels)
    if request.encryption_key is not None:
        body["encryptionSpec"] = {"kmsKeyName": request.encryption_key}
    if request.service_account is not None:
        body["serviceAccount"] = request.service_account
    return body


def from_wire(value: Mapping[str, Any]) -> ObservedJob:
    """Read a `TuningJob`; ValueError when a field that we know has not the shape that we know."""
    return observed_job(WireTuningJob.model_validate(value))


def observed_job(wire: WireTuningJob) -> ObservedJob:
    """The job that the service showed us."""
    raw_state = str(wire.state)
    created = wire.create_time or wire.update_time or NO_TIME
    return ObservedJob(
        name=wire.name,
        state=_state(raw_state),
        created=created.astimezone(UTC),
        ended=wire.end_time and wire.end_time.astimezone(UTC),
        ownership=read_labels(wire.labels),
        fields=_declared(wire),
        description=wire.description,
        display_name=wire.tuned_model_display_name,
        model=wire.tuned_model.model or None,
        endpoint=wire.tuned_model.endpoint or None,
        checkpoints=checkpoints(wire.tuned_model.checkpoints),
        failure=_failure(wire),
        billable_tokens=_billable_tokens(wire),
        raw_state=raw_state,
        updated=wire.update_time and wire.update_time.astimezone(UTC),
        started=wire.start_time and wire.start_time.astimezone(UTC),
        data_read=_data_read(wire),
        experiment=wire.experiment or None,
        evaluation=_method(wire)[1].evaluation_config,
        scores=_scores(wire.evaluate_dataset_runs),
    )


def checkpoints(wires: tuple[WireCheckpoint, ...]) -> dict[str, Checkpoint]:
    """Checkpoints by id."""
    return {
        wire.checkpoint_id: Checkpoint(
            epoch=wire.epoch, step=wire.step, endpoint=wire.endpoint or None
        )
        for wire in wires
    }


def model_version(wire: WireModel) -> tuple[str, ModelVersion]:
    """A version by its number; ValueError when the answer does not say which version it is."""
    name = ModelName.parse(wire.name)
    version = wire.version_id or (name and name.version)
    if name is None or not version or name.version not in (None, version):
        raise ValueError(f"`{cap(wire.name)}` does not say which version it is")
    return version, ModelVersion(
        name=f"{name.base}@{version}",
        display_name=wire.display_name,
        default_checkpoint=wire.default_checkpoint_id or None,
        aliases=wire.version_aliases,
        created=wire.version_create_time,
        etag=wire.etag,
        deployed=tuple(sorted({one.endpoint for one in wire.deployed_models})),
        shown=_tuning(wire),
        checkpoints=_served(wire),
        owner=wire.labels.get(OWNER),
    )


TUNED = ("tune-type", "google-vertex-llm-tuning-job-id", "google-vertex-llm-tuning-base-model-id")
"""Labels that only tuned models have; the first is how Google's own client lists them."""

_KINDS = {"sft": Method.SUPERVISED, "preference": Method.PREFERENCE}
"""Values of `tune-type`; no document lists them, so that others say nothing."""


def is_tuned(wire: WireModel) -> bool:
    """Say whether a version shows in any way that it came of tuning."""
    labelled = any(label in wire.labels for label in TUNED)
    return labelled or wire.base_model_source.genie_source is not None


def _tuning(wire: WireModel) -> DeclaredFields | None:
    """What a version shows of its tuning; None where it shows none.

    The base model is read from its source: in the label, the service spells it in its own way.
    """
    if not is_tuned(wire):
        return None
    genie = wire.base_model_source.genie_source
    kind = _KINDS.get(wire.labels.get("tune-type", ""))
    base = genie.base_model_uri.rpartition("/")[2] if genie else ""
    return DeclaredFields(
        method=kind.value if kind else None,
        base_model=base or None,
        encryption_key=wire.encryption_spec.kms_key_name,
        epoch_count=max((one.epoch for one in wire.checkpoints), default=0) or None,
    )


def _served(wire: WireModel) -> dict[str, Checkpoint]:
    """The checkpoints of a version, with the endpoints that serve them."""
    places = {one.checkpoint_id: one.endpoint or None for one in wire.deployed_models}
    return {
        name: replace(found, endpoint=found.endpoint or places.get(name))
        for name, found in checkpoints(wire.checkpoints).items()
    }


def _source(source: Concrete) -> dict[str, Any]:
    match source:
        case BaseModel():
            return {"baseModel": source.base_model}
        case Pretuned():
            return {
                "preTunedModel": {
                    "tunedModelName": source.model,
                    "checkpointId": source.checkpoint,
                }
            }
    assert_never(source)


def _tuning_spec(request: JobRequest) -> dict[str, Any]:
    spec: dict[str, Any] = {"trainingDatasetUri": request.training_uri}
    if request.validation_uri is not None:
        spec["validationDatasetUri"] = request.validation_uri
    hyper_parameters = _hyper_parameters(request.hyper_parameters)
    if hyper_parameters:
        spec["hyperParameters"] = hyper_parameters
    if request.last_checkpoint_only:
        spec["exportLastCheckpointOnly"] = True
    if request.evaluation_config is not None:
        spec["evaluationConfig"] = _listed(request.evaluation_config)
    return spec


def _listed(value: Any) -> Any:
    """JSON as the encoder and its readers have it: lists for tuples, dictionaries for mappings."""
    match value:
        case Mapping():
            return {name: _listed(item) for name, item in value.items()}
        case tuple() | list():
            return [_listed(item) for item in value]
        case _:
            return value


def _hyper_parameters(declared: HyperParameters) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if declared.epoch_count is not None:
        fields["epochCount"] = str(declared.epoch_count)
    if declared.learning_rate_multiplier is not None:
        fields["learningRateMultiplier"] = float(declared.learning_rate_multiplier)
    if declared.adapter_size is not None:
        fields["adapterSize"] = _ADAPTER_NAMES[declared.adapter_size]
    if declared.beta is not None:
        fields["beta"] = float(declared.beta)
    return fields


def _state(raw: str) -> JobState:
    word = raw.removeprefix(_STATE_PREFIX)
    return JobState(word) if word in JobState.__members__ else JobState.UNKNOWN


def _declared(wire: WireTuningJob) -> DeclaredFields:
    method, spec = _method(wire)
    source = wire.pre_tuned_model
    return DeclaredFields(
        method=method,
        base_model=wire.base_model or None,
        pretuned_model=(source and source.tuned_model_name) or None,
        checkpoint=(source and source.checkpoint_id) or None,
        training_uri=spec.training_dataset_uri or None,
        epoch_count=spec.hyper_parameters.epoch_count,
        adapter_size=_ADAPTER_SIZES.get(spec.hyper_parameters.adapter_size or ""),
        learning_rate_multiplier=spec.hyper_parameters.learning_rate_multiplier,
        beta=spec.hyper_parameters.beta,
        encryption_key=wire.encryption_spec.kms_key_name or None,
        validation_uri=spec.validation_dataset_uri or None,
        last_checkpoint_only=spec.export_last_checkpoint_only,
        service_account=wire.service_account or None,
    )


def _method(wire: WireTuningJob) -> tuple[str | None, TuningSpec]:
    if wire.supervised_tuning_spec is not None:
        return Method.SUPERVISED.value, wire.supervised_tuning_spec
    if wire.preference_optimization_spec is not None:
        return Method.PREFERENCE.value, wire.preference_optimization_spec
    return None, TuningSpec()  # a method of v1beta1: not ours to compare


def _billable_tokens(wire: WireTuningJob) -> int | None:
    stats = wire.tuning_data_stats
    counted = stats.supervised_tuning_data_stats or stats.preference_optimization_data_stats
    return counted.total_billable_token_count if counted else None


def _data_read(wire: WireTuningJob) -> bool:
    stats = wire.tuning_data_stats
    both = (stats.supervised_tuning_data_stats, stats.preference_optimization_data_stats)
    return any(counted is not None for counted in both)


def _scores(runs: tuple[EvaluateDatasetRun, ...]) -> dict[str, dict[str, float]]:
    """The scores of every checkpoint; one that comes twice for a checkpoint is nobody's."""
    found: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        if run.error is not None and run.error.code:
            continue
        for result in run.evaluate_dataset_response.aggregation_output.aggregation_results:
            for kind in ("pointwise", "exact_match", "bleu", "rouge"):
                ending = "result" if kind == "pointwise" else "value"
                score = getattr(result, f"{kind}_metric_{ending}")
                if score is not None:
                    name = f"{camel(kind)}/{result.aggregation_metric}"
                    of_checkpoint = found.setdefault(name, {}).setdefault(run.checkpoint_id, [])
                    of_checkpoint.append(score.score)
    return {
        name: {id: values[0] for id, values in scores.items() if len(values) == 1}
        for name, scores in found.items()
    }


def _failure(wire: WireTuningJob) -> Failure | None:
    if wire.error is None:
        return None
    return Failure(code=wire.error.code, message=cap(wire.error.message))
