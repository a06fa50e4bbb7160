"""One unattended pass: what `reconcile` does."""

from tuneops.cli.applying import failing, finish, refuse_empty
from tuneops.cli.checking import refuse_bad_data
from tuneops.cli.options import Options
from tuneops.cli.project import open_project
from tuneops.cli.running import Watcher, exit_code
from tuneops.cli.session import Session, alone, connect, refuse_unguarded, terms
from tuneops.engine.reconcile import Report, tick
from tuneops.errors import Denied
from tuneops.store.git import Checkout, read_checkout


def reconcile(
    chosen: Options, *, detailed_exitcode: bool, allow_empty: bool, allow_weaker_guard: bool
) -> int:
    """Do one pass; give the exit code."""
    project = open_project(chosen)
    environment = project.declaration.target.environment
    watcher = Watcher(chosen.console)
    with alone(project, environment), connect(project, watcher) as session:
        watcher.clock = session.now
        checkout = read_checkout(project.root, files=project.read_files(), ask_remote=True)
        _refuse_uncommitted(session, checkout)
        refuse_unguarded(session, allow_weaker=allow_weaker_guard)
        refuse_empty(session, allow_empty=allow_empty)
        refuse_bad_data(session)
        limits = terms(session, checkout, approval=None, may_cancel=_may_cancel(session, checkout))
        report = Report()
        with failing("reconcile", chosen, session, report, watcher):
            report.ticks.append(tick(session.graph, session.world, limits))
        code = exit_code(report, waited=False, detailed=detailed_exitcode)
        return finish("reconcile", chosen, session, report, watcher, code)


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
    if checkout.commit is None or checkout.dirty:
        raise Denied(
            "unattended runs need committed specs, and these are not",
            notes=("nothing was bought, nothing was changed",),
            help="commit what is below `specs/`, or run `tuneops apply` yourself",
        )


def _may_cancel(session: Session, checkout: Checkout) -> bool:
    """Stop jobs at the agreed tip only; without a remote, only those of an emulator."""
    if checkout.at_default_tip is None:
        return session.emulated
    return checkout.at_default_tip
