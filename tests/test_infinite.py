"""Infinite width: against closed forms, other derivations in numpy, and finite networks that must come near it."""

from __future__ import annotations

import math
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from boundcalc.errors import InputError
from boundcalc.estimate.kernels import Kernel
from boundcalc.estimate.limit_radius import limit_problem
from boundcalc.train.dense import DenseEngine
from boundcalc.train.descent import LOGISTIC, SQUARE, Loss, gradient_descent, logistic_slope, square_slope
from boundcalc.train.infinite import (
    InfiniteEngine,
    Limit,
    he_relu_limit,
    operations,
    peak_bytes,
    scaled_relu_limit,
    two_layer_limit,
)
from boundcalc.train.networks import he_relu, scaled_relu, two_layer
from boundcalc.train.sgd import sample_orders

EXAMPLE = Path(__file__).parents[1] / "examples" / "limit.py"
Matrix = np.ndarray[Any, Any]

LIMITS = {
    "chen2019 L=2": scaled_relu_limit(2, 0.5),
    "chen2019 L=4": scaled_relu_limit(4, 0.5),
    "chen2019 α=¼": scaled_relu_limit(3, 0.25),
    "cao2020 L=1": he_relu_limit(1),
    "cao2020 L=3": he_relu_limit(3),
    "two-layer": two_layer_limit(),
}
HIDDEN = dict(zip(LIMITS, (1, 3, 2, 1, 3, 1), strict=True))
each_limit = pytest.mark.parametrize("name", LIMITS)


def sphere(n: int, d: int = 5, seed: int = 0) -> Matrix:
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


X, HELD_OUT = sphere(9), sphere(4, seed=1)
X[-1] *= 1.5  # homogeneity, besides
Y = np.where(np.random.default_rng(2).random(9) < 0.5, -1.0, 1.0)


def engine(name: str, trials: tuple[int, ...] = (0, 3), **given: Any) -> InfiniteEngine:
    return InfiniteEngine(LIMITS[name], X, trials=trials, seed=5, **given)


# --- the kernels once more, by another recursion: covariances forwards, squared errors backwards ---


def plain_limit(name: str, rows: Matrix) -> tuple[Matrix, list[Matrix]]:
    """The covariance of f_0, at α = ½, and the part of every trained layer in the tangent kernel."""
    paper, hidden = name.split()[0], HIDDEN[name]
    weight = 1.0 if paper == "two-layer" else 2.0  # a unit's variance: 2/m of m weights, or 1/m by the output scale
    below, active = [rows @ rows.T], []
    for _ in range(hidden):
        size = np.sqrt(np.outer(below[-1].diagonal(), below[-1].diagonal()))
        angle = np.arccos(np.clip(below[-1] / size, -1, 1))
        active.append((np.pi - angle) / (2 * np.pi))
        below.append(weight * size * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi))
    back, parts = np.ones_like(below[0]), []
    for level in reversed(range(hidden)):
        back = back * active[level]
        parts.append(below[level] * back)
        back = back * weight
    parts.reverse()
    start = below[-1]
    if paper == "cao2020":
        lengths = np.linalg.norm(rows, axis=1)
        start = start - np.outer(lengths, lengths) / np.pi
    return start, [*parts, below[-1]] if paper == "chen2019" else parts


def plain_descent(
    f0: Matrix, parts: list[Matrix], y: Matrix, step_size: float, steps: int, square: bool
) -> tuple[Matrix, Matrix]:
    """Gradient descent on explicit weights of explicit features: f on all rows, distances (one init)."""
    n = len(y)
    features = []
    for part in parts:
        values, vectors = np.linalg.eigh(part)
        features.append(vectors * np.sqrt(np.maximum(values, 0)))
    weights = [np.zeros(feature.shape[1]) for feature in features]

    def outputs() -> Matrix:
        return f0 + sum(feature @ weight for feature, weight in zip(features, weights, strict=True))

    for _ in range(steps):
        f = outputs()[:n]
        slope = f - y if square else -y / (1 + np.exp(y * f)) / n
        for feature, weight in zip(features, weights, strict=True):
            weight -= step_size * feature[:n].T @ slope
    return outputs(), np.array([np.linalg.norm(weight) for weight in weights])


