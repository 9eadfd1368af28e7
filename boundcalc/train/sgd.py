"""Online SGD on S inits at once: one example a step, each init in an order of its own.

A step is bound by passing over the weights, not by arithmetic: with products of row vectors, and updates by outer
products in place, it takes about a fifth of what batched products with columns take (measured on a CPU, 24 inits,
m = 256 and 1024).

For the same reason what is measured of the iterates is measured of `BLOCK` of them at once. W^(t) differs from the
weights W at the end of its block by the outer products of the steps t ≤ s < end that it has not taken: W_l^(t) =
W_l + η Σ_s δ_l^(s) (h_{l−1}^(s))ᵀ. So one matrix product with W, and a correction of rank `BLOCK`, give the outputs of
all iterates of a block, each on examples of its own, exactly but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.train.checkpoints import Arrays, Checkpoint, Checkpointed
from boundcalc.train.dense import DenseEngine, peak_bytes
from boundcalc.train.devices import full_precision
from boundcalc.train.engine import OnlineEngine
from boundcalc.train.networks import Network, check_trials

BLOCK = 64
"""About how many iterates are measured together: by then the products are bound by arithmetic, which is cheap."""

_STREAM = 2**32 - 7  # marks the seeds of orders; no layer has this number, by which inits are seeded


@dataclass(frozen=True)
class Judges:
    """Examples that iterates are judged on: X (N, d), y (N,) ±1, and `rows` (J, b), the j-th those of the j-th iterate.

    at: (J,) which iterates these are, in their order, repeated or not; W^(0), …, W^(J−1) where none are given.
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    rows: NDArray[np.int64]
    at: NDArray[np.int64] | None = None

    @property
    def iterates(self) -> NDArray[np.int64]:
        """The numbers of the iterates, (J,)."""
        return np.arange(len(self.rows), dtype=np.int64) if self.at is None else self.at


@dataclass(frozen=True)
class OnlineHistory:
    """What online SGD did in its K steps on S trials.

    margins: (S, K) y f_{W^(t)}(x) of the example of step t, before the step: W^(t) has not seen it. distances:
    (S, K+1, trained layers) ‖W_l^(t) − W_l^(0)‖_F at every step. judged: (S, J, b) y f_{W^(t)}(x) of the examples that
    each of the iterates was judged on.
    """

    margins: NDArray[np.float64]
    distances: NDArray[np.float64]
    judged: NDArray[np.float64]


def sample_orders(n: int, *, trials: Sequence[int], seed: int) -> NDArray[np.int64]:
    """Return a uniformly random order of n examples for every trial, (S, n).

    A trial's order depends on (seed, trial, n) alone. Raises InputError as `check_trials` does.
    """
    check_trials(seed, trials)
    orders = []
    for trial in trials:
        seeds = np.random.SeedSequence(seed, spawn_key=(trial, _STREAM))
        orders.append(np.random.Generator(np.random.PCG64(seeds)).permutation(n))
    return np.asarray(orders, dtype=np.int64)


def online_bytes(network: Network, trials: int, judges: int = 1, dtype: torch.dtype = torch.float32) -> int:
    """Return the bytes that `online_descent` takes for S = `trials` inits, judged on `judges` examples an iterate.

    Weights and their start; of every step of a block, what its outer products are made of; and the activations of a
    block's judges, twice while they are computed.
    """
    sides = sum(layer.rows + layer.cols for layer in network.layers)
    block = trials * BLOCK * (2 * sides + 3 * judges * network.width)
    return peak_bytes(network, 1, trials, dtype) + dtype.itemsize * (trials * network.weight_count + block)


