"""What a step's formulas come to once all that it uses is put in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import sympy

from boundcalc.constants import HiddenConstant, Notation
from boundcalc.derivation import DerivationStep, Sense
from boundcalc.errors import InputError
from boundcalc.notation import text
from boundcalc.solving.solution import combined
from boundcalc.theorem import Bound, Condition, Guarantee, Theorem


@dataclass(frozen=True)
class Entry:
    """What may be put in for a symbol, and where that comes from.

    `sense` is the direction of a bound, None for a value. What is `whole` is put in only where the symbol is all there
    is: the least width that a statement asks for is no value of the width.
    """

    symbol: sympy.Symbol
    expr: sympy.Expr
    origin: str
    sense: Sense | None = None
    whole: bool = False


def values(symbols: Mapping[sympy.Symbol, sympy.Expr], origin: str) -> list[Entry]:
    """Entries for symbols that stand for something."""
    return [Entry(symbol, expr, origin) for symbol, expr in symbols.items()]


def from_statement(theorem: Theorem) -> Iterator[Entry]:
    """What a statement says of the symbols that it bounds."""
    for symbol in dict.fromkeys(bound.symbol for bound in theorem.bounds):
        bounds = theorem.bounds_on(symbol)
        yield Entry(symbol, combined(bounds), theorem.key, _sense(bounds[0]), _is_demand(bounds[0]))


def _sense(bound: Bound) -> Sense | None:
    return bound.relation if isinstance(bound, Guarantee) and bound.relation != "=" else None


def _is_demand(bound: Bound) -> bool:
    """Whether a bound says from where on a symbol may be, rather than what it is."""
    return isinstance(bound, Condition) or (not isinstance(bound, Guarantee) and bound.relation == ">=")


def from_step(step: DerivationStep) -> Iterator[Entry]:
    """What an earlier step says of the one symbol that it bounds."""
    if step.claim.left.is_Symbol:
        yield Entry(step.claim.left, step.claim.right, step.id, step.claim.relation)


def choices_of(theorem: Theorem) -> list[Entry]:
    """The values that a statement prescribes."""
    return [
        Entry(entry.symbol, entry.expr, "as stated")
        for entry in from_statement(theorem)
        if entry.sense is None and not entry.whole
    ]


@dataclass(frozen=True)
class Assembled:
    """A formula with everything put in, and what that was."""

    expr: sympy.Expr
    put: tuple[Entry, ...] = ()


def assemble(expr: sympy.Expr, entries: Iterable[Entry], sense: Sense = "<=") -> Assembled:
    """Put entries into a formula, and into each other; the first entry for a symbol counts.

    Args:
        expr: the formula.
        entries: what may be put in.
        sense: `<=` where the formula is to be bounded from above, `>=` from below: bounds are put in where that is the
            sense in which they carry over.

    Raises:
        InputError: whether a bound carries over cannot be told, as the formula neither rises nor falls in its symbol.
    """
    known = list(entries)
    used: list[Entry] = []

    def put_into(formula: sympy.Expr, wanted: Sense, banned: frozenset[sympy.Symbol]) -> sympy.Expr:
        replacements: dict[sympy.Symbol, sympy.Expr] = {}
        for symbol in sorted(formula.free_symbols - banned, key=str):
            if isinstance(symbol, HiddenConstant):
                continue
            inner = wanted if rises(formula, symbol, known) else _opposite(wanted)
            fitting = (
                entry
                for entry in known
                if entry.symbol == symbol and entry.sense in (None, inner) and (formula == symbol or not entry.whole)
            )
            found = list(fitting)
            if found and found[0].sense is not None:  # of several bounds, each holds
                found = [entry for entry in found if entry.sense is not None]
            else:
                found = found[:1]
            if found:
                used.extend(found)
                parts = [put_into(entry.expr, inner, banned | {symbol}) for entry in found]
                join = sympy.Min if inner == "<=" else sympy.Max
                replacements[symbol] = parts[0] if len(parts) == 1 else join(*parts, evaluate=False)
        return formula.xreplace(replacements) if replacements else formula

    result = put_into(expr, sense, frozenset())
    return Assembled(result, tuple(dict.fromkeys(used)))


def _opposite(sense: Sense) -> Sense:
    return ">=" if sense == "<=" else "<="


def rises(formula: sympy.Expr, symbol: sympy.Symbol, known: Iterable[Entry]) -> bool:
    """Whether a formula rises in a symbol, all others being positive; where no bound is at stake, it is as good as.

    Raises:
        InputError: there is a bound to put in, and the formula neither rises nor falls.
    """
    senses = _senses(formula, symbol)
    if len(senses) < 2:
        return -1 not in senses
    if _bounded(symbol, list(known), frozenset()):
        raise InputError(f"{text(formula)} neither rises nor falls in {symbol}: a bound on {symbol} says nothing of it")
    return True


def _bounded(symbol: sympy.Symbol, known: list[Entry], seen: frozenset[sympy.Symbol]) -> bool:
    """Whether a bound may be put in for a symbol, or within what stands for it."""
    own = [entry for entry in known if entry.symbol == symbol]
    inside = {inner for entry in own for inner in entry.expr.free_symbols} - seen - {symbol}
    bounds = any(entry.sense is not None for entry in own)
    return bounds or any(_bounded(inner, known, seen | {symbol}) for inner in inside)


def _senses(formula: sympy.Expr, symbol: sympy.Symbol) -> frozenset[int]:
    """How a formula moves with a symbol: 1 if it rises somewhere, −1 if it falls; logarithms are positive."""
    if symbol not in formula.free_symbols:
        return frozenset()
    if formula == symbol:
        return frozenset({1})
    if formula.is_Pow:
        return _senses_of_power(formula.base, formula.exp, symbol)
    inner = frozenset().union(*(_senses(part, symbol) for part in formula.args))
    falls = formula.is_Mul and any(part.is_negative for part in formula.args if part.is_Number)
    return frozenset(-sense for sense in inner) if falls else inner


def _senses_of_power(base: sympy.Expr, exponent: sympy.Expr, symbol: sympy.Symbol) -> frozenset[int]:
    of_base, of_exponent = _senses(base, symbol), _senses(exponent, symbol)
    if of_exponent and not base.is_Number:
        return frozenset({1, -1})
    if of_exponent:
        return of_exponent if base > 1 else frozenset(-sense for sense in of_exponent)
    return frozenset(-sense for sense in of_base) if exponent.could_extract_minus_sign() else of_base


def hides_logarithms(*formulas: sympy.Expr) -> bool:
    """Whether an Õ or Ω̃ stands in one of the formulas."""
    return any(len(found.args) > 2 for formula in formulas for found in formula.atoms(Notation))


def exact_terms(claimed: sympy.Expr) -> list[sympy.Expr]:
    """The terms of a claim that hide no constant, where others do: 2·E_S of 2·E_S + C·(…)."""
    terms = sympy.Add.make_args(expanded(claimed))
    exact = [term for term in terms if not term.has(HiddenConstant)]
    return exact if len(exact) < len(terms) else []


def without_exact_terms(derived: sympy.Expr, claimed: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """What is left of both sums when the terms that the claim has exactly are taken off both.

    2·E_S + X ≤ 2·E_S + C·Y for some C says X ≤ C·Y, whatever E_S is; 3·E_S + X ≤ 2·E_S + C·Y says E_S + X ≤ C·Y.
    """
    sides = [
        {rest: number for number, rest in map(sympy.Expr.as_coeff_Mul, sympy.Add.make_args(expanded(side)))}
        for side in (derived, claimed)
    ]
    mine, its = sides
    shared = [rest for _, rest in map(sympy.Expr.as_coeff_Mul, exact_terms(claimed)) if rest in mine]
    if not shared or len(mine) == len(shared) == sum(mine[rest] == its[rest] for rest in shared):
        return derived, claimed
    for rest in shared:
        more = mine.pop(rest) - its.pop(rest)
        if more:
            (mine if more > 0 else its)[rest] = abs(more)
    return tuple(sympy.Add(*(number * rest for rest, number in side.items())) for side in (mine, its))


def expanded(side: sympy.Expr) -> sympy.Expr:
    """A sum's numerical factors multiplied out; nothing within its terms is touched."""
    return sympy.Add(*(term for part in sympy.Add.make_args(side) for term in _distributed(part)))


def _distributed(term: sympy.Expr) -> list[sympy.Expr]:
    number, rest = term.as_coeff_Mul()
    if number == 1 and not rest.is_Add:
        return [term]
    return [number * inner for part in sympy.Add.make_args(rest) for inner in _distributed(part)]
