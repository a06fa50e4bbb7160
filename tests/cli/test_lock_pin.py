"""Data in a bucket, as a person meets it: drift, `lock pin`, `onDatasetChange`, wrong bytes."""

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Done, git, tuneops
from tests.e2e.conftest import example
from tuneops.emulator.application import Emulator

SEED, WEEK = "gs://acme/seed.jsonl", "gs://acme/week.jsonl"
WORKSPACE = """\
apiVersion: tuneops.dev/v1
kind: Workspace
metadata: {name: acme}
spec:
  defaultEnvironment: local
  environments:
    local: {provider: emulator, project: demo-project, location: us-central1}
"""
CHAIN = f"""\
apiVersion: tuneops.dev/v1
kind: TuningChain
metadata: {{name: bot}}
spec:
  baseModel: gemini-2.5-flash
  stages:
    - name: seed
      supervisedTuningSpec: {{trainingDatasetUri: {SEED}}}
    - name: week
      supervisedTuningSpec: {{trainingDatasetUri: {WEEK}}}
"""

Put = Callable[[str, int], None]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "specs").mkdir(parents=True)
    (folder / "specs/workspace.yaml").write_text(WORKSPACE)
    (folder / "specs/bot.yaml").write_text(CHAIN)
    return folder


@contextlib.contextmanager
def emulated(project: Path) -> Iterator[httpx.Client]:
    """The object store of the project's own emulator."""
    state = project / ".tuneops"
    state.mkdir(exist_ok=True)
    with (
        Emulator(state / "emulator.db", wall=lambda: datetime.now(UTC)) as emulator,
        httpx.Client(
            transport=httpx.WSGITransport(app=emulator),
            base_url="http://127.0.0.1",
            trust_env=False,
        ) as client,
    ):
        yield client


@pytest.fixture
def put(project: Path) -> Put:
    """Write an object with so many examples; with none, remove it."""

    def write(uri: str, count: int) -> None:
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        content = "".join(example(f"what is {n}?", "a number") for n in range(count))
        with emulated(project) as client:
            if count:
                query = {"uploadType": "media", "name": name}
                answer = client.post(
                    f"/upload/storage/v1/b/{bucket}/o", params=query, content=content.encode()
                )
            else:
                answer = client.delete(f"/storage/v1/b/{bucket}/o/{name}")
            assert answer.is_success, answer.text

    write(SEED, 20)
    write(WEEK, 10)
    return write


def ran(folder: Path, *words: str, code: int = 0) -> Done:
    done = tuneops(folder, *words)
    assert done.code == code, done
    return done


def lock(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "specs/tuneops.local.lock.json").read_text())
    return found


def edit(folder: Path, before: str, after: str) -> None:
    spec = folder / "specs/bot.yaml"
    assert before in spec.read_text()
    spec.write_text(spec.read_text().replace(before, after))


def actions(folder: Path) -> dict[str, str]:
    plan = ran(folder, "plan", "-f", "json").document
    return {change["address"]: change["action"] for change in plan["actions"]}


def test_moving_a_pin_is_the_only_way_from_new_bytes_to_a_purchase(project: Path, put: Put) -> None:
    ran(project, "apply", "--wait")
    assert "pins" not in lock(project)
    put(WEEK, 12)
    assert actions(project) == {"bot/seed": "keep", "bot/week": "keep"}
    assert "dataset-changed" in ran(project, "plan").out
    before = (project / "specs/tuneops.local.lock.json").read_bytes()
    assert "1 pin moved" in ran(project, "lock", "pin", "--dry-run").out
    assert (project / "specs/tuneops.local.lock.json").read_bytes() == before
    ran(project, "lock", "pin", "bot/seed")
    assert (project / "specs/tuneops.local.lock.json").read_bytes() == before

    assert "12 examples" in ran(project, "plan").out
    assert "the old bytes are gone" in ran(project, "plan").out
    told = ran(project, "lock", "pin", "bot/week").out
    assert "1 pin moved; nothing was bought." in told and "->" in told
    assert list(lock(project)["pins"]) == ["bot/week"]  # type: ignore[call-overload]
    assert actions(project) == {"bot/seed": "keep", "bot/week": "continue"}
    ran(project, "apply", "--wait")
    assert "pins" not in lock(project), "the job says it now"
    assert actions(project) == {"bot/seed": "keep", "bot/week": "keep"}
    assert "No changes" in ran(project, "lock", "pin").out


