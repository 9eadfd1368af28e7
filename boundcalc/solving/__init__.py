"""Evaluate what a statement prescribes or promises, and solve its inequalities for any symbol in them.

An explicit bound is evaluated. A symbol that stands on both sides, or anywhere else in the inequalities, is solved for:
the answer is the set of its values at which they hold. Answers are rounded to the side on which the inequalities stay
true, and substituted back.
"""

from boundcalc.solving.context import IncompleteError, check_inputs
from boundcalc.solving.evaluation import UNIT, bound_holds, evaluate, quantity_symbols
from boundcalc.solving.facts import Facts, Measured
from boundcalc.solving.inversion import solve
from boundcalc.solving.solution import UNANSWERED, Assumed, End, Solution

__all__ = [
    "UNANSWERED",
    "UNIT",
    "Assumed",
    "End",
    "Facts",
    "IncompleteError",
    "Measured",
    "Solution",
    "bound_holds",
    "check_inputs",
    "evaluate",
    "quantity_symbols",
    "solve",
]
