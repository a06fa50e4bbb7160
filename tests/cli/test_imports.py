"""What a command imports: nobody waits for a library that is not used."""

import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import bare, script

HEAVY = {
    "httpx", "deepdiff", "google", "rich", "werkzeug", "filelock", "google_crc32c", "msgspec",
}  # fmt: skip

LOADED = """
import json, sys
before = set(sys.modules)
from tuneops import __main__
sys.argv = ["tuneops", *sys.argv[1:]]
try:
    __main__.main()
except SystemExit as end:
    assert not end.code, end.code
there = {name for name, module in sys.modules.items() if module is not None}
names = {name.partition(".")[0] for name in there - before}
print(json.dumps(sorted(names)), file=sys.stderr)
"""


def loaded(folder: Path, *words: str) -> set[str]:
    done = script(folder, LOADED, *words, env=bare())
    assert done.code == 0, done.err
    names = set(json.loads(done.err.splitlines()[-1]))
    return {name for name in names if name not in sys.stdlib_module_names and name != "tuneops"}


def test_the_version_imports_no_library_at_all(tmp_path: Path) -> None:
    assert loaded(tmp_path, "--version") <= {"_sitebuiltins"}


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--help",),
        ("plan", "--help"),
        ("apply", "--help"),
        ("data", "check", "--help"),
        ("help", "exit-codes"),
        ("schema",),
    ],
    ids=" ".join,
)
def test_a_page_imports_no_heavy_library(words: tuple[str, ...], tmp_path: Path) -> None:
    assert not loaded(tmp_path, *words) & HEAVY


@pytest.mark.parametrize("command", ["plan", "status"])
def test_looking_imports_nothing_that_only_acting_needs(command: str, sample: Path) -> None:
    found = loaded(sample, command)
    assert not found & {"filelock", "rich", "pygments", "deepdiff"}, found


def test_validate_imports_no_library_of_the_network(sample: Path) -> None:
    found = loaded(sample, "validate") & HEAVY
    assert found <= {"google", "google_crc32c", "msgspec"}, "these read data; none is a network"
    without = loaded(sample, "validate", "--data", "none") & HEAVY
    assert without <= {"google", "google_crc32c"}


def test_a_plan_that_asks_nobody_imports_nothing_to_ask_with(sample: Path) -> None:
    found = loaded(sample, "plan", "--frozen") & HEAVY
    assert found <= {"google", "google_crc32c", "msgspec"}, "these read data; none is a network"
