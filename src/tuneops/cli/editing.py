"""What people say about single jobs, written into their specs: suspend, resume and retry.

Nothing is asked of the service. What is committed is the cause of all that follows.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuneops.cli.locks import read_lock
from tuneops.cli.nodes import parents_of, select
from tuneops.cli.options import Options
from tuneops.cli.project import Project, open_project
from tuneops.core.address import Address
from tuneops.core.desired import DeclaredJob
from tuneops.core.lock import Creation, Lock
from tuneops.core.observed import JobState
from tuneops.core.policy import lifted
from tuneops.diagnostics import has_errors
from tuneops.errors import InputError, TuneopsError
from tuneops.render.inert import inert
from tuneops.render.lines import Line
from tuneops.spec.edits import Edit, edited, has_field
from tuneops.spec.text import SourceText, decode
from tuneops.store import files

_AGAIN = re.compile(r"retry-([0-9]{1,6})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a command was told besides the names of jobs."""

    reason: str = ""
    until: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class _Said:
    """An edit with its file, and what it means in words."""

    path: str
    edit: Edit
    words: str


def suspend(chosen: Options, nodes: Sequence[str], wish: Wish) -> int:
    """Let nothing of these jobs begin; what runs goes on."""
    project = open_project(chosen)
    parts = [f"until: {wish.until}"] if wish.until else []
    parts += [f"reason: {json.dumps(wish.reason, ensure_ascii=False)}"] if wish.reason else []
    value = f"{{{', '.join(parts)}}}" if parts else "true"
    said = [
        _said(job, "suspend", value, f"suspended{f' until {wish.until}' if wish.until else ''}")
        for job in _jobs(project, nodes)
        if parts or not job.suspended or job.suspended_until is not None
    ]
    return _write(chosen, project, said, "suspend", wish, nothing="suspended already")


def resume(chosen: Options, nodes: Sequence[str], wish: Wish) -> int:
    """Let these jobs begin again: suspended ones, and those that somebody cancelled."""
    project = open_project(chosen)
    lock = read_lock(project)
    said: list[_Said] = []
    for job in _jobs(project, nodes):
        if job.suspended:
            chain = bool(job.address.stage) and _has(project, job, Address(job.address.name))
            said.append(_said(job, "suspend", "false" if chain else None, "suspended no more"))
        vetoed = _vetoed(lock, job)
        if vetoed is not None:
            name = f"tuningJobs/{vetoed.rpartition('/')[2]}"
            words = f"{name} was cancelled, and it is wanted again"
            said.append(_said(job, "resume", name, words, wish.reason))
    nothing = "neither suspended nor cancelled by somebody, as far as the lock knows"
    return _write(chosen, project, said, "resume", wish, nothing=nothing)


def retry(chosen: Options, nodes: Sequence[str], wish: Wish) -> int:
    """Give these jobs a nonce that they never had: they are trained again, and what descends."""
    project = open_project(chosen)
    lock = read_lock(project)
    said = []
    nonce = _new_nonce(lock, project.declaration.jobs)
    for job in _jobs(project, nodes):
        said.append(_said(job, "nonce", nonce, "trained again, and what descends", wish.reason))
    return _write(chosen, project, said, "retry", wish, nothing="")


def _said(job: DeclaredJob, field: str, value: str | None, words: str, comment: str = "") -> _Said:
    edit = Edit(address=job.address, field=field, value=value, comment=comment)
    return _Said(job.where.path, edit, words)


def _jobs(project: Project, nodes: Sequence[str]) -> list[DeclaredJob]:
    """The jobs that the words mean, in the order of the specs."""
    jobs = {str(job.address): job for job in project.declaration.jobs}
    return [jobs[name] for name in select(nodes, parents_of(jobs.values()), "the specs")]


def _has(project: Project, job: DeclaredJob, address: Address) -> bool:
    return has_field(_read(project, job.where.path), address, "suspend")


def _read(project: Project, path: str) -> SourceText:
    text = decode(path, files.read(project.root / path) or b"")
    if not isinstance(text, SourceText):
        raise TuneopsError(f"{path} cannot be read any more", help="run the command again")
    return text


def _shown(edit: Edit) -> str:
    return f"{edit.field}: {edit.value}" if edit.value else f"no `{edit.field}:`"


def _vetoed(lock: Lock, job: DeclaredJob) -> str | None:
    """The job that was cancelled by somebody else, if nothing was made at its address since."""
    history = lock.at(str(job.address)).history
    latest: Creation | None = history[0][1] if history else None
    if latest is None or latest.job is None or latest.model is not None:
        return None
    ours = latest.state is not JobState.CANCELLED or latest.cancel_asked
    return None if ours or lifted(job.resume, latest.job) else latest.job


def _new_nonce(lock: Lock, declared: Sequence[DeclaredJob]) -> str:
    """A nonce that nothing of ours has had, at any address; going back to an old one buys nothing.

    A job whose twin is told apart by its nonce alone would else become that twin.
    """
    used = (*(one.recipe.nonce for _, _, one in lock.creations()), *(job.nonce for job in declared))
    numbers = (_AGAIN.fullmatch(nonce or "") for nonce in used)
    return f"retry-{max((int(found[1]) for found in numbers if found), default=0) + 1}"


def _write(
    chosen: Options,
    project: Project,
    said: Sequence[_Said],
    command: str,
    wish: Wish,
    *,
    nothing: str,
) -> int:
    """Write all edits or none; say them."""
    texts: dict[str, SourceText] = {}
    for one in said:
        text = texts.get(one.path) or _read(project, one.path)
        new = edited(text, one.edit)
        if new is None:
            raise TuneopsError(
                f"{one.path} could not be changed safely",
                help=f"write `{_shown(one.edit)}` at `{one.edit.address}`"
                if one.edit.value
                else f"remove `{one.edit.field}:` from `{one.edit.address}`",
            )
        texts[one.path] = replace(text, text=new)
    # a reason may hold what no spec may, such as a variable that nobody declares
    findings = open_project(chosen, instead=tuple(texts.values())).findings
    if has_errors(findings):
        raise InputError(findings)
    for path, text in texts.items() if not wish.dry_run else ():
        files.write(project.root / path, text.text.encode())
    if chosen.machine:
        chosen.console.answer_json(
            {
                "formatVersion": 1,
                "command": command,
                "edits": [
                    {
                        "address": str(one.edit.address),
                        "file": one.path,
                        "field": one.edit.field,
                        "value": one.edit.value,
                    }
                    for one in said
                ],
                "written": bool(said) and not wish.dry_run,
            }
        )
        return 0
    lines = [Line(inert(f"{one.edit.address}: {one.words}  ({_shown(one.edit)})")) for one in said]
    if not said:
        lines = [Line(f"Nothing to write: {nothing}.")]
    else:
        done = "would be written to" if wish.dry_run else "written to"
        lines.append(Line(inert(f"{done.capitalize()} {', '.join(sorted(texts))}."), "strong"))
        lines.append(Line("Commit it; the next `tuneops apply` or `reconcile` heeds it."))
    chosen.console.answer(lines)
    return 0
