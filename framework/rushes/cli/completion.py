"""`completion`: the script that lets a shell complete commands, options, functions and batches.

This module must not know what is completed.
"""

from __future__ import annotations

import click

__all__ = ["completion"]

_HINTS = {
    "bash": 'eval "$(rushes completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(rushes completion zsh)" in ~/.zshrc',
    "fish": "rushes completion fish > ~/.config/fish/completions/rushes.fish",
}


@click.command(epilog="To install it: " + "; ".join(_HINTS.values()))
@click.argument("shell", type=click.Choice(sorted(_HINTS)))
@click.pass_context
def completion(ctx: click.Context, /, shell: str) -> None:
    """Print the completion script of SHELL."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only here

    found = get_completion_class(shell)
    if found is None:  # click knows all three
        raise click.UsageError(f"{shell} cannot be completed.", ctx)
    root = ctx.find_root()
    click.echo(found(root.command, {}, "rushes", "_RUSHES_COMPLETE").source())
