"""What bytes a spec's datasets are: from files, the lock, our own jobs' marks, else what is there.

New bytes behind an unchanged URI are no cause of a purchase, lock or no lock.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.builders import (
    SEED,
    a_chain,
    a_creation,
    a_dataset,
    a_declaration,
    a_declared,
    a_graph,
    a_job,
    a_key,
    a_lock,
    a_target,
    model_name,
)
from tests.support.world import Runner, SimWorld
from tuneops.core.desired import (
    Declaration,
    DesiredGraph,
    ModelRef,
    ParentRef,
)
from tuneops.core.lock import Lock
from tuneops.core.observed import Checkpoint, JobState, ModelVersion
from tuneops.core.policy import Acceptance
from tuneops.core.recipe import Dataset, Evidence, Pretuned
from tuneops.diagnostics import SourceRef
from tuneops.engine.meanings import CONTINUABLE_SINCE
from tuneops.engine.pins import pin
from tuneops.engine.ports import StoredObject
from tuneops.errors import InputError

WHERE = SourceRef(path="specs/a.yaml", line=1, column=1)
NEW = Dataset(uri=SEED, size=5, crc32c="BBBBBQ==")


def _pin(
    declaration: Declaration,
    world: SimWorld,
    lock: Lock | None = None,
    read_file: Callable[[str], StoredObject | None] = lambda _: None,
) -> DesiredGraph:
    return pin(
        declaration,
        lock or a_lock(),
        read_file=read_file,
        objects=Runner(world, a_graph()),
        service=Runner(world, a_graph()),
        registry=world,
    )


def _lineages(graph: DesiredGraph) -> list[str]:
    return [job.lineage for job in graph.jobs]


def _lived(*declarations: Declaration) -> Runner:
    runner = Runner(SimWorld(1), a_graph())
    for declaration in declarations:
        runner.graph = _pin(declaration, runner.world, runner.disk.load())
        runner.unattended()
    return runner


def test_what_nobody_knows_is_read() -> None:
    graph = _pin(a_declaration(), SimWorld(1))
    assert graph.jobs[0].recipe.training == a_dataset()


def test_the_lock_is_believed_and_nothing_is_asked() -> None:
    job = a_job()
    world = SimWorld(1)
    world.objects[SEED] = NEW
    lock = a_lock(("support-bot/seed", a_key(job), a_creation(job)))
    graph = _pin(a_declaration(), world, lock)
    assert graph.jobs[0].lineage == job.lineage
    assert world.lists == 0


def test_the_pin_of_the_latest_creation_with_that_name_counts() -> None:
    world = SimWorld(1)
    first, second = a_job(), a_job(nonce="2")
    moved = replace(second, recipe=replace(second.recipe, training=NEW))
    later = a_creation(moved, number=2)
    assert later.created is not None
    later = replace(later, created=later.created.replace(hour=23))
    lock = a_lock(
        ("support-bot/seed", a_key(second), later),
        ("support-bot/seed", a_key(first), a_creation(first)),
    )
    assert _pin(a_declaration(), world, lock).jobs[0].recipe.training == NEW


def test_without_a_lock_our_own_jobs_say_what_their_bytes_were() -> None:
    declaration = a_declaration(*a_chain())
    runner = _lived(declaration)
    for stage in ("seed", "week", "tone"):
        uri = f"gs://data/{stage}.jsonl"
        runner.world.objects[uri] = replace(NEW, uri=uri)
    assert _lineages(_pin(declaration, runner.world)) == _lineages(runner.graph)


def test_without_a_lock_a_revert_finds_the_bytes_of_the_job_that_it_goes_back_to() -> None:
    first = a_declaration(*a_chain("seed", "week"))
    second = a_declaration(*a_chain("seed", "week", nonce="2"))
    runner = _lived(first, second)
    runner.world.objects[SEED] = NEW
    runner.world.objects["gs://data/week.jsonl"] = replace(NEW, uri="gs://data/week.jsonl")
    runner.disk.file = None
    runner.graph = _pin(first, runner.world)
    assert not runner.plan().buys, "new bytes behind an unchanged name are no cause"


def test_marks_that_do_not_give_the_jobs_lineage_are_not_believed() -> None:
    declaration = a_declaration()
    runner = _lived(declaration)
    changed = a_declaration(a_declared(nonce="another"))
    runner.world.objects[SEED] = NEW
    assert _pin(changed, runner.world).jobs[0].recipe.training == NEW


def test_jobs_of_others_are_not_asked() -> None:
    declaration = a_declaration()
    runner = _lived(declaration)
    runner.world.objects[SEED] = NEW
    other = a_declaration(target=a_target(workspace="other"))
    assert _pin(other, runner.world).jobs[0].recipe.training == NEW


def test_data_that_is_not_there_is_a_finding() -> None:
    world = SimWorld(1)
    world.objects["gs://data/gone"] = None
    with pytest.raises(InputError) as fault:
        _pin(a_declaration(a_declared(data="gs://data/gone")), world)
    (finding,) = fault.value.findings
    assert finding.code == "dataset-missing" and "gs://data/gone" in finding.message


def test_validation_data_that_is_gone_matters_to_a_create_only() -> None:
    check = "gs://data/check"
    declaration = a_declaration(*a_chain("seed", "week", validation=check))
    runner = Runner(SimWorld(1), a_graph())
    runner.graph = _pin(declaration, runner.world)
    runner.tick()
    runner.world.sleep(3600)
    runner.world.objects[check] = None
    runner.graph = _pin(declaration, runner.world, runner.disk.load())
    done = runner.unattended()
    held = {change.address: change.action.value for change in done.plan.changes}
    assert held == {"support-bot/seed": "keep", "support-bot/week": "hold"}
    assert {drift.kind.value for drift in done.plan.drift} == {"dataset-gone"}
    assert runner.world.posts == 1
    del runner.world.objects[check]
    runner.graph = _pin(declaration, runner.world, runner.disk.load())
    runner.unattended()
    assert runner.world.posts == 2, "it is there again"


def test_all_that_is_missing_is_told_at_once() -> None:
    jobs = (a_declared("a", data="one.jsonl"), a_declared("b", data="two.jsonl"))
    with pytest.raises(InputError) as fault:
        _pin(a_declaration(*jobs), SimWorld(1))
    assert len(fault.value.findings) == 2


def test_a_file_goes_by_its_content_and_is_read_every_time() -> None:
    content = Dataset(uri="data/a.jsonl", size=9, crc32c="CCCCCA==")
    stored = StoredObject(dataset=content, evidence=Evidence(sha256="5ha"))
    job = a_declared(data="data/a.jsonl")
    locked = a_lock(("support-bot/seed", "k1", a_creation(a_job())))
    graph = _pin(a_declaration(job), SimWorld(1), locked, lambda _: stored)
    training = graph.jobs[0].training
    assert training.dataset.uri == "gs://tuneops-local/tuneops/5ha.jsonl"
    assert training.file == "data/a.jsonl" and training.dataset.same_bytes(content)


def test_two_addresses_that_ask_for_the_same_are_refused() -> None:
    with pytest.raises(InputError) as fault:
        _pin(a_declaration(a_declared("a"), a_declared("b")), SimWorld(1))
    assert fault.value.findings[0].code == "identical-jobs"


# --- tuned models --------------------------------------------------------------------------------

BASE = model_name(55).partition("@")[0]


def _ref(version: str = "", checkpoint: str | None = None) -> ModelRef:
    return ModelRef(model=BASE, version=version, checkpoint=checkpoint, where=WHERE)


def _model(world: SimWorld) -> None:
    world.versions[BASE] = {
        "1": ModelVersion(name=f"{BASE}@1", default_checkpoint="3", aliases=("old",)),
        "2": ModelVersion(name=f"{BASE}@2", default_checkpoint="2", aliases=("default", "prod")),
        "4": ModelVersion(name=f"{BASE}@4", aliases=("bare",)),
    }
    for version in ("1", "2", "4"):
        world.checkpoints[f"{BASE}@{version}"] = {
            str(n): Checkpoint(epoch=n, step=100 * n) for n in (1, 2, 3)
        }


@pytest.mark.parametrize(
    ("ref", "meant"),
    [
        (_ref(), ("2", "2")),
        (_ref("1"), ("1", "3")),
        (_ref("prod"), ("2", "2")),
        (_ref("old", "1"), ("1", "1")),
        (_ref("bare"), ("4", "3")),
    ],
    ids=lambda value: value.text if isinstance(value, ModelRef) else "",
)
def test_a_tuned_model_is_resolved_to_a_version_and_a_checkpoint(
    ref: ModelRef, meant: tuple[str, str]
) -> None:
    world = SimWorld(1)
    _model(world)
    graph = _pin(a_declaration(a_declared(source=ref)), world)
    version, checkpoint = meant
    assert graph.jobs[0].recipe.source == Pretuned(model=f"{BASE}@{version}", checkpoint=checkpoint)


@pytest.mark.parametrize("ref", [_ref("9"), _ref("nightly"), _ref("1", "9")])
def test_a_tuned_model_that_is_not_there_is_a_finding(ref: ModelRef) -> None:
    world = SimWorld(1)
    _model(world)
    with pytest.raises(InputError) as fault:
        _pin(a_declaration(a_declared(source=ref)), world)
    assert fault.value.findings[0].code == "source-missing"
    world.versions.clear()
    with pytest.raises(InputError) as fault:
        _pin(a_declaration(a_declared(source=ref)), world)
    assert "does not exist" in fault.value.message


@pytest.mark.parametrize(("earlier", "code"), [(1, "source-too-old"), (0, None)])
def test_what_was_tuned_before_the_service_allowed_it_is_not_continued(
    earlier: int, code: str | None
) -> None:
    world = SimWorld(1)
    _model(world)
    versions = world.versions[BASE]
    made = CONTINUABLE_SINCE - timedelta(seconds=earlier)
    world.versions[BASE] = {**versions, "1": replace(versions["1"], created=made)}
    declaration = a_declaration(a_declared(source=_ref("1")))
    if code is None:
        assert _pin(declaration, world).jobs
        return
    with pytest.raises(InputError) as fault:
        _pin(declaration, world)
    assert fault.value.findings[0].code == code
    assert "was tuned before 2025-07-11" in fault.value.message


def test_a_model_without_any_checkpoint_is_a_finding() -> None:
    world = SimWorld(1)
    _model(world)
    world.checkpoints.clear()
    with pytest.raises(InputError):
        _pin(a_declaration(a_declared(source=_ref("bare"))), world)


def test_an_alias_that_moves_later_is_no_cause_with_or_without_a_lock() -> None:
    world = SimWorld(1)
    _model(world)
    declaration = a_declaration(a_declared(source=_ref("prod")))
    runner = Runner(world, _pin(declaration, world))
    runner.unattended()
    world.versions[BASE]["2"] = replace(world.versions[BASE]["2"], aliases=())
    world.versions[BASE]["1"] = replace(world.versions[BASE]["1"], aliases=("prod",))
    assert _lineages(_pin(declaration, world, runner.disk.load())) == _lineages(runner.graph)
    assert _lineages(_pin(declaration, world)) == _lineages(runner.graph)
    drift = {item.kind.value for item in runner.plan().drift}
    assert drift == {"source-moved"}


def test_a_new_reference_moves_the_model_and_not_the_data() -> None:
    world = SimWorld(1)
    _model(world)
    runner = Runner(world, _pin(a_declaration(a_declared(source=_ref("prod"))), world))
    runner.unattended()
    world.objects[SEED] = NEW
    graph = _pin(a_declaration(a_declared(source=_ref("old"))), world, runner.disk.load())
    assert graph.jobs[0].recipe.training == a_dataset()
    assert graph.jobs[0].recipe.source == Pretuned(model=f"{BASE}@1", checkpoint="3")


def test_bytes_that_changed_while_the_job_could_read_them_end_the_chain_there() -> None:
    runner = Runner(SimWorld(1), a_graph(*a_chain("seed", "week")))
    runner.tick()
    runner.world.objects[SEED] = NEW
    runner.unattended()
    runner.world.sleep(3600)
    runner.tick()
    (job,) = runner.world.jobs.values()
    assert job.shown.state is JobState.SUCCEEDED, "it ran on; it is paid for"
    book = runner.disk.load().at("support-bot/seed")
    assert book.current is None
    assert [creation.wrong_bytes for creation in book.creations.values()] == [True]


@pytest.mark.parametrize("retune", [False, True])
def test_new_bytes_are_a_cause_where_the_spec_says_so_and_only_there(retune: bool) -> None:
    declaration = a_declaration(a_declared(retune=retune))
    runner = _lived(declaration)
    runner.world.objects[SEED] = NEW
    runner.graph = _pin(declaration, runner.world, runner.disk.load())
    runner.unattended()
    assert runner.world.posts == (2 if retune else 1)
    del runner.world.objects[SEED]
    runner.graph = _pin(declaration, runner.world, runner.disk.load())
    assert not runner.plan().buys, "the old bytes were trained on before"
    runner.world.objects[SEED] = None
    runner.graph = _pin(declaration, runner.world, runner.disk.load())
    assert not runner.plan().buys, "nothing is no cause"


def test_a_renamed_job_keeps_the_pin_of_its_data() -> None:
    runner = _lived(a_declaration(*a_chain("seed", "week")))
    runner.world.objects[SEED] = NEW
    renamed = a_declaration(
        a_declared("bot/first"),
        a_declared("bot/next", after="bot/first", data="gs://data/week.jsonl"),
    )
    runner.graph = _pin(renamed, runner.world, runner.disk.load())
    assert not runner.plan().buys
    kept = [change.reason.value for change in runner.plan().changes]
    assert kept == ["renamed", "renamed"]


def test_another_job_with_the_data_of_one_that_is_gone_takes_what_is_there() -> None:
    runner = _lived(a_declaration(a_declared("bot/old")))
    runner.world.objects[SEED] = NEW
    other = a_declaration(a_declared("bot/new", nonce="another"))
    graph = _pin(other, runner.world, runner.disk.load())
    assert graph.jobs[0].recipe.training == NEW


def _renamed(declaration: Declaration, *, said: bool, **changes: Any) -> Declaration:
    jobs = []
    for job in declaration.jobs:
        source = job.source
        if isinstance(source, ParentRef):
            source = replace(source, address=replace(source.address, name="robot"))
        address = replace(job.address, name="robot")
        was = job.address if said else None
        jobs.append(replace(job, address=address, source=source, moved_from=was, **changes))
    return replace(declaration, jobs=tuple(jobs))


def _rewritten(runner: Runner) -> None:
    for stage in ("seed", "week"):
        uri = f"gs://data/{stage}.jsonl"
        runner.world.objects[uri] = replace(NEW, uri=uri)


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("lost", [True, False])
def test_a_rename_keeps_the_pins_whatever_lies_behind_the_names_now(said: bool, lost: bool) -> None:
    declaration = a_declaration(*a_chain("seed", "week"))
    runner = _lived(declaration)
    _rewritten(runner)
    lists = runner.world.lists
    lock = a_lock() if lost else runner.disk.load()
    graph = _pin(_renamed(declaration, said=said), runner.world, lock)
    assert _lineages(graph) == _lineages(runner.graph)
    assert lost or runner.world.lists == lists
    runner.graph = graph
    if lost:
        runner.disk.file = None
    assert not runner.plan().buys


def test_a_rename_that_is_said_keeps_the_pins_of_what_changes_besides() -> None:
    declaration = a_declaration(*a_chain("seed", "week"))
    runner = _lived(declaration)
    _rewritten(runner)
    edited = _renamed(declaration, said=True, nonce="2")
    graph = _pin(edited, runner.world, runner.disk.load())
    pinned = [job.recipe.training for job in graph.jobs]
    assert pinned == [job.recipe.training for job in runner.graph.jobs]


def test_a_new_job_beside_the_old_one_takes_the_bytes_that_are_there() -> None:
    declaration = a_declaration(*a_chain("seed"))
    runner = _lived(declaration)
    _rewritten(runner)
    both = a_declaration(*a_chain("seed"), *_renamed(declaration, said=False).jobs)
    graph = _pin(both, runner.world, runner.disk.load())
    assert [job.recipe.training.crc32c for job in graph.jobs] == [a_dataset().crc32c, NEW.crc32c]


def _accepting(model: str) -> Declaration:
    seed, week = a_chain("seed", "week")
    accept = Acceptance(model=model, reason="good enough", until=None, where=WHERE)
    return a_declaration(replace(seed, nonce="2"), replace(week, accept=accept))


@pytest.mark.parametrize("lost", [True, False])
def test_an_accepted_version_is_known_by_the_lock_or_by_its_jobs_labels(lost: bool) -> None:
    runner = _lived(a_declaration(*a_chain("seed", "week")))
    made = runner.disk.load().jobs["support-bot/seed"].result
    assert made is not None and made.model is not None
    lock = a_lock() if lost else runner.disk.load()
    for name in (made.model, f"models/{made.model.rpartition('/')[2]}"):
        if lost and name == made.model:
            lock = replace(lock, project_number=made.model.split("/")[1])
        graph = _pin(_accepting(name), runner.world, lock)
        assert graph.jobs[1].lineage == runner.graph.jobs[1].lineage
        assert graph.jobs[0].lineage != runner.graph.jobs[0].lineage


def test_an_accepted_version_that_nobody_knows_is_a_finding() -> None:
    runner = _lived(a_declaration(*a_chain("seed", "week")))
    with pytest.raises(InputError) as raised:
        _pin(_accepting("models/424242@7"), runner.world, runner.disk.load())
    (finding,) = raised.value.findings
    assert finding.code == "accepted-version-unknown"
    assert finding.help is not None and "has made models/" in finding.help


def test_a_version_of_another_environment_is_not_accepted_here() -> None:
    runner = _lived(a_declaration(*a_chain("seed", "week")))
    there = "projects/999/locations/us-central1/models/1@1"
    graph = _pin(_accepting(there), runner.world, runner.disk.load())
    assert graph.deviation(graph.jobs[1]) is None
    assert graph.jobs[1].lineage != runner.graph.jobs[1].lineage
