"""Proofs from below: what no feasible point of a program can undercut, whatever the solver did.

For any weights δ ≥ 0 of the terms of a geometric program with Σ δ = 1 over the objective and Σ δ_t a_t = 0 over the
exponents, and μ_j the sum of the weights in constraint j, the weighted arithmetic-geometric mean inequality gives

    log f_0(x) ≥ Σ_t δ_t log(c_t/δ_t) + Σ_j μ_j log μ_j    at every feasible x.

The solver's weights satisfy the equalities to some ten digits; they are corrected to satisfy them exactly, in rational
arithmetic, and the right-hand side is evaluated in balls. Logarithms are replaced by lower bounds that are proven by
the same means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from flint import arb, fmpq, fmpq_mat

from boundcalc.budget.posynomial import Constraint, Monomial, Posynomial, log_value, scaled, variable, variables
from boundcalc.budget.program import Program, floor
from boundcalc.budget.solver import reduced, solve
from boundcalc.errors import NumericsError

_LEAST_WEIGHTS = (1e-10, 1e-8, 1e-6, 1e-4)
"""Weights below this are the solver's noise; which of these, shows when the rest can be corrected."""

_LARGEST_LOG = 1e7
_ROOM = 1e-6
_MOST_ROUNDS, _IMPROVEMENT = 40, 1e-6


def lower_bound(program: Program, ceiling: float | None = None) -> arb | None:
    """A proven lower bound on the logarithm of the objective over all feasible points.

    Each logarithm is first enclosed over the feasible points, by the same means, and then replaced by its lower end,
    which only widens what is feasible.

    Args:
        program: whose infimum to bound.
        ceiling: the logarithm of a cost; only points that cost no more need be looked at.

    Returns:
        the bound, or None where no proof was found.
    """
    if ceiling is None:
        return _dual_bound(program.objective, _relaxed(program).constraints)
    # Without a little room above the ceiling the solver may see no feasible point at all.
    cap = Constraint("cost", scaled(program.objective, Monomial(arb(-ceiling - _ROOM).exp())))
    relaxed = _relaxed(replace(program, constraints=(*program.constraints, cap)))
    bound = _dual_bound(program.objective, [constraint for constraint in relaxed.constraints if constraint is not cap])
    return None if bound is None else bound.min(arb(ceiling))


def impossible(program: Program) -> bool:
    """Whether the solver finds no feasible point, not even with each logarithm replaced by a proven lower bound."""
    core = reduced((program.second,), _relaxed(program).constraints)
    return solve(core.objective, core.present, passes=1) is None


def _relaxed(program: Program) -> Program:
    """A program without logarithms, for which every feasible point of the given one is feasible.

    Where l stands for max(least, log g), a bound l ≤ u that follows from the constraints gives g ≤ e^u; a bound
    log g ≥ a gives l ≥ a, which may raise the others' bounds.
    """
    known = list(program.constraints)
    for log in program.logarithms:
        below = _dual_bound((variable(log.name, -1),), known)
        if below is not None and bool(below > -math.log(_LARGEST_LOG)):
            largest = (-below.lower()).exp()
            known.append(Constraint(log.name, (log.argument * Monomial((-largest).exp()),)))
    floors = {log.name: arb(log.least) for log in program.logarithms}
    for _ in range(_MOST_ROUNDS):
        before = dict(floors)
        for log in program.logarithms:
            bounds = [bound for other in program.logarithms for bound in floor(other, floors[other.name])]
            found = _dual_bound((log.argument,), [*known, *bounds])
            if found is not None:
                floors[log.name] = floors[log.name].max(found.lower())
        if all(bool(floors[name] <= before[name] * (1 + _IMPROVEMENT)) for name in floors):
            break
    bounds = [bound for log in program.logarithms for bound in floor(log, floors[log.name])]
    return replace(program, constraints=(*known, *bounds), logarithms=())


def _dual_bound(objective: Posynomial, constraints: Sequence[Constraint]) -> arb | None:
    """The bound that the module's head describes, or None where the solver's weights prove none."""
    core = reduced(objective, constraints)
    try:
        solved = solve(core.objective, core.present, passes=1) if core.objective else None
    except NumericsError:  # a proof is looked for, not owed
        return None
    if solved is None:
        return None
    kept = (core.objective, *(constraint.terms for constraint in core.present))
    for least in _LEAST_WEIGHTS:
        weights: list[Fraction] = []
        groups: list[Posynomial] = []
        for terms, multiplier in zip(kept, (1.0, *solved.multipliers), strict=True):
            whole = log_value(terms, solved.point)
            shares = [multiplier * math.exp(term.log_at(solved.point) - whole) for term in terms]
            groups.append(tuple(term for term, share in zip(terms, shares, strict=True) if share > least))
            weights += [Fraction(share) for share in shares if share > least]
        exact = _corrected(weights, groups)
        if exact is not None:
            return _dual_value(exact, groups)
    return None


def _dual_value(weights: Sequence[Fraction], groups: Sequence[Posynomial]) -> arb:
    """Σ_t δ_t log(c_t/δ_t) + Σ_j μ_j log μ_j."""
    total, rest = arb(0), iter(weights)
    for number, group in enumerate(groups):
        own = [_ball(next(rest)) for _ in group]
        for term, weight in zip(group, own, strict=True):
            total += weight * (term.coefficient / weight).log()
        if number and own:
            whole = sum(own, arb(0))
            total += whole * whole.log()
    return total


def _corrected(weights: list[Fraction], groups: Sequence[Posynomial]) -> list[Fraction] | None:
    """The nearest weights, relative to their size, that satisfy the equalities exactly; None if some are negative."""
    terms = [(number, term) for number, group in enumerate(groups) for term in group]
    rows = [[Fraction(number == 0) for number, _ in terms]]
    rows += [[term.exponents.get(name, Fraction(0)) for _, term in terms] for name in variables(*groups)]
    A = _matrix(rows)
    delta = _matrix([[weight] for weight in weights])
    weighted = _matrix([[entry * weight for entry, weight in zip(row, weights, strict=True)] for row in rows])
    goal = _matrix([[Fraction(number == 0)] for number in range(len(rows))])
    step = _particular(weighted * A.transpose(), goal - A * delta)
    if step is None:
        return None
    exact = delta + weighted.transpose() * step
    found = [Fraction(int(exact[i, 0].p), int(exact[i, 0].q)) for i in range(len(weights))]
    return found if min(found) > 0 else None


def _particular(matrix: fmpq_mat, right: fmpq_mat) -> fmpq_mat | None:
    """One solution of a linear system, exactly; None where it has none."""
    size = matrix.nrows()
    joined = fmpq_mat(
        size, size + 1, [e for i in range(size) for e in (*(matrix[i, j] for j in range(size)), right[i, 0])]
    )
    echelon, rank = joined.rref()
    solution = [fmpq(0)] * size
    for row in range(rank):
        pivot = next(column for column in range(size + 1) if echelon[row, column] != 0)
        if pivot == size:
            return None
        solution[pivot] = echelon[row, size]
    return fmpq_mat(size, 1, solution)


def _matrix(rows: Sequence[Sequence[Fraction]]) -> fmpq_mat:
    return fmpq_mat([[fmpq(entry.numerator, entry.denominator) for entry in row] for row in rows])


def _ball(value: Fraction) -> arb:
    return arb(fmpq(value.numerator, value.denominator))
