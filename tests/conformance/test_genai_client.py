"""Google's own client, unpatched, against a served emulator."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from tuneops.emulator.application import Emulator, Settings
from tuneops.emulator.server import EmulatorServer

# The client announces, once, that tuning is experimental.
pytestmark = pytest.mark.filterwarnings(r"ignore:The SDK's tuning implementation is experimental")

SAMPLES = "gs://cloud-samples-data/ai-platform/generative_ai/gemini/text"
MODEL = "gemini-2.5-flash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    emulator: Emulator
    client: genai.Client
    url: str

    def tune(self, base_model: str = MODEL, **config: object) -> types.TuningJob:
        return self.client.tunings.tune(
            base_model=base_model,
            training_dataset=types.TuningDataset(gcs_uri=f"{SAMPLES}/sft_train_data.jsonl"),
            config=types.CreateTuningJobConfig(epoch_count=2, **config),
        )

    def finished(self, job: types.TuningJob) -> types.TuningJob:
        self.emulator.advance(timedelta(hours=2))
        return self.read(job)

    def read(self, job: types.TuningJob) -> types.TuningJob:
        assert job.name is not None
        return self.client.tunings.get(name=job.name)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    start = datetime(2026, 11, 20, 9, tzinfo=UTC)
    settings = Settings(page_size_limit=2, empty_pages=True)
    with (
        Emulator(tmp_path / "emulator.db", wall=lambda: start, settings=settings) as emulator,
        EmulatorServer(emulator) as server,
        genai.Client(
            vertexai=True,
            project="acme",
            location="us-central1",
            credentials=Credentials(token="t"),
            http_options=types.HttpOptions(base_url=server.url),
        ) as client,
    ):
        yield Desk(emulator=emulator, client=client, url=server.url)


def test_supervised_job_runs_to_a_model(desk: Desk) -> None:
    job = desk.tune(
        tuned_model_display_name="support-bot",
        validation_dataset=types.TuningValidationDataset(
            gcs_uri=f"{SAMPLES}/sft_validation_data.jsonl"
        ),
        adapter_size="ADAPTER_SIZE_EIGHT",
        learning_rate_multiplier=0.5,
        labels={"team": "support"},
    )
    assert job.state == "JOB_STATE_PENDING"

    desk.emulator.advance(timedelta(minutes=6))
    running = desk.read(job)
    assert running.state == "JOB_STATE_RUNNING"
    assert running.tuning_job_state == "TUNING_JOB_STATE_TUNING"
    stats = running.tuning_data_stats.supervised_tuning_data_stats
    assert stats.tuning_dataset_example_count > 50

    done = desk.finished(job)
    assert done.state == "JOB_STATE_SUCCEEDED"
    assert done.has_succeeded
    assert done.tuned_model.model.endswith("@1")
    assert [checkpoint.epoch for checkpoint in done.tuned_model.checkpoints] == [1, 2]
    assert done.tuned_model.endpoint == done.tuned_model.checkpoints[-1].endpoint


def test_evaluation_is_asked_for_in_mixed_spelling(desk: Desk) -> None:
    metric = types.Metric(name="bleu")
    job = desk.tune(
        validation_dataset=types.TuningValidationDataset(
            gcs_uri=f"{SAMPLES}/sft_validation_data.jsonl"
        ),
        evaluation_config=types.EvaluationConfig(
            metrics=[metric],
            output_config=types.OutputConfig(
                gcs_destination=types.GcsDestination(output_uri_prefix="gs://b/out")
            ),
        ),
    )
    done = desk.finished(job)
    assert [run.checkpoint_id for run in done.evaluate_dataset_runs] == ["1", "2"]


def test_continuation_makes_the_next_version(desk: Desk) -> None:
    first = desk.finished(desk.tune(tuned_model_display_name="support-bot"))
    second = desk.tune(
        base_model=first.tuned_model.model,
        pre_tuned_model_checkpoint_id="1",
    )
    assert second.pre_tuned_model.checkpoint_id == "1"
    assert second.pre_tuned_model.base_model == MODEL
    done = desk.finished(second)
    assert done.tuned_model.model == first.tuned_model.model.replace("@1", "@2")
    assert done.tuned_model_display_name == "support-bot"


def test_preference_job_reads_preference_lines(desk: Desk) -> None:
    line = (
        '{"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], "completions": ['
        '{"score": 1, "completion": {"role": "model", "parts": [{"text": "Hello!"}]}},'
        ' {"score": 0, "completion": {"role": "model", "parts": [{"text": "What."}]}}]}\n'
    )
    response = httpx.post(
        f"{desk.url}/upload/storage/v1/b/acme/o",
        params={"uploadType": "media", "name": "pairs.jsonl"},
        content=line * 20,
    )
    assert response.headers["Server"] == "tuneops-emulator"
    job = desk.client.tunings.tune(
        base_model=MODEL,
        training_dataset=types.TuningDataset(gcs_uri="gs://acme/pairs.jsonl"),
        config=types.CreateTuningJobConfig(
            method=types.TuningMethod.PREFERENCE_TUNING, epoch_count=1, beta=0.2
        ),
    )
    done = desk.finished(job)
    assert done.state == "JOB_STATE_SUCCEEDED"
    assert done.preference_optimization_spec.hyper_parameters.beta == 0.2
    stats = done.tuning_data_stats.preference_optimization_data_stats
    assert stats.tuning_dataset_example_count == 20


def test_list_pages_through_empty_pages(desk: Desk) -> None:
    made = []
    for _ in range(5):
        made.append(desk.tune().name)
        desk.emulator.advance(timedelta(seconds=1))
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


def test_cancel_ends_a_job(desk: Desk) -> None:
    job = desk.tune()
    desk.client.tunings.cancel(name=job.name)
    assert desk.read(job).state == "JOB_STATE_CANCELLING"
    done = desk.finished(job)
    assert done.state == "JOB_STATE_CANCELLED"
    assert done.error.code == 1
    with pytest.raises(errors.ClientError, match="FAILED_PRECONDITION"):
        desk.client.tunings.cancel(name=job.name)


def test_default_checkpoint_is_moved_without_a_mask(desk: Desk) -> None:
    job = desk.finished(desk.tune())
    name = job.tuned_model.model
    model = desk.client.models.get(model=name)
    assert model.default_checkpoint_id == "2"
    assert model.tuned_model_info.base_model == "gemini-2_5-flash"
    changed = desk.client.models.update(
        model=name, config=types.UpdateModelConfig(default_checkpoint_id="1")
    )
    assert changed.default_checkpoint_id == "1"
    moved = desk.read(job).tuned_model
    assert moved.endpoint == moved.checkpoints[0].endpoint
    assert moved.endpoint != job.tuned_model.endpoint


def test_tuned_models_are_listed(desk: Desk) -> None:
    job = desk.finished(desk.tune())
    models = desk.client.models.list(config={"query_base": False})
    assert [model.name for model in models.page] == [job.tuned_model.model]


def test_what_the_client_gets_wrong_is_refused(desk: Desk) -> None:
    with pytest.raises(errors.ClientError, match="tuning_spec"):
        desk.tune(beta=0.5)
    with pytest.raises(errors.ClientError, match="not the name of a publisher model"):
        desk.tune(base_model="models/123@2")
    with pytest.raises(errors.ClientError, match="404 NOT_FOUND"):
        desk.client.tunings.get(name="tuningJobs/55")
