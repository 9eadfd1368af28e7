"""cao2020's Remark 3.1: every expression on trained networks against the definitions, and exponents of known laws."""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from plain import verify as run_verify

from boundcalc.data import Dataset
from boundcalc.errors import InputError
from boundcalc.train.networks import he_relu, initial_weights
from boundcalc.verify.case import Case, Options, make_case
from boundcalc.verify.checks import Check, Conclusion
from boundcalc.verify.experiment import Prescribed
from boundcalc.verify.experiments.cao2020_norms import (
    BARTLETT,
    ESTIMATION,
    GAP_ORDER,
    LINEARIZATION,
    NEYSHABUR,
    UNIFORM_ORDER,
    exponents,
)
from boundcalc.verify.experiments.population import unseen_examples
from boundcalc.verify.record import Record, Records
from boundcalc.verify.runner import judge_run

Array = NDArray[np.float64]

SPHERE = "sphere:n=40,d=4,margin=0.3"
WIDTHS, L, TRIALS, STEPS = (8, 16, 24), 2, 3, 30

Ran = tuple[Case, Prescribed, Records, Records]


def a_case(*, data: str = SPHERE, widths: tuple[int, ...] = WIDTHS, trials: int = TRIALS, depth: int = L) -> Case:
    options = Options(data, widths=widths, trials=trials, iterations=STEPS, device="cpu")
    return make_case("cao2020/rem3.1", options, {"L": Fraction(depth)})


def ran(case: Case) -> Ran:
    prescribed = case.experiment.prescribe(case, {})
    trained = case.experiment.train(case, prescribed, range(case.trials), lambda step: None)
    return case, prescribed, {}, {record.trial: record for record in trained}


@pytest.fixture(scope="module")
def run() -> Ran:
    return ran(a_case())


def concluded(run: Ran) -> Conclusion:
    return run[0].experiment.conclude(*run)


def check(run: Ran, start: str) -> Check:
    (found,) = (check for check in concluded(run).checks if check.name.startswith(start))
    return found


def trained_network(trial: int, width: int, data: Dataset, depth: int = L) -> tuple[list[Array], list[Array], Array]:
    """W^(0), W after the steps of plain gradient descent of size 1/(L m), and v."""
    network = he_relu(depth, width, data.d)
    *start, v = (w[0].double().numpy() for w in initial_weights(network, seed=0, trials=(trial,)))
    layers = [layer.copy() for layer in start]
    for _ in range(STEPS):
        hidden = [data.X]
        for layer in layers:
            hidden.append(np.maximum(hidden[-1] @ layer.T, 0))
        f = hidden[-1] @ v[0]
        error = np.outer(-data.y / (1 + np.exp(data.y * f)) / data.n, v[0]) * (hidden[-1] > 0)
        slopes: list[Array] = []
        for number in range(depth - 1, -1, -1):
            slopes.insert(0, error.T @ hidden[number])
            error = (error @ layers[number]) * (hidden[number] > 0)
        layers = [layer - slope / (depth * width) for layer, slope in zip(layers, slopes, strict=True)]
    return start, layers, v[0]


def wrong(layers: list[Array], v: Array, data: Dataset) -> float:
    h = data.X
    for layer in layers:
        h = np.maximum(h @ layer.T, 0)
    return float(np.mean(h @ v * data.y <= 0))


