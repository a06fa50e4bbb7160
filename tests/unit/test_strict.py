import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneops.strict import Malformed, decode, outline

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
    with pytest.raises(Malformed) as fault:
        decode(body)
    with pytest.raises(Malformed, match=re.escape(str(fault.value))):
        outline(body)


@given(VALUES)
def test_an_outline_is_what_is_read_but_for_objects_further_down(value: object) -> None:
    body = json.dumps(value).encode()
    if b"Infinity" not in body:
        top = value if isinstance(value, dict) else {"": value}
        flat = {key: None if isinstance(item, dict) else item for key, item in top.items()}
        found = outline(body)
        assert _flat(found if isinstance(found, dict) else {"": found}) == _flat(flat)


def _flat(value: object) -> object:
    """A value without what is in the lists of it, which may be objects."""
    if isinstance(value, dict):
        return {key: len(item) if isinstance(item, list) else item for key, item in value.items()}
    return value


def test_a_whole_pair_of_surrogates_is_a_character() -> None:
    assert decode(b'"\\ud83d\\ude00"') == "\U0001f600"
