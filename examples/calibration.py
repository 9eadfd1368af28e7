"""What are the constants really? Measure them at some settings, predict the iterations at another, and train there."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import boundcalc
from boundcalc.constants import read_constants
from boundcalc.report.studies import calibration_json, calibration_text, write_calibration
from boundcalc.verify.calibration import calibrate
from boundcalc.verify.case import Options, make_case
from boundcalc.verify.runner import run
from boundcalc.verify.settings import Study, settings_of

theorem = boundcalc.CATALOGUE["chen2019/thm2.1"]
options = Options("digits", classes=("3", "8"), rows=24, width=32, trials=4)
grid = settings_of({"epsilon": [Fraction(1, 10), Fraction(1, 5)]})

with TemporaryDirectory() as folder:
    study = Study(theorem.key, options, {"L": Fraction(2)}, Path(folder))
    calibration = calibrate(study, grid, widths=False)
    write_calibration(calibration, Path(folder))
    measured = read_constants(Path(folder) / "constants.toml")
    case = make_case(theorem.key, options, {"epsilon": Fraction(1, 20), "L": Fraction(2)}, measured)
    there = run(case, Path(folder) / "there")
print(calibration_text(calibration_json(calibration)))

new = {"epsilon": "0.05", "L": 2, "R": there.prescribed.found["R"]}
print(f"\nat ε = 0.05, with the R = {float(new['R']):.4g} that was found there:")
for name, policy in (("C = 1", boundcalc.ConstantPolicy()), ("calibrated", measured)):
    print(f"{name}: T ≤ {boundcalc.evaluate(theorem, 'iterations', new, policy).number}")
print(f"trained so: {there.successes} of {case.trials} inits {there.conclusion.success}")
