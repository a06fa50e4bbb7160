"""Everything that exists at an instant, folded from what callers did and from time passing.

The only writer of a world is its fold: events in order, and between them the ends of jobs at
their computed instants, each of which may give a slot to a job that waits. A version number is
given at completion and is one more than the last of the parent model, in order of completion,
and never given again.
"""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tuneops.emulator.database import Event
from tuneops.emulator.jobs import Checkpoint, Job, granted_job, new_job
from tuneops.emulator.lifecycle import FOREVER, settlement
from tuneops.emulator.names import Scope, numeric_id
from tuneops.emulator.quota import Key, Quota, Slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a model; `revision` is the last event that changed it."""

    number: int
    job: Job
    created: int
    updated: int
    description: str
    labels: Mapping[str, str]
    default_checkpoint: str
    revision: int

    def checkpoint(self, id: str) -> Checkpoint | None:
        """Return a checkpoint by id."""
        return next((c for c in self.job.checkpoints if c.milestone.id == id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model and its versions; `last` counts deleted versions too."""

    scope: Scope
    id: str
    display_name: str
    description: str
    labels: Mapping[str, str]
    created: int
    updated: int
    versions: Mapping[int, Version]
    aliases: Mapping[str, int]
    last: int
    revision: int

    def find(self, reference: str | None) -> Version | None:
        """Return a version by number or alias; the default one when none is named."""
        wanted = reference or "default"
        if wanted.isascii() and wanted.isdigit():
            return self.versions.get(int(wanted))
        number = self.aliases.get(wanted)
        return None if number is None else self.versions.get(number)

    @property
    def default(self) -> Version:
        """The version that holds the alias `default`; there always is one."""
        return self.versions[self.aliases["default"]]

    @property
    def latest(self) -> Version:
        """The version with the greatest number."""
        return self.versions[max(self.versions)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint that a job made for one of its checkpoints."""

    scope: Scope
    id: str
    job: Key
    checkpoint: str


@dataclass(slots=True, kw_only=True)
class World:
    """The state of one instance, as far as it has been folded."""

    instance: str
    jobs: dict[Key, Job] = field(default_factory=dict)
    models: dict[Key, Model] = field(default_factory=dict)
    endpoints: dict[Key, Endpoint] = field(default_factory=dict)
    undeployed: set[str] = field(default_factory=set)
    forgotten: set[Key] = field(default_factory=set)
    """Jobs whose records are gone; what they made is still there."""
    operations: dict[Key, Event] = field(default_factory=dict)
    last_event: int = 0
    last_event_at: int = 0
    reached: int = 0
    last_completion: int = 0
    slots: Slots = field(default_factory=Slots)
    _ahead: list[tuple[int, int, Key]] = field(default_factory=list)

    def fold(self, events: Iterable[Event], now: int) -> None:
        """Bring the world to `now`; events come in the order in which they were recorded."""
        for event in events:
            self._complete(event.at)
            self._apply(event)
            self.last_event = event.id
            self.last_event_at = event.at
        self._complete(now)
        self.reached = max(self.reached, now)

    def jobs_in(self, scope: Scope) -> list[Job]:
        """Return the jobs of a project and location, newest first."""
        return [
            job
            for key, job in reversed(self.jobs.items())
            if job.scope == scope and key not in self.forgotten
        ]

    def job(self, key: Key) -> Job | None:
        """Return a job whose record is there."""
        return None if key in self.forgotten else self.jobs.get(key)

    def models_in(self, scope: Scope) -> list[Model]:
        """Return the models of a project and location, in no promised order."""
        return [model for model in self.models.values() if model.scope == scope]

    def is_deployed(self, job: Job, checkpoint: Checkpoint, now: int) -> bool:
        """Tell whether a checkpoint's endpoint serves it at `now`."""
        if checkpoint.endpoint in self.undeployed:
            return False
        if (job.serving, checkpoint.endpoint) not in self.endpoints:
            return False
        return job.produced is not None and checkpoint.milestone.served <= now

    def version_of(self, job: Job) -> Version | None:
        """Return the version that a job made, if it still exists."""
        if job.produced is None:
            return None
        model = self.models.get((job.scope, job.produced[0]))
        version = model.versions.get(job.produced[1]) if model else None
        return version if version is not None and version.job.id == job.id else None

    def _apply(self, event: Event) -> None:
        scope = Scope(project=event.project, location=event.location)
        key = (scope, event.subject)
        body = event.body
        match event.kind:
            case "job.created":
                self._create(scope, event)
            case "job.cancelled":
                self._cancel(key, event.at)
            case "job.forgotten":
                self.forgotten.add(key)
            case "quota.set":
                self.slots.quota = Quota(**body)
                self._grant(event.at)
            case "model.patched":
                self.models[key] = _patched(self.models[key], event)
            case "aliases.merged":
                self.models[key] = _realiased(self.models[key], event)
            case "version.deleted":
                self.models[key] = _without_version(self.models[key], event)
            case "model.deleted":
                del self.models[key]
            case "endpoint.undeployed":
                self.undeployed.add(event.subject)
            case "endpoint.deleted":
                del self.endpoints[key]
        if "operation" in body:
            self.operations[scope, body["operation"]] = event

    def _create(self, scope: Scope, event: Event) -> None:
        settled = event.body["settled"]
        key = (scope, event.subject)
        granted = None if settled["slotless"] or self.slots.join(key) else FOREVER
        sequence = len(self.jobs) + 1
        job = new_job(scope, event, instance=self.instance, sequence=sequence, granted=granted)
        self.jobs[key] = job
        serving = job.serving
        for checkpoint in job.checkpoints:
            if not checkpoint.lacks_endpoint:
                self.endpoints[serving, checkpoint.endpoint] = Endpoint(
                    scope=serving,
                    id=checkpoint.endpoint,
                    job=key,
                    checkpoint=checkpoint.milestone.id,
                )
        self._expect(key)

    def _cancel(self, key: Key, at: int) -> None:
        job = self.jobs[key] = replace(self.jobs[key], cancelled=at)
        if job.life.granted >= FOREVER and job.life.cancel.wins:
            self.slots.leave(key)
        self._expect(key)

    def _grant(self, at: int) -> None:
        """Give free slots to jobs that wait; their work begins now, their places stay."""
        for key in self.slots.granted():
            self.jobs[key] = granted_job(self.jobs[key], self.instance, at)
            self._expect(key)

    def _expect(self, key: Key) -> None:
        """Be there when a job ends; an end that was expected before may no longer hold."""
        job = self.jobs[key]
        end = settlement(job.life, job.cancelled)
        if end.at < FOREVER:
            heapq.heappush(self._ahead, (end.at, job.sequence, key))

    def _complete(self, now: int) -> None:
        while self._ahead and self._ahead[0][0] <= now:
            at, _, key = heapq.heappop(self._ahead)
            job = self.jobs[key]
            end = settlement(job.life, job.cancelled)
            if end.at == at:
                if end.registers and job.produced is None:
                    self._publish(key, at)
                self.slots.leave(key)
                self._grant(at)
                self.last_completion = at

    def _publish(self, key: Key, at: int) -> None:
        """Register the result of a job as the next version of its model, or of a new one."""
        job = self.jobs[key]
        parent = self.models.get((job.scope, job.settled["destination"] or ""))
        model = parent or _new_model(self.instance, job, at)
        number = model.last + 1
        self.jobs[key] = job = replace(job, produced=(model.id, number))
        version = Version(
            number=number,
            job=job,
            created=at,
            updated=at,
            description="",
            labels=job.labels,
            default_checkpoint=job.checkpoints[-1].milestone.id,
            revision=0,
        )
        self.models[job.scope, model.id] = replace(
            model,
            versions={**model.versions, number: version},
            aliases=model.aliases or {"default": number},
            last=number,
            updated=at,
        )


def _new_model(instance: str, job: Job, at: int) -> Model:
    return Model(
        scope=job.scope,
        id=numeric_id(instance, "model", job.id),
        display_name=job.display_name,
        description=job.request.get("description", ""),
        labels={},
        created=at,
        updated=at,
        versions={},
        aliases={},
        last=0,
        revision=0,
    )


def _patched(model: Model, event: Event) -> Model:
    changes = dict(event.body["changes"])
    number = event.body["version"]
    if number is None:
        return replace(model, **changes, updated=event.at, revision=event.id)
    version = replace(model.versions[number], **changes, updated=event.at, revision=event.id)
    return replace(model, versions={**model.versions, number: version}, updated=event.at)


def _realiased(model: Model, event: Event) -> Model:
    number = event.body["version"]
    removed = event.body["removed"]
    aliases = {
        alias: holder
        for alias, holder in model.aliases.items()
        if not (alias in removed and holder == number)
    }
    touched = {number, *(model.aliases.get(alias, number) for alias in event.body["added"])}
    versions = {
        at: replace(version, updated=event.at, revision=event.id) if at in touched else version
        for at, version in model.versions.items()
    }
    return replace(
        model,
        aliases={**aliases, **dict.fromkeys(event.body["added"], number)},
        versions=versions,
        updated=event.at,
    )


def _without_version(model: Model, event: Event) -> Model:
    number = event.body["version"]
    return replace(
        model,
        versions={at: version for at, version in model.versions.items() if at != number},
        aliases={alias: holder for alias, holder in model.aliases.items() if holder != number},
        updated=event.at,
        revision=event.id,
    )
