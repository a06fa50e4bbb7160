"""`tuneops plan`: show what would run, and why. It writes nothing but the file it is asked for."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, max_cost, summarized


@click.command("plan", cls=Command)
@summarized
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan, for `tuneops apply PLAN`.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 with changes, 3 with holds.")
@click.option("--show-unchanged", is_flag=True, help="List what is in sync, too.")
@click.option(
    "--what-if",
    "supposed",
    metavar="PATH=VALUE",
    multiple=True,
    help="Plan as if a spec had this value: ADDRESS.path.of.the.field=VALUE.",
)
@click.option("--locked", is_flag=True, help="Fail (exit 5) if specs and lock differ.")
@click.option(
    "--frozen",
    "--no-refresh",
    "frozen",
    is_flag=True,
    help="Ask nobody: plan from specs and lock, without network and login.",
)
@click.option("--allow-empty", is_flag=True, help="Plan although the specs declare no job at all.")
@max_cost
@click.pass_context
def command(
    context: click.Context,
    /,
    out: Path | None,
    detailed_exitcode: bool,
    show_unchanged: bool,
    supposed: tuple[str, ...],
    locked: bool,
    frozen: bool,
    allow_empty: bool,
    max_cost: Decimal | None,
    **values: Any,
) -> int:
    """Show what would run, and why. Nothing is bought, nothing is changed.

    \b
    Examples:
      tuneops plan --env prod --out plan.json
      tuneops plan --frozen --locked
      tuneops plan --what-if support-bot/tone.nonce=again
    """
    from tuneops.cli.planning import plan

    if supposed and out is not None:
        raise click.UsageError("a plan of `--what-if` is of no spec: it cannot be saved", context)
    if frozen and out is not None:
        raise click.UsageError("a plan that asked nobody cannot be saved for `apply`", context)
    return plan(
        options(context, values),
        out=out,
        detailed_exitcode=detailed_exitcode,
        show_unchanged=show_unchanged,
        supposed=supposed,
        max_cost=max_cost,
        locked=locked,
        frozen=frozen,
        allow_empty=allow_empty,
    )
