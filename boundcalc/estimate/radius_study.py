"""The radius R of chen2019's assumption (A) between its limits, and how they move with m, L and ε.

For S inits at a width, each has its own least R. Three things are known of it:

- from above, `radius.certify_radius`: weights that were found and checked, so that (A) holds with that R;
- from below, `radius_floor`: no weights within that R meet (A). True, but far below at widths that fit on a machine;
- its limit as m → ∞, `limit_radius`, to a relative 1e-6: neither above nor below at any width, since there features
  turn as the weights move, and the gradients and outputs at the start are those of the init.

The least R with which (A) holds for ALL of the inits is the largest of theirs: it lies between the largest lower and
the largest upper limit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from tabulate import tabulate

from boundcalc.errors import InputError
from boundcalc.estimate.estimate import Estimate
from boundcalc.estimate.least_radius import Matrix, Vector
from boundcalc.estimate.limit_radius import LimitRadius, limit_problem, limit_radii
from boundcalc.estimate.radius import RadiusCertificate, certify_radius
from boundcalc.estimate.radius_floor import RadiusFloor, radius_floor
from boundcalc.train.devices import resolve_device
from boundcalc.train.networks import scaled_relu

MAX_STEPS = 2000
"""Steps of the search for weights, at most; it takes some hundreds where it succeeds."""

_MOST_FLOOR_ROWS = 500  # for the estimate; on digits and MNIST 1000 rows raise the lower limit by some 3%
_MOST_LIMIT_ROWS = 3000  # above it, R in the limit takes minutes: n³ some fifteen times for each draw of f_0


@dataclass(frozen=True)
class RadiusRow:
    """What is known of R at one width m, depth L (weight matrices) and ε, for the same inits from both sides.

    limit: at infinite width, for as many draws of f_0, which are not the f_{W^(0)} of these inits; None if left out.
    """

    m: int
    L: int
    epsilon: float
    floor: RadiusFloor
    certificate: RadiusCertificate
    limit: LimitRadius | None

    @property
    def lower(self) -> float:
        """No smaller R will do for all the inits."""
        return float(self.floor.lower.max())

    @property
    def upper(self) -> float:
        """With this R (A) holds for all the inits; inf if for one of them no weights were found."""
        return float(self.certificate.radius.max()) if self.certificate.converged.all() else math.inf


@dataclass(frozen=True)
class RadiusStudy:
    """Rows over widths, depths and ε, in this order: ε fastest."""

    alpha: float
    inits: int
    rows: tuple[RadiusRow, ...]

    def table(self) -> str:
        """Return the rows as text: of each limit the median over the inits, and the least and the largest."""
        headers = ("m", "L", "ε", "R at least", "tangent model", "m → ∞", "R at most", "found")
        lines = [
            (
                row.m,
                row.L,
                f"{row.epsilon:g}",
                _spread(row.floor.lower),
                _spread(row.floor.tangent),
                _spread(row.limit.upper) if row.limit is not None else "",
                _spread(row.certificate.radius[row.certificate.converged]),
                f"{int(row.certificate.converged.sum())}/{self.inits}",
            )
            for row in self.rows
        ]
        title = f"α = {self.alpha:g}; median [least, largest] of {self.inits} inits"
        return f"{title}\n{tabulate(lines, headers=headers, disable_numparse=True)}"


def radius_study(
    X: Matrix,
    y: Vector,
    *,
    widths: Sequence[int],
    depths: Sequence[int],
    epsilons: Sequence[float],
    alpha: float = 0.5,
    inits: int = 4,
    seed: int = 0,
    max_steps: int = MAX_STEPS,
    device: str = "auto",
    on_row: Callable[[int, int], None] = lambda done, all_: None,
) -> RadiusStudy:
    """Return R's lower limit, its limit of infinite width and its upper limit over a grid of m, L and ε.

    X: (n, d) unit rows, y: (n,) ±1. depths: chen2019's L, weight matrices. inits: how many, the same at every grid
    point of one shape of network; so many draws of f_0 as well. max_steps: of `certify_radius`. on_row(done, of):
    called after every row. Time, memory and what is raised: those of `certify_radius`, `radius_floor` and
    `limit_problem`; and InputError for an empty grid or inits < 1.
    """
    for what, values in (("widths", widths), ("depths", depths), ("epsilons", epsilons)):
        if not values:
            raise InputError(f"{what} is empty; give at least one")
    _require_inits(inits)
    rows = []
    count = len(widths) * len(depths) * len(epsilons)
    limits: dict[tuple[int, float], LimitRadius] = {}
    for L in set(depths):
        problem = limit_problem(X, y, L=L, alpha=alpha, seed=seed, device=device)
        limits |= {(L, epsilon): limit_radii(problem, epsilon, range(inits)) for epsilon in epsilons}
    for m, L, epsilon in product(widths, depths, epsilons):
        rows.append(_row(X, y, m, L, epsilon, alpha, inits, seed, max_steps, len(X), device, limits[L, epsilon]))
        on_row(len(rows), count)
    return RadiusStudy(alpha, inits, tuple(rows))


def radius_bracket(
    X: Matrix,
    y: Vector,
    *,
    m: int,
    L: int,
    epsilon: float,
    alpha: float = 0.5,
    inits: int = 4,
    seed: int = 0,
    max_steps: int = MAX_STEPS,
    device: str = "auto",
) -> Estimate:
    """Return the least R with which chen2019's (A) holds for all of the inits 0, …, inits − 1 at width m, bracketed.

    Value: the upper end, a certificate (inf if the search failed for an init: not converged). L: weight matrices. The
    limit of infinite width is told in the method, for n up to 3000. Arguments and what is raised: as of `radius_study`.
    """
    start = time.perf_counter()
    _require_inits(inits)
    limit = None
    if len(X) <= _MOST_LIMIT_ROWS:
        limit = limit_radii(limit_problem(X, y, L=L, alpha=alpha, seed=seed, device=device), epsilon, range(inits))
    row = _row(X, y, m, L, epsilon, alpha, inits, seed, max_steps, _MOST_FLOOR_ROWS, device, limit)
    found = row.certificate.converged
    setting = f"ε = {epsilon:g}, α = {alpha:g}, L = {L} weight matrices ({L - 1} hidden layers), m = {m}"
    parts = [
        f"least R with which (A) holds for all of {inits} inits, {setting}",
        f"from above by weights found, certified in float64 for {int(found.sum())} of them",
        "from below by the layers' norms and the tangent model with all that it neglects: true but loose",
        "m → ∞ left out, n is above 3000" if limit is None else f"no bound, but as m → ∞: R = {_spread(limit.upper)}",
    ]
    return Estimate(
        name="R",
        symbol="R",
        value=row.upper,
        direction="bracket",
        method="; ".join(parts),
        converged=bool(found.all()),
        lower=row.lower,
        upper=row.upper,
        seconds=time.perf_counter() - start,
    )


def _row(
    X: Matrix,
    y: Vector,
    m: int,
    L: int,
    epsilon: float,
    alpha: float,
    inits: int,
    seed: int,
    max_steps: int,
    most_rows: int,
    device: str,
    limit: LimitRadius | None,
) -> RadiusRow:
    network = scaled_relu(L, m, X.shape[1], alpha)
    at, every = resolve_device(device), range(inits)
    floor = radius_floor(
        network, X, y, epsilon=epsilon, alpha=alpha, trials=every, seed=seed, most_rows=most_rows, device=at
    )
    certificate = certify_radius(
        network, X, y, epsilon=epsilon, alpha=alpha, trials=every, seed=seed, device=at, max_steps=max_steps
    )
    return RadiusRow(m, L, epsilon, floor, certificate, limit)


def _require_inits(inits: int) -> None:
    if inits < 1:
        raise InputError(f"inits = {inits!r}; give a whole number ≥ 1")


def _spread(values: Vector) -> str:
    """The median with the least and the largest, to four digits; a single number if they agree to that."""
    if not len(values):
        return "none"
    ends = [f"{value:.4g}" for value in (float(np.median(values)), float(values.min()), float(values.max()))]
    return ends[0] if ends[1] == ends[2] else f"{ends[0]} [{ends[1]}, {ends[2]}]"
