"""git, run so that it asks nobody, starts no hook, and ends when its time is up.

The user's index, work tree, branches and configuration are never touched by what is done with it:
objects are written and refs of a remote are moved, nothing else. What git does not say plainly is
not known.
"""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuneops.redaction import hide

SECONDS = 60.0
"""How long one call of git may take."""

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
FETCH = (
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-prune",
    "--refmap=",
    "--recurse-submodules=no",
)
"""Bring objects; move no ref here, not even one that follows the remote."""

FETCH_LIMIT = 2 * 2**30
"""The largest file that a fetch may write here, in bytes: who can push to a branch that is read
could fill every runner's disk. git itself caps what it receives from a push, not from a fetch."""

_CAPPED = ("sh", "-c", 'ulimit -f "$0" && exec "$@"')
_BLOCK = 512
_TOO_MUCH = re.compile(r"died of signal \d+|invalid index-pack output")
_PUSH = (
    "push",
    "--porcelain",
    "--no-verify",
    "--no-follow-tags",
    "--no-signed",
    "--recurse-submodules=no",
)
_SECRET = re.compile(r"//[^/@\s]+@")
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
_FOREIGN_STARTS = ("GIT_TRACE", "GIT_OBJECT", "GIT_ALTERNATE", "GIT_QUARANTINE", "GIT_CURL")
_QUIET = (
    "gc.auto=0",
    "maintenance.auto=false",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
)
_SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a call of git came to."""

    code: int | None
    """None when git did not end in time, or could not be started."""
    out: bytes
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What a push said; `unclear` unless it was plainly taken, plainly refused, or cut off."""

    result: Literal["taken", "refused", "unclear", "late"]
    words: str = ""


def shared_remote(root: Path) -> str | None:
    """The remote that all clones share: `origin`, else the only one; None if that is not clear."""
    done = run(root, "remote")
    names = done.out.decode(errors="replace").split() if done.code == 0 else []
    if "origin" in names:
        return "origin"
    return names[0] if len(names) == 1 else None


def push(
    root: Path, remote: str, name: str, ref: str, *flags: str, seconds: float = SECONDS
) -> Push:
    """Push one object to one ref; forced only by a flag."""
    done = run(root, *_PUSH, *flags, remote, f"{name}:{ref}", seconds=seconds)
    if done.code is None:
        return Push(result="late", words=done.trouble)
    lines = [line.split("\t") for line in done.out.decode(errors="replace").splitlines()]
    mine = [line for line in lines if len(line) == 3 and line[1] == f"{name}:{ref}"]
    if len(mine) != 1:
        return Push(result="unclear", words=done.trouble)
    flag, _, said = mine[0]
    if done.code == 0 and flag in ("*", " ", "="):
        return Push(result="taken")
    words = f"{said}; {done.trouble}" if done.trouble else said
    refused = flag == "!" and said.startswith("[remote rejected]")
    return Push(result="refused" if refused else "unclear", words=words)


def run(
    root: Path,
    *words: str,
    feed: bytes = b"",
    more: dict[str, str] | None = None,
    seconds: float = SECONDS,
) -> Done:
    """Run git in a session of its own: it can ask nobody, and it ends when its time is up."""
    settings = [word for setting in _QUIET for word in ("-c", setting)]
    fetches = words[0] == "fetch"
    capped = (*_CAPPED, str(FETCH_LIMIT // _BLOCK)) if fetches else ()
    try:
        process = subprocess.Popen(
            [*capped, "git", "-C", str(root), *settings, *words],
            env={**_environment(), **(more or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as fault:
        return Done(code=None, out=b"", trouble=f"git cannot be run: {fault.strerror}")
    with process:
        try:
            out, err = process.communicate(feed, timeout=seconds)
        except subprocess.TimeoutExpired:
            _kill(process.pid)
            return Done(code=None, out=b"", trouble=f"git did not end within {seconds:g} s")
        except BaseException:
            _kill(process.pid)
            process.wait()  # `with` does not, after a SIGINT
            raise
    trouble = "" if process.returncode == 0 else _spoken(err) or f"git ended {process.returncode}"
    if fetches and _TOO_MUCH.search(trouble):
        trouble += f"; a fetch may bring {FETCH_LIMIT // 2**20} MiB at most"
    return Done(code=process.returncode, out=out, trouble=trouble)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _environment() -> dict[str, str]:
    """The caller's variables, without those that lead git elsewhere or let it ask."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _FOREIGN and not name.startswith(_FOREIGN_STARTS)
    }
    never = {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "SSH_ASKPASS_REQUIRE": "never"}
    return {**kept, **never, "LC_ALL": "C", "LANGUAGE": ""}


def _spoken(err: bytes) -> str:
    """What git complained of, on one line, without the secrets that a URL may hold."""
    lines = [line.strip() for line in err.decode(errors="replace").splitlines()]
    said = [line for line in lines if line and not line.startswith(("hint:", "To "))]
    return hide(_SECRET.sub("//", "; ".join(said)))[:_SHOWN]
