"""Measure a kernel matrix against one torch.arccos, and the least distance against its matrix products.

    python benchmarks/kernels.py [--repeats N] [--rows N] [--threads N] [--json FILE]

The neural tangent kernel of three weight matrices on 3,000 unit rows, in float64, is compared with one torch.arccos
over a matrix of that size: at 10 and at 784 columns, and, as the product of 784 columns alone outweighs everything
else, with arccos plus that product. The targets are a ratio of 3 and a peak of 4 such matrices over the memory before.
The least distance of 60,000 × 784 rows is compared with the products that it takes, the same tiles on the same data
without looking at them; the target is 1.5. All of X Xᵀ in float32 in tiles, as one would write it, is timed as well.
The sides alternate, and the ratios of neighbours are compared by their median.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from boundcalc.estimate.kernels import ntk
from boundcalc.estimate.separation import Points, half_squares, separation
from boundcalc.train.devices import resolve_device

KERNEL_ROWS, LAYERS, COLUMNS = 3000, 3, (10, 784)


def sphere(n: int, d: int) -> Any:
    rows = np.random.default_rng(0).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def seconds(call: Callable[[], object]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_matrices() -> float:
    """Peak memory of this process over what it had before the kernel, in matrices of 3,000 × 3,000."""
    X = sphere(KERNEL_ROWS, COLUMNS[0])
    ntk(X[:300], LAYERS, device="cpu")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ntk(X, LAYERS, device="cpu")
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (8 * KERNEL_ROWS**2)


def kernel_rows(repeats: int) -> list[dict[str, Any]]:
    found = []
    for columns in COLUMNS:
        X = sphere(KERNEL_ROWS, columns)
        rows = torch.tensor(X, device=resolve_device())
        gram = (rows @ rows.T).clamp_(-1.0, 1.0)
        ntk(X, LAYERS)
        trials = [
            (
                seconds(lambda X=X: ntk(X, LAYERS)),
                seconds(lambda gram=gram: torch.arccos(gram)),
                seconds(lambda rows=rows: rows @ rows.T),
            )
            for _ in range(repeats)
        ]
        kernel, arccos, product = (statistics.median(side) for side in zip(*trials, strict=True))
        found.append(
            {
                "columns": columns,
                "kernel_s": kernel,
                "arccos_s": arccos,
                "product_s": product,
                "to_arccos": statistics.median(k / a for k, a, _ in trials),
                "to_arccos_and_product": statistics.median(k / (a + p) for k, a, p in trials),
            }
        )
    return found


def naive_products(points: Points) -> None:
    rows = points.rows.float()
    for part in rows.split(points.side):
        for other in rows.split(points.side):
            torch.matmul(part, other.T)


def separation_row(n: int, repeats: int) -> dict[str, Any]:
    X = sphere(n, COLUMNS[-1])
    points = Points.of(X, resolve_device())
    trials = []
    for _ in range(repeats):
        products = seconds(lambda: [None for _ in half_squares(points)])
        trials.append((seconds(lambda: separation(X)), products))
    return {
        "rows": n,
        "separation_s": statistics.median(trial[0] for trial in trials),
        "products_s": statistics.median(trial[1] for trial in trials),
        "all_products_s": seconds(lambda: naive_products(points)),
        "ratio": statistics.median(mine / theirs for mine, theirs in trials),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--rows", type=int, default=60_000, help="rows of the least distance")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.peak:
        print(peak_matrices())
        return
    peak = float(
        subprocess.run([sys.executable, __file__, "--peak"], capture_output=True, text=True, check=True).stdout
    )
    print(f"peak memory of the kernel: {peak:.2f} matrices (target 4)")
    kernels = kernel_rows(arguments.repeats)
    for row in kernels:
        print(
            f"kernel, {row['columns']:3} columns: {row['kernel_s']:.3f} s = {row['to_arccos']:.2f} × arccos "
            f"({row['arccos_s']:.3f} s; target 3), {row['to_arccos_and_product']:.2f} × arccos and product "
            f"({row['product_s']:.3f} s)"
        )
    distance = separation_row(arguments.rows, 1 if arguments.rows > 20_000 else 3)
    print(
        f"least distance, {distance['rows']} rows: {distance['separation_s']:.1f} s = {distance['ratio']:.2f} × its "
        f"products ({distance['products_s']:.1f} s; target 1.5); all of X Xᵀ {distance['all_products_s']:.1f} s"
    )
    if arguments.json:
        facts = {
            "peak_matrices": peak,
            "kernels": kernels,
            "separation": distance,
            "threads": torch.get_num_threads(),
            "cpus": os.cpu_count(),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        arguments.json.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
