"""Anything that people do with specs, locks, branches and the console, in any order.

The real command line runs in this process against an emulator in virtual time, in two checkouts
that share nothing but the service and its claims. After every step the invariants are checked;
at the end the trouble stops: within two runs all is settled, and a third changes nothing.
"""

import json
import shutil
import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.e2e.conftest import write_chain
from tests.support.commands import SETTLE, WORKSPACE, Desk, Done, Fuse, Service
from tests.support.profiles import effort
from tuneops.cli.exits import CODES

CHECKOUTS = ("main", "branch")
LOCK = "specs/tuneops.prod.lock.json"
KNOWN = frozenset(CODES) | {-9}
SILENT = frozenset({4, 5, 64, 65})
"""With these codes, no create was sent."""

TROUBLE = (
    "tuningJobs.create:accept-then-drop",
    "tuningJobs.create:reset-before",
    "tuningJobs.create:accept-then-503",
    "tuningJobs.create:503",
    "tuningJobs.create:429",
    "tuningJobs.create:400",
    "tuningJobs.create:truncated",
    "tuningJobs.list:503*9",
    "tuningJobs.list:lag=120s*4",
    "tuningJobs.list:lag=120s*12",
    "storage.objects.insert:accept-then-drop",
    "storage.objects.insert:503*3",
    "job:fail=13@tuning",
    "job:fail=3@processing",
    "job:win-cancel-race",
)

LATEST = 500
"""A create arrives so many seconds late at most, and then the list may hide it: both together stay
within the settle time, since that is what it is for."""

Stage = tuple[str, str, int]
"""A stage: its name, its data, its epochs."""

datasets = st.sampled_from(["one", "two"])
epochs = st.integers(1, 2)
checkouts = st.sampled_from(CHECKOUTS)
places = st.integers(0, 3)
pauses = st.sampled_from([1, 20, 90, 1000, 4000, 20_000])


def chain(stages: list[Stage], policy: str) -> str:
    lines = "".join(
        f"    - name: {name}\n      supervisedTuningSpec: "
        f"{{trainingDatasetUri: {data}.jsonl, hyperParameters: {{epochCount: {count}}}}}\n"
        for name, data, count in stages
    )
    return (
        "apiVersion: tuneops.dev/v1\nkind: TuningChain\nmetadata: {name: bot}\n"
        f"spec:\n  baseModel: gemini-2.5-flash\n  {policy}\n  stages:\n{lines}"
    )


