import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneops.core.labels import job_labels
from tuneops.core.observed import Checkpoint, DeclaredFields, Failure, JobState, Ownership
from tuneops.core.recipe import BaseModel, HyperParameters, Method, Pretuned
from tuneops.core.request import JobRequest
from tuneops.vertex.translate import NO_TIME, from_wire, model_version, to_body
from tuneops.vertex.wire import WireModel

VERSION = "projects/acme/locations/us-central1/models/2093874650123456789@1"
KEY = "projects/acme/locations/us-central1/keyRings/tuning/cryptoKeys/k1"
Ask = Callable[..., JobRequest]
Job = Callable[..., dict[str, Any]]

GOLDEN: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "supervised": (
        {"encryption_key": KEY, "service_account": "tuner@acme.iam.gserviceaccount.com"},
        {
            "baseModel": "gemini-2.5-flash",
            "supervisedTuningSpec": {
                "trainingDatasetUri": "gs://acme-tuning/train.jsonl",
                "validationDatasetUri": "gs://acme-tuning/val.jsonl",
                "hyperParameters": {
                    "epochCount": "3",
                    "learningRateMultiplier": 1.0,
                    "adapterSize": "ADAPTER_SIZE_FOUR",
                },
            },
            "tunedModelDisplayName": "support-bot",
            "description": "The support bot",
            "labels": {"managed-by": "tuneops"},
            "encryptionSpec": {"kmsKeyName": KEY},
            "serviceAccount": "tuner@acme.iam.gserviceaccount.com",
        },
    ),
    "continuation": (
        {
            "source": Pretuned(model=VERSION, checkpoint="3"),
            "display_name": None,
            "validation_uri": None,
            "hyper_parameters": HyperParameters(epoch_count=2),
            "description": "",
        },
        {
            "preTunedModel": {"tunedModelName": VERSION, "checkpointId": "3"},
            "supervisedTuningSpec": {
                "trainingDatasetUri": "gs://acme-tuning/train.jsonl",
                "hyperParameters": {"epochCount": "2"},
            },
            "labels": {"managed-by": "tuneops"},
        },
    ),
    "fork": (
        {
            "source": Pretuned(model=VERSION, checkpoint="2"),
            "display_name": "support-bot-legal-fork",
            "validation_uri": None,
            "hyper_parameters": HyperParameters(
                epoch_count=4, adapter_size=32, learning_rate_multiplier=Decimal("0.5")
            ),
            "last_checkpoint_only": True,
            "description": "",
            "labels": {},
        },
        {
            "preTunedModel": {"tunedModelName": VERSION, "checkpointId": "2"},
            "supervisedTuningSpec": {
                "trainingDatasetUri": "gs://acme-tuning/train.jsonl",
                "hyperParameters": {
                    "epochCount": "4",
                    "learningRateMultiplier": 0.5,
                    "adapterSize": "ADAPTER_SIZE_THIRTY_TWO",
                },
                "exportLastCheckpointOnly": True,
            },
            "tunedModelDisplayName": "support-bot-legal-fork",
        },
    ),
    "preference": (
        {
            "method": Method.PREFERENCE,
            "hyper_parameters": HyperParameters(
                epoch_count=1, beta=Decimal("0.1"), adapter_size=16
            ),
            "description": "",
            "labels": {},
        },
        {
            "baseModel": "gemini-2.5-flash",
            "preferenceOptimizationSpec": {
                "trainingDatasetUri": "gs://acme-tuning/train.jsonl",
                "validationDatasetUri": "gs://acme-tuning/val.jsonl",
                "hyperParameters": {
                    "epochCount": "1",
                    "adapterSize": "ADAPTER_SIZE_SIXTEEN",
                    "beta": 0.1,
                },
            },
            "tunedModelDisplayName": "support-bot",
        },
    ),
    "preference continuation": (
        {
            "method": Method.PREFERENCE,
            "source": Pretuned(model=VERSION, checkpoint="3"),
            "display_name": None,
            "validation_uri": None,
            "hyper_parameters": HyperParameters(),
            "description": "",
            "labels": {},
        },
        {
            "preTunedModel": {"tunedModelName": VERSION, "checkpointId": "3"},
            "preferenceOptimizationSpec": {"trainingDatasetUri": "gs://acme-tuning/train.jsonl"},
        },
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_bodies(name: str, ask: Ask) -> None:
    changes, body = GOLDEN[name]
    made = to_body(ask(**changes))
    assert made == body
    assert json.loads(json.dumps(made)) == body


TEXT = st.text(max_size=20)
REQUESTS = st.builds(
    JobRequest,
    method=st.sampled_from(Method),
    source=st.builds(BaseModel, base_model=st.text(min_size=1, max_size=20))
    | st.builds(Pretuned, model=st.just(VERSION), checkpoint=st.text("0123456789", min_size=1)),
    training_uri=TEXT.map(lambda text: f"gs://b/{text}.jsonl"),
    validation_uri=st.none() | st.just("gs://b/v.jsonl"),
    hyper_parameters=st.builds(
        HyperParameters,
        epoch_count=st.none() | st.integers(1, 2**53),
        adapter_size=st.none() | st.sampled_from([1, 2, 4, 8, 16, 32]),
        learning_rate_multiplier=st.none() | st.decimals("0.001", "10", places=3),
        beta=st.none() | st.decimals("0.01", "0.5", places=2),
    ),
    last_checkpoint_only=st.booleans(),
    display_name=st.none() | TEXT,
    description=TEXT,
    labels=st.just({})
    | st.builds(
        job_labels,
        st.builds(
            Ownership,
            owner=st.just("acme--prod"),
            address=st.sampled_from(["faq", "bot/week-1"]),
            lineage=st.just("v1-" + "a" * 52),
            attempt=st.integers(1, 99_999),
            mark=st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=26, max_size=26),
        ),
    ),
    encryption_key=st.none() | st.just(KEY),
    service_account=st.none() | st.just("a@b.iam.gserviceaccount.com"),
)


