"""Where a result comes from, as text and as JSON. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneops.core.lock import Creation, Pointer
from tuneops.core.provenance import Origin, start
from tuneops.render.inert import inert
from tuneops.render.lines import Line, columns
from tuneops.render.plan import FORMAT_VERSION, REASONS, short_job, short_model
from tuneops.render.status import version_text


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitText:
    """What a commit says of itself."""

    subject: str
    author: str
    date: str


_BETWEEN = "the pinned bytes before and after, what it may have read in between is not known"

Commits = Mapping[str, CommitText]
"""What is known of commits, by their full names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked about: its alias, if it is one, and what else its address waits for."""

    text: str
    pointer: Pointer | None = None
    under_way: tuple[Creation, ...] = ()


def provenance_text(asked: Asked, line: Sequence[Origin], commits: Commits) -> Iterator[Line]:
    """The line of a result, nearest first, down to what it all began with."""
    yield from _asked(asked)
    for index, origin in enumerate(line):
        if index:
            yield Line()
        yield Line(inert(f"{origin.address}  {_result(origin.creation)}"), "strong")
        yield from (Line(inert(row)) for row in columns(_rows(origin, commits)))
        changes = [
            (f"    {item.path}", f"{_value(item.before)} -> {_value(item.after)}")
            for item in origin.changes
            if item.path not in ("training.size", "from.lineage")
        ]
        yield from (Line(inert(row), "dim") for row in columns(changes))
    yield Line()
    yield Line(inert(start(line[-1])), "strong")


def _asked(asked: Asked) -> Iterator[Line]:
    pointer = asked.pointer
    if pointer is not None:
        where = f"{short_model(pointer.model)}, checkpoint {pointer.checkpoint}"
        yield Line(inert(f"{asked.text}  {where}"), "strong")
        if pointer.before:
            yield Line(f"  was on  {', '.join(map(short_model, reversed(pointer.before)))}")
    for creation in asked.under_way:
        job = short_job(creation.job)
        more = (
            f"{job}: `tuneops why {job}` tells its cause" if job else "a create without an answer"
        )
        yield Line(inert(f"{asked.text}  under way: {more}"), "strong")
    if pointer is not None or asked.under_way:
        yield Line()


def _rows(origin: Origin, commits: Commits) -> Iterator[tuple[str, str]]:
    creation, cause = origin.creation, origin.creation.cause
    yield "  job", f"{short_job(creation.job) or 'not known yet'}{_ended(creation)}"
    if creation.rewritten is not None:
        yield "  data", f"written again {creation.rewritten:%Y-%m-%d %H:%M} UTC; {_BETWEEN}"
    if creation.source is not None:
        start_ = f"{short_model(creation.source.model)}, checkpoint {creation.source.checkpoint}"
        yield "  continues", start_
    if cause.commit is not None:
        said = commits.get(cause.commit)
        words = f' "{said.subject}", {said.author}, {said.date}' if said else ""
        dirty = ", with changes that were not committed" if cause.dirty else ""
        yield "  commit", f"{cause.commit[:12]}{words}{dirty}"
    elif not creation.adopted:
        yield "  commit", "none: it was applied outside a repository"
    if cause.plan is not None:
        yield "  plan", cause.plan
    yield "  reason", REASONS[origin.reason]


def _result(creation: Creation) -> str:
    if creation.model is None:
        return ""
    chosen = f", checkpoint {creation.chosen}" if creation.chosen else ""
    return f"{version_text(creation)}{chosen}"


def _ended(creation: Creation) -> str:
    state = f", {creation.state.value.lower()}" if creation.state else ""
    return f"{state} {creation.ended:%Y-%m-%d %H:%M} UTC" if creation.ended else state


def _value(value: object) -> str:
    return "unset" if value is None else str(value)


def provenance_json(asked: Asked, line: Sequence[Origin], commits: Commits) -> dict[str, Any]:
    """The document of `why --format json`."""
    return {
        "formatVersion": FORMAT_VERSION,
        "command": "why",
        "before": list((asked.pointer.before if asked.pointer else None) or ()),
        "underWay": [{"job": creation.job} for creation in asked.under_way],
        "line": [_origin_json(origin, commits) for origin in line],
        "start": start(line[-1]),
        "diagnostics": [],
    }


def _origin_json(origin: Origin, commits: Commits) -> dict[str, Any]:
    creation, cause = origin.creation, origin.creation.cause
    said = commits.get(cause.commit or "")
    return {
        "address": origin.address,
        "creation": origin.key,
        "attempt": creation.attempt,
        "job": creation.job,
        "state": creation.state.value if creation.state else None,
        "model": creation.model,
        "checkpoint": creation.chosen,
        "source": {"model": creation.source.model, "checkpoint": creation.source.checkpoint}
        if creation.source
        else None,
        "reason": origin.reason.value,
        "changes": [
            {"path": item.path, "before": item.before, "after": item.after}
            for item in origin.changes
        ],
        **({"rewritten": creation.rewritten.isoformat()} if creation.rewritten else {}),
        "cause": {
            "commit": cause.commit,
            "dirty": cause.dirty,
            "plan": cause.plan,
            "subject": said.subject if said else None,
            "author": said.author if said else None,
            "date": said.date if said else None,
        },
    }
