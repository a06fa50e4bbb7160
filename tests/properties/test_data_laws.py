"""Whatever happens to the objects, nothing is bought that no commit and no person asked for."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import a_chain, a_dataset, a_declaration, a_graph, a_lock
from tests.support.profiles import effort
from tests.support.world import Runner, SimWorld
from tuneops.core.labels import read_note
from tuneops.core.lock import Lock
from tuneops.core.pins import with_pins
from tuneops.core.recipe import Dataset
from tuneops.engine.moves import find_moves
from tuneops.engine.pins import pin
from tuneops.errors import InputError

URIS = ("gs://data/seed.jsonl", "gs://data/week.jsonl")
ADDRESSES = ("support-bot/seed", "support-bot/week")
WHAT = st.sampled_from(["", "A", "B", "gone"])
EVENTS = st.lists(st.tuples(st.sampled_from(URIS), WHAT, st.integers(0, 90)), max_size=8)


def _happen(world: SimWorld, uri: str, what: str) -> None:
    """Other bytes, none, or those that were there at first."""
    dataset = Dataset(uri=uri, size=1, crc32c=f"AAAAA{what}==") if what else a_dataset(uri)
    world.write(uri, None if what == "gone" else dataset)


@given(EVENTS, st.booleans())
@effort(60)
def test_no_change_of_objects_buys_what_the_first_commit_did_not(
    events: list[tuple[str, str, int]], lost: bool
) -> None:
    world = SimWorld(1)
    declaration = a_declaration(*a_chain("seed", "week"))
    runner = Runner(world, a_graph())
    lineages = set[str]()
    for uri, what, minutes in [(URIS[0], "", 0), *events]:
        _happen(world, uri, what)
        try:
            runner.graph = pin(
                declaration,
                runner.disk.load() if not lost else a_lock(),
                read_file=lambda _: None,
                objects=runner,
                service=runner,
                registry=world,
            )
        except InputError:
            continue
        runner.tick()
        world.sleep(60 * minutes)
        lineages |= {job.ownership.lineage for job in world.jobs.values()}
    seed = [job for job in world.jobs.values() if job.ownership.address.endswith("seed")]
    assert len(seed) == 1, "the first run, and no other"
    assert len(world.jobs) <= 2 and len(lineages) == len(world.jobs)


class Repository:
    """One checkout, whose people move pins, or whose specs say that new bytes are a cause."""

    def __init__(self, retune: tuple[bool, bool]) -> None:
        self.world = SimWorld(1)
        stages = a_chain("seed", "week")
        self.declaration = a_declaration(
            *(replace(job, retune=how) for job, how in zip(stages, retune, strict=True))
        )
        self.retune = dict(zip(URIS, retune, strict=True))
        self.runner = Runner(self.world, a_graph())
        self.allowed = {(uri, self._there(uri)) for uri in URIS}
        """The bytes that somebody decided to train on, by name."""

    def _there(self, uri: str) -> str | None:
        stored = self.world.describe(uri)
        return stored.dataset.crc32c if stored else None

    def tick(self) -> None:
        """Plan and run once; what is bought is judged at once."""
        lock = self.runner.disk.load()
        for address, uri in zip(ADDRESSES, URIS, strict=True):
            never = not lock.at(address).creations and not (lock.pins or {}).get(address)
            if never or self.retune[uri]:
                self.allowed.add((uri, self._there(uri)))
        try:
            self._pin(lock)
        except InputError:
            return
        before = set(self.world.jobs)
        self.runner.tick()
        for name in self.world.jobs.keys() - before:
            self._judge(name)

    def swap(self) -> None:
        """Other bytes for a minute, and then those that were there, under a new generation."""
        for uri in URIS:
            before = self.world.describe(uri)
            self.world.sleep(90)
            _happen(self.world, uri, "B")
            self.world.sleep(60)
            self.world.write(uri, before.dataset if before else None)

    def move_pins(self) -> None:
        """What `lock pin` does."""
        lock = self.runner.disk.load()
        try:
            self._pin(lock)
            found = find_moves(
                self.runner.graph, lock, ADDRESSES, objects=self.runner, registry=self.world
            )
        except InputError:
            return
        moves = {(move.address, move.name): move.after for move in found}
        self.runner.disk.save(with_pins(lock, moves))
        self.allowed |= {(uri, self._there(uri)) for uri in URIS}

    def _pin(self, lock: Lock) -> None:
        self.runner.graph = pin(
            self.declaration,
            lock,
            read_file=lambda _: None,
            objects=self.runner,
            service=self.runner,
            registry=self.world,
        )

    def _judge(self, name: str) -> None:
        job = self.world.jobs[name]
        note, uri = read_note(job.request.description), job.request.training_uri
        assert note is not None
        bytes_ = note.training[1]
        assert bytes_ == self._there(uri), "it was told to read other bytes than those there"
        assert (uri, bytes_) in self.allowed, "nobody asked for these bytes"

    def check_notes(self) -> None:
        """A note says that something was written while its job ran, and is no verdict."""
        for _, _, creation in self.runner.disk.load().creations():
            if creation.rewritten is None:
                continue
            writes = self.world.writes[creation.recipe.training.uri]
            assert creation.rewritten in writes and creation.created is not None
            assert creation.rewritten > creation.created
            assert creation.ended is None or creation.rewritten < creation.ended


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(URIS), WHAT),
        st.just("pin"),
        st.just("tick"),
        st.just("swap"),
        st.integers(1, 90),
    ),
    max_size=24,
)


@given(STEPS, st.tuples(st.booleans(), st.booleans()))
@effort(120)
def test_only_bytes_that_a_person_a_pin_or_a_policy_chose_are_bought(
    steps: list[tuple[str, str] | str | int], retune: tuple[bool, bool]
) -> None:
    there = Repository(retune)
    pins = 0
    for step in ["tick", *steps, "tick"]:
        match step:
            case "tick":
                there.tick()
            case "swap":
                there.swap()
            case "pin":
                pins += 1
                there.move_pins()
            case int():
                there.world.sleep(60 * step)
            case (str() as uri, str() as what):
                _happen(there.world, uri, what)
    there.check_notes()
    there.world.check_keys()
    seed = [job for job in there.world.jobs.values() if job.ownership.address == ADDRESSES[0]]
    if not retune[0]:
        assert len(seed) <= 1 + pins, "one, and one for each time that a pin was moved"
