"""The radius R of chen2019's assumption (A), bounded from above with a certificate.

(A): there are R > 0 and W* with ‖W*_l − W_l^(0)‖_F ≤ R·m^(−α) for every layer l such that L_i(W*) =
log(1 + e^{−y_i f_{W*}(x_i)}) < ε for EVERY i. Any such W* shows that the least R is at most m^α · max_l
‖W*_l − W_l^(0)‖_F; the search below looks for a W* that makes this small, and what it finds is checked again
in float64.
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
from boundcalc.estimate.estimate import Estimate
from boundcalc.train.checkpoints import Arrays, Checkpoint, Checkpointed
from boundcalc.train.dense import DenseEngine, peak_bytes
from boundcalc.train.devices import available_bytes, resolve_device
from boundcalc.train.networks import Network, check_trials, initial_blocks

# The search. None of these numbers touches what is certified: they set how small R gets and how soon.
_AIM = 0.01  # aim at margins this much (times 1 + |z*|) above the z* that is needed
_HINGE_POWER = 1.5  # norm of the vector of violations that a step reduces
_MOMENTUM = 0.5  # once within a ball; before, momentum overshoots and the weights end far away
_FIRST_RELAXATION = 0.7  # share of the step that would remove the violations of a linear function
_SHRINK, _LEAST_SHRINK = 0.05, 0.004  # how much smaller the next ball is; below the least, stop
_PATIENCE = 20  # steps without progress before shrinking more cautiously


@dataclass(frozen=True)
class RadiusCertificate:
    """Upper estimates of the least R of chen2019's assumption (A), one for each init, with their evidence.

    radius: (S,) R_s = m^α · max_l ‖W*_l − W_l^(0)‖_F, nan where no W* was found. worst_loss: (S,) max_i
    L_i(W*) in float64, below ε wherever the radius is given. steps: (S,) the step at which W* was met, −1
    if never. layer_distances: (S, layers) ‖W*_l − W_l^(0)‖_F in float64. converged: (S,) whether W* was
    found. witness: W* itself, one (S, rows, cols) per layer on the CPU (W^(0) for trials without), if it
    was asked for.
    """

    epsilon: float
    alpha: float
    trials: tuple[int, ...]
    radius: NDArray[np.float64]
    worst_loss: NDArray[np.float64]
    steps: NDArray[np.int64]
    layer_distances: NDArray[np.float64]
    converged: NDArray[np.bool_]
    witness: tuple[torch.Tensor, ...] | None = None

    @property
    def slack(self) -> NDArray[np.float64]:
        """(S,) ε − max_i L_i(W*), positive where the radius is given, nan elsewhere."""
        return np.asarray(np.where(self.converged, self.epsilon - self.worst_loss, np.nan))

    def estimate(self) -> Estimate:
        """Return the largest R over the inits: with it, (A) holds for every one of them (upper estimate)."""
        found = int(self.converged.sum())
        return Estimate(
            name="R",
            symbol="R",
            value=float(self.radius.max()) if found == len(self.trials) else math.inf,
            direction="upper",
            method=f"projected descent from {len(self.trials)} inits, {found} of them certified in float64",
            converged=found == len(self.trials),
        )


def certify_radius(
    network: Network,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    epsilon: float,
    alpha: float,
    trials: Sequence[int],
    seed: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    max_steps: int = 2000,
    keep_witness: bool = False,
    on_step: Callable[[int], None] | None = None,
) -> RadiusCertificate:
    """Return upper estimates of the least R for which chen2019's assumption (A) holds, one per init.

    network: of chen2019 (`scaled_relu`), output scale m^α. X: (n, d) unit rows, y: (n,) ±1. L_i < ε is y_i
    f(x_i) > z* = −log(e^ε − 1). Search, from W^(0): steps on the violations h_i = max(0, z − y_i f(x_i)), z
    slightly above z*, that move every layer by the same Frobenius length (the steepest descent in the norm
    max_l ‖·‖_F by which (A) measures), as far as would remove ‖h‖ if f were linear (Polyak's step). Each
    time all margins exceed z*, the weights are drawn into a ball around W^(0) that is slightly smaller than
    the one needed so far, and the search goes on inside it, until it stops making progress or after
    max_steps.

    The W* found is re-evaluated in float64, trial by trial; what fails there is not reported as found. R_s
    is an upper estimate of the least R, exact up to float64 rounding as such; it says nothing of how far
    below the least R lies. Memory: about 5 times the weights of the trials that are in progress together
    (as many as fit into half of what is available). on_step(t) is called after every step of every such
    group; with a `Checkpointed` one the search is kept now and then, and a later call of the same search
    goes on from there, with the very same result.

    Raises InputError for ε or max_steps not positive, a scale of the network other than m^α, labels other
    than ±1, a checkpoint that cannot be written, and everything that `DenseEngine` refuses.
    """
    needed = needed_margin(epsilon)
    if max_steps < 1:
        raise InputError(f"max_steps = {max_steps!r}; use a whole number ≥ 1")
    scale = float(network.width) ** alpha
    if not math.isclose(network.output_scale, scale, rel_tol=1e-9):
        raise InputError(
            f"alpha = {alpha!r}: m^alpha is {scale:.6g} but the network's output scale is "
            f"{network.output_scale:.6g}; give the alpha of scaled_relu"
        )
    labels = torch.tensor(np.asarray(y, dtype=np.float64))
    if labels.shape != (X.shape[0],) or not bool((labels.abs() == 1).all()):
        raise InputError(f"labels of shape {tuple(labels.shape)}; give {X.shape[0]} labels, each −1 or +1")
    check_trials(seed, trials)
    at = resolve_device(str(device))
    inputs = torch.tensor(X, dtype=torch.float64, device=at)
    group = _group_size(network, X.shape[0], dtype, at)

    parts = []
    for first in range(0, len(trials), group):
        engine = DenseEngine(network, inputs, trials=trials[first : first + group], seed=seed, dtype=dtype, device=at)
        checkpoint = _checkpoint(engine, epsilon, max_steps, on_step)
        found, met = _search(engine, labels.to(at, dtype), needed, max_steps, on_step, checkpoint)
        losses, distances = [], []
        for position, trial in enumerate(engine.trials):
            weights = [layer[position].double() for layer in found]
            losses.append(_worst_loss(network, weights, inputs, labels.to(at)))
            distances.append(_distances(network, weights, seed, trial))
        kept = tuple(layer.cpu() for layer in found) if keep_witness else None
        parts.append((met.cpu().numpy(), np.array(losses), np.array(distances), kept))

    steps = np.concatenate([part[0] for part in parts]).astype(np.int64)
    worst_loss = np.concatenate([part[1] for part in parts])
    layer_distances = np.concatenate([part[2] for part in parts])
    converged = (steps >= 0) & (worst_loss < epsilon)
    radius = scale * layer_distances.max(axis=1)
    witnesses = [part[3] for part in parts if part[3] is not None]
    return RadiusCertificate(
        epsilon=epsilon,
        alpha=alpha,
        trials=tuple(int(trial) for trial in trials),
        radius=np.where(converged, radius, np.nan),
        worst_loss=worst_loss,
        steps=np.where(converged, steps, -1),
        layer_distances=np.where(converged[:, None], layer_distances, np.nan),
        converged=converged,
        witness=tuple(torch.cat(layers) for layers in zip(*witnesses, strict=True)) if witnesses else None,
    )


def needed_margin(epsilon: float) -> float:
    """Return z* with log(1 + e^{−z*}) = ε: −log(e^ε − 1), without overflow for large ε.

    Raises InputError for an ε that is not a positive finite number.
    """
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise InputError(f"epsilon = {epsilon!r}; use a positive number")
    return -(epsilon + math.log(-math.expm1(-epsilon)))


def search_bytes(network: Network, n: int, dtype: torch.dtype = torch.float32) -> int:
    """Return the bytes that the search takes for one init on n inputs, at most.

    Weights, their start, the direction, the best so far and the difference to the start: four times the weights
    more than `peak_bytes` of training; and the weights once more in float64, where what was found is checked.
    """
    return peak_bytes(network, n, 1, dtype) + 4 * network.weight_bytes(dtype.itemsize) + network.weight_bytes(8)


def _group_size(network: Network, n: int, dtype: torch.dtype, device: torch.device) -> int:
    return max(1, available_bytes(device) // 2 // search_bytes(network, n, dtype))


def _checkpoint(
    engine: DenseEngine, epsilon: float, max_steps: int, on_step: Callable[[int], None] | None
) -> Checkpoint | None:
    """Where the search of these inits is kept on the way, if it is."""
    if not isinstance(on_step, Checkpointed):
        return None
    facts = {
        "search": "radius",
        "network": engine.network.name,
        "trials": list(engine.trials),
        "n": engine.n,
        "dtype": str(engine.dtype),
        "device": engine.device.type,
        "epsilon": float(epsilon),
        "max_steps": int(max_steps),
    }
    return on_step.checkpoints.begin(facts, 3 * sum(weight.nbytes for weight in engine.weights))


class _State:
    """How far the search is: the weights (those of the engine), the best so far, the direction, and of each trial:

    radius: max_l ‖best_l − start_l‖_F. met: the step that met it, −1 for none. shrink, relaxation: how cautious it is.
    least_violation, waited: the least so far, and for how many steps there was no progress. momentum: in use.
    """

    _NAMES = ("radius", "met", "shrink", "relaxation", "least_violation", "waited", "momentum")

    def __init__(self, engine: DenseEngine) -> None:
        self._engine = engine
        self.step = 0
        self.over = False
        self.best = [layer.clone() for layer in engine.weights]
        self.direction = [torch.zeros_like(layer) for layer in engine.weights]

        def constant(value: float, dtype: torch.dtype = engine.dtype) -> torch.Tensor:
            return torch.full((len(engine.trials),), value, dtype=dtype, device=engine.device)

        self.radius = constant(math.inf)
        self.met = constant(-1, torch.int64)
        self.shrink = constant(_SHRINK)
        self.relaxation = constant(_FIRST_RELAXATION)
        self.least_violation = constant(math.inf)
        self.waited = constant(0, torch.int64)
        self.momentum = constant(0.0)

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """All of it, for a checkpoint."""
        yield "step", np.array([self.step, self.over])
        for name in self._NAMES:
            yield name, getattr(self, name).cpu().numpy()
        for name, layers in (("weights", self._engine.weights), ("best", self.best), ("direction", self.direction)):
            for number, layer in enumerate(layers):
                yield f"{name}.{number}", layer.cpu().numpy()

    def restore(self, kept: Arrays) -> None:
        """Go on from a checkpoint."""
        self.step, self.over = int(kept["step"][0]), bool(kept["step"][1])
        for name in self._NAMES:
            getattr(self, name).copy_(torch.from_numpy(kept[name]))
        count = len(self.best)
        self._engine.load_weights([kept[f"weights.{number}"] for number in range(count)])
        for name, layers in (("best", self.best), ("direction", self.direction)):
            for number, layer in enumerate(layers):
                layer.copy_(torch.from_numpy(kept[f"{name}.{number}"]))


def _search(
    engine: DenseEngine,
    y: torch.Tensor,
    needed: float,
    max_steps: int,
    on_step: Callable[[int], None] | None,
    checkpoint: Checkpoint | None = None,
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return the best weights found, (S, rows, cols) per layer, and the steps (S,) that met them (−1: none).

    Every decision is taken trial by trial, so that a trial's course does not depend on its companions.
    """
    weights = engine.weights
    start = [layer.clone() for layer in weights]
    aim = needed + _AIM * (1.0 + abs(needed))
    accept = needed + 1e-4 * (1.0 + abs(needed))  # float32 rounding must not undo it in float64
    at = _State(engine)
    kept = None if checkpoint is None else checkpoint.read()
    if kept is not None:
        at.restore(kept)
    margin = violation = torch.full_like(at.radius, math.nan)

    def slope(f: torch.Tensor) -> torch.Tensor:
        """∂‖h‖_p/∂f, each trial's share of the moving average of directions included."""
        nonlocal margin, violation
        margins = y * f
        margin = margins.amin(dim=1)
        h = (aim - margins).clamp_(min=0)
        norm = torch.linalg.vector_norm(h, ord=_HINGE_POWER, dim=1, keepdim=True)
        violation = norm[:, 0]
        share = (h / norm.clamp_min(1e-12)).pow_(_HINGE_POWER - 1.0)
        return share.mul_(y).mul_((at.momentum - 1.0)[:, None])

    while not at.over:
        for layer in at.direction:
            layer.mul_(at.momentum[:, None, None])
        engine.accumulate(at.direction, slope, decay=1.0, factor=1.0)

        better = margin > accept
        if bool(better.any()):
            distance = _norms(weights, start).amax(dim=1)
            better &= distance < at.radius
            rows = better.nonzero()[:, 0]
            for layer, best in zip(weights, at.best, strict=True):
                best[rows] = layer[rows]
            at.radius = torch.where(better, distance, at.radius)
            at.met[rows] = at.step
        found = at.met >= 0
        at.relaxation[better] = 1.0
        at.momentum = torch.where(found, _MOMENTUM, 0.0).to(engine.dtype)

        progress = better | (~found & (violation < 0.99 * at.least_violation))
        at.least_violation = torch.fmin(at.least_violation, violation)
        at.waited = torch.where(progress, 0, at.waited + 1)
        stuck = at.waited > _PATIENCE
        at.waited[stuck] = 0
        at.shrink[stuck & found] *= 0.5
        at.relaxation[stuck & ~found] *= 0.7
        if at.step == max_steps or bool((found & ((at.shrink < _LEAST_SHRINK) | (at.radius == 0))).all()):
            at.over = True
            break

        lengths = _norms(at.direction)
        length = at.relaxation * violation / lengths.sum(dim=1)
        scale = -length[:, None] / lengths
        lost = ~torch.isfinite(scale).all(dim=1)  # overflow, or nothing to descend along
        scale[lost] = 0.0
        if bool(lost.any()):  # back to the best so far, and more cautiously
            at.relaxation[lost] *= 0.5
            for layer, best, along in zip(weights, at.best, at.direction, strict=True):
                layer[lost] = best[lost]
                along[lost] = 0.0
        for column, (layer, along) in enumerate(zip(weights, at.direction, strict=True)):
            layer.addcmul_(scale[:, column, None, None], along)
        if bool(found.any()):
            ball = torch.where(found, at.radius * (1.0 - at.shrink), math.inf)
            inside = (ball[:, None] / _norms(weights, start).clamp_min(1e-30)).clamp_(max=1.0)
            for column, (layer, centre) in enumerate(zip(weights, start, strict=True)):
                torch.lerp(centre, layer, inside[:, column, None, None], out=layer)
        at.step += 1
        if on_step is not None:
            on_step(at.step)
        if checkpoint is not None and checkpoint.due():
            checkpoint.keep(at.arrays())
    if checkpoint is not None:
        checkpoint.finish(at.arrays())
    return at.best, at.met


def _norms(weights: Sequence[torch.Tensor], start: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
    """Return the Frobenius norms of the layers, or of their differences: (S, layers)."""
    layers = weights if start is None else (w - w0 for w, w0 in zip(weights, start, strict=True))
    return torch.stack([torch.linalg.vector_norm(layer, dim=(1, 2)) for layer in layers], dim=1)


def _worst_loss(network: Network, weights: Sequence[torch.Tensor], X: torch.Tensor, y: torch.Tensor) -> float:
    """Return max_i log(1 + e^{−y_i f(x_i)}) of one trial, in float64; inf where an output is not finite."""
    h = X.t()
    for layer in weights[:-1]:
        h = torch.relu(layer @ h)
    margin = float((y * (network.output_scale * (weights[-1] @ h))[0]).min())
    return float(np.logaddexp(0.0, -margin)) if math.isfinite(margin) else math.inf


def _distances(network: Network, weights: Sequence[torch.Tensor], seed: int, trial: int) -> list[float]:
    """Return ‖W_l − W_l^(0)‖_F of one trial in float64, W^(0) drawn anew from the seed."""
    distances = []
    for index, layer in enumerate(weights):
        square = 0.0
        for rows, block in initial_blocks(network, seed=seed, trial=trial, layer=index):
            moved = layer[rows] - torch.from_numpy(block).to(layer)
            square += float(moved.square().sum())
        distances.append(math.sqrt(square))
    return distances
