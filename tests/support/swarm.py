"""Seeds: each draws its own runners, troubles, specs and people, and is repeated exactly.

A swarm: a seed has only some kinds of trouble, but those often, so that rare meetings of two of
them become common in some seeds. While there is trouble, what must never happen is checked at every
effect. Then the world is quiet: it must settle in few rounds, and a further run must do nothing.
"""

import contextlib
import hashlib
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

from tests.support.builders import NOON, SETTLE, a_chain, a_graph
from tests.support.world import Crash, Disk, Rules, Runner, SimJob, SimWorld
from tuneops.core.claim import Claim
from tuneops.core.creation import Contended, Made, Refusal
from tuneops.core.desired import DesiredGraph
from tuneops.core.labels import read_labels
from tuneops.core.lock import Cause, Lock
from tuneops.core.observed import INFRASTRUCTURE_CODES, JobState, ObservedJob, Ownership
from tuneops.core.plan import Approval, Plan
from tuneops.core.policy import Policy, Retry
from tuneops.core.request import JobRequest
from tuneops.engine.ports import Listing
from tuneops.engine.reconcile import Terms, Tick
from tuneops.errors import ClaimDamaged, TuneopsError, Unavailable
from tuneops.store.lockfile import dump, empty_lock

POSTS = ("lost-answer", "lost-request", "late", "busy", "refused")
KINDS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(POSTS, (0.05, 0.6)),
    "deaf list": (0.02, 0.2),
    "claim answer lost": (0.02, 0.3),
    "claim request lost": (0.02, 0.3),
    "crash": (0.01, 0.08),
    "sleep": (0.01, 0.08),
    "together": (0.02, 0.15),
    "lag": (0.3, 1.0),
    "flicker": (0.05, 0.3),
    "by hand": (0.05, 0.3),
    "old lock": (0.05, 0.4),
    "lost lock": (0.05, 0.4),
    "lost journal": (0.05, 0.4),
    "edit": (0.1, 0.6),
    "behind": (0.1, 0.5),
    "clock jumps": (0.02, 0.2),
}
CLAIM_KINDS: Mapping[str, tuple[float, float]] = {
    "claim slow": (0.02, 0.2),
    "claim garbage": (0.02, 0.2),
    "claims wiped": (0.05, 0.3),
    "interrupt": (0.01, 0.05),
}
SERVICE_KINDS: Mapping[str, tuple[float, float]] = {
    "claim late": (0.02, 0.2),
    "odd state": (0.1, 0.5),
    "old list": (0.05, 0.3),
    "queue": (0.3, 1.0),
    "wrong clock": (0.5, 1.0),
    "own guard": (1.0, 1.0),
    "saved plan": (0.2, 0.6),
}
LABEL_KINDS: Mapping[str, tuple[float, float]] = {"labels dropped": (0.1, 0.6)}
ALL_KINDS = {*KINDS, *CLAIM_KINDS, *SERVICE_KINDS, *LABEL_KINDS}
"""Kinds of trouble, each with the least and the greatest probability that a seed gives it.

Those that came later are drawn apart, so that older seeds keep what they had.
"""

COMPANY: Mapping[str, Mapping[str, float]] = {
    "own guard": {"together": 0.2, "lag": 0.8, "queue": 0.8},
    "old list": {"flicker": 0.3},
    "saved plan": {"edit": 0.6},
}
"""What makes little trouble alone, and what always comes with it."""

EARLIER = frozenset({570, 2793, 4365, 5639, 5702})
"""Seeds that failed before there were kinds of the service: they keep their story."""

EXACT = 50
"""Every so-many-th seed writes and reads the lock as bytes; the others keep it as it is."""

PAUSES = (5, 60, 400, 1000, 3000)
SLEEPS = (30, 70, 1000)
STAGES = ("seed", "week", "tone")
QUEUES = (30, 600, 3000)
CLOCKS = (-86_400, -3600, -300, 300, 3600, 86_400)
LATEST = 700
LAGS = (30, 120)
"""A late request lands so many seconds later at most, and then the list may be late, or go back as
far: both together stay within the settle time, since that is what it is for."""

Commit = tuple[int, ...]
"""The nonces of a chain's stages; 0 for none."""


@lru_cache(maxsize=4096)
def a_spec(commit: Commit, policy: Policy) -> DesiredGraph:
    """The graph of a commit."""
    jobs = a_chain(*STAGES[: len(commit)], policy=policy)
    named = zip(jobs, commit, strict=True)
    return a_graph(*(replace(job, nonce=f"n{nonce}" if nonce else None) for job, nonce in named))


