import base64
import hashlib
import io

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneops.datasets.digest import digest


@given(st.binary(max_size=4000))
def test_agrees_with_the_checksums_of_the_whole(content: bytes) -> None:
    found = digest(io.BytesIO(content))
    crc32c = google_crc32c.value(content).to_bytes(4, "big")
    assert found.size == len(content)
    assert found.crc32c == base64.b64encode(crc32c).decode()
    assert found.md5 == base64.b64encode(hashlib.md5(content).digest()).decode()
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.lines == len(io.BytesIO(content).readlines())


def test_known_checksum() -> None:
    assert digest(io.BytesIO(b"123456789")).crc32c == "4waSgw=="  # the check value of CRC-32C


@pytest.mark.parametrize(
    ("content", "lines"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\n\nb", 3), (b"\n" * 3, 3)]
)
def test_counts_lines(content: bytes, lines: int) -> None:
    assert digest(io.BytesIO(content)).lines == lines


def test_blocks_make_no_difference() -> None:
    content = b"0123456789abcde\n" * 200_000
    found = digest(io.BytesIO(content))
    assert (found.size, found.lines) == (len(content), 200_000)
    assert found.as_dataset("gs://b/x.jsonl").size == len(content)
    assert found.as_evidence().sha256 == hashlib.sha256(content).hexdigest()
