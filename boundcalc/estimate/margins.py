"""The separation margins γ that the theorems assume, each between a lower and an upper bound.

- cao2020, Assumption 3.3: γ = max over |c| ≤ 1 of min_i y_i E_u[c(u)σ(⟨u, x_i⟩)], u standard normal;
- cao2020, Assumption 3.4: γ = max over ‖f‖_H ≤ 1 of min_i y_i f(x_i), H the RKHS of κ^(L−1);
- ji2020: γ = max over ‖v̄(z)‖ ≤ 1 of min_i y_i E_z[⟨v̄(z), x_i⟩1{⟨z, x_i⟩ > 0}], z standard normal.

Each is the least, over p in the simplex, of the norm of Σ p_i y_i times the features of x_i: E_u|Σ p_i y_i
σ(⟨u, x_i⟩)|, √(Σ p_i p_j y_i y_j κ(x_i, x_j)), E_z‖Σ p_i y_i x_i 1{⟨z, x_i⟩ > 0}‖. A p gives the upper bound; the
normalised answer to p, a function on all of space, gives the lower one. γ ≥ 0 always: 0 answers 0, and data that no
such function separates has γ = 0.

Only the directions of u and z matter, E|u| being known. For rows in a plane the means over them are exact sums.
Otherwise p and the answer are learnt on some directions and both bounds are measured on fresh ones: they hold
together with the stated confidence.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch

from boundcalc.errors import InputError
from boundcalc.estimate.arcs import plane_bracket
from boundcalc.estimate.estimate import Estimate
from boundcalc.estimate.kernels import H_INFINITY, Kernel, error_norm, kernel_matrix
from boundcalc.estimate.minimax import Features, Matrix, Response, Vector, certified, nearest_point, reweighted
from boundcalc.train.devices import available_bytes, full_precision, resolve_device

_NOTHING = 1e-6  # an upper end at or below it says all there is to say
_CLOSE = 0.2  # a bracket narrower than this share of its upper end has converged
_ROUNDED = (0.4, 0.4, 0.2, 0.2, *[0.1] * 8)  # μ as a share of E‖h‖, step by step
_AVERAGED = 8
_LEARNT_WORK, _MOST_LEARNT, _LEAST_LEARNT = 2**32, 2**16, 2**12  # n² × pairs of directions to learn p from
_FRESH_WORK, _MOST_FRESH = 2**28, 2**20  # n × pairs of fresh directions
_MOST_LEVELS = 1000  # κ^(l) ≤ 2^−l: further on, its entries are no normal numbers any more
_UNIT = 2.0**-53
_ROUNDING = 1e-12  # of means of float64 numbers of at most a few units


@dataclass(frozen=True)
class Sampling:
    """How many pairs ±ω of directions p is learnt from and the bounds are measured on; None: as n allows."""

    seed: int = 0
    confidence: float = 0.99
    learnt: int | None = None
    fresh: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.confidence < 1.0:
            raise InputError(f"confidence = {self.confidence!r}; give a number between 0 and 1, such as 0.99")
        for name, count in (("learnt", self.learnt), ("fresh", self.fresh)):
            if count is not None and count < 2:
                raise InputError(f"{name} = {count!r}; give at least 2 directions")

    @property
    def first_seed(self) -> int:
        """The first of the seeds of the directions: one for each step, and one for the bounds."""
        return (len(_ROUNDED) + 1) * self.seed

    def counts(self, n: int) -> tuple[int, int]:
        """Return the numbers of pairs to learn from and to measure on, for n rows."""
        learnt = min(_MOST_LEARNT, max(_LEAST_LEARNT, _LEARNT_WORK // n**2))
        return self.learnt or learnt, self.fresh or max(2, min(_MOST_FRESH, _FRESH_WORK // n))


def gamma_random_feature(X: Matrix, y: Vector, sampling: Sampling | None = None, *, device: str = "auto") -> Estimate:
    """Bracket γ of cao2020, Assumption 3.3 (random ReLU features); value: the lower end.

    X: (n, d) rows of any norm but 0, y: (n,) ±1. Exact up to rounding if the rows lie in a plane through 0.
    """
    start = time.perf_counter()
    return _bracket("gamma_random_feature", X, y, False, sampling or Sampling(), device, start)


def gamma_ji2020(X: Matrix, y: Vector, sampling: Sampling | None = None, *, device: str = "auto") -> Estimate:
    """Bracket γ of ji2020 (features 1{⟨z, x⟩ > 0}·x of a two-layer network's tangent); value: the lower end.

    Arguments as of `gamma_random_feature`.
    """
    start = time.perf_counter()
    return _bracket("gamma_ji2020", X, y, True, sampling or Sampling(), device, start)


def gamma_conjugate_kernel(X: Matrix, y: Vector, levels: int, *, device: str = "auto") -> Estimate:
    """Bracket γ of cao2020, Assumption 3.4, in κ^(levels), levels = L − 1; value: the lower end.

    The ends are the primal and the dual value of the hard margin without an offset, each moved by what rounding
    of the kernel and of the sums can amount to. O(n³) time and a few n × n matrices. At most 1000 levels.
    """
    start = time.perf_counter()
    if levels > _MOST_LEVELS:
        raise InputError(f"L = {levels + 1}: κ^(L−1) is at most 2^−{levels}, too little for float64; give L ≤ "
                         f"{_MOST_LEVELS + 1}")  # fmt: skip
    rows, labels = _checked(X, y, copies=4)
    kernel = Kernel.conjugate(levels)
    gram = kernel_matrix(rows, kernel, device=device)
    error = error_norm(rows, kernel, device=device)
    gram *= labels[:, None] * labels
    p = nearest_point(gram)
    solved = p is not None
    lower, upper = _dual_gap(gram, np.full(len(labels), 1 / len(labels)) if p is None else p, error)
    nothing = upper <= math.sqrt(2 * (error + 4 * _rounding(gram)))
    gap = f"relative duality gap {(upper - lower) / upper:.1e}" if upper > 0 else "no gap"
    method = f"hard margin in κ^({levels}) as the point of least norm of a hull; {gap}"
    if nothing:
        method += "; no function separates the data, as far as rounding lets one tell"
    converged = solved and (nothing or upper - lower <= 1e-3 * upper)
    return _estimate("gamma_conjugate_kernel", lower, upper, method, converged, start)


def _dual_gap(gram: Matrix, p: Vector, error: float) -> tuple[float, float]:
    """Return √(pᵀKp) from above and min_i (Kp)_i/√(pᵀKp) from below, K within `error` of `gram` in norm."""
    values = gram @ p
    # p sums to 1 up to rounding, so that dividing by its sum moves neither by more than the sums' rounding does.
    moved = error * float(np.linalg.norm(p)) + _rounding(gram)
    upper = math.sqrt(max(float(p @ values), 0.0) + moved)
    return max(0.0, min((float(values.min()) - moved) / upper, upper)) if upper else 0.0, upper


def _rounding(gram: Matrix) -> float:
    """A bound on the rounding of p-weighted sums of a row of the matrix."""
    return 4 * (len(gram) + 8) * _UNIT * float(np.abs(np.diag(gram)).max())


def _bracket(name: str, X: Matrix, y: Vector, gates: bool, sampling: Sampling, device: str, start: float) -> Estimate:
    rows, labels = _checked(X, y, copies=6)
    points, dropped = _coordinates(rows)
    rank = points.shape[1]
    # The length of a standard normal u is independent of its direction; in r dimensions its mean is this.
    scale = 1.0 if gates else math.sqrt(2) * math.exp(math.lgamma((rank + 1) / 2) - math.lgamma(rank / 2))
    if rank == 2:
        lower, upper, solved = plane_bracket(points, labels, gates, scale)
        method = "linear programming, exact integrals over the directions in the plane of the rows"
    else:
        lower, upper, method = _sampled(rows, points, labels, gates, scale, sampling, device)
        solved = True
    # Rows that move by `dropped` move each mean by no more.
    lower, upper = max(0.0, min(lower - dropped, upper)), upper + dropped
    narrow = upper - lower <= _CLOSE * upper or upper <= _NOTHING
    return _estimate(name, lower, upper, method, solved and narrow, start)


def _sampled(
    rows: Matrix, points: Matrix, y: Vector, gates: bool, scale: float, sampling: Sampling, device: str
) -> tuple[float, float, str]:
    at = resolve_device(device)
    # E over unit directions of r·σσ is that over normal ones; indicators do not depend on the length.
    kernel, factor = (H_INFINITY, 1.0) if gates else (Kernel.conjugate(1), scale**2 / points.shape[1])
    gram = factor * kernel_matrix(rows, kernel, device=device) * (y[:, None] * y)
    signed = torch.tensor(y[:, None] * (points if gates else np.ones((len(y), 1))), device=at)
    features = Features(torch.tensor(points, device=at), signed, gram, gates, scale)
    learnt, fresh = sampling.counts(len(y))
    with full_precision(at, torch.float32):
        blocks = features.blocks(learnt, sampling.first_seed)
        found = list(reweighted(blocks, signed, _ROUNDED, gram))[-_AVERAGED:]
    if not found:  # for instance since rows with both labels agree
        error = factor * error_norm(rows, kernel, device=device)
        return (
            0.0,
            _vanishing(gram, error),
            "some weighted sum of the features is 0 as far as their second moments tell",
        )
    # Each step has its own directions: the average of the p keeps little of the noise of any.
    p, mu, linear = (np.mean([getattr(one, part) for one in found], axis=0) for part in ("p", "mu", "linear"))
    response = Response(p, float(mu), float(linear))
    lower, upper = certified(features, response, fresh, sampling.first_seed + len(_ROUNDED), sampling.confidence)
    return (
        lower,
        upper,
        f"reweighted least squares on {len(found)} × {2 * learnt} directions, "
        f"both ends measured on {2 * fresh} fresh ones; confidence {sampling.confidence:g}, seed {sampling.seed}",
    )


def _vanishing(gram: Matrix, error: float) -> float:
    """Return an upper bound on γ from E‖h_p‖ ≤ √(E‖h_p‖²), for the p that makes this least."""
    p = nearest_point(gram)
    return _dual_gap(gram, np.full(len(gram), 1 / len(gram)) if p is None else p, error)[1]


def _coordinates(X: Matrix) -> tuple[Matrix, float]:
    """Return the rows in an orthonormal basis of what they span, at least a plane, and the largest error of a row."""
    _, values, basis = np.linalg.svd(X, full_matrices=False)
    rank = int((values > values[0] * 1e-13 * max(X.shape)).sum())
    points = X @ basis[:rank].T
    moved = float(np.linalg.norm(X - points @ basis[:rank], axis=1).max())
    if rank == 1:
        points = np.hstack([points, np.zeros_like(points)])
    return points, moved + _ROUNDING


def _checked(X: Matrix, y: Vector, copies: int) -> tuple[Matrix, Vector]:
    rows, labels = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if rows.ndim != 2 or rows.size == 0 or labels.shape != rows.shape[:1]:
        raise InputError(f"X of shape {rows.shape} with y of shape {labels.shape}; give (n, d) and (n,), n ≥ 1")
    wrong = np.flatnonzero(np.abs(labels) != 1.0)
    if wrong.size:
        raise InputError(f"y = {labels[wrong[0]]:g} in row {wrong[0]}; labels are −1 or +1")
    norms = np.linalg.norm(rows, axis=1)
    bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0.0))
    if bad.size:
        raise InputError(f"row {bad[0]} has norm {norms[bad[0]]:.3g}; give finite rows that are not zero")
    n, free = len(rows), available_bytes()
    if 8 * n * n * copies > free:
        raise InputError(
            f"n = {n}: a margin takes {copies} n × n matrices, {8 * n * n * copies / 2**30:.1f} GiB, and "
            f"{free / 2**30:.1f} GiB are free; measure a subset of the rows"
        )
    return rows, labels


def _estimate(name: str, lower: float, upper: float, method: str, converged: bool, start: float) -> Estimate:
    return Estimate(
        name=name,
        symbol="gamma",
        value=lower,
        direction="bracket",
        method=method,
        converged=converged,
        lower=lower,
        upper=upper,
        seconds=time.perf_counter() - start,
    )
