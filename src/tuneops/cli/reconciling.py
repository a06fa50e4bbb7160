"""Unattended passes over one workspace or a fleet of them: what `reconcile` does.

Every round opens each project anew and looks at its whole world; a fault of one keeps none of the
others from being looked after.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tuneops.cli.appending import publish
from tuneops.cli.applying import failing, finish, may_cancel, refuse_empty
from tuneops.cli.checking import refuse_bad_data
from tuneops.cli.exits import worst
from tuneops.cli.main import Terminated
from tuneops.cli.options import Options
from tuneops.cli.project import no_fleet, open_project
from tuneops.cli.running import Watcher, end_lines, exit_code, run_json, run_markdown
from tuneops.cli.session import Session, alone, connect, refuse_unguarded, terms
from tuneops.cli.shard import Shard
from tuneops.cli.travelling import refuse_unread
from tuneops.costs.verdicts import appraise
from tuneops.diagnostics import Diagnostic
from tuneops.engine.reconcile import POLL, Report, Tick, given_up, is_over, tick
from tuneops.errors import Denied, InputError, TuneopsError
from tuneops.render.findings import findings_json
from tuneops.render.inert import inert
from tuneops.render.lines import Line, counted, first_few
from tuneops.render.plan import plan_markdown
from tuneops.store import files
from tuneops.store.git import Checkout, read_checkout
from tuneops.store.specs import find_roots

RETRIED = (1, 6)
"""Exit codes of faults that may be over by the next round: network, disk, another run at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the flags of `reconcile` say. With `follow`, rounds go on until all is settled."""

    follow: timedelta | None
    only_free: bool
    fleet: Path | None
    shard: Shard | None
    report: Path | None
    detailed_exitcode: bool
    allow_empty: bool
    allow_weaker_guard: bool
    max_cost: Decimal | None = None


@dataclass(slots=True, kw_only=True)
class Part:
    """One environment of one workspace, and what came of it so far."""

    name: str
    chosen: Options
    watcher: Watcher
    report: Report = field(default_factory=Report)
    refused: set[str] = field(default_factory=set)
    session: Session | None = None
    """The latest; what it was joined to is closed."""
    fault: TuneopsError | None = None
    over: bool = False

    def code(self, wishes: Wishes) -> int:
        """What the part has to say to the exit code."""
        if self.fault is not None:
            return self.fault.exit_code
        if self.report.latest is None:
            return 0
        waited = wishes.follow is not None
        detailed = wishes.detailed_exitcode
        code = exit_code(self.report, waited=waited, detailed=detailed, attended=False)
        return worst((code, 1)) if self.session and self.session.unpushed else code

    def findings(self) -> tuple[Diagnostic, ...]:
        """What stopped the part."""
        if self.fault is None:
            return ()
        if isinstance(self.fault, InputError):
            return self.fault.findings
        return (self.fault.as_diagnostic(),)

    def page(self, wishes: Wishes) -> str:
        """What was done, and what is left to do or to decide, as Markdown."""
        code = self.code(wishes)
        if self.session is None or self.report.latest is None:
            return f"### tuneops reconcile · {self.name} · exit {code}\n"
        done = run_markdown("reconcile", self.session, self.report, code)
        last, session = self.report.last, self.session
        bill = appraise(last.plan, last.view, session.world.known(last.plan, last.view))
        bill = replace(bill, verdict=last.verdict)
        left = plan_markdown(last.plan, session.graph, session.header, bill)
        title = f"## {self.name}\n\n" if self.name else ""
        return f"{title}{done}\n{left}"


def reconcile(chosen: Options, wishes: Wishes) -> int:
    """Look after every part that is this process's to look after; give the exit code."""
    everything = _parts(chosen, wishes.fleet)
    parts = wishes.shard.share(everything) if wishes.shard else everything
    stopped: BaseException | None = None
    try:
        _rounds(parts, wishes)
    except (KeyboardInterrupt, Terminated) as stop:
        if not any(part.report.latest for part in parts):
            raise
        stopped = stop
    if wishes.report is not None:
        files.write(wishes.report, "\n".join(part.page(wishes) for part in parts).encode())
    if len(everything) == 1 and wishes.fleet is None and parts:
        return _tell_one(parts[0], wishes, _signal(stopped))
    return _tell_all(chosen, parts, wishes, _signal(stopped))


def _signal(stopped: BaseException | None) -> int | None:
    """The exit code of a run that was stopped."""
    if stopped is None:
        return None
    return 130 if isinstance(stopped, KeyboardInterrupt) else 143


def _parts(chosen: Options, fleet: Path | None) -> list[Part]:
    """Every environment of every workspace, in a stable order."""
    roots = find_roots(fleet) if fleet is not None else [chosen.directory]
    if fleet is not None and not roots:
        raise InputError((no_fleet(fleet),))
    parts = []
    for root in roots:
        for environment in chosen.environments or (None,):
            names = (environment,) if environment else ()
            where = root.relative_to(fleet).as_posix() if fleet and root else None
            name = " · ".join(word for word in (where, environment) if word)
            several = fleet is not None or len(chosen.environments) > 1
            parts.append(
                Part(
                    name=name,
                    chosen=replace(chosen, directory=root, environments=names),
                    watcher=Watcher(chosen.console, name=name if several else ""),
                )
            )
    return parts


