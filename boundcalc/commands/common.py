"""What several commands share: options, and reading what they are given."""

from __future__ import annotations

import gc
import os
import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from boundcalc.commands.completers import complete_constant, complete_source
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.parsing import normalize, parse_number

if TYPE_CHECKING:
    from sympy import Expr

    from boundcalc.constants import ConstantPolicy
    from boundcalc.measuring import DataFacts


Command = TypeVar("Command", bound=Callable[..., Any])


ANSWERED, BAD_INPUT, INFEASIBLE = 0, 2, 3


class _Named(click.Path):
    """A path that is not empty, which would be the folder that one is in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("'' names neither a file nor a folder", param, ctx)
        return super().convert(value, param, ctx)


A_PATH = _Named(path_type=Path, readable=False)
"""A file or a folder; whether it can be read is said, with its mend, where it is."""

COMPLETION_VARIABLE = "_BOUNDCALC_COMPLETE"
"""The environment variable by which a shell asks for completions."""


def constant_options(command: Command) -> Command:
    """Where hidden constants come from."""
    command = click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE", shell_complete=complete_constant,
        help="Value of a hidden constant: C_m=2, C=2 (every factor), chen2019/thm2.1:C_m=2. Repeatable.",
    )(command)  # fmt: skip
    command = click.option(
        "--constants", "constants_file", type=A_PATH, metavar="FILE",
        help="TOML file of hidden constants; --set goes before it.",
    )(command)  # fmt: skip
    return click.option("--strict", is_flag=True, help="Refuse assumed inputs and unit constants.")(command)


def theorems_option(command: Command) -> Command:
    """Files of further statements."""
    return click.option(
        "--theorems", "theorem_files", multiple=True, type=A_PATH, metavar="FILE",
        help="TOML file of further theorems. Repeatable.",
    )(command)  # fmt: skip


def json_option(command: Command) -> Command:
    """One JSON object in place of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def form_options(command: Command) -> Command:
    """What goes into a paper, or one JSON object, in place of text: see `one_form`."""
    command = click.option("--tex", "as_tex", is_flag=True, help="Print LaTeX, for amsmath and booktabs.")(command)
    command = click.option("--md", "as_markdown", is_flag=True, help="Print Markdown.")(command)
    return json_option(command)


def one_form(as_json: bool, as_markdown: bool, as_tex: bool, named: str | None = None) -> str:
    """The form that `form_options` ask for: json, md, tex or text; or the one that is `named` by --format.

    Raises:
        InputError: they ask for several.
    """
    asked = {form: f"--{form}" for form, given in (("json", as_json), ("md", as_markdown), ("tex", as_tex)) if given}
    if named is not None:
        asked.setdefault("tex" if named == "latex" else named, f"--format {named}")
    if len(asked) > 1:
        raise InputError(f"{' and '.join(asked.values())} ask for different things; give one of them")
    return next(iter(asked), "text")


