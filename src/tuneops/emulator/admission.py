"""May this job be created, and what is settled at that moment.

A request that passes becomes the body of an event: the request as it will be echoed, and
everything that reads must not look up again, such as the resolved source, the analysis of the
dataset and the hyperparameters to be used. Checks follow the order of the service's own answers
where one is known: shape, values, models, data.
"""

from collections.abc import Mapping
from typing import Any

from tuneops.emulator import clock
from tuneops.emulator.datasets import Analysis, analyse, validation_failure
from tuneops.emulator.errors import exhausted, invalid, not_found, unacceptable
from tuneops.emulator.ledger import View
from tuneops.emulator.lifecycle import default_epochs, pending_time
from tuneops.emulator.models import (
    ADAPTER_SIZES,
    BASE_MODELS,
    PREFERENCE,
    SUPERVISED,
    BaseModel,
)
from tuneops.emulator.names import Scope, numeric_id, opaque_uuid
from tuneops.emulator.objects import split_uri
from tuneops.emulator.quota import METRIC
from tuneops.emulator.requests import check_request, dataset_path
from tuneops.emulator.settings import Settings
from tuneops.emulator.sources import Source, resolve_source

_SPECS = {"supervisedTuningSpec": SUPERVISED, "preferenceOptimizationSpec": PREFERENCE}
_DEFAULT_BETA = 0.1


def admit(
    request: dict[str, Any], scope: Scope, view: View, settings: Settings
) -> tuple[str, dict[str, Any]]:
    """Return the id of the new job and the body of its event, or refuse the request."""
    if scope.location == "global":
        raise not_found("location", f"projects/{scope.project}/locations/global")
    check_request(request, scope)
    key, method = next((key, method) for key, method in _SPECS.items() if key in request)
    source = None
    if "preTunedModel" in request:
        source = resolve_source(request, scope, view, settings)
        model = BASE_MODELS[source.base_model]
    else:
        model = _base_model(request["baseModel"], view.born)
    _check_model(model, method, request, scope, source is not None)
    _check_step(request, source, settings)
    spec = request[key]
    training, failure = _analyse(spec, method, model, view)
    hyper = _hyper_parameters(spec, method, model, source, training.kept)
    sequence = str(len(view.world.jobs) + 1)
    id = numeric_id(view.world.instance, "job", sequence)
    settled = {
        "method": method,
        "specKey": key,
        "baseModel": model.id,
        "displayName": _display_name(request, source, view.world.instance, sequence),
        "destination": _destination(request, source),
        "servingLocation": model.serving_location(scope.location),
        "hyperParameters": hyper,
        "epochs": int(hyper["epochCount"]),
        "lastOnly": bool(spec.get("exportLastCheckpointOnly")),
        "examples": training.kept,
        "stats": training.stats,
        "failure": failure,
        "pending": pending_time(spec),
        "systemLabels": _system_labels(model, id, method),
        "copyLabels": settings.copy_labels,
        "fate": None,
        "slotless": False,
    }
    settled |= _quota(scope, view)
    return id, {"request": _echo(request, source, settings), "settled": settled}


def _quota(scope: Scope, view: View) -> dict[str, Any]:
    """Apply the limit of concurrent jobs: refuse, or settle how the job fails; queues wait."""
    slots = view.world.slots
    busy = slots.busy(scope.project)
    if slots.quota.is_exceeded("reject", busy):
        raise exhausted(f"projects/{scope.project}", METRIC, str(slots.quota.limit))
    if slots.quota.is_exceeded("fail", busy):
        return {"fate": {"kind": "fail", "value": "8", "place": "pending"}, "slotless": True}
    return {}


def _base_model(name: str, born: int) -> BaseModel:
    if "/" in name or "@" in name:
        raise invalid(f"Base model {name} is not the name of a publisher model.")
    model = BASE_MODELS.get(name)
    # Retirement goes by the wall clock when this world began, so that no test can outlive a model.
    if model is None or (model.retired and clock.moment(born).date() >= model.retired):
        raise not_found("publisher model", f"publishers/google/models/{name}")
    return model


