"""`tuneops validate`: check specs and datasets, offline."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tuneops.cli.appending import publish
from tuneops.cli.main import options
from tuneops.cli.options import Command, summarized
from tuneops.cli.project import Project, open_project
from tuneops.diagnostics import Diagnostic, has_errors, sort_key
from tuneops.render.findings import findings_github, findings_json, findings_text
from tuneops.render.lines import Line, counted, fenced

if TYPE_CHECKING:
    from tuneops.cli.checking import Depth
    from tuneops.datasets.checks import DatasetSummary


@click.command("validate", cls=Command)
@summarized
@click.option(
    "--data",
    type=click.Choice(("none", "sample", "full")),
    default="full",
    show_default=True,
    help="How much of each dataset to read: nothing, its head, or all of it.",
)
@click.pass_context
def command(context: click.Context, /, data: "Depth", **values: Any) -> int:
    """Check specs and datasets, offline: nothing is sent, nothing is written.

    With `--data sample` or `--data full`, objects in buckets are read as well.
    With `--data full`, the files that examples name on gs:// are looked for, too:
    whether they are there, how large, of which type. How long sound and film
    last, and how many pages a document has, is not checked.

    \b
    Examples:
      tuneops validate
      tuneops validate --data sample
      tuneops validate --format github
    """
    chosen = options(context, values)
    console = chosen.console
    project = open_project(chosen)
    source = context.get_parameter_source("data")
    asked = source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    summaries, more = _look_at_data(project, data, remote=asked)
    findings = tuple(sorted([*project.findings, *more], key=sort_key))
    code = 65 if has_errors(findings) else 0
    read = project.files + len(summaries)
    if publish(chosen, fenced("validate", findings_text(findings, files=read))):
        return code
    if chosen.format == "json":
        console.answer_json(_document(project, summaries, findings, code))
        return code
    if chosen.format == "github":
        console.answer_text(findings_github(findings))
    elif findings:
        console.complain_of(findings, files=read)
    if code == 0:
        examples = sum(summary.examples for summary in summaries)
        data_words = (
            f", {counted(len(summaries), 'dataset')}, {counted(examples, 'example')}"
            if summaries
            else ""
        )
        console.answer(
            [Line(f"{counted(project.files, 'spec file')}{data_words}: {_verdict(findings)}.")]
        )
    return code


def _look_at_data(
    project: Project, depth: "Depth", *, remote: bool
) -> tuple[list["DatasetSummary"], list[Diagnostic]]:
    if depth == "none":  # nor is what would read them imported
        return [], []
    from tuneops.cli.checking import check_data

    declaration = project.resolution.declaration
    if declaration is None or not remote:
        return check_data(project, depth=depth)
    from tuneops.cli.media import media_of
    from tuneops.cli.services import join_store

    look = partial(media_of, project) if depth == "full" else None
    if all(ref.is_local for _, ref in declaration.datasets()):
        return check_data(project, depth=depth, look=look)
    with join_store(project) as store:
        return check_data(project, depth=depth, store=store, look=look)


def _verdict(findings: tuple[Diagnostic, ...]) -> str:
    return counted(len(findings), "warning") if findings else "no problems"


def _document(
    project: Project,
    summaries: list["DatasetSummary"],
    findings: tuple[Diagnostic, ...],
    code: int,
) -> dict[str, Any]:
    return {
        "formatVersion": 1,
        "command": "validate",
        "summary": {
            "files": project.files,
            "datasets": len(summaries),
            "examples": sum(summary.examples for summary in summaries),
        },
        "diagnostics": findings_json(findings),
        "exitCode": code,
    }
