"""Certified evaluation at any magnitude.

Formulas are evaluated in ball arithmetic (Arb, through python-flint): every operation returns an interval that
provably contains the true value. The exponent of a ball is an integer of any size, so 2^(8L) at L = 10⁶ is an
ordinary number here, and nothing overflows. Precision is raised until the answer is as tight as it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Literal, TypeAlias

import sympy
from flint import arb, ctx, fmpq, fmpz

from boundcalc.constants import Notation
from boundcalc.errors import NumericsError
from boundcalc.parsing import LARGEST_EXPONENT

Rounding = Literal["up", "down"]


@dataclass(frozen=True)
class Scaled:
    """The number integer·10^exponent, however large the exponent."""

    integer: int
    exponent: int

    def __str__(self) -> str:
        """Plainly where that is short, in scientific notation elsewhere."""
        digits = str(self.integer)
        magnitude = self.exponent + len(digits) - 1
        digits = digits.rstrip("0") or "0"
        if -5 <= magnitude < 0:
            return "0." + "0" * (-magnitude - 1) + digits
        if 0 <= magnitude < 16:
            whole, rest = digits[: magnitude + 1].ljust(magnitude + 1, "0"), digits[magnitude + 1 :]
            return f"{whole}.{rest}" if rest else whole
        return f"{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}e{magnitude:+03d}"


Value: TypeAlias = Fraction | Scaled | arb | sympy.Expr
"""What a symbol may stand for: a number, or a formula in symbols that have values themselves."""

Values = Mapping[sympy.Symbol, Value]

PRECISIONS = (128, 512, 2048, 8192)
"""Bits of precision tried one after the other."""

WRITTEN_TO_LOG10 = 10**15
"""A value is written out in scientific notation while its exponent is no longer than this; beyond, only log₁₀ is."""

EXACT_BELOW_LOG10 = 30
"""A bound below 10^30 is also given as an exact integer."""


def enclose(expr: sympy.Expr, values: Values, precision: int = PRECISIONS[0]) -> arb:
    """Enclose `expr` at exact `values` in a ball, at `precision` bits.

    Raises:
        NumericsError: the expression holds a symbol without a value, or a node that has no rule.
    """
    with ctx.workprec(precision):
        return _enclose(expr, values)


def _enclose(expr: sympy.Expr, values: Values) -> arb:
    if expr.is_Symbol:
        if expr not in values:
            raise NumericsError(f"no value for {expr} in {expr}")
        value = values[expr]
        return _enclose(value, values) if isinstance(value, sympy.Expr) else _ball(value)
    if expr.is_Rational:
        return _ball(Fraction(expr.p, expr.q))
    rule = _rule(expr)
    return rule(*(_enclose(arg, values) for arg in expr.args))


def _rule(expr: sympy.Expr) -> Callable[..., arb]:
    rule = _notation if isinstance(expr, Notation) else _RULES.get(expr.func)
    if rule is None:
        raise NumericsError(f"no rule to evaluate {expr.func.__name__} in {expr}")
    return rule


def as_function(expr: sympy.Expr, symbol: sympy.Symbol, values: Values) -> Callable[[arb], arb]:
    """`expr` as a function of one symbol, for many evaluations at one precision.

    Whatever does not depend on the symbol is evaluated once, at the precision that is in force now.
    """
    if expr == symbol:
        return lambda x: x
    if symbol not in expr.free_symbols:
        constant = _enclose(expr, values)
        return lambda x: constant
    rule = _rule(expr)
    arguments = [as_function(argument, symbol, values) for argument in expr.args]
    return lambda x: rule(*(argument(x) for argument in arguments))


def _ball(value: Fraction | Scaled | arb) -> arb:
    if isinstance(value, Fraction):
        return arb(fmpq(value.numerator, value.denominator))
    if isinstance(value, Scaled):
        return arb(value.integer) * arb(10) ** value.exponent
    return value


def _notation(g: arb, factor: arb, *log_powers: arb) -> arb:
    """C·g, or C·g·max(1, log g)^k: what `constants.explicit` writes out, without building the formula."""
    value = factor * g
    for power in log_powers:
        value *= g.log().max(arb(1)) ** power
    return value


_RULES: Mapping[type, Callable[..., arb]] = {
    sympy.Add: lambda *args: sum(args, arb(0)),
    sympy.Mul: lambda *args: reduce(lambda a, b: a * b, args, arb(1)),
    sympy.Pow: lambda base, power: base**power,
    sympy.log: lambda arg: arg.log(),
    sympy.exp: lambda arg: arg.exp(),
    sympy.Max: lambda *args: reduce(lambda a, b: a.max(b), args),
    sympy.Min: lambda *args: reduce(lambda a, b: a.min(b), args),
    sympy.LambertW: lambda x, *branch: x.lambertw(-1 if branch else 0),
    type(sympy.E): lambda: arb(1).exp(),
    type(sympy.pi): arb.pi,
}


def refine(expr: sympy.Expr, values: Values, enough: Callable[[arb], bool]) -> arb:
    """Enclose `expr` ever more tightly until `enough(ball)`; return the last, tightest ball all the same."""
    ball = arb("nan")
    for precision in PRECISIONS:
        ball = enclose(expr, values, precision)
        if enough(ball):
            break
    return ball


def _tight(ball: arb) -> bool:
    """Whether the ball has one sign and some 30 correct digits."""
    return bool(ball.is_finite()) and ball.rel_accuracy_bits() > 100


def holds(left: sympy.Expr, relation: str, right: sympy.Expr, values: Values) -> bool | None:
    """Decide `left >= right` or `left <= right` by interval arithmetic; None where no precision could tell."""
    for precision in PRECISIONS:
        with ctx.workprec(precision):
            slack = _enclose(left, values) - _enclose(right, values)
            if relation == "<=":
                slack = -slack
            if bool(slack >= 0):
                return True
            if bool(slack < 0):
                return False
    ends = _exact(left, values), _exact(right, values)
    if ends[0] is None or ends[1] is None:
        return None
    return ends[0] >= ends[1] if relation == ">=" else ends[0] <= ends[1]


def positive_ball(expr: sympy.Expr, values: Values) -> arb:
    """Enclose `expr`, which must come out finite and positive, to some 30 digits.

    Raises:
        NumericsError: the value is not a finite positive number; the message says what it is instead.
    """
    ball = refine(expr, values, _tight)
    if _tight(ball) and bool(ball > 0):
        return ball
    if not bool(ball.is_finite()):
        raise NumericsError("infinite or undefined")
    raise NumericsError("negative" if bool(ball < 0) else "zero")


def log10(ball: arb) -> float:
    """log₁₀ of a positive ball, to 12 significant digits: fewer within 10^−20 of 1, and 0 for what may be 1."""
    with ctx.workprec(PRECISIONS[1]):
        value = ball.log() / arb(10).log()
        return 0.0 if value.contains(0) else float(f"{float(value.mid()):.12g}")


def short_fraction(expr: sympy.Expr, values: Values) -> Fraction | None:
    """The value as a fraction no longer than an input may be, where rational arithmetic alone gives one."""
    value = _exact(expr, values)
    longest = 10**LARGEST_EXPONENT
    return None if value is None or max(abs(value.numerator), value.denominator) > longest else value


def _exact(expr: sympy.Expr, values: Values) -> Fraction | None:
    """The value as a fraction where rational arithmetic alone gives it (exact roots included), else None."""
    if expr.is_Symbol:
        value = values[expr]
        if isinstance(value, sympy.Expr):
            return _exact(value, values)
        if isinstance(value, Scaled) and abs(value.exponent) < 1000:
            return Fraction(value.integer) * Fraction(10) ** value.exponent
        if isinstance(value, arb) and value.is_exact() and abs(value.man_exp()[1]) < 10_000:
            return _fraction(value)
        return value if isinstance(value, Fraction) else None
    if expr.is_Rational:
        return Fraction(expr.p, expr.q)
    if isinstance(expr, Notation):
        g, factor, *log_powers = (_exact(arg, values) for arg in expr.args)
        if g is None or factor is None:
            return None
        # max(1, log g)^k is 1 without a power, and wherever log g is at most 1.
        plain = all(power == 0 for power in log_powers) or bool(_ball(g).log() <= 1)
        return factor * g if plain else None
    arguments = [_exact(arg, values) for arg in expr.args]
    rule = _EXACT_RULES.get(expr.func)
    if rule is None or None in arguments:
        return None
    return rule(*arguments)


def _exact_power(base: Fraction, power: Fraction) -> Fraction | None:
    size = max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(power.numerator)
    if size > 100_000 or (base == 0 and power < 0):
        return None
    raised = base**power.numerator
    if power.denominator == 1:
        return raised
    roots = [_exact_root(part, power.denominator) for part in (raised.numerator, raised.denominator)]
    return None if roots[0] is None or roots[1] is None else Fraction(roots[0], roots[1])


def _exact_root(value: int, degree: int) -> int | None:
    if degree > max(value.bit_length(), 2):  # only 0 and 1 have such a root
        return value if value <= 1 else None
    root = int(fmpz(value).root(degree))
    return root if root**degree == value else None


_EXACT_RULES: Mapping[type, Callable[..., Fraction | None]] = {
    sympy.Add: lambda *args: sum(args, Fraction(0)),
    sympy.Mul: lambda *args: reduce(lambda a, b: a * b, args, Fraction(1)),
    sympy.Pow: _exact_power,
    sympy.Max: max,
    sympy.Min: min,
}


def fits_integer(ball: arb) -> bool:
    """Whether a positive ball is small enough (below 10^30) to be given as an exact integer."""
    with ctx.workprec(PRECISIONS[0]):
        return bool(ball < arb(10) ** EXACT_BELOW_LOG10)


@dataclass(frozen=True)
class IntegerBound:
    """An integer that satisfies a one-sided bound; `proven` if its neighbour provably does not."""

    value: int
    proven: bool


def round_to_integer(expr: sympy.Expr, values: Values, rounding: Rounding) -> IntegerBound:
    """The least integer ≥ expr (`up`) or the greatest ≤ expr (`down`), for a value below 10^30."""
    return _round(expr, values, rounding, 0)


def round_significant(expr: sympy.Expr, values: Values, rounding: Rounding, digits: int = 12) -> Scaled:
    """A positive value as a decimal of `digits` significant digits, rounded up or down."""
    with ctx.workprec(PRECISIONS[1]):
        log = positive_ball(expr, values).log() / arb(10).log()
        exponent = int(_fraction(log.mid().floor().mid())) - digits + 1
    return Scaled(_round(expr, values, rounding, exponent).value, exponent)


def _round(expr: sympy.Expr, values: Values, rounding: Rounding, exponent: int) -> IntegerBound:
    """Round expr/10^exponent to an integer.

    A ball that holds no integer decides it; a value that is itself an integer straddles one at every precision, so it
    is looked for in exact arithmetic too. Where both fail, the safe side of the ball is returned, not proven best.
    """
    rounded: list[int] = []
    tried = False
    for precision in PRECISIONS:
        with ctx.workprec(precision):
            # A power of ten that is an integer is exact.
            unit = arb(10) ** abs(exponent)
            scaled_ball = _enclose(expr, values) / unit if exponent > 0 else _enclose(expr, values) * unit
            # A difference that has lost all its digits at this precision can give a ball beyond every size.
            if not abs(scaled_ball) < arb(10) ** (2 * EXACT_BELOW_LOG10):
                continue
            ends = _ends(scaled_ball)
        rounded = [int(-(-end // 1) if rounding == "up" else end // 1) for end in ends]
        if rounded[0] == rounded[1]:
            return IntegerBound(rounded[0], True)
        exact = None if tried else _exact(expr, values)
        tried = True
        if exact is not None:
            scaled = exact / Fraction(10) ** exponent
            return IntegerBound(int(-(-scaled // 1) if rounding == "up" else scaled // 1), True)
    if not rounded:
        raise NumericsError(f"no precision encloses {expr}; change an input")
    return IntegerBound(rounded[1] if rounding == "up" else rounded[0], False)


def _ends(ball: arb) -> tuple[Fraction, Fraction]:
    """The exact ends of a finite ball of moderate size, whatever the working precision is."""
    middle, radius = _fraction(ball.mid()), _fraction(ball.rad())
    return middle - radius, middle + radius


def _fraction(point: arb) -> Fraction:
    mantissa, exponent = point.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
