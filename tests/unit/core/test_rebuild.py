"""The lock written again from the jobs alone."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import (
    SETTLE,
    a_chain,
    a_declared,
    a_graph,
    a_job,
    a_key,
    an_observed,
    an_observed_job,
    job_name,
    model_name,
    pins_of,
)
from tests.support.profiles import effort
from tests.support.strategies import histories, hypers, policies, rules
from tests.support.world import Runner, SimWorld
from tuneops.core.address import Address
from tuneops.core.desired import (
    DesiredGraph,
    DesiredJob,
    ModelRef,
    ParentRef,
    desire,
)
from tuneops.core.fingerprint import lineage
from tuneops.core.labels import (
    MACHINE_LINE_LIMIT,
    describe,
    job_labels,
    policy_words,
    read_note,
    read_policy,
)
from tuneops.core.ledger import updated
from tuneops.core.lock import Cause, Creation, Lock
from tuneops.core.observed import DeclaredFields, JobState, Observed, ObservedJob, Ownership
from tuneops.core.plan import Action, Change, Reason
from tuneops.core.policy import Policy, Retry, Timeout
from tuneops.core.rebuild import Rebuilt, rebuild
from tuneops.core.recall import UnreadableError, recall
from tuneops.core.recipe import (
    AtStep,
    BaseModel,
    Concrete,
    Evidence,
    HyperParameters,
    Method,
    Pretuned,
    Upstream,
)
from tuneops.core.steps import CreateJob, intent, request
from tuneops.store.lockfile import dump, empty_lock

CAUSE = Cause(commit="f" * 40, dirty=True, plan="0123456789abcdef" * 2)


def made(job: DesiredJob, number: int = 1, attempt: int = 1, **changes: Any) -> ObservedJob:
    """The job that the service shows for a create, and what the lock says of it."""
    source: Concrete = Pretuned(model=model_name(55), checkpoint="3")
    if not isinstance(job.recipe.source, Upstream):
        source = job.recipe.source
    change = Change(
        address=str(job.address),
        action=Action.CREATE,
        reason=Reason.FIRST_RUN,
        attempt=attempt,
    )
    step = CreateJob(change=change, job=job, source=source)
    asked = intent(step, f"{number:a<26}".replace("1", "b").replace("0", "c"), CAUSE)
    body = request(step, "acme--local", asked)
    hyper = body.hyper_parameters
    fields = DeclaredFields(
        method=body.method.value,
        base_model=source.base_model if isinstance(source, BaseModel) else None,
        pretuned_model=source.model if isinstance(source, Pretuned) else None,
        checkpoint=source.checkpoint if isinstance(source, Pretuned) else None,
        training_uri=body.training_uri,
        epoch_count=hyper.epoch_count or 7,
        adapter_size=hyper.adapter_size or 4,
        learning_rate_multiplier=_double(hyper.learning_rate_multiplier or Decimal(1)),
        beta=_double(hyper.beta) if hyper.beta else None,
        encryption_key=body.encryption_key,
        validation_uri=body.validation_uri,
    )
    ownership = Ownership(
        owner="acme--local",
        address=str(job.address),
        lineage=job.lineage,
        attempt=attempt,
        mark=asked.mark,
    )
    assert job_labels(ownership).items() <= body.labels.items()
    shown = an_observed(_plain(number)).jobs[job_name(number)]
    return replace(
        shown, ownership=ownership, fields=fields, description=body.description, **changes
    )


def _plain(number: int) -> ObservedJob:
    return an_observed_job(None, number=number, state=JobState.SUCCEEDED)


def _double(number: Decimal) -> Decimal:
    """A number as the service shows it, which keeps doubles."""
    return Decimal(repr(float(number)))


def recorded(job: DesiredJob, shown: ObservedJob) -> Creation:
    """The entry that the run which made the job has written."""
    source: Concrete = Pretuned(model=model_name(55), checkpoint="3")
    if not isinstance(job.recipe.source, Upstream):
        source = job.recipe.source
    assert shown.ownership is not None
    change = Change(
        address=str(job.address),
        action=Action.CREATE,
        reason=Reason.FIRST_RUN,
        attempt=shown.ownership.attempt,
    )
    step = CreateJob(change=change, job=job, source=source)
    return updated(intent(step, shown.ownership.mark, CAUSE), shown)


def rebuilt(graph: DesiredGraph, *jobs: ObservedJob, lock: Lock | None = None) -> Rebuilt:
    return rebuild(graph, lock or empty_lock(graph.target), an_observed(*jobs), SETTLE)


NOTHING = DesiredGraph(a_graph().target, ())


# --- one job


@given(
    hyper=hypers,
    policy=policies,
    nonce=st.none() | st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    key=st.none() | st.just("projects/p/locations/l/keyRings/r/cryptoKeys/k"),
    validation=st.none() | st.just("gs://data/check.jsonl"),
    method=st.sampled_from(Method),
    rule=st.none() | rules,
)
@effort(200)
def test_an_entry_is_the_one_that_was_lost(
    hyper: HyperParameters, policy: Policy, rule: Any, **changes: Any
) -> None:
    changes["encryption_key"] = changes.pop("key")
    seed = a_declared("bot/seed", data="gs://data/first.jsonl")
    job = a_declared("bot/next", hyper_parameters=hyper, policy=policy, **changes)
    if rule is not None:
        job = replace(job, source=ParentRef(address=Address.parse("bot/seed"), checkpoint=rule))
    desired = a_graph(seed, job).jobs[1]
    shown = made(desired)
    lock = rebuilt(NOTHING, shown).lock
    assert lock.at("bot/next").creations == {a_key(desired): recorded(desired, shown)}


def test_a_tuned_model_of_somebody_else_is_recalled_with_its_name_in_the_spec() -> None:
    plain = a_job()
    source = Pretuned(model=model_name(9, 2), checkpoint="4")
    recipe = replace(plain.recipe, source=source)
    ref = ModelRef(
        model=model_name(9).partition("@")[0], version="prod", checkpoint=None, where=plain.where
    )
    job = replace(plain, recipe=recipe, lineage=lineage(recipe), model_ref=ref)
    shown = made(job)
    entry = rebuilt(NOTHING, shown).lock.retired["support-bot/seed"].creations[a_key(job)]
    assert entry == recorded(job, shown)
    assert entry.evidence.source == f"{ref.model}@prod"


def test_a_number_longer_than_a_double_is_recalled_as_it_was_written() -> None:
    long = Decimal("0.1234567890123456789012345678")
    job = a_job(hyper_parameters=HyperParameters(learning_rate_multiplier=long))
    recipe, _ = recall(made(job), "demo-project", "us-central1")
    assert recipe == job.recipe


def test_evidence_gives_way_where_the_line_would_grow_too_long() -> None:
    job = a_job(nonce="n" * 64, validation="gs://data/v.jsonl")
    bulky = Evidence(generation="9" * 19, md5="m" * 24, sha256="5" * 64, examples=10**9)
    assert job.validation is not None
    for size in (1, 3):
        fat = replace(bulky, sha256="5" * 300 * size)
        job = replace(
            job,
            training=replace(job.training, evidence=fat),
            validation=replace(job.validation or job.training, evidence=fat),
        )
        note = read_note(made(job).description)
        assert note is not None and note.nonce == "n" * 64
        assert note.validation_evidence is None
        assert (note.training_evidence is None) == (size == 3)
        assert len(describe("", note).encode()) <= MACHINE_LINE_LIMIT
        assert recall(made(job), "demo-project", "us-central1")[0] == job.recipe


def test_a_stage_with_the_longest_names_keeps_all_its_evidence() -> None:
    long = "a" * 31
    policy = Policy(
        retry=Retry(limit=10),
        on_supersede="finish",
        on_remove="cancel",
        accept_partial=True,
        protect=True,
        timeout=Timeout(queued=timedelta(days=36_500)),
    )
    hyper = HyperParameters(
        epoch_count=100,
        adapter_size=16,
        learning_rate_multiplier=Decimal("0.0000123"),
        beta=Decimal("0.000123"),
    )
    stage = a_declared(
        f"{long}/next",
        after=f"{long}/{long}",
        checkpoint=AtStep(step=10**6),
        validation="gs://data/v.jsonl",
        nonce="n" * 64,
        hyper_parameters=hyper,
        policy=policy,
    )
    job = a_graph(a_declared(f"{long}/{long}"), stage).jobs[1]
    local = Evidence(md5="m" * 24, sha256="5" * 64, examples=10**6)
    assert job.validation is not None
    job = replace(
        job,
        training=replace(job.training, evidence=local),
        validation=replace(job.validation, evidence=local),
    )
    note = read_note(made(job).description)
    assert note is not None
    assert note.training_evidence == note.validation_evidence == local


@given(policies)
@effort(30)
def test_a_policy_reads_back(policy: Policy) -> None:
    assert read_policy(tuple(policy_words(policy))) == policy


def test_a_policy_word_that_means_nothing_counts_as_not_said() -> None:
    assert read_policy(("retry=many", "onRemove=burn", "new=1", "")) == Policy()
    assert read_policy(("retry=2",)) == Policy(retry=Retry(limit=2))


BROKEN: Mapping[str, tuple[dict[str, Any], str]] = {
    "no machine line": ({"description": "by hand"}, "no machine line"),
    "another number": ({"epoch_count": 9}, "does not show the `epochCount`"),
    "a number is gone": ({"epoch_count": None}, "does not show the `epochCount`"),
    "no method": ({"method": None}, "no method and training data"),
    "another method": ({"method": "preference"}, "another lineage"),
    "no data": ({"training_uri": None}, "no method and training data"),
    "another key": ({"encryption_key": "projects/p/keys/k"}, "another lineage"),
    "another base": ({"base_model": "gemini-2.5-pro"}, "another lineage"),
    "no base": ({"base_model": None}, "does not show what it continues"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_recipe_that_cannot_be_told_is_left_out_and_said(case: str) -> None:
    changes, why = BROKEN[case]
    shown = made(a_job())
    if "description" in changes:
        shown = replace(shown, **changes)
    else:
        shown = replace(shown, fields=replace(shown.fields, **changes))
    with pytest.raises(UnreadableError, match=why):
        recall(shown, "demo-project", "us-central1")
    left = rebuilt(NOTHING, shown)
    assert left.lock == replace(empty_lock(NOTHING.target), project_number="123")
    (doubt,) = left.doubts
    assert why in doubt.words and doubt.job == shown.name


def test_a_job_with_a_broken_line_whose_lineage_a_spec_wants_is_recorded_by_the_spec() -> None:
    job = a_job()
    graph = DesiredGraph(a_graph().target, (job,))
    shown = replace(made(job), description="edited")
    result = rebuilt(graph, shown)
    assert result.doubts == ()
    assert result.lock.jobs["support-bot/seed"].current == a_key(job)


# --- the whole lock


def test_superseded_failed_and_cancelled_attempts_come_back() -> None:
    old, new = a_job(nonce="old"), a_job()
    graph = DesiredGraph(a_graph().target, (new,))
    jobs = (
        made(old, 1),
        made(new, 2, attempt=1, state=JobState.FAILED, model=None, checkpoints={}),
        made(new, 3, attempt=2),
    )
    job = rebuilt(graph, *jobs).lock.jobs["support-bot/seed"]
    assert job.current == a_key(new, 2)
    assert job.creations == {
        a_key(old): recorded(old, jobs[0]),
        a_key(new, 1): recorded(new, jobs[1]),
        a_key(new, 2): recorded(new, jobs[2]),
    }


def test_the_newest_result_is_current_until_the_desired_one_is_there_and_it_is_a_guess() -> None:
    one, two, wanted = a_job(nonce="one"), a_job(nonce="two"), a_job()
    graph = DesiredGraph(a_graph().target, (wanted,))
    running = made(wanted, 3, state=JobState.RUNNING, ended=None, model=None, checkpoints={})
    result = rebuilt(graph, made(one, 1), made(two, 2), running)
    assert result.lock.jobs["support-bot/seed"].current == a_key(two)
    assert [doubt.words for doubt in result.doubts] == [
        "which of its results was current is not recorded; the newest is taken"
    ]
    assert rebuilt(graph, made(one, 1), made(two, 2), made(wanted, 3)).doubts == ()


def test_entries_of_a_lock_that_is_there_stay_as_they_are() -> None:
    job, other = a_job(), a_job(nonce="other")
    graph = DesiredGraph(a_graph().target, (job,))
    cancelled = made(other, 2, state=JobState.CANCELLED, model=None, checkpoints={})
    full = rebuilt(graph, made(job), cancelled).lock
    known = replace(recorded(other, cancelled), cancel_asked=True)
    lock = full.put("support-bot/seed", a_key(other), known)
    assert rebuilt(graph, made(job), cancelled, lock=lock).lock == lock
    less = replace(
        lock,
        jobs={
            "support-bot/seed": replace(
                lock.jobs["support-bot/seed"], creations={a_key(other): known}, current=None
            )
        },
    )
    assert rebuilt(graph, made(job), cancelled, lock=less).lock == lock


def test_of_twins_the_one_that_counts_is_recorded_and_it_is_said() -> None:
    job = a_job()
    graph = DesiredGraph(a_graph().target, (job,))
    result = rebuilt(graph, made(job, 2), made(job, 1))
    assert result.lock.jobs["support-bot/seed"].result == recorded(job, made(job, 1))
    assert result.jobs == 2
    assert result.doubts[0].words.startswith("2 jobs carry its lineage and attempt")


def test_jobs_of_others_are_none_of_ours() -> None:
    shown = made(a_job())
    assert shown.ownership is not None
    foreign = replace(shown, ownership=replace(shown.ownership, owner="acme--prod"))
    assert rebuilt(NOTHING, foreign).jobs == 0


def test_a_checkpoint_rule_that_means_nothing_is_an_unreadable_recipe() -> None:
    child = a_graph(*a_chain("seed", "week")).jobs[1]
    shown = made(child)
    broken = replace(shown, description=shown.description.replace('"r":"last"', '"r":"epoch x"'))
    with pytest.raises(UnreadableError, match="`epoch x` means nothing"):
        recall(broken, "demo-project", "us-central1")
    bare = replace(shown, fields=replace(shown.fields, pretuned_model=None, base_model="g"))
    with pytest.raises(UnreadableError, match="does not show what it continues"):
        recall(bare, "demo-project", "us-central1")
    assert isinstance(recall(shown, "demo-project", "us-central1")[0].source, Upstream)


# --- whole histories


def forgotten(lock: Lock) -> Lock:
    """The lock without what no job carries: who asked for a cancel."""
    for address, key, creation in list(lock.creations()):
        lock = lock.put(address, key, replace(creation, cancel_asked=None))
    return lock


@given(histories(), st.integers(0, 2**16))
@effort(40)
def test_after_any_history_the_rebuilt_lock_has_every_entry_of_the_lost_one(
    history: list[Any], seed: int
) -> None:
    world = SimWorld(seed=seed)
    first = history[0]
    runner = Runner(world, desire(first, pins_of(first)))
    for declaration in history:
        runner.graph = desire(declaration, pins_of(declaration))
        runner.converge()
    lost = forgotten(runner.disk.load())
    jobs = {name: job.shown for name, job in world.jobs.items()}
    seen = Observed(at=world.at, jobs=jobs, listed=frozenset(jobs), versions=world.versions)
    found = rebuild(runner.graph, empty_lock(runner.graph.target), seen, SETTLE).lock
    assert {key: c for _, key, c in found.creations()} == {key: c for _, key, c in lost.creations()}
    assert {name: job.current for name, job in found.jobs.items()} == {
        name: job.current for name, job in lost.jobs.items()
    }
    if len(history) == 1:
        assert dump(found) == dump(lost)
