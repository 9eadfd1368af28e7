"""What is compared: statements and formulas as orders of growth, and what they rest on together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import sympy

from boundcalc.constants import ConstantPolicy
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.formula import parse_formula
from boundcalc.notation import bound_text, text
from boundcalc.parsing import Number, exact, parse_number
from boundcalc.solving import IncompleteError, quantity_symbols
from boundcalc.symbols import QUANTITIES, lookup
from boundcalc.theorem import Bound, Catalogue, Theorem
from boundcalc.tropical import (
    CONSTANT,
    EXPONENT_SYMBOLS,
    SMALL_BY_A_LEMMA,
    Assumption,
    Asymptotics,
    Clause,
    Growth,
    Monomial,
    Region,
    canonical,
    decide,
    facts_text,
    in_order,
    maximum,
    quotients,
    read_growth,
    regime,
)

Comparand: TypeAlias = str | Theorem | sympy.Expr
"""What can be compared: a statement, its key, or a formula in the vocabulary, as an expression or as one types it."""


@dataclass(frozen=True)
class Side:
    """One of the things compared.

    `bounds` are the inequalities that bound the quantity, none where the side is a formula. `asymptotics` is its order
    of growth as read, `growth` the same without what is dominated on the regime; `reduction` proves both directions.
    """

    name: str
    expr: sympy.Expr
    asymptotics: Asymptotics
    growth: Growth
    theorem: Theorem | None = None
    bounds: tuple[Bound, ...] = ()
    reduction: tuple[Region, ...] = ()

    @property
    def symbol(self) -> sympy.Symbol | None:
        """The symbol that is bounded; None for a formula."""
        return self.bounds[0].symbol if self.bounds else None

    @property
    def provenance(self) -> str:
        """Where the bound comes from: stated, reconstructed, secondary, or given."""
        if self.theorem is None:
            return "given"
        return next((bound.provenance for bound in self.bounds if bound.provenance), self.theorem.provenance)

    def verify(self) -> bool:
        """Check by arithmetic that `growth` is that of `asymptotics`."""
        if self.growth == self.asymptotics.growth:
            return True
        directions = ((self.asymptotics.growth, self.growth), (self.growth, self.asymptotics.growth))
        return len(self.reduction) == 2 and all(
            region.everywhere and region.verify() and frozenset(region.written) == quotients(*direction)
            for region, direction in zip(self.reduction, directions, strict=True)
        )


@dataclass(frozen=True)
class Terms:
    """What a comparison rests on: the quantity, what was given and assumed, and the regime."""

    quantity: str | None
    given: Mapping[str, sympy.Expr]
    assumed: tuple[Assumption, ...]
    regime: tuple[Monomial, ...]
    notes: tuple[str, ...]


Source: TypeAlias = tuple[str, Theorem | sympy.Expr]

_LIKE_A_KEY = re.compile(r"[a-z]+\d{4}\w*(/.*)?", re.IGNORECASE)


def find_source(side: Comparand, reading: str, catalogue: Catalogue) -> Source:
    """The name of a side, and the statement or formula that it is."""
    if isinstance(side, Theorem):
        return _label(side), side
    if isinstance(side, sympy.Expr):
        return text(side), side
    if _LIKE_A_KEY.fullmatch(side) or side in tuple(catalogue):
        readings = catalogue.readings(side)
        theorem = next((found for found in readings if found.reading == reading), readings[0])
        return _label(theorem), theorem
    return side.strip(), parse_formula(side, what=f"{side[:40]!r} is no statement; as a formula")


def check_policy(policy: ConstantPolicy, sources: Iterable[Source]) -> None:
    """Refuse a setting of a constant that no statement has."""
    if policy.values:
        theorems = [what for _, what in sources if isinstance(what, Theorem)]
        policy.check_names((theorem.key, constant) for theorem in theorems for constant in theorem.constants)


def _label(theorem: Theorem) -> str:
    return theorem.key + (" (unfolded)" if theorem.reading == "unfolded" else "")


def gather(
    comparands: Sequence[Comparand] | None,
    quantity: str | None,
    *,
    given: Mapping[str, Number | sympy.Expr],
    reading: str,
    policy: ConstantPolicy,
    strict: bool,
    catalogue: Catalogue,
) -> tuple[tuple[Side, ...], Terms, dict[str, str]]:
    """The sides of a comparison, each reduced on the common regime, what they rest on, and what was refused and why.

    Args:
        comparands: what to compare; None for every statement that bounds the quantity, but for those without an order
            of growth, which are refused.
        quantity, given, reading, policy, strict, catalogue: as for `compare`.
    """
    substitutions = parse_given(given)
    everything = comparands is None
    sources = [find_source(side, reading, catalogue) for side in (catalogue if comparands is None else comparands)]
    name = known_quantity(quantity or "width") if everything else common_quantity(sources, quantity)
    if everything:
        sources = [source for source in sources if isinstance(source[1], Theorem) and name in source[1].quantities]
    check_policy(policy, sources)
    sides: list[Side] = []
    refused: dict[str, str] = {}
    for source in sources:
        try:
            sides.append(read_side(source, name, substitutions, policy))
        except InputError as problem:
            if not everything:
                raise
            refused[source[0]] = str(problem).removeprefix(f"{source[0]}: ")
    if len(sides) < 2:
        raise InputError(f"{len(sides)} bounds on {name} are too few to compare; name at least two")
    terms = common_terms(sides, name, substitutions, policy, strict)
    return tuple(reduced(side, terms.regime) for side in sides), terms, refused


def parse_given(given: Mapping[str, Number | sympy.Expr]) -> dict[str, sympy.Expr]:
    """What to put in for symbols, by canonical name: numbers are checked against the symbol's domain.

    Raises:
        InputError: a number outside the domain, text that is no formula, or one symbol given twice.
    """
    found: dict[str, sympy.Expr] = {}
    for name, value in given.items():
        symbol = lookup(name)
        own = canonical(symbol.name)
        if own in found:
            raise InputError(f"{own} is given twice ({name} is another name of it); give it once")
        expr = _given_expr(value, symbol.name)
        if expr.is_Rational:
            symbol.check(Fraction(expr.p, expr.q))
        elif own in EXPONENT_SYMBOLS:
            raise InputError(f"{own} = {text(expr)} is no number; {own} stands in exponents, give it one")
        found[own] = expr
    return found


def _given_expr(value: Number | sympy.Expr, name: str) -> sympy.Expr:
    if isinstance(value, sympy.Expr):
        return value
    try:
        number = parse_number(value, name) if isinstance(value, str) else exact(value, name)
    except InputError:
        if not isinstance(value, str):
            raise
        return parse_formula(value, what=name)
    return sympy.Rational(number.numerator, number.denominator)


def known_quantity(quantity: str) -> str:
    """The quantity's proper name, though no statement is at hand that it could be asked of."""
    name = quantity.replace("_", "-").replace(" ", "-")
    if name not in QUANTITIES:
        raise UnknownNameError("quantity", quantity, QUANTITIES, f"known: {', '.join(QUANTITIES)}")
    return name


