"""Gaussian matrices that are known through products alone, and that gradient descent moves.

W^(0) has independent N(0, σ²) entries, none of which is ever drawn. After products with the orthonormal q_j ∈ Q_A from
the right, Y = W^(0)Q_A, and from the left, Z = W^(0)ᵀQ_C, what is known of W^(0) is Y and Z; given them it is
Q_C Zᵀ + (I − Q_C Q_Cᵀ) G on vectors ⟂ Q_A, with G fresh of the same law as W^(0). So a new direction q ⟂ Q_A has the
image

    W^(0) q = Q_C Zᵀ q + (I − Q_C Q_Cᵀ) g,    g ~ N(0, σ² I),

and a new direction from the left the same with the roles exchanged. Each may depend on everything that has been seen,
as it does in training: the joint law of all products is that of products with one W^(0), exactly. Always
Q_Cᵀ Y = Zᵀ Q_A. A product takes no part in the law of later ones beyond fixing what it has shown, so held-out inputs
may be multiplied at any time; but for their joint law with what follows their directions have to stay, and stay.

An update δhᵀ has h in the span of Q_A and δ in that of Q_C, from the products that gave rise to them. So
W = W^(0) + Q_C M Q_Aᵀ with a small M, ‖W − W^(0)‖ = ‖M‖ in the Frobenius and the spectral norm, and W h for
h = Q_A a + remainder is Y a + Q_C M a, up to W^(0) times the remainder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from boundcalc.train.bases import Basis, Rows, columns, products
from boundcalc.train.networks import Layer

_DEVIATIONS = 7.0
"""Standard deviations above its mean at which ‖W^(0)‖₂/σ is bounded: exceeded with probability e^{−49/2} < 3e-11."""


@dataclass(frozen=True)
class Product:
    """W h for n vectors h: values (S, n, ·), the h in the basis (S, n, r), and norms of what was left out (S, n)."""

    values: torch.Tensor
    coefficients: torch.Tensor
    remainder: torch.Tensor


class _Side:
    """One side of a matrix: directions multiplied from it, their images, and the numbers of the blocks drawn."""

    def __init__(self, key: int, basis: Basis, images: Rows, trials: int) -> None:
        self.key, self.basis, self.images = key, basis, images
        self.blocks = [0] * trials


class ConditionedMatrix:
    """S matrices W = W^(0) + Q_C M Q_Aᵀ, (rows × cols) as `layer` says, of which products alone are held.

    seed, trials, index: the fresh normals of a trial are seeded by (seed, trial, index, side, block), where side is 0
    from the right and 1 from the left, and block counts the blocks of vectors that were not within the trial's basis.
    So no trial depends on its companions, and multiplying the same vectors again changes nothing. rooms: directions for
    which memory is reserved, from the right and from the left. tolerance: see `Basis`.

    A trial on other machines, or with other companions, is the same up to rounding as long as no remainder is just at
    the tolerance.
    """

    def __init__(
        self,
        layer: Layer,
        *,
        seed: int,
        trials: Sequence[int],
        index: int,
        rooms: tuple[int, int],
        tolerance: float,
        device: torch.device,
    ) -> None:
        assert layer.std is not None
        self._std = layer.std
        self._seed, self._trials, self._index = seed, tuple(trials), index
        count = len(self._trials)

        def side(key: int, own: int, other: int) -> _Side:
            basis = Basis(count, own, rooms[key], tolerance=tolerance, device=device)
            return _Side(key, basis, Rows(count, rooms[key], other, device), count)

        self._right, self._left = side(0, layer.cols, layer.rows), side(1, layer.rows, layer.cols)
        self._coefficients = torch.zeros((count, rooms[1], rooms[0]), dtype=torch.float64, device=device)
        # ‖W^(0)‖₂ ≤ σ(√rows + √cols + t) with probability ≥ 1 − e^{−t²/2} (Davidson and Szarek 2001, Theorem II.13).
        self.initial_norm = layer.std * (math.sqrt(layer.rows) + math.sqrt(layer.cols) + _DEVIATIONS)

    @property
    def right(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Q_Aᵀ (S, r_A, cols) and Yᵀ = (W^(0)Q_A)ᵀ (S, r_A, rows), themselves; zero rows are none."""
        return self._right.basis.rows, self._right.images.all

    @property
    def left(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Q_Cᵀ (S, r_C, rows) and Zᵀ = (W^(0)ᵀQ_C)ᵀ (S, r_C, cols), themselves; zero rows are none."""
        return self._left.basis.rows, self._left.images.all

    @property
    def moved(self) -> torch.Tensor:
        """M (S, r_C, r_A) itself, the coefficients of W − W^(0) in the bases."""
        right, left = self._right.basis.size, self._left.basis.size
        _, rows, cols = self._coefficients.shape
        if left > rows or right > cols:
            larger = self._coefficients.new_zeros((len(self._trials), max(left, rows), max(right, cols)))
            larger[:, :rows, :cols] = self._coefficients
            self._coefficients = larger
        return self._coefficients[:, :left, :right]

    @property
    def loss_of_orthogonality(self) -> float:
        """The larger one of the two bases, see `Basis`."""
        return max(self._right.basis.loss_of_orthogonality, self._left.basis.loss_of_orthogonality)

    @property
    def dropped(self) -> float:
        """The larger one of the two bases, see `Basis`."""
        return max(self._right.basis.dropped, self._left.basis.dropped)

    def times(self, h: torch.Tensor, *, start: bool = False) -> Product:
        """Return W h for the rows h of (S, n, cols); start: W^(0) h instead."""
        return self._multiply(self._right, self._left, h, start)

    def transposed_times(self, error: torch.Tensor, *, start: bool = False) -> Product:
        """Return Wᵀ δ for the rows δ of (S, n, rows); start: W^(0)ᵀ δ instead."""
        return self._multiply(self._left, self._right, error, start)

    def spectral(self) -> torch.Tensor:
        """Return ‖W − W^(0)‖₂ = ‖M‖₂, float64 (S,) on the CPU; nan for a trial that has diverged."""
        moved = self.moved.cpu()
        if not moved[0].numel():
            return torch.zeros(len(moved), dtype=torch.float64)
        finite = torch.isfinite(moved).all(dim=2).all(dim=1)
        largest = torch.linalg.svdvals(torch.where(finite[:, None, None], moved, 0.0))[:, 0]
        return torch.where(finite, largest, torch.nan)

    def _multiply(self, own: _Side, other: _Side, block: torch.Tensor, start: bool) -> Product:
        known = own.basis.size
        expansion = own.basis.expand(block)
        fresh, old = expansion.coefficients[:, :, known:], expansion.coefficients[:, :, :known]
        images = self._noise(own, expansion.origins, other.basis.rows.shape[2])
        corrections = _corrections(own.basis.rows[:, known:], other.images.all, images, other.basis.rows)
        mixed = corrections
        if not start:
            moved = self.moved.transpose(1, 2) if own is self._right else self.moved
            mixed = torch.cat([corrections, torch.bmm(expansion.coefficients, moved)], dim=1)
        values = block.new_empty((*block.shape[:2], images.shape[2]))
        count = corrections.shape[1]
        for at in columns(values):
            part = torch.bmm(mixed, other.basis.rows[:, :, at])
            images[:, :, at] += part[:, :count]
            value = torch.bmm(old, own.images.all[:, :, at]).baddbmm_(fresh, images[:, :, at])
            values[:, :, at] = value if start else value.add_(part[:, count:])
        own.images.append(images)
        return Product(values, expansion.coefficients, expansion.remainder)

    def _noise(self, side: _Side, origins: torch.Tensor, length: int) -> torch.Tensor:
        """Return fresh g ~ N(0, σ² I), one (S, k, length) for every new direction, 0 where a trial has none."""
        noise = np.zeros((*origins.shape, length))
        for position, (trial, wanted) in enumerate(zip(self._trials, origins.numpy(), strict=True)):
            there = wanted >= 0
            if not there.any():
                continue
            seeds = np.random.SeedSequence(self._seed, spawn_key=(trial, self._index, side.key, side.blocks[position]))
            side.blocks[position] += 1
            drawn = np.random.Generator(np.random.SFC64(seeds)).standard_normal((int(wanted.max()) + 1, length))
            noise[position, there] = drawn[wanted[there]]
        noise *= self._std
        return torch.from_numpy(noise).to(side.basis.rows.device)


def _corrections(
    directions: torch.Tensor, images: torch.Tensor, noise: torch.Tensor, basis: torch.Tensor
) -> torch.Tensor:
    """Return the coefficients of W^(0)q − g in the other side's basis, Zᵀq − Q_Cᵀg for new directions q: (S, k, r)."""
    return products(directions, images) - products(noise, basis)
