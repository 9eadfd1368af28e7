"""Full-batch gradient descent on S inits at once, and the losses that it descends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.train.checkpoints import Arrays, Checkpointed
from boundcalc.train.devices import Arriving
from boundcalc.train.engine import CapturableEngine, Engine, RestorableEngine, Slope
from boundcalc.train.graphs import WORTHWHILE, Replayed

Labels = NDArray[np.float64] | torch.Tensor

Measure = Callable[[], Mapping[str, NDArray[np.float64]]]
"""Measures something at the present weights: arrays (S, …) by name. It has no other effect."""

_BLOCK = 4096
"""Steps after which their losses are put together."""

_BEHIND = 32
"""Steps that the host lets pass on a GPU before it looks whether all trials had been settled by then."""


@dataclass(frozen=True)
class History:
    """What gradient descent did; T' is the number of steps taken, S the number of trials.

    loss: (S, T'+1) training loss, L_S(W^(t)) unless another was asked for, t = 0..T'; inf from where a trial's outputs
    stopped being finite. first_reached: (S,) the first t with loss ≤ target, −1 where there is none (or no target).
    distance_steps: (k,) increasing steps t; distances: (S, k, trained layers) ‖W_l^(t) − W_l^(0)‖_F there.
    surrogate: (S, T'+1) the surrogate error E_S(W^(t)), or None unless it was asked for. measured: what `measure` gave
    at the distance steps, (S, k, …) by name.
    """

    loss: NDArray[np.float64]
    first_reached: NDArray[np.int64]
    distance_steps: NDArray[np.int64]
    distances: NDArray[np.float64]
    surrogate: NDArray[np.float64] | None = None
    measured: Mapping[str, NDArray[np.float64]] = field(default_factory=lambda: MappingProxyType({}))

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


def square_loss(f: torch.Tensor, y: Labels) -> torch.Tensor:
    """Return ½ Σ_i (f_i − y_i)², float64 (S,), for f (S, n) and y (n,): a sum over the examples, as in du2019.

    inf for a trial with an output that is not finite.
    """
    loss = (f.double() - _on(y, f, torch.float64)).square_().sum(dim=1).mul_(0.5)
    return torch.where(torch.isfinite(loss), loss, math.inf)


def square_slope(y: Labels) -> Slope:
    """Return the slope of `square_loss`: f (S, n) ↦ f_si − y_i, for `Engine.step`."""
    return lambda f: f - _on(y, f, f.dtype)


@dataclass(frozen=True)
class Loss:
    """A training loss: its value, float64 (S,), of outputs f (S, n) and labels y (n,), and its slope in f."""

    value: Callable[[torch.Tensor, Labels], torch.Tensor]
    slope: Callable[[Labels], Slope]


LOGISTIC = Loss(logistic_loss, logistic_slope)
SQUARE = Loss(square_loss, square_slope)


def gradient_descent(
    engine: Engine,
    y: Labels,
    *,
    step_size: float,
    iterations: int,
    loss: Loss = LOGISTIC,
    target: float | None = None,
    distance_steps: Sequence[int] = (),
    on_step: Callable[[int], None] | None = None,
    stop_when_reached: bool = False,
    record_surrogate: bool = False,
    measure: Measure | None = None,
) -> History:
    """Run W^(t+1) = W^(t) − step_size · ∇L(W^(t)) for t = 0..iterations−1 on every trial of the engine.

    y: (n,) labels ±1. loss: L, the logistic loss L_S unless given. target: loss level for `first_reached`.
    distance_steps: steps at which to measure ‖W_l^(t) − W_l^(0)‖_F (the final one always is). stop_when_reached: stop
    as soon as no trial can still reach the target for the first time, i.e. each has reached it or diverged; the step in
    progress is completed, so T' may exceed the last `first_reached` by one — on a GPU by up to 64, as it is asked every
    32 steps only and answers 32 steps later. `first_reached` is the same. on_step(t) is called after each step, t =
    1, 2, …. measure: called at the distance steps, at the weights W^(t), for `History.measured`.

    On a GPU the host does not wait for it between measurements and checkpoints, and the steps of a long training with
    an engine that is `capturable` are replayed as a CUDA graph (the host waits once, when it is recorded).

    With a `Checkpointed` on_step, weights and history are kept now and then; a later call of the same training goes on
    from there, with the very same result, and on_step hears of the steps that are left. What is gathered on the way has
    to come from `measure` then, not from on_step.

    Raises InputError for a step size that is not positive and finite, negative iterations, labels other than ±1 or too
    few, distance steps outside 0..iterations, stop_when_reached without a target, or a checkpoint that cannot be
    written.
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
    slope = loss.slope(labels.to(engine.dtype))

    course = _Course(engine, loss, record_surrogate, target if stop_when_reached else None)
    checkpoint = None
    if isinstance(on_step, Checkpointed) and isinstance(engine, RestorableEngine):
        facts = {
            "network": engine.network.name,
            "trials": list(engine.trials),
            "n": engine.n,
            "dtype": str(engine.dtype),
            "device": engine.device.type,
            "step_size": float(step_size),
            "iterations": int(iterations),
            "target": None if target is None else float(target),
            "distance_steps": [int(t) for t in distance_steps],
            "stop_when_reached": bool(stop_when_reached),
            "behind": course.behind,
            "record_surrogate": bool(record_surrogate),
            "measured": measure is not None,
        }
        checkpoint = on_step.checkpoints.begin(facts, sum(weight.nbytes for weight in engine.weights))
        kept = checkpoint.read()
        if kept is not None:
            course.restore(kept)

    def look(t: int) -> None:
        """Measure what is due at W^(t)."""
        course.measured_at.append(t)
        course.distances.append(engine.distances().numpy())
        for name, values in (measure() if measure is not None else {}).items():
            course.measured.setdefault(name, []).append(np.array(values, dtype=np.float64))

    def advance() -> tuple[torch.Tensor, ...]:
        """One step, of which the host learns nothing."""
        return course.values(engine.step(slope, step_size), labels)

    capturable = isinstance(engine, CapturableEngine) and engine.capturable
    take = Replayed(advance, engine.device) if capturable and iterations - course.taken >= WORTHWHILE else advance
    due = set(distance_steps)
    for t in range(course.taken, iterations):
        if course.over:
            break
        if t in due:
            look(t)
        course.note(take())
        course.taken = t + 1
        if on_step is not None:
            on_step(course.taken)
        course.look_whether_over()
        if checkpoint is not None and checkpoint.due():
            checkpoint.keep(course.arrays())
    if checkpoint is not None:
        checkpoint.finish(course.arrays())
    course.note(course.values(engine.outputs(), labels))
    look(course.taken)

    losses = course.losses.values()
    reached = np.zeros(losses.shape, dtype=bool) if target is None else losses <= target
    return History(
        loss=losses,
        first_reached=np.where(reached.any(axis=1), reached.argmax(axis=1), -1).astype(np.int64),
        distance_steps=np.asarray(course.measured_at, dtype=np.int64),
        distances=np.stack(course.distances, axis=1),
        surrogate=course.errors.values() if course.errors is not None else None,
        measured={name: np.stack(values, axis=1) for name, values in course.measured.items()},
    )


class _Series:
    """A growing series of (S,) numbers; every so many of them are put together and sent to the CPU.

    A tensor for every step would take ten times the memory, and minutes to put together after 10^7 steps.
    """

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.float64]] = []
        self._arriving: Arriving | None = None
        self._latest: list[torch.Tensor] = []

    def append(self, values: torch.Tensor) -> None:
        """Add one step's."""
        self._latest.append(values)
        if len(self._latest) == _BLOCK:
            self._gather()

    def rows(self) -> NDArray[np.float64]:
        """All of it, (T, S)."""
        self._gather()
        self._receive()
        return np.concatenate(self._blocks)

    def values(self) -> NDArray[np.float64]:
        """All of it, (S, T)."""
        return np.ascontiguousarray(self.rows().T)

    def restore(self, rows: NDArray[np.float64]) -> None:
        """Begin with these (T, S)."""
        self._blocks, self._arriving, self._latest = [rows], None, []

    def _gather(self) -> None:
        if self._latest:
            self._receive()  # that of a block ago, which has been there for long
            self._arriving = Arriving(torch.stack(self._latest))
            self._latest = []

    def _receive(self) -> None:
        if self._arriving is not None:
            self._blocks.append(self._arriving.read())
            self._arriving = None


