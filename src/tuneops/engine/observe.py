"""Ask the service for the world: one complete list, and by name only what the list cannot say."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.lock import Lock
from tuneops.core.match import adoptable
from tuneops.core.observed import Checkpoint, Observed, ObservedJob
from tuneops.core.recipe import Dataset
from tuneops.engine.ports import ModelRegistry, ObjectStore, TuningService


def observe(
    graph: DesiredGraph,
    lock: Lock,
    *,
    service: TuningService,
    registry: ModelRegistry,
    objects: ObjectStore,
) -> Observed:
    """The world at one instant.

    Costs one request for each page of jobs, each model that the lock's current entries name, each
    recorded job that the list did not show, and each dataset in a bucket of the user's.
    """
    listing = service.list_jobs()
    jobs = {job.name: job for job in listing.jobs}
    missing = set[str]()
    for name in sorted(_unlisted(lock, jobs)):
        job = service.get_job(name)
        if job is None:
            missing.add(name)
        else:
            jobs[name] = job
    versions = {
        model: registry.list_versions(model) for model in sorted(_models(graph, lock, jobs))
    }
    owner = graph.target.owner
    named = {
        there.name
        for job in graph.jobs
        if job.adopt and (there := adoptable(job.adopt.target, jobs.values()))
    }
    jobs = {
        name: _complete(job, lock, registry) if _ours(job, owner) or name in named else job
        for name, job in jobs.items()
    }
    return Observed(
        at=listing.at,
        jobs=jobs,
        listed=frozenset(job.name for job in listing.jobs),
        missing=frozenset(missing),
        versions=versions,
        objects=_objects(graph.jobs, objects),
    )


def _unlisted(lock: Lock, jobs: Mapping[str, ObservedJob]) -> set[str]:
    """Recorded jobs that may still run and that the list did not show.

    Those that no spec wants any more are looked for as well: they are to be stopped.
    """
    return {
        creation.job
        for _, _, creation in lock.creations()
        if creation.job is not None and creation.job not in jobs and creation.live
    }


def _models(graph: DesiredGraph, lock: Lock, jobs: Mapping[str, ObservedJob]) -> set[str]:
    """The models whose versions matter: of current and wanted results, of jobs just finished."""
    wanted = {job.lineage for job in graph.jobs}
    names = {
        locked.result.model
        for locked in lock.jobs.values()
        if locked.result is not None and locked.result.model is not None
    }
    names |= {
        creation.model
        for _, _, creation in lock.creations()
        if creation.model is not None and creation.lineage in wanted
    }
    for job in jobs.values():
        ours = job.ownership is not None and job.ownership.lineage in wanted
        if ours and job.model is not None and job.state.terminal:
            names.add(job.model)
    referred = {job.model_ref.model for job in graph.jobs if job.model_ref is not None}
    return {name.partition("@")[0] for name in names} | referred


def _ours(job: ObservedJob, owner: str) -> bool:
    return job.ownership is not None and job.ownership.owner == owner


def _complete(job: ObservedJob, lock: Lock, registry: ModelRegistry) -> ObservedJob:
    """Read the checkpoints of a finished job where the job itself does not list them.

    The service leaves them out of a job that exported its last checkpoint only.
    """
    if not job.state.terminal or job.checkpoints or job.model is None:
        return job
    known = _recorded_checkpoints(lock, job.name)
    checkpoints = known or registry.list_checkpoints(job.model)
    if len(checkpoints) == 1 and job.endpoint:
        checkpoints = {
            name: replace(item, endpoint=item.endpoint or job.endpoint)
            for name, item in checkpoints.items()
        }
    return replace(job, checkpoints=checkpoints)


def _recorded_checkpoints(lock: Lock, name: str) -> Mapping[str, Checkpoint]:
    for _, _, creation in lock.creations():
        if creation.job == name:
            return creation.checkpoints
    return {}


def _objects(jobs: Iterable[DesiredJob], objects: ObjectStore) -> Mapping[str, Dataset | None]:
    """What lies behind the URIs that name data in a bucket of the user's, each read once.

    Data of finished jobs is looked at too, because a change there is drift worth showing.
    """
    found: dict[str, Dataset | None] = {}
    for job in jobs:
        for pinned in (job.training, job.validation):
            if pinned is None or pinned.file is not None or pinned.dataset.uri in found:
                continue
            stored = objects.describe(pinned.dataset.uri)
            found[pinned.dataset.uri] = stored.dataset if stored else None
    return found
