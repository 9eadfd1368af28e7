"""Steps that are launched as one: a CUDA graph holds all kernels of a step, and the host hands it over in one call.

A step of a narrow network is some forty small kernels, which take a GPU less time than the host needs to launch them
one by one. Wide networks gain nothing by it, and lose nothing but the cuBLAS workspace that a graph keeps (a few MiB
up to 32).
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable

import torch

Step = Callable[[], tuple[torch.Tensor, ...]]
"""Does something to tensors that stay where they are, and returns new tensors about it."""

WORTHWHILE = 256
"""Steps from which on recording pays: it takes some ten milliseconds, and saves the order of 0.1 ms a step."""

_WARM_UP = 3
"""Steps before the recording: libraries are loaded, and their algorithms chosen, when a kernel first runs."""


def capture(step: Step, device: torch.device) -> Step:
    """Record the kernels of `step` as a CUDA graph, running none of them; return what runs them all.

    The step has to launch the same kernels on the same memory each time, and must not wait for any. Raises RuntimeError
    where it does not, or where the device has no memory left for it.
    """
    graph = torch.cuda.CUDAGraph()
    # The outer `stream` gives the present stream back even when ending the recording fails. Other threads may go on
    # allocating meanwhile: "thread_local".
    with torch.cuda.device(device):
        stream = _recording_stream(torch.cuda.current_device())
        with torch.cuda.stream(stream), torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            results = step()

    def replay() -> tuple[torch.Tensor, ...]:
        graph.replay()
        return tuple(result.clone() for result in results)  # the next replay writes over them

    return replay


@functools.cache
def _recording_stream(index: int) -> torch.cuda.Stream:
    # One for all recordings on a device: cuBLAS keeps a workspace for every stream that it has ever been used on.
    return torch.cuda.Stream(index)


class Replayed:
    """A step that runs as it is a few times, is recorded then, and from there on replayed: every call is one step.

    Where it cannot be recorded, a RuntimeWarning says why, and it goes on as it is.
    """

    def __init__(
        self, step: Step, device: torch.device, recorder: Callable[[Step, torch.device], Step] = capture
    ) -> None:
        self._step, self._device, self._recorder = step, device, recorder
        self._calls = 0

    def __call__(self) -> tuple[torch.Tensor, ...]:
        """Take one step."""
        if self._calls == _WARM_UP:
            self._record()
        self._calls += 1
        return self._step()

    def _record(self) -> None:
        try:
            self._step = self._recorder(self._step, self._device)
        except RuntimeError as problem:
            reason = str(problem).strip().partition("\n")[0]
            warnings.warn(
                f"no CUDA graph could be made of a step ({reason}); its kernels are launched one by one",
                RuntimeWarning,
                stacklevel=3,
            )
