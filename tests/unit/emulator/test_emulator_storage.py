import base64
import hashlib
from urllib.parse import quote

import google_crc32c
import httpx
import pytest

from tests.unit.emulator.bench import BUCKET, Bench

OBJECTS = f"/storage/v1/b/{BUCKET}/o"
UPLOAD = f"/upload/storage/v1/b/{BUCKET}/o"


def upload(bench: Bench, content: bytes = b"one", **parameters) -> httpx.Response:
    return bench.client.post(
        UPLOAD,
        params={"uploadType": "media", "name": "a/b.jsonl", **parameters},
        content=content,
        headers={"Content-Type": "application/jsonl"},
    )


def test_an_object_is_described_as_the_service_does(bench: Bench):
    stored = upload(bench).json()
    assert bench.client.get(f"{OBJECTS}/a%2Fb.jsonl").json() == stored
    crc = google_crc32c.value(b"one").to_bytes(4, "big")
    assert stored["crc32c"] == base64.b64encode(crc).decode()
    assert stored["md5Hash"] == base64.b64encode(hashlib.md5(b"one").digest()).decode()
    assert stored["size"] == "3"
    assert stored["contentType"] == "application/jsonl"
    assert stored["id"] == f"{BUCKET}/a/b.jsonl/{stored['generation']}"
    assert stored["timeCreated"] == "2026-11-20T09:00:00.000Z"
    assert stored["selfLink"].endswith("a%2Fb.jsonl")
    named = bench.client.get(f"{OBJECTS}/a%2Fb.jsonl", params={"fields": "size,name"}).json()
    assert named == {"name": "a/b.jsonl", "size": "3"}


def test_generations_only_grow(bench: Bench):
    first = int(upload(bench).json()["generation"])
    second = int(upload(bench, b"two").json()["generation"])
    assert bench.client.delete(f"{OBJECTS}/a%2Fb.jsonl").status_code == 204
    third = upload(bench).json()
    assert first < second < int(third["generation"])
    path = f"{OBJECTS}/a%2Fb.jsonl"
    patched = bench.client.patch(path, json={"metadata": {"k": "v"}, "contentType": None}).json()
    assert patched["generation"] == third["generation"]
    assert patched["metageneration"] == "2"
    assert patched["metadata"] == {"k": "v"}
    assert "contentType" not in patched
    assert bench.client.patch(path, json={"metadata": {"k": 1}}).status_code == 400
    assert bench.client.get(path, params={"generation": first}).status_code == 404
    assert bench.client.get(path, params={"generation": third["generation"]}).status_code == 200


@pytest.mark.parametrize(
    ("there", "condition", "read", "write"),
    [
        (True, {"ifGenerationMatch": "G"}, 200, 200),
        (True, {"ifGenerationMatch": "1"}, 412, 412),
        (True, {"ifGenerationMatch": "0"}, 412, 412),
        (True, {"ifGenerationNotMatch": "G"}, 304, 412),
        (True, {"ifGenerationNotMatch": "1"}, 200, 200),
        (True, {"ifMetagenerationMatch": "1"}, 200, 200),
        (True, {"ifMetagenerationMatch": "2"}, 412, 412),
        (True, {"ifMetagenerationNotMatch": "1"}, 304, 412),
        (True, {"ifGenerationMatch": "x"}, 400, 400),
        (True, {"ifGenerationMatch": "-1"}, 400, 400),
        (False, {"ifGenerationMatch": "0"}, 404, 200),
        (False, {"ifGenerationMatch": "5"}, 404, 412),
    ],
)
def test_preconditions(bench: Bench, there, condition, read, write):
    generation = upload(bench).json()["generation"]
    if not there:
        bench.client.delete(f"{OBJECTS}/a%2Fb.jsonl")
    condition = {key: value.replace("G", generation) for key, value in condition.items()}
    for extra in ({}, {"alt": "media"}):
        response = bench.client.get(f"{OBJECTS}/a%2Fb.jsonl", params=condition | extra)
        assert response.status_code == read
    response = upload(bench, b"new", **condition)
    assert response.status_code == write
    if write == 412:
        text = "At least one of the pre-conditions you specified did not hold."
        assert response.json() == {
            "error": {
                "code": 412,
                "message": text,
                "errors": [{"message": text, "domain": "global", "reason": "conditionNotMet"}],
            }
        }
        content = bench.client.get(f"{OBJECTS}/a%2Fb.jsonl", params={"alt": "media"})
        assert content.text == ("one" if there else "No such object: acme-tuning/a/b.jsonl")


