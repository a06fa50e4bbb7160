from datetime import timedelta

import pytest

from tests.unit.emulator.bench import PARENT, Bench, preference_lines
from tuneops.emulator import clock
from tuneops.emulator.clock import MINUTE, SECOND
from tuneops.emulator.lifecycle import (
    Failure,
    completed,
    default_epochs,
    failed_timeline,
    pending_time,
    standing,
    timeline,
    training_time,
)

LIFE = timeline(created=0, pending=30 * SECOND, examples=160, epochs=3, last_only=False)
BROKEN = failed_timeline(0, 30 * SECOND, Failure(code=3, message="no"))
TUNING = "TUNING_JOB_STATE_TUNING"
PROCESSING = "TUNING_JOB_STATE_PROCESSING_DATASET"
POST = "TUNING_JOB_STATE_POST_PROCESSING"


@pytest.mark.parametrize(
    ("life", "cancelled", "now", "state", "detail", "started", "ended"),
    [
        (LIFE, None, 0, "PENDING", None, False, False),
        (LIFE, None, LIFE.started - 1, "PENDING", None, False, False),
        (LIFE, None, LIFE.started, "RUNNING", PROCESSING, True, False),
        (LIFE, None, LIFE.processed - 1, "RUNNING", PROCESSING, True, False),
        (LIFE, None, LIFE.processed, "RUNNING", TUNING, True, False),
        (LIFE, None, LIFE.trained, "RUNNING", POST, True, False),
        (LIFE, None, LIFE.ended - 1, "RUNNING", POST, True, False),
        (LIFE, None, LIFE.ended, "SUCCEEDED", None, True, True),
        (LIFE, None, LIFE.ended * 9, "SUCCEEDED", None, True, True),
        (LIFE, 5, 5, "CANCELLING", None, False, False),
        (LIFE, 5, 5 + 30 * SECOND - 1, "CANCELLING", None, False, False),
        (LIFE, 5, 5 + 30 * SECOND, "CANCELLED", None, False, True),
        (LIFE, LIFE.trained, LIFE.ended, "CANCELLED", None, True, True),
        (LIFE, LIFE.ended - 1, LIFE.ended, "CANCELLING", None, True, False),
        (BROKEN, None, BROKEN.processed - 1, "RUNNING", PROCESSING, True, False),
        (BROKEN, None, BROKEN.processed, "FAILED", None, True, True),
        (BROKEN, BROKEN.started, BROKEN.processed, "CANCELLED", None, True, True),
    ],
)
def test_where_a_job_is(life, cancelled, now, state, detail, started, ended):
    seen = standing(life, cancelled, now)
    assert seen.state == f"JOB_STATE_{state}"
    assert seen.detail == detail
    assert (seen.started is not None) == started
    assert (seen.ended is not None) == ended
    assert seen.updated <= max(now, 0)


@pytest.mark.parametrize(
    ("epochs", "last_only", "expected"),
    [
        (1, False, [1]),
        (3, False, [1, 2, 3]),
        (10, False, list(range(1, 11))),
        (25, False, [2, 5, 8, 10, 12, 15, 18, 20, 22, 25]),
        (25, True, [25]),
    ],
)
def test_checkpoints_follow_the_documented_rule(epochs, last_only, expected):
    life = timeline(created=0, pending=0, examples=17, epochs=epochs, last_only=last_only)
    assert [milestone.epoch for milestone in life.milestones] == expected
    assert [milestone.step for milestone in life.milestones] == [2 * epoch for epoch in expected]
    assert [milestone.id for milestone in life.milestones] == [
        str(number) for number in range(1, len(expected) + 1)
    ]
    assert life.milestones[-1].written == life.trained
    assert life.milestones[-1].served < life.ended


def test_checkpoints_are_deployed_one_after_another():
    life = timeline(created=0, pending=0, examples=1, epochs=10, last_only=False)
    for before, after in zip(life.milestones, life.milestones[1:], strict=False):
        assert before.served <= after.written


def test_durations_are_as_promised():
    life = timeline(created=0, pending=0, examples=150, epochs=3, last_only=False)
    assert 15 * MINUTE <= life.ended <= 45 * MINUTE
    assert training_time(10**9) == 18 * clock.HOUR
    waits = {pending_time({"trainingDatasetUri": f"gs://b/{n}.jsonl"}) for n in range(200)}
    assert min(waits) >= 20 * SECOND
    assert max(waits) <= 60 * SECOND
    assert default_epochs(500) == 10
    assert default_epochs(10**6) == 1
    assert default_epochs(0) == 40


