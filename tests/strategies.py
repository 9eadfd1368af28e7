"""Random formulas of everything that a formula may hold."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy
from hypothesis import strategies as st
from sympy import Integer, Max, Min, Rational, exp, log

from boundcalc.constants import HiddenConstant, O, Omega, Omegatilde, Otilde, Theta, absolute, exponent
from boundcalc.symbols import L, alpha, lambda_0, m, n, tau


def unevaluated(build: Callable[..., Any], *arguments: Any) -> Any:
    with sympy.evaluate(False):
        return build(*arguments)


def calibrated(g: sympy.Expr) -> sympy.Expr:
    """An Õ(g) of which both constants have a value."""
    factor = HiddenConstant("C_f", hides="Otilde", direction="small", value=Fraction(2, 3), origin="measured")
    power = HiddenConstant("k_f", hides="Otilde", role="k", direction="any", value=2, origin="measured")
    return Otilde(g, "f").func(g, factor, power)


CONSTANTS = (
    absolute("large"),
    absolute("x", "small", 'κ, "small enough"'),
    exponent("p_L", "L", 11, "from a proof"),
    exponent("p_n", "L, n", None, "nobody knows"),
    HiddenConstant("kappa", hides="absolute constant", direction="any"),
    HiddenConstant("k_own", hides="a logarithm", role="k"),
)
# Each label belongs to one notation and one direction, as in a theorem.
NOTATIONS: tuple[Callable[[sympy.Expr], sympy.Expr], ...] = (
    lambda g: O(g, "a", "small"),
    lambda g: Theta(g, "b"),
    lambda g: Omega(g, "c", "any"),
    lambda g: Otilde(g, "d", "small"),
    lambda g: Omegatilde(g, "e_2"),
    calibrated,
)
NUMBERS = st.fractions(min_value=-1000, max_value=1000, max_denominator=50).map(
    lambda value: Rational(value.numerator, value.denominator)
)
SYMBOLS = st.sampled_from([L, m, n, tau, lambda_0, alpha])


def nodes(children: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
    several = st.lists(children, min_size=2, max_size=4)
    named = children.filter(lambda expr: bool(expr.free_symbols))
    powers = st.one_of(
        st.tuples(named, NUMBERS),
        st.tuples(children, named),
        st.tuples(NUMBERS.filter(bool), st.integers(-9, 9).map(Integer)),
    )
    joined = st.tuples(st.sampled_from([sympy.Add, sympy.Mul, Max, Min]), several)
    called = st.tuples(st.sampled_from([log, exp, *NOTATIONS]), children)
    halved = st.tuples(st.sampled_from([operator.sub, operator.truediv]), named, named)
    return st.one_of(
        joined.map(lambda drawn: unevaluated(drawn[0], *drawn[1])),
        powers.map(lambda drawn: sympy.Pow(*drawn, evaluate=False)),
        called.map(lambda drawn: unevaluated(*drawn)),
        halved.map(lambda drawn: unevaluated(*drawn)),
        named.map(lambda expr: unevaluated(operator.neg, expr)),
    )


FORMULAS = st.recursive(st.one_of(NUMBERS, SYMBOLS, st.sampled_from(CONSTANTS)), nodes, max_leaves=12)
