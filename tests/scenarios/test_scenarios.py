"""Every text file beside this one: what is given above the line, what comes of it below it."""

import re
from pathlib import Path

import pytest

from tests.support.scenario import cases, halves, tell


@pytest.mark.parametrize("path", cases(), ids=lambda path: path.stem)
def test_the_plan_is_as_the_file_says(path: Path) -> None:
    upper, lower = halves(path)
    assert upper.startswith("# "), "a story begins with a line that says what it is about"
    assert tell(upper) == lower
    heads = [line.partition(": ")[0] for line in lower.splitlines() if not line.startswith(" ")]
    assert heads[-3:] == ["apply", "reconcile", "reconcile off the tip"]


def test_the_table_of_events_names_stories_that_there_are_each_once() -> None:
    table = Path(__file__).parents[2] / "docs" / "events.md"
    rows = [line.split(" | ") for line in table.read_text().splitlines() if line.startswith("| ")]
    named = [name for row in rows[2:] for name in re.findall(r"`([a-z0-9-]+)`", row[-1])]
    assert len(named) == len(set(named)) > 100
    assert set(named) <= {path.stem for path in cases()}


def test_the_stories_are_found() -> None:
    assert len(cases()) > 30
