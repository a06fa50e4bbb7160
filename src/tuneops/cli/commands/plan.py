"""`tuneops plan`: show what would run, and why. It writes nothing but the file it is asked for."""

import os
from pathlib import Path
from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, Options, common
from tuneops.cli.project import open_project
from tuneops.cli.session import Session, connect
from tuneops.core.plan import Plan
from tuneops.core.planner import make_plan
from tuneops.engine.reconcile import survey
from tuneops.errors import DiskError
from tuneops.render.plan import plan_json, plan_markdown, plan_text
from tuneops.store.planfile import write_plan


@click.command("plan", cls=Command)
@common
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan, for `tuneops apply PLAN`.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 with changes, 3 with holds.")
@click.option("--show-unchanged", is_flag=True, help="List what is in sync, too.")
@click.pass_context
def command(
    context: click.Context,
    /,
    out: Path | None,
    detailed_exitcode: bool,
    show_unchanged: bool,
    **values: Any,
) -> int:
    """Show what would run, and why. Nothing is bought, nothing is changed.

    \b
    Examples:
      tuneops plan
      tuneops plan --env prod --out plan.json
      tuneops plan --detailed-exitcode --format json
    """
    chosen = options(context, values)
    with connect(open_project(chosen), lambda _: None) as session:
        view = survey(session.graph, session.world, session.settle)
        plan = make_plan(view)
        if out is not None:
            write_plan(out, plan_json(plan, session.header), plan)
        show_plan(chosen, session, plan, unchanged=show_unchanged or bool(chosen.verbose))
    if not detailed_exitcode:
        return 0
    if plan.holds:
        return 3
    return 0 if plan.settled else 2


def show_plan(chosen: Options, session: Session, plan: Plan, *, unchanged: bool) -> None:
    """Print a plan in the chosen format, and to the summary file if there is one."""
    console, header = chosen.console, session.header
    markdown = ""
    if chosen.format in ("markdown", "github") or chosen.summary:
        markdown = plan_markdown(plan, session.graph, header)
    if chosen.summary:
        append_summary(chosen.summary, markdown)
    if chosen.format == "github":
        write_outputs(plan)
    match chosen.format:
        case "json":
            console.answer_json(plan_json(plan, header))
        case "markdown":
            console.answer_text(markdown)
        case _:
            console.answer(plan_text(plan, session.graph, header, unchanged=unchanged))


def append_summary(path: Path, markdown: str) -> None:
    """Add Markdown to a job summary."""
    append(path, markdown + "\n")


def append(path: Path, text: str) -> None:
    """Add text to a file of somebody else's."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as fault:
        raise DiskError(f"cannot write `{path}`: {fault.strerror}") from fault


def write_outputs(plan: Plan) -> None:
    """Set a workflow step's outputs, where a workflow asks for them."""
    path = os.environ.get("GITHUB_OUTPUT")
    if path:
        lines = {
            "changes": str(not plan.settled).lower(),
            "paid": str(len(plan.buys)),
            "holds": str(len(plan.holds)),
            "digest": plan.digest,
        }
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        append(Path(path), text)
