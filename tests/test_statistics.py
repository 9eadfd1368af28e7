"""The interval and the verdict, against the definition of the Clopper–Pearson interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.errors import InputError
from boundcalc.verify.checks import Premise
from boundcalc.verify.statistics import clopper_pearson, fewest_trials, judge


def tail_at_least(k: int, n: int, p: float) -> float:
    """P[Binomial(n, p) ≥ k], summed term by term."""
    return math.fsum(math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.data())
def test_interval_ends_put_exactly_the_tail_on_the_observed_count(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    low, high = clopper_pearson(k, n)
    if k > 0:
        assert tail_at_least(k, n, low) == pytest.approx(0.025, rel=1e-8)
    else:
        assert low == 0
    if k < n:
        assert 1 - tail_at_least(k + 1, n, high) == pytest.approx(0.025, rel=1e-6)
    else:
        assert high == 1


def test_published_example() -> None:
    # 10 of 20 at 95 %: 0.2720 to 0.7280, in every table of exact binomial limits.
    assert clopper_pearson(10, 20) == (pytest.approx(0.27196, abs=5e-6), pytest.approx(0.72804, abs=5e-6))


@pytest.mark.parametrize(("delta", "trials"), [(0.05, 72), (0.1, 36), (0.01, 368), (0.5, 6)])
def test_fewest_trials_is_the_least_number_that_can_support(delta: float, trials: int) -> None:
    assert fewest_trials(delta) == trials
    assert 0.025 ** (1 / trials) >= 1 - delta > 0.025 ** (1 / (trials - 1))


@pytest.mark.parametrize(
    ("successes", "trials", "met", "vacuous", "verdict"),
    [
        (72, 72, True, False, "supported"),
        (71, 71, True, False, "inconclusive"),
        (60, 72, True, False, "refuted at these constants"),
        (66, 72, True, False, "inconclusive"),
        (72, 72, False, False, "premise unmet"),
        (0, 72, False, True, "premise unmet"),
        (72, 72, True, True, "vacuous"),
    ],
)
def test_verdicts_at_delta_005(successes: int, trials: int, met: bool, vacuous: bool, verdict: str) -> None:
    premises = (Premise("always", True, ""), Premise("asked", met, ""))
    assert judge(clopper_pearson(successes, trials), 0.05, premises, vacuous=vacuous) == verdict


def test_nothing_is_refuted_while_a_premise_is_only_not_contradicted() -> None:
    searched = (Premise("searched", True, "", certified=False),)
    assert judge((0.0, 0.1), 0.05, searched, vacuous=False) == "inconclusive"
    assert judge((0.96, 1.0), 0.05, searched, vacuous=False) == "supported"


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(InputError, match="make no interval"):
        clopper_pearson(successes, trials)
