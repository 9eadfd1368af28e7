"""ji2020 and du2019 put to the test, against gradient descent written out in numpy and the statements as printed."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plain import verify

from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy
from boundcalc.data import load, split
from boundcalc.errors import BoundcalcError, InputError
from boundcalc.report.verification import write_reports
from boundcalc.train.networks import initial_weights, two_layer
from boundcalc.verify.case import Options, allowed_failure, make_case
from boundcalc.verify.experiments import EXPERIMENTS, UNVERIFIED
from boundcalc.verify.runner import Result, run
from boundcalc.verify.statement import Statement

Array = NDArray[np.float64]


PLANE = "sphere:n=16,d=2,margin=0.8"  # rows in a plane: γ is an exact sum there
SPREAD = "spread:n=8,d=12,phi=1.2"


def verified(key: str, folder: Path, data: str, given: dict[str, Fraction] | None = None, **options: Any) -> Result:
    factors = MappingProxyType({name: Fraction(value) for name, value in options.pop("factors", {}).items()})
    return run(make_case(key, Options(data=data, factors=factors, **options), given or {}), folder)


def premise(result: Result, name: str) -> Any:
    return next(one for one in result.premises if one.name == name)


def start(m: int, d: int, trial: int) -> tuple[Array, Array]:
    first, signs = initial_weights(two_layer(m, d), seed=0, trials=(trial,))
    return first[0].double().numpy(), signs[0, 0].double().numpy()


def averaged(X: Array, y: Array, m: int, trial: int, eta: float, T: int) -> tuple[Array, Array, Array]:
    """At t < T, of GD on the logistic loss: it, the furthest neuron's distance, and the surrogate error."""
    w, a = start(m, X.shape[1], trial)
    w_0, losses, distances, errors = w.copy(), [], [], []
    for _ in range(T):
        z = X @ w.T
        f = np.maximum(z, 0) @ a / math.sqrt(m)
        losses.append(np.mean(np.logaddexp(0, -y * f)))
        distances.append(np.sqrt(np.sum((w - w_0) ** 2, axis=1).max()))
        errors.append(np.mean(1 / (1 + np.exp(y * f))))
        gradient = ((z > 0) * (-y / (1 + np.exp(y * f)) / len(y))[:, None] * a / math.sqrt(m)).T @ X
        w = w - eta * gradient
    return np.array(losses), np.array(distances), np.array(errors)


@pytest.fixture(scope="module")
def averages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ji2020") / "run"
    done = verify("ji2020", "--data", PLANE, "--width", "12", "--trials", "2", "epsilon=0.65", "--out", str(folder))
    assert done.returncode == 3, done.stderr  # a premise is not met
    assert "premise unmet: 2 of 2 inits had an average loss ≤ 0.65" in done.stdout
    assert "which does not suffice at the constants given" in done.stdout
    return folder


def test_ji2020_prescribes_what_it_prints(averages: Path) -> None:
    report = json.loads((averages / "report.json").read_text("utf-8"))
    n, gamma, epsilon, delta, m = report["inputs"]["n"], report["inputs"]["gamma"], 0.65, 0.05, 12
    lambda_ = (math.sqrt(2 * math.log(4 * n / delta)) + math.log(4 / epsilon)) / (gamma / 4)
    assert report["prescribed"]["width"] == math.ceil(4096 * lambda_**2 / gamma**6)
    assert report["run"]["iterations"] == report["prescribed"]["iterations"] == math.ceil(2 * lambda_**2 / epsilon)
    assert report["run"]["step_size"] == 1
    assert report["required"] == pytest.approx(0.85)
    assert report["verdict"] == "premise unmet"
    unmet = [one["name"] for one in report["premises"] if not one["met"]]
    assert unmet == ["m ≥ m*"]
    distance = next(one for one in report["checks"] if one["name"].startswith("distance"))
    assert distance["bound"] == pytest.approx(4 * lambda_ / (gamma * math.sqrt(m)), rel=1e-9)


