"""What git says of a checkout: the commit, whether specs differ from it, and whose tip it is."""

import subprocess
from pathlib import Path

import pytest

from tuneops.store.git import Checkout, read_checkout

ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


@pytest.fixture(autouse=True)
def _quiet_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "specs").mkdir(parents=True)
    (root / "specs" / "workspace.yaml").write_text("kind: Workspace\n")
    _git(root, "init", "--quiet", "--initial-branch=main")
    _git(root, "add", ".")
    _git(root, "commit", "--quiet", "--message=first")
    return root


def test_a_clean_checkout_has_its_commit(root: Path) -> None:
    commit = _git(root, "rev-parse", "HEAD")
    assert read_checkout(root) == Checkout(commit=commit)


def test_no_repository_and_no_commit_are_dirty(tmp_path: Path) -> None:
    assert read_checkout(tmp_path) == Checkout(commit=None)
    _git(tmp_path, "init", "--quiet")
    assert read_checkout(tmp_path) == Checkout(commit=None)


def test_a_folder_that_is_not_there_is_dirty(tmp_path: Path) -> None:
    assert read_checkout(tmp_path / "nowhere") == Checkout(commit=None)


def test_without_git_nothing_is_known(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert read_checkout(root) == Checkout(commit=None)


@pytest.mark.parametrize("how", ["changed", "staged", "removed", "new", "new folder", "ignored"])
def test_a_spec_that_differs_from_the_commit_is_dirty(root: Path, how: str) -> None:
    spec = root / "specs" / "workspace.yaml"
    if how == "removed":
        spec.unlink()
    elif how.startswith("new"):
        folder = root / "specs" / ("more" if how == "new folder" else "")
        folder.mkdir(exist_ok=True)
        (folder / "new.yaml").write_text("kind: TuningJob\n")
    elif how == "ignored":
        (root / ".gitignore").write_text("secret.yaml\n")
        (root / "specs" / "secret.yaml").write_text("kind: TuningJob\n")
    else:
        spec.write_text("kind: Other\n")
    if how == "staged":
        _git(root, "add", ".")
    differences = {
        "removed": "`specs/workspace.yaml` was deleted",
        "new": "`specs/new.yaml` is not in git",
        "new folder": "`specs/more/new.yaml` is not in git",
        "ignored": "`specs/secret.yaml` is ignored by git",
    }
    said = differences.get(how, "`specs/workspace.yaml` differs from the commit")
    assert read_checkout(root).differences == (said,)


def test_the_lock_and_what_lies_elsewhere_are_no_difference(root: Path) -> None:
    (root / "specs" / "tuneops.local.lock.json").write_text("{}")
    (root / "README.md").write_text("words")
    (root / ".tuneops").mkdir()
    (root / ".tuneops" / "journal.local.jsonl").write_text("")
    assert not read_checkout(root).dirty


def test_a_project_in_a_folder_of_its_repository_sees_only_its_own_specs(root: Path) -> None:
    inner = root / "team"
    (inner / "specs").mkdir(parents=True)
    (inner / "specs" / "workspace.yaml").write_text("kind: Workspace\n")
    _git(root, "add", ".")
    _git(root, "commit", "--quiet", "--message=second")
    (root / "specs" / "workspace.yaml").write_text("kind: Other\n")
    assert not read_checkout(inner).dirty
    (inner / "specs" / "tuneops.local.lock.json").write_text("{}")
    assert not read_checkout(inner).dirty
    (inner / "specs" / "new.yaml").write_text("")
    assert read_checkout(inner).differences == ("`specs/new.yaml` is not in git",)


@pytest.fixture
def remote(root: Path, tmp_path: Path) -> Path:
    bare = tmp_path / "remote.git"
    _git(root, "clone", "--quiet", "--bare", ".", str(bare))
    _git(root, "remote", "add", "origin", str(bare))
    return bare


def test_the_tip_of_the_remotes_default_branch_is_asked_of_the_remote(
    root: Path, remote: Path
) -> None:
    assert read_checkout(root, ask_remote=True).at_default_tip is True
    assert read_checkout(root).at_default_tip is None
    (root / "specs" / "workspace.yaml").write_text("kind: Other\n")
    _git(root, "commit", "--quiet", "--all", "--message=mine only")
    assert read_checkout(root, ask_remote=True).at_default_tip is False


def test_a_remote_that_does_not_answer_is_no_agreement(root: Path, remote: Path) -> None:
    remote.rename(remote.with_name("elsewhere"))
    assert read_checkout(root, ask_remote=True).at_default_tip is False


def test_without_a_remote_there_is_nobody_to_ask(root: Path) -> None:
    assert read_checkout(root, ask_remote=True).at_default_tip is None


def test_a_remote_of_another_name_is_asked_as_well(root: Path, remote: Path) -> None:
    _git(root, "remote", "rename", "origin", "upstream")
    assert read_checkout(root, ask_remote=True).at_default_tip is True


@pytest.mark.parametrize("how", ["changed", "untracked", "ignored"])
def test_data_outside_the_specs_counts_as_well(root: Path, how: str) -> None:
    data = root / "data" / "a b.jsonl"
    data.parent.mkdir()
    data.write_text("{}\n")
    if how == "ignored":
        (root / ".gitignore").write_text("data/\n")
    if how == "changed":
        _git(root, "add", ".")
        _git(root, "commit", "--quiet", "--message=second")
        assert not read_checkout(root, files=["data/a b.jsonl"]).dirty
        data.write_text("{}\n{}\n")
    assert read_checkout(root, files=["data/a b.jsonl"]).dirty
    assert not read_checkout(root, files=["specs/seed.jsonl"]).dirty
