import json

import pytest

from tests.unit.emulator.bench import MODEL, PARENT, Bench
from tuneops.emulator.errors import VertexError
from tuneops.emulator.wire import decode

TRAIN = "gs://acme-tuning/train.jsonl"
SFT = {"trainingDatasetUri": TRAIN}
KEY = "projects/acme/locations/us-central1/keyRings/r/cryptoKeys/k"
EVALUATION = {
    "metrics": [{"aggregationMetrics": ["AVERAGE"], "bleuSpec": {}}],
    "outputConfig": {"gcsDestination": {"outputUriPrefix": "gs://acme/out"}},
}


def job(body, version="v1"):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode(text, message="TuningJob", root="tuning_job", version=version)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        (b"", {}),
        ({"base_model": "m"}, {"baseModel": "m"}),
        ({"baseModel": None, "description": ""}, {}),
        ({"labels": {}, "state": "JOB_STATE_RUNNING", "name": "x"}, {}),
        (
            {"supervised_tuning_spec": {"hyper_parameters": {"epochCount": 3}}},
            {"supervisedTuningSpec": {"hyperParameters": {"epochCount": "3"}}},
        ),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"epochCount": "3"}}},
            {"supervisedTuningSpec": {"hyperParameters": {"epochCount": "3"}}},
        ),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"epoch_count": 3.0}}},
            {"supervisedTuningSpec": {"hyperParameters": {"epochCount": "3"}}},
        ),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"learningRateMultiplier": "1.0"}}},
            {"supervisedTuningSpec": {"hyperParameters": {"learningRateMultiplier": 1}}},
        ),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"learningRateMultiplier": 0.5}}},
            {"supervisedTuningSpec": {"hyperParameters": {"learningRateMultiplier": 0.5}}},
        ),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"adapterSize": 6}}},
            {"supervisedTuningSpec": {"hyperParameters": {"adapterSize": "ADAPTER_SIZE_TWO"}}},
        ),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"adapterSize": 0, "epochCount": "0"}}},
            {"supervisedTuningSpec": {"hyperParameters": {}}},
        ),
        (
            {"supervisedTuningSpec": {"exportLastCheckpointOnly": False}},
            {"supervisedTuningSpec": {}},
        ),
        (
            {"preTunedModel": {"checkpoint_id": "0", "tunedModelName": "m", "baseModel": "x"}},
            {"preTunedModel": {"tunedModelName": "m", "checkpointId": "0"}},
        ),
        (
            {"supervisedTuningSpec": {"evaluationConfig": {"metrics": [{"bleu_spec": {}}]}}},
            {"supervisedTuningSpec": {"evaluationConfig": {"metrics": [{"bleuSpec": {}}]}}},
        ),
    ],
)
def test_what_is_accepted_and_how_it_is_kept(given, kept):
    assert job(given) == kept


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        (b"{", None, "Invalid JSON payload received."),
        (b'{"baseModel": "m",}', None, "Invalid JSON payload received."),
        (b'{"labels": {"a": "b",}}', None, "Invalid JSON payload received."),
        (b"\xff", None, "Invalid JSON payload received."),
        (b'{"baseModel": NaN}', None, "Invalid JSON payload received."),
        (b"[" * 100_000, None, "Invalid JSON payload received."),
        ([], "tuning_job", "TuningJob"),
        ("text", "tuning_job", "TuningJob"),
        ({"foo": 1}, "tuning_job", "Unknown name \"foo\" at 'tuning_job': Cannot find field."),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"foo": 1}}},
            "tuning_job.supervised_tuning_spec.hyper_parameters",
            'Unknown name "foo"',
        ),
        (
            {"preTunedModel": "gemini-2.5-flash"},
            "tuning_job.pre_tuned_model",
            'PreTunedModel), "gemini-2.5-flash"',
        ),
        ({"baseModel": "m", "preTunedModel": {}}, "tuning_job", "oneof field 'source_model'"),
        (
            {"supervisedTuningSpec": {}, "preferenceOptimizationSpec": {}},
            "tuning_job",
            "oneof field 'tuning_spec'",
        ),
        (
            {"preferenceOptimizationSpec": {"evaluationConfig": {}}},
            "tuning_job.preference_optimization_spec",
            'Unknown name "evaluationConfig"',
        ),
        ({"distillationSpec": {}}, "tuning_job", 'Unknown name "distillationSpec"'),
        ({"reinforcementTuningSpec": {}}, "tuning_job", "Unknown name"),
        ({"veoTuningSpec": {}}, "tuning_job", "Unknown name"),
        ({"baseModel": "a", "base_model": "b"}, "tuning_job", "more than once"),
        (b'{"baseModel": "a", "baseModel": "b"}', "tuning_job", "more than once"),
        ({"baseModel": 3}, "tuning_job.base_model", "(TYPE_STRING), 3"),
        ({"labels": {"a": 1}}, "tuning_job.labels", "TYPE_MAP"),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"epochCount": "three"}}},
            "tuning_job.supervised_tuning_spec.hyper_parameters.epoch_count",
            '(TYPE_INT64), "three"',
        ),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"epochCount": True}}},
            "tuning_job.supervised_tuning_spec.hyper_parameters.epoch_count",
            "true",
        ),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"epochCount": 2**63}}},
            "tuning_job.supervised_tuning_spec.hyper_parameters.epoch_count",
            "TYPE_INT64",
        ),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"adapterSize": 4.5}}},
            "tuning_job.supervised_tuning_spec.hyper_parameters.adapter_size",
            "AdapterSize",
        ),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"adapterSize": "FOUR"}}},
            "tuning_job.supervised_tuning_spec.hyper_parameters.adapter_size",
            "AdapterSize",
        ),
        (
            {"supervisedTuningSpec": {"evaluationConfig": {"metrics": {}}}},
            "tuning_job.supervised_tuning_spec.evaluation_config.metrics",
            "a list",
        ),
        (
            {"supervisedTuningSpec": {"evaluationConfig": {"metrics": [{"x": 1}]}}},
            "tuning_job.supervised_tuning_spec.evaluation_config.metrics[0]",
            'Unknown name "x"',
        ),
    ],
)
def test_what_is_malformed_is_refused_with_its_place(given, field, words):
    with pytest.raises(VertexError) as caught:
        job(given)
    body = caught.value.body()["error"]
    assert (body["code"], body["status"]) == (400, "INVALID_ARGUMENT")
    assert words in body["message"]
    detail = body["details"][0]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert detail["fieldViolations"][0].get("field") == field
    assert detail["fieldViolations"][0]["description"] in body["message"]


