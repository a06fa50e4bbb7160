"""Write golden vectors for new recipes: `python -m tests.support.vectors`. Old ones stay."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tests.support.builders import (
    a_chain,
    a_creation,
    a_dataset,
    a_graph,
    a_key,
    a_lock,
    a_recipe,
)
from tuneops.core.fingerprint import creation_key, fingerprint, lineage
from tuneops.core.observed import JobState
from tuneops.core.recipe import (
    AtEpoch,
    AtStep,
    BaseModel,
    Best,
    HyperParameters,
    Method,
    Pretuned,
    Recipe,
    Upstream,
    WithId,
)
from tuneops.store.lockfile import dump

PATH = Path("tests/golden/vectors.json")
PARENT = "v1-" + "a" * 52

FORM = "Published: they are only added to, never edited. A hash that changes buys everything again."


def _after(rule: Any, **changes: Any) -> Recipe:
    source = Upstream(from_="support-bot/seed", lineage=PARENT, checkpoint=rule)
    return a_recipe(source=source, **changes)


def _with(**hyper: Any) -> Recipe:
    return a_recipe(hyper_parameters=HyperParameters(**hyper))


def recipes() -> dict[str, Recipe]:
    """The recipes, by name."""
    tuned = "projects/123/locations/us-central1/models/55"
    return {
        "first run": a_recipe(),
        "nothing set": _with(),
        "another model": a_recipe(source=BaseModel(base_model="gemini-2.5-pro")),
        "preference": a_recipe(method=Method.PREFERENCE),
        "every hyperparameter": _with(
            epoch_count=4,
            adapter_size=8,
            learning_rate_multiplier=Decimal("0.50"),
            beta=Decimal("1e-1"),
        ),
        "a whole number as a decimal": _with(learning_rate_multiplier=Decimal("1.00")),
        "a small number": _with(learning_rate_multiplier=Decimal("0.0000001")),
        "a large number": _with(learning_rate_multiplier=Decimal("1E+3")),
        "another dataset": a_recipe(training=a_dataset("gs://data/other.jsonl")),
        "an empty dataset": a_recipe(
            training=a_dataset().__class__(uri="gs://data/empty.jsonl", size=0, crc32c="AAAAAA==")
        ),
        "another project": a_recipe(project="acme-ml"),
        "another location": a_recipe(location="europe-west4"),
        "a key": a_recipe(encryption_key="projects/p/locations/l/keyRings/r/cryptoKeys/k"),
        "a nonce": a_recipe(nonce="2026-11"),
        "a nonce in other letters": a_recipe(nonce="caf\u00e9 \u65e5\u672c"),
        "an empty nonce": a_recipe(nonce=""),
        "a version": a_recipe(source=Pretuned(model=f"{tuned}@2", checkpoint="3")),
        "another version": a_recipe(source=Pretuned(model=f"{tuned}@3", checkpoint="3")),
        "after the last checkpoint": _after("last"),
        "after the default checkpoint": _after("default"),
        "after an epoch": _after(AtEpoch(epoch=2)),
        "after a step": _after(AtStep(step=400)),
        "after an id": _after(WithId(id="3")),
        "after the best checkpoint": _after(Best(best="eval_total_loss")),
        "after the highest score": _after(Best(best="bleu/AVERAGE", goal="highest")),
        "preference after an epoch": _after(AtEpoch(epoch=2), method=Method.PREFERENCE),
    }


def vector(name: str, recipe: Recipe) -> dict[str, Any]:
    """One vector."""
    value = TypeAdapter(Recipe).dump_python(recipe, mode="json", by_alias=True, exclude_none=True)
    keys = {
        str(attempt): creation_key(
            owner="acme--prod",
            project=recipe.project,
            location=recipe.location,
            lineage=lineage(recipe),
            attempt=attempt,
        )
        for attempt in (1, 2)
    }
    return {
        "name": name,
        "recipe": value,
        "fingerprint": fingerprint(recipe),
        "lineage": lineage(recipe),
        "keys": keys,
    }


def a_full_lock() -> bytes:
    """The bytes of a lock with a finished, a running and an unanswered creation."""
    seed, week, tone = a_graph(*a_chain()).jobs
    running = a_creation(week, number=2, state=JobState.RUNNING)
    lock = a_lock(
        ("support-bot/seed", a_key(seed), a_creation(seed)),
        ("support-bot/week", a_key(week), running),
        ("support-bot/tone", a_key(tone), a_creation(tone, number=None)),
        project_number="123",
    )
    return dump(lock)


def write() -> None:
    """Add what is not there yet."""
    found = json.loads(PATH.read_text()) if PATH.exists() else {"recipes": [], "locks": []}
    known = {item["name"] for item in found["recipes"]}
    added = [vector(name, recipe) for name, recipe in recipes().items() if name not in known]
    locks = found["locks"] or [{"name": "three creations", "bytes": a_full_lock().decode()}]
    content = {"about": FORM, "recipes": [*found["recipes"], *added], "locks": locks}
    PATH.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write()
