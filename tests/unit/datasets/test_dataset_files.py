import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.dataset_cases import GOOD, MODEL, PAIR, USER, answer, file, turn
from tuneops.catalog.models import table
from tuneops.core.recipe import Method
from tuneops.datasets import files, repeats, scan
from tuneops.datasets.checks import Checked, check, check_validation
from tuneops.datasets.difference import compare
from tuneops.datasets.digest import Digester, digest
from tuneops.datasets.distribution import distribution
from tuneops.datasets.files import blocks, check_file, check_head, open_file, scan_file
from tuneops.datasets.limits import ANY, Limit, Limits, limits_of
from tuneops.datasets.plain import measure_preference
from tuneops.datasets.scan import Scan
from tuneops.datasets.tokens import Tokens, letters, likely, media_tokens, span
from tuneops.datasets.weights import weigh
from tuneops.diagnostics import Severity


def said(number: int) -> dict[str, object]:
    return {"contents": [turn("user", f"Is {number} a number?"), MODEL]}


def lines(*examples: object) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in examples)


def run(content: bytes, method: Method = Method.SUPERVISED, limits: Limits = ANY) -> Checked:
    return check([content], path="x", method=method, limits=limits)


BAD = {"contents": [USER, turn("assistant", "x")]}
MIXED = lines(
    *map(said, range(50)),
    *(BAD, said(3)),
    *map(said, range(60, 120)),
    *(said(70), said(3), BAD, BAD, BAD),
)


@pytest.fixture
def mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "WORTH_TWO", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    path = tmp_path / "x"
    path.write_bytes(MIXED)
    return path


def test_two_processes_find_what_one_does(mixed: Path) -> None:
    found = check_file(mixed, name="x", method=Method.SUPERVISED, limits=ANY)
    alone = run(MIXED)
    assert [item.where for item in found.findings] == [item.where for item in alone.findings]
    assert found.findings[0].notes[0].endswith("4 of 117 lines have this problem (51, 115, 116, …)")
    assert found.summary == alone.summary
    assert found.summary.duplicates == 6, "three good lines again, three of the bad one"
    training = run(lines(*map(said, range(100, 120))))
    assert found.repeats.common(training.repeats) == 20


def test_each_example_is_measured_by_either_process(mixed: Path) -> None:
    measured = Scan(method=Method.SUPERVISED, limits=ANY, measured=True)
    found = scan_file(mixed, name="x", scan=measured)
    assert found.sizes is not None and found.turns is not None
    assert (len(found.sizes), sum(found.turns)) == (117, 234)


def test_a_file_that_is_replaced_meanwhile_is_read_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines(*map(said, range(100))))
    monkeypatch.setattr(files, "WORTH_TWO", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    halves = files._scan_halves

    def replaced(*args: Any) -> Scan:
        (tmp_path / "new").write_bytes(lines(*[{"a": 1}] * 300))
        (tmp_path / "new").replace(path)
        return halves(*args)

    monkeypatch.setattr(files, "_scan_halves", replaced)
    found = check_file(path, name="x", method=Method.SUPERVISED, limits=ANY)
    assert (found.summary.examples, found.findings) == (100, ())


def test_a_process_that_dies_is_done_without(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_read_rest", lambda *_: os._exit(9))
    found = check_file(mixed, name="x", method=Method.SUPERVISED, limits=ANY)
    assert found.summary == run(MIXED).summary


def test_a_file_without_a_second_line_is_read_whole(mixed: Path) -> None:
    mixed.write_bytes(lines(GOOD).rstrip())
    found = check_file(mixed, name="x", method=Method.SUPERVISED, limits=ANY)
    assert (found.summary.examples, found.findings) == (1, ())


def test_the_head_of_a_file_is_looked_at_and_the_rest_counted(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "HEAD", 200)
    found = check_head(mixed, name="x", method=Method.SUPERVISED, limits=ANY)
    assert (found.summary.examples, found.findings) == (117, ())


def test_checksums_and_checks_are_one_pass(mixed: Path) -> None:
    digester = Digester()
    with open_file(mixed) as stream:
        found = check(digester.over(blocks(stream)), path="x", method=Method.SUPERVISED)
    with mixed.open("rb") as again:
        assert digester.digest == digest(again)
    assert found.summary.size == digester.digest.size


def confirmed(most: int) -> Limit:
    return Limit(most=most, confirmed=True, source="a test")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(examples=confirmed(116)), "117 examples; at most 116"),
        (Limits(size=confirmed(100)), "bytes; at most 100"),
    ],
)
def test_a_limit_stops_where_it_is_confirmed_and_warns_where_not(
    limits: Limits, words: str
) -> None:
    good = [*map(said, range(117))]
    (finding,) = run(lines(*good), limits=limits).findings
    assert words in finding.message
    assert finding.severity is Severity.ERROR
    name = "examples" if limits.examples != ANY.examples else "size"
    loose = Limits(**{name: Limit(most=getattr(limits, name).most)})
    (finding,) = run(lines(*good), limits=loose).findings
    assert finding.severity is Severity.WARNING
    assert "not confirmed" in finding.notes[0]


