"""Free re-stamps: what is said in other words, or hashed in a new way, is never bought again."""

from collections.abc import Iterator
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest

from tests.support.builders import (
    NOON,
    SETTLE,
    a_chain,
    a_creation,
    a_dataset,
    a_declared,
    a_graph,
    a_key,
    a_lock,
    a_mark,
    an_observed,
    job_name,
    model_name,
    shown_fields,
    some_checkpoints,
)
from tuneops.core import fingerprint
from tuneops.core.advice import advise
from tuneops.core.desired import Adoption, DesiredGraph, DesiredJob
from tuneops.core.fingerprint import creation_key, lineage, version_of
from tuneops.core.lock import Cause, Lock
from tuneops.core.merge import join, merge
from tuneops.core.observed import JobState, ObservedJob, Ownership
from tuneops.core.plan import Action, Approval, Change, Plan, Reason
from tuneops.core.planner import make_plan
from tuneops.core.policy import Policy, Retry
from tuneops.core.rebuild import rebuild
from tuneops.core.recipe import (
    AtEpoch,
    BaseModel,
    HyperParameters,
    Method,
    Pretuned,
    Recipe,
    Upstream,
)
from tuneops.core.stamps import _kin
from tuneops.core.steps import CreateJob, intent, ready_steps, request
from tuneops.core.view import View, look

LEFT = HyperParameters()
USED = {"epoch_count": 3, "adapter_size": 4, "learning_rate_multiplier": Decimal("1.5")}
SAID = HyperParameters(epoch_count=3, adapter_size=4, learning_rate_multiplier=Decimal("1.50"))


def _job(
    desired: DesiredJob, number: int, parent: int | None = None, **changes: Any
) -> ObservedJob:
    """A job as we make it, with its whole machine line, that succeeded with the usual values."""
    source = desired.recipe.source
    concrete: BaseModel | Pretuned
    if isinstance(source, Upstream):
        concrete = Pretuned(model=model_name(parent or 1), checkpoint="3")
    else:
        assert not isinstance(source, Upstream)
        concrete = source
    key = a_key(desired)
    change = Change(
        address=str(desired.address),
        action=Action.CREATE,
        reason=Reason.FIRST_RUN,
        lineage=desired.lineage,
        key=key,
        attempt=1,
    )
    step = CreateJob(change=change, job=desired, source=concrete)
    entry = intent(step, a_mark(number), Cause(commit="c0ffee"))
    body = request(step, "acme--local", entry)
    job = ObservedJob(
        name=f"projects/123/locations/us-central1/tuningJobs/{number}",
        state=JobState.SUCCEEDED,
        created=NOON,
        ended=NOON,
        ownership=Ownership(
            owner="acme--local",
            address=str(desired.address),
            lineage=desired.lineage,
            attempt=1,
            mark=a_mark(number),
        ),
        fields=replace(shown_fields(body), **USED),
        description=body.description,
        model=model_name(number),
        checkpoints=some_checkpoints(),
    )
    if changes.get("state", JobState.SUCCEEDED) is not JobState.SUCCEEDED:
        job = replace(job, model=None, checkpoints={})
    return replace(job, **changes)


def _jobs(graph: DesiredGraph, **changes: Any) -> tuple[ObservedJob, ...]:
    """A job for each stage of a chain, one made from the other."""
    return tuple(
        _job(job, number, number - 1, **changes) for number, job in enumerate(graph.jobs, start=1)
    )


def _world(graph: DesiredGraph, *jobs: ObservedJob, lock: Lock | None = None) -> View:
    return look(graph, lock or a_lock(), an_observed(*jobs), SETTLE)


def _learned(graph: DesiredGraph, *jobs: ObservedJob) -> Lock:
    return _world(graph, *jobs).ledger


def _reasons(plan: Plan) -> list[str]:
    return [f"{change.action.value} {change.reason.value}" for change in plan.changes]


LEFT_CHAIN = a_chain("seed", "week", "tone", hyper_parameters=LEFT)
SAID_CHAIN = a_chain("seed", "week", "tone", hyper_parameters=SAID)


