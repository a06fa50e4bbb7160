"""Find out what bytes a spec's datasets are: from the lock, else from the bytes themselves.

A file beside the specs is read every time, since a commit changes it and a commit is a cause. An
object in a bucket keeps the pin that the lock gives it, or that our own job at that address
carries: new bytes behind an unchanged URI are not a cause.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from tuneops.core.address import Address
from tuneops.core.desired import (
    DatasetRef,
    Declaration,
    DesiredGraph,
    Pinned,
    Target,
    desire,
    identical_jobs,
)
from tuneops.core.labels import read_note
from tuneops.core.lock import Lock
from tuneops.core.recipe import Dataset, Evidence
from tuneops.diagnostics import Diagnostic
from tuneops.engine.ports import ObjectStore, StoredObject, TuningService
from tuneops.errors import InputError

Place = tuple[Address, str]
ReadFile = Callable[[str], StoredObject | None]
"""Digest a file below the project's root; None when it is not there. The URI is the file's path."""


def pin(
    declaration: Declaration,
    lock: Lock,
    *,
    read_file: ReadFile,
    objects: ObjectStore,
    service: TuningService,
) -> DesiredGraph:
    """Complete a declaration with the pins of its data.

    InputError with a finding for every dataset that is not there, and for identical jobs.
    """
    findings: list[Diagnostic] = []
    pins: dict[Place, Pinned] = {}
    open_places: list[tuple[Address, DatasetRef]] = []
    read_file = cache(read_file)
    trainings = {(job.address, job.training.location) for job in declaration.jobs}
    for address, ref in declaration.datasets():
        place = (address, ref.location)
        pinned = (
            _local(ref, declaration.target, read_file)
            if ref.is_local
            else _locked(lock, place)
            if place in trainings
            else None
        )
        if pinned is not None:
            pins[place] = pinned
        elif ref.is_local:
            findings.append(_missing(ref))
        else:
            open_places.append((address, ref))
    findings.extend(_fill(declaration, pins, open_places, objects, service))
    if findings:
        raise InputError(tuple(findings))
    graph = desire(declaration, pins)
    if twins := tuple(identical_jobs(graph)):
        raise InputError(twins)
    return graph


def _local(ref: DatasetRef, target: Target, read_file: ReadFile) -> Pinned | None:
    stored = read_file(ref.location)
    if stored is None:
        return None
    content, evidence = stored.dataset, stored.evidence
    uri = f"{target.dataset_bucket}/tuneops/{evidence.sha256}.jsonl"
    dataset = Dataset(uri=uri, size=content.size, crc32c=content.crc32c)
    return Pinned(dataset=dataset, evidence=evidence, file=ref.location)


def _locked(lock: Lock, place: Place) -> Pinned | None:
    """The pin that the lock gives to a URI at an address: that of the latest creation with it."""
    address, uri = place
    for _, creation in lock.at(str(address)).history:
        if creation.recipe.training.uri == uri:
            evidence = creation.evidence.training or Evidence()
            return Pinned(dataset=creation.recipe.training, evidence=evidence)
    return None


def _fill(
    declaration: Declaration,
    pins: dict[Place, Pinned],
    open_places: Iterable[tuple[Address, DatasetRef]],
    objects: ObjectStore,
    service: TuningService,
) -> Iterable[Diagnostic]:
    """Pin what neither a file nor the lock pins: by our own jobs' notes, else by what is there."""
    places = list(open_places)
    if not places:
        return
    noted = _noted(declaration, places, service)
    found: dict[str, StoredObject | None] = {}
    for address, ref in places:
        place = (address, ref.location)
        if place in noted:
            pins[place] = noted[place][0]
            continue
        if ref.location not in found:
            found[ref.location] = objects.describe(ref.location)
        stored = found[ref.location]
        if stored is None:
            yield _missing(ref)
        else:
            pins[place] = Pinned(dataset=stored.dataset, evidence=stored.evidence)
    if all((address, ref.location) in pins for address, ref in declaration.datasets()):
        _verify(declaration, pins, noted, objects)


def _noted(
    declaration: Declaration,
    places: Iterable[tuple[Address, DatasetRef]],
    service: TuningService,
) -> dict[Place, tuple[Pinned, str]]:
    """Pins from the machine lines of our own jobs, with the lineage that each must reproduce."""
    trainings = {job.address: job.training.location for job in declaration.jobs}
    wanted = {
        (str(address), ref.location): (address, ref.location)
        for address, ref in places
        if trainings[address] == ref.location
    }
    noted: dict[Place, tuple[Pinned, str]] = {}
    owner = declaration.target.owner
    for job in sorted(service.list_jobs().jobs, key=lambda job: job.seniority):
        mark, note, uri = job.ownership, read_note(job.description), job.fields.training_uri
        if mark is None or mark.owner != owner or note is None or uri is None:
            continue
        place = wanted.get((mark.address, uri))
        if place is not None:
            size, crc32c = note.training
            dataset = Dataset(uri=uri, size=size, crc32c=crc32c)
            noted[place] = (Pinned(dataset=dataset, evidence=Evidence()), mark.lineage)
    return noted


def _verify(
    declaration: Declaration,
    pins: dict[Place, Pinned],
    noted: Mapping[Place, tuple[Pinned, str]],
    objects: ObjectStore,
) -> None:
    """Drop noted pins that do not reproduce their job's lineage; read the bytes instead."""
    doubtful = dict(noted)
    while doubtful:
        graph = desire(declaration, pins)
        wrong = [
            place
            for place, (_, lineage) in doubtful.items()
            if (job := graph.find(place[0])) is None or job.lineage != lineage
        ]
        if not wrong:
            return
        for place in wrong:
            del doubtful[place]
            stored = objects.describe(place[1])
            if stored is not None:
                pins[place] = Pinned(dataset=stored.dataset, evidence=stored.evidence)


def _missing(ref: DatasetRef) -> Diagnostic:
    kind = "file" if ref.is_local else "object"
    return Diagnostic(
        code="dataset-missing",
        message=f"dataset `{ref.location}` does not exist",
        where=ref.where,
        help=f"check the {kind}'s name, or write the {kind} first",
    )