def test_a_lost_pin_is_drift_again(project: Path, put: Put) -> None:
    ran(project, "apply", "--wait")
    put(WEEK, 12)
    ran(project, "lock", "pin")
    (project / "specs/tuneops.local.lock.json").unlink()
    ran(project, "lock", "rebuild")
    assert actions(project) == {"bot/seed": "keep", "bot/week": "keep"}
    assert "dataset-changed" in ran(project, "plan").out


def test_a_job_that_was_never_run_can_be_pinned_for_a_review(project: Path, put: Put) -> None:
    assert "2 pins set" in ran(project, "lock", "pin").out
    put(SEED, 21)
    assert actions(project) == {"bot/seed": "hold", "bot/week": "hold"}
    assert "pin" in ran(project, "plan").out
    ran(project, "apply", "--wait", code=3)
    assert "1 pin moved" in ran(project, "lock", "pin").out
    ran(project, "apply", "--wait")


def test_new_bytes_are_a_cause_where_the_spec_says_retune(project: Path, put: Put) -> None:
    edit(project, "    - name: week\n", "    - name: week\n      onDatasetChange: retune\n")
    ran(project, "apply", "--wait")
    put(SEED, 21)
    assert actions(project) == {"bot/seed": "keep", "bot/week": "keep"}
    put(WEEK, 12)
    assert actions(project) == {"bot/seed": "keep", "bot/week": "continue"}
    ran(project, "apply", "--wait")
    assert actions(project) == {"bot/seed": "keep", "bot/week": "keep"}


def test_bytes_that_change_while_a_job_may_read_them(project: Path, put: Put) -> None:
    ran(project, "apply")
    put(SEED, 21)
    ran(project, "emulator", "advance", "1h")
    done = ran(project, "apply", code=3)
    assert "hold" in done.out
    told = ran(project, "plan").out
    assert "other bytes than the pinned ones" in told and "its parent is blocked" in told
    ran(project, "emulator", "advance", "3h")
    ran(project, "apply", code=3)
    creation = next(iter(lock(project)["jobs"]["bot/seed"]["creations"].values()))  # type: ignore[index]
    assert creation["state"] == "SUCCEEDED" and creation["wrongBytes"] is True
    assert "current" not in lock(project)["jobs"]["bot/seed"]  # type: ignore[index]
    ran(project, "lock", "pin", "bot/seed")
    assert actions(project) == {"bot/seed": "create", "bot/week": "continue"}


def test_what_became_of_the_examples_is_told_where_the_bucket_keeps_the_old(
    project: Path, put: Put
) -> None:
    with emulated(project) as client:
        kept = client.patch("/storage/v1/b/acme", json={"versioning": {"enabled": True}})
        assert kept.is_success
    ran(project, "apply", "--wait")
    put(WEEK, 12)
    told = "2 added; 10 -> 12 examples"
    assert told in ran(project, "plan").out
    (drift,) = ran(project, "plan", "-f", "json").document["drift"]
    assert told in drift["detail"]
    assert told in ran(project, "lock", "pin", "--dry-run").out


def test_small_data_of_a_new_job_is_looked_into_before_it_is_bought(
    project: Path, put: Put
) -> None:
    with emulated(project) as client:
        query = {"uploadType": "media", "name": "week.jsonl"}
        client.post("/upload/storage/v1/b/acme/o", params=query, content=b"{}\nno json\n")
    done = ran(project, "apply", code=65)
    assert f"{WEEK}:2:1" in done.err
    assert not (project / "specs/tuneops.local.lock.json").exists(), "nothing was bought"


def test_an_unknown_address_is_refused(project: Path, put: Put) -> None:
    assert "`bot/none` is not in the specs" in ran(project, "lock", "pin", "bot/none", code=1).err


def test_a_pin_is_shown_by_lock_diff(project: Path, put: Put) -> None:
    git(project, "init", "--quiet")
    ran(project, "apply", "--wait")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "applied")
    put(WEEK, 12)
    moved = ran(project, "lock", "pin", "-f", "json").document["moves"]
    assert [(move["address"], move["name"]) for move in moved] == [("bot/week", WEEK)]
    assert moved[0]["before"]["crc32c"] != moved[0]["after"]["crc32c"]
    assert "1 pin moved" in ran(project, "lock", "diff").out
