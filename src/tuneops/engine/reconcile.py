"""The tick and the loop: look at the whole world, decide, do what is ready now, write it down.

Level, not edge: nothing is carried from one tick to the next but the lock on disk, so a run that is
killed at any instruction is continued by the next one.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Protocol

from tuneops.core.creation import Held, Made, Order, Outcome, Refusal, Unknown
from tuneops.core.desired import DesiredGraph
from tuneops.core.ledger import numbered
from tuneops.core.lock import Cause, Lock
from tuneops.core.plan import Action, Approval, Change, Plan
from tuneops.core.planner import make_plan
from tuneops.core.promotion import note_move, note_moves
from tuneops.core.stamps import stamped
from tuneops.core.steps import (
    CancelJob,
    CreateJob,
    DeleteVersion,
    MovePointer,
    Step,
    intent,
    ready_steps,
    request,
)
from tuneops.core.view import View, ended, look
from tuneops.costs.estimates import Knowledge
from tuneops.costs.room import Room, room
from tuneops.costs.verdicts import Verdict, judge
from tuneops.engine.deleting import Desk, delete_version
from tuneops.engine.execute import Hands, create_job, exit_code, troubles
from tuneops.engine.keeping import keep
from tuneops.engine.observe import look_elsewhere, observe, strangers
from tuneops.engine.point import move_pointer
from tuneops.engine.ports import ClaimStore, Clock, Disposal, ModelRegistry, TuningService
from tuneops.engine.recording import Entry, entries
from tuneops.engine.stopping import cancel_job
from tuneops.engine.telling import Event, told, transitions, unwritten
from tuneops.errors import DiskError, Stale, TuneopsError


class LockStore(Protocol):
    """The lock on disk, together with what the journal adds to it."""

    def load(self) -> Lock:
        """The union of file and journal; LockDamaged when the file cannot be trusted."""
        ...

    def save(self, lock: Lock) -> bool:
        """Write the lock if it says anything new, and say whether it did.

        Busy when somebody wrote since it was loaded.
        """
        ...


POLL = timedelta(seconds=60)
"""How long a run that follows its jobs rests between two rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The ports of one run."""

    hands: Hands
    registry: ModelRegistry
    disposal: Disposal
    locks: LockStore
    clock: Clock
    watch: Callable[[Event], None]
    new_mark: Callable[[], str]
    known: Callable[[Plan, View], Knowledge] = lambda plan, view: Knowledge()
    """What is known of prices, and of the tokens of a plan's data."""
    shared: bool = False
    """Whether every runner of this repository has its claims where `hands` has them."""
    archives: tuple[ClaimStore, ...] = ()
    """Where this repository's claims may be read without finding out which of its guards works, and
    those made while another guard was in use; empty where `hands` has the only ones."""
    elsewhere: Mapping[str, TuningService] = field(default_factory=dict)
    """The project's other locations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a run is allowed to do, and in whose name."""

    approval: Approval | None
    """The limits; None approves whatever the first tick's plan says."""
    cause: Cause
    runner: str
    settle: timedelta
    may_cancel: bool
    only_free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What one round saw and did."""

    plan: Plan
    view: View
    lock: Lock
    """The lock as it was written at the end."""
    outcomes: tuple[tuple[Change, Outcome | None], ...]
    wrote: bool
    verdict: Verdict = field(default_factory=Verdict)
    """What the rules of the workspace said to the plan."""
    only_free: bool = False
    """Whether nothing was to be bought."""
    undone: tuple[Change, ...] = ()
    """What was ready and not done, since nobody approved it and this is not the agreed commit."""

    @property
    def pointed(self) -> bool:
        """Say whether this round moved or deleted something and did nothing that takes its time."""
        waits = any(change.action is Action.WAIT for change in self.plan.changes)
        return not waits and any(
            (change.move is not None or change.deletes) and outcome is None
            for change, outcome in self.outcomes
        )

    @property
    def made(self) -> int:
        """How many jobs this round made."""
        return sum(1 for _, outcome in self.outcomes if isinstance(outcome, Made))


@dataclass(slots=True)
class Report:
    """What a run did. Only the latest round is kept whole: a run may last for hours."""

    latest: Tick | None = None
    rounds: int = 0
    digest: str = ""
    """Of the first round's plan."""
    outcomes: list[tuple[Change, Outcome | None]] = field(default_factory=list)
    """All that was done, in order."""
    wrote: bool = False
    timed_out: bool = False
    ended: set[str] = field(default_factory=set)
    """The creation keys of jobs that came to their end meanwhile."""
    retired: set[str] = field(default_factory=set)
    """The addresses, and aliases, that no spec had any more."""

    def add(self, tick: Tick) -> None:
        """Take in one more round."""
        self.latest = tick
        self.ended |= set(ended(tick.view))
        self.retired |= {change.place for change in tick.plan.changes if _retires(change)}
        self.digest = self.digest or tick.plan.digest
        self.rounds += 1
        self.outcomes += tick.outcomes
        self.wrote = self.wrote or tick.wrote

    @property
    def last(self) -> Tick:
        """The latest round; there is one."""
        assert self.latest is not None, "no round is over yet"
        return self.latest

    @property
    def made(self) -> int:
        """How many jobs were made."""
        return sum(1 for _, outcome in self.outcomes if isinstance(outcome, Made))

    @property
    def bought(self) -> frozenset[str]:
        """The creation keys that were asked for, answered or not."""
        asked = (c.key for c, outcome in self.outcomes if isinstance(outcome, Made | Unknown))
        return frozenset(key for key in asked if key is not None)


