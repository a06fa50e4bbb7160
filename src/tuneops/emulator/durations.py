"""Lengths of time as fault scripts write them: a number and its unit, such as `200ms` or `2h`."""

import re

from tuneops.emulator.clock import HOUR, MINUTE, SECOND

_UNITS = {"ms": SECOND // 1000, "s": SECOND, "m": MINUTE, "h": HOUR, "d": 24 * HOUR}
_DURATION = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)(?P<unit>ms|s|m|h|d)")


def duration(text: str) -> int | None:
    """Return a length of time in microseconds; None when `text` is something else."""
    match = _DURATION.fullmatch(text)
    return round(float(match["number"]) * _UNITS[match["unit"]]) if match else None
