"""Formulas of the catalogue read as posynomials in the symbols that are to be chosen.

A posynomial is a sum of terms c·Π x_i^(a_i) with c > 0 and real exponents. What is none is brought into that form by
variables of its own, so that every inequality becomes "posynomial ≤ 1":

    max(g, h)          t with g ≤ t and h ≤ t
    (g + h)^p, p > 0   t^p with g + h ≤ t
    log(g)             l with log(g) ≤ l, an inequality that is not posynomial: it is kept apart, as a `Logarithm`

These stand for what they replace only where a larger value makes the inequality harder to meet, that is, with positive
powers; anything else is refused. A Min is not read: `branches` offers its arguments one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from types import MappingProxyType

import sympy
from flint import arb, fmpq

from boundcalc.constants import Notation
from boundcalc.errors import InputError
from boundcalc.notation import text
from boundcalc.numerics import Value, enclose

BITS = 256
"""Working precision of coefficients; they are balls, so what is proven from them stays proven."""


@dataclass(frozen=True)
class Monomial:
    """coefficient · Π x^exponent over variables by name; the coefficient is a positive ball."""

    coefficient: arb
    exponents: Mapping[str, Fraction] = field(default_factory=lambda: MappingProxyType({}))

    def __mul__(self, other: Monomial) -> Monomial:
        exponents = dict(self.exponents)
        for name, power in other.exponents.items():
            exponents[name] = exponents.get(name, Fraction(0)) + power
        return Monomial(self.coefficient * other.coefficient, {name: a for name, a in exponents.items() if a})

    def __pow__(self, power: Fraction) -> Monomial:
        if not power:
            return Monomial(arb(1))
        coefficient = self.coefficient ** arb(fmpq(power.numerator, power.denominator))
        return Monomial(coefficient, {name: a * power for name, a in self.exponents.items()})

    def log_at(self, point: Mapping[str, float]) -> float:
        """The logarithm of its value where the logarithms of the variables are `point`."""
        return float(self.coefficient.log()) + sum(float(a) * point[name] for name, a in self.exponents.items())


Posynomial = tuple[Monomial, ...]


@dataclass(frozen=True)
class Constraint:
    """Σ terms ≤ 1; `label` names the inequality that it comes from."""

    label: str
    terms: Posynomial


@dataclass(frozen=True)
class Logarithm:
    """A variable that stands for max(least, log(argument)), with `least` 0 or 1."""

    name: str
    argument: Monomial
    least: int


def variable(name: str, power: int = 1) -> Monomial:
    """x^power."""
    return Monomial(arb(1), {name: Fraction(power)})


def scaled(terms: Iterable[Monomial], factor: Monomial) -> Posynomial:
    """Every term times `factor`."""
    return tuple(term * factor for term in terms)


def variables(*posynomials: Posynomial) -> list[str]:
    """The names of the variables that occur, sorted."""
    return sorted({name for terms in posynomials for term in terms for name in term.exponents})


def log_value(posynomial: Posynomial, point: Mapping[str, float]) -> float:
    """The logarithm of a posynomial where the logarithms of the variables are `point`."""
    logs = [term.log_at(point) for term in posynomial]
    largest = max(logs)
    return largest + math.log(sum(math.exp(log - largest) for log in logs))


def branches(expr: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """`expr` with every Min replaced by one of its arguments, in all ways: the expression is the least of them.

    True of an expression that rises with each Min, as every inequality of the catalogue does.
    """
    minima = sorted(expr.atoms(sympy.Min), key=sympy.default_sort_key)
    if not minima:
        return (expr,)
    with sympy.evaluate(False):
        chosen = [expr.xreplace({minima[0]: argument}) for argument in minima[0].args]
    return tuple(branch for choice in chosen for branch in branches(choice))


class Reader:
    """Reads expressions in some choices, everything else having a value.

    `constraints` and `logarithms` collect what the variables introduced on the way stand for; they belong to every
    posynomial that was read. Such a variable is named by what it replaces, and so alike by every reader.
    """

    def __init__(self, choices: Iterable[sympy.Symbol], values: Mapping[sympy.Symbol, Value]) -> None:
        self.choices = frozenset(choices)
        self.values = values
        self.constraints: list[Constraint] = []
        self.logarithms: list[Logarithm] = []
        self._names: dict[sympy.Expr, str] = {}

    def summands(self, expr: sympy.Expr) -> tuple[sympy.Expr, ...]:
        """The terms of `expr` once products are multiplied out; what holds no choice is left whole."""
        if not self._varies(expr):
            return (expr,)
        if isinstance(expr, sympy.Add):
            return tuple(term for argument in expr.args for term in self.summands(argument))
        if isinstance(expr, Notation):
            expr = sympy.Mul(*self._factors(expr), evaluate=False)
        if isinstance(expr, sympy.Mul):
            groups = [self.summands(argument) for argument in expr.args]
            if any(len(group) > 1 for group in groups):
                return tuple(sympy.Mul(*factors, evaluate=False) for factors in product(*groups))
        return (expr,)

    def posynomial(self, expr: sympy.Expr, power: int = 1) -> Posynomial:
        """`expr`, or with power −1 its reciprocal, as a posynomial; terms that are zero vanish.

        Raises:
            InputError: it is none, nor can be brought into that form.
        """
        summands = self.summands(expr) if power == 1 else (expr,)
        terms = [self._power(term, Fraction(power)) for term in summands]
        return tuple(term for term in terms if not bool(term.coefficient == 0))

    def _varies(self, expr: sympy.Expr) -> bool:
        return bool(expr.free_symbols & self.choices)

    def _factors(self, notation: Notation) -> tuple[sympy.Expr, ...]:
        """What a notation stands for, the power of a logarithm left out where its exponent k is zero."""
        g, factor, *powers = notation.args
        logarithms = [sympy.Max(1, sympy.log(g), evaluate=False) ** k for k in powers if self._rational(k)]
        return (factor, g, *logarithms)

    def _rational(self, exponent: sympy.Expr) -> Fraction:
        if self._varies(exponent):
            raise InputError(f"no posynomial: {text(exponent)} is an exponent and also to be chosen; give its symbols")
        data = {s: sympy.Rational(Fraction(self.values[s])) for s in exponent.free_symbols}  # type: ignore[arg-type]
        value = exponent.xreplace(data).doit()
        return Fraction(int(value.p), int(value.q))

    def _power(self, expr: sympy.Expr, power: Fraction) -> Monomial:
        """expr^power, where expr is a single term."""
        if not self._varies(expr):
            return self._number(expr) ** power
        if expr.is_Symbol:
            return variable(expr.name) ** power
        if isinstance(expr, Notation):
            expr = sympy.Mul(*self._factors(expr), evaluate=False)
        if isinstance(expr, sympy.Mul):
            whole = Monomial(arb(1))
            for argument in expr.args:
                whole = whole * self._power(argument, power)
            return whole
        if isinstance(expr, sympy.Pow):
            return self._power(expr.base, power * self._rational(expr.exp))
        if power > 0:
            if isinstance(expr, sympy.log):
                return self._logarithm(expr.args[0], 0) ** power
            if isinstance(expr, sympy.Max):
                others = [argument for argument in expr.args if argument != 1]
                if len(others) == 1 < len(expr.args) and isinstance(others[0], sympy.log):
                    return self._logarithm(others[0].args[0], 1) ** power
                return self._joined(expr, [self.posynomial(argument) for argument in expr.args]) ** power
            if isinstance(expr, sympy.Add):
                return self._joined(expr, [self.posynomial(expr)]) ** power
        raise InputError(
            f"no posynomial in {', '.join(sorted(s.name for s in self.choices))}: {text(expr)} to the {power}"
        )

    def _number(self, expr: sympy.Expr) -> Monomial:
        ball = enclose(expr, self.values, BITS)
        if not bool(ball >= 0):
            raise InputError(f"no posynomial: {text(expr)} is negative or undefined at these inputs; change one")
        return Monomial(ball)

    def _joined(self, expr: sympy.Expr, parts: Iterable[Posynomial]) -> Monomial:
        """A variable that is at least each of the parts."""
        if expr not in self._names:
            self._names[expr] = name = text(expr)
            self.constraints += [Constraint(name, scaled(part, variable(name, -1))) for part in parts]
        return variable(self._names[expr])

    def _logarithm(self, argument: sympy.Expr, least: int) -> Monomial:
        key = sympy.Max(least, sympy.log(argument), evaluate=False)
        if key not in self._names:
            terms = self.posynomial(argument)
            whole = terms[0] if len(terms) == 1 else self._joined(argument, [terms])
            self._names[key] = name = text(key)
            self.logarithms.append(Logarithm(name, whole, least))
        return variable(self._names[key])
