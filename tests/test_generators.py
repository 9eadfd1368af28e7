"""Generators: what they say of their data is true, by computations that share nothing with them."""

from __future__ import annotations

from math import erf, erfc, pi, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import nnls
from scipy.spatial.distance import pdist
from scipy.stats import beta, kstest

from boundcalc.data import GENERATORS, Dataset, load, split
from boundcalc.errors import InputError, UnknownNameError

Matrix = NDArray[np.float64]
DRAWS = 400_000


def known(dataset: Dataset, name: str, direction: str = "exact") -> float:
    (value,) = {fact.value for fact in dataset.truth if (fact.name, fact.direction) == (name, direction)}
    return value


def margin(gram: Matrix, y: Matrix) -> float:
    """The hard margin of a kernel: minimise ½αᵀQα − Σα over α ≥ 0; the margin is 1/√Σα."""
    factor = np.linalg.cholesky(gram * np.outer(y, y) + 1e-11 * np.eye(len(y)))
    alpha, _ = nnls(factor.T, np.linalg.solve(factor, np.ones(len(y))), maxiter=100 * len(y))
    return float(1 / sqrt(alpha.sum()))


def gaussians(seed: int, d: int) -> Matrix:
    half = np.random.default_rng(seed).standard_normal((DRAWS // 2, d))
    return np.concatenate([half, -half])


def directions(d: int) -> Matrix:
    """Points u whose mean of any function that is 1-homogeneous is its mean over N(0, I): a grid on the sphere."""
    if d == 2:
        phi = 2 * pi * (np.arange(100_000) + 0.5) / 100_000
        return sqrt(pi / 2) * np.stack([np.cos(phi), np.sin(phi)], axis=1)
    height, phi = np.meshgrid((np.arange(800) + 0.5) / 400 - 1, 2 * pi * (np.arange(900) + 0.5) / 900)
    radius = np.sqrt(1 - height**2)
    grid = np.stack([radius * np.cos(phi), radius * np.sin(phi), height], axis=-1).reshape(-1, 3)
    return 2 * sqrt(2 / pi) * grid


def mean_and_error(samples: Matrix) -> tuple[Matrix, Matrix]:
    return samples.mean(axis=0), 5 * samples.std(axis=0) / sqrt(DRAWS / 2) + 1e-12


def dual(dataset: Dataset, rows: int, u: Matrix) -> Matrix:
    """|Σ p_i y_i σ(⟨u, x_i⟩)| at each u, for equal weights p on the first rows."""
    return np.abs((np.maximum(u @ dataset.X[:rows].T, 0.0) * dataset.y[:rows]).mean(axis=1))


def assert_reaches(samples: Matrix, gamma: float) -> None:
    """Every column's mean is at least gamma, and the least is gamma, within the sampling error."""
    mean, error = mean_and_error(samples)
    assert (mean >= gamma - error).all()
    assert mean.min() <= gamma + error.max()


@pytest.mark.parametrize("spec", ["n=30,d=4,margin=0.2,seed=3", "n=12,d=2,margin=0.6", "n=20,d=40,margin=0.35"])
def test_sphere_has_exactly_its_margin(spec: str) -> None:
    dataset = load(f"sphere:{spec}")
    mu = known(dataset, "linear_margin")
    assert margin(dataset.X @ dataset.X.T, dataset.y) == pytest.approx(mu, rel=1e-6)
    assert pdist(dataset.X[:2])[0] == pytest.approx(2 * mu)


@pytest.mark.parametrize("d", [2, 3])
def test_sphere_has_exactly_its_random_feature_margin(d: int) -> None:
    dataset = load(f"sphere:n=12,d={d},margin=0.2")
    gamma, mu = known(dataset, "gamma_random_feature"), known(dataset, "linear_margin")
    u = directions(d)
    v = (dataset.X[0] - dataset.X[1]) / (2 * mu)
    primal = (np.sign(u @ v)[:, None] * np.maximum(u @ dataset.X.T, 0.0) * dataset.y).mean(axis=0)
    assert primal.min() == pytest.approx(gamma, rel=1e-3)
    assert dual(dataset, 2, u).mean() == pytest.approx(gamma, rel=1e-3)


def ji_dual(dataset: Dataset, rows: int, z: Matrix) -> Matrix:
    """‖Σ p_i y_i x_i 1{⟨z, x_i⟩ > 0}‖ at each z, for equal weights p on the first rows."""
    active = (z @ dataset.X[:rows].T > 0) * dataset.y[:rows] / rows
    return np.asarray(np.linalg.norm(active @ dataset.X[:rows], axis=1))


@pytest.mark.parametrize(("source", "rows"), [("sphere:n=4,d=3,margin=0.3", 2), ("xor:n=8,d=5", 4), ("xor:n=4,d=2", 4)])
def test_the_bracket_of_ji2020(source: str, rows: int) -> None:
    dataset = load(source)
    lower, upper = (known(dataset, "gamma_ji2020", side) for side in ("lower", "upper"))
    assert lower <= upper * (1 + 1e-12)
    z = gaussians(2, dataset.d)
    mean, error = mean_and_error(ji_dual(dataset, rows, z))
    assert mean == pytest.approx(upper, abs=float(error))
    if source.startswith("sphere"):
        v = np.broadcast_to((dataset.X[0] - dataset.X[1]) / 0.6, z.shape)
    else:
        v = np.zeros_like(z)
        small = np.abs(z[:, 0]) < np.abs(z[:, 1])
        v[small, 0], v[~small, 1] = np.sign(z[small, 1]), np.sign(z[~small, 0])
    assert np.linalg.norm(v, axis=1).max() <= 1 + 1e-12
    samples = (v @ dataset.X.T) * (z @ dataset.X.T > 0) * dataset.y
    mean, error = mean_and_error(samples)
    assert (mean >= lower - error).all()
    if not source.startswith("sphere"):
        np.testing.assert_allclose(mean, lower, atol=float(error.max()))


@pytest.mark.parametrize("d", [3, 4, 10, 100])
def test_the_random_feature_margin_of_xor_is_an_integral(d: int) -> None:
    # Four corners weighted ¼: E|max(|a|, |w|) − max(|b|, |w|)|/(4√d), a and b ~ N(0, 2), w ~ N(0, d − 2).
    integral, _ = quad(lambda t: erf(t / 2) * erfc(t / 2) * erf(t / sqrt(2 * (d - 2))), 0, 60, epsabs=1e-14)
    dataset = load(f"xor:n=8,d={d}")
    assert known(dataset, "gamma_random_feature") == pytest.approx(integral / (2 * sqrt(d)), rel=1e-10)


def test_the_random_feature_margin_of_the_square() -> None:
    assert known(load("xor:n=4,d=2"), "gamma_random_feature") == pytest.approx((sqrt(2) - 1) / sqrt(2 * pi))


@pytest.mark.parametrize("spec", ["n=500,d=10", "n=1024,d=10,seed=4", "n=4,d=2", "n=7,d=3", "n=40,d=64"])
def test_xor_is_the_product_of_two_signs_at_distinct_corners(spec: str) -> None:
    dataset = load(f"xor:{spec}")
    np.testing.assert_array_equal(dataset.y, np.sign(dataset.X[:, 0] * dataset.X[:, 1]))
    np.testing.assert_allclose(np.abs(dataset.X), 1 / sqrt(dataset.d))
    assert pdist(dataset.X).min() == pytest.approx(known(dataset, "phi"))
    np.testing.assert_allclose(dataset.y[:4] @ dataset.X[:4], 0.0, atol=1e-15)


@pytest.mark.parametrize(
    "source", ["xor:n=8,d=4", "relu-features:n=16,d=6,gamma=0.08", "relu-features:n=8,d=3,gamma=0.15"]
)
def test_product_labels_have_exactly_their_random_feature_margin(source: str) -> None:
    dataset = load(source)
    gamma = known(dataset, "gamma_random_feature")
    if "gamma=" in source:
        assert gamma == float(source.rpartition("=")[2])
    # Rows 0, 2 and 3 are (+, +), (+, −) and (−, +): their differences are the two directions.
    u = gaussians(3, dataset.d)
    c = np.sign(u @ (dataset.X[0] - dataset.X[2])) * np.sign(u @ (dataset.X[0] - dataset.X[3]))
    assert_reaches(c[:, None] * np.maximum(u @ dataset.X.T, 0.0) * dataset.y, gamma)
    mean, error = mean_and_error(dual(dataset, 4, u))
    assert mean == pytest.approx(gamma, abs=float(error))
    np.testing.assert_allclose(dataset.y[:4] @ dataset.X[:4], 0.0, atol=1e-15)


@pytest.mark.parametrize(
    "source", ["xor:n=8,d=3", "relu-features:n=12,d=3,gamma=0.15", "relu-features:n=12,d=3,gamma=0.02,seed=5"]
)
def test_product_labels_in_space_have_exactly_their_random_feature_margin(source: str) -> None:
    dataset = load(source)
    gamma = known(dataset, "gamma_random_feature")
    u = directions(3)
    c = np.sign(u @ (dataset.X[0] - dataset.X[2])) * np.sign(u @ (dataset.X[0] - dataset.X[3]))
    values = (c[:, None] * np.maximum(u @ dataset.X.T, 0.0) * dataset.y).mean(axis=0)
    error = 1e-4  # of the grid, where the sign of c jumps
    np.testing.assert_allclose(values[:4], gamma, rtol=0, atol=error)
    assert values.min() >= gamma - error
    assert dual(dataset, 4, u).mean() == pytest.approx(gamma, rel=1e-3)


NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def half_moment(variance: float, covariance: float) -> float:
    """E[σ(f)σ(f')] for normals of equal variance, by quadrature over the angle at which both are positive."""
    angle = np.arccos(np.clip(covariance / variance, -1.0, 1.0))
    middle, half = angle / 2, (pi - angle) / 2
    phi = middle + half * NODES
    return float(variance / pi * half * (WEIGHTS @ (np.cos(phi) * np.cos(phi - angle))))


@pytest.mark.parametrize(
    "spec",
    ["n=24,d=5,gamma=0.05,L=2", "n=16,d=3,gamma=0.12,L=3,seed=7", "n=16,d=8,gamma=0.02,L=5", "n=4,d=3,gamma=0.2,L=2"],
)
def test_conjugate_has_exactly_its_margin(spec: str) -> None:
    dataset = load(f"conjugate:{spec}")
    gamma = float(spec.partition("gamma=")[2].partition(",")[0])
    (fact,) = (fact for fact in dataset.truth if fact.name == "gamma_conjugate_kernel")
    assert (fact.value, fact.direction, f"L={fact.L}") == (
        gamma,
        "exact",
        f"L={fact.L}" if f"L={fact.L}" in spec else "",
    )
    gram, variance = dataset.X @ dataset.X.T, 1.0
    for _ in range((fact.L or 0) - 1):
        gram = np.array([[half_moment(variance, value) for value in row] for row in gram])
        variance /= 2
    assert np.diag(gram) == pytest.approx(variance)
    assert margin(gram, dataset.y) == pytest.approx(gamma, rel=1e-5)


@pytest.mark.parametrize(
    "spec", ["n=300,d=6,phi=0.4", "n=2,d=2,phi=2", "n=1500,d=30,phi=0.8,seed=2", "n=50,d=3,phi=1e-6"]
)
def test_spread_attains_its_least_distance(spec: str) -> None:
    dataset = load(f"spread:{spec}")
    assert pdist(dataset.X).min() == pytest.approx(known(dataset, "phi"), rel=1e-9)
    assert np.linalg.norm(dataset.X[0] - dataset.X[1]) == pytest.approx(known(dataset, "phi"), rel=1e-9)
    assert dataset.y[0] != dataset.y[1]


@pytest.mark.parametrize(("d", "mu"), [(5, 0.3), (5, 0.6), (40, 0.05), (40, 0.5), (2, 0.4)])
def test_sphere_is_uniform_beyond_its_margin(d: int, mu: float) -> None:
    dataset = load(f"sphere:n=4000,d={d},margin={mu}")
    v = (dataset.X[0] - dataset.X[1]) / (2 * mu)
    law = beta(0.5, (d - 1) / 2)  # of ⟨v, x⟩², x uniform
    squares = (dataset.X[2:] @ v) ** 2
    assert kstest(squares, lambda s: 1 - law.sf(s) / law.sf(mu * mu)).pvalue > 1e-4
    np.testing.assert_array_equal(dataset.y, np.sign(dataset.X @ v))


def test_random_labels_are_balanced_and_uniform() -> None:
    dataset = load("random-labels:n=2001,d=3")
    assert dataset.y.sum() == -1
    assert kstest(dataset.X[:, 2], "uniform", (-1, 2)).pvalue > 1e-4  # Archimedes
    assert known(dataset, "population_error") == 0.5


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_is_a_function_of_its_options(name: str) -> None:
    dataset, again, other = load(name), load(f"{name}:seed=0,n=200"), load(f"{name}:seed=1")
    np.testing.assert_array_equal(dataset.X, again.X)
    np.testing.assert_array_equal(dataset.y, again.y)
    assert dataset.name == again.name
    assert not np.array_equal(dataset.X, other.X)
    assert (dataset.n, dataset.d) == (200, 10)
    np.testing.assert_allclose(np.linalg.norm(dataset.X, axis=1), 1.0, rtol=1e-14)
    assert dataset.truth
    assert {*dataset.y} == {-1.0, 1.0}
    np.testing.assert_array_equal(load(dataset.name).X, dataset.X)  # the name says everything


@pytest.mark.parametrize("name", GENERATORS)
def test_small_sets(name: str) -> None:
    least = GENERATORS[name].least_n
    for n in range(least, least + 4):
        assert load(f"{name}:n={n},d=5").n == n


def test_part_of_the_data_keeps_only_what_still_holds() -> None:
    dataset = load("sphere:n=40,d=4,margin=0.2")
    train, _ = split(dataset, 0.5, seed=0)
    assert {(fact.name, fact.direction) for fact in train.truth} == {
        ("linear_margin", "lower"),
        ("gamma_random_feature", "lower"),
        ("gamma_conjugate_kernel", "lower"),
        ("gamma_ji2020", "lower"),
    }
    assert not dataset.subset(np.array([0, 1, 0]), "twice").truth
    halves = split(load("random-labels:n=40"), 0.5, seed=0)
    assert all(known(half, "population_error") == 0.5 for half in halves)
    assert not load("wine", classes=("class_0", "class_1")).truth


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("xor:n=500,dd=10", "did you mean d"),
        ("xor:margin=0.1", "the options are n, d, seed"),
        ("xor:500", "write key=value"),
        ("xor:n=4,n=5", "n is given twice"),
        ("xor:n=4.5", "a whole number ≥ 4"),
        ("xor:n=many", "n=many"),
        ("xor:n=", "n="),
        ("xor:n=3", "≥ 4"),
        ("xor:n=17,d=4", "the 16 corners"),
        ("xor:seed=-1", "≥ 0"),
        ("xor:n=inf", "n=inf"),
        ("sphere:margin=0", "> 0 and < 1"),
        ("sphere:margin=1", "> 0 and < 1"),
        ("sphere:margin=nan", "margin=nan"),
        ("sphere:d=1", "≥ 2"),
        ("sphere:n=1e9,d=1e9", "GiB"),
        ("relu-features:gamma=0.17", "≤ 0.16"),
        ("relu-features:d=2", "≥ 3"),
        ("conjugate:gamma=0.06,L=8", "give at most 0.0"),
        ("conjugate:gamma=1e-5,L=2", "give at least"),
        ("conjugate:L=1", "≥ 2"),
        ("spread:phi=3", "≤ 2"),
        ("spread:n=100,d=2,phi=1", "of n=100 points"),
        ("shpere:n=10", "did you mean sphere"),
    ],
)
def test_options_that_cannot_be_met(source: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load(source)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_offered_margin_works() -> None:
    with pytest.raises(InputError, match="at most") as caught:
        load("conjugate:gamma=0.2,L=4")
    assert load(f"conjugate:n=10,L=4,gamma={str(caught.value).rpartition(' ')[2]}").n == 10


def test_generators_have_two_classes_and_no_columns() -> None:
    with pytest.raises(InputError, match="leave them out"):
        load("sphere", classes=("1", "-1"))
    with pytest.raises(InputError, match="leave it out"):
        load("sphere:n=10", label="y")
    with pytest.raises(UnknownNameError, match="unknown generator 'cube'"):
        load("cube:n=4")
