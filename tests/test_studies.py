"""Settings, calibrated constants and fitted exponents, against numbers worked out by hand."""

from __future__ import annotations

import json
import math
import sqlite3
import tomllib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from boundcalc.catalogue import CATALOGUE
from boundcalc.cli import cli
from boundcalc.constants import ConstantPolicy, read_constants
from boundcalc.errors import InputError, StorageError
from boundcalc.solving import UNIT, evaluate
from boundcalc.verify.calibration import Calibrated, Calibration, Need, _fit, calibrate, constants_toml, widths
from boundcalc.verify.case import Options
from boundcalc.verify.progress import Progress
from boundcalc.verify.runner import Result
from boundcalc.verify.scaling import _slope, mean_interval, scaling, steps_needed
from boundcalc.verify.settings import Setting, Study, powers_of_two, settings_of, smallest_width
from boundcalc.verify.statement import Statement
from boundcalc.verify.store import reading

DIGITS = Options("digits", ("3", "8"), trials=3, rows=40, width=8, search_steps=1500)
GIVEN = {"L": Fraction(2), "epsilon": Fraction(1, 5)}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study("chen2019/thm2.1", DIGITS, GIVEN, tmp_path_factory.mktemp("study"))


def test_settings_are_all_combinations() -> None:
    found = settings_of({"L": [Fraction(2), Fraction(3)], "epsilon": [Fraction(1, 10), Fraction(1, 5)]})
    assert [setting.name for setting in found] == [
        "L=2,epsilon=0.1", "L=2,epsilon=0.2", "L=3,epsilon=0.1", "L=3,epsilon=0.2",
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"m = 2\.5 is not an integer"):
        settings_of({"m": [Fraction(5, 2)]})
    with pytest.raises(InputError, match="1024 settings"):
        settings_of({name: [Fraction(1, 2), Fraction(1, 3)] for name in "abcdefghij"})


def test_powers_of_two_end_at_the_width() -> None:
    assert powers_of_two(64) == (2, 4, 8, 16, 32, 64)
    assert powers_of_two(48) == (2, 4, 8, 16, 32, 48)
    assert powers_of_two(1) == (1,)


def test_constants_are_the_largest_needs_and_are_scored_on_the_others() -> None:
    fitted = _fit("C_T", [-1.0, -3.0, -2.0])
    assert fitted is not None
    assert fitted.log10 == -1.0
    assert fitted.held == 2  # the largest need is not covered by the others, the two smaller ones are
    # Rooms: −2 − (−1), −1 − (−3), −1 − (−2), so the median is one power of ten.
    assert fitted.room == pytest.approx(10.0)
    assert fitted.value >= Fraction(1, 10)
    assert fitted.value == pytest.approx(0.1, rel=2e-5)
    assert _fit("C_T", [-math.inf, -math.inf]) is None


def test_constants_of_bounds_from_below_are_the_least_that_were_measured() -> None:
    fitted = _fit("C_B", [0.5, 1.5, 1.0], small=True)
    assert fitted is not None
    assert (fitted.log10, fitted.held) == (0.5, 2)
    assert fitted.room == pytest.approx(10**0.5)  # rooms: 0.5 − 1, 1.5 − 0.5, 1 − 0.5
    assert fitted.value == pytest.approx(10**0.5, rel=2e-5)
    assert fitted.value <= 10**0.5


def test_a_ledger_is_a_file_of_constants_that_evaluates(study: Study, tmp_path: Path) -> None:
    statement = Statement(CATALOGUE.find("chen2019/thm2.1"), {}, UNIT)
    need = Need(Setting({"L": Fraction(2)}), 59, 59, {"C_T": -2.0}, 4, statement, study.case(Setting({})))
    calibration = Calibration("chen2019/thm2.1", 'data "x"', (need,), (Calibrated("C_T", -2.0, 1, 0, 1.0),))
    assert calibration.exceeded == pytest.approx(0.05, abs=1e-3)  # 59 trials: the classical 95 %/95 % number
    # Settings share the seeds of their inits: a second one makes no init more independent.
    assert replace(calibration, needs=(need, need)).exceeded == calibration.exceeded
    path = tmp_path / "constants.toml"
    path.write_text(constants_toml(calibration), "utf-8")
    assert tomllib.loads(path.read_text("utf-8"))["calibration"]["inits"] == 59
    policy = read_constants(path)
    given: Mapping[str, Fraction] = {"L": Fraction(3), "R": Fraction(8), "epsilon": Fraction(1, 10)}
    solution = evaluate(CATALOGUE.find("chen2019/thm2.1"), "iterations", given, policy)
    assert int(solution.value or 0) == math.ceil(9 * 64 / 0.1 * float(calibration.constants[0].value))
    assert 'calibrated on data "x"' in [use.origin for use in solution.constants]


