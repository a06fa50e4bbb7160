"""The older SDK, `vertexai.tuning.sft`, over REST, as the samples of Google's pages use it.

Its global state is set with `vertexai.init`: the project, the address (`api_endpoint`) and
`api_transport="rest"`, without which it would speak gRPC.
"""

import pytest
import vertexai
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from vertexai.tuning import sft

from tests.conformance.support.served import ACCOUNT, KEY, LOCATION, MODEL, PROJECT, Served

# The client says that it is deprecated whenever a job is made or read.
pytestmark = pytest.mark.filterwarnings("ignore:This feature is deprecated as of June 24, 2025")

SAMPLES = "gs://cloud-samples-data/ai-platform/generative_ai/gemini-1_5/text"
TRAIN = f"{SAMPLES}/sft_train_data.jsonl"
VALIDATION = f"{SAMPLES}/sft_validation_data.jsonl"


@pytest.fixture
def sdk(served: Served) -> Served:
    initialise(served)
    return served


def initialise(served: Served, **more: str) -> None:
    vertexai.init(
        project=PROJECT,
        location=LOCATION,
        api_endpoint=served.url,
        api_transport="rest",
        credentials=AnonymousCredentials(),
        **more,
    )


@pytest.fixture(autouse=True)
def _global_state() -> None:
    """`vertexai.init` keeps what it was told once; each test begins with nothing."""
    aiplatform.initializer.global_config.__init__()


def ended(job: sft.SupervisedTuningJob, served: Served) -> sft.SupervisedTuningJob:
    while not job.has_ended:
        served.advance(minutes=10)
        job.refresh()
    return job


def test_the_basic_sample_trains_and_polls_to_a_model(sdk: Served) -> None:
    job = sft.train(source_model=MODEL, train_dataset=TRAIN)
    assert sdk.last("POST", "/tuningJobs").path.startswith("/v1beta1/")
    job = ended(job, sdk)
    assert job.has_succeeded
    assert job.tuned_model_name.endswith("@1")
    assert "/endpoints/" in job.tuned_model_endpoint_name
    assert job.error.code == 0


def test_the_experiment_of_a_job_can_be_looked_up(sdk: Served) -> None:
    job = ended(sft.train(source_model=MODEL, train_dataset=TRAIN), sdk)
    assert isinstance(job.experiment, aiplatform.Experiment)
    assert job.experiment.name.startswith("tuning-experiment-2026")
    assert job.experiment.resource_name == job.to_dict()["experiment"]


def test_a_job_has_no_experiment_before_it_starts(sdk: Served) -> None:
    job = sft.train(source_model=MODEL, train_dataset=TRAIN)
    assert job.experiment is None
    with pytest.raises(exceptions.NotFound, match="tuning-experiment-1"):
        aiplatform.Experiment("tuning-experiment-1")


def test_the_advanced_sample_sends_all_that_it_is_given(served: Served) -> None:
    initialise(served, service_account=ACCOUNT, encryption_spec_key_name=KEY)
    job = sft.train(
        source_model=MODEL,
        train_dataset=TRAIN,
        validation_dataset=VALIDATION,
        tuned_model_display_name="tuned_gemini_2_5_flash",
        epochs=4,
        adapter_size=4,
        learning_rate_multiplier=1.0,
        labels={"team": "support"},
    )
    sent = served.last("POST", "/tuningJobs").sent
    assert sent["supervisedTuningSpec"]["hyperParameters"] == {
        "epochCount": "4",
        "learningRateMultiplier": 1.0,
        "adapterSize": 2,  # the enum as its number
    }
    assert job.service_account == ACCOUNT
    assert job.to_dict()["encryptionSpec"] == {"kmsKeyName": KEY}
    assert job.to_dict()["labels"] == {"team": "support"}
    model = aiplatform.Model(ended(job, served).tuned_model_name)
    assert model.display_name == "tuned_gemini_2_5_flash"
    assert (model.version_id, model.version_aliases) == ("1", ["default"])


def test_a_job_without_a_name_gets_one_from_the_client(sdk: Served) -> None:
    sft.train(source_model=MODEL, train_dataset=TRAIN)
    name = sdk.last("POST", "/tuningJobs").sent["tunedModelDisplayName"]
    assert name.startswith("SupervisedTuningJob 20")


def test_the_list_sample_lists_jobs(sdk: Served) -> None:
    made = [sft.train(source_model=MODEL, train_dataset=TRAIN) for _ in range(3)]
    ended(made[0], sdk)
    listed = sft.SupervisedTuningJob.list()
    assert {job.resource_name for job in listed} == {job.resource_name for job in made}
    assert sft.SupervisedTuningJob.list(filter='state="JOB_STATE_FAILED"') == []


def test_the_details_sample_reads_a_job_by_its_full_name(sdk: Served) -> None:
    made = sft.train(source_model=MODEL, train_dataset=TRAIN)
    parent = f"projects/{PROJECT}/locations/{LOCATION}"
    read = sft.SupervisedTuningJob(f"{parent}/tuningJobs/{made.name}")
    assert read.resource_name == made.resource_name
    with pytest.raises(exceptions.NotFound):
        sft.SupervisedTuningJob(f"{parent}/tuningJobs/4982013113894174720")


def test_the_cancel_sample_cancels(sdk: Served) -> None:
    job = sft.train(source_model=MODEL, train_dataset=TRAIN)
    job.cancel()
    assert ended(job, sdk).state.name == "JOB_STATE_CANCELLED"
    assert job.error.code == 1
    assert job.tuned_model_name == ""


def test_the_base_model_of_the_samples_is_retired(sdk: Served) -> None:
    with pytest.raises(exceptions.NotFound, match="gemini-2"):
        sft.train(source_model="gemini-2.0-flash-001", train_dataset=TRAIN)
