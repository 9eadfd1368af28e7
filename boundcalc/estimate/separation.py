"""φ, the least distance between two inputs, exact: matrix products only say where to look.

Half the squared distances ‖x_i − x_j‖²/2 are taken tile by tile as float32 products of rows moved to their
mean and scaled into the unit ball, with the squared norms in two more columns. Their rounding error has a bound,
and every pair that may be closer than the closest so far is measured again in float64 by its differences, which
cancellation cannot spoil.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from boundcalc.errors import InputError
from boundcalc.estimate.estimate import Estimate
from boundcalc.estimate.kernels import Matrix
from boundcalc.train.devices import full_precision, resolve_device

# Sides of the tiles: 16 MiB in float32 on a CPU, 256 MiB on a GPU.
_CPU_SIDE, _CUDA_SIDE = 2**11, 2**13
_PAIR_ENTRIES = 2**22  # numbers gathered at a time for differences
_MANY = 2**12  # more candidates than this in a tile are first sifted by products in float64


def separation(X: Matrix, *, device: str = "auto") -> Estimate:
    """Return φ = min_{i<j} ‖x_i − x_j‖₂ over the rows of X, with a pair (i, j) that attains it in `rows`.

    Exact up to rounding of the differences, also for pairs that nearly or wholly coincide; of pairs that tie up
    to rounding, one is named. The rows need not have norm 1. Time: that of half the float32 product X Xᵀ unless
    very many pairs nearly tie; memory: a copy of X in float64, two in float32, and a tile of a fixed size. Raises
    InputError for fewer than two rows and for entries that are not finite.
    """
    start = time.perf_counter()
    at = resolve_device(device)
    matrix = np.asarray(X, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] < 2 or matrix.shape[1] < 1:
        raise InputError(f"X of shape {matrix.shape}; a least distance needs n ≥ 2 rows of d ≥ 1 numbers")
    points = Points.of(matrix, at)
    with full_precision(at, torch.float32):
        pair = _closest_pair(points)
    return Estimate(
        name="phi",
        symbol="phi",
        value=math.hypot(*(matrix[pair[0]] - matrix[pair[1]])),
        direction="exact",
        method=f"all pairs of {matrix.shape[0]} rows; least between rows {pair[0]} and {pair[1]}",
        converged=True,
        rows=pair,
        seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True)
class Points:
    """Rows (scaled by a power of 2, which rounds nothing), their mean, and the greatest distance from it."""

    rows: torch.Tensor
    center: torch.Tensor
    radius: float

    @classmethod
    def of(cls, matrix: Matrix, device: torch.device | str = "cpu") -> Points:
        """Scale the largest entry to [½, 1), so that no square overflows; refuse entries that are not finite."""
        sums = matrix.sum(axis=1)
        if not np.isfinite(sums).all():
            bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
            if bad.size:
                raise InputError(f"row {bad[0]} of X has a NaN or infinite entry; remove or impute what is missing")
        exponent = math.frexp(max(float(matrix.max()), -float(matrix.min())))[1]
        rows = torch.from_numpy(np.ldexp(matrix, -exponent)).to(device)
        center = rows.mean(dim=0)
        radius = max(float(torch.linalg.vector_norm(part - center, dim=1).max()) for part in rows.split(_CPU_SIDE))
        return cls(rows, center, radius)

    @property
    def side(self) -> int:
        """Rows and columns of a tile."""
        return _CUDA_SIDE if self.rows.device.type == "cuda" else _CPU_SIDE

    @property
    def tiles(self) -> list[tuple[slice, slice]]:
        """The tiles on and below the diagonal."""
        n, side = self.rows.shape[0], self.side
        cuts = [slice(first, min(first + side, n)) for first in range(0, n, side)]
        return [(across, down) for number, across in enumerate(cuts) for down in cuts[: number + 1]]

    def factors(self, part: slice, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (A, B) of the rows z = (x − mean)/radius: (−z, ‖z‖²/2, 1) and (z, 1, ‖z‖²/2)."""
        z = (self.rows[part] - self.center) / self.radius
        half = z.square().sum(dim=1, keepdim=True) / 2
        one = torch.ones_like(half)
        return torch.cat([-z, half, one], dim=1).to(dtype), torch.cat([z, one, half], dim=1).to(dtype)

    def slack(self, dtype: torch.dtype) -> float:
        """Bound on the error of an entry of A Bᵀ, which is ‖z − z'‖²/2.

        d + 2 products with absolute values that sum to at most 2, factors that are themselves rounded, and the
        rounding of the mark that an entry is compared with.
        """
        return 1.01 * (2 * self.rows.shape[1] + 16) * torch.finfo(dtype).eps / 2


