import json
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tuneops.errors import NoCredentials, Rejected, Unanswered, Unavailable
from tuneops.vertex import single_post
from tuneops.vertex.translate import to_body

NAME = "projects/123456789012/locations/us-central1/tuningJobs/7"
BAD_FIELD = "tuning_job.supervised_tuning_spec.training_dataset_uri"
Make = Callable[..., Any]


def test_one_post_of_the_exact_body(service: Any, ok: Make, job: Make, ask: Make) -> None:
    made = service.says(ok(job(7))).create_job(ask())
    assert made.name == NAME
    (request,) = service.requests
    assert (request.method, request.url.path) == (
        "POST",
        "/v1/projects/acme/locations/us-central1/tuningJobs",
    )
    assert json.loads(request.content) == to_body(ask())
    assert request.headers["Connection"] == "close"
    assert request.headers["Content-Type"] == "application/json"
    assert "Expect" not in request.headers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 429])
def test_a_definite_no(status: int, service: Any, no: Make, ask: Make) -> None:
    with pytest.raises(Rejected, match="quite wrong") as caught:
        service.says(no(status, "INVALID_ARGUMENT", "quite wrong")).create_job(ask())
    assert (caught.value.status, caught.value.reason) == (status, "INVALID_ARGUMENT")
    assert len(service.requests) == 1


def test_violations_are_noted(service: Any, no: Make, ask: Make) -> None:
    detail = {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": BAD_FIELD, "description": "should be of type JSONL."}],
    }
    with pytest.raises(Rejected) as caught:
        service.says(no(400, "INVALID_ARGUMENT", "m" * 900, details=[detail, 1])).create_job(ask())
    assert caught.value.notes == (
        "the service answered 400 INVALID_ARGUMENT",
        f"{BAD_FIELD}: should be of type JSONL.",
    )
    assert len(caught.value.message) == 500


def google(http: int, **error: Any) -> httpx.Response:
    return httpx.Response(http, json={"error": {"code": http, "status": "UNKNOWN"} | error})


NO_ANSWERS: dict[str, httpx.Response | Exception] = {
    **{f"google {status}": google(status) for status in (408, 409, 425, 499, 500, 501, 503, 504)},
    **{f"google {status}": google(status) for status in (402, 406, 410, 412, 418, 422, 451)},
    **{f"html {status}": httpx.Response(status, html="no") for status in (400, 403, 404, 429, 503)},
    **{f"empty {status}": httpx.Response(status) for status in (200, 201, 202, 204, 400, 404)},
    **{
        f"redirect {status}": httpx.Response(
            status, headers={"Location": "https://us-central1-aiplatform.googleapis.com/other"}
        )
        for status in (301, 302, 303, 307, 308)
    },
    "another code": google(400, code=404),
    "code as text": google(400, code="400"),
    "an unknown word": google(400, status="NO_WAY"),
    "no word": httpx.Response(400, json={"error": {"code": 400}}),
    "no object": httpx.Response(400, json={"error": "no"}),
    "html 200": httpx.Response(200, html="<h1>Welcome</h1>"),
    "truncated": httpx.Response(200, content=b'{"name": "' + NAME.encode()),
    "list": httpx.Response(200, json=[{"name": NAME}]),
    "no name": httpx.Response(200, json={}),
    "name is a number": httpx.Response(200, json={"name": 7}),
    "other location": httpx.Response(200, json={"name": NAME.replace("central1", "east1")}),
    "other project": httpx.Response(200, json={"name": NAME.replace("123456789012", "other")}),
    "other kind": httpx.Response(200, json={"name": NAME.replace("tuningJobs", "models")}),
    "id is no number": httpx.Response(200, json={"name": NAME + "x"}),
    "name twice": httpx.Response(200, content=b'{"name": "x", "name": "' + NAME.encode() + b'"}'),
    "odd elsewhere": httpx.Response(200, json={"name": NAME, "createTime": "soon"}),
    "too large": httpx.Response(200, content=b" " * 20_000_001),
    "201": httpx.Response(201, json={"name": NAME}),
    "read error": httpx.ReadError("reset"),
    "read timeout": httpx.ReadTimeout("slow"),
    "write error": httpx.WriteError("reset"),
    "write timeout": httpx.WriteTimeout("slow"),
    "close error": httpx.CloseError("reset"),
    "protocol": httpx.RemoteProtocolError("server disconnected"),
    "local protocol": httpx.LocalProtocolError("odd"),
    "decoding": httpx.DecodingError("not gzip"),
    "redirects": httpx.TooManyRedirects("loop"),
    "a bug below": RuntimeError("what"),
    "an error of the system": OSError("what"),
}


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_whatever_else_is_no_answer(case: str, service: Any, ask: Make) -> None:
    with pytest.raises(Unanswered):
        service.says(NO_ANSWERS[case]).create_job(ask())
    assert len(service.requests) == 1
    assert service.time.pauses == []


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("[Errno -2] Name or service not known"),
        httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("full"),
        httpx.ProxyError("403 Forbidden"),
        httpx.UnsupportedProtocol("gopher"),
    ],
)
def test_nothing_was_sent(error: Exception, service: Any, ask: Make) -> None:
    with pytest.raises(Rejected) as caught:
        service.says(error).create_job(ask())
    assert (caught.value.status, caught.value.reason) == (0, "NOT_SENT")
    assert len(service.requests) == 1


