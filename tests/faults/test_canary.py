"""No secret shows, whatever goes wrong: neither ours nor one that a stranger repeats to us.

The runs of all other tests of the matrix are given secrets too, and looked through after each one
(`tests/support/canary.py`). Here a run is logged in as on a real service, and whoever answers
badly repeats the token of the request in what he says, as proxies for debugging do.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest

from tests.e2e.conftest import NURSERY
from tests.e2e.test_guards import git, refuse_pushes
from tests.faults.matrix import MATRIX
from tests.faults.test_network_faults import ROWS, Row
from tests.support import canary
from tests.support.commands import WORKSPACE, Desk, Done
from tests.support.named import TESTS
from tests.support.story import APPLY, HOURS, Story
from tuneops import redaction
from tuneops.cli import services
from tuneops.emulator import request_log
from tuneops.engine import execute
from tuneops.http import answers, reading

REFRESH, CLIENT = f"1//refresh-{canary.MARK}", f"client-secret-{canary.MARK}"
SHAPED = f"ya29.{canary.MARK}-of-a-login"
"""A token as Google makes them."""

FEDERATED = canary.BEARER
"""A token that looks like nothing, with signs that JSON, URLs and base64 spell otherwise."""


class Office(Desk):
    """A desk that is logged in, at a service that repeats the token in whatever goes wrong."""

    def __init__(self, story: Story, token: str) -> None:
        super().__init__(story.service, "https://us-central1-aiplatform.googleapis.com")
        self.token = token
        self.repeated = 0
        self.login = story.project.with_name("credentials.json")
        self.login.write_text(
            json.dumps(
                {
                    "type": "authorized_user",
                    "client_id": "id",
                    "client_secret": CLIENT,
                    "refresh_token": REFRESH,
                }
            )
        )

    @contextlib.contextmanager
    def _around(self, fuse: Any, env: dict[str, str]) -> Iterator[None]:
        env |= {"GOOGLE_APPLICATION_CREDENTIALS": str(self.login)}
        with (
            super()._around(fuse, env),
            mock.patch.object(services, "open_client", self._client),
            mock.patch.object(services, "open_exchange", self._exchange),
        ):
            yield

    def _exchange(self) -> httpx.Client:
        """Google's login, which gives the token for the right secrets only."""

        def answer(request: httpx.Request) -> httpx.Response:
            form = request.content.decode()
            assert canary.MARK in form and "refresh_token" in form
            document = {"access_token": self.token, "expires_in": 3600, "token_type": "Bearer"}
            return httpx.Response(200, json=document)

        return httpx.Client(transport=httpx.MockTransport(answer))

    def _client(self, base_url: str, auth: httpx.Auth, *, reuse: bool = True) -> httpx.Client:
        client = super()._client(base_url, auth, reuse=reuse)
        client._transport = Parrot(client._transport, self)
        return client


class Parrot(httpx.BaseTransport):
    """Repeats what a request bears in every answer that is no success, and in every failure."""

    def __init__(self, inner: httpx.BaseTransport, office: Office) -> None:
        self.inner, self.office = inner, office

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        bearer = request.headers["authorization"]
        assert bearer == f"Bearer {self.office.token}"
        try:
            response = self.inner.handle_request(request)
        except httpx.RequestError as fault:
            self.office.repeated += 1
            raise type(fault)(f"{fault} Illegal header value {bearer!r}") from None
        content = response.read()
        headers = dict(response.headers)
        if response.status_code >= 300 or not content.startswith((b"{", b" ")):
            self.office.repeated += 1
            content = repeated(content, bearer)
            if "location" in headers:
                headers["location"] += f"?token={bearer.partition(' ')[2]}"
            headers["content-length"] = str(len(content))
        return httpx.Response(response.status_code, headers=headers, content=content)


def repeated(content: bytes, bearer: str) -> bytes:
    """The same answer with the token in its words, or before all of it."""
    try:
        document = json.loads(content)
        document["error"]["message"] += f" (you sent {bearer})"
        for detail in document["error"].get("details", []):
            for violation in detail.get("fieldViolations", []):
                violation["description"] += bearer
        return json.dumps(document).encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return f"<!-- {bearer} -->".encode() + content


