"""Online SGD, against a plain loop over inits and steps with automatic differentiation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from boundcalc.errors import InputError
from boundcalc.train import sgd
from boundcalc.train.checkpoints import Checkpointed, Checkpoints
from boundcalc.train.dense import DenseEngine
from boundcalc.train.networks import Network, he_relu, initial_weights, scaled_relu
from boundcalc.train.sgd import Judges, OnlineHistory, online_descent, sample_orders

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
def test_every_step_and_what_is_measured_of_it_is_that_of_plain_sgd(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sgd, "BLOCK", 4)  # so that there are several, and one that is not full
    X, y = examples(15)
    trials, step_size = (4, 0, 7), 0.4 / network.output_scale**2
    orders = sample_orders(15, trials=trials, seed=2)
    asked = np.random.default_rng(8).integers(0, 15, (13, 2))
    at = np.array([0, 0, 1, 3, 4, 5, 6, 7, 7, 7, 8, 13, 13])  # some of them twice, and none of a whole block
    engine = DenseEngine(network, X[:2], trials=trials, seed=2, dtype=torch.float64)
    seen: list[int] = []
    history = online_descent(
        engine, X, y, orders, step_size=step_size, judges=Judges(X, y, asked, at), on_step=lambda t: seen.append(t)
    )
    assert seen == list(range(1, 16))
    assert history.distances.shape == (3, 16, len(network.trained_layers))
    assert history.judged.shape == (3, 13, 2)
    start = initial_weights(network, seed=2, trials=trials, dtype=torch.float64)
    for s in range(3):
        weights = [
            layer[s].clone().requires_grad_(spec.trained) for layer, spec in zip(start, network.layers, strict=True)
        ]
        for t, row in enumerate(orders[s]):
            margin = y[row] * output(network, weights, torch.tensor(X[row]))
            assert history.margins[s, t] == pytest.approx(margin.item(), rel=1e-9, abs=1e-12)
            for j in np.flatnonzero(at == t):
                judged = [y[k] * output(network, weights, torch.tensor(X[k])).item() for k in asked[j]]
                np.testing.assert_allclose(history.judged[s, j], judged, rtol=1e-9, atol=1e-12)
            moved = [torch.linalg.norm(weights[l] - start[l][s]).item() for l in network.trained_layers]
            np.testing.assert_allclose(history.distances[s, t], moved, rtol=1e-6, atol=1e-9)
            trained = [weights[l] for l in network.trained_layers]
            gradients = torch.autograd.grad(torch.nn.functional.softplus(-margin), trained)
            with torch.no_grad():
                for weight, gradient in zip(trained, gradients, strict=True):
                    weight -= step_size * gradient
        for present, weight in zip(engine.weights, weights, strict=True):
            np.testing.assert_allclose(present[s].numpy(), weight.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(history.distances[:, 0], 0)
    np.testing.assert_allclose(history.distances[:, -1], engine.distances().numpy(), rtol=1e-6)


def descend(on_step: Any = None, seed: int = 2) -> OnlineHistory:
    """Seventy steps of two inits."""
    X, y = examples(70)
    trials = (4, 7)
    engine = DenseEngine(NETWORKS[1], X[:1], trials=trials, seed=seed)
    judges = Judges(X, y, np.arange(60)[:, None])
    orders = sample_orders(70, trials=trials, seed=seed)
    return online_descent(engine, X, y, orders, step_size=0.1, judges=judges, on_step=on_step)


class Cut(Exception):
    """Ends a training from within."""


@pytest.mark.parametrize("cut", [3, 17, 41, 70])
def test_a_descent_that_was_cut_off_ends_as_if_it_had_not_been(
    cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sgd, "BLOCK", 8)
    whole, now = descend(), [0.0]

    def stop(step: int) -> None:
        now[0] += 1
        if step == cut:
            raise Cut

    with pytest.raises(Cut):  # by this clock every second block is kept
        descend(Checkpointed(stop, Checkpoints(tmp_path, "a", 10, lambda: now[0])))
    steps: list[int] = []
    again = descend(Checkpointed(steps.append, Checkpoints(tmp_path, "a", 1e9)))
    assert steps[0] == (cut - 1) // 16 * 16 + 1
    for name in ("margins", "distances", "judged"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))


def test_a_descent_that_is_over_is_not_done_again(tmp_path: Path) -> None:
    steps: list[int] = []
    first = descend(Checkpointed(steps.append, Checkpoints(tmp_path, "a", 0.0, lambda: float(len(steps)))))
    again = descend(Checkpointed(steps.append, Checkpoints(tmp_path, "a", 1e9)))
    assert len(steps) == 70
    np.testing.assert_array_equal(again.judged, first.judged)
    np.testing.assert_array_equal(again.distances, first.distances)


def test_distances_of_wide_networks_in_single_precision() -> None:
    X, y = examples(40, 20)
    engine = DenseEngine(scaled_relu(3, 400, 20, 0.5), X[:1], trials=(0, 1), seed=0)
    history = online_descent(engine, X, y, sample_orders(40, trials=(0, 1), seed=0), step_size=1e-4)
    np.testing.assert_allclose(history.distances[:, -1], engine.distances().numpy(), rtol=1e-3)
    assert engine.distances().max() < 0.1


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
        ({"judges": Judges(np.ones((2, 5)), np.ones(2), np.zeros((4, 1), dtype=np.int64))}, "4 judged iterates of 3"),
        (
            {"judges": Judges(np.ones((2, 5)), np.ones(2), np.zeros((2, 1), dtype=np.int64), np.array([2, 1]))},
            "in their order",
        ),
        ({"judges": Judges(np.ones((2, 5)), np.ones(2), np.full((3, 1), 2))}, "from 0 to 1"),
        ({"judges": Judges(np.ones((2, 4)), np.ones(2), np.zeros((3, 1), dtype=np.int64))}, "as the network's d"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], words: str) -> None:
    X, y = examples(6)
    engine = DenseEngine(NETWORKS[0], X, trials=(0, 1), seed=0)
    given = {"X": X, "y": y, "orders": np.zeros((2, 3), dtype=np.int64), "step_size": 0.1, **change}
    with pytest.raises(InputError, match=words):
        online_descent(engine, **given)