def _rounds(parts: list[Part], wishes: Wishes) -> None:
    """One round; with `follow`, as many as it takes, or as the time allows."""
    waited = timedelta()
    while True:
        for part in parts:
            if not part.over:
                _attend(part, wishes, waited)
        left = [part for part in parts if not part.over]
        if wishes.follow is None or not left:
            return
        if waited >= wishes.follow:
            for part in left:
                part.report.timed_out = True
            return
        waited += POLL
        if any(part.session is None or part.session.emulator is None for part in left):
            time.sleep(POLL.total_seconds())


def _attend(part: Part, wishes: Wishes, waited: timedelta) -> None:
    """One round of one part; a fault is kept with it."""
    part.fault = None
    try:
        _pass(part, wishes, waited)
    except TuneopsError as fault:
        part.fault = fault
        part.over = wishes.follow is None or fault.exit_code not in RETRIED


def _pass(part: Part, wishes: Wishes, waited: timedelta) -> None:
    project = open_project(part.chosen)
    environment = project.declaration.target.environment
    with (
        alone(project, environment),
        connect(project, part.watcher, max_cost=wishes.max_cost) as session,
    ):
        part.session = session
        part.watcher.clock = session.now
        checkout = read_checkout(project.root, files=project.read_files(), ask_remote=True)
        _refuse_uncommitted(session, checkout)
        refuse_unread(session.graph.target, session.reading)
        refuse_unguarded(session, allow_weaker=wishes.allow_weaker_guard)
        refuse_empty(session, allow_empty=wishes.allow_empty)
        refuse_bad_data(project, session.graph, session.seen, session.objects)
        allowed = may_cancel(session, checkout, part.chosen.console)
        limits = terms(session, checkout, approval=None, may_cancel=allowed)
        limits = replace(limits, only_free=wishes.only_free)
        with session.carrying(part.chosen.console):
            refused, bought = frozenset(part.refused), part.report.bought
            done = tick(session.graph, session.world, limits, refused, bought)
        part.report.add(done)
        part.refused |= given_up(done)
        part.over = wishes.follow is None or (
            is_over(done, part.refused) and not _thaws(done, wishes, wishes.follow - waited)
        )
        if not part.over and session.emulator is not None:
            session.world.clock.sleep(POLL.total_seconds())


def _thaws(done: Tick, wishes: Wishes, left: timedelta) -> bool:
    """Say whether all that keeps jobs from being bought is a freeze that ends in good time."""
    verdict = done.verdict
    if verdict.until is None or verdict.denied or wishes.only_free:
        return False
    return verdict.until - done.view.observed.at <= left


def _tell_one(part: Part, wishes: Wishes, stop: int | None) -> int:
    """Print how the only part ended, as if there were no others to think of."""
    if part.fault is not None:
        with _with_events(part):
            raise part.fault
    code = stop or part.code(wishes)
    assert part.session is not None, "a round without a fault had a session"
    return finish("reconcile", part.chosen, part.session, part.report, part.watcher, code)


@contextlib.contextmanager
def _with_events(part: Part) -> Iterator[None]:
    if part.session is None:
        yield
    else:
        with failing("reconcile", part.chosen, part.session, part.report, part.watcher):
            yield


def _tell_all(chosen: Options, parts: list[Part], wishes: Wishes, stop: int | None) -> int:
    """Print how every part ended, one after the other."""
    code = stop or worst(part.code(wishes) for part in parts)
    if chosen.machine:
        runs = [_document(part, wishes) for part in parts]
        document = {"formatVersion": 1, "command": "reconcile", "runs": runs, "exitCode": code}
        chosen.console.answer_json({**document, "diagnostics": []})
        return code
    if publish(chosen, "\n".join(part.page(wishes) for part in parts)):
        return code
    if wishes.shard is not None:
        chosen.console.say([Line(f"Shard {wishes.shard}: {counted(len(parts), 'environment')}.")])
    for part in parts:
        chosen.console.answer([Line(inert(part.name or "default environment"), "strong")])
        if part.fault is not None:
            chosen.console.answer([Line(f"Stopped, exit {part.fault.exit_code}.", "error")])
            chosen.console.complain([Line(inert(f"{part.name}:"), "strong")])
            chosen.console.complain_of(part.findings())
        elif part.session is not None and part.report.latest is not None:
            chosen.console.answer(end_lines(part.session, part.report))
            verdict = part.report.last.verdict
            chosen.console.complain_of(verdict.worth_saying(quiet=chosen.quiet))
    return code


def _document(part: Part, wishes: Wishes) -> dict[str, Any]:
    """The JSON of one part among several."""
    code, findings = part.code(wishes), part.findings()
    if part.session is None:
        return {"name": part.name, "diagnostics": findings_json(findings), "exitCode": code}
    run = run_json("reconcile", part.session, part.report, part.watcher, code, findings)
    return {"name": part.name, **run}


def _refuse_uncommitted(session: Session, checkout: Checkout) -> None:
    """Spend nothing that git did not cause; outside a repository only the emulator is free."""
    if session.project.overrides:
        names = ", ".join(f"`TUNEOPS_VAR_{name.upper()}`" for name in session.project.overrides)
        raise Denied(
            f"unattended runs take variables from the specs, and {names} would change them",
            notes=("nothing was bought, nothing was changed",),
            help="unset it, and put the value under `variables` of the environment",
        )
    if checkout.commit is None and session.emulated:
        return
    if checkout.dirty:
        raise Denied(
            "unattended runs need committed specs, and these are not",
            notes=(*first_few(checkout.differences), "nothing was bought, nothing was changed"),
            help="commit what is below `specs/`, or run `tuneops apply` yourself",
        )
