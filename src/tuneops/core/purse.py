"""What runs under one ceiling tell each other before they buy.

A list shows what was made, and not what another run is about to make. So every run writes what it
is about to buy into one record of the claim store, by compare-and-swap, after it has read what the
others wrote there and before it sends anything: of two runs that both find room for the last
dollar, one is told to look again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from tuneops.core.claim import Claim, Reservation
from tuneops.core.observed import ObservedJob

Refuses = Callable[[datetime, tuple[ObservedJob, ...], tuple[Reservation, ...]], str | None]
"""What ceilings say to a create once the list was read again: why not, in words, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """The shared record of a workspace, and what one create takes out of it."""

    key: str
    cost: Decimal
    """The higher end of the create's estimate."""
    refusal: Refuses


AHEAD = timedelta(days=1)
"""How far a clock may be ahead and still be believed: what it reserved blocks others until then."""


def standing(record: Claim | None, at: datetime, lasts: timedelta) -> tuple[Reservation, ...]:
    """The reservations that may still become jobs: a create that was sent then can still land.

    One of a day from now on is nobody's: an emulator was reset, or an answer had no true date.
    """
    held = record.reserved or () if record is not None else ()
    return tuple(one for one in held if -AHEAD < at - one.at < lasts)
