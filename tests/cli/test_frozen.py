"""`plan --frozen`: specs and lock alone, without a socket, without a credential."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import bare, script, tuneops
from tests.cli.test_adoption import PARENT, WORKSPACE
from tests.cli.test_removed import CHAIN, TONE

WATCHED = """\
import json, os, sys

seen = []

def watch(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        seen.append(event)
    if event == "open" and any(w in str(arguments[0]) for w in ("login.json", "gcloud", ".db")):
        seen.append(str(arguments[0]))
    if event == "subprocess.Popen":
        seen.append(str(arguments[1]))

sys.addaudithook(watch)
from tuneops.cli.main import run

code = run(sys.argv[1:])
print(json.dumps(seen), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose chain is finished on the emulator."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "specs").mkdir()
    promotion = "  promotion: {alias: prod, stage: tone}\n"
    (folder / "specs" / "bot.yaml").write_text(CHAIN + TONE + promotion)
    (folder / "specs" / "workspace.yaml").write_text(WORKSPACE)
    assert tuneops(folder, "apply", "--wait").code == 0
    return folder


def plan(folder: Path, *words: str) -> dict[str, Any]:
    return tuneops(folder, "plan", "--format", "json", *words).document


def copied(finished: Path, tmp_path: Path) -> Path:
    """What a fork's pull request has: specs and lock, and nothing else."""
    (tmp_path / "specs").mkdir()
    for path in (finished / "specs").iterdir():
        (tmp_path / "specs" / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    "edit", ["", "epochCount: 2->epochCount: 3", "epochCount: 1->epochCount: 3"]
)
def test_it_decides_as_a_plan_that_looks(finished: Path, tmp_path: Path, edit: str) -> None:
    folder = copied(finished, tmp_path)
    spec = folder / "specs" / "bot.yaml"
    (finished / "specs" / "bot.yaml").write_text(spec.read_text())
    before, _, after = edit.partition("->")
    text = spec.read_text()
    spec.write_text(text.replace(before, after) if edit else text)
    frozen = plan(folder, "--frozen")
    original = (finished / "specs" / "bot.yaml").read_text()
    try:
        (finished / "specs" / "bot.yaml").write_text(spec.read_text())
        looked = plan(finished)
    finally:
        (finished / "specs" / "bot.yaml").write_text(original)
    assert frozen["actions"] == looked["actions"]
    assert frozen["digest"] == looked["digest"]
    assert frozen["drift"] == []
    assert len(frozen["unseen"]) == 1
    assert "unseen" not in looked


def test_no_socket_is_opened_and_no_credential_is_read(finished: Path, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path)
    workspace = folder / "specs" / "workspace.yaml"
    workspace.write_text(workspace.read_text().replace("emulator", "vertex"))
    lock = folder / "specs" / "tuneops.local.lock.json"
    lock.write_text(lock.read_text().replace('"target": "emulator"', '"target": "vertex"'))
    spec = folder / "specs" / "bot.yaml"
    spec.write_text(spec.read_text().replace("epochCount: 2", "epochCount: 5"))
    env = bare(GOOGLE_APPLICATION_CREDENTIALS=str(folder / "login.json"))
    (folder / "login.json").write_text("{}")
    done = script(folder, WATCHED, "plan", "--frozen", "--detailed-exitcode", env=env)
    assert done.code == 2, done.err
    assert "Unseen  the service was not asked" in done.out
    assert "» bot/tone" in done.out
    assert json.loads(done.err.splitlines()[-1]) == []
    looked = script(folder, WATCHED, "plan", env=env)
    assert looked.code != 0
    assert any("login.json" in word for word in json.loads(looked.err.splitlines()[-1]))


def test_data_that_the_lock_has_no_pin_of_is_said_to_be_unknown(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "workspace.yaml").write_text(WORKSPACE)
    jobs = [
        f"""\
apiVersion: tuneops.dev/v1
kind: TuningJob
metadata: {{name: {name}}}
spec:
  {source}
  supervisedTuningSpec: {{trainingDatasetUri: "gs://nowhere/{name}.jsonl"}}
"""
        for name, source in (
            ("one", "baseModel: gemini-2.5-flash"),
            ("two", "baseModel: gemini-2.5-flash"),
            (
                "three",
                f"preTunedModel: {{tunedModelName: {PARENT}/models/9@prod}}",
            ),
        )
    ]
    (tmp_path / "specs" / "jobs.yaml").write_text("---\n".join(jobs))
    done = tuneops(tmp_path, "plan", "--no-refresh", "--detailed-exitcode")
    assert done.code == 2, done.err
    assert "Unseen  gs://nowhere/one.jsonl is unknown: the lock has no pin of it" in done.out
    assert "models/9@prod is unknown" in done.out
    assert "3 to create" in done.out or "continue" in done.out
    assert not (tmp_path / ".tuneops" / "emulator.db").exists()
    assert tuneops(tmp_path, "plan", "--frozen", "--locked").code == 5


def test_a_plan_that_asked_nobody_is_not_saved(finished: Path) -> None:
    done = tuneops(finished, "plan", "--frozen", "--out", "plan.json")
    assert done.code == 64
    assert "cannot be saved" in done.err
    assert not (finished / "plan.json").exists()


def test_a_lock_that_is_damaged_is_refused(finished: Path, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path)
    (folder / "specs" / "tuneops.local.lock.json").write_text("")
    assert tuneops(folder, "plan", "--frozen").code == tuneops(folder, "plan").code != 0
