"""`compare`: which bound is smaller, and where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from boundcalc.commands.common import (
    A_PATH,
    constant_options,
    constant_policy,
    form_options,
    number_or_formula,
    one_form,
    parse_inputs,
    reading_option,
    show_answer,
    split_assignments,
    terminal_width,
    theorems_option,
)
from boundcalc.commands.completers import complete_side
from boundcalc.errors import InputError
from boundcalc.parsing import normalize

if TYPE_CHECKING:
    pass


@click.command(short_help="Decide which bound is smaller, and where.")
@click.argument("arguments", nargs=-1, metavar="A B [C]... [NAME=EXPRESSION]...", shell_complete=complete_side)
@click.option(
    "--quantity",
    metavar="NAME",
    help="width, error, iterations, … [default: width if all bound it, else the first shared].",
)
@click.option(
    "--for", "solve_for", metavar="SYMBOL", help="Symbol for which the region is solved [default: L, if it can be]."
)
@click.option("--all", "everything", is_flag=True, help="Compare every statement that bounds the quantity.")
@click.option(
    "--map",
    "plane",
    metavar="X,Y",
    help="Draw which is the smallest over two symbols; ranges as n=1:1e6:log200; L counts hidden layers.",
)
@click.option("-o", "--out", type=A_PATH, metavar="FILE", help="The map: FILE.svg, .png or .pdf.")
@constant_options
@theorems_option
@reading_option
@form_options
def compare(
    arguments: tuple[str, ...],
    quantity: str | None,
    solve_for: str | None,
    everything: bool,
    as_markdown: bool,
    as_tex: bool,
    plane: str | None,
    out: Path | None,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    theorem_files: tuple[Path, ...],
    reading: str,
    as_json: bool,
) -> None:
    """Decide where A ≤ B, up to constants and logarithms, and say why: statements, or formulas such as "L^22*n".

    \b
    boundcalc compare chen2019/thm2.1 zou2020 --for L alpha=1/2 "R=n^(3/2)*phi^(-1/2)"
    boundcalc compare chen2019/thm2.2 epsilon --quantity error --for n
    boundcalc compare zou2020 zou2019 allenzhu2019 cao2020/cor3.3 --tex
    boundcalc compare zou2020 zou2019 cao2020/cor3.3 --map n,L n=1:1e6:log200 L=2:50 -o map.svg
    """
    from boundcalc.catalogue import load
    from boundcalc.comparison import compare as decide
    from boundcalc.comparison import rank
    from boundcalc.report import comparison as report

    sides = [argument for argument in arguments if "=" not in argument]
    form = one_form(as_json, as_markdown, as_tex)
    if everything and sides:
        raise InputError(f"--all compares every statement: drop {', '.join(sides)}, or drop --all")
    if not everything and len(sides) < 2:
        raise InputError("compare needs two statements or formulas, or --all; see boundcalc compare --help")
    assignments = [argument for argument in arguments if "=" in argument]
    options: dict[str, Any] = {
        "reading": reading,
        "policy": constant_policy(settings, constants_file),
        "catalogue": load(theorem_files),
    }
    if plane is not None:
        if out is None or strict or solve_for or as_markdown or as_tex:
            raise InputError("--map draws into a file: give -o map.svg, without --strict, --for, --md or --tex")
        show_answer(_drawn(None if everything else sides, quantity, plane, assignments, out, as_json, options))
        return
    options |= {"solve_for": solve_for, "given": parse_inputs(assignments), "strict": strict}
    width = terminal_width()
    if len(sides) == 2 and form in ("json", "text"):
        comparison = decide(sides[0], sides[1], quantity, **options)
        show_answer(report.comparison_json(comparison) if as_json else report.comparison_text(comparison, width))
        return
    ranking = rank(None if everything else sides, quantity, **options)
    if form == "json":
        show_answer(report.ranking_json(ranking))
    elif form == "text":
        show_answer(report.ranking_text(ranking, width))
    else:
        show_answer(report.ranking_latex(ranking) if form == "tex" else report.ranking_markdown(ranking))


def _drawn(
    sides: list[str] | None,
    quantity: str | None,
    plane: str,
    assignments: list[str],
    out: Path,
    as_json: bool,
    options: dict[str, Any],
) -> dict[str, Any] | str:
    """Draw a map, and say what is on it."""
    from boundcalc.comparison.maps import smallest_map
    from boundcalc.report.maps import check_path, map_json, map_text, write_map
    from boundcalc.symbols import lookup

    check_path(out)
    texts = split_assignments(assignments)
    names = [lookup(normalize(name).strip()).name for name in plane.split(",")]
    axes = {name: texts.pop(name, "") for name in names}
    given = {name: number_or_formula(name, value) for name, value in texts.items()}
    drawn = smallest_map(sides, axes, quantity, given=given, **options)
    write_map(drawn, out)
    return map_json(drawn, out) if as_json else map_text(drawn, out, terminal_width())
