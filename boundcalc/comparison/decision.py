"""Which of two bounds is smaller, up to constants and logarithms: everywhere, or exactly where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import sympy

from boundcalc.catalogue import CATALOGUE
from boundcalc.comparison.notes import notes_on
from boundcalc.comparison.sides import Comparand, Side, Terms, gather
from boundcalc.constants import ConstantPolicy
from boundcalc.parsing import Number
from boundcalc.solving import UNIT
from boundcalc.symbols import lookup
from boundcalc.theorem import Catalogue
from boundcalc.tropical import Region, canonical, decide, default_target, quotients, region_expr, solvable

Relation: TypeAlias = Literal["equal", "a<=b", "b<=a", "region"]


@dataclass(frozen=True)
class Comparison:
    """How a compares with b, up to constants and logarithms.

    `relation`: `equal`; `a<=b` or `b<=a` everywhere on the regime, and not equal; or `region`. `below` is where a ≤ b,
    `above` where b ≤ a. `region` is `below` solved for `solved_for`; where that is None, each inequality is solved for
    the first symbol in it that can be.
    """

    a: Side
    b: Side
    terms: Terms
    relation: Relation
    below: Region
    above: Region
    region: sympy.Basic
    solved_for: str | None
    notes: tuple[str, ...]

    def verify(self) -> bool:
        """Check every certificate and witness again, by arithmetic alone."""
        return (
            self.a.verify()
            and self.b.verify()
            and frozenset(self.below.written) == quotients(self.a.growth, self.b.growth)
            and frozenset(self.above.written) == quotients(self.b.growth, self.a.growth)
            and self.below.verify()
            and self.above.verify()
            and self.relation == _relation(self.below, self.above)
        )


def compare(
    a: Comparand,
    b: Comparand,
    quantity: str | None = None,
    *,
    solve_for: str | None = None,
    given: Mapping[str, Number | sympy.Expr] = MappingProxyType({}),
    reading: str = "stated",
    policy: ConstantPolicy = UNIT,
    strict: bool = False,
    catalogue: Catalogue = CATALOGUE,
) -> Comparison:
    """Decide where a ≤ b, up to constants and logarithms.

    Args:
        a: a statement, its key, or a formula.
        b: the same.
        quantity: `width`, `error`, … or a bounded symbol's name; where it is None, width if every statement bounds it,
            else the first quantity that all of them bound.
        solve_for: the symbol for which the region is solved; L or the first that stands in every inequality if None.
        given: formulas or numbers to put in for symbols, e.g. {"R": "n^(3/2)*phi^(-1/2)", "alpha": "1/2"}.
        reading: `unfolded` takes what a corollary's proof plugs in, where a statement has this reading.
        policy: where the exponents that poly(…) hides come from.
        strict: refuse to assume an exponent, or what a statement supplies.
        catalogue: where keys are looked up.

    Raises:
        UnknownNameError: a name that is no statement, quantity or symbol.
        InputError: a formula that has no order of growth in monomials, or what is given contradicts a domain.
        IncompleteError: `strict`, and something would have had to be assumed.
    """
    (first, second), terms, _ = gather(
        (a, b), quantity, given=given, reading=reading, policy=policy, strict=strict, catalogue=catalogue
    )
    return compare_sides(first, second, terms, symbol_name(solve_for))


def _relation(below: Region, above: Region) -> Relation:
    if below.everywhere:
        return "equal" if above.everywhere else "a<=b"
    return "b<=a" if above.everywhere else "region"


def compare_sides(a: Side, b: Side, terms: Terms, target: str | None) -> Comparison:
    """Decide between two sides; the region is solved for the target, or for a symbol that suits it where it is None."""
    below, above = decide(a.growth, b.growth, terms.regime), decide(b.growth, a.growth, terms.regime)
    chosen = target or default_target(below)
    notes = [*terms.notes, *notes_on((a, b))]
    if target is not None and not below.everywhere and not any(solvable(m, target) for c in below.clauses for m in c):
        notes.append(f"the region is not solved for {target}: no inequality of it can be")
    return Comparison(
        a,
        b,
        terms,
        _relation(below, above),
        below,
        above,
        region_expr(below, chosen),
        chosen,
        tuple(notes),
    )


def symbol_name(name: str | None) -> str | None:
    """The name under which a symbol is compared, of any of its names.

    Raises:
        UnknownNameError: no symbol has this name.
    """
    return None if name is None else canonical(lookup(name).name)
