"""What the emulator's commands share: faults and quota as people write them."""

from collections.abc import Iterable
from pathlib import Path

import click

from tuneops.emulator.application import Emulator, FaultError, Quota
from tuneops.emulator.quota import MODES
from tuneops.render.lines import Line


def queue_faults(emulator: Emulator, scripts: Iterable[str], file: Path | None) -> None:
    """Queue faults from the command line and from a file; all of them, or none."""
    text = "\n".join([*scripts, file.read_text(encoding="utf-8") if file else ""])
    if text.strip():
        try:
            emulator.faults(text)
        except FaultError as mistake:
            raise click.UsageError(str(mistake)) from mistake


def set_quota(emulator: Emulator, text: str | None) -> None:
    """Set how many jobs may run at once, and what becomes of one too many."""
    if text is None:
        return
    limit, _, word = text.partition(":")
    mode = next((mode for mode in MODES if mode == (word or "queue")), None)
    if not limit.isdigit() or mode is None:
        raise click.UsageError(f"`{text}` is no quota; write it as 1 or 1:{'|'.join(MODES)}")
    emulator.set_quota(Quota(limit=int(limit), mode=mode))


def unmet_lines(emulator: Emulator) -> list[Line]:
    """The faults that were asked for and never met."""
    return [Line(f"never met: {text}", "hold") for text in emulator.unmet()]
