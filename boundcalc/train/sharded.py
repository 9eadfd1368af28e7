"""Training across processes: every weight matrix is cut up among them, for a layer that does not fit on one device.

    torchrun --nproc-per-node 4 -m boundcalc.train.sharded --data sphere:n=16,d=8 --network chen2019 -L 3 \\
        --alpha 0.5 -m 65536 --step-size 1e-5 --steps 20 --device cuda

prints the losses, the distances from the start and what a process held. In a program of one's own, which torchrun
starts in the same way:

    with process_mesh("cuda") as mesh:
        engine = ShardedEngine(network, X, trials=[0], seed=0, mesh=mesh)
        history = gradient_descent(engine, y, step_size=1e-5, iterations=20)  # the same in every process

W_1 … W_{K−1} are cut by rows, the one row W_K by columns (`torch.distributed.tensor`, DTensor), so that every process
holds the weights of its own units of each layer. With p processes and n inputs, a step sends, of each W_l, 1 < l < K,

    forward   h_{l−1} to all (all-gather), for W_l h_{l−1};
    backward  the parts of W_lᵀ δ_l to the processes whose units they are of (reduce-scatter), for δ_{l−1};

2(1 − 1/p)·S·m·n numbers a process, and no weight ever. The outputs are summed over the processes (S·n numbers). Cutting
every other matrix by columns, as Megatron does, sends as much in half as many messages; but W^(0) is drawn in blocks of
rows, and every process would have to draw all of those matrices. Fully sharded data parallelism (FSDP2) gathers a whole
W_l where it is used, which is what does not fit here.

Left out: online SGD, checkpoints, row_distances, CUDA graphs, and `boundcalc verify`, whose experiments ask for whole
weights. For what fits on one device, `DenseEngine` is faster.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Placement, Shard

from boundcalc.data import load
from boundcalc.errors import InputError, OutOfMemoryError
from boundcalc.train.dense import as_inputs
from boundcalc.train.descent import gradient_descent
from boundcalc.train.devices import available_bytes, full_precision, resolve_device
from boundcalc.train.engine import Slope
from boundcalc.train.networks import Network, check_trials, he_relu, initial_blocks, scaled_relu, two_layer

_DTYPES = {"float32": torch.float32, "float64": torch.float64}
_ROWS, _COLUMNS = 1, 2  # dimensions of W (S, rows, cols); units are rows of activations (S, units, n) as well
_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def peak_bytes(network: Network, n: int, trials: int, processes: int, dtype: torch.dtype = torch.float32) -> int:
    """Return the bytes that one of p processes allocates at most for a `ShardedEngine` of S = `trials` inits.

    Per init: its part of the weights, ⌈rows/p⌉·cols of each; on n inputs, its own activations and those of all units
    below the last hidden layer, and three times the largest layer's, for errors on their way. Besides, the inputs, the
    outputs, and the blocks in which W^(0) is drawn. Not counted: what the libraries keep for packing and sending.
    """
    hidden = [layer.rows for layer in network.layers[:-1]]
    own = [-(-rows // processes) for rows in hidden]
    entries = trials * sum(rows * layer.cols for rows, layer in zip(own, network.layers[:-1], strict=True))
    entries += trials * own[-1]
    entries += trials * n * (sum(own) + sum(hidden[:-1]) + 3 * max(hidden)) + n * network.d
    block = max(2**15, *(layer.cols for layer in network.layers))
    return entries * dtype.itemsize + 4 * trials * n * 8 + 24 * block


@contextmanager
def process_mesh(device: str = "cpu", timeout: float = 600.0) -> Iterator[DeviceMesh]:
    """Join the processes that torchrun started (gloo on CPUs, NCCL on GPUs, one GPU each); leave them at the end.

    device: auto, cpu or cuda. timeout: seconds after which a process that waits for another gives up. Raises InputError
    for a device that is not there, outside torchrun, and where the processes do not find each other.
    """
    kind = resolve_device(device).type
    missing = [name for name in _TORCHRUN if name not in os.environ]
    if missing:
        raise InputError(
            f"{missing[0]} is not set; start it with torchrun --nproc-per-node P -m boundcalc.train.sharded …"
        )
    if kind == "cuda":
        torch.cuda.set_device(resolve_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}"))
    try:
        distributed.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=timedelta(seconds=timeout))
    except (distributed.DistError, ValueError) as problem:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        reason = str(problem).strip().partition("\n")[0]
        raise InputError(f"the processes do not meet at {where} ({reason}); give them another --master-port") from None
    try:
        yield init_device_mesh(kind, (distributed.get_world_size(),))
    finally:
        distributed.destroy_process_group()


class _Activations(NamedTuple):
    """h_l: of the units of this process, and as much of it as its part of W_{l+1} is applied to."""

    own: torch.Tensor
    whole: torch.Tensor


class ShardedEngine:
    """The `Engine` whose weights are DTensors, a p-th of each in every one of p processes.

    To be used by all of them alike, each call by each: all of them get the same results, to the last bit. network, X,
    trials, seed, dtype: as for `DenseEngine`, of which it has the inits, and the losses but for rounding. mesh: one-
    dimensional, see `process_mesh`. Raises InputError as `DenseEngine` does, for a mesh of more dimensions, and where
    the processes were not given the same; before anything is allocated, OutOfMemoryError where `peak_bytes` exceeds
    what any of them has left (on CPUs: a fair share of what its machine has, LOCAL_WORLD_SIZE of them sharing it).
    """

    def __init__(
        self,
        network: Network,
        X: NDArray[np.float64] | torch.Tensor,
        *,
        trials: Sequence[int],
        seed: int,
        mesh: DeviceMesh,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if dtype not in _DTYPES.values():
            raise InputError(f"dtype {dtype}; use torch.float32 or torch.float64")
        if mesh.ndim != 1:
            raise InputError(f"a mesh of {mesh.ndim} dimensions; give one of one dimension, as process_mesh does")
        check_trials(seed, trials)
        self.network = network
        self.seed = int(seed)
        self._trials = tuple(int(trial) for trial in trials)
        self._mesh = mesh
        self._dtype = dtype
        cuda = mesh.device_type == "cuda"
        self._device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
        self._x = as_inputs(X, network, dtype, self._device)
        if not self._x.shape[0]:
            raise InputError("X has no rows; give at least one training input")
        self._require_agreement_and_room()
        self._weights = tuple(self._initial(layer) for layer in range(len(network.layers)))

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
        """Where this process's weights and the outputs live."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of weights and outputs."""
        return self._dtype

    @property
    def sharded_weights(self) -> tuple[DTensor, ...]:
        """The present weights themselves: one DTensor (S, rows, cols) per layer."""
        return self._weights

    @property
    def weight_bytes(self) -> int:
        """The bytes of the weights that this process holds."""
        return sum(weight.to_local().nbytes for weight in self._weights)

    def step(self, slope: Slope, step_size: float) -> torch.Tensor:
        """W_l ← W_l − step_size · ∇_{W_l} for every trained l; return f (S, n) from before the step.

        As `DenseEngine.accumulate` has it: ∇_{W_l} = δ_l h_{l−1}ᵀ, δ_{l−1} = 1[h_{l−1} > 0] ⊙ W_lᵀ δ_l.
        """
        layers, lowest = self.network.layers, self.network.trained_layers[0]
        with torch.no_grad(), full_precision(self._device, self._dtype):
            below, f = self._forward(self._x)
            error = (slope(f) * self.network.output_scale).unsqueeze(1)
            for layer in range(len(layers) - 1, lowest - 1, -1):
                weight = self._weights[layer].to_local()
                # The error passes through W_l before W_l changes.
                through = torch.bmm(weight.transpose(1, 2), error) if layer > lowest else None
                if layers[layer].trained:
                    weight.baddbmm_(error, below[layer].whole.transpose(1, 2), alpha=-step_size)
                if through is not None:
                    if layer < len(layers) - 1:
                        through = self._scattered(through)
                    error = torch.ops.aten.threshold_backward(through, below[layer].own, 0)
        return f

    def outputs(self, X: NDArray[np.float64] | torch.Tensor | None = None) -> torch.Tensor:
        """Return f (S, n') on the rows of X (n', d), or on the training inputs; larger X in pieces of n rows."""
        x = self._x if X is None else as_inputs(X, self.network, self._dtype, self._device)
        with torch.no_grad(), full_precision(self._device, self._dtype):
            return torch.cat([self._forward(piece)[1] for piece in x.split(self.n)], dim=1)

    def distances(self) -> torch.Tensor:
        """Return ‖W_l − W_l^(0)‖_F, float64 (S, number of trained layers) on the CPU, drawing W^(0) again."""
        trained = self.network.trained_layers
        squares = np.zeros((len(self._trials), len(trained)))
        for column, layer in enumerate(trained):
            present = self._weights[layer].to_local()
            for position, rows, start in self._initial_parts(layer):
                moved = present[position, rows].cpu().numpy() - start
                squares[position, column] += np.square(moved, dtype=np.float64).sum()
        return self._total(torch.from_numpy(squares).to(self._device)).sqrt().cpu()

    def _forward(self, x: torch.Tensor) -> tuple[list[_Activations], torch.Tensor]:
        """Return what each W_l is applied to, and f."""
        inputs = x.t().expand(len(self._trials), -1, -1)
        below = [_Activations(inputs, inputs)]
        for layer, weight in enumerate(self._weights[:-1]):
            own = torch.bmm(weight.to_local(), below[-1].whole).relu_()
            # The last matrix is cut by columns: it asks for this process's units alone.
            last = layer == len(self._weights) - 2
            below.append(_Activations(own, own if last else self._gathered(own, self.network.layers[layer].rows)))
        parts = torch.bmm(self._weights[-1].to_local(), below[-1].whole)
        return below, self._total(parts).squeeze(1) * self.network.output_scale

    def _gathered(self, own: torch.Tensor, units: int) -> torch.Tensor:
        """The activations (S, units, n) of all processes, of which this one has its own."""
        trials, _, columns = own.shape
        shared = DTensor.from_local(
            own,
            self._mesh,
            [Shard(_ROWS)],
            run_check=False,
            shape=torch.Size((trials, units, columns)),
            stride=(units * columns, columns, 1),
        )
        return shared.full_tensor()

    def _scattered(self, parts: torch.Tensor) -> torch.Tensor:
        """This process's units of the sum of all processes' parts (S, units, n)."""
        summands = DTensor.from_local(parts, self._mesh, [Partial()], run_check=False)
        return summands.redistribute(placements=[Shard(_ROWS)]).to_local()

    def _total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in each of them.

        Every entry is summed in one place and sent to all from there. Adding up in every process might round
        differently in each, and of two that see different losses, one may stop while the other waits for it for ever.
        """
        parts = DTensor.from_local(values, self._mesh, [Partial()], run_check=False)
        return parts.redistribute(placements=[Shard(values.ndim - 1)]).full_tensor()

    def _share(self, length: int) -> slice:
        """This process's part of so many rows or columns, as DTensor cuts them: pieces of ⌈length/p⌉, the last less."""
        piece = -(-length // self._mesh.size())
        start = min(self._mesh.get_local_rank() * piece, length)
        return slice(start, min(start + piece, length))

    def _initial(self, layer: int) -> DTensor:
        """W_layer^(0), of which no process draws more than the blocks that its own rows are in."""
        shape = self.network.layers[layer]
        by_columns = layer == len(self.network.layers) - 1
        part = self._share(shape.cols if by_columns else shape.rows)
        size = part.stop - part.start
        local_shape = (len(self._trials), shape.rows, size) if by_columns else (len(self._trials), size, shape.cols)
        local = torch.empty(local_shape, dtype=self._dtype, device=self._device)
        for position, rows, start in self._initial_parts(layer):
            local[position, rows] = torch.from_numpy(start).to(local)
        placement: Placement = Shard(_COLUMNS if by_columns else _ROWS)
        whole = torch.Size((len(self._trials), shape.rows, shape.cols))
        stride = (shape.rows * shape.cols, shape.cols, 1)
        return DTensor.from_local(local, self._mesh, [placement], run_check=False, shape=whole, stride=stride)

    def _initial_parts(self, layer: int) -> Iterator[tuple[int, slice, NDArray[np.float32]]]:
        """Yield W_layer^(0) as far as it is this process's: number of the trial, rows of the local part, entries."""
        shape = self.network.layers[layer]
        by_columns = layer == len(self.network.layers) - 1
        part = self._share(shape.cols if by_columns else shape.rows)
        wanted = slice(0, shape.rows) if by_columns else part
        for position, trial in enumerate(self._trials):
            for rows, block in initial_blocks(self.network, seed=self.seed, trial=trial, layer=layer, within=wanted):
                if by_columns:
                    yield position, rows, np.ascontiguousarray(block[:, part])
                else:
                    top, bottom = max(rows.start, part.start), min(rows.stop, part.stop)
                    mine = block[top - rows.start : bottom - rows.start]
                    yield position, slice(top - part.start, bottom - part.start), mine

    def _require_agreement_and_room(self) -> None:
        processes = self._mesh.size()
        facts = (self.network, self._trials, self.seed, str(self._dtype), tuple(self._x.shape))
        digest = hashlib.sha256(repr(facts).encode() + self._x.cpu().numpy().tobytes()).digest()
        fingerprint = int.from_bytes(digest[:6])
        needed = peak_bytes(self.network, self.n, len(self._trials), processes, self._dtype)
        available = available_bytes(self._device)
        if self._device.type == "cpu":
            available //= int(os.environ.get("LOCAL_WORLD_SIZE", processes))
        mine = torch.tensor([fingerprint, -fingerprint, needed - available], device=self._device)
        # All learn it of each other before any gives up, or those that do not would wait for ever.
        largest = DTensor.from_local(mine, self._mesh, [Partial("max")], run_check=False).full_tensor().tolist()
        if largest[0] != -largest[1]:
            raise InputError("the processes were given different networks, inputs, trials or seeds; give all the same")
        if largest[2] > 0:
            raise OutOfMemoryError(
                f"each of {processes} processes needs {needed / 2**30:.3g} GiB for width {self.network.width}, and one "
                f"has {largest[2] / 2**30:.3g} GiB less; use more processes, fewer trials or narrower nets"
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train as the command line says; process 0 prints the result as JSON.

    Bad input is one line on standard error, from process 0, and exit code 2 in all (torchrun adds a report of its own).
    """
    parser = argparse.ArgumentParser(prog="torchrun --nproc-per-node P -m boundcalc.train.sharded", allow_abbrev=False)
    parser.add_argument("--data", required=True, metavar="SOURCE", help="as of boundcalc verify")
    parser.add_argument("--network", choices=("chen2019", "cao2020", "two-layer"), default="chen2019")
    parser.add_argument("-L", type=int, default=3, help="weight matrices of chen2019, hidden layers of cao2020")
    parser.add_argument("--alpha", type=float, default=0.5, help="scaling exponent of chen2019")
    parser.add_argument("-m", type=int, required=True, help="width")
    parser.add_argument("--step-size", type=float, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--inits", type=int, default=1, help="how many, all at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtype", choices=tuple(_DTYPES), default="float32")
    parser.add_argument("--device", default="cpu", help="auto, cpu or cuda")
    options = parser.parse_args(arguments)
    try:
        result = _run(options)
    except InputError as problem:
        if os.environ.get("RANK", "0") == "0":
            print(problem, file=sys.stderr)
        raise SystemExit(2) from None
    if result is not None:
        print(json.dumps(result, indent=2))


def _run(options: argparse.Namespace) -> dict[str, object] | None:
    """Train; return what process 0 has to say."""
    data = load(options.data)
    if options.network == "chen2019":
        network = scaled_relu(options.L, options.m, data.d, options.alpha)
    elif options.network == "cao2020":
        network = he_relu(options.L, options.m, data.d)
    else:
        network = two_layer(options.m, data.d)
    dtype = _DTYPES[options.dtype]
    with process_mesh(options.device) as mesh:
        engine = ShardedEngine(network, data.X, trials=range(options.inits), seed=options.seed, mesh=mesh, dtype=dtype)
        history = gradient_descent(engine, data.y, step_size=options.step_size, iterations=options.steps)
        if mesh.get_local_rank():
            return None
        return {
            "network": network.name,
            "width": network.width,
            "processes": mesh.size(),
            "device": mesh.device_type,
            "loss": history.loss.tolist(),
            "distances": history.distances[:, -1].tolist(),
            "weight_bytes": len(engine.trials) * network.weight_bytes(dtype.itemsize),
            "weight_bytes_of_process_0": engine.weight_bytes,
        }


if __name__ == "__main__":
    main()
