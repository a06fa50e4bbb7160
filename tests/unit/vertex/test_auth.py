import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tuneops.errors import Denied, NoCredentials, TuneopsError, Unavailable
from tuneops.vertex.auth import Exchange, GoogleAuth, LoopbackAuth, application_default

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
GOOGLE = "https://us-central1-aiplatform.googleapis.com/v1/x"


def now() -> datetime:
    return NOW


class Login:
    """Credentials as google-auth has them: the expiry is UTC without saying so."""

    def __init__(self, lifetime: timedelta | None = timedelta(hours=1)) -> None:
        self.token: str | None = None
        self.expiry: datetime | None = None
        self.quota_project_id: str | None = None
        self.lifetime = lifetime
        self.refreshes = 0
        self.fault: Exception | None = None

    def refresh(self, request: Exchange, /) -> None:
        self.refreshes += 1
        if self.fault:
            raise self.fault
        self.token = f"ya29.secret-{self.refreshes}"
        self.expiry = (NOW + self.lifetime).replace(tzinfo=None) if self.lifetime else None


class Google:
    def __init__(self) -> None:
        self.seen: list[httpx.Request] = []
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return httpx.Response(self.status, json={})


@pytest.fixture
def google() -> Google:
    return Google()


@pytest.fixture
def login() -> Login:
    return Login()


@pytest.fixture
def client(google: Google, login: Login) -> Iterator[httpx.Client]:
    with httpx.Client(transport=httpx.MockTransport(google)) as plain:
        auth = GoogleAuth(login, Exchange(plain), now)
        with httpx.Client(transport=httpx.MockTransport(google), auth=auth) as client:
            yield client


def test_the_token_is_fetched_once_and_put_on(
    client: httpx.Client, google: Google, login: Login
) -> None:
    login.quota_project_id = "acme"
    for _ in range(3):
        client.get(GOOGLE)
    assert login.refreshes == 1
    assert {request.headers["Authorization"] for request in google.seen} == {"Bearer ya29.secret-1"}
    assert google.seen[0].headers["x-goog-user-project"] == "acme"


def test_no_quota_project_no_header(client: httpx.Client, google: Google) -> None:
    client.get(GOOGLE)
    assert "x-goog-user-project" not in google.seen[0].headers


@pytest.mark.parametrize(("minutes", "reads", "writes"), [(3, 3, 3), (7, 1, 3), (11, 1, 1)])
def test_a_token_that_dies_soon_is_renewed(
    minutes: int, reads: int, writes: int, client: httpx.Client, login: Login
) -> None:
    login.lifetime = timedelta(minutes=minutes)
    client.get(GOOGLE)
    client.get(GOOGLE)
    client.get(GOOGLE)
    assert login.refreshes == reads
    login.token, login.refreshes = None, 0
    for _ in range(3):
        client.post(GOOGLE)
    assert login.refreshes == writes


def test_a_token_without_expiry_lives(client: httpx.Client, login: Login) -> None:
    login.lifetime = None
    client.post(GOOGLE)
    client.post(GOOGLE)
    assert login.refreshes == 1


def test_a_401_drops_the_token_but_sends_nothing_again(
    client: httpx.Client, google: Google, login: Login
) -> None:
    google.status = 401
    assert client.post(GOOGLE).status_code == 401
    assert len(google.seen) == login.refreshes == 1
    google.status = 200
    client.post(GOOGLE)
    assert login.refreshes == 2
    client.post(GOOGLE)
    assert login.refreshes == 2
    assert google.seen[-1].headers["Authorization"] == "Bearer ya29.secret-2"


@pytest.mark.parametrize(
    "url",
    [
        "http://us-central1-aiplatform.googleapis.com/v1/x",
        "https://aiplatform.googleapis.com.evil.tld/",
        "https://evil.tld/aiplatform.googleapis.com",
        "https://evilgoogleapis.com/",
        "https://googleapis.com/",
        "https://user@aiplatform.googleapis.com/",
        "https://aiplatform.googleapis.com:8443/",
        "https://aiplatform.googleap\u0456s.com/",
        "http://127.0.0.1:8085/",
        "http://localhost/",
    ],
)
def test_the_token_goes_to_google_only(
    url: str, client: httpx.Client, google: Google, login: Login
) -> None:
    with pytest.raises(Denied) as caught:
        client.get(url)
    assert google.seen == []
    assert login.refreshes == 0
    assert "ya29" not in str(caught.value)


def test_no_token_reaches_words_or_reprs(client: httpx.Client) -> None:
    response = client.get(GOOGLE)
    for shown in (client.auth, response, response.request, response.request.headers):
        assert "ya29" not in repr(shown)


