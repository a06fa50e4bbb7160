"""Provider and objects against our emulator, which shares no code with them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tuneops.core.labels import job_labels, read_labels
from tuneops.core.observed import JobState, Ownership
from tuneops.core.recipe import HyperParameters, Method, Pretuned
from tuneops.emulator.application import Emulator, Settings
from tuneops.errors import Rejected
from tuneops.gcs.objects import GcsObjects
from tuneops.http.waiting import Waiting
from tuneops.spec.load import load
from tuneops.spec.text import SourceText
from tuneops.vertex.auth import LoopbackAuth
from tuneops.vertex.names import JobName, ModelName
from tuneops.vertex.provider import VertexProvider

SPECFILES = Path(__file__).parents[2] / "specfiles"
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
Make = Callable[..., Any]


class World:
    def __init__(self, path: Path) -> None:
        settings = Settings(page_size_limit=2, empty_pages=True)
        self.emulator = Emulator(path / "emulator.db", wall=lambda: START, settings=settings)
        self.client = self.open()
        waiting = Waiting(sleep=lambda _: None)
        self.provider = VertexProvider(
            self.client,
            project="acme",
            location="us-central1",
            fresh=self.open,
            waiting=waiting,
        )
        self.objects = GcsObjects(self.client, waiting=waiting)

    def open(self) -> httpx.Client:
        return httpx.Client(
            transport=httpx.WSGITransport(app=self.emulator),
            base_url="http://127.0.0.1",
            auth=LoopbackAuth(),
        )

    def close(self) -> None:
        self.client.close()
        self.emulator.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def data(tmp_path: Path, world: World) -> str:
    def turn(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "parts": [{"text": text}]}

    lines = [
        {"contents": [turn("user", f"What is {n} plus one?"), turn("model", str(n + 1))]}
        for n in range(100)
    ]
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    uri = "gs://acme-tuning/tuneops/train 1%2F.jsonl"
    stored = world.objects.upload(file, uri)
    assert world.objects.describe(uri) == stored
    assert world.objects.upload(file, uri) == stored
    file.write_text("other")
    with pytest.raises(Rejected):
        world.objects.upload(file, uri)
    assert world.objects.describe("gs://acme-tuning/none.jsonl") is None
    return uri


def ours(attempt: int) -> dict[str, str]:
    return job_labels(
        Ownership(
            owner="acme--prod",
            address="bot/week-1",
            lineage="v1-" + "a" * 52,
            attempt=attempt,
            mark="b" * 26,
        )
    )


def test_a_chain(world: World, data: str, ask: Make) -> None:
    provider = world.provider
    request = ask(training_uri=data, validation_uri=None, labels=ours(1))
    job = provider.create_job(request)
    assert job.state is JobState.PENDING
    assert job.ownership == read_labels(ours(1))
    assert job.fields.training_uri == data
    assert provider.get_job(job.name) == job

    world.emulator.advance(timedelta(hours=3))
    done = provider.get_job(job.name)
    assert done is not None
    assert done.state is JobState.SUCCEEDED
    assert (done.fields.epoch_count, done.fields.adapter_size) == (3, 4)
    assert len(done.checkpoints) == 3
    assert done.billable_tokens
    assert done.model is not None
    model = ModelName.parse(done.model)
    assert model is not None
    assert model.version == "1"

    versions = provider.list_versions(model.base)
    assert versions is not None
    assert versions["1"].default_checkpoint == "3"
    assert versions["1"].aliases == ("default",)
    kept = provider.list_checkpoints(done.model)
    assert {id: item.step for id, item in kept.items()} == {
        id: item.step for id, item in done.checkpoints.items()
    }

    follow = replace(
        request,
        source=Pretuned(model=done.model, checkpoint="2"),
        display_name=None,
        labels=ours(2),
        hyper_parameters=HyperParameters(epoch_count=1),
    )
    second = provider.create_job(follow)
    assert second.fields.checkpoint == "2"
    world.emulator.advance(timedelta(hours=3))
    ended = provider.get_job(second.name)
    assert ended is not None
    assert ended.model == f"{model.base}@2"
    versions = provider.list_versions(model.base)
    assert versions is not None
    assert set(versions) == {"1", "2"}


def test_an_evaluation(world: World, data: str, ask: Make) -> None:
    spec = SPECFILES / "valid-evaluation" / "a.yaml"
    names = {"workspace.yaml": SPECFILES / "workspace.yaml", "a.yaml": spec}
    texts = [SourceText(name, path.read_text("utf-8")) for name, path in names.items()]
    declared = load(texts, environment=None, variables={}, env={}).declaration
    assert declared is not None
    config = declared.jobs[0].evaluation_config
    assert config is not None
    job = world.provider.create_job(
        ask(training_uri=data, validation_uri=data, evaluation_config=config)
    )
    world.emulator.advance(timedelta(hours=3))
    raw = world.client.get(f"/v1/{job.name}").json()
    shown = raw["supervisedTuningSpec"]["evaluationConfig"]
    assert [sorted(metric) for metric in shown["metrics"]] == [
        sorted(metric) for metric in config["metrics"]
    ]
    assert shown["outputConfig"] == config["outputConfig"]
    runs = raw["evaluateDatasetRuns"]
    assert len(runs) == 3
    folder = runs[0]["evaluateDatasetResponse"]["outputInfo"]["gcsOutputDirectory"]
    assert folder.startswith("gs://acme-tuning/support/eval/")


def test_lists_by_twos_with_empty_pages_between(world: World, data: str, ask: Make) -> None:
    assert world.provider.list_jobs().jobs == ()
    made = {
        world.provider.create_job(ask(training_uri=data, validation_uri=None, labels=ours(n))).name
        for n in range(1, 8)
    }
    found = world.provider.list_jobs()
    assert {job.name for job in found.jobs} == made
    assert found.at == START


def test_cancel(world: World, data: str, ask: Make) -> None:
    job = world.provider.create_job(ask(training_uri=data, validation_uri=None))
    world.provider.cancel_job(job.name)
    world.provider.cancel_job(job.name)
    world.emulator.advance(timedelta(hours=1))
    ended = world.provider.get_job(job.name)
    assert ended is not None
    assert ended.state is JobState.CANCELLED
    assert ended.failure is not None
    assert ended.failure.code == 1
    world.provider.cancel_job(job.name)


def test_absence_and_refusal(world: World, data: str, ask: Make) -> None:
    provider = world.provider
    place = "projects/acme/locations/us-central1"
    assert provider.get_job(f"{place}/tuningJobs/1") is None
    assert provider.list_versions(f"{place}/models/55") is None
    assert provider.list_checkpoints(f"{place}/models/55@2") == {}
    with pytest.raises(Rejected) as caught:
        provider.create_job(ask(training_uri="gs://acme-tuning/none.jsonl"))
    assert caught.value.status == 400
    assert any("training_dataset_uri" in note for note in caught.value.notes)
    assert provider.list_jobs().jobs == ()


def test_preference(world: World, tmp_path: Path, ask: Make) -> None:
    def answer(score: int, text: str) -> dict[str, Any]:
        return {"score": score, "completion": {"role": "model", "parts": [{"text": text}]}}

    example = {
        "contents": [{"role": "user", "parts": [{"text": "When do you open?"}]}],
        "completions": [answer(1, "At 9."), answer(0, "Thank you for asking!")],
    }
    file = tmp_path / "pref.jsonl"
    file.write_text((json.dumps(example) + "\n") * 40)
    uri = world.objects.upload(file, "gs://acme-tuning/pref.jsonl").dataset.uri
    job = world.provider.create_job(
        ask(method=Method.PREFERENCE, training_uri=uri, validation_uri=None)
    )
    world.emulator.advance(timedelta(hours=3))
    ended = world.provider.get_job(job.name)
    assert ended is not None
    assert (ended.state, ended.fields.method) == (JobState.SUCCEEDED, "preference")
    assert ended.billable_tokens
    parsed = JobName.parse(job.name)
    assert parsed is not None
    assert parsed.project.isdigit()
