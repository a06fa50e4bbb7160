"""The decision, as a value: one line for each address and each job that must change.

There is no update and no replace: the service has neither.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from tuneops.core.diff import FieldChange
from tuneops.core.drift import Drift


class Action(StrEnum):
    """What is done; each has a glyph of its own."""

    KEEP = "keep"
    WAIT = "wait"
    ADOPT = "adopt"
    CREATE = "create"
    CONTINUE = "continue"
    CANCEL = "cancel"
    RETIRE = "retire"
    POINT = "point"
    HOLD = "hold"

    @property
    def buys(self) -> bool:
        """Say whether the action makes a job, which costs money."""
        return self in (Action.CREATE, Action.CONTINUE)


class MoneyClass(StrEnum):
    """What a line of the plan means for the bill."""

    PAID = "paid"
    FREE = "free"
    BLOCKED = "blocked"


class Reason(StrEnum):
    """Why; a closed list, for people. Nothing may branch on a reason."""

    IN_SYNC = "in-sync"
    REUSED = "reused"
    RENAMED = "renamed"
    RE_STAMPED = "re-stamped"
    FOUND = "found"
    NAMED = "named"
    RUNNING = "running"
    PAUSED = "paused"
    UNKNOWN_STATE = "unknown-state"
    CANCELLING = "cancelling"
    QUEUED_TOO_LONG = "queued-too-long"
    FINISHING = "finishing"
    NO_MODEL_YET = "no-model-yet"
    UNANSWERED = "unanswered"
    FIRST_RUN = "first-run"
    INPUTS_CHANGED = "inputs-changed"
    PARENT_CHANGED = "parent-changed"
    PARENT_ACCEPTED = "parent-accepted"
    ACCEPTANCE_OVER = "acceptance-over"
    NEVER_MADE = "never-made"
    RETRY = "retry"
    WANTED_AGAIN = "wanted-again"
    RESUMED = "resumed"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    REMOVED = "removed"
    PROTECTED = "protected"
    FAILED = "failed"
    PARTIAL_RESULT = "partial-result"
    PARTIAL_ACCEPTED = "partial-accepted"
    CANCELLED_ELSEWHERE = "cancelled-elsewhere"
    JOB_GONE = "job-gone"
    ANOTHER_JOB = "another-job"
    MISSING_ARTEFACT = "missing-artefact"
    CHECKPOINT_MISSING = "checkpoint-missing"
    GATE = "gate"
    NOT_MEASURED = "not-measured"
    PIN_MOVED = "pin-moved"
    PIN_LOST = "pin-lost"
    WRONG_BYTES = "wrong-bytes"
    PARENT_BLOCKED = "parent-blocked"
    SUSPENDED = "suspended"
    NOT_KNOWN_HERE = "not-known-here"
    NOT_AT_TIP = "not-at-tip"
    NOT_FOUND = "not-found"
    NOT_ADOPTABLE = "not-adoptable"
    DIFFERS = "differs"
    PROMOTED = "promoted"
    PINNED = "pinned"
    POINTER_MOVED = "pointer-moved"
    ALIAS_TAKEN = "alias-taken"
    STILL_PROMOTED = "still-promoted"
    DELETED = "deleted"
    NOT_DELETABLE = "not-deletable"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An alias and the version and checkpoint that it belongs on, with what was seen of both."""

    alias: str
    creation: str
    model: str
    checkpoint: str
    holder: str | None
    """The version of the same model that has the alias now."""
    default: str | None
    """The default checkpoint of the version now."""
    elsewhere: tuple[str, ...] = ()
    """Versions of other models from which the alias is taken off."""

    @property
    def done(self) -> bool:
        """Say whether nothing is left to move."""
        placed = (self.holder, self.default) == (self.model, self.checkpoint)
        return placed and not self.elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of the plan."""

    address: str
    action: Action
    reason: Reason
    lineage: str | None = None
    key: str | None = None
    attempt: int = 0
    job: str | None = None
    model: str | None = None
    after: str | None = None
    """The address or job that must come to an end before this can happen."""
    fields: tuple[FieldChange, ...] = ()
    stuck: bool = False
    """Whether the job of a hold may go on by itself."""
    detail: tuple[str, ...] = ()
    """What stands behind the decision, in words: a gate with its values."""
    alias: str | None = None
    """The version alias that a line of a promotion is about."""
    move: Move | None = None
    deletes: bool = False
    """Whether the version is deleted, for good."""

    @property
    def place(self) -> str:
        """What the line is about: a job by its address, an alias as `support-bot@prod`."""
        return f"{self.address}@{self.alias}" if self.alias else self.address

    @property
    def money(self) -> MoneyClass:
        """What the line means for the bill."""
        if self.action.buys:
            return MoneyClass.PAID
        return MoneyClass.BLOCKED if self.action is Action.HOLD else MoneyClass.FREE


class Way(StrEnum):
    """How a plan could cost less."""

    ACCEPT_PARENT = "accept-parent"
    APPEND_STAGE = "append-stage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Another way to write the specs, which runs fewer jobs."""

    address: str
    """The job whose spec would say it."""
    way: Way
    target: str
    """The version to accept, or the address to append the job to."""
    spares: tuple[str, ...]
    """The addresses that would not be bought, of all advice of this way together."""
    buys: tuple[str, ...]
    """The addresses that would still be bought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Why a paid line that nothing else keeps back does not begin now."""

    why: Literal["slot", "quota"]
    before: int = 0
    """How many creates of the plan go first, those included that begin now."""
    taken: int = 0
    of: int | None = None
    unknown: tuple[str, ...] = ()
    """Locations whose jobs could not be listed: while there is one, nothing is begun."""
    until: datetime | None = None
    """When the create is tried again after the quota's no, by the service's clock."""
    refusals: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All lines, desired addresses first, and the drift that was seen on the way."""

    owner: str
    environment: str
    desired: Mapping[str, str]
    """The lineage that each address asks for, as its spec says it."""
    retries: Mapping[str, int]
    """How often each address may be tried again by policy, after the attempt that its line has."""
    changes: tuple[Change, ...]
    drift: tuple[Drift, ...] = ()
    ceiling: Mapping[str, str] = field(default_factory=dict)
    """The declared ceilings of money, by name: they are part of what is approved."""
    pointers: Mapping[str, str] = field(default_factory=dict)
    """Where each promotion is to point, by `name@alias`: a stage and its checkpoint, or a pin."""
    advice: tuple[Advice, ...] = ()
    """For people: a plan is the same with it and without."""
    waits: Mapping[str, Wait] = field(default_factory=dict)
    """For people as well, by address, the most urgent first."""
    unpinned: Mapping[str, int] = field(default_factory=dict)
    """How many examples of a job's data name files whose bytes nobody pins, by the addresses that
    are bought and whose data was read. For people, too."""
    bound: Mapping[str, str] = field(default_factory=dict)
    """Where the lineage in use is not the one of `desired`, for a re-stamp: the one in use."""

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to do and nothing to wait for."""
        return all(change.action is Action.KEEP for change in self.changes)

    @property
    def settled(self) -> bool:
        """Say whether more ticks can change nothing: what is left needs a person, or nothing."""
        still = (
            *(Action.WAIT, Action.ADOPT, Action.CREATE, Action.CONTINUE),
            *(Action.CANCEL, Action.POINT),
        )
        return not any(change.action in still or change.deletes for change in self.changes)

    @property
    def buys(self) -> tuple[Change, ...]:
        """The lines that cost money."""
        return tuple(change for change in self.changes if change.action.buys)

    @property
    def cancels(self) -> tuple[Change, ...]:
        """The lines that stop a running job."""
        return tuple(change for change in self.changes if change.action is Action.CANCEL)

    @property
    def deletions(self) -> tuple[Change, ...]:
        """The lines that delete a model version."""
        return tuple(change for change in self.changes if change.deletes)

    @property
    def holds(self) -> tuple[Change, ...]:
        """The lines that only a person can settle."""
        return tuple(change for change in self.changes if change.action is Action.HOLD)

    def counts(self) -> dict[str, int]:
        """How many lines of each action, those without any left out."""
        numbers: dict[str, int] = {}
        for change in self.changes:
            numbers[change.action.value] = numbers.get(change.action.value, 0) + 1
        return numbers

    def leaving(self, undone: Collection[Change]) -> "Plan":
        """The same plan where these lines are held, since only the agreed commit may do them."""
        changes = (_left(change) if change in undone else change for change in self.changes)
        return replace(self, changes=tuple(changes))

    def lineage(self, address: str) -> str | None:
        """The lineage in use at a desired address."""
        return self.bound.get(address) or self.desired.get(address)

    def find(self, address: str) -> Change | None:
        """The line that speaks of a desired address."""
        lineage = self.lineage(address)
        for change in self.changes:
            if change.address == address and change.lineage == lineage and not change.alias:
                return change
        return None

    @property
    def digest(self) -> str:
        """A hash of what would be bought, how often at most, cancelled and deleted, and of recipes.

        The declared ceilings are part of it. Never of texts, times, costs, commits or the tool's
        version: 32 hexadecimal digits.
        """
        limits = {at: most for at, most in Approval.of(self).buys.items() if most > 1}
        meaning = {
            "buys": sorted([c.address, c.action.value, c.lineage or ""] for c in self.buys),
            **({"attempts": limits} if limits else {}),
            "cancels": sorted(c.job or "" for c in self.cancels),
            **({"ceiling": dict(self.ceiling)} if self.ceiling else {}),
            **({"deletes": sorted(map(_version, self.deletions))} if self.deletions else {}),
            "desired": dict(self.desired),
            "owner": self.owner,
            **({"pointers": dict(self.pointers)} if self.pointers else {}),
        }
        text = json.dumps(["tuneops-plan-v1", meaning], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def _left(change: Change) -> Change:
    return replace(change, action=Action.HOLD, reason=Reason.NOT_AT_TIP, deletes=False)


def _version(change: Change) -> str:
    return change.model or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The limits of what was approved: a promise, not a script."""

    owner: str
    desired: Mapping[str, str]
    buys: Mapping[str, int]
    """The highest attempt that may be bought, by address; the lineage is that of `desired`."""
    cancels: frozenset[str]
    late: frozenset[str] = frozenset()
    """Lineages of unanswered creates that no spec wants: should their jobs show up, they may be
    stopped."""
    ceiling: Mapping[str, str] = field(default_factory=dict)
    """The ceilings of money that were declared then."""
    pointers: Mapping[str, str] = field(default_factory=dict)
    """Where promotions may point; the lineages of their stages are those of `desired`."""
    deletes: frozenset[str] = frozenset()
    """The versions that may be deleted."""

    @staticmethod
    def of(plan: Plan) -> "Approval":
        """Approve a plan: everything it announces, policy retries included, and no more.

        A create that was sent and not answered was approved when it was sent; if it turns out
        never to have landed, sending it again is no new purchase.
        """
        buys: dict[str, int] = {}
        for change in plan.changes:
            if change.lineage is None or plan.lineage(change.address) != change.lineage:
                continue
            retries = plan.retries.get(change.address, 0)
            unanswered = change.action is Action.WAIT and change.job is None
            stuck = change.action is Action.HOLD and change.stuck
            under_way = change.action in (Action.WAIT, Action.ADOPT) or stuck
            highest = change.attempt if change.action.buys or unanswered else 0
            if retries and (change.action.buys or under_way):
                highest = max(highest, change.attempt + retries)
            if highest:
                buys[change.address] = highest
        return Approval(
            owner=plan.owner,
            desired=dict(plan.desired),
            buys=buys,
            pointers=dict(plan.pointers),
            cancels=frozenset(change.job for change in plan.cancels if change.job),
            late=frozenset(
                change.lineage
                for change in plan.changes
                if change.action is Action.WAIT and change.job is None and change.lineage
            )
            | {plan.bound[address] for address in buys if address in plan.bound},
            ceiling=dict(plan.ceiling),
            deletes=frozenset(map(_version, plan.deletions)),
        )

    def refusal(self, plan: Plan) -> str | None:
        """Why a plan goes beyond what was approved, in words; None when it does not."""
        if plan.owner != self.owner:
            return f"it was made for `{self.owner}`, not for `{plan.owner}`"
        if self.ceiling != plan.ceiling:
            return "the ceilings of money are others than they were then"
        for address in sorted({*self.desired, *plan.desired}):
            if self.desired.get(address) != plan.desired.get(address):
                return f"`{address}` asks for other training than it did then"
        for place, target in sorted(plan.pointers.items()):
            if self.pointers.get(place) != target:
                return f"`{place}` would point at `{target}`, which the plan did not say"
        for change in plan.buys:
            if change.attempt > self.buys.get(change.address, 0):
                return f"`{change.address}` would be bought, which the plan did not say"
        unseen = {self.desired[address] for address in self.buys} | self.late
        for change in plan.cancels:
            if change.job not in self.cancels and change.lineage not in unseen:
                return f"`{change.job}` would be cancelled, which the plan did not say"
        for version in map(_version, plan.deletions):
            if version not in self.deletes:
                return f"`{version}` would be deleted, which the plan did not say"
        return None
