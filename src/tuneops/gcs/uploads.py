"""One upload: it takes effect once and with the very bytes of the file, or not at all.

Every request carries `ifGenerationMatch=0` and the file's crc32c, by which the store refuses other
bytes, even where the file changes while it is sent. Small files go in one request, large ones in
parts: after a lost connection the store is asked how far it has come, and a session that it has
forgotten is begun again. Whether something took effect is found out by looking. Source: Storage v1
discovery document, 20261009, and Google's page on resumable uploads.
"""

import base64
import contextlib
import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import httpx

from tuneops.core.recipe import Dataset
from tuneops.engine.ports import StoredObject
from tuneops.errors import Rejected, TuneopsError, Unavailable
from tuneops.gcs.names import FIELDS, ObjectName, described
from tuneops.http.answers import Answer, asked_delay, oddity, refused
from tuneops.http.reading import CALL_LIMIT, TooLarge, TooSlow, receive, spoken
from tuneops.http.waiting import Waiting

UPLOAD_TRIES = 4
"""So many failures in a row, without a byte of progress, and it is given up."""

PART = 8 << 20
"""Larger files go in parts of so many bytes; the service wants a multiple of 256 KiB."""

CONTENT_TYPE = "application/jsonl"

_BLOCK = 1 << 20
_LOOK_AGAIN = frozenset({401, 408, 412, 429})
_FORGOTTEN = frozenset({404, 410})
_RANGE = re.compile(r"bytes=0-(\d{1,18})")
_TIMEOUT = httpx.Timeout(60.0, connect=20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """What came of one try: nothing stored means that only looking can tell."""

    stored: StoredObject | None = None
    trouble: str = ""
    asked: float | None = None


class Upload:
    """The upload of one file to one name."""

    def __init__(
        self,
        client: httpx.Client,
        waiting: Waiting,
        name: ObjectName,
        *,
        look: Callable[[], StoredObject | None],
        progress: Callable[[int, int], None],
    ) -> None:
        self._client = client
        self._waiting = waiting
        self._name = name
        self._look = look
        self._progress = progress
        self._session: httpx.URL | None = None
        self._sent: int | None = 0
        """How much the store has; None where it must be asked."""

    def run(self, file: Path, uri: str) -> StoredObject:
        """Put the file there, or say what is there instead; Unavailable when it cannot be done."""
        local = _measured(file, uri)
        failures, far, attempt = 0, 0, _Attempt()
        while failures < UPLOAD_TRIES:
            attempt = self._attempt(file, local)
            moved = self._sent is not None and self._sent > far
            stored = attempt.stored
            if stored is None and attempt.trouble:
                stored = self._look()
            if stored is not None:
                if local.size > PART:
                    self._progress(local.size, local.size)
                return _verified(stored, local)
            if moved:
                assert self._sent is not None
                failures, far = 0, self._sent
                self._progress(far, local.size)
            if attempt.trouble:
                failures += 1
                if failures < UPLOAD_TRIES:
                    self._waiting.sleep(self._waiting.pause(failures, attempt.asked))
        raise Unavailable(
            f"{uri} could not be uploaded: {attempt.trouble}",
            notes=(f"tried {UPLOAD_TRIES} times; it is not there",),
        )

    def _attempt(self, file: Path, local: Dataset) -> _Attempt:
        """One request, and what it came to."""
        large = local.size > PART
        try:
            with _opened(file) as stream:
                if not large:
                    answer = self._whole(stream, local)
                elif self._session is None:
                    answer = self._begin(local)
                else:
                    answer = self._go_on(stream, local)
        except (httpx.RequestError, TooLarge, TooSlow) as error:
            self._sent = None if self._session else 0
            return _Attempt(trouble=spoken(error))
        if large and self._session is not None:
            return self._progressed(answer, local)
        if large and answer.status == 200:
            self._session, self._sent = _session(answer, self._client.base_url), 0
            return _Attempt()
        return self._settled(answer, local)

    def _settled(self, answer: Answer, local: Dataset) -> _Attempt:
        if answer.status in (200, 201) and answer.document is not None:
            return _Attempt(stored=described(answer, local.uri))
        if answer.status in _LOOK_AGAIN or not 400 <= answer.status < 500:
            return _Attempt(trouble=oddity(answer), asked=asked_delay(answer))
        raise refused(answer)

    def _progressed(self, answer: Answer, local: Dataset) -> _Attempt:
        """What a session answered to a part, or to the question how far it has come."""
        if answer.status == 308:
            found = _RANGE.fullmatch(answer.headers.get("range", "").strip())
            sent = int(found[1]) + 1 if found else 0
            if sent > local.size:
                self._session, self._sent = None, 0
                return _Attempt(trouble="the store has more bytes than were sent; begun again")
            stuck = sent == local.size or (self._sent is not None and sent <= self._sent)
            self._sent = sent
            return _Attempt(trouble="the store took none of what was sent" if stuck else "")
        if answer.status in _FORGOTTEN:
            self._session, self._sent = None, 0
            return _Attempt(trouble=f"the session was forgotten ({answer.status}); begun again")
        self._sent = None
        return self._settled(answer, local)

    def _whole(self, stream: BinaryIO, local: Dataset) -> Answer:
        """Metadata and bytes in one request."""
        boundary = secrets.token_hex(16)
        start = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
            f"{json.dumps(self._metadata(local))}\r\n"
            f"--{boundary}\r\nContent-Type: {CONTENT_TYPE}\r\n\r\n"
        ).encode()
        end = f"\r\n--{boundary}--\r\n".encode()

        def body() -> Iterator[bytes]:
            yield start
            yield from _blocks(stream, local.size)
            yield end

        return self._send(
            "POST",
            f"/upload/storage/v1/b/{self._name.bucket}/o",
            params=self._parameters("multipart"),
            headers={
                "Content-Type": f"multipart/related; boundary={boundary}",
                "Content-Length": str(len(start) + local.size + len(end)),
            },
            content=body(),
        )

    def _begin(self, local: Dataset) -> Answer:
        return self._send(
            "POST",
            f"/upload/storage/v1/b/{self._name.bucket}/o",
            params=self._parameters("resumable"),
            headers={
                "Content-Type": "application/json; charset=UTF-8",
                "X-Upload-Content-Type": CONTENT_TYPE,
                "X-Upload-Content-Length": str(local.size),
            },
            content=json.dumps(self._metadata(local)).encode(),
        )

    def _go_on(self, stream: BinaryIO, local: Dataset) -> Answer:
        """Send the next part, or ask how far the store has come."""
        assert self._session is not None, "parts belong to a session"
        if self._sent is None or self._sent >= local.size:
            self._sent = None
            headers = {"Content-Range": f"bytes */{local.size}", "Content-Length": "0"}
            return self._send("PUT", self._session, headers=headers, content=b"")
        length = min(PART, local.size - self._sent)
        stream.seek(self._sent)
        last = self._sent + length - 1
        return self._send(
            "PUT",
            self._session,
            headers={
                "Content-Range": f"bytes {self._sent}-{last}/{local.size}",
                "Content-Length": str(length),
            },
            content=_blocks(stream, length),
        )

    def _parameters(self, kind: str) -> dict[str, str]:
        return {
            "uploadType": kind,
            "name": self._name.name,
            "ifGenerationMatch": "0",
            "fields": FIELDS,
        }

    def _metadata(self, local: Dataset) -> dict[str, str]:
        return {
            "name": self._name.name,
            "contentType": CONTENT_TYPE,
            "crc32c": local.crc32c,
        }

    def _send(
        self,
        method: str,
        url: str | httpx.URL,
        *,
        headers: dict[str, str],
        content: bytes | Iterator[bytes],
        params: dict[str, str] | None = None,
    ) -> Answer:
        request = self._client.build_request(
            method, url, params=params, headers=headers, content=content, timeout=_TIMEOUT
        )
        response = self._client.send(request, stream=True, follow_redirects=False)
        with contextlib.closing(response):
            return receive(response, self._waiting, self._waiting.monotonic() + CALL_LIMIT)


