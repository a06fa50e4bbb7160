"""The flags that every command has, before or after the command's name."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click

from tuneops.cli.console import Console

Function = TypeVar("Function", bound=Callable[..., Any])

FORMATS = ("text", "json", "markdown", "github")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the common flags and their variables say."""

    directory: Path | None = None
    environments: tuple[str, ...] = ()
    format: str | None = None
    color: str | None = None
    quiet: bool = False
    verbose: int = 0
    summary: Path | None = None

    @property
    def environment(self) -> str | None:
        """The one environment that is named; UsageError when there are several."""
        if len(self.environments) > 1:
            names = ", ".join(self.environments)
            raise click.UsageError(f"one environment at a time, not {names}")
        return self.environments[0] if self.environments else None

    @property
    def console(self) -> Console:
        """Where to print."""
        return Console(color=self.color or "auto", quiet=self.quiet, verbose=bool(self.verbose))

    @property
    def machine(self) -> bool:
        """Say whether stdout is for a machine."""
        return self.format == "json"


class Command(click.Command):
    """A command whose page shows its own options first, and those that all have after them."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the two groups."""
        groups: dict[str, list[tuple[str, str]]] = {"Options": [], "Options of every command": []}
        own, shared = groups.values()
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                (shared if parameter.name in (*NAMES, "help") else own).append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records, col_max=24)


class Group(click.Group):
    """Commands below a command; its page says of each what it does, to the end of the sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write their names and first sentences."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(300)) for name, one in found if one])


def common(command: Function) -> Function:
    """Give a command the common flags; it takes them out of its arguments with `options`."""
    for flag in reversed(_flags()):
        command = flag(command)
    return command


def summarized(command: Function) -> Function:
    """Give a command the common flags and `--summary`, which it must then write."""
    flag = click.option(
        "--summary",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Append the answer as Markdown to this file as well.",
    )
    return flag(common(command))


class _Dollars(click.ParamType[Decimal]):
    """An amount of US dollars above zero, such as `25` or `2.50`."""

    name = "dollars"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Read an amount."""
        text = str(value).removeprefix("$")
        if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text) or not Decimal(text):
            self.fail(f"`{value}` is no amount of US dollars, such as 25 or 2.50", param, ctx)
        return Decimal(text)


def max_cost(command: Function) -> Function:
    """Give a command `--max-cost`."""
    return click.option(
        "--max-cost",
        metavar="USD",
        type=_Dollars(),
        help="Buy nothing if the plan may cost more than this.",
    )(command)


def allow_empty(command: Function) -> Function:
    """Give a command `--allow-empty`."""
    words = "Go on when the specs declare no job at all."
    return click.option("--allow-empty", is_flag=True, help=words)(command)


def weaker_guard(command: Function) -> Function:
    """Give a command `--allow-weaker-guard`."""
    return click.option(
        "--allow-weaker-guard",
        is_flag=True,
        help="Go on where fewer runners share the creation guard than the lock records.",
    )(command)


def dry_run(command: Function) -> Function:
    """Give a command that edits specs `--dry-run`."""
    return click.option("--dry-run", is_flag=True, help="Write nothing.")(command)


def reason(words: str) -> Callable[[Function], Function]:
    """Give a command `--reason`, one line."""

    def checked(context: click.Context, parameter: click.Parameter, value: str) -> str:
        if len(value) > 200 or not value.isprintable():
            raise click.BadParameter("it is one line of at most 200 characters", context, parameter)
        return value.strip()

    return click.option("--reason", metavar="TEXT", default="", callback=checked, help=words)


def day(command: Function) -> Function:
    """Give a command `--until`."""

    def checked(context: click.Context, parameter: click.Parameter, value: str) -> str:
        wanted = "it is a day such as 2027-01-31"
        if not value:
            return ""
        try:
            last = date.fromisoformat(value)
        except ValueError:
            raise click.BadParameter(wanted, context, parameter) from None
        if last < datetime.now(UTC).date():
            raise click.BadParameter(f"{wanted}, and {last} is over", context, parameter)
        return last.isoformat()

    return click.option(
        "--until", metavar="DATE", default="", callback=checked, help="The last day of it."
    )(command)


def nodes(command: Function) -> Function:
    """Give a command the words that name jobs, as many as there are."""
    return click.argument(
        "nodes", metavar="[ADDRESS]...", nargs=-1, shell_complete=complete_address
    )(command)


def some_nodes(command: Function) -> Function:
    """Give a command the words that name jobs, one at least."""
    return click.argument(
        "nodes", metavar="ADDRESS...", nargs=-1, required=True, shell_complete=complete_address
    )(command)


def complete_address(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The addresses that a shell may complete a word to."""
    from tuneops.cli.completing import addresses

    return addresses(context, begun)


def _flags() -> list[Callable[[Any], Any]]:
    return [
        click.option(
            "-C",
            "--directory",
            metavar="DIR",
            type=click.Path(path_type=Path, exists=True, file_okay=False),
            envvar="TUNEOPS_DIRECTORY",
            help="Project root; default: the nearest folder upwards with specs/workspace.yaml.",
        ),
        click.option(
            "-e",
            "--env",
            "environments",
            metavar="NAME",
            multiple=True,
            envvar="TUNEOPS_ENV",
            help="Environment; default: the workspace's defaultEnvironment.",
        ),
        click.option(
            "-f",
            "--format",
            metavar="FORMAT",
            type=click.Choice(FORMATS),
            envvar="TUNEOPS_FORMAT",
            help="How to print the answer: text (default), json, markdown or github.",
        ),
        click.option(
            "--color",
            metavar="WHEN",
            type=click.Choice(("auto", "always", "never")),
            envvar="TUNEOPS_COLOR",
            help="Colours: auto (default, on a terminal only), always or never.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Errors and the answer only."),
        click.option("-v", "--verbose", count=True, help="Say more."),
    ]


NAMES = ("directory", "environments", "format", "color", "quiet", "verbose")


def take(values: dict[str, Any], above: Options | None = None) -> Options:
    """Take the common flags out of a command's arguments; those nearer to the end win."""
    mine = {name: values.pop(name, None) for name in (*NAMES, "summary")}
    given = {name: value for name, value in mine.items() if value}
    return replace(above or Options(), **given)
