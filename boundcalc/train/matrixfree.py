"""Matrix-free training: exact in law at widths whose m × m weights fit on no machine.

Gradient descent touches a hidden matrix W through products with a few vectors only: n from either side in a step. So
the matrices between two hidden layers are never formed (`boundcalc.train.conditioning` has the mathematics): what is
held is, for each of them, an orthonormal basis of the vectors multiplied from either side, the images of both, and the
coefficients of W − W^(0) in them. In T steps on n inputs that is O(m·nT) memory and O(m·(nT)²) time in place of O(m²)
and O(m²·nT). The first matrix (m × d) and the output row are stored as in the dense engine, and start from the very
same entries. Everything is in float64; in float32 the law is visibly biased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError, OutOfMemoryError
from boundcalc.train.conditioning import ConditionedMatrix
from boundcalc.train.dense import as_inputs
from boundcalc.train.devices import available_bytes, resolve_device
from boundcalc.train.engine import Slope
from boundcalc.train.networks import Layer, Network, check_trials, initial_blocks, initial_layer

TOLERANCE = 1e-12
"""Share of a vector's norm that is left out of a basis: a thousand times what rounding leaves."""

_WORKING = 8
"""Blocks of n vectors, beside the activations, that a product and its caller hold at a time."""


def rooms(network: Network, n: int, steps: int, held_out: int = 0) -> dict[int, tuple[int, int]]:
    """Return, for every matrix between hidden layers, how many directions it meets at most from the right and the left.

    n in every one of `steps` steps, from the right n more for the outputs at the end and one for every held-out input
    and time it is asked about; never more than there are dimensions.
    """
    lowest = network.trained_layers[0]
    found = {}
    for index, layer in _hidden(network):
        left = n * steps if index >= lowest else 0
        found[index] = (min(n * (steps + 1) + held_out, layer.cols), min(left, layer.rows))
    return found


def peak_bytes(network: Network, n: int, trials: int, steps: int, held_out: int = 0) -> int:
    """Return the bytes that a `MatrixFreeEngine` of S = `trials` inits allocates at most in `steps` steps on n inputs.

    float64: for every matrix between hidden layers r_A + r_C directions and images, r·(rows + cols) each, and
    r_A·r_C coefficients, with r from `rooms`; the first and the last matrix; n activations of every hidden unit, and a
    few blocks of n vectors (n × width) for the product in progress. held_out: rows of held-out inputs, times how often
    their outputs are asked for. Not counted: `linearised_outputs`, which takes the first matrix twice more, and the
    code of the libraries.
    """
    entries = network.layers[0].rows * network.d + network.layers[-1].cols
    for index, (right, left) in rooms(network, n, steps, held_out).items():
        layer = network.layers[index]
        entries += (right + left) * (layer.rows + layer.cols) + right * left
    hidden = [layer.rows for layer in network.layers[:-1]]
    entries += n * (sum(hidden) + _WORKING * max(hidden))
    return 8 * trials * entries + 8 * n * network.d


def operations(network: Network, n: int, trials: int, steps: int) -> float:
    """Return the floating-point operations of `steps` steps on n inputs: those of the matrix products.

    At r_A and r_C directions, a product from the right takes 2n(5 r_A cols + r_A rows + 3 r_C rows + r_C cols): five
    with Q_A to stay orthonormal to it, three with Q_C and one with either images; and 2n²(7 cols + rows) within the
    block. From the left, the same with the roles exchanged. Directions that need not be taken in make it less, those
    that need a second attempt more.
    """

    def product(own: int, other: int, known: int, known_other: int) -> float:
        return 2.0 * n * (known * (5 * own + other) + known_other * (3 * other + own) + n * (7 * own + other))

    first, last = network.layers[0], network.layers[-1]
    total = 4.0 * n * (first.rows * first.cols + last.cols) * steps
    for index, (right, left) in rooms(network, n, steps).items():
        layer = network.layers[index]
        for t in range(steps):
            a, c = min(n * t, right), min(n * t, left)
            total += product(layer.cols, layer.rows, a, c)
            if left:
                total += product(layer.rows, layer.cols, c, min(a + n, right))
    return trials * total


@dataclass(frozen=True)
class _Pass:
    """A forward pass: f (S, n), activations h_1, …, h_{K−1}, and in the basis of each hidden matrix those it met."""

    f: torch.Tensor
    activations: list[torch.Tensor]
    coefficients: dict[int, torch.Tensor]


