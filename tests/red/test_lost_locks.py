"""A lock that is lost takes no decision of the specs with it."""

import json
from pathlib import Path

from tests.cli.conftest import tuneops
from tests.e2e.conftest import write_chain

LOCK = "specs/tuneops.local.lock.json"


def test_a_stage_goes_on_from_a_version_that_is_accepted(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    spec = folder / "specs" / "bot.yaml"
    assert tuneops(folder, "apply", "--wait").code == 0
    before = json.loads((folder / LOCK).read_text())["jobs"]["bot/one"]
    kept = before["creations"][before["current"]]["model"].rpartition("/")[2]
    text = spec.read_text().replace("epochCount: 1", "epochCount: 2")
    accept = f"    - name: two\n      acceptParent: {{model: models/{kept}, reason: good}}\n"
    spec.write_text(text.replace("    - name: two\n", accept))
    (folder / LOCK).unlink()
    done = tuneops(folder, "apply", "--wait")
    assert done.code == 0, done
    jobs = json.loads((folder / LOCK).read_text())["jobs"]
    assert before["current"] in jobs["bot/one"]["creations"], "what is accepted is recorded"
    two = jobs["bot/two"]["creations"][jobs["bot/two"]["current"]]
    assert two["source"]["model"].endswith(f"/{kept}")
    assert "No changes" in tuneops(folder, "plan").out


def test_a_job_that_an_edit_replaces_is_stopped_once_the_lock_is_rebuilt(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    spec = folder / "specs" / "bot.yaml"
    assert tuneops(folder, "apply").code == 0
    renamed = "    - name: first\n      movedFrom: bot/one\n"
    text = spec.read_text().replace("    - name: one\n", renamed)
    spec.write_text(text.replace("epochCount: 1", "epochCount: 2", 1))
    (folder / LOCK).unlink()
    held = tuneops(folder, "plan").out
    assert "`tuneops lock rebuild` if the lock was lost" in held
    assert "cancel" not in held
    assert tuneops(folder, "lock", "rebuild").code == 0
    said = " ".join(tuneops(folder, "plan").out.split())
    assert "- bot/first cancel superseded by the specs" in said
