"""A whole world in one process: a service, its clock, and runners that may stop anywhere.

Time moves only when somebody sleeps. Everything random is decided by the seed, job by job, so that
a run is repeated exactly by its arguments. What must never happen is checked the moment it happens.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from tests.support.builders import NOON, PARENT, SETTLE, a_dataset, a_mark, shown_fields
from tuneops.core.checkpoints import resolve_checkpoint
from tuneops.core.claim import Claim
from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.labels import known_by_line, read_labels
from tuneops.core.lock import Cause, Creation, Lock
from tuneops.core.observed import (
    Checkpoint,
    Failure,
    JobState,
    ModelVersion,
    Observed,
    ObservedJob,
    Ownership,
    Point,
)
from tuneops.core.plan import Approval, Plan
from tuneops.core.planner import make_plan
from tuneops.core.recipe import Best, Dataset, Evidence, Pretuned, Upstream
from tuneops.core.request import JobRequest
from tuneops.engine.execute import Hands
from tuneops.engine.ports import Listing, StoredObject
from tuneops.engine.reconcile import Report, Terms, Tick, World, converge, survey, tick
from tuneops.errors import Rejected, Unanswered, Unavailable
from tuneops.store.journal import Journal, Line
from tuneops.store.lockfile import dump, empty_lock, parse

CHOSEN = 3
"""How many epochs the service trains where nobody says."""

Fault = str
"""What happens to a create: `lost-answer`, `lost-request`, `late`, `refused` or `busy`."""


class Crash(BaseException):
    """The process stops here."""


@dataclass(slots=True)
class SimJob:
    """One job, as the service knows it."""

    shown: ObservedJob
    request: JobRequest
    ownership: Ownership
    visible: datetime
    starts: datetime
    ends: datetime
    fate: JobState
    code: int
    epochs: int
    cancelled: datetime | None = None


@dataclass(kw_only=True)
class Rules:
    """What the world does to those who live in it."""

    lag: float = 0
    """A new job is listed only after so many seconds."""
    faults: Mapping[int, Fault] = field(default_factory=dict)
    """By the number of the create, counted from 1."""
    late: float = 300
    """A create that is late is processed only after so many seconds."""
    failures: Mapping[int, int] = field(default_factory=dict)
    """The google.rpc code with which the so-many-th job fails."""
    stubborn: frozenset[int] = frozenset()
    """Jobs that succeed although they were cancelled."""
    deaf_lists: frozenset[int] = frozenset()
    """Lists, counted from 1, that fail."""
    minutes: tuple[int, int] = (5, 40)
    """How long jobs take: at least, at most."""
    nameless: bool = False
    """The service drops the labels of every job."""
    queue: float = 0
    """A new job waits for so many seconds before it begins."""
    solo: bool = True
    """One runner with a lock that is kept: no lineage is bought while it is useful, and where the
    list is honest too, no address ever has two unfinished jobs."""
    guarded: bool = True
    """All runners share the claims: then no key ever has two jobs."""


class SimWorld:
    """The service, its registry and store, the shared claims, and the clock."""

    def __init__(self, seed: int = 0, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.random = random.Random(seed)
        self.at = NOON
        self.jobs: dict[str, SimJob] = {}
        self.versions: dict[str, dict[str, ModelVersion]] = {}
        self.checkpoints: dict[str, dict[str, Checkpoint]] = {}
        self.objects: dict[str, Dataset | None] = {}
        self.writes: dict[str, list[datetime]] = {}
        """When an object was written; as many generations as there are times."""
        self.claims: dict[str, tuple[Claim, int]] = {}
        self.claim_writes = 0
        """No generation comes twice, as in each of the stores, even once they were wiped."""
        self.posts = 0
        self.offset = 0
        """How far the numbers of jobs begin beyond those that are there."""
        self.lists = 0
        self.marks = 0
        self.nameless = set[str]()
        """The marks of the jobs whose labels the service drops."""
        self.cancels: list[str] = []
        self.moves: list[tuple[str, tuple[str, ...]]] = []
        self.deletions: list[str] = []
        self.series: dict[str, Mapping[str, tuple[Point, ...]]] = {}
        self.late: list[tuple[datetime, JobRequest]] = []
        self._models = 0

    # --- time

    def sleep(self, seconds: float) -> None:
        """Let time pass; what is late lands, and jobs end in the order of their ends."""
        until = self.at + timedelta(seconds=seconds)
        for due, request in sorted(self.late, key=lambda item: item[0]):
            if due <= until:
                self.late.remove((due, request))
                self._go_on(due)
                self._make(request)
        self._go_on(until)

    def _go_on(self, until: datetime) -> None:
        while due := [job for job in self.jobs.values() if self._end(job) <= until]:
            self._finish(min(due, key=lambda job: (self._end(job), job.shown.seniority)))
        self.at = until
        for job in self.jobs.values():
            if job.shown.state is JobState.PENDING and self.at >= job.starts:
                job.shown = replace(job.shown, state=JobState.RUNNING)

    def _end(self, job: SimJob) -> datetime:
        if job.shown.state.terminal:
            return datetime.max.replace(tzinfo=NOON.tzinfo)
        if job.cancelled is not None and job.fate is not JobState.SUCCEEDED:
            return min(job.ends, job.cancelled + timedelta(minutes=2))
        return job.ends

    def _finish(self, job: SimJob) -> None:
        ended = self._end(job)
        fate = job.fate
        if job.cancelled is not None and ended < job.ends:
            fate = JobState.CANCELLED
        job.shown = replace(job.shown, state=fate, ended=ended)
        if fate is JobState.FAILED:
            job.shown = replace(job.shown, failure=Failure(code=job.code, message="it failed"))
        if fate is JobState.SUCCEEDED:
            model, checkpoints = self._publish(job)
            job.shown = replace(
                job.shown, model=model, checkpoints=checkpoints, billable_tokens=1000
            )

    def _publish(self, job: SimJob) -> tuple[str, dict[str, Checkpoint]]:
        """Give the next version of the parent's model, or the first of a new one."""
        source = job.request.source
        if isinstance(source, Pretuned) and job.request.display_name is None:
            base = source.model.partition("@")[0]
        else:
            self._models += 1
            base = f"{PARENT}/models/{self._models}"
        versions = self.versions.setdefault(base, {})
        number = str(max(map(int, versions), default=0) + 1)
        checkpoints = {
            str(epoch): Checkpoint(epoch=epoch, step=100 * epoch, endpoint=f"{PARENT}/endpoints/1")
            for epoch in range(1, job.epochs + 1)
        }
        name = f"{base}@{number}"
        versions[number] = ModelVersion(
            name=name,
            default_checkpoint=str(job.epochs),
            aliases=("default",) if number == "1" else (),
            etag="0",
        )
        self.checkpoints[name] = checkpoints
        return name, checkpoints

    # --- the service

    def list_jobs(self) -> Listing:
        """Every job that the list shows by now."""
        self.lists += 1
        if self.lists in self.rules.deaf_lists:
            raise Unavailable("the list did not answer")
        shown = (job.shown for job in self.jobs.values() if job.visible <= self.at)
        return Listing(at=self.at, jobs=known_by_line(shown))

    def get_job(self, name: str) -> ObservedJob | None:
        """One job; reads by name do not lag."""
        job = self.jobs.get(name)
        return job.shown if job else None

    def create(self, request: JobRequest) -> ObservedJob:
        """Make a job, unless this create is to go wrong."""
        self.posts += 1
        fault = self.rules.faults.get(self.posts)
        if fault == "refused":
            raise Rejected("no", status=400, reason="INVALID_ARGUMENT")
        if fault == "busy":
            raise Rejected("no room", status=429, reason="RESOURCE_EXHAUSTED")
        if fault == "late":
            self.late.append((self.at + timedelta(seconds=self.rules.late), request))
        if fault in ("lost-request", "late"):
            raise Unanswered("the connection broke")
        job = self._make(request)
        if fault == "lost-answer":
            raise Unanswered("the connection broke")
        return job.shown

    def _make(self, request: JobRequest) -> SimJob:
        ownership = read_labels(request.labels)
        assert ownership is not None, "every create carries our labels"
        nameless = self.rules.nameless or ownership.mark in self.nameless
        self._check_create(request, ownership)
        number = len(self.jobs) + 1
        epochs = request.hyper_parameters.epoch_count or CHOSEN
        low, high = self.rules.minutes
        code = self.rules.failures.get(number, 0)
        fate = JobState.FAILED if code else JobState.SUCCEEDED
        if fate is JobState.SUCCEEDED and number not in self.rules.stubborn:
            fate = JobState.UNKNOWN
        shown = ObservedJob(
            name=f"{PARENT}/tuningJobs/{number + self.offset}",
            state=JobState.PENDING,
            created=self.at,
            ownership=None if nameless else ownership,
            fields=replace(shown_fields(request), epoch_count=epochs),
            description=request.description,
            display_name=request.display_name or "",
            experiment=f"experiment-{number}",
        )
        begins = self.at + timedelta(seconds=self.rules.queue)
        job = SimJob(
            shown=shown,
            request=request,
            ownership=ownership,
            visible=self.at + timedelta(seconds=self.rules.lag),
            starts=begins + timedelta(minutes=1),
            ends=begins + timedelta(minutes=self.random.randint(low, high)),
            fate=JobState.SUCCEEDED if fate is JobState.UNKNOWN else fate,
            code=code,
            epochs=epochs,
        )
        self.jobs[shown.name] = job
        return job

    def _check_create(self, request: JobRequest, mine: Ownership) -> None:
        """Laws 1 and 2 at the only place where money is spent."""
        key = (mine.owner, mine.lineage, mine.attempt)
        for job in self.jobs.values():
            other = job.ownership
            if self.rules.guarded:
                assert key != (other.owner, other.lineage, other.attempt), "bought twice"
            if self.rules.solo:
                settled = job.shown.state.terminal
                honest = self.rules.lag == 0
                alone = settled or other.address != mine.address
                assert alone or not honest, "two at one address"
                useful = not settled or job.shown.state is JobState.SUCCEEDED
                same = (other.owner, other.lineage) == (mine.owner, mine.lineage)
                assert not (same and useful), "bought although it is there"
            assert other.mark != mine.mark, "a mark is never used twice"
        source = request.source
        if isinstance(source, Pretuned):
            base, _, number = source.model.partition("@")
            assert number in self.versions.get(base, {}), "it continues from a version that is not"
            assert source.checkpoint in self.checkpoints[source.model], "no such checkpoint"

    def cancel_job(self, name: str) -> None:
        """Begin to cancel; a finished job refuses."""
        job = self.jobs[name]
        self.cancels.append(name)
        if job.shown.state.terminal:
            raise Rejected("it has ended", status=400, reason="FAILED_PRECONDITION")
        if job.cancelled is None:
            number = int(name.rpartition("/")[2])
            job.cancelled = self.at
            if number not in self.rules.stubborn:
                job.shown = replace(job.shown, state=JobState.CANCELLING)
                job.fate = job.fate if job.fate is JobState.FAILED else JobState.CANCELLED

    # --- the registry and the store

    def list_versions(self, model: str) -> Mapping[str, ModelVersion] | None:
        """The versions of a model."""
        return self.versions.get(model)

    def list_checkpoints(self, version: str) -> Mapping[str, Checkpoint]:
        """The checkpoints of a version."""
        return self.checkpoints.get(version, {})

    def read_series(
        self, experiment: str, names: frozenset[str]
    ) -> Mapping[str, tuple[Point, ...]]:
        """The metrics of a job: as a test said, none otherwise."""
        there = self.series.get(experiment, {})
        return {name: there[name] for name in names if name in there}

    def merge_aliases(self, version: str, aliases: tuple[str, ...]) -> None:
        """Move aliases to a version, or take them off it."""
        base, _, number = version.partition("@")
        versions = self.versions[base]
        if number not in versions:
            raise Rejected("no such version", status=404, reason="NOT_FOUND")
        for alias in aliases:
            for other, found in versions.items():
                kept = [name for name in found.aliases if name != alias.removeprefix("-")]
                if alias.startswith("-") and other != number:
                    continue
                if other == number and not alias.startswith("-"):
                    kept.append(alias)
                versions[other] = replace(found, aliases=tuple(sorted(kept)))
        self.moves.append((version, aliases))

    def set_default_checkpoint(self, version: str, checkpoint: str, etag: str | None) -> None:
        """Set a default checkpoint, unless somebody else did since the etag was read."""
        base, _, number = version.partition("@")
        found = self.versions[base][number]
        if etag != found.etag:
            raise Rejected("it has changed", status=409, reason="ABORTED")
        assert checkpoint in self.checkpoints[version], "no such checkpoint"
        tag = str(int(found.etag or "0") + 1)
        self.versions[base][number] = replace(found, default_checkpoint=checkpoint, etag=tag)
        self.moves.append((version, (checkpoint,)))

    def delete_version(self, version: str) -> None:
        """Delete a version, if the service would."""
        base, _, number = version.partition("@")
        versions = self.versions.get(base, {})
        if number not in versions:
            return
        if versions[number].deployed or len(versions) == 1:
            raise Rejected("it is in use", status=400, reason="FAILED_PRECONDITION")
        del versions[number]
        self.deletions.append(version)

    def carriers(self, alias: str) -> list[str]:
        """The versions that have an alias."""
        return [
            version.name
            for versions in self.versions.values()
            for version in versions.values()
            if alias in version.aliases
        ]

    def describe(self, uri: str) -> StoredObject | None:
        """What lies at a URI: bytes that follow from it, unless a test said otherwise."""
        dataset = self.objects.get(uri, a_dataset(uri))
        writes = self.writes.get(uri)
        if dataset is None or not writes:
            return StoredObject(dataset=dataset, evidence=Evidence()) if dataset else None
        evidence = Evidence(generation=str(len(writes)))
        return StoredObject(dataset=dataset, evidence=evidence, created=writes[-1])

    def write(self, uri: str, dataset: Dataset | None) -> None:
        """Put an object there, or take it away."""
        self.objects[uri] = dataset
        self.writes.setdefault(uri, []).append(self.at)

    # --- what people do

    def cancel_by_hand(self, name: str) -> None:
        """Somebody cancels a job in the console."""
        self.cancel_job(name)
        self.cancels.pop()

    # --- what must hold

    def live(self) -> list[SimJob]:
        """The jobs that have not ended."""
        return [job for job in self.jobs.values() if not job.shown.state.terminal]

    def of_lineage(self, lineage: str) -> list[SimJob]:
        """The jobs made for a lineage."""
        return [job for job in self.jobs.values() if job.ownership.lineage == lineage]

    def check_keys(self) -> None:
        """At most one job a creation key, ever."""
        keys = [(job.ownership.lineage, job.ownership.attempt) for job in self.jobs.values()]
        assert len(keys) == len(set(keys)), "two jobs share a creation key"

    def check_parents(self, graph: DesiredGraph) -> None:
        """Every continuation began at the recorded result of its parent's lineage."""
        wanted = {job.lineage: job for job in graph.jobs}
        for job in self.jobs.values():
            desired = wanted.get(job.ownership.lineage)
            if desired is None or not isinstance(desired.recipe.source, Upstream):
                continue
            source, upstream = job.request.source, desired.recipe.source
            assert isinstance(source, Pretuned)
            parents = {
                parent.shown.model: parent.shown
                for parent in self.of_lineage(upstream.lineage)
                if parent.shown.state is JobState.SUCCEEDED
            }
            assert source.model in parents, "it continues from something else than its parent"
            if isinstance(upstream.checkpoint, Best):
                continue  # what was measured is in the locks, not here
            parent = parents[source.model]
            entry = Creation(
                attempt=1,
                lineage=upstream.lineage,
                mark="",
                recipe=desired.recipe,
                model=parent.model,
                checkpoints=parent.checkpoints,
            )
            seen = Observed(at=self.at, jobs={}, versions=self.versions)
            assert source.checkpoint == resolve_checkpoint(upstream.checkpoint, entry, seen)

    def check_nothing_unwanted_runs(self, graph: DesiredGraph) -> None:
        """Nothing of ours runs that no spec wants, unless it was told to go on."""
        wanted = {job.lineage for job in graph.jobs}
        for job in self.live():
            assert job.ownership.lineage in wanted, f"{job.shown.name} is an orphan"


