"""A tick whose memory fails: what was made is told, and nothing more is begun."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.builders import (
    SETTLE,
    a_chain,
    a_declaration,
    a_declared,
    a_graph,
    a_key,
    a_promotion,
    pins_of,
)
from tests.support.world import Rules, Runner, SimWorld
from tuneops.core.creation import Held, Made
from tuneops.core.desired import DeclaredJob, DesiredGraph, desire
from tuneops.core.observed import JobState, ObservedJob
from tuneops.core.policy import Policy, Retry
from tuneops.engine.execute import exit_code
from tuneops.engine.rebuilding import recover
from tuneops.engine.reconcile import survey
from tuneops.engine.telling import Event
from tuneops.errors import ClaimDamaged, DiskError, TuneopsError, Unavailable
from tuneops.store.lockfile import dump

BOTH = a_graph(*a_chain("seed"), a_declared("router", data="gs://data/router.jsonl"))
ONE, OTHER = a_graph(*a_chain("seed")), a_graph(*a_chain("seed", nonce="2"))


def _runner() -> Runner:
    return Runner(SimWorld(1), BOTH)


def _broken(right: Callable[..., Any], when: Callable[..., bool], fault: Exception) -> Any:
    def call(*args: Any) -> Any:
        if when(*args):
            raise fault
        return right(*args)

    return call


def test_a_claim_store_that_ends_after_the_post_hides_no_job_and_begins_nothing_more() -> None:
    runner = _runner()
    silent = Unavailable("the store did not answer")
    runner.swap = _broken(runner.swap, lambda claim, _: claim.phase == "bound", silent)  # type: ignore[method-assign]
    done = runner.tick()
    assert runner.world.posts == 1
    ((_, outcome),) = done.outcomes
    assert isinstance(outcome, Made) and outcome.troubles and exit_code(outcome) == 1
    assert [entry.job for _, _, entry in runner.disk.content().creations()] == [
        outcome.creation.job
    ]
    del runner.swap
    runner.converge()
    runner.check_everything()


def test_a_claim_store_that_is_not_there_buys_nothing_and_keeps_what_was_made() -> None:
    runner = _runner()
    key = a_key(BOTH.jobs[1])
    runner.read = _broken(runner.read, lambda wanted: wanted == key, Unavailable("no store"))  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        runner.tick()
    assert runner.world.posts == 1
    assert [entry.job for _, _, entry in runner.disk.content().creations()] == [
        job.shown.name for job in runner.world.jobs.values()
    ]
    assert not runner.disk.lines
    del runner.read
    runner.converge()
    runner.check_everything()


def _told(runner: Runner) -> list[Event]:
    """The events of a runner, from now on."""
    events: list[Event] = []
    runner._ports = replace(runner.ports, watch=events.append)
    return events


def _unkept(runner: Runner) -> list[tuple[str, ...]]:
    found = (entry.unkept for _, _, entry in runner.disk.load().creations())
    return [unkept for unkept in found if unkept is not None]


def _rebuilt(runner: Runner) -> bytes:
    """The lock as jobs and claims tell it."""
    other = Runner(runner.world, runner.graph, name="rebuilder")
    view = survey(other.graph, other.ports, SETTLE)
    return dump(recover(view, other, [("local", other)]).rebuilt.lock)


CHAIN = a_chain("seed", "week")
EDITED = a_chain("seed", "week", policy=Policy(on_remove="cancel", retry=Retry(limit=2)))


def _promoted(*jobs: DeclaredJob) -> DesiredGraph:
    said = replace(a_declaration(*jobs), promotions=(a_promotion("support-bot/week"),))
    return desire(said, pins_of(said))


UNKEPT = {
    "an edited policy": (a_graph(*CHAIN), a_graph(*EDITED), a_graph(*EDITED[:1]), ()),
    "an alias that was let go": (
        _promoted(*CHAIN),
        _promoted(*CHAIN),
        a_graph(*CHAIN),
        ("prod",),
    ),
}


@pytest.mark.parametrize("case", UNKEPT)
def test_what_could_not_be_kept_in_a_claim_is_kept_by_a_later_run(case: str) -> None:
    *graphs, last, unkept = UNKEPT[case]
    runner = Runner(SimWorld(1), graphs[0])
    for graph in graphs:
        runner.graph = graph
        runner.converge()
    runner.graph, events = last, _told(runner)
    silent = Unavailable("the store did not answer")
    runner.read = _broken(runner.read, lambda _: True, silent)  # type: ignore[method-assign]
    assert runner.tick().wrote and not runner.tick().wrote
    assert [(one.event, one.detail) for one in events] == [
        ("kept in the lock alone", "the store did not answer")
    ] * 2
    assert _unkept(runner) == [unkept]
    del runner.read
    assert _rebuilt(runner) != dump(runner.disk.load()), "it would be lost with the lock"
    assert runner.tick().wrote and not _unkept(runner)
    assert _rebuilt(runner) == dump(runner.disk.load())
    assert len(events) == 2
    writes = runner.world.claim_writes
    runner.read = _broken(runner.read, lambda _: True, silent)  # type: ignore[method-assign]
    runner.check_settled()
    assert runner.world.claim_writes == writes and len(events) == 2, "it asks for nothing more"


def test_one_claim_that_is_garbage_keeps_no_other_from_being_kept() -> None:
    runner = Runner(SimWorld(1), a_graph(*CHAIN))
    for jobs in (CHAIN, EDITED):
        runner.graph = a_graph(*jobs)
        runner.converge()
    bad = a_key(a_graph(*CHAIN).jobs[0])
    runner.graph, events = a_graph(a_declared("other")), _told(runner)
    garbage = ClaimDamaged("the claim cannot be read", help="look at it")
    runner.read = _broken(runner.read, lambda key: key == bad, garbage)  # type: ignore[method-assign]
    runner.tick()
    assert [one.detail for one in events if one.event == "kept in the lock alone"] == [
        "the claim cannot be read"
    ]
    assert [key for _, key, one in runner.disk.load().creations() if one.unkept == ()] == [bad]


def test_a_claim_that_always_changes_is_kept_later() -> None:
    runner = Runner(SimWorld(1), a_graph(*CHAIN))
    for jobs in (CHAIN, EDITED):
        runner.graph = a_graph(*jobs)
        runner.converge()
    runner.graph, events, tries = a_graph(*EDITED[:1]), _told(runner), []
    runner.swap = lambda claim, _: tries.append(claim)  # type: ignore[method-assign]
    runner.tick()
    assert len(tries) == 3 and _unkept(runner) == [()]
    assert events[0].detail.endswith("changes faster than it can be written")


def test_a_journal_that_is_full_after_the_post_begins_nothing_more() -> None:
    runner = _runner()

    def made(_: str, __: str, creation: Any) -> bool:
        return creation.job is not None

    runner.disk.remember = _broken(runner.disk.remember, made, DiskError("no space"))  # type: ignore[method-assign]
    runner._ports.hands.memory.remember = runner.disk.remember  # type: ignore[method-assign]
    done = runner.tick()
    assert runner.world.posts == 1 and [exit_code(o) for _, o in done.outcomes if o] == [1]
    assert [claim.phase for claim, _ in runner.world.claims.values()] == ["bound"]


def test_a_lock_that_cannot_be_written_says_what_it_would_have_said() -> None:
    runner = _runner()
    full = DiskError("cannot write the lock: no space left")
    runner.disk.save = _broken(runner.disk.save, lambda lock: bool(lock.jobs), full)  # type: ignore[method-assign]
    with pytest.raises(DiskError) as fault:
        runner.tick()
    names = [job.shown.name for job in runner.world.jobs.values()]
    told = " ".join(fault.value.notes)
    assert len(names) == 2 and all(name in told for name in names)
    assert "nothing is bought twice" in told
    del runner.disk.save
    runner.converge()
    runner.check_everything()


def test_a_damaged_claim_holds_its_own_address_and_no_other() -> None:
    runner = _runner()
    damaged = ClaimDamaged("the claim cannot be read", help="remove it only when")
    key = a_key(BOTH.jobs[0])
    runner.read = _broken(runner.read, lambda wanted: wanted == key, damaged)  # type: ignore[method-assign]
    report = runner.converge(hours=3)
    held = [outcome for _, outcome in report.outcomes if isinstance(outcome, Held)]
    assert {outcome.why for outcome in held} == {"claim-damaged"}
    assert {exit_code(outcome) for outcome in held} == {3}
    assert [job.shown.state for job in runner.world.jobs.values()] == [JobState.SUCCEEDED]


# --- cancels -------------------------------------------------------------------------------------


def _superseded() -> Runner:
    runner = Runner(SimWorld(1, Rules(minutes=(60, 90))), ONE)
    runner.tick()
    runner.world.sleep(70)
    runner.tick()
    runner.graph = OTHER
    return runner


def _asked(runner: Runner) -> tuple[Any, Any]:
    """What lock and claim say of the first job's cancel."""
    name = next(iter(runner.world.jobs))
    (entry,) = (e for _, _, e in runner.disk.load().creations() if e.job == name)
    (claim,) = (claim for claim, _ in runner.world.claims.values() if claim.job == name)
    return entry.cancel_asked, claim.cancel_asked


