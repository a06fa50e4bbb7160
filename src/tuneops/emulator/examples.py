"""One line of a dataset: is it an example of its method, and how large is it.

The formats are those of the supervised and the preference data pages. A misfit is told with
what was expected; a good line becomes its measurements.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PART_KINDS = (
    "text",
    "fileData",
    "file_data",
    "functionCall",
    "function_call",
    "functionResponse",
    "function_response",
    "inlineData",
    "inline_data",
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
}


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
        return None


def supervised_example(line: Mapping[str, Any]) -> Example:
    """Read a line of a supervised dataset: turns that end with the model's answer."""
    contents = _contents(line)
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
    if any("text" not in part for turn in [*prompt, *completions] for part in turn["parts"]):
        raise Misfit("preference examples hold text parts only.")
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
    scores = tuple(entry.get("score") for entry in entries)
    if any(isinstance(score, bool) for score in scores) or sorted(map(repr, scores)) not in (
        ["0", "1"],
        ["0.0", "1.0"],
    ):
        raise Misfit("one completion must have the score 1 and the other the score 0.")
    return turns, tuple(int(score) for score in scores)


def _contents(line: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    contents = line.get("contents")
    if contents is None:
        for key, hint in _OTHER_FORMATS.items():
            if key in line:
                raise Misfit(f"the line has `{key}` instead of `contents`; {hint}.")
    if not isinstance(contents, list) or not contents:
        raise Misfit("`contents` must be a list with at least one entry.")
    return [_turn(turn, f"contents[{at}]", strict=True) for at, turn in enumerate(contents)]


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
    if not isinstance(part, dict) or not any(kind in part for kind in _PART_KINDS):
        raise Misfit(f"`{where}` must hold text, fileData, functionCall or functionResponse.")
    if "text" in part and not isinstance(part["text"], str):
        raise Misfit(f"`{where}.text` must be text.")
    file = part.get("fileData", part.get("file_data"))
    if file is None:
        return
    uri = file.get("fileUri", file.get("file_uri")) if isinstance(file, dict) else None
    if not isinstance(uri, str) or not uri.startswith(("gs://", "http://", "https://")):
        raise Misfit(f"`{where}.fileData.fileUri` must be a gs:// or http(s) address.")
    if not isinstance(file.get("mimeType", file.get("mime_type")), str):
        raise Misfit(f"`{where}.fileData.mimeType` is missing.")


def _instruction(line: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    instruction = line.get("systemInstruction", line.get("system_instruction"))
    return () if instruction is None else (_turn(instruction, "systemInstruction"),)


def _media_types(line: Mapping[str, Any]) -> Iterator[str]:
    for turn in line["contents"]:
        for part in turn["parts"]:
            file = part.get("fileData", part.get("file_data"))
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
