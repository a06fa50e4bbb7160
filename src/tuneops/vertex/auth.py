"""Who we are: google-auth as an `httpx.Auth`, and who may see the token.

The token is put on a request at the last moment and only on its way to `https://*.googleapis.com`;
every other place is refused, loudly, and there is no switch for that. google-auth is imported
when a login is looked for, not before.
"""

import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx

from tuneops.errors import Denied, NoCredentials, TuneopsError, Unavailable
from tuneops.http.answers import cap
from tuneops.http.hosts import is_google, is_loopback
from tuneops.http.reading import spoken

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

_READ_MARGIN = timedelta(minutes=4)
_WRITE_MARGIN = timedelta(minutes=10)
"""How long a token must still live: a create must not lose it on its way."""

_LOGIN_HELP = """\
on your machine:   gcloud auth application-default login
in GitHub Actions: google-github-actions/auth before this step
to try without:    tuneops --env local plan"""

_TOKEN_ENDPOINTS = ("accounts.google.com",)
_EXCHANGE_TIMEOUT = 20.0
_LOOPBACK_TOKEN = "emulator"


class Credentials(Protocol):
    """The part of google-auth's credentials that is used. `expiry` is UTC without saying so."""

    token: str | None
    expiry: datetime | None

    def refresh(self, request: "Exchange", /) -> None:
        """Get a new token."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What google-auth reads of an answer (`google.auth.transport.Response`)."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Exchange:
    """`google.auth.transport.Request` over httpx, since `requests` is no dependency of ours.

    An identity is posted to Google only, wherever a credential file would have it sent: Google
    asks for such files to be checked before use.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> Exchanged:
        """Make one request for google-auth, which expects its own TransportError on failure."""
        from google.auth.exceptions import TransportError

        if method == "POST" and not _takes_identities(url):
            raise Denied(
                f"the credential file would send your identity to `{_host(url)}`",
                help="its token and impersonation addresses must be below googleapis.com",
            )
        try:
            response = self._client.request(
                method,
                url,
                content=body,
                headers=dict(headers or {}),
                timeout=timeout or _EXCHANGE_TIMEOUT,
                follow_redirects=False,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransportError(spoken(error)) from error  # type: ignore[no-untyped-call]
        return Exchanged(
            status=response.status_code, headers=response.headers, data=response.content
        )


class GoogleAuth(httpx.Auth):
    """Puts a living token on requests to Google, and refuses to put it on any other.

    A 401 makes it forget its token; whether the request may be sent again is the sender's to say.
    It may be shared by several clients.
    """

    def __init__(
        self, credentials: Credentials, exchange: Exchange, now: Callable[[], datetime]
    ) -> None:
        self._credentials = credentials
        self._exchange = exchange
        self._now = now
        self._rejected: str | None = None
        self._lock = threading.Lock()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See `httpx.Auth`. NoCredentials, Unavailable or Denied come before anything is sent."""
        if not is_google(str(request.url)):
            raise Denied(f"a Google token is never sent to `{request.url.host}`")
        token = self._token(_READ_MARGIN if request.method == "GET" else _WRITE_MARGIN)
        request.headers["Authorization"] = f"Bearer {token}"
        project = getattr(self._credentials, "quota_project_id", None)
        if project:
            request.headers["x-goog-user-project"] = str(project)
        response = yield request
        if response.status_code == 401:
            self._rejected = token

    def _token(self, margin: timedelta) -> str:
        with self._lock:
            token = self._credentials.token
            if not token or token == self._rejected or self._lifetime() < margin:
                self._refresh()
                token = self._credentials.token
        if not token:
            raise NoCredentials("the Google login gave no token", help=_LOGIN_HELP)
        return token

    def _lifetime(self) -> timedelta:
        expiry = self._credentials.expiry
        if expiry is None:
            return timedelta.max
        return expiry.replace(tzinfo=expiry.tzinfo or UTC) - self._now()

    def _refresh(self) -> None:
        try:
            self._credentials.refresh(self._exchange)
        except TuneopsError:
            raise
        except Exception as error:
            raise _login_fault(error) from error


class LoopbackAuth(httpx.Auth):
    """A fixed bearer that is no secret, for a service on this machine and for none elsewhere."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See `httpx.Auth`."""
        if not is_loopback(request.url.host):
            raise Denied(
                f"`{request.url.host}` is not this machine: the emulator's token is not for it"
            )
        request.headers["Authorization"] = f"Bearer {_LOOPBACK_TOKEN}"
        yield request


def application_default(
    environment: str, exchange: Exchange, now: Callable[[], datetime]
) -> GoogleAuth:
    """The login that Google's tools would use here; NoCredentials names the environment."""
    import google.auth

    try:
        found: Any = google.auth.default(scopes=[SCOPE], request=exchange)  # type: ignore[arg-type]
    except TuneopsError:
        raise
    except Exception as error:  # a credential file may be wrong in ways that google-auth never saw
        raise NoCredentials(
            f"no Google login found for environment `{environment}`",
            notes=(cap(str(error)),),
            help=_LOGIN_HELP,
        ) from error
    return GoogleAuth(found[0], exchange, now)


def _login_fault(error: Exception) -> TuneopsError:
    from google.auth.exceptions import GoogleAuthError, TransportError

    if isinstance(error, TransportError) or getattr(error, "retryable", False):
        return Unavailable(f"Google's login did not answer: {cap(str(error))}")
    if isinstance(error, GoogleAuthError):
        return NoCredentials(
            "Google does not accept this login", notes=(cap(str(error)),), help=_LOGIN_HELP
        )
    return NoCredentials(f"the Google login failed: {spoken(error)}", notes=(), help=_LOGIN_HELP)


def _takes_identities(url: str) -> bool:
    if is_google(url):
        return True
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme == "https" and parsed.host in _TOKEN_ENDPOINTS and parsed.port is None


def _host(url: str) -> str:
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return "an unreadable address"
