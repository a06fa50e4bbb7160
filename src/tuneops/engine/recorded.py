"""The world as the lock tells it, for plans that ask nobody: no request, no credentials.

What the lock does not say is unknown, and is given a name of its own, so that nothing is taken for
the same as something else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tuneops.core.desired import DesiredGraph, ModelRef, Target
from tuneops.core.lock import Creation, Lock
from tuneops.core.observed import (
    Checkpoint,
    DeclaredFields,
    JobState,
    ModelVersion,
    Observed,
    ObservedJob,
    Ownership,
)
from tuneops.core.recipe import BaseModel, Dataset, Evidence, Pretuned
from tuneops.core.view import View, look
from tuneops.engine.ports import Listing, StoredObject

NEVER = timedelta(days=36_500)
"""The settle time of who does not look: an unanswered create may have landed."""


@dataclass(slots=True)
class RecordedWorld:
    """`JobList`, `VersionList` and `ObjectList` of `engine.ports`, out of a lock and references.

    `unknown` gathers what was asked for and the lock does not say.
    """

    lock: Lock
    target: Target
    references: tuple[ModelRef, ...]
    at: datetime
    unknown: dict[str, None] = field(default_factory=dict)

    def list_jobs(self) -> Listing:
        """The jobs of the lock."""
        jobs = (
            self._job(address, creation)
            for address, _, creation in self.lock.creations()
            if creation.job is not None
        )
        return Listing(at=self.at, jobs=tuple(jobs))

    def list_versions(self, model: str) -> Mapping[str, ModelVersion]:
        """Of a model that a spec names, a version for each way in which specs name one."""
        found: dict[str, ModelVersion] = {}
        for ref in self.references:
            if ref.model == model:
                self.unknown[ref.text] = None
                name = ref.version or "default"
                found[name] = ModelVersion(
                    name=f"{model}@{name}",
                    aliases=() if ref.version else ("default",),
                    default_checkpoint=ref.checkpoint or "unknown",
                )
        return found

    def list_checkpoints(self, version: str) -> Mapping[str, Checkpoint]:
        """None are known."""
        return {}

    def describe(self, uri: str) -> StoredObject:
        """An object whose bytes nothing else has."""
        self.unknown[uri] = None
        dataset = Dataset(uri=uri, size=0, crc32c=f"unknown, {uri}")
        return StoredObject(dataset=dataset, evidence=Evidence())

    def look(self, graph: DesiredGraph) -> View:
        """What a decision may look at, if everything is as the lock says."""
        jobs = {job.name: job for job in self.list_jobs().jobs}
        observed = Observed(
            at=self.at, jobs=jobs, listed=frozenset(jobs), versions=self._versions()
        )
        return look(graph, self.lock, observed, NEVER)

    def _job(self, address: str, creation: Creation) -> ObservedJob:
        mark = Ownership(
            owner=self.target.owner,
            address=address,
            lineage=creation.lineage,
            attempt=creation.attempt,
            mark=creation.mark,
        )
        return ObservedJob(
            name=creation.job or "",
            state=creation.state or JobState.PENDING,
            created=creation.created or self.at,
            ended=creation.ended,
            ownership=None if creation.adopted else mark,
            fields=_fields(creation),
            model=creation.model,
            endpoint=creation.endpoint,
            checkpoints=creation.checkpoints,
            failure=creation.error,
            billable_tokens=creation.billable_tokens,
            data_read=bool(creation.data_read),
        )

    def _versions(self) -> dict[str, dict[str, ModelVersion]]:
        """The versions that the lock knows, with the aliases that it says they have."""
        aliases: dict[str, list[str]] = {}
        defaults: dict[str, str] = {}
        for names in (self.lock.pointers or {}).values():
            for alias, pointer in names.items():
                defaults[pointer.model] = pointer.checkpoint
                for carrier in (pointer.model, *(pointer.also or ())):
                    aliases.setdefault(carrier, []).append(alias)
        found: dict[str, dict[str, ModelVersion]] = {}
        for _, _, creation in self.lock.creations():
            model = creation.model
            if model is None:
                continue
            base, _, number = model.partition("@")
            versions = found.setdefault(base, {})
            if creation.delete_asked:
                continue
            steps = creation.checkpoints
            last = max(steps, key=lambda name: (steps[name].step, name), default=None)
            versions[number] = ModelVersion(
                name=model,
                default_checkpoint=defaults.get(model, last),
                aliases=tuple(aliases.get(model, ())),
            )
        return found


def _fields(creation: Creation) -> DeclaredFields:
    recipe = creation.recipe
    source, hyper = creation.source or recipe.source, recipe.hyper_parameters
    tuned = source if isinstance(source, Pretuned) else None
    return DeclaredFields(
        method=recipe.method.value,
        base_model=source.base_model if isinstance(source, BaseModel) else None,
        pretuned_model=tuned.model if tuned else None,
        checkpoint=tuned.checkpoint if tuned else None,
        training_uri=recipe.training.uri,
        epoch_count=hyper.epoch_count,
        adapter_size=hyper.adapter_size,
        learning_rate_multiplier=hyper.learning_rate_multiplier,
        beta=hyper.beta,
        encryption_key=recipe.encryption_key,
    )
