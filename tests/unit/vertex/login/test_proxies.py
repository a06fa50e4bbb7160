"""Our clients on their way to Google: through proxies, under certificates, without `requests`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.google import IAM, LOGIN, STS, VERTEX, Proxy, proxied, served
from tests.support.logins import JOB, VERTEX_URL, WAITING, WAYS, World, assert_silent, shown
from tuneops.errors import Rejected, Unavailable
from tuneops.http.reading import _trusted, open_client, open_exchange
from tuneops.vertex.auth import LoopbackAuth
from tuneops.vertex.provider import VertexProvider

Make = Callable[..., Any]


@pytest.fixture
def proxy(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxied(world.google.port) as proxy:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(world.trusted.file))
        yield proxy


CHILD = """\
import importlib.abc, json, os, sys, traceback
from datetime import UTC, datetime

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("requests", "urllib3", "aiohttp"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
from tuneops.http.reading import _trusted, open_client, open_exchange
from tuneops.http.waiting import Waiting
from tuneops.vertex.auth import Exchange, application_default
from tuneops.vertex.provider import VertexProvider

url, job = sys.argv[1:3]
for file in sys.argv[3:]:
    os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = file
    with open_exchange() as plain:
        auth = application_default("prod", Exchange(plain), lambda: datetime.now(UTC))
        with open_client(url, auth) as client:
            provider = VertexProvider(
                client, project="acme-ml", location="us-central1",
                fresh=lambda: open_client(url, auth), waiting=Waiting(sleep=lambda _: None),
            )
            print(provider.get_job(job).state)
print(sorted({"requests", "urllib3", "aiohttp"} & set(sys.modules)))
"""


def test_as_in_production_without_requests(world: World, proxy: Proxy) -> None:
    names = []
    for number, content in enumerate(world.files.values()):
        names.append(world.folder / f"credentials-{number}.json")
        names[-1].write_text(json.dumps(content))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD, VERTEX_URL, JOB, *map(str, names)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["PENDING"] * len(names) + ["[]"]
    assert_silent(done.stdout, world)
    assert world.google.hosts() == [host for way in WAYS.values() for host in (*way, VERTEX)]
    assert set(proxy.targets) == {LOGIN, STS, IAM, VERTEX}
    assert all(head.startswith("CONNECT ") for head in proxy.heads)
    assert len(world.asked) == 2  # on this machine, and without the proxy


def test_a_proxy_is_used_for_google_and_never_for_loopback(world: World, proxy: Proxy) -> None:
    world.google.issued.append("emulator")
    with served(world.google.answer) as port:
        url = f"http://127.0.0.1:{port}"
        with open_client(url, LoopbackAuth()) as client:
            assert client.get("/7").status_code == 404
        with open_exchange() as client:
            assert client.get(f"{url}/7").status_code == 404
            assert client.get(f"http://localhost:{port}/7").status_code == 404
    assert proxy.heads == []
    with open_exchange() as client:
        assert client.get(VERTEX_URL).status_code == 401
    assert proxy.targets == [VERTEX]
    assert "proxy-authorization: basic " in proxy.heads[0].lower()


def test_a_proxy_that_refuses_is_named_without_its_password(
    world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, ask: Make
) -> None:
    proxy.refuse = True

    def client() -> httpx.Client:
        return open_client(VERTEX_URL, httpx.Auth())

    place = {"project": "acme-ml", "location": "us-central1"}
    with client() as shared:
        provider = VertexProvider(shared, **place, fresh=client, waiting=WAITING)
        with pytest.raises(Unavailable) as unread:
            provider.get_job(JOB)
        with pytest.raises(Rejected) as unsent:
            provider.create_job(ask())
    assert unsent.value.reason == "NOT_SENT"
    assert unsent.value.notes == ("no byte of the request left this machine",)
    for error in (unread.value, unsent.value):
        assert_silent(shown(error), world)
    monkeypatch.setenv("HTTPS_PROXY", "gopher://someone:canary-password@127.0.0.1:1")
    with pytest.raises(Unavailable, match="no connection can be set up") as unusable:
        client()
    assert_silent(shown(unusable.value), world)


@pytest.mark.parametrize("place", ["https://127.0.0.1", VERTEX_URL])
def test_certificates_are_believed_as_the_environment_says(
    place: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxied(world.google.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        url = f"{place}:{world.google.port}" if "127" in place else place
        with open_client(url, httpx.Auth()) as client, pytest.raises(httpx.ConnectError):
            client.get("/7")
        monkeypatch.setenv("SSL_CERT_FILE", str(world.trusted.file))
        with open_client(url, httpx.Auth()) as client:
            assert client.get("/7").status_code in (401, 404)
        assert proxy.targets == ([] if "127" in place else [VERTEX] * 2)


def test_certificates_are_read_once_for_all_clients(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(world.trusted.file))
    read: list[None] = []
    make = httpx.create_ssl_context
    monkeypatch.setattr(httpx, "create_ssl_context", lambda: read.append(None) or make())
    _trusted.cache_clear()
    for _ in range(3):
        open_client(VERTEX_URL, httpx.Auth()).close()
        open_exchange().close()
    assert len(read) == 1
    monkeypatch.delenv("SSL_CERT_FILE")
    open_exchange().close()
    assert len(read) == 2, "other settings are other certificates"


def test_certificates_that_are_not_there(
    world: World, monkeypatch: pytest.MonkeyPatch, ask: Make
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(world.folder / "none.pem"))
    for opened in (open_exchange, lambda: open_client(VERTEX_URL, httpx.Auth())):
        with pytest.raises(Unavailable, match="no connection can be set up") as caught:
            opened()
        assert caught.value.help is not None
        assert "SSL_CERT_FILE" in caught.value.help
