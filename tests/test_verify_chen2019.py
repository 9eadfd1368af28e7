"""chen2019's Theorems 2.2 and 2.3, put to the test: every measured number against a plain computation."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from plain import Plain, check, verify

from boundcalc.constants import ConstantPolicy
from boundcalc.data import draw_fresh
from boundcalc.errors import InputError
from boundcalc.report.verification import verdict_sentence
from boundcalc.train.sgd import sample_orders
from boundcalc.verify.case import Case, Options, make_case
from boundcalc.verify.experiments.bound_parts import affine_in, branches, needed, terms
from boundcalc.verify.experiments.online import jury
from boundcalc.verify.experiments.population import mean_error
from boundcalc.verify.runner import Result, run

DIGITS = Options("digits", ("3", "8"), rows=30, width=10, trials=2, dtype="float64", search_steps=3000)
SPHERE = Options("sphere:n=40,d=4,margin=0.4", width=10, trials=2, dtype="float64", search_steps=3000)
GIVEN = {"L": Fraction(3), "epsilon": Fraction(1, 5)}


def by_hand(result: Result) -> tuple[float, float, float, float]:
    """Both branches of Theorem 2.2's min, the term in δ at C = 1, and R."""
    case, R = result.case, float(result.prescribed.found["R"])
    L, m, n, alpha, delta = 3, case.width, case.train.n, 0.5, 0.05
    first = 4**L * L**2 * R * math.sqrt(m / n)
    second = L**1.5 * R / math.sqrt(n) + L ** (11 / 3) * R ** (4 / 3) / m ** (alpha / 3)
    return first, second, math.sqrt(math.log(1 / delta) / n), R


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Result:
    policy = ConstantPolicy({"C_T": Fraction(1, 20)})
    return run(make_case("chen2019/thm2.2", DIGITS, GIVEN, policy), tmp_path_factory.mktemp("runs") / "path")


def test_errors_and_losses_along_the_path_are_those_of_plain_descent(path: Result) -> None:
    case, steps = path.case, path.prescribed.steps
    assert path.prescribed.step_size == pytest.approx(1 / (3 * 10), rel=1e-9)  # L^(−1) m^(−2α)
    for trial, record in path.trained.items():
        plain, at = Plain(case.network, trial), record.series["measured_steps"].astype(int).tolist()
        assert at[0] == 0
        assert at[-1] == steps
        for t in range(steps + 1):
            assert record.series["loss"][t] == pytest.approx(plain.loss(case.train.X, case.train.y).item(), rel=1e-7)
            if t in at:
                wrong = plain.errors(case.test.X, case.test.y)
                assert record.series["error"][at.index(t)] == wrong / case.test.n
            plain.step(case.train.X, case.train.y, path.prescribed.step_size)
        assert record.facts["error_at_end"] == wrong / case.test.n


def test_the_bound_and_its_branches_are_those_of_the_paper(path: Result) -> None:
    first, second, delta_term, _ = by_hand(path)
    records = list(path.trained.values())
    gaps = {
        name: max(
            float((r.series[name] - 2 * r.series["loss"][r.series["measured_steps"].astype(int)]).max())
            for r in records
        )
        for name in ("error", "error_lower", "error_upper")
    }
    smaller = min(first, second)
    nearest = check(path, "nearest to its bound")
    assert nearest.claimed
    assert nearest.bound - nearest.measured == pytest.approx(smaller + delta_term - gaps["error"], rel=1e-9)
    for words, gap, value in (
        ("lower limits", gaps["error_lower"], smaller),
        ("upper limits", gaps["error_upper"], smaller),
        ("branch 4^L", gaps["error"], first),
        ("branch L^(3/2)", gaps["error"], second),
    ):
        found = check(path, words)
        assert found.measured == pytest.approx(gap, abs=1e-12)
        assert found.bound == pytest.approx(value + delta_term, rel=1e-9)
        assert found.needed == pytest.approx(max(0.0, (gap - delta_term) / value), abs=1e-12)
        assert not found.claimed
    note = next(note for note in path.conclusion.notes if "smaller branch" in note)
    assert f"{min(first, second):.6g} < " in note
    assert path.conclusion.vacuous
    assert path.verdict == "vacuous"
    assert path.successes == 2


