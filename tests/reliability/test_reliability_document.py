"""docs/reliability.md is current, and says nothing that no test shows."""

import json
import re

import pytest

from tests.reliability.document import PATH, render
from tests.reliability.promises import PROMISES
from tests.support.figures import FOLDER
from tests.support.named import known


def test_the_document_is_what_its_generator_writes() -> None:
    assert PATH.read_text(encoding="utf-8") == render(), "`make reliability-doc` writes it"


def test_every_promise_names_tests_that_exist() -> None:
    for number, promise in enumerate(PROMISES, start=1):
        assert promise.shown, f"nothing shows promise {number}"
        assert set(promise.shown) <= known(), f"promise {number} names what is not there"


def test_no_figure_is_typed_into_a_promise() -> None:
    """A number in the text would be true once; what is counted is counted when it is written."""
    for promise in PROMISES:
        text = " ".join((promise.says, promise.how, promise.left))
        assert not re.search(r"\d", text), text


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_figures_were_left_by_a_command_and_name_no_machine(path) -> None:  # type: ignore[no-untyped-def]
    document = json.loads(path.read_text())
    assert set(document) == {"command", "counts"} and document["counts"]
    assert document["command"].startswith("make ")
    assert not re.search(r"/(home|tmp|root|work|Users)\b", path.read_text())
