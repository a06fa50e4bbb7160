"""The other versions of a lock: the sides of a merge conflict, and what git holds of it.

git's markers are seven of one sign at the start of a line, in the style `merge` (two sides) or
`diff3` and `zdiff3` (the common ancestor as well). JSON never begins a line so.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuneops.core.lock import Lock
from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.errors import LockDamaged, TuneopsError
from tuneops.store.lockfile import parse

_MARKER = re.compile(rb"(<{7}|\|{7}|={7}|>{7})(?:[ \t].*)?\r?\n?")
_SECONDS = 30

Side = Literal["ours", "base", "theirs"]

_NEXT: dict[tuple[Side | None, bytes], Side | None] = {
    (None, b"<"): "ours",
    ("ours", b"|"): "base",
    ("ours", b"="): "theirs",
    ("base", b"="): "theirs",
    ("theirs", b">"): None,
}
"""Which marker may come in which part of a file, and what follows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The whole files that were merged; `base` is None where the markers do not show it."""

    ours: bytes
    theirs: bytes
    base: bytes | None = None


def split(content: bytes, shown: str) -> Sides | None:
    """Take a file with conflict markers apart; None when it has none.

    LockDamaged, with the line, when markers are missing or out of order. `shown` names the file.
    """
    parts: dict[Side, list[bytes]] = {"ours": [], "base": [], "theirs": []}
    part: Side | None = None
    conflicts = ancestors = 0
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        marker = _MARKER.fullmatch(line)
        if marker is None:
            for lines in parts.values() if part is None else (parts[part],):
                lines.append(line)
            continue
        sign = marker[1][:1]
        if (part, sign) not in _NEXT:
            raise _out_of_order(shown, number, line)
        conflicts += sign == b"<"
        ancestors += sign == b"|"
        part = _NEXT[part, sign]
    if part is not None:
        raise _out_of_order(shown, content.count(b"\n"), b"")
    if not conflicts:
        return None
    return Sides(
        ours=b"".join(parts["ours"]),
        theirs=b"".join(parts["theirs"]),
        base=b"".join(parts["base"]) if ancestors == conflicts else None,
    )


def read_sides(sides: Sides, shown: str) -> tuple[Lock | None, Lock, Lock]:
    """Base, ours and theirs as locks; LockDamaged when one of the two sides cannot be read.

    A base that cannot be read counts as none: `zdiff3` shows it only in part.
    """
    base = None
    if sides.base is not None:
        try:
            base = parse(sides.base, shown)
        except LockDamaged:
            base = None
    return base, parse(sides.ours, f"{shown} (ours)"), parse(sides.theirs, f"{shown} (theirs)")


def committed(root: Path, revision: str, path: str) -> bytes | None:
    """A file below `root` as it was at a revision of git; None when it was not there.

    TuneopsError when there is no such revision, or no repository.
    """
    commit = None
    if not revision.startswith("-"):
        commit = _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if commit is None:
        raise TuneopsError(
            f"`{revision}` is no commit of a git repository here",
            help="give a branch, a tag or a commit, such as `HEAD~1` or `origin/main`",
        )
    return _git(root, "show", f"{commit.decode().strip()}:./{path}")


def _git(root: Path, *words: str) -> bytes | None:
    """Run git; what it prints, or None when it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _out_of_order(shown: str, number: int, line: bytes) -> LockDamaged:
    text = line.decode(errors="replace").rstrip()
    return LockDamaged(
        (
            Diagnostic(
                code="lock-conflict",
                message=f"the conflict markers of `{shown}` are not whole",
                where=SourceRef(path=shown, line=max(number, 1), column=1, length=7, excerpt=text),
                help=f"bring them back with `git checkout --merge -- {shown}`, or remove the file "
                "and run `tuneops lock rebuild`",
            ),
        )
    )
