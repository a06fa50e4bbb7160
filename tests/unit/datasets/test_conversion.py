"""What becomes of the formats of others: each line one example, or one reason."""

import json
from typing import Any

import pytest

from tests.support.dataset_cases import GOOD, MODEL, PAIR, USER, answer, file, turn
from tuneops.core.recipe import Method
from tuneops.datasets.checks import check
from tuneops.datasets.conversion import SHOWN, Conversion


class Converted(Conversion):
    out = b""


def convert(*lines: Any, dropped: tuple[str, ...] = (), method: Method | None = None) -> Converted:
    return converted(b"".join(json.dumps(line).encode() + b"\n" for line in lines), dropped, method)


def converted(
    content: bytes, dropped: tuple[str, ...] = (), method: Method | None = None
) -> Converted:
    run = Converted(path="x", method=method, dropped=dropped)
    run.out = b"".join(run.lines([content]))
    return run


def example(run: Converted) -> Any:
    assert not run.findings, run.findings
    out = run.out
    assert run.method is not None
    assert check([out], path="x", method=run.method).findings == ()
    (line,) = out.splitlines()
    return json.loads(line)


ASKED, ANSWERED = turn("user", "Hi?"), turn("model", "Ho.")
TALK = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Ho."}]
PLAIN = {"contents": [ASKED, ANSWERED]}
NO = {"role": "assistant", "content": "No."}
COMPARED = {
    "contents": [ASKED],
    "completions": [answer(1, ANSWERED), answer(0, turn("model", "No."))],
}


def image(url: str, detail: str = "auto") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": detail}}


SYSTEM = {"role": "system", "content": "Be brief."}
INSTRUCTED = {"systemInstruction": {"parts": [{"text": "Be brief."}]}}
NAMED = {"enum": ["type"], "default": {"type": "x"}}
FUNCTION = {"name": "stock", "parameters": {"type": "object", "properties": {
    "type": {"type": ["string", "null"], **NAMED}}}}  # fmt: skip
DECLARED = {"name": "stock", "parameters": {"type": "OBJECT", "properties": {
    "type": {"type": "STRING", "nullable": True, **NAMED}}}}  # fmt: skip
CALLING = [TALK[0], {"role": "assistant", "function_call": {"name": "stock", "arguments": "{}"}},
           {"role": "function", "name": "stock", "content": "3"}, TALK[1]]  # fmt: skip
CALLED = [ASKED, turn("model", {"functionCall": {"name": "stock", "args": {}}}),
          turn(None, {"functionResponse": {"name": "stock", "response": {"result": "3"}}}),
          ANSWERED]  # fmt: skip

