"""The engine: what a tick may do, what it tells, and how a run ends."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import (
    a_chain,
    a_creation,
    a_dataset,
    a_declared,
    a_graph,
    a_job,
    a_key,
    a_lock,
    an_observed_job,
)
from tests.support.world import Rules, Runner, SimWorld
from tuneops.core.creation import Contended, Found, Held, Made, Outcome, Refusal, Unknown
from tuneops.core.desired import Pinned
from tuneops.core.lock import Lock
from tuneops.core.observed import JobState
from tuneops.core.plan import Approval, Plan
from tuneops.core.recipe import Dataset, Evidence
from tuneops.engine.execute import (  # type: ignore[attr-defined]
    CheckData,
    exit_code,
    perform,
)
from tuneops.engine.observe import observe
from tuneops.engine.ports import StoredObject
from tuneops.engine.reconcile import Report, converge, tick
from tuneops.engine.telling import Event, transitions
from tuneops.errors import Rejected, Stale, Unavailable

JOB = a_job()
ONE, OTHER = a_graph(*a_chain("seed")), a_graph(*a_chain("seed", nonce="2"))


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Made(a_creation(JOB)), 0),
        (Found("j"), 0),
        (Unknown(a_creation(JOB), "?"), 7),
        (Held("unanswered", ""), 7),
        (Held("not-listed", ""), 7),
        (Held("job-gone", ""), 3),
        (Held("pin-moved", ""), 3),
        (Held("pin-lost", ""), 3),
        (Held("claim-damaged", ""), 3),
        (Held("not-known-here", ""), 3),
        (Held("quota", ""), 6),
        (Made(a_creation(JOB), troubles=("no space",)), 1),
        (Refusal("full", busy=True, troubles=("no space",)), 1),
        (Contended(""), 6),
        (Refusal("no"), 1),
        (Refusal("full", busy=True), 6),
    ],
)
def test_every_outcome_has_its_exit_code(outcome: Outcome, code: int) -> None:
    assert exit_code(outcome) == code


# --- data ----------------------------------------------------------------------------------------


def _check(there: Dataset | None, local: Dataset | None, *, file: str | None = "a.jsonl") -> object:
    runner = Runner(SimWorld(1), ONE)
    pinned = Pinned(dataset=a_dataset("gs://b/a", "x"), evidence=Evidence(), file=file)
    runner.world.objects["gs://b/a"] = there
    found = StoredObject(dataset=local, evidence=Evidence()) if local else None
    hands = replace(runner._ports.hands, read_file=lambda _: found, file=lambda _: Path("x"))
    if there is None:
        del runner.world.objects["gs://b/a"]
        runner.describe = lambda _: None  # type: ignore[method-assign,assignment]
    return perform(CheckData(pinned), hands)


GOOD, BAD = a_dataset("gs://b/a", "x"), a_dataset("gs://b/a", "y")


@pytest.mark.parametrize(
    ("there", "local", "file", "state"),
    [
        (GOOD, None, None, "ready"),
        (BAD, None, None, "moved"),
        (None, None, None, "gone"),
        (GOOD, None, "a.jsonl", "ready"),
        (BAD, GOOD, "a.jsonl", "moved"),
        (None, GOOD, "a.jsonl", "ready"),
        (None, BAD, "a.jsonl", "moved"),
        (None, None, "a.jsonl", "gone"),
    ],
)
def test_data_is_compared_with_its_pin_and_uploaded_only_as_pinned(
    there: Dataset | None, local: Dataset | None, file: str | None, state: str
) -> None:
    assert _check(there, local, file=file) == state


def test_data_that_moved_since_the_plan_is_not_bought_and_not_tried_again_in_this_run() -> None:
    runner = Runner(SimWorld(1), ONE)
    seed = ONE.jobs[0].recipe.training.uri
    right = runner.describe
    seen = 0

    def flicker(uri: str) -> StoredObject | None:
        nonlocal seen
        seen += 1
        moved = replace(a_dataset(uri), crc32c="AAAAAQ==")
        return right(uri) if seen == 1 else StoredObject(dataset=moved, evidence=Evidence())

    runner.describe = flicker  # type: ignore[method-assign]
    report = runner.converge()
    assert {type(outcome) for _, outcome in report.outcomes} == {Held}
    assert runner.world.posts == 0 and codes(report) == {3}
    assert seed in str(report.outcomes[0][1])


# --- observing -----------------------------------------------------------------------------------


def test_a_failed_list_stops_the_tick_before_anything_is_done() -> None:
    runner = Runner(SimWorld(1, Rules(deaf_lists=frozenset({1}))), ONE)
    with pytest.raises(Unavailable):
        runner.tick()
    assert not runner.instants


def test_checkpoints_that_a_job_does_not_list_are_read_from_its_version() -> None:
    runner = Runner(SimWorld(1), a_graph(a_declared(hyper_parameters=JOB.recipe.hyper_parameters)))
    runner.converge()
    (job,) = runner.world.jobs.values()
    job.shown = replace(job.shown, checkpoints={}, endpoint="e")
    single = {"3": replace(runner.world.checkpoints[job.shown.model or ""]["3"], endpoint=None)}
    runner.world.checkpoints[job.shown.model or ""] = single

    def look(lock: object) -> object:
        seen = observe(
            runner.graph,
            lock,  # type: ignore[arg-type]
            service=runner,
            registry=runner.world,
            objects=runner,
        )
        return seen.jobs[job.shown.name].checkpoints

    assert look(a_lock()) == {"3": replace(single["3"], endpoint="e")}
    assert look(runner.disk.load()) == runner.disk.load().at("support-bot/seed").result.checkpoints  # type: ignore[union-attr]


def codes(report: Report) -> set[int]:
    return {exit_code(outcome) for _, outcome in report.outcomes if outcome is not None}


# --- ticks ---------------------------------------------------------------------------------------


def test_a_run_that_may_only_do_what_is_free_buys_nothing() -> None:
    runner = Runner(SimWorld(1), ONE)
    done = tick(ONE, runner._ports, replace(runner.terms(), only_free=True))
    assert not done.outcomes and runner.world.posts == 0 and done.made == 0


def test_a_run_that_may_not_cancel_leaves_the_job_and_does_not_start_the_new_one() -> None:
    runner = Runner(SimWorld(1), ONE)
    runner.tick()
    runner.graph, runner.may_cancel = OTHER, False
    done = runner.tick()
    assert not runner.world.cancels and runner.world.posts == 1
    assert [change.reason.value for change in done.plan.holds] == ["not-at-tip"]


def test_a_tick_beyond_the_approval_does_nothing_at_all() -> None:
    runner = Runner(SimWorld(1), ONE)
    approval = Approval.of(runner.plan())
    runner.graph = OTHER
    with pytest.raises(Stale):
        runner.tick(approval)
    assert not runner.instants


def test_a_cancel_that_is_refused_is_told_and_not_recorded_as_ours() -> None:
    runner = Runner(SimWorld(1), ONE)
    runner.tick()
    runner.graph = OTHER

    def refuse(_: str) -> None:
        raise Rejected("too late", status=400, reason="FAILED_PRECONDITION")

    runner.cancel_job = refuse  # type: ignore[method-assign]
    done = runner.tick()
    assert [type(outcome) for _, outcome in done.outcomes] == [Refusal]
    entry = next(entry for _, _, entry in runner.disk.load().creations())
    assert entry.cancel_asked is None


def test_a_refused_create_is_not_tried_again_in_this_run_and_is_in_the_next() -> None:
    runner = Runner(SimWorld(1, Rules(faults={1: "refused"})), a_graph(*a_chain("seed", "week")))
    report = runner.converge()
    assert runner.world.posts == 1 and codes(report) == {1}
    assert not list(runner.disk.load().creations())
    runner.converge()
    runner.check_everything()


def test_a_run_gives_up_watching_when_its_time_is_up() -> None:
    runner = Runner(SimWorld(1), ONE)
    report = Report()
    converge(ONE, runner._ports, runner.terms(), report, timeout=timedelta(minutes=2))
    assert report.timed_out and report.rounds == 3
    assert report.last.plan.settled is False


# --- events --------------------------------------------------------------------------------------


def test_what_happens_to_a_job_is_told_once() -> None:
    told: list[Event] = []
    world = SimWorld(1, Rules(failures={2: 3}))
    runner = Runner(world, a_graph(*a_chain("seed", "week")))
    runner._ports = replace(runner._ports, watch=told.append)
    runner.converge()
    short = [(event.address.rpartition("/")[2], event.event) for event in told]
    assert [item for item in short if item[1] != "running"] == [
        ("seed", "submitted"),
        ("seed", "succeeded"),
        ("week", "submitted"),
        ("week", "failed"),
    ]
    assert told[-1].detail == "it failed"


@pytest.mark.parametrize(
    ("fault", "event"),
    [
        ("lost-answer", "submitted"),
        ("lost-request", "unanswered"),
        ("refused", "refused"),
        ("busy", "refused"),
    ],
)
def test_what_came_of_a_create_is_told(fault: str, event: str) -> None:
    told: list[Event] = []
    runner = Runner(SimWorld(1, Rules(faults={1: fault})), ONE)
    runner._ports = replace(runner._ports, watch=told.append)
    runner.tick()
    assert [item.event for item in told] == [event]


def test_a_cancel_and_a_found_job_and_a_busy_key_are_told() -> None:
    told: list[str] = []
    world = SimWorld(1, Rules(solo=False))
    first, second = (Runner(world, ONE, name=name) for name in ("first", "second"))
    second._ports = replace(second._ports, watch=lambda event: told.append(event.event))
    second.meanwhile[1] = lambda: (first.tick(), None)[1]
    second.tick()
    assert told == ["busy"]
    second.tick()
    assert told[1:] == ["pending"]
    second.graph = OTHER
    second.tick()
    assert told[2:] == ["cancelling"]


def test_new_checkpoints_of_a_running_job_are_told() -> None:
    before = a_lock(("a", "k", a_creation(JOB, state=JobState.RUNNING)))
    grown = replace(
        a_creation(JOB, state=JobState.RUNNING), checkpoints=a_creation(JOB).checkpoints
    )
    (event,) = transitions(before, a_lock(("a", "k", grown)))
    assert event.detail == "checkpoint 3"
    assert not list(transitions(before, before))
    (event,) = transitions(a_lock(), a_lock((str(JOB.address), a_key(JOB), a_creation(JOB))))
    assert event.detail == "models/1@1, checkpoint 3"
    bare = a_creation(JOB, chosen=None)
    (event,) = transitions(a_lock(), a_lock((str(JOB.address), a_key(JOB), bare)))
    assert event.detail == "models/1@1"


def test_a_version_deleted_before_a_retired_address_comes_back_is_noticed_at_once() -> None:
    graph = a_graph(*a_chain("seed", "week"))
    runner = Runner(SimWorld(1), a_graph(*a_chain("seed")))
    runner.converge()
    runner.graph = a_graph(a_declared("router", data="gs://data/router.jsonl"))
    runner.converge()
    runner.world.versions[f"{an_observed_job().name.partition('/tuningJobs')[0]}/models/1"] = {}
    runner.world.jobs = {
        name: job for name, job in runner.world.jobs.items() if "tuningJobs/1" not in name
    }
    runner.graph = graph
    reasons = {change.address: change.reason.value for change in runner.plan().holds}
    assert reasons == {
        "support-bot/seed": "missing-artefact",
        "support-bot/week": "parent-blocked",
    }


def test_what_grows_with_the_plan_is_done_once_a_tick_and_not_once_a_create(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = {"digest": 0, "record": 0}
    digest, record = Plan.digest.fget, Lock.record  # type: ignore[attr-defined]

    def counted_digest(self: Plan) -> str:
        counts["digest"] += 1
        return digest(self)  # type: ignore[no-any-return]

    def counted_record(self: Lock, entries: object) -> Lock:
        counts["record"] += 1
        return record(self, entries)  # type: ignore[arg-type]

    monkeypatch.setattr(Plan, "digest", property(counted_digest))
    monkeypatch.setattr(Lock, "record", counted_record)
    seen = []
    for number in (1, 12):
        counts.update(digest=0, record=0)
        declared = (a_declared(f"job-{n}", data=f"gs://d/{n}.jsonl") for n in range(number))
        runner = Runner(SimWorld(1), a_graph(*declared))
        runner.tick()
        assert runner.world.posts == number
        seen.append(dict(counts))
    assert seen[0] == seen[1]


def test_a_run_that_waits_asks_again_when_the_quota_has_had_its_time() -> None:
    runner = Runner(SimWorld(1, Rules(faults={1: "busy", 2: "busy"})), ONE)
    report = runner.converge()
    assert runner.world.posts == 3 and report.made == 1
    assert report.last.plan.settled and not codes(report) - {0, 6}
