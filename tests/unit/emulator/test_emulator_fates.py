"""Job faults and quota: every state is reached, and stays a function of time alone."""

import pytest

from tests.unit.emulator.bench import PARENT, Bench
from tuneops.emulator.lifecycle import STATES
from tuneops.emulator.quota import Quota

ELSEWHERE = "projects/acme/locations/europe-west4"
JOBS = f"{PARENT}/tuningJobs"
RUNNING = "JOB_STATE_RUNNING"


def states(bench: Bench, job):
    """Return the states that a job shows in the next hour and a half, and itself then."""
    seen: list[str] = []
    for number in range(150):
        found = bench.read(job)
        if not seen or seen[-1] != found["state"]:
            seen.append(found["state"])
        bench.advance(seconds=6 if number < 20 else 40)
    return [state.removeprefix("JOB_STATE_") for state in seen], bench.read(job)


LIVES = [
    ("pass", ["PENDING", "RUNNING", "SUCCEEDED"], None, True, True, True, True),
    ("fail=8@pending", ["PENDING", "FAILED"], 8, False, True, False, False),
    ("fail=3@processing", ["PENDING", "RUNNING", "FAILED"], 3, True, True, False, False),
    ("fail=14@tuning", ["PENDING", "RUNNING", "FAILED"], 14, True, True, False, False),
    ("fail=13@post-processing", ["PENDING", "RUNNING", "FAILED"], 13, True, True, True, False),
    ("expired@pending", ["PENDING", "EXPIRED"], None, False, True, False, False),
    ("expired@running", ["PENDING", "RUNNING", "EXPIRED"], None, True, True, False, False),
    ("partial", ["PENDING", "RUNNING", "PARTIALLY_SUCCEEDED"], None, True, False, True, True),
    ("paused@running", ["PENDING", "RUNNING", "PAUSED"], None, True, False, False, False),
    ("stuck@pending", ["PENDING"], None, False, False, False, False),
    ("stuck@processing", ["PENDING", "RUNNING"], None, True, False, False, False),
    ("stuck@running", ["PENDING", "RUNNING"], None, True, False, False, False),
    ("stuck@post-processing", ["PENDING", "RUNNING"], None, True, False, False, False),
    ("queued@pending", ["QUEUED", "PENDING", "RUNNING", "SUCCEEDED"], None, *(True,) * 4),
    (
        "updating@running",
        ["PENDING", "RUNNING", "UPDATING", "RUNNING", "SUCCEEDED"],
        None,
        *(True,) * 4,
    ),
    (
        "unknown-state=JOB_STATE_HIBERNATING@running",
        ["PENDING", "RUNNING", "HIBERNATING", "RUNNING", "SUCCEEDED"],
        None,
        *(True,) * 4,
    ),
    (
        "unknown-state=JOB_STATE_ODD@pending",
        ["ODD", "RUNNING", "SUCCEEDED"],
        None,
        *(True,) * 4,
    ),
    ("no-capacity=30m", ["PENDING", "RUNNING", "SUCCEEDED"], None, *(True,) * 4),
]


@pytest.mark.parametrize(
    ("fault", "expected", "code", "started", "ended", "model", "endpoint"), LIVES
)
def test_a_job_fault_shapes_a_life(
    bench: Bench, fault, expected, code, started, ended, model, endpoint
):
    bench.emulator.faults(f"job:{fault}")
    job = bench.create()
    seen, last = states(bench, job)
    assert seen == expected
    assert last.get("error", {}).get("code") == code
    made = last.get("tunedModel", {})
    assert ("startTime" in last, "endTime" in last) == (started, ended)
    assert ("model" in made, "endpoint" in made) == (model, endpoint)
    assert len(bench.ok("GET", f"{PARENT}/models").get("models", [])) == model
    assert bench.emulator.unmet() == []
    # The next job is well again.
    assert bench.finished()["state"] == "JOB_STATE_SUCCEEDED"


