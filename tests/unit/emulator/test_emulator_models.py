import pytest

from tests.unit.emulator.bench import PARENT, Bench


@pytest.fixture
def version(bench: Bench) -> str:
    return bench.finished(tunedModelDisplayName="support-bot")["tunedModel"]["model"]


def second(bench: Bench, version: str) -> str:
    job = bench.continued(version)
    bench.advance(hours=2)
    return bench.read(job)["tunedModel"]["model"]


@pytest.mark.parametrize("mask", [None, "defaultCheckpointId", "default_checkpoint_id"])
def test_the_default_checkpoint_moves_the_endpoint_of_the_job(bench: Bench, version, mask):
    (job,) = bench.ok("GET", f"{PARENT}/tuningJobs")["tuningJobs"]
    parameters = {"updateMask": mask} if mask else {}
    changed = bench.ok("PATCH", version, {"defaultCheckpointId": "2"}, **parameters)
    assert changed["defaultCheckpointId"] == "2"
    assert changed["versionUpdateTime"] > changed["versionCreateTime"] or mask is None
    after = bench.read(job)
    assert after["tunedModel"]["endpoint"] == job["tunedModel"]["checkpoints"][1]["endpoint"]
    assert after["endTime"] == job["endTime"]
    continued = bench.continued(version)
    assert continued["preTunedModel"]["checkpointId"] == "2"


def test_fields_of_the_model_and_of_a_version(bench: Bench, version):
    bare = version.partition("@")[0]
    for name in (bare, f"{bare}@-"):
        changed = bench.ok(
            "PATCH",
            name,
            {"displayName": f"new {name[-1]}", "description": "d", "labels": {"a": "b"}},
            updateMask="displayName,description,labels",
        )
        assert changed["displayName"] == f"new {name[-1]}"
        assert changed["labels"]["a"] == "b"
        assert changed["labels"]["tune-type"] == "sft"
    changed = bench.ok("PATCH", version, {"versionDescription": "v", "labels": {"a": "c"}})
    assert changed["versionDescription"] == "v"
    assert changed["labels"] == {"a": "c"}
    cleared = bench.ok("PATCH", bare, {}, updateMask="description")
    assert "description" not in cleared
    # A continuation with the old name now makes another model: the comparison is with the new one.
    job = bench.continued(version, tunedModelDisplayName="support-bot")
    bench.advance(hours=2)
    assert bench.read(job)["tunedModel"]["model"].endswith("@1")


@pytest.mark.parametrize(
    ("suffix", "body", "mask", "status"),
    [
        ("@1", {"displayName": "x"}, "displayName", "FAILED_PRECONDITION"),
        ("@1", {"displayName": "x"}, None, "FAILED_PRECONDITION"),
        ("", {"defaultCheckpointId": "1"}, None, "FAILED_PRECONDITION"),
        ("", {"versionDescription": "1"}, "version_description", "FAILED_PRECONDITION"),
        ("@1", {"defaultCheckpointId": "9"}, None, "NOT_FOUND"),
        ("@1", {}, "defaultCheckpointId", "NOT_FOUND"),
        ("@1", {"foo": "x"}, None, "INVALID_ARGUMENT"),
        ("@1", {}, "foo", "INVALID_ARGUMENT"),
        ("", {"displayName": "x" * 129}, None, "INVALID_ARGUMENT"),
        ("", {"labels": {"A": "x"}}, None, "INVALID_ARGUMENT"),
        ("@1", {"etag": "stale", "defaultCheckpointId": "1"}, None, "ABORTED"),
        ("@7", {"defaultCheckpointId": "1"}, None, "NOT_FOUND"),
    ],
)
def test_patches_that_are_refused(bench: Bench, version, suffix, body, mask, status):
    name = version.partition("@")[0] + suffix
    before = bench.ok("GET", version)
    refused = bench.ask("PATCH", name, body, **({"updateMask": mask} if mask else {}))
    assert refused.json()["error"]["status"] == status
    assert (refused.status_code == 409) == (status == "ABORTED")
    assert bench.ok("GET", version) == before


