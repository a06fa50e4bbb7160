"""Every schedule of the protocol within a bound buys once, and each break of it buys twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support import schedules as model
from tests.support.profiles import NIGHTLY
from tests.support.schedules import Bounds, Deviation, Model, play, schedules
from tuneops.core import creation, protocol
from tuneops.core.creation import ListJobs, SwapClaim

PUSH = {
    Bounds(runners=2, pauses=(0, 90, 1000)): 60_000,
    Bounds(runners=2, lag=model.LAG, pauses=(0, 90, 1000)): 60_000,
    Bounds(runners=3, lag=model.LAG): 30_000,
}
"""The bounds, and how many schedules there are at least: a smaller number hides a smaller model."""

NIGHT = {
    Bounds(runners=2, faults=2, pauses=(0, 90)): 1_000_000,
    Bounds(runners=3, pauses=(0, 90, 1000)): 250_000,
    Bounds(runners=2, lag=model.LAG, preemptions=3, pauses=(0, 1000)): 100_000,
}


@pytest.mark.parametrize("bounds", [*PUSH, *NIGHT] if NIGHTLY else [*PUSH], ids=str)
def test_every_schedule_buys_exactly_once(bounds: Bounds) -> None:
    assert sum(1 for _ in schedules(bounds)) > {**PUSH, **NIGHT}[bounds]


Patch = pytest.MonkeyPatch


def claims_are_deleted_after_success(patch: Patch) -> None:
    right = Model.swap

    def swap(self: Model, effect: SwapClaim) -> str | None:
        won = right(self, effect)
        if won is not None and effect.claim.phase == "bound":
            self.claim = None
        return won

    patch.setattr(Model, "swap", swap)


def no_fence(patch: Patch) -> None:
    right = Model.swap

    def swap(self: Model, effect: SwapClaim) -> str | None:
        won = right(self, effect)
        return won or ("0" if effect.claim.phase == "issued" else None)

    patch.setattr(Model, "swap", swap)


def issued_is_taken_over_after_a_minute(patch: Patch) -> None:
    right = protocol._not_free
    patch.setattr(
        protocol,
        "_not_free",
        lambda order, claim: right(replace(order, settle=creation.INTENT_AGE), claim),
    )


def no_list_after_the_claim(patch: Patch) -> None:
    right = Model.perform

    def perform(self: Model, turn: int, effect: Any, fault: str | None) -> Any:
        answer = right(self, turn, effect, fault)
        claimed = type(effect) is ListJobs and self.claim is not None
        return (answer[0], ()) if claimed and self.claim.phase != "bound" else answer  # type: ignore[union-attr]

    patch.setattr(Model, "perform", perform)


def a_sleep_before_the_post_is_not_noticed(patch: Patch) -> None:
    right = Model.perform

    def perform(self: Model, turn: int, effect: Any, fault: str | None) -> Any:
        self.looked[turn] = self.clock
        return right(self, turn, effect, fault)

    patch.setattr(Model, "perform", perform)


def silence_is_refusal(patch: Patch) -> None:
    right = Model.perform

    def perform(self: Model, turn: int, effect: Any, fault: str | None) -> Any:
        answer = right(self, turn, effect, fault)
        return creation.Refusal("?") if isinstance(answer, creation.Silence) else answer

    patch.setattr(Model, "perform", perform)


def marks_are_forgotten_on_take_over(patch: Patch) -> None:

    def forgetful(record: Any, **changes: Any) -> Any:
        if "marks" in changes:
            changes["marks"] = changes["marks"][-1:]
        return replace(record, **changes)

    patch.setattr(protocol, "replace", forgetful)


WITNESSES: list[tuple[Callable[[Patch], None], int, tuple[Deviation, ...]]] = [
    (claims_are_deleted_after_success, model.LAG, ()),
    (no_fence, 0, (Deviation(4, to=1, pause=90), Deviation(8, to=0))),
    (
        issued_is_taken_over_after_a_minute,
        model.LAG,
        (Deviation(0, to=1), Deviation(8, fault="lost answer")),
    ),
    (
        no_list_after_the_claim,
        model.LAG,
        (Deviation(9, to=1, pause=1000), Deviation(9, fault="stale")),
    ),
    (a_sleep_before_the_post_is_not_noticed, 0, (Deviation(0, to=1), Deviation(8, pause=1000))),
    (
        a_sleep_before_the_post_is_not_noticed,
        0,
        (Deviation(0, to=1), Deviation(5, fault="sleeps long"), Deviation(8, to=0)),
    ),
    (silence_is_refusal, model.LAG, (Deviation(0, to=1), Deviation(8, fault="lost answer"))),
    (marks_are_forgotten_on_take_over, 0, (Deviation(0, to=1), Deviation(4, to=0, pause=90))),
]
"""A break, how late the list is, and the schedule that notices it. They are never dropped."""


@pytest.mark.parametrize(
    ("broken", "lag", "schedule"), WITNESSES, ids=lambda value: getattr(value, "__name__", "")
)
def test_the_break_is_noticed(
    broken: Callable[[Patch], None], lag: int, schedule: tuple[Deviation, ...]
) -> None:
    play(2, lag, schedule)
    with pytest.MonkeyPatch.context() as patch:
        broken(patch)
        with pytest.raises(AssertionError):
            play(2, lag, schedule)
