"""Virtual time as a function of wall time, and instants as whole microseconds since 1970.

Nothing here asks the machine for the time: the wall clock is an argument.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Where virtual time was, at a moment of wall time, and how fast it goes from there."""

    virtual: int
    wall: int
    speed: float

    def at(self, wall: int) -> int:
        """Return virtual time at `wall`; a wall clock set back stops it, never reverses it."""
        return self.virtual + round(max(0, wall - self.wall) * self.speed)

    def moved(self, wall: int, ahead: int) -> "Anchor":
        """Return an anchor at `wall` whose virtual time lies `ahead` of where it would be."""
        if ahead < 0:
            raise ValueError("virtual time does not go backwards")
        return Anchor(virtual=self.at(wall) + ahead, wall=wall, speed=self.speed)

    def paced(self, wall: int, speed: float) -> "Anchor":
        """Return an anchor at `wall`, same virtual time, that goes on at `speed`."""
        if not math.isfinite(speed) or speed < 0:
            raise ValueError("the speed of virtual time is a finite number, zero or more")
        return Anchor(virtual=self.at(wall), wall=wall, speed=speed)


def micros(moment: datetime) -> int:
    """Return `moment`, which must know its zone, as microseconds since 1970."""
    if moment.tzinfo is None:
        raise ValueError("the wall clock must give datetimes with a time zone")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(instant: int) -> datetime:
    """Return an instant as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=instant)


def rfc3339(instant: int) -> str:
    """Write an instant as Vertex does: UTC, six decimals, `Z`."""
    return moment(instant).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant(text: str) -> int:
    """Read what `rfc3339` writes."""
    return micros(datetime.fromisoformat(text))


def rfc3339_millis(instant: int) -> str:
    """Write an instant as Cloud Storage does: UTC, three decimals, `Z`."""
    return f"{moment(instant).strftime('%Y-%m-%dT%H:%M:%S.%f')[:-3]}Z"
