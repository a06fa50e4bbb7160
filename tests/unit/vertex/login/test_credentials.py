"""Every kind of login, with google-auth itself, against a token service on loopback."""

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.google import IAM, IMPERSONATION, LOGIN, REQUEST_TOKEN, STS, VERTEX, Detour, Seen
from tests.support.logins import JOB, WAYS, World, assert_silent, shown
from tuneops.errors import Denied, NoCredentials, Rejected, Unavailable
from tuneops.vertex.auth import Exchanged

Make = Callable[..., Any]


@pytest.mark.parametrize("kind", WAYS)
def test_every_kind_of_login(kind: str, world: World, log_in: Make) -> None:
    session = log_in(kind)
    assert world.google.seen == []  # a login is used when it is needed
    assert session.provider.get_job(JOB) is not None
    assert session.provider.get_job(JOB) is not None
    assert world.google.hosts() == [*WAYS[kind], VERTEX, VERTEX]
    *_, first, second = world.google.seen
    assert first.bearer == second.bearer == world.google.issued[-1]
    quota = first.headers.get("x-goog-user-project")
    assert quota == world.files[kind].get("quota_project_id")


@pytest.mark.parametrize("kind", WAYS)
def test_the_token_reaches_google_only(kind: str, world: World, log_in: Make) -> None:
    log_in(kind).provider.get_job(JOB)
    assert len(world.asked) == ("URL" in kind)
    for seen in world.asked:
        assert seen.bearer == REQUEST_TOKEN
        assert not any(token in str(seen) for token in world.google.issued)
    for seen in world.google.seen:
        assert REQUEST_TOKEN not in str(seen)


FOREIGN: list[tuple[str, dict[str, Any]]] = [
    ("service account", {"token_uri": "https://evil.tld/token"}),
    ("service account", {"token_uri": f"http://{LOGIN}/token"}),
    ("service account", {"universe_domain": "evil.tld"}),
    ("user", {"token_uri": f"https://{LOGIN}.evil.tld/token"}),
    (
        "impersonated by a user",
        {"service_account_impersonation_url": IMPERSONATION.replace(IAM, "evil.tld")},
    ),
    ("federated by a file", {"token_url": "https://evil.tld/v1/token"}),
    ("federated by a file", {"token_url": f"https://{STS}:8443/v1/token"}),
    ("federated by a file", {"universe_domain": "evil.tld"}),
    ("federated by a URL", {"token_url": f"https://user@{STS}/v1/token"}),
    ("federated by a URL", {"service_account_impersonation_url": "https://127.0.0.1/x"}),
    ("federated by a URL", {"token_info_url": "https://evil.tld/v1/introspect"}),
]


@pytest.mark.parametrize(("kind", "changes"), FOREIGN)
def test_a_file_that_points_elsewhere_is_refused_before_anything_is_sent(
    kind: str, changes: dict[str, Any], world: World, log_in: Make
) -> None:
    with pytest.raises(Denied, match="would send your identity to"):
        log_in(kind, **changes)
    assert world.google.seen == []
    assert world.asked == []


def test_so_is_one_whose_source_points_elsewhere(world: World, log_in: Make) -> None:
    source = world.files["user"] | {"token_uri": "https://evil.tld/token"}
    with pytest.raises(Denied, match=r"evil\.tld"):
        log_in("impersonated by a user", source_credentials=source)
    assert world.google.seen == []


# --- tokens that end -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WAYS)
def test_a_read_is_repeated_once_with_a_new_token(kind: str, world: World, log_in: Make) -> None:
    provider = log_in(kind).provider
    provider.get_job(JOB)
    world.google.revoked.update(world.google.issued)
    world.google.seen.clear()
    assert provider.get_job(JOB) is not None
    hosts = world.google.hosts()
    assert (hosts[0], hosts[-1], hosts.count(VERTEX)) == (VERTEX, VERTEX, 2)
    assert world.google.seen[-1].bearer == world.google.issued[-1]


