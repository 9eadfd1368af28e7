"""What a step of a derivation may use, gathered from the data by the rules that `DerivationStep` states.

As facts: nothing is put in, what stands for a symbol is an equation about it. And as premises, with it put in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import sympy
from mpmath import mpf
from orders import (
    Curve,
    Inequality,
    NoValueError,
    Order,
    breach,
    names_in,
    order_of,
    random_curves,
    slope,
    without,
)

from boundcalc.auditing import Audit, Verdict
from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import HiddenConstant
from boundcalc.derivation import Claim, Derivation, DerivationStep
from boundcalc.theorem import Bound, Condition, Guarantee, Theorem

Values = Mapping[sympy.Symbol, sympy.Expr]


@dataclass(frozen=True)
class Place:
    """A step in the derivation of a statement; `raised` are exponents of poly(…) that are not as listed."""

    theorem: Theorem
    derivation: Derivation
    step: DerivationStep
    raised: Mapping[str, Fraction]

    @classmethod
    def of(cls, found: Audit, verdict: Verdict) -> Place:
        raised = {name: value for other in found.verdicts for name, value in other.exponents}
        return cls(found.theorem, found.derivation, verdict.step, raised)

    @property
    def earlier(self) -> Mapping[str, DerivationStep]:
        return {step.id: step for step in self.derivation.steps}

    @property
    def used(self) -> list[Theorem]:
        keys = [name for name in self.step.uses if name not in self.earlier]
        return [self.theorem if key == self.theorem.key else CATALOGUE[key] for key in keys]

    @property
    def put(self) -> Values:
        return {**self.derivation.put, **self.step.put}

    def order(self, expr: sympy.Expr, logs: bool) -> Order:
        return without(order_of(self.with_exponents(expr), logs), [symbol.name for symbol in self.step.fixed])

    def with_exponents(self, expr: sympy.Expr) -> sympy.Expr:
        raised = {c: self.raised[c.name] for c in expr.atoms(HiddenConstant) if c.role == "p" and c.name in self.raised}
        return expr.xreplace({c: sympy.Rational(value.numerator, value.denominator) for c, value in raised.items()})

    # --- facts

    def facts(self) -> list[Inequality]:
        """Everything that holds where the step is taken."""
        found = [fact for symbol, expr in self.put.items() for fact in equal(symbol, expr)]
        found += [inequality(claim) for claim in (*self.step.where, *self.derivation.where)]
        found += [inequality(self.earlier[name].claim) for name in self.step.uses if name in self.earlier]
        taken = set(self.put)
        if self.step.needed:
            found += [fact for bound in chosen(self.theorem) for fact in equal(bound.symbol, bound.expr)]
            taken |= {bound.symbol for bound in chosen(self.theorem)}
        for statement in self.used:
            for bound in statement.bounds:
                if isinstance(bound, Guarantee):
                    found.append(inequality(Claim(bound.symbol, bound.relation, bound.expr)))  # type: ignore[arg-type]
                elif not isinstance(bound, Condition) and bound.relation != ">=" and bound.symbol not in taken:
                    found += equal(bound.symbol, bound.expr)
        found += [inequality(claim) for claim in self.conditions()]
        return list(dict.fromkeys(found))

    def conditions(self) -> Iterator[Claim]:
        """Those of the statement, and where something follows from others, theirs."""
        for statement in [self.theorem, *([] if self.step.needed else self.used)]:
            for bound in statement.conditions:
                yield Claim(bound.symbol, "<=" if bound.relation == "<=" else ">=", bound.expr)

    def source(self) -> sympy.Expr:
        """What the claim's left side is, or is bounded by; a width that a lemma asks for is what it asks for."""
        if self.step.needed or self.step.because is None:
            return self.step.claim.left
        because = self.step.because
        asked = [b.expr for statement in self.used for b in statement.conditions if b.symbol == because]
        return asked[0] if asked and because not in self.put else because

    def target(self) -> Inequality:
        """The inequality that has to follow."""
        return inequality(Claim(self.source(), self.step.claim.relation, self.step.claim.right))

    def breach(
        self, small: sympy.Expr, large: sympy.Expr, *, logs: bool = False, given: Sequence[Inequality] | None = None
    ) -> Curve | None:
        """A curve on which what is given (else the facts) holds, and small ≤ large does not.

        With logarithms, what only an Õ bounds from above is not bounded.
        """
        facts = [
            fact for fact in (self.facts() if given is None else given) if not (logs and hides_logarithms(fact[1]))
        ]
        read = [(self.order(low, logs), self.order(high, logs)) for low, high in facts]
        return breach(self.order(small, logs), self.order(large, logs), read, logs=logs)

    # --- premises, with what stands for symbols put in

    def premises(self) -> list[Inequality]:
        claims = [*self.step.where, *self.derivation.where, *self.conditions()]
        # What an earlier step says of a single symbol is put in for that.
        earlier = [self.earlier[name].claim for name in self.step.uses if name in self.earlier]
        claims += [claim for claim in earlier if not claim.left.is_Symbol]
        values = dict(self.put)
        statements = [self.theorem] if self.step.needed else self.used
        for bound in (bound for statement in statements for bound in chosen(statement)):
            values.setdefault(bound.symbol, bound.expr)
        return [(put_in(small, values), put_in(large, values)) for small, large in map(inequality, claims)]


