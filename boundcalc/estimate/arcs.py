"""Margins of rows in a plane, without sampling: the circle of directions falls into arcs.

On an arc between two directions orthogonal to rows, the same rows are active and h_p is linear, so that all means
are sums over arcs. The responses c are constant on each arc; for features that are not, arcs are cut further. p
solves a linear programme, and its dual is c: exactly so for numbers h, by cutting planes for vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack

from boundcalc.estimate.minimax import Matrix, Vector

_CUTS = 2048  # arcs between equally spaced directions, besides those between the rows'
_SPOKES, _ROUNDS = 8, 8
_TIGHT = 1e-4  # relative gap at which to stop
_ROUNDING = 1e-12  # of sums of a few thousand terms of at most 1


@dataclass(frozen=True)
class Arcs:
    """Directions from `left` to `right`; active: (arcs, n) where ⟨ω, x_i⟩ > 0; means: (arcs, n) of a_i."""

    points: Matrix
    left: Vector
    right: Vector
    active: NDArray[np.bool_]
    means: Matrix

    @classmethod
    def of(cls, points: Matrix, gates: bool, scale: float) -> Arcs:
        """Cut the circle for the rows `points`, (n, 2); a_i as in `Features`."""
        angles = np.arctan2(points[:, 1], points[:, 0])
        turns = np.concatenate([angles + math.pi / 2, angles - math.pi / 2]) % (2 * math.pi)
        cuts = np.arange(1 if gates else _CUTS) * (2 * math.pi / _CUTS)
        left = np.unique(np.concatenate([turns, cuts]))
        left = left[left < 2 * math.pi]  # which the remainder of a tiny negative angle rounds to
        right = np.append(left[1:], 2 * math.pi)
        middle = ((left + right) / 2)[:, None] - angles
        active = np.cos(middle) > 0
        if gates:
            return cls(points, left, right, active, active.astype(np.float64))
        half = ((right - left) / 2)[:, None]
        average = np.cos(middle) * np.sinc(half / math.pi)  # of cos over the arc: no difference that cancels
        return cls(points, left, right, active, active * average * scale * np.hypot(*points.T))

    @property
    def weights(self) -> Vector:
        """The probability of each arc."""
        return (self.right - self.left) / (2 * math.pi)

    def mean_length(self, vectors: Matrix) -> float:
        """Return E|⟨ω, h⟩| for h constant on each arc, `vectors` (arcs, 2)."""
        phase = np.arctan2(vectors[:, 1], vectors[:, 0])
        arcs = _absolute_cosine(self.right - phase) - _absolute_cosine(self.left - phase)
        return math.fsum(np.hypot(*vectors.T) * arcs) / (2 * math.pi)


def plane_bracket(points: Matrix, y: Vector, gates: bool, scale: float) -> tuple[float, float, bool]:
    """Return lower ≤ γ ≤ upper, rounding allowed for, and whether every linear programme was solved."""
    arcs = Arcs.of(points, gates, scale)
    signed = y[:, None] * (points if gates else np.ones((len(y), 1)))
    lower, upper, solved = 0.0, math.sqrt(2) * float(_lengths(points).max()), True
    cuts = _Cuts.around(len(arcs.left), signed.shape[1])
    best: Vector | None = None
    for _ in range(_ROUNDS if gates else 1):
        found = _least_length(arcs, signed, cuts)
        if found is None:
            solved = False
            break
        p, answers, tight = found
        margins = arcs.weights @ (arcs.means * (answers @ signed.T))
        lower = max(lower, float(margins.min()) - _ROUNDING)
        # Programmes jump between corners; half way back to the best p so far they meet their minimum sooner.
        for tried in (p,) if best is None else (p, (p + best) / 2):
            field = arcs.means @ (tried[:, None] * signed)
            mean = math.fsum(arcs.weights * _lengths(field)) if gates else _mean_of_relu(arcs, tried * y, scale)
            if mean + _ROUNDING < upper:
                upper, best = mean + _ROUNDING, tried
            tight = tight.along(field)
        if upper - lower <= _TIGHT * upper:
            break
        cuts = tight
    return lower, upper, solved


@dataclass(frozen=True)
class _Cuts:
    """Unit vectors e with the arc on which ‖h‖ ≥ ⟨e, h⟩ is used; the first `spokes` of them are those of `around`."""

    arc: NDArray[np.intp]
    vectors: Matrix
    spokes: int

    @classmethod
    def around(cls, arcs: int, dimension: int) -> _Cuts:
        """Both signs on every arc, or equally spaced vectors in the plane."""
        turns = np.arange(_SPOKES) * (2 * math.pi / _SPOKES)
        spokes = np.array([[1.0], [-1.0]]) if dimension == 1 else np.stack([np.cos(turns), np.sin(turns)], axis=1)
        return cls(np.repeat(np.arange(arcs), len(spokes)), np.tile(spokes, (arcs, 1)), arcs * len(spokes))

    def along(self, field: Matrix) -> _Cuts:
        """Add on each arc the direction of the field, where it does not vanish."""
        lengths = _lengths(field)
        moving = np.flatnonzero(lengths > 0)
        new = field[moving] / lengths[moving, None]
        return _Cuts(np.concatenate([self.arc, moving]), np.concatenate([self.vectors, new]), self.spokes)


def _least_length(arcs: Arcs, signed: Matrix, cuts: _Cuts) -> tuple[Vector, Matrix, _Cuts] | None:
    """Return the p that minimises E max_e ⟨e, h_p⟩, the c that the dual gives, and the cuts to go on with."""
    n, count = len(signed), len(arcs.left)
    slopes = arcs.means[cuts.arc] * (cuts.vectors @ signed.T)
    rows = np.arange(len(cuts.arc))
    heights = csr_array((-np.ones(len(rows)), (rows, cuts.arc)), shape=(len(rows), count))
    total = np.concatenate([np.ones(n), np.zeros(count)])[None, :]
    # In units of the mean weight: the solver's tolerances are absolute.
    costs = np.concatenate([np.zeros(n), arcs.weights * count])
    result = linprog(
        costs, hstack([csr_array(slopes), heights]), np.zeros(len(rows)), total, [1.0], bounds=(0, None), method="highs"
    )
    if result.status != 0:
        return None
    p = np.maximum(result.x[:n], 0.0)
    shares = -result.ineqlin.marginals / (arcs.weights * count)[cuts.arc]
    answers = np.zeros((count, signed.shape[1]))
    np.add.at(answers, cuts.arc, shares[:, None] * cuts.vectors)
    # Of the spokes, those that c is made of are enough; later cuts stay, or minima that are not unique come back.
    kept = (shares > 0) | (rows >= cuts.spokes)
    tight = _Cuts(cuts.arc[kept], cuts.vectors[kept], int(kept[: cuts.spokes].sum()))
    return p / p.sum(), answers / np.maximum(1.0, _lengths(answers))[:, None], tight


def _mean_of_relu(arcs: Arcs, weights: Vector, scale: float) -> float:
    """Return E|Σ weights_i scale·σ(⟨ω, x_i⟩)|: on each arc |⟨ω, h⟩|, h the sum over the active rows."""
    return scale * arcs.mean_length(arcs.active @ (arcs.points * weights[:, None]))


def _lengths(vectors: Matrix) -> Vector:
    return np.asarray(np.linalg.norm(vectors, axis=1))


def _absolute_cosine(angle: Vector) -> Vector:
    """Return an antiderivative of |cos|."""
    turns = np.floor((angle + math.pi / 2) / math.pi)
    return np.asarray(2 * turns + np.where(turns % 2 == 0, 1.0, -1.0) * np.sin(angle))
