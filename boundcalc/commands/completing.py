"""`completion`: the script by which a shell completes words."""

from __future__ import annotations

from types import MappingProxyType

import click

from boundcalc.commands.common import COMPLETION_VARIABLE

SHELLS = MappingProxyType({"bash": "BashComplete", "zsh": "ZshComplete", "fish": "FishComplete"})


@click.command("completion")
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which a SHELL completes commands, statements, quantities, symbols and options.

    Source it where the shell starts (~/.bashrc, ~/.zshrc), or put it into ~/.config/fish/completions/boundcalc.fish.

    \b
    boundcalc completion bash
    boundcalc completion fish
    """
    from click import shell_completion

    complete = getattr(shell_completion, SHELLS[shell])(ctx.find_root().command, {}, "boundcalc", COMPLETION_VARIABLE)
    # Not `complete.source`: for bash that starts a bash to ask for its version.
    script = shell_completion.ShellComplete.source(complete)
    if shell == "bash":
        script = without_space(script)
    click.echo(script)


def without_space(script: str) -> str:
    """The script for bash, so that no space follows `name=`, which is to be followed by a value."""
    added = "COMPREPLY+=($value)"
    return script.replace(added, f"{added}\n            [[ $value == *= ]] && compopt -o nospace")
