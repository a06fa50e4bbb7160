"""Laws of plan, ledger and lock that hold for every declaration and every world."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import NOON, SETTLE, a_declared, a_graph, pins_of
from tests.support.profiles import effort
from tests.support.strategies import declarations, edits, histories, policies, troubles
from tests.support.world import Runner, SimWorld
from tuneops.core.advice import advise
from tuneops.core.desired import (
    Declaration,
    DesiredGraph,
    ParentRef,
    desire,
)
from tuneops.core.ledger import learn
from tuneops.core.lock import Lock
from tuneops.core.observed import Observed
from tuneops.core.plan import Action, Plan
from tuneops.core.planner import make_plan
from tuneops.core.policy import Acceptance
from tuneops.core.view import look
from tuneops.diagnostics import SourceRef
from tuneops.engine.observe import observe
from tuneops.store.lockfile import dump

WHERE = SourceRef(path="specs/jobs.yaml", line=1, column=1)


def _graph(declaration: Declaration) -> DesiredGraph:
    return desire(declaration, pins_of(declaration))


def _seen(runner: Runner) -> tuple[Lock, Observed]:
    lock = runner.disk.load()
    seen = observe(runner.graph, lock, service=runner, registry=runner.world, objects=runner)
    return lock, seen


def _plan(graph: DesiredGraph, lock: Lock, seen: Observed) -> Plan:
    return make_plan(look(graph, lock, seen, SETTLE))


def _lived(commits: list[Declaration], seed: int, rounds: int) -> Runner:
    runner = Runner(SimWorld(seed), _graph(commits[0]))
    runner.world.rules.solo = False
    for commit in commits:
        runner.graph = _graph(commit)
        for _ in range(rounds):
            runner.tick()
            runner.world.sleep(200)
    return runner


LIVES = {"seed": st.integers(0, 99), "rounds": st.integers(0, 4)}


@effort(40)
@given(commits=histories(policy=policies), **LIVES)
def test_a_settled_world_is_stable(commits: list[Declaration], seed: int, rounds: int) -> None:
    runner = _lived(commits, seed, rounds)
    runner.unattended()
    lock, seen = _seen(runner)
    assert learn(runner.graph, lock, seen, SETTLE) == lock
    runner.check_settled()
    assert dump(runner.disk.load()) == runner.disk.file


@effort(40)
@given(commits=histories(policy=policies), **LIVES)
def test_learning_twice_is_learning_once_and_forgets_no_job(
    commits: list[Declaration], seed: int, rounds: int
) -> None:
    runner = _lived(commits, seed, rounds)
    lock, seen = _seen(runner)
    once = learn(runner.graph, lock, seen, SETTLE)
    assert learn(runner.graph, once, seen, SETTLE) == once
    before = {key: entry for _, key, entry in lock.creations() if entry.job}
    after = {key: entry for _, key, entry in once.creations()}
    assert before.keys() <= after.keys()
    for key, entry in before.items():
        assert after[key].job == entry.job
        if entry.state is not None and entry.state.terminal:
            assert replace(after[key], policy=entry.policy, chosen=entry.chosen) == entry
    addresses = [address for address, _, _ in once.creations()]
    assert set(once.jobs) & set(once.retired) == set()
    assert set(addresses) == {*once.jobs, *once.retired}
    for job in once.jobs.values():
        assert job.current is None or job.creations[job.current].succeeded


@effort(40)
@given(commits=histories(policy=policies), random=st.randoms(use_true_random=False), **LIVES)
def test_the_order_of_things_never_matters_to_a_plan(
    commits: list[Declaration], random: object, seed: int, rounds: int
) -> None:
    runner = _lived(commits, seed, rounds)
    lock, seen = _seen(runner)
    names = list(seen.jobs)
    random.shuffle(names)  # type: ignore[attr-defined]
    shuffled = replace(seen, jobs={name: seen.jobs[name] for name in names})
    books = replace(
        lock,
        jobs=dict(reversed(lock.jobs.items())),
        retired=dict(reversed(lock.retired.items())),
    )
    jobs = list(runner.graph.jobs)
    random.shuffle(jobs)  # type: ignore[attr-defined]
    jobs.sort(key=lambda job: len(list(runner.graph.ancestors(job))))
    graph = DesiredGraph(runner.graph.target, tuple(jobs))
    one, two = _plan(runner.graph, lock, seen), _plan(graph, books, shuffled)
    assert one.digest == two.digest
    assert set(one.changes) == set(two.changes)
    assert dump(learn(runner.graph, lock, seen, SETTLE)) == dump(
        learn(graph, books, shuffled, SETTLE)
    )


@effort(40)
@given(declaration=declarations(), data=st.data(), **LIVES)
def test_a_revert_of_a_finished_job_is_free(
    declaration: Declaration, data: st.DataObject, seed: int, rounds: int
) -> None:
    runner = Runner(SimWorld(seed), _graph(declaration))
    runner.unattended()
    before = {address: job.current for address, job in runner.disk.load().jobs.items()}
    runner.graph = _graph(data.draw(edits(declaration)))
    runner.unattended()
    posts = runner.world.posts
    runner.graph = _graph(declaration)
    assert not runner.plan().buys
    runner.tick()
    assert runner.world.posts == posts
    assert {a: job.current for a, job in runner.disk.load().jobs.items()} == before


def _renamed(declaration: Declaration) -> Declaration:
    jobs = []
    for job in declaration.jobs:
        source = job.source
        if isinstance(source, ParentRef):
            above = replace(source.address, stage=f"new-{source.address.stage}")
            source = replace(source, address=above)
        address = replace(job.address, stage=f"new-{job.address.stage}")
        jobs.append(replace(job, address=address, source=source))
    return replace(declaration, jobs=tuple(jobs))


@effort(40)
@given(declaration=declarations(), **LIVES)
def test_a_rename_is_free_at_any_time(declaration: Declaration, seed: int, rounds: int) -> None:
    runner = _lived([declaration], seed, rounds)
    before = runner.plan()
    runner.graph = _graph(_renamed(declaration))
    after = runner.plan()
    assert [change.lineage for change in after.buys] == [change.lineage for change in before.buys]
    assert not after.cancels
    runner.unattended()
    assert len(runner.world.jobs) <= len(declaration.jobs)
    runner.check_everything()
    lock = runner.disk.load()
    assert set(lock.jobs) <= {str(job.address) for job in runner.graph.jobs}


@effort(40)
@given(declaration=declarations(), data=st.data(), **LIVES)
def test_accepting_what_a_parent_was_spares_all_that_descends_from_it(
    declaration: Declaration, data: st.DataObject, seed: int, rounds: int
) -> None:
    runner = Runner(SimWorld(seed), _graph(declaration))
    runner.unattended()
    before = {str(job.address): job for job in runner.graph.jobs}
    done = runner.disk.load()
    changed = data.draw(st.sampled_from(declaration.jobs))
    jobs, parents = [], {}
    for job in declaration.jobs:
        if job is changed:
            job = replace(job, nonce="again")
        source = job.source
        if isinstance(source, ParentRef) and source.address == changed.address:
            result = done.jobs[str(source.address)].result
            if result is None or result.model is None:
                return
            job = replace(
                job, accept=Acceptance(model=result.model, reason="", until=None, where=WHERE)
            )
            parents[job.address] = before[str(source.address)].lineage
        jobs.append(job)
    edited = replace(declaration, jobs=tuple(jobs))
    runner.graph = desire(edited, replace(pins_of(edited), parents=parents))
    assert {change.address for change in runner.plan().buys} <= {str(changed.address)}
    without = _graph(replace(edited, jobs=tuple(replace(job, accept=None) for job in jobs)))
    lock, seen = _seen(runner)
    view = look(without, lock, seen, SETTLE)
    plan = make_plan(view)
    for advice in advise(view, plan, make_plan):
        assert set(advice.buys) == {str(changed.address)}
    runner.unattended()
    runner.check_settled()


@effort(40)
@given(commits=histories(), rules=troubles(), **LIVES)
def test_every_desired_address_has_exactly_one_line_and_the_lines_add_up(
    commits: list[Declaration], rules: object, seed: int, rounds: int
) -> None:
    runner = _lived(commits, seed, rounds)
    plan = runner.plan()
    addresses = [str(job.address) for job in runner.graph.jobs]
    assert [change.address for change in plan.changes[: len(addresses)]] == addresses
    for address in addresses:
        line = plan.find(address)
        assert line is not None
        assert line.lineage == plan.desired[address]
    assert sum(plan.counts().values()) == len(plan.changes)
    assert plan.is_empty == all(change.action is Action.KEEP for change in plan.changes)
    names = [change.job for change in plan.cancels]
    assert len(names) == len(set(names))


@effort(30)
@given(declaration=declarations(), **LIVES)
def test_a_lost_lock_is_written_again_from_the_jobs_alone(
    declaration: Declaration, seed: int, rounds: int
) -> None:
    runner = _lived([declaration], seed, rounds)
    runner.unattended()
    posts, before = runner.world.posts, runner.disk.load()
    runner.disk.file = None
    assert not runner.plan().buys
    runner.unattended()
    assert runner.world.posts == posts
    after = runner.disk.load()
    for address, job in before.jobs.items():
        assert after.jobs[address].current == job.current
        for key, entry in job.creations.items():
            again = after.jobs[address].creations[key]
            evidence = replace(again, evidence=entry.evidence)
            assert evidence == entry


def test_a_spec_that_is_removed_while_it_is_queued_by_its_parent_buys_nothing() -> None:
    parent = a_declared("support-bot/seed")
    child = a_declared("support-bot/week", after="support-bot/seed")
    runner = Runner(SimWorld(1), a_graph(parent, child))
    runner.tick()
    runner.graph = a_graph(parent)
    runner.unattended()
    assert len(runner.world.jobs) == 1


def test_the_settle_time_is_counted_from_the_services_clock() -> None:
    assert timedelta(minutes=15) == SETTLE and NOON.tzinfo is not None
