"""From the text of a spec to the body that `tuningJobs.create` receives, field by field."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.builders import a_mark
from tuneops.core.labels import job_labels
from tuneops.core.lock import Cause
from tuneops.core.observed import Ownership
from tuneops.core.planner import make_plan
from tuneops.core.steps import CreateJob, intent, ready_steps, request
from tuneops.core.view import look
from tuneops.engine.observe import observe
from tuneops.engine.pins import pin
from tuneops.gcs.objects import GcsObjects
from tuneops.http.waiting import Waiting
from tuneops.spec.load import load
from tuneops.spec.text import SourceText
from tuneops.store.lockfile import empty_lock
from tuneops.vertex.provider import VertexProvider

PLACE = "projects/123456789012/locations/us-central1"
TUNED = "projects/acme-ml/locations/us-central1/models/77@2"
KEY = "projects/acme-ml/locations/us-central1/keyRings/r/cryptoKeys/{}"
ACCOUNT = "{}@acme-ml.iam.gserviceaccount.com"
DATE = {"Date": "Fri, 20 Nov 2026 09:00:00 GMT"}

WORKSPACE = """\
apiVersion: tuneops.dev/v1
kind: Workspace
metadata: {name: acme}
spec:
  defaultEnvironment: prod
  environments:
    prod:
      provider: vertex
      project: acme-ml
      location: us-central1
