"""The papers' networks and their initialisation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from boundcalc.errors import InputError
from boundcalc.train.networks import (
    Layer,
    Network,
    he_relu,
    initial_blocks,
    initial_weights,
    scaled_relu,
    two_layer,
)


def test_the_network_of_chen2019() -> None:
    network = scaled_relu(4, 10, 7, 0.25)
    assert [(layer.rows, layer.cols) for layer in network.layers] == [(10, 7), (10, 10), (10, 10), (1, 10)]
    assert all(layer.trained for layer in network.layers)
    assert [layer.std for layer in network.layers] == [0.2**0.5] * 3 + [0.1**0.5]
    assert network.output_scale == pytest.approx(10**0.25)
    assert (network.d, network.width, network.hidden_layers) == (7, 10, 3)
    assert network.weight_bytes(4) == 4 * (70 + 200 + 10)


def test_the_network_of_cao2020() -> None:
    network = he_relu(3, 10, 7)
    assert [(layer.rows, layer.cols) for layer in network.layers] == [(10, 7), (10, 10), (10, 10), (1, 10)]
    assert [layer.trained for layer in network.layers] == [True, True, True, False]
    assert [layer.std for layer in network.layers] == [0.2**0.5] * 3 + [None]
    assert network.output_scale == 1.0
    assert (network.hidden_layers, network.trained_layers) == (3, (0, 1, 2))


def test_the_fixed_output_of_cao2020_is_half_plus_half_minus() -> None:
    v = initial_weights(he_relu(1, 6, 2), seed=0, trials=[3, 4])[-1]
    assert v.tolist() == [[[1, 1, 1, -1, -1, -1]]] * 2


def test_the_network_of_ji2020_and_du2019() -> None:
    network = two_layer(9, 7)
    assert [(layer.rows, layer.cols) for layer in network.layers] == [(9, 7), (1, 9)]
    assert [layer.std for layer in network.layers] == [1.0, None]
    assert network.output_scale == pytest.approx(1 / 3)
    assert (network.hidden_layers, network.trained_layers) == (1, (0,))


def test_random_signs_are_fair_and_independent() -> None:
    """Counts within six standard deviations of a fair coin's, in every init and in every pair of them."""
    count = 4000
    network = two_layer(count, 2)
    signs = initial_weights(network, seed=1, trials=range(6))[-1][:, 0].double().numpy()
    assert set(np.unique(signs)) == {-1.0, 1.0}
    limit = 6 * math.sqrt(count)
    assert np.abs(signs.sum(axis=1)).max() < limit
    products = signs @ signs.T
    assert np.abs(products - np.diag(np.diag(products))).max() < limit
    # Nor do neighbours agree more often than not.
    assert np.abs((signs[:, 1:] * signs[:, :-1]).sum(axis=1)).max() < limit
    again = initial_weights(network, seed=1, trials=[5])[-1][0, 0].double().numpy()
    assert np.array_equal(again, signs[5])
    other = initial_weights(network, seed=2, trials=[5])[-1][0, 0].double().numpy()
    assert abs(other @ again) < limit


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((1, 8, 4, 0.5), "L = 1"),
        ((3, 0, 4, 0.5), "m = 0"),
        ((3, 8, 0, 0.5), "d = 0"),
        ((3, 8, 4, 0.0), "alpha = 0.0"),
        ((3, 8, 4, 0.6), "alpha = 0.6"),
        ((3, 8.5, 4, 0.5), "m = 8.5"),
        ((True, 8, 4, 0.5), "L = True"),
    ],
)
def test_refuses_what_chen2019_excludes(arguments: tuple[int, int, int, float], said: str) -> None:
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        scaled_relu(*arguments)


def test_refuses_an_odd_width_and_says_the_mend() -> None:
    with pytest.raises(InputError, match=r"m = 7 is odd.*use 8"):
        he_relu(2, 7, 3)
    with pytest.raises(InputError, match="use an even width"):
        Network("odd", (Layer(7, 3, 1.0, True), Layer(1, 7, None, False)), 1.0)


def test_refuses_a_two_layer_network_without_units_or_inputs() -> None:
    with pytest.raises(InputError, match="m = 0"):
        two_layer(0, 3)
    with pytest.raises(InputError, match="d = 0"):
        two_layer(3, 0)


