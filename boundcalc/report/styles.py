"""One report in two styles, plain text and LaTeX: how formulas are written, and rows of words and algebra."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import sympy
from flint import arb

from boundcalc.constants import HiddenConstant
from boundcalc.derivation import Claim
from boundcalc.display import prose_latex
from boundcalc.notation import RELATIONS, latex, text
from boundcalc.numerics import Value, log10, positive_ball
from boundcalc.report.certificates import (
    growth_latex,
    growth_text,
    inequality,
    monomial_text,
    power_latex,
    power_text,
)
from boundcalc.report.certificates import latex as inline_latex
from boundcalc.report.tables import line_width, markdown_prose, wrapped
from boundcalc.symbols import show_fraction
from boundcalc.theorem import Bound
from boundcalc.tropical import Growth, Monomial, monomial_expr

LABEL = 13
"""How wide the labels of rows are in text."""

SHORT = 6
"""Up to how many characters of a number are written out; what is longer is a power of ten."""

CHOSEN = ("m", "n", "tau", "eta", "K", "T")
"""What an inequality is solved for where it can be: what statements choose."""

_SIGNS = {"≤": r"\le", "≥": r"\ge", "=": "=", "→": r"\to", ">": ">"}


@dataclass(frozen=True)
class Style:
    """How formulas and words are written: as plain text, or as LaTeX."""

    tex: bool = False

    def math(self, formula: str) -> str:
        """A formula within words."""
        return f"${formula}$" if self.tex else formula

    def prose(self, words: str) -> str:
        """Words that were written as plain text."""
        return prose_latex(words) if self.tex else words

    def relation(self, left: str, sign: str, right: str) -> str:
        """Two formulas and a sign between them."""
        return f"{left} {self.sign(sign)} {right}"

    def sign(self, sign: str) -> str:
        """A sign between formulas."""
        return _SIGNS[sign] if self.tex else sign

    def formula(self, expr: sympy.Expr) -> str:
        """A formula in the paper's notation."""
        if not self.tex:
            return text(expr)
        return latex(expr) if expr.has(HiddenConstant) else inline_latex(expr)

    def order(self, exact: Iterable[sympy.Expr], rest: sympy.Expr) -> str:
        """Terms that are exact, and Õ of the rest."""
        hidden = rf"\tilde{{O}}\left({self.formula(rest)}\right)" if self.tex else f"Õ({self.formula(rest)})"
        return " + ".join([*map(self.formula, exact), hidden])

    def claim(self, claim: Claim | Bound) -> str:
        """An inequality in the paper's notation."""
        left, right = (claim.left, claim.right) if isinstance(claim, Claim) else (claim.symbol, claim.expr)
        return self.relation(self.formula(left), RELATIONS[claim.relation], self.formula(right))

    def monomial(self, monomial: Monomial) -> str:
        """A monomial."""
        return inline_latex(monomial_expr(monomial)) if self.tex else monomial_text(monomial)

    def bracketed(self, monomial: Monomial) -> str:
        """A monomial to which a power can be put."""
        expr, shown = monomial_expr(monomial), self.monomial(monomial)
        if expr.is_Symbol or (expr.func == sympy.log and not self.tex):
            return shown
        return rf"\left({shown}\right)" if self.tex else f"({shown})"

    def growth(self, growth: Growth) -> str:
        """An order of growth."""
        return growth_latex(growth) if self.tex else growth_text(growth)

    def facts(self, facts: Iterable[Monomial], targets: Iterable[str] = CHOSEN) -> str:
        """Inequalities fact ≤ 1 within words, each solved for the first of the targets that it can be solved for."""
        solved = (inequality(fact, tuple(targets)) for fact in facts)
        return ", ".join(
            self.math(self.relation(self.monomial(left), sign, self.monomial(right))) for left, sign, right in solved
        )

    def powers(self, powers: Iterable[tuple[str, Fraction]]) -> str:
        """A product of powers of what is already written."""
        shown = [power_latex(base, power) if self.tex else power_text(base, power) for base, power in powers]
        return (r" \cdot " if self.tex else "·").join(shown) or "1"

    def ten_to(self, exponent: float) -> str:
        """A size by its decimal logarithm, to two digits behind the point."""
        shown = f"{exponent:.2f}".rstrip("0").rstrip(".")
        shown = "0" if shown == "-0" else shown
        return f"10^{{{shown}}}" if self.tex else f"10^{shown}"

    def number(self, value: Value) -> str:
        """A number, exactly where that is short."""
        plain = _exactly(value)
        if plain is not None and len(show_fraction(plain)) <= SHORT:
            return show_fraction(plain)
        return self.ten_to(size(value))


TEXT, TEX = Style(), Style(tex=True)


def _exactly(value: Value) -> Fraction | None:
    """A number as a fraction, where it is one of moderate size."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, arb) and value.is_exact() and 10**-SHORT < value < 10**SHORT:
        mantissa, exponent = (int(part) for part in value.man_exp())
        return mantissa * Fraction(2) ** exponent
    return None


def size(value: Value) -> float:
    """The decimal logarithm of a positive number."""
    if isinstance(value, arb):
        return log10(value)
    number = sympy.Symbol("number")
    return log10(positive_ball(number, {number: value}))


@dataclass(frozen=True)
class Equation:
    """One line of algebra, and what is to be said of it."""

    left: str
    sign: str
    right: str
    remark: str = ""


@dataclass(frozen=True)
class Row:
    """A label, words, and algebra below them."""

    label: str
    words: str = ""
    equations: tuple[Equation, ...] = ()


def text_lines(rows: Iterable[Row], width: int | None = None) -> Iterator[str]:
    """Rows as lines of text, wrapped to the terminal if there is one; a label that repeats is written once."""
    previous = ""
    for row in rows:
        head = "" if row.label == previous else row.label
        previous = row.label
        said = [row.words] if row.words else []
        said += [_equation_text(equation) for equation in row.equations]
        for words in said:
            for number, piece in enumerate(wrapped(words, line_width(width) - LABEL - 2).split("\n")):
                yield f"{head:<{LABEL - 1}} {'  ' if number else ''}{piece}".rstrip()
                head = ""


def _equation_text(equation: Equation) -> str:
    line = f"{equation.left} {equation.sign} {equation.right}"
    return f"{line}, {equation.remark}" if equation.remark else line


def markdown_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Rows as the items of a list, with algebra as items below them."""
    for row in rows:
        yield f"- *{markdown_prose(row.label)}*: {markdown_prose(row.words)}".rstrip()
        yield from (f"  - {markdown_prose(_equation_text(equation))}" for equation in row.equations)


def tex_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Rows as the items of a list, with algebra aligned; needs amsmath."""
    items: list[tuple[str, list[str]]] = []
    for row in rows:
        if not items or items[-1][0] != row.label:
            items.append((row.label, []))
        parts = items[-1][1]
        if row.words:
            parts += [*([r"\newline"] if parts else []), row.words]
        if row.equations:
            parts.append(_aligned(row.equations))
    yield r"\begin{itemize}"
    for label, parts in items:
        yield "\n".join([rf"\item \emph{{{label}}}:", *parts])
    yield r"\end{itemize}"


def _aligned(equations: Iterable[Equation]) -> str:
    rows = [
        f"{equation.left} &{_SIGNS[equation.sign]} {equation.right}"
        + (rf" && \text{{{equation.remark}}}" if equation.remark else "")
        for equation in equations
    ]
    return "\n".join([r"\begin{align*}", " \\\\\n".join(rows), r"\end{align*}"])
