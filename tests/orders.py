"""Orders of growth a second time: read by other rules than the library's, compared by scipy, evaluated by mpmath.

An order is a maximum of minima of monomials; a monomial gives exponents by name. A curve in s → ∞ gives each symbol as
s^p·2^(q·s); a logarithm is s on it where its symbol moves like 2^s, and a constant elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import chain, combinations, product

import numpy as np
import sympy
from mpmath import mp, mpf
from scipy.optimize import linprog

from boundcalc.constants import HiddenConstant, Notation
from boundcalc.symbols import VOCABULARY

Monomial = frozenset[tuple[str, Fraction]]
Clause = frozenset[Monomial]
Order = frozenset[Clause]
Inequality = tuple[sympy.Expr, sympy.Expr]
"""small ≤ large."""

ONE: Monomial = frozenset()
UNIT: Order = frozenset({frozenset({ONE})})
HALF = Fraction(1, 2)
STILL = (Fraction(0), Fraction(0))
"""How a constant moves."""


# --- reading ---------------------------------------------------------------------------------------------------------


def times(*powers: tuple[Monomial, Fraction]) -> Monomial:
    total: dict[str, Fraction] = {}
    for monomial, outer in powers:
        for name, inner in monomial:
            total[name] = total.get(name, Fraction(0)) + inner * outer
    return frozenset((name, power) for name, power in total.items() if power)


def over(x: Monomial, y: Monomial) -> Monomial:
    return times((x, Fraction(1)), (y, Fraction(-1)))


def swapped(sets: Order) -> Order:
    """A maximum of minima as a minimum of maxima, and back, without sets that hold another."""
    found = {frozenset(choice) for choice in product(*sets)}
    return frozenset(x for x in found if not any(y < x for y in found))


def to_power(order: Order, power: Fraction) -> Order:
    scaled = frozenset(frozenset(times((x, power)) for x in term) for term in order)
    return UNIT if power == 0 else scaled if power > 0 else swapped(scaled)


def times_orders(a: Order, b: Order) -> Order:
    one = Fraction(1)
    return frozenset(frozenset(times((x, one), (y, one)) for x in mine for y in its) for mine in a for its in b)


def number(expr: sympy.Expr) -> Fraction:
    """An exponent: α is 1/2, what poly(…) hides is as listed."""
    if isinstance(expr, HiddenConstant):
        return expr.value if expr.value is not None else Fraction(int(expr.role == "p"))
    if expr.is_Symbol:
        assert expr.name == "alpha", expr
        return HALF
    if expr.is_Rational:
        return Fraction(expr.p, expr.q)
    parts = [number(part) for part in expr.args]
    if expr.is_Add:
        return sum(parts, Fraction(0))
    if expr.is_Pow:
        return parts[0] ** int(parts[1])
    assert expr.is_Mul, expr
    return Fraction(sympy.prod(sympy.Rational(part.numerator, part.denominator) for part in parts))


@cache
def order_of(expr: sympy.Expr, logs: bool = False) -> Order:
    """The order of growth of a formula; logarithms are kept as variables, or dropped."""
    if expr.is_Number:
        assert expr > 0, expr
        return UNIT
    if isinstance(expr, HiddenConstant) or expr.is_NumberSymbol:
        return UNIT
    if expr.is_Symbol:
        return UNIT if expr.name == "alpha" else frozenset({frozenset({frozenset({(expr.name, Fraction(1))})})})
    if isinstance(expr, Notation):
        return order_of(expr.args[0], logs)
    if expr.is_Pow and expr.base.is_Number and expr.exp.free_symbols:
        return _exponential(expr)
    if expr.is_Pow:
        return to_power(order_of(expr.base, logs), number(expr.exp))
    if expr.func == sympy.log:
        names = {name for term in order_of(expr.args[0], logs) for x in term for name, _ in x}
        if not logs or not names:
            return UNIT
        return frozenset(frozenset({frozenset({(_log_name(name), Fraction(1))})}) for name in names)
    parts = [order_of(part, logs) for part in expr.args]
    if expr.is_Mul:
        whole = UNIT
        for part in parts:
            whole = times_orders(whole, part)
        return whole
    if isinstance(expr, sympy.Min):
        return swapped(frozenset(chain.from_iterable(map(swapped, parts))))
    assert expr.is_Add or isinstance(expr, sympy.Max), expr
    return frozenset(chain.from_iterable(parts))


def _log_name(name: str) -> str:
    return "L" if name == "2^L" else f"log {name}"


def _exponential(expr: sympy.Expr) -> Order:
    (symbol,) = (s for s in expr.exp.free_symbols if not isinstance(s, HiddenConstant))
    bits = sympy.log(expr.base, 2)
    rate = Fraction(int(bits)) * number(sympy.expand(expr.exp / symbol))
    return frozenset({frozenset({frozenset({(f"2^{symbol.name}", rate)})})})


def without(order: Order, held: Iterable[str]) -> Order:
    """An order with some symbols, and all that is made of them alone, held constant."""
    gone = {prefix + name for name in held for prefix in ("", "log ", "2^")}
    return frozenset(
        frozenset(frozenset((name, power) for name, power in x if name not in gone) for x in term) for term in order
    )


def clauses(small: Order, large: Order) -> frozenset[Clause]:
    """Of each of these sets, one monomial is ≤ 1 where small ≤ large."""
    found = {frozenset(over(x, y) for x in term for y in clause) for term in small for clause in swapped(large)}
    return frozenset(x for x in found if not any(y < x for y in found))


def names_in(sets: Iterable[Clause]) -> set[str]:
    return {name for clause in sets for x in clause for name, _ in x}


def size(name: str) -> int:
    """1 for what is at least 1, −1 for what is at most 1 up to a constant, 0 for what is free."""
    if name.startswith(("2^", "log ")):
        return 1
    if name == "B":  # Lemma 4.1 bounds from above the gradient that (3.1) bounds from below.
        return -1
    entry = VOCABULARY.get(name)
    if entry is None:
        return 0
    return 1 if entry.domain.lower == 1 else -1 if entry.domain.upper is not None else 0


# --- curves ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """By name, (q, p) for s^p·2^(q·s), compared in this order; a symbol without an entry is constant."""

    moves: Mapping[str, tuple[Fraction, Fraction]]

    @property
    def rated(self) -> bool:
        """Whether something moves like 2^s."""
        return any(rate for rate, _ in self.moves.values())

    @property
    def deep(self) -> bool:
        return bool(self.move("L")[1])

    def move(self, name: str) -> tuple[Fraction, Fraction]:
        if name == "2^L":
            return self.move("L")[1], Fraction(0)
        if name.startswith("log "):
            return Fraction(0), Fraction(int(self.move(name.removeprefix("log "))[0] != 0))
        return self.moves.get(name, STILL)

    def of(self, x: Monomial) -> tuple[Fraction, Fraction]:
        rate, power = (sum((e * self.move(name)[part] for name, e in x), Fraction(0)) for part in (0, 1))
        return rate, power

    def at(self, order: Order) -> tuple[Fraction, Fraction]:
        return max(min(map(self.of, term)) for term in order)


class _Family:
    """Curves as the unknowns of a linear programme: ξ, y = ξ·p by name, κ, z = κ·q by name; ξ, κ ≥ 1.

    A monomial's power is y-part/ξ, its rate z-part/κ. With κ large enough, it stays bounded iff its z-part and the sum
    of both parts are ≤ 0.
    """

    def __init__(self, names: set[str], *, deep: bool, moving: Mapping[str, int]) -> None:
        self.names = sorted(name for name in names if not name.startswith(("2^", "log ")))
        self.deep, self.moving = deep, moving
        logged = {name.removeprefix("log ") for name in names if name.startswith("log ")}
        self.two_scales = deep or bool(moving)
        self.rated = [n for n in self.names if self.two_scales and n != "L" and (n in moving or n not in logged)]
        self.frozen_depth = any(name == "2^L" for name in names) and not deep
        self.columns: dict[str | tuple[str, str], int] = {"ξ": 0, "κ": 1}
        self.columns |= {("y", n): 2 + i for i, n in enumerate(self.names)}
        self.columns |= {("z", n): 2 + len(self.names) + i for i, n in enumerate(self.rated)}

    def parts(self, x: Monomial) -> tuple[np.ndarray, np.ndarray]:
        slow, fast = np.zeros(len(self.columns)), np.zeros(len(self.columns))
        for name, power in x:
            e = float(power)
            if name == "2^L":
                fast[self.columns["κ"]] += e if self.deep else 0
            elif name.startswith("log "):
                slow[self.columns["ξ"]] += e if name.removeprefix("log ") in self.moving else 0
            elif name == "L" and (self.deep or self.frozen_depth):
                slow[self.columns["ξ"]] += e if self.deep else 0
            else:
                slow[self.columns["y", name]] += e
                if ("z", name) in self.columns:
                    fast[self.columns["z", name]] += e
        return slow, fast

    def bounded(self, x: Monomial) -> list[np.ndarray]:
        slow, fast = self.parts(x)
        return [fast, slow + fast] if self.two_scales else [slow]

    def signs(self) -> list[np.ndarray]:
        """Rows that must be ≤ 0: the regime of every symbol, and which way those with a logarithm move."""
        rows = []
        for name in self.names:
            x: Monomial = frozenset({(name, Fraction(-size(name)))})
            rows += self.bounded(x) if size(name) else []
        for name, sign in self.moving.items():
            row = np.zeros(len(self.columns))
            row[self.columns["z", name]], row[self.columns["κ"]] = -sign, 1e-3
            rows.append(row)
        return rows

    def curve(self, solution: np.ndarray) -> Curve:
        def exact(value: float) -> Fraction:
            return Fraction(value).limit_denominator(20000)

        slow, fast = solution[0], solution[1]
        powers = {n: exact(solution[self.columns["y", n]] / slow) for n in self.names}
        rates = {n: exact(solution[self.columns["z", n]] / fast) for n in self.rated}
        moves = {n: (rates.get(n, Fraction(0)), powers[n]) for n in self.names if rates.get(n) or powers[n]}
        if self.deep:
            moves["L"] = (Fraction(0), Fraction(1))
        elif self.frozen_depth:
            moves.pop("L", None)
        return Curve(moves)

    def solve(
        self, at_most: Sequence[np.ndarray], at_least: Sequence[tuple[np.ndarray, float]], aim: np.ndarray | None = None
    ) -> np.ndarray | None:
        """A point with rows ≤ 0, and others ≥ their bounds; the least for an aim within a box, if one is given."""
        matrix = [*at_most, *(-row for row, _ in at_least)]
        bounds = [0.0] * len(at_most) + [-least for _, least in at_least]
        rest = len(self.columns) - 2
        box: list[tuple[float | None, float | None]] = [(1, None), (1, None), *[(None, None)] * rest]
        if aim is not None:
            box = [(1, 1), (1, 1), *[(-8, 8)] * rest]
        aim = aim if aim is not None else np.array([1.0, 1.0, *[0.0] * (len(self.columns) - 2)])
        found = linprog(aim, A_ub=np.array(matrix), b_ub=bounds, bounds=box, method="highs-ds")
        assert found.status in (0, 2), found.message
        return found.x if found.status == 0 else None


def families(names: set[str], *, logs: bool) -> Iterator[_Family]:
    """Every kind of curve on which symbols of these names can move."""
    logged = sorted(name.removeprefix("log ") for name in names if name.startswith("log ")) if logs else []
    whole = names | set(logged)
    for count in range(len(logged) + 1):
        for chosen in combinations(logged, count):
            for signs in product(*([size(name)] if size(name) else [1, -1] for name in chosen)):
                moving = dict(zip(chosen, signs, strict=True))
                if "L" in moving:
                    continue  # On a curve L is a power of s.
                yield _Family(whole, deep=False, moving=moving)
                if "2^L" in whole:
                    yield _Family(whole | {"L"}, deep=True, moving=moving)


def breach(small: Order, large: Order, premises: Iterable[tuple[Order, Order]], *, logs: bool = False) -> Curve | None:
    """A curve on which the premises hold, and small ≤ large fails by an unbounded factor; None where there is none."""
    wanted = clauses(small, large)
    singles, several = split(premises)
    names = names_in([*wanted, *singles, *several])
    for family in families(names, logs=logs):
        at_most = [*family.signs(), *(row for (x,) in singles for row in family.bounded(x))]
        for clause in wanted:
            grows = [(row, least) for x in clause for row, least in _growing(family, x)]
            found = _outside(family, at_most, grows, several)
            if found is not None:
                assert all(found.of(x) > STILL for x in clause), (clause, found)
                return found
    return None


def _growing(family: _Family, x: Monomial) -> list[tuple[np.ndarray, float]]:
    slow, fast = family.parts(x)
    return [(fast, 0.0), (slow + fast, 1.0)] if family.two_scales else [(slow, 1.0)]


def _outside(
    family: _Family,
    at_most: Sequence[np.ndarray],
    at_least: Sequence[tuple[np.ndarray, float]],
    several: Sequence[Clause],
) -> Curve | None:
    solution = family.solve(at_most, at_least)
    if solution is None:
        return None
    curve = family.curve(solution)
    open_ones = [clause for clause in several if all(curve.of(x) > STILL for x in clause)]
    if not open_ones:
        return curve
    for x in sorted(open_ones[0], key=sorted):
        found = _outside(family, [*at_most, *family.bounded(x)], at_least, several)
        if found is not None:
            return found
    return None


def split(premises: Iterable[tuple[Order, Order]]) -> tuple[list[Clause], list[Clause]]:
    """The clauses of some inequalities: those of one monomial, and those of several."""
    found = list(dict.fromkeys(clause for small, large in premises for clause in clauses(small, large)))
    return [c for c in found if len(c) == 1], [c for c in found if len(c) > 1 and ONE not in c]


def random_curves(
    premises: Iterable[tuple[Order, Order]], others: set[str], count: int, seed: int, *, deep: bool = False
) -> Iterator[Curve]:
    """Curves on which premises hold: the mean of some ends of what they allow, in random directions."""
    singles, several = split(premises)
    names = names_in([*singles, *several]) | others
    if deep:
        names |= {"L", "2^L"}
    family = _Family({n for n in names if not n.startswith("log ")}, deep=deep, moving={})
    generator = np.random.default_rng(seed)
    for _ in range(count):
        rows = [*family.signs(), *(row for (x,) in singles for row in family.bounded(x))]
        for clause in several:
            rows += family.bounded(sorted(clause, key=sorted)[generator.integers(len(clause))])
        aims = generator.normal(size=(generator.integers(1, 4), len(family.columns)))
        ends = [end for end in (family.solve(rows, [], aim) for aim in aims) if end is not None]
        if ends:
            yield family.curve(np.mean(ends, axis=0))


# --- numbers ---------------------------------------------------------------------------------------------------------


class NoValueError(Exception):
    """A formula has no positive value at a point."""


def ln(expr: sympy.Expr, point: Mapping[str, mpf], *, logs: bool = True) -> mpf:
    """The logarithm of a formula, from those of its symbols; constants are 1, logarithms too unless they are kept."""
    if expr.is_Rational:
        if expr <= 0:
            raise NoValueError(expr)
        return mp.log(mpf(expr.p)) - mp.log(mpf(expr.q))
    if isinstance(expr, HiddenConstant):
        return mpf(0)
    if expr.is_Symbol:
        return mp.log(HALF) if expr.name == "alpha" else point[expr.name]
    if isinstance(expr, Notation):
        return ln(expr.args[0], point, logs=logs)
    if expr.is_Pow:
        return ln(expr.base, point, logs=logs) * _value(expr.exp, point)
    if expr.func == sympy.log:
        inner = ln(expr.args[0], point, logs=logs)
        if inner <= 0:
            raise NoValueError(expr)
        return mp.log(inner) if logs else mpf(0)
    parts = [ln(part, point, logs=logs) for part in expr.args]
    if expr.is_Mul:
        return sum(parts, mpf(0))
    if expr.is_Add:
        top = max(parts)
        return top + mp.log(sum((mp.exp(part - top) for part in parts), mpf(0)))
    assert isinstance(expr, sympy.Max | sympy.Min), expr
    return max(parts) if isinstance(expr, sympy.Max) else min(parts)


def _value(exponent: sympy.Expr, point: Mapping[str, mpf]) -> mpf:
    """An exponent, which may be negative."""
    if exponent.is_Symbol and not isinstance(exponent, HiddenConstant) and exponent.name != "alpha":
        return mp.exp(point[exponent.name])
    if exponent.free_symbols <= {*exponent.atoms(HiddenConstant), VOCABULARY["alpha"].expr}:
        power = number(exponent)
        return mpf(power.numerator) / power.denominator
    parts = [_value(part, point) for part in exponent.args]
    assert exponent.is_Mul or exponent.is_Add, exponent
    return mp.fprod(parts) if exponent.is_Mul else mp.fsum(parts)


def far_point(curve: Curve, symbols: Iterable[sympy.Symbol], far: mpf) -> dict[str, mpf]:
    """The logarithms of symbols on a curve, where log s is `far`; what is constant is so at a moderate value."""
    point: dict[str, mpf] = {}
    for symbol in symbols:
        rate, power = curve.move(symbol.name)
        moved = mpf(power.numerator) / power.denominator * far
        moved += mpf(rate.numerator) / rate.denominator * mp.log(2) * mp.exp(far) if rate else 0
        still = mpf(0) if symbol.name == "L" and power else mp.log(50) * size(symbol.name)
        point[symbol.name] = moved + still
    return point


def slope(top: sympy.Expr, bottom: sympy.Expr, curve: Curve, *, logs: bool = True, far: int = 1000) -> mpf:
    """How fast log(top/bottom) grows with log s, between s = e^far and its square."""
    symbols = {s for s in (top.free_symbols | bottom.free_symbols) if not isinstance(s, HiddenConstant)}
    exponential = curve.rated or any(
        not isinstance(power, HiddenConstant) and power.name != "alpha"
        for side in (top, bottom)
        for found in side.atoms(sympy.Pow)
        for power in found.exp.free_symbols
    )
    with mp.workdps(far + 50 if exponential else 50):
        points = [far_point(curve, symbols, mpf(at)) for at in (far, 2 * far)]
        near, there = (ln(top, point, logs=logs) - ln(bottom, point, logs=logs) for point in points)
        return (there - near) / far
