"""Formulas for people, in the paper's notation: plain text, LaTeX and MathML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from boundcalc.constants import HiddenConstant, Notation, substitute
from boundcalc.mathml import GREEK, from_latex
from boundcalc.symbols import VOCABULARY
from boundcalc.theorem import Bound

RELATIONS = {">=": "≥", "<=": "≤", "=": "="}
LATEX_RELATIONS = {">=": r"\ge", "<=": r"\le", "=": "="}
_NOTATIONS = {notation.__name__.lstrip("_"): notation.text_name for notation in Notation.__subclasses__()}


def hidden_by(hides: str) -> str:
    """What a constant is hidden by, as the paper writes it: Õ for `Otilde`; poly(L) and words stay as they are."""
    return _NOTATIONS.get(hides, hides)


class _TextPrinter(StrPrinter):
    """sympy's own printer, with ^ for powers, · for products and the paper's Õ, Θ, …"""

    numbers: Mapping[str, str] = MappingProxyType({})

    def parenthesize(self, item: sympy.Expr, level: int, strict: bool = False) -> str:
        """As sympy's, and round a number put in that is more than digits: (1/3)^14, (1e-12)^(4/3)."""
        number = self.numbers.get(item.name) if item.is_Symbol else None
        if number is not None and not number.replace(".", "", 1).isdigit():
            return f"({number})"
        return super().parenthesize(item, level, strict=strict)

    def _print_Symbol(self, expr: sympy.Symbol) -> str:
        if expr.name in self.numbers:
            return self.numbers[expr.name]
        entry = VOCABULARY.get(expr.name)
        return entry.text if entry and not isinstance(expr, HiddenConstant) else expr.name

    def _print_Shorthand(self, expr: sympy.Symbol) -> str:
        return GREEK.get(expr.name, expr.name)

    def _print_Notation(self, expr: Notation) -> str:
        return f"{expr.text_name}({self._print(expr.args[0])})"

    _print__O = _print__Theta = _print__Omega = _print__Otilde = _print__Omegatilde = _print_Notation

    def _print_Pow(self, expr: sympy.Pow, rational: bool = False) -> str:
        if expr.exp == sympy.Rational(1, 2):
            return f"√{self.parenthesize(expr.base, PRECEDENCE['Atom'], strict=True)}"
        text: str = super()._print_Pow(expr, rational=True)
        return text.replace("**", "^")

    def _print_Mul(self, expr: sympy.Mul) -> str:
        above, below = _fraction(expr, lambda power: power.could_extract_minus_sign())
        negative, above = _without_sign(above)
        sign = "-" if negative else ""
        over, under = (
            "·".join(self.parenthesize(factor, PRECEDENCE["Mul"], strict=True) for factor in factors)
            for factors in (above, below)
        )
        if len(below) > 1:
            under = f"({under})"
        return sign + (f"{over or 1}/{under}" if below else over or "1")

    def _print_Add(self, expr: sympy.Add, order: str | None = None) -> str:
        return super()._print_Add(sympy.Add._from_args(_flat(expr)), order)

    def _print_Max(self, expr: sympy.Max) -> str:
        return f"max({', '.join(self._print(arg) for arg in expr.args)})"

    def _print_Min(self, expr: sympy.Min) -> str:
        return f"min({', '.join(self._print(arg) for arg in expr.args)})"


def _flat(expr: sympy.Expr) -> list[sympy.Expr]:
    """The arguments of a sum or product that was left as written, nested ones of the same kind taken apart."""
    return [inner for arg in expr.args for inner in (_flat(arg) if isinstance(arg, expr.func) else [arg])]


def _fraction(
    product: sympy.Mul, goes_below: Callable[[sympy.Expr], bool]
) -> tuple[list[sympy.Expr], list[sympy.Expr]]:
    """The factors above and below the line, where a power goes below if `goes_below` says so of its exponent."""
    above: list[sympy.Expr] = []
    below: list[sympy.Expr] = []
    for factor in _flat(product):
        if factor.is_Pow and goes_below(factor.exp):
            inverse = factor.base if factor.exp == -1 else sympy.Pow(factor.base, -factor.exp, evaluate=False)
            below += _flat(inverse) if inverse.is_Mul else [inverse]
        elif factor.is_Rational and factor.q != 1:
            above += [sympy.Integer(factor.p)] if factor.p != 1 else []
            below.append(sympy.Integer(factor.q))
        elif factor != 1:
            above.append(factor)
    return above, below


def _without_sign(factors: list[sympy.Expr]) -> tuple[bool, list[sympy.Expr]]:
    """Whether the first factor is a negative number, and the factors without its sign."""
    negative = bool(factors) and factors[0].is_Rational and factors[0] < 0
    return negative, [factor for factor in (-factors[0], *factors[1:]) if factor != 1] if negative else factors


