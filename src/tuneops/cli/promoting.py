"""Write the pin of a promotion into its spec file: what `rollback` and `promote` share."""

from dataclasses import dataclass

from tuneops.cli.locks import read_lock
from tuneops.cli.nodes import no_such
from tuneops.cli.options import Options
from tuneops.cli.project import Project, open_project
from tuneops.core.desired import Promotion
from tuneops.core.lock import Creation, Lock, Pointer
from tuneops.core.pointers import short_version
from tuneops.errors import TuneopsError
from tuneops.render.inert import inert
from tuneops.render.lines import Line
from tuneops.spec.splice import pinned
from tuneops.spec.text import SourceText, decode
from tuneops.store import files


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What is to be written: a version, perhaps with a checkpoint; None takes the pin out."""

    name: str
    version: str | None
    dry_run: bool


def rollback(chosen: Options, name: str, to: str | None, checkpoint: str, dry_run: bool) -> int:
    """Pin the promotion of a chain or job to an earlier result."""
    project = open_project(chosen)
    lock = read_lock(project)
    promotion = _promotion(project, name)
    version = _earlier(lock, promotion) if to is None else _named(lock, promotion, to)
    if checkpoint:
        version = f"{version}#{checkpoint}"
    return _write(chosen, project, Pin(name=name, version=version, dry_run=dry_run))


def promote(chosen: Options, name: str, dry_run: bool) -> int:
    """Take the pin out again, so that the result of the stage is promoted."""
    project = open_project(chosen)
    promotion = _promotion(project, name)
    if promotion.to is None:
        chosen.console.answer([Line(f"`{name}` has no pin; its latest result is promoted.")])
        return 0
    return _write(chosen, project, Pin(name=name, version=None, dry_run=dry_run))


def _promotion(project: Project, name: str) -> Promotion:
    found = {promotion.name: promotion for promotion in project.declaration.promotions}
    if name not in found:
        if not found:
            raise TuneopsError(
                f"`{name}` promotes nothing",
                help="no spec has a `promotion:`; with one, an alias follows the result of a stage",
            )
        raise no_such(name, sorted(found), f"`{name}` promotes nothing")
    return found[name]


def _results(lock: Lock, promotion: Promotion) -> dict[str, tuple[str, Creation]]:
    """The versions that can be promoted, the latest first, with their addresses."""
    found = [
        (creation.created, short_version(creation.model), address, creation)
        for address, _, creation in lock.creations()
        if creation.succeeded
        and not creation.delete_asked
        and creation.model is not None
        and creation.created is not None
        and address.partition("/")[0] == promotion.name
    ]
    return {
        f"models/{version}": (address, creation)
        for _, version, address, creation in sorted(found, key=lambda one: one[:2], reverse=True)
    }


def _earlier(lock: Lock, promotion: Promotion) -> str:
    """What the alias was on before, or else an earlier result of the stage; never a later one."""
    results = _results(lock, promotion)
    names = list(results)
    pointer = lock.pointer(promotion.name, promotion.alias)
    now = f"models/{short_version(pointer.model)}" if pointer else ""
    older = names[names.index(now) + 1 :] if now in results else []
    were = [f"models/{short_version(name)}" for name in reversed(_passed(pointer))]
    of_stage = [name for name in names if results[name][0] == str(promotion.stage)]
    for name in (*were, *of_stage):
        if name in older:
            return name
    place = f"`{promotion.name}@{promotion.alias}`"
    missing = f"was on no result before {now}" if now else "is on no result yet"
    raise TuneopsError(
        f"{place} {missing}",
        help=f"name one with `--to`: {', '.join(results) or 'there is none yet'}",
    )


def _passed(pointer: Pointer | None) -> tuple[str, ...]:
    return (pointer.before if pointer else None) or ()


def _named(lock: Lock, promotion: Promotion, to: str) -> str:
    """The version that `--to` names: itself, or an address with perhaps an attempt."""
    results = _results(lock, promotion)
    address, _, attempt = to.partition("@")
    for name, (at, creation) in results.items():
        same = at in (address, f"{promotion.name}/{address}")
        if name == to or (same and attempt in ("", str(creation.attempt))):
            return name
    raise TuneopsError(
        f"`{to}` is no result of `{promotion.name}` in the lock",
        help=f"its results: {', '.join(results) or 'none yet'}",
    )


def _write(chosen: Options, project: Project, pin: Pin) -> int:
    """Write the pin where it can be written safely, else say what to write."""
    promotion = _promotion(project, pin.name)
    environment = project.declaration.target.environment
    shown = promotion.where.path
    path = project.root / shown
    text = decode(shown, files.read(path) or b"")
    new = None
    if isinstance(text, SourceText):
        new = pinned(text, pin.name, environment, pin.version)
    words = f"to: {{{environment}: {pin.version}}}"
    place = f"{shown}:{promotion.where.line}"
    if new is None:
        what = f"write `{words}`" if pin.version else f"remove `{environment}` from `to:`"
        raise TuneopsError(f"{shown} could not be changed safely", help=f"{what} at {place}")
    if not pin.dry_run:
        files.write(path, new.encode())
    done = "would be written" if pin.dry_run else "written"
    said = f"`{words}` {done}" if pin.version else f"the pin {done.replace('written', 'removed')}"
    lines = [Line(inert(f"{place}: {said}."), "strong")]
    lines.append(Line("Commit it; the next `tuneops apply` or `reconcile` moves the alias, free."))
    if chosen.machine:
        chosen.console.answer_json(
            {
                "formatVersion": 1,
                "command": "rollback" if pin.version else "promote",
                "file": shown,
                "version": pin.version,
                "written": not pin.dry_run,
            }
        )
    else:
        chosen.console.answer(lines)
    return 0
