"""Objects by ranges: in order, whole or not at all, and never held as a whole."""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.unit.gcs.test_gcs_objects import URI, checksum, storage_error
from tuneops.core.recipe import Dataset, Evidence
from tuneops.engine.ports import StoredObject
from tuneops.errors import NotFound, ProviderError, Rejected, Unavailable
from tuneops.gcs import ranges
from tuneops.gcs.objects import GcsObjects
from tuneops.http.waiting import FIRST_PAUSE, Waiting

CONTENT = bytes(range(256)) * 4
BLOCK = 100


class Torn(httpx.SyncByteStream):
    """A body that breaks off."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self.content
        raise httpx.ReadError("reset")


def _body(status: int, headers: dict[str, str], content: bytes) -> httpx.Response:
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


class Store:
    """An object behind a network that breaks at some requests, by the first byte asked for."""

    def __init__(self) -> None:
        self.faults: dict[int, str] = {}
        self.asked: list[tuple[int, int]] = []
        self.generations: set[str] = set()
        self.lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["range"])
        assert span is not None and request.url.params["alt"] == "media"
        start, end = int(span[1]), int(span[2]) + 1
        with self.lock:
            self.asked.append((start, end))
            self.generations.add(request.url.params.get("generation", ""))
            fault = self.faults.pop(start, "")
        content = CONTENT[start:end]
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(CONTENT)}"}
        if fault == "reset":
            raise httpx.ConnectError("reset")
        if fault == "torn":
            return httpx.Response(206, headers=headers, stream=Torn(content[: len(content) // 2]))
        if fault == "wrong":
            return _body(206, headers, bytes(len(content)))
        if fault == "elsewhere":
            return _body(206, {"Content-Range": "bytes 0-9/10"}, b"x" * 10)
        if fault == "whole":
            return _body(200, {}, CONTENT)
        if fault == "html":
            return httpx.Response(200, html="<h1>Welcome</h1>")
        if fault.isdecimal():
            return storage_error(int(fault), "x")
        return _body(206, headers, content)


def stored(content: bytes = CONTENT) -> StoredObject:
    dataset = Dataset(uri=URI, size=len(content), crc32c=checksum(content))
    return StoredObject(dataset=dataset, evidence=Evidence(generation="17"))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[StoredObject], ranges.Blocks]]:
    monkeypatch.setattr(ranges, "BLOCK", BLOCK)
    waiting = Waiting(sleep=lambda _: None, random=lambda: 0.0, monotonic=lambda: 0.0)
    transport = httpx.MockTransport(store)
    with httpx.Client(
        base_url="https://storage.googleapis.com", trust_env=False, transport=transport
    ) as client:
        yield GcsObjects(client, waiting=waiting).read


Read = Callable[[StoredObject], ranges.Blocks]


def test_blocks_come_in_order_and_of_one_generation(read: Read, store: Store) -> None:
    assert [len(block) for block in read(stored())] == [*[100] * 10, 24]
    assert b"".join(read(stored())) == CONTENT
    assert store.generations == {"17"}


def test_an_empty_object_costs_no_request(read: Read, store: Store) -> None:
    assert list(read(stored(b""))) == []
    assert store.asked == []


@pytest.mark.parametrize("at", range(0, 1024, BLOCK))
@pytest.mark.parametrize("fault", ["reset", "torn", "elsewhere", "whole", "html", "503", "429"])
def test_a_fault_at_any_block_is_survived(fault: str, at: int, read: Read, store: Store) -> None:
    store.faults[at] = fault
    assert b"".join(read(stored())) == CONTENT
    if fault == "torn":
        half = at + (min(at + BLOCK, 1024) - at) // 2
        assert (half, min(at + BLOCK, 1024)) in store.asked, "it goes on from where it broke"


def test_what_arrives_otherwise_than_it_is_stored_is_no_end(read: Read, store: Store) -> None:
    store.faults[300] = "wrong"
    blocks = read(stored())
    with pytest.raises(Rejected, match="crc32c"):
        b"".join(blocks)
    assert list(blocks) == [], "and there is nothing after it"


@pytest.mark.parametrize(
    ("status", "fault"), [("404", Rejected), ("403", Rejected), ("400", Rejected)]
)
def test_a_definite_no(status: str, fault: type[ProviderError], read: Read, store: Store) -> None:
    store.faults[500] = status
    with pytest.raises(fault) as told:
        b"".join(read(stored()))
    assert (status != "404") or "replaced or removed" in told.value.message
    assert not isinstance(told.value, NotFound)


def test_it_is_not_tried_for_ever(read: Read, store: Store) -> None:
    def always(request: httpx.Request) -> httpx.Response:
        store.faults[200] = "reset"
        return Store.__call__(store, request)

    transport = httpx.MockTransport(always)
    waiting = Waiting(sleep=lambda _: None, random=lambda: 0.0, monotonic=lambda: 0.0)
    with (
        httpx.Client(
            base_url="https://storage.googleapis.com", trust_env=False, transport=transport
        ) as client,
        pytest.raises(Unavailable, match="could not be read"),
    ):
        b"".join(GcsObjects(client, waiting=waiting).read(stored()))


def test_memory_is_bounded_by_what_is_ahead(read: Read, store: Store) -> None:
    with read(stored()) as blocks:
        for taken in range(1, 6):
            next(blocks)
            assert len(blocks._flying) <= ranges.AHEAD
            assert len(store.asked) <= taken + ranges.AHEAD


def test_who_stops_early_leaves_no_thread_and_asks_no_more(read: Read, store: Store) -> None:
    blocks = read(stored())
    next(blocks)
    blocks.close()
    for thread in threading.enumerate():
        if thread.name.startswith("range"):
            thread.join(timeout=10)
            assert not thread.is_alive()
    assert len(store.asked) <= 1 + ranges.AHEAD
    assert list(blocks) == []


def test_who_stops_early_waits_for_no_second_try(store: Store) -> None:
    """A long pause ends with the reader: else a stopped command would go on for its time."""
    store.faults[0] = "503"
    waits = threading.Event()

    def sleep(seconds: float) -> None:
        waits.set()
        time.sleep(seconds)

    waiting = Waiting(sleep=sleep, random=lambda: 40.0)
    client = httpx.Client(
        base_url="https://storage.googleapis.com",
        trust_env=False,
        transport=httpx.MockTransport(store),
    )
    with client:
        blocks = GcsObjects(client, waiting=waiting).read(stored())
        assert waits.wait(timeout=10)
        blocks.close()
        for thread in threading.enumerate():
            if thread.name.startswith("range"):
                thread.join(timeout=10)
                assert not thread.is_alive()


def test_the_pauses_leave_a_programs_own_chance_alone() -> None:
    before = random.getstate()
    assert Waiting().pause(1, None) <= FIRST_PAUSE
    assert random.getstate() == before
