"""What specs say about what nobody plans: tries, patience, protection, acceptance, gates."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from tuneops.core.recipe import SPELLING
from tuneops.diagnostics import SourceRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A bounded, declared retry: `limit` additional tries after a failure of the service's own."""

    __pydantic_config__ = SPELLING
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """After how long a job that does not get on is a person's matter; None is never."""

    __pydantic_config__ = SPELLING
    queued: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What to do in the events that no spec describes; stored with each creation.

    What is None is not said, and then it is as ever: no, or never.
    """

    __pydantic_config__ = SPELLING
    retry: Retry = Retry()
    on_supersede: Literal["cancel", "finish"] = "cancel"
    on_remove: Literal["retain", "cancel"] = "retain"
    accept_partial: bool | None = None
    """Whether a version that an unsuccessful job left counts as its result."""
    protect: bool | None = None
    """Whether the removal of the spec must leave everything as it is."""
    timeout: Timeout | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A version that a child goes on from although its parent is another training by now.

    From `until` on nothing is bought on it; what is there stays as it is.
    """

    model: str
    reason: str
    until: datetime | None
    where: SourceRef

    def covers(self, version: str) -> bool:
        """Say whether this is the version that was meant; project ids and numbers are one."""
        return self.model.rpartition("/")[2] == version.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A version that a job made and that is to be deleted, for good; both are named."""

    address: str
    confirm: str

    def names(self, version: str, project: str) -> bool:
        """Say whether this is the version that was meant; a project written out must be the one."""
        place, _, number = version.rpartition("/models/")
        location = place.partition("/locations/")[2]
        meant = (
            version,
            f"models/{number}",
            f"projects/{project}/locations/{location}/models/{number}",
        )
        return self.confirm in meant


def lifted(resume: str | None, job: str | None) -> bool:
    """Say whether a spec's `resume` means this cancelled job, by its id or its full name."""
    return resume is not None and resume.rpartition("/")[2] == (job or "").rpartition("/")[2]


Bound = Decimal | Literal["promoted"]
"""A number, or what the promoted version has of the same metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a metric must say before anything continues from a job or points at it."""

    metric: str
    least: Bound | None = None
    most: Bound | None = None