def common_quantity(sources: Iterable[Source], quantity: str | None) -> str | None:
    """The quantity that is compared; None where only formulas are."""
    theorems = [source for _, source in sources if isinstance(source, Theorem)]
    if quantity is not None or not theorems:
        return quantity
    shared = [name for name in theorems[0].quantities if all(name in other.quantities for other in theorems)]
    if not shared:
        offers = "; ".join(f"{theorem.key} bounds {', '.join(theorem.quantities)}" for theorem in theorems)
        raise InputError(f"no quantity is bounded by every statement: {offers}")
    return "width" if "width" in shared else shared[0]


def read_side(source: Source, quantity: str | None, given: Mapping[str, sympy.Expr], policy: ConstantPolicy) -> Side:
    """A side with its order of growth; the quantity is that which a statement is asked for.

    Raises:
        InputError: the statement does not bound the quantity, or the bound has no order of growth.
    """
    name, what = source
    if not isinstance(what, Theorem):
        found = read_growth(what, given, policy=policy)
        return Side(name, what, found, found.growth)
    assert quantity is not None
    _, symbols = quantity_symbols(what, quantity)
    symbol = symbols[0]
    of_symbol = what.bounds_on(symbol)
    bounds = tuple(bound for bound in of_symbol if bound.relation == of_symbol[0].relation)
    join = sympy.Max if bounds[0].relation == ">=" else sympy.Min
    expr = bounds[0].expr if len(bounds) == 1 else join(*(bound.expr for bound in bounds), evaluate=False)
    try:
        found = read_growth(expr, given, supplied=what.supplies, policy=policy, key=what.key)
    except InputError as problem:
        raise InputError(f"{name}: {problem}") from None
    if canonical(symbol.name) in found.growth.variables:
        raise InputError(
            f"{name}: {bound_text(bounds[0])} has {symbol.name} on both sides, beyond logarithms; "
            f"solve it for {symbol.name} first"
        )
    return Side(name, expr, found, found.growth, what, bounds)


