"""The words of the creation protocol: orders, effects, answers and outcomes.

`core.protocol` says in which order; the engine performs the effects, a simulator on a model.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tuneops.core.claim import Claim
from tuneops.core.desired import Pinned
from tuneops.core.lock import Creation
from tuneops.core.purse import Purse
from tuneops.core.request import JobRequest

INTENT_AGE = timedelta(seconds=60)
"""How long another runner may take between claiming and sending before it counts as dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One create, decided and described: everything but the doing."""

    address: str
    key: str
    owner: str
    owners: frozenset[str] = frozenset()
    """The marks of all jobs of ours, where there are old names besides `owner`."""
    creation: Creation
    request: JobRequest
    datasets: tuple[Pinned, ...]
    runner: str
    at: datetime
    """The service's clock at the complete list that this order was decided on."""
    settle: timedelta
    purse: Purse | None = None
    """Where it is bought under a ceiling that other runs buy under as well."""


# --- effects -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckData:
    """Compare a dataset with its pin, uploading it first if it is ours to upload → DataState."""

    pinned: Pinned


DataState = Literal["ready", "moved", "gone"]


@dataclass(frozen=True, slots=True)
class ReadClaim:
    """Read a claim → (Claim, generation), or None."""

    key: str


@dataclass(frozen=True, slots=True)
class SwapClaim:
    """Write a claim if nobody wrote since → its new generation, or None when somebody did."""

    claim: Claim
    expected: str | None


@dataclass(frozen=True, slots=True)
class ListJobs:
    """Read the complete list → (the service's clock, jobs)."""


@dataclass(frozen=True, slots=True)
class ProveMemory:
    """Prove that journal and lock can be written, before money is spent."""

    address: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Write an entry to the journal, on disk before this returns."""

    address: str
    key: str
    creation: Creation


@dataclass(frozen=True, slots=True)
class Forget:
    """Write to the journal that an intent came to nothing."""

    address: str
    key: str


@dataclass(frozen=True, slots=True)
class PostJob:
    """Send the one POST → ObservedJob, Refusal or Silence.

    Nothing is sent when the latest `ListJobs` began more than `within` ago; that is a Refusal.
    """

    request: JobRequest
    within: timedelta = INTENT_AGE
    """The issued mark bears the time of that list: a run that was held up since, or whose machine
    slept, would send when others already take its mark for one that can land no more."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let so many seconds pass."""

    seconds: float


Effect = (
    CheckData | ReadClaim | SwapClaim | ListJobs | ProveMemory | Remember | Forget | PostJob | Wait
)


# --- answers and outcomes ------------------------------------------------------------------------


Troubles = tuple[str, ...]
"""What could not be written down of an outcome. It is true all the same; nothing is to be begun
before that is mended."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The service said no: nothing was made. `busy` when it only has no room now."""

    message: str
    notes: tuple[str, ...] = ()
    busy: bool = False
    quota: bool = False
    """Whether it was the quota that said no: the claim then says when to try again."""
    troubles: Troubles = ()


@dataclass(frozen=True, slots=True)
class Silence:
    """No trustworthy answer came back: the job may have been made."""

    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The create was sent and its outcome is not known; the entry says so until it is."""

    creation: Creation
    message: str


@dataclass(frozen=True, slots=True)
class Made:
    """The job was made by this very POST."""

    creation: Creation
    lost: bool = False
    """Whether the answer was lost, and the job found by its mark."""
    troubles: Troubles = ()
    unlabelled: bool = False
    """Whether the service dropped our labels: lock, journal and claim know the job by its name."""


@dataclass(frozen=True, slots=True)
class Found:
    """The job was there already; the next tick records it."""

    job: str
    troubles: Troubles = ()


Why = Literal[
    "unanswered",
    "not-listed",
    "job-gone",
    "pin-moved",
    "pin-lost",
    "claim-damaged",
    "not-known-here",
    "quota",
    "over-budget",
]


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing was sent: something else must come first, or a person."""

    why: Why
    message: str


@dataclass(frozen=True, slots=True)
class Contended:
    """Another runner is about to create this job, or has just claimed it."""

    message: str


Outcome = Made | Found | Refusal | Unknown | Held | Contended
