"""A renamed environment does not train everything again."""

from pathlib import Path

from tests.cli.conftest import tuneops
from tests.e2e.conftest import write_chain

LOCK = "specs/tuneops.local.lock.json"


def _renamed(folder: Path) -> None:
    workspace = folder / "specs" / "workspace.yaml"
    workspace.write_text(
        workspace.read_text()
        .replace("defaultEnvironment: local", "defaultEnvironment: dev")
        .replace("    local:", "    dev:")
    )


def test_an_environment_under_a_new_name_is_refused(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    assert tuneops(folder, "apply", "--wait").code == 0
    _renamed(folder)
    done = tuneops(folder, "apply")
    assert done.code == 65, done
    assert "environment-renamed" in done.err
    assert "call the environment `local` again" in done.err


def test_without_the_old_lock_it_begins_anew(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    assert tuneops(folder, "apply", "--wait").code == 0
    _renamed(folder)
    (folder / LOCK).unlink()
    assert tuneops(folder, "apply").code == 0


def test_a_second_environment_beside_the_first_is_no_rename(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    assert tuneops(folder, "apply", "--wait").code == 0
    workspace = folder / "specs" / "workspace.yaml"
    line = "    dev: {provider: emulator, project: demo-project, location: us-central1}\n"
    workspace.write_text(workspace.read_text() + line)
    assert tuneops(folder, "plan", "-e", "dev").code == 0
