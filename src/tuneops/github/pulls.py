"""Open or refresh exactly one pull request from one branch to another.

GitHub allows one open pull request for a pair of branches, so whoever comes second refreshes it.
The token goes to the API's host and nowhere else.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from tuneops.errors import TuneopsError, Unavailable
from tuneops.http.answers import Answer, cap
from tuneops.http.hosts import is_loopback
from tuneops.http.reading import CALL_LIMIT, Reader, TooLarge, TooSlow, open_client, receive, spoken
from tuneops.http.waiting import Waiting

API = "https://api.github.com"
PRETENDED = "loopback"
"""What a fake on this machine is sent instead of a token."""

_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}", re.ASCII)
_HEADERS = {
    "accept": "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
    "user-agent": "tuneops",
}


class NoPullRequest(TuneopsError):
    """GitHub did not open the pull request; the branch holds the lock all the same."""

    code = "no-pull-request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository at GitHub, and a token that is never shown."""

    name: str
    api: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One open pull request."""

    number: int
    url: str
    how: Literal["opened", "refreshed", "is open"]


def from_environment(environ: Mapping[str, str]) -> Repository | None:
    """The repository that a workflow names; None without a token or a name.

    NoPullRequest when the API's address is none that a token may be sent to.
    """
    token = environ.get("GH_TOKEN") or environ.get("GITHUB_TOKEN")
    name = environ.get("GITHUB_REPOSITORY", "")
    if not token or not name:
        return None
    api = (environ.get("GITHUB_API_URL") or API).rstrip("/")
    if not _REPOSITORY.fullmatch(name) or not _is_api(api, environ.get("GITHUB_SERVER_URL", "")):
        raise NoPullRequest(
            "no pull request: GITHUB_REPOSITORY or GITHUB_API_URL is not GitHub's",
            notes=("no token was sent; the branch holds the lock",),
            help=f"leave them as the workflow sets them, such as `owner/name` and `{API}`",
        )
    return Repository(name=name, api=api, token=token)


def _is_api(url: str, server: str) -> bool:
    """Say whether a token may be sent there: to github.com, or to the server the run is on."""
    try:
        parts, home = urlsplit(url), urlsplit(server)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.username is not None or parts.query or parts.fragment:
        return False
    if is_loopback(host):
        return parts.scheme in ("http", "https")
    if parts.scheme != "https" or port not in (None, 443):
        return False
    if parts.path == "":
        return host == "api.github.com" or (host == f"api.{home.hostname}" and _is_cloud(host))
    return parts.path == "/api/v3" and home.scheme == "https" and host == home.hostname


def _is_cloud(host: str) -> bool:
    return host.endswith(".ghe.com")


class _Bearer(httpx.Auth):
    """Puts the token on a request at the last moment."""

    def __init__(self, repository: Repository) -> None:
        near = is_loopback(urlsplit(repository.api).hostname or "")
        self._token = PRETENDED if near else repository.token

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request


@contextlib.contextmanager
def open_pulls(repository: Repository) -> Iterator["Pulls"]:
    """The pull requests of a repository, for the length of a `with`."""
    with open_client(repository.api, _Bearer(repository)) as client:
        yield Pulls(client, repository.name)


class Pulls:
    """The pull requests of one repository."""

    def __init__(self, client: httpx.Client, name: str, waiting: Waiting | None = None) -> None:
        client.headers.update(_HEADERS)
        self._client = client
        self._waiting = waiting or Waiting()
        self._name = name
        self._path = f"/repos/{name}/pulls"

    def offer(self, head: str, base: str, title: str, body: str) -> Pull:
        """Have one open pull request from `head` to `base` with this text.

        NoPullRequest with GitHub's words when it refuses; Unavailable when it is not reached.
        """
        there = self._find(head, base)
        if there is None:
            answer = self._send("POST", self._path, head=head, base=base, title=title, body=body)
            if answer.status == 201:
                return self._pull(answer.document, "opened")
            there = self._find(head, base) if answer.status == 422 else None
            if there is None:
                raise self._refused(answer)
        number = there.get("number")
        if there.get("title") == title and _text(there.get("body")) == _text(body):
            return self._pull(there, "is open")
        answer = self._send("PATCH", f"{self._path}/{number}", title=title, body=body)
        if answer.status != 200:
            raise self._refused(answer)
        return self._pull(answer.document, "refreshed")

    def _find(self, head: str, base: str) -> dict[str, Any] | None:
        """The open pull request of these branches; asked as often as a read may be."""
        owner = self._name.partition("/")[0]
        query = {"state": "open", "head": f"{owner}:{head}", "base": base, "per_page": "2"}
        answer = Reader(self._client, self._waiting).get(self._path, query)
        if answer.status != 200 or not isinstance(answer.document, list):
            raise self._refused(answer)
        found = [one for one in answer.document if isinstance(one, dict)]
        return found[0] if found else None

    def _send(self, method: str, path: str, **fields: str) -> Answer:
        """One request that writes, sent once: GitHub itself allows no second pull request."""
        request = self._client.build_request(method, path, json=fields)
        until = self._waiting.monotonic() + CALL_LIMIT
        try:
            response = self._client.send(request, stream=True, follow_redirects=False)
            with contextlib.closing(response):
                return receive(response, self._waiting, until)
        except (httpx.RequestError, TooLarge, TooSlow) as error:
            raise Unavailable(
                f"{request.url.host} gave no usable answer: {spoken(error)}",
                notes=("the branch holds the lock; the next run opens its pull request",),
            ) from None

    def _pull(self, document: object, how: Literal["opened", "refreshed", "is open"]) -> Pull:
        fields = document if isinstance(document, dict) else {}
        number = fields.get("number")
        return Pull(
            number=number if isinstance(number, int) else 0,
            url=cap(str(fields.get("html_url") or f"{self._name}#{number}")),
            how=how,
        )

    def _refused(self, answer: Answer) -> NoPullRequest:
        document = answer.document if isinstance(answer.document, dict) else {}
        errors = document.get("errors")
        words = [str(document.get("message") or answer.beginning)]
        words += [
            str(one.get("message") if isinstance(one, dict) else one)
            for one in (errors if isinstance(errors, list) else [])[:5]
        ]
        return NoPullRequest(
            f"GitHub answered {answer.status}, so the lock's branch has no fresh pull request",
            notes=(*(cap(word) for word in words), "nothing is lost: the branch holds the lock"),
            help=_remedy(answer.status, " ".join(words)),
        )


def _remedy(status: int, words: str) -> str:
    if "not permitted to create" in words:
        return (
            "tick `Allow GitHub Actions to create and approve pull requests` under Settings, "
            "Actions, General of the repository (and of its organisation), or use an app's token"
        )
    if status in (401, 403, 404):
        return "give the job `pull-requests: write` and `GH_TOKEN: ${{ github.token }}`"
    return "open it by hand; the next run tries again"


def _text(body: object) -> str:
    """A body as GitHub gives it back: it may have changed the ends of lines."""
    return str(body or "").replace("\r\n", "\n").strip()
