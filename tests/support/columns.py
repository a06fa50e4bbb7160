"""A story's world, and what `apply` and an unattended `reconcile` do in it, as text.

The world is that of the simulator, set up as the story says: it is looked at by the same survey,
and every write is checked there. Beside each column: what was sent (`>`), what a person who watches
is told, the words at the end and the exit code.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from tests.support.builders import NOON, SETTLE, a_dataset, a_job, some_checkpoints
from tests.support.world import Rules, Runner, SimJob, SimWorld
from tuneops.catalog.models import table
from tuneops.cli.applying import may_cancel, refuse_empty
from tuneops.cli.running import end_lines, exit_code
from tuneops.cli.session import Session
from tuneops.core.claim import Claim
from tuneops.core.desired import DesiredGraph
from tuneops.core.lock import Creation, Lock
from tuneops.core.observed import JobState, Observed, ObservedJob, Ownership
from tuneops.core.plan import Approval
from tuneops.core.planner import make_plan
from tuneops.core.recipe import BaseModel, Dataset, Evidence, Pretuned
from tuneops.core.request import JobRequest
from tuneops.core.view import View
from tuneops.costs.estimates import Knowledge
from tuneops.engine.observe import look_elsewhere
from tuneops.engine.ports import Listing, StoredObject, TuningService
from tuneops.engine.reconcile import Report, World, survey, tick
from tuneops.engine.telling import Event
from tuneops.errors import TuneopsError, Unavailable
from tuneops.store.git import Checkout
from tuneops.store.lockfile import dump

if TYPE_CHECKING:
    from tuneops.cli.console import Console

LONG_AGO = NOON - timedelta(days=30)
QUIET = ("submitted", "cancelling")
"""Events that only say what was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What a story begins with."""

    graph: DesiredGraph
    lock: Lock
    there: Observed
    """The world in full, not only what somebody looks at."""
    inputs: Mapping[str, StoredObject | None] = field(default_factory=dict)
    """What lies at a URI instead of the bytes that were pinned there."""
    data: Mapping[str, Dataset] = field(default_factory=dict)
    knowledge: Knowledge = field(default_factory=Knowledge)


class _Stage(SimWorld):
    """The simulated service with a story's jobs, versions and objects; it notes every write."""

    def __init__(self, play: Play) -> None:
        super().__init__(rules=Rules(solo=False))
        self.play = play
        self.offset = 100
        self.marks = 1000
        self.sent: list[str] = []
        self.jobs = {name: _placed(job) for name, job in play.there.jobs.items()}
        known = {one.model: one.checkpoints for _, _, one in play.lock.creations()}
        for model, versions in play.there.versions.items():
            if versions is not None:
                self.versions[model] = dict(versions)
                for one in versions.values():
                    self.checkpoints[one.name] = dict(known.get(one.name) or some_checkpoints())
        for _, key, creation in play.lock.creations():
            claim = Claim(
                key=key,
                phase="bound" if creation.job else "issued",
                epoch=1,
                marks=(creation.mark, *_landed(play, creation)),
                runner="runner-0",
                at=creation.asked or creation.created or LONG_AGO,
                job=creation.job,
                cancel_asked=creation.cancel_asked,
            )
            self.claims[key] = (claim, 1)

    def describe(self, uri: str) -> StoredObject | None:
        """What lies at a URI: the pinned bytes, unless the story says otherwise."""
        if uri in self.play.inputs:
            return self.play.inputs[uri]
        dataset = self.play.data.get(uri, a_dataset(uri))
        return StoredObject(dataset=dataset, evidence=Evidence(), created=LONG_AGO)

    def create(self, request: JobRequest) -> ObservedJob:
        """Make a job, and note what of."""
        made = super().create(request)
        assert made.ownership is not None
        source = request.source
        words = f"create {made.ownership.address}"
        if made.ownership.attempt > 1:
            words += f" attempt {made.ownership.attempt}"
        if isinstance(source, Pretuned):
            words += f" from {_last(source.model)} checkpoint {source.checkpoint}"
        if isinstance(source, BaseModel):
            words += f" from {source.base_model}"
        self.sent.append(words)
        return made

    def cancel_job(self, name: str) -> None:
        """Cancel a job, and note which."""
        self.sent.append(f"cancel #{_last(name)}")
        super().cancel_job(name)

    def merge_aliases(self, version: str, aliases: tuple[str, ...]) -> None:
        """Move aliases, and note where."""
        self.sent.append(f"aliases of {_last(version)}: {' '.join(aliases)}")
        super().merge_aliases(version, aliases)

    def set_default_checkpoint(self, version: str, checkpoint: str, etag: str | None) -> None:
        """Set a default checkpoint, and note which."""
        self.sent.append(f"default checkpoint of {_last(version)}: {checkpoint}")
        super().set_default_checkpoint(version, checkpoint, etag)

    def delete_version(self, version: str) -> None:
        """Delete a version, and note which."""
        self.sent.append(f"delete {_last(version)}")
        super().delete_version(version)


