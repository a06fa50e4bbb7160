"""Stop a run before and after every effect, start it again, and look at what there is."""

import pytest

from tests.support.builders import a_chain, a_declared, a_graph, a_target
from tests.support.world import Crash, Fault, Rules, Runner, SimWorld
from tuneops.core.policy import Policy, Retry

TREE = (
    *a_chain("seed", "week"),
    a_declared("support-bot/tone", after="support-bot/seed", data="gs://data/tone.jsonl"),
    a_declared("router", data="gs://data/router.jsonl"),
)
AGAIN = Policy(retry=Retry(limit=1))

CASES = {
    "a chain": (a_chain(), Rules()),
    "a tree, listed late": (TREE, Rules(lag=120)),
    "an answer is lost": (a_chain("seed", "week"), Rules(faults={1: "lost-answer"})),
    "an answer is lost and the list is late": (
        a_chain("seed", "week"),
        Rules(lag=120, faults={2: "lost-answer"}),
    ),
    "an answer is lost, and the labels with it": (
        a_chain("seed", "week"),
        Rules(lag=120, faults={1: "lost-answer", 2: "late"}, nameless=True),
    ),
    "a request is lost": (a_chain("seed", "week"), Rules(faults={1: "lost-request"})),
    "a job fails and is tried again": (
        a_chain("seed", "week", policy=AGAIN),
        Rules(failures={1: 14}),
    ),
}


def _runner(case: str) -> Runner:
    jobs, rules = CASES[case]
    return Runner(SimWorld(seed=7, rules=rules), a_graph(*jobs))


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_stops_at_any_instant_is_continued_without_a_second_purchase(case: str) -> None:
    undisturbed = _runner(case)
    undisturbed.converge()
    undisturbed.check_everything()
    for number in range(1, len(undisturbed.instants) + 1):
        runner = _runner(case)
        runner.crash_at = number
        with pytest.raises(Crash):
            runner.converge()
        runner.crash_at = None
        runner.world.sleep(30)
        runner.converge()
        runner.check_everything()
        assert len(runner.world.jobs) == len(undisturbed.world.jobs)


def test_a_job_without_labels_is_found_when_answer_lock_and_journal_are_lost() -> None:
    runner = Runner(
        SimWorld(seed=7, rules=Rules(lag=3600, faults={1: "lost-answer"}, nameless=True)),
        a_graph(*a_chain("seed", "week")),
    )
    runner.tick()
    runner.disk.file, runner.disk.lines = None, []
    runner.world.claims.clear()
    runner.world.sleep(4000)
    runner.converge()
    runner.check_everything()
    assert len(runner.world.jobs) == 2


@pytest.mark.parametrize("lag", [0, 120])
@pytest.mark.parametrize("back", [False, True])
def test_a_run_that_stops_while_an_edit_takes_effect_leaves_no_orphan(lag: int, back: bool) -> None:
    before, after = (
        a_graph(*a_chain("seed", "week")),
        a_graph(*a_chain("seed", "week", nonce="again")),
    )

    def edited(crash_at: int | None) -> Runner:
        runner = Runner(SimWorld(seed=3, rules=Rules(lag=lag)), before)
        runner.tick()
        runner.world.sleep(20)
        runner.graph = after
        runner.instants.clear()
        runner.crash_at = crash_at
        return runner

    undisturbed = edited(None)
    undisturbed.converge()
    for number in range(1, len(undisturbed.instants) + 1):
        runner = edited(number)
        with pytest.raises(Crash):
            runner.converge()
        runner.crash_at = None
        if back:
            runner.graph = before
        runner.world.sleep(30)
        runner.converge()
        runner.check_everything()


@pytest.mark.parametrize("fault", ["lost-answer", "lost-request"])
def test_a_run_that_stops_in_every_life_still_ends(fault: Fault) -> None:
    for every in range(1, 8):
        rules = Rules(lag=60, faults={2: fault})
        runner = Runner(SimWorld(seed=every, rules=rules), a_graph(*TREE))
        for _ in range(60):
            runner.crash_at = len(runner.instants) + every * 2
            try:
                runner.converge()
                break
            except Crash:
                runner.world.sleep(45)
        runner.crash_at = None
        runner.converge()
        runner.check_everything()


def test_a_limit_of_one_job_is_kept_through_a_lost_request() -> None:
    target = a_target(concurrent_jobs=1)
    world = SimWorld(seed=1, rules=Rules(faults={1: "lost-request"}))
    runner = Runner(world, a_graph(*TREE, target=target))
    runner.converge()
    runner.check_everything()
