"""Plan from specs and lock alone: nothing is asked, so it works without network and login."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from tuneops.cli.checking import refuse_bad_data
from tuneops.cli.costing import limited
from tuneops.cli.locks import read_lock, refuse_renamed, rehearsed
from tuneops.cli.project import Project
from tuneops.core.desired import Declaration, ModelRef
from tuneops.core.lock import Lock
from tuneops.core.view import View
from tuneops.engine.pins import pin
from tuneops.engine.recorded import RecordedWorld
from tuneops.render.lines import counted
from tuneops.render.plan import Header
from tuneops.store.lockfile import lock_path


def look_at_lock(project: Project, max_cost: Decimal | None) -> tuple[View, Header]:
    """What a decision may look at if all is as the lock says, and the header that says so.

    InputError for local data with errors that no job was made with yet.
    """
    declaration = limited(project.declaration, max_cost)
    declaration = replace(declaration, target=rehearsed(declaration.target))
    jobs = tuple(  # nobody looks at bytes
        replace(job, retune=False) if job.retune else job for job in declaration.jobs
    )
    declaration = replace(declaration, jobs=jobs)
    lock = read_lock(project)
    path = lock_path(project.root, declaration.target.environment)
    if not path.exists():
        refuse_renamed(project, declaration.target)
    world = RecordedWorld(lock, declaration.target, tuple(_references(declaration)), _now(lock))
    graph = pin(
        declaration,
        lock,
        read_file=project.read_file,
        objects=world,
        service=world,
        registry=world,
    )
    refuse_bad_data(project, graph, lock)
    target = declaration.target
    state = counted(len(lock.jobs), "job") if path.exists() else "not there yet"
    return world.look(graph), Header(
        target=f"{target.provider} · {target.project} · {target.location}",
        lock=path.relative_to(project.root).as_posix(),
        lock_state=state,
        guard="not looked for",
        emulated=target.provider == "emulator",
        unseen=(
            "the service was not asked: this is what specs and lock say",
            *(f"{name} is unknown: the lock has no pin of it" for name in world.unknown),
        ),
    )


def _references(declaration: Declaration) -> Iterator[ModelRef]:
    for job in declaration.jobs:
        if isinstance(job.source, ModelRef):
            yield job.source


def _now(lock: Lock) -> datetime:
    """The time, by this machine: nobody else is asked. Virtual times may be ahead of it."""
    times = [one.ended or one.created for _, _, one in lock.creations()]
    return max([datetime.now(UTC), *(time for time in times if time is not None)])
