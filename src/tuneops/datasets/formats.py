"""Formats that are not the service's: known by their keys, and turned into it where that is exact.

Nothing is guessed: what has no place in the service's format makes a line `Unconvertible`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tuneops.datasets import chats
from tuneops.datasets.chats import Unconvertible, text_of
from tuneops.datasets.problems import shown

Fields = Mapping[str, Any]
Example = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: the `key` that tells it, what people call it, every key that it has a place for."""

    key: str
    name: str
    keys: frozenset[str]
    convert: Callable[[Fields], Example]

    def matches(self, line: Fields) -> bool:
        """Say whether a line looks like this format."""
        return self.key in line


def convert(line: Fields) -> Example:
    """The same example in the service's format; Unconvertible with the reason."""
    if "contents" in line:
        return chats.mended(line)
    found = next((found for found in FORMATS if found.matches(line)), None)
    if found is None:
        raise Unconvertible("none of the formats that are known", ())
    for key in line:
        if key not in found.keys:
            raise Unconvertible(f"{shown(key)} has no place in the service's format", (key,))
    return found.convert(line)


def _pair(line: Fields, asked: str, answered: str) -> Example:
    question, answer = text_of(line, asked), text_of(line, answered)
    return {"contents": [chats.turn("user", question), chats.turn("model", answer)]}


def _preferred(prompt: Example, chosen: list[Any], rejected: list[Any]) -> Example:
    completions = [
        {"score": score, "completion": completion}
        for score, (completion,) in ((1, chosen), (0, rejected))
    ]
    return {**prompt, "completions": completions}


def _messages(line: Fields) -> Example:
    if any(isinstance(item, dict) and "author" in item for item in chats.listed(line, "messages")):
        return _palm_chat(line)
    return chats.chat(line["messages"], tools=line.get("tools"))


def _palm_chat(line: Fields) -> Example:
    names = {"user": "user", "bot": "assistant", "assistant": "assistant"}
    messages = [{"role": "system", "content": line["context"]}] if line.get("context") else []
    for at, item in enumerate(line["messages"]):
        author = item.get("author") if isinstance(item, dict) else None
        if not isinstance(author, str) or author not in names:
            raise Unconvertible(f"the author {shown(author)}", ("messages", at))
        messages.append({"role": names[author], "content": item.get("content")})
    return chats.chat(messages, tools=None)


def _conversations(line: Fields) -> Example:
    names = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
    messages = [{"role": "system", "content": line["system"]}] if line.get("system") else []
    for at, item in enumerate(chats.listed(line, "conversations")):
        who = item.get("from") if isinstance(item, dict) else None
        role = "system" if who == "system" else names.get(who) if isinstance(who, str) else None
        if role is None:
            raise Unconvertible(f"the speaker {shown(who)}", ("conversations", at))
        messages.append({"role": role, "content": item.get("value")})
    return chats.chat(messages, tools=None)


def _instruction(line: Fields) -> Example:
    question, more = text_of(line, "instruction"), line.get("input") or ""
    if not isinstance(more, str):
        raise Unconvertible("`input` is not text", ("input",))
    if more:
        question = f"{question}\n\n{more}"
    answer = chats.turn("model", text_of(line, "output"))
    example: Example = {"contents": [chats.turn("user", question), answer]}
    return chats.instructed(example, [line["system"]] if line.get("system") else [])


def _prompt(line: Fields) -> Example:
    answer = "completion" if "completion" in line else "response"
    if isinstance(line["prompt"], list):
        return chats.chat([*line["prompt"], *chats.listed(line, answer)], tools=line.get("tools"))
    return _pair(line, "prompt", answer)


def _chosen(line: Fields) -> Example:
    chosen, rejected, prompt = line["chosen"], line.get("rejected"), line.get("prompt")
    if isinstance(chosen, str) and isinstance(rejected, str):
        if isinstance(prompt, list):
            asked = chats.chat(prompt, tools=None)
        else:
            asked = {"contents": [chats.turn("user", text_of(line, "prompt"))]}
        return _preferred(asked, [chats.turn("model", chosen)], [chats.turn("model", rejected)])
    if not isinstance(chosen, list) or not isinstance(rejected, list):
        raise Unconvertible("`chosen` and `rejected` must both be texts, or lists of messages", ())
    if prompt is None:  # the answers repeat what was asked
        prompt, chosen, rejected = chosen[:-1], chosen[-1:], rejected[-1:]
        if line["chosen"][:-1] != line["rejected"][:-1]:
            raise Unconvertible("`chosen` and `rejected` answer different prompts", ("rejected",))
    elif isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    return _compared(prompt, chosen, rejected, "chosen", "rejected")


def _compared(prompt: Any, chosen: Any, rejected: Any, *keys: str) -> Example:
    answers = []
    for key, messages in zip(keys, (chosen, rejected), strict=True):
        turns = chats.chat(messages, tools=None).get("contents", [])
        if len(turns) != 1:
            raise Unconvertible(f"`{key}` must be one turn of the model", (key,))
        answers.append(turns)
    return _preferred(chats.chat(prompt, tools=None), *answers)


def _preferred_output(line: Fields) -> Example:
    asked = line.get("input")
    messages = asked.get("messages") if isinstance(asked, dict) else None
    keys = ("preferred_output", "non_preferred_output")
    return _compared(messages, line[keys[0]], line.get(keys[1]), *keys)


def _candidates(line: Fields) -> Example:
    answers = [[chats.turn("model", text_of(line, f"candidate_{at}"))] for at in (0, 1)]
    choice = line.get("choice")
    if isinstance(choice, bool) or choice not in (0, 1):
        raise Unconvertible(f"`choice` must be 0 or 1, not {shown(choice)}", ("choice",))
    prompt = {"contents": [chats.turn("user", text_of(line, "input_text"))]}
    return _preferred(prompt, answers[int(choice)], answers[1 - int(choice)])


def _format(key: str, name: str, keys: str, convert: Callable[[Fields], Example]) -> Format:
    return Format(key=key, name=name, keys=frozenset((key, *keys.split())), convert=convert)


FORMATS = (
    _format(
        "preferred_output",
        "the preference format of other services",
        "input non_preferred_output",
        _preferred_output,
    ),
    _format("chosen", "the preference format of other services", "prompt rejected", _chosen),
    _format(
        "candidate_0",
        "the preference format of PaLM models",
        "input_text candidate_1 choice",
        _candidates,
    ),
    _format("messages", "the chat format of other services", "tools context examples", _messages),
    _format("conversations", "the chat format of other services", "system", _conversations),
    _format(
        "input_text",
        "the format of PaLM models",
        "output_text",
        lambda line: _pair(line, "input_text", "output_text"),
    ),
    _format(
        "text_input",
        "an old format of Google's",
        "output",
        lambda line: _pair(line, "text_input", "output"),
    ),
    _format("prompt", "a prompt/completion format", "completion response tools", _prompt),
    _format("instruction", "an instruction/output format", "input output system", _instruction),
)


def written(example: Fields) -> bytes:
    """An example as a line of a file."""
    return json.dumps(example, ensure_ascii=False).encode() + b"\n"