def _check_model(
    model: BaseModel, method: str, request: Mapping[str, Any], scope: Scope, continued: bool
) -> None:
    if method not in model.methods:
        raise invalid(f"Base model {model.id} does not support {method} tuning.")
    if continued and not model.continuous:
        raise invalid(f"Base model {model.id} does not support continuous tuning.")
    if scope.location not in model.regions:
        raise invalid(f"Base model {model.id} cannot be tuned in {scope.location}.")
    if "encryptionSpec" in request and not model.encryption:
        raise invalid(f"Base model {model.id} does not support customer-managed encryption keys.")
    key = next(key for key in _SPECS if key in request)
    size = request[key].get("hyperParameters", {}).get("adapterSize")
    if size is not None and ADAPTER_SIZES[size] not in model.adapter_sizes:
        raise invalid("The adapter size is not supported for this base model.")


def _check_step(request: Mapping[str, Any], source: Source | None, settings: Settings) -> None:
    """Refuse another adapter size than the source's, when the emulator is told to be strict."""
    if source is None or not settings.strict_adapter_size:
        return
    key = next(key for key in _SPECS if key in request)
    asked = request[key].get("hyperParameters", {}).get("adapterSize", source.adapter_size)
    if asked != source.adapter_size:
        raise invalid("The adapter size is not supported for this base model.")


def _analyse(
    spec: Mapping[str, Any], method: str, model: BaseModel, view: View
) -> tuple[Analysis, dict[str, Any] | None]:
    """Read the datasets as they are now; what is wrong inside them ends the job later."""
    contents: dict[str, bytes] = {}
    faults = []
    for field in ("trainingDatasetUri", "validationDatasetUri"):
        uri = spec.get(field)
        if uri is None:
            continue
        content = _content(uri, view)
        if content is None:
            path = dataset_path(method, field)
            last = path.rpartition(".")[2]
            faults.append((path, f"{last} should be a GCS object of type JSONL."))
        else:
            contents[field] = content
    if faults:
        raise unacceptable(faults)
    results = {
        field: analyse(content, method=method, uri=spec[field], model=model)
        for field, content in contents.items()
    }
    training = results["trainingDatasetUri"]
    failure = training.failure
    if failure is None and "validationDatasetUri" in results:
        uri = spec["validationDatasetUri"]
        failure = validation_failure(training, results["validationDatasetUri"], uri, model)
    if failure is None:
        return training, None
    return training, {"code": failure.code, "message": failure.message}


def _content(uri: str, view: View) -> bytes | None:
    place = split_uri(uri)
    if place is None or not place[1].endswith(".jsonl"):
        return None
    return view.objects.content(*place)


def _hyper_parameters(
    spec: Mapping[str, Any],
    method: str,
    model: BaseModel,
    source: Source | None,
    examples: int,
) -> dict[str, Any]:
    """Return the hyperparameters that will be used, as the running job shows them.

    A continuation that names no adapter size keeps its source's: our choice, undocumented.
    """
    asked = spec.get("hyperParameters", {})
    inherited = source.adapter_size if source else None
    result: dict[str, Any] = {
        "epochCount": asked.get("epochCount") or str(default_epochs(examples)),
        "learningRateMultiplier": asked.get("learningRateMultiplier", 1),
        "adapterSize": asked.get("adapterSize") or inherited or model.default_adapter_size,
    }
    if method == PREFERENCE:
        result["beta"] = asked.get("beta", _DEFAULT_BETA)
    return result


def _display_name(
    request: Mapping[str, Any], source: Source | None, instance: str, sequence: str
) -> str:
    given = request.get("tunedModelDisplayName")
    if given:
        return str(given)
    if source is not None:
        return source.display_name
    return f"{request['baseModel']}-{opaque_uuid(instance, 'name', sequence)}"


def _destination(request: Mapping[str, Any], source: Source | None) -> str | None:
    """Return the model that gets a new version; None when a new model is to be made."""
    if source is None:
        return None
    given = request.get("tunedModelDisplayName", source.display_name)
    return source.model if given == source.display_name else None


def _system_labels(model: BaseModel, id: str, method: str) -> dict[str, str]:
    return {
        "google-vertex-llm-tuning-base-model-id": model.id.replace(".", "_"),
        "google-vertex-llm-tuning-job-id": id,
        "tune-type": "sft" if method == SUPERVISED else "preference",
    }


def _echo(request: dict[str, Any], source: Source | None, settings: Settings) -> dict[str, Any]:
    """Return the request as it is shown from now on: a source with nothing left open.

    Whether the service resolves it is not documented, so a switch leaves it as it was asked.
    """
    if source is None:
        return request
    echo = source.echo()
    if settings.verbatim_source:
        echo = {**request["preTunedModel"], "baseModel": source.base_model}
    return {**request, "preTunedModel": echo}
