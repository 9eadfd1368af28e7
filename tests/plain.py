"""Verifications, as a user runs them, and one init trained by automatic differentiation, to compare them with."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from boundcalc.cli import main
from boundcalc.train.networks import Network, initial_weights
from boundcalc.verify.checks import Check
from boundcalc.verify.runner import Result

Array = NDArray[np.float64]


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command within this process, without the time that a new one takes to load torch."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["boundcalc", "verify", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
    assert isinstance(stop.value.code, int)
    return subprocess.CompletedProcess(arguments, stop.value.code, out.getvalue(), err.getvalue())


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
