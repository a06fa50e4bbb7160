"""How a measure of examples is spread: a few numbers, and counts in steps that people read."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_STEPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """How many examples have at least `low` and at most `high`."""

    low: int
    high: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What is known of many numbers; all is zero when there are none."""

    count: int
    total: int
    low: int
    p5: int
    median: int
    mean: float
    p95: int
    high: int
    buckets: tuple[Bucket, ...]


def distribution(values: Iterable[int]) -> Distribution:
    """Sort numbers out. The percentiles are numbers that are there (nearest rank)."""
    ordered = sorted(values)
    count, total = len(ordered), sum(ordered)
    return Distribution(
        count=count,
        total=total,
        low=ordered[0] if ordered else 0,
        p5=_rank(ordered, 5),
        median=_rank(ordered, 50),
        mean=round(total / count, 1) if count else 0.0,
        p95=_rank(ordered, 95),
        high=ordered[-1] if ordered else 0,
        buckets=tuple(_buckets(ordered)),
    )


def _rank(ordered: Sequence[int], percent: int) -> int:
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else 0


def _buckets(ordered: Sequence[int]) -> Iterable[Bucket]:
    if not ordered:
        return
    low, high = ordered[0], ordered[-1]
    step = _step(high - low + 1)
    start, before = low - low % step, 0
    while start <= high:
        below = bisect_right(ordered, start + step - 1)
        yield Bucket(low=start, high=start + step - 1, count=below - before)
        start, before = start + step, below


def _step(width: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that makes few enough buckets."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if width <= step * (_STEPS - 1):
                return step
        power *= 10
