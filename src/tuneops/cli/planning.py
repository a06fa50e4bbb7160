"""Make a plan and show it: what `plan` does, and what `apply` shows before it asks."""

import contextlib
import os
from collections.abc import Container
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from tuneops.cli.appending import append, publish
from tuneops.cli.checking import refuse_bad_data, with_unpinned
from tuneops.cli.costing import knowledge
from tuneops.cli.options import Options
from tuneops.cli.project import open_project
from tuneops.core.advice import advise
from tuneops.core.desired import DesiredGraph
from tuneops.core.lock import Lock
from tuneops.core.plan import Action, Plan
from tuneops.core.planner import make_plan
from tuneops.core.view import View
from tuneops.core.waits import next_creates, waits
from tuneops.costs.amounts import spell
from tuneops.costs.verdicts import Bill, appraise
from tuneops.errors import Denied, Stale
from tuneops.render.costs import total
from tuneops.render.findings import findings_github
from tuneops.render.lines import counted, first_few
from tuneops.render.plan import Header, plan_json, plan_markdown, plan_text

if TYPE_CHECKING:  # what asks a service is not imported by who asks nobody
    from tuneops.cli.session import Session


def plan(
    chosen: Options,
    *,
    out: Path | None,
    detailed_exitcode: bool,
    show_unchanged: bool,
    supposed: tuple[str, ...],
    max_cost: Decimal | None = None,
    locked: bool = False,
    frozen: bool = False,
    allow_empty: bool = False,
) -> int:
    """Show what would run, and what it would cost; give the exit code."""
    project = open_project(chosen, suppositions=supposed)
    with contextlib.ExitStack() as stack:
        session: Session | None = None
        if frozen:
            from tuneops.cli.frozen import look_at_lock

            view, header = look_at_lock(project, max_cost)
        else:
            from tuneops.cli.session import connect
            from tuneops.engine.reconcile import survey

            session = stack.enter_context(connect(project, lambda _: None, max_cost=max_cost))
            refuse_bad_data(project, session.graph, session.seen, session.objects)
            view, header = survey(session.graph, session.world, session.settle), session.header
        header = replace(header, supposed=supposed)
        made = make_plan(view)
        made = replace(made, advice=advise(view, made, make_plan))
        if made.drift and session is not None:
            from tuneops.cli.buckets import explained

            made = explained(made, view.graph, session.objects)
        made = with_unpinned(made, project, view.graph)
        bill = appraise(made, view, knowledge(project, made, view))
        if not allow_empty and (why := emptied(view.graph, view.before)) is not None:
            findings = (why.as_diagnostic(), *bill.verdict.findings)
            bill = replace(bill, verdict=replace(bill.verdict, findings=findings))
        made = with_waits(made, view, session, bill.verdict.barred)
        if out is not None:
            from tuneops.store.planfile import write_plan

            write_plan(out, plan_json(made, header, bill), made)
        unchanged = show_unchanged or bool(chosen.verbose)
        show_plan(chosen, view.graph, header, made, bill, unchanged=unchanged)
    if locked and not made.is_empty:
        chosen.console.complain_of((outdated(header.lock, made).as_diagnostic(),))
        return 5
    denied = 4 if bill.verdict.denied else 0
    if not detailed_exitcode:
        return denied
    if made.holds:
        return 3
    return denied or (0 if made.settled else 2)


def emptied(graph: DesiredGraph, lock: Lock) -> Denied | None:
    """Why nothing is done where every spec has vanished, which is seldom meant; None otherwise."""
    if graph.jobs or not lock.jobs:
        return None
    return Denied(
        f"the specs declare no job, but the lock knows {counted(len(lock.jobs), 'job')}",
        notes=("nothing was changed",),
        help="give `--allow-empty` if all of them are to be retired",
    )


def with_waits(
    made: Plan, view: View, session: "Session | None", barred: Container[str] = ()
) -> Plan:
    """The plan with what waits for a slot or for quota; without a session, as the lock knows."""
    if not made.buys:
        return made
    if session is None:
        return replace(made, waits=waits(made, view, (), barred))
    from tuneops.cli.guard import glance
    from tuneops.engine.observe import look_elsewhere

    view = look_elsewhere(view, session.world.elsewhere)
    keys = (change.key for change in next_creates(made, view, barred))
    claims = glance(session.guard, tuple(key for key in keys if key is not None))
    return replace(made, waits=waits(made, view, claims, barred))


class LockOutdated(Stale):
    """The lock is not what the specs ask for."""

    code = "lock-outdated"


def outdated(shown: str, plan: Plan) -> LockOutdated:
    """The fault of a lock that a plan finds something to do about."""
    differing = [c.address for c in plan.changes if c.action is not Action.KEEP]
    named = ", ".join(first_few(differing, 10))
    return LockOutdated(
        f"`{shown}` does not match the specs",
        notes=(f"{counted(len(differing), 'job')} differ: {named}",),
        help="run `tuneops plan` to see why",
    )


def show_plan(
    chosen: Options,
    graph: DesiredGraph,
    header: Header,
    plan: Plan,
    bill: Bill,
    *,
    unchanged: bool,
) -> None:
    """Print a plan in the chosen format, and to the summary file if there is one."""
    console = chosen.console
    markdown = ""
    if chosen.format == "markdown" or chosen.summary:
        markdown = plan_markdown(plan, graph, header, bill)
    if markdown and publish(chosen, markdown):
        return
    if chosen.format == "github":
        write_outputs(plan, bill)
        console.answer_text(findings_github(bill.verdict.findings))
    match chosen.format:
        case "json":
            console.answer_json(plan_json(plan, header, bill))
        case _:
            console.answer(plan_text(plan, graph, header, bill, unchanged=unchanged))
    if chosen.format in (None, "text"):
        console.complain_of(bill.verdict.worth_saying(quiet=chosen.quiet))


def write_outputs(plan: Plan, bill: Bill) -> None:
    """Set a workflow step's outputs, where a workflow asks for them."""
    path = os.environ.get("GITHUB_OUTPUT")
    if path:
        lines = {
            "changes": str(not plan.settled).lower(),
            "paid": str(len(plan.buys)),
            "holds": str(len(plan.holds)),
            "digest": plan.digest,
            "cost": spell(cost) if (cost := total(bill)) is not None else "",
        }
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        append(Path(path), text)
