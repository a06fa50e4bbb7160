"""Who we are: google-auth as an `httpx.Auth`, and who may see the token.

The token is put on a request at the last moment and only on its way to `https://*.googleapis.com`;
every other place is refused, loudly, and there is no switch for that. google-auth is imported
when a login is looked for, not before.
"""

import contextlib
import json
import os
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx

from tuneops.errors import Denied, NoCredentials, TuneopsError, Unavailable
from tuneops.http.answers import cap
from tuneops.http.hosts import is_google, is_loopback
from tuneops.http.reading import spoken
from tuneops.vertex.secrecy import Secrets

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

_READ_MARGIN = timedelta(minutes=4)
_WRITE_MARGIN = timedelta(minutes=10)
"""How long a token must still live: a create must not lose it on its way."""

_LOGIN_HELP = """\
on your machine:   gcloud auth application-default login
in GitHub Actions: google-github-actions/auth before this step
to try without:    tuneops --env local plan"""

_ADDRESSES = frozenset(
    ("token_url", "token_uri", "token_info_url", "service_account_impersonation_url")
)
"""The fields of a credential file that name a place to send an identity to."""

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
    data: bytes = field(repr=False)


class Exchange:
    """`google.auth.transport.Request` over httpx, since `requests` is no dependency of ours.

    An identity is posted to Google only, wherever a credential file would have it sent: Google
    asks for such files to be checked before use. `secrets` knows what passed.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.secrets = Secrets()

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
            raise _foreign(url)
        self.secrets.learn(body, headers)
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
            raise TransportError(spoken(error)) from None  # type: ignore[no-untyped-call]
        if _takes_identities(url):
            self.secrets.learn(response.content, None)
        else:
            self.secrets.learn_all(response.content)
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
        except Exception as error:  # its own text, and those that led to it, may hold secrets
            raise _login_fault(error, self._exchange.secrets) from None


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
    """The login that Google's tools would use here; NoCredentials names the environment.

    Denied when its file would send an identity, or a token, elsewhere than to Google. A login that
    is found in a file is not used yet: the first request will.
    """
    from google.auth.credentials import with_scopes_if_required

    try:
        file = _credential_file()
        credentials = with_scopes_if_required(  # type: ignore[no-untyped-call]
            _default(exchange) if file is None else _loaded(file, exchange), [SCOPE]
        )
        addresses = [] if file is None else list(_found_in(json.loads(file.read_bytes())))
    except TuneopsError:
        raise
    except Exception as error:  # a credential file may be wrong in ways that google-auth never saw
        raise NoCredentials(
            f"no Google login found for environment `{environment}`",
            notes=(_said(error, exchange.secrets),),
            help=_LOGIN_HELP,
        ) from None
    for address in addresses:
        if not _takes_identities(address):
            raise _foreign(address)
    return GoogleAuth(credentials, exchange, now)


def _credential_file() -> Path | None:
    """The file that google-auth would read; None where it would ask the machine."""
    from google.auth import _cloud_sdk, environment_vars

    if given := os.environ.get(environment_vars.CREDENTIALS):
        return Path(given)
    usual = Path(_cloud_sdk.get_application_default_credentials_path())  # type: ignore[no-untyped-call]
    return usual if usual.is_file() else None


def _loaded(file: Path, exchange: Exchange) -> Any:
    """The login of a file, which nothing is asked for.

    `google.auth.default` would import `requests` for a federated one and use it at once, to ask
    for its project, and run gcloud for a user's.
    """
    import google.auth

    with warnings.catch_warnings():  # it warns of files from elsewhere: `_found_in` checks them
        warnings.simplefilter("ignore")
        return google.auth.load_credentials_from_file(str(file), request=exchange)[0]  # type: ignore[no-untyped-call]


def _default(exchange: Exchange) -> Any:
    import google.auth

    return google.auth.default(request=exchange)[0]  # type: ignore[arg-type]


def _found_in(value: object) -> Iterator[str]:
    """Where a credential file would send identities."""
    for name, item in value.items() if isinstance(value, dict) else ():
        if isinstance(item, str) and name in _ADDRESSES:
            yield item
        elif isinstance(item, str) and name == "universe_domain":
            yield f"https://iamcredentials.{item}"
        yield from _found_in(item)


def _foreign(url: str) -> Denied:
    return Denied(
        f"the credential file would send your identity to `{_host(url)}`",
        help="its token and impersonation addresses must be below googleapis.com",
    )


def _login_fault(error: Exception, secrets: Secrets) -> TuneopsError:
    from google.auth.exceptions import GoogleAuthError, TransportError

    said = _said(error, secrets)
    if isinstance(error, TransportError) or getattr(error, "retryable", False):
        return Unavailable(f"Google's login did not answer: {said}")
    if isinstance(error, GoogleAuthError):
        return NoCredentials("Google does not accept this login", notes=(said,), help=_LOGIN_HELP)
    return NoCredentials(
        f"the Google login failed: {type(error).__name__}", notes=(said,), help=_LOGIN_HELP
    )


def _said(error: Exception, secrets: Secrets) -> str:
    """What google-auth says, and the service's reason if only its second word has that."""
    first, *rest = [str(word) for word in error.args] or [type(error).__name__]
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError, IndexError):
        first = f"{first}: {json.loads(rest[0])['error']['message']}"
    return cap(secrets.hide(first))


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
