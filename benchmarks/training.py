"""Measure the dense engine: throughput, share of the matrix products' speed, peak memory.

    python benchmarks/training.py [--json FILE] [--device cpu|cuda] [--repeats N] [--tiny]

Three ratios, each of numbers measured in this one run, at sizes and with targets that fit the device (`SIZES`):
(a) inits/s of DenseEngine (with the loss of every step recorded) over those of an nn.Module trained by autograd and
    torch.optim.SGD, one init after the other; the two alternate, medians over the repeats. The target on CUDA is
    20, for 256 inits at m = 256; there it is also measured without CUDA graphs.
(b) share of the floating-point rate of the very matrix products that a gradient-descent step consists of, and of a
    square product of the same width, that the full step reaches. The target on CUDA is 0.7, at m = 16384, n = 1024.
(c) peak resident memory of training (init, steps, distances) over the bytes of the weights, in a process of its own,
    beyond (1) an interpreter that has imported torch, (2) one that has also trained a tiny network. The difference of
    the two, some 15 MB, is code of the libraries that is read in when it first runs; so it is measured at two depths.

--tiny runs everything at sizes that only show that it runs.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from boundcalc.train.dense import DenseEngine, peak_bytes
from boundcalc.train.descent import gradient_descent, logistic_slope
from boundcalc.train.devices import resolve_device
from boundcalc.train.networks import Network, initial_weights, scaled_relu

SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "cpu": {
        "throughput": {"m": 64, "inits": 64, "plain_inits": 64, "n": 128, "L": 3, "steps": 20, "target": 2.0},
        "kernels": {"m": 1024, "n": 128, "L": 3, "d": 64, "steps": 20, "target": 0.75},
        "memory": {"m": 4096, "n": 128, "d": 64, "steps": 4},
    },
    "cuda": {
        # The rate of training one by one does not depend on how many of them there are.
        "throughput": {"m": 256, "inits": 256, "plain_inits": 8, "n": 128, "L": 3, "steps": 1000, "target": 20.0},
        "kernels": {"m": 16384, "n": 1024, "L": 3, "d": 64, "steps": 5, "target": 0.7},
        "memory": {"m": 16384, "n": 128, "d": 64, "steps": 4},
    },
    "tiny": {
        "throughput": {"m": 16, "inits": 8, "plain_inits": 2, "n": 8, "L": 3, "steps": 300, "target": None},
        "kernels": {"m": 64, "n": 16, "L": 3, "d": 8, "steps": 5, "target": None},
        "memory": {"m": 256, "n": 16, "d": 8, "steps": 4},
    },
}


class OneByOne(DenseEngine):
    """Launches the kernels of a step one by one, on CUDA as well."""

    capturable = False


def problem(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True), np.sign(generator.standard_normal(n))


def seconds_now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class PlainNetwork(torch.nn.Module):
    """chen2019's network as one would write it for autograd."""

    def __init__(self, network: Network, weights: tuple[torch.Tensor, ...], trial: int) -> None:
        super().__init__()
        modules: list[torch.nn.Module] = []
        for layer, weight in zip(network.layers, weights, strict=True):
            linear = torch.nn.Linear(layer.cols, layer.rows, bias=False, device=weight.device)
            with torch.no_grad():
                linear.weight.copy_(weight[trial])
            modules += [linear, torch.nn.ReLU()]
        self.body = torch.nn.Sequential(*modules[:-1])
        self.scale = network.output_scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * self.body(x).squeeze(1)


