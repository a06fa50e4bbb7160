"""Where the services live, and whether the place is ours to play with.

A place is either Google's (https, below googleapis.com) or this machine's (loopback); there is
no third kind, and only the first ever sees a token. Source of the hosts: v1 discovery document;
`us` and `eu` have hosts of their own form, and there is none for `global`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tuneops.errors import Denied
from tuneops.http.hosts import is_google, is_loopback

VERTEX_VARIABLE = "GOOGLE_VERTEX_BASE_URL"
STORAGE_VARIABLE = "STORAGE_EMULATOR_HOST"

_LOCATION = re.compile(r"[a-z]+(-[a-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A base URL without a trailing slash; `origin` is the variable that named it, or empty."""

    url: str
    origin: str = ""

    @property
    def loopback(self) -> bool:
        """Say whether this is the user's own machine: then no credentials are used at all."""
        return is_loopback(urlsplit(self.url).hostname or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The two services that a run talks to: both Google's, or both on loopback."""

    vertex: Endpoint
    storage: Endpoint


def endpoints(location: str, environment: Mapping[str, str]) -> Endpoints:
    """The services of a location, or those that the environment names instead.

    One loopback address serves for both when the other is not given: a pretended service must
    not read from, or write to, a real bucket. Denied: a place that is neither Google's nor ours.
    """
    vertex = _given(VERTEX_VARIABLE, environment)
    storage = _given(STORAGE_VARIABLE, environment)
    if vertex is not None and vertex.loopback and storage is None:
        storage = vertex
    if storage is not None and storage.loopback and vertex is None:
        vertex = storage
    chosen = Endpoints(
        vertex=vertex or Endpoint(url=vertex_url(location)),
        storage=storage or Endpoint(url="https://storage.googleapis.com"),
    )
    if chosen.vertex.loopback != chosen.storage.loopback:
        raise Denied(
            f"`{VERTEX_VARIABLE}` and `{STORAGE_VARIABLE}` must both be Google's or both loopback"
        )
    return chosen


def vertex_url(location: str) -> str:
    """Google's own base URL for a location; Denied for one that tuning cannot have."""
    if location == "global" or not _LOCATION.fullmatch(location):
        raise Denied(f"tuning has no location `{location}`")
    if location in ("us", "eu"):
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def _given(variable: str, environment: Mapping[str, str]) -> Endpoint | None:
    text = environment.get(variable, "").strip()
    if not text:
        return None
    url = (text if "://" in text else f"http://{text}").rstrip("/")
    if not is_google(url) and not _is_ours(url):
        raise Denied(
            f"`{variable}` is neither a loopback address nor below googleapis.com",
            help="a token is sent to Google only; use http://127.0.0.1:PORT for the emulator",
        )
    return Endpoint(url=url, origin=variable)


def _is_ours(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - a bad port is found only when it is asked for
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    return parts.scheme in ("http", "https") and plain and is_loopback(parts.hostname or "")
