"""Dense training: every weight is stored, S inits advance at once as batched matrix products.

What keeps the memory near the weights themselves: the gradient product adds to the weights directly, so
there is no gradient; back-propagated errors overwrite the activations that they have just used; W^(0) is
drawn again from its seed when distances are due.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError, OutOfMemoryError
from boundcalc.train.devices import available_bytes, full_precision, resolve_device
from boundcalc.train.engine import Slope
from boundcalc.train.networks import Network, check_trials, initial_blocks, initial_weights

_DTYPES = (torch.float32, torch.float64)


def peak_bytes(network: Network, n: int, trials: int, dtype: torch.dtype = torch.float32) -> int:
    """Return the bytes that a `DenseEngine` of S = `trials` inits on n inputs allocates at most.

    S·Σ rows·cols weights, S·n·(Σ hidden widths + the largest of them) activations and one error buffer (for
    S = 1 on a CPU at most 1024·n), n·d inputs, S·n outputs and slopes (a few copies, in float64 for the
    loss), and the blocks in which W^(0) is drawn. Not counted: what the matrix library keeps for packing,
    and the code of the libraries (measured on a CPU at m = 4096: 2 MiB and 16 MiB).
    """
    hidden = [layer.rows for layer in network.layers[:-1]]
    entries = trials * network.weight_count
    entries += trials * n * (sum(hidden) + max(hidden)) + n * network.d
    block = max(2**15, *(layer.cols for layer in network.layers))
    return entries * dtype.itemsize + 4 * trials * n * 8 + 24 * block


class DenseEngine:
    """The `Engine` that stores every weight (see `boundcalc.train.engine`).

    network: what to train. X: (n, d) inputs. trials: the trial numbers of the S inits. seed: of all inits.
    dtype: float32 (no TF32 or bfloat16, whatever the global setting) or float64. device: "auto", "cpu",
    "cuda[:i]". Raises InputError for bad shapes, trial numbers and devices, and, before anything is
    allocated, when `peak_bytes` exceeds what the device has left.
    """

    def __init__(
        self,
        network: Network,
        X: NDArray[np.float64] | torch.Tensor,
        *,
        trials: Sequence[int],
        seed: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if dtype not in _DTYPES:
            raise InputError(f"dtype {dtype}; use torch.float32 or torch.float64")
        check_trials(seed, trials)
        self.network = network
        self.seed = int(seed)
        self._trials = tuple(int(trial) for trial in trials)
        self._device = resolve_device(str(device))
        self._dtype = dtype
        self._x = as_inputs(X, network, dtype, self._device)
        if not self._x.shape[0]:
            raise InputError("X has no rows; give at least one training input")
        needed = peak_bytes(network, self.n, len(self._trials), dtype)
        available = available_bytes(self._device)
        if needed > available:
            raise OutOfMemoryError(
                f"{len(self._trials)} trials of width {network.width} need {needed / 2**30:.3g} GiB and "
                f"{self._device} has {available / 2**30:.3g} GiB left; train fewer trials or narrower nets"
            )
        self._weights = initial_weights(network, seed=self.seed, trials=self._trials, dtype=dtype, device=self._device)
        # Flat, so that any number of columns up to n can be viewed as a contiguous (S, rows, columns).
        count = len(self._trials) * self.n
        widths = [layer.rows for layer in network.layers[:-1]]
        self._activations = [self._x.new_empty(rows * count) for rows in widths]
        self._tile = _tile_size(len(self._trials), self._device)
        self._error = self._x.new_empty(min(max(widths), self._tile) * count)

    @property
    def trials(self) -> tuple[int, ...]:
        """Trial numbers of the S inits."""
        return self._trials

    @property
    def n(self) -> int:
        """Number of training inputs."""
        return int(self._x.shape[0])

    @property
    def device(self) -> torch.device:
        """Where weights and outputs live."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of weights and outputs."""
        return self._dtype

    @property
    def capturable(self) -> bool:
        """Whether its steps may be recorded as a CUDA graph: on CUDA, always."""
        return self._device.type == "cuda"

    @property
    def weights(self) -> tuple[torch.Tensor, ...]:
        """The present weights themselves (not copies): one (S, rows, cols) per layer."""
        return self._weights

    def load_weights(self, weights: Sequence[torch.Tensor | NDArray[np.float64]]) -> None:
        """Copy the given weights, one (S, rows, cols) per layer, over the present ones.

        Distances stay those to the W^(0) of the seed. Raises InputError for other shapes.
        """
        given = [torch.as_tensor(weight) for weight in weights]
        shapes = [tuple(weight.shape) for weight in given]
        wanted = [tuple(weight.shape) for weight in self._weights]
        if shapes != wanted:
            raise InputError(f"weights of shapes {shapes} do not fit; give {wanted}")
        for present, weight in zip(self._weights, given, strict=True):
            present.copy_(weight)

    def step(self, slope: Slope, step_size: float) -> torch.Tensor:
        """W_l ← W_l − step_size · ∇_{W_l} for every trained l; return f (S, n) from before the step."""
        return self.accumulate(self._weights, slope, decay=1.0, factor=-step_size)

    def accumulate(self, buffers: Sequence[torch.Tensor], slope: Slope, *, decay: float, factor: float) -> torch.Tensor:
        """buffers_l ← decay · buffers_l + factor · ∇_{W_l} for every trained l; return f (S, n).

        With ∂ = slope(f) · output_scale (S, n), δ_K = ∂ and δ_{l−1} = 1[h_{l−1} > 0] ⊙ W_lᵀ δ_l, the
        gradient is ∇_{W_l} = δ_l h_{l−1}ᵀ (ReLU'(0) = 0). The buffers may be the weights themselves: an
        error passes through W_l before W_l changes. With separate buffers (momentum) the weights stay as
        they are.
        """
        with torch.no_grad(), full_precision(self._device, self._dtype):
            f = self._forward(self._x)
            self._backward(slope(f), buffers, decay, factor)
        return f

    def outputs(self, X: NDArray[np.float64] | torch.Tensor | None = None) -> torch.Tensor:
        """Return f (S, n') on the rows of X (n', d), or on the training inputs.

        Larger X pass through the same activation buffers in pieces of n rows.
        """
        x = self._x if X is None else as_inputs(X, self.network, self._dtype, self._device)
        with torch.no_grad(), full_precision(self._device, self._dtype):
            if x.shape[0] <= self.n:
                return self._forward(x)
            return torch.cat([self._forward(piece) for piece in x.split(self.n)], dim=1)

    def distances(self) -> torch.Tensor:
        """Return ‖W_l − W_l^(0)‖_F, float64 (S, number of trained layers) on the CPU, drawing W^(0) again."""
        squares = np.zeros((len(self._trials), len(self.network.trained_layers)))
        for at, moved in self._squared_moves():
            squares[at] += moved.sum()
        return torch.from_numpy(np.sqrt(squares))

    def row_distances(self) -> torch.Tensor:
        """Return max_s ‖w_s − w_s^(0)‖₂ over the rows w_s of W_l, the weights of one unit each, as `distances` does."""
        squares = np.zeros((len(self._trials), len(self.network.trained_layers)))
        for at, moved in self._squared_moves():
            squares[at] = max(squares[at], moved.sum(axis=1).max())
        return torch.from_numpy(np.sqrt(squares))

    def _squared_moves(self) -> Iterator[tuple[tuple[int, int], NDArray[np.float64]]]:
        """Yield the squares of W_l − W_l^(0), some rows at a time, with the numbers of the trial and of the layer."""
        for column, layer in enumerate(self.network.trained_layers):
            for position, trial in enumerate(self._trials):
                for rows, start in initial_blocks(self.network, seed=self.seed, trial=trial, layer=layer):
                    # On the CPU wherever the weights are: drawing a block takes far longer than moving it.
                    moved = self._weights[layer][position, rows].cpu().numpy() - start
                    yield (position, column), np.square(moved, dtype=np.float64)

    def _activation(self, layer: int, columns: int) -> torch.Tensor:
        """Return the buffer of h_{layer+1} as (S, rows, columns)."""
        return self._viewed(self._activations[layer], self.network.layers[layer].rows, columns)

    def _viewed(self, buffer: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
        trials = len(self._trials)
        return buffer[: trials * rows * columns].view(trials, rows, columns)

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        columns = x.shape[0]
        h = self._activation(0, columns)
        first = self._weights[0]
        # All inits share the inputs, so the first layer of all of them is one product.
        torch.mm(first.view(-1, first.shape[2]), x.t(), out=h.view(-1, columns)).relu_()
        for layer in range(1, len(self._weights) - 1):
            above = self._activation(layer, columns)
            _product(self._weights[layer], h, above).relu_()
            h = above
        f = _product(self._weights[-1], h, h.new_empty((h.shape[0], 1, columns)))
        return f.squeeze(1).mul_(self.network.output_scale)

    def _backward(self, slopes: torch.Tensor, buffers: Sequence[torch.Tensor], decay: float, factor: float) -> None:
        layers = self.network.layers
        lowest = self.network.trained_layers[0]
        error = (slopes * self.network.output_scale).unsqueeze(1)
        for layer in range(len(layers) - 1, max(lowest, 1) - 1, -1):
            h = self._activation(layer - 1, self.n)
            for units in _tiles(h.shape[1], self._tile):
                part = h[:, units]
                below = self._viewed(self._error, part.shape[1], self.n)
                if layer > lowest:
                    through = self._weights[layer][:, :, units].transpose(1, 2)
                    if layer == len(layers) - 1:  # an outer product: one pass over the memory
                        torch.mul(through, error, out=below)
                    else:
                        _product(through, error, below)
                if layers[layer].trained:
                    _add_product(buffers[layer][:, :, units], error, part.transpose(1, 2), decay, factor)
                if layer > lowest:
                    # These units are not needed any more but for their mask: δ_{l−1} takes their place.
                    torch.ops.aten.threshold_backward.grad_input(below, part, 0, grad_input=part)
            error = h
        if lowest == 0:
            _add_product(
                buffers[0].view(1, -1, layers[0].cols), error.view(1, -1, self.n), self._x[None], decay, factor
            )


def as_inputs(
    X: NDArray[np.float64] | torch.Tensor, network: Network, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """Return X (n, d) as inputs to the network; raises InputError for another shape."""
    if isinstance(X, np.ndarray):
        # A copy of its own, in numpy: the source may be read-only, which torch cannot express.
        X = torch.from_numpy(X.astype(np.float64 if dtype == torch.float64 else np.float32))
    x = X.to(device, dtype).contiguous()
    if x.ndim != 2 or x.shape[1] != network.d:
        raise InputError(f"X has shape {tuple(x.shape)}; give (n, {network.d}), as the network's d")
    return x


def _product(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """out_s = a_s b_s."""
    if out.shape[0] > 1:
        return torch.bmm(a, b, out=out)
    for inner in _tiles(a.shape[2], _tile_size(1, a.device)):
        out[0].addmm_(a[0][:, inner], b[0][inner], beta=0.0 if inner.start == 0 else 1.0)
    return out


def _add_product(target: torch.Tensor, a: torch.Tensor, b: torch.Tensor, decay: float, factor: float) -> None:
    """target_s ← decay · target_s + factor · a_s b_s, in place and without a temporary."""
    if target.shape[0] > 1:
        target.baddbmm_(a, b, beta=decay, alpha=factor)
        return
    for rows in _tiles(a.shape[1], _tile_size(1, a.device)):
        target[0][rows].addmm_(a[0][rows], b[0], beta=decay, alpha=factor)


def _tile_size(trials: int, device: torch.device) -> int:
    # The CPU's matrix library copies operands into buffers that it keeps: more than 5 MiB for products with
    # 4096 rows, less than 2 MiB for tiles of 1024, at the same speed. Batches are tiled by nature.
    return 1024 if trials == 1 and device.type == "cpu" else 2**62


def _tiles(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def fitting_trials(
    network: Network, n: int, dtype: torch.dtype, device: torch.device | str = "cpu", share: float = 0.5
) -> int:
    """Return how many inits at once keep `peak_bytes` within `share` of what the device has left (or 0)."""
    budget = share * available_bytes(device)
    one, two = peak_bytes(network, n, 1, dtype), peak_bytes(network, n, 2, dtype)
    return max(0, math.floor((budget - one) / (two - one)) + 1)
