"""`completion`: the script by which a shell completes words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import click

from boundcalc.commands.common import COMPLETION_VARIABLE

SHELLS = MappingProxyType({"bash": "BashComplete", "zsh": "ZshComplete", "fish": "FishComplete"})


@click.command("completion", short_help="Print the script by which a shell completes words.")
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which a SHELL completes commands, statements, quantities, symbols and options.

    Into ~/.bashrc goes: eval "$(boundcalc completion bash)". Into ~/.zshrc, below compinit, the same with zsh. What it
    prints for fish goes into ~/.config/fish/completions/boundcalc.fish.

    \b
    boundcalc completion bash
    boundcalc completion fish
    """
    from click import shell_completion

    complete = getattr(shell_completion, SHELLS[shell])(ctx.find_root().command, {}, "boundcalc", COMPLETION_VARIABLE)
    # Not `complete.source`: for bash that starts a bash to ask for its version.
    click.echo(mended(shell_completion.ShellComplete.source(complete), shell))


def mended(script: str, shell: str) -> str:
    """A script of click's, so that no space follows `name=`, and what a word means is said beyond its first comma.

    After `name=` a value is to be typed at once; fish adds no space by itself.
    """
    for there, instead in MENDED[shell]:
        script = script.replace(there, instead)
    return script


MENDED: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "bash": (("COMPREPLY+=($value)", "COMPREPLY+=($value)\n            [[ $value == *= ]] && compopt -o nospace"),),
        "zsh": (
            (
                'completions_with_descriptions+=("$key":"$descr")',
                '[[ "$key" == *= ]] && names+=("$key":"$descr") || completions_with_descriptions+=("$key":"$descr")',
            ),
            ("    local -a response\n", "    local -a names\n    local -a response\n"),
            (
                '    if [ -n "$completions" ]; then',
                "    if [ -n \"$names\" ]; then\n        _describe -V unsorted names -U -S ''\n    fi\n\n"
                '    if [ -n "$completions" ]; then',
            ),
        ),
        "fish": (('string split "," $completion', 'string split --max 1 "," $completion'),),
    }
)
"""By shell, what stands in click's script, and what stands there instead."""
