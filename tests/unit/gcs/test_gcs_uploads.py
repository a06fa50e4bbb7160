"""Uploads in parts: whatever breaks, and whenever, the object is the file or is not there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.gcs.test_gcs_objects import URI, checksum, storage_error
from tuneops.errors import ProviderError, Rejected, TuneopsError, Unavailable
from tuneops.gcs import uploads
from tuneops.gcs.objects import GcsObjects
from tuneops.http.waiting import Waiting

CONTENT = bytes(range(256)) * 4
PART = 100
SESSION = "https://storage.googleapis.com/upload/storage/v1/b/acme-tuning/o?upload_id="


class Store:
    """Sessions of a store that takes parts; `faults` are played at requests, by their number."""

    def __init__(self) -> None:
        self.object: bytes | None = None
        self.sessions: dict[str, tuple[bytes, str]] = {}
        self.calls: list[str] = []
        self.faults: dict[int, str] = {}
        self.short = 0
        """So many bytes less of each part are kept."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = b"".join(request.stream)  # type: ignore[arg-type]
        if request.method == "GET":
            return self._shown() if self.object is not None else storage_error(404, "notFound")
        self.calls.append(f"{request.method} {request.headers.get('content-range', '')}".strip())
        fault = self.faults.pop(len(self.calls), "")
        if fault.startswith("before"):
            raise httpx.ConnectError("reset")
        if fault == "forgotten":
            self.sessions.clear()
        if fault == "half" and request.method == "PUT":
            body = body[: len(body) // 2]
        answer = self._answer(request, body, cut=fault == "half" and body != b"")
        if fault in ("after", "half"):
            raise httpx.ReadError("reset")
        if fault.isdecimal():
            return storage_error(int(fault), "backendError")
        return answer

    def _shown(self) -> httpx.Response:
        assert self.object is not None
        return httpx.Response(
            200,
            json={
                "size": str(len(self.object)),
                "crc32c": checksum(self.object),
                "generation": "1",
            },
        )

    def _answer(self, request: httpx.Request, body: bytes, *, cut: bool) -> httpx.Response:
        if request.method == "POST":
            assert request.url.params["ifGenerationMatch"] == "0"
            if self.object is not None:
                return storage_error(412, "conditionNotMet")
            id = f"s{len(self.calls)}"
            self.sessions[id] = (b"", json.loads(body)["crc32c"])
            return httpx.Response(200, headers={"Location": SESSION + id})
        id = request.url.params["upload_id"]
        if id not in self.sessions:
            return storage_error(410, "gone")
        held, wanted = self.sessions[id]
        span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", request.headers["content-range"])
        assert span is not None
        if span[1] is not None:
            assert int(span[1]) == len(held), "parts join without a gap"
            held += body[: len(body) - self.short] if len(body) > self.short else body
            self.sessions[id] = (held, wanted)
        if len(held) < int(span[2]) or cut:
            headers = {"Range": f"bytes=0-{len(held) - 1}"} if held else {}
            return httpx.Response(308, headers=headers)
        del self.sessions[id]
        if checksum(held) != wanted:
            return storage_error(400, "invalid")
        if self.object is not None:
            return storage_error(412, "conditionNotMet")
        self.object = held
        return self._shown()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def told() -> list[int]:
    return []


@pytest.fixture
def objects(store: Store, told: list[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsObjects]:
    monkeypatch.setattr(uploads, "PART", PART)
    waiting = Waiting(sleep=lambda _: None, random=lambda: 0.0, monotonic=lambda: 0.0)
    transport = httpx.MockTransport(store)
    with httpx.Client(
        base_url="https://storage.googleapis.com", trust_env=False, transport=transport
    ) as client:
        yield GcsObjects(
            client, waiting=waiting, progress=lambda _uri, sent, _size: told.append(sent)
        )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_bytes(CONTENT)
    return path


def test_a_large_file_goes_in_parts(
    objects: GcsObjects, store: Store, file: Path, told: list[int]
) -> None:
    assert objects.upload(file, URI).dataset.size == len(CONTENT)
    assert store.object == CONTENT
    assert store.calls[:3] == ["POST", "PUT bytes 0-99/1024", "PUT bytes 100-199/1024"]
    assert len(store.calls) == 12
    assert told == [*range(100, 1001, 100), 1024]


@pytest.mark.parametrize("at", range(1, 13))
@pytest.mark.parametrize("fault", ["before", "after", "half", "forgotten", "503", "429"])
def test_a_fault_at_any_request_is_survived(
    fault: str, at: int, objects: GcsObjects, store: Store, file: Path, told: list[int]
) -> None:
    store.faults[at] = fault
    assert objects.upload(file, URI).dataset.crc32c == checksum(CONTENT)
    assert store.object == CONTENT
    assert len(store.calls) <= (24 if fault == "forgotten" else 15), "it goes on where it was"
    assert told == sorted(told)


def test_two_faults_anywhere(objects: GcsObjects, store: Store, file: Path) -> None:
    for first in range(1, 12):
        for second in range(first + 1, 14):
            store.object, store.calls = None, []
            store.faults = {first: "after", second: "half"}
            objects.upload(file, URI)
            assert store.object == CONTENT


def test_a_store_that_keeps_less_of_a_part_is_followed(
    objects: GcsObjects, store: Store, file: Path
) -> None:
    store.short = 40
    objects.upload(file, URI)
    assert store.object == CONTENT


def test_a_store_that_takes_nothing_is_given_up(
    objects: GcsObjects, store: Store, file: Path
) -> None:
    store.faults = dict.fromkeys(range(2, 100), "before")
    with pytest.raises(Unavailable, match="could not be uploaded"):
        objects.upload(file, URI)
    assert len(store.calls) == 5 and store.object is None


def test_a_file_that_changes_while_it_is_sent_is_refused_by_its_checksum(
    objects: GcsObjects, store: Store, file: Path
) -> None:
    real = store.__call__

    def change(request: httpx.Request) -> httpx.Response:
        if len(store.calls) == 5:
            file.write_bytes(CONTENT[::-1])
        return real(request)

    objects._client._transport = httpx.MockTransport(change)
    with pytest.raises(Rejected):
        objects.upload(file, URI)
    assert store.object is None, "no mixture ever becomes an object"


def test_a_file_that_shrinks_is_told(objects: GcsObjects, store: Store, file: Path) -> None:
    real = store.__call__

    def change(request: httpx.Request) -> httpx.Response:
        if len(store.calls) == 5:
            file.write_bytes(CONTENT[:10])
        return real(request)

    objects._client._transport = httpx.MockTransport(change)
    with pytest.raises(TuneopsError, match="shorter"):
        objects.upload(file, URI)
    assert store.object is None


@pytest.mark.parametrize("there", [CONTENT, CONTENT[::-1]])
def test_somebody_else_was_first(
    there: bytes, objects: GcsObjects, store: Store, file: Path
) -> None:
    store.object = there
    if there == CONTENT:
        assert objects.upload(file, URI).dataset.size == len(CONTENT)
    else:
        with pytest.raises(Rejected, match="not the local file"):
            objects.upload(file, URI)
    assert store.calls == ["POST"] and store.object == there


@pytest.mark.parametrize(
    "place", ["", "https://evil.example/upload?upload_id=1", "http://storage.googleapis.com/u?i=1"]
)
def test_credentials_go_to_no_other_host(
    place: str, store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PART", PART)
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(200, headers={"Location": place} if place else {})

    with (
        httpx.Client(
            base_url="https://storage.googleapis.com",
            trust_env=False,
            transport=httpx.MockTransport(answer),
        ) as client,
        pytest.raises(ProviderError),
    ):
        GcsObjects(client, waiting=Waiting(sleep=lambda _: None)).upload(file, URI)
    assert set(asked) == {"storage.googleapis.com"}