def test_a_delete_with_a_precondition(bench: Bench):
    upload(bench)
    path = f"{OBJECTS}/a%2Fb.jsonl"
    assert bench.client.delete(path, params={"ifGenerationMatch": "1"}).status_code == 412
    assert bench.client.delete(path).status_code == 204
    gone = bench.client.delete(path)
    assert gone.status_code == 404
    assert gone.json()["error"]["errors"][0]["reason"] == "notFound"


@pytest.mark.parametrize(
    ("wanted", "status", "body", "range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("nonsense", 200, b"0123456789", None),
        ("bytes=10-", 416, None, None),
    ],
)
def test_ranges(bench: Bench, wanted, status, body, range):
    upload(bench, b"0123456789")
    for path in (f"{OBJECTS}/a%2Fb.jsonl?alt=media", f"/download{OBJECTS}/a%2Fb.jsonl"):
        response = bench.client.get(path, headers={"Range": wanted})
        assert response.status_code == status
        assert response.headers.get("Content-Range") == range
        if body is not None:
            assert response.content == body
            assert response.headers["x-goog-hash"].startswith("crc32c=")
            assert response.headers["x-goog-stored-content-length"] == "10"


def test_a_multipart_upload(bench: Bench):
    body = (
        b"--limit\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
        b'{"name": "m.jsonl", "metadata": {"k": "v"}}\r\n'
        b"--limit\r\nContent-Type: application/jsonl\r\n\r\n"
        b"line\r\n\r\n--other\r\n\r\n--limit--\r\n"
    )
    headers = {"Content-Type": 'multipart/related; boundary="limit"'}
    response = bench.client.post(
        UPLOAD, params={"uploadType": "multipart"}, content=body, headers=headers
    )
    assert response.status_code == 200, response.text
    assert response.json()["metadata"] == {"k": "v"}
    assert response.json()["contentType"] == "application/jsonl"
    content = bench.client.get(f"{OBJECTS}/m.jsonl", params={"alt": "media"}).content
    assert content == b"line\r\n\r\n--other\r\n"
    for wrong in (b"", body[:60], body.replace(b"--limit", b"--lemon"), body + body):
        refused = bench.client.post(
            UPLOAD, params={"uploadType": "multipart"}, content=wrong, headers=headers
        )
        assert refused.status_code == 400


def test_a_checksum_is_compared(bench: Bench):
    body = (
        b"--x\r\nContent-Type: application/json\r\n\r\n"
        b'{"name": "m.jsonl", "crc32c": "AAAAAA=="}\r\n--x\r\n\r\nline\r\n--x--'
    )
    refused = bench.client.post(
        UPLOAD,
        params={"uploadType": "multipart"},
        content=body,
        headers={"Content-Type": "multipart/related; boundary=x"},
    )
    assert refused.status_code == 400
    assert "crc32c" in refused.json()["error"]["message"]


def test_a_resumable_upload(bench: Bench):
    begun = bench.client.post(
        UPLOAD,
        params={"uploadType": "resumable", "ifGenerationMatch": "0"},
        json={"name": "r.jsonl"},
        headers={"X-Upload-Content-Type": "application/jsonl"},
    )
    session = begun.headers["Location"]
    status = {"Content-Range": "bytes */*"}
    empty = bench.client.put(session, headers=status)
    assert empty.status_code == 308
    assert "Range" not in empty.headers
    odd = bench.client.put(session, content=b"01234", headers={"Content-Range": "bytes 0-4/*"})
    assert odd.status_code == 400, "all parts but the last are a multiple of 256 KiB"
    size = 256 << 10
    span = {"Content-Range": f"bytes 0-{size - 1}/*"}
    part = bench.client.put(session, content=b"0" * size, headers=span)
    assert part.status_code == 308
    assert part.headers["Range"] == f"bytes=0-{size - 1}"
    far = {"Content-Range": f"bytes {size + 9}-{size + 9}/{size + 10}"}
    gap = bench.client.put(session, content=b"9", headers=far)
    assert gap.status_code == 400
    assert bench.client.put(session, headers=status).headers["Range"] == f"bytes=0-{size - 1}"
    last = {"Content-Range": f"bytes {size}-{size + 2}/{size + 3}"}
    done = bench.client.put(session, content=b"567", headers=last)
    assert done.status_code == 200
    assert done.json()["size"] == str(size + 3)
    assert done.json()["contentType"] == "application/jsonl"
    assert bench.client.put(session, headers=status).status_code == 404
    again = bench.client.post(
        UPLOAD,
        params={"uploadType": "resumable", "ifGenerationMatch": "0"},
        json={"name": "r.jsonl"},
    )
    assert again.status_code == 412


