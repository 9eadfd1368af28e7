r"""The table of a related-work section: which width is smallest, and where, decided exactly. Prints LaTeX.

To be put into a document that loads booktabs and amsmath.
"""

import boundcalc
from boundcalc.report.comparison import order_lines, ranking_latex

ranking = boundcalc.rank(["zou2020", "zou2019", "allenzhu2019", "cao2020/cor3.3"], "width", solve_for="L")

print(ranking_latex(ranking))
for line in order_lines(ranking):
    print(f"% {line}")
