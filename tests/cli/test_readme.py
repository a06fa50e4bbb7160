"""What the README shows is what happens."""

import os
import re
import shlex
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Done, tuneops
from tuneops.cli.main import COMMANDS

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")), start=1)
]


def commands(block: str) -> list[tuple[str, list[str]]]:
    """Each `$ ` line of a block, with the output that is shown below it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            assert found, "a block begins with a command"
            found[-1][1].append(line)
    return found


def matches(shown: list[str], said: list[str]) -> bool:
    """Compare lines; `...` alone stands for any number of them, and in a line for any text."""
    if not shown:
        return not said
    if shown[0] == "...":
        return any(matches(shown[1:], said[skip:]) for skip in range(len(said) + 1))
    pattern = re.sub(r"[\[?*]", "?", shown[0]).replace("...", "*")
    return bool(said) and fnmatchcase(said[0], pattern) and matches(shown[1:], said[1:])


@pytest.mark.parametrize("block", BLOCKS)
def test_every_console_block_does_what_it_shows(block: str, sample: Path) -> None:
    for command, shown in commands(block):
        words = shlex.split(command)
        assert words[0] == "tuneops", "a console block runs tuneops; other commands are `sh`"
        done: Done = tuneops(sample, *words[1:])
        assert done.code == 0, (command, done)
        if shown:
            assert matches(shown, done.out.splitlines()), (command, done.out, os.linesep)


def test_the_command_table_names_commands_that_there_are() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `tuneops ([a-z-]+)` \|", text, re.MULTILINE)
    assert named and set(named) <= set(COMMANDS)


def test_every_command_is_named_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [name for name in COMMANDS if f"`tuneops {name}" not in text]


def test_wildcards_match_what_they_should() -> None:
    assert matches(["a", "...", "d"], ["a", "b", "c", "d"])
    assert matches(["a", "..."], ["a"])
    assert matches(["models/...@2"], ["models/55@2"])
    assert not matches(["a"], ["a", "b"])
    assert not matches(["a", "...", "d"], ["a", "b"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, heading = link.partition("#")
        if link.startswith("https://"):
            continue
        there = page.parent / name if name else page
        assert there.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [
                re.sub(r"[^a-z0-9 -]", "", t.lower()).replace(" ", "-") for t in titles
            ]
