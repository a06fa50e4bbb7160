"""Compare the lock, merge it, and write it again: what the later subcommands of `lock` do."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuneops.cli.locks import rehearsed
from tuneops.cli.options import Options
from tuneops.cli.project import Project, open_project
from tuneops.core.lock import Lock
from tuneops.core.lock_changes import Difference, bare, differences
from tuneops.core.merge import Conflict, Merged, merge
from tuneops.core.rebuild import Rebuilt
from tuneops.core.view import View
from tuneops.diagnostics import Diagnostic, Severity
from tuneops.errors import DiskError, LockDamaged, TuneopsError
from tuneops.render.changes import change_rows
from tuneops.render.findings import findings_json
from tuneops.render.inert import inert
from tuneops.render.lines import Line, counted
from tuneops.store import conflicts, files
from tuneops.store.journal import journal_of
from tuneops.store.lockfile import LockFile, dump, lock_path, parse


def diff(chosen: Options, revision: str) -> int:
    """Show what changed in the lock since a revision; give the exit code."""
    project = open_project(chosen)
    path = lock_path(project.root, _environment(project))
    shown = path.relative_to(project.root).as_posix()
    before = _lock_of(conflicts.committed(project.root, revision, shown), f"{revision}:{shown}")
    after = _lock_of(files.read(path), shown)
    whole = before or after
    changes = () if whole is None else differences(before or bare(whole), after or bare(whole))
    if chosen.machine:
        extra = {"lock": shown, "revision": revision, "changes": _documents(changes)}
        chosen.console.answer_json(_document("lock diff", extra))
    else:
        end = _tally(changes, f"{shown} since {revision}")
        chosen.console.answer([*change_rows(changes), Line(end, "strong")])
    return 0


def merge_files(chosen: Options, base: Path, ours: Path, theirs: Path) -> int:
    """Merge two files into the second; give the exit code. Needs no project and no network."""
    mine = parse(files.read(ours) or b"", str(ours))
    other = parse(files.read(theirs) or b"", str(theirs))
    merged = merge(_ancestor(base), mine, other)
    return _settle(chosen, "lock merge", merged, ours, f"the lock of `{mine.environment}`")


def resolve(chosen: Options) -> int:
    """Merge the sides between git's markers; give the exit code. Asks no service."""
    from tuneops.cli.session import alone

    project = open_project(chosen)
    environment = _environment(project)
    path = lock_path(project.root, environment)
    shown = path.relative_to(project.root).as_posix()
    with alone(project, environment):
        content = files.read(path)
        if content is None:
            raise TuneopsError(
                f"`{shown}` is not there", help="`tuneops lock rebuild` writes it from the jobs"
            )
        sides = conflicts.split(content, shown)
        if sides is None:
            if chosen.machine:
                extra = {"lock": shown, "written": False, "notes": []}
                chosen.console.answer_json(_document("lock resolve", extra))
            else:
                chosen.console.answer([Line(f"{shown} has no conflict markers.")])
            return 0
        merged = merge(*conflicts.read_sides(sides, shown))
        return _settle(chosen, "lock resolve", merged, path, shown)


def push(chosen: Options, to: str | None) -> int:
    """Write the lock back to git; give the exit code. Asks no service but GitHub."""
    from tuneops.cli.travelling import carry, departure

    project = open_project(chosen)
    target = rehearsed(project.declaration.target)
    if to is not None:
        target = replace(target, lock="commit" if to == "commit" else "branch")
    travel = departure(project, target)
    locks = LockFile(project.root, target, journal_of(project.state, target))
    carried = carry(target, locks, travel, None)
    if chosen.machine:
        document = _document("lock push", {"lock": locks.shown, **carried.document})
        findings = findings_json(carried.findings)
        code = 1 if carried.failed else 0
        chosen.console.answer_json({**document, "diagnostics": findings, "exitCode": code})
        return code
    chosen.console.complain_of(carried.findings)
    quiet = f"{locks.shown} is kept in the work tree: commit it."
    if target.lock != "file":
        quiet = f"Nothing to push: {carried.branch or 'the remote'} has all of {locks.shown}."
    chosen.console.answer(carried.lines or ([] if carried.findings else [Line(quiet)]))
    return 1 if carried.failed else 0


