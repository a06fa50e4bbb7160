"""google-api-python-client, which is made of the discovery documents, against a served emulator.

It is the one client of Google's, besides google-genai, that knows preference tuning in `v1`.
"""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery, discovery_cache, http
from googleapiclient.errors import HttpError

from tests.conformance.support.served import KEY, MODEL, PARENT, TRAIN, Served
from tuneops.emulator.application import Settings


def built(name: str, version: str, url: str) -> Any:
    return discovery.build(
        name,
        version,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": url},
        cache_discovery=False,
        static_discovery=True,
    )


@pytest.fixture
def vertex(served: Served) -> Iterator[Any]:
    with built("aiplatform", "v1", served.url) as service:
        yield service.projects().locations()


@pytest.fixture
def objects(served: Served) -> Iterator[Any]:
    # Of another address the client takes the host for its uploads, but not the scheme: it would
    # speak TLS. A document with that address in it is what it wants instead.
    document = json.loads(discovery_cache.get_static_doc("storage", "v1"))
    here = {**document, "rootUrl": f"{served.url}/", "baseUrl": f"{served.url}/storage/v1/"}
    with discovery.build_from_document(here, credentials=AnonymousCredentials()) as service:
        yield service.objects()


def job(**fields: Any) -> dict[str, Any]:
    return {"baseModel": MODEL, "supervisedTuningSpec": {"trainingDatasetUri": TRAIN}, **fields}


@pytest.mark.parametrize("settings", [Settings(page_size_limit=2, empty_pages=True)])
def test_jobs_are_created_listed_and_cancelled(vertex: Any) -> None:
    jobs = vertex.tuningJobs()
    encryption = {"kmsKeyName": KEY}
    made = [
        jobs.create(parent=PARENT, body=job(encryptionSpec=encryption)).execute() for _ in range(3)
    ]
    listed = []
    request = jobs.list(parent=PARENT)
    while request is not None:
        page = request.execute()
        listed += page.get("tuningJobs", [])
        request = jobs.list_next(request, page)
    assert listed == made[::-1]
    assert jobs.cancel(name=made[0]["name"], body={}).execute() == {}
    assert jobs.get(name=made[0]["name"]).execute()["state"] == "JOB_STATE_CANCELLING"
    succeeded = jobs.list(parent=PARENT, filter='state="JOB_STATE_SUCCEEDED"')
    assert succeeded.execute() == {}


def test_preferences_are_tuned_on_top_of_a_supervised_model(vertex: Any, served: Served) -> None:
    jobs = vertex.tuningJobs()
    hyper = {"epochCount": "2"}
    body = job(supervisedTuningSpec={"trainingDatasetUri": TRAIN, "hyperParameters": hyper})
    first = jobs.create(parent=PARENT, body=body).execute()
    served.advance(hours=5)
    model = jobs.get(name=first["name"]).execute()["tunedModel"]["model"]
    spec = {"trainingDatasetUri": served.put_pairs(), "hyperParameters": {"beta": 0.1}}
    body = {
        "preTunedModel": {"tunedModelName": model, "checkpointId": "1"},
        "preferenceOptimizationSpec": spec,
    }
    second = jobs.create(parent=PARENT, body=body).execute()
    served.advance(hours=5)
    done = jobs.get(name=second["name"]).execute()
    assert done["state"] == "JOB_STATE_SUCCEEDED"
    assert done["tunedModel"]["model"] == model.replace("@1", "@2")
    versions = vertex.models().listVersions(name=model.partition("@")[0]).execute()["models"]
    assert [version["versionId"] for version in versions] == ["2", "1"]
    assert {item["checkpointId"] for item in versions[0]["deployedModels"]} <= {
        item["checkpointId"] for item in versions[0]["checkpoints"]
    }
    aliased = vertex.models().mergeVersionAliases(
        name=done["tunedModel"]["model"], body={"versionAliases": ["default"]}
    )
    assert aliased.execute()["versionAliases"] == ["default"]
    checkpoints = vertex.models().listCheckpoints(name=model).execute()["checkpoints"]
    assert checkpoints[0] == {"checkpointId": "1", "epoch": "1", "step": "4"}


def test_a_refusal_has_its_status_and_its_fields(vertex: Any) -> None:
    with pytest.raises(HttpError) as refused:
        vertex.tuningJobs().create(parent=PARENT, body=job(labels={"Team": "x"})).execute()
    assert refused.value.status_code == 400
    [detail] = refused.value.error_details
    assert detail["fieldViolations"][0]["field"] == "tuning_job.labels"
    with pytest.raises(HttpError) as refused:
        vertex.tuningJobs().get(name=f"{PARENT}/tuningJobs/55").execute()
    assert json.loads(refused.value.content)["error"]["status"] == "NOT_FOUND"


def test_objects_are_uploaded_whole_and_in_chunks(objects: Any, served: Served) -> None:
    content = b"0123456789" * 60_000
    for resumable in (False, True):
        media = http.MediaIoBaseUpload(
            io.BytesIO(content), "application/jsonl", chunksize=256 * 1024, resumable=resumable
        )
        request = objects.insert(
            bucket="acme-tuning",
            body={"name": f"a/{resumable}.jsonl"},
            media_body=media,
            ifGenerationMatch="0",
        )
        assert request.execute()["size"] == str(len(content))
    puts = [seen.status for seen in served.recorder.exchanges if seen.verb == "PUT"]
    assert puts == [308, 308, 200]
    listed = objects.list(bucket="acme-tuning", prefix="a/", maxResults=1).execute()
    assert [item["name"] for item in listed["items"]] == ["a/False.jsonl"]
    found = objects.get_media(bucket="acme-tuning", object="a/True.jsonl").execute()
    assert found == content
    with pytest.raises(HttpError) as refused:
        objects.delete(bucket="acme-tuning", object="a/True.jsonl", ifGenerationMatch="1").execute()
    assert refused.value.status_code == 412
    assert objects.delete(bucket="acme-tuning", object="a/True.jsonl").execute() == ""