def survey(graph: DesiredGraph, world: World, settle: timedelta) -> View:
    """Look at lock and world without changing either."""
    lock, hands = world.locks.load(), world.hands
    observed = observe(
        graph, lock, service=hands.service, registry=world.registry, objects=hands.objects
    )
    graph = stamped(graph, lock, observed.jobs)
    stores = world.archives or (hands.claims,)
    unclaimed = strangers(graph, observed, stores, twins=world.shared)
    return look(graph, lock, replace(observed, strangers=unclaimed), settle)


def tick(
    graph: DesiredGraph,
    world: World,
    terms: Terms,
    refused: frozenset[str] = frozenset(),
    bought: frozenset[str] = frozenset(),
) -> Tick:
    """One round. `refused` are creation keys that this run does not try again, `bought` its own.

    What the rules bar stays in the plan, and nothing is made of it.
    Stale when the plan goes beyond the approved limits, before anything is done. Nothing more is
    begun once something could not be written down; what was made by then is in the lock or, where
    that cannot be written either, in the words of the fault.
    """
    view = survey(graph, world, terms.settle)
    plan = make_plan(view)
    if terms.approval is not None and (why := terms.approval.refusal(plan)):
        raise Stale(
            f"the plan that was approved is out of date: {why}",
            notes=("nothing was bought in this round",),
            help="run `tuneops plan` and have it approved again",
        )
    for event in transitions(view.before, view.ledger):
        world.watch(event)
    view = look_elsewhere(view, world.elsewhere) if plan.buys else view
    known = world.known(plan, view) if plan.buys else Knowledge()
    verdict = judge(plan, view, known, bought)
    barred = frozenset(plan.desired if terms.only_free else verdict.barred)
    ready = ready_steps(plan, view, barred=barred)
    steps = [step for step in ready if _permitted(step, terms, refused)]
    undone = () if terms.may_cancel else tuple(_for_the_tip(ready))
    moving = {step.move for step in steps if isinstance(step, MovePointer)}
    pointed = note_moves(plan.changes, view.ledger, moving)
    kept = partial(keep, view, claims=world.hands.claims, runner=terms.runner, watch=world.watch)
    first = pointed = kept(view.before, pointed)
    wrote = world.locks.save(first)
    outcomes: list[tuple[Change, Outcome | None]] = []
    noted: list[Entry] = []
    cause = replace(terms.cause, plan=terms.cause.plan or plan.digest)
    terms = replace(terms, cause=cause)
    left = room(plan, view, known, verdict.barred)
    try:
        for step in steps:
            outcome = _execute(step, view, world, terms, left)
            outcomes.append((step.change, outcome))
            noted += entries(view.ledger, step, outcome)
            if isinstance(step, MovePointer) and outcome is None:
                pointed = note_move(pointed, step.change.address, step.move)
            if troubles(outcome):
                break
    except TuneopsError:
        with contextlib.suppress(TuneopsError):
            world.locks.save(world.locks.load())
        raise
    lock = numbered(pointed.record(noted), (one.job for _, _, one in noted if one))
    lock = kept(first, lock) if lock != first else first
    try:
        wrote = world.locks.save(lock) or wrote
    except DiskError as fault:
        raise unwritten(fault, outcomes) from fault
    return Tick(
        plan=plan.leaving(undone),
        view=view,
        lock=lock,
        outcomes=tuple(outcomes),
        wrote=wrote,
        verdict=verdict,
        only_free=terms.only_free,
        undone=undone,
    )