def data_options(command: Command) -> Command:
    """Where an answer takes inputs from that are not given."""
    for option in (
        click.option("--device", metavar="NAME", help="Where it is measured: auto, cpu or cuda [default: auto]."),
        click.option("--seed", metavar="N", help="Seed of the random features that it is measured by [default: 0]."),
        click.option("--label", metavar="COLUMN", help="Label column of a file, by name or number [default: last]."),
        click.option("--classes", metavar="A,B", help="The two classes of the data; A becomes +1, B −1."),
        click.option(
            "--data", metavar="SOURCE", shell_complete=complete_source,
            help="Take what you do not give (n, γ, φ, λ₀, …) from data: see boundcalc data.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def reading_option(command: Command) -> Command:
    """Which reading of a corollary is meant."""
    return click.option(
        "--reading", type=click.Choice(["stated", "unfolded"]), default="stated", show_default=True,
        help="A corollary as stated, or with what its proof plugs in.",
    )(command)  # fmt: skip


def constant_policy(settings: tuple[str, ...], constants_file: Path | None) -> ConstantPolicy:
    """The values of hidden constants: those of --set go before those of the file."""
    from boundcalc.constants import ConstantPolicy, parse_settings, read_constants

    held = read_constants(constants_file) if constants_file else ConstantPolicy()
    own = parse_settings(settings)
    kept = {name: value for name, value in held.values.items() if not _set_again(name, own)}
    measured = {name: origin for name, origin in held.calibrated.items() if name in kept}
    return ConstantPolicy({**kept, **own}, measured)


def _set_again(name: str, own: Collection[str]) -> bool:
    """Whether `own` sets a constant of the file: by its name there, for any statement, or with all of its role."""
    constant = name.rpartition(":")[2]
    return any(one in own for one in (name, constant, constant.partition("_")[0]))


def data_facts(
    source: str | None, classes: str | None, label: str | None, seed: str | None, device: str | None
) -> DataFacts | None:
    """The data from which inputs are taken, if there are any."""
    if source is None:
        options = {"--classes": classes, "--label": label, "--seed": seed, "--device": device}
        for name, value in options.items():
            if value is not None:
                raise InputError(f"{name} {value} is about data: give --data SOURCE too, or drop it")
        return None
    gc.enable()
    chosen, number = two_classes(classes), whole_number(seed, "--seed", least=0)
    from boundcalc.commands.progress import announce
    from boundcalc.data import load
    from boundcalc.measuring import DataFacts

    return DataFacts(
        load(source, classes=chosen, label=label),
        seed=number or 0,
        device=device or "auto",
        announce=lambda name: announce(f"measuring {name}"),
    )


def two_classes(classes: str | None) -> tuple[str, str] | None:
    """Read `A,B`, two different names."""
    if classes is None:
        return None
    parts = [part.strip() for part in classes.split(",")]
    if len(parts) != 2 or not all(parts) or parts[0] == parts[1]:
        raise InputError(f"--classes {classes!r} does not name two different classes; give --classes 3,8, say")
    return parts[0], parts[1]


def whole_number(text: str | None, what: str, least: int = 1) -> int | None:
    """Read an integer ≥ `least`, in any way of writing a number; `what` names it where it is none."""
    if text is None:
        return None
    value = parse_number(text, what)
    if value.denominator != 1 or value < least:
        raise InputError(f"{what} {text} is not an integer ≥ {least}")
    return int(value)


def parse_values(assignments: Iterable[str]) -> dict[str, Fraction]:
    """Read `name=value` arguments; any alias, any way of writing a number.

    Raises:
        InputError: no `=`, an unknown name, a value that is no number, a name given twice.
    """
    return {name: parse_number(number, name) for name, number in split_assignments(assignments).items()}


def parse_inputs(assignments: Iterable[str]) -> dict[str, Fraction | Expr]:
    """Read `name=value` arguments whose values may also be formulas in other symbols, as in tau=R*m^(-1/2).

    Raises:
        InputError: as for `parse_values`; or a value that is neither a number nor a formula.
    """
    return {name: number_or_formula(name, value) for name, value in split_assignments(assignments).items()}


def number_or_formula(name: str, value: str) -> Fraction | Expr:
    """Read one value of `parse_inputs`."""
    try:
        return parse_number(value, name)
    except InputError as no_number:
        if not any(character.isalpha() for character in value):
            raise
        from boundcalc.formula import parse_formula  # Only here: numbers are the rule.

        try:
            return parse_formula(value, what=name)
        except InputError as no_formula:
            if str(no_formula) == str(no_number):
                raise no_number from None
            raise InputError(f"{no_number}; nor a formula: {no_formula}") from None


def split_assignments(assignments: Iterable[str], constants: Collection[str] = ()) -> dict[str, str]:
    """Split `name=value` arguments, by the proper names of their symbols, or of hidden constants."""
    from boundcalc.symbols import ALIASES, lookup

    values: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = (part.strip() for part in normalize(assignment).partition("="))
        if not equals or not name or not value:
            raise InputError(f"{assignment!r} is not name=value, e.g. epsilon=0.01")
        try:
            canonical = name if name in constants else lookup(name).name
        except UnknownNameError:
            own = ", ".join(sorted(constants))
            mend = f"its hidden constants are {own}" if own else "constants go into --set"
            raise UnknownNameError("input", name, [*ALIASES, *constants], mend) from None
        if canonical in values:
            raise InputError(f"{canonical} is given twice; give it once")
        values[canonical] = value
    return values


def terminal_width(*, err: bool = False) -> int | None:
    """The columns of the terminal that is written to; None where it is none: a file or a pipe is as wide as need be."""
    return shutil.get_terminal_size().columns if (sys.stderr if err else sys.stdout).isatty() else None


_COLOURS = {
    "green": "supported|holds in the limit|holds",
    "yellow": "inconclusive|undecided|loose|vacuous",
    "red": "refuted at these constants|fails in the limit|premise unmet|violated|unmet",
}
_VERDICT = re.compile(
    # What stands alone in a cell, begins a line, follows its label or a key, or is said of a value in parentheses.
    r"(?m)(?:(?<=^)|(?<=  )|(?<=│ )|(?<=\()|(?<=none: )|(?<=[0-9]: ))"
    rf"(?:{'|'.join(f'(?P<{colour}>{words})' for colour, words in _COLOURS.items())})"
    r"(?=[ :;,.)]|$)"
)


def in_colour() -> bool:
    """Whether to colour: on a terminal that can, or where FORCE_COLOR is set; never where NO_COLOR is."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")


def coloured(text: str) -> str:
    """Text with its verdicts coloured, if that is wanted: see `in_colour`."""
    if not in_colour():
        return text
    return _VERDICT.sub(lambda found: click.style(found[0], fg=found.lastgroup, bold=True), text)


def show_answer(answer: dict[str, Any] | str) -> None:
    """Print text, its verdicts coloured on a terminal, or an object as JSON."""
    if isinstance(answer, str):
        answer = coloured(answer)
    else:
        import json

        answer = json.dumps(answer, ensure_ascii=False, indent=2)
    try:
        click.echo(answer, color=in_colour())
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()  # The reader has gone (`boundcalc list | head`): nothing is left to say.


def drop_output() -> None:
    """Let what is not written yet go nowhere, so that the end of the process does not try again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