def test_refuses_layers_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="5 columns follow 4 rows"):
        Network("odd", (Layer(4, 3, 1.0, True), Layer(1, 5, 1.0, True)), 1.0)
    with pytest.raises(InputError, match="2 rows"):
        Network("odd", (Layer(4, 3, 1.0, True), Layer(2, 4, 1.0, True)), 1.0)
    with pytest.raises(InputError, match="no layer is trained"):
        Network("odd", (Layer(4, 3, 1.0, False), Layer(1, 4, 1.0, False)), 1.0)


@pytest.mark.parametrize("network", [scaled_relu(3, 400, 60, 0.5), he_relu(2, 400, 60), two_layer(400, 60)])
def test_entries_have_the_papers_law(network: Network) -> None:
    """Sum of squares within the 1e-6 … 1 − 1e-6 quantiles of chi-square, mean within those of the normal.

    With the fixed seed this is one deterministic draw; the quantiles say how likely a right law would fail
    (about 4e-6 per layer), and at 160000 entries a variance wrong by 2 % does fail.
    """
    weights = initial_weights(network, seed=7, trials=[0], dtype=torch.float64)
    for layer, weight in zip(network.layers, weights, strict=True):
        if layer.std is None:
            continue
        variance = 1.0 if network.name == "two-layer" else (1.0 if layer.rows == 1 else 2.0) / 400
        entries = weight.numpy().ravel() / math.sqrt(variance)
        low, high = stats.chi2.ppf([1e-6, 1 - 1e-6], entries.size)
        assert low < float(entries @ entries) < high
        assert abs(entries.sum()) < stats.norm.ppf(1 - 1e-6) * math.sqrt(entries.size)
        assert stats.kstest(entries, "norm").pvalue > 1e-6


def test_rows_and_columns_of_different_blocks_are_uncorrelated() -> None:
    network = scaled_relu(3, 1024, 4, 0.5)  # W_2 is drawn in 32 blocks
    blocks = [block for _, block in initial_blocks(network, seed=1, trial=0, layer=1)]
    assert len(blocks) == 32
    flat = np.stack([block.ravel() for block in blocks]).astype(np.float64)
    correlation = np.corrcoef(flat) - np.eye(32)
    # Each is ≈ N(0, 1/entries): six standard deviations.
    assert np.abs(correlation).max() < 6 / math.sqrt(flat.shape[1])


def test_an_init_does_not_depend_on_its_companions() -> None:
    network = scaled_relu(3, 16, 5, 0.5)
    together = initial_weights(network, seed=3, trials=[0, 5, 2])
    alone = initial_weights(network, seed=3, trials=[5])
    for both, one in zip(together, alone, strict=True):
        assert torch.equal(both[1], one[0])


def test_inits_repeat_and_differ_by_seed_trial_and_layer() -> None:
    network = scaled_relu(4, 16, 16, 0.5)
    first = initial_weights(network, seed=3, trials=[0, 1])
    again = initial_weights(network, seed=3, trials=[0, 1])
    other = initial_weights(network, seed=4, trials=[0, 1])
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
        assert not torch.equal(a[0], a[1])
    assert not torch.equal(first[0], first[1])


def test_float64_starts_where_float32_does() -> None:
    network = he_relu(2, 16, 5)
    single = initial_weights(network, seed=3, trials=[0], dtype=torch.float32)
    double = initial_weights(network, seed=3, trials=[0], dtype=torch.float64)
    for a, b in zip(single, double, strict=True):
        assert torch.equal(a.double(), b)


@pytest.mark.parametrize("m", [1000, 64])
def test_blocks_tile_the_initial_weights_exactly(m: int) -> None:
    network = he_relu(2, m, 300)
    weights = initial_weights(network, seed=2, trials=[4])
    for index, layer in enumerate(network.layers):
        bottom = 0
        for rows, block in initial_blocks(network, seed=2, trial=4, layer=index):
            assert rows.start == bottom
            assert block.size <= max(2**18, layer.cols)
            assert np.array_equal(weights[index][0, rows].numpy(), block)
            bottom = rows.stop
        assert bottom == layer.rows


@pytest.mark.parametrize(
    ("seed", "trials", "said"),
    [
        (-1, [0], "seed = -1"),
        (0, [], "no trials"),
        (0, [0, 0], "repeat"),
        (0, [-1], "-1"),
        (0.5, [0], "seed"),
    ],
)
def test_refuses_other_seeds_and_trials(seed: int, trials: list[int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        initial_weights(scaled_relu(2, 4, 3, 0.5), seed=seed, trials=trials)
