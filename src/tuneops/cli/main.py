"""The command line: its first screen, its commands by name, and one place where faults end."""

import gc
import importlib
import os
import re
import signal
import sys
from types import FrameType
from typing import Any

import click
from click.shell_completion import CompletionItem

from tuneops.cli.console import Console
from tuneops.cli.options import FORMATS, Options, common, take
from tuneops.diagnostics import Diagnostic
from tuneops.errors import InputError, TuneopsError
from tuneops.render.lines import Line

FIRST_SCREEN = """\
Declare Gemini tuning jobs in YAML; plan, apply and reconcile them from git.

Usage: tuneops [--env NAME] [--directory DIR] COMMAND [ARGS]

Start here:
  demo        Run the sample specs on the built-in emulator, in a temporary folder

Every day:
  validate    Check specs and datasets (offline)
  plan        Show what would run, why, and what it would cost
  apply       Run the plan
  status      Show jobs, versions and checkpoints
  reconcile   One pass of the loop that CI runs on a schedule

Say in a spec:
  suspend     Let nothing of a job or chain begin
  resume      Let it begin again, also what somebody cancelled
  retry       Have it trained again, by a new nonce

Serve:
  rollback    Pin a promotion to an earlier result, in its spec
  promote     Take that pin out again

Look closer:
  output      Print one result for scripts
  why         Tell the cause and the line of a job or a model version
  lock        Show, check, merge and rebuild what was made
  discover    Find jobs that tuneops does not know
  adopt       Write a spec that takes one of them over
  data        Check, convert and compare datasets
  models      Show what is known of base models: limits, regions, prices, dates

Tools:
  emulator    Serve it, advance its time, break it, reset it
  schema      Print the JSON schema of the specs, for editors
  completion  Let a shell complete commands, options and addresses

Run `tuneops COMMAND --help`, or `tuneops help` with exit-codes, environment or addresses.
"""

COMMANDS = {
    "demo": "demo",
    "validate": "validate",
    "plan": "plan",
    "apply": "apply",
    "status": "status",
    "reconcile": "reconcile",
    "suspend": "suspend",
    "resume": "resume",
    "retry": "retry",
    "rollback": "rollback",
    "promote": "promote",
    "output": "output",
    "why": "why",
    "lock": "lock",
    "discover": "discover",
    "adopt": "adopt",
    "data": "data",
    "models": "models",
    "emulator": "emulator",
    "schema": "schema",
    "completion": "completion",
    "help": "help",
}
"""Each command's module below `tuneops.cli.commands`; it is imported when the command runs."""


