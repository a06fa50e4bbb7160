"""The creation guard in git: one ref for each claim, in the remote that all clones share.

A ref is moved by a push that names what it must replace, so the remote itself picks the one winner.
The generation is the id of the commit that holds the record; its parent is the record before. The
user's index, work tree, branches and configuration are never touched: objects are written, nothing
else. What git does not say plainly is unavailable, never won.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tuneops.core.claim import Claim
from tuneops.errors import Denied, Unavailable
from tuneops.store import claim_record, plumbing
from tuneops.store.plumbing import COMMIT, FETCH, SECONDS, Done, Push

NAMESPACE = "refs/tuneops/claims/v1"
"""Where the claims of real jobs are kept: no branch and no tag, so no workflow starts by it."""

REHEARSAL = "refs/tuneops/rehearsal/v1"
"""Where those of an emulator are kept: a rehearsal must not hold the key of a real job."""

LIMIT = 2**20
"""The largest claim, in bytes; all that was ever written of one is some hundreds."""

READS, PUSHES = 4, 3
PAUSE = 0.5


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
        """Try a push without making it; say why it cannot be, or None when it can.

        Unavailable when the remote cannot be read either: that says nothing of what it would take.
        """
        if self._remote is None:
            return "there is no git remote `origin`, and not exactly one other"
        try:
            blob = self._write(("hash-object", "-w", "--stdin"), b"")
        except Unavailable as fault:
            return "; ".join(fault.notes)
        probe = f"{self._namespace}/probe"
        pushed = self._push(blob, probe, None, "--dry-run")
        if pushed.result in ("unclear", "late"):
            self._tip(probe)
        return None if pushed.result == "taken" else pushed.words

    def there(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Which of these keys have a claim; one request for all of them."""
        refs = {self._ref(key): key for key in keys}
        out = self._patiently("ls-remote", "--refs", self._there(), *refs) if refs else b""
        names = (line.partition("\t")[2] for line in out.decode("ascii", "replace").splitlines())
        return tuple(refs[name] for name in names if name in refs)

    def read(self, key: str) -> tuple[Claim, str] | None:
        """See `ClaimStore`. ClaimDamaged when the ref holds garbage, which only a person mends."""
        ref = self._ref(key)
        tip = self._tip(ref)
        if tip is None:
            return None
        shown = f"`{ref}` on `{self._remote}`"
        content = self._content(tip, shown)
        if content is None:
            self._patiently(*FETCH, self._there(), ref)
            content = self._content(tip, shown)
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
            if not tab or not COMMIT.fullmatch(commit):
                raise self._unavailable("its list of refs is not understood")
            if name == ref:
                tips.append(commit)
        if len(tips) > 1:
            raise self._unavailable("its list of refs is not understood")
        return tips[0] if tips else None

    def _content(self, commit: str, shown: str) -> bytes | None:
        """The record in a commit; None when this repository has no such thing."""
        done = self._ask("cat-file", "--batch-check", feed=f"{commit}:claim.json\n".encode())
        words = done.out.split()
        if done.code != 0 or len(words) != 3 or words[1] != b"blob":
            return None
        if int(words[2]) > LIMIT:
            raise claim_record.damaged(shown, f"it is larger than {LIMIT} bytes")
        done = self._ask("cat-file", "blob", words[0].decode())
        return done.out if done.code == 0 else None

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
        if done.code != 0 or not COMMIT.fullmatch(name):
            raise self._unavailable(done.trouble or "git wrote nothing")
        return name

    def _push(self, name: str, ref: str, expected: str | None, *flags: str) -> Push:
        lease = f"--force-with-lease={ref}:{expected or ''}"
        seconds = self._seconds
        return plumbing.push(self._root, self._there(), name, ref, *flags, lease, seconds=seconds)

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

    def _ask(self, *words: str, feed: bytes = b"", more: dict[str, str] | None = None) -> Done:
        return plumbing.run(self._root, *words, feed=feed, more=more, seconds=self._seconds)

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
