"""What has to be computed for one curve of the page, in order, recorded of a sweep's own inputs.

Which inputs a statement supplies or prescribes by itself depends on which of them are given: each such choice has a
plan of its own, and together they are a tree, from nothing given to everything that enters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import sympy
from numpy.typing import NDArray

from boundcalc.arrays import log_function
from boundcalc.arrays.programs import Program
from boundcalc.errors import InputError, NumericsError
from boundcalc.numerics import Rounding
from boundcalc.solving import UNIT
from boundcalc.solving.solution import combined
from boundcalc.sweeps.inputs import Inputs
from boundcalc.sweeps.points import Demand, Points
from boundcalc.sweeps.sweep import caps_on, demands_on
from boundcalc.symbols import VOCABULARY, n, show_fraction
from boundcalc.theorem import Bound, Catalogue, Guarantee, Theorem


@dataclass(frozen=True)
class Solved:
    """Conditions on an unknown, as the program of their slacks."""

    program: Program


@dataclass(frozen=True)
class Put:
    """An integer that is computed before the bound: rounded, of a formula or as the least that satisfies one."""

    name: str
    of: Program | Solved
    rounding: Rounding


@dataclass(frozen=True)
class Filled:
    """An input that nobody gave: why it has the value that it has, and the program of its logarithm or the value."""

    name: str
    why: str
    value: Program | str


@dataclass(frozen=True)
class Checked:
    """What the statement needs of its inputs: small ≤ large, each the program of a logarithm."""

    what: str
    large: Program
    small: Program


@dataclass(frozen=True)
class Plan:
    """How to evaluate a bound when certain inputs are given.

    Attributes:
        given: those inputs, of the ones that a statement may supply or prescribe.
        bounds: the inequalities on the symbol, and those on others that it has to satisfy too.
        bound: the program of log₁₀ of the bound, or the conditions to be solved.
        several: whether those are more than one inequality.
        probability: the program of the logarithm of a guarantee's probability, if it names one.
        inputs: the symbols that enter and have to be given.
    """

    given: frozenset[str]
    bounds: tuple[Bound, ...]
    puts: tuple[Put, ...]
    bound: Program | Solved
    several: bool
    probability: Program | None
    filled: tuple[Filled, ...]
    checks: tuple[Checked, ...]
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Unavailable:
    """Why a bound cannot be evaluated when certain inputs are given."""

    given: frozenset[str]
    problem: str


def optional(catalogue: Catalogue) -> frozenset[str]:
    """The symbols for which some statement has a value of its own, so that they need not be given."""
    found: set[str] = set()
    for theorem in catalogue.all():
        found |= {symbol.name for symbol in theorem.supplies}
        found |= {bound.symbol.name for bound in theorem.bounds if not isinstance(bound, Guarantee)}
    return frozenset(found - {n.name})


def plans(theorem: Theorem, symbol: sympy.Symbol, optional: frozenset[str]) -> Iterator[Plan | Unavailable]:
    """The plans for a bounded symbol: with nothing `optional` given, and with each that then has a value of its own."""
    pending, seen = [frozenset[str]()], set[frozenset[str]]()
    while pending:
        given = pending.pop(0)
        if given in seen:
            continue
        seen.add(given)
        try:
            plan = _recorded(theorem, symbol, given, optional)
        except (InputError, NumericsError) as problem:
            yield Unavailable(given, str(problem))
            continue
        yield plan
        pending += [given | {filled.name} for filled in plan.filled if filled.name in optional]


class _Recorder(Points):
    """Points at which nothing is computed: what would be is noted."""

    def __init__(self, arrays: Mapping[str, NDArray[np.float64]], values: Mapping[sympy.Symbol, sympy.Expr]) -> None:
        super().__init__(arrays, values)
        self.puts: list[Put] = []

    def put_rounded(self, symbol: sympy.Symbol, expr: sympy.Expr, rounding: Rounding) -> None:
        """Note it."""
        self._put(Put(symbol.name, self.program(expr), rounding))

    def put_least(self, symbol: sympy.Symbol, expr: sympy.Expr) -> None:
        """Note it."""
        self._put(Put(symbol.name, self.solved(symbol, [Demand(symbol, expr)]), "up"))

    def _put(self, put: Put) -> None:
        self.puts.append(put)
        self.logs[put.name] = np.zeros(1)  # that it is there is all that counts

    def program(self, expr: sympy.Expr, base: float = math.e, negative: float = math.nan) -> Program:
        """The program of the logarithm of an expression."""
        return log_function(expr, self.values, base=base, logs=self.logs.keys(), negative=negative).program

    def solved(self, unknown: sympy.Symbol, conditions: list[Demand]) -> Solved:
        """Conditions on an unknown."""
        program, _ = self.slacks(unknown, conditions)
        return Solved(program)


def _recorded(theorem: Theorem, symbol: sympy.Symbol, given: frozenset[str], optional: frozenset[str]) -> Plan:
    """What a sweep does with these inputs, all others that are not optional being given too."""
    own = {s.name for s in theorem.symbols} - {symbol.name}
    names = [name for name in VOCABULARY if name in own and (name in given or name not in optional)]
    # One point, so that every input stays open; which point does not matter.
    point = {name: np.array([_start(theorem, name)]) for name in names}
    constants = {constant.name: np.array([1.0]) for constant in theorem.constants}
    inputs = Inputs(theorem, {**point, **constants}, UNIT, broadcast=True, points=_Recorder)
    points = inputs.points
    assert isinstance(points, _Recorder)
    bounds, caps = theorem.bounds_on(symbol), caps_on(inputs, symbol)
    inputs.fill(set().union(*(inputs.needs(bound) for bound in (*bounds, *caps))), frozenset({symbol}))
    checks, _ = inputs.checks(symbol, strict=False)
    guarantee = bounds[0] if isinstance(bounds[0], Guarantee) else None
    bound: Program | Solved
    if caps or any(symbol in inputs.free(bound.expr) for bound in bounds):
        bound = points.solved(symbol, demands_on(inputs, symbol, bounds, caps))
    else:
        bound = points.program(combined(bounds), base=10)
    return Plan(
        given=given,
        bounds=(*bounds, *caps),
        puts=tuple(points.puts),
        bound=bound,
        several=bool(caps),
        probability=None if guarantee is None or guarantee.probability is None
        else points.program(guarantee.probability),
        filled=tuple(
            Filled(
                one.name,
                one.why,
                points.program(VOCABULARY[one.name].expr) if one.value is None else show_fraction(one.value),
            )
            for one in inputs.assumed
        ),
        checks=tuple(
            Checked(check.what, points.program(check.large), points.program(check.small, negative=-math.inf))
            for check in checks
        ),
        inputs=tuple(name for name in names if name in inputs.used),
    )  # fmt: skip


def _start(theorem: Theorem, name: str) -> float:
    """A value in the domain of a symbol."""
    least = theorem.setting.depth.minimum if name == "L" else 0.0
    default = VOCABULARY[name].default
    return 1.0 if default is None else max(float(default), least)
