"""What a command does grows with the project and no faster: counted, since seconds are no measure.

Calls of functions are counted as the interpreter makes them, in projects of chains of four over one
dataset, which is where everything could be compared with everything.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench.specs import finish, generate
from tests.cli.conftest import bare, script

FEW, MORE, MANY = 4, 24, 96
STEEPEST = 1.05
COUNTED = """
import collections, json, sys
from tuneops import __main__
calls = collections.Counter()
def note(frame, event, _):
    if event in ("call", "c_call"):
        file, name = frame.f_code.co_filename.rpartition("/")[2], frame.f_code.co_name
        calls[f"{file}:{name}" if event == "call" else "C"] += 1
sys.argv = ["tuneops", *sys.argv[1:]]
sys.setprofile(note)
try:
    __main__.main()
except SystemExit as end:
    assert not end.code, end.code
finally:
    sys.setprofile(None)
    print(json.dumps(calls), file=sys.stderr)
"""


def counted(folder: Path, *words: str) -> dict[str, int]:
    """How often each function was called; those of C are one."""
    done = script(folder, COUNTED, *words, env=bare())
    assert done.code == 0, done.err
    found: dict[str, int] = json.loads(done.err.splitlines()[-1])
    return found


def untouched(_: Path) -> None:
    """Leave a project as it is."""


def edit(root: Path) -> None:
    """Let every chain say another value than its jobs were made with."""
    for path in (root / "specs").glob("chain-*.yaml"):
        path.write_text(path.read_text().replace("epochCount: 3", "epochCount: 2"))


def edit_one(root: Path) -> None:
    path = root / "specs" / "chain-0.yaml"
    path.write_text(path.read_text().replace("c0-s3", "another"))


@pytest.mark.parametrize(
    ("words", "locked", "change"),
    [
        (("validate",), False, untouched),
        (("plan", "--frozen"), False, untouched),
        (("plan", "--frozen"), True, untouched),
        (("plan", "--frozen"), True, edit),
        (("plan",), False, untouched),
    ],
    ids=["validate", "plan, all new", "plan, nothing new", "plan, all edited", "plan, emulator"],
)
def test_work_grows_with_the_project_and_no_faster(
    words: tuple[str, ...], locked: bool, change: Callable[[Path], Any], tmp_path: Path
) -> None:
    totals = []
    for stages in (FEW, MORE, MANY):
        root = generate(tmp_path / str(stages), stages)
        if locked:
            finish(root)
        change(root)
        totals.append(sum(counted(root, *words).values()))
    least, more, many = totals
    growth = math.log((many - least) / (more - least)) / math.log((MANY - FEW) / (MORE - FEW))
    assert growth <= STEEPEST, totals


def test_a_plan_of_what_is_done_reads_and_hashes_everything_once(tmp_path: Path) -> None:
    root = finish(generate(tmp_path / "project", MORE))
    calls = counted(root, "plan", "--frozen")
    files = MORE // 4 + 1
    assert calls["parse.py:documents"] == files
    assert calls["project.py:_digest"] == 1, "the one dataset"
    assert calls["fingerprint.py:lineage"] == MORE
    assert calls["fingerprint.py:creation_key"] == MORE + 1, "and one to see whose the lock is"
    assert calls["strict.py:_decoded"] == 1


def test_one_edited_stage_costs_little_more_than_none(tmp_path: Path) -> None:
    root = finish(generate(tmp_path / "project", MANY))
    before = sum(counted(root, "plan", "--frozen").values())
    edit_one(root)
    assert sum(counted(root, "plan", "--frozen").values()) <= 2 * before


def test_what_a_create_writes_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    creates, writes = [], []
    for stages in (4, 12, 36):
        root = generate(tmp_path / str(stages), stages)
        calls = counted(root, "apply", "--auto-approve")
        creates.append(stages // 4)  # the first of each chain
        writes.append([calls[f"files.py:{name}"] for name in ("append", "write", "sync_folder")])
        assert calls["lockfile.py:dump"] == 3, "the whole lock is spelled at the end, not each time"
    fewer, more = creates[1] - creates[0], creates[2] - creates[1]
    for few, some, many in zip(*writes, strict=True):
        assert (many - some) * fewer == (some - few) * more