def test_the_limits_of_a_model_are_those_of_its_row() -> None:
    translation = limits_of(table().find("translation-llm-002"))
    assert translation.example_tokens is not None and translation.example_tokens.most == 1000
    assert translation.validation_percent is None
    found = run(lines({"contents": [turn("user", file("image/png")), MODEL]}), limits=translation)
    assert [item.code for item in found.findings] == ["dataset-limit"]
    assert limits_of(None) == ANY


def test_validation_beside_training() -> None:
    training, half = run(lines(*map(said, range(3000)))), [*map(said, range(5000, 6001))]
    share = Limits(validation_percent=confirmed(30), validation_examples=confirmed(5000))
    assert check_validation(training, run(lines(*half[:900])), share) == ()
    (finding,) = check_validation(training, run(lines(*half)), share)
    assert "at most 30% of the 3,000" in finding.message
    assert finding.severity is Severity.ERROR
    (finding,) = check_validation(training, run(lines(*map(said, range(7000, 12001)))), share)
    assert "5,001 examples; at most 5,000" in finding.message
    (finding,) = check_validation(training, run(lines(said(1), said(9000))), share)
    assert finding.message == "1 of 2 examples is in the training data, too"


def test_one_resolution_of_videos_holds_for_training_and_validation() -> None:
    low, high, none = (
        run(lines({"contents": [turn("user", file("video/mp4"), what), MODEL], **config}))
        for what, config in (
            ("a", {"generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"}}),
            ("b", {"generation_config": {"media_resolution": "MEDIA_RESOLUTION_HIGH"}}),
            ("c", {}),
        )
    )
    (finding,) = check_validation(low, high, ANY)
    assert finding.message == "lines with a video have different resolutions: HIGH, LOW"
    assert (finding.code, finding.notes) == ("dataset-media", ("the training data is x",))
    assert check_validation(low, none, ANY)[0].message.endswith("LOW, none")
    assert check_validation(high, high, ANY)[0].code == "dataset-overlap"
    assert check_validation(high, run(lines(GOOD)), ANY) == ()


@pytest.mark.parametrize(
    ("examples", "code", "words"),
    [
        ([{**GOOD, "sytemInstruction": USER}], "dataset-key", "`sytemInstruction` is no"),
        ([{"contents": [turn("user", {"text": "a", "txt": 1}), MODEL]}], "dataset-key", "`txt`"),
        ([{"contents": [USER, turn("model", " ")]}], "dataset-text", "nothing but blanks"),
        ([{"contents": [turn("user", file("image/png", "gs://b/a.mp4")), MODEL]}],
         "dataset-media", "ends in `.mp4`"),
        ([{"contents": [turn("user", file("font/ttf")), MODEL]}], "dataset-media", "no type of"),
        ([{**GOOD, "generationConfig": {"mediaResolution": "BEST"}}], "dataset-media", "`BEST`"),
        ([{"contents": [turn("user", {**file("video/mp4"), "mediaResolution": {"level": "BEST"}}),
                        MODEL]}], "dataset-media", "`BEST`"),
        ([{"contents": [turn("user", {**file("video/mp4"), "media_resolution": "LOW"}), MODEL]}],
         "dataset-media", "`LOW` is no resolution"),
        (
            [
                {
                    "contents": [USER, turn("model", {"functionCall": {"name": "f"}})],
                    "tools": [{"functionDeclarations": [{"name": "g"}]}],
                }
            ],
            "dataset-tools",
            "`f` is called",
        ),
        (
            [
                {
                    "contents": [turn("user", file("video/mp4")), MODEL],
                    "generationConfig": {"mediaResolution": f"MEDIA_RESOLUTION_{level}"},
                }
                for level in ("LOW", "HIGH")
            ],
            "dataset-media",
            "different resolutions: HIGH, LOW",
        ),
    ],
)  # fmt: skip
def test_what_may_be_meant_is_a_warning(examples: list[object], code: str, words: str) -> None:
    (finding,) = run(lines(*examples)).findings
    assert (finding.code, finding.severity) == (code, Severity.WARNING)
    assert words in finding.message


