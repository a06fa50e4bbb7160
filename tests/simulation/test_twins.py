"""Two checkouts, two locks, one project: what the creation guard does, and what happens without."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import a_chain, a_declared, a_graph
from tests.support.profiles import effort
from tests.support.world import Crash, Rules, Runner, SimWorld
from tuneops.core.desired import DesiredGraph
from tuneops.core.observed import JobState
from tuneops.core.policy import Policy, Retry

TREE = a_graph(
    *a_chain("seed", "week"),
    a_declared("support-bot/tone", after="support-bot/seed", data="gs://data/tone.jsonl"),
)
PAUSES = st.sampled_from([0, 30, 90, 1000])
LAGS = st.sampled_from([0, 60, 120])


def _pair(world: SimWorld, graph: DesiredGraph, *, shared: bool = True) -> tuple[Runner, Runner]:
    world.rules.solo = False
    world.rules.guarded = shared
    first = Runner(world, graph, name="first", shared_claims=shared)
    return first, Runner(world, graph, name="second", shared_claims=shared)


def _to_the_end(*runners: Runner) -> None:
    for _ in range(300):
        done = [runner.tick() for runner in runners]
        if all(tick.plan.settled and not tick.outcomes for tick in done):
            return
        runners[0].world.sleep(240)
    raise AssertionError("they never settle")


@pytest.mark.parametrize("lag", [0, 120])
@pytest.mark.parametrize("fault", [None, "lost-answer", "lost-request"])
def test_a_second_run_in_between_any_two_effects_buys_nothing_twice(
    lag: int, fault: str | None
) -> None:
    number = 0
    while True:
        number += 1
        faults = {1: fault} if fault else {}
        first, second = _pair(SimWorld(5, Rules(lag=lag, faults=faults)), TREE)
        first.meanwhile[number] = lambda other=second: other.tick()  # type: ignore[misc]
        first.tick()
        if first.meanwhile:
            break
        _to_the_end(first, second)
        for runner in (first, second):
            runner.check_everything()
    assert number > 10


@effort(60)
@given(
    lag=LAGS,
    faults=st.dictionaries(
        st.integers(1, 4), st.sampled_from(["lost-answer", "lost-request"]), max_size=2
    ),
    turns=st.lists(
        st.tuples(
            st.booleans(), st.none() | st.integers(1, 12), st.sampled_from([0, 30, 90, 1000])
        ),
        min_size=2,
        max_size=12,
    ),
)
def test_runs_that_share_their_claims_make_at_most_one_job_a_key(
    lag: int, faults: dict[int, str], turns: list[tuple[bool, int | None, int]]
) -> None:
    pair = _pair(SimWorld(5, Rules(lag=lag, faults=faults)), TREE)
    for one, crash, pause in turns:
        runner, other = (pair[0], pair[1]) if one else (pair[1], pair[0])
        if crash is not None:
            runner.crash_at = len(runner.instants) + crash
            runner.meanwhile[len(runner.instants) + crash // 2 + 1] = other.tick
        with contextlib.suppress(Crash):
            runner.tick()
        runner.crash_at = None
        runner.meanwhile.clear()
        runner.world.sleep(pause)
    _to_the_end(*pair)
    for runner in pair:
        runner.check_everything()


@effort(60)
@given(lag=LAGS, number=st.integers(1, 20), seed=st.integers(0, 99))
def test_without_shared_claims_one_job_a_key_is_left_at_the_end(
    lag: int, number: int, seed: int
) -> None:
    pair = _pair(SimWorld(seed, Rules(lag=lag, minutes=(10, 40))), TREE, shared=False)
    pair[0].meanwhile[number] = lambda: (pair[1].tick(), None)[1]
    pair[0].tick()
    pair[0].meanwhile.clear()
    _to_the_end(*pair)
    world = pair[0].world
    assert not world.live()
    for job in TREE.jobs:
        made = world.of_lineage(job.lineage)
        kept = [one for one in made if one.shown.state is JobState.SUCCEEDED]
        assert len(kept) == 1, "two results of one key, or none"
        bound = [runner.disk.load().at(str(job.address)).result for runner in pair]
        assert {entry.job for entry in bound if entry} == {kept[0].shown.name}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_runs_never_cancel_each_others_choice(order: tuple[int, int]) -> None:
    graph = a_graph(*a_chain("seed"))
    pair = _pair(SimWorld(2, Rules(lag=100, minutes=(60, 90))), graph, shared=False)
    for index in order:
        pair[index].tick()
        pair[0].world.sleep(10)
    pair[0].world.sleep(300)
    _to_the_end(*pair)
    states = [job.shown.state for job in pair[0].world.jobs.values()]
    assert states == [JobState.SUCCEEDED, JobState.CANCELLED]


@pytest.mark.parametrize("first", ["failure", "veto"])
def test_of_two_that_ended_the_one_that_ended_last_says_whether_to_try_again(first: str) -> None:
    """A person stops the only one that still runs: that the other had failed is no cause."""
    again = Policy(retry=Retry(limit=1))
    graph = a_graph(*a_chain("seed", policy=again))
    minutes = (5, 5) if first == "failure" else (60, 60)
    world = SimWorld(5, Rules(lag=100, failures={1: 14}, minutes=minutes))
    pair = _pair(world, graph, shared=False)
    for runner in pair:
        runner.tick()
        world.sleep(10)
    older, younger = world.jobs.values()
    younger.ends = older.ends + timedelta(hours=1)
    world.sleep(600)
    assert (older.shown.state is JobState.FAILED) == (first == "failure")
    if first == "failure":
        pair[1].tick()
    world.cancel_by_hand(younger.shown.name)
    world.sleep(7200)
    pair[0].tick()
    assert len(world.jobs) == (2 if first == "failure" else 3)
