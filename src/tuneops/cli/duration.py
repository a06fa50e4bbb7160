"""Lengths of time as people type them: `90s`, `15m`, `2h`, `1h30m`."""

import re
from datetime import timedelta
from typing import Any

import click

_LONGEST = timedelta(days=36_500)
_FORM = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def read_duration(text: str) -> timedelta | None:
    """Read a length of time; None when it is not one, or longer than a century.

    A bare number counts seconds.
    """
    found = _FORM.fullmatch(text.strip())
    if not found or not text.strip():
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    try:
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        return None
    return length if length <= _LONGEST else None


class Duration(click.ParamType[timedelta]):
    """A length of time on the command line."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read the text, or complain about it."""
        if isinstance(value, timedelta):
            return value
        length = read_duration(str(value))
        if length is None:
            self.fail(f"`{value}` is no length of time; write it as 90s, 15m or 2h", param, ctx)
        return length
