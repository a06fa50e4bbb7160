"""The form of one example, after its method: what the service could not train on.

Sources: Google's pages on preparing supervised, function-calling and preference data. Both
spellings of a field are accepted, as by every Google API; both at once are not.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from tuneops.core.recipe import Method
from tuneops.datasets.formats import FORMATS
from tuneops.datasets.parts import (
    either,
    is_plain_text,
    kinds,
    part_problems,
    resolution_problem,
    twice,
    unknown_keys,
)
from tuneops.datasets.problems import Path, Problem, shown
from tuneops.diagnostics import Severity

_KEYS = {
    "contents",
    "systemInstruction",
    "system_instruction",
    "tools",
    "toolConfig",
    "tool_config",
    "generationConfig",
    "generation_config",
    "labels",
    "completions",
}
_TURN_KEYS = {"role", "parts"}
_COMPLETION_KEYS = {"score", "completion"}
_MENDS = "`tuneops data convert FILE` mends it"
_EXAMPLE = """an example is `{"contents": [{"role": "user", "parts": [{"text": "…"}]}, …]}`"""
_TURN = """a turn is `{"role": "user", "parts": [{"text": "…"}]}`"""
_SCORES = "give the preferred completion the score 1, and the other one 0"
_ROLE_HELP = {
    "assistant": f"the model's turns have the role `model`; {_MENDS}",
    "system": f"what the system says is the `systemInstruction`; {_MENDS}",
}


def problems(example: Mapping[str, Any], method: Method) -> Iterator[Problem]:
    """Everything that is wrong with an example's form, in the order in which it reads."""
    if "contents" not in example:
        yield _foreign(example)
        return
    yield from unknown_keys(example, _KEYS, (), "an example")
    yield from twice(example, ())
    yield from _instruction(example, method)
    yield from _turns(example["contents"], method)
    yield from _tools(example)
    yield from _resolution(example)
    if method is Method.PREFERENCE:
        yield from _completions(example.get("completions"))
    elif "completions" in example:
        yield Problem(
            kind="method",
            message="a preference example, but the job's method is supervised",
            path=("completions",),
            help="tune with a `preferenceOptimizationSpec`, or leave `completions` out",
        )


def _foreign(example: Mapping[str, Any]) -> Problem:
    for found in FORMATS:
        if found.matches(example):
            return Problem(
                kind=f"format-{found.key}",
                message=f"`{found.key}` belongs to {found.name}; tuning needs `contents`",
                path=(found.key,),
                help="`tuneops data convert FILE` writes a corrected copy",
            )
    near = get_close_matches("contents", [key[:40] for key in example], n=1, cutoff=0.7)
    return Problem(
        kind="no-contents",
        message="the example has no `contents`",
        help=f"is {shown(near[0])} meant to be it?" if near else _EXAMPLE,
    )


def _instruction(example: Mapping[str, Any], method: Method) -> Iterator[Problem]:
    given = [key for key in ("systemInstruction", "system_instruction") if key in example]
    for key in given:
        if example[key] is not None:
            yield from _content(example[key], (key,))
            if method is Method.PREFERENCE:
                yield from _text_only(example[key], (key,))


def _turns(contents: object, method: Method) -> Iterator[Problem]:
    if not isinstance(contents, list) or not contents:
        yield Problem(
            kind="contents",
            message=f"`contents` must be a list of turns, not {_empty_or(contents)}",
            path=("contents",),
            help=_EXAMPLE,
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
                help="make one turn of them, with the parts of both, if they belong together",
                severity=Severity.WARNING,
            )
        before = role
        if method is Method.PREFERENCE:
            yield from _text_only(turn, path)
    yield from _last_turn(contents, method)


def _role_fits(turn: Mapping[str, Any]) -> bool:
    role = turn.get("role")
    if role in (None, "function"):  # as official function-calling examples have it
        return {kind for part in _list(turn.get("parts")) for kind in kinds(part)} == {"response"}
    return role in ("user", "model")


def _bad_role(role: object, path: Path) -> Problem:
    if role is None:
        return Problem(
            kind="role",
            message="the turn has no `role`: `user` or `model`",
            path=path,
            help="say who speaks; only the answers of functions go without a role",
        )
    return Problem(
        kind="role",
        message=f"role must be `user` or `model`, not {shown(role)}",
        path=(*path, "role"),
        help=_ROLE_HELP.get(
            str(role), "say `user` for what is asked, `model` for what is answered"
        ),
    )


def _last_turn(contents: list[Any], method: Method) -> Iterator[Problem]:
    last = contents[-1]
    if not isinstance(last, dict) or not _role_fits(last):
        return  # that is said already
    path: Path = ("contents", len(contents) - 1)
    role = last.get("role") or "a function"
    if method is Method.SUPERVISED and role != "model":
        yield Problem(
            kind="last-turn",
            message=f"the last turn is by `{role}`: there is no answer to learn",
            path=path,
            help="end with the answer, a turn of `model`, or leave the example out",
        )
    if method is Method.PREFERENCE and role != "user":
        yield Problem(
            kind="last-turn",
            message="the last turn of `contents` must be by `user`; answers are `completions`",
            path=path,
            help="move what the model says last into `completions`, or leave it out",
        )


