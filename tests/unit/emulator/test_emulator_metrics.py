"""The experiment of a job and its series: over the routes, and read by Google's own client."""

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from google.cloud.aiplatform.metadata import context
from google.cloud.aiplatform.metadata import utils as metadata_utils

from tests.unit.emulator.bench import PARENT, Bench, preference_lines, supervised_lines
from tuneops.emulator.server import EmulatorServer

TRAIN = "/train_total_loss"
RIGHT = "/train_fraction_of_correct_next_step_preds"
EVAL = "/eval_total_loss"


def run_of(bench: Bench, job) -> str:
    contexts = bench.ok(
        "GET",
        f"{PARENT}/metadataStores/default/contexts",
        filter=f'schema_title="system.ExperimentRun" AND parent_contexts:"{job["experiment"]}"',
    )["contexts"]
    artifact = contexts[0]["name"].replace("/contexts/", "/artifacts/") + "-tb-run"
    return bench.ok("GET", artifact)["metadata"]["resourceName"]


def series(bench: Bench, job) -> dict[str, list[tuple[int, float]]]:
    run = run_of(bench, job)
    board = run.partition("/experiments/")[0]
    assert bench.ok("GET", run)["name"] == run
    listed = bench.ok("GET", f"{run}/timeSeries").get("tensorboardTimeSeries", [])
    names = {item["name"]: item["displayName"] for item in listed}
    if not names:
        return {}
    read = bench.ok("GET", f"{board}:batchRead", timeSeries=list(names))["timeSeriesData"]
    return {
        name: [(int(point["step"]), point["scalar"]["value"]) for point in data["values"]]
        for name, data in zip(names.values(), read, strict=True)
    }


def tuned(bench: Bench, count: int = 150, *, validated: bool = True, **hyper):
    spec = {
        "trainingDatasetUri": bench.put("lines.jsonl", supervised_lines(count)),
        "hyperParameters": {"epochCount": 3, **hyper},
    }
    if validated:
        spec["validationDatasetUri"] = bench.put("validation.jsonl", supervised_lines(20))
    return bench.finished(supervisedTuningSpec=spec)


def test_the_series_of_a_supervised_job(bench: Bench):
    read = series(bench, tuned(bench))
    assert set(read) == {
        TRAIN,
        RIGHT,
        "/train_num_predictions",
        EVAL,
        "/eval_fraction_of_correct_next_step_preds",
        "/eval_num_predictions",
    }
    losses = [value for _, value in read[TRAIN]]
    assert losses[0] > losses[-1] > 0
    assert all(0 < value < 1 for _, value in read[RIGHT])
    assert read[RIGHT][0][1] < read[RIGHT][-1][1]
    assert [step for step, _ in read[EVAL]] == [10, 20, 30]
    assert read[TRAIN][-1][0] == 30


def test_without_a_validation_set_nothing_is_evaluated(bench: Bench):
    read = series(bench, tuned(bench, validated=False))
    assert not [name for name in read if name.startswith("/eval")]


def test_the_series_of_a_preference_job(bench: Bench):
    spec = {
        "trainingDatasetUri": bench.put("preferences.jsonl", preference_lines()),
        "validationDatasetUri": bench.put("validation.jsonl", preference_lines(10)),
    }
    request = {"baseModel": "gemini-2.5-flash", "preferenceOptimizationSpec": spec}
    job = bench.ok("POST", f"{PARENT}/tuningJobs", request)
    bench.advance(hours=3)
    read = series(bench, bench.read(job))
    assert set(read) == {"/preference_optimization_train_loss", EVAL}
    assert read["/preference_optimization_train_loss"][0][1] < 0.75


def test_series_grow_while_the_job_runs(bench: Bench):
    job = bench.create()
    assert "experiment" not in bench.read(job)
    bench.advance(minutes=2)
    running = bench.read(job)
    assert series(bench, running) == {}
    seen = []
    for _ in range(5):
        bench.advance(minutes=4)
        seen.append(series(bench, running)[TRAIN])
    assert [len(points) for points in seen] == sorted(len(points) for points in seen)
    assert len(seen[0]) < len(seen[-1])
    assert seen[-1][: len(seen[0])] == seen[0]


def test_too_many_epochs_cost_on_the_validation_set(bench: Bench):
    evaluated = [value for _, value in series(bench, tuned(bench, epochCount=12))[EVAL]]
    lowest = evaluated.index(min(evaluated))
    assert 0 < lowest < len(evaluated) - 1
    assert evaluated[-1] > evaluated[lowest] * 1.2


def test_the_multiplier_and_the_data_matter_and_nothing_else(bench: Bench):
    plain = series(bench, tuned(bench))
    again = series(bench, tuned(bench))
    assert plain == again
    bold = series(bench, tuned(bench, learningRateMultiplier=2))
    timid = series(bench, tuned(bench, learningRateMultiplier=0.2))
    assert bold[TRAIN][-1][1] < plain[TRAIN][-1][1] < timid[TRAIN][-1][1]
    many = series(bench, tuned(bench, 1500))
    assert many[EVAL][-1][1] < plain[EVAL][-1][1]
    wild = [value for _, value in series(bench, tuned(bench, learningRateMultiplier=9))[TRAIN]]
    assert sorted(wild, reverse=True) != wild


