"""A year in the life of a workspace: merges, hand edits in the console, failures, one slot.

A schedule reconciles every few hours and nobody watches it. People commit, revert, add and remove
stages, answer holds with a new nonce, and disturb what runs. At every POST the law is checked: it
has a cause in the commit that is checked out, and nothing of its lineage is useful or under way.
"""

import random
import sys
from dataclasses import dataclass, field, replace
from datetime import timedelta

from tests.support.builders import PLAIN, SETTLE, a_dataset, a_declared, a_graph, a_mark, a_target
from tests.support.swarm import QuickDisk
from tests.support.world import CHOSEN, Crash, Rules, Runner, SimJob, SimWorld
from tuneops.core.address import Address
from tuneops.core.desired import DeclaredJob, DesiredGraph, ParentRef
from tuneops.core.labels import read_labels, read_note
from tuneops.core.lock import Cause
from tuneops.core.observed import INFRASTRUCTURE_CODES, JobState, ObservedJob, Ownership
from tuneops.core.plan import Action, Approval
from tuneops.core.policy import Policy, Retry
from tuneops.core.provenance import trace
from tuneops.core.rebuild import rebuild
from tuneops.core.request import JobRequest
from tuneops.core.stamps import stamped
from tuneops.engine.reconcile import Terms, survey
from tuneops.errors import Rejected, TuneopsError

CHAINS = ("bot", "router", "tone")
LONGEST = 7
HOURS = 4
"""How often the schedule runs."""

SLOTS = a_target(concurrent_jobs=1)

Garden = tuple[DeclaredJob, ...]
"""All that the specs of one commit declare, parents first."""


@dataclass(kw_only=True)
class Diary:
    """What happened, for figures."""

    merges: int = 0
    by_hand: int = 0
    failures: int = 0
    stops: int = 0
    busy: int = 0
    held: int = 0
    purchases: dict[str, str] = field(default_factory=dict)
    """The commit that each mark was bought for."""


