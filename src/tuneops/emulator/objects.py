"""The object store: one live generation of every object, in the database.

Overwriting makes a greater generation; editing properties raises the metageneration. A bucket with
versioning keeps what was overwritten or deleted. Checksums are taken from the bytes that were
stored.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import google_crc32c

from tuneops.emulator.database import Database

_COLUMNS = (
    "bucket, name, generation, metageneration, created, updated, size, md5, crc32c, properties"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """The metadata of an object."""

    bucket: str
    name: str
    generation: int
    metageneration: int
    created: int
    updated: int
    size: int
    md5: str
    crc32c: str
    properties: Mapping[str, Any]
    deleted: int | None = None
    """When it ceased to be the live generation; None while it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A resumable upload under way."""

    id: str
    bucket: str
    name: str
    properties: Mapping[str, Any]
    conditions: Mapping[str, str]
    content: bytes


def checksums(content: bytes) -> tuple[str, str]:
    """Return MD5 and big-endian CRC32C in base64, as Cloud Storage writes them."""
    md5 = hashlib.md5(content, usedforsecurity=False).digest()
    crc = int(google_crc32c.value(content)).to_bytes(4, "big")
    return base64.b64encode(md5).decode(), base64.b64encode(crc).decode()


def split_uri(uri: str) -> tuple[str, str] | None:
    """Split `gs://bucket/object`; None when it is something else."""
    if not uri.startswith("gs://"):
        return None
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return (bucket, name) if bucket and name else None


class ObjectStore:
    """Objects, buckets and uploads in a database; its transactions are the caller's."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.connection

    def ensure_bucket(self, bucket: str, now: int) -> None:
        """Let a bucket exist."""
        self._connection.execute(
            "INSERT OR IGNORE INTO buckets (name, created) VALUES (?, ?)", (bucket, now)
        )

    def versioned(self, bucket: str) -> bool:
        """Tell whether a bucket keeps what is overwritten or deleted."""
        row = self._connection.execute(
            "SELECT versioned FROM buckets WHERE name = ?", (bucket,)
        ).fetchone()
        return row is not None and bool(row[0])

    def set_versioned(self, bucket: str, versioned: bool) -> None:
        """Let a bucket keep what is overwritten or deleted from now on, or not."""
        self._connection.execute(
            "UPDATE buckets SET versioned = ? WHERE name = ?", (int(versioned), bucket)
        )

    def bucket_created(self, bucket: str) -> int | None:
        """Return when a bucket came into being; None when it does not exist."""
        row = self._connection.execute(
            "SELECT created FROM buckets WHERE name = ?", (bucket,)
        ).fetchone()
        return None if row is None else int(row[0])

    def find(self, bucket: str, name: str) -> StoredObject | None:
        """Return the metadata of the live object."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM objects WHERE bucket = ? AND name = ?", (bucket, name)
        ).fetchone()
        return None if row is None else _stored(row)

    def earlier(self, bucket: str, name: str, generation: int) -> StoredObject | None:
        """Return the metadata of a generation that is kept, and live no more."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS}, deleted FROM generations"
            " WHERE bucket = ? AND name = ? AND generation = ?",
            (bucket, name, generation),
        ).fetchone()
        return None if row is None else _stored(row)

    def kept_in(self, bucket: str) -> list[StoredObject]:
        """Return all generations that are kept in a bucket and live no more, oldest first."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS}, deleted FROM generations WHERE bucket = ?"
            " ORDER BY name, generation",
            (bucket,),
        )
        return [_stored(row) for row in rows]

    def earlier_content(self, stored: StoredObject) -> bytes:
        """Return the bytes of a generation that is live no more."""
        row = self._connection.execute(
            "SELECT content FROM generations WHERE bucket = ? AND name = ? AND generation = ?",
            (stored.bucket, stored.name, stored.generation),
        ).fetchone()
        return bytes(row[0])

    def drop_earlier(self, stored: StoredObject) -> None:
        """Delete, for good, a generation that is live no more."""
        self._connection.execute(
            "DELETE FROM generations WHERE bucket = ? AND name = ? AND generation = ?",
            (stored.bucket, stored.name, stored.generation),
        )

    def _keep(self, bucket: str, name: str, now: int) -> None:
        """Keep the live generation, which is about to go, where the bucket does that."""
        if self.versioned(bucket):
            self._connection.execute(
                f"INSERT INTO generations SELECT {_COLUMNS}, content, ? FROM objects"
                " WHERE bucket = ? AND name = ?",
                (now, bucket, name),
            )

    def content(self, bucket: str, name: str) -> bytes | None:
        """Return the bytes of the live object."""
        row = self._connection.execute(
            "SELECT content FROM objects WHERE bucket = ? AND name = ?", (bucket, name)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def in_bucket(self, bucket: str, *, start: str, end: str) -> Iterator[StoredObject]:
        """Return the objects from `start` up to before `end` (empty: all), by name in bytes."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM objects WHERE bucket = ? AND name >= ?"
            " AND (? = '' OR name < ?) ORDER BY name",
            (bucket, start, end, end),
        )
        return map(_stored, rows.fetchall())

    def put(
        self, bucket: str, name: str, content: bytes, properties: Mapping[str, Any], now: int
    ) -> StoredObject:
        """Store bytes as a new generation; the bucket comes into being if it has to."""
        self.ensure_bucket(bucket, now)
        self._keep(bucket, name, now)
        md5, crc32c = checksums(content)
        if "componentCount" in properties:
            md5 = ""  # the service knows none of an object that was put together
        stored = StoredObject(
            bucket=bucket,
            name=name,
            generation=self._database.next_generation(now),
            metageneration=1,
            created=now,
            updated=now,
            size=len(content),
            md5=md5,
            crc32c=crc32c,
            properties=properties,
        )
        self._connection.execute(
            f"INSERT OR REPLACE INTO objects ({_COLUMNS}, content)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                bucket,
                name,
                stored.generation,
                1,
                now,
                now,
                stored.size,
                md5,
                crc32c,
                json.dumps(dict(properties)),
                content,
            ),
        )
        return stored

    def edit(self, stored: StoredObject, properties: Mapping[str, Any], now: int) -> None:
        """Replace the properties of an object: the same generation, the next metageneration."""
        self._connection.execute(
            "UPDATE objects SET properties = ?, metageneration = metageneration + 1, updated = ?"
            " WHERE bucket = ? AND name = ?",
            (json.dumps(dict(properties)), now, stored.bucket, stored.name),
        )

    def remove(self, bucket: str, name: str, now: int) -> None:
        """Delete the live object, for good unless the bucket keeps what was there."""
        self._keep(bucket, name, now)
        self._connection.execute(
            "DELETE FROM objects WHERE bucket = ? AND name = ?", (bucket, name)
        )

    def upload(self, id: str) -> Upload | None:
        """Return an upload under way."""
        row = self._connection.execute("SELECT * FROM uploads WHERE id = ?", (id,)).fetchone()
        if row is None:
            return None
        return Upload(
            id=row[0],
            bucket=row[1],
            name=row[2],
            properties=json.loads(row[3]),
            conditions=json.loads(row[4]),
            content=bytes(row[5]),
        )

    def keep_upload(self, upload: Upload) -> None:
        """Store how far an upload has come."""
        self._connection.execute(
            "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?)",
            (
                upload.id,
                upload.bucket,
                upload.name,
                json.dumps(dict(upload.properties)),
                json.dumps(dict(upload.conditions)),
                upload.content,
            ),
        )

    def drop_upload(self, id: str) -> None:
        """Forget an upload."""
        self._connection.execute("DELETE FROM uploads WHERE id = ?", (id,))


def _stored(row: tuple[Any, ...]) -> StoredObject:
    return StoredObject(
        bucket=row[0],
        name=row[1],
        generation=row[2],
        metageneration=row[3],
        created=row[4],
        updated=row[5],
        size=row[6],
        md5=row[7],
        crc32c=row[8],
        properties=json.loads(row[9]),
        deleted=row[10] if len(row) > 10 else None,
    )