def common_terms(
    sides: Sequence[Side],
    quantity: str | None,
    given: Mapping[str, sympy.Expr],
    policy: ConstantPolicy,
    strict: bool,
) -> Terms:
    """What all sides rest on together."""
    assumed = tuple(dict.fromkeys(assumption for side in sides for assumption in side.asymptotics.assumed))
    guessed = [use.name for side in sides for use in side.asymptotics.constants if use.assumed]
    if strict and (missing := dict.fromkeys([a.name for a in assumed] + guessed)):
        raise IncompleteError(f"--strict: this comparison would assume {', '.join(missing)}; give them")
    used = tuple(dict.fromkeys(name for side in sides for name in side.asymptotics.used))
    readings = {name: read_growth(given[name], given, policy=policy) for name in used if name not in EXPONENT_SYMBOLS}
    variables = frozenset().union(
        *(side.asymptotics.growth.variables for side in sides), *(found.growth.variables for found in readings.values())
    )
    facts = regime(variables)
    notes = [f"{name} does not occur: what is given for it changes nothing" for name in given if name not in used]
    numbers = [name for name in readings if given[name].is_Rational and given[name] != 1]
    if numbers:
        notes.append(f"{', '.join(numbers)}: a number is a constant here, and is dropped like every other")
    for name, found in readings.items():
        own, problem = _from_domain(name, given[name], found.growth, facts)
        facts += own
        notes += problem
    notes += [SMALL_BY_A_LEMMA[name] for name in sorted(variables & SMALL_BY_A_LEMMA.keys())]
    if dropped := policy.values.keys() - {
        use.origin.removeprefix("set by ").partition("=")[0] for side in sides for use in side.asymptotics.constants
    }:
        notes.append(
            f"{', '.join(sorted(dropped))}: constants and powers of logarithms are dropped, whatever their value"
        )
    return Terms(quantity, given, assumed, tuple(dict.fromkeys(facts)), tuple(notes))


def _from_domain(
    name: str, expr: sympy.Expr, growth: Growth, facts: tuple[Monomial, ...]
) -> tuple[tuple[Monomial, ...], list[str]]:
    """What a symbol's domain says of the formula that is put in for it, where the regime does not say so already."""
    found: list[Monomial] = []
    notes: list[str] = []
    for (limit,) in (fact.exponents for fact in regime([name])):
        small = limit[1] > 0
        region = decide(growth, CONSTANT, facts) if small else decide(CONSTANT, growth, facts)
        if region.everywhere:
            continue
        sign = "≤" if small else "≥"
        if any(len(clause) > 1 for clause in region.clauses):
            raise InputError(
                f"{name} = {text(expr)} is {sign} 1 only on a region that is no product of powers; give it otherwise"
            )
        found += [monomial for clause in region.clauses for monomial in clause]
        notes.append(f"{name} = {text(expr)} {sign} 1 is taken as given: {facts_text(found)}")
    return tuple(found), notes


def reduced(side: Side, facts: tuple[Monomial, ...]) -> Side:
    """The side without the terms, and the alternatives of a minimum, that change nothing on the regime."""
    terms = list(side.growth.terms)
    for term in sorted(side.growth.terms, key=lambda term: [m.exponents for m in in_order(term)]):
        others = [other for other in terms if other != term]
        if others and decide(Growth(frozenset({term})), Growth(frozenset(others)), facts).everywhere:
            terms = others
    smaller = [frozenset(_least(term, facts)) for term in terms]
    growth = maximum(*(Growth(frozenset({term})) for term in smaller))
    if growth == side.growth:
        return side
    reduction = (decide(side.growth, growth, facts), decide(growth, side.growth, facts))
    return replace(side, growth=growth, reduction=reduction)


def _least(term: Clause, facts: tuple[Monomial, ...]) -> Clause:
    """A minimum's monomials without those that the others are below."""
    for monomial in in_order(term):
        others = term - {monomial}
        if others and decide(Growth(frozenset({others})), Growth.of(monomial), facts).everywhere:
            term = others
    return term
