"""The command line: reads arguments, calls the library, prints. No mathematics, and nothing heavy at the top.

Exit codes: 0 answered, 2 bad usage or input (one clear line on stderr), 3 answered but refuted or infeasible.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from boundcalc import __version__
from boundcalc.constants import ConstantPolicy, parse_settings, read_constants
from boundcalc.errors import BoundcalcError, InputError, UnknownNameError, nearest
from boundcalc.parsing import normalize, parse_number
from boundcalc.symbols import ALIASES, lookup

Command = TypeVar("Command", bound=Callable[..., Any])

ANSWERED, BAD_INPUT, INFEASIBLE = 0, 2, 3


class _AskByDefault(click.Group):
    """A group in which anything that is not a command is a query."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        leading = next((i for i, arg in enumerate(args) if not arg.startswith("-")), None)
        if leading is not None and args[leading] not in self.commands:
            word = args[leading]
            alone = len(args) == 1 and word.isascii() and word.isalpha()
            close = nearest(word, self.commands)
            if (alone or len(args) > leading + 1) and close and not word.casefold().startswith("width"):
                raise click.UsageError(
                    f"no command {word!r}; did you mean {' or '.join(close)}? "
                    'A query goes in quotes: boundcalc "required width for ε=0.01, L=5"'
                )
            args = ["ask", *args]
        return super().parse_args(ctx, args)


def _constant_options(command: Command) -> Command:
    command = click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE",
        help="Value of a hidden constant: C_m=2, C=2 (every factor), chen2019/thm2.1:C_m=2. Repeatable.",
    )(command)  # fmt: skip
    command = click.option(
        "--constants", "constants_file", type=click.Path(path_type=Path), metavar="FILE",
        help="TOML file of hidden constants; --set goes before it.",
    )(command)  # fmt: skip
    return click.option("--strict", is_flag=True, help="Refuse assumed inputs and unit constants.")(command)


def _json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def _reading_option(command: Command) -> Command:
    return click.option(
        "--reading", type=click.Choice(["stated", "unfolded"]), default="stated", show_default=True,
        help="A corollary as stated, or with what its proof plugs in.",
    )(command)  # fmt: skip


@click.group(cls=_AskByDefault, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="boundcalc")
def cli() -> None:
    """Bounds of deep-learning theory, computable, with every hidden constant explicit.

    \b
    boundcalc "required width for ε=0.01, L=5"
    boundcalc eval chen2019/thm2.1 width L=5 R=1 n=1000 delta=0.05
    boundcalc verify chen2019/thm2.1 --data digits --classes 3,8 --out runs/digits
    """


@cli.command()
@click.argument("query", nargs=-1, required=True)
@_constant_options
@_reading_option
@_json_option
def ask(
    query: tuple[str, ...],
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    reading: str,
    as_json: bool,
) -> None:
    """Answer a QUERY such as "required width for ε=0.01, L=5" over every statement that can."""
    from boundcalc.catalogue import CATALOGUE
    from boundcalc.query import ask as answer
    from boundcalc.report.answers import reply_json, reply_text

    reply = answer(" ".join(query), CATALOGUE, _policy(settings, constants_file), strict=strict, reading=reading)
    _print(reply_json(reply) if as_json else reply_text(reply))
    if all(solution.status == "empty" for solution in reply.answers):
        sys.exit(INFEASIBLE)


@cli.command("list")
@_json_option
def list_statements(as_json: bool) -> None:
    """List every statement of the catalogue."""
    from boundcalc.catalogue import CATALOGUE
    from boundcalc.report.answers import catalogue_json, catalogue_text

    _print(catalogue_json(CATALOGUE) if as_json else catalogue_text(CATALOGUE))


@cli.command()
@click.argument("theorem")
@_reading_option
@_json_option
def show(theorem: str, reading: str, as_json: bool) -> None:
    """Show a THEOREM in full: setting, hypotheses, conditions, prescriptions, guarantees, constants."""
    from boundcalc.catalogue import CATALOGUE
    from boundcalc.report.answers import theorem_json, theorem_text

    found = CATALOGUE.find(theorem, reading)
    _print(theorem_json(found) if as_json else theorem_text(found))


@cli.command("eval")
@click.argument("theorem")
@click.argument("quantity")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@_constant_options
@_reading_option
@_json_option
def evaluate_quantity(
    theorem: str,
    quantity: str,
    values: tuple[str, ...],
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    reading: str,
    as_json: bool,
) -> None:
    """Evaluate a QUANTITY of a THEOREM: width, step-size, iterations, samples, error, radius or loss."""
    from boundcalc.catalogue import CATALOGUE
    from boundcalc.report.answers import solution_json, solution_text
    from boundcalc.solve import evaluate

    found = CATALOGUE.find(theorem, reading)
    policy = _policy(settings, constants_file)
    policy.check_names((found.key, constant) for constant in found.constants)
    solution = evaluate(found, quantity, parse_values(values), policy, strict=strict)
    _print(solution_json(solution) if as_json else solution_text(solution))
    if solution.status == "empty":
        sys.exit(INFEASIBLE)


def parse_values(assignments: Iterable[str]) -> dict[str, Fraction]:
    """Read `name=value` arguments; any alias, any way of writing a number.

    Raises:
        InputError: no `=`, an unknown name, a value that is no number, a name given twice.
    """
    values: dict[str, Fraction] = {}
    for assignment in assignments:
        name, equals, number = (part.strip() for part in normalize(assignment).partition("="))
        if not equals or not name or not number:
            raise InputError(f"{assignment!r} is not name=value, e.g. epsilon=0.01")
        try:
            canonical = lookup(name).name
        except UnknownNameError:
            raise UnknownNameError("input", name, ALIASES, "constants go into --set") from None
        if canonical in values:
            raise InputError(f"{canonical} is given twice; give it once")
        values[canonical] = parse_number(number, canonical)
    return values


def _policy(settings: tuple[str, ...], constants_file: Path | None) -> ConstantPolicy:
    values = read_constants(constants_file) if constants_file else {}
    return ConstantPolicy({**values, **parse_settings(settings)})


def _print(answer: dict[str, Any] | str) -> None:
    click.echo(answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, indent=2))


def main() -> NoReturn:
    """Run the command; turn every foreseen problem into one line on stderr and exit code 2."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as problem:
        click.echo(f"boundcalc: {_one_line(problem.format_message())}", err=True)
        sys.exit(BAD_INPUT)
    except BoundcalcError as problem:
        click.echo(f"boundcalc: {_one_line(str(problem))}", err=True)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:
        # The reader has gone (`boundcalc list | head`): nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ANSWERED)
    sys.exit(ANSWERED)


def _one_line(message: str) -> str:
    return " ".join(message.split())
