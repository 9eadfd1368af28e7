"""The least loss among tangent features, against explicit gradients and a convex solver."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.estimate.tangent_class import tangent_infimum, tangent_kernels
from boundcalc.train.networks import Network, he_relu, initial_weights, scaled_relu

Array = NDArray[np.float64]


def examples(n: int = 14, d: int = 4) -> tuple[Array, Array]:
    random = np.random.default_rng(8)
    X = random.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True), random.choice([-1.0, 1.0], n)


def gradients(network: Network, X: Array, trial: int) -> tuple[Array, list[Array]]:
    """f_{W^(0)}(x_i), and the gradients by each trained layer as rows, by automatic differentiation."""
    drawn = initial_weights(network, seed=3, trials=(trial,), dtype=torch.float64)
    weights = [layer[0].clone().requires_grad_(spec.trained) for layer, spec in zip(drawn, network.layers, strict=True)]
    trained = [weights[l] for l in network.trained_layers]
    outputs, rows = [], []
    for x in torch.tensor(X):
        h = x
        for weight in weights[:-1]:
            h = torch.relu(weight @ h)
        f = network.output_scale * (weights[-1] @ h)[0]
        outputs.append(f.item())
        rows.append([gradient.numpy().ravel() for gradient in torch.autograd.grad(f, trained)])
    return np.array(outputs), [np.array([row[l] for row in rows]) for l in range(len(trained))]


def solved(network: Network, X: Array, y: Array, radius: float, trial: int) -> float:
    """The infimum, over the weights themselves, by a cone solver."""
    start, jacobians = gradients(network, X, trial)
    weights = [cp.Variable(jacobian.shape[1]) for jacobian in jacobians]
    outputs = start + sum(jacobian @ weight for jacobian, weight in zip(jacobians, weights, strict=True))
    loss = cp.sum(cp.logistic(cp.multiply(-y, outputs))) / len(y)
    problem = cp.Problem(cp.Minimize(loss), [cp.norm(weight) <= radius for weight in weights])
    problem.solve(solver=cp.CLARABEL)
    return float(problem.value)


@pytest.mark.parametrize("network", [scaled_relu(3, 6, 4, 0.5), he_relu(2, 6, 4)], ids=["chen2019", "cao2020"])
def test_kernels_are_products_of_gradients(network: Network) -> None:
    X, _ = examples()
    outputs, kernels = tangent_kernels(network, torch.tensor(X), trials=(5, 2), seed=3)
    for position, trial in enumerate((5, 2)):
        start, jacobians = gradients(network, X, trial)
        np.testing.assert_allclose(outputs[position].numpy(), start, rtol=1e-10)
        assert kernels.shape[1] == len(jacobians)
        for kernel, jacobian in zip(kernels[position], jacobians, strict=True):
            np.testing.assert_allclose(kernel.numpy(), jacobian @ jacobian.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("network", [scaled_relu(2, 6, 4, 0.5), he_relu(2, 6, 4)], ids=["chen2019", "cao2020"])
@pytest.mark.parametrize("radius", [0.1, 0.6, 2.5])
def test_bracket_holds_the_optimum_of_a_convex_solver(network: Network, radius: float) -> None:
    X, y = examples()
    found = tangent_infimum(network, X, y, radius=radius, trials=(0, 4), seed=3, tolerance=1e-5, max_steps=20_000)
    assert found.converged.all()
    for position, trial in enumerate((0, 4)):
        optimum = solved(network, X, y, radius, trial)
        assert found.lower[position] - 1e-7 <= optimum <= found.upper[position] + 1e-7
        assert found.upper[position] - found.lower[position] <= 1e-5
        start, _ = gradients(network, X, trial)
        assert found.start[position] == pytest.approx(np.logaddexp(0, -y * start).mean(), rel=1e-10)
    assert (found.norms <= radius * (1 + 1e-9)).all()


def test_bracket_holds_however_early_the_search_stops() -> None:
    X, y = examples()
    network = scaled_relu(2, 6, 4, 0.5)
    optimum = solved(network, X, y, 1.0, 0)
    widths = []
    for steps in (1, 3, 10):
        found = tangent_infimum(network, X, y, radius=1.0, trials=(0,), seed=3, tolerance=1e-9, max_steps=steps)
        assert not found.converged.any()
        assert found.steps == steps
        assert found.lower[0] < optimum < found.upper[0]
        widths.append(found.upper[0] - found.lower[0])
    assert widths == sorted(widths, reverse=True)


def test_an_init_does_not_depend_on_its_companions() -> None:
    X, y = examples()
    network = scaled_relu(3, 6, 4, 0.5)
    together = tangent_infimum(network, X, y, radius=1.0, trials=(0, 1, 2), seed=3)
    alone = tangent_infimum(network, X, y, radius=1.0, trials=(1,), seed=3)
    assert alone.start[0] == pytest.approx(together.start[1], rel=1e-12)
    assert abs(alone.upper[0] - together.upper[1]) <= 1e-4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"radius": 0.0}, "radius = 0.0"),
        ({"radius": float("inf")}, "radius = inf"),
        ({"tolerance": 0.0}, "tolerance = 0.0"),
        ({"max_steps": 0}, "max_steps = 0"),
        ({"y": np.zeros(14)}, "each −1 or"),
        ({"X": np.ones((14, 3))}, "as the network's d"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], words: str) -> None:
    X, y = examples()
    given = {"X": X, "y": y, "radius": 1.0, "trials": (0,), "seed": 3, **change}
    with pytest.raises(InputError, match=words):
        tangent_infimum(scaled_relu(2, 6, 4, 0.5), **given)
