"""Dataset files and what is to be said of them: one table that judges our checks and the emulator.

The two share no code and no limits. A case is refused at `line` (0 stands for the file as a whole)
and at `where`, a path within the example; or it is not refused, whatever warnings there are.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

USER = {"role": "user", "parts": [{"text": "Where is it?"}]}
MODEL = {"role": "model", "parts": [{"text": "There."}]}
GOOD = {"contents": [USER, MODEL]}


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    content: bytes
    method: str = "supervised"
    refused: bool = False
    line: int = 0
    where: str = ""


def turn(role: str | None, *parts: Any) -> dict[str, Any]:
    held = [part if isinstance(part, dict) else {"text": part} for part in parts]
    return {"parts": held} if role is None else {"role": role, "parts": held}


def file(mime_type: str, uri: str = "gs://b/file") -> dict[str, Any]:
    return {"fileData": {"mimeType": mime_type, "fileUri": uri}}


def answer(score: Any, completion: Any = MODEL) -> dict[str, Any]:
    return {"score": score, "completion": completion}


PAIR = {"contents": [USER], "completions": [answer(1), answer(0)]}
CALL = {"functionCall": {"name": "stock", "args": {"sku": "77"}}}
RESPONSE = {"functionResponse": {"name": "stock", "response": {"left": 3}}}
TOOLS = [{"functionDeclarations": [{"name": "stock", "parameters": {"type": "OBJECT"}}]}]


def asked(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"contents": [turn("user", *parts), MODEL], **more}


def nested(depth: int) -> dict[str, Any]:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


TAKEN: dict[str, Any] = {
    "a question and its answer": GOOD,
    "several turns": {"contents": [USER, MODEL, USER, MODEL]},
    "a system instruction": {**GOOD, "systemInstruction": turn("system", "Be brief.")},
    "the other spelling": {**GOOD, "system_instruction": turn(None, "Be brief.")},
    "no system instruction, said so": {**GOOD, "systemInstruction": None},
    "an empty answer": {"contents": [USER, turn("model", "")]},
    "two turns of one role": {"contents": [USER, USER, MODEL]},
    "a field that nobody knows": {**GOOD, "id": 7},
    "other scripts": asked("Wo ist 東京? Где Москва? 🗼"),
    "an image": asked(file("image/jpeg", "gs://b/1.jpg"), "Which defect?"),
    "an image by its address": asked(file("image/png", "https://example.org/1.png"), "What?"),
    "a sound": asked(file("audio/mpeg", "gs://b/call.mp3"), "Sum it up."),
    "a piece of a video": asked(
        {**file("video/mp4"), "videoMetadata": {"startOffset": "5s", "endOffset": "25s"}},
        "Does the belt stop?",
        generationConfig={"mediaResolution": "MEDIA_RESOLUTION_LOW"},
    ),
    "a document": asked(
        {**file("application/pdf"), "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"}}, "When?"
    ),
    "the other spelling of a file": asked(
        {"file_data": {"mime_type": "image/png", "file_uri": "gs://b/x"}}
    ),
    "a file in the line": asked({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}),
    "thirty images": asked(*[file("image/png")] * 30),
    "a call to learn": {"contents": [USER, turn("model", CALL)], "tools": TOOLS},
    "two calls at once": {"contents": [USER, turn("model", CALL, CALL)], "tools": TOOLS},
    "a call and its answer": {
        "contents": [USER, turn("model", CALL), turn(None, RESPONSE), MODEL],
        "tools": TOOLS,
    },
    "the role of a function": {
        "contents": [USER, turn("model", CALL), turn("function", RESPONSE), MODEL]
    },
    "an answer that the user brings": {
        "contents": [USER, turn("model", CALL), turn("user", RESPONSE), MODEL], "tools": TOOLS,
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    },
    "an answer without anything": {"contents": [
        USER, turn("model", {"functionCall": {"name": "now"}}),
        turn(None, {"functionResponse": {"name": "now"}}), MODEL]},
    "a thought": {"contents": [USER, turn("model", {"text": "Hm.", "thought": True}, "There.")]},
    "no tools, said so": {**GOOD, "tools": None},
    "empty tools": {**GOOD, "tools": []},
    "settings, said to be none": {**GOOD, "generationConfig": None},
    "line separators in a text": asked("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\r\nh\x00"),
    "a text of one emoji": asked("\U0001f5fc"),
    "a number of 4,000 digits": {"contents": [USER, turn("model", {"functionCall": {
        "name": "f", "args": {"n": int("9" * 4000)}}})]},
    "a hundred levels": {"contents": [USER, turn("model", _deep := {"functionCall": {
        "name": "f", "args": nested(92)}})]},
}  # fmt: skip

TAKEN_PAIRS: dict[str, Any] = {
    "two answers": PAIR,
    "the preferred one last": {"contents": [USER], "completions": [answer(0), answer(1)]},
    "scores with a point": {"contents": [USER], "completions": [answer(1.0), answer(0.0)]},
    "scores of two forms": {"contents": [USER], "completions": [answer(1), answer(0.0)]},
    "tools beside": {**PAIR, "tools": TOOLS},
    "an answer of several parts": {
        **PAIR,
        "completions": [answer(1, turn("model", "a", "b")), answer(0)],
    },
    "a talk before": {**PAIR, "contents": [USER, MODEL, USER]},
    "an instruction": {**PAIR, "system_instruction": turn(None, "You are a clerk.")},
}

REFUSED: dict[str, tuple[Any, str]] = {
    "no contents": ({"a": 1}, ""),
    "empty contents": ({"contents": []}, "contents"),
    "contents that are nothing": ({"contents": None}, "contents"),
    "contents that are an object": ({"contents": {}}, "contents"),
    "the chat format": ({"messages": [{"role": "user", "content": "x"}]}, "messages"),
    "the PaLM format": ({"input_text": "a", "output_text": "b"}, "input_text"),
    "prompt and completion": ({"prompt": "a", "completion": "b"}, "prompt"),
    "chosen and rejected": ({"chosen": "a", "rejected": "b"}, "chosen"),
    "question and answer": ({"question": "a", "answer": "b"}, "question"),
    "a request for a batch prediction": ({"request": GOOD}, "request"),
    "the ShareGPT format": ({"conversations": [{"from": "human", "value": "x"}]}, "conversations"),
    "code to run": (asked({"executableCode": {"language": "PYTHON", "code": "1"}}),
                    "contents[0].parts[0]"),
    "parts that are nothing": ({"contents": [{"role": "user", "parts": None}, MODEL]},
                               "contents[0].parts"),
    "a role that is nothing": ({"contents": [{**USER, "role": None}, MODEL]}, "contents[0]"),
    "the role of a function, with text": ({"contents": [turn("function", "x"), MODEL]},
                                          "contents[0].role"),
    "an instruction without parts": ({**GOOD, "systemInstruction": {}}, "systemInstruction.parts"),
    "an instruction that is a list": ({**GOOD, "systemInstruction": [USER]}, "systemInstruction"),
    "a call that is nothing": ({"contents": [USER, turn("model", {"functionCall": None})]},
                               "contents[1].parts[0].functionCall"),
    "a file that is nothing": (asked({"fileData": None}), "contents[0].parts[0].fileData"),
    "a turn that is text": ({"contents": ["x", MODEL]}, "contents[0]"),
    "a turn without parts": ({"contents": [{"role": "user"}, MODEL]}, "contents[0].parts"),
    "empty parts": ({"contents": [turn("user"), MODEL]}, "contents[0].parts"),
    "parts that are text": ({"contents": [{"role": "user", "parts": "x"}, MODEL]},
                            "contents[0].parts"),
    "the role assistant": ({"contents": [USER, turn("assistant", "x")]}, "contents[1].role"),
    "the role system": ({"contents": [turn("system", "x"), USER, MODEL]}, "contents[0].role"),
    "a role that is a list": ({"contents": [{**USER, "role": ["user"]}, MODEL]},
                              "contents[0].role"),
    "a role in capitals": ({"contents": [turn("USER", "x"), MODEL]}, "contents[0].role"),
    "no role": ({"contents": [turn(None, "x"), MODEL]}, "contents[0]"),
    "the last turn is the user's": ({"contents": [USER]}, "contents[0]"),
    "the last turn is a function's": (
        {"contents": [USER, turn("model", CALL), turn(None, RESPONSE)], "tools": TOOLS},
        "contents[2]",
    ),
    "a part that is empty": (asked({}), "contents[0].parts[0]"),
    "a part that is a list": (asked({"text": "x"}, {"y": 1}), "contents[0].parts[1]"),
    "a part of two things": (asked({"text": "x", **file("image/png")}), "contents[0].parts[0]"),
    "a part in both spellings": (asked({"fileData": {"mimeType": "image/png",
                                                     "fileUri": "gs://b/x"},
                                        "file_data": {}}), "contents[0].parts[0]"),
    "an address in both spellings": (
        asked({"fileData": {"mimeType": "image/png", "fileUri": "gs://b/x", "file_uri": "gs://b/y"}}),
        "contents[0].parts[0].fileData.file_uri"),
    "a type in both spellings": (
        asked({"inlineData": {"mimeType": "image/png", "mime_type": "image/png", "data": "AAAA"}}),
        "contents[0].parts[0].inlineData.mime_type"),
    "a piece in both spellings": (
        asked({**file("video/mp4"), "videoMetadata": {}, "video_metadata": {}}),
        "contents[0].parts[0].video_metadata"),
    "settings in both spellings": (
        {**GOOD, "generation_config": {}, "generationConfig": {}}, "generationConfig"),
    "a choice of tools in both spellings": (
        {**GOOD, "tool_config": {}, "toolConfig": {}}, "toolConfig"),
    "text that is a number": (asked({"text": 1}), "contents[0].parts[0].text"),
    "text that is nothing": (asked({"text": None}), "contents[0].parts[0].text"),
    "a file without an address": (asked({"fileData": {"mimeType": "image/png"}}),
                                  "contents[0].parts[0].fileData.fileUri"),
    "a file of this machine": (asked(file("image/png", "/data/x.png")),
                               "contents[0].parts[0].fileData.fileUri"),
    "a file without a type": (asked({"fileData": {"fileUri": "gs://b/x"}}),
                              "contents[0].parts[0].fileData"),
    "a file that is text": (asked({"fileData": "gs://b/x"}), "contents[0].parts[0].fileData"),
    "a file in the line, not base64": (
        asked({"inlineData": {"mimeType": "image/png", "data": "<svg>"}}),
        "contents[0].parts[0].inlineData.data",
    ),
    "a file in the line, without a type": (asked({"inlineData": {"data": "AAAA"}}),
                                           "contents[0].parts[0].inlineData"),
    "a call without a name": ({"contents": [USER, turn("model", {"functionCall": {"args": {}}})]},
                              "contents[1].parts[0].functionCall"),
    "a call with a list": (
        {"contents": [USER, turn("model", {"functionCall": {"name": "f", "args": []}})]},
        "contents[1].parts[0].functionCall.args",
    ),
    "an answer that is text": (
        {"contents": [USER, turn(None, {"functionResponse": {"name": "f", "response": "x"}}),
                      MODEL]},
        "contents[1].parts[0].functionResponse.response",
    ),
    "tools that are an object": ({**GOOD, "tools": {}}, "tools"),
    "tools of texts": ({**GOOD, "tools": ["stock"]}, "tools"),
    "settings that are text": ({**GOOD, "generationConfig": "LOW"}, "generationConfig"),
    "an instruction that is text": ({**GOOD, "systemInstruction": "x"}, "systemInstruction"),
    "an instruction in both spellings": (
        {**GOOD, "systemInstruction": USER, "system_instruction": USER}, "system_instruction"),
    "a preference example": ({**GOOD, "completions": PAIR["completions"]}, "completions"),
    "a hundred and one levels": (
        {"contents": [USER, turn("model", {"functionCall": {"name": "f", "args": nested(95)}})]},
        "",
    ),
}  # fmt: skip

REFUSED_PAIRS: dict[str, tuple[Any, str]] = {
    "no completions": ({"contents": [USER]}, "completions"),
    "completions that are an object": ({**PAIR, "completions": {}}, "completions"),
    "one completion": ({**PAIR, "completions": [answer(1)]}, "completions"),
    "three completions": ({**PAIR, "completions": [answer(1), answer(0), answer(0)]},
                          "completions"),
    "two that are preferred": ({**PAIR, "completions": [answer(1), answer(1)]}, "completions"),
    "a score between": ({**PAIR, "completions": [answer(1), answer(0.7)]},
                        "completions[1].score"),
    "scores that are yes and no": ({**PAIR, "completions": [answer(True), answer(False)]},
                                   "completions[0].score"),
    "scores that are texts": ({**PAIR, "completions": [answer("1"), answer("0")]},
                              "completions[0].score"),
    "no score": ({**PAIR, "completions": [answer(1), {"completion": MODEL}]},
                 "completions[1].score"),
    "a completion of several turns": ({**PAIR, "completions": [answer(1, [MODEL]), answer(0)]},
                                      "completions[0]"),
    "a completion by the user": ({**PAIR, "completions": [answer(1), answer(0, USER)]},
                                 "completions[1].completion.role"),
    "the prompt ends with the model": ({**PAIR, "contents": [USER, MODEL]}, "contents[1]"),
    "an image in the prompt": ({**PAIR, "contents": [turn("user", file("image/png"))]},
                               "contents[0].parts[0]"),
    "a call as an answer": ({**PAIR, "completions": [answer(1, turn("model", CALL)), answer(0)]},
                            "completions[0].completion.parts[0]"),
    "an image in the instruction": ({**PAIR, "systemInstruction": turn(None, file("image/png"))},
                                    "systemInstruction.parts[0]"),
    "a supervised example": (GOOD, "contents[1]"),
}  # fmt: skip

LARGE = {"contents": [turn("user", "word " * 200_000), MODEL]}
"""Some 250,000 tokens: twice of what is allowed, by anybody's estimate."""

