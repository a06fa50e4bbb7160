"""The creation guard in git: one ref for each claim, in the remote that all clones share.

A ref is moved by a push that names what it must replace, so the remote itself picks the one winner.
The generation is the id of the commit that holds the record; its parent is the record before. The
user's index, work tree, branches and configuration are never touched: objects are written, nothing
else. What git does not say plainly is unavailable, never won.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuneops.core.claim import Claim
from tuneops.errors import Denied, Unavailable
from tuneops.store import claim_record

NAMESPACE = "refs/tuneops/claims/v1"
"""Where the claims of real jobs are kept: no branch and no tag, so no workflow starts by it."""

REHEARSAL = "refs/tuneops/rehearsal/v1"
"""Where those of an emulator are kept: a rehearsal must not hold the key of a real job."""

READS, PUSHES = 4, 3
PAUSE = 0.5
SECONDS = 60.0
"""How long one call of git may take."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SECRET = re.compile(r"//[^/@\s]+@")
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
_FOREIGN_STARTS = ("GIT_TRACE", "GIT_OBJECT", "GIT_ALTERNATE", "GIT_QUARANTINE", "GIT_CURL")
_QUIET = ("gc.auto=0", "maintenance.auto=false", "core.hooksPath=/dev/null")
_PUSH = ("push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed")
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-prune", "--refmap=")
_ALONE = "--recurse-submodules=no"
_SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    code: int | None
    """None when git did not end in time, or could not be started."""
    out: bytes
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Push:
    """What a push said; `unclear` unless it was plainly taken, plainly refused, or cut off."""

    result: Literal["taken", "refused", "unclear", "late"]
    words: str = ""


def shared_remote(root: Path) -> str | None:
    """The remote that claims go to: `origin`, else the only one; None where that is not clear."""
    done = _git(root, "remote")
    names = done.out.decode(errors="replace").split() if done.code == 0 else []
    if "origin" in names:
        return "origin"
    return names[0] if len(names) == 1 else None


