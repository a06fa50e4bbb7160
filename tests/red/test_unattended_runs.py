"""An unattended run buys and stops nothing that the commit does not ask for."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import bare, git, tuneops
from tests.e2e.conftest import example, write_chain

BOT = "specs/bot.yaml"


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    folder = write_chain(tmp_path / "project")
    return _commit(folder)


def _commit(folder: Path) -> Path:
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=first")
    return folder


def _edit(path: Path) -> None:
    path.write_text(path.read_text().replace("epochCount: 1", "epochCount: 4"))


def _unseen(flag: str) -> Callable[[Path], dict[str, str]]:
    def change(folder: Path) -> dict[str, str]:
        git(folder, "update-index", flag, BOT)
        _edit(folder / BOT)
        return {}

    return change


def _linked_data(folder: Path) -> dict[str, str]:
    data = folder / "specs" / "one.jsonl"
    outside = folder.parent / "one.jsonl"
    shutil.move(data, outside)
    data.symlink_to(outside)
    git(folder, "commit", "--quiet", "--all", "--message=link")
    outside.write_text(outside.read_text() + example("and now?", "other bytes"))
    return {}


def _linked_specs(folder: Path) -> dict[str, str]:
    outside = folder.parent / "elsewhere"
    shutil.move(folder / "specs", outside)
    (folder / "specs").symlink_to(outside)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=link")
    _edit(outside / "bot.yaml")
    return {}


def _repository_within(folder: Path) -> dict[str, str]:
    data = folder / "data"
    data.mkdir()
    shutil.move(folder / "specs" / "one.jsonl", data / "one.jsonl")
    spec = folder / BOT
    spec.write_text(spec.read_text().replace(": one.jsonl", ": ../data/one.jsonl"))
    _commit(data)
    git(folder, "config", "diff.ignoreSubmodules", "all")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=within")
    (data / "one.jsonl").write_text(example("and now?", "other bytes") * 12)
    return {}


def _another_work_tree(folder: Path) -> dict[str, str]:
    git(folder, "clone", "--quiet", ".", "../clone")
    _edit(folder / BOT)
    return {"GIT_DIR": str(folder / ".git"), "GIT_WORK_TREE": str(folder.parent / "clone")}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_unseen("--skip-worktree"), id="a spec that git skips"),
        pytest.param(_unseen("--assume-unchanged"), id="a spec that git assumes unchanged"),
        pytest.param(_linked_data, id="data behind a link"),
        pytest.param(_linked_specs, id="specs behind a link"),
        pytest.param(_repository_within, id="data of a repository within"),
        pytest.param(_another_work_tree, id="variables for another work tree"),
    ],
)
def test_what_git_does_not_see_is_not_committed(
    committed: Path, change: Callable[[Path], dict[str, str]]
) -> None:
    more = change(committed)
    done = tuneops(committed, "reconcile", "--once", env=bare(**more))
    assert done.code in (4, 65), done
    refused = "unattended runs need committed specs" if done.code == 4 else "outside-project"
    assert refused in done.err
    assert not tuneops(committed, "emulator", "requests", "--format", "json").document["requests"]


def test_a_link_within_the_commit_is_as_good_as_a_file(committed: Path) -> None:
    shutil.move(committed / "specs" / "one.jsonl", committed / "shared.jsonl")
    (committed / "specs" / "one.jsonl").symlink_to("../shared.jsonl")
    git(committed, "add", "--all")
    git(committed, "commit", "--quiet", "--message=link")
    assert tuneops(committed, "reconcile", "--once").code == 0
    (committed / "shared.jsonl").write_text(example("and now?", "other bytes") * 12)
    assert tuneops(committed, "reconcile", "--once").code == 4


def test_a_variable_from_outside_is_no_cause(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    workspace = folder / "specs" / "workspace.yaml"
    workspace.write_text(
        workspace.read_text().replace("us-central1}", 'us-central1, variables: {again: "1"}}')
    )
    spec = folder / BOT
    spec.write_text(spec.read_text().replace("\nspec:\n", "\nspec:\n  nonce: n-${var.again}\n"))
    _commit(folder)
    assert tuneops(folder, "reconcile", "--once").code == 0
    other = bare(TUNEOPS_VAR_AGAIN="2")
    done = tuneops(folder, "reconcile", "--once", env=other)
    assert done.code == 4, done
    assert "`TUNEOPS_VAR_AGAIN`" in done.err


def test_what_a_variable_from_outside_bought_is_recorded_as_uncommitted(tmp_path: Path) -> None:
    folder = write_chain(tmp_path / "project")
    workspace = folder / "specs" / "workspace.yaml"
    workspace.write_text(
        workspace.read_text().replace("us-central1}", 'us-central1, variables: {again: "1"}}')
    )
    spec = folder / BOT
    spec.write_text(spec.read_text().replace("\nspec:\n", "\nspec:\n  nonce: n-${var.again}\n"))
    _commit(folder)
    assert tuneops(folder, "apply", env=bare(TUNEOPS_VAR_AGAIN="2")).code == 0
    lock = json.loads((folder / "specs" / "tuneops.local.lock.json").read_text())
    (creation,) = lock["jobs"]["bot/one"]["creations"].values()
    assert creation["cause"]["dirty"] is True
