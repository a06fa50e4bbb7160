"""Ceilings, policy and freezes: what they bar, what they leave alone, and what never changes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import (
    NOON,
    SETTLE,
    a_chain,
    a_creation,
    a_declared,
    a_graph,
    a_key,
    a_lock,
    a_target,
    an_observed,
    an_observed_job,
    shown_fields,
)
from tuneops.catalog.models import Row, Table, built_in
from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.lock import Lock
from tuneops.core.observed import JobState, Observed, ObservedJob
from tuneops.core.plan import Action, Approval, Change, Plan, Reason
from tuneops.core.planner import make_plan
from tuneops.core.recipe import BaseModel, HyperParameters
from tuneops.core.rules import MAX_COST, WEEK, Allowed, Ceiling, Freeze, Rules
from tuneops.core.steps import CreateJob, ready_steps, request
from tuneops.core.view import View, look
from tuneops.costs.amounts import Tokens
from tuneops.costs.estimates import Knowledge
from tuneops.costs.history import bytes_of
from tuneops.costs.verdicts import Verdict, judge
from tuneops.diagnostics import SourceRef

HERE = SourceRef(path="specs/workspace.yaml", line=9, column=5)
MILLION = Tokens(1_000_000, 1_000_000)


def ceiling(name: str, most: str) -> Rules:
    return Rules(ceilings=(Ceiling(name=name, most=Decimal(most), where=HERE),))


def chain(*stages: str, rules: Rules = Rules(), name: str = "bot", **target: Any) -> DesiredGraph:  # noqa: B008
    jobs = a_chain(*stages, name=name, hyper_parameters=HyperParameters(epoch_count=1))
    return a_graph(*jobs, target=a_target(rules=rules, **target))


def seen(graph: DesiredGraph, lock: Lock | None = None, observed: Observed | None = None) -> View:
    return look(graph, lock or a_lock(), observed or an_observed(), SETTLE)


def judged(view: View, *bought: str, tokens: Tokens = MILLION, **known: Any) -> Verdict:
    """The verdict where every dataset has a million tokens: one epoch costs $5."""
    data = {bytes_of(job.recipe.training, job.recipe.method): tokens for job in view.graph.jobs}
    return judge(make_plan(view), view, Knowledge(counted=data, **known), frozenset(bought))


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


@pytest.mark.parametrize(("most", "barred"), [("15", 0), ("14.99", 3)])
def test_a_ceiling_counts_the_whole_plan_and_its_last_cent(most: str, barred: int) -> None:
    graph = chain("a", "b", "c", rules=ceiling("perApply", most))
    verdict = judged(seen(graph))
    assert len(verdict.barred) == barred and verdict.denied == bool(barred)
    if barred:
        (finding,) = verdict.findings
        assert finding.code == "over-budget" and finding.where == HERE
        assert finding.message == "this plan costs ~$15, the limit is $14.99 (`budget.perApply`)"


def test_the_higher_end_counts() -> None:
    graph = chain("a", rules=ceiling("perApply", "6"))
    assert not judged(seen(graph)).denied
    assert judged(seen(graph), tokens=Tokens(700_000, 1_300_000)).denied


def test_what_a_run_has_bought_before_counts_for_its_ceiling() -> None:
    graph = chain("a", "b", rules=ceiling(MAX_COST, "9"))
    first = graph.jobs[0]
    made = a_creation(first, billable_tokens=1_000_000)
    lock = a_lock((str(first.address), a_key(first), made))
    world = an_observed(an_observed_job(first, state=JobState.SUCCEEDED))
    view = seen(graph, lock, world)
    assert [change.address for change in make_plan(view).buys] == ["bot/b"]
    assert not judged(view).denied
    assert codes(judged(view, a_key(first))) == ["over-budget"]


@pytest.mark.parametrize(
    ("created", "denied"),
    [
        (datetime(2026, 11, 1, 0, 0, tzinfo=UTC), True),
        (datetime(2026, 10, 31, 23, 59, tzinfo=UTC), False),
    ],
)
def test_a_month_is_the_calendar_month_of_the_services_clock(
    created: datetime, denied: bool
) -> None:
    graph = chain("a", rules=ceiling("perMonth", "9"))
    other = a_graph(a_declared("old", hyper_parameters=HyperParameters(epoch_count=1))).jobs[0]
    done = a_creation(other, created=created, billable_tokens=1_000_000)
    lock = a_lock(("old", a_key(other), done))
    lock = replace(lock, jobs={}, retired=lock.jobs)
    verdict = judged(seen(graph, lock))
    assert verdict.denied is denied
    if denied:
        message = "with this plan the month costs ~$10, the limit is $9 (`budget.perMonth`)"
        assert verdict.findings[0].message == message


def test_a_create_that_was_not_answered_counts_as_reserved() -> None:
    graph = chain("a", "b", rules=ceiling("perMonth", "9"))
    asked = a_creation(graph.jobs[0], number=None, asked=NOON - timedelta(minutes=1))
    view = seen(graph, a_lock(("bot/a", a_key(graph.jobs[0]), asked)))
    assert [change.address for change in make_plan(view).buys] == ["bot/b"]
    assert codes(judged(view)) == ["over-budget"]


def test_what_somebody_else_bought_is_not_on_our_bill() -> None:
    graph = chain("a", rules=ceiling("perMonth", "9"))
    other = a_graph(a_declared("old")).jobs[0]
    theirs = a_creation(other, adopted=True, billable_tokens=9_000_000)
    lock = a_lock(("old", a_key(other), theirs))
    assert not judged(seen(graph, replace(lock, jobs={}, retired=lock.jobs))).denied


def known_to(view: View, **known: Any) -> Verdict:
    """The verdict where the plan's own data has a million tokens, and other data none known."""
    lines = {change.address for change in make_plan(view).buys}
    jobs = [job for job in view.graph.jobs if str(job.address) in lines]
    data = {bytes_of(job.recipe.training, job.recipe.method): MILLION for job in jobs}
    return judge(make_plan(view), view, Knowledge(counted=data, **known))


