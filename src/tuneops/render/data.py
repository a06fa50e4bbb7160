"""Datasets for people and for machines: what they hold, how they are spread, how they differ.

Pure; names and words of the user's are made inert.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tuneops.core.recipe import Method
from tuneops.datasets.checks import DatasetSummary
from tuneops.datasets.difference import SHOWN, Changed, Difference
from tuneops.datasets.distribution import Distribution
from tuneops.datasets.tokens import SOURCE, Tokens
from tuneops.render.inert import inert
from tuneops.render.lines import Line, breadth, columns, counted

_BAR, _SHORT = 40, 8
_HEAD = ("FILE", "KIND", "EXAMPLES", "TOKENS", "AT LEAST", "AT MOST", "DUPLICATES", "DROPPED")
_NUMBERS = ("OF AN EXAMPLE", "MIN", "P5", "MEDIAN", "MEAN", "P95", "MAX", "SUM")
_SIGNS: tuple[tuple[Literal["added", "removed", "changed"], str, str], ...] = (
    ("added", "+", "create"),
    ("removed", "-", "cancel"),
    ("changed", "~", "retire"),
)


def checked_lines(files: Iterable[tuple[str, Method, DatasetSummary]]) -> Iterator[Line]:
    """One line a file, numbers under numbers, and what the tokens are worth."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for name, method, summary in files:
        tokens = summary.tokens
        numbers = (
            summary.examples,
            tokens.likely,
            tokens.low,
            tokens.high,
            summary.duplicates,
            summary.dropped,
        )
        rows.append((inert(name), method.value, *(f"{number:,}" for number in numbers)))
    for number, row in enumerate(_right(rows, first=2)):
        yield Line(row, "" if number else "strong")
    yield Line()
    yield Line(f"Tokens of one pass: {SOURCE}.", "dim")


