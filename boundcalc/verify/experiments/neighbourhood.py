"""Points of W_τ, the neighbourhood of the initialisation for all of which cao2020's statements are made.

W_τ = {W : ‖W_l − W_l^(0)‖_F ≤ τ for every hidden layer l} is a product of Frobenius balls. Nobody can try all of it:
its points here are those that gradient descent passes while it is inside, random ones, and those that a projected
ascent on what a statement bounds finds. A bound that held at all of them was not refuted; one that failed at any was.

The balls are often narrower than what float32 tells weights apart by: float64 is the precision to use. The points lie
within W_τ with the rounding of their own coordinates counted in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch

from boundcalc.estimate.gradient_bound import unit_ball_points
from boundcalc.train.networks import Network, initial_weights
from boundcalc.verify.experiments.backward import Weights, forward, frobenius

Objective = Callable[[Weights], torch.Tensor]
"""What an ascent makes large: a value for every init, (S,), of its weights alone."""

_FIRST_STEP = 0.5
"""Length of an ascent's first step in radii; the steps shrink linearly from there to nearly nothing."""

_ROUNDINGS = 2
"""Units of precision that a weight may be off by, relative to itself, after its point was chosen."""

_CLEAR = 500
"""By how much τ should exceed what rounding moves a layer by."""


@dataclass(frozen=True)
class Neighbourhood:
    """W_τ of every init of a batch. `start`: W_1^(0)..W_L^(0); `sign`: the output layer v; `radius`: τ."""

    seed: int
    trials: tuple[int, ...]
    start: tuple[torch.Tensor, ...]
    sign: torch.Tensor
    radius: float

    @property
    def reach(self) -> torch.Tensor:
        """How far a layer may be moved so that it stays within τ after rounding, (S, L)."""
        unit = torch.finfo(self.sign.dtype).eps
        return self.radius * (1 - 8 * unit) - _ROUNDINGS * unit * frobenius(self.start)

    def distances(self, weights: Weights) -> torch.Tensor:
        """Return ‖W_l − W_l^(0)‖_F, (S, L)."""
        return frobenius([w - start for w, start in zip(weights, self.start, strict=True)])

    def inside(self, weights: Weights) -> torch.Tensor:
        """Return whether every layer is within τ of its start, (S,)."""
        return (self.distances(weights) <= self.radius).all(dim=1)

    def project(self, weights: Weights) -> list[torch.Tensor]:
        """Return the nearest weights of W_τ (as far as `reach` goes); for several networks in a row, of each."""
        copies = len(weights) // len(self.start)
        centres, reach = self.start * copies, self.reach.repeat(1, copies)
        moved = [w - start for w, start in zip(weights, centres, strict=True)]
        shares = (reach / frobenius(moved).clamp_min(torch.finfo(reach.dtype).tiny)).clamp(max=1.0)
        return [start + step * share for start, step, share in zip(centres, moved, _by_layer(shares), strict=True)]

    def random(self, number: int, *, boundary: bool) -> list[torch.Tensor]:
        """Return the `number`-th random weights of W_τ of every init: layers uniform in balls, or on the spheres."""
        drawn = unit_ball_points(self.start, seed=self.seed, trials=self.trials, number=number, boundary=boundary)
        return [
            start + point * share for start, point, share in zip(self.start, drawn, _by_layer(self.reach), strict=True)
        ]

    def path(
        self, X: torch.Tensor, y: torch.Tensor, step_size: float, steps: int
    ) -> Iterator[tuple[int, Weights, torch.Tensor]]:
        """Yield (t, W^(t), whether that is within W_τ, (S,)) of full-batch gradient descent until all have left."""
        weights = list(self.start)
        for t in range(steps + 1):
            inside = self.inside(weights)
            if not bool(inside.any()):
                return
            yield t, weights, inside
            if t < steps:
                gradients = forward(weights, self.sign, X).loss_gradients(y)
                weights = [w - step_size * gradient for w, gradient in zip(weights, gradients, strict=True)]

    def ascend(self, objective: Objective, start: Weights, steps: int) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return the weights of W_τ with the largest objective that a projected ascent from `start` came across.

        And the objectives there, (S,). Every layer moves by the same length, the steepest ascent in the norm
        max_l ‖·‖_F whose balls these are; the lengths shrink from step to step. `start` may hold several networks in
        a row. An objective that is not finite counts as the worst; each init's course is its own.
        """
        weights = [layer.detach() for layer in start]
        best, highest = [layer.clone() for layer in weights], torch.full_like(self.reach[:, 0], -math.inf)
        for step in range(steps + 1):
            leaves = [layer.requires_grad_() for layer in weights]
            with torch.enable_grad():
                values = objective(leaves)
                gradients = torch.autograd.grad(values.sum(), leaves) if step < steps else ()
            values = torch.where(torch.isfinite(values), values, -math.inf).detach()
            better = values > highest
            highest = torch.where(better, values, highest)
            best = [
                torch.where(better[:, None, None], leaf.detach(), kept) for leaf, kept in zip(leaves, best, strict=True)
            ]
            if step < steps:
                length = self.radius * _FIRST_STEP * (1 - step / steps)
                weights = self.project(
                    [leaf.detach() + length * _unit(g) for leaf, g in zip(leaves, gradients, strict=True)]
                )
        return best, highest


def around(
    network: Network,
    *,
    seed: int,
    trials: Sequence[int],
    radius: Fraction | float,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Neighbourhood:
    """Return W_τ of some inits of cao2020's network."""
    *start, sign = initial_weights(network, seed=seed, trials=trials, dtype=dtype, device=device)
    return Neighbourhood(seed, tuple(trials), tuple(start), sign, float(radius))


def least_radius(network: Network, dtype: torch.dtype = torch.float64) -> float:
    """Return the least τ at which a precision u tells the points of W_τ apart, with room to spare.

    Rounding moves a layer by some u‖W_l^(0)‖_F, and ‖W_l^(0)‖_F² is around rows·cols·std².
    """
    norms = (math.sqrt(layer.rows * layer.cols) * layer.std for layer in network.layers if layer.std is not None)
    return _CLEAR * _ROUNDINGS * torch.finfo(dtype).eps * max(norms)


def search_bytes(network: Network, examples: int, trials: int, itemsize: int, *, networks: int = 1) -> int:
    """Return how many bytes an ascent of S = `trials` inits takes, on that many inputs in all.

    By measurement at m = 512 and 1024, rounded up: 26 times the weights (start, present, best, those that further
    ascents begin from, gradients and temporaries) and 6 times the activations, for each of the `networks` it moves.
    """
    hidden = sum(layer.rows for layer in network.layers[:-1])
    return itemsize * trials * networks * (26 * network.weight_count + 6 * examples * hidden)


def _unit(gradient: torch.Tensor) -> torch.Tensor:
    """Return each init's gradient over its norm; 0 where there is none, or one that is not finite."""
    norm = torch.linalg.vector_norm(gradient, dim=(1, 2), keepdim=True)
    usable = torch.isfinite(norm) & (norm > 0)
    return torch.where(usable, gradient / norm, 0.0)


def _by_layer(shares: torch.Tensor) -> list[torch.Tensor]:
    """Return the columns of (S, layers), each to be multiplied with weights (S, rows, cols)."""
    return [column[:, None, None] for column in shares.unbind(dim=1)]
