"""`tuneops completion`: what a shell needs to complete commands, options and addresses."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, /, shell: str) -> int:
    """Print what a shell needs to complete commands, options and addresses.

    SHELL is bash, zsh or fish. The addresses are those of the locks.

    \b
    Examples:
      tuneops completion bash >> ~/.bashrc
      tuneops completion zsh >> ~/.zshrc
      tuneops completion fish > ~/.config/fish/completions/tuneops.fish
    """
    from tuneops.cli.completing import VARIABLE

    found = get_completion_class(shell)
    assert found is not None, "click knows these shells"
    root = context.find_root().command
    click.echo(found(root, {}, "tuneops", VARIABLE).source(), nl=False)
    return 0
