"""Every statement that boundcalc knows, by key, in reading order: one file per paper."""

from __future__ import annotations

import sympy

# Formulas stay as the papers print them; sympy would reorder and combine their terms, and take its time over it.
with sympy.evaluate(False):
    from boundcalc.catalogue import cao2020, chen2019, secondary
from boundcalc.theorem import Catalogue

CATALOGUE = Catalogue([*chen2019.THEOREMS, *cao2020.THEOREMS, *secondary.THEOREMS])
"""The built-in statements."""
