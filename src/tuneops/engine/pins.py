"""Find out what a declaration leaves open: what bytes its datasets are, which model an alias means.

A file beside the specs is read every time, since a commit changes it and a commit is a cause. An
object in a bucket, an alias and a default keep the pin that the lock gives them, or that our own
job at that address carries: what moves behind an unchanged name is not a cause.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from tuneops.core.address import Address
from tuneops.core.desired import (
    DatasetRef,
    Declaration,
    DeclaredJob,
    DesiredGraph,
    DesiredJob,
    ModelRef,
    Pinned,
    Pins,
    Target,
    desire,
)
from tuneops.core.labels import Note, read_note
from tuneops.core.lock import Creation, Lock
from tuneops.core.observed import ObservedJob
from tuneops.core.pins import data_pin, model_pin
from tuneops.core.recipe import Dataset, Evidence, Pretuned
from tuneops.core.stamps import stamped
from tuneops.core.twins import identical_jobs
from tuneops.diagnostics import Diagnostic, SourceRef, has_errors
from tuneops.engine.acceptance import accepted_parents
from tuneops.engine.meanings import Meanings
from tuneops.engine.ports import JobList, ObjectList, StoredObject, VersionList
from tuneops.errors import InputError

ReadFile = Callable[[str], StoredObject | None]
"""Digest a file below the project's root; None when it is not there. The URI is the file's path."""


def pin(
    declaration: Declaration,
    lock: Lock,
    *,
    read_file: ReadFile,
    objects: ObjectList,
    service: JobList,
    registry: VersionList,
) -> DesiredGraph:
    """Complete a declaration with its pins, and with the re-stamps that the lock records.

    InputError with a finding for every dataset and model that is not there, and for identical jobs.
    Costs no request where the lock knows all pins; else one complete list, and one read for each
    thing to be pinned.
    """
    desk = _Desk(declaration, lock, cache(read_file), objects, service, registry)
    pins = desk.pins()
    if has_errors(tuple(desk.findings)):
        raise InputError(tuple(desk.findings))
    graph = desire(declaration, pins)
    if twins := tuple(identical_jobs(graph)):
        raise InputError(twins)
    return stamped(graph, lock, {})


@dataclass(frozen=True, slots=True)
class _Remembered:
    """How a job of ours was pinned, as its marks say it, or an entry of the lock elsewhere."""

    training: Pinned
    text: str | None
    """How its spec named the tuned model that it continues."""
    source: Pretuned | None
    lineage: str


class _Desk:
    """The pins of one declaration, in the making."""

    def __init__(
        self,
        declaration: Declaration,
        lock: Lock,
        read_file: ReadFile,
        objects: ObjectList,
        service: JobList,
        registry: VersionList,
    ) -> None:
        self.declaration = declaration
        self.lock = lock
        self.read_file = read_file
        self.describe = cache(objects.describe)
        self.service = service
        self.meaning = Meanings(registry).find
        self.findings: list[Diagnostic] = []
        self.datasets: dict[tuple[Address, str], Pinned] = {}
        self.models: dict[Address, Pretuned] = {}
        self.doubtful: dict[Address, str] = {}
        """The lineage that the pins taken from a job's marks must reproduce."""
        self.recalled: dict[Address, list[DatasetRef | ModelRef]] = {}
        """What was pinned by those marks."""
        self.remembered: dict[Address, Iterator[_Remembered]] = {}
        """What was not tried yet, the likeliest first."""
        self.listed = cache(lambda: service.list_jobs().jobs)
        self.noted = cache(self._noted)
        self.left = cache(self._left)
        self.parents = accepted_parents(declaration, lock, service, self.findings)

    def pins(self) -> Pins:
        """Settle everything; what cannot be settled becomes a finding."""
        open_jobs = [job for job in self.declaration.jobs if not self._settle(job)]
        for job in open_jobs:
            self.remembered[job.address] = self._remembered(job)
            self._recall(job)
            self._read(job)
        self._verify()
        return Pins(datasets=self.datasets, models=self.models, parents=self.parents)

    def _settle(self, job: DeclaredJob) -> bool:
        """Pin by files and by the lock; say whether nothing is left open.

        What a job is checked on is pinned by nobody: it changes no weight.
        """
        for ref in _datasets(job):
            if ref.is_unknown:
                self.datasets[job.address, ref.location] = _asserted(ref)
            elif ref.is_local:
                self._pin_file(job.address, ref)
            elif ref is job.validation:
                stored = self.describe(ref.location)
                there = as_it_is(stored) if stored else _absent(ref)
                self.datasets[job.address, ref.location] = there
        for address in map(str, filter(None, (job.address, job.moved_from))):
            uri = job.training.location
            pinned = None if job.training.is_local else data_pin(self.lock, address, uri)
            if pinned is not None and (job.address, uri) not in self.datasets:
                self.datasets[job.address, uri] = self._followed(job, pinned)
            text = job.source.text if isinstance(job.source, ModelRef) else None
            source = model_pin(self.lock, address, text) if text is not None else None
            if source is not None:
                self.models.setdefault(job.address, source)
        return not list(self._open(job))

    def _open(self, job: DeclaredJob) -> Iterator[DatasetRef | ModelRef]:
        ref = job.training
        if not ref.is_local and (job.address, ref.location) not in self.datasets:
            yield ref
        if isinstance(job.source, ModelRef) and job.address not in self.models:
            yield job.source

    def _pin_file(self, address: Address, ref: DatasetRef) -> None:
        stored = self.read_file(ref.location)
        if stored is None:
            self.findings.append(missing_data(ref.location, ref.where))
        else:
            target = self.declaration.target
            self.datasets[address, ref.location] = _uploaded(stored, ref, target)

    def _followed(self, job: DeclaredJob, pinned: Pinned) -> Pinned:
        """The pin, or what is there now where the spec says that new bytes are a cause."""
        there = self.describe(pinned.dataset.uri) if job.retune else None
        if there is None or same_content(there, pinned):
            return pinned
        return as_it_is(there)

    def _noted(self) -> Mapping[str, list[_Remembered]]:
        """Our own jobs by address, latest first, as far as their marks can be read."""
        owners = self.declaration.target.owners
        found: dict[str, list[_Remembered]] = {}
        for job in sorted(self.listed(), key=lambda job: job.seniority):
            mark, note = job.ownership, read_note(job.description)
            if mark is not None and mark.owner in owners and note is not None:
                remembered = _by_marks(job, note, mark.lineage)
                found.setdefault(mark.address, []).insert(0, remembered)
        return found

    def _left(self) -> Mapping[str, list[_Remembered]]:
        """The lock's entries by their data, but for those whose address still names that data."""
        declared = {str(job.address): job.training.location for job in self.declaration.jobs}
        found: dict[str, list[_Remembered]] = {}
        for address in sorted({*self.lock.jobs, *self.lock.retired}):
            for _, creation in self.lock.at(address).history:
                uri = creation.recipe.training.uri
                if declared.get(address) != uri:
                    found.setdefault(uri, []).append(_by_entry(creation))
        return found

    def _remembered(self, job: DeclaredJob) -> Iterator[_Remembered]:
        """Where a job's pins may be: at addresses that it had, and in the marks of our own jobs."""
        if job.training.is_local:
            for entries in self.left().values():
                yield from entries
        else:
            yield from self.left().get(job.training.location, ())
        noted = self.noted()
        yield from noted.get(str(job.address), ())
        for address in sorted(noted.keys() - {str(one.address) for one in self.declaration.jobs}):
            yield from noted[address]

    def _recall(self, job: DeclaredJob) -> None:
        """Take a job's open pins from the next thing remembered that has the same names."""
        for item in self.remembered[job.address]:
            uri = job.training.location
            same_data = job.training.is_local or item.training.dataset.uri == uri
            same_model = not isinstance(job.source, ModelRef) or item.text == job.source.text
            if not same_data or not same_model:
                continue
            recalled = self.recalled[job.address] = []
            for ref in list(self._open(job)):
                if isinstance(ref, DatasetRef):
                    self.datasets[job.address, uri] = item.training
                    recalled.append(ref)
                elif item.source is not None:
                    self.models[job.address] = item.source
                    recalled.append(ref)
            if recalled:
                self.doubtful[job.address] = item.lineage
            return

    def _read(self, job: DeclaredJob) -> None:
        """Pin what is still open by what is there now."""
        for ref in list(self._open(job)):
            if isinstance(ref, ModelRef):
                found = self.meaning(ref)
                if isinstance(found, Diagnostic):
                    self.findings.append(found)
                else:
                    self.models[job.address] = found
                continue
            stored = self.describe(ref.location)
            if stored is None:
                self.findings.append(missing_data(ref.location, ref.where))
            else:
                self.datasets[job.address, ref.location] = as_it_is(stored)

    def _verify(self) -> None:
        """Drop recalled pins that do not reproduce their job's lineage: try the next, then read."""
        while self.doubtful and not self.findings:
            pins = Pins(datasets=self.datasets, models=self.models, parents=self.parents)
            graph = desire(self.declaration, pins)
            wrong = self._wrong(graph) and self._wrong(
                stamped(graph, self.lock, {job.name: job for job in self.listed()})
            )
            if not wrong:
                return
            for job in self.declaration.jobs:
                mine = wrong.get(job.address)
                if mine is None or any(above.address in wrong for above in graph.ancestors(mine)):
                    continue
                del self.doubtful[job.address]
                for ref in self.recalled[job.address]:
                    if isinstance(ref, ModelRef):
                        del self.models[job.address]
                    else:
                        del self.datasets[job.address, ref.location]
                self._recall(job)
                self._read(job)

    def _wrong(self, graph: DesiredGraph) -> dict[Address, DesiredJob]:
        """The jobs that are not what the recalled pins were taken from."""
        return {
            address: found
            for address, lineage in self.doubtful.items()
            if (found := graph.find(address)) is not None and found.lineage != lineage
        }


