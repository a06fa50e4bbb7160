"""`tuneops help`: the page of a command, and pages that belong to no single command."""

from collections.abc import Mapping

import click

from tuneops.cli.exits import ADVICE, CODES
from tuneops.cli.options import Group

VARIABLES = {
    "TUNEOPS_DIRECTORY": "as --directory",
    "TUNEOPS_ENV": "as --env",
    "TUNEOPS_FORMAT": "as --format",
    "TUNEOPS_COLOR": "as --color",
    "TUNEOPS_SHARD": "as --shard of `reconcile`",
    "TUNEOPS_SETTLE": "how long an unanswered create may still land; default: 15m",
    "TUNEOPS_VAR_NAME": "the variable `name` of the specs, as ${var.name}",
    "NO_COLOR": "no colours, unless --color says otherwise",
    "FORCE_COLOR": "colours off a terminal, too",
    "COLUMNS": "how wide the terminal is, whatever it says itself",
    "CI": "`true`: nothing is asked, no colours",
    "JOB_COMPLETION_INDEX": "the index of a shard `/N`, set by Kubernetes",
    "CLOUD_RUN_TASK_INDEX": "the index of a shard, set by Cloud Run, with CLOUD_RUN_TASK_COUNT",
    "GITHUB_OUTPUT": "where `plan --format github` writes the outputs of a step",
    "GOOGLE_APPLICATION_CREDENTIALS": "a Google login; default: that of gcloud",
    "GOOGLE_VERTEX_BASE_URL": "another Vertex AI, such as a served emulator",
    "STORAGE_EMULATOR_HOST": "another Cloud Storage, such as a served emulator",
}


WORDS = {
    "ticket-router": "a job on its own",
    "support-bot/tone": "a stage of a chain",
    "support-bot/": "all stages of a chain",
    "'faq-*'": "all that the pattern matches; quoted, so that the shell leaves it alone",
    "support-bot/tone+": "the stage, and all that descends from it",
    "+support-bot/tone": "the stage, and all that it descends from",
}


class Topics(Group):
    """Every command has a page here as well."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of our own pages, or the page of a command."""
        return super().get_command(ctx, cmd_name) or _page_of(ctx, cmd_name)


def _page_of(context: click.Context, name: str) -> click.Command | None:
    root = context.find_root()
    assert isinstance(root.command, click.Group), "the root is the group of all commands"
    found = root.command.get_command(root, name)
    if found is None:
        return None

    @click.command(name, context_settings={"ignore_unknown_options": True})
    @click.argument("below", nargs=-1)
    def page(below: tuple[str, ...]) -> int:
        with click.Context(found, parent=root, info_name=name) as above:
            _show(found, above, below)
        return 0

    return page


def _show(command: click.Command, context: click.Context, below: tuple[str, ...]) -> None:
    if not below:
        click.echo(context.get_help())
        return
    name, *rest = below
    inner = command.get_command(context, name) if isinstance(command, click.Group) else None
    if inner is None:
        raise click.UsageError(f"no such command '{name}'", context)
    with click.Context(inner, parent=context, info_name=name) as deeper:
        _show(inner, deeper, tuple(rest))


@click.group("help", cls=Topics, invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Explain a command, the exit codes, the variables, or how jobs are named.

    \b
    Examples:
      tuneops help exit-codes
      tuneops help addresses
      tuneops help plan
    """
    if context.invoked_subcommand is None:
        click.echo(context.find_root().get_help())


@command.command("exit-codes")
def exit_codes() -> int:
    """Print the exit codes: what each means, and what a script does about it.

    \b
    Example:
      tuneops help exit-codes
    """
    for code, meaning in CODES.items():
        click.echo(f"{code:>4}  {meaning}")
        if code in ADVICE:
            click.echo(f"      {ADVICE[code]}")
    return 0


@command.command("addresses")
def addresses() -> int:
    """Print how jobs are named on the command line.

    \b
    Example:
      tuneops help addresses
    """
    _print(WORDS)
    return 0


@command.command("environment")
def environment() -> int:
    """Print the variables that tuneops reads.

    \b
    Example:
      tuneops help environment
    """
    _print(VARIABLES)
    return 0


def _print(rows: Mapping[str, str]) -> None:
    widest = max(map(len, rows))
    for name, meaning in rows.items():
        click.echo(f"  {name:<{widest}}  {meaning}")
