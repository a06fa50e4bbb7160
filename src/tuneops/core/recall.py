"""The recipe of a job of ours, from its labels, its machine line and its own fields."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Literal

from tuneops.core.fingerprint import FORMS, lineage, version_of
from tuneops.core.labels import Note, read_note
from tuneops.core.observed import DeclaredFields, ObservedJob
from tuneops.core.recipe import (
    AtEpoch,
    AtStep,
    BaseModel,
    Best,
    CheckpointRule,
    Dataset,
    HyperParameters,
    Method,
    Pretuned,
    Recipe,
    Source,
    Upstream,
    WithId,
)


class UnreadableError(Exception):
    """A job's marks do not give its recipe; the words say why."""


def recall(job: ObservedJob, project: str, location: str) -> tuple[Recipe, Note]:
    """The recipe of a job of ours, as its marks and fields give it, and its machine line.

    A lineage of a later hash version cannot be checked, and the recipe is taken as it reads.
    UnreadableError when they do not give one that hashes to the lineage of its label, or when the
    job shows other settings than its marks say.
    """
    note, shown = read_note(job.description), job.fields
    if note is None:
        raise UnreadableError("its description has no machine line that can be read")
    if shown.method not in set(Method) or shown.training_uri is None:
        raise UnreadableError("it shows no method and training data that tuneops knows")
    size, crc32c = note.training
    recipe = Recipe(
        method=Method(shown.method),
        source=_source(note, shown),
        training=Dataset(uri=shown.training_uri, size=size, crc32c=crc32c),
        hyper_parameters=_hyper_parameters(note.declared, shown),
        project=project,
        location=location,
        encryption_key=shown.encryption_key,
        nonce=note.nonce or None,
    )
    label = job.ownership.lineage if job.ownership else ""
    version = version_of(label)
    if job.ownership is None or (version in FORMS and lineage(recipe, version) != label):
        raise UnreadableError("its fields and marks give another lineage than its label")
    return recipe, note


def _source(note: Note, shown: DeclaredFields) -> Source:
    if shown.pretuned_model is None:
        if shown.base_model is None or note.parent_lineage:
            raise UnreadableError("it does not show what it continues")
        return BaseModel(base_model=shown.base_model)
    if note.parent_lineage:
        rule = _rule(note.checkpoint_rule)
        return Upstream(from_=note.parent, lineage=note.parent_lineage, checkpoint=rule)
    if shown.checkpoint is None:
        raise UnreadableError("it does not show the checkpoint that it continues")
    return Pretuned(model=shown.pretuned_model, checkpoint=shown.checkpoint)


def _rule(text: str) -> CheckpointRule:
    """The rule that `recipe.rule_text` wrote."""
    word, _, value = text.partition(" ")
    match word, value:
        case ("last" | "default") as plain, "":
            return plain
        case "epoch", number if number.isdecimal():
            return AtEpoch(epoch=int(number))
        case "step", number if number.isdecimal():
            return AtStep(step=int(number))
        case "id", name if name:
            return WithId(id=name)
        case "best", name if name.removesuffix(" highest"):
            goal: Literal["highest"] | None = "highest" if name.endswith(" highest") else None
            return Best(best=name.removesuffix(" highest"), goal=goal)
        case _:
            raise UnreadableError(f"its checkpoint rule `{text}` means nothing")


def _hyper_parameters(declared: Mapping[str, str], shown: DeclaredFields) -> HyperParameters:
    """What the spec set, in its own spelling; the job must show the same numbers."""
    there = {
        "epochCount": shown.epoch_count,
        "adapterSize": shown.adapter_size,
        "learningRateMultiplier": shown.learning_rate_multiplier,
        "beta": shown.beta,
    }
    numbers: dict[str, Decimal] = {}
    for name, text in declared.items():
        try:
            numbers[name] = Decimal(text)
            same = float(numbers[name]) == float(there[name] or 0)
        except (InvalidOperation, KeyError, OverflowError):
            same = False
        if not same:
            raise UnreadableError(f"it does not show the `{name}` that its marks say")
    whole = {name: int(number) for name, number in numbers.items() if name in _WHOLE}
    return HyperParameters(
        epoch_count=whole.get("epochCount"),
        adapter_size=whole.get("adapterSize"),
        learning_rate_multiplier=numbers.get("learningRateMultiplier"),
        beta=numbers.get("beta"),
    )


_WHOLE = ("epochCount", "adapterSize")
