"""The small values of the core: graphs, drift, matching, twins, approvals."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.builders import (
    NOON,
    SETTLE,
    a_chain,
    a_creation,
    a_declared,
    a_failure,
    a_graph,
    a_job,
    a_key,
    a_lock,
    an_observed,
    an_observed_job,
    job_name,
    model_name,
    some_checkpoints,
)
from tuneops.core.address import Address
from tuneops.core.checkpoints import last_checkpoint, resolve_checkpoint
from tuneops.core.desired import Adoption, DesiredJob, ModelRef
from tuneops.core.ledger import learn, survivor, updated
from tuneops.core.lock import Lock
from tuneops.core.match import made_by
from tuneops.core.observed import Checkpoint, JobState, ModelVersion, Observed
from tuneops.core.plan import Action, Approval, Plan
from tuneops.core.planner import make_plan
from tuneops.core.recipe import AtEpoch, AtStep, BaseModel, Pretuned, WithId
from tuneops.core.twins import identical_jobs
from tuneops.core.view import look, parent_result
from tuneops.diagnostics import SourceRef

JOB = a_job()
LIVE = [state for state in JobState if not state.terminal]
USELESS = (JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED)


def _plan(job: DesiredJob | None, lock: Lock, seen: Observed, *more: DesiredJob) -> Plan:
    jobs = (job, *more) if job else more
    graph = a_graph()
    graph = type(graph)(graph.target, tuple(jobs))
    return make_plan(look(graph, lock, seen, SETTLE))


def _one(job: DesiredJob, seen: Observed, lock: Lock | None = None) -> str:
    change = _plan(job, lock or a_lock(), seen).changes[0]
    return f"{change.action.value} {change.reason.value}"


# --- graphs --------------------------------------------------------------------------------------


def test_a_graph_knows_ancestors_and_finds_by_address() -> None:
    graph = a_graph(*a_chain(), a_declared("support-bot/side", after="support-bot/seed", data="x"))
    _, _, tone, side = graph.jobs
    assert [str(job.address) for job in graph.ancestors(tone)] == [
        "support-bot/week",
        "support-bot/seed",
    ]
    assert graph.find(Address("nobody")) is None and graph.find_text("support-bot/side") is side


def test_identical_jobs_are_found_across_names_and_policies() -> None:
    graph = a_graph(a_declared("a"), a_declared("b", suspended=True), a_declared("c", nonce="2"))
    (finding,) = identical_jobs(graph)
    assert finding.code == "identical-jobs" and "`b`" in finding.message


# --- checkpoints ---------------------------------------------------------------------------------


def test_the_last_checkpoint_is_the_one_with_the_most_steps() -> None:
    steps = {"9": 900, "10": 1000, "2": 200}
    found = {name: Checkpoint(epoch=1, step=step) for name, step in steps.items()}
    assert last_checkpoint(found) == "10"
    assert last_checkpoint({}) is None
    same = {name: Checkpoint(epoch=1, step=5) for name in ("9", "10")}
    assert last_checkpoint(same) == last_checkpoint(dict(reversed(same.items()))) == "10"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("last", "3"),
        ("default", "2"),
        (AtEpoch(epoch=1), "1"),
        (AtEpoch(epoch=7), None),
        (AtStep(step=200), "2"),
        (AtStep(step=250), None),
        (WithId(id="3"), "3"),
        (WithId(id="4"), None),
    ],
)
def test_a_rule_means_one_checkpoint_or_none(rule: Any, expected: str | None) -> None:
    parent = a_creation(JOB)
    base = model_name(1).partition("@")[0]
    versions = {base: {"1": ModelVersion(name=model_name(1), default_checkpoint="2")}}
    assert resolve_checkpoint(rule, parent, an_observed(versions=versions)) == expected


def test_the_default_checkpoint_of_a_version_that_is_not_known_is_none() -> None:
    assert resolve_checkpoint("default", a_creation(JOB), an_observed()) is None
    assert resolve_checkpoint("default", a_creation(JOB, model=None), an_observed()) is None


# --- following jobs ------------------------------------------------------------------------------


@pytest.mark.parametrize("state", LIVE)
def test_a_job_that_has_ended_stays_so_when_an_old_list_comes_in(state: JobState) -> None:
    done = a_creation(JOB)
    assert updated(done, an_observed_job(JOB, state=state)) == done
    failed = a_creation(JOB, state=JobState.FAILED, error=a_failure())
    assert updated(failed, an_observed_job(JOB, state=state)) == failed


@pytest.mark.parametrize("state", LIVE)
def test_the_survivor_is_the_oldest_that_is_live_or_has_succeeded(state: JobState) -> None:
    young = an_observed_job(JOB, number=2, state=state)
    old = an_observed_job(JOB, number=1, state=JobState.SUCCEEDED)
    assert survivor([young, old]) == old
    for useless in USELESS:
        ended = an_observed_job(JOB, number=1, state=useless)
        assert survivor([young, ended]) == young
        twin = an_observed_job(JOB, number=3, state=useless)
        assert survivor([twin, ended]) == ended


def test_jobs_made_in_the_same_instant_are_ordered_by_number_not_by_text() -> None:
    at = NOON - timedelta(hours=1)
    jobs = [an_observed_job(JOB, number=number, created=at) for number in (100, 9, 20)]
    assert survivor(jobs).name == job_name(9)
    odd = replace(jobs[0], name="projects/p/locations/l/tuningJobs/odd")
    assert odd.seniority[1] == 0


def test_the_projects_number_is_learnt_from_a_jobs_name() -> None:
    lock = learn(a_graph(), a_lock(), an_observed(an_observed_job(number=5)), SETTLE)
    assert lock.project_number == "123"
    named = an_observed_job(name="projects/by-name/locations/l/tuningJobs/1")
    assert learn(a_graph(), a_lock(), an_observed(named), SETTLE).project_number is None


def test_an_intent_without_a_time_is_never_forgotten() -> None:
    unwanted = a_job(nonce="old")
    entry = a_creation(unwanted, number=None, asked=None)
    lock = a_lock(("support-bot/seed", a_key(unwanted), entry))
    late = an_observed(at=NOON + timedelta(days=999))
    assert list(learn(a_graph(), lock, late, SETTLE).creations())


def test_a_success_without_a_model_is_waited_for() -> None:
    lock = a_lock(("support-bot/seed", a_key(JOB), a_creation(JOB, state=JobState.RUNNING)))
    seen = an_observed(an_observed_job(JOB, state=JobState.SUCCEEDED, model=None))
    assert _one(JOB, seen, lock) == "wait no-model-yet"


# --- matching ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"method": "preference"},
        {"base_model": "gemini-2.5-pro"},
        {"training_uri": "gs://other"},
        {"epoch_count": 9},
        {"encryption_key": "k"},
        {"pretuned_model": model_name(5)},
    ],
)
def test_a_job_with_another_setting_is_another_job(change: dict[str, Any]) -> None:
    job = an_observed_job(JOB)
    assert made_by(JOB.recipe, job)
    assert not made_by(JOB.recipe, replace(job, fields=replace(job.fields, **change)))


def test_what_the_recipe_leaves_open_is_not_compared() -> None:
    job = an_observed_job(JOB)
    filled = replace(job, fields=replace(job.fields, adapter_size=16))
    assert made_by(JOB.recipe, filled)


def test_a_continuation_is_compared_by_version_and_checkpoint() -> None:
    recipe = replace(JOB.recipe, source=Pretuned(model=model_name(5, 2), checkpoint="3"))
    job = an_observed_job(JOB)

    def shown(model: str, checkpoint: str | None) -> bool:
        fields = replace(job.fields, base_model=None, pretuned_model=model, checkpoint=checkpoint)
        return made_by(recipe, replace(job, fields=fields))

    assert shown(model_name(5, 2), "3")
    assert shown("projects/by-id/locations/us-central1/models/5@2", None)
    assert not shown(model_name(5, 3), "3")
    assert not shown(model_name(5, 2), "2")
    assert not made_by(recipe, job)


# --- adoption ------------------------------------------------------------------------------------


def _adopting(target: str, **changes: Any) -> DesiredJob:
    return a_job(adopt=Adoption(target=target, **changes))


def _stranger(**changes: Any) -> Any:
    plain = replace(an_observed_job(JOB, number=7, state=JobState.SUCCEEDED), ownership=None)
    return replace(plain, **changes)


@pytest.mark.parametrize("target", [job_name(7), model_name(7)])
def test_a_job_of_somebody_else_is_adopted_for_nothing(target: str) -> None:
    seen = an_observed(_stranger())
    assert _one(_adopting(target), seen) == "adopt named"
    graph = a_graph(a_declared(adopt=Adoption(target=target)))
    lock = learn(graph, a_lock(), seen, SETTLE)
    result = lock.at("support-bot/seed").result
    assert result is not None and result.adopted and result.job == job_name(7)
    assert learn(graph, lock, seen, SETTLE) == lock


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"name": job_name(8), "model": model_name(8)}, "hold not-found"),
        ({"ownership": an_observed_job(a_job(nonce="x")).ownership}, "hold not-adoptable"),
        ({"state": JobState.FAILED, "model": None}, "hold not-adoptable"),
        ({"fields": replace(an_observed_job(JOB).fields, epoch_count=9)}, "hold differs"),
    ],
)
def test_what_cannot_be_adopted_is_never_bought_instead(changes: dict[str, Any], line: str) -> None:
    assert _one(_adopting(job_name(7)), an_observed(_stranger(**changes))) == line


def test_a_job_that_differs_is_adopted_where_the_spec_takes_it_as_it_is() -> None:
    fields = replace(an_observed_job(JOB).fields, epoch_count=9)
    seen = an_observed(_stranger(fields=fields))
    assert _one(_adopting(job_name(7), as_is=True), seen) == "adopt named"


def test_one_job_is_adopted_by_one_address_only() -> None:
    target = Adoption(target=job_name(7))
    graph = a_graph(a_declared("a", adopt=target), a_declared("b", nonce="2", adopt=target))
    seen = an_observed(_stranger())
    lock = learn(graph, a_lock(), seen, SETTLE)
    assert [address for address, _, _ in lock.creations()] == ["a"]


# --- drift ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("versions", "kinds"),
    [
        ({"1": ("3", ("prod",)), "2": ("1", ())}, []),
        ({"1": ("3", ()), "2": ("1", ("prod",))}, ["source-moved"]),
        ({"1": ("2", ("prod",))}, ["source-moved"]),
        ({"2": ("1", ())}, []),
        (None, []),
    ],
)
def test_an_alias_that_moved_is_drift(versions: Any, kinds: list[str]) -> None:
    base = model_name(55).partition("@")[0]
    where = SourceRef(path="a", line=1, column=1)
    ref = ModelRef(model=base, version="prod", checkpoint=None, where=where)
    source = Pretuned(model=f"{base}@1", checkpoint="3")
    job = replace(JOB, model_ref=ref, recipe=replace(JOB.recipe, source=source))
    shown = versions and {
        number: ModelVersion(name=f"{base}@{number}", default_checkpoint=chosen, aliases=aliases)
        for number, (chosen, aliases) in versions.items()
    }
    drift = _plan(job, a_lock(), an_observed(versions={base: shown})).drift
    assert [item.kind.value for item in drift] == kinds


# --- approvals -----------------------------------------------------------------------------------


def _first() -> Plan:
    return _plan(JOB, a_lock(), an_observed())


def test_an_approval_covers_its_own_plan_and_nothing_of_others() -> None:
    plan = _first()
    approval = Approval.of(plan)
    assert approval.refusal(plan) is None
    assert "was made for" in (approval.refusal(replace(plan, owner="other--local")) or "")
    changed = replace(plan, desired={"support-bot/seed": "v1-other"})
    assert "other training" in (approval.refusal(changed) or "")
    more = _plan(JOB, a_lock(), an_observed(), a_job("b", nonce="2"))
    assert "`b`" in (approval.refusal(more) or "")


def test_an_approval_covers_no_higher_attempt() -> None:
    plan = _first()
    again = replace(plan, changes=tuple(replace(item, attempt=2) for item in plan.changes))
    assert "would be bought" in (Approval.of(plan).refusal(again) or "")


def test_an_approval_covers_no_cancel_that_was_not_announced() -> None:
    running = an_observed(an_observed_job(JOB))
    other = a_job(nonce="2")
    lock = a_lock(("support-bot/seed", a_key(JOB), a_creation(JOB, state=JobState.RUNNING)))
    plan = _plan(other, lock, running)
    assert [change.action for change in plan.cancels] == [Action.CANCEL]
    assert Approval.of(plan).refusal(plan) is None
    without = replace(Approval.of(plan), cancels=frozenset())
    assert "would be cancelled" in (without.refusal(plan) or "")


def test_the_digest_is_of_meaning_only() -> None:
    plan = _first()
    told = replace(
        plan,
        environment="elsewhere",
        retries={},
        changes=tuple(replace(item, fields=(), key=None) for item in plan.changes),
    )
    assert told.digest == plan.digest
    assert replace(plan, owner="x").digest != plan.digest
    assert replace(plan, changes=()).digest != plan.digest


def test_checkpoints_show_their_endpoint_once_deployed() -> None:
    done = a_creation(JOB)
    assert done.endpoint == some_checkpoints()["3"].endpoint
    assert replace(done, chosen=None).endpoint is None
    assert replace(done, checkpoints={}).endpoint is None


def test_a_first_run_is_a_create_and_a_tuned_source_a_continuation() -> None:
    assert isinstance(JOB.recipe.source, BaseModel)
    assert _first().changes[0].action is Action.CREATE
    source = Pretuned(model=model_name(5), checkpoint="1")
    tuned = replace(JOB, recipe=replace(JOB.recipe, source=source))
    assert _plan(tuned, a_lock(), an_observed()).changes[0].action is Action.CONTINUE


def test_a_version_counts_as_there_until_it_was_asked_for_and_is_not() -> None:
    base = model_name(1).partition("@")[0]
    assert an_observed().has_version(model_name(1))
    assert not an_observed(versions={base: None}).has_version(model_name(1))
    assert not an_observed(versions={base: {}}).has_version(model_name(1))


def test_a_job_that_continues_nothing_has_no_parents_result() -> None:
    view = look(a_graph(), a_lock(), an_observed(), SETTLE)
    assert parent_result(view, JOB) is None


def test_two_jobs_of_one_mark_are_told_apart_by_their_names() -> None:
    entry = a_creation(JOB, number=2, state=JobState.FAILED, error=a_failure())
    older = an_observed_job(JOB, number=1)
    assert older.ownership is not None
    older = replace(older, ownership=replace(older.ownership, mark=entry.mark))
    lock = a_lock(("support-bot/seed", a_key(JOB), entry))
    after = learn(a_graph(), lock, an_observed(older), SETTLE).at("support-bot/seed")
    bound = after.creations[a_key(JOB)]
    assert (bound.job, bound.state, bound.error) == (older.name, JobState.RUNNING, None)