def test_calibration_measures_what_the_runs_needed(study: Study) -> None:
    settings = settings_of({"epsilon": [Fraction(1, 10), Fraction(1, 5)]})
    calibration = calibrate(study, settings)
    by_name = {constant.name: constant for constant in calibration.constants}
    needs = []
    for setting in settings:
        result = study.run(setting)
        R, epsilon = float(result.prescribed.found["R"]), float(setting.values["epsilon"])
        last = max(record.facts["first_step_reached"] for record in result.trained.values())
        needs.append(last * epsilon / (4 * R * R))  # T = C_T L² R² / ε with L = 2
    assert by_name["C_T"].log10 == pytest.approx(math.log10(max(needs)), abs=1e-9)
    # C_m: the width that sufficed over (L^11 R^4)^2 log(n/δ)^(4/3), at the R found at that width.
    ratios = []
    for need in calibration.needs:
        assert need.smallest_width is not None
        result = study.run(need.setting.with_width(need.smallest_width))
        R, n = float(result.prescribed.found["R"]), result.case.train.n
        ratios.append(need.smallest_width / ((2**11 * R**4) ** 2 * math.log(n / 0.05) ** (4 / 3)))
    assert by_name["C_m"].log10 == pytest.approx(math.log10(max(ratios)), abs=1e-9)
    for width, need in zip(widths(calibration), calibration.needs, strict=True):
        R, n = float(need.statement.inputs["R"]), float(need.statement.inputs["n"])
        asked = (2**11 * R**4) ** 2 * math.log(n / 0.05) ** (4 / 3)
        assert width.unit == pytest.approx(math.log10(asked), rel=1e-9)
        assert width.calibrated == pytest.approx(math.log10(asked * float(by_name["C_m"].value)), rel=1e-9)
    with pytest.raises(InputError, match="1 setting makes no calibration"):
        calibrate(study, settings[:1])


def test_smallest_width_is_one_at_which_all_succeed(study: Study) -> None:
    setting = Setting({})
    found = smallest_width(study, setting, powers_of_two(8))
    assert found in (2, 4, 8)
    for width in (w for w in (2, 4, 8) if w >= found):
        result = study.run(setting.with_width(width))
        assert result.successes == 3


def test_slope_and_interval_are_those_of_the_textbook() -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0])
    assert _slope(x, np.log10(3 * x**-1.5)) == pytest.approx(-1.5)
    noisy = np.log10(x) * 2 + np.array([0.1, -0.2, 0.05, 0.0])
    assert _slope(x, noisy) == pytest.approx(stats.linregress(np.log10(x), noisy).slope)
    sample = np.array([1.0, 2.0, 4.0])
    expected = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    assert mean_interval(sample) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert mean_interval(sample[:1]) is None


def test_scaling_fits_first_steps_and_prescriptions(study: Study) -> None:
    values = [Fraction(1, 10), Fraction(1, 5)]
    found = scaling(study, "epsilon", values)
    results = [study.run(Setting({"epsilon": value})) for value in values]
    for column, result in enumerate(results):
        np.testing.assert_array_equal(found.sufficed[:, column], steps_needed(result))
    slopes = [math.log2(max(row[1], 1) / max(row[0], 1)) for row in found.sufficed]
    assert found.exponent == pytest.approx(np.mean(slopes))
    R = [float(result.prescribed.found["R"]) for result in results]
    assert found.theorem == pytest.approx(math.log2((R[1] ** 2 / 0.2) / (R[0] ** 2 / 0.1)), rel=1e-6)


def test_scaling_takes_whole_widths_and_the_numbers_of_examples_that_there_are(study: Study) -> None:
    with pytest.raises(InputError, match=r"m = 2\.5 is not an integer"):
        scaling(study, "m", [Fraction(5, 2), Fraction(8)])
    with pytest.raises(InputError, match="n = 0 is not an integer"):
        scaling(study, "n", [Fraction(0), Fraction(20)])
    # 0s and 7s are so many that 21 in proportion come to 11 of each.
    uneven = replace(study, options=replace(DIGITS, classes=("0", "7")), folder=study.folder / "uneven")
    found = scaling(uneven, "n", [Fraction(21), Fraction(40)])
    np.testing.assert_array_equal(found.values, [22, 40])


