"""What changed between two recipes, field by field, for people. No decision reads it."""

from collections.abc import Mapping
from dataclasses import dataclass

from tuneops.core.fingerprint import decimal_text
from tuneops.core.recipe import BaseModel, Pretuned, Recipe, rule_text

Plain = str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field; `before` or `after` is None where it is unset. The path is dotted."""

    path: str
    before: Plain
    after: Plain


def diff_recipes(before: Recipe, after: Recipe) -> tuple[FieldChange, ...]:
    """The fields that differ, ordered by path.

    deepdiff is imported here, since it costs more time than a whole plan without changes.
    """
    from deepdiff import DeepDiff

    old, new = fields(before), fields(after)
    difference = DeepDiff(old, new, view="tree", ignore_order=False)
    paths = {
        str(item.path(output_format="list")[0]) for group in difference.values() for item in group
    }
    return tuple(
        FieldChange(path=path, before=old.get(path), after=new.get(path)) for path in sorted(paths)
    )


def fields(recipe: Recipe) -> Mapping[str, Plain]:
    """A recipe as dotted paths in the words of the specs; unset fields are absent."""
    hyper = recipe.hyper_parameters
    values: dict[str, Plain] = {
        "method": recipe.method.value,
        **_source(recipe),
        "training.uri": recipe.training.uri,
        "training.crc32c": recipe.training.crc32c,
        "training.size": recipe.training.size,
        "hyperParameters.epochCount": hyper.epoch_count,
        "hyperParameters.adapterSize": hyper.adapter_size,
        "hyperParameters.learningRateMultiplier": decimal_text(hyper.learning_rate_multiplier)
        if hyper.learning_rate_multiplier is not None
        else None,
        "hyperParameters.beta": decimal_text(hyper.beta) if hyper.beta is not None else None,
        "project": recipe.project,
        "location": recipe.location,
        "encryptionKey": recipe.encryption_key,
        "nonce": recipe.nonce,
    }
    return {path: value for path, value in values.items() if value is not None}


def _source(recipe: Recipe) -> dict[str, Plain]:
    match recipe.source:
        case BaseModel(base_model=name):
            return {"baseModel": name}
        case Pretuned(model=model, checkpoint=checkpoint):
            return {"preTunedModel": model, "preTunedModel.checkpointId": checkpoint}
        case upstream:
            return {
                "from": upstream.from_,
                "from.lineage": upstream.lineage[:11],
                "from.checkpoint": rule_text(upstream.checkpoint),
            }
