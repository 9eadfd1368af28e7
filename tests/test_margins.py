"""Separation margins: brackets against closed forms, planted margins, quadrature, grids and a second solver."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import linprog

from boundcalc.data.sources import load
from boundcalc.errors import InputError
from boundcalc.estimate import margins
from boundcalc.estimate.estimate import Estimate
from boundcalc.estimate.margins import Sampling, gamma_conjugate_kernel, gamma_ji2020, gamma_random_feature
from boundcalc.estimate.minimax import nearest_point

QUICK = Sampling(learnt=2**12, fresh=2**15)
BY_DIRECTIONS = [gamma_random_feature, gamma_ji2020]
SIGMA = 1 / math.sqrt(2 * math.pi)  # E σ(u), u standard normal


def unit(*angles: float) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def ends(estimate: Estimate) -> tuple[float, float]:
    assert estimate.direction == "bracket"
    assert estimate.symbol == "gamma"
    assert estimate.lower is not None
    assert estimate.upper is not None
    assert 0 <= estimate.lower <= estimate.upper
    assert estimate.value == estimate.lower
    return estimate.lower, estimate.upper


def contains(estimate: Estimate, truth: float, width: float) -> None:
    """The bracket contains the truth (up to rounding of the truth) and is narrower than width · truth."""
    lower, upper = ends(estimate)
    assert lower <= truth * (1 + 1e-14)
    assert truth * (1 - 1e-14) <= upper
    assert upper - lower <= width * truth
    assert estimate.converged


def own_kernel(X: np.ndarray, levels: int) -> np.ndarray:
    """κ^(levels) entry by entry, from the arc-cosine formula of E[σσ]."""

    def entry(x: np.ndarray, z: np.ndarray) -> float:
        a, b, c = float(x @ x), float(z @ z), float(x @ z)
        for _ in range(levels):
            theta = math.acos(max(-1.0, min(1.0, c / math.sqrt(a * b))))
            c = math.sqrt(a * b) * (math.sin(theta) + (math.pi - theta) * math.cos(theta)) / (2 * math.pi)
            a, b = a / 2, b / 2
        return c

    return np.array([[entry(x, z) for z in X] for x in X])


@pytest.mark.parametrize("theta", [0.3, 1.2, 2.9])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_two_rows(theta: float, sign: float) -> None:
    X, y = unit(0.7, 0.7 + theta), np.array([1.0, sign])
    # Equal weights, by symmetry. E|σ(u) − σ(v)| = 2E max(u, v, 0) − 2Eσ, the mean of three normals' largest.
    contains(gamma_random_feature(X, y), SIGMA if sign > 0 else SIGMA * math.sin(theta / 2), 1e-5)
    resultant = 2 * math.cos(theta / 2) if sign > 0 else 2 * math.sin(theta / 2)
    contains(gamma_ji2020(X, y), ((math.pi - theta) / (2 * math.pi) * resultant + theta / math.pi) / 2, 2e-4)
    contains(gamma_conjugate_kernel(X, y, 0), resultant / 2, 1e-8)
    first = (math.sin(theta) + (math.pi - theta) * math.cos(theta)) / (2 * math.pi)
    contains(gamma_conjugate_kernel(X, y, 1), math.sqrt((0.5 + sign * first) / 2), 1e-8)


def test_rows_on_a_line() -> None:
    X, y = np.array([[1.0], [-1.0], [1.0]]), np.array([1.0, -1.0, 1.0])
    contains(gamma_random_feature(X, y), SIGMA, 1e-6)
    contains(gamma_ji2020(X, y), 0.5, 1e-4)
    contains(gamma_conjugate_kernel(X, y, 1), 0.5, 1e-8)  # κ^(1) = ½ on the diagonal, 0 for opposite rows


def test_orthonormal_rows_in_space() -> None:
    # The gates are independent fair coins, and the weights are equal by symmetry.
    active = [math.comb(3, k) / 8 * math.sqrt(k) / 3 for k in range(4)]
    contains(gamma_ji2020(np.eye(3), np.array([1.0, -1.0, 1.0]), QUICK), sum(active), 0.05)
    contains(gamma_random_feature(np.eye(3), np.ones(3), QUICK), SIGMA, 0.1)


def wedge(margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Linear margin `margin`, attained by e_0; the rows 0 and 1 show that no function has a larger one."""
    rest = math.sqrt(1 - margin**2)
    X = [[s * margin, *(rest if k == j else 0.0 for k in range(3))] for j in range(3) for s in (1, -1)]
    return np.array(X), np.array([1.0, -1.0] * 3)


def test_a_linear_margin() -> None:
    X, y = wedge(0.5)
    contains(gamma_random_feature(X, y, QUICK), 0.5 * SIGMA, 0.2)
    contains(gamma_conjugate_kernel(X, y, 0), 0.5, 1e-8)
    pair = gamma_ji2020(X[:2], y[:2])
    lower, upper = ends(gamma_ji2020(X, y, QUICK))
    assert upper >= 0.5 / 2  # v̄ = e_0
    assert lower <= ends(pair)[1]


