"""`tuneops models`: what is known of the service's base models."""

from typing import Any

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, common


@click.command("models", cls=Command)
@common
@click.option("--model", "name", metavar="NAME", help="One model, every fact with its source.")
@click.pass_context
def command(context: click.Context, /, name: str | None, **values: Any) -> int:
    """Show what is known of base models: methods, limits, regions, prices, dates.

    Offline. In a project, with the rows of its own `kind: ModelTable`, which hold over the built-in
    ones: `specs/models.yaml` is the usual place.

    \b
    Examples:
      tuneops models
      tuneops models --model gemini-2.5-flash
      tuneops models --format json
    """
    from tuneops.catalog.models import table
    from tuneops.cli.project import open_project
    from tuneops.diagnostics import Diagnostic
    from tuneops.errors import InputError
    from tuneops.render.models import model_lines, models_json, table_lines
    from tuneops.spec.near import meant

    chosen = options(context, values)
    try:
        known = open_project(chosen).resolution.models
    except InputError as outside:
        if outside.findings[0].code != "no-project":
            raise
        known = table()
    model = known.find(name) if name else None
    if name and model is None:
        raise InputError(
            (
                Diagnostic(
                    code="unknown-model",
                    message=f"`{name[:80]}` is not in the model table",
                    help=meant(name, known.models, "its models"),
                ),
            )
        )
    if chosen.machine:
        chosen.console.answer_json(models_json([model] if model else known.models.values()))
    else:
        chosen.console.answer(model_lines(model) if model else table_lines(known))
    return 0