def test_constants_written_into_the_bound_scale_their_own_parts(path: Result) -> None:
    statement = replace(
        path.case.statement.with_inputs(**path.prescribed.found),
        policy=ConstantPolicy({"C_gen": Fraction(1, 7), "C_delta": Fraction(3)}),
    )
    first, second, delta_term, _ = by_hand(path)
    bound = affine_in(statement, "error", "L_S")
    assert bound.factor == 2
    assert bound.rest == pytest.approx(min(first, second) / 7 + 3 * delta_term, rel=1e-9)
    assert bound.at(0.25) == pytest.approx(0.5 + bound.rest)
    (_, alone), _ = branches(bound.rest_expr)
    assert needed(statement, alone, "C_gen", 50.0) == pytest.approx((50 - 3 * delta_term) / first, rel=1e-9)
    assert needed(statement, alone, "C_gen", 0.0) == 0.0


def test_parts_are_refused_where_a_bound_has_other_ones(path: Result) -> None:
    statement = path.case.statement.with_inputs(**path.prescribed.found)
    with pytest.raises(InputError, match="0 minima"):
        branches(statement.bound_on("T").expr)
    with pytest.raises(InputError, match="not linear in R"):
        affine_in(statement, "error", "R")
    assert len(terms(statement.bound_on("error").expr)) == 3


def test_a_path_cut_short_proves_nothing(tmp_path: Path) -> None:
    case = make_case("chen2019/thm2.2", replace(DIGITS, iterations=3), GIVEN)
    result = run(case, tmp_path / "run")
    assert [record.success for record in result.trained.values()] == [None, None]
    assert result.undecided == 2
    assert any("up to t = 3 of T = " in note for note in result.conclusion.notes)


def test_an_init_that_is_on_its_way_to_the_target_is_undecided(tmp_path: Path) -> None:
    whole = run(make_case("chen2019/thm2.1", replace(DIGITS, iterations=None), GIVEN), tmp_path / "whole")
    T = math.ceil(9 * float(whole.prescribed.found["R"]) ** 2 / 0.2)
    assert [record.success for record in whole.trained.values()] == [True, True]
    first = min(record.facts["first_step_reached"] for record in whole.trained.values())
    cut = run(make_case("chen2019/thm2.1", replace(DIGITS, iterations=first - 1), GIVEN), tmp_path / "cut")
    assert [record.success for record in cut.trained.values()] == [None, None]
    assert (cut.successes, cut.undecided, cut.verdict) == (0, 2, "inconclusive")
    assert f"(of T = {T})" in cut.conclusion.success
    assert check(cut, "first step").bound == T
    assert not check(cut, "least training loss").claimed
    assert any(f"Only {first - 1} of the {T}" in note for note in cut.conclusion.notes)


def test_errors_above_the_bound_at_one_sample_refute_nothing(tmp_path: Path) -> None:
    # Labels that inputs say nothing of: the error is 1/2 whatever is learnt, and 2 L_S falls below it.
    options = replace(DIGITS, data="random-labels:n=24,d=20", classes=None, rows=None, width=40)
    tiny = {"C_gen": Fraction(1, 10**9), "C_delta": Fraction(1, 10**9), "C_n": Fraction(1, 10**9)}
    given = {**GIVEN, "L": Fraction(2)}
    # At a C_m that nobody set, the width suffices by choice, and a failure shows only that the choice was too small.
    chosen = run(make_case("chen2019/thm2.2", options, given, ConstantPolicy(tiny)), tmp_path / "chosen")
    assert chosen.verdict == "inconclusive"
    policy = ConstantPolicy({**tiny, "C_m": Fraction(1, 10**40)})
    result = run(make_case("chen2019/thm2.2", options, given, policy), tmp_path / "run")
    for record in result.trained.values():
        assert record.success is False
        assert record.facts["error_at_end_interval"][0] > 2 * record.facts["final_loss"]
        assert record.facts["error_at_end"] == pytest.approx(0.5, abs=0.05)
    # These examples may be among the δ of all draws on which it may fail.
    assert result.interval[1] < 1 - float(result.case.failure)
    assert result.verdict == "inconclusive"
    assert [premise.name for premise in result.premises if not premise.certified] == ["training examples"]
    assert "given these training examples" in verdict_sentence(result)
    worst = max(record.facts["largest_gap"] for record in result.trained.values())
    assert check(result, "nearest to its bound").measured > check(result, "nearest to its bound").bound
    assert check(result, "branch 4^L").measured == pytest.approx(worst)


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(make_case("chen2019/thm2.3", DIGITS, GIVEN), tmp_path_factory.mktemp("runs") / "online")


