"""Faults on the wire: each happens as asked, to the call that it is for, and is counted."""

import json
import sqlite3
import threading

import httpx
import pytest

from tests.unit.emulator.bench import PARENT, Bench
from tuneops.emulator import routing
from tuneops.emulator.application import ConnectionDropped, Emulator, FaultError
from tuneops.emulator.faults import LISTS, METHODS, FaultScript
from tuneops.emulator.server import EmulatorServer

JOBS = f"{PARENT}/tuningJobs"


def test_the_grammar_knows_the_methods_that_are_served():
    assert routing.METHODS == METHODS
    assert LISTS <= METHODS


def test_a_script_is_read():
    script = FaultScript.parse("""
        tuningJobs.create:503*3  # three times
        tuningJobs.create:429=30s, job:fail=13@post-processing; job:partial × 2
    """)  # noqa: RUF001
    assert [(fault.text, fault.count) for fault in script.faults] == [
        ("tuningJobs.create:503", 3),
        ("tuningJobs.create:429=30s", 1),
        ("job:fail=13@post-processing", 1),
        ("job:partial", 2),
    ]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("tuningJob.create:503", "did you mean `tuningJobs.create`?"),
        ("tuningJobs.create:accept-than-drop", "did you mean `accept-then-drop`?"),
        ("job:stuk@running", "did you mean `stuck`?"),
        ("job:stuck@canceling", "did you mean `cancelling`?"),
        ("job:stuck", "say where"),
        ("job:fail=99@pending", "from 1 to 16"),
        ("job:fail@pending", "from 1 to 16"),
        ("job:503", "has no fault `503`"),
        ("job:unknown-state=hibernating", "a state such as"),
        ("tuningJobs.create:lag=3s", "has no fault `lag`"),
        ("tuningJobs.get:page-token-expired", "has no fault"),
        ("tuningJobs.list:lag=soon", "a length of time"),
        ("tuningJobs.list:slow", "a length of time"),
        ("tuningJobs.list:html=900", "an HTTP status"),
        ("tuningJobs.list:redirect=200", "301"),
        ("tuningJobs.list:truncated=5", "takes no value"),
        ("tuningJobs.list:truncated@pending", "cannot happen at"),
        ("tuningJobs.list:503*0", "at least once"),
        ("tuningJobs.list", "is not METHOD:ACTION"),
    ],
)
def test_a_mistyped_script_is_refused(bench: Bench, script, told):
    with pytest.raises(FaultError) as caught:
        bench.emulator.faults(f"tuningJobs.get:503\n{script}")
    assert told in str(caught.value)
    assert bench.emulator.unmet() == []


def test_a_fault_is_met_as_often_as_asked_and_in_order(bench: Bench):
    bench.emulator.faults("tuningJobs.list:503*2, tuningJobs.list:pass, tuningJobs.list:401")
    assert bench.emulator.unmet() == [
        "tuningJobs.list:503*2",
        "tuningJobs.list:pass",
        "tuningJobs.list:401",
    ]
    answers = [bench.ask("GET", JOBS).status_code for _ in range(5)]
    assert answers == [503, 503, 200, 401, 200]
    assert bench.emulator.unmet() == []


def test_what_is_never_met_is_told(bench: Bench):
    bench.emulator.faults("models.get:500*3; job:partial")
    assert bench.ask("GET", f"{PARENT}/models/1").status_code == 500
    assert bench.emulator.unmet() == ["models.get:500*2", "job:partial"]
    bench.emulator.forget_faults()
    assert bench.emulator.unmet() == []


def test_faults_outlive_the_process_and_are_shared(bench: Bench):
    bench.emulator.faults("tuningJobs.list:503*2")
    other = Bench(bench.path, bench.wall, settings=bench.emulator._settings)
    assert other.ask("GET", JOBS).status_code == 503
    assert bench.ask("GET", JOBS).status_code == 503
    assert other.ask("GET", JOBS).status_code == 200
    assert other.emulator.unmet() == []
    other.close()


def test_faults_are_met_exactly_as_often_by_many_threads(bench: Bench):
    bench.emulator.faults("tuningJobs.list:503*20")
    seen: list[int] = []

    def ask():
        for _ in range(10):
            seen.append(bench.ask("GET", JOBS).status_code)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.count(503) == 20


