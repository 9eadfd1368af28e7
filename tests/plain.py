"""Verifications, as a user runs them, and one init trained by automatic differentiation, to compare them with."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.train.networks import Network, initial_weights
from boundcalc.verify.checks import Check
from boundcalc.verify.runner import Result

Array = NDArray[np.float64]

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "boundcalc", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)


def check(result: Result, words: str) -> Check:
    (found,) = (check for check in result.conclusion.checks if words in check.name)
    return found


class Plain:
    """One init, trained by automatic differentiation."""

    def __init__(self, network: Network, trial: int) -> None:
        drawn = initial_weights(network, seed=0, trials=(trial,), dtype=torch.float64)
        self.scale = network.output_scale
        self.weights = [layer[0].clone().requires_grad_() for layer in drawn]

    def outputs(self, X: Array) -> torch.Tensor:
        h = torch.tensor(X).t()
        for weight in self.weights[:-1]:
            h = torch.relu(weight @ h)
        return self.scale * (self.weights[-1] @ h)[0]

    def loss(self, X: Array, y: Array) -> torch.Tensor:
        return torch.nn.functional.softplus(-torch.tensor(y) * self.outputs(X)).mean()

    def step(self, X: Array, y: Array, step_size: float) -> None:
        gradients = torch.autograd.grad(self.loss(X, y), self.weights)
        with torch.no_grad():
            for weight, gradient in zip(self.weights, gradients, strict=True):
                weight -= step_size * gradient

    def errors(self, X: Array, y: Array) -> int:
        return int((y * self.outputs(X).detach().numpy() <= 0).sum())