def test_a_fault_does_not_count_before_it_shows(bench: Bench):
    bench.emulator.faults("job:fail=13@post-processing")
    job = bench.create()
    id = job["name"].rpartition("/")[2]
    waiting = [f"job:fail=13@post-processing (job {id} has not come to it)"]
    assert bench.emulator.unmet() == waiting
    bench.advance(minutes=5)
    assert bench.emulator.unmet() == waiting
    bench.advance(hours=1)
    assert bench.emulator.unmet() == []


def test_a_refused_create_takes_no_job_fault(bench: Bench):
    bench.emulator.faults("job:partial")
    assert bench.ask("POST", JOBS, {"baseModel": "gpt-2"}).status_code == 400
    assert bench.emulator.unmet() == ["job:partial"]


def test_failed_after_upload_leaves_a_model_and_no_endpoint(bench: Bench):
    bench.emulator.faults("job:fail=13@post-processing")
    failed = bench.finished()
    assert failed["error"]["message"].startswith("Failed to create endpoint. Tuned model is up")
    version = bench.ok("GET", failed["tunedModel"]["model"])
    assert len(version["checkpoints"]) == 3
    assert "deployedModels" not in version
    assert bench.ok("GET", f"{PARENT}/endpoints") == {}
    later = bench.continued(failed["tunedModel"]["model"])
    bench.advance(hours=2)
    assert bench.read(later)["tunedModel"]["model"].endswith("@2")


def test_a_partial_success_has_the_last_endpoint_only(bench: Bench):
    bench.emulator.faults("job:partial")
    made = bench.finished()["tunedModel"]
    assert ["endpoint" in item for item in made["checkpoints"]] == [False, False, True]
    assert made["checkpoints"][-1]["endpoint"] == made["endpoint"]


def test_failed_while_training_shows_checkpoints_until_then(bench: Bench):
    bench.emulator.faults("job:fail=14@tuning")
    job = bench.create()
    bench.advance(minutes=10)
    assert len(bench.read(job)["tunedModel"]["checkpoints"]) == 1
    bench.advance(hours=1)
    assert "tunedModel" not in bench.read(job)


def test_the_details_of_running(bench: Bench):
    bench.emulator.faults("job:no-capacity=30m")
    bench.emulator.set_quota(Quota(limit=1))
    first, second = bench.create(), bench.create()
    seen: dict[str, list[str]] = {first["name"]: [], second["name"]: []}
    for _ in range(200):
        bench.advance(seconds=35)
        for name, details in seen.items():
            found = bench.client.get(f"/v1beta1/{name}").json()
            assert "tuningJobState" not in bench.ok("GET", name)
            detail = found.get("tuningJobState", "").removeprefix("TUNING_JOB_STATE_")
            if detail and detail not in details:
                details.append(detail)
    work = ["PROCESSING_DATASET", "WAITING_FOR_CAPACITY", "TUNING", "POST_PROCESSING"]
    assert seen[first["name"]] == work
    assert seen[second["name"]] == ["WAITING_FOR_QUOTA", work[0], *work[2:]]


CANCELS = [
    # fault, minutes before the cancel, the states from then on
    ("pass", 0, ["CANCELLING", "CANCELLED"]),
    ("pass", 5, ["CANCELLING", "CANCELLED"]),
    ("queued@pending", 0, ["CANCELLING", "CANCELLED"]),
    ("paused@running", 60, ["CANCELLING", "CANCELLED"]),
    ("stuck@pending", 60, ["CANCELLING", "CANCELLED"]),
    ("stuck@running", 60, ["CANCELLING", "CANCELLED"]),
    ("updating@running", 10, ["CANCELLING", "CANCELLED"]),
    ("unknown-state=JOB_STATE_ODD@running", 10, ["CANCELLING", "CANCELLED"]),
    ("stuck@cancelling", 0, ["CANCELLING"]),
    ("stuck@cancelling", 5, ["CANCELLING"]),
    ("win-cancel-race", 0, ["CANCELLING", "SUCCEEDED"]),
    ("win-cancel-race", 5, ["CANCELLING", "SUCCEEDED"]),
    ("fail=13@cancelling", 0, ["CANCELLING", "FAILED"]),
    ("fail=13@cancelling", 5, ["CANCELLING", "FAILED"]),
]


