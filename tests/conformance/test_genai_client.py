"""google-genai, unpatched, against a served emulator."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from tests.conformance.support.served import (
    KEY,
    LOCATION,
    MODEL,
    PARENT,
    PROJECT,
    TRAIN,
    VALIDATION,
    Served,
)
from tuneops.emulator.application import Settings

# The client announces, once, that tuning is experimental.
pytestmark = pytest.mark.filterwarnings(r"ignore:The SDK's tuning implementation is experimental")

EMPTY_PAGES = Settings(page_size_limit=2, empty_pages=True)
PAGES_OF_TWO = Settings(page_size_limit=2)


def new_client(url: str) -> genai.Client:
    return genai.Client(
        vertexai=True,
        project=PROJECT,
        location=LOCATION,
        credentials=Credentials(token="t"),
        http_options=types.HttpOptions(base_url=url),
    )


def evaluation() -> types.EvaluationConfig:
    return types.EvaluationConfig(
        metrics=[
            types.Metric(name="fluency", prompt_template="Rate the fluency of {response}, 0 to 1."),
            types.Metric(name="bleu"),
            types.UnifiedMetric(rouge_spec=types.RougeSpec(rouge_type="rougeLsum")),
        ],
        output_config=types.OutputConfig(
            gcs_destination=types.GcsDestination(output_uri_prefix="gs://acme-tuning/evaluation")
        ),
    )


def full_config() -> types.CreateTuningJobConfig:
    return types.CreateTuningJobConfig(
        tuned_model_display_name="support-bot",
        description="step base",
        validation_dataset=types.TuningValidationDataset(gcs_uri=VALIDATION),
        epoch_count=3,
        adapter_size=types.AdapterSize.ADAPTER_SIZE_EIGHT,
        learning_rate_multiplier=0.5,
        export_last_checkpoint_only=True,
        labels={"team": "support"},
        encryption_spec=types.EncryptionSpec(kms_key_name=KEY),
        evaluation_config=evaluation(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    served: Served
    client: genai.Client

    def tune(self, base_model: str = MODEL, data: str = TRAIN, **config: object) -> types.TuningJob:
        return self.client.tunings.tune(
            base_model=base_model,
            training_dataset=types.TuningDataset(gcs_uri=data),
            config=types.CreateTuningJobConfig(**{"epoch_count": 2, **config}),
        )

    def finished(self, job: types.TuningJob) -> types.TuningJob:
        self.served.advance(hours=2)
        return self.read(job)

    def read(self, job: types.TuningJob) -> types.TuningJob:
        assert job.name is not None
        return self.client.tunings.get(name=job.name)

    def tuned(self, **config: object) -> str:
        """The name of a version that a job has just made."""
        return self.finished(self.tune(**config)).tuned_model.model


@pytest.fixture
def desk(served: Served) -> Iterator[Desk]:
    with new_client(served.url) as client:
        yield Desk(served=served, client=client)


def test_the_smallest_supervised_job_runs_to_a_model(desk: Desk) -> None:
    job = desk.client.tunings.tune(
        base_model=MODEL, training_dataset=types.TuningDataset(gcs_uri=TRAIN)
    )
    assert job.state == types.JobState.JOB_STATE_PENDING
    assert job.tuned_model_display_name.startswith(f"{MODEL}-")

    seen = [job]
    while not seen[-1].has_ended:
        desk.served.advance(minutes=5)
        seen.append(desk.read(job))
    running = next(job for job in seen if job.state == types.JobState.JOB_STATE_RUNNING)
    assert running.tuning_job_state == "TUNING_JOB_STATE_TUNING"
    stats = running.tuning_data_stats.supervised_tuning_data_stats
    assert stats.tuning_dataset_example_count > 50

    done = seen[-1]
    assert done.has_succeeded
    assert done.create_time < done.start_time < done.end_time == done.update_time
    assert done.tuned_model.model.endswith("@1")
    assert done.tuned_model.endpoint == done.tuned_model.checkpoints[-1].endpoint
    assert done.supervised_tuning_spec.hyper_parameters.epoch_count == 40


def test_everything_that_a_supervised_job_can_be_told_comes_back(desk: Desk) -> None:
    training = types.TuningDataset(gcs_uri=TRAIN)
    job = desk.client.tunings.tune(
        base_model=MODEL, training_dataset=training, config=full_config()
    )
    sent = desk.served.last("POST", "/tuningJobs").sent
    metrics = sent["supervisedTuningSpec"]["evaluationConfig"]["metrics"]
    # Both spellings in one body, and `null` where nothing is meant.
    assert metrics[1]["bleu_spec"] == {}
    assert metrics[2]["bleu_spec"] is None
    assert job.description == "step base"
    assert job.labels == {"team": "support"}
    assert job.encryption_spec.kms_key_name == KEY
    spec = job.supervised_tuning_spec
    assert spec.validation_dataset_uri == VALIDATION
    assert spec.hyper_parameters.adapter_size == types.AdapterSize.ADAPTER_SIZE_EIGHT
    assert spec.hyper_parameters.learning_rate_multiplier == 0.5
    assert spec.export_last_checkpoint_only

    done = desk.finished(job)
    assert done.tuned_model.checkpoints is None
    runs = done.evaluate_dataset_runs
    assert [run.checkpoint_id for run in runs] == ["1"]
    results = runs[0].evaluate_dataset_response.aggregation_output.aggregation_results
    assert len(results) == 6
    assert results[0].pointwise_metric_result.score > 0
    assert desk.client.models.get(model=done.tuned_model.model).default_checkpoint_id == "1"


def test_a_job_continues_a_checkpoint_of_a_version(desk: Desk) -> None:
    first = desk.tuned(tuned_model_display_name="support-bot")
    second = desk.tune(base_model=first, pre_tuned_model_checkpoint_id="1")
    sent = desk.served.last("POST", "/tuningJobs").sent
    assert sent["preTunedModel"] == {"tuned_model_name": first, "checkpoint_id": "1"}
    assert second.pre_tuned_model.checkpoint_id == "1"
    assert second.pre_tuned_model.base_model == MODEL
    done = desk.finished(second)
    assert done.tuned_model.model == first.replace("@1", "@2")
    assert done.tuned_model_display_name == "support-bot"


def test_a_job_continues_the_default_checkpoint_of_a_version(desk: Desk) -> None:
    first = desk.tuned()
    desk.client.models.update(
        model=first, config=types.UpdateModelConfig(default_checkpoint_id="1")
    )
    second = desk.tune(base_model=first)
    assert second.pre_tuned_model.tuned_model_name == first
    assert second.pre_tuned_model.checkpoint_id == "1"


def test_a_job_continues_the_default_version_of_a_model(desk: Desk) -> None:
    first = desk.tuned()
    second = desk.finished(desk.tune(base_model=first)).tuned_model.model
    assert second.endswith("@2")
    third = desk.tune(base_model=first.partition("@")[0])
    assert third.pre_tuned_model.tuned_model_name == first
    assert desk.finished(third).tuned_model.model == first.replace("@1", "@3")


def test_another_display_name_makes_another_model(desk: Desk) -> None:
    first = desk.tuned(tuned_model_display_name="support-bot")
    fork = desk.tuned(base_model=first, tuned_model_display_name="fork")
    assert fork.endswith("@1")
    assert fork != first


def test_a_plain_dict_loses_its_checkpoint_in_the_client(desk: Desk) -> None:
    first = desk.tuned()
    job = desk.client.tunings.tune(
        base_model=first,
        training_dataset={"gcs_uri": TRAIN},
        config={"pre_tuned_model_checkpoint_id": "1"},
    )
    sent = desk.served.last("POST", "/tuningJobs").sent
    assert sent["preTunedModel"] == {"tuned_model_name": first}
    assert job.pre_tuned_model.checkpoint_id == "2"


def test_a_preference_job_reads_preference_lines(desk: Desk) -> None:
    pairs = desk.served.put_pairs()
    job = desk.tune(data=pairs, method=types.TuningMethod.PREFERENCE_TUNING, beta=0.2)
    done = desk.finished(job)
    assert done.has_succeeded
    assert done.preference_optimization_spec.hyper_parameters.beta == 0.2
    stats = done.tuning_data_stats.preference_optimization_data_stats
    assert stats.tuning_dataset_example_count == 20


def test_a_preference_job_continues_a_supervised_one(desk: Desk) -> None:
    first = desk.tuned()
    job = desk.tune(
        base_model=first,
        data=desk.served.put_pairs(),
        method=types.TuningMethod.PREFERENCE_TUNING,
        pre_tuned_model_checkpoint_id="1",
    )
    done = desk.finished(job)
    assert done.tuned_model.model == first.replace("@1", "@2")
    assert done.pre_tuned_model.checkpoint_id == "1"
    assert done.preference_optimization_spec.training_dataset_uri.endswith("pairs.jsonl")


def test_a_preference_tuned_model_is_not_continued(desk: Desk) -> None:
    pairs = desk.served.put_pairs()
    first = desk.tuned(data=pairs, method=types.TuningMethod.PREFERENCE_TUNING)
    with pytest.raises(errors.ClientError, match="cannot be tuned further"):
        desk.tune(base_model=first)


@pytest.mark.parametrize("settings", [PAGES_OF_TWO])
def test_the_list_of_jobs_is_read_page_by_page(desk: Desk) -> None:
    made = [desk.tune().name for _ in range(5)]
    assert [job.name for job in desk.client.tunings.list(config={"page_size": 50})] == made[::-1]
    assert len(desk.served.recorder.requests("GET", "/tuningJobs")) == 3


@pytest.mark.parametrize("settings", [EMPTY_PAGES])
def test_empty_pages_end_nothing_for_who_follows_the_tokens(desk: Desk) -> None:
    made = [desk.tune().name for _ in range(5)]
    # Its own pager ends at the first empty page, token or not, so the pages are asked for here.
    listed, token, pages = [], None, 0
    while True:
        page = desk.client.tunings.list(config={"page_size": 50, "page_token": token})
        listed += [job.name for job in page.page]
        pages += 1
        token = page.config.get("page_token")
        if not token:
            break
    assert listed == made[::-1]
    assert pages == 5


def test_the_list_of_jobs_is_filtered(desk: Desk) -> None:
    old = desk.finished(desk.tune(labels={"team": "support"}))
    new = desk.tune(labels={"team": "sales"})

    def listed(text: str) -> list[str]:
        return [job.name for job in desk.client.tunings.list(config={"filter": text})]

    assert listed('state="JOB_STATE_SUCCEEDED"') == [old.name]
    assert listed('state="JOB_STATE_PENDING" OR state="JOB_STATE_RUNNING"') == [new.name]
    assert listed('labels.team="support"') == [old.name]
    assert listed("labels.team:*") == [new.name, old.name]
    assert listed('state="JOB_STATE_FAILED"') == []
    with pytest.raises(errors.ClientError, match="INVALID_ARGUMENT"):
        listed("state = = 5")


def test_a_cancelled_job_ends_without_a_model(desk: Desk) -> None:
    job = desk.tune()
    desk.client.tunings.cancel(name=job.name)
    assert desk.read(job).state == types.JobState.JOB_STATE_CANCELLING
    done = desk.finished(job)
    assert done.state == types.JobState.JOB_STATE_CANCELLED
    assert done.error.code == 1
    assert done.tuned_model is None
    with pytest.raises(errors.ClientError, match="FAILED_PRECONDITION"):
        desk.client.tunings.cancel(name=job.name)


def test_a_dataset_that_is_no_dataset_fails_the_job(desk: Desk) -> None:
    job = desk.finished(desk.tune(data=desk.served.put("odd.jsonl", '{"messages": []}\n')))
    assert job.state == types.JobState.JOB_STATE_FAILED
    assert job.error.code == 3
    assert job.tuned_model is None


def test_the_default_checkpoint_is_moved_without_a_mask(desk: Desk) -> None:
    job = desk.finished(desk.tune())
    name = job.tuned_model.model
    model = desk.client.models.get(model=name)
    assert model.default_checkpoint_id == "2"
    assert [checkpoint.checkpoint_id for checkpoint in model.checkpoints] == ["1", "2"]
    assert model.tuned_model_info.base_model == "gemini-2_5-flash"
    changed = desk.client.models.update(
        model=name, config=types.UpdateModelConfig(default_checkpoint_id="1")
    )
    assert desk.served.last("PATCH", "@1").query == {}
    assert changed.default_checkpoint_id == "1"
    moved = desk.read(job).tuned_model
    assert moved.endpoint == moved.checkpoints[0].endpoint
    assert moved.endpoint != job.tuned_model.endpoint


def test_a_model_is_renamed_without_its_version(desk: Desk) -> None:
    name = desk.tuned()
    rename = types.UpdateModelConfig(display_name="renamed", description="by hand")
    changed = desk.client.models.update(model=name.partition("@")[0], config=rename)
    assert (changed.display_name, changed.description) == ("renamed", "by hand")
    with pytest.raises(errors.ClientError, match="FAILED_PRECONDITION"):
        desk.client.models.update(model=name, config=rename)


def test_tuned_models_are_listed(desk: Desk) -> None:
    made = [desk.tuned(), desk.tuned()]
    models = desk.client.models.list(config={"query_base": False})
    assert desk.served.last("GET", "/models").query == {"filter": ["labels.tune-type:*"]}
    assert sorted(model.name for model in models) == sorted(made)


def test_a_tuned_model_outlives_the_record_of_its_job(desk: Desk) -> None:
    job = desk.finished(desk.tune())
    assert job.name is not None
    desk.served.emulator.forget_job(job.name)
    with pytest.raises(errors.ClientError, match="NOT_FOUND"):
        desk.read(job)
    assert not list(desk.client.tunings.list())
    (model,) = desk.client.models.list(config={"query_base": False})
    assert model.name == job.tuned_model.model
    assert model.tuned_model_info.base_model and [one.epoch for one in model.checkpoints] == [1, 2]


def test_of_two_filters_that_the_client_sends_the_last_one_counts(desk: Desk) -> None:
    made = [desk.tuned(tuned_model_display_name=name) for name in ("one", "two")]
    models = desk.client.models.list(config={"query_base": False, "filter": 'displayName="two"'})
    assert desk.served.last("GET", "/models").query == {
        "filter": ['displayName="two"', "labels.tune-type:*"]
    }
    assert sorted(model.name for model in models) == sorted(made)


def test_a_deployed_model_is_not_deleted(desk: Desk) -> None:
    name = desk.tuned()
    with pytest.raises(errors.ClientError, match="undeploy it first") as refused:
        desk.client.models.delete(model=name)
    assert (refused.value.code, refused.value.status) == (400, "FAILED_PRECONDITION")


def test_an_unserved_model_is_deleted(desk: Desk) -> None:
    job = desk.finished(desk.tune(export_last_checkpoint_only=True))
    url = f"{desk.served.url}/v1/{job.tuned_model.endpoint}"
    deployed = httpx.get(url).json()["deployedModels"][0]["id"]
    httpx.post(f"{url}:undeployModel", json={"deployedModelId": deployed}).raise_for_status()
    desk.client.models.delete(model=job.tuned_model.model)
    with pytest.raises(errors.ClientError, match="NOT_FOUND"):
        desk.client.models.get(model=job.tuned_model.model)


Mistake = Callable[[Desk], Any]
MISTAKES: dict[str, tuple[Mistake, int, str, str]] = {
    "beta without its method": (
        lambda desk: desk.tune(beta=0.5),
        400,
        "INVALID_ARGUMENT",
        "tuning_spec",
    ),
    "an abbreviated model": (
        lambda desk: desk.tune(base_model="models/123@2"),
        400,
        "INVALID_ARGUMENT",
        "not the name of a publisher model",
    ),
    "an unknown base model": (
        lambda desk: desk.tune(base_model="gemini-9"),
        404,
        "NOT_FOUND",
        "gemini-9",
    ),
    "evaluation of a preference job": (
        lambda desk: desk.tune(
            method=types.TuningMethod.PREFERENCE_TUNING, evaluation_config=evaluation()
        ),
        400,
        "INVALID_ARGUMENT",
        'Unknown name "evaluationConfig"',
    ),
    "data that is not JSONL": (
        lambda desk: desk.tune(data="gs://acme-tuning/train.csv"),
        400,
        "INVALID_ARGUMENT",
        "should be a GCS object of type JSONL",
    ),
    "an adapter that the model has not": (
        lambda desk: desk.tune(adapter_size="ADAPTER_SIZE_THIRTY_TWO"),
        400,
        "INVALID_ARGUMENT",
        "The adapter size is not supported for this base model.",
    ),
    "a key elsewhere": (
        lambda desk: desk.tune(
            encryption_spec=types.EncryptionSpec(kms_key_name=KEY.replace(LOCATION, "europe-west4"))
        ),
        400,
        "INVALID_ARGUMENT",
        "kms_key_name",
    ),
    "a label with a capital": (
        lambda desk: desk.tune(labels={"Team": "x"}),
        400,
        "INVALID_ARGUMENT",
        "tuning_job.labels",
    ),
    "an unknown job": (
        lambda desk: desk.client.tunings.get(name="tuningJobs/55"),
        404,
        "NOT_FOUND",
        "tuningJobs/55",
    ),
    "an unknown model": (
        lambda desk: desk.tune(base_model=f"{PARENT}/models/123@2"),
        404,
        "NOT_FOUND",
        "models/123@2",
    ),
    "distillation": (
        lambda desk: desk.tune(
            method=types.TuningMethod.DISTILLATION, base_teacher_model="gemini-2.5-pro"
        ),
        501,
        "UNIMPLEMENTED",
        "distillation_spec",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_wrong_is_refused_with_code_and_status(desk: Desk, mistake: str) -> None:
    make, code, status, text = MISTAKES[mistake]
    with pytest.raises(errors.APIError) as refused:
        make(desk)
    assert isinstance(refused.value, errors.ServerError if code >= 500 else errors.ClientError)
    assert (refused.value.code, refused.value.status) == (code, status)
    assert text in refused.value.message


def test_global_is_no_place_to_tune_in(served: Served) -> None:
    with (
        genai.Client(
            vertexai=True,
            project=PROJECT,
            location="global",
            credentials=Credentials(token="t"),
            http_options=types.HttpOptions(base_url=served.url),
        ) as client,
        pytest.raises(errors.ClientError, match="404 NOT_FOUND"),
    ):
        client.tunings.tune(base_model=MODEL, training_dataset=types.TuningDataset(gcs_uri=TRAIN))


Work = Callable[[Any], Awaitable[None]]


@pytest.fixture
def run(served: Served) -> Callable[[Work], None]:
    """Run a coroutine function with an asynchronous client."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        client = new_client(served.url)
        try:
            yield client.aio
        finally:
            await client.aio.aclose()
            client.close()

    def runs(work: Work) -> None:
        async def worked() -> None:
            async with opened() as client:
                await work(client)

        asyncio.run(worked())

    return runs


