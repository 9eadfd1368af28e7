"""The values that go into every point of a sweep, and where each came from.

As in `solving.context`, an input that nobody gives is supplied by the statement, prescribed by it, or a default; here
it may differ from point to point.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from boundcalc.arrays import sides
from boundcalc.arrays.blocks import blocks
from boundcalc.arrays.programs import Array
from boundcalc.constants import ConstantPolicy, ConstantUse, HiddenConstant
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.notation import bound_text, text
from boundcalc.numerics import Rounding
from boundcalc.parsing import LARGEST_EXPONENT, Number, exact
from boundcalc.solving import IncompleteError, check_inputs
from boundcalc.solving.context import ITERATIONS, check_formulas, demand, in_vocabulary
from boundcalc.solving.solution import combined
from boundcalc.sweeps.axes import Axis, is_axis, parse_axis, placed
from boundcalc.sweeps.points import Demand, Points
from boundcalc.symbols import VOCABULARY, L, Symbol, lookup, n, show_fraction, symbol_of
from boundcalc.theorem import Bound, Condition, Guarantee, Theorem

Given = Mapping[str, Number | sympy.Expr | ArrayLike | Axis]
"""Inputs by name or alias, and hidden constants by name: numbers, exact or as one types them; arrays or lists of
numbers; ranges, as one types them or as `parse_axis` reads them; formulas in other symbols."""

LARGEST_INPUT = 10.0**LARGEST_EXPONENT

CLOSE = 1e-12
"""Two numbers this close, relative to the larger of 1 and their logarithm, count as equal in a condition."""


@dataclass(frozen=True, eq=False)
class Assumed:
    """An input that nobody gave: where it comes from, and its log₁₀ in an array that broadcasts to the sweep."""

    name: str
    why: str
    value: Fraction | None
    _points: Points = field(repr=False)

    @cached_property
    def log10(self) -> Array:
        """log₁₀ of the value at every point that tells it apart."""
        return self._points.log(VOCABULARY[self.name].expr, base=10.0)

    @property
    def text(self) -> str:
        """The value, or the range that it has."""
        if self.value is not None:
            return show_fraction(self.value)
        low, high = np.nanmin(self.log10), np.nanmax(self.log10)
        return f"10^{low:.6g}" if low == high else f"10^{low:.6g} to 10^{high:.6g}"


@dataclass(frozen=True, eq=False)
class Check:
    """What the statement needs of the inputs, small ≤ large, and where it fails, or is infinite or undefined."""

    what: str
    large: sympy.Expr = field(repr=False)
    small: sympy.Expr = field(repr=False)
    _points: Points = field(repr=False)

    @cached_property
    def fails(self) -> NDArray[np.bool]:
        """Where it does not hold, in an array that broadcasts to the sweep; equality counts as holding."""
        large, small = self._points.log(self.large), self._points.log(self.small, negative=-math.inf)
        with np.errstate(invalid="ignore"):
            holds = large >= small - CLOSE * np.maximum(np.abs(large), 1.0)
        return ~(holds & (large < math.inf))


class Inputs:
    """What was given, checked and laid out as arrays, and what is put in for the rest."""

    def __init__(
        self,
        theorem: Theorem,
        given: Given,
        policy: ConstantPolicy,
        broadcast: bool,
        points: type[Points] = Points,
    ) -> None:
        """Take what was given; `points` is what computes."""
        self.theorem = theorem
        numbers: dict[str, Number] = {}
        formulas: dict[str, sympy.Expr] = {}
        self.axes: dict[str, NDArray[Any]] = {}
        self.swept: set[HiddenConstant] = set()
        settings: dict[str, Number] = {}
        self.notes: list[str] = []
        for name, value in given.items():
            constant = _constant(theorem, name)
            proper = name if constant is not None else lookup(name).name
            if isinstance(value, str) and is_axis(value):
                value = parse_axis(value, proper)
            if isinstance(value, Axis):
                self.notes += [value.note] if value.note else []
                value = value.values
            kind = _kind(value, name)
            if constant is not None and (name in policy.values or f"{theorem.key}:{name}" in policy.values):
                raise InputError(f"{name} is given among the inputs and among the constants; give it once")
            if isinstance(kind, sympy.Expr):
                formulas[name] = kind
            elif isinstance(kind, np.ndarray):
                if proper in self.axes:
                    raise InputError(f"{proper} is given twice; give it once")
                self.axes[proper] = kind
                self.swept |= {constant} if constant is not None else set()
            elif constant is not None:
                settings[name] = kind
            else:
                numbers[name] = kind
        measured = {name: origin for name, origin in policy.calibrated.items() if name not in settings}
        self.policy = ConstantPolicy({**policy.values, **settings}, measured)
        self.laid_out, self.shape, self.grid = placed(self.axes, broadcast)
        self._written = {lookup(name).expr: in_vocabulary(expr) for name, expr in formulas.items()}
        self.formulas = check_formulas(formulas)
        self.numbers: dict[str, Fraction] = {}
        self.arrays: dict[str, NDArray[Any]] = {}
        self._names: dict[str, str] = {}
        self._check(numbers)
        self.points = points(self.arrays, self.formulas)
        self.used: set[str] = set()
        self._entered: set[sympy.Symbol] = set()
        self._free: dict[sympy.Expr, set[sympy.Symbol]] = {}
        self.assumed: list[Assumed] = []
        self.constants: list[ConstantUse] = []
        self._filled: set[sympy.Symbol] = set()

    def _check(self, numbers: Mapping[str, Number]) -> None:
        """Check every value against its domain, by the extremes of an array; find the statement's own names."""
        swept = {constant.name: constant for constant in self.swept}
        ends: dict[str, tuple[float, float]] = {}
        for name, array in self.laid_out.items():
            ends[name] = array.min().item(), array.max().item()
            if name in swept:
                for end in ends.pop(name):
                    ConstantPolicy({name: end}).use(swept[name], self.theorem.key)
                self.arrays[name] = array
            elif VOCABULARY[name].domain.integer and array.dtype.kind == "f":
                _check_whole(array, name)
        lows = {name: _as_exact(low, VOCABULARY[name]) for name, (low, _) in ends.items()}
        least = check_inputs(self.theorem, {**numbers, **lows})
        both = {symbol.name for symbol in self.formulas} & least.keys()
        if both:
            raise InputError(f"{', '.join(sorted(both))} is given twice, as a number and as a formula; give it once")
        for name, (low, high) in ends.items():
            VOCABULARY[name].check(exact(_as_exact(high, VOCABULARY[name]), name))
            if name in least:
                self.arrays[name] = self.laid_out[name]
                continue
            # A depth in hidden layers becomes the statement's own; a number of iterations takes the statement's name.
            ((own, value),) = check_inputs(self.theorem, {name: low}).items()
            check_inputs(self.theorem, {name: high})
            self.arrays[own] = self.laid_out[name].astype(float) + int(value - exact(low, name))
            self._names[own] = name
        self.numbers = {name: value for name, value in least.items() if name not in self.arrays}

    @property
    def unused(self) -> tuple[str, ...]:
        """The names of inputs that have not entered anything."""
        names = [self._names.get(name, name) for name in (*self.numbers, *self.arrays) if name not in self.used]
        return (*names, *(symbol.name for symbol in self.formulas if symbol not in self._in_use))

    @property
    def _in_use(self) -> set[sympy.Symbol]:
        """The symbols whose formulas have entered, in another's formula too."""
        entered = set(self._entered)
        for _ in self._written:
            entered |= {s for symbol in entered for s in self._written[symbol].free_symbols & self._written.keys()}
        return entered

    @property
    def given(self) -> set[str]:
        """The names of the symbols that were given."""
        return {*self.numbers, *self.arrays, *(symbol.name for symbol in self.formulas)}

    def free(self, *expressions: sympy.Expr) -> set[sympy.Symbol]:
        """The symbols, constants included, that expressions need when formulas are put in."""
        found: set[sympy.Symbol] = set()
        for expr in expressions:
            if expr not in self._free:
                self._free[expr] = expr.free_symbols
            found |= self._free[expr]
        for symbol in found & self.formulas.keys():
            self._entered.add(symbol)
            found = (found - {symbol}) | self.formulas[symbol].free_symbols
        return found

    def left(self, bound: Bound) -> sympy.Expr:
        """What a bound is on: its symbol, or the formula that was given for it."""
        return self.formulas.get(bound.symbol, bound.symbol)

    def needs(self, bound: Bound) -> set[sympy.Symbol]:
        """The symbols whose values an inequality needs."""
        probability = bound.probability if isinstance(bound, Guarantee) else None
        parts = [bound.expr] + ([probability] if probability is not None else [])
        return self.free(*parts, *([self.left(bound)] if isinstance(bound, Condition) else []))

    def fill(self, needed: Iterable[sympy.Symbol], unknown: frozenset[sympy.Symbol] = frozenset()) -> None:
        """Give every needed symbol its values; `unknown` are those that are being solved for."""
        missing = set(needed) - self._filled - unknown
        for constant in sorted((s for s in missing if isinstance(s, HiddenConstant)), key=lambda s: s.name):
            self._filled.add(constant)
            if constant in self.swept:
                self.used.add(constant.name)
            else:
                use = self.policy.use(constant, self.theorem.key)
                self.constants.append(use)
                self.points.values[constant] = use.value
        order = {name: i for i, name in enumerate(VOCABULARY)}
        for symbol in sorted(missing - self._filled, key=lambda s: order[s.name]):
            if symbol not in self._filled:
                self._fill_one(symbol, unknown)

    def _fill_one(self, symbol: sympy.Symbol, unknown: frozenset[sympy.Symbol]) -> None:
        if symbol.name in self.numbers:
            self.points.values[symbol] = self.numbers[symbol.name]
        if symbol.name in self.numbers or symbol.name in self.arrays:
            self._filled.add(symbol)
            self.used.add(symbol.name)
            return
        pending = unknown | {symbol}
        value = None
        if symbol in self.theorem.supplies:
            expr = self.theorem.supplies[symbol]
            self.fill(self.free(expr), pending)
            self._put(symbol, expr, "up")
            why = f"{text(expr)}, supplied by the statement"
        elif own := self._own(symbol, pending):
            self.fill(self.free(*(bound.expr for bound in own)), pending)
            expr = combined(own)
            if symbol in self.free(expr):
                self.points.put_least(symbol, expr)
            else:
                self._put(symbol, expr, own[0].rounding)
            why = f"the statement's own {symbol_of(symbol).quantity}"
        else:
            value, why = self._default(symbol), "default"
            self.points.values[symbol] = value
        self._filled.add(symbol)
        self.assumed.append(Assumed(symbol.name, why, value, self.points))

    def _put(self, symbol: sympy.Symbol, expr: sympy.Expr, rounding: Rounding) -> None:
        if symbol_of(symbol).domain.integer:
            self.points.put_rounded(symbol, expr, rounding)
        else:
            self.points.values[symbol] = expr

    def _own(self, symbol: sympy.Symbol, pending: frozenset[sympy.Symbol]) -> tuple[Bound, ...]:
        """The statement's own bounds on an input that was not given, if they can be evaluated; never on n."""
        if symbol == n:
            return ()
        bounds = tuple(b for b in self.theorem.bounds_on(symbol) if not isinstance(b, Guarantee))
        return () if any(self.free(b.expr) & (pending - {symbol}) for b in bounds) else bounds

    def _default(self, symbol: sympy.Symbol) -> Fraction:
        default = symbol_of(symbol).default
        if default is None:
            raise InputError(
                f"{self.theorem.key} needs {symbol.name} ({symbol_of(symbol).meaning}) and has no default for it; "
                f"give {symbol.name}=…"
            )
        return max(default, Fraction(self.theorem.setting.depth.minimum)) if symbol == L else default

    def check_formulas(self) -> None:
        """Check the values of formulas against the domains of the symbols that they are given for.

        Raises:
            InputError: a formula leaves the domain; the message says how far.
        """
        for symbol, expr in self.formulas.items():
            domain = symbol_of(symbol).domain
            if symbol not in self._in_use or not self.free(expr) <= self._filled:
                continue  # Nothing needs it, or it depends on what is solved for.
            log = self.points.log(expr)
            low, high = np.min(log), np.max(log)
            least = math.log(domain.lower) if domain.lower else -math.inf
            most = math.inf if domain.upper is None else math.log(domain.upper)
            if not (low >= least - CLOSE and high <= most + (-CLOSE if domain.upper_open else CLOSE)):
                value = "undefined" if np.isnan(low) else f"{_power(low)} to {_power(high)}"
                raise InputError(f"{symbol.name} = {text(expr)} is {value}, not {domain}; change the formula")

    def domains_in(self, unknown: sympy.Symbol) -> list[Demand]:
        """That the formulas in which the unknown occurs lie in the domains of the symbols that they are given for.

        A formula in which something else has no value, and was not given one, is left out.
        """
        demands = []
        for symbol, expr in self.formulas.items():
            others = self.free(expr) - {unknown}
            if unknown not in self.free(expr) or not all(s in self._filled or s.name in self.given for s in others):
                continue
            self.fill(others)
            self._entered.add(symbol)
            domain = symbol_of(symbol).domain
            sign, side = sides(expr, self.points.values)
            if domain.lower is not None and not ((domain.lower == 0 and sign == 1) or domain.lower == 1 == side):
                demands.append(Demand(expr, _rational(domain.lower)))
            if domain.upper is not None and not (side == -1 and domain.upper == 1 and not domain.upper_open):
                most = domain.upper * (1 - Fraction(CLOSE)) if domain.upper_open else domain.upper
                demands.append(Demand(_rational(most), expr))
        return demands

    def checks(self, asked: sympy.Symbol, strict: bool) -> tuple[tuple[Check, ...], tuple[str, ...]]:
        """What the statement needs, or prescribes, of the inputs in use; and notes on what cannot be checked.

        As `solving.context` has it: the conditions on symbols that have a value, and the inequalities that are
        prescribed for inputs that were given, but for the number of iterations, where more do no harm.
        """
        prescribed = [
            bound
            for bound in self.theorem.prescriptions
            if bound.symbol.name in self.given and bound.symbol.name not in ITERATIONS and demand(bound) != "="
        ]
        checks, notes = [], []
        for bound in (*self.theorem.conditions, *prescribed):
            if bound.symbol == asked:
                continue
            left = self.left(bound)
            needed = self.free(bound.expr, left)
            open_ = {s for s in needed - self._filled if not isinstance(s, HiddenConstant)}
            missing = sorted({s.name for s in open_} - self.given)
            if asked in needed or (missing and bound.symbol.name not in self.given):
                continue
            if any(self._follows(symbol, asked) for symbol in open_):
                continue
            required = replace(bound, relation=demand(bound))
            kind = "condition" if isinstance(bound, Condition) else "prescription"
            if missing and strict:
                notes.append(f"{kind} not checked: {bound_text(required)}; give {', '.join(missing)}")
                continue
            self.fill(needed)
            large, small = (left, bound.expr) if required.relation == ">=" else (bound.expr, left)
            checks.append(Check(f"{kind} {bound_text(required)}", large, small, self.points))
        return tuple(checks), tuple(notes)

    def _follows(
        self, symbol: sympy.Symbol, unknown: sympy.Symbol, above: frozenset[sympy.Symbol] = frozenset()
    ) -> bool:
        """Whether the value of an input that nobody gave is prescribed in terms of the unknown."""
        if symbol.name in self.given or symbol == unknown or symbol in above:
            return False
        own = self._own(symbol, frozenset())
        expr = self.theorem.supplies.get(symbol, combined(own) if own else None)
        if expr is None or symbol in self.free(expr):
            return False
        free = self.free(expr)
        return unknown in free or any(self._follows(s, unknown, above | {symbol}) for s in free)

    def require_complete(self, quantity: str) -> None:
        """Refuse what was assumed.

        Raises:
            IncompleteError: something was; the message lists it.
        """
        inputs = [assumed.name for assumed in self.assumed]
        constants = [use.name for use in self.constants if use.assumed]
        missing = [f"{name}=…" for name in inputs] + [f"--set {name}=…" for name in constants]
        if missing:
            raise IncompleteError(
                f"--strict: {self.theorem.key} {quantity} would assume {', '.join(inputs + constants)}; "
                f"give {' '.join(missing)}"
            )


