"""Real signals to real processes, at the points where money is at stake.

The service is in the test: it sees each request, so a signal comes exactly while a create is on the
wire. Nothing is timed; what counts is what was sent, what was said, and what the next run does.
"""

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Nursery
from tests.support.breaking import BreakingServer
from tests.support.commands import FOREIGN
from tests.support.story import LOCK, Story

APPLY = ("apply", "--auto-approve")
JOURNAL = ".tuneops/journal.prod.emulator.jsonl"
SMALL = "2s"
"""A settle time for real processes; a run that is held up for half of it sends nothing more."""


class Shop:
    """A story whose runs are real processes, over real sockets."""

    def __init__(self, story: Story, server: BreakingServer, nurseries: list[Nursery]) -> None:
        self.story = story
        self.service = story.service
        self.server = server
        self.nurseries = nurseries
        self.pool = ThreadPoolExecutor(2)

    def run(self, folder: Path | None = None, *, who: int = 0, **more: Any) -> dict[str, Any]:
        """One run, to its end."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        env |= {"CI": "false", "GOOGLE_VERTEX_BASE_URL": self.server.url, **more.pop("env", {})}
        return self.nurseries[who].run(folder or self.story.project, *APPLY, env=env, **more)

    def start(self, **more: Any) -> "Future[dict[str, Any]]":
        """One run, which goes on while others act."""
        return self.pool.submit(self.run, **more)

    @property
    def pid_file(self) -> Path:
        return self.story.project.with_name("pid")

    def pid(self) -> int:
        """The process that has begun."""
        while not (self.pid_file.exists() and self.pid_file.read_text()):
            time.sleep(0.005)
        return int(self.pid_file.read_text())

    def completes(self) -> None:
        """The runs that follow end with one job, which was sent at most once a mark."""
        self.story.ends_well()


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    story = Story(tmp_path)
    yield story
    story.service.close()


@pytest.fixture
def shop(story: Story, nurseries: list[Nursery]) -> Iterator[Shop]:
    with BreakingServer(story.service) as server:
        yield Shop(story, server, nurseries)


STOPS = pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
    ids=["int", "term", "hup"],
)


@STOPS
def test_a_stop_while_a_create_is_on_the_wire_says_so_and_the_next_run_finds_it(
    number: signal.Signals, code: int, shop: Shop
) -> None:
    shop.server.before["create"] = lambda: os.kill(shop.pid(), number)
    stopped = shop.run(pid=str(shop.pid_file))
    assert stopped["code"] == code, stopped
    assert stopped["stdout"] == ""
    assert "A create was in flight: bot/one; it may have landed" in stopped["stderr"]
    assert "Traceback" not in stopped["stderr"]
    del shop.server.before["create"]
    assert shop.service.posts.total() == 1
    shop.completes()
    assert shop.service.posts.total() == 1, "it was found, and not sent again"


@STOPS
def test_a_stop_before_anything_is_sent_buys_nothing(
    number: signal.Signals, code: int, shop: Shop
) -> None:
    stopped = shop.run(at="effect", when="before", n=2, signal=int(number))
    assert stopped["code"] == code, stopped
    assert "No jobs keep running." in stopped["stderr"]
    assert "in flight" not in stopped["stderr"]
    assert not shop.service.posts
    shop.completes()


@STOPS
def test_a_stop_after_the_answer_names_the_job_that_goes_on(
    number: signal.Signals, code: int, shop: Shop
) -> None:
    stopped = shop.run(at="effect", when="after", n=9, signal=int(number))
    assert stopped["code"] == code, stopped
    assert "1 job keeps running:\n  bot/one" in stopped["stderr"]
    shop.completes()
    assert shop.service.posts.total() == 1


def test_a_second_interrupt_ends_it_at_once_and_loses_nothing(shop: Shop) -> None:
    def twice() -> None:
        for _ in range(2):
            os.kill(shop.pid(), signal.SIGINT)
            time.sleep(0.002)

    shop.server.before["create"] = twice
    stopped = shop.run(pid=str(shop.pid_file))
    assert stopped["code"] in (130, -signal.SIGINT, 70), stopped
    journal = [json.loads(line) for line in lines(shop.story.project / JOURNAL)]
    known = shop.story.lock.exists() and "asked" in shop.story.lock.read_text()
    assert known or any("creation" in line for line in journal), "the intent is on disk"
    del shop.server.before["create"]
    shop.completes()
    assert shop.service.posts.total() == 1


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line] if path.exists() else []


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(3, 0, "found"), (6, 6, "another run took the claim")],
    ids=["claimed", "written down"],
)
def test_a_run_that_was_stopped_over_a_take_over_sends_nothing(
    number: int, code: int, words: str, shop: Shop
) -> None:
    """Another run takes its claim over and creates: its list shows that, or its claim is lost."""
    other = shop.story.project.with_name("other")
    shutil.copytree(shop.story.project, other)
    stop = int(signal.SIGSTOP)
    stopped = shop.start(at="effect", when="after", n=number, signal=stop, pid=str(shop.pid_file))
    halted(shop.pid())
    shop.service.clock.sleep(61)
    second = shop.run(other, who=1)
    assert second["code"] == 0 and shop.service.posts.total() == 1, second
    os.kill(shop.pid(), signal.SIGCONT)
    first = stopped.result()
    assert first["code"] == code and words in first["stderr"], first
    assert shop.service.posts.total() == 1
    shop.completes()


def test_a_run_that_slept_between_its_mark_and_its_create_sends_nothing(shop: Shop) -> None:
    """Its claim says `issued`, its settle time runs out, another run creates; then it wakes up."""
    small = {"env": {"TUNEOPS_SETTLE": SMALL}}
    other = shop.story.project.with_name("other")
    shutil.copytree(shop.story.project, other)
    stop = int(signal.SIGSTOP)
    stopped = shop.start(
        at="effect", when="after", n=7, signal=stop, pid=str(shop.pid_file), **small
    )
    halted(shop.pid())
    time.sleep(1.1)
    shop.service.clock.sleep(4)
    second = shop.run(other, who=1, quick=True, **small)
    assert second["code"] == 0 and shop.service.posts.total() == 1, second
    os.kill(shop.pid(), signal.SIGCONT)
    first = stopped.result()
    assert shop.service.posts.total() == 1, "it sent a second create"
    assert first["code"] in (1, 6), first
    assert "held up just before the create" in first["stderr"]
    shop.completes()


def halted(pid: int) -> None:
    """Wait until a process stands still."""
    while " T " not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:4]:
        time.sleep(0.005)


@pytest.mark.parametrize(("limit", "posts"), [(0, 0), (1500, 1)], ids=["journal", "lock"])
def test_a_disk_that_is_full_is_told_and_buys_nothing_without_memory(
    limit: int, posts: int, shop: Shop
) -> None:
    """No room for the journal (nor for what is said): nothing is sent. None for the lock: kept."""
    done = shop.run(limit=limit)
    assert done["code"] == 1, done
    assert limit == 0 or "error[cannot-write]" in done["stderr"]
    assert shop.service.posts.total() == posts
    shop.completes()
    assert shop.service.posts.total() == 1


def test_a_folder_that_cannot_be_written_buys_nothing(shop: Shop) -> None:
    """As somebody else than its owner, since root may write everywhere."""
    folder = Path(tempfile.mkdtemp(prefix="tuneops-read-only-"))
    try:
        shutil.copytree(shop.story.project, folder, dirs_exist_ok=True)
        for path in (folder, folder / "specs"):
            path.chmod(0o555)
        done = shop.run(folder, uid=65534)
        assert done["code"] == 1, done
        assert "error[cannot-write]" in done["stderr"]
        assert not shop.service.posts
    finally:
        for path in (folder, folder / "specs"):
            path.chmod(0o755)
        shutil.rmtree(folder)


def test_an_apply_whose_stdout_nobody_reads_is_done_all_the_same(shop: Shop) -> None:
    done = shop.run(closed=True)
    assert done["code"] == 0, done
    assert "Traceback" not in done["stderr"]
    assert json.loads((shop.story.project / LOCK).read_text())["jobs"]
    shop.completes()
