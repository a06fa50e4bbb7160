"""Every schedule of the creation protocol within a bound: who goes on when, and what goes wrong.

The model is plain Python with one creation key, so that hundreds of thousands of schedules are
tried in seconds. A schedule is a short list of deviations from "the runners go one after the
other": a preemption (another runner goes on, after a pause or at once) or a fault of one effect.
What must never happen is checked at every effect; after the last one the world is quiet, and one
more run must leave exactly one job.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.builders import NOON, SETTLE, a_job, a_mark, an_observed_job, an_order
from tuneops.core.creation import (
    CheckData,
    Forget,
    Found,
    ListJobs,
    Made,
    Order,
    PostJob,
    ProveMemory,
    ReadClaim,
    Refusal,
    Remember,
    Silence,
    SwapClaim,
    Wait,
)
from tuneops.core.observed import ObservedJob
from tuneops.core.protocol import create
from tuneops.errors import DiskError, TuneopsError, Unavailable

if TYPE_CHECKING:
    from tuneops.core.claim import Claim

ARROWS = {
    None: {"intent"},
    "intent": {"intent", "issued", "bound"},
    "issued": {"intent", "bound", "void"},
    "void": {"intent"},
    "bound": set[str](),
}
"""How a claim may go on; nothing follows `bound`."""

LAG = 120
LATE = ("late by 2", "late by 6", "late to the end")
SLEEPS = {"sleeps": 90, "sleeps long": 1000}
"""Seconds for which everybody stands still; the longer one outlasts the settle time."""
FAULTS: dict[type, tuple[str, ...]] = {
    CheckData: ("503", "stop"),
    ReadClaim: ("503", "stop"),
    SwapClaim: ("lost request", "lost answer", "stop", "stop after", *LATE),
    ListJobs: ("503", "stale", "stop"),
    ProveMemory: ("disk full", "stop"),
    Remember: ("disk full", "stop", "stop after"),
    Forget: ("disk full", "stop"),
    PostJob: (
        *("lost request", "lost answer", "503", "refused", "busy", "stop", "stop after"),
        *LATE,
    ),
    Wait: ("stop",),
}
"""What can go wrong with each effect. A late request lands some effects later, or at the end."""

STEPS = 200
"""A run that takes more effects than this does not end."""


class Deviation(NamedTuple):
    """At the so-many-th effect: another runner goes on (`to`, after `pause`), or a fault."""

    step: int
    fault: str | None = None
    to: int = 0
    pause: int = 0


class Moment(NamedTuple):
    """What could have gone otherwise at one effect."""

    turn: int
    kind: type
    others: tuple[int, ...]


Run = Generator[Any, Any, Any]

_MADE: dict[int, tuple[Order, ObservedJob]] = {}
_TIMES: dict[int, datetime] = {}
_ORDERS: dict[tuple[int, int], Order] = {}


def _time(seconds: int) -> datetime:
    found = _TIMES.get(seconds)
    if found is None:
        found = _TIMES[seconds] = NOON + timedelta(seconds=seconds)
    return found


def _birth(number: int) -> tuple[Order, ObservedJob]:
    """The order of the so-many-th run, and the job that its POST makes."""
    if number not in _MADE:
        job, mark = a_job(), a_mark(number)
        order = an_order(job, runner=f"runner-{number}")
        order = replace(order, creation=replace(order.creation, mark=mark))
        made = an_observed_job(job, number=number)
        assert made.ownership is not None
        _MADE[number] = order, replace(made, ownership=replace(made.ownership, mark=mark))
    return _MADE[number]


def _order(number: int, clock: int) -> Order:
    found = _ORDERS.get((number, clock))
    if found is None:
        found = _ORDERS[number, clock] = replace(_birth(number)[0], at=_time(clock))
    return found


def _run(number: int) -> Run:
    """A look at the world, and the protocol if there is nothing yet."""
    at, jobs = yield ListJobs()
    if jobs:
        return Found(jobs[0].name)
    return (yield from create(_order(number, int((at - NOON).total_seconds()))))


class Model:
    """One creation key: its claim, its jobs, the runs, their journals, and a clock in seconds."""

    def __init__(self, runners: int, lag: int) -> None:
        self.lag = lag
        self.clock = 0
        self.step = 0
        self.claim: Claim | None = None
        self.generation = 0
        self.jobs: list[tuple[int, ObservedJob]] = []
        """With the second from which on the list shows them."""
        self.late: list[tuple[int, Any]] = []
        """What still lands: at which step, and the claim's swap or the run whose POST it is."""
        self.births = 0
        self.numbers: list[int] = []
        self.runs: list[Run | None] = []
        self.effects: list[Any] = []
        self.journals: list[set[str]] = []
        self.looked: list[int] = []
        self.outcomes: list[Any] = []
        for _ in range(runners):
            self.begin()

    def begin(self, turn: int | None = None) -> None:
        """Start a run, in the place of one that stopped or in a new one."""
        self.births += 1
        run = _run(self.births)
        if turn is None:
            turn = len(self.runs)
            self.numbers.append(0)
            self.runs.append(None)
            self.effects.append(None)
            self.journals.append(set())
            self.looked.append(0)
            self.outcomes.append(None)
        self.numbers[turn], self.runs[turn] = self.births, run
        self.journals[turn] = set()
        self.effects[turn] = next(run)

    def go(self, turn: int, fault: str | None = None) -> None:
        """Let a run take its next effect, with a fault perhaps."""
        self.step += 1
        self.clock += 1
        if self.late:
            self.land(self.step)
        if fault == "stop":
            self.stop(turn)
            return
        if fault in SLEEPS:
            self.pause(SLEEPS[fault])
        run = self.runs[turn]
        assert run is not None
        answer: Any = None
        thrown: TuneopsError | None = None
        try:
            answer = self.perform(turn, self.effects[turn], fault)
        except TuneopsError as trouble:
            thrown = trouble
        if fault == "stop after":
            self.stop(turn)
            return
        try:
            self.effects[turn] = run.throw(thrown) if thrown else run.send(answer)
        except StopIteration as end:
            self.outcomes[turn], self.runs[turn] = end.value, None
        except TuneopsError as trouble:
            self.outcomes[turn], self.runs[turn] = trouble, None

    def stop(self, turn: int) -> None:
        """The process dies; another one begins in its place at once, and knows nothing."""
        run = self.runs[turn]
        assert run is not None
        run.close()
        self.begin(turn)

    def perform(self, turn: int, effect: Any, fault: str | None) -> Any:
        """Do an effect and give its answer, or raise what its port raises."""
        kind = type(effect)
        if fault == "503" and kind is not PostJob:
            raise Unavailable("503")
        if fault == "disk full":
            raise DiskError("no space left")
        if kind is ListJobs:
            self.looked[turn] = self.clock
            shown = () if fault == "stale" else (job for at, job in self.jobs if at <= self.clock)
            return _time(self.clock), tuple(shown)
        if kind is ReadClaim:
            return (self.claim, str(self.generation)) if self.claim else None
        if kind is SwapClaim:
            return self.ask_claim(effect, fault)
        if kind is PostJob:
            held_up = self.clock - self.looked[turn] > effect.within.total_seconds()
            return Refusal("held up", busy=True) if held_up else self.post(turn, fault)
        if kind is Wait:
            self.clock += int(effect.seconds)
        if kind is Remember:
            self.journals[turn].add(effect.creation.mark)
        return "ready" if kind is CheckData else None

    def ask_claim(self, effect: SwapClaim, fault: str | None) -> str | None:
        """Swap the claim; an answer that is lost is not always found out by looking."""
        if fault in LATE:
            self.late.append((self.due(fault), effect))
        if fault == "lost request" or fault in LATE:
            raise Unavailable("the claim store did not answer")
        won = self.swap(effect)
        if fault == "lost answer":
            raise Unavailable("the claim store did not answer")
        return won

    def swap(self, effect: SwapClaim) -> str | None:
        """Compare and swap, along the arrows only."""
        now = str(self.generation) if self.claim else None
        if now != effect.expected:
            return None
        claim, before = effect.claim, self.claim
        assert claim.phase in ARROWS[before.phase if before else None], "not an arrow of a claim"
        if before is not None:
            assert set(before.marks) <= set(claim.marks), "a mark was forgotten"
        assert (claim.job is not None) == (claim.phase == "bound"), "bound names its job"
        self.claim = claim
        self.generation += 1
        return str(self.generation)

    def post(self, turn: int, fault: str | None) -> Any:
        """Send the one POST; it must have been announced."""
        number = self.numbers[turn]
        mark = a_mark_of(number)
        assert mark in self.journals[turn], "a POST without a durable intent"
        claim = self.claim
        assert claim is not None and claim.phase == "issued", "a POST without an issued claim"
        assert claim.marks[-1] == mark, "a POST on the claim of another"
        if fault == "refused" or fault == "busy":
            return Refusal("no", busy=fault == "busy")
        if fault in LATE:
            self.late.append((self.due(fault), number))
        elif fault not in ("lost request", "503"):
            self.make(number)
        answered = fault is None or fault in SLEEPS
        return self.jobs[-1][1] if answered else Silence("?")

    def make(self, number: int) -> None:
        """The service processes a POST: money is spent here, and only once."""
        assert not self.jobs, "bought twice"
        self.jobs.append((self.clock + self.lag, _birth(number)[1]))

    def due(self, fault: str | None) -> int:
        return self.step + {LATE[0]: 2, LATE[1]: 6}.get(fault or "", STEPS)

    def land(self, step: int) -> None:
        """What was late until this step lands now."""
        due = [what for at, what in self.late if at <= step]
        self.late = [item for item in self.late if item[0] > step]
        for what in due:
            if isinstance(what, SwapClaim):
                self.swap(what)
            else:
                self.make(what)

    def pause(self, seconds: int) -> None:
        """Nobody does anything for a while; what is late lands within the settle time."""
        if seconds >= SETTLE.total_seconds():
            self.land(STEPS * 2)
        self.clock += seconds

    def check_the_end(self) -> None:
        """Everything late lands, everything is listed: one more run, and there is one job."""
        self.land(STEPS * 2)
        self.clock += LAG + int(SETTLE.total_seconds())
        self.begin()
        turn = len(self.runs) - 1
        while self.runs[turn] is not None:
            assert self.step < STEPS, "it does not end"
            self.go(turn)
        assert isinstance(self.outcomes[turn], Made | Found), self.outcomes[turn]
        assert len(self.jobs) == 1