def _retires(change: Change) -> bool:
    return change.action is Action.RETIRE and not change.deletes


def _for_the_tip(steps: Iterable[Step]) -> Iterator[Change]:
    """What only an approved run does, or one at the commit that everybody agreed on."""
    return (step.change for step in steps if not isinstance(step, CreateJob))


def _permitted(step: Step, terms: Terms, refused: frozenset[str]) -> bool:
    if isinstance(step, CreateJob):
        return step.change.key not in refused
    return terms.may_cancel and place_of(step.change) not in refused


def place_of(change: Change) -> str:
    """What a run remembers of something that was refused, so that it is not tried again."""
    if change.deletes:
        return change.model or ""
    return change.place if change.alias else change.key or ""


def _execute(
    step: Step, view: View, world: World, terms: Terms, left: Room | None
) -> Outcome | None:
    change = step.change
    if isinstance(step, CancelJob):
        refusal = cancel_job(step, view.ledger, world.hands, terms.runner)
        if refusal is None:
            world.watch(Event(address=change.address, event="cancelling", job=change.job))
        return refusal
    if isinstance(step, MovePointer | DeleteVersion):

        def say(event: str, detail: str) -> None:
            world.watch(Event(address=change.place, event=event, detail=detail))

        if isinstance(step, MovePointer):
            done = move_pointer(step.move, world.registry, say)
        else:
            desk = Desk(world.hands.memory, world.registry, world.disposal)
            done = delete_version(step, view.ledger, desk, say)
        if done is not None:
            world.watch(told(change, done))
        return done
    order = _order(step, view, world, terms)
    order = replace(order, purse=left.purse(change) if left else None)
    outcome = create_job(order, world.hands)
    world.watch(told(change, outcome))
    return outcome


def _order(step: CreateJob, view: View, world: World, terms: Terms) -> Order:
    owner = view.graph.target.owner
    creation = intent(step, world.new_mark(), terms.cause)
    assert step.change.key is not None, "a create has a key"
    validation = (step.job.validation,) if step.job.validation else ()
    return Order(
        address=str(step.job.address),
        key=step.change.key,
        owner=owner,
        owners=view.graph.target.owners,
        creation=creation,
        request=request(step, owner, creation),
        datasets=(step.job.training, *validation),
        runner=terms.runner,
        at=view.observed.at,
        settle=terms.settle,
    )


def converge(
    graph: DesiredGraph,
    world: World,
    terms: Terms,
    report: Report,
    *,
    timeout: timedelta,
    poll: timedelta = POLL,
) -> None:
    """Repeat ticks until nothing is left to do or to wait for, or until the time is up.

    The time is counted in what was slept; `report` knows of each round as soon as it is over.
    """
    waited = timedelta()
    refused: set[str] = set()
    while True:
        done = tick(graph, world, terms, frozenset(refused), report.bought)
        report.add(done)
        if terms.approval is None:
            cause = replace(terms.cause, plan=done.plan.digest)
            terms = replace(terms, approval=Approval.of(done.plan), cause=cause)
        refused |= given_up(done)
        if is_over(done, refused):
            return
        if waited >= timeout:
            report.timed_out = True
            return
        if done.pointed:
            continue  # nothing has to pass before another look
        world.clock.sleep(poll.total_seconds())
        waited += poll


def given_up(done: Tick) -> set[str]:
    """The creation keys that this run must not try again: refused, or data that has changed."""
    return {place_of(change) for change, outcome in done.outcomes if _final(outcome)}


def _final(outcome: Outcome | None) -> bool:
    """Say whether this run must not try again: a refusal, or what a person must mend.

    The quota's no is neither: the claim says when to try again.
    """
    if isinstance(outcome, Refusal):
        return not outcome.quota
    return isinstance(outcome, Held) and exit_code(outcome) == 3


def is_over(done: Tick, refused: set[str]) -> bool:
    """Say whether another round could find anything new."""
    if done.plan.settled:
        return True
    waiting = (Action.WAIT, Action.ADOPT, Action.CANCEL)
    if any(change.action in waiting for change in done.plan.changes):
        return False
    free = ((one, outcome) for one, outcome in done.outcomes if one.move or one.deletes)
    if any(not _final(outcome) for _, outcome in free):
        return False
    hopeful = [
        change
        for change in done.plan.buys
        if change.key not in refused
        and change.address not in done.verdict.barred
        and done.plan.find(change.after or "") is None
    ]
    return not hopeful
