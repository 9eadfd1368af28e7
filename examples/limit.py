"""How fast do wide networks approach infinite width? Finite training beside its limit, init by init, and the rates.

Each finite network is compared with the limit started from the same f_0, its own, so that nothing of the difference is
chance of the start. What is left is of two kinds: kernels at the start are off by m^(−1/2), and of the units a part
m^(−α) changes sides, with its gradients (m^(−1/2) in cao2020 and ji2020). Below α = 1/2 there is also the limit itself,
in which f_0 = 0, where f_0 is of order m^(α−1/2). An init gives one exponent at a time, its slope of log(error) over
log(m); the interval is Student's for their mean, at 95 %.

    python examples/limit.py            widths 64, 192, 576, in seconds
    python examples/limit.py --full     widths 10^2, …, 10^6, in an hour on an idle core, with 7 GB
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from tabulate import tabulate

from boundcalc.train.dense import DenseEngine
from boundcalc.train.descent import History, gradient_descent
from boundcalc.train.engine import Engine
from boundcalc.train.infinite import InfiniteEngine, Limit, he_relu_limit, scaled_relu_limit, two_layer_limit
from boundcalc.train.matrixfree import MatrixFreeEngine
from boundcalc.train.networks import Network, he_relu, scaled_relu, two_layer
from boundcalc.verify.scaling import mean_interval

QUICK, FULL = (64, 192, 576), (10**2, 10**3, 10**4, 10**5, 10**6)
DENSE = 2000
"""The widest networks of which every weight is stored; wider ones are trained by products alone, exact in law."""
D, ROWS, HELD_OUT = 5, 8, 4
STEP_SIZE, STEPS = 1.0, 20
SEED = 0


@dataclass(frozen=True)
class Family:
    """Networks of all widths, and their limit."""

    name: str
    network: Callable[[int], Network]
    limit: Limit


FAMILIES = (
    Family("chen2019, L = 3, α = 1/2", lambda m: scaled_relu(3, m, D, 0.5), scaled_relu_limit(3, 0.5)),
    Family("chen2019, L = 3, α = 1/4", lambda m: scaled_relu(3, m, D, 0.25), scaled_relu_limit(3, 0.25)),
    Family("cao2020, L = 2", lambda m: he_relu(2, m, D), he_relu_limit(2)),
    Family("ji2020, two layers", lambda m: two_layer(m, D), two_layer_limit()),
)


def rows(n: int, seed: int) -> np.ndarray:
    """Return n points of the unit sphere."""
    points = np.random.default_rng(seed).standard_normal((n, D))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


X, UNSEEN = rows(ROWS, 0), rows(HELD_OUT, 1)
Y = np.where(X[:, 0] * X[:, 1] > 0, 1.0, -1.0)


def outputs(engine: Engine) -> torch.Tensor:
    """Return f on the training rows and on the others."""
    return torch.cat([engine.outputs(X), engine.outputs(UNSEEN)], dim=1)


def descend(engine: Engine, scale: float) -> tuple[History, np.ndarray]:
    """Train; return what happened, distances scaled, and f at the end."""
    history = gradient_descent(engine, Y, step_size=STEP_SIZE / scale**2, iterations=STEPS)
    return history, outputs(engine).numpy()


def finite_engine(network: Network, trials: range) -> DenseEngine | MatrixFreeEngine:
    """Return the inits, by the engine that is quicker at this width."""
    if network.width <= DENSE:
        return DenseEngine(network, X, trials=trials, seed=SEED, dtype=torch.float64)
    return MatrixFreeEngine(network, X, trials=trials, seed=SEED, steps=STEPS, held_out=2 * HELD_OUT)


def errors(family: Family, width: int, trials: range) -> dict[str, np.ndarray]:
    """Return how far each init ends from its limit: one number for each of the trials, by what is compared."""
    scale = family.limit.scale(width)
    finite = finite_engine(family.network(width), trials)
    own_start = outputs(finite)
    history, f = descend(finite, scale)

    def limit(start: torch.Tensor | None) -> tuple[History, np.ndarray]:
        return descend(InfiniteEngine(family.limit, X, trials=trials, seed=SEED, held_out=UNSEEN, start=start), 1.0)

    expected, g = limit(own_start)
    moved = scale * history.distances[:, -1] / expected.distances[:, -1] - 1
    found = {
        "f, training rows": rms((f - g)[:, :ROWS]),
        "f, held-out rows": rms((f - g)[:, ROWS:]),
        "training loss": np.abs(history.loss - expected.loss)[:, -1],
        "distances, relative": rms(moved),
    }
    if family.limit.start is None:
        found["f, from f_0 = 0"] = rms(f - limit(None)[1])
    return found


def rms(values: np.ndarray) -> np.ndarray:
    """Return the root mean square of each row."""
    return np.sqrt(np.mean(values**2, axis=1))


def rate(widths: tuple[int, ...], found: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Return the mean exponent over the inits, and its interval, of errors (inits, widths)."""
    slopes = np.polyfit(np.log(widths), np.log(found.T), 1)[0]
    interval = mean_interval(slopes)
    assert interval is not None, "two inits at least"
    return float(slopes.mean()), interval


def study(family: Family, widths: tuple[int, ...], inits: int) -> list[tuple[str, np.ndarray]]:
    """Return the errors (inits, widths) of each quantity."""
    # As many at once as are trained in a moment; the wide ones one by one.
    found = []
    for width in widths:
        batch = max(1, 2 * 10**7 // width**2)
        parts = [errors(family, width, range(i, min(i + batch, inits))) for i in range(0, inits, batch)]
        found.append({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    return [(name, np.stack([at[name] for at in found], axis=1)) for name in found[0]]


def main() -> None:
    """Print one table for each family."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="widths 10^2, …, 10^6 instead of 64, 192, 576")
    parser.add_argument("--inits", type=int, default=12, help="of each network, at least 2")
    arguments = parser.parse_args()
    widths = FULL if arguments.full else QUICK
    print(f"Root mean square over {arguments.inits} inits of the difference to infinite width after {STEPS} steps.")
    for family in FAMILIES:
        table = []
        for name, found in study(family, widths, arguments.inits):
            exponent, (lower, upper) = rate(widths, found)
            errors_shown = [f"{value:.2g}" for value in np.sqrt(np.mean(found**2, axis=0))]
            table.append([name, *errors_shown, f"{exponent:.3f}", f"[{lower:.3f}, {upper:.3f}]"])
        print(f"\n{family.name}")
        print(
            tabulate(table, headers=["", *(f"m = {m}" for m in widths), "exponent", "interval"], disable_numparse=True)
        )


if __name__ == "__main__":
    main()
