"""`tuneops reconcile`: the loop that CI runs on a schedule, one pass or until all is settled."""

import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from tuneops.cli.duration import Duration
from tuneops.cli.main import options
from tuneops.cli.options import Command, allow_empty, max_cost, summarized, weaker_guard


@click.command("reconcile", cls=Command)
@summarized
@click.option("--once", is_flag=True, help="One pass, then exit.")
@click.option(
    "--until",
    type=click.Choice(("settled",)),
    help="Go on until nothing is left to do or to wait for.",
)
@click.option(
    "--for",
    "length",
    type=Duration(),
    metavar="TIME",
    help="With --until: give up after this time, such as 6h (default: 24h).",
)
@click.option("--only-free", is_flag=True, help="Follow and repair; buy nothing.")
@click.option(
    "--fleet",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Every workspace below this folder.",
)
@click.option(
    "--shard",
    metavar="I/N",
    envvar="TUNEOPS_SHARD",
    help="Only part I of N of the environments, from 0; /N takes the scheduler's index.",
)
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what was done, and what is left, as Markdown.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 8 while jobs are running.")
@allow_empty
@weaker_guard
@max_cost
@click.pass_context
def command(
    context: click.Context,
    /,
    once: bool,
    until: str | None,
    length: timedelta | None,
    only_free: bool,
    fleet: Path | None,
    shard: str | None,
    report: Path | None,
    detailed_exitcode: bool,
    allow_empty: bool,
    allow_weaker_guard: bool,
    max_cost: Decimal | None,
    **values: Any,
) -> int:
    """Look at everything, do what the committed specs allow, write the lock, exit.

    For schedules: it asks nobody, and it refuses specs that are not committed. Several environments
    (`--env` more than once) and whole fleets are looked after one by one; a fault of one keeps none
    of the others waiting.

    \b
    Examples:
      tuneops reconcile --once
      tuneops reconcile --until settled --for 6h --env prod
      tuneops reconcile --once --fleet teams --env staging --env prod --shard 2/8
    """
    from tuneops.cli.reconciling import Wishes, reconcile
    from tuneops.cli.shard import read_shard

    if once == (until is not None):
        raise click.UsageError("give one of `--once` and `--until settled`", context)
    if length is not None and until is None:
        raise click.UsageError("`--for` goes with `--until settled`", context)
    chosen = options(context, values)
    if fleet is not None and chosen.directory is not None:
        raise click.UsageError("give one of `--fleet` and `--directory`, not both", context)
    wishes = Wishes(
        follow=(length or timedelta(hours=24)) if until else None,
        only_free=only_free,
        fleet=fleet,
        shard=read_shard(shard, os.environ),
        report=report,
        detailed_exitcode=detailed_exitcode,
        allow_empty=allow_empty,
        allow_weaker_guard=allow_weaker_guard,
        max_cost=max_cost,
    )
    return reconcile(chosen, wishes)