def test_methods_that_only_the_beta_has_are_known_there_but_not_served():
    for name in ("distillationSpec", "reinforcementTuningSpec", "veoTuningSpec"):
        with pytest.raises(VertexError) as caught:
            job({"baseModel": MODEL, name: {}}, version="v1beta1")
        assert caught.value.code == 501


BAD_VALUES = [
    ({"baseModel": None}, 400),
    ({"supervisedTuningSpec": None}, 400),
    ({"supervisedTuningSpec": {}}, 400),
    ({"supervisedTuningSpec": {"trainingDatasetUri": "gs://acme-tuning/x.csv"}}, 400),
    ({"supervisedTuningSpec": {"trainingDatasetUri": "http://acme/x.jsonl"}}, 400),
    ({"supervisedTuningSpec": {"trainingDatasetUri": "gs://acme-tuning/absent.jsonl"}}, 400),
    ({"supervisedTuningSpec": {"trainingDatasetUri": "gs://absent/train.jsonl"}}, 400),
    ({"supervisedTuningSpec": {**SFT, "validationDatasetUri": "gs://absent/x.jsonl"}}, 400),
    ({"supervisedTuningSpec": {"trainingDatasetUri": f"{PARENT}/datasets/5"}}, 404),
    ({"supervisedTuningSpec": {**SFT, "hyperParameters": {"epochCount": -1}}}, 400),
    ({"supervisedTuningSpec": {**SFT, "evaluationConfig": EVALUATION}}, 400),
    ({"supervisedTuningSpec": {**SFT, "validationDatasetUri": TRAIN, "evaluationConfig": {}}}, 400),
    ({"supervisedTuningSpec": {**SFT, "hyperParameters": {"adapterSize": 5}}}, 400),
    ({"baseModel": "models/123@2"}, 400),
    ({"baseModel": "gemini-9"}, 404),
    ({"baseModel": "gemini-2.0-flash-001"}, 404),
    ({"baseModel": "gemini-3.5-flash", "encryptionSpec": {"kmsKeyName": KEY}}, 400),
    ({"baseModel": "gemini-3.5-flash", "labels": {"a": "b"}, "supervisedTuningSpec": {}}, 400),
    ({"tunedModelDisplayName": "x" * 129}, 400),
    ({"labels": {"A": "b"}}, 400),
    ({"labels": {"a": "B"}}, 400),
    ({"labels": {"a": "x" * 65}}, 400),
    ({"labels": {"1a": "b"}}, 400),
    ({"labels": {"": "b"}}, 400),
    ({"labels": {f"l{n}": "b" for n in range(65)}}, 400),
    ({"labels": {"a": "b.c"}}, 400),
    ({"encryptionSpec": {}}, 400),
    ({"encryptionSpec": {"kmsKeyName": "k"}}, 400),
    ({"encryptionSpec": {"kmsKeyName": KEY.replace("us-central1", "europe-west4")}}, 400),
    ({"serviceAccount": "nobody"}, 400),
]