def _datasets(job: DeclaredJob) -> Iterator[DatasetRef]:
    yield job.training
    if job.validation is not None:
        yield job.validation


def _by_marks(job: ObservedJob, note: Note, lineage: str) -> _Remembered:
    shown = job.fields
    size, crc32c = note.training
    dataset = Dataset(uri=shown.training_uri or "", size=size, crc32c=crc32c)
    whole = shown.pretuned_model and shown.checkpoint
    return _Remembered(
        training=Pinned(dataset=dataset, evidence=note.training_evidence or Evidence()),
        text=note.source,
        source=Pretuned(model=shown.pretuned_model or "", checkpoint=shown.checkpoint or "")
        if whole
        else None,
        lineage=lineage,
    )


def _by_entry(creation: Creation) -> _Remembered:
    recipe, evidence = creation.recipe, creation.evidence
    return _Remembered(
        training=Pinned(dataset=recipe.training, evidence=evidence.training or Evidence()),
        text=evidence.source,
        source=recipe.source if isinstance(recipe.source, Pretuned) else None,
        lineage=creation.lineage,
    )


def _uploaded(stored: StoredObject, ref: DatasetRef, target: Target) -> Pinned:
    """A file under the name that its content gives it in the bucket."""
    content, evidence = stored.dataset, stored.evidence
    uri = f"{target.dataset_bucket}/tuneops/{evidence.sha256}.jsonl"
    dataset = Dataset(uri=uri, size=content.size, crc32c=content.crc32c)
    return Pinned(dataset=dataset, evidence=evidence, file=ref.location)


