"""A world in which somebody logs in: Google, somebody else's identities, and credential files."""

import json
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.google import (
    CLIENT_SECRET,
    IAM,
    LOGIN,
    REFRESH_TOKEN,
    REQUEST_TOKEN,
    STS,
    SUBJECT,
    VERTEX,
    Authority,
    Detour,
    Google,
    Seen,
)
from tuneops.errors import TuneopsError
from tuneops.http.waiting import Waiting
from tuneops.vertex.auth import Exchange, GoogleAuth, application_default
from tuneops.vertex.provider import VertexProvider

VERTEX_URL = f"https://{VERTEX}"
JOB = "projects/acme-ml/locations/us-central1/tuningJobs/7"
WAITING = Waiting(sleep=lambda _: None)

WAYS = {
    "service account": [LOGIN],
    "user": [LOGIN],
    "impersonated by a user": [LOGIN, IAM],
    "impersonated by an account": [LOGIN, IAM],
    "federated by a file": [STS],
    "federated by a JSON file, impersonated": [STS, IAM],
    "federated by a URL": [STS],
    "federated by a URL, impersonated": [STS, IAM],
}
"""Whom a login of each kind asks before Vertex."""


@dataclass
class World:
    """Google, an identity provider of somebody else's, and credential files for both."""

    google: Google
    trusted: Authority
    folder: Path
    files: dict[str, dict[str, Any]]
    asked: list[Seen]
    """What the identity provider received."""

    def use(self, kind: str, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        file = self.folder / "credentials.json"
        file.write_text(json.dumps(self.files[kind] | changes))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    def open(self, auth: httpx.Auth | None = None) -> httpx.Client:
        detour = Detour(self.google.port, self.trusted.client)
        return httpx.Client(transport=detour, base_url=VERTEX_URL, auth=auth)

    def login(self, client: httpx.Client) -> tuple[GoogleAuth, Exchange]:
        exchange = Exchange(client)
        return application_default("prod", exchange, lambda: datetime.now(UTC)), exchange


@dataclass
class Session:
    """A provider that is logged in."""

    world: World
    auth: GoogleAuth
    exchange: Exchange
    provider: VertexProvider


def shown(error: BaseException) -> str:
    parts = [repr(error), str(error), "".join(traceback.format_exception(error))]
    if isinstance(error, TuneopsError):
        parts += [error.message, *error.notes, error.help or "", repr(error.as_diagnostic())]
    return "\n".join(parts)


def assert_silent(text: str, world: World, *more: str) -> None:
    lines = world.files["service account"]["private_key"].splitlines()[1:-1]
    secrets = (REFRESH_TOKEN, CLIENT_SECRET, SUBJECT, REQUEST_TOKEN, "canary-password")
    for secret in (*secrets, *lines, *world.google.issued, *more):
        assert secret not in text
