"""The curl commands of Google's tuning pages, with their bodies as printed and as repaired.

The bodies lie in `documented/`, placeholders and misprints included.
"""

import http.client
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conformance.support.served import (
    ACCOUNT,
    KEY,
    MODEL,
    PARENT,
    TRAIN,
    VALIDATION,
    Served,
)

BODIES = Path(__file__).parent / "documented"
JSON = "application/json; charset=utf-8"
QUESTION = '"Evaluate the fluency of this sentence: {response}. Give a score from 0 to 1."'
VALUES = {
    "BASE_MODEL": MODEL,
    "TRAINING_DATASET_URI": TRAIN,
    "VALIDATION_DATASET_URI": VALIDATION,
    "EPOCH_COUNT": "3",
    "ADAPTER_SIZE": "ADAPTER_SIZE_FOUR",
    "LEARNING_RATE_MULTIPLIER": "1.0",
    "EXPORT_LAST_CHECKPOINT_ONLY": "false",
    "METRIC_SPEC": "pointwise_metric_spec",
    "METRIC_SPEC_FIELD_NAME": "metric_prompt_template",
    "METRIC_SPEC_FIELD_CONTENT": QUESTION,
    "CLOUD_STORAGE_BUCKET": "gs://acme-tuning/evaluation",
    "TUNED_MODEL_DISPLAYNAME": "tuned_gemini",
    "KMS_KEY_NAME": KEY,
    "SERVICE_ACCOUNT": ACCOUNT,
    "CHECKPOINT_ID": "1",
}


def printed(name: str, **values: str) -> str:
    """A body as printed, with all its placeholders filled in."""
    given = VALUES | values
    places = "|".join(sorted(given, key=len, reverse=True))
    text = (BODIES / f"{name}.txt").read_text(encoding="utf-8")
    return re.sub(rf"\b({places})\b", lambda place: given[place[1]], text)


