"""Versions that a workspace wants deleted, through the public commands and the emulator."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import git, tuneops
from tests.cli.test_adoption import PARENT, TRAINING, WORKSPACE, Stranger

CHAIN = f"""\
apiVersion: tuneops.dev/v1
kind: TuningChain
metadata: {{name: bot}}
spec:
  baseModel: gemini-2.5-flash
  stages:
    - name: seed
      supervisedTuningSpec: {{trainingDatasetUri: "{TRAINING}", hyperParameters: {{epochCount: 1}}}}
"""
TONE = f"""\
    - name: tone
      supervisedTuningSpec: {{trainingDatasetUri: "{TRAINING}", hyperParameters: {{epochCount: 2}}}}
"""


class Fixture:
    """A project whose chain is finished and whose leaf's spec is gone."""

    def __init__(self, folder: Path, model: str) -> None:
        self.folder = folder
        self.specs = folder / "specs"
        self.model = model
        self.number = model.rpartition("/models/")[2]
        self.service = Stranger(folder)

    def write(self, more: str) -> None:
        (self.specs / "bot.yaml").write_text(CHAIN + more)

    def remove(self, confirm: str, address: str = "bot/tone") -> None:
        entry = f"{{address: {address}, action: deleteVersion, confirm: {confirm}}}"
        text = WORKSPACE.replace("us-central1}", f"us-central1, removed: [{entry}]}}")
        (self.specs / "workspace.yaml").write_text(text)

    def undeploy(self) -> None:
        for served in self.service.get(self.model)["deployedModels"]:
            body = {"deployedModelId": served["deployedModelId"]}
            self.service.post(f"{served['endpoint']}:undeployModel", body)

    def versions(self) -> list[str]:
        base = self.model.partition("@")[0]
        found = self.service.get(f"{base}:listVersions")["models"]
        return sorted(one["versionId"] for one in found)

    def deletes(self) -> int:
        """How many deletions were asked for."""
        done = tuneops(self.folder, "emulator", "requests", "--last", "1000")
        return done.out.count(":deleteVersion")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project whose chain is finished and whose leaf is retired, and the leaf's version."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "specs").mkdir()
    (folder / "specs" / "bot.yaml").write_text(CHAIN + TONE)
    (folder / "specs" / "workspace.yaml").write_text(WORKSPACE)
    assert tuneops(folder, "apply", "--wait").code == 0
    model = tuneops(folder, "output", "bot/tone.model").out.strip()
    (folder / "specs" / "bot.yaml").write_text(CHAIN)
    assert tuneops(folder, "apply").code == 0
    return folder, model


@pytest.fixture
def fixture(finished: tuple[Path, str], tmp_path: Path) -> Fixture:
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    return Fixture(tmp_path, finished[1])


def test_a_version_is_deleted_once_when_git_says_so_and_nothing_is_in_the_way(
    fixture: Fixture,
) -> None:
    folder = fixture.folder
    fixture.remove(f"models/{fixture.number}")
    held = tuneops(folder, "plan", "--detailed-exitcode")
    assert held.code == 3
    assert "it is deployed to endpoints/" in held.out
    assert tuneops(folder, "apply").code == 3
    assert fixture.versions() == ["1", "2"]

    fixture.undeploy()
    plan = tuneops(folder, "plan", "--detailed-exitcode")
    assert plan.code == 2
    assert ". bot/tone  retire  its version is deleted for good" in plan.out
    assert "1 to delete for good" in plan.out
    done = tuneops(folder, "apply")
    assert done.code == 0, done.err
    assert fixture.versions() == ["1"]
    lock = (fixture.specs / "tuneops.local.lock.json").read_bytes()
    assert b'"deleteAsked": true' in lock

    after = tuneops(folder, "plan", "--detailed-exitcode")
    assert after.code == 0
    assert "No changes" in after.out
    assert tuneops(folder, "apply").code == 0
    assert (fixture.specs / "tuneops.local.lock.json").read_bytes() == lock
    assert fixture.deletes() == 1
    for command in (("lock", "show", "bot/tone"), ("why", "bot/tone")):
        told = tuneops(folder, *command).out
        assert f"models/{fixture.number} (tuneops was asked to delete it)" in told

    fixture.write(TONE)
    (fixture.specs / "workspace.yaml").write_text(WORKSPACE)
    back = tuneops(folder, "plan", "--detailed-exitcode")
    assert back.code == 3
    assert "! bot/tone  hold  its version is deleted for good" in back.out
    assert "Drift" not in back.out
    assert tuneops(folder, "apply").code == 3
    assert fixture.service.jobs() == 2


