"""Whether a job is really the one that a recipe describes, by the fields that the recipe set.

A label can be copied to another job; settings that differ give it away. Fields that the recipe left
to the service are not compared, since the service fills them in. Source of the rule: semantics,
section 12 (a cancel needs a matching recorded recipe).
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from decimal import Decimal

from tuneops.core.observed import JobState, ModelVersion, ObservedJob, Ownership
from tuneops.core.recipe import BaseModel, Pretuned, Recipe


def adoptable(target: str, jobs: Iterable[ObservedJob]) -> ObservedJob | None:
    """The job of this name, or the job that made the model version of this name.

    Project ids and numbers name the same project, so the names' last parts are compared.
    """
    kind, _, last = target.rpartition("/")
    for job in jobs:
        name = job.name if kind.endswith("/tuningJobs") else job.model or ""
        if name.rpartition("/")[2] == last:
            return job
    return None


def stand_in(version: ModelVersion, owners: Collection[str] = ()) -> ObservedJob | None:
    """A tuned version as the job that made it would show it, where that job is not there any more.

    It goes by the name of the version. What a version does not show (its data, most settings) is
    left open. None where it was not tuned, as far as it shows. Its owner is named unless it is one
    of `owners`, whose own it is.
    """
    if version.shown is None:
        return None
    nobody = version.owner is None or version.owner in owners
    made = version.created or datetime.min.replace(tzinfo=UTC)
    return ObservedJob(
        name=version.name,
        state=JobState.SUCCEEDED,
        created=made,
        ended=made,
        ownership=None
        if nobody
        else Ownership(owner=version.owner or "", address="", lineage="", attempt=0, mark=""),
        fields=version.shown,
        display_name=version.display_name,
        model=version.name,
        checkpoints=version.checkpoints,
    )


def repeated(job: ObservedJob, jobs: Iterable[ObservedJob]) -> bool:
    """Say whether another job has the very same settings: a spec of it must say which is meant."""
    return any(other.fields == job.fields and other.name != job.name for other in jobs)


def is_stand_in(job: ObservedJob) -> bool:
    """Say whether this is a version whose job is not there any more."""
    return job.name == job.model


def compatible(recipe: Recipe, job: ObservedJob) -> bool:
    """Say whether nothing that the job shows contradicts the recipe; of a job, all that was set."""
    if not is_stand_in(job):
        return made_by(recipe, job)
    shown, source = job.fields, recipe.source
    epochs = recipe.hyper_parameters.epoch_count
    pairs = [
        (recipe.method.value, shown.method or recipe.method.value),
        (recipe.encryption_key, shown.encryption_key),
        (epochs, shown.epoch_count if epochs and shown.epoch_count else epochs),
    ]
    if isinstance(source, BaseModel) and shown.base_model:
        pairs.append((source.base_model, shown.base_model))
    return all(want == have for want, have in pairs)


def shows(recipe: Recipe, job: ObservedJob) -> bool:
    """Say whether the job shows what the recipe set, wherever its data lies.

    The same bytes under another name are no other recipe.
    """
    return _agrees(recipe, job)


def made_by(recipe: Recipe, job: ObservedJob) -> bool:
    """Say whether the job shows what the recipe set. The data's URI is compared, not its bytes."""
    return recipe.training.uri == job.fields.training_uri and _agrees(recipe, job)


def _agrees(recipe: Recipe, job: ObservedJob) -> bool:
    shown = job.fields
    hyper = recipe.hyper_parameters
    source = recipe.source
    pairs = [
        (recipe.method.value, shown.method),
        (recipe.encryption_key, shown.encryption_key),
    ]
    if isinstance(source, BaseModel):
        pairs.append((source.base_model, shown.base_model))
    if isinstance(source, Pretuned):
        last = (shown.pretuned_model or "").rpartition("/")[2]
        pairs.append((source.model.rpartition("/")[2], last))
        pairs.append((source.checkpoint, shown.checkpoint or source.checkpoint))
    numbers = [
        (hyper.epoch_count, shown.epoch_count),
        (hyper.adapter_size, shown.adapter_size),
        (hyper.learning_rate_multiplier, shown.learning_rate_multiplier),
        (hyper.beta, shown.beta),
    ]
    continued = isinstance(source, BaseModel) == (shown.pretuned_model is None)
    return (
        continued
        and all(want == have for want, have in pairs)
        and all(want is None or _same(want, have) for want, have in numbers)
    )


def _same(want: Decimal | int, have: Decimal | int | None) -> bool:
    """Compare numbers as the service shows them: as doubles, and nothing for a zero."""
    return float(want) == float(have or 0)
