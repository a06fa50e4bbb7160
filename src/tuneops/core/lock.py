"""What we asked for and what came of it: a ledger by creation key, in which nothing is overwritten.

An entry without a job is an intent: asked for, answer not yet seen.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tuneops.core.desired import Pinned
from tuneops.core.observed import Checkpoint, Failure, JobState
from tuneops.core.policy import Policy
from tuneops.core.recipe import SPELLING, Evidence, Pretuned, Recipe

VERSION = 1
"""Another value in a file is refused."""

REVISION = 1
"""A file of a newer revision is read, and written only after `lock upgrade`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why money was spent: the commit, whether specs differed from it, and the plan's digest."""

    __pydantic_config__ = SPELLING
    commit: str | None = None
    dirty: bool = False
    plan: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSet:
    """Evidence of the inputs of one creation; `source` is how its spec named a tuned model."""

    __pydantic_config__ = SPELLING
    training: Evidence | None = None
    validation: Evidence | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one metric said of the checkpoints of a job, by their ids; numbers are kept as text.

    `on` says what it was measured on, and how: only values with equal ones can be compared.
    """

    __pydantic_config__ = SPELLING
    on: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Where an alias of ours was seen last: the creation, its version, the default checkpoint.

    `also` names versions of other models on which it is to be taken off. `before` names those that
    the alias was on, the latest last: where `rollback` goes to. Nothing else rests on it.
    """

    __pydantic_config__ = SPELLING
    creation: str
    model: str
    checkpoint: str
    also: tuple[str, ...] | None = None
    before: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """One job that we asked the service to make."""

    __pydantic_config__ = SPELLING
    attempt: int
    lineage: str
    mark: str
    recipe: Recipe
    hash_version: int = 1
    evidence: EvidenceSet = EvidenceSet()
    policy: Policy = field(default_factory=Policy)
    source: Pretuned | None = None
    cause: Cause = Cause()
    asked: datetime | None = None
    """The service's clock when an unanswered create was sent; absent once the job is known."""
    job: str | None = None
    state: JobState | None = None
    cancel_asked: bool | None = None
    """Whether tuneops asked for this job to be cancelled."""
    delete_asked: bool | None = None
    """Whether tuneops asked for its model version to be deleted: where it is gone, that is why."""
    adopted: bool | None = None
    """Whether somebody else made this job; its data's pin is then asserted, not proved."""
    recalled: bool | None = None
    """Whether a run wrote this by the job's own marks, since no lock knew it and no spec wants it:
    enough to serve it and not to buy it again, too little to delete it."""
    data_read: bool | None = None
    """Of a live job: whether it had read its data while the pinned bytes were still there."""
    wrong_bytes: bool | None = None
    """Whether other bytes than the pinned ones were there when it read, or may have read, them."""
    rewritten: datetime | None = None
    """When its data was last written after the create and before it had surely read it: the pinned
    bytes were there before and after, what was there in between nobody knows. Nothing rests on it.
    """
    created: datetime | None = None
    ended: datetime | None = None
    model: str | None = None
    checkpoints: Mapping[str, Checkpoint] = field(default_factory=dict)
    chosen: str | None = None
    billable_tokens: int | None = None
    error: Failure | None = None
    measured: Mapping[str, Measured] | None = None
    """The metrics that some rule or gate asks for now, by their names."""
    stamps: tuple[str, ...] | None = None
    """Lineages of specs that say in other words what this creation is (`core.stamps`), in order."""
    unkept: tuple[str, ...] | None = None
    """Set while its claim lacks what `core.keepsakes` keeps there, since it could not be written:
    the aliases that promotions let go meanwhile. A later run keeps it."""

    @property
    def unanswered(self) -> bool:
        """Say whether the outcome of this creation is not known yet."""
        return self.job is None

    @property
    def live(self) -> bool:
        """Say whether the job exists and has not ended, as far as is recorded."""
        return self.job is not None and (self.state is None or not self.state.terminal)

    @property
    def succeeded(self) -> bool:
        """Say whether there is a model version to serve and to continue from.

        A version that a job left that did not succeed is one where the policy takes it for one.
        """
        if self.model is None or self.state is None or self.wrong_bytes:
            return False
        accepted = self.state.terminal and self.policy.accept_partial is True
        return self.state is JobState.SUCCEEDED or accepted

    @property
    def endpoint(self) -> str | None:
        """The endpoint of the chosen checkpoint, if it is deployed."""
        checkpoint = self.checkpoints.get(self.chosen) if self.chosen else None
        return checkpoint.endpoint if checkpoint else None