def test_the_emulator_s_bearer_stays_here() -> None:
    google = Google()
    with httpx.Client(transport=httpx.MockTransport(google), auth=LoopbackAuth()) as client:
        client.get("http://127.0.0.1:8085/v1/x")
        assert google.seen[0].headers["Authorization"] == "Bearer emulator"
        with pytest.raises(Denied):
            client.get(GOOGLE)
    assert len(google.seen) == 1


def refresh_error() -> Exception:
    from google.auth.exceptions import RefreshError

    return RefreshError("invalid_grant: Bad Request", {"error": "invalid_grant"})


def transport_error() -> Exception:
    from google.auth.exceptions import TransportError

    return TransportError("no route")


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (refresh_error, NoCredentials),
        (transport_error, Unavailable),
        (lambda: Denied("no"), Denied),
        (lambda: KeyError("access_token"), NoCredentials),
    ],
)
def test_a_login_that_fails(
    fault: Callable[[], Exception],
    seen: type[TuneopsError],
    client: httpx.Client,
    google: Google,
    login: Login,
) -> None:
    login.fault = fault()
    with pytest.raises(seen):
        client.get(GOOGLE)
    assert google.seen == []


# --- application default credentials, with google-auth itself ------------------------------------


def user_file(path: Path, **changes: str) -> Path:
    fields = {
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "cs",
        "refresh_token": "rt",
        "quota_project_id": "acme",
    }
    path.write_text(json.dumps(fields | changes))
    return path


def test_a_login_found_by_google_s_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(user_file(tmp_path / "adc.json")))
    posted: list[httpx.Request] = []

    def token(request: httpx.Request) -> httpx.Response:
        request.read()
        posted.append(request)
        return httpx.Response(200, json={"access_token": "ya29.real", "expires_in": 3600})

    with httpx.Client(transport=httpx.MockTransport(token)) as exchange:
        auth = application_default("prod", Exchange(exchange), lambda: datetime.now(UTC))
        google = Google()
        with httpx.Client(transport=httpx.MockTransport(google), auth=auth) as client:
            client.get(GOOGLE)
            client.post(GOOGLE)
    assert {request.headers["Authorization"] for request in google.seen} == {"Bearer ya29.real"}
    assert google.seen[0].headers["x-goog-user-project"] == "acme"
    assert [str(request.url) for request in posted] == ["https://oauth2.googleapis.com/token"]


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"type": "unknown"}'])
def test_no_login(content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "adc.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with (
        httpx.Client(transport=httpx.MockTransport(Google())) as exchange,
        pytest.raises(NoCredentials) as caught,
    ):
        application_default("prod", Exchange(exchange), now)
    assert caught.value.message == "no Google login found for environment `prod`"
    assert caught.value.help is not None
    assert caught.value.help.splitlines() == [
        "on your machine:   gcloud auth application-default login",
        "in GitHub Actions: google-github-actions/auth before this step",
        "to try without:    tuneops --env local plan",
    ]


@pytest.mark.parametrize(
    "token_url",
    [
        "https://evil.tld/token",
        "http://oauth2.googleapis.com/token",
        "https://accounts.google.com.x",
    ],
)
def test_an_identity_is_posted_to_google_only(token_url: str) -> None:
    evil = Google()
    with httpx.Client(transport=httpx.MockTransport(evil)) as plain, pytest.raises(Denied):
        Exchange(plain)(token_url, method="POST", body=b"assertion=secret")
    assert evil.seen == []


def test_what_google_auth_is_given() -> None:
    from google.auth.exceptions import TransportError

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/down":
            raise httpx.ConnectError("refused")
        return httpx.Response(404, headers={"Metadata-Flavor": "Google"}, content=b"no")

    with httpx.Client(transport=httpx.MockTransport(answer)) as plain:
        exchange = Exchange(plain)
        found = exchange("http://169.254.169.254/", headers={"a": "b"}, timeout=3, unknown=1)
        assert (found.status, found.data) == (404, b"no")
        assert found.headers["metadata-flavor"] == "Google"
        for url in ("http://169.254.169.254/down", "http://x:port/"):
            with pytest.raises(TransportError):
                exchange(url)


def test_the_provider_does_not_pay_for_google_auth() -> None:
    code = "import sys, tuneops.vertex.provider, tuneops.vertex.auth, tuneops.gcs.objects;"
    code += (
        "print([name for name in sys.modules if name.startswith(('google.auth', 'google.oauth2'))])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert shown.stdout.strip() == "[]"
