"""One line of a dataset: is it an example of its method, and how large is it.

The formats are those of the supervised and the preference data pages. A misfit is told with
what was expected; a good line becomes its measurements.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PART_FIELDS = (
    ("text", "text"),
    ("fileData", "file_data"),
    ("functionCall", "function_call"),
    ("functionResponse", "function_response"),
    ("inlineData", "inline_data"),
)
# Tokens of one file, and how many of the kind an example may have.
_MEDIA = {
    "image/": (256, 30),
    "audio/": (800, 1),
    "video/": (2000, 1),
    "application/pdf": (1000, 4),
}
_OTHER_FORMATS = {
    "messages": "that is the format of another model family",
    "input_text": "that is the format of the PaLM models",
    "prompt": "that is the format of another service",
    "chosen": "that is the format of another service",
    "conversations": "that is the format of another service",
    "question": "that is the format of another service",
    "request": "that is the format of a batch prediction",
}
_VIDEO_SECONDS = {"MEDIA_RESOLUTION_LOW": 1200}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)s")


_URL_SAFE = str.maketrans("-_", "+/")


class Misfit(Exception):
    """The line is no example; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A good line, measured; `source` is the parsed line."""

    source: Mapping[str, Any]
    input_tokens: int
    output_tokens: int
    longest: int
    billable: int
    characters: int
    messages: int
    scores: tuple[int, ...]

    def check_text_only(self) -> None:
        """Refuse a line that holds anything but text."""
        for turn in (*_instruction(self.source), *self.source["contents"]):
            if any("text" not in part for part in turn["parts"]):
                raise Misfit("this model learns from text only.")

    def too_large(self, token_limit: int) -> str | None:
        """Say why the service drops this example, if it does."""
        if self.longest > token_limit:
            return f"about {self.longest} tokens; an example may have at most {token_limit}."
        for kind, (_, limit) in _MEDIA.items():
            count = sum(1 for type in _media_types(self.source) if type.startswith(kind))
            if count > limit:
                return f"{count} files of type {kind}; an example may have at most {limit}."
        return next(_long_videos(self.source), None)


def supervised_example(line: Mapping[str, Any]) -> Example:
    """Read a line of a supervised dataset: turns that end with the model's answer."""
    contents = _contents(line)
    if "completions" in line:
        raise Misfit("`completions` belong to preference tuning, not to supervised tuning.")
    if contents[-1].get("role") != "model":
        raise Misfit("the last entry of `contents` must have the role `model`.")
    output = _tokens([contents[-1]])
    input = _tokens([*_instruction(line), *contents[:-1]])
    return Example(
        source=line,
        input_tokens=input,
        output_tokens=output,
        longest=input + output,
        billable=input + output,
        characters=_characters([*_instruction(line), *contents]),
        messages=len(contents),
        scores=(),
    )


def preference_example(line: Mapping[str, Any]) -> Example:
    """Read a line of a preference dataset: a prompt and two scored completions."""
    contents = _contents(line)
    if contents[-1].get("role") != "user":
        raise Misfit("the last entry of `contents` must have the role `user`.")
    completions, scores = _completions(line)
    prompt = [*_instruction(line), *contents]
    for name, turns in (
        ("the prompt (`contents`, `systemInstruction`)", prompt),
        ("`completions`", completions),
    ):
        if any("text" not in part for turn in turns for part in turn["parts"]):
            raise Misfit(f"{name} of a preference example may hold text parts only.")
    input = _tokens(prompt)
    outputs = [_tokens([completion]) for completion in completions]
    return Example(
        source=line,
        input_tokens=input,
        output_tokens=sum(outputs),
        longest=input + max(outputs),
        billable=2 * input + sum(outputs),
        characters=_characters([*prompt, *completions]),
        messages=len(contents),
        scores=scores,
    )


def _completions(line: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], tuple[int, ...]]:
    entries = line.get("completions")
    if not isinstance(entries, list) or len(entries) != 2:
        raise Misfit("`completions` must be a list of exactly two entries.")
    turns = []
    for at, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise Misfit(f"`completions[{at}]` must be an object.")
        turns.append(_turn(entry.get("completion"), f"completions[{at}].completion"))
        if turns[-1].get("role") != "model":
            raise Misfit(f"`completions[{at}].completion` must have the role `model`.")
    scores = [entry.get("score") for entry in entries]
    numbers = [score for score in scores if type(score) in (int, float)]
    if sorted(numbers) != [0, 1]:
        raise Misfit("one of the `completions` must have the score 1 and the other the score 0.")
    return turns, tuple(int(score) for score in numbers)


