"""Where the world left the lock: differences that no spec asked for, and that cost nothing yet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tuneops.core.desired import DesiredGraph, DesiredJob, ModelRef
from tuneops.core.entry import is_another
from tuneops.core.lock import Creation, Lock
from tuneops.core.observed import JobState, ModelVersion, Observed, ObservedJob
from tuneops.core.policy import lifted
from tuneops.core.recipe import Evidence, Pretuned


class DriftKind(StrEnum):
    """The kinds of drift that this version looks for."""

    VERSION_GONE = "version-gone"
    JOB_GONE = "job-gone"
    CANCELLED_ELSEWHERE = "cancelled-elsewhere"
    DATASET_CHANGED = "dataset-changed"
    DATASET_GONE = "dataset-gone"
    SOURCE_MOVED = "source-moved"
    POINTER_MOVED = "pointer-moved"
    LABELS_LOST = "labels-lost"
    ANOTHER_JOB = "another-job"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One difference: what the lock says, and what is there."""

    address: str
    kind: DriftKind
    expected: str
    found: str
    detail: str = ""
    """What became of the examples of a dataset, where somebody looked."""


def find_drift(
    graph: DesiredGraph, before: Lock, ledger: Lock, observed: Observed
) -> tuple[Drift, ...]:
    """All drift of the desired addresses, in their order; `before` is the lock as it was read."""
    found = [
        *_models(graph, ledger, observed),
        *_edited(graph, before, observed),
        *_nameless(graph, ledger, observed),
        *_sources(graph, observed),
        *_datasets(graph, observed),
    ]
    order = {str(job.address): index for index, job in enumerate(graph.jobs)}
    return tuple(sorted(found, key=lambda drift: (order[drift.address], drift.kind)))


def _models(graph: DesiredGraph, ledger: Lock, observed: Observed) -> Iterator[Drift]:
    for job in graph.jobs:
        address = str(job.address)
        locked = ledger.at(address)
        result = locked.result
        gone = result and result.model and not observed.has_version(result.model)
        if result and result.model and gone and not result.delete_asked:
            yield Drift(
                address=address,
                kind=DriftKind.VERSION_GONE,
                expected=result.model,
                found="nothing",
            )
        for creation in locked.creations.values():
            if creation.live and creation.job and creation.job in observed.missing:
                yield Drift(
                    address=address,
                    kind=DriftKind.JOB_GONE,
                    expected=f"{creation.job} runs to its end",
                    found="nothing",
                )
            ended = creation.state is JobState.CANCELLED and not creation.cancel_asked
            vetoed = ended and not lifted(job.resume, creation.job)
            if (
                vetoed
                and not creation.succeeded
                and creation.lineage == job.lineage
                and creation.job
            ):
                yield Drift(
                    address=address,
                    kind=DriftKind.CANCELLED_ELSEWHERE,
                    expected=f"{creation.job} runs to its end",
                    found="it was cancelled, not by tuneops",
                )


def _edited(graph: DesiredGraph, before: Lock, observed: Observed) -> Iterator[Drift]:
    """Jobs that the lock names in the place of others: only a hand can have written that."""
    for job, creation, there in _seen(graph, before, observed):
        if is_another(creation, there):
            yield Drift(
                address=str(job.address),
                kind=DriftKind.ANOTHER_JOB,
                expected=f"{there.name} is this job",
                found="its labels or settings are not: was the lock edited by hand?",
            )


def _nameless(graph: DesiredGraph, ledger: Lock, observed: Observed) -> Iterator[Drift]:
    """Jobs that we made and whose labels do not say so."""
    for job, creation, there in _seen(graph, ledger, observed):
        mark = there.ownership
        if (mark is None or mark.by_line) and not is_another(creation, there):
            left = "only the lock knows" if mark is None else "the lock and its description know"
            yield Drift(
                address=str(job.address),
                kind=DriftKind.LABELS_LOST,
                expected=f"{there.name} bears our labels",
                found=f"the service dropped them; {left} this job",
            )


def _seen(
    graph: DesiredGraph, lock: Lock, observed: Observed
) -> Iterator[tuple[DesiredJob, Creation, ObservedJob]]:
    """The creations that the specs want, each with the job that the lock names for it."""
    for job in graph.jobs:
        for creation in lock.at(str(job.address)).creations.values():
            there = observed.jobs.get(creation.job or "")
            if there is not None and creation.lineage == job.lineage and not creation.adopted:
                yield job, creation, there


def _sources(graph: DesiredGraph, observed: Observed) -> Iterator[Drift]:
    """Aliases and defaults that mean another version or checkpoint now than when pinned."""
    for job in graph.jobs:
        pinned = job.recipe.source
        versions = observed.versions.get(job.model_ref.model) if job.model_ref else None
        if job.model_ref is None or versions is None or not isinstance(pinned, Pretuned):
            continue
        version = find_version(job.model_ref, versions)
        if version is None:
            continue
        checkpoint = job.model_ref.checkpoint or version.default_checkpoint or pinned.checkpoint
        now = (version.name.rpartition("@")[2], checkpoint)
        if now != (pinned.model.rpartition("@")[2], pinned.checkpoint):
            yield Drift(
                address=str(job.address),
                kind=DriftKind.SOURCE_MOVED,
                expected=f"{pinned.model} checkpoint {pinned.checkpoint}",
                found=f"@{now[0]} checkpoint {now[1]}",
            )


def find_version(ref: ModelRef, versions: Mapping[str, ModelVersion]) -> ModelVersion | None:
    """The version that a reference means now: by number, by alias, or the default one."""
    if ref.version in versions:
        return versions[ref.version]
    alias = ref.version or "default"
    return next((version for version in versions.values() if alias in version.aliases), None)


def _datasets(graph: DesiredGraph, observed: Observed) -> Iterator[Drift]:
    for job in graph.jobs:
        for pinned in (job.training, job.validation):
            if pinned is None or pinned.dataset.uri not in observed.objects:
                continue
            there = observed.objects[pinned.dataset.uri]
            if there is None:
                yield Drift(
                    address=str(job.address),
                    kind=DriftKind.DATASET_GONE,
                    expected=f"{pinned.dataset.uri} {pinned.dataset.crc32c}",
                    found="nothing",
                )
            elif observed.differs(pinned.dataset, pinned.evidence):
                md5 = observed.evidence.get(there.uri, Evidence()).md5
                forged = there.same_bytes(pinned.dataset)
                yield Drift(
                    address=str(job.address),
                    kind=DriftKind.DATASET_CHANGED,
                    expected=f"{pinned.dataset.uri} {pinned.dataset.crc32c}",
                    found=f"{there.crc32c}, but another md5, {md5}" if forged else there.crc32c,
                )
