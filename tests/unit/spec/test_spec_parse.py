"""Text to nodes: places, what is refused, and that nothing but findings comes out."""

import re
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneops.diagnostics import Diagnostic
from tuneops.spec.load import load
from tuneops.spec.nodes import Mapping, Scalar
from tuneops.spec.parse import Parsed, parse
from tuneops.spec.text import FILE_LIMIT, Source, SourceText, decode

WORKSPACE = """\
apiVersion: tuneops.dev/v1
kind: Workspace
metadata: {name: acme}
spec:
  environments:
    local: {provider: emulator, project: demo-project, location: us-central1, variables: {b: data}}
"""

CHAIN = """\
apiVersion: tuneops.dev/v1
kind: TuningChain
metadata: {name: bot, labels: {team: support}}
spec:
  baseModel: gemini-2.5-flash
  defaults:
    supervisedTuningSpec: {hyperParameters: {adapterSize: 8}}
  stages:
    - name: seed
      supervisedTuningSpec:
        trainingDatasetUri: "${var.b}/a.jsonl"
        hyperParameters: {epochCount: 3, learningRateMultiplier: 1e-1}
    - name: tone
      from: seed
      checkpoint: {epoch: 2}
      preferenceOptimizationSpec:
        trainingDatasetUri: gs://bucket/b.jsonl
        hyperParameters: {beta: 0.1}
"""


def read(text: str) -> Parsed:
    return parse([SourceText("a.yaml", text)])


def codes(text: str) -> list[str]:
    return [finding.code for finding in read(text).findings]


def test_every_node_keeps_its_place() -> None:
    (document,) = read("a: 1\nümlaut: 'x y'\n").documents
    value = document.root.get("ümlaut")
    assert isinstance(value, Scalar)
    where = value.span.where
    assert (where.line, where.column, where.length) == (2, 9, 5)
    assert where.excerpt == "ümlaut: 'x y'"


def test_either_spelling_finds_a_key() -> None:
    (document,) = read("base_model: x\nepochCount: 3\n").documents
    assert document.root.entry("baseModel") is document.root.entries[0]
    assert document.root.entry("epochCount") is document.root.entries[1]


@pytest.mark.parametrize("more", [0, 20])
def test_few_keys_and_many_are_found_alike(more: int) -> None:
    text = "base_model: 1\nepochCount: 2\n" + "".join(f"k{number}: 3\n" for number in range(more))
    (document,) = read(text).documents
    for name, value in {"baseModel": "1", "base_model": "1", "epochCount": "2"}.items():
        found = document.root.get(name)
        assert isinstance(found, Scalar) and found.text == value
    assert document.root.get("epoch_count") is None and document.root.get("k99") is None


@given(st.text(alphabet="ab\r\n\u2028", max_size=12))
def test_lines_are_those_between_line_ends(text: str) -> None:
    source = Source.of(SourceText("a.yaml", text))
    lines = re.split("\r\n|\r|\n", text)
    assert list(source.lines) == lines
    assert source.line(0) == source.line(len(lines) + 1) == ""


def test_a_stage_takes_little_memory() -> None:
    stage = "    - name: s{0}\n      supervisedTuningSpec: {{trainingDatasetUri: gs://data/{0}.jsonl}}\n"
    head = CHAIN.partition("    - name: seed")[0]
    chains = [
        SourceText(
            f"specs/{chain}.yaml",
            head.replace("name: bot", f"name: bot-{chain}")
            + "".join(stage.format(number) for number in range(4)),
        )
        for chain in range(100)
    ]
    texts = [SourceText("specs/workspace.yaml", WORKSPACE), *chains]
    load(texts[:5], environment=None, variables={}, env={})
    tracemalloc.start()
    found = load(texts, environment=None, variables={}, env={})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.declaration is not None and len(found.declaration.jobs) == 400
    assert most / 400 < 6_500, f"{most / 400:,.0f} bytes for each stage"


