"""What a file is, by its first bytes, when it is not JSON lines."""

_MAGIC = (
    (b"\x1f\x8b", "gzip data"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"%PDF", "a PDF file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1", "an Arrow file"),
    (b"version https://git-lfs.github.com/spec/", "a pointer of git-lfs, not the file itself"),
)


def other_format(line: bytes) -> str | None:
    """Say what a file is, from the start of its first line that is not blank, or None."""
    for magic, name in _MAGIC:
        if line.startswith(magic):
            return name
    text = line.strip()
    if text[:2] in (b"{\x00", b"\x00{"):
        return "UTF-16 text"
    if text.startswith(b"\x00"):
        return "binary data"
    if text.startswith(b"["):
        return "a JSON array"
    if text == b"{":
        return "one JSON object spread over lines"
    separators = any(separator in text for separator in (b",", b";", b"\t"))
    if separators and b"{" not in text:
        return "a table (CSV)"
    return None
