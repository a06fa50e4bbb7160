from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tuneops.core.observed import Checkpoint, DeclaredFields, JobState, ModelVersion
from tuneops.errors import NotFound, ProviderError, Rejected, Unavailable
from tuneops.vertex import listing

PLACE = "projects/123456789012/locations/us-central1"
JOB = f"{PLACE}/tuningJobs/7"
MODEL = f"{PLACE}/models/55"
HTML = httpx.Response(200, html="<h1>Welcome to the airport</h1>")
Make = Callable[..., Any]


def paths(service: Any) -> list[str]:
    return [request.url.path for request in service.requests]


def tokens(service: Any) -> list[str | None]:
    return [request.url.params.get("pageToken") for request in service.requests]


# --- lists ---------------------------------------------------------------------------------------


def test_a_list_to_its_end(service: Any, ok: Make, job: Make) -> None:
    found = service.says(
        ok({"tuningJobs": [job(1), job(2)], "nextPageToken": "a"}),
        ok({"nextPageToken": "b"}),  # empty, and not the end
        ok({"tuningJobs": [], "nextPageToken": "c"}),
        ok({"tuningJobs": [job(3)]}, Date="Fri, 20 Nov 2026 10:00:00 GMT"),
    ).list_jobs()
    assert [item.name.rpartition("/")[2] for item in found.jobs] == ["1", "2", "3"]
    assert found.at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert tokens(service) == [None, "a", "b", "c"]
    assert set(paths(service)) == {"/v1/projects/acme/locations/us-central1/tuningJobs"}
    assert {request.url.params["pageSize"] for request in service.requests} == {"100"}


def test_an_empty_answer_is_a_complete_list(service: Any, ok: Make) -> None:
    assert service.says(ok({})).list_jobs().jobs == ()


def test_a_list_that_has_grown_is_still_one(service: Any, ok: Make, job: Make) -> None:
    grown = ok({"tuning_jobs": [job(1)], "totalSize": 1, "unreachable": []})
    assert [one.name for one in service.says(grown).list_jobs().jobs] == [job(1)["name"]]


def test_one_job_on_two_pages_is_one_job_at_its_newest(service: Any, ok: Make, job: Make) -> None:
    new = job(1, state="JOB_STATE_RUNNING", updateTime="2026-11-20T09:05:00Z")
    for pages in ((new, job(1)), (job(1), new), (job(1), job(1, state=new["state"]))):
        found = service.says(
            ok({"tuningJobs": [pages[0]], "nextPageToken": "a"}), ok({"tuningJobs": [pages[1]]})
        ).list_jobs()
        assert [item.state for item in found.jobs] == [JobState.RUNNING]


def test_jobs_of_other_places_are_left_out(service: Any, ok: Make, job: Make) -> None:
    other = {"name": "projects/123456789012/locations/europe-west4/tuningJobs/1"}
    assert service.says(ok({"tuningJobs": [job(2), job(1, **other)]})).list_jobs().jobs[1:] == ()


def test_a_token_that_expired_on_the_way_starts_the_pass_again(
    service: Any, ok: Make, no: Make, job: Make
) -> None:
    found = service.says(
        ok({"tuningJobs": [job(1)], "nextPageToken": "a"}),
        no(400, "INVALID_ARGUMENT", "page token expired"),
        ok({"tuningJobs": [job(2)], "nextPageToken": "b"}),
        ok({"tuningJobs": [job(3)]}),
    ).list_jobs()
    assert [item.name.rpartition("/")[2] for item in found.jobs] == ["2", "3"]
    assert tokens(service) == [None, "a", None, "b"]


def test_passes_are_not_made_for_ever(service: Any, ok: Make, no: Make) -> None:
    first, gone = ok({"nextPageToken": "a"}), no(400, "INVALID_ARGUMENT")
    with pytest.raises(Unavailable, match="did not end"):
        service.says(first, gone, first, gone, first, gone, ok({})).list_jobs()
    assert len(service.requests) == 6


def test_the_same_token_twice_is_no_list(service: Any, ok: Make, job: Make) -> None:
    with pytest.raises(Unavailable, match="same page token"):
        service.says(ok({"tuningJobs": [job(1)], "nextPageToken": "a"})).list_jobs()
    assert tokens(service) == [None, "a"] * 3