def test_expressions_are_those_of_the_remark_on_the_trained_networks(run: Ran) -> None:
    case, _, _, trained = run
    n, unseen = case.train.n, unseen_examples(case).data
    for trial in range(TRIALS):
        series = trained[trial].series
        for column, m in enumerate(WIDTHS):
            start, layers, v = trained_network(trial, m, case.train)
            # In the paper's convention W_l is m_(l−1) × m_l, and ‖A‖_(2,1) sums the norms of the columns of A.
            paper = [(w.T, w0.T) for w, w0 in zip(layers, start, strict=True)]
            spectral = [float(np.linalg.svd(w, compute_uv=False)[0]) for w, _ in paper]
            columns = [float(np.linalg.norm(w.T - w0.T, axis=0).sum()) for w, w0 in paper]
            frobenius = [float(np.linalg.norm(w - w0)) for w, w0 in paper]
            front = math.sqrt(m) / math.sqrt(n) * math.prod(spectral)
            bartlett = front * sum((a / s) ** (2 / 3) for a, s in zip(columns, spectral, strict=True)) ** 1.5
            neyshabur = L * front * math.sqrt(sum(m * f**2 / s**2 for f, s in zip(frobenius, spectral, strict=True)))
            tau = max(frobenius)
            assert series["tau"][column] == pytest.approx(tau, rel=1e-4)
            assert series[BARTLETT][column] == pytest.approx(bartlett, rel=1e-4)
            assert series[NEYSHABUR][column] == pytest.approx(neyshabur, rel=1e-4)
            assert series["spectral_norm"][column] == pytest.approx(max(spectral), rel=1e-4)
            assert series["norm_21_share"][column] == pytest.approx(max(columns) / math.sqrt(m) / tau, rel=1e-4)
            assert series[GAP_ORDER][column] == pytest.approx(tau * math.sqrt(m / n), rel=1e-4)
            assert series[UNIFORM_ORDER][column] == pytest.approx(m * tau / math.sqrt(n), rel=1e-4)
            assert series[ESTIMATION][column] == pytest.approx(L * tau * math.sqrt(m / n), rel=1e-4)
            second = L**4 * math.sqrt(m * math.log(m)) * tau ** (4 / 3)
            assert series[LINEARIZATION][column] == pytest.approx(second, rel=1e-4)
            gap = wrong(layers, v, unseen) - wrong(layers, v, case.train)
            assert series["gap"][column] == pytest.approx(gap, abs=2 / unseen.n + 1e-9)
            assert series["gap_lower"][column] <= series["gap"][column] <= series["gap_upper"][column]


def test_success_is_growth_of_both_ratios(run: Ran) -> None:
    x = np.log(WIDTHS)
    for record in run[3].values():
        slopes = [np.polyfit(x, np.log(record.series[name] / record.series[GAP_ORDER]), 1)[0]
                  for name in (BARTLETT, NEYSHABUR)]  # fmt: skip
        assert record.facts["bartlett2017_exponent_above"] == pytest.approx(slopes[0], rel=1e-9)
        assert record.facts["neyshabur2018_exponent_above"] == pytest.approx(slopes[1], rel=1e-9)
        assert record.success is bool(min(slopes) > 0)


def test_exponents_of_power_laws_are_exact() -> None:
    m = np.array([4.0, 9, 50, 70])
    np.testing.assert_allclose(
        exponents((4, 9, 50, 70), np.stack([3 * m**0.5, m**-2, 7 + 0 * m])), [0.5, -2, 0], atol=1e-12
    )


def made_up(run: Ran, exponent: float, spread: float) -> Ran:
    """The same run, with Bartlett's expression a power law over the order of the gap, inits a little apart."""
    case, prescribed, certificates, trained = run
    m = np.asarray(WIDTHS, dtype=np.float64)
    records: dict[int, Record] = {}
    for trial in range(10):
        base = trained[trial % TRIALS]
        ratio = m ** (exponent + spread * (trial - 4.5))
        records[trial] = replace(
            base, trial=trial, series={**base.series, BARTLETT: base.series[GAP_ORDER] * ratio}, success=exponent > 0
        )
    return replace(case, trials=10), prescribed, certificates, records


def test_the_fitted_exponents_come_with_their_interval(run: Ran) -> None:
    found = made_up(run, 0.4, 0.02)
    grown = check(found, f"exponent in m of {BARTLETT} over")
    assert grown.measured == pytest.approx(0.4)
    assert grown.claimed
    assert grown.holds
    # Student's: 0.4 ± t·s/√10 with t(0.975, 9) = 2.2621572 and s = 0.02·√(82.5/9).
    half = 2.2621571627 * 0.02 * math.sqrt(82.5 / 9) / math.sqrt(10)
    assert f"95 %: {0.4 - half:.4g} to {0.4 + half:.4g}" in grown.name
    beside = check(found, f"exponent in m of {BARTLETT}, mean")
    tau = np.stack([found[3][trial].series["tau"] for trial in range(10)])
    slopes = np.polyfit(np.log(WIDTHS), np.log(tau).T, 1)[0]
    assert beside.bound == pytest.approx(1 + slopes.mean())  # m τ/√n
    assert beside.measured == pytest.approx(0.4 + 0.5 + slopes.mean())


def test_expressions_that_do_not_grow_speak_against_the_remark(run: Ran) -> None:
    found = made_up(run, -0.2, 0.01)
    assert not check(found, f"exponent in m of {BARTLETT} over").holds
    many = {trial: replace(found[3][0], trial=trial) for trial in range(100)}
    result = judge_run(replace(found[0], trials=100), found[1], found[2], many)
    assert result.verdict == "refuted at these constants"


