"""What the service learns from a JSONL file: faults, dropped lines, statistics.

One pass over the bytes at the instant of creation, so that reading a job later stays a pure
function. Tokens are estimated as a quarter of the characters, and a fixed amount for a file;
a line that is no example fails the job (how many the service tolerates is not documented),
one that is too large is dropped, and more than a tenth dropped fails it too.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from tuneops.emulator.examples import Example, Misfit, preference_example, supervised_example
from tuneops.emulator.lifecycle import Failure
from tuneops.emulator.models import PREFERENCE, SUPERVISED, BaseModel
from tuneops.emulator.statistics import spread

_READERS = {SUPERVISED: supervised_example, PREFERENCE: preference_example}
_SHOWN = 10
_SAMPLES = 3
_TEXT_SHOWN = 400
VALIDATION_FREE = 1000
_MARK = b"\xef\xbb\xbf"
_LONGEST = 8 << 20
_DEEPEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What one dataset holds: examples that train, statistics as answered, or the failure."""

    lines: int
    kept: int
    stats: dict[str, Any]
    failure: Failure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dropped:
    line: int
    reason: str


def analyse(content: bytes, *, method: str, uri: str, model: BaseModel) -> Analysis:
    """Read a whole dataset."""
    kept: list[Example] = []
    dropped: list[_Dropped] = []
    for number, line in _lines(content):
        try:
            example = _READERS[method](_json(line))
            if model.text_only:
                example.check_text_only()
        except Misfit as misfit:
            return _failed(f"{uri}, line {number}: {misfit}")
        reason = example.too_large(model.example_tokens)
        if reason is None:
            kept.append(example)
        else:
            dropped.append(_Dropped(line=number, reason=reason))
    lines = len(kept) + len(dropped)
    if not lines:
        return _failed(f"{uri} holds no examples.")
    if len(dropped) * 10 > lines:
        first = dropped[0]
        return _failed(
            f"{uri}: {len(dropped)} of {lines} examples were dropped, more than 10%."
            f" The first is line {first.line}: {first.reason}"
        )
    summarise = _supervised_stats if method == SUPERVISED else _preference_stats
    return Analysis(lines=lines, kept=len(kept), stats=summarise(kept, dropped), failure=None)


def validation_failure(
    training: Analysis, validation: Analysis, uri: str, model: BaseModel
) -> Failure | None:
    """Say what is wrong with a validation set beside its training set, if anything is."""
    if validation.failure is not None:
        return validation.failure
    if validation.lines > model.validation_limit:
        return Failure(
            code=3,
            message=f"{uri} holds {validation.lines} examples; at most {model.validation_limit} may"
            " be used for validation.",
        )
    too_many = validation.lines > VALIDATION_FREE and validation.lines * 10 > training.lines * 3
    if model.validation_share and too_many:
        return Failure(
            code=3,
            message=f"{uri} holds {validation.lines} examples; beyond {VALIDATION_FREE} it may"
            f" hold at most 30% of the {training.lines} training examples.",
        )
    return None


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(content.removeprefix(_MARK).split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _json(line: bytes) -> Mapping[str, Any]:
    if len(line) > _LONGEST:
        raise Misfit("the line is longer than 8 MiB.")
    try:
        value = json.loads(line.decode(), object_pairs_hook=_once, parse_constant=_never)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as fault:
        raise Misfit(f"the line is not valid JSON: {fault}.") from None
    if not isinstance(value, dict):
        raise Misfit("the line must hold a JSON object.")
    _check_depth(value, _DEEPEST)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _never(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _check_depth(value: Any, left: int) -> None:
    if isinstance(value, dict | list):
        if not left:
            raise Misfit("the line is not valid JSON: it is nested too deeply.")
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, left - 1)


def _failed(message: str) -> Analysis:
    failure = Failure(code=3, message=f"Invalid dataset. {message}")
    return Analysis(lines=0, kept=0, stats={}, failure=failure)


def _supervised_stats(kept: list[Example], dropped: list[_Dropped]) -> dict[str, Any]:
    stats: dict[str, Any] = {
        "tuningDatasetExampleCount": str(len(kept) + len(dropped)),
        "totalTuningCharacterCount": str(sum(example.characters for example in kept)),
        "totalBillableTokenCount": str(sum(example.billable for example in kept)),
        "userInputTokenDistribution": spread([e.input_tokens for e in kept], billable=True),
        "userOutputTokenDistribution": spread([e.output_tokens for e in kept], billable=True),
        "userMessagePerExampleDistribution": spread([e.messages for e in kept], billable=True),
    }
    if dropped:
        stats["totalTruncatedExampleCount"] = str(len(dropped))
        stats["truncatedExampleIndices"] = [str(item.line) for item in dropped[:_SHOWN]]
        stats["droppedExampleReasons"] = [item.reason for item in dropped[:_SHOWN]]
    stats["userDatasetExamples"] = [
        _shortened(content) for example in kept[:_SAMPLES] for content in example.source["contents"]
    ]
    return {"supervisedTuningDataStats": stats}


def _preference_stats(kept: list[Example], dropped: list[_Dropped]) -> dict[str, Any]:
    scores = [score for example in kept for score in example.scores]
    stats: dict[str, Any] = {
        "tuningDatasetExampleCount": str(len(kept) + len(dropped)),
        "totalBillableTokenCount": str(sum(example.billable for example in kept)),
        "scoresDistribution": spread(scores, billable=False),
        "scoreVariancePerExampleDistribution": spread(
            [_variance(example.scores) for example in kept], billable=False
        ),
        "userInputTokenDistribution": spread([e.input_tokens for e in kept], billable=False),
        "userOutputTokenDistribution": spread([e.output_tokens for e in kept], billable=False),
    }
    if dropped:
        stats["droppedExampleIndices"] = [str(item.line) for item in dropped[:_SHOWN]]
        stats["droppedExampleReasons"] = [item.reason for item in dropped[:_SHOWN]]
    stats["userDatasetExamples"] = [_preference_sample(example) for example in kept[:_SAMPLES]]
    return {"preferenceOptimizationDataStats": stats}


def _variance(scores: tuple[int, ...]) -> float:
    mean = sum(scores) / len(scores)
    return sum((score - mean) ** 2 for score in scores) / len(scores)


def _preference_sample(example: Example) -> dict[str, Any]:
    return {
        "contents": [_shortened(content) for content in example.source["contents"]],
        "completions": [
            {
                **({"score": entry["score"]} if entry["score"] else {}),
                "completion": _shortened(entry["completion"]),
            }
            for entry in example.source["completions"]
        ],
    }


def _shortened(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a turn with its texts cut as the service cuts them."""
    parts = []
    for part in content["parts"]:
        text = part.get("text")
        if isinstance(text, str) and len(text) > _TEXT_SHOWN:
            part = {**part, "text": f"{text[:_TEXT_SHOWN]}..."}
        parts.append(dict(part))
    role = content.get("role")
    return {"role": role, "parts": parts} if role else {"parts": parts}
