"""The radius R of chen2019's assumption (A) at a finite width, bounded from below, and the tangent model of an init.

For weights W with ‖ΔW_l‖_F ≤ ϱ = R·m^(−α), ΔW_l = W_l − W_l^(0), write z_l and h_l = σ(z_l) for the hidden layers at
an input, z_l⁰ and h_l⁰ for those of W^(0), b_l and b̃_l for the gradients of f/m^α by z_l and by h_l at W^(0), b_L = 1.
Layer by layer, whatever W is,

    ‖z_l − z_l⁰‖ ≤ E_l = ‖W_l^(0)‖₂ E_{l−1} + ϱ(‖h_{l−1}⁰‖ + E_{l−1}),    E_0 = 0,
    (f_W − f_{W^(0)})/m^α = Σ_l b_l ΔW_l h_{l−1} + Σ_{l<L} b̃_l (h_l − h_l⁰ − 1[z_l⁰ > 0](z_l − z_l⁰)).

Entry j of the last bracket is at most (|e_j| − |z_lj⁰|)₊, e = z_l − z_l⁰: it is 0 unless the unit's sign flips. With
F_l(E) the most that Σ_j |b̃_lj|(|e_j| − |z_lj⁰|)₊ can be for ‖e‖ ≤ E,

    |f_W − f_{W^(0)} − m^α Σ_l ⟨b_l h_{l−1}⁰ᵀ, ΔW_l⟩| ≤ m^α ω(R),    ω = ϱ Σ_l ‖b_l‖ E_{l−1} + Σ_{l<L} F_l(E_l):

lemma 4.2 of cao2020 with every constant (F_l(E) is about E^{5/3} in a random network). So if some W within R gives
every margin z*, the tangent model gives z* − m^α ω_i(R), and R is at least the `least_radius` of the tangent model
for the rises c_i − m^α ω_i(R), c_i = z* − y_i f_{W^(0)}(x_i). Spectral norms alone say m^α E_L ≥ c_i for each i.

Both are true and the larger is taken; at widths that fit on a machine it is far below the least R. The first needs
ω(R) well below c, which takes m ≫ R²; the second does not know that the examples compete for the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from boundcalc.errors import InputError
from boundcalc.estimate.least_radius import LeastRadius, Matrix, TangentLayers, Vector, checked_labels, least_radius
from boundcalc.estimate.norms import spectral_norm_bounds
from boundcalc.estimate.radius import needed_margin
from boundcalc.train.devices import available_bytes, resolve_device
from boundcalc.train.networks import Network, check_trials, initial_weights

_UNIT = 2.0**-53
_SAFETY = 1e-9  # relative; far above the rounding of what it covers
_TINY = 1e-300
_BISECTIONS, _SOLVES = 50, 8
_ROUGH, _SHOWN = 1e-2, 1e-4  # relative gaps of the tangent model's radius, where compared to R and where shown


@dataclass(frozen=True)
class TangentModel:
    """The network at W^(0) as a linear model: the kernels of its gradients by layer, and its outputs there (n,).

    The kernels are those of the gradients divided by m^α, so that radii are in the unit of (A)'s R.
    """

    layers: TangentLayers
    start: Vector

    def radius(self, y: Vector, epsilon: float, *, tolerance: float = 1e-6) -> LeastRadius:
        """Return the least R of the tangent model, no bound on that of the network: see `radius_floor`."""
        return least_radius(self.layers, y, needed_margin(epsilon) - y * self.start, tolerance=tolerance)


@dataclass(frozen=True)
class RadiusFloor:
    """Lower limits of the least R of chen2019's assumption (A), one for each init.

    lower: (S,), what holds. from_norms: (S,), what spectral and hidden norms alone show. tangent: (S,) the least
    radius of the tangent model, no limit, which `lower` tends to as m → ∞. rows: on how many rows all three were taken.
    """

    epsilon: float
    alpha: float
    trials: tuple[int, ...]
    lower: Vector
    from_norms: Vector
    tangent: Vector
    rows: int


def radius_floor(
    network: Network,
    X: Matrix,
    y: Vector,
    *,
    epsilon: float,
    alpha: float,
    trials: Sequence[int],
    seed: int,
    most_rows: int = 500,
    device: torch.device | str = "cpu",
) -> RadiusFloor:
    """Return lower limits of the least R for which chen2019's assumption (A) holds, one per init.

    Arguments as of `radius.certify_radius`, whose inits these are; computed in float64. most_rows: of more rows only
    so many are taken, evenly spaced; the limit holds all the same, only lower. Time: the spectral norms of the
    W_l^(0), O(m³), and some ten solutions of the tangent model, O(n³) a step; memory: L + 3 n×n and some 5L n×m
    matrices.

    Raises InputError for ε not positive, a network whose scale is not m^α or which has untrained layers, labels
    other than ±1, X that does not fit the network, most_rows < 1, and where the memory does not suffice.
    """
    needed_margin(epsilon)
    scale = float(network.width) ** alpha
    if not np.isclose(network.output_scale, scale, rtol=1e-9, atol=0.0):
        raise InputError(
            f"alpha = {alpha!r}: m^alpha is {scale:.6g} but the network's output scale is "
            f"{network.output_scale:.6g}; give the alpha of scaled_relu"
        )
    check_trials(seed, trials)
    if most_rows < 1:
        raise InputError(f"most_rows = {most_rows!r}; use a whole number ≥ 1")
    labels = checked_labels(y, len(X))
    chosen = np.unique(np.linspace(0, len(X) - 1, min(len(X), most_rows)).astype(np.intp))
    found = [_floor(network, X[chosen], labels[chosen], epsilon, seed, trial, device) for trial in trials]
    lower, from_norms, tangent = (np.array(column) for column in zip(*found, strict=True))
    return RadiusFloor(epsilon, alpha, tuple(int(trial) for trial in trials), lower, from_norms, tangent, len(chosen))


def tangent_model(
    network: Network, X: Matrix, *, seed: int, trial: int, device: torch.device | str = "cpu"
) -> TangentModel:
    """Return the tangent model of one init at the rows of X (n, d). Raises InputError as `radius_floor` does."""
    return _Passes.of(network, X, seed, trial, device).model()


def _floor(
    network: Network, X: Matrix, y: Vector, epsilon: float, seed: int, trial: int, device: torch.device | str
) -> tuple[float, float, float]:
    passes = _Passes.of(network, X, seed, trial, device)
    model = passes.model()
    rises = needed_margin(epsilon) - y * model.start
    if rises.max() <= 0:
        return 0.0, 0.0, 0.0
    c = torch.tensor(rises).to(passes.outputs) - _SAFETY * (1 + float(np.abs(rises).max()))
    change = _Change.of(passes)
    alone = sum(kernel.diagonal().clamp(min=0).sqrt() for kernel in model.layers.kernels)

    def missing(radius: float) -> torch.Tensor:
        """What the tangent model must still do."""
        return c - change.beyond(radius) * (1 + _SAFETY)

    def together(radius: float) -> bool:
        needed = missing(radius).cpu().numpy()
        return least_radius(model.layers, y, needed, tolerance=_ROUGH).lower > radius

    from_norms = _last(lambda radius: bool((c > change.largest(radius) * (1 + _SAFETY)).any()), 0.0)
    lower = _last(lambda radius: bool((missing(radius) > alone * radius * (1 + _SAFETY)).any()), from_norms)
    tangent = model.radius(y, epsilon, tolerance=_SHOWN).lower
    if together(lower):
        high = max(lower, tangent)
        for _ in range(_SOLVES):
            middle = math.sqrt(lower * high)
            lower, high = (middle, high) if together(middle) else (lower, middle)
    return lower * (1 - _SAFETY), from_norms * (1 - _SAFETY), tangent


def _last(holds: Callable[[float], bool], start: float) -> float:
    """Return an r ≥ start at which the condition holds, up to the least at which it fails (start if there)."""
    low, step = start, max(start, 1e-12)
    while holds(low + step):
        low, step = low + step, 2 * step
    high = low + step
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


@dataclass(frozen=True)
class _Passes:
    """Forward and backward pass of one init in float64; lists run over the layers, tensors are (units, n).

    inputs: h_{l−1}⁰, l = 1, …, L. before: z_l⁰ and into: b̃_l, l < L. gradients: b_l, l = 1, …, L.
    """

    network: Network
    weights: list[torch.Tensor]
    inputs: list[torch.Tensor]
    before: list[torch.Tensor]
    into: list[torch.Tensor]
    gradients: list[torch.Tensor]
    outputs: torch.Tensor

    @classmethod
    def of(cls, network: Network, X: Matrix, seed: int, trial: int, device: torch.device | str) -> _Passes:
        if len(network.trained_layers) != len(network.layers):
            raise InputError(f"{network.name}: some layers are not trained; use a network of chen2019 (scaled_relu)")
        rows = np.asarray(X, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[0] == 0 or rows.shape[1] != network.d:
            raise InputError(f"X has shape {rows.shape}; give (n, {network.d}), n ≥ 1, as the network's d")
        at = resolve_device(str(device))
        n, L = len(rows), len(network.layers)
        needed = 8 * ((L + 3) * n * n + 5 * L * n * network.width) + 2 * network.weight_bytes(8)
        if needed > available_bytes(at):
            raise InputError(
                f"n = {n}, m = {network.width}: the lower limit of R needs {needed / 2**30:.1f} GiB and "
                f"{available_bytes(at) / 2**30:.1f} GiB are free; use a narrower network"
            )
        drawn = initial_weights(network, seed=seed, trials=[trial], dtype=torch.float64, device=at)
        weights = [layer[0] for layer in drawn]
        inputs, before = [torch.tensor(rows.T, device=at).contiguous()], []
        for layer in weights[:-1]:
            before.append(layer @ inputs[-1])
            inputs.append(before[-1].relu())
        outputs = network.output_scale * (weights[-1] @ inputs[-1])[0]
        gradients, into = [torch.ones_like(outputs)[None]], list[torch.Tensor]()
        for layer, z in zip(weights[:0:-1], before[::-1], strict=True):
            into.insert(0, layer.T @ gradients[0])
            gradients.insert(0, into[0] * (z > 0))
        return cls(network, weights, inputs, before, into, gradients, outputs)

    def model(self) -> TangentModel:
        pairs = zip(self.gradients, self.inputs, strict=True)
        kernels = torch.stack([(b.T @ b).mul_(h.T @ h) for b, h in pairs])
        n, entries = len(self.outputs), self.network.width + self.network.d
        # Sums of so many products, through as many layers; the largest row sum bounds the spectral norm.
        rounding = 16 * len(kernels) * entries * n * _UNIT
        errors = tuple(rounding * float(kernel.diagonal().max()) for kernel in kernels)
        return TangentModel(TangentLayers(kernels, errors), self.outputs.cpu().numpy())


@dataclass(frozen=True)
class _Flips:
    """F(E) of a layer at every input, from sums over the first k units in the order in which flips pay, (n, m + 1).

    F(E) ≤ νE² + Σ_j (b̃_j²/(4ν) − |b̃_j z_j|)₊ for any ν > 0. The units that count have |z_j/b̃_j| < 1/(4ν): k of them
    for ν between least[k] and most[k]. squares, costs: the sums of their b̃_j² and |b̃_j z_j|.
    """

    squares: torch.Tensor
    costs: torch.Tensor
    least: torch.Tensor
    most: torch.Tensor

    @classmethod
    def of(cls, into: torch.Tensor, before: torch.Tensor) -> _Flips:
        b, z = into.T.abs(), before.T.abs()
        ratios, order = (z / b.clamp(min=_TINY)).sort(dim=1)
        turns = 1 / (4 * ratios)
        none = torch.zeros_like(turns[:, :1])
        squares, costs = b.square().gather(1, order).cumsum(dim=1), (b * z).gather(1, order).cumsum(dim=1)
        return cls(
            torch.cat([none, squares], dim=1),
            torch.cat([none, costs], dim=1),
            torch.cat([turns, none], dim=1),
            torch.cat([none + math.inf, turns], dim=1),
        )

    def within(self, E: torch.Tensor) -> torch.Tensor:
        """Return the least of these bounds on F(E), (n,)."""
        length = E.clamp(min=_TINY)[:, None]
        price = (self.squares.sqrt() / (2 * length)).clamp(min=_TINY).clamp(min=self.least, max=self.most)
        values = price * length.square() + self.squares / (4 * price) - self.costs
        return torch.where(E > 0, values.amin(dim=1), 0.0)


@dataclass(frozen=True)
class _Change:
    """How far outputs can get within a radius. spectral: (L,) ‖W_l^(0)‖₂; hidden, slopes: (L, n) ‖h_{l−1}⁰‖, ‖b_l‖."""

    scale: float
    spectral: Vector
    hidden: torch.Tensor
    slopes: torch.Tensor
    flips: tuple[_Flips, ...]

    @classmethod
    def of(cls, passes: _Passes) -> _Change:
        return cls(
            passes.network.output_scale,
            spectral_norm_bounds(passes.weights).upper[0].numpy(),
            torch.stack([torch.linalg.vector_norm(h, dim=0) for h in passes.inputs]),
            torch.stack([torch.linalg.vector_norm(b, dim=0) for b in passes.gradients]),
            tuple(_Flips.of(into, z) for into, z in zip(passes.into, passes.before, strict=True)),
        )

    def largest(self, radius: float) -> torch.Tensor:
        """Return m^α E_L, (n,)."""
        return self.scale * self._moves(radius)[-1]

    def beyond(self, radius: float) -> torch.Tensor:
        """Return m^α ω, (n,)."""
        moves = self._moves(radius)
        total = torch.zeros_like(moves[0])
        for slope, below in zip(self.slopes[1:], moves[:-1], strict=True):
            total += radius / self.scale * slope * below
        for flips, move in zip(self.flips, moves[:-1], strict=True):
            total += flips.within(move)
        return self.scale * total

    def _moves(self, radius: float) -> list[torch.Tensor]:
        """Return E_1, …, E_L, each (n,)."""
        rho = radius / self.scale
        moves: list[torch.Tensor] = []
        below = torch.zeros_like(self.hidden[0])
        for norm, hidden in zip(self.spectral, self.hidden, strict=True):
            below = float(norm) * below + rho * (hidden + below)
            moves.append(below)
        return moves
