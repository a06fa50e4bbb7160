"""Deletions through stops, races and hands: once, of the very version, and never bought again."""

from dataclasses import replace

import pytest

from tests.support.builders import SETTLE, a_chain, a_declaration, pins_of
from tests.support.world import Crash, Runner, SimWorld
from tuneops.core.desired import DesiredGraph, desire
from tuneops.core.observed import JobState
from tuneops.core.plan import Action, Approval
from tuneops.core.policy import Removal
from tuneops.core.rebuild import rebuild
from tuneops.engine.reconcile import survey
from tuneops.errors import Stale
from tuneops.store.lockfile import dump

ADDRESS = "support-bot/tone"


def graph_of(*stages: str, removed: str = "", nonce: str | None = None) -> DesiredGraph:
    jobs = a_chain(*stages)
    declaration = a_declaration(*jobs[:-1], replace(jobs[-1], nonce=nonce))
    if removed:
        number = removed.rpartition("/models/")[2]
        removal = Removal(address=ADDRESS, confirm=f"models/{number}")
        declaration = replace(declaration, removals=(removal,))
    return desire(declaration, pins_of(declaration))


def begun() -> tuple[Runner, str]:
    """A runner whose chain is finished, whose leaf's spec is gone, and the leaf's version."""
    runner = Runner(SimWorld(seed=5), graph_of("seed", "tone"))
    runner.converge()
    result = runner.disk.load().at(ADDRESS).result
    assert result is not None
    assert result.model is not None
    runner.graph = graph_of("seed", removed=result.model)
    runner.instants.clear()
    return runner, result.model


def there(runner: Runner, model: str) -> bool:
    base, _, number = model.partition("@")
    return number in runner.world.versions[base]


def settled(runner: Runner, model: str) -> None:
    """It is gone, once, the lock says so, and its spec buys nothing."""
    runner.check_everything()
    assert runner.world.deletions == [model]
    (entry,) = runner.disk.load().at(ADDRESS).creations.values()
    assert entry.delete_asked
    assert runner.plan().is_empty
    posts = runner.world.posts
    for graph in (graph_of("seed", "tone"), graph_of("seed", "tone", removed=model)):
        runner.graph = graph
        runner.converge()
        assert runner.plan().drift == ()
        (held,) = runner.plan().holds
        assert held.address == ADDRESS
    assert runner.world.posts == posts


def test_a_deletion_that_stops_at_any_instant_is_finished_by_the_next_run() -> None:
    undisturbed, model = begun()
    undisturbed.converge()
    count = len(undisturbed.instants)
    settled(undisturbed, model)
    assert count >= 6
    for number in range(1, count + 1):
        runner, model = begun()
        runner.crash_at = number
        with pytest.raises(Crash):
            runner.converge()
        runner.crash_at = None
        runner.converge()
        settled(runner, model)


def test_two_operators_delete_once() -> None:
    one, model = begun()
    two = Runner(one.world, one.graph, name="two")
    two.disk.file = one.disk.file
    for number in range(1, 12):
        one.meanwhile[number] = two.tick
    one.converge()
    two.converge()
    settled(one, model)


def test_a_run_that_is_not_at_the_tip_deletes_nothing() -> None:
    runner, model = begun()
    runner.may_cancel = False
    done = runner.tick()
    assert [change.address for change in done.plan.holds] == [ADDRESS]
    assert done.outcomes == ()
    assert there(runner, model)
    runner.may_cancel = True
    runner.converge()
    settled(runner, model)


def test_an_approval_that_did_not_say_it_deletes_nothing() -> None:
    runner, model = begun()
    wanted = runner.graph
    runner.graph = graph_of("seed")
    approval = Approval.of(runner.plan())
    digest = runner.plan().digest
    runner.graph = wanted
    assert runner.plan().digest != digest
    with pytest.raises(Stale, match="would be deleted"):
        runner.tick(approval)
    assert there(runner, model)
    runner.converge(Approval.of(runner.plan()))
    settled(runner, model)


def test_a_version_that_is_pointed_at_in_the_same_moment_is_left() -> None:
    runner, model = begun()
    looks, seen = 0, runner.world.list_versions

    def meddled(base: str) -> object:
        nonlocal looks
        looks += 1
        if looks == 2:  # after the plan, before the deletion
            runner.world.merge_aliases(model, ("golden",))
        return seen(base)

    runner.world.list_versions = meddled  # type: ignore[method-assign,assignment]
    ((_, outcome),) = runner.tick().outcomes
    assert type(outcome).__name__ == "Contended"
    assert there(runner, model)
    (entry,) = runner.disk.load().at(ADDRESS).creations.values()
    assert entry.delete_asked is None
    runner.world.merge_aliases(model, ("-golden",))
    runner.converge()
    settled(runner, model)


def test_a_lock_that_is_lost_deletes_nothing_and_buys_nothing() -> None:
    runner, model = begun()
    runner.disk.file = None
    runner.converge()
    assert there(runner, model)
    (line,) = runner.plan().holds
    assert line.action is Action.HOLD and "lock rebuild" in line.detail[0]
    (entry,) = [one for _, _, one in runner.disk.load().creations() if one.model == model]
    assert entry.recalled, "its result is not lost with the lock, and not for a run to delete"
    seen = survey(runner.graph, runner.ports, SETTLE).observed
    runner.disk.file = dump(rebuild(runner.graph, runner.disk.load(), seen, SETTLE).lock)
    assert all(one.recalled is None for _, _, one in runner.disk.load().creations())
    runner.converge()
    assert not there(runner, model), "who rebuilds the lock vouches for it"


def test_a_version_that_a_job_of_others_continues_is_left() -> None:
    runner, model = begun()
    job = next(iter(runner.world.jobs.values()))
    other = replace(
        job.shown,
        name=job.shown.name.replace("tuningJobs/1", "tuningJobs/99"),
        state=JobState.RUNNING,
        ownership=None,
        model=None,
        fields=replace(job.shown.fields, pretuned_model=model),
    )
    runner.world.jobs[other.name] = replace(job, shown=other)
    runner.tick()
    assert there(runner, model)
