"""Locks in commits of a remote: read where others wrote them, and written by commits of their own.

Trees and commits are made by plumbing, so nobody's index, work tree, HEAD or branches are touched,
and a push is never forced: what was not seen is not written over.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuneops.errors import DiskError, Unavailable
from tuneops.store import files, plumbing
from tuneops.store.lockfile import damaged
from tuneops.store.plumbing import COMMIT, FETCH, Push

SECONDS = 60.0

_NAME = re.compile(r"tuneops\.[a-z][a-z0-9-]{0,62}\.lock\.json", re.ASCII)
_ENTRY = re.compile(rb"(\d{6}) (\w+) ([0-9a-f]{40,64}) +(\d+|-)\t(.+)", re.DOTALL)
_SYMREF = re.compile(r"ref: refs/heads/(\S+)\tHEAD")
_PERSON = {"name": "tuneops", "email": "tuneops@localhost"}
"""Who commits where git knows of nobody."""


class Moved(Unavailable):
    """A branch moved on between two looks at it: look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tips:
    """What a remote shows at one instant; None for what it does not have."""

    default: str | None
    """The name of its default branch."""
    default_tip: str | None
    branch_tip: str | None
    """The commit of the branch that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    mode: bytes
    kind: bytes
    name: bytes
    size: int = 0


class LockRefs:
    """The lock files of the project at `root`, in the commits of one remote.

    Every call that asks the remote is one git process, ended when its time is up. What the remote
    cannot be asked is Unavailable.
    """

    def __init__(self, root: Path, remote: str, *, seconds: float = SECONDS) -> None:
        self._root = root
        self.remote = remote
        self._seconds = seconds
        self._prefix: str | None = None
        self._torn = False
        """Whether objects are missing here of a commit that is here: a fetch was cut off."""

    def tips(self, branch: str) -> Tips:
        """Where the default branch and one other are now."""
        wanted = f"refs/heads/{branch}"
        out = self._run("ls-remote", "--quiet", "--symref", "--", self.remote, "HEAD", wanted)
        default, found = None, dict[str, str]()
        for line in out.decode("utf-8", "replace").splitlines():
            if symref := _SYMREF.fullmatch(line):
                default = symref[1]
            commit, _, name = line.partition("\t")
            if COMMIT.fullmatch(commit):
                found[name] = commit
        return Tips(default=default, default_tip=found.get("HEAD"), branch_tip=found.get(wanted))

    def bring(self, commit: str, branch: str, *, alone: bool) -> None:
        """Have a commit of a remote branch here, objects only; no ref is moved.

        Moved when it is not to be had any more, because the branch is elsewhere by now.
        `alone`: in a clone without its whole history, without that of the branch either.
        """
        if self._has(commit) and not self._torn:
            return
        depth = ("--depth=1",) if alone and self._shallow() else ()
        self._run(*FETCH, *depth, "--", self.remote, f"refs/heads/{branch}")
        self._torn = False
        if not self._has(commit):
            raise Moved(f"`{branch}` on `{self.remote}` moved while it was fetched")

    def read(self, commit: str, path: str, shown: str) -> bytes | None:
        """A file below the project's root as a commit has it; None where there is none.

        LockDamaged when something else lies there, or more than a lock may hold.
        """
        folder, _, name = path.rpartition("/")
        entry = self._folder(commit, folder).get(name.encode())
        if entry is None:
            return None
        if entry.kind != b"blob" or entry.mode not in (b"100644", b"100755"):
            raise damaged(shown, "it is not a regular file")
        if entry.size > files.LIMIT:
            raise damaged(shown, f"it is larger than {files.LIMIT} bytes")
        return self._run("cat-file", "blob", entry.name.decode())

    def names(self, commit: str, folder: str) -> tuple[str, ...]:
        """The lock files of a folder below the project's root, as a commit has them."""
        entries = self._folder(commit, folder)
        names = (name.decode("ascii", "replace") for name in entries)
        return tuple(sorted(f"{folder}/{name}" for name in names if _NAME.fullmatch(name)))

    def commit(self, onto: tuple[str, ...], contents: Mapping[str, bytes], message: str) -> str:
        """Write a commit: the first of `onto` with these files in place; its parents are `onto`."""
        tree = f"{onto[0]}^{{tree}}"
        for path, content in sorted(contents.items()):
            blob = self._write(("hash-object", "-w", "--stdin"), content)
            tree = self._with(tree, f"{self._above()}{path}".split("/"), blob)
        parents = [word for one in onto for word in ("-p", one)]
        feed = f"{message}\n".encode("ascii", "replace")
        return self._write(("commit-tree", tree, *parents), feed, self._identity())

    def push(self, commit: str, branch: str) -> Push:
        """Move a branch of the remote to a commit that follows it; never by force."""
        ref = f"refs/heads/{branch}"
        return plumbing.push(self._root, self.remote, commit, ref, seconds=self._seconds)

    def contains(self, later: str, earlier: str) -> bool:
        """Say whether one commit is another's ancestor, as far as the history here shows it."""
        done = self._ask("merge-base", "--is-ancestor", earlier, later)
        return done.code == 0

    def differing(self, one: str, other: str) -> tuple[str, ...]:
        """The paths below the project's root in which two commits differ."""
        words = ("diff-tree", "-r", "-z", "--name-only", "--relative", "--no-ext-diff", one, other)
        out = self._run(*words)
        return tuple(path.decode(errors="replace") for path in out.split(b"\0") if path)

    def _with(self, tree: str, path: list[str], blob: str) -> str:
        """A tree with one file put into its place."""
        part, *rest = path
        name = os.fsencode(part)
        entries = self._entries(tree)
        made = _Entry(mode=b"100644", kind=b"blob", name=blob.encode())
        if rest:
            below = entries.get(name)
            if below is not None and below.kind != b"tree":
                raise DiskError(f"the lock cannot be committed: `{part}` is no folder there")
            inner = below.name.decode() if below else self._write(("mktree",), b"")
            inside = self._with(inner, rest, blob).encode()
            made = _Entry(mode=b"040000", kind=b"tree", name=inside)
        entries[name] = made
        rows = (
            b"%s %s %s\t%s\0" % (one.mode, one.kind, one.name, key) for key, one in entries.items()
        )
        return self._write(("mktree", "-z", "--missing"), b"".join(rows))

    def _folder(self, commit: str, folder: str) -> dict[bytes, _Entry]:
        """What a folder below the project's root holds; nothing where there is no such folder."""
        entries = self._entries(f"{commit}^{{tree}}")
        for part in f"{self._above()}{folder}".split("/"):
            below = entries.get(os.fsencode(part))
            if below is None or below.kind != b"tree":
                return {}
            entries = self._entries(below.name.decode())
        return entries

    def _entries(self, tree: str) -> dict[bytes, _Entry]:
        """What a tree holds, by name; Unavailable when it cannot be read, which is not empty.

        A fetch that was cut off may have brought a part of it, and git writes `BAD` for the size of
        the rest: Moved, and the next look brings all of it.
        """
        done = self._ask("ls-tree", "-z", "-l", "--full-tree", tree)
        if done.code is None:
            raise self._unavailable(done.trouble)
        found = {}
        for row in done.out.split(b"\0")[:-1] if done.code == 0 else (b"",):
            entry = _ENTRY.fullmatch(row)
            if entry is None:
                self._torn = True
                raise Moved(f"some of what was fetched from `{self.remote}` is missing here")
            mode, kind, name, size, path = entry.groups()
            length = int(size) if size.isdigit() else 0
            found[path] = _Entry(mode=mode, kind=kind, name=name, size=length)
        return found

    def _above(self) -> str:
        """The project's folder in its repository, with a slash at its end; empty at the top."""
        if self._prefix is None:
            out = self._run("rev-parse", "--show-prefix")
            self._prefix = out.decode(errors="surrogateescape").rstrip("\n")
        return self._prefix

    def _has(self, commit: str) -> bool:
        return self._ask("cat-file", "-e", f"{commit}^{{tree}}").code == 0

    def _shallow(self) -> bool:
        return self._run("rev-parse", "--is-shallow-repository").strip() == b"true"

    def _identity(self) -> dict[str, str]:
        """The author by git's settings; where they name nobody, tuneops itself."""
        if all(self._ask("config", "--get", f"user.{what}").out.strip() for what in _PERSON):
            return {}
        return {
            f"GIT_{role}_{what.upper()}": os.environ.get(f"GIT_{role}_{what.upper()}", value)
            for role in ("AUTHOR", "COMMITTER")
            for what, value in _PERSON.items()
        }

    def _write(
        self, words: tuple[str, ...], feed: bytes, more: dict[str, str] | None = None
    ) -> str:
        done = self._ask(*words, feed=feed, more=more)
        name = done.out.decode("ascii", "replace").strip()
        if done.code != 0 or not COMMIT.fullmatch(name):
            raise DiskError(
                f"git cannot write the commit of the lock: {done.trouble or 'it wrote nothing'}"
            )
        return name

    def _run(self, *words: str) -> bytes:
        done = self._ask(*words)
        if done.code != 0:
            raise self._unavailable(done.trouble)
        return done.out

    def _ask(
        self, *words: str, feed: bytes = b"", more: dict[str, str] | None = None
    ) -> plumbing.Done:
        return plumbing.run(self._root, *words, feed=feed, more=more, seconds=self._seconds)

    def _unavailable(self, words: str) -> Unavailable:
        return Unavailable(
            f"the git remote `{self.remote}` cannot be read",
            notes=(words,),
            help="see that `git fetch` works here, then run the command again",
        )
