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
    from tuneops.cli.project import known_models, named_model
    from tuneops.render.models import model_lines, models_json, table_lines

    chosen = options(context, values)
    known = known_models(chosen)
    model = named_model(known, name) if name else None
    if chosen.machine:
        chosen.console.answer_json(models_json([model] if model else known.models.values()))
    else:
        chosen.console.answer(model_lines(model) if model else table_lines(known))
    return 0
