"""The form of one example, after its method: what the service could not train on.

Sources: Google's pages on preparing supervised, function-calling and preference data. Both
spellings of a field are accepted, as by every Google API.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tuneops.core.recipe import Method
from tuneops.datasets.problems import Path, Problem, shown
from tuneops.diagnostics import Severity

_PART_KEYS = {
    "text": "text",
    "fileData": "file",
    "file_data": "file",
    "inlineData": "inline",
    "inline_data": "inline",
    "functionCall": "call",
    "function_call": "call",
    "functionResponse": "response",
    "function_response": "response",
}

_OTHER_FORMATS = (
    ("messages", "the chat format of other services", "each message is a turn of `contents`"),
    ("input_text", "the format of PaLM models", "both texts are turns of `contents`"),
    ("prompt", "a prompt/completion format", "both texts are turns of `contents`"),
    ("chosen", "the preference format of other services", "both answers are `completions`"),
)

_ROLE_HELP = {
    "assistant": "the model's turns have the role `model`",
    "system": "put it into `systemInstruction`, outside `contents`",
}

_URI_SCHEMES = ("gs://", "https://", "http://")


def problems(example: Mapping[str, Any], method: Method) -> Iterator[Problem]:
    """Everything that is wrong with an example's form, in the order in which it reads."""
    if "contents" not in example:
        yield _foreign(example)
        return
    yield from _instruction(example)
    yield from _turns(example["contents"], method)
    if method is Method.PREFERENCE:
        yield from _completions(example.get("completions"))
    elif "completions" in example:
        yield Problem(
            kind="method",
            message="a preference example, but the job's method is supervised",
            path=("completions",),
        )


def texts(example: Mapping[str, Any]) -> tuple[int, int]:
    """The characters of an example that are trained on or read: its turns, and its completions."""
    instruction = example.get("systemInstruction", example.get("system_instruction"))
    turns = _characters(instruction)
    turns += sum(_characters(turn) for turn in _list(example.get("contents")))
    answers = sum(
        _characters(completion.get("completion"))
        for completion in _list(example.get("completions"))
        if isinstance(completion, dict)
    )
    return turns, answers


def _foreign(example: Mapping[str, Any]) -> Problem:
    for key, name, advice in _OTHER_FORMATS:
        if key in example:
            return Problem(
                kind=f"format-{key}",
                message=f"`{key}` belongs to {name}; tuning needs `contents`",
                path=(key,),
                help=advice,
            )
    return Problem(kind="no-contents", message="the example has no `contents`")


