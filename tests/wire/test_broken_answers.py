"""Answers that break at every class of bytes, over real sockets: sent once, settled by a later run.

Each case is a whole story on the command line: a run meets the breakage, later runs meet none, and
in the end there is one job, its result is in the lock, and a further run does nothing.
"""

import sys
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.e2e.conftest import CHAIN, write_chain
from tests.support.breaking import BREAKAGES, Breakage, BreakingServer, Wire
from tests.support.commands import LOCATION, PROJECT, SETTLE, WORKSPACE, Desk, Service
from tuneops.core.recipe import BaseModel, HyperParameters, Method
from tuneops.core.request import JobRequest
from tuneops.errors import Rejected, Unanswered
from tuneops.http import reading
from tuneops.http.reading import open_client
from tuneops.http.waiting import Waiting
from tuneops.vertex import single_post
from tuneops.vertex.auth import LoopbackAuth
from tuneops.vertex.provider import VertexProvider

APPLY = ("apply", "--auto-approve")
ONE_STAGE = CHAIN.partition("    - name: two")[0]
LONG = timedelta(hours=6)
WHOLE = [name for name, breakage in BREAKAGES.items() if breakage.seen == "answered"]
NEVER_THERE = ("closed before the status line", "reset in the body", "html instead", "redirect 307")
"""Of a request that never arrives, the answer says nothing: some ways will do."""
BEFORE = ("list", "describe", "upload", "claim-read", "claim")
AFTER = ("list", "get")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    service.close()


@pytest.fixture
def server(service: Service) -> Iterator[BreakingServer]:
    with BreakingServer(service) as server:
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = write_chain(tmp_path / "project")
    (folder / "specs/workspace.yaml").write_text(WORKSPACE)
    (folder / "specs/bot.yaml").write_text(ONE_STAGE)
    return folder


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits a minute for an answer that drips."""
    known = [module for name, module in sys.modules.items() if name.startswith("tuneops.")]
    patient = [module for module in known if hasattr(module, "CALL_LIMIT")]
    assert single_post in patient and reading in patient
    for module in patient:
        monkeypatch.setattr(module, "CALL_LIMIT", 0.4)


def converge(desk: Desk, project: Path, server: BreakingServer) -> None:
    """Two runs with the settle time between them, and a third that has nothing to do."""
    service = desk.service
    service.clock.sleep((SETTLE + timedelta(seconds=1)).total_seconds())
    assert desk.run(project, *APPLY).code == 0
    service.check()
    service.clock.sleep(LONG.total_seconds())
    done = desk.run(project, *APPLY)
    assert done.code == 0 and "1 done" in done.out, done
    service.check()
    assert len(service.jobs) == 1
    before = (service.changes, lock(project))
    again = desk.run(project, *APPLY)
    assert (again.code, again.out) == (0, "No changes: 1 done.\n")
    assert (service.changes, lock(project)) == before
    assert server.elsewhere == 0, "a redirect was followed"


def lock(project: Path) -> bytes:
    return (project / "specs/tuneops.prod.lock.json").read_bytes()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("case", "lost"),
    [
        *[pytest.param(case, False, id=f"{case}, made") for case in BREAKAGES],
        *[pytest.param(case, True, id=f"{case}, lost") for case in NEVER_THERE],
    ],
)
def test_a_create_whose_answer_breaks_is_sent_once_and_found_or_sent_later(
    case: str, lost: bool, service: Service, server: BreakingServer, project: Path
) -> None:
    """Whatever was no whole answer is silence: the job is looked for, and never asked for again."""
    desk = Desk(service, server.url)
    server.break_next("create", BREAKAGES[case], lost=lost)
    first = desk.run(project, *APPLY)
    assert server.broken == 1
    assert list(service.posts.values()) == [1], "one create, whatever became of its answer"
    assert first.code == (7 if lost else 0), first
    assert ("unanswered" if lost else "submitted") in first.err
    answered = case in WHOLE and not lost
    assert ("answer lost, found the job by its mark" in first.err) == (not answered and not lost)
    assert len(service.jobs) == (0 if lost else 1)
    if lost:
        assert desk.run(project, *APPLY).code == 7, "it may land yet"
        assert service.posts.total() == 1, "nothing is sent within the settle time"
    converge(desk, project, server)
    assert service.posts.total() == (2 if lost else 1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("case", BREAKAGES)
def test_any_other_answer_that_breaks_is_asked_for_again_or_ends_the_run_before_the_create(
    case: str, service: Service, server: BreakingServer, project: Path
) -> None:
    """Each of the other calls meets it once: first those of a create, then those of its result."""
    desk = Desk(service, server.url)
    for calls in (BEFORE, AFTER):
        for call in calls:
            server.break_next(call, BREAKAGES[case])
        for _ in range(1 + len(calls)):
            done = desk.run(project, *APPLY)
            assert done.code in (0, 1), done
            assert "Traceback" not in done.said and "internal" not in done.said
            service.check()
            if done.code == 0:
                break
        assert server.waiting == [], "all of it was met"
        service.clock.sleep(LONG.total_seconds())
    assert service.posts.total() == 1
    converge(desk, project, server)


DEFINITE = {400, 401, 403, 404, 405, 413, 429}


def a_request() -> JobRequest:
    return JobRequest(
        method=Method.SUPERVISED,
        source=BaseModel(base_model="gemini-2.5-flash"),
        training_uri="gs://acme-data/one.jsonl",
        validation_uri=None,
        hyper_parameters=HyperParameters(),
        last_checkpoint_only=False,
        display_name="bot",
        description="",
        labels={"tuneops-attempt": "a0001-x", "tuneops-lineage": "v1-x"},
        encryption_key=None,
        service_account=None,
    )


@pytest.mark.parametrize("google", [True, False], ids=["google", "html"])
@pytest.mark.parametrize("status", [int(status) for status in HTTPStatus if status >= 200])
def test_only_seven_statuses_in_googles_own_words_mean_that_nothing_was_made(
    status: int, google: bool, service: Service, server: BreakingServer
) -> None:
    error = b'{"error": {"code": %d, "message": "no", "status": "UNKNOWN"}}' % status
    body = error if google else b"<h1>no</h1>"
    if status in (204, 304):
        body = b""

    def act(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

    with open_client(server.url, LoopbackAuth()) as client:
        provider = VertexProvider(
            client,
            project=PROJECT,
            location=LOCATION,
            fresh=lambda: open_client(server.url, LoopbackAuth()),
            waiting=Waiting(sleep=service.clock.sleep),
        )
        server.break_next("create", Breakage(act), lost=True)
        expected = Rejected if google and status in DEFINITE else Unanswered
        with pytest.raises(expected):
            provider.create_job(a_request())
    assert service.posts.total() == 1


def test_an_answer_that_comes_twice_is_not_taken_for_that_to_the_next_claim(
    service: Service, server: BreakingServer, project: Path
) -> None:
    """On a kept connection, the answer to the intent would pass for that to the fence."""
    desk = Desk(service, server.url)
    server.break_next("claim", BREAKAGES["two answers, and it goes on"])
    taken: list[str] = []

    def take_over() -> None:
        """Another runner writes the claim between this one's intent and its fence."""
        for name in service.stored("acme-claims") if not taken else ():
            service.store("acme-claims", name, b"{}")
            taken.append(name)

    server.before["list"] = take_over
    done = desk.run(project, *APPLY)
    assert taken and server.broken == 1
    assert not service.posts, "the claim was not ours any more"
    assert done.code == 3 and "remove it only when you know" in done.err
