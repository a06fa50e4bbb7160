"""The graph of jobs that the specs ask for: declared first, desired once their data is pinned."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from tuneops.core.address import Address
from tuneops.core.fingerprint import lineage
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
from tuneops.diagnostics import Diagnostic, SourceRef

Provider = Literal["emulator", "vertex"]

WriteBack = Literal["file", "commit", "branch", "artifact"]
"""How the lock of a run comes back to git: by hand, by a push of ours, or as a file to keep."""


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
    claims: str = "auto"
    """Where creates are guarded: `auto`, `local`, `git`, or a place `gs://bucket/folder`."""
    lock: WriteBack = "file"
    lock_branch: str | None = None
    """The branch that carries locks, where it is named; with `commit`, the second choice too."""
    rules: Rules = field(default_factory=Rules)
    """What may not be bought, or not now."""

    @property
    def owner(self) -> str:
        """The ownership mark on every job."""
        return f"{self.workspace}--{self.environment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A bounded, declared retry: `limit` additional tries after a failure of the service's own."""

    __pydantic_config__ = SPELLING
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """After how long a job that does not get on is a person's matter; None is never."""

    __pydantic_config__ = SPELLING
    queued: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What to do in the events that no spec describes; stored with each creation.

    What is None is not said, and then it is as ever: no, or never.
    """

    __pydantic_config__ = SPELLING
    retry: Retry = Retry()
    on_supersede: Literal["cancel", "finish"] = "cancel"
    on_remove: Literal["retain", "cancel"] = "retain"
    accept_partial: bool | None = None
    """Whether a version that an unsuccessful job left counts as its result."""
    protect: bool | None = None
    """Whether the removal of the spec must leave everything as it is."""
    timeout: Timeout | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What people call a job and its model; never a reason to train."""

    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRef:
    """A dataset as a spec names it: a `gs://` URI, or a file below the project's root."""

    location: str
    where: SourceRef

    @property
    def is_local(self) -> bool:
        """Say whether the bytes lie beside the specs."""
        return not self.location.startswith("gs://")


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


Bound = Decimal | Literal["promoted"]
"""A number, or what the promoted version has of the same metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a metric must say before anything continues from a job or points at it."""

    metric: str
    least: Bound | None = None
    most: Bound | None = None


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
    evaluation_config: Mapping[str, Any] | None = None
    """The service's own JSON. Of no lineage: what is measured changes nothing that is trained."""
    gate: Gate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """All that the specs say about one environment; parents come before children."""

    target: Target
    jobs: tuple[DeclaredJob, ...]
    promotions: tuple[Promotion, ...] = ()

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
    evaluation_config: Mapping[str, Any] | None = None
    gate: Gate | None = None

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
    _index: Mapping[Address, DesiredJob] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {job.address: job for job in self.jobs})

    def find(self, address: Address) -> DesiredJob | None:
        """The job of this address, or None."""
        return self._index.get(address)

    def find_text(self, address: str) -> DesiredJob | None:
        """The job of an address as the lock writes it, or None."""
        return self._index.get(Address.parse(address))

    def ancestors(self, job: DesiredJob) -> Iterator[DesiredJob]:
        """The jobs that this one descends from, nearest first."""
        parent = job.parent
        while parent is not None:
            above = self._index[parent]
            yield above
            parent = above.parent


def desire(declaration: Declaration, pins: Pins) -> DesiredGraph:
    """Complete a declaration with its pins; lineages follow from the roots down.

    `pins` has an entry for every dataset and for every tuned model that the declaration names.
    """
    done: dict[Address, DesiredJob] = {}
    for job in declaration.jobs:
        done[job.address] = _desire(job, declaration.target, pins, done)
    return DesiredGraph(declaration.target, tuple(done.values()), declaration.promotions)


def _desire(
    job: DeclaredJob,
    target: Target,
    pins: Pins,
    done: Mapping[Address, DesiredJob],
) -> DesiredJob:
    training = pins.datasets[job.address, job.training.location]
    validation = pins.datasets[job.address, job.validation.location] if job.validation else None
    source: BaseModel | Pretuned | Upstream
    if isinstance(job.source, ParentRef):
        source = Upstream(
            from_=str(job.source.address),
            lineage=done[job.source.address].lineage,
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
    return DesiredJob(
        address=job.address,
        recipe=recipe,
        lineage=lineage(recipe),
        training=training,
        validation=validation,
        model_ref=job.source if isinstance(job.source, ModelRef) else None,
        last_checkpoint_only=job.last_checkpoint_only,
        display_name=job.display_name,
        service_account=job.service_account,
        suspended=job.suspended,
        metadata=job.metadata,
        policy=job.policy,
        where=job.where,
        adopt=job.adopt,
        evaluation_config=job.evaluation_config,
        gate=job.gate,
    )


def identical_jobs(graph: DesiredGraph) -> Iterator[Diagnostic]:
    """Find addresses that ask for one and the same training: they would be one job."""
    first: dict[str, DesiredJob] = {}
    for job in graph.jobs:
        earlier = first.setdefault(job.lineage, job)
        if earlier is not job:
            place = earlier.where
            yield Diagnostic(
                code="identical-jobs",
                message=f"`{job.address}` asks for exactly the same training as "
                f"`{earlier.address}`",
                where=job.where,
                notes=(f"`{earlier.address}` is at {place.path}:{place.line}:{place.column}",),
                help="continue from it with `from:`, or give one of them a `nonce` to train twice",
            )
