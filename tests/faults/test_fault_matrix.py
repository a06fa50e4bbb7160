"""No row of the fault matrix is left out, and none names a test that is not there."""

import re
from pathlib import Path

import pytest

from tests.faults.matrix import MATRIX
from tests.support.named import known
from tuneops.cli.exits import CODES

HERE = Path(__file__).parent


def test_every_number_has_its_row() -> None:
    assert list(MATRIX) == list(range(1, 93))


@pytest.mark.parametrize("number", MATRIX)
def test_a_row_names_tests_that_exist_and_codes_that_there_are(number: int) -> None:
    fault = MATRIX[number]
    assert fault.shown, "nothing shows it"
    missing = set(fault.shown) - known()
    assert not missing
    codes = {int(code) for code in re.findall(r"\d+", fault.code)}
    assert codes <= set(CODES)
    assert codes or fault.code in ("-", "unchanged")
    assert fault.code != "-" or fault.instead or "kill" in fault.shown[0]


def test_a_row_that_a_test_is_numbered_by_names_it() -> None:
    for path in HERE.glob("test_*.py"):
        for found in re.finditer(r"^def (test_(\d+)_\w+)", path.read_text(), re.MULTILINE):
            assert f"{path.stem}::{found[1]}" in MATRIX[int(found[2])].shown
