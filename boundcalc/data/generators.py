"""Generators of data on the unit sphere whose theorem parameters are known by construction.

A generator is written `name:key=value,…`. The same options give the same rows (PCG64); where rows are independent of
each other, more of the same law can be drawn. Each margin that is
called exact has two proofs: a function that attains it on every row, and weights on a few planted rows, the
first ones of the data set, whose combination shows that none does better. For the γ of Assumption 3.3 of
cao2020, max over |c| ≤ 1 of min_i y_i f_c(x_i) with f_c(x) = E_u[c(u) σ(⟨u, x⟩)], u ~ N(0, I), the second
proof is: for weights p ≥ 0 of sum 1, min_i y_i f_c(x_i) ≤ E_u[c(u) g(u)] ≤ E_u|g(u)|, g(u) = Σ p_i y_i σ(⟨u, x_i⟩).

**Linear margin.** c(u) = sign⟨v, u⟩ gives f_c(x) = ⟨v, x⟩/√(2π): σ(z) = (z + |z|)/2, the even part averages
out against an odd c, and E[sign⟨v, u⟩⟨u, x⟩]/2 = ⟨v, x⟩ E|⟨v, u⟩|/2. The two rows ±μv + √(1 − μ²)w with
w ⊥ v, labelled ±1 and weighted ½ each, are at an angle θ with sin(θ/2) = μ, and E|g| = √(2/π) sin(θ/2)/2
= μ/√(2π). So linear margin μ means γ = μ/√(2π) exactly, once those two rows are there.

**Product margin.** c(u) = sign(⟨v₁, u⟩⟨v₂, u⟩), v₁ ⊥ v₂, gives, with a = ⟨v₁, x⟩, b = ⟨v₂, x⟩ and
ρ = √(1 − a² − b²), by Gaussian integration by parts
  f_c(x) = (2/π)^{3/2}/2 · [a·atan2(b, ρ) + b·atan2(a, ρ) − atan2(ab, ρ)].
The four rows (±a, ±b, the same rest), labelled by the product of signs and weighted ¼ each, have
g ∝ max(|au₁ + bu₂|, |w|) − max(|au₁ − bu₂|, |w|) for a normal w that the rest brings: its sign is that of
u₁u₂ = c (a, b > 0) wherever it is not 0, so E|g| = E[c·g] = f_c(a, b). Hence γ = f_c(a, b) exactly, where no
row has a smaller y f_c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import asin, atan, inf, pi, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boundcalc.data.dataset import Dataset, Truth, make_dataset
from boundcalc.data.specs import Option, read_options
from boundcalc.errors import InputError

Matrix = NDArray[np.float64]
Values = Mapping[str, int | float]

_MOST_ENTRIES = 2**30  # 8 GiB of float64
_PROPOSALS = 2**16
_MOST_PROPOSALS = 2**24
# Rows that are drawn keep this relative distance from the planted margin, so that rounding leaves it the least.
_CLEARANCE = 1e-9
_SIGNS = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
_PRODUCTS = _SIGNS.prod(axis=1)
_PRODUCT_SCALE = (2 / pi) ** 1.5 / 2


class Generated(NamedTuple):
    """Inputs (n, d), labels ±1 and what is known of them."""

    X: Matrix
    y: Matrix
    truth: tuple[Truth, ...]


@dataclass(frozen=True)
class Generator:
    """How to make one kind of data: its options besides n, d and seed, its least n and d, and the function.

    make(common, random, n, d, values) draws what all rows have in common, such as directions, from `common`, and then
    the rows from `random`. planted: how many rows come first that are not drawn at random; None where the rows depend
    on each other, so that no more of the same law can be drawn.
    """

    make: Callable[[np.random.Generator, np.random.Generator, int, int, Values], Generated]
    least_n: int
    least_d: int
    options: Mapping[str, Option]
    planted: int | None = None

    @property
    def all_options(self) -> dict[str, Option]:
        """Every option by key."""
        return {
            "n": Option(200, self.least_n),
            "d": Option(10, self.least_d),
            **self.options,
            "seed": Option(0, 0),
        }


def generate(name: str, options: str) -> Dataset:
    """Return the data set `name:options`, with its truth; every option that is not given has a default.

    Raises InputError for options that the generator does not have or that no data can meet.
    """
    generator = GENERATORS[name]
    values = read_options(name, options, generator.all_options)
    n, d = int(values["n"]), int(values["d"])
    _refuse_too_large(name, n, d)
    random = _seeded(values)
    made = generator.make(random, random, n, d, values)
    spec = ",".join(f"{key}={value}" for key, value in values.items())
    return replace(make_dataset(f"{name}:{spec}", made.X, made.y), truth=made.truth)


def draw_more(name: str, options: str, count: int, random: np.random.Generator) -> Dataset | None:
    """Draw `count` more rows of the law that the random rows of the data set `name:options` follow, independent of it.

    What all rows have in common (the direction that labels them, say) is that of the options; the rows come from
    `random`. None where the generator's rows depend on each other. Raises InputError as `generate` does.
    """
    generator = GENERATORS[name]
    values = read_options(name, options, generator.all_options)
    if generator.planted is None:
        return None
    n, d = count + generator.planted, int(values["d"])
    _refuse_too_large(name, n, d)
    made = generator.make(_seeded(values), random, n, d, values)
    rows = slice(generator.planted, None)
    return make_dataset(f"{name}:{options} ({count} more)", made.X[rows], made.y[rows])


def _seeded(values: Values) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(int(values["seed"])))


def _refuse_too_large(name: str, n: int, d: int) -> None:
    if n * d > _MOST_ENTRIES:
        raise InputError(f"{name}: n={n}, d={d} take {8 * n * d / 2**30:.0f} GiB, more than 8; lower one of them")


def _sphere(common: np.random.Generator, random: np.random.Generator, n: int, d: int, values: Values) -> Generated:
    """Uniform on the part of the sphere where |⟨v, x⟩| ≥ margin, labelled by the side, v a random direction."""
    margin = float(values["margin"])
    v, w = _frame(common, d, 2)
    heights = _cap_heights(random, n - 2, d, margin) * random.choice([-1.0, 1.0], n - 2)
    rest = _orthogonal_units(random, n - 2, np.stack([v]))
    width = sqrt(1.0 - margin * margin)
    X = np.concatenate(
        [
            [margin * v + width * w, -margin * v + width * w],
            heights[:, None] * v + np.sqrt(1 - heights**2)[:, None] * rest,
        ]
    )
    y = np.concatenate([[1.0, -1.0], np.sign(heights)])
    angle = 2 * asin(margin)
    pair = "rows 0 and 1 are ±margin·v plus the same rest"
    return Generated(
        X,
        y,
        (
            Truth("linear_margin", margin, "exact", f"attained by v; {pair}"),
            Truth("gamma_random_feature", margin / sqrt(2 * pi), "exact", f"c(u) = sign⟨v, u⟩ attains it; {pair}"),
            Truth("gamma_conjugate_kernel", margin, "exact", "at L = 1 the kernel is linear", L=1),
            Truth("gamma_ji2020", margin / 2, "lower", "v̄(z) = v attains it"),
            Truth("gamma_ji2020", (margin * (pi - angle) + angle) / (2 * pi), "upper", f"weights ½ and ½: {pair}"),
            Truth("phi", 2 * margin, "upper", f"{pair}: their distance is 2·margin"),
        ),
    )


def _xor(common: np.random.Generator, random: np.random.Generator, n: int, d: int, values: Values) -> Generated:
    """Distinct corners of the cube {±1/√d}^d, labelled by the product of the signs of coordinates 0 and 1.

    Corners come in fours that differ in coordinates 0 and 1 only; of the last four some may be missing.
    """
    if d < 63 and n > 2**d:
        raise InputError(f"xor: n={n} is more than the {2**d} corners of a cube with d={d}; raise d or lower n")
    fours = -(-n // 4)
    rest = np.repeat(_distinct_signs(random, fours, d - 2), 4, axis=0)
    X = np.concatenate([np.tile(_SIGNS, (fours, 1)), rest], axis=1)[:n] / sqrt(d)
    y = np.tile(_PRODUCTS, fours)[:n]
    gamma = float(_product_function(*(np.array([value]) for value in (1 / sqrt(d), 1 / sqrt(d))))[0])
    once = 2 / pi * atan(sqrt(2 / (d - 2))) if d > 2 else 1.0  # |w| < |a|, w ~ N(0, d − 2), a ~ N(0, 2)
    both = 2 * once - 1 + 2 / pi * asin((d - 2) / d)  # |w| < |a| and |w| < |b|
    four = "rows 0 to 3 differ only in the signs of coordinates 0 and 1"
    truth = [
        Truth("linear_margin", 0.0, "exact", f"no direction separates: {four}"),
        Truth("gamma_random_feature", gamma, "exact", f"c(u) = sign(u₀u₁) attains it on every row; {four}"),
        Truth("gamma_ji2020", once / (2 * sqrt(d)), "lower", "v̄(z) = sign(z₁)e₀ if |z₀| < |z₁|, else sign(z₀)e₁"),
        Truth("gamma_ji2020", both / (2 * sqrt(d)) + (once - both) / 2, "upper", f"equal weights: {four}"),
        Truth("gamma_conjugate_kernel", 0.0, "exact", "at L = 1 the kernel is linear", L=1),
        Truth("phi", 2 / sqrt(d), "exact", "distinct corners; rows 0 and 2 differ in one coordinate"),
    ]
    return Generated(X, y, tuple(truth))


def _relu_features(
    common: np.random.Generator, random: np.random.Generator, n: int, d: int, values: Values
) -> Generated:
    """Rows with y f_c(x) ≥ gamma for c(u) = sign(⟨v₁, u⟩⟨v₂, u⟩), v₁ ⊥ v₂ random; rows 0 to 3 have exactly gamma."""
    gamma = float(values["gamma"])

    def function(a: Matrix, b: Matrix, _: Matrix) -> Matrix:
        return _product_function(a, b)

    t = _increasing_root(lambda t: float(_product_function(np.array([t]), np.array([t]))[0]) - gamma)
    X, y = _around_four_rows(common, random, "relu-features", n, d, t, gamma, function)
    four = "rows 0 to 3 differ only in the signs of ⟨v₁, x⟩ and ⟨v₂, x⟩"
    return Generated(
        X,
        y,
        (
            Truth("gamma_random_feature", gamma, "exact", f"c(u) = sign(⟨v₁, u⟩⟨v₂, u⟩) attains it; {four}"),
            Truth("linear_margin", 0.0, "exact", f"no direction separates: {four}"),
            Truth("gamma_conjugate_kernel", 0.0, "exact", "at L = 1 the kernel is linear", L=1),
            Truth("phi", 2 * t, "upper", f"{four}: two of them are 2⟨v₁, x⟩ apart"),
        ),
    )


def _conjugate(common: np.random.Generator, random: np.random.Generator, n: int, d: int, values: Values) -> Generated:
    """Rows with y f(x) ≥ gamma for a unit-norm f in the RKHS of κ^(L−1), the conjugate kernel of cao2020.

    With z_s = (s₁t, s₂t, the same rest) and g = ¼ Σ_s s₁s₂ κ(z_s, ·): f = g/‖g‖ and y_s f(z_s) = ‖g‖ for all
    four by symmetry, and t is such that ‖g‖ = gamma. The z_s are rows 0 to 3; no unit-norm function has a
    larger margin on them, since ‖Σ p_i y_i κ(x_i, ·)‖ bounds the margin for any weights p.
    """
    gamma, level = float(values["gamma"]), int(values["L"]) - 1

    def squared_norm(t: float) -> float:
        cosines = np.array([1.0, 1 - 2 * t * t, 1 - 4 * t * t])
        return float(_conjugate_kernel(cosines, level) @ (1.0, -2.0, 1.0)) / 4

    most = sqrt(squared_norm(sqrt(0.5)))
    if gamma > 0.98 * most:
        raise InputError(
            f"conjugate: gamma={gamma:g} is too large for L={level + 1}, where fours of rows reach {most:.6g}; "
            f"give at most {_rounded_down(0.98 * most):g}"
        )
    if 4 * gamma * gamma * 2**level < 1e-6:
        raise InputError(
            f"conjugate: gamma={gamma:g} is too small for L={level + 1} to be met to ten digits in float64; "
            f"give at least {2 * 5e-4 * 2 ** (-level / 2):.2g}"
        )
    t = _increasing_root(lambda t: squared_norm(t) - gamma * gamma)

    def function(a: Matrix, b: Matrix, c: Matrix) -> Matrix:
        base = sqrt(max(0.0, 1 - 2 * t * t)) * c
        total = np.zeros_like(a)
        for (first, second), sign in zip(_SIGNS, _PRODUCTS, strict=True):
            total += sign * _conjugate_kernel(t * (first * a + second * b) + base, level)
        return total / (4 * gamma)

    X, y = _around_four_rows(common, random, "conjugate", n, d, t, gamma, function)
    four = "rows 0 to 3 differ only in the signs of ⟨v₁, x⟩ and ⟨v₂, x⟩"
    return Generated(
        X,
        y,
        (
            Truth(
                "gamma_conjugate_kernel",
                gamma,
                "exact",
                f"attained by the signed sum of the kernel at rows 0 to 3; {four}",
                L=level + 1,
            ),
            Truth("linear_margin", 0.0, "exact", f"no direction separates: {four}"),
            Truth("phi", 2 * t, "upper", f"{four}: two of them are 2⟨v₁, x⟩ apart"),
        ),
    )


def _spread(common: np.random.Generator, random: np.random.Generator, n: int, d: int, values: Values) -> Generated:
    """Rows at least phi apart, drawn uniformly and kept if far from those before; rows 0 and 1 exactly phi apart.

    Labels are fair coins, but rows 0 and 1 have opposite ones.
    """
    phi = float(values["phi"])
    v, w = _frame(common, d, 2)
    half = asin(phi / 2)
    X = np.empty((n, d))
    X[0], X[1] = np.cos(half) * v + np.sin(half) * w, np.cos(half) * v - np.sin(half) * w
    # ‖x − x'‖² = 2 − 2⟨x, x'⟩; the second term keeps what rounds to phi out.
    largest = 1 - phi * phi / 2 - 1e-14
    count, tried, block = 2, 0, min(1024, max(16, n))
    while count < n:
        drawn = _units(random, block, d)
        far = drawn[(_largest_products(drawn, X[:count]) <= largest)]
        inner = far @ far.T
        start = count
        kept: list[int] = []
        for index in range(len(far)):
            if count < n and (not kept or inner[index, kept].max() <= largest):
                kept.append(index)
                count += 1
        X[start:count] = far[kept]
        tried = 0 if kept else tried + block
        if tried >= 2**14:
            raise InputError(
                f"spread: found only {count} of n={n} points that are phi={phi:g} apart in d={d}; "
                "lower phi or n, or raise d"
            )
    y = random.choice([-1.0, 1.0], n)
    y[:2] = 1.0, -1.0
    return Generated(X, y, (Truth("phi", phi, "exact", "rows 0 and 1 are phi apart, all others further"),))


def _random_labels(
    common: np.random.Generator, random: np.random.Generator, n: int, d: int, values: Values
) -> Generated:
    """Uniform on the sphere; one half of the rows, chosen at random, is labelled +1."""
    X = _units(random, n, d)
    y = np.where(random.permutation(n) < n // 2, 1.0, -1.0)
    return Generated(X, y, (Truth("population_error", 0.5, "exact", "labels say nothing about inputs"),))


def _product_function(a: Matrix, b: Matrix) -> Matrix:
    """Return f_c for c(u) = sign(⟨v₁, u⟩⟨v₂, u⟩) at a = ⟨v₁, x⟩, b = ⟨v₂, x⟩: see the module's docstring."""
    rho = np.sqrt(np.maximum(0.0, 1 - a * a - b * b))
    return np.asarray(_PRODUCT_SCALE * (a * np.arctan2(b, rho) + b * np.arctan2(a, rho) - np.arctan2(a * b, rho)))


