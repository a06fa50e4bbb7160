"""Lengths of time on the command line: `90s`, `15m`, `2h`, `1h30m`."""

from datetime import timedelta
from typing import Any

import click

from tuneops.spec.times import read_duration


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