class _Course:
    """How far a training is: everything that the rest of it depends on."""

    def __init__(self, engine: Engine, loss: Loss, record_surrogate: bool, stop_at: float | None) -> None:
        self._engine, self._loss, self._stop_at = engine, loss, stop_at
        self.taken = 0
        self.over = False
        self.settled = torch.zeros(len(engine.trials), dtype=torch.bool, device=engine.device)
        # Bringing an answer from a GPU takes as long as all that is queued on it, and the queue runs dry meanwhile. An
        # answer that is asked for at fixed steps, and read at fixed steps, stops every run of a training at the same.
        self.behind = _steps_behind(engine.device)
        self._answer: Arriving | None = None
        self.losses = _Series()
        self.errors = _Series() if record_surrogate else None
        self.measured_at: list[int] = []
        self.distances: list[NDArray[np.float64]] = []
        self.measured: dict[str, list[NDArray[np.float64]]] = {}

    def values(self, f: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What is to be noted of these outputs; besides, it notes on the device which trials are settled by them."""
        present = self._loss.value(f, labels)
        if self._stop_at is not None:
            self.settled |= (present <= self._stop_at) | ~torch.isfinite(present)
        return (present,) if self.errors is None else (present, surrogate_error(f, labels))

    def note(self, values: tuple[torch.Tensor, ...]) -> None:
        """Note them."""
        self.losses.append(values[0])
        if self.errors is not None:
            self.errors.append(values[1])

    def look_whether_over(self) -> None:
        """See whether every trial is settled, or was a while ago."""
        if self._stop_at is None:
            return
        if not self.behind:
            self.over = bool(self.settled.all())
        elif self.taken % self.behind == 0:
            self.over = self._answer is not None and bool(self._answer.read())
            self._answer = Arriving(self.settled.all())

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """All of it, for a checkpoint."""
        assert isinstance(self._engine, RestorableEngine)
        answer = self._answer is not None and bool(self._answer.read())
        yield "taken", np.array([self.taken, self.over, answer], dtype=np.int64)
        yield "settled", self.settled.cpu().numpy()
        yield "losses", self.losses.rows()
        if self.errors is not None:
            yield "errors", self.errors.rows()
        yield "measured_at", np.array(self.measured_at, dtype=np.int64)
        if self.distances:
            yield "distances", np.stack(self.distances)
        for name, values in self.measured.items():
            yield f"measured.{name}", np.stack(values)
        for layer, weight in enumerate(self._engine.weights):
            yield f"weights.{layer}", weight.cpu().numpy()

    def restore(self, kept: Arrays) -> None:
        """Go on from a checkpoint."""
        assert isinstance(self._engine, RestorableEngine)
        self._engine.load_weights([kept[f"weights.{layer}"] for layer in range(len(self._engine.weights))])
        taken, over, answer = kept["taken"]
        self.taken, self.over = int(taken), bool(over)
        self._answer = Arriving(torch.tensor(bool(answer)))
        self.settled.copy_(torch.from_numpy(kept["settled"]))
        self.losses.restore(kept["losses"])
        if self.errors is not None:
            self.errors.restore(kept["errors"])
        self.measured_at = [int(t) for t in kept["measured_at"]]
        self.distances = list(kept["distances"]) if "distances" in kept else []
        for name, values in kept.items():
            if name.startswith("measured."):
                self.measured[name.removeprefix("measured.")] = list(values)


def _steps_behind(device: torch.device) -> int:
    return 0 if device.type == "cpu" else _BEHIND


def _on(y: Labels, f: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    signs = torch.tensor(y) if isinstance(y, np.ndarray) else y
    if signs.shape != f.shape[1:]:
        raise InputError(f"y of shape {tuple(signs.shape)} for outputs of shape {tuple(f.shape)}; give (n,)")
    return signs.to(f.device, dtype)