def _conjugate_kernel(cosines: Matrix, level: int) -> Matrix:
    """Return κ^(level) of cao2020 at unit vectors with these cosines; κ^(level)(x, x) = 2^(−level)."""
    correlation = np.clip(cosines, -1.0, 1.0)
    for _ in range(level):
        angle = np.arccos(correlation)
        correlation = np.clip((np.sin(angle) + (pi - angle) * correlation) / pi, -1.0, 1.0)
    return np.asarray(correlation * 2.0**-level)


def _increasing_root(function: Callable[[float], float]) -> float:
    """Return t in [0, √½] with function(t) = 0 for an increasing function, to the last bit or so."""
    low, high = 0.0, sqrt(0.5)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if function(middle) >= 0 else (middle, high)
    return high


def _around_four_rows(
    common: np.random.Generator,
    random: np.random.Generator,
    name: str,
    n: int,
    d: int,
    t: float,
    gamma: float,
    function: Callable[[Matrix, Matrix, Matrix], Matrix],
) -> tuple[Matrix, Matrix]:
    """Return the rows (±t, ±t, √(1 − 2t²), 0) in a random frame v₁, v₂, v₃, and others where |function| > gamma.

    The function is one of the three coordinates in the frame. Proposals: a² + b² uniform on [0, 1], its angle
    uniform, the part of the rest along v₃ uniform, its remainder uniform in direction. (In d = 3, where there
    is no remainder, the part along v₃ is all of the rest, of either sign.)
    """
    frame = np.stack(_frame(common, d, 3))
    planted = np.concatenate([t * _SIGNS, np.full((4, 1), sqrt(max(0.0, 1 - 2 * t * t)))], axis=1)
    kept = [np.empty((0, 3))]
    count = proposed = 0
    while count < n - 4:
        if proposed >= _MOST_PROPOSALS:
            raise InputError(f"{name}: gamma={gamma:g} leaves almost no room for rows ({4 + count} of n={n}); lower it")
        square, angle, part = random.random((3, _PROPOSALS))
        radius, angle, part = np.sqrt(square), 2 * pi * angle, 2 * part - 1
        if d == 3:
            part = np.where(part < 0, -1.0, 1.0)
        drawn = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.sqrt(1 - square) * part], axis=1)
        drawn = drawn[np.abs(function(*drawn.T)) > gamma * (1 + _CLEARANCE)]
        kept.append(drawn)
        count, proposed = count + len(drawn), proposed + _PROPOSALS
    others = np.concatenate(kept)[: n - 4]
    y = np.concatenate([_PRODUCTS, np.sign(function(*others.T))])
    X = np.concatenate([planted, others]) @ frame
    if d > 3:
        remainder = np.sqrt(np.maximum(0.0, 1 - (others * others).sum(axis=1)))
        X[4:] += remainder[:, None] * _orthogonal_units(random, n - 4, frame)
    return X, y


