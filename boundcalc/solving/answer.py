"""From the admissible set of a symbol to an answer: a half-line, an interval, all, nothing, or a single point."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import sympy
from flint import arb, ctx

from boundcalc.numerics import (
    WRITTEN_TO_LOG10,
    Values,
    fits_integer,
    holds,
    log10,
    round_significant,
    round_to_integer,
)
from boundcalc.parsing import LARGEST_EXPONENT
from boundcalc.solving.admissible import Edge, Inequality, Piece, admissible
from boundcalc.solving.closed_form import closed_form
from boundcalc.solving.ends import domain_of, end_of, log_range
from boundcalc.solving.solution import End, Status
from boundcalc.symbols import Domain


@dataclass(frozen=True)
class Answer:
    """What was found: the status, the relation of the unknown to the value, and the ends.

    `main` is the end that answers, `edge` that end (or, in an empty answer, the nearest one) unrounded, `top` the upper
    end of an interval unrounded. `outside` is the only solution there is, where it lies outside the unknown's domain.
    """

    status: Status
    relation: str
    main: End | None = None
    lower: End | None = None
    upper: End | None = None
    edge: Edge | None = None
    top: Edge | None = None
    outside: End | None = None
    notes: tuple[str, ...] = ()

    def with_formulas(self, symbol: sympy.Symbol, values: Values) -> tuple[Answer, sympy.Basic | None]:
        """The answer with its ends in closed form, and that as a whole: None where an end has none."""
        formula = _formula(self.edge, symbol, values)
        if self.status != "interval":
            return self, formula
        upper = _formula(self.top, symbol, values)
        answer = replace(
            self,
            main=self.main and replace(self.main, formula=formula),
            lower=self.lower and replace(self.lower, formula=formula),
            upper=self.upper and replace(self.upper, formula=upper),
        )
        if formula is None or upper is None:
            return answer, None
        ends = sympy.Ge(symbol, formula, evaluate=False), sympy.Le(symbol, upper, evaluate=False)
        return answer, sympy.And(*ends, evaluate=False)


def _formula(edge: Edge | None, symbol: sympy.Symbol, values: Values) -> sympy.Expr | None:
    return None if edge is None else closed_form(edge.binding, symbol, values, edge.log)


def admitted(
    symbol: sympy.Symbol, inequalities: tuple[Inequality, ...], values: Values, minimum: Fraction | None = None
) -> Answer:
    """The values of a symbol at which every inequality holds; of several pieces, the one at the largest values.

    Args:
        symbol: the unknown, whose domain limits the search; `minimum` may raise its lower end.
        inequalities: what must hold.
        values: the value of every other symbol.
    """
    domain = _domain(symbol, minimum)
    spans = [
        (piece, *_ends(symbol, domain, piece, inequalities, values))
        for piece in admissible(symbol, inequalities, values, *log_range(domain))
    ]
    spans = [(piece, lower, upper) for piece, lower, upper in spans if not _crossed(lower, upper)]
    if not spans:
        return _empty(symbol, domain, inequalities, values)
    piece, lower, upper = spans.pop()
    notes = tuple(f"also admitted: {symbol.name} {_span(low, high)}" for _, low, high in spans)
    if piece.lower and piece.upper:
        return Answer("interval", ">=", lower, lower, upper, piece.lower, piece.upper, notes=notes)
    if piece.lower:
        return Answer("half-line", ">=", lower, edge=piece.lower, notes=notes)
    if piece.upper:
        return Answer("half-line", "<=", upper, edge=piece.upper, notes=notes)
    return Answer("all", ">=", notes=(*notes, f"every {symbol.name} that is {domain} is admitted"))


def _domain(symbol: sympy.Symbol, minimum: Fraction | None) -> Domain:
    domain = domain_of(symbol)
    return domain if minimum is None else replace(domain, lower=minimum, lower_open=False)


def _ends(
    symbol: sympy.Symbol, domain: Domain, piece: Piece, inequalities: tuple[Inequality, ...], values: Values
) -> tuple[End | None, End | None]:
    return (
        end_of(symbol, domain, piece.lower, "up", inequalities, values),
        end_of(symbol, domain, piece.upper, "down", inequalities, values),
    )


def _crossed(lower: End | None, upper: End | None) -> bool:
    """Whether rounding left nothing between two ends."""
    if lower is None or upper is None:
        return False
    if lower.value is None or upper.value is None or abs(lower.log10) > LARGEST_EXPONENT:
        return upper.log10 < lower.log10
    return Fraction(upper.value) < Fraction(lower.value)


def _span(lower: End | None, upper: End | None) -> str:
    low = f"from {lower.number}" if lower else "from 0"
    return low + (f" to {upper.number}" if upper else " on")


def _empty(symbol: sympy.Symbol, domain: Domain, inequalities: tuple[Inequality, ...], values: Values) -> Answer:
    """Say what is needed and what is allowed where nothing is admitted, beyond the symbol's domain if need be."""
    needed: list[tuple[Edge, Inequality]] = []
    allowed: list[tuple[Edge, Inequality]] = []
    hopeless: list[str] = []
    low_end, high_end = log_range(domain)
    for one in inequalities:
        inside = admissible(symbol, (one,), values, low_end, high_end)
        # Where it holds nowhere in the domain, the nearest places beyond.
        above = () if inside or high_end is None else admissible(symbol, (one,), values, high_end, None)[:1]
        below = () if inside or low_end is None else admissible(symbol, (one,), values, None, low_end)[-1:]
        needed += [(piece.lower, one) for piece in inside[-1:] + above if piece.lower]
        allowed += [(piece.upper, one) for piece in inside[-1:] + below if piece.upper]
        edges = [edge for piece in inside + above + below for edge in (piece.lower, piece.upper)]
        hopeless += [] if inside or any(edges) else [one.name]
    low, high = (max(needed, key=_log, default=None), min(allowed, key=_log, default=None))
    lower = end_of(symbol, _wider(domain, low[0]), low[0], "up", (low[1],), values) if low else None
    upper = end_of(symbol, _wider(domain, high[0]), high[0], "down", (high[1],), values) if high else None
    reasons = [f"{symbol.name} ≥ {lower.number} is needed by {lower.binding}"] if lower else []
    reasons += [f"{symbol.name} ≤ {upper.number} is allowed by {upper.binding}"] if upper else []
    reasons += [f"{name} holds nowhere" for name in hopeless]
    note = (
        f"no value of {symbol.name} satisfies every condition at these inputs: {', '.join(reasons)}; "
        f"{symbol.name} is {domain}"
    )
    return Answer(
        "empty",
        ">=" if lower else "<=",
        lower=lower,
        upper=upper,
        edge=(low or high or (None,))[0],
        outside=(lower or upper) if len(inequalities) == 1 and not (lower and upper) else None,
        notes=(note,),
    )


