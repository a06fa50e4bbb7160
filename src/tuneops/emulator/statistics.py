"""Distributions as the service reports them for a dataset."""

from collections.abc import Callable, Sequence
from typing import Any

from tuneops.emulator.wire import double

_BUCKETS = 5


def spread(values: Sequence[float], *, billable: bool) -> dict[str, Any]:
    """Return the distribution of `values`, which are not empty.

    Supervised statistics have whole sums as text, with a billable one, and the counts of their
    buckets as numbers; in preference statistics it is the other way round.
    """
    ordered = sorted(values)
    total = sum(ordered)
    sums: dict[str, Any] = {"sum": double(total)}
    if billable:
        sums = {"sum": str(total), "billableSum": str(total)}
    numbers = {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": round(total / len(ordered), 6),
        "median": _quantile(ordered, 0.5),
        "p5": _quantile(ordered, 0.05),
        "p95": _quantile(ordered, 0.95),
    }
    shown = {name: double(value) for name, value in numbers.items() if value}
    return {**sums, **shown, "buckets": _buckets(ordered, counts=double if billable else str)}


def _quantile(ordered: Sequence[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return round(ordered[low] + (ordered[high] - ordered[low]) * (position - low), 6)


def _buckets(ordered: Sequence[float], *, counts: Callable[[int], Any]) -> list[dict[str, Any]]:
    first, last = ordered[0], ordered[-1]
    count = _BUCKETS if last > first else 1
    width = (last - first) / count
    result = []
    for number in range(count):
        left = first + number * width
        right = last if number == count - 1 else first + (number + 1) * width
        held = sum(
            1 for value in ordered if (number == 0 or value > left) and first <= value <= right
        )
        bounds = {"left": round(left, 6), "right": round(right, 6)}
        bucket = {"count": counts(held)} if held else {}
        bucket |= {name: double(value) for name, value in bounds.items() if value}
        result.append(bucket)
    return result
