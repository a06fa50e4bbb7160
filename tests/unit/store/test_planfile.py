"""A saved plan: limits to compare with, and nothing but a saved plan is one."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import a_chain, a_graph
from tests.support.world import Runner, SimWorld
from tuneops.core.plan import Approval
from tuneops.errors import InputError
from tuneops.store.planfile import read_plan, write_plan


def _saved(path: Path) -> Approval:
    runner = Runner(SimWorld(1), a_graph(*a_chain()))
    plan = runner.plan()
    write_plan(path, {"formatVersion": 1, "command": "plan"}, plan)
    return Approval.of(plan)


def test_a_saved_plan_reads_back_as_its_limits(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    assert _saved(path) == read_plan(path).approval
    content = path.read_bytes()
    _saved(path)
    assert path.read_bytes() == content


def test_a_plan_that_cancels_reads_back(tmp_path: Path) -> None:
    runner = Runner(SimWorld(1), a_graph(*a_chain("seed")))
    runner.tick()
    runner.graph = a_graph(*a_chain("seed", nonce="other"))
    plan = runner.plan()
    write_plan(tmp_path / "plan.json", {"formatVersion": 1}, plan)
    approval = read_plan(tmp_path / "plan.json").approval
    assert approval == Approval.of(plan) and approval.cancels
    assert approval.refusal(plan) is None


def _edit(path: Path, **changes: Any) -> None:
    _saved(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff", b"NaN", b'{"formatVersion": 1}', b'{"a": 1, "a": 1}'],
)
def test_what_is_no_saved_plan_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as fault:
        read_plan(path)
    assert fault.value.findings[0].code == "plan-file"


@pytest.mark.parametrize(
    "changes",
    [
        {"formatVersion": 2},
        {"approval": None},
        {"approval": {}},
        {"approval": {"owner": "a--b", "desired": {}, "buys": {"x": "many"}, "cancels": []}},
    ],
)
def test_a_plan_of_another_form_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "plan.json"
    _edit(path, **changes)
    with pytest.raises(InputError):
        read_plan(path)


@pytest.mark.parametrize("kind", ["nothing", "folder", "link", "pipe"])
def test_what_is_no_file_is_no_plan(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "plan.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(InputError):
        read_plan(path)
