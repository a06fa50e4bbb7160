"""Resource names of Vertex AI.

A request may name a project by id or by number; answers always carry the number. Which number an
id has is not known here, so two names with an id on one side and a number on the other may be the
same, and are treated so. Grammar: path patterns of the v1 discovery document.
"""

import re
from dataclasses import dataclass

_PLACE = r"projects/(?P<project>[a-z0-9][a-z0-9.:-]{0,99})/locations/(?P<location>[a-z0-9-]{1,40})"
_JOB = re.compile(_PLACE + r"/tuningJobs/(?P<id>[0-9]{1,40})", re.ASCII)
_MODEL = re.compile(
    _PLACE + r"/models/(?P<id>[A-Za-z0-9_-]{1,63})(?:@(?P<version>[A-Za-z0-9-]{1,128}))?", re.ASCII
)


def in_location(name: str, collection: str, location: str) -> bool:
    """Say whether a full name is one of this collection and location, and safe inside a path."""
    pattern = rf"{_PLACE}/{collection}(/[A-Za-z0-9_-]{{1,128}})+"
    found = re.fullmatch(pattern, name, re.ASCII)
    return found is not None and found["location"] == location


@dataclass(frozen=True, slots=True, kw_only=True)
class JobName:
    """`projects/P/locations/L/tuningJobs/N`."""

    project: str
    location: str
    id: str

    @staticmethod
    def parse(text: str) -> "JobName | None":
        """Read a job's full name; None when it is not one."""
        found = _JOB.fullmatch(text)
        return JobName(**found.groupdict()) if found else None

    def in_place(self, project: str, location: str) -> bool:
        """Say whether this can be a job of that project and location."""
        return self.location == location and may_be_same_project(self.project, project)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    """`projects/P/locations/L/models/M`, perhaps with `@` and a version number or alias."""

    project: str
    location: str
    id: str
    version: str | None = None

    @staticmethod
    def parse(text: str) -> "ModelName | None":
        """Read a model's full name; None when it is not one."""
        found = _MODEL.fullmatch(text)
        return ModelName(**found.groupdict()) if found else None

    @property
    def base(self) -> str:
        """The model's name without its version."""
        return f"projects/{self.project}/locations/{self.location}/models/{self.id}"

    def __str__(self) -> str:
        return f"{self.base}@{self.version}" if self.version else self.base


def may_be_same_project(left: str, right: str) -> bool:
    """Say whether two names of a project can mean one: an id and a number cannot be told apart."""
    return left == right or left.isdigit() != right.isdigit()


def same_job(left: str, right: str) -> bool:
    """Say whether two names mean one job. Ids are unique across projects, as far as is known."""
    one, two = JobName.parse(left), JobName.parse(right)
    if one is None or two is None:
        return left == right
    return one.id == two.id and one.in_place(two.project, two.location)


def same_version(left: str, right: str) -> bool:
    """Say whether two names mean one model and one version; no version means only itself."""
    one, two = ModelName.parse(left), ModelName.parse(right)
    if one is None or two is None:
        return left == right
    return (one.id, one.version, one.location) == (
        two.id,
        two.version,
        two.location,
    ) and may_be_same_project(one.project, two.project)