def chosen(statement: Theorem) -> list[Bound]:
    """What a statement prescribes, other than from where on a size suffices."""
    return [bound for bound in statement.prescriptions if bound.relation != ">="]


def put_in(expr: sympy.Expr, values: Values, within: frozenset[sympy.Symbol] = frozenset()) -> sympy.Expr:
    """A formula with values in place of symbols, and those put into each other."""
    own = {s: put_in(values[s], values, within | {s}) for s in expr.free_symbols if s in values and s not in within}
    return expr.xreplace(own)


def inequality(claim: Claim) -> Inequality:
    return (claim.left, claim.right) if claim.relation == "<=" else (claim.right, claim.left)


def equal(symbol: sympy.Symbol, expr: sympy.Expr) -> list[Inequality]:
    return [(symbol, expr), (expr, symbol)]


# --- verdicts a second time


@dataclass(frozen=True)
class Opinion:
    """What becomes of a step by linear programmes."""

    status: str
    curve: Curve | None = None


def opinion(place: Place, claimed: sympy.Expr, derived: sympy.Expr) -> Opinion:
    """The status of a step of which both sides are given with everything put in."""
    hidden = hides_logarithms(claimed) or hides_logarithms(derived)
    derived, claimed = without_shared_terms(derived, claimed)
    sides = (derived, claimed) if rises_to(place.step) else (claimed, derived)
    for (small, large), status in ((sides, "violated"), (sides[::-1], "loose")):
        if status == "loose" and (place.step.because is None or place.step.needed):
            break
        for logs in (False,) if hidden else (False, True):
            curve = place.breach(small, large, logs=logs, given=place.premises())
            if curve is not None:
                return Opinion(status, curve)
    return Opinion("holds")


def rises_to(step: DerivationStep) -> bool:
    """Whether what is derived has to be at most what is claimed."""
    return step.needed or step.claim.relation == "<="


def hides_logarithms(expr: sympy.Expr) -> bool:
    return any(constant.role == "k" for constant in expr.atoms(HiddenConstant))


def without_shared_terms(derived: sympy.Expr, claimed: sympy.Expr) -> Inequality:
    """X and C·Y of E + X ≤ E + C·Y, where the claim tells E from what it knows up to constants only."""
    mine, its = ([*sympy.Add.make_args(sympy.expand_mul(side))] for side in (derived, claimed))
    plain = [term for term in sympy.Add.make_args(claimed) if not term.atoms(HiddenConstant)]
    shared = [term for term in plain if term in mine]
    if len(plain) == len(sympy.Add.make_args(claimed)) or len(shared) == len(mine):
        return derived, claimed
    rest = [sympy.Add(*(term for term in side if term not in shared)) for side in (mine, its)]
    return rest[0], rest[1]


# --- numbers

POLYLOG = 0.02
"""How fast a power of logarithms may still grow with log s from s = e^1000 on: (log s)^k does by k·log(2)/1000."""


def fastest(place: Place, small: sympy.Expr, large: sympy.Expr, count: int) -> tuple[mpf, int]:
    """How fast log(small/large) grows at most on random curves of the premises; and on how many it was looked at."""
    small, large = place.with_exponents(small), place.with_exponents(large)
    premises = [(place.with_exponents(low), place.with_exponents(high)) for low, high in place.premises()]
    read = [(place.order(low, False), place.order(high, False)) for low, high in premises]
    names = names_in(chain(place.order(small, False), place.order(large, False), *chain.from_iterable(read)))
    found, tried = mpf("-inf"), 0
    for deep in (False, True) if "2^L" in names else (False,):
        for curve in random_curves(read, names, count, seed=len(names), deep=deep):
            if any(symbol.name in curve.moves for symbol in place.step.fixed):
                continue
            try:
                assert all(growth(low, high, curve) <= POLYLOG for low, high in premises)
                found, tried = max(found, growth(small, large, curve)), tried + 1
            except NoValueError:
                continue
    return found, tried


def growth(top: sympy.Expr, bottom: sympy.Expr, curve: Curve) -> mpf:
    """How fast log(top/bottom) grows with log s; where L = s, logarithms are of its order, and are left out."""
    exponential = curve.deep and any("2^L" in names_in(order_of(side)) for side in (top, bottom))
    return slope(top, bottom, curve, logs=not exponential, far=100 if curve.rated else 1000)
