"""Same meaning, same hash: whatever has no part in the weights never matters, all else does."""

import json
import unicodedata
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.support.builders import a_chain, a_dataset, a_declaration, a_recipe, pins_of
from tests.support.profiles import effort
from tests.support.strategies import IMMATERIAL, MATERIAL, declarations, recipes
from tuneops.core.desired import Declaration, desire
from tuneops.core.diff import diff_recipes, fields
from tuneops.core.fingerprint import (
    creation_key,
    decimal_text,
    fingerprint,
    lineage,
    purse_key,
    version_of,
)
from tuneops.core.recipe import BaseModel, HyperParameters, Method, Pretuned, Recipe, Upstream

VECTORS = Path(__file__).parent.parent / "golden" / "vectors.json"


def _lineages(declaration: Declaration) -> dict[str, str]:
    graph = desire(declaration, pins_of(declaration))
    return {str(job.address): job.lineage for job in graph.jobs}


def _descendants(declaration: Declaration, address: str) -> set[str]:
    graph = desire(declaration, pins_of(declaration))
    return {
        str(job.address)
        for job in graph.jobs
        if str(job.address) == address
        or address in {str(above.address) for above in graph.ancestors(job)}
    }


@pytest.mark.parametrize("edit", MATERIAL)
@effort(15)
@given(declaration=declarations(), place=st.integers(0, 20))
def test_a_material_edit_changes_the_lineage_of_a_job_and_its_descendants_and_of_nobody_else(
    edit: str, declaration: Declaration, place: int
) -> None:
    jobs = list(declaration.jobs)
    index = place % len(jobs)
    before = _lineages(declaration)
    jobs[index] = MATERIAL[edit](jobs[index])
    after = _lineages(replace(declaration, jobs=tuple(jobs)))
    changed = {address for address in before if before[address] != after[address]}
    assert changed == _descendants(declaration, str(jobs[index].address))


@pytest.mark.parametrize("edit", IMMATERIAL)
@effort(10)
@given(declaration=declarations(), place=st.integers(0, 20))
def test_an_immaterial_edit_changes_no_lineage(
    edit: str, declaration: Declaration, place: int
) -> None:
    jobs = list(declaration.jobs)
    index = place % len(jobs)
    jobs[index] = IMMATERIAL[edit](jobs[index])
    assert _lineages(declaration) == _lineages(replace(declaration, jobs=tuple(jobs)))


@effort(50)
@given(declaration=declarations(), names=st.permutations(["x", "y"]))
def test_addresses_never_matter(declaration: Declaration, names: list[str]) -> None:
    def renamed(name: str) -> str:
        return name.replace("c0/", f"{names[0]}/r-").replace("c1/", f"{names[1]}/q-")

    jobs = []
    for job in declaration.jobs:
        source = job.source
        if hasattr(source, "address"):
            above = type(job.address).parse(renamed(str(source.address)))
            source = replace(source, address=above)
        address = type(job.address).parse(renamed(str(job.address)))
        jobs.append(replace(job, address=address, source=source))
    before, after = _lineages(declaration), _lineages(replace(declaration, jobs=tuple(jobs)))
    assert {renamed(address): value for address, value in before.items()} == after


def test_the_same_bytes_under_another_name_are_no_change() -> None:
    one = a_recipe(training=a_dataset("gs://a/one.jsonl", "bytes"))
    two = a_recipe(training=a_dataset("gs://b/two.jsonl", "bytes"))
    assert lineage(one) == lineage(two)


@effort(100)
@given(recipe=recipes, other=recipes)
def test_recipes_are_equal_exactly_when_their_materials_are(recipe: Recipe, other: Recipe) -> None:
    same = _meaning(recipe) == _meaning(other)
    assert (fingerprint(recipe) == fingerprint(other)) == same


def _meaning(recipe: Recipe) -> object:
    source: object = recipe.source
    if isinstance(source, Upstream):
        source = source.checkpoint
    training = (recipe.training.size, recipe.training.crc32c)
    plain = replace(recipe, source=BaseModel(base_model=""), training=a_dataset())
    return unicodedata.normalize("NFC", repr((plain, source, training)))


@effort(100)
@given(recipe=recipes, address=st.text(max_size=5))
def test_the_parents_address_is_not_part_of_a_lineage_and_its_lineage_is(
    recipe: Recipe, address: str
) -> None:
    if not isinstance(recipe.source, Upstream):
        return
    moved = replace(recipe, source=replace(recipe.source, from_=address))
    other = replace(recipe, source=replace(recipe.source, lineage="v1-other"))
    assert lineage(moved) == lineage(recipe) != lineage(other)
    assert fingerprint(other) == fingerprint(recipe)


