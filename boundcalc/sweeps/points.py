"""What a formula comes to at every point of a sweep, and where conditions on one number hold there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from boundcalc.arrays import Conditions, log_function, slack_program
from boundcalc.arrays.blocks import Index, at, blocks, broadcast_shape
from boundcalc.arrays.programs import Array, Program
from boundcalc.numerics import Rounding

SOLVED_AT_ONCE = 1 << 13
"""Points at which an implicit condition is solved at a time."""

LARGEST_EXACT = math.log(2.0**53)
"""The logarithm up to which floats hold every integer."""

DIGITS_LOST = 8 * np.finfo(float).eps
"""The relative error of a value that a formula gives, for each unit of its logarithm."""


def integers(log: Array, rounding: Rounding) -> Array:
    """The integers next to numbers given by their logarithms, at least 1; numbers beyond 2^53 as they are.

    What double precision cannot tell from an integer is taken for it.
    """
    with np.errstate(all="ignore"):
        x = np.exp(log)
        nearest = np.rint(x)
        same = np.abs(x - nearest) <= DIGITS_LOST * (np.abs(log) + 10) * x
        whole = np.where(same, nearest, np.ceil(x) if rounding == "up" else np.floor(x))
        return np.where(log < LARGEST_EXACT, np.maximum(whole, 1.0), x)


def rounded(log: Array, rounding: Rounding) -> Array:
    """The logarithms of `integers`, however large these are."""
    return np.where(log < LARGEST_EXACT, np.log(integers(np.minimum(log, LARGEST_EXACT), rounding)), log)


@dataclass(frozen=True)
class Demand:
    """A condition small ≤ large; a `cap` is expected to hold up to some value of the unknown, not from one on."""

    large: sympy.Expr
    small: sympy.Expr
    cap: bool = False

    def parts(self) -> Iterator[Demand]:
        """c·max(f, g) ≤ x as c·f ≤ x and c·g ≤ x, and x ≤ c·min(f, g) likewise: each has a slack without kinks."""
        for large in _choices(self.large, sympy.Min):
            for small in _choices(self.small, sympy.Max):
                yield Demand(large, small, self.cap)


class Points:
    """What every symbol stands for: a number or a formula, an array of values, or one of their logarithms."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[sympy.Symbol, sympy.Expr]) -> None:
        self.arrays = arrays
        self.values: dict[sympy.Symbol, Fraction | sympy.Expr] = dict(values)
        self.logs: dict[str, Array] = {}

    def log(self, expr: sympy.Expr, base: float = math.e, negative: float = math.nan) -> Array:
        """The logarithm of an expression, on the smallest shape of its inputs; `negative` where the expression is."""
        function = log_function(expr, self.values, base=base, logs=self.logs.keys(), negative=negative)
        return function({**self.arrays, **self.logs})

    def put_rounded(self, symbol: sympy.Symbol, expr: sympy.Expr, rounding: Rounding) -> None:
        """Give a symbol the integers next to an expression's values."""
        self.logs[symbol.name] = rounded(self.log(expr), rounding)

    def put_least(self, symbol: sympy.Symbol, expr: sympy.Expr) -> None:
        """Give a symbol the least integers from which on they are at least an expression in the symbol itself."""
        shape, parts = self.ranges(symbol, [Demand(symbol, expr)])
        least = np.empty(shape)
        for index, lower, _ in parts:
            least[index] = lower
        self.logs[symbol.name] = rounded(least, "up")

    def ranges(
        self, unknown: sympy.Symbol, conditions: Sequence[Demand]
    ) -> tuple[tuple[int, ...], Iterator[tuple[Index, Array, Array]]]:
        """The last range of log(unknown) in which every condition holds, as `Conditions` gives its ends.

        Returns:
            The shape of the whole, and for each block its place and the ends, which hold until the next one.
        """
        program, caps = self.slacks(unknown, conditions)
        everything = {**self.arrays, **self.logs}
        arrays = {name: np.asarray(everything[name]) for name in program.inputs if name != unknown.name}
        shape = broadcast_shape(arrays)
        return shape, _solved(program, caps, arrays, shape)

    def slacks(self, unknown: sympy.Symbol, conditions: Sequence[Demand]) -> tuple[Program, list[bool]]:
        """The program that computes every condition's slack, of log(unknown) among others; and which are caps."""
        parts = [part for one in conditions for part in one.parts()]
        logs = {*self.logs, unknown.name}
        program = slack_program([(part.large, part.small) for part in parts], self.values, logs=logs)
        return program, [part.cap for part in parts]


def _solved(
    program: Program, caps: list[bool], arrays: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
) -> Iterator[tuple[Index, Array, Array]]:
    solver: Conditions | None = None
    for index in blocks(shape, SOLVED_AT_ONCE):
        part = np.broadcast_to(0.0, shape)[index].shape
        known = {name: at(array, index) for name, array in arrays.items()}
        with np.errstate(all="ignore"):
            if solver is None or solver.shape != part:
                solver = Conditions(program, known, part or (1,))
            else:
                solver.move(known)
            lower, upper = solver.ranges(caps)
        yield index, lower.reshape(part), upper.reshape(part)


def _choices(expr: sympy.Expr, kind: type[sympy.Expr]) -> list[sympy.Expr]:
    """The expressions of which c·max(f, g, …), or c·min(f, g, …), is the largest or least, for c > 0."""
    factors = expr.args if expr.is_Mul else (expr,)
    extremes = [factor for factor in factors if isinstance(factor, kind)]
    others = [factor for factor in factors if not isinstance(factor, kind)]
    if len(extremes) != 1 or not all(factor.is_positive for factor in others):
        return [expr]
    return [sympy.Mul(*others, choice, evaluate=False) for choice in extremes[0].args]
