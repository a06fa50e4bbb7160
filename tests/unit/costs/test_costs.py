"""Prices, worked out by hand: tokens of one pass * epochs * dollars a million."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.builders import (
    NOON,
    SETTLE,
    a_chain,
    a_creation,
    a_declared,
    a_graph,
    a_job,
    a_key,
    a_lock,
    an_observed,
    an_observed_job,
    some_checkpoints,
)
from tuneops.core.desired import DesiredGraph, DesiredJob, ModelRef
from tuneops.core.lock import Lock
from tuneops.core.observed import JobState, Observed
from tuneops.core.planner import make_plan
from tuneops.core.recipe import BaseModel, HyperParameters, Method, Pretuned
from tuneops.core.view import View, look
from tuneops.costs.amounts import Cost, Tokens, dollars, spell
from tuneops.costs.estimates import Estimator, Knowledge
from tuneops.costs.history import bytes_of, spread
from tuneops.costs.verdicts import appraise
from tuneops.render.costs import short


def cost(low: str, high: str | None = None) -> Cost:
    return Cost(Decimal(low), Decimal(high or low))


def a_view(graph: DesiredGraph, lock: Lock | None = None, observed: Observed | None = None) -> View:
    return look(graph, lock or a_lock(), observed or an_observed(), SETTLE)


def counted(*jobs: DesiredJob, tokens: Tokens) -> Knowledge:
    data = {bytes_of(job.recipe.training, job.recipe.method): tokens for job in jobs}
    return Knowledge(counted=data)


def sized(job: DesiredJob, size: int, **changes: Any) -> DesiredJob:
    """The same job on data of another size."""
    data = replace(job.recipe.training, size=size)
    return replace(job, recipe=replace(job.recipe, training=data, **changes))


def test_tokens_by_epochs_by_price() -> None:
    graph = a_graph(a_declared(hyper_parameters=HyperParameters(epoch_count=3)))
    known = counted(*graph.jobs, tokens=Tokens(1_000_000, 1_000_000))
    found = Estimator(a_view(graph), known).recipe(graph.jobs[0].recipe, "support-bot/seed")
    assert found.cost == cost("15")  # 1M * 3 * $5
    assert found.tokens == Tokens(3_000_000, 3_000_000)


def test_what_is_counted_by_characters_is_a_range() -> None:
    graph = a_graph(a_declared(hyper_parameters=HyperParameters(epoch_count=3)))
    known = counted(*graph.jobs, tokens=Tokens(700_000, 1_300_000))
    found = Estimator(a_view(graph), known).recipe(graph.jobs[0].recipe, "support-bot/seed")
    assert found.cost == cost("10.5", "19.5")


def test_epochs_that_are_left_out_are_a_range_until_the_service_has_chosen() -> None:
    graph = a_graph(a_declared(hyper_parameters=HyperParameters()))
    job = graph.jobs[0]
    known = counted(job, tokens=Tokens(1_000_000, 1_000_000))
    assert Estimator(a_view(graph), known).recipe(job.recipe, "a").cost == cost("5", "200")
    ran = a_creation(job, checkpoints=some_checkpoints(10), billable_tokens=1_000_000)
    lock = a_lock((str(job.address), a_key(job), ran))
    assert Estimator(a_view(graph, lock), Knowledge()).recipe(job.recipe, "a").cost == cost("50")


def test_the_same_bytes_were_billed_before() -> None:
    job = a_job(hyper_parameters=HyperParameters(epoch_count=2))
    done = a_creation(job, billable_tokens=812_000)
    view = a_view(DesiredGraph(a_graph().target, (job,)), a_lock(("other", a_key(job), done)))
    again = replace(job.recipe, nonce="again")
    assert Estimator(view, Knowledge()).recipe(again, "anything").cost == cost("8.12")


def test_data_of_the_same_chain_has_as_many_tokens_for_each_byte() -> None:
    seed = sized(a_job("bot/seed", data="gs://data/b"), 1_000_000)
    done = a_creation(seed, billable_tokens=250_000)
    view = a_view(a_graph(), a_lock(("bot/seed", a_key(seed), done)))
    later = sized(seed, 2_000_000, hyper_parameters=HyperParameters(epoch_count=3)).recipe
    estimator = Estimator(view, Knowledge())
    # 2 MB * 0.25 tokens a byte = 500k, a fifth less to a fifth more, * 3 * $5
    assert estimator.recipe(later, "bot/week").cost == cost("6", "9")
    assert estimator.recipe(later, "stranger").cost is None
    other = replace(later, method=Method.PREFERENCE)
    assert estimator.recipe(other, "bot/week").missing == "the tokens of its data are not known"


def test_bytes_that_were_edited_since_cost_what_those_of_now_would() -> None:
    new = sized(a_job("bot/seed", hyper_parameters=HyperParameters(epoch_count=1)), 1_000_000)
    old = sized(a_job("bot/seed", hyper_parameters=HyperParameters(epoch_count=1)), 2_000_000)
    view = a_view(DesiredGraph(a_graph().target, (new,)))
    known = counted(new, tokens=Tokens(200_000, 300_000))
    running = a_creation(old, state=JobState.RUNNING)
    # 2 MB * 0.2 to 0.3 tokens a byte, a fifth less to a fifth more, * $5
    estimator = Estimator(view, known)
    assert estimator.creation(running, "bot/seed") == cost("1.6", "3.6")
    assert estimator.creation(running, "stranger") is None


def test_estimates_are_rounded_away_from_what_is_known() -> None:
    data = replace(a_job().recipe.training, size=10)
    assert spread(data, [Decimal("0.33")], [Decimal("0.33")]) == Tokens(2, 4)  # 2.64 to 3.96


def test_a_stage_is_priced_by_the_base_of_its_chain() -> None:
    graph = a_graph(*a_chain("seed", "week", "tone"))
    known = counted(*graph.jobs, tokens=Tokens(1_000_000, 1_000_000))
    estimator = Estimator(a_view(graph), known)
    assert estimator.base(graph.jobs[2].recipe) == "gemini-2.5-flash"
    assert estimator.addresses(["support-bot/seed", "support-bot/tone"]) == cost("30")


def test_what_is_not_known_is_said_and_never_made_up() -> None:
    job = a_job(hyper_parameters=HyperParameters(epoch_count=1))
    view = a_view(DesiredGraph(a_graph().target, (job,)))
    known = counted(job, tokens=Tokens(10, 10))
    unpriced = replace(job.recipe, source=BaseModel(base_model="gemini-3.5-flash"))
    nobodys = replace(job.recipe, source=Pretuned(model="projects/1/models/9@1", checkpoint="1"))
    strange = replace(job.recipe, source=BaseModel(base_model="gemini-77"))
    estimator = Estimator(view, known)
    assert (
        estimator.recipe(unpriced, "a").missing
        == "no price of supervised tuning of gemini-3.5-flash"
    )
    assert estimator.recipe(nobodys, "a").missing == "its base model is not known"
    assert estimator.recipe(strange, "a").missing == "its base model is not known"
    assert Estimator(view, Knowledge()).addresses([str(job.address)]) is None


def test_the_base_of_somebody_elses_model_is_that_of_the_job_that_made_it() -> None:
    job = a_job()
    foreign = replace(an_observed_job(job, number=7, state=JobState.SUCCEEDED), ownership=None)
    view = a_view(a_graph(), observed=an_observed(foreign))
    assert foreign.model is not None
    recipe = replace(job.recipe, source=Pretuned(model=foreign.model, checkpoint="3"))
    assert Estimator(view, Knowledge()).base(recipe) == "gemini-2.5-flash"
    assert ModelRef  # a spec names such a model by `preTunedModel:`


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, cost("15")),  # 1M billed * 3 epochs * $5
        ({"state": JobState.RUNNING}, cost("12", "18")),
        ({"state": JobState.RUNNING, "billable_tokens": 1_000_000}, cost("15")),
        ({"state": JobState.CANCELLED}, cost("0", "18")),
        (
            {
                "state": JobState.CANCELLED,
                "billable_tokens": 1_000_000,
                "checkpoints": some_checkpoints(1),
            },
            cost("5", "15"),
        ),
    ],
)
def test_a_job_of_the_lock(changes: dict[str, Any], expected: Cost) -> None:
    job = a_job(hyper_parameters=HyperParameters(epoch_count=3))
    creation = a_creation(job, **{"billable_tokens": 1_000_000, **changes})
    if "billable_tokens" not in changes and "state" in changes:
        creation = replace(creation, billable_tokens=None)
    view = a_view(
        DesiredGraph(a_graph().target, (job,)),
        a_lock((str(job.address), a_key(job), creation)),
    )
    known = counted(job, tokens=Tokens(800_000, 1_200_000))
    assert Estimator(view, known).creation(creation, str(job.address)) == expected


def test_what_a_failed_job_cost_is_never_made_up() -> None:
    job = a_job()
    failed = a_creation(job, state=JobState.FAILED)
    view = a_view(DesiredGraph(a_graph().target, (job,)))
    assert Estimator(view, Knowledge()).creation(failed, "a") is None
    cancelled = a_creation(job, state=JobState.CANCELLED)
    assert Estimator(view, Knowledge()).creation(cancelled, "a") is None


def test_what_a_cancel_gives_up() -> None:
    job = a_job(hyper_parameters=HyperParameters(epoch_count=4))
    new = a_graph(a_declared(hyper_parameters=HyperParameters(epoch_count=5)))
    running = an_observed_job(
        job,
        state=JobState.RUNNING,
        created=NOON - timedelta(minutes=80),
        checkpoints=some_checkpoints(1),
    )
    creation = a_creation(job, state=JobState.RUNNING, billable_tokens=2_000_000)
    creation = replace(creation, checkpoints=some_checkpoints(1))
    view = a_view(new, a_lock((str(job.address), a_key(job), creation)), an_observed(running))
    plan = make_plan(view)
    (lost,) = appraise(plan, view, Knowledge()).sunk.values()
    # the whole is 2M * 4 * $5 = $40; one of four epochs is done, the second one may be, nearly
    assert (lost.seconds, lost.epochs, lost.of) == (4800, 1, 4)
    assert lost.spent == cost("10", "20") and lost.saved == cost("20", "30")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (cost("0"), "$0"),
        (cost("0.001", "0.004"), "<$0.01"),
        (cost("3.1"), "~$3.10"),
        (cost("2.171", "4.029"), "~$2.17-$4.03"),
        (cost("9.7", "18.1"), "~$9-$19"),
        (cost("0.4", "12"), "~$0.40-$12"),
        (cost("1234.5"), "~$1,235"),
    ],
)
def test_money_in_words_never_promises_less_than_the_range(amount: Cost, text: str) -> None:
    assert spell(amount).replace("\N{EN DASH}", "-") == text


def test_single_amounts_and_tokens() -> None:
    texts = ("25", "0.1", "2000", "0", "0.0010")
    assert [dollars(Decimal(text)) for text in texts] == ["$25", "$0.10", "$2,000", "$0", "$0.001"]
    assert [short(n) for n in (812, 1000, 412_300, 999_499, 999_500, 1_850_000)] == [
        "812",
        "1k",
        "412k",
        "999k",
        "1M",
        "1.85M",
    ]