def test_an_answer_that_drips_in(service: Any, time: Any, ask: Make) -> None:
    def drip(_: httpx.Request) -> httpx.Response:
        def chunks() -> Iterator[bytes]:
            for _ in range(1000):
                time.pauses.append(1.0)
                yield b" "

        return httpx.Response(200, content=chunks())

    with pytest.raises(Unanswered):
        service.says(drip).create_job(ask())
    assert sum(time.pauses) <= 62


class _Login(httpx.Auth):
    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    def auth_flow(self, request: httpx.Request) -> Any:
        raise self.fault
        yield request


@pytest.mark.parametrize(
    ("fault", "seen"), [(Unavailable("x"), Rejected), (NoCredentials("x"), NoCredentials)]
)
def test_a_login_that_fails_sends_nothing(
    fault: Exception, seen: type[Exception], service: Any, ask: Make
) -> None:
    def open() -> httpx.Client:
        client = service.open()
        client.auth = _Login(fault)
        return client

    service.provider._fresh = open
    with pytest.raises(seen):
        service.provider.create_job(ask())
    assert service.requests == []


def test_a_client_that_cannot_be_opened_sends_nothing(service: Any, ask: Make) -> None:
    def broken() -> httpx.Client:
        raise FileNotFoundError("/no/such/certificates.pem")

    service.provider._fresh = broken
    with pytest.raises(Rejected) as caught:
        service.provider.create_job(ask())
    assert caught.value.reason == "NOT_SENT"


def _starting(late: bool, then: Exception) -> Callable[[httpx.Request], httpx.Response]:
    """A transport that tells the trace when the first byte leaves, as httpcore does."""

    def send(request: httpx.Request) -> httpx.Response:
        if late:
            threading.Event().wait(0.2)
        head = SimpleNamespace(method=b"POST")
        request.extensions["trace"]("http11.send_request_headers.started", {"request": head})
        raise then

    return send


def test_what_is_late_is_not_sent(service: Any, ask: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_post, "CALL_LIMIT", 0.05)
    with pytest.raises(Rejected) as caught:
        service.says(_starting(True, AssertionError("sent"))).create_job(ask())
    assert caught.value.reason == "NOT_SENT"


def test_after_the_first_byte_no_error_means_not_sent(service: Any, ask: Make) -> None:
    for error in (httpx.ConnectError("x"), httpx.ProxyError("x"), Unavailable("x")):
        with pytest.raises(Unanswered):
            service.says(_starting(False, error)).create_job(ask())


def test_an_error_within_the_answer_never_means_not_sent(service: Any, ask: Make) -> None:
    def breaking(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
        def chunks() -> Iterator[bytes]:
            yield b" "
            raise error

        return lambda _: httpx.Response(200, content=chunks())

    for error in (httpx.ConnectError("x"), Unavailable("x"), NoCredentials("x")):
        with pytest.raises(Unanswered):
            service.says(breaking(error)).create_job(ask())


def test_a_body_that_is_no_json_is_not_sent(service: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        single_post.post_once(service.open, "/x", {"epochs": float("nan")}, service.time.waiting)
    assert service.requests == []


def test_a_watch_leaves_nobody_behind_who_could_shut_the_next_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expiring, ended = threading.Event(), threading.Event()

    def expire(_: object) -> None:
        expiring.set()
        ended.wait(5)

    monkeypatch.setattr(single_post._Watch, "_expire", expire)
    with single_post._Watch(0) as watch:
        assert expiring.wait(5)
        threading.Timer(0.05, ended.set).start()
    assert ended.is_set() and watch._timer.daemon