def test_what_cannot_be_had_is_refused_before_anything_runs(tmp_path: Path) -> None:
    grid = settings_of({"epsilon": [Fraction(2, 5), Fraction(1, 2)]})
    with pytest.raises(InputError, match="ji2020 hides no constant"):
        calibrate(Study("ji2020", DIGITS, {}, tmp_path), grid)
    with pytest.raises(InputError, match=r"lem4\.1 has no first step"):
        scaling(Study("cao2020/lem4.1", DIGITS, {}, tmp_path), "L", [Fraction(1), Fraction(2)])
    assert not list(tmp_path.iterdir())


def test_a_width_that_meets_a_vacuous_guarantee_does_not_suffice(tmp_path: Path) -> None:
    # At n = 40 the bound of Theorem 2.3 is above 1, so that every network of any width is within it.
    study = Study("chen2019/thm2.3", replace(DIGITS, trials=1), {"L": Fraction(2), "epsilon": Fraction(1, 5)}, tmp_path)
    result = study.run(Setting({}))
    assert (result.verdict, result.successes) == ("vacuous", 1)
    assert smallest_width(study, Setting({}), [8]) is None
    with pytest.raises(InputError, match="guarantees says nothing"):
        scaling(study, "epsilon", [Fraction(1, 5), Fraction(2, 5)], "m")


def test_no_exponent_is_fitted_through_values_at_which_the_guarantee_says_nothing(study: Study) -> None:
    with pytest.raises(InputError, match=r"at epsilon=0.3 what chen2019/thm2.1 guarantees says nothing"):  # 3ε > log 2
        scaling(study, "epsilon", [Fraction(1, 10), Fraction(3, 10)])


def test_examples_that_cannot_be_taken_in_proportion_are_refused_by_their_number(study: Study) -> None:
    for rows in (1, 266):
        with pytest.raises(InputError, match=rf"n = {rows} of the 267 training examples .* \(130 of '8', 137 of '3'\)"):
            study.case(Setting({"n": Fraction(rows)}))


def test_steps_at_a_step_size_that_the_run_chose_are_not_calibrated(tmp_path: Path) -> None:
    options = Options(
        "sphere:n=40,d=4,margin=0.3", trials=2, width=16, iterations=100, points=1, ascent_steps=10, device="cpu"
    )
    given = {"L": Fraction(2), "gamma": Fraction(1, 10), "delta": Fraction(1, 10)}
    study = Study("cao2020/cor3.2", options, given, tmp_path)
    settings = settings_of({"epsilon": [Fraction(2, 5), Fraction(9, 20)]})
    for setting in settings:
        result = study.run(setting)
        assert any(check.constant == "C_K" and check.needed is not None for check in result.conclusion.checks)
        assert any(use.name == "C_eta" and use.value > 1 for use in result.constants)
    with pytest.raises(InputError, match="measured C_K at step sizes"):
        calibrate(study, settings, widths=False)


def test_scaling_of_the_width_takes_the_narrowest_that_keeps_succeeding(study: Study) -> None:
    values = [Fraction(1, 10), Fraction(1, 5)]
    found = scaling(study, "epsilon", values, "m")
    for column, value in enumerate(values):
        for trial in range(3):
            narrowest = math.nan
            for width in (8, 4, 2):
                if study.run(Setting({"epsilon": value, "m": Fraction(width)})).trained[trial].success is not True:
                    break
                narrowest = width
            assert found.sufficed[trial, column] == narrowest or math.isnan(narrowest)


def test_studies_refuse_what_makes_no_study(study: Study) -> None:
    with pytest.raises(InputError, match="at least two"):
        scaling(study, "epsilon", [Fraction(1, 5)])
    with pytest.raises(InputError, match="m is varied and asked for"):
        scaling(study, "m", [Fraction(4), Fraction(8)], "m")
    with pytest.raises(InputError, match="n = 4000 is more than"):
        study.case(Setting({"n": Fraction(4000)}))


