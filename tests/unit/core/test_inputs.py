"""What is known of the bytes that a job has read."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.support.builders import NOON, a_creation, a_job, an_observed_job
from tuneops.core.inputs import judged
from tuneops.core.ledger import updated
from tuneops.core.lock import Creation
from tuneops.core.merge import join
from tuneops.core.observed import JobState, SeenObject
from tuneops.core.plan import Reason
from tuneops.core.provenance import Origin
from tuneops.render.provenance import Asked, provenance_json, provenance_text

JOB = a_job()
BEGAN, ENDED = NOON - timedelta(hours=2), NOON - timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def look(written: datetime | None, *, ended: bool = True, moved: bool = False) -> Creation:
    """What the lock says of a job whose data was last written then."""
    state = JobState.SUCCEEDED if ended else JobState.RUNNING
    seen = replace(
        an_observed_job(JOB, number=1, state=state), created=BEGAN, ended=ENDED if ended else None
    )
    before = a_creation(JOB, number=1, state=JobState.RUNNING)
    there = JOB.recipe.training
    if moved:
        there = replace(there, crc32c="AAAAAQ==")
    inputs = {seen.name: SeenObject(dataset=there, created=written)}
    return judged(before, updated(before, seen), seen, inputs)


@pytest.mark.parametrize("ended", [True, False])
def test_bytes_that_were_swapped_and_put_back_are_noted(ended: bool) -> None:
    found = look(BEGAN + MINUTE, ended=ended)
    assert found.rewritten == BEGAN + MINUTE
    assert not found.wrong_bytes, "a note, no verdict: it may have read the right ones"
    assert found.succeeded is ended


@pytest.mark.parametrize("written", [None, BEGAN - MINUTE, BEGAN, ENDED, ENDED + MINUTE], ids=str)
def test_bytes_that_were_written_before_or_after_are_not(written: datetime | None) -> None:
    assert look(written).rewritten is None


def test_other_bytes_stay_a_verdict() -> None:
    found = look(BEGAN + MINUTE, moved=True)
    assert found.wrong_bytes and found.rewritten is None


def test_the_note_is_told_where_a_result_comes_from() -> None:
    creation = look(BEGAN + MINUTE)
    origin = Origin(
        address="bot/seed", key="k1", creation=creation, reason=Reason.FIRST_RUN, changes=()
    )
    asked = Asked(text="bot/seed")
    told = " ".join(line.text for line in provenance_text(asked, (origin,), {}))
    assert f"written again {BEGAN + MINUTE:%Y-%m-%d %H:%M} UTC" in told
    (shown,) = provenance_json(asked, (origin,), {})["line"]
    assert datetime.fromisoformat(shown["rewritten"]) == BEGAN + MINUTE


def test_a_note_stays_when_locks_are_joined() -> None:
    noted, plain = look(BEGAN + MINUTE), look(None)
    later = look(BEGAN + 2 * MINUTE)
    assert join(noted, plain) == join(plain, noted) == noted
    assert join(noted, later).rewritten == join(later, noted).rewritten == BEGAN + 2 * MINUTE
