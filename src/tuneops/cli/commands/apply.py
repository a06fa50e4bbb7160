"""`tuneops apply`: run the plan."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from tuneops.cli.duration import Duration
from tuneops.cli.main import options
from tuneops.cli.options import Command, allow_empty, max_cost, summarized, weaker_guard


@click.command("apply", cls=Command)
@summarized
@click.argument(
    "plan_file", metavar="[PLAN]", required=False, type=click.Path(path_type=Path, dir_okay=False)
)
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--expect-digest", metavar="DIGEST", help="Apply only the plan with this digest.")
@click.option("--wait/--no-wait", default=False, help="Follow the jobs until all is settled.")
@click.option(
    "--timeout", type=Duration(), default="12h", show_default=True, help="How long to wait."
)
@allow_empty
@weaker_guard
@max_cost
@click.pass_context
def command(
    context: click.Context,
    /,
    plan_file: Path | None,
    auto_approve: bool,
    expect_digest: str | None,
    wait: bool,
    timeout: timedelta,
    allow_empty: bool,
    allow_weaker_guard: bool,
    max_cost: Decimal | None,
    **values: Any,
) -> int:
    """Run the plan: submit what can start now, and with --wait follow it to the end.

    On the embedded emulator --wait moves virtual time on, and nothing costs anything.

    \b
    Examples:
      tuneops apply --wait
      tuneops plan --out plan.json && tuneops apply plan.json
      tuneops apply --env prod --auto-approve --timeout 6h --wait
    """
    from tuneops.cli.applying import Wishes, apply

    wishes = Wishes(
        plan_file=plan_file,
        auto_approve=auto_approve,
        expect_digest=expect_digest,
        wait=wait,
        timeout=timeout,
        allow_empty=allow_empty,
        allow_weaker_guard=allow_weaker_guard,
        max_cost=max_cost,
    )
    return apply(options(context, values), wishes)