def _cap_heights(random: np.random.Generator, count: int, d: int, margin: float) -> Matrix:
    """Draw |⟨v, x⟩| for x uniform on the sphere, given that it is at least the margin, by rejection.

    1 − ⟨v, x⟩² = q has a density ∝ q^((d−3)/2) (1 − q)^(−1/2) on [0, 1 − margin²]: either x is drawn and kept
    in the cap, or q is drawn without the second factor and kept with probability margin/√(1 − q).
    """
    kept: list[Matrix] = [np.empty(0)]
    missing = count
    while missing > 0:
        if margin * margin * d < 1:
            heights = np.abs(_first_coordinates(random, 2 * missing + 16, d))
            heights = heights[heights >= margin]
        else:
            q = (1 - margin * margin) * random.random(2 * missing + 16) ** (2 / (d - 1))
            heights = np.sqrt(1 - q)
            heights = heights[random.random(len(heights)) * heights <= margin]
        kept.append(heights[:missing])
        missing -= len(kept[-1])
    return np.maximum(np.concatenate(kept), margin * (1 + _CLEARANCE)).clip(max=1.0)


def _first_coordinates(random: np.random.Generator, count: int, d: int) -> Matrix:
    """Draw the first coordinate of points uniform on the sphere in d dimensions."""
    first = random.standard_normal(count)
    return np.asarray(first / np.sqrt(first * first + random.chisquare(d - 1, count)))


