"""Where inequalities in one unknown hold: every piece of the positive line, found by interval arithmetic.

The unknown x > 0 is searched in t = log x, over all magnitudes at once. On a box of t both sides of an inequality are
enclosed; where the enclosures are apart the inequality is decided for every x of the box, and where they meet the box
is halved. So no solution can be stepped over: x = a·log(bx) has two, the tiny one (on Lambert's branch W₀) and the one
from which on x ≥ a·log(bx) holds for good (W₋₁), and both are ends of a piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise

import sympy
from flint import arb, ctx

from boundcalc.constants import Notation, explicit
from boundcalc.errors import NumericsError
from boundcalc.numerics import Values, as_function, enclose

SEARCHED_TO = 50
"""The search reaches from exp(−16^50) to exp(16^50), about 10^(10^60); an edge beyond is taken for none."""

_LARGEST_POWER = arb(2) ** 200
"""Exponents beyond are not computed with: the power is then known to be beyond this one's."""

_ISOLATION_BITS = 320
_EDGE_BITS = 512
_NARROW = arb(2) ** -26
"""Boxes narrower than this, relative to the scale at hand, are left to the search for the very edge."""

_FINEST = arb(2) ** -200

_CLOSE_BY = arb(2) ** -20
_SHARP = arb(2) ** -120
"""Edges are found to this, relative to the scale at hand: below 10^30 an integer is then off by one at most."""

_MOST_BOXES = 8_000


@dataclass(frozen=True)
class Inequality:
    """`left relation right`, where the relation is `>=` or `<=`; `name` is how a message calls it."""

    left: sympy.Expr
    relation: str
    right: sympy.Expr
    name: str = ""

    def has(self, symbol: sympy.Symbol) -> bool:
        """Whether the symbol occurs on either side."""
        return symbol in self.left.free_symbols | self.right.free_symbols


@dataclass(frozen=True)
class Edge:
    """An end of a piece: `log` is the logarithm of a point in it, next to one where the inequality `binding` fails."""

    log: arb
    binding: Inequality

    @property
    def point(self) -> arb:
        """The point itself."""
        with ctx.workprec(_EDGE_BITS):
            return self.log.exp().mid()


@dataclass(frozen=True)
class Piece:
    """An interval on which every inequality holds; it reaches to the end of what was searched where an edge is None."""

    lower: Edge | None
    upper: Edge | None


def admissible(
    unknown: sympy.Symbol,
    inequalities: tuple[Inequality, ...],
    values: Values,
    lower: arb | None = None,
    upper: arb | None = None,
) -> tuple[Piece, ...]:
    """The pieces of [exp(lower), exp(upper)] on which every inequality holds, in increasing order.

    No piece where the two sides only touch, where one is undefined, or where an inequality holds over less than a
    factor of 1 + 2^−26: what is returned is admissible, and hardly anything else is.

    Args:
        unknown: the symbol that is solved for.
        inequalities: what must hold.
        values: the value of every other symbol.
        lower, upper: the range of log(unknown); None for all magnitudes.

    Raises:
        NumericsError: the sides could not be told apart in too many places.
    """
    pieces = [Piece(None, None)]
    for inequality in inequalities:
        own = _pieces(unknown, inequality, values, lower, upper)
        pieces = [joint for one in pieces for other in own if (joint := _intersection(one, other)) is not None]
    return tuple(pieces)


def _intersection(one: Piece, other: Piece) -> Piece | None:
    lowers = [piece.lower for piece in (one, other) if piece.lower is not None]
    uppers = [piece.upper for piece in (one, other) if piece.upper is not None]
    low = max(lowers, key=lambda edge: edge.log, default=None)
    high = min(uppers, key=lambda edge: edge.log, default=None)
    return None if low and high and not bool(low.log <= high.log) else Piece(low, high)


def _pieces(
    unknown: sympy.Symbol, inequality: Inequality, values: Values, lower: arb | None, upper: arb | None
) -> list[Piece]:
    scale = _Scale(tuple(end for end in (lower, upper) if end is not None))
    with ctx.workprec(_ISOLATION_BITS):
        grid = _grid(lower, upper)
        try:
            runs = list(_runs(_box_test(unknown, inequality, values), grid, scale))
        except NumericsError:
            # Where powers of the unknown cancel, as in τ(m)·√m, enclosures are tight only once they are collected.
            collected = replace(
                inequality, left=tidy(explicit(inequality.left)), right=tidy(explicit(inequality.right))
            )
            runs = list(_runs(_box_test(unknown, collected, values), grid, scale))
    with ctx.workprec(_EDGE_BITS):
        slack = _slack(unknown, inequality, values)
        # What stays undecided at the narrowest is decided at its middle; only a proof counts.
        runs = _merged([(a, b, _Probe((a + b) / 2, slack).holds if s is None else s) for a, b, s in runs])
        pieces = []
        for index, (start, end, state) in enumerate(runs):
            if not state:
                continue
            low = _edge(slack, start, scale, inside=1) if index > 0 else None
            high = _edge(slack, end, scale, inside=-1) if index < len(runs) - 1 else None
            if (index == 0 or low is not None) and (index == len(runs) - 1 or high is not None):
                pieces.append(Piece(*(None if log is None else Edge(log, inequality) for log in (low, high))))
        return pieces


