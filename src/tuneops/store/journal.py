"""The journal: what was asked and answered since the lock was last written, a line each.

A line is on disk before the POST that it announces. A torn last line is what a crash leaves behind:
whatever it would have announced was not sent yet, or is announced by the line before it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tuneops import strict
from tuneops.core.desired import Target
from tuneops.core.lock import Creation, Lock
from tuneops.core.recipe import SPELLING
from tuneops.diagnostics import Diagnostic
from tuneops.errors import LockDamaged
from tuneops.store import files


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One fact: an entry as it stands, or that it came to nothing."""

    __pydantic_config__ = SPELLING
    address: str
    key: str
    creation: Creation | None = None


class Journal:
    """An append-only file beside the emulator's state; empty whenever the lock says it all.

    That of an emulator is a file of its own: a rehearsal that was cut off says nothing of real
    jobs, and the other way round.
    """

    def __init__(self, folder: Path, environment: str, *, emulated: bool = False) -> None:
        self.path = folder / f"journal.{environment}{'.emulator' if emulated else ''}.jsonl"

    def remember(self, address: str, key: str, creation: Creation) -> None:
        """Put an entry on disk."""
        self._append(Line(address=address, key=key, creation=creation))

    def forget(self, address: str, key: str) -> None:
        """Put on disk that an intent came to nothing."""
        self._append(Line(address=address, key=key))

    def prove(self) -> None:
        """Show that a line can be written now: an empty one says nothing."""
        files.append(self.path, b"\n")

    def creations(self) -> Mapping[str, tuple[str, Creation]]:
        """What was asked for, as it was known last, by its key and with its address."""
        lines = self._lines()
        return {one.key: (one.address, one.creation) for one in lines if one.creation is not None}

    def replay(self, lock: Lock) -> Lock:
        """The lock with all that the journal adds to it; an answer is never undone."""
        lines = self._lines()
        moved = {key: address for address, key, _ in lock.creations()} if lines else {}
        said: dict[tuple[str, str], Creation | None] = {}
        for line in lines:
            address = moved.get(line.key, line.address)
            place = (address, line.key)
            known = said[place] if place in said else lock.at(address).creations.get(line.key)
            if line.creation is None:
                if known is not None and known.unanswered:
                    said[place] = None
            elif known is None or known.unanswered:
                said[place] = line.creation
                moved[line.key] = address
            elif line.creation.job == known.job:
                said[place] = replace(
                    known,
                    cancel_asked=_said(known.cancel_asked, line.creation.cancel_asked),
                    delete_asked=_said(known.delete_asked, line.creation.delete_asked),
                )
        return lock.record((address, key, creation) for (address, key), creation in said.items())

    def clear(self) -> None:
        """Empty the journal: the lock holds everything that it said."""
        if self.path.exists():
            files.remove(self.path)

    def _append(self, line: Line) -> None:
        value = _adapter().dump_python(line, mode="json", by_alias=True, exclude_none=True)
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        files.append(self.path, text.encode() + b"\n")

    def _lines(self) -> list[Line]:
        content = files.read(self.path) or b""
        *whole, torn = content.split(b"\n")
        lines = []
        for number, text in enumerate(whole, start=1):
            if not text:
                continue
            try:
                lines.append(_adapter().validate_python(strict.decode(text)))
            except (strict.Malformed, ValidationError) as fault:
                if number == len(whole) and not torn:
                    break
                raise _damaged(self.path, number) from fault
        return lines


def journal_of(folder: Path, target: Target, environment: str | None = None) -> Journal:
    """The journal of a target, or of the same under an old name of its environment."""
    emulated = target.provider == "emulator"
    return Journal(folder, environment or target.environment, emulated=emulated)


def _said(known: bool | None, later: bool | None) -> bool | None:
    """What was asked for stays so; else the later word counts, if there is one."""
    return known if known or later is None else later


def _damaged(path: Path, number: int) -> LockDamaged:
    return LockDamaged(
        (
            Diagnostic(
                code="journal-damaged",
                message=f"line {number} of `{path.parent.name}/{path.name}` cannot be read",
                help="it records creates that the lock may not know; keep a copy, remove it, and "
                "the next `tuneops apply` finds the jobs by their labels",
            ),
        )
    )


@cache
def _adapter() -> TypeAdapter[Line]:
    return TypeAdapter(Line)
