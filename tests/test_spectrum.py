"""Brackets of eigenvalues against spectra known by hand and against eigenvalues in high precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mpmath import mp, mpf

from boundcalc.estimate.estimate import Estimate
from boundcalc.estimate.kernels import H_INFINITY, Kernel
from boundcalc.estimate.spectrum import lambda_0, spectrum

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def sphere(n: int, d: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def brackets(estimate: Estimate, truth: float | mpf, relative: float) -> None:
    assert estimate.direction == "bracket"
    assert estimate.lower is not None
    assert estimate.upper is not None
    assert estimate.lower <= truth <= estimate.upper
    assert estimate.upper - estimate.lower <= relative * float(truth)
    assert estimate.seconds is not None


@pytest.mark.parametrize("n", [5, 150])
def test_orthonormal_rows(n: int) -> None:
    X = np.eye(n)
    result = spectrum(X, H_INFINITY)  # ½ on the diagonal, 0 elsewhere
    brackets(result.least, 0.5, 1e-7)
    brackets(result.condition, 1.0, 1e-7)
    assert (result.least.name, result.least.symbol, result.least.converged) == ("lambda_0", "lambda_0", True)
    assert lambda_0(X) == result.least
    result = spectrum(X, Kernel.conjugate(1))  # ½ on the diagonal, 1/(2π) elsewhere
    least, largest = 0.5 - 1 / (2 * math.pi), 0.5 + (n - 1) / (2 * math.pi)
    brackets(result.least, least, 1e-7)
    brackets(result.condition, largest / least, 1e-7)


def h_infinity_in_high_precision(X: np.ndarray) -> mp.matrix:
    rows = [[mpf(float(entry)) for entry in row] for row in X]
    rows = [[entry / mp.sqrt(sum(a * a for a in row)) for entry in row] for row in rows]

    def entry(i: int, j: int) -> mpf:
        if i == j:
            return mpf(1) / 2
        rho = sum(a * b for a, b in zip(rows[i], rows[j], strict=True))
        return rho * (mp.pi - mp.acos(rho)) / (2 * mp.pi)

    return mp.matrix([[entry(i, j) for j in range(len(rows))] for i in range(len(rows))])


@pytest.mark.parametrize("apart", [1.0, 1e-3, 1e-6, 1e-9])
def test_the_bracket_holds_the_exact_least_eigenvalue(apart: float) -> None:
    X = sphere(8, 3, seed=4)
    X[1] = X[0] + apart * X[1]
    X[1] /= np.linalg.norm(X[1])
    with mp.workdps(40):
        truth = min(mp.eigsy(h_infinity_in_high_precision(X), eigvals_only=True))
        brackets(lambda_0(X), truth, 1e-2)


def test_ill_conditioned_beyond_the_small_sizes() -> None:
    X = sphere(200, 4, seed=5)
    X[7] = X[90] + 1e-7 * X[8]
    X[7] /= np.linalg.norm(X[7])
    estimate = lambda_0(X)
    assert estimate.converged
    assert estimate.lower is not None
    assert estimate.upper is not None
    # Two rows at angle θ alone give ½ − cos θ (π − θ)/(2π) = θ/(2π) + …, which bounds λ₀ of all from above.
    assert 0.2 * 1e-7 / (2 * math.pi) < estimate.lower <= estimate.upper < 1.01e-7 / (2 * math.pi)


def test_equal_rows_leave_nothing_to_prove() -> None:
    X = sphere(80, 5)
    X[3] = X[60]
    result = spectrum(X, H_INFINITY)
    assert not result.least.converged
    assert result.least.lower == 0
    assert result.least.upper is not None
    assert 0 <= result.least.value <= result.least.upper < 1e-10
    assert result.condition.upper == math.inf
    assert result.condition.lower is not None
    assert result.condition.lower > 1e9


@pytest.mark.parametrize("kernel", [Kernel.tangent(4, "chen2019"), Kernel.tangent(3), Kernel.conjugate(3)])
def test_deep_kernels_against_lapack(kernel: Kernel) -> None:
    from boundcalc.estimate.kernels import kernel_matrix

    X = sphere(200, 8, seed=6)
    values = np.linalg.eigvalsh(kernel_matrix(X, kernel))
    result = spectrum(X, kernel)
    assert result.least.value == pytest.approx(values[0], rel=1e-7)
    assert result.condition.value == pytest.approx(values[-1] / values[0], rel=1e-7)
    brackets(result.least, result.least.value, 1e-6)


@pytest.mark.gpu
@gpu
def test_the_same_brackets_on_a_gpu() -> None:
    X = sphere(500, 10)
    there, here = lambda_0(X, device="cuda"), lambda_0(X, device="cpu")
    assert there.value == pytest.approx(here.value, rel=1e-7)
    brackets(there, here.value, 1e-6)
