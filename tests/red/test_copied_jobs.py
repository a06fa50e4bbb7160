"""A job that somebody made from one of ours, labels and all, does not pass for it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.support.builders import (
    SETTLE,
    a_declared,
    a_graph,
    a_lock,
    a_target,
    an_observed,
    an_observed_job,
)
from tests.support.scenario import tell
from tuneops.core.desired import Formerly
from tuneops.core.plan import Action, Reason
from tuneops.core.planner import make_plan
from tuneops.core.view import look


@pytest.mark.parametrize("lock", ["", "  bot/seed 1 RUNNING\n"])
def test_a_corrected_copy_of_a_failed_job_is_not_its_result(lock: str) -> None:
    told = tell(
        "# A person ran the failed job again, with other settings.\n"
        "specs\n  bot/seed\n"
        f"lock\n{lock}"
        "seen\n  bot/seed 1 FAILED code=3\n  bot/seed 2 SUCCEEDED other-settings\nplan\n"
    )
    assert "keep" not in told
    assert "adopt" not in told
    assert "failed" in told


def test_a_running_copy_is_left_alone() -> None:
    told = tell(
        "# The copy still runs.\n"
        "specs\n  bot/seed\nlock\n  bot/seed 1 RUNNING\n"
        "seen\n  bot/seed 1 FAILED code=3\n  bot/seed 2 RUNNING other-settings\nplan\n"
    )
    assert "not-known-here" in told
    assert "cancel" not in told


@pytest.mark.parametrize("state", ["RUNNING", "SUCCEEDED", "FAILED code=3", "CANCELLED"])
def test_a_copy_alone_is_no_result_and_no_reason_to_buy_when_the_lock_is_lost(state: str) -> None:
    told = tell(
        "# Only the copy is listed.\n"
        f"specs\n  bot/seed\nseen\n  bot/seed 1 {state} other-settings\nplan\n"
    )
    assert told.count("not-known-here") == 1
    for word in ("create", "adopt", "keep", "cancel "):
        assert word not in told


def test_a_copy_is_not_the_answer_to_an_old_intent_and_no_reason_to_send_it_again() -> None:
    told = tell(
        "# An answer was lost, and somebody made a job like it by hand.\n"
        "specs\n  bot/seed\nlock\n  bot/seed - asked=20m\n"
        "seen\n  bot/seed 1 RUNNING other-settings\nplan\n"
    )
    assert told.count("not-known-here") == 1
    assert "create" not in told


def test_a_copy_does_not_take_the_place_of_a_recorded_job_that_is_not_listed() -> None:
    told = tell(
        "# The list has forgotten the job of the lock.\n"
        "specs\n  bot/seed\nlock\n  bot/seed 1 RUNNING\n"
        "seen\n  bot/seed 2 RUNNING other-settings\nplan\n"
    )
    assert "#1" in told, "it is bound to its own job still"


def test_a_real_one_beside_a_copy_is_found_without_a_lock() -> None:
    told = tell(
        "# The copy is older.\n"
        "specs\n  bot/seed\nseen\n"
        "  bot/seed 1 SUCCEEDED other-settings\n  bot/seed 2 SUCCEEDED\nplan\n"
    )
    assert "adopt" in told and "#2" in told and "create" not in told


def test_a_copy_under_an_old_name_of_the_workspace_is_one_too() -> None:
    target = a_target(workspace="acme-two", formerly=Formerly(workspace=("acme",)))
    graph = a_graph(a_declared(), target=target)
    job = an_observed_job(graph.jobs[0], owner="acme--local")
    other = replace(job.fields, learning_rate_multiplier=Decimal(7), epoch_count=7)
    observed = an_observed(replace(job, fields=other))
    plan = make_plan(look(graph, a_lock(target=target), observed, SETTLE))
    assert [line.action for line in plan.changes] == [Action.HOLD] * len(plan.changes)
    assert {line.reason for line in plan.changes} == {Reason.NOT_KNOWN_HERE}
