"""What are the constants really? Measure them at some settings, and predict the iterations at another one."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import boundcalc
from boundcalc.constants import read_constants
from boundcalc.report.studies import calibration_text, write_calibration
from boundcalc.verify.calibration import calibrate
from boundcalc.verify.case import Options
from boundcalc.verify.settings import Study, settings_of

theorem = boundcalc.CATALOGUE["chen2019/thm2.1"]
options = Options("digits", classes=("3", "8"), rows=24, width=32, trials=4)
grid = settings_of({"epsilon": [Fraction(1, 10), Fraction(1, 5)]})

with TemporaryDirectory() as folder:
    study = Study(theorem.key, options, {"L": Fraction(2)}, Path(folder))
    calibration = calibrate(study, grid, widths=False)
    write_calibration(calibration, Path(folder))
    measured = read_constants(Path(folder) / "constants.toml")
print(calibration_text(calibration))

new = {"epsilon": "0.05", "L": 2, "R": 4}
for name, policy in (("C = 1", boundcalc.ConstantPolicy()), ("calibrated", measured)):
    print(f"{name}: T ≤ {boundcalc.evaluate(theorem, 'iterations', new, policy).number}")
