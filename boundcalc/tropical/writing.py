"""From monomials and regions back to formulas in the vocabulary's symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy

from boundcalc.notation import text
from boundcalc.tropical.entailment import Certificate, entails
from boundcalc.tropical.monomials import EXPONENTIAL, ONE, Monomial, root
from boundcalc.tropical.regions import Region
from boundcalc.tropical.variables import in_reading_order, monomials_in_reading_order, variable

Inequality = tuple[Monomial, str, Monomial]
"""Left side, "≤" or "≥", right side."""

CHOSEN = ("m", "n")
"""What a user chooses: where no symbol is asked for, an inequality is solved for these first."""


def monomial_expr(monomial: Monomial) -> sympy.Expr:
    """A monomial as a formula in the vocabulary's symbols."""
    return sympy.Mul(*(_factor(name, monomial[name]) for name in in_reading_order(monomial.powers)))


def _factor(name: str, power: Fraction) -> sympy.Expr:
    exponent = sympy.Rational(power.numerator, power.denominator)
    if name.startswith(EXPONENTIAL):
        return sympy.Pow(2, exponent * variable(root(name)))
    return sympy.Pow(variable(name), exponent)


def default_target(region: Region) -> str | None:
    """The first symbol, L before all others, for which every inequality of a region can be solved."""
    monomials = [monomial for clause in region.clauses for monomial in clause]
    names = in_reading_order(name for monomial in monomials for name in monomial.powers)
    return next((name for name in names if all(solvable(monomial, name) for monomial in monomials)), None)


def solvable(monomial: Monomial, name: str) -> bool:
    """Whether monomial ≤ 1 is a bound on a symbol: it occurs, and not also as an exponent."""
    return bool(monomial[name]) and not name.startswith(EXPONENTIAL) and not monomial[EXPONENTIAL + name]


def solve_monomial(monomial: Monomial, target: str | None = None) -> Inequality:
    """The inequality monomial ≤ 1 solved for a symbol, the target if that can be; L²·2^L ≤ 1 stays as it is."""
    candidates = [name for name in in_reading_order(monomial.powers) if solvable(monomial, name)]
    if not candidates:
        return monomial, "≤", ONE
    name = next((name for name in (target, *CHOSEN) if name in candidates), None) or candidates[0]
    left, power = Monomial.of({name: 1}), monomial[name]
    return left, "≤" if power > 0 else "≥", left * monomial ** (-1 / power)


def facts_text(facts: Iterable[Monomial]) -> str:
    """Inequalities monomial ≤ 1 as one line of text: n ≥ 1, ε ≤ 1."""
    return ", ".join(_fact_text(fact) for fact in facts)


def _fact_text(fact: Monomial) -> str:
    left, sense, right = solve_monomial(fact)
    if sense == "≤" and all(power < 0 for _, power in left.exponents):
        left, sense = left**-1, "≥"
    return f"{text(monomial_expr(left))} {sense} {text(monomial_expr(right))}"


def region_expr(region: Region, target: str | None) -> sympy.Basic:
    """A region as a condition, each inequality solved for the target where it can be.

    Upper bounds on one symbol within a clause are joined to s ≤ max(…), those of several clauses to s ≤ min(…); lower
    bounds likewise.
    """
    bounds: dict[tuple[Monomial, str], list[sympy.Expr]] = {}
    parts: list[sympy.Basic] = []
    for clause in region.clauses:
        cases = [pinned(monomial, region.regime) for monomial in monomials_in_reading_order(clause)]
        either = _bounds((monomial for case in cases if len(case) == 1 for monomial in case), target)
        if len(cases) == 1:
            for key, sides in _bounds(cases[0], target).items():
                bounds.setdefault(key, []).extend(sides)
        elif len(either) == 1 and all(len(case) == 1 for case in cases):
            ((key, sides),) = either.items()
            bounds.setdefault(key, []).append(_extreme(sides, largest=key[1] == "≤"))
        else:
            several = [_bounds(case, target) for case in cases if len(case) > 1]
            options = [_any(either), *map(_all, several)] if either else [*map(_all, several)]
            parts.append(_join(sympy.Or, options))
    return _join(sympy.And, [_all(bounds), *parts] if bounds else parts)


def pinned(monomial: Monomial, regime: Iterable[Monomial]) -> tuple[Monomial, ...]:
    """The inequality monomial ≤ 1, taken apart where the regime says monomial ≥ 1: then all that makes it so is 1.

    On n ≥ 1 and φ ≤ 1, n²/φ ≤ 1 is n ≤ 1 and 1/φ ≤ 1.
    """
    found = entails(regime, [monomial**-1])
    if not isinstance(found, Certificate) or found.bounded is not None:
        return (monomial,)
    return tuple(_pin(premise) for premise, _ in found.premises)


def _pin(fact: Monomial) -> Monomial:
    """What is ≤ 1 where a fact of the regime holds with equality; 2^L and 2^L/L^M are bounded where L is."""
    names = {root(name) for name in fact.powers}
    exponential = any(name.startswith(EXPONENTIAL) for name in fact.powers)
    return Monomial.of({names.pop(): 1}) if exponential and len(names) == 1 else fact**-1


def _bounds(monomials: Iterable[Monomial], target: str | None) -> dict[tuple[Monomial, str], list[sympy.Expr]]:
    """Inequalities by what they bound and in which sense."""
    found: dict[tuple[Monomial, str], list[Monomial]] = {}
    for left, sense, right in (solve_monomial(monomial, target) for monomial in monomials):
        found.setdefault((left, sense), []).append(right)
    wanted = Monomial.of({target or "": 1})
    return {
        key: [monomial_expr(right) for right in monomials_in_reading_order(found[key])]
        for key in sorted(found, key=lambda key: key[0] != wanted)
    }


def _any(bounds: Mapping[tuple[Monomial, str], list[sympy.Expr]]) -> sympy.Basic:
    return _join(sympy.Or, [_inequality(*key, _extreme(sides, largest=key[1] == "≤")) for key, sides in bounds.items()])


def _all(bounds: Mapping[tuple[Monomial, str], list[sympy.Expr]]) -> sympy.Basic:
    return _join(
        sympy.And, [_inequality(*key, _extreme(sides, largest=key[1] == "≥")) for key, sides in bounds.items()]
    )


def _extreme(sides: Sequence[sympy.Expr], *, largest: bool) -> sympy.Expr:
    distinct = list(dict.fromkeys(sides))
    if len(distinct) == 1:
        return distinct[0]
    return (sympy.Max if largest else sympy.Min)(*distinct, evaluate=False)


def _inequality(left: Monomial, sense: str, side: sympy.Expr) -> sympy.Basic:
    return (sympy.Le if sense == "≤" else sympy.Ge)(monomial_expr(left), side, evaluate=False)


def _join(connective: Any, parts: Sequence[sympy.Basic]) -> sympy.Basic:
    """Several conditions as one; none is no condition."""
    flat = [inner for part in parts for inner in (part.args if isinstance(part, connective) else [part])]
    if not flat:
        return sympy.true
    return flat[0] if len(flat) == 1 else connective(*flat, evaluate=False)
