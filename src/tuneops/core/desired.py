"""The graph of jobs that the specs ask for: declared first, desired once their data is pinned."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tuneops.core.address import Address
from tuneops.core.fingerprint import creation_key, lineage
from tuneops.core.policy import Acceptance, Gate, Policy, Removal
from tuneops.core.recipe import (
    SPELLING,
    BaseModel,
    CheckpointRule,
    Dataset,
    Evidence,
    HyperParameters,
    Method,
    Pretuned,
    Recipe,
    Upstream,
    rule_text,
)
from tuneops.core.rules import Rules
from tuneops.diagnostics import SourceRef

Provider = Literal["emulator", "vertex"]

WriteBack = Literal["file", "commit", "branch", "artifact"]
"""How the lock of a run comes back to git: by hand, by a push of ours, or as a file to keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formerly:
    """Names that workspace and environment had before, the oldest first."""

    workspace: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where specs are made real: one environment of one workspace."""

    workspace: str
    environment: str
    provider: Provider
    project: str
    location: str
    dataset_bucket: str
    concurrent_jobs: int | None = None
    elsewhere: tuple[str, ...] = ()
    """Other locations of the project whose jobs count for the limit: those of environments."""
    claims: str = "auto"
    """Where creates are guarded: `auto`, `local`, `git`, or a place `gs://bucket/folder`."""
    lock: WriteBack = "file"
    lock_branch: str | None = None
    """The branch that carries locks, where it is named; with `commit`, the second choice too."""
    rules: Rules = field(default_factory=Rules)
    """What may not be bought, or not now."""
    formerly: Formerly = Formerly()

    @property
    def owner(self) -> str:
        """The ownership mark on every job."""
        return f"{self.workspace}--{self.environment}"

    @property
    def owners(self) -> frozenset[str]:
        """The marks of all jobs of ours: this one, and those under old names."""
        return frozenset(
            f"{workspace}--{environment}"
            for workspace in (self.workspace, *self.formerly.workspace)
            for environment in (self.environment, *self.formerly.environment)
        )

    @property
    def origin(self) -> str:
        """The owner that creation keys are made for: the oldest, since a rename buys nothing."""
        workspace = (*self.formerly.workspace, self.workspace)[0]
        return f"{workspace}--{(*self.formerly.environment, self.environment)[0]}"

    def key(self, lineage: str, attempt: int) -> str:
        """The creation key of an attempt at a lineage here."""
        return creation_key(
            owner=self.origin,
            project=self.project,
            location=self.location,
            lineage=lineage,
            attempt=attempt,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What people call a job and its model; never a reason to train."""

    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRef:
    """A dataset as a spec names it: a `gs://` URI, or a file below the project's root.

    Of an adopted version whose data nobody knows, it is the name of that version.
    """

    location: str
    where: SourceRef

    @property
    def is_local(self) -> bool:
        """Say whether the bytes lie beside the specs."""
        return not self.location.startswith("gs://") and not self.is_unknown

    @property
    def is_unknown(self) -> bool:
        """Say whether nobody knows what was trained on: there is nothing to look at."""
        return self.location.startswith("projects/") and "@" in self.location


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """A tuned model as a spec names it; what it leaves open is resolved once and then pinned.

    `version` is a number, an alias, or empty for the model's default version; without a
    `checkpoint` the version's default checkpoint is meant.
    """

    model: str
    version: str
    checkpoint: str | None
    where: SourceRef

    @property
    def text(self) -> str:
        """The reference in one line, as the lock remembers it."""
        version = f"@{self.version}" if self.version else ""
        return f"{self.model}{version}{f'#{self.checkpoint}' if self.checkpoint else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """A job that somebody else made and that a spec takes over: by its name, or its version's.

    `as_is` takes it over even where its settings differ from the spec.
    """

    target: str
    as_is: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """An alias that is to be on the result of a job, and which checkpoint is its default.

    `to` is the version that a person pinned instead, `models/55@2` or `models/55@2#3`: a rollback.
    """

    name: str
    """The chain, or the job on its own, that it belongs to."""
    alias: str
    stage: Address
    checkpoint: CheckpointRule
    where: SourceRef
    to: str | None = None

    @property
    def target(self) -> str:
        """Where the alias is to be, in one line, for who approves it."""
        return self.to or f"{self.stage} {rule_text(self.checkpoint)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRef:
    """A source that is another job of the workspace."""

    address: Address
    checkpoint: CheckpointRule


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredJob:
    """One job as its spec says it, defaults and variables applied, its data not yet read."""

    address: Address
    method: Method
    source: BaseModel | ModelRef | ParentRef
    training: DatasetRef
    validation: DatasetRef | None
    hyper_parameters: HyperParameters
    last_checkpoint_only: bool
    display_name: str | None
    """The name of the model to be made; None continues the parent's model with a new version."""
    encryption_key: str | None
    service_account: str | None
    nonce: str | None
    suspended: bool
    metadata: Metadata
    policy: Policy
    where: SourceRef
    adopt: Adoption | None = None
    retune: bool = False
    """Whether other bytes behind the training URI are a cause to train again."""
    accept: Acceptance | None = None
    moved_from: Address | None = None
    """The address that this job had before."""
    suspended_until: datetime | None = None
    resume: str | None = None
    """The cancelled job that this spec knows of: it is no veto any more."""
    evaluation_config: Mapping[str, Any] | None = None
    """The service's own JSON. Of no lineage: what is measured changes nothing that is trained."""
    gate: Gate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """All that the specs say about one environment; parents come before children."""

    target: Target
    jobs: tuple[DeclaredJob, ...]
    promotions: tuple[Promotion, ...] = ()
    removals: tuple[Removal, ...] = ()

    def datasets(self) -> Iterator[tuple[Address, DatasetRef]]:
        """Every dataset that some job names."""
        for job in self.jobs:
            yield job.address, job.training
            if job.validation is not None:
                yield job.address, job.validation


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A dataset whose bytes are known: where the service will read it, and what it holds."""

    __pydantic_config__ = SPELLING
    dataset: Dataset
    evidence: Evidence
    file: str | None = None
    """The local file to upload, if the bytes are not in the bucket of their own accord."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """All that a declaration leaves open, settled: bytes by address and location, and models."""

    datasets: Mapping[tuple[Address, str], Pinned]
    models: Mapping[Address, Pretuned] = field(default_factory=dict)
    parents: Mapping[Address, str] = field(default_factory=dict)
    """The lineages of the versions that children accept in place of their parents' own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredJob:
    """One job that the specs ask for, complete but for what its parent's run will give."""

    address: Address
    recipe: Recipe
    lineage: str
    training: Pinned
    validation: Pinned | None
    model_ref: ModelRef | None
    """How the spec names the tuned model that this job continues, if it is none of ours."""
    last_checkpoint_only: bool
    display_name: str | None
    service_account: str | None
    suspended: bool
    metadata: Metadata
    policy: Policy
    where: SourceRef
    adopt: Adoption | None = None
    accept: Acceptance | None = None
    moved_from: Address | None = None
    suspended_until: datetime | None = None
    resume: str | None = None
    evaluation_config: Mapping[str, Any] | None = None
    gate: Gate | None = None
    stated: str = ""
    restated: Recipe | None = None
    """What the specs say and its lineage, where `recipe` and `lineage` are those of a creation."""

    @property
    def parent(self) -> Address | None:
        """The job whose result this one continues, if it is one of ours."""
        source = self.recipe.source
        return Address.parse(source.from_) if isinstance(source, Upstream) else None