def test_iterates_of_sgd_are_judged_on_an_example_each(online: Result) -> None:
    case, n = online.case, online.case.train.n
    judging = jury(case, n)
    judges = judging.unseen.data
    assert judging.iterates.tolist() == list(range(n))  # there are more examples than steps
    R = float(online.prescribed.found["R"])
    eta = 1 / case.width * min(3 * R**2 / (n * 0.2), 1 / 3)
    assert online.prescribed.step_size == pytest.approx(eta, rel=1e-9)
    assert online.prescribed.steps == n
    orders = sample_orders(n, trials=(0, 1), seed=0)
    for trial, record in online.trained.items():
        plain, errors, missed = Plain(case.network, trial), [], []
        for t, row in enumerate(orders[trial]):
            errors.append(plain.errors(judges.X[t : t + 1], judges.y[t : t + 1]))
            example = case.train.X[row : row + 1], case.train.y[row : row + 1]
            missed.append(plain.errors(*example))
            plain.step(*example, eta)
        np.testing.assert_array_equal(record.series["error"], errors)
        np.testing.assert_array_equal(record.series["next_error"], missed)
        assert record.facts["mean_error"] == pytest.approx(np.mean(errors))
        assert record.facts["next_example_error"] == pytest.approx(np.mean(missed))
        lower, upper = record.facts["mean_error_interval"]
        assert lower < np.mean(errors) < upper


def test_few_examples_are_asked_of_iterates_drawn_from_equal_parts(tmp_path: Path) -> None:
    options = replace(DIGITS, rows=60, test_fraction=Fraction(1, 20))
    result = run(make_case("chen2019/thm2.3", options, GIVEN), tmp_path / "run")
    case, n = result.case, 60
    judging = jury(case, n)
    assert case.train.n == n
    assert judging.size == case.test.n == 18
    parts = judging.iterates / (n / 18)
    np.testing.assert_array_less(np.arange(18) - 1 / (n / 18), parts)  # an iterate may belong to two parts
    np.testing.assert_array_less(parts, np.arange(1, 19))
    orders, eta = sample_orders(n, trials=(0, 1), seed=0), result.prescribed.step_size
    for trial, record in result.trained.items():
        plain, errors = Plain(case.network, trial), []
        for t, row in enumerate(orders[trial]):
            for j in np.flatnonzero(judging.iterates == t):
                errors.append(plain.errors(judging.unseen.data.X[j : j + 1], judging.unseen.data.y[j : j + 1]))
            plain.step(case.train.X[row : row + 1], case.train.y[row : row + 1], eta)
        np.testing.assert_array_equal(record.series["error"], errors)
        np.testing.assert_array_equal(record.series["judged_at"], judging.iterates)
        found = mean_error(float(np.mean(errors)), 18, 1 / 18, 2)
        assert record.facts["mean_error_interval"] == pytest.approx([float(found.lower), float(found.upper)])


def test_a_jury_is_a_random_order_of_the_held_out_examples(online: Result) -> None:
    held_out, judges = online.case.test, jury(online.case, 12).unseen.data
    assert not np.array_equal(judges.X, held_out.X)
    both = [np.lexsort(part.X.T) for part in (held_out, judges)]
    np.testing.assert_array_equal(judges.X[both[1]], held_out.X[both[0]])
    np.testing.assert_array_equal(judges.y[both[1]], held_out.y[both[0]])
    assert jury(online.case, 5).iterates.tolist() == [0, 1, 2, 3, 4]


def test_every_iterate_is_judged_as_often_as_every_other(online: Result) -> None:
    steps, repeats = 100, 3000  # for 90 examples: parts that are no whole number of iterates
    counts = np.zeros(steps)
    for seed in range(repeats):
        case = replace(online.case, options=replace(online.case.options, seed=seed))
        iterates = jury(case, steps).iterates
        assert iterates.size == 90
        assert (np.diff(iterates) >= 0).all()
        np.add.at(counts, iterates, 1)
    # Each is judged 0.9 times on average, with a variance of at most that: five standard deviations, and some.
    np.testing.assert_allclose(counts / repeats, 0.9, atol=5 * math.sqrt(0.9 / repeats))


def test_the_interval_covers_the_mean_over_all_iterates_though_few_are_judged() -> None:
    random = np.random.default_rng(4)
    rates, size, missed, repeats = np.linspace(0.9, 0.02, 300) ** 2, 40, 0, 500
    for _ in range(repeats):
        iterates = ((np.arange(size) + random.random(size)) * (300 / size)).astype(int)
        found = mean_error(float((random.random(size) < rates[iterates]).mean()), size, 1 / size, 1)
        missed += not found.lower <= rates.mean() <= found.upper
    assert missed == 0


