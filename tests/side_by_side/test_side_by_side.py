"""Our half of some stories, on every push; `make side-by-side` tells all of them, of both tools."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Nursery
from tests.side_by_side import ours, theirs
from tests.side_by_side.table import DOCUMENTED, STORIES, Outcome, judged, table

EXPECTED = {
    "kill": Outcome(1, 1, 0, "as it should be"),
    "checkouts": Outcome(1, 1, 0, "as it should be"),
    "folder": Outcome(1, 1, 6, "refused, nothing bought"),
    "lost": Outcome(1, 1, 0, "as it should be"),
    "repeated": Outcome(1, 1, 65, "refused, nothing bought"),
    "stale": Outcome(1, 1, 0, "as it should be"),
    "tampered": Outcome(0, 0, 5, "refused, nothing bought"),
    "secret": Outcome(None, None, 65, "refused, and not repeated"),
    "escapes": Outcome(None, None, 1, "printed inert"),
}


@pytest.fixture(scope="module")
def nurseries() -> list[Nursery]:
    found = [Nursery(), Nursery()]
    yield found  # type: ignore[misc]
    for nursery in found:
        nursery.close()


@pytest.mark.parametrize("key", EXPECTED)
def test_our_half_of_a_story(key: str, tmp_path: Path, nurseries: list[Nursery]) -> None:
    assert ours.live(key, tmp_path, nurseries) == EXPECTED[key]


def test_every_story_is_told_of_both() -> None:
    assert list(ours.TOLD) == list(theirs.TOLD) == list(STORIES) == list(DOCUMENTED)


def test_the_table_shows_what_is_missing_as_missing() -> None:
    lines = table({"kill": judged(2, 1, 0)}, {}, "nobody").splitlines()
    assert len(lines) == 2 + len(STORIES)
    assert lines[2].split() == [
        *STORIES["kill"].split(), "-", "-", "-", "2", "made,", "1", "remembered", "0",
        "bought", "twice",
    ]  # fmt: skip
