"""The parts of a statement's bound, from its own expression: what multiplies an input, and each branch of a min."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import sympy
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.notation import text
from boundcalc.symbols import VOCABULARY
from boundcalc.verify.statement import Statement, linear_in

Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True)
class Affine:
    """A bound as factor·x + rest, x one of the inputs."""

    factor: float
    rest: float
    rest_expr: sympy.Expr

    def at(self, x: Number) -> Number:
        """The bound's value; of an array, its values."""
        return self.factor * x + self.rest


def affine_in(statement: Statement, bounded: str, name: str) -> Affine:
    """Split the bound on `bounded` into factor·x + rest for the input x of that name.

    Raises:
        InputError: the bound is not of that form.
    """
    expr, x = statement.bound_on(bounded).expr, VOCABULARY[name].expr
    factor = sympy.diff(expr, x)
    rest = expr.xreplace({x: sympy.S.Zero})
    if factor.has(x) or rest.has(x):
        raise InputError(f"{text(expr)} is not linear in {name}")
    return Affine(statement.value(factor), statement.value(rest), rest)


def branches(expr: sympy.Expr) -> tuple[tuple[sympy.Expr, sympy.Expr], ...]:
    """Each argument of the one min in an expression, and the expression with that argument in the min's place.

    Raises:
        InputError: there is not exactly one min.
    """
    found = expr.atoms(sympy.Min)
    if len(found) != 1:
        raise InputError(f"{text(expr)} has {len(found)} minima; one is needed")
    (least,) = found
    return tuple((branch, expr.xreplace({least: branch})) for branch in least.args)


def terms(expr: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """The terms of a sum, also where sums are written within sums."""
    parts = sympy.Add.make_args(expr)
    return parts if len(parts) == 1 else tuple(term for part in parts for term in terms(part))


def needed(statement: Statement, expr: sympy.Expr, constant: str, measured: float) -> float:
    """The value of a constant at which an expression rest + C·g equals what was measured; 0 where none is needed."""
    rest, slope = linear_in(expr, constant)
    return max(0.0, (measured - statement.value(rest)) / statement.value(slope))