@pytest.mark.parametrize(("fault", "minutes", "expected"), CANCELS)
def test_cancelling(bench: Bench, fault, minutes, expected):
    bench.emulator.faults(f"job:{fault}")
    job = bench.create()
    bench.advance(minutes=minutes)
    for _ in range(2):  # a job that is stopping does not mind to be stopped again
        assert bench.ok("POST", f"{job['name']}:cancel") == {}
    seen, last = states(bench, job)
    assert seen == expected
    won = expected[-1] == "SUCCEEDED"
    assert ("model" in last.get("tunedModel", {})) == won
    assert len(bench.ok("GET", f"{PARENT}/models").get("models", [])) == won
    codes = {"CANCELLED": 1, "FAILED": 13}
    assert last.get("error", {}).get("code") == codes.get(expected[-1])
    if "cancel" in fault:
        assert bench.emulator.unmet() == []


@pytest.mark.parametrize("fault", ["pass", "fail=8@pending", "expired@pending", "partial"])
@pytest.mark.parametrize("lenient", [False, True])
def test_cancelling_what_is_over(make_bench, fault, lenient):
    bench = make_bench(lenient_cancel=lenient, faults=f"job:{fault}")
    done = bench.finished()
    answer = bench.ask("POST", f"{done['name']}:cancel")
    assert answer.status_code == (200 if lenient else 400)
    assert bench.read(done) == done


def test_a_cancel_fault_that_nobody_came_to_is_unmet(bench: Bench):
    bench.emulator.faults("job:stuck@cancelling")
    done = bench.finished()
    assert done["state"] == "JOB_STATE_SUCCEEDED"
    assert len(bench.emulator.unmet()) == 1


def test_every_state_is_reached():
    shown = {state for row in (*LIVES, *CANCELS) for state in row[1 if row in LIVES else 2]}
    assert {state.removeprefix("JOB_STATE_") for state in STATES} <= shown


def test_how_often_a_faulty_job_is_read_makes_no_difference(make_bench):
    script = "job:updating@running; job:win-cancel-race; job:partial"
    watched, alone = make_bench("one.db", faults=script), make_bench("two.db", faults=script)
    results = []
    for bench in (watched, alone):
        bench.emulator.set_quota(Quota(limit=1))
        jobs = [bench.create() for _ in range(3)]
        bench.ask("POST", f"{jobs[1]['name']}:cancel")
        for _ in range(300):
            bench.advance(minutes=1)
            if bench is watched:
                bench.emulator.jobs()
        times = ("state", "startTime", "endTime", "updateTime")
        results.append([{key: job.get(key) for key in times} for job in bench.emulator.jobs()])
    assert results[0] == results[1]


def test_a_queue_over_all_locations(bench: Bench):
    bench.emulator.set_quota(Quota(limit=1, mode="queue"))
    first, second, third = bench.create(), bench.create(ELSEWHERE), bench.create()
    other = bench.create("projects/other/locations/us-central1")
    bench.advance(minutes=2)
    details = {
        job["name"]: job["tuningJobState"].removeprefix("TUNING_JOB_STATE_")
        for job in bench.emulator.jobs()
    }
    assert details[first["name"]] == details[other["name"]] == "PROCESSING_DATASET"
    assert details[second["name"]] == details[third["name"]] == "WAITING_FOR_QUOTA"
    assert bench.read(second)["state"] == RUNNING
    assert "startTime" in bench.read(second)

    bench.advance(minutes=40)
    assert bench.read(first)["state"] == "JOB_STATE_SUCCEEDED"
    bench.advance(hours=2)
    ends = [bench.read(job)["endTime"] for job in (first, second, third)]
    assert ends == sorted(ends)
    assert len(set(ends)) == 3


