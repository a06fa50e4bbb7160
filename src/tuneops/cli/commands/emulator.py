"""`tuneops emulator`: serve it, move its time on, empty it."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuneops.cli.duration import Duration
from tuneops.cli.main import options
from tuneops.cli.options import Command, Group, Options, common
from tuneops.errors import ApprovalNeeded, InputError, TuneopsError
from tuneops.render.lines import Line, counted

if TYPE_CHECKING:
    from tuneops.cli.project import Project


@click.group("emulator", cls=Group)
def command() -> None:
    """Serve the built-in Vertex emulator, move its time on, break it on purpose, empty it.

    \b
    Examples:
      tuneops emulator serve --print-env
      tuneops emulator fault 'tuningJobs.create:accept-then-drop'
      tuneops emulator requests --last 3
    """


def _state(chosen: Options, *, make: bool = False) -> Any:
    """The state folder: of the project around here, or of this folder when there is none."""
    from tuneops.cli.project import STATE, no_project
    from tuneops.store.specs import find_root

    start = chosen.directory or Path.cwd()
    root = find_root(start)
    if root is None and not make and not (start / STATE / "emulator.db").is_file():
        raise InputError((no_project(start),))
    folder = (root or start) / STATE
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text("*\n")
    return folder


@command.command("serve", cls=Command)
@common
@click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=8085,
    show_default=True,
    help="Where to listen; 0 takes a free port.",
)
@click.option(
    "--speed",
    metavar="FACTOR",
    type=click.FloatRange(min=0, min_open=True),
    default=3600,
    show_default=True,
    help="Virtual seconds that pass in one of ours.",
)
@click.option(
    "--fault", "faults", metavar="SCRIPT", multiple=True, help="Break something on purpose."
)
@click.option(
    "--fault-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Read such scripts from a file.",
)
@click.option(
    "--quota",
    metavar="LIMIT[:MODE]",
    help="Jobs at once; past that they queue, or are told to reject or fail.",
)
@click.option("--print-env", is_flag=True, help="Print the variables to export, too.")
@click.pass_context
def serve(
    context: click.Context,
    /,
    port: int,
    speed: float,
    faults: tuple[str, ...],
    fault_file: Path | None,
    quota: str | None,
    print_env: bool,
    **values: Any,
) -> int:
    """Serve the emulator over HTTP until Ctrl-C.

    It listens on this machine only.

    The first line of stdout is its URL.

    \b
    Examples:
      tuneops emulator serve
      tuneops emulator serve --port 0 --speed 60 --print-env
      tuneops emulator serve --fault 'tuningJobs.create:503*3' --quota 1:reject
    """
    from tuneops.cli.emulating import queue_faults, set_quota, unmet_lines
    from tuneops.cli.services import open_emulator
    from tuneops.emulator.server import EmulatorServer

    chosen = options(context, values)
    with open_emulator(_state(chosen, make=True), wall_dates=True) as emulator:
        queue_faults(emulator, faults, fault_file)
        set_quota(emulator, quota)
        emulator.set_speed(speed)
        try:
            with EmulatorServer(emulator, port=port) as server:
                lines = [Line(server.url)]
                if print_env:
                    lines.append(Line(f"export GOOGLE_VERTEX_BASE_URL={server.url}"))
                    lines.append(Line(f"export STORAGE_EMULATOR_HOST={server.url}"))
                chosen.console.answer(lines)
                server.serve_forever()
        except OSError as fault:
            raise TuneopsError(
                f"port {port} cannot be used: {fault.strerror}",
                help="give another `--port`; 0 takes a free one",
            ) from fault
        finally:
            emulator.set_speed(1.0)
            chosen.console.complain(unmet_lines(emulator))
    return 0


@command.command("fault", cls=Command)
@common
@click.argument("scripts", metavar="[SCRIPT]...", nargs=-1)
@click.option("--clear", is_flag=True, help="Forget the faults that were not met yet.")
@click.pass_context
def fault(context: click.Context, /, scripts: tuple[str, ...], clear: bool, **values: Any) -> int:
    """Break something on purpose, or list what was asked for and not met yet.

    A SCRIPT is METHOD:ACTION[=VALUE][@PLACE][*COUNT], such as tuningJobs.list:lag=120s or
    job:fail=13@post-processing.

    \b
    Examples:
      tuneops emulator fault 'tuningJobs.create:accept-then-drop'
      tuneops emulator fault 'tuningJobs.create:503*3' 'tuningJobs.list:lag=120s'
      tuneops emulator fault --clear
    """
    from tuneops.cli.emulating import queue_faults
    from tuneops.cli.services import open_emulator

    chosen = options(context, values)
    with open_emulator(_state(chosen)) as emulator:
        if clear:
            emulator.forget_faults()
        queue_faults(emulator, scripts, None)
        unmet = emulator.unmet()
    if chosen.machine:
        chosen.console.answer_json(
            {"formatVersion": 1, "command": "emulator fault", "unmet": unmet}
        )
    else:
        lines = [Line(text) for text in unmet] or [Line("No fault is waiting to be met.")]
        chosen.console.answer(lines)
    return 0


@command.command("requests", cls=Command)
@common
@click.option(
    "--last",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="How many.",
)
@click.option("--base-url", metavar="URL", help="Ask this address instead of Google.")
@click.pass_context
def requests(context: click.Context, /, last: int, base_url: str | None, **values: Any) -> int:
    """Show what was asked of the emulator, as curl lines.

    Pasted as they are, they ask Google: a create then costs money.

    \b
    Examples:
      tuneops emulator requests
      tuneops emulator requests --last 1
      tuneops emulator requests --base-url http://127.0.0.1:8085
    """
    from tuneops.cli.services import open_emulator
    from tuneops.emulator.curl import curl_line

    chosen = options(context, values)
    with open_emulator(_state(chosen)) as emulator:
        asked = emulator.requests(last)
    if chosen.machine:
        document = {
            "formatVersion": 1,
            "command": "emulator requests",
            "requests": [
                {
                    "time": one.at,
                    "method": one.method,
                    "path": one.path,
                    "status": one.status,
                    "curl": curl_line(one, base_url),
                }
                for one in asked
            ],
        }
        chosen.console.answer_json(document)
    else:
        chosen.console.answer(
            [Line(f"{curl_line(one, base_url)}  # {one.status or 'answer lost'}") for one in asked]
            or [Line("Nothing was asked yet.")]
        )
    return 0


@command.command("advance", cls=Command)
@common
@click.argument("length", type=Duration())
@click.pass_context
def advance(context: click.Context, /, length: timedelta, **values: Any) -> int:
    """Move the emulator's time on.

    LENGTH is a length of time, such as 90s, 15m or 2h.

    \b
    Examples:
      tuneops emulator advance 30m
      tuneops emulator advance 2h
      tuneops emulator advance 1h30m --format json
    """
    from tuneops.cli.services import open_emulator

    chosen = options(context, values)
    with open_emulator(_state(chosen)) as emulator:
        emulator.advance(length)
        moment = emulator.time()
    if chosen.machine:
        chosen.console.answer_json(
            {"formatVersion": 1, "command": "emulator advance", "time": moment.isoformat()}
        )
    else:
        chosen.console.answer([Line(f"The emulator's time is now {moment:%Y-%m-%d %H:%M:%S} UTC.")])
    return 0


@command.command("reset", cls=Command)
@common
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def reset(context: click.Context, /, yes: bool, **values: Any) -> int:
    """Forget all jobs, models and objects.

    The lock is not touched: remove it as well to start anew.

    \b
    Examples:
      tuneops emulator reset
      tuneops emulator reset --yes
      tuneops emulator reset --yes --format json
    """
    from tuneops.cli.services import EmulatorOutdated, open_emulator, remove_emulator

    chosen = options(context, values)
    state = _state(chosen)
    with contextlib.ExitStack() as stack:
        projects = [stack.enter_context(_alone(project)) for project in _emulated(chosen)]
        try:
            emulator = stack.enter_context(open_emulator(state))
        except EmulatorOutdated:
            if not yes:
                _ask(chosen, "jobs of another version of tuneops")
            remove_emulator(state)
            emulator = stack.enter_context(open_emulator(state))
        jobs = len(emulator.jobs())
        if not yes and jobs:
            _ask(chosen, counted(jobs, "job"))
        emulator.reset()
        locks = [lock for project in projects if (lock := _forget(project))]
    if chosen.machine:
        document = {
            "formatVersion": 1,
            "command": "emulator reset",
            "forgotten": jobs,
            "locks": locks,
        }
        chosen.console.answer_json(document)
    else:
        lines = [Line(f"The emulator is empty; it forgot {counted(jobs, 'job')}.")]
        lines += [Line(f"To start anew, remove {lock} as well.") for lock in locks]
        chosen.console.answer(lines)
    return 0


def _ask(chosen: Options, what: str) -> None:
    """Have a person confirm that something is forgotten."""
    if chosen.machine or not sys.stdin.isatty() or os.environ.get("CI") == "true":
        raise ApprovalNeeded(
            f"the emulator holds {what} and there is no terminal to ask",
            notes=("nothing was forgotten",),
            help="give `--yes`",
        )
    click.confirm(f"Forget {what}?", abort=True, err=True)


def _emulated(chosen: Options) -> list["Project"]:
    """The project around here, once for each environment that lives on this emulator."""
    from tuneops.cli.project import open_project
    from tuneops.store.specs import find_root

    if find_root(chosen.directory or Path.cwd()) is None:
        return []
    names = open_project(replace(chosen, environments=())).resolution.environments
    projects = [open_project(replace(chosen, environments=(name,))) for name in names]
    return [one for one in projects if one.declaration.target.provider == "emulator"]


@contextlib.contextmanager
def _alone(project: "Project") -> Iterator["Project"]:
    from tuneops.cli.session import alone

    with alone(project, project.declaration.target.environment):
        yield project


def _forget(project: "Project") -> str | None:
    """Drop what guards the creates of a world that is gone; name the lock that still knows it."""
    from tuneops.store.journal import journal_of
    from tuneops.store.lockfile import LockFile

    target = project.declaration.target
    journal = journal_of(project.state, target)
    journal.clear()
    for name in (target.environment, f"{target.environment}.served"):
        shutil.rmtree(project.state / "claims" / name, ignore_errors=True)
    lock = LockFile(project.root, target, journal)
    return lock.shown if lock.exists else None
