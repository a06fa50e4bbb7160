import pytest

from tests.unit.emulator.bench import PARENT, Bench, preference_lines

KEY = "projects/acme/locations/us-central1/keyRings/r/cryptoKeys/k"


def produced(bench: Bench, job: dict) -> str:
    return bench.read(job)["tunedModel"]["model"]


def test_a_base_model_job_makes_version_one_with_the_alias_default(bench: Bench):
    done = bench.finished(tunedModelDisplayName="support-bot", labels={"team": "a"})
    model = bench.ok("GET", done["tunedModel"]["model"])
    assert model["name"].endswith("@1")
    assert model["name"].split("/")[-1][0] == "9"
    assert model["versionAliases"] == ["default"]
    assert model["displayName"] == "support-bot"
    assert model["defaultCheckpointId"] == "3"
    assert model["labels"] == {
        "google-vertex-llm-tuning-base-model-id": "gemini-2_5-flash",
        "google-vertex-llm-tuning-job-id": done["name"].split("/")[-1],
        "tune-type": "sft",
        "team": "a",
    }
    assert bench.ok("GET", model["name"].removesuffix("@1")) == model
    assert bench.ok("GET", model["name"].replace("@1", "@default")) == model
    assert bench.ok("GET", model["name"].replace("@1", "%401")) == model


def test_versions_are_numbered_by_completion_over_all_jobs_of_the_parent(bench: Bench):
    root = bench.finished()["tunedModel"]["model"]
    long_spec = bench.request()["supervisedTuningSpec"] | {"hyperParameters": {"epochCount": 30}}
    slow = bench.continued(root, supervisedTuningSpec=long_spec)
    quick = bench.continued(root)
    bench.advance(hours=5)
    model = root.partition("@")[0]
    assert produced(bench, quick) == f"{model}@2"
    assert produced(bench, slow) == f"{model}@3"
    # From the first version again: the number follows the last one, not the source.
    late = bench.continued(root)
    bench.advance(hours=2)
    assert produced(bench, late) == f"{model}@4"


def test_two_parents_grow_side_by_side(bench: Bench):
    first = bench.finished(tunedModelDisplayName="one")["tunedModel"]["model"]
    second = bench.finished(tunedModelDisplayName="two")["tunedModel"]["model"]
    jobs = [bench.continued(parent) for parent in (first, second, first)]
    bench.advance(hours=2)
    one, two = first.partition("@")[0], second.partition("@")[0]
    assert [produced(bench, job) for job in jobs] == [f"{one}@2", f"{two}@2", f"{one}@3"]


@pytest.mark.parametrize(
    ("name", "same"), [(None, True), ("support-bot", True), ("support-bot-fork", False)]
)
def test_another_display_name_makes_another_model(bench: Bench, name, same):
    root = bench.finished(tunedModelDisplayName="support-bot")["tunedModel"]["model"]
    changes = {} if name is None else {"tunedModelDisplayName": name}
    job = bench.continued(root, **changes)
    assert job["tunedModelDisplayName"] == (name or "support-bot")
    bench.advance(hours=2)
    model = produced(bench, job)
    assert (model == root.replace("@1", "@2")) == same
    assert model.endswith("@2") == same
    if not same:
        assert bench.ok("GET", model)["versionAliases"] == ["default"]


def test_a_new_version_does_not_become_the_default(bench: Bench):
    root = bench.finished()["tunedModel"]["model"]
    bench.continued(root)
    bench.advance(hours=2)
    bare = root.partition("@")[0]
    assert bench.ok("GET", bare)["versionId"] == "1"
    assert "versionAliases" not in bench.ok("GET", f"{bare}@2")
    third = bench.continued(bare)
    assert third["preTunedModel"]["tunedModelName"].endswith("@1")


def test_a_source_is_echoed_with_nothing_left_open(bench: Bench):
    root = bench.finished()["tunedModel"]["model"]
    job = bench.continued(root.replace(root.split("/")[1], "acme").replace("@1", "@default"))
    assert job["preTunedModel"] == {
        "tunedModelName": root,
        "checkpointId": "3",
        "baseModel": "gemini-2.5-flash",
    }
    assert "baseModel" not in job
    asked = {"tuned_model_name": root, "checkpoint_id": "2"}
    job = bench.continued(root, preTunedModel=asked)
    assert job["preTunedModel"]["checkpointId"] == "2"


