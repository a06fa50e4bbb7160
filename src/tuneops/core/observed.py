"""The world, as the service showed it at one instant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tuneops.core.recipe import SPELLING, Dataset, Evidence


class JobState(StrEnum):
    """States of the service without their prefix; one not listed here reads as UNKNOWN.

    Source: enum JobState of the v1 API description. An unknown state is never terminal.
    """

    QUEUED = "QUEUED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    PAUSED = "PAUSED"
    EXPIRED = "EXPIRED"
    UPDATING = "UPDATING"
    PARTIALLY_SUCCEEDED = "PARTIALLY_SUCCEEDED"
    UNKNOWN = "UNKNOWN"

    @property
    def terminal(self) -> bool:
        """Say whether the job has ended for good."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.EXPIRED,
        JobState.PARTIALLY_SUCCEEDED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One checkpoint of a model version; `endpoint` is empty until it is deployed."""

    __pydantic_config__ = SPELLING
    epoch: int
    step: int
    endpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job ended badly: a google.rpc code and the service's words."""

    __pydantic_config__ = SPELLING
    code: int
    message: str


INFRASTRUCTURE_CODES = frozenset({8, 13, 14})
"""google.rpc RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE: failures that another try may cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """What our labels on a job say, or its machine line where they were dropped."""

    owner: str
    address: str
    lineage: str
    attempt: int
    mark: str
    by_line: bool = False
    """Whether only the machine line says so, since the service dropped the labels. Such a job is
    bound and never bought again; but what bears no label of ours is not cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFields:
    """The fields of a job that its creator set, as the service shows them, for comparing."""

    method: str | None = None
    base_model: str | None = None
    pretuned_model: str | None = None
    checkpoint: str | None = None
    training_uri: str | None = None
    epoch_count: int | None = None
    adapter_size: int | None = None
    learning_rate_multiplier: Decimal | None = None
    beta: Decimal | None = None
    encryption_key: str | None = None
    validation_uri: str | None = None
    last_checkpoint_only: bool = False
    service_account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value of a metric, and the training step at which it was written."""

    step: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedJob:
    """One tuning job. `ownership` is None for a job that tuneops did not make."""

    name: str
    state: JobState
    created: datetime
    ended: datetime | None = None
    ownership: Ownership | None = None
    fields: DeclaredFields = DeclaredFields()
    description: str = ""
    display_name: str = ""
    model: str | None = None
    endpoint: str | None = None
    checkpoints: Mapping[str, Checkpoint] = field(default_factory=dict)
    failure: Failure | None = None
    billable_tokens: int | None = None
    raw_state: str = ""
    updated: datetime | None = None
    """When the service last changed it, as far as it says."""
    started: datetime | None = None
    data_read: bool = False
    """Whether the service shows what it counted in the training data: it has read all of it."""
    experiment: str | None = None
    """Where the series of its metrics hang."""
    evaluation: Mapping[str, Any] | None = None
    """How its checkpoints are evaluated: the service's own JSON."""
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What its evaluation said, by metric and checkpoint; "" is the only checkpoint."""

    @property
    def seniority(self) -> tuple[datetime, int, str]:
        """The order that decides between twins: oldest first, then the smaller id.

        Both never change, so two runners can disagree only about what they have seen.
        """
        last = self.name.rpartition("/")[2]
        return (self.created, int(last) if last.isdigit() else 0, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a model in the registry."""

    name: str
    display_name: str = ""
    default_checkpoint: str | None = None
    aliases: tuple[str, ...] = ()
    created: datetime | None = None
    etag: str | None = None
    deployed: tuple[str, ...] = ()
    """The endpoints that serve it."""
    shown: DeclaredFields | None = None
    """What it shows of how it was tuned; None where it does not show that it was."""
    checkpoints: Mapping[str, Checkpoint] = field(default_factory=dict)
    owner: str | None = None
    """The owner that its labels name, copied from its job or from an older version of its model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenObject:
    """An object in a bucket as it is now; `created` is when its live generation was written."""

    dataset: Dataset
    evidence: Evidence = field(default_factory=Evidence)
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What there is. `at` is the service's own clock, from the `Date` header of its answer.

    `jobs` come from a complete list, and by name where the list did not show a recorded one.
    `missing` were asked for by name and are not there. `versions` has an entry for each model that
    was asked for: its versions by number, or None where the model is gone. `objects` has an entry
    for each dataset in a bucket of the user's: what is there now, or None; `evidence` has what else
    its store says of it. `inputs` has an entry for each job of ours, by name, of which it is not
    recorded yet which bytes it has read: what lies behind its training URI now, or None. `series`
    has what was read of the metrics of a job, by its name and theirs. `strangers` are live jobs
    with our labels that this repository holds no claim for: a fork or a namesake may have made
    them.
    """

    at: datetime
    jobs: Mapping[str, ObservedJob]
    listed: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    versions: Mapping[str, Mapping[str, ModelVersion] | None] = field(default_factory=dict)
    objects: Mapping[str, Dataset | None] = field(default_factory=dict)
    series: Mapping[str, Mapping[str, tuple[Point, ...]]] = field(default_factory=dict)
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    inputs: Mapping[str, SeenObject | None] = field(default_factory=dict)
    strangers: frozenset[str] = frozenset()
    elsewhere: Mapping[str, int | None] = field(default_factory=dict)
    """Live jobs of the project by other locations that were asked; None where the list failed."""

    def differs(self, dataset: Dataset, evidence: Evidence) -> bool:
        """Say whether what lies at the dataset's URI is known not to be these bytes."""
        there = self.objects.get(dataset.uri)
        seen = self.evidence.get(dataset.uri, Evidence())
        return there is not None and not (there.same_bytes(dataset) and seen.agrees(evidence))

    def has_version(self, model: str) -> bool:
        """Say whether `…/models/55@2` is there, as far as was asked: not asked counts as there."""
        base, _, version = model.partition("@")
        if base not in self.versions:
            return True
        versions = self.versions[base]
        return versions is not None and version in versions

    def owned(self, *owners: str) -> Mapping[tuple[str, int], tuple[ObservedJob, ...]]:
        """Our jobs by (lineage, attempt), the senior one first."""
        found: dict[tuple[str, int], list[ObservedJob]] = {}
        for job in self.jobs.values():
            if job.ownership is not None and job.ownership.owner in owners:
                key = (job.ownership.lineage, job.ownership.attempt)
                found.setdefault(key, []).append(job)
        return {key: tuple(by_seniority(jobs)) for key, jobs in found.items()}


def by_seniority(jobs: Iterable[ObservedJob]) -> list[ObservedJob]:
    """The jobs, the senior one first."""
    ranked = list(jobs)
    if len(ranked) > 1:  # nearly every creation has one job
        ranked.sort(key=lambda job: job.seniority)
    return ranked
