"""`tuneops schema`: the JSON schema of the specs, for editors."""

from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, common
from tuneops.spec.schema import json_schema

KINDS = ("Workspace", "TuningJob", "TuningChain", "ModelTable")


@click.command("schema", cls=Command)
@common
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.pass_context
def command(context: click.Context, /, kind: str | None, **values: Any) -> int:
    """Print the JSON schema of one kind of spec, or of all of them.

    \b
    Examples:
      tuneops schema
      tuneops schema TuningChain
      tuneops schema > .vscode/tuneops.schema.json
    """
    chosen = options(context, values)
    chosen.console.answer_json(json_schema(kind))
    return 0