def test_a_cancel_that_was_heard_is_ours_in_lock_and_claim() -> None:
    runner = _superseded()
    runner.tick()
    assert _asked(runner) == (True, True)


def _never_sent(runner: Runner) -> None:
    """A tick that writes its cancel down and cannot send it."""
    nobody = _broken(runner.cancel_job, lambda _: True, Unavailable("no route"))
    runner.cancel_job = nobody  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        runner.tick()
    del runner.cancel_job


def test_a_cancel_that_was_never_sent_does_not_make_a_persons_cancel_ours() -> None:
    runner = _superseded()
    _never_sent(runner)
    assert _asked(runner) == (False, False)
    runner.world.cancel_by_hand(next(iter(runner.world.jobs)))
    runner.graph = ONE
    runner.converge()
    assert runner.world.posts == 1, "bought against a veto"
    assert [change.reason.value for change in runner.plan().holds] == ["cancelled-elsewhere"]


def test_a_cancel_that_was_not_sent_is_sent_by_the_next_round() -> None:
    runner = _superseded()
    _never_sent(runner)
    runner.tick()
    assert _asked(runner) == (True, True)
    runner.graph = ONE
    runner.converge()
    assert runner.world.posts == 2, "what we cancelled is wanted again"
    runner.check_everything()


def test_a_cancel_that_cannot_be_written_down_is_not_sent() -> None:
    runner = _superseded()
    silent = Unavailable("the store did not answer")
    runner.swap = _broken(runner.swap, lambda claim, _: claim.cancel_asked is False, silent)  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        runner.tick()
    assert not runner.world.cancels


