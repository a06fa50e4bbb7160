"""`tuneops resume`: let jobs begin again that were suspended, or cancelled by somebody."""

from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, common, dry_run, reason, some_nodes


@click.command("resume", cls=Command)
@common
@some_nodes
@reason("Say why, beside the id of the cancelled job.")
@dry_run
@click.pass_context
def command(
    context: click.Context,
    /,
    nodes: tuple[str, ...],
    reason: str,
    dry_run: bool,
    **values: Any,
) -> int:
    """Let these jobs begin again.

    Takes `suspend` out of their specs. A job that somebody cancelled is held
    as long as its spec says nothing: then its id is written down as `resume`,
    and the next run trains it again. Nothing else changes. `tuneops help
    addresses` shows how to name jobs.

    \b
    Examples:
      tuneops resume support-bot/tone
      tuneops resume support-bot/ --reason "cancelled by mistake"
      tuneops resume 'faq-*' --dry-run
    """
    from tuneops.cli.editing import Wish, resume

    wish = Wish(reason=reason, dry_run=dry_run)
    return resume(options(context, values), nodes, wish)
