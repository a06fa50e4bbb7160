"""What this machine knows of a plan's cost: the model table, and the tokens of local data."""

from collections.abc import Container
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from tuneops.cli.checking import tokens_of
from tuneops.cli.project import Project
from tuneops.core.desired import Declaration, Target
from tuneops.core.lock import Lock
from tuneops.core.plan import Plan
from tuneops.core.rules import MAX_COST, PER_MONTH, Ceiling
from tuneops.core.view import View
from tuneops.costs.amounts import Cost
from tuneops.costs.estimates import Estimator, Knowledge
from tuneops.costs.history import Bytes, History, bytes_of, epochs_run
from tuneops.errors import InputError
from tuneops.store import files
from tuneops.store.lockfile import lock_path, parse

if TYPE_CHECKING:
    from tuneops.costs.amounts import Tokens
    from tuneops.engine.reconcile import Report


def knowledge(project: Project, plan: Plan, view: View, *, whole: bool = False) -> Knowledge:
    """Count the data of the paid lines, unless jobs of the lock tell already what it is billed.

    Under a ceiling also that of jobs whose bill is not known: what they reserve is counted by it.
    So it is where the `whole` lock is to be priced.
    A file is read at most once a run, and the check of new data has read it before.
    """
    counted: dict[Bytes, Tokens] = {}
    history = History.of(view.ledger) if plan.buys or whole else History()
    wanted = {change.address for change in plan.buys}
    ceilings = plan.buys and view.graph.target.rules.ceilings
    reserved = _unbilled(view.ledger) if ceilings or whole else ()
    for job in view.graph.jobs:
        data, how = job.recipe.training, job.recipe.method
        asked = str(job.address) in wanted or bytes_of(data, how) in reserved
        if job.training.file is None or not asked or bytes_of(data, how) in counted:
            continue
        if history.tokens(data, how, job.address.name) is None:
            tokens = tokens_of(project, job.training.file, how)
            if tokens is not None:
                counted[bytes_of(data, how)] = tokens
    beside, unread = _beside(project, view.graph.target) if plan.buys else ((), ())
    return Knowledge(table=project.resolution.models, counted=counted, beside=beside, unread=unread)


def _beside(project: Project, target: Target) -> tuple[tuple[Lock, ...], tuple[str, ...]]:
    """The locks of the workspace's other environments, where a ceiling counts what they spend.

    As they lie in this checkout. Those of emulators count for emulators, and for nothing else.
    """
    if not any(ceiling.wide for ceiling in target.rules.ceilings if ceiling.name == PER_MONTH):
        return (), ()
    beside, unread = [], []
    own = lock_path(project.root, target.environment)
    for path in sorted(own.parent.glob("tuneops.*.lock.json")):
        if path == own:
            continue
        shown = path.relative_to(project.root).as_posix()
        try:
            lock = parse(files.read(path) or b"", shown)
        except (InputError, files.NotARegularFileError):
            unread.append(f"`{shown}` cannot be read")
            continue
        if lock.target == target.provider:
            beside.append(lock)
    return tuple(beside), tuple(unread)


def _unbilled(lock: Lock) -> Container[Bytes]:
    """The data of jobs that the service has counted no tokens of."""
    return {
        bytes_of(creation.recipe.training, creation.recipe.method)
        for _, _, creation in lock.creations()
        if creation.billable_tokens is None and not creation.adopted
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the jobs that ended in a run were billed for."""

    cost: Cost
    tokens: int
    """Those of one pass, as often as there were epochs, as far as both are known."""


def spent(project: Project, report: "Report") -> Spent | None:
    """What came to its end in a run, by the service's own count; None when nothing did."""
    if report.latest is None or not report.ended:
        return None
    estimator = Estimator(
        replace(report.last.view, ledger=report.last.lock),
        Knowledge(table=project.resolution.models),
    )
    costs, tokens = [], 0
    for address, key, creation in report.last.lock.creations():
        if key in report.ended and creation.billable_tokens is not None:
            cost = estimator.creation(creation, address)
            costs += [cost] if cost is not None else []
            tokens += creation.billable_tokens * (epochs_run(creation) or 1)
    return Spent(cost=Cost.sum(costs), tokens=tokens) if costs else None


def limited(declaration: Declaration, max_cost: Decimal | None) -> Declaration:
    """The declaration with the ceiling of a flag."""
    if max_cost is None:
        return declaration
    rules = declaration.target.rules
    flag = Ceiling(name=MAX_COST, most=max_cost)
    rules = replace(rules, ceilings=(*rules.ceilings, flag))
    return replace(declaration, target=replace(declaration.target, rules=rules))