GC_THRESHOLD = (200_000, 20, 100)
"""A run makes many small values that live to its end: looking for garbage less often takes a third
off `validate` of 10,000 stages, and no more memory."""


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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names that begin so; no command is imported for that."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(name) for name in COMMANDS if name.startswith(incomplete)]

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
    gc.set_threshold(*GC_THRESHOLD)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` stays what it is
            signal.signal(number, _terminate)
    console = Console(color=_flag(words, "--color") or os.environ.get("TUNEOPS_COLOR") or "auto")
    form = _flag(words, "--format", "-f") or os.environ.get("TUNEOPS_FORMAT") or "text"
    try:
        code = tuneops.main(words, prog_name="tuneops", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as end:
        return int(end.exit_code)
    except click.UsageError as fault:
        return _usage(fault, console, form)
    except TuneopsError as fault:
        findings = fault.findings if isinstance(fault, InputError) else (fault.as_diagnostic(),)
        return _report(findings, fault.exit_code, console, form)
    except (KeyboardInterrupt, click.Abort):
        return _stopped(130, console, form)
    except Terminated:
        return _stopped(143, console, form)
    except Exception as fault:  # the one place where a bug of ours ends
        if type(fault).__module__ == "sqlite3":
            return _report((_broken_emulator(fault),), 1, console, form)
        return _bug(fault, console, form, words)


def _flag(words: list[str], *names: str) -> str | None:
    """A flag's last value, read before click does, for faults that come before click is done."""
    value = None
    for word, after in zip(words, [*words[1:], ""], strict=False):
        for name in names:
            if word == name:
                value = after
            elif name.startswith("--") and word.startswith(f"{name}="):
                value = word.partition("=")[2]
            elif not name.startswith("--") and word.startswith(name):
                value = word.removeprefix(name)
    return value


def _usage(fault: click.UsageError, console: Console, form: str) -> int:
    """Say what was mistyped, what was meant, and how the command is called."""
    if type(fault).__name__ == "NoArgsIsHelpError":  # `tuneops lock` alone; newer clicks only
        click.echo(fault.format_message())
        return 0
    message, help_ = _plainly(fault)
    usage = fault.ctx.get_usage() if fault.ctx is not None else None
    if form == "json":
        finding = Diagnostic(code="usage", message=message, help=help_ or usage)
        return _report((finding,), 64, console, form)
    meant = f"; {help_}" if help_ else ""
    lines = [Line(f"error: {message}{meant}", "error")]
    if usage is not None:
        lines.append(Line(usage))
    console.complain(lines)
    return 64


def _plainly(fault: click.UsageError) -> tuple[str, str | None]:
    """A usage fault in our words: names in backticks, and what was probably meant."""
    message = re.sub(r"'([^']+)'", r"`\1`", fault.format_message())
    message = re.split(r"[. (]+(?:Did you mean|Possible options|Choose from)\b", message)[0].rstrip(
        "."
    )
    message = re.sub(r"(?i)^got (unexpected extra arguments?) \((.+)\)$", r"\1 `\2`", message)
    return f"{message[:1].lower()}{message[1:]}", _hint(fault, message)


def _hint(fault: click.UsageError, message: str) -> str | None:
    """What was probably meant, or where it is said what there is."""
    from tuneops.spec.near import near

    context = fault.ctx
    found = re.search("(?i)no such (?:command|option)s?:? `([^`]+)`", message)
    if found is not None and context is not None:
        close = near(found[1], _known(context, found[1]))
        return f"did you mean `{close}`?" if close else f"see `{context.command_path} --help`"
    chosen = re.search("`([^`]+)` is not (?:one of )?`", message)
    kind = fault.param.type if isinstance(fault, click.BadParameter) and fault.param else None
    if chosen is None or not isinstance(kind, click.Choice):
        return None
    close = near(chosen[1], map(str, kind.choices))
    if close is None and chosen[1] in FORMATS:
        close = f"--format {chosen[1]}"
    return f"did you mean `{close}`?" if close else None


def _known(context: click.Context, word: str) -> list[str]:
    """What could have been meant: the options, or the commands, that there are."""
    command = context.command
    if word.startswith("-"):
        return [name for parameter in command.get_params(context) for name in parameter.opts]
    below = command.list_commands(context) if isinstance(command, click.Group) else []
    return [*below, *COMMANDS] if command.name == "help" else below


def _report(findings: tuple[Diagnostic, ...], code: int, console: Console, form: str) -> int:
    """Show findings in the chosen format; give the exit code back."""
    if form == "json":
        from tuneops.render.findings import findings_json

        document = {"formatVersion": 1, "diagnostics": findings_json(findings), "exitCode": code}
        console.answer_json(document)
        return code
    if form == "github":
        from tuneops.render.findings import findings_github

        console.answer_text(findings_github(findings))
    console.complain_of(findings)
    return code


def _stopped(code: int, console: Console, form: str) -> int:
    """A stop before anything was begun, or after all was said."""
    if form == "json":
        _report((Diagnostic(code="stopped", message="stopped by a signal"),), code, console, form)
    return code


def _broken_emulator(fault: Exception) -> Diagnostic:
    """A disk that is full, or a file that is not the emulator's: nothing else is kept in SQLite."""
    return Diagnostic(
        code="cannot-write",
        message=f"the emulator's file `.tuneops/emulator.db` cannot be used: {fault}",
        notes=("no real job is concerned",),
        help="make room on the disk; if the file is broken, remove it and the lock to start anew",
    )


def _bug(fault: Exception, console: Console, form: str, words: list[str]) -> int:
    """Say that it is our bug; a traceback only with `-vv`."""
    finding = Diagnostic(
        code="internal",
        message=f"{type(fault).__name__}; this is a bug in tuneops",
        notes=("a job that was being created is found by its labels on the next run",),
        help="run it again with `-vv` to see the traceback, and report it",
    )
    _report((finding,), 1, console, form)
    if "-vv" in words:
        import traceback

        from tuneops.redaction import hide

        sys.stderr.write(hide("".join(traceback.format_exception(fault))))
    return 1


def options(context: click.Context, values: dict[str, Any]) -> Options:
    """The common flags of a command, with those given before its name."""
    above = context.find_object(Options)
    return take(values, above)
