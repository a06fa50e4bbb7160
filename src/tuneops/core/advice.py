"""How the specs could be written so that a plan runs fewer jobs: advice, never a decision. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from tuneops.core.address import Address
from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.fingerprint import lineage
from tuneops.core.lock import Creation
from tuneops.core.plan import Advice, Plan, Way
from tuneops.core.recipe import Upstream
from tuneops.core.stamps import stands_for
from tuneops.core.view import View, look

Planner = Callable[[View], Plan]

_ROUNDS = 8
"""How often accepting one parent may make the acceptance of another worth while."""


def advise(view: View, plan: Plan, planner: Planner) -> tuple[Advice, ...]:
    """Cheaper ways to what the specs ask for: stages appended, not inserted; parents accepted.

    Costs another plan or two, and only where a job is to be bought because its parent changed.
    """
    if not any(True for _ in _held_back(view, plan)):
        return ()
    appended = tuple(_appending(view, plan, planner))
    return appended or _accepting(view, plan, planner)


def _held_back(view: View, plan: Plan) -> Iterator[tuple[DesiredJob, Upstream, Creation]]:
    """Jobs to be bought for nothing but another parent: with how they began, and the old parent."""
    for change in plan.buys:
        job = view.graph.find_text(change.address)
        earlier = view.ledger.at(change.address).result
        if job is None or earlier is None or not isinstance(job.recipe.source, Upstream):
            continue
        began = earlier.recipe.source
        same = stands_for(earlier, job.recipe)
        if not same or not isinstance(began, Upstream) or not earlier.succeeded:
            continue
        parent = _result(view, began.lineage)
        if parent is not None and began.lineage != job.recipe.source.lineage:
            yield job, began, parent


def _result(view: View, lineage: str) -> Creation | None:
    """The finished creation of a lineage, whose version is there."""
    for _, _, creation in view.ledger.creations():
        there = creation.succeeded and view.observed.has_version(creation.model or "")
        if creation.lineage == lineage and there:
            return creation
    return None


def _accepting(view: View, plan: Plan, planner: Planner) -> tuple[Advice, ...]:
    """Accept old parents, from the top down, until no job is bought for its parent alone."""
    sources: dict[Address, Upstream] = {}
    models: dict[Address, str] = {}
    other = plan
    for _ in range(_ROUNDS):
        bought = {change.address for change in other.buys}
        held = list(_held_back(view, other))
        below = {str(job.address) for job, _, _ in held}
        top = [
            (job, began, parent)
            for job, began, parent in held
            if not any(str(above.address) in below & bought for above in view.graph.ancestors(job))
        ]
        new = [(job, began, parent) for job, began, parent in top if job.address not in sources]
        if not new:
            break
        for job, began, parent in new:
            assert isinstance(job.recipe.source, Upstream), "only a child is held back"
            sources[job.address] = replace(job.recipe.source, lineage=began.lineage)
            models[job.address] = parent.model or ""
        other = planner(_imagined(view, _relined(view.graph, sources)))
    named = [(address, model, Way.ACCEPT_PARENT) for address, model in models.items()]
    return _worthwhile(plan, other, named)


def _appending(view: View, plan: Plan, planner: Planner) -> Iterator[Advice]:
    """A new stage between others: after the last of them it would change no other one."""
    held = {str(job.address): began for job, began, _ in _held_back(view, plan)}
    children: dict[Address, list[DesiredJob]] = {}
    for job in view.graph.jobs:
        if job.parent is not None:
            children.setdefault(job.parent, []).append(job)
    for change in plan.buys:
        new = view.graph.find_text(change.address)
        if new is None or view.ledger.at(change.address).creations or new.parent is None:
            continue
        above = view.graph.find(new.parent)
        below = children.get(new.address, [])
        assert above is not None and isinstance(new.recipe.source, Upstream)
        if not below or any(
            str(child.address) not in held or held[str(child.address)].lineage != above.lineage
            for child in below
        ):
            continue
        last = _only_leaf(new, children)
        if last is None or last.address.name != new.address.name:
            continue
        sources = {
            child.address: replace(child.recipe.source, from_=str(above.address), lineage="")
            for child in below
            if isinstance(child.recipe.source, Upstream)
        }
        sources[new.address] = replace(new.recipe.source, from_=str(last.address), lineage="")
        other = planner(_imagined(view, _relined(view.graph, sources)))
        named = [(new.address, str(last.address), Way.APPEND_STAGE)]
        yield from _worthwhile(plan, other, named)


def _only_leaf(job: DesiredJob, children: Mapping[Address, list[DesiredJob]]) -> DesiredJob | None:
    while below := children.get(job.address):
        if len(below) > 1:
            return None
        (job,) = below
    return job


def _imagined(view: View, graph: DesiredGraph) -> View:
    """The same world under other specs."""
    return look(graph, view.before, view.observed, view.settle)


def _worthwhile(
    plan: Plan, other: Plan, named: list[tuple[Address, str, Way]]
) -> tuple[Advice, ...]:
    """The advice, if it spares something."""
    buys = tuple(change.address for change in other.buys)
    spares = tuple(change.address for change in plan.buys if change.address not in buys)
    if not spares or len(buys) >= len(plan.buys):
        return ()
    return tuple(
        Advice(address=str(address), way=way, target=target, spares=spares, buys=buys)
        for address, target, way in named
    )


def _relined(graph: DesiredGraph, sources: Mapping[Address, Upstream]) -> DesiredGraph:
    """The same jobs, some continuing from elsewhere: what the specs could have asked for instead.

    Of a source its lineage counts where it is not empty; else it is that of the job it names.
    """
    done: dict[Address, DesiredJob] = {}
    waiting = list(graph.jobs)
    while waiting:
        later = []
        for job in waiting:
            said = job.restated or job.recipe
            source = sources.get(job.address, said.source)
            if not isinstance(source, Upstream):
                done[job.address] = job
            elif (parent := done.get(Address.parse(source.from_))) is None:
                later.append(job)
            else:
                fixed = source.lineage if job.accept or job.address in sources else ""
                source = replace(source, lineage=fixed or parent.lineage)
                recipe = replace(said, source=source)
                new = lineage(recipe)
                done[job.address] = replace(
                    job, recipe=recipe, lineage=new, stated=new, restated=None
                )
        assert len(later) < len(waiting), "the jobs wait for each other"
        waiting = later
    return replace(graph, jobs=tuple(done.values()))
