"""Programs with logarithms in them: a succession of geometric programs, each narrower than the true one.

A logarithm is a variable l with log g ≤ l. As log log g is concave in log g, a monomial touches log g from above, so
l is asked to be at least that monomial instead: every point that is found is feasible for the true program, and the
cost falls from one to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType

from flint import arb

from boundcalc.budget.posynomial import (
    Constraint,
    Logarithm,
    Monomial,
    Posynomial,
    log_value,
    scaled,
    variable,
    variables,
)
from boundcalc.budget.solver import TIGHT, reduced, solve, undetermined
from boundcalc.errors import NumericsError

SIDE_WEIGHT = Fraction(1, 500)
"""The power with which `Program.second` is multiplied into a cost that leaves something open: 1 % more of what the
cost does not charge for is then worth 0.002 % of the cost."""

_CONVERGED, _NOISE = 1e-9, 1e-6
_MOST_STEPS = 100
_FIRST_LEVELS = (1.0, 8.0, 30.0, 100.0, 1000.0)
_LEAST_LEVEL = 0.01


@dataclass(frozen=True)
class Program:
    """Minimise `objective` under the constraints.

    `second` is charged for a little where the objective leaves something open. `logarithms` say what some variables
    stand for: at least their argument's logarithm, which is no posynomial inequality.
    """

    objective: Posynomial
    constraints: tuple[Constraint, ...]
    logarithms: tuple[Logarithm, ...]
    second: Monomial


@dataclass(frozen=True)
class Optimum:
    """A solved program: logarithms of the variables, of the cost there, and of the infimum.

    `free` are the variables of `second` that the cost leaves open: they are chosen by cost·second^SIDE_WEIGHT.
    `multipliers` are, by the constraints' labels, −∂(log infimum)/∂(log of the constraint's right-hand side). `steps`
    counts the geometric programs that were solved one after the other, `levels` are the values of the logarithms at
    which that ended.
    """

    point: Mapping[str, float]
    cost: float
    infimum: float
    attained: bool
    free: tuple[str, ...]
    multipliers: Mapping[str, float]
    steps: int = 1
    levels: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


def minimise(program: Program, start: Optimum | None = None) -> Optimum | None:
    """Solve a program; with logarithms in it, by successive geometric programs, each point feasible for the true one.

    Args:
        program: what to solve.
        start: the optimum of a program that differs little; its logarithms are the places of the first tangents. Where
            none is given, the best of several places is taken.

    Returns:
        the optimum, or None where no feasible point was found: without logarithms there is none.

    Raises:
        NumericsError: a solver failed, or the successive programs did not converge.
    """
    near = start.point if start is not None else None
    if not program.logarithms:
        return _least(program, near)
    names = [log.name for log in program.logarithms]
    places = [start.levels] if start is not None else [dict.fromkeys(names, level) for level in _FIRST_LEVELS]
    found = [optimum for levels in places if (optimum := _least(_at(program, levels), near)) is not None]
    if not found:
        return None
    optimum = min(found, key=lambda optimum: optimum.cost)
    side = bool(optimum.free)
    for step in range(2, _MOST_STEPS):
        reached = {log.name: log.argument.log_at(optimum.point) for log in program.logarithms}
        following = _least(_at(program, reached), optimum.point, side)
        if following is None:
            raise NumericsError("a feasible point was lost between two geometric programs")
        # The last point is feasible for each new program, so the cost can only fall, but for the solver's noise.
        objective = _charged(program) if side else program.objective
        fall = log_value(objective, optimum.point) - log_value(objective, following.point)
        optimum = replace(following, steps=step, levels=reached)
        if following.free and not side:
            side = True  # from now on, or two different costs would be compared
        elif -_NOISE < fall < _CONVERGED:
            return optimum
    raise NumericsError(f"{_MOST_STEPS} geometric programs did not settle on a cost")


def _least(program: Program, near: Mapping[str, float] | None, side: bool = False) -> Optimum | None:
    """Solve a program without logarithms; `side` charges for the second objective even where nothing is open."""
    objective = program.objective if variables(program.objective) else (program.second,)
    core = reduced(objective, program.constraints)
    if not core.objective:
        raise NumericsError("the program has no least value: it can be made as small as one likes")
    base = solve(core.objective, core.present, near)
    if base is None:
        return None
    multipliers: dict[str, float] = {}
    for constraint, multiplier in zip(core.present, base.multipliers, strict=True):
        multipliers[constraint.label] = multipliers.get(constraint.label, 0.0) + multiplier
    moving = {*core.free, *undetermined(core, base)}
    free = tuple(name for name in program.second.exponents if name in moving)
    if not free and not any(core.lost) and not side:
        return Optimum(base.point, base.cost, base.cost, True, (), multipliers)
    # A constraint that lost some of its terms and is tight without them is met only in the limit.
    attained = not any(
        some and constraint.terms and log_value(constraint.terms, base.point) > -TIGHT
        for constraint, some in zip(core.constraints, core.lost, strict=True)
    )
    charged = solve(_charged(program), program.constraints, near)
    if charged is None:
        raise NumericsError("no point near the least cost was found, though there must be one")
    return Optimum(charged.point, log_value(objective, charged.point), base.cost, attained, free, multipliers)


def _charged(program: Program) -> Posynomial:
    """The objective with the second one multiplied in."""
    return scaled(program.objective, program.second**SIDE_WEIGHT)


def _tangent(logarithm: Logarithm, level: float) -> tuple[Constraint, ...]:
    """A monomial that is at least log g everywhere and equal to it where log g = `level` > 0.

    log g ≤ (level/e) g^(1/level), as log log g is concave in log g.
    """
    bound = Monomial(arb(level) / arb(1).exp()) * logarithm.argument ** (1 / Fraction(level))
    above = Constraint(logarithm.name, scaled((bound,), variable(logarithm.name, -1)))
    return (above, *floor(logarithm, arb(logarithm.least)))


def floor(logarithm: Logarithm, level: arb) -> tuple[Constraint, ...]:
    """The variable is at least `level`, where that says something of a positive number."""
    if not bool(level > 0):
        return ()
    return (Constraint(logarithm.name, (Monomial(level) * variable(logarithm.name, -1),)),)


def _at(program: Program, levels: Mapping[str, float]) -> Program:
    """The program with each logarithm replaced by its tangent, which only narrows what is feasible."""
    tangents = [
        constraint
        for log in program.logarithms
        for constraint in _tangent(log, max(levels[log.name], float(log.least), _LEAST_LEVEL))
    ]
    return replace(program, constraints=(*program.constraints, *tangents), logarithms=())
