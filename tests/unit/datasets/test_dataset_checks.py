import io
import json
import tracemalloc
from collections.abc import Iterator

import pytest

from tuneops.core.recipe import Method
from tuneops.datasets.checks import Checked, check
from tuneops.datasets.files import blocks
from tuneops.diagnostics import Diagnostic, Severity

PATH = "data/x.jsonl"
USER = {"role": "user", "parts": [{"text": "Where is it?"}]}
MODEL = {"role": "model", "parts": [{"text": "There."}]}
GOOD = {"contents": [USER, MODEL]}


def said(number: int) -> dict[str, object]:
    return {"role": "user", "parts": [{"text": f"Where is number {number}?"}]}


def answer(score: object, text: str = "Yes.", role: str = "model") -> dict[str, object]:
    return {"score": score, "completion": {"role": role, "parts": [{"text": text}]}}


PAIR = {"contents": [USER], "completions": [answer(1), answer(0, "No.")]}


def run(content: bytes, method: Method = Method.SUPERVISED) -> Checked:
    return check([content], path=PATH, method=method)


def lines(*examples: object) -> bytes:
    return b"".join(
        (item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n"
        for item in examples
    )


def only(found: Checked) -> Diagnostic:
    assert len(found.findings) == 1, found.findings
    return found.findings[0]


VALID = [
    {**GOOD, "systemInstruction": {"role": "system", "parts": [{"text": "Be brief."}]}},
    {"contents": [USER, MODEL, USER, MODEL]},
    {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://b/1.jpg"}},
                    {"text": "Which defect?"},
                ],
            },
            MODEL,
        ]
    },
    {
        "contents": [
            USER,
            {"role": "model", "parts": [{"functionCall": {"name": "stock", "args": {}}}]},
            {"parts": [{"functionResponse": {"name": "stock", "response": {"n": 1}}}]},
            MODEL,
        ],
        "tools": [{"functionDeclarations": [{"name": "stock"}]}],
    },
]


@pytest.mark.parametrize("example", VALID)
def test_valid_supervised_lines(example: object) -> None:
    found = run(lines(example))
    assert found.findings == ()
    assert found.summary.examples == 1


def test_valid_preference_lines() -> None:
    second = {
        "system_instruction": {"parts": [{"text": "You are a clerk."}]},
        "contents": [USER, MODEL, USER],
        "completions": [answer(0), answer(1)],
    }
    found = run(lines(PAIR, second), Method.PREFERENCE)
    assert found.findings == ()
    assert found.summary.examples == 2


WRONG_LINES = [
    (b"{not json", 2, "not JSON"),
    (b'["a"]', 1, "must be a JSON object"),
    (b'"text"', 1, "must be a JSON object"),
    (b'{"contents": [], "contents": []}', 18, "given twice"),
    (b'{"contents": NaN}', 14, "`NaN` is not a JSON number"),
    (b'{"a": ' + b"9" * 5000 + b"}", 1, "a number too long"),
    (b'{"contents": "\xff"}', 15, "not UTF-8"),
    (b'\xef\xbb\xbf{"contents": []}', 1, "a byte order mark"),
    (b'{"a": 1}\r{"a": 1}', 10, "lines end in CR alone"),
    (b'{"a": 1} {"a": 1}\r', 10, "more behind the end"),
    (b'{"contents": [{"role": "\\ud800"}]}', 24, "not valid Unicode"),
    (b"[" * 5 + b"{" * 3, None, "not JSON"),
    (b'{"a":' * 100_000, None, "nested too deeply"),
    (b'{"contents": [{}' + b",{}" * 50_000 + b"]}", 1, "more than 100,000 values"),
    (b'{"a": "' + b'\\"[{,' * 50_000 + b'"}', 1, "has no `contents`"),
    (b'{"a": 1}', 1, "has no `contents`"),
    (b'{"contents": []}', 14, "not an empty one"),
    (b'{"contents": {}}', 14, "must be a list of turns"),
    (b'{"contents": [7]}', 15, "a turn must be an object"),
    (b'{"contents": [{"role": "model"}]}', 15, "the turn has no `parts`"),
    (b'{"contents": [{"role": "model", "parts": []}]}', 42, "not an empty one"),
    (b'{"contents": [{"role": "model", "parts": [{}]}]}', 43, "a part needs"),
    (b'{"contents": [{"role": "model", "parts": [{"text": 1}]}]}', 52, "`text` must be text"),
    (b'{"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}', 24, "not `assistant`"),
    (b'{"contents": [{"parts": [{"text": "x"}]}]}', 15, "the turn has no `role`"),
    (b'{"contents": [{"role": "user", "parts": [{"text": "x"}]}]}', 15, "no answer to learn"),
]


@pytest.mark.parametrize(("line", "column", "words"), WRONG_LINES)
def test_wrong_lines_have_a_place(line: bytes, column: int | None, words: str) -> None:
    found = only(run(lines(GOOD, line)))
    assert found.code == "dataset-line"
    assert words in found.message
    assert found.where is not None
    assert (found.where.path, found.where.line) == (PATH, 2)
    assert column is None or found.where.column == column


