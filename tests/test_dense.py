"""The dense engine against automatic differentiation of the network as the papers write it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.errors import InputError
from boundcalc.train.dense import DenseEngine, fitting_trials, peak_bytes
from boundcalc.train.descent import logistic_slope
from boundcalc.train.devices import available_bytes, full_precision, resolve_device
from boundcalc.train.networks import Layer, Network, he_relu, initial_weights, scaled_relu

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def sphere(n: int, d: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def signs(n: int, seed: int = 1) -> np.ndarray:
    y = np.sign(np.random.default_rng(seed).standard_normal(n))
    y[:2] = [-1, 1]
    return y


def plain_output(weights: list[torch.Tensor], scale: float, x: torch.Tensor) -> torch.Tensor:
    """f(x) of ONE trial, one input at a time, as the papers write it."""
    outputs = []
    for row in x:
        h = row
        for w in weights[:-1]:
            h = torch.relu(w @ h)
        outputs.append(scale * (weights[-1] @ h)[0])
    return torch.stack(outputs)


def autograd_steps(
    network: Network, weights: list[torch.Tensor], x: np.ndarray, y: np.ndarray, step_size: float, steps: int
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Gradient descent on the logistic loss of one trial: final weights, outputs before each step."""
    xt, yt = torch.tensor(x), torch.tensor(y)
    outputs = []
    for _ in range(steps):
        leaves = [w.clone().requires_grad_() for w in weights]
        f = plain_output(leaves, network.output_scale, xt)
        loss = torch.log(1 + torch.exp(-yt * f)).mean()
        gradients = torch.autograd.grad(loss, leaves)
        outputs.append(f.detach())
        weights = [
            w - step_size * g if layer.trained else w
            for w, g, layer in zip(weights, gradients, network.layers, strict=True)
        ]
    return weights, outputs


