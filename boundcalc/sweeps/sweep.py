"""Evaluate one quantity of a statement over arrays and ranges of its inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from boundcalc.arrays.programs import Array
from boundcalc.constants import ConstantPolicy, ConstantUse, explicit, policy_of
from boundcalc.errors import InputError
from boundcalc.notation import bound_text, text
from boundcalc.numerics import Rounding
from boundcalc.solving import UNIT, quantity_symbols
from boundcalc.solving.context import cautions
from boundcalc.solving.solution import combined
from boundcalc.sweeps.inputs import Assumed, Check, Given, Inputs, shortened
from boundcalc.sweeps.points import LARGEST_EXACT, Demand, Points, integers
from boundcalc.symbols import m, symbol_of
from boundcalc.theorem import Bound, Guarantee, Theorem

LN10 = math.log(10)

AT_MOST_ONE = ("error", "gap", "gap_uniform")
"""What is at most 1 whatever anyone guarantees: a bound of 1 or more says nothing."""

NOT_PROVEN = "integers are rounded in double precision and not proven: above 10^12 the last digits may be off"


@dataclass(frozen=True, eq=False)
class Ends:
    """log₁₀ of the ends of what conditions on a symbol admit.

    Each condition counts by the last range in which it holds, the one at the largest values. The lower end is ∞ where a
    condition cannot be met at all, the upper one where nothing bounds the symbol above; NaN where no end was found.
    Nothing is admitted where `empty`: there the last ranges exclude each other. `several`: more than one condition.
    """

    lower: Array
    upper: Array
    empty: NDArray[np.bool]
    several: bool


@dataclass(frozen=True, eq=False)
class Sweep:
    """A quantity of a statement at every point of a sweep, and everything that went in.

    Attributes:
        bounds, caps: the inequalities on the symbol, and those on other symbols that it has to satisfy too.
        axes: the arrays that were given, by name, in order.
        grid: whether they span an outer grid, one dimension of `shape` each; else they were broadcast as numpy does.
        log10: log₁₀ of the bound before rounding, of the shape of the sweep; where the symbol stands on both sides of
            its condition, of the least value that is admitted. NaN where nothing is or the bound is undefined, −∞ where
            it is zero.
        ends: of what is admitted, where conditions were solved for the symbol; None where the bound is a formula.
        inputs, formulas: the other inputs that were given, and used.
        assumed: the inputs that nobody gave; they may differ from point to point.
        unused: the inputs that do not enter.
        checks: what the statement needs of the inputs; each knows where it fails.
        cautions: what has to be known of where the constants come from.
    """

    theorem: Theorem
    quantity: str
    symbol: sympy.Symbol
    relation: str
    bounds: tuple[Bound, ...]
    caps: tuple[Bound, ...]
    axes: Mapping[str, NDArray[Any]]
    grid: bool
    shape: tuple[int, ...]
    log10: Array
    ends: Ends | None
    inputs: Mapping[str, Fraction]
    formulas: Mapping[str, sympy.Expr]
    assumed: tuple[Assumed, ...]
    unused: tuple[str, ...]
    constants: tuple[ConstantUse, ...]
    policy: str
    provenance: str
    checks: tuple[Check, ...]
    cautions: tuple[str, ...]
    notes: tuple[str, ...]
    _points: Points = field(repr=False)
    _laid_out: Mapping[str, NDArray[Any]] = field(repr=False)

    @property
    def expression(self) -> sympy.Expr:
        """The bound with its constants explicit."""
        return explicit(combined(self.bounds))

    @property
    def rounding(self) -> Rounding:
        """The side to which values are rounded, so that the inequality stays true."""
        return self.bounds[0].rounding

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return symbol_of(self.symbol).domain.integer

    @cached_property
    def value(self) -> Array:
        """The values: integers rounded to the safe side, beyond 2^53 as they are; ∞ beyond 10^308.

        They are computed and rounded in double precision, not proven as those of `evaluate` are: what cannot be told
        from an integer counts as one, and above some 10^12 a value may be off by more than one.
        """
        log = self.log10 * LN10
        with np.errstate(all="ignore"):
            return np.where(log == -math.inf, math.nan, integers(log, self.rounding)) if self.whole else np.exp(log)

    def points(self, name: str) -> NDArray[Any]:
        """The values of an axis at every point."""
        return np.broadcast_to(self._laid_out[name], self.shape)

    @cached_property
    def unmet(self) -> NDArray[np.bool]:
        """Where a condition of the statement on its inputs fails."""
        unmet = np.zeros(self.shape, bool)
        for check in self.checks:
            unmet |= check.fails
        return unmet

    @cached_property
    def status(self) -> NDArray[np.str_]:
        """What each value is.

        ok: the value of a bound. half-line, interval: the least value that several conditions admit, which is unbounded
        above or bounded. empty: they admit none. vacuous: a guarantee that says nothing. undefined: there is no finite
        positive value.
        """
        cases = [(~np.isfinite(self.log10), "undefined")]
        other = "ok"
        if self.ends is not None:
            cases = [(self.ends.empty, "empty"), *cases, (np.isfinite(self.ends.upper), "interval")]
            other = "half-line" if self.ends.several else "ok"
        elif isinstance(self.bounds[0], Guarantee):
            cases.append((self._says_nothing(self.bounds[0]), "vacuous"))
        where = [np.broadcast_to(condition, self.shape) for condition, _ in cases]
        return np.select(where, [name for _, name in cases], other)

    def _says_nothing(self, guarantee: Guarantee) -> NDArray[np.bool]:
        """Where an error bound is at least 1, or the probability is at most 0."""
        nothing = np.zeros((), bool)
        if guarantee.probability is not None:
            nothing = ~(self._points.log(guarantee.probability) > -math.inf)
        return nothing | (self.log10 >= 0) if self.symbol.name in AT_MOST_ONE else nothing


def sweep(
    theorem: Theorem,
    quantity: str,
    given: Given,
    policy: ConstantPolicy = UNIT,
    *,
    broadcast: bool = False,
    strict: bool = False,
) -> Sweep:
    """Evaluate one quantity of a statement over arrays of inputs, in the log domain.

    Args:
        theorem: the statement, in the reading that is wanted.
        quantity: as for `evaluate`.
        given: inputs by name or alias, and hidden constants by name: numbers, as for `evaluate`; lists and arrays of
            numbers; ranges as `"1e-9:1e-6:log40"` or as `parse_axis` reads them; sympy expressions of other symbols.
            Ranges, lists and one-dimensional arrays span an outer grid, a dimension each, in the order given. Where
            one of them has more dimensions, which say themselves how it lies to the others, all are broadcast as numpy
            does.
        policy: where the values of hidden constants come from.
        broadcast: broadcast one-dimensional arrays too, in place of a grid.
        strict: refuse to assume an input, or a constant's unit value.

    Raises:
        InputError: a value outside its symbol's domain, an unknown name, shapes that do not fit, too many points.
        IncompleteError: `strict`, and something would have had to be assumed.
    """
    _check_arguments(theorem, quantity, given, policy)
    name, symbols = quantity_symbols(theorem, quantity)
    symbol = symbols[0]
    inputs = Inputs(theorem, given, policy, broadcast)
    bounds = theorem.bounds_on(symbol)
    caps = caps_on(inputs, symbol)
    unknown = frozenset({symbol})
    inputs.fill(set().union(*(inputs.needs(bound) for bound in (*bounds, *caps))), unknown)
    if strict:
        inputs.require_complete(name)
    checks, notes = inputs.checks(symbol, strict)
    inputs.check_formulas()
    implicit = any(symbol in inputs.free(bound.expr) for bound in bounds)
    if implicit or caps:
        ends = _ends(inputs, symbol, bounds, caps)
        log10 = np.where(ends.empty, math.nan, ends.lower)
    else:
        ends = None
        log10 = inputs.points.log(combined(bounds), base=10.0)
    if log10.shape != inputs.shape:
        log10 = np.array(np.broadcast_to(log10, inputs.shape))
    return Sweep(
        theorem=theorem,
        quantity=name,
        symbol=symbol,
        relation=bounds[0].relation,
        bounds=bounds,
        caps=caps,
        axes=inputs.axes,
        grid=inputs.grid,
        shape=inputs.shape,
        log10=log10,
        ends=ends,
        inputs={key: value for key, value in inputs.numbers.items() if key in inputs.used},
        formulas={s.name: expr for s, expr in inputs.formulas.items()},
        assumed=tuple(inputs.assumed),
        unused=inputs.unused,
        constants=tuple(inputs.constants),
        policy=policy_of(inputs.constants),
        provenance=next((bound.provenance for bound in bounds if bound.provenance), theorem.provenance),
        checks=checks,
        cautions=_cautions(inputs),
        notes=(*inputs.notes, *_notes(inputs, name, symbols, bounds, caps), *notes),
        _points=inputs.points,
        _laid_out=inputs.laid_out,
    )


def _cautions(inputs: Inputs) -> tuple[str, ...]:
    assumed = {one.name: one.text for one in inputs.assumed}
    return cautions(inputs.theorem, inputs.policy, inputs.constants, assumed)


def _check_arguments(theorem: object, quantity: object, given: object, policy: object) -> None:
    """Refuse what is no theorem, name, mapping or policy."""
    wanted: tuple[tuple[object, type, str], ...] = (
        (theorem, Theorem, 'no theorem; give one, as boundcalc.CATALOGUE["cao2020/thm3.1"]'),
        (quantity, str, "no quantity; give its name, as 'width'"),
        (given, Mapping, "no mapping; give inputs by name, as {'L': [2, 3]}"),
        (policy, ConstantPolicy, "no policy; give ConstantPolicy({'C_m': 2}), say"),
    )
    names = given if isinstance(given, Mapping) else ()
    for argument, kind, mend in (*wanted, *((name, str, "no name of an input; give text, as 'L'") for name in names)):
        if not isinstance(argument, kind):
            raise InputError(f"{shortened(argument)} is {mend}")


def _ends(inputs: Inputs, symbol: sympy.Symbol, bounds: tuple[Bound, ...], caps: tuple[Bound, ...]) -> Ends:
    """Solve conditions for a symbol: what all of them admit."""
    shape, parts = inputs.points.ranges(symbol, demands_on(inputs, symbol, bounds, caps))
    lower, upper, empty = np.empty(shape), np.empty(shape), np.empty(shape, bool)
    for index, low, high in parts:
        lower[index], upper[index] = low / LN10, high / LN10
        empty[index] = _nothing_between(low, high) if symbol_of(symbol).domain.integer else high < low
    return Ends(lower, upper, empty, several=bool(caps))


def caps_on(inputs: Inputs, symbol: sympy.Symbol) -> tuple[Bound, ...]:
    """The conditions on other symbols that a width has to satisfy as well, since it enters them."""
    if symbol != m:
        return ()
    others = [bound for bound in inputs.theorem.conditions if bound.symbol != m and not bound.implicit]
    return tuple(bound for bound in others if m in inputs.free(bound.expr, inputs.left(bound)))


def demands_on(
    inputs: Inputs, symbol: sympy.Symbol, bounds: tuple[Bound, ...], caps: tuple[Bound, ...]
) -> list[Demand]:
    """What has to be solved for a symbol.

    Raises:
        InputError: the symbol may be below 1, or is prescribed as equal to something in itself.
    """
    domain = symbol_of(symbol).domain
    if domain.lower is None or domain.lower < 1 or any(bound.relation == "=" for bound in bounds):
        raise InputError(
            f"{symbol.name} stands on both sides of {bound_text(bounds[0])}; a sweep solves conditions on numbers ≥ 1 "
            "only: take solve, point by point"
        )
    demands = []
    for bound in (*bounds, *caps):
        large, small = inputs.left(bound) if bound in caps else symbol, bound.expr
        if bound.relation == "<=":
            large, small = small, large
        demands.append(Demand(large, small, cap=bound in caps))
    return demands + inputs.domains_in(symbol)


def _nothing_between(lower: Array, upper: Array) -> NDArray[np.bool]:
    """Where no integer lies between numbers given by their logarithms."""
    empty = np.asarray(upper < lower)
    close = (upper - lower < math.log(2)) & (lower < LARGEST_EXACT) & ~empty
    if close.any():
        empty[close] = integers(upper[close], "down") < integers(lower[close], "up")
    return empty


def _notes(
    inputs: Inputs, quantity: str, symbols: tuple[sympy.Symbol, ...], bounds: tuple[Bound, ...], caps: tuple[Bound, ...]
) -> tuple[str, ...]:
    symbol, *others = symbols
    notes = (
        [f"{quantity} is what is asked for: the {symbol.name} given is not used"] if symbol.name in inputs.given else []
    )
    notes += [bound.note for bound in bounds if bound.note]
    notes += [
        f"{symbol.name} also enters the condition on {other.symbol.name}"
        for other in inputs.theorem.conditions
        if other.symbol != symbol and other.expr.has(symbol) and other not in caps
    ]
    notes += [f"{other.name} is bounded too: ask for it by that name" for other in others]
    first = bounds[0]
    if isinstance(first, Guarantee) and first.probability is not None:
        notes.append(f"with probability ≥ {text(first.probability)} over the {first.over}")
    notes += [
        f"{formula.name} = {text(expr)} is used as it is, not rounded to an integer"
        for formula, expr in inputs.formulas.items()
        if symbol_of(formula).domain.integer
    ]
    notes += [NOT_PROVEN] if symbol_of(symbol).domain.integer else []
    return tuple(dict.fromkeys((*notes, *inputs.theorem.notes)))
