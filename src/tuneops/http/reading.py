"""Requests that are safe to repeat, and reading any answer within bounds of size and time.

Nothing here may be used for the one request that is not safe to repeat.
"""

import contextlib
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from functools import cache

import httpx

from tuneops.errors import Unavailable
from tuneops.http.answers import Answer, asked_delay, cap, oddity
from tuneops.http.hosts import is_loopback
from tuneops.http.waiting import PATIENCE, TRIES, Waiting
from tuneops.redaction import hide, without
from tuneops.strict import Malformed, decode

SIZE_LIMIT = 20_000_000
"""The largest body that is read, in bytes after decompression."""

CALL_LIMIT = 60.0
"""Seconds that one call may take in all, however slowly its bytes drip in."""

_READ_TIMEOUT, _CONNECT_TIMEOUT = 30.0, 10.0
_SHOWN = 200
_NEAR = tuple(
    f"all://{host}"
    for host in ("localhost", "127.0.0.1", "[::1]", "169.254.169.254", "metadata.google.internal")
)
"""This machine, and the metadata server that only this machine can ask."""


class TooLarge(Exception):
    """The body went past the limit and was not read further."""


class TooSlow(Exception):
    """The call went past its total time, though bytes kept coming."""


def open_client(base_url: str, auth: httpx.Auth, *, reuse: bool = True) -> httpx.Client:
    """A client with our manners: HTTP/1.1, no redirects; proxies from the environment.

    Without `reuse`, each request has a connection of its own: on a kept one, an answer that came
    twice is taken for the answer to the next request.

    A loopback address is never sent through a proxy. `SSL_CERT_FILE` and `SSL_CERT_DIR` say whom to
    believe, everywhere. Unavailable when these settings are unusable. The caller closes it.
    """
    loopback = is_loopback(httpx.URL(base_url).host)
    with _usable_settings():
        return httpx.Client(
            base_url=base_url,
            auth=auth,
            headers={} if reuse else {"Connection": "close"},
            timeout=httpx.Timeout(_READ_TIMEOUT, connect=_CONNECT_TIMEOUT),
            http2=False,
            follow_redirects=False,
            verify=_trust(),
            trust_env=not loopback,
        )


def open_exchange() -> httpx.Client:
    """A client for logins: as `open_client`, for any host; what is near is asked without a proxy.

    Unavailable when the settings of the environment are unusable. The caller closes it.
    """
    with _usable_settings():
        return httpx.Client(
            mounts=dict.fromkeys(_NEAR), http2=False, follow_redirects=False, verify=_trust()
        )


def _trust() -> ssl.SSLContext:
    """Whom to believe, as the environment says now; read once, since that takes some 20 ms."""
    return _trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _trusted(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


@contextlib.contextmanager
def _usable_settings() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        raise Unavailable(
            f"no connection can be set up: {_without_userinfo(spoken(error))}",
            help="look at HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
        ) from None


def _without_userinfo(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


def receive(response: httpx.Response, waiting: Waiting, until: float) -> Answer:
    """Read an open response to its end, or TooLarge or TooSlow. `until` is on `waiting`'s clock.

    What it repeats of the token that asked for it, as some proxies do, is hidden here.
    """
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > SIZE_LIMIT:
            raise TooLarge(f"answer larger than {SIZE_LIMIT // 1_000_000} MB, ignored")
        if waiting.monotonic() > until:
            raise TooSlow("the answer took too long to arrive")
    bearer = _bearer(response.request)
    content = without(bearer, bytes(body))
    document: object = None
    with contextlib.suppress(Malformed):
        document = decode(content)
    return Answer(
        host=response.request.url.host,
        status=response.status_code,
        headers={
            name.lower(): without(bearer, value.encode()).decode()
            for name, value in response.headers.items()
        },
        document=document,
        beginning=hide(content[: 4 * _SHOWN].decode("utf-8", "replace"))[:_SHOWN],
    )


class Reader:
    """Sends what may be sent twice, until there is an answer or patience ends (Unavailable)."""

    def __init__(self, client: httpx.Client, waiting: Waiting) -> None:
        self._client = client
        self._waiting = waiting

    def get(self, path: str, parameters: Mapping[str, str]) -> Answer:
        """GET a path; the answer may still be a refusal or a redirect, but it is not a hiccup."""
        return self._settle(self._client.build_request("GET", path, params=dict(parameters)))

    def post(self, path: str, body: Mapping[str, object] | None = None) -> Answer:
        """POST a body to a method whose repetition changes nothing; as `get`."""
        return self._settle(self._client.build_request("POST", path, json=body or {}))

    def delete(self, path: str) -> Answer:
        """DELETE a path; when the first answer was lost, the second may be a 404; as `get`."""
        return self._settle(self._client.build_request("DELETE", path))

    def patch(self, path: str, mask: str, body: Mapping[str, object]) -> Answer:
        """PATCH the fields of a mask to the same values however often it is sent; as `get`."""
        request = self._client.build_request("PATCH", path, params={"updateMask": mask}, json=body)
        return self._settle(request)

    def _settle(self, request: httpx.Request) -> Answer:
        end = self._waiting.monotonic() + PATIENCE
        failures, refreshed, trouble = 0, False, ""
        while failures < TRIES:
            asked: float | None = None
            try:
                answer = self._send(request, end)
            except TooLarge as error:
                raise Unavailable(f"{request.url.host}: {error}") from None
            except (httpx.RequestError, TooSlow) as error:
                trouble = spoken(error)
            else:
                if answer.status == 401 and not refreshed:
                    refreshed = True  # the credentials have dropped their token by now
                    continue
                if not _passing(answer):
                    return answer
                trouble, asked = oddity(answer), asked_delay(answer)
            failures += 1
            pause = self._waiting.pause(failures, asked)
            if failures == TRIES or self._waiting.monotonic() + pause > end:
                break
            self._waiting.sleep(pause)
        raise Unavailable(
            f"{request.url.host} gave no usable answer: {trouble}",
            notes=(f"tried {failures} times",),
        )

    def _send(self, request: httpx.Request, end: float) -> Answer:
        now = self._waiting.monotonic()
        until = min(end, now + CALL_LIMIT)
        request.extensions["timeout"] = _timeout(until - now)
        response = self._client.send(request, stream=True, follow_redirects=False)
        with contextlib.closing(response):
            return receive(response, self._waiting, until)


def _timeout(left: float) -> dict[str, float | None]:
    read = max(1.0, min(_READ_TIMEOUT, left))
    return httpx.Timeout(read, connect=min(_CONNECT_TIMEOUT, read)).as_dict()


def spoken(error: Exception) -> str:
    """A failure of the network in words; never the request, which carries the token.

    Some libraries quote a header that they do not like (h11): what it bears is hidden.
    """
    words = f"{type(error).__name__}: {error}".rstrip(": ")
    with contextlib.suppress(AttributeError, RuntimeError):  # httpx, where there is no request
        bearer = _bearer(error.request)  # type: ignore[attr-defined]
        words = without(bearer, words.encode("utf-8", "replace")).decode()
    return cap(words)


def _bearer(request: httpx.Request) -> str:
    """The token that a request bears; empty without one."""
    words: str = request.headers.get("authorization", "")
    return words.rpartition(" ")[2]


def _passing(answer: Answer) -> bool:
    """Say whether the trouble may be gone in a moment."""
    unreadable = answer.status == 200 and answer.document is None
    return answer.status in (408, 429) or answer.status >= 500 or unreadable