def test_a_million_kinds_of_problems_are_few(tmp_path: Path) -> None:
    found = run(lines(*({**GOOD, f"key{number}": 1} for number in range(300))))
    assert len(found.findings) <= 3 * 101


def test_of_too_many_lines_the_first_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MOST", 10)
    content = lines(*map(said, range(8)), *[said(1)] * 20)
    found = check([content[at : at + 99] for at in range(0, len(content), 99)], path="x",
                  method=Method.SUPERVISED)  # fmt: skip
    assert 0 < len(found.repeats) <= 12
    (told,) = found.findings
    assert told.code == "dataset-duplicates"
    assert told.notes[-1].endswith(f"the first {len(found.repeats)} lines were compared")
    joined = Scan(method=Method.SUPERVISED, limits=ANY)
    for _ in range(4):
        part = Scan(method=Method.SUPERVISED, limits=ANY)
        part.read([lines(*map(said, range(8)))])
        joined.join(part)
    assert len(joined.repeats) <= 18, "a part is taken whole or not at all"


def test_up_to_a_twentieth_may_repeat_without_a_word() -> None:
    good = [*map(said, range(95))]
    assert run(lines(*good, *good[:5])).findings == ()
    (finding,) = run(lines(*good, *good[:6])).findings
    assert finding.code == "dataset-duplicates"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", (0, 0, 0, 0)),
        ("abcd", (4, 0, 0, 0)),
        ("größe", (3, 2, 0, 0)),
        ("東京 🗼", (1, 0, 2, 1)),
        ("Где?", (1, 3, 0, 0)),
    ],
)
def test_letters_by_their_size(text: str, counts: tuple[int, int, int, int]) -> None:
    assert letters(text) == counts
    many = text * 200
    assert letters(many) == tuple(count * 200 for count in counts), "long texts go another way"
    found = span(counts)
    assert found.low <= found.likely == likely(counts) <= found.high


def test_tokens_of_media_and_of_pairs() -> None:
    assert media_tokens("image", "LOW", None) == Tokens(low=64, likely=64, high=64)
    assert media_tokens("video", "", 10.0).likely == 2900
    assert media_tokens("audio", "", None).high == 32 * 3600
    assert media_tokens("document", "", None).low == 258
    pair = run(lines(PAIR), Method.PREFERENCE).summary
    assert pair.tokens.likely == 9, "the prompt is billed twice: 12 * 2 + 6 + 6"
    picture = {"contents": [turn("user", file("image/png"), "What?"), MODEL]}
    assert run(lines(picture)).summary.tokens.likely == 256 + 3
    assert run(lines(picture)).summary.multimodal == 1
    assert run(lines(GOOD)).summary.estimate.tokens.times(3).likely == 15


def test_a_distribution_of_many_numbers() -> None:
    found = distribution(range(1, 101))
    assert (found.low, found.p5, found.median, found.p95, found.high) == (1, 5, 50, 95, 100)
    assert (found.mean, found.total, found.count) == (50.5, 5050, 100)
    assert sum(bucket.count for bucket in found.buckets) == 100
    assert distribution(()).buckets == ()
    (only,) = distribution([7, 7]).buckets
    assert (only.low, only.high, only.count) == (7, 7, 2)


