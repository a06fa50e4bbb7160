"""The rules, broken on purpose: each break must be noticed by a story that is told below.

A break that nobody notices names a law that is not tested. The stories pass when nothing is broken.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.builders import a_chain, a_declared, a_graph, a_mark, a_target
from tests.support.world import Crash, Rules, Runner, SimWorld
from tuneops.core import (
    creation,
    excess,
    ledger,
    observed,
    planner,
    purchase,
    slots,
    steps,
)
from tuneops.core.creation import (
    INTENT_AGE,
    ListJobs,
    PostJob,
    ProveMemory,
    Refusal,
    Remember,
    SwapClaim,
)
from tuneops.core.desired import Target
from tuneops.core.lock import Lock, LockedJob
from tuneops.core.observed import JobState
from tuneops.core.plan import Action, Approval, Change, Reason
from tuneops.core.policy import Policy, Retry
from tuneops.engine import execute, observe
from tuneops.engine import reconcile as engine
from tuneops.engine.ports import Listing
from tuneops.errors import Stale, Unavailable

ONE = a_graph(*a_chain("seed"))
OTHER = a_graph(*a_chain("seed", nonce="other"))
CHAIN = a_graph(*a_chain("seed", "week"))
EMPTY = a_graph(a_declared("router", data="gs://data/router.jsonl"))


# --- the stories ---------------------------------------------------------------------------------


def plain_run() -> None:
    runner = Runner(SimWorld(1), CHAIN)
    runner.converge()
    runner.check_everything()


def paused_while_another_takes_over() -> None:
    world = SimWorld(1, Rules(lag=0))
    first, second = Runner(world, ONE, name="first"), Runner(world, ONE, name="second")

    def others() -> None:
        world.sleep(INTENT_AGE.total_seconds())
        second.tick()

    probe = Runner(SimWorld(1), ONE)
    probe.tick()
    first.meanwhile[probe.instants.index("before: claim issued") + 1] = others
    first.tick()
    assert not first.meanwhile
    assert len(world.jobs) == 1


def the_machine_sleeps_before_the_claim_is_issued() -> None:
    world = SimWorld(1, Rules(lag=120))
    first, second = Runner(world, ONE, name="first"), Runner(world, ONE, name="second")
    probe = Runner(SimWorld(1), ONE)
    probe.tick()
    sleeps, posts = ("before: claim issued", "before: post support-bot/seed")
    first.meanwhile[probe.instants.index(sleeps) + 1] = lambda: world.sleep(1000)
    first.meanwhile[probe.instants.index(posts) + 1] = lambda: (second.tick(), None)[1]
    first.tick()
    assert len(world.jobs) == 1
    first.meanwhile.clear()
    first.converge()
    first.check_everything()


def a_stranger_to_the_claims_is_quicker() -> None:
    world = SimWorld(1)
    first = Runner(world, ONE, name="first")
    second = Runner(world, ONE, name="second", shared_claims=False)
    first.meanwhile[1] = lambda: (second.tick(), None)[1]
    first.tick()
    assert len(world.jobs) == 1


def the_answer_is_lost_and_the_list_is_late() -> None:
    runner = Runner(SimWorld(1, Rules(lag=120, faults={1: "lost-answer"})), ONE)
    for _ in range(6):
        runner.tick()
        runner.world.sleep(30)
    runner.converge()
    runner.check_everything()


def the_answer_is_lost_and_the_claims_too() -> None:
    runner = Runner(SimWorld(1, Rules(lag=120, faults={1: "lost-answer"})), ONE)
    for graph in (ONE, EMPTY, ONE):
        runner.graph = graph
        runner.tick()
        runner.world.claims.clear()
        runner.world.sleep(10)
    runner.converge()
    runner.check_everything()


def a_job_that_always_fails() -> None:
    runner = Runner(SimWorld(1, Rules(failures=dict.fromkeys(range(1, 9), 3))), ONE)
    for _ in range(4):
        runner.tick()
        runner.world.sleep(3600)
    assert runner.world.posts == 1, "it is paid for at every run"


def the_seed_changes_after_all_is_done() -> None:
    runner = Runner(SimWorld(1), CHAIN)
    runner.converge()
    first, second = a_chain("seed", "week")
    runner.graph = a_graph(replace(first, nonce="other"), second)
    runner.converge()
    runner.check_everything()


def an_edit_while_the_job_runs() -> None:
    runner = Runner(SimWorld(1), ONE)
    runner.tick()
    runner.world.sleep(70)
    runner.graph = OTHER
    runner.converge()
    runner.check_everything()


def an_edit_and_back_while_the_list_is_late() -> None:
    runner = Runner(SimWorld(1, Rules(lag=120)), ONE)
    runner.converge()
    runner.graph = OTHER
    runner.tick()
    runner.graph = ONE
    runner.converge()
    runner.check_everything()


def an_edit_and_back_after_a_lost_answer() -> None:
    runner = Runner(SimWorld(1, Rules(lag=120, faults={2: "lost-answer"})), ONE)
    runner.converge()
    runner.graph = OTHER
    runner.tick()
    runner.graph = ONE
    runner.unattended()
    runner.check_everything()


def the_record_of_a_running_job_is_gone() -> None:
    runner = Runner(SimWorld(1), ONE)
    runner.tick()
    runner.world.sleep(100)
    gone = runner.world.jobs.copy()
    runner.world.jobs.clear()
    for _ in range(3):
        runner.tick()
        runner.world.sleep(1000)
    assert runner.world.posts == 1, "not found does not mean create"
    runner.world.jobs.update(gone)


def a_stop_after_the_post() -> None:
    probe = Runner(SimWorld(1, Rules(lag=120)), ONE)
    probe.tick()
    runner = Runner(SimWorld(1, Rules(lag=120)), ONE)
    runner.crash_at = probe.instants.index("after: post support-bot/seed") + 1
    with pytest.raises(Crash):
        runner.tick()
    runner.crash_at = None
    runner.world.claims.clear()
    runner.tick()
    runner.converge()
    runner.check_everything()


def two_runs_without_a_guard() -> None:
    world = SimWorld(2, Rules(lag=100, minutes=(60, 90), solo=False, guarded=False))
    pair = [Runner(world, ONE, name=name, shared_claims=False) for name in ("first", "second")]
    for runner in pair:
        runner.tick()
    world.sleep(300)
    for _ in range(40):
        for runner in pair:
            runner.tick()
        world.sleep(300)
    ends = sorted(job.shown.state for job in world.jobs.values())
    assert ends == [JobState.CANCELLED, JobState.SUCCEEDED], "none is left, or two are"


def a_lost_request_with_one_slot() -> None:
    graph = a_graph(*a_chain("seed"), target=a_target(concurrent_jobs=1))
    runner = Runner(SimWorld(1, Rules(faults={1: "lost-request"})), graph)
    runner.converge()
    runner.check_everything()


def a_revert_while_the_old_job_is_being_stopped() -> None:
    runner = Runner(SimWorld(1), ONE)
    runner.tick()
    runner.world.sleep(70)
    runner.graph = OTHER
    runner.tick()
    runner.graph = ONE
    first = runner.plan()
    assert [change.lineage for change in first.buys] == [ONE.jobs[0].lineage]
    runner.converge()
    runner.check_everything()


def a_suspended_replacement() -> None:
    runner = Runner(SimWorld(1), ONE)
    runner.tick()
    runner.world.sleep(70)
    runner.graph = a_graph(*a_chain("seed", nonce="other", suspended=True))
    runner.tick()
    assert not runner.world.cancels, "stopped for nothing that could take its place"


def the_second_answer_is_lost() -> None:
    runner = Runner(SimWorld(1, Rules(faults={2: "lost-answer"})), CHAIN)
    runner.unattended()
    runner.check_everything()


def the_answer_is_lost_and_the_list_fails() -> None:
    deaf = frozenset(range(3, 20))
    runner = Runner(SimWorld(1, Rules(faults={1: "lost-answer"}, deaf_lists=deaf)), ONE)
    for _ in range(4):
        with contextlib.suppress(Unavailable):
            runner.tick()
        runner.world.sleep(1000)
    assert runner.world.posts == 1
    runner.converge()
    runner.check_everything()


def the_older_twin_stays() -> None:
    world = SimWorld(2, Rules(lag=100, minutes=(60, 90), solo=False, guarded=False))
    pair = [Runner(world, ONE, name=name, shared_claims=False) for name in ("first", "second")]
    for runner in pair:
        runner.tick()
        world.sleep(10)
    world.sleep(300)
    for runner in (*pair, *pair):
        runner.tick()
        world.sleep(300)
    assert [bool(job.cancelled) for job in world.jobs.values()] == [False, True]


def the_older_twin_stays_though_the_younger_is_ahead() -> None:
    world = SimWorld(2, Rules(lag=100, minutes=(60, 90), solo=False, guarded=False))
    pair = [Runner(world, ONE, name=name, shared_claims=False) for name in ("first", "second")]
    for runner in pair:
        runner.tick()
        world.sleep(10)
    world.sleep(300)
    older = next(iter(world.jobs.values()))
    older.shown = replace(older.shown, state=JobState.QUEUED)
    for runner in pair:
        runner.tick()
    assert [bool(job.cancelled) for job in world.jobs.values()] == [False, True]


def a_job_that_fails_once_and_may_again() -> None:
    graph = a_graph(*a_chain("seed", policy=Policy(retry=Retry(limit=1))))
    runner = Runner(SimWorld(1, Rules(failures={1: 14})), graph)
    runner.unattended()
    runner.check_everything()


def a_state_that_nobody_knows() -> None:
    runner = Runner(SimWorld(1), ONE)
    runner.tick()
    (job,) = runner.world.jobs.values()
    job.shown = replace(job.shown, state=JobState.UNKNOWN)
    assert not runner.tick().plan.settled, "given up although it may still run"


def another_spec_than_was_approved() -> None:
    runner = Runner(SimWorld(1), ONE)
    approval = Approval.of(runner.plan())
    runner.graph = OTHER
    with contextlib.suppress(Stale):
        runner.tick(approval)
    assert not runner.world.posts, "bought what nobody approved"


STORIES = [
    value for value in list(globals().values()) if getattr(value, "__module__", "") == __name__
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_story_ends_well_when_nothing_is_broken(story: Callable[[], None]) -> None:
    story()


# --- the breaks ----------------------------------------------------------------------------------

Patch = pytest.MonkeyPatch


def _effects(patch: Patch, change: Callable[[Any, Callable[[], Any]], Any]) -> None:
    """Do an effect otherwise: `change` is given it, and how it is done rightly."""
    right = execute.perform
    patch.setattr(
        execute, "perform", lambda effect, hands: change(effect, lambda: right(effect, hands))
    )


def no_claim_fence(patch: Patch) -> None:
    def change(effect: Any, right: Callable[[], Any]) -> Any:
        issued = isinstance(effect, SwapClaim) and effect.claim.phase == "issued"
        return right() or "0" if issued else right()

    _effects(patch, change)


def a_sleep_is_not_noticed(patch: Patch) -> None:
    patch.setattr(execute, "_elapsed", lambda *_: 0.0)


def no_confirming_list(patch: Patch) -> None:
    def change(effect: Any, right: Callable[[], Any]) -> Any:
        return (right()[0], ()) if isinstance(effect, ListJobs) else right()

    _effects(patch, change)


def unknown_is_refused(patch: Patch) -> None:
    def change(effect: Any, right: Callable[[], Any]) -> Any:
        answer = right()
        return Refusal("?") if isinstance(answer, creation.Silence) else answer

    _effects(patch, change)


def the_post_is_repeated(patch: Patch) -> None:
    def change(effect: Any, right: Callable[[], Any]) -> Any:
        answer = right()
        again = isinstance(effect, PostJob) and isinstance(answer, creation.Silence)
        return right() if again else answer

    _effects(patch, change)


def the_memory_is_not_proved(patch: Patch) -> None:
    _effects(patch, lambda effect, right: isinstance(effect, ProveMemory) or right())


def the_intent_is_not_journalled(patch: Patch) -> None:
    def change(effect: Any, right: Callable[[], Any]) -> Any:
        intent = isinstance(effect, Remember) and effect.creation.job is None
        return None if intent else right()

    _effects(patch, change)


def the_cancel_is_not_journalled(patch: Patch) -> None:
    def cancel(step: Any, _: Any, hands: Any, runner: str) -> None:
        hands.service.cancel_job(step.change.job)

    patch.setattr(engine, "cancel_job", cancel)


def no_settle_time(patch: Patch) -> None:
    right = Runner.terms
    patch.setattr(
        Runner, "terms", lambda self, *args: replace(right(self, *args), settle=timedelta())
    )


def intents_are_forgotten_at_once(patch: Patch) -> None:
    patch.setattr(ledger, "settled", lambda *_: True)


def old_intents_are_not_waited_for(patch: Patch) -> None:
    patch.setattr(excess, "_old_intents", lambda *_: iter(()))


def failed_jobs_do_not_count(patch: Patch) -> None:
    def again(view: Any, job: Any, _: str, entry: Any, decided: Any) -> Change:
        return purchase.begin(view, job, entry.attempt + 1, Reason.RETRY, None, decided)

    patch.setattr(planner, "_ended", again)


def any_result_will_do_as_a_parent(patch: Patch) -> None:
    def parent(view: Any, job: Any) -> Any:
        return view.ledger.at(str(job.parent)).result if job.parent else None

    patch.setattr(purchase, "parent_result", parent)
    patch.setattr(steps, "parent_result", parent)


def strays_are_left_alone(patch: Patch) -> None:
    patch.setattr(planner, "excess", lambda *_: iter(()))


def the_end_of_the_old_job_is_not_waited_for(patch: Patch) -> None:
    right = steps._gates
    patch.setattr(steps, "_gates", lambda *args: ((job, "") for job, _ in right(*args)))


def not_found_means_create(patch: Patch) -> None:
    right = planner._running

    def running(view: Any, job: Any, key: str, entry: Any, decided: Any) -> Change:
        if entry.job in view.observed.missing:
            return purchase.begin(view, job, entry.attempt + 1, Reason.NEVER_MADE, None, decided)
        return right(view, job, key, entry, decided)

    patch.setattr(planner, "_running", running)


def the_lock_chooses_between_twins(patch: Patch) -> None:
    def duplicate(view: Any, job: Any, address: str) -> Change:
        return excess._job_line(address, job, Action.CANCEL, Reason.DUPLICATE)

    right = ledger.updated
    patch.setattr(excess, "_duplicate", duplicate)
    patch.setattr(
        ledger,
        "updated",
        lambda entry, job: right(entry, job) if entry.job in (None, job.name) else entry,
    )
    patch.setattr(ledger, "renamed", lambda entry, _: entry)


def unlisted_jobs_are_not_asked_for(patch: Patch) -> None:
    patch.setattr(observe, "_unlisted", lambda *_: set())


def old_intents_hold_their_slot(patch: Patch) -> None:
    patch.setattr(slots, "settled", lambda *_: False)


def a_purchase_after_a_cancel_is_not_announced(patch: Patch) -> None:
    right = planner._running

    def running(view: Any, job: Any, key: str, entry: Any, decided: Any) -> Change:
        return right(view, job, key, replace(entry, cancel_asked=None), decided)

    patch.setattr(planner, "_running", running)


def the_journal_is_not_read(patch: Patch) -> None:
    from tests.support.world import Disk

    patch.setattr(Disk, "_lines", lambda _: [])


def only_the_first_page(patch: Patch) -> None:
    right = SimWorld.list_jobs
    patch.setattr(
        SimWorld,
        "list_jobs",
        lambda self: replace(right(self), jobs=right(self).jobs[:1]),
    )


def a_failed_list_is_an_empty_one(patch: Patch) -> None:
    right = SimWorld.list_jobs

    def list_jobs(self: SimWorld) -> Listing:
        try:
            return right(self)
        except Unavailable:
            return Listing(at=self.at, jobs=())

    patch.setattr(SimWorld, "list_jobs", list_jobs)


def the_younger_twin_counts(patch: Patch) -> None:
    def survivor(jobs: Any) -> Any:
        return max(jobs, key=lambda job: job.seniority)

    patch.setattr(ledger, "survivor", survivor)
    patch.setattr(excess, "survivor", survivor)


def the_state_chooses_between_twins(patch: Patch) -> None:
    """Seeded bug 10: who runs already counts more than who is older."""

    def survivor(jobs: Any) -> Any:
        return min(jobs, key=lambda job: (job.state is not JobState.RUNNING, job.seniority))

    patch.setattr(ledger, "survivor", survivor)
    patch.setattr(excess, "survivor", survivor)


def an_entry_overwrites_the_others(patch: Patch) -> None:
    right = Lock.record

    def record(self: Lock, entries: Any) -> Lock:
        given = list(entries)
        alone = {address: LockedJob() for address, _, _ in given}
        return right(replace(self, jobs={**self.jobs, **alone}), given)

    patch.setattr(Lock, "record", record)


def one_mark_for_all(patch: Patch) -> None:
    patch.setattr(Runner, "_new_mark", lambda _: a_mark(1))


def the_key_leaves_the_attempt_out(patch: Patch) -> None:
    right = Target.key
    patch.setattr(Target, "key", lambda self, lineage, _: right(self, lineage, 1))


def an_unknown_state_is_an_end(patch: Patch) -> None:
    patch.setattr(observed, "_TERMINAL", observed._TERMINAL | {JobState.UNKNOWN})


def the_plan_is_not_compared(patch: Patch) -> None:
    patch.setattr(Approval, "refusal", lambda *_: None)


@dataclass(frozen=True)
class Mutant:
    apply: Callable[[Patch], None]
    story: Callable[[], None]

    def __str__(self) -> str:
        return self.apply.__name__


MUTANTS = [
    Mutant(no_claim_fence, paused_while_another_takes_over),
    Mutant(a_sleep_is_not_noticed, the_machine_sleeps_before_the_claim_is_issued),
    Mutant(no_confirming_list, a_stranger_to_the_claims_is_quicker),
    Mutant(unknown_is_refused, the_answer_is_lost_and_the_list_is_late),
    Mutant(the_post_is_repeated, the_answer_is_lost_and_the_list_is_late),
    Mutant(the_memory_is_not_proved, plain_run),
    Mutant(the_intent_is_not_journalled, plain_run),
    Mutant(the_journal_is_not_read, a_stop_after_the_post),
    Mutant(the_cancel_is_not_journalled, an_edit_while_the_job_runs),
    Mutant(no_settle_time, the_answer_is_lost_and_the_list_is_late),
    Mutant(intents_are_forgotten_at_once, the_answer_is_lost_and_the_claims_too),
    Mutant(old_intents_are_not_waited_for, an_edit_and_back_after_a_lost_answer),
    Mutant(failed_jobs_do_not_count, a_job_that_always_fails),
    Mutant(any_result_will_do_as_a_parent, the_seed_changes_after_all_is_done),
    Mutant(strays_are_left_alone, an_edit_while_the_job_runs),
    Mutant(the_end_of_the_old_job_is_not_waited_for, an_edit_while_the_job_runs),
    Mutant(the_end_of_the_old_job_is_not_waited_for, a_suspended_replacement),
    Mutant(not_found_means_create, the_record_of_a_running_job_is_gone),
    Mutant(the_lock_chooses_between_twins, two_runs_without_a_guard),
    Mutant(unlisted_jobs_are_not_asked_for, an_edit_and_back_while_the_list_is_late),
    Mutant(old_intents_hold_their_slot, a_lost_request_with_one_slot),
    Mutant(a_purchase_after_a_cancel_is_not_announced, a_revert_while_the_old_job_is_being_stopped),
    Mutant(only_the_first_page, the_second_answer_is_lost),
    Mutant(a_failed_list_is_an_empty_one, the_answer_is_lost_and_the_list_fails),
    Mutant(the_younger_twin_counts, the_older_twin_stays),
    Mutant(the_state_chooses_between_twins, the_older_twin_stays_though_the_younger_is_ahead),
    Mutant(an_entry_overwrites_the_others, the_seed_changes_after_all_is_done),
    Mutant(one_mark_for_all, plain_run),
    Mutant(the_key_leaves_the_attempt_out, a_job_that_fails_once_and_may_again),
    Mutant(an_unknown_state_is_an_end, a_state_that_nobody_knows),
    Mutant(the_plan_is_not_compared, another_spec_than_was_approved),
]


@pytest.fixture
def patch() -> Iterator[Patch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_the_break_is_noticed(mutant: Mutant, patch: Patch) -> None:
    mutant.apply(patch)
    with pytest.raises(AssertionError):
        mutant.story()
