"""Local files as blocks of bytes; a large one is read by two processes at once."""

import os
import signal
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tuneops.core.recipe import Method
from tuneops.datasets.checks import Checked, judge
from tuneops.datasets.limits import Limits
from tuneops.datasets.repeats import SHARES
from tuneops.datasets.scan import Scan
from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.errors import InputError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

BLOCK = 1 << 16
"""Larger blocks are slower: their lines no longer lie in the processor's cache."""

WORTH_TWO = 64 << 20
"""A file of so many bytes is read by two processes, where there are two processors."""


HEAD = 1 << 20
"""So many bytes, to the end of a line, are the head of a file."""

HEAD_LINE = 8 << 20
"""A line that goes on for so many bytes beyond the head is cut: it is too long anyway."""


def blocks(stream: BinaryIO, most: int | None = None) -> Iterator[bytes]:
    """A stream's bytes to its end, or at most so many of them."""
    while most is None or most > 0:
        block = stream.read(BLOCK if most is None else min(BLOCK, most))
        if not block:
            return
        if most is not None:
            most -= len(block)
        yield block


def open_file(path: Path, name: str | None = None) -> BinaryIO:
    """Open a regular file for reading, by a link or not; InputError for anything else."""
    name = name or str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        message = f"dataset `{name}` does not exist"
        raise _refused("dataset-missing", message, name, "mend the path, or write it") from None
    except OSError as fault:
        message = f"dataset `{name}` cannot be read: {fault.strerror}"
        help_ = "see that it is a file, and that you may read it"
        raise _refused("dataset-file", message, name, help_) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        message = f"dataset `{name}` is not a regular file"
        raise _refused(
            "dataset-file", message, name, "write what it gives to a file, and name that"
        )
    return os.fdopen(descriptor, "rb", buffering=0)


def check_file(path: Path, *, name: str, method: Method, limits: Limits) -> Checked:
    """Check a local file as `check` does; findings call it by its name."""
    return judge(scan_file(path, name=name, scan=Scan(method=method, limits=limits)), name)


def check_head(path: Path, *, name: str, method: Method, limits: Limits) -> Checked:
    """Check the first lines of a local file, and count the others."""
    scan = Scan(method=method, limits=limits)
    with open_file(path, name) as stream:
        end = _line_start(stream, HEAD)
        stream.seek(0)
        scan.read(blocks(stream, end))
        scan.pass_over(blocks(stream))
    return judge(scan, name)


def first_lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    """A stream to the end of the line in which a file's head ends; the rest is not asked for."""
    left = HEAD
    for block in stream:
        end = block.find(b"\n", max(0, left - 1)) + 1 if len(block) >= left else 0
        yield block[:end] if end else block
        left -= len(block)
        if end or left < -HEAD_LINE:
            return


def scan_file(path: Path, *, name: str, scan: Scan) -> Scan:
    """Let a scan read a whole file, with two processes where that is worth it."""
    with open_file(path, name) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size >= WORTH_TWO and (os.cpu_count() or 1) > 1:
            middle = _line_start(stream, size // 2)
            again = _like(scan)
            try:
                return _scan_halves(path, stream, middle, scan)
            except (EOFError, OSError):  # the other process did not make it
                scan = again
            stream.seek(0)
        scan.read(blocks(stream))
    return scan


def _like(scan: Scan) -> Scan:
    return Scan(method=scan.method, limits=scan.limits, measured=scan.sizes is not None)


def _scan_halves(path: Path, stream: BinaryIO, middle: int, scan: Scan) -> Scan:
    import multiprocessing  # for large files only

    fork = multiprocessing.get_context("fork")  # forked, both hash lines alike, as they must
    here, there = fork.Pipe(duplex=False)
    args = there, path, stream, middle, _like(scan)
    reader = fork.Process(target=_read_rest, args=args, daemon=True)
    reader.start()
    there.close()
    try:
        stream.seek(0)
        scan.read(blocks(stream, middle))
        if scan.format is None:
            scan.join(here.recv())
            for number in range(SHARES):
                scan.repeats.take(number, here.recv_bytes())
    finally:
        reader.terminate()
        reader.join()
        here.close()
    return scan


def _read_rest(there: "Connection", path: Path, whole: BinaryIO, middle: int, scan: Scan) -> None:
    """Read from a place on, in a process of its own, and send what was found, piece by piece.

    Nothing is sent when another file has come in the place of the one that is read as a `whole`.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    with open_file(path) as stream:  # one that is handed on would share its place with ours
        if not os.path.samestat(os.fstat(stream.fileno()), os.fstat(whole.fileno())):
            return
        stream.seek(middle)
        scan.read(blocks(stream), start=False)
    shares = scan.repeats.release()
    there.send(scan)
    for share in shares:
        there.send_bytes(share)


def _line_start(stream: BinaryIO, near: int) -> int:
    """Where the first line after a place begins, or the end of the file."""
    at = near
    stream.seek(near)
    for block in blocks(stream):
        found = block.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(block)
    return at


def _refused(code: str, message: str, name: str, help_: str) -> InputError:
    where = SourceRef(path=name, line=1, column=1)
    return InputError((Diagnostic(code=code, message=message, where=where, help=help_),))
