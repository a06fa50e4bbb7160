"""The bytes of one object in order, read by several range requests at once, and never held whole.

All requests name one generation, so that no two versions can be mixed, and a range that breaks off
is gone on with from where it broke. The end is believed only if all bytes have the crc32c that the
store said before: a reader learns of anything else by an exception instead of the end.
"""

import base64
import contextlib
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import google_crc32c
import httpx

from tuneops.engine.ports import StoredObject
from tuneops.errors import Rejected, Unavailable
from tuneops.gcs.names import ObjectName
from tuneops.http.answers import asked_delay, oddity, refused
from tuneops.http.reading import TooSlow, receive, spoken
from tuneops.http.waiting import PATIENCE, TRIES, Waiting

BLOCK = 4 << 20
"""Bytes of one request."""

AHEAD = 4
"""Requests at once for one object; so many blocks are in memory at most, and the one in use."""

TICK = 0.2
"""Seconds between two looks, while waiting to ask again, at whether the reader still reads."""

_CALL = httpx.Timeout(20.0, connect=10.0)
_PASSING = frozenset({401, 408, 429})
_SPAN = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class _Given(Exception):
    """The reader wants no more."""


class Blocks(Iterator[bytes]):
    """The blocks of an object; reading begins at once, so that several go on side by side.

    Rejected when the generation is gone or its bytes are not those that it has by its metadata;
    Unavailable when the store does not answer. Who stops early closes it.
    """

    def __init__(
        self, client: httpx.Client, waiting: Waiting, name: ObjectName, stored: StoredObject
    ) -> None:
        self._client, self._waiting, self._name, self._stored = client, waiting, name, stored
        self._starts = iter(range(0, stored.dataset.size, BLOCK))
        self._pool = ThreadPoolExecutor(max_workers=AHEAD, thread_name_prefix="range")
        self._given_up = Event()
        self._flying: deque[Future[bytes]] = deque()
        self._checksum = 0
        self._over = False
        for _ in range(AHEAD):
            self._ask()

    def __next__(self) -> bytes:
        """The next block, in order."""
        if self._over:
            raise StopIteration
        if not self._flying:
            self._finish()
            raise StopIteration
        try:
            block = self._flying.popleft().result()
        except BaseException:
            self.close()
            raise
        self._ask()
        self._checksum = google_crc32c.extend(self._checksum, block)
        return block

    def __enter__(self) -> "Blocks":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading; what is under way ends within a block's worth of network, unawaited."""
        self._over = True
        self._given_up.set()
        self._flying.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _finish(self) -> None:
        self.close()
        wanted = self._stored.dataset
        found = base64.b64encode(self._checksum.to_bytes(4, "big")).decode()
        if found != wanted.crc32c:
            raise Rejected(
                f"the bytes read of {wanted.uri} have crc32c {found}, not {wanted.crc32c}",
                status=0,
                reason="WRONG_BYTES",
                notes=("something between here and the store changes them",),
            )

    def _ask(self) -> None:
        start = next(self._starts, None)
        if start is not None:
            end = min(start + BLOCK, self._stored.dataset.size)
            self._flying.append(self._pool.submit(self._fetch, start, end))

    def _fetch(self, start: int, end: int) -> bytes:
        """One block; what came before a connection broke is kept."""
        block = bytearray()
        since, failures = self._waiting.monotonic(), 0
        while True:
            before = len(block)
            trouble, asked = self._receive(start, end, block)
            if len(block) == end - start:
                return bytes(block)
            failures = 1 if len(block) > before else failures + 1
            pause = self._waiting.pause(failures, asked)
            late = self._waiting.monotonic() + pause - since > PATIENCE
            if failures == TRIES or late:
                uri = self._stored.dataset.uri
                raise Unavailable(
                    f"{uri} could not be read: {trouble}", notes=(f"tried {failures} times",)
                )
            self._sleep(pause)

    def _sleep(self, pause: float) -> None:
        """Wait so many seconds, or until the reader wants no more: no command ends later for it."""
        while pause > 0 and not self._given_up.is_set():
            self._waiting.sleep(min(pause, TICK))
            pause -= TICK
        if self._given_up.is_set():
            raise _Given

    def _receive(self, start: int, end: int, block: bytearray) -> tuple[str, float | None]:
        """Add to the block what one request gives; say what went wrong, and the wait asked for."""
        at = start + len(block)
        generation = self._stored.evidence.generation
        request = self._client.build_request(
            "GET",
            self._name.path,
            params={"alt": "media", **({"generation": generation} if generation else {})},
            # Stored bytes as they are: what is stored compressed must not be unpacked on the way.
            headers={"Range": f"bytes={at}-{end - 1}", "Accept-Encoding": "gzip"},
            timeout=_CALL,
        )
        try:
            response = self._client.send(request, stream=True, follow_redirects=False)
            with contextlib.closing(response):
                whole = response.status_code == 200 and at == 0 and end == self._stored.dataset.size
                if not whole and (response.status_code != 206 or not _covers(response, at, end)):
                    return self._refusal(response)
                for piece in _pieces(response):
                    if self._given_up.is_set():
                        raise _Given
                    block += piece[: end - start - len(block)]
        except httpx.RequestError as error:
            return spoken(error), None
        return "the answer was cut off", None

    def _refusal(self, response: httpx.Response) -> tuple[str, float | None]:
        until = self._waiting.monotonic() + _CALL.read if _CALL.read else 0.0
        try:
            answer = receive(response, self._waiting, until)
        except TooSlow as error:
            return spoken(error), None
        uri, generation = self._stored.dataset.uri, self._stored.evidence.generation
        if answer.status == 404:
            raise Rejected(
                f"{uri} was replaced or removed while it was read",
                status=404,
                reason="notFound",
                notes=(f"generation {generation} is not there any more",) if generation else (),
                help="run the command again",
            )
        if answer.status in _PASSING or answer.status >= 500 or answer.status < 400:
            return oddity(answer), asked_delay(answer)
        raise refused(answer)


def _pieces(response: httpx.Response) -> Iterator[bytes]:
    """The body as it came; a transport inside this process may have read it already."""
    return iter((response.content,)) if response.is_stream_consumed else response.iter_raw()


def _covers(response: httpx.Response, start: int, end: int) -> bool:
    found = _SPAN.fullmatch(response.headers.get("content-range", ""))
    return found is not None and (int(found[1]), int(found[2])) == (start, end - 1)
