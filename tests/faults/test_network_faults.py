"""Rows 1 to 38 of the fault matrix: what the network and the service may answer to each call.

Every row is a run of the command line that meets the fault; its exit code, its words, what was
sent, and that later runs end with one job.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.story import Story

CREATE, LIST = "tuningJobs.create", "tuningJobs.list"
JOBS = "/tuningJobs"


def is_create(request: httpx.Request) -> bool:
    return request.method == "POST" and request.url.path.endswith(JOBS)


def is_list(request: httpx.Request) -> bool:
    return request.method == "GET" and request.url.path.endswith(JOBS)


@dataclass(frozen=True)
class Row:
    """What one run does that meets the trouble."""

    number: int
    code: int
    words: str
    """What it says."""
    faults: str = ""
    meddle: Callable[[httpx.Request], httpx.Response | None] | None = None
    posts: int = 0
    """How many creates the service saw in that run."""
    made: int = 0
    """How many jobs there are after it."""


def raising(who: Callable[[httpx.Request], bool], error: Exception) -> Any:
    def meddle(request: httpx.Request) -> None:
        if who(request):
            raise error

    return meddle


def answering(who: Callable[[httpx.Request], bool], make: Callable[[], httpx.Response]) -> Any:
    return lambda request: make() if who(request) else None


def google(status: int, reason: str, message: str = "no", **more: Any) -> Any:
    error = {"code": status, "status": reason, "message": message, **more}
    return lambda: httpx.Response(status, json={"error": error})


def anybody(_: httpx.Request) -> bool:
    return True


NO_NAME = httpx.ConnectError("[Errno -2] Name or service not known")
NO_TRUST = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
MISSING = {
    "details": [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "IAM_PERMISSION_DENIED",
            "metadata": {"permission": "aiplatform.tuningJobs.create"},
        }
    ]
}
FIELD = {
    "details": [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "hyper_parameters", "description": "too many epochs"}],
        }
    ]
}
TWICE = b'{"tuningJobs": [], "tuningJobs": []}'
DEEP = b"[" * 100_000
HUGE = b" " * 20_000_001
BY_MARK = "answer lost, found the job by its mark"

ROWS = [
    Row(1, 1, "Name or service not known", meddle=raising(is_list, NO_NAME)),
    Row(2, 1, "nothing was sent", meddle=raising(is_create, NO_NAME)),
    Row(3, 1, "CERTIFICATE_VERIFY_FAILED", meddle=raising(is_create, NO_TRUST)),
    Row(3, 1, "CERTIFICATE_VERIFY_FAILED", meddle=raising(is_list, NO_TRUST)),
    Row(4, 7, "unanswered", faults=f"{CREATE}:reset-before", posts=1),
    Row(5, 0, BY_MARK, faults=f"{CREATE}:accept-then-drop", posts=1, made=1),
    Row(6, 7, "ReadTimeout", meddle=raising(is_create, httpx.ReadTimeout("60 s"))),
    Row(
        10,
        7,
        "larger than 20 MB",
        meddle=answering(is_create, lambda: httpx.Response(200, content=HUGE)),
    ),
    Row(
        10,
        1,
        "larger than 20 MB",
        meddle=answering(is_list, lambda: httpx.Response(200, content=HUGE)),
    ),
    Row(11, 0, BY_MARK, faults=f"{CREATE}:truncated", posts=1, made=1),
    Row(11, 0, "submitted", faults=f"{LIST}:truncated*2", posts=1, made=1),
    Row(12, 7, "a proxy may be in the way", faults=f"{CREATE}:html", posts=1),
    Row(12, 1, "a proxy may be in the way", faults=f"{LIST}:html*6"),
    Row(14, 1, "unreadable", meddle=answering(is_list, lambda: httpx.Response(200, content=TWICE))),
    Row(14, 1, "unreadable", meddle=answering(is_list, lambda: httpx.Response(200, content=DEEP))),
    Row(
        14, 7, "unreadable", meddle=answering(is_create, lambda: httpx.Response(200, content=TWICE))
    ),
    Row(15, 7, "redirects are never followed", faults=f"{CREATE}:redirect=307", posts=1),
    Row(15, 1, "redirects are never followed", faults=f"{LIST}:redirect=308"),
    Row(
        16,
        1,
        "400 INVALID_ARGUMENT",
        meddle=answering(is_create, google(400, "INVALID_ARGUMENT", **FIELD)),
    ),
    Row(17, 1, "no", meddle=answering(is_create, google(400, "FAILED_PRECONDITION"))),
    Row(18, 1, "401 UNAUTHENTICATED", meddle=answering(anybody, google(401, "UNAUTHENTICATED"))),
    Row(18, 0, "submitted", faults=f"{LIST}:401", posts=1, made=1),
    Row(19, 0, "submitted", faults=f"{LIST}:pass,{LIST}:401", posts=1, made=1),
    Row(20, 1, "refused", faults=f"{CREATE}:401", posts=1),
    Row(
        21,
        1,
        "aiplatform.tuningJobs.create",
        meddle=answering(is_create, google(403, "PERMISSION_DENIED", **MISSING)),
    ),
    Row(
        23,
        1,
        "has not been used in project",
        meddle=answering(
            is_list,
            google(403, "PERMISSION_DENIED", "Vertex AI API has not been used in project 1"),
        ),
    ),
    Row(24, 1, "404 NOT_FOUND", meddle=answering(is_list, google(404, "NOT_FOUND"))),
    Row(
        25, 1, "is retired", meddle=answering(is_create, google(404, "NOT_FOUND", "it is retired"))
    ),
    Row(28, 7, "409 ABORTED", meddle=answering(is_create, google(409, "ABORTED"))),
    Row(31, 0, "submitted", faults=f"{LIST}:429=12s", posts=1, made=1),
    Row(31, 1, "429 RESOURCE_EXHAUSTED", faults=f"{LIST}:429=12s*9"),
    Row(32, 0, "submitted", faults=f"{LIST}:429*3", posts=1, made=1),
    Row(33, 6, "refused", faults=f"{CREATE}:429", posts=1),
    *[Row(34, 7, f"{status} ", faults=f"{CREATE}:{status}", posts=1) for status in (500, 502, 504)],
    *[
        Row(34, 0, BY_MARK, faults=f"{CREATE}:accept-then-{status}", posts=1, made=1)
        for status in (500, 504)
    ],
    Row(35, 7, "503 UNAVAILABLE", faults=f"{CREATE}:503", posts=1),
    Row(35, 0, BY_MARK, faults=f"{CREATE}:accept-then-503", posts=1, made=1),
    Row(36, 0, "submitted", faults=f"{LIST}:503*5", posts=1, made=1),
    Row(36, 1, "503 UNAVAILABLE", faults=f"{LIST}:503*6"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number}-{row.faults or row.words}")
def test_a_run_meets_the_fault_and_later_ones_end_with_one_job(row: Row, story: Story) -> None:
    if row.faults:
        story.faults(row.faults)
    if row.meddle:
        story.desk.meddler = row.meddle
    done = story.apply()
    assert done.code == row.code, done
    assert row.words in done.said, done
    assert (story.posts, len(story.service.jobs)) == (row.posts, row.made)
    if row.code == 1 and is_definite(row):
        assert "unanswered" not in done.said, "a definite no leaves nothing open"
    story.desk.meddler = lambda _: None
    story.service.emulator.forget_faults()
    story.ends_well()


def is_definite(row: Row) -> bool:
    return row.number in (2, 3, 16, 17, 20, 21, 25)


@pytest.mark.parametrize("number", [2, 16, 20])
def test_what_was_refused_is_sent_again_by_the_next_run_at_once(number: int, story: Story) -> None:
    """Its claim is void: no settle time passes before the next try."""
    row = next(row for row in ROWS if row.number == number)
    if row.faults:
        story.faults(row.faults)
    story.desk.meddler = row.meddle or story.desk.meddler
    assert story.apply().code == row.code
    story.desk.meddler = lambda _: None
    assert "submitted" in story.apply().said
    story.ends_well()


def test_33_a_quota_that_was_full_is_asked_again_only_after_a_pause(story: Story) -> None:
    story.faults(f"{CREATE}:429")
    assert story.apply().code == 6
    done = story.apply()
    assert (done.code, story.posts) == (6, 1), done
    assert "the quota was full" in done.said
    story.later(timedelta(seconds=61))
    assert "submitted" in story.apply().said
    story.ends_well()


def test_7_a_request_that_lands_late_is_found_by_the_next_run(story: Story) -> None:
    land = late(story)
    assert story.apply().code == 7
    story.later(timedelta(seconds=100))
    held = story.apply()
    assert held.code == 7 and story.posts == 0
    land()
    assert story.apply().code == 0
    assert story.posts == 1
    story.ends_well()


def test_8_a_request_that_lands_after_the_settle_time_is_cancelled_and_the_older_job_kept(
    story: Story,
) -> None:
    land = late(story)
    assert story.apply().code == 7
    story.later()
    assert "submitted" in story.apply().said
    story.later(timedelta(seconds=60))
    land()
    assert len(story.service.jobs) == 2
    done = story.apply()
    assert "cancelling" in done.said, done
    older, younger = sorted(story.service.jobs, key=lambda job: job["createTime"])
    assert story.service.cancels == [younger["name"]]
    story.later(timedelta(hours=6))
    done = story.apply()
    assert done.code == 0 and "1 done" in done.out, done
    assert older["name"] in story.lock.read_text()
    story.is_settled(0)


def late(story: Story) -> Callable[[], None]:
    """The next create is on its way for a long time: gives what lets it arrive."""
    held: list[httpx.Request] = []

    def meddle(request: httpx.Request) -> None:
        if is_create(request) and not held:
            held.append(request)
            raise httpx.ReadTimeout("60 s")

    def land() -> None:
        (request,) = held
        document = json.loads(request.content)
        mark = document["labels"]["tuneops-attempt"].rpartition("-")[2]
        story.service.posts[mark] += 1
        story.service.by_hand(request.url.path, document)

    story.desk.meddler = meddle
    return land


def test_13_a_right_answer_of_the_wrong_content_type_is_an_answer(story: Story) -> None:
    with story.service.client() as client:

        def meddle(request: httpx.Request) -> httpx.Response | None:
            if not is_create(request):
                return None
            answer = client.post(request.url.path, content=request.content)
            return httpx.Response(
                200, content=answer.content, headers={"Content-Type": "text/plain"}
            )

        story.desk.meddler = meddle
        assert "submitted" in story.apply().said
    story.desk.meddler = lambda _: None
    story.ends_well()


def test_37_a_cancel_that_is_not_answered_is_asked_for_again(story: Story) -> None:
    edited(story)
    story.faults("tuningJobs.cancel:503*2")
    done = story.apply()
    assert "cancelling" in done.said, done
    assert len(story.service.cancels) == 3
    story.ends_well(jobs=2)


def test_38_a_job_that_is_cancelled_and_runs_on_is_waited_for(story: Story) -> None:
    story.faults("job:stuck@cancelling")
    edited(story)
    assert "cancelling" in story.apply().said
    story.later(timedelta(days=1))
    done = story.apply("--wait", "--timeout", "2h")
    assert done.code == 8, done
    assert len(story.service.cancels) == 1, "it was asked for once"
    assert story.posts == 1, "and its replacement waits for its end"


def edited(story: Story) -> None:
    """A running job that an edit has made obsolete."""
    story.apply()
    spec = story.project / "specs/bot.yaml"
    spec.write_text(spec.read_text().replace("epochCount: 1", "epochCount: 2"))
    story.later(timedelta(minutes=2))


def test_29_a_claim_that_another_run_has_just_written_is_left_to_it(story: Story) -> None:
    def meddle(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST" and "acme-claims" in request.url.path:
            return httpx.Response(412, json={"error": {"code": 412, "message": "conditionNotMet"}})
        return None

    story.desk.meddler = meddle
    done = story.apply()
    assert done.code in (1, 6) and story.posts == 0, done
    story.desk.meddler = lambda _: None
    story.ends_well()
