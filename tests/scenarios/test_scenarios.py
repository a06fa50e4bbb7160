"""Every text file beside this one: what is given above the line, what the plan says below it."""

from pathlib import Path

import pytest

from tests.support.scenario import cases, halves, tell


@pytest.mark.parametrize("path", cases(), ids=lambda path: path.stem)
def test_the_plan_is_as_the_file_says(path: Path) -> None:
    upper, lower = halves(path)
    assert upper.startswith("# "), "a story begins with a line that says what it is about"
    assert tell(upper) == lower


def test_the_stories_are_found() -> None:
    assert len(cases()) > 30
