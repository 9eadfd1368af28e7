"""The radius of (A) in the limit of infinite width and its lower limit at finite width, against other ways to them."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.data import load
from boundcalc.errors import InputError
from boundcalc.estimate import radius_floor as floors
from boundcalc.estimate import radius_growth as growth
from boundcalc.estimate import radius_study as study
from boundcalc.estimate.kernels import H_INFINITY, Kernel, error_norm, kernel_matrix, nngp
from boundcalc.estimate.least_radius import LeastRadius, TangentLayers, least_radius
from boundcalc.estimate.limit_radius import LimitProblem, limit_layers, limit_problem, limit_radius
from boundcalc.estimate.measures import Options, measure
from boundcalc.estimate.radius import certify_radius, needed_margin
from boundcalc.estimate.radius_floor import radius_floor, tangent_model
from boundcalc.estimate.radius_growth import radius_growth
from boundcalc.estimate.radius_study import radius_bracket, radius_study
from boundcalc.train.networks import he_relu, initial_weights, scaled_relu

DIGITS = load("digits", classes=("3", "8"))
X, Y = DIGITS.X[::12], DIGITS.y[::12]
FEW = load("relu-features:n=24,d=4,gamma=0.1")


def sphere(n: int, d: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def layers_of(kernels: list[np.ndarray]) -> TangentLayers:
    return TangentLayers(torch.tensor(np.array(kernels)), (0.0,) * len(kernels))


def by_cone_solver(kernels: np.ndarray, y: np.ndarray, needed: np.ndarray) -> float:
    """The primal problem itself, features taken from eigenvectors, by another program."""
    import cvxpy

    roots = []
    for kernel in kernels:
        values, vectors = np.linalg.eigh(kernel)
        kept = values > 1e-13 * values.max()
        roots.append(vectors[:, kept] * np.sqrt(values[kept]))
    radius, parts = cvxpy.Variable(), [cvxpy.Variable(root.shape[1]) for root in roots]
    outputs = sum(root @ part for root, part in zip(roots, parts, strict=True))
    limits = [cvxpy.multiply(y, outputs) >= needed, *(cvxpy.norm(part) <= radius for part in parts)]
    problem = cvxpy.Problem(cvxpy.Minimize(radius), limits)
    problem.solve(solver="CLARABEL")
    assert problem.status == "optimal"
    return float(radius.value)


def recheck(found: LeastRadius, kernels: np.ndarray, y: np.ndarray, needed: np.ndarray) -> None:
    """Both ends from their evidence, in numpy."""
    p = found.multipliers
    assert (p >= 0).all()
    lengths = [math.sqrt(max((p * y) @ kernel @ (p * y), 0.0)) for kernel in kernels]
    assert sum(lengths) <= 1 + 1e-9
    assert p @ needed >= found.lower * (1 - 1e-9)
    values = sum(kernel @ weights for kernel, weights in zip(kernels, found.coefficients, strict=True))
    assert (y * values >= needed - 1e-8 * np.abs(needed).max()).all()
    for kernel, weights in zip(kernels, found.coefficients, strict=True):
        assert math.sqrt(max(weights @ kernel @ weights, 0.0)) <= found.upper * (1 + 1e-9)
    assert found.shares.sum() == pytest.approx(1)


# --- the cone program ---


@pytest.mark.parametrize(("L", "alpha", "epsilon"), [(2, 0.5, 0.1), (4, 0.5, 0.5), (3, 0.25, 0.01), (4, 0.5, 1.5)])
def test_the_limit_agrees_with_a_cone_solver(L: int, alpha: float, epsilon: float) -> None:
    problem = limit_problem(X, Y, L=L, alpha=alpha, seed=1)
    found = problem.radius(epsilon, init=2)
    kernels = problem.layers.kernels.numpy()
    needed = -math.log(math.expm1(epsilon)) - Y * problem.start(2)
    assert found.status == "solved"
    assert found.gap <= 1e-6
    assert found.steps <= 25
    recheck(found, kernels, Y, needed)
    expected = by_cone_solver(kernels, Y, needed)
    assert found.lower <= expected * (1 + 1e-5)
    assert expected * (1 - 1e-5) <= found.upper


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_any_kernels_give_a_bracket_and_generic_ones_a_narrow_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    n, L = int(random.integers(1, 16)), int(random.integers(1, 4))
    factors = [random.standard_normal((n, n + 3)) * random.choice([1.0, 0.3]) for _ in range(L)]
    kernels = [factor @ factor.T for factor in factors]
    y, needed = random.choice([-1.0, 1.0], n), random.standard_normal(n) + random.choice([0.0, 2.0])
    found = least_radius(layers_of(kernels), y, needed)
    if needed.max() <= 0:
        assert (found.lower, found.upper, found.status) == (0.0, 0.0, "start")
        return
    recheck(found, np.array(kernels), y, needed)
    assert found.gap <= 1e-4
    assert found.steps < 60


@pytest.mark.parametrize("seed", range(6))
def test_kernels_of_low_rank_are_no_trap(seed: int) -> None:
    """At the optimum some N_l may be 0, where N has no gradient; the radius is still found."""
    random = np.random.default_rng(seed)
    n = 12
    factors = [random.standard_normal((n, rank)) for rank in (1, 4, n)]
    factors[2] *= 0.3
    kernels = [factor @ factor.T for factor in factors]
    y, needed = random.choice([-1.0, 1.0], n), random.standard_normal(n) + 1
    found = least_radius(layers_of(kernels), y, needed)
    assert found.gap <= 1e-2
    expected = by_cone_solver(np.array(kernels), y, needed)
    assert found.lower * (1 - 1e-5) <= expected <= found.upper * (1 + 1e-5)


def test_a_layer_that_does_not_matter_at_the_end() -> None:
    """Features (1, 1) and (1, −1): needed (1, 0.9) takes r_1 = 0.95, r_2 = 0.05, and p = (½, ½) has N_2 = 0."""
    same, opposite = np.ones((2, 2)), np.array([[1.0, -1.0], [-1.0, 1.0]])
    found = least_radius(layers_of([same, opposite]), np.ones(2), np.array([1.0, 0.9]))
    assert found.lower == pytest.approx(0.95, rel=1e-6)
    assert found.upper == pytest.approx(0.95, rel=1e-6)
    np.testing.assert_allclose(found.multipliers, [0.5, 0.5], rtol=1e-3)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_bracket_is_that_of_all_kernels_within_the_errors(sign: float) -> None:
    """Kernels moved by as much as their errors allow, in the direction that misleads most."""
    exact = limit_layers(X, 3).kernels
    needed, error = np.full(len(Y), 2.0), 1e-4
    best = least_radius(layers_of(list(exact.numpy())), Y, needed)
    misled = torch.tensor(best.multipliers * Y)
    misled /= misled.norm()
    moved = TangentLayers(exact + sign * error * torch.outer(misled, misled), (error,) * 3)
    found = least_radius(moved, Y, needed)
    assert found.lower <= best.lower
    assert best.upper <= found.upper
    assert found.status == "stopped"
    assert 1e-3 < found.gap < 0.5


def test_a_margin_that_is_there_must_not_be_lost() -> None:
    """Features that are nearly one: the short way to the first margin destroys the second, which then counts."""
    kernel = np.ones((2, 2)) + 0.01 * np.eye(2)
    for steps in (1, 2, 3, 100):
        found = least_radius(layers_of([kernel]), np.array([1.0, -1.0]), np.array([1.0, -0.9]), max_steps=steps)
        if math.isfinite(found.upper):
            recheck(found, kernel[None], np.array([1.0, -1.0]), np.array([1.0, -0.9]))
    # φ_i = (1, 0.1e_i), r = (s, t, u) with s + 0.1t = 1, s + 0.1u = 0.9: ‖r‖² is least at s = 380/402.
    s = 380 / 402
    assert found.upper == pytest.approx(math.sqrt(s**2 + 100 * (1 - s) ** 2 + 100 * (s - 0.9) ** 2), rel=1e-6)


def test_features_that_are_equal_leave_nothing_to_divide_by() -> None:
    found = least_radius(layers_of([np.ones((2, 2))]), np.array([1.0, -1.0]), np.ones(2))
    assert (found.status, found.upper) == ("inseparable", math.inf)
    assert 1e4 < found.lower < 1e12


def test_no_features_at_all_are_inseparable() -> None:
    found = least_radius(layers_of([np.zeros((2, 2)), np.zeros((2, 2))]), np.array([1.0, -1.0]), np.ones(2))
    assert (found.status, found.lower, found.upper) == ("inseparable", 0.0, math.inf)
    # What is needed is there already, whatever the features are.
    assert least_radius(layers_of([np.zeros((2, 2))]), np.array([1.0, -1.0]), -np.ones(2)).status == "start"


def test_networks_whose_units_are_all_off_have_a_lower_limit() -> None:
    rows, y = np.array([[0.6, 0.8], [0.8, 0.6]]), np.array([1.0, -1.0])
    passes = [w[:, 0, 0] for w in initial_weights(scaled_relu(4, 1, 2, 0.5), seed=0, trials=range(4))[1:3]]
    assert (torch.stack(passes) < 0).any(dim=0).any()  # a single unit with a negative weight: nothing gets through
    found = radius_floor(scaled_relu(4, 1, 2, 0.5), rows, y, epsilon=0.1, alpha=0.5, trials=range(4), seed=0)
    assert (found.lower > 0).all()


def test_the_radius_scales_with_what_is_needed() -> None:
    layers, needed = limit_layers(X, 3), 2.0 - Y * sphere(len(Y), 1)[:, 0]
    one = least_radius(layers, Y, needed)
    for factor in (1e-150, 1e-3, 1e200):
        scaled = least_radius(layers, Y, factor * needed)
        assert scaled.upper == pytest.approx(factor * one.upper, rel=1e-9)
        assert scaled.lower == pytest.approx(factor * one.lower, rel=1e-9)


def test_few_steps_leave_a_wide_bracket_that_holds() -> None:
    layers, needed = limit_layers(X, 3), np.full(len(Y), 2.0)
    best = least_radius(layers, Y, needed)
    widths = []
    for steps in (1, 3, 5, 7):
        found = least_radius(layers, Y, needed, max_steps=steps)
        assert found.status == "stopped"
        assert found.lower <= best.upper
        assert best.lower <= found.upper
        widths.append(found.gap)
    assert widths[-1] < widths[0]


# --- closed cases ---


@pytest.mark.parametrize("L", [2, 3, 6])
@pytest.mark.parametrize("label", [-1.0, 1.0])
def test_one_example(L: int, label: float) -> None:
    """R = z*/Σ_l √Θ_l(x, x), Θ_l(x, x) = ½ for hidden layers and 1 for the output."""
    x = np.array([[0.6, 0.0, 0.8]])
    for epsilon in (1e-8, 0.1, 0.69):
        (upper,) = limit_radius(x, np.array([label]), L=L, epsilon=epsilon, alpha=0.3).upper
        assert upper == pytest.approx(-math.log(math.expm1(epsilon)) / ((L - 1) / math.sqrt(2) + 1), rel=1e-6)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_two_orthogonal_examples(sign: float) -> None:
    """Θ_1 = ½·I, Θ_2 off the diagonal 1/π: p = (1, 1) by symmetry, N = 1 + √(2(1 ± 1/π))."""
    (upper,) = limit_radius(np.eye(2), np.array([1.0, sign]), L=2, epsilon=0.1, alpha=0.3).upper
    z = -math.log(math.expm1(0.1))
    assert upper == pytest.approx(2 * z / (1 + math.sqrt(2 * (1 + sign / math.pi))), rel=1e-6)


def test_smaller_losses_take_larger_radii() -> None:
    problem = limit_problem(X, Y, L=3, alpha=0.5)
    radii = [problem.radius(epsilon) for epsilon in (1e-300, 1e-6, 0.01, 0.1, 0.5, 1.0, 2.0, 30.0)]
    for wide, narrow in pairwise(radii):
        assert wide.lower > narrow.upper or wide.upper == narrow.upper == 0.0
    assert (radii[-1].status, radii[-1].upper) == ("start", 0.0)


def test_below_one_half_nothing_is_random_and_the_radius_is_the_margin_over_gamma() -> None:
    found = limit_radius(X, Y, L=3, epsilon=0.1, alpha=0.2, inits=(0, 5))
    assert found.converged
    assert found.upper[0] == found.upper[1]
    lower, upper = limit_problem(X, Y, L=3, alpha=0.2).margin()
    z = -math.log(math.expm1(0.1))
    assert z / upper <= found.upper[0] * (1 + 1e-9)
    assert found.lower[0] <= z / lower * (1 + 1e-9)
    assert limit_radius(X, Y, L=3, epsilon=0.7, alpha=0.2).upper.tolist() == [0.0]


def test_equal_inputs_with_opposite_labels_are_said_to_be_inseparable() -> None:
    rows = sphere(6, 3)
    rows[3] = rows[0]
    y = np.array([1.0, -1.0, 1.0, -1.0, 1.0, 1.0])
    problem = limit_problem(rows, y, L=3, alpha=0.5)
    found = problem.radius(0.1)
    assert found.status == "inseparable"
    assert found.upper == math.inf
    assert found.lower > 1e4
    assert set(np.argsort(found.multipliers)[-2:]) == {0, 3}
    assert np.isnan(found.coefficients).all()
    assert problem.margin()[0] == 0.0
    y[3] = 1.0
    assert limit_problem(rows, y, L=3, alpha=0.5).radius(0.1).status == "solved"


def test_close_inputs_with_opposite_labels_take_a_radius_that_their_distance_forces() -> None:
    """Two unit vectors at angle θ with opposite labels: p = (1, 1), N_l = √(2Θ_l(x, x) − 2Θ_l(x, x'))."""
    for angle in (1e-1, 1e-3, 1e-5):
        rows = np.array([[1.0, 0.0], [math.cos(angle), math.sin(angle)]])
        (found,) = limit_radius(rows, np.array([1.0, -1.0]), L=2, epsilon=0.1, alpha=0.3).solutions
        kappa0, cosine = (math.pi - angle) / math.pi, math.cos(angle)
        first = 1 - cosine * kappa0
        second = 2 * (1 - cosine * kappa0 - math.sin(angle) / math.pi)
        exact = 2 * -math.log(math.expm1(0.1)) / (math.sqrt(first) + math.sqrt(second))
        assert found.lower <= exact * (1 + 1e-6)
        assert exact * (1 - 1e-6) <= found.upper


# --- the kernels and the start ---


def autograd_model(L: int, m: int, alpha: float, rows: np.ndarray, seed: int, trial: int) -> tuple[np.ndarray, ...]:
    """Gram matrices of the gradients by each layer, over m^{2α}, and the outputs."""
    network = scaled_relu(L, m, rows.shape[1], alpha)
    drawn = initial_weights(network, seed=seed, trials=[trial], dtype=torch.float64)
    leaves = [layer[0].clone().requires_grad_() for layer in drawn]
    gradients: list[list[np.ndarray]] = [[] for _ in leaves]
    outputs = []
    for row in rows:
        h = torch.tensor(row)
        for leaf in leaves[:-1]:
            h = torch.relu(leaf @ h)
        f = float(m) ** alpha * (leaves[-1] @ h)[0]
        outputs.append(float(f.detach()))
        for store, gradient in zip(gradients, torch.autograd.grad(f, leaves), strict=True):
            store.append(gradient.numpy().ravel() / float(m) ** alpha)
    return np.array([np.array(store) @ np.array(store).T for store in gradients]), np.array(outputs)


def test_the_tangent_model_is_that_of_automatic_differentiation() -> None:
    rows = sphere(5, 3)
    for L, alpha in ((2, 0.5), (4, 0.3)):
        expected, outputs = autograd_model(L, 16, alpha, rows, 3, 2)
        model = tangent_model(scaled_relu(L, 16, 3, alpha), rows, seed=3, trial=2)
        np.testing.assert_allclose(model.layers.kernels.numpy(), expected, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(model.start, outputs, rtol=1e-10)
        for kernel, exact, error in zip(model.layers.kernels.numpy(), expected, model.layers.errors, strict=True):
            assert np.linalg.norm(kernel - exact, 2) <= error


@pytest.mark.parametrize(("L", "m", "inits", "bias"), [(2, 64, 400, 0.0), (4, 192, 100, 0.03)])
def test_each_layers_kernel_is_the_mean_of_finite_networks(L: int, m: int, inits: int, bias: float) -> None:
    """Monte Carlo, five standard errors; from three layers on, the mean at width m is off by O(1/m)."""
    rows = np.concatenate([sphere(3, 3), -sphere(1, 3)])
    limit = limit_layers(rows, L).kernels.numpy()
    network = scaled_relu(L, m, 3, 0.5)
    drawn = np.array([tangent_model(network, rows, seed=7, trial=k).layers.kernels.numpy() for k in range(inits)])
    error = drawn.std(axis=0, ddof=1) / math.sqrt(inits)
    assert (np.abs(drawn.mean(axis=0) - limit) <= 5 * error + bias + 1e-12).all()
    assert error.max() < 0.05  # the comparison means something
    for wrong in range(L - 1):  # and tells layers apart
        assert (np.abs(drawn.mean(axis=0)[wrong] - limit[wrong + 1]) > 5 * error[wrong] + bias).any()


@pytest.mark.parametrize("parameterisation", ["normalised", "chen2019", "cao2020"])
def test_the_layers_sum_to_the_tangent_kernel(parameterisation: str) -> None:
    rows = np.concatenate([sphere(6, 4), -sphere(1, 4), sphere(1, 4) + 1e-9 * np.eye(4)[0]])
    for L in (2, 5):
        parts = [kernel_matrix(rows, Kernel.layer_tangent(layer, L, parameterisation)) for layer in range(1, L + 1)]
        np.testing.assert_allclose(sum(parts), kernel_matrix(rows, Kernel.tangent(L, parameterisation)), atol=1e-14)
    with pytest.raises(InputError, match="layer = 6"):
        Kernel.layer_tangent(6, 5)


def test_the_first_of_two_layers_is_h_infinity() -> None:
    rows, first = sphere(9, 5), Kernel.layer_tangent(1, 2, "chen2019")
    np.testing.assert_array_equal(kernel_matrix(rows, first), kernel_matrix(rows, H_INFINITY))
    assert error_norm(rows, first) == error_norm(rows, H_INFINITY)


def test_the_errors_of_products_enter_every_layers_kernel() -> None:
    """Products of longer rows are allowed larger errors, here 2000/5 times as large; each kernel inherits them."""
    rows = sphere(6, 5)
    long = np.pad(rows, ((0, 0), (0, 1995)))
    for layer in (1, 2, 3, 4):
        kernel = Kernel.layer_tangent(layer, 4, "chen2019")
        assert error_norm(long, kernel) > 10 * error_norm(rows, kernel)


def test_errors_of_the_layers_kernels_cover_a_recursion_in_other_arithmetic() -> None:
    """The same kernels by plain numpy formulas in extended precision."""
    rows = sphere(9, 5)
    layers = limit_layers(rows, 4)
    cosine = (rows.astype(np.longdouble) @ rows.T.astype(np.longdouble)).clip(-1, 1)
    cosines, passing = [cosine], []
    for _ in range(3):
        angle = np.arccos(cosines[-1])
        passing.append((np.pi - angle) / np.pi)
        cosines.append(((np.sin(angle) + (np.pi - angle) * cosines[-1]) / np.pi).clip(-1, 1))
    expected = [cosines[k] * np.prod(passing[k:], axis=0) / 2 for k in range(3)] + [cosines[3]]
    off = ~np.eye(9, dtype=bool)
    for kernel, exact, error in zip(layers.kernels.numpy(), expected, layers.errors, strict=True):
        difference = np.where(off, kernel - exact, 0).astype(np.float64)
        assert np.linalg.norm(difference, 2) <= error + 9e-16 * 9


def test_starts_have_the_law_of_the_nngp() -> None:
    rows = sphere(3, 3)
    problem = limit_problem(rows, np.ones(3), L=3, alpha=0.5, seed=4)
    drawn = np.array([problem.start(k) for k in range(4000)])
    expected = nngp(rows, 3, "chen2019")
    error = np.sqrt((expected**2 + np.outer(np.diag(expected), np.diag(expected))) / len(drawn))
    assert (np.abs(drawn.T @ drawn / len(drawn) - expected) <= 5 * error).all()
    assert (np.abs(drawn.mean(axis=0)) <= 5 / math.sqrt(len(drawn))).all()
    np.testing.assert_array_equal(drawn[7], problem.start(7))
    assert not np.array_equal(problem.start(7), limit_problem(rows, np.ones(3), L=3, alpha=0.5, seed=5).start(7))


# --- finite width ---


def test_wide_networks_tangent_models_come_near_the_limit() -> None:
    (limit,) = limit_radius(X, Y, L=2, epsilon=0.1, alpha=0.2).upper
    wide = [tangent_model(scaled_relu(2, 2**15, 64, 0.2), X, seed=0, trial=k).radius(Y, 0.1) for k in range(3)]
    for found in wide:
        assert found.upper == pytest.approx(limit, rel=0.05)
    narrow = tangent_model(scaled_relu(2, 32, 64, 0.2), X, seed=0, trial=0).radius(Y, 0.1)
    assert abs(narrow.upper / limit - 1) > 0.1


@pytest.mark.parametrize(
    ("L", "m", "alpha", "epsilon"),
    [(2, 32, 0.5, 0.1), (3, 64, 0.5, 0.3), (4, 32, 0.2, 0.02), (2, 512, 0.5, 0.6), (3, 64, 0.5, 2.0)],
)
def test_the_lower_limit_is_below_every_certificate(L: int, m: int, alpha: float, epsilon: float) -> None:
    network = scaled_relu(L, m, FEW.d, alpha)
    setting = {"epsilon": epsilon, "alpha": alpha, "trials": [0, 5], "seed": 3}
    floor = radius_floor(network, FEW.X, FEW.y, **setting)
    certificate = certify_radius(network, FEW.X, FEW.y, **setting)
    assert certificate.converged.all()
    assert (floor.lower <= certificate.radius).all()
    assert (floor.from_norms <= floor.lower).all()
    assert (floor.lower <= floor.tangent * (1 + 1e-3)).all()
    start = [tangent_model(network, FEW.X, seed=3, trial=k).start for k in (0, 5)]
    assert ((floor.lower > 0) == [bool((needed_margin(epsilon) > FEW.y * f).any()) for f in start]).all()


def test_the_lower_limit_beats_the_product_of_spectral_norms() -> None:
    """m^α(Π(‖W_l‖₂ + ϱ) − Π‖W_l‖₂) ≥ z* − y f at unit x: the textbook's root is lower still."""
    network = scaled_relu(3, 64, FEW.d, 0.5)
    floor = radius_floor(network, FEW.X, FEW.y, epsilon=0.1, alpha=0.5, trials=[0], seed=0)
    norms = [np.linalg.norm(w[0].numpy(), 2) for w in initial_weights(network, seed=0, trials=[0])]
    start = tangent_model(network, FEW.X, seed=0, trial=0).start
    largest = (-math.log(math.expm1(0.1)) - FEW.y * start).max()
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        reached = 8 * (np.prod([norm + middle / 8 for norm in norms]) - np.prod(norms))
        low, high = (middle, high) if reached < largest else (low, middle)
    assert 0 < low < floor.from_norms[0] < floor.lower[0]


def test_the_lower_limit_grows_towards_the_tangent_model() -> None:
    x, y = np.array([[0.6, 0.8]]), np.array([1.0])
    shares = []
    for m in (64, 4096, 2**18):
        found = radius_floor(scaled_relu(2, m, 2, 0.5), x, y, epsilon=0.02, alpha=0.5, trials=[1], seed=0)
        shares.append(found.lower[0] / found.tangent[0])
    assert shares == sorted(shares)
    assert shares[0] < 0.85
    assert shares[-1] > 0.9


@pytest.mark.parametrize("L", [2, 3, 4])
@pytest.mark.parametrize("radius", [0.05, 1.0, 20.0])
def test_no_weights_within_the_radius_change_outputs_by_more(L: int, radius: float) -> None:
    """Random and steepest moves of every layer, against both of the inequalities that the lower limit rests on."""
    m, rows = 24, sphere(4, 3)
    network = scaled_relu(L, m, 3, 0.5)
    passes = floors._Passes.of(network, rows, 0, 0, "cpu")
    change = floors._Change.of(passes)
    largest, beyond = change.largest(radius).numpy(), change.beyond(radius).numpy()
    start = [w[0] for w in initial_weights(network, seed=0, trials=[0], dtype=torch.float64)]
    inputs = torch.tensor(rows.T)

    def outputs(weights: list[torch.Tensor]) -> torch.Tensor:
        h = inputs
        for w in weights[:-1]:
            h = torch.relu(w @ h)
        return math.sqrt(m) * (weights[-1] @ h)[0]

    leaves = [w.clone().requires_grad_() for w in start]
    slopes = [torch.autograd.grad(outputs(leaves)[i], leaves) for i in range(4)]
    generator = torch.Generator().manual_seed(1)
    moved, bent = np.zeros(4), np.zeros(4)
    for attempt in range(60):
        moves = [torch.randn(w.shape, generator=generator, dtype=torch.float64) for w in start]
        if attempt % 3:  # up or down one example's gradient, taken again where the first step leads
            row, sign = attempt % 4, 1.0 if attempt % 2 else -1.0
            moves = [sign * slope for slope in slopes[row]]
            for _ in range(attempt // 6):
                here = [
                    (w + radius / math.sqrt(m) * v / v.norm()).requires_grad_()
                    for w, v in zip(start, moves, strict=True)
                ]
                moves = [sign * g for g in torch.autograd.grad(outputs(here)[row], here)]
                if not all(bool(v.norm() > 0) for v in moves):
                    moves = [torch.randn(w.shape, generator=generator, dtype=torch.float64) for w in start]
        step = [radius / math.sqrt(m) * v / v.norm() for v in moves]
        difference = (outputs([w + v for w, v in zip(start, step, strict=True)]) - outputs(start)).numpy()
        linear = [sum(float((g * v).sum()) for g, v in zip(slope, step, strict=True)) for slope in slopes]
        moved, bent = np.maximum(moved, np.abs(difference)), np.maximum(bent, np.abs(difference - linear))
    assert (moved <= largest).all()
    assert (bent <= beyond).all()
    assert (moved > 0.05 * largest).any() or L > 2  # the comparison means something


def test_what_flips_can_do_is_bounded() -> None:
    """F(E) of a few units, by brute force over which of them flip."""
    random = np.random.default_rng(0)
    into, before = random.standard_normal((6, 5)), random.standard_normal((6, 5))
    flips = floors._Flips.of(torch.tensor(into), torch.tensor(before))
    for E in (0.0, 0.1, 0.7, 2.0, 10.0):
        bound = flips.within(torch.full((5,), E, dtype=torch.float64)).numpy()
        for i in range(5):
            b, z = np.abs(into[:, i]), np.abs(before[:, i])
            subsets = [np.array([bool(mask >> j & 1) for j in range(6)]) for mask in range(64)]
            best = max(np.linalg.norm(b[chosen]) * E - (b * z)[chosen].sum() for chosen in subsets)
            assert best <= bound[i] + 1e-12
            assert bound[i] <= np.linalg.norm(b) * E + 1e-12


def test_what_many_flips_can_do_is_bounded_as_well_as_it_can() -> None:
    """The best ν of νE² + Σ_j (b_j²/(4ν) − |b_j z_j|)₊ on a grid."""
    random = np.random.default_rng(0)
    into, before = random.standard_normal((300, 3)), random.standard_normal((300, 3))
    flips = floors._Flips.of(torch.tensor(into), torch.tensor(before))
    for E in (0.02, 0.1, 0.5, 2.0, 20.0):
        bound = flips.within(torch.full((3,), E, dtype=torch.float64)).numpy()
        for i in range(3):
            b, z = np.abs(into[:, i]), np.abs(before[:, i])
            grid = np.geomspace(1e-3, 1e3, 2000) * np.linalg.norm(b) / E
            best = min(nu * E * E + np.clip(b * b / (4 * nu) - b * z, 0, None).sum() for nu in grid)
            assert best * (1 - 1e-2) <= bound[i] <= best * (1 + 1e-12)


# --- the estimate and the study ---


def test_the_estimate_is_a_bracket_for_all_inits_and_says_what_it_is_about() -> None:
    found = radius_bracket(FEW.X, FEW.y, m=32, L=3, epsilon=0.2, alpha=0.5, inits=2, seed=1)
    network = scaled_relu(3, 32, FEW.d, 0.5)
    setting = {"epsilon": 0.2, "alpha": 0.5, "trials": range(2), "seed": 1}
    assert (found.name, found.symbol, found.direction, found.converged) == ("R", "R", "bracket", True)
    assert found.value == found.upper == certify_radius(network, FEW.X, FEW.y, **setting).radius.max()
    assert found.lower == radius_floor(network, FEW.X, FEW.y, **setting).lower.max()
    for said in ("ε = 0.2", "α = 0.5", "3 weight matrices (2 hidden layers)", "m = 32", "for 2 of them", "m → ∞: R = "):
        assert said in found.method


def test_what_no_network_of_the_width_can_do_is_not_claimed() -> None:
    rows = sphere(60, 3)
    y = np.random.default_rng(0).choice([-1.0, 1.0], 60)
    found = radius_bracket(rows, y, m=2, L=2, epsilon=0.1, inits=1, max_steps=30)
    assert (found.value, found.upper, found.converged) == (math.inf, math.inf, False)
    assert found.lower is not None
    assert found.lower > 0


def test_by_name_the_depth_counts_hidden_layers() -> None:
    data = load("xor:n=8,d=3")
    (found,) = measure(data, ["R"], Options(L=2, epsilon=0.3, alpha=0.4, width=16, inits=2, seed=5, device="cpu"))
    assert found == radius_bracket(data.X, data.y, m=16, L=3, epsilon=0.3, alpha=0.4, inits=2, seed=5)
    for wrong in ({"epsilon": 0.0}, {"alpha": 0.6}, {"width": 0}, {"inits": 0}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))} = "):
            Options(**wrong)


def test_large_data_leave_the_limit_out_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_MOST_LIMIT_ROWS", 20)
    monkeypatch.setattr(study, "_MOST_FLOOR_ROWS", 10)
    found = radius_bracket(FEW.X, FEW.y, m=16, L=2, epsilon=0.2, inits=1)
    assert "m → ∞ left out" in found.method
    network, setting = scaled_relu(2, 16, FEW.d, 0.5), {"epsilon": 0.2, "alpha": 0.5, "trials": [0], "seed": 0}
    some = radius_floor(network, FEW.X, FEW.y, most_rows=10, **setting)
    assert some.rows == 10
    assert found.lower == some.lower[0] <= radius_floor(network, FEW.X, FEW.y, **setting).lower[0] * 1.01


def test_the_study_moves_as_it_should() -> None:
    seen: list[tuple[int, int]] = []
    found = radius_study(
        FEW.X, FEW.y, widths=(8, 128), depths=(2,), epsilons=(0.5, 0.05), inits=2,
        on_row=lambda done, count: seen.append((done, count)),
    )  # fmt: skip
    assert seen == [(k, 4) for k in range(1, 5)]
    assert [(row.m, row.epsilon) for row in found.rows] == [(8, 0.5), (8, 0.05), (128, 0.5), (128, 0.05)]
    for easy, hard in zip(found.rows[::2], found.rows[1::2], strict=True):  # both limits move with ε
        assert (easy.floor.lower <= hard.floor.lower).all()
        assert easy.limit is not None
        assert hard.limit is not None
        assert (easy.limit.upper < hard.limit.lower).all()
        assert easy.upper < hard.upper
        assert hard.lower <= hard.upper
    narrow, wide = found.rows[1], found.rows[3]
    assert narrow.limit is wide.limit  # the limit knows no width
    assert wide.limit is not None
    distance = [abs(float(np.median(row.certificate.radius / wide.limit.upper)) - 1) for row in (narrow, wide)]
    assert distance[1] < distance[0]  # the certificate approaches it
    table = found.table()
    assert table.count("\n") == 2 + len(found.rows)
    assert "2/2" in table


# --- claim (c) ---


def test_on_separable_data_the_radius_stays_within_the_logarithms() -> None:
    data = load("relu-features:n=60,d=4,gamma=0.05,seed=2")
    found = radius_growth(data, sizes=(15, 30, 60), epsilons=(0.5, 0.05, 1e-4), draws=4)
    assert found.holds
    assert found.margin == pytest.approx(math.sqrt(2) * 0.05)
    assert found.delta == pytest.approx(1 / 5)
    for row in found.rows:
        assert (row.radii <= row.bounds).all()
        logs = math.log(row.n / found.delta) + math.log(1 / row.epsilon)
        assert row.ratio == pytest.approx(row.radii.max() / logs)
        assert row.ratio <= (1 + 0.5 / logs) / found.margin
        expected = (math.log(1 / row.epsilon) + math.sqrt(2 * math.log(row.n / found.delta))) / found.margin
        assert row.proved == pytest.approx(expected)
    for small, large in zip(found.rows[:-3], found.rows[3:], strict=True):  # more rows, the same functions f_0
        assert small.epsilon == large.epsilon
        assert (small.radii <= large.radii * (1 + 1e-6)).all()
    assert found.a > 0
    assert found.b > 0
    assert "holds in every draw" in found.table()


@pytest.mark.parametrize("source", ["relu-features:n=60,d=5,gamma=0.1", "sphere:n=60,d=3,margin=0.2", "xor:n=16,d=4"])
def test_a_margin_by_construction_is_one_of_the_tangent_features(source: str) -> None:
    data = load(source)
    planted = growth._planted(data)
    assert 0 < planted <= limit_problem(data.X, data.y, L=2, alpha=0.5).margin()[1]


def test_without_a_start_the_growth_is_that_of_the_margin() -> None:
    found = radius_growth(FEW, sizes=(8, 24), epsilons=(0.3, 0.01), L=3, alpha=0.25, draws=5)
    assert [len(row.radii) for row in found.rows] == [1] * 4
    assert "measured on 24 rows" in found.table()
    for row in found.rows:
        lower, upper = LimitProblem.margin(limit_problem(FEW.X[: row.n], FEW.y[: row.n], L=3, alpha=0.25))
        z = -math.log(math.expm1(row.epsilon))
        assert z / upper * (1 - 1e-5) <= row.radii[0] <= z / lower * (1 + 1e-5)


def test_a_margin_that_is_not_there_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "_planted", lambda _: 10.0)
    found = radius_growth(FEW, sizes=(8, 24), epsilons=(0.3, 0.01), draws=2)
    assert not found.holds
    assert "FAILS" in found.table()


# --- what is wrong is said ---


def test_refusals() -> None:
    layers = limit_layers(X[:4], 2)
    ones = np.ones(4)
    network = scaled_relu(2, 8, 64, 0.5)
    setting = {"epsilon": 0.1, "alpha": 0.5, "trials": [0], "seed": 0}
    for call, said in (
        (lambda: least_radius(layers, np.zeros(4), ones), "each −1 or"),
        (lambda: least_radius(layers, ones, np.ones(3)), "give 4 finite numbers"),
        (lambda: least_radius(layers, ones, np.full(4, np.nan)), "give 4 finite numbers"),
        (lambda: least_radius(layers, ones, ones, tolerance=0.0), "tolerance = 0.0"),
        (lambda: least_radius(layers, ones, ones, max_steps=0), "max_steps = 0"),
        (lambda: least_radius(TangentLayers(layers.kernels * math.inf, layers.errors), ones, ones), "not finite"),
        (lambda: TangentLayers(layers.kernels[0], (0.0,)), "give \\(L, n, n\\)"),
        (lambda: TangentLayers(layers.kernels, (0.0,)), "1 errors for 2 kernels"),
        (lambda: limit_problem(X, Y, L=2, alpha=0.7), "alpha = 0.7"),
        (lambda: limit_problem(X, Y, L=1, alpha=0.5), "layers = 1"),
        (lambda: limit_problem(X, Y[:-1], L=2, alpha=0.5), "labels"),
        (lambda: limit_radius(X, Y, L=2, epsilon=0.0, alpha=0.5), "epsilon = 0.0"),
        (lambda: limit_radius(X, Y, L=2, epsilon=0.1, alpha=0.5, inits=(1, 1)), "repeat"),
        (lambda: radius_floor(network, X, Y, **{**setting, "alpha": 0.4}), "alpha = 0.4"),
        (lambda: radius_floor(network, X, Y, **{**setting, "epsilon": -1.0}), "epsilon = -1.0"),
        (lambda: radius_floor(network, X, Y, most_rows=0, **setting), "most_rows = 0"),
        (lambda: radius_floor(network, X[:, :5], Y, **setting), "give \\(n, 64\\)"),
        (lambda: tangent_model(he_relu(2, 8, 64), X, seed=0, trial=0), "not trained"),
        (lambda: radius_study(X, Y, widths=(), depths=(2,), epsilons=(0.1,)), "widths is empty"),
        (lambda: radius_study(X, Y, widths=(8,), depths=(2,), epsilons=(0.1,), inits=0), "inits = 0"),
        (lambda: radius_bracket(X, Y, m=8, L=2, epsilon=0.1, inits=0), "inits = 0"),
        (lambda: radius_growth(FEW, sizes=(8,), epsilons=(0.1, 0.2)), "sizes \\[8\\]"),
        (lambda: radius_growth(FEW, sizes=(8, 99), epsilons=(0.1, 0.2)), "between 1 and n = 24"),
        (lambda: radius_growth(FEW, sizes=(8, 9), epsilons=(0.1, 2.0)), "between 0 and 1"),
        (lambda: radius_growth(FEW, sizes=(8, 9), epsilons=(0.1, 0.2), draws=0), "draws = 0"),
    ):
        with pytest.raises(InputError, match=said):
            call()


def test_what_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boundcalc.estimate.limit_radius.available_bytes", lambda *_: 1000)
    with pytest.raises(InputError, match="measure a subset of the rows"):
        limit_layers(X, 3)
    monkeypatch.setattr(floors, "available_bytes", lambda *_: 1000)
    with pytest.raises(InputError, match="use a narrower network"):
        tangent_model(scaled_relu(2, 8, 64, 0.5), X, seed=0, trial=0)


def test_the_example_runs() -> None:
    example = Path(__file__).parents[1] / "examples" / "radius.py"
    done = subprocess.run([sys.executable, "-W", "error", str(example)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "holds in every draw" in done.stdout