class _LatexPrinter(LatexPrinter):
    """sympy's own printer, with products, sums and powers as they are written in the formula.

    Only what is divided by goes below a line; in exponents, roots and logarithms the line is a slash.
    """

    def __init__(self) -> None:
        super().__init__({"order": "none"})
        self.slash = False

    def inline(self, expr: sympy.Expr) -> str:
        """Print a formula with slashes for lines."""
        outer, self.slash = self.slash, True
        printed: str = self._print(expr)
        self.slash = outer
        return printed

    def _print_Symbol(self, expr: sympy.Symbol, style: str = "plain") -> str:
        entry = VOCABULARY.get(expr.name)
        return entry.latex if entry and not isinstance(expr, HiddenConstant) else _latex_name(expr.name)

    def _print_Rational(self, expr: sympy.Rational) -> str:
        return f"{expr.p}/{expr.q}" if self.slash and expr.q != 1 else super()._print_Rational(expr)

    def _print_log(self, expr: sympy.log) -> str:
        return rf"\log\left({self.inline(expr.args[0])}\right)"

    def _print_Max(self, expr: sympy.Expr) -> str:
        arguments = ", ".join(self._print(argument) for argument in expr.args)
        return rf"\{type(expr).__name__.lower()}\left\{{{arguments}\right\}}"

    _print_Min = _print_Max

    def _print_Add(self, expr: sympy.Add, order: str | None = None) -> str:
        first, *others = (self._print(term) for term in _flat(expr))
        return first + "".join(f" - {term[1:].lstrip()}" if term[0] == "-" else f" + {term}" for term in others)

    def _print_Pow(self, expr: sympy.Pow) -> str:
        base, exponent = expr.args
        if exponent == sympy.S.Half:
            return rf"\sqrt{{{self.inline(base)}}}"
        if exponent == -1:
            return self._over([], _flat(base) if base.is_Mul else [base])
        below = rf"\left[{self._print(base)}\right]" if base.is_Function else self._held(base, PRECEDENCE["Atom"])
        return rf"{below}^{{{self.inline(exponent)}}}"

    def _print_Mul(self, expr: sympy.Mul) -> str:
        above, below = _fraction(expr, lambda power: power == -1)
        negative, above = _without_sign(above)
        return ("- " if negative else "") + self._over(above, below)

    def _over(self, above: list[sympy.Expr], below: list[sympy.Expr]) -> str:
        if not below:
            return self._row(above)
        if self.slash:
            under = self._row(below)
            return f"{self._row(above)}/" + (rf"\left({under}\right)" if len(below) > 1 else under)
        over, under = (
            self._print(factors[0]) if len(factors) == 1 else self._row(factors) for factors in (above, below)
        )
        return rf"\frac{{{over}}}{{{under}}}"

    def _row(self, factors: list[sympy.Expr]) -> str:
        """Factors side by side, with a dot before one that begins with a digit."""
        row = ""
        for factor in factors:
            printed = self._held(factor, PRECEDENCE["Mul"])
            row += (r" \cdot " if row and printed[0].isdigit() else " " if row else "") + printed
        return row or "1"

    def _held(self, expr: sympy.Expr, level: int) -> str:
        """Print a formula in parentheses where its neighbours could be taken to belong to it."""
        if expr.is_Symbol and _composite(expr):
            return rf"\left({self._print(expr)}\right)"
        return str(self.parenthesize(expr, level, strict=True))


def _composite(symbol: sympy.Symbol) -> bool:
    """Whether a symbol's LaTeX is a formula of its own, which a neighbour could be taken to belong to."""
    entry = VOCABULARY.get(symbol.name)
    return entry is not None and (entry.latex.startswith((r"\sum", r"\prod")) or "/L_S" in entry.latex)


def _latex_name(name: str) -> str:
    """A constant's name: C_eta as C with the subscript η, p_m_two_L with the subscript m, two, L."""
    base, *below = name.split("_")
    parts = ",".join(_latex_word(part) for part in below if part)
    return _latex_word(base) + (f"_{{{parts}}}" if parts else "")


def _latex_word(word: str) -> str:
    if word in VOCABULARY:
        return VOCABULARY[word].latex
    if len(word) == 1 or word.isdigit():
        return word
    return rf"\{word}" if word in GREEK else rf"\mathrm{{{word}}}"


def text(expr: sympy.Expr, numbers: Mapping[str, str] = MappingProxyType({})) -> str:
    """One line of plain Unicode text, with `numbers` written in place of the symbols and constants they name."""
    printer = _TextPrinter({"order": "none"})
    printer.numbers = numbers
    return printer.doprint(expr)


def latex(expr: sympy.Expr) -> str:
    """LaTeX in the paper's notation."""
    return str(_LatexPrinter().doprint(expr))


def mathml(expr: sympy.Expr) -> str:
    """MathML in the paper's notation: one `math` element, well-formed XML, for a browser or a notebook."""
    return from_latex(latex(expr))


def bound_text(bound: Bound, numbers: Mapping[str, str] = MappingProxyType({})) -> str:
    """An inequality as one line of text, perhaps with numbers put into its right-hand side."""
    expr, named = _named(bound)
    where = "".join(f" with {text(name)} = {text(part, numbers)}" for name, part in named)
    return f"{text(bound.symbol)} {RELATIONS[bound.relation]} {text(expr, numbers)}{where}"


def bound_latex(bound: Bound, aligned: str = "") -> str:
    """An inequality in LaTeX; `aligned` goes before its relation: & in an alignment."""
    expr, named = _named(bound)
    where = "".join(f", {latex(name)} = {latex(part)}" for name, part in named)
    return f"{latex(bound.symbol)} {aligned}{LATEX_RELATIONS[bound.relation]} {latex(expr)}{where}"


class Shorthand(sympy.Symbol):
    """A paper's own name for a part of a formula."""


def _named(bound: Bound) -> tuple[sympy.Expr, list[tuple[Shorthand, sympy.Expr]]]:
    """The expression of a bound with its shorthand put in, if it has one, and what that stands for."""
    if bound.shorthand is None:
        return bound.expr, []
    name, part = bound.shorthand
    symbol = Shorthand(name, positive=True)
    short = substitute(bound.expr, {part: symbol})
    return short, [(symbol, part)] if short.has(symbol) else []


def bound_mathml(bound: Bound) -> str:
    """An inequality in MathML."""
    return from_latex(bound_latex(bound))
