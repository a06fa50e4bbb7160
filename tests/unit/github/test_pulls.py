"""One pull request, opened or refreshed; the token goes to GitHub and is never shown."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tuneops.core.lock_changes import Difference
from tuneops.errors import Unavailable
from tuneops.github.pulls import NoPullRequest, Pulls, Repository, from_environment, open_pulls
from tuneops.http.waiting import Waiting
from tuneops.render.changes import PULL_TITLE, pull_body

TOKEN = "ghs_0123456789abcdef"
PATH = "/repos/acme/specs/pulls"
WAITING = Waiting(sleep=lambda _: None)


@dataclass
class GitHub:
    """Two routes of GitHub's, with its rule of one open pull request for two branches."""

    pulls: list[dict[str, Any]] = field(default_factory=list)
    seen: list[httpx.Request] = field(default_factory=list)
    refusal: tuple[int, dict[str, Any]] | None = None
    hidden: int = 0
    """So many lists do not show what is there: somebody opens it meanwhile."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        body = json.loads(request.content) if request.content else {}
        if request.method == "GET":
            assert request.url.params["head"] == "acme:tuneops/lock"
            if self.hidden:
                self.hidden -= 1
                return httpx.Response(200, json=[])
            return httpx.Response(200, json=self.pulls)
        if self.refusal is not None:
            status, document = self.refusal
            return httpx.Response(status, json=document)
        if request.method == "POST":
            if self.pulls:
                errors = [{"resource": "PullRequest", "message": "A pull request already exists"}]
                return httpx.Response(422, json={"message": "Validation Failed", "errors": errors})
            number = 7
            url = f"https://github.com/acme/specs/pull/{number}"
            self.pulls.append({"number": number, "html_url": url, **body})
            return httpx.Response(201, json=self.pulls[0])
        assert request.url.path == f"{PATH}/7"
        self.pulls[0] |= body
        return httpx.Response(200, json=self.pulls[0])

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.seen]


@pytest.fixture
def github() -> GitHub:
    return GitHub()


def offer(github: Callable[[httpx.Request], httpx.Response], body: str = "body") -> Any:
    client = httpx.Client(transport=httpx.MockTransport(github), base_url="https://api.github.com")
    pulls = Pulls(client, "acme/specs", WAITING)
    return pulls.offer("tuneops/lock", "main", PULL_TITLE, body)


def test_it_is_opened_once_and_refreshed_afterwards(github: GitHub) -> None:
    pull = offer(github)
    assert (pull.number, pull.how) == (7, "opened")
    assert pull.url == "https://github.com/acme/specs/pull/7"
    assert offer(github).how == "is open"
    assert offer(github, "another").how == "refreshed"
    assert github.methods == ["GET", "POST", "GET", "GET", "PATCH"]
    assert len(github.pulls) == 1 and github.pulls[0]["body"] == "another"
    assert github.pulls[0]["head"] == "tuneops/lock" and github.pulls[0]["base"] == "main"
    assert github.seen[0].headers["x-github-api-version"] == "2022-11-28"


def test_a_body_that_github_gave_back_with_other_line_ends_is_the_same(github: GitHub) -> None:
    offer(github, "one\ntwo\n")
    github.pulls[0]["body"] = "one\r\ntwo"
    assert offer(github, "one\ntwo\n").how == "is open"


def test_two_runs_that_open_it_at_once_have_one(github: GitHub) -> None:
    offer(github)
    github.hidden = 1
    assert offer(github, "mine").how == "refreshed"
    assert len(github.pulls) == 1


FORBIDDEN = "GitHub Actions is not permitted to create or approve pull requests."


@pytest.mark.parametrize(
    ("status", "message", "help"),
    [
        (403, FORBIDDEN, "Allow GitHub Actions to create and approve pull requests"),
        (403, "Resource not accessible by integration", "pull-requests: write"),
        (404, "Not Found", "pull-requests: write"),
        (401, "Bad credentials", "GH_TOKEN"),
        (422, "Validation Failed", "by hand"),
        (500, "Server Error", "by hand"),
    ],
)
def test_a_refusal_says_what_to_set(github: GitHub, status: int, message: str, help: str) -> None:
    github.refusal = (status, {"message": message, "status": str(status)})
    with pytest.raises(NoPullRequest) as fault:
        offer(github)
    assert help in (fault.value.help or "")
    assert message in fault.value.notes and "the branch holds the lock" in fault.value.notes[-1]
    assert github.methods.count("POST") == 1, "what writes is sent once"


def test_a_network_that_fails_is_said_without_the_token() -> None:
    def lost(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    with pytest.raises(Unavailable) as fault:
        offer(lost)
    assert TOKEN not in str(fault.value) + repr(fault.value.notes)


@pytest.mark.parametrize("body", [b"", b"[1, 2", b"<html>", b'{"a": 1}', b"[3]"])
def test_an_answer_that_is_not_githubs_opens_nothing(body: bytes) -> None:
    def portal(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.method == "GET" else 418, content=body)

    with pytest.raises((NoPullRequest, Unavailable)):
        offer(portal)


def test_a_redirect_is_not_followed() -> None:
    asked = []

    def elsewhere(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"location": "https://evil.example/"})

    with pytest.raises((NoPullRequest, Unavailable)):
        offer(elsewhere)
    assert set(asked) == {"api.github.com"}


ENVIRON = {"GH_TOKEN": TOKEN, "GITHUB_REPOSITORY": "acme/specs"}


def test_a_workflow_names_the_repository_and_the_token_is_hidden() -> None:
    assert from_environment({}) is None
    assert from_environment({"GITHUB_REPOSITORY": "acme/specs"}) is None
    found = from_environment({**ENVIRON, "GITHUB_TOKEN": "other"})
    assert found == Repository(name="acme/specs", api="https://api.github.com", token=TOKEN)
    assert TOKEN not in repr(found)


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"GITHUB_API_URL": "https://api.github.com"}, True),
        ({"GITHUB_API_URL": "http://127.0.0.1:80"}, True),
        (
            {
                "GITHUB_API_URL": "https://git.acme.example/api/v3",
                "GITHUB_SERVER_URL": "https://git.acme.example",
            },
            True,
        ),
        (
            {
                "GITHUB_API_URL": "https://api.acme.ghe.com",
                "GITHUB_SERVER_URL": "https://acme.ghe.com",
            },
            True,
        ),
        ({"GITHUB_API_URL": "https://git.acme.example/api/v3"}, False),
        ({"GITHUB_API_URL": "http://api.github.com"}, False),
        ({"GITHUB_API_URL": "https://api.github.com.evil.example"}, False),
        ({"GITHUB_API_URL": "https://api.github.com@evil.example"}, False),
        ({"GITHUB_API_URL": "https://evil@api.github.com"}, False),
        ({"GITHUB_API_URL": "https://api.github.com:8443"}, False),
        ({"GITHUB_API_URL": "https://api.github.com/?x"}, False),
        ({"GITHUB_API_URL": "https://[::1"}, False),
        ({"GITHUB_REPOSITORY": "acme/specs/../../orgs"}, False),
        ({"GITHUB_REPOSITORY": "acme"}, False),
    ],
)
def test_a_token_goes_to_github_only(changes: dict[str, str], good: bool) -> None:
    if good:
        assert from_environment({**ENVIRON, **changes}) is not None
        return
    with pytest.raises(NoPullRequest) as fault:
        from_environment({**ENVIRON, **changes})
    assert TOKEN not in str(fault.value)


@pytest.mark.parametrize(
    ("api", "token"),
    [("https://api.github.com", TOKEN), ("http://127.0.0.1:9", "loopback")],
)
def test_the_token_is_put_on_at_the_last_moment(api: str, token: str) -> None:
    with open_pulls(Repository(name="acme/specs", api=api, token=TOKEN)) as pulls:
        request = pulls._client.build_request("GET", PATH)
        assert "authorization" not in request.headers
        (signed,) = pulls._client.auth.auth_flow(request)  # type: ignore[union-attr]
        assert signed.headers["authorization"] == f"Bearer {token}"


def test_no_change_can_end_its_fence_or_fill_the_page() -> None:
    change = Difference(address="```\n@everyone <!-- ::error::", what="added", after="`" * 50)
    body = pull_body("prod", [change])
    fence = "`" * 51
    assert f"{fence}text" in body and body.rstrip().endswith(fence)
    assert body.index("@everyone") > body.index(fence), "data is in the fence only"
    assert "\n@everyone" not in body
    long = [Difference(address="a" * 63, what="added", key=str(n)) for n in range(5000)]
    assert len(pull_body("prod", long)) < 65_000
    assert "more changes" in pull_body("prod", long)
