"""The least training loss among a network's tangent features at its start, bracketed.

For a start W^(0) and a radius ρ the class is F = {f_{W^(0)} + ⟨∇f_{W^(0)}, W⟩ : ‖W_l‖_F ≤ ρ for every trained layer l}
(cao2019: ρ = R·m^(−1/2)), and what is sought is inf_{f ∈ F} (1/n) Σ_i ℓ(y_i f(x_i)), ℓ(z) = log(1 + e^(−z)): a convex
problem over a product of balls. Only W_l = Σ_i a_{l,i} ∇_{W_l} f(x_i) matter, so that with the kernel matrices
K_l = (⟨∇_{W_l} f(x_i), ∇_{W_l} f(x_j)⟩)_ij the outputs are u = f_{W^(0)} + Σ_l K_l a_l, and ‖W_l‖_F² = a_lᵀ K_l a_l.

**Upper end.** The loss at any a within the balls. **Lower end.** With F(u) = (1/n) Σ_i ℓ(y_i u_i) and s = ∇F(û) at any
û, convexity gives F(u) ≥ F(û) + ⟨s, u − û⟩, and the least of the right-hand side over the class is in closed form, the
linear minimisation of Frank and Wolfe: F(û) + ⟨s, f_{W^(0)} − û⟩ − ρ Σ_l √(sᵀ K_l s).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.train.devices import available_bytes, resolve_device
from boundcalc.train.networks import Network, check_trials, initial_weights


@dataclass(frozen=True)
class TangentInfimum:
    """lower ≤ inf_{f ∈ F} (1/n) Σ_i ℓ(y_i f(x_i)) ≤ upper for each of S inits, up to float64 rounding.

    start: (S,) the loss of f_{W^(0)} itself. lower, upper: (S,). converged: (S,) whether they are as close as was asked
    for; they hold in any case. norms: (S, trained layers) ‖W_l‖_F where the upper end is attained. steps: taken.
    """

    trials: tuple[int, ...]
    start: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    converged: NDArray[np.bool_]
    norms: NDArray[np.float64]
    steps: int


def tangent_infimum(
    network: Network,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    radius: float,
    trials: Sequence[int],
    seed: int,
    device: torch.device | str = "cpu",
    tolerance: float = 1e-4,
    max_steps: int = 2_000,
    on_step: Callable[[int], None] | None = None,
) -> TangentInfimum:
    """Bracket the least training loss of the tangent features within Frobenius radius ρ = `radius` of each layer.

    X: (n, d) inputs, y: (n,) labels ±1. Accelerated projected gradient steps with restarts, until upper − lower ≤
    `tolerance` for every init, or `max_steps`; in float64. Memory: as many inits together as fit into half of what is
    available. on_step(t) is called after every step of every such group.

    Raises InputError for a radius, tolerance or max_steps that is not positive, labels other than ±1, a shape of X that
    does not fit, and kernel matrices that do not fit into memory.
    """
    if not (radius > 0 and math.isfinite(radius)):
        raise InputError(f"radius = {radius!r}; use a positive number")
    if not tolerance > 0 or max_steps < 1:
        raise InputError(f"tolerance = {tolerance!r}, max_steps = {max_steps!r}; use positive numbers")
    if X.ndim != 2 or X.shape[1] != network.d:
        raise InputError(f"X has shape {X.shape}; give (n, {network.d}), as the network's d")
    if y.shape != X.shape[:1] or not bool((np.abs(y) == 1).all()):
        raise InputError(f"labels of shape {y.shape}; give {len(X)} labels, each −1 or +1")
    check_trials(seed, trials)
    at = resolve_device(str(device))
    needed, available = tangent_bytes(network, len(X)), available_bytes(at)
    if needed > available:
        raise InputError(
            f"tangent features of n = {len(X)} examples take {needed / 2**30:.3g} GiB an init and {at} has "
            f"{available / 2**30:.3g} GiB left; give fewer examples"
        )
    inputs, labels = (torch.from_numpy(np.array(part)).to(at, torch.float64) for part in (X, y))
    group = max(1, available // 2 // needed)
    parts, steps = [], 0
    for first in range(0, len(trials), group):
        some = tuple(trials[first : first + group])
        outputs, kernels = tangent_kernels(network, inputs, trials=some, seed=seed)
        found, taken = _minimise(outputs, kernels, labels, radius, tolerance, max_steps, on_step)
        parts.append(found)
        steps = max(steps, taken)
    start, lower, upper, norms = (torch.cat(of_all).cpu().numpy() for of_all in zip(*parts, strict=True))
    return TangentInfimum(
        trials=tuple(int(trial) for trial in trials),
        start=start,
        lower=lower,
        upper=upper,
        converged=upper - lower <= tolerance,
        norms=norms,
        steps=steps,
    )


def tangent_bytes(network: Network, n: int) -> int:
    """Return the bytes that bracketing takes for one init on n inputs, at most: kernels, weights, activations."""
    layers = len(network.trained_layers)
    units = sum(layer.rows for layer in network.layers)
    return 8 * ((layers + 3) * n * n + network.weight_count + n * (4 * units + 2 * network.d + 8 * layers))


def tangent_kernels(
    network: Network, X: torch.Tensor, *, trials: Sequence[int], seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return f_{W^(0)}(x_i), (S, n), and the K_l of the trained layers, (S, layers, n, n), in float64.

    With δ_l the derivative of f by the image of W_l, and h_{l−1} what W_l acts on, ∇_{W_l} f = δ_l h_{l−1}ᵀ, so that
    K_l is the entrywise product of the Gram matrices of the δ_l and of the h_{l−1}.
    """
    n, trained = X.shape[0], network.trained_layers
    outputs = X.new_empty((len(trials), n))
    kernels = X.new_empty((len(trials), len(trained), n, n))
    for position, trial in enumerate(trials):
        drawn = initial_weights(network, seed=seed, trials=(trial,), dtype=torch.float64, device=X.device)
        weights = [weight[0] for weight in drawn]
        h = [X.t()]
        for weight in weights[:-1]:
            h.append(torch.relu(weight @ h[-1]))
        outputs[position] = network.output_scale * (weights[-1] @ h[-1])[0]
        error = X.new_full((1, n), network.output_scale)
        for layer in range(len(weights) - 1, trained[0] - 1, -1):
            if layer in trained:
                into = kernels[position, trained.index(layer)]
                torch.mul(error.t() @ error, h[layer].t() @ h[layer], out=into)
            if layer > trained[0]:
                error = (weights[layer].t() @ error).mul_(h[layer] > 0)
    return outputs, kernels