def test_every_value_of_a_whole_chain_may_be_said() -> None:
    before, after = a_graph(*LEFT_CHAIN), a_graph(*SAID_CHAIN)
    jobs = _jobs(before)
    lock = _learned(before, *jobs)
    view = _world(after, *jobs, lock=lock)
    plan = make_plan(view)
    assert _reasons(plan) == ["keep re-stamped"] * 3
    assert [one.path for one in plan.changes[0].fields] == [
        "hyperParameters.adapterSize",
        "hyperParameters.epochCount",
        "hyperParameters.learningRateMultiplier",
    ]
    assert {key for _, key, _ in view.ledger.creations()} == {k for _, k, _ in lock.creations()}
    again = make_plan(_world(after, *jobs, lock=view.ledger))
    assert _reasons(again) == ["keep in-sync"] * 3
    unseen = make_plan(look(after, view.ledger, an_observed(), SETTLE))
    assert _reasons(unseen) == ["keep in-sync"] * 3, "the lock alone says so as well"


def test_without_a_lock_the_jobs_say_the_same() -> None:
    before, after = a_graph(*LEFT_CHAIN), a_graph(*SAID_CHAIN)
    jobs = _jobs(before)
    kept = _world(after, *jobs, lock=_learned(before, *jobs)).ledger
    lost = _world(after, *jobs)
    assert _reasons(make_plan(lost)) == ["adopt found"] * 3
    stamps = {key: creation.stamps for _, key, creation in kept.creations()}
    assert {key: creation.stamps for _, key, creation in lost.ledger.creations()} == stamps
    assert all(stamps.values())


def test_a_rebuilt_lock_says_the_same() -> None:
    before, after = a_graph(*LEFT_CHAIN), a_graph(*SAID_CHAIN)
    jobs = _jobs(before)
    found = rebuild(after, a_lock(), an_observed(*jobs), SETTLE)
    assert not found.doubts
    assert _reasons(make_plan(_world(after, *jobs, lock=found.lock))) == ["keep in-sync"] * 3
    assert all(creation.stamps for _, _, creation in found.lock.creations())


@pytest.mark.parametrize(
    "said",
    [
        replace(SAID, epoch_count=4),
        replace(SAID, adapter_size=8),
        replace(SAID, learning_rate_multiplier=Decimal("1.4")),
    ],
    ids=["epochs", "adapter", "rate"],
)
def test_one_other_value_is_another_training(said: HyperParameters) -> None:
    before = a_graph(a_declared(hyper_parameters=LEFT))
    jobs = _jobs(before)
    after = a_graph(a_declared(hyper_parameters=said))
    plan = make_plan(_world(after, *jobs, lock=_learned(before, *jobs)))
    assert _reasons(plan) == ["create inputs-changed"]


@pytest.mark.parametrize(
    "changes",
    [{"nonce": "2"}, {"data": "gs://data/other.jsonl"}, {"encryption_key": "projects/p/keys/k"}],
    ids=["nonce", "data", "key"],
)
def test_a_value_that_is_said_excuses_no_other_change(changes: dict[str, Any]) -> None:
    before = a_graph(a_declared(hyper_parameters=LEFT))
    after = a_graph(a_declared(hyper_parameters=SAID, **changes))
    jobs = _jobs(before)
    assert make_plan(_world(after, *jobs, lock=_learned(before, *jobs))).buys
    assert make_plan(_world(after, *jobs)).buys


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED, JobState.RUNNING])
def test_only_what_has_succeeded_stands_for_another_spec(state: JobState) -> None:
    before = a_graph(a_declared(hyper_parameters=LEFT))
    after = a_graph(a_declared(hyper_parameters=SAID))
    jobs = _jobs(before, state=state)
    assert make_plan(_world(after, *jobs, lock=_learned(before, *jobs))).buys


def test_a_copy_of_the_labels_stands_for_nothing() -> None:
    """Somebody made a job like ours by hand, with our labels and with seven epochs."""
    before = a_graph(a_declared(hyper_parameters=LEFT))
    after = a_graph(a_declared(hyper_parameters=HyperParameters(epoch_count=7)))
    (mine,) = _jobs(before)
    copy = _job(before.jobs[0], 2, created=NOON.replace(hour=13))
    copy = replace(copy, fields=replace(copy.fields, epoch_count=7))
    assert make_plan(_world(after, mine, copy)).buys


