"""A lock that is lost takes no decision of the specs with it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.cli.conftest import tuneops
from tests.e2e.conftest import CHAIN, write_chain
from tests.support.story import HOURS, Story

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


def comes_back(story: Story) -> dict[str, Any]:
    """The retired book of a lock that is written again as it was."""
    before = story.lock.read_bytes()
    story.lock.unlink()
    done = story.desk.run(story.project, "lock", "rebuild")
    assert done.code == 0, done
    assert story.lock.read_bytes() == before, done
    found: dict[str, Any] = json.loads(before)["retired"]
    return found


def test_the_very_first_lock_comes_back_as_it_was(tmp_path: Path) -> None:
    """Before any list has shown the job whose name has the number of its project."""
    story = Story(tmp_path)
    assert story.apply().code == 0
    assert comes_back(story) == {}


def test_a_result_that_nobody_wants_by_the_time_it_is_there_is_not_served_by_a_rebuild(
    tmp_path: Path,
) -> None:
    """Its stage is removed while it trains; the lock has it, and no current result."""
    story = Story(tmp_path)
    spec = story.project / "specs/bot.yaml"
    one, two = spec.read_text(), CHAIN
    spec.write_text(two)
    for _ in range(2):
        assert story.apply().code == 0
        story.later(timedelta(hours=1))
    spec.write_text(one)
    assert story.apply().code == 0
    story.later(HOURS)
    assert story.apply().code == 0
    retired = comes_back(story)
    assert [one["state"] for one in retired["bot/two"]["creations"].values()] == ["SUCCEEDED"]
    assert "current" not in retired["bot/two"]
    spec.write_text(two)
    assert story.apply().code == 0
    assert story.posts == 2, "it is served once it is wanted again, and not bought"
    assert comes_back(story) == {}


def test_a_job_that_is_renamed_while_it_trains_takes_no_result_with_it(tmp_path: Path) -> None:
    story = Story(tmp_path)
    spec = story.project / "specs/bot.yaml"
    again = spec.read_text().replace("    - name: one\n", "    - name: one\n      nonce: n2\n")
    assert story.apply().code == 0
    story.later(HOURS)
    assert story.apply().code == 0
    spec.write_text(again)
    assert story.apply().code == 0 and story.posts == 2
    spec.write_text(again.replace("name: bot", "name: robot"))
    assert story.apply().code == 0
    story.later(HOURS)
    assert story.apply().code == 0
    left = comes_back(story)["bot/one"]
    assert [*left["creations"]] == [left["current"]]
