"""What both tools are asked to live through, and the table that comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass

STORIES: dict[str, str] = {
    "kill": "kill -9 during the create, then run again",
    "checkouts": "two runs at once, two checkouts",
    "folder": "two runs at once, one folder",
    "lost": "the state is lost, then run again",
    "empty": "the state is empty, then run again",
    "truncated": "half of the state, then run again",
    "markers": "merge markers in the state, then run again",
    "repeated": "a key twice in the state, then run again",
    "stale": "a saved plan, then another run, then the saved plan",
    "tampered": "what the saved plan would run is changed in its file",
    "link": "the state is a link to another file",
    "int": "SIGINT during the create, then run again",
    "hup": "SIGHUP during the create, then run again",
    "full": "no room for the state on the disk, then run again",
    "readonly": "a folder that cannot be written",
    "secret": "a secret in what is planned",
    "escapes": "terminal escapes in text from outside",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a story ended; None where a number says nothing about it."""

    made: int | None
    remembered: int | None
    code: int
    verdict: str


def judged(made: int, remembered: int, code: int, *, elsewhere: int = 0) -> Outcome:
    """The verdict that follows from the numbers alone; `elsewhere`: known to another checkout."""
    if made > 1:
        verdict = "bought twice"
    elif remembered + elsewhere < made:
        verdict = "forgot a job"
    elif code:
        verdict = "refused, nothing bought"
    else:
        verdict = "as it should be"
    return Outcome(made, remembered, code, verdict)


DOCUMENTED: Mapping[str, Outcome] = {
    "kill": Outcome(2, 1, 0, "bought twice"),
    "checkouts": Outcome(2, 1, 0, "bought twice"),
    "folder": Outcome(1, 1, 1, "refused, nothing bought"),
    "lost": Outcome(2, 1, 0, "bought twice"),
    "empty": Outcome(2, 1, 0, "bought twice"),
    "truncated": Outcome(1, 1, 1, "refused, nothing bought"),
    "markers": Outcome(1, 1, 1, "refused, nothing bought"),
    "repeated": Outcome(2, 1, 0, "bought twice"),
    "stale": Outcome(1, 1, 1, "refused, nothing bought"),
    "tampered": Outcome(1, 1, 0, "ran what was not approved"),
    "link": Outcome(1, 1, 0, "wrote through the link"),
    "int": Outcome(2, 1, 0, "bought twice"),
    "hup": Outcome(2, 1, 0, "bought twice"),
    "full": Outcome(1, 0, 1, "forgot a job"),
    "readonly": Outcome(0, 0, 1, "refused, nothing bought"),
    "secret": Outcome(None, None, 0, "in clear in the saved plan"),
    "escapes": Outcome(None, None, 0, "printed raw"),
}
"""Terraform's column where there is no terraform to ask."""
MEASURED = "measured 2026-11, terraform 1.11.4"


def table(ours: Mapping[str, Outcome], theirs: Mapping[str, Outcome], name: str) -> str:
    """Both columns; jobs made / remembered, the exit code, the verdict."""
    rows = [("story", f"{name}: jobs", "exit", "verdict", "tuneops: jobs", "exit", "verdict")]
    for key, words in STORIES.items():
        cells = [words]
        for found in (theirs.get(key), ours.get(key)):
            cells += _cells(found)
        rows.append(tuple(cells))  # type: ignore[arg-type]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]]) + "\n"


def _cells(found: Outcome | None) -> list[str]:
    if found is None:
        return ["-", "-", "-"]
    jobs = "-" if found.made is None else f"{found.made} made, {found.remembered} remembered"
    return [jobs, str(found.code), found.verdict]
