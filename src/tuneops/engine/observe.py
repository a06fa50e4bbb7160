"""Ask the service for the world: one complete list, and by name only what the list cannot say."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from functools import cache

from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.inputs import unproven
from tuneops.core.lock import Lock
from tuneops.core.match import adoptable, stand_in
from tuneops.core.metrics import unread, wanted
from tuneops.core.observed import Checkpoint, Observed, ObservedJob, Point, SeenObject
from tuneops.core.pointers import short_version
from tuneops.core.stamps import stamped
from tuneops.core.view import View
from tuneops.engine.ports import (
    ClaimStore,
    ModelRegistry,
    ObjectStore,
    StoredObject,
    TuningService,
    VersionList,
)
from tuneops.errors import ProviderError, TuneopsError


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
    recorded job that the list did not show, and each dataset in a bucket of the user's; and some
    for each finished job whose metrics are asked for and not recorded.
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
    owners = graph.target.owners
    jobs |= {job.name: job for job in _orphans(graph, lock, jobs, registry)}
    describe = cache(objects.describe)
    data = {uri: describe(uri) for uri in _named_data(graph.jobs)}
    owned = [job for job in jobs.values() if _ours(job, owners)]
    named = {
        there.name
        for job in graph.jobs
        if job.adopt and (there := adoptable(job.adopt.target, jobs.values()))
    }
    jobs = {
        name: _complete(job, lock, registry) if _ours(job, owners) or name in named else job
        for name, job in jobs.items()
    }
    graph = stamped(graph, lock, jobs)
    versions = {
        model: registry.list_versions(model) for model in sorted(_models(graph, lock, jobs))
    }
    return Observed(
        at=listing.at,
        jobs=jobs,
        listed=frozenset(job.name for job in listing.jobs),
        missing=frozenset(missing),
        versions=versions,
        objects={uri: stored.dataset if stored else None for uri, stored in data.items()},
        evidence={uri: stored.evidence for uri, stored in data.items() if stored},
        inputs=dict(_inputs(lock, owned, describe)),
        series=_series(graph, lock, jobs, registry),
    )


def _orphans(
    graph: DesiredGraph, lock: Lock, jobs: Mapping[str, ObservedJob], registry: VersionList
) -> Iterator[ObservedJob]:
    """The versions that specs adopt and no job has made that is still there.

    Costs a request for each that the lock does not know.
    """
    recorded = {creation.lineage for _, _, creation in lock.creations()}
    here = f"/locations/{graph.target.location}/models/"
    for job in graph.jobs:
        target = job.adopt.target if job.adopt else ""
        if here not in target or job.lineage in recorded or adoptable(target, jobs.values()):
            continue
        base, _, number = target.partition("@")
        version = (registry.list_versions(base) or {}).get(number)
        there = stand_in(version, graph.target.owners) if version else None
        if there is not None:
            yield there


def _series(
    graph: DesiredGraph, lock: Lock, jobs: Mapping[str, ObservedJob], registry: ModelRegistry
) -> dict[str, Mapping[str, tuple[Point, ...]]]:
    """What rules and gates ask of finished jobs, and the lock does not know yet."""
    asked = wanted(graph, lock)
    if not asked:
        return {}
    known = {creation.job: creation for _, _, creation in lock.creations()}
    adopted = {
        there.name: job.lineage
        for job in graph.jobs
        if job.adopt and (there := adoptable(job.adopt.target, jobs.values()))
    }
    found: dict[str, Mapping[str, tuple[Point, ...]]] = {}
    for name, job in jobs.items():
        recorded = known.get(name)
        lineage = recorded.lineage if recorded else adopted.get(name, "")
        if _ours(job, graph.target.owners) and job.ownership is not None:
            lineage = job.ownership.lineage
        missing = unread(asked.get(lineage, frozenset()), recorded, job)
        if missing and job.experiment is not None:
            found[name] = registry.read_series(job.experiment, missing)
    return found


def look_closer(
    graph: DesiredGraph, lock: Lock, observed: Observed, registry: ModelRegistry
) -> Observed:
    """What was seen, and what only a lock that was lost would have asked for.

    Costs a request for each model that a job of ours made, and those for metrics of its results.
    """
    models = {
        job.model.partition("@")[0]
        for job in observed.jobs.values()
        if job.model is not None and _ours(job, graph.target.owners)
    }
    versions = dict(observed.versions)
    for model in sorted(models - set(versions)):
        versions[model] = registry.list_versions(model)
    series = dict(observed.series)
    for name, points in _series(graph, lock, observed.jobs, registry).items():
        series[name] = {**series.get(name, {}), **points}
    return replace(observed, versions=versions, series=series)


def strangers(
    graph: DesiredGraph, observed: Observed, stores: Iterable[ClaimStore], *, twins: bool
) -> frozenset[str]:
    """Of the live jobs with our labels that could be stopped, those that nobody here claimed.

    A lock is copied with its repository, and labels with a job; a claim stays where it was made. A
    job counts as ours if a claim of its creation names its mark, in any of the stores; a store that
    cannot be asked says nothing, so that nothing is stopped. `twins` of a wanted creation are
    judged only where all runners share the claims: else another clone may rightly have made them.
    Costs a read for each such job.
    """
    target = graph.target
    lineages = {job.lineage for job in graph.jobs}
    found = set[str]()
    for (lineage, attempt), jobs in observed.owned(*target.owners).items():
        live = [job for job in jobs if not job.state.terminal]
        if not live or (lineage in lineages and not (twins and len(jobs) > 1)):
            continue
        key = target.key(lineage, attempt)
        marks = {mark for store in stores for mark in _marks(store, key)}
        found |= {job.name for job in live if job.ownership and job.ownership.mark not in marks}
    return frozenset(found)


def _marks(store: ClaimStore, key: str) -> tuple[str, ...]:
    try:
        held = store.read(key)
    except TuneopsError:
        return ()
    return held[0].marks if held else ()


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
    wanted |= set(graph.accepted())
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
    pinned = {(one.to or "").removeprefix("models/").partition("#")[0] for one in graph.promotions}
    names |= {
        creation.model
        for removal in graph.removals
        for creation in lock.at(removal.address).creations.values()
        if creation.model and removal.names(creation.model, graph.target.project)
    }
    for aliases in (lock.pointers or {}).values():
        for pointer in aliases.values():
            names |= {pointer.model, *(pointer.also or ())}
    names |= {
        creation.model
        for _, _, creation in lock.creations()
        if creation.model is not None and short_version(creation.model) in pinned
    }
    unpointed = {one.name for one in graph.promotions if lock.pointer(one.name, one.alias) is None}
    for job in jobs.values():
        mark = job.ownership
        ours = mark is not None and mark.owner in graph.target.owners
        looked_for = mark is not None and (
            mark.lineage in wanted or (ours and mark.address.partition("/")[0] in unpointed)
        )
        if looked_for and job.model is not None and job.state.terminal:
            names.add(job.model)
    referred = {job.model_ref.model for job in graph.jobs if job.model_ref is not None}
    return {name.partition("@")[0] for name in names} | referred


def _ours(job: ObservedJob, owners: Set[str]) -> bool:
    return job.ownership is not None and job.ownership.owner in owners


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


def _named_data(jobs: Iterable[DesiredJob]) -> Iterator[str]:
    """The URIs that name data in a bucket of the user's.

    Data of finished jobs is looked at too, because a change there is drift worth showing.
    """
    for job in jobs:
        for pinned in (job.training, job.validation):
            if pinned is not None and pinned.dataset.uri.startswith("gs://") and not pinned.file:
                yield pinned.dataset.uri


def _inputs(
    lock: Lock, jobs: Iterable[ObservedJob], describe: Callable[[str], StoredObject | None]
) -> Iterator[tuple[str, SeenObject | None]]:
    """What lies behind the data of jobs of ours that may have read it since the last look."""
    known = {creation.job: creation for _, _, creation in lock.creations()}
    for job in jobs:
        uri = job.fields.training_uri
        if uri is None or not uri.startswith("gs://") or not unproven(known.get(job.name), job):
            continue
        there = describe(uri)
        seen = (
            SeenObject(dataset=there.dataset, evidence=there.evidence, created=there.created)
            if there
            else None
        )
        yield job.name, seen


def look_elsewhere(view: View, locations: Mapping[str, TuningService]) -> View:
    """Count the live jobs of the project's other locations, where a limit needs to know of them.

    Costs a request for each page of their jobs. A list that fails leaves its location unknown.
    """
    if view.graph.target.concurrent_jobs is None or not locations:
        return view
    live: dict[str, int | None] = {}
    for location, service in locations.items():
        try:
            jobs = service.list_jobs().jobs
            live[location] = sum(1 for job in jobs if not job.state.terminal)
        except ProviderError:
            live[location] = None
    return replace(view, observed=replace(view.observed, elsewhere=live))
