"""Full-batch gradient descent on S inits at once, and the logistic loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.train.engine import Engine, Slope

Labels = NDArray[np.float64] | torch.Tensor


@dataclass(frozen=True)
class History:
    """What gradient descent did; T' is the number of steps taken, S the number of trials.

    loss: (S, T'+1) training loss L_S(W^(t)), t = 0..T'; inf from where a trial's outputs stopped being
    finite. first_reached: (S,) the first t with loss ≤ target, −1 where there is none (or no target).
    distance_steps: (k,) increasing steps t; distances: (S, k, trained layers) ‖W_l^(t) − W_l^(0)‖_F there.
    surrogate: (S, T'+1) the surrogate error E_S(W^(t)), or None unless it was asked for.
    """

    loss: NDArray[np.float64]
    first_reached: NDArray[np.int64]
    distance_steps: NDArray[np.int64]
    distances: NDArray[np.float64]
    surrogate: NDArray[np.float64] | None = None

    @property
    def steps(self) -> int:
        """Number of steps taken, T'."""
        return int(self.loss.shape[1]) - 1

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """(S,) whether the trial's outputs ever stopped being finite."""
        return np.asarray(~np.isfinite(self.loss).all(axis=1))


def logistic_loss(f: torch.Tensor, y: Labels) -> torch.Tensor:
    """Return L_S = (1/n) Σ_i log(1 + e^{−y_i f_i}), float64 (S,), for f (S, n) and y (n,).

    inf for a trial with an output that is not finite: it has diverged, even if the sign of an infinite output
    would make its loss 0.
    """
    margins = f.double() * _on(y, f, torch.float64)
    loss = -torch.nn.functional.logsigmoid(margins).mean(dim=1)
    # The sum of the margins is finite iff each is (their size is far from float64's limit in float32; in
    # float64 an overflowing sum is divergence as well), at a tenth of the cost of an element-wise test.
    return torch.where(torch.isfinite(margins.sum(dim=1)), loss, math.inf)


def surrogate_error(f: torch.Tensor, y: Labels) -> torch.Tensor:
    """Return E_S = (1/n) Σ_i 1/(1 + e^{y_i f_i}) (cao2020, Def. 3.2), float64 (S,), for f (S, n), y (n,).

    inf for a trial with an output that is not finite.
    """
    margins = f.double() * _on(y, f, torch.float64)
    error = torch.sigmoid(-margins).mean(dim=1)
    return torch.where(torch.isfinite(margins.sum(dim=1)), error, math.inf)


def logistic_slope(y: Labels) -> Slope:
    """Return the slope of L_S: f (S, n) ↦ −(y_i/n) / (1 + e^{y_i f_si}), for `Engine.step`."""

    def slope(f: torch.Tensor) -> torch.Tensor:
        signs = _on(y, f, f.dtype)
        return torch.sigmoid(-signs * f).mul_(signs).mul_(-1.0 / f.shape[1])

    return slope


def gradient_descent(
    engine: Engine,
    y: Labels,
    *,
    step_size: float,
    iterations: int,
    target: float | None = None,
    distance_steps: Sequence[int] = (),
    on_step: Callable[[int], None] | None = None,
    stop_when_reached: bool = False,
    record_surrogate: bool = False,
) -> History:
    """Run W^(t+1) = W^(t) − step_size · ∇L_S(W^(t)) for t = 0..iterations−1 on every trial of the engine.

    y: (n,) labels ±1. target: loss level for `first_reached`. distance_steps: steps at which to measure
    ‖W_l^(t) − W_l^(0)‖_F (the final one always is). stop_when_reached: stop as soon as no trial can still
    reach the target for the first time, i.e. each has reached it or diverged; the step in progress is
    completed, so T' may exceed the last `first_reached` by one. on_step(t) is called after each step, t =
    1, 2, …. Raises InputError for a step size that is not positive and finite, negative iterations, labels
    other than ±1 or too few, distance steps outside 0..iterations, or stop_when_reached without a target.
    """
    if not (step_size > 0 and math.isfinite(step_size)):
        raise InputError(f"step size {step_size!r}; use a positive number")
    if isinstance(iterations, bool) or not isinstance(iterations, (int, np.integer)) or iterations < 0:
        raise InputError(f"iterations {iterations!r}; use a whole number ≥ 0")
    if stop_when_reached and target is None:
        raise InputError("stop_when_reached needs a target loss; give target=…")
    wrong = [t for t in distance_steps if not 0 <= t <= iterations]
    if wrong:
        raise InputError(f"distance step {wrong[0]!r} is outside 0..{iterations}; choose one within the run")
    labels = torch.tensor(np.asarray(y, dtype=np.float64)) if isinstance(y, np.ndarray) else y.double()
    if labels.shape != (engine.n,) or not bool((labels.abs() == 1).all()):
        raise InputError(f"labels of shape {tuple(labels.shape)}; give {engine.n} labels, each −1 or +1")
    labels = labels.to(engine.device)
    slope = logistic_slope(labels.to(engine.dtype))

    due = set(distance_steps)
    measured: list[int] = []
    distances: list[torch.Tensor] = []
    losses: list[torch.Tensor] = []
    errors: list[torch.Tensor] = []
    settled = torch.zeros(len(engine.trials), dtype=torch.bool, device=engine.device)

    def record(f: torch.Tensor) -> None:
        losses.append(logistic_loss(f, labels))
        if record_surrogate:
            errors.append(surrogate_error(f, labels))

    taken = 0
    for t in range(iterations):
        if t in due:
            measured.append(t)
            distances.append(engine.distances())
        record(engine.step(slope, step_size))
        taken = t + 1
        if on_step is not None:
            on_step(taken)
        if stop_when_reached and target is not None:
            settled |= (losses[-1] <= target) | ~torch.isfinite(losses[-1])
            if bool(settled.all()):
                break
    record(engine.outputs())
    measured.append(taken)
    distances.append(engine.distances())

    loss = torch.stack(losses, dim=1).cpu().numpy()
    reached = np.zeros(loss.shape, dtype=bool) if target is None else loss <= target
    return History(
        loss=loss,
        first_reached=np.where(reached.any(axis=1), reached.argmax(axis=1), -1).astype(np.int64),
        distance_steps=np.asarray(measured, dtype=np.int64),
        distances=torch.stack(distances, dim=1).numpy(),
        surrogate=torch.stack(errors, dim=1).cpu().numpy() if record_surrogate else None,
    )


def _on(y: Labels, f: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    signs = torch.tensor(y) if isinstance(y, np.ndarray) else y
    if signs.shape != f.shape[1:]:
        raise InputError(f"y of shape {tuple(signs.shape)} for outputs of shape {tuple(f.shape)}; give (n,)")
    return signs.to(f.device, dtype)
