"""Which bytes a dataset is: one pass over a stream, every checksum that some store speaks of."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import google_crc32c

from tuneops.core.recipe import Dataset, Evidence

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Size and checksums, spelled as Cloud Storage does; `sha256` in hex, as file names have it.

    `lines` counts all lines, empty ones and one without an end included.
    """

    size: int
    crc32c: str
    md5: str
    sha256: str
    lines: int

    def as_dataset(self, uri: str) -> Dataset:
        """The identity of these bytes, under a name."""
        return Dataset(uri=uri, size=self.size, crc32c=self.crc32c)

    def as_evidence(self) -> Evidence:
        """What else is known of them; examples are for `checks` to count."""
        return Evidence(md5=self.md5, sha256=self.sha256)


class Digester:
    """Checksums of blocks that pass by, on their way to whoever looks at them, too."""

    def __init__(self) -> None:
        self._size = self._crc32c = self._ends = 0
        self._last = b"\n"
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    def over(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The same blocks."""
        for block in blocks:
            self._size += len(block)
            self._crc32c = google_crc32c.extend(self._crc32c, block)
            self._md5.update(block)
            self._sha256.update(block)
            self._ends += block.count(b"\n")
            self._last = block[-1:]
            yield block

    @property
    def digest(self) -> Digest:
        """What has passed."""
        return Digest(
            size=self._size,
            crc32c=base64.b64encode(self._crc32c.to_bytes(4, "big")).decode(),
            md5=base64.b64encode(self._md5.digest()).decode(),
            sha256=self._sha256.hexdigest(),
            lines=self._ends + (self._last != b"\n"),
        )


def digest(stream: BinaryIO) -> Digest:
    """Read a stream to its end, once, a block at a time."""
    digester = Digester()
    for _ in digester.over(iter(lambda: stream.read(_BLOCK), b"")):
        pass
    return digester.digest
