"""How lines are put together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import a_job
from tuneops.core.diff import FieldChange
from tuneops.render.fields import dataset_text, field_rows, new_data
from tuneops.render.lines import breadth, columns, first_few, folded


def test_of_many_words_the_first_are_said_and_how_many_more_there_are() -> None:
    assert first_few(()) == ()
    assert first_few("abcde") == ("a", "b", "c", "d", "e")
    assert first_few("abcdef") == ("a", "b", "c", "d", "e", "and 1 more")
    assert first_few(["x"] * 1_003, 2) == ("x", "x", "and 1,001 more")


@pytest.mark.parametrize(
    ("room", "text", "lines"),
    [
        (20, "short", ["short"]),
        (12, "a sentence of words", ["a sentence", "    of words"]),
        (20, "  bot/tone  create  first run", ["  bot/tone  create", "      first run"]),
        (20, "one  two words and more", ["one  two words and", "    more"]),
        (24, "mend it with `tuneops retry x`", ["mend it with", "    `tuneops retry x`"]),
        (8, "unbreakable-name", ["unbreakable-name"]),
        (8, "a unbreakable-name b", ["a", "    unbreakable-name", "    b"]),
        (6, "日本 日本", ["日本", "   日本"]),
        (1, "a b", ["a", "b"]),
    ],
)
def test_a_long_line_is_broken_where_it_reads_best(room: int, text: str, lines: list[str]) -> None:
    assert folded(text, room) == lines


@given(st.text("ab `日\u0301", max_size=60), st.integers(1, 40))
def test_folding_loses_no_word_and_leaves_no_line_too_long(text: str, room: int) -> None:
    lines = folded(text.rstrip(), room)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(breadth(line) <= room or "`" in line or " " not in line.strip() for line in lines)


def test_columns_are_as_wide_as_a_terminal_draws_them() -> None:
    assert columns([("日本", "x"), ("e\u0301", "x"), ("abcd", "x")]) == [
        "日本  x",
        "e\u0301     x",
        "abcd  x",
    ]


def test_a_name_that_tuneops_gave_to_bytes_is_no_change_for_people() -> None:
    def uri(before: str, after: str) -> FieldChange:
        return FieldChange(path="training.uri", before=before, after=after)

    stored = [f"gs://bucket/tuneops/{digit * 64}.jsonl" for digit in "ab"]
    bytes_ = FieldChange(path="training.crc32c", before="AAAAAA==", after="AAAAAQ==")
    assert list(field_rows((bytes_, uri(*stored)))) == [("training.crc32c", "AAAAAA== -> AAAAAQ==")]
    assert [path for path, _ in field_rows((uri("gs://mine/a.jsonl", stored[0]),))] == [
        "training.uri"
    ]
    (row,) = new_data((bytes_,), a_job())
    assert row == ("training", dataset_text(a_job().training))
    assert not list(new_data((uri(*stored),), a_job()))
