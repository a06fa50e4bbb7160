"""Run a plan, and say how it ended: what `apply` does, and what `reconcile` shares with it."""

import contextlib
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import click

from tuneops.cli.appending import publish
from tuneops.cli.checking import refuse_bad_data, with_unpinned
from tuneops.cli.console import Console
from tuneops.cli.exits import worst
from tuneops.cli.main import Terminated
from tuneops.cli.options import Options
from tuneops.cli.planning import emptied, show_plan
from tuneops.cli.project import Project, open_project
from tuneops.cli.running import Watcher, end_lines, exit_code, run_json, run_markdown
from tuneops.cli.session import Session, alone, connect, refuse_unguarded, terms
from tuneops.cli.travelling import refuse_unread
from tuneops.core.plan import Approval, Plan
from tuneops.core.planner import make_plan
from tuneops.core.view import View
from tuneops.costs.amounts import spell
from tuneops.costs.verdicts import appraise
from tuneops.engine.reconcile import Report, Terms, converge, survey
from tuneops.engine.reconcile import tick as one_tick
from tuneops.errors import ApprovalNeeded, Stale, TuneopsError, Unavailable
from tuneops.render.costs import total
from tuneops.render.lines import Line, counted
from tuneops.store.git import Checkout, read_checkout
from tuneops.store.planfile import SavedPlan, read_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the flags of `apply` say."""

    plan_file: Path | None
    auto_approve: bool
    expect_digest: str | None
    wait: bool
    timeout: timedelta
    allow_empty: bool
    allow_weaker_guard: bool
    max_cost: Decimal | None = None


def apply(chosen: Options, wishes: Wishes) -> int:
    """Run the plan; give the exit code."""
    saved = read_plan(wishes.plan_file) if wishes.plan_file else None
    project = open_project(chosen)
    environment = project.declaration.target.environment
    watcher = Watcher(chosen.console)
    max_cost = wishes.max_cost or (saved.max_cost if saved else None)
    with (
        alone(project, environment),
        connect(project, watcher, max_cost=max_cost) as session,
    ):
        watcher.clock = session.now
        refuse_unread(session.graph.target, session.reading)
        refuse_unguarded(session, allow_weaker=wishes.allow_weaker_guard)
        refuse_empty(session, allow_empty=wishes.allow_empty)
        refuse_bad_data(project, session.graph, session.seen, session.objects)
        view = survey(session.graph, session.world, session.settle)
        plan = make_plan(view)
        approval = _approved(saved, plan, session) if saved else None
        if wishes.expect_digest is not None and not _same_digest(wishes.expect_digest, plan):
            raise _stale(f"the plan has the digest {plan.digest}, not {wishes.expect_digest}")
        approved = bool(approval or wishes.auto_approve or wishes.expect_digest)
        _approve(chosen, session, plan, view, approved=approved)
        report = Report()
        by_person = not wishes.auto_approve or bool(approval or wishes.expect_digest)
        checkout = _origin(project, ask_remote=not by_person)
        limits = terms(
            session,
            checkout,
            approval=approval or Approval.of(plan),
            plan=saved.digest if saved else plan.digest,
            may_cancel=by_person
            or session.emulated
            or may_cancel(session, checkout, chosen.console),
        )
        with failing("apply", chosen, session, report, watcher), session.carrying(chosen.console):
            code = _run(session, limits, report, chosen.console, wishes)
        if session.unpushed and code not in (130, 143):
            code = worst((code, 1))
        return finish("apply", chosen, session, report, watcher, code)


@contextlib.contextmanager
def failing(
    name: str, chosen: Options, session: Session, report: Report, watcher: Watcher
) -> Iterator[None]:
    """Let a fault's JSON say what was done before it; a person has seen that already."""
    try:
        yield
    except TuneopsError as fault:
        if not chosen.machine or not watcher.events:
            raise
        findings = (fault.as_diagnostic(),)
        document = run_json(name, session, report, watcher, fault.exit_code, findings)
        chosen.console.answer_json(document)
        raise click.exceptions.Exit(fault.exit_code) from fault


def _run(session: Session, limits: Terms, report: Report, console: Console, wishes: Wishes) -> int:
    """Tick once, or until all is settled; a stop by the user says what keeps running."""
    try:
        if wishes.wait:
            timeout = wishes.timeout
            converge(session.graph, session.world, limits, report, timeout=timeout)
        else:
            report.add(one_tick(session.graph, session.world, limits))
    except (KeyboardInterrupt, Terminated) as stop:
        console.complain(_stopped(session))
        return 130 if isinstance(stop, KeyboardInterrupt) else 143
    return exit_code(report, waited=wishes.wait, detailed=False, attended=True)


def finish(
    name: str, chosen: Options, session: Session, report: Report, watcher: Watcher, code: int
) -> int:
    """Print how a run ended, in the chosen format; give its exit code back."""
    stopped = code in (130, 143)
    page = run_markdown(name, session, report, code) if report.latest else ""
    told = bool(page) and publish(chosen, page)
    if chosen.machine:
        chosen.console.answer_json(run_json(name, session, report, watcher, code))
    elif not stopped:
        chosen.console.answer([] if told else end_lines(session, report))
        if report.latest is not None:
            chosen.console.complain_of(report.last.verdict.worth_saying(quiet=chosen.quiet))
    return code


