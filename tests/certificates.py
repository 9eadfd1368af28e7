"""The certificates, witnesses and repairs of an audit checked from their definitions, with premises gathered anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import chain
from math import gcd, lcm

import sympy
from orders import STILL, Clause, Inequality, Monomial, Order, clauses, names_in, order_of, over, size, times
from steps import Place, chosen, hides_logarithms, inequality, put_in, rises_to, without_shared_terms

from boundcalc.auditing import Audit, Judgement, Repair, Verdict
from boundcalc.derivation import Claim
from boundcalc.tropical import Cases, Certificate, Growth, Proof, Witness
from boundcalc.tropical import Monomial as TheirMonomial

SLOW = Fraction(1, 1000)
DEPTH: Monomial = frozenset({("L", Fraction(1))})


def own(x: TheirMonomial) -> Monomial:
    return frozenset(x.exponents)


def primitive(x: Monomial) -> Monomial:
    """The positive power with coprime integers as exponents."""
    if not x:
        return x
    scale = Fraction(lcm(*(e.denominator for _, e in x)), gcd(*(e.numerator for _, e in x)))
    return times((x, scale))


def own_order(growth: Growth) -> Order:
    return frozenset(frozenset(map(own, term)) for term in growth.terms)


# --- what may be used ------------------------------------------------------------------------------------------------


def is_regime(x: Monomial) -> bool:
    """A symbol's domain, B ≤ 1, that a logarithm is at least 1, or that log x is at most x^(1/1000)."""
    if len(x) == 1:
        ((name, power),) = x
        return size(name) * power < 0
    logs = [(name, power) for name, power in x if name.startswith("log ")]
    rest = [(name, power) for name, power in x if not name.startswith("log ")]
    return (
        len(logs) == len(rest) == 1
        and logs[0] == (f"log {rest[0][0]}", Fraction(1))
        and rest[0][1] == -SLOW * size(rest[0][0]) != 0
    )


def proves(found: Certificate, given: Iterable[Monomial], conclusions: Iterable[Monomial]) -> bool:
    """Whether Π premises^power = Π conclusions^weight, with premises that are given, of the regime, or L^M ≤ 2^L."""
    known = set(given)
    premises = [(own(x), power) for x, power in found.premises]
    weights = [(own(x), weight) for x, weight in found.conclusions]

    def allowed(x: Monomial) -> bool:
        if is_regime(x) or primitive(x) in known:
            return True
        deep = {name for name, _ in x} <= {"L", "2^L"} and any(name == "2^L" for name, _ in x)
        if found.bounded is not None:
            return deep and proves(found.bounded, known, [DEPTH])
        return deep and dict(x)["2^L"] < 0

    return (
        all(power > 0 for _, power in (*premises, *weights))
        and sum(weight for _, weight in weights) == 1
        and times(*premises) == times(*weights)
        and {primitive(x) for x, _ in weights} <= {primitive(x) for x in conclusions}
        and all(allowed(x) for x, _ in premises)
    )


def shows(proof: Proof, given: Sequence[Monomial], cases: Iterable[Clause], conclusion: Clause) -> bool:
    """Whether a proof covers every case of the clauses that it uses."""
    if isinstance(proof, Certificate):
        return proves(proof, given, conclusion)
    assert isinstance(proof, Cases)
    known = set(cases)
    clause = frozenset(primitive(own(x)) for x, _ in proof.proofs)
    return clause in known and all(
        shows(part, [*given, primitive(own(x))], known, conclusion) for x, part in proof.proofs
    )


def primitive_clauses(small: Order, large: Order) -> set[Clause]:
    found = {frozenset(map(primitive, clause)) for clause in clauses(small, large)}
    return {x for x in found if not any(y < x for y in found)}


# --- verdicts --------------------------------------------------------------------------------------------------------


def sides(verdict: Verdict) -> Inequality:
    """What has to be at most what, with everything put in."""
    derived, claimed = without_shared_terms(verdict.derived, verdict.claimed)
    return (derived, claimed) if rises_to(verdict.step) else (claimed, derived)


def certified(found: Audit, verdict: Verdict) -> bool:
    """Whether the certificates and the witness of a verdict show what its status says."""
    place = Place.of(found, verdict)
    logs = has_logarithms(verdict)
    small, large = (place.order(side, logs) for side in sides(verdict))
    premises = [(place.order(low, logs), place.order(high, logs)) for low, high in place.premises()]
    there = judged(verdict.there, small, large, premises)
    back = judged(verdict.back, large, small, premises)
    exact = verdict.step.needed or verdict.step.because is None or verdict.exponents
    if verdict.status == "holds":
        return there and verdict.there.holds and bool(exact or (back and verdict.back.holds))
    if verdict.status == "loose":
        return there and back and verdict.there.holds and not verdict.back.holds
    return there and not verdict.there.holds


