"""Which of our aliases is where: the lock's pointers, brought up to date with what was seen. Pure.

Nothing is decided here. An alias that no pointer records is found on the versions of our own
creations, so that a lost lock does not lose what is promoted.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from tuneops.core.desired import DesiredGraph, Promotion
from tuneops.core.lock import Creation, Lock, Pointer
from tuneops.core.observed import ModelVersion, Observed

MEMORY = 10
"""How many moves of an alias the lock remembers; git has all of them."""


def short_version(model: str) -> str:
    """`55@2` of a full name: project ids and numbers name the same project."""
    return model.rpartition("/models/")[2]


def base_of(model: str) -> str:
    """A version's model: its name without the number."""
    return model.partition("@")[0]


def passed(one: Pointer | None, *more: Pointer | None, now: str) -> tuple[str, ...] | None:
    """The versions that an alias was on, the latest last, now that it is on another."""
    pointers = [pointer for pointer in (one, *more) if pointer is not None]
    were = [name for pointer in pointers for name in (*(pointer.before or ()), pointer.model)]
    others = (name for name in were if short_version(name) != short_version(now))
    return tuple(dict.fromkeys(others))[-MEMORY:] or None


def made_versions(lock: Lock) -> Mapping[str, tuple[str, str, Creation]]:
    """Address, key and creation by the version that was made."""
    return {
        short_version(creation.model): (address, key, creation)
        for address, key, creation in lock.creations()
        if creation.succeeded and creation.model is not None
    }


def our_versions(graph: DesiredGraph, lock: Lock, observed: Observed) -> dict[str, tuple[str, str]]:
    """Address and key by the version that a job of ours made, recorded or only seen."""
    target = graph.target
    found: dict[str, tuple[str, str]] = {}
    for (lineage, attempt), jobs in observed.owned(*target.owners).items():
        for job in jobs:
            if job.model is not None and job.ownership is not None:
                key = target.key(lineage, attempt)
                found[short_version(job.model)] = (job.ownership.address, key)
    recorded = made_versions(lock).items()
    return found | {version: (address, key) for version, (address, key, _) in recorded}


def carriers(observed: Observed, alias: str) -> Iterator[ModelVersion]:
    """The versions that have an alias, among the models that were asked for."""
    for _, versions in sorted(observed.versions.items()):
        for version in (versions or {}).values():
            if alias in version.aliases:
                yield version


def note_pointers(graph: DesiredGraph, lock: Lock, observed: Observed) -> Lock:
    """The lock with what was seen of the aliases that promotions declare.

    Finds the pointer that is not recorded, and remembers versions of other models that have the
    alias too. Forgets pointers that no spec declares, but for those whose job is gone from the
    specs as well: what serves is not let go by removing a spec.
    """
    lock = _renamed(graph, lock)
    for promotion in graph.promotions:
        pointer = _noted(graph, promotion, lock, observed)
        if pointer != lock.pointer(promotion.name, promotion.alias):
            lock = lock.point(promotion.name, promotion.alias, pointer)
    declared = {(promotion.name, promotion.alias) for promotion in graph.promotions}
    for name, aliases in (lock.pointers or {}).items():
        for alias, pointer in aliases.items():
            kept = (name, alias) in declared or _orphaned(graph, lock, observed, alias, pointer)
            lock = lock if kept else lock.point(name, alias, None)
    return lock


def _renamed(graph: DesiredGraph, lock: Lock) -> Lock:
    """The lock with the pointers of chains that have another name now under that one."""
    declared = {(promotion.name, promotion.alias) for promotion in graph.promotions}
    where = {key: _named(address) for address, key, _ in lock.creations()}
    for name, aliases in (lock.pointers or {}).items():
        for alias, pointer in aliases.items():
            now = where.get(pointer.creation, name)
            free = (name, alias) not in declared and lock.pointer(now, alias) is None
            if free and (now, alias) in declared:
                lock = lock.point(name, alias, None).point(now, alias, pointer)
    return lock


def found_pointers(
    graph: DesiredGraph, lock: Lock, observed: Observed, released: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], Pointer]:
    """The aliases on results of jobs that no spec has, by name and alias.

    Who put one there is not shown: it counts as promoted, since what serves must not be let go,
    unless it is among the `released`: creation key and alias.
    `default` is left out where the service puts it by itself, on the first version.
    """
    declared = {(promotion.name, promotion.alias) for promotion in graph.promotions}
    made = made_versions(lock)
    found: dict[tuple[str, str], list[tuple[str, ModelVersion]]] = {}
    for versions in observed.versions.values():
        for number, version in (versions or {}).items():
            address, key, _ = made.get(short_version(version.name), ("", "", None))
            if not key or graph.find_text(address) is not None:
                continue
            for alias in version.aliases:
                place = (_named(address), alias)
                ours = (key, alias) not in released and (alias, number) != ("default", "1")
                if place not in declared and ours:
                    found.setdefault(place, []).append((key, version))
    return {place: _pointed(lock, carried) for place, carried in sorted(found.items())}


def _pointed(lock: Lock, carried: list[tuple[str, ModelVersion]]) -> Pointer:
    """The pointer to the newest of the versions that have an alias; from the others it goes."""
    created = {key: creation.created for _, key, creation in lock.creations()}

    def age(item: tuple[str, ModelVersion]) -> tuple[float, str]:
        made = created[item[0]]
        return made.timestamp() if made else 0.0, item[1].name

    key, version = max(carried, key=age)
    also = sorted(
        other.name for _, other in carried if base_of(other.name) != base_of(version.name)
    )
    checkpoint = version.default_checkpoint or ""
    return Pointer(
        creation=key, model=version.name, checkpoint=checkpoint, also=tuple(also) or None
    )


def _noted(
    graph: DesiredGraph, promotion: Promotion, lock: Lock, observed: Observed
) -> Pointer | None:
    made = our_versions(graph, lock, observed)
    # Another chain's model may have an alias of that name, which is no business of this one.
    mine = [
        version
        for version in carriers(observed, promotion.alias)
        if _named(made.get(short_version(version.name), ("", ""))[0]) == promotion.name
    ]
    pointer = lock.pointer(promotion.name, promotion.alias)
    if pointer is None:
        first = min(mine, key=lambda version: version.name, default=None)
        if first is None or first.default_checkpoint is None:
            return None
        key = made[short_version(first.name)][1]
        pointer = Pointer(
            creation=key, model=first.name, checkpoint=first.default_checkpoint, also=None
        )
    base = base_of(pointer.model)
    known = {*(pointer.also or ()), *(version.name for version in mine)}
    also = sorted(
        name for name in known if base_of(name) != base and carries(observed, name, promotion.alias)
    )
    return replace(pointer, also=tuple(also) or None)


def _named(address: str) -> str:
    return address.partition("/")[0]


def carries(observed: Observed, model: str, alias: str) -> bool:
    """Say whether a version has an alias, as far as was asked: not asked counts as having it."""
    base, _, number = model.partition("@")
    if base not in observed.versions:
        return True
    version = (observed.versions[base] or {}).get(number)
    return version is not None and alias in version.aliases


def _orphaned(
    graph: DesiredGraph, lock: Lock, observed: Observed, alias: str, pointer: Pointer
) -> bool:
    """Say whether an alias is still on the result of a job that no spec has any more."""
    for address, key, _ in lock.creations():
        if key == pointer.creation and graph.find_text(address) is None:
            return carries(observed, pointer.model, alias)
    return False
