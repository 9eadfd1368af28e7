"""The radius certificate, checked again without the code that made it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from boundcalc.data import load, split
from boundcalc.errors import InputError
from boundcalc.estimate import Estimate, radius
from boundcalc.estimate.radius import RadiusCertificate, certify_radius
from boundcalc.train.dense import DenseEngine
from boundcalc.train.networks import Network, he_relu, initial_weights, scaled_relu

TRAIN, _ = split(load("digits", classes=("3", "8")), 0.6, seed=0)


def recheck(certificate: RadiusCertificate, network: Network, x: np.ndarray, y: np.ndarray, seed: int) -> None:
    """Evaluate the witness in numpy and re-derive every number of the certificate from it."""
    assert certificate.witness is not None
    start = initial_weights(network, seed=seed, trials=certificate.trials, dtype=torch.float64)
    for s in range(len(certificate.trials)):
        weights = [w[s].double().numpy() for w in certificate.witness]
        for i in range(len(y)):
            h = x[i]
            for w in weights[:-1]:
                h = np.maximum(w @ h, 0.0)
            f = network.output_scale * (weights[-1] @ h)[0]
            loss = np.log1p(np.exp(-y[i] * f))
            assert loss < certificate.epsilon
            assert loss <= certificate.worst_loss[s] * (1 + 1e-9)
        moved = [np.linalg.norm(w - w0[s].numpy()) for w, w0 in zip(weights, start, strict=True)]
        np.testing.assert_allclose(certificate.layer_distances[s], moved, rtol=1e-9)
        scale = network.width**certificate.alpha
        assert certificate.radius[s] == pytest.approx(scale * max(moved), rel=1e-9)
    assert (certificate.slack > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("L", "alpha", "epsilon"), [(2, 0.5, 0.1), (3, 0.5, 0.1), (3, 0.2, 0.02), (4, 0.5, 0.9)])
def test_certificates_hold(L: int, alpha: float, epsilon: float, dtype: torch.dtype) -> None:
    network = scaled_relu(L, 32, TRAIN.d, alpha)
    certificate = certify_radius(
        network,
        TRAIN.X,
        TRAIN.y,
        epsilon=epsilon,
        alpha=alpha,
        trials=[0, 3],
        seed=2,
        dtype=dtype,
        keep_witness=True,
    )
    assert certificate.converged.all()
    assert (certificate.steps >= 0).all()
    recheck(certificate, network, TRAIN.X, TRAIN.y, seed=2)


def test_the_radius_is_near_the_least_one_where_that_is_known() -> None:
    """One input, two layers, output nearly linear: the least R solves a scalar equation.

    With n = 1 and a wide network f ≈ f_0 + Σ_l ⟨∇_l f, ΔW_l⟩, so the least max-norm movement that lifts
    y f to z* is (z* − y f_0) / Σ_l ‖∇_l f‖_F. At m = 4096, α = ½ curvature changes that by a few per cent.
    """
    m, alpha, epsilon = 4096, 0.5, 0.3
    network = scaled_relu(2, m, 4, alpha)
    x, y = np.array([[0.5, 0.5, 0.5, 0.5]]), np.array([1.0])
    needed = -math.log(math.expm1(epsilon))
    w1, w2 = (w[0].numpy() for w in initial_weights(network, seed=0, trials=[0], dtype=torch.float64))
    h = np.maximum(w1 @ x[0], 0)
    scale = m**alpha
    slopes = scale * np.linalg.norm(h) + scale * np.linalg.norm(w2[0] * (h > 0))
    least = scale * (needed - scale * (w2 @ h)[0]) / slopes
    certificate = certify_radius(network, x, y, epsilon=epsilon, alpha=alpha, trials=[0], seed=0)
    assert 0.95 * least < certificate.radius[0] < 1.1 * least


def test_the_radius_beats_plain_gradient_descent() -> None:
    """The reference: descent on the squared hinge with step 1/(L m^{2α}), stopped where every L_i < ε."""
    L, m, alpha, epsilon = 3, 32, 0.5, 0.1
    network = scaled_relu(L, m, TRAIN.d, alpha)
    x, y = torch.tensor(TRAIN.X), torch.tensor(TRAIN.y)
    start = [w[0] for w in initial_weights(network, seed=0, trials=[0], dtype=torch.float64)]
    leaves = [w.clone().requires_grad_() for w in start]
    needed = -math.log(math.expm1(epsilon))
    for _ in range(20000):
        h = x.T
        for w in leaves[:-1]:
            h = torch.relu(w @ h)
        margins = y * (network.output_scale * (leaves[-1] @ h)[0])
        if margins.min().item() > needed:
            break
        objective = torch.relu(1.02 * needed - margins).square().mean() / 2
        for w, g in zip(leaves, torch.autograd.grad(objective, leaves), strict=True):
            w.data -= 1.0 / (L * m ** (2 * alpha)) * g
    else:
        pytest.fail("the reference did not get there")
    plain = m**alpha * max(float((w - w0).detach().norm()) for w, w0 in zip(leaves, start, strict=True))
    certificate = certify_radius(network, TRAIN.X, TRAIN.y, epsilon=epsilon, alpha=alpha, trials=[0], seed=0)
    assert certificate.radius[0] < plain


def test_at_a_large_epsilon_the_start_itself_is_enough() -> None:
    network = scaled_relu(3, 32, TRAIN.d, 0.5)
    certificate = certify_radius(network, TRAIN.X, TRAIN.y, epsilon=20.0, alpha=0.5, trials=[0, 1], seed=0)
    assert certificate.radius.tolist() == [0.0, 0.0]
    assert certificate.steps.tolist() == [0, 0]


def test_what_is_not_found_is_not_claimed() -> None:
    network = scaled_relu(3, 32, TRAIN.d, 0.5)
    seen: list[int] = []
    certificate = certify_radius(
        network,
        TRAIN.X,
        TRAIN.y,
        epsilon=0.1,
        alpha=0.5,
        trials=[0, 1],
        seed=0,
        max_steps=3,
        on_step=seen.append,
    )
    assert seen == [1, 2, 3]
    assert not certificate.converged.any()
    assert np.isnan(certificate.radius).all()
    assert np.isnan(certificate.slack).all()
    assert np.isnan(certificate.layer_distances).all()
    assert (certificate.worst_loss > 0.1).all()
    assert (certificate.steps == -1).all()
    estimate = certificate.estimate()
    assert not estimate.converged
    assert estimate.value == math.inf


def test_a_search_that_claims_too_much_is_overruled(monkeypatch: pytest.MonkeyPatch) -> None:
    def boastful(engine: DenseEngine, *_: object) -> tuple[list[torch.Tensor], torch.Tensor]:
        return list(engine.weights), torch.zeros(len(engine.trials), dtype=torch.int64)

    monkeypatch.setattr(radius, "_search", boastful)
    network = scaled_relu(3, 32, TRAIN.d, 0.5)
    certificate = certify_radius(network, TRAIN.X, TRAIN.y, epsilon=0.1, alpha=0.5, trials=[0, 1], seed=0)
    assert not certificate.converged.any()
    assert np.isnan(certificate.radius).all()
    assert (certificate.steps == -1).all()


def test_data_that_no_network_separates_is_not_claimed_and_does_not_blow_up() -> None:
    x = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    network = scaled_relu(3, 16, 2, 0.5)
    certificate = certify_radius(
        network, x, np.array([1.0, -1.0, 1.0]), epsilon=0.1, alpha=0.5, trials=[0], seed=0, max_steps=300
    )
    assert not certificate.converged.any()
    assert certificate.worst_loss[0] >= math.log(2) * (1 - 1e-9)


def test_the_estimate_is_the_worst_init_and_an_upper_one() -> None:
    network = scaled_relu(3, 32, TRAIN.d, 0.5)
    arguments = {"epsilon": 0.1, "alpha": 0.5, "seed": 0}
    certificate = certify_radius(network, TRAIN.X, TRAIN.y, trials=[0, 1, 2], **arguments)
    estimate = certificate.estimate()
    assert (estimate.name, estimate.direction, estimate.converged) == ("R", "upper", True)
    assert estimate.value == certificate.radius.max()
    again = certify_radius(network, TRAIN.X, TRAIN.y, trials=[0, 1, 2], **arguments)
    np.testing.assert_array_equal(certificate.radius, again.radius)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"epsilon": 0.0}, "epsilon = 0.0"),
        ({"alpha": 0.4}, "alpha = 0.4"),
        ({"max_steps": 0}, "max_steps = 0"),
        ({"y": TRAIN.y[:-1]}, "labels"),
        ({"y": 0 * TRAIN.y}, "each −1 or"),
        ({"trials": []}, "no trials"),
    ],
)
def test_refusals(arguments: dict[str, object], said: str) -> None:
    network = scaled_relu(2, 8, TRAIN.d, 0.5)
    with pytest.raises(InputError, match=said):
        certify_radius(
            network,
            TRAIN.X,
            **{"y": TRAIN.y, "epsilon": 0.1, "alpha": 0.5, "trials": [0], "seed": 0, **arguments},
        )


def test_the_scale_of_another_paper_is_refused() -> None:
    with pytest.raises(InputError, match="output scale is 1"):
        certify_radius(he_relu(2, 8, TRAIN.d), TRAIN.X, TRAIN.y, epsilon=0.1, alpha=0.5, trials=[0], seed=0)


def test_a_bracket_must_hold_its_value() -> None:
    assert Estimate("R", "R", 2.0, "bracket", "m", True, 1.0, 3.0).lower == 1.0
    for lower, upper in ((None, 3.0), (2.5, 3.0), (1.0, None)):
        with pytest.raises(InputError, match="bracket of R"):
            Estimate("R", "R", 2.0, "bracket", "m", True, lower, upper)
    with pytest.raises(InputError, match="sideways"):
        Estimate("R", "R", 2.0, "sideways", "m", True)
