"""Do the judges see what they are there to see: each fault, planted, must be found."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.conformance.support.discovery import storage, vertex
from tests.conformance.support.recorder import Exchange
from tests.conformance.support.referee import (
    LAGGING,
    answer_faults,
    proto_class,
    proto_faults,
    request_faults,
)
from tests.conformance.support.served import MODEL, PARENT, TRAIN, Served

JOB = "GoogleCloudAiplatformV1TuningJob"
GOOD: dict[str, Any] = {
    "baseModel": MODEL,
    "supervisedTuningSpec": {
        "trainingDatasetUri": TRAIN,
        "hyperParameters": {
            "epochCount": "3",
            "learningRateMultiplier": 0.5,
            "adapterSize": "ADAPTER_SIZE_FOUR",
        },
    },
    "labels": {"team": "0"},
}


def with_hyper(**changes: Any) -> dict[str, Any]:
    spec = GOOD["supervisedTuningSpec"]
    hyper = {**spec["hyperParameters"], **changes}
    return {**GOOD, "supervisedTuningSpec": {**spec, "hyperParameters": hyper}}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({**GOOD, "foo": 1}, "foo: unknown field"),
    "a proto's spelling": ({**GOOD, "base_model": MODEL}, "base_model: unknown field"),
    "an int64 as a number": (with_hyper(epochCount=3), "epochCount: 3 is not int64"),
    "an int64 with a zero in front": (with_hyper(epochCount="03"), 'epochCount: "03"'),
    "an int64 that is too large": (with_hyper(epochCount=str(2**63)), "is not int64"),
    "a number as text": (with_hyper(learningRateMultiplier="1"), "is not double"),
    "a number that is a truth": (with_hyper(learningRateMultiplier=True), "is not double"),
    "an unknown word": (with_hyper(adapterSize="ADAPTER_SIZE_THREE"), "one of its enum"),
    "an enum as a number": (with_hyper(adapterSize=2), "adapterSize: 2 is not text"),
    "null": ({**GOOD, "description": None}, "description: null"),
    "text for a message": ({**GOOD, "encryptionSpec": "key"}, "is not an object"),
    "an object for a list": ({**GOOD, "evaluateDatasetRuns": {}}, "is not a list"),
    "a number in a map of text": ({**GOOD, "labels": {"a": 1}}, "labels.a: 1 is not text"),
    "a time without a zone": ({**GOOD, "createTime": "2026-11-20T09:00:00"}, "google-datetime"),
    "a default": ({**GOOD, "description": ""}, "is a default and left out"),
    "an int64 that is zero": (with_hyper(epochCount="0"), "is a default and left out"),
    "the server's own field": ({**GOOD, "state": "JOB_STATE_PENDING"}, "is output only"),
}


def test_a_good_body_is_good() -> None:
    assert vertex("v1").faults(GOOD, JOB, sent=True, sparse=True) == []
    assert proto_faults(GOOD, JOB) == []


@pytest.mark.parametrize("case", BAD)
def test_a_planted_fault_is_found_in_a_body(case: str) -> None:
    body, text = BAD[case]
    [fault] = vertex("v1").faults(body, JOB, sent=case == "the server's own field", sparse=True)
    assert text in fault


def test_the_proto_refuses_what_it_does_not_know() -> None:
    assert "foo" in proto_faults({**GOOD, "foo": 1}, JOB)[0]


def test_an_any_is_judged_by_the_type_that_it_names() -> None:
    kind = "type.googleapis.com/google.cloud.aiplatform.v1.GenericOperationMetadata"
    operation = {"name": "operations/1", "metadata": {"@type": kind, "foo": 1}}
    assert vertex("v1").faults(operation, "GoogleLongrunningOperation") or proto_faults(
        operation, "GoogleLongrunningOperation"
    )
    nonsense = {"name": "operations/1", "response": {"@type": "nonsense"}}
    assert vertex("v1").faults(nonsense, "GoogleLongrunningOperation")


def test_the_protos_still_lag_where_they_are_said_to() -> None:
    """When one of these fields arrives in the protos, take it off the list."""
    for schema, fields in LAGGING.items():
        document = vertex("v1beta1" if "V1beta1" in schema else "v1")
        assert fields <= document.fields(schema)
        assert not fields & set(proto_class(schema).DESCRIPTOR.fields_by_camelcase_name)


def test_methods_are_found_by_verb_and_path() -> None:
    found = vertex("v1").method("GET", f"/v1/{PARENT}/models/123%402:listCheckpoints")
    assert found is not None
    assert found.id == "aiplatform.projects.locations.models.listCheckpoints"
    assert vertex("v1").method("PUT", f"/v1/{PARENT}/models/123") is None
    assert vertex("v1").method("GET", f"/v1/{PARENT}/tuningJobs/1/more") is None
    media = storage().method("POST", "/upload/storage/v1/b/acme/o")
    assert media is not None
    assert media.id == "storage.objects.insert"
    assert storage().method("GET", "/storage/v1/b/acme/o/a/b") is None


@pytest.fixture
def job(served: Served) -> Exchange:
    """The creation of a job."""
    url = f"{served.url}/v1/{PARENT}/tuningJobs"
    assert httpx.post(url, json=GOOD).status_code == 200
    return served.recorder.exchanges[-1]


def altered(exchange: Exchange, **changes: Any) -> bytes:
    return json.dumps({**json.loads(exchange.answer), **changes}).encode()


def test_a_planted_fault_is_found_in_an_answer(job: Exchange) -> None:
    assert answer_faults(job) == []
    plain = {**job.headers, "content-type": "text/html"}
    foreign = {**job.headers, "server": "ESF"}
    name = json.loads(job.answer)["name"]
    for planted, text in (
        (replace(job, answer=altered(job, foo=1)), "foo: unknown field"),
        (replace(job, answer=altered(job, state="JOB_STATE_HAPPY")), "one of its enum"),
        (replace(job, answer=altered(job, state=2)), "state: 2 is not text"),
        (replace(job, answer=altered(job, description="")), "is a default"),
        (replace(job, answer=altered(job, name=f"{PARENT}/tuningJobs/1")), "project's number"),
        (replace(job, answer=b'{"name": "a", "name": "b"}'), "comes twice"),
        (replace(job, answer=b'{"a": NaN}'), "NaN"),
        (replace(job, answer=b"<html>"), "not JSON"),
        (replace(job, headers=plain), "Content-Type: text/html"),
        (replace(job, headers=foreign), "an emulator's"),
        (replace(job, path=f"/v1/{PARENT}/nonsense"), "no such method"),
        (replace(job, status=201), "not the shape of an error"),
    ):
        assert text in "\n".join(answer_faults(planted)), text
    assert name in job.answer.decode()


def error(**changes: Any) -> bytes:
    body = {"code": 400, "message": "no", "status": "INVALID_ARGUMENT", **changes}
    return json.dumps({"error": body}).encode()


def test_a_planted_fault_is_found_in_an_error(job: Exchange) -> None:
    refused = replace(job, status=400, answer=error())
    assert answer_faults(refused) == []
    assert answer_faults(replace(refused, answer=error(status="FAILED_PRECONDITION"))) == []
    kind = "type.googleapis.com/google.rpc.BadRequest"
    for body, text in (
        (error(code=404), "under HTTP 400"),
        (error(status="NOT_FOUND"), "under HTTP 400"),
        (error(status="WRONG"), "under HTTP 400"),
        (error(errors=[]), "an error with"),
        (error(details=[{"@type": "BadRequest"}]), "a detail of type"),
        (error(details=[{"@type": kind, "violations": []}]), "google.rpc.Status"),
        (b"[]", "not the shape"),
    ):
        assert text in "\n".join(answer_faults(replace(refused, answer=body))), text


def test_a_planted_fault_is_found_in_an_answer_of_storage(served: Served) -> None:
    served.put("a.jsonl", b"content")
    stored = served.recorder.exchanges[-1]
    assert answer_faults(stored) == []
    link = "https://storage.googleapis.com/download/storage/v1/b/a"
    for planted, text in (
        (replace(stored, answer=altered(stored, size=7)), "size: 7 is not uint64"),
        (replace(stored, answer=altered(stored, mediaLink=link)), "leads away from here"),
        (replace(stored, status=404, answer=error()), "not the shape of an error of Cloud Storage"),
        (replace(stored, status=204), "has no body"),
    ):
        assert text in "\n".join(answer_faults(planted)), text
    httpx.get(f"{served.url}/storage/v1/b/acme-tuning/o/a.jsonl", params={"alt": "media"})
    media = served.recorder.exchanges[-1]
    assert answer_faults(media) == []
    assert "bytes without etag" in "\n".join(
        answer_faults(replace(media, headers={"server": "tuneops-emulator"}))
    )


def test_a_planted_fault_is_found_in_a_request(job: Exchange) -> None:
    def sent(**changes: Any) -> bytes:
        return json.dumps({**GOOD, **changes}).encode()

    assert request_faults(replace(job, request=sent())) == []
    for planted, text in (
        (replace(job, request=sent(state="JOB_STATE_PENDING")), "output only"),
        (replace(job, request=sent(foo=1)), "unknown field"),
        (replace(job, query={"requestId": ["1"]}), "has no parameter requestId"),
        (replace(job, query={"alt": ["xml"]}), "alt has no value"),
        (replace(job, query={"alt": ["json", "json"]}), "was given 2 times"),
        (replace(job, verb="PUT"), "no such method"),
        (replace(job, verb="GET"), "a method that has none"),
        (replace(job, verb="GET", query={"pageSize": ["many"]}), "not an integer"),
    ):
        assert text in "\n".join(request_faults(planted)), text