def repaired(text: str) -> str:
    """A body without the commas that JSON does not have."""
    return re.sub(r",(\s*[}\]])", r"\1", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """A command line beside a served emulator."""

    served: Served
    folder: Path

    def ask(self, verb: str, path: str, body: str | None = None) -> tuple[int, Any]:
        """The status and the JSON that a command of the pages gets; curl reads a file."""
        url = f"{self.served.url}/v1/{path}"
        headers = {"Authorization": "Bearer t"}
        if body is not None:
            headers["Content-Type"] = JSON
        if shutil.which("curl") is None:
            return _asked_without_curl(verb, url, headers, body)
        command = ["curl", "-sS", "--noproxy", "*", "-w", "\n%{http_code}", "-X", verb]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        if body:
            (self.folder / "request.json").write_text(body, encoding="utf-8")
            command += ["-d", "@request.json"]
        elif body is not None:
            command += ["-d", ""]
        output = subprocess.run(
            [*command, url], cwd=self.folder, capture_output=True, check=True, timeout=20
        ).stdout.decode()
        answer, _, status = output.rpartition("\n")
        return int(status), json.loads(answer)

    def create(self, body: str | dict[str, Any], location: str = PARENT) -> tuple[int, Any]:
        text = body if isinstance(body, str) else json.dumps(body)
        return self.ask("POST", f"{location}/tuningJobs", text)

    def tuned(self, **fields: Any) -> str:
        body = {"baseModel": MODEL, "supervisedTuningSpec": {"trainingDatasetUri": TRAIN}}
        status, job = self.create({**body, **fields})
        assert status == 200, job
        self.served.advance(hours=5)
        return str(self.ask("GET", job["name"])[1]["tunedModel"]["model"])


def _asked_without_curl(
    verb: str, url: str, headers: dict[str, str], body: str | None
) -> tuple[int, Any]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        connection.request(verb, parts.path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.fixture
def shell(served: Served, tmp_path: Path) -> Shell:
    return Shell(served=served, folder=tmp_path)


def test_the_basic_create_is_accepted_without_its_last_comma(shell: Shell) -> None:
    status, job = shell.create(repaired(printed("basic")))
    assert status == 200
    assert job["state"] == "JOB_STATE_PENDING"
    assert job["supervisedTuningSpec"] == {"trainingDatasetUri": TRAIN}
    assert re.fullmatch(rf"{MODEL}-[0-9a-f-]{{36}}", job["tunedModelDisplayName"])


def test_the_advanced_create_is_accepted_in_its_two_spellings(shell: Shell) -> None:
    status, job = shell.create(repaired(printed("advanced")))
    assert status == 200
    spec = job["supervisedTuningSpec"]
    assert spec["hyperParameters"] == {
        "epochCount": "3",
        "learningRateMultiplier": 1,
        "adapterSize": "ADAPTER_SIZE_FOUR",
    }
    assert "exportLastCheckpointOnly" not in spec  # false is what is left out
    [metric] = spec["evaluationConfig"]["metrics"]
    assert metric["pointwiseMetricSpec"]["metricPromptTemplate"] == json.loads(QUESTION)
    assert spec["evaluationConfig"]["outputConfig"] == {
        "gcsDestination": {"outputUriPrefix": "gs://acme-tuning/evaluation"}
    }
    assert job["encryptionSpec"] == {"kmsKeyName": KEY}
    assert job["serviceAccount"] == ACCOUNT


def test_the_continuous_create_is_accepted_without_its_commas(shell: Shell) -> None:
    model = shell.tuned(encryptionSpec={"kmsKeyName": KEY}, tunedModelDisplayName="tuned_gemini")
    status, job = shell.create(repaired(printed("continuous", TUNED_MODEL_NAME=model)))
    assert status == 200
    assert job["preTunedModel"] == {
        "tunedModelName": model,
        "checkpointId": "1",
        "baseModel": MODEL,
    }
    shell.served.advance(hours=5)
    _, done = shell.ask("GET", job["name"])
    assert done["tunedModel"]["model"] == model.replace("@1", "@2")


def test_a_continuation_needs_the_key_of_its_source(shell: Shell) -> None:
    model = shell.tuned()
    status, answer = shell.create(repaired(printed("continuous", TUNED_MODEL_NAME=model)))
    assert status == 400
    assert "encryption key" in answer["error"]["message"]


@pytest.mark.parametrize("name", ["basic", "advanced", "continuous", "syntax"])
def test_a_body_as_printed_is_no_json(shell: Shell, name: str) -> None:
    status, answer = shell.create(printed(name, TUNED_MODEL_NAME=f"{PARENT}/models/1@1"))
    assert status == 400
    assert answer["error"]["status"] == "INVALID_ARGUMENT"
    assert answer["error"]["message"].startswith("Invalid JSON payload received.")


def test_the_continuous_sample_names_a_model_where_a_message_belongs(shell: Shell) -> None:
    status, answer = shell.create(printed("continuous-sample"))
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    [violation] = answer["error"]["details"][0]["fieldViolations"]
    assert violation["field"] == "tuning_job.pre_tuned_model"


def test_the_continuous_sample_is_for_a_location_that_has_no_tuning(shell: Shell) -> None:
    body = {"baseModel": MODEL, "supervisedTuningSpec": {"trainingDatasetUri": TRAIN}}
    status, answer = shell.create(body, location="projects/myproject/locations/global")
    assert (status, answer["error"]["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("name", ["ADAPTER_SIZE", "EPOCH_COUNT", "LEARNING_RATE_MULTIPLIER"])
def test_a_placeholder_left_in_place_is_refused(shell: Shell, name: str) -> None:
    status, answer = shell.create(repaired(printed("advanced", **{name: name})))
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    [violation] = answer["error"]["details"][0]["fieldViolations"]
    assert violation["field"].startswith("tuning_job.supervised_tuning_spec.hyper_parameters.")


def test_the_list_get_and_cancel_commands_answer(shell: Shell) -> None:
    assert shell.ask("GET", f"{PARENT}/tuningJobs") == (200, {})
    _, job = shell.create(repaired(printed("basic")))
    assert shell.ask("GET", f"{PARENT}/tuningJobs") == (200, {"tuningJobs": [job]})
    assert shell.ask("GET", job["name"]) == (200, job)
    by_id = f"{PARENT}/tuningJobs/{job['name'].rpartition('/')[2]}"
    assert shell.ask("GET", by_id) == (200, job)
    assert shell.ask("POST", f"{by_id}:cancel", "") == (200, {})
    assert shell.ask("GET", by_id)[1]["state"] == "JOB_STATE_CANCELLING"


SUPERVISED = {"trainingDatasetUri": TRAIN}
PREFERENCE = {"trainingDatasetUri": "gs://acme-tuning/pairs.jsonl"}
BASE = {"baseModel": MODEL, "supervisedTuningSpec": SUPERVISED}
PRETUNED = {"tunedModelName": f"{PARENT}/models/1@1"}
CONFIG = {"metrics": [{"bleuSpec": {}}]}
UNKNOWN = "Cannot find field."

# Section by section of the API sheet: what is sent, and what the message says.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "two sources": ({**BASE, "preTunedModel": PRETUNED}, "oneof field 'source_model'"),
    "no source": ({"supervisedTuningSpec": SUPERVISED}, "base_model and pre_tuned_model"),
    "no method": ({"baseModel": MODEL}, "a tuning specification must be set"),
    "two methods": (
        {**BASE, "preferenceOptimizationSpec": PREFERENCE},
        "oneof field 'tuning_spec'",
    ),
    "evaluation of preferences": (
        {
            "baseModel": MODEL,
            "preferenceOptimizationSpec": {**PREFERENCE, "evaluationConfig": CONFIG},
        },
        UNKNOWN,
    ),
    "distillation in v1": ({**BASE, "distillationSpec": {}}, UNKNOWN),
    "reinforcement in v1": ({**BASE, "reinforcementTuningSpec": {}}, UNKNOWN),
    "video in v1": ({**BASE, "veoTuningSpec": {}}, UNKNOWN),
    "an abbreviated model": ({**BASE, "baseModel": "models/123@2"}, "not the name"),
    "a table": (
        {**BASE, "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/x.csv"}},
        "JSONL",
    ),
    "a web address": (
        {**BASE, "supervisedTuningSpec": {"trainingDatasetUri": "https://b/x.jsonl"}},
        "JSONL",
    ),
    "an object that is not there": (
        {**BASE, "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/none.jsonl"}},
        "JSONL",
    ),
    "the same field in two spellings": ({**BASE, "base_model": MODEL}, "occurs more than once"),
    "text for a message": ({**BASE, "encryptionSpec": KEY}, "tuning_job.encryption_spec"),
    "a fraction of an epoch": (
        {**BASE, "supervisedTuningSpec": {**SUPERVISED, "hyperParameters": {"epochCount": 1.5}}},
        "TYPE_INT64",
    ),
    "an account that is none": ({**BASE, "serviceAccount": "SERVICE_ACCOUNT"}, "e-mail"),
    "evaluation without validation": (
        {**BASE, "supervisedTuningSpec": {**SUPERVISED, "evaluationConfig": CONFIG}},
        "an evaluation needs a validation dataset",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_create_is_refused(shell: Shell, case: str) -> None:
    body, text = WRONG[case]
    status, answer = shell.create(body)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert text in answer["error"]["message"]
    assert shell.ask("GET", f"{PARENT}/tuningJobs") == (200, {})


def test_an_unknown_field_is_told_as_google_tells_it(shell: Shell) -> None:
    told = "Invalid JSON payload received. Unknown name \"foo\" at 'tuning_job': Cannot find field."
    assert shell.create({**BASE, "foo": 1}) == (
        400,
        {
            "error": {
                "code": 400,
                "message": told,
                "status": "INVALID_ARGUMENT",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.BadRequest",
                        "fieldViolations": [{"field": "tuning_job", "description": told}],
                    }
                ],
            }
        },
    )


def test_data_that_is_not_jsonl_is_told_as_google_tells_it(shell: Shell) -> None:
    field = "tuning_job.supervised_tuning_spec.training_dataset_uri"
    told = "training_dataset_uri should be a GCS object of type JSONL."
    body = {**BASE, "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/x.csv"}}
    assert shell.create(body) == (
        400,
        {
            "error": {
                "code": 400,
                "message": f"List of found errors:\t1.Field: {field}; Message: {told}\t",
                "status": "INVALID_ARGUMENT",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.BadRequest",
                        "fieldViolations": [{"field": field, "description": told}],
                    }
                ],
            }
        },
    )


def test_an_adapter_that_does_not_fit_is_told_as_google_tells_it(shell: Shell) -> None:
    hyper = {"adapterSize": "ADAPTER_SIZE_THIRTY_TWO"}
    told = "The adapter size is not supported for this base model."
    body = {**BASE, "supervisedTuningSpec": {**SUPERVISED, "hyperParameters": hyper}}
    expected = {"code": 400, "message": told, "status": "INVALID_ARGUMENT"}
    assert shell.create(body) == (400, {"error": expected})


def test_a_missing_endpoint_is_told_as_google_tells_it(shell: Shell) -> None:
    status, answer = shell.ask("GET", f"{PARENT}/endpoints/42")
    told = answer["error"].pop("message")
    assert re.fullmatch(
        r'endpoint "projects/[0-9]+/locations/us-central1/endpoints/42" not found', told
    )
    assert (status, answer) == (404, {"error": {"code": 404, "status": "NOT_FOUND"}})
