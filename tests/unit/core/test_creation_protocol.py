"""The creation protocol, effect by effect: the order is the whole point."""

from typing import Any

import pytest

from tests.support.builders import NOON, a_job, an_observed_job, an_order
from tuneops.core.creation import (
    CheckData,
    Contended,
    Forget,
    Held,
    ListJobs,
    Made,
    PostJob,
    ProveMemory,
    ReadClaim,
    Refusal,
    Remember,
    Silence,
    SwapClaim,
    Unknown,
    create,
)

JOB = a_job()


def _drive(**answers: Any) -> tuple[list[str], Any]:
    """Run an order with these answers; tell the effects' names and the outcome."""
    usual: dict[type, Any] = {
        CheckData: "ready",
        ReadClaim: None,
        SwapClaim: "1",
        ListJobs: (NOON, ()),
        PostJob: an_observed_job(JOB),
    }
    given = {kind: answers.get(kind.__name__, usual.get(kind)) for kind in usual}
    protocol = create(an_order(JOB))
    names: list[str] = []
    swaps = iter(answers.get("swaps", ()))
    answer: Any = None
    while True:
        try:
            effect = protocol.send(answer)
        except StopIteration as end:
            return names, end.value
        name = type(effect).__name__
        names.append(f"{name} {effect.claim.phase}" if isinstance(effect, SwapClaim) else name)
        answer = given.get(type(effect))
        if isinstance(effect, SwapClaim):
            answer = next(swaps, answer)


BEFORE = ["CheckData", "ReadClaim", "SwapClaim intent", "ListJobs", "ProveMemory", "Remember"]


def test_data_claim_list_memory_intent_fence_and_only_then_the_post() -> None:
    names, outcome = _drive()
    after = ["SwapClaim issued", "PostJob", "Remember", "SwapClaim bound"]
    assert names == [*BEFORE, *after]
    assert isinstance(outcome, Made) and outcome.creation.job == an_observed_job(JOB).name
    assert outcome.creation.asked is None


@pytest.mark.parametrize(("state", "why"), [("gone", "pin-lost"), ("moved", "pin-moved")])
def test_data_that_is_not_as_pinned_stops_before_anything(state: str, why: str) -> None:
    names, outcome = _drive(CheckData=state)
    assert names == ["CheckData"]
    assert isinstance(outcome, Held) and outcome.why == why and "gs://" in outcome.message


def test_a_claim_that_is_lost_stops_before_the_list() -> None:
    names, outcome = _drive(swaps=[None])
    assert names == BEFORE[:3] and isinstance(outcome, Contended)


def test_a_fence_that_is_lost_forgets_the_intent_and_sends_nothing() -> None:
    names, outcome = _drive(swaps=["1", None])
    assert names == [*BEFORE, "SwapClaim issued", "Forget"]
    assert isinstance(outcome, Contended)


def test_silence_leaves_intent_and_claim_as_they_are() -> None:
    names, outcome = _drive(PostJob=Silence("?"))
    assert names[-1] == "PostJob"
    assert isinstance(outcome, Unknown) and outcome.creation.asked == NOON


def test_a_refusal_is_written_down_as_nothing_made() -> None:
    names, outcome = _drive(PostJob=Refusal("no"))
    assert names[-2:] == ["Forget", "SwapClaim void"]
    assert isinstance(outcome, Refusal)


def test_a_job_of_another_owner_or_without_labels_is_not_found() -> None:
    others = (an_observed_job(JOB, owner="other--prod"), an_observed_job(number=9))
    _, outcome = _drive(ListJobs=(NOON, others))
    assert isinstance(outcome, Made)


def test_every_effect_is_a_value() -> None:
    assert Forget("a", "k") == Forget("a", "k")
    assert hash(ReadClaim("k")) == hash(ReadClaim("k"))
    assert isinstance(Remember, type) and isinstance(ProveMemory, type)