def _minimise(
    outputs: torch.Tensor,
    kernels: torch.Tensor,
    y: torch.Tensor,
    radius: float,
    tolerance: float,
    max_steps: int,
    on_step: Callable[[int], None] | None,
) -> tuple[tuple[torch.Tensor, ...], int]:
    """Return the loss at the start, lower and upper ends and norms, and the number of steps.

    Images K_l a_l are carried along with the a_l, by linearity, and the ends are computed from images that are made
    anew from time to time. Every decision is taken init by init.
    """
    trials, layers, n = kernels.shape[:3]

    def loss(u: torch.Tensor) -> torch.Tensor:
        return -torch.nn.functional.logsigmoid(y * u).mean(dim=1)

    def image(a: torch.Tensor) -> torch.Tensor:
        return torch.matmul(kernels, a.unsqueeze(3)).squeeze(3)

    def norms(a: torch.Tensor, image_of_a: torch.Tensor) -> torch.Tensor:
        return (a * image_of_a).sum(dim=2).clamp_min(0).sqrt()

    # F's Hessian in u is at most 1/(4n), and the largest row sum bounds the largest eigenvalue of Σ K_l.
    curvature = kernels.sum(dim=1).abs().sum(dim=2).amax(dim=1) / (4 * n)
    step = (1 / curvature.clamp_min(1e-300))[:, None, None]
    a = torch.zeros((trials, layers, n), dtype=torch.float64, device=y.device)
    ahead, image_of_a, image_ahead = a, torch.zeros_like(a), torch.zeros_like(a)
    inertia = torch.ones(trials, dtype=torch.float64, device=y.device)
    start = loss(outputs)
    lower, upper, best_norms = torch.zeros_like(start), start, torch.zeros((trials, layers)).to(a)
    taken = 0
    while taken < max_steps:
        u = outputs + image_ahead.sum(dim=1)
        slope = torch.sigmoid(-y * u).mul_(-y / n)
        image_of_slope = torch.matmul(kernels, slope[:, None, :, None]).squeeze(3)
        lengths = (slope[:, None] * image_of_slope).sum(dim=2).clamp_min(0).sqrt()
        below = loss(u) + (slope * (outputs - u)).sum(dim=1) - radius * lengths.sum(dim=1)
        lower = torch.fmax(lower, below)
        if bool((upper - lower <= tolerance).all()):
            break

        moved, image_of_moved = ahead - step * slope[:, None], image_ahead - step * image_of_slope
        within = (radius / norms(moved, image_of_moved).clamp_min(1e-300)).clamp_max(1.0)[:, :, None]
        moved, image_of_moved = within * moved, within * image_of_moved
        taken += 1
        if taken % 50 == 0:
            image_of_moved = image(moved)
        here = loss(outputs + image_of_moved.sum(dim=1))
        better = here < upper
        upper = torch.where(better, here, upper)
        best_norms = torch.where(better[:, None], norms(moved, image_of_moved), best_norms)

        # Inertia carries on only while it points along the gradient step (restarts of O'Donoghue and Candès).
        against = ((ahead - moved) * (image_of_moved - image_of_a)).sum(dim=(1, 2)) > 0
        inertia = torch.where(against, 1.0, inertia)
        grown = (1 + (1 + 4 * inertia * inertia).sqrt()) / 2
        share = torch.where(against, 0.0, (inertia - 1) / grown)[:, None, None]
        ahead, image_ahead = moved + share * (moved - a), image_of_moved + share * (image_of_moved - image_of_a)
        a, image_of_a, inertia = moved, image_of_moved, grown
        if on_step is not None:
            on_step(taken)
    return (start, lower, upper, best_norms), taken
