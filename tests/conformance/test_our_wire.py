"""What our own client sends, before Google's judges: the discovery documents and the protos."""

import os
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.support.discovery import vertex
from tests.conformance.support.referee import proto_class, proto_faults, request_faults
from tests.conformance.support.served import (
    ACCOUNT,
    KEY,
    LOCATION,
    MODEL,
    PARENT,
    PROJECT,
    TRAIN,
    VALIDATION,
    Served,
)
from tests.support.profiles import effort
from tuneops.core.recipe import BaseModel, HyperParameters, Method, Pretuned
from tuneops.core.request import JobRequest
from tuneops.emulator.application import Settings
from tuneops.errors import Rejected
from tuneops.gcs.objects import GcsObjects
from tuneops.http.waiting import Waiting
from tuneops.vertex.auth import LoopbackAuth
from tuneops.vertex.provider import VertexProvider
from tuneops.vertex.translate import to_body

JOB = "GoogleCloudAiplatformV1TuningJob"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
FACTORS = st.decimals("0.000001", "1000", places=6)
LABELS = st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def job_requests(draw: Callable[..., Any], methods: Iterable[Method] = Method) -> JobRequest:
    method = draw(st.sampled_from(list(methods)))
    source = st.builds(BaseModel, base_model=TEXT) | st.builds(
        Pretuned,
        model=st.integers(1, 2**63 - 1).map(lambda number: f"{PARENT}/models/{number}@2"),
        checkpoint=st.integers(1, 99).map(str),
    )
    hyper = st.builds(
        HyperParameters,
        epoch_count=optional(st.integers(1, 2**63 - 1)),
        adapter_size=optional(st.sampled_from((1, 2, 4, 8, 16, 32))),
        learning_rate_multiplier=optional(FACTORS),
        beta=optional(FACTORS) if method is Method.PREFERENCE else st.none(),
    )
    uris = TEXT.map(lambda name: f"gs://acme-tuning/{name}.jsonl")
    return draw(
        st.builds(
            JobRequest,
            method=st.just(method),
            source=source,
            training_uri=uris,
            validation_uri=optional(uris),
            hyper_parameters=hyper,
            last_checkpoint_only=st.booleans(),
            display_name=optional(TEXT),
            description=st.just("") | TEXT,
            labels=st.dictionaries(LABELS, LABELS, max_size=5),
            encryption_key=optional(st.just(KEY)),
            service_account=optional(st.just(ACCOUNT)),
        )
    )


@effort(100)
@given(job_requests())
def test_every_create_body_fits_the_documents_and_the_proto(request: JobRequest) -> None:
    body = to_body(request)
    assert vertex("v1").faults(body, JOB, sent=True, sparse=True) == []
    beta = JOB.replace("V1", "V1beta1")
    assert vertex("v1beta1").faults(body, beta, sent=True, sparse=True) == []
    assert proto_faults(body, JOB) == []


@effort(100)
@given(job_requests([Method.SUPERVISED]))
def test_a_create_body_comes_back_from_the_proto_as_it_went_in(request: JobRequest) -> None:
    body = to_body(request)
    message = json_format.ParseDict(body, proto_class(JOB)())
    assert json_format.MessageToDict(message) == body