@pytest.mark.parametrize(
    ("example", "words"),
    [
        ({"messages": [{"role": "user", "content": "x"}]}, "`messages` belongs to the chat format"),
        ({"input_text": "x", "output_text": "y"}, "PaLM"),
        ({"prompt": "x", "completion": "y"}, "prompt/completion"),
        ({"chosen": "x", "rejected": "y"}, "preference format of other services"),
        (PAIR | {"contents": [USER, MODEL]}, "but the job's method is supervised"),
        (
            {
                "contents": [
                    {"role": "user", "parts": [{"fileData": {"mimeType": "image/png"}}]},
                    MODEL,
                ]
            },
            "`fileUri` must be",
        ),
        (
            {
                "contents": [
                    {"role": "user", "parts": [{"fileData": {"fileUri": "gs://b/x"}}]},
                    MODEL,
                ]
            },
            "`mimeType`",
        ),
    ],
)
def test_other_formats_are_named(example: object, words: str) -> None:
    assert words in only(run(lines(example))).message


@pytest.mark.parametrize(
    ("example", "words"),
    [
        (GOOD | {"completions": PAIR["completions"]}, "must be by `user`"),
        ({"contents": [USER]}, "needs two `completions`"),
        ({"contents": [USER], "completions": [answer(1)]}, "exactly two, not 1"),
        ({"contents": [USER], "completions": [answer(1), answer(1)]}, "the other score 0"),
        ({"contents": [USER], "completions": [answer(1), answer(0.7)]}, "0 or 1, not `0.7`"),
        ({"contents": [USER], "completions": [answer(1), answer(False)]}, "not `false`"),
        ({"contents": [USER], "completions": [answer(1), answer(0, role="user")]}, "not `user`"),
        ({"contents": [USER], "completions": [answer(1), {"score": 0}]}, "each completion is"),
        (
            {
                "contents": [
                    {
                        "role": "user",
                        "parts": [{"fileData": {"mimeType": "image/png", "fileUri": "gs://b/x"}}],
                    }
                ],
                "completions": PAIR["completions"],
            },
            "text only",
        ),
    ],
)
def test_wrong_preference_lines(example: object, words: str) -> None:
    assert words in only(run(lines(example), Method.PREFERENCE)).message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x1f\x8b\x08\x00abc", "gzip"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"\xff\xfe{\x00", "UTF-16"),
        (b'[{"contents": []},\n{"contents": []}]', "JSON array"),
        (b'{\n  "contents": []\n}', "spread over lines"),
        (b'prompt,completion\n"a","b"\n', "CSV"),
        (b"[" + b'{"contents": []},' * 600_000 + b"]", "JSON array"),
    ],
)
def test_other_files_are_named_by_their_first_bytes(content: bytes, words: str) -> None:
    found = only(run(content))
    assert found.code == "dataset-format"
    assert words in found.message


@pytest.mark.parametrize("content", [b"", b"\n\n", b"  \r\n"])
def test_empty(content: bytes) -> None:
    assert only(run(content)).code == "dataset-empty"


def test_a_byte_order_mark_is_a_warning() -> None:
    found = only(run(b"\xef\xbb\xbf" + lines(GOOD)))
    assert (found.code, found.severity) == ("dataset-bom", Severity.WARNING)


def test_windows_line_ends_and_no_last_line_end_are_fine() -> None:
    assert run(lines(GOOD).rstrip() + b"\r\n\r\n" + lines(VALID[0]).rstrip()).findings == ()


@pytest.mark.parametrize("cut", [10, 30, 70, 89])
def test_a_last_line_that_is_cut_off(cut: int) -> None:
    found = only(run(lines(GOOD) + json.dumps(GOOD).encode()[:cut]))
    assert found.message == "the last line is cut off"
    assert found.where is not None
    assert found.where.line == 2


def test_three_places_and_a_count() -> None:
    wrong = [{"contents": [said(n), {**MODEL, "role": "assistant"}]} for n in range(4)]
    found = run(lines(GOOD, *wrong, *({"contents": [said(n), MODEL]} for n in range(1200))))
    assert [item.where and item.where.line for item in found.findings] == [2, 3, 4]
    assert found.findings[0].notes == (
        "contents[1].role; 4 of 1,205 lines have this problem (2, 3, 4, …)",
    )
    assert found.findings[1].notes == ("contents[1].role",)
    help = "the model's turns have the role `model`; `tuneops data convert data/x.jsonl` mends it"
    assert found.findings[0].help == help
    assert found.summary.examples == 1205


def test_duplicates_and_repeated_roles_are_warnings() -> None:
    twice = {"contents": [USER, USER, MODEL]}
    found = run(lines(GOOD, GOOD, twice, GOOD))
    assert {item.severity for item in found.findings} == {Severity.WARNING}
    assert [item.code for item in found.findings] == ["dataset-duplicates", "dataset-turns"]
    assert found.findings[0].message == "2 of 4 examples repeat another, byte for byte"
    assert found.findings[0].notes == ("lines 2 as 1, 4 as 1",)
    assert found.summary.duplicates == 2


def test_tokens_are_a_quarter_of_the_characters() -> None:
    assert run(lines(GOOD)).summary.tokens.likely == 5  # 12 + 6 characters
    # a preference prompt is billed twice: 12 * 2 + 4 + 3
    assert run(lines(PAIR), Method.PREFERENCE).summary.tokens.likely == 8


class _Endless(io.RawIOBase):
    """A stream of chunks that is never whole in memory."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._left = self._left or next(self._chunks, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def test_a_line_of_300_mb_leaves_memory_flat() -> None:
    def chunks() -> Iterator[bytes]:
        yield lines(GOOD) + b'{"contents": "'
        for _ in range(300):
            yield b"x" * 1_000_000
        yield b'"}\n' + lines(VALID[0])

    tracemalloc.start()
    try:
        stream = io.BufferedReader(_Endless(chunks()))
        found = check(blocks(stream), path=PATH, method=Method.SUPERVISED)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
    assert only(found).message == "the line is longer than 8 MiB"
    assert found.summary.examples == 3
