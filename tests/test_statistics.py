"""The interval and the verdict, against the definition of the Clopper–Pearson interval."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

from boundcalc.catalogue import CATALOGUE
from boundcalc.errors import InputError
from boundcalc.verify.checks import Premise
from boundcalc.verify.statistics import anytime_interval, clopper_pearson, fewest_trials, judge, outlook


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


def likelihood_ratio(p: float, s: int, f: int) -> float:
    """M(p) of `anytime_interval`, the mixture integrated numerically in mpmath."""
    with mp.workdps(30):
        density = lambda q: q ** (s - mp.mpf(1) / 2) * (1 - q) ** (f - mp.mpf(1) / 2) / mp.pi  # noqa: E731
        mixed = mp.quad(density, [0, 0.5, 1]) / 2 + (mp.mpf(1) / 2 if f == 0 else 0)
        return float(mixed / (mp.mpf(p) ** s * (1 - mp.mpf(p)) ** f))


@pytest.mark.parametrize(("s", "f"), [(0, 1), (1, 0), (3, 2), (72, 0), (40, 5), (1, 30)])
def test_anytime_interval_is_where_the_likelihood_ratio_is_below_20(s: int, f: int) -> None:
    low, high = anytime_interval(s, s + f)
    assert low <= s / (s + f) <= high
    if s:
        assert likelihood_ratio(low, s, f) == pytest.approx(20, rel=1e-6)
    if f:
        assert likelihood_ratio(high, s, f) == pytest.approx(20, rel=1e-6)


@pytest.mark.parametrize("p", [0.05, 0.5, 0.93, 0.97])
def test_anytime_interval_covers_at_all_times_at_once(p: float) -> None:
    """The exact probability of ever missing p in 60 trials, added up over all paths that have not missed it yet."""
    alive = {0: 1.0}
    missed = 0.0
    for trials in range(1, 61):
        reached: dict[int, float] = {}
        for successes, weight in alive.items():
            for step, chance in ((1, p), (0, 1 - p)):
                reached[successes + step] = reached.get(successes + step, 0.0) + weight * chance
        alive = {}
        for successes, weight in reached.items():
            low, high = anytime_interval(successes, trials)
            if low <= p <= high:
                alive[successes] = weight
            else:
                missed += weight
    assert missed <= 0.05


def test_anytime_interval_before_and_after_very_many_trials() -> None:
    assert anytime_interval(0, 0) == (0.0, 1.0)
    low, high = anytime_interval(50_000, 100_000)
    assert 0.49 < low < 0.5 < high < 0.51


@pytest.mark.parametrize("interval", [clopper_pearson, anytime_interval])
@pytest.mark.parametrize("trials", [1, 5, 72, 100])
def test_outlook_is_what_the_verdicts_will_be(trials: int, interval: Callable[[int, int], tuple[float, float]]) -> None:
    seen = outlook(trials, 0.05, interval)
    for failures in range(trials + 1):
        verdict = judge(interval(trials - failures, trials), 0.05, (), vacuous=False)
        supported = seen.supported_to is not None and failures <= seen.supported_to
        refuted = seen.refuted_from is not None and failures >= seen.refuted_from
        assert verdict == ("supported" if supported else "refuted at these constants" if refuted else "inconclusive")


def test_one_draw_of_the_examples_cannot_refute() -> None:
    assert outlook(72, 0.05, refutable=False).refuted_from is None
    assert CATALOGUE["chen2019/thm2.2"].over_sample
    assert not CATALOGUE["chen2019/thm2.1"].over_sample


def test_outlook_in_words() -> None:
    assert str(outlook(72, 0.05)) == (
        "72 inits: support if all succeed a success probability ≥ 0.95, refute from 9 failures on if every premise is "
        "certified"
    )