def test_constants_that_are_given_reach_every_run_and_the_file(study: Study, tmp_path: Path) -> None:
    policy = ConstantPolicy({"C_eta": Fraction(1, 2), "p_R": Fraction(3), "C_T": Fraction(2)})
    given = replace(study, folder=tmp_path / "given", policy=policy)
    settings = settings_of({"epsilon": [Fraction(1, 10), Fraction(1, 5)]})
    calibration = calibrate(given, settings, widths=False)
    for setting in settings:
        result, plain = given.run(setting), study.run(setting)
        assert result.prescribed.step_size == pytest.approx(plain.prescribed.step_size / 2)
        assert result.prescribed.steps == pytest.approx(2 * plain.prescribed.steps, abs=1)
    # C_T is measured by the runs; the others hold at what they were given as.
    assert [constant.name for constant in calibration.constants] == ["C_T"]
    assert calibration.given == {"C_eta": Fraction(1, 2), "p_R": Fraction(3)}
    path = tmp_path / "constants.toml"
    path.write_text(constants_toml(calibration), "utf-8")
    held = read_constants(path)
    assert held.values["chen2019/thm2.1:C_eta"] == Fraction(1, 2)
    assert held.values["chen2019/thm2.1:p_R"] == 3
    assert "at p_R = 3, C_eta = 0.5 as given" in calibration.on or "at C_eta = 0.5, p_R = 3 as given" in calibration.on
    for width, need in zip(widths(calibration), calibration.needs, strict=True):
        R, n = float(need.statement.inputs["R"]), float(need.statement.inputs["n"])
        asked = (2**11 * R**3) ** 2 * math.log(n / 0.05) ** (4 / 3)  # at p_R = 3, and C_m = 1 in either case
        assert width.unit == width.calibrated == pytest.approx(math.log10(asked), rel=1e-9)


def test_strict_studies_refuse_what_would_be_assumed(study: Study, tmp_path: Path) -> None:
    strict = replace(study, folder=tmp_path / "strict", strict=True)
    with pytest.raises(InputError, match=r"--strict: chen2019/thm2\.1 would be verified at assumed values.*--set C_T="):
        strict.run(Setting({}))
    assert not (tmp_path / "strict").exists()


@pytest.mark.parametrize("command", ["calibrate", "scaling"])
def test_the_commands_take_constants_as_verify_does(command: str, tmp_path: Path) -> None:
    common = [
        command, "chen2019/thm2.1", "L=2", "--data", "sphere:n=16,d=6,margin=0.4", "--vary", "epsilon=0.2,0.22",
        "--width", "6", "--trials", "2", "--device", "cpu", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    (tmp_path / "constants.toml").write_text('C_eta = "1/2"\n', "utf-8")
    only = ["--no-width"] if command == "calibrate" else []
    done = CliRunner().invoke(
        cli, [*common, *only, "--set", "C_T=2", "--constants", str(tmp_path / "constants.toml"), "--json"]
    )
    assert done.exit_code == 0, done.output
    with reading(tmp_path / "run" / "epsilon=0.2") as rows:
        assert rows.tally("training").trials == 2
    with closing(sqlite3.connect(tmp_path / "run" / "epsilon=0.2" / "trials.sqlite")) as database:
        config = json.loads(database.execute("SELECT config FROM run").fetchone()[0])
    assert config["constants"] == {"C_eta": "0.5", "C_T": "2"}
    assert "epsilon=0.2, training 100%" in done.stderr
    strict = CliRunner().invoke(cli, [*common, "--set", "C_T=2", "--strict"])
    assert isinstance(strict.exception, InputError)
    assert "--strict" in str(strict.exception)
    assert "--set C_eta=…" in str(strict.exception)
    wrong = CliRunner().invoke(cli, [*common, "--set", "C_x=2"])
    assert isinstance(wrong.exception, InputError)
    assert "C_x" in str(wrong.exception)


@pytest.mark.parametrize("of", ["smallest_width", "scaling"])
def test_a_folder_that_cannot_be_used_is_no_failure_of_the_guarantee(
    of: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A locked folder at one width used to count as a width that is too narrow."""
    study = Study("chen2019/thm2.1", Options("xor:n=8,d=3", trials=2, test_fraction=Fraction(1, 2), width=32),
                  {"epsilon": Fraction(1, 5), "L": Fraction(2)}, tmp_path)  # fmt: skip
    ran = Study.run

    def locked(self: Study, setting: Setting, progress: Progress | None = None) -> Result:
        if setting.values.get("m") == 16:
            raise StorageError("database is locked")
        return ran(self, setting, progress)

    monkeypatch.setattr(Study, "run", locked)
    ask = {
        "smallest_width": lambda: smallest_width(study, Setting({}), [8, 16, 32]),
        "scaling": lambda: scaling(study, "epsilon", [Fraction(1, 5), Fraction(2, 5)], "m"),
    }
    with pytest.raises(StorageError, match="locked"):
        ask[of]()


def test_an_input_is_given_or_varied(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["calibrate", "chen2019/thm2.1", "L=2", "--data", "xor:n=8,d=3", "--vary", "L=2,3",
                                    "--out", str(tmp_path / "run")])  # fmt: skip
    assert isinstance(done.exception, InputError)
    assert "--vary L=2,3, and L is given too" in str(done.exception)
