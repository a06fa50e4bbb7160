"""`kind: ModelTable`: rows of the model table, the built-in ones and those of a workspace alike."""

import re
from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic import WithJsonSchema as Shown

from tuneops.catalog.models import Row
from tuneops.core.recipe import Method
from tuneops.spec import scalars
from tuneops.spec.nodes import Mapping, value_place
from tuneops.spec.scalars import Misfit, shown
from tuneops.spec.shape import Flag, Shape, Text, form, whole, whole_schema, word

_NAME = re.compile(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_METHODS = tuple(method.value for method in Method)


def day(node: object) -> str:
    """Read a day, as `2026-11-21`."""
    text = scalars.matching(node, _DAY, "a day such as `2026-11-21`")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise Misfit("bad-value", f"must be a day that there is, not {shown(node)}") from None
    return text


def _price(node: object) -> str:
    return str(scalars.positive(node, help="US dollars for one million training tokens"))


def _prices(node: object) -> dict[str, object]:
    for name in (table := scalars.table(node)):
        if name not in _METHODS:
            methods = " or ".join(f"`{method}`" for method in _METHODS)
            raise Misfit("bad-value", f'must name prices of {methods}, not of "{name[:80]}"')
    return dict(table)


Day = Annotated[str, BeforeValidator(day), Shown({"type": "string", "format": "date"})]
Count = Annotated[int, whole(1, 10**15), whole_schema(1, 10**15)]
ModelName = Annotated[str, form(_NAME, "the short name of a base model")]
Price = Annotated[str, BeforeValidator(_price), Shown({"type": "number", "exclusiveMinimum": 0})]
Sizes = Annotated[
    tuple[Annotated[int, BeforeValidator(scalars.adapter_size)], ...],
    BeforeValidator(scalars.items),
]
Words = Annotated[tuple[Text, ...], BeforeValidator(scalars.items)]


class Epochs(Shape):
    """How many epochs the service may choose by itself."""

    low: Count
    high: Count


class Retires(Shape):
    """The day on which a model goes, or before which it does not."""

    on: Day | None = None
    not_before: Day | None = None


class Media(Shape):
    """A number for each kind of files that examples may name."""

    image: Count | None = None
    video: Count | None = None
    audio: Count | None = None
    document: Count | None = None


class ModelRow(Shape):
    """Some facts of some models, with their source and the day on which they were read."""

    models: Annotated[tuple[ModelName, ...], BeforeValidator(scalars.items)]
    source: Text
    as_of: Day
    confirmed: Flag = False
    methods: (
        Annotated[
            tuple[Annotated[str, word(*_METHODS), Shown({"enum": list(_METHODS)})], ...],
            BeforeValidator(scalars.items),
        ]
        | None
    ) = None
    continuous: Flag | None = None
    adapter_sizes: Sizes | None = None
    regions: Words | None = None
    example_tokens: Count | None = None
    examples: Count | None = None
    validation_examples: Count | None = None
    file_bytes: Count | None = None
    media_files: Media | None = None
    media_bytes: Media | None = None
    default_epochs: Epochs | None = None
    max_epochs: Count | None = None
    customer_key: Flag | None = None
    prices: Annotated[dict[str, Price], BeforeValidator(_prices)] | None = None
    retires: Retires | None = None


class ModelTableSpec(Shape):
    """Rows, of which the later ones hold."""

    rows: Annotated[tuple[ModelRow, ...], BeforeValidator(scalars.items)]


class ModelTable(Shape):
    """What is known of base models; a workspace's own rows come after the built-in ones."""

    api_version: Annotated[Literal["tuneops.dev/v1"], BeforeValidator(scalars.version)]
    kind: Annotated[Literal["ModelTable"], word("ModelTable")]
    spec: ModelTableSpec


_ABOUT = frozenset(("models", "source", "as_of", "confirmed"))


def rows_of(table: ModelTable, root: Mapping) -> Iterator[Row]:
    """The rows of a document that was read, each with its place."""
    place = partial(value_place, root)
    for index, row in enumerate(table.spec.rows):
        facts: dict[str, Any] = row.model_dump(exclude_none=True, exclude=set(_ABOUT), mode="json")
        yield Row(
            models=row.models,
            source=row.source,
            as_of=date.fromisoformat(row.as_of),
            confirmed=row.confirmed,
            facts=facts,
            where=place(("spec", "rows", index)),
        )
