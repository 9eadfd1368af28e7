"""Norm-based quantities against definitions written out in numpy, and against cases known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from boundcalc.errors import InputError
from boundcalc.estimate.norms import (
    bartlett2017,
    neyshabur2018,
    norm_21,
    spectral_21_sum,
    spectral_frobenius_sum,
    spectral_norms,
    spectral_product,
)
from boundcalc.train.networks import he_relu, initial_weights

S, L, M, D, N = 3, 3, 12, 5, 40
RNG = np.random.default_rng(0)
W0 = [w.numpy() for w in initial_weights(he_relu(L, M, D), seed=0, trials=range(S), dtype=torch.float64)[:L]]
W = [w + 0.1 * RNG.standard_normal(w.shape) for w in W0]


def tensors(arrays: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.tensor(a) for a in arrays]


def paper(s: int) -> tuple[float, float, float]:
    """Π‖W_l‖₂ and the two sums in cao2020's own convention (W_l of shape m_{l−1} × m_l), entry by entry."""
    product, mixed, frobenius = 1.0, 0.0, 0.0
    for stored, start in zip(W, W0, strict=True):
        w, w0 = stored[s].T, start[s].T  # the paper's W_l
        spectral = math.sqrt(max(np.linalg.eigvalsh(w @ w.T)))
        a = w.T - w0.T
        columns = [math.sqrt(sum(a[i, j] ** 2 for i in range(a.shape[0]))) for j in range(a.shape[1])]
        product *= spectral
        mixed += sum(columns) ** (2 / 3) / spectral ** (2 / 3)
        frobenius += (math.sqrt(M) * math.sqrt((a**2).sum())) ** 2 / spectral**2
    return product, mixed**1.5, math.sqrt(frobenius)


def test_against_the_definitions() -> None:
    expected = np.array([paper(s) for s in range(S)])
    w, w0 = tensors(W), tensors(W0)
    np.testing.assert_allclose(spectral_product(w), expected[:, 0], rtol=1e-12)
    np.testing.assert_allclose(spectral_21_sum(w, w0), expected[:, 1], rtol=1e-12)
    np.testing.assert_allclose(spectral_frobenius_sum(w, w0, M), expected[:, 2], rtol=1e-12)
    v = math.sqrt(M)
    np.testing.assert_allclose(
        bartlett2017(w, w0, v, N), v / math.sqrt(N) * expected[:, 0] * expected[:, 1], rtol=1e-12
    )
    np.testing.assert_allclose(
        neyshabur2018(w, w0, v, N, M), L * v / math.sqrt(N) * expected[:, 0] * expected[:, 2], rtol=1e-12
    )


def test_the_21_norm_sums_over_columns() -> None:
    a = torch.tensor([[3.0, 0.0, 1.0], [4.0, 0.0, 1.0]], dtype=torch.float64)
    assert float(norm_21(a)) == pytest.approx(5 + math.sqrt(2))
    assert float(norm_21(a.T)) == pytest.approx(math.sqrt(10) + math.sqrt(17))


def test_spectral_norms_are_not_below_the_truth_where_power_iteration_is_slow() -> None:
    q, _ = np.linalg.qr(RNG.standard_normal((30, 30)))
    values = np.linspace(0.999, 1.0, 30)  # nearly equal singular values
    norms = spectral_norms([torch.tensor(q * values)])
    assert norms.shape == (1, 1)
    assert float(norms) == pytest.approx(1.0, rel=1e-13)


def test_float32_weights_are_measured_in_float64() -> None:
    w, w0 = ([t.float() for t in tensors(a)] for a in (W, W0))
    exact = spectral_frobenius_sum([t.double() for t in w], [t.double() for t in w0], M)
    measured = spectral_frobenius_sum(w, w0, M)
    assert measured.dtype == torch.float64
    torch.testing.assert_close(measured, exact, rtol=1e-14, atol=0)


def test_unmoved_weights_give_zero() -> None:
    w = tensors(W0)
    assert not spectral_21_sum(w, w).any()
    assert not spectral_frobenius_sum(w, w, M).any()


def test_refusals() -> None:
    w, w0 = tensors(W), tensors(W0)
    with pytest.raises(InputError, match="the same layers"):
        spectral_21_sum(w, w0[:-1])
    with pytest.raises(InputError, match="a layer is zero"):
        spectral_21_sum([torch.zeros_like(t) for t in w], w0)
    with pytest.raises(InputError, match="width m = 0"):
        spectral_frobenius_sum(w, w0, 0)
    with pytest.raises(InputError, match="no layers"):
        spectral_product([])
    with pytest.raises(InputError, match=r"\(4,\)"):
        spectral_norms([torch.zeros(4)])