def test_tokens_without_end_are_no_list(
    service: Any, ok: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_LIMIT", 10)
    counter = iter(range(10**9))
    with pytest.raises(Unavailable, match="more than 10 pages"):
        service.says(lambda _: ok({"nextPageToken": str(next(counter))})).list_jobs()


def test_a_token_is_sent_as_it_came(service: Any, ok: Make) -> None:
    service.says(ok({"nextPageToken": "a+b/c=&d%20é"}), ok({})).list_jobs()
    assert tokens(service)[1] == "a+b/c=&d%20é"


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (HTML, Unavailable),
        (httpx.Response(200), Unavailable),
        (httpx.Response(200, content=b'{"tuningJobs": ['), Unavailable),
        (httpx.Response(200, content=b'{"tuningJobs": [], "tuningJobs": []}'), Unavailable),
        (httpx.Response(200, json=[]), Unavailable),
        (httpx.Response(200, json={"tuningJobs": {}}), Unavailable),
        (httpx.Response(200, json={"tuningJobs": [{}]}), Unavailable),
        (httpx.Response(200, json={"tuningJobs": [{"name": "x"}]}), Unavailable),
        (httpx.Response(200, json={"nextPageToken": 7}), Unavailable),
        (httpx.Response(200, json={"error": {"code": 503, "status": "UNAVAILABLE"}}), Unavailable),
        (httpx.Response(200, json={"tuningJobs": [], "error": {"code": 14}}), Unavailable),
        (httpx.Response(200, json={"login": "https://portal.example"}), Unavailable),
        (httpx.Response(200, json={"tuningJobs": [], "unreachable": ["l/1"]}), Unavailable),
        (httpx.Response(200, content=b" " * 20_000_001), Unavailable),
        (httpx.Response(204), Unavailable),
        (httpx.Response(302, headers={"Location": "https://evil.tld"}), Unavailable),
        (httpx.Response(404, html="no such page"), Unavailable),
        (httpx.Response(403, html="proxy says no"), Unavailable),
        (httpx.Response(404, json={"error": {"code": 404, "status": "NOT_FOUND"}}), NotFound),
        (httpx.Response(404, json=[{"error": {"code": 404}}]), NotFound),
    ],
)
@pytest.mark.parametrize("page", [0, 1])
def test_one_odd_page_throws_the_pass_away(
    answer: httpx.Response, fault: type[ProviderError], page: int, service: Any, ok: Make
) -> None:
    answer.headers["Date"] = "Fri, 20 Nov 2026 09:00:00 GMT"
    before = [ok({"nextPageToken": "a"})] * page
    with pytest.raises(fault) as caught:
        service.says(*before, answer).list_jobs()
    assert type(caught.value) is fault


def test_a_first_page_that_is_refused_is_not_asked_for_again(service: Any, no: Make) -> None:
    with pytest.raises(Rejected):
        service.says(no(400, "INVALID_ARGUMENT")).list_jobs()
    assert len(service.requests) == 1


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Nov 2026 09:00:00 GMT"])
def test_a_list_without_the_service_s_clock_is_unavailable(
    date: str, service: Any, ok: Make
) -> None:
    with pytest.raises(Unavailable, match="Date"):
        service.says(ok({}, Date=date)).list_jobs()


def test_a_missing_permission_is_named(service: Any, no: Make) -> None:
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "IAM_PERMISSION_DENIED",
        "metadata": {"permission": "aiplatform.tuningJobs.list"},
    }
    with pytest.raises(Rejected, match=r"denied \(missing permission: aiplatform.tuningJobs.list"):
        service.says(no(403, "PERMISSION_DENIED", "denied", details=[detail])).list_jobs()


# --- patience ------------------------------------------------------------------------------------

PASSING: list[httpx.Response | Exception] = [
    *(httpx.Response(status, text="x") for status in (408, 429, 500, 502, 503, 504, 599)),
    httpx.Response(503, json={"error": {"code": 503, "status": "UNAVAILABLE"}}),
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.ReadTimeout("slow"),
    httpx.WriteError("reset"),
    httpx.RemoteProtocolError("cut off"),
    httpx.DecodingError("not gzip"),
    httpx.ProxyError("407"),
    HTML,
]


