"""Formats that are not the service's: known by their keys, and turned into it where that is exact.

Nothing is guessed: what has no place in the service's format makes a line `Unconvertible`.
"""

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tuneops.datasets import chats
from tuneops.datasets.chats import Placed, Unconvertible, text_of
from tuneops.datasets.problems import Path, shown

_SHOWN, _DROPS = 5, 20
_INPUT = frozenset(("messages", "tools", "parallel_tool_calls"))
_KNOWN = (
    "known are chat messages, prompt/completion, question/answer, instruction/output and "
    "chosen/rejected: bring it into one of those"
)

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
        raise Unconvertible("none of the formats that are known", (), _KNOWN)
    _refuse_more(line, found.keys)
    return found.convert(line)


def _refuse_more(line: Fields, known: frozenset[str], path: Path = ()) -> None:
    """Refuse what a format has no place for, all of it at once; what is empty says nothing."""
    more = [key for key in line if key not in known and line[key] not in (None, [], {})]
    if more:
        words = ", ".join(map(shown, more[:_SHOWN])) + (", …" if len(more) > _SHOWN else "")
        drops = " ".join(f"--drop {shlex.quote(key)}" for key in more[:_DROPS])
        raise Unconvertible(
            f"{words} {'has' if len(more) == 1 else 'have'} no place in the service's format",
            (*path, more[0]),
            f"where nothing is to be learnt from it: {drops}" if not path else chats.MEND,
        )


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
    messages = chats.listed(line, "messages")
    if any(isinstance(item, dict) and "author" in item for item in messages):
        return _palm_chat(line)
    if line.get("context"):
        raise Unconvertible("`context` stands beside messages that have no `author`", ("context",))
    tools, functions = line.get("tools") or [], line.get("functions") or []
    if tools and functions:
        raise Unconvertible("`tools` and `functions` say the same: give one", ("functions",))
    talk = [*_system(line), *chats.placed(messages, "messages")]
    return chats.chat(talk, tools=tools or functions)


def _system(line: Fields, key: str = "system") -> list[Placed]:
    """What a key beside the messages has the system say."""
    return [((key,), {"role": "system", "content": text_of(line, key)})] if line.get(key) else []


def _palm_chat(line: Fields) -> Example:
    names = {"user": "user", "bot": "assistant", "assistant": "assistant"}
    messages = _system(line, "context")
    for path, item in chats.placed(line["messages"], "messages"):
        author = item.get("author") if isinstance(item, dict) else None
        if not isinstance(author, str) or author not in names:
            raise Unconvertible(f"the author {shown(author)}", path)
        messages.append((path, {"role": names[author], "content": item.get("content")}))
    return chats.chat(messages, tools=None)


def _conversations(line: Fields) -> Example:
    spoken = _spoken(chats.placed(line["conversations"], "conversations"))
    return chats.chat([*_system(line), *spoken], tools=None)


def _spoken(items: Iterable[Placed]) -> list[Placed]:
    """Messages that say `from` and `value`, as they are named elsewhere."""
    names = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
    names["system"] = "system"
    messages = []
    for path, item in items:
        who = item.get("from") if isinstance(item, dict) else None
        role = names.get(who) if isinstance(who, str) else None
        if role is None:
            raise Unconvertible(f"the speaker {shown(who)}", path)
        if not isinstance(item.get("value"), str):
            what = shown(item.get("value"))
            raise Unconvertible(f"`value` must be text, not {what}", (*path, "value"))
        messages.append((path, {"role": role, "content": item["value"]}))
    return messages


def _instruction(line: Fields) -> Example:
    beside = "context" if "context" in line else "input"
    question, more = text_of(line, "instruction"), line.get(beside) or ""
    if not isinstance(more, str):
        raise Unconvertible(f"`{beside}` is not text", (beside,))
    if more:
        question = f"{question}\n\n{more}"
    answer = chats.turn("model", text_of(line, "response" if "response" in line else "output"))
    example: Example = {"contents": [chats.turn("user", question), answer]}
    return chats.instructed(example, [line["system"]] if line.get("system") else [])


def _prompt(line: Fields) -> Example:
    answer = "completion" if "completion" in line else "response"
    if isinstance(line["prompt"], list):
        asked, said = line["prompt"], chats.listed(line, answer)
        talk = [*_system(line), *chats.placed(asked, "prompt"), *chats.placed(said, answer)]
        return chats.chat(talk, tools=line.get("tools"))
    system = [line["system"]] if line.get("system") else []
    return chats.instructed(_pair(line, "prompt", answer), system)


