"""The kernels that the papers' assumptions speak of, in closed form on the rows of a data set, in float64.

All of them come from one recursion on the cosine ρ of the angle θ between two inputs. With ReLU
(arc-cosine kernels of order 0 and 1)

    κ0(ρ) = (π − θ)/π = 2·P[u > 0, v > 0],        κ1(ρ) = (sin θ + (π − θ) cos θ)/π = 2·E[σ(u)σ(v)]

for standard normals u, v with correlation ρ, and

    ρ_0 = ρ,  ρ_{l+1} = κ1(ρ_l);        H_0 = 0,  H_{l+1} = (H_l + ρ_l)·κ0(ρ_l).

ρ_l is the inner product of the l-th hidden layers of an infinitely wide network whose weights have variance
2/m; H_p sums, over the hidden layers, the inner products of the gradients by their weights. Every kernel
below is a·ρ_p + b·H_p + c for unit rows, p the number of hidden layers, and is homogeneous of degree 1 in
each row: other rows are scaled.

What each layer's gradient weighs. The gradient by W_l is s·b_l h_{l−1}ᵀ, with h_{l−1} the layer below, b_l what
comes back from above and s the output scale. Coming back through a hidden matrix with entries N(0, 2/m)
doubles the squared length, and each ReLU lets half of it pass: together κ0. The topmost ReLU has no such
matrix above it, only the output row, so that all hidden layers' terms carry one ½:

- "normalised", the usual recursion: standard normal weights, a factor (2/m)^½ on every σ, that of the last one
  included, whose 2 makes up for the ½: Θ = ρ_p + H_p, on the diagonal L for L matrices.
- "chen2019": f = m^α W_L σ(…), output weights N(0, 1/m), ‖W_L‖² → 1, all layers trained. Divided by m^{2α}:
  Θ = ρ_p + ½ H_p, on the diagonal (L + 1)/2, L = p + 1.
- "cao2020": f = vᵀσ(…), v fixed signs, ‖v‖² = m, no term for v. Divided by m: Θ = ½ H_p, on the diagonal
  L/2, L = p. For p = 1 this is H^∞ of du2019.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.train.devices import available_bytes, resolve_device

Parameterisation = Literal["normalised", "chen2019", "cao2020"]
Matrix = NDArray[np.float64]

PARAMETERISATIONS: tuple[Parameterisation, ...] = ("normalised", "chen2019", "cao2020")
_TERMS: dict[str, tuple[float, float]] = {"normalised": (1.0, 1.0), "chen2019": (1.0, 0.5), "cao2020": (0.0, 0.5)}

# Pairs with |ρ| above 1 − 1e-6 get their angle from ‖x ∓ x'‖: arccos of a product that is rounded to 1e-16
# would be wrong by up to 1e-8 there.
_NEAR = 1e-6
_LEAST_SINE = math.sqrt(_NEAR * (2 - _NEAR))
_UNIT = 2.0**-53
# Sides of the tiles. On a CPU four of them stay in a core's cache, and torch keeps operations on fewer than 2¹⁵
# elements in one thread; a band of products is this many tiles high.
_CPU_SIDE, _CUDA_SIDE, _BAND = 176, 2048, 2
_PAIR_ENTRIES = 2**22


@dataclass(frozen=True)
class Kernel:
    """output·ρ_p + hidden·H_p + constant on unit rows, p = `levels`: see the module's text.

    layer: the only hidden layer whose term counts in H_p, 1 for the lowest; None: all of them.
    """

    name: str
    levels: int
    output: float
    hidden: float
    constant: float = 0.0
    layer: int | None = None

    @classmethod
    def conjugate(cls, levels: int) -> Kernel:
        """κ^(levels) of cao2020, Assumption 3.4: E[σσ] without the factor 2, so 2^−levels on the diagonal."""
        _require_whole("levels", levels, 0)
        return cls(f"conjugate kernel κ^({levels})", levels, 2.0**-levels, 0.0)

    @classmethod
    def nngp(cls, layers: int, parameterisation: Parameterisation = "normalised") -> Kernel:
        """The covariance of the outputs of an infinitely wide network at its start, `layers` matrices.

        ρ_p for "normalised", and for "chen2019" divided by m^{2α−1} (1 at α = ½). For "cao2020" ρ_p − 1/π: the
        output signs are fixed and balanced, which takes away the mean of the last hidden layer.
        """
        levels = _levels(layers, parameterisation)
        return cls(
            f"NNGP, {layers} matrices, {parameterisation}",
            levels,
            1.0,
            0.0,
            -1 / math.pi if parameterisation == "cao2020" else 0.0,
        )

    @classmethod
    def tangent(cls, layers: int, parameterisation: Parameterisation = "normalised") -> Kernel:
        """The neural tangent kernel of `layers` weight matrices: L of chen2019, L + 1 of cao2020."""
        levels = _levels(layers, parameterisation)
        return cls(f"NTK, {layers} matrices, {parameterisation}", levels, *_TERMS[parameterisation])

    @classmethod
    def layer_tangent(cls, layer: int, layers: int, parameterisation: Parameterisation = "normalised") -> Kernel:
        """The part of `tangent` that is due to the gradients by W_layer, 1 ≤ layer ≤ layers; they sum to it."""
        levels = _levels(layers, parameterisation)
        _require_whole("layer", layer, 1)
        if layer > layers:
            raise InputError(f"layer = {layer}; the network has {layers} weight matrices")
        output, hidden = _TERMS[parameterisation]
        name = f"NTK of W_{layer} among {layers} matrices, {parameterisation}"
        return cls(name, levels, output, 0.0) if layer == layers else cls(name, levels, 0.0, hidden, layer=layer)

    @property
    def diagonal(self) -> float:
        """Value at a unit row with itself."""
        return self.output + self.hidden * (self.levels if self.layer is None else 1) + self.constant

    def counts(self, level: int) -> bool:
        """Whether H takes ρ_level up, as the layer above it does."""
        return self.layer is None or level == self.layer - 1


H_INFINITY = Kernel("H^∞", 1, *_TERMS["cao2020"])


def conjugate_kernel(X: Matrix, levels: int, *, device: str = "auto") -> Matrix:
    """Return κ^(levels) of cao2020 on the rows of X: κ^(0) = ⟨x, x'⟩, κ^(l+1) = E_{f~N(0,κ^(l))}[σ(f(x))σ(f(x'))]."""
    return kernel_matrix(X, Kernel.conjugate(levels), device=device)


def nngp(X: Matrix, layers: int, parameterisation: Parameterisation = "normalised", *, device: str = "auto") -> Matrix:
    """Return `Kernel.nngp` on the rows of X, n×n."""
    return kernel_matrix(X, Kernel.nngp(layers, parameterisation), device=device)


def ntk(X: Matrix, layers: int, parameterisation: Parameterisation = "normalised", *, device: str = "auto") -> Matrix:
    """Return the neural tangent kernel on the rows of X, n×n.

    layers ≥ 2 counts all weight matrices: L of chen2019, L + 1 of cao2020 with its fixed output row.
    parameterisation: "normalised", the usual recursion; "chen2019", divided by m^{2α}; "cao2020", divided by m.
    """
    return kernel_matrix(X, Kernel.tangent(layers, parameterisation), device=device)


def h_infinity(X: Matrix, *, device: str = "auto") -> Matrix:
    """Return H^∞ of du2019: ⟨x, x'⟩ (π − arccos⟨x, x'⟩)/(2π) on unit rows."""
    return kernel_matrix(X, H_INFINITY, device=device)


def kernel_matrix(X: Matrix, kernel: Kernel, *, device: str = "auto") -> Matrix:
    """Return the kernel on the rows of X, symmetric n×n.

    Only the tiles on and below the diagonal are computed, in place; memory is the result and a few tiles.
    The diagonal is exact. `device`: "auto" (CUDA where there is one), "cpu" or "cuda". Raises InputError for X
    that is not a finite n×d matrix without zero rows, and where the result does not fit into memory.
    """
    return tensor_matrix(X, kernel, device=device).cpu().numpy()


def tensor_matrix(X: Matrix, kernel: Kernel, *, device: str = "auto") -> torch.Tensor:
    """`kernel_matrix` as a tensor, on the device if it has room for it and a factor of it, else on the CPU."""
    rows = _Rows.of(X, device)
    n = rows.unit.shape[0]
    needed = 8 * n * n
    home = rows.unit.device if 3 * needed <= available_bytes(rows.unit.device) else torch.device("cpu")
    if needed > available_bytes(home):
        raise InputError(
            f"n = {n}: a kernel matrix takes {needed / 2**30:.1f} GiB and {available_bytes(home) / 2**30:.1f} GiB are "
            "free; measure a subset of the rows"
        )
    out = torch.empty((n, n), dtype=torch.float64, device=home)

    def put(top: int, left: int, tile: torch.Tensor, _: torch.Tensor | None) -> None:
        if left == top:
            # A product of rows with themselves need not be symmetric to the last bit.
            tile.tril_(-1)
            tile = tile + tile.T
        else:
            out[left : left + tile.shape[1], top : top + tile.shape[0]] = tile.T
        out[top : top + tile.shape[0], left : left + tile.shape[1]] = tile

    _each_tile(rows, kernel, put)
    out.diagonal().copy_(kernel.diagonal * rows.norms.square())
    return out


def error_norm(X: Matrix, kernel: Kernel, *, device: str = "auto") -> float:
    """Return a bound on ‖K̂ − K‖₂, K̂ what `kernel_matrix` returns and K the exact kernel of the rows.

    Rounding of each operation is carried through the recursion entry by entry to first order and doubled; the
    largest row sum bounds the spectral norm of a symmetric matrix.
    """
    rows = _Rows.of(X, device)
    sums = torch.zeros(rows.unit.shape[0], dtype=torch.float64, device=rows.unit.device)
    lock = threading.Lock()

    def add(top: int, left: int, _: torch.Tensor, error: torch.Tensor | None) -> None:
        assert error is not None
        with lock:
            sums[top : top + error.shape[0]] += error.sum(dim=1)
            if left != top:
                sums[left : left + error.shape[1]] += error.sum(dim=0)

    _each_tile(rows, kernel, add, with_error=True)
    return 2 * float(sums.max())


@dataclass(frozen=True)
class _Rows:
    """Rows brought to norm 1, and their norms."""

    unit: torch.Tensor
    norms: torch.Tensor
    all_unit: bool

    @classmethod
    def of(cls, X: Matrix, device: str) -> _Rows:
        at = resolve_device(device)
        matrix = np.asarray(X, dtype=np.float64)
        if matrix.ndim != 2 or matrix.size == 0:
            raise InputError(f"X of shape {matrix.shape}; give n ≥ 1 rows of d ≥ 1 numbers")
        rows = torch.tensor(matrix, device=at)
        norms = torch.linalg.vector_norm(rows, dim=1)
        bad = torch.nonzero(~(norms > 0) | ~torch.isfinite(norms))
        if bad.numel():
            raise InputError(
                f"row {int(bad[0])} has norm {float(norms[bad[0]]):.3g}; give finite rows that are not zero"
            )
        all_unit = bool(((norms - 1).abs() <= 8 * _UNIT).all())
        if not all_unit:
            rows /= norms[:, None]
        return cls(rows, torch.ones_like(norms) if all_unit else norms, all_unit)


Use = Callable[[int, int, torch.Tensor, torch.Tensor | None], None]


def _each_tile(rows: _Rows, kernel: Kernel, use: Use, *, with_error: bool = False) -> None:
    """Call use(top, left, values, error bounds) for each tile on or below the diagonal.

    Products are taken for a band of tiles at a time. What follows is a chain of operations on small tensors:
    each thread takes tiles of its own, instead of all sharing, and waiting at, every operation.
    """
    n = rows.unit.shape[0]
    on_cpu = rows.unit.device.type == "cpu"
    side = min(n, _CPU_SIDE if on_cpu else _CUDA_SIDE)
    height = side * (_BAND if on_cpu else 1)
    workers = torch.get_num_threads() if on_cpu else 1
    spaces: SimpleQueue[torch.Tensor] = SimpleQueue()
    for _ in range(workers):
        spaces.put(torch.empty(4, side * side, dtype=torch.float64, device=rows.unit.device))

    def work(top: int, left: int, products: torch.Tensor) -> None:
        space = spaces.get()
        try:
            buffers = [buffer[: products.numel()].view(products.shape) for buffer in space]
            buffers[0].copy_(products)
            use(top, left, *_tile(rows, kernel, top, left, buffers, with_error))
        finally:
            spaces.put(space)

    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, n, height):
            last = min(first + height, n)
            band = rows.unit[first:last] @ rows.unit[:last].T
            tasks = [
                (top, left, band[top - first : top - first + side, left : min(left + side, last)])
                for top in range(first, last, side)
                for left in range(0, top + 1, side)
            ]
            if workers == 1:
                for task in tasks:
                    work(*task)
            else:
                list(pool.map(work, *zip(*tasks, strict=True)))


def _tile(
    rows: _Rows, kernel: Kernel, top: int, left: int, buffers: list[torch.Tensor], with_error: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return values and error bounds of the tile whose products are in the first buffer; all four are used."""
    rho, angle, sine, hidden = buffers
    across, down = slice(top, top + rho.shape[0]), slice(left, left + rho.shape[1])
    if left == top:
        rho.diagonal().zero_()  # exact in the result; here it would only count as near
    near = _near_pairs(rho)
    exact = _near_values(kernel, rows.unit[across], rows.unit[down], near, rho) if near is not None else None
    error = _ErrorBound(rho, rows.unit.shape[1]) if with_error else None
    values = _recursion(kernel, rho, angle, sine, hidden, error)
    if near is not None and exact is not None:
        values[near] = exact
    bound = error.of(kernel, values) if error is not None else None
    if not rows.all_unit:
        for factor in (rows.norms[across, None], rows.norms[None, down]):
            values *= factor
            bound = bound * factor if bound is not None else None
    return values, bound


