"""The command line: finds the command, and says in one line what is wrong.

Exit codes: 0 answered, 2 bad usage or input (one clear line on stderr), 3 answered but refuted or infeasible.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from importlib import import_module
from types import MappingProxyType
from typing import NoReturn

import click

from boundcalc import __version__
from boundcalc.commands.common import ANSWERED, BAD_INPUT, COMPLETION_VARIABLE, drop_output
from boundcalc.errors import BoundcalcError, nearest

COMMANDS = MappingProxyType(
    {
        "ask": "asking.ask",
        "list": "statements.list_statements",
        "show": "statements.show",
        "eval": "asking.evaluate_quantity",
        "solve": "asking.solve_for",
        "sweep": "sweeping.sweep_over",
        "compare": "comparing.compare",
        "audit": "auditing.audit_derivation",
        "plan": "planning.plan_budget",
        "explore": "explore.explore",
        "data": "data.measure_data",
        "verify": "verifying.verify",
        "calibrate": "verifying.calibrate",
        "scaling": "verifying.scaling",
        "report": "report.report",
        "manual": "manual.manual",
        "doctor": "doctor.doctor",
        "completion": "completing.completion",
    }
)
"""Every command, with the function of `boundcalc.commands` that it is."""


class _AskByDefault(click.Group):
    """A group in which anything that is not a command is a query; a command is loaded when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].partition(".")
        command: click.Command = getattr(import_module(f"boundcalc.commands.{module}"), function)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        leading = next((i for i, arg in enumerate(args) if not arg.startswith("-")), None)
        if leading is not None and args[leading] not in COMMANDS:
            word = args[leading]
            alone = len(args) == 1 and word.isascii() and word.isalpha()
            close = nearest(word, COMMANDS) if not ctx.resilient_parsing else ()
            if (alone or len(args) > leading + 1) and close and not word.casefold().startswith("width"):
                raise click.UsageError(
                    f"no command {word!r}; did you mean {' or '.join(close)}? "
                    'A query goes in quotes: boundcalc "required width for ε=0.01, L=5"'
                )
            args = ["ask", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_AskByDefault, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="boundcalc")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Bounds of deep-learning theory, computable, with every hidden constant explicit.

    \b
    boundcalc "required width for ε=0.01, L=5"
    boundcalc eval chen2019/thm2.1 width L=5 R=1 n=1000 delta=0.05
    boundcalc verify chen2019/thm2.1 --data digits --classes 3,8 --out runs/digits
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> NoReturn:
    """Run the command; turn every foreseen problem into one line on stderr and exit code 2."""
    # What loading makes stays for good: looking through it for garbage takes a tenth of a query's time.
    gc.disable()
    _prepare_streams()
    try:
        cli.main(standalone_mode=False, complete_var=COMPLETION_VARIABLE)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as problem:
        click.echo(f"boundcalc: {_one_line(_with_help(problem))}", err=True)
        sys.exit(BAD_INPUT)
    except BoundcalcError as problem:
        click.echo(f"boundcalc: {_one_line(str(problem))}", err=True)
        sys.exit(BAD_INPUT)
    except OSError as problem:
        drop_output()
        where = f"{str(problem.filename)!r}" if problem.filename else "the output"
        # A shared library that cannot be loaded has no number.
        said = str(problem) if problem.errno is None else f"{where} cannot be read or written: {problem.strerror}"
        click.echo(f"boundcalc: {_one_line(said)}", err=True)
        sys.exit(BAD_INPUT)
    except ImportError as problem:
        if problem.name is not None and problem.name.partition(".")[0] == "boundcalc":
            raise  # A fault of our own.
        click.echo(f"boundcalc: {_one_line(str(problem))}; boundcalc doctor says what is installed", err=True)
        sys.exit(BAD_INPUT)
    except MemoryError:
        click.echo("boundcalc: out of memory; free some, or ask for less", err=True)
        sys.exit(BAD_INPUT)
    sys.exit(ANSWERED)


def _prepare_streams() -> None:
    """Make both streams such that whatever is printed can be written, or say in one line why none is."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (It is open as long as the process lasts.)
    if sys.stdout is None:
        click.echo("boundcalc: standard output is closed; send it to a file, or to /dev/null", err=True)
        sys.exit(BAD_INPUT)
    for stream in (sys.stdout, sys.stderr):
        # A letter that the encoding lacks is written by its number, as in JSON, where it would end the command.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _with_help(problem: click.ClickException) -> str:
    """What is wrong, and where it is said how the command is used, if that is what is wrong."""
    said = problem.format_message().rstrip(". ")
    context = problem.ctx if isinstance(problem, click.UsageError) else None
    if context is None:
        return said
    return f"{said}{' See' if said.endswith('?') else '; see'} {context.command_path} --help"


def _one_line(message: str) -> str:
    return " ".join(message.split())
