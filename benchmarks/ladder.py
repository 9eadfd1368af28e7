"""How far the estimated times of the ladder of widths are from the times taken, and where the engines cross over.

Ratios of time taken to time estimated, per engine and width: the model should be within a factor of two or so where
matrix products dominate, that is from m = 256 on. Measured on two idle cores (2026-11-23): 1.0 to 1.8, and 1.6 to 3.1
where everything is over in a tenth of a second.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from boundcalc.train.costs import dense_cost, infinite_cost, matrixfree_cost, measure_rates
from boundcalc.train.dense import DenseEngine
from boundcalc.train.descent import gradient_descent
from boundcalc.train.engine import Engine
from boundcalc.train.infinite import InfiniteEngine, scaled_relu_limit
from boundcalc.train.matrixfree import MatrixFreeEngine
from boundcalc.train.networks import scaled_relu

L, D, SEED = 3, 16, 0
CASES = (
    ("dense", 64, 100, 24, 50),
    ("dense", 256, 100, 24, 20),
    ("dense", 1024, 100, 4, 10),
    ("dense", 2048, 8, 2, 20),
    ("matrixfree", 256, 8, 4, 20),
    ("matrixfree", 2048, 8, 2, 20),
    ("matrixfree", 16384, 8, 1, 20),
    ("infinite", 0, 200, 24, 200),
)
"""Engine, width, inputs, inits, steps."""


def made(engine: str, m: int, X: np.ndarray, trials: int, steps: int) -> Engine:
    numbers = tuple(range(trials))
    if engine == "dense":
        return DenseEngine(scaled_relu(L, m, D, 0.5), X, trials=numbers, seed=SEED)
    if engine == "matrixfree":
        return MatrixFreeEngine(scaled_relu(L, m, D, 0.5), X, trials=numbers, seed=SEED, steps=steps)
    return InfiniteEngine(scaled_relu_limit(L, 0.5), X, trials=numbers, seed=SEED)


def main() -> None:
    cpu = torch.device("cpu")
    single, double = measure_rates(cpu, torch.float32), measure_rates(cpu, torch.float64)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"float32: {single.operations / 1e9:.3g} Gflop/s, {single.traffic / 1e9:.3g} GB/s")
    print(f"float64: {double.operations / 1e9:.3g} Gflop/s, {double.traffic / 1e9:.3g} GB/s")
    print(f"{'engine':12} {'m':>6} {'n':>4} {'inits':>5} {'steps':>5}  {'taken':>8}  {'estimated':>9}  ratio")
    random = np.random.default_rng(SEED)
    for engine, m, n, trials, steps in CASES:
        X = random.normal(size=(n, D))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        network = scaled_relu(L, max(m, 2), D, 0.5)
        if engine == "dense":
            estimated = single.seconds(dense_cost(network, n, trials, steps, torch.float32))
        elif engine == "matrixfree":
            estimated = double.seconds(matrixfree_cost(network, n, trials, steps, 0))
        else:
            estimated = double.seconds(infinite_cost(scaled_relu_limit(L, 0.5), n, trials, steps, 0))
        taken = []
        for _ in range(2):
            start = time.perf_counter()
            gradient_descent(
                made(engine, m, X, trials, steps), np.sign(X[:, 0]), step_size=0.1 / max(m, 1), iterations=steps
            )
            taken.append(time.perf_counter() - start)
        print(
            f"{engine:12} {m or '∞':>6} {n:>4} {trials:>5} {steps:>5}  {min(taken):7.2f}s  {estimated:8.2f}s  "
            f"{min(taken) / estimated:.2f}"
        )


if __name__ == "__main__":
    main()