KNOWN = [
        (GOOD, GOOD),
        (PAIR, PAIR),
        ({"messages": TALK}, PLAIN),
        ({"messages": [{"role": "developer", "content": "Be brief."}, *TALK]},
         {"systemInstruction": {"parts": [{"text": "Be brief."}]}, **PLAIN}),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi?"}]}, TALK[1]]},
         PLAIN),
        ({"context": "Be brief.", "messages": [{"author": "user", "content": "Hi?"},
                                               {"author": "bot", "content": "Ho."}]},
         {"systemInstruction": {"parts": [{"text": "Be brief."}]}, **PLAIN}),
        ({"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Ho."}]},
         PLAIN),
        ({"prompt": "Hi?", "completion": "Ho."}, PLAIN),
        ({"prompt": TALK[:1], "completion": TALK[1:]}, PLAIN),
        ({"input_text": "Hi?", "output_text": "Ho."}, PLAIN),
        ({"text_input": "Hi?", "output": "Ho."}, PLAIN),
        ({"instruction": "Hi?", "input": "", "output": "Ho."}, PLAIN),
        ({"instruction": "Hi", "input": "Bob", "output": "Ho."},
         {"contents": [turn("user", "Hi\n\nBob"), ANSWERED]}),
        ({"prompt": "Hi?", "chosen": "Ho.", "rejected": "No."}, COMPARED),
        ({"prompt": TALK[:1], "chosen": TALK[1:], "rejected": [NO]}, COMPARED),
        ({"chosen": TALK, "rejected": [TALK[0], NO]}, COMPARED),
        ({"input": {"messages": TALK[:1]}, "preferred_output": TALK[1:],
          "non_preferred_output": [NO]}, COMPARED),
        ({"input_text": "Hi?", "candidate_0": "No.", "candidate_1": "Ho.", "choice": 1}, COMPARED),
        ({"contents": [USER, turn("assistant", "x")]}, {"contents": [USER, turn("model", "x")]}),
        ({"contents": [turn("system", "s"), USER, MODEL]},
         {"systemInstruction": {"parts": [{"text": "s"}]}, "contents": [USER, MODEL]}),
        ({"messages": TALK, "system": "Be brief."}, {**INSTRUCTED, **PLAIN}),
        ({"messages": TALK, "parallel_tool_calls": False, "id": None}, PLAIN),
        ({"messages": CALLING, "functions": [FUNCTION]},
         {"contents": CALLED, "tools": [{"functionDeclarations": [DECLARED]}]}),
        ({"messages": [{"role": "user", "content": [image("gs://b/1.JPG"), {
            "type": "text", "text": "Hi?"}]}, TALK[1]]},
         {"contents": [turn("user", file("image/jpeg", "gs://b/1.JPG"), "Hi?"), ANSWERED]}),
        ({"system": "Be brief.", "prompt": "Hi?", "completion": "Ho."}, {**INSTRUCTED, **PLAIN}),
        ({"system": "Be brief.", "prompt": TALK[:1], "completion": TALK[1:]},
         {**INSTRUCTED, **PLAIN}),
        ({"question": "Hi?", "answer": "Ho."}, PLAIN),
        ({"instruction": "Hi", "context": "Bob", "response": "Ho."},
         {"contents": [turn("user", "Hi\n\nBob"), ANSWERED]}),
        ({"system": "Be brief.", "question": "Hi?", "chosen": "Ho.", "rejected": "No."},
         {**INSTRUCTED, **COMPARED}),
        ({"prompt": "Hi?", "chosen": TALK, "rejected": [TALK[0], NO]}, COMPARED),
        ({"prompt": "Hi?", "chosen": [SYSTEM, *TALK], "rejected": [SYSTEM, TALK[0], NO]},
         {**INSTRUCTED, **COMPARED}),
        ({"conversations": [{"from": "human", "value": "Hi?"}],
          "chosen": {"from": "gpt", "value": "Ho."}, "rejected": NO}, COMPARED),
        ({"input": {"messages": TALK[:1], "tools": [FUNCTION], "parallel_tool_calls": True},
          "preferred_output": TALK[1:], "non_preferred_output": [NO]},
         {**COMPARED, "tools": [{"functionDeclarations": [DECLARED]}]}),
        ({"request": PLAIN}, PLAIN),
]  # fmt: skip
FOREIGN = [line for line, _ in KNOWN]


@pytest.mark.parametrize(("line", "wanted"), KNOWN)
def test_a_format_that_is_known(line: Any, wanted: Any) -> None:
    assert example(convert(line)) == wanted


