"""The ratio of cao2020 (3.1) against automatic differentiation, and the search where the least ratio is known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from boundcalc.data import load, make_dataset, split
from boundcalc.errors import InputError
from boundcalc.estimate import Estimate
from boundcalc.estimate import gradient_bound as module
from boundcalc.estimate.gradient_bound import GradientBound, Search, default_radius, gradient_bound, gradient_ratio
from boundcalc.estimate.margins import gamma_conjugate_kernel, gamma_random_feature
from boundcalc.estimate.measures import Options, measure
from boundcalc.estimate.minimax import nearest_point
from boundcalc.train.networks import Network, he_relu, initial_weights, scaled_relu

TRAIN, _ = split(load("digits", classes=("3", "8")), 0.2, seed=0)
QUICK = Search(iterations=10, points=1, steps=15)
DIGITS = he_relu(3, 32, TRAIN.d)


def sphere(n: int, d: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def signs(n: int) -> np.ndarray:
    return np.where(np.random.default_rng(1).random(n) < 0.5, -1.0, 1.0)


def autograd_ratio(weights: list[torch.Tensor], x: np.ndarray, y: np.ndarray) -> float:
    """‖∇_{W_L} L_S‖_F/(√m E_S) of one trial as (3.1) and Definition 3.2 write it, one input at a time."""
    leaves = [w.clone().requires_grad_() for w in weights]
    loss, error = torch.zeros(()), torch.zeros(())
    for row, label in zip(torch.tensor(x), y, strict=True):
        h = row
        for w in leaves[:-1]:
            h = torch.relu(w @ h)
        margin = label * (leaves[-1] @ h)[0]
        loss = loss + torch.log(1 + torch.exp(-margin)) / len(y)
        error = error + 1 / (1 + torch.exp(margin)) / len(y)
    (gradient,) = torch.autograd.grad(loss, [leaves[-2]])
    return float((gradient.norm() / (math.sqrt(weights[0].shape[0]) * error)).detach())


@pytest.mark.parametrize("L", [1, 2, 3, 4])
def test_the_ratio_is_that_of_autograd(L: int) -> None:
    x, y = sphere(7, 5), signs(7)
    weights = initial_weights(he_relu(L, 12, 5), seed=3, trials=[0, 4], dtype=torch.float64)
    ratio = gradient_ratio(weights, torch.tensor(x), torch.tensor(y))
    assert ratio.shape == (2,)
    for s in range(2):
        assert float(ratio[s]) == pytest.approx(autograd_ratio([w[s] for w in weights], x, y), rel=1e-12)


@pytest.mark.parametrize("L", [1, 2, 3, 4])
def test_the_slopes_are_those_of_autograd_between_changes_of_sign(L: int) -> None:
    m, x, y = 12, torch.tensor(sphere(7, 5)), torch.tensor(signs(7))
    weights = initial_weights(he_relu(L, m, 5), seed=3, trials=[0, 4], dtype=torch.float64)
    leaves = [w.clone().requires_grad_() for w in weights[:-1]]
    value = 0.5 * m * module._Pass.of([*leaves, weights[-1]], x, y).ratio.square().sum()
    expected = torch.autograd.grad(value, leaves)
    found = list(module._Pass.of(weights, x, y).slopes(weights, y, window=0.0))
    for mine, theirs in zip(found, reversed(expected), strict=True):
        assert float(theirs.abs().max()) > 1e-6 or L == 1
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-13)


def test_a_fitted_network_is_measured_where_the_errors_themselves_underflow() -> None:
    # All shares go to the sample of the least margin: the ratio is √(units that it turns on)·‖h‖/√m.
    x, y, m = sphere(3, 4), np.ones(3), 10
    weights = list(initial_weights(he_relu(1, m, 4), seed=0, trials=[0], dtype=torch.float32))
    weights[0] = 1e4 * weights[0].abs()
    inputs = torch.tensor(np.abs(x), dtype=torch.float32)
    margins = (weights[-1] @ torch.relu(weights[0] @ inputs.T))[0, 0]
    weights[-1] = weights[-1] * torch.sign(margins.sum())  # margins of one sign, in the thousands
    margins = (weights[-1] @ torch.relu(weights[0] @ inputs.T))[0, 0] * torch.tensor(y)
    assert float(margins.min()) > 200
    assert float(margins.sort().values.diff()[0]) > 100
    ratio = gradient_ratio(weights, inputs, torch.tensor(y, dtype=torch.float32))
    assert float(ratio) == pytest.approx(1.0, rel=1e-5)  # every unit is on, and ‖x‖ = 1


def least_counts(weights: np.ndarray, x: np.ndarray, tau: float) -> np.ndarray:
    """How many units each input x_i (unit norm) keeps on at least, L = 1: turning unit j off costs ⟨w_j, x_i⟩²."""
    counts = []
    for row in x:
        costs = np.sort(np.maximum(weights @ row, 0.0)) ** 2
        counts.append(len(costs) - int((np.cumsum(costs) <= tau**2).sum()))
    return np.array(counts)


@pytest.mark.parametrize("share", [0.03, 0.3])
def test_one_sample_and_one_layer_where_B_is_known(share: float) -> None:
    # p = 1 and h = x: the ratio is √(units on/m), and the cheapest units to turn off are those nearest to 0.
    m, x, y = 200, sphere(1, 6), np.array([-1.0])
    network, tau = he_relu(1, m, 6), share * math.sqrt(2)
    found = gradient_bound(network, x, y, trials=[0, 1], seed=0, tau=tau, device="cpu")
    start = initial_weights(network, seed=0, trials=[0, 1], dtype=torch.float64)[0].numpy()
    for s in range(2):
        exact = math.sqrt(least_counts(start[s], x, tau)[0] / m)
        at_start = math.sqrt((start[s] @ x[0] > 0).sum() / m)
        assert found.at_start[s] == pytest.approx(at_start, rel=1e-12)
        assert exact * (1 - 1e-12) <= found.adversarial[s]
        assert found.adversarial[s] - exact <= 0.1 * (at_start - exact)


def test_orthogonal_samples_and_one_layer_where_B_has_a_floor() -> None:
    # The samples' terms are orthogonal: ratio² = Σ p_i² a_i/m ≥ 1/(m Σ 1/a_i), a_i the units that x_i turns on.
    m, n = 100, 5
    x, y, network, tau = np.eye(n, 6), np.array([1.0, -1, 1, 1, -1]), he_relu(1, m, 6), 0.5
    found = gradient_bound(network, x, y, trials=[0, 3], seed=0, tau=tau, device="cpu")
    start = initial_weights(network, seed=0, trials=[0, 3], dtype=torch.float64)[0].numpy()
    for s in range(2):
        floor = 1 / math.sqrt(m * (1 / least_counts(start[s], x, tau)).sum())
        assert floor <= found.adversarial[s] <= 1.6 * floor
        assert found.at_start[s] > found.adversarial[s]


def test_opposite_labels_on_one_input_leave_no_bound() -> None:
    # The two terms differ by their shares alone, which are equal where f = 0.
    x, y = np.repeat(sphere(1, 4), 2, axis=0), np.array([1.0, -1.0])
    found = gradient_bound(he_relu(2, 40, 4), x, y, trials=[0], seed=0, tau=1.0, device="cpu")
    assert found.at_start[0] > 0.01
    assert found.adversarial[0] < 0.05 * found.at_start[0]


def test_in_a_ball_around_which_features_hardly_move_the_least_is_that_over_the_shares() -> None:
    # τ → 0 leaves the features; their convex combinations are no shorter than the point of least norm.
    network = he_relu(2, 64, TRAIN.d)
    found = gradient_bound(network, TRAIN.X, TRAIN.y, trials=[0], seed=0, tau=1e-3, search=QUICK, device="cpu")
    w1, w2, _ = (w[0].numpy() for w in initial_weights(network, seed=0, trials=[0], dtype=torch.float64))
    h = np.maximum(w1 @ TRAIN.X.T, 0.0)
    on = (w2 @ h > 0).astype(float)
    gram = (h.T @ h) * (on.T @ on) * np.outer(TRAIN.y, TRAIN.y) / 64
    p = nearest_point(gram)
    assert p is not None
    assert 0.95 * math.sqrt(p @ gram @ p) <= found.adversarial[0] < found.at_start[0]
    assert found.adversarial[0] > 0.9 * found.at_start[0]  # and hardly the shares


def recheck(found: GradientBound, network: Network, x: np.ndarray, y: np.ndarray, seed: int) -> None:
    """Evaluate the witness in numpy and compare."""
    assert found.witness is not None
    *starts, v = (w.numpy() for w in initial_weights(network, seed=seed, trials=found.trials, dtype=torch.float64))
    for s in range(len(found.trials)):
        weights = [w[s].double().numpy() for w in found.witness]
        for w, w0 in zip(weights, starts, strict=True):
            assert np.linalg.norm(w - w0[s]) <= found.tau
        h = x.T
        for w in weights[:-1]:
            h = np.maximum(w @ h, 0.0)
        above = weights[-1] @ h
        errors = 1 / (1 + np.exp(y * (v[s] @ np.maximum(above, 0.0))[0]))
        gradient = (errors * y * (above > 0) * v[s].T) @ h.T
        assert np.linalg.norm(gradient) / (math.sqrt(network.width) * errors.sum()) == pytest.approx(
            found.adversarial[s], rel=1e-9
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("L", [1, 3])
def test_what_is_reported_was_met_in_the_ball(L: int, dtype: torch.dtype) -> None:
    network = he_relu(L, 32, TRAIN.d)
    found = gradient_bound(
        network, TRAIN.X, TRAIN.y, trials=[0, 3], seed=2, tau=0.3, search=QUICK, dtype=dtype,
        device="cpu", keep_witness=True,
    )  # fmt: skip
    recheck(found, network, TRAIN.X, TRAIN.y, seed=2)
    assert found.descents.shape == (2, 3)
    for other in (found.at_start, found.along_descent, found.at_random, *found.descents.T):
        assert np.isfinite(other).all()
        assert (found.adversarial <= other).all()
    assert (found.adversarial < 0.8 * found.at_start).all()
    assert (found.inside == QUICK.iterations).all()


def test_gradient_descent_counts_only_while_it_is_in_the_ball() -> None:
    far = Search(iterations=5, step_size=1.0, points=0, steps=2)
    found = gradient_bound(DIGITS, TRAIN.X, TRAIN.y, trials=[0], seed=0, tau=1e-3, search=far, device="cpu")
    assert found.inside[0] == 0
    assert found.along_descent[0] == math.inf
    assert found.at_random[0] == math.inf
    assert found.descents[0, 1] == math.inf
    assert math.isfinite(found.adversarial[0])
    assert not found.estimate().converged


def test_gradient_descent_that_leaves_the_ball_counts_for_what_it_met_inside() -> None:
    steady = Search(iterations=20, step_size=0.02, points=0, steps=0)
    wide, narrow = (
        gradient_bound(DIGITS, TRAIN.X, TRAIN.y, trials=[0, 1], seed=0, tau=tau, search=steady, device="cpu")
        for tau in (5.0, 0.1)
    )
    assert (wide.inside == 20).all()
    assert ((narrow.inside > 0) & (narrow.inside < 20)).all()
    assert np.isfinite(narrow.along_descent).all()
    assert (wide.along_descent < narrow.along_descent).all()


def test_what_lies_outside_the_ball_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._Ball, "pull", lambda ball, weights: None)
    search = Search(iterations=0, points=0, steps=20)
    found = gradient_bound(DIGITS, TRAIN.X, TRAIN.y, trials=[0, 1], seed=0, tau=0.2, search=search, device="cpu")
    assert np.array_equal(found.adversarial, found.at_start)


def test_gradient_descent_that_diverges_does_no_harm() -> None:
    wild = Search(iterations=30, step_size=1e20, points=0, steps=2)
    found = gradient_bound(DIGITS, TRAIN.X, TRAIN.y, trials=[0], seed=0, search=wild, device="cpu")
    assert found.along_descent[0] == math.inf
    assert 0 < found.adversarial[0] <= found.at_start[0]


def test_a_larger_ball_and_a_longer_search_find_less() -> None:
    small, large = (
        gradient_bound(DIGITS, TRAIN.X, TRAIN.y, trials=[0], seed=0, tau=tau, search=QUICK, device="cpu")
        for tau in (0.1, 0.4)
    )
    assert large.adversarial[0] < 0.8 * small.adversarial[0]
    steps = dataclasses.replace(QUICK, steps=0)
    still = gradient_bound(DIGITS, TRAIN.X, TRAIN.y, trials=[0], seed=0, tau=0.1, search=steps, device="cpu")
    assert still.adversarial[0] == min(still.at_start[0], still.along_descent[0], still.at_random[0])
    assert small.adversarial[0] < still.adversarial[0]


def test_a_ball_wide_enough_holds_a_network_without_gradient() -> None:
    found = gradient_bound(DIGITS, TRAIN.X, TRAIN.y, trials=[0, 1], seed=0, tau=6.0, device="cpu")
    assert found.adversarial.max() < 1e-6


def test_a_trial_depends_neither_on_its_companions_nor_on_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(trials: list[int]) -> GradientBound:
        return gradient_bound(
            DIGITS, TRAIN.X, TRAIN.y, trials=trials, seed=5, search=QUICK, dtype=torch.float64, device="cpu",
            keep_witness=True,
        )  # fmt: skip

    together, alone = run([4, 9]), run([9])
    np.testing.assert_allclose(together.descents[1], alone.descents[0], rtol=1e-6)
    np.testing.assert_allclose(together.at_random[1], alone.at_random[0], rtol=1e-12)
    monkeypatch.setattr(module, "search_bytes", lambda *_: 2**60)
    apart = run([4, 9])
    assert apart.trials == (4, 9)
    np.testing.assert_allclose(apart.descents, together.descents, rtol=1e-6)
    recheck(apart, DIGITS, TRAIN.X, TRAIN.y, seed=5)


def test_the_estimate_is_that_of_the_worst_init() -> None:
    found = gradient_bound(DIGITS, TRAIN.X, TRAIN.y, trials=[0, 1, 2], seed=0, tau=0.1, search=QUICK, device="cpu")
    estimate = found.estimate()
    assert (estimate.name, estimate.symbol, estimate.direction) == ("B", "B", "upper")
    assert estimate.value == found.adversarial.min()
    assert "m = 32" in estimate.method
    assert "τ = 0.1" in estimate.method
    lone = dataclasses.replace(found, descents=np.array([[0.5, 0.2, 0.4]]))
    assert not lone.estimate().converged
    assert dataclasses.replace(found, descents=np.array([[0.5, 0.2, 0.21]])).estimate().converged
    assert dataclasses.replace(found, descents=np.array([[0.5, 0.0, 0.21]])).estimate().converged


def test_constants_of_the_lemmas() -> None:
    x, y = np.eye(2), np.array([1.0, -1.0])
    found = gradient_bound(he_relu(3, 32, 2), x, y, trials=[0], seed=0, tau=0.1, search=QUICK, device="cpu")
    value = found.estimate().value
    features, kernel = gamma_random_feature(x, y, device="cpu"), gamma_conjugate_kernel(x, y, 2, device="cpu")
    for gamma, factor, name in ((features, 1 / 8, "C of lem4.4"), (kernel, 1.0, "C of lem4.5")):
        constant = found.lemma_constant(gamma)
        assert (constant.name, constant.symbol, constant.direction) == (name, "C", "upper")
        assert gamma.lower is not None
        assert gamma.lower > 0
        assert constant.value * factor * gamma.lower == pytest.approx(value, rel=1e-12)
    nothing = dataclasses.replace(features, value=0.0, lower=0.0)
    assert found.lemma_constant(nothing).value == math.inf
    with pytest.raises(InputError, match="gamma_ji2020"):
        found.lemma_constant(dataclasses.replace(features, name="gamma_ji2020"))
    with pytest.raises(InputError, match="from above only"):
        found.lemma_constant(Estimate("gamma_random_feature", "gamma", 0.1, "upper", "guess", True))


def test_default_radius_is_that_of_theorem_3_2() -> None:
    assert default_radius(100) == pytest.approx(1.0)
    assert default_radius(400, epsilon=0.5) == pytest.approx(0.1)


def test_B_is_among_the_measures() -> None:
    small = make_dataset("small", sphere(6, 3), signs(6))
    (estimate,) = measure(small, ["B"], Options(L=2, device="cpu"))
    assert estimate.name == "B"
    assert "L = 2" in estimate.method
    assert 0 <= estimate.value < 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": scaled_relu(2, 4, 5, 0.5)}, "he_relu"),
        ({"tau": 0.0}, "tau = 0.0"),
        ({"tau": math.inf}, "tau = inf"),
        ({"y": np.zeros(3)}, "each −1 or \\+1"),
        ({"y": np.ones(4)}, "give 3 labels"),
        ({"trials": []}, "no trials"),
        ({"X": np.ones((3, 4))}, r"\(3, 4\)"),
    ],
)
def test_refusals(changes: dict[str, object], said: str) -> None:
    arguments = {"network": he_relu(1, 4, 5), "X": np.ones((3, 5)), "y": np.ones(3), "trials": [0], **changes}
    with pytest.raises(InputError, match=said):
        gradient_bound(**arguments, seed=0, device="cpu")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"steps": -1}, "steps = -1"), ({"points": True}, "points = True"), ({"step_size": 0.0}, "step size 0.0")],
)
def test_searches_that_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Search(**changes)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_the_cpu() -> None:
    cpu, cuda = (
        gradient_bound(
            DIGITS, TRAIN.X, TRAIN.y, trials=[0, 1], seed=0, search=QUICK, dtype=torch.float64, device=device
        )
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(cpu.at_start, cuda.at_start, rtol=1e-12)
    np.testing.assert_allclose(cpu.at_random, cuda.at_random, rtol=1e-12)
    np.testing.assert_allclose(cpu.descents, cuda.descents, rtol=1e-3)