def test_a_resolution_is_half_the_widest_interval(online: Result) -> None:
    judging = jury(online.case, online.case.train.n)
    found, other = (mean_error(mean, judging.size, 1 / judging.size, 2) for mean in (0.5, 0.3))
    assert judging.resolution(2) == pytest.approx(float(found.upper - found.lower) / 2)
    assert float(other.upper - other.lower) / 2 <= judging.resolution(2)
    assert any(f"±{judging.resolution(2):.2g} where it is widest" in note for note in online.conclusion.notes)


def test_distances_are_those_of_every_step(online: Result) -> None:
    case, n = online.case, online.case.train.n
    eta, orders = online.prescribed.step_size, sample_orders(n, trials=(0, 1), seed=0)
    for trial, record in online.trained.items():
        plain, start = Plain(case.network, trial), Plain(case.network, trial)
        furthest = [0.0]
        for row in orders[trial]:
            plain.step(case.train.X[row : row + 1], case.train.y[row : row + 1], eta)
            moved = zip(plain.weights, start.weights, strict=True)
            furthest.append(max(float(torch.linalg.norm((w - w0).detach())) for w, w0 in moved))
        np.testing.assert_allclose(record.series["distances"], furthest, rtol=1e-5, atol=1e-9)


def test_the_bound_on_a_random_iterate_is_that_of_the_paper(online: Result) -> None:
    n, R = online.case.train.n, float(online.prescribed.found["R"])
    parts = 8 * 9 * R**2 / n, 8 * math.log(20) / n, 24 * 0.2
    claimed = online.conclusion.checks[0]
    assert claimed.claimed
    assert claimed.bound == pytest.approx(sum(parts), rel=1e-9)
    assert claimed.constant == ""
    assert online.verdict == "vacuous"
    note = next(note for note in online.conclusion.notes if note.startswith("The bound is the sum"))
    assert all(f"{part:.6g}" in note for part in parts)
    assert "says nothing" in note


def test_fresh_examples_are_used_where_the_law_is_known(tmp_path: Path) -> None:
    result = run(make_case("chen2019/thm2.3", SPHERE, GIVEN), tmp_path / "run")
    n = result.case.train.n
    judging = jury(result.case, n)
    assert judging.iterates.tolist() == list(range(n))
    assert judging.unseen.fresh
    assert any(f"{n} fresh examples" in note for note in result.conclusion.notes)
    fresh = draw_fresh(SPHERE.data, n, np.random.Generator(np.random.PCG64(0)))
    assert fresh is not None
    assert not np.array_equal(fresh.X, judging.unseen.data.X)  # a stream of its own


def test_sgd_cut_short_leaves_the_other_iterates_open(tmp_path: Path) -> None:
    options = replace(DIGITS, iterations=10)
    result = run(make_case("chen2019/thm2.3", options, GIVEN), tmp_path / "run")
    n = result.case.train.n
    for record in result.trained.values():
        assert record.series["error"].size == 10
        lower, upper = record.facts["mean_error_interval"]
        assert lower <= 10 / n
        assert upper > (n - 10) / n
    assert any(f"Only 10 of n = {n} steps" in note for note in result.conclusion.notes)


def test_numbers_do_not_depend_on_companions(online: Result, tmp_path: Path) -> None:
    case: Case = replace(online.case, batch=1)
    trained = run(case, tmp_path / "run").trained
    for trial, record in trained.items():
        np.testing.assert_array_equal(record.series["error"], online.trained[trial].series["error"])


def test_more_steps_than_examples_are_refused(tmp_path: Path) -> None:
    options = replace(DIGITS, factors={"T": Fraction(3)})
    with pytest.raises(InputError, match="3 times the number of steps: online SGD takes one for each of the n = "):
        run(make_case("chen2019/thm2.3", options, GIVEN), tmp_path / "run")


@pytest.mark.parametrize(("statement", "least_checks"), [("chen2019/thm2.2", 8), ("chen2019/thm2.3", 6)])
def test_command_writes_a_report(statement: str, least_checks: int, tmp_path: Path) -> None:
    common = ["--data", "digits", "--classes", "3,8", "--width", "8", "--trials", "2", "L=2", "epsilon=0.3"]
    extra = ["--set", "C_T=0.01"] if statement.endswith("2.2") else []
    done = verify(statement, *common, *extra, "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert "vacuous" in done.stdout
    report = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))
    assert len(report["checks"]) >= least_checks
    assert all(premise["met"] for premise in report["premises"])
    assert sum(check["claimed"] for check in report["checks"]) == 1
    assert (tmp_path / "run" / "report.html").read_text("utf-8").count("<svg") >= 2


def test_wrong_input_gets_one_clear_line(tmp_path: Path) -> None:
    done = verify("chen2019/thm2.3", "--data", "digits", "--classes", "3,8", "T=5", "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
