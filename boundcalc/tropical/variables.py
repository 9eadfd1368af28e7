"""What the variables are: symbols of the vocabulary, each large, small or free by its domain, and powers of 2^L."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from types import MappingProxyType

import sympy

from boundcalc.symbols import VOCABULARY
from boundcalc.tropical.monomials import EXPONENTIAL, Clause, Monomial, root

LOGARITHM = "log "
"""What the name of the logarithm of a variable begins with: its absolute value, and at least 1."""

SLOW = Fraction(1, 1000)
"""log x ≤ C·x^SLOW is what is used of a logarithm's slowness; any positive power would be true."""

EXPONENT_SYMBOLS = ("alpha",)
"""Symbols that stand in exponents: as factors they are constants, in an exponent they need a value."""

SMALL_BY_A_LEMMA = MappingProxyType(
    {"B": "B ≤ 1 up to a constant, for cao2020's Lemma 4.1 bounds the same gradient from above"}
)
"""Symbols that are bounded up to a constant though their domain does not say so, and why."""


def canonical(name: str) -> str:
    """The name under which a symbol is compared.

    L and the number H of hidden layers are one variable: they differ by at most one, so that L^p and 2^L change by
    constant factors (L ≤ 2·(L − 1) for L ≥ 2).
    """
    return "L" if name == "H" else name


def variable(name: str) -> sympy.Expr:
    """What a variable's name stands for: a sympy symbol, or a logarithm that is positive."""
    if name.startswith(LOGARITHM):
        of = name.removeprefix(LOGARITHM)
        entry = VOCABULARY.get(of)
        small = entry is not None and entry.domain.upper is not None
        return sympy.log(1 / variable(of) if small else variable(of))
    return VOCABULARY[name].expr if name in VOCABULARY else sympy.Symbol(name, positive=True)


def regime(variables: Iterable[str]) -> tuple[Monomial, ...]:
    """What holds of variables by their domains, up to constants, as monomials that are ≤ 1.

    A symbol with a positive least value is large, one with a greatest value is small, others are free.
    """
    facts: list[Monomial] = []
    for name in in_reading_order(variables):
        entry = VOCABULARY.get(name)
        if name.startswith((EXPONENTIAL, LOGARITHM)) or (
            entry and entry.domain.lower is not None and entry.domain.lower > 0
        ):
            facts.append(Monomial.of({name: -1}))
        elif (entry and entry.domain.upper is not None) or name in SMALL_BY_A_LEMMA:
            facts.append(Monomial.of({name: 1}))
    return tuple(facts)


def slow_logarithms(variables: Iterable[str]) -> tuple[Monomial, ...]:
    """That the logarithms among some variables are at most small powers of what they are the logarithms of."""
    facts: list[Monomial] = []
    for name in in_reading_order(variables):
        of = name.removeprefix(LOGARITHM)
        large = regime([of]) if of != name else ()
        facts += [Monomial.of({name: 1}) * fact**SLOW for fact in large]
    return tuple(facts)


def in_reading_order(variables: Iterable[str]) -> list[str]:
    """Variables as a paper's monomial names them: 2^L, then L, m, n, …, then what is small, by the vocabulary."""
    return sorted(set(variables), key=place)


def place(name: str) -> tuple[bool, bool, int, str]:
    """A key that puts variables into reading order, logarithms last."""
    if name.startswith(LOGARITHM):
        return True, True, len(VOCABULARY) + 1, name
    entry = VOCABULARY.get(root(name))
    small = name in SMALL_BY_A_LEMMA or (entry is not None and entry.domain.upper is not None)
    index = list(VOCABULARY).index(entry.name) if entry else len(VOCABULARY)
    return small, not name.startswith(EXPONENTIAL), index, name


def monomials_in_reading_order(monomials: Iterable[Monomial]) -> list[Monomial]:
    """Monomials by their variables in reading order, and by their exponents."""
    return sorted(monomials, key=_monomial_place)


def sets_in_reading_order(sets: Iterable[Clause]) -> list[list[Monomial]]:
    """Sets of monomials, each in reading order, and among each other by their monomials."""
    ordered = [monomials_in_reading_order(monomials) for monomials in sets]
    return sorted(ordered, key=lambda monomials: [_monomial_place(monomial) for monomial in monomials])


def _monomial_place(monomial: Monomial) -> list[tuple[tuple[bool, bool, int, str], Fraction]]:
    return [(place(name), -monomial[name]) for name in in_reading_order(monomial.powers)]