def _constant(theorem: Theorem, name: str) -> HiddenConstant | None:
    """The hidden constant of this name, where it is the name of no symbol.

    Raises:
        UnknownNameError: it is neither.
    """
    try:
        lookup(name)
    except UnknownNameError:
        constants = {constant.name: constant for constant in theorem.constants}
        if name not in constants:
            raise UnknownNameError("input", name, [*VOCABULARY, *constants]) from None
        return constants[name]
    return None


def _kind(value: Any, name: str) -> Number | sympy.Expr | NDArray[Any]:
    """A given value as a number, a formula, or an array of numbers."""
    if isinstance(value, sympy.Expr):
        number = in_vocabulary(value) if value.is_Rational or value.is_Float else None
        return value if number is None else Fraction(number.p, number.q)
    if isinstance(value, int | float | str | Fraction):
        return value if not isinstance(value, np.generic) else value.item()
    array = _array(value, name)
    return array if array.ndim else array.item()


def _array(value: Any, name: str) -> NDArray[Any]:
    """Integers, or floats of at most double precision.

    Raises:
        InputError: other things are in the array, or its rows differ in length.
    """
    if np.ma.is_masked(value):
        count = np.ma.count_masked(value)
        raise InputError(f"{name}: {count} of {value.size} values are masked; leave them out, as .compressed() does")
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"{name}: the rows of {shortened(value)} differ in length; give each as many values") from None
    if array.dtype.kind in "OU":
        array = np.array([_as_float(one, name) for one in array.ravel()]).reshape(array.shape)
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name}: values of type {array.dtype} are no numbers; give integers or floats")
    with np.errstate(over="ignore"):  # What overflows is refused as infinite.
        return array.astype(float) if array.dtype.kind == "f" and array.dtype != float else array