class MatrixFreeEngine:
    """The `Engine` that holds no m × m matrix (see `boundcalc.train.engine`).

    network: what to train. X: (n, d) inputs. trials: the trial numbers of the S inits. seed: of all inits; a trial's
    first and last matrix are those of `DenseEngine`, the others of the same law. steps: steps of descent, and held_out:
    outputs on other inputs (rows times how often) for which memory is reserved; beyond these it grows, by a copy of a
    basis. tolerance: the part of a vector, as a share of its norm, that is left out rather than given a direction of
    its own; larger ones save memory and time where training moves little (`dropped` and `output_error` say what it
    cost). device: "auto", "cpu", "cuda[:i]". dtype: float64.

    Everything that it is asked for is exact in law jointly: losses, distances, outputs on the training and on any other
    inputs at any time. Other inputs take directions, of each hidden matrix, that stay: what has been seen of W^(0) must
    not be seen otherwise later. They do not change the law of the training, but the numbers of the one at hand, if it
    goes on after them. Asking about the training inputs changes nothing.

    Raises InputError for bad shapes, trial numbers, steps, tolerances, devices and dtypes, and, before anything is
    allocated, OutOfMemoryError when `peak_bytes` exceeds what the device has left.
    """

    def __init__(
        self,
        network: Network,
        X: NDArray[np.float64] | torch.Tensor,
        *,
        trials: Sequence[int],
        seed: int,
        steps: int,
        held_out: int = 0,
        tolerance: float = TOLERANCE,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        if dtype != torch.float64:
            raise InputError(f"dtype {dtype}: orthogonality is lost in it, and with it the law; use torch.float64")
        for what, value in (("steps", steps), ("held_out", held_out)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
                raise InputError(f"{what} = {value!r}; give a whole number ≥ 0")
        if not 1e-13 <= tolerance <= 1e-2:
            raise InputError(f"tolerance {tolerance!r} is outside [1e-13, 1e-2]; use e.g. {TOLERANCE}")
        check_trials(seed, trials)
        self.network = network
        self.seed = int(seed)
        self._trials = tuple(int(trial) for trial in trials)
        self._device = resolve_device(str(device))
        self._x = self._inputs(X)
        if not self.n:
            raise InputError("X has no rows; give at least one training input")
        needed = peak_bytes(network, self.n, len(self._trials), steps, held_out)
        available = available_bytes(self._device)
        if needed > available:
            raise OutOfMemoryError(
                f"{len(self._trials)} trials of width {network.width} need {needed / 2**30:.3g} GiB for {steps} steps "
                f"on {self.n} inputs and {self._device} has {available / 2**30:.3g} GiB left; train fewer trials, "
                "fewer steps, or narrower nets"
            )
        self._first, self._last = self._initial(0), self._initial(len(network.layers) - 1)
        self._matrices = {
            index: ConditionedMatrix(
                network.layers[index],
                seed=self.seed,
                trials=self._trials,
                index=index,
                rooms=room,
                tolerance=tolerance,
                device=self._device,
            )
            for index, room in rooms(network, self.n, steps, held_out).items()
        }
        self._output_error = 0.0

    @property
    def trials(self) -> tuple[int, ...]:
        """Trial numbers of the S inits."""
        return self._trials

    @property
    def n(self) -> int:
        """Number of training inputs."""
        return int(self._x.shape[1])

    @property
    def device(self) -> torch.device:
        """Where bases and outputs live."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of everything: float64."""
        return torch.float64

    @property
    def matrices(self) -> dict[int, ConditionedMatrix]:
        """The matrices between hidden layers, by their position in the network's `layers`."""
        return self._matrices

    @property
    def loss_of_orthogonality(self) -> float:
        """Largest |⟨q_i, q_j⟩ − 1[i = j]| in any basis so far, from products of the directions as they were added."""
        return max((matrix.loss_of_orthogonality for matrix in self._matrices.values()), default=0.0)

    @property
    def dropped(self) -> float:
        """Largest part of a vector that was left out of its basis so far, as a share of its norm; ≤ tolerance.

        Every product was that of W with a vector this near to the one meant; its error is at most this share times
        ‖W^(0)‖₂ times the vector's norm. Rounding leaves the order of 1e-15 where nothing is left out on purpose.
        """
        return max((matrix.dropped for matrix in self._matrices.values()), default=0.0)

    @property
    def output_error(self) -> float:
        """Bound on |f − f'| of every forward pass so far, f' being f at the same weights with nothing left out.

        Σ_l over hidden matrices of s‖w_K‖·Π_{k>l}(b_k + ‖W_k − W_k^(0)‖_F)·b_l·(remainder at l), with b_l ≥ ‖W_l^(0)‖₂
        with probability 1 − 3e-11 (σ(√rows + √cols + 7)). Not counted: rounding, and what such errors have changed the
        weights by in steps before.
        """
        return self._output_error

    def step(self, slope: Slope, step_size: float) -> torch.Tensor:
        """W_l ← W_l − step_size · ∇_{W_l} for every trained l; return f (S, n) from before the step."""
        return self._step(self._x, slope, step_size)

    def online_step(self, X: torch.Tensor, slope: Slope, step_size: float) -> torch.Tensor:
        """Take a step on one input for each trial, X (S, d); the slope is asked at f (S, 1); return f (S,)."""
        return self._step(X[:, None, :], slope, step_size)[:, 0]

    def outputs(self, X: NDArray[np.float64] | torch.Tensor | None = None) -> torch.Tensor:
        """Return f (S, n') on the rows of X (n', d), or on the training inputs, some rows at a time."""
        x = self._x if X is None else self._inputs(X)
        with torch.no_grad():
            return torch.cat([self._forward(piece, start=False).f for piece in x.split(self.n, dim=1)], dim=1)

    def linearised_outputs(self, X: NDArray[np.float64] | torch.Tensor | None = None) -> torch.Tensor:
        """Return f_{W^(0)}(x) + ⟨∇f_{W^(0)}(x), W − W^(0)⟩, (S, n'), on the rows of X or on the training inputs.

        The inner product with δ⁰(h⁰)ᵀ, the gradient of a hidden layer at W^(0), is (δ⁰)ᵀQ_C M Q_Aᵀh⁰. Activations h⁰
        and errors δ⁰ at W^(0) come out of the products known: those on the training inputs are in the bases since the
        first step, δ⁰ as long as the slopes were not 0 then. Others take n' directions from either side.
        """
        x = self._x if X is None else self._inputs(X)
        top = len(self.network.layers) - 1
        found = []
        with torch.no_grad():
            moves = {0: self._first - self._initial(0), top: self._last - self._initial(top)}
            for piece in x.split(self.n, dim=1):
                pass_ = self._forward(piece, start=True)
                f = pass_.f
                for layer, error, h in self._gradients(piece, pass_, torch.ones_like(f), start=True):
                    move = moves[layer] if layer in moves else self._matrices[layer].moved
                    f = f + (torch.bmm(error, move) * h).sum(dim=2)
                found.append(f)
        return torch.cat(found, dim=1)

    def gradient_norms(self, slope: Slope) -> torch.Tensor:
        """Return ‖∇_{W_l}‖_F at the present weights, float64 (S, trained layers) on the CPU.

        Its products are those of the step to come, which it does not change.
        """
        with torch.no_grad():
            pass_ = self._forward(self._x, start=False)
            norms = {
                layer: torch.linalg.matrix_norm(torch.bmm(error.transpose(1, 2), h))
                for layer, error, h in self._gradients(self._x, pass_, slope(pass_.f), start=False)
            }
        return torch.stack([norms[layer] for layer in self.network.trained_layers], dim=1).cpu()

    def return_to_start(self) -> None:
        """W_l ← W_l^(0); what has been seen of it stays."""
        top = len(self.network.layers) - 1
        self._first.copy_(self._initial(0))
        self._last.copy_(self._initial(top))
        for matrix in self._matrices.values():
            matrix.moved.zero_()

    def move_along_start(self, coefficients: torch.Tensor) -> None:
        """W_l ← W_l^(0) + Σ_i coefficients[l, s, i] ∇_{W_l} f(x_i) at W^(0), for every trained layer l.

        coefficients: (trained layers, S, n). The gradients come out of the products of the first step to come, or of
        the first one taken.
        """
        self.return_to_start()
        stored = {0: self._first, len(self.network.layers) - 1: self._last}
        weights = dict(zip(self.network.trained_layers, coefficients, strict=True))
        with torch.no_grad():
            pass_ = self._forward(self._x, start=True)
            for layer, error, h in self._gradients(self._x, pass_, torch.ones_like(pass_.f), start=True):
                move = stored[layer] if layer in stored else self._matrices[layer].moved
                move.baddbmm_((error * weights[layer].to(error)[:, :, None]).transpose(1, 2), h)

    def distances(self) -> torch.Tensor:
        """Return ‖W_l − W_l^(0)‖_F, float64 (S, number of trained layers), on the CPU.

        Of hidden matrices ‖M‖_F, exact up to the loss of orthogonality; of the others from W^(0), drawn again.
        """

        def norm(layer: int) -> torch.Tensor:
            squares = np.zeros(len(self._trials))
            for position, moved in self._moves(layer):
                squares[position] += np.square(moved).sum()
            return torch.from_numpy(np.sqrt(squares))

        return self._of_trained(norm, lambda matrix: torch.linalg.matrix_norm(matrix.moved).cpu())

    def spectral_distances(self) -> torch.Tensor:
        """Return ‖W_l − W_l^(0)‖₂, float64 (S, number of trained layers), on the CPU, as `distances` does.

        nan for a trial that has diverged.
        """

        def norm(layer: int) -> torch.Tensor:
            # Of a row and of a matrix with few columns: the root of the largest eigenvalue of its smaller Gram matrix.
            row = self.network.layers[layer].rows == 1
            size = 1 if row else self.network.layers[layer].cols
            grams = np.zeros((len(self._trials), size, size))
            for position, moved in self._moves(layer):
                grams[position] += moved @ moved.T if row else moved.T @ moved
            finite = np.asarray(np.isfinite(grams).all(axis=(1, 2)))
            largest = np.linalg.eigvalsh(np.where(finite[:, None, None], grams, 0.0))[:, -1]
            return torch.from_numpy(np.where(finite, np.sqrt(np.maximum(largest, 0.0)), np.nan))

        return self._of_trained(norm, ConditionedMatrix.spectral)

    def _of_trained(
        self, stored: Callable[[int], torch.Tensor], conditioned: Callable[[ConditionedMatrix], torch.Tensor]
    ) -> torch.Tensor:
        norms = [
            conditioned(self._matrices[layer]) if layer in self._matrices else stored(layer)
            for layer in self.network.trained_layers
        ]
        return torch.stack(norms, dim=1)

    def _moves(self, layer: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield W_l − W_l^(0) of a stored matrix, some rows at a time, with the position of the trial."""
        weights = self._first if layer == 0 else self._last
        for position, trial in enumerate(self._trials):
            for rows, start in initial_blocks(self.network, seed=self.seed, trial=trial, layer=layer):
                yield position, weights[position, rows].cpu().numpy() - start

    def _initial(self, layer: int) -> torch.Tensor:
        return initial_layer(
            self.network, layer, seed=self.seed, trials=self._trials, dtype=torch.float64, device=self._device
        )

    def _inputs(self, X: NDArray[np.float64] | torch.Tensor) -> torch.Tensor:
        """Return the rows as (1, n, d): all inits share them."""
        return as_inputs(X, self.network, torch.float64, self._device)[None]

    def _step(self, x: torch.Tensor, slope: Slope, step_size: float) -> torch.Tensor:
        with torch.no_grad():
            pass_ = self._forward(x, start=False)
            stored = {0: self._first, len(self.network.layers) - 1: self._last}
            for layer, error, h in self._gradients(x, pass_, slope(pass_.f), start=False):
                weights = stored[layer] if layer in stored else self._matrices[layer].moved
                weights.baddbmm_(error.transpose(1, 2), h, alpha=-step_size)
        return pass_.f

    def _forward(self, x: torch.Tensor, *, start: bool) -> _Pass:
        """Pass the inputs (1 or S, n, d) forward; start: at W^(0), not at the present weights."""
        first = self._initial(0) if start else self._first
        last = self._initial(len(self.network.layers) - 1) if start else self._last
        h = torch.matmul(x, first.transpose(1, 2)).relu_()
        activations, coefficients = [h], {}
        error = h.new_zeros(h.shape[:2])
        for layer, matrix in self._matrices.items():
            product = matrix.times(h, start=start)
            h = product.values.relu_()
            activations.append(h)
            coefficients[layer] = product.coefficients
            norm = matrix.initial_norm if start else matrix.initial_norm + torch.linalg.matrix_norm(matrix.moved)
            error = error * torch.as_tensor(norm).to(error)[..., None] + matrix.initial_norm * product.remainder
        f = torch.bmm(h, last.transpose(1, 2))[:, :, 0] * self.network.output_scale
        error = error * self.network.output_scale * torch.linalg.vector_norm(last, dim=2)
        self._output_error = max(self._output_error, float(torch.nan_to_num(error, nan=0.0, posinf=0.0).max()))
        return _Pass(f, activations, coefficients)

    def _gradients(
        self, x: torch.Tensor, pass_: _Pass, slopes: torch.Tensor, *, start: bool
    ) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        """Yield (l, δ, h) for every trained layer, the highest first: ∇_{W_l} = Σ_i δ_i h_iᵀ.

        Of hidden matrices, δ and h come as coefficients in the bases. An error passes through W_l before W_l is
        yielded, so that W_l may be changed then. start: the errors pass through W^(0).
        """
        layers, lowest = self.network.layers, self.network.trained_layers[0]
        top = len(layers) - 1
        last = self._initial(top) if start else self._last
        error = (slopes * self.network.output_scale)[:, :, None]
        h = pass_.activations[-1]
        below = (error * last).mul_(h > 0) if lowest < top else error
        if layers[top].trained:
            yield top, error, h
        error = below
        for layer in range(top - 1, max(lowest, 1) - 1, -1):
            product = self._matrices[layer].transposed_times(error, start=start)
            error = product.values.mul_(pass_.activations[layer - 1] > 0)
            if layers[layer].trained:
                yield layer, product.coefficients, pass_.coefficients[layer]
        if lowest == 0:
            yield 0, error, x.expand(len(error), -1, -1)


def _hidden(network: Network) -> list[tuple[int, Layer]]:
    """The matrices between hidden layers, with their positions."""
    return list(enumerate(network.layers))[1:-1]
