"""Find out what a declaration leaves open: what bytes its datasets are, which model an alias means.

A file beside the specs is read every time, since a commit changes it and a commit is a cause. An
object in a bucket, an alias and a default keep the pin that the lock gives them, or that our own
job at that address carries: what moves behind an unchanged name is not a cause.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from tuneops.core.address import Address
from tuneops.core.desired import (
    DatasetRef,
    Declaration,
    DeclaredJob,
    DesiredGraph,
    ModelRef,
    Pinned,
    Pins,
    Target,
    desire,
    identical_jobs,
)
from tuneops.core.drift import find_version
from tuneops.core.labels import Note, read_note
from tuneops.core.lock import Lock
from tuneops.core.observed import ObservedJob
from tuneops.core.pins import data_pin, model_pin
from tuneops.core.recipe import Dataset, Evidence, Pretuned
from tuneops.diagnostics import Diagnostic, has_errors
from tuneops.engine.ports import ModelRegistry, ObjectStore, StoredObject, TuningService
from tuneops.errors import InputError

CONTINUABLE_SINCE = datetime(2025, 7, 11, tzinfo=UTC)
"""Versions tuned before this cannot be continued (source: Google's page on continuous tuning)."""

ReadFile = Callable[[str], StoredObject | None]
"""Digest a file below the project's root; None when it is not there. The URI is the file's path."""


def pin(
    declaration: Declaration,
    lock: Lock,
    *,
    read_file: ReadFile,
    objects: ObjectStore,
    service: TuningService,
    registry: ModelRegistry,
) -> DesiredGraph:
    """Complete a declaration with its pins.

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
    return graph


@dataclass(frozen=True, slots=True)
class _Noted:
    """A job of ours, whose marks say how it was pinned."""

    job: ObservedJob
    note: Note
    lineage: str


class _Desk:
    """The pins of one declaration, in the making."""

    def __init__(
        self,
        declaration: Declaration,
        lock: Lock,
        read_file: ReadFile,
        objects: ObjectStore,
        service: TuningService,
        registry: ModelRegistry,
    ) -> None:
        self.declaration = declaration
        self.lock = lock
        self.read_file = read_file
        self.describe = cache(objects.describe)
        self.service = service
        self.registry = registry
        self.versions = cache(registry.list_versions)
        self.findings: list[Diagnostic] = []
        self.datasets: dict[tuple[Address, str], Pinned] = {}
        self.models: dict[Address, Pretuned] = {}
        self.doubtful: dict[Address, str] = {}
        """The lineage that the pins taken from a job's marks must reproduce."""
        self.recalled: dict[Address, list[DatasetRef | ModelRef]] = {}
        """What was pinned by those marks."""
        self.noted: dict[Address, list[_Noted]] = {}
        """Namesakes whose marks were not tried yet, latest first."""

    def pins(self) -> Pins:
        """Settle everything; what cannot be settled becomes a finding."""
        open_jobs = [job for job in self.declaration.jobs if not self._settle(job)]
        noted = self._noted() if open_jobs else {}
        for job in open_jobs:
            self.noted[job.address] = noted.get(str(job.address), [])
            self._recall(job)
            self._read(job)
        self._verify()
        return Pins(datasets=self.datasets, models=self.models)

    def _settle(self, job: DeclaredJob) -> bool:
        """Pin by files and by the lock; say whether nothing is left open."""
        for ref in _datasets(job):
            if ref.is_local:
                self._pin_file(job.address, ref)
        if not job.training.is_local:
            pinned = data_pin(self.lock, str(job.address), job.training.location)
            if pinned is not None:
                self.datasets[job.address, job.training.location] = pinned
        if isinstance(job.source, ModelRef):
            source = model_pin(self.lock, str(job.address), job.source.text)
            if source is not None:
                self.models[job.address] = source
        return not list(self._open(job))

    def _open(self, job: DeclaredJob) -> Iterator[DatasetRef | ModelRef]:
        for ref in _datasets(job):
            if not ref.is_local and (job.address, ref.location) not in self.datasets:
                yield ref
        if isinstance(job.source, ModelRef) and job.address not in self.models:
            yield job.source

    def _pin_file(self, address: Address, ref: DatasetRef) -> None:
        stored = self.read_file(ref.location)
        if stored is None:
            self.findings.append(_missing(ref))
        else:
            target = self.declaration.target
            self.datasets[address, ref.location] = _uploaded(stored, ref, target)

    def _noted(self) -> Mapping[str, list[_Noted]]:
        """Our own jobs by address, latest first, as far as their marks can be read."""
        owner = self.declaration.target.owner
        found: dict[str, list[_Noted]] = {}
        for job in sorted(self.service.list_jobs().jobs, key=lambda job: job.seniority):
            mark, note = job.ownership, read_note(job.description)
            if mark is not None and mark.owner == owner and note is not None:
                found.setdefault(mark.address, []).insert(0, _Noted(job, note, mark.lineage))
        return found

    def _recall(self, job: DeclaredJob) -> None:
        """Take a job's open pins from the marks of its next namesake with the same names."""
        while noted := self.noted[job.address]:
            item = noted.pop(0)
            shown = item.job.fields
            same_data = job.training.is_local or shown.training_uri == job.training.location
            same_model = not isinstance(job.source, ModelRef) or item.note.source == job.source.text
            if not same_data or not same_model:
                continue
            recalled = self.recalled[job.address] = []
            for ref in list(self._open(job)):
                if isinstance(ref, ModelRef) and shown.pretuned_model and shown.checkpoint:
                    self.models[job.address] = Pretuned(
                        model=shown.pretuned_model, checkpoint=shown.checkpoint
                    )
                    recalled.append(ref)
                elif ref is job.training:
                    size, crc32c = item.note.training
                    dataset = Dataset(uri=job.training.location, size=size, crc32c=crc32c)
                    evidence = item.note.training_evidence or Evidence()
                    pinned = Pinned(dataset=dataset, evidence=evidence)
                    self.datasets[job.address, job.training.location] = pinned
                    recalled.append(ref)
            if recalled:
                self.doubtful[job.address] = item.lineage
            return

    def _read(self, job: DeclaredJob) -> None:
        """Pin what is still open by what is there now."""
        for ref in list(self._open(job)):
            if isinstance(ref, ModelRef):
                found = self._resolve(ref)
                if found is not None:
                    self.models[job.address] = found
                continue
            stored = self.describe(ref.location)
            if stored is None:
                self.findings.append(_missing(ref))
            else:
                pinned = Pinned(dataset=stored.dataset, evidence=stored.evidence)
                self.datasets[job.address, ref.location] = pinned

    def _verify(self) -> None:
        """Drop recalled pins that do not reproduce their job's lineage: try the next, then read."""
        while self.doubtful and not self.findings:
            pins = Pins(datasets=self.datasets, models=self.models)
            graph = desire(self.declaration, pins)
            wrong = {
                address: found
                for address, lineage in self.doubtful.items()
                if (found := graph.find(address)) is not None and found.lineage != lineage
            }
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

    def _resolve(self, ref: ModelRef) -> Pretuned | None:
        """What a reference to a tuned model means now; a finding when it means nothing."""
        versions = self.versions(ref.model)
        if versions is None:
            self.findings.append(_no_model(ref, f"`{ref.model}` does not exist", ()))
            return None
        version = find_version(ref, versions)
        if version is None:
            names = tuple(sorted(f"@{name}" for name in versions))
            self.findings.append(_no_model(ref, f"`{ref.text}` names no version of it", names))
            return None
        if version.created is not None and version.created < CONTINUABLE_SINCE:
            message = f"`{version.name}` was tuned before {CONTINUABLE_SINCE:%Y-%m-%d}"
            self.findings.append(_too_old(ref, message))
            return None
        checkpoint = ref.checkpoint or version.default_checkpoint
        if checkpoint is None or ref.checkpoint is not None:
            known = self.registry.list_checkpoints(version.name)
            if checkpoint is None and known:
                checkpoint = max(known, key=lambda name: (known[name].step, name))
            if checkpoint is None or (known and checkpoint not in known):
                names = tuple(sorted(known))
                message = f"`{version.name}` has no such checkpoint"
                self.findings.append(_no_model(ref, message, names))
                return None
        return Pretuned(model=version.name, checkpoint=checkpoint)


def _datasets(job: DeclaredJob) -> Iterator[DatasetRef]:
    yield job.training
    if job.validation is not None:
        yield job.validation


def _uploaded(stored: StoredObject, ref: DatasetRef, target: Target) -> Pinned:
    """A file under the name that its content gives it in the bucket."""
    content, evidence = stored.dataset, stored.evidence
    uri = f"{target.dataset_bucket}/tuneops/{evidence.sha256}.jsonl"
    dataset = Dataset(uri=uri, size=content.size, crc32c=content.crc32c)
    return Pinned(dataset=dataset, evidence=evidence, file=ref.location)


def _missing(ref: DatasetRef) -> Diagnostic:
    kind = "file" if ref.is_local else "object"
    return Diagnostic(
        code="dataset-missing",
        message=f"dataset `{ref.location}` does not exist",
        where=ref.where,
        help=f"check the {kind}'s name, or write the {kind} first",
    )


def _too_old(ref: ModelRef, message: str) -> Diagnostic:
    return Diagnostic(
        code="source-too-old",
        message=message,
        where=ref.where,
        notes=("the service continues only what was tuned since then",),
        help="tune the base model again with `baseModel:`, and continue from that",
    )


def _no_model(ref: ModelRef, message: str, known: tuple[str, ...]) -> Diagnostic:
    return Diagnostic(
        code="source-missing",
        message=message,
        where=ref.where,
        help=f"there are {', '.join(known)}" if known else "check the name, project and location",
    )
