"""Look into datasets in buckets: what became of the examples of one, and whether it can be used.

Only small objects are read unasked. The old bytes are there to compare with where the bucket keeps
earlier generations; where it does not, that is said, and nothing is guessed.
"""

from collections.abc import Container, Generator, Iterator
from contextlib import closing
from dataclasses import replace

from tuneops.cli.project import Project
from tuneops.core.address import Address
from tuneops.core.desired import DesiredGraph, DesiredJob, Pinned
from tuneops.core.drift import DriftKind
from tuneops.core.plan import Plan
from tuneops.core.recipe import Method
from tuneops.datasets.checks import check
from tuneops.datasets.difference import Difference, compare
from tuneops.datasets.limits import limits_of
from tuneops.diagnostics import Diagnostic
from tuneops.engine.pins import same_content
from tuneops.engine.ports import ObjectStore, StoredObject
from tuneops.errors import ProviderError
from tuneops.render.lines import counted

SMALL = 8 << 20
"""Objects of at most so many bytes are read by a plan; larger ones when asked for."""


def explained(plan: Plan, graph: DesiredGraph, objects: ObjectStore) -> Plan:
    """A plan whose drift says what became of the examples, where that is quickly told."""
    drift = []
    for one in plan.drift:
        job = graph.find_text(one.address)
        if one.kind is DriftKind.DATASET_CHANGED and job is not None:
            for pinned in (job.training, job.validation):
                if pinned is not None and one.expected.startswith(f"{pinned.dataset.uri} "):
                    one = replace(one, detail=_now(objects, job, pinned))
        drift.append(one)
    return replace(plan, drift=tuple(drift))


def _now(objects: ObjectStore, job: DesiredJob, pinned: Pinned) -> str:
    try:
        there = objects.describe(pinned.dataset.uri)
    except ProviderError:
        return ""
    if there is None or same_content(there, pinned):
        return ""
    return became(objects, pinned, there, job.recipe.method, most=SMALL)


def became(
    reader: ObjectStore,
    before: Pinned,
    there: StoredObject,
    method: Method,
    *,
    most: int | None = None,
) -> str:
    """What became of the examples between a pin and what is there, in words.

    Objects of more than `most` bytes are not read. A fault of the store is said, not raised.
    """
    uri, generation = before.dataset.uri, before.evidence.generation
    sizes = f"{before.dataset.size:,} -> {there.dataset.size:,} bytes"
    if most is not None and max(before.dataset.size, there.dataset.size) > most:
        return f"{sizes}; `tuneops lock pin --dry-run` compares the examples"
    try:
        old = reader.version(uri, generation) if generation else None
        if old is None or not same_content(old, before):
            return _without_the_old(reader, before, there, method)
        with closing(_blocks(reader, old)) as was, closing(_blocks(reader, there)) as now:
            return _told(compare(was, now, method))
    except ProviderError as fault:
        return f"{sizes}; the examples cannot be compared: {fault.message}"


def _without_the_old(
    reader: ObjectStore, before: Pinned, there: StoredObject, method: Method
) -> str:
    with closing(_blocks(reader, there)) as now:
        side = compare((), now, method).after
    known = before.evidence.examples
    were = f"{known} -> " if known is not None else ""
    count = counted(side.examples, "example")
    return f"{were}{count}, some {side.tokens:,} tokens; the old bytes are gone"


def _told(found: Difference) -> str:
    if found.is_empty:
        return "the same examples, in another order or spelling"
    parts = ((found.added, "added"), (found.removed, "removed"), (found.changed, "changed"))
    words = ", ".join(f"{number:,} {verb}" for number, verb in parts if number)
    gained = found.after.tokens - found.before.tokens
    return (
        f"{words}; {found.before.examples:,} -> {counted(found.after.examples, 'example')}, "
        f"some {gained:+,} tokens"
    )


def _blocks(reader: ObjectStore, stored: StoredObject) -> Generator[bytes, None, None]:
    """The bytes of an object; closing it stops the reading."""
    blocks = reader.read(stored)
    try:
        yield from blocks
    finally:
        close = getattr(blocks, "close", None)
        if close is not None:
            close()


def check_small(
    project: Project, graph: DesiredGraph, objects: ObjectStore, addresses: Container[Address]
) -> Iterator[Diagnostic]:
    """The findings of small training objects in buckets, each looked into once a method.

    What cannot be read is not judged here: the check before the create says what is wrong.
    """
    models = {use.address: use.base_model for use in project.resolution.data}
    seen = set[tuple[str, Method]]()
    for job in graph.jobs:
        pinned, method = job.training, job.recipe.method
        uri = pinned.dataset.uri
        small = pinned.file is None and pinned.dataset.size <= SMALL
        if job.address not in addresses or not small or (uri, method) in seen:
            continue
        seen.add((uri, method))
        model = models.get(job.address)
        row = project.resolution.models.find(model) if model else None
        try:
            there = objects.describe(uri)
            if there is None or not same_content(there, pinned):
                continue
            with closing(_blocks(objects, there)) as blocks:
                found = check(blocks, path=uri, method=method, limits=limits_of(row))
        except ProviderError:
            continue
        project.summaries[uri, method] = found.summary
        yield from found.findings
