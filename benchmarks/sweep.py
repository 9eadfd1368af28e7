"""Measure sweeps against numpy by hand, and implicit conditions against a loop over scipy's brentq.

    python benchmarks/sweep.py [--repeats N] [--json FILE]

Explicit bounds are swept over 10⁶ points, the whole call with its checks of the inputs, and compared with the same
formula as one would write it in numpy's log domain; the target for the ratio is 1.5. Conditions with the width on both
sides are solved at 10⁵ points and compared with a loop over brentq, whose function is written with the math module and
has all that does not depend on the unknown worked out beforehand; the loop runs over a sample of 2,000 points, and its
time is scaled. The target is a factor of 100. The two sides alternate, and ratios of neighbours are compared by their
median; both give the same numbers, which is checked.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq

from boundcalc.catalogue import CATALOGUE
from boundcalc.sweeps import Sweep, sweep

POINTS, SOLVES, SAMPLE = 10**6, 10**5, 2000
LN10 = math.log(10)

Array = np.ndarray[Any, np.dtype[np.float64]]
Ours = Callable[[], Sweep]

generator = np.random.default_rng(1)
L = generator.integers(2, 50, POINTS)
n = generator.integers(10, 10**6, POINTS)
m = generator.integers(100, 10**15, POINTS)
R = 10 ** generator.uniform(-3, 3, POINTS)
B = 10 ** generator.uniform(-6, 1, POINTS)
epsilon, delta, gamma = (10 ** generator.uniform(-6, -0.1, POINTS) for _ in range(3))


def chen_width() -> Array:
    return ((11 * np.log(L) + 4 * np.log(R)) / 0.5 + 2 / 1.5 * np.log(np.log(n / delta))) / LN10


def chen_iterations() -> Array:
    return (2 * np.log(3) - np.log(epsilon)) / LN10


def chen_error() -> Array:
    log_L, log_R, log_n, log_m = np.log(L), np.log(R), np.log(n), np.log(m)
    uniform = math.log(4) * L + 2 * log_L + log_R + (log_m - log_n) / 2
    linear = np.logaddexp(1.5 * log_L + log_R - log_n / 2, 11 / 3 * log_L + 4 / 3 * log_R - log_m / 6)
    confidence = (np.log(-np.log(delta)) - log_n) / 2
    loss = np.log(6 * epsilon)
    return np.logaddexp(loss, np.logaddexp(np.minimum(uniform, linear), confidence)) / LN10


def cao_error() -> Array:
    log_L, log_Be = np.log(L), np.log(B) + np.log(epsilon)
    sample = 2 * log_L - log_Be - np.log(n) / 2
    approximation = 4 * log_L - 4 / 3 * log_Be - np.log(m) / 6
    return np.logaddexp(np.log(epsilon), np.logaddexp(sample, approximation)) / LN10


def cao_width() -> Array:
    powers = 24 * np.log(L) + 8 * math.log(2) * L - 8 * np.log(gamma) - 14 * np.log(epsilon)
    return (powers + np.log(-np.log(delta))) / LN10


def cao_grid() -> Array:
    across = 24 * np.log(L[:1000]) - 8 * math.log(0.1) + math.log(math.log(20))
    return (across - 14 * np.log(epsilon[:1000])[:, None]) / LN10


def ji_width() -> Array:
    scale = np.sqrt(2 * np.log(4 * n / delta)) + np.log(4 / epsilon)
    return (math.log(4096 * 16) + 2 * np.log(scale) - 8 * np.log(gamma)) / LN10


def swept(key: str, quantity: str, grid: bool = False, **inputs: Any) -> Ours:
    return lambda: sweep(CATALOGUE[key], quantity, inputs, broadcast=not grid)


EXPLICIT: dict[str, tuple[Ours, Callable[[], Array]]] = {
    "chen2019/thm2.1 width (4 arrays)": (
        swept("chen2019/thm2.1", "width", L=L, R=R, n=n, delta=delta, alpha=0.5), chen_width
    ),
    "chen2019/thm2.2 error (6 arrays)": (
        swept("chen2019/thm2.2", "error", L=L, R=R, n=n, m=m, delta=delta, epsilon=epsilon, alpha=0.5), chen_error
    ),
    "cao2020/cor3.1 error (5 arrays)": (
        swept("cao2020/cor3.1", "error", L=L, B=B, epsilon=epsilon, n=n, m=m, delta=0.05), cao_error
    ),
    "cao2020/cor3.2 width (4 arrays)": (
        swept("cao2020/cor3.2", "width", L=L, gamma=gamma, delta=delta, epsilon=epsilon), cao_width
    ),
    "ji2020 width (4 arrays)": (swept("ji2020", "width", n=n, delta=delta, epsilon=epsilon, gamma=gamma), ji_width),
    "chen2019/thm2.1 iterations (1 array, 1 log)": (
        swept("chen2019/thm2.1", "iterations", epsilon=epsilon, L=3, R=1), chen_iterations
    ),
    "cao2020/cor3.3 width (grid 1000 × 1000)": (
        swept("cao2020/cor3.3", "width", True, epsilon=epsilon[:1000], L=L[:1000], gamma=0.1, delta=0.05), cao_grid
    ),
}  # fmt: skip


NEAR_START = {
    "L": generator.integers(1, 20, SOLVES),
    "n": generator.integers(10, 10**7, SOLVES),
    "delta": 10 ** generator.uniform(-6, -0.1, SOLVES),
    "tau": 10 ** generator.uniform(-20, -6, SOLVES),
}
THM_3_1 = CATALOGUE["cao2020/thm3.1"]
CONDITION = replace(THM_3_1, conditions=THM_3_1.conditions[:1])


def lower_end(depth: float, samples: float, failure: float, radius: float) -> float:
    """The root of m = max{L² log(mn/δ), L^(−8/3) τ^(−4/3) log(m/(τδ))} in u = log m."""
    log = math.log
    first, second = 2 * log(depth), -8 / 3 * log(depth) - 4 / 3 * log(radius)
    of_n, of_tau = log(samples / failure), -log(radius * failure)
    return brentq(lambda u: u - max(first + log(u + of_n), second + log(u + of_tau)), 1, 1000)


def upper_end(depth: float, radius: float) -> float:
    """The root of τ = L^(−6) (log m)^(−3/2), in v = log log m."""
    fixed = -6 * math.log(depth) - math.log(radius)
    return brentq(lambda v: fixed - 1.5 * v, -100, 100)


def loop(both: bool) -> list[float]:
    columns = (NEAR_START[name][:SAMPLE].tolist() for name in ("L", "n", "delta", "tau"))
    found = []
    for depth, samples, failure, radius in zip(*columns, strict=True):
        found.append(lower_end(depth, samples, failure, radius))
        if both:
            upper_end(depth, radius)
    return found


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def compared(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int) -> tuple[float, float, list[float]]:
    """The median seconds of two sides, and the ratios of neighbouring measurements."""
    ours(), theirs()
    pairs = [(timed(ours)[0], timed(theirs)[0]) for _ in range(repeats)]
    first, second = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    return first, second, [one / other for one, other in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    rows: dict[str, dict[str, float]] = {}
    print(f"{'10⁶ points of an explicit bound':<46} {'sweep':>8} {'by hand':>8} {'ratio':>6}   (target ≤ 1.5)")
    for name, (ours, theirs) in EXPLICIT.items():
        if not np.allclose(ours().log10, theirs(), rtol=1e-11, atol=1e-12):
            raise SystemExit(f"{name}: the two sides differ")
        first, second, ratios = compared(ours, theirs, arguments.repeats)
        rows[name] = {"sweep_s": first, "by_hand_s": second, "ratio": statistics.median(ratios)}
        print(f"{name:<46} {first * 1e3:>5.1f} ms {second * 1e3:>5.1f} ms {rows[name]['ratio']:>6.2f}")
    print(f"\n{'10⁵ implicit conditions':<46} {'sweep':>8} {'brentq':>8} {'factor':>6}   (target ≥ 100)")
    for name, theorem, both in (
        ("cao2020/thm3.1, the condition on m", CONDITION, False),
        ("cao2020/thm3.1, both ends of the interval", THM_3_1, True),
    ):
        result = sweep(theorem, "width", NEAR_START, broadcast=True)
        assert result.ends is not None
        if not np.allclose(result.ends.lower[:SAMPLE] * LN10, loop(False), rtol=1e-11, atol=1e-11):
            raise SystemExit(f"{name}: the two sides differ")
        first, second, ratios = compared(
            lambda theorem=theorem: sweep(theorem, "width", NEAR_START, broadcast=True),
            lambda both=both: loop(both),
            arguments.repeats,
        )
        scale = SOLVES / SAMPLE
        factor = scale / statistics.median(ratios)
        rows[name] = {"sweep_s": first, "brentq_s": second * scale, "factor": factor}
        print(f"{name:<46} {first * 1e3:>5.1f} ms {second * scale:>6.2f} s {factor:>6.0f}")
    print(
        f"\nmedians of {arguments.repeats} alternating runs; brentq on {SAMPLE} points, scaled by {SOLVES // SAMPLE}; "
        f"load {load:.1f} at the start on {os.cpu_count()} processors; numpy {np.__version__}"
    )
    if arguments.json:
        facts = {"figures": rows, "repeats": arguments.repeats, "python": platform.python_version(), "load": load}
        arguments.json.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
