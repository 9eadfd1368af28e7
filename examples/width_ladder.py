"""One verification from width to width, up to infinity: which engine reaches which, and where the guarantee begins."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from boundcalc.report.ladder import ladder_json, ladder_text, plan_text
from boundcalc.verify.case import Options
from boundcalc.verify.ladder import Widths, climb, plan

options = Options("digits", classes=("3", "8"), rows=4, iterations=40)
given = {"epsilon": Fraction(1, 5), "delta": Fraction(1, 2), "L": Fraction(2)}
found = plan("chen2019/thm2.1", options, given, Widths(32, None), time_limit=0.2)
print(plan_text(found))
print()

with TemporaryDirectory() as folder:
    print(ladder_text(ladder_json(climb(found, Path(folder)))))
