"""Two runs and one ceiling that has room for one of them: whoever goes on when, one buys.

Runs of different commits plan different jobs, so no claim of a job keeps them apart.
"""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.builders import NOON, a_chain, a_graph, a_mark, a_target, an_order
from tests.support.builders import an_observed_job as a_listed_job
from tests.support.world import Crash, Runner, SimWorld
from tests.support.world import Rules as WorldRules
from tuneops.core.claim import Claim, Reservation
from tuneops.core.creation import (
    CheckData,
    Contended,
    Forget,
    Held,
    ListJobs,
    Made,
    Order,
    PostJob,
    ReadClaim,
    Refusal,
    SwapClaim,
)
from tuneops.core.desired import DesiredGraph
from tuneops.core.fingerprint import purse_key
from tuneops.core.observed import ObservedJob
from tuneops.core.plan import Plan
from tuneops.core.protocol import create
from tuneops.core.purse import Purse
from tuneops.core.recipe import HyperParameters
from tuneops.core.rules import PER_CHAIN, PER_MONTH, Ceiling, Rules
from tuneops.core.view import View
from tuneops.costs.amounts import Tokens
from tuneops.costs.estimates import Knowledge
from tuneops.costs.history import bytes_of
from tuneops.engine.execute import exit_code
from tuneops.errors import TuneopsError, Unavailable

# --- the whole engine: another run in the middle of one -------------------------------------------


def a_million_tokens(plan: Plan, view: View) -> Knowledge:
    """What everything costs: $5 for one epoch."""
    data = (bytes_of(job.recipe.training, job.recipe.method) for job in view.graph.jobs)
    return Knowledge(counted=dict.fromkeys(data, Tokens(1_000_000, 1_000_000)))


def a_commit(ceiling: Ceiling, name: str, environment: str = "local") -> DesiredGraph:
    target = a_target(rules=Rules(ceilings=(ceiling,)), environment=environment)
    jobs = a_chain(name, name=name, hyper_parameters=HyperParameters(epoch_count=1))
    return a_graph(*jobs, target=target)


def a_runner(world: SimWorld, graph: DesiredGraph, name: str) -> Runner:
    runner = Runner(world, graph, name=name)
    runner._ports = replace(runner._ports, known=a_million_tokens)
    return runner


MONTH = Ceiling(name=PER_MONTH, most=Decimal("9.99"))
WIDE = replace(MONTH, wide=True)


def pair(ceiling: Ceiling, other: str = "local", **rules: Any) -> tuple[SimWorld, Runner, Runner]:
    world = SimWorld(rules=WorldRules(solo=False, minutes=(6000, 6000), **rules))
    one = a_runner(world, a_commit(ceiling, "a"), "one")
    two = a_runner(world, a_commit(ceiling, "b", environment=other), "two")
    return world, one, two


def test_alone_each_of_them_buys() -> None:
    for pick in (1, 2):
        done = pair(MONTH)[pick].tick()
        assert done.made == 1 and not done.verdict.barred


@pytest.mark.parametrize("crashed", [False, True])
@pytest.mark.parametrize(
    ("ceiling", "other"), [(MONTH, "local"), (WIDE, "local"), (WIDE, "staging")]
)
def test_a_run_in_the_middle_of_another_never_makes_them_buy_twice(
    ceiling: Ceiling, other: str, crashed: bool
) -> None:
    count = len(_instants(ceiling))
    assert count > 10
    for instant in range(1, count + 1):
        world, one, two = pair(ceiling, other)
        one.meanwhile[instant] = lambda two=two: two.tick()  # type: ignore[misc]
        if crashed:
            one.crash_at = instant
        with contextlib.suppress(Crash):
            one.tick()
        assert len(world.jobs) <= 1, f"both bought at {one.instants[instant - 1]}"
        world.sleep(3600)
        two.tick()
        one.tick()
        assert len(world.jobs) == 1, f"nobody can buy after {one.instants[instant - 1]}"


def _instants(ceiling: Ceiling) -> list[str]:
    _, one, _ = pair(ceiling)
    one.tick()
    return one.instants


