"""Formulas as numpy functions: evaluated in the log domain, at any magnitude and at array speed.

A formula becomes a short program over arrays, in which products are sums and nothing overflows. Constants are folded
into it, what occurs twice is computed once, every step is computed on the smallest shape that its own inputs broadcast
to, and large arrays go through it in blocks that stay in the processor's cache.
"""

from boundcalc.arrays.functions import LogFunction, as_numpy, log_function, sides, slack_program
from boundcalc.arrays.thresholds import Conditions

__all__ = ["Conditions", "LogFunction", "as_numpy", "log_function", "sides", "slack_program"]