@pytest.fixture
def office(story: Story) -> Office:
    return at(story, FEDERATED)


def at(story: Story, token: str) -> Office:
    desk = Office(story, token)
    story.desk = desk
    return desk


def meet(story: Story, row: Row, office: Office, *words: str) -> Done:
    if row.faults:
        story.faults(row.faults)
    if row.meddle:
        office.meddler = row.meddle
    summary = story.project / "summary.md"
    return office.run(story.project, *APPLY, "--summary", str(summary), *words)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number}-{row.faults or row.words}")
def test_what_a_stranger_repeats_of_a_token_is_shown_nowhere(row: Row, story: Story) -> None:
    """The same exit codes as without a login; the rows of both kinds of tokens in turn."""
    office = at(story, (FEDERATED, SHAPED)[row.number % 2])
    done = meet(story, row, office, "--format", ("text", "json")[row.number % 2])
    assert done.code == row.code, done
    assert office.repeated or row.number in (10, 14), "nobody said anything"
    office.run(story.project, "plan", "--out", str(story.project / "plan.json"))


def test_the_commands_of_every_day_show_no_secret(story: Story, office: Office) -> None:
    story.faults("tuningJobs.list:503, tuningJobs.create:accept-then-503, tuningJobs.list:429=1s")
    folder = story.project
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "specs")
    for words in (
        ("plan", "--out", str(folder / "plan.json"), "--summary", str(folder / "plan.md")),
        ("reconcile", "--once", "-v", "--report", str(folder / "report.md")),
        ("status", "--format", "json"),
        ("why", "bot/one"),
        ("discover",),
        ("lock", "show"),
        ("lock", "check"),
        ("apply", "--auto-approve", "-vv", "--format", "json"),
    ):
        done = office.run(folder, *words)
        assert done.code == 0, (words, done)
        story.later(HOURS)
    assert office.repeated >= 3
    assert (folder / "report.md").exists() and "SUCCEEDED" in story.lock.read_text()


@pytest.mark.parametrize(
    ("remote", "code"),
    [
        (f"https://x-access-token:{canary.MARK}@127.0.0.1:1/acme.git", 1),
        (f"ssh://x-access-token:{canary.MARK}@127.0.0.1:1/acme.git", 1),
        ("repeats", 0),
    ],
    ids=["https", "ssh", "a hook that repeats it"],
)
def test_what_git_says_of_a_remote_is_shown_without_its_secrets(
    remote: str, code: int, story: Story
) -> None:
    """A remote that is not there, at an address with a token; and one that refuses and repeats."""
    folder = story.project
    (folder / "specs/workspace.yaml").write_text(f"{WORKSPACE}      lock: commit\n")
    if remote == "repeats":
        remote = str(folder.with_name("remote.git"))
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", remote)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "remote", "add", "origin", remote)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "specs")
    if code == 0:
        git(folder, "push", "--quiet", "origin", "main")
        refuse_pushes(Path(remote), f"you sent ghs_{canary.MARK}0123456789")
    done = story.apply()
    assert story.posts == (code == 0), done
    assert ("you sent <hidden>" if code == 0 else "127.0.0.1") in done.said, done


# --- the test of the test


def breaking(what: str) -> Any:
    """One break of what hides secrets, or one more place that writes them down."""
    same: Callable[..., Any] = lambda *given: given[-1]  # noqa: E731
    match what:
        case "what an answer repeats":
            return mock.patch.object(reading, "without", same)
        case "what an error repeats":
            return mock.patch.multiple(reading, without=same, cap=same)
        case "the log of requests":
            kept = (*request_log._HEADERS, "Authorization")
            return mock.patch.object(request_log, "_HEADERS", kept)
    raise AssertionError(what)


@pytest.mark.parametrize(
    ("what", "number"), [("what an answer repeats", 16), ("what an error repeats", 2)]
)
def test_a_break_of_what_hides_the_token_is_seen(what: str, number: int, story: Story) -> None:
    row = next(row for row in ROWS if row.number == number)
    with breaking(what), pytest.raises(AssertionError, match="a secret is in"):
        meet(story, row, at(story, FEDERATED))


