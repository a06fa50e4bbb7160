"""The model table: what it says, and that it never says more than it knows."""

import json
import os
from datetime import date
from decimal import Decimal
from pathlib import Path

from tuneops import catalog
from tuneops.catalog.models import Row, Table, built_in, table
from tuneops.core.recipe import Method
from tuneops.spec.parse import parse
from tuneops.spec.schema import validate
from tuneops.spec.table import ModelTable, rows_of
from tuneops.spec.text import SourceText

FOLDER = Path(catalog.__file__).parent


def test_what_is_loaded_is_what_people_edit() -> None:
    text = SourceText("models.yaml", (FOLDER / "models.yaml").read_text(encoding="utf-8"))
    (document,) = parse([text]).documents
    read = validate(ModelTable, document.root)
    assert read.value is not None and not read.findings
    rows = [
        {
            "models": row.models,
            "source": row.source,
            "as_of": row.as_of.isoformat(),
            "confirmed": row.confirmed,
            "facts": row.facts,
        }
        for row in rows_of(read.value, document.root)
    ]
    expected = json.dumps(rows, indent=1) + "\n"
    made = FOLDER / "models.json"
    if os.environ.get("TUNEOPS_REWRITE") == "1":
        made.write_text(expected, encoding="utf-8")
    assert made.read_text(encoding="utf-8") == expected, "TUNEOPS_REWRITE=1 makes it anew"


def test_every_fact_has_a_source_and_a_day() -> None:
    for model in table().models.values():
        for fact in model.rows:
            assert model.source(fact)
        known = {name for name in ("methods", "regions", "prices") if getattr(model, name)}
        assert known <= set(model.rows)


def test_prices_are_of_methods_that_the_model_has() -> None:
    for model in table().models.values():
        assert set(model.prices) <= set(model.methods) <= {method.value for method in Method}


def test_near_names() -> None:
    assert table().suggest("gemini-2.5-flsh") == "gemini-2.5-flash"
    assert table().suggest("x" * 100_000) is None


def test_prices_and_sizes() -> None:
    flash, pro = table().find("gemini-2.5-flash"), table().find("gemini-2.5-pro")
    assert flash is not None and flash.prices["preference"] == Decimal(5)
    assert pro is not None and pro.adapter_sizes == (1, 2, 4, 8)
    assert pro.methods == ("supervised",)


def test_newer_models_are_tuned_in_two_regions() -> None:
    newer = ("us-central1", "europe-west4")
    assert set(newer) < set(table().regions)
    assert "global" not in table().regions
    for model in table().models.values():
        if model.id.startswith("gemini"):
            expected = newer if model.id.startswith("gemini-3") else table().regions
            assert set(model.regions) == set(expected)


def test_nothing_is_confirmed_yet() -> None:
    assert not [row for row in built_in() if row.confirmed]


def test_a_later_row_holds_fact_by_fact_and_confirms_only_what_it_says() -> None:
    own = Row(
        models=("gemini-2.5-flash", "gemini-9"),
        source="our contract",
        as_of=date(2026, 11, 1),
        confirmed=True,
        facts={"prices": {"supervised": "4.2"}},
    )
    model = Table.of((*built_in(), own)).find("gemini-2.5-flash")
    assert model is not None and model.prices == {"supervised": Decimal("4.2")}
    assert model.confirmed("prices") and not model.confirmed("regions")
    assert model.source("prices") == "our contract, 2026-11-01"
    assert model.adapter_sizes == (1, 2, 4, 8, 16)
    new = Table.of((*built_in(), own)).find("gemini-9")
    assert new is not None and new.regions == () and new.continuous is None
