"""Budgets: the cheapest way to meet a target error, by geometric programming."""

from boundcalc.budget.planner import Plan as Plan
from boundcalc.budget.planner import plan as plan
from boundcalc.budget.planner import verify as verify