def _contents(line: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    contents = line.get("contents")
    if contents is None:
        for key, hint in _OTHER_FORMATS.items():
            if key in line:
                raise Misfit(f"the line has `{key}` instead of `contents`; {hint}.")
    if not isinstance(contents, list) or not contents:
        raise Misfit("`contents` must be a list with at least one entry.")
    tools = line.get("tools", [])
    if tools is not None and not _is_list_of_objects(tools):
        raise Misfit("`tools` must be a list of objects.")
    _one_of(line, "toolConfig", "tool_config", "")
    config = _one_of(line, "generationConfig", "generation_config", "")
    if config is not None and not isinstance(config, dict):
        raise Misfit("`generationConfig` must be an object.")
    return [_turn(turn, f"contents[{at}]", strict=True) for at, turn in enumerate(contents)]


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _one_of(fields: Mapping[str, Any], camel: str, snake: str, where: str) -> Any:
    """Read a field by either of its names; both at once are refused, as by protobuf."""
    if camel != snake and camel in fields and snake in fields:
        raise Misfit(f"`{where}{camel}` is given twice, under both of its names.")
    return fields.get(camel, fields.get(snake))


def _turn(turn: Any, where: str, *, strict: bool = False) -> Mapping[str, Any]:
    if not isinstance(turn, dict):
        raise Misfit(f"`{where}` must be an object.")
    parts = turn.get("parts")
    if not isinstance(parts, list) or not parts:
        raise Misfit(f"`{where}.parts` must be a list with at least one part.")
    for at, part in enumerate(parts):
        _check_part(part, f"{where}.parts[{at}]")
    if strict:
        _check_role(turn, where)
    return turn


def _check_role(turn: Mapping[str, Any], where: str) -> None:
    role = turn.get("role")
    if role in ("user", "model"):
        return
    responds = all("functionResponse" in p or "function_response" in p for p in turn["parts"])
    if responds and role in (None, "function"):
        return
    raise Misfit(f"`{where}.role` is {role!r}; it must be `user` or `model`.")


def _check_part(part: Any, where: str) -> None:
    given = [
        (camel, _one_of(part, camel, snake, f"{where}."))
        for camel, snake in (_PART_FIELDS if isinstance(part, dict) else ())
        if camel in part or snake in part
    ]
    if not given:
        raise Misfit(f"`{where}` must hold text, fileData, functionCall or functionResponse.")
    if len(given) > 1:
        raise Misfit(f"`{where}` holds {' and '.join(name for name, _ in given)}; only one may be.")
    _one_of(part, "videoMetadata", "video_metadata", f"{where}.")
    _one_of(part, "mediaResolution", "media_resolution", f"{where}.")
    ((name, value),) = given
    if name == "text":
        if not isinstance(value, str):
            raise Misfit(f"`{where}.text` must be text.")
        return
    if not isinstance(value, dict):
        raise Misfit(f"`{where}.{name}` must be an object.")
    if name.startswith("function"):
        _check_function(value, f"{where}.{name}", "args" if name == "functionCall" else "response")
    else:
        _check_file(value, f"{where}.{name}", inline=name == "inlineData")


def _check_function(value: Mapping[str, Any], where: str, content: str) -> None:
    if not isinstance(value.get("name"), str) or not value["name"]:
        raise Misfit(f"`{where}.name` must name the function.")
    if not isinstance(value.get(content, {}), dict):
        raise Misfit(f"`{where}.{content}` must be an object.")


def _check_file(value: Mapping[str, Any], where: str, *, inline: bool) -> None:
    if not isinstance(_one_of(value, "mimeType", "mime_type", f"{where}."), str):
        raise Misfit(f"`{where}.mimeType` is missing.")
    if inline:
        try:
            text = value["data"].translate(_URL_SAFE).rstrip("=")
            data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (KeyError, AttributeError, ValueError):
            data = b""
        if not data:
            raise Misfit(f"`{where}.data` must be base64.")
        return
    uri = _one_of(value, "fileUri", "file_uri", f"{where}.")
    if not isinstance(uri, str) or not uri.startswith(("gs://", "http://", "https://")):
        raise Misfit(f"`{where}.fileUri` must be a gs:// or http(s) address.")


def _instruction(line: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    instruction = _one_of(line, "systemInstruction", "system_instruction", "")
    return () if instruction is None else (_turn(instruction, "systemInstruction"),)


def _long_videos(line: Mapping[str, Any]) -> Iterator[str]:
    config = line.get("generationConfig", line.get("generation_config")) or {}
    whole = config.get("mediaResolution", config.get("media_resolution"))
    for turn in line["contents"]:
        for part in turn["parts"]:
            span = part.get("videoMetadata", part.get("video_metadata"))
            is_video = any(type.startswith("video/") for type in _part_types(part))
            if not is_video or not isinstance(span, dict):
                continue
            own = part.get("mediaResolution", part.get("media_resolution"))
            level = (own.get("level") if isinstance(own, dict) else None) or whole
            longest = _VIDEO_SECONDS.get(str(level), 300)
            end = _offset(span.get("endOffset", span.get("end_offset")))
            start = _offset(span.get("startOffset", span.get("start_offset"))) or 0.0
            if end is not None and end - start > longest:
                yield f"a video of {end - start} seconds; it may last {longest}."


def _offset(value: Any) -> float | None:
    """Read a duration as protobuf spells it; None when it is none."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) if found else None


def _media_types(line: Mapping[str, Any]) -> Iterator[str]:
    for turn in line["contents"]:
        for part in turn["parts"]:
            yield from _part_types(part)


def _part_types(part: Mapping[str, Any]) -> Iterator[str]:
    for camel, snake in (("fileData", "file_data"), ("inlineData", "inline_data")):
        file = part.get(camel, part.get(snake))
        if file is not None:
            yield file.get("mimeType", file.get("mime_type"))


def _characters(turns: Sequence[Mapping[str, Any]]) -> int:
    return sum(_weight(part)[0] for turn in turns for part in turn["parts"])


def _tokens(turns: Sequence[Mapping[str, Any]]) -> int:
    total = 0
    for turn in turns:
        for part in turn["parts"]:
            characters, media = _weight(part)
            total += -(-characters // 4) + media
    return max(total, 1) if turns else 0


def _weight(part: Mapping[str, Any]) -> tuple[int, int]:
    """Return the characters of a part and the tokens of its file."""
    if "text" in part:
        return len(part["text"]), 0
    file = part.get("fileData", part.get("file_data"))
    if file is None:
        return len(repr(part)), 0
    type = file.get("mimeType", file.get("mime_type"))
    return 0, next((tokens for kind, (tokens, _) in _MEDIA.items() if type.startswith(kind)), 256)