@pytest.mark.parametrize(
    ("ceiling", "other", "both"),
    [
        (replace(MONTH, most=Decimal(10)), "local", True),
        (MONTH, "staging", True),  # each environment has its own
        (Ceiling(name=PER_CHAIN, most=Decimal("9.99")), "local", True),
        (WIDE, "staging", False),
    ],
)
def test_what_fits_is_bought_by_both(ceiling: Ceiling, other: str, both: bool) -> None:
    world, one, two = pair(ceiling, other)
    posted = next(n for n, what in enumerate(_instants(ceiling), 1) if "before: post" in what)
    one.meanwhile[posted] = lambda: two.tick()
    one.tick()
    assert len(world.jobs) == 1 + both


def test_the_one_that_may_not_says_why_and_buys_once_there_is_room() -> None:
    world, one, two = pair(MONTH)
    said: list[Any] = []
    posted = next(n for n, what in enumerate(_instants(MONTH), 1) if "before: post" in what)
    one.meanwhile[posted] = lambda: said.append(two.tick())
    one.tick()
    ((_, outcome),) = said[0].outcomes
    assert isinstance(outcome, Held) and outcome.why == "over-budget" and exit_code(outcome) == 4
    assert "`budget.perMonth`" in outcome.message and "$9.99" in outcome.message
    assert two.tick().verdict.denied, "now the list shows it"
    world.sleep(31 * 86_400)
    assert two.tick().made == 1


def test_a_refused_create_gives_back_what_it_reserved() -> None:
    world, one, two = pair(MONTH, faults={1: "refused"})
    ((_, outcome),) = one.tick().outcomes
    assert isinstance(outcome, Refusal)
    assert two.tick().made == 1
    assert len(world.jobs) == 1


def test_an_unanswered_create_stays_reserved_until_it_can_land_no_more() -> None:
    world, one, two = pair(MONTH, faults={1: "late"}, late=800)
    one.tick()
    assert not two.tick().made
    world.sleep(800)
    assert not two.tick().made and len(world.jobs) == 1
    lost, first, second = pair(MONTH, faults={1: "lost-request"})
    first.tick()
    lost.sleep(880)
    assert not second.tick().made
    lost.sleep(100)
    assert second.tick().made == 1


@pytest.mark.parametrize(
    ("ahead", "stands"),
    [(-16, False), (-15, True), (0, True), (60, True), (23 * 60, True), (25 * 60, False)],
)
def test_a_reservation_of_a_wrong_clock_lapses_too(ahead: int, stands: bool) -> None:
    world, _, two = pair(MONTH)
    world.sleep(3600)
    held = Reservation(
        key="kother",
        owner="acme--local",
        lineage="v1-other",
        mark="m" * 26,
        cost=Decimal(5),
        at=world.at + timedelta(minutes=ahead),
    )
    purse = purse_key("acme")
    record = Claim(
        key=purse, phase="intent", epoch=1, marks=(), runner="x", at=held.at, reserved=(held,)
    )
    world.claims[purse] = record, 1
    assert two.tick().made == (not stands)


# --- the protocol: every schedule with few changes of turn ----------------------------------------

Run = Generator[Any, Any, Any]
LAST = 80