def test_progress_grows_to_the_whole():
    seen = [completed(LIFE, at) for at in range(0, LIFE.ended + SECOND, 10 * SECOND)]
    assert seen == sorted(seen)
    assert seen[0] == (0, 0)
    assert seen[-1] == (3, 30)


def test_a_job_from_pending_to_succeeded(bench: Bench):
    job = bench.create(tunedModelDisplayName="support-bot", labels={"team": "a"})
    assert job["state"] == "JOB_STATE_PENDING"
    absent = {"startTime", "endTime", "error", "tunedModel", "experiment", "tuningDataStats"}
    assert not absent & set(job)
    assert job["name"].startswith("projects/")
    assert job["name"].split("/")[1].isdigit()
    assert len(job["name"].split("/")[-1]) == 19
    assert job["supervisedTuningSpec"]["hyperParameters"] == {"epochCount": "3"}

    bench.advance(minutes=1)
    running = bench.read(job)
    assert running["state"] == "JOB_STATE_RUNNING"
    assert running["supervisedTuningSpec"]["hyperParameters"] == {
        "epochCount": "3",
        "learningRateMultiplier": 1,
        "adapterSize": "ADAPTER_SIZE_FOUR",
    }
    assert "/metadataStores/default/contexts/tuning-experiment-" in running["experiment"]
    assert "tuningDataStats" not in running
    assert "tuningJobState" not in running

    bench.advance(minutes=11)
    beta = bench.client.get(f"/v1beta1/{job['name']}").json()
    assert beta["tuningJobState"] == TUNING
    assert beta["tuningJobMetadata"]["completedEpochCount"] == "1"
    shown = beta["tunedModel"]
    assert "model" not in shown
    assert [c["checkpointId"] for c in shown["checkpoints"]] == ["1"]
    endpoint = bench.ok("GET", shown["checkpoints"][0]["endpoint"])
    assert "deployedModels" not in endpoint
    stats = beta["tuningDataStats"]["supervisedTuningDataStats"]
    assert stats["tuningDatasetExampleCount"] == "150"
    assert stats["tuningStepCount"] == "30"

    bench.advance(hours=1)
    done = bench.read(job)
    assert done["state"] == "JOB_STATE_SUCCEEDED"
    assert done["updateTime"] == done["endTime"] > done["startTime"] > done["createTime"]
    assert done["tunedModel"]["model"].endswith("@1")
    assert done["tunedModel"]["endpoint"] == done["tunedModel"]["checkpoints"][2]["endpoint"]
    assert done["tunedModel"]["checkpoints"][1]["step"] == "20"
    assert "tuningJobState" not in bench.client.get(f"/v1beta1/{job['name']}").json()


def test_only_the_last_checkpoint(bench: Bench):
    request = bench.request()
    request["supervisedTuningSpec"]["exportLastCheckpointOnly"] = True
    job = bench.ok("POST", f"{PARENT}/tuningJobs", request)
    bench.advance(hours=2)
    done = bench.read(job)
    assert done["supervisedTuningSpec"]["exportLastCheckpointOnly"] is True
    assert "checkpoints" not in done["tunedModel"]
    model = bench.ok("GET", done["tunedModel"]["model"])
    assert model["checkpoints"] == [{"checkpointId": "1", "epoch": "3", "step": "30"}]
    assert model["deployedModels"][0]["endpoint"] == done["tunedModel"]["endpoint"]


def test_cancel_before_and_while_running(bench: Bench):
    waiting, running = bench.create(), bench.create()
    assert bench.ok("POST", f"{waiting['name']}:cancel") == {}
    bench.advance(minutes=5)
    assert bench.ok("POST", f"{running['name']}:cancel", {}) == {}
    assert bench.ok("POST", f"{running['name']}:cancel") == {}
    assert bench.read(running)["state"] == "JOB_STATE_CANCELLING"
    bench.advance(seconds=31)
    for job, started in ((waiting, False), (running, True)):
        ended = bench.read(job)
        assert ended["state"] == "JOB_STATE_CANCELLED"
        assert ended["error"]["code"] == 1
        assert ("startTime" in ended) == started
        assert "tunedModel" not in ended
    refused = bench.ask("POST", f"{running['name']}:cancel")
    assert refused.status_code == 400
    assert refused.json()["error"]["status"] == "FAILED_PRECONDITION"
    bench.advance(hours=3)
    assert bench.ok("GET", f"{PARENT}/models") == {}
    assert bench.ok("GET", f"{PARENT}/endpoints") == {}


