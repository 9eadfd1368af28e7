"""Largest least margins as points of least norm in a simplex, and what random directions tell of them.

All margins here have one form. Features φ_i(ω) = y_i a_i(ω) v_i of the rows, a_i ≥ 0 a number and v_i a vector,
and responses c(ω) with ‖c‖ ≤ 1 give, by the minimax theorem,

    γ = max_c min_i E⟨c(ω), φ_i(ω)⟩ = min_p E‖h_p(ω)‖,     h_p = Σ p_i φ_i,  p in the simplex.

Any p bounds γ from above, any c from below. The pair is sought by reweighted least squares: ‖h‖ ≤ ‖h‖²w/2 +
1/(2w), with equality at w = 1/‖h‖, so that each step is the point of least norm for the matrix E[w⟨φ_i, φ_j⟩],
w = 1/max(‖h‖, μ). It ends at the minimum of a ‖h‖ rounded off below μ, whose gradient is the margins of
c = h/max(‖h‖, μ): they lack at most μ/2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cholesky, eigh
from scipy.optimize import nnls

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
# (m, n) values a_i at m directions, with the weight of each direction.
Block = tuple[torch.Tensor, torch.Tensor]
Blocks = Callable[[int], Iterable[Block]]

_BLOCK_ENTRIES = 2**21


def nearest_point(gram: Matrix) -> Vector | None:
    """Return the p in the simplex with the least pᵀ·gram·p, None where the solver gives up; O(n³).

    gram = BᵀB, and p is proportional to the a ≥ 0 with the least ‖Ba‖² + (Σa − 1)², an active-set problem that
    bears singular matrices. The caller bounds how far from the least p is.
    """
    scale = float(np.abs(np.diag(gram)).max())
    if not scale > 0 or not math.isfinite(scale):
        return None
    matrix = gram / scale
    try:
        root = cholesky(matrix + 1e-14 * len(matrix) ** 0.5 * np.eye(len(matrix)), check_finite=False)
    except np.linalg.LinAlgError:
        values, vectors = eigh(matrix)
        root = (vectors * np.sqrt(values.clip(min=0.0))).T
    target = np.zeros(len(root) + 1)
    target[-1] = 1.0
    try:
        weights, _ = nnls(np.vstack([root, np.ones(root.shape[1])]), target, maxiter=20 * len(root))
    except RuntimeError:  # too many exchanges
        return None
    total = float(weights.sum())
    return np.asarray(weights / total) if total > 0 and math.isfinite(total) else None


@dataclass(frozen=True)
class Features:
    """a_i(ω) = scale·σ(⟨ω, x_i⟩), or 1{⟨ω, x_i⟩ > 0} if `gates`; ω uniform on the sphere.

    rows: (n, r) x_i. signed: (n, k) y_i v_i. gram: the exact E⟨φ_i, φ_j⟩.
    """

    rows: torch.Tensor
    signed: torch.Tensor
    gram: Matrix
    gates: bool
    scale: float

    def halves(self, directions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (a_i(ω)) and (a_i(−ω)): for each i at most one of them is not 0."""
        products = directions @ self.rows.to(directions.dtype).T
        if self.gates:
            return (products > 0).to(products.dtype), (products < 0).to(products.dtype)
        products *= self.scale
        return products.clamp(min=0.0), products.neg_().clamp_(min=0.0)

    @property
    def largest(self) -> float:
        """A bound on every ‖φ_i(ω)‖: ‖y_i v_i‖ times a bound on a_i."""
        length = float(torch.linalg.vector_norm(self.signed, dim=1).max())
        reach = 1.0 if self.gates else self.scale * float(torch.linalg.vector_norm(self.rows, dim=1).max())
        return length * reach

    def longest(self, p: Vector) -> float:
        """A bound on ‖h_p(ω)‖ over all directions, mostly far below `largest`.

        The part of h_p that is odd in ω (features σ), or constant (gates), is ½Σ p_i y_i x_i, and Σ p_i|⟨ω, x_i⟩|²
        is at most the largest eigenvalue of Σ p_i x_i x_iᵀ; the rest is Cauchy-Schwarz.
        """
        weights = torch.as_tensor(p, device=self.rows.device)[:, None]
        labels = self.signed if not self.gates else torch.ones_like(weights)
        classes = [(weights * (labels == sign)) for sign in (1.0, -1.0)]
        swings = [float(part.sum().sqrt() * torch.linalg.matrix_norm(part.sqrt() * self.rows, 2)) for part in classes]
        middle = torch.linalg.vector_norm((weights * self.signed * (1.0 if self.gates else self.rows)).sum(dim=0))
        return min(self.largest, 0.5 * self.scale * (float(middle) + max(swings)))

    def directions(self, count: int, seed: int, dtype: torch.dtype) -> Iterator[torch.Tensor]:
        """Yield `count` uniform directions in blocks, the same for the same seed and device."""
        n, r = self.rows.shape
        generator = torch.Generator(self.rows.device).manual_seed(seed)
        size = max(1, _BLOCK_ENTRIES // n)
        for start in range(0, count, size):
            part = torch.randn(min(size, count - start), r, generator=generator, device=self.rows.device, dtype=dtype)
            yield part / torch.linalg.vector_norm(part, dim=1, keepdim=True)

    def blocks(self, count: int, seed: int) -> Blocks:
        """Return what runs through `count` directions and their opposites in float32, others for each step."""

        def run(step: int) -> Iterator[Block]:
            for part in self.directions(count, seed + step, torch.float32):
                weight = torch.full((len(part),), 0.5 / count, device=part.device)
                for half in self.halves(part):
                    yield half, weight

        return run


@dataclass(frozen=True)
class Response:
    """c = h_p/max(‖h_p‖, mu). linear: the share of it that is proportional to h_p, E[⟨c, h_p⟩]/E‖h_p‖²."""

    p: Vector
    mu: float
    linear: float

    def field(self, activations: torch.Tensor, signed: torch.Tensor) -> torch.Tensor:
        """Return h_p at the directions of the activations, (m, k)."""
        weights = torch.as_tensor(self.p, dtype=activations.dtype, device=activations.device)
        return activations @ (weights[:, None] * signed.to(activations.dtype))


def reweighted(blocks: Blocks, signed: torch.Tensor, rounding: Iterable[float], gram: Matrix) -> Iterator[Response]:
    """Yield the response that each step meets, μ being `rounding` times E‖h_p‖; nothing once h_p vanishes.

    gram: the exact E⟨φ_i, φ_j⟩. What is proportional to it in E[w⟨φ_i, φ_j⟩] is taken from there, which leaves
    far less of the sample's noise for p to follow.
    """
    rows = signed.double().cpu().numpy()
    carriers = rows @ rows.T
    p = nearest_point(gram)
    for step, share in enumerate(rounding):
        if p is None:
            return
        answer = Response(p, 0.0, 0.0)
        fields = [(_length(answer.field(a, signed)), weight) for a, weight in blocks(step)]
        norm, square = _mean(fields, lambda h: h), _mean(fields, torch.square)
        noise = 10 * torch.finfo(fields[0][0].dtype).eps  # of the field at a direction
        if not min(square, float(p @ gram @ p)) > noise**2:
            return
        mu = share * norm
        response = Response(p, mu, _mean(fields, partial(_answered, mu=mu)) / square)
        yield response
        rest = _second_moments(blocks(step), _Reweighting(response, signed)) * carriers
        p = nearest_point(response.linear * gram + rest)


@dataclass(frozen=True)
class _Reweighting:
    """What w = 1/max(‖h_p‖, μ) is at the directions of a block beyond the constant `linear`."""

    response: Response
    signed: torch.Tensor

    def __call__(self, activations: torch.Tensor) -> torch.Tensor:
        length = _length(self.response.field(activations, self.signed))
        return 1.0 / length.clamp(min=self.response.mu) - self.response.linear


def _second_moments(blocks: Iterable[Block], weigh: Callable[[torch.Tensor], torch.Tensor]) -> Matrix:
    """Return E[w a_i a_j], summed in float64."""
    total: torch.Tensor | None = None
    for activations, weight in blocks:
        part = (activations.T @ (activations * (weight * weigh(activations))[:, None])).double()
        total = part if total is None else total.add_(part)
    assert total is not None
    return ((total + total.T) / 2).cpu().numpy()


def _answered(length: torch.Tensor, mu: float) -> torch.Tensor:
    """Return ⟨c, h⟩ for ‖h‖ = length."""
    return length.square() / length.clamp(min=mu)


def _length(field: torch.Tensor) -> torch.Tensor:
    return field[:, 0].abs() if field.shape[1] == 1 else torch.linalg.vector_norm(field, dim=1)


def _mean(values: Iterable[Block], function: Callable[[torch.Tensor], torch.Tensor]) -> float:
    return math.fsum(float((function(value) * weight).double().sum()) for value, weight in values)


def certified(features: Features, response: Response, count: int, seed: int, confidence: float) -> tuple[float, float]:
    """Return (lower, upper) with lower ≤ γ ≤ upper at the confidence, from directions that p does not depend on.

    Each of the n margins and E‖h_p‖ gets an equal part of what the confidence leaves, by the empirical Bernstein
    bound. The margins of c are those of β·h_p, which are exact, and those of the rest, which vary less.
    """
    n = len(response.p)
    sums = torch.zeros((2, n + 1), dtype=torch.float64, device=features.rows.device)
    for part in features.directions(count, seed, torch.float64):
        lengths = torch.zeros(len(part), dtype=torch.float64, device=part.device)
        for activations in features.halves(part):
            field = response.field(activations, features.signed)
            length = _length(field)
            lengths.add_(length, alpha=0.5)
            rest = field * (0.5 / length.clamp(min=response.mu) - 0.5 * response.linear)[:, None]
            values = activations.mul_(rest @ features.signed.T)
            # Of the two opposite directions one has the value 0, so that squares of sums are sums of squares.
            sums[0, :n] += values.sum(dim=0)
            sums[1, :n] += values.square_().sum(dim=0)
        sums[0, n] += lengths.sum()
        sums[1, n] += lengths.square().sum()
    means, squares = (sums / count).cpu().numpy()
    variances = np.maximum(squares - means**2, 0.0) * count / (count - 1)
    # ‖c − β·h‖ ≤ max(1, β·max‖h‖), and only one of each two opposite directions counts for a row.
    longest = features.longest(response.p)
    ranges = np.full(n + 1, features.largest * max(1.0, response.linear * longest))
    ranges[n] = longest
    error = _deviation(variances, ranges, count, (1.0 - confidence) / (n + 1))
    margins = response.linear * (features.gram @ response.p) + means[:n] - error[:n]
    return float(margins.min()), float(means[n] + error[n])


def _deviation(variances: Vector, ranges: Vector, count: int, failure: float) -> Vector:
    """Return how far, but for this probability, the mean of independent values may exceed their average.

    Maurer, Pontil (2009), Theorem 4, for values in an interval of length `ranges` with sample variances.
    """
    log = math.log(2.0 / failure)
    return np.asarray(np.sqrt(2.0 * variances * log / count) + 7.0 * ranges * log / (3.0 * (count - 1)))
