import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneops.strict import Malformed, decode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_reads_what_json_is(value: object, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii, allow_nan=True)
    if "Infinity" not in text:
        assert decode(text.encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"a": 1',
        b'{"a": 1,}',
        b'{"a": 1, "a": 1}',
        b'[{"b": {"a": 1, "a": 2}}]',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "\\ud800"}',
        b'{"\\uDC00": 1}',
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 10_000,
        '\ufeff{"a": 1}'.encode(),
        '{"a": 1}'.encode("utf-16"),
    ],
)
def test_refuses_what_only_looks_like_it(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode(body)


def test_a_whole_pair_of_surrogates_is_a_character() -> None:
    assert decode(b'"\\ud83d\\ude00"') == "\U0001f600"
