"""google-cloud-aiplatform's generated clients over REST, against a served emulator."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1
from google.protobuf.field_mask_pb2 import FieldMask

from tests.conformance.support.served import (
    ACCOUNT,
    KEY,
    MODEL,
    PARENT,
    TRAIN,
    VALIDATION,
    Served,
)
from tuneops.emulator.application import Settings

JobState = aiplatform_v1.JobState
AdapterSize = aiplatform_v1.SupervisedHyperParameters.AdapterSize
EMPTY_PAGES = Settings(page_size_limit=2, empty_pages=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    served: Served
    jobs: aiplatform_v1.GenAiTuningServiceClient
    models: aiplatform_v1.ModelServiceClient
    endpoints: aiplatform_v1.EndpointServiceClient

    def create(self, **fields: Any) -> aiplatform_v1.TuningJob:
        if "pre_tuned_model" not in fields:
            fields.setdefault("base_model", MODEL)
        fields.setdefault(
            "supervised_tuning_spec",
            {"training_dataset_uri": TRAIN, "hyper_parameters": {"epoch_count": 2}},
        )
        return self.jobs.create_tuning_job(
            parent=PARENT, tuning_job=aiplatform_v1.TuningJob(**fields)
        )

    def finished(self, **fields: Any) -> aiplatform_v1.TuningJob:
        job = self.create(**fields)
        self.served.advance(hours=2)
        return self.jobs.get_tuning_job(name=job.name)

    def chain(self) -> tuple[str, str]:
        """The names of the first two versions of a model."""
        first = self.finished(tuned_model_display_name="support-bot").tuned_model.model
        second = self.finished(pre_tuned_model={"tuned_model_name": first})
        return first, second.tuned_model.model

    def undeploy(self, version: str) -> None:
        for deployed in self.models.get_model(name=version).deployed_models:
            operation = self.endpoints.undeploy_model(
                endpoint=deployed.endpoint, deployed_model_id=deployed.deployed_model_id
            )
            assert operation.result(timeout=5) == aiplatform_v1.UndeployModelResponse()


@pytest.fixture
def desk(served: Served) -> Iterator[Desk]:
    given = {
        "transport": "rest",
        "credentials": AnonymousCredentials(),
        "client_options": ClientOptions(api_endpoint=served.url),
    }
    with (
        aiplatform_v1.GenAiTuningServiceClient(**given) as jobs,
        aiplatform_v1.ModelServiceClient(**given) as models,
        aiplatform_v1.EndpointServiceClient(**given) as endpoints,
    ):
        yield Desk(served=served, jobs=jobs, models=models, endpoints=endpoints)


def test_a_job_created_over_rest_runs_to_a_model(desk: Desk) -> None:
    job = desk.create(
        tuned_model_display_name="support-bot",
        description="step base",
        labels={"team": "support"},
        encryption_spec={"kms_key_name": KEY},
        service_account=ACCOUNT,
        supervised_tuning_spec={
            "training_dataset_uri": TRAIN,
            "validation_dataset_uri": VALIDATION,
            "hyper_parameters": {
                "epoch_count": 3,
                "learning_rate_multiplier": 0.5,
                "adapter_size": AdapterSize.ADAPTER_SIZE_EIGHT,
            },
        },
    )
    query = desk.served.last("POST", "/tuningJobs").query
    assert query == {"$alt": ["json;enum-encoding=int"]}
    assert job.state is JobState.JOB_STATE_PENDING
    assert job.create_time == datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert job.service_account == ACCOUNT
    assert job.encryption_spec.kms_key_name == KEY
    hyper = job.supervised_tuning_spec.hyper_parameters
    assert (hyper.epoch_count, hyper.learning_rate_multiplier) == (3, 0.5)
    assert hyper.adapter_size is AdapterSize.ADAPTER_SIZE_EIGHT

    states = [job.state]
    while states[-1] is not JobState.JOB_STATE_SUCCEEDED:
        desk.served.advance(minutes=5)
        job = desk.jobs.get_tuning_job(name=job.name)
        states.append(job.state)
    assert JobState.JOB_STATE_RUNNING in states
    assert [checkpoint.epoch for checkpoint in job.tuned_model.checkpoints] == [1, 2, 3]
    assert job.tuned_model.endpoint == job.tuned_model.checkpoints[-1].endpoint
    stats = job.tuning_data_stats.supervised_tuning_data_stats
    assert stats.tuning_step_count == job.tuned_model.checkpoints[-1].step
    assert stats.user_input_token_distribution.buckets[0].count > 0


def test_a_continuation_goes_under_the_same_model(desk: Desk) -> None:
    first, second = desk.chain()
    assert (first[-2:], second) == ("@1", first.replace("@1", "@2"))
    job = desk.create(pre_tuned_model={"tuned_model_name": first, "checkpoint_id": "1"})
    assert job.pre_tuned_model.base_model == MODEL
    assert job.pre_tuned_model.checkpoint_id == "1"


@pytest.mark.parametrize("settings", [EMPTY_PAGES])
def test_the_pagers_walk_through_empty_pages(desk: Desk) -> None:
    made = [desk.create(labels={"at": str(at)}).name for at in range(5)]
    assert [job.name for job in desk.jobs.list_tuning_jobs(parent=PARENT)] == made[::-1]
    request = aiplatform_v1.ListTuningJobsRequest(parent=PARENT, filter='labels.at="3"')
    assert [job.name for job in desk.jobs.list_tuning_jobs(request)] == [made[3]]
    pages = desk.jobs.list_tuning_jobs(
        aiplatform_v1.ListTuningJobsRequest(parent=PARENT, page_size=1)
    ).pages
    assert [len(page.tuning_jobs) for page in pages] == [1, 0, 1, 0, 1, 0, 1, 0, 1]


def test_a_job_is_cancelled_with_an_empty_message(desk: Desk) -> None:
    job = desk.create()
    assert desk.jobs.cancel_tuning_job(name=job.name) is None
    assert desk.served.last("POST", ":cancel").request == b"{}"
    assert desk.jobs.get_tuning_job(name=job.name).state is JobState.JOB_STATE_CANCELLING
    desk.served.advance(minutes=2)
    ended = desk.jobs.get_tuning_job(name=job.name)
    assert ended.state is JobState.JOB_STATE_CANCELLED
    assert ended.error.code == 1


def test_a_preference_job_is_read_though_the_proto_has_no_such_field(desk: Desk) -> None:
    spec = {"trainingDatasetUri": desk.served.put_pairs(), "hyperParameters": {"beta": 0.1}}
    created = httpx.post(
        f"{desk.served.url}/v1/{PARENT}/tuningJobs",
        json={"baseModel": MODEL, "preferenceOptimizationSpec": spec},
    ).json()
    desk.served.advance(hours=2)
    job = desk.jobs.get_tuning_job(name=created["name"])
    assert job.state is JobState.JOB_STATE_SUCCEEDED
    assert job.tuned_model.model
    assert not hasattr(job, "preference_optimization_spec")


def test_models_are_got_by_default_number_and_alias(desk: Desk) -> None:
    first, second = desk.chain()
    bare = first.partition("@")[0]
    for name, version in ((bare, "1"), (first, "1"), (second, "2"), (f"{bare}@default", "1")):
        model = desk.models.get_model(name=name)
        assert (model.version_id, model.name) == (version, f"{bare}@{version}")
    model = desk.models.get_model(name=first)
    assert list(model.version_aliases) == ["default"]
    assert model.default_checkpoint_id == "2"
    assert model.model_source_info.source_type.name == "GENIE"
    assert [checkpoint.checkpoint_id for checkpoint in model.checkpoints] == ["1", "2"]
    assert len(model.deployed_models) == 2


def test_models_and_their_versions_are_listed(desk: Desk) -> None:
    first, second = desk.chain()
    bare = first.partition("@")[0]
    models = list(desk.models.list_models(parent=PARENT))
    assert [model.name for model in models] == [first]
    request = aiplatform_v1.ListModelsRequest(
        parent=PARENT,
        filter='display_name="support-bot"',
        order_by="create_time desc",
        read_mask=FieldMask(paths=["name", "display_name"]),
    )
    [model] = desk.models.list_models(request)
    assert (model.name, model.display_name, model.version_id) == (first, "support-bot", "")
    versions = desk.models.list_model_versions(name=bare)
    assert [model.name for model in versions] == [second, first]


def test_checkpoints_are_those_of_the_latest_version_unless_one_is_named(desk: Desk) -> None:
    first = desk.finished().tuned_model.model
    hyper = {"epoch_count": 3}
    desk.finished(
        pre_tuned_model={"tuned_model_name": first},
        supervised_tuning_spec={"training_dataset_uri": TRAIN, "hyper_parameters": hyper},
    )
    named = list(desk.models.list_model_version_checkpoints(name=first))
    assert [(checkpoint.checkpoint_id, checkpoint.epoch) for checkpoint in named] == [
        ("1", 1),
        ("2", 2),
    ]
    assert named[1].step == 2 * named[0].step
    bare = first.partition("@")[0]
    assert len(list(desk.models.list_model_version_checkpoints(name=bare))) == 3


def test_a_version_and_its_model_are_updated_through_masks(desk: Desk) -> None:
    name = desk.finished().tuned_model.model
    changed = desk.models.update_model(
        model=aiplatform_v1.Model(name=name, default_checkpoint_id="1"),
        update_mask=FieldMask(paths=["default_checkpoint_id"]),
    )
    assert desk.served.last("PATCH", "@1").query["updateMask"] == ["defaultCheckpointId"]
    assert changed.default_checkpoint_id == "1"
    renamed = desk.models.update_model(
        model=aiplatform_v1.Model(name=name.partition("@")[0], display_name="renamed"),
        update_mask=FieldMask(paths=["display_name"]),
    )
    assert renamed.display_name == "renamed"
    assert renamed.etag != changed.etag
    stale = aiplatform_v1.Model(name=name, default_checkpoint_id="2", etag=changed.etag)
    with pytest.raises(exceptions.Conflict, match="etag"):
        desk.models.update_model(
            model=stale, update_mask=FieldMask(paths=["default_checkpoint_id"])
        )
    with pytest.raises(exceptions.BadRequest, match="not a field of a model version"):
        desk.models.update_model(
            model=aiplatform_v1.Model(name=name, display_name="x"),
            update_mask=FieldMask(paths=["display_name"]),
        )


def test_aliases_move_from_version_to_version(desk: Desk) -> None:
    first, second = desk.chain()
    bare = first.partition("@")[0]
    merged = desk.models.merge_version_aliases(name=second, version_aliases=["default", "golden"])
    assert sorted(merged.version_aliases) == ["default", "golden"]
    assert desk.models.get_model(name=bare).version_id == "2"
    assert not desk.models.get_model(name=first).version_aliases
    desk.models.merge_version_aliases(name=second, version_aliases=["-golden"])
    with pytest.raises(exceptions.NotFound):
        desk.models.get_model(name=f"{bare}@golden")
    with pytest.raises(exceptions.BadRequest, match="not removed"):
        desk.models.merge_version_aliases(name=second, version_aliases=["-default"])


def test_a_version_is_deleted_by_an_operation_that_can_be_polled(desk: Desk) -> None:
    _, second = desk.chain()
    with pytest.raises(exceptions.BadRequest, match="undeploy it first"):
        desk.models.delete_model_version(name=second)
    desk.undeploy(second)
    operation = desk.models.delete_model_version(name=second)
    assert operation.result(timeout=5) is not None
    assert isinstance(operation.metadata, aiplatform_v1.DeleteOperationMetadata)
    polled = desk.models.get_operation({"name": operation.operation.name})
    assert polled.done
    again = desk.models.transport.operations_client.get_operation(operation.operation.name)
    assert again == polled
    with pytest.raises(exceptions.NotFound):
        desk.models.get_model(name=second)


def test_a_model_is_deleted_with_all_its_versions(desk: Desk) -> None:
    first, second = desk.chain()
    bare = first.partition("@")[0]
    with pytest.raises(exceptions.BadRequest, match="undeploy it first"):
        desk.models.delete_model(name=bare)
    desk.undeploy(first)
    with pytest.raises(exceptions.BadRequest, match="default version"):
        desk.models.delete_model_version(name=first)
    desk.undeploy(second)
    desk.models.delete_model(name=bare).result(timeout=5)
    assert list(desk.models.list_models(parent=PARENT)) == []


def test_endpoints_are_got_listed_and_deleted(desk: Desk) -> None:
    job = desk.finished()
    endpoint = desk.endpoints.get_endpoint(name=job.tuned_model.endpoint)
    [deployed] = endpoint.deployed_models
    assert deployed.model == job.tuned_model.model.partition("@")[0]
    assert (deployed.model_version_id, deployed.checkpoint_id) == ("1", "2")
    assert dict(endpoint.traffic_split) == {deployed.id: 100}
    label = "google-vertex-llm-tuning-job-id"
    request = aiplatform_v1.ListEndpointsRequest(
        parent=PARENT, filter=f"labels.{label}={job.name.rpartition('/')[2]}"
    )
    listed = [item.name for item in desk.endpoints.list_endpoints(request)]
    assert sorted(listed) == sorted(item.endpoint for item in job.tuned_model.checkpoints)
    with pytest.raises(exceptions.BadRequest, match="undeploy it first"):
        desk.endpoints.delete_endpoint(name=endpoint.name)
    desk.undeploy(job.tuned_model.model)
    desk.endpoints.delete_endpoint(name=endpoint.name).result(timeout=5)
    with pytest.raises(exceptions.NotFound, match=f'endpoint "{endpoint.name}" not found'):
        desk.endpoints.get_endpoint(name=endpoint.name)


def test_what_does_not_exist_is_not_found(desk: Desk) -> None:
    for ask, name in (
        (desk.jobs.get_tuning_job, f"{PARENT}/tuningJobs/55"),
        (desk.jobs.cancel_tuning_job, f"{PARENT}/tuningJobs/55"),
        (desk.models.get_model, f"{PARENT}/models/55@1"),
        (desk.endpoints.get_endpoint, f"{PARENT}/endpoints/55"),
    ):
        with pytest.raises(exceptions.NotFound) as refused:
            ask(name=name)
        assert refused.value.code == 404
        assert "55" in refused.value.message


def test_a_bad_request_names_its_fields(desk: Desk) -> None:
    with pytest.raises(exceptions.BadRequest) as refused:
        desk.create(
            labels={"Team": "x"},
            supervised_tuning_spec={"training_dataset_uri": "gs://acme-tuning/train.csv"},
        )
    # Over REST the client tells statuses apart by their HTTP code alone, so this is no
    # `InvalidArgument`; the name of the status is in the answer.
    assert refused.value.response.json()["error"]["status"] == "INVALID_ARGUMENT"
    [detail] = refused.value.details
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert [violation["field"] for violation in detail["fieldViolations"]] == [
        "tuning_job.supervised_tuning_spec.training_dataset_uri",
        "tuning_job.labels",
    ]


def test_a_job_must_have_a_source(desk: Desk) -> None:
    with pytest.raises(exceptions.BadRequest, match="one of base_model and pre_tuned_model"):
        desk.create(base_model="")