def bought_as(job: DesiredJob, environment: str = "local", workspace: str = "acme") -> Lock:
    """A lock that says that a job was bought, billed a million tokens."""
    lock = a_lock((str(job.address), a_key(job), a_creation(job, billable_tokens=1_000_000)))
    return replace(lock, environment=environment, workspace=workspace)


def test_a_workspaces_month_counts_all_its_environments_and_an_environments_its_own() -> None:
    other = a_graph(a_declared("other", hyper_parameters=HyperParameters(epoch_count=1))).jobs[0]
    staging = bought_as(other, "staging")
    own = ceiling("perMonth", "9")
    wide = Rules(ceilings=tuple(replace(one, wide=True) for one in own.ceilings))
    assert not known_to(seen(chain("a", rules=own)), beside=(staging,)).denied
    verdict = known_to(seen(chain("a", rules=wide)), beside=(staging,))
    assert codes(verdict) == ["over-budget"]
    assert "~$5 of it is spent or reserved already" in verdict.findings[0].notes
    # what both locks have is counted once
    twice = replace(staging, environment="qa")
    enough = Rules(
        ceilings=tuple(replace(one, wide=True, most=Decimal(10)) for one in own.ceilings)
    )
    assert not known_to(seen(chain("a", rules=enough)), beside=(staging, twice)).denied


def test_a_lock_beside_that_cannot_be_read_is_not_taken_for_nothing() -> None:
    own = ceiling("perMonth", "9")
    wide = replace(own, ceilings=tuple(replace(one, wide=True) for one in own.ceilings))
    verdict = known_to(seen(chain("a", rules=wide)), unread=("`x.lock.json` cannot be read",))
    assert codes(verdict) == ["cost-unknown"] and set(verdict.barred) == {"bot/a"}
    loose = replace(wide, unestimated=True)
    verdict = known_to(seen(chain("a", rules=loose)), unread=("`x.lock.json` cannot be read",))
    assert codes(verdict) == ["cost-unknown"] and not verdict.barred and not verdict.denied


@pytest.mark.parametrize(
    ("owner", "wide", "counts"),
    [
        ("acme--local", False, True),
        ("acme--staging", False, False),
        ("acme--staging", True, True),
        ("acme-two--staging", True, False),
    ],
)
def test_a_job_of_ours_that_no_lock_knows_counts_as_bought(
    owner: str, wide: bool, counts: bool
) -> None:
    rules = ceiling("perMonth", "9")
    rules = Rules(ceilings=tuple(replace(one, wide=wide) for one in rules.ceilings))
    graph = chain("a", rules=rules)
    other = a_graph(a_declared("other", hyper_parameters=HyperParameters(epoch_count=1))).jobs[0]
    job = a_signed_job(other, owner)
    assert judged_with(graph, job, other).denied is counts
    copied = replace(job, fields=replace(job.fields, epoch_count=7))
    assert not judged_with(graph, copied, other).denied
    assert not judged_with(graph, replace(job, created=NOON - timedelta(days=40)), other).denied


