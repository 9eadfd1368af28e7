"""The radius R of chen2019's assumption (A) in the limit of infinite width.

Near its start, and everywhere as m → ∞, the network is linear in its weights: f(x) = f_0(x) + Σ_l ⟨φ_l(x), r_l⟩ with
φ_l = m^{−α}∇_{W_l}f and r_l = m^α(W_l − W_l^(0)), so that (A) asks for max_l ‖r_l‖ ≤ R. In the limit ⟨φ_l(x), φ_l(x')⟩
is Θ_l(x, x') of `kernels.Kernel.layer_tangent`, and f_0 is 0 for α < ½ and a draw from the NNGP for α = ½. L_i < ε is
y_i f(x_i) > z* = −log(e^ε − 1). So R is the `least_radius` of the rises c_i = z* − y_i f_0(x_i).

It is what the least radius tends to, no bound on it at any width: for these see `radius` and `radius_floor`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from boundcalc.errors import InputError
from boundcalc.estimate.kernels import Kernel, Matrix, error_norm, tensor_matrix
from boundcalc.estimate.least_radius import TOLERANCE, LeastRadius, TangentLayers, Vector, checked_labels, least_radius
from boundcalc.estimate.radius import needed_margin
from boundcalc.train.devices import available_bytes, resolve_device
from boundcalc.train.networks import check_trials

_DRAW_JITTER = 1e-13  # variance, times n, added to f_0: the NNGP matrix need not be positive definite in float64


def limit_layers(X: Matrix, L: int, *, device: str = "auto") -> TangentLayers:
    """Return Θ_1, …, Θ_L of chen2019's parameterisation (L weight matrices, divided by m^{2α}) on the rows of X.

    Raises InputError for what `kernels.kernel_matrix` refuses and where L matrices and the workspace of
    `least_radius` do not fit into memory.
    """
    parts = [Kernel.layer_tangent(layer, L, "chen2019") for layer in range(1, Kernel.tangent(L).levels + 2)]
    n = np.asarray(X).shape[0] if np.ndim(X) else 0
    at = resolve_device(device)
    needed, free = (len(parts) + 4) * 8 * n * n, available_bytes(at)
    if needed > free:
        raise InputError(
            f"n = {n}, L = {L}: the radius takes {len(parts) + 4} n × n matrices, {needed / 2**30:.1f} GiB, and "
            f"{free / 2**30:.1f} GiB are free; measure a subset of the rows"
        )
    matrices = [tensor_matrix(X, part, device=device) for part in parts]
    kernels = torch.empty((len(parts), n, n), dtype=torch.float64, device=at)
    for kernel in kernels:
        kernel.copy_(matrices.pop(0))
    return TangentLayers(kernels, tuple(error_norm(X, part, device=device) for part in parts))


@dataclass(frozen=True)
class LimitProblem:
    """The radius of (A) in the limit of infinite width, for data, L and α; each f_0 by its number.

    layers: Θ_l. y: (n,) ±1. factor: (n, n) lower triangular root of the NNGP matrix for α = ½, else None.
    """

    layers: TangentLayers
    y: Vector
    alpha: float
    seed: int
    factor: torch.Tensor | None

    def start(self, init: int) -> Vector:
        """Return f_0 on the rows, (n,): 0 for α < ½; for α = ½ a draw from N(0, NNGP) that (seed, init) fixes."""
        check_trials(self.seed, (init,))
        if self.factor is None:
            return np.zeros(len(self.y))
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(init,))))
        normal = torch.from_numpy(generator.standard_normal(len(self.y))).to(self.factor)
        return (self.factor @ normal).cpu().numpy()

    def radius(self, epsilon: float, init: int = 0, *, tolerance: float = TOLERANCE) -> LeastRadius:
        """Return the least R for this ε and this f_0, bracketed: see `least_radius`."""
        rises = needed_margin(epsilon) - self.y * self.start(init)
        return least_radius(self.layers, self.y, rises, tolerance=tolerance)

    def margin(self, *, tolerance: float = TOLERANCE) -> tuple[float, float]:
        """Return (lower, upper) ends of γ_T = max over ‖r_l‖ ≤ 1 of min_i y_i Σ_l ⟨φ_l(x_i), r_l⟩, 0 if not positive.

        For every ε and f_0, R ≤ max_i (z* − y_i f_0(x_i))/γ_T: the best r, scaled. For f_0 = 0 this is an equality.
        """
        unit = least_radius(self.layers, self.y, np.ones(len(self.y)), tolerance=tolerance)
        return (0.0 if math.isinf(unit.upper) else 1.0 / unit.upper), 1.0 / unit.lower


def limit_problem(X: Matrix, y: Vector, *, L: int, alpha: float, seed: int = 0, device: str = "auto") -> LimitProblem:
    """Return the limit of infinite width of chen2019's assumption (A) on (n, d) rows X with labels y = ±1.

    L: weight matrices, ≥ 2. alpha: in (0, ½]; at ½ f_0 is random, below it is 0. To a f_0 that is drawn N(0, n·1e-13)
    is added independently at each row, so that it can be drawn where rows are equal. Raises InputError for what
    `limit_layers` refuses, labels other than ±1, and α outside (0, ½].
    """
    if not 0.0 < alpha <= 0.5:
        raise InputError(f"scaling exponent alpha = {alpha!r} is outside (0, 1/2]; use e.g. 0.5")
    layers = limit_layers(X, L, device=device)
    labels = checked_labels(y, layers.n)
    factor = None
    if alpha == 0.5:
        # The output layer's tangent kernel is the covariance of the outputs: its features are the last hidden layer.
        covariance = layers.kernels[-1].clone()
        covariance.diagonal().add_(_DRAW_JITTER * len(labels))
        factor = torch.linalg.cholesky(covariance)
    return LimitProblem(layers, labels, alpha, seed, factor)


@dataclass(frozen=True)
class LimitRadius:
    """R at infinite width for S draws of f_0: lower, upper (S,) and what was solved for each."""

    epsilon: float
    alpha: float
    L: int
    inits: tuple[int, ...]
    lower: Vector
    upper: Vector
    solutions: tuple[LeastRadius, ...]

    @property
    def converged(self) -> bool:
        """Whether every one is known to the tolerance."""
        return all(one.status in ("solved", "start") for one in self.solutions)


def limit_radius(
    X: Matrix,
    y: Vector,
    *,
    L: int,
    epsilon: float,
    alpha: float,
    inits: Sequence[int] = (0,),
    seed: int = 0,
    tolerance: float = TOLERANCE,
    device: str = "auto",
) -> LimitRadius:
    """Return the least R of chen2019's (A) in the limit of infinite width, one for each f_0 (all equal for α < ½).

    Arguments as of `limit_problem` and `least_radius`. Raises what these raise, and InputError for an ε that is not
    positive or inits that are no distinct whole numbers ≥ 0.
    """
    check_trials(seed, inits)
    needed_margin(epsilon)
    return limit_radii(limit_problem(X, y, L=L, alpha=alpha, seed=seed, device=device), epsilon, inits, tolerance)


def limit_radii(
    problem: LimitProblem, epsilon: float, inits: Sequence[int], tolerance: float = TOLERANCE
) -> LimitRadius:
    """`limit_radius` of a problem that is at hand."""
    distinct = inits if problem.factor is not None else inits[:1]
    solved = [problem.radius(epsilon, init, tolerance=tolerance) for init in distinct]
    solutions = tuple(solved) if len(solved) == len(inits) else tuple(solved * len(inits))
    return LimitRadius(
        epsilon=epsilon,
        alpha=problem.alpha,
        L=problem.layers.L,
        inits=tuple(int(init) for init in inits),
        lower=np.array([one.lower for one in solutions]),
        upper=np.array([one.upper for one in solutions]),
        solutions=solutions,
    )
