"""An exit code speaks of the end of a run, not of a fright on the way."""

from pathlib import Path

import pytest

from tests.cli.conftest import tuneops
from tests.e2e.conftest import write_chain


@pytest.mark.parametrize("fault", ["accept-then-drop", "accept-then-503", "truncated"])
def test_an_answer_that_was_lost_and_found_again_is_no_unknown_outcome(
    tmp_path: Path, fault: str
) -> None:
    folder = write_chain(tmp_path / "project")
    assert tuneops(folder, "emulator", "fault", f"tuningJobs.create:{fault}").code == 0
    done = tuneops(folder, "apply", "--wait", "--format", "json")
    assert done.document["summary"]["done"] == 2
    assert done.document["summary"]["unanswered"] == 0
    assert done.code == 0, done


def test_an_answer_that_is_still_lost_is_one(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    tuneops(folder, "emulator", "fault", "tuningJobs.create:accept-then-drop")
    assert tuneops(folder, "apply").code == 7


def test_a_job_that_was_refused_is_counted_once(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    tuneops(folder, "emulator", "fault", "tuningJobs.create:429")
    done = tuneops(folder, "apply", "--wait", "--format", "json")
    summary = done.document["summary"]
    assert done.code == 6
    assert (summary["refused"], summary["queued"], summary["waiting"]) == (1, 0, 1)
