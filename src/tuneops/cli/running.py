"""What `apply` and `reconcile` share: the watcher, the end report, the exit code."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tuneops.cli.console import Console
from tuneops.cli.costing import spent
from tuneops.cli.exits import worst
from tuneops.cli.session import Session
from tuneops.core.creation import Contended, Held, Made, Outcome, Refusal
from tuneops.core.plan import Action, Change
from tuneops.costs.amounts import spell
from tuneops.diagnostics import Diagnostic
from tuneops.engine.execute import exit_code as outcome_code
from tuneops.engine.reconcile import Report, Tick
from tuneops.engine.telling import Event
from tuneops.render.costs import cost_json, short
from tuneops.render.findings import findings_json
from tuneops.render.inert import inert
from tuneops.render.lines import Line, columns, counted, fenced
from tuneops.render.plan import short_model
from tuneops.render.status import ending, failed, jobs_json

MANNERS = {
    "submitted": "create",
    "succeeded": "create",
    "failed": "cancel",
    "refused": "cancel",
    "unanswered": "hold",
    "held": "hold",
    "busy": "hold",
    "cancelled": "cancel",
}


@dataclass(slots=True)
class Watcher:
    """Tells a person what happens, a line an event, and keeps the events for the report."""

    console: Console
    clock: Callable[[], datetime] | None = None
    name: str = ""
    """Of the part that is looked after, where there are several."""
    events: list[tuple[str, Event]] = field(default_factory=list)
    latest: dict[str, Event] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Take an event; what an address already said last is not said again."""
        if event.address and self.latest.get(event.address) == event:
            return
        self.latest[event.address] = event
        moment = self.clock() if self.clock else None
        self.events.append((moment.isoformat(timespec="seconds") if moment else "", event))
        shown = moment.strftime("%H:%M:%S") if moment else "        "
        place = " · ".join(word for word in (self.name, event.address) if word)
        text = f"{place:<24}  {event.event:<12}  {event.detail}"
        text = text if event.address else event.event
        self.console.say([Line(inert(f"{shown}  {text}"), MANNERS.get(event.event, ""))])

    def documents(self) -> list[dict[str, Any]]:
        """The events as JSON."""
        return [
            {
                "time": moment,
                "address": event.address,
                "event": event.event,
                "detail": event.detail,
                "job": event.job,
                "attempt": event.attempt,
            }
            for moment, event in self.events
        ]


def exit_code(report: Report, *, waited: bool, detailed: bool, attended: bool) -> int:
    """The code of a run, by what it did and what is left.

    A freeze stops a person; a scheduled run comes again when it is over.
    """
    last = report.last
    codes = {outcome_code(outcome) for outcome in _latest(report).values()}
    holds = {change.address for change in last.plan.holds}
    for change in last.plan.holds:
        codes.add(_hold_code(change, report, holds))
    unanswered = [creation for _, _, creation in last.lock.creations() if creation.unanswered]
    if unanswered:
        codes.add(7)
    running = any(change.action is Action.WAIT for change in last.plan.changes) or last.made
    if None in last.view.observed.elsewhere.values():
        codes.add(6)
    if last.verdict.denied or (attended and last.verdict.frozen):
        codes.add(4)
    if report.timed_out or (detailed and running and not waited):
        codes.add(8)
    return worst(codes - {0})


def _latest(report: Report) -> dict[tuple[str, str], Outcome]:
    """What came last of each thing that was tried: a hindrance that has passed is none.

    It has passed, too, where the job of a create has turned up since.
    """
    known = {key for _, key, creation in report.last.lock.creations() if creation.job is not None}
    latest: dict[tuple[str, str], Outcome] = {}
    for change, outcome in report.outcomes:
        place = (change.address, change.alias or change.key or change.job or change.model or "")
        if outcome is None and (change.alias or change.deletes):
            latest.pop(place, None)
        elif outcome is not None and (isinstance(outcome, Made) or change.key not in known):
            latest[place] = outcome
    return latest


def _hold_code(change: Change, report: Report, holds: set[str]) -> int:
    """A failed job is 9, and what waits for it is nothing more; any other hold needs a person."""
    job = report.last.view.graph.find_text(change.address)
    entry = report.last.view.ledger.at(change.address).creations.get(change.key or "")
    if failed(entry):
        return 9
    above = change.after if change.alias else str(job.parent) if job and job.parent else None
    return 0 if above in holds and entry is None else 3


def _jobs(last: Tick) -> list[dict[str, Any]]:
    """Every desired job, with what this very round made of it."""
    return jobs_json(last.plan, replace(last.view, ledger=last.lock))


def summary_json(session: Session, report: Report) -> dict[str, Any]:
    """What a run did, as numbers."""
    bill = spent(session.project, report)
    last = report.last
    jobs = _jobs(last)
    latest = _latest(report)
    stuck = list(latest.values())
    tried = {change.key for change, _ in last.outcomes} | {
        key for (_, key), outcome in latest.items() if isinstance(outcome, Refusal)
    }
    bought = not last.only_free
    return {
        "submitted": report.made,
        **_deeds(report),
        "retired": len(report.retired),
        "done": sum(1 for job in jobs if job["health"] == "Healthy"),
        "running": sum(1 for job in jobs if job["health"] == "Progressing"),
        "ending": len(ending(last.plan)),
        "holds": len(last.plan.holds) - len(last.undone),
        "notAtTip": len(last.undone),
        "waiting": sum(
            1
            for change in last.plan.buys
            if bought and _parent(change, last) and change.address not in last.verdict.barred
        ),
        "queued": sum(
            1
            for change in last.plan.buys
            if bought
            and not _parent(change, last)
            and change.key not in tried
            and change.address not in last.verdict.barred
        ),
        "notNow": len(last.verdict.barred) if bought else 0,
        "leftOut": 0 if bought else len(last.plan.buys),
        "refused": sum(1 for outcome in stuck if isinstance(outcome, Refusal)),
        "heldBack": sum(1 for outcome in stuck if isinstance(outcome, Held | Contended)),
        "unanswered": sum(1 for _, _, creation in last.lock.creations() if creation.unanswered),
        "spent": cost_json(bill.cost) if bill else None,
        "billedTokens": bill.tokens if bill else 0,
        "lockWritten": report.wrote,
        "settled": last.plan.settled,
        "timedOut": report.timed_out,
    }


