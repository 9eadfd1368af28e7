"""A budget for error 0.1: how to divide it among optimisation, samples and width, and what an even split costs.

Needs cvxpy: pip install '.[plan]', in place of pip install '.'.
"""

import sys

import boundcalc
from boundcalc.errors import InputError
from boundcalc.notation import text

theorem = boundcalc.CATALOGUE["cao2020/cor3.1"]
try:
    plan = boundcalc.plan(theorem, "0.1", {"B": "0.5", "L": 2, "d": 10}, cost="flops")
except InputError as problem:  # cvxpy is missing
    sys.exit(str(problem))

for name, value in plan.best.choices.items():
    print(f"{name:<8} {float(value):.6g}")
for term in plan.best.terms:
    print(f"{term.share:6.1%} of the target goes to {text(term.expr)}")
print(f"cost {plan.best.cost.value} FLOPs; no choice costs less than {plan.optimality.proven.value}")
print(f"an even split costs {plan.ratio.value} times as much")
