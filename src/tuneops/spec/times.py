"""Times as people type them: lengths such as `90s`, `15m`, `1h30m`, and days."""

import re
from datetime import UTC, datetime, timedelta

from tuneops.spec.scalars import Misfit, scalar, shown

LENGTH = r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?"
_LONGEST = timedelta(days=36_500)
_FORM = re.compile(LENGTH)


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


def length(node: object) -> timedelta:
    """Read a length of time of a spec; it says its unit."""
    wanted = "a length of time, such as 90m, 24h or 7d"
    value = scalar(node, wanted)
    found = None if value.text.strip().isdigit() else read_duration(value.text)
    if not found:
        raise Misfit("bad-value", f"must be {wanted}, not {shown(value)}", help=_meant(value.text))
    return found


def moment(node: object) -> datetime:
    """Read a day, which is over at its end, or an instant with its zone."""
    wanted = "a day such as 2027-01-31, or an instant such as 2027-01-31T12:00:00Z"
    value = scalar(node, wanted)
    try:
        found = datetime.fromisoformat(value.text)
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.text):
            return found.replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        found = None
    if found is None or found.tzinfo is None:
        raise Misfit("bad-value", f"must be {wanted}, not {shown(value)}")
    return found.astimezone(UTC)


def _meant(text: str) -> str | None:
    """What a number without a unit, or a time of day, may have been meant for."""
    if text.strip().isdigit():
        return f"say the unit: {text}s, {text}m or {text}h"
    clock = re.fullmatch(r"(\d{1,4}):(\d{2})", text)
    return (
        f'write "{int(clock[1])}m{int(clock[2])}s" or "{int(clock[1])}h{int(clock[2])}m"'
        if clock
        else None
    )