def _recursion(
    kernel: Kernel,
    rho: torch.Tensor,
    angle: torch.Tensor,
    sine: torch.Tensor,
    hidden: torch.Tensor,
    error: _ErrorBound | None,
) -> torch.Tensor:
    """Turn ρ into the kernel, in place; the result is one of the four tensors."""
    rho.clamp_(-1.0, 1.0)
    lowest = 0 if kernel.layer is None else kernel.layer - 1
    for level in range(kernel.levels):
        torch.arccos(rho, out=angle)
        angle.mul_(-1 / math.pi).add_(1.0)  # κ0
        last = level == kernel.levels - 1
        if error is not None or kernel.output or not last:
            # (1 − ρ) + (1 − ρ)ρ: 1 − ρ² would lose the angles near 0.
            torch.add(torch.ones((), dtype=rho.dtype, device=rho.device), rho, alpha=-1.0, out=sine)
            torch.addcmul(sine, sine, rho, out=sine)
            sine.sqrt_()
        if error is not None:
            taken = kernel.counts(level)
            error.step(rho, hidden if kernel.hidden and level > lowest else None, taken, angle, sine)
        if kernel.hidden and level > lowest:
            if kernel.counts(level):
                hidden.add_(rho)
            hidden.mul_(angle)
        elif kernel.hidden and level == lowest:
            torch.mul(rho, angle, out=hidden)
        if kernel.output or not last:
            rho.mul_(angle)
            torch.add(rho, sine, alpha=1 / math.pi, out=rho).clamp_(-1.0, 1.0)
    values = rho
    if kernel.output not in (0.0, 1.0):
        values.mul_(kernel.output)
    if kernel.hidden and kernel.levels:
        values = (
            torch.add(values, hidden, alpha=kernel.hidden, out=values) if kernel.output else hidden.mul_(kernel.hidden)
        )
    elif not kernel.output:
        values.zero_()
    return values.add_(kernel.constant) if kernel.constant else values