@given(REQUESTS)
def test_what_is_sent_reads_back(request: JobRequest) -> None:
    echo = json.loads(json.dumps(to_body(request)))
    echo |= {"name": "projects/1/locations/us-central1/tuningJobs/2", "state": "JOB_STATE_RUNNING"}
    read = from_wire(echo)
    source = request.source
    assert read.fields == DeclaredFields(
        method=request.method.value,
        base_model=source.base_model if isinstance(source, BaseModel) else None,
        pretuned_model=source.model if isinstance(source, Pretuned) else None,
        checkpoint=source.checkpoint if isinstance(source, Pretuned) else None,
        training_uri=request.training_uri,
        epoch_count=request.hyper_parameters.epoch_count,
        adapter_size=request.hyper_parameters.adapter_size,
        learning_rate_multiplier=request.hyper_parameters.learning_rate_multiplier,
        beta=request.hyper_parameters.beta,
        encryption_key=request.encryption_key,
        validation_uri=request.validation_uri,
        last_checkpoint_only=request.last_checkpoint_only,
        service_account=request.service_account,
    )
    assert read.display_name == (request.display_name or "")
    assert read.description == request.description
    assert (job_labels(read.ownership) if read.ownership else {}) == request.labels


def test_a_job_that_ended(job: Job) -> None:
    read = from_wire(
        job(
            7,
            state="JOB_STATE_SUCCEEDED",
            endTime="2026-11-20T10:00:00.123456789Z",
            tunedModel={
                "model": "projects/1/locations/us-central1/models/9@2",
                "endpoint": "projects/1/locations/us/endpoints/5",
                "checkpoints": [
                    {"checkpointId": "1", "epoch": "1", "step": "32", "endpoint": "e"},
                    {"checkpointId": "2", "epoch": 2, "step": "64"},
                ],
            },
            tuningDataStats={
                "supervisedTuningDataStats": {"totalBillableTokenCount": "255243", "more": [1]}
            },
            experiment="ignored",
        )
    )
    assert read.state is JobState.SUCCEEDED
    assert read.ended == datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
    assert read.model == "projects/1/locations/us-central1/models/9@2"
    assert read.checkpoints == {
        "1": Checkpoint(epoch=1, step=32, endpoint="e"),
        "2": Checkpoint(epoch=2, step=64),
    }
    assert read.billable_tokens == 255243


