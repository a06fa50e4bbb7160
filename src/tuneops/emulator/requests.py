"""Are the values of a create request usable, before anything is looked up.

Every fault is told at once, by its proto path. Limits are those of the field comments; where
those are silent about TuningJob the rules for its sibling resources hold.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from tuneops.emulator.errors import not_found, unacceptable
from tuneops.emulator.names import Scope
from tuneops.emulator.schema import ONEOFS
from tuneops.emulator.wire import snake

Fault = tuple[str, str]

_PATHS = {
    "supervised": "tuning_job.supervised_tuning_spec",
    "preference": "tuning_job.preference_optimization_spec",
}
_KEY = re.compile(r"projects/[^/]+/locations/(?P<location>[^/]+)/keyRings/[^/]+/cryptoKeys/[^/]+")
_DATASET = re.compile(r"projects/[^/]+/locations/[^/]+/datasets/[^/]+")
_ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LABELS = 64


def dataset_path(method: str, field: str) -> str:
    """Return the proto path of a dataset field of a method's specification."""
    return f"{_PATHS[method]}.{snake(field)}"


def check_request(request: Mapping[str, Any], scope: Scope) -> None:
    """Refuse a request that cannot be right, whatever exists."""
    faults = [
        *_source_faults(request),
        *_specification_faults(request),
        *_metadata_faults(request),
        *_encryption_faults(request, scope),
    ]
    if faults:
        raise unacceptable(faults)
    spec = request.get("supervisedTuningSpec", {})
    for field in ("trainingDatasetUri", "validationDatasetUri"):
        if _DATASET.fullmatch(spec.get(field, "")):
            raise not_found("dataset", spec[field])


def label_faults(labels: Mapping[str, str], path: str) -> Iterator[Fault]:
    """Yield what is wrong with user labels: length, characters, number."""
    if len(labels) > _LABELS:
        yield path, f"at most {_LABELS} labels are allowed, got {len(labels)}."
    for key, value in labels.items():
        if not key or not key[0].isalpha():
            yield path, f'label key "{key}" must start with a letter.'
        for kind, text in (("key", key), ("value", value)):
            if len(text) > 64:
                yield path, f'label {kind} "{text}" is longer than 64 characters.'
            if not all(_labels_allow(character) for character in text):
                yield (
                    path,
                    f'label {kind} "{text}" may hold lower-case letters, digits, "_" and "-" only.',
                )


def _labels_allow(character: str) -> bool:
    return character in "_-" or unicodedata.category(character) in ("Ll", "Lo", "Lm", "Mn", "Nd")


def _source_faults(request: Mapping[str, Any]) -> Iterator[Fault]:
    if "baseModel" not in request and "preTunedModel" not in request:
        yield "tuning_job.base_model", "one of base_model and pre_tuned_model must be set."
    if "preTunedModel" in request and not request["preTunedModel"].get("tunedModelName"):
        yield "tuning_job.pre_tuned_model.tuned_model_name", "the field is required."


def _specification_faults(request: Mapping[str, Any]) -> Iterator[Fault]:
    if "supervisedTuningSpec" in request:
        yield from _data_faults(request["supervisedTuningSpec"], "supervised")
        yield from _evaluation_faults(request["supervisedTuningSpec"])
    elif "preferenceOptimizationSpec" in request:
        yield from _data_faults(request["preferenceOptimizationSpec"], "preference")
    else:
        yield "tuning_job", "a tuning specification must be set."


def _data_faults(spec: Mapping[str, Any], method: str) -> Iterator[Fault]:
    for field in ("trainingDatasetUri", "validationDatasetUri"):
        uri = spec.get(field)
        path = dataset_path(method, field)
        name = snake(field)
        if uri is None:
            if field == "trainingDatasetUri":
                yield path, f"{name} is required."
        elif method == "supervised" and _DATASET.fullmatch(uri):
            continue
        elif not uri.startswith("gs://") or not uri.endswith(".jsonl"):
            yield path, f"{name} should be a GCS object of type JSONL."
    hyper = spec.get("hyperParameters", {})
    path = f"{_PATHS[method]}.hyper_parameters"
    for field in ("epochCount", "learningRateMultiplier", "beta"):
        if float(hyper.get(field, 0)) < 0:
            yield f"{path}.{snake(field)}", f"{snake(field)} must not be negative."


def _evaluation_faults(spec: Mapping[str, Any]) -> Iterator[Fault]:
    config = spec.get("evaluationConfig")
    if config is None:
        return
    path = "tuning_job.supervised_tuning_spec.evaluation_config"
    if "validationDatasetUri" not in spec:
        yield path, "an evaluation needs a validation dataset."
    if not config.get("metrics"):
        yield f"{path}.metrics", "at least one metric is required."
    destination = config.get("outputConfig", {}).get("gcsDestination", {})
    if not destination.get("outputUriPrefix", "").startswith("gs://"):
        yield f"{path}.output_config", "gcs_destination.output_uri_prefix is required."
    if not 0 <= config.get("autoraterConfig", {}).get("samplingCount", 0) <= 32:
        yield f"{path}.autorater_config.sampling_count", "must be from 1 to 32."
    for at, metric in enumerate(config.get("metrics", ())):
        yield from _metric_faults(metric, f"{path}.metrics[{at}]")


def _metric_faults(metric: Mapping[str, Any], path: str) -> Iterator[Fault]:
    if not any(kind in metric for kind in ONEOFS["Metric"]["metric_spec"]):
        yield path, "a metric specification must be set."
    for kind in ("pointwiseMetricSpec", "pairwiseMetricSpec"):
        if kind in metric and not metric[kind].get("metricPromptTemplate"):
            yield f"{path}.{snake(kind)}.metric_prompt_template", "the field is required."
    aggregations = metric.get("aggregationMetrics", ())
    if "pairwiseMetricSpec" in metric and any(value != "MODE" for value in aggregations):
        yield f"{path}.aggregation_metrics", "pairwise metrics support MODE only."


def _metadata_faults(request: Mapping[str, Any]) -> Iterator[Fault]:
    if len(request.get("tunedModelDisplayName", "")) > 128:
        yield "tuning_job.tuned_model_display_name", "at most 128 characters are allowed."
    account = request.get("serviceAccount")
    if account is not None and not _ACCOUNT.fullmatch(account):
        yield "tuning_job.service_account", "must be the e-mail address of a service account."
    yield from label_faults(request.get("labels", {}), "tuning_job.labels")


def _encryption_faults(request: Mapping[str, Any], scope: Scope) -> Iterator[Fault]:
    if "encryptionSpec" not in request:
        return
    path = "tuning_job.encryption_spec.kms_key_name"
    match = _KEY.fullmatch(request["encryptionSpec"].get("kmsKeyName", ""))
    if match is None:
        yield path, "must be projects/P/locations/L/keyRings/R/cryptoKeys/K."
    elif match["location"] != scope.location:
        yield path, f"the key must be in {scope.location}, where the job runs."
