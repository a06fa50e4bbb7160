"""The ordinary line: an example of nothing but text, read and measured at once, fast.

What is measured here has no fault and no oddity at all; every other line is None, and is read
again by `lines` and `examples`, which say what it is. msgspec refuses NaN, bad UTF-8, lone
surrogates and unknown keys, but keeps the last of two equal keys: hence the count of keys.
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from msgspec import UNSET, Meta, MsgspecError, Struct, UnsetType, field
from msgspec.json import Decoder

from tuneops.core.recipe import Method
from tuneops.datasets.tokens import Letters, letters, likely


class _Part(Struct, forbid_unknown_fields=True, gc=False):
    text: str


_Parts = Annotated[list[_Part], Meta(min_length=1)]


class _Turn(Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["user", "model"]
    parts: _Parts


class _Instruction(Struct, forbid_unknown_fields=True, gc=False):
    parts: _Parts
    role: str | UnsetType = UNSET


class _Supervised(Struct, forbid_unknown_fields=True, gc=False):
    contents: Annotated[list[_Turn], Meta(min_length=1)]
    camel: _Instruction | UnsetType = field(default=UNSET, name="systemInstruction")
    snake: _Instruction | UnsetType = field(default=UNSET, name="system_instruction")


class _Answer(Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["model"]
    parts: _Parts


class _Completion(Struct, forbid_unknown_fields=True, gc=False):
    score: Literal[0, 1]
    completion: _Answer


class _Preference(_Supervised, forbid_unknown_fields=True, gc=False, kw_only=True):
    completions: Annotated[list[_Completion], Meta(min_length=2, max_length=2)]


Measured = tuple[Letters, int, int]
"""The letters of an example that are billed; its own tokens, likely; its turns."""

_SPACED = re.compile(rb'"[ \t\r\n]+:')

_supervised = Decoder(_Supervised).decode
_preference = Decoder(_Preference).decode


def measure_supervised(line: bytes) -> Measured | None:
    """Measure an ordinary line of a supervised dataset."""
    try:
        example = _supervised(line)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    found = _prompt(example, "model")
    if found is None:
        return None
    plain, wide, keys = found
    if not _has_keys(line, keys):
        return None
    counts = _letters(plain, wide)
    return counts, likely(counts), len(example.contents)


def measure_preference(line: bytes) -> Measured | None:
    """Measure an ordinary line of a preference dataset: its prompt is billed twice."""
    try:
        example = _preference(line)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    first, second = example.completions
    found = _prompt(example, "user")
    if found is None or first.score == second.score:
        return None
    plain, wide, keys = found
    answers = [_sum(one.completion.parts) for one in example.completions]
    if None in answers:
        return None
    keys += 9 + len(first.completion.parts) + len(second.completion.parts)
    if not _has_keys(line, keys):
        return None
    prompt = _letters(plain, wide)
    each = [_letters(*answer) for answer in answers if answer]
    longest = max(likely(_added(prompt, answer)) for answer in each)
    return _added(_added(prompt, prompt), *each), longest, len(example.contents)


MEASURES: dict[Method, Callable[[bytes], Measured | None]] = {
    Method.SUPERVISED: measure_supervised,
    Method.PREFERENCE: measure_preference,
}


def _prompt(example: _Supervised, last: str) -> tuple[int, str, int] | None:
    """The ASCII letters of the turns, the other texts, and how many keys they were read from."""
    plain, wide, keys, before = 0, "", 1, ""
    for turn in example.contents:
        if turn.role == before:
            return None
        before = turn.role
        parts = turn.parts
        keys += 2 + len(parts)
        for part in parts:
            text = part.text
            if not text or text.isspace():
                return None
            if text.isascii():
                plain += len(text)
            else:
                wide += text
    if before != last:
        return None
    for instruction in (example.camel, example.snake):
        if instruction is not UNSET:
            found = _sum(instruction.parts)
            if found is None:
                return None
            plain, wide = plain + found[0], wide + found[1]
            keys += 2 + len(instruction.parts) + (instruction.role is not UNSET)
    both = example.camel is not UNSET and example.snake is not UNSET
    return None if both else (plain, wide, keys)


def _sum(parts: Sequence[_Part]) -> tuple[int, str] | None:
    plain, wide = 0, ""
    for part in parts:
        text = part.text
        if not text or text.isspace():
            return None
        if text.isascii():
            plain += len(text)
        else:
            wide += text
    return plain, wide


def _has_keys(line: bytes, keys: int) -> bool:
    """Say whether a line that was read has exactly so many keys, none of them twice.

    Every key ends in `":` when no blank comes between. The same bytes within a text have a
    backslash before them; where that one has no other before it, it surely stands in a text. So
    the count is never too small: a line with a key twice has more than were read from it.
    """
    count = line.count(b'":')
    if count != keys:
        count += line.count(b'\\\\":') - line.count(b'\\":')
    return count == keys and _SPACED.search(line) is None


def _letters(plain: int, wide: str) -> Letters:
    if not wide:
        return plain, 0, 0, 0
    one, two, three, four = letters(wide)
    return plain + one, two, three, four


def _added(*counts: Letters) -> Letters:
    one, two, three, four = map(sum, zip(*counts, strict=True))
    return one, two, three, four
