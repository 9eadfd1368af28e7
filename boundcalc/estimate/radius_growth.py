"""Claim (c) of chen2019 put to the test: on separable data R = O(log(n/δ) + log(1/ε)).

In the limit of infinite width it can be proved with its constant. Let γ_T > 0 be a margin in the tangent features,
y_i Σ_l ⟨φ_l(x_i), v_l⟩ ≥ γ_T with ‖v_l‖ ≤ 1. Then r = v·max_i (z* − y_i f_0(x_i))/γ_T meets (A), so that

    R ≤ (z* + max_i |f_0(x_i)|)/γ_T ≤ (log(1/ε) + √(2 log(n/δ)))/γ_T    with probability ≥ 1 − δ,

since e^ε − 1 ≥ ε, and n standard normals exceed t in absolute value with probability ≤ n·e^{−t²/2} (α = ½; for α < ½
f_0 = 0 and R = z*/γ_T). √(2x) ≤ x + ½: that is the claim, with C = 1/γ_T. And separability as the papers assume it,
which speaks of functions on all the sphere and so knows no n, makes γ_T > 0 whatever n is. For L = 2:

- random ReLU features (cao2019; cao2020, Assumption 3.3), y_i E_u[c(u)σ(⟨u, x_i⟩)] ≥ γ with |c| ≤ 1: the output layer's
  features are √2σ(⟨u, x⟩), u ~ N(0, I), since W_1 has entries N(0, 2/m). v_2 = c gives the margin √2γ.
- ji2020, y_i E_u⟨v̄(u), x_i⟩1{⟨u, x_i⟩ > 0} ≥ γ with ‖v̄‖ ≤ 1: the hidden layer's features are w·1{⟨u, x⟩ > 0}x with
  w ~ N(0, 1) the output weight over √(1/m). v_1 = w·v̄(u) gives the margin γ.

The two are in different layers, each with its own radius: the margins add.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

from boundcalc.data import Dataset
from boundcalc.errors import InputError
from boundcalc.estimate.least_radius import TangentLayers, Vector, least_radius
from boundcalc.estimate.limit_radius import limit_problem
from boundcalc.estimate.radius import needed_margin


@dataclass(frozen=True)
class GrowthRow:
    """R in the limit of infinite width for the first n rows and an ε.

    radii: (S,) upper ends for S draws of f_0. bounds: (S,) the bound (z* + max_i −y_i f_0(x_i))₊/γ_T of each. proved:
    (log(1/ε) + √(2 log(n/δ)))/γ_T. ratio: the largest of the radii over log(n/δ) + log(1/ε).
    """

    n: int
    epsilon: float
    radii: Vector
    bounds: Vector
    proved: float
    ratio: float


@dataclass(frozen=True)
class RadiusGrowth:
    """How R grows with n and 1/ε.

    delta: 1/(S + 1), the probability with which one more draw of f_0 would exceed the S at hand. margin: γ_T from
    below, and margin_source: why it is one. a, b, c: R ≈ a·log(n/δ) + b·log(1/ε) + c by least squares on the largest
    radii; residual: the root mean square of the deviations over the mean of these radii.
    """

    alpha: float
    L: int
    delta: float
    margin: float
    margin_source: str
    rows: tuple[GrowthRow, ...]
    a: float
    b: float
    c: float
    residual: float

    @property
    def constant(self) -> float:
        """The C of R ≤ C·(log(n/δ) + log(1/ε)) that these rows need: the largest ratio."""
        return max(row.ratio for row in self.rows)

    @property
    def holds(self) -> bool:
        """Whether every radius is within the bound of its draw of f_0."""
        return all(bool((row.radii <= row.bounds * (1 + 1e-9)).all()) for row in self.rows)

    def table(self) -> str:
        """Return the rows, the fit and what follows as text."""
        headers = ("n", "ε", "median R", "largest R", "R/(log(n/δ)+log(1/ε))", "proved R ≤")
        lines = [
            (row.n, *(f"{x:.4g}" for x in (row.epsilon, np.median(row.radii), row.radii.max(), row.ratio, row.proved)))
            for row in self.rows
        ]
        draws = len(self.rows[0].radii)
        fit = f"R ≈ {self.a:.3g}·log(n/δ) + {self.b:.3g}·log(1/ε) {self.c:+.3g}"
        return "\n".join(
            (
                f"m → ∞, L = {self.L}, α = {self.alpha:g}, {draws} draws of f_0, δ = {self.delta:.3g}",
                tabulate(lines, headers=headers, disable_numparse=True),
                f"{fit}, root mean square deviation {self.residual:.1%} of the mean",
                f"tangent margin γ_T ≥ {self.margin:.4g}, {self.margin_source}",
                f"R ≤ (z* + max|f_0|)/γ_T {'holds' if self.holds else 'FAILS'} in every draw",
                f"R/(log(n/δ) + log(1/ε)) is at most {self.constant:.4g} here; it cannot exceed "
                f"1/γ_T ≤ {1 / self.margin:.4g} as n or 1/ε grows",
            )
        )


def radius_growth(
    data: Dataset,
    *,
    sizes: Sequence[int],
    epsilons: Sequence[float],
    L: int = 2,
    alpha: float = 0.5,
    draws: int = 9,
    seed: int = 0,
    device: str = "auto",
) -> RadiusGrowth:
    """Return R in the limit of infinite width for growing parts of a data set, and what claim (c) of chen2019 says.

    data: separable; its first n rows are taken for every n in `sizes`, with the same functions f_0. γ_T is what is
    known of the data by construction where that says it (L = 2, a margin in random ReLU features or of ji2020), so
    that it does not depend on n; else it is measured on as many rows as the largest size. L: weight matrices. draws:
    of f_0 (one for α < ½, where it is 0).

    Raises InputError for sizes that are not whole numbers in 1 … n or fewer than two of them, likewise for ε in (0, 1),
    draws < 1, data that no radius separates, and what `limit_problem` refuses.
    """
    largest = max(sizes, default=0)
    if len(set(sizes)) < 2 or min(sizes) < 1 or largest > data.n:
        raise InputError(f"sizes {list(sizes)}; give at least two different ones between 1 and n = {data.n}")
    if len(set(epsilons)) < 2 or not all(0 < epsilon < 1 for epsilon in epsilons):
        raise InputError(f"epsilons {list(epsilons)}; give at least two different ones between 0 and 1")
    if draws < 1:
        raise InputError(f"draws = {draws!r}; give a whole number ≥ 1")
    needed = [needed_margin(epsilon) for epsilon in epsilons]
    y = data.y[:largest]
    problem = limit_problem(data.X[:largest], y, L=L, alpha=alpha, seed=seed, device=device)
    planted = _planted(data) if L == 2 else 0.0
    margin = planted or problem.margin()[0]
    if margin <= 0:
        raise InputError(f"{data.name}: no radius separates the first {largest} rows; give separable data")
    starts = [problem.start(init) for init in range(draws if problem.factor is not None else 1)]
    delta = 1 / (len(starts) + 1)

    rows = []
    for n in sizes:
        layers = TangentLayers(problem.layers.kernels[:, :n, :n].contiguous(), problem.layers.errors)
        for epsilon, z in zip(epsilons, needed, strict=True):
            rises = [z - y[:n] * start[:n] for start in starts]
            radii = np.array([least_radius(layers, y[:n], rise).upper for rise in rises])
            logs = math.log(n / delta) + math.log(1 / epsilon)
            spread = math.sqrt(2 * math.log(n / delta)) if problem.factor is not None else 0.0
            rows.append(
                GrowthRow(
                    n=n,
                    epsilon=epsilon,
                    radii=radii,
                    bounds=np.array([max(0.0, float(rise.max())) / margin for rise in rises]),
                    proved=max(0.0, math.log(1 / epsilon) + spread) / margin,
                    ratio=float(radii.max()) / logs,
                )
            )
    design = np.array([[math.log(row.n / delta), math.log(1 / row.epsilon), 1.0] for row in rows])
    values = np.array([row.radii.max() for row in rows])
    fit = np.linalg.lstsq(design, values, rcond=None)[0]
    return RadiusGrowth(
        alpha=alpha,
        L=L,
        delta=delta,
        margin=margin,
        margin_source="by construction of the data, for any n" if planted else f"measured on {largest} rows",
        rows=tuple(rows),
        a=float(fit[0]),
        b=float(fit[1]),
        c=float(fit[2]),
        residual=float(np.sqrt(np.mean((design @ fit - values) ** 2)) / values.mean()),
    )


def _planted(data: Dataset) -> float:
    """γ_T of two-layer networks that the data set is known to have, 0 if nothing is known."""

    def known(name: str) -> float:
        facts = (fact.value for fact in data.truth if fact.name == name and fact.direction in ("exact", "lower"))
        return max(facts, default=0.0)

    return math.sqrt(2) * known("gamma_random_feature") + known("gamma_ji2020")
