"""`tuneops emulator`: serve it, move its time on, empty it."""

from datetime import timedelta
from typing import Any

import click

from tuneops.cli.duration import Duration
from tuneops.cli.main import options
from tuneops.cli.options import Options, common
from tuneops.cli.project import STATE
from tuneops.errors import Denied
from tuneops.render.lines import Line, counted


@click.group("emulator")
def command() -> None:
    """Serve the built-in Vertex emulator, move its time on, empty it."""


def _state(chosen: Options) -> Any:
    """The state folder: of the project around here, or of this folder when there is none."""
    from pathlib import Path

    from tuneops.store.specs import find_root

    start = chosen.directory or Path.cwd()
    folder = (find_root(start) or start) / STATE
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text("*\n")
    return folder


@command.command("serve")
@common
@click.option("--port", type=click.IntRange(0, 65535), default=8085, show_default=True)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=3600.0,
    show_default=True,
    help="Virtual seconds that pass in one of ours.",
)
@click.option("--print-env", is_flag=True, help="Print the variables to export, too.")
@click.pass_context
def serve(
    context: click.Context, /, port: int, speed: float, print_env: bool, **values: Any
) -> int:
    """Serve the emulator over HTTP, on this machine only, until Ctrl-C.

    The first line of stdout is its URL. Port 0 takes a free port.

    \b
    Examples:
      tuneops emulator serve
      tuneops emulator serve --port 0 --speed 60
      tuneops emulator serve --print-env
    """
    from tuneops.cli.session import open_emulator
    from tuneops.emulator.server import EmulatorServer

    chosen = options(context, values)
    with open_emulator(_state(chosen), wall_dates=True) as emulator:
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
            raise Denied(
                f"port {port} cannot be used: {fault.strerror}",
                help="give another `--port`; 0 takes a free one",
            ) from fault
        finally:
            emulator.set_speed(1.0)
    return 0


@command.command("advance")
@common
@click.argument("length", type=Duration())
@click.pass_context
def advance(context: click.Context, /, length: timedelta, **values: Any) -> int:
    """Move the emulator's time on by LENGTH, such as 90s, 15m or 2h.

    \b
    Examples:
      tuneops emulator advance 30m
      tuneops emulator advance 2h
      tuneops emulator advance 1h30m --format json
    """
    from tuneops.cli.session import open_emulator

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


@command.command("reset")
@common
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def reset(context: click.Context, /, yes: bool, **values: Any) -> int:
    """Forget all jobs, models and objects of the emulator. The lock is not touched.

    \b
    Examples:
      tuneops emulator reset
      tuneops emulator reset --yes
      tuneops emulator reset --yes --format json
    """
    import sys

    from tuneops.cli.session import open_emulator

    chosen = options(context, values)
    with open_emulator(_state(chosen)) as emulator:
        jobs = len(emulator.jobs())
        if not yes and jobs:
            if not sys.stdin.isatty():
                raise Denied(
                    f"the emulator holds {counted(jobs, 'job')} and there is no terminal to ask",
                    help="give `--yes`",
                )
            click.confirm(f"Forget {counted(jobs, 'job')}?", abort=True, err=True)
        emulator.reset()
    if chosen.machine:
        document = {"formatVersion": 1, "command": "emulator reset", "forgotten": jobs}
        chosen.console.answer_json(document)
    else:
        chosen.console.answer([Line(f"The emulator is empty; it forgot {counted(jobs, 'job')}.")])
    return 0
