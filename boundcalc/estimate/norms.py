"""The norm-based quantities of bartlett2017 and neyshabur2018 on actual weights (cao2020, Remark 3.1).

Convention: a layer is stored as it acts, h ↦ W h, of shape (m_l, m_{l−1}), as in chen2019; cao2020 writes
the transpose, W_l of shape m_{l−1} × m_l. Its ‖W_lᵀ − W_l^(0)ᵀ‖_{2,1} is thus that of A = W − W^(0) as
stored, and ‖A‖_{2,1} = Σ_j ‖A_{·j}‖₂ sums the Euclidean norms of the COLUMNS of A: one term for each input
unit of the layer.

Spectral norms are exact singular values (up to rounding), not power iterations, which only bound them from
below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch

from boundcalc.errors import InputError

Weights = Sequence[torch.Tensor]
Norm = Callable[[torch.Tensor], torch.Tensor]


def spectral_norms(weights: Weights) -> torch.Tensor:
    """Return ‖W_l‖₂ of each layer, float64 (S, layers) on the CPU, for tensors (S, rows, cols).

    By a float64 singular value decomposition of one matrix at a time: O(rows·cols·min) time, O(rows·cols)
    memory.
    """
    return _per_matrix(weights, lambda w: torch.linalg.svdvals(w)[0])


def norm_21(a: torch.Tensor) -> torch.Tensor:
    """Return ‖A‖_{2,1} = Σ_j ‖A_{·j}‖₂, summing Euclidean norms of columns, of A (…, rows, cols)."""
    return torch.linalg.vector_norm(a, dim=-2).sum(dim=-1)


def spectral_product(weights: Weights) -> torch.Tensor:
    """Return Π_l ‖W_l‖₂, float64 (S,)."""
    return spectral_norms(weights).prod(dim=1)


def spectral_21_sum(weights: Weights, initial: Weights) -> torch.Tensor:
    """Return [ Σ_l ‖W_lᵀ − W_l^(0)ᵀ‖_{2,1}^{2/3} / ‖W_l‖₂^{2/3} ]^{3/2} (bartlett2017), float64 (S,).

    The transposes are cao2020's; see the module's convention. Raises InputError where the shapes differ or
    where a layer is zero (its spectral norm divides).
    """
    moved = _per_matrix(_differences(weights, initial), norm_21)
    return (moved / _nonzero(spectral_norms(weights))).pow(2.0 / 3.0).sum(dim=1).pow(1.5)


def spectral_frobenius_sum(weights: Weights, initial: Weights, width: int) -> torch.Tensor:
    """Return [ Σ_l (√m ‖W_l − W_l^(0)‖_F)² / ‖W_l‖₂² ]^{1/2} (neyshabur2018), m = `width`, float64 (S,).

    Raises InputError where the shapes differ, a layer is zero, or the width is below 1.
    """
    if width < 1:
        raise InputError(f"width m = {width!r}; give the number of hidden units, ≥ 1")
    moved = _per_matrix(_differences(weights, initial), torch.linalg.matrix_norm)
    return (width**0.5 * moved / _nonzero(spectral_norms(weights))).square().sum(dim=1).sqrt()


def bartlett2017(weights: Weights, initial: Weights, output_norm: float, n: int) -> torch.Tensor:
    """Return (‖v‖₂/√n) · Π‖W_l‖₂ · [Σ_l ‖ΔW_lᵀ‖_{2,1}^{2/3}/‖W_l‖₂^{2/3}]^{3/2}, float64 (S,).

    cao2020, Remark 3.1, up to the constants and logarithms that it leaves out. `weights` are the hidden
    layers W_1..W_L, without v; output_norm = ‖v‖₂ (√m for ±1 signs); n samples.
    """
    front = output_norm / float(n) ** 0.5
    return front * spectral_product(weights) * spectral_21_sum(weights, initial)


def neyshabur2018(weights: Weights, initial: Weights, output_norm: float, n: int, width: int) -> torch.Tensor:
    """Return (L‖v‖₂/√n) · Π‖W_l‖₂ · [Σ_l (√m‖ΔW_l‖_F)²/‖W_l‖₂²]^{1/2}, float64 (S,), L = len(weights).

    cao2020, Remark 3.1, up to the constants and logarithms that it leaves out; arguments as in
    `bartlett2017`, width = m.
    """
    front = len(weights) * output_norm / float(n) ** 0.5
    return front * spectral_product(weights) * spectral_frobenius_sum(weights, initial, width)


def _per_matrix(matrices: Iterable[torch.Tensor], norm: Norm) -> torch.Tensor:
    """Apply `norm` in float64 to every matrix: (S, layers) on the CPU."""
    columns = []
    for layer in matrices:
        if layer.ndim not in (2, 3):
            raise InputError(f"a layer of shape {tuple(layer.shape)}; give (rows, cols) or (S, rows, cols)")
        batch = layer.detach() if layer.ndim == 3 else layer.detach()[None]
        # One matrix at a time: the float64 copy and the decomposition's workspace are those of a single
        # trial.
        columns.append(torch.stack([norm(matrix.double()).cpu() for matrix in batch]))
    if not columns:
        raise InputError("no layers; give at least one weight matrix")
    return torch.stack(columns, dim=1)


def _differences(weights: Weights, initial: Weights) -> Iterable[torch.Tensor]:
    shapes, starts = ([tuple(w.shape) for w in side] for side in (weights, initial))
    if shapes != starts:
        raise InputError(f"weights of shapes {shapes} but initial weights of {starts}; give the same layers")
    # In float64: a difference of float32 numbers is itself not always a float32 number.
    return (w.double() - w0.double() for w, w0 in zip(weights, initial, strict=True))


def _nonzero(norms: torch.Tensor) -> torch.Tensor:
    if bool((norms == 0).any()):
        raise InputError("a layer is zero, so its spectral norm cannot divide; check the weights")
    return norms
