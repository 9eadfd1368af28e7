"""Least eigenvalues and condition numbers of the kernels, bracketed with certificates that rounding cannot break.

From below: if the Cholesky factorisation of a symmetric n×n matrix A runs to its end in floating point, then
λ_min(A) ≥ −γ/(1 − γ)·tr A with γ = (n+1)u/(1 − (n+1)u), u = 2⁻⁵³ (Higham, Accuracy and Stability of Numerical
Algorithms, theorem 10.3, whatever the order of summation); applied to K − σI, this proves that λ_min(K) is at
least σ up to that term. From above: the Rayleigh quotient of any vector. To both is added how far the computed
kernel may be from the exact one (`kernels.error_norm`). The largest eigenvalue is the least one of −K. A kernel
matrix has no negative eigenvalue, so that 0 bounds the least one from below where nothing better is proved.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.estimate.estimate import Estimate
from boundcalc.estimate.kernels import H_INFINITY, Kernel, Matrix, error_norm, tensor_matrix

_UNIT = 2.0**-53
_SHARES = (1e-9, 1e-7, 1e-5, 1e-3, 1e-2, 0.1, 0.3, 0.6, 0.9)  # by how much σ stays below the Rayleigh quotient
_DENSE = 64  # up to this size all eigenvalues are computed
_TOLERANCE, _RESTARTS = 1e-5, 100


@dataclass(frozen=True)
class Spectrum:
    """The least eigenvalue and the condition number (largest by least) of a kernel on given rows."""

    least: Estimate
    condition: Estimate


def lambda_0(X: Matrix, *, device: str = "auto") -> Estimate:
    """Return λ₀, the least eigenvalue of H^∞ on the rows of X (du2019), bracketed: see `spectrum`."""
    return spectrum(X, H_INFINITY, device=device).least


def spectrum(X: Matrix, kernel: Kernel, *, device: str = "auto") -> Spectrum:
    """Return the least eigenvalue and the condition number of a kernel on the rows of X.

    The brackets hold for the exact kernel of the rows as given. Time: a few Cholesky factorisations, O(n³);
    memory: two n×n matrices. Neither has converged where no positive lower end could be proved: equal rows,
    or a least eigenvalue that rounding hides. Raises what `kernels.kernel_matrix` raises.
    """
    start = time.perf_counter()
    matrix = tensor_matrix(X, kernel, device=device)
    spread = error_norm(X, kernel, device=device)
    proved, quotient = _least_eigenvalue(matrix)
    lower = max(0.0, proved - spread)
    upper = max(lower, quotient + spread)
    value = min(max(quotient, lower), upper)
    low, high = _least_eigenvalue(matrix.neg_())
    largest_lower, largest_upper = -high - spread, -low + spread
    seconds = time.perf_counter() - start

    h_infinity = kernel == H_INFINITY
    method = f"{kernel.name}, n = {matrix.shape[0]}: Cholesky test from below, Rayleigh quotient from above"
    least = Estimate(
        name="lambda_0" if h_infinity else f"lambda_min of {kernel.name}",
        symbol="lambda_0" if h_infinity else "lambda_min",
        value=value,
        direction="bracket",
        method=method,
        converged=lower > 0,
        lower=lower,
        upper=upper,
        seconds=seconds,
    )
    condition_lower = max(1.0, _over(largest_lower, upper))
    condition_upper = max(condition_lower, _over(largest_upper, lower))
    condition = Estimate(
        name=f"condition number of {kernel.name}",
        symbol="cond",
        value=min(max(_over(-high, value), condition_lower), condition_upper),
        direction="bracket",
        method=f"{method}; the largest eigenvalue likewise",
        converged=lower > 0,
        lower=condition_lower,
        upper=condition_upper,
        seconds=seconds,
    )
    return Spectrum(least, condition)


def _over(a: float, b: float) -> float:
    return a / b if b > 0 else math.inf


def _least_eigenvalue(matrix: torch.Tensor) -> tuple[float, float]:
    """Return (lower, upper): proved bounds on the least eigenvalue of a symmetric matrix of floats.

    The diagonal changes on the way and is put back.
    """
    n = matrix.shape[0]
    row_sum = max(float(rows.abs().sum(dim=1).max()) for rows in matrix.split(256))
    quotient = _rayleigh(matrix, _least_vector(matrix, row_sum))
    # Two stages of n products and sums each, on numbers whose absolute values sum to row_sum at most.
    upper = quotient + 2 * (n + 4) * _UNIT * row_sum
    for share in _SHARES:
        shift = quotient - share * abs(quotient) - 2 * _loss(matrix, quotient)
        if _factor(matrix, shift) is not None:
            return shift - _loss(matrix, shift), upper
    return -row_sum * (1 + (n + 4) * _UNIT), upper


def _loss(matrix: torch.Tensor, shift: float) -> float:
    """How negative an eigenvalue of A − shift·I may be although its factorisation runs to its end."""
    n = matrix.shape[0]
    gamma = (n + 2) * _UNIT / (1 - (n + 2) * _UNIT)
    diagonal = (matrix.diagonal() - shift).abs()
    return gamma / (1 - gamma) * float(diagonal.sum()) * (1 + n * _UNIT) + _UNIT * float(diagonal.max())


def _factor(matrix: torch.Tensor, shift: float) -> torch.Tensor | None:
    """Return the Cholesky factor of A − shift·I, None where the factorisation breaks down."""
    diagonal = matrix.diagonal().clone()
    matrix.diagonal().sub_(shift)
    factor, info = torch.linalg.cholesky_ex(matrix)
    matrix.diagonal().copy_(diagonal)
    return factor if int(info) == 0 else None


def _rayleigh(matrix: torch.Tensor, vector: torch.Tensor) -> float:
    return float(vector @ (matrix @ vector) / (vector @ vector))


def _least_vector(matrix: torch.Tensor, row_sum: float) -> torch.Tensor:
    """Return nearly an eigenvector of the least eigenvalue; nothing that is proved rests on how nearly.

    By Lanczos iterations on the inverse of A − shift·I, positive definite for a shift a little below 0, or,
    where A has negative eigenvalues, below −‖A‖.
    """
    n = matrix.shape[0]
    if n <= _DENSE:
        return torch.linalg.eigh(matrix).eigenvectors[:, 0]
    for floor in (0.0, -row_sum):
        factor = _factor(matrix, floor - 4 * _loss(matrix, floor))
        if factor is not None:
            break
    else:  # pragma: no cover - −‖A‖ is below every eigenvalue
        return torch.linalg.eigh(matrix).eigenvectors[:, 0]
    return _lanczos(factor)


def _lanczos(factor: torch.Tensor) -> torch.Tensor:
    """Return nearly an eigenvector of the largest eigenvalue of (F Fᵀ)⁻¹, F lower triangular."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    n = factor.shape[0]

    def solve(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        right = torch.as_tensor(np.ascontiguousarray(vector).reshape(n, 1), device=factor.device)
        # Not cholesky_solve, which copies the factor every time.
        half = torch.linalg.solve_triangular(factor, right, upper=False)
        return torch.linalg.solve_triangular(factor.mT, half, upper=True).cpu().numpy()[:, 0]

    start = np.random.default_rng(0).standard_normal(n)
    inverse = LinearOperator((n, n), matvec=solve, dtype=np.float64)
    try:
        _, vectors = eigsh(inverse, k=1, which="LA", v0=start, tol=_TOLERANCE, maxiter=_RESTARTS)
        vector = vectors[:, 0]
    except ArpackNoConvergence:
        vector = start
        for _ in range(_RESTARTS):
            vector = solve(vector / np.linalg.norm(vector))
    return torch.tensor(vector, device=factor.device)