def _near_pairs(rho: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Row and column numbers of the pairs on almost the same or opposite rays, None where there are none."""
    least, largest = torch.aminmax(rho)
    if float(largest) < 1 - _NEAR and float(least) > _NEAR - 1:
        return None
    row, column = torch.nonzero(rho.abs() >= 1 - _NEAR, as_tuple=True)
    return row, column


def _near_values(
    kernel: Kernel,
    upper: torch.Tensor,
    lower: torch.Tensor,
    near: tuple[torch.Tensor, torch.Tensor],
    rho: torch.Tensor,
) -> torch.Tensor:
    """The kernel at these pairs, from the differences of the rows; accurate however small the angle."""
    signs = torch.sign(rho[near])
    chunk = max(1, _PAIR_ENTRIES // upper.shape[1])
    lengths = []
    for row, column, sign in zip(*(part.split(chunk) for part in (*near, signs)), strict=True):
        lengths.append(torch.linalg.vector_norm(upper[row] - sign[:, None] * lower[column], dim=1))
    small = 2 * torch.asin((torch.cat(lengths) / 2).clamp_(max=1.0))
    same = signs > 0
    angle = torch.where(same, small, math.pi - small)
    rest = torch.where(same, math.pi - small, small)
    cosine = signs * (1 - 2 * torch.sin(small / 2).square())
    return _by_angle(kernel, angle, rest, cosine)


def _by_angle(kernel: Kernel, angle: torch.Tensor, rest: torch.Tensor, cosine: torch.Tensor) -> torch.Tensor:
    """The recursion on θ (with π − θ and cos θ) instead of ρ, losing nothing where θ is small."""
    hidden = torch.zeros_like(angle)
    for level in range(kernel.levels):
        hidden = (hidden + cosine if kernel.counts(level) else hidden) * rest / math.pi
        # 1 − κ1 = (1 − cos θ) − (sin θ − θ cos θ)/π, and its last bracket by its series where it cancels.
        square = angle.square()
        series = angle * square * (1 / 3 - square * (1 / 30 - square / 840))
        bracket = torch.where(angle < 1e-2, series, torch.sin(angle) - angle * torch.cos(angle))
        gap = 2 * torch.sin(angle / 2).square() - bracket / math.pi
        cosine = 1 - gap
        angle = 2 * torch.asin((gap / 2).clamp(0.0, 1.0).sqrt())
        rest = math.pi - angle
    return kernel.output * cosine + kernel.hidden * hidden + kernel.constant


class _ErrorBound:
    """First-order bounds on the rounding of ρ and H in a tile, carried along the recursion."""

    def __init__(self, rho: torch.Tensor, d: int) -> None:
        # γ_d of the product of two unit rows, and the rounding of the rows' own normalisation.
        self.rho = torch.full_like(rho, (d + 8) * _UNIT)
        self.hidden = torch.zeros_like(rho)

    def step(
        self, rho: torch.Tensor, hidden: torch.Tensor | None, taken: bool, passing: torch.Tensor, sine: torch.Tensor
    ) -> None:
        """One level up: `passing` is κ0, `taken` whether H takes ρ up. Near pairs err less than the least sine says."""
        slope = 1 / sine.clamp(min=_LEAST_SINE)
        kappa = self.rho * slope / math.pi + 4 * _UNIT
        below, error = (hidden, self.hidden) if hidden is not None else (torch.zeros_like(rho), self.hidden)
        if taken:
            below, error = below + rho, error + self.rho
        self.hidden = error * passing.abs() + below.abs() * (kappa + 4 * _UNIT)
        self.rho = self.rho * passing.abs() + _UNIT * (8 + 4 * slope)

    def of(self, kernel: Kernel, values: torch.Tensor) -> torch.Tensor:
        """Bound on the error of the kernel's values."""
        # |hidden·H| is no more than the value and the other two terms: relative, as κ^(l) falls like 2^−l.
        terms = values.abs() + 2 * (abs(kernel.output) + abs(kernel.constant))
        return abs(kernel.output) * self.rho + kernel.hidden * self.hidden + 4 * _UNIT * terms


def _levels(layers: int, parameterisation: str) -> int:
    if parameterisation not in PARAMETERISATIONS:
        raise InputError(f"parameterisation {parameterisation!r}; use one of {', '.join(PARAMETERISATIONS)}")
    _require_whole("layers", layers, 2)
    return layers - 1


def _require_whole(what: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{what} = {value!r}; give a whole number ≥ {least}")