def test_a_log_of_requests_that_keeps_the_token_is_seen(tmp_path: Path) -> None:
    story = Story(tmp_path)
    with breaking("the log of requests"):
        story.apply()
    with pytest.raises(AssertionError, match="a secret is in"):
        story.service.close()


def test_a_traceback_that_quotes_a_token_is_cut(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what looks like a secret can be known there; a traceback has no values of variables."""

    def broken(effect: Any, hands: Any) -> object:
        token = SHAPED
        raise RuntimeError(f"bad header {token}")

    monkeypatch.setattr(execute, "perform", broken)
    done = story.desk.run(story.project, *APPLY, "-vv")
    assert "RuntimeError: bad header <hidden>" in done.err and "Traceback" in done.err
    monkeypatch.setattr(redaction, "_SHAPES", mock.Mock(sub=lambda _, text: text))
    with pytest.raises(AssertionError, match="what was said"):
        story.desk.run(story.project, *APPLY, "-vv")


@pytest.mark.parametrize("spelling", canary.SPELLINGS, ids=range(len(canary.SPELLINGS)))
def test_a_secret_is_seen_in_any_file_and_any_object_of_git(
    spelling: bytes, tmp_path: Path
) -> None:
    assert not canary.leaks(tmp_path, said="nothing")
    assert canary.leaks(said=spelling.decode())
    (tmp_path / "claim").write_bytes(b"\0" + spelling)
    assert canary.leaks(tmp_path) == [str(tmp_path / "claim")]


# --- every row


ELSEWHERE = {
    "test_gcs_claims": "a store alone, at a service that is pretended",
    "test_claim_refs": "a store alone, on a real remote",
    "test_lock_travel": "the way of the lock alone, on a real remote",
    "test_vertex_reads": "the provider alone, without a login",
    "test_translate": "a pure function",
    "test_engine": "the engine on a model of the service: no login, no request",
    "test_protocol_schedules": "the protocol on a model of the service",
    "test_seeds": "the protocol on a model of the service",
    "test_twins": "the rules on a model of the service",
    "test_planner_laws": "pure functions",
    "test_journal": "a file alone",
    "test_files": "files alone",
    "test_golden": "screens, in a process of their own",
    "test_exit_codes": "processes of their own, on the embedded emulator",
    "test_exit_codes_that_have_passed": "processes of their own, on the embedded emulator",
    "test_copied_jobs": "processes of their own, on the embedded emulator",
    "test_adoption": "processes of their own, on the embedded emulator",
    "test_merge_driver": "processes of their own, with git between them",
    "test_credentials": "the login alone, with canaries of its own",
}
"""Tests of the matrix that give a run none of these secrets, and what they look at instead."""

NEVER_NEAR = frozenset({22, 26, 27, 30, 40, 45, 52, 56, 61})
"""Rows that are shown by such tests alone: what is wrong is in a good answer, or is decided before
a run asks anything. They have no words of a stranger that this file's runs do not meet."""


def given_secrets(shown: str) -> bool:
    """Say whether the runs of a test are given secrets: they are, by the desk or the nursery."""
    if shown.endswith(".txt"):
        return False
    (path,) = TESTS.rglob(f"{shown.partition('::')[0]}.py")
    text = path.read_text()
    return any(word in text for word in ("tests.support.story", "tests.support.commands", "nurser"))


def test_every_row_is_met_by_a_run_that_is_given_secrets_or_is_named() -> None:
    assert "secrets" in NURSERY.read_text()
    without = {
        number
        for number, row in MATRIX.items()
        if not any(given_secrets(shown) for shown in row.shown)
    }
    assert without == NEVER_NEAR
    files = {shown.partition("::")[0] for row in MATRIX.values() for shown in row.shown}
    files = {name for name in files if not name.endswith(".txt")}
    assert {name for name in files if not given_secrets(f"{name}::")} == set(ELSEWHERE)
    assert answers.cap(SHAPED) == redaction.HIDDEN