Run = tuple[arb, arb, bool | None]


def tidy(expr: sympy.Expr) -> sympy.Expr:
    """`expr` with its products and powers collected, the arguments of maxima and minima left alone."""
    if not expr.args:
        return expr
    arguments = [tidy(argument) for argument in expr.args]
    return expr.func(*arguments, evaluate=False) if isinstance(expr, sympy.Max | sympy.Min) else expr.func(*arguments)


def _grid(lower: arb | None, upper: arb | None) -> list[arb]:
    """Points of t that part the search by magnitude: 0, ±1, ±16, ±16^2, ±16^4, …, within the range."""
    steps = [arb(1), *(arb(16) ** 2**k for k in range(SEARCHED_TO.bit_length()))]
    farthest = arb(16) ** SEARCHED_TO
    low = -farthest if lower is None else lower.mid()
    high = farthest if upper is None else upper.mid()
    inner = [*(-step for step in reversed(steps)), arb(0), *steps]
    return [low, *(point for point in inner if bool(low < point) and bool(point < high)), high]


def _runs(decide: Callable[[arb, arb], bool | None], grid: list[arb], scale: _Scale) -> Iterator[Run]:
    """The boxes of the search, in order, each decided or too narrow to be halved again."""
    pending = list(pairwise(grid))[::-1]
    for _ in range(_MOST_BOXES):
        if not pending:
            return
        start, end = pending.pop()
        state = decide(start, end)
        if state is None and bool(end - start > _NARROW * scale.of(start, end)):
            middle = ((start + end) / 2).mid()
            pending += [(middle, end), (start, middle)]
        else:
            yield start, end, state
    raise NumericsError("the two sides of a condition are too close to each other over a wide range; change an input")


@dataclass(frozen=True)
class _Scale:
    """How large a step in t is small: relative to |t| where that exceeds 1, and to the distance from a domain's end,
    so that what holds only for δ within 10^−40 of 1 is found too.
    """

    ends: tuple[arb, ...]

    def of(self, *points: arb) -> arb:
        """The scale at the point where it is largest."""
        return reduce(arb.max, (self._at(point) for point in points))

    def _at(self, point: arb) -> arb:
        size = arb(1).max(abs(point))
        return reduce(arb.min, (abs(point - end).max(_FINEST) for end in self.ends), size)


def _merged(runs: list[Run]) -> list[Run]:
    merged: list[Run] = []
    for start, end, state in runs:
        if merged and merged[-1][2] == state:
            merged[-1] = (merged[-1][0], end, state)
        else:
            merged.append((start, end, state))
    return merged


def _edge(slack: Callable[[arb], arb], around: arb, scale: _Scale, inside: int) -> arb | None:
    """The first point, to _SHARP, from which on towards `inside` the slack is not negative; it is near `around`.

    Returns None where there is no such place: a piece too narrow to be seen.
    """
    good = bad = _Probe(around, slack)
    for doubling in range(8):
        step = _NARROW * scale.of(around) * inside * 2**doubling
        good = good if good.holds else _Probe(good.log + step, slack)
        bad = _Probe(bad.log - step, slack) if bad.holds else bad
    if not good.holds or bad.holds:
        return None
    while bool(abs(good.log - bad.log) > _SHARP * scale.of(good.log, bad.log)):
        # Over so short a way the slack is all but linear: the edge is where its chord crosses zero, or very close by.
        way = good.log - bad.log
        crossing = bad.log - way * bad.slack / (good.slack - bad.slack)
        for point in (crossing + way * _CLOSE_BY, crossing - way * _CLOSE_BY, (good.log + bad.log) / 2):
            if bool(abs(point - good.log) < abs(good.log - bad.log)) and bool(abs(point - bad.log) < abs(way)):
                probe = _Probe(point, slack)
                good, bad = (probe, bad) if probe.holds else (good, probe)
    return good.log


class _Probe:
    """A point of t, and the slack of the inequality there."""

    def __init__(self, log: arb, slack: Callable[[arb], arb]) -> None:
        self.log = log.mid()
        self.slack = slack(self.log)
        self.holds = bool(self.slack >= 0)


def _slack(unknown: sympy.Symbol, inequality: Inequality, values: Values) -> Callable[[arb], arb]:
    left = as_function(inequality.left, unknown, values)
    right = as_function(inequality.right, unknown, values)
    if inequality.relation == "<=":
        left, right = right, left

    def slack(log: arb) -> arb:
        x = log.exp()
        return left(x) - right(x)

    return slack


# Enclosures over a box: a pair of balls, below and above every value.

