"""The model table: rows of facts with their sources, and what they come to for one base model.

Rows are facts as of their day, from Google's pages where they are `confirmed` or not; none of them
is a promise. Of two rows about one fact of one model the later one holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from json import loads
from pkgutil import get_data
from typing import Any

from tuneops.diagnostics import SourceRef

CURRENCY = "USD"
"""The currency of every price in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Facts of some models. `facts` has the names of `Model`'s fields, and values as JSON has them.

    `where` is the place in a spec of the user's; the built-in rows have none.
    """

    models: tuple[str, ...]
    source: str
    as_of: date
    confirmed: bool
    facts: Mapping[str, Any]
    where: SourceRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Epochs:
    """How many epochs the service may choose by itself."""

    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """The day on which a model goes, or before which it does not."""

    on: date | None = None
    not_before: date | None = None

    @property
    def day(self) -> date | None:
        """The first day on which the model may be gone."""
        return self.on or self.not_before


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is known of one base model. An empty tuple or None means that it is not known."""

    id: str
    methods: tuple[str, ...] = ()
    continuous: bool | None = None
    """Whether a model tuned from it is documented as a source for further tuning."""
    adapter_sizes: tuple[int, ...] = ()
    regions: tuple[str, ...] = ()
    example_tokens: int | None = None
    """The most tokens of one example, input and output together."""
    examples: int | None = None
    """The most examples of a text-only training set."""
    validation_examples: int | None = None
    file_bytes: int | None = None
    media_files: Mapping[str, int] = field(default_factory=dict)
    """The most files of a kind in one example: `image`, `video`, `audio`, `document`."""
    media_bytes: Mapping[str, int] = field(default_factory=dict)
    """The most bytes of one such file."""
    default_epochs: Epochs | None = None
    max_epochs: int | None = None
    customer_key: bool | None = None
    """Whether `encryptionSpec` is supported."""
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    """US dollars for one million training tokens, by method."""
    retires: Retirement | None = None
    rows: Mapping[str, Row] = field(default_factory=dict)
    """The row that each fact is from."""

    def confirmed(self, fact: str) -> bool:
        """Say whether a fact was checked against the service itself, so that it may stop a job."""
        return fact in self.rows and self.rows[fact].confirmed

    def source(self, fact: str) -> str:
        """Where a fact is from, in words."""
        row = self.rows[fact]
        return f"{row.source}, {row.as_of.isoformat()}"


@dataclass(frozen=True, slots=True)
class Table:
    """The models that are known, by id."""

    models: Mapping[str, Model]

    @staticmethod
    def of(rows: Iterable[Row]) -> "Table":
        """What some rows come to, one after the other."""
        facts: dict[str, dict[str, Any]] = {}
        sources: dict[str, dict[str, Row]] = {}
        for row in rows:
            for name in row.models:
                facts.setdefault(name, {}).update(row.facts)
                sources.setdefault(name, {}).update(dict.fromkeys(row.facts, row))
        return Table(
            {name: Model(id=name, rows=sources[name], **_read(facts[name])) for name in facts}
        )

    def find(self, model: str) -> Model | None:
        """What is known of a base model, or None."""
        return self.models.get(model)

    def suggest(self, model: str) -> str | None:
        """The model of the table that is spelled most like this, or None."""
        found = get_close_matches(model[:80], self.models, n=1, cutoff=0.6)
        return found[0] if found else None

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region that tunes some model, each once."""
        return tuple(dict.fromkeys(at for model in self.models.values() for at in model.regions))


def _read(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as a model has them."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()
    }
    if "prices" in values:
        values["prices"] = {how: Decimal(price) for how, price in values["prices"].items()}
    if "default_epochs" in values:
        values["default_epochs"] = Epochs(**values["default_epochs"])
    if "retires" in values:
        days = {name: date.fromisoformat(day) for name, day in values["retires"].items()}
        values["retires"] = Retirement(**days)
    return values


@cache
def built_in() -> tuple[Row, ...]:
    """The rows that come with this tuneops."""
    return tuple(
        Row(**{**row, "models": tuple(row["models"]), "as_of": date.fromisoformat(row["as_of"])})
        for row in loads(get_data("tuneops.catalog", "models.json") or b"[]")
    )


@cache
def table() -> Table:
    """The table without a workspace's own rows."""
    return Table.of(built_in())
