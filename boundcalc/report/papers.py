"""Answers and the catalogue as tables for papers: Markdown, and LaTeX with booktabs' rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from boundcalc.display import prose_latex
from boundcalc.notation import LATEX_RELATIONS, latex
from boundcalc.numerics import Rounding
from boundcalc.query import Reply
from boundcalc.report.answers import (
    CATALOGUE_HEADERS,
    COLUMNS,
    catalogue_rows,
    formulas_latex,
    reading_key,
    reply_notes,
    reply_row,
    solution_rows,
)
from boundcalc.report.tables import escaped, latex_table, markdown_prose, markdown_table
from boundcalc.solving import UNANSWERED, Solution
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.theorem import Catalogue

ASSUMED = r"\textsuperscript{*}"
"""What marks an input that was assumed, in LaTeX."""

_DIGITS, _WHOLE = 5, 6
_THOUSANDTH, _LONG_EXPONENT = Decimal("0.001"), 10**12
_SCIENTIFIC = re.compile(r"(≈?)(\d+(?:\.\d+)?)e([+-]\d+)")


def reply_markdown(reply: Reply) -> str:
    """An answered query as a Markdown table, and below it what it rests on."""
    return _markdown(reply.answers, reply_notes(reply))


def reply_latex(reply: Reply) -> str:
    """An answered query as a LaTeX table; what it rests on besides is said in comments. Needs booktabs, amsmath."""
    return _latex(reply.answers, reply_notes(reply))


def solution_markdown(solution: Solution) -> str:
    """One answer as a Markdown table, and below it everything that went into it."""
    return _markdown((solution,), [f"{label}: {value}" for label, value in solution_rows(solution)])


def solution_latex_table(solution: Solution) -> str:
    """One answer as a LaTeX table; everything that went into it is said in comments. Needs booktabs, amsmath."""
    return _latex((solution,), [f"{label}: {value}" for label, value in solution_rows(solution)])


def catalogue_markdown(catalogue: Catalogue) -> str:
    """All statements as a Markdown table."""
    return markdown_table(catalogue_rows(catalogue), CATALOGUE_HEADERS)


def catalogue_latex(catalogue: Catalogue) -> str:
    """All statements as a LaTeX table; needs booktabs."""
    return latex_table(([*map(prose_latex, row)] for row in catalogue_rows(catalogue)), CATALOGUE_HEADERS)


def _markdown(solutions: Sequence[Solution], said: Iterable[str]) -> str:
    measured = any(solution.measured for solution in solutions)
    headers = [column for column in COLUMNS if measured or column != "measured"]
    rows = [[row[header] for header in headers] for row in map(reply_row, solutions)]
    notes = (line.strip().replace("\n", " ") for line in said)
    return "\n".join([markdown_table(rows, headers), "", *(f"- {markdown_prose(note)}" for note in notes if note)])


def _latex(solutions: Sequence[Solution], said: Iterable[str]) -> str:
    notes = (part.strip() for line in said for part in line.split("\n"))
    rows = [
        (
            escaped(reading_key(solution.theorem)),
            " and ".join(f"${formula}$" for formula in formulas_latex(solution)),
            _value(solution),
            _inputs(solution),
            _constants(solution) or "none",
        )
        for solution in solutions
    ]
    headers = ("statement", "bound", "value", "inputs", "constants")
    star = [f"% {ASSUMED}: assumed, not given"] if any(solution.assumed for solution in solutions) else []
    return "\n".join([*(f"% {note}" for note in notes if note), *star, latex_table(rows, headers)])


def _value(solution: Solution) -> str:
    if solution.status in UNANSWERED:
        return "none" if solution.status == "empty" else "premise unmet"
    if solution.status == "all":
        return "any"
    if solution.upper is not None:
        low, high = short_number(solution.number, "up"), short_number(solution.upper.number, "down")
        return f"${number_latex(low)}$ to ${number_latex(high)}$"
    value = number_latex(short_number(solution.number, _safe_side(solution)))
    shown = f"${latex(solution.symbol)} {LATEX_RELATIONS[solution.relation]} {value}$"
    return f"{shown} (vacuous)" if solution.status == "vacuous" else shown


def _safe_side(solution: Solution) -> Rounding:
    """The side to which the answer was rounded: away from what is not admitted, or not promised."""
    bound = solution.bounds[0]
    if bound.symbol == solution.symbol:
        return bound.rounding
    return "up" if solution.relation == ">=" else "down"


def short_number(number: str, side: Rounding) -> str:
    """A number with the digits that a paper would print, rounded to one side: 5 of them, or 3 in a power of ten's.

    Integers below 10^6 stay as they are; those above, and what is below 0.001, get a power of ten.
    """
    rounding = ROUND_CEILING if side == "up" else ROUND_FLOOR
    if number.startswith("10^"):
        exponent = Decimal(number[3:].strip("()"))
        return number if abs(exponent) >= _LONG_EXPONENT else f"10^{_plain(exponent.quantize(_THOUSANDTH, rounding))}"
    if number.isdigit() and len(number) <= _WHOLE:
        return number
    rounded = Context(prec=_DIGITS, rounding=rounding).create_decimal(number)
    power = rounded.adjusted()
    return _plain(rounded) if -3 <= power < _WHOLE else f"{_plain(rounded.scaleb(-power))}e{power:+03d}"


def _plain(number: Decimal) -> str:
    """A decimal without zeros at its end."""
    return f"{number.normalize():f}"


def _inputs(solution: Solution) -> str:
    """What was given and, marked by a star, what was assumed."""
    given = [f"${VOCABULARY[name].latex} = {number_latex(show_fraction(v))}$" for name, v in solution.inputs.items()]
    given += [f"${VOCABULARY[name].latex} = {latex(expr)}$" for name, expr in solution.formulas.items()]
    assumed = [f"${VOCABULARY[one.name].latex} = {number_latex(one.text)}${ASSUMED}" for one in solution.assumed]
    return ", ".join([*given, *assumed])


def _constants(solution: Solution) -> str:
    symbols = {constant.name: latex(constant) for constant in solution.theorem.constants}
    return ", ".join(f"${symbols[use.name]} = {number_latex(show_fraction(use.value))}$" for use in solution.constants)


def number_latex(number: str) -> str:
    r"""A number as this library writes it, in LaTeX's mathematics: 5.1e+40 as 5.1 \times 10^{40}, all digits kept."""
    if number.isdigit():
        return f"{int(number):,}".replace(",", r"\,") if len(number) > 4 else number
    if found := _SCIENTIFIC.fullmatch(number):
        about, mantissa, exponent = found.groups()
        power = f"10^{{{int(exponent)}}}"
        return (r"\approx " if about else "") + (power if mantissa == "1" else rf"{mantissa} \times {power}")
    base, caret, exponent = number.partition("^")
    return f"{base}^{{{exponent.strip('()')}}}" if caret else number