BAD_EVALUATIONS = [
    {"metrics": [], "outputConfig": EVALUATION["outputConfig"]},
    {"metrics": EVALUATION["metrics"]},
    {**EVALUATION, "metrics": [{"aggregationMetrics": ["AVERAGE"]}]},
    {**EVALUATION, "metrics": [{"pointwiseMetricSpec": {}}]},
    {**EVALUATION, "metrics": [{"bleuSpec": {}, "exactMatchSpec": {}}]},
    {
        **EVALUATION,
        "metrics": [
            {
                "aggregationMetrics": ["AVERAGE"],
                "pairwiseMetricSpec": {"metricPromptTemplate": "x"},
            }
        ],
    },
    {**EVALUATION, "autoraterConfig": {"samplingCount": 33}},
]


@pytest.mark.parametrize("config", BAD_EVALUATIONS)
def test_evaluations_that_are_refused(bench: Bench, config):
    spec = {**SFT, "validationDatasetUri": TRAIN, "evaluationConfig": EVALUATION}
    bench.create(supervisedTuningSpec=spec)
    request = bench.request(supervisedTuningSpec={**spec, "evaluationConfig": config})
    assert bench.ask("POST", f"{PARENT}/tuningJobs", request).status_code == 400


@pytest.mark.parametrize(
    ("model", "location", "method", "status"),
    [
        ("gemini-2.5-pro", "us-central1", "preferenceOptimizationSpec", 400),
        ("gemini-2.5-flash-lite", "us-central1", "preferenceOptimizationSpec", 200),
        ("gemini-3.5-flash", "europe-west1", "supervisedTuningSpec", 400),
        ("gemini-3.5-flash", "europe-west4", "supervisedTuningSpec", 200),
        ("gemini-2.5-pro", "europe-west1", "supervisedTuningSpec", 200),
    ],
)
def test_models_differ_in_methods_and_regions(bench: Bench, model, location, method, status):
    bench.request()
    request = {"baseModel": model, method: SFT}
    parent = f"projects/acme/locations/{location}"
    assert bench.ask("POST", f"{parent}/tuningJobs", request).status_code == status


def test_some_models_cannot_be_continued(bench: Bench):
    bench.wall.moment = bench.wall.moment.replace(month=1)
    bench.emulator.reset()
    root = bench.finished(baseModel="gemini-2.0-flash-001")["tunedModel"]["model"]
    request = bench.request(preTunedModel={"tunedModelName": root})
    del request["baseModel"]
    refused = bench.ask("POST", f"{PARENT}/tuningJobs", request)
    assert "does not support continuous tuning" in refused.json()["error"]["message"]


@pytest.mark.parametrize(("changes", "status"), BAD_VALUES)
def test_values_that_are_refused(bench: Bench, changes, status):
    request = {key: value for key, value in bench.request(**changes).items() if value is not None}
    response = bench.ask("POST", f"{PARENT}/tuningJobs", request)
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == status
    assert bench.ok("GET", f"{PARENT}/tuningJobs") == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {"größe": "日本", "a-b_c": "", "x" * 64: "9"}},
        {"tunedModelDisplayName": "ü" * 128, "description": "x" * 5000},
        {"encryptionSpec": {"kms_key_name": KEY}, "serviceAccount": "a@b.iam.gserviceaccount.com"},
    ],
)
def test_values_that_are_accepted(bench: Bench, changes):
    bench.create(**changes)