def rebuild(chosen: Options, *, dry_run: bool) -> int:
    """Write the lock again from the jobs; give the exit code."""
    from tuneops.cli.guard import stores
    from tuneops.cli.session import alone, connect
    from tuneops.engine.rebuilding import recover
    from tuneops.engine.reconcile import survey

    project = open_project(chosen)
    environment = project.declaration.target.environment
    path = lock_path(project.root, environment)
    with (
        alone(project, environment),
        _aside(path, path.relative_to(project.root).as_posix(), restore=dry_run) as kept,
        connect(project, lambda _: None) as session,
    ):
        view = survey(session.graph, session.world, session.settle)
        kinds = [(guard.kind, guard.claims) for guard in stores(session.guard)]
        recovered = recover(view, session.world.registry, kinds)
        rebuilt, session.locks.guard = recovered.rebuilt, recovered.guard
        embedded = session.emulator is not None
        if kept and not rebuilt.jobs:
            raise _nothing_there(session.locks.shown, embedded=embedded)
        changes = differences(view.before, rebuilt.lock)
        written = not dry_run and session.locks.save(rebuilt.lock)
        shown = session.locks.shown
    findings = [_doubt(doubt.address, doubt.job, doubt.words) for doubt in rebuilt.doubts]
    findings += _all_gone(view, embedded=embedded)
    if chosen.machine:
        extra = {
            "lock": shown,
            "dryRun": dry_run,
            "written": written,
            "movedAside": kept.name if kept and not dry_run else None,
            "jobs": rebuilt.jobs,
            "changes": _documents(changes),
        }
        chosen.console.answer_json(_document("lock rebuild", extra, findings))
        return 0
    chosen.console.complain_of(findings)
    end = _rebuilt(rebuilt, changes, shown, dry_run=dry_run, written=written)
    if not any(view.before.creations()) and rebuilt.jobs:
        end.append(Line(UNSAID))
    if kept and not dry_run:
        end.append(Line(f"What was there is now {kept.name}."))
    chosen.console.answer([*change_rows(changes), *end])
    return 0


# --- reading -------------------------------------------------------------------------------------


def _environment(project: Project) -> str:
    """The environment that is meant, known even where some spec is wrong."""
    return project.resolution.environment or project.declaration.target.environment


def _lock_of(content: bytes | None, shown: str) -> Lock | None:
    return None if content is None else parse(content, shown)


def _ancestor(path: Path) -> Lock | None:
    """What both sides come from; where it cannot be read, the union of both is the safe answer."""
    try:
        return parse(files.read(path) or b"", str(path))
    except (LockDamaged, files.NotARegularFileError):
        return None


@contextlib.contextmanager
def _aside(path: Path, shown: str, *, restore: bool) -> Iterator[Path | None]:
    """Keep a damaged lock out of the way, and give its new name; None where none is damaged.

    It comes back if the work fails, or if it is only tried. LockDamaged for what is better mended
    than written again: conflict markers, and a lock of a newer tuneops.
    """
    if not _is_damaged(path, shown):
        yield None
        return
    kept = _free_name(path)
    try:
        path.rename(kept)
    except OSError as fault:
        raise DiskError(f"cannot move `{shown}` aside: {fault.strerror}") from fault
    done = False
    try:
        yield kept
        done = True
    finally:
        if (restore or not done) and not path.exists():
            kept.rename(path)


def _is_damaged(path: Path, shown: str) -> bool:
    try:
        _lock_of(files.read(path), shown)
    except LockDamaged as fault:
        if fault.findings[0].code != "lock-damaged":
            raise
        return True
    return False


def _free_name(path: Path) -> Path:
    """`NAME.damaged`, or with a number where an earlier one is kept."""
    names = (f"{path.name}.damaged{f'.{n}' if n > 1 else ''}" for n in range(1, 1000))
    return next(one for one in map(path.with_name, names) if not one.exists())


# --- telling -------------------------------------------------------------------------------------


def _settle(chosen: Options, name: str, merged: Merged, path: Path, what: str) -> int:
    """Write a merged lock, or say what only a person can decide; give the exit code."""

    def finding(conflict: Conflict) -> Diagnostic:
        subject = "these are not locks of one environment"
        help_ = "take the side that belongs here: each environment has a lock file of its own"
        if conflict.key is not None:
            subject = f"`{conflict.address}` has two answers to one creation, `{conflict.key}`"
            help_ = "take either side; `tuneops lock rebuild` then adds what it lacks"
        return Diagnostic(
            code="lock-merge",
            message=f"{subject}: another {conflict.field}",
            notes=(f"ours is `{conflict.ours}`", f"theirs is `{conflict.theirs}`"),
            help=help_,
        )

    findings = [finding(conflict) for conflict in merged.conflicts]
    entries = sum(1 for _ in merged.lock.creations())
    if not findings:
        files.write(path, dump(merged.lock))
    if chosen.machine:
        extra = {
            "lock": str(path) if name == "lock merge" else what,
            "written": not findings,
            "entries": entries,
            "notes": list(merged.notes),
        }
        document = _document(name, extra, findings)
        chosen.console.answer_json({**document, "exitCode": 1 if findings else 0})
    elif findings:
        chosen.console.complain_of(findings)
    else:
        lines = [Line(f"note: {inert(note)}") for note in merged.notes]
        end = f"Merged {what}: {counted(entries, 'entry', 'entries')} of both sides."
        more = [Line(f"Look at it, then: git add {what}")] if name == "lock resolve" else []
        chosen.console.answer([*lines, Line(end, "strong"), *more])
    return 1 if findings else 0


