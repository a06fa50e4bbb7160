"""GcsObjects: objects by metadata, and uploads that can be repeated without harm.

Every upload carries `ifGenerationMatch=0`: it takes effect once or not at all, so an answer that
was lost is found out by looking. Source: Storage v1 discovery document, 20261009.
"""

import base64
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import google_crc32c
import httpx

from tuneops.core.recipe import Dataset, Evidence
from tuneops.engine.ports import StoredObject
from tuneops.errors import Rejected, TuneopsError, Unavailable
from tuneops.http.answers import Answer, asked_delay, oddity, read_refusal, refused
from tuneops.http.reading import CALL_LIMIT, Reader, TooLarge, TooSlow, receive, spoken
from tuneops.http.waiting import Waiting

UPLOAD_TRIES = 4
CONTENT_TYPE = "application/jsonl"

_BLOCK = 1 << 20
_FIELDS = "name,bucket,generation,size,crc32c,md5Hash,timeCreated"
_URI = re.compile(r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/(?P<name>[^\r\n]+)")
_NAME_LIMIT = 1024
_LOOK_AGAIN = frozenset({401, 408, 412, 429})
_TIMEOUT = httpx.Timeout(60.0, connect=20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectName:
    """A bucket and a name in it."""

    bucket: str
    name: str

    @staticmethod
    def parse(uri: str) -> "ObjectName | None":
        """Read `gs://bucket/name`; None when no object can have that name."""
        found = _URI.fullmatch(uri)
        if found is None or found["name"] in (".", ".."):
            return None
        try:
            length = len(found["name"].encode())
        except UnicodeEncodeError:
            return None
        return ObjectName(**found.groupdict()) if length <= _NAME_LIMIT else None

    @property
    def path(self) -> str:
        """The path of its metadata; all but letters, digits and `-_.~` is escaped, `/` too."""
        return f"/storage/v1/b/{self.bucket}/o/{quote(self.name, safe='')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """What came of one try: nothing stored means that only looking can tell."""

    stored: StoredObject | None = None
    trouble: str = ""
    asked: float | None = None


class GcsObjects:
    """`ObjectStore` of `engine.ports`."""

    def __init__(self, client: httpx.Client, *, waiting: Waiting) -> None:
        self._client = client
        self._reader = Reader(client, waiting)
        self._waiting = waiting

    def describe(self, uri: str) -> StoredObject | None:
        """See `ObjectStore`. A 404 that is not Google's own is a fault, never an absence."""
        answer = self._reader.get(_named(uri).path, {"fields": _FIELDS})
        if answer.status == 404 and read_refusal(answer) is not None:
            return None
        return _described(answer, uri)

    def upload(self, file: Path, uri: str) -> StoredObject:
        """See `ObjectStore`. Rejected when what lies there is not, byte for byte, the file."""
        name = _named(uri)
        local = _measured(file, uri)
        for failures in range(1, UPLOAD_TRIES + 1):
            attempt = self._attempt(file, name, local)
            stored = attempt.stored or self.describe(uri)
            if stored is not None:
                return _verified(stored, local)
            if failures < UPLOAD_TRIES:
                self._waiting.sleep(self._waiting.pause(failures, attempt.asked))
        raise Unavailable(
            f"{uri} could not be uploaded: {attempt.trouble}",
            notes=(f"tried {UPLOAD_TRIES} times; it is not there",),
        )

    def _attempt(self, file: Path, name: ObjectName, local: Dataset) -> _Attempt:
        try:
            with _opened(file) as stream:
                answer = self._send(stream, name, local.size)
        except (httpx.RequestError, TooLarge, TooSlow) as error:
            return _Attempt(trouble=spoken(error))
        if answer.status == 200 and answer.document is not None:
            return _Attempt(stored=_described(answer, local.uri))
        if answer.status in _LOOK_AGAIN or not 400 <= answer.status < 500:
            return _Attempt(trouble=oddity(answer), asked=asked_delay(answer))
        raise refused(answer)

    def _send(self, stream: BinaryIO, name: ObjectName, size: int) -> Answer:
        request = self._client.build_request(
            "POST",
            f"/upload/storage/v1/b/{name.bucket}/o",
            params={"uploadType": "media", "name": name.name, "ifGenerationMatch": "0"},
            headers={"Content-Type": CONTENT_TYPE, "Content-Length": str(size)},
            content=_blocks(stream, size),
            timeout=_TIMEOUT,
        )
        response = self._client.send(request, stream=True, follow_redirects=False)
        with contextlib.closing(response):
            return receive(response, self._waiting, self._waiting.monotonic() + CALL_LIMIT)


def _named(uri: str) -> ObjectName:
    name = ObjectName.parse(uri)
    if name is None:
        raise Rejected(
            f"`{uri}` does not name an object",
            status=0,
            reason="NOT_SENT",
            notes=("no request was sent",),
        )
    return name


def _described(answer: Answer, uri: str) -> StoredObject:
    if answer.status != 200:
        raise refused(answer)
    document = answer.document
    fields = document if isinstance(document, dict) else {}
    size, crc32c = fields.get("size"), fields.get("crc32c")
    if not isinstance(size, str) or not size.isdecimal() or not isinstance(crc32c, str):
        raise Unavailable(
            f"{answer.host} does not say what {uri} holds",
            notes=("size and crc32c are needed; an object with a key of its own shows neither",),
        )
    return StoredObject(
        dataset=Dataset(uri=uri, size=int(size), crc32c=crc32c),
        evidence=Evidence(
            generation=_text(fields.get("generation")), md5=_text(fields.get("md5Hash"))
        ),
        created=_moment(fields.get("timeCreated")),
    )


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
    """The first `size` bytes: what was promised, whatever has been appended since."""
    left = size
    while left and (block := stream.read(min(_BLOCK, left))):
        left -= len(block)
        yield block
    if left:
        raise TuneopsError("the file became shorter while it was read")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _moment(value: object) -> datetime | None:
    """A time of the store; None where it says none that names its zone."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
