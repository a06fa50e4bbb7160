"""SIGKILL before and after everything that `apply --wait` does: the next run completes it.

Only real processes show that nothing in memory is needed; the simulation shows the rest.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Nursery, write_chain
from tuneops.emulator.application import Emulator

MOST = 60
"""More fuses than any run has; a run that never ends clean fails instead of going on for ever."""


def jobs_by_lineage(folder: Path) -> Counter[str]:
    database = folder / ".tuneops" / "emulator.db"
    with Emulator(database, wall=lambda: datetime.now(UTC)) as emulator:
        return Counter(job["labels"]["tuneops-lineage"] for job in emulator.jobs())


def assert_whole(folder: Path) -> None:
    """One job for each stage, and the lock knows what came of both."""
    jobs = jobs_by_lineage(folder)
    assert len(jobs) == 2 and set(jobs.values()) == {1}, jobs
    lock = json.loads((folder / "specs/tuneops.local.lock.json").read_text())
    for address in ("bot/one", "bot/two"):
        entry = lock["jobs"][address]
        assert entry["creations"][entry["current"]]["state"] == "SUCCEEDED"
        assert len(entry["creations"]) == 1
        assert entry["creations"][entry["current"]]["lineage"] in jobs
    assert not (folder / ".tuneops/journal.local.emulator.jsonl").exists()
    assert not list((folder / "specs").glob(".*")), "no temporary file is left behind"


def footprint(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in (folder / "specs").rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def survive(nursery: Nursery, folder: Path, fuse: dict[str, Any]) -> int:
    """Kill one run, complete it with the next, and find that a third has nothing to do."""
    killed = nursery.run(folder, **fuse)
    if killed["code"] == 0:
        assert_whole(folder)
        return 0
    assert killed["code"] == -signal.SIGKILL, killed
    done = nursery.run(folder)
    assert done["code"] == 0, (fuse, done)
    assert_whole(folder)
    before = footprint(folder)
    again = nursery.run(folder)
    assert again["code"] == 0 and again["stderr"] == "", (fuse, again)
    assert footprint(folder) == before
    assert_whole(folder)
    return int(killed["code"])


def unanswered(folder: Path) -> bool:
    """Say whether a create was announced and its answer is not written down."""
    journal = folder / ".tuneops/journal.local.emulator.jsonl"
    lines = journal.read_text().splitlines() if journal.exists() else []
    last = {}
    for line in filter(None, lines):
        entry = json.loads(line)
        last[entry["key"]] = entry.get("creation")
    return any(creation and "job" not in creation for creation in last.values())


def every_point(nursery: Nursery, folder: Path, at: str, when: str) -> int:
    for number in range(1, MOST):
        project = write_chain(folder / f"{at}-{when}-{number}")
        if survive(nursery, project, {"at": at, "when": when, "n": number}) == 0:
            return number - 1
    raise AssertionError("no run ended clean")


@pytest.mark.parametrize(
    ("at", "least"), [("effect", 20), ("write", 15), ("request", 4)], ids=lambda value: str(value)
)
def test_a_run_that_is_killed_anywhere_is_completed_by_the_next_with_one_job_a_stage(
    at: str, least: int, nurseries: list[Nursery], tmp_path: Path
) -> None:
    """Effects of the creation protocol; writes of journal, claims and lock; POSTs and uploads."""
    with ThreadPoolExecutor(2) as pool:
        pairs = zip(nurseries, ("before", "after"), strict=True)
        found = [pool.submit(every_point, who, tmp_path, at, when) for who, when in pairs]
    numbers = [one.result() for one in found]
    assert numbers[0] == numbers[1] >= least, numbers


def test_a_create_that_never_landed_is_sent_again_by_one_waiting_apply(
    nursery: Nursery, chain: Path
) -> None:
    assert nursery.run(chain, at="request", when="before", n=2)["code"] == -signal.SIGKILL
    assert unanswered(chain)
    assert nursery.run(chain)["code"] == 0
    assert_whole(chain)


STOPS = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)


@STOPS
def test_a_run_that_is_asked_to_stop_says_what_goes_on_and_the_next_completes_it(
    number: signal.Signals, code: int, nursery: Nursery, chain: Path
) -> None:
    """Stopped between the answer of the first create and the lock that records it."""
    stopped = nursery.run(chain, at="effect", when="after", n=10, signal=int(number))
    assert stopped["code"] == code
    assert stopped["stdout"] == ""
    assert "Stopped watching. 1 job keeps running" in stopped["stderr"]
    assert "  bot/one\n" in stopped["stderr"]
    assert "tuneops apply --wait" in stopped["stderr"]
    assert nursery.run(chain)["code"] == 0
    assert_whole(chain)


@STOPS
def test_a_run_that_is_stopped_prints_one_json_document(
    number: signal.Signals, code: int, nursery: Nursery, chain: Path
) -> None:
    words = ("apply", "--wait", "--format", "json")
    stopped = nursery.run(chain, *words, at="effect", when="after", n=10, signal=int(number))
    assert stopped["code"] == code
    assert json.loads(stopped["stdout"])["exitCode"] == code


def test_a_stop_while_a_create_is_under_way_does_not_say_that_nothing_happened(
    nursery: Nursery, chain: Path
) -> None:
    stopped = nursery.run(chain, at="effect", when="before", n=8, signal=int(signal.SIGINT))
    assert stopped["code"] == 130
    assert "A create was in flight: bot/one; it may have landed" in stopped["stderr"]


@pytest.mark.parametrize(
    ("number", "codes"), [(signal.SIGINT, (0, 130)), (signal.SIGTERM, (143,))], ids=["int", "term"]
)
def test_a_served_emulator_ends_at_once_when_it_is_asked_to(
    number: signal.Signals, codes: tuple[int, ...], chain: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tuneops", "emulator", "serve", "--port", "0"],
        cwd=chain,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(number)
        assert process.wait(timeout=10) in codes
        assert "Traceback" not in process.stderr.read()


def test_the_second_of_two_runs_in_one_checkout_is_told_to_come_back(chain: Path) -> None:
    (chain / ".tuneops").mkdir()
    words = [sys.executable, "-m", "tuneops", "apply", "--wait"]
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(chain)], stdout=subprocess.PIPE, encoding="utf-8"
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        second = subprocess.run(
            words, cwd=chain, capture_output=True, encoding="utf-8", check=False, timeout=30
        )
        assert second.returncode == 6
        assert second.stdout == ""
        assert "error[locked-by-other]: another tuneops works on environment `local`" in (
            second.stderr
        )
        assert not (chain / "specs/tuneops.local.lock.json").exists()
        os.kill(holder.pid, signal.SIGKILL)
    after = subprocess.run(words, cwd=chain, capture_output=True, check=False, timeout=60)
    assert after.returncode == 0, "a dead run holds nothing"
    assert_whole(chain)


HOLD = """
import sys, time
from pathlib import Path
from tuneops.cli.options import Options
from tuneops.cli.project import open_project
from tuneops.cli.session import alone
with alone(open_project(Options(directory=Path(sys.argv[1]))), "local"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_runs_at_once_make_one_job_a_stage(chain: Path) -> None:
    words = [sys.executable, "-m", "tuneops", "apply", "--wait", "--quiet"]
    runs = [
        subprocess.Popen(words, cwd=chain, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    codes = sorted(run.wait(timeout=60) for run in runs)
    assert codes in ([0, 0], [0, 6]), "one works, the other comes later or is sent away"
    assert_whole(chain)


def test_the_time_of_a_killed_run_does_not_matter(nursery: Nursery, chain: Path) -> None:
    """A run that is killed while it waits has lost nothing but the wait."""
    started = time.monotonic()
    assert nursery.run(chain, "apply")["code"] == 0
    assert nursery.run(chain, "apply")["code"] == 0
    assert jobs_by_lineage(chain).total() == 1
    assert nursery.run(chain)["code"] == 0
    assert_whole(chain)
    assert time.monotonic() - started < 20