class Runner:
    """Our client on a served emulator."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.http = self.open()
        waiting = Waiting()
        self.provider = VertexProvider(
            self.http, project=PROJECT, location=LOCATION, fresh=self.open, waiting=waiting
        )
        self.objects = GcsObjects(self.http, waiting=waiting)

    def open(self) -> httpx.Client:
        return httpx.Client(base_url=self.served.url, auth=LoopbackAuth())

    def run(self, folder: Path) -> None:
        """Use every method that our client has, as an apply of a whole chain would."""
        (folder / "week.jsonl").write_bytes(os.urandom(1000))
        self.objects.upload(folder / "week.jsonl", "gs://acme-tuning/a folder/wéek#1.jsonl")
        self.objects.describe("gs://acme-tuning/none.jsonl")
        for number in range(2):
            self.provider.create_job(a_request(labels={"number": str(number)}))
        first = self.provider.list_jobs().jobs[0]
        self.served.advance(hours=2)
        done = self.provider.get_job(first.name)
        assert done is not None
        assert done.model is not None
        versions = self.provider.list_versions(done.model.partition("@")[0])
        assert versions is not None
        assert list(self.provider.list_checkpoints(done.model)) == ["1", "2", "3"]
        (version,) = versions.values()
        self.provider.set_default_checkpoint(version.name, "2", version.etag)
        self.provider.merge_aliases(version.name, ("prod", "-canary"))
        (moved,) = (self.provider.list_versions(done.model.partition("@")[0]) or {}).values()
        assert (moved.default_checkpoint, moved.aliases) == ("2", ("default", "prod"))
        assert done.experiment is not None
        loss = self.provider.read_series(done.experiment, frozenset({"eval_total_loss"}))
        assert [point.step for point in loss["eval_total_loss"]] == [
            checkpoint.step for checkpoint in done.checkpoints.values()
        ]
        pretuned = Pretuned(model=done.model, checkpoint="2")
        pairs = self.served.put_pairs()
        created = self.provider.create_job(
            a_request(
                method=Method.PREFERENCE,
                source=pretuned,
                training_uri=pairs,
                validation_uri=None,
                display_name=None,
            )
        )
        self.provider.cancel_job(created.name)
        self.provider.get_job(f"{PARENT}/tuningJobs/55")


def a_request(**changes: Any) -> JobRequest:
    fields: dict[str, Any] = {
        "method": Method.SUPERVISED,
        "source": BaseModel(base_model=MODEL),
        "training_uri": TRAIN,
        "validation_uri": VALIDATION,
        "hyper_parameters": HyperParameters(
            epoch_count=3, adapter_size=8, learning_rate_multiplier=Decimal("0.5")
        ),
        "last_checkpoint_only": False,
        "display_name": "support-bot",
        "description": "step base",
        "labels": {},
        "encryption_key": KEY,
        "service_account": ACCOUNT,
    }
    return JobRequest(**(fields | changes))


@pytest.fixture
def runner(served: Served) -> Iterator[Runner]:
    runner = Runner(served)
    yield runner
    runner.http.close()


METHODS = {
    ("POST", "/tuningJobs"),
    ("GET", "/tuningJobs"),
    ("POST", ":cancel"),
    ("GET", ":listVersions"),
    ("GET", "@1:listCheckpoints"),
    ("PATCH", "@1"),
    ("POST", "@1:mergeVersionAliases"),
    ("GET", "/runs"),
    ("GET", "/timeSeries"),
    ("GET", ":read"),
    ("POST", "/upload/storage/v1/b/acme-tuning/o"),
    ("GET", "/o/none.jsonl"),
}


@pytest.mark.parametrize("settings", [Settings(page_size_limit=1, empty_pages=True)])
def test_every_request_of_a_run_is_one_of_googles_methods(runner: Runner, tmp_path: Path) -> None:
    runner.run(tmp_path)
    seen = runner.served.recorder.exchanges
    assert len(seen) > 15
    for verb, ending in METHODS:
        assert runner.served.recorder.requests(verb, ending), (verb, ending)
    assert [fault for exchange in seen for fault in request_faults(exchange)] == []


def test_our_metrics_are_those_that_googles_client_reads(runner: Runner) -> None:
    created = runner.provider.create_job(a_request())
    runner.served.advance(hours=2)
    done = runner.provider.get_job(created.name)
    assert done is not None
    assert done.experiment is not None
    ours = runner.provider.read_series(done.experiment, frozenset({"train_total_loss"}))
    context = httpx.get(f"{runner.served.url}/v1/{done.experiment}").json()
    options = ClientOptions(api_endpoint=runner.served.url)
    with aiplatform_v1.TensorboardServiceClient(
        transport="rest", credentials=AnonymousCredentials(), client_options=options
    ) as client:
        board = context["metadata"]["backing_tensorboard_resource"]
        experiment = f"{board}/experiments/{done.experiment.rpartition('/')[2]}"
        (run,) = client.list_tensorboard_runs(parent=experiment)
        (series,) = (
            one
            for one in client.list_tensorboard_time_series(parent=run.name)
            if one.display_name == "/train_total_loss"
        )
        theirs = client.read_tensorboard_time_series_data(tensorboard_time_series=series.name)
    assert [(point.step, point.value) for point in ours["train_total_loss"]] == [
        (point.step, point.scalar.value) for point in theirs.time_series_data.values
    ]


def test_an_etag_that_has_gone_by_changes_no_default_checkpoint(runner: Runner) -> None:
    runner.provider.create_job(a_request())
    runner.served.advance(hours=2)
    (done,) = runner.provider.list_jobs().jobs
    assert done.model is not None
    base = done.model.partition("@")[0]
    (version,) = (runner.provider.list_versions(base) or {}).values()
    runner.provider.set_default_checkpoint(version.name, "2", version.etag)
    with pytest.raises(Rejected) as refused:
        runner.provider.set_default_checkpoint(version.name, "1", version.etag)
    assert refused.value.reason == "ABORTED"


def test_a_create_is_json_and_goes_out_with_the_token(runner: Runner) -> None:
    runner.provider.create_job(a_request())
    headers = runner.served.last("POST", "/tuningJobs").request_headers
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == "Bearer emulator"


def test_our_client_and_googles_see_the_same_job(runner: Runner) -> None:
    created = runner.provider.create_job(a_request(labels={"team": "support"}))
    runner.served.advance(hours=2)
    ours = runner.provider.get_job(created.name)
    assert ours is not None
    with aiplatform_v1.GenAiTuningServiceClient(
        transport="rest",
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=runner.served.url),
    ) as client:
        theirs = client.get_tuning_job(name=created.name)
    assert ours.raw_state == theirs.state.name
    assert ours.created == theirs.create_time
    assert ours.ended == theirs.end_time
    assert (ours.model, ours.endpoint) == (theirs.tuned_model.model, theirs.tuned_model.endpoint)
    assert ours.fields.epoch_count == theirs.supervised_tuning_spec.hyper_parameters.epoch_count
    assert ours.fields.encryption_key == theirs.encryption_spec.kms_key_name
    assert {
        id: (checkpoint.epoch, checkpoint.step, checkpoint.endpoint)
        for id, checkpoint in ours.checkpoints.items()
    } == {
        checkpoint.checkpoint_id: (checkpoint.epoch, checkpoint.step, checkpoint.endpoint)
        for checkpoint in theirs.tuned_model.checkpoints
    }
    stats = theirs.tuning_data_stats.supervised_tuning_data_stats
    assert ours.billable_tokens == stats.total_billable_token_count
