"""Look into the local datasets before money is spent on them."""

from collections.abc import Container
from typing import TYPE_CHECKING

from tuneops.cli.project import Project
from tuneops.core.address import Address
from tuneops.datasets.checks import DatasetSummary, check
from tuneops.diagnostics import Diagnostic, has_errors, sort_key
from tuneops.errors import InputError

if TYPE_CHECKING:
    from tuneops.cli.session import Session


def check_data(
    project: Project, addresses: Container[Address] | None = None
) -> tuple[list[DatasetSummary], list[Diagnostic]]:
    """Check every local dataset that some jobs name, all of them by default, each once a method."""
    declaration = project.resolution.declaration
    summaries: list[DatasetSummary] = []
    findings: list[Diagnostic] = []
    seen: set[tuple[str, str]] = set()
    for job in declaration.jobs if declaration else ():
        if addresses is not None and job.address not in addresses:
            continue
        for ref in (job.training, job.validation):
            if ref is None or not ref.is_local or (ref.location, job.method) in seen:
                continue
            seen.add((ref.location, job.method))
            path = project.file(ref.location)
            if path.is_file():
                with path.open("rb") as stream:
                    checked = check(stream, path=ref.location, method=job.method)
                summaries.append(checked.summary)
                findings += checked.findings
    return summaries, findings


def refuse_bad_data(session: "Session") -> None:
    """Refuse to go on while data of a job that was never asked for has errors.

    Data that a job has read already is not looked into again. InputError, before any create.
    """
    asked = {creation.lineage for _, _, creation in session.world.locks.load().creations()}
    new = {job.address for job in session.graph.jobs if job.lineage not in asked}
    findings = tuple(sorted(check_data(session.project, new)[1], key=sort_key))
    if has_errors(findings):
        raise InputError(findings)
