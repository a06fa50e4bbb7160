"""What `apply` and `reconcile` share: the watcher, the end report, the exit code."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuneops.cli.console import Console
from tuneops.cli.exits import worst
from tuneops.cli.session import Session
from tuneops.core.plan import Action, Change
from tuneops.engine.reconcile import Event, Report
from tuneops.render.inert import inert
from tuneops.render.lines import Line, counted
from tuneops.render.plan import short_model
from tuneops.render.status import failed, jobs_json

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
    events: list[tuple[str, Event]] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Take an event."""
        moment = self.clock() if self.clock else None
        self.events.append((moment.isoformat(timespec="seconds") if moment else "", event))
        shown = moment.strftime("%H:%M:%S") if moment else "        "
        text = f"{shown}  {event.address:<24}  {event.event:<12}  {event.detail}"
        self.console.say([Line(inert(text), MANNERS.get(event.event, ""))])

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


def exit_code(report: Report, *, waited: bool, detailed: bool) -> int:
    """The code of a run, by what it did and what is left."""
    codes = report.codes()
    last = report.last
    holds = {change.address for change in last.plan.holds}
    for change in last.plan.holds:
        codes.add(_hold_code(change, report, holds))
    unanswered = [creation for _, _, creation in last.lock.creations() if creation.unanswered]
    if unanswered:
        codes.add(7)
    running = any(change.action is Action.WAIT for change in last.plan.changes) or last.made
    if report.timed_out or (detailed and running and not waited):
        codes.add(8)
    return worst(codes - {0})


def _hold_code(change: Change, report: Report, holds: set[str]) -> int:
    """A failed job is 9, and what waits for it is nothing more; any other hold needs a person."""
    job = report.last.view.graph.find_text(change.address)
    entry = report.last.view.ledger.at(change.address).creations.get(change.key or "")
    if failed(entry):
        return 9
    if job is not None and job.parent is not None and str(job.parent) in holds and entry is None:
        return 0
    return 3


def summary_json(report: Report) -> dict[str, Any]:
    """What a run did, as numbers."""
    last = report.last
    jobs = jobs_json(last.plan, last.view)
    return {
        "submitted": sum(tick.made for tick in report.ticks),
        "done": sum(1 for job in jobs if job["health"] == "Healthy"),
        "running": sum(1 for job in jobs if job["health"] == "Progressing"),
        "holds": len(last.plan.holds),
        "waiting": len(last.plan.buys) - sum(1 for _ in last.outcomes),
        "lockWritten": any(tick.wrote for tick in report.ticks),
        "settled": last.plan.settled,
        "timedOut": report.timed_out,
    }


def run_json(
    command: str, session: Session, report: Report, watcher: Watcher, code: int
) -> dict[str, Any]:
    """The document of `apply` and `reconcile` with `--format json`."""
    last = report.last
    return {
        "formatVersion": 1,
        "command": command,
        "environment": last.plan.environment,
        "digest": report.ticks[0].plan.digest,
        "events": watcher.documents(),
        "jobs": jobs_json(last.plan, last.view),
        "summary": summary_json(report),
        "lock": session.locks.shown,
        "diagnostics": [],
        "exitCode": code,
    }


def end_lines(session: Session, report: Report) -> list[Line]:
    """How a run ended, for a person."""
    numbers = summary_json(report)
    last = report.last
    words = [f"{numbers['done']} done"]
    if numbers["submitted"]:
        words.insert(0, f"{numbers['submitted']} submitted")
    if numbers["running"] or last.made:
        words.append(f"{max(numbers['running'], last.made)} running")
    if numbers["waiting"] > 0:
        words.append(f"{numbers['waiting']} waiting for a parent")
    if numbers["holds"]:
        words.append(f"{numbers['holds']} on hold (`tuneops plan` says why)")
    lines = [Line(f"{', '.join(words)}.".capitalize(), "strong")]
    for change in last.plan.changes:
        if change.action is Action.KEEP and change.model:
            lines.append(Line(inert(f"  {change.address:<24}  {short_model(change.model)}")))
    if report.timed_out:
        lines.append(Line("The time is up; the jobs go on. `tuneops reconcile` follows them."))
    elif not last.plan.settled and (numbers["running"] or last.made):
        lines.append(Line("`tuneops apply --wait` or `tuneops reconcile` continues."))
    if numbers["lockWritten"]:
        lines.append(Line(f"Lock written: commit {session.locks.shown}."))
    return lines


def run_markdown(command: str, session: Session, report: Report, code: int) -> str:
    """How a run ended, for a job summary."""
    last = report.last
    jobs = jobs_json(last.plan, last.view)
    rows = "".join(
        f"{job['address']:<28} {job['health']:<12} {short_model(job['model']) or '-':<28} "
        f"{job['checkpoint'] or '-'}\n"
        for job in jobs
    )
    done = counted(sum(tick.made for tick in report.ticks), "job")
    return (
        f"### tuneops {command} · {last.plan.environment} · {done} submitted, exit {code}\n\n"
        f"```text\n{inert(rows, newlines=True)}```\n"
    )
