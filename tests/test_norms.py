"""Norm-based quantities against definitions evaluated in mpmath, and against cases known by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from boundcalc.errors import InputError
from boundcalc.estimate.norms import (
    Bracket,
    bartlett2017,
    frobenius_norm_bounds,
    neyshabur2018,
    norm_21_bounds,
    spectral_21_sum,
    spectral_frobenius_sum,
    spectral_norm_bounds,
    spectral_product,
)
from boundcalc.train.networks import he_relu, initial_weights

S, L, M, D, N = 2, 3, 8, 5, 40
RNG = np.random.default_rng(0)
W0 = [w.numpy() for w in initial_weights(he_relu(L, M, D), seed=0, trials=range(S), dtype=torch.float64)[:L]]
W = [w + 0.1 * RNG.standard_normal(w.shape) for w in W0]


def tensors(arrays: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.tensor(a) for a in arrays]


def exact_spectral(a: np.ndarray) -> mpf:
    with mp.workdps(50):
        return max(mp.svd_r(mp.matrix(a.tolist()), compute_uv=False))


def exact_columns(a: np.ndarray) -> list[mpf]:
    return [mp.sqrt(sum(mpf(float(entry)) ** 2 for entry in column)) for column in a.T]


def difference(a: np.ndarray, b: np.ndarray) -> list[list[mpf]]:
    return [[mpf(float(x)) - mpf(float(y)) for x, y in zip(r, q, strict=True)] for r, q in zip(a, b, strict=True)]


def encloses(bracket: Bracket, exact: list[mpf] | mpf, width: float) -> None:
    """The exact numbers lie between the ends, which are relatively close."""
    assert bracket.lower.dtype == bracket.upper.dtype == torch.float64
    numbers = exact if isinstance(exact, list) else [exact]
    assert bracket.lower.numel() == len(numbers)
    for low, high, number in zip(bracket.lower.ravel(), bracket.upper.ravel(), numbers, strict=True):
        assert mpf(float(low)) <= number <= mpf(float(high))
        assert float(high) - float(low) <= width * float(high)


def paper(s: int) -> tuple[mpf, mpf, mpf]:
    """Π‖W_l‖₂ and the two sums in cao2020's own convention (W_l of shape m_{l−1} × m_l), entry by entry."""
    product, mixed, frobenius = mpf(1), mpf(0), mpf(0)
    for stored, start in zip(W, W0, strict=True):
        spectral = exact_spectral(stored[s].T)
        a = difference(stored[s], start[s])  # (W_lᵀ − W_l^(0)ᵀ of the paper
        columns = [mp.sqrt(sum(a[i][j] ** 2 for i in range(len(a)))) for j in range(len(a[0]))]
        product *= spectral
        mixed += (sum(columns) / spectral) ** (mpf(2) / 3)
        frobenius += M * sum(entry**2 for row in a for entry in row) / spectral**2
    return product, mixed ** (mpf(3) / 2), mp.sqrt(frobenius)


def test_the_quantities_enclose_their_definitions() -> None:
    expected = [paper(s) for s in range(S)]
    w, w0 = tensors(W), tensors(W0)
    encloses(spectral_product(w), [e[0] for e in expected], 1e-11)
    encloses(spectral_21_sum(w, w0), [e[1] for e in expected], 1e-11)
    encloses(spectral_frobenius_sum(w, w0, M), [e[2] for e in expected], 1e-11)
    v = 2.5  # a float64, so that the definition can be evaluated with the very same number
    encloses(bartlett2017(w, w0, v, N), [v / mp.sqrt(N) * e[0] * e[1] for e in expected], 1e-11)
    encloses(neyshabur2018(w, w0, v, N, M), [L * v / mp.sqrt(N) * e[0] * e[2] for e in expected], 1e-11)


def hilbert(n: int) -> np.ndarray:
    return 1.0 / (np.arange(n)[:, None] + np.arange(n) + 1.0)


def graded(n: int) -> np.ndarray:
    return RNG.standard_normal((n, n)) * 10.0 ** -np.arange(n)