_MARKS: dict[int, str] = {}


def a_mark_of(number: int) -> str:
    """The mark of the so-many-th run."""
    if number not in _MARKS:
        _MARKS[number] = a_mark(number)
    return _MARKS[number]


def play(runners: int, lag: int, deviations: tuple[Deviation, ...] = ()) -> list[Moment]:
    """Play one schedule to its end; gives what could have gone otherwise after the last deviation.

    AssertionError when something happens that must not.
    """
    model = Model(runners, lag)
    preempt = {item.step: item for item in deviations if item.fault is None}
    faults = {item.step: item.fault for item in deviations if item.fault is not None}
    since = deviations[-1].step if deviations else 0
    moments: list[Moment] = []
    turn, step, runs = 0, 0, model.runs
    while True:
        if runs[turn] is None:
            rest = [index for index, run in enumerate(runs) if run is not None]
            if not rest:
                break
            turn = rest[0]
        swerve = preempt.get(step)
        if swerve is not None:
            model.pause(swerve.pause)
            turn = swerve.to
        if step >= since:
            others = tuple(i for i, run in enumerate(runs) if i != turn and run is not None)
            moments.append(Moment(turn, type(model.effects[turn]), others))
        model.go(turn, faults.get(step))
        step += 1
        assert step < STEPS, "it does not end"
    model.check_the_end()
    return moments


