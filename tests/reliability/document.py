"""`docs/reliability.md`, of promises, faults and figures; nothing in it is typed by hand."""

from collections.abc import Iterable
from pathlib import Path

from tests.faults.matrix import MATRIX
from tests.reliability.promises import PROMISES
from tests.side_by_side.table import STORIES
from tests.simulation.test_mutants import MUTANTS
from tests.simulation.test_seeded_bugs import SEEDED
from tests.support.breaking import BREAKAGES, CALLS
from tests.support.figures import Figures, left
from tests.support.swarm import ALL_KINDS

PATH = Path(__file__).parents[2] / "docs" / "reliability.md"

HEAD = """\
# What tuneops promises, and what shows it

Written by `make reliability-doc` from `tests/reliability/promises.py`, `tests/faults/matrix.py` and
the figures that runs leave in `docs/figures`; a test compares it with them. Every promise names the
tests that would fail if it were broken, and what it does not cover.

A *creation key* stands for one job that may be bought: owner, place, recipe with its ancestors, and
attempt. The *settle time* is how long an unanswered create may still land (`TUNEOPS_SETTLE`).
"""


def render() -> str:
    """The whole document."""
    parts = [HEAD, "## Promises\n", *_promises(), _counted(), _measured(left()), _matrix()]
    return "\n".join(parts)


def _promises() -> Iterable[str]:
    for number, promise in enumerate(PROMISES, start=1):
        yield (
            f"### P{number}. {promise.says}\n\n"
            f"*How.* {promise.how}\n\n"
            f"*What is left.* {promise.left}\n\n"
            f"*Shown by.* {_named(promise.shown)}\n"
        )


def _counted() -> str:
    seeded = len(SEEDED)
    rows = [
        ("faults of the matrix, each with the test that shows it", len(MATRIX)),
        ("ways in which an answer is broken, byte by byte, on real sockets", len(BREAKAGES)),
        ("kinds of calls whose answers are broken", len(CALLS)),
        ("kinds of trouble that random worlds are made of", len(ALL_KINDS)),
        ("bugs that were put in on purpose, each noticed by a named test", seeded),
        ("further breaks of the engine, each noticed", len(MUTANTS)),
        ("accidents told of terraform and of tuneops (`make side-by-side`)", len(STORIES)),
    ]
    return "## Counted from the tests\n\n" + _table(("what", "how many"), rows)


def _measured(figures: Iterable[Figures]) -> str:
    parts = ["## Measured\n\nEach table was left by the command above it.\n"]
    for one in figures:
        rows = [(name, value) for name, value in one.counts.items()]
        parts.append(f"`{one.command}`\n\n" + _table(("figure", one.name), rows))
    return "\n".join(parts)


def _matrix() -> str:
    rows = [
        (
            number,
            fault.what + (f" ({fault.instead})" if fault.instead else ""),
            fault.code,
            _named(fault.shown),
        )
        for number, fault in MATRIX.items()
    ]
    head = (
        "## The fault matrix\n\nThe exit codes are those of the run that meets the fault "
        "(`tuneops help exit-codes`). No row ends with two jobs of one key; once it is over, "
        "a further run changes nothing.\n\n"
    )
    return head + _table(("no.", "fault", "exit code", "shown by"), rows)


def _named(tests: Iterable[str]) -> str:
    return ", ".join(f"`{test}`" for test in tests)


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if isinstance(value, float) else str(value).replace("|", "\\|")
