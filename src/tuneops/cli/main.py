"""The command line: its first screen, its commands by name, and one place where faults end."""

import difflib
import importlib
import os
import signal
import sys
from types import FrameType
from typing import Any

import click

from tuneops.cli.console import Console
from tuneops.cli.options import Options, common, take
from tuneops.errors import InputError, TuneopsError
from tuneops.render.lines import Line

FIRST_SCREEN = """\
Declare Gemini tuning jobs in YAML; plan, apply and reconcile them from git.

Usage: tuneops [--env NAME] [--directory DIR] COMMAND [ARGS]

Start here:
  demo        Run the sample specs on the built-in emulator, in a temporary folder

Every day:
  validate    Check specs and datasets (offline)
  plan        Show what would run, and why
  apply       Run the plan
  status      Show jobs, versions and checkpoints
  reconcile   One pass of the loop that CI runs on a schedule

Look closer:
  output      Print one result for scripts
  lock        Show and check what was made

Tools:
  emulator    Serve it, advance its time, reset it
  schema      Print the JSON schema of the specs, for editors

Run `tuneops COMMAND --help`, or `tuneops help exit-codes`.
"""

COMMANDS = {
    "demo": "demo",
    "validate": "validate",
    "plan": "plan",
    "apply": "apply",
    "status": "status",
    "reconcile": "reconcile",
    "output": "output",
    "lock": "lock",
    "emulator": "emulator",
    "schema": "schema",
    "help": "help",
}
"""Each command's module below `tuneops.cli.commands`; it is imported when the command runs."""


class Commands(click.Group):
    """The commands, imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the first screen."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tuneops.cli.commands.{COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The first screen is written by hand."""
        formatter.write(FIRST_SCREEN)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@common
@click.option("-V", "--version", is_flag=True, help="Print the version.")
@click.pass_context
def tuneops(context: click.Context, /, version: bool, **values: Any) -> None:
    """Declare Gemini tuning jobs in YAML; plan, apply and reconcile them from git."""
    context.obj = take(values)
    if version:
        from tuneops import __version__

        click.echo(f"tuneops {__version__} (lock format 1, spec tuneops.dev/v1)")
        context.exit()
    if context.invoked_subcommand is None:
        click.echo(FIRST_SCREEN, nl=False)


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def run(words: list[str]) -> int:
    """Run the command line; give the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    console = Console(color=_flag(words, "--color") or "auto")
    machine = "json" in (_flag(words, "-f"), _flag(words, "--format")) or (
        os.environ.get("TUNEOPS_FORMAT") == "json"
    )
    try:
        code = tuneops.main(words, prog_name="tuneops", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as end:
        return int(end.exit_code)
    except click.UsageError as fault:
        _usage(fault, console)
        return 64
    except TuneopsError as fault:
        return _report(fault, console, machine=machine)
    except (KeyboardInterrupt, click.Abort):
        return 130
    except Terminated:
        return 143
    except Exception as fault:  # the one place where a bug of ours ends
        return _bug(fault, console, words)


def _flag(words: list[str], name: str) -> str | None:
    """A flag's value, read before click does, for faults that come before click is done."""
    for index, word in enumerate(words):
        if word == name and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def _usage(fault: click.UsageError, console: Console) -> None:
    """Say what was mistyped, what was meant, and how the command is called."""
    message = fault.format_message().rstrip(".")
    context = fault.ctx
    near = _near(fault, context) if context else None
    meant = f"; did you mean `{near}`?" if near and "Did you mean" not in message else ""
    lines = [Line(f"error: {message[:1].lower()}{message[1:]}{meant}", "error")]
    if context is not None:
        lines.append(Line(context.get_usage()))
    console.complain(lines)


def _near(fault: click.UsageError, context: click.Context) -> str | None:
    """The command that a mistyped one resembles."""
    words = fault.format_message().replace("'", " ").replace(".", " ").split()
    if "command" in words and isinstance(context.command, click.Group):
        known = context.command.list_commands(context)
        close = difflib.get_close_matches(words[-1], known, n=1)
        return close[0] if close else None
    return None


def _report(fault: TuneopsError, console: Console, *, machine: bool) -> int:
    """Show a fault and its findings; give its exit code."""
    findings = fault.findings if isinstance(fault, InputError) else (fault.as_diagnostic(),)
    if machine:
        from tuneops.render.findings import findings_json

        document = {
            "formatVersion": 1,
            "diagnostics": findings_json(findings),
            "exitCode": fault.exit_code,
        }
        console.answer_json(document)
    else:
        console.complain_of(findings)
    return fault.exit_code


def _bug(fault: Exception, console: Console, words: list[str]) -> int:
    """Say that it is our bug; a traceback only with `-vv`."""
    name = type(fault).__name__
    console.complain(
        [
            Line(f"error[internal]: {name}; this is a bug in tuneops", "error"),
            Line("    note: a job that was being created is found by its labels on the next run"),
            Line("    help: run it again with `-vv` to see the traceback, and report it"),
        ]
    )
    if "-vv" in words:
        import traceback

        traceback.print_exception(fault, file=sys.stderr)
    return 1


def options(context: click.Context, values: dict[str, Any]) -> Options:
    """The common flags of a command, with those given before its name."""
    above = context.find_object(Options)
    return take(values, above)
