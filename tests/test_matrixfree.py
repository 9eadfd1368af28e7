"""Matrix-free training, against dense training from a W^(0) that agrees with all products taken, and in law."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.utils.flop_counter import FlopCounterMode

from boundcalc.errors import InputError
from boundcalc.train import bases, conditioning
from boundcalc.train.bases import Basis
from boundcalc.train.dense import DenseEngine
from boundcalc.train.descent import SQUARE, gradient_descent, logistic_slope
from boundcalc.train.matrixfree import MatrixFreeEngine, operations, peak_bytes
from boundcalc.train.networks import Layer, Network, he_relu, initial_layer, scaled_relu, two_layer
from boundcalc.train.sgd import Judges, online_descent, sample_orders

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

CPU = torch.device("cpu")


def sphere(n: int, d: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def signs(n: int) -> np.ndarray:
    return np.resize([1.0, -1.0, 1.0], n)


def explicit_start(engine: MatrixFreeEngine, seed: int = 5) -> list[torch.Tensor]:
    """W^(0), each matrix in full, that agrees with every product taken: what is not known of it is drawn now."""
    random = np.random.default_rng(seed)
    weights = []
    for index, layer in enumerate(engine.network.layers):
        if index not in engine.matrices:
            weight = initial_layer(engine.network, index, seed=engine.seed, trials=engine.trials, dtype=torch.float64)
            weights.append(weight)
            continue
        (q, images), (p, transposed_images) = engine.matrices[index].right, engine.matrices[index].left
        unseen = torch.from_numpy(random.standard_normal((len(q), layer.rows, layer.cols))) * layer.std
        beside_right = torch.eye(layer.cols, dtype=torch.float64) - q.mT @ q
        beside_left = torch.eye(layer.rows, dtype=torch.float64) - p.mT @ p
        known = images.mT @ q + p.mT @ transposed_images @ beside_right
        weights.append(known + beside_left @ unseen @ beside_right)
    return weights


def dense_from(weights: list[torch.Tensor], engine: MatrixFreeEngine, x: np.ndarray) -> DenseEngine:
    dense = DenseEngine(engine.network, x, trials=engine.trials, seed=engine.seed, dtype=torch.float64)
    dense.load_weights(weights)
    return dense


def plain_outputs(weights: tuple[torch.Tensor, ...], scale: float, x: torch.Tensor) -> torch.Tensor:
    """f (n,) of one trial."""
    h = x.T
    for weight in weights[:-1]:
        h = torch.relu(weight @ h)
    return scale * (weights[-1] @ h)[0]


UNEQUAL = Network(
    "unequal",
    (Layer(30, 5, 0.3, False), Layer(20, 30, 0.3, True), Layer(25, 20, 0.3, False), Layer(1, 25, 0.2, True)),
    1.5,
)
NETWORKS = {
    "chen2019, L = 3": (scaled_relu(3, 60, 5, 0.5), 0.01),
    "chen2019, L = 5": (scaled_relu(5, 40, 5, 0.3), 0.03),
    "cao2020, L = 3": (he_relu(3, 60, 5), 0.005),
    "space exhausted": (scaled_relu(4, 14, 5, 0.5), 0.04),
    "space exhausted, cao2020": (he_relu(2, 10, 5), 0.03),
    "frozen and unequal layers": (UNEQUAL, 0.2),
}


@pytest.mark.parametrize(("network", "step_size"), NETWORKS.values(), ids=NETWORKS)
def test_training_is_that_of_one_explicit_start(network: Network, step_size: float) -> None:
    x, y, other, steps = sphere(4, 5), signs(4), sphere(3, 5, seed=9), 9
    engine = MatrixFreeEngine(network, x, trials=[4, 0], seed=11, steps=steps)
    history = gradient_descent(
        engine, y, step_size=step_size, iterations=steps, record_surrogate=True, distance_steps=(3,)
    )
    outputs, gradients = engine.outputs(other), engine.gradient_norms(logistic_slope(y))
    linearised, linearised_other = engine.linearised_outputs(), engine.linearised_outputs(other)

    start = explicit_start(engine)
    dense = dense_from(start, engine, x)
    expected = gradient_descent(dense, y, step_size=step_size, iterations=steps, record_surrogate=True)
    assert expected.loss[:, 0].max() - expected.loss[:, -1].min() > 0.01, "training that stands still hides errors"
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-9)
    assert history.surrogate is not None
    np.testing.assert_allclose(history.surrogate, expected.surrogate, rtol=1e-9)
    torch.testing.assert_close(outputs, dense.outputs(other), rtol=1e-9, atol=1e-11)
    buffers = [torch.zeros_like(weight) for weight in dense.weights]
    dense.accumulate(buffers, logistic_slope(y), decay=0.0, factor=1.0)
    for column, layer in enumerate(network.trained_layers):
        moved = dense.weights[layer] - start[layer]
        norms, spectral = torch.linalg.matrix_norm(moved), torch.linalg.matrix_norm(moved, 2)
        torch.testing.assert_close(engine.distances()[:, column], norms, rtol=1e-9, atol=0)
        torch.testing.assert_close(engine.spectral_distances()[:, column], spectral, rtol=1e-9, atol=0)
        slopes = torch.linalg.matrix_norm(buffers[layer])
        torch.testing.assert_close(gradients[:, column], slopes, rtol=1e-9, atol=0)
    for s in range(2):
        before = tuple(weight[s] for weight in start)
        moves = tuple(weight[s] - first for weight, first in zip(dense.weights, before, strict=True))
        for rows, found in ((x, linearised), (other, linearised_other)):

            def f(*weights: torch.Tensor, rows: np.ndarray = rows) -> torch.Tensor:
                return plain_outputs(weights, network.output_scale, torch.tensor(rows))

            value, slope = torch.autograd.functional.jvp(f, before, moves)
            torch.testing.assert_close(found[s], value + slope, rtol=1e-9, atol=1e-11)

    assert engine.loss_of_orthogonality < 1e-13
    for matrix in engine.matrices.values():
        (q, images), (p, transposed_images) = matrix.right, matrix.left
        torch.testing.assert_close(p @ images.mT, transposed_images @ q.mT, rtol=0, atol=1e-12)
        for basis in (q, p):
            gram = basis @ basis.mT
            present = basis.norm(dim=2) > 0.5
            torch.testing.assert_close(gram, torch.diag_embed(present.double()), rtol=0, atol=1e-12)
            assert present.sum(dim=1).max() <= basis.shape[2]


@pytest.mark.parametrize("network", [two_layer(50, 5), scaled_relu(2, 50, 5, 0.5), he_relu(1, 50, 5)])
def test_without_hidden_matrices_it_is_dense_training(network: Network) -> None:
    x, y = sphere(6, 5), signs(6)
    engine = MatrixFreeEngine(network, x, trials=[3, 1], seed=2, steps=5)
    dense = DenseEngine(network, x, trials=[3, 1], seed=2, dtype=torch.float64)
    a, b = (gradient_descent(e, y, step_size=0.1, iterations=5, loss=SQUARE) for e in (engine, dense))
    np.testing.assert_allclose(a.loss, b.loss, rtol=1e-11)
    np.testing.assert_allclose(a.distances, b.distances, rtol=1e-11)


@pytest.mark.parametrize("network", [scaled_relu(4, 30, 5, 0.5), he_relu(3, 30, 5)])
def test_online_steps_are_those_of_one_explicit_start(network: Network) -> None:
    x, y, step_size = sphere(12, 5), signs(12), 0.05
    orders = sample_orders(12, trials=[4, 0], seed=1)
    judges = Judges(x, y, np.random.default_rng(8).integers(0, 12, (5, 2)))
    engine = MatrixFreeEngine(network, x[:1], trials=[4, 0], seed=11, steps=12, held_out=10)
    seen: list[int] = []
    history = online_descent(engine, x, y, orders, step_size=step_size, judges=judges, on_step=seen.append)
    assert seen == list(range(1, 13))
    assert history.judged.shape == (2, 5, 2)
    start = explicit_start(engine)
    for s in range(2):
        weights = [
            weight[s].clone().requires_grad_(layer.trained) for weight, layer in zip(start, network.layers, strict=True)
        ]
        trained = [weight for weight in weights if weight.requires_grad]
        for t in range(13):
            moved = [torch.linalg.norm(weights[layer] - start[layer][s]).item() for layer in network.trained_layers]
            np.testing.assert_allclose(history.distances[s, t], moved, rtol=1e-9, atol=1e-12)
            if t == 12:
                break
            row = orders[s, t]
            everywhere = plain_outputs(tuple(weights), network.output_scale, torch.tensor(x)).detach().numpy() * y
            assert history.margins[s, t] == pytest.approx(everywhere[row], rel=1e-9, abs=1e-12)
            if t < 5:
                np.testing.assert_allclose(history.judged[s, t], everywhere[judges.rows[t]], rtol=1e-9, atol=1e-12)
            f = plain_outputs(tuple(weights), network.output_scale, torch.tensor(x[row : row + 1]))[0]
            gradients = torch.autograd.grad(torch.nn.functional.softplus(-y[row] * f), trained)
            with torch.no_grad():
                for weight, gradient in zip(trained, gradients, strict=True):
                    weight -= step_size * gradient


def test_no_online_steps_measure_the_start() -> None:
    engine = MatrixFreeEngine(scaled_relu(3, 8, 5, 0.5), sphere(1, 5), trials=[0, 1], seed=0, steps=0)
    history = online_descent(engine, sphere(2, 5), signs(2), np.zeros((2, 0), dtype=np.int64), step_size=0.1)
    assert history.margins.shape == (2, 0)
    assert history.judged.shape == (2, 0, 1)
    np.testing.assert_array_equal(history.distances, np.zeros((2, 1, 3)))


def forgets_what_was_seen(
    directions: torch.Tensor, images: torch.Tensor, noise: torch.Tensor, basis: torch.Tensor
) -> torch.Tensor:
    """As if images were independent of all products from the other side: no Q_C Zᵀ q."""
    return -bases.products(noise, basis)


def forgets_to_project(
    directions: torch.Tensor, images: torch.Tensor, noise: torch.Tensor, basis: torch.Tensor
) -> torch.Tensor:
    """g for (I − Q_C Q_Cᵀ) g."""
    return bases.products(directions, images)


def starts(trials: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hidden matrices W^(0) in units of their standard deviation, (S, 36), after training; (S, 30) beside them."""
    network = scaled_relu(3, 6, 4, 0.5)
    engine = MatrixFreeEngine(network, sphere(2, 4), trials=range(trials), seed=seed, steps=2)
    for _ in range(2):
        engine.step(logistic_slope(signs(2)), 0.05)
        engine.outputs(sphere(1, 4, seed=3))
    first, hidden, last = explicit_start(engine, seed)
    beside = [first.flatten(1) / math.sqrt(2 / 6), last.flatten(1) / math.sqrt(1 / 6)]
    return (hidden.flatten(1) / math.sqrt(2 / 6)).numpy(), torch.cat(beside, dim=1).numpy()


