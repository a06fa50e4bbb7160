"""A lock that is lost is written again byte by byte, whatever happened before."""

import contextlib
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.builders import SETTLE, a_dataset, a_promotion, pins_of
from tests.support.profiles import effort
from tests.support.strategies import declarations, edits, policies
from tests.support.world import Rules, Runner, SimWorld
from tuneops.core.claim import Claim
from tuneops.core.desired import Declaration, DeclaredJob, ParentRef, Promotion, desire
from tuneops.core.observed import Point
from tuneops.core.policy import Gate, Removal
from tuneops.core.recipe import AtEpoch, Best
from tuneops.engine.rebuilding import Recovered, recover
from tuneops.engine.reconcile import survey
from tuneops.errors import Stale, Unavailable
from tuneops.store.lockfile import dump

LOSS = "eval_total_loss"


def recovered(runner: Runner, *, claims: bool = True) -> Recovered:
    """What `lock rebuild` writes in a checkout that has nothing but the specs."""
    other = Runner(runner.world, runner.graph, name="rebuilder")
    view = survey(other.graph, other._ports, SETTLE)
    return recover(view, other, [("local", other)] if claims else [])


def with_metrics(world: SimWorld) -> None:
    for number in range(1, 60):
        points = tuple(
            Point(step=100 * step, value=float((number * 7 + step * 5) % 11))
            for step in range(1, 10)
        )
        world.series[f"experiment-{number}"] = {LOSS: points}


