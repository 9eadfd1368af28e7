"""cao2019 put to the test: its bound, its step size and its verdicts, worked out by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from plain import Plain, check, verify

from boundcalc.constants import ConstantPolicy
from boundcalc.errors import InputError
from boundcalc.estimate.tangent_class import tangent_infimum
from boundcalc.train.networks import scaled_relu
from boundcalc.train.sgd import sample_orders
from boundcalc.verify.case import Options, make_case
from boundcalc.verify.experiments.online import jury
from boundcalc.verify.runner import Result, run

DIGITS = Options("digits", ("3", "8"), rows=30, width=12, trials=2, dtype="float64")
GIVEN = {"L": Fraction(3), "R": Fraction(4)}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(make_case("cao2019", DIGITS, GIVEN), tmp_path_factory.mktemp("runs") / "run")


def test_sgd_is_that_of_the_statement(result: Result) -> None:
    case, n = result.case, result.case.train.n
    eta = 4 / (12 * math.sqrt(n))  # κ R/(m √n), κ = 1
    assert result.prescribed.step_size == pytest.approx(eta, rel=1e-9)
    judging = jury(case, n)
    judges = judging.unseen.data
    assert judging.iterates.tolist() == list(range(n))
    for trial, record in result.trained.items():
        plain, errors = Plain(scaled_relu(3, 12, 64, 0.5), trial), []
        for t, row in enumerate(sample_orders(n, trials=(trial,), seed=0)[0]):
            errors.append(plain.errors(judges.X[t : t + 1], judges.y[t : t + 1]))
            plain.step(case.train.X[row : row + 1], case.train.y[row : row + 1], eta)
        assert record.facts["mean_error"] == pytest.approx(np.mean(errors))


def test_bound_takes_the_tangent_features_of_the_very_init(result: Result) -> None:
    case, n = result.case, result.case.train.n
    rest = (3 * 4 + math.sqrt(math.log(20))) / math.sqrt(n)
    gaps, bounds = [], []
    for trial, record in result.trained.items():
        found = tangent_infimum(
            scaled_relu(3, 12, 64, 0.5), case.train.X, case.train.y, radius=4 / math.sqrt(12), trials=(trial,), seed=0
        )
        assert record.facts["tangent_loss_lower"] == pytest.approx(found.lower[0], abs=1e-4)
        assert record.facts["tangent_loss_upper"] == pytest.approx(found.upper[0], abs=1e-4)
        assert max(record.facts["tangent_norms_times_sqrt_m"]) <= 4 * (1 + 1e-9)
        gaps.append(record.facts["mean_error"] - 4 * record.facts["tangent_loss_lower"])
        bounds.append(4 * record.facts["tangent_loss_lower"] + rest)
    claimed = check(result, "nearest to its bound")
    assert claimed.claimed
    assert claimed.bound == pytest.approx(bounds[int(np.argmax(gaps))], rel=1e-9)
    upper = check(result, "at upper limits")
    assert upper.bound == pytest.approx(rest, rel=1e-9)
    assert upper.needed == pytest.approx(max(0.0, upper.measured / rest), abs=1e-12)
    assert result.conclusion.vacuous == (min(bounds) >= 1)


def test_width_is_that_of_the_statement(result: Result) -> None:
    n = result.case.train.n
    width = 4 * 3 * n**7 * math.log(20)  # Õ(R^p_R L^p_L) n⁷ log(1/δ), p_R = p_L = 1
    assert float(result.prescribed.solutions["width"].value or 0) == pytest.approx(width, rel=1e-9)


def test_failures_cannot_refute_what_was_not_consulted(tmp_path: Path) -> None:
    # Labels that say nothing: the error is 1/2, while tangent features of that radius fit them.
    options = replace(DIGITS, data="random-labels:n=24,d=20", classes=None, rows=None, width=60)
    policy = ConstantPolicy({"C_gen": Fraction(1, 10**9)})
    result = run(make_case("cao2019", options, {"L": Fraction(2), "R": Fraction(25)}, policy), tmp_path / "run")
    for record in result.trained.values():
        assert record.facts["mean_error_interval"][0] > 4 * record.facts["tangent_loss_upper"]
        assert record.success is False
    assert result.verdict == "inconclusive"
    (premise,) = (premise for premise in result.premises if premise.name == "parameterization")
    assert premise.met
    assert not premise.certified
    lower = check(result, "at lower limits")
    assert lower.needed is not None
    assert lower.bound is not None
    assert lower.needed > Fraction(1, 10**9)
    assert not lower.holds


def test_command_writes_a_report_and_says_what_it_assumes(tmp_path: Path) -> None:
    done = verify(
        "cao2019", "--data", "digits", "--classes", "3,8", "--width", "8", "--trials", "2", "L=2",
        "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))
    assert report["inputs"]["R"] == 10
    assert "R" in report["assumed"]
    assert any("original was not consulted" in note for note in report["notes"])
    assert [check["claimed"] for check in report["checks"]].count(True) == 1


@pytest.mark.parametrize(("given", "words"), [({"epsilon": "1/10"}, "epsilon"), ({"alpha": "1/2"}, "alpha")])
def test_inputs_that_the_statement_does_not_have(given: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_case("cao2019", DIGITS, {**GIVEN, **{name: Fraction(value) for name, value in given.items()}})
