"""Solve a statement's inequalities for any symbol in them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import sympy

from boundcalc.constants import ConstantPolicy, explicit, substitute
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.notation import RELATIONS, bound_text, text
from boundcalc.solving.admissible import Inequality
from boundcalc.solving.answer import admitted, equal
from boundcalc.solving.context import Context, Given, demand
from boundcalc.solving.evaluation import UNIT, evaluate, solution_of, unanswered
from boundcalc.solving.facts import Facts, UnmetPremiseError
from boundcalc.solving.solution import Solution
from boundcalc.symbols import ALIASES, L, lookup, symbol_of
from boundcalc.theorem import Bound, Condition, Guarantee, Prescription, Theorem


def solve(
    theorem: Theorem,
    unknown: str,
    given: Given,
    policy: ConstantPolicy = UNIT,
    *,
    strict: bool = False,
    facts: Facts | None = None,
) -> Solution:
    """Solve a statement's inequalities for any symbol in them.

    Each bound on a symbol that is given, and in which the unknown occurs, must hold there: a condition as it stands; a
    guarantee such that what is given follows from it (error ≤ bound ≤ the error given); a number of iterations at
    least as large as prescribed; other prescriptions as they stand. Bounds on the unknown itself must hold too. Inputs
    that nobody gave, and for which the statement prescribes a value in terms of the unknown, follow it.

    Args:
        theorem: the statement, in the reading that is wanted.
        unknown: a symbol's name or alias, or the name of one of the statement's hidden constants.
        given: as for `evaluate`; `{"width": 10**6}` fixes m.
        policy: where the values of the other hidden constants come from.
        strict: refuse to assume an input, or a constant's unit value.
        facts: data from which inputs that are not given are taken, as for `evaluate`.

    Returns:
        A `Solution` whose quantity is the unknown. `ok`: one condition, inverted. `half-line`, `interval`, `all`,
        `empty`: what the conditions admit; of several pieces the one at the largest values, the others in a note.
        `premise unmet` where the data do not show that an assumption holds.

    Raises:
        InputError: a value outside its domain, an unknown name, or nothing given that the unknown would follow from.
        IncompleteError: `strict`, and something would have had to be assumed.
        NumericsError: an inequality is undefined at these inputs.
    """
    context = Context(theorem, given, policy, facts)
    symbol = _unknown(context, unknown)
    context.release(symbol)
    if symbol in context.given:
        raise InputError(f"{symbol.name} is what is solved for; do not give it, or solve for another symbol")
    if {symbol.name, f"{theorem.key}:{symbol.name}"} & policy.values.keys():
        raise InputError(f"{symbol.name} is what is solved for; do not set it")
    if any(isinstance(bound, Guarantee) for bound in theorem.bounds_on(symbol)):
        return evaluate(theorem, symbol.name, given, policy, strict=strict, facts=facts)
    inequalities, roots, bounds, notes = _inequalities_in(symbol, context)
    try:
        return _solved(context, symbol, inequalities, roots, bounds, notes, strict)
    except UnmetPremiseError as unmet:
        return unanswered(context, symbol.name, symbol, bounds, unmet, solved=_system(inequalities, roots))


def _solved(
    context: Context,
    symbol: sympy.Symbol,
    inequalities: tuple[Inequality, ...],
    roots: tuple[Inequality, ...],
    bounds: tuple[Bound, ...],
    notes: tuple[str, ...],
    strict: bool,
) -> Solution:
    theorem = context.theorem
    every = inequalities + roots
    context.fill({s for one in every for s in one.left.free_symbols | one.right.free_symbols} - {symbol},
                 frozenset({symbol}))  # fmt: skip
    context.check_domains()
    context.require_complete(strict, symbol.name)
    unmet = context.unmet(symbol, strict)
    inequalities += context.domains_in(symbol)
    minimum = Fraction(theorem.setting.depth.minimum) if symbol == L else None
    if roots:
        answer = equal(symbol, roots, inequalities, context.values, minimum)
    else:
        answer = admitted(symbol, inequalities, context.values, minimum)
    if answer.status == "half-line" and len(bounds) == 1 and not context.formulas:
        answer = replace(answer, status="ok")
    answer, solved = answer.with_formulas(symbol, context.values)
    solved = _system(inequalities, roots) if solved is None else solved
    provenance = next((bound.provenance for bound in bounds if bound.provenance), theorem.provenance)
    return solution_of(
        context, symbol.name, symbol, answer, bounds, provenance, unmet, (*notes, *answer.notes), solved=solved
    )


def _unknown(context: Context, name: str) -> sympy.Symbol:
    """The symbol or hidden constant that a name stands for in a statement, or in a formula that was given."""
    theorem = context.theorem
    constants = {constant.name: constant for constant in theorem.constants}
    if name in constants:
        return constants[name]
    symbols = dict.fromkeys([*theorem.symbols, *(s for expr in context.formulas.values() for s in expr.free_symbols)])
    choices = f"solve it for one of {', '.join([*(s.name for s in symbols), *constants])}"
    try:
        symbol = lookup(name).expr
    except UnknownNameError:
        raise UnknownNameError("symbol", name, [*constants, *ALIASES], choices) from None
    if symbol in symbols:
        return symbol
    # The two names of a number of iterations, and the several of a loss or an error.
    same = theorem.bounded_symbols(symbol_of(symbol).quantity or "")
    if len(same) == 1:
        return same[0]
    raise InputError(f"{symbol.name} does not occur in {theorem.key}; {choices}")


def _inequalities_in(
    symbol: sympy.Symbol, context: Context
) -> tuple[tuple[Inequality, ...], tuple[Inequality, ...], tuple[Bound, ...], tuple[str, ...]]:
    """The inequalities in the unknown that must hold, the equations, the bounds they come from, and notes."""
    inequalities: list[Inequality] = []
    equations: list[Inequality] = []
    bounds: list[Bound] = []
    open_: list[Bound] = []  # would say something about the unknown, were their own symbols given
    notes: list[str] = []
    ties = context.ties(symbol)
    promised = {g.symbol for g in context.theorem.guarantees if g.symbol in context.given and g.expr.has(symbol)}
    for bound in context.theorem.bounds:
        one = context.inequality(bound)
        right = substitute(one.right, ties)
        if not Inequality(one.left, one.relation, right).has(symbol):
            continue
        own = one.left == symbol
        if not own and bound.symbol not in context.given:
            open_.append(bound)
            continue
        if own and isinstance(bound, Prescription) and bound.expr.free_symbols & promised:
            notes.append(f"not used, as the guarantee itself is solved: {one.name}")
            continue
        used = {tied for tied in ties if one.right.has(tied)}
        notes += [f"{tied.name} = {text(ties[tied])}, the statement's own, wherever it enters" for tied in used]
        relation = demand(bound, own)
        if relation == "=":
            equations.append(Inequality(one.left, ">=", right, one.name))
        else:
            inequalities += _parts(Inequality(one.left, relation, right, one.name))
        bounds.append(bound)
    if not bounds:
        raise InputError(
            f"nothing that is given fixes {symbol.name} in {context.theorem.key}; give "
            + (" or ".join(f"{name}=…" for name in dict.fromkeys(bound.symbol.name for bound in open_)) or "more")
        )
    notes += [
        f"not used, as {bound.symbol.name} is not given: {bound_text(bound)}"
        for bound in open_
        if isinstance(bound, Condition) and bound.symbol not in ties
    ]
    return tuple(inequalities), tuple(equations), tuple(bounds), tuple(notes)


def _parts(inequality: Inequality) -> tuple[Inequality, ...]:
    """x ≥ c·max(f, g) as x ≥ c·f and x ≥ c·g, each by its own name, and so for the least of upper bounds."""
    kind = sympy.Max if inequality.relation == ">=" else sympy.Min
    factors = inequality.right.args if inequality.right.is_Mul else (inequality.right,)
    split = [factor for factor in factors if isinstance(factor, kind)]
    others = [factor for factor in factors if not isinstance(factor, kind)]
    if len(split) != 1 or not all(factor.is_positive for factor in others):
        return (inequality,)
    parts = []
    for term in split[0].args:
        with sympy.evaluate(False):
            right = sympy.Mul(*others, term) if others else term
        name = f"{text(inequality.left)} {RELATIONS[inequality.relation]} {text(right)}"
        parts.append(Inequality(inequality.left, inequality.relation, right, name))
    return tuple(parts)


def _system(inequalities: tuple[Inequality, ...], equations: tuple[Inequality, ...]) -> sympy.Basic:
    """The inequalities and equations themselves, constants explicit."""
    relations = {">=": sympy.Ge, "<=": sympy.Le}
    written = [(sympy.Eq, one) for one in equations] + [(relations[one.relation], one) for one in inequalities]
    parts = [relation(explicit(one.left), explicit(one.right), evaluate=False) for relation, one in written]
    return parts[0] if len(parts) == 1 else sympy.And(*parts, evaluate=False)
