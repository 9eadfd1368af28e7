"""Answers as a notebook shows them."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from boundcalc.display import PROVENANCES, prose_html, table_html
from boundcalc.mathml import from_latex
from boundcalc.notation import LATEX_RELATIONS, bound_mathml, hidden_by, latex, mathml
from boundcalc.solving.solution import UNANSWERED, Solution
from boundcalc.symbols import VOCABULARY, show_fraction


def solution_latex(solution: Solution) -> str:
    r"""The answer as one inequality: `m \ge 3`, `2 \le m \le 5`, `m \in \emptyset`."""
    symbol = latex(solution.symbol)
    if solution.status in UNANSWERED:
        return rf"{symbol} \in \emptyset"
    if solution.status == "all":
        return rf"\mathrm{{any}} {symbol}"
    number = number_latex(solution.number)
    if solution.lower is not None and solution.upper is not None:
        return rf"{number} \le {symbol} \le {number_latex(solution.upper.number)}"
    return f"{symbol} {LATEX_RELATIONS[solution.relation]} {number}"


def number_latex(number: str) -> str:
    r"""A number of an answer: `1.5e-07` as 1.5 \cdot 10^{-7}, `10^1234.5` as 10^{1234.5}."""
    if number.startswith("10^"):
        exponent = number[3:].strip("()")
        return f"10^{{{number_latex(exponent)}}}"
    mantissa, _, power = number.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(power)}}}" if power else mantissa


def solution_html(solution: Solution) -> str:
    """An answer with all that went into it, as one HTML element, well-formed XML, its formulas in MathML."""
    return table_html(f"{solution.theorem.key}: {solution.theorem.title}", _cells(solution))


def _cells(solution: Solution) -> Iterator[tuple[str, str]]:
    remark = f" ({solution.status})" if solution.status in ("vacuous", "premise unmet") else ""
    yield solution.quantity, from_latex(solution_latex(solution)) + remark
    for bound in (*solution.bounds, *solution.caps):
        yield "formula", bound_mathml(bound)
    measured = {one.name for one in solution.measured}
    for name, value in solution.inputs.items():
        if name not in measured:
            yield "given", _equals(name, show_fraction(value))
    for name, expr in solution.formulas.items():
        yield "given", from_latex(f"{VOCABULARY[name].latex} = {latex(expr)}")
    for one in solution.measured:
        found = _equals(one.name, one.text) if one.value is not None else f"no {mathml(VOCABULARY[one.name].expr)}"
        yield "measured", f"{found}, {prose_html(f'on {one.source}: {one.origin}')}"
    for assumed in solution.assumed:
        why = prose_html(f"({assumed.why}): {VOCABULARY[assumed.name].meaning}")
        yield "assumed", f"{_equals(assumed.name, assumed.text)} {why}"
    for use in solution.constants:
        shown = from_latex(f"{latex(use.constant)} = {number_latex(show_fraction(use.value))}")
        yield "constant", f"{shown}, {prose_html(f'hidden by {hidden_by(use.hides)}: {use.origin}')}"
    yield "constants from", f"{solution.policy} policy"
    yield "provenance", escape(f"{solution.provenance}: {PROVENANCES[solution.provenance]}")
    for note in (*solution.cautions, *solution.unmet, *solution.notes):
        yield "note", prose_html(note)


def _equals(name: str, value: str) -> str:
    """An input and its value, as one formula."""
    return from_latex(f"{VOCABULARY[name].latex} = {number_latex(value)}")
