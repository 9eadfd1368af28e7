"""From a real number known in balls to the end of an answer: rounded to the safe side, integers proven."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import sympy
from flint import arb, ctx, fmpq

from boundcalc.constants import HiddenConstant
from boundcalc.numerics import (
    WRITTEN_TO_LOG10,
    Rounding,
    Scaled,
    Value,
    Values,
    fits_integer,
    holds,
    log10,
    round_significant,
    round_to_integer,
)
from boundcalc.solving.admissible import Edge, Inequality
from boundcalc.solving.solution import End
from boundcalc.symbols import POSITIVE, Domain, show_fraction, symbol_of

_BITS = 512


def domain_of(symbol: sympy.Symbol) -> Domain:
    """The positive numbers that a symbol, or a hidden constant, may be."""
    return POSITIVE if isinstance(symbol, HiddenConstant) else symbol_of(symbol).domain


def log_range(domain: Domain) -> tuple[arb | None, arb | None]:
    """The logarithms of a domain's ends, None where it has none or begins at zero."""
    with ctx.workprec(_BITS):
        return tuple(  # type: ignore[return-value]
            arb(fmpq(end.numerator, end.denominator)).log() if end else None for end in (domain.lower, domain.upper)
        )


def explicit_end(symbol: sympy.Symbol, expr: sympy.Expr, ball: arb, rounding: Rounding, values: Values) -> End:
    """The value of an explicit bound, whose ball is known, rounded to one side."""
    if abs(log10(ball)) > WRITTEN_TO_LOG10:
        return End(None, log10(ball))
    if not domain_of(symbol).integer:
        return End(str(round_significant(expr, values, rounding)), log10(ball))
    if not fits_integer(ball):
        return End(None, log10(ball))
    rounded = round_to_integer(expr, values, rounding)
    return End(str(max(rounded.value, 1)), log10(ball), rounded.proven)


def domain_end(end: Fraction) -> End:
    """The end of a domain, as the end of an answer."""
    return End(show_fraction(end), log10(arb(fmpq(end.numerator, end.denominator))))


def end_of(
    symbol: sympy.Symbol,
    domain: Domain,
    edge: Edge | None,
    rounding: Rounding,
    inequalities: tuple[Inequality, ...],
    values: Values,
) -> End | None:
    """An edge of an admissible piece, rounded into it; the rounded value is put back into every inequality.

    Without an edge the end is that of the domain: None where that is zero or infinite.
    """
    if edge is None:
        limit = domain.lower if rounding == "up" else domain.upper
        return domain_end(limit) if limit else None
    x, name = edge.point, edge.binding.name

    def admitted(value: Value) -> bool | None:
        states = [holds(one.left, one.relation, one.right, {**values, symbol: value}) for one in inequalities]
        return False if False in states else None if None in states else True

    if domain.integer:
        return _integer_end(symbol, x, rounding, name, admitted)
    if abs(log10(x)) > WRITTEN_TO_LOG10:
        return End(None, log10(x), binding=name)
    # The nearest decimal first: it is the exact answer where that is a short decimal.
    safe = round_significant(symbol, {symbol: x}, rounding)
    other = round_significant(symbol, {symbol: x}, "down" if rounding == "up" else "up")
    for candidate in (other, safe):
        if _written(candidate) in domain and admitted(candidate):
            return End(str(candidate), log10(x), binding=name)
    return End(None, log10(x), binding=name)


def _written(value: Scaled) -> Fraction:
    """A decimal as a fraction, brought within reach where it is extreme: domains end at moderate numbers."""
    return Fraction(value.integer) * Fraction(10) ** max(min(value.exponent, 1000), -1000)


def _integer_end(
    symbol: sympy.Symbol, x: arb, rounding: Rounding, binding: str, admitted: Callable[[Value], bool | None]
) -> End:
    if not fits_integer(x):
        return End(None, log10(x), binding=binding)
    outward = -1 if rounding == "up" else 1
    candidate = max(round_to_integer(symbol, {symbol: x}, rounding).value, 1)
    # The edge lies just inside, so that an integer on the very edge was rounded away from.
    while candidate + outward >= 1 and admitted(Fraction(candidate + outward)):
        candidate += outward
    beyond = candidate + outward
    proven = admitted(Fraction(candidate)) is True and (beyond < 1 or admitted(Fraction(beyond)) is False)
    return End(str(candidate), log10(x), proven, binding)