async def tuned(client: Any, served: Served, base_model: str = MODEL, **more: Any) -> str:
    job = await client.tunings.tune(
        base_model=base_model,
        training_dataset=types.TuningDataset(gcs_uri=TRAIN),
        config=types.CreateTuningJobConfig(epoch_count=2, **more),
    )
    while not job.has_ended:
        served.emulator.advance(timedelta(minutes=10))
        job = await client.tunings.get(name=job.name)
    return str(job.tuned_model.model)


def test_the_asynchronous_client_tunes_and_continues(
    served: Served, run: Callable[[Work], None]
) -> None:
    async def work(client: Any) -> None:
        first = await tuned(client, served, tuned_model_display_name="support-bot")
        second = await tuned(client, served, first, pre_tuned_model_checkpoint_id="1")
        assert second == first.replace("@1", "@2")
        job = await client.tunings.tune(
            base_model=second,
            training_dataset=types.TuningDataset(gcs_uri=served.put_pairs()),
            config=types.CreateTuningJobConfig(method=types.TuningMethod.PREFERENCE_TUNING),
        )
        assert job.pre_tuned_model.tuned_model_name == second
        await client.tunings.cancel(name=job.name)
        job = await client.tunings.get(name=job.name)
        assert job.state == types.JobState.JOB_STATE_CANCELLING

    run(work)


