"""`tuneops rollback`: pin a promotion to an earlier result, in git."""

from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, common, dry_run


@click.command("rollback", cls=Command)
@common
@click.argument("chain")
@click.option("--to", metavar="RESULT", help="A version, or a stage with perhaps @ATTEMPT.")
@click.option("--checkpoint", metavar="ID", default="", help="The checkpoint to make the default.")
@dry_run
@click.pass_context
def command(
    context: click.Context,
    /,
    chain: str,
    to: str | None,
    checkpoint: str,
    dry_run: bool,
    **values: Any,
) -> int:
    """Pin the promotion of CHAIN to an earlier result, in its spec file.

    Nothing is bought, and no alias is moved yet: the pin is committed like any
    other change, and the next run obeys it. Without --to it is what the
    alias was on before, or else an earlier result of the promoted stage.

    \b
    Examples:
      tuneops rollback support-bot
      tuneops rollback support-bot --to models/55@2 --env prod
      tuneops rollback support-bot --to tone --checkpoint 3 --dry-run
    """
    from tuneops.cli.promoting import rollback

    return rollback(options(context, values), chain, to, checkpoint, dry_run)
