from dataclasses import replace

import pytest

from tests.support.builders import a_creation, a_failure, a_job, an_observed_job
from tuneops.core.ledger import updated
from tuneops.core.observed import JobState

JOB = a_job()
RUNNING = a_creation(JOB, state=JobState.RUNNING, cancel_asked=True)


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        (JobState.RUNNING, True),
        (JobState.CANCELLING, True),
        (JobState.CANCELLED, True),
        (JobState.SUCCEEDED, None),
        (JobState.FAILED, None),
        (JobState.EXPIRED, None),
    ],
)
def test_that_we_asked_for_a_cancel_is_kept_while_it_matters(
    state: JobState, asked: bool | None
) -> None:
    failure = a_failure() if state is JobState.FAILED else None
    job = an_observed_job(JOB, state=state, failure=failure)
    assert updated(RUNNING, job).cancel_asked is asked


def test_a_cancel_that_may_not_have_been_sent_is_no_cancel_of_ours() -> None:
    doubtful = replace(RUNNING, cancel_asked=False)
    assert updated(doubtful, an_observed_job(JOB)).cancel_asked is None
