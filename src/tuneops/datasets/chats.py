"""Messages of the chat format of other services, as turns of `contents`."""

import json
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tuneops.datasets.problems import Path, shown

_ROLES = {"user": "user", "human": "user", "assistant": "model", "model": "model"}
_SYSTEM = ("system", "developer")
_ANSWERS = ("tool", "function")
_MESSAGE_KEYS = {"role", "content", "name", "tool_calls", "function_call", "tool_call_id", "weight"}
_IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
_NO_SCHEMA = ("additionalProperties", "$schema", "strict")
_AS_IT_IS = ("enum", "default", "example", "required")
MEND = "mend the line, or leave it out"


Placed = tuple[Path, Any]
"""A message, and the way to it in its line."""


class Unconvertible(ValueError):
    """A line that says what the service's format cannot; `path` leads to it, `help` out of it."""

    def __init__(self, message: str, path: Path, help: str = MEND) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.help = help


def turn(role: str, text: str) -> dict[str, Any]:
    """One turn of text."""
    return {"role": role, "parts": [{"text": text}]}


def text_of(line: Mapping[str, Any], key: str) -> str:
    """A text that must be there."""
    value = line.get(key)
    if key not in line:
        raise Unconvertible(f"there is no `{key}`", ())
    if not isinstance(value, str):
        raise Unconvertible(f"`{key}` must be text, not {shown(value)}", (key,))
    return value


def listed(line: Mapping[str, Any], key: str) -> list[Any]:
    """A list that must be there."""
    value = line.get(key)
    if not isinstance(value, list):
        raise Unconvertible(f"`{key}` must be a list, not {shown(value)}", (key,))
    return value


def instructed(example: dict[str, Any], texts: Sequence[Any]) -> dict[str, Any]:
    """An example with its system instruction in front."""
    if not texts:
        return example
    if not all(isinstance(text, str) for text in texts):
        raise Unconvertible("the system's message is not text", ())
    return {"systemInstruction": {"parts": [{"text": text} for text in texts]}, **example}


def placed(messages: Any, *path: str | int) -> list[Placed]:
    """A list of messages, each with the way to it."""
    if not isinstance(messages, list):
        raise Unconvertible(f"`{path[-1]}` must be a list, not {shown(messages)}", path)
    return [((*path, at), message) for at, message in enumerate(messages)]


