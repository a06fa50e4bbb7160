"""What changed in a lock, for people: a line each, and the text of its pull request."""

from collections.abc import Iterable, Sequence

from tuneops.core.lock_changes import Difference
from tuneops.render.inert import inert
from tuneops.render.lines import Line, columns, counted, fenced, plain

PULL_TITLE = "Update the lock of tuneops"
"""One pull request carries the locks of all environments, so it names none."""

_ROOM = 40_000
"""How much of a pull request the changes may take; GitHub allows 65,536 characters in all."""

SIGNS = {
    "added": "+",
    "removed": "-",
    "retired": ".",
    "revived": "+",
    "current": "→",
    "pin": "→",
}


def change_rows(changes: Sequence[Difference]) -> list[Line]:
    """What changed, a line each."""
    manners = {"+": "create", "-": "cancel", ".": "retire", "→": "point"}
    rows = []
    for one in changes:
        values = [value for value in (one.before, one.after) if value is not None]
        if one.what == "current" and one.after is None:
            values.append("none")
        rows.append(
            (SIGNS.get(one.what, "~"), one.address, one.what, one.key or "", " -> ".join(values))
        )
    return [
        Line(inert(text), manners.get(row[0], ""))
        for row, text in zip(rows, columns(rows), strict=True)
    ]


def pull_body(environment: str, changes: Sequence[Difference]) -> str:
    """The text of the pull request that brings a lock to the default branch."""
    rows = change_rows(changes)
    shown = list(_fitting(rows))
    rest = len(rows) - len(shown)
    if rest:
        shown.append(Line(f"and {counted(rest, 'more change', 'more changes')}"))
    text = plain(shown) or "nothing that the default branch does not say\n"
    return (
        "What tuning jobs were made, and what came of them. Merging this starts no job; until it "
        "is merged, runs read the lock from this branch.\n\n"
        f"{fenced(f'lock · {environment}', text)}"
    )


def _fitting(rows: Iterable[Line]) -> Iterable[Line]:
    room = _ROOM
    for row in rows:
        room -= len(row.text) + 1
        if room < 0:
            return
        yield row
