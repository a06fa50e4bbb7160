"""`reconcile` over several environments, whole fleets, and shards of them."""

import json
from pathlib import Path

import click
import pytest

from tests.cli.conftest import bare, tuneops
from tests.e2e.conftest import write_chain
from tuneops.cli.shard import Shard, read_shard


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    for name in ("ants", "bees", "cats"):
        folder = write_chain(tmp_path / "teams" / name)
        workspace = folder / "specs" / "workspace.yaml"
        workspace.write_text(workspace.read_text().replace("name: acme", f"name: {name}"))
    return tmp_path


def jobs(folder: Path) -> int:
    lock = folder / "specs" / "tuneops.local.lock.json"
    return len(json.loads(lock.read_text())["jobs"]) if lock.exists() else 0


def test_a_fleet_is_followed_until_all_of_it_is_settled(fleet: Path) -> None:
    done = tuneops(fleet, "reconcile", "--until", "settled", "--fleet", "teams", "-f", "json")
    runs = done.document["runs"]
    assert done.code == 0
    assert [run["name"] for run in runs] == ["ants", "bees", "cats"]
    assert all(run["summary"]["settled"] and run["exitCode"] == 0 for run in runs)
    pages = ("--report", "left.md", "--summary", "summary.md")
    again = tuneops(fleet, "reconcile", "--once", "--fleet", "teams", *pages)
    assert again.code == 0 and again.out.count("No changes") == 3
    assert (fleet / "summary.md").read_text() == (fleet / "left.md").read_text() + "\n"
    assert (fleet / "left.md").read_text().count("no changes") == 3


def test_the_time_that_is_given_ends_a_run(fleet: Path) -> None:
    words = ("reconcile", "--until", "settled", "--for", "2m", "--fleet", "teams")
    done = tuneops(fleet, *words, "-f", "json")
    assert done.code == 8
    assert all(run["summary"]["timedOut"] for run in done.document["runs"])


def test_a_fault_of_one_keeps_no_other_waiting(fleet: Path) -> None:
    spec = fleet / "teams" / "bees" / "specs" / "bot.yaml"
    spec.write_text(spec.read_text().replace("epochCount: 1", "epochCount: many"))
    done = tuneops(fleet, "reconcile", "--once", "--fleet", "teams")
    assert done.code == 65
    assert "bees\nStopped, exit 65." in done.out and "epochCount" in done.err
    counts = {name: jobs(fleet / "teams" / name) for name in ("ants", "bees", "cats")}
    assert counts == {"ants": 1, "bees": 0, "cats": 1}


def test_the_shards_of_a_fleet_share_it_out(fleet: Path) -> None:
    seen = []
    for index in range(2):
        env = bare(JOB_COMPLETION_INDEX=str(index))
        words = ("reconcile", "--once", "--fleet", "teams", "--shard", "/2", "-f", "json")
        done = tuneops(fleet, *words, env=env)
        seen.append([run["name"] for run in done.document["runs"]])
    assert seen == [["ants", "cats"], ["bees"]]


def test_one_environment_may_be_named_twice_or_more_where_that_means_something(
    fleet: Path,
) -> None:
    folder = fleet / "teams" / "ants"
    both = tuneops(folder, "reconcile", "--once", "-e", "local", "-e", "nowhere", "-f", "json")
    assert [run["exitCode"] for run in both.document["runs"]] == [0, 65]
    plan = tuneops(folder, "plan", "-e", "local", "-e", "nowhere")
    assert plan.code == 64 and "one environment at a time" in plan.err


def test_a_run_that_only_does_what_is_free_follows_and_stops_nothing(fleet: Path) -> None:
    folder = fleet / "teams" / "ants"
    assert tuneops(folder, "apply").code == 0
    spec = folder / "specs" / "bot.yaml"
    spec.write_text(spec.read_text().replace("epochCount: 1", "epochCount: 5"))
    done = tuneops(folder, "reconcile", "--once", "--only-free", "-f", "json")
    assert done.document["summary"]["submitted"] == 0
    assert not [event for event in done.document["events"] if event["event"] == "cancelling"]
    numbers = done.document["summary"]
    assert [numbers[name] for name in ("leftOut", "waiting", "queued", "notNow")] == [2, 0, 0, 0]
    said = tuneops(folder, "reconcile", "--once", "--only-free").out
    assert "2 not bought, as `--only-free` says" in said
    assert "slot" not in said
    assert tuneops(folder, "plan", "-f", "json").document["summary"]["cancel"] == 1
    spec.write_text(
        spec.read_text().replace("- name: one", "- name: one\n      onSupersede: finish")
    )
    status = tuneops(folder, "status").out
    assert " runs to its end, by policy" in status and ", 1 running" in status


@pytest.mark.parametrize(
    ("text", "environ", "shard"),
    [
        ("2/8", {}, Shard(2, 8)),
        ("/8", {"JOB_COMPLETION_INDEX": "7"}, Shard(7, 8)),
        ("/8", {"CLOUD_RUN_TASK_INDEX": "0"}, Shard(0, 8)),
        (None, {"CLOUD_RUN_TASK_INDEX": "1", "CLOUD_RUN_TASK_COUNT": "3"}, Shard(1, 3)),
        (None, {"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "1"}, None),
        (None, {"JOB_COMPLETION_INDEX": "7"}, None),
        (None, {}, None),
    ],
)
def test_a_shard_is_told_or_read_from_the_scheduler(
    text: str | None, environ: dict[str, str], shard: Shard | None
) -> None:
    assert read_shard(text, environ) == shard


@pytest.mark.parametrize("text", ["8/8", "9/8", "-1/8", "2", "2/", "/8", "0/0", "a/b", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        read_shard(text, {})
    assert "to -1" not in refused.value.message


def test_events_of_several_environments_say_whose_they_are(fleet: Path) -> None:
    done = tuneops(fleet, "reconcile", "--once", "--fleet", "teams")
    assert [f" {name} · bot/one " in done.err for name in ("ants", "bees", "cats")] == [True] * 3
    alone = tuneops(fleet / "teams" / "ants", "apply")
    assert "ants" not in alone.err


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("items", [0, 1, 5, 20])
def test_every_item_belongs_to_one_shard(items: int, count: int) -> None:
    shares = [Shard(index, count).share(range(items)) for index in range(count)]
    assert sorted(item for share in shares for item in share) == list(range(items))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