def _landed(play: Play, creation: Creation) -> tuple[str, ...]:
    """The marks of jobs that may have come of an intent."""
    jobs = play.there.owned(play.graph.target.owner)
    landed = jobs.get((creation.lineage, creation.attempt), ()) if not creation.job else ()
    return tuple(job.ownership.mark for job in landed if job.ownership)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _placed(job: ObservedJob) -> SimJob:
    """A job of a story: nothing happens to it while it is looked at."""
    never = NOON + timedelta(days=365)
    nobody = Ownership(owner="nobody", address=job.name, lineage="", attempt=0, mark=job.name)
    return SimJob(
        shown=job,
        request=cast("JobRequest", None),
        ownership=job.ownership or nobody,
        visible=LONG_AGO,
        starts=never,
        ends=never,
        fate=JobState.SUCCEEDED,
        code=0,
        epochs=3,
    )


class _Elsewhere:
    """The jobs of another location, or a list that does not answer."""

    def __init__(self, live: int | None) -> None:
        self.live = live

    def list_jobs(self) -> Listing:
        if self.live is None:
            raise Unavailable("the list did not answer")
        running = a_job("else/where")
        jobs = (_foreign(number) for number in range(self.live))
        assert running is not None
        return Listing(at=NOON, jobs=tuple(jobs))


def _foreign(number: int) -> ObservedJob:
    return ObservedJob(name=f"elsewhere/{number}", state=JobState.RUNNING, created=LONG_AGO)


class _Run:
    """One run of a command in a world of its own."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.stage = _Stage(play)
        self.told: list[str] = []
        self.runner = Runner(self.stage, play.graph)
        if any(play.lock.creations()):
            self.runner.disk.file = dump(play.lock)
        self.world: World = replace(
            self.runner.ports,
            known=lambda plan, view: play.knowledge,
            watch=self.hear,
            elsewhere={
                name: cast("TuningService", _Elsewhere(live))
                for name, live in play.there.elsewhere.items()
            },
        )

    def hear(self, event: Event) -> None:
        """Keep what a person is told, but for what was noted where it was sent."""
        if event.event not in QUIET:
            self.told.append(" ".join(f"{event.address} {event.event} {event.detail}".split()))

    def session(self) -> Session:
        """What the commands' own words and codes are made from."""
        project = SimpleNamespace(resolution=SimpleNamespace(models=table()), overrides={})
        locks = SimpleNamespace(shown="specs/tuneops.local.lock.json")
        parts: dict[str, Any] = {
            "project": project,
            "graph": self.play.graph,
            "world": self.world,
            "locks": locks,
            "emulated": False,
            "travel": None,
            "reading": SimpleNamespace(tips=None),
        }
        return cast("Session", SimpleNamespace(**parts))


def looked_at(play: Play) -> View:
    """What every command sees of a story, and what a plan sees of other locations."""
    world = _Run(play).world
    return look_elsewhere(survey(play.graph, world, SETTLE), world.elsewhere)


def columns(play: Play) -> Iterator[str]:
    """What `apply`, approved by a person, and `reconcile --once` do; one that is alike is named."""
    heads = {
        "apply": lambda: _column(play, attended=True, at_tip=None),
        "reconcile": lambda: _column(play, attended=False, at_tip=True),
        "reconcile off the tip": lambda: _column(play, attended=False, at_tip=False),
    }
    said: dict[tuple[str, ...], str] = {}
    for head, column in heads.items():
        code, *lines = column()
        key = (code, *lines)
        if key in said:
            yield f"{head}: as {said[key]}"
            continue
        said[key] = head
        yield f"{head}: {code}"
        yield from (f"  {line}" for line in lines)


def _column(play: Play, *, attended: bool, at_tip: bool | None) -> list[str]:
    run = _Run(play)
    session, report = run.session(), Report()
    console = cast("Console", SimpleNamespace(say=lambda lines: None))
    try:
        refuse_empty(session, allow_empty=False)
        allowed = attended or may_cancel(
            session, Checkout(commit="c0ffee", at_default_tip=at_tip), console
        )
        approval = Approval.of(make_plan(looked_at(play))) if attended else None
        terms = replace(run.runner.terms(approval), may_cancel=allowed)
        report.add(tick(play.graph, run.world, terms))
    except TuneopsError as fault:
        return [f"exit {fault.exit_code}", *_sent(run), fault.message]
    code = exit_code(report, waited=False, detailed=False, attended=attended)
    words = [line.text for line in end_lines(session, report)]
    kept = [words[0], *(line for line in words[1:] if line.startswith("Spent"))]
    denied = [
        f"{one.severity.value}[{one.code}]: {one.message}" for one in report.last.verdict.findings
    ]
    return [f"exit {code}", *_sent(run), *run.told, *kept, *denied]


def _sent(run: _Run) -> list[str]:
    return [f"> {words}" for words in run.stage.sent]
