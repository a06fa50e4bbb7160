"""Two versions of a dataset, example by example: what came, what went, what has another answer.

Order and spelling do not matter: an example is what it says. Of all lines a few numbers are kept,
some 500 bytes each; the lines themselves are not.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tuneops.core.recipe import Method
from tuneops.datasets.lines import Unreadable, read_example, read_lines, read_text
from tuneops.datasets.weights import weigh

SHOWN = 10
"""So many examples of a kind are told with their words."""

_WORDS = 60
_SNAKE = re.compile("_([a-z])")
_USERS = {"args", "response", "parameters", "labels"}
"""Below these the names are the user's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One example that differs: its line before and after, its tokens, its words."""

    before: int | None
    after: int | None
    tokens: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One version: how many examples, how many tokens one pass bills, likely."""

    examples: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What became of the examples. `changed` has the same prompt and another answer.

    `first` tells the first of each kind, `tokens` of a changed one being what it gained.
    """

    before: Side
    after: Side
    added: int
    removed: int
    changed: int
    unchanged: int
    first: Mapping[Literal["added", "removed", "changed"], tuple[Changed, ...]]

    @property
    def is_empty(self) -> bool:
        """Say whether both versions hold the same examples."""
        return not (self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    whole: int
    prompt: int
    tokens: int
    words: str


def compare(old: Iterable[bytes], new: Iterable[bytes], method: Method) -> Difference:
    """Compare two versions, given as blocks of bytes; lines that are no examples count as text."""
    mine = list(_lines(old, method))
    by_whole: dict[int, list[_Line]] = defaultdict(list)
    for line in reversed(mine):
        by_whole[line.whole].append(line)
    examples = tokens = unchanged = 0
    fresh: list[_Line] = []
    for line in _lines(new, method):
        examples, tokens = examples + 1, tokens + line.tokens
        if by_whole.get(line.whole):
            by_whole[line.whole].pop()
            unchanged += 1
        else:
            fresh.append(line)
    gone: dict[int, list[_Line]] = defaultdict(list)
    for line in sorted((one for lines in by_whole.values() for one in lines), key=_number):
        gone[line.prompt].insert(0, line)
    added: list[_Line] = []
    changed: list[tuple[_Line, _Line]] = []
    for line in fresh:
        if gone.get(line.prompt):
            changed.append((gone[line.prompt].pop(), line))
        else:
            added.append(line)
    removed = sorted((one for lines in gone.values() for one in lines), key=_number)
    return Difference(
        before=Side(examples=len(mine), tokens=sum(line.tokens for line in mine)),
        after=Side(examples=examples, tokens=tokens),
        added=len(added),
        removed=len(removed),
        changed=len(changed),
        unchanged=unchanged,
        first={
            "added": tuple(_told(None, line) for line in added[:SHOWN]),
            "removed": tuple(_told(line, None) for line in removed[:SHOWN]),
            "changed": tuple(_told(*pair) for pair in changed[:SHOWN]),
        },
    )


def _number(line: _Line) -> int:
    return line.number


def _told(before: _Line | None, after: _Line | None) -> Changed:
    line = after or before
    assert line is not None
    tokens = line.tokens - before.tokens if before and after else line.tokens
    return Changed(
        before=before.number if before else None,
        after=after.number if after else None,
        tokens=tokens,
        words=line.words,
    )


def _lines(blocks: Iterable[bytes], method: Method) -> Iterator[_Line]:
    number = 0
    for batch in read_lines(blocks):
        for raw in batch.lines:
            number += 1
            raw = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            if raw.strip():
                yield _line(number, raw, method)


def _line(number: int, raw: bytes, method: Method) -> _Line:
    try:
        text = read_text(raw)
        example = read_example(text, ended=True)
    except Unreadable as fault:
        return _Line(number, hash(raw), hash(raw), 0, f"(no example: {fault})")
    example = _one_spelling(example) if "_" in text else example
    prompt, last = _prompt(example, method)
    tokens = weigh(example, method).billed_tokens
    return _Line(number, hash(_spelled(example)), hash(_spelled(prompt)), tokens, _words(last))


def _prompt(example: Mapping[str, Any], method: Method) -> tuple[Mapping[str, Any], object]:
    """An example without what is to be learnt, and the turn that asks."""
    contents = example.get("contents")
    turns = contents if isinstance(contents, list) else []
    if method is Method.PREFERENCE:
        prompt = {key: value for key, value in example.items() if key != "completions"}
        return prompt, turns[-1] if turns else None
    return {**example, "contents": turns[:-1]}, turns[-2] if len(turns) > 1 else None


def _words(turn: object) -> str:
    parts = turn.get("parts") if isinstance(turn, dict) else None
    texts = [
        part["text"]
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    ]
    text = " ".join(" ".join(texts)[: 4 * _WORDS].split())
    return text if len(text) <= _WORDS else f"{text[: _WORDS - 1]}…"


def _one_spelling(value: Any) -> Any:
    """The same with `systemInstruction` for `system_instruction`, where names are the service's."""
    if isinstance(value, list):
        return [_one_spelling(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        _SNAKE.sub(lambda found: found[1].upper(), key): inner
        if key in _USERS
        else _one_spelling(inner)
        for key, inner in value.items()
    }


def _spelled(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
