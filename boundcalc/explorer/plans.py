"""What has to be computed for one curve of the page, in order, recorded of a sweep's own inputs.

Which inputs a statement supplies or prescribes by itself, and which of its conditions are checked, depends on which of
them are given: each such choice has a plan of its own.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import sympy
from numpy.typing import NDArray

from boundcalc.arrays import log_function
from boundcalc.arrays.programs import Program
from boundcalc.constants import HiddenConstant
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
        bounds: the inequalities on the symbol, and those on others that it has to satisfy too.
        bound: the program of log₁₀ of the bound, or the conditions to be solved.
        several: whether those are more than one inequality.
        probability: the program of the logarithm of a guarantee's probability, if it names one.
        inputs: the symbols that enter and have to be given.
    """

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

    problem: str


def optional(catalogue: Catalogue) -> frozenset[str]:
    """The symbols for which some statement has a value of its own, so that they need not be given."""
    found: set[str] = set()
    for theorem in catalogue.all():
        found |= {symbol.name for symbol in theorem.supplies}
        found |= {bound.symbol.name for bound in theorem.bounds if not isinstance(bound, Guarantee)}
    return frozenset(found - {n.name})


def plans(theorem: Theorem, symbol: sympy.Symbol, optional: frozenset[str]) -> dict[frozenset[str], Plan | Unavailable]:
    """The plans for a bounded symbol, by which of the `optional` inputs are given: none of them first, all last.

    Left out are inputs that change nothing, whatever else is given. One that does not enter the bound may still be one
    on which the statement has a condition, and two may matter together where neither does alone: so all is tried.
    """
    own = {s.name for s in theorem.symbols} - {symbol.name}
    open_ = [name for name in VOCABULARY if name in own & optional]
    constants = theorem.constants
    found: dict[frozenset[str], Plan | Unavailable] = {}
    for given in _subsets(open_):
        try:
            found[given] = _recorded(theorem, symbol, constants, own - optional | given)
        except (InputError, NumericsError) as problem:
            found[given] = Unavailable(str(problem))
    matter = [name for name in open_ if any(found[given | {name}] != plan for given, plan in found.items())]
    return {given: found[given] for given in _subsets(matter)}


def _subsets(names: Iterable[str]) -> Iterator[frozenset[str]]:
    """All subsets, small ones first."""
    held = list(names)
    return (frozenset(some) for count in range(len(held) + 1) for some in combinations(held, count))


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


def _recorded(
    theorem: Theorem, symbol: sympy.Symbol, constants: Iterable[HiddenConstant], given: Collection[str]
) -> Plan:
    """What a sweep does with these inputs and constants."""
    names = [name for name in VOCABULARY if name in given]
    # One point, so that every input stays open; which point does not matter.
    inputs = Inputs(
        theorem, {name: np.array([_start(theorem, name)]) for name in names}, UNIT, broadcast=True, points=_Recorder
    )
    inputs.swept |= set(constants)
    inputs.arrays |= {constant.name: np.array([1.0]) for constant in constants}
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
