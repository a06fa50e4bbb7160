"""Whatever happens to the objects, nothing is bought that no commit asked for."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import a_chain, a_declaration, a_graph, a_lock
from tests.support.profiles import effort
from tests.support.world import Runner, SimWorld
from tuneops.core.recipe import Dataset
from tuneops.engine.pins import pin
from tuneops.errors import InputError

URIS = ("gs://data/seed.jsonl", "gs://data/week.jsonl")
EVENTS = st.lists(
    st.tuples(st.sampled_from(URIS), st.sampled_from(["", "A", "B", "gone"]), st.integers(0, 90)),
    max_size=8,
)


def _happen(world: SimWorld, uri: str, what: str) -> None:
    """Other bytes, none, or those that were there at first."""
    world.objects.pop(uri, None)
    if what:
        dataset = Dataset(uri=uri, size=1, crc32c=f"AAAAA{what}==")
        world.objects[uri] = None if what == "gone" else dataset


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
