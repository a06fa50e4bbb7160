"""`tuneops lock`: show what was made, and check that it is what the specs ask for."""

from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, common
from tuneops.errors import Stale, TuneopsError
from tuneops.render.lines import Line, counted


@click.group("lock")
def command() -> None:
    """Show and check what was made.

    \b
    Examples:
      tuneops lock show
      tuneops lock show support-bot/tone
      tuneops lock check
    """


@command.command("show", cls=Command)
@common
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@click.pass_context
def show(context: click.Context, /, addresses: tuple[str, ...], **values: Any) -> int:
    """Show the lock's entries, all or some.

    \b
    Examples:
      tuneops lock show
      tuneops lock show support-bot/tone
      tuneops lock show --format json
    """
    from tuneops.cli.locks import read_lock
    from tuneops.cli.project import open_project
    from tuneops.render.status import lock_text

    chosen = options(context, values)
    lock = read_lock(open_project(chosen))
    known = sorted({*lock.jobs, *lock.retired})
    wanted = list(addresses) or known
    if unknown := [address for address in wanted if address not in known]:
        raise TuneopsError(
            f"`{unknown[0]}` is not in the lock",
            help=f"addresses there: {', '.join(known) or 'none'}",
        )
    if chosen.machine:
        import json

        from tuneops.store.lockfile import dump

        content = json.loads(dump(lock))
        books = {**content.get("retired", {}), **content.get("jobs", {})}
        entries = {address: books[address] for address in wanted}
        chosen.console.answer_json({"formatVersion": 1, "command": "lock show", "jobs": entries})
    elif not wanted:
        chosen.console.answer([Line("The lock is empty: nothing was made yet.")])
    else:
        chosen.console.answer(lock_text(lock, wanted))
    return 0


@command.command("check", cls=Command)
@common
@click.pass_context
def check(context: click.Context, /, **values: Any) -> int:
    """Fail (exit 5) if specs and lock differ.

    It looks at the service as well: what was deleted there is a difference, too.

    \b
    Examples:
      tuneops lock check
      tuneops lock check --env prod
      tuneops lock check --format json
    """
    from tuneops.cli.project import open_project
    from tuneops.cli.session import connect
    from tuneops.core.planner import make_plan
    from tuneops.engine.reconcile import survey

    chosen = options(context, values)
    with connect(open_project(chosen), lambda _: None) as session:
        plan = make_plan(survey(session.graph, session.world, session.settle))
        differing = [c.address for c in plan.changes if c.action.value not in ("keep",)]
        if differing:
            raise Stale(
                f"{session.locks.shown} does not match the specs",
                notes=(f"{counted(len(differing), 'job')} differ: {', '.join(differing)}",),
                help="run `tuneops plan` to see why",
            )
        count = counted(len(plan.desired), "job")
        if chosen.machine:
            chosen.console.answer_json(
                {"formatVersion": 1, "command": "lock check", "jobs": len(plan.desired)}
            )
        else:
            chosen.console.answer([Line(f"{session.locks.shown} matches the specs: {count}.")])
    return 0