class QuickDisk(Disk):
    """A disk that keeps the lock itself instead of its bytes."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self.kept: Lock | None = None
        self._seen: Lock | None = None

    def load(self) -> Lock:
        self._seen = self.kept
        return self.replay(self.content())

    def content(self) -> Lock:
        return self.kept or empty_lock(self.runner.graph.target)

    def save(self, lock: Lock) -> bool:
        new = any(lock.creations()) if self._seen is None else lock != self._seen
        if new:
            with self.runner.effect("write the lock"):
                self._check_growth(lock)
                self.kept = self._seen = lock
                self.writes += 1
        self.clear()
        return new


class Swarm:
    """One seed: the world, who lives in it, and what goes wrong there."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = dice = random.Random(seed)
        kinds = [kind for kind in KINDS if dice.random() < 0.4]
        self.weights = {kind: dice.uniform(*KINDS[kind]) for kind in kinds}
        apart = random.Random(f"{seed} claims")
        for kind, odds in CLAIM_KINDS.items():
            if apart.random() < 0.25:
                self.weights[kind] = apart.uniform(*odds)
        apart = random.Random(f"{seed} service")
        for kind, odds in SERVICE_KINDS.items():
            if apart.random() < 0.2 and seed not in EARLIER:
                self.weights[kind] = apart.uniform(*odds)
        apart = random.Random(f"{seed} labels")
        for kind, odds in LABEL_KINDS.items():
            if apart.random() < 0.1:
                self.weights[kind] = apart.uniform(*odds)
        for kind, others in COMPANY.items():
            if kind in self.weights:
                self.weights = {**others, **self.weights}
        self.met: Counter[tuple[str, str]] = Counter()
        """How often each kind of trouble struck, and where."""
        self.place = "between runs"
        self.world = SimWorld(seed, self._rules())
        self.born = self.world.at
        self.policy = Policy(
            retry=Retry(limit=dice.randint(0, 2)),
            on_supersede=dice.choice(("cancel", "finish")),
            on_remove=dice.choice(("retain", "cancel")),
        )
        self.commits: list[Commit] = [(0,) * dice.randint(1, 3)]
        self.trace: list[str] = []
        self.faults = 0
        self.sending = 0
        """How many runs are between their last look at the clock and their POST: nobody sleeps
        there, since nothing can help a run that sleeps over the settle time at this very point."""
        self.landing: list[tuple[int, SwarmRunner, Claim, str | None]] = []
        """Claims whose write is on its way: after how many further calls it lands."""
        disk = Disk if seed % EXACT == 0 else QuickDisk
        count = dice.choice((1, 2, 2, 3, 4))
        alone = count > 1 and self.strikes("own guard")
        self.world.rules.guarded = not alone
        self.runners = [
            SwarmRunner(self, f"runner-{number}", disk, shared_claims=not alone)
            for number in range(count)
        ]

    def _rules(self) -> Rules:
        numbers = range(1, 6)
        failing = self.dice.random() < 0.3
        failures = {n: self.dice.choice((3, 13, 14)) for n in numbers if self.dice.random() < 0.3}
        stubborn = frozenset(n for n in numbers if self.dice.random() < 0.1)
        return Rules(
            failures=failures if failing else {}, stubborn=stubborn, solo=False, guarded=True
        )

    @property
    def graph(self) -> DesiredGraph:
        """What is committed now."""
        return a_spec(self.commits[-1], self.policy)

    def strikes(self, kind: str) -> bool:
        """Throw the dice for a kind of trouble."""
        weight = self.weights.get(kind)
        struck = weight is not None and self.dice.random() < weight
        self.faults += struck
        if struck:
            self.met[kind, self.place] += 1
        return struck

    # --- the troubled part

    def rounds(self) -> None:
        """Commits, runs and mishaps, in any order."""
        for _ in range(self.dice.randint(2, 6)):
            if self.strikes("edit"):
                self.commits.append(self._edit())
            for runner in self.runners:
                runner.behind = self.strikes("behind") and len(self.commits) > 1
                runner.graph = a_spec(self.commits[-2 if runner.behind else -1], self.policy)
            self._mishap(self.dice.choice(self.runners))
            runner = self.dice.choice(self.runners)
            if self.strikes("saved plan"):
                runner.save_plan()
            runner.safely()
            self.world.sleep(self.dice.choice(PAUSES))

    def _edit(self) -> Commit:
        now = self.commits[-1]
        what = self.dice.randrange(4)
        if what == 0:
            return self.dice.choice(self.commits)
        if what == 1 and len(now) > 1:
            return now[:-1]
        if what == 2 and len(now) < len(STAGES):
            return (*now, 0)
        place = self.dice.randrange(len(now))
        return (*now[:place], self.dice.randint(0, 3), *now[place + 1 :])

    def _mishap(self, runner: "SwarmRunner") -> None:
        live = self.world.live()
        if live and self.strikes("by hand"):
            self.world.cancel_by_hand(self.dice.choice(live).shown.name)
        if self.strikes("lost lock"):
            runner.restore(None)
        elif runner.backups and self.strikes("old lock"):
            runner.restore(self.dice.choice(runner.backups))
        if self.strikes("lost journal"):
            runner.disk.lines = []
        # Without its claims a key may have two results, and two locks may each know one of them.
        if self.strikes("claims wiped"):
            self.world.claims.clear()
            self.world.rules.guarded = False

    # --- the quiet part

    def settle(self) -> int:
        """No trouble any more: it must settle in few rounds; gives how many it took."""
        self.weights.clear()
        rules = self.world.rules
        rules.failures, rules.lag, rules.queue = {}, 0, 0
        self.land_claims(100)
        for runner in self.runners:
            runner.graph, runner.behind, runner.saved = self.graph, False, None
        self._check_strays()
        most = 3 + 4 * len(STAGES)
        for count in range(most):
            self.world.sleep(SETTLE.total_seconds() + 3600)
            done = [runner.tick() for runner in self.runners]
            if all(tick.plan.settled and not tick.outcomes for tick in done):
                return count
        raise AssertionError(f"it does not settle: {done[-1].plan.changes}")

    def land_claims(self, calls: int = 1) -> None:
        """Let so many calls of the claim store pass: what was on its way that long is written."""
        on_the_way = [(left - calls, *rest) for left, *rest in self.landing]
        self.landing = [item for item in on_the_way if item[0] > 0]
        for left, runner, claim, expected in on_the_way:
            if left <= 0:
                runner.write_claim(claim, expected)

    def _check_strays(self) -> None:
        """Whatever runs and is wanted by no spec is a line in everybody's plan."""
        for runner in self.runners:
            runner.tick()
            lines = {change.job for change in runner.plan().changes}
            wanted = {job.lineage for job in self.graph.jobs}
            for job in self.world.live():
                seen = job.visible <= self.world.at
                told = job.shown.name in lines or job.ownership.lineage in wanted
                assert told or not seen, "it runs for nobody, and nobody says so"

    def check_the_end(self) -> None:
        """A further run does nothing, and everything that is wanted is there."""
        if self.world.rules.guarded:
            self.world.check_keys()
        self.world.check_parents(self.graph)
        for runner in self.runners:
            runner.check_settled()
            if self.world.rules.guarded:
                runner.check_results()

    def digest(self) -> str:
        """All that happened, and what the locks say, in one word."""
        text = "\n".join(self.trace).encode()
        locks = b"".join(dump(runner.disk.content()) for runner in self.runners)
        return hashlib.sha256(text + locks).hexdigest()