class Disk(Journal):
    """Lock and journal of one checkout: the real replay and the real bytes, without the disk."""

    def __init__(self, runner: "Runner") -> None:
        self.runner = runner
        self.file: bytes | None = None
        self.lines: list[Line] = []
        self._loaded: bytes | None = None
        self.writes = 0

    def load(self) -> Lock:
        """The union of lock and journal."""
        self._loaded = self.file
        return self.replay(self.content())

    def content(self) -> Lock:
        """The lock as it lies there."""
        if self.file is None:
            return empty_lock(self.runner.graph.target)
        return parse(self.file, "specs/tuneops.local.lock.json")

    def save(self, lock: Lock) -> bool:
        """Write what is new, then clear the journal: two effects."""
        content = dump(lock)
        new = content != self._loaded
        if self._loaded is None and not any(lock.creations()):
            new = False
        if new:
            with self.runner.effect("write the lock"):
                self._check_growth(lock)
                self.file = self._loaded = content
                self.writes += 1
        self.clear()
        return new

    def clear(self) -> None:
        """Empty the journal."""
        if self.lines:
            with self.runner.effect("clear the journal"):
                self.lines = []

    def prove(self) -> None:
        """Nothing can go wrong here, but somebody may stop."""
        with self.runner.effect("prove the memory"):
            self.runner.proved = True

    def _append(self, line: Line) -> None:
        with self.runner.effect(f"journal {line.address}"):
            self.lines.append(line)

    def _lines(self) -> list[Line]:
        return list(self.lines)

    def _check_growth(self, lock: Lock) -> None:
        """Nothing that has a job is ever dropped, and no result changes but for a stranger's."""
        after = {key: creation for _, key, creation in lock.creations()}
        for _, key, creation in self.content().creations():
            if creation.job is None:
                continue
            assert key in after, "an entry with a job was dropped"
            named = self.runner.world.jobs.get(creation.job)
            strange = named is not None and named.ownership.lineage != creation.lineage
            if creation.succeeded and not (strange and not creation.adopted):
                assert after[key].job == creation.job, "a bound job was replaced"
                assert after[key].model == creation.model, "a result was lost"