def test_an_etag_is_good_for_one_change(bench: Bench, version):
    etag = bench.ok("GET", version)["etag"]
    body = {"etag": etag, "defaultCheckpointId": "1"}
    assert bench.ok("PATCH", version, body)["etag"] != etag
    assert bench.ask("PATCH", version, body).status_code == 409


def test_aliases_move_between_versions(bench: Bench, version):
    later = second(bench, version)
    merge = {"versionAliases": ["golden", "canary"]}
    merged = bench.ok("POST", f"{version}:mergeVersionAliases", merge)
    assert merged["versionAliases"] == ["canary", "default", "golden"]
    before = bench.ok("GET", version)["etag"]
    moved = bench.ok(
        "POST", f"{later}:mergeVersionAliases", {"version_aliases": ["golden", "-canary"]}
    )
    assert moved["versionAliases"] == ["golden"]
    assert bench.ok("GET", version)["versionAliases"] == ["canary", "default"]
    assert bench.ok("GET", version)["etag"] != before
    gone = bench.ok("POST", f"{version}:mergeVersionAliases", {"versionAliases": ["-canary"]})
    assert gone["versionAliases"] == ["default"]
    both = {"versionAliases": ["blue", "-blue"]}
    assert bench.ok("POST", f"{version}:mergeVersionAliases", both) == bench.ok("GET", version)

    bench.ok("POST", f"{later}:mergeVersionAliases", {"versionAliases": ["default"]})
    bare = version.partition("@")[0]
    assert bench.ok("GET", bare)["versionId"] == "2"
    assert "versionAliases" not in bench.ok("GET", version)
    assert bench.ok("GET", f"{PARENT}/models")["models"][0]["versionId"] == "2"


@pytest.mark.parametrize(
    ("suffix", "aliases", "status"),
    [
        ("@1", ["-default"], 400),
        ("@1", ["Golden"], 400),
        ("@1", ["1golden"], 400),
        ("@1", ["golden-"], 400),
        ("@1", ["g" * 129], 400),
        ("@1", [], 400),
        ("", ["golden"], 400),
        ("@7", ["golden"], 404),
    ],
)
def test_aliases_that_are_refused(bench: Bench, version, suffix, aliases, status):
    name = version.partition("@")[0] + suffix
    body = {"versionAliases": aliases}
    assert bench.ask("POST", f"{name}:mergeVersionAliases", body).status_code == status
    assert bench.ok("GET", version)["versionAliases"] == ["default"]


def test_three_rules_for_no_version(bench: Bench, version):
    request = bench.request(preTunedModel={"tunedModelName": version})
    del request["baseModel"]
    request["supervisedTuningSpec"]["hyperParameters"] = {"epochCount": 5}
    bench.ok("POST", f"{PARENT}/tuningJobs", request)
    bench.advance(hours=2)
    bare = version.partition("@")[0]
    assert bench.ok("GET", bare)["versionId"] == "1"
    assert len(bench.ok("GET", f"{bare}:listCheckpoints")["checkpoints"]) == 5
    assert len(bench.ok("GET", f"{bare}@1:listCheckpoints")["checkpoints"]) == 3
    page = bench.ok("GET", f"{bare}@2:listCheckpoints", pageSize=3)
    rest = bench.ok("GET", f"{bare}@2:listCheckpoints", pageSize=3, pageToken=page["nextPageToken"])
    assert [c["checkpointId"] for c in (*page["checkpoints"], *rest["checkpoints"])] == [
        "1",
        "2",
        "3",
        "4",
        "5",
    ]