def checked_json(name: str, method: Method, summary: DatasetSummary) -> dict[str, Any]:
    """What one file holds, for a machine."""
    return {
        "file": name,
        "kind": method.value,
        "bytes": summary.size,
        "lines": summary.lines,
        "examples": summary.examples,
        "multimodal": summary.multimodal,
        "linked": summary.linked,
        "tokens": _tokens_json(summary.tokens),
        "duplicates": summary.duplicates,
        "dropped": summary.dropped,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """How the examples of one file are spread."""

    name: str
    method: Method
    summary: DatasetSummary
    tokens: Distribution
    turns: Distribution


def statistics_lines(statistics: Statistics, *, width: int) -> Iterator[Line]:
    """Counts, a table of numbers, and the spread of tokens and turns as bars in so many columns."""
    summary, tokens, turns = statistics.summary, statistics.tokens, statistics.turns
    held = f"{counted(summary.examples, 'example')}, {summary.size:,} bytes"
    yield Line(f"{inert(statistics.name)}: {statistics.method}, {held}", "strong")
    parts = [f"{summary.tokens.likely:,} tokens billed in one pass"]
    parts[0] += f" ({summary.tokens.low:,} to {summary.tokens.high:,})"
    if summary.multimodal:
        parts.append(f"{counted(summary.multimodal, 'example')} with files")
    parts.append(counted(summary.duplicates, "duplicate"))
    if summary.dropped:
        parts.append(f"{summary.dropped:,} would be dropped")
    yield Line(", ".join(parts))
    yield Line()
    rows: list[tuple[str, ...]] = [_NUMBERS]
    for what, found in (("tokens", tokens), ("turns", turns)):
        numbers = (found.low, found.p5, found.median, found.mean, found.p95, found.high)
        rows.append((what, *(f"{number:,}" for number in numbers), f"{found.total:,}"))
    for number, row in enumerate(_right(rows, first=1)):
        yield Line(row, "" if number else "strong")
    for what, found in (("TOKENS", tokens), ("TURNS", turns)):
        yield Line()
        yield from _bars(what, found, width)
    yield Line()
    yield Line(f"Tokens: {SOURCE}.", "dim")


def _bars(what: str, found: Distribution, width: int) -> Iterator[Line]:
    """Counts as bars, which a narrow terminal makes shorter."""
    most = max((bucket.count for bucket in found.buckets), default=0)
    single = all(bucket.low == bucket.high for bucket in found.buckets)
    ends = [max((bucket.high for bucket in found.buckets), default=0), most]
    widest, counts = (len(f"{number:,}") for number in ends)
    yield Line(what, "strong")
    taken = widest + counts + 4 + (0 if single else widest + 3)
    longest = max(_SHORT, min(_BAR, width - taken))
    for bucket in found.buckets:
        span = f"{bucket.low:>{widest},}" + ("" if single else f" - {bucket.high:>{widest},}")
        bar = "█" * -(-bucket.count * longest // most)
        yield Line(f"{span}  {bucket.count:>{counts},}  {bar}")


def statistics_json(statistics: Statistics) -> dict[str, Any]:
    """The same for a machine."""
    return {
        **checked_json(statistics.name, statistics.method, statistics.summary),
        "tokensOfAnExample": _distribution_json(statistics.tokens),
        "turnsOfAnExample": _distribution_json(statistics.turns),
        "tokensSource": SOURCE,
    }


def difference_lines(old: str, new: str, found: Difference) -> Iterator[Line]:
    """What came, went and changed, with the first of each."""
    yield Line(f"{inert(old)} -> {inert(new)}", "strong")
    before, after = found.before, found.after
    rows = [("", "BEFORE", "AFTER", "CHANGE")]
    for what, one, two in (
        ("examples", before.examples, after.examples),
        ("tokens", before.tokens, after.tokens),
    ):
        rows.append((what, f"{one:,}", f"{two:,}", f"{two - one:+,}"))
    for row in _right(rows, first=1):
        yield Line(row)
    yield Line()
    if found.is_empty:
        yield Line(f"No differences: both hold the same {counted(before.examples, 'example')}.")
        return
    for kind, sign, manner in _SIGNS:
        yield from _kind_lines(found, kind, sign, manner)
    yield Line(f"  {found.unchanged:,} unchanged", "dim")


def _kind_lines(
    found: Difference, kind: Literal["added", "removed", "changed"], sign: str, manner: str
) -> Iterator[Line]:
    count = {"added": found.added, "removed": found.removed, "changed": found.changed}[kind]
    if not count:
        return
    note = " (the same prompt, another answer)" if kind == "changed" else ""
    yield Line(f"{sign} {count:,} {kind}{note}", manner)
    table = _right([_example(one, kind) for one in found.first[kind]], first=0)
    for row, one in zip(table, found.first[kind], strict=True):
        yield Line(f"    {row}  {inert(one.words)}")
    if count > SHOWN:
        yield Line(f"    and {count - SHOWN:,} more", "dim")


def _example(one: Changed, kind: str) -> tuple[str, ...]:
    sign = "+" if kind == "changed" else ""
    lines = [f"{number}" for number in (one.before, one.after) if number is not None]
    return f"line {' -> '.join(lines)}", f"{one.tokens:{sign},} tokens"


def difference_json(old: str, new: str, found: Difference) -> dict[str, Any]:
    """The same for a machine."""
    return {
        "before": {"file": old, "examples": found.before.examples, "tokens": found.before.tokens},
        "after": {"file": new, "examples": found.after.examples, "tokens": found.after.tokens},
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "unchanged": found.unchanged,
        "first": {
            kind: [
                {
                    "before": one.before,
                    "after": one.after,
                    "tokens": one.tokens,
                    "words": inert(one.words),
                }
                for one in found.first[kind]
            ]
            for kind, _, _ in _SIGNS
        },
    }


def _tokens_json(tokens: Tokens) -> dict[str, int]:
    return {"low": tokens.low, "likely": tokens.likely, "high": tokens.high}


def _distribution_json(found: Distribution) -> dict[str, Any]:
    return {
        "min": found.low,
        "p5": found.p5,
        "median": found.median,
        "mean": found.mean,
        "p95": found.p95,
        "max": found.high,
        "sum": found.total,
        "buckets": [
            {"from": bucket.low, "to": bucket.high, "count": bucket.count}
            for bucket in found.buckets
        ],
    }


def _right(rows: Sequence[Sequence[str]], *, first: int) -> list[str]:
    """Align cells, from some column on to the right as numbers are."""
    widths = [max(map(breadth, column)) for column in zip(*rows, strict=True)]
    padded = [
        [
            " " * (most - breadth(cell)) + cell if at >= first else cell
            for at, (cell, most) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
    return columns(padded)
