"""The model table for people and for machines. Pure; texts of the user's rows are made inert."""

from collections.abc import Iterable, Iterator
from typing import Any

from tuneops.catalog.models import CURRENCY, Model, Table
from tuneops.core.recipe import camel
from tuneops.render.inert import inert
from tuneops.render.lines import Line, columns, counted

FACTS = {
    "methods": "methods",
    "continuous": "can be continued",
    "adapter_sizes": "adapter sizes",
    "default_epochs": "epochs when left out",
    "max_epochs": "most epochs",
    "example_tokens": "tokens of one example",
    "examples": "training examples",
    "validation_examples": "validation examples",
    "file_bytes": "bytes of a dataset",
    "media_files": "files in one example",
    "media_bytes": "bytes of such a file",
    "regions": "regions",
    "customer_key": "takes a key",
    "prices": f"{CURRENCY} per million tokens",
    "retires": "retires",
}
"""Every fact of a model in the order of its page."""


def table_lines(table: Table) -> Iterator[Line]:
    """One line a model."""
    rows = [("MODEL", "METHODS", "ADAPTERS", "REGIONS", "KEY", "PRICE", "RETIRES", "CONFIRMED")]
    for model in table.models.values():
        rows.append(
            (
                model.id,
                shown(model, "methods"),
                shown(model, "adapter_sizes"),
                str(len(model.regions) or "-"),
                shown(model, "customer_key"),
                _price(model),
                shown(model, "retires"),
                str(len(_confirmed(model))) if _confirmed(model) else "-",
            )
        )
    for number, row in enumerate(columns(rows)):
        yield Line(inert(row), "" if number else "strong")
    yield Line()
    yield Line(f"Prices: {CURRENCY} per million training tokens; what is not confirmed only warns.")
    yield Line("`tuneops models --model NAME` shows every fact with its source.")


def model_lines(model: Model) -> Iterator[Line]:
    """Everything that is known of one model, each fact with its source and its day."""
    yield Line(inert(model.id), "strong")
    rows = []
    for fact, name in FACTS.items():
        if fact in model.rows:
            row = model.rows[fact]
            at = f" ({row.where.path}:{row.where.line}:{row.where.column})" if row.where else ""
            sure = "confirmed" if row.confirmed else "not confirmed"
            rows.append((f"  {name}", shown(model, fact), sure, f"{model.source(fact)}{at}"))
        else:
            rows.append((f"  {name}", "-", "not known", ""))
    yield from (Line(inert(row)) for row in columns(rows))


def shown(model: Model, fact: str) -> str:
    """A fact in a few words; a dash where it is not known."""
    value = getattr(model, fact)
    if fact == "regions":
        return counted(len(value), "region") if len(value) > 3 else ", ".join(value) or "-"
    if fact == "prices":
        return ", ".join(f"{how} {price}" for how, price in value.items()) or "-"
    if fact == "retires":
        if value is None or value.day is None:
            return "-"
        return str(value.on) if value.on else f"not before {value.not_before}"
    if fact == "default_epochs":
        return f"{value.low} to {value.high}" if value else "-"
    match value:
        case None | ():
            return "-"
        case dict():
            return ", ".join(f"{kind} {most:,}" for kind, most in value.items()) or "-"
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(map(str, value))
        case _:
            return f"{value:,}"


def _price(model: Model) -> str:
    different = sorted(set(model.prices.values()))
    return " to ".join(map(str, different)) if different else "-"


def _confirmed(model: Model) -> list[str]:
    return [fact for fact in FACTS if model.confirmed(fact)]


def models_json(models: Iterable[Model]) -> dict[str, Any]:
    """The document of `models --format json`."""
    return {
        "formatVersion": 1,
        "command": "models",
        "currency": CURRENCY,
        "models": [_document(model) for model in models],
        "diagnostics": [],
        "exitCode": 0,
    }


def _document(model: Model) -> dict[str, Any]:
    return {
        "id": model.id,
        "facts": {camel(fact): _fact(model, fact) for fact in FACTS if fact in model.rows},
    }


def _fact(model: Model, fact: str) -> dict[str, Any]:
    row = model.rows[fact]
    value = row.facts[fact]
    if fact == "prices":
        value = {how: float(price) for how, price in model.prices.items()}
    elif isinstance(value, dict):
        value = {camel(name): item for name, item in value.items()}
    return {
        "value": value,
        "source": row.source,
        "asOf": row.as_of.isoformat(),
        "confirmed": row.confirmed,
        "file": row.where.path if row.where else None,
    }