def test_preference_statistics(job: Job) -> None:
    stats = {"preferenceOptimizationDataStats": {"totalBillableTokenCount": "12"}}
    assert from_wire(job(tuningDataStats=stats)).billable_tokens == 12
    assert from_wire(job(tuningDataStats={})).billable_tokens is None


def test_a_failure_keeps_the_service_s_words_within_bounds(job: Job) -> None:
    read = from_wire(job(state="JOB_STATE_FAILED", error={"code": 13, "message": "x" * 9000}))
    assert read.failure == Failure(code=13, message="x" * 499 + "…")


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        *((f"JOB_STATE_{state}", state) for state in JobState if state is not JobState.UNKNOWN),
        ("JOB_STATE_UNSPECIFIED", JobState.UNKNOWN),
        ("JOB_STATE_TELEPORTED", JobState.UNKNOWN),
        ("", JobState.UNKNOWN),
        (12, JobState.UNKNOWN),
    ],
)
def test_states(raw: str | int, state: JobState, job: Job) -> None:
    read = from_wire(job(state=raw))
    assert read.state is state
    assert read.raw_state == str(raw)


def test_a_job_without_times_is_the_youngest(job: Job) -> None:
    assert from_wire(job(createTime=None)).created.year == 2026
    timeless = from_wire(job(createTime=None, updateTime=None))
    assert timeless.created == NO_TIME
    assert timeless.seniority > from_wire(job(10**18)).seniority


def test_what_is_new_to_us_is_kept_or_left_alone(job: Job) -> None:
    read = from_wire(
        job(
            supervisedTuningSpec={
                "trainingDatasetUri": "gs://b/x.jsonl",
                "hyperParameters": {"adapterSize": "ADAPTER_SIZE_SIXTY_FOUR", "epochCount": "2"},
            },
            labels=None,
        )
    )
    assert read.fields.adapter_size is None
    assert read.fields.epoch_count == 2
    veo = job(veoTuningSpec={"trainingDatasetUri": "gs://b/x"})
    del veo["supervisedTuningSpec"]
    assert from_wire(veo).fields.method is None


@pytest.mark.parametrize(
    "fields",
    [
        {"name": 1},
        {"createTime": "yesterday"},
        {"createTime": "2026-11-20T09:00:00"},
        {"labels": {"a": 1}},
        {"labels": ["a"]},
        {"tunedModel": "x"},
        {"supervisedTuningSpec": {"hyperParameters": {"epochCount": "three"}}},
        {"supervisedTuningSpec": {"hyperParameters": {"epochCount": str(2**63)}}},
        {"tunedModel": {"checkpoints": [{"epoch": "1"}]}},
    ],
)
def test_a_known_field_of_the_wrong_shape_is_not_read(fields: Mapping[str, Any], job: Job) -> None:
    with pytest.raises(ValueError):
        from_wire(job(**fields))


@pytest.mark.parametrize(
    ("name", "id", "version"),
    [
        ("projects/1/locations/l/models/9@2", "2", "2"),
        ("projects/1/locations/l/models/9", "2", "2"),
        ("projects/1/locations/l/models/9@2", None, "2"),
        ("projects/1/locations/l/models/9", None, None),
        ("projects/1/locations/l/models/9@3", "2", None),
        ("models/9@3", "3", None),
    ],
)
def test_which_version(name: str, id: str | None, version: str | None) -> None:
    wire = WireModel.model_validate({"name": name, "versionId": id, "displayName": "bot"})
    if version is None:
        with pytest.raises(ValueError):
            model_version(wire)
    else:
        number, read = model_version(wire)
        assert (number, read.name) == (version, f"projects/1/locations/l/models/9@{version}")
        assert read.display_name == "bot"
