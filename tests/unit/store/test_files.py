"""Files: whole at every instant, never through a link, and a full disk is said."""

import contextlib
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuneops.errors import DiskError, Unreadable
from tuneops.store import files


def _names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextlib.contextmanager
def small_disk() -> Iterator[int]:
    """No file may grow beyond 4 KiB: what a full disk looks like to a writer.

    Only while this lasts: whoever runs the tests may write their report to a file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield 4096
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_written_reads_back_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    files.write(path, b"one")
    files.write(path, b"two")
    assert files.read(path) == b"two"
    assert _names(path.parent) == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_who_may_read_and_write_a_file_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write(path, b"one")
    for mode in (0o444, 0o664, 0o600):
        path.chmod(mode)
        files.write(path, b"two")
        assert stat.S_IMODE(path.stat().st_mode) == mode
    path.chmod(0o644)
    files.write(path, b"three", private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_grows_while_it_is_read_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    path.write_bytes(b"x" * 5000)
    seen = list(path.stat())
    seen[stat.ST_SIZE] = 7
    monkeypatch.setattr(os, "fstat", lambda _: os.stat_result(seen))
    assert files.read(path) == b"x" * 5000


def test_nothing_there_reads_as_none(tmp_path: Path) -> None:
    assert files.read(tmp_path / "file") is None
    assert files.read(tmp_path / "folder" / "file") is None


def test_a_file_that_cannot_be_replaced_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write(path, b"old")
    with small_disk() as size, pytest.raises(DiskError, match="cannot write"):
        files.write(path, b"x" * (size + 1))
    assert files.read(path) == b"old"
    assert _names(tmp_path) == ["file"]


def test_a_line_that_fits_only_in_part_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with small_disk() as size:
        files.append(path, b"x" * (size - 10))
        with pytest.raises(DiskError, match="took a part of it"):
            files.append(path, b"y" * 20)
        with pytest.raises(DiskError, match="cannot write"):
            files.append(path, b"z")


@pytest.mark.parametrize("kind", ["link", "broken link", "folder", "pipe"])
def test_what_is_no_regular_file_is_not_read_and_nothing_is_left_open(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "file"
    _lay(path, kind)
    before = _open_files()
    with pytest.raises(files.NotARegularFileError) as fault:
        files.read(path)
    assert isinstance(fault.value, DiskError) and "not a regular file" in fault.value.message
    assert _open_files() == before


def _lay(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        target = path.with_name("target")
        if kind == "link":
            target.write_bytes(b"secret")
        path.symlink_to(target)


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "file"
    target.write_bytes(b"mine")
    path.symlink_to(target)
    with pytest.raises(DiskError):
        files.append(path, b"line\n")
    files.write(path, b"new")
    assert target.read_bytes() == b"mine"
    assert not path.is_symlink() and path.read_bytes() == b"new"


def test_a_folder_that_is_a_file_is_an_error_for_all(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"")
    path = tmp_path / "folder" / "file"
    with pytest.raises(DiskError):
        files.read(path)
    with pytest.raises(DiskError):
        files.write(path, b"")
    with pytest.raises(DiskError):
        files.append(path, b"")
    with pytest.raises(DiskError):
        files.remove(path)


def test_a_folder_in_the_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(DiskError):
        files.write(path, b"")
    with pytest.raises(DiskError):
        files.append(path, b"")
    with pytest.raises(DiskError):
        files.remove(path)
    assert _names(tmp_path) == ["file"]


def test_a_file_that_may_not_be_read_is_no_fault_of_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(Unreadable, match=r"`.*x` cannot be read: Permission denied") as fault:
        files.read(tmp_path / "x")
    assert fault.value.code == "cannot-read"


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    files.remove(tmp_path / "file")
    files.remove(tmp_path / "folder" / "file")
    files.write(tmp_path / "file", b"")
    files.remove(tmp_path / "file")
    assert files.read(tmp_path / "file") is None


def test_a_write_is_on_disk_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    right = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        right(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    files.write(tmp_path / "file", b"x")
    assert synced == [False, True], "the file first, then its folder"
    synced.clear()
    files.append(tmp_path / "journal", b"x")
    files.append(tmp_path / "journal", b"y")
    assert synced == [False, True, False]


def test_a_disk_that_cannot_sync_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    files.write(path, b"old")

    def fsync(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(DiskError, match="Input/output"):
        files.write(path, b"new")
    with pytest.raises(DiskError, match="Input/output"):
        files.append(path, b"line")
    assert path.read_bytes().startswith(b"old")


def test_what_is_private_only_its_owner_reads(tmp_path: Path) -> None:
    files.write(tmp_path / "plan", b"", private=True)
    files.write(tmp_path / "lock", b"")
    files.append(tmp_path / "journal", b"\n")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"plan": 0o600, "lock": 0o644, "journal": 0o600}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/home/kim/specs/project/.tuneops/claims/prod/k1.json", ".tuneops/claims/prod/k1.json"),
        ("/home/specs/kim/specs/tuneops.prod.lock.json", "specs/tuneops.prod.lock.json"),
        ("/elsewhere/plan.json", "/elsewhere/plan.json"),
    ],
)
def test_a_fault_names_files_of_a_project_from_its_own_folders(path: str, said: str) -> None:
    assert files.shown(Path(path)) == said