@pytest.mark.parametrize("trouble", PASSING)
def test_what_passes_is_waited_for(
    trouble: httpx.Response | Exception, service: Any, ok: Make, job: Make
) -> None:
    found = service.says(*[trouble] * 5, ok(job(7))).get_job(JOB)
    assert found is not None
    assert len(service.requests) == 6
    assert service.time.pauses == [0.5, 1, 2, 4, 8]


@pytest.mark.parametrize("trouble", PASSING)
def test_patience_ends(trouble: httpx.Response | Exception, service: Any) -> None:
    with pytest.raises(Unavailable):
        service.says(trouble).get_job(JOB)
    assert len(service.requests) == 6


def test_the_service_may_say_how_long(service: Any, ok: Make, no: Make, job: Make) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3.5s"}
    service.says(
        httpx.Response(429, headers={"Retry-After": "12"}),
        no(429, "RESOURCE_EXHAUSTED", details=[info]),
        httpx.Response(
            503,
            headers={
                "Retry-After": "Fri, 20 Nov 2026 09:00:07 GMT",
                "Date": "Fri, 20 Nov 2026 09:00:00 GMT",
            },
        ),
        ok(job(7)),
    ).get_job(JOB)
    assert service.time.pauses == [12, 3.5, 7]


def test_no_wish_is_followed_past_the_limits(service: Any) -> None:
    with pytest.raises(Unavailable):
        service.says(httpx.Response(429, headers={"Retry-After": "86400"})).get_job(JOB)
    assert service.time.pauses == [60]  # another 60 would be past 90


def test_one_refresh_on_401(service: Any, ok: Make, no: Make, job: Make) -> None:
    refused = no(401, "UNAUTHENTICATED")
    assert service.says(refused, ok(job(7))).get_job(JOB) is not None
    assert service.time.pauses == []
    service.requests.clear()
    with pytest.raises(Rejected) as caught:
        service.says(refused).get_job(JOB)
    assert caught.value.status == 401
    assert len(service.requests) == 2


def test_an_answer_that_drips_in_is_cut_off(service: Any, time: Any, ok: Make) -> None:
    def drip(_: httpx.Request) -> httpx.Response:
        def chunks() -> Any:
            while True:
                time.pauses.append(1.0)
                yield b" "

        return httpx.Response(200, content=chunks())

    with pytest.raises(Unavailable, match="too long"):
        service.says(drip).get_job(JOB)
    assert sum(time.pauses) < 100


# --- one thing by name ---------------------------------------------------------------------------


def test_get(service: Any, ok: Make, job: Make) -> None:
    found = service.says(ok(job(7))).get_job(JOB)
    assert found is not None
    assert found.name == JOB
    assert paths(service) == [f"/v1/{JOB}"]


def test_absent_only_if_google_says_so(service: Any, no: Make) -> None:
    assert service.says(no(404, "NOT_FOUND")).get_job(JOB) is None
    for proxy in (
        httpx.Response(404, html="not here"),
        httpx.Response(404),
        httpx.Response(404, json={"error": {"code": 403}}),
        httpx.Response(404, json={"error": "not here"}),
    ):
        with pytest.raises(Unavailable):
            service.says(proxy).get_job(JOB)


@pytest.mark.parametrize(
    "name", ["", "7", JOB + ":cancel", f"{PLACE}/models/7", JOB.replace("us-central1", "us-east1")]
)
def test_no_request_for_what_is_no_job_here(name: str, service: Any) -> None:
    for method in (service.provider.get_job, service.provider.cancel_job):
        with pytest.raises(Rejected) as caught:
            method(name)
        assert (caught.value.status, caught.value.reason) == (0, "NOT_SENT")
    assert service.requests == []


@pytest.mark.parametrize("name", ["", MODEL.replace("us-central1", "us-east1")])
def test_no_request_for_what_is_no_model_here(name: str, service: Any) -> None:
    calls = (service.provider.list_versions, service.provider.list_checkpoints)
    for method, version in zip(calls, ("", "@2"), strict=True):
        with pytest.raises(Rejected):
            method(f"{name}{version}")
    assert service.requests == []