def test_ji2020_measures_what_plain_descent_does(averages: Path) -> None:
    report = json.loads((averages / "report.json").read_text("utf-8"))
    train, test = split(load(PLANE), 0.25, 0)
    T = report["run"]["iterations"]
    for init in report["initializations"]:
        losses, distances, _ = averaged(train.X, train.y, 12, init["trial"], 1.0, T)
        assert init["average_loss"] == pytest.approx(losses.mean(), rel=1e-3)
        running = np.cumsum(losses) / np.arange(1, T + 1)
        assert init["steps_to_average"] == 1 + int(np.argmax(running <= 0.65))
        assert init["furthest_neuron"] == pytest.approx(distances.max(), rel=1e-3)
        assert distances.max() <= init["furthest_neuron_at_most"] * (1 + 1e-3)
        assert init["furthest_neuron_at_most"] < 1.5 * distances.max()  # and it says something
        assert init["held_out_error"] * test.n == round(init["held_out_error"] * test.n)


def test_the_bound_between_measured_steps_holds_at_every_step(tmp_path: Path) -> None:
    """A neuron moves by η m^(−1/2) E_S(W(t)) a step at most; that is added to what was measured before."""
    result = verified("ji2020", tmp_path / "run", SPREAD, {"epsilon": Fraction(1, 2)}, width=6, trials=4,
                      iterations=300, dtype="float64", factors={"eta": 60})  # fmt: skip
    train, _ = split(load(SPREAD), 0.25, 0)
    for trial, record in result.trained.items():
        _, distances, errors = averaged(train.X, train.y, 6, trial, 60.0, 300)
        steps = record.series["distance_steps"].astype(int)
        assert (steps[0], steps[-1]) == (0, 299)
        limits = np.empty(300)
        for first, last in zip(steps, [*steps[1:], 300], strict=True):
            moved = 60.0 / math.sqrt(6) * np.concatenate([[0.0], np.cumsum(errors[first : last - 1])])
            limits[first:last] = distances[first] + moved
            assert (distances[first:last] <= limits[first:last] * (1 + 1e-9)).all()
        at_most = record.facts["furthest_neuron_at_most"]
        assert limits.max() <= at_most * (1 + 1e-9)
        assert at_most <= limits.max() + 60.0 / math.sqrt(6) * errors.max()  # one step more than that is counted
        assert record.facts["furthest_neuron"] == pytest.approx(distances[steps].max(), rel=1e-7)


def test_ji2020_curves_are_those_of_the_run(tmp_path: Path) -> None:
    result = verified("ji2020", tmp_path / "run", PLANE, {"epsilon": Fraction(1, 2)}, width=6, trials=1,
                      iterations=5000, dtype="float64")  # fmt: skip
    train, _ = split(load(PLANE), 0.25, 0)
    losses, distances, _ = averaged(train.X, train.y, 6, 0, 1.0, 5000)
    series = result.trained[0].series
    t = series["step"].astype(int) - 1
    assert (t[0], t[-1]) == (0, 4999)
    np.testing.assert_allclose(series["loss"], losses[t], rtol=1e-6)
    np.testing.assert_allclose(series["average"], (np.cumsum(losses) / np.arange(1, 5001))[t], rtol=1e-6)
    np.testing.assert_allclose(series["distances"], distances[series["distance_steps"].astype(int)], rtol=1e-6)


def test_ji2020_success_needs_all_steps_and_both_guarantees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"epsilon": Fraction(1, 2)}
    cut = verified("ji2020", tmp_path / "cut", PLANE, given, width=6, trials=2, iterations=50)
    assert [record.success for record in cut.trained.values()] == [None, None]
    assert any("Only 50 of the" in note for note in cut.conclusion.notes)
    assert not cut.conclusion.checks[0].claimed
    # T = 1 by the probe's factor: the loss of the initial network, above ε for some init and below for none.
    one = verified("ji2020", tmp_path / "one", PLANE, given, width=6, trials=2, factors={"T": Fraction(1, 10**6)})
    assert one.prescribed.steps == 1
    assert [record.success for record in one.trained.values()] == [
        bool(record.facts["average_loss"] <= 0.5) for record in one.trained.values()
    ]
    assert False in [record.success for record in one.trained.values()]
    # A neuron beyond its distance is a failure whatever the losses are.
    monkeypatch.setattr("boundcalc.verify.statement.Statement.bound", lambda self, symbol: 1e-6)
    far = verified("ji2020", tmp_path / "far", PLANE, given, width=6, trials=1, iterations=50)
    assert far.trained[0].success is False