LONG = "x" * (8 << 20)

RAW: dict[str, tuple[bytes, int | None]] = {
    "not JSON": (b"{not json\n", 1),
    "a list": (b'["a"]\n{}', 0),
    "a text": (b'"text"\n', 1),
    "the same key twice": (b'{"contents": [], "contents": []}\n', 1),
    "the same key twice in a part": (
        json.dumps(GOOD).encode().replace(b'{"text"', b'{"text": "b", "text"', 1), 1),
    "the same key twice, escaped": (
        json.dumps(GOOD).encode().replace(b'{"text"', b'{"t\\u0065xt": "b", "text"', 1), 1),
    "the same key twice, with a blank": (
        json.dumps(GOOD).encode().replace(b'{"text"', b'{"text" : "b", "text"', 1), 1),
    "NaN": (b'{"contents": NaN}\n', 1),
    "infinity": (b'{"contents": -Infinity}\n', 1),
    "a number of 5,000 digits": (b'{"a": ' + b"9" * 5000 + b"}\n", 1),
    "bytes that are not UTF-8": (json.dumps(GOOD).encode().replace(b"There", b"Th\xe9re"), 1),
    "half a character": (json.dumps(GOOD).encode().replace(b"There", b"\\ud800"), 1),
    "half a character, encoded": (json.dumps(GOOD).encode().replace(b"There", b"\xed\xa0\x80"), 1),
    "a NUL": (json.dumps(GOOD).encode().replace(b"There", b"\x00"), 1),
    "lines that end in CR alone": ((json.dumps(GOOD).encode() + b"\r") * 2, 1),
    "a line separator behind an example": (json.dumps(GOOD).encode() + "\u2028\n".encode(), 1),
    "a form feed behind an example": (json.dumps(GOOD).encode() + b"\x0c\n", 1),
    "a mark on the second line": (
        json.dumps(GOOD).encode() + b"\n\xef\xbb\xbf" + json.dumps(GOOD).encode(), 2),
    "a line of a form feed": (json.dumps(GOOD).encode() + b"\n\x0c\n", None),
    "an example with a comma behind it": (json.dumps(GOOD).encode() + b",\n", 1),
    "a comment": (b"// examples\n" + json.dumps(GOOD).encode() + b"\n", 1),
    "single quotes": (str(GOOD).encode() + b"\n", 1),
    "two formats": (json.dumps(GOOD).encode() + b'\n{"messages": []}\n', 2),
    "100,000 brackets": (b"[" * 100_000, 0),
    "100,000 objects": (b'{"a":' * 100_000, 1),
    "two examples on a line": (json.dumps(GOOD).encode() * 2 + b"\n", 1),
    "an example over two lines": (json.dumps(GOOD).encode().replace(b", ", b",\n", 1), 1),
    "one example spread over lines": (json.dumps(GOOD, indent=1).encode(), 0),
    "a comma too many": (json.dumps(GOOD).encode().replace(b"]}", b"],}", 1), 1),
    "a last line that is cut off": (json.dumps(GOOD).encode() + b'\n{"contents": [{"ro', 2),
    "a line past 8 MiB": (json.dumps(asked(LONG)).encode(), 1),
    "nothing": (b"", 0),
    "blank lines": (b"\n \r\n\n", 0),
    "gzip": (b"\x1f\x8b\x08\x00abc\n", 0),
    "Parquet": (b"PAR1\x15\x04\n", 0),
    "UTF-16": (b"\xff\xfe" + json.dumps(GOOD).encode("utf-16-le"), 0),
    "UTF-16 without a mark": (json.dumps(GOOD).encode("utf-16-le"), 0),
    "a JSON array": (json.dumps([GOOD]).encode(), 0),
    "CSV": (b'prompt,completion\n"a","b"\n', 0),
    "a mark and CRLF": (b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n", None),
    "no line feed at the end": (json.dumps(GOOD).encode(), None),
    "blank lines between": (b"\n" + json.dumps(GOOD).encode() + b"\n\n", None),
    "keys with blanks": (json.dumps(GOOD, separators=(" , ", " : ")).encode(), None),
    "a text that looks like keys": (json.dumps(asked('{"a": 1, "a": 2}, "text": \\')).encode(),
                                    None),
    "a tenth too large": (b"\n".join(
        json.dumps(one).encode() for one in [*[GOOD] * 9, LARGE]), None),
    "more than a tenth too large": (b"\n".join(
        json.dumps(one).encode() for one in [*[GOOD] * 8, LARGE]), 0),
    "too many images": (json.dumps(asked(*[file("image/png")] * 31)).encode(), 0),
    "two videos": (json.dumps(asked(*[file("video/mp4")] * 2)).encode(), 0),
    "two sounds": (json.dumps(asked(*[file("audio/mpeg")] * 2)).encode(), 0),
    "five documents": (json.dumps(asked(*[file("application/pdf")] * 5)).encode(), 0),
    "a video of six minutes": (json.dumps(asked(
        {**file("video/mp4"), "videoMetadata": {"endOffset": "360s"}})).encode(), 0),
    "a video of six minutes, low by itself": (json.dumps(asked(
        {**file("video/mp4"), "videoMetadata": {"endOffset": "360s"},
         "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}})).encode(), None),
    "a video of six minutes, in the other spelling": (json.dumps(asked(
        {**file("video/mp4"), "video_metadata": {"end_offset": "360.5s", "start_offset": "1s"}},
        )).encode(), 0),
    "a video of half an hour, low": (json.dumps(asked(
        {**file("video/mp4"), "videoMetadata": {"endOffset": "1800s"}},
        generation_config={"media_resolution": "MEDIA_RESOLUTION_LOW"})).encode(), 0),
    "a piece of a video that is no time": (json.dumps(asked(
        {**file("video/mp4"), "videoMetadata": {"endOffset": "1e9s"}})).encode(), None),
    "six minutes of what is no video": (json.dumps(asked(
        {**file("image/png"), "videoMetadata": {"endOffset": "360s"}})).encode(), None),
    "a video of six minutes, low": (json.dumps(asked(
        {**file("video/mp4"), "videoMetadata": {"endOffset": "360s"}},
        generationConfig={"mediaResolution": "MEDIA_RESOLUTION_LOW"})).encode(), None),
}  # fmt: skip
"""Whole files, and the line at which they are refused: None for those that are not."""


def every_case() -> Iterator[Case]:
    for method, first, taken, refused in (
        ("supervised", GOOD, TAKEN, REFUSED),
        ("preference", PAIR, TAKEN_PAIRS, REFUSED_PAIRS),
    ):
        for name, example in taken.items():
            content = json.dumps(example, ensure_ascii=False).encode()
            yield Case(name=name, content=content, method=method)
        for name, (example, where) in refused.items():
            lines = [json.dumps(one).encode() + b"\n" for one in (first, example, first)]
            yield Case(
                name=name,
                content=b"".join(lines),
                method=method,
                refused=True,
                line=2,
                where=where,
            )
    for name, (content, line) in RAW.items():
        yield Case(name=name, content=content, refused=line is not None, line=line or 0)


CASES = tuple(every_case())