class GitRefClaims:
    """`ClaimStore` of `engine.ports`, in `remote` of the repository around `root`.

    Without a remote everything is denied.
    """

    def __init__(
        self,
        root: Path,
        remote: str | None,
        *,
        namespace: str = NAMESPACE,
        sleep: Callable[[float], None] = time.sleep,
        seconds: float = SECONDS,
    ) -> None:
        self._root = root
        self._remote = remote
        self._namespace = namespace
        self._sleep = sleep
        self._seconds = seconds
        self._one_address: bool | None = None

    def refusal(self) -> str | None:
        """Try a push without making it; say why it cannot be, or None when it can."""
        if self._remote is None:
            return "there is no git remote `origin`, and not exactly one other"
        try:
            blob = self._write(("hash-object", "-w", "--stdin"), b"")
        except Unavailable as fault:
            return "; ".join(fault.notes)
        pushed = self._push(blob, f"{self._namespace}/probe", None, "--dry-run")
        return None if pushed.result == "taken" else pushed.words

    def read(self, key: str) -> tuple[Claim, str] | None:
        """See `ClaimStore`. ClaimDamaged when the ref holds garbage, which only a person mends."""
        ref = self._ref(key)
        tip = self._tip(ref)
        if tip is None:
            return None
        content = self._content(tip)
        if content is None:
            self._patiently(*_FETCH, _ALONE, self._there(), ref)
            content = self._content(tip)
        shown = f"`{ref}` on `{self._remote}`"
        if content is None:
            raise claim_record.damaged(shown, "it holds no `claim.json`")
        return claim_record.parse(content, key, shown), tip

    def swap(self, claim: Claim, expected: str | None) -> str | None:
        """See `ClaimStore`. Denied when the remote refuses the push, Unavailable when in doubt.

        A push whose answer was lost is found out by looking, and may be made again: it writes the
        same commit over the same one, or nothing.
        """
        ref = self._ref(claim.key)
        commit = self._commit(claim, expected)
        for tried in range(1, PUSHES + 1):
            pushed = self._push(commit, ref, expected)
            if pushed.result == "taken" and self._reads_where_it_writes():
                return commit
            tip = self._tip(ref)
            if tip == commit:
                return commit
            if tip != expected:
                return None
            if pushed.result == "late" or tried == PUSHES:
                break
            self._sleep(PAUSE * tried)
        if pushed.result == "refused":
            raise self._denied(pushed.words, claim)
        raise self._unavailable(pushed.words or "the claim does not show after the push", claim)

    def _ref(self, key: str) -> str:
        assert key.isalnum(), "a creation key is base32"
        return f"{self._namespace}/{key}"

    def _tip(self, ref: str) -> str | None:
        """The commit that a ref of the remote names, asked of the remote itself."""
        out = self._patiently("ls-remote", "--refs", self._there(), ref)
        tips = []
        for line in out.decode("ascii", "replace").splitlines():
            commit, tab, name = line.partition("\t")
            if not tab or not _COMMIT.fullmatch(commit):
                raise self._unavailable("its list of refs is not understood")
            if name == ref:
                tips.append(commit)
        if len(tips) > 1:
            raise self._unavailable("its list of refs is not understood")
        return tips[0] if tips else None

    def _content(self, commit: str) -> bytes | None:
        """The record in a commit; None when this repository has no such thing."""
        done = self._ask("cat-file", "--batch", feed=f"{commit}:claim.json\n".encode())
        header, _, rest = done.out.partition(b"\n")
        words = header.split(b" ")
        if done.code != 0 or len(words) != 3 or words[1] != b"blob":
            return None
        return rest[: int(words[2])]

    def _commit(self, claim: Claim, parent: str | None) -> str:
        """Write the commit of a claim; the same claim on the same parent is the same commit."""
        blob = self._write(("hash-object", "-w", "--stdin"), claim_record.dump(claim))
        tree = self._write(("mktree",), f"100644 blob {blob}\tclaim.json\n".encode())
        moment = f"@{max(0, int(claim.at.timestamp()))} +0000"
        author = {"NAME": "tuneops", "EMAIL": "tuneops@localhost", "DATE": moment}
        identity = {
            f"GIT_{role}_{name}": value
            for role in ("AUTHOR", "COMMITTER")
            for name, value in author.items()
        }
        words = ("commit-tree", tree, *(("-p", parent) if parent else ()))
        return self._write(words, f"Claim: {claim.phase}\n".encode(), identity)

    def _write(
        self, words: tuple[str, ...], feed: bytes, more: dict[str, str] | None = None
    ) -> str:
        done = self._ask(*words, feed=feed, more=more)
        name = done.out.decode("ascii", "replace").strip()
        if done.code != 0 or not _COMMIT.fullmatch(name):
            raise self._unavailable(done.trouble or "git wrote nothing")
        return name

    def _push(self, name: str, ref: str, expected: str | None, *flags: str) -> _Push:
        lease = f"--force-with-lease={ref}:{expected or ''}"
        done = self._ask(*_PUSH, _ALONE, *flags, lease, self._there(), f"{name}:{ref}")
        if done.code is None:
            return _Push(result="late", words=done.trouble)
        lines = [line.split("\t") for line in done.out.decode(errors="replace").splitlines()]
        mine = [line for line in lines if len(line) == 3 and line[1] == f"{name}:{ref}"]
        if len(mine) != 1:
            return _Push(result="unclear", words=done.trouble)
        flag, _, said = mine[0]
        if done.code == 0 and flag in ("*", " "):
            return _Push(result="taken")
        words = f"{said}; {done.trouble}" if done.trouble else said
        refused = flag == "!" and said.startswith("[remote rejected]")
        return _Push(result="refused" if refused else "unclear", words=words)

    def _reads_where_it_writes(self) -> bool:
        """Say whether the remote is read at the address that it is written at.

        Where it is not, what was written counts only once it can be read: else it is not shared.
        """
        if self._one_address is None:
            read = self._ask("remote", "get-url", "--all", self._there())
            written = self._ask("remote", "get-url", "--push", "--all", self._there())
            self._one_address = read.code == 0 and read.out == written.out
        return self._one_address

    def _there(self) -> str:
        if self._remote is None:
            raise Denied(
                "creates are guarded by refs in a git remote, and there is none",
                notes=("nothing was created",),
                help="add a remote named `origin`, or change `claims:` of the environment",
            )
        return self._remote

    def _patiently(self, *words: str) -> bytes:
        """The answer of a call that changes nothing, made a few times; Unavailable without one."""
        done = self._ask(*words)
        for tried in range(1, READS):
            if done.code in (0, None):
                break
            self._sleep(PAUSE * tried)
            done = self._ask(*words)
        if done.code != 0:
            raise self._unavailable(done.trouble)
        return done.out

    def _ask(self, *words: str, feed: bytes = b"", more: dict[str, str] | None = None) -> _Done:
        return _git(self._root, *words, feed=feed, more=more, seconds=self._seconds)

    def _denied(self, words: str, claim: Claim) -> Denied:
        return Denied(
            f"the git remote `{self._remote}` does not take the claim of this create",
            notes=(words, _consequence(claim)),
            help=f"allow pushes to `{self._namespace}/*` there, or set `claims:` to a bucket",
        )

    def _unavailable(self, words: str, claim: Claim | None = None) -> Unavailable:
        return Unavailable(
            f"the creation guard, refs on the git remote `{self._remote}`, cannot be reached",
            notes=(words, _consequence(claim)),
            help="see that `git ls-remote` and `git push` work here, then run the command again",
        )


def _consequence(claim: Claim | None) -> str:
    """What it means that a claim was not written, by how far its create had come."""
    if claim is not None and claim.phase == "bound":
        return "the job is made; the next run finds it"
    return "nothing was created"


def _git(
    root: Path,
    *words: str,
    feed: bytes = b"",
    more: dict[str, str] | None = None,
    seconds: float = SECONDS,
) -> _Done:
    """Run git in a session of its own: it can ask nobody, and it ends when its time is up."""
    settings = [word for setting in _QUIET for word in ("-c", setting)]
    try:
        process = subprocess.Popen(
            ["git", "-C", str(root), *settings, *words],
            env={**_environment(), **(more or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as fault:
        return _Done(code=None, out=b"", trouble=f"git cannot be run: {fault.strerror}")
    with process:
        try:
            out, err = process.communicate(feed, timeout=seconds)
        except subprocess.TimeoutExpired:
            _kill(process.pid)
            return _Done(code=None, out=b"", trouble=f"git did not end within {seconds:g} s")
        except BaseException:
            _kill(process.pid)
            raise
    trouble = "" if process.returncode == 0 else _spoken(err) or f"git ended {process.returncode}"
    return _Done(code=process.returncode, out=out, trouble=trouble)


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
    return _SECRET.sub("//", "; ".join(said))[:_SHOWN]