def _as_float(value: Number, name: str) -> float:
    try:
        return float(exact(value, name))
    except OverflowError:
        raise InputError(f"{name}: {show_fraction(exact(value, name))} does not fit a float; give less") from None


def shortened(value: object) -> str:
    """A value as a message shows it: in one line, and not all of it where it is long."""
    return " ".join(f"{value!r}"[:60].split())


def _as_exact(end: float, symbol: Symbol) -> Number:
    """An end of an array, exactly, if it lies in the symbol's domain; else as it is, to be shown in a message."""
    inside = LARGEST_INPUT >= end >= 1 / LARGEST_INPUT and Fraction(end) in symbol.domain
    return Fraction(end) if inside else end


def _power(log: float) -> str:
    """A number given by its logarithm."""
    return f"{math.exp(log):.6g}" if abs(log) < 700 else f"10^{log / math.log(10):.6g}"


def _rational(value: Fraction) -> sympy.Rational:
    return sympy.Rational(value.numerator, value.denominator)


def _check_whole(array: NDArray[Any], name: str) -> None:
    for index in blocks(array.shape):
        part = array[index]
        broken = part[np.rint(part) != part]
        if broken.size:
            symbol = lookup(name)
            symbol.check(exact(broken.flat[0].item(), symbol.name))
