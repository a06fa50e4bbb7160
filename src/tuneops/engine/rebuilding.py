"""Gather all that a lost lock can be written from: the jobs, their models, and their claims."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tuneops.core.claim import Claim
from tuneops.core.lock import Creation, Lock
from tuneops.core.observed import JobState
from tuneops.core.rebuild import Doubt, Rebuilt, rebuild
from tuneops.core.view import View
from tuneops.engine.observe import look_closer
from tuneops.engine.ports import ClaimStore, ModelRegistry
from tuneops.errors import ClaimDamaged, TuneopsError

_STOPPED = (JobState.CANCELLED, JobState.CANCELLING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The rebuilt lock, and the kind of guard that has the claim of its newest entry."""

    rebuilt: Rebuilt
    guard: str | None


def recover(
    view: View, registry: ModelRegistry, stores: Sequence[tuple[str, ClaimStore]]
) -> Recovered:
    """The lock as jobs, models and claims tell it; `stores` are kinds of guard with their claims.

    Costs a request for each model that a job of ours made, and a read for each new entry's claim.
    """
    graph, before = view.graph, view.before
    first = rebuild(graph, before, view.observed, view.settle).lock
    seen = look_closer(graph, first, view.observed, registry)
    new = _new(before, first)
    claims = dict[str, Claim]()
    guards = dict[str, str]()
    trouble = ""
    for kind, store in stores:
        found, fault = _read(store, new)
        trouble = trouble or fault
        claims = {**found, **claims}
        guards = {**dict.fromkeys(found, kind), **guards}
    rebuilt = rebuild(graph, before, seen, view.settle, claims)
    doubts = (*rebuilt.doubts, *_unclaimed(view, new, claims, trouble))
    guard = next((guards[key] for key in new if key in guards), None)
    return Recovered(rebuilt=replace(rebuilt, doubts=doubts), guard=guard)


def _read(store: ClaimStore, keys: Iterable[str]) -> tuple[dict[str, Claim], str]:
    """The claims of a store, and why some could not be read."""
    found: dict[str, Claim] = {}
    trouble = ""
    for key in keys:
        try:
            there = store.read(key)
        except ClaimDamaged as fault:
            trouble = fault.message
        except TuneopsError as fault:
            return found, fault.message
        else:
            found |= {key: there[0]} if there else {}
    return found, trouble


def _new(before: Lock, lock: Lock) -> Mapping[str, tuple[str, Creation]]:
    """The entries that were not there, with their addresses; the newest job first."""
    known = {key for _, key, _ in before.creations()}
    new = [item for item in lock.creations() if item[1] not in known]
    return {key: (address, item) for address, key, item in sorted(new, key=_created, reverse=True)}


def _created(item: tuple[str, str, Creation]) -> tuple[float, str]:
    return item[2].created.timestamp() if item[2].created else 0.0, item[1]


def _unclaimed(
    view: View, new: Mapping[str, tuple[str, Creation]], claims: Container[str], trouble: str
) -> Iterator[Doubt]:
    """What is not known because claims are lost: of what no spec says, and of what was stopped."""
    wanted = {job.lineage for job in view.graph.jobs}
    open_ = {key: item for key, item in new.items() if key not in claims}
    stopped = any(creation.state in _STOPPED for _, creation in open_.values())
    if trouble and stopped:
        words = f"its claims cannot be read, so who cancelled it is not known: {trouble}"
        yield Doubt(address="", job=None, words=words)
    places = sorted({place for place, item in open_.values() if item.lineage not in wanted})
    if places:
        also = f", and {len(places) - 1} more" if len(places) > 1 else ""
        words = (
            f"no claim of its jobs was found{also}: what became of them since they were made, as a "
            "new name, an edited policy or a cancel of ours, is not known"
        )
        yield Doubt(address=places[0], job=None, words=words)