def has_logarithms(verdict: Verdict) -> bool:
    """Whether the verdict is up to constants only: what holds is, unless an Õ stands in it, and what fails by a log."""
    soft = hides_logarithms(verdict.claimed) or hides_logarithms(verdict.derived)
    return not soft and (verdict.status == "holds" or any("logarithm" in note for note in verdict.notes))


def judged(found: Judgement, small: Order, large: Order, premises: Sequence[tuple[Order, Order]]) -> bool:
    """Whether a judgement is one of small ≤ large, and right."""
    given = [clause for low, high in premises for clause in primitive_clauses(low, high)]
    singles = [x for clause in given if len(clause) == 1 for x in clause]
    if found.witness is not None:
        return refuted(found.witness, small, large, premises)
    proven = [
        frozenset(primitive(own(x)) for x in clause)
        for clause, proof in found.proofs
        if shows(proof, singles, given, frozenset(primitive(own(x)) for x in clause))
    ]
    return all(any(p <= clause for p in proven) for clause in primitive_clauses(small, large))


def refuted(curve: Witness, small: Order, large: Order, premises: Sequence[tuple[Order, Order]]) -> bool:
    """Whether on a curve all premises stay true, up to constants, while small/large grows without bound."""
    rates, powers = dict(curve.rate.exponents), dict(curve.power.exponents)

    def move(x: Monomial) -> tuple[Fraction, Fraction]:
        rate, power = (sum((e * part.get(name, 0) for name, e in x), Fraction(0)) for part in (rates, powers))
        return rate, power

    def at(order: Order) -> tuple[Fraction, Fraction]:
        return max(min(map(move, term)) for term in order)

    names = names_in(chain(small, large, *(side for pair in premises for side in pair)))
    depth = (rates.get("2^L", 0), powers.get("2^L", 0), rates.get("L", 0), powers.get("L", 0))
    facts = [frozenset({(name, Fraction(-size(name)))}) for name in names | set(rates) | set(powers) if size(name)]
    return (
        ("2^L" not in names or depth in ((0, 0, 0, 0), (1, 0, 0, 1)))
        and all(move(fact) <= STILL for fact in facts)
        and all(at(low) <= at(high) for low, high in premises)
        and at(small) > at(large)
    )


# --- repairs ---------------------------------------------------------------------------------------------------------


def kept(audited: Audit) -> list[Monomial]:
    """What a repair may use beyond the regime: premises throughout, and conditions on what is not chosen anew."""
    claims = list(audited.derivation.where)
    for bound in audited.theorem.conditions:
        if bound.symbol not in audited.repair:
            claims.append(Claim(bound.symbol, "<=" if bound.relation == "<=" else ">=", bound.expr))
    values = {**{b.symbol: b.expr for b in chosen(audited.theorem)}, **audited.derivation.put}
    values = {symbol: expr for symbol, expr in values.items() if symbol not in audited.repair}
    pairs = [(put_in(small, values), put_in(large, values)) for small, large in map(inequality, claims)]
    found = [clause for small, large in pairs for clause in primitive_clauses(order_of(small), order_of(large))]
    return [x for clause in found if len(clause) == 1 for x in clause]


def repaired(found: Repair, given: Sequence[Monomial] = ()) -> bool:
    """Whether the choices satisfy the system, and the system implies that none can be better.

    Args:
        found: the repair.
        given: what may be used beyond the regime.
    """
    system = [primitive(own(x)) for x in found.system]
    values = [(choice, own_order(choice.value)) for choice in found.choices]
    facts: list[Monomial] = []
    cases: list[Clause] = []
    for choice, value in values:
        me: Monomial = frozenset({(choice.name, Fraction(1))})
        (ends,) = {frozenset(chain.from_iterable(value))}
        bounds = [over(me, x) if choice.greatest else over(x, me) for x in ends]
        facts += map(primitive, bounds)
        reached = frozenset(primitive(over(x, me) if choice.greatest else over(me, x)) for x in ends)
        facts, cases = ([*facts, *reached], cases) if len(reached) == 1 else (facts, [*cases, reached])
        reasons = {primitive(own(bound)): reason for bound, reason in choice.reasons}
        nothing = value == frozenset({frozenset({frozenset()})})  # at least 1: the regime
        if not nothing and not all(
            primitive(bound) in reasons and proves(reasons[primitive(bound)], [*system, *given], [bound])
            for bound in bounds
        ):
            return False
    shown = {
        primitive(own(x)) for x, proof in found.proofs if shows(proof, [*facts, *given], cases, frozenset({own(x)}))
    }
    return shown == set(system)


def monomial(expr: sympy.Expr) -> Monomial:
    """A product of powers, written as a formula."""
    (term,) = order_of(expr)
    (x,) = term
    return x