def a_signed_job(job: DesiredJob, owner: str) -> ObservedJob:
    """A job with all our marks on it, as the service lists it."""
    creation = a_creation(job, number=None)
    step = CreateJob(
        change=Change(address=str(job.address), action=Action.CREATE, reason=Reason.FIRST_RUN),
        job=job,
        source=job.recipe.source,  # type: ignore[arg-type]
    )
    made = request(step, owner, creation)
    there = an_observed_job(job, number=77)
    assert there.ownership is not None
    ownership = replace(there.ownership, owner=owner, mark=creation.mark)
    fields = shown_fields(made)
    return replace(there, ownership=ownership, description=made.description, fields=fields)


def judged_with(graph: DesiredGraph, job: ObservedJob, other: DesiredJob) -> Verdict:
    data = [graph.jobs[0].recipe, other.recipe]
    known = Knowledge(counted={bytes_of(one.training, one.method): MILLION for one in data})
    view = seen(graph, observed=an_observed(job))
    return judge(make_plan(view), view, known)


def test_a_failure_without_a_bill_and_an_estimate_is_not_taken_for_free() -> None:
    old = a_graph(a_declared("old", hyper_parameters=HyperParameters(epoch_count=1))).jobs[0]
    lock = a_lock(("old", a_key(old), a_creation(old, state=JobState.FAILED)))
    lock = replace(lock, jobs={}, retired=lock.jobs)
    rules = ceiling("perMonth", "100")
    verdict = known_to(seen(chain("a", rules=rules), lock))
    assert verdict.barred == {"bot/a": "cost not known"}
    assert "what `old` costs is not known" in verdict.findings[0].message
    verdict = known_to(seen(chain("a", rules=replace(rules, unestimated=True)), lock))
    assert not verdict.barred and not verdict.denied
    assert verdict.findings[0].message == "what `old` costs is not known; no ceiling counts it"


def test_a_chain_has_a_ceiling_of_its_own_made_stages_included() -> None:
    rules = ceiling("perChain", "9")
    jobs = [
        *a_chain("a", "b", name="bot", hyper_parameters=HyperParameters(epoch_count=1)),
        *a_chain("c", name="other", hyper_parameters=HyperParameters(epoch_count=1)),
    ]
    graph = a_graph(*jobs, target=a_target(rules=rules))
    verdict = judged(seen(graph))
    assert set(verdict.barred) == {"bot/a", "bot/b"}
    first = graph.jobs[0]
    lock = a_lock(("bot/a", a_key(first), a_creation(first, billable_tokens=1_000_000)))
    world = an_observed(an_observed_job(first, state=JobState.SUCCEEDED))
    assert set(judged(seen(graph, lock, world)).barred) == {"bot/b"}


def test_what_cannot_be_estimated_is_not_bought_under_a_budget() -> None:
    graph = chain("a", rules=ceiling("perApply", "100"))
    view = seen(graph)
    verdict = judge(make_plan(view), view, Knowledge())
    assert verdict.barred == {"bot/a": "cost not known"} and codes(verdict) == ["cost-unknown"]
    assert "unestimated: allow" in (verdict.findings[0].help or "")
    allowed = chain("a", rules=replace(ceiling("perApply", "100"), unestimated=True))
    assert not judge(make_plan(seen(allowed)), seen(allowed), Knowledge()).barred


@pytest.mark.parametrize("name", ["perMonth", "perChain", "perApply"])
def test_what_was_bought_for_nobody_knows_what_lets_nothing_more_be_bought(name: str) -> None:
    rules = ceiling(name, "100")
    rules = replace(rules, ceilings=(*rules.ceilings, *ceiling("perMonth", "101").ceilings))
    graph = chain("a", "b", rules=rules)
    known = {bytes_of(graph.jobs[1].recipe.training, graph.jobs[1].recipe.method): MILLION}
    first = replace(graph.jobs[0].recipe, source=BaseModel(base_model="gemini-77"))
    running = replace(a_creation(graph.jobs[0], state=JobState.RUNNING), recipe=first)
    view = seen(graph, a_lock(("bot/a", a_key(graph.jobs[0]), running)))
    verdict = judge(
        make_plan(view), view, Knowledge(counted=known), frozenset({a_key(graph.jobs[0])})
    )
    assert verdict.barred == {"bot/b": "cost not known"} and codes(verdict) == ["cost-unknown"]
    assert "what `bot/a` costs is not known" in verdict.findings[0].message
    allowed = chain("a", "b", rules=replace(rules, unestimated=True))
    view = seen(allowed, a_lock(("bot/a", a_key(allowed.jobs[0]), running)))
    assert not judge(make_plan(view), view, Knowledge(counted=known)).barred