CASES = {
    "normal": RNG.standard_normal((9, 9)),
    "tall": RNG.standard_normal((13, 4)),
    "wide": RNG.standard_normal((4, 13)),
    "column": RNG.standard_normal((7, 1)),
    "row": RNG.standard_normal((1, 7)),
    "one entry": np.array([[-0.3]]),
    "rank one": np.outer(RNG.standard_normal(8), RNG.standard_normal(6)),
    "equal": np.eye(6),
    "nearly equal": np.linalg.qr(RNG.standard_normal((10, 10)))[0] * np.linspace(0.999999, 1, 10),
    "Hilbert": hilbert(10),
    "graded": graded(12),
    "signs": np.sign(RNG.standard_normal((8, 8))),
    "huge": 1e300 * RNG.standard_normal((5, 5)),
    "tiny": 1e-300 * RNG.standard_normal((5, 5)),
    "both": np.array([[1e300, 1.0], [1e-300, 3e299]]),
    "float32": RNG.standard_normal((6, 6)).astype(np.float32),
    "Gaussian, positive mean": RNG.standard_normal((12, 12)) + 3,
}


@pytest.mark.parametrize("name", CASES)
def test_norms_of_a_matrix_are_enclosed_tightly(name: str) -> None:
    a = CASES[name]
    columns = exact_columns(a)
    tensor = [torch.tensor(a)]
    encloses(spectral_norm_bounds(tensor), exact_spectral(a), 1e-12)
    encloses(norm_21_bounds(tensor), sum(columns, mpf(0)), 1e-13)
    encloses(frobenius_norm_bounds(tensor), mp.sqrt(sum((c**2 for c in columns), mpf(0))), 1e-13)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_spectral_norms_of_any_small_matrix(data: st.DataObject) -> None:
    rows, cols = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    entry = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.floats(-1e-6, 1e-6))
    a = np.array(data.draw(st.lists(st.lists(entry, min_size=cols, max_size=cols), min_size=rows, max_size=rows)))
    encloses(spectral_norm_bounds([torch.tensor(a)]), exact_spectral(a), 1e-12)


@pytest.mark.parametrize("scale", [2.0**-1074, 2.0**-1030, 2.0**1020])
def test_the_ends_of_the_float64_range(scale: float) -> None:
    a = np.array([[1.0, 2.0], [2.0, 4.0]]) * scale  # rank one: its norm is 5·scale
    bounds = spectral_norm_bounds([torch.tensor(a)])
    assert mpf(float(bounds.lower)) <= 5 * mpf(scale) <= mpf(float(bounds.upper))
    assert float(bounds.lower) > 0


def test_a_norm_beyond_float64_is_bounded_by_infinity() -> None:
    bounds = spectral_norm_bounds([torch.full((3, 3), 1.7e308, dtype=torch.float64)])
    assert 1e308 < float(bounds.lower) < math.inf == float(bounds.upper)


def test_a_zero_matrix_has_norm_zero() -> None:
    zero = [torch.zeros(3, 4)]
    for bounds in (spectral_norm_bounds(zero), norm_21_bounds(zero), frobenius_norm_bounds(zero)):
        assert float(bounds.lower) == float(bounds.upper) == 0.0


def known_singular_values(n: int, values: np.ndarray) -> torch.Tensor:
    """A matrix with these singular values, exactly: columns of a Hadamard matrix, scaled."""
    hadamard = np.array([[1.0]])
    while len(hadamard) < n:
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    assert len(hadamard) == n
    assert math.log2(n) % 2 == 0  # then √n is a power of 2
    return torch.tensor(hadamard / math.sqrt(n) * values)


@pytest.mark.parametrize(
    "values",
    [
        np.ones(256),
        1 + np.arange(256) / 2**20,  # a power iteration would stop below the largest
        2.0 ** -np.arange(256),
        np.r_[np.zeros(255), 3.0],
    ],
)
def test_larger_matrices_whose_singular_values_are_known(values: np.ndarray) -> None:
    bounds = spectral_norm_bounds([known_singular_values(256, values)])
    encloses(bounds, mpf(float(values.max())), 1e-9)


def test_no_vector_shows_more_than_the_upper_end() -> None:
    a = torch.tensor(RNG.standard_normal((400, 90)))
    bounds = spectral_norm_bounds([a])
    assert float(bounds.upper - bounds.lower) <= 1e-10
    vector = torch.ones(90, dtype=torch.float64)
    for _ in range(2000):
        vector = a.T @ (a @ vector)
        vector /= torch.linalg.vector_norm(vector)
    assert float(torch.linalg.vector_norm(a @ vector)) <= float(bounds.upper) * (1 + 1e-15)
    assert float(bounds.lower) == pytest.approx(float(torch.linalg.vector_norm(a @ vector)), rel=1e-11)


