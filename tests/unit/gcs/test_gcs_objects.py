import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneops.errors import NotFound, ProviderError, Rejected, TuneopsError, Unavailable
from tuneops.gcs.names import ObjectName
from tuneops.gcs.objects import GcsObjects
from tuneops.http.waiting import Waiting

URI = "gs://acme-tuning/tuneops/9f3c.jsonl"
CONTENT = b'{"contents": []}\n' * 1000


def checksum(content: bytes) -> str:
    return base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()


def storage_error(status: int, reason: str) -> httpx.Response:
    error = {"code": status, "message": reason, "errors": [{"reason": reason}]}
    return httpx.Response(status, json={"error": error})


class Bucket:
    """A bucket that keeps its promises, behind a network that does not.

    Faults are played in order, one an upload: a response, or an exception, is given instead of
    the answer; `stored` says whether the upload took effect all the same.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: list[httpx.Request] = []
        self.reads: list[httpx.Request] = []
        self.faults: list[tuple[bool, httpx.Response | Exception | None]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            self.reads.append(request)
            return self._show(httpx.URL(request.url).raw_path.decode().split("/o/")[1])
        body = b"".join(request.stream)  # type: ignore[arg-type]
        boundary = request.headers["Content-Type"].partition("boundary=")[2].encode()
        metadata, content = (
            part.partition(b"\r\n\r\n")[2] for part in body.split(b"\r\n--" + boundary)[:2]
        )
        assert json.loads(metadata)["crc32c"] == checksum(content), "the store is told"
        assert request.headers["Content-Length"] == str(len(body))
        self.uploads.append(request)
        stored, fault = self.faults.pop(0) if self.faults else (True, None)
        name = request.url.params["name"]
        answer = self._put(name, content) if stored else None
        if isinstance(fault, Exception):
            raise fault
        return fault or answer or httpx.Response(503)

    def _put(self, name: str, content: bytes) -> httpx.Response:
        if name in self.objects:
            return storage_error(412, "conditionNotMet")
        self.objects[name] = content
        return self._metadata(name)

    def _show(self, path: str) -> httpx.Response:
        name = str(httpx.URL(f"http://x/?n={path.partition('?')[0]}").params["n"])
        if name not in self.objects:
            return storage_error(404, "notFound")
        return self._metadata(name)

    def _metadata(self, name: str) -> httpx.Response:
        content = self.objects[name]
        document = {"name": name, "generation": "17", "size": str(len(content))}
        return httpx.Response(200, json=document | {"crc32c": checksum(content), "md5Hash": "m"})


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def objects(bucket: Bucket, pauses: list[float]) -> Iterator[GcsObjects]:
    transport = httpx.MockTransport(bucket)
    waiting = Waiting(sleep=pauses.append, random=lambda: 1.0, monotonic=lambda: sum(pauses))
    with httpx.Client(
        base_url="https://storage.googleapis.com", trust_env=False, transport=transport
    ) as client:
        yield GcsObjects(client, waiting=waiting)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_bytes(CONTENT)
    return path


def test_describe(objects: GcsObjects, bucket: Bucket) -> None:
    assert objects.describe(URI) is None
    bucket.objects["tuneops/9f3c.jsonl"] = CONTENT
    found = objects.describe(URI)
    assert found is not None
    assert (found.dataset.uri, found.dataset.size) == (URI, len(CONTENT))
    assert found.dataset.crc32c == checksum(CONTENT)
    assert (found.evidence.generation, found.evidence.md5) == ("17", "m")
    assert bucket.reads[0].url.raw_path.startswith(
        b"/storage/v1/b/acme-tuning/o/tuneops%2F9f3c.jsonl?fields="
    )


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (httpx.Response(404, html="no"), Unavailable),
        (httpx.Response(200, json={"size": "1"}), Unavailable),
        (httpx.Response(200, json={"size": 1, "crc32c": "x"}), Unavailable),
        (httpx.Response(200, json=[]), Unavailable),
        (httpx.Response(302), Unavailable),
        (httpx.Response(503), Unavailable),
        (storage_error(403, "forbidden"), Rejected),
    ],
)
def test_describe_believes_google_only(
    answer: httpx.Response, fault: type[ProviderError], pauses: list[float]
) -> None:
    waiting = Waiting(sleep=pauses.append, monotonic=lambda: sum(pauses))
    transport = httpx.MockTransport(lambda _: answer)
    with (
        httpx.Client(
            base_url="https://storage.googleapis.com", trust_env=False, transport=transport
        ) as client,
        pytest.raises(fault),
    ):
        GcsObjects(client, waiting=waiting).describe(URI)


def test_upload(objects: GcsObjects, bucket: Bucket, file: Path) -> None:
    stored = objects.upload(file, URI)
    assert stored.dataset.size == len(CONTENT)
    assert bucket.objects == {"tuneops/9f3c.jsonl": CONTENT}
    (request,) = bucket.uploads
    assert dict(request.url.params) == {
        "uploadType": "multipart",
        "name": "tuneops/9f3c.jsonl",
        "ifGenerationMatch": "0",
        "fields": "name,bucket,generation,size,crc32c,md5Hash,timeCreated",
    }
    assert request.url.path == "/upload/storage/v1/b/acme-tuning/o"
    assert "Transfer-Encoding" not in request.headers


def test_what_is_there_already_is_taken_if_it_is_the_same(
    objects: GcsObjects, bucket: Bucket, file: Path
) -> None:
    bucket.objects["tuneops/9f3c.jsonl"] = CONTENT
    assert objects.upload(file, URI).dataset.crc32c == checksum(CONTENT)
    bucket.objects["tuneops/9f3c.jsonl"] = CONTENT[:-1] + b" "
    with pytest.raises(Rejected, match="not the local file"):
        objects.upload(file, URI)


LOST: list[httpx.Response | Exception] = [
    httpx.ReadError("reset"),
    httpx.ReadTimeout("slow"),
    httpx.WriteError("reset"),
    httpx.RemoteProtocolError("disconnected"),
    httpx.Response(200, html="<h1>Welcome</h1>"),
    httpx.Response(302),
    storage_error(500, "backendError"),
    httpx.Response(503),
    storage_error(429, "rateLimitExceeded"),
    storage_error(401, "authError"),
]


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("lost", LOST)
def test_a_lost_answer_is_found_out_by_looking(
    lost: httpx.Response | Exception,
    stored: bool,
    objects: GcsObjects,
    bucket: Bucket,
    file: Path,
) -> None:
    bucket.faults = [(stored, lost)]
    assert objects.upload(file, URI).dataset.size == len(CONTENT)
    assert bucket.objects == {"tuneops/9f3c.jsonl": CONTENT}
    assert len(bucket.uploads) == (1 if stored else 2)


def test_a_race_lost_to_the_same_bytes(objects: GcsObjects, bucket: Bucket, file: Path) -> None:
    bucket.faults = [(False, httpx.ReadError("reset")), (False, storage_error(412, "x"))]
    assert objects.upload(file, URI).dataset.size == len(CONTENT)
    assert len(bucket.uploads) == 3


def test_uploads_are_not_tried_for_ever(
    objects: GcsObjects, bucket: Bucket, file: Path, pauses: list[float]
) -> None:
    bucket.faults = [(False, httpx.Response(503, headers={"Retry-After": "7"}))] * 9
    with pytest.raises(Unavailable, match="could not be uploaded"):
        objects.upload(file, URI)
    assert len(bucket.uploads) == 4
    assert pauses == [7, 7, 7]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (storage_error(404, "notFound"), NotFound),
        (storage_error(403, "forbidden"), Rejected),
        (storage_error(400, "invalid"), Rejected),
        (httpx.Response(403, html="proxy"), Unavailable),
    ],
)
def test_a_definite_no(
    answer: httpx.Response,
    fault: type[ProviderError],
    objects: GcsObjects,
    bucket: Bucket,
    file: Path,
) -> None:
    bucket.faults = [(False, answer)]
    with pytest.raises(fault):
        objects.upload(file, URI)
    assert len(bucket.uploads) == 1


def test_bytes_that_changed_on_the_way_are_refused(
    objects: GcsObjects, bucket: Bucket, file: Path
) -> None:
    bucket.faults = [(False, httpx.Response(200, json={"size": "17000", "crc32c": "AAAAAA=="}))]
    with pytest.raises(Rejected, match="AAAAAA=="):
        objects.upload(file, URI)


def test_a_file_that_is_not_there(objects: GcsObjects, bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(TuneopsError, match="cannot be read"):
        objects.upload(tmp_path / "none.jsonl", URI)
    assert bucket.uploads == []


def test_a_file_that_shrinks_while_it_is_read(
    objects: GcsObjects, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, opened = Path.open, iter([CONTENT, CONTENT[:100]])
    monkeypatch.setattr(
        Path,
        "open",
        lambda self, *mode: io.BytesIO(next(opened)) if self == file else real(self, *mode),
    )
    with pytest.raises(TuneopsError, match="shorter"):
        objects.upload(file, URI)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "acme-tuning/x",
        "gs://",
        "gs://acme-tuning",
        "gs://acme-tuning/",
        "gs://Acme/x",
        "gs://a/x",
        "gs://acme-tuning/..",
        "gs://acme-tuning/.",
        "gs://acme-tuning/a\nb",
        "gs://../x",
        "gs://acme/../x"[:8] + "?/x",
        "gs://acme-tuning/" + "x" * 1025,
        "gs://acme-tuning/\ud800",
        "https://storage.googleapis.com/acme-tuning/x",
    ],
)
def test_no_request_for_what_is_no_object(uri: str, objects: GcsObjects, bucket: Bucket) -> None:
    with pytest.raises(Rejected):
        objects.describe(uri)
    assert bucket.reads == []


@given(st.text(min_size=1, max_size=60).filter(lambda name: not re.search(r"[\r\n]", name)))
def test_any_name_arrives_as_it_is(name: str) -> None:
    parsed = ObjectName.parse(f"gs://acme-tuning/{name}")
    if name in (".", ".."):
        assert parsed is None
        return
    assert parsed is not None
    arrived: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        arrived.append(request.url.raw_path.decode().partition("?")[0].split("/"))
        return storage_error(404, "notFound")

    with httpx.Client(
        base_url="https://storage.googleapis.com",
        trust_env=False,
        transport=httpx.MockTransport(answer),
    ) as client:
        GcsObjects(client, waiting=Waiting()).describe(f"gs://acme-tuning/{name}")
    *_, collection, last = arrived[0]
    assert collection == "o"
    assert bytes.fromhex(_hex(last)).decode() == name


def _hex(text: str) -> str:
    parts = re.findall(r"%([0-9A-F]{2})|([A-Za-z0-9_.~-])", text)
    assert "".join(f"%{escaped}" if escaped else plain for escaped, plain in parts) == text
    return "".join(escaped or f"{ord(plain):02x}" for escaped, plain in parts)
