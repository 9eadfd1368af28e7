"""Measure the matrix-free engine: its law against the dense engine, the width where it wins, and a very wide network.

    python benchmarks/matrixfree.py law [--width M …] [--inits S]     two-sample tests, and a broken engine that fails
    python benchmarks/matrixfree.py crossover -o FILE.svg             time and memory against width, for both engines
    python benchmarks/matrixfree.py wide [--width M]                  one init of three matrices, one of them m × m
    … --json FILE                                                     save the numbers

law: chen2019's network, L = 3, α = ½, n = 8, d = 10, 20 steps of η = 1/m, S inits of either engine with seeds of their
own; p-values of the two-sample Kolmogorov-Smirnov test. "Broken" is the engine without the term Q_C Zᵀ q, as if
products from the left told nothing about products from the right.
crossover: seconds of one core (CPU time) from making the engine to the last distances; memory as `peak_bytes` has it.
wide: d = 10, 40 steps. On cores that others use as well, set OMP_WAIT_POLICY=PASSIVE: threads that spin while they wait
for each other made it 14 times slower at m = 10^5.

Measured on two cores (AMD EPYC) that other processes kept busy, torch 2.13:
law, 1,000 inits, in the order of the results: p = 0.65, 0.97, 0.26, 0.72, 0.54, 0.15, 0.76 at m = 256; 0.048, 0.15,
0.097, 0.033, 0.24, 0.61, 0.80 at m = 1024; of the broken engine at most 1.1e-7, but for the initial loss (the same).
crossover: in time at m ≈ 1,080, in memory at m ≈ 1,350 (dense in float32).
wide, m = 10^6: 273 CPU seconds, 3 minutes 20 with both cores idle (2026-11-23); peak 11.05 GB (predicted 11.10; the
weights would take 8 TB); loss 0.877 → 0.245; algebra 8e-14, loss of orthogonality 1e-14, outputs within 1.6e-10 of
those with nothing left out.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from scipy.stats import ks_2samp

from boundcalc.train import conditioning, dense, matrixfree
from boundcalc.train.bases import products
from boundcalc.train.dense import DenseEngine
from boundcalc.train.descent import gradient_descent
from boundcalc.train.devices import resolve_device
from boundcalc.train.matrixfree import MatrixFreeEngine
from boundcalc.train.networks import Network, scaled_relu

N, D = 8, 10

Samples = dict[str, np.ndarray]


def problem(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True), np.sign(generator.standard_normal(n))


def samples(make: Callable[[Network, np.ndarray, range], Any], m: int, inits: int, steps: int) -> Samples:
    """Losses, distances and outputs on two held-out points of every init, (S,) each."""
    network = scaled_relu(3, m, D, 0.5)
    (x, y), (other, _) = problem(N, D, 0), problem(2, D, 1)
    found = []
    group = max(1, min(100, 2**26 // m**2))  # 512 MiB of dense weights
    for first in range(0, inits, group):
        engine = make(network, x, range(first, min(first + group, inits)))
        history = gradient_descent(engine, y, step_size=1.0 / m, iterations=steps)
        found.append(np.hstack([history.loss[:, [0, -1]], history.distances[:, -1], engine.outputs(other).numpy()]))
    names = ["initial loss", "final loss", "distance 1", "distance 2", "distance 3", "held-out 1", "held-out 2"]
    return dict(zip(names, np.concatenate(found).T, strict=True))


def without_memory(
    directions: torch.Tensor, images: torch.Tensor, noise: torch.Tensor, basis: torch.Tensor
) -> torch.Tensor:
    """`conditioning._corrections` without Zᵀ q."""
    return -products(noise, basis)


def law(widths: list[int], inits: int, steps: int) -> dict[str, Any]:
    def plain(network: Network, x: np.ndarray, trials: range) -> DenseEngine:
        return DenseEngine(network, x, trials=trials, seed=1, dtype=torch.float64)

    def free(network: Network, x: np.ndarray, trials: range) -> MatrixFreeEngine:
        return MatrixFreeEngine(network, x, trials=trials, seed=2, steps=steps, held_out=2)

    results: dict[str, Any] = {}
    for m in widths:
        expected = samples(plain, m, inits, steps)
        found = samples(free, m, inits, steps)
        with mock.patch.object(conditioning, "_corrections", without_memory):
            broken = samples(free, m, inits, steps)
        results[f"m = {m}, {inits} inits"] = {
            name: {
                "dense": f"{expected[name].mean():.5f} ± {expected[name].std():.5f}",
                "matrix-free": f"{found[name].mean():.5f} ± {found[name].std():.5f}",
                "p": ks_2samp(expected[name], found[name]).pvalue,
                "p, broken": ks_2samp(expected[name], broken[name]).pvalue,
            }
            for name in expected
        }
    return results


def crossover(path: Path, steps: int, repeats: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    x, y = problem(N, D, 0)

    def plain(network: Network) -> DenseEngine:
        return DenseEngine(network, x, trials=[0], seed=0)

    def free(network: Network) -> MatrixFreeEngine:
        return MatrixFreeEngine(network, x, trials=[0], seed=0, steps=steps)

    def seconds(make: Callable[[Network], Any], m: int) -> float:
        network = scaled_relu(3, m, D, 0.5)
        times = []
        for _ in range(repeats):
            start = time.process_time()
            gradient_descent(make(network), y, step_size=1.0 / m, iterations=steps)
            times.append(time.process_time() - start)
        return statistics.median(times)

    engines: dict[str, tuple[Callable[[Network], Any], list[int]]] = {
        "dense, float32": (plain, [2**k for k in range(7, 14)]),
        "matrix-free, float64": (free, [2**k for k in range(7, 17)]),
    }
    seconds(free, 64)  # loads code
    times = {name: {m: seconds(make, m) for m in widths} for name, (make, widths) in engines.items()}
    shown = np.logspace(2, 7, 60).astype(int)
    networks = [scaled_relu(3, int(m), D, 0.5) for m in shown]
    memory = {
        "dense, float32": np.array([dense.peak_bytes(network, N, 1) for network in networks]),
        "matrix-free, float64": np.array([matrixfree.peak_bytes(network, N, 1, steps) for network in networks]),
    }
    a, b = times.values()
    common = [m for m in a if m in b]
    crossing = {
        "time": crossing_of(np.array(common), np.array([a[m] for m in common]), np.array([b[m] for m in common])),
        "memory": crossing_of(shown, *memory.values()),
    }
    draw(path, times, shown, memory, crossing, steps)
    return {"n": N, "steps": steps, "seconds": times, "crossing": crossing}


def crossing_of(m: np.ndarray, rising: np.ndarray, flat: np.ndarray) -> float | None:
    """Where the first curve passes above the second for good, on logarithmic axes; None if it does not."""
    gap = np.log(rising) - np.log(flat)
    if gap[-1] <= 0 or (gap > 0).all():
        return None
    at = int(np.flatnonzero(gap <= 0)[-1])
    share = gap[at] / (gap[at] - gap[at + 1])
    return float(np.exp(np.log(m[at]) + share * (np.log(m[at + 1]) - np.log(m[at]))))


def draw(
    path: Path,
    times: dict[str, dict[int, float]],
    m: np.ndarray,
    memory: dict[str, np.ndarray],
    crossing: dict[str, float | None],
    steps: int,
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, values), marker in zip(times.items(), "os", strict=True):
        left.loglog(list(values), list(values.values()), marker=marker, label=name)
        right.loglog(m, memory[name] / 2**30, label=name)
    left.set_ylabel(f"CPU seconds, one core, {steps} steps")
    right.set_ylabel("GiB")
    for axes, what in ((left, "time"), (right, "memory")):
        at = crossing[what]
        if at is not None:
            axes.axvline(at, color="gray", linestyle=":", label=f"equal at m ≈ {at:,.0f}")
        axes.set_xlabel("width m")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(f"One init, L = 3 matrices (one of them m × m), n = {N} inputs, {steps} steps")
    figure.savefig(path)


def wide(m: int, steps: int, device: torch.device) -> dict[str, Any]:
    x, y = problem(N, D, 0)
    network = scaled_relu(3, m, D, 0.5)
    start, cpu = time.perf_counter(), time.process_time()
    engine = MatrixFreeEngine(network, x, trials=[0], seed=0, steps=steps, device=device)
    history = gradient_descent(engine, y, step_size=0.5 / m, iterations=steps, record_surrogate=True)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    hidden = engine.matrices[1]
    algebra = (products(hidden.left[0], hidden.right[1]) - products(hidden.left[1], hidden.right[0])).abs().max()
    peak = (
        torch.cuda.max_memory_allocated(device)
        if device.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    return {
        "m": m, "n": N, "steps": steps, "threads": torch.get_num_threads(), "seconds": wall, "cpu_seconds": cpu,
        "peak_gb": peak / 1e9, "predicted_gb": matrixfree.peak_bytes(network, N, 1, steps) / 1e9,
        "weights_gb": network.weight_bytes(8) / 1e9,
        "gflops": matrixfree.operations(network, N, 1, steps) / wall / 1e9,
        "loss": [float(history.loss[0, 0]), float(history.loss[0, -1])],
        "distances": history.distances[0, -1].tolist(), "spectral": engine.spectral_distances()[0].tolist(),
        "loss_of_orthogonality": engine.loss_of_orthogonality, "algebra": float(algebra), "dropped": engine.dropped,
        "output_error": engine.output_error,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["law", "crossover", "wide"])
    parser.add_argument("--width", type=int, nargs="*", default=[], help="default: 256 1024 (law), 1000000 (wide)")
    parser.add_argument("--inits", type=int, default=1000)
    parser.add_argument("--steps", type=int, help="default: 20, 40 (wide)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="for wide")
    parser.add_argument("-o", type=Path, default=Path("crossover.svg"), help="plot of crossover")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.what == "law":
        results = law(options.width or [256, 1024], options.inits, options.steps or 20)
    elif options.what == "crossover":
        results = crossover(options.o, options.steps or 20, options.repeats)
    else:
        device = resolve_device(options.device)
        results = {f"m = {m}": wide(m, options.steps or 40, device) for m in options.width or [10**6]}
    print(json.dumps(results, indent=2, ensure_ascii=False))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
