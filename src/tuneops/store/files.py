"""Write a file so that it is whole at every instant, and read only what is really a file."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tuneops.errors import DiskError, Unreadable

LIMIT = 64 * 1024 * 1024
"""The largest lock, journal, claim or plan that is read, in bytes."""


def shown(path: Path) -> str:
    """A path as a person knows it: from the project's own folder on, where it lies in one."""
    parts = path.parts
    for folder in (".tuneops", "specs"):
        if folder in parts:
            last = len(parts) - 1 - parts[::-1].index(folder)
            return "/".join(parts[last:])
    return str(path)


class NotARegularFileError(DiskError):
    """The path is a link, a directory, a pipe or a device."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"`{shown(path)}` is not a regular file",
            help="look at what lies there, and move it away",
        )


def read(path: Path) -> bytes | None:
    """The bytes of a regular file; None when there is nothing. Links are not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as fault:
        if path.is_symlink() or path.is_dir():
            raise NotARegularFileError(path) from fault
        raise Unreadable(f"`{shown(path)}` cannot be read: {fault.strerror}") from fault
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            raise NotARegularFileError(path)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            # a buffer of the limit's size would keep a whole page of memory for each small file
            content = file.read(min(seen.st_size, LIMIT) + 1)
            return content if len(content) <= seen.st_size else content + file.read(LIMIT)
    except OSError as fault:
        raise Unreadable(f"`{shown(path)}` cannot be read: {fault.strerror}") from fault
    finally:
        os.close(descriptor)


def write(path: Path, content: bytes, *, private: bool = False) -> None:
    """Replace a file in one step: a reader sees the old bytes or the new, after a crash too.

    What is private only its owner may read. DiskError when that cannot be done; the old file is
    then untouched.
    """
    write_blocks(path, (content,), private=private)


class ExistsError(DiskError):
    """There is a file already, and it was not to be replaced."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"`{shown(path)}` exists", help="name another file, or add `--force`")


def write_blocks(
    path: Path, blocks: Iterable[bytes], *, replace: bool = True, private: bool = False
) -> None:
    """Write a file as `write` does, a block at a time; what the blocks raise leaves no trace.

    ExistsError when it is there and is not to be replaced.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as fault:
        raise DiskError(f"cannot write `{shown(path)}`: {fault.strerror}") from fault
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for block in blocks:
                file.write(block)
            file.flush()
            os.fchmod(descriptor, 0o600 if private else _mode(path))
            os.fsync(descriptor)
        if replace:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)
        sync_folder(path.parent)
    except FileExistsError as fault:
        raise ExistsError(path) from fault
    except OSError as fault:
        raise DiskError(f"cannot write `{shown(path)}`: {fault.strerror}") from fault
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _mode(path: Path) -> int:
    """Who may read and write a file: as it was, where there was one."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0o644


def append(path: Path, line: bytes) -> None:
    """Add a line to a file, on disk when this returns; DiskError when that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            if os.write(descriptor, line) != len(line):
                raise DiskError(f"cannot write `{shown(path)}`: the disk took a part of it")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            sync_folder(path.parent)
    except OSError as fault:
        raise DiskError(f"cannot write `{shown(path)}`: {fault.strerror}") from fault


def remove(path: Path) -> None:
    """Take a file away, if it is there, for good."""
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as fault:
        raise DiskError(f"cannot remove `{shown(path)}`: {fault.strerror}") from fault


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on disk, so that a rename survives a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
