"""Online SGD, against a plain loop over inits and steps with automatic differentiation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from boundcalc.errors import InputError
from boundcalc.train.dense import DenseEngine
from boundcalc.train.networks import Network, he_relu, initial_weights, scaled_relu
from boundcalc.train.sgd import online_descent, sample_orders

NETWORKS = [scaled_relu(2, 12, 5, 0.5), scaled_relu(4, 9, 5, 0.3), he_relu(3, 8, 5)]


def examples(n: int, d: int = 5) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    random = np.random.default_rng(3)
    X = random.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True), random.choice([-1.0, 1.0], n)


def output(network: Network, weights: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    h = x
    for weight in weights[:-1]:
        h = torch.relu(weight @ h)
    return network.output_scale * (weights[-1] @ h)[0]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: f"{network.name}-{network.hidden_layers}")
def test_every_step_is_that_of_plain_sgd(network: Network) -> None:
    X, y = examples(15)
    trials, step_size = (4, 0, 7), 0.4 / network.output_scale**2
    orders = sample_orders(15, trials=trials, seed=2)
    engine = DenseEngine(network, X[:2], trials=trials, seed=2, dtype=torch.float64)
    seen: list[int] = []
    history = online_descent(
        engine, X, y, orders, step_size=step_size, distance_steps=(0, 6), on_iterate=lambda t: seen.append(t)
    )
    assert seen == list(range(15))
    assert history.distance_steps.tolist() == [0, 6, 15]
    start = initial_weights(network, seed=2, trials=trials, dtype=torch.float64)
    for s in range(3):
        weights = [
            layer[s].clone().requires_grad_(spec.trained) for layer, spec in zip(start, network.layers, strict=True)
        ]
        for t, row in enumerate(orders[s]):
            margin = y[row] * output(network, weights, torch.tensor(X[row]))
            assert history.margins[s, t] == pytest.approx(margin.item(), rel=1e-9, abs=1e-12)
            if t == 6:
                moved = [torch.linalg.norm(weights[l] - start[l][s]).item() for l in network.trained_layers]
                np.testing.assert_allclose(history.distances[s, 1], moved, rtol=1e-9)
            trained = [weights[l] for l in network.trained_layers]
            gradients = torch.autograd.grad(torch.nn.functional.softplus(-margin), trained)
            with torch.no_grad():
                for weight, gradient in zip(trained, gradients, strict=True):
                    weight -= step_size * gradient
        for present, weight in zip(engine.weights, weights, strict=True):
            np.testing.assert_allclose(present[s].numpy(), weight.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(history.distances[:, 0], 0)


def test_orders_are_permutations_of_their_own_for_each_trial() -> None:
    orders = sample_orders(50, trials=(0, 1, 9), seed=4)
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(50))
    assert len({tuple(order) for order in orders}) == 3
    np.testing.assert_array_equal(sample_orders(50, trials=(9,), seed=4)[0], orders[2])
    assert not np.array_equal(sample_orders(50, trials=(9,), seed=5)[0], orders[2])


def test_single_precision_follows_double() -> None:
    X, y = examples(30)
    margins = []
    for dtype in (torch.float32, torch.float64):
        engine = DenseEngine(NETWORKS[1], X[:1], trials=(0, 1), seed=0, dtype=dtype)
        margins.append(online_descent(engine, X, y, sample_orders(30, trials=(0, 1), seed=0), step_size=0.05).margins)
    np.testing.assert_allclose(margins[0], margins[1], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step_size": 0.0}, "step size"),
        ({"y": np.zeros(6)}, "each −1 or"),
        ({"X": np.ones((6, 4))}, "as the network's d"),
        ({"orders": np.zeros((1, 3), dtype=np.int64)}, r"\(2, steps\)"),
        ({"orders": np.full((2, 3), 6)}, "from 0 to 5"),
        ({"distance_steps": (4,)}, "outside 0..3"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], words: str) -> None:
    X, y = examples(6)
    engine = DenseEngine(NETWORKS[0], X, trials=(0, 1), seed=0)
    given = {"X": X, "y": y, "orders": np.zeros((2, 3), dtype=np.int64), "step_size": 0.1, **change}
    with pytest.raises(InputError, match=words):
        online_descent(engine, **given)
