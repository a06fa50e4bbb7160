"""What a decision may look at: what is desired, what was recorded, and what there is. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tuneops.core.desired import DesiredGraph, DesiredJob
from tuneops.core.ledger import learn
from tuneops.core.lock import Creation, Lock
from tuneops.core.observed import Observed
from tuneops.core.recipe import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything a decision may look at."""

    graph: DesiredGraph
    before: Lock
    """The lock as it was read."""
    ledger: Lock
    """The lock as it reads once it has seen the world."""
    observed: Observed
    recorded: Mapping[str, tuple[str, Creation]]
    """The creations of `before` with their addresses, by key."""
    settle: timedelta
    """How long an unanswered create may still land."""


def look(graph: DesiredGraph, lock: Lock, observed: Observed, settle: timedelta) -> View:
    """Bring the lock up to date with the world and put both beside what is desired."""
    ledger = learn(graph, lock, observed, settle)
    recorded = {key: (address, creation) for address, key, creation in lock.creations()}
    return View(
        graph=graph,
        before=lock,
        ledger=ledger,
        observed=observed,
        recorded=recorded,
        settle=settle,
    )


def parent_result(view: View, job: DesiredJob) -> Creation | None:
    """The finished creation of the very lineage that a job continues; None until there is one."""
    source = job.recipe.source
    if not isinstance(source, Upstream):
        return None
    result = view.ledger.at(source.from_).result
    return result if result and result.lineage == source.lineage and result.succeeded else None
