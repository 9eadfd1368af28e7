"""Monomials, certificates and conditions in logarithms, checked from their definitions and not by the library.

A point gives the logarithm of each symbol, and that of 2^L under the name `2^L`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import sympy

from boundcalc.symbols import VOCABULARY
from boundcalc.tropical import Certificate, Clause, Growth, Monomial, Proof, Region, Witness

DEEP = "2^L"

Coordinates = dict[str, Fraction]


def log_of(m: Monomial, point: Coordinates) -> Fraction:
    return sum((power * point[name] for name, power in m.exponents), Fraction(0))


def at(growth: Growth, point: Coordinates) -> Fraction:
    value: Fraction = growth.at(lambda m: log_of(m, point))
    return value


def proves(certificate: Certificate, premises: Iterable[Monomial], conclusions: Iterable[Monomial]) -> bool:
    """The definition, over plain dictionaries."""
    total: dict[str, Fraction] = {}
    for powers, sign in ((certificate.conclusions, 1), (certificate.premises, -1)):
        for m, power in powers:
            for name, exponent in m.exponents:
                total[name] = total.get(name, Fraction(0)) + sign * power * exponent
    return (
        not any(total.values())
        and min(power for _, power in (*certificate.conclusions, *certificate.premises)) > 0
        and sum(weight for _, weight in certificate.conclusions) == 1
        and {m for m, _ in certificate.conclusions} <= set(conclusions)
        and all(m in set(premises) or axiom(m, certificate, premises) for m, _ in certificate.premises)
    )


def axiom(m: Monomial, certificate: Certificate, premises: Iterable[Monomial]) -> bool:
    """L^M/2^L; or anything in L and 2^L, if the premises bound L."""
    exponents = dict(m.exponents)
    if not set(exponents) <= {"L", DEEP} or DEEP not in exponents:
        return False
    if certificate.bounded is not None:
        return proves(certificate.bounded, premises, [Monomial.of({"L": 1})])
    return exponents[DEEP] < 0


CONSTANT_ALONG = (Fraction(0), Fraction(0))


def along(witness: Witness, m: Monomial) -> tuple[Fraction, Fraction]:
    rate, power = dict(witness.rate.exponents), dict(witness.power.exponents)
    return (
        sum((p * rate.get(name, 0) for name, p in m.exponents), Fraction(0)),
        sum((p * power.get(name, 0) for name, p in m.exponents), Fraction(0)),
    )


def refutes(witness: Witness, premises: Iterable[Monomial], conclusions: Iterable[Monomial]) -> bool:
    rate, power = dict(witness.rate.exponents), dict(witness.power.exponents)
    curve = power.get("L", 0), rate.get("L", 0), power.get(DEEP, 0), rate.get(DEEP, 0)
    return (
        (curve in ((0, 0, 0, 0), (1, 0, 0, 1)) or not any(DEEP in m.powers for m in (*premises, *conclusions)))
        and all(along(witness, m) <= CONSTANT_ALONG for m in premises)
        and all(along(witness, m) > CONSTANT_ALONG for m in conclusions)
    )


def holds(clauses: Iterable[Clause], point: Coordinates) -> bool:
    return all(any(log_of(m, point) <= 0 for m in clause) for clause in clauses)


def shows(proof: Proof, premises: list[Monomial], clauses: Sequence[Clause], conclusion: Clause) -> bool:
    """Whether a proof covers every case of the clauses that it uses."""
    if isinstance(proof, Certificate):
        return proves(proof, premises, conclusion)
    return {m for m, _ in proof.proofs} in clauses and all(
        shows(part, [*premises, m], clauses, conclusion) for m, part in proof.proofs
    )


def correct(region: Region) -> bool:
    """Whether the derivations show that what is left of the clauses says what they said."""
    facts = list(region.regime)
    implied = {d.clause for d in region.derivations if d.proof and shows(d.proof, facts, region.clauses, d.clause)}
    sound = {
        d.clause
        for d in region.derivations
        if d.source in region.written
        and {m for m, _ in d.dropped} | d.clause == d.source
        and all(proves(found, [*facts, m], d.clause) for m, found in d.dropped)
    }
    return sound >= set(region.clauses) and all(
        clause in implied or any(kept <= clause for kept in region.clauses) for clause in region.written
    )


def condition_holds(condition: sympy.Basic, point: Coordinates) -> bool:
    """A condition at a point, by a rule for each of its kinds of node."""
    if condition == sympy.true:
        return True
    if isinstance(condition, sympy.And):
        return all(condition_holds(part, point) for part in condition.args)
    if isinstance(condition, sympy.Or):
        return any(condition_holds(part, point) for part in condition.args)
    left, right = (log_value(side, point) for side in condition.args)
    return left <= right if isinstance(condition, sympy.LessThan) else left >= right


def log_value(expr: sympy.Expr, point: Coordinates) -> Fraction:
    """The logarithm of a formula made of monomials, maxima and minima, at given logarithms of its symbols."""
    if expr.is_Symbol:
        return point[expr.name]
    if expr.is_Number:
        assert expr == 1
        return Fraction(0)
    if expr.is_Mul:
        return sum((log_value(factor, point) for factor in expr.args), Fraction(0))
    if expr.is_Pow and expr.base == 2:
        return Fraction(*(expr.exp / VOCABULARY["L"].expr).as_numer_denom()) * point[DEEP]
    if expr.is_Pow:
        return Fraction(expr.exp.p, expr.exp.q) * log_value(expr.base, point)
    return (max if isinstance(expr, sympy.Max) else min)(log_value(argument, point) for argument in expr.args)
