"""Whether a job is really the one that a recipe describes, by the fields that the recipe set.

A label can be copied to another job; settings that differ give it away. Fields that the recipe left
to the service are not compared, since the service fills them in. Source of the rule: semantics,
section 12 (a cancel needs a matching recorded recipe).
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from tuneops.core.observed import ObservedJob
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


def shows(recipe: Recipe, job: ObservedJob) -> bool:
    """Say whether the job shows what the recipe set, wherever its data lies.

    The same bytes under another name are no other recipe.
    """
    uri = job.fields.training_uri or recipe.training.uri
    return made_by(replace(recipe, training=replace(recipe.training, uri=uri)), job)


def made_by(recipe: Recipe, job: ObservedJob) -> bool:
    """Say whether the job shows what the recipe set. The data's URI is compared, not its bytes."""
    shown = job.fields
    hyper = recipe.hyper_parameters
    source = recipe.source
    pairs = [
        (recipe.method.value, shown.method),
        (recipe.training.uri, shown.training_uri),
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
