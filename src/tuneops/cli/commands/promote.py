"""`tuneops promote`: take the pin of a rollback out again."""

from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, common, dry_run


@click.command("promote", cls=Command)
@common
@click.argument("chain")
@dry_run
@click.pass_context
def command(context: click.Context, /, chain: str, dry_run: bool, **values: Any) -> int:
    """Take the pin of a rollback out of the spec of CHAIN.

    The result of the stage that its promotion names is promoted again, by the
    next run, once its gate holds.

    \b
    Examples:
      tuneops promote support-bot
      tuneops promote support-bot --env prod
      tuneops promote support-bot --dry-run
    """
    from tuneops.cli.promoting import promote

    return promote(options(context, values), chain, dry_run)
