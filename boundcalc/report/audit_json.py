"""Audits as JSON objects, from which another program can check every verdict.

Orders of growth and factors are formulas in sympy's syntax, in the symbols' names. A step says small ≤ large, both of
them maxima of minima of monomials; that is, in each of a set of clauses some quotient of their monomials is ≤ 1. For
each clause there is a certificate, Π conclusions^weight = Π premises^power, all premises being ≤ 1 up to constants:
one of `regime`, of `given`, or of the cases `where` it is used. Terms that both sides have exactly, `shared`, are left
out of the orders of growth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import sympy
from flint import arb

from boundcalc.auditing import Audit, Choice, Judgement, Repair, Verdict, growth_expr
from boundcalc.constants import ConstantPolicy, HiddenConstant, explicit
from boundcalc.notation import text
from boundcalc.numerics import Scaled, Value
from boundcalc.report.answers import constants_json
from boundcalc.report.audits import UNIT, Terms, raised_exponents
from boundcalc.report.certificates import curve_expr, powers_json, ratio_along
from boundcalc.report.steps import Sides, excess_expr, formulas_of, leaves, shared_terms, up_to
from boundcalc.report.styles import TEXT
from boundcalc.symbols import show_fraction
from boundcalc.tropical import (
    Certificate,
    Clause,
    Growth,
    Monomial,
    Proof,
    monomial_expr,
    sets_in_reading_order,
    variable,
)


def audits_json(audits: Iterable[Audit], policy: ConstantPolicy = UNIT) -> dict[str, Any]:
    """The JSON object of several audits."""
    return {"audits": [audit_json(audit, policy) for audit in audits]}


def audit_json(audit: Audit, policy: ConstantPolicy = UNIT) -> dict[str, Any]:
    """The JSON object of an audit."""
    terms = Terms.of(audit, policy)
    return {
        "theorem": audit.theorem.key,
        "reading": audit.theorem.reading,
        "source": str(audit.theorem.source),
        "derivation": audit.derivation.name,
        "status": audit.status,
        "verified": audit.verify(),
        "steps": [_step(verdict, audit, policy) for verdict in audit.verdicts],
        "repair": {symbol.name: str(expr) for symbol, expr in audit.repair.items()},
        "proof": None if audit.choices is None else _repair(audit.choices),
        "upstream": list(audit.upstream),
        "under": {name: audit_json(other, policy) for name, other in audit.under.items()},
        "alternatives": [audit_json(other, policy) for other in audit.alternatives],
        "quantities": dict(audit.derivation.quantities),
        "assumed": {assumption.name: str(assumption.expr) for assumption in terms.assumed},
        "constants": constants_json(terms.exponents),
        "policy": policy.name,
        "note": audit.derivation.note,
        "notes": list(audit.notes),
    }


def _step(verdict: Verdict, audit: Audit, policy: ConstantPolicy) -> dict[str, Any]:
    step, sides, excess = verdict.step, Sides.of(verdict), excess_expr(verdict)
    answer: dict[str, Any] = {
        "id": step.id,
        "claim": TEXT.claim(step.claim),
        "status": verdict.status,
        "claimed": str(growth_expr(sides.claimed)),
        "derived": str(growth_expr(sides.derived)),
        "excess": None if excess is None else str(excess),
        "up_to": up_to(verdict),
        "says": step.says,
        "needed": step.needed,
        "because": None if step.because is None else text(step.because),
        "uses": list(step.uses),
        "where": [TEXT.claim(claim) for claim in step.where],
        "fixed": [symbol.name for symbol in step.fixed],
        "provenance": step.provenance,
        "put": [
            {
                "symbol": entry.symbol.name,
                "relation": entry.sense or "=",
                "formula": text(entry.expr),
                "origin": entry.origin,
            }
            for entry in dict.fromkeys(verdict.put)
        ],
        "shared": str(shared_terms(verdict)),
        "small": _growth(verdict.there.small),
        "large": _growth(verdict.there.large),
        "regime": _monomials(verdict.there.premises.regime),
        "given": _monomials(verdict.there.premises.given),
        "clauses": [_monomials(clause) for clause in verdict.there.premises.clauses],
        "certificate": _certificates(verdict.there),
        "exponents": {name: show_fraction(value) for name, value in verdict.exponents},
        "notes": list(verdict.notes),
    }
    if step.because is not None:
        answer["converse"] = _certificates(verdict.back)
    witness = _witness(verdict, audit, policy)
    return answer | ({"witness": witness} if witness else {})


def _growth(growth: Growth) -> list[list[str]]:
    """A maximum of minima of monomials."""
    return [_monomials(term) for term in sets_in_reading_order(growth.terms)]


def _monomials(monomials: Iterable[Monomial]) -> list[str]:
    return [str(monomial_expr(monomial)) for monomial in monomials]


def _certificates(judgement: Judgement) -> list[dict[str, Any]]:
    return [found for clause, proof in judgement.proofs for found in _proof(proof, clause)]


def _proof(proof: Proof, clause: Clause) -> Iterator[dict[str, Any]]:
    """The certificates of one clause; `where` are the cases of other clauses in which one is used."""
    for where, certificate in leaves(proof):
        yield {"clause": _monomials(clause), "where": _monomials(where), **_certificate(certificate)}


def _certificate(certificate: Certificate) -> dict[str, Any]:
    """An identity; where it says that a variable is `bounded`, powers of that and of 2 to it count as premises."""
    answer: dict[str, Any] = {
        "premises": powers_json(certificate.premises),
        "conclusions": powers_json(certificate.conclusions),
    }
    if certificate.bounded is not None:
        answer["bounded"] = _certificate(certificate.bounded)
    return answer


def _witness(verdict: Verdict, audit: Audit, policy: ConstantPolicy) -> dict[str, Any] | None:
    """A curve along which the step fails (a loose one: its converse), and a point on it where that shows in numbers."""
    failing = verdict.back if verdict.there.holds else verdict.there
    if verdict.status == "holds" or failing.witness is None or failing.broken is None:
        return None
    answer: dict[str, Any] = {
        "of": "converse" if verdict.there.holds else "claim",
        "curve": {str(variable(name)): str(expr) for name, expr in curve_expr(failing.witness).items()},
        "clause": _monomials(failing.broken),
        "quotient": str(ratio_along(failing.witness, failing.small, failing.large)),
    }
    if verdict.point is None:
        return answer
    sizes = (verdict.point.small, verdict.point.large)
    small, large = reversed(sizes) if verdict.there.holds else sizes
    key = audit.theorem.key
    raised = {f"{key}:{name}": exponent for name, exponent in raised_exponents(audit).items()}
    used = ConstantPolicy({**policy.values, **raised})
    formulas = (numbers_put_in(formula, used, key) for formula in formulas_of(verdict))
    return answer | {
        "point": {name: number(value) for name, value in verdict.point.point.items()},
        "formulas": dict(zip(("small", "large"), map(str, formulas), strict=True)),
        "log10_small": small,
        "log10_large": large,
        "log10_factor": verdict.point.excess,
        "log10_factor_further": verdict.point.further,
    }


def numbers_put_in(formula: sympy.Expr, policy: ConstantPolicy, key: str) -> sympy.Expr:
    """A formula with every notation written out, and the values of hidden constants put in."""
    plain = explicit(formula)
    uses = {constant: policy.use(constant, key).value for constant in plain.atoms(HiddenConstant)}
    values = {constant: sympy.Rational(value.numerator, value.denominator) for constant, value in uses.items()}
    return plain.xreplace(values)


def number(value: Value) -> str:
    """A number in sympy's syntax: exact wherever it is known exactly."""
    if isinstance(value, Scaled):
        power = f"10**({value.exponent})" if value.exponent < 0 else f"10**{value.exponent}"
        return power if value.integer == 1 else f"{value.integer}*{power}"
    if isinstance(value, arb):
        if not value.is_exact():
            return str(value.mid().str(15, radius=False))
        mantissa, exponent = (int(part) for part in value.man_exp())
        return str(mantissa * 2**exponent if exponent >= 0 else Fraction(mantissa, 2**-exponent))
    return str(value)


def _repair(repair: Repair) -> dict[str, Any]:
    """Why the choices satisfy the system, all of whose monomials must be ≤ 1, and why none smaller would."""
    return {
        "system": _monomials(repair.system),
        "regime": _monomials(repair.regime),
        "choices": [_choice(choice) for choice in repair.choices],
        "certificate": [found for x, proof in repair.proofs for found in _proof(proof, frozenset({x}))],
    }


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "symbol": choice.name,
        "as": "large" if choice.greatest else "small",
        "value": str(growth_expr(choice.value)),
        "reasons": [{"bound": str(monomial_expr(bound)), **_certificate(reason)} for bound, reason in choice.reasons],
    }