def law_of_starts(trials: int, seed: int) -> dict[str, float]:
    """How well W^(0) behind the products is a standard normal one, independent of the others: p-values, and moments."""
    hidden, beside = starts(trials, seed)
    fresh = np.random.default_rng(seed + 1).standard_normal((trials, 6, 6))
    tops = np.linalg.svd(hidden.reshape(-1, 6, 6), compute_uv=False)[:, [0, -1]]
    expected = np.linalg.svd(fresh, compute_uv=False)[:, [0, -1]]
    everything = np.hstack([hidden, beside])
    return {
        "entries": stats.kstest(hidden.ravel(), "norm").pvalue,
        "norm": stats.kstest((hidden**2).sum(axis=1), "chi2", args=(36,)).pvalue,
        "largest singular value": stats.ks_2samp(tops[:, 0], expected[:, 0]).pvalue,
        "smallest singular value": stats.ks_2samp(tops[:, 1], expected[:, 1]).pvalue,
        "covariance": np.abs(everything.T @ everything / trials - np.eye(66)).max() * math.sqrt(trials),
    }


def test_the_start_behind_the_products_is_gaussian() -> None:
    law = law_of_starts(trials=3000, seed=0)
    # Entries of an empirical covariance are N(0, 1/S) or, on the diagonal, N(0, 2/S): 2,211 of them.
    assert law.pop("covariance") < 6.0, law
    assert min(law.values()) > 1e-3, law