def test_settings_may_bring_faults(make_bench):
    bench = make_bench(faults="tuningJobs.list:404")
    assert bench.ask("GET", JOBS).json()["error"]["status"] == "NOT_FOUND"
    with pytest.raises(FaultError):
        make_bench("two.db", faults="nonsense")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (409, "ABORTED"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (502, "UNKNOWN"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
def test_a_status_keeps_the_request_from_being_carried_out(bench: Bench, code, status):
    bench.emulator.faults(f"tuningJobs.create:{code}, storage.objects.get:{code}")
    answer = bench.ask("POST", JOBS, bench.request())
    assert (answer.status_code, answer.json()["error"]["status"]) == (code, status)
    assert bench.emulator.jobs() == []
    stored = bench.client.get("/storage/v1/b/acme-tuning/o/train.jsonl").json()["error"]
    assert (stored["code"], len(stored["errors"])) == (code, 1)


def test_a_throttle_may_say_when_to_come_back(bench: Bench):
    bench.emulator.faults("tuningJobs.get:429=1500ms")
    answer = bench.ask("GET", f"{JOBS}/1")
    assert answer.headers["Retry-After"] == "2"


def test_an_accepted_create_whose_answer_is_lost(bench: Bench):
    bench.emulator.faults("tuningJobs.create:accept-then-drop, tuningJobs.create:accept-then-503")
    refused = bench.ask("POST", JOBS, {"baseModel": "gpt-2"})
    assert refused.status_code == 400
    assert len(bench.emulator.unmet()) == 2
    with pytest.raises(ConnectionDropped) as caught:
        bench.ask("POST", JOBS, bench.request())
    assert isinstance(caught.value, ConnectionResetError)
    assert len(bench.emulator.jobs()) == 1
    assert bench.ask("POST", JOBS, bench.request()).status_code == 503
    assert len(bench.emulator.jobs()) == 2
    assert bench.emulator.unmet() == []


def test_a_reset_before_the_request_is_looked_at(bench: Bench):
    bench.emulator.faults("tuningJobs.create:reset-before")
    with pytest.raises(ConnectionDropped):
        bench.ask("POST", JOBS, bench.request())
    assert bench.emulator.jobs() == []


def test_an_answer_that_breaks_off(bench: Bench):
    bench.emulator.faults("tuningJobs.create:drop-mid-answer")
    with pytest.raises(ConnectionDropped):
        bench.ask("POST", JOBS, bench.request())
    assert len(bench.emulator.jobs()) == 1


def test_an_answer_that_is_cut_off_but_looks_whole(bench: Bench):
    job = bench.create()
    bench.emulator.faults("tuningJobs.get:truncated")
    answer = bench.ask("GET", job["name"])
    assert answer.status_code == 200
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_html_and_redirects(bench: Bench):
    bench.emulator.faults(
        "tuningJobs.list:html=403, tuningJobs.list:html, tuningJobs.list:redirect"
    )
    answers = [bench.ask("GET", JOBS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [403, 200, 302]
    assert answers[0].headers["Content-Type"].startswith("text/html")
    assert answers[1].text.startswith("<!DOCTYPE html>")
    assert answers[2].headers["Location"].startswith("https://elsewhere.invalid/")


def test_a_slow_answer_costs_the_time_that_was_asked(tmp_path, wall):
    slept: list[float] = []
    emulator = Emulator(tmp_path / "emulator.db", wall=wall, sleep=slept.append)
    emulator.faults("tuningJobs.list:slow=5s, tuningJobs.list:trickle=2s")
    transport = httpx.WSGITransport(app=emulator)
    with httpx.Client(transport=transport, base_url="http://emulator") as client:
        assert client.get(f"/v1/{JOBS}").json() == {}
        assert slept == [5.0]
        assert client.get(f"/v1/{JOBS}").json() == {}
    assert sum(slept) <= 7
    assert len(slept) > 2
    emulator.close()


def test_a_lagging_list_hides_what_is_young(bench: Bench):
    bench.emulator.faults("tuningJobs.list:lag=120s*2")
    assert bench.ok("GET", JOBS) == {}
    assert bench.emulator.unmet() == ["tuningJobs.list:lag=120s*2"]
    first = bench.create()
    bench.advance(minutes=3)
    second = bench.create()
    for _ in range(2):
        assert [job["name"] for job in bench.ok("GET", JOBS)["tuningJobs"]] == [first["name"]]
    assert bench.emulator.unmet() == []
    assert bench.ok("GET", JOBS)["tuningJobs"][0]["name"] == second["name"]
    assert bench.read(second)["name"] == second["name"]


def test_a_lagging_list_of_models(bench: Bench):
    bench.finished()
    bench.emulator.faults("models.list:lag=3h")
    assert bench.ok("GET", f"{PARENT}/models") == {}
    assert len(bench.ok("GET", f"{PARENT}/models")["models"]) == 1


def test_labels_that_get_lost(bench: Bench):
    bench.emulator.faults("tuningJobs.create:lost-labels")
    assert "labels" not in bench.create()
    assert bench.emulator.unmet() == ["tuningJobs.create:lost-labels"]
    assert "labels" not in bench.create(labels={"team": "a"})
    assert bench.emulator.unmet() == []
    assert bench.create(labels={"team": "a"})["labels"] == {"team": "a"}


def test_labels_that_get_lost_with_the_answer(bench: Bench):
    bench.emulator.faults("tuningJobs.create:lost-labels-then-drop")
    with pytest.raises(ConnectionDropped):
        bench.create(labels={"team": "a"})
    (job,) = bench.ok("GET", JOBS)["tuningJobs"]
    assert "labels" not in job


def test_pages_that_expire_or_go_round_in_circles(bench: Bench):
    for _ in range(3):
        bench.create()
    bench.emulator.faults("tuningJobs.list:page-token-expired, tuningJobs.list:token-loop")
    first = bench.ok("GET", JOBS, pageSize=1)
    token = first["nextPageToken"]
    expired = bench.ask("GET", JOBS, pageSize=1, pageToken=token)
    assert expired.status_code == 400
    assert bench.ok("GET", JOBS, pageSize=1, pageToken=token)["nextPageToken"] == token
    assert bench.ok("GET", JOBS, pageSize=1, pageToken=token)["nextPageToken"] != token


def test_a_request_may_bring_its_own_fault(bench: Bench):
    url = f"/v1/{JOBS}"
    assert bench.client.get(url, headers={"x-tuneops-fault": "503"}).status_code == 503
    wrong = bench.client.get(url, headers={"x-tuneops-fault": "slw=1s"})
    assert "did you mean `slow`" in wrong.json()["error"]["message"]
    assert bench.emulator.unmet() == []


def test_served_the_connection_is_really_lost(tmp_path, wall):
    with (
        Emulator(tmp_path / "emulator.db", wall=wall) as emulator,
        EmulatorServer(emulator) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        emulator.faults("tuningJobs.list:reset-before, tuningJobs.list:accept-then-drop")
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                client.get(f"/v1/{JOBS}")
        emulator.faults("tuningJobs.list:drop-mid-answer")
        with pytest.raises(httpx.TransportError):
            client.get(f"/v1/{JOBS}")
        assert client.get(f"/v1/{JOBS}").status_code == 200
        assert emulator.unmet() == []


def test_faults_over_http(bench: Bench):
    url = "/tuneops/v1/faults"
    asked = bench.client.post(url, content="tuningJobs.list:503*2")
    assert asked.json() == {
        "faults": [{"fault": "tuningJobs.list:503", "wanted": 2, "met": 0}],
        "unmet": ["tuningJobs.list:503*2"],
    }
    assert bench.ask("GET", JOBS).status_code == 503
    assert bench.client.post(url, json={"faults": "models.get:404"}).status_code == 200
    assert bench.client.get(url).json()["unmet"] == ["tuningJobs.list:503", "models.get:404"]
    wrong = bench.client.post(url, content="tuningJobs.lst:503")
    assert wrong.status_code == 400
    assert "did you mean" in wrong.json()["error"]["message"]
    assert bench.client.delete(url).json() == {"faults": [], "unmet": []}
    assert bench.client.post(url, json=[]).status_code == 400
    assert bench.client.post(url, json={"faults": 1}).status_code == 400
    assert bench.client.get("/tuneops/v1/nothing").status_code == 404


def test_a_reset_forgets_faults_and_requests(bench: Bench):
    bench.emulator.faults("tuningJobs.list:503")
    bench.ask("GET", f"{JOBS}/1")
    bench.emulator.reset()
    assert bench.emulator.unmet() == []
    assert bench.emulator.requests(5) == []


def test_requests_are_written_down_without_tokens(bench: Bench):
    body = {"baseModel": "it's", "labels": {"a": "b"}}
    bench.client.post(
        f"/v1/{JOBS}?key=hush&alt=json",
        content=json.dumps(body),
        headers={"Authorization": "Bearer secret-token", "X-Goog-User-Project": "acme"},
    )
    bench.emulator.faults("tuningJobs.list:reset-before")
    with pytest.raises(ConnectionDropped):
        bench.ask("GET", JOBS, pageSize=2)
    bench.client.get("/")
    bench.client.get("/tuneops/v1/faults")
    create, listing = bench.emulator.requests(9)
    assert (create.method, create.status, json.loads(create.body)) == ("POST", 400, body)
    assert create.path == f"/v1/{JOBS}?key=REDACTED&alt=json"
    assert create.authorized
    assert create.headers["X-Goog-User-Project"] == "acme"
    assert (listing.path, listing.status) == (f"/v1/{JOBS}?pageSize=2", 0)
    assert listing.at.startswith("2026-11-20T09:00")
    for file in bench.path.parent.iterdir():
        for secret in (b"secret-token", b"hush"):
            assert secret not in file.read_bytes()


def test_the_log_keeps_the_newest_requests_and_large_bodies_in_part(bench: Bench, monkeypatch):
    monkeypatch.setattr("tuneops.emulator.request_log.KEPT", 3)
    bench.put("big.jsonl", b"x" * 70_000)
    for number in range(4):
        bench.ask("GET", f"{JOBS}/{number}")
        if number == 0:
            big = bench.emulator.requests(2)[0]
            assert (len(big.body), big.size) == (65_536, 70_000)
    assert [item.path.rpartition("/")[2] for item in bench.emulator.requests(10)] == ["1", "2", "3"]
    assert [item.path.rpartition("/")[2] for item in bench.emulator.requests(1)] == ["3"]
    assert bench.emulator.requests(0) == []


def test_a_log_that_cannot_be_written_refuses_nothing(bench: Bench, caplog):
    bench.emulator._log._connection.execute("DROP TABLE requests")
    assert bench.ask("GET", JOBS).status_code == 200
    assert "not written down" in caplog.text
    with pytest.raises(sqlite3.OperationalError):
        bench.emulator.requests(1)
