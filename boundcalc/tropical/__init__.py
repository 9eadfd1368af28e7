"""Exact max-plus algebra: orders of growth, and inequalities between them, decided with certificates.

Up to constants, a formula made of sums, products, powers, maxima and minima of positive parameters is, in their
logarithms, a maximum of minima of linear forms. A linear form is a `Monomial`, such a maximum a `Growth`. An inequality
between monomials holds up to a constant wherever some others do if and only if it is a product of their powers
(Farkas' lemma): those powers are the `Certificate`, found by exact linear programming and checked by arithmetic alone.
Where it does not follow there is a `Witness`, a curve along which it fails by an unbounded factor.

The exponential 2^L of a parameter L ≥ 1 is a variable of its own, named `2^L`, with the axioms L^M ≤ C_M·2^L for every
M. The decision stays exact: an inequality between monomials in 2^L, L and other parameters follows with one of these
axioms, or fails along a curve L = s, n = s^p·2^(q·s), …
"""

from boundcalc.tropical.entailment import CONSTANT_ALONG, Certificate, Witness, alternative, entails
from boundcalc.tropical.monomials import (
    CONSTANT,
    EXPONENTIAL,
    ONE,
    Clause,
    Growth,
    Monomial,
    in_order,
    maximum,
    minimum,
    product,
    quotients,
    root,
)
from boundcalc.tropical.reading import Assumption, Asymptotics, read_growth
from boundcalc.tropical.regions import Cases, Derivation, Proof, Region, decide, follows, prove, reduce_clauses
from boundcalc.tropical.variables import (
    EXPONENT_SYMBOLS,
    LOGARITHM,
    SMALL_BY_A_LEMMA,
    canonical,
    in_reading_order,
    monomials_in_reading_order,
    regime,
    sets_in_reading_order,
    slow_logarithms,
    variable,
)
from boundcalc.tropical.writing import default_target, facts_text, monomial_expr, region_expr, solvable, solve_monomial

__all__ = [
    "CONSTANT",
    "CONSTANT_ALONG",
    "EXPONENTIAL",
    "EXPONENT_SYMBOLS",
    "LOGARITHM",
    "ONE",
    "SMALL_BY_A_LEMMA",
    "Assumption",
    "Asymptotics",
    "Cases",
    "Certificate",
    "Clause",
    "Derivation",
    "Growth",
    "Monomial",
    "Proof",
    "Region",
    "Witness",
    "alternative",
    "canonical",
    "decide",
    "default_target",
    "entails",
    "facts_text",
    "follows",
    "in_order",
    "in_reading_order",
    "maximum",
    "minimum",
    "monomial_expr",
    "monomials_in_reading_order",
    "product",
    "prove",
    "quotients",
    "read_growth",
    "reduce_clauses",
    "regime",
    "region_expr",
    "root",
    "sets_in_reading_order",
    "slow_logarithms",
    "solvable",
    "solve_monomial",
    "variable",
]
