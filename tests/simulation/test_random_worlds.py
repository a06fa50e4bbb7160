"""Worlds full of trouble, edited while they run: they settle, and nothing is bought twice."""

from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.builders import a_chain, a_declaration, pins_of
from tests.support.profiles import effort
from tests.support.strategies import histories, policies, troubles
from tests.support.world import Crash, Rules, Runner, SimWorld
from tuneops.core.desired import Declaration, DesiredGraph, desire
from tuneops.core.plan import Approval
from tuneops.core.policy import Policy, Retry
from tuneops.errors import Unavailable


def _graph(declaration: Declaration) -> DesiredGraph:
    return desire(declaration, pins_of(declaration))


def _some_rounds(runner: Runner, rounds: int, pause: int) -> None:
    """What schedules do between two commits; a stop or a deaf list ends only the round."""
    for _ in range(rounds):
        try:
            runner.tick()
        except (Crash, Unavailable):
            runner.crash_at = None
        runner.world.sleep(pause)


ONE = a_declaration(*a_chain("seed"))
OTHER = a_declaration(*a_chain("seed", nonce="other"))
NONE = a_declaration(*a_chain("leaf", name="router"))


@effort(100)
@given(
    commits=histories(policy=policies),
    seed=st.integers(0, 1000),
    rules=troubles(),
    crash_at=st.none() | st.integers(1, 40),
    rounds=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    pause=st.sampled_from([5, 60, 400]),
)
@example(
    commits=[ONE, OTHER, ONE],
    seed=1,
    rules=Rules(lag=300, faults={1: "lost-answer", 2: "lost-answer"}),
    crash_at=None,
    rounds=[1, 1, 0, 0],
    pause=60,
)
@example(
    commits=[OTHER, ONE, OTHER],
    seed=1,
    rules=Rules(lag=120),
    crash_at=None,
    rounds=[3, 1, 1, 0],
    pause=400,
)
@example(
    commits=[ONE, NONE, ONE],
    seed=1,
    rules=Rules(lag=120),
    crash_at=2,
    rounds=[1, 1, 1, 0],
    pause=5,
)
def test_whatever_happens_it_settles_and_no_key_is_bought_twice(
    commits: list[Declaration],
    seed: int,
    rules: Rules,
    crash_at: int | None,
    rounds: list[int],
    pause: int,
) -> None:
    runner = Runner(SimWorld(seed, rules), _graph(commits[0]))
    rules.solo = False  # a spec may say that the old job is to finish
    runner.crash_at = crash_at
    for commit, count in zip(commits, rounds, strict=False):
        runner.graph = _graph(commit)
        _some_rounds(runner, count, pause)
    runner.crash_at = None
    runner.graph = _graph(commits[-1])
    _quiet_end(runner)


def _quiet_end(runner: Runner) -> None:
    runner.world.rules.deaf_lists = frozenset()
    for _ in range(400):
        done = runner.tick()
        if done.plan.settled and not done.outcomes:
            break
        runner.world.sleep(300)
    else:
        raise AssertionError(f"it never settles: {done.plan.changes}")
    runner.check_settled()
    runner.world.check_parents(runner.graph)
    runner.world.check_keys()
    runner.check_results()
    wanted = {job.lineage for job in runner.graph.jobs}
    left = ("retire", "hold")
    finishing = {change.job for change in runner.plan().changes if change.action.value in left}
    for job in runner.world.live():
        assert job.ownership.lineage in wanted or job.shown.name in finishing, "an orphan"


@effort(100)
@given(
    commits=histories(policy=policies),
    seed=st.integers(0, 1000),
    rules=troubles(honest=True),
    rounds=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    pause=st.sampled_from([5, 60, 400]),
)
@example(
    commits=[ONE, OTHER, ONE],
    seed=1,
    rules=Rules(),
    rounds=[1, 1, 1, 0],
    pause=60,
)
@example(
    commits=[a_declaration(*a_chain("seed", policy=Policy(retry=Retry(limit=1))))],
    seed=1,
    rules=Rules(failures={1: 14}),
    rounds=[1, 0, 0, 0],
    pause=60,
)
def test_the_first_plan_announces_every_create_and_every_cancel_of_all_later_rounds(
    commits: list[Declaration], seed: int, rules: Rules, rounds: list[int], pause: int
) -> None:
    world = SimWorld(seed, rules)
    rules.solo = all(
        job.policy.on_supersede == "cancel" for commit in commits for job in commit.jobs
    )
    runner = Runner(world, _graph(commits[0]))
    for commit, count in zip(commits, rounds, strict=False):
        runner.graph = _graph(commit)
        _some_rounds(runner, count, pause)
    runner.graph = _graph(commits[-1])
    plan = runner.plan()
    announced = {change.lineage for change in plan.changes if change.action.buys}
    under_way = {change.lineage for change in plan.changes if change.action.value == "wait"}
    stops = {change.job for change in plan.cancels}
    before = set(world.jobs)
    cancelled = len(world.cancels)
    runner.converge(Approval.of(plan))
    for name in set(world.jobs) - before:
        again = world.jobs[name].ownership.attempt > 1
        allowed = announced | under_way if again else announced
        assert world.jobs[name].ownership.lineage in allowed
    assert set(world.cancels[cancelled:]) <= stops
    runner.world.check_keys()