def _wider(domain: Domain, edge: Edge) -> Domain:
    """All positive numbers; only its integers where the domain has no others and the edge lies among them."""
    return Domain(integer=domain.integer and bool(edge.log > 0))


def _log(entry: tuple[Edge, Inequality]) -> arb:
    return entry[0].log


def equal(
    symbol: sympy.Symbol,
    equations: tuple[Inequality, ...],
    inequalities: tuple[Inequality, ...],
    values: Values,
    minimum: Fraction | None = None,
) -> Answer:
    """The value at which a prescription holds with equality and the inequalities hold; the largest, if several do.

    Args:
        symbol, inequalities, values, minimum: as for `admitted`.
        equations: prescriptions, each as an inequality whose two sides are to be equal; the first fixes the symbol.
    """
    domain = _domain(symbol, minimum)
    equation, *others = equations
    pieces = admissible(symbol, (equation,), values, *log_range(domain))
    roots = [edge for piece in pieces for edge in (piece.lower, piece.upper) if edge]
    notes = [f"not used, one equation fixes {symbol.name}: {other.name}" for other in others]
    solutions = []
    for edge in roots:
        at_root = {**values, symbol: edge.point}
        failing = [one.name for one in inequalities if holds(one.left, one.relation, one.right, at_root) is False]
        notes += [f"unmet at the solution: {name}" for name in failing]
        solutions += [] if failing else [edge]
    if not solutions:
        notes += [] if roots else [f"no {symbol.name} that is {domain} satisfies {equation.name}"]
        outside = End(None, log10(roots[-1].point), binding=equation.name) if roots else None
        return Answer("empty", "=", edge=roots[-1] if roots else None, outside=outside, notes=tuple(notes))
    edge = solutions[-1]
    notes += [f"the largest of {len(solutions)} solutions"] if len(solutions) > 1 else []
    notes += [f"no integer solves it but by chance: the nearest {symbol.name} is given"] if domain.integer else []
    x = edge.point
    return Answer("ok", "=", End(_nearest(symbol, x, domain), log10(x), binding=equation.name), edge=edge,
                  notes=tuple(notes))  # fmt: skip


def _nearest(symbol: sympy.Symbol, x: arb, domain: Domain) -> str | None:
    """The nearest number that is written out: an equation has no safe side."""
    if domain.integer:
        return (
            str(round_to_integer(symbol + sympy.Rational(1, 2), {symbol: x}, "down").value) if fits_integer(x) else None
        )
    if abs(log10(x)) > WRITTEN_TO_LOG10:
        return None
    low, high = (round_significant(symbol, {symbol: x}, side) for side in ("down", "up"))
    with ctx.workprec(512):
        middle = sum((arb(end.integer) * arb(10) ** end.exponent for end in (low, high)), arb(0)) / 2
        return str(low if bool(x < middle) else high)