@pytest.mark.parametrize("known", [True, False], ids=["lock", "no lock"])
def test_who_adopts_a_job_by_name_gets_that_one(known: bool) -> None:
    before = a_graph(a_declared(hyper_parameters=LEFT))
    (mine,) = _jobs(before)
    after = a_graph(a_declared(hyper_parameters=SAID, adopt=Adoption(target=job_name(7))))
    theirs = replace(_job(after.jobs[0], 7), ownership=None, description="")
    lock = _learned(before, mine) if known else a_lock()
    view = _world(after, mine, theirs, lock=lock)
    (change,) = make_plan(view).changes
    assert (change.reason.value, change.job) == ("named", theirs.name)
    (again,) = make_plan(_world(after, mine, theirs, lock=view.ledger)).changes
    assert (again.reason.value, again.job) == ("in-sync", theirs.name)


def test_what_was_adopted_may_be_said_as_well() -> None:
    left = a_declared(hyper_parameters=LEFT, adopt=Adoption(target=job_name(7)))
    theirs = replace(_job(a_graph(left).jobs[0], 7), ownership=None, description="")
    lock = _learned(a_graph(left), theirs)
    after = a_graph(replace(left, hyper_parameters=SAID))
    (change,) = make_plan(_world(after, theirs, lock=lock)).changes
    assert (change.reason.value, change.job) == ("re-stamped", theirs.name)


def test_what_is_bought_below_goes_on_from_what_is_there() -> None:
    before = a_graph(*LEFT_CHAIN[:1])
    after = a_graph(SAID_CHAIN[0], SAID_CHAIN[1])
    jobs = _jobs(before)
    view = _world(after, *jobs, lock=_learned(before, *jobs))
    (step,) = ready_steps(make_plan(view), view)
    assert isinstance(step, CreateJob)
    assert step.source == Pretuned(model=model_name(1), checkpoint="3")
    source = step.job.recipe.source
    assert isinstance(source, Upstream) and source.lineage == before.jobs[0].lineage
    made = _job(step.job, 2, 1)
    later = _world(after, *jobs, made)
    assert _reasons(make_plan(later)) == ["adopt found"] * 2, "it is found without a lock too"


def test_a_parent_that_changes_later_is_the_only_reason_and_may_be_accepted() -> None:
    before, said = a_graph(*LEFT_CHAIN), a_graph(LEFT_CHAIN[0], *SAID_CHAIN[1:])
    jobs = _jobs(before)
    lock = _world(said, *jobs, lock=_learned(before, *jobs)).ledger
    seed = replace(LEFT_CHAIN[0], hyper_parameters=HyperParameters(epoch_count=5))
    view = _world(a_graph(seed, *SAID_CHAIN[1:]), *jobs, lock=lock)
    plan = make_plan(view)
    assert _reasons(plan)[1:] == ["continue parent-changed"] * 2
    assert [(one.address, one.target, one.buys) for one in advise(view, plan, make_plan)] == [
        ("support-bot/week", model_name(1), ("support-bot/seed",))
    ]
    other = replace(SAID_CHAIN[1], hyper_parameters=replace(SAID, epoch_count=4))
    plan = make_plan(_world(a_graph(seed, other, SAID_CHAIN[2]), *jobs, lock=lock))
    assert _reasons(plan)[1:] == ["continue inputs-changed", "continue parent-changed"]


def test_an_approval_holds_though_a_value_turns_out_to_be_the_one() -> None:
    """Approved while the first job ran: its end makes the plan cheaper, not another one."""
    before = a_graph(*LEFT_CHAIN[:1])
    after = a_graph(SAID_CHAIN[0], SAID_CHAIN[1])
    running = _jobs(before, state=JobState.RUNNING)
    lock = _learned(before, *running)
    first = make_plan(_world(after, *running, lock=lock))
    assert len(first.buys) == 2
    then = make_plan(_world(after, *_jobs(before), lock=lock))
    assert [change.address for change in then.buys] == ["support-bot/week"]
    assert Approval.of(first).refusal(then) is None


def test_two_addresses_never_become_one_training() -> None:
    before = a_graph(a_declared(hyper_parameters=LEFT))
    one, two = HyperParameters(epoch_count=3), HyperParameters(adapter_size=4)
    after = a_graph(a_declared("a", hyper_parameters=one), a_declared("b", hyper_parameters=two))
    jobs = _jobs(before)
    view = _world(after, *jobs, lock=_learned(before, *jobs))
    assert len({job.lineage for job in view.graph.jobs}) == 2
    assert len(make_plan(view).buys) in (1, 2)