def test_one_series_by_itself(bench: Bench):
    job = tuned(bench)
    listed = bench.ok("GET", f"{run_of(bench, job)}/timeSeries", pageSize=1)
    (first,) = listed["tensorboardTimeSeries"]
    assert listed["nextPageToken"]
    assert bench.ok("GET", first["name"]) == first
    assert first["metadata"]["maxStep"] == "30"
    for limit, count in ((-1, 30), (0, 30), (5, 5), (7, 6)):
        data = bench.ok("GET", f"{first['name']}:read", maxDataPoints=limit)["timeSeriesData"]
        assert len(data["values"]) == count
        assert data["values"][-1]["step"] == "30"
    for wrong in ({"maxDataPoints": "x"}, {"filter": "x"}):
        assert bench.ask("GET", f"{first['name']}:read", **wrong).status_code == 400
    assert bench.ask("GET", f"{run_of(bench, job)}/timeSeries", filter="x").status_code == 400


def test_what_is_not_there(bench: Bench):
    run = run_of(bench, tuned(bench))
    board, _, rest = run.partition("/experiments/")
    experiment = f"{board}/experiments/{rest.partition('/')[0]}"
    assert bench.ok("GET", board)["isDefault"] is True
    assert bench.ok("GET", experiment)["name"] == experiment
    assert bench.ok("GET", f"{experiment}/runs")["tensorboardRuns"][0]["name"] == run
    for path in (
        f"{board}1",
        f"{experiment}1",
        f"{run}1",
        f"{run}/timeSeries/1",
        f"{run}/timeSeries/1:read",
        f"{PARENT}/metadataStores/default/contexts/1",
        f"{PARENT}/metadataStores/default/artifacts/1",
    ):
        assert bench.ask("GET", path).status_code == 404
    assert bench.ask("GET", f"{board}:batchRead").status_code == 400
    missing = bench.ask("GET", f"{board}:batchRead", timeSeries=f"{run}/timeSeries/1")
    assert missing.status_code == 404
    assert bench.ok("GET", f"{PARENT}/metadataStores/default/executions", filter="x") == {}
    assert bench.ok("GET", f"{PARENT}/metadataStores/other/contexts") == {}


def test_contexts_in_pages_and_by_filter(bench: Bench):
    jobs = [tuned(bench), tuned(bench)]
    assert len({job["experiment"] for job in jobs}) == 2
    url = f"{PARENT}/metadataStores/default/contexts"
    everything = bench.ok("GET", url)["contexts"]
    assert len(everything) == 4
    first = bench.ok("GET", url, pageSize=3)
    rest = bench.ok("GET", url, pageSize=3, pageToken=first["nextPageToken"])
    assert [*first["contexts"], *rest["contexts"]] == everything
    found = bench.ok("GET", url, filter='create_time > "2026-11-20T10:00:00Z"')["contexts"]
    assert found == everything[:2]
    assert bench.ask("GET", url, filter="metadata.x = 1").status_code == 400


def test_evaluated_checkpoints_are_runs_with_values(bench: Bench):
    spec = {
        "trainingDatasetUri": bench.put("train.jsonl", supervised_lines()),
        "validationDatasetUri": bench.put("validation.jsonl", supervised_lines(20)),
        "hyperParameters": {"epochCount": 2},
        "evaluationConfig": {
            "metrics": [{"bleuSpec": {}, "aggregationMetrics": ["AVERAGE"]}],
            "outputConfig": {"gcsDestination": {"outputUriPrefix": "gs://acme-tuning/eval"}},
        },
    }
    job = bench.finished(supervisedTuningSpec=spec)
    url = f"{PARENT}/metadataStores/default/contexts"
    name = '"tuning-evaluation-checkpoint-2"'
    (found,) = bench.ok("GET", url, filter=f"display_name={name}")["contexts"]
    result = job["evaluateDatasetRuns"][1]["evaluateDatasetResponse"]["aggregationOutput"]
    value = result["aggregationResults"][0]["bleuMetricValue"]["score"]
    assert found["metadata"]["_metrics"] == {"bleu/AVERAGE": value}


@pytest.fixture
def served(bench: Bench):
    with EmulatorServer(bench.emulator) as server:
        aiplatform.init(
            project="acme",
            location="us-central1",
            api_endpoint=server.url,
            api_transport="rest",
            credentials=AnonymousCredentials(),
        )
        yield bench
    aiplatform.initializer.global_config.__init__()


def test_googles_client_reads_the_series_as_its_notebook_does(served: Bench):
    job = tuned(served)
    experiment = aiplatform.Experiment(job["experiment"])
    filter = metadata_utils._make_filter_string(
        schema_title="system.ExperimentRun", parent_contexts=[experiment.resource_name]
    )
    (run,) = context.Context.list(filter)
    board = experiment.get_backing_tensorboard_resource().resource_name
    suffix = run.name.replace(experiment.name, "", 1)[1:]
    tensorboard_run = aiplatform.TensorboardRun(
        f"{board}/experiments/{experiment.name}/runs/{suffix}"
    )
    data = tensorboard_run.read_time_series_data()
    assert [value.step for value in data[EVAL].values] == [10, 20, 30]
    assert data[TRAIN].values[0].scalar.value > data[TRAIN].values[-1].scalar.value
    experiment_run = aiplatform.ExperimentRun(suffix, experiment=experiment)
    assert experiment_run.get_state() == "COMPLETE"


def test_googles_client_makes_a_table_of_an_experiment(served: Bench):
    job = tuned(served)
    table = aiplatform.Experiment(job["experiment"]).get_data_frame()
    assert len(table) == 1
    assert f"time_series_metric.{TRAIN}" in table.columns
