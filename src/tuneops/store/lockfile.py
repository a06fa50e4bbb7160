"""The lock on disk: JSON with sorted keys, replaced in one step, never written when nothing is new.

A file that cannot be trusted (empty, cut off, with merge markers, with a key twice) is damaged. It
is never taken for "no lock": that would buy everything again.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tuneops import strict
from tuneops.core.desired import Target
from tuneops.core.lock import REVISION, VERSION, Creation, Lock
from tuneops.core.merge import Merged, unite
from tuneops.diagnostics import Diagnostic, SourceRef
from tuneops.errors import Busy, InputError, LockDamaged
from tuneops.store import files
from tuneops.store.journal import Journal, journal_of

MARKERS = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A lock that lies elsewhere than in the checkout: `shown` is the branch that has it."""

    shown: str
    commit: str
    lock: Lock


def lock_path(root: Path, environment: str) -> Path:
    """Where an environment's lock lies."""
    return root / "specs" / f"tuneops.{environment}.lock.json"


def empty_lock(target: Target) -> Lock:
    """The lock of an environment in which nothing was ever asked for."""
    return Lock(
        workspace=target.workspace,
        environment=target.environment,
        target=target.provider,
        project=target.project,
        location=target.location,
        guard="local",
    )


def dump(lock: Lock) -> bytes:
    """The one spelling of a lock: the same lock gives the same bytes, on every machine.

    Python's own encoder is four times slower where it indents, hence the other one for that alone.
    """
    from msgspec.json import format as indented

    value = _adapter().dump_python(lock, mode="json", by_alias=True, exclude_none=True)
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return indented(text.encode(), indent=2) + b"\n"


def parse(content: bytes, shown: str) -> Lock:
    """Read a lock; LockDamaged, with the line, when it cannot be trusted. `shown` names the file.

    A version other than ours is refused, and so is a revision newer than ours.
    """
    _refuse_damage(content, shown)
    try:
        value = strict.outline(content)
    except strict.Malformed as fault:
        raise damaged(shown, str(fault)) from fault
    version = value.get("version") if isinstance(value, dict) else None
    if type(version) is not int or version != VERSION:
        raise damaged(shown, f"its version is {version!r}, this tuneops reads version {VERSION}")
    revision = value.get("revision", REVISION)
    if type(revision) is not int:
        raise damaged(shown, f"its revision is {revision!r}, which is no whole number")
    if revision > REVISION:
        raise LockDamaged(
            (
                Diagnostic(
                    code="lock-newer",
                    message=f"`{shown}` has revision {revision}, this tuneops reads {REVISION}",
                    where=SourceRef(path=shown, line=1, column=1),
                    help="use the tuneops that wrote it, or a newer one",
                ),
            )
        )
    try:
        lock = _adapter().validate_json(content)
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise damaged(shown, f"{place}: {first['msg']}") from fault
    for address, key, creation in lock.creations():
        for moment in (creation.asked, creation.created, creation.ended):
            if moment is not None and moment.tzinfo is None:
                raise damaged(shown, f"{address}.{key}: a time must say its zone, as in `Z`")
    return lock


def union(seen: Lock | None, ours: Lock, theirs: Lock, shown: str, *, agreed: bool) -> Lock:
    """Both as one (`core.merge.unite`); `shown` names theirs.

    InputError when they have two answers to one creation.
    """
    merged = unite(seen, ours, theirs, agreed=agreed)
    if merged.conflicts:
        raise InputError(tuple(_conflicts(merged, shown)))
    return merged.lock


class LockFile:
    """The lock of one environment, with its journal; one at a time in a checkout."""

    def __init__(self, root: Path, target: Target, journal: Journal) -> None:
        self.path = lock_path(root, target.environment)
        self.shown = self.path.relative_to(root).as_posix()
        self._root = root
        self._target = target
        self._journal = journal
        self._read: bytes | None = None
        self._recorded: str | None = None
        self.guard: str | None = None
        """The kind of guard to record with whatever else is new; alone it is no news."""
        self.elsewhere: tuple[Place, ...] = ()
        """The same lock as branches of the remote have it, until the file says it all."""

    @property
    def exists(self) -> bool:
        """Say whether anything lies where the lock belongs."""
        return self.path.exists() or self.path.is_symlink()

    def load(self) -> Lock:
        """The union of file, branches and journal, for this target only."""
        try:
            self._read = files.read(self.path)
        except files.NotARegularFileError as fault:
            raise damaged(self.shown, "it is not a regular file") from fault
        lock = empty_lock(self._target)
        if self._read is not None:
            lock = own(parse(self._read, self.shown), self._target, self.shown)
        else:
            lock = self._inherited() or lock
        self._recorded = lock.guard
        for place in self.elsewhere:
            lock = union(None, lock, place.lock, place.shown, agreed=False)
        return self._with(self._journal, lock)

    def _inherited(self) -> Lock | None:
        """The lock of this environment under its latest old name, what was in flight included."""
        for name in reversed(self._target.formerly.environment):
            path = lock_path(self._root, name)
            shown = path.relative_to(self._root).as_posix()
            content = files.read(path)
            if content is not None:
                lock = own(parse(content, shown), self._target, shown)
                journal = journal_of(self._journal.path.parent, self._target, name)
                return self._with(journal, lock)
        return None

    def _with(self, journal: Journal, lock: Lock) -> Lock:
        """The lock with what a journal adds; what was asked for elsewhere has other keys."""
        for key, (address, creation) in journal.creations().items():
            if key != self._target.key(creation.lineage, creation.attempt):
                raise _journal_of_another_target(journal.path, address, creation)
        return journal.replay(lock)

    def save(self, lock: Lock) -> bool:
        """Write the lock if it differs from what was loaded; then the journal is not needed."""
        new = dump(replace(lock, guard=self._recorded)) != self._read
        if self._read is None and lock == replace(
            empty_lock(self._target), project_number=lock.project_number
        ):
            new = False
        if new:
            if files.read(self.path) != self._read:
                raise Busy(
                    f"`{self.shown}` was changed by somebody else during this run",
                    notes=("what this run learned is in its journal",),
                    help="run the command again",
                )
            guard = self.guard or lock.guard
            content = dump(replace(lock, guard=guard))
            files.write(self.path, content)
            self._read, self._recorded = content, guard
        self.elsewhere = ()
        self._journal.clear()
        return new

    def prove(self) -> None:
        """Show that journal and lock could be written now."""
        self._journal.prove()
        probe = self.path.with_name(f".{self.path.name}.probe")
        files.write(probe, b"")
        files.remove(probe)


