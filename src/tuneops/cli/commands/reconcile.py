"""`tuneops reconcile`: one pass of the loop that CI runs on a schedule."""

from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, summarized


@click.command("reconcile", cls=Command)
@summarized
@click.option("--once", is_flag=True, required=True, help="One pass, then exit.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 8 while jobs are running.")
@click.option("--allow-empty", is_flag=True, help="Go on when the specs declare no job at all.")
@click.option(
    "--allow-weaker-guard",
    is_flag=True,
    help="Go on where fewer runners share the creation guard than the lock records.",
)
@click.pass_context
def command(
    context: click.Context,
    /,
    once: bool,
    detailed_exitcode: bool,
    allow_empty: bool,
    allow_weaker_guard: bool,
    **values: Any,
) -> int:
    """Look at everything, do what the committed specs allow, write the lock, exit.

    For schedules: it asks nobody, and it refuses specs that are not committed.

    \b
    Examples:
      tuneops reconcile --once
      tuneops reconcile --once --env prod --detailed-exitcode
      tuneops reconcile --once --format json
    """
    from tuneops.cli.reconciling import reconcile

    return reconcile(
        options(context, values),
        detailed_exitcode=detailed_exitcode,
        allow_empty=allow_empty,
        allow_weaker_guard=allow_weaker_guard,
    )
