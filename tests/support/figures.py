"""Figures that long runs leave behind for `docs/reliability.md`: written by programs, never typed.

Each file of `docs/figures` is one run: the command that made it, and what it counted.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "figures"

Counts = Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run counted."""

    name: str
    command: str
    counts: Counts


def leave(name: str, command: str, counts: Counts) -> None:
    """Write down what a run counted, if it is a run for the document (`FIGURES=1`)."""
    if os.environ.get("FIGURES") == "1":
        FOLDER.mkdir(parents=True, exist_ok=True)
        document = {"command": command, "counts": dict(counts)}
        (FOLDER / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


def left() -> list[Figures]:
    """What was left behind, by name."""
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        document = json.loads(path.read_text())
        found.append(Figures(path.stem, document["command"], document["counts"]))
    return found