def own(lock: Lock, target: Target, shown: str) -> Lock:
    """A lock of this target, under its names of today; LockDamaged for that of another one."""
    named = lock
    if lock.workspace in target.formerly.workspace:
        named = replace(named, workspace=target.workspace)
    if lock.environment in target.formerly.environment:
        named = replace(named, environment=target.environment)
    refuse_foreign(named, target, shown)
    for _, key, creation in lock.creations():
        if key != target.key(creation.lineage, creation.attempt):
            raise _renamed(shown)
        break  # one is as good as all: a lock's keys are made under one name
    return named


def _renamed(shown: str) -> LockDamaged:
    return LockDamaged(
        (
            Diagnostic(
                code="lock-under-another-name",
                message=f"`{shown}` has jobs that were made under another name",
                where=SourceRef(path=shown, line=1, column=1),
                notes=("their marks say the name that workspace and environment had then",),
                help="list all names that they have had under `formerly:`, the oldest first",
            ),
        )
    )


def _journal_of_another_target(path: Path, address: str, creation: Creation) -> LockDamaged:
    shown = files.shown(path)
    asked, made = creation.recipe, f": `{creation.job}`" if creation.job else ", and not answered"
    return LockDamaged(
        (
            Diagnostic(
                code="journal-of-another-target",
                message=f"`{shown}` has a create for another project, location or name",
                where=SourceRef(path=shown, line=1, column=1),
                notes=(
                    f"`{address}` was asked for in {asked.project}, {asked.location}{made}",
                    "a run was stopped before its lock was written, and no lock has it yet",
                ),
                help="change project, location and names back and run `tuneops reconcile --once`, "
                f"so that a lock has it; or remove `{shown}`, and that job is nobody's here",
            ),
        )
    )


def refuse_foreign(lock: Lock, target: Target, shown: str) -> None:
    """Refuse the lock of another target; LockDamaged, naming where it lies."""
    pairs = [
        ("workspace", lock.workspace, target.workspace),
        ("environment", lock.environment, target.environment),
        ("target", lock.target, target.provider),
        ("project", lock.project, target.project),
        ("location", lock.location, target.location),
    ]
    wrong = [(name, have, want) for name, have, want in pairs if have != want]
    if wrong:
        raise LockDamaged(
            (
                Diagnostic(
                    code="lock-of-another-target",
                    message=f"`{shown}` belongs to another target",
                    where=SourceRef(path=shown, line=1, column=1),
                    notes=tuple(
                        f"{name} is `{have}` in the lock and `{want}` in the specs"
                        for name, have, want in wrong
                    ),
                    help="give the changed target an environment of its own; if only a name is "
                    "new, list the old one under `formerly:`",
                ),
            )
        )


def _refuse_damage(content: bytes, shown: str) -> None:
    if not content or content.isspace():
        raise damaged(shown, "it is empty")
    if len(content) > files.LIMIT:
        raise damaged(shown, f"it is larger than {files.LIMIT} bytes")
    marked = any(marker in content for marker in MARKERS)
    for number, line in enumerate(content.splitlines() if marked else (), start=1):
        if line.startswith(MARKERS):
            raise LockDamaged(
                (
                    Diagnostic(
                        code="lock-conflict",
                        message=f"`{shown}` has merge conflicts",
                        where=SourceRef(
                            path=shown, line=number, column=1, length=7, excerpt=_text(line)
                        ),
                        help="run `tuneops lock resolve`: it keeps the entries of both sides",
                    ),
                )
            )


def _conflicts(merged: Merged, shown: str) -> Iterator[Diagnostic]:
    for one in merged.conflicts:
        what = f"`{one.address}`, `{one.key}`" if one.key else "the lock itself"
        yield Diagnostic(
            code="lock-merge",
            message=f"`{shown}` and the lock here disagree on {what}: another {one.field}",
            notes=(f"here it is `{one.ours}`", f"there it is `{one.theirs}`"),
            help="`tuneops lock rebuild` writes what the jobs say; then push the good one there",
        )


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def damaged(shown: str, why: str) -> LockDamaged:
    """The fault of a lock that cannot be trusted; `shown` names where it lies."""
    return LockDamaged(
        (
            Diagnostic(
                code="lock-damaged",
                message=f"`{shown}` is damaged: {why}",
                where=SourceRef(path=shown, line=1, column=1),
                notes=("it is not taken for a missing lock, which would buy everything again",),
                help="run `tuneops lock rebuild`: it writes the lock again from the jobs, and buys "
                f"nothing; or restore the file with `git checkout -- {shown}`",
            ),
        )
    )


@cache
def _adapter() -> TypeAdapter[Lock]:
    return TypeAdapter(Lock)
