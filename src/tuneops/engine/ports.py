"""What the engine needs from the world. Docstrings are contracts: cost, errors, retry safety."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from tuneops.core.claim import Claim
from tuneops.core.observed import Checkpoint, ModelVersion, ObservedJob, Point
from tuneops.core.recipe import Dataset, Evidence
from tuneops.core.request import JobRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A complete pass over the jobs of one location, and the service's clock at its end."""

    at: datetime
    jobs: tuple[ObservedJob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object's content as its store describes it; `created` is when it was written there."""

    dataset: Dataset
    evidence: Evidence
    created: datetime | None = None


class JobList(Protocol):
    """Which tuning jobs there are in one project and location."""

    def list_jobs(self) -> Listing:
        """Every job, to the last page, or Unavailable: never a partial view. Safe to repeat.

        Those whose labels the service dropped are known by their machine lines.
        """
        ...


class TuningService(JobList, Protocol):
    """Tuning jobs of one project and location."""

    def get_job(self, name: str) -> ObservedJob | None:
        """One job by name; None when the service says that it is not there. Safe to repeat."""
        ...

    def create_job(self, request: JobRequest) -> ObservedJob:
        """Ask for one job with exactly one POST, on a connection of its own, never repeated.

        Rejected: nothing was made. Unanswered: it may have been made; look for its labels.
        """
        ...

    def cancel_job(self, name: str) -> None:
        """Ask for a job to be cancelled; best effort, the job may still succeed. Repeatable."""
        ...


class VersionList(Protocol):
    """Which versions and checkpoints of tuned models there are. Safe to repeat."""

    def list_versions(self, model: str) -> Mapping[str, ModelVersion] | None:
        """The versions of `…/models/55` by number; None when the model is not there."""
        ...

    def list_checkpoints(self, version: str) -> Mapping[str, Checkpoint]:
        """The checkpoints of `…/models/55@2` by id; empty when the version is not there."""
        ...


class ModelList(VersionList, Protocol):
    """Which tuned models there are. Safe to repeat."""

    def list_tuned(self) -> tuple[ModelVersion, ...]:
        """Every version of every tuned model of the location, or Unavailable: never a part.

        Costs a request for each page of models, and for each tuned model one for its versions.
        """
        ...


class ModelRegistry(VersionList, Protocol):
    """Versions, checkpoints and metrics of tuned models, and what can be moved among them.

    All are safe to repeat. A write that the service refuses is Rejected, and changed nothing.
    """

    def read_series(
        self, experiment: str, names: frozenset[str]
    ) -> Mapping[str, tuple[Point, ...]]:
        """The points of a job's metrics by their names, those left out that are not there."""
        ...

    def merge_aliases(self, version: str, aliases: tuple[str, ...]) -> None:
        """Put aliases on `…/models/55@2`, away from who has them; `-name` takes one off."""
        ...

    def set_default_checkpoint(self, version: str, checkpoint: str, etag: str | None) -> None:
        """Change the default checkpoint of a version, if it is still as its `etag` says."""
        ...


class Disposal(Protocol):
    """What is taken out of the model registry for good."""

    def delete_version(self, version: str) -> None:
        """Delete `…/models/55@2` and no other; one that is not there is no trouble. Repeatable.

        Rejected: it was not deleted, since it serves, or is the only version of its model.
        """
        ...


class ObjectList(Protocol):
    """What objects are."""

    def describe(self, uri: str) -> StoredObject | None:
        """Metadata of `gs://bucket/object`, without reading it; None when it is not there."""
        ...


class ObjectStore(ObjectList, Protocol):
    """Objects that datasets live in."""

    def upload(self, file: Path, uri: str) -> StoredObject:
        """Put a file there if nothing is there yet; otherwise describe what is. Repeatable."""
        ...

    def version(self, uri: str, generation: str) -> StoredObject | None:
        """Metadata of one generation; None when it is not kept, as where the bucket keeps none."""
        ...

    def read(self, stored: StoredObject) -> Iterator[bytes]:
        """The bytes of one generation in order, in memory that does not grow with the object.

        Reading begins at once; who stops early calls `close`. The iterator ends only if the bytes
        were those of `stored`: else Rejected, or Unavailable when the store does not answer.
        """
        ...


class ClaimStore(Protocol):
    """The creation guard: one record per creation key, changed by compare-and-swap only."""

    def read(self, key: str) -> tuple[Claim, str] | None:
        """The record and its generation, or None when there is none."""
        ...

    def swap(self, claim: Claim, expected: str | None) -> str | None:
        """Write the record if its generation is still `expected` (None: not there at all).

        Gives the new generation, or None when somebody else wrote first.
        """
        ...


class Clock(Protocol):
    """Waiting. What time it is, is the service's to say."""

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass (virtual ones on the embedded emulator)."""
        ...
