"""Names of objects, and of the answers that tell what they hold."""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from tuneops.core.recipe import Dataset, Evidence
from tuneops.engine.ports import StoredObject
from tuneops.errors import Rejected, Unavailable
from tuneops.http.answers import Answer, refused

FIELDS = "name,bucket,generation,size,crc32c,md5Hash,timeCreated"
"""What is asked of an object; a composite one has no md5, and one with a key of its own neither
checksum."""

_URI = re.compile(r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/(?P<name>[^\r\n]+)")
_NAME_LIMIT = 1024


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


def named(uri: str) -> ObjectName:
    """The name in a URI; Rejected, before any request, when it is none."""
    name = ObjectName.parse(uri)
    if name is None:
        raise Rejected(
            f"`{uri}` does not name an object",
            status=0,
            reason="NOT_SENT",
            notes=("no request was sent",),
        )
    return name


def described(answer: Answer, uri: str) -> StoredObject:
    """What an answer says of an object; the fault that it is when it says nothing."""
    if answer.status not in (200, 201):
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


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _moment(value: object) -> datetime | None:
    """A time of the store; None where it says none that names its zone."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
