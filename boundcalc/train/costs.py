"""What a training costs: bytes and operations of every engine, and the rates that this machine was measured at.

A model, to choose between engines and to say beforehand how long a run takes: it counts matrix products alone, and its
seconds are within a factor of about two of the truth where these dominate (see benchmarks/ladder.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from boundcalc.train import dense, infinite, matrixfree
from boundcalc.train.devices import full_precision
from boundcalc.train.networks import Network

_PROBE = 1024
"""Rows of the matrices that rates are measured with: 4 to 8 MB, more than caches close to a core hold."""

_ELSE = 1.6
"""All that a training does, in its products at the rates of large matrices: 1.2 to 2.3 was measured on a CPU."""

_OVERHEAD = {"cpu": 2e-5, "cuda": 8e-6}
"""Seconds that a call takes apart from its arithmetic."""


@dataclass(frozen=True)
class Cost:
    """What training takes: bytes held at most, floating-point operations, bytes moved through memory, calls."""

    bytes: int
    operations: float
    traffic: float
    calls: float


@dataclass(frozen=True)
class Rates:
    """What a device does in a second: operations of large matrix products, bytes of a matrix read by thin ones."""

    operations: float
    traffic: float
    overhead: float

    def seconds(self, cost: Cost) -> float:
        """An estimate of the time: arithmetic or memory, whichever takes longer, and the calls."""
        products = max(cost.operations / self.operations, cost.traffic / self.traffic)
        return _ELSE * products + cost.calls * self.overhead


def dense_cost(network: Network, n: int, trials: int, steps: int, dtype: torch.dtype) -> Cost:
    """Of `DenseEngine`: a step passes four times over every trained matrix, with 6n operations for each of its entries.

    (W h reads it; Wᵀδ reads it; W − ηδhᵀ reads and writes it.)
    """
    entries = trials * network.weight_count
    return Cost(
        bytes=dense.peak_bytes(network, n, trials, dtype),
        operations=6.0 * n * entries * steps,
        traffic=4.0 * dtype.itemsize * entries * steps,
        calls=8.0 * len(network.layers) * steps,
    )


def matrixfree_cost(network: Network, n: int, trials: int, steps: int, held_out: int) -> Cost:
    """Of `MatrixFreeEngine`: products of bases, read row by row, with n vectors at a time."""
    operations = matrixfree.operations(network, n, trials, steps)
    hidden = len(network.layers) - 2
    return Cost(
        bytes=matrixfree.peak_bytes(network, n, trials, steps, held_out),
        operations=operations,
        traffic=operations * 8 / (2.0 * n),  # an entry of 8 bytes meets n vectors, two operations each
        calls=100.0 * max(hidden, 1) * steps,
    )


def infinite_cost(limit: infinite.Limit, n: int, trials: int, steps: int, held_out: int) -> Cost:
    """Of `InfiniteEngine`: kernels, f_0, and one product with the n × n kernel a step."""
    operations = infinite.operations(limit, n, trials, steps, held_out)
    return Cost(
        bytes=infinite.peak_bytes(limit, n, trials, held_out),
        operations=operations,
        traffic=8.0 * float(n) ** 2 * steps,
        calls=8.0 * steps,
    )


def measure_rates(device: torch.device, dtype: torch.dtype) -> Rates:
    """Measure a device's rates; takes well under a second."""
    square = torch.ones((_PROBE, _PROBE), dtype=dtype, device=device)
    out = torch.empty_like(square)
    # Read row by row, as weights and bases are: many times what caches hold.
    tall = torch.ones((16 * _PROBE, _PROBE), dtype=dtype, device=device)
    thin = torch.ones((_PROBE, 4), dtype=dtype, device=device)
    product = torch.empty((16 * _PROBE, 4), dtype=dtype, device=device)

    def seconds(a: torch.Tensor, b: torch.Tensor, into: torch.Tensor) -> float:
        taken = []
        with full_precision(device, dtype):
            for _ in range(4):  # the first one warms up
                _wait(device)
                start = time.perf_counter()
                torch.mm(a, b, out=into)
                _wait(device)
                taken.append(time.perf_counter() - start)
        return min(taken[1:])

    return Rates(
        operations=2.0 * _PROBE**3 / seconds(square, square, out),
        traffic=tall.numel() * dtype.itemsize / seconds(tall, thin, product),
        overhead=_OVERHEAD[device.type],
    )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