def _parent(change: Change, last: Tick) -> bool:
    """Say whether a line waits for another line of the plan, and not for an old job to end."""
    return last.plan.find(change.after or "") is not None


def _deeds(report: Report) -> dict[str, int]:
    """What was done besides buying, as often as the service took it."""
    taken = [change for change, outcome in report.outcomes if outcome is None]
    return {
        "stopped": sum(1 for change in taken if change.action is Action.CANCEL),
        "pointed": sum(1 for change in taken if change.action is Action.POINT),
        "deleted": sum(1 for change in taken if change.deletes),
    }


def run_json(
    command: str,
    session: Session,
    report: Report,
    watcher: Watcher,
    code: int,
    findings: tuple[Diagnostic, ...] = (),
) -> dict[str, Any]:
    """The document of `apply` and `reconcile` with `--format json`."""
    carried = session.carried[-1] if session.carried else None
    if carried is not None:
        findings = (*findings, *carried.findings)
    if report.latest is None:
        return {
            "formatVersion": 1,
            "command": command,
            "events": watcher.documents(),
            "lock": session.locks.shown,
            "writeBack": carried.document if carried else None,
            "diagnostics": findings_json(findings),
            "exitCode": code,
        }
    last = report.last
    return {
        "formatVersion": 1,
        "command": command,
        "environment": last.plan.environment,
        "digest": report.digest,
        "events": watcher.documents(),
        "jobs": _jobs(last),
        "summary": summary_json(session, report),
        "lock": session.locks.shown,
        "writeBack": carried.document if carried else None,
        "diagnostics": findings_json((*findings, *last.verdict.findings)),
        "exitCode": code,
    }


COUNTS = {
    "submitted": "submitted",
    "stopped": "told to stop",
    "pointed": "pointed",
    "deleted": "deleted for good",
    "retired": "retired",
    "done": "done",
    "running": "running",
    "ending": "running to the end, by policy",
    "waiting": "waiting for a parent",
    "queued": "waiting for a free slot or for an old job to end",
    "refused": "refused by the service",
    "heldBack": "not sent",
    "notNow": "not to be bought now",
    "leftOut": "not bought, as `--only-free` says",
    "unanswered": "without an answer yet",
    "holds": "on hold (`tuneops plan` says why)",
    "notAtTip": "left to a run at the tip of the default branch",
}
"""The numbers of a run in the order in which a person reads them; those that are 0 are left out."""


def end_lines(session: Session, report: Report) -> list[Line]:
    """How a run ended, for a person; one line when it changed nothing."""
    numbers = summary_json(session, report)
    last = report.last
    shown = [name for name in COUNTS if numbers[name] or name == "done"]
    words = [f"{numbers[name]} {COUNTS[name]}" for name in shown]
    idle = not numbers["lockWritten"] and not report.outcomes
    start = "No changes: " if idle else ""
    lines = [Line(f"{start}{', '.join(words)}.", "strong")]
    if not idle:
        rows = [
            (f"  {change.place}", short_model(change.model))
            for change in last.plan.changes
            if change.action is Action.KEEP and change.model
        ]
        lines += [Line(inert(row)) for row in columns(rows)]
    lines += _spent_lines(session, report)
    if report.timed_out:
        lines.append(
            Line("The time is up; what runs goes on. `tuneops reconcile --once` follows it.")
        )
    elif not last.plan.settled and (numbers["running"] or numbers["ending"]):
        lines.append(Line("`tuneops apply --wait` or `tuneops reconcile --once` continues."))
    if numbers["lockWritten"] and session.graph.target.lock == "file":
        lines.append(Line(f"Lock written: commit {session.locks.shown}."))
    return lines


def _spent_lines(session: Session, report: Report) -> list[Line]:
    """What the jobs that ended cost, by the tokens that the service counted."""
    bill = spent(session.project, report)
    if bill is None:
        return []
    tokens = f"{short(bill.tokens)} billable tokens"
    if session.emulated:
        text = f"On Vertex AI {spell(bill.cost)} ({tokens}); nothing is billed on the emulator."
        return [Line(text)]
    return [Line(f"Spent {spell(bill.cost)} ({tokens}).")]


def run_markdown(command: str, session: Session, report: Report, code: int) -> str:
    """How a run ended, for a job summary."""
    last = report.last
    jobs = _jobs(last)
    cells = [("JOB", "HEALTH", "MODEL", "CHECKPOINT")]
    cells += [
        (
            job["address"],
            job["health"],
            short_model(job["model"]) or "-",
            job["checkpoint"] or "-",
        )
        for job in jobs
    ]
    rows = "".join(f"{inert(row)}\n" for row in columns(cells))
    rows += "".join(f"{inert(line.text)}\n" for line in _spent_lines(session, report))
    done = counted(report.made, "job")
    return fenced(f"{command} · {last.plan.environment} · {done} submitted, exit {code}", rows)
