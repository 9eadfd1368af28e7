"""Population 0-1 errors from examples that training never saw: exact intervals, and what they decide.

All intervals of a run miss together with probability `MISREADING` at most (a union bound), so that the success of each
init is read off them without disturbing the interval over the inits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from boundcalc.data import Dataset, draw_fresh
from boundcalc.errors import InputError
from boundcalc.verify.case import Case

MISREADING = 1e-3
"""The most with which any interval of a run may miss what it is for."""

FRESH_EXAMPLES = 4096
"""How many fresh examples are drawn where the data's law is known: then an error is known to within 0.05."""

FRESH_BEYOND = 512
"""As many where weights are not stored, and an example costs a direction or a row of a kernel: to within 0.15."""

_STREAM = 2**32 - 5
"""Marks the seeds of fresh examples; larger than any trial number, by which inits are seeded."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Unseen:
    """Examples that training never saw: fresh from the data's own law, or held out."""

    data: Dataset
    fresh: bool
    repeated: int = 0

    @property
    def note(self) -> str:
        """Where population errors come from, for the report."""
        law = (
            f"{self.data.n} fresh examples of the law that the training examples were drawn from (planted rows apart)"
            if self.fresh
            else f"the {self.data.n} held-out examples, taken as independent draws of the population"
        )
        if self.repeated and not self.fresh:
            law += f" ({self.repeated} more equal a training example and were left out, so that errors may be too high)"
        return (
            f"Population 0-1 errors are measured on {law}; an output of exactly 0 counts as an error. Their intervals "
            f"are exact, and all of them together hold with probability ≥ {1 - MISREADING:g}."
        )


def unseen_examples(case: Case, count: int | None = None, draw: int = 0) -> Unseen:
    """Return `count` fresh examples where the data's law is known (as many as the engine allows), else those held out.

    The same draw of a run gives the same examples, whatever the inits; another draw is independent of it.
    """
    if count is None:
        count = FRESH_EXAMPLES if case.engine == "dense" else FRESH_BEYOND
    seeds = np.random.SeedSequence(case.options.seed, spawn_key=(_STREAM, draw))
    fresh = draw_fresh(case.options.data, count, np.random.Generator(np.random.PCG64(seeds)))
    return Unseen(case.test, False, case.repeated) if fresh is None else Unseen(fresh, True)


@dataclass(frozen=True)
class PopulationError:
    """Measured 0-1 errors and intervals lower ≤ truth ≤ upper of the population errors behind them; equal shapes."""

    measured: Array
    lower: Array
    upper: Array

    def decide(self, bound: float | Array) -> bool | None:
        """Whether all errors lie within their bounds: True or False where that is proven, None where it is not."""
        if bool((self.lower > bound).any()):
            return False
        return True if bool((self.upper <= bound).all()) else None

    def __getitem__(self, index: Any) -> PopulationError:
        """Return some of the errors."""
        return PopulationError(*(np.asarray(part[index]) for part in (self.measured, self.lower, self.upper)))


def population_error(wrong: Array | Sequence[float] | float, examples: int, intervals: int) -> PopulationError:
    """Return the population errors behind `wrong` of `examples` independent examples, each by Clopper–Pearson.

    wrong: numbers of errors, any shape. intervals: how many intervals the whole run makes, over all inits and
    checkpoints; each misses with probability `MISREADING`/intervals at most, half on either side.

    Raises:
        InputError: counts that are not whole numbers from 0 to `examples`, no examples, or no intervals.
    """
    counts = np.asarray(wrong, dtype=np.float64)
    if examples < 1 or intervals < 1 or not bool(((counts >= 0) & (counts <= examples) & (counts % 1 == 0)).all()):
        raise InputError(f"{wrong} errors among {examples} examples in {intervals} intervals; give counts within them")
    lower, upper = _limits(counts, counts, examples, MISREADING / intervals / 2)
    return PopulationError(counts / examples, lower, upper)


def mean_error(mean: float, examples: int, weight: float, intervals: int) -> PopulationError:
    """Return the mean of several networks' population errors behind a mean of their errors on shared examples.

    mean: Σ_j Y_j with Y_1, …, Y_N independent, N = `examples`, each within [0, `weight`]: example j's share of all the
    errors. The Y_j/weight are within [0, 1], so by Bentkus' inequality P(Σ Y_j ≥ weight·x) ≤ e·P°(Binomial(N, p) ≥ x)
    with p = E[Σ Y_j]/(N·weight), P° the log-linear interpolation between whole x: the limits are those of
    Clopper–Pearson at a level e times smaller, x rounded to the safe side. Source: Bentkus, On Hoeffding's
    inequalities, Annals of Probability 2004.

    Raises:
        InputError: a mean outside [0, 1], or weights that cannot add up to it.
    """
    if examples < 1 or intervals < 1 or not 0 <= mean <= 1 or not weight > 0 or mean > examples * weight * (1 + 1e-9):
        raise InputError(f"mean error {mean} of {examples} examples weighing {weight:g}; give a mean that they make up")
    x = min(mean / weight, examples)
    low, high = np.array([np.floor(x)]), np.array([np.ceil(x)])
    lower, upper = _limits(low, high, examples, MISREADING / intervals / 2 / math.e)
    scale = examples * weight
    return PopulationError(np.array(mean), lower[0] * scale, np.minimum(upper[0] * scale, 1.0))


def _limits(low: Array, high: Array, examples: int, tail: float) -> tuple[Array, Array]:
    """The lower Clopper–Pearson limit at `low` successes and the upper one at `high`, each at this tail."""
    lower = np.where(low == 0, 0.0, stats.beta.ppf(tail, np.maximum(low, 1), examples - low + 1))
    upper = np.where(high == examples, 1.0, stats.beta.isf(tail, high + 1, np.maximum(examples - high, 1)))
    return np.asarray(lower), np.asarray(upper)