def throughput(
    device: torch.device, repeats: int, m: int, inits: int, plain_inits: int, n: int, L: int, steps: int,
    target: float | None,
) -> dict[str, Any]:  # fmt: skip
    x, y = problem(n, m)
    network = scaled_relu(L, m, m, 0.5)
    step_size = 0.5 / (L * m)
    weights = initial_weights(network, seed=0, trials=range(plain_inits), device=device)
    xt, yt = (torch.tensor(a, dtype=torch.float32, device=device) for a in (x, y))

    def ours() -> np.ndarray:
        return gradient_descent(engine, y, step_size=step_size, iterations=steps).loss[:, -1]

    def plain() -> np.ndarray:
        final = []
        for module in modules:
            optimizer = torch.optim.SGD(module.parameters(), lr=step_size)
            for _ in range(steps):
                optimizer.zero_grad(set_to_none=True)
                loss = torch.nn.functional.softplus(-yt * module(xt)).mean()
                loss.backward()
                optimizer.step()
            with torch.no_grad():
                final.append(torch.nn.functional.softplus(-yt * module(xt)).mean().item())
        return np.array(final)

    calls = {"dense": (DenseEngine, ours, inits), "plain": (None, plain, plain_inits)}
    if device.type == "cuda":
        calls["dense_without_graph"] = (OneByOne, ours, inits)
    times: dict[str, list[float]] = {name: [] for name in calls}
    agreement = 0.0
    for repeat in range(repeats + 1):  # the first is the warm-up
        results: dict[str, np.ndarray] = {}
        for name, (kind, call, _) in calls.items():
            if kind is None:
                modules = [PlainNetwork(network, weights, trial) for trial in range(plain_inits)]
            else:
                engine = kind(network, x, trials=range(inits), seed=0, device=device)
            start = seconds_now(device)
            results[name] = call()
            if repeat:
                times[name].append(seconds_now(device) - start)
        agreement = max(agreement, float(np.abs(results["dense"][:plain_inits] - results["plain"]).max()))
    rates = {name: calls[name][2] * steps / statistics.median(values) for name, values in times.items()}
    return {
        "m": m, "inits": inits, "n": n, "L": L, "steps": steps,
        **{f"{name}_inits_steps_per_s": rate for name, rate in rates.items()},
        "ratio": rates["dense"] / rates["plain"], "target": target,
        "largest_difference_of_final_losses": agreement,
    }  # fmt: skip


def step_flops(network: Network, n: int) -> int:
    """2·n·(3·Σ rows·cols − rows_1·cols_1): forward, gradient, and back-propagation except into the inputs."""
    first = network.layers[0]
    return 2 * n * (3 * network.weight_count - first.rows * first.cols)