@pytest.mark.parametrize("seed", range(12))
def test_the_confidence_statement_holds_for_small_samples(seed: int) -> None:
    X, y = wedge(0.6)
    lower, upper = ends(gamma_random_feature(X, y, Sampling(seed=seed, confidence=0.9, learnt=200, fresh=2000)))
    assert lower <= 0.6 * SIGMA <= upper


@pytest.mark.parametrize(
    "source", ["xor:n=40,d=6", "relu-features:n=40,d=4,gamma=0.06", "conjugate:n=40,d=4,gamma=0.05,L=3"]
)
def test_planted_margins(source: str) -> None:
    data = load(source)
    measures: dict[str, Callable[[int | None], Estimate]] = {
        "gamma_random_feature": lambda L: gamma_random_feature(data.X, data.y, QUICK),
        "gamma_ji2020": lambda L: gamma_ji2020(data.X, data.y, QUICK),
        "gamma_conjugate_kernel": lambda L: gamma_conjugate_kernel(data.X, data.y, (L or 0) - 1),
    }
    seen = 0
    for fact in data.truth:
        if fact.name not in measures:
            continue
        seen += 1
        lower, upper = ends(measures[fact.name](fact.L))
        slack = 1e-9 * fact.value
        assert fact.direction == "lower" or lower <= fact.value + slack
        assert fact.direction == "upper" or fact.value <= upper + slack
        if fact.name == "gamma_conjugate_kernel" and fact.value:
            assert upper - lower <= 1e-6 * upper
    assert seen


def circle(X: np.ndarray, y: np.ndarray, p: np.ndarray, gates: bool) -> float:
    """E‖h_p‖ on a fine grid of directions of z; E|z| = √(π/2) for σ, which is homogeneous."""
    directions = unit(*((np.arange(8000) + 0.5) * (2 * math.pi / 8000)))
    products = directions @ X.T
    if gates:
        return float(np.linalg.norm((products > 0) @ ((p * y)[:, None] * X), axis=1).mean())
    return float(math.sqrt(math.pi / 2) * np.abs(np.maximum(products, 0) @ (p * y)).mean())


@pytest.mark.parametrize("gates", [False, True])
@pytest.mark.parametrize("angles", [(0.1, 0.9, 1.5), (0.0, 2.0, 4.5)])
def test_three_rows_against_a_grid_of_weights(angles: tuple[float, ...], gates: bool) -> None:
    X, y = unit(*angles), np.array([1.0, -1.0, 1.0])
    lower, upper = ends(BY_DIRECTIONS[gates](X, y))
    steps = 24
    grid = [np.array([i, j, steps - i - j]) / steps for i in range(steps + 1) for j in range(steps + 1 - i)]
    values = [circle(X, y, p, gates) for p in grid]
    best = grid[int(np.argmin(values))]
    near = [best + np.array([a, b, -a - b]) / 1000 for a in range(-42, 43, 6) for b in range(-42, 43, 6)]
    least = min(circle(X, y, p, gates) for p in near if (p >= 0).all())
    error = 5e-4 if gates else 1e-5  # each of six jumps is misplaced by less than 1/8000 of the circle
    assert lower - error <= least
    assert upper <= least + error
    assert least <= upper + 0.006  # weights are off by at most 0.003 each
    assert upper - lower <= 1e-3 * upper


def test_sampling_agrees_with_the_exact_integrals() -> None:
    random = np.random.default_rng(5)
    X, y = unit(*random.uniform(0, 3, 8)), random.choice([-1.0, 1.0], 8)
    for measure, gates in zip(BY_DIRECTIONS, (False, True), strict=True):
        exact = ends(measure(X, y))
        scale = 1.0 if gates else math.sqrt(math.pi / 2)
        lower, upper, _ = margins._sampled(X, X, y, gates, scale, QUICK, "cpu")
        assert lower <= exact[1]
        assert exact[0] <= upper
        assert upper <= exact[1] * 1.2


