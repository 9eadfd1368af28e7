"""The least distance against all distances by differences, and against pairs planted closer than products see."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.errors import InputError
from boundcalc.estimate import separation as module
from boundcalc.estimate.separation import separation

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def sphere(n: int, d: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def brute_force(X: np.ndarray) -> float:
    return min(math.dist(X[i], X[j]) for i in range(len(X)) for j in range(i))


def attained(X: np.ndarray, device: str = "cpu") -> float:
    """φ, once the named rows have been seen to be that far apart."""
    estimate = separation(X, device=device)
    i, j = estimate.rows
    assert 0 <= i < j < len(X)
    assert math.dist(X[i], X[j]) == pytest.approx(estimate.value, rel=1e-15)
    assert (estimate.name, estimate.direction, estimate.converged) == ("phi", "exact", True)
    return estimate.value


@pytest.mark.parametrize(("n", "d"), [(2, 1), (40, 3), (200, 50)])
@pytest.mark.parametrize("side", [1, 7, 2**11])
def test_brute_force(n: int, d: int, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CPU_SIDE", side)
    X = np.random.default_rng(n).standard_normal((n, d))
    assert attained(X) == pytest.approx(brute_force(X), rel=1e-14)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6),
    st.integers(2, 30),
    st.integers(1, 6),
    st.sampled_from([1e-12, 1e-7, 1e-4, 1.0]),
    st.sampled_from([0.0, 1.0, 1e6]),
    st.sampled_from([1e-200, 1.0, 1e200]),
)
def test_clusters_offsets_and_scales(seed: int, n: int, d: int, spread: float, offset: float, scale: float) -> None:
    generator = np.random.default_rng(seed)
    centers = generator.standard_normal((3, d))
    X = scale * (offset + centers[generator.integers(0, 3, n)] + spread * generator.standard_normal((n, d)))
    assert attained(X) == pytest.approx(brute_force(X), rel=1e-14)


def test_a_pair_1e_9_apart_among_close_ones() -> None:
    X = sphere(600, 784)
    generator = np.random.default_rng(1)
    for row, apart in ((17, 3e-9), (99, 1e-9), (300, 2e-9)):
        step = generator.standard_normal(784)
        X[row] = X[row + 200] + apart * step / np.linalg.norm(step)
    estimate = separation(X, device="cpu")
    assert estimate.rows == (99, 299)
    assert estimate.value == pytest.approx(math.dist(X[99], X[299]), rel=1e-14)
    assert estimate.value == pytest.approx(1e-9, rel=1e-6)


def test_very_many_candidates() -> None:
    generator = np.random.default_rng(2)
    tight = sphere(1, 6) + 1e-6 * generator.standard_normal((500, 6))  # all pairs tie in float32
    X = np.concatenate([sphere(100, 6), tight])
    gaps = np.linalg.norm(tight[:, None] - tight[None], axis=2)
    assert attained(X) == pytest.approx(gaps[~np.eye(500, dtype=bool)].min(), rel=1e-9)
    assert attained(np.eye(300)) == math.sqrt(2)  # all pairs tie in any precision


def test_equal_rows() -> None:
    X = sphere(50, 4)
    X[41] = X[12]
    estimate = separation(X, device="cpu")
    assert (estimate.value, estimate.rows) == (0.0, (12, 41))
    assert separation(np.ones((4, 3)), device="cpu").value == 0.0
    assert separation(np.zeros((2, 3)), device="cpu").value == 0.0


def test_the_opposite_of_a_row_is_far() -> None:
    assert attained(np.array([[1.0, 0.0], [-1.0, 0.0]])) == 2.0


def test_no_matrix_of_all_pairs() -> None:
    code = (
        "import resource, numpy as np\n"
        "from boundcalc.estimate.separation import separation\n"
        "X = np.random.default_rng(0).standard_normal((20000, 8))\n"
        "separation(X[:5000], device='cpu')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "separation(X, device='cpu')\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20000**2 / 8  # a bit a pair would be more


def test_refusals() -> None:
    with pytest.raises(InputError, match="n ≥ 2 rows"):
        separation(np.ones((1, 3)))
    with pytest.raises(InputError, match="row 1 of X has a NaN or infinite entry"):
        separation(np.array([[1.0, 0.0], [math.inf, 0.0], [math.nan, 1.0]]))
    with pytest.raises(InputError, match="unknown device"):
        separation(np.eye(2), device="abacus")


@pytest.mark.gpu
@gpu
def test_the_same_pair_on_a_gpu() -> None:
    X = sphere(20_000, 100)
    X[3] = X[19_000] + 1e-9
    assert attained(X, "cuda") == pytest.approx(1e-8, rel=1e-6)
    assert separation(X[:5000], device="cuda").rows == separation(X[:5000], device="cpu").rows
