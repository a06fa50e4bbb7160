"""Move pins to what is there now: what `lock pin` does. It writes the lock and buys nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tuneops.cli.buckets import became
from tuneops.cli.nodes import parents_of, select
from tuneops.cli.options import Options
from tuneops.cli.project import open_project
from tuneops.cli.session import Session, alone, connect
from tuneops.core.desired import Pinned
from tuneops.core.lock import Lock
from tuneops.core.pins import Pin, with_pins
from tuneops.engine.moves import Move, find_moves
from tuneops.engine.pins import pin as pinned_graph
from tuneops.engine.ports import StoredObject
from tuneops.render.inert import inert
from tuneops.render.lines import Line, columns, counted


def pin(chosen: Options, addresses: Sequence[str], *, dry_run: bool) -> int:
    """Move the pins of some addresses, all by default; give the exit code."""
    project = open_project(chosen)
    environment = project.declaration.target.environment
    with alone(project, environment), connect(project, lambda _: None) as session:
        declared = parents_of(project.declaration.jobs)
        wanted = tuple(select(addresses, declared, "the specs") or declared)
        lock = session.world.locks.load()
        moves = find_moves(
            session.graph,
            lock,
            wanted,
            objects=session.objects,
            registry=session.world.registry,
        )
        moved = with_pins(lock, {(move.address, move.name): move.after for move in moves})
        _refuse_twins(session, moved)
        told = dict(_became(session, moves))
        written = not dry_run and session.locks.save(moved)
        shown = session.locks.shown
    if chosen.machine:
        chosen.console.answer_json(
            {
                "formatVersion": 1,
                "command": "lock pin",
                "lock": shown,
                "dryRun": dry_run,
                "written": written,
                "moves": [_document(move, told.get(move, "")) for move in moves],
                "diagnostics": [],
            }
        )
        return 0
    lines = [line for move in moves for line in _move_lines(move, told.get(move, ""))]
    chosen.console.answer([*lines, *_end(moves, len(wanted), shown, dry_run=dry_run)])
    return 0


def _refuse_twins(session: Session, lock: Lock) -> None:
    """Refuse pins that would make two addresses ask for the same training. InputError."""
    hands, project = session.world.hands, session.project
    pinned_graph(
        replace(project.declaration, target=session.graph.target),
        lock,
        read_file=project.read_file,
        objects=hands.objects,
        service=hands.service,
        registry=session.world.registry,
    )


def _became(session: Session, moves: Sequence[Move]) -> Iterator[tuple[Move, str]]:
    """What became of the examples of each dataset that is moved; asked for, so of any size."""
    for move in moves:
        job = session.graph.find_text(move.address)
        if isinstance(move.before, Pinned) and isinstance(move.after, Pinned) and job is not None:
            there = StoredObject(dataset=move.after.dataset, evidence=move.after.evidence)
            yield move, became(session.objects, move.before, there, job.recipe.method)


def _move_lines(move: Move, detail: str) -> Iterator[Line]:
    """A move as a person reads it: what is the same is left out."""
    sign, manner = ("~", "point") if move.before else ("+", "create")
    yield Line(inert(f"{sign} {move.address}  {move.name}"), manner)
    before, after = _facts(move.before), _facts(move.after)
    rows = [
        (f"    {name}", f"{before[name]} -> {value}" if name in before else value)
        for name, value in after.items()
        if before.get(name) != value
    ]
    yield from (Line(inert(row)) for row in columns(rows))
    if detail:
        yield Line(inert(f"    {detail}"))


def _facts(pin: Pin | None) -> dict[str, str]:
    if pin is None:
        return {}
    if not isinstance(pin, Pinned):
        return {"version": pin.model, "checkpoint": pin.checkpoint}
    evidence = pin.evidence
    facts = {
        "size": str(pin.dataset.size),
        "crc32c": pin.dataset.crc32c,
        "md5": evidence.md5,
        "generation": evidence.generation,
        "examples": None if evidence.examples is None else str(evidence.examples),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _end(moves: Sequence[Move], looked: int, shown: str, *, dry_run: bool) -> Iterator[Line]:
    if not moves:
        jobs = counted(looked, "job")
        yield Line(f"No changes: what is there is what {shown} pins, for {jobs}.", "strong")
        return
    first = sum(move.before is None for move in moves)
    words = [
        f"{counted(number, 'pin')} {verb}"
        for number, verb in ((len(moves) - first, "moved"), (first, "set"))
        if number
    ]
    yield Line(f"{', '.join(words)}; nothing was bought.", "strong")
    if dry_run:
        yield Line("Nothing was written. `tuneops lock pin` writes it.")
        return
    yield Line(f"Lock written: commit {shown}.")
    if len(moves) > first:
        yield Line("`tuneops plan` shows what is trained again, and at what price.")


def _document(move: Move, detail: str) -> dict[str, Any]:
    return {
        "address": move.address,
        "name": move.name,
        "before": _facts(move.before) if move.before else None,
        "after": _facts(move.after),
        "detail": detail or None,
    }
