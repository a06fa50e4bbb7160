"""google-cloud-storage, unpatched, against a served emulator, and as a reader of our uploads."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import httpx
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage import retry

from tests.conformance.support.served import PROJECT, SAMPLES, Served
from tuneops.gcs.objects import GcsObjects
from tuneops.http.waiting import Waiting

MEBIBYTE = 1 << 20


@pytest.fixture
def client(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.Client]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", served.url)
    with storage.Client(project=PROJECT, credentials=AnonymousCredentials()) as client:
        yield client


@pytest.fixture
def bucket(client: storage.Client) -> storage.Bucket:
    return client.bucket("acme-tuning")


def put(bucket: storage.Bucket, name: str, content: bytes | str = b"x") -> storage.Blob:
    blob = bucket.blob(name)
    blob.upload_from_string(content, content_type="application/jsonl")
    return blob


def test_a_string_is_stored_with_its_checksums(bucket: storage.Bucket, served: Served) -> None:
    blob = put(bucket, "support/train one.jsonl", "größe\n")
    assert served.last("POST", "/o").query["uploadType"] == ["multipart"]
    found = bucket.get_blob("support/train one.jsonl")
    assert found.size == len("größe\n".encode())
    assert found.content_type == "application/jsonl"
    assert found.generation == blob.generation
    assert found.metageneration == 1
    assert found.time_created.tzinfo is not None
    assert found.crc32c == blob.crc32c
    assert found.download_as_text() == "größe\n"


def test_the_client_checks_what_it_downloads(
    bucket: storage.Bucket, served: Served, tmp_path: Path
) -> None:
    content = os.urandom(300_000)
    blob = put(bucket, "bytes", content)
    for checksum in ("crc32c", "md5", "auto", None):
        assert blob.download_as_bytes(checksum=checksum) == content
    blob.download_to_filename(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content
    answer = served.last("GET", "/o/bytes").headers
    assert answer["x-goog-hash"] == f"crc32c={blob.crc32c},md5={blob.md5_hash}"


def test_the_client_sends_checksums_that_are_verified(bucket: storage.Bucket) -> None:
    for checksum in ("crc32c", "md5"):
        blob = bucket.blob(f"checked-{checksum}")
        blob.upload_from_string(b"content", checksum=checksum)
        assert blob.download_as_bytes() == b"content"
    wrong = bucket.blob("wrong")
    wrong.crc32c = "AAAAAA=="
    with pytest.raises(exceptions.BadRequest, match="crc32c"):
        wrong.upload_from_string(b"content", checksum=None)


def test_a_file_is_uploaded_in_chunks(
    bucket: storage.Bucket, served: Served, tmp_path: Path
) -> None:
    content = os.urandom(9 * MEBIBYTE + 12_345)  # below 8 MiB it would send all at once
    (tmp_path / "big").write_bytes(content)
    blob = bucket.blob("big", chunk_size=4 * MEBIBYTE)
    blob.upload_from_filename(tmp_path / "big", content_type="application/jsonl")
    puts = [seen for seen in served.recorder.exchanges if seen.verb == "PUT"]
    assert [seen.status for seen in puts] == [308, 308, 200]
    assert puts[1].headers["range"] == f"bytes=0-{8 * MEBIBYTE - 1}"
    assert blob.size == len(content)
    assert blob.download_as_bytes() == content
    chunked = bucket.blob("big", chunk_size=4 * MEBIBYTE)
    assert chunked.download_as_bytes() == content


def test_a_stream_of_unknown_length_is_uploaded(bucket: storage.Bucket) -> None:
    with bucket.blob("stream").open("wb", chunk_size=256 * 1024) as stream:
        for _ in range(5):
            stream.write(b"0123456789" * 10_000)
    assert bucket.get_blob("stream").size == 500_000
    with bucket.blob("stream").open("rt") as reader:
        assert reader.read(12) == "012345678901"


def test_an_interrupted_upload_goes_on_where_it_was(bucket: storage.Bucket, served: Served) -> None:
    content = os.urandom(MEBIBYTE)
    session = bucket.blob("session").create_resumable_upload_session(size=len(content))
    half = len(content) // 2
    ranged = {"Content-Range": f"bytes 0-{half - 1}/{len(content)}"}
    assert httpx.put(session, content=content[:half], headers=ranged).status_code == 308
    asked = httpx.put(session, headers={"Content-Range": f"bytes */{len(content)}"})
    assert (asked.status_code, asked.headers["Range"]) == (308, f"bytes=0-{half - 1}")
    ranged = {"Content-Range": f"bytes {half}-{len(content) - 1}/{len(content)}"}
    assert httpx.put(session, content=content[half:], headers=ranged).status_code == 200
    assert bucket.blob("session").download_as_bytes() == content


def test_parts_of_an_object_are_read(bucket: storage.Bucket, served: Served) -> None:
    blob = put(bucket, "letters", b"abcdefghij")
    assert blob.download_as_bytes(start=2, end=4) == b"cde"
    assert served.last("GET", "/o/letters").headers["content-range"] == "bytes 2-4/10"
    assert blob.download_as_bytes(start=7) == b"hij"
    assert blob.download_as_bytes(start=-3) == b"hij"
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=20)


def test_objects_are_listed_by_prefix_and_delimiter(
    client: storage.Client, bucket: storage.Bucket
) -> None:
    names = ["support/a.jsonl", "support/b.jsonl", "support/old/c.jsonl", "z.jsonl"]
    for name in names:
        put(bucket, name)
    assert [blob.name for blob in client.list_blobs(bucket)] == names
    listed = client.list_blobs(bucket, prefix="support/", delimiter="/")
    assert [blob.name for blob in listed] == names[:2]
    assert listed.prefixes == {"support/old/"}
    between = client.list_blobs(bucket, start_offset="support/b", end_offset="z")
    assert [blob.name for blob in between] == names[1:3]
    assert list(client.list_blobs(bucket, prefix="none/")) == []


def test_a_long_list_comes_in_pages(
    client: storage.Client, bucket: storage.Bucket, served: Served
) -> None:
    names = [f"{number:02}" for number in range(7)]
    for name in names:
        put(bucket, name)
    pages = client.list_blobs(bucket, page_size=3, fields="items(name,size),nextPageToken").pages
    assert [[blob.name for blob in page] for page in pages] == [names[:3], names[3:6], names[6:]]
    assert [blob.name for blob in client.list_blobs(bucket, max_results=2)] == names[:2]


def test_the_sample_datasets_are_there_to_read(client: storage.Client) -> None:
    name, _, prefix = SAMPLES.removeprefix("gs://").partition("/")
    blobs = {blob.name.rpartition("/")[2]: blob for blob in client.list_blobs(name, prefix=prefix)}
    assert set(blobs) == {"sft_train_data.jsonl", "sft_validation_data.jsonl"}
    assert blobs["sft_train_data.jsonl"].download_as_text().startswith('{"')


def test_an_object_is_created_once_only(bucket: storage.Bucket) -> None:
    put(bucket, "once", b"first")
    with pytest.raises(exceptions.PreconditionFailed, match="pre-conditions"):
        bucket.blob("once").upload_from_string(b"second", if_generation_match=0)
    assert bucket.blob("once").download_as_bytes() == b"first"
    bucket.blob("new").upload_from_string(b"second", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("once").create_resumable_upload_session(if_generation_match=0)


def test_a_generation_is_read_until_another_takes_its_place(bucket: storage.Bucket) -> None:
    first = put(bucket, "changing", b"one")
    pinned = bucket.blob("changing", generation=first.generation)
    assert pinned.download_as_bytes() == b"one"
    assert pinned.exists()
    second = put(bucket, "changing", b"two")
    assert second.generation > first.generation
    with pytest.raises(exceptions.NotFound):
        pinned.download_as_bytes()
    with pytest.raises(exceptions.PreconditionFailed):
        second.reload(if_generation_match=first.generation)
    second.reload(if_generation_match=second.generation)
    with pytest.raises(exceptions.NotModified):
        second.reload(if_generation_not_match=second.generation)


def test_properties_are_edited_without_a_new_generation(bucket: storage.Bucket) -> None:
    blob = put(bucket, "edited")
    generation = blob.generation
    blob.metadata = {"origin": "crm"}
    blob.cache_control = "no-store"
    blob.patch(if_metageneration_match=1)
    found = bucket.get_blob("edited")
    assert found.metadata == {"origin": "crm"}
    assert (found.generation, found.metageneration) == (generation, 2)


def test_an_object_is_deleted(bucket: storage.Bucket) -> None:
    blob = put(bucket, "gone")
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_match=1)
    blob.delete(if_generation_match=blob.generation)
    assert not blob.exists()
    with pytest.raises(exceptions.NotFound, match="No such object: acme-tuning/gone"):
        blob.delete()
    with pytest.raises(exceptions.NotFound):
        blob.download_as_bytes()
    assert bucket.get_blob("gone") is None


def test_a_bucket_says_where_it_is(client: storage.Client, bucket: storage.Bucket) -> None:
    assert client.lookup_bucket("acme-tuning") is None
    put(bucket, "first")
    found = client.get_bucket("acme-tuning")
    assert (found.location, found.location_type) == ("US-CENTRAL1", "region")
    assert found.exists()
    with pytest.raises(exceptions.NotFound):
        list(client.list_blobs("nowhere"))


def test_the_address_may_be_given_as_a_client_option(served: Served) -> None:
    options = {"api_endpoint": served.url}
    with storage.Client(
        project=PROJECT, credentials=AnonymousCredentials(), client_options=options
    ) as client:
        put(client.bucket("acme-tuning"), "here", b"content")
        assert client.bucket("acme-tuning").blob("here").download_as_bytes() == b"content"


NAMES = ["plain.jsonl", "a folder/größe #1?.jsonl", "a%2Fb", "x//y", "100%", "q+r&s=t", "…/.jsonl"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_the_same_name_for_both_clients(
    bucket: storage.Bucket, served: Served, tmp_path: Path, name: str
) -> None:
    (tmp_path / "data").write_bytes(name.encode())
    with httpx.Client(base_url=served.url) as http:
        ours(http).upload(tmp_path / "data", f"gs://acme-tuning/{name}")
    assert [blob.name for blob in bucket.list_blobs()] == [name]
    assert bucket.blob(name).download_as_bytes() == name.encode()


def test_what_we_upload_is_what_the_client_reads(
    bucket: storage.Bucket, served: Served, tmp_path: Path
) -> None:
    content = os.urandom(3 * MEBIBYTE + 7)
    (tmp_path / "train.jsonl").write_bytes(content)
    with httpx.Client(base_url=served.url) as http:
        stored = ours(http).upload(tmp_path / "train.jsonl", "gs://acme-tuning/train.jsonl")
        again = ours(http).upload(tmp_path / "train.jsonl", "gs://acme-tuning/train.jsonl")
        described = ours(http).describe("gs://acme-tuning/train.jsonl")
    assert stored == again == described
    blob = bucket.get_blob("train.jsonl")
    assert blob.download_as_bytes(checksum="crc32c") == content
    assert blob.crc32c == stored.dataset.crc32c
    assert blob.crc32c == google_crc32c_base64(content)
    assert blob.size == stored.dataset.size
    assert str(blob.generation) == stored.evidence.generation
    assert blob.md5_hash == stored.evidence.md5
    assert blob.content_type == "application/jsonl"


def test_what_the_client_uploads_is_what_we_describe(
    bucket: storage.Bucket, served: Served
) -> None:
    blob = put(bucket, "by-hand.jsonl", b"content")
    with httpx.Client(base_url=served.url) as http:
        described = ours(http).describe("gs://acme-tuning/by-hand.jsonl")
        assert ours(http).describe("gs://acme-tuning/other.jsonl") is None
    assert described is not None
    assert described.dataset.crc32c == blob.crc32c
    assert described.evidence.generation == str(blob.generation)


def test_a_refusal_is_not_repeated_by_the_client(bucket: storage.Bucket, served: Served) -> None:
    assert bucket.blob("none").exists(retry=retry.DEFAULT_RETRY) is False
    assert len(served.recorder.requests("GET", "/o/none")) == 1


def ours(http: httpx.Client) -> GcsObjects:
    return GcsObjects(http, waiting=Waiting())


def google_crc32c_base64(content: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(content).digest()).decode()


def test_a_large_file_goes_in_parts_and_survives_lost_answers(
    bucket: storage.Bucket, served: Served, tmp_path: Path
) -> None:
    content = os.urandom(18 * MEBIBYTE + 7)
    (tmp_path / "train.jsonl").write_bytes(content)
    uri = "gs://acme-tuning/train.jsonl"
    served.emulator.faults(
        "storage.objects.insert:pass, storage.objects.insert:accept-then-drop,"
        "storage.objects.insert:503, storage.objects.insert:pass,"
        "storage.objects.insert:reset-before, storage.objects.insert:accept-then-503"
    )
    waiting = Waiting(sleep=lambda _: None)
    told: list[int] = []
    with httpx.Client(base_url=served.url) as http:
        objects = GcsObjects(
            http, waiting=waiting, progress=lambda _uri, sent, _size: told.append(sent)
        )
        stored = objects.upload(tmp_path / "train.jsonl", uri)
    assert not served.emulator.unmet()
    blob = bucket.get_blob("train.jsonl")
    assert blob.download_as_bytes(checksum="crc32c") == content
    assert blob.crc32c == stored.dataset.crc32c
    assert told == sorted(told) and told[-1] == len(content) and len(told) > 2


def test_what_the_client_uploads_we_read_by_ranges(bucket: storage.Bucket, served: Served) -> None:
    content = os.urandom(9 * MEBIBYTE + 3)
    put(bucket, "train.jsonl", content)
    served.emulator.faults(
        "storage.objects.get:pass, storage.objects.get:drop-mid-answer,"
        "storage.objects.get:503, storage.objects.get:reset-before"
    )
    with httpx.Client(base_url=served.url) as http:
        objects = GcsObjects(http, waiting=Waiting(sleep=lambda _: None))
        stored = objects.describe("gs://acme-tuning/train.jsonl")
        assert stored is not None
        with objects.read(stored) as blocks:
            assert b"".join(blocks) == content
    assert not served.emulator.unmet()


def test_a_bucket_with_versioning_keeps_what_was_overwritten(
    bucket: storage.Bucket, served: Served
) -> None:
    first = put(bucket, "train.jsonl", b"one")
    bucket.versioning_enabled = True
    bucket.patch()
    bucket.reload()
    assert bucket.versioning_enabled
    second = put(bucket, "train.jsonl", b"two")
    kept = list(bucket.list_blobs(versions=True))
    assert [blob.generation for blob in kept] == [first.generation, second.generation]
    assert kept[0].time_deleted is not None and kept[1].time_deleted is None
    old = bucket.blob("train.jsonl", generation=first.generation)
    assert old.download_as_bytes() == b"one"
    uri = "gs://acme-tuning/train.jsonl"
    with httpx.Client(base_url=served.url) as http:
        stored = ours(http).version(uri, str(first.generation))
        assert stored is not None and b"".join(ours(http).read(stored)) == b"one"
        assert ours(http).version(uri, "1") is None
    bucket.blob("train.jsonl").delete()
    assert bucket.get_blob("train.jsonl") is None
    assert len(list(bucket.list_blobs(versions=True))) == 2
    old.delete()
    assert [blob.generation for blob in bucket.list_blobs(versions=True)] == [second.generation]


def test_a_composite_object_has_no_md5(bucket: storage.Bucket, served: Served) -> None:
    parts = [put(bucket, "one", b"a\n"), put(bucket, "two", b"b\n")]
    whole = bucket.blob("whole.jsonl")
    whole.compose(parts)
    found = bucket.get_blob("whole.jsonl")
    assert found.md5_hash is None and found.component_count == 2
    assert found.download_as_bytes(checksum="crc32c") == b"a\nb\n"
    with httpx.Client(base_url=served.url) as http:
        stored = ours(http).describe("gs://acme-tuning/whole.jsonl")
    assert stored is not None and stored.evidence.md5 is None
    assert stored.dataset.crc32c == google_crc32c_base64(b"a\nb\n")


def test_a_checksum_that_a_resumable_upload_names_is_verified(
    bucket: storage.Bucket, served: Served
) -> None:
    url = f"{served.url}/upload/storage/v1/b/acme-tuning/o"
    begun = httpx.post(
        url,
        params={"uploadType": "resumable", "name": "wrong"},
        json={"crc32c": google_crc32c_base64(b"right")},
    )
    answer = httpx.put(begun.headers["location"], content=b"wrong")
    assert answer.status_code == 400
    assert bucket.get_blob("wrong") is None
