"""What lies where our files belong is a fault of the disk, and never a bug of ours."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import tuneops
from tests.e2e.conftest import write_chain


def _file(state: Path) -> None:
    state.write_text("")


def _nowhere(state: Path) -> None:
    state.symlink_to("nowhere")


def _garbage(state: Path) -> None:
    state.mkdir()
    (state / "emulator.db").write_bytes(os.urandom(5000))


def _folder_for(name: str) -> Callable[[Path], None]:
    def spoil(state: Path) -> None:
        (state / name).mkdir(parents=True)

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_file, id="a file for the state"),
        pytest.param(_nowhere, id="a link to nowhere for the state"),
        pytest.param(_garbage, id="garbage for the emulator"),
        pytest.param(_folder_for("emulator.db"), id="a folder for the emulator"),
        pytest.param(_folder_for("run.local.lock"), id="a folder for the run's lock"),
        pytest.param(_folder_for("journal.local.emulator.jsonl"), id="a folder for the journal"),
    ],
)
def test_a_state_folder_that_cannot_be_used_is_named(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = write_chain(tmp_path / "project")
    spoil(folder / ".tuneops")
    done = tuneops(folder, "apply", "--wait")
    assert done.code == 1, done
    assert done.err.startswith("error[cannot-write]"), done


@pytest.mark.parametrize("length", ["99999999999999d", "999999d"])
def test_a_time_beyond_all_calendars_is_a_mistake_of_typing(tmp_path: Path, length: str) -> None:
    folder = write_chain(tmp_path / "project")
    done = tuneops(folder, "emulator", "advance", length)
    assert done.code == 64, done
