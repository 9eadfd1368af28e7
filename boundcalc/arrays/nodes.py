"""From a formula to the steps of a program: one class for each kind of node, with all the rules for it.

Every kind of node has two rules, which call each other. `magnitude` gives log|node|, in which a product is a sum and
nothing overflows; `value` gives the node itself, which exponents and the arguments of logarithms need:

    log|x·y| = log|x| + log|y|      log|x^p| = p·log|x|      log|log x|: of the value of log x, which is x's own log
    log(x + y) = h + log(exp(log x − h) + exp(log y − h)), h the larger of log x and log y
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce

import sympy

from boundcalc.arrays.programs import (
    EXP,
    LOG,
    LOG_ABS,
    LOG_DIFFERENCE,
    LOG_LOG1P,
    LOG_POSITIVE,
    LOG_SUM,
    MASKED,
    MAXIMUM,
    MINIMUM,
    POWER,
    SCALED_SUM,
    SIGN,
    Builder,
    Linear,
    total,
)
from boundcalc.constants import Notation
from boundcalc.errors import NumericsError
from boundcalc.symbols import POSITIVE, VOCABULARY

NAN, NOTHING = math.nan, -math.inf
"""The logarithm of what is negative or undefined, and that of zero."""


class _Node(ABC):
    """A node of a formula, and the rules by which it becomes steps."""

    @property
    def sign(self) -> int:
        """1 or −1 where the node is known to be ≥ 0 or ≤ 0 wherever it is defined, else 0."""
        return 1

    @property
    def side(self) -> int:
        """1 or −1 where the node is known to be ≥ 1 or to lie in [0, 1], else 0: the sign of its logarithm."""
        return 0

    @property
    def tame(self) -> bool:
        """Whether the value fits a float whatever the inputs: it is made of logarithms only."""
        return False

    @abstractmethod
    def value(self, to: Builder) -> Linear:
        """The node itself."""

    def magnitude(self, to: Builder) -> Linear:
        """log|node|."""
        return to.apply(LOG if self.sign == 1 else LOG_ABS, self.value(to))

    def signs(self, to: Builder) -> Linear:
        """The sign, as an array where it is not known."""
        return Linear(float(self.sign)) if self.sign else to.apply(SIGN, self.value(to))

    def log(self, to: Builder, below: float = NAN) -> Linear:
        """log(node), and `below` where it is negative."""
        if self.sign == 0:
            return to.apply(MASKED, self.magnitude(to), self.signs(to), Linear(below))
        return self.magnitude(to) if self.sign == 1 else Linear(below)


@dataclass(frozen=True)
class _Constant(_Node):
    """A number, and the logarithm of its size: the number itself may be beyond floats."""

    number: float
    logarithm: float

    @property
    def sign(self) -> int:
        return 1 if self.number >= 0 else -1

    @property
    def side(self) -> int:
        return 1 if self.number >= 1 else -1 if self.number >= 0 else 0

    @property
    def tame(self) -> bool:
        return abs(self.logarithm) < 70 or self.number == 0

    @property
    def whole(self) -> bool:
        return self.number.is_integer()

    def value(self, to: Builder) -> Linear:
        return Linear(self.number)

    def magnitude(self, to: Builder) -> Linear:
        return Linear(self.logarithm)


ONE = _Constant(1.0, 0.0)


def _constant(value: Fraction) -> _Constant:
    over, under = abs(value.numerator), value.denominator
    if over == 0:
        return _Constant(0.0, NOTHING)
    if under < 2 * over < 4 * under:  # log1p keeps the digits of a logarithm near zero
        return _Constant(float(value), math.log1p((over - under) / under))
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    return _Constant(number, math.log(over) - math.log(under))


@dataclass(frozen=True)
class _Input(_Node):
    """A positive symbol or constant that is given as an array: of its values, or of their logarithms."""

    name: str
    logged: bool

    @property
    def side(self) -> int:
        domain = VOCABULARY[self.name].domain if self.name in VOCABULARY else POSITIVE
        return 1 if domain.lower is not None and domain.lower >= 1 else -1 if domain.upper == 1 else 0

    def value(self, to: Builder) -> Linear:
        given = to.input(self.name)
        return to.apply(EXP, given) if self.logged else given

    def magnitude(self, to: Builder) -> Linear:
        given = to.input(self.name)
        return given if self.logged else to.apply(LOG, given)


@dataclass(frozen=True)
class _Product(_Node):
    factors: tuple[_Node, ...]

    @cached_property
    def sign(self) -> int:
        return math.prod(factor.sign for factor in self.factors)

    @cached_property
    def side(self) -> int:
        sides = {factor.side if factor.sign == 1 else 0 for factor in self.factors}
        return sides.pop() if len(sides) == 1 else 0

    @cached_property
    def tame(self) -> bool:
        return len(self.factors) <= 4 and all(factor.tame for factor in self.factors)

    def value(self, to: Builder) -> Linear:
        return reduce(to.times, (factor.value(to) for factor in self.factors))

    def magnitude(self, to: Builder) -> Linear:
        return total(factor.magnitude(to) for factor in self.factors)

    def signs(self, to: Builder) -> Linear:
        return reduce(to.times, (factor.signs(to) for factor in self.factors))

    def log(self, to: Builder, below: float = NAN) -> Linear:
        unknown = [factor for factor in self.factors if factor.sign == 0]
        known = [factor for factor in self.factors if factor.sign != 0]
        if len(unknown) == 1 and math.prod(factor.sign for factor in known) == 1:
            return total(factor.magnitude(to) for factor in known) + unknown[0].log(to, below)
        return super().log(to, below)


@dataclass(frozen=True)
class _Root(_Node):
    """A power with a number as exponent."""

    base: _Node
    exponent: _Constant

    @cached_property
    def sign(self) -> int:
        return self.base.sign if self.exponent.whole and self.exponent.number % 2 == 1 else 1

    @cached_property
    def side(self) -> int:
        return self.exponent.sign * self.base.side if self.base.sign == 1 else 0

    @cached_property
    def tame(self) -> bool:
        return abs(self.exponent.number) <= 4 and self.base.tame

    def value(self, to: Builder) -> Linear:
        return to.apply(POWER, self.base.value(to), Linear(self.exponent.number))

    def magnitude(self, to: Builder) -> Linear:
        # Only whole powers of what is negative are defined.
        own = self.base.magnitude(to) if self.exponent.whole else self.base.log(to)
        return own.times(self.exponent.number)

    def signs(self, to: Builder) -> Linear:
        return self.base.signs(to) if self.sign == 0 else super().signs(to)


@dataclass(frozen=True)
class _Power(_Node):
    """A power with an exponent that is a formula; its base is positive wherever it is defined."""

    base: _Node
    exponent: _Node

    @cached_property
    def side(self) -> int:
        return self.exponent.sign * self.base.side if self.base.sign == 1 else 0

    def value(self, to: Builder) -> Linear:
        return to.apply(EXP, self.magnitude(to))

    def magnitude(self, to: Builder) -> Linear:
        rest = _beyond_one(self.base)
        if rest is not None and rest.sign and self.exponent.sign:
            # (1 + r)^e: neither a huge e nor a tiny log(1 + r) need fit a float for their product to do so.
            product = self.exponent.magnitude(to) + to.apply(LOG_LOG1P, rest.magnitude(to), Linear(rest.sign))
            return to.apply(EXP, product).times(self.exponent.sign * rest.sign)
        return to.times(self.exponent.value(to), self.base.log(to))


@dataclass(frozen=True)
class _Sum(_Node):
    terms: tuple[_Node, ...]

    @cached_property
    def sign(self) -> int:
        signs = {term.sign for term in self.terms}
        return signs.pop() if len(signs) == 1 else 0

    @cached_property
    def side(self) -> int:
        if self.sign == 1:
            return 1 if any(term.side == 1 for term in self.terms) else 0
        rest = _beyond_one(self)
        return -1 if rest is not None and rest.sign == -1 else 0

    @cached_property
    def tame(self) -> bool:
        return len(self.terms) <= 4 and all(term.tame for term in self.terms)

    def value(self, to: Builder) -> Linear:
        return total(term.value(to) for term in self.terms)

    def magnitude(self, to: Builder) -> Linear:
        if self.tame:
            return super().magnitude(to)
        if any(term.sign == 0 for term in self.terms):
            top, scaled = self._scaled(to)
            return top + to.apply(LOG_ABS, scaled)
        above, below = self._parts(to)
        if above is None or below is None:
            return above or below or Linear(NOTHING)
        return to.apply(LOG_DIFFERENCE, above, below)

    def signs(self, to: Builder) -> Linear:
        if self.tame or self.sign:
            return super().signs(to)
        if any(term.sign == 0 for term in self.terms):
            return to.apply(SIGN, self._scaled(to)[1])
        above, below = self._parts(to)
        return to.apply(SIGN, (above or Linear(NOTHING)) + (below or Linear(NOTHING)).times(-1))

    def _parts(self, to: Builder) -> tuple[Linear | None, Linear | None]:
        """The logarithms of the sums of the positive and of the negative terms."""
        parts = ([term.magnitude(to) for term in self.terms if term.sign == sign] for sign in (1, -1))
        above, below = (to.apply(LOG_SUM, *logs) if len(logs) > 1 else next(iter(logs), None) for logs in parts)
        return above, below

    def _scaled(self, to: Builder) -> tuple[Linear, Linear]:
        """The largest log|term|, and the sum relative to it."""
        logs = [term.magnitude(to) for term in self.terms]
        top = reduce(lambda x, y: to.apply(MAXIMUM, x, y), logs)
        return top, to.apply(SCALED_SUM, top, *logs, *(term.signs(to) for term in self.terms))


def _beyond_one(node: _Node) -> _Node | None:
    """r, of a sum 1 + r."""
    if not isinstance(node, _Sum) or node.terms.count(ONE) != 1:
        return None
    return _sum(tuple(term for term in node.terms if term != ONE))


@dataclass(frozen=True)
class _Log(_Node):
    argument: _Node

    @property
    def sign(self) -> int:
        return self.argument.side

    @cached_property
    def tame(self) -> bool:
        return _beyond_one(self.argument) is None

    def value(self, to: Builder) -> Linear:
        return self.argument.log(to)

    def magnitude(self, to: Builder) -> Linear:
        rest = _beyond_one(self.argument)
        if rest is not None and rest.sign:
            return to.apply(LOG_LOG1P, rest.magnitude(to), Linear(rest.sign))
        return super().magnitude(to)

    def log(self, to: Builder, below: float = NAN) -> Linear:
        if self.sign:
            return super().log(to, below)
        return to.apply(LOG_POSITIVE if below == NOTHING else LOG, self.value(to))


@dataclass(frozen=True)
class _Exp(_Node):
    argument: _Node

    @property
    def side(self) -> int:
        return self.argument.sign

    def value(self, to: Builder) -> Linear:
        return to.apply(EXP, self.argument.value(to))

    def magnitude(self, to: Builder) -> Linear:
        return self.argument.value(to)


@dataclass(frozen=True)
class _Extreme(_Node):
    """The largest of its arguments (direction 1) or the least (direction −1)."""

    arguments: tuple[_Node, ...]
    direction: int

    def _known(self, facts: Iterable[int]) -> int:
        """The sign or side of the whole: one argument can decide it one way, all of them the other."""
        found = set(facts)
        return self.direction if self.direction in found else found.pop() if len(found) == 1 else 0

    @cached_property
    def sign(self) -> int:
        return self._known(argument.sign for argument in self.arguments)

    @cached_property
    def side(self) -> int:
        return self._known(argument.side for argument in self.arguments) if self.sign == 1 else 0

    @cached_property
    def tame(self) -> bool:
        return all(argument.tame for argument in self.arguments)

    def _of(self, to: Builder, parts: Iterable[Linear]) -> Linear:
        operation = MAXIMUM if self.direction == 1 else MINIMUM
        return reduce(lambda x, y: to.apply(operation, x, y), parts)

    def value(self, to: Builder) -> Linear:
        return self._of(to, (argument.value(to) for argument in self.arguments))

    def magnitude(self, to: Builder) -> Linear:
        if self.tame or self.sign != 1:
            return super().magnitude(to)
        return self._of(to, (argument.log(to, NOTHING) for argument in self.arguments))

    def signs(self, to: Builder) -> Linear:
        if self.tame or self.sign:
            return super().signs(to)
        return self._of(to, (argument.signs(to) for argument in self.arguments))

    def log(self, to: Builder, below: float = NAN) -> Linear:
        if self.tame or self.sign:
            return super().log(to, below)
        logs = self._of(to, (argument.log(to, NOTHING) for argument in self.arguments))
        return logs if below == NOTHING else to.apply(MASKED, logs, self.signs(to), Linear(below))


# From sympy to nodes --------------------------------------------------------------------------------


def _product(factors: Iterable[_Node]) -> _Node:
    kept = tuple(factor for factor in factors if factor != ONE)
    return kept[0] if len(kept) == 1 else _Product(kept) if kept else ONE


def _sum(terms: Iterable[_Node]) -> _Node:
    """A sum, the sums among its terms taken apart, those with a number before them too."""
    flat = tuple(part for term in terms for part in _apart(term))
    return flat[0] if len(flat) == 1 else _Sum(flat)


def _apart(term: _Node) -> Iterator[_Node]:
    factors = term.factors if isinstance(term, _Product) else (term,)
    sums = [factor for factor in factors if isinstance(factor, _Sum)]
    numbers = [factor for factor in factors if isinstance(factor, _Constant)]
    if len(sums) == 1 and len(numbers) == len(factors) - 1:
        yield from (_product((*numbers, part)) for part in sums[0].terms)
    else:
        yield term


def _power(base: _Node, exponent: _Node) -> _Node:
    if not isinstance(exponent, _Constant):
        return _Power(base, exponent)
    return ONE if exponent.number == 0 else base if exponent.number == 1 else _Root(base, exponent)


@dataclass(frozen=True)
class Reader:
    """Makes nodes of an expression, with `values` put in for the symbols that they name."""

    values: Mapping[sympy.Symbol, Fraction | sympy.Expr]
    logs: Collection[str]

    def __call__(self, expr: sympy.Expr) -> _Node:
        """The node.

        Raises:
            NumericsError: the expression holds something that there is no rule for.
        """
        if expr.is_Symbol:
            value = self.values.get(expr)
            if value is None:
                return _Input(expr.name, expr.name in self.logs)
            return _constant(value) if isinstance(value, Fraction) else self(value)
        if expr.is_Rational:
            return _constant(Fraction(expr.p, expr.q))
        rule = _notation if isinstance(expr, Notation) else _RULES.get(expr.func)
        if rule is None:
            raise NumericsError(f"no rule to compute {expr.func.__name__} on arrays in {expr}")
        return rule(*map(self, expr.args))


def _notation(g: _Node, factor: _Node, *log_powers: _Node) -> _Node:
    """C·g, or C·g·max(1, log g)^k."""
    return _product((factor, g, *(_power(_Extreme((ONE, _Log(g)), 1), power) for power in log_powers)))


_RULES: Mapping[type, Callable[..., _Node]] = {
    sympy.Add: lambda *terms: _sum(terms),
    sympy.Mul: lambda *factors: _product(factors),
    sympy.Pow: _power,
    sympy.log: _Log,
    sympy.exp: _Exp,
    sympy.Max: lambda *arguments: _Extreme(arguments, 1),
    sympy.Min: lambda *arguments: _Extreme(arguments, -1),
    type(sympy.E): lambda: _Constant(math.e, 1.0),
    type(sympy.pi): lambda: _Constant(math.pi, math.log(math.pi)),
}
