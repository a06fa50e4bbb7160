"""How the lock travels: read where the remote has it, written back by a plain push.

What is pushed is always the union of what this run knows and of what the remote has at that very
moment; a push that comes too late is made again from what was there first.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tuneops.core.desired import Target
from tuneops.core.lock import Lock
from tuneops.errors import InputError, LockDamaged, TuneopsError, Unavailable
from tuneops.store.lock_refs import LockRefs, Moved, Tips
from tuneops.store.lockfile import Place, dump, lock_path, own, parse, union

BRANCH = "tuneops/lock"
"""The branch that carries locks to the default one, unless an environment names another."""

TRIES = 5
PAUSE = 0.5
REFUSALS = 2
"""So many plain refusals of a remote that did not move are a no."""

Pause = Callable[[float], None]

_CHANCE = random.SystemRandom()


class NotPushed(TuneopsError):
    """The run is over, and its lock is in the work tree only."""

    code = "lock-not-pushed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the remote has of this environment's lock; `trouble` when it could not be asked."""

    places: tuple[Place, ...] = ()
    trouble: str | None = None
    tips: Tips | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Where the lock is now. `commit` is None when it was there before.

    `ahead` says whether the branch holds something that the default branch lacks.
    """

    branch: str
    default: str
    commit: str | None
    ahead: bool
    before: Lock | None
    """The lock as the default branch has it."""
    after: Lock


class LockTravel:
    """The lock of one environment in one remote. `branch` is the one that carries locks."""

    def __init__(
        self,
        root: Path,
        target: Target,
        refs: LockRefs,
        *,
        sleep: Pause = time.sleep,
        chance: Callable[[], float] = _CHANCE.random,
    ) -> None:
        self.branch = target.lock_branch or BRANCH
        self._target = target
        self._refs = refs
        self._path = lock_path(root, target.environment).relative_to(root).as_posix()
        self._sleep = sleep
        self._chance = chance

    @property
    def remote(self) -> str:
        """The name of the remote."""
        return self._refs.remote

    def read(self) -> Reading:
        """What the remote has: of the lock branch, and, where locks are committed, of the default.

        Never Unavailable: that is said in the reading. LockDamaged, naming the branch, when what is
        there cannot be trusted.
        """
        reading = Reading()
        for _ in range(TRIES):
            try:
                return self._look()
            except Moved as fault:
                reading = Reading(trouble=fault.message)
            except Unavailable as fault:
                return Reading(trouble="; ".join((fault.message, *fault.notes)))
        return reading

    def _look(self) -> Reading:
        tips = self._refs.tips(self.branch)
        wanted = [(self.branch, tips.branch_tip)]
        if self._target.lock == "commit" and tips.default != self.branch:
            wanted.append((tips.default or "", tips.default_tip))
        places = []
        for branch, tip in wanted:
            if tip is None or not branch:
                continue
            self._refs.bring(tip, branch, alone=branch == self.branch)
            lock = self._lock_at(tip, branch, self._path)
            if lock is not None:
                places.append(Place(shown=self._shown(branch), commit=tip, lock=lock))
        return Reading(places=tuple(places), tips=tips)

    def write_back(self, lock: Lock, seen: Lock | None, onto: Literal["commit", "branch"]) -> Sent:
        """Have the remote know what `lock` says: by a commit on its default branch, or on `branch`.

        `seen` is the union that the run began with. Nothing is pushed that is there already.
        NotPushed when the remote does not take it; what was known is lost by nobody.
        """
        words, refusals = "", 0
        for tried in range(1, TRIES + 1):
            tips = self._refs.tips(self.branch)
            try:
                branch, tip = self._goal(tips, onto)
            except Moved as fault:
                words = fault.message
                continue
            sent, contents = self._due(tips, branch, tip, lock, seen)
            if not contents:
                return sent
            commit = self._commit(tips, tip, contents)
            pushed = self._refs.push(commit, branch)
            if pushed.result == "taken" or self._tip(branch, onto) == commit:
                return replace(sent, commit=commit)
            words = pushed.words
            refusals += pushed.result == "refused" and self._tip(branch, onto) == tip
            if pushed.result == "late" or refusals == REFUSALS or tried == TRIES:
                break
            self._sleep(PAUSE * 2 ** (tried - 1) * (0.5 + self._chance()))
        raise NotPushed(
            f"the lock could not be pushed to `{self.remote}`",
            notes=(words or "another run pushed first, every time",),
            help=_remedy(onto, self._path),
        )

    def default_has_specs_of(self, commit: str, tips: Tips) -> bool:
        """Say whether the remote's default branch differs from a commit in lock files only."""
        if tips.default is None or tips.default_tip is None:
            return False
        if tips.default_tip == commit:
            return True
        self._refs.bring(tips.default_tip, tips.default, alone=False)
        folder = self._path.rpartition("/")[0]
        locks = {
            name for one in (commit, tips.default_tip) for name in self._refs.names(one, folder)
        }
        return locks.issuperset(self._refs.differing(commit, tips.default_tip))

    def _goal(self, tips: Tips, onto: Literal["commit", "branch"]) -> tuple[str, str | None]:
        """The branch to push to, and where it is now."""
        if tips.default is None or tips.default_tip is None:
            raise self._nowhere(f"`{self.remote}` shows no default branch")
        self._refs.bring(tips.default_tip, tips.default, alone=False)
        if onto == "commit":
            return tips.default, tips.default_tip
        if self.branch == tips.default:
            raise self._nowhere(f"`{self.branch}` is the default branch of `{self.remote}` itself")
        if tips.branch_tip is not None:
            self._refs.bring(tips.branch_tip, self.branch, alone=True)
        return self.branch, tips.branch_tip

    def _tip(self, branch: str, onto: Literal["commit", "branch"]) -> str | None:
        tips = self._refs.tips(branch)
        return tips.default_tip if onto == "commit" else tips.branch_tip

    def _due(
        self, tips: Tips, branch: str, tip: str | None, lock: Lock, seen: Lock | None
    ) -> tuple[Sent, Mapping[str, bytes]]:
        """What the branch ought to hold and does not: all that it has to be given, or nothing."""
        assert tips.default is not None and tips.default_tip is not None
        on_default = self._locks_at(tips.default_tip, tips.default)
        there = on_default if branch == tips.default else self._locks_at(tip, branch)
        wanted = {path: one for path, one in there.items() if path != self._path}
        for path, one in wanted.items():
            if path in on_default and branch != tips.default:
                shown = self._shown(branch)
                wanted[path] = union(None, on_default[path], one, shown, agreed=False)
        mine = lock
        for found, name, agreed in ((on_default, tips.default, True), (there, branch, False)):
            if self._path in found:
                shown = self._shown(name)
                mine = union(seen, mine, found[self._path], shown, agreed=agreed)
        wanted[self._path] = mine
        merged_there = _same(wanted, on_default)
        sent = Sent(
            branch=branch,
            default=tips.default,
            commit=None,
            ahead=branch != tips.default and not merged_there,
            before=on_default.get(self._path),
            after=mine,
        )
        if merged_there or _same(wanted, there):
            return sent, {}
        news = {path: one for path, one in wanted.items() if not _same({path: one}, on_default)}
        return sent, {path: dump(one) for path, one in news.items()}

    def _commit(self, tips: Tips, tip: str | None, contents: Mapping[str, bytes]) -> str:
        """A commit that follows the default branch, and what the branch had besides."""
        assert tips.default_tip is not None
        onto: tuple[str, ...] = (tips.default_tip,)
        if tip is not None and not self._refs.contains(tips.default_tip, tip):
            onto = (*onto, tip)
        message = f"Update the lock of {self._target.environment}"
        return self._refs.commit(onto, contents, message)

    def _locks_at(self, commit: str | None, branch: str) -> dict[str, Lock]:
        """The locks of all environments that a commit has."""
        if commit is None:
            return {}
        found = {}
        for path in self._refs.names(commit, self._path.rpartition("/")[0]):
            lock = self._lock_at(commit, branch, path)
            if lock is not None:
                found[path] = lock
        return found

    def _lock_at(self, commit: str, branch: str, path: str) -> Lock | None:
        shown = f"{self._shown(branch)}:{path}"
        content = self._refs.read(commit, path, shown)
        if content is None:
            return None
        try:
            lock = parse(content, shown)
            if path == self._path:
                lock = own(lock, self._target, shown)
        except InputError as fault:
            raise _helped(fault, self._shown(branch), path) from fault
        return lock

    def _shown(self, branch: str) -> str:
        return f"{self.remote}/{branch}"

    def _nowhere(self, words: str) -> NotPushed:
        return NotPushed(
            "the lock could not be pushed",
            notes=(words,),
            help="give the remote a default branch of its own, or set `lock: file`",
        )


def _same(wanted: Mapping[str, Lock], there: Mapping[str, Lock]) -> bool:
    return all(path in there and dump(there[path]) == dump(one) for path, one in wanted.items())


def _remedy(onto: Literal["commit", "branch"], path: str) -> str:
    if onto == "commit":
        return (
            "let this identity push to the default branch; or name a `lockBranch:` beside "
            f"`lock: commit`, which takes the lock where that is not allowed; or commit `{path}`"
        )
    return f"let this identity push that branch (`contents: write`), or commit `{path}` yourself"


def _helped(fault: InputError, shown: str, path: str) -> LockDamaged:
    """The fault of a lock in a branch: what mends a file does not mend that."""
    return LockDamaged(
        tuple(
            replace(
                one,
                help=f"look at it with `git show {shown}:{path}`; push its last good version, or "
                "delete the branch: the next run writes it again from the lock here and the jobs",
            )
            for one in fault.findings
        )
    )