@pytest.mark.parametrize("broken", [forgets_what_was_seen, forgets_to_project])
def test_a_broken_conditioning_step_shows_in_the_law(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditioning, "_corrections", broken)
    law = law_of_starts(trials=3000, seed=0)
    assert min(law["norm"], law["largest singular value"]) < 1e-9, law


def statistics(network: Network, matrix_free: bool, inits: int, steps: int, seed: int) -> dict[str, np.ndarray]:
    """What training from `inits` inits gives: losses, distances, outputs on held-out points, (S,) each."""
    x, y, other = sphere(8, 10), signs(8), sphere(2, 10, seed=4)
    losses, distances, outputs = [], [], []
    for first in range(0, inits, 100):
        trials = range(first, min(first + 100, inits))
        engine: MatrixFreeEngine | DenseEngine
        if matrix_free:
            engine = MatrixFreeEngine(network, x, trials=trials, seed=seed, steps=steps, held_out=2)
        else:
            engine = DenseEngine(network, x, trials=trials, seed=seed, dtype=torch.float64)
        history = gradient_descent(engine, y, step_size=1.0 / network.width, iterations=steps)
        losses.append(history.loss[:, [0, -1]])
        distances.append(history.distances[:, -1])
        outputs.append(engine.outputs(other).numpy())
    columns = np.hstack([np.concatenate(part) for part in (losses, distances, outputs)])
    names = ["initial loss", "final loss", *(f"distance {layer + 1}" for layer in network.trained_layers)]
    return dict(zip([*names, "held-out output 1", "held-out output 2"], columns.T, strict=True))