def _approved(saved: SavedPlan, plan: Plan, session: Session) -> Approval:
    """The limits of a saved plan; Stale when this plan is another, and no half of the saved one.

    The digest is what people saw. Where it is that of this plan, the limits are taken from here and
    not from the file; where it is not, some of what it announced must have been made already.
    """
    if why := saved.approval.refusal(plan):
        raise _stale(f"the saved plan is out of date: {why}")
    if saved.digest == plan.digest:
        return Approval.of(plan)
    creations = session.world.locks.load().creations()
    begun = any(
        creation.cause.plan == saved.digest
        or (creation.delete_asked and creation.model in saved.approval.deletes)
        for _, _, creation in creations
    )
    if (plan.buys or plan.cancels or plan.deletions) and not begun:
        raise _stale(f"the saved plan has the digest {saved.digest}, this one {plan.digest}")
    return saved.approval


def may_cancel(session: Session, checkout: Checkout, console: Console) -> bool:
    """Whether a run that nobody watches may stop jobs: only from what everybody agreed on.

    That is the tip of the remote's default branch, or a commit that differs from it in locks only,
    as after a run that pushed its lock. Without a remote, only jobs of an emulator.
    """
    if checkout.at_default_tip is None:
        return session.emulated
    allowed = checkout.at_default_tip and not checkout.dirty
    tips = session.reading.tips
    if not allowed and not checkout.dirty and session.travel and tips and checkout.commit:
        with contextlib.suppress(Unavailable):
            allowed = session.travel.default_has_specs_of(checkout.commit, tips)
    if not allowed:
        words = "This is not the tip of the remote's default branch: no job is cancelled, no alias"
        console.say([Line(f"{words} moved and no version deleted.")])
    return allowed


def _origin(project: Project, *, ask_remote: bool) -> Checkout:
    """The checkout; a variable that was given from outside is in no commit."""
    checkout = read_checkout(project.root, files=project.read_files(), ask_remote=ask_remote)
    given = tuple(f"variable `{name}` was given from outside" for name in project.overrides)
    return replace(checkout, differences=(*checkout.differences, *given))


def _stopped(session: Session) -> list[Line]:
    """What goes on without us, as far as lock and journal know."""
    lock = session.world.locks.load()
    live = sorted(address for address, _, creation in lock.creations() if creation.live)
    open_ones = sorted(a for a, _, creation in lock.creations() if creation.unanswered)
    count = "1 job keeps" if len(live) == 1 else f"{len(live) or 'No'} jobs keep"
    lines = [Line(f"Stopped watching. {count} running{':' if live else '.'}", "strong")]
    lines += [Line(f"  {address}") for address in live]
    if open_ones:
        lines.append(Line(f"A create was in flight: {', '.join(open_ones)}; it may have landed."))
    lines.append(Line("  go on with it    tuneops apply --wait"))
    return lines


def _approve(chosen: Options, session: Session, plan: Plan, view: View, *, approved: bool) -> None:
    """Get a person's word before money is spent, a job stopped or a version deleted.

    What is barred needs none.
    """
    if session.emulated or approved or not (plan.buys or plan.cancels or plan.deletions):
        return
    bill = appraise(plan, view, session.world.known(plan, view))
    buys = [change for change in plan.buys if change.address not in bill.verdict.barred]
    deeds = [
        f"{verb} {counted(len(changes), what)}"
        for verb, what, changes in (
            ("run", "tuning job", buys),
            ("cancel", "tuning job", plan.cancels),
            ("delete", "model version", plan.deletions),
        )
        if changes
    ]
    if not deeds:
        return
    cost = total(bill)
    price = spell(cost) if cost is not None else "cost not estimated"
    what = " and ".join(deeds) + (f" ({price})" if buys else "")
    enough = math.ceil(cost.high) if cost is not None else None
    ceiling = f" --max-cost {enough}" if buys and enough else ""
    terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if not terminal or chosen.machine or os.environ.get("CI") == "true":
        raise ApprovalNeeded(
            f"apply would {what} and there is no terminal to ask",
            notes=("nothing was bought",),
            help=f"pass a saved plan (`tuneops apply plan.json`) or `--auto-approve{ceiling}`",
        )
    told = with_unpinned(plan, session.project, session.graph)
    show_plan(chosen, session.graph, session.header, told, bill, unchanged=False)
    question = f"{what[0].upper()}{what[1:]} in {session.header.target}?"
    chosen.console.complain([Line(), Line(question, "strong")])
    sys.stderr.write("  Only 'yes' will be accepted: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise ApprovalNeeded("nothing was bought", help="answer `yes` to run the plan")


def refuse_empty(session: Session, *, allow_empty: bool) -> None:
    """Refuse to retire everything because every spec has vanished."""
    why = emptied(session.graph, session.world.locks.load())
    if why is not None and not allow_empty:
        raise why


def _same_digest(expected: str, plan: Plan) -> bool:
    return len(expected) >= 12 and plan.digest.startswith(expected)


def _stale(message: str) -> Stale:
    return Stale(
        message,
        notes=("nothing was bought",),
        help="run `tuneops plan --out plan.json` and have it approved again",
    )
