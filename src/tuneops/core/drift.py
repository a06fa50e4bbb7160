"""Where the world left the lock: differences that no spec asked for, and that cost nothing yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tuneops.core.desired import DesiredGraph
from tuneops.core.lock import Lock
from tuneops.core.observed import JobState, Observed


class DriftKind(StrEnum):
    """The kinds of drift that this version looks for."""

    VERSION_GONE = "version-gone"
    CANCELLED_ELSEWHERE = "cancelled-elsewhere"
    DATASET_CHANGED = "dataset-changed"
    DATASET_GONE = "dataset-gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One difference: what the lock says, and what is there."""

    address: str
    kind: DriftKind
    expected: str
    found: str


def find_drift(graph: DesiredGraph, ledger: Lock, observed: Observed) -> tuple[Drift, ...]:
    """All drift of the desired addresses, in their order."""
    found = [*_models(graph, ledger, observed), *_datasets(graph, observed)]
    order = {str(job.address): index for index, job in enumerate(graph.jobs)}
    return tuple(sorted(found, key=lambda drift: (order[drift.address], drift.kind)))


def _models(graph: DesiredGraph, ledger: Lock, observed: Observed) -> Iterator[Drift]:
    for job in graph.jobs:
        address = str(job.address)
        locked = ledger.at(address)
        result = locked.result
        if result and result.model and not observed.has_version(result.model):
            yield Drift(
                address=address,
                kind=DriftKind.VERSION_GONE,
                expected=result.model,
                found="nothing",
            )
        for creation in locked.creations.values():
            ended = creation.state is JobState.CANCELLED and not creation.cancel_asked
            if ended and creation.lineage == job.lineage and creation.job:
                yield Drift(
                    address=address,
                    kind=DriftKind.CANCELLED_ELSEWHERE,
                    expected=f"{creation.job} runs to its end",
                    found="it was cancelled, not by tuneops",
                )


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
            elif not there.same_bytes(pinned.dataset):
                yield Drift(
                    address=str(job.address),
                    kind=DriftKind.DATASET_CHANGED,
                    expected=f"{pinned.dataset.uri} {pinned.dataset.crc32c}",
                    found=there.crc32c,
                )
