"""A statement at the numbers of one run: what its bounds come to, and which constants would just meet them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import sympy
from flint import arb

from boundcalc.constants import ConstantPolicy, ConstantUse, HiddenConstant, Notation
from boundcalc.errors import InputError
from boundcalc.notation import RELATIONS, bound_text, text
from boundcalc.numerics import Values, enclose, fits_integer, log10, positive_ball, round_to_integer
from boundcalc.solving import Solution, evaluate
from boundcalc.solving.context import Context, demand
from boundcalc.symbols import show_fraction, symbol_of
from boundcalc.theorem import Bound, Condition, Theorem
from boundcalc.verify.checks import Premise

LEAST_LOG10 = -10_000
"""A constant below 10^−10000 is not chosen: the report could not write it out."""

Number = Fraction | float


@dataclass(frozen=True)
class Statement:
    """A statement at given inputs; `inputs` are by symbol name, the rest comes from the statement or is assumed."""

    theorem: Theorem
    inputs: Mapping[str, Fraction]
    policy: ConstantPolicy

    def with_inputs(self, **more: Number) -> Statement:
        """The same statement with more inputs, or other values of them; a float stands for itself exactly."""
        return replace(self, inputs={**self.inputs, **{name: Fraction(value) for name, value in more.items()}})

    def with_constant(self, use: ConstantUse) -> Statement:
        """The same statement with one constant at another value."""
        return replace(self, policy=ConstantPolicy({**self.policy.values, use.name: use.value}))

    def solve(self, quantity: str) -> Solution:
        """Evaluate a quantity."""
        return evaluate(self.theorem, quantity, self.inputs, self.policy)

    def bound_on(self, symbol: str) -> Bound:
        """The guarantee on a symbol, by its name, or else the first bound on it.

        Raises:
            InputError: there is none.
        """
        for bound in (*self.theorem.guarantees, *self.theorem.bounds):
            if bound.symbol.name == symbol:
                return bound
        raise InputError(f"{self.theorem.key} does not bound {symbol}")

    def value(self, expr: sympy.Expr) -> float:
        """The value of an expression, as the nearest float; ±inf and 0 beyond float's range.

        Raises:
            InputError: it needs an input that is not there.
        """
        ball = enclose(expr, self._values(expr))
        return float(ball.mid())

    def log10(self, expr: sympy.Expr) -> float:
        """log₁₀ of the value of a positive expression, however large.

        Raises:
            InputError: it needs an input that is not there.
        """
        return log10(positive_ball(expr, self._values(expr)))

    def bound(self, symbol: str) -> float:
        """What the statement's bound on a symbol comes to."""
        return self.value(self.bound_on(symbol).expr)

    def needed(self, symbol: str, constant: str, measured: float) -> float:
        """The value of a constant at which the bound on `symbol` equals what was measured; 0 where none is needed.

        With the bound as rest + C·g, it is (measured − rest)/g.

        Raises:
            InputError: the bound is not of that form.
        """
        rest, slope = linear_in(self.bound_on(symbol).expr, constant)
        return max(0.0, (measured - self.value(rest)) / self.value(slope))

    def condition(self, bound: Condition) -> tuple[Premise, ConstantUse | None]:
        """Whether a condition holds at the inputs, and the constant that was chosen to make it hold.

        A constant that nobody set, and that scales the condition, is left open by the statement: it is chosen so that
        the condition just holds, rounded to the side on which it does, and the premise says so.
        """
        context = Context(self.theorem, self.inputs, self.policy)
        context.fill(context.needs(bound) | {bound.symbol}, frozenset())
        have = context.values[bound.symbol]
        limit = positive_ball(bound.expr, context.values)
        relation = RELATIONS[demand(bound)]
        name = bound_text(bound)
        asks = f"the statement asks for {text(bound.symbol)} {relation} {_limit(bound, limit, context.values)}"
        here = f"{text(bound.symbol)} = {show_fraction(have) if isinstance(have, Fraction) else have}"
        if context.holds(bound):
            return Premise(name, True, f"{here}; {asks}"), None
        scale = scale_of(bound)
        use = next((use for use in context.constants if use.name == scale and use.assumed), None)
        if use is None:
            return Premise(name, False, f"{here}; {asks}"), None
        ratio = log10(positive_ball(bound.symbol, context.values)) - log10(limit)
        if abs(ratio) > -LEAST_LOG10:
            return Premise(name, False, f"{here}; {asks}; {use.name} would have to be 10^{ratio:.6g}"), None
        chosen = use.chosen(_short(ratio, up=bound.relation == "<="), f"chosen so that {here} suffices")
        evidence = (
            f"met by choice: the statement leaves {use.name} open, and {here} satisfies it at {use.name} = "
            f"{show_fraction(chosen.value)}; at {use.name} = {show_fraction(use.value)} {asks}"
        )
        # A constant below the statement's own would void the premise, so nothing is refuted at one that was chosen.
        return Premise(name, True, evidence, certified=False), chosen

    def _values(self, expr: sympy.Expr) -> Values:
        context = Context(self.theorem, self.inputs, self.policy)
        context.fill(set(expr.free_symbols), frozenset())
        return context.values


def _limit(bound: Condition, limit: arb, values: Values) -> str:
    """The right side of a condition, and its enclosure, in words: an integer where its symbol is one."""
    if not symbol_of(bound.symbol).domain.integer or not fits_integer(limit):
        return f"10^{log10(limit):.6g}"
    return str(round_to_integer(bound.expr, values, "up" if demand(bound) == ">=" else "down").value)


def linear_in(expr: sympy.Expr, constant: str) -> tuple[sympy.Expr, sympy.Expr]:
    """Write an expression as rest + C·slope for the hidden constant of that name.

    Raises:
        InputError: it is not of that form, or there is no such constant.
    """
    spelled = expr.replace(lambda e: isinstance(e, Notation), lambda e: e.explicit())
    found = [atom for atom in spelled.atoms(HiddenConstant) if atom.name == constant]
    if not found:
        raise InputError(f"{constant} is no constant of {text(expr)}")
    slope = sympy.diff(spelled, found[0])
    if slope.has(found[0]):
        raise InputError(f"{text(expr)} is not linear in {constant}")
    return spelled.xreplace({found[0]: sympy.S.Zero}), slope


def scale_of(bound: Bound) -> str | None:
    """The name of the factor that the whole of a bound is proportional to, if there is one."""
    for constant in sorted(bound.expr.atoms(HiddenConstant), key=lambda constant: constant.name):
        if constant.role == "C":
            try:
                rest, _ = linear_in(bound.expr, constant.name)
            except InputError:
                continue
            if rest == 0:
                return str(constant.name)
    return None


def _short(exponent: float, *, up: bool) -> Fraction:
    """10^exponent to six significant digits, rounded up or down and a little further, as `exponent` has 12 digits."""
    whole = int(exponent // 1)
    mantissa = 10 ** (exponent - whole) * 10**5
    rounded = int(mantissa * (1 + 1e-9)) + 1 if up else int(mantissa * (1 - 1e-9))
    return Fraction(rounded, 10**5) * Fraction(10) ** whole