def p_values(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(stats.ks_2samp(a[name], b[name]).pvalue) for name in a}


@pytest.mark.slow
def test_training_has_the_law_of_dense_training(monkeypatch: pytest.MonkeyPatch) -> None:
    # 400 inits here; benchmarks/matrixfree.py has 1,000 at m = 256 and 1024.
    network, steps = scaled_relu(3, 256, 10, 0.5), 10
    dense = statistics(network, False, 400, steps, seed=1)
    found = p_values(dense, statistics(network, True, 400, steps, seed=2))
    assert min(found.values()) > 1e-3, found
    monkeypatch.setattr(conditioning, "_corrections", forgets_what_was_seen)
    broken = p_values(dense, statistics(network, True, 200, steps, seed=2))
    assert broken["final loss"] < 1e-9, broken
    assert broken["initial loss"] > 1e-3, "the first products know of nothing to forget"


def trained(steps: int, trials: list[int], room: int | None = None, ask: bool = False) -> tuple[torch.Tensor, Any]:
    x, y = sphere(5, 4), signs(5)
    engine = MatrixFreeEngine(
        scaled_relu(4, 100, 4, 0.5), x, trials=trials, seed=3, steps=steps if room is None else room
    )
    for _ in range(steps):
        if ask:
            engine.outputs()
            engine.outputs(x[1:3])
            engine.gradient_norms(logistic_slope(y))
            engine.spectral_distances()
            engine.linearised_outputs()
        engine.step(logistic_slope(y), 0.01)
    return engine.outputs(), engine


def test_a_trial_does_not_depend_on_its_companions() -> None:
    together, _ = trained(6, [7, 0, 2])
    alone, _ = trained(6, [2])
    torch.testing.assert_close(together[2:], alone, rtol=1e-9, atol=1e-11)
    assert (together[0] - together[2]).abs().max() > 0.01


def test_the_same_seed_gives_the_same_bits() -> None:
    assert torch.equal(trained(4, [1, 2])[0], trained(4, [1, 2])[0])


def test_asking_about_the_training_inputs_changes_nothing() -> None:
    quiet, quiet_engine = trained(4, [1, 2])
    asked, engine = trained(4, [1, 2], ask=True)
    torch.testing.assert_close(quiet, asked, rtol=1e-9, atol=1e-11)
    for index, matrix in engine.matrices.items():
        assert matrix.right[0].shape == quiet_engine.matrices[index].right[0].shape


def test_bases_grow_beyond_their_room() -> None:
    torch.testing.assert_close(trained(5, [1, 2])[0], trained(5, [1, 2], room=0)[0], rtol=1e-12, atol=1e-13)


def test_a_diverged_trial_leaves_the_others_alone() -> None:
    x, y = sphere(3, 4), signs(3)
    network = scaled_relu(3, 20, 4, 0.5)
    alone = MatrixFreeEngine(network, x, trials=[0], seed=1, steps=4)
    both = MatrixFreeEngine(network, x, trials=[0, 1], seed=1, steps=4)
    both._first[1] = math.inf
    a, b = (gradient_descent(engine, y, step_size=0.01, iterations=4) for engine in (alone, both))
    np.testing.assert_allclose(a.loss[0], b.loss[0], rtol=1e-9)
    assert b.diverged.tolist() == [False, True]
    torch.testing.assert_close(alone.spectral_distances()[0], both.spectral_distances()[0], rtol=1e-9, atol=0)
    assert both.spectral_distances()[1].isnan().all()
    assert both.loss_of_orthogonality < 1e-13


