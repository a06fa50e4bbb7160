"""What a workspace forbids its own runs: ceilings, allowed places and models, frozen times.

Declared rules, as values with their places. They never change what is desired or why; they only say
what may not be bought now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from tuneops.diagnostics import SourceRef

WEEK = timedelta(days=7)

PER_APPLY = "perApply"
PER_MONTH = "perMonth"
PER_CHAIN = "perChain"
MAX_COST = "--max-cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The most of something; `where` is None for a flag."""

    name: str
    most: Decimal
    where: SourceRef | None = None
    wide: bool = False
    """Whether it counts what every environment of the workspace has bought: that is where it is
    declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The only words that may be used."""

    words: tuple[str, ...]
    where: SourceRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A time in which nothing is bought: from a moment until another, or the same every week.

    Every week, both are counted from Monday 00:00 UTC; the end may lie in the week after.
    """

    reason: str
    where: SourceRef
    moments: tuple[datetime, datetime] | None = None
    weekly: tuple[timedelta, timedelta] | None = None

    def until(self, at: datetime) -> datetime | None:
        """When the freeze that holds at a moment ends; None when none holds."""
        if self.moments is not None:
            start, end = self.moments
            return end if start <= at < end else None
        assert self.weekly is not None, "a freeze has one of both forms"
        start_of_week = at.replace(hour=0, minute=0, second=0, microsecond=0)
        start_of_week -= timedelta(days=at.weekday())
        begin, stop = self.weekly
        length = (stop - begin) % WEEK or WEEK
        for week in (start_of_week - WEEK, start_of_week):
            if week + begin <= at < week + begin + length:
                return week + begin + length
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All rules of a run. Every one holds: those of an environment loosen none of its workspace."""

    ceilings: tuple[Ceiling, ...] = ()
    """Of money, in US dollars, by the names above."""
    unestimated: bool = False
    """Whether a job may be bought under a ceiling although its cost cannot be estimated."""
    creates: tuple[Ceiling, ...] = ()
    """How many jobs one run may make."""
    locations: tuple[Allowed, ...] = ()
    models: tuple[Allowed, ...] = ()
    epochs: tuple[Ceiling, ...] = ()
    encryption: tuple[SourceRef, ...] = ()
    """Where it is said that every job needs a key."""
    freezes: tuple[Freeze, ...] = ()

    @property
    def ceiling(self) -> Mapping[str, str]:
        """The lowest ceiling of each name, spelled so that equal numbers are equal texts."""
        lowest: dict[str, Decimal] = {}
        for ceiling in self.ceilings:
            lowest[ceiling.name] = min(ceiling.most, lowest.get(ceiling.name, ceiling.most))
        return {name: f"{most.normalize():f}" for name, most in sorted(lowest.items())}