def test_against_a_linear_programme_on_features() -> None:
    random = np.random.default_rng(1)
    X = random.standard_normal((12, 4))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = np.sign(X[:, 0])
    features = np.maximum(random.standard_normal((4000, 4)) @ X.T, 0) * y / 4000
    n, count = len(y), len(features)
    programme = linprog(
        np.append(np.zeros(count), -1.0),
        np.hstack([-features.T, np.ones((n, 1))]),
        np.zeros(n),
        bounds=[(-1, 1)] * count + [(None, None)],
    )
    lower, upper = ends(gamma_random_feature(X, y, QUICK))
    # Four standard errors of the mean of a feature, whose variance is below ½.
    error = 4 * math.sqrt(0.5 / count)
    assert lower - error <= -programme.fun <= upper + error
    assert upper - lower <= 0.2 * upper


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_three_rows_in_the_kernel_against_a_grid_of_weights(levels: int) -> None:
    random = np.random.default_rng(levels)
    X, y = random.standard_normal((3, 5)), np.array([1.0, -1.0, 1.0])
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    gram = own_kernel(X, levels) * np.outer(y, y)
    a, b = (part.ravel() for part in np.meshgrid(*2 * [np.linspace(0, 1, 1001)]))
    p = np.stack([a, b, 1 - a - b])[:, a + b <= 1]
    least = math.sqrt((p * (gram @ p)).sum(axis=0).min())
    lower, upper = ends(gamma_conjugate_kernel(X, y, levels))
    assert lower <= least <= upper + 1e-5
    assert upper - lower <= 1e-8


def test_no_better_function_in_the_kernel() -> None:
    random = np.random.default_rng(2)
    X, y = random.standard_normal((60, 6)), random.choice([-1.0, 1.0], 60)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    lower, upper = ends(gamma_conjugate_kernel(X, y, 2))
    gram = own_kernel(X, 2) * np.outer(y, y)
    # Frank-Wolfe with exact steps, from the other side: any of its weights bounds the margin from above.
    p = np.full(60, 1 / 60)
    for _ in range(20000):
        gradient = gram @ p
        step = -p + np.eye(60)[gradient.argmin()]
        p = p + np.clip(-(step @ gradient) / max(step @ gram @ step, 1e-300), 0, 1) * step
    reached = math.sqrt(p @ gram @ p)
    assert lower <= reached
    assert upper <= reached + 1e-12
    assert (gram @ p).min() / reached <= upper
    assert upper - lower <= 1e-6 * upper


@pytest.mark.parametrize("d", [2, 5])
def test_contradicting_labels_have_margin_zero(d: int) -> None:
    X = np.vstack([np.eye(d), np.eye(d)[:1]])
    y = np.append(np.ones(d), -1.0)
    for measure in BY_DIRECTIONS:
        lower, upper = ends(measure(X, y, QUICK))
        assert lower == 0
        assert upper < 1e-6
    estimate = gamma_conjugate_kernel(X, y, 1)
    assert ends(estimate)[0] < 1e-12
    assert ends(estimate)[1] < 1e-6
    assert estimate.converged
    assert "no function separates" in estimate.method


def test_labels_that_no_line_separates() -> None:
    X, y = unit(0, math.pi / 2, math.pi, 3 * math.pi / 2), np.array([1.0, -1.0, 1.0, -1.0])
    assert ends(gamma_conjugate_kernel(X, y, 0))[1] < 1e-6
    assert ends(gamma_conjugate_kernel(X, y, 1))[0] > 0.1


@pytest.mark.parametrize("measure", BY_DIRECTIONS)
def test_only_the_span_of_the_rows_matters(measure: Callable[..., Estimate]) -> None:
    X, y = unit(0.0, 1.0, 2.5, 4.0), np.array([1.0, -1.0, 1.0, -1.0])
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((9, 2)))
    there, here = ends(measure(X @ basis.T, y)), ends(measure(X, y))
    np.testing.assert_allclose(there, here, rtol=1e-3)


def test_the_same_seed_gives_the_same_bracket() -> None:
    X, y = wedge(0.4)
    first, again = (gamma_ji2020(X, y, QUICK, device="cpu") for _ in range(2))
    assert first == again
    other = gamma_ji2020(X, y, Sampling(seed=1, learnt=2**12, fresh=2**15), device="cpu")
    assert ends(other) != ends(first)
    assert "confidence 0.99" in first.method


def test_the_nearest_point_of_a_singular_matrix() -> None:
    # Points of the plane: the hull of (1, 1), (1, −1), (3, 0) is nearest to 0 at (1, 0).
    points = np.array([[1.0, 1.0], [1.0, -1.0], [3.0, 0.0], [1.0, 1.0]])
    p = nearest_point(points @ points.T)
    assert p is not None
    np.testing.assert_allclose(p @ points, [1.0, 0.0], atol=1e-9)
    assert nearest_point(np.zeros((2, 2))) is None


def test_refusals() -> None:
    X, y = np.eye(3), np.ones(3)
    with pytest.raises(InputError, match="y = 2 in row 1"):
        gamma_random_feature(X, np.array([1.0, 2.0, 1.0]))
    with pytest.raises(InputError, match="row 2 has norm 0"):
        gamma_ji2020(np.diag([1.0, 1.0, 0.0]), y)
    with pytest.raises(InputError, match="give \\(n, d\\) and \\(n,\\)"):
        gamma_conjugate_kernel(X, np.ones(2), 1)
    with pytest.raises(InputError, match=r"confidence = 1\.5"):
        Sampling(confidence=1.5)
    with pytest.raises(InputError, match="fresh = 1"):
        Sampling(fresh=1)
