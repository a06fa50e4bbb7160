"""`tuneops retry`: have jobs trained again, by a nonce in their specs."""

from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, common, dry_run, reason, some_nodes


@click.command("retry", cls=Command)
@common
@some_nodes
@reason("Say why, beside the nonce.")
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
    """Have these jobs trained again, and what descends from them.

    Writes a `nonce` that they never had into their specs: for a job that
    failed, or whose model was deleted. It costs what they cost, and the plan
    says so. For failures of the service's own there is a `retry` policy.
    `tuneops help addresses` shows how to name jobs.

    \b
    Examples:
      tuneops retry support-bot/tone
      tuneops retry support-bot/tone --reason "data was mended"
      tuneops retry 'faq-*' --dry-run
    """
    from tuneops.cli.editing import Wish, retry

    wish = Wish(reason=reason, dry_run=dry_run)
    return retry(options(context, values), nodes, wish)
