"""Which pins would be others if they were taken today; the lock is moved only when asked to.

A pin that is moved costs nothing. What the plan makes of it may, and says so.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.lock import Lock
from tuneops.core.pins import Pin, data_pin, model_pin
from tuneops.diagnostics import Diagnostic
from tuneops.engine.meanings import Meanings
from tuneops.engine.pins import as_it_is, missing_data, same_content
from tuneops.engine.ports import ModelRegistry, ObjectStore
from tuneops.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One pin that would be another; `before` is None for one that nothing was pinned to yet."""

    address: str
    name: str
    """What the spec says: a `gs://` URI, or a tuned model by alias, version or neither."""
    before: Pin | None
    after: Pin


def find_moves(
    graph: DesiredGraph,
    lock: Lock,
    addresses: Collection[str],
    *,
    objects: ObjectStore,
    registry: ModelRegistry,
) -> tuple[Move, ...]:
    """The moves of these addresses, in the order of the graph.

    InputError when something that is to be pinned is not there. Costs one read for each object and
    model. Files of the project have no pin to move: a commit changes them.
    """
    meanings = Meanings(registry)
    moves: list[Move] = []
    findings: list[Diagnostic] = []
    for job in graph.jobs:
        if str(job.address) not in addresses:
            continue
        for found in (*_data(job, lock, objects), *_source(job, lock, meanings)):
            if isinstance(found, Move):
                moves.append(found)
            else:
                findings.append(found)
    if findings:
        raise InputError(tuple(findings))
    return tuple(moves)


def _data(job: DesiredJob, lock: Lock, objects: ObjectStore) -> Iterator[Move | Diagnostic]:
    if job.training.file is not None:
        return
    uri = job.training.dataset.uri
    there = objects.describe(uri)
    if there is None:
        yield missing_data(uri, job.where)
        return
    known = data_pin(lock, str(job.address), uri) is not None
    before = job.training if known or not same_content(there, job.training) else None
    if before is None or not same_content(there, before):
        yield Move(address=str(job.address), name=uri, before=before, after=as_it_is(there))


def _source(job: DesiredJob, lock: Lock, meanings: Meanings) -> Iterator[Move | Diagnostic]:
    if job.model_ref is None:
        return
    found = meanings.find(job.model_ref)
    if isinstance(found, Diagnostic):
        yield found
        return
    before = model_pin(lock, str(job.address), job.model_ref.text)
    if (
        before is None
        or _means(before.model) != _means(found.model)
        or (before.checkpoint != found.checkpoint)
    ):
        yield Move(address=str(job.address), name=job.model_ref.text, before=before, after=found)


def _means(model: str) -> str:
    """A version without its project, which has an id and a number."""
    return model.rpartition("/")[2]