def test_a_continuation_keeps_the_adapter_size(bench: Bench):
    request = bench.request()
    request["supervisedTuningSpec"]["hyperParameters"]["adapterSize"] = "ADAPTER_SIZE_EIGHT"
    bench.ok("POST", f"{PARENT}/tuningJobs", request)
    bench.advance(hours=2)
    root = bench.ok("GET", f"{PARENT}/models")["models"][0]["name"]
    job = bench.continued(root)
    bench.advance(hours=1)
    spec = bench.read(job)["supervisedTuningSpec"]
    assert spec["hyperParameters"]["adapterSize"] == "ADAPTER_SIZE_EIGHT"


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ({"tunedModelName": "{model}@7"}, 404),
        ({"tunedModelName": "{model}@golden"}, 404),
        ({"tunedModelName": "{model}@1", "checkpointId": "9"}, 404),
        ({"tunedModelName": "projects/acme/locations/us-central1/models/42"}, 404),
        ({"tunedModelName": "projects/acme/locations/europe-west4/models/42"}, 400),
        ({"tunedModelName": "projects/other/locations/us-central1/models/42"}, 400),
        ({"tunedModelName": "gemini-2.5-flash"}, 400),
        ({"checkpointId": "1"}, 400),
        ({}, 400),
        ("gemini-2.5-flash", 400),
    ],
)
def test_a_source_that_is_not_there(bench: Bench, source, status):
    model = bench.finished()["tunedModel"]["model"].partition("@")[0]
    if isinstance(source, dict):
        source = {key: value.format(model=model) for key, value in source.items()}
    request = bench.request(preTunedModel=source)
    del request["baseModel"]
    assert bench.ask("POST", f"{PARENT}/tuningJobs", request).status_code == status


@pytest.mark.parametrize("with_key", [True, False])
def test_the_key_of_a_continuation_is_that_of_its_source(bench: Bench, with_key):
    key = {"encryptionSpec": {"kmsKeyName": KEY}}
    root = bench.finished(**(key if with_key else {}))["tunedModel"]["model"]
    request = bench.request(preTunedModel={"tunedModelName": root})
    del request["baseModel"]
    same, other = (key, {}) if with_key else ({}, key)
    bench.ok("POST", f"{PARENT}/tuningJobs", {**request, **same})
    refused = bench.ask("POST", f"{PARENT}/tuningJobs", {**request, **other})
    assert refused.status_code == 400
    assert "encryption key" in refused.json()["error"]["message"]


def test_models_from_before_july_2025_cannot_be_continued(bench: Bench):
    bench.wall.moment = bench.wall.moment.replace(year=2025, month=7, day=10)
    bench.emulator.reset()
    old = bench.finished()["tunedModel"]["model"]
    bench.advance(days=2)
    request = bench.request(preTunedModel={"tunedModelName": old})
    del request["baseModel"]
    refused = bench.ask("POST", f"{PARENT}/tuningJobs", request)
    assert refused.status_code == 400
    assert refused.json()["error"]["status"] == "FAILED_PRECONDITION"
    young = bench.finished()["tunedModel"]["model"]
    bench.continued(young)


def test_nothing_follows_a_preference_job_unless_allowed(make_bench):
    def preference(bench: Bench, **source) -> dict:
        spec = {"trainingDatasetUri": bench.put("pairs.jsonl", preference_lines())}
        return {**source, "preferenceOptimizationSpec": spec}

    for allowed in (False, True):
        bench = make_bench(f"{allowed}.db", allow_undocumented_sequences=allowed)
        root = bench.finished()["tunedModel"]["model"]
        request = preference(bench, preTunedModel={"tunedModelName": root})
        job = bench.ok("POST", f"{PARENT}/tuningJobs", request)
        bench.advance(days=1)
        tuned = produced(bench, job)
        assert tuned.endswith("@2")
        further = preference(bench, preTunedModel={"tunedModelName": tuned})
        status = bench.ask("POST", f"{PARENT}/tuningJobs", further).status_code
        assert status == (200 if allowed else 400)


def test_a_version_that_lost_its_parent_begins_a_model(bench: Bench):
    root = bench.finished()["tunedModel"]["model"]
    job = bench.continued(root)
    undeploy(bench, root)
    bench.ok("DELETE", root.partition("@")[0])
    bench.advance(hours=2)
    tuned = produced(bench, job)
    assert tuned.endswith("@1")
    assert tuned != root


def undeploy(bench: Bench, version: str) -> None:
    for deployed in bench.ok("GET", version).get("deployedModels", []):
        body = {"deployedModelId": deployed["deployedModelId"]}
        bench.ok("POST", f"{deployed['endpoint']}:undeployModel", body)


def test_numbers_of_deleted_versions_do_not_come_back(bench: Bench):
    root = bench.finished()["tunedModel"]["model"]
    bench.continued(root)
    bench.advance(hours=2)
    second = root.replace("@1", "@2")
    assert bench.ask("DELETE", f"{second}:deleteVersion").status_code == 400
    undeploy(bench, second)
    operation = bench.ok("DELETE", f"{second}:deleteVersion")
    assert operation["done"] is True
    assert bench.ok("GET", operation["name"]) == operation
    assert bench.ask("GET", second).status_code == 404
    job = bench.continued(root)
    bench.advance(hours=2)
    assert produced(bench, job) == root.replace("@1", "@3")


def test_tuned_models_of_the_third_generation_are_served_elsewhere(bench: Bench):
    done = bench.finished(baseModel="gemini-3.5-flash")
    endpoint = done["tunedModel"]["endpoint"]
    assert "/locations/us/endpoints/" in endpoint
    deployed = bench.ok("GET", endpoint)["deployedModels"][0]
    assert f"{deployed['model']}@{deployed['modelVersionId']}" == done["tunedModel"]["model"]
    assert bench.ok("GET", "projects/acme/locations/us/endpoints")["endpoints"]