def test_a_resumable_upload_that_lost_its_race_or_its_interest(bench: Bench):
    def begin() -> str:
        parameters = {"uploadType": "resumable", "name": "r", "ifGenerationMatch": "0"}
        return bench.client.post(UPLOAD, params=parameters).headers["Location"]

    first, second, third = begin(), begin(), begin()
    assert bench.client.put(first, content=b"1").status_code == 200
    assert bench.client.put(second, content=b"2").status_code == 412
    assert bench.client.delete(third).status_code == 499
    assert bench.client.put(third, content=b"3").status_code == 404


def test_lists_with_prefixes_and_pages(bench: Bench):
    for name in ("a/1", "a/2", "a/b/3", "c", "d"):
        bench.put(name, b"x")

    def listed(**parameters) -> tuple[list[str], list[str], str | None]:
        answer = bench.client.get(OBJECTS, params=parameters).json()
        items = [item["name"] for item in answer.get("items", [])]
        return items, answer.get("prefixes", []), answer.get("nextPageToken")

    assert listed() == (["a/1", "a/2", "a/b/3", "c", "d"], [], None)
    assert listed(delimiter="/") == (["c", "d"], ["a/"], None)
    assert listed(prefix="a/", delimiter="/") == (["a/1", "a/2"], ["a/b/"], None)
    assert listed(startOffset="a/b", endOffset="d") == (["a/b/3", "c"], [], None)
    assert listed(prefix="zz") == ([], [], None)
    assert bench.client.get(OBJECTS, params={"prefix": "zz"}).json() == {"kind": "storage#objects"}
    items, prefixes, token = listed(delimiter="/", maxResults=2)
    assert (items, prefixes) == (["c"], ["a/"])
    assert listed(delimiter="/", maxResults=2, pageToken=token) == (["d"], [], None)
    assert bench.client.get(OBJECTS, params={"pageToken": "x"}).status_code == 400
    fields = {"fields": "items(name),nextPageToken", "prefix": "c"}
    assert bench.client.get(OBJECTS, params=fields).json() == {"items": [{"name": "c"}]}


@pytest.mark.parametrize("name", ["a//b", "/lead", "trail/", "sp ace?#%&+", "ü/日本", ".hidden"])
def test_names_are_taken_as_they_are(bench: Bench, name):
    assert upload(bench, name=name).status_code == 200
    path = f"{OBJECTS}/{quote(name, safe='')}"
    assert bench.client.get(path).json()["name"] == name
    assert bench.client.get(path, params={"alt": "media"}).content == b"one"


@pytest.mark.parametrize(
    "parameters",
    [{"uploadType": ""}, {"name": ""}, {"uploadType": "x"}, {"name": "x" * 1025}],
)
def test_uploads_that_are_refused(bench: Bench, parameters):
    assert upload(bench, **parameters).status_code == 400


def test_buckets(bench: Bench):
    assert bench.client.get(f"/storage/v1/b/{BUCKET}").status_code == 404
    assert bench.client.get(OBJECTS).status_code == 404
    upload(bench)
    bucket = bench.client.get(f"/storage/v1/b/{BUCKET}").json()
    assert (bucket["name"], bucket["location"]) == (BUCKET, "US-CENTRAL1")
    for name in ("tuneops-local", "cloud-samples-data"):
        assert bench.client.get(f"/storage/v1/b/{name}").status_code == 200
    assert bench.client.post("/upload/storage/v1/b/UPPER/o?uploadType=media&name=x").is_error


def test_errors_of_media_reads_are_bare_text(bench: Bench):
    response = bench.client.get(f"{OBJECTS}/nothing", params={"alt": "media"})
    assert response.status_code == 404
    assert response.text == f"No such object: {BUCKET}/nothing"
    assert response.headers["X-Tuneops-Emulator"]


def test_a_body_without_a_length_is_read_to_its_end(bench: Bench):
    def pieces():
        yield b"one"
        yield b"two"

    stored = bench.client.post(
        UPLOAD, params={"uploadType": "media", "name": "s"}, content=pieces()
    )
    assert stored.json()["size"] == "6"
