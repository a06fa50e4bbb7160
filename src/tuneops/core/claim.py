"""The creation guard's record: who may create the one job of a creation key."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from tuneops.core.recipe import SPELLING

Phase = Literal["intent", "issued", "bound", "void"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What one run is about to buy under a ceiling that others buy under as well."""

    __pydantic_config__ = SPELLING
    key: str
    owner: str
    lineage: str
    mark: str
    cost: Decimal
    """In US dollars, the higher end of its estimate."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepsake:
    """What became of an entry of the lock since its job was made, where no job can say it."""

    __pydantic_config__ = SPELLING
    address: str | None = None
    """Where it is now, if its job was made under another name."""
    policy: tuple[str, ...] | None = None
    """As the machine line keeps one, if its spec said another later."""
    since: datetime | None = None
    """When it became the result to serve, although a newer one was there."""
    taken: bool | None = None
    """Whether it was the result to serve of its first address when it went to another one."""
    unserved: bool | None = None
    """Whether it is a result, and its address nevertheless has none to serve: nobody wanted it by
    the time that it was there."""
    chosen: str | None = None
    released: tuple[str, ...] | None = None
    """Aliases that are on it and that a promotion has let go."""
    before: dict[str, tuple[str, ...]] | None = None
    """The versions that aliases on it were on before, by alias with its chain: `bot@prod`."""
    delete_asked: bool | None = None
    wrong_bytes: bool | None = None
    rewritten: datetime | None = None
    stamps: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim. `intent` may be taken over soon, `issued` only after the settle time.

    `bound` is final; `void` says that nothing was made. A claim is never given up after use.
    """

    __pydantic_config__ = SPELLING
    key: str
    phase: Phase
    epoch: int
    marks: tuple[str, ...]
    runner: str
    at: datetime
    job: str | None = None
    cancel_asked: bool | None = None
    """Whether tuneops asked for the job to be cancelled: False before that is sent, True after."""
    refusals: int | None = None
    """How often in a row the quota said no."""
    kept: Keepsake | None = None
    """What `lock rebuild` needs to know of a `bound` one, and its job does not say."""
    not_before: datetime | None = None
    """Of a `void` claim: when the create may be tried again, by the service's clock."""
    reserved: tuple[Reservation, ...] | None = None
    """Of the record that all runs under one ceiling share (`core.purse`), and of no other."""
