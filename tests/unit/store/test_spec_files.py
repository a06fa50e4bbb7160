"""Spec files are found in a stable order, and what is no plain file is a finding."""

from pathlib import Path

from tuneops.store.specs import LIMIT, find_root, read_specs


def _project(root: Path) -> Path:
    (root / "specs" / "deep").mkdir(parents=True)
    (root / "specs" / "workspace.yaml").write_text("w")
    (root / "specs" / "b.yml").write_text("b")
    (root / "specs" / "deep" / "a.yaml").write_text("a")
    return root


def test_specs_are_read_in_the_order_of_their_paths(tmp_path: Path) -> None:
    root = _project(tmp_path)
    (root / "specs" / "notes.txt").write_text("no")
    (root / "specs" / ".hidden.yaml").write_text("no")
    (root / "specs" / "folder.yaml").mkdir()
    found, findings = read_specs(root)
    names = ["specs/b.yml", "specs/deep/a.yaml", "specs/workspace.yaml"]
    assert [spec.path for spec in found] == names
    assert [spec.content for spec in found] == [b"b", b"a", b"w"]
    assert not findings


def test_links_and_giants_are_findings(tmp_path: Path) -> None:
    root = _project(tmp_path)
    (root / "specs" / "link.yaml").symlink_to(root / "specs" / "b.yml")
    (root / "specs" / "giant.yaml").write_bytes(b" " * (LIMIT + 1))
    found, findings = read_specs(root)
    assert len(found) == 3
    shown = [finding.where.path for finding in findings if finding.where]
    assert shown == ["specs/giant.yaml", "specs/link.yaml"]
    assert {finding.code for finding in findings} == {"spec-file"}


def test_the_root_is_the_nearest_folder_upwards_with_a_workspace(tmp_path: Path) -> None:
    root = _project(tmp_path / "project")
    inner = root / "some" / "folder"
    inner.mkdir(parents=True)
    assert find_root(inner) == root.resolve()
    assert find_root(tmp_path) is None
