"""From successes over independent inits to a verdict on a probability."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from scipy import stats

from boundcalc.errors import InputError
from boundcalc.verify.checks import Premise

Verdict = Literal["supported", "refuted at these constants", "inconclusive", "premise unmet", "vacuous"]

MOST_TRIALS = 100_000
"""The most inits of one run."""

CONFIDENCE = 0.95
"""The two-sided confidence of the interval; each of its ends errs with probability (1 − 0.95)/2 at most."""


def clopper_pearson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact two-sided confidence interval of a success probability.

    With a = (1 − confidence)/2 and k successes in n trials, the ends are the a-quantile of Beta(k, n − k + 1), 0 for
    k = 0, and the (1 − a)-quantile of Beta(k + 1, n − k), 1 for k = n. Source: Clopper and Pearson, Biometrika 1934.

    Raises:
        InputError: not 0 ≤ successes ≤ trials, no trials, or a confidence outside (0, 1).
    """
    if trials < 1 or not 0 <= successes <= trials or not 0 < confidence < 1:
        raise InputError(f"{successes} successes in {trials} trials at confidence {confidence} make no interval")
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(stats.beta.isf(tail, successes + 1, trials - successes))
    return low, high


def fewest_trials(delta: float, confidence: float = CONFIDENCE) -> int:
    """The least number of trials whose all succeeding puts the lower end at 1 − δ or above.

    That is the least n with ((1 − confidence)/2)^(1/n) ≥ 1 − δ.

    Raises:
        InputError: that takes more than `MOST_TRIALS`.
    """
    if delta >= 1:  # so near to 1 that float64 cannot tell
        return 1
    if math.log((1 - confidence) / 2) / math.log1p(-delta) > MOST_TRIALS:
        raise InputError(
            f"delta = {delta:g} takes more than {MOST_TRIALS} inits to support; give a larger delta, or --trials"
        )
    n = max(math.ceil(math.log((1 - confidence) / 2) / math.log1p(-delta)) - 1, 1)
    while clopper_pearson(n, n, confidence)[0] < 1 - delta:
        n += 1
    return n


def judge(interval: tuple[float, float], delta: float, premises: Iterable[Premise], *, vacuous: bool) -> Verdict:
    """The verdict on "with probability ≥ 1 − δ", at the constants used.

    An unmet premise goes before everything, because the statement then claims nothing; a vacuous guarantee goes before
    support, because meeting it shows nothing. Only where every premise is certified can anything be refuted.
    """
    premises = tuple(premises)
    if not all(premise.met for premise in premises):
        return "premise unmet"
    if vacuous:
        return "vacuous"
    low, high = interval
    if low >= 1 - delta:
        return "supported"
    if high < 1 - delta and all(premise.certified for premise in premises):
        return "refuted at these constants"
    return "inconclusive"