def test_constants_are_the_largest_ratios(run: Ran) -> None:
    series = [record.series for record in run[3].values()]
    for name in (BARTLETT, NEYSHABUR):
        found = check(run, f"{name} over")
        largest = max(float((one[name] / one[UNIFORM_ORDER]).max()) for one in series)
        assert found.constant == "C_uniform"
        assert found.needed == pytest.approx(largest)
    gap = check(run, "measured gap over")
    largest = max(float((one["gap"] / one[GAP_ORDER]).max()) for one in series)
    assert gap.constant == "C_gap"
    assert gap.needed == pytest.approx(max(0.0, largest))


def test_the_remarks_own_assumption_is_a_premise() -> None:
    run = ran(a_case(data="sphere:n=40,d=30,margin=0.3", widths=(2, 4), trials=2, depth=1))
    premise = next(premise for premise in concluded(run).premises if premise.name == "He initialization")
    share = max(float(record.series["norm_21_share"].max()) for record in run[3].values())
    assert share > 1  # 30 columns against m = 2: ‖ΔW‖_(2,1) exceeds √m τ
    assert not premise.met
    assert "m ≥ d = 30" in premise.evidence
    assert judge_run(*run).verdict == "premise unmet"


def test_a_network_that_diverged_leaves_its_init_undecided() -> None:
    case = a_case(trials=1, widths=(4, 8))
    prescribed = replace(case.experiment.prescribe(case, {}), step_size=1e30)
    (record,) = case.experiment.train(case, prescribed, (0,), lambda step: None)
    assert record.success is None
    assert record.facts["bartlett2017"] == [None, None]


def test_progress_goes_over_all_widths() -> None:
    case = a_case(trials=1)
    told: list[int] = []
    case.experiment.train(case, case.experiment.prescribe(case, {}), (0,), told.append)
    assert told == sorted(told)
    assert told[-1] == STEPS
    assert len(told) == STEPS * len(WIDTHS)


def test_widths_are_sorted_and_the_largest_is_the_runs() -> None:
    case = a_case(widths=(16, 8, 16, 32))
    assert case.options.widths == (8, 16, 32)
    assert case.width == 32
    assert case.config["widths"] == [8, 16, 32]
    default = make_case("cao2020/rem3.1", Options(SPHERE, trials=1, device="cpu"), {})
    assert default.options.widths == (64, 128, 256, 512)
    one = make_case("cao2020/thm3.2", Options(SPHERE, width=8, trials=1, device="cpu"), {"L": Fraction(1)})
    assert one.options.widths == ()


@pytest.mark.parametrize("widths", [(8,), (8, 8)])
def test_one_width_makes_no_growth(widths: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"is one width, .* such as --width 64,128,256,512"):
        a_case(widths=widths)


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_verify("cao2020/rem3.1", *arguments)


def test_the_command_leaves_a_report(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["--data", SPHERE, "--width", "8,4,16", "--trials", "2", "--probe", "none", "--out", str(out)]
    done = verify(*command)
    assert done.returncode == 0, done.stderr
    assert "no width is prescribed; run at width 16" in done.stdout
    assert "over m = 4, 8, 16" in done.stdout
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert {check["constant"] for check in report["checks"] if check["constant"]} == {"C_uniform", "C_gap"}
    assert report["run"]["width"] == 16
    assert report["initializations"][1]["widths"] == [4, 8, 16]
    assert len(report["initializations"][1]["bartlett2017"]) == 3
    assert (out / "report.md").read_text("utf-8").startswith(f"# cao2020/rem3.1: {report['verdict']}")
    assert (out / "report.html").read_text("utf-8").count("<svg") == 4
    assert verify(*command).stdout == done.stdout  # a finished run is not repeated


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--width", "64"], ["--width 64 is one width"]),
        (["--width", "64,2.5"], ["--width 2.5", "integer"]),
        (["--width", "8,"], ["--width"]),
        (["--width", "8,9"], ["9 is odd"]),
        (["--width", "8,10000000"], ["--width 10000000", "PB"]),
        (["epsilon=0.1"], ["epsilon is not an input"]),
        (["L=0"], ["L = 0"]),
    ],
)
def test_bad_input_gets_one_clear_line(arguments: list[str], words: list[str], tmp_path: Path) -> None:
    done = verify("--data", SPHERE, *arguments, "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "run").exists()