def test_a_bad_guess_loosens_the_bounds_but_does_not_break_them(monkeypatch: pytest.MonkeyPatch) -> None:
    a = CASES["normal"]
    poor = torch.ones(9, dtype=torch.float64)
    monkeypatch.setattr("boundcalc.estimate.norms._leading", lambda gram: (0.9 * float(gram.trace()) / 9, poor))
    bounds = spectral_norm_bounds([torch.tensor(a)])
    exact = exact_spectral(a)
    assert 0.1 * exact < mpf(float(bounds.lower)) <= exact <= mpf(float(bounds.upper)) < 4 * exact


def test_batches_are_taken_apart() -> None:
    batch = torch.tensor(RNG.standard_normal((3, 6, 4)))
    bounds = spectral_norm_bounds([batch, batch[:, :2]])
    assert bounds.lower.shape == bounds.upper.shape == (3, 2)
    for s in range(3):
        encloses(spectral_norm_bounds([batch[s]]), exact_spectral(batch[s].numpy()), 1e-12)
        assert float(bounds.upper[s, 0]) == float(spectral_norm_bounds([batch[s]]).upper)


def test_the_21_norm_sums_over_columns() -> None:
    a = torch.tensor([[3.0, 0.0, 1.0], [4.0, 0.0, 1.0]], dtype=torch.float64)
    encloses(norm_21_bounds([a]), 5 + mp.sqrt(2), 1e-14)
    encloses(norm_21_bounds([a.T]), mp.sqrt(10) + mp.sqrt(17), 1e-14)


NUMBERS = st.just(0.0) | st.floats(1e-100, 1e100) | st.floats(0.5, 2.0)


@settings(max_examples=200, deadline=None)
@given(a=NUMBERS, b=NUMBERS, c=st.floats(1e-100, 1e100))
def test_operations_round_outwards(a: float, b: float, c: float) -> None:
    x, y, z = Bracket.exactly(a), Bracket.exactly(b), Bracket.exactly(c)
    encloses(x * y, mpf(a) * mpf(b), 1e-14)
    encloses(x / z, mpf(a) / mpf(c), 1e-14)
    encloses(x.power(Fraction(2, 3)), mpf(a) ** (mpf(2) / 3), 1e-12)
    row = torch.tensor([a, b, c], dtype=torch.float64)
    encloses(Bracket(row, row).total(), mpf(a) + mpf(b) + mpf(c), 1e-14)


def test_products_beyond_the_range_stay_bounds() -> None:
    huge, tiny = Bracket.exactly(1e300), Bracket.exactly(1e-300)
    assert float((huge * huge).lower) <= 1.8e308
    assert float((huge * huge).upper) == math.inf
    assert float((tiny * tiny).lower) == 0.0 < float((tiny * tiny).upper)
    nothing = Bracket.exactly(0.0) * (huge * huge)
    assert float(nothing.lower) == float(nothing.upper) == 0.0


def test_float32_weights_are_measured_as_they_are() -> None:
    w, w0 = ([t.float() for t in tensors(a)] for a in (W, W0))
    same = spectral_frobenius_sum([t.double() for t in w], [t.double() for t in w0], M)
    measured = spectral_frobenius_sum(w, w0, M)
    assert torch.equal(measured.lower, same.lower)
    assert torch.equal(measured.upper, same.upper)


def test_unmoved_weights_give_zero() -> None:
    w = tensors(W0)
    assert not spectral_21_sum(w, w).upper.any()
    assert not spectral_frobenius_sum(w, w, M).upper.any()


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
        spectral_norm_bounds([torch.zeros(4)])
    with pytest.raises(InputError, match=r"\(0, 4\)"):
        spectral_norm_bounds([torch.zeros(0, 4)])
    bad = torch.zeros(2, 3, 3)
    bad[1, 0, 2] = math.nan
    with pytest.raises(InputError, match="layer 2 of trial 1"):
        spectral_norm_bounds([torch.zeros(2, 3, 3), bad])
    with pytest.raises(InputError, match="‖v‖₂ = -1"):
        bartlett2017(w, w0, -1.0, N)
    with pytest.raises(InputError, match="n = 0"):
        bartlett2017(w, w0, 1.0, 0)
    with pytest.raises(InputError, match="lower ≤ upper"):
        Bracket(torch.tensor([2.0]), torch.tensor([1.0]))