def check_against_autograd(network: Network, trials: list[int], n: int, steps: int, step_size: float) -> None:
    x, y = sphere(n, network.d), signs(n)
    engine = DenseEngine(network, x, trials=trials, seed=11, dtype=torch.float64)
    start = [w.clone() for w in engine.weights]
    seen = [engine.step(logistic_slope(y), step_size).clone() for _ in range(steps)]
    for s in range(len(trials)):
        weights, outputs = autograd_steps(network, [w[s] for w in start], x, y, step_size, steps)
        for a, b in zip(seen, outputs, strict=True):
            torch.testing.assert_close(a[s], b, rtol=1e-10, atol=1e-12)
        moved = max(float((w[s] - w0[s]).abs().max()) for w, w0 in zip(engine.weights, start, strict=True))
        assert moved > 1e-4, "a step so small would hide a wrong gradient"
        for a, b in zip(engine.weights, weights, strict=True):
            torch.testing.assert_close(a[s], b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("trials", [[0], [4, 0, 7]])
@pytest.mark.parametrize("alpha", [0.5, 0.25, 0.1])
@pytest.mark.parametrize("L", [2, 3, 4, 5])
def test_chen2019_steps_are_those_of_autograd(L: int, alpha: float, trials: list[int]) -> None:
    network = scaled_relu(L, 12, 5, alpha)
    check_against_autograd(network, trials, n=9, steps=4, step_size=0.5 / network.output_scale**2)


@pytest.mark.parametrize("trials", [[0], [4, 0, 7]])
@pytest.mark.parametrize("L", [1, 2, 3, 4, 5])
def test_cao2020_steps_are_those_of_autograd(L: int, trials: list[int]) -> None:
    check_against_autograd(he_relu(L, 12, 5), trials, n=9, steps=4, step_size=0.05)


def test_wide_layers_are_trained_tile_by_tile_without_a_trace() -> None:
    # One trial wider than a tile of the CPU (1024), and not a multiple of it.
    check_against_autograd(scaled_relu(4, 1100, 5, 0.5), [2], n=4, steps=2, step_size=1e-3)
    check_against_autograd(he_relu(3, 1100, 5), [2], n=4, steps=2, step_size=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    trained=st.lists(st.booleans(), min_size=5, max_size=5),
    d=st.integers(1, 6),
    n=st.integers(2, 7),
    trials=st.integers(1, 3),
)
def test_any_chain_of_layers_steps_as_autograd(
    widths: list[int], trained: list[bool], d: int, n: int, trials: int
) -> None:
    sizes = [d, *widths, 1]
    flags = [*trained[: len(sizes) - 2], True]  # unequal widths, frozen layers below and between
    layers = tuple(
        Layer(rows, cols, math.sqrt(2 / rows), flag) for cols, rows, flag in zip(sizes, sizes[1:], flags, strict=False)
    )
    network = Network("chain", layers, 1.5)
    x, y = sphere(n, d), signs(n)
    engine = DenseEngine(network, x, trials=list(range(trials)), seed=5, dtype=torch.float64)
    start = [w.clone() for w in engine.weights]
    for _ in range(3):
        engine.step(logistic_slope(y), 0.1)
    for s in range(trials):
        weights, _ = autograd_steps(network, [w[s] for w in start], x, y, 0.1, 3)
        for a, b in zip(engine.weights, weights, strict=True):
            torch.testing.assert_close(a[s], b, rtol=1e-10, atol=1e-12)


def test_the_derivative_of_relu_at_zero_is_zero() -> None:
    network = scaled_relu(2, 4, 2, 0.5)
    engine = DenseEngine(network, np.array([[1.0, 0.0]]), trials=[0], seed=0, dtype=torch.float64)
    engine.load_weights([torch.tensor([[[0.0, 1.0]] * 4]), torch.ones(1, 1, 4)])  # every pre-activation is 0
    before = engine.weights[0].clone()
    engine.step(logistic_slope(np.array([1.0])), 1.0)
    assert torch.equal(engine.weights[0], before)


@pytest.mark.parametrize("trials", [[0], [2, 0]])
def test_accumulate_leaves_the_weights_alone(trials: list[int]) -> None:
    network, x, y = scaled_relu(3, 8, 4, 0.5), sphere(6, 4), signs(6)
    engine = DenseEngine(network, x, trials=trials, seed=1, dtype=torch.float64)
    start = [w.clone() for w in engine.weights]
    buffers = [torch.ones_like(w) for w in engine.weights]
    engine.accumulate(buffers, logistic_slope(y), decay=0.25, factor=2.0)
    assert all(torch.equal(a, b) for a, b in zip(engine.weights, start, strict=True))
    engine.step(logistic_slope(y), 1.0)
    for buffer, w, w0 in zip(buffers, engine.weights, start, strict=True):
        torch.testing.assert_close(buffer, 0.25 + 2.0 * (w0 - w), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("count", [1, 5, 6, 7, 15])
def test_outputs_on_other_inputs(count: int) -> None:
    network, other = he_relu(2, 8, 4), sphere(count, 4, seed=9)
    engine = DenseEngine(network, sphere(6, 4), trials=[3, 1], seed=1, dtype=torch.float64)
    f = engine.outputs(other)
    assert f.shape == (2, count)
    for s in range(2):
        expected = plain_output([w[s] for w in engine.weights], 1.0, torch.tensor(other))
        torch.testing.assert_close(f[s], expected, rtol=1e-12, atol=1e-14)


def test_asking_for_outputs_does_not_disturb_training() -> None:
    network, x, y = scaled_relu(3, 8, 4, 0.5), sphere(6, 4), signs(6)
    quiet = DenseEngine(network, x, trials=[0, 1], seed=1)
    asked = DenseEngine(network, x, trials=[0, 1], seed=1)
    for _ in range(3):
        f = quiet.step(logistic_slope(y), 0.1)
        asked.outputs(sphere(20, 4, seed=2))
        asked.distances()
        assert torch.equal(asked.step(logistic_slope(y), 0.1), f)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("network", [scaled_relu(3, 700, 5, 0.5), he_relu(2, 20, 5)])
def test_distances_are_those_to_the_stored_start(network: Network, dtype: torch.dtype) -> None:
    engine = DenseEngine(network, sphere(4, 5), trials=[6, 2], seed=8, dtype=dtype)
    assert torch.equal(engine.distances(), torch.zeros(2, len(network.trained_layers), dtype=torch.float64))
    start = initial_weights(network, seed=8, trials=[6, 2], dtype=dtype)
    for _ in range(3):
        engine.step(logistic_slope(signs(4)), 0.01)
    distances = engine.distances()
    assert distances.dtype == torch.float64
    for column, layer in enumerate(network.trained_layers):
        moved = (engine.weights[layer].double() - start[layer].double()).numpy()
        expected = np.sqrt((moved**2).sum(axis=(1, 2)))
        assert (expected > 0).all()
        tolerance = 1e-6 if dtype == torch.float32 else 1e-12
        np.testing.assert_allclose(distances[:, column], expected, rtol=tolerance)
        furthest = np.sqrt((moved**2).sum(axis=2)).max(axis=1)
        np.testing.assert_allclose(engine.row_distances()[:, column], furthest, rtol=tolerance)


def test_the_same_seed_gives_the_same_bits() -> None:
    def run(seed: int) -> tuple[torch.Tensor, ...]:
        engine = DenseEngine(scaled_relu(3, 32, 5, 0.5), sphere(10, 5), trials=[0, 1, 2], seed=seed)
        for _ in range(5):
            engine.step(logistic_slope(signs(10)), 0.05)
        return engine.weights

    first, again, other = run(0), run(0), run(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_trial_does_not_depend_on_its_companions() -> None:
    network, x, y = he_relu(2, 16, 5), sphere(10, 5), signs(10)
    together = DenseEngine(network, x, trials=[4, 9], seed=2, dtype=torch.float64)
    alone = DenseEngine(network, x, trials=[9], seed=2, dtype=torch.float64)
    for _ in range(5):
        a, b = together.step(logistic_slope(y), 0.05), alone.step(logistic_slope(y), 0.05)
        torch.testing.assert_close(a[1], b[0], rtol=1e-12, atol=1e-13)


def test_float32_stays_near_float64() -> None:
    network, x, y = scaled_relu(3, 64, 5, 0.5), sphere(10, 5), signs(10)
    single = DenseEngine(network, x, trials=[0, 1], seed=2)
    double = DenseEngine(network, x, trials=[0, 1], seed=2, dtype=torch.float64)
    for _ in range(20):
        f32, f64 = (engine.step(logistic_slope(y), 0.005) for engine in (single, double))
    torch.testing.assert_close(f32.double(), f64, rtol=1e-4, atol=1e-4)


def test_peak_bytes_covers_what_the_engine_holds_and_not_much_more() -> None:
    network = scaled_relu(3, 512, 32, 0.5)
    engine = DenseEngine(network, sphere(64, 32), trials=range(12), seed=0)
    tensors = [*engine.weights, *engine._activations, engine._error, engine._x]
    held = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    predicted = peak_bytes(network, 64, 12)
    assert held <= predicted <= 1.5 * held


def test_what_does_not_fit_is_refused_before_it_is_allocated() -> None:
    with pytest.raises(InputError, match=r"GiB.*fewer trials"):
        DenseEngine(scaled_relu(3, 2_000_000, 4, 0.5), sphere(4, 4), trials=[0], seed=0)


def test_fitting_trials_fit() -> None:
    network = scaled_relu(3, 512, 32, 0.5)
    fitting = fitting_trials(network, 64, torch.float32, share=0.25)
    available = available_bytes("cpu")
    assert fitting > 0
    # The available memory moves a little between the calls.
    assert peak_bytes(network, 64, fitting) < 0.3 * available
    assert peak_bytes(network, 64, fitting + 1) > 0.2 * available
    assert fitting_trials(scaled_relu(3, 2_000_000, 4, 0.5), 4, torch.float32) == 0


@pytest.mark.parametrize(
    ("x", "arguments", "said"),
    [
        (np.ones((3, 4)), {}, r"\(3, 4\)"),
        (np.ones(5), {}, r"\(5,\)"),
        (np.ones((0, 5)), {}, "no rows"),
        (np.ones((3, 5)), {"dtype": torch.float16}, "float16"),
        (np.ones((3, 5)), {"trials": []}, "no trials"),
        (np.ones((3, 5)), {"device": "tpu9"}, "tpu9"),
    ],
)
def test_refuses_what_it_cannot_train(x: np.ndarray, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        DenseEngine(scaled_relu(2, 4, 5, 0.5), x, **{"trials": [0], "seed": 0, **arguments})


def test_refuses_weights_of_other_shapes() -> None:
    engine = DenseEngine(scaled_relu(2, 4, 5, 0.5), np.ones((3, 5)), trials=[0], seed=0)
    with pytest.raises(InputError, match="do not fit"):
        engine.load_weights([torch.zeros(1, 4, 5), torch.zeros(1, 1, 5)])


def test_devices() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(InputError, match="cuda:99"):
        resolve_device("cuda:99")
    with pytest.raises(InputError, match="mps"):
        resolve_device("mps")
    assert 0 < available_bytes("cpu") < 2**50


def test_reduced_precision_is_switched_off_only_inside() -> None:
    before = torch.get_float32_matmul_precision()
    backend = torch.backends.mkldnn.matmul
    try:
        torch.set_float32_matmul_precision("medium")
        asked = backend.fp32_precision
        with full_precision(torch.device("cpu"), torch.float32):
            assert backend.fp32_precision == "ieee"
        assert backend.fp32_precision == asked != "ieee"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize("network", [scaled_relu(3, 64, 16, 0.5), he_relu(3, 64, 16)])
@pytest.mark.parametrize("trials", [[0], [0, 1, 2]])
def test_cuda_agrees_with_the_cpu(network: Network, trials: list[int]) -> None:
    x, y = sphere(32, 16), signs(32)
    engines = [
        DenseEngine(network, x, trials=trials, seed=3, dtype=torch.float64, device=device) for device in ("cpu", "cuda")
    ]
    for a, b in zip(engines[0].weights, engines[1].weights, strict=True):
        assert torch.equal(a, b.cpu())
    for _ in range(10):
        a, b = (engine.step(logistic_slope(y), 0.01) for engine in engines)
        torch.testing.assert_close(a, b.cpu(), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(engines[0].distances(), engines[1].distances(), rtol=1e-9, atol=0)


@pytest.mark.gpu
@gpu
def test_cuda_repeats_itself_bit_by_bit() -> None:
    def run() -> list[torch.Tensor]:
        engine = DenseEngine(scaled_relu(3, 128, 16, 0.5), sphere(32, 16), trials=range(4), seed=3, device="cuda")
        for _ in range(20):
            engine.step(logistic_slope(signs(32)), 0.005)
        return [w.cpu() for w in engine.weights]

    assert all(torch.equal(a, b) for a, b in zip(run(), run(), strict=True))
