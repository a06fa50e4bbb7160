"""Fields that differ between two recipes, as rows for people. Pure."""

import re
from collections.abc import Iterator

from tuneops.core.desired import DesiredJob, Pinned
from tuneops.core.diff import FieldChange
from tuneops.render.lines import counted

STORED = re.compile(r"gs://[^/]+/tuneops/[0-9a-f]{64}\.jsonl")


def _stored(change: FieldChange) -> bool:
    """Say whether only the name changed that tuneops gave to the bytes of a local file."""
    names = (change.before, change.after)
    return change.path == "training.uri" and all(STORED.fullmatch(str(name)) for name in names)


def field_rows(changes: tuple[FieldChange, ...]) -> Iterator[tuple[str, str]]:
    """Path and values of each field, as they were and as they are; not yet safe to show."""
    for change in changes:
        if change.path == "training.size" or _stored(change):
            continue
        if change.path == "from.lineage":
            if not any(other.path == "from" for other in changes):
                yield "from", "its parent's training changed"
            continue
        before = "unset" if change.before is None else change.before
        after = "unset" if change.after is None else change.after
        yield change.path, f"{before} -> {after}"


def new_data(changes: tuple[FieldChange, ...], job: DesiredJob) -> Iterator[tuple[str, str]]:
    """The data that a job is to read now, as a row, if its bytes are others than before."""
    if any(change.path == "training.crc32c" for change in changes):
        yield "training", dataset_text(job.training)


def dataset_text(pinned: Pinned) -> str:
    """Data in one line: where it is, how much of it, and which bytes."""
    name = pinned.file or pinned.dataset.uri
    examples = pinned.evidence.examples
    count = f", {counted(examples, 'example')}" if examples is not None else ""
    return f"{name}{count}, crc32c {pinned.dataset.crc32c}"
