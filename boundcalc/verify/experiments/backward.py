"""cao2020's networks of a batch of inits, forwards and backwards, as plain functions of their hidden weights.

Unlike the training engine these keep what they compute, so that gradients of every example are at hand, and are made
of operations that torch differentiates, so that gradients themselves can be searched for the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

Weights = Sequence[torch.Tensor]
"""W_1, …, W_L of every init as they act, h ↦ W h: tensors (S, rows, cols)."""


@dataclass(frozen=True)
class Forward:
    """The networks f = v·h_L, h_l = σ(W_l h_{l−1}), of S inits on n inputs.

    weights: W_1..W_L. sign: v, (S, 1, m). hidden: h_0 (the inputs, (d, n)), h_1, …, h_L, (S, m, n). outputs: f, (S, n).
    """

    weights: Weights
    sign: torch.Tensor
    hidden: tuple[torch.Tensor, ...]
    outputs: torch.Tensor

    def errors(self) -> list[torch.Tensor]:
        """Return δ_l = ∂f/∂(W_l h_{l−1}) for l = 1, …, L, each (S, m, n), one column for each example.

        δ_L = 1[h_L > 0] ⊙ vᵀ and δ_{l−1} = 1[h_{l−1} > 0] ⊙ W_lᵀ δ_l; σ'(0) = 0.
        """
        found = [(self.hidden[-1] > 0) * self.sign.transpose(1, 2)]
        for layer in range(len(self.weights) - 1, 0, -1):
            through = self.weights[layer].transpose(1, 2) @ found[0]
            found.insert(0, (self.hidden[layer] > 0) * through)
        return found

    def slopes(self, y: torch.Tensor) -> torch.Tensor:
        """Return ∂L_S/∂f(x_i) = −(y_i/n) / (1 + e^(y_i f(x_i))), (S, n)."""
        return torch.sigmoid(-y * self.outputs) * (-y / len(y))

    def surrogate(self, y: torch.Tensor) -> torch.Tensor:
        """Return E_S = (1/n) Σ 1/(1 + e^(y_i f(x_i))), (S,) (cao2020, Definition 3.2)."""
        return torch.sigmoid(-y * self.outputs).mean(dim=1)

    def loss(self, y: torch.Tensor) -> torch.Tensor:
        """Return L_S = (1/n) Σ log(1 + e^(−y_i f(x_i))), (S,)."""
        return -torch.nn.functional.logsigmoid(y * self.outputs).mean(dim=1)

    def loss_gradients(self, y: torch.Tensor) -> list[torch.Tensor]:
        """Return ∇_{W_l} L_S = Σ_i (∂L_S/∂f(x_i)) δ_l(x_i) h_{l−1}(x_i)ᵀ for l = 1, …, L, each (S, rows, cols)."""
        slopes = self.slopes(y).unsqueeze(1)
        return [(slopes * error) @ h.mT for error, h in zip(self.errors(), self.hidden[:-1], strict=True)]

    def output_gradient_norms(self) -> torch.Tensor:
        """Return ‖∇_{W_l} f(x_i)‖_F = |δ_l(x_i)|·|h_{l−1}(x_i)|, (S, L, n)."""
        pairs = zip(self.errors(), self.hidden[:-1], strict=True)
        return torch.stack([error.norm(dim=1) * h.norm(dim=-2) for error, h in pairs], dim=1)

    def change(self, moved: Weights) -> torch.Tensor:
        """Return Σ_l ⟨ΔW_l, ∇_{W_l} f(x_i)⟩ = Σ_l δ_l(x_i)ᵀ ΔW_l h_{l−1}(x_i), (S, n), for ΔW_l as the weights."""
        parts = zip(self.errors(), moved, self.hidden[:-1], strict=True)
        return sum(((error * (step @ h)).sum(dim=1) for error, step, h in parts), torch.zeros_like(self.outputs))


def forward(weights: Weights, sign: torch.Tensor, X: torch.Tensor) -> Forward:
    """Run the networks on the rows of X (n, d); `sign`: the fixed output layer v, (S, 1, m)."""
    hidden = [X.mT]
    for weight in weights:
        hidden.append(torch.relu(weight @ hidden[-1]))
    return Forward(weights, sign, tuple(hidden), (sign @ hidden[-1]).squeeze(1))


def frobenius(layers: Weights) -> torch.Tensor:
    """Return the Frobenius norms, (S, layers)."""
    return torch.stack([torch.linalg.vector_norm(layer, dim=(1, 2)) for layer in layers], dim=1)
