"""The unknown as a formula, where an equation in it has a solution in closed form.

The quotient of the two sides is brought to the form  c · x^p · e^(r·x) · log(b·x^q)^s  in the unknown x, with c, p, r,
b, q, s free of x. It equals 1, with κ = 1/c, at

    r = s = 0:  x = κ^(1/p)
    p = s = 0:  x = log(κ)/r
    s = 0:      x = (p/r) · W((r/p) · κ^(1/p))
    p = r = 0:  x = (exp(κ^(1/s))/b)^(1/q)
    r = 0:      x = (e^w/b)^(1/q), w = W(σ · (κ·b^(p/q))^(1/s))/σ, σ = p/(q·s),

where W is Lambert's function: on its branch W₀ or W₋₁, of which the solution found numerically says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import sympy
from flint import arb, ctx

from boundcalc.constants import HiddenConstant, Notation, explicit, substitute
from boundcalc.errors import NumericsError
from boundcalc.numerics import Values, enclose
from boundcalc.solving.admissible import Inequality, tidy

_BITS = 256
_AGREES = arb(2) ** -100

ONE, ZERO = sympy.S.One, sympy.S.Zero


class _NoClosedForm(Exception):
    """A side is not of the form that is understood."""


@dataclass(frozen=True)
class _Term:
    """c · x^p · e^(r·x) · log(b·x^q)^s."""

    c: sympy.Expr = ONE
    p: sympy.Expr = ZERO
    r: sympy.Expr = ZERO
    log: tuple[sympy.Expr, sympy.Expr, sympy.Expr] | None = None  # b, q, s

    def times(self, other: _Term) -> _Term:
        if self.log and other.log:
            raise _NoClosedForm
        return _Term(self.c * other.c, self.p + other.p, self.r + other.r, self.log or other.log)

    def to_power(self, e: sympy.Expr) -> _Term:
        log = (self.log[0], self.log[1], self.log[2] * e) if self.log else None
        return _Term(self.c**e, self.p * e, self.r * e, log)


def closed_form(inequality: Inequality, unknown: sympy.Symbol, values: Values, log_solution: arb) -> sympy.Expr | None:
    """The solution of left = right whose logarithm is `log_solution`, as a formula, or None where there is none.

    Log powers and exponents of poly(…) are put in as numbers, other symbols stay. The formula is returned only if its
    value agrees with the solution to 30 digits.
    """
    known = {
        s: sympy.Rational(value.numerator, value.denominator)
        for s, value in values.items()
        if isinstance(s, HiddenConstant) and s.role != "C" and s != unknown and isinstance(value, Fraction)
    }
    try:
        left = _term(_prepared(inequality.left, known), unknown)
        right = _term(_prepared(inequality.right, known), unknown)
        candidates = _solutions(left.times(right.to_power(-ONE)), values)
    except _NoClosedForm:
        return None
    for candidate in candidates:
        try:
            with ctx.workprec(_BITS):
                distance = abs(enclose(candidate, values, _BITS).log() - log_solution)
                if bool(distance < _AGREES * (1 + abs(log_solution))):
                    return candidate
        except NumericsError:
            continue
    return None


def _prepared(expr: sympy.Expr, known: Mapping[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
    """`expr` with those constants put in that are numbers, and its notations written out without idle logarithms."""
    expr = substitute(expr, known)
    idle = [notation for notation in expr.atoms(Notation) if len(notation.args) == 3 and notation.args[2] == 0]
    for notation in sorted(idle, key=lambda notation: -len(str(notation))):
        expr = substitute(expr, {notation: sympy.Mul(notation.args[1], notation.args[0], evaluate=False)})
    return explicit(expr)


def _term(expr: sympy.Expr, x: sympy.Symbol) -> _Term:
    if x not in expr.free_symbols:
        return _Term(c=tidy(expr))
    if expr == x:
        return _Term(p=ONE)
    rule = _RULES.get(expr.func)
    if rule is None:
        raise _NoClosedForm
    return rule(expr, x)


def _product(expr: sympy.Expr, x: sympy.Symbol) -> _Term:
    term = _Term()
    for factor in expr.args:
        term = term.times(_term(factor, x))
    return term


def _power(expr: sympy.Expr, x: sympy.Symbol) -> _Term:
    base, exponent = expr.args
    if x not in exponent.free_symbols:
        return _term(base, x).to_power(exponent)
    slope = _term(exponent, x)
    if x in base.free_symbols or slope != _Term(c=slope.c, p=ONE):
        raise _NoClosedForm
    return _Term(r=slope.c * sympy.log(base))


def _log(expr: sympy.Expr, x: sympy.Symbol) -> _Term:
    inner = _term(expr.args[0], x)
    if inner.log or inner.r != 0:
        raise _NoClosedForm
    return _Term(log=(inner.c, inner.p, ONE))


_RULES: Mapping[type, Callable[[sympy.Expr, sympy.Symbol], _Term]] = {
    sympy.Mul: _product,
    sympy.Pow: _power,
    sympy.log: _log,
}


def _solutions(term: _Term, values: Values) -> tuple[sympy.Expr, ...]:
    """The solutions of term = 1."""
    p, r, kappa = term.p, term.r, 1 / term.c
    if p.could_extract_minus_sign() and term.log is None:  # the same equation, read more easily
        p, r, kappa = -p, -r, term.c
    power = not _vanishes(p, values)
    exponential = not _vanishes(r, values)
    if term.log is None:
        if power and exponential:
            argument = r / p * kappa ** (1 / p)
            return tuple(p / r * branch for branch in _branches(argument))
        if power:
            return (kappa ** (1 / p),)
        return (sympy.log(kappa) / r,) if exponential else ()
    if exponential:
        raise _NoClosedForm
    b, q, s = term.log
    if _vanishes(q, values) or _vanishes(s, values):
        raise _NoClosedForm
    if not power:
        return ((sympy.exp(kappa ** (1 / s)) / b) ** (1 / q),)
    sigma, scale = p / (q * s), (kappa * b ** (p / q)) ** (1 / s)
    return tuple((sympy.exp(branch / sigma) / b) ** (1 / q) for branch in _branches(sigma * scale))


def _branches(argument: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    # sympy writes the branch as a second argument, and leaves it out for W₀.
    return sympy.LambertW(argument, -1), sympy.LambertW(argument)


def _vanishes(expr: sympy.Expr, values: Values) -> bool:
    return expr == 0 or bool(enclose(expr, values).contains(0))