def test_a_rule_may_change_where_its_child_was_made_from_the_same() -> None:
    before = a_graph(*LEFT_CHAIN[:2])
    jobs = _jobs(before)
    lock = _learned(before, *jobs)

    def bought(epoch: int, lock: Lock) -> list[str]:
        source = replace(LEFT_CHAIN[1].source, checkpoint=AtEpoch(epoch=epoch))  # type: ignore[call-arg]
        after = a_graph(LEFT_CHAIN[0], replace(LEFT_CHAIN[1], source=source))
        return [change.address for change in make_plan(_world(after, *jobs, lock=lock)).buys]

    for known in (lock, a_lock()):
        assert bought(3, known) == []
        assert bought(2, known) == ["support-bot/week"]


def test_stamps_of_both_sides_of_a_merge_are_kept() -> None:
    job = a_graph(a_declared(hyper_parameters=LEFT)).jobs[0]
    base = a_creation(job)
    one, two = replace(base, stamps=("v1-b",)), replace(base, stamps=("v1-a", "v1-c"))
    assert join(one, two) == join(two, one) == replace(base, stamps=("v1-a", "v1-b", "v1-c"))
    locks = [a_lock((str(job.address), a_key(job), entry)) for entry in (base, one, two)]
    merged = merge(*locks)
    assert not merged.conflicts
    (entry,) = (creation for _, _, creation in merged.lock.creations())
    assert entry.stamps == ("v1-a", "v1-b", "v1-c")


# --- another hash version


def _second(recipe: Recipe) -> dict[str, Any]:
    """A form of a time to come: the same meaning, put otherwise."""
    return {"all": dict(fingerprint.FORMS[1](recipe))}


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A tuneops that hashes by a second version, and keeps the first."""

    def upgrade() -> None:
        monkeypatch.setitem(fingerprint.FORMS, 2, _second)
        monkeypatch.setattr(fingerprint, "HASH_VERSION", 2)

    return upgrade  # type: ignore[return-value]


def test_every_version_is_matched_and_a_new_one_costs_nothing(second: Any) -> None:
    old = a_graph(*LEFT_CHAIN)
    jobs = _jobs(old)
    lock = _learned(old, *jobs)
    keys = {key for _, key, _ in lock.creations()}
    second()
    new = a_graph(*LEFT_CHAIN)
    assert {version_of(job.lineage) for job in new.jobs} == {2}
    view = _world(new, *jobs, lock=lock)
    plan = make_plan(view)
    assert _reasons(plan) == ["keep re-stamped"] * 3
    assert plan.changes[0].detail == ("hashed by version 1, now 2",)
    assert {key for _, key, _ in view.ledger.creations()} == keys
    assert _reasons(make_plan(_world(new, *jobs, lock=view.ledger))) == ["keep in-sync"] * 3
    assert _reasons(make_plan(_world(new, *jobs))) == ["adopt found"] * 3
    rebuilt = rebuild(new, a_lock(), an_observed(*jobs), SETTLE)
    assert not rebuilt.doubts
    assert _reasons(make_plan(_world(new, *jobs, lock=rebuilt.lock))) == ["keep in-sync"] * 3


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (JobState.RUNNING, "wait running"),
        (JobState.FAILED, "hold failed"),
        (JobState.CANCELLED, "hold cancelled-elsewhere"),
    ],
)
def test_what_has_not_succeeded_is_the_same_under_a_new_version(
    second: Any, state: JobState, line: str
) -> None:
    old = a_graph(a_declared())
    jobs = _jobs(old, state=state)
    lock = _learned(old, *jobs)
    second()
    new = a_graph(a_declared())
    assert _reasons(make_plan(_world(new, *jobs, lock=lock))) == [line]
    lost = make_plan(_world(new, *jobs))
    assert not lost.buys and not lost.cancels


def test_an_unanswered_create_is_waited_for_under_a_new_version(second: Any) -> None:
    old = a_graph(a_declared()).jobs[0]
    lock = a_lock((str(old.address), a_key(old), a_creation(old, number=None)))
    second()
    plan = make_plan(_world(a_graph(a_declared()), lock=lock))
    assert _reasons(plan) == ["wait unanswered"]


def test_a_retry_after_an_upgrade_keeps_its_lineage_and_its_claims(second: Any) -> None:
    policy = Policy(retry=Retry(limit=1))
    old = a_graph(a_declared(policy=policy))
    (job,) = _jobs(old, state=JobState.FAILED)
    job = replace(job, failure=replace(a_failure_of_the_service()))
    lock = _learned(old, job)
    second()
    view = _world(a_graph(a_declared(policy=policy)), job, lock=lock)
    (step,) = ready_steps(make_plan(view), view)
    assert isinstance(step, CreateJob)
    assert step.change.lineage == old.jobs[0].lineage
    assert step.change.key == a_key(old.jobs[0], attempt=2)
    assert intent(step, a_mark(9), Cause()).hash_version == 1


def a_failure_of_the_service() -> Any:
    from tests.support.builders import a_failure

    return a_failure(14)


def test_a_stage_appended_after_an_upgrade_is_of_the_new_version(second: Any) -> None:
    old = a_graph(*LEFT_CHAIN[:1])
    jobs = _jobs(old)
    lock = _learned(old, *jobs)
    second()
    new = a_graph(*LEFT_CHAIN[:2])
    view = _world(new, *jobs, lock=lock)
    (step,) = ready_steps(make_plan(view), view)
    assert isinstance(step, CreateJob)
    entry = intent(step, a_mark(2), Cause())
    assert (entry.hash_version, version_of(entry.lineage)) == (2, 2)
    made = _job(step.job, 2, 1)
    assert _reasons(make_plan(_world(new, *jobs, made))) == ["adopt found"] * 2


def test_an_edited_description_is_matched_by_its_label(second: Any) -> None:
    old = a_graph(a_declared())
    (job,) = _jobs(old)
    second()
    plan = make_plan(_world(a_graph(a_declared()), replace(job, description="mine now")))
    assert _reasons(plan) == ["adopt found"]


def test_where_versions_differ_the_fields_decide(
    second: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first version did not know a field by which two recipes differ."""
    first = fingerprint.FORMS[1]

    def ignorant(recipe: Recipe) -> Any:
        return {key: value for key, value in first(recipe).items() if key != "nonce"}

    monkeypatch.setitem(fingerprint.FORMS, 1, ignorant)
    old = a_graph(a_declared())
    jobs = _jobs(old)
    lock = _learned(old, *jobs)
    second()
    monkeypatch.setitem(fingerprint.FORMS, 2, lambda recipe: {"all": dict(first(recipe))})
    for known in (lock, a_lock()):
        assert make_plan(_world(a_graph(a_declared(nonce="2")), *jobs, lock=known)).buys
        assert not make_plan(_world(a_graph(a_declared()), *jobs, lock=known)).buys