class Effect:
    """The two instants around an effect, at each of which the process may stop."""

    def __init__(self, runner: "Runner", what: str) -> None:
        self.runner, self.what = runner, what

    def __enter__(self) -> None:
        self.runner.instant(f"before: {self.what}")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.runner.instant(f"after: {self.what}")


class Runner:
    """One checkout that runs tuneops: its ports, its disk, and when it stops."""

    def __init__(
        self,
        world: SimWorld,
        graph: DesiredGraph,
        *,
        name: str = "runner-1",
        shared_claims: bool = True,
        disk: type[Disk] = Disk,
    ) -> None:
        self.world = world
        self.graph = graph
        self.name = name
        self.disk = disk(self)
        self.crash_at: int | None = None
        self.crash_after = ""
        """What the words of an instant begin with at which the process stops, if any."""
        self.instants: list[str] = []
        self.meanwhile: dict[int, Callable[[], object]] = {}
        """What others do at the so-many-th instant."""
        self.proved = False
        self.may_cancel = True
        self._claims = world.claims if shared_claims else {}
        self._ports = World(
            hands=Hands(
                service=self,
                objects=self,
                claims=self,
                memory=self.disk,
                read_file=lambda _: None,
                file=Path,
                progress=lambda _: None,
                sleep=self.sleep,
                clocks=self.clocks,
            ),
            registry=self,
            disposal=self,
            locks=self.disk,
            clock=world,
            watch=lambda _: None,
            new_mark=self._new_mark,
        )

    # --- stopping

    def effect(self, what: str) -> Effect:
        """Two instants around what is done."""
        return Effect(self, what)

    def instant(self, what: str) -> None:
        """Count an instant; let others act, or stop, if this is theirs."""
        self.instants.append(what)
        others = self.meanwhile.pop(len(self.instants), None)
        if others is not None:
            others()
        if len(self.instants) == self.crash_at:
            raise Crash(what)
        if self.crash_after and what.startswith(self.crash_after):
            raise Crash(what)

    # --- ports

    @property
    def ports(self) -> World:
        """What a run of this checkout is joined to."""
        return self._ports

    def clocks(self) -> tuple[float, ...]:
        """The clocks of this machine."""
        return (self.world.at.timestamp(),)

    def sleep(self, seconds: float) -> None:
        """Wait within a run."""
        with self.effect("wait"):
            self.world.sleep(seconds)

    def list_jobs(self) -> Listing:
        """Read the list."""
        return self.world.list_jobs()

    def get_job(self, name: str) -> ObservedJob | None:
        """Read a job."""
        return self.world.get_job(name)

    def create_job(self, request: JobRequest) -> ObservedJob:
        """Send the POST, which must have been announced in the journal and in the claim."""
        ownership = read_labels(request.labels)
        assert ownership is not None
        with self.effect(f"post {ownership.address}"):
            self._check_announced(ownership)
            self.proved = False
            try:
                return self.world.create(request)
            except Unanswered:
                self.instant("after: the answer was lost")
                raise

    def _check_announced(self, ownership: Ownership) -> None:
        assert self.proved, "money is spent before the memory was proved"
        announced = [line.creation for line in self.disk.lines if line.creation]
        assert any(intent.mark == ownership.mark for intent in announced), "no intent on disk"
        issued = [claim for claim, _ in self._claims.values() if ownership.mark in claim.marks]
        assert [claim.phase for claim in issued] == ["issued"], "the claim does not say issued"

    def cancel_job(self, name: str) -> None:
        """Ask a job to stop; journal and claim must say by then that it is us who ask."""
        with self.effect(f"cancel {name}"):
            asked = {line.creation.job for line in self.disk.lines if line.creation}
            assert name in asked, "a cancel was not written down"
            claims = [claim for claim, _ in self._claims.values() if claim.job == name]
            said = all(claim.cancel_asked is not None for claim in claims)
            assert said, "the claim does not say that we cancel"
            self.world.cancel_job(name)

    def list_versions(self, model: str) -> Mapping[str, ModelVersion] | None:
        """Read the versions of a model, as they are at this instant."""
        versions = self.world.list_versions(model)
        return dict(versions) if versions is not None else None

    def list_checkpoints(self, version: str) -> Mapping[str, Checkpoint]:
        """Read the checkpoints of a version."""
        return self.world.list_checkpoints(version)

    def read_series(
        self, experiment: str, names: frozenset[str]
    ) -> Mapping[str, tuple[Point, ...]]:
        """Read metrics."""
        return self.world.read_series(experiment, names)

    def merge_aliases(self, version: str, aliases: tuple[str, ...]) -> None:
        """Move aliases."""
        with self.effect(f"aliases {version}"):
            self.world.merge_aliases(version, aliases)

    def set_default_checkpoint(self, version: str, checkpoint: str, etag: str | None) -> None:
        """Set a default checkpoint."""
        with self.effect(f"default checkpoint {version}"):
            self.world.set_default_checkpoint(version, checkpoint, etag)

    def delete_version(self, version: str) -> None:
        """Delete a version; the journal must say by then that it is us who do."""
        with self.effect(f"delete {version}"):
            asked = {
                (line.creation.model, line.creation.delete_asked)
                for line in self.disk.lines
                if line.creation
            }
            assert (version, True) in asked, "a deletion was not written down"
            self.world.delete_version(version)

    def describe(self, uri: str) -> StoredObject | None:
        """Read an object's metadata."""
        return self.world.describe(uri)

    def upload(self, file: Path, uri: str) -> StoredObject:
        """Put a file there."""
        with self.effect(f"upload {uri}"):
            dataset = a_dataset(uri, str(file))
            self.world.objects.setdefault(uri, dataset)
            return StoredObject(dataset=dataset, evidence=Evidence())

    def read(self, key: str) -> tuple[Claim, str] | None:
        """Read a claim."""
        found = self._claims.get(key)
        return (found[0], str(found[1])) if found else None

    def swap(self, claim: Claim, expected: str | None) -> str | None:
        """Compare and swap a claim, along the allowed arrows only."""
        with self.effect(f"claim {claim.phase}"):
            return self.write_claim(claim, expected)

    def write_claim(self, claim: Claim, expected: str | None) -> str | None:
        """What the claim store does with a swap, whenever it gets it."""
        found = self._claims.get(claim.key)
        generation = str(found[1]) if found else None
        if generation != expected:
            return None
        assert claim.at <= self.world.at, "its time is not the service's"
        if found is not None:
            was = found[0]
            same = replace(claim, cancel_asked=was.cancel_asked, kept=was.kept) == was
            assert found[0].phase != "bound" or same, "bound is final"
            assert set(found[0].marks) <= set(claim.marks), "a mark was forgotten"
        else:
            begins = claim.phase == "intent" or claim.cancel_asked is not None or claim.kept
            assert begins, "a claim begins as an intent"
        self.world.claim_writes += 1
        self._claims[claim.key] = (claim, self.world.claim_writes)
        return str(self.world.claim_writes)

    def _new_mark(self) -> str:
        self.world.marks += 1
        return a_mark(self.world.marks)

    # --- running

    def terms(self, approval: Approval | None = None) -> Terms:
        """An unattended run from the tip of the default branch, unless told otherwise."""
        return Terms(
            approval=approval,
            cause=Cause(commit="c0ffee"),
            runner=self.name,
            settle=SETTLE,
            may_cancel=self.may_cancel,
        )

    def plan(self) -> Plan:
        """What `tuneops plan` would show."""
        return make_plan(survey(self.graph, self._ports, SETTLE))

    def tick(self, approval: Approval | None = None) -> Tick:
        """One round."""
        return tick(self.graph, self._ports, self.terms(approval))

    def converge(self, approval: Approval | None = None, *, hours: int = 12) -> Report:
        """Rounds until nothing is left to do; a list that fails is tried again."""
        report = Report()
        for _ in range(20):
            try:
                converge(
                    self.graph,
                    self._ports,
                    self.terms(approval),
                    report,
                    timeout=timedelta(hours=hours),
                    poll=timedelta(minutes=4),
                )
            except Unavailable:
                self.world.sleep(60)
                continue
            return report
        raise AssertionError("the list never answers")

    def run(self, *, lives: int = 20) -> Report:
        """Converge; whenever the process stops, a minute later another one begins."""
        for _ in range(lives):
            try:
                return self.converge()
            except Crash:
                self.crash_at = None
                self.world.sleep(60)
        raise AssertionError("it never ends")

    def unattended(self, *, rounds: int = 600, minutes: int = 5) -> Tick:
        """What a schedule does: a round now and then, until one is settled."""
        for _ in range(rounds):
            done = self.tick()
            if done.plan.settled and not done.outcomes:
                return done
            self.world.sleep(60 * minutes)
        raise AssertionError("it never settles")

    # --- what must hold at the end

    def check_settled(self) -> None:
        """A further run does nothing: no request that changes anything, the same bytes."""
        before = (self.disk.file, self.world.posts, len(self.world.cancels), self.disk.writes)
        done = self.tick()
        after = (self.disk.file, self.world.posts, len(self.world.cancels), self.disk.writes)
        assert done.plan.settled
        assert not done.outcomes
        assert not done.wrote
        assert before == after

    def check_results(self) -> None:
        """Every desired job that is not on hold has a result in the lock, the desired one."""
        lock = self.disk.load()
        held = {change.address for change in self.plan().holds}
        for job in self.graph.jobs:
            if str(job.address) in held:
                continue
            result = lock.at(str(job.address)).result
            assert result is not None, f"{job.address} has no result"
            assert result.succeeded and result.lineage == job.lineage
            source = job.recipe.source
            if isinstance(source, Upstream):
                parent = lock.at(source.from_).result
                assert parent is not None and result.source is not None
                assert result.source.model == parent.model

    def check_everything(self) -> None:
        """All that must hold when a run has settled."""
        self.check_settled()
        self.check_results()
        self.world.check_parents(self.graph)
        self.world.check_nothing_unwanted_runs(self.graph)
        if self.world.rules.guarded:
            self.world.check_keys()


def instants(world: Callable[[], Runner]) -> Iterator[int]:
    """The numbers of all instants of an undisturbed run, counted from 1."""
    runner = world()
    runner.run()
    yield from range(1, len(runner.instants) + 1)


def lone(job: DesiredJob) -> str:
    """The address of a job as the lock writes it."""
    return str(job.address)