def _chosen(line: Fields) -> Example:
    asked, chosen, rejected = _asked(line), _answers(line, "chosen"), _answers(line, "rejected")
    if asked is None or len(chosen) > 1:  # the answers repeat what was asked
        repeated, other = chosen[:-1], rejected[:-1]
        if _said(repeated) != _said(other):
            raise Unconvertible("`chosen` and `rejected` answer different prompts", ("rejected",))
        if not repeated:
            message = "there is no `prompt`, and `chosen` does not repeat one"
            raise Unconvertible(message, (), "give `prompt`, or lists of messages as answers")
        if asked is not None and _said(asked) not in (_said(repeated), _heard(repeated)):
            raise Unconvertible("`chosen` answers another prompt than `prompt`", ("chosen",))
        asked, chosen, rejected = repeated, chosen[-1:], rejected[-1:]
    example = chats.chat([*_system(line), *asked], tools=None)
    return _compared(example, chosen=chosen, rejected=rejected)


def _said(messages: Iterable[Placed]) -> list[Any]:
    return [message for _, message in messages]


def _heard(messages: Iterable[Placed]) -> list[Any]:
    """What is said, without what the system says."""
    return [
        message
        for message in _said(messages)
        if not (isinstance(message, dict) and message.get("role") == "system")
    ]


def _asked(line: Fields) -> list[Placed] | None:
    """What was asked, as messages; None where only the answers repeat it."""
    if "conversations" in line:
        return _spoken(chats.placed(line["conversations"], "conversations"))
    key = "prompt" if line.get("prompt") is not None else "question"
    prompt = line.get(key)
    if prompt is None:
        return None
    if isinstance(prompt, list):
        return chats.placed(prompt, key)
    return [((key,), {"role": "user", "content": text_of(line, key)})]


def _answers(line: Fields, key: str) -> list[Placed]:
    """An answer, as messages, whether it is text, a message, or a list of them."""
    match line.get(key):
        case str() as text:
            return [((key,), {"role": "assistant", "content": text})]
        case {"from": _} as message:
            return _spoken([((key,), message)])
        case dict() as message:
            return [((key,), message)]
        case list() as messages:
            return chats.placed(messages, key)
        case _:
            raise Unconvertible("`chosen` and `rejected` must both be texts, or messages", ())


def _compared(example: Example, **answers: list[Placed]) -> Example:
    """An example with the answers that it compares, the preferred one first."""
    found = []
    for key, messages in answers.items():
        turns = chats.chat(messages, tools=None).get("contents", [])
        if len(turns) != 1 or len(messages) != 1:
            raise Unconvertible(f"`{key}` must be one turn of the model", (key,))
        found.append(turns)
    return _preferred(example, *found)


def _preferred_output(line: Fields) -> Example:
    asked = line.get("input")
    if not isinstance(asked, dict):
        raise Unconvertible(f"`input` must be an object, not {shown(asked)}", ("input",))
    _refuse_more(asked, _INPUT, ("input",))
    messages = chats.placed(asked.get("messages"), "input", "messages")
    return _compared(
        chats.chat(messages, tools=asked.get("tools")),
        preferred_output=chats.placed(line.get("preferred_output"), "preferred_output"),
        non_preferred_output=chats.placed(line.get("non_preferred_output"), "non_preferred_output"),
    )


def _request(line: Fields) -> Example:
    request = line["request"]
    if not isinstance(request, dict) or "contents" not in request:
        raise Unconvertible("`request` holds no `contents`", ("request",))
    return chats.mended(request)


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
    _format(
        "chosen",
        "the preference format of other services",
        "prompt question system conversations rejected",
        _chosen,
    ),
    _format(
        "candidate_0",
        "the preference format of PaLM models",
        "input_text candidate_1 choice",
        _candidates,
    ),
    _format(
        "messages",
        "the chat format of other services",
        "tools functions parallel_tool_calls system context",
        _messages,
    ),
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
    _format("prompt", "a prompt/completion format", "completion response system tools", _prompt),
    _format(
        "instruction",
        "an instruction/output format",
        "input context output response system",
        _instruction,
    ),
    _format(
        "question",
        "a question/answer format",
        "answer",
        lambda line: _pair(line, "question", "answer"),
    ),
    _format("request", "the format of batch predictions", "", _request),
)