def half_squares(points: Points) -> Iterator[tuple[slice, slice, torch.Tensor]]:
    """Yield (rows, columns, ‖z_i − z_j‖²/2 in float32) tile by tile; the tensor is used again for the next."""
    n, side = points.rows.shape[0], min(points.side, points.rows.shape[0])
    columns = points.rows.shape[1] + 2
    left, right = (torch.empty((n, columns), dtype=torch.float32, device=points.rows.device) for _ in range(2))
    for first in range(0, n, side):
        part = slice(first, min(first + side, n))
        left[part], right[part] = points.factors(part, torch.float32)
    space = torch.empty(side * side, dtype=torch.float32, device=points.rows.device)
    for across, down in points.tiles:
        shape = (across.stop - across.start, down.stop - down.start)
        tile = space[: shape[0] * shape[1]].view(shape)
        torch.matmul(left[across], right[down].T, out=tile)
        yield across, down, tile


def _closest_pair(points: Points) -> tuple[int, int]:
    """Return the rows (i, j), i < j, of a least distance."""
    if points.radius == 0.0:
        return 0, 1
    slack = points.slack(torch.float32)
    best, pair = math.inf, (0, 1)  # the least squared distance measured so far
    for across, down, tile in half_squares(points):
        if across == down:
            tile.masked_fill_(torch.ones_like(tile, dtype=torch.bool).triu_(), math.inf)
        least = float(tile.min())
        if least == math.inf or least > _mark(points, best) + slack:
            continue
        if least + 2 * slack < _mark(points, best):
            # Lower the mark first: fewer pairs stay under it.
            place = torch.tensor([divmod(int(tile.argmin()), tile.shape[1])], device=tile.device)
            best, pair = min((best, pair), _measured(points, across, down, place))
        places = torch.nonzero(tile <= _mark(points, best) + slack)
        if len(places) > _MANY:
            places = _sifted(points, across, down, best)
        if len(places):
            best, pair = min((best, pair), _measured(points, across, down, places))
        if best == 0.0:
            break
    return min(pair), max(pair)


def _mark(points: Points, best: float) -> float:
    """The squared distance as the entry of a tile."""
    return best / points.radius / points.radius / 2


def _sifted(points: Points, across: slice, down: slice, best: float) -> torch.Tensor:
    """The places of a tile that may be below `best`, by products in float64."""
    left, _ = points.factors(across, torch.float64)
    _, right = points.factors(down, torch.float64)
    tile = left @ right.T
    if across == down:
        tile.masked_fill_(torch.ones_like(tile, dtype=torch.bool).triu_(), math.inf)
    slack = points.slack(torch.float64)
    place = torch.tensor([divmod(int(tile.argmin()), tile.shape[1])], device=tile.device)
    best = min(best, _measured(points, across, down, place)[0])
    return torch.nonzero(tile <= _mark(points, best) + slack)


def _measured(points: Points, across: slice, down: slice, places: torch.Tensor) -> tuple[float, tuple[int, int]]:
    """The least squared distance among these places of a tile, by differences in float64, and its rows."""
    best, pair = math.inf, (0, 0)
    for part in places.split(max(1, _PAIR_ENTRIES // points.rows.shape[1])):
        first, second = part[:, 0] + across.start, part[:, 1] + down.start
        squares = (points.rows[first] - points.rows[second]).square_().sum(dim=1)
        at = int(squares.argmin())
        if float(squares[at]) < best:
            best, pair = float(squares[at]), (int(first[at]), int(second[at]))
        if best == 0.0:
            break
    return best, pair