def kernel_share(
    device: torch.device, repeats: int, m: int, n: int, L: int, d: int, steps: int, target: float | None
) -> dict[str, Any]:
    x, y = problem(n, d)
    network = scaled_relu(L, m, d, 0.5)
    engine = DenseEngine(network, x, trials=[0], seed=0, device=device)
    slope = logistic_slope(torch.tensor(y, dtype=torch.float32, device=device))

    weights = [layer.clone()[0] for layer in engine.weights]
    activations = [torch.randn(m, n, device=device) for _ in range(L)]
    inputs, out, errors = torch.tensor(x, dtype=torch.float32, device=device), torch.empty(m, n, device=device), 0.1
    output, last_error = torch.empty(1, n, device=device), torch.full((1, n), errors, device=device)

    def products() -> None:
        """The matrix products of a step, and nothing else."""
        torch.mm(weights[0], inputs.t(), out=activations[0])
        for layer in range(1, L - 1):
            torch.mm(weights[layer], activations[layer - 1], out=activations[layer])
        torch.mm(weights[-1], activations[L - 2], out=output)
        torch.mm(weights[-1].t(), last_error, out=out)
        weights[-1].addmm_(last_error, activations[L - 2].t(), alpha=-1e-9)
        for layer in range(L - 2, 0, -1):
            torch.mm(weights[layer].t(), activations[layer], out=out)
            weights[layer].addmm_(activations[layer], activations[layer - 1].t(), alpha=-1e-9)
        weights[0].addmm_(activations[0], inputs, alpha=-1e-9)

    square = [torch.randn(m, m, device=device) for _ in range(3)]
    flops = {"step": step_flops(network, n), "products": step_flops(network, n), "square": 2 * m**3}
    calls: dict[str, Callable[[], Any]] = {
        "step": lambda: engine.step(slope, 1e-6),
        "products": products,
        "square": lambda: torch.mm(square[0], square[1], out=square[2]),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            start = seconds_now(device)
            for _ in range(steps):
                call()
            if repeat:
                times[name].append((seconds_now(device) - start) / steps)
    rates = {name: flops[name] / statistics.median(values) for name, values in times.items()}
    return {
        "m": m, "n": n, "L": L, "d": d, "step_flops": flops["step"],
        **{f"{name}_gflops": rate / 1e9 for name, rate in rates.items()},
        "share_of_products": rates["step"] / rates["products"],
        "share_of_square": rates["step"] / rates["square"], "target": target,
    }  # fmt: skip


_MEMORY_PROBE = """
import json, sys
import torch
def status(key):
    return next(int(l.split()[1]) * 1024 for l in open("/proc/self/status") if l.startswith(key))
imported, imported_private, imported_peak = status("VmRSS"), status("RssAnon"), status("VmHWM")
m, n, d, L, steps = map(int, sys.argv[1:])
import numpy as np
from boundcalc.train.networks import scaled_relu
from boundcalc.train.dense import DenseEngine, peak_bytes
from boundcalc.train.descent import gradient_descent
x = np.random.default_rng(0).standard_normal((n, d))
x /= np.linalg.norm(x, axis=1, keepdims=True)
def train(width):
    network = scaled_relu(L, width, d, 0.5)
    engine = DenseEngine(network, x, trials=[0], seed=0)
    gradient_descent(
        engine, np.sign(x[:, 0]), step_size=0.1 / (L * width), iterations=steps, distance_steps=(1,)
    )
    return engine
train(16)  # loads the code of numpy, torch and BLAS that training runs; it would be loaded below otherwise
loaded = status("VmRSS")
engine = train(m)
print(json.dumps({
    "rss_after_import_torch": imported, "peak_after_import_torch": imported_peak, "rss_after_tiny_run":
    loaded, "peak": status("VmHWM"), "private": status("RssAnon") - imported_private, "weights":
    engine.network.weight_bytes(4), "predicted": peak_bytes(engine.network, n, 1),
}))
"""


def memory(m: int, n: int, L: int, d: int, steps: int) -> dict[str, Any]:
    command = [sys.executable, "-c", _MEMORY_PROBE, *map(str, (m, n, d, L, steps))]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "m": m, "n": n, "L": L, "d": d, **found,
        # Everything since `import torch`, the pages of shared libraries that are read in by running them
        # included.
        "ratio": (found["peak"] - found["rss_after_import_torch"]) / found["weights"],
        # What training at this width adds to a process that has trained before.
        "ratio_beyond_tiny_run": (found["peak"] - found["rss_after_tiny_run"]) / found["weights"],
        # Anonymous memory at the end: no library code, but BLAS buffers and numpy's and our modules.
        "ratio_private": found["private"] / found["weights"],
        "target": 1.3,
    }  # fmt: skip


def cuda_memory(device: torch.device, m: int, n: int, L: int, d: int, steps: int) -> dict[str, Any]:
    """Peak of the allocator on a CUDA device, in place of the resident memory of a process."""
    x, y = problem(n, d)
    network = scaled_relu(L, m, d, 0.5)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    engine = DenseEngine(network, x, trials=[0], seed=0, device=device)
    gradient_descent(engine, y, step_size=0.1 / (L * m), iterations=steps)
    peak = torch.cuda.max_memory_allocated(device) - before
    weights = network.weight_bytes(4)
    return {
        "m": m, "n": n, "L": L, "d": d, "peak": peak, "weights": weights, "predicted": peak_bytes(network, n, 1),
        "ratio": peak / weights, "target": 1.3,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="save the results to this file")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--tiny", action="store_true", help="only show that it runs")
    options = parser.parse_args()
    device = resolve_device(options.device)
    sizes = SIZES["tiny" if options.tiny else device.type]
    results = {
        "machine": {
            "date": datetime.now(UTC).date().isoformat(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
        "throughput": throughput(device, options.repeats, **sizes["throughput"]),
        "kernels": kernel_share(device, options.repeats, **sizes["kernels"]),
    }
    for L in (3, 4):
        results[f"memory, L = {L}"] = (
            cuda_memory(device, L=L, **sizes["memory"]) if device.type == "cuda" else memory(L=L, **sizes["memory"])
        )
    for section, values in results.items():
        print(section)
        for key, value in values.items():
            print(f"  {key:42s} {value:.4g}" if isinstance(value, float) else f"  {key:42s} {value}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