Range = tuple[arb, arb]
_NAN = arb("nan")


class _Undefined(Exception):
    """A side has no real value anywhere on the box."""


def _box_test(unknown: sympy.Symbol, inequality: Inequality, values: Values) -> Callable[[arb, arb], bool | None]:
    left = _range_function(inequality.left, unknown, values)
    right = _range_function(inequality.right, unknown, values)
    if inequality.relation == "<=":
        left, right = right, left

    def decide(start: arb, end: arb) -> bool | None:
        x = start.exp(), end.exp()
        try:
            (low, high), (below, above) = left(x), right(x)
        except _Undefined:
            return False
        return True if bool(low >= above) else False if bool(high < below) else None

    return decide


def _range_function(expr: sympy.Expr, unknown: sympy.Symbol, values: Values) -> Callable[[Range], Range]:
    if expr == unknown:
        return lambda x: x
    if unknown not in expr.free_symbols:
        constant = enclose(expr, values, ctx.prec)
        if not bool(constant.is_finite()):
            raise NumericsError(f"{expr} is infinite or undefined at these inputs; change an input")
        return lambda x: (constant, constant)
    rule = _notation if isinstance(expr, Notation) else _RULES.get(expr.func)
    if rule is None:
        raise NumericsError(f"no rule to enclose {expr.func.__name__} in {expr}")
    parts = expr.args
    if isinstance(expr, sympy.log) and parts[0].is_Add and sympy.S.One in parts[0].args:
        # log(1 − x) of a tiny x would lose x.
        rule, parts = _log1p, [term for term in parts[0].args if term != 1]
    arguments = [_range_function(argument, unknown, values) for argument in parts]
    return lambda x: rule(*(argument(x) for argument in arguments))


def _sum(*terms: Range) -> Range:
    return sum((low for low, _ in terms), arb(0)), sum((high for _, high in terms), arb(0))


def _product(*factors: Range) -> Range:
    return reduce(_times, factors)


def _times(one: Range, other: Range) -> Range:
    if bool(one[0] >= 0) and bool(other[0] >= 0):
        return one[0] * other[0], one[1] * other[1]
    return _hull(*(a * b for a in one for b in other))


def _hull(*corners: arb) -> Range:
    return reduce(arb.min, corners), reduce(arb.max, corners)


def _power(base: Range, exponent: Range) -> Range:
    if not bool(base[0] >= 0):
        if bool(base[1] < 0) and exponent[0] is exponent[1] and exponent[0].is_integer():
            return _hull(base[0] ** exponent[0], base[1] ** exponent[0])
        if bool(base[1] <= 0):
            raise _Undefined
        return _NAN, _NAN
    # Monotone in the base and in the exponent alone: the extremes are at corners.
    exponents = exponent[:1] if exponent[0] is exponent[1] else exponent
    return _hull(*(value for a in base for b in exponents for value in _corner(a, b)))


def _corner(base: arb, exponent: arb) -> tuple[arb, ...]:
    """base^exponent, or bounds on it where it is beyond every number."""
    if bool(base == 0):
        return (arb(0) if bool(exponent > 0) else arb("inf") if bool(exponent < 0) else _NAN,)
    if bool(abs(exponent) <= _LARGEST_POWER):
        return (base**exponent,)
    if not bool(base != 1):
        return (_NAN,)
    nearer = base ** (_LARGEST_POWER if bool(exponent > 0) else -_LARGEST_POWER)
    return nearer, (arb("inf") if bool(base > 1) == bool(exponent > 0) else arb(0))


def _log(argument: Range) -> Range:
    if bool(argument[1] <= 0):
        raise _Undefined
    low = argument[0]
    return low.log() if bool(low > 0) else arb("-inf") if bool(low == 0) else _NAN, argument[1].log()


def _log1p(*terms: Range) -> Range:
    low, high = _sum(*terms)
    if bool(high <= -1):
        raise _Undefined
    return (low.log1p() if bool(low > -1) else _NAN), high.log1p()


def _notation(g: Range, factor: Range, *log_powers: Range) -> Range:
    value = _times(factor, g)
    for power in log_powers:
        if power[0] is power[1] and bool(power[0] == 0):
            continue
        value = _times(value, _power(_largest((arb(1), arb(1)), _log(g)), power))
    return value


def _largest(*terms: Range) -> Range:
    return reduce(arb.max, (low for low, _ in terms)), reduce(arb.max, (high for _, high in terms))


def _least(*terms: Range) -> Range:
    return reduce(arb.min, (low for low, _ in terms)), reduce(arb.min, (high for _, high in terms))


_RULES: Mapping[type, Callable[..., Range]] = {
    sympy.Add: _sum,
    sympy.Mul: _product,
    sympy.Pow: _power,
    sympy.log: _log,
    sympy.exp: lambda argument: _power((arb(1).exp(), arb(1).exp()), argument),
    sympy.Max: _largest,
    sympy.Min: _least,
}