def _session(answer: Answer, base: httpx.URL) -> httpx.URL:
    """Where the parts go: the host that was asked, for the credentials are for no other."""
    try:
        url = base.join(answer.headers.get("location", ""))
    except httpx.InvalidURL:
        url = httpx.URL()
    if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port) or not url.query:
        raise Unavailable(f"{answer.host} names no upload session of its own")
    return url


def _verified(stored: StoredObject, local: Dataset) -> StoredObject:
    if stored.dataset.same_bytes(local):
        return stored
    raise Rejected(
        f"{local.uri} is there, but it is not the local file: {stored.dataset.size} bytes with"
        f" crc32c {stored.dataset.crc32c}, not {local.size} with {local.crc32c}",
        status=412,
        reason="conditionNotMet",
        help="use another name, or remove that object if nothing was trained on it",
    )


def _measured(file: Path, uri: str) -> Dataset:
    size, checksum = 0, 0
    with _opened(file) as stream:
        while block := stream.read(_BLOCK):
            size += len(block)
            checksum = google_crc32c.extend(checksum, block)
    crc32c = base64.b64encode(checksum.to_bytes(4, "big")).decode()
    return Dataset(uri=uri, size=size, crc32c=crc32c)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        stream = file.open("rb")
    except OSError as error:
        raise TuneopsError(f"`{file}` cannot be read: {error.strerror}") from error
    with stream:
        yield stream


def _blocks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """The next `size` bytes: what was promised, whatever has been appended since."""
    left = size
    while left and (block := stream.read(min(_BLOCK, left))):
        left -= len(block)
        yield block
    if left:
        raise TuneopsError("the file became shorter while it was read")
