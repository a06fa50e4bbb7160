"""Promotions through stops, races and hands: free, repaired, never at ungated work."""

import contextlib
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import a_chain, a_declaration, a_promotion, pins_of
from tests.support.profiles import effort
from tests.support.world import Crash, Rules, Runner, SimWorld
from tuneops.core.desired import DeclaredJob, DesiredGraph, desire
from tuneops.core.observed import Point
from tuneops.core.plan import Action
from tuneops.core.policy import Gate
from tuneops.core.recipe import Best, WithId

NAME, ALIAS = "support-bot", "prod"


def graph_of(*jobs: DeclaredJob, promoting: bool = True, **changes: Any) -> DesiredGraph:
    """A chain whose last stage is promoted."""
    declaration = a_declaration(*(jobs or a_chain("seed", "tone")))
    if promoting:
        promotion = a_promotion(str(declaration.jobs[-1].address), **changes)
        declaration = replace(declaration, promotions=(promotion,))
    return desire(declaration, pins_of(declaration))


def promoted(runner: Runner) -> str:
    """The version that the lock says is promoted; the world must say the same, and no other."""
    pointer = runner.disk.load().pointer(NAME, ALIAS)
    assert pointer is not None
    assert runner.world.carriers(ALIAS) == [pointer.model]
    base, _, number = pointer.model.partition("@")
    assert runner.world.versions[base][number].default_checkpoint == pointer.checkpoint
    assert pointer.also is None
    return pointer.model


def leaf(runner: Runner) -> str:
    """The version that the last stage made."""
    result = runner.disk.load().at(str(runner.graph.jobs[-1].address)).result
    assert result is not None
    assert result.model is not None
    return result.model


def settled(runner: Runner) -> None:
    runner.check_everything()
    assert promoted(runner) == leaf(runner)


SECOND = a_chain("seed", "tone")[:1] + a_chain("seed", "tone", nonce="again")[1:]
ROOT = a_chain("seed", "tone", nonce="again")

