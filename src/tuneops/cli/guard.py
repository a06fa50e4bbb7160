"""The creation guard of a run: which store of claims it takes, and when that is not enough."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tuneops.cli.project import Project
from tuneops.core.claim import Claim
from tuneops.core.desired import Target
from tuneops.engine.ports import ClaimStore
from tuneops.errors import Denied, TuneopsError, Unavailable
from tuneops.store.claim_files import FileClaims
from tuneops.store.claim_refs import NAMESPACE, REHEARSAL, GitRefClaims
from tuneops.store.lockfile import LockFile
from tuneops.store.plumbing import shared_remote

STRENGTH = ("local", "git", "gs")
"""The kinds of guard as the lock records them: one checkout, one remote, one bucket."""


class WeakerGuard(Denied):
    """The lock records a guard that more runners share than the one at hand."""

    code = "weaker-guard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A store of claims, by the kind that the lock records and in the words of the plan."""

    kind: str
    shown: str
    claims: ClaimStore
    why_local: str = ""
    """Why no stronger one was taken."""


def local_guard(project: Project, target: Target, *, served: bool, why: str = "") -> Guard:
    """Guard the creates of one checkout; those of a served emulator apart from real ones."""
    folder = f"{target.environment}.served" if served else target.environment
    return Guard(
        kind="local",
        shown="local file (this checkout only)",
        claims=FileClaims(project.state, folder),
        why_local=why,
    )


@dataclass(slots=True, kw_only=True)
class LateClaims:
    """`ClaimStore` of the strongest guard that works: found out when the first claim is asked for.

    To find out whether a push would be taken costs as much as a push; a plan never needs to know.
    """

    candidates: tuple[Guard, ...]
    """The strongest first."""
    why: Callable[[], str | None]
    """Why the strongest does not work here."""
    checks: list[Callable[[Guard], None]] = field(default_factory=list)
    """What must be content with the guard that is chosen; each may refuse it."""
    allow_weaker: bool = False
    """Whether the weaker one will do while it cannot be found out whether the strongest works."""
    chosen: Guard | None = None

    def read(self, key: str) -> tuple[Claim, str] | None:
        """See `ClaimStore`."""
        return self._guard().claims.read(key)

    def swap(self, claim: Claim, expected: str | None) -> str | None:
        """See `ClaimStore`."""
        return self._guard().claims.swap(claim, expected)

    def _guard(self) -> Guard:
        if self.chosen is None:
            strong, weak = self.candidates
            why = self._why()
            chosen = replace(weak, why_local=why) if why else strong
            for check in self.checks:
                check(chosen)
            self.chosen = chosen
        return self.chosen

    def _why(self) -> str | None:
        """Why the strongest cannot be taken; other runners may be using it while we cannot ask."""
        try:
            return self.why()
        except Unavailable as fault:
            if self.allow_weaker:
                return "; ".join((fault.message, *fault.notes))
            fault.help = (
                "run the command again once `git ls-remote` works here; or give "
                "`--allow-weaker-guard` when no other runner is at work"
            )
            raise


def git_guard(project: Project, target: Target, *, served: bool) -> Guard:
    """Guard creates by refs in the remote; under `auto` only if it would take them."""
    remote = shared_remote(project.root)
    namespace = REHEARSAL if served else NAMESPACE
    claims = GitRefClaims(project.root, remote, namespace=namespace)
    guard = Guard(kind="git", shown=f"git ref on {remote or 'no remote'}", claims=claims)
    if target.claims != "auto":
        return guard
    local = local_guard(project, target, served=served)
    if remote is None:
        return replace(local, why_local=claims.refusal() or "")
    late = LateClaims(candidates=(guard, local), why=claims.refusal)
    return replace(guard, shown=f"{guard.shown}, if it takes pushes", claims=late)


def glance(guard: Guard, keys: tuple[str, ...]) -> Iterator[Claim]:
    """The claims of some keys, wherever they may be, for people to see.

    A store that does not answer says nothing; none is chosen by this.
    """
    for store in stores(guard):
        claims = store.claims
        with contextlib.suppress(TuneopsError):
            there = claims.there(keys) if isinstance(claims, GitRefClaims) else keys
            for found in map(claims.read, there):
                if found is not None:
                    yield found[0]


def when_chosen(guard: Guard, check: Callable[[Guard], None]) -> None:
    """Let something look at the guard: at once, or before its first claim is asked for."""
    if isinstance(guard.claims, LateClaims) and guard.claims.chosen is None:
        guard.claims.checks.append(check)
    else:
        check(guard)


def stores(guard: Guard) -> tuple[Guard, ...]:
    """The guards whose claims may speak of jobs of this environment, the strongest first."""
    return guard.claims.candidates if isinstance(guard.claims, LateClaims) else (guard,)


def name_guard(guard: Guard, locks: LockFile, say: Callable[[str], None]) -> None:
    """Let the lock say which guard creates had, once it is known; and say a second choice aloud."""

    def name(found: Guard) -> None:
        locks.guard = found.kind
        if isinstance(guard.claims, LateClaims) and found.why_local:
            say(f"creates are guarded by a {found.shown}, since git refused: {found.why_local}")

    when_chosen(guard, name)


def archives(project: Project, target: Target, guard: Guard) -> tuple[ClaimStore, ...]:
    """Where this repository may have claimed what runs now: under this guard, or another before.

    They are for reading only, and cost no attempt at a push.
    """
    found = [one.claims for one in stores(guard)]
    if project.declaration.target.provider == "emulator":
        return tuple(found)
    served = target.provider == "emulator"
    if "local" not in {one.kind for one in stores(guard)}:
        found.append(local_guard(project, target, served=served).claims)
    if guard.kind != "git" and (remote := shared_remote(project.root)):
        namespace = REHEARSAL if served else NAMESPACE
        found.append(GitRefClaims(project.root, remote, namespace=namespace))
    return tuple(found)


def refuse_unguarded(
    guard: Guard, recorded: str | None, *, emulated: bool, allow_weaker: bool
) -> None:
    """Refuse to buy under a weaker guard than the lock records, or in CI without a shared one.

    Where it must first be found out which guard there is, that is done before the first create.
    A kind that this version does not know counts as stronger than all that it knows.
    """

    def refuse(found: Guard) -> None:
        _refuse(found, recorded, emulated=emulated, allow_weaker=allow_weaker)

    if isinstance(guard.claims, LateClaims):
        guard.claims.allow_weaker = allow_weaker
    when_chosen(guard, refuse)


def _refuse(guard: Guard, recorded: str | None, *, emulated: bool, allow_weaker: bool) -> None:
    why = (f"git: {guard.why_local}",) if guard.why_local else ()
    known = recorded is None or recorded in STRENGTH
    weaker = not known or STRENGTH.index(guard.kind) < STRENGTH.index(recorded or "local")
    if weaker and not allow_weaker:
        raise WeakerGuard(
            f"creates of this environment are guarded by `{recorded}`, and now by `{guard.kind}`",
            notes=(*why, "other runners may not see what this one claims; nothing was bought"),
            help="mend the way to the shared guard, or give `--allow-weaker-guard` "
            "when no other runner is at work",
        )
    if guard.kind == "local" and not emulated and os.environ.get("CI") == "true":
        raise Denied(
            "creating jobs in CI needs a creation guard that all runners share",
            notes=(*why, "nothing was bought"),
            help="let this job push to the git remote (`contents: write`), "
            "or set `claims: gs://bucket/folder` in the environment",
        )
