"""A tuning job as the world knows it: what was asked, what was settled, how it will go."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tuneops.emulator.database import Event
from tuneops.emulator.fates import Fate, comes_about, fated
from tuneops.emulator.lifecycle import (
    Failure,
    Milestone,
    Standing,
    Timeline,
    failed_timeline,
    standing,
    timeline,
)
from tuneops.emulator.names import Scope, numeric_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint of a job and the endpoint made for it, unless it `lacks_endpoint`."""

    milestone: Milestone
    endpoint: str
    deployment: str
    lacks_endpoint: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A tuning job: what was asked, what was settled at creation, and how it will go."""

    scope: Scope
    id: str
    sequence: int
    request: Mapping[str, Any]
    settled: Mapping[str, Any]
    life: Timeline
    checkpoints: tuple[Checkpoint, ...]
    cancelled: int | None = None
    produced: tuple[str, int] | None = None

    @property
    def fate(self) -> Fate | None:
        """The job fault that it was given."""
        stored = self.settled["fate"]
        return None if stored is None else Fate(**stored)

    @property
    def labels(self) -> dict[str, str]:
        """The labels that its model version and endpoints get."""
        copied = self.request.get("labels", {}) if self.settled["copyLabels"] else {}
        return {**copied, **self.settled["systemLabels"]}

    @property
    def display_name(self) -> str:
        """The display name that its model has or will have."""
        return str(self.settled["displayName"])

    @property
    def serving(self) -> Scope:
        """Where its endpoints live."""
        return Scope(project=self.scope.project, location=self.settled["servingLocation"])

    def standing(self, now: int) -> Standing:
        """Return where the job is at `now`."""
        return standing(self.life, self.cancelled, now)

    def has_met_its_fate(self, now: int) -> bool:
        """Tell whether the job fault that it was given has shown by `now`."""
        fate = self.fate
        if fate is None or self.life == _life(self.life.created, self.settled, self.life.granted):
            return fate is None
        return comes_about(self.life, fate, self.cancelled) <= now


def _life(created: int, settled: Mapping[str, Any], granted: int | None) -> Timeline:
    failure = settled["failure"]
    if failure is not None:
        return failed_timeline(created, settled["pending"], Failure(**failure), granted)
    return timeline(
        created=created,
        pending=settled["pending"],
        examples=settled["examples"],
        epochs=settled["epochs"],
        last_only=settled["lastOnly"],
        granted=granted,
    )


def _fated_life(created: int, settled: Mapping[str, Any], granted: int | None) -> Timeline:
    life = _life(created, settled, granted)
    return life if settled["fate"] is None else fated(life, Fate(**settled["fate"]))


def new_job(
    scope: Scope, event: Event, *, instance: str, sequence: int, granted: int | None
) -> Job:
    """Return the job that an event created; `granted` is when it gets a slot, None at once."""
    settled = event.body["settled"]
    job = Job(
        scope=scope,
        id=event.subject,
        sequence=sequence,
        request=event.body["request"],
        settled=settled,
        life=_fated_life(event.at, settled, granted),
        checkpoints=(),
    )
    return replace(job, checkpoints=_checkpoints(job, instance))


def granted_job(job: Job, instance: str, at: int) -> Job:
    """Return a job that has waited and gets its slot now; its endpoints keep their ids."""
    job = replace(job, life=_fated_life(job.life.created, job.settled, at))
    return replace(job, checkpoints=_checkpoints(job, instance))


def _checkpoints(job: Job, instance: str) -> tuple[Checkpoint, ...]:
    milestones = job.life.milestones
    fate = job.fate
    without = 0
    if fate is not None and fate.breaks_endpoints:
        without = len(milestones)
    elif fate is not None and fate.last_endpoint_only:
        without = max(1, len(milestones) - 1)
    endpoints = numeric_ids(len(milestones), instance, "endpoint", job.id)
    deployments = numeric_ids(len(milestones), instance, "deployment", job.id)
    return tuple(
        Checkpoint(
            milestone=milestone,
            endpoint=endpoints[at],
            deployment=deployments[at],
            lacks_endpoint=at < without,
        )
        for at, milestone in enumerate(milestones)
    )
