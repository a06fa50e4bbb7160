"""Every slug of the loader has a fixture that produces it, and the fixtures know no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "src" / "tuneops" / "spec"
SLUG = re.compile(
    r'(?:code=|_Bad\(\s*|_refuse\(\s*|Misfit\(\s*|code, message = )"([a-z0-9]+(?:-[a-z0-9]+)*)"'
)
MARK = re.compile(r"^#(?:@\d+| *\^) ([a-z0-9-]+)$", re.MULTILINE)

UNIT = {"not-utf8", "too-large", "what-if"}
"""Of bytes, sizes and command lines that no fixture can hold; see test_spec_parse.py and
test_suppose.py."""


def test_every_slug_has_a_fixture() -> None:
    written = {
        slug for path in SOURCES.rglob("*.py") for slug in SLUG.findall(path.read_text("utf-8"))
    }
    folder = ROOT / "tests" / "specfiles"
    marked = {
        slug for path in folder.rglob("*.yaml") for slug in MARK.findall(path.read_text("utf-8"))
    }
    assert len(written) > 50
    assert written - UNIT == marked
