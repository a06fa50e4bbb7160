"""What git says of the checkout: the cause of what we buy, and whether it is the agreed one."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 30
_SPECS = (":(glob)specs/**/*.yaml", ":(glob)specs/**/*.yml", ":(glob)specs/**/*.jsonl")
"""What a run reads below `specs/`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The commit that is checked out, and how it relates to what everybody agreed on.

    `at_default_tip` says whether HEAD is the tip of the remote's default branch; None when there
    is no remote to ask.
    """

    commit: str | None
    dirty: bool
    at_default_tip: bool | None = None


def read_checkout(root: Path, *, data: Iterable[str] = (), ask_remote: bool = False) -> Checkout:
    """Describe the checkout; no commit where there is no repository, or nothing committed yet.

    `dirty` means that something below `specs/` or in a file of `data` differs from the commit, the
    lock files aside. What git is told to ignore is in no commit, so it counts as a difference too.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if commit is None:
        return Checkout(commit=None, dirty=True)
    outside = [f":(literal){path}" for path in data if not path.startswith("specs/")]
    status = _git(
        root,
        "status",
        "--porcelain",
        "--untracked-files=all",
        "--",
        "specs",
        *outside,
        ":(exclude)specs/tuneops.*.lock.json",
    )
    places = (*_SPECS, *outside)
    ignored = _git(root, "ls-files", "--others", "--ignored", "--exclude-standard", "--", *places)
    tip = _default_tip(root) if ask_remote else None
    return Checkout(
        commit=commit,
        dirty=status is None or ignored is None or bool(status) or bool(ignored),
        at_default_tip=None if tip is None else tip == commit,
    )


def _default_tip(root: Path) -> str | None:
    """The commit of the remote's default branch, asked of the remote itself."""
    remotes = (_git(root, "remote") or "").split()
    if not remotes:
        return None
    remote = "origin" if "origin" in remotes else remotes[0]
    answer = _git(root, "ls-remote", "--quiet", remote, "HEAD")
    return answer.split()[0] if answer else ""


def _git(root: Path, *words: str) -> str | None:
    """Run git; its output without the final newline, or None when it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
