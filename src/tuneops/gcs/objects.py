"""GcsObjects: objects by metadata, by their bytes, and uploads that harm nothing when repeated."""

from collections.abc import Callable
from pathlib import Path

import httpx

from tuneops.engine.ports import StoredObject
from tuneops.errors import Unavailable
from tuneops.gcs.names import FIELDS, ObjectName, described, named
from tuneops.gcs.ranges import Blocks
from tuneops.gcs.uploads import Upload
from tuneops.http.answers import read_refusal, refused
from tuneops.http.reading import Reader
from tuneops.http.waiting import Waiting

Progress = Callable[[str, int, int], None]
"""Told as an upload in parts goes on: the URI, the bytes that are there, and all of them."""


class GcsObjects:
    """`ObjectStore` of `engine.ports`."""

    def __init__(
        self,
        client: httpx.Client,
        *,
        waiting: Waiting,
        progress: Progress = lambda _uri, _sent, _size: None,
    ) -> None:
        self._client = client
        self._reader = Reader(client, waiting)
        self._waiting = waiting
        self.progress = progress

    def describe(self, uri: str) -> StoredObject | None:
        """See `ObjectStore`. A 404 that is not Google's own is a fault, never an absence."""
        return self._look(named(uri), uri, {})

    def glance(self, uri: str) -> tuple[int, str] | None:
        """The size and content type of any object, without reading it; None when it is not there.

        Rejected when the store says no, Unavailable when it does not answer.
        """
        answer = self._reader.get(named(uri).path, {"fields": "size,contentType"})
        if answer.status == 404 and read_refusal(answer) is not None:
            return None
        if answer.status != 200:
            raise refused(answer)
        fields = answer.document if isinstance(answer.document, dict) else {}
        size, kind = fields.get("size"), fields.get("contentType")
        if not isinstance(size, str) or not size.isdecimal():
            raise Unavailable(f"{answer.host} does not say how large {uri} is")
        return int(size), kind if isinstance(kind, str) else ""

    def version(self, uri: str, generation: str) -> StoredObject | None:
        """See `ObjectStore`."""
        return self._look(named(uri), uri, {"generation": generation})

    def upload(self, file: Path, uri: str) -> StoredObject:
        """See `ObjectStore`. Rejected when what lies there is not, byte for byte, the file."""
        name = named(uri)
        upload = Upload(
            self._client,
            self._waiting,
            name,
            look=lambda: self.describe(uri),
            progress=lambda sent, size: self.progress(uri, sent, size),
        )
        return upload.run(file, uri)

    def read(self, stored: StoredObject) -> Blocks:
        """See `ObjectStore`."""
        return Blocks(self._client, self._waiting, named(stored.dataset.uri), stored)

    def _look(self, name: ObjectName, uri: str, more: dict[str, str]) -> StoredObject | None:
        answer = self._reader.get(name.path, {"fields": FIELDS, **more})
        if answer.status == 404 and read_refusal(answer) is not None:
            return None
        return described(answer, uri)


def far(uri: str, sent: int, size: int) -> str:
    """How far an upload has come, in words."""
    return f"uploading {uri}: {sent >> 20} of {size >> 20} MiB"
