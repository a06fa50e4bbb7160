"""`tuneops suspend`: let nothing of some jobs begin, in git."""

from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, common, day, dry_run, reason, some_nodes


@click.command("suspend", cls=Command)
@common
@some_nodes
@day
@reason("Say why, in the spec.")
@dry_run
@click.pass_context
def command(
    context: click.Context,
    /,
    nodes: tuple[str, ...],
    until: str,
    reason: str,
    dry_run: bool,
    **values: Any,
) -> int:
    """Let nothing of these jobs begin; what runs goes on.

    It is written into the specs and takes effect when it is committed. With
    --until it is over by itself after that day. `tuneops help
    addresses` shows how to name jobs.

    \b
    Examples:
      tuneops suspend support-bot/tone
      tuneops suspend support-bot/ --until 2027-01-31 --reason "price freeze"
      tuneops suspend 'faq-*' --dry-run
    """
    from tuneops.cli.editing import Wish, suspend

    wish = Wish(reason=reason, until=until, dry_run=dry_run)
    return suspend(options(context, values), nodes, wish)