EDITS = {
    "another leaf": graph_of(*SECOND),
    "another root, so another model": graph_of(*ROOT),
    "another checkpoint": graph_of(checkpoint=WithId(id="1")),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_promotion_that_stops_at_any_instant_is_finished_by_the_next_run(name: str) -> None:
    def begun() -> Runner:
        runner = Runner(SimWorld(seed=5), graph_of())
        runner.converge()
        settled(runner)
        runner.graph = EDITS[name]
        runner.instants.clear()
        return runner

    undisturbed = begun()
    undisturbed.converge()
    settled(undisturbed)
    for number in range(1, len(undisturbed.instants) + 1):
        runner = begun()
        runner.crash_at = number
        with pytest.raises(Crash):
            runner.converge()
        runner.crash_at = None
        runner.converge()
        settled(runner)
        assert len(runner.world.jobs) == len(undisturbed.world.jobs)


def test_an_alias_stays_on_no_model_though_every_move_stops_half_way() -> None:
    """Three roots, three models; each move but the last stops before the old alias is off."""
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.converge()
    for nonce in ("two", "three"):
        runner.graph = graph_of(*a_chain("seed", "tone", nonce=nonce))
        while len(runner.world.carriers(ALIAS)) < 2:
            runner.crash_after = "after: aliases"
            with contextlib.suppress(Crash):
                runner.tick()
            runner.world.sleep(300)
        runner.crash_after = ""
    runner.converge()
    settled(runner)
    assert len(runner.world.versions) == 3


def test_the_alias_never_leaves_before_the_new_one_is_there() -> None:
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.converge()
    runner.graph = graph_of(*ROOT)
    runner.converge()
    added, removed = runner.world.moves[-2:]
    assert added[1] == (ALIAS,)
    assert removed[1] == (f"-{ALIAS}",)
    settled(runner)


def test_two_operators_promote_once_and_agree() -> None:
    world = SimWorld(seed=5)
    one = Runner(world, graph_of(), name="one")
    two = Runner(world, graph_of(), name="two")
    one.converge()
    two.converge()
    settled(one)
    settled(two)
    assert [aliases for _, aliases in world.moves] == [(ALIAS,)]
    one.graph = two.graph = graph_of(*ROOT)
    for number in range(1, 60):
        one.meanwhile[len(one.instants) + number * 2] = two.tick
    one.converge()
    two.converge()
    settled(one)
    settled(two)


def test_an_alias_moved_by_hand_is_put_back_and_said_before_and_after() -> None:
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.converge()
    seed = leaf(runner).replace("@2", "@1")
    runner.world.merge_aliases(seed, (ALIAS,))
    plan = runner.plan()
    assert [drift.kind.value for drift in plan.drift] == ["pointer-moved"]
    assert [change.reason.value for change in plan.changes if change.alias] == ["pointer-moved"]
    posts = runner.world.posts
    runner.converge()
    assert runner.world.posts == posts, "a repair is free"
    settled(runner)


def test_an_alias_taken_off_by_hand_is_put_back() -> None:
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.converge()
    runner.world.merge_aliases(leaf(runner), (f"-{ALIAS}",))
    assert runner.plan().drift[0].found == "nothing"
    runner.converge()
    settled(runner)


def test_a_default_checkpoint_moved_by_hand_is_put_back() -> None:
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.converge()
    model = leaf(runner)
    base, _, number = model.partition("@")
    tag = runner.world.versions[base][number].etag
    runner.world.set_default_checkpoint(model, "1", tag)
    assert runner.plan().drift[0].found.endswith("checkpoint 1")
    runner.converge()
    settled(runner)


def test_while_the_next_result_is_made_the_alias_is_put_back_where_it_was() -> None:
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.converge()
    before = promoted(runner)
    runner.graph = graph_of(*SECOND)
    runner.tick()
    runner.world.merge_aliases(before.replace("@2", "@1"), (ALIAS,))
    runner.tick()
    assert runner.world.carriers(ALIAS) == [before]
    runner.converge()
    settled(runner)
    assert promoted(runner) != before


def test_a_run_that_is_not_at_the_tip_moves_no_pointer() -> None:
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.may_cancel = False
    runner.converge()
    assert runner.world.carriers(ALIAS) == []
    runner.may_cancel = True
    runner.converge()
    settled(runner)


def test_an_alias_of_somebody_else_is_not_taken() -> None:
    runner = Runner(SimWorld(seed=5), graph_of(promoting=False))
    runner.converge()
    base = leaf(runner).partition("@")[0]
    foreign = replace(runner.world.versions[base]["1"], name=f"{base}@9", aliases=(ALIAS,))
    runner.world.versions[base]["9"] = foreign
    runner.graph = graph_of()
    moves = list(runner.world.moves)
    runner.converge()
    (line,) = (change for change in runner.plan().changes if change.alias)
    assert (line.action, line.reason.value) == (Action.HOLD, "alias-taken")
    assert line.detail
    assert runner.world.moves == moves


def test_an_alias_somebody_moves_in_the_same_moment_is_left_and_looked_at_again() -> None:
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.converge()
    runner.graph = graph_of(*SECOND)
    runner.tick()
    runner.world.sleep(3600)
    old = promoted(runner).replace("@2", "@1")
    seen = runner.world.list_versions
    looks = 0

    def meddled(model: str) -> Any:
        nonlocal looks
        looks += 1
        if looks == 2:  # after the plan, before the move
            runner.world.merge_aliases(old, (ALIAS,))
        return seen(model)

    runner.world.list_versions = meddled  # type: ignore[method-assign]
    done = runner.tick()
    ((_, outcome),) = ((one, two) for one, two in done.outcomes if one.alias)
    assert type(outcome).__name__ == "Contended"
    assert runner.world.carriers(ALIAS) == [old]
    runner.converge()
    settled(runner)


def test_a_rollback_is_free_and_stays_until_git_says_otherwise() -> None:
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.converge()
    first = promoted(runner)
    runner.graph = graph_of(*SECOND)
    runner.converge()
    posts = runner.world.posts
    runner.graph = graph_of(*SECOND, to=f"models/{first.rpartition('/')[2]}")
    runner.converge()
    assert promoted(runner) == first
    assert runner.world.posts == posts
    runner.check_settled()
    runner.graph = graph_of(*SECOND)
    runner.converge()
    settled(runner)


def test_a_rollback_to_what_is_no_result_is_held() -> None:
    runner = Runner(SimWorld(seed=5), graph_of(to="models/77@1"))
    runner.converge()
    (line,) = (change for change in runner.plan().changes if change.alias)
    assert (line.action, line.reason.value) == (Action.HOLD, "not-found")
    assert runner.world.carriers(ALIAS) == []


def test_a_lost_lock_does_not_lose_what_is_promoted() -> None:
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.converge()
    first = promoted(runner)
    runner.graph = graph_of(*a_chain("seed", "tone", nonce="again"))
    runner.tick()
    runner.disk.file = None
    runner.tick()
    pointer = runner.disk.load().pointer(NAME, ALIAS)
    assert pointer is not None
    assert pointer.model == first
    runner.converge()
    assert promoted(runner) == leaf(runner) != first


def test_a_promoted_result_whose_spec_is_gone_is_held_until_the_alias_is_off() -> None:
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.converge()
    model = promoted(runner)
    other = a_declaration(*a_chain("leaf", name="router"))
    runner.graph = desire(other, pins_of(other))
    runner.converge()
    held = [change.reason.value for change in runner.plan().holds]
    assert held == ["still-promoted"]
    runner.world.merge_aliases(model, (f"-{ALIAS}",))
    runner.converge()
    assert runner.plan().holds == ()
    assert runner.disk.load().pointers is None


def test_a_promotion_that_is_declared_no_more_leaves_the_alias_where_it_is() -> None:
    runner = Runner(SimWorld(seed=5), graph_of())
    runner.converge()
    model = promoted(runner)
    runner.graph = graph_of(promoting=False)
    assert [change.reason.value for change in runner.plan().changes if change.alias] == ["released"]
    runner.converge()
    assert runner.world.carriers(ALIAS) == [model]
    assert runner.disk.load().pointers is None


# --- gates

LOSS = "eval_total_loss"
GATED = a_chain("seed", "tone", validation="gs://data/check.jsonl")


def measured(world: SimWorld, values: dict[int, list[float]]) -> None:
    """Let the so-many-th job have these values after its epochs, and an experiment to read."""
    for number, losses in values.items():
        points = tuple(Point(step=100 * (at + 1), value=one) for at, one in enumerate(losses))
        world.series[f"experiment-{number}"] = {LOSS: points}


def gated(gate: Gate, nonce: str | None = None, **changes: Any) -> DesiredGraph:
    seed, tone = GATED
    return graph_of(seed, replace(tone, gate=gate, nonce=nonce), **changes)


def test_a_gate_that_does_not_hold_keeps_the_alias_where_it_was() -> None:
    world = SimWorld(seed=5)
    measured(world, {2: [0.9, 0.8, 0.7], 3: [1.9, 1.8, 1.7]})
    gate = Gate(metric=LOSS, most=Decimal("1.2"))
    runner = Runner(world, gated(gate))
    runner.converge()
    first = promoted(runner)
    runner.graph = gated(gate, nonce="worse")
    runner.converge()
    assert promoted(runner) == first
    reasons = {change.address: change.reason.value for change in runner.plan().holds}
    assert reasons == {"support-bot/tone": "gate", NAME: "parent-blocked"}
    runner.graph = gated(Gate(metric=LOSS, most=Decimal(2)), nonce="worse")
    posts = world.posts
    runner.converge()
    assert world.posts == posts, "another gate buys nothing"
    settled(runner)


def test_a_gate_compares_with_the_promoted_version() -> None:
    world = SimWorld(seed=5)
    measured(world, {2: [0.9, 0.8, 0.7], 3: [0.9, 0.8, 0.75], 4: [0.9, 0.8, 0.6]})
    gate = Gate(metric=LOSS, most="promoted")
    runner = Runner(world, gated(gate))
    runner.converge()
    first = promoted(runner)
    runner.graph = gated(gate, nonce="worse")
    runner.converge()
    assert promoted(runner) == first
    (held,) = (change for change in runner.plan().holds if change.lineage)
    assert "0.75" in held.detail[0]
    assert "0.7 like the promoted" in held.detail[0]
    runner.graph = gated(gate, nonce="better")
    runner.converge()
    settled(runner)


def test_what_was_measured_on_other_data_is_not_compared() -> None:
    world = SimWorld(seed=5)
    measured(world, {2: [0.9, 0.8, 0.7]})
    gate = Gate(metric=LOSS, most="promoted")
    runner = Runner(world, gated(gate))
    runner.converge()
    seed, tone = a_chain("seed", "tone", validation="gs://data/other.jsonl")
    runner.graph = graph_of(seed, replace(tone, gate=gate))
    assert [change.reason.value for change in runner.plan().holds] == [
        "not-measured",
        "parent-blocked",
    ]
    posts = world.posts
    runner.converge()
    assert world.posts == posts


@pytest.mark.parametrize(
    ("losses", "choice"),
    [
        ([0.9, 0.7, 0.8], "2"),
        ([0.7, 0.7, 0.8], "1"),
        ([float("nan"), 0.9, float("nan")], "2"),
        ([float("inf"), 0.9, 0.8], "3"),
        ([float("nan")] * 3, None),
        ([0.9, 0.8], None),
        ([], None),
    ],
)
def test_the_best_checkpoint_is_measured_or_held_never_guessed(
    losses: list[float], choice: str | None
) -> None:
    world = SimWorld(seed=5)
    measured(world, {1: losses})
    seed, tone = a_chain("seed", "tone", validation="gs://data/check.jsonl")
    assert hasattr(tone.source, "checkpoint")
    tone = replace(tone, source=replace(tone.source, checkpoint=Best(best=LOSS)))
    runner = Runner(world, graph_of(seed, tone))
    runner.converge()
    result = runner.disk.load().at("support-bot/tone").result
    if choice is None:
        assert next(change.reason.value for change in runner.plan().holds) == "not-measured"
        assert result is None
        assert world.posts == 1
    else:
        assert result is not None
        assert result.source is not None
        assert result.source.checkpoint == choice
        settled(runner)


@effort(25)
@given(
    commits=st.lists(
        st.tuples(
            st.sampled_from([None, "one", "two"]),
            st.sampled_from([None, "root"]),
            st.sampled_from(["0.5", "1.5", "promoted", None]),
        ),
        min_size=1,
        max_size=4,
    ),
    losses=st.lists(st.sampled_from([0.4, 1.0, 2.0, float("nan")]), min_size=8, max_size=8),
    crash_at=st.none() | st.integers(1, 60),
    hands=st.lists(st.integers(0, 5), max_size=3),
)
def test_a_promotion_never_points_at_unfinished_wrong_or_ungated_work(
    commits: list[tuple[str | None, str | None, str | None]],
    losses: list[float],
    crash_at: int | None,
    hands: list[int],
) -> None:
    world = SimWorld(seed=3, rules=Rules(solo=False))
    by_hand: set[str] = set()
    measured(world, {number + 1: [one] * 3 for number, one in enumerate(losses)})
    runner = Runner(world, graph_of(promoting=False))
    runner.crash_at = crash_at
    for nonce, root, bound in commits:
        seed, tone = GATED
        most = "promoted" if bound == "promoted" else Decimal(bound) if bound else None
        gate = Gate(metric=LOSS, most=most) if most is not None else None  # type: ignore[arg-type]
        runner.graph = graph_of(replace(seed, nonce=root), replace(tone, nonce=nonce, gate=gate))
        for _ in range(30):
            try:
                done = runner.tick()
                for change in done.plan.changes:
                    if change.alias and change.action is Action.POINT and change.move:
                        _check_target(runner, change.move.creation, change.reason.value, most)
                if done.plan.settled and not done.outcomes:
                    break
            except Crash:
                runner.crash_at = None
            world.sleep(600)
        for at in hands:
            every = [v for found in world.versions.values() for v in found.values()]
            posts = world.posts
            by_hand.add(every[at % len(every)].name)
            world.merge_aliases(every[at % len(every)].name, (ALIAS,))
            runner.tick()
            assert world.posts == posts, "a repair never creates"
    runner.crash_at = None
    runner.converge()
    runner.check_settled()
    pointer = runner.disk.load().pointer(NAME, ALIAS)
    there = set(world.carriers(ALIAS))
    assert there - by_hand <= ({pointer.model} if pointer else set())


def _check_target(runner: Runner, key: str, reason: str, most: Any) -> None:
    (creation,) = (one for _, k, one in runner.disk.load().creations() if k == key)
    assert creation.succeeded
    if reason == "promoted":
        wanted = runner.graph.jobs[-1]
        assert creation.lineage == wanted.lineage, "it points at other work than is wanted"
        if most is not None and most != "promoted":
            values = (creation.measured or {})[LOSS].values
            assert float(values[creation.chosen or ""]) <= float(most), "it points past its gate"