@each_limit
@pytest.mark.parametrize(("loss", "step_size"), [(LOGISTIC, 0.7), (SQUARE, 0.04)], ids=["logistic", "square"])
def test_against_descent_on_explicit_features(name: str, loss: Loss, step_size: float) -> None:
    rows = np.concatenate([X, HELD_OUT])
    start = np.random.default_rng(4).standard_normal((2, 13))
    trained = engine(name, held_out=HELD_OUT, start=start)
    history = gradient_descent(
        trained, Y, loss=loss, step_size=step_size, iterations=30, record_surrogate=True, distance_steps=(0,)
    )
    _, parts = plain_limit(name, rows)
    for s in range(2):
        f, distances = plain_descent(start[s], parts, Y, step_size, 30, loss is SQUARE)
        np.testing.assert_allclose(trained.outputs()[s], f[:9], atol=1e-7)
        np.testing.assert_allclose(trained.outputs(HELD_OUT)[s], f[9:], atol=1e-7)
        np.testing.assert_allclose(history.distances[s, -1], distances, atol=1e-7)
        assert history.surrogate is not None
        assert history.surrogate[s, -1] == pytest.approx(np.mean(1 / (1 + np.exp(Y * f[:9]))), abs=1e-7)
    assert not history.distances[:, 0].any()
    assert (np.diff(history.loss, axis=1) < 0).all(), "small steps on a convex loss go down"


@each_limit
def test_one_example_and_the_square_loss_in_closed_form(name: str) -> None:
    """f_t = y + (f_0 − y)(1 − η̄Θ)^t with Θ = Σ Θ_l, every hidden layer's ½ (its ReLU lets half pass), an output's 1."""
    x = sphere(1, 4)
    alone = InfiniteEngine(LIMITS[name], x, trials=(0,), seed=1)
    f0 = alone.outputs().item()
    parts = [0.5] * len(LIMITS[name].layers)
    if name.startswith("chen2019"):
        parts[-1] = 1.0
    for _ in range(5):
        alone.step(square_slope(np.array([1.0])), 0.3)
    rest = (f0 - 1) * (1 - 0.3 * sum(parts)) ** 5
    assert alone.outputs().item() == pytest.approx(1 + rest, rel=1e-12)
    moved = abs((1 + rest - f0) / sum(parts))
    np.testing.assert_allclose(alone.distances()[0], [moved * math.sqrt(part) for part in parts], rtol=1e-12)


@each_limit
def test_distances_and_gradients_are_norms_in_the_features(name: str) -> None:
    """The first step from the start moves by η̄ times the gradient; later ones by no more than theirs in sum."""
    trained, slope = engine(name), logistic_slope(Y)
    bound = torch.zeros(2, len(LIMITS[name].layers), dtype=torch.float64)
    for t in range(4):
        bound += 0.9 * trained.gradient_norms(slope)
        trained.step(slope, 0.9)
        if t == 0:
            torch.testing.assert_close(trained.distances(), bound, rtol=1e-12, atol=0)
    distances = trained.distances()
    assert (distances < bound).all()
    c = trained.coefficients.numpy()
    for column, part in enumerate(plain_limit(name, X)[1]):
        expected = [math.sqrt(c[s] @ part @ c[s]) for s in range(2)]
        np.testing.assert_allclose(distances[:, column], expected, rtol=1e-7)


# --- finite networks: one scale for f, distances and steps ---

FINITE = {
    "chen2019 L=2": lambda m: scaled_relu(2, m, 5, 0.5),
    "chen2019 L=4": lambda m: scaled_relu(4, m, 5, 0.5),
    "chen2019 α=¼": lambda m: scaled_relu(3, m, 5, 0.25),
    "cao2020 L=1": lambda m: he_relu(1, m, 5),
    "cao2020 L=3": lambda m: he_relu(3, m, 5),
    "two-layer": lambda m: two_layer(m, 5),
}


def beside(name: str, m: int, limit: Limit, loss: Loss, step_size: float, steps: int) -> tuple[float, float]:
    """How far finite networks end from the limit of their own starts, over how far they moved: f on all, distances."""
    scale, trials = limit.scale(m), tuple(range(5))
    finite = DenseEngine(FINITE[name](m), X, trials=trials, seed=3, dtype=torch.float64)
    start = torch.cat([finite.outputs(X), finite.outputs(HELD_OUT)], dim=1)
    flow = InfiniteEngine(limit, X, trials=trials, seed=3, held_out=HELD_OUT, start=start)
    found = gradient_descent(finite, Y, loss=loss, step_size=step_size / scale**2, iterations=steps)
    expected = gradient_descent(flow, Y, loss=loss, step_size=step_size, iterations=steps)
    end, other = (torch.cat([one.outputs(X), one.outputs(HELD_OUT)], dim=1) for one in (finite, flow))
    apart = scale * found.distances[:, -1] / expected.distances[:, -1] - 1
    return float((end - other).norm() / (other - start).norm()), float(np.sqrt(np.mean(apart**2)))


