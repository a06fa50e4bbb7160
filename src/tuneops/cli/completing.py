"""What a shell may complete an address to: all that the locks of the project know."""

import json
from contextlib import suppress
from pathlib import Path

import click

from tuneops.store.specs import FOLDER, find_root

VARIABLE = "_TUNEOPS_COMPLETE"
"""By this the shell asks a run for completions instead of its work."""


def addresses(context: click.Context, begun: str) -> list[str]:
    """The addresses that begin so; nothing, and no fault, where no lock can be read."""
    root = find_root(context.params.get("directory") or Path())
    plus = "+" if begun.startswith("+") else ""
    names: set[str] = set()
    for path in (root / FOLDER).glob("tuneops.*.lock.json") if root is not None else ():
        with suppress(OSError, ValueError, AttributeError):
            names |= set(json.loads(path.read_bytes()).get("jobs", {}))
    chains = {f"{name.partition('/')[0]}/" for name in names if "/" in name}
    return sorted(f"{plus}{name}" for name in names | chains if f"{plus}{name}".startswith(begun))
