"""What several experiments need: engines, steps to measure at, held-out errors, premises on the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.data import Dataset
from boundcalc.errors import InputError
from boundcalc.estimate import Estimate
from boundcalc.estimate.margins import Sampling, gamma_conjugate_kernel, gamma_random_feature
from boundcalc.solving import Solution
from boundcalc.symbols import show_fraction
from boundcalc.train.dense import peak_bytes
from boundcalc.train.engine import Engine
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Line, Picture, Premise
from boundcalc.verify.engines import EngineName
from boundcalc.verify.experiment import Note
from boundcalc.verify.record import Record, Records

MOST_ITERATIONS = 10**9

MARGIN_CONFIDENCE = 1 - 1e-6
"""Of a sampled bracket of γ: so near to 1 that the interval over the inits is not disturbed."""

_MEASURED = 24


class Defaults:
    """What most experiments have in common: nothing to measure on the data, nothing to certify, memory of training."""

    takes: tuple[str, ...] = ("epsilon", "L")
    defaults: Mapping[str, Fraction] = {}
    found: frozenset[str] = frozenset()
    first_step: str = ""
    dtype: str = "float32"
    widths: tuple[int, ...] = ()
    engines: tuple[EngineName, ...] = ("dense",)

    def examples_a_step(self, case: Case) -> int:
        """All of them."""
        return case.train.n

    def judged(self, case: Case) -> tuple[Dataset, ...]:
        """None."""
        return ()

    def measure(self, inputs: Mapping[str, Fraction], train: Dataset, seed: int, device: str) -> tuple[Estimate, ...]:
        """Measure nothing."""
        return ()

    def guess(self, case: Case) -> Mapping[str, Fraction] | None:
        """Nothing is left to guess."""
        return {}

    def bytes_needed(self, case: Case, trials: int) -> int:
        """The memory of training."""
        return peak_bytes(case.network, case.train.n, trials, case.dtype)

    def certify(self, case: Case, trials: Sequence[int], note: Note) -> list[Record]:
        """Certify nothing."""
        return []


def measured_steps(steps: int) -> tuple[int, ...]:
    """The steps at which costly things are measured: some two dozen, evenly spread over log t, and the last."""
    return tuple(sorted({int(t) for t in np.geomspace(1, max(steps, 1), _MEASURED)} | {steps}))


def steps_of(case: Case, solution: Solution, constant: str = "") -> int:
    """The number of steps to take: those prescribed times the probe's factor, and no more than the user allows.

    constant: the hidden constant that scales it, if there is one.

    Raises:
        InputError: more than `MOST_ITERATIONS`.
    """
    limit = case.options.iterations
    prescribed = solution.log10
    assert prescribed is not None
    if limit is None and (solution.value is None or float(solution.value) * case.factor("T") > MOST_ITERATIONS):
        raise InputError(
            f"the prescribed number of iterations is {solution.number}, too many to run; give a larger epsilon "
            f"(now {show_fraction(case.inputs['epsilon'])}){f', --set {constant}=…' if constant else ''} or "
            "--iterations N"
        )
    whole = math.inf if solution.value is None else math.ceil(Fraction(solution.value) * Fraction(case.factor("T")))
    return int(min(whole, limit if limit is not None else math.inf))


def step_size_of(case: Case, solution: Solution) -> float:
    """The step size, times the probe's factor.

    Raises:
        InputError: it lies beyond the precision that is trained in.
    """
    eta, limits = float(solution.value or 0) * case.factor("eta"), torch.finfo(case.dtype)
    if not limits.tiny <= eta <= limits.max:
        raise InputError(
            f"the prescribed step size is {solution.number}, beyond {case.options.dtype}; give --set C_eta=…, or "
            "another alpha"
        )
    return eta


def zero_one_errors(engine: Engine, dataset: Dataset) -> NDArray[np.float64]:
    """The number of examples with y f(x) ≤ 0 or undefined, for every init: an output of 0 has learnt nothing."""
    return _wrong(engine.outputs(dataset.X), dataset.y)


def training_errors(engine: Engine, train: Dataset) -> NDArray[np.float64]:
    """`zero_one_errors` on the examples that the engine trains on."""
    return _wrong(engine.outputs(), train.y)


def _wrong(f: torch.Tensor, y: NDArray[np.float64]) -> NDArray[np.float64]:
    margins = f.double().cpu().numpy() * y
    return np.asarray(np.sum(~(margins > 0), axis=1), dtype=np.float64)


def data_premises(case: Case) -> tuple[Premise, ...]:
    """That the inputs lie on the sphere and that the labels are binary."""
    norms = np.linalg.norm(case.train.X, axis=1)
    off = float(np.abs(norms - 1).max())
    return (
        Premise("unit inputs", off < 1e-9, f"max |‖x_i‖ − 1| = {off:.1e}"),
        Premise(
            "binary labels",
            bool(np.isin(case.train.y, (-1, 1)).all()),
            f"{int((case.train.y > 0).sum())} of +1, {int((case.train.y < 0).sum())} of −1",
        ),
    )


def loss_picture(trained: Records, level: str, target: float) -> Picture:
    """The training loss of every init over t + 1, beside the level that it should reach."""
    lines = []
    for record in trained.values():
        loss = record.series["loss"]
        t = np.arange(1, loss.size + 1, dtype=np.float64)
        lines.append(Line(f"init {record.trial}", t, loss))
    return Picture("loss", "step t + 1", "training loss L_S(W(t))", tuple(lines), levels=((level, target),), log_y=True)


def finite_or_none(value: float) -> float | None:
    """A JSON number; JSON has no infinity, and None says that there is none."""
    return float(value) if math.isfinite(value) else None


def six_digits_up(value: float) -> Fraction:
    """A positive number rounded up to six significant digits, exactly."""
    unit = Fraction(10) ** (math.floor(math.log10(value)) - 5)
    return math.ceil(Fraction(value) / unit) * unit


def six_digits_down(value: float | Fraction) -> Fraction:
    """A positive number rounded down to six significant digits, exactly."""
    unit = Fraction(10) ** (math.floor(math.log10(value)) - 5)
    return math.floor(Fraction(value) / unit) * unit


def separating_margin(name: str, inputs: Mapping[str, Fraction], train: Dataset, seed: int, device: str) -> Estimate:
    """Bracket γ of cao2020's Assumption 3.3 (gamma_random_feature) or 3.4 (gamma_conjugate_kernel, at κ^(L−1))."""
    if name == "gamma_conjugate_kernel":
        return gamma_conjugate_kernel(train.X, train.y, int(inputs["L"]) - 1, device=device)
    return gamma_random_feature(train.X, train.y, Sampling(seed=seed, confidence=MARGIN_CONFIDENCE), device=device)