def test_a_cancel_hands_its_slot_on(bench: Bench):
    bench.emulator.set_quota(Quota(limit=1))
    first, second, third = (bench.create() for _ in range(3))
    bench.advance(minutes=2)
    for job in (second, first):
        bench.ok("POST", f"{job['name']}:cancel")
    bench.advance(minutes=1)
    assert bench.read(second)["state"] == "JOB_STATE_CANCELLED"
    bench.advance(hours=1)
    assert bench.read(third)["state"] == "JOB_STATE_SUCCEEDED"


def test_a_higher_quota_lets_those_in_who_wait(bench: Bench):
    bench.emulator.set_quota(Quota(limit=0))
    job = bench.create()
    bench.advance(days=3)
    assert bench.read(job)["state"] == RUNNING
    assert bench.client.get("/tuneops/v1/quota").json() == {"limit": 0, "mode": "queue"}
    url = "/tuneops/v1/quota"
    assert bench.client.put(url, json={"limit": None}).json() == {"limit": None, "mode": "queue"}
    bench.advance(hours=1)
    assert bench.read(job)["state"] == "JOB_STATE_SUCCEEDED"
    for wrong in ({"limit": -1}, {"limit": "x"}, {"mode": "maybe"}, {"count": 1}, []):
        assert bench.client.put(url, json=wrong).status_code == 400


def test_a_quota_that_rejects(make_bench):
    bench = make_bench(quota=Quota(limit=1, mode="reject"))
    bench.create()
    answer = bench.ask("POST", f"{ELSEWHERE}/tuningJobs", bench.request())
    assert answer.status_code == 429
    error = answer.json()["error"]
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert error["details"][0]["@type"].endswith("QuotaFailure")
    assert error["details"][0]["violations"][0]["quotaValue"] == "1"
    bench.advance(hours=2)
    bench.create()


def test_a_quota_that_lets_jobs_fail(make_bench):
    bench = make_bench(quota=Quota(limit=1, mode="fail"))
    first, second = bench.create(), bench.create()
    bench.advance(hours=2)
    assert bench.read(first)["state"] == "JOB_STATE_SUCCEEDED"
    failed = bench.read(second)
    assert (failed["state"], failed["error"]["code"]) == ("JOB_STATE_FAILED", 8)
    assert "startTime" not in failed
    assert bench.finished()["state"] == "JOB_STATE_SUCCEEDED"


def test_the_quota_is_stored_with_the_world(make_bench):
    make_bench(quota=Quota(limit=1, mode="reject")).create()
    again = make_bench()
    assert again.ask("POST", JOBS, again.request()).status_code == 429


def test_switches_where_the_documents_are_silent(make_bench):
    bench = make_bench(copy_labels=False, verbatim_source=True, strict_adapter_size=True)
    done = bench.finished(labels={"team": "a"})
    version = done["tunedModel"]["model"]
    assert "team" not in bench.ok("GET", version)["labels"]
    assert "team" not in bench.ok("GET", done["tunedModel"]["endpoint"])["labels"]
    assert done["labels"] == {"team": "a"}
    bare = version.partition("@")[0]
    assert bench.continued(bare)["preTunedModel"] == {
        "tunedModelName": bare,
        "baseModel": "gemini-2.5-flash",
    }
    request = bench.request(preTunedModel={"tunedModelName": bare})
    del request["baseModel"]
    for size, status in (("ADAPTER_SIZE_FOUR", 200), ("ADAPTER_SIZE_EIGHT", 400)):
        request["supervisedTuningSpec"]["hyperParameters"]["adapterSize"] = size
        answer = bench.ask("POST", JOBS, request)
        assert answer.status_code == status
    assert "adapter size" in answer.json()["error"]["message"]
