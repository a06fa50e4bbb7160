"""`tuneops demo`: the sample specs on the built-in emulator, from nothing to an edit.

A script over the public commands: what it shows is what anybody would see who typed them.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tuneops.cli.console import Console, colored, columns_of
from tuneops.cli.main import options
from tuneops.cli.options import Command, common
from tuneops.errors import TuneopsError
from tuneops.render.lines import Line, folded

_STYLED = re.compile(r"((?:\x1b\[[0-9;]*m)+)(.*?)((?:\x1b\[[0-9;]*m)+)")

EDITED = "specs/support-bot.yaml"
BEFORE = """\
        trainingDatasetUri: data/refunds.jsonl
        hyperParameters:
          epochCount: 2
"""
AFTER = BEFORE.replace("epochCount: 2", "epochCount: 3")


@click.command("demo", cls=Command)
@common
@click.pass_context
def command(context: click.Context, /, **values: Any) -> int:
    """Run the sample specs on the built-in emulator: no account, no cost, no network.

    \b
    Examples:
      tuneops demo
      tuneops demo -v
      tuneops demo --color never
    """
    chosen = options(context, values)
    if chosen.machine:
        raise click.UsageError("the demo is for people; it has no JSON", context)
    folder = Path(tempfile.mkdtemp(prefix="tuneops-demo-"))
    shutil.copytree(_samples(), folder / "specs", ignore=shutil.ignore_patterns("*.lock.json"))
    stage = _Stage(folder=folder, console=chosen.console, whole=bool(chosen.verbose))
    _tour(stage)
    return 0


def _tour(stage: "_Stage") -> None:
    stage.tell(f"tuneops demo · the sample specs on the built-in emulator, in {stage.folder}")
    stage.run("1/6  check the specs and their data", "validate")
    stage.run("2/6  see what would run", "plan")
    stage.run("3/6  run it; an hour of training passes in a moment", "apply", "--wait")
    spec = stage.folder / EDITED
    text = spec.read_text(encoding="utf-8")
    if BEFORE not in text:
        raise TuneopsError(f"the sample `{EDITED}` is not the one that this demo edits")
    spec.write_text(text.replace(BEFORE, AFTER), encoding="utf-8")
    stage.tell("", "4/6  edit refunds, epochCount 2 -> 3: it runs again, and what follows from it")
    stage.run("", "plan", details=True)
    stage.run("5/6  converge; the second run finds nothing to do", "apply", "--wait")
    stage.run("", "apply", "--wait")
    stage.run("6/6  what is there now, and what the lock remembers", "status")
    stage.run("", "lock", "show", "support-bot/refunds")
    stage.tell(
        "",
        "All of it is in that folder. Try:",
        f"  cd {stage.folder}",
        f"  {_name()} plan --show-unchanged",
        f"  {_name()} why support-bot/tone",
        f"  edit {EDITED}, then: {_name()} plan",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    folder: Path
    console: Console
    whole: bool

    def tell(self, *texts: str) -> None:
        """Print a heading."""
        self.console.answer([Line(text, "strong") for text in texts])

    def run(self, title: str, *words: str, details: bool = False) -> None:
        """Run a command as a person would, and show what it says; all of it only with -v."""
        if title:
            self.tell("", title)
        self.console.answer([Line(f"     $ tuneops {' '.join(words)}", "dim")])
        color = "always" if colored(sys.stdout, self.console.color) else "never"
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TUNEOPS_", "GOOGLE_", "STORAGE_EMULATOR"))
        }
        done = subprocess.run(
            [sys.executable, "-m", "tuneops", *words, "--color", color],
            cwd=self.folder,
            env=environment,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        for line in done.stdout.splitlines():
            if self.whole or details or not line.startswith("    ") or done.returncode != 0:
                self.console.answer_text(_indented(line, columns_of(sys.stdout)))
        if done.returncode != 0:
            raise TuneopsError(f"`tuneops {' '.join(words)}` ended with {done.returncode}")


def _indented(line: str, room: int) -> str:
    """A line that is plain or of one colour, below a heading, broken where a terminal would be."""
    styled = _STYLED.fullmatch(line)
    before, text, after = styled.groups() if styled else ("", line, "")
    pieces = folded(f"     {text}".rstrip(), room) if room else [f"     {text}".rstrip()]
    return "".join(f"{before}{piece}{after}\n" for piece in pieces)


def _samples() -> Path:
    """The sample specs: packed with tuneops, or beside it in a checkout."""
    package = Path(__file__).parents[2]
    for folder in (package / "samples", package.parents[1] / "specs"):
        if (folder / "workspace.yaml").is_file():
            return folder
    raise TuneopsError("the sample specs are not there", help="reinstall tuneops")


def _name() -> str:
    """How to call this tuneops from another folder."""
    if shutil.which("tuneops"):
        return "tuneops"
    return str(Path(sys.argv[0]).absolute())
