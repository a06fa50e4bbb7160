from collections.abc import Iterator

import pytest

from tuneops.datasets.files import HEAD, HEAD_LINE, first_lines

LINE = b"x" * 99 + b"\n"


@pytest.mark.parametrize("size", [100, 65_536, 3 * HEAD])
def test_the_head_of_a_stream_is_whole_lines_and_the_rest_is_not_asked_for(size: int) -> None:
    whole = LINE * (2 * HEAD // 100)
    asked = 0

    def stream() -> Iterator[bytes]:
        nonlocal asked
        for start in range(0, len(whole), size):
            asked += 1
            yield whole[start : start + size]

    head = b"".join(first_lines(stream()))
    assert whole.startswith(head) and head.endswith(b"\n")
    assert HEAD <= len(head) < HEAD + len(LINE)
    assert asked <= HEAD // size + 2


def test_a_short_stream_is_read_to_its_end() -> None:
    assert b"".join(first_lines([LINE, b"the last, without an end"])) == (
        LINE + b"the last, without an end"
    )


def test_a_line_without_an_end_is_not_read_for_ever() -> None:
    asked = sum(len(block) for block in first_lines(b"x" * HEAD for _ in range(1000)))
    assert asked <= HEAD + HEAD_LINE + 2 * HEAD