def _units(random: np.random.Generator, count: int, d: int) -> Matrix:
    """Draw points uniform on the sphere."""
    drawn = random.standard_normal((count, d))
    norms: Matrix = np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.asarray(drawn / norms)


def _orthogonal_units(random: np.random.Generator, count: int, frame: Matrix) -> Matrix:
    """Draw points uniform on the part of the sphere that is orthogonal to the rows of a frame."""
    drawn: Matrix = random.standard_normal((count, frame.shape[1]))
    for _ in range(2):  # the second time removes what rounding left
        drawn -= (drawn @ frame.T) @ frame
        norms: Matrix = np.linalg.norm(drawn, axis=1, keepdims=True)
        drawn = drawn / norms
    return drawn


def _frame(random: np.random.Generator, d: int, count: int) -> list[Matrix]:
    """Draw orthonormal vectors, uniform in direction."""
    frame = np.empty((0, d))
    for _ in range(count):
        frame = np.concatenate([frame, _orthogonal_units(random, 1, frame)])
    return list(frame)


def _distinct_signs(random: np.random.Generator, count: int, d: int) -> Matrix:
    """Draw distinct vectors of signs, uniformly."""
    if d <= 40:
        numbers = random.choice(2**d, count, replace=False)
        return np.where(numbers[:, None] >> np.arange(d) & 1, 1.0, -1.0)
    bits = random.integers(0, 2, (count, d), dtype=np.int8)
    while len(np.unique(bits, axis=0)) < count:  # at 2^20 rows of 41 signs about one draw in four
        bits = random.integers(0, 2, (count, d), dtype=np.int8)
    return 2.0 * bits.astype(np.float64) - 1.0


