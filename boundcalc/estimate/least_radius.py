"""The least radius that makes a model that is linear in its layers' weights meet margins, up to a certified gap.

With features φ_l(x_i) of the layers l = 1, …, L, known by Θ_l = (⟨φ_l(x_i), φ_l(x_j)⟩), labels y = ±1 and the rises c_i
that are needed,

    R = min { max_l ‖r_l‖ : y_i Σ_l ⟨φ_l(x_i), r_l⟩ ≥ c_i for all i }
      = max { Σ p_i c_i : p ≥ 0, N(p) ≤ 1 },      N(p) = Σ_l N_l,  N_l = √(qᵀΘ_l q),  q = p∘y.

(The least of −Σ_l ⟨Σ q_i φ_l(x_i), r_l⟩ over ‖r_l‖ ≤ ϱ is −ϱN(p); what is left of the Lagrangian, ϱ(1 − N(p)) + pᵀc,
is bounded below in ϱ ≥ 0 where N(p) ≤ 1.) R = 0 if no c_i is positive. Otherwise any p ≥ 0 with pᵀc > 0 shows R ≥
pᵀc/N(p), and any r_l in the span of the features with y_i Σ_l ⟨φ_l(x_i), r_l⟩ > 0 where c_i > 0 shows an upper end
once it is scaled. Neither needs anything but the Θ_l.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Status = Literal["solved", "start", "inseparable", "stopped"]

TOLERANCE = 1e-6
_UNIT = 2.0**-53
_TINY = 1e-300
_BOUNDARY = 0.99  # share of the way to the end of a cone that a step may go
_LEAST = 1 / 8  # the path is followed down to this share of the tolerance, where slacks are still above rounding
_PATIENCE = 6  # steps there before it is left for ten times as large slacks
_GIVE_UP = 12  # steps there without a narrower bracket after which rounding is what keeps it wide
_JITTERS = (0.0, 1e-15, 1e-13, 1e-11)  # added to the diagonal, relative to its mean, until Cholesky runs through


@dataclass(frozen=True)
class TangentLayers:
    """Θ_l on n rows, l = 1, …, L: `kernels` (L, n, n) in float64, `errors` (L) bounds on ‖computed − exact Θ_l‖₂."""

    kernels: torch.Tensor
    errors: tuple[float, ...]

    def __post_init__(self) -> None:
        shape = tuple(self.kernels.shape)
        if len(shape) != 3 or shape[1] != shape[2] or 0 in shape or self.kernels.dtype != torch.float64:
            raise InputError(f"kernels of shape {shape} and {self.kernels.dtype}; give (L, n, n) in torch.float64")
        if len(self.errors) != shape[0]:
            raise InputError(f"{len(self.errors)} errors for {shape[0]} kernels; give one each")

    @property
    def L(self) -> int:
        """Number of layers."""
        return int(self.kernels.shape[0])

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.kernels.shape[1])


@dataclass(frozen=True)
class LeastRadius:
    """lower ≤ R ≤ upper, with what shows it.

    status: "solved", the relative gap is within the tolerance; "start", R = 0, all margins are there already;
    "inseparable", no radius was found, and rounding hides whether any above `lower` would do (upper is inf);
    "stopped", the bracket holds but is wider than asked, since rounding or the number of steps ended the search.
    multipliers: (n,) p of the lower end, N(p) ≤ 1. coefficients: (L, n), r_l = Σ_i coefficients[l, i] φ_l(x_i) has the
    norms and the margins of the upper end (nan if that is inf). shares: (L,) N_l/N, how much of what a unit of
    radius can do is done by each layer. steps: of the search.
    """

    lower: float
    upper: float
    status: Status
    multipliers: Vector
    coefficients: Matrix
    shares: Vector
    steps: int

    @property
    def gap(self) -> float:
        """(upper − lower)/upper; 0 if both are 0."""
        return 1.0 - self.lower / self.upper if self.upper > 0 else 0.0


def least_radius(
    layers: TangentLayers, y: Vector, needed: Vector, *, tolerance: float = TOLERANCE, max_steps: int = 100
) -> LeastRadius:
    """Return the least max_l ‖r_l‖ with y_i Σ_l ⟨φ_l(x_i), r_l⟩ ≥ needed_i for all i, bracketed.

    y: (n,) ±1. needed: (n,), taken as exact. Both ends are evaluated in float64 with allowance for its rounding
    and for the errors of the kernels: they hold for the exact ones. tolerance: relative gap at which to stop. Time
    O(n³) a step, for ten to twenty steps; memory: three n×n matrices besides the kernels.

    Raises InputError for labels other than ±1, `needed` of another length or not finite, kernels that are not
    finite, a tolerance outside (0, 1), max_steps < 1.
    """
    labels = checked_labels(y, layers.n)
    rises = np.asarray(needed, dtype=np.float64)
    if rises.shape != (layers.n,) or not np.isfinite(rises).all():
        raise InputError(f"needed rises of shape {rises.shape}; give {layers.n} finite numbers")
    if not bool(torch.isfinite(layers.kernels).all()):
        raise InputError("the kernels have entries that are not finite; check the rows")
    if not 0.0 < tolerance < 1.0:
        raise InputError(f"tolerance = {tolerance!r}; use a number between 0 and 1, such as 1e-6")
    if max_steps < 1:
        raise InputError(f"max_steps = {max_steps!r}; use a whole number ≥ 1")
    largest = float(rises.max())
    if largest <= 0:
        nothing = np.zeros((layers.L, layers.n))
        return LeastRadius(0.0, 0.0, "start", nothing[0], nothing, np.zeros(layers.L), 0)

    # The unit of the outputs is the largest rise, so that nothing depends on how large it is.
    scaled = torch.tensor(rises / largest).to(layers.kernels)
    found = _Bracket(layers, torch.tensor(labels).to(layers.kernels), scaled)
    steps, rounded = _follow(found, tolerance, max_steps)
    lower, upper = found.lower * largest * (1 - 8 * _UNIT), found.upper * largest * (1 + 8 * _UNIT)
    status: Status = "stopped"
    if math.isinf(upper):
        status = "inseparable" if rounded else "stopped"
    elif upper - lower <= tolerance * upper * (1 + 1e-9):
        status = "solved"
    return LeastRadius(
        lower=lower,
        upper=upper,
        status=status,
        multipliers=found.p.cpu().numpy(),
        coefficients=(found.coefficients * largest).cpu().numpy(),
        shares=found.shares.cpu().numpy(),
        steps=steps,
    )


def checked_labels(y: Vector, n: int) -> Vector:
    """Return the labels as float64; raise InputError unless they are n times −1 or +1."""
    labels = np.asarray(y, dtype=np.float64)
    if labels.shape != (n,) or not (np.abs(labels) == 1).all():
        raise InputError(f"labels of shape {labels.shape}; give {n} labels, each −1 or +1")
    return labels


class _Bracket:
    """The best ends found so far, with their evidence; the largest c_i is 1."""

    def __init__(self, layers: TangentLayers, y: torch.Tensor, c: torch.Tensor) -> None:
        self.kernels, self.y, self.c = layers.kernels, y, c
        self.errors = torch.tensor(layers.errors).to(c)
        self.diagonals = layers.kernels.diagonal(dim1=1, dim2=2).amax(dim=1)
        self.gamma = 2 * (layers.n + 8) * _UNIT  # relative rounding of sums of n products, doubled
        self.lower, self.upper = 0.0, math.inf
        self.p = torch.zeros_like(c)
        self.shares = c.new_zeros(layers.L)
        self.coefficients = c.new_full((layers.L, layers.n), math.nan)

    def span(self, weights: torch.Tensor) -> torch.Tensor:
        """Return the vectors Σ_i weights[l, i] φ_l(x_i), as (2, L, n): the weights, and Θ_l times them."""
        return torch.stack([weights, (self.kernels @ weights[:, :, None])[:, :, 0]])

    def signed(self, p: torch.Tensor) -> torch.Tensor:
        """Return the vectors Σ_i p_i y_i φ_l(x_i), likewise; all layers' in one product."""
        q = self.y * p
        return torch.stack([q.expand(len(self.errors), -1), self.kernels @ q])

    def outputs(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return y_i Σ_l ⟨φ_l(x_i), v_l⟩."""
        return self.y * vectors[1].sum(dim=0)

    def raise_lower(self, p: torch.Tensor, u: torch.Tensor) -> bool:
        """Take in what p ≥ 0 shows, u_l = Σ p_i y_i φ_l(x_i); return whether rounding hides how small N(p) is."""
        lengths, hidden = self._norms(u)
        gain = float(self.c @ p) - self.gamma * float(self.c.abs() @ p)
        if not bool(lengths.any()):  # no feature is left: a dead network, whose outputs nothing linear raises
            return True
        lower = gain / float(lengths.sum()) * (1 - 16 * _UNIT)
        if lower > self.lower:
            self.lower, self.p, self.shares = lower, p / lengths.sum(), lengths / lengths.sum()
        return bool(hidden.all())

    def cut_upper(self, z: torch.Tensor) -> None:
        """Take in what r_l = ϱz_l shows, at the least ϱ that raises all outputs enough."""
        rounding = 2 * self.gamma * self.diagonals * z[0].abs().sum(dim=1)
        error = float((self.errors * torch.linalg.vector_norm(z[0], dim=1) + rounding).sum())
        values = self.outputs(z) - error
        rising = self.c > 0
        if not bool((values[rising] > 0).all()):
            return
        scale = float((self.c[rising] / values[rising]).max()) * (1 + 8 * _UNIT)
        falling = ~rising & (values < 0)
        if not bool((scale * values[falling] * (1 + 4 * _UNIT) >= self.c[falling]).all()):
            return
        radius = scale * float(self._norms(z)[0].max()) * (1 + 4 * _UNIT)
        if radius < self.upper:
            self.upper, self.coefficients = radius, scale * z[0]

    def _norms(self, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ‖v_l‖ from above, (L,), and whether rounding may be most of it."""
        squares = _inner(vectors, vectors)
        # |Θ_ij| ≤ the largest diagonal entry, so that the rounding of vᵀΘv is at most 2γ·diag·(Σ|v_i|)².
        slack = self.errors * vectors[0].square().sum(dim=1)
        slack += 2 * self.gamma * self.diagonals * vectors[0].abs().sum(dim=1).square()
        return (squares.clamp(min=0.0) + slack).sqrt() * (1 + 4 * _UNIT), squares <= 4 * slack


def _follow(found: _Bracket, tolerance: float, max_steps: int) -> tuple[int, bool]:
    """Tighten the bracket; return the number of steps, and whether rounding was what ended them.

    An interior-point method on min Σ_l t_l subject to cᵀp = 1, p ≥ 0, ‖u_l‖ ≤ t_l, u_l = Σ q_i φ_l(x_i), and on
    its dual, max λ subject to s = y∘Σ_l ⟨φ_l, z_l⟩ − λc ≥ 0, ‖z_l‖ ≤ 1, where r_l = z_l/λ. On the path p∘s = μ and
    (t_l, u_l)∘(1, −z_l) = (μ, 0); Newton's method follows it with Mehrotra's predictor and corrector, the cones in
    Nesterov and Todd's scaling. (Newton's method for min N(p) as it stands fails where some N_l is 0 at the end.)
    """
    at = _first(found)
    degree = len(found.c) + len(found.errors)
    least, waited = _LEAST * tolerance, 0
    narrowest, idle = math.inf, 0
    step = 0
    while True:
        hidden = found.raise_lower(at.p, at.u)
        found.cut_upper(at.z)
        if found.upper - found.lower <= tolerance * found.upper < math.inf:
            return step, False
        norm, mu = float(at.t.sum()), at.product / degree
        if degree * mu <= 2 * least * norm:  # about the relative gap
            width = math.inf if math.isinf(found.upper) else found.upper - found.lower
            idle = 0 if width < 0.99 * narrowest else idle + 1
            narrowest = min(narrowest, width)
            waited += 1
            if waited > _PATIENCE:
                least, waited = 10 * least, 0
        if (hidden and math.isinf(found.upper)) or idle > _GIVE_UP:
            return step, True
        if step == max_steps:
            return step, False
        newton = _Newton.at_point(at, found)
        if newton is None:
            return step, True
        ahead = newton.towards(0.0)
        predicted = at.moved(ahead, min(1.0, at.reach(ahead))).product / degree
        target = max((predicted / mu) ** 3 * mu, least * norm / degree)
        move = newton.towards(target, ahead)
        at = at.moved(move, min(1.0, _BOUNDARY * at.reach(move)))
        # Rounding of the steps is taken out of what follows from the rest.
        p = at.p / (found.c @ at.p)
        at = _Point(p, at.s, at.multiplier, at.t, found.signed(p), found.span(at.z[0]))
        step += 1


@dataclass(frozen=True)
class _Point:
    """p, s (n,), λ, t (L,) and the vectors u, z as (2, L, n); also a step from one such point to the next."""

    p: torch.Tensor
    s: torch.Tensor
    multiplier: float
    t: torch.Tensor
    u: torch.Tensor
    z: torch.Tensor

    @property
    def product(self) -> float:
        """pᵀs + Σ_l (t_l − ⟨u_l, z_l⟩), which is (n + L)μ on the path."""
        return float(self.p @ self.s) + float((self.t - _inner(self.u, self.z)).sum())

    def moved(self, step: _Point, length: float) -> _Point:
        """Return where `length` steps lead."""
        return _Point(
            self.p + length * step.p,
            self.s + length * step.s,
            self.multiplier + length * step.multiplier,
            self.t + length * step.t,
            self.u + length * step.u,
            self.z + length * step.z,
        )

    def reach(self, step: _Point) -> float:
        """Return how many steps one can go before a cone ends."""
        ones, zeros = torch.ones_like(self.t), torch.zeros_like(self.t)
        return min(
            _positive_reach(self.p, step.p),
            _positive_reach(self.s, step.s),
            _cone_reach(self.t, self.u, step.t, step.u),
            _cone_reach(ones, self.z, zeros, step.z),
        )


def _first(found: _Bracket) -> _Point:
    c = found.c
    # The multiplier of a margin that is there already starts small enough to leave pᵀc > 0.
    gains, losses = float(c.clamp(min=0).sum()), -float(c.clamp(max=0).sum())
    p = torch.where(c > 0, 1.0, min(1.0, 0.5 * gains / losses) if losses > 0 else 1.0).to(c)
    p = p / (c @ p)
    u = found.signed(p)
    squares = _inner(u, u).clamp(min=0.0)
    t = (squares + squares.sqrt().mean().square() / 4).sqrt().clamp(min=_TINY)
    z = u / t[:, None]
    multiplier = 0.5 * float(t.sum())
    s = (found.outputs(z) - multiplier * c).clamp(min=0.2 * multiplier)
    return _Point(p, s, multiplier, t, u, z)


@dataclass(frozen=True)
class _Newton:
    """The linearised equations at a point, for any target.

    Nesterov and Todd's scaling of x = (t, u) and w = (1, −z): W² = θ(2(v0, v)(v0, v)ᵀ − J), J = diag(1, −I), is such
    that W⁻²x = w. spread: v0² + ‖v‖². determinant: t² − ‖u‖². residual: y∘Σ_l ⟨φ_l, z_l⟩ − λc − s.
    """

    found: _Bracket
    at: _Point
    factor: torch.Tensor
    theta: torch.Tensor
    v0: torch.Tensor
    v: torch.Tensor
    spread: torch.Tensor
    determinant: torch.Tensor
    residual: torch.Tensor

    @classmethod
    def at_point(cls, at: _Point, found: _Bracket) -> _Newton | None:
        """Return them with their factor, None where rounding leaves no positive definite matrix."""
        below, above = _determinant(at.t, at.u), _determinant(torch.ones_like(at.t), at.z)
        theta = (below / above).sqrt()
        gamma = ((1 + (at.t - _inner(at.u, at.z)) / (below * above).sqrt()) / 2).sqrt()
        v0 = (at.t / below.sqrt() + 1 / above.sqrt()) / (2 * gamma)
        v = (at.u / below.sqrt()[:, None] + at.z / above.sqrt()[:, None]) / (2 * gamma[:, None])
        spread = v0.square() + _inner(v, v)

        matrix = torch.zeros_like(found.kernels[0])
        for share, kernel in zip(theta, found.kernels, strict=True):
            matrix.add_(kernel, alpha=1 / float(share))
        matrix.addmm_(v[1].T * (2 / (theta * spread)), v[1], alpha=-1.0)
        matrix.mul_(found.y).mul_(found.y[:, None])
        # Where cᵀdp = 0 this changes nothing, but without it the matrix is almost singular along p.
        matrix.addr_(found.c, found.c, alpha=float(at.t.sum()))
        matrix.diagonal().add_(at.s / at.p)
        mean, before = float(matrix.diagonal().mean()), 0.0
        for jitter in _JITTERS:
            matrix.diagonal().add_((jitter - before) * mean)
            before = jitter
            factor, info = torch.linalg.cholesky_ex(matrix)
            if int(info) == 0:
                residual = found.outputs(at.z) - at.multiplier * found.c - at.s
                return cls(found, at, factor, theta, v0, v, spread, below, residual)
        return None

    def towards(self, target: float, ahead: _Point | None = None) -> _Point:
        """Return the step, cᵀdp = 0, to p∘s and cone products of the target, `ahead` showing how these bend."""
        at, y, c = self.at, self.found.y, self.found.c
        # W⁻²(dt, du) + (0, −dz) = target·(t, u)⁻¹ − (1, −z) − bend, its first row solved for dt.
        first = target * at.t / self.determinant - 1
        fixed = at.u * (target / self.determinant)[:, None] - at.z
        missing = target / at.p - at.s
        if ahead is not None:
            bend, sideways = self._bend(ahead)
            first, fixed, missing = first - bend, fixed + sideways, missing - ahead.p * ahead.s / at.p
        fixed = fixed - self.v * (2 * self.v0 * first / self.spread)[:, None]
        right = missing - self.residual - self.found.outputs(fixed)
        both = torch.cholesky_solve(torch.stack([right, c], dim=1), self.factor)
        multiplier = -(c @ both[:, 0]) / (c @ both[:, 1])
        dp = both[:, 0] + multiplier * both[:, 1]
        along = self.v[1] @ (y * dp)
        du = self.found.signed(dp)
        dz = fixed + (du - self.v * (2 * along / self.spread)[:, None]) / self.theta[:, None]
        dt = (self.theta * first + 2 * self.v0 * along) / self.spread
        return _Point(dp, missing - at.s / at.p * dp, float(multiplier), dt, du, dz)

    def _bend(self, ahead: _Point) -> tuple[torch.Tensor, torch.Tensor]:
        """Return W⁻¹(λ⁻¹∘((W⁻¹dx)∘(W dw))) for the step dx = (dt, du), dw = (0, −dz); λ = W(1, −z)."""
        ones, zeros = torch.ones_like(self.at.t), torch.zeros_like(self.at.t)
        a0, a = self._scaled(ahead.t, ahead.u, -1.0)
        b0, b = self._scaled(zeros, -ahead.z, 1.0)
        d0, d = a0 * b0 + _inner(a, b), a0[:, None] * b + b0[:, None] * a
        l0, l = self._scaled(ones, -self.at.z, 1.0)
        e0 = (l0 * d0 - _inner(l, d)) / _determinant(l0, l)
        e0, e = self._scaled(e0, (d - e0[:, None] * l) / l0[:, None], -1.0)
        # Of the √θ that `_scaled` leaves out of each W, two divide.
        return e0 / self.theta, e / self.theta[:, None]

    def _scaled(self, length: torch.Tensor, vector: torch.Tensor, sign: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return W/√θ (sign 1) or √θ·W⁻¹ (sign −1) times (length, vector)."""
        inner = _inner(self.v, vector)
        along = sign * length + inner / (1 + self.v0)
        return self.v0 * length + sign * inner, vector + self.v * along[:, None]


def _inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return ⟨a_l, b_l⟩ of vectors in the span of the features, (L,)."""
    return (a[0] * b[1]).sum(dim=1)


def _determinant(length: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Return length² − ‖vector‖², positive inside the cone."""
    return (length.square() - _inner(vector, vector)).clamp(min=_TINY)


def _cone_reach(length: torch.Tensor, vector: torch.Tensor, dl: torch.Tensor, dv: torch.Tensor) -> float:
    """Return how far (length, vector) inside the cones ‖vector_l‖ ≤ length_l may go along (dl, dv)."""
    square = dl.square() - _inner(dv, dv)
    half = length * dl - _inner(vector, dv)
    constant = _determinant(length, vector)
    # The least positive root of square·x² + 2·half·x + constant.
    root = (half.square() - square * constant).clamp(min=0.0).sqrt() - half
    return float(torch.where(root > 0, constant / root, math.inf).min())


def _positive_reach(values: torch.Tensor, along: torch.Tensor) -> float:
    """Return how far values > 0 may go along the direction."""
    falling = along < 0
    return float((-values[falling] / along[falling]).min()) if bool(falling.any()) else math.inf