class Year:
    """One workspace, its people and its schedule."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.world = SimWorld(seed, Rules(minutes=(60, 600), solo=False, guarded=True))
        self.diary = Diary()
        self.commits: list[DesiredGraph] = []
        self.gardens: list[Garden] = []
        self.fresh = 0
        self.commit(tuple(job for name in CHAINS for job in self._chain(name)))
        self.runner = Gardener(self)

    # --- what people commit

    @property
    def garden(self) -> Garden:
        """What is committed now."""
        return self.gardens[-1]

    def commit(self, garden: Garden) -> None:
        """Merge a change."""
        self.diary.merges += 1
        self.gardens.append(garden)
        self.commits.append(a_graph(*garden, target=SLOTS))

    def _chain(self, name: str) -> Garden:
        seed = a_declared(f"{name}/{self._word()}", data=self._data(), policy=self._policy())
        return (seed,)

    def _word(self) -> str:
        self.fresh += 1
        return f"s{self.fresh}"

    def _data(self) -> str:
        return f"gs://data/{self._word()}.jsonl"

    def _policy(self) -> Policy:
        return Policy(
            retry=Retry(limit=self.dice.choice((0, 0, 1, 2))),
            on_supersede=self.dice.choice(("cancel", "finish")),
            on_remove=self.dice.choice(("retain", "cancel")),
        )

    def merge(self) -> None:
        """A pull request is merged."""
        deeds = (
            self._append,
            self._append,
            self._append,
            self._edit,
            self._edit,
            self._say,
            self._remove_leaf,
            self._insert,
            self._rename,
            self._suspend,
            self._change_policy,
            self._revert,
        )
        self.commit(self.dice.choice(deeds)())

    def _append(self) -> Garden:
        name = self.dice.choice(CHAINS)
        stages = [job for job in self.garden if job.address.name == name]
        if len(stages) >= LONGEST:
            return self._remove_leaf()
        above = str(self.dice.choice(stages[-2:]).address)
        new = a_declared(
            f"{name}/{self._word()}", after=above, data=self._data(), policy=self._policy()
        )
        left = replace(PLAIN, epoch_count=self.dice.choice((None, 3)))
        return (*self.garden, replace(new, hyper_parameters=left))

    def _edit(self) -> Garden:
        late = self.dice.choice((True, True, True, False))
        some = self.garden[len(self.garden) // 2 :] if late else self.garden
        job = self.dice.choice(some)
        epochs = replace(PLAIN, epoch_count=self.dice.choice((None, 1, 2, 3, 3, 4, 5)))
        return self._with(job, replace(job, hyper_parameters=epochs))

    def _say(self) -> Garden:
        """Write down what the service chose."""
        left = [job for job in self.garden if job.hyper_parameters.epoch_count is None]
        if not left:
            return self._append()
        job = self.dice.choice(left)
        said = replace(PLAIN, epoch_count=self.dice.choice((CHOSEN, CHOSEN, 5)))
        return self._with(job, replace(job, hyper_parameters=said))

    def _with(self, old: DeclaredJob, new: DeclaredJob) -> Garden:
        return tuple(new if job is old else job for job in self.garden)

    def _leaves(self) -> list[DeclaredJob]:
        parents = {
            str(job.source.address) for job in self.garden if isinstance(job.source, ParentRef)
        }
        return [job for job in self.garden if str(job.address) not in parents]

    def _remove_leaf(self) -> Garden:
        leaf = self.dice.choice(self._leaves())
        alone = sum(job.address.name == leaf.address.name for job in self.garden) == 1
        return self.garden if alone else tuple(job for job in self.garden if job is not leaf)

    def _insert(self) -> Garden:
        """A stage between a leaf and its parent."""
        leaf = self.dice.choice(self._leaves())
        if not isinstance(leaf.source, ParentRef):
            return self._append()
        name = f"{leaf.address.name}/{self._word()}"
        new = a_declared(
            name, after=str(leaf.source.address), data=self._data(), policy=self._policy()
        )
        moved = replace(leaf, source=replace(leaf.source, address=new.address))
        return tuple(
            part for job in self.garden for part in ((new, moved) if job is leaf else (job,))
        )

    def _rename(self) -> Garden:
        leaf = self.dice.choice(self._leaves())
        return self._with(leaf, replace(leaf, address=Address(leaf.address.name, self._word())))

    def _suspend(self) -> Garden:
        leaf = self.dice.choice(self._leaves())
        return self._with(leaf, replace(leaf, suspended=not leaf.suspended))

    def _change_policy(self) -> Garden:
        job = self.dice.choice(self.garden)
        return self._with(job, replace(job, policy=self._policy()))

    def _revert(self) -> Garden:
        return self.dice.choice(self.gardens[-5:])

    def answer_holds(self) -> None:
        """Somebody reads what the last run left to them, and answers some of it in git."""
        plan = self.runner.plan()
        for change in plan.holds:
            job = next((one for one in self.garden if str(one.address) == change.address), None)
            entry = self.runner.disk.load().at(change.address).creations.get(change.key or "")
            if job is not None and job.suspended and self.dice.random() < 0.3:
                self.commit(self._with(job, replace(job, suspended=False)))
            if job is None or entry is None:
                continue
            self.diary.held += 1
            if job in self.garden and self.dice.random() < 0.5:
                self.commit(self._with(job, replace(job, nonce=self._word(), suspended=False)))

    # --- what happens without a commit

    def console(self) -> None:
        """Somebody works by hand, or something breaks."""
        live = [job for job in self.world.live() if job.ownership.owner == SLOTS.owner]
        what = self.dice.randrange(5)
        if what == 0 and live:
            self.world.cancel_by_hand(self.dice.choice(live).shown.name)
        elif what == 1:
            self._foreign()
        elif what == 2:
            self._delete_version()
        elif what == 3:
            self._swap_bytes()
        elif what == 4:
            self.runner.disk.kept = None
        else:
            return
        self.diary.by_hand += 1

    def _foreign(self) -> None:
        """Another team's job takes the slot."""
        number = len(self.world.jobs) + 1
        name = f"projects/123/locations/us-central1/tuningJobs/{number}"
        shown = ObservedJob(name=name, state=JobState.RUNNING, created=self.world.at)
        other = Ownership(
            owner="other--prod",
            address="x",
            lineage=f"v1-{number}",
            attempt=1,
            mark=a_mark(-number),
        )
        request = JobRequest(
            method=self.garden[0].method,
            source=self.garden[0].source,  # type: ignore[arg-type]
            training_uri="gs://other/x.jsonl",
            validation_uri=None,
            hyper_parameters=PLAIN,
            last_checkpoint_only=False,
            display_name="other",
            description="",
            labels={},
            encryption_key=None,
            service_account=None,
        )
        self.world.jobs[name] = SimJob(
            shown=shown,
            request=request,
            ownership=other,
            visible=self.world.at,
            starts=self.world.at,
            ends=self.world.at + timedelta(hours=self.dice.randint(1, 30)),
            fate=JobState.SUCCEEDED,
            code=0,
            epochs=1,
        )

    def _delete_version(self) -> None:
        numbered = [(base, number) for base, of in self.world.versions.items() for number in of]
        if numbered and self.dice.random() < 0.3:
            base, number = self.dice.choice(numbered)
            del self.world.versions[base][number]

    def _swap_bytes(self) -> None:
        """Bytes change behind a name, and most of the time somebody puts them back."""
        changed = [uri for uri in self.world.objects if uri.startswith("gs://data/")]
        if changed and self.dice.random() < 0.8:
            del self.world.objects[self.dice.choice(changed)]
        else:
            uri = self.dice.choice(self.garden).training.location
            self.world.objects[uri] = a_dataset(uri, self._word())

    @property
    def stamped(self) -> int:
        """How many results stand for what a spec came to say."""
        lock = self.runner.disk.load()
        return sum(1 for _, _, creation in lock.creations() if creation.stamps)

    # --- the days

    def live_through(self, days: int) -> None:
        """Every day some merges and mishaps, and the schedule."""
        for _ in range(days):
            for _ in range(self.dice.choice((0, 0, 1, 1, 2, 3))):
                self.merge()
            if self.dice.random() < 0.15:
                self.console()
            if self.dice.random() < 0.5:
                self.answer_holds()
            for _ in range(24 // HOURS):
                self.runner.follow()
                self.world.sleep(HOURS * 3600)

    def settle(self) -> int:
        """Nobody disturbs anything any more: the schedule must get done; gives its rounds."""
        self.world.objects = {}
        self.runner.calm = True
        for count in range(40 * len(self.garden)):
            done = self.runner.follow()
            if done is not None and done.plan.settled and not done.outcomes:
                return count
            self.world.sleep(HOURS * 3600)
        raise AssertionError("it does not settle")

    def check(self) -> None:
        """It is settled, it is what the last commit says, and every purchase has its commit."""
        self.runner.check_settled()
        self.world.check_keys()
        lock = self.runner.disk.load()
        held = {
            change.address for change in self.runner.plan().changes if change.action is Action.HOLD
        }
        view = survey(self.commits[-1], self.runner._ports, SETTLE)
        for job in view.graph.jobs:
            result = lock.at(str(job.address)).result
            done = result is not None and result.lineage == job.lineage
            assert done or str(job.address) in held, f"{job.address} has no result and no hold"
        lock = rebuild(self.commits[-1], lock, view.observed, SETTLE).lock
        known = {entry.mark: (address, key) for address, key, entry in lock.creations()}
        for sim in self.world.jobs.values():
            if sim.ownership.owner != SLOTS.owner:
                continue
            assert sim.ownership.mark in self.diary.purchases, "a job that nobody bought"
            assert sim.ownership.mark in known, "a job that the lock has lost"
            commit = self.diary.purchases[sim.ownership.mark]
            address, key = known[sim.ownership.mark]
            origin = next(trace(lock, address, key))
            assert origin.creation.cause.commit == commit, "its cause is another commit"


class Gardener(Runner):
    """The schedule: unattended, at the tip, and stopped now and then."""

    def __init__(self, year: Year) -> None:
        super().__init__(year.world, year.commits[-1], name="schedule", disk=QuickDisk)
        self.year = year
        self.calm = False
        self.head = 0

    def terms(self, approval: Approval | None = None) -> Terms:
        """In the name of the commit that is checked out."""
        return Terms(
            approval=approval,
            cause=Cause(commit=f"{self.head:040x}"),
            runner=f"schedule-{self.world.posts}-{self.world.lists}",
            settle=SETTLE,
            may_cancel=True,
        )

    def follow(self) -> object:
        """Check out the tip, reconcile once; a stop or a fault is the next run's matter."""
        self.head = len(self.year.commits) - 1
        self.graph = self.year.commits[self.head]
        try:
            return self.tick()
        except Crash:
            self.year.diary.stops += 1
        except TuneopsError:
            self.year.diary.busy += 1
        return None

    def instant(self, what: str) -> None:
        """Each effect may be the last."""
        super().instant(what)
        self.instants.clear()
        if not self.calm and self.year.dice.random() < 0.004:
            raise Crash(what)

    def create_job(self, request: JobRequest) -> ObservedJob:
        """The only place where money is spent."""
        mine = read_labels(request.labels)
        note = read_note(request.description)
        assert mine is not None and note is not None
        self._check_cause(mine, note.commit)
        self._check_need(request, note.nonce)
        if any(not job.shown.state.terminal for job in self.world.jobs.values()):
            self.year.diary.busy += 1
            raise Rejected("no room", status=429, reason="RESOURCE_EXHAUSTED")
        number = len(self.world.jobs) + 1
        if not self.calm and self.year.dice.random() < 0.1:
            self.world.rules.failures = {number: self.year.dice.choice((3, 8, 13, 14))}
            self.year.diary.failures += 1
        if not self.calm and self.year.dice.random() < 0.05:
            self.world.rules.faults = {self.world.posts + 1: "lost-answer"}
        self.year.diary.purchases[mine.mark] = note.commit
        return super().create_job(request)

    def _check_cause(self, mine: Ownership, commit: str) -> None:
        """It is wanted by the commit in whose name it is bought, which is the one checked out."""
        seen = {job.shown.name: job.shown for job in self.world.jobs.values()}
        graph = stamped(self.year.commits[int(commit, 16)], self.disk.load(), seen)
        assert int(commit, 16) == self.head, "bought for another commit than the one checked out"
        wanted = {job.lineage: job for job in graph.jobs}
        assert mine.lineage in wanted, "bought without a cause in git"
        desired = wanted[mine.lineage]
        assert not desired.suspended, "bought although it is suspended"
        earlier = sorted(self.world.of_lineage(mine.lineage), key=lambda job: job.ownership.attempt)
        failures = [job for job in earlier if job.shown.state is JobState.FAILED]
        assert len(failures) <= desired.policy.retry.limit, "tried more often than allowed"
        for job in earlier:
            assert job.shown.state.terminal, "bought while it runs"
            assert job.shown.state is not JobState.SUCCEEDED, "bought although it is there"
            if job.shown.state is JobState.FAILED:
                assert job.code in INFRASTRUCTURE_CODES, "tried again what cannot be cured"
            else:
                assert job.shown.name in self.world.cancels, "a person's veto was overruled"

    def _check_need(self, request: JobRequest, nonce: str) -> None:
        """No finished job shows that it is what is asked for: by its request, told by nobody."""
        asked = request.hyper_parameters.epoch_count
        for job in self.world.jobs.values():
            note = read_note(job.shown.description)
            same = (job.request.training_uri, job.request.source, note and note.nonce)
            if same == (request.training_uri, request.source, nonce) and asked is not None:
                shown = job.shown.fields.epoch_count
                done = job.shown.state is JobState.SUCCEEDED and job.shown.model is not None
                assert not (done and shown == asked), "bought although a job shows that it is it"


def main(first: int, count: int) -> int:
    """Live through so many years; `python -m tests.support.year FIRST COUNT`."""
    failed = 0
    for seed in range(first, first + count):
        year = Year(seed)
        try:
            year.live_through(365)
            rounds = year.settle()
            year.check()
        except AssertionError as wrong:
            failed += 1
            print(f"year {seed} fails: {wrong}", flush=True)
            continue
        diary = year.diary
        print(
            f"year {seed}: {diary.merges} merges, {len(diary.purchases)} jobs bought, "
            f"{diary.by_hand} mishaps, {diary.failures} failures, {diary.stops} stops, "
            f"settled in {rounds} rounds",
            flush=True,
        )
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
