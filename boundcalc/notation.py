"""Formulas for people: plain text in the paper's notation, and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sympy
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from boundcalc.constants import HiddenConstant, Notation
from boundcalc.symbols import VOCABULARY
from boundcalc.theorem import Bound

RELATIONS = {">=": "≥", "<=": "≤", "=": "="}
_LATEX_RELATIONS = {">=": r"\ge", "<=": r"\le", "=": "="}


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

    def _print_Notation(self, expr: Notation) -> str:
        return f"{expr.text_name}({self._print(expr.args[0])})"

    _print__O = _print__Theta = _print__Omega = _print__Otilde = _print__Omegatilde = _print_Notation

    def _print_Pow(self, expr: sympy.Pow, rational: bool = False) -> str:
        if expr.exp == sympy.Rational(1, 2):
            return f"√{self.parenthesize(expr.base, PRECEDENCE['Atom'], strict=True)}"
        text: str = super()._print_Pow(expr, rational=True)
        return text.replace("**", "^")

    def _print_Mul(self, expr: sympy.Mul) -> str:
        above: list[sympy.Expr] = []
        below: list[sympy.Expr] = []
        for factor in _flat(expr):
            if factor.is_Pow and factor.exp.could_extract_minus_sign():
                inverse = factor.base if factor.exp == -1 else sympy.Pow(factor.base, -factor.exp, evaluate=False)
                below += _flat(inverse) if inverse.is_Mul else [inverse]
            elif factor.is_Rational and factor.q != 1:
                above += [sympy.Integer(factor.p)] if factor.p != 1 else []
                below.append(sympy.Integer(factor.q))
            elif factor != 1:
                above.append(factor)
        sign = "-" if above and above[0] == -1 else ""
        over, under = (
            "·".join(self.parenthesize(factor, PRECEDENCE["Mul"], strict=True) for factor in factors)
            for factors in (above[1:] if sign else above, below)
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


def text(expr: sympy.Expr, numbers: Mapping[str, str] = MappingProxyType({})) -> str:
    """One line of plain Unicode text, with `numbers` written in place of the symbols and constants they name."""
    printer = _TextPrinter({"order": "none"})
    printer.numbers = numbers
    return printer.doprint(expr)


def latex(expr: sympy.Expr) -> str:
    """LaTeX in the paper's notation."""
    names: dict[Any, str] = {
        symbol: VOCABULARY[symbol.name].latex
        for symbol in expr.free_symbols
        if not isinstance(symbol, HiddenConstant) and symbol.name in VOCABULARY
    }
    return sympy.latex(expr, symbol_names=names)


def bound_text(bound: Bound, numbers: Mapping[str, str] = MappingProxyType({})) -> str:
    """An inequality as one line of text, perhaps with numbers put into its right-hand side."""
    return f"{text(bound.symbol)} {RELATIONS[bound.relation]} {text(bound.expr, numbers)}"


def bound_latex(bound: Bound) -> str:
    """An inequality in LaTeX."""
    return f"{latex(bound.symbol)} {_LATEX_RELATIONS[bound.relation]} {latex(bound.expr)}"