class SwarmRunner(Runner):
    """A checkout in a swarm: each of its effects may go wrong."""

    def __init__(self, swarm: Swarm, name: str, disk: type[Disk], *, shared_claims: bool) -> None:
        super().__init__(
            swarm.world, swarm.graph, name=name, disk=disk, shared_claims=shared_claims
        )
        self.swarm = swarm
        self.base = name
        self.busy = False
        self.behind = False
        self.deaf = False
        self.drift = float(swarm.dice.choice(CLOCKS)) if swarm.strikes("wrong clock") else 0.0
        self.ticks = 0
        self.saved: Plan | None = None
        """A plan that somebody approved, to be applied later."""
        self.approved: Plan | None = None
        """The plan whose limits the running tick has."""
        self.useful = set[str]()
        """The jobs that this tick has seen live or succeeded."""
        self.sent: list[str] = []
        self.backups: list[Any] = []

    def restore(self, backup: Any) -> None:
        """Put an earlier lock back, or none."""
        if isinstance(self.disk, QuickDisk):
            self.disk.kept = backup
        else:
            self.disk.file = backup

    def clocks(self) -> tuple[float, ...]:
        """The machine's own clock, which somebody may set forward."""
        if self.swarm.strikes("clock jumps"):
            self.drift += 300
        return (self.world.at.timestamp() + self.drift, self.world.at.timestamp())

    def terms(self, approval: Approval | None = None) -> Terms:
        """A run of an older commit cancels nothing."""
        return Terms(
            approval=approval,
            cause=Cause(commit="c0ffee"),
            runner=f"{self.base}-{self.ticks}",
            settle=SETTLE,
            may_cancel=not self.behind,
        )

    def safely(self) -> None:
        """A round that may be ended by a stop or by a port."""
        if self.busy:
            return
        try:
            self.tick(Approval.of(self.saved) if self.saved else None)
        except (Crash, KeyboardInterrupt):
            self.swarm.trace.append(f"{self.base} stops")
        except TuneopsError as trouble:
            self.saved = None
            self.swarm.trace.append(f"{self.base} gives up: {type(trouble).__name__}")

    def save_plan(self) -> None:
        """Somebody approves what is planned now, and applies it at some later time."""
        with contextlib.suppress(TuneopsError):
            self.saved = self.plan()

    def tick(self, approval: Approval | None = None) -> Tick:
        """One round, after which the exit code's story must be true."""
        self.busy, self.deaf, self.sent = True, False, []
        self.useful.clear()
        self.approved = self.saved if approval is not None else None
        self.ticks += 1
        try:
            done = super().tick(approval)
        finally:
            self.busy = False
        disk = self.disk
        self.backups.append(disk.kept if isinstance(disk, QuickDisk) else disk.file)
        self._check_truth(done)
        return done

    def _check_truth(self, done: Tick) -> None:
        made = {job.ownership.mark for job in self.world.jobs.values()}
        flying = {read_labels(request.labels) for _, request in self.world.late}
        told = {creation.mark for _, _, creation in done.lock.creations()}
        refused = sum(isinstance(outcome, Refusal) for _, outcome in done.outcomes)
        silent = [mark for mark in self.sent if mark not in told]
        assert len(silent) <= refused, "a create was sent and nothing says so"
        landing = made | {owner.mark for owner in flying if owner is not None}
        assert not landing.intersection(silent), "it says that nothing was made"
        for _, outcome in done.outcomes:
            if isinstance(outcome, Made):
                assert outcome.creation.mark in made, "it says that a job was made"
        for change, outcome in done.outcomes:
            if isinstance(outcome, Contended):
                held = self._claims.get(change.key or "")
                own = held is not None and held[0].runner == f"{self.base}-{self.ticks}"
                assert not own, "it says that another run has the claim that is its own"
        running = {job.shown.name for job in self.world.live()}
        for _, _, creation in done.lock.creations():
            ended = creation.state is not None and creation.state.terminal
            assert not ended or creation.job not in running, "the lock ends a job that runs"

    # --- ports

    def instant(self, what: str) -> None:
        super().instant(what)
        swarm = self.swarm
        swarm.place = " ".join(what.split()[:2])
        swarm.trace.append(f"{self.base} {(swarm.world.at - NOON).total_seconds():.0f} {what}")
        if swarm.strikes("sleep") and not swarm.sending:
            swarm.world.sleep(swarm.dice.choice(SLEEPS))
        if swarm.strikes("together"):
            swarm.dice.choice(swarm.runners).safely()
        if swarm.strikes("crash"):
            raise Crash(what)
        if swarm.strikes("interrupt"):
            raise KeyboardInterrupt

    def sleep(self, seconds: float) -> None:
        if not self.swarm.sending:
            super().sleep(seconds)

    def list_jobs(self) -> Listing:
        world = self.world
        self.deaf = self.swarm.strikes("deaf list")
        world.rules.deaf_lists = frozenset({world.lists + 1} if self.deaf else ())
        listing = super().list_jobs()
        jobs = listing.jobs
        if self.swarm.strikes("old list"):
            since = world.at - timedelta(seconds=LAGS[-1])
            jobs = tuple(job for job in jobs if job.created <= since)
        return replace(listing, jobs=tuple(map(self._seen, jobs)))

    def get_job(self, name: str) -> ObservedJob | None:
        job = None if self.swarm.strikes("flicker") else super().get_job(name)
        return self._seen(job) if job else None

    def _seen(self, job: ObservedJob) -> ObservedJob:
        """A job as it is shown; one that goes on may be in a state that nobody knows."""
        if _useful(job.state):
            self.useful.add(job.name)
        odd = not job.state.terminal and self.swarm.strikes("odd state")
        return replace(job, state=JobState.UNKNOWN) if odd else job

    def create_job(self, request: JobRequest) -> ObservedJob:
        assert not self.deaf, "bought after an incomplete look"
        swarm, rules = self.swarm, self.world.rules
        mine = read_labels(request.labels)
        assert mine is not None
        self.sent.append(mine.mark)
        self._check_cause(mine)
        fault = next((kind for kind in POSTS if swarm.strikes(kind)), None)
        rules.lag = swarm.dice.choice(LAGS) if swarm.strikes("lag") else 0
        rules.late = swarm.dice.randint(1, LATEST)
        rules.queue = swarm.dice.choice(QUEUES) if swarm.strikes("queue") else 0
        rules.faults = {self.world.posts + 1: fault} if fault else {}
        if swarm.strikes("labels dropped"):
            self.world.nameless.add(mine.mark)
        swarm.sending += 1
        try:
            return super().create_job(request)
        finally:
            swarm.sending -= 1

    def _check_cause(self, mine: Ownership) -> None:
        """A failure is paid for again only as the spec says, a veto of people never."""
        if self.approved is not None:
            assert mine.lineage in self.approved.desired.values(), "bought what nobody approved"
        earlier: dict[int, list[SimJob]] = {}
        for job in self.world.of_lineage(mine.lineage):
            earlier.setdefault(job.ownership.attempt, []).append(job)
        failures = 0
        for attempt, twins in earlier.items():
            useful = any(_useful(job.shown.state) for job in twins)
            again = self.world.rules.guarded and attempt != mine.attempt
            assert not (again and useful), "another attempt, though one is there"
            if attempt >= mine.attempt or useful:
                continue
            last = max(twins, key=lambda job: job.shown.ended or job.shown.created)
            if last.shown.state is JobState.FAILED:
                failures += 1
                limit = self.swarm.policy.retry.limit
                assert failures <= limit, "tried more often than allowed"
                assert last.code in INFRASTRUCTURE_CODES, "tried again what cannot be cured"
            if last.shown.state is JobState.CANCELLED:
                assert last.shown.name in self.world.cancels, "bought against a veto"

    def cancel_job(self, name: str) -> None:
        assert not self.deaf, "cancelled after an incomplete look"
        job = self.world.jobs[name]
        wanted = {desired.lineage for desired in self.graph.jobs}
        older = [
            twin
            for twin in self.world.of_lineage(job.ownership.lineage)
            if twin.ownership.attempt == job.ownership.attempt
            and twin.shown.seniority < job.shown.seniority
            and twin.shown.name in self.useful
        ]
        if job.ownership.lineage in wanted:
            assert older, "it is wanted, and no older twin is there"
        if self.approved is not None:
            told = {change.job for change in self.approved.cancels}
            late = {change.lineage for change in self.approved.changes if change.job is None}
            said = name in told or job.ownership.lineage in late
            assert said or older, "stopped what nobody approved, and no younger twin"
        super().cancel_job(name)

    def read(self, key: str) -> tuple[Claim, str] | None:
        if self.swarm.strikes("claim garbage"):
            raise ClaimDamaged("the claim cannot be read", help="look at it")
        self._slowly()
        self.swarm.land_claims()
        return super().read(key)

    def _slowly(self) -> None:
        """A store that takes its time, though not between the last look and the POST."""
        if self.swarm.strikes("claim slow") and not self.swarm.sending:
            self.world.sleep(self.swarm.dice.choice(SLEEPS))

    def swap(self, claim: Claim, expected: str | None) -> str | None:
        self._slowly()
        self.swarm.land_claims()
        if self.swarm.strikes("claim request lost"):
            raise Unavailable("the claim store did not answer")
        if self.swarm.strikes("claim late"):
            calls = self.swarm.dice.randint(1, 4)
            self.swarm.landing.append((calls, self, claim, expected))
            raise Unavailable("the claim store did not answer")
        won = super().swap(claim, expected)
        if self.swarm.strikes("claim answer lost"):
            raise Unavailable("the claim store did not answer")
        return won


def _useful(state: JobState) -> bool:
    return not state.terminal or state is JobState.SUCCEEDED


def play(seed: int) -> Swarm:
    """Live through one seed; AssertionError when something happens that must not."""
    swarm = Swarm(seed)
    swarm.rounds()
    swarm.settle()
    swarm.check_the_end()
    return swarm