%s
"""
CHAIN = """\
apiVersion: tuneops.dev/v1
kind: TuningChain
metadata: {name: bot}
spec:
  baseModel: gemini-2.5-flash
  stages:
    - name: seed
      supervisedTuningSpec: {trainingDatasetUri: gs://acme-tuning/seed.jsonl}
    - name: tone
%s
"""
JOB = """\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {name: faq}
spec:
%s
"""
DATA = "trainingDatasetUri: gs://acme-tuning/a.jsonl"
CHECK = "validationDatasetUri: gs://acme-tuning/b.jsonl"
SUPERVISED = f"supervisedTuningSpec: {{{DATA}}}"
BASE = "  baseModel: gemini-2.5-flash\n"


class Vertex:
    """Vertex and Cloud Storage; a job that is created has ended well when it is looked at."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.jobs: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.startswith("/storage/"):
            name = path.rpartition("/")[2]
            return self._says({"name": name, "size": "9", "crc32c": "AAAAAA==", "generation": "1"})
        if path.endswith(":listVersions"):
            model = path.removeprefix("/v1/").removesuffix(":listVersions")
            number = TUNED[-1] if TUNED.startswith(model) else "1"
            version = {"name": f"{model}@{number}", "defaultCheckpointId": "3"}
            return self._says({"models": [version]})
        if path.endswith(":listCheckpoints"):
            return self._says({"checkpoints": [{"checkpointId": "3", "epoch": "3", "step": "9"}]})
        if request.method == "GET":
            return self._says({"tuningJobs": self.jobs})
        self.bodies.append(json.loads(request.content))
        return self._says(self._made(self.bodies[-1]))

    def _made(self, body: dict[str, Any]) -> dict[str, Any]:
        job = {
            "name": f"{PLACE}/tuningJobs/{len(self.bodies)}",
            "createTime": "2026-11-20T09:00:00Z",
            "state": "JOB_STATE_PENDING",
        }
        model = {
            "model": f"{PLACE}/models/{54 + len(self.bodies)}@1",
            "checkpoints": [{"checkpointId": "3", "epoch": "3", "step": "9"}],
        }
        done = {"state": "JOB_STATE_SUCCEEDED", "tunedModel": model}
        self.jobs.append({**body, **job, **done, "endTime": "2026-11-20T09:00:00Z"})
        return {**body, **job}

    def _says(self, document: Any) -> httpx.Response:
        return httpx.Response(200, json=document, headers=DATE)


@pytest.fixture
def vertex() -> Vertex:
    return Vertex()


def send(vertex: Vertex, spec: str, environment: str = "") -> None:
    """Plan what a spec asks for, and send every create that is ready."""
    texts = [SourceText("workspace.yaml", WORKSPACE % environment), SourceText("a.yaml", spec)]
    read = load(texts, environment=None, variables={}, env={})
    assert read.declaration is not None, read.findings

    def client() -> httpx.Client:
        return httpx.Client(base_url="https://x", transport=httpx.MockTransport(vertex))

    with client() as shared:
        waiting = Waiting(sleep=lambda _: None)
        place = {"project": "acme-ml", "location": "us-central1"}
        provider = VertexProvider(shared, **place, fresh=client, waiting=waiting)
        objects = GcsObjects(shared, waiting=waiting)
        lock = empty_lock(read.declaration.target)
        graph = pin(
            read.declaration,
            lock,
            read_file=lambda _: None,
            objects=objects,
            service=provider,
            registry=provider,
        )
        seen = observe(graph, lock, service=provider, registry=provider, objects=objects)
        view = look(graph, lock, seen, timedelta(minutes=15))
        for step in ready_steps(make_plan(view), view):
            assert isinstance(step, CreateJob)
            creation = intent(step, a_mark(), Cause())
            provider.create_job(request(step, read.declaration.target.owner, creation))


EVALUATION = """\
{metrics: [{aggregation_metrics: [AVERAGE], bleuSpec: {useEffectiveOrder: true}},\
 {exactMatchSpec: {}}],\
 outputConfig: {gcs_destination: {output_uri_prefix: gs://acme-tuning/eval}},\
 autoraterConfig: {samplingCount: 4},\
 inferenceGenerationConfig: {temperature: 0.2, maxOutputTokens: 1024}}"""
EVALUATED = {
    "metrics": [
        {"aggregationMetrics": ["AVERAGE"], "bleuSpec": {"useEffectiveOrder": True}},
        {"exactMatchSpec": {}},
    ],
    "outputConfig": {"gcsDestination": {"outputUriPrefix": "gs://acme-tuning/eval"}},
    "autoraterConfig": {"samplingCount": 4},
    "inferenceGenerationConfig": {"temperature": 0.2, "maxOutputTokens": 1024},
}

SAID_OF_A_JOB: dict[str, tuple[str, str, object]] = {
    "display name": (
        f"tunedModelDisplayName: My bot\n  {SUPERVISED}",
        "tunedModelDisplayName",
        "My bot",
    ),
    "no display name": (SUPERVISED, "tunedModelDisplayName", "faq"),
    "service account": (
        f"serviceAccount: {ACCOUNT.format('own')}\n  {SUPERVISED}",
        "serviceAccount",
        ACCOUNT.format("own"),
    ),
    "key": (
        f"encryptionSpec: {{kmsKeyName: {KEY.format('own')}}}\n  {SUPERVISED}",
        "encryptionSpec",
        {"kmsKeyName": KEY.format("own")},
    ),
    "base model": (SUPERVISED, "baseModel", "gemini-2.5-flash"),
    "training data": (
        SUPERVISED,
        "supervisedTuningSpec",
        {"trainingDatasetUri": "gs://acme-tuning/a.jsonl"},
    ),
    "validation data": (
        f"supervisedTuningSpec: {{{DATA}, {CHECK}}}",
        "supervisedTuningSpec.validationDatasetUri",
        "gs://acme-tuning/b.jsonl",
    ),
    "last checkpoint only": (
        f"supervisedTuningSpec: {{{DATA}, exportLastCheckpointOnly: true}}",
        "supervisedTuningSpec.exportLastCheckpointOnly",
        True,
    ),
    "epochs": (
        f"supervisedTuningSpec: {{{DATA}, hyperParameters: {{epochCount: 3}}}}",
        "supervisedTuningSpec.hyperParameters",
        {"epochCount": "3"},
    ),
    "learning rate": (
        f"supervisedTuningSpec: {{{DATA}, hyperParameters: {{learning_rate_multiplier: 1e-1}}}}",
        "supervisedTuningSpec.hyperParameters",
        {"learningRateMultiplier": 0.1},
    ),
    "adapter size": (
        f"supervisedTuningSpec: {{{DATA}, hyperParameters: {{adapterSize: 8}}}}",
        "supervisedTuningSpec.hyperParameters",
        {"adapterSize": "ADAPTER_SIZE_EIGHT"},
    ),
    "beta": (
        f"preferenceOptimizationSpec: {{{DATA}, hyperParameters: {{beta: 0.25}}}}",
        "preferenceOptimizationSpec.hyperParameters",
        {"beta": 0.25},
    ),
    "evaluation": (
        f"supervisedTuningSpec: {{{DATA}, {CHECK}, evaluationConfig: {EVALUATION}}}",
        "supervisedTuningSpec.evaluationConfig",
        EVALUATED,
    ),
}


def at(body: Any, path: str) -> Any:
    for step in path.split("."):
        body = body[step]
    return body


@pytest.mark.parametrize("field", SAID_OF_A_JOB)
def test_what_a_job_says_is_sent(field: str, vertex: Vertex) -> None:
    said, path, expected = SAID_OF_A_JOB[field]
    send(vertex, JOB % f"{BASE}  {said}")
    (body,) = vertex.bodies
    assert at(body, path) == expected


def test_labels_and_description_keep_company_with_ours(vertex: Vertex) -> None:
    said = "  description: Answers questions\n  labels: {team: support}\n"
    send(vertex, JOB % f"{BASE}{said}  {SUPERVISED}")
    (body,) = vertex.bodies
    assert body["labels"]["team"] == "support"
    assert body["labels"]["tuneops-address"] == "faq"
    assert len(body["labels"]) == 1 + len(job_labels(_owned()))
    assert body["description"].startswith("Answers questions\n")
    assert "[tuneops1 {" in body["description"]


def _owned() -> Ownership:
    return Ownership(owner="o", address="a", lineage="v1-" + "a" * 52, attempt=1, mark="b" * 26)


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ("{tunedModelName: %s}", {"tunedModelName": TUNED, "checkpointId": "3"}),
        ('{tunedModelName: %s, checkpointId: "3"}', {"tunedModelName": TUNED, "checkpointId": "3"}),
    ],
)
def test_a_fork_of_a_tuned_model(source: str, sent: object, vertex: Vertex) -> None:
    said = f"  preTunedModel: {source % TUNED}\n  tunedModelDisplayName: Fork\n  {SUPERVISED}"
    send(vertex, JOB % said)
    (body,) = vertex.bodies
    assert body["preTunedModel"] == sent
    assert body["tunedModelDisplayName"] == "Fork"
    assert "baseModel" not in body


