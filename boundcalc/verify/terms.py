"""The terms of a guarantee's bound at the inputs of a run: which of them makes it as large as it is."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from boundcalc.constants import HiddenConstant, Notation
from boundcalc.theorem import Guarantee
from boundcalc.verify.checks import Check
from boundcalc.verify.experiments.bound_parts import terms
from boundcalc.verify.runner import Result
from boundcalc.verify.statement import Statement


@dataclass(frozen=True)
class Term:
    """One term of a bound; log10: of its value, None where it takes what only the training tells (L_S, E_S, …)."""

    expr: sympy.Expr
    log10: float | None


@dataclass(frozen=True)
class Terms:
    """A guarantee whose bound is a sum, its terms, and the check that is about it, where that is clear."""

    guarantee: Guarantee
    terms: tuple[Term, ...]
    check: Check | None


def guarantee_terms(result: Result) -> tuple[Terms, ...]:
    """The guarantees whose bounds are sums, at the inputs of the run and what was found of its inits."""
    statement = result.case.statement.with_inputs(**result.prescribed.found)
    guarantees = result.case.theorem.guarantees
    claimed = next((check for check in result.conclusion.checks if check.claimed and check.bound is not None), None)
    found = []
    for guarantee in guarantees:
        parts = split(guarantee.expr)
        if len(parts) > 1:
            valued = tuple(Term(part, _log10(statement, part)) for part in parts)
            found.append(Terms(guarantee, valued, claimed if len(guarantees) == 1 else None))
    return tuple(found)


def split(expr: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """The terms of a sum, also of one that is multiplied, C(a + b), or stands alone in a notation, Õ(a + b).

    The log factor that Õ hides is that of each term by itself: at the log power 0 of the unit policy it is 1.
    """
    found: list[sympy.Expr] = []
    for term in terms(expr):
        inner = next((arg for arg in term.args if isinstance(arg, sympy.Add)), None)
        if inner is not None and isinstance(term, sympy.Mul | Notation) and term.args.count(inner) == 1:
            found += [term.func(*(part if arg == inner else arg for arg in term.args)) for part in terms(inner)]
        else:
            found.append(term)
    return tuple(found)


def _log10(statement: Statement, expr: sympy.Expr) -> float | None:
    needed = {symbol.name for symbol in expr.free_symbols if not isinstance(symbol, HiddenConstant)}
    return statement.log10(expr) if needed <= statement.inputs.keys() else None
