"""Population errors: exact intervals against the definition, what they decide, and where fresh examples come from."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from boundcalc.data import draw_fresh, load
from boundcalc.errors import InputError
from boundcalc.verify.case import Options, make_case
from boundcalc.verify.experiments.population import (
    MISREADING,
    PopulationError,
    mean_error,
    population_error,
    unseen_examples,
)


def tail_at_least(k: int, n: int, p: float) -> float:
    """P[Binomial(n, p) ≥ k], summed term by term."""
    return math.fsum(math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))


def test_each_end_puts_its_share_of_the_misreading_on_the_count() -> None:
    found = population_error([0, 7, 40], 40, intervals=25)
    share = MISREADING / 25 / 2
    np.testing.assert_allclose(found.measured, [0, 7 / 40, 1])
    assert found.lower[0] == 0
    assert found.upper[2] == 1
    assert tail_at_least(7, 40, found.lower[1]) == pytest.approx(share, rel=1e-8)
    assert 1 - tail_at_least(8, 40, found.upper[1]) == pytest.approx(share, rel=1e-6)
    assert (1 - found.upper[0]) ** 40 == pytest.approx(share, rel=1e-8)
    assert found.lower[2] ** 40 == pytest.approx(share, rel=1e-8)


def test_decisions_are_made_only_where_they_are_proven() -> None:
    error = PopulationError(np.array([0.2, 0.1]), np.array([0.15, 0.05]), np.array([0.25, 0.3]))
    assert error.decide(0.3) is True
    assert error.decide(np.array([0.25, 0.3])) is True
    assert error.decide(0.29) is None
    assert error.decide(0.149) is False
    assert error[0].decide(0.26) is True
    assert error[1:].decide(0.26) is None


def test_mean_of_whole_counts_is_clopper_pearson_at_a_level_e_times_smaller() -> None:
    found = mean_error(9 / 50, 50, 1 / 50, intervals=3)
    share = MISREADING / 3 / 2 / math.e
    assert tail_at_least(9, 50, float(found.lower)) == pytest.approx(share, rel=1e-8)
    assert 1 - tail_at_least(10, 50, float(found.upper)) == pytest.approx(share, rel=1e-6)


def test_mean_between_counts_is_read_to_the_safe_side() -> None:
    between, below, above = (mean_error(x / 50, 50, 1 / 50, intervals=1) for x in (9.5, 9, 10))
    assert float(between.lower) == float(below.lower)
    assert float(between.upper) == float(above.upper)


def test_mean_with_a_heavier_weight_is_known_less_well() -> None:
    light, heavy = mean_error(0.2, 60, 1 / 60, 1), mean_error(0.2, 60, 1 / 40, 1)
    assert float(heavy.lower) < float(light.lower) < 0.2 < float(light.upper) < float(heavy.upper)


def test_mean_error_covers_means_that_are_not_binomial() -> None:
    # 30 iterates with errors 0.05 … 0.6, each example judged by 10 of them: the truth is their mean.
    random = np.random.default_rng(1)
    rates, N = np.linspace(0.05, 0.6, 30), 90
    blocks = np.arange(30) % 3
    missed, repeats = 0, 400
    for _ in range(repeats):
        difficulty = random.random(N)  # one threshold an example: the judgements of one example depend on each other
        shares = [np.mean([rates[k] > difficulty[b::3] for k in np.flatnonzero(blocks == b)]) for b in range(3)]
        found = mean_error(float(np.mean(shares)), N, 1 / N, intervals=1)
        missed += not found.lower <= rates.mean() <= found.upper
    assert missed == 0
    assert found.upper - found.lower < 0.5


@pytest.mark.parametrize("wrong", [-1, 11, 2.5, float("nan")])
def test_counts_that_cannot_be(wrong: float) -> None:
    with pytest.raises(InputError, match=r"10 examples"):
        population_error(wrong, 10, 1)


def test_means_that_cannot_be() -> None:
    with pytest.raises(InputError, match=r"1\.5"):
        mean_error(1.5, 10, 0.2, 1)
    with pytest.raises(InputError, match=r"0\.9"):
        mean_error(0.9, 10, 0.05, 1)


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("sphere:n=40,d=5,margin=0.2,seed=3", "linear"),
        ("relu-features:n=40,d=5,gamma=0.05,seed=3", "product"),
        ("conjugate:n=40,d=5,gamma=0.05,L=2,seed=3", "product"),
        ("random-labels:n=40,d=5,seed=3", "none"),
    ],
)
def test_fresh_examples_follow_the_law_of_the_generator(source: str, label: str) -> None:
    made = load(source)
    fresh = draw_fresh(source, 20_000, np.random.default_rng(5))
    assert fresh is not None
    assert (fresh.n, fresh.d) == (20_000, 5)
    # A larger data set of the same options shares its directions; the law's first moments are those of its rows.
    many = load(source.replace("n=40", "n=20004"))
    np.testing.assert_allclose(
        (fresh.X * fresh.y[:, None]).mean(axis=0), (many.X * many.y[:, None]).mean(axis=0), atol=0.02
    )
    np.testing.assert_allclose(fresh.X.T @ fresh.X / fresh.n, many.X.T @ many.X / many.n, atol=0.02)
    if label == "linear":  # rows 0 and 1 are ±margin·v plus the same rest
        direction = made.X[0] - made.X[1]
        direction /= np.linalg.norm(direction)
        assert (fresh.y * (fresh.X @ direction)).min() >= 0.2
    if label == "product":  # rows 0 to 3 are (±t, ±t, rest): differences span the plane that labels
        first, second = made.X[0] - made.X[3], made.X[0] - made.X[2]
        np.testing.assert_array_equal(np.sign(fresh.X @ first) * np.sign(fresh.X @ second), fresh.y)
    assert not np.isin(fresh.X[:, 0], made.X[:, 0]).any()


@pytest.mark.parametrize("source", ["xor:n=40,d=6", "spread:n=20,d=5", "digits", "wine"])
def test_no_fresh_examples_where_the_law_is_unknown(source: str) -> None:
    assert draw_fresh(source, 10, np.random.default_rng(0)) is None


def test_unseen_examples_are_fresh_or_held_out() -> None:
    generated = make_case("chen2019/thm2.1", Options("sphere:n=40,d=5,margin=0.2", width=8), {"R": Fraction(3)})
    one, again, other = (unseen_examples(generated, 50, draw) for draw in (0, 0, 1))
    assert one.fresh
    assert "50 fresh" in one.note
    np.testing.assert_array_equal(one.data.X, again.data.X)
    assert not np.isin(one.data.X[:, 0], other.data.X[:, 0]).any()
    digits = make_case("chen2019/thm2.1", Options("digits", classes=("3", "8"), width=8), {"R": Fraction(3)})
    held = unseen_examples(digits)
    assert held.data is digits.test
    assert "held-out" in held.note
