"""What every model of a spec is made of: a mapping of known keys, and how single values are read.

The models themselves are in `schema` and `evaluation`.
"""

import re
from functools import cache, partial
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic import WithJsonSchema as Shown
from pydantic.fields import FieldInfo

from tuneops.core.address import NAME
from tuneops.core.recipe import camel
from tuneops.spec import scalars

Text = Annotated[str, BeforeValidator(scalars.text)]
Name = Annotated[
    str, BeforeValidator(scalars.text), Shown({"type": "string", "pattern": f"^{NAME.pattern}$"})
]
Flag = Annotated[bool, BeforeValidator(scalars.flag)]


def form(pattern: re.Pattern[str], wanted: str, help: str | None = None) -> BeforeValidator:
    """Text of one form."""
    return BeforeValidator(partial(scalars.matching, pattern=pattern, wanted=wanted, help=help))


def word(*words: str) -> BeforeValidator:
    """One of a few words."""
    return BeforeValidator(partial(scalars.word, words=words))


def whole(low: int, high: int, help: str | None = None) -> BeforeValidator:
    """A whole number within limits."""
    return BeforeValidator(partial(scalars.whole, low=low, high=high, help=help))


def whole_schema(low: int, high: int) -> Shown:
    """What an editor is told of `whole`."""
    number = {"type": "integer", "minimum": low, "maximum": high}
    return Shown({"anyOf": [number, {"type": "string", "pattern": "^-?[0-9]+$"}]})


AnyShape = TypeVar("AnyShape", bound="Shape")


class Shape(BaseModel):
    """A mapping of known keys, in the service's spelling."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        defer_build=True,
        alias_generator=camel,
        field_title_generator=lambda name, _: camel(name),
    )

    @model_validator(mode="before")
    @classmethod
    def _fields(cls, node: object) -> object:
        return scalars.fields(node, names_of(cls))


_GIVEN: dict[frozenset[str], set[str]] = {}


def lean(shape: AnyShape) -> AnyShape:
    """The same model, with what it and its parts note of their given fields kept once for all.

    A set of its own in each of three models of each job is a tenth of the memory of ten thousand
    jobs; the models are frozen, so that nobody adds to one.
    """
    given = shape.__pydantic_fields_set__
    shared = _GIVEN.setdefault(frozenset(given), given)
    object.__setattr__(shape, "__pydantic_fields_set__", shared)
    for name in given:
        part = getattr(shape, name)
        if isinstance(part, Shape):
            lean(part)
    return shape


@cache
def names_of(model: type[Shape]) -> dict[str, FieldInfo]:
    """The fields of a model in the service's spelling."""
    return {field.alias or name: field for name, field in model.model_fields.items()}
