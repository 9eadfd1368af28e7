"""Training at infinite width: the limit m → ∞ of the papers' networks, in closed form.

With the right scaling, m^β(W_l − W_l^(0)) stays finite while m grows, and W^(0) is so large beside it that the network
is linear in it: f = f_0 + Σ_l ⟨φ_l, m^β(W_l − W_l^(0))⟩ with φ_l = m^{−β}∇_{W_l}f at W^(0), whose inner products
tend to a kernel, ⟨φ_l(x), φ_l(x')⟩ → Θ_l(x, x'). Steps η = η̄ m^{−2β} on any loss with slopes g_tj = ∂L/∂f(x_j) give

    f_t(x) = f_0(x) + Σ_j Θ(x, x_j) c_tj,    c_{t+1} = c_t − η̄ g_t,    m^β ‖W_l^(t) − W_l^(0)‖_F → √(c_tᵀ Θ_l c_t),

Θ = Σ_l Θ_l the neural tangent kernel of the paper's own parameterisation (see `estimate.kernels`). f_0, the only thing
that is random, is a centred Gaussian process, or 0. What the state is: f_0, once, and the coefficients c_t.

    networks       β    covariance of f_0                          trained
    scaled_relu    α    ρ_p at α = ½, else 0                       all layers
    he_relu        ½    ρ_p − 1/π, as the signs are balanced       all but the signs
    two_layer      0    E[σ(u)σ(v)]                                the first layer, whose kernel is H^∞

A finite network is off by O(m^{−1/2}), as its kernels at the start are, and by O(m^{−α}), the part of its units that
change sides, and with them its gradients (½ in the place of α where there is none); its f_0 at α < ½ by O(m^{α−1/2}).
That is what examples/limit.py measures, init by init; no bound is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError, OutOfMemoryError
from boundcalc.estimate.kernels import H_INFINITY, Kernel, error_norm, tensor_matrix
from boundcalc.train.devices import available_bytes, resolve_device
from boundcalc.train.engine import Slope
from boundcalc.train.networks import check_trials

Rows = NDArray[np.float64] | torch.Tensor


@dataclass(frozen=True)
class Limit:
    """What the networks of one paper tend to as m → ∞.

    name: that of the `Network`s. start: the covariance of f_0, None where f_0 = 0. tangent: Θ. layers: Θ_l for every
    trained layer, the lowest first; they sum to Θ. exponent: β, by which steps and distances are scaled.
    """

    name: str
    start: Kernel | None
    tangent: Kernel
    layers: tuple[Kernel, ...]
    exponent: float

    def scale(self, m: int) -> float:
        """Return m^β: a step size η at width m is η̄ = η·m^{2β} here, and a distance there, times m^β, one here."""
        return float(m) ** self.exponent


def scaled_relu_limit(L: int, alpha: float) -> Limit:
    """Return the limit of `networks.scaled_relu` (chen2019): L ≥ 2 weight matrices, all trained, β = α.

    Raises InputError for L < 2 or α outside (0, 1/2].
    """
    if not 0.0 < alpha <= 0.5:
        raise InputError(f"scaling exponent alpha = {alpha!r} is outside (0, 1/2]; use e.g. 0.5")
    tangent = Kernel.tangent(L, "chen2019")
    parts = tuple(Kernel.layer_tangent(layer, L, "chen2019") for layer in range(1, L + 1))
    # f_0 has the variance m^{2α−1}.
    return Limit("chen2019", Kernel.nngp(L, "chen2019") if alpha == 0.5 else None, tangent, parts, float(alpha))


def he_relu_limit(L: int) -> Limit:
    """Return the limit of `networks.he_relu` (cao2020): L ≥ 1 hidden layers, all trained, fixed signs, β = ½.

    Raises InputError for L < 1.
    """
    if isinstance(L, bool) or not isinstance(L, (int, np.integer)) or L < 1:
        raise InputError(f"depth L = {L!r}; give a whole number ≥ 1")
    matrices = int(L) + 1
    parts = tuple(Kernel.layer_tangent(layer, matrices, "cao2020") for layer in range(1, matrices))
    return Limit("cao2020", Kernel.nngp(matrices, "cao2020"), Kernel.tangent(matrices, "cao2020"), parts, 0.5)


def two_layer_limit() -> Limit:
    """Return the limit of `networks.two_layer` (ji2020, du2019): the first of two layers trained, β = 0."""
    return Limit("two-layer", Kernel.conjugate(1), H_INFINITY, (H_INFINITY,), 0.0)


def peak_bytes(limit: Limit, n: int, trials: int, held_out: int = 0) -> int:
    """Return the bytes that an `InfiniteEngine` of S = `trials` inits allocates at most, on n + n' = N rows.

    float64: while f_0 is drawn, its covariance, an eigenvalue decomposition and its workspace, seven N × N matrices;
    after that one N × N kernel at a time, of which N × n are kept, and n × n for every trained layer; f_0,
    coefficients, and a few (S, n) while a step is taken. Not counted: the rows themselves, and what the libraries
    allocate besides (measured on a CPU: 15 MiB).
    """
    rows = n + held_out
    drawing = 7 * rows * rows if limit.start is not None else 0
    kernels = 2 * rows * rows + rows * n + len(limit.layers) * n * n
    return 8 * (max(drawing, kernels) + trials * (2 * rows + 6 * n))


def operations(limit: Limit, n: int, trials: int, steps: int, held_out: int = 0) -> float:
    """Return about how many floating-point operations an engine takes to be made and for `steps` steps of descent.

    Of which 24 a level for an entry of a kernel, 14 N³ to draw f_0 (eigenvalues, triangular root, its check) and
    2 S n² a step.
    """
    rows = n + held_out
    levels = max(limit.tangent.levels, 1)
    kernels = 24.0 * levels * (rows**2 + len(limit.layers) * n**2)
    drawing = 0.0 if limit.start is None else 14.0 * rows**3 + 24.0 * levels * rows**2 + 2.0 * trials * rows**2
    return kernels + drawing + 2.0 * trials * float(n) ** 2 * steps


class InfiniteEngine:
    """The `Engine` of infinite width (see `boundcalc.train.engine`): S draws of f_0, trained on rows X.

    limit: of which networks. X: (n, d) training inputs. trials: the numbers of the S inits. seed: of all. held_out:
    (n', d) further rows on which outputs will be asked for; f_0 is drawn on both jointly, and a trial's f_0 on X does
    not depend on them. start: (S, n + n') f_0 to be used instead, on the rows of X and then of held_out, such as the
    outputs of a finite network at its own init. device: "auto", "cpu", "cuda[:i]". All in float64.

    Step sizes are η̄ and distances are scaled by m^β, both as `Limit.scale` says. A trial's f_0 on X is that of the same
    (seed, trial) in `estimate.limit_radius`, up to how singular its covariance is.

    Raises InputError for bad rows, trial numbers, start and devices, and where it does not fit into memory.
    """

    def __init__(
        self,
        limit: Limit,
        X: Rows,
        *,
        trials: Sequence[int],
        seed: int,
        held_out: Rows | None = None,
        start: Rows | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        check_trials(seed, trials)
        self.limit = limit
        self.seed = int(seed)
        self._trials = tuple(int(trial) for trial in trials)
        self._device = resolve_device(str(device))
        train = _plain(X)
        if train.ndim != 2 or not len(train):
            raise InputError(f"X of shape {train.shape}; give n ≥ 1 rows of d numbers")
        rest = train[:0] if held_out is None else _plain(held_out)
        if rest.ndim != 2 or rest.shape[1] != train.shape[1]:
            raise InputError(f"held_out has shape {rest.shape}; give (n', {train.shape[1]}), as X has")
        self._n = len(train)
        rows = np.concatenate([train, rest])
        needed, free = peak_bytes(limit, self._n, len(self._trials), len(rest)), available_bytes(self._device)
        if needed > free:
            raise OutOfMemoryError(
                f"{len(rows)} rows at infinite width need {needed / 2**30:.3g} GiB and {self._device} has "
                f"{free / 2**30:.3g} GiB left; give fewer training or held-out rows"
            )
        self._row_numbers = {row.tobytes(): number for number, row in reversed(list(enumerate(rows)))}
        self._start, self.start_error = self._begin(rows, start)
        self._tangent = self._kernel(rows, limit.tangent)[:, : self._n].contiguous()
        self._layers = torch.stack([self._kernel(train, layer) for layer in limit.layers])
        self._coefficients = self._start.new_zeros((len(self._trials), self._n))

    @property
    def trials(self) -> tuple[int, ...]:
        """Trial numbers of the S inits."""
        return self._trials

    @property
    def n(self) -> int:
        """Number of training inputs."""
        return self._n

    @property
    def device(self) -> torch.device:
        """Where kernels and outputs live."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the outputs: float64."""
        return self._start.dtype

    @property
    def coefficients(self) -> torch.Tensor:
        """c (S, n), a copy: f(x) = f_0(x) + Σ_j Θ(x, x_j) c_j."""
        return self._coefficients.clone()

    def step(self, slope: Slope, step_size: float) -> torch.Tensor:
        """c ← c − step_size · slope(f), step_size = η̄; return f (S, n) from before the step."""
        f = self.outputs()
        self._coefficients.add_(slope(f), alpha=-step_size)
        return f

    def online_step(self, X: torch.Tensor, slope: Slope, step_size: float) -> torch.Tensor:
        """Take a step on one training input for each trial, X (S, d); the slope is asked at f (S, 1); return f (S,).

        Raises InputError for rows that are not S, or not among the training inputs.
        """
        numbers = self._numbers(X)
        if numbers.shape != (len(self._trials),) or not bool((numbers < self._n).all()):
            raise InputError(
                f"X of shape {tuple(X.shape)}; give one of the engine's training inputs for each of the "
                f"{len(self._trials)} trials"
            )
        each = torch.arange(len(self._trials), device=self._device)
        f = self._start[each, numbers] + torch.linalg.vecdot(self._tangent[numbers], self._coefficients)
        self._coefficients[each, numbers] -= step_size * slope(f[:, None])[:, 0]
        return f

    def outputs(self, X: Rows | None = None) -> torch.Tensor:
        """Return f (S, n') on the rows of X (n', d), or on the training inputs.

        Raises InputError for a row that is neither a training input nor held out: f_0 is not known there.
        """
        if X is None:
            return self._at(slice(0, self._n))
        return self._at(self._numbers(X))

    def distances(self) -> torch.Tensor:
        """Return lim m^β ‖W_l − W_l^(0)‖_F = √(cᵀ Θ_l c), float64 (S, number of trained layers) on the CPU."""
        return self._lengths(self._coefficients)

    def gradient_norms(self, slope: Slope) -> torch.Tensor:
        """Return lim m^{−β} ‖∇_{W_l} L‖_F = √(gᵀ Θ_l g) at g = slope(f), as `distances` does."""
        return self._lengths(slope(self.outputs()))

    def _numbers(self, X: Rows) -> torch.Tensor:
        """Where these rows are among the training inputs and the held-out ones."""
        found = [self._row_numbers.get(row.tobytes()) for row in _plain(X)]
        if None in found:
            raise InputError(
                f"row {found.index(None)} of X is neither a training input nor held out; give it in held_out when the "
                "engine is made"
            )
        return torch.tensor(found, dtype=torch.int64, device=self._device)

    def _at(self, rows: slice | torch.Tensor) -> torch.Tensor:
        return self._start[:, rows] + self._coefficients @ self._tangent[rows].T

    def _lengths(self, weights: torch.Tensor) -> torch.Tensor:
        squares = torch.einsum("si,lij,sj->sl", weights, self._layers, weights)
        # Rounding can leave a square of 0 below it.
        return squares.clamp_(min=0.0).sqrt_().cpu()

    def _kernel(self, rows: NDArray[np.float64], kernel: Kernel) -> torch.Tensor:
        return tensor_matrix(rows, kernel, device=str(self._device)).to(self._device)

    def _begin(self, rows: NDArray[np.float64], start: Rows | None) -> tuple[torch.Tensor, float]:
        """f_0 (S, N), and by how much the covariance it was drawn with may be off in spectral norm."""
        shape = (len(self._trials), len(rows))
        if start is not None:
            given = torch.from_numpy(_plain(start)).to(self._device)
            if given.shape != shape or not bool(torch.isfinite(given).all()):
                raise InputError(f"start of shape {tuple(given.shape)}; give {shape} finite numbers")
            return given, 0.0
        if self.limit.start is None:
            return torch.zeros(shape, dtype=torch.float64, device=self._device), 0.0
        covariance = self._kernel(rows, self.limit.start)
        root = _triangular_root(covariance)
        drawn = np.stack([_normals(self.seed, trial, len(rows)) for trial in self._trials])
        off = torch.linalg.matrix_norm(torch.addmm(covariance, root, root.T, beta=-1.0)).item()
        exact = error_norm(rows, self.limit.start, device=str(self._device))
        return torch.from_numpy(drawn).to(root) @ root.T, off + exact


def _normals(seed: int, trial: int, count: int) -> NDArray[np.float64]:
    """Standard normals of one trial; the first of them do not depend on how many are drawn."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(trial,))))
    return generator.standard_normal(count)


def _triangular_root(covariance: torch.Tensor) -> torch.Tensor:
    """Return a lower triangular A with A Aᵀ the covariance, which may be singular.

    Eigenvalues that rounding has made negative count as 0. Triangular, so that the first rows of a draw do not depend
    on the others; of a covariance that is far from singular this is the Cholesky factor.
    """
    values, vectors = torch.linalg.eigh(covariance)
    _, upper = torch.linalg.qr((vectors * values.clamp(min=0.0).sqrt()).T, mode="r")
    return (upper * torch.where(upper.diagonal() < 0, -1.0, 1.0)[:, None]).T


def _plain(X: Rows) -> NDArray[np.float64]:
    """X as a float64 array of its own, −0 as 0."""
    values = X.detach().cpu().numpy() if isinstance(X, torch.Tensor) else X
    return np.ascontiguousarray(values, dtype=np.float64) + 0.0