def test_the_asynchronous_client_sends_a_full_job(
    served: Served, run: Callable[[Work], None]
) -> None:
    async def work(client: Any) -> None:
        job = await client.tunings.tune(
            base_model=MODEL,
            training_dataset=types.TuningDataset(gcs_uri=TRAIN),
            config=full_config(),
        )
        assert job.encryption_spec.kms_key_name == KEY
        assert job.supervised_tuning_spec.hyper_parameters.epoch_count == 3

    run(work)


@pytest.mark.parametrize("settings", [PAGES_OF_TWO])
def test_the_asynchronous_client_reads_lists_to_their_ends(
    served: Served, run: Callable[[Work], None]
) -> None:
    async def work(client: Any) -> None:
        made = [await tuned(client, served) for _ in range(3)]
        jobs = [
            job.tuned_model.model
            async for job in await client.tunings.list(
                config={"filter": 'state="JOB_STATE_SUCCEEDED"'}
            )
        ]
        assert jobs == made[::-1]
        pager = await client.models.list(config={"query_base": False})
        assert [model.name async for model in pager] == made[::-1]

    run(work)


def test_the_asynchronous_client_keeps_house_with_models(
    served: Served, run: Callable[[Work], None]
) -> None:
    async def work(client: Any) -> None:
        name = await tuned(client, served)
        changed = await client.models.update(
            model=name, config=types.UpdateModelConfig(default_checkpoint_id="1")
        )
        assert changed.default_checkpoint_id == "1"
        assert (await client.models.get(model=name)).default_checkpoint_id == "1"
        with pytest.raises(errors.ClientError) as refused:
            await client.models.delete(model=name)
        assert refused.value.status == "FAILED_PRECONDITION"
        with pytest.raises(errors.ClientError) as refused:
            await client.tunings.get(name="tuningJobs/55")
        assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")

    run(work)