def test_an_older_tuneops_buys_nothing_that_a_newer_one_has_made(second: Any) -> None:
    with pytest.MonkeyPatch.context() as newer:
        newer.setitem(fingerprint.FORMS, 2, _second)
        newer.setattr(fingerprint, "HASH_VERSION", 2)
        new = a_graph(*LEFT_CHAIN)
        jobs = _jobs(new)
        lock = _learned(new, *jobs)
    for known in (lock, a_lock()):
        assert not make_plan(_world(a_graph(*LEFT_CHAIN), *jobs, lock=known)).buys


def test_a_key_is_of_its_lineages_version(second: Any) -> None:
    place = {"owner": "acme--local", "project": "p", "location": "l", "attempt": 1}
    recipe = a_graph(a_declared()).jobs[0].recipe
    old = lineage(recipe)
    before = creation_key(lineage=old, **place)  # type: ignore[arg-type]
    second()
    assert lineage(recipe) != old == lineage(recipe, 1)
    assert creation_key(lineage=old, **place) == before  # type: ignore[arg-type]


def test_a_kin_says_all_of_a_recipe_but_its_hyperparameters() -> None:
    """A field that it left out would let a job stand for another training, unbought."""
    recipe = Recipe(
        method=Method.SUPERVISED,
        source=BaseModel(base_model="gemini-2.5-flash"),
        training=a_dataset("gs://data/one.jsonl"),
        hyper_parameters=HyperParameters(),
        project="acme",
        location="us-central1",
    )
    others = {
        "method": Method.PREFERENCE,
        "source": BaseModel(base_model="gemini-2.5-pro"),
        "training": a_dataset("gs://data/one.jsonl", "others"),
        "project": "other",
        "location": "europe-west4",
        "encryption_key": "key",
        "nonce": "again",
    }
    assert {*others, "hyper_parameters"} == {field.name for field in fields(Recipe)}
    for name, value in others.items():
        assert _kin(replace(recipe, **{name: value})) != _kin(recipe), name  # type: ignore[arg-type]
