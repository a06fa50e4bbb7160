import ast
import hashlib
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

import tuneops.emulator
from tests.unit.emulator.bench import MODEL, PARENT, Bench, supervised_lines
from tuneops.emulator.application import Emulator
from tuneops.emulator.server import EmulatorServer

SOURCE = Path(tuneops.emulator.__file__).parent


def digests(path: Path) -> dict[str, str]:
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in path.parent.glob(f"{path.name}*")
        if not file.name.endswith("-shm")
    }


def test_reading_changes_nothing(bench: Bench):
    done = bench.finished()
    bench.continued(done["tunedModel"]["model"])
    reads = [
        done["name"],
        f"{PARENT}/tuningJobs",
        done["tunedModel"]["model"],
        f"{PARENT}/models",
        f"{done['tunedModel']['model'].partition('@')[0]}:listVersions",
        f"{done['tunedModel']['model']}:listCheckpoints",
        done["tunedModel"]["endpoint"],
        f"{PARENT}/endpoints",
        f"{PARENT}/tuningJobs/404",
    ]
    before, changes = digests(bench.path), bench.total_changes()
    for number in range(1000):
        bench.wall.forward(seconds=7)
        bench.ask("GET", reads[number % len(reads)])
        bench.emulator.jobs()
    bench.client.get("/storage/v1/b/acme-tuning/o/train.jsonl?alt=media")
    assert bench.total_changes() == changes
    assert digests(bench.path) == before


def test_how_often_a_job_is_read_makes_no_difference(make_bench):
    watched, alone = make_bench("one.db"), make_bench("two.db")
    seen = []
    for bench in (watched, alone):
        job = bench.create()
        for _ in range(200):
            bench.wall.forward(seconds=17)
            if bench is watched:
                bench.read(job)
        text = bench.ask("GET", job["name"]).json()
        seen.append((text["state"], text["tunedModel"]["checkpoints"][1]["step"]))
        bench.wall.forward(seconds=-17 * 200)
    assert seen[0] == seen[1]


def test_a_restart_gives_the_same_world(make_bench):
    first = make_bench()
    done = first.finished()
    first.continued(done["tunedModel"]["model"], tunedModelDisplayName="other")
    first.ok("PATCH", done["tunedModel"]["model"], {"defaultCheckpointId": "1"})
    waiting = first.create()
    first.ok("POST", f"{waiting['name']}:cancel")
    first.emulator.set_speed(2)
    first.advance(minutes=70)

    def everything(bench: Bench):
        paths = ("tuningJobs", "models", "endpoints")
        lists = [bench.ok("GET", f"{PARENT}/{path}") for path in paths]
        return bench.emulator.instance, bench.emulator.time(), bench.emulator.jobs(), lists

    before = everything(first)
    second = make_bench()
    assert everything(second) == before
    first.close()
    assert everything(make_bench()) == before


def test_two_emulators_on_one_file_see_each_other(make_bench):
    one, two = make_bench(), make_bench()
    job = one.create()
    assert two.read(job) == one.read(job)
    two.ok("POST", f"{job['name']}:cancel")
    assert one.read(job)["state"] == "JOB_STATE_CANCELLING"
    two.advance(hours=1)
    assert one.read(job)["state"] == "JOB_STATE_CANCELLED"
    assert one.emulator.time() == two.emulator.time()
    two.emulator.reset()
    assert one.ask("GET", job["name"]).status_code == 404
    assert one.emulator.instance == two.emulator.instance


def test_an_event_older_than_a_known_completion_still_counts(make_bench):
    """A writer may read the clock a moment before a reader that is faster to look."""
    one, two = make_bench(), make_bench()
    job = one.create()
    two.read(job)
    one.wall.forward(minutes=10)
    with two.emulator._ledger.writing() as writing:
        now = writing.instant
    one.wall.forward(hours=1)
    assert one.read(job)["state"] == "JOB_STATE_SUCCEEDED"
    connection = two.emulator._ledger._database.connection
    parts = one.read(job)["name"].split("/")
    connection.execute(
        "INSERT INTO events (at, kind, project, location, subject, body)"
        " VALUES (?, 'job.cancelled', ?, ?, ?, '{}')",
        (now, parts[1], parts[3], parts[5]),
    )
    assert one.read(job)["state"] == "JOB_STATE_CANCELLED"
    assert one.ok("GET", f"{PARENT}/models") == {}


def test_a_reset_begins_another_world(bench: Bench):
    bench.finished()
    bench.emulator.set_speed(5)
    before = bench.emulator.instance
    bench.emulator.reset()
    assert bench.emulator.instance != before
    assert bench.emulator.jobs() == []
    assert bench.emulator.time() == bench.wall()
    assert bench.client.get("/storage/v1/b/acme-tuning").status_code == 404
    assert bench.client.get("/storage/v1/b/cloud-samples-data").status_code == 200
    assert bench.client.get("/").headers["X-Tuneops-Emulator"] == bench.emulator.instance


def test_dates_of_answers(bench: Bench, tmp_path):
    bench.advance(days=1)
    assert bench.client.get("/").headers["Date"] == "Sat, 21 Nov 2026 09:00:00 GMT"
    with Emulator(tmp_path / "served.db", wall=bench.wall, wall_dates=True) as emulator:
        emulator.advance(bench.emulator.time() - bench.wall())
        with httpx.Client(transport=httpx.WSGITransport(app=emulator)) as client:
            date = client.get("http://emulator/").headers["Date"]
    assert date == "Fri, 20 Nov 2026 09:00:00 GMT"


