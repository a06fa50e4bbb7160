"""Laws of the dataset checks: valid is silent, one fault is one finding, nothing else comes out."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.dataset_cases import CASES
from tests.support.profiles import effort
from tests.unit.datasets.test_conversion import FOREIGN
from tests.unit.datasets.test_dataset_cases import CONFIRMED
from tuneops.core.recipe import Method
from tuneops.datasets.chats import Unconvertible
from tuneops.datasets.checks import check
from tuneops.datasets.conversion import Conversion
from tuneops.datasets.difference import compare
from tuneops.datasets.examples import problems
from tuneops.datasets.formats import convert
from tuneops.datasets.lines import Unreadable, read_example, read_lines, read_text
from tuneops.datasets.plain import MEASURES
from tuneops.datasets.problems import Path
from tuneops.datasets.weights import weigh
from tuneops.diagnostics import Severity
from tuneops.emulator.datasets import analyse
from tuneops.emulator.models import BASE_MODELS

SAID = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(str.strip)
TEXT = st.one_of(
    SAID, st.sampled_from(['"a": 1, "a": 2', '\\": ', "\\\\", '{"x": "y"}', "終わり 🗼"])
)
PARTS = st.lists(st.builds(lambda text: {"text": text}, TEXT), min_size=1, max_size=3)


def turn(role: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda parts: {"role": role, "parts": parts}, PARTS)


INSTRUCTED = st.one_of(
    st.just({}),
    st.builds(
        lambda key, parts: {key: {"parts": parts}},
        st.sampled_from(["systemInstruction", "system_instruction"]),
        PARTS,
    ),
)
TALK = st.lists(st.tuples(turn("user"), turn("model")), min_size=1, max_size=3).map(
    lambda pairs: [one for pair in pairs for one in pair]
)
SUPERVISED = st.builds(lambda first, turns: {**first, "contents": turns}, INSTRUCTED, TALK)
PREFERENCE = st.builds(
    lambda first, turns, last, answers, best: {
        **first,
        "contents": [*turns, last],
        "completions": [
            {"score": int(at == best), "completion": answer} for at, answer in enumerate(answers)
        ],
    },
    INSTRUCTED,
    st.one_of(st.just([]), TALK),
    turn("user"),
    st.tuples(turn("model"), turn("model")),
    st.integers(0, 1),
)
EXAMPLES = {Method.SUPERVISED: SUPERVISED, Method.PREFERENCE: PREFERENCE}
WITH_METHOD = st.one_of(
    *(st.tuples(st.just(method), examples) for method, examples in EXAMPLES.items())
)
SPELLINGS = st.sampled_from([(", ", ": "), (",", ":"), (" , ", " : ")])


def spelled(example: Any, separators: tuple[str, str], ascii: bool) -> bytes:
    return json.dumps(example, ensure_ascii=ascii, separators=separators).encode()


@given(WITH_METHOD, SPELLINGS, st.booleans())
@effort(80)
def test_a_valid_example_is_silent_however_it_is_spelled(
    given: tuple[Method, Any], separators: tuple[str, str], ascii: bool
) -> None:
    method, example = given
    line = spelled(example, separators, ascii)
    assert check([line], path="x", method=method).findings == ()
    assert list(problems(read_example(line.decode(), ended=True), method)) == []
    model = BASE_MODELS["gemini-2.5-flash"]
    assert analyse(line, method=method.value, uri="gs://b/x", model=model).failure is None


@given(WITH_METHOD, SPELLINGS, st.booleans())
@effort(80)
def test_the_fast_way_measures_what_the_strict_way_does(
    given: tuple[Method, Any], separators: tuple[str, str], ascii: bool
) -> None:
    method, example = given
    found = MEASURES[method](spelled(example, separators, ascii))
    weight = weigh(example, method)
    text = json.dumps(example)
    looks_like_keys = '\\\\":' in text or '": ":' in text  # those are left to the strict way
    if separators != (" , ", " : ") and not looks_like_keys:
        assert found is not None
    assert found is None or found == (weight.billed, weight.tokens, weight.turns)


BREAKS: dict[str, tuple[Callable[[Any], None], str]] = {
    "role": (lambda one: one["contents"][0].update(role="assistant"), "contents[0].role"),
    "no role": (lambda one: one["contents"][0].pop("role"), "contents[0]"),
    "parts": (lambda one: one["contents"][0].update(parts=[]), "contents[0].parts"),
    "text": (
        lambda one: one["contents"][0]["parts"][0].update(text=3),
        "contents[0].parts[0].text",
    ),
    "part": (lambda one: one["contents"][0]["parts"].insert(0, {}), "contents[0].parts[0]"),
    "turn": (lambda one: one["contents"].insert(0, "hello"), "contents[0]"),
    "contents": (lambda one: one.update(contents=[]), "contents"),
    "tools": (lambda one: one.update(tools="stock"), "tools"),
    "config": (lambda one: one.update(generationConfig=[]), "generationConfig"),
    "instruction": (lambda one: one.update(systemInstruction="x", system_instruction=None), ""),
}
BREAKS_OF_PAIRS: dict[str, tuple[Callable[[Any], None], str]] = {
    "one completion": (lambda one: one["completions"].pop(), "completions"),
    "score": (lambda one: one["completions"][0].update(score=0.5), "completions[0].score"),
    "scores": (lambda one: [each.update(score=1) for each in one["completions"]], "completions"),
    "completion": (lambda one: one["completions"][1].pop("completion"), "completions[1]"),
    "role of a completion": (
        lambda one: one["completions"][1]["completion"].update(role="user"),
        "completions[1].completion.role",
    ),
}


@given(
    WITH_METHOD.flatmap(
        lambda given: st.tuples(
            st.just(given),
            st.sampled_from(
                sorted(BREAKS) + (sorted(BREAKS_OF_PAIRS) if given[0] is Method.PREFERENCE else [])
            ),
        )
    ),
    SPELLINGS,
)
@effort(100)
def test_one_fault_is_one_finding(
    given: tuple[tuple[Method, Any], str], separators: tuple[str, str]
) -> None:
    (method, example), name = given
    broken = copy.deepcopy(example)
    change, place = {**BREAKS, **BREAKS_OF_PAIRS}[name]
    change(broken)
    lines = [spelled(one, separators, ascii=False) for one in (example, broken)]
    found = [
        item
        for item in check([b"\n".join(lines)], path="x", method=method).findings
        if item.severity is Severity.ERROR
    ]
    if name == "instruction":  # both spellings, and one of them is text
        notes = {note for item in found for note in item.notes}
        assert "systemInstruction" in notes
        assert notes <= {"systemInstruction", "system_instruction"}
        return
    (finding,) = found
    assert finding.where is not None and finding.where.line == 2
    assert finding.notes == ((place,) if place else ())
    model = BASE_MODELS["gemini-2.5-flash"]
    failure = analyse(b"\n".join(lines), method=method.value, uri="gs://b/x", model=model).failure
    assert failure is not None and ", line 2: " in failure.message


SEEDS = [case.content for case in CASES if len(case.content) < 2_000]
PIECES = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"\n", b"\r\n", b"\x00", b"\xff",
    b"\xef\xbb\xbf",
    b'"text":', b'"role": "user",', b'"role" : "model",', b"null", b"1e999", b"NaN", b"\\ud800",
    b'"score": 1', b'"contents": []', b'\\":', b'\\\\":', b" ", b"\xf0\x9f\x97\xbc",
    b"\xc2\x85", b"\xe2\x80\xa8", b"\x0b", b"\x1c", b"\xc2\xa0", b"\\udc00\\ud800", b"\\u0000",
    b"\\/", b"-0", b"01", b"1.0", b"0e0", b"-Infinity", b"9" * 400, b"9" * 5000,
    b"[" * 120 + b"]" * 120, b'"file_uri": "gs://b/y",', b'"generation_config": {},',
    b'"t\\u0065xt":', b'"text": " ",', b'"": "",', b'"role": null,', b'"parts": null,',
    b'"tools": null,', b'"systemInstruction": null,', b'"completions": null,', b'"args": null,',
    b'"functionCall": null,', b'"fileData": [],', b'"mimeType": "text/plain",', b'"score": true,',
    b'"inlineData": {"mimeType": "image/png", "data": "AAAA"},', b'"videoMetadata": 7,',
    b'"videoMetadata": {"endOffset": "1e9s"},', b'"videoMetadata": {"endOffset": "400s"},',
    b'"generationConfig": {"mediaResolution": 5},', b'"mediaResolution": {"level": []},',
]  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        if draw(st.booleans()):  # where a piece may fit
            at = next((n for n in range(at, len(content)) if content[n - 1] in b"{[,"), at)
        match draw(st.integers(0, 3)):
            case 0:
                content[at:at] = draw(st.sampled_from(PIECES))
            case 1:
                del content[at : at + draw(st.integers(1, 12))]
            case 2:
                end = at + draw(st.integers(1, 30))
                content[at:at] = content[at:end]
            case _:
                content[at:at] = bytes(draw(st.binary(min_size=1, max_size=3)))
    return bytes(content)


@given(mangled(), st.sampled_from(list(Method)), st.integers(1, 64))
@effort(200)
def test_whatever_the_bytes_only_findings_come_out_and_the_emulator_agrees(
    content: bytes, method: Method, size: int
) -> None:
    blocks = [content[at : at + size] for at in range(0, len(content), size)]
    found = check(blocks, path="x", method=method, limits=CONFIRMED)
    assert found.findings == check([content], path="x", method=method, limits=CONFIRMED).findings
    model = BASE_MODELS["gemini-2.5-flash"]
    failure = analyse(content, method=method.value, uri="gs://b/x", model=model).failure
    errors = [item for item in found.findings if item.severity is Severity.ERROR]
    assert bool(errors) is (failure is not None), (found.findings, failure)
    assert all(item.help and "FILE" not in item.help for item in found.findings), found.findings
    assert compare(blocks, [content], method).is_empty


@given(mangled(), st.sampled_from(list(Method)))
@effort(200)
def test_the_fast_way_takes_nothing_that_the_strict_way_refuses(
    content: bytes, method: Method
) -> None:
    for batch in read_lines([content]):
        for line in batch.lines:
            if MEASURES[method](line) is not None:
                example = read_example(read_text(line), ended=True)
                assert list(problems(example, method)) == []


STRICTER = {
    *("repeated-key", "not-a-number", "half-character", "not-object"),
    *("too-deep", "too-many-values", "too-long"),
}
"""Why a line is refused that Python's own reader takes."""


