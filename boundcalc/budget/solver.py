"""One geometric program: the least value of a posynomial under constraints "posynomial ≤ 1".

In the logarithms of the variables it is convex; cvxpy solves it (`gp=True`). Coefficients reach 10^1000, so a linear
program first finds a point at which every single term of a constraint is at most 1, and the variables are scaled by it.

Not every program attains its infimum: where a cost does not charge for n, say, n grows without end. Such directions
are found by another linear program; the terms that vanish along them are dropped (the reduction of Duffin, Peterson
and Zener), and what is left has the same infimum and attains it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from boundcalc.budget.posynomial import Constraint, Posynomial, log_value, variables
from boundcalc.errors import InputError, NumericsError

TIGHT = 1e-6
"""Constraints with no more slack than this, relatively, are tight."""

_SHARE = 1e-9
"""Terms with a smaller share of their sum do not determine anything."""

_TOLERANCES = (1e-12, 1e-9, 1e-7)
_SMALLEST_LOG = -600.0
_FARTHEST = 1e7
"""Logarithms of variables beyond this are not looked at."""


def require_cvxpy() -> Any:
    """The cvxpy module.

    Raises:
        InputError: it is not installed.
    """
    try:
        import cvxpy
    except ImportError:
        raise InputError("plan needs cvxpy; pip install 'boundcalc[plan]'") from None
    return cvxpy


@dataclass(frozen=True)
class Solved:
    """A solved program: logarithms of the variables and of the cost, and the multipliers of the constraints."""

    point: dict[str, float]
    cost: float
    multipliers: tuple[float, ...]


class _Table:
    """The terms of a program in numbers: log coefficients b, exponents A, and the group each term belongs to."""

    def __init__(self, groups: Sequence[Posynomial]) -> None:
        self.names = variables(*groups)
        self.groups = groups
        terms = [term for group in groups for term in group]
        self.owner = np.array([number for number, group in enumerate(groups) for _ in group], dtype=int)
        self.b = np.array([float(term.coefficient.log()) for term in terms])
        self.A = np.array([[float(term.exponents.get(name, 0)) for name in self.names] for term in terms])
        self.A = self.A.reshape(len(terms), len(self.names))


def solve(
    objective: Posynomial, constraints: Sequence[Constraint], near: Mapping[str, float] | None = None, passes: int = 2
) -> Solved | None:
    """Solve a program that attains its infimum; None where no point is feasible.

    Args:
        objective: what to minimise.
        constraints: under what.
        near: a point near the optimum, in logarithms, by which to scale; one pass is then enough.
        passes: how often to scale by where the last solution ended, which makes the next more accurate.

    Raises:
        NumericsError: a solver failed.
    """
    moving = [constraint for constraint in constraints if variables(constraint.terms)]
    fixed = [constraint for constraint in constraints if not variables(constraint.terms)]
    if any(log_value(constraint.terms, {}) > 0 for constraint in fixed):
        return None
    table = _Table([objective, *(constraint.terms for constraint in moving)])
    if not table.names:
        return Solved({}, log_value(objective, {}), (0.0,) * len(constraints))
    centre = _centre(table) if near is None else np.array([near[name] for name in table.names])
    if centre is None:
        return None
    for _ in range(passes if near is None else 1):
        found = _by_cvxpy(table, centre)
        if found is None:
            return None
        centre, duals = found
    point = dict(zip(table.names, centre.tolist(), strict=True))
    rest = iter(duals)
    multipliers = tuple(next(rest) if variables(constraint.terms) else 0.0 for constraint in constraints)
    return Solved(point, log_value(objective, point), multipliers)


def _centre(table: _Table) -> np.ndarray[Any, Any] | None:
    """The cheapest point at which every single term of a constraint is at most 1, in logarithms; None if none is."""
    from scipy.optimize import linprog

    in_objective = table.owner == 0
    rows = np.hstack([table.A, -in_objective[:, None].astype(float)])
    cost = np.zeros(rows.shape[1])
    cost[-1] = 1
    found = linprog(cost, rows, -table.b, bounds=(-_FARTHEST, _FARTHEST), method="highs")
    if found.status == 2:
        return None
    if found.x is None:
        raise NumericsError(f"the linear program that precedes the plan failed: {found.message}")
    point: np.ndarray[Any, Any] = found.x[:-1]
    return point


def _by_cvxpy(table: _Table, centre: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], list[float]] | None:
    cp = require_cvxpy()
    logs = table.b + table.A @ centre
    logs[table.owner == 0] -= logs[table.owner == 0].max()
    factors = cp.Variable(len(table.names), pos=True)
    # Raising the smallest coefficients only makes a constraint harder to meet.
    terms = cp.multiply(np.exp(np.maximum(logs, _SMALLEST_LOG)), cp.gmatmul(table.A, factors))
    groups = [np.flatnonzero(table.owner == number) for number in range(len(table.groups))]
    single = [number for number, rows in enumerate(groups) if number and len(rows) == 1]
    several = [number for number, rows in enumerate(groups) if number and len(rows) > 1]
    constraints = {number: cp.sum(terms[groups[number]]) <= 1 for number in several}
    alone = terms[[int(groups[number][0]) for number in single]] <= 1 if single else None
    problem = cp.Problem(cp.Minimize(cp.sum(terms[groups[0]])), [*constraints.values(), *([alone] if single else [])])
    for tolerance in _TOLERANCES:
        settings = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), tolerance)
        with warnings.catch_warnings():
            # What cvxpy would warn of is inaccuracy, and how good a point is, is proven afterwards.
            warnings.simplefilter("ignore")
            try:
                problem.solve(gp=True, solver=cp.CLARABEL, ignore_dpp=True, **settings)
            except cp.error.SolverError:
                continue
        if problem.status in ("infeasible", "infeasible_inaccurate"):
            return None
        if problem.status in ("optimal", "optimal_inaccurate"):
            found = factors.value
            if not (np.isfinite(found) & (found > 0)).all():
                continue
            duals = {number: float(constraint.dual_value) for number, constraint in constraints.items()}
            duals |= dict(zip(single, alone.dual_value.tolist(), strict=True)) if alone is not None else {}
            return centre + np.log(found), [max(duals[number], 0.0) for number in range(1, len(groups))]
    raise NumericsError(f"the solver of geometric programs failed: {problem.status or 'without a status'}")


@dataclass(frozen=True)
class Reduced:
    """A program without the terms that vanish along a direction in which nothing grows.

    `constraints` stand in the old order, with no terms where all have vanished; `lost` says which lost some. `free` are
    the variables that move along the direction.
    """

    objective: Posynomial
    constraints: tuple[Constraint, ...]
    lost: tuple[bool, ...]
    free: tuple[str, ...]

    @property
    def present(self) -> list[Constraint]:
        """The constraints of which something is left."""
        return [constraint for constraint in self.constraints if constraint.terms]


def reduced(objective: Posynomial, constraints: Sequence[Constraint]) -> Reduced:
    """Drop what vanishes along a direction in which nothing grows; the infimum stays the same, and is attained."""
    from scipy.optimize import linprog

    groups = [objective, *(constraint.terms for constraint in constraints)]
    table = _Table(groups)
    terms, size = table.A.shape
    # Maximise Σ s over directions v and 0 ≤ s ≤ 1 with A v + s ≤ 0: s_t > 0 exactly where term t can vanish.
    cost = np.concatenate([np.zeros(size), -np.ones(terms)])
    bounds = [(None, None)] * size + [(0, 1)] * terms
    found = linprog(cost, np.hstack([table.A, np.eye(terms)]), np.zeros(terms), bounds=bounds, method="highs")
    if found.x is None:
        raise NumericsError(f"the linear program that looks for free directions failed: {found.message}")
    stays = iter((found.x[size:] < 0.5).tolist())
    kept = [tuple(term for term in group if next(stays)) for group in groups]
    return Reduced(
        objective=kept[0],
        constraints=tuple(replace(c, terms=terms) for c, terms in zip(constraints, kept[1:], strict=True)),
        lost=tuple(len(after) < len(before) for before, after in zip(groups[1:], kept[1:], strict=True)),
        free=tuple(name for name, move in zip(table.names, found.x[:size], strict=True) if abs(move) > 1e-9),
    )


def undetermined(program: Reduced, solved: Solved) -> list[str]:
    """Variables that can move, at first, without a change of the cost or of any constraint that is tight."""
    groups = [program.objective]
    groups += [c.terms for c in program.present if log_value(c.terms, solved.point) > -TIGHT]
    rows = []
    for terms in groups:
        whole = log_value(terms, solved.point)
        rows += [term for term in terms if term.log_at(solved.point) - whole > math.log(_SHARE)]
    names = list(solved.point)
    if not names:
        return []
    A = np.array([[float(term.exponents.get(name, 0)) for name in names] for term in rows])
    _, singular, directions = np.linalg.svd(A)
    null = directions[int((singular > 1e-9).sum()) :]
    return [name for name, moves in zip(names, null.T, strict=True) if np.abs(moves).max(initial=0) > 1e-6]