def test_calls_of_functions_are_kept() -> None:
    line = {
        "messages": [
            TALK[0],
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "a", "type": "function",
                     "function": {"name": "stock", "arguments": '{"sku": "77"}'}},
                    {"id": "b", "type": "function", "function": {"name": "now", "arguments": ""}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": '{"left": 3}'},
            {"role": "tool", "tool_call_id": "b", "content": "noon"},
            TALK[1],
        ],
        "tools": [
            {"type": "function", "function": {
                "name": "stock", "strict": True,
                "parameters": {"type": "object", "additionalProperties": False,
                               "properties": {"sku": {"type": "string"}}}}},
            {"type": "function", "function": {"name": "now", "description": "the time"}},
        ],
    }  # fmt: skip
    assert example(convert(line)) == {
        "contents": [
            ASKED,
            turn(
                "model",
                {"functionCall": {"name": "stock", "args": {"sku": "77"}}},
                {"functionCall": {"name": "now", "args": {}}},
            ),
            turn(
                None,
                {"functionResponse": {"name": "stock", "response": {"left": 3}}},
                {"functionResponse": {"name": "now", "response": {"result": "noon"}}},
            ),
            ANSWERED,
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "stock",
                        "parameters": {
                            "type": "OBJECT",
                            "properties": {"sku": {"type": "STRING"}},
                        },
                    },
                    {"name": "now", "description": "the time"},
                ]
            }
        ],
    }


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"a": 1}, "none of the formats"),
        ({"messages": TALK, "id": 7}, "`id` has no place"),
        ({"messages": "x"}, "must be a list"),
        ({"messages": [TALK[0], {**TALK[1], "weight": 0}]}, "`weight` has no place"),
        ({"messages": [*TALK, {"role": "system", "content": "x"}]}, "after the first turn"),
        ({"messages": [{"role": "critic", "content": "x"}]}, "the role `critic`"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}, TALK[1]]},
         "of the type `input_audio` is not converted"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, TALK[1]]},
         "an image is converted by its address"),
        ({"messages": [{"role": "user", "content": [image("data:image/png;base64,AAAA")]}, NO]},
         "an image is converted by its address"),
        ({"messages": [{"role": "user", "content": [image("gs://b/1.png", "low")]}, NO]},
         "the `detail` of an image"),
        ({"messages": [TALK[0], {"role": "assistant", "content": [image("gs://b/1.png")]}]},
         "of the type `image_url` is not converted"),
        ({"messages": TALK, "tools": 5}, "`tools` must be a list, not `5`"),
        ({"messages": TALK, "tools": [{"name": "f"}], "functions": [{"name": "f"}]}, "give one"),
        ({"messages": TALK, "context": "Be brief."}, "`context` stands beside"),
        ({"context": "", "messages": [{"author": "user", "content": "Hi?"}], "examples": [7]},
         "`examples` has no place"),
        ({"messages": TALK, "tools": [{"name": "f", "parameters": {"type": ["a", "b"]}}]},
         "a parameter of the type a list"),
        ({"input": {"messages": TALK[:1], "temperature": 1}, "preferred_output": TALK[1:],
          "non_preferred_output": [NO]}, "`temperature` has no place"),
        ({"input": {"messages": TALK[:1]}, "preferred_output": [SYSTEM, TALK[1]],
          "non_preferred_output": [NO]}, "must be one turn of the model"),
        ({"prompt": "Hm?", "chosen": TALK, "rejected": [TALK[0], NO]}, "another prompt"),
        ({"chosen": "Ho.", "rejected": "No."}, "there is no `prompt`"),
        ({"a": 1, "messages": TALK, "b": 2, "c": None, "d": []}, "`a`, `b` have no place"),
        ({"request": {"prompt": "x"}}, "holds no `contents`"),
        ({"messages": TALK[:1]}, "no answer to learn"),
        ({"messages": [TALK[0], {"role": "assistant", "tool_calls": [
            {"function": {"name": "f", "arguments": "{"}}]}]}, "must be a JSON object"),
        ({"prompt": "a"}, "there is no `response`"),
        ({"prompt": "a", "chosen": "b"}, "must both be texts"),
        ({"chosen": TALK, "rejected": [{"role": "user", "content": "other"}, TALK[1]]},
         "different prompts"),
        ({"input_text": "a", "candidate_0": "b", "candidate_1": "c", "choice": 2}, "0 or 1"),
        ({"contents": [USER, turn("critic", "x")]}, "not `critic`"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_line_that_cannot_be(line: Any, words: str) -> None:
    run = convert(GOOD, line)
    (finding,) = run.findings
    assert words in finding.message
    assert finding.where is not None and finding.where.line == 2
    assert finding.help
    assert (run.examples, run.refused) == (1, 1)


def test_keys_can_be_left_out_and_kinds_do_not_mix() -> None:
    assert example(convert({"messages": TALK, "id": 7}, dropped=("id",))) == PLAIN
    (finding,) = convert(PLAIN, COMPARED).findings
    assert finding.message == "this is a preference example, and the others are supervised"
    assert convert(PLAIN, method=Method.PREFERENCE).refused == 1


def test_an_array_is_taken_apart_and_other_files_are_named() -> None:
    run = converted(json.dumps([{"prompt": "Hi?", "completion": "Ho."}] * 2, indent=1).encode())
    assert run.examples == 2
    items = json.dumps([{"prompt": "Hi?", "completion": "Ho."}, {"prompt": 7}], indent=1)
    (finding,) = converted(items.encode()).findings
    assert finding.where is not None and finding.where.line == 1
    assert finding.notes == ("item 2 of the array; prompt",)
    for content, words in (
        (b"[{", "a JSON array"),
        (b'[{"a": 1, "a": 2}]', "a JSON array"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"a,b\n1,2\n", "CSV"),
    ):
        (finding,) = converted(content).findings
        assert words in finding.message and finding.help
    assert converted(b"").examples == 0
    assert converted(b"[]").examples == 0


def test_only_the_first_of_many_are_shown() -> None:
    run = convert(*[{"a": 1}] * (SHOWN + 5))
    assert (len(run.findings), run.refused) == (SHOWN, SHOWN + 5)


def test_a_number_that_no_file_can_hold_is_refused() -> None:
    run = converted(json.dumps({**GOOD, "labels": 7}).encode().replace(b"7", b"1e999"))
    assert [item.message for item in run.findings] == ["a number is too large"]
