"""`sweep`: a quantity over ranges."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from boundcalc.commands.common import (
    A_PATH,
    INFEASIBLE,
    constant_options,
    constant_policy,
    form_options,
    number_or_formula,
    one_form,
    reading_option,
    show_answer,
    split_assignments,
    terminal_width,
    theorems_option,
)
from boundcalc.commands.completers import complete_quantity, complete_range, complete_theorem
from boundcalc.errors import InputError

if TYPE_CHECKING:
    pass


@click.command("sweep", short_help="Evaluate a quantity over ranges: a table or a plot.")
@click.argument("theorem", shell_complete=complete_theorem)
@click.argument("quantity", shell_complete=complete_quantity)
@click.argument("values", nargs=-1, metavar="[NAME=RANGE]...", shell_complete=complete_range)
@click.option(
    "-o",
    "--out",
    type=A_PATH,
    metavar="FILE",
    help="Write a table (.csv, .md, .tex) or a plot (.svg, .png, .pdf) in place of printing a table.",
)
@constant_options
@theorems_option
@reading_option
@form_options
def sweep_over(
    theorem: str,
    quantity: str,
    values: tuple[str, ...],
    out: Path | None,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    theorem_files: tuple[Path, ...],
    reading: str,
    as_json: bool,
    as_markdown: bool,
    as_tex: bool,
) -> None:
    """Evaluate a QUANTITY of a THEOREM over ranges of its inputs and hidden constants, which span a grid.

    A range is a list 2,3,5, values spaced by logarithms 1e-3:1e-1:log25 or evenly 0.1:0.9:lin9, or every integer of
    2:10; of an integer symbol, spaced values are rounded and each is taken once.

    \b
    boundcalc sweep chen2019/thm2.1 width n=1e2:1e6:log25 L=2,3,5 -o widths.csv
    boundcalc sweep cao2020/thm3.1 width tau=1e-9:1e-6:log200 L=2:4 -o widths.svg
    boundcalc sweep chen2019/thm2.1 width L=2:6 C_m=0.1,1,10 --tex
    """  # fmt: skip
    from boundcalc.catalogue import load
    from boundcalc.report.sweeps import (
        check_path,
        sweep_json,
        sweep_latex,
        sweep_markdown,
        sweep_text,
        with_what,
        write_sweep,
    )
    from boundcalc.report.tables import folded
    from boundcalc.sweeps import Axis, is_axis, parse_axis, sweep

    form = one_form(as_json, as_markdown, as_tex)
    if out is not None:
        check_path(out)
    found = load(theorem_files).find(theorem, reading)
    policy = constant_policy(settings, constants_file)
    policy.check_names((found.key, constant) for constant in found.constants)
    texts = split_assignments(values, {constant.name for constant in found.constants})
    read = {n: parse_axis(v, n) if is_axis(v) else number_or_formula(n, v) for n, v in texts.items()}
    given = {name: value.values if isinstance(value, Axis) else value for name, value in read.items()}
    if not any(isinstance(value, Axis) for value in read.values()):
        raise InputError("a sweep runs over ranges: give one, as L=2:10 or epsilon=1e-3:1e-1:log25; eval takes numbers")
    swept = sweep(found, quantity, given, policy, strict=strict)
    if out is not None:
        write_sweep(swept, out)
    if form == "json":
        show_answer(sweep_json(swept))
    elif form != "text":
        show_answer((sweep_latex(swept) if form == "tex" else sweep_markdown(swept)).rstrip())
    elif out is None:
        show_answer(sweep_text(swept, terminal_width()))
    for value in read.values():
        if isinstance(value, Axis) and value.note:
            click.echo(value.note, err=True)
    if out is not None and form == "text":
        said = [*with_what(swept), f"wrote {out}: {swept.log10.size} points"]
        show_answer(folded("\n".join(said), terminal_width()))
    if (swept.status == "empty").all():
        sys.exit(INFEASIBLE)
