"""Make a plan and show it: what `plan` does, and what `apply` shows before it asks."""

import os
from dataclasses import replace
from pathlib import Path

from tuneops.cli.appending import append
from tuneops.cli.checking import refuse_bad_data
from tuneops.cli.options import Options
from tuneops.cli.project import open_project
from tuneops.cli.session import Session, connect
from tuneops.core.plan import Plan
from tuneops.core.planner import make_plan
from tuneops.engine.reconcile import survey
from tuneops.render.plan import plan_json, plan_markdown, plan_text
from tuneops.store.planfile import write_plan


def plan(
    chosen: Options,
    *,
    out: Path | None,
    detailed_exitcode: bool,
    show_unchanged: bool,
    supposed: tuple[str, ...],
) -> int:
    """Show what would run; give the exit code."""
    project = open_project(chosen, suppositions=supposed)
    with connect(project, lambda _: None) as joined:
        session = replace(joined, header=replace(joined.header, supposed=supposed))
        refuse_bad_data(session)
        view = survey(session.graph, session.world, session.settle)
        made = make_plan(view)
        if out is not None:
            write_plan(out, plan_json(made, session.header), made)
        show_plan(chosen, session, made, unchanged=show_unchanged or bool(chosen.verbose))
    if not detailed_exitcode:
        return 0
    if made.holds:
        return 3
    return 0 if made.settled else 2


def show_plan(chosen: Options, session: Session, plan: Plan, *, unchanged: bool) -> None:
    """Print a plan in the chosen format, and to the summary file if there is one."""
    console, header = chosen.console, session.header
    markdown = ""
    if chosen.format in ("markdown", "github") or chosen.summary:
        markdown = plan_markdown(plan, session.graph, header)
    if chosen.summary:
        append(chosen.summary, markdown + "\n")
    if chosen.format == "github":
        write_outputs(plan)
    match chosen.format:
        case "json":
            console.answer_json(plan_json(plan, header))
        case "markdown":
            console.answer_text(markdown)
        case _:
            console.answer(plan_text(plan, session.graph, header, unchanged=unchanged))


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
