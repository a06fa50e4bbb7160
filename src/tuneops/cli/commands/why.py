"""`tuneops why`: the cause of a job or a model version, and its line back to the base model."""

from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, complete_address, summarized


@click.command("why", cls=Command)
@summarized
@click.argument("what", metavar="ADDRESS|ALIAS|JOB|MODEL@VERSION", shell_complete=complete_address)
@click.pass_context
def command(context: click.Context, /, what: str, **values: Any) -> int:
    """Tell the commit, the plan and the reason of a job, and what it descends from.

    It reads the lock and the repository, and asks no service. An ALIAS is named
    with its chain, as `support-bot@prod`.

    \b
    Examples:
      tuneops why support-bot/tone
      tuneops why models/9146465378525949236@4 --env prod
      tuneops why support-bot@prod --format json
    """
    from tuneops.cli.appending import publish
    from tuneops.cli.locks import read_lock
    from tuneops.cli.nodes import no_such
    from tuneops.cli.project import open_project
    from tuneops.core.provenance import find_creation, find_pointer, trace, under_way
    from tuneops.errors import TuneopsError
    from tuneops.render.lines import fenced, plain
    from tuneops.render.provenance import Asked, CommitText, provenance_json, provenance_text
    from tuneops.store.git import read_commit

    chosen = options(context, values)
    project = open_project(chosen)
    lock = read_lock(project)
    found = find_creation(lock, what)
    if found is None:
        message = f"the lock knows no address, alias, job or model version `{what}`"
        if what.startswith(("projects/", "tuningJobs/", "models/")):
            raise TuneopsError(message, help="`tuneops discover` lists what the lock does not know")
        aliases = [f"{name}@{alias}" for name, of in (lock.pointers or {}).items() for alias in of]
        raise no_such(what, [*sorted({*lock.jobs, *lock.retired}), *aliases], message)
    line = list(trace(lock, found[0], found[1]))
    waiting = under_way(lock, *found[:2]) if what == found[0] else ()
    asked = Asked(text=what, pointer=find_pointer(lock, what), under_way=waiting)
    commits = {}
    for name in {origin.creation.cause.commit for origin in line}:
        if name is not None and (said := read_commit(project.root, name)) is not None:
            commits[name] = CommitText(subject=said[0], author=said[1], date=said[2])
    if publish(chosen, fenced("why", plain(provenance_text(asked, line, commits)))):
        return 0
    if chosen.machine:
        chosen.console.answer_json(provenance_json(asked, line, commits))
    else:
        chosen.console.answer(provenance_text(asked, line, commits))
    return 0
