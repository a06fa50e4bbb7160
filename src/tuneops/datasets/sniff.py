"""What a file is, by its first bytes, when it is not JSON lines, and what to do about it."""

from typing import NamedTuple

_UNPACK = "unpack it first"
_ROWS = "write its rows as JSON, one on each line"
_UTF8 = "save it as UTF-8"
_ANOTHER = "name the file that holds the examples"


class Other(NamedTuple):
    """Another kind of file."""

    name: str
    help: str


_MAGIC = (
    (b"\x1f\x8b", Other("gzip data", _UNPACK)),
    (b"PAR1", Other("a Parquet file", _ROWS)),
    (b"PK\x03\x04", Other("a zip archive", _UNPACK)),
    (b"BZh", Other("bzip2 data", _UNPACK)),
    (b"\xfd7zXZ\x00", Other("xz data", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Other("zstd data", _UNPACK)),
    (b"\xff\xfe", Other("UTF-16 text", _UTF8)),
    (b"\xfe\xff", Other("UTF-16 text", _UTF8)),
    (b"%PDF", Other("a PDF file", _ANOTHER)),
    (b"SQLite format 3\x00", Other("an SQLite database", _ROWS)),
    (b"Obj\x01", Other("an Avro file", _ROWS)),
    (b"ARROW1", Other("an Arrow file", _ROWS)),
    (
        b"version https://git-lfs.github.com/spec/",
        Other("a pointer of git-lfs, not the file itself", "`git lfs pull` brings the file"),
    ),
)


def other_format(line: bytes) -> Other | None:
    """Say what a file is, from the start of its first line that is not blank, or None."""
    for magic, other in _MAGIC:
        if line.startswith(magic):
            return other
    text = line.strip()
    if text[:2] in (b"{\x00", b"\x00{"):
        return Other("UTF-16 text", _UTF8)
    if text.startswith(b"\x00"):
        return Other("binary data", _ANOTHER)
    if text.startswith(b"["):
        return Other("a JSON array", "`tuneops data convert FILE` writes one example a line")
    if text == b"{":
        return Other("one JSON object spread over lines", "write each example on one line")
    separators = any(separator in text for separator in (b",", b";", b"\t"))
    if separators and b"{" not in text:
        return Other("a table (CSV)", _ROWS)
    return None
