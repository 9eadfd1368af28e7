"""The norm-based quantities of bartlett2017 and neyshabur2018 on actual weights (cao2020, Remark 3.1).

Convention: a layer is stored as it acts, h ↦ W h, of shape (m_l, m_{l−1}), as in chen2019; cao2020 writes
the transpose, W_l of shape m_{l−1} × m_l. Its ‖W_lᵀ − W_l^(0)ᵀ‖_{2,1} is thus that of A = W − W^(0) as
stored, and ‖A‖_{2,1} = Σ_j ‖A_{·j}‖₂ sums the Euclidean norms of the COLUMNS of A: one term for each input
unit of the layer.

Every quantity is a `Bracket`: its ends are proved, the rounding of their own evaluation included. Spectral norms:

- from below, ‖Av‖/‖v‖ for a v that is nearly the leading singular vector (all that a power iteration gives);
- from above, ‖A‖² ≤ ‖AᵀA + FFᵀ‖ for any F, and no symmetric matrix has a spectral norm above its largest
  absolute row sum. With F the Cholesky factor of sI − AᵀA that sum is s, just above ‖A‖², up to rounding: the
  verification of positive definiteness of Rump (BIT 46 (2006) 433-452; of spectral norms: BIT 51 (2011) 367-384),
  here by what the factor turned out to be, so that nothing rests on how it was computed.

What is assumed of the matrix library: an entry of a product of inner length k is a sum of k rounded or fused
products in some order, so that it errs by at most ku/(1 − ku) times the sum of their absolute values, u = 2⁻⁵³
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from operator import mul

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError

Weights = Sequence[torch.Tensor]
Ends = tuple[float, float]
Norm = Callable[[torch.Tensor], Ends]
"""Bounds on a norm of a float64 matrix whose largest entry is in [½, 1): nothing overflows, underflow is below u²."""

_UNIT = 2.0**-53
_LARGEST = torch.finfo(torch.float64).max
_LEAST = 2.0**-1070  # above the error of an operation that underflows
_POWER = 750  # |ln x| < 746 of any float64, which multiplies the rounding of an exponent; and that of pow itself
_DENSE = 64  # up to this size all eigenvalues are computed
_TOLERANCE, _RESTARTS = 1e-7, 100


@dataclass(frozen=True)
class Bracket:
    """lower ≤ truth ≤ upper of numbers ≥ 0: float64 tensors of one shape on the CPU.

    Operations round outwards, so that what they return brackets the exact result.
    """

    lower: torch.Tensor
    upper: torch.Tensor

    def __post_init__(self) -> None:
        if not bool(((self.lower >= 0) & (self.lower <= self.upper)).all()):
            raise InputError(f"bracket from {self.lower} to {self.upper}; give numbers 0 ≤ lower ≤ upper")

    @classmethod
    def exactly(cls, value: float) -> Bracket:
        """Return the bracket of one float64, of no width."""
        number = torch.tensor(float(value), dtype=torch.float64)
        return cls(number, number)

    def widened(self, units: float) -> Bracket:
        """Return the bracket for what may differ by a relative error of units·u."""
        return _outward(self.lower, self.upper, units, self.upper == 0)

    def __mul__(self, other: Bracket) -> Bracket:
        zero = (self.upper == 0) | (other.upper == 0)
        return _outward(self.lower * other.lower, self.upper * other.upper, 1, zero)

    def __truediv__(self, other: Bracket) -> Bracket:
        return _outward(self.lower / other.upper, self.upper / other.lower, 1, self.upper == 0)

    def power(self, exponent: Fraction) -> Bracket:
        """Return the bracket of the powers; exponent > 0."""
        return _outward(self.lower ** float(exponent), self.upper ** float(exponent), _POWER, self.upper == 0)

    def total(self) -> Bracket:
        """Return the bracket of the sums over the last dimension."""
        terms = self.lower.shape[-1]
        return _outward(self.lower.sum(dim=-1), self.upper.sum(dim=-1), terms, (self.upper == 0).all(dim=-1))

    def product(self) -> Bracket:
        """Return the bracket of the products over the last dimension."""
        pairs = zip(self.lower.unbind(-1), self.upper.unbind(-1), strict=True)
        return reduce(mul, (Bracket(lower, upper) for lower, upper in pairs))


def spectral_norm_bounds(weights: Weights) -> Bracket:
    """Return bounds on ‖W_l‖₂ of each layer, (S, layers), for tensors (S, rows, cols) or (rows, cols).

    Proved for the entries as they are, in whatever precision. Their distance is mostly rounding, about m·u
    relative, 1e-9 at m = 4096. One matrix at a time, k its smaller side: two products with k² entries, a
    Cholesky factorisation and a Lanczos iteration in float64; memory: 4k² + rows·cols numbers.

    Raises InputError for no layers, other shapes, empty ones, and entries that are not finite.
    """
    return _bounds(_spectral, weights)


def frobenius_norm_bounds(weights: Weights) -> Bracket:
    """Return bounds on ‖W_l‖_F of each layer, (S, layers); arguments and errors as of `spectral_norm_bounds`."""
    return _bounds(_frobenius, weights)


def norm_21_bounds(weights: Weights) -> Bracket:
    """Return bounds on ‖W_l‖_{2,1} = Σ_j ‖(W_l)_{·j}‖₂, sums of norms of columns, (S, layers).

    Arguments and errors as of `spectral_norm_bounds`.
    """
    return _bounds(_columns, weights)


def spectral_product(weights: Weights) -> Bracket:
    """Return bounds on Π_l ‖W_l‖₂, (S,)."""
    return spectral_norm_bounds(weights).product()


def spectral_21_sum(weights: Weights, initial: Weights) -> Bracket:
    """Return bounds on [ Σ_l ‖W_lᵀ − W_l^(0)ᵀ‖_{2,1}^{2/3} / ‖W_l‖₂^{2/3} ]^{3/2} (bartlett2017), (S,).

    The transposes are cao2020's; see the module's convention. Raises InputError where the shapes differ or
    where a layer is zero (its spectral norm divides).
    """
    return _sum_21(_bounds(_columns, weights, initial), _nonzero(spectral_norm_bounds(weights)))


def spectral_frobenius_sum(weights: Weights, initial: Weights, width: int) -> Bracket:
    """Return bounds on [ Σ_l (√m ‖W_l − W_l^(0)‖_F)² / ‖W_l‖₂² ]^{1/2} (neyshabur2018), m = `width`, (S,).

    Raises InputError where the shapes differ, a layer is zero, or the width is below 1.
    """
    _require_width(width)
    return _sum_frobenius(_bounds(_frobenius, weights, initial), _nonzero(spectral_norm_bounds(weights)), width)


def bartlett2017(weights: Weights, initial: Weights, output_norm: float, n: int) -> Bracket:
    """Return bounds on (‖v‖₂/√n) · Π‖W_l‖₂ · [Σ_l ‖ΔW_lᵀ‖_{2,1}^{2/3}/‖W_l‖₂^{2/3}]^{3/2}, (S,).

    cao2020, Remark 3.1, up to the constants and logarithms that it leaves out. `weights` are the hidden
    layers W_1..W_L, without v; output_norm = ‖v‖₂ (√m for ±1 signs); n samples.
    """
    moved = _bounds(_columns, weights, initial)
    spectral = _nonzero(spectral_norm_bounds(weights))
    return _front(output_norm, n) * spectral.product() * _sum_21(moved, spectral)


def neyshabur2018(weights: Weights, initial: Weights, output_norm: float, n: int, width: int) -> Bracket:
    """Return bounds on (L‖v‖₂/√n) · Π‖W_l‖₂ · [Σ_l (√m‖ΔW_l‖_F)²/‖W_l‖₂²]^{1/2}, (S,), L = len(weights).

    cao2020, Remark 3.1, up to the constants and logarithms that it leaves out; arguments as in
    `bartlett2017`, width = m.
    """
    _require_width(width)
    moved = _bounds(_frobenius, weights, initial)
    spectral = _nonzero(spectral_norm_bounds(weights))
    front = Bracket.exactly(len(weights)) * _front(output_norm, n)
    return front * spectral.product() * _sum_frobenius(moved, spectral, width)


def _sum_21(moved: Bracket, spectral: Bracket) -> Bracket:
    return (moved / spectral).power(Fraction(2, 3)).total().power(Fraction(3, 2))


def _sum_frobenius(moved: Bracket, spectral: Bracket, width: int) -> Bracket:
    return (Bracket.exactly(width) * (moved / spectral).power(Fraction(2)).total()).power(Fraction(1, 2))


def _front(output_norm: float, n: int) -> Bracket:
    if not (output_norm >= 0 and math.isfinite(output_norm)):
        raise InputError(f"output norm ‖v‖₂ = {output_norm!r}; give a number ≥ 0")
    if n < 1:
        raise InputError(f"n = {n!r}; give the number of samples, ≥ 1")
    return Bracket.exactly(output_norm) / Bracket.exactly(n).power(Fraction(1, 2))


def _outward(lower: torch.Tensor, upper: torch.Tensor, units: float, zero: torch.Tensor) -> Bracket:
    """Return the bracket for ends that err by a relative error of units·u; `zero`: where they are 0 exactly."""
    share = (units + 4) * _UNIT  # with the roundings below
    below = (lower.clamp(max=_LARGEST) * (1 - share) - _LEAST).clamp_(min=0.0)
    above = (upper * (1 + share) + _LEAST).nan_to_num(nan=math.inf, posinf=math.inf)  # 0·∞ is at most that
    return Bracket(below.masked_fill(zero, 0.0), above.masked_fill(zero, 0.0))


def _bounds(norm: Norm, weights: Weights, initial: Weights | None = None) -> Bracket:
    """Bound a norm of every W_l, or W_l − W_l^(0): (S, layers)."""
    if initial is not None:
        shapes, starts = ([tuple(layer.shape) for layer in side] for side in (weights, initial))
        if shapes != starts:
            raise InputError(f"weights of shapes {shapes} but initial weights of {starts}; give the same layers")
    if not weights:
        raise InputError("no layers; give at least one weight matrix")
    ends = []
    for number, layer in enumerate(weights):
        if layer.ndim not in (2, 3) or not layer.numel():
            raise InputError(f"a layer of shape {tuple(layer.shape)}; give (rows, cols) or (S, rows, cols), sizes ≥ 1")
        column = []
        # One matrix at a time: the float64 copies are those of a single trial.
        for trial in range(layer.shape[0] if layer.ndim == 3 else 1):
            matrix = _matrix(layer, trial)
            if initial is not None:
                matrix = matrix - _matrix(initial[number], trial)
            if not bool(torch.isfinite(matrix).all()):
                raise InputError(f"layer {number + 1} of trial {trial} has entries that are not finite")
            column.append(_scaled(norm, matrix))
        ends.append(column)
    found = torch.tensor(ends, dtype=torch.float64).permute(2, 1, 0).contiguous()
    bracket = Bracket(found[0], found[1])
    return bracket if initial is None else bracket.widened(2)  # each difference is rounded


def _matrix(layer: torch.Tensor, trial: int) -> torch.Tensor:
    return (layer.detach() if layer.ndim == 2 else layer.detach()[trial]).double()


def _scaled(norm: Norm, matrix: torch.Tensor) -> Ends:
    """Apply `norm` to the matrix times a power of 2, which rounds nothing but what is below u²."""
    largest = float(matrix.abs().max())
    if largest == 0.0:
        return 0.0, 0.0
    exponent = math.frexp(largest)[1]
    half = exponent // 2  # in two steps: 2^−1074 has an inverse too large for a float64
    lower, upper = norm(matrix * 2.0**-half * 2.0 ** (half - exponent))
    return max(0.0, math.nextafter(_shifted(lower, exponent), 0.0)), math.nextafter(_shifted(upper, exponent), math.inf)


def _shifted(number: float, exponent: int) -> float:
    try:
        return math.ldexp(number, exponent)
    except OverflowError:
        return math.inf


def _frobenius(a: torch.Tensor) -> Ends:
    rows, cols = a.shape
    return _relative(float(a.square().sum(dim=1).sum()) ** 0.5, rows + cols)


def _columns(a: torch.Tensor) -> Ends:
    rows, cols = a.shape
    return _relative(float(a.square().sum(dim=0).sqrt_().sum()), rows + cols)


def _relative(value: float, units: int) -> Ends:
    """Bounds on what was computed by sums of `units` terms ≥ 0 in a row and a few roundings more."""
    share = (units + 16) * _UNIT
    return value * (1 - share), value * (1 + share)


def _spectral(a: torch.Tensor) -> Ends:
    a = a if a.shape[0] >= a.shape[1] else a.T
    rows, cols = a.shape
    gram = a.T @ a
    quotient, vector = _leading(gram)
    sizes = a.abs()

    image = a @ vector
    length = float(torch.linalg.vector_norm(image)) * (1 - (rows + 4) * _UNIT)
    lost = float(torch.linalg.vector_norm(sizes @ vector.abs())) * _rounding(cols)
    lower = max((length - lost) / (float(torch.linalg.vector_norm(vector)) * (1 + (cols + 8) * _UNIT)), 0.0)
    _, largest = _frobenius(a)  # the spectral norm itself where the rank is one

    products = (sizes.T @ sizes.sum(dim=1)) * _rounding(rows + 1)
    del sizes
    factor = _factor(gram, quotient)
    if factor is None:
        return lower, largest
    size = factor.abs()
    products += (size @ size.sum(dim=0)) * _rounding(cols + 1)
    del size
    gram.addmm_(factor, factor.T)
    square = float((gram.abs_().sum(dim=1) * (1 + (cols + 4) * _UNIT) + products).max())
    return lower, min(largest, square**0.5 * (1 + 4 * _UNIT))


def _rounding(length: int) -> float:
    """Bound on the error of an inner product, relative to the sum of the absolute values of its products.

    The last factor is for the rounding of that sum itself.
    """
    return length * _UNIT / (1 - length * _UNIT) * 1.01


def _factor(gram: torch.Tensor, quotient: float) -> torch.Tensor | None:
    """Return F with FFᵀ nearly sI − G for an s as little above the `quotient` as the factorisation bears."""
    gap = 16 * len(gram) * _UNIT
    while gap < 1.0:
        matrix = gram.neg()
        matrix.diagonal().add_(quotient * (1 + gap))
        factor, info = torch.linalg.cholesky_ex(matrix)
        if int(info) == 0:
            return factor
        gap *= 8
    return None


def _leading(gram: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Return nearly the largest eigenvalue and an eigenvector of it; nothing that is proved rests on how nearly."""
    if len(gram) <= _DENSE:
        values, vectors = torch.linalg.eigh(gram)
        return float(values[-1]), vectors[:, -1]
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    def apply(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        return (gram @ torch.from_numpy(vector).to(gram.device).view(-1)).cpu().numpy()

    start = np.random.default_rng(0).standard_normal(len(gram))
    try:
        _, vectors = eigsh(
            LinearOperator(tuple(gram.shape), matvec=apply, dtype=np.float64),
            k=1, which="LA", v0=start, tol=_TOLERANCE, maxiter=_RESTARTS,
        )  # fmt: skip
        vector = vectors[:, 0]
    except ArpackNoConvergence:
        vector = start
        for _ in range(_RESTARTS):
            vector = apply(vector / np.linalg.norm(vector))
        vector /= np.linalg.norm(vector)
    found = torch.tensor(vector, device=gram.device)
    return float(found @ (gram @ found)), found


def _nonzero(norms: Bracket) -> Bracket:
    if bool((norms.lower == 0).any()):
        raise InputError("a layer is zero, so its spectral norm cannot divide; check the weights")
    return norms


def _require_width(width: int) -> None:
    if width < 1:
        raise InputError(f"width m = {width!r}; give the number of hidden units, ≥ 1")
