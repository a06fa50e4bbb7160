"""The pin of a promotion is written into a spec without touching anything else."""

import pytest

from tuneops.spec.splice import pinned
from tuneops.spec.text import SourceText

FLOW = """\
# a chain
kind: TuningChain
metadata: {name: bot}
spec:
  promotion: {alias: prod, stage: tone}  # what serves
"""
BLOCK = """\
kind: TuningChain
metadata:
  name: bot
spec:
  promotion:
    # the one that customers see
    alias: prod
    stage: tone
"""
OTHER = "kind: TuningJob\nmetadata: {name: faq}\nspec: {}\n"


def put(text: str, version: str | None, environment: str = "prod") -> str | None:
    return pinned(SourceText("specs/a.yaml", text), "bot", environment, version)


@pytest.mark.parametrize("text", [FLOW, BLOCK, f"{OTHER}---\n{FLOW}", BLOCK.replace("\n", "\r\n")])
def test_a_pin_is_put_in_changed_and_taken_out_again(text: str) -> None:
    first = put(text, "models/55@2")
    assert first is not None
    assert "to: {prod: models/55@2}" in first
    second = put(first, "models/55@3#2")
    assert second == first.replace("models/55@2", "models/55@3#2")
    both = put(second, "models/7@1", "staging")
    assert both is not None
    assert "{staging: models/7@1, prod: models/55@3#2}" in both
    assert put(both, None, "staging") == second
    assert put(second, None) == text


def test_a_pin_in_lines_of_its_own_is_changed_in_place() -> None:
    text = BLOCK + "    to:\n      prod: models/55@2  # since Monday\n      local: models/1@1\n"
    changed = put(text, "models/55@1")
    assert changed == text.replace("55@2", "55@1")
    assert put(text, None) == text.replace("      prod: models/55@2  # since Monday\n", "")


@pytest.mark.parametrize(
    "text",
    [
        OTHER,
        "kind: [\n",
        "metadata: {name: bot}\nspec: {}\n",
        "metadata: {name: bot}\nspec: {promotion: {}}\n",
        "metadata: {name: bot}\nspec: {promotion: {alias: prod, to: null}}\n",
        "metadata: {name: bot}\nspec: {promotion: {alias: prod, to: {prod: &a models/5@1}}}\n",
    ],
)
def test_what_cannot_be_written_safely_is_left_to_a_person(text: str) -> None:
    assert put(text, "models/55@2") is None


def test_there_is_no_pin_to_take_out() -> None:
    assert put(FLOW, None) is None
    assert put(BLOCK + "    to:\n      prod:\n        models/55@2\n", None) is None