class Store:
    """A claim store, a list without lag and a clock; $5 for each job, and $9.99 for all."""

    def __init__(self) -> None:
        self.clock = NOON
        self.claims: dict[str, tuple[Claim, int]] = {}
        self.jobs: list[ObservedJob] = []

    def order(self, number: int) -> Order:
        job = a_graph(*a_chain(f"s{number}")).jobs[0]
        order = an_order(job, runner=f"runner-{number}", at=self.clock)
        mark = a_mark(number)
        creation = replace(order.creation, mark=mark)
        made = a_listed_job(job, number=number)
        assert made.ownership is not None
        self.births = {
            **getattr(self, "births", {}),
            id(order.request): replace(made, ownership=replace(made.ownership, mark=mark)),
        }

        def refusal(
            at: datetime, jobs: tuple[ObservedJob, ...], held: tuple[Reservation, ...]
        ) -> str | None:
            marks = {job.ownership.mark for job in jobs if job.ownership}
            marks |= {one.mark for one in held if one.key != order.key}
            return "no room" if marks - {mark} else None

        purse = Purse(key="pmonth", cost=Decimal(5), refusal=refusal)
        return replace(order, creation=creation, purse=purse)

    def answer(self, effect: Any, fault: str | None) -> Any:
        self.clock += timedelta(seconds=1)
        match effect:
            case CheckData():
                return "ready"
            case ReadClaim(key):
                found = self.claims.get(key)
                return (found[0], str(found[1])) if found else None
            case SwapClaim(claim, expected):
                if fault == "lost request":
                    raise Unavailable("lost")
                won = self._swap(claim, expected)
                if fault == "lost answer":
                    raise Unavailable("lost")
                return won
            case ListJobs():
                return self.clock, tuple(self.jobs)
            case PostJob(request):
                self.jobs.append(self.births[id(request)])
                assert len(self.jobs) < 2, "both bought"
                return self.jobs[-1]
            case _:
                return None

    def _swap(self, claim: Claim, expected: str | None) -> str | None:
        found = self.claims.get(claim.key)
        if (str(found[1]) if found else None) != expected:
            return None
        self.claims[claim.key] = claim, (found[1] if found else 0) + 1
        return str(self.claims[claim.key][1])


def play(turns: Sequence[int], runners: int, fault: tuple[int, str] | None = None) -> list[Any]:
    """Let runs take turns: `turns` are the steps at which the next one goes on."""
    store = Store()
    runs: list[Run | None] = [create(store.order(number)) for number in range(1, runners + 1)]
    pending: list[Any] = [next(run) for run in runs if run is not None]
    outcomes: list[Any] = [None] * runners
    turn = 0
    for step in range(LAST):
        if step in turns:
            turn = (turn + 1) % runners
        alive = [n for n in range(runners) if runs[(turn + n) % runners] is not None]
        if not alive:
            return outcomes
        turn = (turn + alive[0]) % runners
        run = runs[turn]
        assert run is not None
        answer: Any = None
        thrown: TuneopsError | None = None
        try:
            answer = store.answer(pending[turn], fault[1] if fault and fault[0] == step else None)
        except TuneopsError as trouble:
            thrown = trouble
        try:
            pending[turn] = run.throw(thrown) if thrown else run.send(answer)
        except StopIteration as end:
            outcomes[turn], runs[turn] = end.value, None
        except TuneopsError as trouble:
            outcomes[turn], runs[turn] = trouble, None
    raise AssertionError("it never ends")


def schedules(length: int, changes: int) -> Iterator[tuple[int, ...]]:
    if changes == 0:
        yield ()
        return
    for first in schedules(length, changes - 1):
        yield from ((*first, step) for step in range(first[-1] + 1 if first else 1, length))


@pytest.mark.parametrize(("runners", "changes"), [(2, 3), (3, 2)])
def test_every_schedule_of_runs_under_one_ceiling(runners: int, changes: int) -> None:
    kinds = set()
    for turns in schedules(12 * runners, changes):
        outcomes = play(turns, runners)
        kinds |= {type(outcome) for outcome in outcomes}
        assert sum(isinstance(outcome, Made) for outcome in outcomes) == 1, turns
    assert kinds >= {Made, Held}


@pytest.mark.parametrize("fault", ["lost request", "lost answer"])
def test_a_reservation_whose_answer_is_lost_is_found_out(fault: str) -> None:
    for turns in schedules(26, 2):
        for step in range(2, 12):
            outcomes = play(turns, 2, (step, fault))
            assert sum(isinstance(outcome, Made) for outcome in outcomes) <= 1


def test_runs_that_never_get_their_turn_are_told_to_come_again() -> None:
    store = Store()
    run = create(store.order(1))
    effect = next(run)
    rival = 0
    while True:
        if isinstance(effect, SwapClaim) and effect.claim.key == "pmonth":
            rival += 1
            store.claims["pmonth"] = replace(effect.claim, reserved=()), 100 + rival
        assert not isinstance(effect, Forget | PostJob)
        try:
            effect = run.send(store.answer(effect, None))
        except StopIteration as end:
            assert isinstance(end.value, Contended) and rival == 3
            return