def test_leaving_out_near_dependent_directions_stays_within_the_bound() -> None:
    x, y, other, steps = sphere(6, 5), signs(6), sphere(4, 5, seed=9), 12
    network = scaled_relu(4, 200, 5, 0.5)

    def run(tolerance: float) -> MatrixFreeEngine:
        engine = MatrixFreeEngine(network, x, trials=[0, 1], seed=1, steps=steps, tolerance=tolerance)
        for _ in range(steps):
            engine.step(logistic_slope(y), 0.002)
        return engine

    full, coarse = run(1e-12), run(1e-3)
    assert full.dropped < 1e-12
    assert full.output_error < 1e-9
    assert 1e-5 < coarse.dropped <= 1e-3
    for index, matrix in full.matrices.items():
        right, left = coarse.matrices[index].right[0].shape[1], coarse.matrices[index].left[0].shape[1]
        assert right + left < 0.8 * (matrix.right[0].shape[1] + matrix.left[0].shape[1])
    # At the very same weights, what leaving out has changed outputs by is within the bound, and not far below.
    f = coarse.outputs(other)
    weights = explicit_start(coarse)
    for layer, matrix in coarse.matrices.items():
        weights[layer] = weights[layer] + matrix.left[0].mT @ matrix.moved @ matrix.right[0]
    weights[0], weights[-1] = coarse._first, coarse._last
    dense = dense_from(weights, coarse, x)
    torch.testing.assert_close(f, dense.outputs(other), rtol=0, atol=coarse.output_error)
    difference = (coarse.outputs() - dense.outputs()).abs().max()
    assert 1e-4 * coarse.output_error < difference <= coarse.output_error


def block_of(kind: str, generator: np.random.Generator) -> np.ndarray:
    block = generator.standard_normal((2, 6, 40))
    if kind == "repeated":
        block[:, 3:] = block[:, :3]
    elif kind == "nearly repeated":
        block[:, 3:] = block[:, :3] + 1e-9 * block[:, 3:]
    elif kind == "of all sizes":
        block *= np.logspace(-9, 6, 6)[None, :, None]
    elif kind == "zero":
        block[:, [0, 4]] = 0
    elif kind == "of different rank":
        block[1, 2:] = block[1, :1]
    return block


@pytest.mark.parametrize(
    "kind", ["independent", "repeated", "nearly repeated", "of all sizes", "zero", "of different rank"]
)
def test_a_basis_contains_what_it_was_shown(kind: str) -> None:
    generator = np.random.default_rng(0)
    basis = Basis(2, 40, 3, tolerance=1e-12, device=CPU)
    shown = []
    for time in range(4):
        fresh = block_of(kind, generator)
        # Later blocks are near what is known already, as those of training are.
        block = torch.from_numpy(fresh if time == 0 else shown[-1].numpy() + 1e-8 * fresh)
        expansion = basis.expand(block)
        assert expansion.coefficients.shape[2] == basis.size
        sizes = torch.linalg.vector_norm(block, dim=2)
        missed = torch.linalg.vector_norm(block - expansion.coefficients @ basis.rows, dim=2)
        assert (missed <= 2e-12 * sizes).all()
        torch.testing.assert_close(missed, expansion.remainder, rtol=0, atol=1e-14 * float(sizes.max()))
        shown.append(block)
    present = (basis.rows.norm(dim=2) > 0).double()
    torch.testing.assert_close(basis.rows @ basis.rows.mT, torch.diag_embed(present), rtol=0, atol=1e-13)
    assert basis.loss_of_orthogonality < 1e-13
    directions = torch.nn.functional.normalize(torch.cat(shown, dim=1), dim=2)
    assert (present.sum(dim=1) <= torch.linalg.matrix_rank(directions, atol=1e-14)).all()
    assert not len(basis.expand(shown[0]).origins[0]), "known vectors need no new directions"


def test_a_full_basis_takes_in_no_more() -> None:
    generator = torch.Generator().manual_seed(0)
    basis = Basis(1, 10, 4, tolerance=1e-12, device=CPU)
    for _ in range(8):
        block = torch.randn(1, 4, 10, dtype=torch.float64, generator=generator)
        expansion = basis.expand(block)
        torch.testing.assert_close(expansion.coefficients @ basis.rows, block, rtol=0, atol=1e-13)
    assert basis.size == 10
    torch.testing.assert_close(basis.rows[0] @ basis.rows[0].T, torch.eye(10, dtype=torch.float64), rtol=0, atol=1e-13)


