"""The one protocol that every training engine follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.train.networks import Network

Slope = Callable[[torch.Tensor], torch.Tensor]
"""Maps outputs f (S, n) to ∂(objective of trial s)/∂f_si (S, n), in the dtype of f."""


class Engine(Protocol):
    """Trains S inits of one network on inputs X (n, d), all at once, by full-batch gradient descent."""

    @property
    def trials(self) -> tuple[int, ...]:
        """Trial numbers of the S inits; the init of a trial does not depend on the others."""
        ...

    @property
    def n(self) -> int:
        """Number of training inputs."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the outputs live."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the outputs."""
        ...

    def step(self, slope: Slope, step_size: float) -> torch.Tensor:
        """Take one step W ← W − step_size · ∇_W on every trial; return f (S, n) at the weights BEFORE it."""
        ...

    def outputs(self, X: NDArray[np.float64] | torch.Tensor | None = None) -> torch.Tensor:
        """Return f (S, n') at the present weights on the rows of X (n', d); default: the training inputs."""
        ...

    def distances(self) -> torch.Tensor:
        """Return ‖W_l − W_l^(0)‖_F, float64 (S, number of trained layers), on the CPU."""
        ...


@runtime_checkable
class OnlineEngine(Engine, Protocol):
    """An engine that also steps on one input at a time, each trial on one of its own."""

    network: Network

    def online_step(self, X: torch.Tensor, slope: Slope, step_size: float) -> torch.Tensor:
        """Take one step on row s of X (S, d) for each trial s; slope maps f (S, 1); return f (S,) from before it."""
        ...


@runtime_checkable
class CapturableEngine(Engine, Protocol):
    """An engine that can say whether its steps may be recorded once and replayed (see `boundcalc.train.graphs`)."""

    @property
    def capturable(self) -> bool:
        """Whether a step launches the same kernels on the same memory each time, and the host waits for none."""
        ...


@runtime_checkable
class RestorableEngine(Engine, Protocol):
    """An engine whose whole state is its weights, so that it can go on from a copy of them."""

    network: Network

    @property
    def weights(self) -> tuple[torch.Tensor, ...]:
        """The present weights themselves: one (S, rows, cols) per layer."""
        ...

    def load_weights(self, weights: Sequence[torch.Tensor | NDArray[np.float64]]) -> None:
        """Copy the given weights, of the same shapes, over the present ones."""
        ...
