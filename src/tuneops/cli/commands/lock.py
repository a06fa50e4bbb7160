"""`tuneops lock`: show what was made, compare it, and keep the file whole."""

from pathlib import Path
from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, Group, common, nodes
from tuneops.render.lines import Line, counted


@click.group("lock", cls=Group)
def command() -> None:
    """Show and check what was made; merge the lock, and write it again when it is lost.

    \b
    Examples:
      tuneops lock show support-bot/tone
      tuneops lock check
      tuneops lock rebuild --dry-run
    """


@command.command("show", cls=Command)
@common
@nodes
@click.pass_context
def show(context: click.Context, /, nodes: tuple[str, ...], **values: Any) -> int:
    """Show the lock's entries, all or some. `tuneops help addresses` shows how to name them.

    \b
    Examples:
      tuneops lock show
      tuneops lock show support-bot/tone
      tuneops lock show --format json
    """
    from tuneops.cli.locks import read_lock
    from tuneops.cli.nodes import parents_in, select
    from tuneops.cli.project import open_project
    from tuneops.render.status import lock_text

    chosen = options(context, values)
    lock = read_lock(open_project(chosen))
    known = parents_in(lock)
    wanted = select(nodes, known, "the lock") or list(known)
    if chosen.machine:
        import json

        from tuneops.store.lockfile import dump

        content = json.loads(dump(lock))
        books = {**content.get("retired", {}), **content.get("jobs", {})}
        entries = {address: books[address] for address in wanted}
        chosen.console.answer_json({"formatVersion": 1, "command": "lock show", "jobs": entries})
    elif not wanted:
        chosen.console.answer([Line("The lock is empty: nothing was made yet.")])
    else:
        chosen.console.answer(lock_text(lock, wanted))
    return 0


@command.command("check", cls=Command)
@common
@click.pass_context
def check(context: click.Context, /, **values: Any) -> int:
    """Fail (exit 5) if specs and lock differ.

    It looks at the service as well: what was deleted there is a difference, too.

    \b
    Examples:
      tuneops lock check
      tuneops lock check --env prod
      tuneops lock check --format json
    """
    from tuneops.cli.planning import outdated
    from tuneops.cli.project import open_project
    from tuneops.cli.session import connect
    from tuneops.core.planner import make_plan
    from tuneops.engine.reconcile import survey

    chosen = options(context, values)
    with connect(open_project(chosen), lambda _: None) as session:
        plan = make_plan(survey(session.graph, session.world, session.settle))
        if not plan.is_empty:
            raise outdated(session.locks.shown, plan)
        count = counted(len(plan.desired), "job")
        if chosen.machine:
            chosen.console.answer_json(
                {"formatVersion": 1, "command": "lock check", "jobs": len(plan.desired)}
            )
        else:
            chosen.console.answer([Line(f"{session.locks.shown} matches the specs: {count}.")])
    return 0


@command.command("diff", cls=Command)
@common
@click.argument("revision", metavar="[REV]", default="HEAD")
@click.pass_context
def diff(context: click.Context, /, revision: str, **values: Any) -> int:
    """Show what changed in the lock since a revision of git, HEAD if none is given.

    \b
    Examples:
      tuneops lock diff
      tuneops lock diff origin/main
      tuneops lock diff HEAD~3 --env prod --format json
    """
    from tuneops.cli.locking import diff

    return diff(options(context, values), revision)


@command.command("pin", cls=Command)
@common
@nodes
@click.option("--dry-run", is_flag=True, help="Show what would be moved, and write nothing.")
@click.pass_context
def pin(context: click.Context, /, nodes: tuple[str, ...], dry_run: bool, **values: Any) -> int:
    """Move the pins of data and tuned models to what is there now, for all jobs or some.

    It writes the lock, for you to look at and to commit, and buys nothing; `tuneops plan` then
    shows what would be trained again. A job that was never run is pinned as well: its data can
    not change unseen between a review and the run. Files of the project need no pin. `tuneops
    help addresses` shows how to name jobs.

    \b
    Examples:
      tuneops lock pin support-bot/week-32
      tuneops lock pin --dry-run
      tuneops lock pin --env prod --format json
    """
    from tuneops.cli.pinning import pin

    return pin(options(context, values), nodes, dry_run=dry_run)


@command.command("merge", cls=Command)
@common
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("ours", type=click.Path(path_type=Path))
@click.argument("theirs", type=click.Path(path_type=Path))
@click.pass_context
def merge(context: click.Context, /, base: Path, ours: Path, theirs: Path, **values: Any) -> int:
    """Merge two locks by their entries into the file OURS; the merge driver of git.

    BASE is what both come from; it may be empty or not there. No entry of a side is lost. Where
    only a person can decide, OURS stays as it is, and the exit code is 1. To let git use it:

    \b
      git config merge.tuneops.driver "tuneops lock merge %O %A %B"
      echo "specs/tuneops.*.lock.json merge=tuneops" >> .gitattributes

    \b
    Examples:
      tuneops lock merge %O %A %B
      tuneops lock merge base.json ours.json theirs.json
      tuneops lock merge /dev/null ours.json theirs.json --format json
    """
    from tuneops.cli.locking import merge_files

    return merge_files(options(context, values), base, ours, theirs)


@command.command("resolve", cls=Command)
@common
@click.pass_context
def resolve(context: click.Context, /, **values: Any) -> int:
    """Merge the two sides of a lock in which git left conflict markers.

    \b
    Examples:
      tuneops lock resolve
      tuneops lock resolve --env prod
      tuneops lock resolve --format json
    """
    from tuneops.cli.locking import resolve

    return resolve(options(context, values))


@command.command("push", cls=Command)
@common
@click.option(
    "--to",
    type=click.Choice(("commit", "branch")),
    help="Push it this way, whatever the environment says.",
)
@click.pass_context
def push(context: click.Context, /, to: str | None, **values: Any) -> int:
    """Write the lock back to git, as `apply` and `reconcile` do at their end.

    For the last step of a workflow, which runs even if the one before was killed. It pushes what
    the file, its journal and the remote know together, by a commit that holds lock files only;
    index, work tree and branches here stay as they are. It asks no service.

    \b
    Examples:
      tuneops lock push --env prod
      tuneops lock push --to branch
      tuneops lock push --env prod --format json
    """
    from tuneops.cli.locking import push

    return push(options(context, values), to)


@command.command("rebuild", cls=Command)
@common
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.pass_context
def rebuild(context: click.Context, /, dry_run: bool, **values: Any) -> int:
    """Write the lock again from the jobs: their labels, their descriptions, what they show.

    Nothing is bought. Entries of a lock that can be read are kept; a damaged one is moved aside to
    NAME.damaged first. What no job carries cannot come back: creates without an answer, jobs
    adopted by a spec that is gone, pins that were moved and not trained on yet. What became of a
    job that no spec has, and who asked for a cancel, is in its claim. Where that is gone as well
    it is said, and a cancelled job counts as somebody's veto, until its recipe or nonce changes or
    `resume` names it.

    \b
    Examples:
      tuneops lock rebuild --dry-run
      tuneops lock rebuild
      tuneops lock rebuild --env prod --format json
    """
    from tuneops.cli.locking import rebuild

    return rebuild(options(context, values), dry_run=dry_run)