def test_so_many_jobs_a_run() -> None:
    rules = Rules(creates=(Ceiling(name="maxCreates", most=Decimal(2), where=HERE),))
    assert not judged(seen(chain("a", "b", rules=rules))).denied
    verdict = judged(seen(chain("a", "b", "c", rules=rules)))
    assert len(verdict.barred) == 3
    assert verdict.findings[0].message.startswith("this plan makes 3 jobs, the limit is 2 ")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (Rules(locations=(Allowed(words=("europe-west4",), where=HERE),)), "location"),
        (Rules(models=(Allowed(words=("gemini-2.5-pro",), where=HERE),)), "base model"),
        (Rules(encryption=(HERE,)), "encryption"),
        (Rules(epochs=(Ceiling(name="maxEpochs", most=Decimal(2), where=HERE),)), "epochs"),
    ],
)
def test_policy_bars_what_breaks_it_with_the_place_of_the_rule(rules: Rules, words: str) -> None:
    graph = a_graph(a_declared("bot"), target=a_target(rules=rules))
    verdict = judged(seen(graph))
    assert verdict.barred == {"bot": words} and verdict.denied
    assert verdict.findings[0].where == HERE


def test_a_breach_is_said_once_however_many_jobs_commit_it() -> None:
    epochs = Ceiling(name="maxEpochs", most=Decimal(2), where=HERE)
    rules = Rules(encryption=(HERE,), epochs=(epochs,))
    names = "abcdefg"
    verdict = judged(seen(a_graph(*a_chain(*names), target=a_target(rules=rules))))
    assert verdict.barred == {f"support-bot/{name}": "epochs, encryption" for name in names}
    assert len(verdict.findings) == 2
    for finding in verdict.findings:
        assert finding.message.startswith("`support-bot/a`, like 6 more, ")
        assert (len(finding.notes), finding.notes[-1]) == (6, "and 2 more")


def test_policy_lets_pass_what_keeps_to_it() -> None:
    rules = Rules(
        locations=(Allowed(words=("us-central1",), where=HERE),),
        models=(Allowed(words=("gemini-2.5-flash",), where=HERE),),
        epochs=(Ceiling(name="maxEpochs", most=Decimal(3), where=HERE),),
    )
    graph = a_graph(*a_chain("a", "b"), target=a_target(rules=rules))
    assert not judged(seen(graph)).findings


def test_epochs_that_are_left_to_the_service_break_a_policy_of_epochs() -> None:
    rules = Rules(epochs=(Ceiling(name="maxEpochs", most=Decimal(9), where=HERE),))
    jobs = a_declared("bot", hyper_parameters=HyperParameters())
    assert judged(seen(a_graph(jobs, target=a_target(rules=rules)))).denied


def test_one_job_that_breaks_a_policy_keeps_no_other_one_waiting() -> None:
    rules = Rules(epochs=(Ceiling(name="maxEpochs", most=Decimal(2), where=HERE),))
    jobs = (
        a_declared("bad", data="gs://data/bad"),
        a_declared("good", hyper_parameters=HyperParameters(epoch_count=2)),
    )
    view = seen(a_graph(*jobs, target=a_target(rules=rules)))
    steps = ready_steps(make_plan(view), view, barred=judged(view).barred)
    assert [step.change.address for step in steps] == ["good"]


def retiring(on: date, *, confirmed: bool) -> Table:
    row = Row(
        models=("gemini-2.5-flash",),
        source="a notice",
        as_of=date(2026, 11, 1),
        confirmed=confirmed,
        facts={"retires": {"on": on.isoformat()}},
    )
    return Table.of((*built_in(), row))


@pytest.mark.parametrize(
    ("days", "confirmed", "found", "denied"),
    [
        (5, True, ["model-retires"], True),
        (-5, True, ["model-retires"], True),
        (5, False, ["model-retires"], False),
        (60, True, ["model-retires"], False),
        (120, True, [], False),
    ],
)
def test_only_a_confirmed_retirement_bars(
    days: int, confirmed: bool, found: list[str], denied: bool
) -> None:
    day = NOON.date() + timedelta(days=days)
    view = seen(chain("a", "b", provider="vertex"))
    verdict = judged(view, table=retiring(day, confirmed=confirmed))
    assert codes(verdict) == found and verdict.denied is denied
    assert bool(verdict.barred) is denied