def test_a_cancel_that_was_sent_and_could_not_be_written_down_is_told() -> None:
    runner = _superseded()
    silent = Unavailable("the store did not answer")
    runner.swap = _broken(runner.swap, lambda claim, _: bool(claim.cancel_asked), silent)  # type: ignore[method-assign]
    done = runner.tick()
    assert [exit_code(outcome) for _, outcome in done.outcomes if outcome] == [1]
    assert runner.world.posts == 1 and len(runner.world.cancels) == 1
    assert _asked(runner) == (True, False)


def test_a_claim_that_is_garbage_stops_the_cancel_of_its_own_job_only() -> None:
    runner = _superseded()
    damaged = ClaimDamaged("the claim cannot be read", help="remove it only when")
    runner.read = _broken(runner.read, lambda _: True, damaged)  # type: ignore[method-assign]
    done = runner.tick()
    assert [type(outcome) for _, outcome in done.outcomes] == [Held]
    assert not runner.world.cancels


def test_a_claim_that_is_gone_is_written_anew_before_a_cancel() -> None:
    runner = _superseded()
    look = runner.get_job

    def emptied(name: str) -> ObservedJob | None:
        runner.world.claims.clear()
        return look(name)

    runner.get_job = emptied  # type: ignore[method-assign]
    runner.tick()
    assert _asked(runner) == (True, True) and len(runner.world.cancels) == 1


def test_a_job_that_nobody_here_claimed_is_held_though_the_lock_has_it() -> None:
    """A fork has the lock of the repository that it was copied from, and not its claims."""
    runner = _superseded()
    runner.world.claims.clear()
    runner.world.rules.solo = False
    done = runner.tick()
    assert [change.reason.value for change in done.plan.holds] == ["not-known-here"]
    assert not runner.world.cancels


def test_a_claim_that_others_change_all_the_time_stops_the_cancel() -> None:
    runner = _superseded()
    runner.swap = lambda claim, expected: None  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="faster"):
        runner.tick()
    assert not runner.world.cancels


def test_the_cancel_of_a_twin_is_journalled_and_its_brothers_entry_stays() -> None:
    world = SimWorld(2, Rules(lag=100, minutes=(60, 90), solo=False, guarded=False))
    pair = [Runner(world, ONE, name=name, shared_claims=False) for name in ("first", "second")]
    for runner in pair:
        runner.tick()
        world.sleep(10)
    world.sleep(300)
    older, younger = world.jobs
    seen: list[str | None] = []
    right = pair[0].disk._append

    def append(line: Any) -> None:
        seen.append(line.creation.job)
        right(line)

    pair[0].disk._append = append  # type: ignore[method-assign]
    pair[0].tick()
    assert world.cancels == [younger] and seen == [younger, younger]
    (entry,) = (entry for _, _, entry in pair[0].disk.load().creations())
    assert (entry.job, entry.cancel_asked) == (older, None)


def test_a_stop_after_the_cancel_of_a_twin_does_not_make_it_its_brothers() -> None:
    world = SimWorld(2, Rules(minutes=(60, 90), solo=False, guarded=False))
    pair = [Runner(world, ONE, name=name, shared_claims=False) for name in ("first", "second")]
    world.rules.lag = 100
    for runner in pair:
        runner.tick()
        world.sleep(10)
    world.sleep(300)
    first = pair[0]
    older, younger = world.jobs
    right = first.disk.save
    first.disk.save = _broken(right, lambda _: bool(world.cancels), TuneopsError("it stops"))  # type: ignore[method-assign]
    with pytest.raises(TuneopsError):
        first.tick()
    del first.disk.save
    assert world.cancels == [younger]
    first.disk.file = None
    (entry,) = (entry for _, _, entry in first.tick().lock.creations())
    assert (entry.job, entry.cancel_asked) == (older, None)
