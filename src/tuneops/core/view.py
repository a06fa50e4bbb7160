"""What a decision may look at: what is desired, what was recorded, and what there is. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.lock import Creation, Lock, LockedJob
from tuneops.core.observed import JobState, Observed, ObservedJob
from tuneops.core.pointers import note_pointers
from tuneops.core.recipe import Upstream
from tuneops.core.stamps import learned

_STUCK = (JobState.PAUSED, JobState.UNKNOWN)
_STANDING = (JobState.QUEUED, JobState.PENDING, *_STUCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything a decision may look at."""

    graph: DesiredGraph
    before: Lock
    """The lock as it was read."""
    ledger: Lock
    """The lock as it reads once it has seen the world."""
    observed: Observed
    recorded: Mapping[str, tuple[str, Creation]]
    """The creations of `before` with their addresses, by key."""
    settle: timedelta
    """How long an unanswered create may still land."""
    labelled: Mapping[str, tuple[ObservedJob, ...]]
    """The jobs with our labels, by lineage."""

    def overdue(self, job: ObservedJob, creation: Creation | None) -> bool:
        """Say whether a job has not got on for longer than its policy has patience."""
        timeout = creation.policy.timeout if creation else None
        if timeout is None or timeout.queued is None or job.state not in _STANDING:
            return False
        queued = job.state in (JobState.QUEUED, JobState.PENDING)
        since = job.created if queued else job.updated or job.created
        return self.observed.at - since >= timeout.queued

    def busy(self) -> int:
        """How many jobs of the project take a slot: those that may run, whoever made them.

        One that stands still takes none once its policy has no more patience with it.
        """
        entries = {creation.job: creation for _, _, creation in self.ledger.creations()}
        return sum(
            1
            for job in self.observed.jobs.values()
            if not job.state.terminal
            and not (job.state in _STUCK and self.overdue(job, entries.get(job.name)))
        )


def look(graph: DesiredGraph, lock: Lock, observed: Observed, settle: timedelta) -> View:
    """Bring the lock up to date with the world and put both beside what is desired."""
    graph, ledger = learned(graph, lock, observed, settle)
    ledger = note_pointers(graph, ledger, observed)
    recorded = {key: (address, creation) for address, key, creation in lock.creations()}
    labelled: dict[str, tuple[ObservedJob, ...]] = {}
    for (lineage, _), jobs in observed.owned(*graph.target.owners).items():
        labelled[lineage] = (*labelled.get(lineage, ()), *jobs)
    return View(
        graph=graph,
        before=lock,
        ledger=ledger,
        observed=observed,
        recorded=recorded,
        settle=settle,
        labelled=labelled,
    )


def parent_result(view: View, job: DesiredJob) -> Creation | None:
    """The finished creation of the very lineage that a job continues; None until there is one."""
    source = job.recipe.source
    if not isinstance(source, Upstream):
        return None
    if view.graph.deviation(job):
        everywhere = {key: creation for _, key, creation in view.ledger.creations()}
        accepted = LockedJob(creations=everywhere).done(source.lineage)
        return accepted[1] if accepted else None
    done = view.ledger.at(source.from_).done(source.lineage)
    return done[1] if done else None


def ended(view: View) -> Iterator[str]:
    """The creations of ours whose jobs ended between the lock as it was and as it is now."""
    for _, key, creation in view.ledger.creations() if view.before is not view.ledger else ():
        if creation.state is not None and creation.state.terminal and not creation.adopted:
            before = view.recorded.get(key)
            state = before[1].state if before is not None else None
            if state is None or not state.terminal:
                yield key


def stranger(view: View, job: DesiredJob) -> ObservedJob | None:
    """A job with the labels of a desired one that is no creation of ours: its settings differ."""
    known = {
        creation.attempt
        for creation in view.ledger.at(str(job.address)).creations.values()
        if creation.lineage == job.lineage and creation.job is not None
    }
    for there in view.labelled.get(job.lineage, ()):
        if there.ownership is not None and there.ownership.attempt not in known:
            return there
    return None
