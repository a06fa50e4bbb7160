import pytest

from tuneops.errors import Denied
from tuneops.http.hosts import is_google, is_loopback
from tuneops.vertex.endpoints import endpoints, vertex_url

EMULATOR = "http://127.0.0.1:8085"


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
        ("us", "https://aiplatform.us.rep.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_locations(location: str, url: str) -> None:
    chosen = endpoints(location, {})
    assert chosen.vertex.url == url == vertex_url(location)
    assert chosen.storage.url == "https://storage.googleapis.com"
    assert not chosen.vertex.loopback
    assert is_google(url)


@pytest.mark.parametrize("location", ["global", "", "evil.tld/", "us central1", "US", "a/b", "x\n"])
def test_no_such_location(location: str) -> None:
    with pytest.raises(Denied):
        vertex_url(location)


@pytest.mark.parametrize(
    "environment",
    [
        {"GOOGLE_VERTEX_BASE_URL": EMULATOR + "/"},
        {"STORAGE_EMULATOR_HOST": "127.0.0.1:8085"},
        {"STORAGE_EMULATOR_HOST": EMULATOR, "GOOGLE_VERTEX_BASE_URL": EMULATOR},
    ],
)
def test_one_loopback_address_serves_for_both(environment: dict[str, str]) -> None:
    chosen = endpoints("us-central1", environment)
    assert chosen.vertex.url == chosen.storage.url == EMULATOR
    assert chosen.vertex.loopback
    assert chosen.storage.loopback
    assert chosen.vertex.origin in environment


def test_two_loopback_addresses() -> None:
    chosen = endpoints(
        "us-central1",
        {"GOOGLE_VERTEX_BASE_URL": EMULATOR, "STORAGE_EMULATOR_HOST": "http://[::1]:9000"},
    )
    assert (chosen.vertex.url, chosen.storage.url) == (EMULATOR, "http://[::1]:9000")


def test_a_private_address_of_google_s() -> None:
    url = "https://us-central1-aiplatform-acme.p.googleapis.com"
    chosen = endpoints("us-central1", {"GOOGLE_VERTEX_BASE_URL": url})
    assert chosen.vertex.url == url
    assert not chosen.vertex.loopback


@pytest.mark.parametrize(
    "url",
    [
        "http://evil",
        "https://evil.tld",
        "https://aiplatform.googleapis.com.evil.tld",
        "https://googleapis.com.evil.tld",
        "https://evilgoogleapis.com",
        "https://x@aiplatform.googleapis.com",
        "https://aiplatform.googleapis.com:8443",
        "http://aiplatform.googleapis.com",
        "https://aiplatform.googleapis.com\\@evil.tld",
        "https://aiplatform.g\u043e\u043egleapis.com",
        "http://10.0.0.5:9000",
        "http://0.0.0.0:9000",
        "http://127.0.0.1.evil.tld",
        "http://localhost.evil.tld",
        "http://user:pass@127.0.0.1:8085",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:8085/?x=1",
        "ftp://127.0.0.1",
        "http://[::1",
        "//evil",
    ],
)
def test_no_third_kind_of_place(url: str) -> None:
    assert not is_google(url)
    with pytest.raises(Denied):
        endpoints("us-central1", {"GOOGLE_VERTEX_BASE_URL": url})


def test_a_pretended_service_never_goes_with_a_real_bucket() -> None:
    with pytest.raises(Denied):
        endpoints(
            "us-central1",
            {
                "GOOGLE_VERTEX_BASE_URL": EMULATOR,
                "STORAGE_EMULATOR_HOST": "https://storage.googleapis.com",
            },
        )


@pytest.mark.parametrize(
    ("host", "ours"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("", False)],
)
def test_loopback(host: str, ours: bool) -> None:
    assert is_loopback(host) is ours
