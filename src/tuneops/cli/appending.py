"""Add text to files that belong to somebody else: a job summary, the outputs of a step."""

from pathlib import Path

from tuneops.cli.options import Options
from tuneops.errors import DiskError

SUMMARY = 900_000
"""The largest job summary, in bytes; of more than 1 MiB for a step GitHub shows nothing at all."""

_FULL = "\nThere is more than a summary holds; see the log.\n"


def publish(chosen: Options, page: str) -> bool:
    """Add a Markdown page to the summary, if one is asked for; say whether it is the answer, too.

    DiskError when the summary cannot be written.
    """
    if chosen.summary is not None:
        size = chosen.summary.stat().st_size if chosen.summary.exists() else 0
        if size + len(page.encode()) + 1 <= SUMMARY:
            append(chosen.summary, f"{page}\n")
        elif size <= SUMMARY:
            append(chosen.summary, _FULL)
    if chosen.format == "markdown":
        chosen.console.answer_text(page)
        return True
    return False


def append(path: Path, text: str) -> None:
    """Add text at the end; DiskError when that cannot be done."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as fault:
        raise DiskError(f"cannot write `{path}`: {fault.strerror}") from fault
