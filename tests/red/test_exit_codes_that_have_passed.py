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
    tuneops(folder, "emulator", "fault", "tuningJobs.create:503")
    assert tuneops(folder, "apply").code == 7


@pytest.mark.parametrize("fault", ["accept-then-drop", "accept-then-503", "truncated"])
def test_a_job_whose_answer_was_lost_is_found_in_the_same_round(tmp_path: Path, fault: str) -> None:
    folder = write_chain(tmp_path / "project")
    tuneops(folder, "emulator", "fault", f"tuningJobs.create:{fault}")
    done = tuneops(folder, "apply", "--format", "json")
    assert done.code == 0 and done.document["summary"]["submitted"] == 1
    assert "answer lost, found the job by its mark" in done.document["events"][-1]["detail"]


def test_a_job_that_is_listed_late_is_found_by_a_later_run(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    faults = ("tuningJobs.create:accept-then-drop", "tuningJobs.list:lag=300s*20")
    tuneops(folder, "emulator", "fault", *faults)
    assert tuneops(folder, "apply").code == 7
    tuneops(folder, "emulator", "fault", "--clear")
    tuneops(folder, "emulator", "advance", "6m")
    done = tuneops(folder, "apply", "--format", "json")
    assert done.code == 0 and done.document["summary"]["submitted"] == 0


def test_a_job_that_was_refused_is_counted_once(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    tuneops(folder, "emulator", "fault", "tuningJobs.create:429")
    done = tuneops(folder, "apply", "--format", "json")
    summary = done.document["summary"]
    assert done.code == 6
    assert (summary["refused"], summary["queued"], summary["waiting"]) == (1, 0, 1)


def test_a_quota_that_was_full_once_is_no_hindrance_to_a_run_that_waits(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    tuneops(folder, "emulator", "fault", "tuningJobs.create:429*2")
    done = tuneops(folder, "apply", "--wait", "--format", "json")
    assert (done.code, done.document["summary"]["done"]) == (0, 2)
