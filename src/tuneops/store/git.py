"""What git says of the checkout: the cause of what we buy, and whether it is the agreed one."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_SECONDS = 30
_AT_ONCE = 200
"""How many paths are asked for in one call."""
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
"""What a hook or a caller may have set for another repository, or another index."""
_HONEST = (
    "core.fsmonitor=false",
    "core.ignoreStat=false",
    "core.trustctime=true",
    "core.checkStat=default",
    "diff.ignoreSubmodules=none",
)
"""Settings by which git would believe something other than the files themselves."""
_SPECS = (":(glob)specs/**/*.yaml", ":(glob)specs/**/*.yml", ":(glob)specs/**/*.jsonl")
"""What a run reads below `specs/`."""
_STATES = {"??": "is not in git", "D": "was deleted"}
"""The words for what `git status` says of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The commit that is checked out, and how it relates to what everybody agreed on.

    `at_default_tip` says whether HEAD is the tip of the remote's default branch; None when there
    is no remote to ask.
    """

    commit: str | None
    differences: tuple[str, ...] = ()
    """What of the files that a run reads is not in the commit, each in a few words."""
    at_default_tip: bool | None = None

    @property
    def dirty(self) -> bool:
        """Whether a run would read anything that the commit does not say."""
        return self.commit is None or bool(self.differences)


def read_checkout(root: Path, *, files: Iterable[str] = (), ask_remote: bool = False) -> Checkout:
    """Describe the checkout; no commit where there is no repository, or nothing committed yet.

    What counts is below `specs/` or one of `files`, the lock files aside. A spec that git is told
    to ignore is in no commit, so it counts as a difference too; and so does a file that is read
    from outside the commit, through a link or out of a repository within this one, or whose changes
    git was told not to see.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if commit is None:
        return Checkout(commit=None)
    paths, astray = _with_targets(root, files)
    outside = [f":(literal){path}" for path in paths if not path.startswith("specs/")]
    tip = _default_tip(root) if ask_remote else None
    return Checkout(
        commit=commit,
        differences=(
            *(f"`{path}` is a link out of the project" for path in astray),
            *_differences(root, paths, outside),
        ),
        at_default_tip=None if tip is None else tip == commit,
    )


def _differences(root: Path, paths: tuple[str, ...], outside: list[str]) -> Iterator[str]:
    """What git says of the files, what it was told to ignore, and what it was told not to see."""
    status = _git(
        root,
        "status",
        "--porcelain",
        "--no-renames",
        "--untracked-files=all",
        "-z",
        "--",
        "specs",
        *outside,
        ":(exclude)specs/tuneops.*.lock.json",
    )
    places = (*_SPECS, *outside)
    ignored = _git(
        root, "ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--", *places
    )
    hidden = _uncommitted(root, paths)
    above = _git(root, "rev-parse", "--show-prefix")
    if status is None or ignored is None or hidden is None or above is None:
        yield "git does not answer"
        return
    rows = [row.lstrip().partition(" ") for row in status.split("\0") if row]
    changed = {
        path.lstrip().removeprefix(above): _STATES.get(state, "differs from the commit")
        for state, _, path in rows
    }
    changed |= {path: "is ignored by git" for path in ignored.split("\0") if path}
    for path in hidden:
        changed.setdefault(path, "is not in the commit as it is here")
    for path, words in sorted(changed.items()):
        yield f"`{path}` {words}"


def read_commit(root: Path, name: str) -> tuple[str, str, str] | None:
    """The subject, author and day of a commit; None when this repository does not have it."""
    if not _COMMIT.fullmatch(name):
        return None
    said = _git(root, "show", "--no-patch", "--format=%s%x00%an%x00%as", name, "--")
    words = said.split("\0") if said else []
    return (words[0], words[1], words[2]) if len(words) == 3 else None


def _with_targets(root: Path, files: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The paths, and where links lead them; then those that lead out of the project."""
    found: set[str] = set()
    astray: set[str] = set()
    top = root.resolve()
    for name in files:
        if not (root / name).exists():
            continue
        target = (root / name).resolve()
        if not target.is_relative_to(top):
            astray.add(name)
            continue
        found.add(target.relative_to(top).as_posix())
        if (root / name).is_symlink():
            found.add(name)
    return tuple(sorted(found)), tuple(sorted(astray))


def _uncommitted(root: Path, paths: tuple[str, ...]) -> set[str] | None:
    """The paths that the commit lacks, or whose changes are hidden from git; None if it fails."""
    missing: set[str] = set()
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        tree = _git(root, "ls-tree", "-r", "-z", "HEAD", "--", *some)
        marks = _git(root, "ls-files", "-v", "-z", "--", *(f":(literal){path}" for path in some))
        if tree is None or marks is None:
            return None
        rows = [row.partition("\t") for row in tree.split("\0") if row]
        blobs = {path for mode, _, path in rows if mode.split()[1] == "blob"}
        seen = {row[2:] for row in marks.split("\0") if row.startswith("H ")}
        missing |= set(some) - (blobs & seen)
    return missing


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
    settings = [word for setting in _HONEST for word in ("-c", setting)]
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *settings, *words],
            env={name: value for name, value in os.environ.items() if name not in _FOREIGN},
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