@each_limit
@pytest.mark.parametrize("steps", [1, 10])
def test_wide_networks_follow_the_limit_from_their_own_start(name: str, steps: int) -> None:
    m = 1024
    f, distances = beside(name, m, LIMITS[name], LOGISTIC, 1.0, steps)
    assert f < 5 / math.sqrt(m)
    assert distances < 3 / math.sqrt(m)


def test_wide_networks_follow_the_limit_of_the_square_loss() -> None:
    f, distances = beside("two-layer", 4096, LIMITS["two-layer"], SQUARE, 0.2, 20)
    assert f < 5 / 64
    assert distances < 3 / 64


@pytest.mark.parametrize(("name", "wrong"), [("chen2019 L=4", "normalised"), ("cao2020 L=3", "chen2019")])
def test_another_parameterisation_is_told_apart(name: str, wrong: Any) -> None:
    parts = tuple(Kernel.layer_tangent(layer, 4, wrong) for layer in range(1, len(LIMITS[name].layers) + 1))
    limit = replace(LIMITS[name], tangent=Kernel.tangent(4, wrong), layers=parts)
    f, distances = beside(name, 1024, limit, LOGISTIC, 1.0, 1)
    assert f > 8 / math.sqrt(1024)
    assert name.startswith("cao2020") or distances > 5 / math.sqrt(1024)


# --- f_0 ---


@each_limit
def test_the_start_has_its_law(name: str) -> None:
    trials = 4000
    drawn = InfiniteEngine(LIMITS[name], X, trials=range(trials), seed=8, held_out=HELD_OUT)
    f0 = torch.cat([drawn.outputs(), drawn.outputs(HELD_OUT)], dim=1).numpy()
    if name == "chen2019 α=¼":
        assert not f0.any()
        assert drawn.start_error == 0
        return
    covariance, _ = plain_limit(name, np.concatenate([X, HELD_OUT]))
    sizes = np.sqrt(np.outer(covariance.diagonal(), covariance.diagonal()))
    # An entry of the sample covariance has a standard deviation of √(1 + ρ²)·sizes/√S.
    error = np.sqrt(sizes**2 + covariance**2) / math.sqrt(trials)
    assert (np.abs(f0.T @ f0 / trials - covariance) < 4.5 * error).all()
    assert (np.abs(f0.mean(axis=0)) < 4.5 * np.sqrt(covariance.diagonal() / trials)).all()
    assert 0 < drawn.start_error < 1e-11


@pytest.mark.parametrize("name", ["chen2019 L=2", "cao2020 L=3", "two-layer"])
def test_finite_networks_start_with_that_law(name: str) -> None:
    trials = 1500
    f0 = DenseEngine(FINITE[name](64), X, trials=range(trials), seed=2).outputs().double().numpy()
    covariance, _ = plain_limit(name, X)
    sizes = np.sqrt(np.outer(covariance.diagonal(), covariance.diagonal()))
    # Products of two layers have heavier tails than a normal: twice its error, and 1/m for the width.
    assert (np.abs(f0.T @ f0 / trials - covariance) < (9 / math.sqrt(trials) + 2 / 64) * sizes).all()


def test_a_start_depends_on_its_trial_and_seed_alone() -> None:
    name = "chen2019 L=4"
    both, alone = engine(name), engine(name, trials=(3,), held_out=HELD_OUT)
    torch.testing.assert_close(both.outputs()[1:], alone.outputs(), rtol=1e-9, atol=1e-9)
    assert (both.outputs()[0] - both.outputs()[1]).abs().max() > 0.1
    other = InfiniteEngine(LIMITS[name], X, trials=(3,), seed=6)
    assert (other.outputs() - alone.outputs()).abs().max() > 0.1


def test_the_start_is_that_of_the_limit_radius() -> None:
    problem = limit_problem(X, Y, L=4, alpha=0.5, seed=5)
    for trial, f0 in zip((0, 3), engine("chen2019 L=4").outputs(), strict=True):
        np.testing.assert_allclose(f0, problem.start(trial), atol=1e-7)


