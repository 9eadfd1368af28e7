"""Certified evaluation against mpmath, and rounding to one side."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import log, mp, mpf
from oracle import real

from boundcalc.constants import Otilde
from boundcalc.errors import NumericsError
from boundcalc.numerics import (
    Scaled,
    enclose,
    fits_integer,
    holds,
    log10,
    positive_ball,
    round_significant,
    round_to_integer,
)

x, y = sympy.symbols("x y", positive=True)


def exact(text: str) -> Fraction:
    return Fraction(text)


def contains(ball: arb, value: mpf) -> bool:
    """Whether the ball holds a number known to 150 digits, up to those digits."""
    low, high = (mpf(int(end.man_exp()[0])) * mpf(2) ** int(end.man_exp()[1]) for end in (ball.lower(), ball.upper()))
    slack = abs(value) * mpf(10) ** -140
    return low - slack <= value <= high + slack


@settings(deadline=None, max_examples=100)
@given(st.fractions(Fraction(1, 10**9), Fraction(10**9)), st.fractions(Fraction(1, 50), Fraction(50)))
def test_a_ball_contains_the_true_value(a: Fraction, b: Fraction) -> None:
    values, u, v = {x: a, y: b}, real(a), real(b)
    for expr, true in [
        (x + y, u + v),
        (x * y - 1 / x, u * v - 1 / u),
        (x**y, u**v),
        (sympy.log(x) / y, log(u) / v),
        (sympy.exp(-x / y), mp.exp(-u / v)),
        (sympy.Max(x, y, evaluate=False), max(u, v)),
        (sympy.Min(x, y, 1, evaluate=False), min(u, v, 1)),
        (sympy.sqrt(x) + sympy.Rational(1, 3), mp.sqrt(u) + mpf(1) / 3),
        (sympy.E * x, mp.e * u),
        (sympy.pi * x, mp.pi * u),
    ]:
        for precision in (64, 256):
            assert contains(enclose(expr, values, precision), true)


def test_more_precision_never_loosens() -> None:
    coarse, fine = (enclose(sympy.log(x) ** y, {x: Fraction(3), y: Fraction(1, 3)}, bits) for bits in (64, 512))
    assert fine.rad() < coarse.rad()
    assert coarse.overlaps(fine)


def test_no_magnitude_overflows() -> None:
    huge = 2 ** (8 * x) * sympy.Integer(10) ** (-(x**2))
    value = log10(positive_ball(huge, {x: Fraction(10**6)}))
    assert value == pytest.approx(float(8 * 10**6 * mp.log10(2) - mpf(10) ** 12), rel=1e-11)


def test_a_difference_that_almost_cancels_is_still_tight() -> None:
    # 1 − (1 − 10^(−60)): what floats and the first precision lose.
    ball = positive_ball(1 - (1 - 1 / x), {x: Fraction(10**60)})
    assert log10(ball) == -60


@pytest.mark.parametrize(
    "expr", [sympy.log(x), -x, x - x - 1, sympy.log(x) / (x - 1), 1 / sympy.log(x), sympy.log(-x), sympy.log(x - 1)]
)
def test_what_is_not_finite_and_positive_is_refused(expr: sympy.Expr) -> None:
    with pytest.raises(NumericsError):
        positive_ball(expr, {x: Fraction(1)})


def test_a_symbol_without_a_value_and_a_function_without_a_rule_are_refused() -> None:
    with pytest.raises(NumericsError, match="x"):
        enclose(x + y, {y: Fraction(1)})
    with pytest.raises(NumericsError, match="sin"):
        enclose(sympy.sin(x), {x: Fraction(1)})


@pytest.mark.parametrize("logarithm", ["0.5", "0.999999999999999999999999", "1.000000000000000000000001", "3"])
def test_the_soft_notation_is_continuous_where_its_logarithm_passes_one(logarithm: str) -> None:
    g = sympy.exp(x)
    expr = Otilde(g, "a")
    factor, power = sorted(expr.free_symbols - {x}, key=str)
    ball = enclose(expr, {x: exact(logarithm), factor: Fraction(2), power: Fraction(3)})
    assert contains(ball, 2 * mp.exp(mpf(logarithm)) * max(mpf(1), mpf(logarithm)) ** 3)


def test_a_value_may_be_a_formula_of_other_values() -> None:
    values = {x: y**2 / 3, y: Fraction(6)}
    assert contains(enclose(x + y, values), mpf(18))
    assert holds(x, "<=", sympy.Integer(12), values) is True
    root = {x: sympy.sqrt(y), y: Fraction(2)}
    # 1/√2 to 12 digits, though √2 has none of its own.
    assert str(round_significant(1 / x, root, "down")) == "0.707106781186"


def test_what_may_be_one_has_the_logarithm_zero() -> None:
    assert log10(positive_ball(sympy.sqrt(x) * y, {x: Fraction(1000), y: 1 / sympy.sqrt(x)})) == 0


# Decisions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "relation", "right", "truth"),
    [
        ("1", ">=", "1", True),
        ("1", "<=", "1", True),
        ("1", ">=", "1.0000000000000000000000000000000000000000000000000000000000001", False),
        ("1", "<=", "1.0000000000000000000000000000000000000000000000000000000000001", True),
        ("2", ">=", "1", True),
        ("2", "<=", "1", False),
    ],
)
def test_an_inequality_of_numbers_is_decided(left: str, relation: str, right: str, truth: bool) -> None:
    assert holds(x, relation, y, {x: exact(left), y: exact(right)}) is truth


def test_an_equality_that_no_ball_can_decide_is_decided_exactly() -> None:
    values = {x: Fraction(2), y: Fraction(8)}
    root = y ** sympy.Rational(1, 3)
    assert holds(x, ">=", root, values) is True
    assert holds(x, "<=", root, values) is True


def test_an_equality_of_irrational_numbers_stays_undecided() -> None:
    assert holds(sympy.log(x) + sympy.log(y), ">=", sympy.log(x * y), {x: Fraction(2), y: Fraction(3)}) is None


# Rounding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "at", "up", "down"),
    [
        (x, "7", 7, 7),
        (x, "7.5", 8, 7),
        (x, "7.00000000000000000000000000000000000000000000000000000000001", 8, 7),
        (sympy.sqrt(x), "49", 7, 7),
        (sympy.sqrt(x), "50", 8, 7),
        (x ** sympy.Rational(-1, 3), "1/1000", 10, 10),
        (x ** sympy.Rational(2, 3), "1000000000000000000000", 10**14, 10**14),
        (sympy.Max(x, 3, evaluate=False), "2", 3, 3),
        (sympy.log(x), "20", 3, 2),
    ],
)
def test_an_integer_is_rounded_to_the_side_asked_for_and_proven(expr: sympy.Expr, at: str, up: int, down: int) -> None:
    for rounding, value in (("up", up), ("down", down)):
        rounded = round_to_integer(expr, {x: exact(at)}, rounding)  # type: ignore[arg-type]
        assert rounded.value == value
        assert rounded.proven


def test_an_integer_that_cannot_be_proven_is_on_the_safe_side_and_says_so() -> None:
    # exp(log 5) is 5, but no precision shows it.
    expr = sympy.exp(sympy.log(x, evaluate=False), evaluate=False)
    up, down = (round_to_integer(expr, {x: Fraction(5)}, side) for side in ("up", "down"))  # type: ignore[arg-type]
    assert up.value in (5, 6)
    assert down.value in (4, 5)
    assert not up.proven
    assert not down.proven


@pytest.mark.parametrize(
    ("g", "power", "value"), [("1", 2, 7000), ("1/2", 3, 3500), ("2.7", 2, 18900), ("5", 0, 35000)]
)
def test_an_integer_under_a_notation_with_a_logarithm_of_at_most_one_is_proven(g: str, power: int, value: int) -> None:
    # max(1, log g)^k is 1 up to g = e = 2.718…, so C·g itself is left, an integer.
    expr = Otilde(x, "a")
    factor, k = sorted(expr.free_symbols - {x}, key=str)
    rounded = round_to_integer(expr, {x: exact(g), factor: Fraction(7000), k: Fraction(power)}, "up")
    assert (rounded.value, rounded.proven) == (value, True)


@settings(deadline=None, max_examples=150)
@given(st.fractions(Fraction(1, 10**6), Fraction(10**6)), st.integers(-200, 200), st.sampled_from(["up", "down"]))
def test_a_number_of_twelve_digits_is_on_the_side_asked_for(value: Fraction, power: int, side: str) -> None:
    value *= Fraction(10) ** power
    rounded = Fraction(str(round_significant(sympy.sqrt(x), {x: value}, side)))  # type: ignore[arg-type]
    # Compared as squares, in exact arithmetic.
    assert abs(rounded**2 / value - 1) < Fraction(1, 10**10)
    assert rounded**2 >= value if side == "up" else rounded**2 <= value


@pytest.mark.parametrize("digits", [60, 160, 600])
def test_a_power_of_almost_one_is_rounded_whatever_the_first_precision_loses(digits: int) -> None:
    # (1 − 1/x)^(2x) = e^(−2 − 1/x − …), where the balls of too low a precision are e^(±huge).
    expr = (1 - 1 / x) ** (2 * x)
    below, above = (str(round_significant(expr, {x: Fraction(10**digits)}, side)) for side in ("down", "up"))  # type: ignore[arg-type]
    assert (below, above) == ("0.135335283236", "0.135335283237")
    # log(1 + 1/x)·x = 1 − 1/(2x) + …: just below an integer.
    assert round_to_integer(x * sympy.log(1 + 1 / x), {x: Fraction(10**digits)}, "down").value == 0


@pytest.mark.parametrize("text", ["0.05", "3", "1e-40", "123456789012", "0.000123", "2.5e+60"])
@pytest.mark.parametrize("side", ["up", "down"])
def test_a_short_decimal_stays_as_it_is(text: str, side: str) -> None:
    root = sympy.sqrt(x**2 / 9, evaluate=False) * 3
    assert exact(str(round_significant(root, {x: exact(text)}, side))) == exact(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("digits", [20, 40, 100, 400])
def test_a_hair_beside_a_short_decimal_is_not_the_decimal(digits: int) -> None:
    hair = Fraction(1, 10**digits)
    above, below = ({x: Fraction(1, 20) + sign * hair} for sign in (1, -1))
    assert str(round_significant(x, above, "up")) == "0.0500000000001"
    assert str(round_significant(x, above, "down")) == "0.05"
    assert str(round_significant(x, below, "up")) == "0.05"
    assert Fraction(str(round_significant(x, below, "down"))) == Fraction("0.0499999999999")


@pytest.mark.parametrize(
    ("scaled", "text"),
    [
        (Scaled(5, 0), "5"),
        (Scaled(500, -4), "0.05"),
        (Scaled(123456789012, -11), "1.23456789012"),
        (Scaled(1, 20), "1e+20"),
        (Scaled(25, -41), "2.5e-40"),
        (Scaled(100, 0), "100"),
        (Scaled(12, -6), "0.000012"),
        (Scaled(12, -7), "0.0000012"),
    ],
)
def test_a_scaled_number_is_written_as_its_value(scaled: Scaled, text: str) -> None:
    assert exact(str(scaled)) == scaled.integer * Fraction(10) ** scaled.exponent == exact(text)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 10**14), st.integers(-400, 400))
def test_any_scaled_number_is_written_as_its_value(integer: int, exponent: int) -> None:
    assert exact(str(Scaled(integer, exponent))) == integer * Fraction(10) ** exponent


def test_only_numbers_below_ten_to_the_thirty_are_given_as_integers() -> None:
    assert fits_integer(positive_ball(x, {x: Fraction(10**30 - 1)}))
    assert not fits_integer(positive_ball(x, {x: Fraction(10**30)}))
