"""What is read out of one answer, field by field: nothing that a service says breaks the reader."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tuneops.errors import NotFound, Rejected, Unavailable
from tuneops.http.answers import (
    Answer,
    Refusal,
    asked_delay,
    cap,
    oddity,
    read_refusal,
    refused,
    rejected,
)

DATE = "Fri, 20 Nov 2026 09:00:00 GMT"


def answer(status: int = 400, document: Any = None, beginning: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(host="h", status=status, headers=named, document=document, beginning=beginning)


def error(code: Any = 400, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "status": "WORD", "message": "no", **more}}


def read(**more: Any) -> Refusal:
    refusal = read_refusal(answer(400, error(**more)))
    assert refusal is not None
    return refusal


def detail(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


def test_a_text_is_cut_at_five_hundred_characters_after_its_secrets() -> None:
    assert cap("a" * 500) == "a" * 500
    assert cap("a" * 501) == "a" * 499 + "…"
    assert cap("ya29." + "x" * 900 + " " + "y" * 600) == "<hidden> " + "y" * 94


@pytest.mark.parametrize(
    "document",
    [None, "no", 7, [], [1], [error(), error()], {}, {"error": "no"}, {"error": [400]}],
)
def test_what_is_no_error_of_googles_is_no_refusal(document: Any) -> None:
    assert read_refusal(answer(400, document)) is None


@pytest.mark.parametrize("code", ["400", 404, None])
def test_a_code_that_is_not_the_status_is_no_refusal(code: Any) -> None:
    assert read_refusal(answer(400, error(code))) is None


def test_an_error_is_read_alone_in_a_list_too() -> None:
    plain = Refusal(status=400, reason="WORD", message="no")
    assert read_refusal(answer(400, error())) == read_refusal(answer(400, [error()])) == plain


def test_a_message_that_is_none_says_so() -> None:
    assert {read(message=text).message for text in ("", None, 7)} == {"no reason given"}


def test_the_reason_is_the_word_or_the_first_that_storage_names() -> None:
    odd = [1, {"reason": 7}, {}, {"reason": "first"}, {"reason": "second"}]
    assert read(status=None, errors=odd).reason == "first"
    assert read(errors=odd).reason == "WORD"
    assert {read(status=7, errors=errors).reason for errors in (None, "no", [], odd[:3])} == {""}


def test_violations_say_what_they_know_and_are_at_most_twenty() -> None:
    known: list[Any] = [
        {"field": "f", "description": "d"},
        {"field": "f"},
        {"description": "d", "field": 7},
        "odd",
    ]
    told = read(details=[1, detail("BadRequest", fieldViolations=known), detail("Help")])
    assert told.violations == ("f: d", "f", "d")
    many = detail("BadRequest", fieldViolations=[{"field": f"{n}"} for n in range(25)])
    assert read(details=[many]).violations == tuple(f"{n}" for n in range(20))
    other = {"@type": "google.rpc.BadRequest", "fieldViolations": known}
    assert read(details=[other]).violations == ()


def test_a_missing_permission_is_told_once() -> None:
    def missing(*metadata: Any) -> Refusal:
        return read(details=[detail("ErrorInfo", metadata=item) for item in metadata])

    assert missing("a.b.c", {}, {"permission": 7}).permission == ""
    refusal = missing({"permission": 7}, {"permission": "a.b.c"}, {"permission": "later"})
    assert rejected(refusal).message == "no (missing permission: a.b.c)"
    assert rejected(read()).message == "no"
    said = Refusal(status=403, reason="", message="needs a.b.c here", permission="a.b.c")
    assert rejected(said).message == "needs a.b.c here"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 499])
def test_a_refusal_of_a_read_is_a_definite_no(status: int) -> None:
    fault = refused(answer(status, error(status)))
    assert type(fault) is (NotFound if status == 404 else Rejected)


@pytest.mark.parametrize("status", [200, 399, 500, 503])
def test_other_words_of_googles_are_no_answer(status: int) -> None:
    fault = refused(answer(status, error(status)))
    assert isinstance(fault, Unavailable) and fault.message == f"h: {status} WORD: no"
    assert isinstance(refused(answer(400)), Unavailable)


PORTAL = {"content_type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (answer(300, location="x"), "answered 300, pointing to x; redirects are never followed"),
        (answer(399), "answered 399, pointing to somewhere else; redirects are never followed"),
        (answer(299, {}), "answered 299 with nothing of an unexpected shape"),
        (answer(400), "answered 400 with unreadable nothing; a proxy may be in the way"),
        (
            answer(502, None, "<h1>", **PORTAL),
            "answered 502 with unreadable text/html; a proxy may be in the way: <h1>",
        ),
        (answer(400, [], **PORTAL), "answered 400 with text/html of an unexpected shape"),
    ],
)
def test_what_is_odd_is_said_in_words(given: Answer, words: str) -> None:
    assert oddity(given) == words


LATER = "Fri, 20 Nov 2026 09:00:07 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": " 5 "}, 5.0),
        ({"retry_after": "1234567890"}, 123456789.0),
        ({"retry_after": LATER, "date": DATE}, 7.0),
        ({"retry_after": DATE, "date": LATER}, 0.0),
        ({"retry_after": LATER}, None),
        ({"retry_after": "soon", "date": DATE}, None),
        ({"retry_after": "٣"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_a_header_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_delay(answer(503, **headers)) == seconds


@pytest.mark.parametrize(
    ("delay", "seconds"), [("1.5s", 1.5), ("7s", 7.0), ("soon", None), ("-1s", None), (7, None)]
)
def test_the_wait_that_a_detail_asks_for(delay: Any, seconds: float | None) -> None:
    details = [detail("RetryInfo", retryDelay="odd"), detail("RetryInfo", retryDelay=delay)]
    assert asked_delay(answer(400, error(details=details))) == seconds


def test_the_clock_of_the_service_is_told_in_utc() -> None:
    nine = datetime(2026, 11, 20, 9, tzinfo=UTC)
    for text in (DATE, "Fri, 20 Nov 2026 11:00:00 +0200", "Fri, 20 Nov 2026 09:00:00 -0000"):
        assert answer(date=text).date == nine
    assert answer(date="noon").date is None and answer().date is None