def test_a_naive_wall_clock_is_refused(tmp_path):
    with pytest.raises(ValueError, match="time zone"):
        Emulator(tmp_path / "x.db", wall=lambda: datetime(2026, 1, 1))


def test_threads_write_at_once(bench: Bench):
    request = bench.request()
    problems = []

    def work():
        try:
            for _ in range(10):
                bench.ok("POST", f"{PARENT}/tuningJobs", request)
                bench.ok("GET", f"{PARENT}/tuningJobs")
        except AssertionError as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert len({job["name"] for job in bench.emulator.jobs()}) == 40


PROCESS = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
import httpx
from tuneops.emulator.application import Emulator

path, request = Path(sys.argv[1]), sys.argv[2]
start = datetime(2026, 11, 20, 9, tzinfo=UTC)
with Emulator(path, wall=lambda: start) as emulator:
    with httpx.Client(transport=httpx.WSGITransport(app=emulator), base_url="http://e") as client:
        for number in range(15):
            jobs = "/v1/projects/acme/locations/us-central1/tuningJobs"
            answer = client.post(jobs, content=request)
            assert answer.status_code == 200, answer.text
            upload = {"uploadType": "media", "name": "shared", "ifGenerationMatch": "0"}
            stored = client.post("/upload/storage/v1/b/acme/o", params=upload, content=b"x")
            print(stored.status_code)
"""


def test_processes_write_at_once(tmp_path):
    path = tmp_path / "shared.db"
    sample = "gs://cloud-samples-data/ai-platform/generative_ai/gemini/text/sft_train_data.jsonl"
    request = (
        f'{{"baseModel": "{MODEL}", "supervisedTuningSpec": {{"trainingDatasetUri": "{sample}"}}}}'
    )
    command = [sys.executable, "-c", PROCESS, str(path), request]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    codes = [code for output, _ in outputs for code in output.split()]
    assert codes.count("200") == 1
    assert codes.count("412") == 44
    with Emulator(path, wall=lambda: datetime(2026, 11, 20, 9, tzinfo=UTC)) as emulator:
        assert len({job["name"] for job in emulator.jobs()}) == 45


def test_a_served_emulator_answers_this_machine_only(bench: Bench):
    with EmulatorServer(bench.emulator) as server, httpx.Client(base_url=server.url) as client:
        assert server.url.startswith("http://127.0.0.1:")
        answer = client.get("/")
        assert answer.json()["emulator"] == "tuneops"
        assert answer.headers.get_list("Server") == ["tuneops-emulator"]
        assert answer.headers.get_list("Date") == ["Fri, 20 Nov 2026 09:00:00 GMT"]
        for headers in (
            {"Host": "evil.example"},
            {"Host": "127.0.0.1.evil.example"},
            {"Origin": "http://x"},
        ):
            refused = client.get("/", headers=headers)
            assert refused.status_code == 403
            assert refused.headers["X-Tuneops-Emulator"] == bench.emulator.instance
        assert client.get("/", headers={"Host": "localhost:1"}).status_code == 200
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as raw:
            raw.sendall(b"FROB NI CATE HTTP/1.1\r\n\r\n")
            nonsense = raw.makefile("rb").read()
        assert b" 400 " in nonsense
        assert b"Server: tuneops-emulator" in nonsense
        assert f"X-Tuneops-Emulator: {bench.emulator.instance}".encode() in nonsense

        def pieces():
            yield supervised_lines(3)

        stored = client.post(
            "/upload/storage/v1/b/acme/o?uploadType=media&name=ü", content=pieces()
        )
        assert stored.json()["name"] == "ü"
        assert int(stored.json()["size"]) == len(supervised_lines(3))


def test_a_fault_of_the_emulator_is_an_answer_too(bench: Bench, monkeypatch, caplog):
    def broken(self):
        raise RuntimeError("boom")

    monkeypatch.setattr("tuneops.emulator.ledger.Ledger._catch_up", broken)
    monkeypatch.setattr("tuneops.emulator.application.Emulator.label", lambda self: {})
    answer = bench.ask("GET", f"{PARENT}/tuningJobs")
    assert answer.status_code == 500
    assert answer.json()["error"]["status"] == "INTERNAL"
    assert bench.client.get("/storage/v1/b/x").json()["error"]["errors"]
    assert "boom" in caplog.text


def test_a_file_of_another_layout_is_refused(bench: Bench, tmp_path):
    bench.emulator._ledger._database.connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ValueError, match="another version"):
        Emulator(bench.path, wall=bench.wall)


ALLOWED = {"werkzeug", "google_crc32c", "_typeshed", *sys.stdlib_module_names}


@pytest.mark.parametrize("path", sorted(SOURCE.glob("*.py")), ids=lambda path: path.name)
def test_the_emulator_is_a_stranger_and_has_no_clock(path: Path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module or ""]
        else:
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("now", "utcnow", "today")
            continue
        for name in names:
            assert name.startswith("tuneops.emulator") or name.partition(".")[0] in ALLOWED
            assert name != "time"
    assert len(path.read_text().splitlines()) <= 400
