"""The model table: what it says, and that it never says more than it knows."""

from decimal import Decimal

from tuneops.catalog.models import MODELS, confirmed, find, suggest
from tuneops.catalog.regions import GEMINI_3_REGIONS, REGIONS


def test_rows_are_found_by_id() -> None:
    assert len({model.id for model in MODELS}) == len(MODELS)
    assert all(find(model.id) is model for model in MODELS)
    assert find("gemini-9") is None


def test_near_names() -> None:
    assert suggest("gemini-2.5-flsh") == "gemini-2.5-flash"
    assert suggest("x" * 100_000) is None


def test_prices_and_sizes() -> None:
    flash, pro = find("gemini-2.5-flash"), find("gemini-2.5-pro")
    assert flash is not None and flash.price is not None
    assert flash.price.per_million == Decimal(5)
    assert pro is not None and pro.adapter_sizes == (1, 2, 4, 8)


def test_newer_models_are_tuned_in_two_regions() -> None:
    assert set(GEMINI_3_REGIONS) < set(REGIONS)
    assert "global" not in REGIONS
    for model in MODELS:
        if not model.id.startswith("gemini"):
            continue
        expected = GEMINI_3_REGIONS if model.id.startswith("gemini-3") else REGIONS
        assert model.regions == expected


def test_nothing_is_confirmed_yet() -> None:
    assert not list(confirmed())
