"""What the emulator leaves out on purpose: real methods of Google's, and a plain answer to each."""

import httpx
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1

from tests.conformance.support.discovery import storage, vertex
from tests.conformance.support.served import MODEL, PARENT, TRAIN, Served

CREATE = {"baseModel": MODEL, "supervisedTuningSpec": {"trainingDatasetUri": TRAIN}}
VERTEX = (
    ("POST", "endpoints/1:generateContent"),
    ("POST", "endpoints/1:predict"),
    ("POST", "endpoints/1:deployModel"),
    ("POST", "endpoints"),
    ("POST", "models:upload"),
    ("POST", "models:copy"),
    ("POST", "models/1:export"),
    ("POST", "tuningJobs:rebaseTunedModel"),
    ("GET", "tuningJobs/1/operations"),
    ("GET", "operations"),
    ("POST", "operations/1:wait"),
    ("POST", "operations/1:cancel"),
    ("POST", "metadataStores/default/contexts"),
    ("GET", "datasets"),
)
STORAGE = (
    ("GET", "/storage/v1/b"),
    ("POST", "/storage/v1/b"),
    ("DELETE", "/storage/v1/b/acme"),
    ("PUT", "/storage/v1/b/acme/o/a"),
)


@pytest.mark.parametrize(("verb", "path"), VERTEX)
def test_a_method_of_vertex_that_is_left_out_is_not_found(
    served: Served, verb: str, path: str
) -> None:
    whole = f"/v1/{PARENT}/{path}"
    assert vertex("v1").method(verb, whole) is not None
    answer = httpx.request(verb, f"{served.url}{whole}")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"Method not found: {verb} {whole}"


@pytest.mark.parametrize(("verb", "path"), STORAGE)
def test_a_method_of_storage_that_is_left_out_is_not_found(
    served: Served, verb: str, path: str
) -> None:
    assert storage().method(verb, path) is not None
    answer = httpx.request(verb, f"{served.url}{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["errors"][0]["reason"] == "notFound"


def test_a_glob_is_refused_rather_than_ignored(served: Served) -> None:
    served.put("a.jsonl", b"x")
    url = f"{served.url}/storage/v1/b/acme-tuning/o"
    answer = httpx.get(url, params={"matchGlob": "*.jsonl"})
    assert answer.status_code == 400


def test_replaced_generations_are_not_kept(served: Served) -> None:
    served.put("a.jsonl", b"old")
    served.put("a.jsonl", b"new")
    url = f"{served.url}/storage/v1/b/acme-tuning/o"
    answer = httpx.get(url, params={"versions": "true"})
    assert [item["size"] for item in answer.json()["items"]] == ["3"]


def test_nobody_is_asked_for_a_token(served: Served) -> None:
    url = f"{served.url}/v1/{PARENT}/tuningJobs"
    assert httpx.post(url, json=CREATE).status_code == 200
    wrong = {"Authorization": "Bearer anything"}
    assert httpx.post(url, json=CREATE, headers=wrong).status_code == 200


def test_enums_are_words_even_to_who_asks_for_numbers(served: Served) -> None:
    url = f"{served.url}/v1/{PARENT}/tuningJobs"
    answer = httpx.post(url, json=CREATE, params={"$alt": "json;enum-encoding=int"})
    assert answer.json()["state"] == "JOB_STATE_PENDING"


def test_binary_answers_are_refused(served: Served) -> None:
    url = f"{served.url}/v1/{PARENT}/tuningJobs"
    for parameter in ("alt", "$alt"):
        assert httpx.get(url, params={parameter: "proto"}).status_code == 400


@pytest.mark.parametrize("name", ["distillationSpec", "reinforcementTuningSpec", "veoTuningSpec"])
def test_methods_of_the_beta_are_known_but_not_served(served: Served, name: str) -> None:
    url = f"{served.url}/v1beta1/{PARENT}/tuningJobs"
    answer = httpx.post(url, json={"baseModel": MODEL, name: {}})
    assert answer.status_code == 501
    assert answer.json()["error"]["status"] == "UNIMPLEMENTED"


def test_a_multimodal_dataset_is_not_found(served: Served) -> None:
    spec = {"trainingDatasetUri": f"{PARENT}/datasets/7"}
    url = f"{served.url}/v1/{PARENT}/tuningJobs"
    answer = httpx.post(url, json={"baseModel": MODEL, "supervisedTuningSpec": spec})
    assert answer.status_code == 404
    assert "datasets/7" in answer.json()["error"]["message"]


def test_a_client_that_is_not_told_rest_speaks_grpc() -> None:
    chosen = aiplatform_v1.GenAiTuningServiceClient.get_transport_class()
    assert chosen.__name__ == "GenAiTuningServiceGrpcTransport"
    options = {"credentials": AnonymousCredentials(), "transport": "rest"}
    with aiplatform_v1.GenAiTuningServiceClient(**options) as client:
        assert client.transport.kind == "rest"


def test_a_web_page_is_refused(served: Served) -> None:
    url = f"{served.url}/v1/{PARENT}/tuningJobs"
    for headers in ({"Origin": "https://example.com"}, {"Host": "example.com"}):
        assert httpx.get(url, headers=headers).status_code == 403
