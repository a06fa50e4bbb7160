"""Print: the answer on stdout, the conversation on stderr, colours on a terminal only."""

import io
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from tuneops.diagnostics import Diagnostic
from tuneops.errors import DiskError
from tuneops.render.lines import Line, folded, plain

STYLES = {
    "create": "green",
    "continue": "green",
    "adopt": "cyan",
    "wait": "cyan",
    "point": "cyan",
    "cancel": "red",
    "retire": "yellow",
    "hold": "magenta",
    "error": "bold red",
    "warning": "bold yellow",
    "strong": "bold",
    "dim": "dim",
}


_EXCERPT = re.compile(r" *\d* \|")
"""A line of a file, or the caret below it, as findings show them."""

ASCII = str.maketrans({"·": "-", "…": "...", "»": ">", "→": "->", "\N{EN DASH}": "-", "█": "#"})
"""Our own signs for a screen or a file whose encoding has none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Where a command speaks. `color` is `auto`, `always` or `never`."""

    color: str = "auto"
    quiet: bool = False
    verbose: bool = False

    def answer(self, lines: Iterable[Line]) -> None:
        """Print the answer."""
        self._print(sys.stdout, lines)

    def answer_json(self, document: dict[str, Any]) -> None:
        """Print the answer for a machine; `##[` in a text is spelled so that no log obeys it."""
        text = json.dumps(document, indent=2, ensure_ascii=True).replace("##[", r"##\u005b")
        _write(sys.stdout, f"{text}\n")

    def answer_text(self, text: str) -> None:
        """Print the answer as it is."""
        _write(sys.stdout, text)

    def say(self, lines: Iterable[Line]) -> None:
        """Tell the person who watches; not with `--quiet`."""
        if not self.quiet:
            self._print(sys.stderr, lines)

    def complain(self, lines: Iterable[Line]) -> None:
        """Report a fault, with `--quiet` too."""
        self._print(sys.stderr, lines)

    def complain_of(self, findings: Sequence[Diagnostic], *, files: int | None = None) -> None:
        """Report findings; with the number of files that were read, count them at the end."""
        from tuneops.render.findings import finding_text, summary

        lines: list[Line] = []
        for finding in findings:
            head, *rest = finding_text(finding).splitlines()
            lines.append(Line(head, finding.severity.value))
            lines += [Line(text, "excerpt" if _EXCERPT.match(text) else "") for text in rest]
            lines.append(Line())
        if files is not None:
            lines.append(Line(summary(findings, files=files)))
        elif lines:
            lines.pop()
        self.complain(lines)

    def _print(self, stream: TextIO, lines: Iterable[Line]) -> None:
        if room := columns_of(stream):
            lines = [part for line in lines for part in _fitted(line, room)]
        if not colored(stream, self.color):
            _write(stream, plain(lines))
            return
        from rich.console import Console as Rich
        from rich.text import Text

        buffer = io.StringIO()
        rich = Rich(
            file=buffer,
            force_terminal=True,
            color_system="standard",
            no_color=False,
            soft_wrap=True,
            highlight=False,
        )
        for line in lines:
            rich.print(Text(line.text.rstrip(), style=STYLES.get(line.manner, "")))
        _write(stream, buffer.getvalue())


def _fitted(line: Line, room: int) -> list[Line]:
    """The lines that a terminal shows for one; an excerpt stays above its caret."""
    if line.manner == "excerpt":
        return [line]
    return [Line(text, line.manner) for text in folded(line.text.rstrip(), room)]


def columns_of(stream: TextIO) -> int:
    """How many columns the terminal has; 0 for what is none, or does not say."""
    if not stream.isatty():
        return 0
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal():
        return int(said)
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return 0


def colored(stream: TextIO, color: str) -> bool:
    """Decide on colours: the flag beats NO_COLOR, NO_COLOR beats the forcing variables."""
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if os.environ.get("TERM") == "dumb" or os.environ.get("CI"):
        return False
    return stream.isatty()


def _write(stream: TextIO, text: str) -> None:
    """Write, whatever the encoding can hold; a closed pipe is not a fault of ours.

    A run is not ended because nobody can be told of it; DiskError when the answer is lost.

    `##[` orders something of a workflow's log wherever it stands in a line (source: actions/runner,
    `ActionCommand.TryParse`), and we never say it ourselves.
    """
    encoding = stream.encoding or "utf-8"
    text = text.replace("##[", r"##\u{5B}")
    try:
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            spelled = text.translate(ASCII)
            text = spelled.encode(encoding, errors="backslashreplace").decode(encoding)
        stream.write(text)
        stream.flush()
    except OSError as fault:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, stream.fileno())
        if stream is sys.stdout and not isinstance(fault, BrokenPipeError):
            raise DiskError(f"cannot write the answer: {fault.strerror}") from fault