def test_rows_that_fix_each_other_start_alike() -> None:
    """The covariance of x, 2x and x again is singular; so is that of more rows than a linear function has freedom."""
    rows = np.array([X[0], 2 * X[0], X[1], X[0]])
    drawn = InfiniteEngine(LIMITS["chen2019 L=4"], rows, trials=range(50), seed=0, held_out=rows[2:3] / 4)
    f0 = drawn.outputs()
    assert f0.square().mean() > 0.5
    torch.testing.assert_close(f0[:, 1], 2 * f0[:, 0], rtol=0, atol=1e-6)
    torch.testing.assert_close(f0[:, 3], f0[:, 0], rtol=0, atol=1e-6)
    torch.testing.assert_close(drawn.outputs(rows[2:3] / 4)[:, 0], f0[:, 2] / 4, rtol=0, atol=1e-6)
    assert drawn.start_error < 1e-10
    for _ in range(20):
        drawn.step(logistic_slope(np.array([1.0, 1.0, -1.0, 1.0])), 0.5)
    torch.testing.assert_close(drawn.outputs()[:, 1], 2 * drawn.outputs()[:, 0], rtol=0, atol=1e-6)
    thin = InfiniteEngine(replace(LIMITS["two-layer"], start=Kernel.conjugate(0)), sphere(40, 3), trials=(0,), seed=0)
    weights, *_ = np.linalg.lstsq(sphere(40, 3), thin.outputs()[0].numpy(), rcond=None)
    np.testing.assert_allclose(sphere(40, 3) @ weights, thin.outputs()[0], atol=1e-6)


# --- the engine as an engine ---


@each_limit
def test_the_order_of_the_rows_does_not_matter(name: str) -> None:
    order = np.random.default_rng(6).permutation(9)
    start = np.random.default_rng(7).standard_normal((2, 9))
    ends = []
    for rows, y, f0 in ((X, Y, start), (X[order], Y[order], start[:, order])):
        trained = InfiniteEngine(LIMITS[name], rows, trials=(0, 1), seed=0, start=f0)
        gradient_descent(trained, y, step_size=1.0, iterations=25)
        ends.append((trained.outputs(), trained.distances()))
    torch.testing.assert_close(ends[0][0][:, order], ends[1][0], rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(ends[0][1], ends[1][1], rtol=1e-10, atol=0)


def test_outputs_by_row() -> None:
    trained = engine("cao2020 L=3", held_out=HELD_OUT)
    trained.step(logistic_slope(Y), 1.0)
    train, held = trained.outputs(), trained.outputs(HELD_OUT)
    some = trained.outputs(np.concatenate([HELD_OUT[2:], X[4:5]]))
    torch.testing.assert_close(some, torch.cat([held[:, 2:], train[:, 4:5]], dim=1))
    torch.testing.assert_close(trained.outputs(torch.from_numpy(X)), train)
    signed = InfiniteEngine(LIMITS["two-layer"], np.eye(2), trials=(0,), seed=0)
    assert torch.equal(signed.outputs(np.array([[1.0, -0.0], [-0.0, 1.0]])), signed.outputs())
    with pytest.raises(InputError, match="row 1 of X is neither"):
        trained.outputs(np.array([X[0], X[0] + 1e-9]))


def test_online_steps_against_a_plain_loop() -> None:
    name, step_size = "chen2019 L=4", 0.8
    trained = engine(name, held_out=HELD_OUT)
    f0 = torch.cat([trained.outputs(), trained.outputs(HELD_OUT)], 1).numpy()
    kernel = sum(plain_limit(name, np.concatenate([X, HELD_OUT]))[1])
    f = f0.copy()
    orders = sample_orders(9, trials=(0, 3), seed=1)
    for rows in np.concatenate([orders, orders], axis=1).T:
        signs = torch.from_numpy(Y[rows])[:, None]
        inputs = torch.from_numpy(X[rows])
        seen = trained.online_step(inputs, lambda f, y=signs: -y * torch.sigmoid(-y * f), step_size)
        for s, row in enumerate(rows):
            assert seen[s].item() == pytest.approx(f[s, row], abs=1e-7)
            f[s] += step_size * kernel[:, row] * Y[row] / (1 + math.exp(Y[row] * f[s, row]))
    np.testing.assert_allclose(torch.cat([trained.outputs(), trained.outputs(HELD_OUT)], 1), f, atol=1e-7)


def test_online_steps_on_one_example_are_descent() -> None:
    y = np.array([-1.0])
    batch, online = (InfiniteEngine(LIMITS["cao2020 L=3"], X[:1], trials=(0, 1), seed=0) for _ in range(2))
    for _ in range(6):
        f = batch.step(logistic_slope(y), 0.5)
        g = online.online_step(torch.from_numpy(X[[0, 0]]), torch.sigmoid, 0.5)
        torch.testing.assert_close(f[:, 0], g, rtol=1e-13, atol=0)
    torch.testing.assert_close(batch.distances(), online.distances(), rtol=1e-12, atol=0)


def test_a_diverged_trial_leaves_the_others_alone() -> None:
    start = np.zeros((2, 9))
    start[0] = 1e300
    mixed = InfiniteEngine(LIMITS["two-layer"], X, trials=(0, 1), seed=0, start=start)
    clean = InfiniteEngine(LIMITS["two-layer"], X, trials=(1,), seed=0, start=start[1:])
    history = gradient_descent(mixed, Y, loss=SQUARE, step_size=1e3, iterations=3)
    expected = gradient_descent(clean, Y, loss=SQUARE, step_size=1e3, iterations=3)
    assert history.diverged.tolist() == [True, False]
    np.testing.assert_allclose(history.loss[1], expected.loss[0], rtol=1e-12)


def test_scales() -> None:
    assert [round(LIMITS[name].scale(256), 9) for name in ("chen2019 α=¼", "cao2020 L=1", "two-layer")] == [4, 16, 1]


def test_memory_and_work_are_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = LIMITS["chen2019 L=4"]
    held = engine("chen2019 L=4", held_out=HELD_OUT)
    tensors = (held._start, held._tangent, held._layers, held._coefficients)
    assert sum(tensor.nbytes for tensor in tensors) < peak_bytes(limit, 9, 2, 4)
    assert peak_bytes(limit, 100, 1, 900) < peak_bytes(limit, 100, 1, 1900)
    assert peak_bytes(LIMITS["chen2019 α=¼"], 100, 1, 900) < peak_bytes(limit, 100, 1, 900)
    a, b = (operations(limit, 100, 7, steps) for steps in (10, 1010))
    assert b - a == 2 * 7 * 100**2 * 1000
    monkeypatch.setattr("boundcalc.train.infinite.available_bytes", lambda *_: 1000)
    with pytest.raises(InputError, match="fewer training or held-out rows"):
        engine("two-layer")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"X": X[:0]}, r"shape \(0, 5\)"),
        ({"X": X[0]}, r"shape \(5,\)"),
        ({"X": np.zeros((2, 5))}, "row 0 has norm 0"),
        ({"held_out": HELD_OUT[:, 1:]}, r"\(n', 5\)"),
        ({"start": np.zeros((2, 8))}, r"give \(2, 9\) finite"),
        ({"start": np.full((2, 9), np.nan)}, "finite"),
        ({"trials": ()}, "no trials"),
        ({"seed": -1}, "seed = -1"),
        ({"device": "tpu9"}, "tpu9"),
    ],
)
def test_refuses_what_it_cannot_train(given: dict[str, Any], said: str) -> None:
    arguments = {"X": X, "trials": (0, 1), "seed": 0, **given}
    with pytest.raises(InputError, match=said):
        InfiniteEngine(LIMITS["two-layer"], arguments.pop("X"), **arguments)