def test_a_read_is_not_repeated_for_ever(world: World, log_in: Make) -> None:
    provider = log_in("service account").provider
    world.google.refuse = lambda seen: (
        (401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
        if seen.host == VERTEX
        else None
    )
    with pytest.raises(Rejected) as caught:
        provider.get_job(JOB)
    assert caught.value.status == 401
    assert world.google.hosts() == [LOGIN, VERTEX, LOGIN, VERTEX]


@pytest.mark.parametrize("kind", WAYS)
def test_a_create_takes_a_token_that_lives_on(
    kind: str, world: World, log_in: Make, ask: Make
) -> None:
    provider = log_in(kind).provider
    world.google.lifetimes = [500] * len(WAYS[kind])
    provider.get_job(JOB)
    provider.get_job(JOB)
    short = world.google.issued[-1]
    provider.create_job(ask())
    *reads, create = (seen for seen in world.google.seen if seen.host == VERTEX)
    assert {seen.bearer for seen in reads} == {short}
    assert create.method == "POST"
    assert create.bearer == world.google.issued[-1] != short


def test_a_create_is_never_repeated(world: World, log_in: Make, ask: Make) -> None:
    provider = log_in("service account").provider
    provider.get_job(JOB)
    world.google.revoked.update(world.google.issued)
    world.google.seen.clear()
    with pytest.raises(Rejected) as caught:
        provider.create_job(ask())
    assert (caught.value.status, caught.value.reason) == (401, "UNAUTHENTICATED")
    assert [(seen.host, seen.method) for seen in world.google.seen] == [(VERTEX, "POST")]
    provider.create_job(ask())
    assert world.google.hosts() == [VERTEX, LOGIN, VERTEX]


# --- what is said --------------------------------------------------------------------------------


def echo(seen: Seen) -> tuple[int, Any] | None:
    """A service that repeats what it was sent, in the words of all of Google's services."""
    if seen.host == VERTEX:
        return None
    words = f"rejected: {seen.body} {seen.headers}"
    if seen.host == IAM:
        return 403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": words}}
    form = httpx.QueryParams(seen.body)
    words = " ".join(form.values())
    return 400, {"error": "invalid_grant", "error_description": f"rejected: {words}"}


@pytest.mark.parametrize("kind", WAYS)
@pytest.mark.parametrize("host", [LOGIN, STS, IAM])
def test_a_refused_login_shows_the_reason_and_no_secret(
    kind: str,
    host: str,
    world: World,
    log_in: Make,
    ask: Make,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if host not in WAYS[kind]:
        return
    caplog.set_level(logging.DEBUG)
    session = log_in(kind)
    world.google.refuse = lambda seen: echo(seen) if seen.host == host else None
    for call in (lambda: session.provider.get_job(JOB), lambda: session.provider.create_job(ask())):
        with pytest.raises(NoCredentials) as caught:
            call()
        assert any("rejected: " in note for note in caught.value.notes)
        text = shown(caught.value)
        assertions = [
            value
            for seen in world.google.seen
            for name, value in httpx.QueryParams(seen.body).items()
            if name == "assertion"
        ]
        assert_silent(text, world, *assertions)
    out, err = capfd.readouterr()
    assert_silent(out + err + caplog.text, world, *assertions)
    assert VERTEX not in world.google.hosts()


@pytest.mark.parametrize("kind", WAYS)
def test_a_good_login_shows_no_secret(
    kind: str, world: World, log_in: Make, ask: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    session = log_in(kind)
    session.provider.create_job(ask())
    answer = Exchanged(status=200, headers={}, data=world.google.issued[0].encode())
    seen = (session.auth, session.exchange, session.exchange.secrets, session.provider, answer)
    assert_silent(caplog.text + repr(seen) + "".join(map(str, seen)), world)
    assert len(caplog.records) > 10


@pytest.mark.parametrize(
    "changes",
    [{"private_key": "-----BEGIN PRIVATE KEY-----\ncanary\n"}, {"private_key": ""}, {"type": 1}],
)
def test_a_broken_file_shows_no_secret(changes: dict[str, Any], world: World, log_in: Make) -> None:
    with pytest.raises(NoCredentials) as caught:
        log_in("service account", **changes)
    assert_silent(shown(caught.value), world, "canary")


def test_a_token_service_that_is_not_there(world: World, log_in: Make) -> None:
    session = log_in("service account")
    world.google.port = 1
    with httpx.Client(transport=Detour(1, world.trusted.client)) as dead:
        session.exchange._client = dead
        with pytest.raises(Unavailable, match="Google's login did not answer") as caught:
            session.provider.get_job(JOB)
    assert_silent(shown(caught.value), world)
