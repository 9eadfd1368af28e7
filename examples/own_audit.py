"""Does my theorem follow from its proof? The audit finds the step that does not, and the smallest repair."""

from pathlib import Path

import boundcalc
from boundcalc.notation import text

catalogue = boundcalc.load([Path(__file__).with_name("own_derivation.toml")])
audit = boundcalc.audit("doe2030/thm2", catalogue=catalogue)

for verdict in audit.verdicts:
    print(f"{verdict.step.id}  {verdict.status:<9} {verdict.step.says}")
for symbol, expr in audit.repair.items():
    print(f"repair: {text(symbol)} = {text(expr)}, up to constants and logarithms")