@given(mangled())
@effort(200)
def test_the_strict_way_differs_from_the_usual_reader_only_in_what_it_names(
    content: bytes,
) -> None:
    for batch in read_lines([content]):
        for line in batch.lines:
            try:
                usual, fault = json.loads(line.decode()), None
            except ValueError as found:
                usual, fault = None, found
            try:
                example = read_example(read_text(line), ended=True)
            except Unreadable as refusal:
                assert fault or refusal.problem.kind in STRICTER, line
            else:
                assert fault is None and example == usual


KEYS = [
    "contents",
    "role",
    "parts",
    "text",
    "messages",
    "content",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "type",
    "prompt",
    "completion",
    "chosen",
    "rejected",
    "conversations",
    "from",
    "value",
    "input",
    "output",
    "fileData",
    "mimeType",
    "fileUri",
    "score",
    "completions",
    "functionCall",
    "args",
    "systemInstruction",
    "tools",
    "weight",
    "choice",
    "input_text",
    "candidate_0",
    "candidate_1",
    "instruction",
    "preferred_output",
    "non_preferred_output",
    "text_input",
]
WORDS = st.sampled_from(["user", "assistant", "system", "tool", "model", "text"])
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | WORDS
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(KEYS), JSON, min_size=1, max_size=4))
@effort(100)
def test_nothing_but_problems_comes_of_any_object(line: dict[str, Any]) -> None:
    for method in Method:
        for problem in problems(line, method):
            assert problem.message and problem.help
            assert leads(line, problem.path)
        weigh(line, method)
    converts_or_tells(line)