def test_a_broken_line_fails_the_job_and_makes_nothing(bench: Bench):
    request = bench.request()
    uri = bench.put("bad.jsonl", b'{"contents": [\n')
    request["supervisedTuningSpec"]["trainingDatasetUri"] = uri
    job = bench.ok("POST", f"{PARENT}/tuningJobs", request)
    bench.advance(hours=2)
    failed = bench.read(job)
    assert failed["state"] == "JOB_STATE_FAILED"
    assert failed["error"]["code"] == 3
    assert "bad.jsonl, line 1" in failed["error"]["message"]
    assert "startTime" in failed
    assert "tunedModel" not in failed
    assert "tuningDataStats" not in failed


def test_data_is_read_when_the_job_is_created(bench: Bench):
    job = bench.create()
    bench.put("train.jsonl", b"nonsense")
    bench.advance(hours=2)
    assert bench.read(job)["state"] == "JOB_STATE_SUCCEEDED"


def test_a_preference_job(bench: Bench):
    spec = {"trainingDatasetUri": bench.put("pairs.jsonl", preference_lines())}
    request = {"baseModel": "gemini-2.5-flash", "preferenceOptimizationSpec": spec}
    job = bench.ok("POST", f"{PARENT}/tuningJobs", request)
    assert job["tunedModelDisplayName"].startswith("gemini-2.5-flash-")
    bench.advance(days=1)
    done = bench.read(job)
    assert done["state"] == "JOB_STATE_SUCCEEDED"
    assert done["preferenceOptimizationSpec"]["hyperParameters"] == {
        "epochCount": "40",
        "learningRateMultiplier": 1,
        "adapterSize": "ADAPTER_SIZE_FOUR",
        "beta": 0.1,
    }
    stats = done["tuningDataStats"]["preferenceOptimizationDataStats"]
    assert stats["tuningDatasetExampleCount"] == "40"
    assert stats["scoresDistribution"]["sum"] == 40
    assert stats["scoreVariancePerExampleDistribution"]["mean"] == 0.25
    assert "billableSum" not in stats["userInputTokenDistribution"]
    sample = stats["userDatasetExamples"][0]["completions"]
    assert [entry.get("score") for entry in sample] == [None, 1]


def test_a_job_evaluates_every_checkpoint_when_asked(bench: Bench):
    request = bench.request()
    request["supervisedTuningSpec"] |= {
        "validationDatasetUri": request["supervisedTuningSpec"]["trainingDatasetUri"],
        "evaluationConfig": {
            "metrics": [
                {
                    "aggregation_metrics": ["AVERAGE"],
                    "pointwise_metric_spec": {"metric_prompt_template": "{response}"},
                },
                {"aggregationMetrics": ["AVERAGE", "MEDIAN"], "bleuSpec": {}},
            ],
            "output_config": {"gcs_destination": {"output_uri_prefix": "gs://acme/out/"}},
        },
    }
    job = bench.ok("POST", f"{PARENT}/tuningJobs", request)
    echoed = job["supervisedTuningSpec"]["evaluationConfig"]
    assert echoed["metrics"][1] == {"aggregationMetrics": ["AVERAGE", "MEDIAN"], "bleuSpec": {}}
    bench.advance(hours=2)
    runs = bench.read(job)["evaluateDatasetRuns"]
    assert [run["checkpointId"] for run in runs] == ["1", "2", "3"]
    results = runs[0]["evaluateDatasetResponse"]["aggregationOutput"]["aggregationResults"]
    assert [set(result) for result in results] == [
        {"aggregationMetric", "pointwiseMetricResult"},
        {"aggregationMetric", "bleuMetricValue"},
        {"aggregationMetric", "bleuMetricValue"},
    ]


def test_speed_and_advance_move_virtual_time_only(bench: Bench):
    begun = bench.emulator.time()
    bench.emulator.set_speed(3600)
    bench.wall.forward(seconds=2)
    assert bench.emulator.time() - begun == timedelta(hours=2)
    bench.emulator.set_speed(0)
    bench.wall.forward(days=3)
    bench.emulator.advance(timedelta(minutes=1))
    assert bench.emulator.time() - begun == timedelta(hours=2, minutes=1)
    bench.wall.forward(days=-30)
    assert bench.emulator.time() - begun == timedelta(hours=2, minutes=1)
    for wrong in (-1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="speed"):
            bench.emulator.set_speed(wrong)
    with pytest.raises(ValueError, match="backwards"):
        bench.emulator.advance(timedelta(seconds=-1))
