"""The values that go into every point of a sweep, and where each came from.

As in `solve.context`, an input that nobody gives is supplied by the statement, prescribed by it, or a default; here it
may differ from point to point.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from boundcalc.arrays import LogFunction, Slack, holding_range, log_function
from boundcalc.arrays.blocks import Index, at, blocks, broadcast_shape
from boundcalc.arrays.programs import Array, Operand
from boundcalc.constants import ConstantPolicy, ConstantUse, HiddenConstant, substitute
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.notation import bound_text, text
from boundcalc.numerics import Rounding
from boundcalc.parsing import Number, exact
from boundcalc.solve import IncompleteError, check_inputs
from boundcalc.solve.context import ITERATIONS, check_formulas
from boundcalc.solve.solution import combined
from boundcalc.sweeps.axes import placed
from boundcalc.symbols import VOCABULARY, L, lookup, n, show_fraction, symbol_of
from boundcalc.theorem import Bound, Condition, Guarantee, Theorem

Given = Mapping[str, "Number | sympy.Expr | ArrayLike"]
"""Inputs by name or alias, and hidden constants by name: numbers, exact or as one types them; arrays or lists of
numbers; formulas in other symbols."""

SOLVED_AT_ONCE = 1 << 14
"""Points at which an implicit condition is solved at a time."""

LARGEST_EXACT = math.log(2.0**53)
"""The logarithm up to which floats hold every integer."""

SNAP = 1e-12
"""A value this close to an integer, relative to its size, is taken for that integer when it is rounded."""


def integers(log: Array, rounding: Rounding) -> Array:
    """The integers next to numbers given by their logarithms, at least 1; numbers beyond 2^53 as they are."""
    with np.errstate(all="ignore"):
        x = np.exp(log)
        nearest = np.rint(x)
        whole = np.where(np.abs(x - nearest) <= SNAP * x, nearest, np.ceil(x) if rounding == "up" else np.floor(x))
        return np.where(log < LARGEST_EXACT, np.maximum(whole, 1.0), x)


def rounded(log: Array, rounding: Rounding) -> Array:
    """The logarithms of `integers`, however large these are."""
    return np.where(log < LARGEST_EXACT, np.log(integers(np.minimum(log, LARGEST_EXACT), rounding)), log)


@dataclass(frozen=True)
class Demand:
    """A condition small ≤ large; a `cap` is expected to hold up to some value of the unknown, not from one on."""

    large: sympy.Expr
    small: sympy.Expr
    cap: bool = False


@dataclass(frozen=True, eq=False)
class Assumed:
    """An input that nobody gave: where it comes from, and its log₁₀ in an array that broadcasts to the sweep."""

    name: str
    why: str
    value: Fraction | None
    _inputs: Inputs = field(repr=False)

    @cached_property
    def log10(self) -> Array:
        """log₁₀ of the value at every point that tells it apart."""
        return self._inputs.log(VOCABULARY[self.name].expr, base=10.0)

    @property
    def text(self) -> str:
        """The value, or the range that it has."""
        if self.value is not None:
            return show_fraction(self.value)
        low, high = np.nanmin(self.log10), np.nanmax(self.log10)
        return f"10^{low:.6g}" if low == high else f"10^{low:.6g} to 10^{high:.6g}"


@dataclass(frozen=True, eq=False)
class Check:
    """What the statement needs of the inputs, and where they do not satisfy it."""

    what: str
    _large: sympy.Expr = field(repr=False)
    _small: sympy.Expr = field(repr=False)
    _inputs: Inputs = field(repr=False)

    @cached_property
    def fails(self) -> NDArray[np.bool]:
        """Where it does not hold, in an array that broadcasts to the sweep; equality counts as holding."""
        slack = self._inputs.log(_quotient(self._large, self._small))
        return slack < -SNAP * np.maximum(np.abs(self._inputs.log(self._large)), 1.0)


class Inputs:
    """What was given, checked and laid out as arrays, and what is put in for the rest."""

    def __init__(self, theorem: Theorem, given: Given, policy: ConstantPolicy, broadcast: bool) -> None:
        self.theorem = theorem
        numbers: dict[str, Number] = {}
        formulas: dict[str, sympy.Expr] = {}
        self.axes: dict[str, NDArray[Any]] = {}
        self.swept: set[HiddenConstant] = set()
        settings: dict[str, Number] = {}
        for name, value in given.items():
            constant = _constant(theorem, name)
            kind = _kind(value, name)
            if constant is not None and (name in policy.values or f"{theorem.key}:{name}" in policy.values):
                raise InputError(f"{name} is given among the inputs and among the constants; give it once")
            if isinstance(kind, sympy.Expr):
                formulas[name] = kind
            elif isinstance(kind, np.ndarray):
                proper = name if constant is not None else lookup(name).name
                if proper in self.axes:
                    raise InputError(f"{proper} is given twice; give it once")
                self.axes[proper] = kind
                self.swept |= {constant} if constant is not None else set()
            elif constant is not None:
                settings[name] = kind
            else:
                numbers[name] = kind
        self.policy = ConstantPolicy({**policy.values, **settings})
        self.laid_out, self.shape, self.grid = placed(self.axes, broadcast)
        self.formulas = check_formulas({name: _in_vocabulary(expr) for name, expr in formulas.items()})
        self.numbers: dict[str, Fraction] = {}
        self.arrays: dict[str, NDArray[Any]] = {}
        self._names: dict[str, str] = {}
        self._check(numbers)
        self.values: dict[sympy.Symbol, Fraction | sympy.Expr] = dict(self.formulas)
        self.logs: dict[str, Array] = {}
        self.used: set[str] = set()
        self._entered: set[sympy.Symbol] = set()
        self.assumed: list[Assumed] = []
        self.constants: list[ConstantUse] = []
        self._filled: set[sympy.Symbol] = set()

    def _check(self, numbers: Mapping[str, Number]) -> None:
        """Check every value against its domain, by the extremes of an array; find the statement's own names."""
        swept = {constant.name: constant for constant in self.swept}
        ends: dict[str, tuple[Number, Number]] = {}
        for name, array in self.laid_out.items():
            ends[name] = array.min().item(), array.max().item()
            if name in swept:
                for end in ends.pop(name):
                    ConstantPolicy({name: end}).use(swept[name], self.theorem.key)
                self.arrays[name] = array
            elif VOCABULARY[name].domain.integer and array.dtype.kind == "f":
                _check_whole(array, name)
        least = check_inputs(self.theorem, {**numbers, **{name: low for name, (low, _) in ends.items()}})
        both = {symbol.name for symbol in self.formulas} & least.keys()
        if both:
            raise InputError(f"{', '.join(sorted(both))} is given twice, as a number and as a formula; give it once")
        for name, (low, high) in ends.items():
            VOCABULARY[name].check(exact(high, name))
            if name in least:
                self.arrays[name] = self.laid_out[name]
                continue
            # A depth in hidden layers becomes the statement's own; a number of iterations takes the statement's name.
            ((own, value),) = check_inputs(self.theorem, {name: low}).items()
            check_inputs(self.theorem, {name: high})
            self.arrays[own] = self.laid_out[name] + int(value - exact(low, name))
            self._names[own] = name
        self.numbers = {name: value for name, value in least.items() if name not in self.arrays}

    @property
    def unused(self) -> tuple[str, ...]:
        """The names of inputs that have not entered anything."""
        names = [self._names.get(name, name) for name in (*self.numbers, *self.arrays) if name not in self.used]
        return (*names, *(symbol.name for symbol in self.formulas if symbol not in self._entered))

    @property
    def given(self) -> set[str]:
        """The names of the symbols that were given."""
        return {*self.numbers, *self.arrays, *(symbol.name for symbol in self.formulas)}

    def free(self, *expressions: sympy.Expr) -> set[sympy.Symbol]:
        """The symbols, constants included, that expressions need when formulas are put in."""
        found: set[sympy.Symbol] = set().union(*(expr.free_symbols for expr in expressions))
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
                self.values[constant] = use.value
        order = {name: i for i, name in enumerate(VOCABULARY)}
        for symbol in sorted(missing - self._filled, key=lambda s: order[s.name]):
            if symbol not in self._filled:
                self._fill_one(symbol, unknown)

    def _fill_one(self, symbol: sympy.Symbol, unknown: frozenset[sympy.Symbol]) -> None:
        if symbol.name in self.numbers:
            self.values[symbol] = self.numbers[symbol.name]
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
                shape, parts = self.ranges(symbol, [Demand(symbol, expr)])
                least = np.empty(shape)
                for index, lower, _ in parts:
                    least[index] = lower
                self.logs[symbol.name] = rounded(least, "up")
            else:
                self._put(symbol, expr, own[0].rounding)
            why = f"the statement's own {symbol_of(symbol).quantity}"
        else:
            value, why = self._default(symbol), "default"
            self.values[symbol] = value
        self._filled.add(symbol)
        self.assumed.append(Assumed(symbol.name, why, value, self))

    def _put(self, symbol: sympy.Symbol, expr: sympy.Expr, rounding: Rounding) -> None:
        if symbol_of(symbol).domain.integer:
            self.logs[symbol.name] = rounded(self.log(expr), rounding)
        else:
            self.values[symbol] = expr

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
        for symbol in self._entered:
            expr, domain = self.formulas[symbol], symbol_of(symbol).domain
            if not self.free(expr) <= self._filled:
                continue  # It depends on what is solved for.
            log = self.log(expr)
            low, high = np.min(log), np.max(log)
            least = math.log(domain.lower) if domain.lower else -math.inf
            most = math.inf if domain.upper is None else math.log(domain.upper)
            if not (low >= least - SNAP and high <= most + (-SNAP if domain.upper_open else SNAP)):
                value = "undefined" if np.isnan(low) else f"{np.exp(low):.6g} to {np.exp(high):.6g}"
                raise InputError(f"{symbol.name} = {text(expr)} is {value}, not {domain}; change the formula")

    def log(self, expr: sympy.Expr, base: float = math.e) -> Array:
        """The logarithm of an expression, on the smallest shape that its inputs broadcast to."""
        return log_function(expr, self.values, base=base, logs=self.logs.keys())({**self.arrays, **self.logs})

    def ranges(
        self, unknown: sympy.Symbol, conditions: Sequence[Demand]
    ) -> tuple[tuple[int, ...], Iterator[tuple[Index, Operand, Operand]]]:
        """The last range of log(unknown) in which every condition holds, as `holding_range` gives its ends.

        Returns:
            The shape of the whole, and for each block its place and the ends, which hold until the next one.
        """
        everything = {**self.arrays, **self.logs}
        functions = [
            log_function(_quotient(one.large, one.small), self.values, logs={*self.logs, unknown.name})
            for one in conditions
        ]
        names = {name for function in functions for name in function.names} - {unknown.name}
        arrays = {name: np.asarray(everything[name]) for name in names}
        shape = broadcast_shape(arrays)
        return shape, self._ranges(functions, [one.cap for one in conditions], arrays, shape)

    def _ranges(
        self, functions: list[LogFunction], caps: list[bool], arrays: dict[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> Iterator[tuple[Index, Operand, Operand]]:
        slacks: list[Slack] = []
        for index in blocks(shape, SOLVED_AT_ONCE):
            part = np.broadcast_to(0.0, shape)[index].shape
            known = {name: at(array, index) for name, array in arrays.items()}
            lower: Operand = 0.0
            upper: Operand = math.inf
            with np.errstate(all="ignore"):
                if slacks and slacks[0].shape == part:
                    for slack in slacks:
                        slack.move(known)
                else:
                    slacks = [
                        Slack(function.program, {n: x for n, x in known.items() if n in function.names}, part or (1,))
                        for function in functions
                    ]
                for slack, cap in zip(slacks, caps, strict=True):
                    low, high = holding_range(slack, cap=cap)
                    lower, upper = np.maximum(lower, low), np.minimum(upper, high)
            yield index, np.reshape(lower, part), np.broadcast_to(upper, part or (1,)).reshape(part)

    def checks(self, asked: sympy.Symbol, strict: bool) -> tuple[tuple[Check, ...], tuple[str, ...]]:
        """What the statement needs, or prescribes, of the inputs in use; and notes on what cannot be checked.

        As `solve.context` has it: the conditions on symbols that have a value, and the inequalities that are
        prescribed for inputs that were given, but for the number of iterations, where more do no harm.
        """
        prescribed = [
            bound
            for bound in self.theorem.prescriptions
            if bound.relation != "=" and bound.symbol.name in self.given and bound.symbol.name not in ITERATIONS
        ]
        checks, notes = [], []
        for bound in (*self.theorem.conditions, *prescribed):
            left = self.left(bound)
            needed = self.free(bound.expr, left)
            open_ = {s.name for s in needed - self._filled if not isinstance(s, HiddenConstant)}
            missing = sorted(open_ - self.given)
            if asked in needed or (missing and bound.symbol.name not in self.given):
                continue
            kind = "condition" if isinstance(bound, Condition) else "prescription"
            if missing and strict:
                notes.append(f"{kind} not checked: {bound_text(bound)}; give {', '.join(missing)}")
                continue
            self.fill(needed)
            large, small = (left, bound.expr) if bound.relation == ">=" else (bound.expr, left)
            checks.append(Check(f"{kind} {bound_text(bound)}", large, small, self))
        return tuple(checks), tuple(notes)

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


def _quotient(over: sympy.Expr, under: sympy.Expr) -> sympy.Expr:
    return sympy.Mul(over, sympy.Pow(under, -1, evaluate=False), evaluate=False)


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
    if isinstance(value, sympy.Expr) and not value.is_Number:
        return value
    if isinstance(value, sympy.Expr):
        return Fraction(value.p, value.q) if value.is_Rational else float(value)
    if isinstance(value, int | float | str | Fraction):
        return value if not isinstance(value, np.generic) else value.item()
    array = np.asarray(value)
    if array.dtype.kind in "OU":
        array = np.array([float(exact(one, name)) for one in array.ravel()]).reshape(array.shape)
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name}: values of type {array.dtype} are no numbers; give integers or floats")
    return array if array.ndim else array.item()


def _in_vocabulary(expr: sympy.Expr) -> sympy.Expr:
    """A formula in the vocabulary's own symbols, whatever was assumed of symbols with these names."""
    return substitute(expr, {symbol: lookup(symbol.name).expr for symbol in expr.free_symbols})


def _check_whole(array: NDArray[Any], name: str) -> None:
    for index in blocks(array.shape):
        part = array[index]
        broken = part[np.rint(part) != part]
        if broken.size:
            symbol = lookup(name)
            symbol.check(exact(broken.flat[0].item(), symbol.name))
