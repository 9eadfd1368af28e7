"""Orthonormal bases that grow block by block, S of them at once, in float64.

A block of n vectors is taken in by block Gram-Schmidt, twice over: it is projected off the basis, and off once more;
Cholesky factors of small Gram matrices make the rest orthonormal (Cholesky-QR, also twice). Vectors lie in rows, (S, r,
m): a product with r rows of length m is several times faster than one with m rows of length r.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from boundcalc.errors import OutOfMemoryError
from boundcalc.train.devices import available_bytes

COLUMNS = 2**15
"""Columns that a product over all of them takes at a time on a CPU: what several products read stays in its cache."""

_PIVOT = 1e-10
"""Least pivot of a Gram matrix with unit diagonal. Squares are known to rounding, 1e-16, so that a direction of this
share has lost 6 digits, which the second elimination restores. What lies below waits for the next attempt."""

_ORTHOGONAL = 1e-14
"""Inner products of new directions with old ones above which the new ones are projected off once more."""

_PASSES = 4
"""Most projections of new directions; each takes the inner products down to rounding times the condition before."""

_KEPT = 0.25
"""Least part of a direction's square that has to be left when it is made orthogonal once more. Of less, most was
rounding (of vectors nearly within the basis that nearly depend on each other): it waits for the next attempt."""


class Rows:
    """A stack of vectors, (S, size, dimension), that grows at its end.

    room: vectors for which memory is reserved (on a CPU it is not used before they are there). Raises OutOfMemoryError
    where there is none for more.
    """

    def __init__(self, trials: int, room: int, dimension: int, device: torch.device) -> None:
        self._held = torch.empty((trials, room, dimension), dtype=torch.float64, device=device)
        self._size = 0

    @property
    def size(self) -> int:
        """Number of vectors."""
        return self._size

    @property
    def all(self) -> torch.Tensor:
        """The vectors themselves (not copies)."""
        return self._held[:, : self._size]

    def append(self, vectors: torch.Tensor) -> None:
        """Copy the vectors (S, k, dimension) behind the others."""
        size = self._size + vectors.shape[1]
        if size > self._held.shape[1]:
            self._reserve(max(size, self._held.shape[1] * 5 // 4))
        self._held[:, self._size : size] = vectors
        self._size = size

    def _reserve(self, room: int) -> None:
        trials, held, dimension = self._held.shape
        needed, available = 8 * trials * room * dimension, available_bytes(self._held.device)
        if needed > available:
            raise OutOfMemoryError(
                f"{held} directions of width {dimension} are used up, {room} more for {trials} trials need "
                f"{needed / 2**30:.3g} GiB and {available / 2**30:.3g} GiB are left; take fewer steps or fewer trials"
            )
        larger = self._held.new_empty((trials, room, dimension))
        larger[:, : self._size] = self.all
        self._held = larger


@dataclass(frozen=True)
class Expansion:
    """Vectors b_i in the basis: b_i = Σ_j coefficients_ij q_j + a remainder.

    coefficients: (S, n, r), with r the size of the basis after it has grown. remainder: (S, n), norms of what is left
    out. origins: (S, k), on the CPU, for each of the k new directions a number that tells it from the others of this
    block (i, or i + n, i + 2n, … where b_i gave rise to it at the second, third, … attempt), −1 where a trial has none:
    its direction is 0 then.
    """

    coefficients: torch.Tensor
    remainder: torch.Tensor
    origins: torch.Tensor


class Basis:
    """S orthonormal bases, one for each trial, that grow to contain what they are shown.

    A part of a vector beyond the basis whose norm is at most tolerance times the vector's is left out, and reported.
    Trials may need different numbers of directions: zeros stand where one needs fewer, and change no product. A basis
    that fills its whole space takes in no more. What is not finite stays within its trial.
    """

    def __init__(self, trials: int, dimension: int, room: int, *, tolerance: float, device: torch.device) -> None:
        self._rows = Rows(trials, room, dimension, device)
        self._tolerance = tolerance
        self._loss_of_orthogonality = 0.0
        self._dropped = 0.0

    @property
    def rows(self) -> torch.Tensor:
        """The directions q_j themselves, (S, size, dimension)."""
        return self._rows.all

    @property
    def size(self) -> int:
        """Number of directions, zeros included."""
        return self._rows.size

    @property
    def loss_of_orthogonality(self) -> float:
        """Largest |⟨q_i, q_j⟩ − 1[i = j]| of all trials, taken from products of the directions as they were added."""
        return self._loss_of_orthogonality

    @property
    def dropped(self) -> float:
        """Largest remainder that was left out, over the norm of its vector."""
        return self._dropped

    def expand(self, block: torch.Tensor) -> Expansion:
        """Return the vectors of the block (S, n, dimension) in the basis, which grows as needed to contain them."""
        norms = torch.linalg.vector_norm(block, dim=2)
        negligible = self._tolerance * norms
        coefficients = block.new_zeros((*block.shape[:2], self.size))
        origins: list[torch.Tensor] = []
        rest = block
        while True:
            along = products(rest, self.rows)
            rest, again, gram = _without(rest, along, self.rows)
            coefficients += along
            remainder = gram.diagonal(dim1=1, dim2=2).sqrt()
            if not bool((remainder > negligible).any()):
                break
            directions, sources = self._orthonormal(rest, again, gram, negligible)
            if not bool((sources >= 0).any()):  # all that is left is rounding
                break
            origins.append(torch.where(sources >= 0, sources + len(origins) * block.shape[1], -1))
            self._rows.append(directions)
            within = products(rest, directions)
            rest = rest.baddbmm_(within, directions, alpha=-1)  # `_without` has made it: it is not the block
            coefficients = torch.cat([coefficients, within], dim=2)
            remainder = torch.linalg.vector_norm(rest, dim=2)
            if not bool((remainder > negligible).any()):
                break
        shares = torch.where(norms > 0, remainder / norms, 0.0)
        self._dropped = max(self._dropped, _largest(shares))
        none = torch.empty((len(block), 0), dtype=torch.int64)
        return Expansion(coefficients, remainder, torch.cat(origins, dim=1) if origins else none)

    def _orthonormal(
        self, rest: torch.Tensor, along: torch.Tensor, gram: torch.Tensor, negligible: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return directions (S, k, dimension) ⟂ the basis for rows of rest that are not negligible, and which (S, k).

        along: what rounding left of rest in the basis, rest·Qᵀ. gram: rest·restᵀ. negligible: norms (S, n). The first
        such row always has one, so that n attempts at most find all.
        """
        squares = gram.diagonal(dim1=1, dim2=2)
        least = negligible.square()
        factor, chosen = _elimination(gram, squares > least, torch.clamp(least / squares, min=_PIVOT))
        order = torch.argsort(~chosen, dim=1, stable=True)[:, : int(chosen.sum(dim=1).max())]
        chosen = chosen.gather(1, order)
        factor = factor.gather(1, order[:, :, None].expand(-1, -1, factor.shape[2]))
        source, back = rest, torch.bmm(factor, along)
        directions = rest.new_empty((len(rest), order.shape[1], rest.shape[2]))
        for _ in range(_PASSES):
            left = torch.zeros_like(back)
            gram = back.new_zeros((len(rest), order.shape[1], order.shape[1]))
            for at in columns(rest):
                part = torch.bmm(factor, source[:, :, at]).baddbmm_(back, self.rows[:, :, at], alpha=-1)
                left.baddbmm_(part, self.rows[:, :, at].transpose(1, 2))
                gram.baddbmm_(part, part.transpose(1, 2))
                directions[:, :, at] = part
            wanted = chosen & (gram.diagonal(dim1=1, dim2=2) > _KEPT)
            factor, chosen = _elimination(gram, wanted, gram.new_full(chosen.shape, _KEPT))
            source, back = directions, torch.bmm(factor, left)
            lost = _largest(back.abs())
            if lost <= _ORTHOGONAL:
                break
        for at in columns(rest):
            directions[:, :, at] = torch.bmm(factor, directions[:, :, at])
        itself = products(directions, directions) - torch.diag_embed(chosen.to(gram.dtype))
        self._loss_of_orthogonality = max(self._loss_of_orthogonality, lost, _largest(itself.abs()))
        return directions, torch.where(chosen, order, -1).cpu()