@pytest.mark.parametrize(
    ("confirm", "why"),
    [
        ("models/1@2", "is no version of this address"),
        ("projects/other-project/locations/us-central1/models/{}", "is no version of this"),
        ("projects/demo-project/locations/europe-west4/models/{}", "is no version of this"),
    ],
)
def test_another_name_deletes_nothing(fixture: Fixture, confirm: str, why: str) -> None:
    fixture.undeploy()
    fixture.remove(confirm.format(fixture.number))
    done = tuneops(fixture.folder, "plan")
    assert why in done.out
    assert tuneops(fixture.folder, "apply").code == 3
    assert fixture.versions() == ["1", "2"]


def test_the_full_name_of_the_project_is_a_confirmation(fixture: Fixture) -> None:
    fixture.undeploy()
    fixture.remove(f"{PARENT}/models/{fixture.number}")
    assert tuneops(fixture.folder, "apply").code == 0
    assert fixture.versions() == ["1"]


def test_a_version_that_somebody_deleted_meanwhile_is_no_trouble(fixture: Fixture) -> None:
    fixture.undeploy()
    fixture.service.ask("DELETE", f"{fixture.model}:deleteVersion")
    fixture.remove(f"models/{fixture.number}")
    done = tuneops(fixture.folder, "apply")
    assert done.code == 0
    assert tuneops(fixture.folder, "plan", "--detailed-exitcode").code == 0


def test_a_saved_plan_that_did_not_say_it_is_refused_and_one_that_did_is_run(
    fixture: Fixture,
) -> None:
    folder = fixture.folder
    fixture.undeploy()
    assert tuneops(folder, "plan", "--out", "old.json").code == 0
    fixture.remove(f"models/{fixture.number}")
    refused = tuneops(folder, "apply", "old.json")
    assert refused.code == 5
    assert "would be deleted, which the plan did not say" in refused.err
    assert fixture.versions() == ["1", "2"]
    assert tuneops(folder, "plan", "--out", "new.json").code == 0
    assert tuneops(folder, "apply", "new.json").code == 0
    assert fixture.versions() == ["1"]
    assert tuneops(folder, "apply", "new.json").code == 0


def test_a_refusal_of_the_service_is_said_and_tried_again_by_the_next_run(
    fixture: Fixture,
) -> None:
    folder = fixture.folder
    fixture.undeploy()
    fixture.remove(f"models/{fixture.number}")
    assert tuneops(folder, "emulator", "fault", "models.deleteVersion:403").code == 0
    done = tuneops(folder, "apply")
    assert done.code == 1
    assert "refused" in done.err + done.out
    assert fixture.versions() == ["1", "2"]
    assert b"deleteAsked" not in (fixture.specs / "tuneops.local.lock.json").read_bytes()
    assert tuneops(folder, "apply").code == 0
    assert fixture.versions() == ["1"]


def test_an_unattended_run_deletes_from_the_default_branch_only(
    fixture: Fixture, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, remote = fixture.folder, tmp_path_factory.mktemp("remote")
    fixture.undeploy()
    fixture.remove(f"models/{fixture.number}")
    git(remote, "init", "--bare", "--initial-branch=main", ".")
    git(folder, "init", "--initial-branch=main", ".")
    (folder / ".gitignore").write_text(".tuneops/\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--message=specs")
    git(folder, "remote", "add", "origin", str(remote))
    git(folder, "push", "origin", "HEAD:refs/heads/main")
    git(folder, "checkout", "-b", "mine")
    (fixture.specs / "bot.yaml").write_text(CHAIN + "# mine\n")
    git(folder, "commit", "--all", "--message=mine")
    held = tuneops(folder, "reconcile", "--once")
    assert held.code == 3, held.err
    assert fixture.versions() == ["1", "2"]
    git(folder, "push", "origin", "HEAD:main")
    done = tuneops(folder, "reconcile", "--once")
    assert done.code == 0, done.err
    assert fixture.versions() == ["1"]