def test_known_bodies(bench: Bench):
    spec = {"trainingDatasetUri": "gs://acme-tuning/x.csv"}
    body = bench.ask("POST", f"{PARENT}/tuningJobs", bench.request(supervisedTuningSpec=spec))
    field = "tuning_job.supervised_tuning_spec.training_dataset_uri"
    text = "training_dataset_uri should be a GCS object of type JSONL."
    assert body.json() == {
        "error": {
            "code": 400,
            "status": "INVALID_ARGUMENT",
            "message": f"List of found errors:\t1.Field: {field}; Message: {text}\t",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"field": field, "description": text}],
                }
            ],
        }
    }
    request = bench.request()
    request["supervisedTuningSpec"]["hyperParameters"] = {"adapterSize": "ADAPTER_SIZE_THIRTY_TWO"}
    assert bench.ask("POST", f"{PARENT}/tuningJobs", request).json() == {
        "error": {
            "code": 400,
            "message": "The adapter size is not supported for this base model.",
            "status": "INVALID_ARGUMENT",
        }
    }
    number = bench.create()["name"].split("/")[1]
    name = f"projects/{number}/locations/us-central1/endpoints/42"
    assert bench.ask("GET", f"{PARENT}/endpoints/42").json() == {
        "error": {"code": 404, "message": f'endpoint "{name}" not found', "status": "NOT_FOUND"}
    }


@pytest.mark.parametrize(
    ("parent", "status"),
    [
        ("projects/acme/locations/global", 404),
        ("projects/acme/locations/us-nowhere9", 400),
        ("projects/576087498242/locations/us-central1", 200),
    ],
)
def test_where_a_job_may_be_created(bench: Bench, parent, status):
    response = bench.ask("POST", f"{parent}/tuningJobs", bench.request())
    assert response.status_code == status


def test_a_project_is_addressed_by_id_or_number(bench: Bench):
    job = bench.create()
    number = job["name"].split("/")[1]
    assert len(number) == 12
    by_id = bench.ok("GET", job["name"].replace(number, "acme"))
    assert by_id == bench.read(job)
    assert bench.ok("GET", f"projects/{number}/locations/us-central1/tuningJobs")
    assert bench.ok("GET", "projects/other/locations/us-central1/tuningJobs") == {}


def test_query_parameters(bench: Bench):
    name = bench.create()["name"]
    for query in (
        "alt=json",
        "$alt=json;enum-encoding=int",
        "prettyPrint=false",
        "prettyPrint=true",
        "%24alt=json%3Benum-encoding%3Dint&key=k",
    ):
        assert bench.client.get(f"/v1/{name}?{query}").status_code == 200
    for query in ("pageSize=2", "alt=media", "updateMask=x", "foo=1"):
        refused = bench.client.get(f"/v1/{name}?{query}")
        assert refused.status_code == 400, query
        assert refused.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert bench.ok("GET", name, fields="state,supervisedTuningSpec(trainingDatasetUri)") == {
        "state": "JOB_STATE_PENDING",
        "supervisedTuningSpec": {"trainingDatasetUri": TRAIN},
    }
    assert bench.ask("GET", name, fields="a(b").status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/nothing"),
        ("GET", "/v2/projects/a/locations/l/tuningJobs"),
        ("DELETE", "/v1/projects/a/locations/l/tuningJobs/1"),
        ("GET", "/v1/projects/a/locations/l/tuningJobs/1"),
        ("POST", "/v1/projects/a/locations/l/tuningJobs/1:resume"),
        ("POST", "/v1/projects/a/locations/l/tuningJobs/1:cancel"),
        ("GET", "/v1/projects/a/locations/l/models/1"),
        ("GET", "/v1/projects/a/locations/l/operations/1"),
        ("GET", "/storage/v1/nothing"),
    ],
)
def test_every_answer_is_labelled(bench: Bench, method, path):
    response = bench.client.request(method, path)
    assert response.status_code == 404
    assert response.headers["Server"] == "tuneops-emulator"
    assert response.headers["X-Tuneops-Emulator"] == bench.emulator.instance
    assert response.json()["error"]["code"] == 404
    assert ("errors" in response.json()["error"]) == path.startswith("/storage")


def test_the_root_says_what_this_is(bench: Bench):
    bench.emulator.set_speed(60)
    answer = bench.client.get("/").json()
    assert answer == {
        "emulator": "tuneops",
        "instance": bench.emulator.instance,
        "time": "2026-11-20T09:00:00+00:00",
        "speed": 60,
    }
