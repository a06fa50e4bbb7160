"""`tuneops discover`: jobs and models that no workspace owns, and specs that take them over."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from tuneops.cli.duration import Duration
from tuneops.cli.main import options
from tuneops.cli.options import Command, common
from tuneops.cli.project import Project, open_project
from tuneops.cli.session import Session, connect
from tuneops.core.match import is_stand_in, repeated, stand_in
from tuneops.core.observed import JobState, ObservedJob
from tuneops.engine.reconcile import survey
from tuneops.errors import DiskError
from tuneops.render.adoption import spec_text, suggest_name, why_not
from tuneops.render.inert import inert
from tuneops.render.lines import Line, columns, counted
from tuneops.render.plan import short_job, short_model


@click.command("discover", cls=Command)
@common
@click.option("--since", type=Duration(), help="Only what was made within this time, such as 90d.")
@click.option(
    "--state",
    type=click.Choice([state.value.lower() for state in JobState]),
    metavar="STATE",
    help="Only jobs in this state, such as succeeded, as all versions are.",
)
@click.option(
    "--write",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a spec for each of them into this folder.",
)
@click.pass_context
def command(
    context: click.Context,
    /,
    since: timedelta | None,
    state: str | None,
    write: Path | None,
    **values: Any,
) -> int:
    """List jobs and models that no workspace owns; with --write, write specs that take them over.

    A model is listed by its versions, and only where the job that made one is not there any more.
    Adopting is free: the specs plan as `adopt`, and as `keep` once they are applied.

    \b
    Examples:
      tuneops discover
      tuneops discover --env prod --since 90d
      tuneops discover --write specs/adopted
    """
    chosen = options(context, values)
    project = open_project(chosen)
    with connect(project, lambda _: None) as session:
        jobs, every = _unowned(session, since)
    jobs = [job for job in jobs if state in (None, job.state.value.lower())]
    names = _names(project, jobs)
    texts = {
        names[job.name]: spec_text(names[job.name], job, nonce=repeated(job, every))
        for job in jobs
        if write is not None and job.name in names
    }
    written = _write(write, texts) if write is not None else []
    if chosen.machine:
        chosen.console.answer_json(_document(jobs, names, written))
        return 0
    chosen.console.answer(_lines(jobs, names, written))
    return 0


def _unowned(
    session: Session, since: timedelta | None
) -> tuple[list[ObservedJob], list[ObservedJob]]:
    """What is here that nobody owns and no lock entry names, jobs first; and all jobs that are."""
    view = survey(session.graph, session.world, session.settle)
    jobs = [job for job in view.observed.jobs.values() if not is_stand_in(job)]
    ours = [creation for _, _, creation in view.ledger.creations()]
    taken = {name for one in ours for name in (one.job, one.model) if name}
    made = {_version(job.model) for job in jobs if job.model} | set(map(_version, taken))
    versions = (stand_in(one) for one in session.models.list_tuned())
    orphans = (one for one in versions if one is not None and _version(one.name) not in made)
    found = [
        job
        for some in (jobs, orphans)
        for job in sorted(some, key=lambda job: job.seniority)
        if job.ownership is None
        and job.name not in taken
        and (since is None or view.observed.at - job.created <= since)
    ]
    return found, jobs


def _version(name: str) -> str:
    """`55@2`: a project's id and its number name the same models."""
    return name.rpartition("/")[2]


def _names(project: Project, jobs: list[ObservedJob]) -> dict[str, str]:
    """A free name for each job that a spec can stand for."""
    taken = {job.address.name for job in project.declaration.jobs}
    names: dict[str, str] = {}
    for job in jobs:
        if why_not(job) is None:
            names[job.name] = suggest_name(job, taken)
            taken.add(names[job.name])
    return names


def _write(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """Write specs by their names; a file that is there already is left alone."""
    written: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path = folder / f"{name}.yaml"
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            written.append(str(path))
    except OSError as fault:
        raise DiskError(f"cannot write into `{folder}`: {fault.strerror}") from fault
    return written


def _lines(jobs: list[ObservedJob], names: dict[str, str], written: list[str]) -> list[Line]:
    if not jobs:
        return [Line("No job and no model here that tuneops does not know.")]
    rows = [("JOB OR MODEL", "NAME", "STATE", "SOURCE", "MODEL")]
    rows += [
        (
            short_job(job.name),
            names.get(job.name) or f"- ({why_not(job)})",
            job.state.value.lower(),
            job.fields.base_model or short_model(job.fields.pretuned_model) or "-",
            short_model(job.model) or "-",
        )
        for job in jobs
    ]
    head, *body = columns(rows)
    lines = [Line(head, "dim"), *(Line(inert(row)) for row in body), Line()]
    if written:
        lines.append(Line(f"Wrote {counted(len(written), 'spec')}; `tuneops plan` shows them."))
        lines += [Line(inert(f"  {path}")) for path in written]
    elif names:
        lines.append(Line("`tuneops discover --write specs/adopted` writes a spec for each."))
    return lines


def _document(jobs: list[ObservedJob], names: dict[str, str], written: list[str]) -> dict[str, Any]:
    return {
        "formatVersion": 1,
        "command": "discover",
        "jobs": [
            {
                "job": None if is_stand_in(job) else job.name,
                "name": names.get(job.name),
                "whyNot": why_not(job),
                "state": job.state.value,
                "model": job.model,
                "displayName": job.display_name,
            }
            for job in jobs
        ],
        "written": written,
        "diagnostics": [],
    }