def test_cancel(service: Any, ok: Make, no: Make) -> None:
    service.says(httpx.ReadError("reset"), httpx.Response(503), ok({})).cancel_job(JOB)
    assert paths(service) == [f"/v1/{JOB}:cancel"] * 3
    assert {(request.method, request.content) for request in service.requests} == {("POST", b"{}")}
    service.says(no(400, "FAILED_PRECONDITION", "already ended")).cancel_job(JOB)


@pytest.mark.parametrize(
    ("status", "word", "fault"),
    [
        (400, "INVALID_ARGUMENT", Rejected),
        (403, "PERMISSION_DENIED", Rejected),
        (404, "NOT_FOUND", NotFound),
        (500, "INTERNAL", Unavailable),
    ],
)
def test_cancel_refused(
    status: int, word: str, fault: type[ProviderError], service: Any, no: Make
) -> None:
    with pytest.raises(fault):
        service.says(no(status, word)).cancel_job(JOB)


def test_versions(service: Any, ok: Make, no: Make) -> None:
    two = {"name": f"{MODEL}@2", "versionId": "2", "defaultCheckpointId": "3"}
    one = {
        "name": MODEL,
        "versionId": "1",
        "displayName": "support-bot",
        "versionAliases": ["default"],
    }
    found = service.says(
        ok({"models": [two], "nextPageToken": "a"}), ok({"models": [one]})
    ).list_versions(MODEL)
    assert found == {
        "2": ModelVersion(name=f"{MODEL}@2", default_checkpoint="3"),
        "1": ModelVersion(name=f"{MODEL}@1", display_name="support-bot", aliases=("default",)),
    }
    assert paths(service) == [f"/v1/{MODEL}:listVersions"] * 2
    assert service.says(no(404, "NOT_FOUND")).list_versions(MODEL) is None
    with pytest.raises(Unavailable):
        service.says(httpx.Response(404, html="x")).list_versions(MODEL)
    with pytest.raises(Unavailable, match="told apart"):
        service.says(ok({"models": [{"name": MODEL}]})).list_versions(MODEL)
    with pytest.raises(Rejected):
        service.provider.list_versions(f"{MODEL}@2")


def test_only_tuned_models_are_found_each_version_with_what_it_shows(
    service: Any, ok: Make
) -> None:
    tuned = {
        "name": f"{MODEL}@1",
        "versionId": "1",
        "labels": {"tune-type": "sft", "tuneops-owner": "other--prod"},
        "baseModelSource": {"genieSource": {"baseModelUri": "publishers/google/models/gemini-9"}},
        "encryptionSpec": {"kmsKeyName": "k"},
        "checkpoints": [{"checkpointId": "a", "epoch": "2", "step": "7"}],
        "deployedModels": [{"endpoint": "e", "checkpointId": "a"}],
    }
    plain = {
        "name": "projects/123/locations/us-central1/models/77@1",
        "modelSourceInfo": {"sourceType": "CUSTOM"},
    }
    found = service.says(
        ok({"models": [plain], "nextPageToken": "a"}),
        ok({"models": [tuned, tuned]}),
        ok({"models": [tuned]}),
    ).list_tuned()
    assert paths(service)[0].endswith("/models") and len(paths(service)) == 3
    shown = DeclaredFields(
        method="supervised", base_model="gemini-9", encryption_key="k", epoch_count=2
    )
    assert [(one.name, one.owner, one.shown) for one in found] == [
        (f"{MODEL}@1", "other--prod", shown)
    ]
    assert found[0].checkpoints == {"a": Checkpoint(epoch=2, step=7, endpoint="e")}


def test_checkpoints(service: Any, ok: Make, no: Make) -> None:
    found = service.says(
        ok({"checkpoints": [{"checkpointId": "1", "epoch": "1", "step": "32"}]})
    ).list_checkpoints(f"{MODEL}@2")
    assert found == {"1": Checkpoint(epoch=1, step=32)}
    assert service.requests[0].url.raw_path.startswith(f"/v1/{MODEL}@2:listCheckpoints".encode())
    assert service.says(no(404, "NOT_FOUND")).list_checkpoints(f"{MODEL}@2") == {}
    with pytest.raises(Rejected):
        service.provider.list_checkpoints(MODEL)
