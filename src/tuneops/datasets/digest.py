"""Which bytes a dataset is: one pass over a stream, every checksum that some store speaks of."""

import base64
import hashlib
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


def digest(stream: BinaryIO) -> Digest:
    """Read a stream to its end, once, a block at a time."""
    size, crc32c, ends, last = 0, 0, 0, b"\n"
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    while block := stream.read(_BLOCK):
        size += len(block)
        crc32c = google_crc32c.extend(crc32c, block)
        md5.update(block)
        sha256.update(block)
        ends += block.count(b"\n")
        last = block[-1:]
    return Digest(
        size=size,
        crc32c=base64.b64encode(crc32c.to_bytes(4, "big")).decode(),
        md5=base64.b64encode(md5.digest()).decode(),
        sha256=sha256.hexdigest(),
        lines=ends + (last != b"\n"),
    )