def test_the_step_size_of_ji2020_may_be_chosen_and_counts_as_a_premise(tmp_path: Path) -> None:
    options: Any = {"width": 6, "trials": 1, "iterations": 20}
    half = verified("ji2020", tmp_path / "half", PLANE, {"eta": Fraction(1, 2)}, **options)
    one = verified("ji2020", tmp_path / "one", PLANE, {}, **options)
    assert half.prescribed.step_size == 0.5
    ratio = float(half.prescribed.solutions["iterations"].value or 0) / float(
        one.prescribed.solutions["iterations"].value or 1
    )
    assert ratio == pytest.approx(2, rel=1e-3)
    assert premise(half, "η ≤ 1").met
    assert not premise(verified("ji2020", tmp_path / "two", PLANE, {"eta": Fraction(2)}, **options), "η ≤ 1").met


def test_gamma_that_was_given_is_held_against_the_measured_bracket(tmp_path: Path) -> None:
    options: Any = {"width": 6, "trials": 1, "iterations": 5}
    measured = verified("ji2020", tmp_path / "measured", PLANE, {}, **options)
    (bracket,) = measured.case.measured
    truth = next(fact.value for fact in measured.case.train.truth if fact.name == "gamma_ji2020")
    assert bracket.lower is not None
    assert truth <= bracket.lower * (1 + 1e-6)  # v̄(z) = v has margin/2 on every row
    for value, met, certified in ((bracket.lower, True, True), (0.2, True, True), (0.49, False, True)):
        given = verified("ji2020", tmp_path / f"{value}", PLANE, {"gamma": Fraction(value)}, **options)
        found = premise(given, "NTK margin")
        assert (found.met, found.certified) == (met, certified), value
        assert given.case.inputs["gamma"] == Fraction(value)


def test_a_gamma_between_the_bounds_proves_nothing(tmp_path: Path) -> None:
    data = "sphere:n=8,d=3,margin=0.5"
    (bracket,) = make_case("ji2020", Options(data=data, trials=1), {}).measured
    assert bracket.lower is not None
    assert bracket.upper is not None
    between = Fraction((bracket.lower + bracket.upper) / 2)
    found = premise(
        verified("ji2020", tmp_path / "run", data, {"gamma": between}, width=6, trials=1, iterations=5), "NTK margin"
    )
    assert found.met
    assert not found.certified


def test_data_without_a_margin_need_one_to_be_given() -> None:
    said = r"gamma_ji2020 of random-labels.* is between 0 and 0\.\d+ and not shown.*give gamma=…"
    with pytest.raises(InputError, match=said):
        make_case("ji2020", Options(data="random-labels:n=60,d=3"), {})


def test_the_probability_that_is_required_is_the_guarantees_own() -> None:
    tenth = Fraction(1, 10)
    assert allowed_failure(CATALOGUE["ji2020"], tenth) == Fraction(3, 10)
    assert allowed_failure(CATALOGUE["du2019"], tenth) == tenth
    assert allowed_failure(CATALOGUE["cao2020/thm1.1"], tenth) == tenth  # "with high probability"
    assert make_case("ji2020", Options(data=PLANE), {}).trials == 23  # 0.025^(1/23) ≥ 0.85 > 0.025^(1/22)
    assert 0.025 ** (1 / 23) >= 0.85 > 0.025 ** (1 / 22)
    assert make_case("du2019", Options(data=SPREAD), {}).trials == 72


def test_a_promise_with_no_probability_left_is_vacuous(tmp_path: Path) -> None:
    given = {"delta": Fraction(2, 5)}
    result = verified("ji2020", tmp_path / "run", PLANE, given, width=6, iterations=5)
    assert result.case.failure == Fraction(6, 5)
    assert len(result.trained) == 1
    assert result.verdict == "premise unmet"  # m, which goes first


def squared(X: Array, y: Array, m: int, trial: int, eta: float, T: int) -> Array:
    """Losses ½Σ(f − y)² at t = 0, …, T of GD."""
    w, a = start(m, X.shape[1], trial)
    losses = []
    for _ in range(T + 1):
        z = X @ w.T
        f = np.maximum(z, 0) @ a / math.sqrt(m)
        losses.append(0.5 * np.sum((f - y) ** 2))
        w = w - eta * ((z > 0) * (f - y)[:, None] * a / math.sqrt(m)).T @ X
    return np.array(losses)


