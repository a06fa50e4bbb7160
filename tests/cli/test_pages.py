"""Pages of Markdown: what `--format markdown` prints and `--summary` adds to a job's summary."""

from pathlib import Path

import pytest

from tests.cli.conftest import tuneops
from tuneops.cli.appending import SUMMARY
from tuneops.render.lines import PAGE, fenced

COMMENT = 65_536
"""The longest comment at GitHub, in characters."""


@pytest.mark.parametrize(
    "words", ["validate", "plan", "status", "status -o wide", "apply", "reconcile --once", "why"]
)
def test_a_page_is_printed_as_it_is_summarized(words: str, sample: Path) -> None:
    if words == "why":
        assert tuneops(sample, "apply").code == 0
        words = "why ticket-router"
    told = tuneops(sample, *words.split(), "--format", "markdown", "--summary", "page.md")
    assert told.code == 0
    assert told.out.startswith(f"### tuneops {words.split()[0]}")
    assert told.out.count("\n```") == 2, "all that specs say is inside one fence"
    assert (sample / "page.md").read_text() == told.out + "\n"


def test_a_page_is_no_longer_than_a_comment() -> None:
    page = fenced("status", "".join(f"line {number} ```\n" for number in range(100_000)))
    assert PAGE < len(page) < COMMENT
    shown = page.splitlines()
    assert shown[2] == shown[-1] + "text" == "````text"
    number = int(shown[-3].split()[1])
    assert shown[-2] == f"… and {99_999 - number:,} more lines"


def test_the_plan_of_many_jobs_leaves_their_fields_out(sample: Path) -> None:
    data = "supervisedTuningSpec: {trainingDatasetUri: data/seed.jsonl"
    stages = "".join(
        f"    - {{name: week-{at}, {data}, hyperParameters: {{epochCount: 2}}}}}}\n"
        for at in range(400)
    )
    (sample / "specs/long.yaml").write_text(
        "apiVersion: tuneops.dev/v1\nkind: TuningChain\nmetadata: {name: long}\nspec:\n"
        "  baseModel: gemini-2.5-flash\n  tunedModelDisplayName: long\n  stages:\n" + stages
    )
    done = tuneops(sample, "plan", "--frozen", "--format", "markdown")
    assert done.code == 0, done.err
    assert len(done.out) < COMMENT
    assert "long/week-399" in done.out and "hyperParameters" not in done.out
    assert "left out here" in done.out and "Plan: 3 to create, 402 to continue" in done.out


def test_a_summary_stops_before_github_would_drop_it(sample: Path) -> None:
    page = sample / "page.md"
    page.write_bytes(b"x" * (SUMMARY - 10))
    for _ in range(3):
        assert tuneops(sample, "validate", "--summary", "page.md").code == 0
    assert page.stat().st_size < SUMMARY + 100
    assert page.read_text().count("more than a summary holds") == 1