def owed(one: Creation, two: Creation) -> tuple[str, ...] | None:
    """What a claim lacks by two states of its entry; None where it lacks nothing."""
    if one.unkept is None and two.unkept is None:
        return None
    return tuple(sorted({*(one.unkept or ()), *(two.unkept or ())}))


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedJob:
    """All that was ever asked for at one address; `current` never points at unfinished work."""

    __pydantic_config__ = SPELLING
    current: str | None = None
    creations: Mapping[str, Creation] = field(default_factory=dict)

    @property
    def result(self) -> Creation | None:
        """The creation that serving code should use."""
        return self.creations.get(self.current) if self.current else None

    def done(self, lineage: str) -> tuple[str, Creation] | None:
        """The result of a lineage, with its key: the first success, else the first that counts."""
        found = [
            (creation.state is not JobState.SUCCEEDED, creation.attempt, key)
            for key, creation in self.creations.items()
            if creation.lineage == lineage and creation.succeeded
        ]
        return (min(found)[2], self.creations[min(found)[2]]) if found else None

    @property
    def history(self) -> tuple[tuple[str, Creation], ...]:
        """The creations with their keys, latest first: unanswered ones, then by service time."""

        def age(item: tuple[str, Creation]) -> tuple[bool, float, str]:
            key, creation = item
            created = creation.created.timestamp() if creation.created else 0.0
            return creation.unanswered, created, key

        return tuple(sorted(self.creations.items(), key=age, reverse=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The ledger of one environment."""

    __pydantic_config__ = SPELLING
    version: int = VERSION
    revision: int = REVISION
    workspace: str
    environment: str
    target: str
    project: str
    project_number: str | None = None
    location: str
    guard: str | None = None
    jobs: Mapping[str, LockedJob] = field(default_factory=dict)
    retired: Mapping[str, LockedJob] = field(default_factory=dict)
    pins: Mapping[str, Mapping[str, Pinned | Pretuned]] | None = None
    """Pins that were moved and that nothing was trained on yet, by address and by name there."""
    pointers: Mapping[str, Mapping[str, Pointer]] | None = None
    """Aliases that promotions have moved, by the name of the chain or job and the alias."""

    def pointer(self, name: str, alias: str) -> Pointer | None:
        """Where an alias of ours is, as far as is recorded."""
        return (self.pointers or {}).get(name, {}).get(alias)

    def point(self, name: str, alias: str, pointer: Pointer | None) -> "Lock":
        """Record where an alias is; None forgets it."""
        kept = {other: dict(found) for other, found in (self.pointers or {}).items()}
        aliases = kept.setdefault(name, {})
        if pointer is None:
            aliases.pop(alias, None)
        else:
            aliases[alias] = pointer
        left = {other: found for other, found in kept.items() if found}
        return replace(self, pointers=left or None)

    def at(self, address: str) -> LockedJob:
        """What is recorded at an address, retired or not; empty where nothing is."""
        return self.jobs.get(address) or self.retired.get(address) or LockedJob()

    def creations(self) -> Iterator[tuple[str, str, Creation]]:
        """Every creation with its address and key, retired ones too."""
        for book in (self.jobs, self.retired):
            for address, job in book.items():
                for key, creation in job.creations.items():
                    yield address, key, creation

    def put(self, address: str, key: str, creation: Creation) -> "Lock":
        """Record a creation at an address; other creations stay as they are."""
        return self.record([(address, key, creation)])

    def drop_intent(self, address: str, key: str) -> "Lock":
        """Forget a creation that the service definitely refused, or that was never sent."""
        return self.record([(address, key, None)])

    def record(self, entries: Iterable[tuple[str, str, Creation | None]]) -> "Lock":
        """Record many creations at once, in this order; None forgets an intent, and no more.

        What an entry costs does not depend on how many addresses there are.
        """
        books = {"jobs": dict(self.jobs), "retired": dict(self.retired)}
        opened: dict[str, dict[str, Creation]] = {}
        for address, key, creation in entries:
            retired = address in self.retired and address not in self.jobs
            book = books["retired" if retired else "jobs"]
            if address not in opened:
                opened[address] = dict(self.at(address).creations)
            creations = opened[address]
            if creation is not None:
                creations[key] = creation
            elif not retired and key in creations and creations[key].unanswered:
                del creations[key]
            else:
                continue
            book[address] = LockedJob(current=self.at(address).current, creations=creations)
        jobs = {
            address: job
            for address, job in books["jobs"].items()
            if job.creations or job.current or address not in opened
        }
        return replace(self, jobs=jobs, retired=books["retired"])