def _text_only(turn: object, path: Path) -> Iterator[Problem]:
    for at, part in enumerate(_list(turn.get("parts")) if isinstance(turn, dict) else []):
        if kinds(part) - {"text"}:
            yield Problem(
                kind="media",
                message="preference examples hold text only",
                path=(*path, "parts", at),
                help="leave the part out, or the example",
            )


def _tools(example: Mapping[str, Any]) -> Iterator[Problem]:
    tools = example.get("tools")
    if tools is None:
        return
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        yield Problem(
            kind="tools",
            message=f"`tools` must be a list of objects, not {shown(tools)}",
            path=("tools",),
            help="""write `[{"functionDeclarations": [{"name": "…"}]}]`""",
        )
        return
    declared = {
        declaration.get("name")
        for tool in tools
        for declaration in _list(either(tool, "functionDeclarations", "function_declarations"))
        if isinstance(declaration, dict) and isinstance(declaration.get("name"), str)
    }
    for path, name in _calls(example):
        if name not in declared:
            yield Problem(
                kind="undeclared",
                message=f"the function {shown(name)} is called, but `tools` does not declare it",
                path=path,
                code="dataset-tools",
                help="declare it as the model is to find it when it is asked, or mend the name",
                severity=Severity.WARNING,
            )


def _calls(example: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for index, turn in enumerate(_list(example["contents"])):
        for at, part in enumerate(_list(turn.get("parts")) if isinstance(turn, dict) else []):
            call = either(part, "functionCall", "function_call") if isinstance(part, dict) else None
            if isinstance(call, dict) and isinstance(call.get("name"), str):
                yield ("contents", index, "parts", at), call["name"]


def _resolution(example: Mapping[str, Any]) -> Iterator[Problem]:
    config = either(example, "generationConfig", "generation_config")
    if config is None:
        return
    if not isinstance(config, dict):
        yield Problem(
            kind="config",
            message=f"`generationConfig` must be an object, not {shown(config)}",
            path=("generationConfig",),
            help="""leave it out, or write `{"mediaResolution": "MEDIA_RESOLUTION_LOW"}`""",
        )
        return
    value = either(config, "mediaResolution", "media_resolution")
    outer = next(key for key in ("generationConfig", "generation_config") if key in example)
    inner = next((key for key in ("mediaResolution", "media_resolution") if key in config), "")
    yield from resolution_problem(value, (outer, inner))


def _completions(completions: object) -> Iterator[Problem]:
    if not isinstance(completions, list) or len(completions) != 2:
        held = f"{len(completions)}" if isinstance(completions, list) else shown(completions)
        yield Problem(
            kind="completions",
            message=f"`completions` must be a list of exactly two, not {held}"
            if completions is not None
            else "a preference example needs two `completions`, one preferred",
            path=("completions",),
            help=_SCORES,
        )
        return
    for index, completion in enumerate(completions):
        path: Path = ("completions", index)
        turn = completion.get("completion") if isinstance(completion, dict) else None
        if not isinstance(turn, dict):
            yield Problem(
                kind="completion",
                message="each completion is `score` and `completion`",
                path=path,
                help="""write `{"score": 1, "completion": {"role": "model", "parts": […]}}`""",
            )
            continue
        yield from unknown_keys(completion, _COMPLETION_KEYS, path, "a completion")
        yield from _content(turn, (*path, "completion"))
        yield from _text_only(turn, (*path, "completion"))
        if turn.get("role") != "model":
            yield Problem(
                kind="completion-role",
                message=f"a completion is one turn of `model`, not {shown(turn.get('role'))}",
                path=(*path, "completion", "role"),
                help="""write `"role": "model"`; what comes before belongs into `contents`""",
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
                help=_SCORES,
            )
            return
    if scores[0] == scores[1]:
        yield Problem(
            kind="scores",
            message="one completion must have score 1 and the other score 0",
            path=("completions",),
            help="where neither is better there is nothing to learn: leave the example out",
        )


def _content(turn: object, path: Path) -> Iterator[Problem]:
    if not isinstance(turn, dict):
        yield Problem(
            kind="turn",
            message=f"a turn must be an object, not {shown(turn)}",
            path=path,
            help=_TURN,
        )
        return
    yield from unknown_keys(turn, _TURN_KEYS, path, "a turn")
    parts = turn.get("parts")
    if not isinstance(parts, list) or not parts:
        yield Problem(
            kind="parts",
            message=f"`parts` must be a list that is not empty, not {_empty_or(parts)}"
            if "parts" in turn
            else "the turn has no `parts`",
            path=(*path, "parts"),
            help=_TURN,
        )
        return
    for index, part in enumerate(parts):
        if not is_plain_text(part):
            yield from part_problems(part, (*path, "parts", index))


def _empty_or(value: object) -> str:
    return "an empty one" if value == [] else shown(value)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