def test_products_over_slices_of_long_vectors() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(1, 3, bases.COLUMNS + 17, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(bases.products(a, a), a @ a.mT, rtol=1e-12, atol=1e-9)


def test_long_vectors_train_as_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = trained(3, [1])
    monkeypatch.setattr(bases, "COLUMNS", 7)
    torch.testing.assert_close(trained(3, [1])[0], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("network", [scaled_relu(3, 2000, 20, 0.5), he_relu(4, 2000, 20)])
def test_costs_are_those_that_are_met(network: Network) -> None:
    x, y, steps = sphere(8, 20), signs(8), 6
    engine = MatrixFreeEngine(network, x, trials=[0, 1], seed=0, steps=steps)

    def added(target: torch.Size, a: torch.Size, b: torch.Size, **rest: object) -> int:
        return 2 * a[0] * a[1] * a[2] * b[2]

    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.baddbmm_: added}) as counter:
        for _ in range(steps):
            engine.step(logistic_slope(y), 1e-3)
    # Not modelled: products of coefficients with each other, and frozen layers.
    assert operations(network, 8, 2, steps) == pytest.approx(counter.get_total_flops(), rel=0.05)
    engine.outputs()
    held = [engine._first, engine._last]
    for matrix in engine.matrices.values():
        held += [matrix._coefficients]
        held += [rows._held for side in (matrix._right, matrix._left) for rows in (side.basis._rows, side.images)]
    size = sum(8 * tensor.numel() for tensor in held)
    assert size < peak_bytes(network, 8, 2, steps) < 1.6 * size
    assert max(matrix.right[0].shape[1] for matrix in engine.matrices.values()) == 8 * (steps + 1)
    assert max(matrix.left[0].shape[1] for matrix in engine.matrices.values()) == 8 * steps


def test_memory_grows_with_the_width_and_not_with_its_square() -> None:
    narrow, wide = (peak_bytes(scaled_relu(3, m, 10, 0.5), 8, 1, 40) for m in (10**6, 10**7))
    assert narrow < 12e9 < 14e9
    assert wide / narrow == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize(
    ("x", "arguments", "said"),
    [
        (np.ones((3, 4)), {}, r"\(3, 4\)"),
        (np.ones((0, 5)), {}, "no rows"),
        (np.ones((3, 5)), {"dtype": torch.float32}, "float64"),
        (np.ones((3, 5)), {"trials": []}, "no trials"),
        (np.ones((3, 5)), {"device": "tpu9"}, "tpu9"),
        (np.ones((3, 5)), {"steps": -1}, "steps = -1"),
        (np.ones((3, 5)), {"held_out": 1.5}, r"held_out = 1\.5"),
        (np.ones((3, 5)), {"tolerance": 0.0}, r"tolerance 0\.0"),
        (np.ones((3, 5)), {"steps": 10**12}, r"GiB.*fewer steps"),
    ],
)
def test_refuses_what_it_cannot_train(x: np.ndarray, arguments: dict[str, Any], said: str) -> None:
    network = scaled_relu(3, 10**6, 5, 0.5)
    with pytest.raises(InputError, match=said):
        MatrixFreeEngine(network, x, **{"trials": [0], "seed": 0, "steps": 1, **arguments})


def test_no_room_for_more_directions_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = MatrixFreeEngine(scaled_relu(3, 50, 4, 0.5), sphere(5, 4), trials=[0], seed=3, steps=0)
    monkeypatch.setattr(bases, "available_bytes", lambda device: 100)
    with pytest.raises(InputError, match=r"GiB.*fewer steps"):
        engine.step(logistic_slope(signs(5)), 0.01)


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize("network", [scaled_relu(3, 300, 16, 0.5), he_relu(3, 300, 16)])
def test_cuda_agrees_with_the_cpu(network: Network) -> None:
    x, y = sphere(8, 16), signs(8)
    cpu, cuda = (
        MatrixFreeEngine(network, x, trials=[0, 1], seed=3, steps=6, device=device) for device in ("cpu", "cuda")
    )
    a, b = (gradient_descent(engine, y, step_size=0.002, iterations=6) for engine in (cpu, cuda))
    np.testing.assert_allclose(a.loss, b.loss, rtol=1e-9)
    np.testing.assert_allclose(a.distances, b.distances, rtol=1e-9)
    torch.testing.assert_close(cpu.spectral_distances(), cuda.spectral_distances(), rtol=1e-9, atol=0)
    torch.testing.assert_close(cpu.linearised_outputs(), cuda.linearised_outputs().cpu(), rtol=1e-8, atol=1e-10)
    assert cuda.loss_of_orthogonality < 1e-13