@pytest.fixture(scope="module")
def rate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("du2019") / "run"
    done = verify(
        "du2019", "--data", SPREAD, "--width", "40", "--trials", "2", "--set", "C_eta=2", "--out", str(folder)
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 2 inits kept the loss within its bound at every t" in done.stdout
    return folder


def test_du2019_is_checked_at_every_step(rate: Path) -> None:
    report = json.loads((rate / "report.json").read_text("utf-8"))
    train, _ = split(load(SPREAD), 0.25, 0)
    n = train.n
    cosines = np.clip(train.X @ train.X.T, -1, 1)
    least = np.linalg.eigvalsh(cosines * (math.pi - np.arccos(cosines)) / (2 * math.pi))[0]
    assert report["inputs"]["lambda_0"] == pytest.approx(least, rel=1e-8)
    eta = 2 * least / n**2
    assert report["run"]["step_size"] == pytest.approx(eta, rel=1e-8)
    assert report["run"]["dtype"] == "float64"
    T = report["run"]["iterations"]
    assert math.ceil(math.log(0.1) / math.log(1 - eta * least / 2)) == T
    assert report["prescribed"]["width"] == pytest.approx(n**6 / (least**4 * 0.05**3), rel=1e-6)
    t = np.arange(1, T + 1)
    bound = (1 - eta * least / 2) ** t
    for init in report["initializations"]:
        losses = squared(train.X, train.y, 40, init["trial"], eta, T)
        ratio = losses[1:] / losses[0]
        assert init["ratio_over_bound"] == pytest.approx((ratio / bound).max(), rel=1e-7)
        assert init["slowest_rate"] == pytest.approx((1 - ratio ** (1 / t)).min(), rel=1e-6)
        assert init["final_ratio"] == pytest.approx(ratio[-1], rel=1e-6)
        assert init["first_step_reached"] == 1 + int(np.argmax(ratio <= 0.1))
        assert init["success"] is bool((ratio <= bound).all())
        assert not init["rounding_decides"]
    checks = {check["name"]: check for check in report["checks"]}
    slowest = next(check for name, check in checks.items() if name.startswith("rate"))
    assert slowest["bound"] == pytest.approx(eta * least / 2, rel=1e-6)
    assert slowest["holds"]
    final = next(check for name, check in checks.items() if name.startswith(f"L({T})"))
    assert final["bound"] == pytest.approx(bound[-1], rel=1e-6)


def test_du2019_is_supported_at_the_width_that_it_prescribes(tmp_path: Path) -> None:
    """Four corners of a square: two orthogonal examples, λ₀ = 1/2, m* = 2⁶·2⁴/δ³."""
    result = verified(
        "du2019", tmp_path / "run", "xor:n=4,d=2", {"delta": Fraction(2, 5)}, test_fraction=Fraction(1, 2)
    )
    assert result.prescribed.solutions["width"].value == "16001"  # λ₀ is measured from below
    assert result.case.width == 16002
    assert not result.chosen
    assert result.verdict == "supported"
    assert all(one.met for one in result.premises)


def test_a_step_size_that_is_too_large_is_found_out(tmp_path: Path) -> None:
    given = {"epsilon": Fraction(9, 10)}
    fine = verified("du2019", tmp_path / "fine", SPREAD, given, width=20, trials=2)
    assert [record.success for record in fine.trained.values()] == [True, True]
    for factor in (500, 2000):  # 1 − ηλ₀/2 is positive with the first, and negative with the second
        large = verified("du2019", tmp_path / f"{factor}", SPREAD, given, width=20, trials=2, factors={"eta": factor})
        assert [record.success for record in large.trained.values()] == [False, False]
        assert large.prescribed.step_size == pytest.approx(factor * fine.prescribed.step_size)
        assert large.conclusion.checks[0].holds is False
        assert large.conclusion.checks[1].holds is False


def test_an_init_that_diverges_has_failed(tmp_path: Path) -> None:
    options: Any = {"width": 6, "trials": 2, "iterations": 8, "dtype": "float32", "factors": {"eta": 10**37}}
    result = verified("du2019", tmp_path / "run", SPREAD, **options)
    assert [record.success for record in result.trained.values()] == [False, False]
    assert result.conclusion.checks[0].measured == math.inf
    assert result.conclusion.checks[0].holds is False
    assert all(path.exists() for path in write_reports(result, tmp_path / "run"))


def test_a_step_size_beyond_the_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"step size is 1e\+40, beyond float32; give another eta"):
        verified("ji2020", tmp_path / "run", PLANE, {"eta": Fraction(10**40)}, width=6, trials=1)


