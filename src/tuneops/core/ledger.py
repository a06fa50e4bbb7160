"""What the lock says once it has seen the world: states, results, renames and retirements.

Pure bookkeeping: it never decides that something should be bought or stopped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tuneops.core.checkpoints import choose, chosen
from tuneops.core.desired import DesiredGraph
from tuneops.core.entry import evidence_of, found, is_another, marked, refusal, renamed, source_of
from tuneops.core.fingerprint import lineage, version_of
from tuneops.core.inputs import judged
from tuneops.core.lock import Creation, Lock, LockedJob
from tuneops.core.match import adoptable, shows
from tuneops.core.metrics import note_metrics
from tuneops.core.observed import JobState, Observed, ObservedJob, by_seniority
from tuneops.core.pins import pruned, with_pins_moved
from tuneops.core.recall import UnreadableError, recall

Books = dict[str, dict[str, Creation]]


def learn(graph: DesiredGraph, lock: Lock, observed: Observed, settle: timedelta) -> Lock:
    """The lock as it ought to read now; the same lock when there is nothing to learn.

    Adds jobs of ours that are desired or accepted and were not recorded, binds answers to intents,
    follows states, moves creations to the address that wants them now, retires addresses that no
    spec wants but for protected ones, forgets unwanted intents older than `settle`, writes down
    policies as the specs have them now, records re-stamps, appoints `current`, and notes what was
    measured.
    """
    desk = _Desk(graph, lock, observed, settle)
    desk.follow()
    desk.bind()
    desk.adopt()
    desk.move()
    desk.forget()
    desk.heed()
    desk.stamp()
    return choose(graph, note_metrics(graph, desk.close(), observed), observed)


def updated(creation: Creation, job: ObservedJob) -> Creation:
    """A creation with all that its job shows; a success has a `chosen` checkpoint, the last.

    A job that has ended stays so: an answer that shows it running again is an old one. What it
    showed before is kept, but for the checkpoints of one that ended without a model: nothing can
    start from them, and the service shows them no more. That we asked for a cancel is kept while it
    may matter: until the job has ended in another way.
    """
    if creation.state is not None and creation.state.terminal and not job.state.terminal:
        return creation
    succeeded = job.state is JobState.SUCCEEDED
    lost = job.state.terminal and not succeeded and job.model is None
    checkpoints = dict(job.checkpoints) or ({} if lost else creation.checkpoints)
    escaped = job.state.terminal and job.state is not JobState.CANCELLED
    shown: dict[str, Any] = {
        "asked": None,
        "job": job.name,
        "state": job.state,
        "created": job.created,
        "ended": job.ended,
        "model": job.model or creation.model,
        "checkpoints": checkpoints,
        "billable_tokens": job.billable_tokens or creation.billable_tokens,
        "error": job.failure,
        "cancel_asked": None if escaped else creation.cancel_asked or None,
    }
    news = {name: value for name, value in shown.items() if getattr(creation, name) != value}
    return chosen(replace(creation, **news) if news else creation)


def protected(creations: Iterable[Creation]) -> bool:
    """Say whether something is there, or may be, that must outlive its spec untouched."""
    return any(
        creation.policy.protect and (creation.unanswered or creation.live or creation.succeeded)
        for creation in creations
    )


def survivor(jobs: Iterable[ObservedJob]) -> ObservedJob:
    """Of the jobs with one creation key, the one that counts.

    The oldest that is live or succeeded, else the one that ended last: who stood alone by then may
    have been stopped by a person, and that another had failed before is no reason to try again.
    Facts about the world only, so that no two runners can choose differently once they have seen
    the same jobs.
    """
    ranked = by_seniority(jobs)
    useful = [job for job in ranked if not job.state.terminal or job.state is JobState.SUCCEEDED]
    return useful[0] if useful else max(ranked, key=lambda job: job.ended or job.created)


@dataclass(frozen=True, slots=True)
class _Place:
    address: str
    retired: bool


class _Desk:
    """Working copies of the lock's books for the length of one `learn`."""

    def __init__(
        self, graph: DesiredGraph, lock: Lock, observed: Observed, settle: timedelta
    ) -> None:
        self.graph = graph
        self.lock = lock
        self.observed = observed
        self.settle = settle
        self.wanted = {job.lineage: job for job in graph.jobs}
        self.jobs: Books = {name: dict(job.creations) for name, job in lock.jobs.items()}
        self.retired: Books = {name: dict(job.creations) for name, job in lock.retired.items()}
        self.current = {
            name: job.current for book in (lock.retired, lock.jobs) for name, job in book.items()
        }
        self.places: dict[str, _Place] = {}
        for retired, books in ((True, self.retired), (False, self.jobs)):
            for address, creations in books.items():
                for key in creations:
                    self.places[key] = _Place(address, retired)

    def creations(self, key: str) -> dict[str, Creation]:
        place = self.places[key]
        return (self.retired if place.retired else self.jobs)[place.address]

    def follow(self) -> None:
        """Bring every recorded job up to date, found by its name."""
        for key in self.places:
            creations = self.creations(key)
            job = self.observed.jobs.get(creations[key].job or "")
            if job is not None and not is_another(creations[key], job):
                creations[key] = self.updated(creations[key], job)

    def updated(self, creation: Creation, job: ObservedJob) -> Creation:
        """A creation with all that its job shows, and whether it has read the pinned bytes."""
        return judged(creation, updated(creation, job), job, self.observed.inputs)

    def bind(self) -> None:
        """Bind jobs of ours to their creation key: to its intent, or as a new entry.

        What no spec wants is recorded where a spec accepts it, or where it left a result: after a
        lost lock, a result must not be lost with it.
        """
        target, accepted = self.graph.target, set(self.graph.accepted())
        for (label, attempt), jobs in self.observed.owned(*target.owners).items():
            key = target.key(label, attempt)
            if label not in self.wanted and key not in self.places:
                self._recall(key, jobs, accepted=label in accepted)
                continue
            genuine = self._genuine(jobs, key)
            if not genuine:
                continue
            job = survivor(genuine)
            if key in self.places:
                creations = self.creations(key)
                named = self.observed.jobs.get(creations[key].job or "")
                astray = named is not None and is_another(creations[key], named)
                if astray or not creations[key].succeeded:
                    creations[key] = self.updated(renamed(creations[key], job), job)
            elif label in self.wanted:
                address = str(self.wanted[label].address)
                creation = found(self.wanted[label], job)
                self.jobs.setdefault(address, {})[key] = self.updated(creation, job)
                self.places[key] = _Place(address, retired=False)

    def _recall(self, key: str, jobs: tuple[ObservedJob, ...], *, accepted: bool) -> None:
        """Record a job that left a version, by its own marks: no recipe of a spec says what it was.

        Without an entry of its address, the newest result becomes the current one.
        """
        target = self.graph.target
        for job in jobs:
            ended = job.state.terminal if accepted else job.state is JobState.SUCCEEDED
            if job.ownership is None or job.model is None or not ended:
                continue
            try:
                recipe, note = recall(job, target.project, target.location)
            except UnreadableError:
                continue
            address = job.ownership.address
            entry = replace(marked(recipe, job, note), recalled=None if accepted else True)
            creation = self.updated(entry, job)
            self.jobs.setdefault(address, {})[key] = creation
            self.places[key] = _Place(address, retired=False)
            if creation.succeeded and not self.lock.at(address).creations:
                self._appoint(address, key, job)
            return

    def _appoint(self, address: str, key: str, job: ObservedJob) -> None:
        """Let a job's result be the current one of its address, unless a newer one is."""
        before = self.jobs[address].get(self.current.get(address) or "")
        if before is None or before.created is None or before.created < job.created:
            self.current[address] = key

    def _genuine(self, jobs: tuple[ObservedJob, ...], key: str) -> tuple[ObservedJob, ...]:
        """Those of the jobs with one key that show the recipe's settings.

        Who copies a job by hand copies its labels. The data's name may differ: its bytes count.
        """
        mark = jobs[0].ownership
        recipe = None
        if key in self.places:
            recipe = self.creations(key)[key].recipe
        elif mark is not None and mark.lineage in self.wanted:
            recipe = self.wanted[mark.lineage].recipe
        return tuple(job for job in jobs if recipe and shows(recipe, job))

    def adopt(self) -> None:
        """Record the jobs of others that a spec takes over, where they are what it says."""
        entries = [self.creations(key)[key] for key in self.places]
        taken = {name for one in entries for name in (one.job, one.model) if name}
        known = {self.creations(key)[key].lineage for key in self.places}
        for job in self.graph.jobs:
            if job.adopt is None or job.lineage in known:
                continue
            there = adoptable(job.adopt.target, self.observed.jobs.values())
            if there is None or taken & {there.name, there.model} or refusal(job, there):
                continue
            key = self.graph.target.key(job.lineage, 1)
            address = str(job.address)
            creation = Creation(
                attempt=1,
                lineage=job.lineage,
                mark="",
                recipe=job.recipe,
                hash_version=version_of(job.lineage),
                evidence=evidence_of(job),
                policy=job.policy,
                source=source_of(there),
                adopted=True,
            )
            self.jobs.setdefault(address, {})[key] = updated(creation, there)
            self.places[key] = _Place(address, retired=False)
            taken |= {name for name in (there.name, there.model) if name}

    def move(self) -> None:
        """Bring each desired lineage's creations to its address; retire what nobody wants."""
        self._rename()
        for key, place in list(self.places.items()):
            job = self.wanted.get(self.creations(key)[key].lineage)
            if job is not None and (place.retired or place.address != str(job.address)):
                creation = self.creations(key).pop(key)
                self.jobs.setdefault(str(job.address), {})[key] = creation
                self.places[key] = _Place(str(job.address), retired=False)
        for address in list(self.jobs):
            if self.graph.find_text(address) is None and not protected(self.jobs[address].values()):
                self.retired.setdefault(address, {}).update(self.jobs.pop(address))
        for address in list(self.retired):
            if self.graph.find_text(address) is not None:
                self.jobs.setdefault(address, {}).update(self.retired.pop(address))

    def _rename(self) -> None:
        """Bring all that was asked for at an address to the one that it has now."""
        for job in self.graph.jobs:
            if job.moved_from is None or self.graph.find(job.moved_from) is not None:
                continue
            old, new = str(job.moved_from), str(job.address)
            self.lock = with_pins_moved(self.lock, old, new)
            for books in (self.retired, self.jobs):
                for key, creation in books.pop(old, {}).items():
                    self.jobs.setdefault(new, {})[key] = creation
                    self.places[key] = _Place(new, retired=False)
                    if self.current.get(new) is None:
                        self.current[new] = self.current.get(old)

    def forget(self) -> None:
        """Drop intents that nobody wants and that can no longer land."""
        for books in (self.jobs, self.retired):
            for creations in books.values():
                for key, creation in list(creations.items()):
                    if creation.lineage not in self.wanted and self._expired(creation):
                        del creations[key]

    def _expired(self, creation: Creation) -> bool:
        return creation.unanswered and settled(creation.asked, self.observed.at, self.settle)

    def heed(self) -> None:
        """Give the entries of each desired address its policy: what is committed now counts."""
        for job in self.graph.jobs:
            creations = self.jobs.get(str(job.address), {})
            for key, creation in creations.items():
                if creation.policy != job.policy:
                    creations[key] = chosen(replace(creation, policy=job.policy))

    def stamp(self) -> None:
        """Record in results for which other lineages they stand."""
        for job in self.graph.jobs:
            creations = self.jobs.get(str(job.address), {})
            done = LockedJob(creations=creations).done(job.lineage) if job.restated else None
            if done is not None and job.restated is not None:
                key, creation = done
                stamps = {*(creation.stamps or ()), lineage(job.restated)}
                creations[key] = replace(creation, stamps=tuple(sorted(stamps)))

    def close(self) -> Lock:
        """The new lock."""
        jobs = {
            address: LockedJob(current=self._current(address, creations), creations=creations)
            for address, creations in self.jobs.items()
            if creations
        }
        retired = {
            address: LockedJob(current=self._kept(address, creations), creations=creations)
            for address, creations in self.retired.items()
            if creations
        }
        lock = numbered(self.lock, (job.name for job in self.observed.jobs.values()))
        return pruned(replace(lock, jobs=jobs, retired=retired))

    def _current(self, address: str, creations: Mapping[str, Creation]) -> str | None:
        job = self.graph.find_text(address)
        done = LockedJob(creations=creations).done(job.lineage) if job else None
        return done[0] if done else self._kept(address, creations)

    def _kept(self, address: str, creations: Mapping[str, Creation]) -> str | None:
        current = self.current.get(address)
        return current if current in creations else None


def numbered(lock: Lock, names: Iterable[str | None]) -> Lock:
    """The lock with the number of its project, as soon as the name of a job shows it."""
    if lock.project_number is not None:
        return lock
    parts = ((name or "").split("/") for name in names)
    number = next((one[1] for one in parts if len(one) > 1 and one[1].isdigit()), None)
    return replace(lock, project_number=number)


def settled(asked: datetime | None, at: datetime, settle: timedelta) -> bool:
    """Say whether a create sent then can no longer land; never, when it is not known when."""
    return asked is not None and at - asked >= settle