def test_byte_order_mark_and_crlf_are_read() -> None:
    decoded = decode("a.yaml", b"\xef\xbb\xbf" + CHAIN.replace("\n", "\r\n").encode())
    assert isinstance(decoded, SourceText)
    (document,) = parse([decoded]).documents
    spec = document.root.get("spec")
    assert isinstance(spec, Mapping)
    first = document.root.entries[0].key.span.where
    assert (first.line, first.column, first.excerpt) == (1, 1, "apiVersion: tuneops.dev/v1")


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [(b"\xff\xfea\x00", 1, 1), (b"a: 1\nb: caf\xe9\n", 2, 7), (b"\xc3\xa9\xe9", 1, 2)],
)
def test_other_encodings_are_refused(content: bytes, line: int, column: int) -> None:
    finding = decode("a.yaml", content)
    assert isinstance(finding, Diagnostic)
    assert finding.where is not None
    assert (finding.code, finding.where.line, finding.where.column) == ("not-utf8", line, column)


def test_large_files_and_texts_are_refused() -> None:
    large = b"a: " + b"x" * FILE_LIMIT
    finding = decode("a.yaml", large)
    assert isinstance(finding, Diagnostic)
    assert finding.code == "too-large"
    assert codes(large.decode()) == ["too-large"]
    assert codes("a: " + "x" * (64 * 1024 + 1)) == ["too-large"]
    assert not codes("a: " + "x" * 64 * 1024)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u2028", "\u061c"])
def test_control_characters_are_refused(character: str) -> None:
    assert codes(f"a: {character}b\n") == ["hidden-character"]


def test_lone_surrogates_are_refused() -> None:
    assert codes("a: \ud800\n") == ["hidden-character"]
    assert codes('a: "\\ud800"\n') == ["yaml-syntax"]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "{" * 5000,
        "- " * 5000,
        "? " * 5000,
        "a: [" * 900,
        "a: 'x",
        'a: "x',
        "a: |\n x\n y\n z: [",
        "%YAML 9.9\n---\na: 1",
        "%TAG ! x\n---\na: !b 1",
        "\r\r\r",
        "a: 1\n...\nb",
        "&a [*a]",
        "*",
        "&",
        "!",
        "'",
        ":",
        "? ",
        "- ",
        "{,}",
        "---",
        "...",
        "\ufeff",
        "a: !!int 3",
        "a: !!binary |\n  R0lGOD==\n",
        '"\\UFFFFFFFF": 1',
        "=: 1",
        "a: 2024-13-45",
        "a: " + "9" * 5000,
    ],
)
def test_nothing_but_findings_comes_out(text: str) -> None:
    parsed = read(text)
    assert parsed.documents or parsed.findings


def test_an_alias_bomb_is_not_walked() -> None:
    rows = ["a: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"b{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(9)]
    started = time.process_time()
    assert set(codes("\n".join(rows))) == {"yaml-anchor"}
    assert time.process_time() - started < 1


def check(text: str, workspace: str = WORKSPACE) -> None:
    started = time.process_time()
    found = load(
        [SourceText("w.yaml", workspace), SourceText("c.yaml", text)],
        environment=None,
        variables={},
        env={},
    )
    assert time.process_time() - started < 1
    assert found.findings or found.declaration
    for finding in found.findings:
        where = finding.where
        assert finding.message
        assert where is None or (where.line >= 1 and where.column >= 1)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=400))
def test_random_text(text: str) -> None:
    check(text)


TOKENS = sorted(set((CHAIN + WORKSPACE).replace("\n", " \n ").split(" ")))
ODD = [
    "null",
    "{}",
    "[]",
    "&a",
    "*a",
    "<<",
    "!x",
    "[",
    "]",
    "{",
    "}",
    "- ",
    ": ",
    "\n",
    "#",
    "'",
    '"',
    "|",
    "~",
    "${",
]


EDITS = st.lists(
    st.tuples(
        st.integers(0, len(CHAIN)),
        st.integers(0, 30),
        st.one_of(st.sampled_from(TOKENS), st.sampled_from(ODD), st.text(max_size=5)),
    ),
    max_size=6,
)


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    for start, length, new in edits:
        start %= len(text) + 1
        text = text[:start] + new + text[start + length :]
    return text


@settings(deadline=None, max_examples=300)
@given(EDITS)
def test_mutated_specs(edits: list[tuple[int, int, str]]) -> None:
    check(edited(CHAIN, edits))


@settings(deadline=None, max_examples=300)
@given(EDITS)
def test_mutated_workspaces(edits: list[tuple[int, int, str]]) -> None:
    check(CHAIN, edited(WORKSPACE, edits))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(CHAIN.splitlines()), min_size=1, max_size=25))
def test_shuffled_lines(lines: list[str]) -> None:
    check("\n".join(lines))
