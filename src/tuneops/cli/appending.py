"""Add text to files that belong to somebody else: a job summary, the outputs of a step."""

from pathlib import Path

from tuneops.errors import DiskError


def append(path: Path, text: str) -> None:
    """Add text at the end; DiskError when that cannot be done."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as fault:
        raise DiskError(f"cannot write `{path}`: {fault.strerror}") from fault
