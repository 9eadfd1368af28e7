"""How the smallest sufficient number of steps, or width, grows with an input: fitted exponents beside the theorem's.

Each init gives one exponent: the least-squares slope of log(what sufficed for it) over log(the input). The inits are
independent and identically distributed, so Student's interval over their slopes is one for the mean exponent, whatever
the errors at the single points have in common.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from boundcalc.constants import ConstantUse
from boundcalc.errors import InputError, PremiseError
from boundcalc.verify.case import Case
from boundcalc.verify.progress import Progress
from boundcalc.verify.runner import Result
from boundcalc.verify.settings import Setting, Study, powers_of_two, settings_of
from boundcalc.verify.statistics import CONFIDENCE

Of = Literal["T", "m"]
"""What is asked for: the smallest sufficient number of steps (T, whatever the statement calls it), or width."""

_QUANTITY: Mapping[str, str] = {"T": "iterations", "m": "width"}


@dataclass(frozen=True)
class Scaling:
    """The exponent of what sufficed in one input.

    values: (V,) of the input. sufficed: (S, V) for every init and value, nan where nothing that was tried sufficed; in
    the fit 0 steps count as 1. prescribed: (V,) log₁₀ of what the statement prescribes there, at the study's constants
    and the R found there.
    exponent, interval: the mean over the inits and its 95 % interval; the interval is None for fewer than two inits.
    theorem: the slope of `prescribed`, fitted likewise. used: inits that had a finite number at every value; the others
    say nothing about the exponent, which is therefore one given success. case: the verification at the first value.
    asked: the values that were asked for, of which n may come to an example more or less. constants: those that the run
    at each value was made at, whether they were given or it chose them.
    """

    of: Of
    name: str
    values: NDArray[np.float64]
    sufficed: NDArray[np.float64]
    prescribed: NDArray[np.float64]
    exponent: float
    interval: tuple[float, float] | None
    theorem: float
    used: int
    case: Case
    asked: tuple[Fraction, ...]
    constants: tuple[tuple[ConstantUse, ...], ...]


def scaling(
    study: Study, name: str, values: Sequence[Fraction], of: Of = "T", progress: Progress | None = None
) -> Scaling:
    """Verify at several values of one input, and fit the exponent of what sufficed.

    Args:
        study: the statement, its data and its other inputs.
        name: the input that varies; m the width, n the number of training examples.
        values: at least two.
        of: `T`, the first step at which the guarantee was met, or `m`, the narrowest of the widths 2, 4, 8, … and the
            run's own at which, and at all wider ones tried, the guarantee was met.
        progress: called as the runs go on.

    Raises:
        InputError: fewer than two values, m or n that is no whole number ≥ 1, m varied while the smallest m is asked
            for, a value at which the guarantee says nothing, no init with a number at every value, or what a
            verification refuses.
    """
    if len(set(values)) < 2:
        raise InputError(f"{len(set(values))} value of {name} makes no exponent; give at least two")
    if of == name == "m":
        raise InputError("m is varied and asked for; vary another input, or ask for T")
    from boundcalc.verify.experiments import EXPERIMENTS  # one of which uses this module

    if of == "T" and study.key in EXPERIMENTS and not EXPERIMENTS[study.key].first_step:
        raise InputError(_no_first_step(study.key))
    columns, prescribed, cases, constants = [], [], [], []
    x = np.array([float(value) for value in values])
    for index, setting in enumerate(settings_of({name: values})):
        found, result = _sufficed(study, setting, of, progress)
        columns.append(found)
        cases.append(result.case)
        constants.append(result.constants)
        if name == "n":  # both classes in proportion may come to an example more or less
            x[index] = result.case.train.n
        log10 = result.prescribed.solutions[_QUANTITY[of]].log10
        prescribed.append(math.nan if log10 is None else log10)
    sufficed = np.stack(columns, axis=1)
    complete = sufficed[np.isfinite(sufficed).all(axis=1)]
    if not len(complete):
        raise InputError(f"no init met the guarantee at every value of {name}; give other values, or a wider network")
    slopes = np.array([_slope(x, np.log10(np.maximum(row, 1))) for row in complete])
    return Scaling(
        of, name, x, sufficed, np.array(prescribed), float(slopes.mean()), mean_interval(slopes),
        _slope(x, np.array(prescribed)), len(complete), cases[0], tuple(values), tuple(constants),
    )  # fmt: skip


def _sufficed(study: Study, setting: Setting, of: Of, progress: Progress | None) -> tuple[NDArray[np.float64], Result]:
    """What sufficed for every init at one setting, nan where nothing did."""
    result = study.run(setting, progress)
    if result.conclusion.vacuous:
        raise InputError(
            f"at {setting.name} what {study.key} guarantees says nothing, so that any network meets it at once; leave "
            "that value out"
        )
    if of == "T":
        return steps_needed(result), result
    smallest = np.full(result.case.trials, np.nan)
    alive = np.ones(result.case.trials, dtype=bool)
    for width in sorted(powers_of_two(result.case.width), reverse=True):
        try:
            at = study.run(setting.with_width(width), progress)
        except PremiseError:
            if width == result.case.width:
                raise
            break  # too narrow for the premises themselves
        if at.conclusion.vacuous:
            break  # any width meets a guarantee that says nothing
        alive &= np.array([at.trained[trial].success is True for trial in sorted(at.trained)])
        smallest[alive] = width
        if not alive.any():
            break
    return smallest, result


def steps_needed(result: Result) -> NDArray[np.float64]:
    """The first step at which each init met the guarantee, nan where it never did.

    Raises:
        InputError: this statement's guarantee is not one of first steps.
    """
    name = result.case.experiment.first_step
    if not name:
        raise InputError(_no_first_step(result.case.theorem.key))
    steps = [result.trained[trial].facts[name] for trial in sorted(result.trained)]
    return np.array([math.nan if step is None else float(step) for step in steps])


def _no_first_step(key: str) -> str:
    return f"{key} has no first step at which it is met; ask for m"


def _slope(x: NDArray[np.float64], log10: NDArray[np.float64]) -> float:
    """Least-squares slope of log₁₀ y over log₁₀ x."""
    centred = np.log10(x) - np.log10(x).mean()
    return float(centred @ log10 / (centred @ centred))


def mean_interval(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Student's interval of a mean, None for fewer than two values."""
    count = len(values)
    if count < 2:
        return None
    half = float(stats.t.isf((1 - confidence) / 2, count - 1)) * float(values.std(ddof=1)) / math.sqrt(count)
    return float(values.mean()) - half, float(values.mean()) + half
