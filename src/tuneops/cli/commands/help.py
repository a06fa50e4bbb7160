"""`tuneops help`: pages that belong to no single command."""

import click

from tuneops.cli.exits import CODES


@click.group("help")
def command() -> None:
    """Explain what no single command explains."""


@command.command("exit-codes")
def exit_codes() -> int:
    """Print the exit codes and what they mean.

    \b
    Example:
      tuneops help exit-codes
    """
    for code, meaning in CODES.items():
        click.echo(f"{code:>4}  {meaning}")
    return 0
