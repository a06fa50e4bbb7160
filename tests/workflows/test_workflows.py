"""The workflows, without GitHub: their commands run in order, in clones, on the emulator.

An action is stood in for; an `if:` or an expression that this file does not know fails the test.
"""

import re
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import tuneops
from tests.workflows.hub import ALWAYS, FOLDER, Hub, steps, workflow

FILES = sorted(FOLDER.glob("*.yml"))
RECURSIVE = "bash .ci/run"
"""The project's own test command, which would run this test again."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_actions_are_pinned_and_nothing_is_permitted_that_is_not_asked_for(path: Path) -> None:
    text = path.read_text()
    uses = re.findall(r"^\s*(?:- )?uses: (.*)$", text, re.MULTILINE)
    assert uses
    for line in uses:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    document = yaml.safe_load(text)
    assert document["permissions"] == {}
    for job in document["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 30


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_command_holds_an_expression_that_a_stranger_could_fill(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    for step in steps(document):
        assert "${{" not in step.get("run", ""), step
        assert step.get("if", ALWAYS[0]) in ALWAYS, "an `if:` that this test does not know"
    assert "pull_request_target" not in path.read_text()
    assert "workflow_run" not in path.read_text()


def test_every_workflow_is_run_here_but_the_one_that_runs_this() -> None:
    runs = {
        path.stem: [step["run"] for step in steps(workflow(path.stem)) if "run" in step]
        for path in FILES
    }
    assert runs.pop("ci") == [RECURSIVE]
    assert set(runs) == {"tuneops-plan", "tuneops-apply", "tuneops-reconcile"}


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def test_a_pull_request_is_planned_merged_applied_and_followed_to_the_end(hub: Hub) -> None:
    hub.push("proposal")
    plan = hub.run("tuneops-plan", "proposal")
    assert plan.ok, plan.said
    assert "### tuneops plan · local · 5 paid jobs" in plan.summary
    assert "+ support-bot/tone     continue  first run  after support-bot/refunds" in plan.summary
    assert "changes=true\npaid=5\nholds=0\n" in plan.outputs
    assert plan.artifacts == ["plan.json"]
    assert not (hub.cache / ".tuneops").exists(), "a plan leaves nothing behind"

    hub.push("main")
    apply = hub.run("tuneops-apply", "main")
    assert apply.ok, apply.said
    assert "### tuneops apply · local · 2 jobs submitted, exit 0" in apply.summary
    assert apply.artifacts == ["specs/tuneops.local.lock.json"]

    for _ in range(10):
        assert tuneops(hub.cache, "emulator", "advance", "30m").code == 0
        reconcile = hub.run("tuneops-reconcile", "main")
        assert reconcile.ok, reconcile.said
        if "5 done" in reconcile.said:
            break
    else:
        raise AssertionError("the chain never came to its end")
    assert "support-bot/tone     Healthy" in reconcile.summary

    lock = hub.cache / "specs/tuneops.local.lock.json"
    before = lock.read_bytes()
    again = hub.run("tuneops-reconcile", "main")
    assert again.ok and "No changes: 5 done.\n" in again.said
    assert lock.read_bytes() == before
    replanned = hub.run("tuneops-plan", "main")
    assert "No changes. 5 jobs in place" in replanned.said, "the plan reads the cache as well"


def test_a_bad_spec_fails_the_plan_job_with_annotations_and_nothing_is_planned(hub: Hub) -> None:
    spec = hub.work / "specs/support-bot.yaml"
    spec.write_text(spec.read_text().replace("epochCount: 3", "epochs: 3"))
    hub.commit("Break the spec")
    hub.push("proposal")
    plan = hub.run("tuneops-plan", "proposal")
    assert [code for _, code in plan.commands] == [0, 65]
    assert "::error file=specs/support-bot.yaml,line=24,col=11," in plan.said
    assert plan.summary == "" and plan.artifacts == []


def test_a_failed_job_fails_the_schedule_so_that_somebody_looks(hub: Hub) -> None:
    hub.push("main")
    assert hub.run("tuneops-apply", "main").ok
    assert tuneops(hub.cache, "emulator", "reset", "--yes").code == 0
    reconcile = hub.run("tuneops-reconcile", "main")
    assert not reconcile.ok
    assert reconcile.artifacts == ["specs/tuneops.local.lock.json"], "the lock is kept all the same"
