"""Run the command line in forked processes that can die at a chosen instant.

Started as a program by the tests. It imports tuneops once; each line on stdin is a run, each line
on stdout what came of it. A run is a process of its own, with its own open files, and is killed by
SIGKILL for real; only the imports are shared. A line is JSON:

    {"folder": DIR, "words": [...], "at": "effect" | "write" | "request" | "push" | "", "n": 3,
     "git": "push", "when": "before" | "after", "signal": 9, "env": {...}, "pid": FILE,
     "limit": BYTES, "uid": 65534, "closed": true, "quick": true, "secrets": {...}, "bearer": "..."}

At `"push"`, what counts is each call of the git command `git` once the lock is being written back.
`pid` is a file for the process's id; `limit` the largest file that it may write; `uid` whose rights
it has, if it may choose; `closed` gives it a stdout that nobody reads; `quick` lets it look
thrice without a wait. `secrets` are more variables, `bearer` what it shows to a service nearby.
"""

import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock

from tuneops.cli import applying, locks, reconciling, session
from tuneops.cli import main as command_line
from tuneops.core import protocol
from tuneops.emulator.application import Emulator
from tuneops.engine import execute
from tuneops.store import files, plumbing
from tuneops.vertex import auth

signal.signal(signal.SIGINT, signal.default_int_handler)  # who was started by `&` ignores it
assert applying and locks and reconciling and filelock, "imported before the fork"
for module in command_line.COMMANDS.values():
    importlib.import_module(f"tuneops.cli.commands.{module}")


class Fuse:
    """Counts; at the chosen number it sends the chosen signal to its own process."""

    def __init__(self, number: int, when: str, deadly: int) -> None:
        self.number, self.when, self.deadly = number, when, deadly
        self.count = 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Count each call, and stop this process before or after the chosen one."""

        def counted(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            chosen = self.count == self.number
            if chosen and self.when == "before":
                os.kill(os.getpid(), self.deadly)
            answer = call(*arguments, **more)
            if chosen and self.when == "after":
                os.kill(os.getpid(), self.deadly)
            return answer

        return counted


def plant(fuse: Fuse, where: str, command: str) -> None:
    """Put the fuse on effects, local writes, requests that change something, or git at the end."""
    if where == "effect":
        execute.perform = fuse.around(execute.perform)
    elif where == "write":
        files.write = fuse.around(files.write)
        files.append = fuse.around(files.append)
    elif where == "request":
        answer = Emulator.__call__
        guarded = fuse.around(answer)

        def serve(self: Emulator, environ: Any, start: Any) -> Any:
            changes = environ["REQUEST_METHOD"] not in ("GET", "HEAD")
            return (guarded if changes else answer)(self, environ, start)

        Emulator.__call__ = serve  # type: ignore[method-assign]
    elif where == "push":
        plain, counted, carry = plumbing.run, fuse.around(plumbing.run), session.carry

        def run(root: Path, *words: str, **more: Any) -> Any:
            return (counted if words[0] == command else plain)(root, *words, **more)

        def carrying(*arguments: Any) -> Any:
            plumbing.run = run
            return carry(*arguments)

        session.carry = carrying
    else:
        assert not where, where


def child(order: dict[str, Any], stdout: int, stderr: int) -> int:
    """Be the process that runs the command line."""
    os.chdir(order["folder"])
    if "env" in order:
        os.environ.clear()
        os.environ.update(order["env"])
    os.environ.update(order["secrets"])
    auth._LOOPBACK_TOKEN = order["bearer"]
    quiet = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((quiet, 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
    confine(order)
    fuse = Fuse(order.get("n", 0), order.get("when", ""), order.get("signal", signal.SIGKILL))
    plant(fuse, order.get("at", ""), order.get("git", ""))
    return command_line.run(order["words"])


def confine(order: dict[str, Any]) -> None:
    """Take away what this process is to do without."""
    if "limit" in order:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit"], order["limit"]))
    if "uid" in order and os.geteuid() == 0:
        os.setuid(order["uid"])
    if order.get("closed"):
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
    if order.get("quick"):
        protocol.APART = 0  # type: ignore[misc]
    if "pid" in order:
        Path(order["pid"]).write_text(str(os.getpid()))


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Fork, wait, and say how it ended: the exit code, or minus the signal."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = os.fork()
        if process == 0:
            code = 70
            try:
                code = child(order, stdout.fileno(), stderr.fileno())
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, end = os.waitpid(process, 0)
        texts = []
        for stream in (stdout, stderr):
            stream.seek(0)
            texts.append(stream.read().decode())
    return {"code": os.waitstatus_to_exitcode(end), "stdout": texts[0], "stderr": texts[1]}


def serve() -> None:
    """Answer until stdin ends."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            order = json.loads(line)
            assert Path(order["folder"]).is_dir()
            answers.write(json.dumps(run(order)) + "\n")
            answers.flush()


if __name__ == "__main__":
    serve()
