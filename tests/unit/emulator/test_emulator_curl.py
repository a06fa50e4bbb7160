import os
import shlex
import subprocess

import pytest

from tests.unit.emulator.bench import PARENT, Bench
from tuneops.emulator.curl import curl_line, google_url
from tuneops.emulator.request_log import RecordedRequest


def recorded(**changes):
    fields = {
        "at": "2026-11-20T09:00:00+00:00",
        "method": "GET",
        "path": f"/v1/{PARENT}/tuningJobs",
        "headers": {},
        "authorized": False,
        "body": b"",
        "size": len(changes.get("body", b"")),
        "status": 200,
    }
    return RecordedRequest(**{**fields, **changes})


@pytest.mark.parametrize(
    ("path", "url"),
    [
        (f"/v1/{PARENT}/tuningJobs", "https://us-central1-aiplatform.googleapis.com"),
        ("/v1/projects/p/locations/eu/endpoints", "https://aiplatform.eu.rep.googleapis.com"),
        ("/v1/projects/p/locations/global/models", "https://aiplatform.googleapis.com"),
        ("/v1/projects/p/locations", "https://aiplatform.googleapis.com"),
        ("/storage/v1/b/x/o", "https://storage.googleapis.com"),
    ],
)
def test_lines_ask_google_itself(path, url):
    assert google_url(path) == url
    assert curl_line(recorded(path=path)) == f"curl {url}{path}"


def test_a_line_survives_the_shell():
    body = b'{"text": "it\'s $HOME `x` \\" \n"}'
    line = curl_line(
        recorded(
            method="POST",
            path="/v1/x?filter=a%3D%22b%22&pageSize=1",
            headers={"Content-Type": "application/json; charset=utf-8"},
            authorized=True,
            body=body,
        ),
        "http://127.0.0.1:8085/",
    )
    script = f'gcloud() {{ echo TOKEN; }}; curl() {{ printf "%s\\0" "$@"; }}; {line}'
    seen = subprocess.run(["sh", "-c", script], capture_output=True, env=dict(os.environ)).stdout
    assert seen.decode().split("\0")[:-1] == [
        "-X",
        "POST",
        "http://127.0.0.1:8085/v1/x?filter=a%3D%22b%22&pageSize=1",
        "-H",
        "Authorization: Bearer TOKEN",
        "-H",
        "Content-Type: application/json; charset=utf-8",
        "--data-binary",
        body.decode(),
    ]


@pytest.mark.parametrize(
    ("body", "size"), [(b"x" * 10, 99), (b"\xff\xfe", 2), (b"a\0b", 3), (b"@/etc/hosts", 11)]
)
def test_bodies_that_no_line_can_hold_come_from_a_file(body, size):
    assert curl_line(recorded(body=body, size=size)).endswith("--data-binary @BODY")


def test_a_real_request_as_a_line(bench: Bench):
    bench.ask("POST", f"{PARENT}/tuningJobs", {"baseModel": "it's"})
    words = shlex.split(curl_line(bench.emulator.requests(1)[0]))
    assert words[:3] == ["curl", "-X", "POST"]
    assert words[-1] == '{"baseModel": "it\'s"}'
