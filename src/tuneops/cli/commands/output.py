"""`tuneops output`: one result, for scripts."""

from dataclasses import replace
from typing import Any

import click

from tuneops.cli.locks import read_lock
from tuneops.cli.main import options
from tuneops.cli.nodes import no_such
from tuneops.cli.options import Command, common, complete_address
from tuneops.cli.project import open_project
from tuneops.core.lock import Creation, Lock
from tuneops.errors import TuneopsError
from tuneops.spec.near import meant

FIELDS = ("model", "checkpoint", "endpoint", "job")


@click.command("output", cls=Command)
@common
@click.argument("address", shell_complete=complete_address)
@click.pass_context
def command(context: click.Context, /, address: str, **values: Any) -> int:
    """Print one result from the lock: ADDRESS, or ADDRESS.FIELD for one line.

    FIELD is model, checkpoint, endpoint or job. `chain@alias` is what a promotion
    put the alias on. It asks no service.

    \b
    Examples:
      tuneops output ticket-router.endpoint
      tuneops output support-bot/tone.model --env prod
      tuneops output support-bot@prod.endpoint
    """
    chosen = options(context, values)
    name, _, field = address.partition(".")
    if field and field not in FIELDS:
        message = f"no field `{field}`; {meant(field, FIELDS, 'there are')}"
        raise click.UsageError(message, context)
    lock = read_lock(open_project(chosen))
    chain, at, alias = name.partition("@")
    result = _promoted(lock, chain, alias) if at else lock.at(name).result
    if result is None and at:
        known = [f"{n}@{a}" for n, found in (lock.pointers or {}).items() for a in found]
        raise no_such(name, known, f"`{name}` is no alias in the lock")
    if result is None:
        known = [address for address in sorted(lock.jobs) if lock.jobs[address].result]
        raise no_such(name, known, f"`{name}` has no result in the lock")
    found = _fields(result)
    if field:
        value = found[field]
        if value is None:
            raise TuneopsError(f"`{name}` has no {field} yet")
        if chosen.machine:
            chosen.console.answer_json({"formatVersion": 1, "command": "output", field: value})
        else:
            chosen.console.answer_text(f"{value}\n")
        return 0
    if chosen.machine:
        document = {"formatVersion": 1, "command": "output", "address": name, **found}
        chosen.console.answer_json(document)
    else:
        lines = [f"{key}={value}\n" for key, value in found.items() if value is not None]
        chosen.console.answer_text("".join(lines))
    return 0


def _promoted(lock: Lock, name: str, alias: str) -> Creation | None:
    """What an alias is on, with the checkpoint that was made its default."""
    pointer = lock.pointer(name, alias)
    known = {key: creation for _, key, creation in lock.creations()}
    if pointer is None or pointer.creation not in known:
        return None
    return replace(known[pointer.creation], chosen=pointer.checkpoint)


def _fields(result: Creation) -> dict[str, str | None]:
    return {
        "model": result.model,
        "checkpoint": result.chosen,
        "endpoint": result.endpoint,
        "job": result.job,
    }
