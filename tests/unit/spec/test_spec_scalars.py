"""One value at a time: what a field takes, what it makes of it, what it says otherwise."""

from decimal import Decimal

import pytest

from tuneops.core.recipe import AtEpoch, AtStep, WithId
from tuneops.spec import scalars
from tuneops.spec.nodes import Mapping, Node
from tuneops.spec.parse import parse
from tuneops.spec.scalars import Misfit
from tuneops.spec.text import SourceText


def value(text: str) -> Node:
    (document,) = parse([SourceText("a.yaml", f"k: {text}\n")]).documents
    assert isinstance(document.root, Mapping)
    return document.root.entries[0].value


@pytest.mark.parametrize(
    ("text", "number"),
    [("3", 3), ("3.0", 3), ('"3"', 3), ("+3", 3), ("1e1", 10), ("100", 100)],
)
def test_whole_numbers(text: str, number: int) -> None:
    assert scalars.whole(value(text), 1, 100) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-4", "0.0001"), ("0.1", "0.1"), (".5", "0.5"), ("5.", "5"), ('"2"', "2"), ("1E2", "100")],
)
def test_numbers(text: str, number: str) -> None:
    assert scalars.positive(value(text)) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("three", "bad-value"),
        ("2.5", "bad-value"),
        ("-1", "bad-value"),
        ("101", "bad-value"),
        (".nan", "bad-value"),
        ("-.inf", "bad-value"),
        ("9" * 5000, "bad-value"),
        ("1e9999", "bad-value"),
        ("1e99999", "bad-value"),
        (".", "bad-value"),
        ('"-"', "bad-value"),
        ("e5", "bad-value"),
        ("010", "ambiguous-number"),
        ("1_0", "ambiguous-number"),
        ("0x1F", "ambiguous-number"),
        ("0o17", "ambiguous-number"),
        ("0b11", "ambiguous-number"),
        ("1:30", "ambiguous-number"),
        ('"010"', "ambiguous-number"),
        ("[3]", "wrong-type"),
        ("{a: 3}", "wrong-type"),
    ],
)
def test_no_whole_numbers(text: str, code: str) -> None:
    with pytest.raises(Misfit) as caught:
        scalars.whole(value(text), 1, 100)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("1_000", "write 1000"),
        ("010", "write 10"),
        ("0x1F", "write 31"),
        ("-0b11", "write -3"),
        ("0o17", "write 15"),
        ("00.5", "write 0.5"),
        ("1_0.5", "write 10.5"),
    ],
)
def test_ambiguous_numbers_come_with_advice(text: str, advice: str) -> None:
    with pytest.raises(Misfit) as caught:
        scalars.positive(value(text))
    assert caught.value.help == advice


@pytest.mark.parametrize("text", ["on", "no", "NO", "2024-01-01", "010", "1_000", "'3'", "'true'"])
def test_text_stays_text(text: str) -> None:
    assert scalars.text(value(text)) == text.strip("'")


@pytest.mark.parametrize("text", ["1.10", "3", "true", "False", "1e5"])
def test_text_has_to_be_quoted_where_others_read_something_else(text: str) -> None:
    with pytest.raises(Misfit) as caught:
        scalars.text(value(text))
    assert caught.value.help == f'quote it: "{text}"'


@pytest.mark.parametrize(
    ("text", "flag"), [("true", True), ("false", False), ("True", True), ("FALSE", False)]
)
def test_flags(text: str, flag: bool) -> None:
    assert scalars.flag(value(text)) is flag


@pytest.mark.parametrize(("text", "advice"), [("yes", "write true"), ("off", "write false")])
def test_old_flags_are_text(text: str, advice: str) -> None:
    with pytest.raises(Misfit) as caught:
        scalars.flag(value(text))
    assert caught.value.help == advice


@pytest.mark.parametrize("text", ["4", '"4"', "4.0", "ADAPTER_SIZE_FOUR"])
def test_adapter_sizes(text: str) -> None:
    assert scalars.adapter_size(value(text)) == 4


def test_checkpoints() -> None:
    assert scalars.checkpoint(value("last")) == "last"
    assert scalars.checkpoint(value("{epoch: 2}")) == AtEpoch(epoch=2)
    assert scalars.checkpoint(value('{step: "400"}')) == AtStep(step=400)
    assert scalars.checkpoint(value('{id: "3"}')) == WithId(id="3")