def _instruction(example: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("systemInstruction", "system_instruction"):
        if key in example:
            yield from _content(example[key], (key,))


def _turns(contents: object, method: Method) -> Iterator[Problem]:
    if not isinstance(contents, list) or not contents:
        yield Problem(
            kind="contents",
            message=f"`contents` must be a list of turns, not {_empty_or(contents)}",
            path=("contents",),
        )
        return
    before = None
    for index, turn in enumerate(contents):
        path: Path = ("contents", index)
        yield from _content(turn, path)
        role = turn.get("role") if isinstance(turn, dict) else None
        if isinstance(turn, dict) and not _role_fits(turn):
            yield _bad_role(role, path)
        elif role is not None and role == before:
            yield Problem(
                kind="same-role",
                message=f"two turns of `{role}` in a row",
                path=(*path, "role"),
                code="dataset-turns",
                severity=Severity.WARNING,
            )
        before = role
    if method is Method.PREFERENCE:
        yield from _images(contents)
    yield from _last_turn(contents, method)


def _role_fits(turn: Mapping[str, Any]) -> bool:
    role = turn.get("role")
    if role in (None, "function"):  # as official function-calling examples have it
        kinds = {kind for part in _list(turn.get("parts")) for kind in _kinds(part)}
        return kinds == {"response"}
    return role in ("user", "model")


def _bad_role(role: object, path: Path) -> Problem:
    if role is None:
        return Problem(kind="role", message="the turn has no `role`: `user` or `model`", path=path)
    return Problem(
        kind="role",
        message=f"role must be `user` or `model`, not {shown(role)}",
        path=(*path, "role"),
        help=_ROLE_HELP.get(role) if isinstance(role, str) else None,
    )


def _last_turn(contents: list[Any], method: Method) -> Iterator[Problem]:
    last = contents[-1]
    role = last.get("role") if isinstance(last, dict) else None
    path: Path = ("contents", len(contents) - 1)
    if method is Method.SUPERVISED and role == "user":
        yield Problem(
            kind="last-turn",
            message="the last turn is by `user`: there is no answer to learn",
            path=path,
        )
    if method is Method.PREFERENCE and role == "model":
        yield Problem(
            kind="last-turn",
            message="the last turn of `contents` must be by `user`; answers are `completions`",
            path=path,
        )


def _images(contents: list[Any]) -> Iterator[Problem]:
    for index, turn in enumerate(contents):
        parts = _list(turn.get("parts")) if isinstance(turn, dict) else []
        for at, part in enumerate(parts):
            if _kinds(part) & {"file", "inline"}:
                yield Problem(
                    kind="media",
                    message="preference examples hold text only",
                    path=("contents", index, "parts", at),
                )


def _completions(completions: object) -> Iterator[Problem]:
    if not isinstance(completions, list) or len(completions) != 2:
        held = f"{len(completions)}" if isinstance(completions, list) else shown(completions)
        yield Problem(
            kind="completions",
            message=f"`completions` must be a list of exactly two, not {held}"
            if completions is not None
            else "a preference example needs two `completions`, one preferred",
            path=("completions",),
        )
        return
    for index, completion in enumerate(completions):
        path: Path = ("completions", index)
        turn = completion.get("completion") if isinstance(completion, dict) else None
        if not isinstance(turn, dict):
            yield Problem(
                kind="completion", message="each completion is `score` and `completion`", path=path
            )
            continue
        yield from _content(turn, (*path, "completion"))
        if turn.get("role") != "model":
            yield Problem(
                kind="completion-role",
                message=f"a completion is one turn of `model`, not {shown(turn.get('role'))}",
                path=(*path, "completion", "role"),
            )
    yield from _scores(completions)


def _scores(completions: list[Any]) -> Iterator[Problem]:
    scores = [item.get("score") if isinstance(item, dict) else None for item in completions]
    for index, score in enumerate(scores):
        if isinstance(score, bool) or not isinstance(score, int | float) or score not in (0, 1):
            yield Problem(
                kind="score",
                message=f"a score must be 0 or 1, not {shown(score)}",
                path=("completions", index, "score"),
            )
            return
    if scores[0] == scores[1]:
        yield Problem(
            kind="scores",
            message="one completion must have score 1 and the other score 0",
            path=("completions",),
        )


def _content(turn: object, path: Path) -> Iterator[Problem]:
    if not isinstance(turn, dict):
        yield Problem(
            kind="turn", message=f"a turn must be an object, not {shown(turn)}", path=path
        )
        return
    parts = turn.get("parts")
    if not isinstance(parts, list) or not parts:
        yield Problem(
            kind="parts",
            message=f"`parts` must be a list that is not empty, not {_empty_or(parts)}"
            if "parts" in turn
            else "the turn has no `parts`",
            path=(*path, "parts"),
        )
        return
    for index, part in enumerate(parts):
        yield from _part(part, (*path, "parts", index))


def _part(part: object, path: Path) -> Iterator[Problem]:
    if not isinstance(part, dict) or not _kinds(part):
        yield Problem(
            kind="part",
            message="a part needs `text`, `fileData`, `functionCall` or `functionResponse`",
            path=path,
        )
        return
    for key, value in part.items():
        match _PART_KEYS.get(key):
            case "text" if not isinstance(value, str):
                yield Problem(
                    kind="text",
                    message=f"`text` must be text, not {shown(value)}",
                    path=(*path, key),
                )
            case "file":
                yield from _file(value, (*path, key))


def _file(value: object, path: Path) -> Iterator[Problem]:
    fields = value if isinstance(value, dict) else {}
    uri = fields.get("fileUri", fields.get("file_uri"))
    if not isinstance(uri, str) or not uri.startswith(_URI_SCHEMES):
        yield Problem(
            kind="file-uri",
            message=f"`fileUri` must be a gs:// or https:// address, not {shown(uri)}",
            path=(*path, "fileUri"),
        )
    if not isinstance(fields.get("mimeType", fields.get("mime_type")), str):
        yield Problem(kind="mime-type", message="`fileData` needs a `mimeType`", path=path)


def _kinds(part: object) -> set[str]:
    if not isinstance(part, dict):
        return set()
    return {kind for key, kind in _PART_KEYS.items() if key in part}


def _characters(turn: object) -> int:
    parts = _list(turn.get("parts")) if isinstance(turn, dict) else []
    count = 0
    for part in parts:
        for key, value in part.items() if isinstance(part, dict) else ():
            match _PART_KEYS.get(key):
                case "text" if isinstance(value, str):
                    count += len(value)
                case "call" | "response":
                    count += len(json.dumps(value, ensure_ascii=False))
    return count


def _empty_or(value: object) -> str:
    return "an empty one" if value == [] else shown(value)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
