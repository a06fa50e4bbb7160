"""The model table, one row a base model.

Rows are facts as of the day in `as_of`, from Google's pages where `confirmed` or not; a price comes
from third parties unless its source says otherwise. None of them is a promise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from difflib import get_close_matches

from tuneops.catalog.regions import GEMINI_3_REGIONS, REGIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for one million training tokens."""

    per_million: Decimal
    source: str
    as_of: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is known of one base model. An empty tuple or None means that it is not known."""

    id: str
    methods: tuple[str, ...]
    continuous: bool
    """Whether a model tuned from it is documented as a source for further tuning."""
    adapter_sizes: tuple[int, ...]
    regions: tuple[str, ...]
    tokens: int | None
    """The most tokens of one example, input and output together."""
    examples: int | None
    """The most examples of a text-only training set."""
    customer_key: bool | None
    """Whether `encryptionSpec` is supported."""
    price: Price | None
    retirement: str | None
    confirmed: bool
    source: str
    as_of: date


_READ = date(2026, 9, 25)
_SIZES_TO_8 = (1, 2, 4, 8)
_SIZES_TO_16 = (1, 2, 4, 8, 16)
_PAGES = "Google's supervised and preference tuning pages"


def _price(dollars: str, source: str = "public notes of third parties") -> Price:
    return Price(per_million=Decimal(dollars), source=source, as_of=_READ)


_FLASH_25 = Model(
    id="gemini-2.5-flash",
    methods=("supervised", "preference"),
    continuous=True,
    adapter_sizes=_SIZES_TO_16,
    regions=REGIONS,
    tokens=131_072,
    examples=10_000_000,
    customer_key=True,
    price=_price("5"),
    retirement="not before 2026-10-16, by a notice of Google's; other sources differ",
    confirmed=False,
    source=_PAGES,
    as_of=_READ,
)
_FLASH_20 = replace(
    _FLASH_25,
    id="gemini-2.0-flash-001",
    methods=("supervised",),
    continuous=False,
    adapter_sizes=_SIZES_TO_8,
    examples=1_000_000,
    price=_price("3"),
    retirement="2026-02-05 or 2026-02-25, by older copies of Google's page",
)
_FLASH_35 = replace(
    _FLASH_25,
    id="gemini-3.5-flash",
    regions=GEMINI_3_REGIONS,
    customer_key=False,
    price=None,
    retirement=None,
)

MODELS = (
    _FLASH_35,
    replace(
        _FLASH_35,
        id="gemini-3.5-flash-lite",
        methods=("supervised",),
        continuous=False,
        adapter_sizes=(),
        examples=None,
        customer_key=None,
        source="named in Google's API reference only",
    ),
    replace(
        _FLASH_35,
        id="gemini-3.1-flash-lite",
        methods=("supervised",),
        price=_price("3", "one public bill"),
        retirement="not before 2027-05-07",
    ),
    replace(
        _FLASH_25,
        id="gemini-2.5-pro",
        methods=("supervised",),
        adapter_sizes=_SIZES_TO_8,
        price=_price("25"),
    ),
    _FLASH_25,
    replace(
        _FLASH_25,
        id="gemini-2.5-flash-lite",
        price=_price("1.5"),
        retirement="later than gemini-2.5-flash",
    ),
    _FLASH_20,
    replace(_FLASH_20, id="gemini-2.0-flash-lite-001", price=_price("1")),
    Model(
        id="translation-llm-002",
        methods=("supervised",),
        continuous=False,
        adapter_sizes=(4,),
        regions=("us-central1",),
        tokens=1_000,
        examples=None,
        customer_key=None,
        price=None,
        retirement=None,
        confirmed=False,
        source="Google's translation tuning pages",
        as_of=date(2025, 9, 25),
    ),
)

_BY_ID = {model.id: model for model in MODELS}


def find(model: str) -> Model | None:
    """The row of a base model, or None if the table does not have it."""
    return _BY_ID.get(model)


def suggest(model: str) -> str | None:
    """The model of the table that is spelled most like this, or None."""
    found = get_close_matches(model[:80], _BY_ID, n=1, cutoff=0.6)
    return found[0] if found else None


def confirmed() -> Iterator[Model]:
    """The rows that may stop a create: those checked against the service itself."""
    return (model for model in MODELS if model.confirmed)
