"""`tuneops status`: jobs, versions and checkpoints."""

from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, nodes, summarized


@click.command("status", cls=Command)
@summarized
@nodes
@click.option(
    "-o",
    "--output",
    type=click.Choice(("wide",)),
    help="wide: with states, attempts, job names, endpoints, tokens, costs and plans.",
)
@click.pass_context
def command(
    context: click.Context, /, nodes: tuple[str, ...], output: str | None, **values: Any
) -> int:
    """Show jobs, model versions and checkpoints, of all jobs or some. Reads only.

    `tuneops help addresses` shows how to name jobs.

    \b
    Examples:
      tuneops status
      tuneops status support-bot/ --env prod -o wide
      tuneops status --format json
    """
    from tuneops.cli.appending import publish
    from tuneops.cli.costing import knowledge
    from tuneops.cli.nodes import parents_of, select
    from tuneops.cli.planning import with_waits
    from tuneops.cli.project import open_project
    from tuneops.cli.session import connect
    from tuneops.core.planner import make_plan
    from tuneops.costs.charges import charges
    from tuneops.engine.reconcile import survey
    from tuneops.render.lines import fenced, plain
    from tuneops.render.status import some_of, status_json, status_text

    chosen = options(context, values)
    project = open_project(chosen)
    with connect(project, lambda _: None) as session:
        view = survey(session.graph, session.world, session.settle)
        plan = with_waits(make_plan(view), view, session)
        if nodes:
            wanted = select(nodes, parents_of(project.declaration.jobs), "the specs")
            plan = some_of(plan, wanted)
        costs = None
        if output == "wide":
            costs = charges(plan, view, knowledge(project, plan, view, whole=True))
        if publish(chosen, fenced("status", plain(status_text(plan, view, costs)))):
            return 0
        if chosen.machine:
            chosen.console.answer_json(status_json(plan, view, costs))
        else:
            chosen.console.answer(status_text(plan, view, costs))
    return 0