class People(RuleBasedStateMachine):
    """Two checkouts of one workspace, and everybody who works there."""

    commits = Bundle("commits")
    counts: ClassVar[Counter[str]] = Counter()
    """What all of them did together, for `docs/reliability.md`."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="tuneops-people-"))
        self.service = Service(self.folder)
        self.desk = Desk(self.service)
        self.desk.meddler = self.meddle
        self.delay = 0
        """How many seconds the next create will be on its way; 0 for none."""
        self.late: list[tuple[datetime, httpx.Request]] = []
        self.stages: dict[str, list[Stage]] = {}
        self.policy = ""
        self.names = 0
        self.veto = False
        """Somebody cancelled, copied or failed something: a person may be needed at the end."""

    def teardown(self) -> None:
        try:
            if self.stages:
                self.settle()
                self.counts["histories"] += 1
                self.counts["jobs"] += len(self.service.jobs)
        finally:
            self.service.close()
            shutil.rmtree(self.folder)

    # --- the workspace

    @initialize(
        one=datasets,
        supersede=st.sampled_from(["cancel", "finish"]),
        remove=st.sampled_from(["cancel", "retain"]),
        retry=st.integers(0, 1),
    )
    def begin(self, one: str, supersede: str, remove: str, retry: int) -> None:
        self.policy = f"onSupersede: {supersede}\n  onRemove: {remove}\n  retry: {{limit: {retry}}}"
        for name in CHECKOUTS:
            folder = write_chain(self.folder / name)
            (folder / "specs/workspace.yaml").write_text(WORKSPACE)
            self.write(name, [("first", one, 1)])

    def write(self, checkout: str, stages: list[Stage]) -> None:
        self.stages[checkout] = stages
        text = chain(stages, self.policy)
        (self.folder / checkout / "specs/bot.yaml").write_text(text)

    def lock(self, checkout: str) -> Path:
        return self.folder / checkout / LOCK

    def entries(self, checkout: str) -> dict[str, Any]:
        """The creations in a checkout's lock, by key."""
        path = self.lock(checkout)
        if not path.exists():
            return {}
        document = json.loads(path.read_bytes())
        groups = (document["jobs"], document.get("retired", {}))
        return {
            key: entry
            for group in groups
            for job in group.values()
            for key, entry in job["creations"].items()
        }

    # --- what people do to specs

    @rule(checkout=checkouts, place=places, data=datasets, count=epochs)
    def edit(self, checkout: str, place: int, data: str, count: int) -> None:
        stages = list(self.stages[checkout])
        place %= len(stages)
        stages[place] = (stages[place][0], data, count)
        self.write(checkout, stages)

    @rule(checkout=checkouts, place=places, data=datasets)
    def add(self, checkout: str, place: int, data: str) -> None:
        stages = list(self.stages[checkout])
        if len(stages) < 3:
            self.names += 1
            stages.insert(1 + place % len(stages), (f"s{self.names}", data, 1))
            self.write(checkout, stages)

    @rule(checkout=checkouts, place=places)
    def remove(self, checkout: str, place: int) -> None:
        stages = list(self.stages[checkout])
        if len(stages) > 1:
            del stages[place % len(stages)]
            self.write(checkout, stages)

    @rule(checkout=checkouts, place=places)
    def rename(self, checkout: str, place: int) -> None:
        stages = list(self.stages[checkout])
        place %= len(stages)
        self.names += 1
        stages[place] = (f"s{self.names}", *stages[place][1:])
        self.write(checkout, stages)

    @rule(target=commits, checkout=checkouts)
    def commit(self, checkout: str) -> tuple[list[Stage], bytes | None]:
        path = self.lock(checkout)
        return self.stages[checkout], path.read_bytes() if path.exists() else None

    @rule(checkout=checkouts, commit=commits)
    def revert(self, checkout: str, commit: tuple[list[Stage], bytes | None]) -> None:
        self.write(checkout, commit[0])

    # --- what people do to locks

    @rule(checkout=checkouts, commit=commits)
    def revert_the_lock(self, checkout: str, commit: tuple[list[Stage], bytes | None]) -> None:
        if commit[1] is None:
            self.lock(checkout).unlink(missing_ok=True)
        else:
            self.lock(checkout).write_bytes(commit[1])

    @rule(checkout=checkouts)
    def delete_the_lock(self, checkout: str) -> None:
        self.lock(checkout).unlink(missing_ok=True)

    @rule(checkout=checkouts)
    def wipe_the_journal(self, checkout: str) -> None:
        shutil.rmtree(self.folder / checkout / ".tuneops", ignore_errors=True)

    @rule(checkout=checkouts)
    def upgrade_tuneops(self, checkout: str) -> None:
        """Another version spells the same lock otherwise."""
        path = self.lock(checkout)
        if path.exists():
            document = json.loads(path.read_bytes())
            path.write_text(json.dumps(document, indent=4).replace("\n", "\r\n"))

    @rule(into=checkouts, commit=commits)
    def merge(self, into: str, commit: tuple[list[Stage], bytes | None]) -> None:
        """The other branch is merged: its specs, and both locks entry by entry."""
        other = next(name for name in CHECKOUTS if name != into)
        if self.lock(into).exists() and self.lock(other).exists():
            base = self.folder / "base.json"
            base.write_bytes(commit[1] or b"")
            before = self.entries(into) | self.entries(other)
            words = (str(base), str(self.lock(into)), str(self.lock(other)))
            done = self.desk.run(self.folder / into, "lock", "merge", *words)
            assert done.code in (0, 1), done
            kept = before if done.code == 0 else {}
            lost = [key for key, entry in kept.items() if "job" in entry]
            assert set(lost) <= set(self.entries(into)), "a merge lost an entry"
        self.write(into, self.stages[other])

    # --- what people do in the console, and what the world does

    @rule(pick=places)
    def cancel_by_hand(self, pick: int) -> None:
        live = [job["name"] for job in self.service.jobs if "endTime" not in job]
        if live:
            self.veto = True
            self.service.by_hand(f"/v1/{live[pick % len(live)]}:cancel", {})

    @rule(pick=places, same=st.booleans())
    def clone_with_labels(self, pick: int, same: bool) -> None:
        jobs = self.service.jobs
        if jobs and len(self.service.clones) < 2:
            self.veto = True
            self.service.clone(jobs[pick % len(jobs)], same=same)

    @rule(script=st.sampled_from(TROUBLE))
    def trouble(self, script: str) -> None:
        self.veto = self.veto or script.startswith("job:")
        self.service.emulator.faults(script)

    @rule(seconds=pauses)
    def wait(self, seconds: int) -> None:
        """Let time pass; what is late arrives at its time, not at the end."""
        until = self.service.clock.now + timedelta(seconds=seconds)
        for due in sorted(due for due, _ in self.late if due <= until):
            self.service.clock.now = max(due, self.service.clock.now)
            self.land()
        self.service.clock.now = until

    @rule(seconds=st.sampled_from([1, 100, LATEST]))
    def delay_a_create(self, seconds: int) -> None:
        self.delay = seconds

    def meddle(self, request: httpx.Request) -> None:
        """The network: a create may arrive long after its sender has given up."""
        self.land()
        if self.delay and request.method == "POST" and request.url.path.endswith("/tuningJobs"):
            due = self.service.clock.now + timedelta(seconds=self.delay)
            self.late.append((due, request))
            self.delay = 0
            raise httpx.ReadTimeout("60 s")

    def land(self) -> None:
        """What is due by now arrives."""
        for due, request in tuple(self.late):
            if due <= self.service.clock.now:
                self.late.remove((due, request))
                self.service.land(request)

    # --- runs

    @rule(checkout=checkouts)
    def plan(self, checkout: str) -> None:
        before = self.service.changes
        self.run(checkout, "plan")
        assert self.service.changes == before, "a plan changed something"

    @rule(checkout=checkouts)
    def apply(self, checkout: str) -> None:
        self.run(checkout, "apply", "--auto-approve")

    @rule(checkout=checkouts)
    def reconcile(self, checkout: str) -> None:
        self.run(checkout, "reconcile", "--once")

    @rule(checkout=checkouts, number=st.integers(1, 24), after=st.booleans())
    def apply_and_be_killed(self, checkout: str, number: int, after: bool) -> None:
        self.run(checkout, "apply", "--auto-approve", fuse=Fuse(number, after=after))

    @rule(first=checkouts, number=st.integers(1, 12), seconds=st.sampled_from([0, 61]))
    def apply_both_at_once(self, first: str, number: int, seconds: int) -> None:
        """In the middle of one run, the other checkout's begins and ends."""
        second = next(name for name in CHECKOUTS if name != first)

        def meanwhile() -> None:
            self.service.clock.sleep(seconds)
            self.run(second, "apply", "--auto-approve")

        self.counts["overtaken runs"] += 1
        self.run(first, "apply", "--auto-approve", fuse=Fuse(number, meanwhile=meanwhile))

    def run(self, checkout: str, *words: str, fuse: Fuse | None = None) -> Done:
        """Run a command, and check that its exit code tells the truth."""
        service = self.service
        posts, made = dict(service.posts), {job["name"] for job in service.jobs}
        before, cancels = self.entries(checkout), len(service.cancels)
        done = self.desk.run(self.folder / checkout, *words, fuse=fuse)
        self.counts["kills" if done.code == -9 else "runs"] += 1
        assert done.code in KNOWN, done
        assert "Traceback" not in done.said and "error[internal]" not in done.said, done
        sent = set(service.posts) - set(posts)
        assert not (sent and done.code in SILENT), done
        after = self.entries(checkout)
        self.check_growth(before, after)
        if done.code != -9:
            known = {entry.get("job") for entry in after.values()}
            unanswered = [entry for entry in after.values() if "job" not in entry]
            new = {job["name"] for job in service.jobs} - made - service.clones
            mine = {job for job in new if self.sent_by(job) in sent}
            told = mine <= known or unanswered or done.code == 1 or fuse is not None
            assert told, (done, "a job is not recorded")
            assert done.code != 0 or words[0] == "plan" or not unanswered, done
        for name in service.cancels[cancels:]:
            self.check_cancel(checkout, name)
        return done

    def sent_by(self, name: str) -> str:
        """The mark of a job."""
        job = next(job for job in self.service.jobs if job["name"] == name)
        mark: str = job["labels"].get("tuneops-attempt", "").rpartition("-")[2]
        return mark

    def check_growth(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        for key, entry in before.items():
            if "job" in entry:
                assert key in after, "an entry with a job was dropped"
                if entry.get("state") == "SUCCEEDED":
                    assert after[key].get("model") == entry.get("model"), "a result was lost"

    def check_cancel(self, checkout: str, name: str) -> None:
        """We cancel our own only, and of the wanted ones only a second of a kind."""
        job = next(job for job in self.service.jobs if job["name"] == name)
        labels = job["labels"]
        assert labels["tuneops-owner"] == "acme--prod", "a job of somebody else was cancelled"
        shown = self.desk.run(
            self.folder / checkout, "plan", "--format", "json", "--show-unchanged"
        )
        if shown.code == 0:
            actions = json.loads(shown.out)["actions"]
            replaced = {it["address"] for it in actions if it["action"] in ("create", "continue")}
            wanted = {
                it["lineage"]
                for it in actions
                if it["action"] not in ("cancel", "retire")
                and not (it["action"] == "wait" and it["address"] in replaced)
            }
            twins = [
                other["name"]
                for other in self.service.jobs
                if other["labels"].get("tuneops-lineage") == labels["tuneops-lineage"]
            ]
            assert labels["tuneops-lineage"] not in wanted or len(twins) > 1, "it was wanted"

    # --- what must hold

    @invariant()
    def one_job_a_key_and_one_post_a_mark(self) -> None:
        self.service.check()

    @invariant()
    def nothing_is_bought_that_is_there(self) -> None:
        assert self.service.wasted == [], "bought although one is live or has succeeded"

    @precondition(lambda self: bool(self.stages))
    @invariant()
    def locks_can_be_read(self) -> None:
        for checkout in CHECKOUTS:
            self.entries(checkout)

    def settle(self) -> None:
        """No trouble any more: two runs at most, the settle time apart, and nothing is left."""
        self.service.emulator.forget_faults()
        self.service.pace, self.delay = 30, 0
        self.wait(LATEST)
        done: list[Done] = []
        for _ in range(2):
            self.service.clock.sleep((SETTLE + timedelta(hours=1)).total_seconds())
            done.append(self.run("main", "apply", "--auto-approve", "--wait"))
            self.service.check()
        allowed = {0, 3, 9} if self.veto else {0}
        assert done[-1].code in allowed, done
        before = (self.service.changes, self.lock("main").read_bytes())
        again = self.run("main", "apply", "--auto-approve", "--wait")
        assert again.code == done[-1].code, (done[-1], again)
        assert (self.service.changes, self.lock("main").read_bytes()) == before, again
        if done[-1].code == 0:
            document = json.loads(before[1])
            for name, _, _ in self.stages["main"]:
                job = document["jobs"][f"bot/{name}"]
                assert job["creations"][job["current"]]["state"] == "SUCCEEDED"


People.TestCase.settings = effort(20)
TestPeople = People.TestCase