def as_it_is(stored: StoredObject) -> Pinned:
    """The pin of an object as it is now."""
    return Pinned(dataset=stored.dataset, evidence=stored.evidence)


def _asserted(ref: DatasetRef) -> Pinned:
    """The pin of data that nobody knows: bytes of no object, others for each adopted version."""
    digest = sha256(ref.location.rpartition("/")[2].encode()).digest()
    crc32c = b64encode(digest[:4]).decode()
    return Pinned(dataset=Dataset(uri=ref.location, size=0, crc32c=crc32c), evidence=Evidence())


def _absent(ref: DatasetRef) -> Pinned:
    """The pin of validation data that is not there: bytes that nothing has.

    It matters to a job that is to be made, which is held; what was made with it stays as it is.
    """
    return Pinned(dataset=Dataset(uri=ref.location, size=0, crc32c=""), evidence=Evidence())


def same_content(there: StoredObject, pinned: Pinned) -> bool:
    """Say whether nothing speaks against these being the pinned bytes."""
    return there.dataset.same_bytes(pinned.dataset) and there.evidence.agrees(pinned.evidence)


def missing_data(location: str, where: SourceRef) -> Diagnostic:
    """The finding for data that is not where a spec says."""
    kind = "object" if location.startswith("gs://") else "file"
    return Diagnostic(
        code="dataset-missing",
        message=f"dataset `{location}` does not exist",
        where=where,
        help=f"check the {kind}'s name, or write the {kind} first",
    )
