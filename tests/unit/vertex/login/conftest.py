import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.google import (
    SUBJECT,
    Authority,
    Google,
    Seen,
    authority,
    credential_files,
    served,
)
from tests.support.logins import WAITING, Session, World
from tuneops.vertex.provider import VertexProvider

if TYPE_CHECKING:
    import httpx


@pytest.fixture(scope="session")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own settings takes part."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("SSL_CERT", "GOOGLE_", "GCLOUD")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-such-folder"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def world(trusted: Authority, key: rsa.RSAPrivateKey, tmp_path: Path) -> Iterator[World]:
    google = Google(key)
    asked: list[Seen] = []

    def identify(seen: Seen) -> tuple[int, Any]:
        asked.append(seen)
        return 200, {"id_token": SUBJECT}

    with served(google.answer, trusted.server) as google.port, served(identify) as near:
        files = credential_files(google, tmp_path, f"http://127.0.0.1:{near}/token")
        yield World(google, trusted, tmp_path, files, asked)


@pytest.fixture
def log_in(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Session]]:
    closing: list[httpx.Client] = []

    def make(kind: str, **changes: Any) -> Session:
        world.use(kind, monkeypatch, **changes)
        closing.append(world.open())
        auth, exchange = world.login(closing[0])
        closing.append(world.open(auth))
        provider = VertexProvider(
            closing[1],
            project="acme-ml",
            location="us-central1",
            fresh=lambda: world.open(auth),
            waiting=WAITING,
        )
        return Session(world, auth, exchange, provider)

    yield make
    for client in closing:
        client.close()
