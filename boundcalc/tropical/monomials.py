"""Monomials, and orders of growth made of them by products, powers, maxima and minima."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm
from typing import Any

from boundcalc.errors import InputError

EXPONENTIAL = "2^"
"""What the name of the variable 2^L begins with."""


def root(name: str) -> str:
    """The L of 2^L; any other variable itself."""
    return name.removeprefix(EXPONENTIAL)


MOST_ALTERNATIVES = 1000
"""How many terms a normal form may have."""


_ZERO = Fraction(0)


@dataclass(frozen=True)
class Monomial:
    """A product of powers: (variable, exponent) pairs by name, no exponent zero."""

    exponents: tuple[tuple[str, Fraction], ...] = ()

    @classmethod
    def of(cls, exponents: Mapping[str, Fraction | int]) -> Monomial:
        """The monomial with these exponents."""
        return cls(tuple(sorted((name, Fraction(power)) for name, power in exponents.items() if power)))

    @cached_property
    def powers(self) -> Mapping[str, Fraction]:
        """The exponents by name."""
        return dict(self.exponents)

    def __getitem__(self, name: str) -> Fraction:
        return self.powers.get(name, _ZERO)

    def __mul__(self, other: Monomial) -> Monomial:
        return product((self, Fraction(1)), (other, Fraction(1)))

    def __truediv__(self, other: Monomial) -> Monomial:
        return product((self, Fraction(1)), (other, Fraction(-1)))

    def __pow__(self, power: Fraction | int) -> Monomial:
        return product((self, Fraction(power)))

    def primitive(self) -> Monomial:
        """The positive power of it that has coprime integers as exponents: the same when compared with 1."""
        if not self.exponents:
            return self
        scale = Fraction(
            lcm(*(power.denominator for _, power in self.exponents)),
            gcd(*(power.numerator for _, power in self.exponents)),
        )
        return self**scale


ONE = Monomial()


def product(*powers: tuple[Monomial, Fraction]) -> Monomial:
    """The product of monomials, each to a power."""
    exponents: dict[str, Fraction] = {}
    for monomial, outer in powers:
        for name, inner in monomial.exponents:
            exponents[name] = exponents.get(name, Fraction(0)) + inner * outer
    return Monomial.of(exponents)


Clause = frozenset[Monomial]
Sets = frozenset[Clause]


def in_order(monomials: Iterable[Monomial]) -> tuple[Monomial, ...]:
    """Monomials in a fixed order."""
    return tuple(sorted(monomials, key=lambda monomial: monomial.exponents))


@dataclass(frozen=True)
class Growth:
    """An order of growth: the maximum, over the terms, of the minimum of each term's monomials."""

    terms: Sets

    @classmethod
    def of(cls, monomial: Monomial) -> Growth:
        """The growth of one monomial."""
        return cls(frozenset({frozenset({monomial})}))

    @cached_property
    def clauses(self) -> Sets:
        """The same as a minimum, over the clauses, of the maximum of each clause's monomials."""
        return _distribute(self.terms)

    @property
    def variables(self) -> frozenset[str]:
        """Every variable that occurs."""
        return frozenset(name for term in self.terms for monomial in term for name in monomial.powers)

    def __mul__(self, other: Growth) -> Growth:
        _check_size(len(self.terms) * len(other.terms))
        return Growth(
            minimal(frozenset(x * y for x in mine for y in its) for mine in self.terms for its in other.terms)
        )

    def __pow__(self, power: Fraction | int) -> Growth:
        if power == 0:
            return CONSTANT
        scaled = frozenset(frozenset(monomial**power for monomial in term) for term in self.terms)
        # A negative power turns maxima into minima.
        return Growth(scaled if power > 0 else _distribute(scaled))

    def at(self, value: Callable[[Monomial], Any]) -> Any:
        """The value, given the monomials' values in any ordered set."""
        return max(min(value(monomial) for monomial in term) for term in self.terms)


CONSTANT = Growth.of(ONE)


def maximum(*growths: Growth) -> Growth:
    """The largest: up to a factor, also the sum."""
    return Growth(minimal(term for growth in growths for term in growth.terms))


def minimum(*growths: Growth) -> Growth:
    """The least."""
    clauses = minimal(clause for growth in growths for clause in growth.clauses)
    return Growth(_distribute(clauses))


def minimal(sets: Iterable[frozenset[Monomial]]) -> Sets:
    """The sets that hold no other: the others change nothing, for minima and for maxima alike."""
    found: list[frozenset[Monomial]] = []
    for candidate in sorted(set(sets), key=len):
        if not any(smaller <= candidate for smaller in found):
            found.append(candidate)
    return frozenset(found)


def _check_size(count: int) -> None:
    if count > MOST_ALTERNATIVES:
        raise InputError(f"the maxima and minima branch into {count} terms; compare formulas with fewer")


def _distribute(sets: Sets) -> Sets:
    """From a maximum of minima to a minimum of maxima, and back: one monomial of each set, in all ways."""
    choices: Sets = frozenset({frozenset()})
    for group in sorted(sets, key=len):
        _check_size(len(choices) * len(group))
        choices = minimal(choice | {monomial} for choice in choices for monomial in group)
    return choices


def quotients(a: Growth, b: Growth) -> frozenset[Clause]:
    """The clauses of a ≤ b: for each term of a and each clause of b, one of their monomials' quotients is ≤ 1."""
    return minimal(
        frozenset((x / y).primitive() for x in term for y in clause) for term in a.terms for clause in b.clauses
    )