def online_descent(
    engine: DenseEngine | OnlineEngine,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    orders: NDArray[np.int64],
    *,
    step_size: float,
    judges: Judges | None = None,
    on_step: Callable[[int], None] | None = None,
) -> OnlineHistory:
    """Run W^(t+1) = W^(t) − step_size · ∇ log(1 + e^{−y f_{W^(t)}(x)}) for t = 0..K−1, (x, y) the example of step t.

    engine: at the weights W^(0); its own inputs are not trained on. X: (n, d) examples, y: (n,) labels ±1. orders:
    (S, K) the row of X that each trial takes at each step. judges: what some of the iterates W^(0), … are judged on.
    on_step(t) is called after each step, t = 1, 2, …; with a `Checkpointed` one, weights and history are kept now and
    then, and a later call of the same training goes on from there, with the very same result. Engines other than the
    dense one are asked one iterate at a time, and nothing is kept of them.

    Raises InputError for a step size that is not positive and finite, labels other than ±1, shapes that do not fit,
    rows that there are not, and a checkpoint that cannot be written.
    """
    trials = len(engine.trials)
    if not (step_size > 0 and math.isfinite(step_size)):
        raise InputError(f"step size {step_size!r}; use a positive number")
    _check_examples(engine, X, y)
    if orders.ndim != 2 or orders.shape[0] != trials or not bool(((orders >= 0) & (orders < len(X))).all()):
        raise InputError(f"orders of shape {orders.shape}; give ({trials}, steps) row numbers from 0 to {len(X) - 1}")
    steps = orders.shape[1]
    jury = judges or Judges(X, y, np.zeros((0, 1), dtype=np.int64))
    _check_judges(engine, jury, steps)
    training, judging = _Examples.on(engine, X, y), _Examples.on(engine, jury.X, jury.y)
    rows, asked, at = (torch.from_numpy(part).to(engine.device) for part in (orders, jury.rows, jury.iterates))
    if not isinstance(engine, DenseEngine):
        return _one_by_one(engine, training, rows, judging, asked, jury.iterates, step_size, on_step)
    course = _Course(engine, step_size, jury.rows.shape[1])
    checkpoint = _checkpoint(engine, X, orders, jury, step_size, on_step)
    kept = None if checkpoint is None else checkpoint.read()
    if kept is not None:
        course.restore(kept)
    block = -(-steps // max(round(steps / BLOCK), 1))  # of about equal sizes, as a small one costs hardly less
    for first in range(course.taken, steps, max(block, 1)):
        passes = []
        for t in range(first, min(first + block, steps)):
            passes.append(_step(engine, *training.of(rows[:, t]), step_size))
            if on_step is not None:
                on_step(t + 1)
        begin, end = np.searchsorted(jury.iterates, [first, first + len(passes)])
        course.close(passes, *judging.of(asked[begin:end]), at[begin:end] - first)
        if checkpoint is not None and checkpoint.due():
            checkpoint.keep(course.arrays())
    if checkpoint is not None:
        checkpoint.finish(course.arrays())
    return course.history()


def _one_by_one(
    engine: OnlineEngine,
    training: _Examples,
    rows: torch.Tensor,
    judging: _Examples,
    asked: torch.Tensor,
    iterates: NDArray[np.int64],
    step_size: float,
    on_step: Callable[[int], None] | None,
) -> OnlineHistory:
    """Of engines that do not hold their weights: each iterate is measured before the step that leaves it."""
    distances, judged, margins = [], [], []
    for t in range(rows.shape[1]):
        distances.append(engine.distances())
        begin, end = np.searchsorted(iterates, [t, t + 1])
        if begin < end:
            X, y = judging.of(asked[begin:end].reshape(-1))
            judged.append((engine.outputs(X) * y).double().view(len(engine.trials), end - begin, -1))
        x, sign = training.of(rows[:, t])

        def slope(f: torch.Tensor, sign: torch.Tensor = sign[:, None]) -> torch.Tensor:
            return torch.sigmoid(-sign * f).mul_(-sign)

        margins.append((engine.online_step(x, slope, step_size) * sign).double())
        if on_step is not None:
            on_step(t + 1)
    distances.append(engine.distances())
    none = torch.zeros(len(engine.trials), 0, dtype=torch.float64)
    return OnlineHistory(
        margins=(torch.stack(margins, dim=1).cpu() if margins else none).numpy(),
        distances=torch.stack(distances, dim=1).numpy(),
        judged=(torch.cat(judged, dim=1).cpu() if judged else none[..., None].expand(-1, -1, asked.shape[1])).numpy(),
    )


def _check_judges(engine: DenseEngine | OnlineEngine, judges: Judges, steps: int) -> None:
    _check_examples(engine, judges.X, judges.y)
    rows, at = judges.rows, judges.iterates
    if rows.ndim != 2 or not bool(((rows >= 0) & (rows < len(judges.X))).all()):
        raise InputError(
            f"judges of shape {rows.shape}; give (iterates, examples) row numbers from 0 to {len(judges.X) - 1}"
        )
    if at.shape != rows.shape[:1] or not bool(((at >= 0) & (at < steps)).all() and (np.diff(at) >= 0).all()):
        raise InputError(f"{len(rows)} judged iterates of {steps}; give as many of 0 to {steps - 1} in their order")


def _check_examples(engine: DenseEngine | OnlineEngine, X: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    if X.ndim != 2 or X.shape[1] != engine.network.d:
        raise InputError(f"X has shape {X.shape}; give (n, {engine.network.d}), as the network's d")
    if y.shape != X.shape[:1] or not bool((np.abs(y) == 1).all()):
        raise InputError(f"labels of shape {y.shape}; give {len(X)} labels, each −1 or +1")


def _checkpoint(
    engine: DenseEngine,
    X: NDArray[np.float64],
    orders: NDArray[np.int64],
    judges: Judges,
    step_size: float,
    on_step: Callable[[int], None] | None,
) -> Checkpoint | None:
    """Where this training is kept on the way, if it is."""
    if not isinstance(on_step, Checkpointed):
        return None
    facts = {
        "network": engine.network.name,
        "trials": list(engine.trials),
        "n": len(X),
        "dtype": str(engine.dtype),
        "device": engine.device.type,
        "online_step_size": float(step_size),
        "steps": orders.shape[1],
        "judges": list(judges.rows.shape),
        "block": BLOCK,
    }
    return on_step.checkpoints.begin(facts, sum(weight.nbytes for weight in engine.weights))


@dataclass(frozen=True)
class _Examples:
    """Examples where the weights are."""

    X: torch.Tensor
    y: torch.Tensor

    @classmethod
    def on(cls, engine: DenseEngine | OnlineEngine, X: NDArray[np.float64], y: NDArray[np.float64]) -> _Examples:
        return cls(*(torch.from_numpy(np.array(part)).to(engine.device, engine.dtype) for part in (X, y)))

    def of(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Those in these rows, of any shape."""
        return self.X[rows], self.y[rows]


@dataclass(frozen=True)
class _Pass:
    """What one step took: y f (S,), h_{l−1} (S, 1, cols) of every layer, δ_l (S, 1, rows) of every trained one.

    δ_l is the derivative of the loss in W_l h_{l−1}: the step was W_l ← W_l − η δ_l h_{l−1}ᵀ.
    """

    margins: torch.Tensor
    hidden: tuple[torch.Tensor, ...]
    errors: tuple[torch.Tensor, ...]


def _step(engine: DenseEngine, x: torch.Tensor, y: torch.Tensor, step_size: float) -> _Pass:
    """One step on one example for each trial, x (S, d) and y (S,)."""
    weights, layers = engine.weights, engine.network.layers
    lowest = engine.network.trained_layers[0]
    errors = []
    with torch.no_grad(), full_precision(engine.device, engine.dtype):
        h = [x.unsqueeze(1)]
        for weight in weights[:-1]:
            h.append(torch.bmm(h[-1], weight.transpose(1, 2)).relu_())
        f = torch.bmm(h[-1], weights[-1].transpose(1, 2)).mul_(engine.network.output_scale)[:, 0, 0]
        error = (torch.sigmoid(-y * f) * y).mul_(-engine.network.output_scale)[:, None, None]
        for layer in range(len(layers) - 1, lowest - 1, -1):
            # The error passes through W_l before W_l changes.
            below = torch.bmm(error, weights[layer]).mul_(h[layer] > 0) if layer > lowest else error
            if layers[layer].trained:
                weights[layer].addcmul_(error.transpose(1, 2), h[layer], value=-step_size)
                errors.append(error)
            error = below
    return _Pass(y * f, tuple(h), tuple(reversed(errors)))


class _Course:
    """How far a training is, and what was measured of it, block by block."""

    def __init__(self, engine: DenseEngine, step_size: float, judges: int) -> None:
        self._engine, self._step_size = engine, step_size
        self._start = {layer: engine.weights[layer].clone() for layer in engine.network.trained_layers}
        self.taken = 0
        none = torch.zeros(0, len(engine.trials), dtype=torch.float64, device=engine.device)
        self._margins = [none]
        self._growth = [none[..., None].expand(-1, -1, len(self._start))]
        self._judged = [none[..., None].expand(-1, -1, judges)]

    def close(self, passes: Sequence[_Pass], X: torch.Tensor, y: torch.Tensor, at: torch.Tensor) -> None:
        """Measure the steps just taken; X (J, b, d), y (J, b): what the iterates with these numbers are judged on."""
        hidden = [torch.cat(layer, dim=1) for layer in zip(*(passed.hidden for passed in passes), strict=True)]
        errors = dict(
            zip(
                self._start,
                (torch.cat(layer, dim=1) for layer in zip(*(passed.errors for passed in passes), strict=True)),
                strict=True,
            )
        )
        margins = torch.stack([passed.margins for passed in passes]).double()
        with torch.no_grad(), full_precision(self._engine.device, self._engine.dtype):
            self._margins.append(margins)
            self._growth.append(self._grown(margins, hidden, errors))
            self._judged.append(self._judge(hidden, errors, X, y, at))
        self.taken += len(passes)

    def _grown(
        self, margins: torch.Tensor, hidden: Sequence[torch.Tensor], errors: dict[int, torch.Tensor]
    ) -> torch.Tensor:
        """By how much ‖W_l − W_l^(0)‖_F² grows in each step, (B, S, trained layers).

        With D = W_l − W_l^(0) a step adds −2η ⟨δ, D h⟩ + η² |δ|² |h|². As the network is homogeneous in every layer,
        ⟨δ_l, W_l h_{l−1}⟩ = f ∂ℓ/∂f, whatever l, so that W_l^(0) h is all that is left to compute.
        """
        along = (-margins * torch.sigmoid(-margins)).T
        grown = []
        for layer, start in self._start.items():
            at_start = torch.bmm(hidden[layer], start.transpose(1, 2)).mul_(errors[layer]).sum(dim=2).double()
            lengths = [torch.linalg.vector_norm(part[layer], dim=2).double() for part in (errors, hidden)]
            squares = (lengths[0] * lengths[1]).square()
            grown.append(self._step_size * (self._step_size * squares - 2 * (along - at_start)))
        return torch.stack(grown, dim=2).transpose(0, 1)

    def _judge(
        self,
        hidden: Sequence[torch.Tensor],
        errors: dict[int, torch.Tensor],
        X: torch.Tensor,
        y: torch.Tensor,
        at: torch.Tensor,
    ) -> torch.Tensor:
        """y f of J iterates of the block on their judges, (J, S, b)."""
        engine, (iterates, each) = self._engine, y.shape
        # Iterate t lacks the steps t, t + 1, … of the block, which the weights have taken.
        steps = torch.arange(hidden[0].shape[1], device=y.device)
        lacking = (steps >= at.repeat_interleave(each)[:, None]).to(engine.dtype) * self._step_size
        h = X.reshape(1, -1, X.shape[2]).expand(len(engine.trials), -1, -1)
        for layer, weight in enumerate(engine.weights):
            above = torch.bmm(h, weight.transpose(1, 2))
            if layer in errors:
                above.baddbmm_(torch.bmm(h, hidden[layer].transpose(1, 2)).mul_(lacking), errors[layer])
            h = above.relu_() if layer + 1 < len(engine.weights) else above
        f = h.mul_(engine.network.output_scale).view(len(engine.trials), iterates, each)
        return (f * y).transpose(0, 1).double()

    def history(self) -> OnlineHistory:
        """All that was measured."""
        growth = torch.cat(self._growth).transpose(0, 1)
        squares = torch.nn.functional.pad(growth.cumsum(dim=1), (0, 0, 1, 0))
        return OnlineHistory(
            margins=torch.cat(self._margins).T.cpu().numpy(),
            distances=squares.clamp_(min=0).sqrt_().cpu().numpy(),  # a layer that hardly moved: rounding
            judged=torch.cat(self._judged).transpose(0, 1).cpu().numpy(),
        )

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """All that the rest depends on, for a checkpoint."""
        yield "taken", np.array(self.taken)
        for name, series in (("margins", self._margins), ("growth", self._growth), ("judged", self._judged)):
            yield name, torch.cat(series).cpu().numpy()
        for layer, weight in enumerate(self._engine.weights):
            yield f"weights.{layer}", weight.cpu().numpy()

    def restore(self, kept: Arrays) -> None:
        """Go on from a checkpoint."""
        self._engine.load_weights([kept[f"weights.{layer}"] for layer in range(len(self._engine.weights))])
        self.taken = int(kept["taken"])
        self._margins, self._growth, self._judged = (
            [torch.from_numpy(kept[name]).to(self._engine.device)] for name in ("margins", "growth", "judged")
        )