def test_refuses_limits_and_rows_that_there_are_not() -> None:
    trained = engine("two-layer", held_out=HELD_OUT)
    for call, said in (
        (lambda: scaled_relu_limit(3, 0.6), "alpha = 0.6"),
        (lambda: scaled_relu_limit(1, 0.5), "layers = 1"),
        (lambda: he_relu_limit(0), "depth L = 0"),
        (lambda: trained.online_step(torch.from_numpy(HELD_OUT[:2]), torch.sigmoid, 0.1), "training inputs for each"),
        (lambda: trained.online_step(torch.from_numpy(X[:3]), torch.sigmoid, 0.1), r"\(3, 5\).*of the 2 trials"),
        (lambda: trained.online_step(torch.zeros(2, 5), torch.sigmoid, 0.1), "row 0 of X is neither"),
    ):
        with pytest.raises(InputError, match=said):
            call()


def test_the_study_finds_the_rate() -> None:
    study = runpy.run_path(str(EXAMPLE))
    family, widths = study["FAMILIES"][-1], (64, 1024, 16384)  # two layers: wide ones are quickly trained
    for name, found in study["study"](family, widths, 10):
        exponent, (lower, upper) = study["rate"](widths, found)
        assert lower < -0.5 < upper, name
        assert -0.75 < exponent < -0.25
        assert upper < -0.2
    exact = np.outer([1.0, 3.0], np.array(widths, dtype=float) ** -0.4)
    assert study["rate"](widths, exact)[0] == pytest.approx(-0.4, rel=1e-12)
