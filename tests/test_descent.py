"""Losses and the gradient-descent loop."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from boundcalc.errors import InputError
from boundcalc.train.dense import DenseEngine
from boundcalc.train.descent import (
    SQUARE,
    gradient_descent,
    logistic_loss,
    logistic_slope,
    square_loss,
    square_slope,
    surrogate_error,
)
from boundcalc.train.networks import he_relu, initial_weights, scaled_relu, two_layer

RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 5))
X /= np.linalg.norm(X, axis=1, keepdims=True)
Y = np.where(RNG.random(12) < 0.5, -1.0, 1.0)
NETWORK = scaled_relu(3, 16, 5, 0.5)


def engine(trials: tuple[int, ...] = (0, 1, 2), dtype: torch.dtype = torch.float64) -> DenseEngine:
    return DenseEngine(NETWORK, X, trials=trials, seed=0, dtype=dtype)


def numpy_loss(f: list[float], y: list[float]) -> float:
    """The definition, term by term, in a form that neither overflows nor cancels."""
    terms = [max(0.0, -a * b) + math.log1p(math.exp(-abs(a * b))) for a, b in zip(f, y, strict=True)]
    return math.fsum(terms) / len(terms)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1.0, 30.0, 500.0, 1e6])
def test_the_loss_is_its_definition(scale: float) -> None:
    f = scale * RNG.standard_normal((3, 12))
    loss = logistic_loss(torch.tensor(f), Y)
    assert loss.dtype == torch.float64
    np.testing.assert_allclose(loss, [numpy_loss(list(row), list(Y)) for row in f], rtol=1e-13)


def test_a_tiny_loss_is_not_lost() -> None:
    loss = logistic_loss(torch.full((1, 2), 50.0, dtype=torch.float32), np.array([1.0, 1.0]))
    assert float(loss) == pytest.approx(math.exp(-50.0), rel=1e-12)


def test_the_surrogate_error_is_its_definition() -> None:
    f = 3.0 * RNG.standard_normal((3, 12))
    expected = (1 / (1 + np.exp(Y * f))).mean(axis=1)
    np.testing.assert_allclose(surrogate_error(torch.tensor(f), Y), expected, rtol=1e-13)


def test_the_slope_is_the_derivative_of_the_loss() -> None:
    f = torch.tensor(3.0 * RNG.standard_normal((3, 12)), requires_grad=True)
    logistic_loss(f, Y).sum().backward()
    torch.testing.assert_close(logistic_slope(Y)(f.detach()), f.grad, rtol=1e-12, atol=1e-15)


def test_the_square_loss_is_half_the_sum_of_squares_and_its_slope_the_residual() -> None:
    f = torch.tensor(3.0 * RNG.standard_normal((3, 12)), requires_grad=True)
    loss = square_loss(f, Y)
    values = f.detach().numpy()
    expected = [math.fsum((a - b) ** 2 / 2 for a, b in zip(row, Y, strict=True)) for row in values]
    np.testing.assert_allclose(loss.detach(), expected, rtol=1e-13)
    loss.sum().backward()
    torch.testing.assert_close(square_slope(Y)(f.detach()), f.grad, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("measure", [logistic_loss, surrogate_error, square_loss])
def test_an_output_that_is_not_finite_is_divergence(
    measure: Callable[[torch.Tensor, np.ndarray], torch.Tensor], bad: float
) -> None:
    f = torch.zeros(2, 12)
    f[1, 3] = bad
    loss = measure(f, Y)
    assert math.isfinite(loss[0])
    assert loss[1] == math.inf


def test_history_against_a_hand_written_loop() -> None:
    steps, step_size = 7, 0.02
    seen: list[int] = []
    history = gradient_descent(
        engine(), Y, step_size=step_size, iterations=steps, distance_steps=(5, 0, 2), on_step=seen.append,
        record_surrogate=True,
    )  # fmt: skip
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert history.steps == steps
    assert history.distance_steps.tolist() == [0, 2, 5, 7]
    assert history.distances.shape == (3, 4, 3)
    assert history.surrogate is not None
    x, y = torch.tensor(X), torch.tensor(Y)
    for s in range(3):
        weights = [w[s] for w in initial_weights(NETWORK, seed=0, trials=range(3), dtype=torch.float64)]
        start = [w.clone() for w in weights]
        for t in range(steps + 1):
            leaves = [w.clone().requires_grad_() for w in weights]
            h = x.T
            for w in leaves[:-1]:
                h = torch.relu(w @ h)
            f = NETWORK.output_scale * (leaves[-1] @ h)[0]
            loss = torch.log1p(torch.exp(-y * f)).mean()
            assert history.loss[s, t] == pytest.approx(loss.item(), rel=1e-10)
            expected = (1 / (1 + torch.exp(y * f))).mean().item()
            assert history.surrogate[s, t] == pytest.approx(expected, rel=1e-10)
            if t in (0, 2, 5, 7):
                row = history.distances[s, [0, 2, 5, 7].index(t)]
                expected_row = [float((a - b).norm()) for a, b in zip(weights, start, strict=True)]
                np.testing.assert_allclose(row, expected_row, rtol=1e-9, atol=1e-12)
            gradients = torch.autograd.grad(loss, leaves)
            weights = [w - step_size * g for w, g in zip(weights, gradients, strict=True)]
    assert (history.loss[:, -1] < history.loss[:, 0]).all()


def test_descending_the_square_loss_against_a_hand_written_loop() -> None:
    network, steps, step_size = two_layer(7, 5), 6, 0.05
    trained = DenseEngine(network, X, trials=(0, 1), seed=0, dtype=torch.float64)
    history = gradient_descent(trained, Y, loss=SQUARE, step_size=step_size, iterations=steps, target=5.0)
    for s in range(2):
        start, signs = (w[s].numpy() for w in initial_weights(network, seed=0, trials=(0, 1), dtype=torch.float64))
        w = start.copy()
        losses = []
        for t in range(steps + 1):
            f = signs[0] @ np.maximum(w @ X.T, 0) / math.sqrt(7)
            losses.append(0.5 * np.sum((f - Y) ** 2))
            if t < steps:
                w -= step_size * ((signs.T / math.sqrt(7)) * (w @ X.T > 0) * (f - Y)) @ X
        np.testing.assert_allclose(history.loss[s], losses, rtol=1e-10)
        assert history.first_reached[s] == next((t for t, loss in enumerate(losses) if loss <= 5), -1)
        moved = np.linalg.norm(w - start, axis=1)
        assert history.distances[s, -1, 0] == pytest.approx(np.sqrt((moved**2).sum()), rel=1e-9)
        assert trained.row_distances()[s].tolist() == pytest.approx([moved.max()], rel=1e-9)
    assert (history.loss[:, -1] < history.loss[:, 0]).all()


def test_first_reached_is_the_first_step_at_or_below_the_target() -> None:
    plain = gradient_descent(engine(), Y, step_size=0.02, iterations=60)
    assert (plain.first_reached == -1).all()
    target = float(np.median(plain.loss[:, 30]))
    history = gradient_descent(engine(), Y, step_size=0.02, iterations=60, target=target)
    np.testing.assert_array_equal(history.loss, plain.loss)
    for s in range(3):
        hits = [t for t in range(61) if plain.loss[s, t] <= target]
        assert history.first_reached[s] == (hits[0] if hits else -1)
    assert (history.first_reached > 0).any()


def test_stopping_when_reached_takes_at_most_one_step_more() -> None:
    plain = gradient_descent(engine(), Y, step_size=0.02, iterations=400, target=0.3)
    assert (plain.first_reached > 0).all()
    stopped = gradient_descent(engine(), Y, step_size=0.02, iterations=400, target=0.3, stop_when_reached=True)
    last = int(plain.first_reached.max())
    assert stopped.steps == last + 1
    np.testing.assert_array_equal(stopped.first_reached, plain.first_reached)
    np.testing.assert_array_equal(stopped.loss, plain.loss[:, : last + 2])
    assert stopped.distance_steps.tolist() == [last + 1]


def test_zero_iterations_measure_the_start() -> None:
    history = gradient_descent(engine(), Y, step_size=0.1, iterations=0, target=100.0)
    assert history.loss.shape == (3, 1)
    assert history.first_reached.tolist() == [0, 0, 0]
    assert not history.distances.any()


def test_a_diverged_trial_is_recorded_and_never_counts_as_reached() -> None:
    history = gradient_descent(
        engine(dtype=torch.float32), Y, step_size=1e6, iterations=30, target=-1.0, stop_when_reached=True
    )
    assert history.diverged.all()
    assert (history.first_reached == -1).all()
    assert np.isinf(history.loss[:, -1]).all()
    assert history.steps < 30, "a diverged trial cannot reach the target any more"


def test_one_diverged_trial_leaves_the_others_alone() -> None:
    both, alone = engine((0, 1)), engine((1,))
    both.weights[0][0] *= 1e200
    both.weights[1][0] *= 1e200
    mixed = gradient_descent(both, Y, step_size=0.02, iterations=20, target=0.6, distance_steps=(10,))
    clean = gradient_descent(alone, Y, step_size=0.02, iterations=20, target=0.6, distance_steps=(10,))
    assert mixed.diverged.tolist() == [True, False]
    assert mixed.first_reached[0] == -1
    np.testing.assert_allclose(mixed.loss[1], clean.loss[0], rtol=1e-12)
    np.testing.assert_allclose(mixed.distances[1], clean.distances[0], rtol=1e-9)


def test_labels_may_be_a_tensor() -> None:
    a = gradient_descent(engine(), Y, step_size=0.1, iterations=3)
    b = gradient_descent(engine(), torch.tensor(Y), step_size=0.1, iterations=3)
    np.testing.assert_array_equal(a.loss, b.loss)


def test_the_fixed_output_layer_stays_fixed() -> None:
    network = he_relu(2, 8, 5)
    trained = DenseEngine(network, X, trials=[0], seed=0)
    history = gradient_descent(trained, Y, step_size=0.1, iterations=5)
    assert trained.weights[-1].flatten().tolist() == [1.0] * 4 + [-1.0] * 4
    assert history.distances.shape == (1, 1, 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"step_size": 0.0}, "step size 0.0"),
        ({"step_size": math.nan}, "step size nan"),
        ({"iterations": -1}, "iterations -1"),
        ({"iterations": 2.5}, "iterations 2.5"),
        ({"distance_steps": (0, 9)}, "distance step 9"),
        ({"stop_when_reached": True}, "target"),
        ({"y": Y[:-1]}, r"\(11,\).*12 labels"),
        ({"y": 2 * Y}, "each −1 or"),
    ],
)
def test_refuses_what_it_cannot_run(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        gradient_descent(engine(), **{"y": Y, "step_size": 0.1, "iterations": 5, **arguments})


def test_loss_refuses_labels_of_another_length() -> None:
    with pytest.raises(InputError, match=r"\(11,\)"):
        logistic_loss(torch.zeros(2, 12), Y[:-1])