def test_lists_of_models_and_versions(bench: Bench, version):
    later = second(bench, version)
    other = bench.finished(tunedModelDisplayName="a-bot", labels={"team": "x"})
    path = f"{PARENT}/models"
    listed = bench.ok("GET", path)["models"]
    assert [m["name"] for m in listed] == [other["tunedModel"]["model"], version]
    cases = {
        'displayName="support-bot"': [version],
        "display_name!=support-bot": [other["tunedModel"]["model"]],
        "labels.team=x": [other["tunedModel"]["model"]],
        "labels.tune-type:*": [other["tunedModel"]["model"], version],
        f"model={version.split('/')[-1].partition('@')[0]}": [version],
        'baseModelName="gemini-2.5-flash"': [other["tunedModel"]["model"], version],
        "baseModelName=x": [],
    }
    for text, expected in cases.items():
        found = bench.ok("GET", path, filter=text).get("models", [])
        assert [model["name"] for model in found] == expected, text
    ordered = bench.ok("GET", path, orderBy="display_name", readMask="displayName")["models"]
    assert ordered == [{"displayName": "a-bot"}, {"displayName": "support-bot"}]
    ascending = bench.ok("GET", path, orderBy="create_time", pageSize=1)
    assert ascending["models"][0]["name"] == version
    assert bench.ask("GET", path, orderBy="size").status_code == 400

    bare = version.partition("@")[0]
    versions = bench.ok("GET", f"{bare}:listVersions")["models"]
    assert [model["name"] for model in versions] == [later, version]
    assert bench.ask("GET", f"{bare}:listVersions", filter="model=1").status_code == 400
    assert bench.ask("GET", f"{PARENT}/models/1:listVersions").status_code == 404


def test_what_is_deployed_is_not_deleted(bench: Bench, version):
    later = second(bench, version)
    bare = version.partition("@")[0]
    assert bench.ask("DELETE", bare).status_code == 400
    for name in (version, later):
        for deployed in bench.ok("GET", name)["deployedModels"]:
            endpoint = deployed["endpoint"]
            assert bench.ask("DELETE", endpoint).status_code == 400
            body = {"deployedModelId": deployed["deployedModelId"]}
            operation = bench.ok("POST", f"{endpoint}:undeployModel", body)
            assert bench.ok("GET", operation["name"])["done"] is True
            assert bench.ask("POST", f"{endpoint}:undeployModel", body).status_code == 404
    (job,) = (j for j in bench.emulator.jobs() if "baseModel" in j)
    assert "endpoint" not in job["tunedModel"]
    assert "endpoint" in job["tunedModel"]["checkpoints"][0]
    bench.ok("DELETE", endpoint)
    assert bench.ask("GET", endpoint).status_code == 404

    assert bench.ask("DELETE", f"{bare}:deleteVersion").status_code == 400
    assert bench.ask("DELETE", f"{version}:deleteVersion").status_code == 400
    bench.ok("DELETE", f"{later}:deleteVersion")
    assert bench.ask("DELETE", f"{version}:deleteVersion").status_code == 400
    assert bench.ok("DELETE", bare)["response"]["@type"].endswith("Empty")
    assert bench.ok("GET", f"{PARENT}/models") == {}
    assert bench.read(job)["tunedModel"]["model"] == version
    request = bench.request(preTunedModel={"tunedModelName": version})
    del request["baseModel"]
    assert bench.ask("POST", f"{PARENT}/tuningJobs", request).status_code == 404


def test_endpoints_are_found_by_the_job_that_made_them(bench: Bench, version):
    bench.finished()
    model = bench.ok("GET", version)
    id = model["labels"]["google-vertex-llm-tuning-job-id"]
    path = f"{PARENT}/endpoints"
    found = bench.ok("GET", path, filter=f"labels.google-vertex-llm-tuning-job-id={id}")
    assert {e["name"] for e in found["endpoints"]} == {
        d["endpoint"] for d in model["deployedModels"]
    }
    (endpoint,) = (e for e in found["endpoints"] if e["deployedModels"][0]["checkpointId"] == "2")
    deployed = endpoint["deployedModels"][0]
    assert endpoint["trafficSplit"] == {deployed["id"]: 100}
    assert deployed["id"] == model["deployedModels"][1]["deployedModelId"]
    assert len(bench.ok("GET", path, pageSize=4)["endpoints"]) == 4
    assert bench.ok("GET", path, filter='display_name="support-bot"')["endpoints"]