@dataclass(frozen=True, slots=True)
class DesiredGraph:
    """What ought to be there, parents before children."""

    target: Target
    jobs: tuple[DesiredJob, ...]
    promotions: tuple[Promotion, ...] = ()
    removals: tuple[Removal, ...] = ()
    _index: Mapping[str, DesiredJob] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {str(job.address): job for job in self.jobs})

    def find(self, address: Address) -> DesiredJob | None:
        """The job of this address, or None."""
        return self._index.get(str(address))

    def find_text(self, address: str) -> DesiredJob | None:
        """The job of an address as the lock writes it, or None."""
        return self._index.get(address.removesuffix("/"))

    def deviation(self, job: DesiredJob) -> Acceptance | None:
        """What a job accepts in place of its parent's own training, if that is another one."""
        source = job.recipe.source
        if job.accept is None or not isinstance(source, Upstream):
            return None
        parent = self._index[source.from_]
        return job.accept if parent.lineage != source.lineage else None

    def accepted(self) -> Iterator[str]:
        """The lineages that are accepted in place of those that the specs ask for."""
        for job in self.jobs:
            if self.deviation(job) and isinstance(job.recipe.source, Upstream):
                yield job.recipe.source.lineage

    def ancestors(self, job: DesiredJob) -> Iterator[DesiredJob]:
        """The jobs that this one descends from, nearest first."""
        parent = job.parent
        while parent is not None:
            above = self._index[str(parent)]
            yield above
            parent = above.parent


def desire(declaration: Declaration, pins: Pins) -> DesiredGraph:
    """Complete a declaration with its pins; lineages follow from the roots down.

    `pins` has an entry for every dataset and for every tuned model that the declaration names.
    """
    done: dict[Address, DesiredJob] = {}
    for job in declaration.jobs:
        done[job.address] = _desire(job, declaration.target, pins, done)
    jobs, promotions = tuple(done.values()), declaration.promotions
    return DesiredGraph(declaration.target, jobs, promotions, declaration.removals)


def _desire(
    job: DeclaredJob, target: Target, pins: Pins, done: Mapping[Address, DesiredJob]
) -> DesiredJob:
    training = pins.datasets[job.address, job.training.location]
    validation = pins.datasets[job.address, job.validation.location] if job.validation else None
    source: BaseModel | Pretuned | Upstream
    if isinstance(job.source, ParentRef):
        source = Upstream(
            from_=str(job.source.address),
            lineage=pins.parents.get(job.address) or done[job.source.address].lineage,
            checkpoint=job.source.checkpoint,
        )
    elif isinstance(job.source, ModelRef):
        source = pins.models[job.address]
    else:
        source = job.source
    recipe = Recipe(
        method=job.method,
        source=source,
        training=training.dataset,
        hyper_parameters=job.hyper_parameters,
        project=target.project,
        location=target.location,
        encryption_key=job.encryption_key,
        nonce=job.nonce,
    )
    identity = lineage(recipe)
    return DesiredJob(
        address=job.address,
        recipe=recipe,
        lineage=identity,
        stated=identity,
        training=training,
        validation=validation,
        model_ref=job.source if isinstance(job.source, ModelRef) else None,
        last_checkpoint_only=job.last_checkpoint_only,
        display_name=job.display_name,
        service_account=job.service_account,
        suspended=job.suspended,
        suspended_until=job.suspended_until,
        metadata=job.metadata,
        policy=job.policy,
        where=job.where,
        adopt=job.adopt,
        accept=job.accept,
        moved_from=job.moved_from,
        resume=job.resume,
        evaluation_config=job.evaluation_config,
        gate=job.gate,
    )