class Bounds(NamedTuple):
    """How far schedules deviate."""

    runners: int
    lag: int = 0
    preemptions: int = 2
    faults: int = 1
    pauses: tuple[int, ...] = (0,)


def schedules(
    bounds: Bounds, deviations: tuple[Deviation, ...] = ()
) -> Iterator[tuple[Deviation, ...]]:
    """Play every schedule within the bounds that begins with these deviations, each once."""
    try:
        moments = play(bounds.runners, bounds.lag, deviations)
    except AssertionError as wrong:
        raise AssertionError(f"{wrong}; schedule: {bounds} {deviations}") from wrong
    yield deviations
    faults = sum(1 for item in deviations if item.fault is not None)
    swerves = len(deviations) - faults
    last = deviations[-1] if deviations else Deviation(-1, fault="")
    for step, moment in enumerate(moments, start=max(0, last.step)):
        if faults < bounds.faults and (step > last.step or last.fault is None):
            for fault in (*FAULTS[moment.kind], *SLEEPS):
                yield from schedules(bounds, (*deviations, Deviation(step, fault=fault)))
        if swerves < bounds.preemptions and step > last.step:
            for pause in bounds.pauses:
                for to in moment.others:
                    swerve = Deviation(step, to=to, pause=pause)
                    yield from schedules(bounds, (*deviations, swerve))