@pytest.mark.parametrize("texts", [("1", "1.0", "1.00", "1e0", "0.1e1"), ("0.10", "1e-1", ".1")])
def test_equal_numbers_hash_equally(texts: tuple[str, ...]) -> None:
    hashes = {
        lineage(a_recipe(hyper_parameters=HyperParameters(learning_rate_multiplier=Decimal(text))))
        for text in texts
    }
    assert len(hashes) == 1


@effort(200)
@given(number=st.decimals(allow_nan=False, allow_infinity=False, places=6, max_value=10**9))
def test_a_numbers_text_reads_back_and_has_no_exponent(number: Decimal) -> None:
    text = decimal_text(number)
    assert Decimal(text) == number
    assert "e" not in text.lower()
    assert text == decimal_text(Decimal(text))


def test_negative_zero_is_zero() -> None:
    assert decimal_text(Decimal("-0.0")) == "0"


def test_two_spellings_of_one_letter_are_one_text() -> None:
    composed, split = "caf\u00e9", "cafe\u0301"
    assert lineage(a_recipe(nonce=composed)) == lineage(a_recipe(nonce=split))


def test_a_long_number_is_not_rounded_by_whatever_the_process_has_set() -> None:
    one, two = Decimal("1." + "1" * 40), Decimal("1." + "1" * 39 + "2")
    assert decimal_text(one) != decimal_text(two)


def test_unset_is_not_the_same_as_any_value() -> None:
    unset = a_recipe(hyper_parameters=HyperParameters())
    values = [HyperParameters(epoch_count=n) for n in range(1, 5)]
    assert len({lineage(unset), *(lineage(a_recipe(hyper_parameters=h)) for h in values)}) == 5


@effort(100)
@given(parts=st.tuples(*[st.text(max_size=4)] * 4), attempt=st.integers(1, 99))
def test_every_part_of_a_creation_key_counts(
    parts: tuple[str, str, str, str], attempt: int
) -> None:
    names = ("owner", "project", "location", "lineage")
    values: dict[str, Any] = {**dict(zip(names, parts, strict=True)), "attempt": attempt}
    key = creation_key(**values)
    assert len(key) == 27 and key.isalnum() and key == key.lower()
    for name in names:
        assert creation_key(**{**values, name: values[name] + "x"}) != key
    assert creation_key(**{**values, "attempt": attempt + 1}) != key


def test_the_record_of_a_workspace_is_found_by_every_later_version() -> None:
    """Runs of another tuneops reserve in the same record: this name never changes."""
    assert purse_key("acme") == "p6s6k6lzm2yj2smicpogdljdfip"


def test_a_lineage_that_says_no_version_is_of_the_first() -> None:
    assert [version_of(text) for text in ("", "v-a", "v0-a", "v1-a", "v12-a")] == [1, 1, 1, 1, 12]


def test_parts_of_a_creation_key_do_not_run_into_each_other() -> None:
    one = creation_key(owner="ab", project="c", location="", lineage="", attempt=1)
    assert one != creation_key(owner="a", project="bc", location="", lineage="", attempt=1)


@effort(100)
@given(one=recipes, two=recipes)
def test_a_difference_names_exactly_the_fields_that_differ(one: Recipe, two: Recipe) -> None:
    before, after = fields(one), fields(two)
    expected = [
        (path, before.get(path), after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]
    found = [(change.path, change.before, change.after) for change in diff_recipes(one, two)]
    assert found == expected


# --- golden vectors ------------------------------------------------------------------------------


def vectors() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(VECTORS.read_text())["recipes"]
    return loaded


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_a_published_hash_never_changes(vector: dict[str, Any]) -> None:
    recipe = TypeAdapter(Recipe).validate_python(vector["recipe"])
    assert fingerprint(recipe) == vector["fingerprint"]
    assert lineage(recipe) == vector["lineage"]
    for attempt, key in vector["keys"].items():
        found = creation_key(
            owner="acme--prod",
            project=recipe.project,
            location=recipe.location,
            lineage=vector["lineage"],
            attempt=int(attempt),
        )
        assert found == key


def test_there_is_a_vector_for_every_kind_of_recipe() -> None:
    loaded = [TypeAdapter(Recipe).validate_python(vector["recipe"]) for vector in vectors()]
    assert len(loaded) >= 20
    assert {type(recipe.source) for recipe in loaded} == {BaseModel, Pretuned, Upstream}
    assert {recipe.method for recipe in loaded} == set(Method)
    assert len({vector["name"] for vector in vectors()}) == len(loaded)


def test_a_chain_of_three_is_known_before_anything_runs() -> None:
    chain = _lineages(a_declaration(*a_chain()))
    assert len(set(chain.values())) == 3