def _largest_products(points: Matrix, others: Matrix) -> Matrix:
    """Return max_j ⟨points_i, others_j⟩ without holding more than some 10⁷ products at once."""
    largest = np.full(len(points), -inf)
    step = max(1, 2**23 // len(points))
    for start in range(0, len(others), step):
        np.maximum(largest, (points @ others[start : start + step].T).max(axis=1), out=largest)
    return largest


def _rounded_down(value: float) -> float:
    """Return the value to three digits, not above it."""
    digits = 2 - int(np.floor(np.log10(value)))
    return float(np.floor(value * 10.0**digits) / 10.0**digits)


GENERATORS: Mapping[str, Generator] = {
    "sphere": Generator(_sphere, 2, 2, {"margin": Option(0.1, 0.0, 1.0, open_below=True, open_above=True)}, 2),
    "xor": Generator(_xor, 4, 2, {}),
    "relu-features": Generator(_relu_features, 4, 3, {"gamma": Option(0.05, 1e-5, 0.16)}, 4),
    "conjugate": Generator(_conjugate, 4, 3, {"gamma": Option(0.05, 1e-5, 0.25), "L": Option(2, 2, 16)}, 4),
    "spread": Generator(_spread, 2, 2, {"phi": Option(0.5, 1e-6, 2.0)}),
    "random-labels": Generator(_random_labels, 2, 2, {}, 0),
}