def test_a_run_that_was_cut_short_counts_only_once_the_target_is_met(tmp_path: Path) -> None:
    whole = verified("du2019", tmp_path / "whole", SPREAD, width=20, trials=2)
    firsts = [record.facts["first_step_reached"] for record in whole.trained.values()]
    cut = verified("du2019", tmp_path / "cut", SPREAD, width=20, trials=2, iterations=min(firsts))
    assert sorted(str(record.success) for record in cut.trained.values()) == ["None", "True"]
    assert whole.successes == 2
    assert any("of the" in note and "prescribed steps were run" in note for note in cut.conclusion.notes)


def test_rounding_does_not_decide(tmp_path: Path) -> None:
    """Steps far below float32's resolution of the weights: the loss stands still there, and falls in float64."""
    tiny: Any = {"width": 20, "trials": 2, "iterations": 40, "factors": {"eta": Fraction(1, 10**5)}}
    single = verified("du2019", tmp_path / "single", SPREAD, dtype="float32", **tiny)
    assert [record.success for record in single.trained.values()] == [None, None]
    assert all(record.facts["rounding_decides"] for record in single.trained.values())
    double = verified("du2019", tmp_path / "double", SPREAD, **tiny)
    assert not any(record.facts["rounding_decides"] for record in double.trained.values())
    assert all(record.facts["slowest_rate"] > 0 for record in double.trained.values())


def test_a_lambda_that_is_too_large_is_an_unmet_premise(tmp_path: Path) -> None:
    result = verified("du2019", tmp_path / "run", SPREAD, {"lambda_0": Fraction(4, 5)}, width=20, trials=1)
    assert not premise(result, "positive H^∞").met
    assert result.verdict == "premise unmet"


@pytest.mark.parametrize(
    ("key", "given", "words"),
    [
        ("ji2020", {"lambda_0": "1/10"}, ["lambda_0 is not an input", "gamma"]),
        ("ji2020", {"gamma": "2"}, ["gamma = 2"]),
        ("ji2020", {"epsilon": "1e-9"}, ["too many to run", "larger epsilon (now 1e-09) or --iterations N"]),
        ("du2019", {"gamma": "1/10"}, ["gamma is not an input", "lambda_0"]),
        ("du2019", {"lambda_0": "1e-9"}, ["too many to run", "--set C_eta=…"]),
        ("du2019", {"epsilon": "1"}, ["epsilon=1"]),
    ],
)
def test_bad_input_gets_one_clear_line(key: str, given: dict[str, str], words: list[str], tmp_path: Path) -> None:
    with pytest.raises(BoundcalcError) as raised:
        verified(key, tmp_path / "run", PLANE, {name: Fraction(value) for name, value in given.items()})
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()
    for word in words:
        assert word in str(raised.value)


def test_an_unknown_dtype_is_refused_at_the_command_line(tmp_path: Path) -> None:
    done = verify("du2019", "--data", PLANE, "--dtype", "float16", "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "'float16' is not one of auto, float32, float64" in done.stderr


@pytest.mark.parametrize("key", sorted(UNVERIFIED))
def test_what_cannot_be_verified_says_why_and_what_can(key: str) -> None:
    assert CATALOGUE.find(key).key == key
    assert key not in EXPERIMENTS
    with pytest.raises(InputError) as raised:
        make_case(key, Options(data="digits"), {})
    assert str(raised.value).startswith(f"{key} cannot be verified: {UNVERIFIED[key]}; verify one of: ")
    assert "du2019" in str(raised.value)


def test_a_premise_asks_for_the_integer_that_the_answer_gives() -> None:
    # n^6/(λ₀^4 δ^3) = 64/(0.4999999995^4 · 0.008) = 128000.0005: a logarithm of six digits once made it 128000.
    given = {"n": 2, "lambda_0": "0.4999999995", "delta": "0.2"}
    statement = Statement(
        CATALOGUE["du2019"], {name: Fraction(value) for name, value in given.items()}, ConstantPolicy({"C_m": 1})
    )
    (condition,) = CATALOGUE["du2019"].conditions
    for m, met in ((128001, True), (128000, False)):
        premise, _ = statement.with_inputs(m=m).condition(condition)
        assert premise.met is met
        assert "asks for m ≥ 128001" in premise.evidence