def test_a_difference_is_by_what_examples_say() -> None:
    spelled = json.dumps(said(1), indent=None, separators=(",", ":")).encode() + b"\n"
    other = {"contents": [turn("user", "Is 2 a number?"), turn("model", "It is. Always.")]}
    old, new = lines(said(1), said(2), said(3), said(3)), spelled + lines(said(3), other, said(4))
    found = compare([old], [new], Method.SUPERVISED)
    assert (found.added, found.removed, found.changed, found.unchanged) == (1, 1, 1, 2)
    (changed,) = found.first["changed"]
    assert (changed.before, changed.after, changed.tokens) == (2, 3, 2)
    (removed,) = found.first["removed"]
    assert (removed.before, removed.words) == (4, "Is 3 a number?")
    assert not found.is_empty
    swapped = {**PAIR, "completions": [*reversed(PAIR["completions"])]}
    pairs = compare([lines(PAIR)], [lines(swapped)], Method.PREFERENCE)
    assert (pairs.changed, pairs.added) == (1, 0)


def test_both_spellings_of_a_field_say_the_same() -> None:
    picture = {"mimeType": "image/png", "fileUri": "gs://b/my_file"}
    call = {"functionCall": {"name": "f", "args": {"my_key": 1}}}
    asked = turn("user", {"fileData": picture}, "a_b?")
    one = {"contents": [asked, turn("model", call)], "systemInstruction": turn(None, "x_y")}
    snake = json.dumps(one)
    for camel, other in (
        ("systemInstruction", "system_instruction"),
        ("fileData", "file_data"),
        ("mimeType", "mime_type"),
        ("fileUri", "file_uri"),
        ("functionCall", "function_call"),
    ):
        snake = snake.replace(f'"{camel}"', f'"{other}"')
    assert compare([lines(one)], [snake.encode()], Method.SUPERVISED).is_empty
    users = snake.replace("my_key", "myKey").encode()
    assert compare([lines(one)], [users], Method.SUPERVISED).changed == 1


def test_a_pair_is_as_long_as_its_longer_answer_rounded_once() -> None:
    one, two = turn("model", "a" * 29), turn("model", "a" * 20 + "𐀀𐀀")
    pair = {"contents": [turn("user", "0")], "completions": [answer(1, one), answer(0, two)]}
    weight = weigh(pair, Method.PREFERENCE)
    found = measure_preference(lines(pair).rstrip())
    assert found == (weight.billed, weight.tokens, weight.turns)
    assert weight.tokens == 9, "1 + 20 letters at 0.25, two at 1.5, rounded up"


def test_ordinary_lines_are_read_once_and_only_the_fast_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counts stand for seconds: whatever sends ordinary lines the slow way is seen here."""
    slow, fast, passed = [], [], []
    monkeypatch.setattr(scan, "read_example", lambda text, ended: slow.append(text) or GOOD)
    read = scan.MEASURES[Method.SUPERVISED]
    counted = {Method.SUPERVISED: lambda line: fast.append(line) or read(line)}
    monkeypatch.setattr(scan, "MEASURES", counted)
    ordinary = [
        GOOD,
        {**GOOD, "systemInstruction": turn("system", "Be brief.")},
        {"contents": [turn("user", 'Größe? "a": 東京 \\'), MODEL, USER, MODEL]},
    ]
    content = lines(*(one for _ in range(200) for one in ordinary))
    pieces = [content[at : at + 1000] for at in range(0, len(content), 1000)]
    check((passed.append(one) or one for one in pieces), path="x", method=Method.SUPERVISED)
    assert (len(slow), len(fast), passed) == (0, 600, pieces)


def test_a_key_twice_among_many_is_found_at_once() -> None:
    """Once a search for each key: 300,000 of them took minutes."""
    keys = b", ".join(b'"k%d": 1' % number for number in range(50_000))
    (finding,) = run(b"{" + keys + b', "k49999": 1}').findings
    assert finding.message == "the key `k49999` is given twice in one object"
