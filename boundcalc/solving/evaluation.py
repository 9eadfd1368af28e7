"""Evaluate one quantity of a statement: what it prescribes, or what it promises."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import sympy

from boundcalc.constants import ConstantPolicy, policy_of
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.notation import text
from boundcalc.numerics import Values, holds
from boundcalc.solving.answer import Answer, admitted
from boundcalc.solving.context import Context, Given, positive
from boundcalc.solving.ends import domain_end, domain_of, explicit_end
from boundcalc.solving.facts import Facts, UnmetPremiseError
from boundcalc.solving.solution import UNANSWERED, End, Solution, combined
from boundcalc.symbols import QUANTITIES, lookup, m, symbol_of
from boundcalc.theorem import Bound, Guarantee, Theorem

UNIT = ConstantPolicy()


def quantity_symbols(theorem: Theorem, quantity: str) -> tuple[str, tuple[sympy.Symbol, ...]]:
    """The quantity's proper name, and the symbols of the statement that answer it, in reading order.

    Args:
        theorem: the statement.
        quantity: a quantity (`width`, `step-size`, …), or the name of a symbol that the statement bounds.

    Raises:
        UnknownNameError: no such quantity.
        InputError: the statement does not bound it.
    """
    known = {bound.symbol.name: bound.symbol for bound in theorem.bounds}
    if quantity in known:
        return symbol_of(known[quantity]).quantity or quantity, (known[quantity],)
    name = quantity.replace("_", "-").replace(" ", "-")
    if name not in QUANTITIES:
        try:
            name = lookup(quantity).quantity or ""
        except UnknownNameError:
            name = ""
        if not name:
            raise UnknownNameError("quantity", quantity, QUANTITIES, f"known: {', '.join(QUANTITIES)}")
    symbols = theorem.bounded_symbols(name)
    if not symbols and name == "error":
        symbols = theorem.bounded_symbols("gap")  # the nearest to an error that such a statement bounds
    if not symbols:
        raise InputError(f"{theorem.key} says nothing about {name}; ask it for {', '.join(theorem.quantities)}")
    return name, symbols


def bound_holds(bound: Bound, values: Values) -> bool | None:
    """Whether an inequality holds at these values, decided by interval arithmetic; None where it cannot be."""
    return holds(bound.symbol, bound.relation, bound.expr, values)


def evaluate(
    theorem: Theorem,
    quantity: str,
    given: Given,
    policy: ConstantPolicy = UNIT,
    *,
    strict: bool = False,
    facts: Facts | None = None,
) -> Solution:
    """Evaluate one quantity of a statement.

    Args:
        theorem: the statement, in the reading that is wanted.
        quantity: `width`, `step-size`, `iterations`, `samples`, `error`, `radius`, `loss`, or a bounded symbol's name;
            where the statement bounds several symbols under a quantity, the first in reading order is answered.
        given: numbers by symbol name or alias, exact or as one types them, or sympy expressions of other symbols; `H`
            (hidden layers) is converted to the statement's own depth.
        policy: where the values of hidden constants come from.
        strict: refuse to assume an input, or a constant's unit value.
        facts: data from which inputs that are not given are taken, where they determine them; see
            `boundcalc.measuring`.

    Returns:
        The answer; `premise unmet` where the data do not show that an assumption holds.

    Raises:
        InputError: a value outside its symbol's domain, or an unknown name.
        IncompleteError: `strict`, and something would have had to be assumed.
        NumericsError: the bound has no finite positive value at these inputs.
    """
    name, symbols = quantity_symbols(theorem, quantity)
    context = Context(theorem, given, policy, facts)
    context.release(symbols[0])
    try:
        return _evaluated(context, name, symbols, strict)
    except UnmetPremiseError as unmet:
        return unanswered(context, name, symbols[0], context.theorem.bounds_on(symbols[0]), unmet)


def _evaluated(context: Context, name: str, symbols: tuple[sympy.Symbol, ...], strict: bool) -> Solution:
    symbol, theorem = symbols[0], context.theorem
    bounds = theorem.bounds_on(symbol)
    caps = tuple(
        bound for bound in theorem.conditions if symbol == m != bound.symbol and context.inequality(bound).has(symbol)
    )
    needed = {s for bound in (*bounds, *caps) for s in context.needs(bound)}
    context.fill(needed - {symbol}, frozenset({symbol}))
    context.check_domains()
    context.require_complete(strict, name)
    unmet = context.unmet(symbol, strict)
    notes = [f"{name} is what is asked for: the {symbol.name} given is not used"] if symbol in context.given else []
    notes += [bound.note for bound in bounds if bound.note]
    notes += [
        f"{symbol.name} also enters the condition on {other.symbol.name}"
        for other in theorem.conditions
        if other.symbol != symbol and context.inequality(other).has(symbol) and other not in caps
    ]
    notes += [f"{other.name} is bounded too: ask for it by that name" for other in symbols[1:]]
    if isinstance(bounds[0], Guarantee) and bounds[0].probability is not None:
        notes.append(f"with probability ≥ {text(bounds[0].probability)} over the {bounds[0].over}")

    expression = combined(bounds)
    if not expression.has(symbol) and not caps:
        ball = positive(symbol, expression, context.values)
        end = explicit_end(symbol, expression, ball, bounds[0].rounding, context.values)
        vacuous = _says_nothing(symbol, bounds[0], context.values, end)
        answer = Answer("vacuous" if vacuous else "ok", bounds[0].relation, end)
    else:
        inequalities = (*(context.inequality(bound) for bound in (*bounds, *caps)), *context.domains_in(symbol))
        answer = admitted(symbol, inequalities, context.values)
        answer = _from_below(symbol, answer, several=bool(caps))
        notes += answer.notes
    provenance = next((bound.provenance for bound in bounds if bound.provenance), theorem.provenance)
    solution = solution_of(context, name, symbol, answer, bounds, provenance, unmet, tuple(notes))
    return replace(solution, caps=caps)


def unanswered(
    context: Context,
    quantity: str,
    symbol: sympy.Symbol,
    bounds: tuple[Bound, ...],
    unmet: UnmetPremiseError,
    solved: sympy.Basic | None = None,
) -> Solution:
    """The answer where an assumption is not shown to hold for the data."""
    provenance = next((bound.provenance for bound in bounds if bound.provenance), context.theorem.provenance)
    answer = Answer("premise unmet", bounds[0].relation)
    return solution_of(context, quantity, symbol, answer, bounds, provenance, (str(unmet),), (), solved)


def _from_below(symbol: sympy.Symbol, answer: Answer, several: bool) -> Answer:
    """The answer read as that to "how large must it be": where nothing binds from below, the domain begins it."""
    least = domain_end(domain_of(symbol).lower or Fraction(1))
    if answer.status == "half-line" and answer.relation == "<=":
        return replace(answer, status="interval", relation=">=", main=least, lower=least, upper=answer.main)
    if answer.status == "all":
        return replace(answer, status="half-line" if several else "ok", main=least, notes=())
    return replace(answer, status="ok") if answer.status == "half-line" and not several else answer


def _says_nothing(symbol: sympy.Symbol, bound: Bound, values: Values, end: End) -> bool:
    """Whether a guarantee is empty: an error bound of at least 1, or a probability of at most 0."""
    if not isinstance(bound, Guarantee):
        return False
    if bound.probability is not None and holds(bound.probability, "<=", sympy.S.Zero, values):
        return True
    return symbol.name in ("error", "gap", "gap_uniform") and end.log10 >= 0


def solution_of(
    context: Context,
    quantity: str,
    symbol: sympy.Symbol,
    answer: Answer,
    bounds: tuple[Bound, ...],
    provenance: str,
    unmet: tuple[str, ...],
    notes: tuple[str, ...],
    solved: sympy.Basic | None = None,
) -> Solution:
    """The answer with everything that went into it."""
    theorem = context.theorem
    ranged = answer.status in ("interval", "empty")
    main = answer.main if answer.status not in UNANSWERED else None
    shown = main or answer.outside
    return Solution(
        theorem=theorem,
        quantity=quantity,
        symbol=symbol,
        relation=answer.relation,
        status=answer.status,
        value=main.value if main else None,
        log10=shown.log10 if shown else None,
        proven=bool(main and main.proven),
        bounds=bounds,
        inputs={key: value for key, value in context.inputs.items() if key in context.used},
        assumed=tuple(context.assumed),
        unused=tuple(key for key in context.inputs if key not in context.used and key not in context.measured),
        constants=tuple(context.constants),
        policy=policy_of(context.constants),
        provenance=provenance,
        lower=answer.lower if ranged else None,
        upper=answer.upper if ranged else None,
        binding=shown.binding if shown else "",
        formulas={s.name: expr for s, expr in context.formulas.items()},
        solved=solved,
        unmet=unmet,
        notes=tuple(dict.fromkeys((*notes, *context.fractional, *theorem.notes))),
        measured=tuple(one for name, one in context.measured.items() if name in context.used),
        cautions=context.cautions,
    )
