"""Verdicts confirmed by numbers: the formulas themselves, at unit constants, at a concrete point of the regime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import sympy
from flint import arb, fmpq

from boundcalc.constants import ConstantPolicy, HiddenConstant
from boundcalc.derivation import Claim
from boundcalc.errors import BoundcalcError
from boundcalc.numerics import Scaled, Value, holds, log10, positive_ball
from boundcalc.symbols import VOCABULARY
from boundcalc.tropical import EXPONENT_SYMBOLS, LOGARITHM, SMALL_BY_A_LEMMA, Witness

STEPS = tuple(2**k for k in range(1, 22))
"""How far along a curve points are tried: s = 10^k for these k, or s ~ k where a curve is exponential in s."""

MOST_BITS = 4000
"""Up to which a power of two is written out."""

CLEARLY = 1.0
"""log₁₀ of the factor by which a counterexample must exceed what is claimed, at unit constants."""


@dataclass(frozen=True)
class Counterexample:
    """A point that the premises admit, at which one side exceeds the other by a factor that grows along a curve.

    `excess` is log₁₀ of that factor at the point, `further` the same further along the curve.
    """

    point: Mapping[str, Value]
    small: float
    large: float
    excess: float
    further: float


def counterexample(
    small: sympy.Expr,
    large: sympy.Expr,
    premises: Sequence[Claim],
    curve: Witness,
    policy: ConstantPolicy,
    key: str,
) -> Counterexample | None:
    """Go along a curve to where small > 10·large and the premises hold, and further to where the factor is larger.

    Args:
        small: what should be at most the other.
        large: the other.
        premises: inequalities that must hold at the point.
        curve: where to look.
        policy: the values of hidden constants.
        key: the statement whose constants they are.

    Returns:
        The first such point, or None where none is found.
    """
    formulas = (small, large, *(side for claim in premises for side in (claim.left, claim.right)))
    symbols = set().union(*(formula.free_symbols for formula in formulas))
    constants = {s: policy.use(s, key).value for s in symbols if isinstance(s, HiddenConstant)}
    names = [s for s in sorted(symbols, key=str) if not isinstance(s, HiddenConstant)]
    found: Counterexample | None = None
    for step in STEPS:
        point = {symbol: _value(symbol.name, curve, step) for symbol in names}
        values: dict[sympy.Symbol, Value] = {**constants, **point}
        try:
            if not all(holds(claim.left, claim.relation, claim.right, values) for claim in premises):
                continue
            sides = [log10(positive_ball(side, values)) for side in (small, large)]
        except BoundcalcError:
            continue
        excess = sides[0] - sides[1]
        if found is not None and excess > found.excess + CLEARLY / 10:
            return Counterexample(found.point, found.small, found.large, found.excess, excess)
        if found is None and excess >= CLEARLY:
            values_by_name = {symbol.name: value for symbol, value in point.items()}
            found = Counterexample(values_by_name, sides[0], sides[1], excess, excess)
    return None


def _value(name: str, curve: Witness, step: int) -> Value:
    """The value of a symbol on a curve, exactly: an integer wherever it should be one."""
    if name in EXPONENT_SYMBOLS:
        default = VOCABULARY[name].default
        assert default is not None
        return default
    small = name in SMALL_BY_A_LEMMA or (name in VOCABULARY and VOCABULARY[name].domain.upper is not None)
    if curve.power[LOGARITHM + name]:
        return Scaled(1, step if curve.rate[name] > 0 else -step)
    power, rate = curve.power[name], curve.rate[name]
    if not power and not rate:
        return _base(name, small=small)
    if not curve.rate.powers:
        return Scaled(1, int(power * step))
    # s is a perfect power, so that s^power·2^(rate·s) is a whole number wherever it is at least 1.
    whole = lcm(*(p.denominator for _, p in curve.power.exponents))
    stem = step * lcm(*(q.denominator for _, q in curve.rate.exponents))
    size, bits = Fraction(stem) ** int(whole * power), int(rate * stem**whole)
    if abs(bits) <= MOST_BITS:
        return size * Fraction(2) ** bits
    return arb(fmpq(size.numerator, size.denominator)) * arb(2) ** bits


def _base(name: str, *, small: bool) -> Fraction:
    """A moderate value for a symbol that stays constant."""
    if name == "delta":
        return Fraction(1, 20)
    if small:
        return Fraction(1, 2)
    return Fraction(16) if name in ("m", "n") else Fraction(2) if name in ("L", "H") else Fraction(1)