def chat(messages: Iterable[Placed], *, tools: Any) -> dict[str, Any]:
    """Messages as an example: what the system says in front of them is its instruction."""
    system: list[Any] = []
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for path, message in messages:
        if not isinstance(message, dict):
            raise Unconvertible(f"a message must be an object, not {shown(message)}", path)
        _refuse_more(message, path)
        role = message.get("role")
        if role in _SYSTEM:
            if turns:
                raise Unconvertible("the system speaks after the first turn", path)
            system += [part["text"] for part in _texts(message.get("content"), path)]
        elif role in _ANSWERS:
            _answer(message, turns, names, path)
        elif isinstance(role, str) and role in _ROLES:
            parts = _parts(message, names, path)
            turns.append({"role": _ROLES[role], "parts": parts})
        else:
            raise Unconvertible(f"the role {shown(role)}", (*path, "role"))
    example: dict[str, Any] = {"contents": turns}
    if tools:
        if not isinstance(tools, list):
            raise Unconvertible(f"`tools` must be a list, not {shown(tools)}", ("tools",))
        example["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in tools]}]
    return instructed(example, system)


def mended(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line that is nearly right: roles of other services put into ours."""
    example = dict(line)
    contents = example["contents"]
    if not isinstance(contents, list):
        return example
    first = contents[0] if contents else None
    given = {"systemInstruction", "system_instruction"} & example.keys()
    if isinstance(first, dict) and first.get("role") == "system" and not given:
        instruction = {key: value for key, value in first.items() if key != "role"}
        contents = contents[1:]
        example = {"systemInstruction": instruction, **example}
    example["contents"] = [_renamed(item) for item in contents]
    return example


def _renamed(item: Any) -> Any:
    role = item.get("role") if isinstance(item, dict) else None
    return {**item, "role": _ROLES[role]} if isinstance(role, str) and role in _ROLES else item


def _refuse_more(message: Mapping[str, Any], path: Path) -> None:
    for key in message:
        if key not in _MESSAGE_KEYS and message[key] not in (None, [], {}):
            raise Unconvertible(
                f"{shown(key)} has no place in the service's format",
                (*path, key),
                "take it out of the messages if nothing is to be learnt from it",
            )
    if message.get("weight", 1) != 1:
        raise Unconvertible(
            "a `weight` has no place in the service's format: every answer is learnt",
            (*path, "weight"),
            "leave the example out, or cut it off behind the answer that is to be learnt",
        )


def _texts(content: Any, path: Path, start: int = 0) -> list[dict[str, str]]:
    if isinstance(content, str):
        return [{"text": content}]
    parts = []
    listed = isinstance(content, list)
    for at, item in enumerate(content if listed else [content], start):
        kind = item.get("type") if isinstance(item, dict) else None
        if kind != "text" or not isinstance(item.get("text"), str):
            what = (
                f"content of the type {shown(kind)}" if kind else f"content that is {shown(item)}"
            )
            raise Unconvertible(
                f"{what} is not converted; only text is",
                (*path, "content", at) if listed else (*path, "content"),
                "write the line in the service's format, or leave it out",
            )
        parts.append({"text": item["text"]})
    return parts


def _shown_to(content: Any, path: Path) -> list[dict[str, Any]]:
    """What a person says: texts, and images by their addresses."""
    if not isinstance(content, list):
        return [*_texts(content, path)]
    parts: list[dict[str, Any]] = []
    for at, item in enumerate(content):
        if isinstance(item, dict) and item.get("type") == "image_url":
            parts.append(_image(item.get("image_url"), (*path, "content", at)))
        else:
            parts += _texts([item], path, at)
    return parts


def _image(held: Any, path: Path) -> dict[str, Any]:
    uri = held.get("url") if isinstance(held, dict) else held
    address = uri if isinstance(uri, str) and uri.startswith(("gs://", "https://")) else ""
    mime_type = _IMAGES.get(posixpath.splitext(address)[1].lower())
    if mime_type is None:
        raise Unconvertible(
            "an image is converted by its address, whose ending tells its type",
            path,
            "copy the image into a bucket and name it, as `gs://bucket/name.png`",
        )
    if isinstance(held, dict) and held.get("detail", "auto") != "auto":
        raise Unconvertible(
            "the `detail` of an image has no place in the service's format",
            path,
            "take it out, and set `mediaResolution` in the converted lines",
        )
    return {"fileData": {"mimeType": mime_type, "fileUri": uri}}


def _parts(message: Mapping[str, Any], names: dict[str, str], path: Path) -> list[dict[str, Any]]:
    calls, key = message.get("tool_calls") or [], "tool_calls"
    if message.get("function_call"):
        calls, key = [{"function": message["function_call"]}], "function_call"
    if not isinstance(calls, list):
        raise Unconvertible(f"`{key}` must be a list, not {shown(calls)}", (*path, key))
    content = message.get("content")
    parts: list[dict[str, Any]] = []
    if content not in (None, "") or not calls:
        asked = _ROLES.get(message["role"]) == "user"
        parts += _shown_to(content, path) if asked else _texts(content, path)
    for at, call in enumerate(calls):
        there: Path = (*path, key, at) if key == "tool_calls" else (*path, key)
        function = call.get("function") if isinstance(call, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or not isinstance(call, dict) or not function:
            raise Unconvertible("a call without a function's name", there)
        arguments = _object(function.get("arguments"))
        if arguments is None:
            raise Unconvertible("the arguments of a call must be a JSON object", there)
        names[str(call.get("id"))] = name
        parts.append({"functionCall": {"name": name, "args": arguments}})
    return parts


def _answer(
    message: Mapping[str, Any],
    turns: list[dict[str, Any]],
    names: Mapping[str, str],
    path: Path,
) -> None:
    name = message.get("name") or names.get(str(message.get("tool_call_id")))
    if not isinstance(name, str):
        raise Unconvertible("the answer of a function that was not called", path)
    content = message.get("content")
    text = (
        content
        if isinstance(content, str)
        else "".join(part["text"] for part in _texts(content, path))
    )
    response = _object(text)
    held = {"result": text} if response is None else response
    part = {"functionResponse": {"name": name, "response": held}}
    if turns and "role" not in turns[-1]:  # answers to calls that were made at once
        turns[-1]["parts"].append(part)
    else:
        turns.append({"parts": [part]})


def _object(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _declaration(tool: Any) -> dict[str, Any]:
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Unconvertible("a tool that is no function", ("tools",))
    kept = {key: function[key] for key in ("name", "description") if key in function}
    if isinstance(function.get("parameters"), dict):
        kept["parameters"] = _typed(function["parameters"])
    return kept


def _typed(schema: Any) -> Any:
    """A schema with its types in the service's spelling."""
    if isinstance(schema, list):
        return [_typed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    typed: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type":
            typed |= _type(value)
        elif key == "properties" and isinstance(value, dict):
            typed[key] = {name: _typed(inner) for name, inner in value.items()}
        elif key in _AS_IT_IS:
            typed[key] = value
        elif key not in _NO_SCHEMA:
            typed[key] = _typed(value)
    return typed


def _type(value: Any) -> dict[str, Any]:
    """A type in the service's spelling; one that may be null as well is `nullable`."""
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    kinds = [name for name in names if name != "null"]
    if len(kinds) != 1 or not isinstance(kinds[0], str):
        raise Unconvertible(
            f"a parameter of the type {shown(value)}",
            ("tools",),
            "give each parameter one type; `null` may be beside it",
        )
    nullable = {"nullable": True} if len(names) > 1 else {}
    return {"type": kinds[0].upper(), **nullable}