def test_nothing_retires_on_an_emulator() -> None:
    table = retiring(NOON.date(), confirmed=True)
    assert not judged(seen(chain("a")), table=table).findings


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


WEEKEND = Freeze(
    reason="weekend",
    where=HERE,
    weekly=(timedelta(days=4, hours=16), timedelta(hours=6)),
)
"""Friday 16:00 to Monday 06:00."""


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("2026-11-20T15:59", None),  # a Friday
        ("2026-11-20T16:00", "2026-11-23T06:00"),
        ("2026-11-22T23:59", "2026-11-23T06:00"),
        ("2026-11-23T05:59", "2026-11-23T06:00"),
        ("2026-11-23T06:00", None),
        ("2026-11-25T12:00", None),
    ],
)
def test_a_freeze_of_every_week(moment: str, until: str | None) -> None:
    assert WEEKEND.until(at(moment)) == (at(until) if until else None)


def test_a_freeze_of_dates_ends_before_its_last_moment() -> None:
    freeze = Freeze(reason="", where=HERE, moments=(at("2026-12-20"), at("2027-01-03")))
    assert freeze.until(at("2026-12-19T23:59")) is None
    assert freeze.until(at("2026-12-20")) == at("2027-01-03")
    assert freeze.until(at("2027-01-03")) is None


@given(
    start=st.integers(0, 7 * 24 - 1),
    length=st.integers(1, 7 * 24 - 1),
    hour=st.integers(0, 10_000),
)
def test_a_weekly_freeze_holds_for_its_length_and_no_longer(
    start: int, length: int, hour: int
) -> None:
    begin = timedelta(hours=start)
    freeze = Freeze(reason="", where=HERE, weekly=(begin, (begin + timedelta(hours=length)) % WEEK))
    moment = at("2026-01-05") + timedelta(hours=hour)  # a Monday, and so many hours on
    inside = (hour - start) % (7 * 24) < length
    until = freeze.until(moment)
    assert (until is not None) is inside
    if until is not None:
        assert moment < until <= moment + timedelta(hours=length) and freeze.until(until) is None


def test_a_freeze_keeps_back_what_costs_and_nothing_else() -> None:
    running = chain("a")
    rules = Rules(freezes=(Freeze(reason="", where=HERE, moments=(NOON, NOON + WEEK)),))
    edited = a_graph(
        *a_chain("a", name="bot", hyper_parameters=HyperParameters(epoch_count=2)),
        target=a_target(rules=rules),
    )
    job = running.jobs[0]
    lock = a_lock(("bot/a", a_key(job), a_creation(job, state=JobState.RUNNING)))
    view = seen(edited, lock, an_observed(an_observed_job(job)))
    verdict = judged(view)
    assert verdict.frozen and not verdict.denied
    # the old job is not stopped either: its replacement could not begin
    assert not ready_steps(make_plan(view), view, barred=verdict.barred)
    gone = seen(a_graph(a_declared("x"), target=a_target(rules=rules)), lock)
    assert not any(
        isinstance(step, CreateJob)
        for step in ready_steps(make_plan(gone), gone, barred=judged(gone).barred)
    )


TIGHT = Rules(
    ceilings=(Ceiling(name="perApply", most=Decimal("0.01"), where=HERE),),
    creates=(Ceiling(name="maxCreates", most=Decimal(1), where=HERE),),
    models=(Allowed(words=(), where=HERE),),
    freezes=(Freeze(reason="", where=HERE, moments=(NOON - WEEK, NOON + WEEK)),),
)


def plan_under(rules: Rules) -> Plan:
    return make_plan(seen(chain("a", "b", rules=rules)))


def test_rules_change_no_line_of_a_plan_and_the_digest_by_the_ceiling_only() -> None:
    free = plan_under(Rules())
    tight = plan_under(TIGHT)
    assert (tight.changes, tight.desired, tight.drift) == (free.changes, free.desired, free.drift)
    assert plan_under(replace(TIGHT, ceilings=())).digest == free.digest
    assert tight.digest != free.digest
    assert (
        plan_under(ceiling("perApply", "1")).digest
        == plan_under(ceiling("perApply", "1.00")).digest
    )
    assert (
        plan_under(ceiling("perApply", "1")).digest != plan_under(ceiling("perMonth", "1")).digest
    )


def test_what_was_approved_under_one_ceiling_is_not_under_another() -> None:
    approval = Approval.of(plan_under(ceiling("perApply", "10")))
    assert approval.refusal(plan_under(ceiling("perApply", "10"))) is None
    assert "ceilings" in (approval.refusal(plan_under(ceiling("perApply", "11"))) or "")
