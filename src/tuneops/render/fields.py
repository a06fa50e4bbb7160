"""Fields that differ between two recipes, as rows for people. Pure."""

from collections.abc import Iterator

from tuneops.core.diff import FieldChange


def field_rows(changes: tuple[FieldChange, ...]) -> Iterator[tuple[str, str]]:
    """Path and values of each field, as they were and as they are; not yet safe to show."""
    for change in changes:
        if change.path == "training.size":
            continue
        if change.path == "from.lineage":
            if not any(other.path == "from" for other in changes):
                yield "from", "its parent's training changed"
            continue
        before = "unset" if change.before is None else change.before
        after = "unset" if change.after is None else change.after
        yield change.path, f"{before} -> {after}"
