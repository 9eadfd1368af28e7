"""From successes over independent inits to a verdict on a probability."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special, stats

from boundcalc.errors import InputError
from boundcalc.verify.checks import Premise

Verdict = Literal[
    "supported", "refuted at these constants", "inconclusive", "premise unmet", "vacuous",
    "holds in the limit", "fails in the limit",
]  # fmt: skip

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
            f"a success probability of 1 − {delta:g} takes more than {MOST_TRIALS} inits to support; give a larger "
            "delta, or --trials"
        )
    n = max(math.ceil(math.log((1 - confidence) / 2) / math.log1p(-delta)) - 1, 1)
    while clopper_pearson(n, n, confidence)[0] < 1 - delta:
        n += 1
    return n


def anytime_interval(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """A confidence interval of a success probability that may be looked at after every trial.

    With probability ≥ `confidence` it contains p after ALL numbers of trials at once, so that one may stop when it
    decides, and not only after a number of trials that was fixed before. It is {p : M(p) < 1/(1 − confidence)} for the
    likelihood ratio M(p) of s successes and f failures

        M(p) = [½·1{f = 0} + ½·B(s + ½, f + ½)/B(½, ½)] · p^(−s) (1 − p)^(−f),

    a mixture over alternatives of the ratios q^s (1 − q)^f / (p^s (1 − p)^f), half of it at q = 1 and half under
    Jeffreys' prior. M is a martingale with start 1 if p is true, and so exceeds 1/a with probability ≤ a (Ville). The
    half at q = 1 makes unbroken success as cheap to establish as with a fixed number of trials. Source of the method:
    Robbins, Annals of Mathematical Statistics 1970.

    Raises:
        InputError: not 0 ≤ successes ≤ trials, or a confidence outside (0, 1).
    """
    failures = trials - successes
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise InputError(f"{successes} successes in {trials} trials at confidence {confidence} make no interval")
    log_weight = math.log(0.5) + special.betaln(successes + 0.5, failures + 0.5) - special.betaln(0.5, 0.5)
    if failures == 0:
        log_weight = float(np.logaddexp(log_weight, math.log(0.5)))
    limit = -math.log(1 - confidence)

    def excess(p: float) -> float:
        """log M(p) − log 1/(1 − confidence): negative inside, convex in p."""
        return log_weight - special.xlogy(successes, p) - special.xlog1py(failures, -p) - limit

    middle = successes / trials if trials else 0.5
    low = 0.0 if successes == 0 else _crossing(excess, 0.0, middle)
    high = 1.0 if failures == 0 else _crossing(excess, 1.0, middle)
    return low, high


def _crossing(excess: Callable[[float], float], outside: float, inside: float) -> float:
    """Where a function that is positive towards `outside` and not at `inside` vanishes, by bisection to the last bit.

    The end on the outer side is returned, so that the interval is never too short.
    """
    while True:
        middle = (outside + inside) / 2
        if middle in (outside, inside):
            return outside
        if excess(middle) > 0:
            outside = middle
        else:
            inside = middle


@dataclass(frozen=True)
class Outlook:
    """What numbers of failures would decide, before anything is run.

    supported_to: the most failures with which the verdict can still be `supported`, None if even none will do.
    refuted_from: the fewest with which it is `refuted at these constants`, None if even all will not do.
    """

    trials: int
    required: float
    supported_to: int | None
    refuted_from: int | None

    def __str__(self) -> str:
        """In words."""
        support = {None: "cannot support", 0: "support if all succeed"}.get(
            self.supported_to, f"support with at most {self.supported_to} failures"
        )
        refute = (
            "cannot refute"
            if self.refuted_from is None
            else f"refute from {self.refuted_from} failures on if every premise is certified"
        )
        return f"{self.trials} inits: {support} a success probability ≥ {self.required:g}, {refute}"


def outlook(
    trials: int,
    delta: float,
    interval: Callable[[int, int], tuple[float, float]] = clopper_pearson,
    *,
    refutable: bool = True,
) -> Outlook:
    """What a number of inits can decide about "with probability ≥ 1 − δ", by an interval of (successes, trials).

    refutable: whether inits alone can refute it; not where the probability is over the training examples as well.
    """
    required = 1 - delta
    # Both ends fall with the number of failures, so each threshold is found by bisection.
    fails_to_support = bisect_left(
        range(trials + 1), True, key=lambda failures: interval(trials - failures, trials)[0] < required
    )
    refutes = bisect_left(
        range(trials + 1), True, key=lambda failures: interval(trials - failures, trials)[1] < required
    )
    return Outlook(
        trials,
        required,
        fails_to_support - 1 if fails_to_support else None,
        refutes if refutable and refutes <= trials else None,
    )


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
