"""Resource names and the numbers in them.

Names that go out carry the project number, whatever the request used. Every number is computed
from a seed, so that two processes on one database, and a restart, agree without asking.
"""

import hashlib
import re
from dataclasses import dataclass

_MODEL = re.compile(
    r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/models/(?P<model>[^/@]+)"
    r"(?:@(?P<version>[^/@]+))?"
)
_ROOM = 2**63 - 9 * 10**18
_STRIDE = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Scope:
    """A project, by number, and a location."""

    project: str
    location: str

    def name(self, collection: str, id: str) -> str:
        """Return the full name of a resource in this scope."""
        return f"projects/{self.project}/locations/{self.location}/{collection}/{id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """A model as a caller wrote it: a version, an alias, or neither."""

    scope: Scope
    model: str
    version: str | None


def _digest(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest(), "big")


def project_number(project: str) -> str:
    """Return the twelve-digit number of a project id; a number stands for itself."""
    if project.isascii() and project.isdigit():
        return project
    return str(100_000_000_000 + _digest("project", project) % 900_000_000_000)


def scope(project: str, location: str) -> Scope:
    """Return the scope that a path addresses, by project id or number."""
    return Scope(project=project_number(project), location=location)


def numeric_id(instance: str, *parts: str) -> str:
    """Return a 19-digit id beginning with 9 that still fits a signed 64-bit integer."""
    return numeric_ids(1, instance, *parts)[0]


def numeric_ids(count: int, instance: str, *parts: str) -> tuple[str, ...]:
    """Return `count` ids as `numeric_id` makes them, from one seed."""
    first = _digest(instance, *parts)
    return tuple(str(9 * 10**18 + (first + at * _STRIDE) % _ROOM) for at in range(count))


def opaque_uuid(instance: str, *parts: str) -> str:
    """Return text in the form of a UUID, the same for the same seed."""
    text = f"{_digest(instance, *parts):064x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"


def opaque_tag(*parts: str) -> str:
    """Return a short text that changes when any part does: etags and the like."""
    return f"AMEw9y{_digest(*parts):064x}"[:24]


def parse_model(name: str) -> ModelReference | None:
    """Read `projects/P/locations/L/models/M[@V]`; None when it is something else."""
    match = _MODEL.fullmatch(name)
    if match is None:
        return None
    return ModelReference(
        scope=scope(match["project"], match["location"]),
        model=match["model"],
        version=match["version"],
    )


def split_version(segment: str) -> tuple[str, str | None]:
    """Split the last path segment of a model name, `M` or `M@V`."""
    model, at, version = segment.partition("@")
    return model, version if at else None