def shown_positive(estimate: Estimate, inputs: Mapping[str, Fraction], train: Dataset) -> Estimate:
    """An estimate of what a statement assumes of the data to be positive.

    Raises:
        InputError: its lower end is not positive, and nobody gave a value instead.
    """
    if estimate.symbol not in inputs and not (estimate.lower or 0) > 0:
        raise InputError(
            f"{estimate.name} of {train.name} is between {estimate.lower:.6g} and {estimate.upper:.6g} and not "
            f"shown to be positive ({estimate.method}); give {estimate.symbol}=… to take it for granted"
        )
    return estimate


def assumption_premise(case: Case) -> Premise:
    """The statement's assumption on the data, at the value that was measured or given, beside the measured bracket."""
    (estimate,) = case.measured
    (assumption,) = (hypothesis for hypothesis in case.theorem.hypotheses if hypothesis.symbol is not None)
    value, low, high = case.inputs[estimate.symbol], estimate.lower or 0.0, estimate.upper or 0.0
    verdict = "proved" if value <= low else "refuted" if value > high else "neither proved nor refuted"
    return Premise(
        assumption.name,
        value <= high,
        f"{estimate.symbol} = {float(value):.10g} is {verdict}: {estimate.name} of the training data is between "
        f"{low:.10g} and {high:.10g} ({estimate.method})",
        certified=not low < value <= high,
    )
