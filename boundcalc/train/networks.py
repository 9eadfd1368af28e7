"""The finite networks of the papers, and their random initialisation.

A network is f_W(x) = s · W_K σ(W_{K−1} ⋯ σ(W_1 x)) with σ = ReLU, no biases, K weight matrices and an
output scale s; the papers differ in s, in the law of the entries and in whether the last matrix is trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError

# Entries drawn at a time (128 KiB in float32). The cut into blocks is part of the definition of W^(0):
# changing this number changes every initialisation.
_BLOCK_ENTRIES = 2**15


@dataclass(frozen=True)
class Layer:
    """One weight matrix W (rows × cols), acting as h ↦ W h.

    std: standard deviation of its independent centred normal entries at the start, or None for a row of
    signs. trained: whether gradient descent moves it. signs: "balanced" ones are +1 in the first half and −1
    in the second (cao2020), "random" ones independent and fair (ji2020, du2019).
    """

    rows: int
    cols: int
    std: float | None
    trained: bool
    signs: Literal["balanced", "random"] = "balanced"


@dataclass(frozen=True)
class Network:
    """f_W(x) = output_scale · W_K σ(W_{K−1} ⋯ σ(W_1 x)), `layers` listing W_1, …, W_K (W_K a single row)."""

    name: str
    layers: tuple[Layer, ...]
    output_scale: float

    def __post_init__(self) -> None:
        if len(self.layers) < 2:
            raise InputError(f"{self.name}: {len(self.layers)} weight matrices; give at least 2")
        for below, above in zip(self.layers, self.layers[1:], strict=False):
            if above.cols != below.rows:
                raise InputError(f"{self.name}: {above.cols} columns follow {below.rows} rows; make them equal")
        if self.layers[-1].rows != 1:
            raise InputError(f"{self.name}: the last matrix has {self.layers[-1].rows} rows; give it one")
        if not any(layer.trained for layer in self.layers):
            raise InputError(f"{self.name}: no layer is trained; train at least one")
        for layer in self.layers:
            if layer.rows < 1 or layer.cols < 1:
                raise InputError(f"{self.name}: a layer of shape ({layer.rows}, {layer.cols}); use sizes ≥ 1")
            if layer.std is None and (layer.rows != 1 or (layer.signs == "balanced" and layer.cols % 2)):
                raise InputError(
                    f"{self.name}: half of the {layer.cols} output signs are +1, half −1; use an even width"
                )
            if layer.std is not None and not (layer.std > 0 and math.isfinite(layer.std)):
                raise InputError(f"{self.name}: init standard deviation {layer.std!r}; use a positive number")
        if not (self.output_scale > 0 and math.isfinite(self.output_scale)):
            raise InputError(f"{self.name}: output scale {self.output_scale!r}; use a positive number")

    @property
    def d(self) -> int:
        """Input dimension."""
        return self.layers[0].cols

    @property
    def width(self) -> int:
        """Largest number of hidden units in a layer (m; all hidden layers of the papers are equally wide)."""
        return max(layer.cols for layer in self.layers[1:])

    @property
    def hidden_layers(self) -> int:
        """Number of hidden layers: L − 1 in chen2019's count, L in cao2020's."""
        return len(self.layers) - 1

    @property
    def trained_layers(self) -> tuple[int, ...]:
        """Positions in `layers` of the matrices that gradient descent moves."""
        return tuple(index for index, layer in enumerate(self.layers) if layer.trained)

    @property
    def weight_count(self) -> int:
        """Number of entries of all matrices, a fixed output included."""
        return sum(layer.rows * layer.cols for layer in self.layers)

    def weight_bytes(self, itemsize: int) -> int:
        """Return the bytes of all matrices of one init at `itemsize` bytes an entry."""
        return itemsize * self.weight_count


def scaled_relu(L: int, m: int, d: int, alpha: float) -> Network:
    """Return the network of chen2019, section 2: f_W(x) = m^α · W_L σ(W_{L−1} ⋯ σ(W_1 x)).

    L ≥ 2 weight matrices, W_1 (m×d), W_l (m×m), W_L (1×m), all trained; entries of W_1..W_{L−1} ~ N(0,
    2/m), of W_L ~ N(0, 1/m). Raises InputError for L < 2, m < 1, d < 1 or α outside (0, 1/2].
    """
    _require_whole("depth L", L, 2)
    _require_whole("width m", m, 1)
    _require_whole("input dimension d", d, 1)
    if not 0.0 < alpha <= 0.5:
        raise InputError(f"scaling exponent alpha = {alpha!r} is outside (0, 1/2]; use e.g. 0.5")
    hidden = math.sqrt(2.0 / m)
    layers = [Layer(m, d if l == 0 else m, hidden, True) for l in range(L - 1)]
    layers.append(Layer(1, m, math.sqrt(1.0 / m), True))
    return Network("chen2019", tuple(layers), float(m) ** float(alpha))


def he_relu(L: int, m: int, d: int) -> Network:
    """Return the network of cao2020, section 3: f_W(x) = vᵀ σ(W_Lᵀ ⋯ σ(W_1ᵀ x)).

    L ≥ 1 hidden layers of width m with entries ~ N(0, 2/m), all trained; v ∈ {−1, +1}^m fixed, its first
    half +1 and its second half −1 (the last `Layer`, std None). A `Layer` holds the transpose of the
    paper's W_l, which is m_{l−1} × m_l. Raises InputError for L < 1, d < 1, or a width that is not even and
    positive.
    """
    _require_whole("depth L", L, 1)
    _require_whole("width m", m, 2)
    _require_whole("input dimension d", d, 1)
    if m % 2:
        raise InputError(f"width m = {m} is odd, but half of the output signs are +1; use {m + 1}")
    hidden = math.sqrt(2.0 / m)
    layers = [Layer(m, d if l == 0 else m, hidden, True) for l in range(L)]
    layers.append(Layer(1, m, None, False))
    return Network("cao2020", tuple(layers), 1.0)


def two_layer(m: int, d: int) -> Network:
    """Return the network of ji2020 and du2019: f_W(x) = m^(−1/2) Σ_s a_s σ(⟨w_s, x⟩).

    The m rows w_s ~ N(0, I_d) of the first matrix are trained; the signs a_s = ±1, independent and fair, are
    drawn once for every init and stay. Raises InputError for m < 1 or d < 1.
    """
    _require_whole("width m", m, 1)
    _require_whole("input dimension d", d, 1)
    return Network("two-layer", (Layer(m, d, 1.0, True), Layer(1, m, None, False, "random")), float(m) ** -0.5)


def initial_blocks(
    network: Network, *, seed: int, trial: int, layer: int, within: slice | None = None
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield W_layer^(0) of one trial as (rows, block), top to bottom, with O(block) memory.

    within: rows that are wanted; blocks that hold none of them are left out, and not drawn.

    The entries depend on (seed, trial, layer) and the shape alone: not on the other trials, the device or
    the dtype in which they are used. They are drawn in float32 (also for float64 training, so that a run
    can be repeated at higher precision from the very same start); float32's grid is 2⁻²⁴ of an entry's
    size, far below what any statement about the law can see.
    """
    shape = network.layers[layer]

    def generator(block: int) -> np.random.Generator:
        # A seed of its own for every block: SeedSequence spreads (seed, trial, layer, block) over the state.
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(trial, layer, block))))

    if shape.std is None:
        signs = np.ones((1, shape.cols), dtype=np.float32)
        signs[:, shape.cols // 2 :] = -1.0
        if shape.signs == "random":
            signs = 2 * generator(0).integers(2, size=signs.shape, dtype=np.int8).astype(np.float32) - 1
        yield slice(0, 1), signs
        return
    height = max(1, _BLOCK_ENTRIES // shape.cols)
    for block, top in enumerate(range(0, shape.rows, height)):
        bottom = min(top + height, shape.rows)
        if within is not None and (bottom <= within.start or top >= within.stop):
            continue
        entries = generator(block).standard_normal((bottom - top, shape.cols), dtype=np.float32)
        entries *= np.float32(shape.std)
        yield slice(top, bottom), entries


def initial_weights(
    network: Network,
    *,
    seed: int,
    trials: Sequence[int],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> tuple[torch.Tensor, ...]:
    """Return W^(0) for the given trial numbers: one tensor (S, rows, cols) per layer, S = len(trials).

    Raises InputError for a seed or a trial number that is not a whole number ≥ 0, no trials, or repeated
    ones.
    """
    check_trials(seed, trials)
    return tuple(
        initial_layer(network, index, seed=seed, trials=trials, dtype=dtype, device=device)
        for index in range(len(network.layers))
    )


def initial_layer(
    network: Network,
    index: int,
    *,
    seed: int,
    trials: Sequence[int],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Return the matrix at `index` of `initial_weights` alone, (S, rows, cols)."""
    layer = network.layers[index]
    weight = torch.empty((len(trials), layer.rows, layer.cols), dtype=dtype, device=device)
    for position, trial in enumerate(trials):
        for rows, block in initial_blocks(network, seed=seed, trial=trial, layer=index):
            if weight.is_cpu:
                np.copyto(weight[position, rows].numpy(), block)
            else:
                weight[position, rows] = torch.from_numpy(block).to(weight)
    return weight


def check_trials(seed: int, trials: Sequence[int]) -> None:
    """Raise InputError unless `seed` and the distinct `trials` (at least one) are whole numbers ≥ 0."""
    _require_whole("seed", seed, 0)
    if not trials:
        raise InputError("no trials; give at least one trial number")
    for trial in trials:
        _require_whole("trial number", trial, 0)
    if len(set(trials)) != len(trials):
        raise InputError(f"trial numbers repeat in {list(trials)[:12]!r}; give each once")


def _require_whole(what: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{what} = {value!r}; give a whole number ≥ {least}")