@dataclass
class People:
    """What is committed, and the checkout that applies it."""

    draw: st.DrawFn
    runner: Runner
    said: Declaration
    commits: list[Declaration] = field(default_factory=list)

    def commit(self, declaration: Declaration) -> None:
        there = {job.address for job in declaration.jobs}
        kept = tuple(one for one in declaration.promotions if one.stage in there)
        self.said = replace(declaration, promotions=kept)
        self.commits.append(self.said)
        self.runner.graph = desire(self.said, pins_of(self.said))

    def act(self) -> None:
        """Somebody does something, and tuneops runs; sometimes no claim can be kept meanwhile."""
        if self.draw(st.booleans()):
            return self._act()
        swap = self.runner.swap

        def fail(claim: Claim, expected: str | None) -> str | None:
            if claim.kept is not None:
                raise Unavailable("the claim store did not answer")
            return swap(claim, expected)

        self.runner.swap = fail  # type: ignore[method-assign]
        try:
            return self._act()
        finally:
            del self.runner.swap

    def _act(self) -> None:
        deeds = [
            self.edit, self.edit, self.promote, self.let_go, self.gate, self.rename,
            self.forget_names, self.revert, self.revert, self.policy, self.policy, self.remove,
            self.remove, self.cancel, self.delete, self.other_bytes,
        ]  # fmt: skip
        self.draw(st.sampled_from(deeds))()
        if self.draw(st.integers(0, 3)):
            with contextlib.suppress(Stale):
                self.runner.converge()
        else:
            self.runner.tick()
            self.runner.world.sleep(60 * self.draw(st.sampled_from([0, 1, 7, 30])))

    def leaves(self) -> list[DeclaredJob]:
        parents = {
            job.source.address for job in self.said.jobs if isinstance(job.source, ParentRef)
        }
        return [job for job in self.said.jobs if job.address not in parents]

    def _with(self, old: DeclaredJob, new: DeclaredJob) -> None:
        jobs = tuple(new if job == old else job for job in self.said.jobs)
        self.commit(replace(self.said, jobs=jobs))

    def edit(self) -> None:
        self.commit(self.draw(edits(self.said)))

    def promote(self) -> None:
        leaf = self.draw(st.sampled_from(self.leaves()))
        rule = self.draw(st.sampled_from(["last", AtEpoch(epoch=2), Best(best=LOSS)]))
        one: Promotion = a_promotion(str(leaf.address), checkpoint=rule)
        rest = tuple(other for other in self.said.promotions if other.name != one.name)
        self.commit(replace(self.said, promotions=(*rest, one)))

    def let_go(self) -> None:
        self.commit(replace(self.said, promotions=()))

    def gate(self) -> None:
        leaf = self.draw(st.sampled_from(self.leaves()))
        most = self.draw(st.sampled_from([Decimal(5), Decimal(20), "promoted"]))
        gate = Gate(metric=LOSS, most=most) if self.draw(st.booleans()) else None  # type: ignore[arg-type]
        self._with(leaf, replace(leaf, gate=gate))

    def policy(self) -> None:
        job = self.draw(st.sampled_from(self.said.jobs))
        self._with(job, replace(job, policy=self.draw(policies)))

    def rename(self) -> None:
        leaf = self.draw(st.sampled_from(self.leaves()))
        address = replace(leaf.address, stage=f"{leaf.address.stage}x")
        said = leaf.address if self.draw(st.booleans()) else None
        self._with(leaf, replace(leaf, address=address, moved_from=said))

    def forget_names(self) -> None:
        jobs = tuple(replace(job, moved_from=None) for job in self.said.jobs)
        self.commit(replace(self.said, jobs=jobs))

    def remove(self) -> None:
        leaf = self.draw(st.sampled_from(self.leaves()))
        if len(self.said.jobs) > 1:
            rest = tuple(job for job in self.said.jobs if job != leaf)
            self.commit(replace(self.said, jobs=rest))

    def revert(self) -> None:
        self.commit(self.draw(st.sampled_from(self.commits)))

    def delete(self) -> None:
        """Somebody declares that a version is to be deleted; most of the time it is refused."""
        lock = self.runner.disk.load()
        made = [(address, one.model) for address, _, one in lock.creations() if one.model]
        if made:
            address, model = self.draw(st.sampled_from(made))
            removal = Removal(address=address, confirm=model)
            self.commit(replace(self.said, removals=(*self.said.removals, removal)))

    def other_bytes(self) -> None:
        """Other bytes lie behind a name, for a while."""
        uri = self.draw(st.sampled_from(self.said.jobs)).training.location
        world = self.runner.world
        others = a_dataset(uri, "others")
        world.write(uri, others if world.objects.get(uri) != others else a_dataset(uri))

    def cancel(self) -> None:
        for job in self.runner.world.live()[:1]:
            self.runner.world.cancel_by_hand(job.shown.name)


@given(st.data(), st.integers(0, 2**16))
@effort(60)
def test_after_any_history_a_lost_lock_comes_back_byte_for_byte(
    data: st.DataObject, seed: int
) -> None:
    draw = data.draw
    failures = draw(st.dictionaries(st.integers(1, 6), st.sampled_from([3, 13]), max_size=2))
    world = SimWorld(seed, Rules(failures=failures, solo=False))
    with_metrics(world)
    first = draw(declarations(policy=policies, most=3))
    people = People(draw, Runner(world, desire(first, pins_of(first))), first)  # type: ignore[arg-type]
    people.commit(first)
    people.runner.converge()
    for _ in range(draw(st.integers(1, 6))):
        people.act()
    runner = people.runner
    for _ in range(9):
        done = runner.tick()
        if not done.wrote and not done.outcomes:
            break
    else:
        assume(False)
    lost = runner.disk.load()
    found = recovered(runner).rebuilt
    same = dump(found.lock) == dump(lost)
    replaced = [doubt for doubt in found.doubts if "its data was" in doubt.words]
    assert same or replaced, dump(found.lock).decode() + dump(lost).decode()
    alone = recovered(runner, claims=False).rebuilt
    assert dump(alone.lock) == dump(lost) or alone.doubts, "what is not sure is said"
    assert {key for _, key, _ in alone.lock.creations()} == {key for _, key, _ in lost.creations()}
