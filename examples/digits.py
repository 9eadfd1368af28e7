"""Does Theorem 2.1 of chen2019 keep its promise on handwritten 3s and 8s? A small run: few examples, few inits.

With 8 inits nothing can be supported at 95 %: at least 72 can, which is what `boundcalc verify` trains.
"""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from boundcalc.report.verification import verdict_line, width_line
from boundcalc.verify.case import Options, make_case
from boundcalc.verify.runner import run
from boundcalc.verify.statistics import outlook

options = Options("digits", classes=("3", "8"), rows=24, width=32, trials=8)
case = make_case("chen2019/thm2.1", options, {"epsilon": Fraction(1, 10), "L": Fraction(2)})
print(outlook(case.trials, float(case.failure)))

with TemporaryDirectory() as folder:
    result = run(case, Path(folder))
print(width_line(result))
print(verdict_line(result))
for check in result.conclusion.checks:
    if check.bound is not None:
        print(f"{check.name}: measured {check.measured:.4g}, bound {check.bound:.4g}")