def columns(vectors: torch.Tensor) -> list[slice]:
    """Return slices of the last axis, to be taken one after the other."""
    length = vectors.shape[-1]
    size = COLUMNS if vectors.device.type == "cpu" else max(length, 1)
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def products(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the inner products of the rows of a_s (S, p, m) and b_s (S, q, m), (S, p, q)."""
    out = a.new_zeros((a.shape[0], a.shape[1], b.shape[1]))
    for at in columns(a):
        out.baddbmm_(a[:, :, at], b[:, :, at].transpose(1, 2))
    return out


def _without(
    block: torch.Tensor, along: torch.Tensor, rows: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return rest = block − along·rows, a new tensor, and its products with the rows and with itself."""
    rest = torch.empty_like(block)
    again = torch.zeros_like(along)
    gram = block.new_zeros((block.shape[0], block.shape[1], block.shape[1]))
    for at in columns(block):
        part = torch.baddbmm(block[:, :, at], along, rows[:, :, at], alpha=-1)
        again.baddbmm_(part, rows[:, :, at].transpose(1, 2))
        gram.baddbmm_(part, part.transpose(1, 2))
        rest[:, :, at] = part
    return rest, again, gram


def _elimination(gram: torch.Tensor, wanted: torch.Tensor, least: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return T (S, n, n) such that the rows of T·R are orthonormal, or 0, and which are not 0, (S, n).

    gram: R·Rᵀ. T is lower triangular: row i is the part of R's row i that is orthogonal to the rows above, as long as
    it is wanted and that part's square is more than the share least_i of the row's. It is a continuous function of R
    with no signs left open (unlike eigenvectors), so that the same directions come out on every machine.
    """
    scale = torch.where(wanted, gram.diagonal(dim1=1, dim2=2).rsqrt(), 0.0)
    both = wanted[:, :, None] & wanted[:, None, :]
    gram = torch.where(both, gram * scale[:, :, None] * scale[:, None, :], 0.0)
    lower = torch.zeros_like(gram)
    chosen = wanted.clone()
    for i in range(gram.shape[1]):
        column = gram[:, i:, i] - torch.bmm(lower[:, i:, :i], lower[:, i, :i, None])[:, :, 0]
        chosen[:, i] &= column[:, 0] > least[:, i]
        lower[:, i:, i] = torch.where(chosen[:, i, None], column * column[:, :1].rsqrt(), 0.0)
    kept = chosen.to(gram.dtype)
    lower = lower * kept[:, :, None] + torch.diag_embed(1.0 - kept)
    unit = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device).expand_as(gram)
    inverse = torch.linalg.solve_triangular(lower, unit, upper=False)
    return inverse * kept[:, :, None] * scale[:, None, :], chosen


def _largest(values: torch.Tensor) -> float:
    """Return the largest value, 0 of none; those of trials that have diverged are left out."""
    return float(torch.nan_to_num(values, nan=0.0, posinf=0.0).max()) if values.numel() else 0.0
