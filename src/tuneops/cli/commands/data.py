"""`tuneops data`: look into datasets, compare them, bring them into form, and into a bucket."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tuneops.cli.main import options
from tuneops.cli.options import Command, Group, common

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group("data", cls=Group)
def command() -> None:
    """Look into datasets, compare them, bring them into form. Only `upload` sends anything.

    \b
    Examples:
      tuneops data check train.jsonl --validation check.jsonl
      tuneops data diff week-31.jsonl week-32.jsonl
      tuneops data convert chats.jsonl --out train.jsonl
    """


def _kind(command: Function) -> Function:
    """Give a command `--kind`."""
    return click.option(
        "--kind",
        type=click.Choice(("supervised", "preference")),
        help="What the examples are for; default: what the first one looks like.",
    )(command)


def _file(command: Function) -> Function:
    """Give a command the file, or object, that it looks at."""
    return click.argument("file", metavar="FILE")(command)


@command.command("check", cls=Command)
@common
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@_kind
@click.option("--model", metavar="NAME", help="Measure by the limits of this base model.")
@click.option(
    "--validation",
    metavar="FILE",
    help="Check this file, too, and beside the others: limits, overlap.",
)
@click.option(
    "--media",
    is_flag=True,
    help="Look for the gs:// files that examples name: there, size, type.",
)
@click.pass_context
def check(context: click.Context, /, **values: Any) -> int:
    """Check the form of datasets, every line; exit 65 if the service would refuse one.

    An object (`gs://bucket/name`) is read by ranges, as the environment's login
    may. How long sound and film last, and how many pages a document has, takes
    decoding them and is not checked.

    \b
    Examples:
      tuneops data check train.jsonl
      tuneops data check gs://acme-tuning/week-32.jsonl
      tuneops data check train.jsonl --validation check.jsonl
      tuneops data check tone.jsonl --kind preference --format json
    """
    from tuneops.cli.inspecting import Wishes, check_files

    files = values.pop("files")
    wishes = Wishes(**{name: values.pop(name) for name in ("kind", "model", "validation", "media")})
    return check_files(options(context, values), files, wishes)


@command.command("stats", cls=Command)
@common
@_file
@_kind
@click.pass_context
def stats(context: click.Context, /, file: str, kind: str | None, **values: Any) -> int:
    """Show how examples, turns and tokens are spread, in numbers and as bars.

    \b
    Examples:
      tuneops data stats train.jsonl
      tuneops data stats tone.jsonl --kind preference
      tuneops data stats train.jsonl --format json
    """
    from tuneops.cli.inspecting import show_statistics

    return show_statistics(options(context, values), file, kind=kind)


@command.command("diff", cls=Command)
@common
@click.argument("old")
@click.argument("new")
@_kind
@click.pass_context
def diff(context: click.Context, /, old: str, new: str, kind: str | None, **values: Any) -> int:
    """Compare two versions of a dataset by example: added, removed, changed.

    Order and spelling do not matter; an example with the same prompt and another answer is changed.

    \b
    Examples:
      tuneops data diff week-31.jsonl week-32.jsonl
      tuneops data diff old.jsonl new.jsonl --format json
      git show HEAD~1:train.jsonl > old.jsonl; tuneops data diff old.jsonl train.jsonl
    """
    from tuneops.cli.inspecting import show_difference

    return show_difference(options(context, values), old, new, kind=kind)


@command.command("convert", cls=Command)
@common
@_file
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write; default: NAME.converted.jsonl beside FILE.",
)
@_kind
@click.option(
    "--drop", metavar="KEY", multiple=True, help="Leave this key out of every line; repeatable."
)
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@click.pass_context
def convert(context: click.Context, /, file: str, out: Path | None, **values: Any) -> int:
    """Bring examples of another format into the service's: all of them, or none.

    Known: chat messages (with tools), prompt/completion, instruction/output, chosen/rejected and
    the old formats of Google's, as JSON lines or one JSON array; roles of other services in
    `contents` are put right. A line that says more than the service's format can is told.

    \b
    Examples:
      tuneops data convert chats.jsonl
      tuneops data convert chats.jsonl --out train.jsonl --drop id
      tuneops data convert pairs.json --kind preference
    """
    from tuneops.cli.inspecting import convert_file

    kind, drop, force = values.pop("kind"), values.pop("drop"), values.pop("force")
    return convert_file(options(context, values), file, out, kind=kind, drop=drop, force=force)


@command.command("upload", cls=Command)
@common
@_file
@click.argument("folder", metavar="[gs://BUCKET/FOLDER]", required=False)
@_kind
@click.pass_context
def upload(
    context: click.Context, /, file: str, folder: str | None, kind: str | None, **values: Any
) -> int:
    """Put a file into a bucket, under the name that its bytes give it; print its address.

    A file with errors is not sent; the same bytes are sent once, and what is
    there is never replaced. Without a folder it goes where `apply` puts the
    files of specs, which it does by itself.

    \b
    Examples:
      tuneops data upload train.jsonl
      tuneops data upload train.jsonl gs://acme-tuning/shared
      tuneops data upload tone.jsonl --kind preference --format json
    """
    from tuneops.cli.uploading import upload_file

    return upload_file(options(context, values), file, folder, kind=kind)