def leads(value: Any, path: Path) -> bool:
    """Whether a way is there, but for its last piece at most, which may be what is missing."""
    for at, key in enumerate(path):
        match value:
            case dict():
                held = key in value
            case list():
                held = isinstance(key, int) and key < len(value)
            case _:
                held = False
        if not held:
            return at == len(path) - 1
        value = value[key]
    return True


def converts_or_tells(line: dict[str, Any]) -> None:
    try:
        converted = convert(line)
    except Unconvertible as fault:
        assert fault.message and fault.help
        assert leads(line, fault.path), (fault.path, line)
        return
    assert isinstance(converted, dict)


@st.composite
def nearly(draw: st.DrawFn) -> dict[str, Any]:
    """A line of another format with something else in one place, or one key more."""
    line = copy.deepcopy(draw(st.sampled_from(FOREIGN)))
    held: Any = line
    while True:
        places = list(held) if isinstance(held, dict) else list(range(len(held)))
        key = draw(st.sampled_from([*places, None])) if places else None
        if key is None:
            junk = draw(JSON)
            if isinstance(held, dict):
                held[draw(st.sampled_from(KEYS))] = junk
            else:
                held.insert(draw(st.integers(0, len(held))), junk)
            return line
        if not isinstance(held[key], dict | list) or draw(st.booleans()):
            held[key] = draw(JSON)
            return line
        held = held[key]


@given(nearly())
@effort(300)
def test_a_line_of_another_format_is_converted_or_told(line: dict[str, Any]) -> None:
    converts_or_tells(line)
    content = json.dumps(line).encode()
    run = Conversion(path="x", method=None)
    written = b"".join(run.lines([content]))
    assert (run.examples, run.refused) in ((1, 0), (0, 1))
    if written:
        assert run.method is not None
        found = check([written], path="x", method=run.method)
        assert all(item.severity is Severity.WARNING for item in found.findings), found.findings
    else:
        assert all(item.help and item.where for item in run.findings)


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_lines_are_the_same_whatever_the_blocks(limit: int) -> None:
    content = b"\n\nab\r\nc\n" + b"d" * 500 + b"\n\ne"
    blocks = [content[at : at + limit] for at in range(0, len(content), limit)]
    lines = [line for batch in read_lines(blocks) for line in batch.lines]
    assert lines == content.split(b"\n")


def test_what_cannot_be_read_says_so() -> None:
    with pytest.raises(Unreadable):
        read_example("[", ended=True)
