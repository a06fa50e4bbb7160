"""`tuneops adopt`: a spec that takes over one job or model version that exists."""

from pathlib import Path
from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, common
from tuneops.cli.project import open_project
from tuneops.cli.session import Session, connect
from tuneops.core.address import NAME
from tuneops.core.match import adoptable, repeated, stand_in
from tuneops.core.observed import ObservedJob
from tuneops.engine.reconcile import survey
from tuneops.errors import Denied, DiskError, TuneopsError
from tuneops.render.adoption import spec_text, why_not
from tuneops.render.lines import Line


@click.command("adopt", cls=Command)
@common
@click.argument("name")
@click.argument("target", metavar="JOB_OR_MODEL")
@click.option("--as-is", is_flag=True, help="Take it over even where a later edit differs.")
@click.option(
    "--write",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the spec to this new file instead of printing it.",
)
@click.pass_context
def command(
    context: click.Context,
    /,
    name: str,
    target: str,
    as_is: bool,
    write: Path | None,
    **values: Any,
) -> int:
    """Write the spec NAME for a job or model version that was made without tuneops.

    JOB_OR_MODEL is a resource name: projects/…/tuningJobs/987 or projects/…/models/55@2.
    Nothing is bought and nothing is changed; the spec plans as `adopt`.

    \b
    Examples:
      tuneops adopt faq projects/acme-ml/locations/us-central1/tuningJobs/987
      tuneops adopt faq projects/…/tuningJobs/987 --write specs/faq.yaml
      tuneops adopt faq projects/…/models/55@2 --as-is --env prod
    """
    chosen = options(context, values)
    if not NAME.fullmatch(name):
        raise click.UsageError(
            f"`{name}` is no job name; use a-z, 0-9 and single hyphens, beginning with a letter",
            context,
        )
    project = open_project(chosen)
    if any(job.address.name == name for job in project.declaration.jobs):
        raise Denied(f"there is a spec named `{name}` already", help="choose another name")
    with connect(project, lambda _: None) as session:
        observed = survey(session.graph, session.world, session.settle).observed
        job = adoptable(target, observed.jobs.values()) or _version(session, target)
    if job is None:
        raise TuneopsError(
            f"`{target}` is not there, or is not tuned",
            help="`tuneops discover` lists the jobs that can be adopted",
        )
    if (why := why_not(job)) is not None:
        raise Denied(f"`{job.name}` cannot be adopted: {why}")
    again = repeated(job, observed.jobs.values())
    text = spec_text(name, job, as_is=as_is, nonce=again)
    if write is not None:
        try:
            with write.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as fault:
            raise DiskError(f"cannot write `{write}`: {fault.strerror}") from fault
    if chosen.machine:
        document = {
            "formatVersion": 1,
            "command": "adopt",
            "job": job.name,
            "spec": text,
            "written": str(write) if write else None,
            "diagnostics": [],
        }
        chosen.console.answer_json(document)
    elif write is not None:
        chosen.console.answer([Line(f"Wrote {write}; `tuneops plan` shows it.")])
    else:
        chosen.console.answer_text(text)
    return 0


def _version(session: Session, target: str) -> ObservedJob | None:
    """A version whose job is not there any more."""
    base, at, number = target.partition("@")
    if not at or f"/locations/{session.graph.target.location}/models/" not in base:
        return None
    version = (session.models.list_versions(base) or {}).get(number)
    return stand_in(version, session.graph.target.owners) if version else None
