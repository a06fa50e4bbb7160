"""`tuneops reconcile`: one pass of the loop that CI runs on a schedule."""

from typing import Any

import click

from tuneops.cli.commands.apply import failing, finish, refuse_empty
from tuneops.cli.main import options
from tuneops.cli.options import Command, common
from tuneops.cli.project import open_project
from tuneops.cli.running import Watcher, exit_code
from tuneops.cli.session import Session, alone, connect, refuse_unguarded, terms
from tuneops.engine.reconcile import Report, tick
from tuneops.errors import Denied
from tuneops.store.git import Checkout, read_checkout


@click.command("reconcile", cls=Command)
@common
@click.option("--once", is_flag=True, required=True, help="One pass, then exit.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 8 while jobs are running.")
@click.option("--allow-empty", is_flag=True, help="Go on when the specs declare no job at all.")
@click.pass_context
def command(
    context: click.Context, /, once: bool, detailed_exitcode: bool, allow_empty: bool, **values: Any
) -> int:
    """Look at everything, do what the committed specs allow, write the lock, exit.

    For schedules: it asks nobody, and it refuses specs that are not committed.

    \b
    Examples:
      tuneops reconcile --once
      tuneops reconcile --once --env prod --detailed-exitcode
      tuneops reconcile --once --format json
    """
    chosen = options(context, values)
    project = open_project(chosen)
    environment = project.declaration.target.environment
    watcher = Watcher(chosen.console)
    with alone(project, environment), connect(project, watcher) as session:
        watcher.clock = session.now
        checkout = read_checkout(project.root, ask_remote=True)
        _refuse_uncommitted(session, checkout)
        refuse_unguarded(session)
        refuse_empty(session, allow_empty=allow_empty)
        limits = terms(
            session, checkout, approval=None, may_cancel=checkout.at_default_tip is not False
        )
        report = Report()
        with failing("reconcile", chosen, session, report, watcher):
            report.ticks.append(tick(session.graph, session.world, limits))
        code = exit_code(report, waited=False, detailed=detailed_exitcode)
        return finish("reconcile", chosen, session, report, watcher, code)


def _refuse_uncommitted(session: Session, checkout: Checkout) -> None:
    """Spend nothing that git did not cause; outside a repository only the emulator is free."""
    if checkout.commit is None and session.emulated:
        return
    if checkout.commit is None or checkout.dirty:
        raise Denied(
            "unattended runs need committed specs, and these are not",
            notes=("nothing was bought, nothing was changed",),
            help="commit what is below `specs/`, or run `tuneops apply` yourself",
        )