def _doubt(address: str, job: str | None, words: str) -> Diagnostic:
    return Diagnostic(
        code="lock-rebuild",
        message=f"`{address}`: {words}",
        notes=(f"the job is `{job}`",) if job else (),
        severity=Severity.WARNING,
    )


UNSAID = (
    "Gone with a lost lock, since no job says them: pins moved with `lock pin` and not trained on "
    "yet, creates without an answer, and jobs adopted by specs that are gone."
)


def _nothing_there(shown: str, *, embedded: bool) -> TuneopsError:
    """The fault of a damaged lock that nothing could take the place of."""
    return TuneopsError(
        f"no job of ours is there to write `{shown}` again from; it stays as it is",
        notes=("without a lock everything would be bought again", *_why_empty(embedded)),
        help=f"restore it with `git checkout -- {shown}`; if nothing was ever made, remove it",
    )


def _all_gone(view: View, *, embedded: bool) -> list[Diagnostic]:
    """What to say of a lock none of whose jobs are there."""
    jobs = [creation.job for _, _, creation in view.before.creations() if creation.job]
    if not jobs or any(job in view.observed.jobs for job in jobs):
        return []
    help_ = "look whether project and location are right; the lock is kept as it is"
    if embedded:
        help_ = "bring `.tuneops` here from where they were made, or remove the lock to begin anew"
    return [
        Diagnostic(
            code="lock-rebuild",
            message=f"none of the {counted(len(jobs), 'job')} that the lock has is there",
            notes=_why_empty(embedded),
            help=help_,
            severity=Severity.WARNING,
        )
    ]


def _why_empty(embedded: bool) -> tuple[str, ...]:
    words = (
        "the embedded emulator keeps its jobs in `.tuneops/emulator.db`, which git does not carry"
    )
    return (words,) if embedded else ()


def _rebuilt(
    rebuilt: Rebuilt, changes: Sequence[Difference], shown: str, *, dry_run: bool, written: bool
) -> list[Line]:
    """How a rebuild ended, for a person."""
    entries = counted(sum(1 for _ in rebuilt.lock.creations()), "entry", "entries")
    jobs = f"{counted(rebuilt.jobs, 'job')} of ours there"
    if not changes and not written and not rebuilt.jobs and entries.startswith("0 "):
        return [Line(f"No job of ours is there, so there is nothing to write {shown} from.")]
    if not changes and not written:
        return [Line(f"No changes: {shown} has {entries}; {jobs}.", "strong")]
    lines = [Line(_tally(changes, f"{entries}; {jobs}"), "strong")]
    if dry_run:
        lines.append(Line("Nothing was written. `tuneops lock rebuild` writes it."))
    elif written:
        lines.append(Line(f"Lock written: commit {shown}."))
    return lines


def _tally(changes: Sequence[Difference], where: str) -> str:
    """How much changed, in one line."""
    things = {
        "added": ("entry added", "entries added"),
        "removed": ("entry removed", "entries removed"),
        "state": ("state moved", "states moved"),
        "current": ("current moved", "currents moved"),
        "pin": ("pin moved", "pins moved"),
    }
    counts = {name: sum(one.what == name for one in changes) for name in things}
    words = [counted(number, *things[name]) for name, number in counts.items() if number]
    rest = len(changes) - sum(counts.values())
    if rest:
        words.append(counted(rest, "other change"))
    return f"{', '.join(words) or 'No changes'}: {where}."


def _documents(changes: Sequence[Difference]) -> list[dict[str, str | None]]:
    return [
        {
            "address": one.address,
            "what": one.what,
            "key": one.key,
            "before": one.before,
            "after": one.after,
        }
        for one in changes
    ]


def _document(
    name: str, extra: dict[str, Any], findings: Sequence[Diagnostic] = ()
) -> dict[str, Any]:
    """The document of a command that asks no service, or writes no job."""
    return {
        "formatVersion": 1,
        "command": name,
        **extra,
        "diagnostics": findings_json(findings),
    }