SAID_OF_A_STAGE: dict[str, tuple[str, str, object]] = {
    "display name": ("tunedModelDisplayName: Tone", "tunedModelDisplayName", "Tone"),
    "service account": (
        f"serviceAccount: {ACCOUNT.format('stage')}",
        "serviceAccount",
        ACCOUNT.format("stage"),
    ),
    "label": ("labels: {team: tone}", "labels.team", "tone"),
    "checkpoint": ("checkpoint: {epoch: 3}", "preTunedModel.checkpointId", "3"),
}


@pytest.mark.parametrize("field", SAID_OF_A_STAGE)
def test_what_a_stage_says_is_sent(field: str, vertex: Vertex) -> None:
    said, path, expected = SAID_OF_A_STAGE[field]
    chain = CHAIN % f"      {said}\n      {SUPERVISED}"
    send(vertex, chain)
    send(vertex, chain)
    seed, tone = vertex.bodies
    assert seed["tunedModelDisplayName"] == "bot"
    assert tone["preTunedModel"]["tunedModelName"] == f"{PLACE}/models/55@1"
    assert at(tone, path) == expected


def test_a_stage_is_evaluated_by_default(vertex: Vertex) -> None:
    shared = f"{{{CHECK}, evaluationConfig: {EVALUATION}}}"
    metrics = "evaluationConfig: {metrics: [{rougeSpec: {rougeType: rougeL}}]}"
    chain = CHAIN.replace("  stages:", f"  defaults: {{supervisedTuningSpec: {shared}}}\n  stages:")
    chain %= f"      supervisedTuningSpec: {{{DATA}, {metrics}}}"
    send(vertex, chain)
    send(vertex, chain)
    seed, tone = vertex.bodies
    assert "tunedModelDisplayName" not in tone
    assert seed["supervisedTuningSpec"]["evaluationConfig"] == EVALUATED
    assert tone["supervisedTuningSpec"]["evaluationConfig"] == {
        **EVALUATED,
        "metrics": [{"rougeSpec": {"rougeType": "rougeL"}}],
    }


@pytest.mark.parametrize("own", ["", "own"])
def test_what_an_environment_says_is_sent_unless_the_job_says_more(
    own: str, vertex: Vertex
) -> None:
    environment = f"""\
      encryptionSpec: {{kmsKeyName: {KEY.format("all")}}}
      serviceAccount: {ACCOUNT.format("all-jobs")}"""
    said = f"  encryptionSpec: {{kmsKeyName: {KEY.format(own)}}}\n" if own else ""
    said += f"  serviceAccount: {ACCOUNT.format('own-job')}\n" if own else ""
    send(vertex, JOB % f"{BASE}{said}  {SUPERVISED}", environment)
    (body,) = vertex.bodies
    assert body["encryptionSpec"] == {"kmsKeyName": KEY.format(own or "all")}
    assert body["serviceAccount"] == ACCOUNT.format("own-job" if own else "all-jobs")


def test_what_is_not_said_is_not_sent(vertex: Vertex) -> None:
    send(vertex, JOB % f"{BASE}  {SUPERVISED}")
    (body,) = vertex.bodies
    assert set(body) == {
        "baseModel",
        "tunedModelDisplayName",
        "description",
        "labels",
        "supervisedTuningSpec",
    }
