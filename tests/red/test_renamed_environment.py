"""A renamed environment does not train everything again."""

import json
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
    assert "say `formerly: [local]` in the environment" in done.err


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


def _formerly(folder: Path, **names: str) -> None:
    workspace = folder / "specs" / "workspace.yaml"
    text = workspace.read_text()
    if "environment" in names:
        text = text.replace("dev: {", f"dev: {{formerly: [{names['environment']}], ")
    if "workspace" in names:
        name = f"name: acme-two, formerly: [{names['workspace']}]"
        text = text.replace("name: acme", name)
    workspace.write_text(text)


def test_a_new_name_that_says_the_old_one_buys_nothing_and_can_be_said_for_ever(
    tmp_path: Path,
) -> None:
    folder = write_chain(tmp_path / "project")
    assert tuneops(folder, "apply", "--wait").code == 0
    _renamed(folder)
    _formerly(folder, environment="local", workspace="acme")
    assert tuneops(folder, "plan", "--detailed-exitcode").code == 0
    assert tuneops(folder, "apply", "--wait").code == 0
    assert (folder / "specs/tuneops.dev.lock.json").exists()
    (folder / LOCK).unlink()
    assert tuneops(folder, "plan", "--detailed-exitcode").code == 0
    (folder / "specs/tuneops.dev.lock.json").unlink()
    assert tuneops(folder, "plan").out.count("0 to create") == 0
    assert "found by its labels" in tuneops(folder, "plan").out


def test_a_job_that_runs_under_the_old_name_is_followed(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    assert tuneops(folder, "apply").code == 0
    _renamed(folder)
    _formerly(folder, environment="local", workspace="acme")
    assert tuneops(folder, "apply", "--wait").code == 0
    plan = json.loads(tuneops(folder, "plan", "--format", "json").out)
    assert [action["action"] for action in plan["actions"]] == ["keep"] * len(plan["actions"])
    lock = json.loads((folder / "specs/tuneops.dev.lock.json").read_text())
    attempts = [
        creation["attempt"]
        for job in lock["jobs"].values()
        for creation in job["creations"].values()
    ]
    assert attempts == [1] * len(attempts)


def test_an_old_name_that_is_said_no_more_is_missed(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    assert tuneops(folder, "apply", "--wait").code == 0
    workspace = folder / "specs" / "workspace.yaml"
    _formerly(folder, workspace="acme")
    assert tuneops(folder, "apply").code == 0
    workspace.write_text(workspace.read_text().replace(", formerly: [acme]", ""))
    done = tuneops(folder, "apply")
    assert done.code == 65
    assert "lock-under-another-name" in done.err


def test_a_new_name_of_the_workspace_alone_is_refused(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    assert tuneops(folder, "apply", "--wait").code == 0
    workspace = folder / "specs" / "workspace.yaml"
    workspace.write_text(workspace.read_text().replace("name: acme", "name: another"))
    done = tuneops(folder, "apply")
    assert done.code == 65
    assert "formerly:" in done.err


def test_an_alias_that_was_moved_under_the_old_name_is_ours_without_the_lock(
    tmp_path: Path,
) -> None:
    folder = write_chain(tmp_path / "project")
    spec = folder / "specs" / "bot.yaml"
    spec.write_text(spec.read_text() + "  promotion: {alias: prod, stage: two}\n")
    assert tuneops(folder, "apply", "--wait").code == 0
    _formerly(folder, workspace="acme")
    (folder / LOCK).unlink()
    two = "{trainingDatasetUri: two.jsonl, hyperParameters: {epochCount: "
    spec.write_text(spec.read_text().replace(f"{two}1", f"{two}2"))
    done = tuneops(folder, "apply", "--wait")
    assert done.code == 0, done
    lock = json.loads((folder / LOCK).read_text())
    pointer = lock["pointers"]["bot"]["prod"]
    assert pointer["creation"] == lock["jobs"]["bot/two"]["current"]
