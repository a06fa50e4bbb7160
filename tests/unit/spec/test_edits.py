"""A field of one job is written into a spec without touching anything else."""

import pytest

from tuneops.core.address import Address
from tuneops.spec.edits import Edit, edited, has_field
from tuneops.spec.text import SourceText

BLOCK = """\
# a chain
kind: TuningChain
metadata: {name: bot}
spec:
  # what it begins with
  baseModel: gemini-2.5-flash
  stages:
    - name: seed  # the first
      # its data
      supervisedTuningSpec: {trainingDatasetUri: a.jsonl}
    - name: tone
      supervisedTuningSpec:
        trainingDatasetUri: b.jsonl
"""
FLOW = """\
kind: TuningChain
metadata: {name: bot}
spec:
  baseModel: gemini-2.5-flash
  stages:
    - {name: seed, supervisedTuningSpec: {trainingDatasetUri: a.jsonl}}
    - {name: tone, supervisedTuningSpec: {trainingDatasetUri: b.jsonl}}  # the last
"""
LONE = """\
kind: TuningJob
metadata: {name: bot}
spec:
  supervisedTuningSpec:
    trainingDatasetUri: a.jsonl
"""


def put(text: str, field: str, value: str | None, stage: str = "seed", comment: str = "") -> str:
    edit = Edit(address=Address("bot", stage), field=field, value=value, comment=comment)
    new = edited(SourceText("specs/a.yaml", text), edit)
    assert new is not None
    return new


@pytest.mark.parametrize("stage", ["seed", "tone"])
@pytest.mark.parametrize(
    "text",
    [BLOCK, FLOW, BLOCK.replace("\n", "\r\n"), f"{LONE.replace('bot', 'faq')}---\n{BLOCK}"],
    ids=["block", "flow", "crlf", "second"],
)
def test_a_field_is_put_in_changed_and_taken_out_again(text: str, stage: str) -> None:
    first = put(text, "nonce", "retry-1", stage)
    assert "nonce: retry-1" in first
    assert len(first.splitlines()) - len(text.splitlines()) == (0 if "- {" in text else 1)
    second = put(first, "nonce", "retry-2", stage)
    assert second == first.replace("retry-1", "retry-2")
    assert put(second, "nonce", None, stage) == text
    assert put(text, "nonce", None, stage) == text


def test_it_stands_below_the_name_and_comments_stay_where_they_are() -> None:
    assert put(BLOCK, "suspend", "true") == BLOCK.replace(
        "the first\n", "the first\n      suspend: true\n"
    )
    assert put(FLOW, "suspend", "true") == FLOW.replace("name: seed,", "name: seed, suspend: true,")


def test_a_lone_job_has_its_fields_in_its_spec() -> None:
    assert put(LONE, "suspend", "true", "") == LONE.replace(
        "spec:\n", "spec:\n  suspend: true\n", 1
    )
    assert put(BLOCK, "suspend", "true", "") == BLOCK.replace("flash\n", "flash\n  suspend: true\n")


def test_a_mapping_takes_the_place_of_a_word_and_of_another_mapping() -> None:
    said = '{until: 2027-01-31, reason: "a, b: c"}'
    for text in (BLOCK, FLOW):
        first = put(text, "suspend", said)
        assert said in first
        second = put(first, "suspend", "{reason: again}")
        assert second == put(text, "suspend", "{reason: again}")
        assert put(put(text, "suspend", "true"), "suspend", said) == first
        assert put(first, "suspend", None) == text
    lines = BLOCK.replace(
        "the first\n", "the first\n      suspend:\n        until: 2027-01-31\n        reason: b\n"
    )
    assert put(lines, "suspend", None) == BLOCK


def test_a_comment_stands_beside_the_value_and_takes_the_place_of_the_last_one() -> None:
    first = put(BLOCK, "nonce", "retry-1", comment="data was mended")
    assert "      nonce: retry-1  # data was mended\n" in first
    second = put(first, "nonce", "retry-2", comment="again")
    assert "      nonce: retry-2  # again\n" in second
    assert put(second, "nonce", None) == BLOCK


def test_what_is_said_of_a_chain_is_not_said_of_its_stage() -> None:
    text = SourceText("specs/a.yaml", put(BLOCK, "suspend", "true", ""))
    assert has_field(text, Address("bot"), "suspend")
    assert not has_field(text, Address("bot", "seed"), "suspend")


@pytest.mark.parametrize(
    "text",
    [
        LONE.replace("bot", "other"),
        "kind: [\n",
        BLOCK.replace("TuningChain", "Workspace"),
        BLOCK.replace("seed", "sown"),
        BLOCK.replace("    - name: seed  # the first\n      # its data\n      s", "    - s"),
    ],
    ids=["another", "broken", "kind", "stage", "nameless"],
)
def test_what_cannot_be_written_to_safely_is_left_to_a_person(text: str) -> None:
    edit = Edit(address=Address("bot", "seed"), field="nonce", value="x")
    assert edited(SourceText("specs/a.yaml", text), edit) is None
