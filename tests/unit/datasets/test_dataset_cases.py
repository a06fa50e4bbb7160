"""One table of files, two readers that share nothing: our checks, and the emulator."""

import re
from dataclasses import replace

import pytest

from tests.support.dataset_cases import CASES, Case
from tuneops.core.recipe import Method
from tuneops.datasets.checks import check
from tuneops.datasets.limits import ANY, Limit
from tuneops.diagnostics import Severity
from tuneops.emulator.datasets import analyse
from tuneops.emulator.models import BASE_MODELS

CONFIRMED = replace(
    ANY,
    example_tokens=Limit(most=131_072, confirmed=True),
    dropped_percent=Limit(most=10, confirmed=True),
)
"""The emulator's own limits are facts to it."""

BY_NAME = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method}: {case.name}")


@BY_NAME
def test_our_checks(case: Case) -> None:
    found = check([case.content], path="x", method=Method(case.method), limits=CONFIRMED)
    errors = [item for item in found.findings if item.severity is Severity.ERROR]
    assert bool(errors) is case.refused, found.findings
    if not errors:
        return
    where = errors[0].where
    assert where is not None
    assert where.line == (case.line or 1)
    notes = " ".join(note for item in errors for note in item.notes)
    assert case.where in notes


@BY_NAME
def test_the_emulator(case: Case) -> None:
    failure = analyse(
        case.content, method=case.method, uri="gs://b/x", model=BASE_MODELS["gemini-2.5-flash"]
    ).failure
    assert (failure is not None) is case.refused, failure
    if failure is not None and case.line:
        assert f", line {case.line}: " in failure.message
        first = re.split(r"[\[.]", case.where)[0]
        assert first.removesuffix("_instruction") in failure.message
